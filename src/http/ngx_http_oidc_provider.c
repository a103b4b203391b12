
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * oidc_provider name { }: its directives as a table, and the checks of the
 * whole when the block ends.  Directives of nginx that shape the calls to the
 * provider are taken by ngx_http_oidc_back_channel.c.
 */


#include "ngx_http_oidc.h"
#include "ngx_http_oidc_provider.h"

#include "oidc_authz.h"
#include "oidc_cookie.h"
#include "oidc_idtoken.h"
#include "oidc_jws.h"


/* in the conf member of a command: the offset is one of ngx_oidc_idp_t */

#define NGX_HTTP_OIDC_IDP  1

#define ngx_http_oidc_offset(field)                                           \
    0, offsetof(ngx_http_oidc_provider_t, field)

#define ngx_http_oidc_idp_offset(field)                                       \
    NGX_HTTP_OIDC_IDP, offsetof(ngx_oidc_idp_t, field)


static char *ngx_http_oidc_provider_directive(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_oidc_not_yet(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_scope(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_algs(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_audience(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_logout_callback_uri(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_oidc_provider_defaults(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_client(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_urls(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_uris(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_cookies(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_tls(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static ngx_int_t ngx_http_oidc_cookie_names(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, ngx_uint_t https);


static ngx_conf_enum_t  ngx_http_oidc_client_auth_methods[] = {
    { ngx_string("client_secret_basic"), OIDC_CLIENT_SECRET_BASIC },
    { ngx_string("client_secret_post"), OIDC_CLIENT_SECRET_POST },
    { ngx_string("none"), OIDC_CLIENT_NONE },
    { ngx_null_string, 0 }
};


/* one row per directive, in the order of the README */

static ngx_command_t  ngx_http_oidc_provider_commands[] = {

    { ngx_string("issuer"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_idp_offset(issuer), NULL },

    { ngx_string("client_id"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(client.id), NULL },

    { ngx_string("client_secret"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(client.secret), NULL },

    { ngx_string("client_secret_file"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(client_secret_file), NULL },

    { ngx_string("client_auth_method"), NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
      ngx_http_oidc_offset(client_auth_method),
      &ngx_http_oidc_client_auth_methods },

    { ngx_string("config_url"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_idp_offset(config_url), NULL },

    { ngx_string("scope"), NGX_CONF_1MORE, ngx_http_oidc_scope,
      ngx_http_oidc_offset(scope), NULL },

    { ngx_string("scopes"), NGX_CONF_1MORE, ngx_http_oidc_scope,
      ngx_http_oidc_offset(scope), NULL },

    { ngx_string("extra_auth_args"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(extra_auth_args), NULL },

    { ngx_string("pkce"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(pkce), NULL },

    { ngx_string("userinfo"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(userinfo), NULL },

    { ngx_string("redirect_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_REDIRECT_URI]), NULL },

    { ngx_string("login_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_LOGIN_URI]), NULL },

    { ngx_string("logout_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_LOGOUT_URI]), NULL },

    { ngx_string("post_logout_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(post_logout_uri), NULL },

    { ngx_string("logout_callback_uri"), NGX_CONF_TAKE12,
      ngx_http_oidc_logout_callback_uri,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI]), NULL },

    { ngx_string("logout_token_hint"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(logout_token_hint), NULL },

    { ngx_string("logout_cross_site"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(logout_cross_site), NULL },

    { ngx_string("frontchannel_logout_uri"), NGX_CONF_TAKE1,
      ngx_http_oidc_not_yet, 0, 0, NULL },

    { ngx_string("session_store"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(session_store), NULL },

    { ngx_string("session_timeout"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(session_timeout), NULL },

    { ngx_string("session_lifetime"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(session_lifetime), NULL },

    { ngx_string("pre_auth_timeout"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(pre_auth_timeout), NULL },

    { ngx_string("cookie_name"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(cookie_name), NULL },

    { ngx_string("cookie_domain"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(cookie_domain), NULL },

    { ngx_string("pass_cookies"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(pass_cookies), NULL },

    { ngx_string("id_token_signed_response_alg"), NGX_CONF_1MORE,
      ngx_http_oidc_algs, ngx_http_oidc_offset(id_token_algs), NULL },

    { ngx_string("userinfo_signed_response_alg"), NGX_CONF_1MORE,
      ngx_http_oidc_algs, ngx_http_oidc_offset(userinfo_algs), NULL },

    { ngx_string("trusted_audience"), NGX_CONF_1MORE, ngx_http_oidc_audience,
      ngx_http_oidc_offset(trusted_audience), NULL },

    { ngx_string("clock_skew"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(clock_skew), NULL },

#define NGX_HTTP_OIDC_ENDPOINT(name, required)                                \
    { ngx_string(#name), NGX_CONF_TAKE1, ngx_conf_set_str_slot,               \
      ngx_http_oidc_idp_offset(fixed.name), NULL },

    OIDC_ENDPOINTS(NGX_HTTP_OIDC_ENDPOINT)

#undef NGX_HTTP_OIDC_ENDPOINT

    { ngx_string("ssl_trusted_certificate"), NGX_CONF_TAKE1,
      ngx_conf_set_str_slot, ngx_http_oidc_offset(ssl_trusted_certificate),
      NULL },

    { ngx_string("ssl_crl"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(ssl_crl), NULL },

    { ngx_string("timeout"), NGX_CONF_TAKE1, ngx_conf_set_msec_slot,
      ngx_http_oidc_offset(timeout), NULL },

    { ngx_string("allow_http"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(allow_http), NULL },

    { ngx_string("oidc_key"), NGX_CONF_1MORE, ngx_http_oidc_key, 0, 0, NULL },

      ngx_null_command
};


/* where distributions keep the certificates that they trust */

static const char  *ngx_http_oidc_ca_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    NULL
};


char *
ngx_http_oidc_provider_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_main_conf_t *omcf = conf;

    char                       *rv;
    ngx_str_t                  *value;
    ngx_conf_t                  save;
    ngx_uint_t                  i;
    ngx_http_oidc_provider_t   *p, **pp;

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] <= ' ' || value[1].data[i] >= 0x7f
            || ngx_strchr("\"\\$", value[1].data[i]) != NULL)
        {
            break;
        }
    }

    if (i == 0 || i < value[1].len || ngx_strcmp(value[1].data, "off") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of an oidc_provider: \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_find_provider(omcf, &value[1]) != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate oidc_provider \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    p = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_provider_t));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    p->name = value[1];
    p->file = cf->conf_file->file.name.data;
    p->line = cf->conf_file->line;

    p->session_timeout = NGX_CONF_UNSET;
    p->session_lifetime = NGX_CONF_UNSET;
    p->pre_auth_timeout = NGX_CONF_UNSET;
    p->clock_skew = NGX_CONF_UNSET;
    p->timeout = NGX_CONF_UNSET_MSEC;
    p->client_auth_method = NGX_CONF_UNSET_UINT;
    p->pkce = NGX_CONF_UNSET;
    p->userinfo = NGX_CONF_UNSET;
    p->logout_token_hint = NGX_CONF_UNSET;
    p->logout_cross_site = NGX_CONF_UNSET;
    p->pass_cookies = NGX_CONF_UNSET;
    p->allow_http = NGX_CONF_UNSET;

    p->idp = ngx_oidc_idp_create(cf, &p->name);
    if (p->idp == NULL) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_oidc_back_channel_create(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    save = *cf;

    cf->ctx = p->back_channel;
    cf->handler = ngx_http_oidc_provider_directive;
    cf->handler_conf = (void *) p;

    rv = ngx_conf_parse(cf, NULL);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_oidc_provider_defaults(cf, p);
    }

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    pp = ngx_array_push(&omcf->providers);
    if (pp == NULL) {
        return NGX_CONF_ERROR;
    }

    *pp = p;

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_provider_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    ngx_int_t  rc;

    rc = ngx_http_oidc_back_channel_directive(cf, p);

    if (rc != 0) {
        return (rc == 1) ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    return ngx_http_oidc_block_directive(cf, dummy, p,
                                         ngx_http_oidc_provider_commands,
                                         p->idp, "oidc_provider");
}


static char *
ngx_http_oidc_not_yet(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return "is not supported yet";
}


static char *
ngx_http_oidc_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    u_char      *last;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i, n, openid;

    if (p->scope.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    len = sizeof("openid") - 1;
    openid = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "openid") == 0) {
            openid = 1;
        }

        /* scope-token, RFC 6749 section 3.3; one argument may hold several */

        for (n = 0; n < value[i].len; n++) {
            if (value[i].data[n] < ' ' || value[i].data[n] >= 0x7f
                || value[i].data[n] == '"' || value[i].data[n] == '\\')
            {
                return "has a character that a scope cannot have";
            }
        }

        if (n >= 6 && ngx_strncmp(value[i].data, "openid ", 7) == 0) {
            openid = 1;
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


static char *
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


static char *
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


static char *
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


static char *
ngx_http_oidc_provider_defaults(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    char  *rv;

    ngx_conf_init_value(p->session_timeout, 8 * 60 * 60);
    ngx_conf_init_value(p->session_lifetime, 12 * 60 * 60);
    ngx_conf_init_value(p->pre_auth_timeout, 300);
    ngx_conf_init_value(p->clock_skew, 30);
    ngx_conf_init_msec_value(p->timeout, 30000);
    ngx_conf_init_uint_value(p->client_auth_method, OIDC_CLIENT_AUTO);
    ngx_conf_init_value(p->pkce, 1);
    ngx_conf_init_value(p->userinfo, 0);
    ngx_conf_init_value(p->logout_token_hint, 0);
    ngx_conf_init_value(p->logout_cross_site, 0);
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

    rv = ngx_http_oidc_provider_client(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_provider_urls(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
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
ngx_http_oidc_provider_client(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    size_t      min;
    unsigned    alg, algs;
    ngx_str_t  *secret;

    if (p->client.id.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"client_id\" in oidc_provider \"%V\"",
                           &p->name);
        return NGX_CONF_ERROR;
    }

    secret = &p->client.secret;

    if (p->client_secret_file.len) {

        if (secret->len) {
            return "has both \"client_secret\" and \"client_secret_file\"";
        }

        if (ngx_http_oidc_read_secret(cf, &p->client_secret_file, 4096, secret)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (secret->len == 0
        && (p->client_auth_method == OIDC_CLIENT_SECRET_BASIC
            || p->client_auth_method == OIDC_CLIENT_SECRET_POST))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"client_auth_method\" of oidc_provider \"%V\" "
                           "needs a \"client_secret\"", &p->name);
        return NGX_CONF_ERROR;
    }

    p->client.auth = p->client_auth_method;

    algs = p->id_token_algs | p->userinfo_algs;

    for (alg = OIDC_HS256; alg <= OIDC_HS512; alg <<= 1) {

        min = oidc_jws_secret_min(alg);

        if ((algs & alg) && secret->len < min) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s of oidc_provider \"%V\" needs a "
                               "client_secret of at least %uz bytes",
                               oidc_jws_alg_name(alg), &p->name, min);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_provider_urls(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_uint_t    i;
    oidc_url_t    url;
    oidc_pool_t   pool;

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

        for (n = 0; n < p->path[i].len; n++) {
            if (p->path[i].data[n] <= ' ' || p->path[i].data[n] >= 0x7f
                || ngx_strchr("?#%\\", p->path[i].data[n]) != NULL)
            {
                goto invalid;
            }
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
