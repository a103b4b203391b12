
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The client of Redis as its users see it: sending and cancelling, what a
 * command becomes on the wire, and which node it goes to.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


static ngx_int_t ngx_oidc_redis_single_init(ngx_oidc_redis_t *redis);
static ngx_oidc_redis_call_t *ngx_oidc_redis_call(ngx_oidc_redis_cmd_t *cmd);


ngx_int_t
ngx_oidc_redis_init_process(ngx_oidc_redis_t *redis, ngx_cycle_t *cycle)
{
    ngx_oidc_redis_run_t    *run;

    run = ngx_calloc(sizeof(ngx_oidc_redis_run_t), cycle->log);
    if (run == NULL) {
        return NGX_ERROR;
    }

    redis->run = run;

    run->log = redis->conf.log != NULL ? redis->conf.log : cycle->log;

    ngx_queue_init(&run->watches);
    ngx_queue_init(&run->subs);
    ngx_queue_init(&run->delayed);

    run->timer.handler = ngx_oidc_redis_again;
    run->timer.data = redis;
    run->timer.log = run->log;

    run->nodes = ngx_calloc(NGX_OIDC_REDIS_NODES_MAX
                            * sizeof(ngx_oidc_redis_node_t *), run->log);
    if (run->nodes == NULL) {
        return NGX_ERROR;
    }

    return redis->conf.cluster ? ngx_oidc_redis_cluster_init(redis)
                               : ngx_oidc_redis_single_init(redis);
}


void
ngx_oidc_redis_exit_process(ngx_oidc_redis_t *redis)
{
    ngx_uint_t              i;
    ngx_queue_t            *q;
    ngx_oidc_redis_run_t   *run;
    ngx_oidc_redis_call_t  *call;

    run = redis->run;

    if (run == NULL) {
        return;
    }

    ngx_oidc_redis_sub_exit(redis);

    for (i = 0; i < run->n; i++) {
        ngx_oidc_redis_node_free(run->nodes[i]);
    }

    while (!ngx_queue_empty(&run->delayed)) {
        q = ngx_queue_head(&run->delayed);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);
        ngx_queue_remove(q);
        ngx_oidc_redis_drop(call);
    }

    ngx_oidc_redis_cluster_exit(redis);
    ngx_oidc_redis_sentinel_exit(redis);

    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    ngx_free(run->nodes);
    ngx_free(run);

    redis->run = NULL;
}


ngx_int_t
ngx_oidc_redis_send(ngx_oidc_redis_cmd_t *cmd)
{
    ngx_oidc_redis_t       *redis;
    ngx_oidc_redis_call_t  *call;
    ngx_oidc_redis_node_t  *node;

    redis = cmd->redis;

    cmd->result = NGX_OIDC_REDIS_UNAVAILABLE;
    cmd->call = NULL;

    if (redis->run == NULL) {
        return NGX_ERROR;
    }

    call = ngx_oidc_redis_call(cmd);
    if (call == NULL) {
        return NGX_ERROR;
    }

    node = ngx_oidc_redis_route(redis, call);

    if (node == NULL
        || ngx_oidc_redis_node_send(node, call, &cmd->result) != NGX_OK)
    {
        if (cmd->result == NGX_OIDC_REDIS_BUSY) {
            ngx_oidc_redis_say(redis, cmd->result, &node->name, NULL);
        }

        ngx_free(call);
        return NGX_ERROR;
    }

    if (cmd->done != NULL) {
        call->cmd = cmd;
        cmd->call = call;
    }

    return NGX_OK;
}


void
ngx_oidc_redis_cancel(ngx_oidc_redis_cmd_t *cmd)
{
    ngx_oidc_redis_call_t  *call;

    call = cmd->call;

    if (call == NULL) {
        return;
    }

    call->cmd = NULL;
    call->cancelled = 1;
    cmd->call = NULL;
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_node(ngx_oidc_redis_t *redis, ngx_uint_t i)
{
    ngx_uint_t              n;
    ngx_oidc_redis_run_t   *run;

    run = redis->run;

    if (run == NULL) {
        return NULL;
    }

    if (run->cluster == NULL) {
        return (i == 0) ? run->nodes[0] : NULL;
    }

    for (n = 0; n < run->n; n++) {
        if (run->nodes[n]->slots && i-- == 0) {
            return run->nodes[n];
        }
    }

    return NULL;
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_node_of(ngx_oidc_redis_t *redis, ngx_str_t *key)
{
    if (redis->run == NULL) {
        return NULL;
    }

    if (redis->run->cluster == NULL) {
        return redis->run->nodes[0];
    }

    if (key == NULL) {
        return NULL;
    }

    return ngx_oidc_redis_cluster_node(redis,
                                       oidc_redis_slot(key->data, key->len));
}


ngx_str_t *
ngx_oidc_redis_node_name(ngx_oidc_redis_node_t *node)
{
    return &node->name;
}


uint32_t
ngx_oidc_redis_node_hash(ngx_oidc_redis_node_t *node)
{
    return node->hash;
}


ngx_uint_t
ngx_oidc_redis_nodes_version(ngx_oidc_redis_t *redis)
{
    return redis->run != NULL ? redis->run->version : 0;
}


size_t
ngx_oidc_redis_format_size(ngx_uint_t argc, ngx_str_t *argv)
{
    size_t      size;
    ngx_uint_t  i;

    size = sizeof("*\r\n") + NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        size += sizeof("$\r\n\r\n") + NGX_SIZE_T_LEN + argv[i].len;
    }

    return size;
}


u_char *
ngx_oidc_redis_format(u_char *buf, ngx_uint_t argc, ngx_str_t *argv)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_sprintf(buf, "*%ui\r\n", argc);

    for (i = 0; i < argc; i++) {
        p = ngx_sprintf(p, "$%uz\r\n", argv[i].len);
        p = ngx_cpymem(p, argv[i].data, argv[i].len);
        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


static ngx_int_t
ngx_oidc_redis_single_init(ngx_oidc_redis_t *redis)
{
    ngx_str_t              *name;
    ngx_oidc_redis_run_t   *run;
    ngx_oidc_redis_addr_t   addr;

    run = redis->run;
    name = &redis->conf.sentinel;

    ngx_oidc_redis_addr_set(&addr, &redis->urls[0]);

    if (name->len) {
        ngx_memcpy(addr.host, name->data, name->len);
        addr.len = name->len;
        addr.port = 0;

        if (ngx_oidc_redis_sentinel_init(redis) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    run->nodes[0] = ngx_oidc_redis_node_create(redis, &addr);
    if (run->nodes[0] == NULL) {
        return NGX_ERROR;
    }

    run->n = 1;
    run->nodes[0]->link.sentinel = (name->len != 0);

    ngx_oidc_redis_link_start(&run->nodes[0]->link);

    return NGX_OK;
}


static ngx_oidc_redis_call_t *
ngx_oidc_redis_call(ngx_oidc_redis_cmd_t *cmd)
{
    size_t                  size;
    ngx_oidc_redis_t       *redis;
    ngx_oidc_redis_call_t  *call;

    redis = cmd->redis;

    size = offsetof(ngx_oidc_redis_call_t, bytes)
           + ngx_oidc_redis_format_size(cmd->argc, cmd->argv);

    call = ngx_alloc(size, redis->run->log);
    if (call == NULL) {
        return NULL;
    }

    ngx_memzero(call, sizeof(ngx_oidc_redis_call_t));

    call->node = cmd->node;
    call->idempotent = cmd->idempotent;
    call->deadline = ngx_current_msec
                     + (cmd->timeout ? cmd->timeout
                                     : redis->conf.command_timeout);
    call->slot = NGX_OIDC_REDIS_SLOT_NONE;

    if (redis->run->cluster != NULL && cmd->key.len) {
        call->slot = (uint16_t) oidc_redis_slot(cmd->key.data, cmd->key.len);
    }

    call->len = ngx_oidc_redis_format(call->bytes, cmd->argc, cmd->argv)
                - call->bytes;

    return call;
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_route(ngx_oidc_redis_t *redis, ngx_oidc_redis_call_t *call)
{
    if (call->node != NULL) {
        return call->node;
    }

    if (redis->run->cluster == NULL) {
        return redis->run->nodes[0];
    }

    return ngx_oidc_redis_cluster_route(redis, call->slot);
}
