
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The end of an oidc_session_store { } of type redis: defaults, files, and what
 * contradicts itself, before the first worker is there to connect.
 */


#include "ngx_http_oidc_provider.h"


#define NGX_HTTP_OIDC_PASSWORD_MAX   4096

#define NGX_HTTP_OIDC_REDIS_PORT     6379
#define NGX_HTTP_OIDC_REDIS_DB_MAX   65535


static const char *ngx_http_oidc_store_conflict(
    ngx_http_oidc_store_block_t *b);
static char *ngx_http_oidc_store_hostname(ngx_conf_t *cf,
    ngx_http_oidc_store_block_t *b);
static char *ngx_http_oidc_store_finish(ngx_conf_t *cf,
    ngx_http_oidc_store_block_t *b);
static ngx_uint_t ngx_http_oidc_url_has(ngx_http_oidc_store_block_t *b,
    const char *what);


char *
ngx_http_oidc_store_check(ngx_conf_t *cf, ngx_http_oidc_store_block_t *b)
{
    const char  *wrong;

    if (!oidc_str_eq_cstr(&b->sc.type, "redis")) {

        if (b->redis_only.len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" of oidc_session_store \"%V\" needs "
                               "\"type redis\"", &b->redis_only, &b->sc.name);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    wrong = ngx_http_oidc_store_conflict(b);

    if (wrong != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "oidc_session_store \"%V\": %s",
                           &b->sc.name, wrong);
        return NGX_CONF_ERROR;
    }

    if (b->hostname.len
        && ngx_http_oidc_store_hostname(cf, b) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_oidc_store_finish(cf, b);
}


/* what contradicts itself, before anything is made of it */

static const char *
ngx_http_oidc_store_conflict(ngx_http_oidc_store_block_t *b)
{
    ngx_uint_t              i;
    ngx_oidc_redis_conf_t  *redis = &b->sc.redis;
    ngx_uint_t              tls = ngx_http_oidc_url_has(b, "rediss:");
    ngx_uint_t              cluster = (b->cluster == 1);
    ngx_uint_t              sentinel = (redis->sentinel.len != 0);
    ngx_uint_t              secret = redis->password.len
                                     || b->password_file.len;

    struct {
        ngx_uint_t   wrong;
        const char  *text;
    } rules[] = {

        { b->sc.size != NGX_CONF_UNSET_SIZE,
          "\"size\" is of \"type memory\", here it is \"local_copy\"" },

        { redis->servers == NULL && b->hostname.len == 0,
          "\"type redis\" needs \"redis\" or \"hostname\"" },

        { redis->servers != NULL && (b->hostname.len
                                     || b->port != NGX_CONF_UNSET),
          "\"redis\" beside \"hostname\" or \"port\"" },

        { b->port != NGX_CONF_UNSET && (b->port < 1 || b->port > 65535),
          "invalid \"port\"" },

        { redis->db != NGX_CONF_UNSET && redis->db > NGX_HTTP_OIDC_REDIS_DB_MAX,
          "invalid \"database\"" },

        { redis->password.len && b->password_file.len,
          "both \"password\" and \"password_file\"" },

        { redis->user.len && !secret,
          "\"username\" without \"password\" or \"password_file\"" },

        { secret && !sentinel && ngx_http_oidc_url_has(b, "@"),
          "a password beside one in the URL" },

        { cluster && sentinel,
          "both \"cluster\" and \"sentinel\"" },

        { cluster && redis->db > 0,
          "a \"cluster\" has no \"database\"" },

        { redis->servers != NULL && redis->servers->nelts > 1
          && !cluster && !sentinel,
          "several URLs need \"sentinel\" or \"cluster\"" },

        { b->connect_timeout == 0 || b->command_timeout == 0,
          "a time-out of 0 reaches nobody" },

        { !oidc_record_prefix_ok(&b->sc.prefix),
          "invalid \"prefix\"" },

        { (redis->tls_certificate.len == 0) != (redis->tls_key.len == 0),
          "\"ssl_certificate\" and \"ssl_certificate_key\" need each other" },

        { !tls && (redis->tls_ca.len || redis->tls_certificate.len
                   || redis->tls_name.len || b->ssl_verify != NGX_CONF_UNSET),
          "\"ssl_*\" without a rediss:// URL" },

        { b->ssl_verify == 0 && (redis->tls_ca.len || redis->tls_name.len),
          "\"ssl_verify off\" beside what it would verify" }
    };

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].wrong) {
            return rules[i].text;
        }
    }

    return NULL;
}


/* hostname and port, as others call it, are an URL in two pieces */

static char *
ngx_http_oidc_store_hostname(ngx_conf_t *cf, ngx_http_oidc_store_block_t *b)
{
    u_char       c, *p;
    ngx_str_t   *url;
    ngx_uint_t   i, ipv6;

    b->sc.redis.servers = ngx_array_create(cf->pool, 1, sizeof(ngx_str_t));
    if (b->sc.redis.servers == NULL) {
        return NGX_CONF_ERROR;
    }

    url = ngx_array_push(b->sc.redis.servers);

    if (ngx_http_oidc_begins(&b->hostname, "unix:")
        && b->port == NGX_CONF_UNSET)
    {
        *url = b->hostname;
        return NGX_CONF_OK;
    }

    ipv6 = 0;

    for (i = 0; i < b->hostname.len; i++) {

        c = b->hostname.data[i];
        ipv6 |= (c == ':');

        if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
            && !(c >= '0' && c <= '9')
            && ngx_strchr(".-_:", c) == NULL)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "oidc_session_store \"%V\": "
                               "invalid \"hostname\"", &b->sc.name);
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_init_value(b->port, NGX_HTTP_OIDC_REDIS_PORT);

    url->data = ngx_pnalloc(cf->pool, sizeof("redis://[]:65535")
                                      + b->hostname.len);
    if (url->data == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_sprintf(url->data, ipv6 ? "redis://[%V]:%i%Z" : "redis://%V:%i%Z",
                    &b->hostname, b->port);

    url->len = p - url->data - 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_store_finish(ngx_conf_t *cf, ngx_http_oidc_store_block_t *b)
{
    ngx_uint_t              i;
    ngx_oidc_redis_conf_t  *redis = &b->sc.redis;
    ngx_str_t              *files[] = { &redis->tls_ca, &redis->tls_key,
                                        &redis->tls_certificate };

    ngx_conf_init_value(b->cluster, 0);
    ngx_conf_init_value(b->ssl_verify, 1);
    ngx_conf_init_msec_value(b->connect_timeout,
                             NGX_OIDC_REDIS_CONNECT_TIMEOUT);
    ngx_conf_init_msec_value(b->command_timeout,
                             NGX_OIDC_REDIS_COMMAND_TIMEOUT);
    ngx_conf_init_size_value(b->sc.copy, NGX_OIDC_STORE_SIZE);

    if (b->sc.prefix.data == NULL) {
        ngx_str_set(&b->sc.prefix, "oidc:");
    }

    redis->name = b->sc.name;
    redis->cluster = b->cluster;
    redis->tls_no_verify = !b->ssl_verify;
    redis->connect_timeout = b->connect_timeout;
    redis->command_timeout = b->command_timeout;

    if (b->password_file.len
        && ngx_http_oidc_read_secret(cf, &b->password_file,
                                     NGX_HTTP_OIDC_PASSWORD_MAX,
                                     &redis->password)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i]->len
            && ngx_conf_full_name(cf->cycle, files[i], 1) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* whether any URL has this in it, or begins with it where it is a scheme */

static ngx_uint_t
ngx_http_oidc_url_has(ngx_http_oidc_store_block_t *b, const char *what)
{
    ngx_str_t   *url;
    ngx_uint_t   i;

    if (b->sc.redis.servers == NULL) {
        return 0;
    }

    url = b->sc.redis.servers->elts;

    for (i = 0; i < b->sc.redis.servers->nelts; i++) {
        if ((what[1] == '\0')
            ? ngx_strlchr(url[i].data, url[i].data + url[i].len, what[0])
              != NULL
            : ngx_http_oidc_begins(&url[i], what))
        {
            return 1;
        }
    }

    return 0;
}
