
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Directives of oidc_provider { } with a mind of their own: what a slot of
 * nginx cannot check or store.
 */


#include "ngx_http_oidc_provider.h"

#include "oidc_jws.h"


char *
ngx_http_oidc_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    u_char      *last, c;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i, n, start, openid;

    if (p->scope.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    len = sizeof("openid") - 1;
    openid = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        /* scope-token, RFC 6749 section 3.3; one argument may hold several */

        for (start = 0, n = 0; n <= value[i].len; n++) {

            c = (n < value[i].len) ? value[i].data[n] : ' ';

            if (c < ' ' || c >= 0x7f || c == '"' || c == '\\') {
                return "has a character that a scope cannot have";
            }

            if (c != ' ') {
                continue;
            }

            if (n == start) {
                return "has an empty value";
            }

            if (n - start == 6
                && ngx_strncmp(value[i].data + start, "openid", 6) == 0)
            {
                openid = 1;
            }

            start = n + 1;
        }

        len += 1 + value[i].len;
    }

    p->scope.data = ngx_pnalloc(cf->pool, len);
    if (p->scope.data == NULL) {
        return NGX_CONF_ERROR;
    }

    last = p->scope.data;

    if (!openid) {
        last = ngx_cpymem(last, "openid", sizeof("openid") - 1);
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (last != p->scope.data) {
            *last++ = ' ';
        }

        last = ngx_cpymem(last, value[i].data, value[i].len);
    }

    p->scope.len = last - p->scope.data;

    return NGX_CONF_OK;
}


char *
ngx_http_oidc_algs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    unsigned     alg;
    ngx_str_t   *value;
    ngx_uint_t   i, *algs;

    algs = (ngx_uint_t *) (p + cmd->offset);

    if (*algs) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        alg = oidc_jws_alg(&value[i]);

        if (alg == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is no signature algorithm for \"%V\"",
                               &value[i], &value[0]);
            return NGX_CONF_ERROR;
        }

        *algs |= alg;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_oidc_audience(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    ngx_str_t   *value, *audience;
    ngx_uint_t   i;

    if (p->trusted_audience == NULL) {
        p->trusted_audience = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (p->trusted_audience == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        audience = ngx_array_push(p->trusted_audience);
        if (audience == NULL) {
            return NGX_CONF_ERROR;
        }

        *audience = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_http_oidc_logout_callback_uri(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 3) {

        if (ngx_strcmp(value[2].data, "strict") != 0) {
            return "takes a URI and \"strict\"";
        }

        p->logout_strict = 1;
    }

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


/* frontchannel_logout_uri uri [any_iss] */

char *
ngx_http_oidc_frontchannel_uri(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 3) {

        if (ngx_strcmp(value[2].data, "any_iss") != 0) {
            return "takes a URI and \"any_iss\"";
        }

        p->frontchannel_any_iss = 1;
    }

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


/* frontchannel_logout_ancestors origin ...; sources of CSP frame-ancestors */

char *
ngx_http_oidc_ancestors(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    u_char      *last;
    size_t       len;
    ngx_str_t   *value;
    oidc_url_t   url;
    ngx_uint_t   i;

    if (p->frontchannel_csp.len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    len = sizeof(NGX_HTTP_OIDC_CSP);

    for (i = 1; i < cf->args->nelts; i++) {

        if (oidc_url_parse(&value[i], &url) != OIDC_OK || url.path.len
            || url.has_query
            || ngx_strlchr(value[i].data, value[i].data + value[i].len, ';')
               != NULL)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" of \"%V\" is no origin, as in "
                               "\"https://idp.example.com\"", &value[i],
                               &value[0]);
            return NGX_CONF_ERROR;
        }

        len += 1 + value[i].len;
    }

    p->frontchannel_csp.data = ngx_pnalloc(cf->pool, len);
    if (p->frontchannel_csp.data == NULL) {
        return NGX_CONF_ERROR;
    }

    last = ngx_cpymem(p->frontchannel_csp.data, NGX_HTTP_OIDC_CSP,
                      sizeof(NGX_HTTP_OIDC_CSP) - 1);

    for (i = 1; i < cf->args->nelts; i++) {
        *last++ = ' ';
        last = ngx_cpymem(last, value[i].data, value[i].len);
    }

    p->frontchannel_csp.len = last - p->frontchannel_csp.data;

    return NGX_CONF_OK;
}
