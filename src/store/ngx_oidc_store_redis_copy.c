
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */

#include "ngx_oidc_store_redis.h"

ngx_int_t
ngx_oidc_copy_add(ngx_conf_t *cf, ngx_oidc_far_t *far,
    ngx_oidc_store_conf_t *conf)
{
    return NGX_OK;
}

ngx_int_t
ngx_oidc_copy_get(ngx_oidc_far_t *far, ngx_oidc_store_op_t *op,
    uint64_t *ticket)
{
    *ticket = 0;
    return NGX_DECLINED;
}

void
ngx_oidc_copy_fill(ngx_oidc_job_t *job, oidc_str_t *value, size_t head_len)
{
}

void
ngx_oidc_copy_drop(ngx_oidc_far_t *far, const u_char *name)
{
}

void
ngx_oidc_copy_touch(ngx_oidc_far_t *far, ngx_oidc_store_op_t *op)
{
}

void
ngx_oidc_copy_stat(ngx_oidc_far_t *far, ngx_oidc_store_stat_t *st)
{
}

ngx_int_t
ngx_oidc_copy_watch(ngx_oidc_far_t *far, ngx_cycle_t *cycle)
{
    return NGX_OK;
}

void
ngx_oidc_copy_unwatch(ngx_oidc_far_t *far)
{
}
