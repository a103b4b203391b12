
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Directives of the resource server in oidc_provider { }:
 * introspection_response and introspection_cache.
 */


#include "ngx_http_oidc_bearer.h"
#include "ngx_http_oidc_provider.h"

#include "oidc_jwe.h"
#include "oidc_jws.h"


/* longer is nothing that a directive for seconds is for */

#define NGX_HTTP_OIDC_CACHE_MAX       3600
#define NGX_HTTP_OIDC_CACHE_SIZE      (4 * 1024 * 1024)
#define NGX_HTTP_OIDC_CACHE_SIZE_MIN  (64 * 1024)


static ngx_conf_enum_t  ngx_http_oidc_responses[] = {
    { ngx_string("json"), OIDC_INTROSPECT_JSON },
    { ngx_string("jwt"), OIDC_INTROSPECT_JWT },
    { ngx_string("signed"), OIDC_INTROSPECT_SIGNED },
    { ngx_string("encrypted"), OIDC_INTROSPECT_ENCRYPTED },
    { ngx_null_string, 0 }
};


/* before and after the block is read: what no directive has set */

void
ngx_http_oidc_introspection_unset(ngx_http_oidc_provider_t *p)
{
    p->introspection.response = NGX_CONF_UNSET_UINT;
    p->introspection.cache = NGX_CONF_UNSET;
    p->introspection.negative = NGX_CONF_UNSET;
    p->introspection.size = NGX_CONF_UNSET_SIZE;
}


/*
 * introspection_response json | jwt | signed | encrypted [sign=alg,...]
 * [alg=name] [enc=name]
 */

char *
ngx_http_oidc_introspection_response(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    ngx_str_t                      *value, rest;
    ngx_uint_t                      i, encrypted;
    ngx_http_oidc_introspection_t  *in;

    in = &p->introspection;

    if (in->response != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; ngx_http_oidc_responses[i].name.len; i++) {
        if (oidc_str_eq(&ngx_http_oidc_responses[i].name, &value[1])) {
            in->response = ngx_http_oidc_responses[i].value;
            break;
        }
    }

    if (in->response == NGX_CONF_UNSET_UINT) {
        return "is \"json\", \"jwt\", \"signed\" or \"encrypted\"";
    }

    encrypted = (in->response == OIDC_INTROSPECT_ENCRYPTED);

    for (i = 2; i < cf->args->nelts; i++) {

        if (encrypted && in->jwe_algs == 0
            && ngx_http_oidc_param(&value[i], "alg=", &rest))
        {
            in->jwe_algs = oidc_jwe_alg(&rest);

            if (in->jwe_algs) {
                continue;
            }

        } else if (encrypted && in->jwe_encs == 0
                   && ngx_http_oidc_param(&value[i], "enc=", &rest))
        {
            in->jwe_encs = oidc_jwe_enc(&rest);

            if (in->jwe_encs) {
                continue;
            }

        } else if (in->response != OIDC_INTROSPECT_JSON && in->jws_algs == 0
                   && ngx_http_oidc_param(&value[i], "sign=", &rest))
        {
            in->jws_algs = ngx_http_oidc_sign_algs(&rest);

            if (in->jws_algs) {
                continue;
            }
        }

        return ngx_http_oidc_bad_param(cf, &value[i]);
    }

    return NGX_CONF_OK;
}


/* introspection_cache time [negative=time] [size=size] | off */

char *
ngx_http_oidc_introspection_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    time_t                          t;
    ssize_t                         size;
    ngx_str_t                      *value, rest;
    ngx_uint_t                      i;
    ngx_http_oidc_introspection_t  *in;

    in = &p->introspection;

    if (in->cache != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        in->cache = 0;
        in->negative = 0;

        return (cf->args->nelts == 2) ? NGX_CONF_OK
                                      : "takes nothing after \"off\"";
    }

    t = ngx_parse_time(&value[1], 1);

    if (t == (time_t) NGX_ERROR || t == 0 || t > NGX_HTTP_OIDC_CACHE_MAX) {
        return "takes \"off\" or a time of 1s to 1h";
    }

    in->cache = t;

    for (i = 2; i < cf->args->nelts; i++) {

        if (in->negative == NGX_CONF_UNSET
            && ngx_http_oidc_param(&value[i], "negative=", &rest))
        {
            t = ngx_parse_time(&rest, 1);

            if (t != (time_t) NGX_ERROR && t <= NGX_HTTP_OIDC_CACHE_MAX) {
                in->negative = t;
                continue;
            }

        } else if (in->size == NGX_CONF_UNSET_SIZE
                   && ngx_http_oidc_param(&value[i], "size=", &rest))
        {
            size = ngx_parse_size(&rest);

            if (size >= NGX_HTTP_OIDC_CACHE_SIZE_MIN) {
                in->size = size;
                continue;
            }
        }

        return ngx_http_oidc_bad_param(cf, &value[i]);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_oidc_introspection_check(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    size_t                          min;
    unsigned                        alg;
    ngx_http_oidc_introspection_t  *in;

    in = &p->introspection;

    if (in->response == NGX_CONF_UNSET_UINT) {
        in->response = OIDC_INTROSPECT_JSON;
    }

    if (in->cache == NGX_CONF_UNSET) {
        in->cache = 10;
    }

    if (in->negative == NGX_CONF_UNSET) {
        in->negative = 1;
    }

    if (in->size == NGX_CONF_UNSET_SIZE) {
        in->size = NGX_HTTP_OIDC_CACHE_SIZE;
    }

    if (in->jwe_algs == 0) {
        in->jwe_algs = OIDC_RSA_OAEP;
    }

    if (in->jwe_encs == 0) {
        in->jwe_encs = OIDC_A256GCM;
    }

    for (alg = OIDC_HS256; alg <= OIDC_HS512; alg <<= 1) {

        min = oidc_jws_secret_min(alg);

        if ((in->jws_algs & alg) && p->client.secret.len < min) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s of \"introspection_response\" of "
                               "oidc_provider \"%V\" needs a client_secret of "
                               "at least %uz bytes", oidc_jws_alg_name(alg),
                               &p->name, min);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
