
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The end of oidc_provider { }: defaults, and everything that can be known to
 * be wrong before the first request.
 */


#include "ngx_http_oidc_provider.h"

#include "oidc_authz.h"
#include "oidc_cookie.h"
#include "oidc_idtoken.h"
#include "oidc_jws.h"


static char *ngx_http_oidc_provider_refresh(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_urls(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_extra(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_uris(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static ngx_uint_t ngx_http_oidc_path_ok(ngx_str_t *path);
static char *ngx_http_oidc_provider_cookies(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static ngx_int_t ngx_http_oidc_cookie_names(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, ngx_uint_t https);
static char *ngx_http_oidc_provider_tls(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);


/* where distributions keep the certificates that they trust */

static const char  *ngx_http_oidc_ca_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    NULL
};


char *
ngx_http_oidc_provider_check(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    char  *rv;

    ngx_conf_init_value(p->session_timeout, 8 * 60 * 60);
    ngx_conf_init_value(p->session_lifetime, 12 * 60 * 60);
    ngx_conf_init_value(p->pre_auth_timeout, 300);
    ngx_conf_init_value(p->clock_skew, 30);
    ngx_conf_init_msec_value(p->timeout, 30000);
    ngx_conf_init_uint_value(p->client_auth_method, OIDC_CLIENT_AUTO);
    ngx_conf_init_value(p->pkce, 1);
    ngx_conf_init_uint_value(p->form_post, 0);
    ngx_conf_init_value(p->par, 0);
    ngx_conf_init_value(p->request_object, 0);
    ngx_conf_init_value(p->userinfo, 0);
    ngx_conf_init_value(p->logout_token_hint, 0);
    ngx_conf_init_value(p->logout_cross_site, 0);
    ngx_conf_init_value(p->logout_revoke, 0);
    ngx_conf_init_value(p->pass_cookies, 0);
    ngx_conf_init_value(p->allow_http, 0);

    if (p->scope.data == NULL) {
        ngx_str_set(&p->scope, "openid");
    }

    if (p->session_timeout == 0 || p->session_lifetime == 0
        || p->pre_auth_timeout == 0 || p->timeout == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "oidc_provider \"%V\": a time of 0 "
                           "lets nobody in", &p->name);
        return NGX_CONF_ERROR;
    }

    if (p->pre_auth_timeout > 60 * 60) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"pre_auth_timeout\" must be at most 1h");
        return NGX_CONF_ERROR;
    }

    if (p->clock_skew > OIDC_SKEW_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"clock_skew\" must be at most %ds",
                           OIDC_SKEW_MAX);
        return NGX_CONF_ERROR;
    }

    if (p->client.id.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"client_id\" in oidc_provider \"%V\"",
                           &p->name);
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_oidc_introspection_check(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_provider_refresh(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_provider_urls(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_provider_extra(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_oidc_client_check(cf, p) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_oidc_provider_uris(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_provider_cookies(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_provider_tls(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    p->idp->timeout = p->timeout;

    rv = ngx_oidc_idp_configure(cf, p->idp, &ngx_http_oidc_module);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_oidc_back_channel_finish(cf, p);
}


static char *
ngx_http_oidc_provider_refresh(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_conf_init_value(p->refresh_leeway, 30);
    ngx_conf_init_value(p->access_token_lifetime, 0);
    ngx_conf_init_value(p->userinfo_interval, 0);
    ngx_conf_init_uint_value(p->refresh, NGX_HTTP_OIDC_REFRESH_ON);
    ngx_conf_init_uint_value(p->refresh_error, NGX_HTTP_OIDC_REFRESH_END);

    if (p->userinfo_interval && !p->userinfo) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"userinfo_interval\" of oidc_provider \"%V\" "
                           "needs \"userinfo on\"", &p->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_provider_urls(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_uint_t    i;
    oidc_url_t    url;

    struct {
        const char  *name;
        oidc_str_t  *value;
    } urls[] = {
        { "issuer", &p->idp->issuer },
        { "config_url", &p->idp->config_url },
#define NGX_HTTP_OIDC_URL(name, required)  { #name, &p->idp->fixed.name },
        OIDC_ENDPOINTS(NGX_HTTP_OIDC_URL)
#undef NGX_HTTP_OIDC_URL
    };

    if (p->idp->issuer.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"issuer\" in oidc_provider \"%V\"", &p->name);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {

        if (urls[i].value->len == 0) {
            continue;
        }

        if (oidc_url_parse(urls[i].value, &url) != OIDC_OK
            || (i == 0 && url.has_query))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" of oidc_provider \"%V\" "
                               "is no http or https URL: \"%V\"",
                               urls[i].name, &p->name, urls[i].value);
            return NGX_CONF_ERROR;
        }

        /* plain http: as the issuer is, and it only if nobody is between */

        if (i == 0 && !url.https) {
            p->idp->allow_http = oidc_url_is_loopback(&url) || p->allow_http;
        }

        if (!url.https && !p->idp->allow_http) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" of oidc_provider \"%V\" must be https: "
                               "\"%V\" (for a test host there is "
                               "\"allow_http\")",
                               urls[i].name, &p->name, urls[i].value);
            return NGX_CONF_ERROR;
        }
    }

    if (p->frontchannel_csp.len == 0) {

        (void) oidc_url_parse(&p->idp->issuer, &url);

        p->frontchannel_csp.data = ngx_pnalloc(cf->pool,
                                               sizeof(NGX_HTTP_OIDC_CSP)
                                               + p->idp->issuer.len + 1);
        if (p->frontchannel_csp.data == NULL) {
            return NGX_CONF_ERROR;
        }

        p->frontchannel_csp.len = ngx_sprintf(p->frontchannel_csp.data,
                                              "%s %V://%V", NGX_HTTP_OIDC_CSP,
                                              &url.scheme, &url.authority)
                                  - p->frontchannel_csp.data;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_provider_extra(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    oidc_str_t   rest, name, value;
    oidc_pool_t  pool;

    pool = ngx_http_oidc_pool(cf->pool);

    if (p->extra_auth_args.len
        && oidc_authz_extra_check(&pool, &p->extra_auth_args)
           != OIDC_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"extra_auth_args\" of oidc_provider \"%V\" is "
                           "malformed or sets what the module sets itself",
                           &p->name);
        return NGX_CONF_ERROR;
    }

    /* as NGINX Plus sends them, which does not look at what comes back */

    rest = p->extra_auth_args;

    while (oidc_args_next(&rest, &name, &value)) {
        if (oidc_str_eq_cstr(&name, "acr_values")
            || oidc_str_eq_cstr(&name, "max_age")
            || oidc_str_eq_cstr(&name, "claims"))
        {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"%V\" in \"extra_auth_args\" of oidc_provider "
                               "\"%V\" is asked for and not checked, as the "
                               "directive of that name does", &name, &p->name);
        }
    }

    return NGX_CONF_OK;
}


/* our own URIs: paths, or absolute where the provider is told about them */

static char *
ngx_http_oidc_provider_uris(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_str_t   *uri;
    oidc_url_t   url;
    ngx_uint_t   i, n;

    uri = p->uri;

    if (uri[NGX_HTTP_OIDC_REDIRECT_URI].len == 0) {
        ngx_str_set(&uri[NGX_HTTP_OIDC_REDIRECT_URI], "/oidc_callback");
    }

    for (i = 0; i < NGX_HTTP_OIDC_URI_MAX; i++) {

        if (uri[i].len == 0) {
            continue;
        }

        p->path[i] = uri[i];

        if (uri[i].data[0] != '/') {

            if ((i != NGX_HTTP_OIDC_REDIRECT_URI
                 && i != NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI)
                || oidc_url_parse(&uri[i], &url) != OIDC_OK
                || url.path.len == 0 || url.has_query)
            {
                goto invalid;
            }

            p->path[i].len = url.path.len;
            p->path[i].data = url.path.data;
        }

        if (!ngx_http_oidc_path_ok(&p->path[i])) {
            goto invalid;
        }

        for (n = 0; n < i; n++) {
            if (p->path[n].len
                && oidc_str_eq(&p->path[n],
                               &p->path[i]))
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "oidc_provider \"%V\" uses \"%V\" twice",
                                   &p->name, &p->path[i]);
                return NGX_CONF_ERROR;
            }
        }
    }

    if (p->post_logout_uri.len) {

        i = NGX_HTTP_OIDC_URI_MAX;

        if (p->post_logout_uri.data[0] != '/'
            && oidc_url_parse(&p->post_logout_uri, &url)
               != OIDC_OK)
        {
            goto invalid;
        }

        if (p->post_logout_uri.data[0] == '/'
            && oidc_return_target(&p->post_logout_uri, NULL,
                                  &p->post_logout_uri)
               != OIDC_OK)
        {
            goto invalid;
        }
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid URI \"%V\" in oidc_provider \"%V\"",
                       i == NGX_HTTP_OIDC_URI_MAX ? &p->post_logout_uri
                                                  : &uri[i],
                       &p->name);
    return NGX_CONF_ERROR;
}


/* a path that nginx's normalized URI can be equal to */

static ngx_uint_t
ngx_http_oidc_path_ok(ngx_str_t *path)
{
    u_char  *p, *end;

    end = path->data + path->len;

    for (p = path->data; p < end; p++) {

        if (*p <= ' ' || *p >= 0x7f || ngx_strchr("?#%\\", *p) != NULL) {
            return 0;
        }

        if (*p != '/' || p + 1 == end) {
            continue;
        }

        if (p[1] == '/'
            || (p[1] == '.' && (p + 2 == end || p[2] == '/'))
            || (p[1] == '.' && p[2] == '.' && (p + 3 == end || p[3] == '/')))
        {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_http_oidc_provider_cookies(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_uint_t  host;

    if (p->cookie_name.len
        && !oidc_cookie_name_ok(&p->cookie_name))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"cookie_name\": \"%V\"", &p->cookie_name);
        return NGX_CONF_ERROR;
    }

    if (p->cookie_domain.len
        && !oidc_cookie_domain_ok(&p->cookie_domain))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"cookie_domain\": \"%V\"",
                           &p->cookie_domain);
        return NGX_CONF_ERROR;
    }

    host = p->cookie_name.len > 7
           && ngx_strncmp(p->cookie_name.data, "__Host-", 7) == 0;

    if (host && p->cookie_domain.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a cookie named \"__Host-\" "
                           "cannot have a \"cookie_domain\"");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_cookie_names(cf, p, 0) != NGX_OK
        || ngx_http_oidc_cookie_names(cf, p, 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* NAME for the session, NAME.<suffix> for logins, NAME.out for the logout */

static ngx_int_t
ngx_http_oidc_cookie_names(ngx_conf_t *cf, ngx_http_oidc_provider_t *p,
    ngx_uint_t https)
{
    u_char      *data;
    size_t       len;
    ngx_str_t    name;
    const char  *prefix;

    static ngx_str_t  standard = ngx_string("NGX_OIDC_SESSION");

    name = p->cookie_name.len ? p->cookie_name : standard;
    prefix = (https && p->cookie_name.len == 0 && p->cookie_domain.len == 0)
             ? "__Host-" : "";

    data = ngx_pnalloc(cf->pool, 7 + name.len + sizeof(".out"));
    if (data == NULL) {
        return NGX_ERROR;
    }

    len = ngx_sprintf(data, "%s%V.out%Z", prefix, &name) - data - 1;

    p->logout_cookie[https].data = data;
    p->logout_cookie[https].len = len;
    p->login_cookie[https].data = data;
    p->login_cookie[https].len = len - 3;
    p->session_cookie[https].data = data;
    p->session_cookie[https].len = len - 4;

    return NGX_OK;
}


static char *
ngx_http_oidc_provider_tls(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_uint_t       i;
    ngx_file_info_t  fi;

    if (p->ssl_crl.len) {

        if (ngx_conf_full_name(cf->cycle, &p->ssl_crl, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        p->idp->crl_file = p->ssl_crl;
    }

    if (p->ssl_trusted_certificate.len) {

        if (ngx_conf_full_name(cf->cycle, &p->ssl_trusted_certificate, 1)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        p->idp->ca_file = p->ssl_trusted_certificate;

        return NGX_CONF_OK;
    }

    if (p->idp->insecure) {
        return NGX_CONF_OK;
    }

    for (i = 0; ngx_http_oidc_ca_bundles[i] != NULL; i++) {

        if (ngx_file_info(ngx_http_oidc_ca_bundles[i], &fi) != NGX_FILE_ERROR) {
            p->idp->ca_file.data = (u_char *) ngx_http_oidc_ca_bundles[i];
            p->idp->ca_file.len = ngx_strlen(ngx_http_oidc_ca_bundles[i]);

            return NGX_CONF_OK;
        }
    }

    if (p->idp->allow_http) {

        /* there is no TLS to verify; the fetch refuses an https endpoint */

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "no certificates of the system found for oidc_provider "
                       "\"%V\", set \"ssl_trusted_certificate\"", &p->name);
    return NGX_CONF_ERROR;
}
