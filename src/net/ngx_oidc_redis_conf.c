
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides at configuration time whether a client of Redis can be made of what
 * is asked for.  Never connects, never resolves, and quotes no URL, in which a
 * password may stand.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


static ngx_int_t ngx_oidc_redis_conf_urls(ngx_conf_t *cf,
    ngx_oidc_redis_t *redis);
static ngx_int_t ngx_oidc_redis_conf_check(ngx_conf_t *cf,
    ngx_oidc_redis_t *redis);
static ngx_int_t ngx_oidc_redis_conf_tls(ngx_conf_t *cf,
    ngx_oidc_redis_t *redis);
#if (NGX_OIDC_REDIS_TLS)
static ngx_int_t ngx_oidc_redis_conf_file(ngx_conf_t *cf, ngx_str_t *file);
#endif
static void *ngx_oidc_redis_conf_alloc(void *owner, size_t size);


ngx_oidc_redis_t *
ngx_oidc_redis_add(ngx_conf_t *cf, ngx_oidc_redis_conf_t *conf)
{
    ngx_oidc_redis_t       *redis;
    ngx_oidc_redis_conf_t  *own;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_oidc_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = *conf;
    own = &redis->conf;

    if (own->connect_timeout == 0) {
        own->connect_timeout = NGX_OIDC_REDIS_CONNECT_TIMEOUT;
    }

    if (own->command_timeout == 0) {
        own->command_timeout = NGX_OIDC_REDIS_COMMAND_TIMEOUT;
    }

    if (own->client_name.len == 0) {
        ngx_str_set(&own->client_name, "nginx-oidc");
    }

    if (ngx_oidc_redis_conf_urls(cf, redis) != NGX_OK
        || ngx_oidc_redis_conf_check(cf, redis) != NGX_OK
        || ngx_oidc_redis_conf_tls(cf, redis) != NGX_OK)
    {
        return NULL;
    }

    return redis;
}


static ngx_int_t
ngx_oidc_redis_conf_urls(ngx_conf_t *cf, ngx_oidc_redis_t *redis)
{
    ngx_str_t    *url;
    ngx_uint_t    i;
    oidc_pool_t   pool;
    const char   *error;

    redis->n = redis->conf.servers != NULL ? redis->conf.servers->nelts : 0;

    if (redis->n == 0 || redis->n > NGX_OIDC_REDIS_SEEDS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "store \"%V\": %s", &redis->conf.name,
                           redis->n ? "too many Redis servers"
                                    : "no Redis server");
        return NGX_ERROR;
    }

    redis->urls = ngx_pcalloc(cf->pool, redis->n * sizeof(oidc_redis_url_t));
    if (redis->urls == NULL) {
        return NGX_ERROR;
    }

    pool.alloc = ngx_oidc_redis_conf_alloc;
    pool.owner = cf->pool;

    url = redis->conf.servers->elts;

    for (i = 0; i < redis->n; i++) {
        error = oidc_redis_url_parse(&pool, &url[i], &redis->urls[i]);

        if (error != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "store \"%V\": Redis server %ui: %s",
                               &redis->conf.name, i + 1, error);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_redis_conf_check(ngx_conf_t *cf, ngx_oidc_redis_t *redis)
{
    ngx_uint_t              i;
    const char             *error;
    oidc_redis_url_t       *url;
    ngx_oidc_redis_conf_t  *conf;

    conf = &redis->conf;
    url = redis->urls;
    error = NULL;

    /* with Sentinels the URLs' user and password are theirs */

    redis->user = conf->user;
    redis->password = conf->password;

    if (conf->sentinel.len == 0 && redis->password.len == 0) {
        redis->password = url[0].password;

        if (redis->user.len == 0) {
            redis->user = url[0].user;
        }
    }

    redis->db = conf->db;

    if (redis->db < 0) {
        redis->db = url[0].db < 0 ? 0 : url[0].db;
    }

    for (i = 0; i < redis->n; i++) {
        if ((conf->sentinel.len || conf->cluster) && url[i].local) {
            error = "Sentinels and nodes of a Cluster have no socket files";
        }

        if (url[i].tls != url[0].tls) {
            error = "all Redis servers must have TLS or none";
        }
    }

    if (conf->sentinel.len && conf->cluster) {
        error = "there is no Sentinel of a Cluster";

    } else if (redis->n > 1 && conf->sentinel.len == 0 && !conf->cluster) {
        error = "several Redis servers are Sentinels or a Cluster";

    } else if (conf->cluster && redis->db > 0) {
        error = "a Redis Cluster has data base 0 only";

    } else if (redis->user.len && redis->password.len == 0) {
        error = "a user of Redis needs a password";

    } else if (redis->db > OIDC_REDIS_DB_MAX) {
        error = "bad number of a data base";

    } else if (redis->user.len > NGX_OIDC_REDIS_SECRET_MAX
               || redis->password.len > NGX_OIDC_REDIS_SECRET_MAX)
    {
        error = "user or password of Redis is too long";

    } else if (conf->sentinel.len > OIDC_REDIS_HOST_MAX) {
        error = "name of the master is too long";

    } else if (conf->client_name.len > 64) {
        error = "name of the client is too long";
    }

    for (i = 0; i < conf->client_name.len; i++) {
        if (conf->client_name.data[i] <= ' '
            || conf->client_name.data[i] > '~')
        {
            error = "name of the client has a blank or control character";
        }
    }

    if (error != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "store \"%V\": %s",
                           &conf->name, error);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_redis_conf_tls(ngx_conf_t *cf, ngx_oidc_redis_t *redis)
{
    ngx_oidc_redis_conf_t  *conf;

    conf = &redis->conf;

    if (!redis->urls[0].tls) {

        if (conf->tls_ca.len || conf->tls_certificate.len || conf->tls_key.len
            || conf->tls_name.len || conf->tls_no_verify)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "store \"%V\": parameters of TLS without a "
                               "\"rediss://\" URL", &conf->name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

#if (NGX_OIDC_REDIS_TLS)

    if (ngx_oidc_redis_conf_file(cf, &conf->tls_ca) != NGX_OK
        || ngx_oidc_redis_conf_file(cf, &conf->tls_certificate) != NGX_OK
        || ngx_oidc_redis_conf_file(cf, &conf->tls_key) != NGX_OK)
    {
        return NGX_ERROR;
    }

    redis->tls = ngx_oidc_redis_tls_add(cf, conf);

    return redis->tls != NULL ? NGX_OK : NGX_ERROR;

#else

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "store \"%V\": \"rediss://\" needs a module built with "
                       "libhiredis_ssl (hiredis 1.0 or newer)", &conf->name);
    return NGX_ERROR;

#endif
}


#if (NGX_OIDC_REDIS_TLS)

/* relative to the configuration, and with a NUL */

static ngx_int_t
ngx_oidc_redis_conf_file(ngx_conf_t *cf, ngx_str_t *file)
{
    return file->len ? ngx_conf_full_name(cf->cycle, file, 1) : NGX_OK;
}

#endif


static void *
ngx_oidc_redis_conf_alloc(void *owner, size_t size)
{
    return ngx_palloc(owner, size);
}
