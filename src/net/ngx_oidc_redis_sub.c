
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Invalidation messages of a node: decides when each change of a key is told
 * of, and says so.  One connection is both the client that tracks and the one
 * that is told (CLIENT TRACKING ... REDIRECT to itself, then SUBSCRIBE, which
 * RESP2 allows), so that neither can be lost without the other.  A PING is
 * answered behind all messages that were sent before.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


/* a node that does not track may be upgraded, or its user be given the right */

#define NGX_OIDC_REDIS_SUB_AGAIN  (60 * 1000)


typedef enum {
    NGX_OIDC_REDIS_SUB_ID = 0,      /* link ready -> TRACK */
    NGX_OIDC_REDIS_SUB_TRACK,       /* -> SUBSCRIBE */
    NGX_OIDC_REDIS_SUB_SUBSCRIBE,   /* -> TOLD, refused */
    NGX_OIDC_REDIS_SUB_TOLD
} ngx_oidc_redis_sub_state_e;


typedef struct {
    ngx_queue_t                 queue;      /* run->subs; kept until exit */
    ngx_oidc_redis_sub_t       *sub;        /* NULL: free to be used */
    ngx_oidc_redis_link_t       link;
    ngx_event_t                 timer;      /* PING, or another try */
    ngx_oidc_redis_sub_state_e  state;
    ngx_uint_t                  serial;     /* counts uses */
    unsigned                    pinging:1;
} ngx_oidc_redis_sub_run_t;


static ngx_oidc_redis_sub_run_t *ngx_oidc_redis_sub_run(
    ngx_oidc_redis_t *redis);
static void ngx_oidc_redis_sub_ready(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_sub_down(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_sub_reply(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_sub_track(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_sub_subscribe(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_sub_told(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_sub_keys(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *keys);
static void ngx_oidc_redis_sub_refused(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_sub_write(ngx_oidc_redis_sub_run_t *run,
    ngx_uint_t argc, ngx_str_t *argv);
static void ngx_oidc_redis_sub_ping(ngx_oidc_redis_sub_run_t *run);
static void ngx_oidc_redis_sub_timer(ngx_event_t *ev);
static void ngx_oidc_redis_sub_tell(ngx_oidc_redis_sub_run_t *run,
    ngx_oidc_redis_sub_event_e event, ngx_str_t *key);


static const ngx_oidc_redis_link_handlers_t  ngx_oidc_redis_sub_link = {
    ngx_oidc_redis_sub_ready,
    ngx_oidc_redis_sub_down,
    ngx_oidc_redis_sub_reply
};


ngx_int_t
ngx_oidc_redis_sub_open(ngx_oidc_redis_sub_t *sub, ngx_oidc_redis_node_t *node)
{
    ngx_oidc_redis_sub_run_t  *run;

    sub->run = NULL;

    if (node->link.state != NGX_OIDC_REDIS_LINK_READY) {
        return NGX_ERROR;
    }

    run = ngx_oidc_redis_sub_run(sub->redis);
    if (run == NULL) {
        return NGX_ERROR;
    }

    run->sub = sub;
    run->pinging = 0;
    run->state = NGX_OIDC_REDIS_SUB_ID;

    run->link.addr = node->link.addr;
    run->link.pinned = 1;

    ngx_memcpy(run->link.literal, node->link.literal,
               sizeof(run->link.literal));

    sub->run = run;

    ngx_oidc_redis_link_start(&run->link);

    return NGX_OK;
}


void
ngx_oidc_redis_sub_close(ngx_oidc_redis_sub_t *sub)
{
    ngx_oidc_redis_sub_run_t  *run;

    run = sub->run;

    if (run == NULL) {
        return;
    }

    sub->run = NULL;
    run->sub = NULL;
    run->serial++;

    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    ngx_oidc_redis_link_stop(&run->link);
}


void
ngx_oidc_redis_sub_exit(ngx_oidc_redis_t *redis)
{
    ngx_queue_t               *q;
    ngx_oidc_redis_sub_run_t  *run;

    while (!ngx_queue_empty(&redis->run->subs)) {
        q = ngx_queue_head(&redis->run->subs);
        run = ngx_queue_data(q, ngx_oidc_redis_sub_run_t, queue);

        if (run->sub != NULL) {
            ngx_oidc_redis_sub_close(run->sub);
        }

        ngx_queue_remove(q);
        ngx_free(run);
    }
}


/* one may be closed by its own handler, so that none is freed before exit */

static ngx_oidc_redis_sub_run_t *
ngx_oidc_redis_sub_run(ngx_oidc_redis_t *redis)
{
    ngx_queue_t               *q;
    ngx_oidc_redis_sub_run_t  *run;

    if (redis->run == NULL) {
        return NULL;
    }

    for (q = ngx_queue_head(&redis->run->subs);
         q != ngx_queue_sentinel(&redis->run->subs);
         q = ngx_queue_next(q))
    {
        run = ngx_queue_data(q, ngx_oidc_redis_sub_run_t, queue);

        if (run->sub == NULL) {
            return run;
        }
    }

    run = ngx_calloc(sizeof(ngx_oidc_redis_sub_run_t), redis->run->log);
    if (run == NULL) {
        return NULL;
    }

    ngx_oidc_redis_link_init(&run->link, redis, &ngx_oidc_redis_sub_link, run);

    run->timer.handler = ngx_oidc_redis_sub_timer;
    run->timer.data = run;
    run->timer.log = redis->run->log;
    run->timer.cancelable = 1;

    ngx_queue_insert_tail(&redis->run->subs, &run->queue);

    return run;
}


static void
ngx_oidc_redis_sub_ready(ngx_oidc_redis_link_t *link)
{
    ngx_str_t                  argv[2];
    ngx_oidc_redis_sub_run_t  *run;

    run = link->data;

    link->failures = 0;
    run->state = NGX_OIDC_REDIS_SUB_ID;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "ID");

    ngx_oidc_redis_sub_write(run, 2, argv);

    /* what is not answered until then ends the connection */

    run->pinging = 1;
    ngx_add_timer(&run->timer, link->redis->conf.connect_timeout);
}


static void
ngx_oidc_redis_sub_down(ngx_oidc_redis_link_t *link)
{
    ngx_uint_t                 told;
    ngx_oidc_redis_sub_run_t  *run;

    run = link->data;

    told = (run->state == NGX_OIDC_REDIS_SUB_TOLD);
    run->state = NGX_OIDC_REDIS_SUB_ID;

    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    if (told) {
        ngx_oidc_redis_sub_tell(run, NGX_OIDC_REDIS_SUB_DOWN, NULL);
    }
}


static void
ngx_oidc_redis_sub_reply(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply)
{
    oidc_redis_error_e         error;
    ngx_oidc_redis_sub_run_t  *run;

    run = link->data;
    error = oidc_redis_error(reply);

    if (error == OIDC_REDIS_LOADING) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_LOADING,
                                 "it is loading its data");
        return;
    }

    if (error != OIDC_REDIS_FINE) {
        ngx_oidc_redis_sub_refused(run, reply);
        return;
    }

    switch (run->state) {

    case NGX_OIDC_REDIS_SUB_ID:
        ngx_oidc_redis_sub_track(run, reply);
        break;

    case NGX_OIDC_REDIS_SUB_TRACK:
        ngx_oidc_redis_sub_subscribe(run, reply);
        break;

    default: /* NGX_OIDC_REDIS_SUB_SUBSCRIBE, NGX_OIDC_REDIS_SUB_TOLD */
        ngx_oidc_redis_sub_told(run, reply);
        break;
    }
}


static void
ngx_oidc_redis_sub_track(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply)
{
    u_char      buf[NGX_INT64_LEN];
    ngx_str_t   argv[8];

    if (reply->type != OIDC_REDIS_INTEGER) {
        ngx_oidc_redis_sub_refused(run, reply);
        return;
    }

    run->state = NGX_OIDC_REDIS_SUB_TRACK;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "TRACKING");
    ngx_str_set(&argv[2], "ON");
    ngx_str_set(&argv[3], "REDIRECT");
    argv[4].data = buf;
    argv[4].len = ngx_sprintf(buf, "%L", reply->integer) - buf;
    ngx_str_set(&argv[5], "BCAST");
    ngx_str_set(&argv[6], "PREFIX");
    argv[7] = run->sub->prefix;

    ngx_oidc_redis_sub_write(run, 8, argv);
}


static void
ngx_oidc_redis_sub_subscribe(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply)
{
    ngx_str_t  argv[2];

    run->state = NGX_OIDC_REDIS_SUB_SUBSCRIBE;

    ngx_oidc_redis_conn_push(run->link.conn);

    ngx_str_set(&argv[0], "SUBSCRIBE");
    ngx_str_set(&argv[1], "__redis__:invalidate");

    ngx_oidc_redis_sub_write(run, 2, argv);
}


/* [subscribe, channel, n], [message, channel, keys or nil], [pong, ""] */

static void
ngx_oidc_redis_sub_told(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply)
{
    oidc_redis_reply_t  *e;

    e = reply->element;

    if (reply->type != OIDC_REDIS_ARRAY || reply->elements < 2) {
        goto unknown;
    }

    if (run->state == NGX_OIDC_REDIS_SUB_SUBSCRIBE) {

        if (!oidc_redis_is(&e[0], "subscribe")) {
            goto unknown;
        }

        run->state = NGX_OIDC_REDIS_SUB_TOLD;
        run->link.redis->run->refused_said = 0;

        ngx_oidc_redis_sub_ping(run);
        ngx_oidc_redis_sub_tell(run, NGX_OIDC_REDIS_SUB_UP, NULL);
        return;
    }

    if (oidc_redis_is(&e[0], "pong")) {
        run->pinging = 0;
        ngx_oidc_redis_sub_tell(run, NGX_OIDC_REDIS_SUB_PONG, NULL);
        return;
    }

    if (reply->elements == 3 && oidc_redis_is(&e[0], "message")) {
        ngx_oidc_redis_sub_keys(run, &e[2]);
        return;
    }

unknown:

    ngx_oidc_redis_link_fail(&run->link, NGX_OIDC_REDIS_UNAVAILABLE,
                             "it says what no subscriber is told");
}


/* what cannot be read as a list of keys may be about any key */

static void
ngx_oidc_redis_sub_keys(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *keys)
{
    size_t      i;
    ngx_uint_t  serial;

    serial = run->serial;

    if (keys->type != OIDC_REDIS_ARRAY) {
        ngx_oidc_redis_sub_tell(run, NGX_OIDC_REDIS_SUB_ALL, NULL);
        return;
    }

    for (i = 0; i < keys->elements && run->serial == serial; i++) {

        if (keys->element[i].type != OIDC_REDIS_STRING) {
            ngx_oidc_redis_sub_tell(run, NGX_OIDC_REDIS_SUB_ALL, NULL);
            continue;
        }

        ngx_oidc_redis_sub_tell(run, NGX_OIDC_REDIS_SUB_KEY,
                                &keys->element[i].str);
    }
}


static void
ngx_oidc_redis_sub_refused(ngx_oidc_redis_sub_run_t *run,
    oidc_redis_reply_t *reply)
{
    u_char                 buf[sizeof(((ngx_oidc_redis_node_t *) NULL)->text)];
    ngx_str_t              name;
    ngx_uint_t             told;
    ngx_oidc_redis_run_t  *redis;

    redis = run->link.redis->run;

    if (!redis->refused_said) {
        redis->refused_said = 1;

        ngx_oidc_redis_addr_text(&run->link.addr, buf, &name);

        ngx_log_error(NGX_LOG_WARN, redis->log, 0,
                      "oidc: redis \"%V\": %V: %s: each request asks Redis",
                      &run->link.redis->conf.name, &name,
                      oidc_redis_error(reply) == OIDC_REDIS_AUTH
                      ? "its ACL does not let the user track changes of keys "
                        "(+client|id +client|tracking +subscribe +ping "
                        "&__redis__:invalidate)"
                      : "it tells of no changes of keys (CLIENT TRACKING)");
    }

    told = (run->state == NGX_OIDC_REDIS_SUB_TOLD);
    run->state = NGX_OIDC_REDIS_SUB_ID;

    ngx_oidc_redis_link_stop(&run->link);

    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    ngx_add_timer(&run->timer, NGX_OIDC_REDIS_SUB_AGAIN);

    ngx_oidc_redis_sub_tell(run, told ? NGX_OIDC_REDIS_SUB_DOWN
                                      : NGX_OIDC_REDIS_SUB_REFUSED, NULL);
}


static void
ngx_oidc_redis_sub_write(ngx_oidc_redis_sub_run_t *run, ngx_uint_t argc,
    ngx_str_t *argv)
{
    if (ngx_oidc_redis_link_write(&run->link, argc, argv) != NGX_OK) {
        ngx_oidc_redis_link_fail(&run->link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "out of memory");
    }
}


static void
ngx_oidc_redis_sub_ping(ngx_oidc_redis_sub_run_t *run)
{
    ngx_str_t  ping = ngx_string("PING");

    run->pinging = 1;
    run->sub->pinged = ngx_current_msec;

    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    ngx_add_timer(&run->timer, run->sub->interval);

    ngx_oidc_redis_sub_write(run, 1, &ping);
}


static void
ngx_oidc_redis_sub_timer(ngx_event_t *ev)
{
    ngx_oidc_redis_sub_run_t  *run;

    run = ev->data;

    if (run->link.state != NGX_OIDC_REDIS_LINK_READY) {
        ngx_oidc_redis_link_start(&run->link);
        return;
    }

    if (run->pinging) {
        ngx_oidc_redis_link_fail(&run->link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "no answer in time from its subscription");
        return;
    }

    ngx_oidc_redis_sub_ping(run);
}


/* the last act of who calls it: the subscription may be closed now */

static void
ngx_oidc_redis_sub_tell(ngx_oidc_redis_sub_run_t *run,
    ngx_oidc_redis_sub_event_e event, ngx_str_t *key)
{
    if (run->sub != NULL) {
        run->sub->handler(run->sub, event, key);
    }
}
