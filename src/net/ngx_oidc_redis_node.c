
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The commands of one node: which wait for the connection, which were sent, and
 * for how long.  One that gets no answer in its time takes the connection and
 * all that was sent over it along, since the answers to come could not be told
 * apart; one that was lost with its connection is sent once more only where its
 * caller has said that this is harmless.  Never looks into an answer.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


static void ngx_oidc_redis_node_name_it(ngx_oidc_redis_node_t *node);
static ngx_int_t ngx_oidc_redis_node_write(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call);
static void ngx_oidc_redis_node_ready(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_node_down(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_node_reply(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_node_take(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call);
static void ngx_oidc_redis_node_arm(ngx_oidc_redis_node_t *node,
    ngx_msec_t deadline);
static void ngx_oidc_redis_node_timeout(ngx_event_t *ev);
static ngx_uint_t ngx_oidc_redis_node_expired(ngx_queue_t *queue,
    ngx_msec_t *next);


static const ngx_oidc_redis_link_handlers_t  ngx_oidc_redis_node_link = {
    ngx_oidc_redis_node_ready,
    ngx_oidc_redis_node_down,
    ngx_oidc_redis_node_reply
};

static ngx_str_t  ngx_oidc_redis_asking = ngx_string("ASKING");


ngx_oidc_redis_node_t *
ngx_oidc_redis_node_create(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_addr_t *addr)
{
    ngx_oidc_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_oidc_redis_node_t), redis->run->log);
    if (node == NULL) {
        return NULL;
    }

    node->redis = redis;

    ngx_queue_init(&node->sent);
    ngx_queue_init(&node->waiting);

    ngx_oidc_redis_link_init(&node->link, redis, &ngx_oidc_redis_node_link,
                             node);
    node->link.addr = *addr;
    ngx_oidc_redis_node_name_it(node);

    node->timer.handler = ngx_oidc_redis_node_timeout;
    node->timer.data = node;
    node->timer.log = redis->run->log;

    return node;
}


/* its calls end without a word */

void
ngx_oidc_redis_node_free(ngx_oidc_redis_node_t *node)
{
    ngx_uint_t              i;
    ngx_queue_t            *all[2], *q;
    ngx_oidc_redis_call_t  *call;

    ngx_oidc_redis_link_stop(&node->link);

    if (node->timer.timer_set) {
        ngx_del_timer(&node->timer);
    }

    all[0] = &node->sent;
    all[1] = &node->waiting;

    for (i = 0; i < 2; i++) {
        while (!ngx_queue_empty(all[i])) {
            q = ngx_queue_head(all[i]);
            call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);
            ngx_queue_remove(q);
            ngx_oidc_redis_drop(call);
        }
    }

    ngx_free(node);
}


static void
ngx_oidc_redis_node_name_it(ngx_oidc_redis_node_t *node)
{
    u_char  *literal;

    ngx_oidc_redis_addr_text(&node->link.addr, node->text, &node->name);

    literal = node->link.literal;

    node->hash = ngx_murmur_hash2(node->name.data, node->name.len)
                 + 31 * ngx_murmur_hash2(literal, ngx_strlen(literal));
}


void
ngx_oidc_redis_addr_set(ngx_oidc_redis_addr_t *addr, oidc_redis_url_t *url)
{
    ngx_memzero(addr, sizeof(ngx_oidc_redis_addr_t));

    ngx_memcpy(addr->host, url->host.data, url->host.len);
    addr->len = url->host.len;
    addr->port = (in_port_t) url->port;
    addr->local = url->local;
    addr->tls = url->tls;
}


ngx_uint_t
ngx_oidc_redis_addr_is(ngx_oidc_redis_addr_t *addr, ngx_str_t *host,
    in_port_t port)
{
    return addr->port == port
           && addr->len == host->len
           && ngx_strncasecmp(addr->host, host->data, host->len) == 0;
}


void
ngx_oidc_redis_addr_text(ngx_oidc_redis_addr_t *addr, u_char *buf,
    ngx_str_t *text)
{
    u_char  *p;

    /* without a port: the name of a master that is not located yet */

    if (addr->port == 0) {
        p = ngx_cpymem(buf, addr->host, addr->len);

    } else {
        p = ngx_sprintf(buf, "%*s:%ui", addr->len, addr->host,
                        (ngx_uint_t) addr->port);
    }

    text->data = buf;
    text->len = p - buf;
}


ngx_int_t
ngx_oidc_redis_node_send(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, ngx_oidc_redis_result_e *result)
{
    ngx_oidc_redis_link_t  *link;

    link = &node->link;

    if (node->calls >= NGX_OIDC_REDIS_CALLS_MAX
        || node->bytes + call->len > NGX_OIDC_REDIS_BYTES_MAX)
    {
        *result = NGX_OIDC_REDIS_BUSY;
        return NGX_ERROR;
    }

    if (link->state == NGX_OIDC_REDIS_LINK_READY) {

        if (ngx_oidc_redis_node_write(node, call) != NGX_OK) {
            *result = NGX_OIDC_REDIS_UNAVAILABLE;
            return NGX_ERROR;
        }

        ngx_queue_insert_tail(&node->sent, &call->queue);

    } else {

        /* who has failed is not waited for, however often it is tried again */

        if (link->failures) {
            *result = NGX_OIDC_REDIS_UNAVAILABLE;
            return NGX_ERROR;
        }

        ngx_queue_insert_tail(&node->waiting, &call->queue);
        ngx_oidc_redis_link_start(link);
    }

    node->calls++;
    node->bytes += call->len;
    node->timer.cancelable = 0;

    ngx_oidc_redis_node_arm(node, call->deadline);

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_redis_node_write(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call)
{
    ngx_oidc_redis_link_t  *link;

    link = &node->link;

    call->skip = 0;

    if (call->asking) {
        if (ngx_oidc_redis_link_write(link, 1, &ngx_oidc_redis_asking)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        call->skip = 1;
    }

    return ngx_oidc_redis_conn_write(link->conn, call->bytes, call->len);
}


static void
ngx_oidc_redis_node_ready(ngx_oidc_redis_link_t *link)
{
    uint32_t                hash;
    ngx_queue_t            *q;
    ngx_oidc_redis_t       *redis;
    ngx_oidc_redis_call_t  *call;
    ngx_oidc_redis_node_t  *node;

    node = link->data;
    redis = node->redis;

    link->failures = 0;

    /* by a Sentinel's word, or a name's, it may be another server now */

    hash = node->hash;
    ngx_oidc_redis_node_name_it(node);

    if (node->hash != hash) {
        redis->run->version++;
    }

    while (!ngx_queue_empty(&node->waiting)) {
        q = ngx_queue_head(&node->waiting);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);

        if (call->cancelled) {
            ngx_oidc_redis_node_take(node, call);
            ngx_free(call);
            continue;
        }

        if (ngx_oidc_redis_node_write(node, call) != NGX_OK) {
            ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE,
                                     "out of memory");
            return;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&node->sent, q);
    }
}


/* a done() may send: to this node, too */

static void
ngx_oidc_redis_node_down(ngx_oidc_redis_link_t *link)
{
    ngx_queue_t            *q, lost;
    ngx_oidc_redis_call_t  *call;
    ngx_oidc_redis_node_t  *node;

    node = link->data;

    ngx_queue_init(&lost);

    while (!ngx_queue_empty(&node->sent)) {
        q = ngx_queue_last(&node->sent);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);

        if (call->idempotent && !call->again && !call->cancelled
            && (ngx_msec_int_t) (call->deadline - ngx_current_msec) > 0)
        {
            call->again = 1;
            ngx_queue_remove(q);
            ngx_queue_insert_head(&node->waiting, q);
            continue;
        }

        ngx_oidc_redis_node_take(node, call);
        ngx_queue_insert_head(&lost, q);
    }

    if (link->failures) {
        while (!ngx_queue_empty(&node->waiting)) {
            q = ngx_queue_head(&node->waiting);
            call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);
            ngx_oidc_redis_node_take(node, call);
            ngx_queue_insert_tail(&lost, q);
        }
    }

    if (node->redis->run->cluster != NULL) {
        ngx_oidc_redis_cluster_down(node);
    }

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);
        ngx_queue_remove(q);
        ngx_oidc_redis_finish(node->redis, call, NGX_OIDC_REDIS_UNAVAILABLE,
                              NULL);
    }
}


static void
ngx_oidc_redis_node_reply(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply)
{
    ngx_oidc_redis_call_t  *call;
    ngx_oidc_redis_node_t  *node;

    node = link->data;

    /* conn takes no answer without a command */

    call = ngx_queue_data(ngx_queue_head(&node->sent), ngx_oidc_redis_call_t,
                          queue);

    if (call->skip) {
        call->skip--;
        return;
    }

    ngx_oidc_redis_node_take(node, call);
    ngx_oidc_redis_answer(node, call, reply);
}


static void
ngx_oidc_redis_node_take(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call)
{
    ngx_queue_remove(&call->queue);

    node->calls--;
    node->bytes -= call->len;

    /* left as it is, the timer costs nothing; it keeps no worker either */

    if (node->calls == 0) {
        node->timer.cancelable = 1;
    }
}


static void
ngx_oidc_redis_node_arm(ngx_oidc_redis_node_t *node, ngx_msec_t deadline)
{
    ngx_msec_int_t  left;

    if (node->timer.timer_set) {
        if ((ngx_msec_int_t) (deadline - node->timer.timer.key) >= 0) {
            return;
        }

        ngx_del_timer(&node->timer);
    }

    left = (ngx_msec_int_t) (deadline - ngx_current_msec);

    ngx_add_timer(&node->timer, (ngx_msec_t) ngx_max(left, 1));
}


static void
ngx_oidc_redis_node_timeout(ngx_event_t *ev)
{
    ngx_msec_t              next;
    ngx_queue_t            *q, *n, late;
    ngx_oidc_redis_call_t  *call;
    ngx_oidc_redis_node_t  *node;

    node = ev->data;

    if (ngx_oidc_redis_node_expired(&node->sent, NULL)) {
        ngx_oidc_redis_link_fail(&node->link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "no answer in time");
    }

    ngx_queue_init(&late);

    for (q = ngx_queue_head(&node->waiting);
         q != ngx_queue_sentinel(&node->waiting);
         q = n)
    {
        n = ngx_queue_next(q);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);

        if ((ngx_msec_int_t) (call->deadline - ngx_current_msec) <= 0) {
            ngx_oidc_redis_node_take(node, call);
            ngx_queue_insert_tail(&late, q);
        }
    }

    if (node->calls) {
        next = ngx_current_msec + node->redis->conf.command_timeout;

        (void) ngx_oidc_redis_node_expired(&node->sent, &next);
        (void) ngx_oidc_redis_node_expired(&node->waiting, &next);

        ngx_oidc_redis_node_arm(node, next);
    }

    while (!ngx_queue_empty(&late)) {
        q = ngx_queue_head(&late);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);
        ngx_queue_remove(q);
        ngx_oidc_redis_finish(node->redis, call, NGX_OIDC_REDIS_UNAVAILABLE,
                              NULL);
    }
}


/* whether one's time is over; *next becomes the earliest end, if it is less */

static ngx_uint_t
ngx_oidc_redis_node_expired(ngx_queue_t *queue, ngx_msec_t *next)
{
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_oidc_redis_call_t  *call;

    n = 0;

    for (q = ngx_queue_head(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);

        if ((ngx_msec_int_t) (call->deadline - ngx_current_msec) <= 0) {
            n++;
        }

        if (next != NULL && (ngx_msec_int_t) (call->deadline - *next) < 0) {
            *next = call->deadline;
        }
    }

    return n;
}
