
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides which connection a command takes, how often it is sent and what its
 * answer means to the caller.  So far only the contract: no command is taken.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_oidc_redis.h"


ngx_oidc_redis_t *
ngx_oidc_redis_add(ngx_conf_t *cf, ngx_oidc_redis_conf_t *conf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "oidc: there is no client of Redis yet");
    return NULL;
}


ngx_int_t
ngx_oidc_redis_init_process(ngx_oidc_redis_t *redis, ngx_cycle_t *cycle)
{
    return NGX_OK;
}


void
ngx_oidc_redis_exit_process(ngx_oidc_redis_t *redis)
{
}


ngx_int_t
ngx_oidc_redis_send(ngx_oidc_redis_cmd_t *cmd)
{
    cmd->result = NGX_OIDC_REDIS_UNAVAILABLE;
    return NGX_ERROR;
}


void
ngx_oidc_redis_cancel(ngx_oidc_redis_cmd_t *cmd)
{
}


const char *
ngx_oidc_redis_result_text(ngx_oidc_redis_result_e result)
{
    return "unavailable";
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_node(ngx_oidc_redis_t *redis, ngx_uint_t i)
{
    return NULL;
}


ngx_oidc_redis_node_t *
ngx_oidc_redis_node_of(ngx_oidc_redis_t *redis, ngx_str_t *key)
{
    return NULL;
}


ngx_str_t *
ngx_oidc_redis_node_name(ngx_oidc_redis_node_t *node)
{
    return NULL;
}


ngx_uint_t
ngx_oidc_redis_nodes_version(ngx_oidc_redis_t *redis)
{
    return 0;
}


ngx_int_t
ngx_oidc_redis_sub_open(ngx_oidc_redis_sub_t *sub, ngx_oidc_redis_node_t *node)
{
    return NGX_ERROR;
}


void
ngx_oidc_redis_sub_close(ngx_oidc_redis_sub_t *sub)
{
}
