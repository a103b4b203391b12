
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Access: lets a session pass, sends a person to log in, answers 401 to
 * everything else.  Runs last of the access handlers, so that "satisfy any",
 * allow, deny and auth_basic go before.  What it cannot be sure of it refuses.
 *
 * Precontent: the module's own URIs, which the guard never catches.
 */


#include "ngx_http_oidc_args.h"


typedef struct {
    const char   *what;         /* for the log */
    ngx_uint_t    methods;      /* any other one is a 405 */
    ngx_str_t     allow;        /* which says so */
    ngx_int_t   (*handler)(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx);
    unsigned      machine:1;    /* JSON, the 405 as well */
} ngx_http_oidc_endpoint_t;


static ngx_int_t ngx_http_oidc_weigh(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_permit(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_uint_t ngx_http_oidc_is_off(ngx_http_request_t *r,
    ngx_http_oidc_loc_conf_t *lcf);
static ngx_uint_t ngx_http_oidc_accepts_html(ngx_table_elt_t *accept);
static ngx_int_t ngx_http_oidc_serve(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_endpoint_t *e);


static ngx_http_oidc_endpoint_t  ngx_http_oidc_endpoints[] = {

    [NGX_HTTP_OIDC_REDIRECT_URI] = {
        "login", NGX_HTTP_GET, ngx_string("GET"),
        ngx_http_oidc_callback, 0 },

    [NGX_HTTP_OIDC_LOGIN_URI] = {
        "login", NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST,
        ngx_string("GET, HEAD, POST"), ngx_http_oidc_login_uri, 0 },

    [NGX_HTTP_OIDC_LOGOUT_URI] = {
        "logout", NGX_HTTP_GET|NGX_HTTP_POST, ngx_string("GET, POST"),
        ngx_http_oidc_logout, 0 },

    [NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI] = {
        "logout", NGX_HTTP_GET|NGX_HTTP_HEAD, ngx_string("GET, HEAD"),
        ngx_http_oidc_logout_callback, 0 },

    [NGX_HTTP_OIDC_BACKCHANNEL_URI] = {
        "back-channel logout", NGX_HTTP_POST, ngx_string("POST"),
        ngx_http_oidc_backchannel, 1 },

    [NGX_HTTP_OIDC_FRONTCHANNEL_URI] = {
        "front-channel logout", NGX_HTTP_GET, ngx_string("GET"),
        ngx_http_oidc_frontchannel, 0 },
};

/* the callback where response_mode is form_post */

static ngx_http_oidc_endpoint_t  ngx_http_oidc_form_post = {
    "login", NGX_HTTP_GET|NGX_HTTP_POST, ngx_string("GET, POST"),
    ngx_http_oidc_callback, 0
};

static ngx_http_oidc_endpoint_t  ngx_http_oidc_administration = {
    "administration",
    NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST|NGX_HTTP_DELETE,
    ngx_string("GET, HEAD, POST, DELETE"), ngx_http_oidc_sessions, 1
};


ngx_int_t
ngx_http_oidc_guard(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_uint_t                 redirect;
    oidc_str_t                 return_to;
    ngx_http_oidc_ctx_t       *ctx;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx != NULL && ctx->own != NULL) {
        return NGX_OK;
    }

    if (lcf->off || lcf->jwks || lcf->mode == NGX_HTTP_OIDC_MODE_OFF) {
        return NGX_DECLINED;
    }

    if (ctx == NULL || ctx->provider == NULL) {

        /* off by a variable's value; else identify was passed by somehow */

        return ngx_http_oidc_is_off(r, lcf) ? NGX_DECLINED
                                            : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_oidc_weigh(r, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if ((ctx->authenticated && !ctx->weak)
        || (lcf->mode == NGX_HTTP_OIDC_MODE_VERIFY
            && (!ctx->unavailable || ctx->refused)))
    {
        return ngx_http_oidc_permit(r, ctx);
    }

    if (ctx->refused) {
        return ngx_http_oidc_refused(r, ctx);
    }

    if (ctx->flow != NULL) {
        return ngx_http_oidc_login(r, ctx, NULL);
    }

    if (ctx->unavailable) {

        /* in any mode: who has a cookie must not pass for nobody */

        ngx_http_oidc_store_explain(r, ctx);

        return ngx_http_oidc_refuse(r, ctx, OIDC_STORE);
    }

    /* what began within a session must not become a GET of something else */

    redirect = (lcf->unauth_action == NGX_HTTP_OIDC_UNAUTH_REDIRECT
                && (!(ctx->ended || (ctx->weak && ctx->refreshed))
                    || (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))))
               || (lcf->unauth_action == NGX_HTTP_OIDC_UNAUTH_AUTO
                   && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
                   && ngx_http_oidc_navigation(r));

    if (!redirect || ctx->bearer != NULL || ngx_http_oidc_nobody(r, ctx)) {
        return ngx_http_oidc_unauthorized(r, ctx);
    }

    oidc_return_path(&r->unparsed_uri, &return_to);

    return ngx_http_oidc_login(r, ctx, &return_to);
}


/* who is it, for this location; NGX_DECLINED, or what answers the request */

static ngx_int_t
ngx_http_oidc_weigh(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (ctx->weak && (ctx->has_session || ctx->bearer != NULL)) {

        /* too weak for a location before, which has redirected here */

        ctx->weak = 0;
        ctx->authenticated = 1;
    }

    if (lcf->bearer != NULL) {
        rc = ngx_http_oidc_bearer_guard(r, ctx);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (ctx->authenticated && ctx->has_session && !ctx->refused
        && (ctx->flow == NULL || ctx->refreshing))
    {
        rc = ngx_http_oidc_refresh(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ctx->weak = ctx->authenticated
                && ngx_http_oidc_strong(r, ctx) != OIDC_OK;

    if (ctx->weak && lcf->mode == NGX_HTTP_OIDC_MODE_VERIFY) {

        /* not good here: as if there were none */

        ctx->authenticated = 0;
    }

    return NGX_DECLINED;
}


/* whoever it is: may they? */

static ngx_int_t
ngx_http_oidc_permit(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_rc_t                  rc;
    ngx_http_oidc_loc_conf_t  *lcf;

    rc = ngx_http_oidc_authorize(r);

    if (rc == OIDC_REQUIRED_401) {
        ctx->rc = rc;
        ngx_http_oidc_log_refusal(r, ctx);

        return ngx_http_oidc_unauthorized(r, ctx);
    }

    if (rc != OIDC_OK) {
        return ngx_http_oidc_refuse(r, ctx, rc);
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    return (lcf->mode == NGX_HTTP_OIDC_MODE_VERIFY) ? NGX_DECLINED : NGX_OK;
}


static ngx_uint_t
ngx_http_oidc_is_off(ngx_http_request_t *r, ngx_http_oidc_loc_conf_t *lcf)
{
    ngx_str_t  name;

    return lcf->value != NULL
           && ngx_http_complex_value(r, lcf->value, &name) == NGX_OK
           && oidc_str_eq_cstr(&name, "off");
}


/*
 * Fetch Metadata says it (Sec-Fetch-Mode); for older browsers what a page load
 * looks like: it takes HTML or anything, and no script has marked it.
 */

ngx_uint_t
ngx_http_oidc_navigation(ngx_http_request_t *r)
{
    ngx_uint_t        n, dests;
    ngx_table_elt_t  *h;

    h = ngx_http_oidc_header(r, "sec-fetch-mode", &n);

    if (n) {
        return n == 1 && oidc_str_eq_cstr(&h->value, "navigate");
    }

    (void) ngx_http_oidc_header(r, "sec-fetch-dest", &dests);
    (void) ngx_http_oidc_header(r, "x-requested-with", &n);

    if (n || dests) {
        return 0;
    }

    h = ngx_http_oidc_header(r, "accept", &n);

    return n == 0 || (n == 1 && ngx_http_oidc_accepts_html(h));
}


static ngx_uint_t
ngx_http_oidc_accepts_html(ngx_table_elt_t *accept)
{
    return accept->value.len == 0
           || ngx_strlcasestrn(accept->value.data,
                               accept->value.data + accept->value.len,
                               (u_char *) "html", 4 - 1)
              != NULL
           || ngx_strlcasestrn(accept->value.data,
                               accept->value.data + accept->value.len,
                               (u_char *) "*/*", 3 - 1)
              != NULL;
}


ngx_int_t
ngx_http_oidc_endpoint(ngx_http_request_t *r)
{
    ngx_http_oidc_ctx_t       *ctx;
    ngx_http_oidc_loc_conf_t  *lcf;

    ctx = ngx_http_oidc_get_ctx(r);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (r == r->main && ctx != NULL && ctx->own != NULL) {

        if (ctx->own->kind == NGX_HTTP_OIDC_REDIRECT_URI
            && ctx->provider->form_post)
        {
            return ngx_http_oidc_serve(r, ctx, &ngx_http_oidc_form_post);
        }

        return ngx_http_oidc_serve(r, ctx,
                                   &ngx_http_oidc_endpoints[ctx->own->kind]);
    }

    if (r == r->main && lcf->sessions) {

        ctx = ngx_http_oidc_make_ctx(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_oidc_serve(r, ctx, &ngx_http_oidc_administration);
    }

    return (ngx_http_oidc_send_headers(r) == NGX_OK)
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_oidc_serve(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_endpoint_t *e)
{
    ctx->what = e->what;
    ctx->machine |= e->machine;

    if (r->method & e->methods) {
        return e->handler(r, ctx);
    }

    if (ngx_http_oidc_add_header(r, "Allow", &e->allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_oidc_refuse(r, ctx, OIDC_METHOD);
}
