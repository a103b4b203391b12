
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Asks Sentinels where the master is, all at once, for whoever is about to
 * connect to it; the first that knows is believed, and the link itself checks
 * the role of what it is led to.  A link that was led astray waits for another
 * word as long as one may come.  Keeps no connection and no answer: a failover
 * shows as a connection lost, or as a replica that refuses to write.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


struct ngx_oidc_redis_sentinel_s {
    ngx_queue_t             waiting;    /* links */
    ngx_oidc_redis_addr_t   known;      /* as was said last; len 0: nothing */
    ngx_uint_t              n;
    ngx_oidc_redis_link_t   links[1];
};


static void ngx_oidc_redis_sentinel_ready(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_sentinel_down(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_sentinel_reply(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply);
static void ngx_oidc_redis_sentinel_tell(ngx_oidc_redis_sentinel_t *s);
static ngx_uint_t ngx_oidc_redis_sentinel_owed(ngx_oidc_redis_sentinel_t *s);
static void ngx_oidc_redis_sentinel_stop(ngx_oidc_redis_sentinel_t *s);


static const ngx_oidc_redis_link_handlers_t  ngx_oidc_redis_sentinel_link = {
    ngx_oidc_redis_sentinel_ready,
    ngx_oidc_redis_sentinel_down,
    ngx_oidc_redis_sentinel_reply
};


ngx_int_t
ngx_oidc_redis_sentinel_init(ngx_oidc_redis_t *redis)
{
    ngx_uint_t                  i;
    ngx_oidc_redis_link_t      *link;
    ngx_oidc_redis_sentinel_t  *s;

    s = ngx_calloc(sizeof(ngx_oidc_redis_sentinel_t)
                   + redis->n * sizeof(ngx_oidc_redis_link_t),
                   redis->run->log);
    if (s == NULL) {
        return NGX_ERROR;
    }

    redis->run->sentinel = s;
    ngx_queue_init(&s->waiting);

    for (i = 0; i < redis->n; i++) {
        link = &s->links[i];

        ngx_oidc_redis_link_init(link, redis, &ngx_oidc_redis_sentinel_link,
                                 s);
        ngx_oidc_redis_addr_set(&link->addr, &redis->urls[i]);

        link->user = redis->urls[i].user;
        link->password = redis->urls[i].password;
        link->db = 0;
    }

    s->n = redis->n;

    return NGX_OK;
}


void
ngx_oidc_redis_sentinel_exit(ngx_oidc_redis_t *redis)
{
    ngx_oidc_redis_sentinel_t  *s;

    s = redis->run->sentinel;

    if (s == NULL) {
        return;
    }

    ngx_oidc_redis_sentinel_stop(s);

    ngx_free(s);

    redis->run->sentinel = NULL;
}


void
ngx_oidc_redis_sentinel_ask(ngx_oidc_redis_link_t *link)
{
    ngx_uint_t                  i;
    ngx_oidc_redis_sentinel_t  *s;

    s = link->redis->run->sentinel;

    if (ngx_queue_empty(&s->waiting)) {

        /* whoever still owes an answer to those before will not give it */

        ngx_oidc_redis_sentinel_stop(s);
    }

    ngx_queue_insert_tail(&s->waiting, &link->queue);

    for (i = 0; i < s->n; i++) {
        ngx_oidc_redis_link_start(&s->links[i]);
    }
}


static void
ngx_oidc_redis_sentinel_ready(ngx_oidc_redis_link_t *link)
{
    ngx_str_t  argv[3];

    ngx_str_set(&argv[0], "SENTINEL");
    ngx_str_set(&argv[1], "get-master-addr-by-name");
    argv[2] = link->redis->conf.sentinel;

    if (ngx_oidc_redis_link_write(link, 3, argv) != NGX_OK) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "out of memory");
    }
}


/* it is tried again as long as somebody wants to know */

static void
ngx_oidc_redis_sentinel_down(ngx_oidc_redis_link_t *link)
{
    ngx_oidc_redis_sentinel_t  *s;

    s = link->data;

    if (ngx_queue_empty(&s->waiting)) {
        ngx_oidc_redis_link_stop(link);

    } else if (s->known.len) {
        ngx_oidc_redis_sentinel_tell(s);
    }
}


static void
ngx_oidc_redis_sentinel_reply(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply)
{
    unsigned                    port;
    ngx_str_t                   host;
    ngx_oidc_redis_sentinel_t  *s;

    s = link->data;

    if (oidc_redis_master(reply, &host, &port) != OIDC_OK) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_FAILOVER,
                                 "a Sentinel that does not know the master");
        return;
    }

    ngx_memcpy(s->known.host, host.data, host.len);
    s->known.len = host.len;
    s->known.port = (in_port_t) port;

    ngx_oidc_redis_link_stop(link);

    ngx_oidc_redis_sentinel_tell(s);
}


/* a link that was there in vain waits for another answer while one may come */

static void
ngx_oidc_redis_sentinel_tell(ngx_oidc_redis_sentinel_t *s)
{
    ngx_str_t               host;
    ngx_uint_t              owed;
    ngx_queue_t            *q, all;
    ngx_oidc_redis_link_t  *link;

    host.len = s->known.len;
    host.data = s->known.host;

    owed = ngx_oidc_redis_sentinel_owed(s);

    ngx_queue_init(&all);

    if (!ngx_queue_empty(&s->waiting)) {
        ngx_queue_add(&all, &s->waiting);
        ngx_queue_init(&s->waiting);
    }

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);

        link = ngx_queue_data(q, ngx_oidc_redis_link_t, queue);

        if (owed && link->astray
            && ngx_oidc_redis_addr_is(&link->addr, &host, s->known.port))
        {
            ngx_queue_insert_tail(&s->waiting, q);
            continue;
        }

        ngx_oidc_redis_link_located(link, &host, s->known.port);
    }

    if (ngx_queue_empty(&s->waiting)) {
        ngx_oidc_redis_sentinel_stop(s);
    }
}


/* whether a Sentinel that has not failed has not answered yet */

static ngx_uint_t
ngx_oidc_redis_sentinel_owed(ngx_oidc_redis_sentinel_t *s)
{
    ngx_uint_t  i;

    for (i = 0; i < s->n; i++) {
        if (s->links[i].state != NGX_OIDC_REDIS_LINK_IDLE
            && s->links[i].failures == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_oidc_redis_sentinel_stop(ngx_oidc_redis_sentinel_t *s)
{
    ngx_uint_t  i;

    for (i = 0; i < s->n; i++) {
        ngx_oidc_redis_link_stop(&s->links[i]);
    }

    s->known.len = 0;
}
