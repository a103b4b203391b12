
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The map of a Redis Cluster: which node has which slot, learnt from CLUSTER
 * SLOTS of any node and from redirections, and asked for again when a node is
 * lost, moved from, or after a time.  A worker that has no map yet sends to any
 * node and is redirected.  Replicas are never read.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


/*
 * between two questions for the map, where there is reason to ask; a master
 * that is away is one, until it is back or another has its slots
 */

#define NGX_OIDC_REDIS_RELOAD    250

/* and where there is none: a new master is to be known before it is needed */

#define NGX_OIDC_REDIS_REFRESH   (30 * 1000)


struct ngx_oidc_redis_cluster_s {
    ngx_event_t             timer;
    ngx_oidc_redis_cmd_t    cmd;
    ngx_str_t               argv[2];
    ngx_uint_t              turn;       /* whose it is to be asked */
    ngx_uint_t              maps;       /* that were read so far */
    unsigned                known:1;
    unsigned                soon:1;     /* the timer is for a reload */
    unsigned                dirty:1;    /* there was reason while asking */
    uint16_t                slots[OIDC_REDIS_SLOTS];
};


static void ngx_oidc_redis_cluster_timer(ngx_oidc_redis_cluster_t *cluster,
    ngx_msec_t ms);
static void ngx_oidc_redis_cluster_ask(ngx_event_t *ev);
static ngx_oidc_redis_node_t *ngx_oidc_redis_cluster_any(
    ngx_oidc_redis_t *redis);
static void ngx_oidc_redis_cluster_done(ngx_oidc_redis_cmd_t *cmd,
    oidc_redis_reply_t *reply);
static ngx_uint_t ngx_oidc_redis_cluster_away(ngx_oidc_redis_t *redis);
static ngx_int_t ngx_oidc_redis_cluster_map(ngx_oidc_redis_t *redis,
    oidc_redis_reply_t *reply);
static ngx_int_t ngx_oidc_redis_cluster_find(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_addr_t *from, ngx_str_t *host, unsigned port);
static void ngx_oidc_redis_cluster_move(ngx_oidc_redis_t *redis,
    ngx_uint_t slot, uint16_t to);
static void ngx_oidc_redis_cluster_tidy(ngx_oidc_redis_t *redis);


ngx_int_t
ngx_oidc_redis_cluster_init(ngx_oidc_redis_t *redis)
{
    ngx_uint_t                 i;
    ngx_oidc_redis_run_t      *run;
    ngx_oidc_redis_addr_t      addr;
    ngx_oidc_redis_cluster_t  *cluster;

    run = redis->run;

    cluster = ngx_calloc(sizeof(ngx_oidc_redis_cluster_t), run->log);
    if (cluster == NULL) {
        return NGX_ERROR;
    }

    run->cluster = cluster;

    for (i = 0; i < OIDC_REDIS_SLOTS; i++) {
        cluster->slots[i] = NGX_OIDC_REDIS_SLOT_NONE;
    }

    for (i = 0; i < redis->n; i++) {
        ngx_oidc_redis_addr_set(&addr, &redis->urls[i]);

        run->nodes[i] = ngx_oidc_redis_node_create(redis, &addr);
        if (run->nodes[i] == NULL) {
            return NGX_ERROR;
        }

        run->nodes[i]->seed = 1;
        run->n++;
    }

    ngx_str_set(&cluster->argv[0], "CLUSTER");
    ngx_str_set(&cluster->argv[1], "SLOTS");

    cluster->cmd.redis = redis;
    cluster->cmd.argv = cluster->argv;
    cluster->cmd.argc = 2;
    cluster->cmd.done = ngx_oidc_redis_cluster_done;

    cluster->timer.handler = ngx_oidc_redis_cluster_ask;
    cluster->timer.data = redis;
    cluster->timer.log = run->log;
    cluster->timer.cancelable = 1;

    cluster->turn = ngx_random() % redis->n;
    cluster->soon = 1;
    ngx_oidc_redis_cluster_timer(cluster, 1);

    return NGX_OK;
}


void
ngx_oidc_redis_cluster_exit(ngx_oidc_redis_t *redis)
{
    ngx_oidc_redis_cluster_t  *cluster;

    cluster = redis->run->cluster;

    if (cluster == NULL) {
        return;
    }

    if (cluster->timer.timer_set) {
        ngx_del_timer(&cluster->timer);
    }

    ngx_free(cluster);

    redis->run->cluster = NULL;
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_cluster_node(ngx_oidc_redis_t *redis, ngx_uint_t slot)
{
    uint16_t  i;

    i = redis->run->cluster->slots[slot];

    return i == NGX_OIDC_REDIS_SLOT_NONE ? NULL : redis->run->nodes[i];
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_cluster_route(ngx_oidc_redis_t *redis, ngx_uint_t slot)
{
    ngx_oidc_redis_node_t  *node;

    node = NULL;

    if (slot != NGX_OIDC_REDIS_SLOT_NONE) {
        node = ngx_oidc_redis_cluster_node(redis, slot);
    }

    return node != NULL ? node : ngx_oidc_redis_cluster_any(redis);
}


ngx_int_t
ngx_oidc_redis_cluster_redirect(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, oidc_redis_reply_t *reply)
{
    ngx_int_t                 i;
    ngx_oidc_redis_t         *redis;
    oidc_redis_redirect_t     redirect;
    ngx_oidc_redis_result_e   result;

    redis = node->redis;

    if (call->redirects++ == NGX_OIDC_REDIS_REDIRECTS
        || oidc_redis_redirect(reply, &redirect) != OIDC_OK)
    {
        return NGX_DECLINED;
    }

    i = ngx_oidc_redis_cluster_find(redis, &node->link.addr, &redirect.host,
                                    redirect.port);
    if (i == NGX_ERROR) {
        return NGX_ERROR;
    }

    call->asking = (oidc_redis_error(reply) == OIDC_REDIS_ASK);

    if (!call->asking) {
        ngx_oidc_redis_cluster_move(redis, redirect.slot, (uint16_t) i);
        ngx_oidc_redis_cluster_reload(redis);
    }

    return ngx_oidc_redis_node_send(redis->run->nodes[i], call, &result);
}


void
ngx_oidc_redis_cluster_reload(ngx_oidc_redis_t *redis)
{
    ngx_oidc_redis_cluster_t  *cluster;

    cluster = redis->run->cluster;

    if (cluster->cmd.call != NULL) {
        cluster->dirty = 1;
        return;
    }

    if (!cluster->soon) {
        cluster->soon = 1;
        ngx_oidc_redis_cluster_timer(cluster, NGX_OIDC_REDIS_RELOAD);
    }
}


void
ngx_oidc_redis_cluster_down(ngx_oidc_redis_node_t *node)
{
    ngx_oidc_redis_cluster_t  *cluster;

    cluster = node->redis->run->cluster;

    /* a node without slots is connected to again when it is needed */

    if (cluster->known && node->slots == 0 && node->calls == 0) {
        ngx_oidc_redis_link_stop(&node->link);
        return;
    }

    ngx_oidc_redis_cluster_reload(node->redis);
}


/* the timer of a reload must not be put off by the next reason for one */

static void
ngx_oidc_redis_cluster_timer(ngx_oidc_redis_cluster_t *cluster, ngx_msec_t ms)
{
    if (cluster->timer.timer_set) {
        ngx_del_timer(&cluster->timer);
    }

    ngx_add_timer(&cluster->timer, ms);
}


static void
ngx_oidc_redis_cluster_ask(ngx_event_t *ev)
{
    ngx_oidc_redis_t          *redis;
    ngx_oidc_redis_cluster_t  *cluster;

    redis = ev->data;
    cluster = redis->run->cluster;

    cluster->soon = 0;
    cluster->dirty = 0;
    cluster->turn++;
    cluster->cmd.node = ngx_oidc_redis_cluster_any(redis);

    if (cluster->cmd.node == NULL
        || ngx_oidc_redis_send(&cluster->cmd) != NGX_OK)
    {
        ngx_oidc_redis_cluster_reload(redis);
    }
}


/* a node that is connected; else one that has not failed; NULL: all have */

static ngx_oidc_redis_node_t *
ngx_oidc_redis_cluster_any(ngx_oidc_redis_t *redis)
{
    ngx_uint_t              i;
    ngx_oidc_redis_run_t   *run;
    ngx_oidc_redis_node_t  *node, *idle;

    run = redis->run;
    idle = NULL;

    for (i = 0; i < run->n; i++) {
        node = run->nodes[(run->cluster->turn + i) % run->n];

        if (node->link.state == NGX_OIDC_REDIS_LINK_READY) {
            return node;
        }

        if (idle == NULL && node->link.failures == 0) {
            idle = node;
        }
    }

    return idle;
}


static void
ngx_oidc_redis_cluster_done(ngx_oidc_redis_cmd_t *cmd,
    oidc_redis_reply_t *reply)
{
    ngx_oidc_redis_t          *redis;
    ngx_oidc_redis_cluster_t  *cluster;

    redis = cmd->redis;
    cluster = redis->run->cluster;

    if (cmd->result == NGX_OIDC_REDIS_ERROR) {
        ngx_oidc_redis_say(redis, NGX_OIDC_REDIS_FAILOVER, &cmd->node->name,
                           "it refuses CLUSTER SLOTS: not part of a Cluster, "
                           "or not permitted");

    } else if (cmd->result == NGX_OIDC_REDIS_OK) {

        if (ngx_oidc_redis_cluster_map(redis, reply) == NGX_OK) {
            cluster->known = 1;

            if (!cluster->dirty && !ngx_oidc_redis_cluster_away(redis)) {
                ngx_oidc_redis_cluster_timer(cluster, NGX_OIDC_REDIS_REFRESH
                                                      + ngx_random() % 5000);
                return;
            }

        } else {
            ngx_oidc_redis_say(redis, NGX_OIDC_REDIS_FAILOVER,
                               &cmd->node->name,
                               "its map of the Cluster is empty or malformed");
        }
    }

    ngx_oidc_redis_cluster_reload(redis);
}


static ngx_uint_t
ngx_oidc_redis_cluster_away(ngx_oidc_redis_t *redis)
{
    ngx_uint_t              i;
    ngx_oidc_redis_node_t  *node;

    for (i = 0; i < redis->run->n; i++) {
        node = redis->run->nodes[i];

        if (node->slots && node->link.failures) {
            return 1;
        }
    }

    return 0;
}


/* all or nothing */

static ngx_int_t
ngx_oidc_redis_cluster_map(ngx_oidc_redis_t *redis, oidc_redis_reply_t *reply)
{
    size_t                      i;
    ngx_int_t                   n;
    ngx_uint_t                  slot;
    oidc_redis_range_t          range;
    ngx_oidc_redis_addr_t       from;
    ngx_oidc_redis_cluster_t   *cluster;

    static uint16_t             map[OIDC_REDIS_SLOTS];

    cluster = redis->run->cluster;
    cluster->maps++;
    from = cluster->cmd.node->link.addr;

    if (reply->type != OIDC_REDIS_ARRAY || reply->elements == 0) {
        return NGX_ERROR;
    }

    ngx_memset(map, 0xff, sizeof(map));

    for (i = 0; i < reply->elements; i++) {
        if (oidc_redis_range(reply, i, &range) != OIDC_OK) {
            return NGX_ERROR;
        }

        n = ngx_oidc_redis_cluster_find(redis, &from, &range.host, range.port);
        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        for (slot = range.first; slot <= range.last; slot++) {
            map[slot] = (uint16_t) n;
        }
    }

    for (slot = 0; slot < OIDC_REDIS_SLOTS; slot++) {
        ngx_oidc_redis_cluster_move(redis, slot, map[slot]);
    }

    ngx_oidc_redis_cluster_tidy(redis);

    return NGX_OK;
}


/*
 * The index of a node, in place of one that nobody needs where there is none:
 * neither what is connected or has slots, nor what this very map has named
 */

static ngx_int_t
ngx_oidc_redis_cluster_find(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_addr_t *from, ngx_str_t *host, unsigned port)
{
    ngx_str_t               name;
    ngx_uint_t              i, free;
    ngx_oidc_redis_run_t   *run;
    ngx_oidc_redis_addr_t   addr;
    ngx_oidc_redis_node_t  *node;

    run = redis->run;

    addr = *from;
    addr.port = (in_port_t) port;

    if (host->len) {
        ngx_memcpy(addr.host, host->data, host->len);
        addr.host[host->len] = '\0';
        addr.len = host->len;
    }

    name.data = addr.host;
    name.len = addr.len;

    free = run->n;

    for (i = 0; i < run->n; i++) {
        node = run->nodes[i];

        if (ngx_oidc_redis_addr_is(&node->link.addr, &name, addr.port)) {
            node->named = run->cluster->maps;
            return i;
        }

        if (node->slots == 0 && !node->seed
            && node->named != run->cluster->maps
            && node->link.state == NGX_OIDC_REDIS_LINK_IDLE)
        {
            free = i;
        }
    }

    if (free == NGX_OIDC_REDIS_NODES_MAX) {
        return NGX_ERROR;
    }

    node = ngx_oidc_redis_node_create(redis, &addr);
    if (node == NULL) {
        return NGX_ERROR;
    }

    node->named = run->cluster->maps;

    if (free == run->n) {
        run->n++;

    } else {
        ngx_oidc_redis_node_free(run->nodes[free]);
    }

    run->nodes[free] = node;

    return free;
}


static void
ngx_oidc_redis_cluster_move(ngx_oidc_redis_t *redis, ngx_uint_t slot,
    uint16_t to)
{
    uint16_t               *from;
    ngx_oidc_redis_run_t   *run;

    run = redis->run;
    from = &run->cluster->slots[slot];

    if (*from == to) {
        return;
    }

    if (*from != NGX_OIDC_REDIS_SLOT_NONE && --run->nodes[*from]->slots == 0) {
        run->version++;
    }

    *from = to;

    if (to != NGX_OIDC_REDIS_SLOT_NONE && run->nodes[to]->slots++ == 0) {
        run->version++;
    }
}


static void
ngx_oidc_redis_cluster_tidy(ngx_oidc_redis_t *redis)
{
    ngx_uint_t              i;
    ngx_oidc_redis_run_t   *run;
    ngx_oidc_redis_node_t  *node;

    run = redis->run;

    for (i = 0; i < run->n; i++) {
        node = run->nodes[i];

        if (node->slots) {
            ngx_oidc_redis_link_start(&node->link);

        } else if (node->calls == 0) {
            ngx_oidc_redis_link_stop(&node->link);
        }
    }
}
