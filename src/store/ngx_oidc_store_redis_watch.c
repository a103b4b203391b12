
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Who keeps the local copy true: one worker of all, elected in shared memory
 * for as long as it says often enough that it lives, listens to each node.
 * When it dies or exits another one takes over, and nothing that was learnt
 * before that counts any more.
 */


#include "ngx_oidc_store_redis_copy.h"


#define NGX_OIDC_COPY_TICK   200

/* an owner that is not heard of for so long is none any more */

#define NGX_OIDC_COPY_OWNER  2000


static void ngx_oidc_copy_tick(ngx_event_t *ev);
static void ngx_oidc_copy_elect(ngx_oidc_copy_t *copy);
static void ngx_oidc_copy_follow(ngx_oidc_copy_t *copy);
static void ngx_oidc_copy_listen(ngx_oidc_copy_t *copy,
    ngx_oidc_redis_node_t *node, uint64_t id);
static void ngx_oidc_copy_close(ngx_oidc_copy_t *copy, ngx_uint_t i);
static void ngx_oidc_copy_close_all(ngx_oidc_copy_t *copy);
static void ngx_oidc_copy_handler(ngx_oidc_redis_sub_t *sub,
    ngx_oidc_redis_sub_event_e event, ngx_str_t *key);
static void ngx_oidc_copy_news(ngx_oidc_copy_shared_t *shared,
    ngx_oidc_copy_sub_t *s, ngx_oidc_redis_sub_event_e event);


ngx_int_t
ngx_oidc_copy_watch(ngx_oidc_far_t *far, ngx_cycle_t *cycle)
{
    u_char           *p;
    ngx_event_t      *ev;
    ngx_oidc_copy_t  *copy;

    copy = far->copy;

    if (copy == NULL) {
        return NGX_OK;
    }

    p = ngx_cpymem(copy->prefix, far->prefix.data, far->prefix.len);
    *p++ = 's';
    *p = ':';

    copy->dummy.fd = (ngx_socket_t) -1;
    copy->dummy.data = copy;

    ev = &copy->timer;

    ev->handler = ngx_oidc_copy_tick;
    ev->data = &copy->dummy;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, 1);

    return NGX_OK;
}


/* also early, when the worker begins to exit: somebody else shall listen */

void
ngx_oidc_copy_unwatch(ngx_oidc_far_t *far)
{
    ngx_oidc_shm_t          *sh;
    ngx_oidc_copy_t         *copy;
    ngx_oidc_copy_shared_t  *shared;

    copy = far->copy;

    if (copy == NULL) {
        return;
    }

    if (copy->timer.timer_set) {
        ngx_del_timer(&copy->timer);
    }

    if (copy->token == 0) {
        return;
    }

    ngx_oidc_copy_close_all(copy);

    sh = ngx_oidc_shm_enter(&copy->zone);

    if (sh != NULL) {
        shared = ngx_oidc_copy_shared(sh);

        if (shared->owner == copy->token) {
            shared->owner = 0;
            ngx_memzero(shared->node, sizeof(shared->node));
        }

        ngx_oidc_shm_leave(&copy->zone);
    }

    copy->token = 0;
}


static void
ngx_oidc_copy_tick(ngx_event_t *ev)
{
    ngx_connection_t  *dummy;
    ngx_oidc_copy_t   *copy;

    dummy = ev->data;
    copy = dummy->data;

    if (ngx_exiting || ngx_terminate || ngx_quit) {
        ngx_oidc_copy_unwatch(copy->far);
        return;
    }

    ngx_oidc_copy_elect(copy);

    if (copy->token) {
        ngx_oidc_copy_follow(copy);
    }

    ngx_add_timer(ev, NGX_OIDC_COPY_TICK);
}


static void
ngx_oidc_copy_elect(ngx_oidc_copy_t *copy)
{
    uint64_t                 was;
    ngx_oidc_shm_t          *sh;
    ngx_oidc_copy_shared_t  *shared;

    was = copy->token;
    copy->token = 0;

    sh = ngx_oidc_shm_enter(&copy->zone);

    if (sh != NULL) {
        shared = ngx_oidc_copy_shared(sh);

        if (was && shared->owner == was) {
            copy->token = was;

        } else if (shared->owner == 0
                   || shared->owner_until <= ngx_current_msec)
        {
            copy->token = ++shared->counter;
            shared->owner = copy->token;

            ngx_memzero(shared->node, sizeof(shared->node));
        }

        if (copy->token) {
            shared->owner_until = ngx_current_msec + NGX_OIDC_COPY_OWNER;
        }

        ngx_oidc_shm_leave(&copy->zone);
    }

    if (copy->token != was) {

        /* it slept too long, or is new; then the list of nodes is so, too */

        ngx_oidc_copy_close_all(copy);

        copy->version = (ngx_uint_t) -1;
    }
}


/* nodes come and go, and where there is none yet there may be one soon */

static void
ngx_oidc_copy_follow(ngx_oidc_copy_t *copy)
{
    uint64_t                id[NGX_OIDC_COPY_NODES];
    ngx_uint_t              i, n, k;
    ngx_oidc_redis_node_t  *node;

    if (copy->version == ngx_oidc_redis_nodes_version(copy->far->redis)) {
        return;
    }

    copy->version = ngx_oidc_redis_nodes_version(copy->far->redis);

    for (n = 0; n < NGX_OIDC_COPY_NODES; n++) {

        node = ngx_oidc_redis_node(copy->far->redis, n);

        if (node == NULL) {
            break;
        }

        id[n] = ngx_oidc_copy_id(copy, node);
    }

    for (i = 0; i < NGX_OIDC_COPY_NODES; i++) {

        for (k = 0; k < n && copy->sub[i].id != id[k]; k++) {
            /* void */
        }

        if (copy->sub[i].id != 0 && k == n) {
            ngx_oidc_copy_close(copy, i);
        }
    }

    for (k = 0; k < n; k++) {
        ngx_oidc_copy_listen(copy, ngx_oidc_redis_node(copy->far->redis, k),
                             id[k]);
    }

    if (n == 0) {
        copy->version = (ngx_uint_t) -1;
    }
}


static void
ngx_oidc_copy_listen(ngx_oidc_copy_t *copy, ngx_oidc_redis_node_t *node,
    uint64_t id)
{
    ngx_uint_t            i, spare;
    ngx_oidc_copy_sub_t  *s;

    spare = NGX_OIDC_COPY_NODES;

    for (i = 0; i < NGX_OIDC_COPY_NODES; i++) {

        if (copy->sub[i].id == id) {
            return;
        }

        if (copy->sub[i].id == 0) {
            spare = i;
        }
    }

    s = &copy->sub[spare];

    ngx_memzero(s, sizeof(ngx_oidc_copy_sub_t));

    s->sub.redis = copy->far->redis;
    s->sub.prefix.len = copy->far->prefix.len + 2;
    s->sub.prefix.data = copy->prefix;
    s->sub.interval = NGX_OIDC_COPY_INTERVAL;
    s->sub.handler = ngx_oidc_copy_handler;
    s->sub.data = copy;

    if (ngx_oidc_redis_sub_open(&s->sub, node) == NGX_OK) {
        s->id = id;

    } else {
        copy->version = (ngx_uint_t) -1;
    }
}


static void
ngx_oidc_copy_close(ngx_oidc_copy_t *copy, ngx_uint_t i)
{
    if (copy->sub[i].id != 0) {
        ngx_oidc_redis_sub_close(&copy->sub[i].sub);
        ngx_oidc_copy_handler(&copy->sub[i].sub, NGX_OIDC_REDIS_SUB_DOWN,
                              NULL);
        copy->sub[i].id = 0;
    }
}


static void
ngx_oidc_copy_close_all(ngx_oidc_copy_t *copy)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_OIDC_COPY_NODES; i++) {
        ngx_oidc_copy_close(copy, i);
    }
}


/* what is told to one who is not the owner any more counts for nothing */

static void
ngx_oidc_copy_handler(ngx_oidc_redis_sub_t *sub,
    ngx_oidc_redis_sub_event_e event, ngx_str_t *key)
{
    ngx_oidc_copy_t *copy = sub->data;

    u_char                   name[NGX_OIDC_STORE_NAME_LEN];
    ngx_oidc_shm_t          *sh;
    ngx_oidc_copy_shared_t  *shared;

    if (event == NGX_OIDC_REDIS_SUB_KEY) {

        if (oidc_record_name(key, &copy->far->prefix, 's', name)) {
            ngx_oidc_copy_drop(copy->far, name);
        }

        return;
    }

    sh = ngx_oidc_shm_enter(&copy->zone);
    if (sh == NULL) {
        return;
    }

    shared = ngx_oidc_copy_shared(sh);

    if (copy->token && shared->owner == copy->token) {
        ngx_oidc_copy_news(shared, (ngx_oidc_copy_sub_t *) sub, event);
    }

    ngx_oidc_shm_leave(&copy->zone);
}


static void
ngx_oidc_copy_news(ngx_oidc_copy_shared_t *shared, ngx_oidc_copy_sub_t *s,
    ngx_oidc_redis_sub_event_e event)
{
    ngx_uint_t             i;
    ngx_oidc_copy_node_t  *node;

    node = ngx_oidc_copy_node(shared, s->id);

    for (i = 0; node == NULL; i++) {

        if (i == NGX_OIDC_COPY_NODES) {
            return;
        }

        if (shared->node[i].id == 0) {
            node = &shared->node[i];
            node->id = s->id;
        }
    }

    switch (event) {

    case NGX_OIDC_REDIS_SUB_UP:
        node->until = 0;
        node->generation = ++shared->counter;
        break;

    case NGX_OIDC_REDIS_SUB_ALL:
        node->generation = ++shared->counter;
        break;

    case NGX_OIDC_REDIS_SUB_PONG:
        node->until = s->sub.pinged + NGX_OIDC_COPY_LEASE;
        break;

    default: /* NGX_OIDC_REDIS_SUB_DOWN, NGX_OIDC_REDIS_SUB_REFUSED */
        ngx_memzero(node, sizeof(ngx_oidc_copy_node_t));
    }
}
