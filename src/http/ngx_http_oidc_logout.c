
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Logout that the user starts (OpenID Connect RP-Initiated Logout 1.0): our
 * session first, then the provider's, then the way back.
 */


#include "ngx_http_oidc.h"

#include "oidc_logout.h"


/* the user has this long to answer the provider's "do you want to log out?" */

#define NGX_HTTP_OIDC_LOGOUT_TIMEOUT  600


typedef struct {
    oidc_str_t    next;
    ngx_uint_t    had_session;
} ngx_http_oidc_logout_t;


static ngx_int_t ngx_http_oidc_logout_begin(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_logout_deleted(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_logout_leave(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_logout_cookie(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_logout_t *out, u_char *state);
static ngx_int_t ngx_http_oidc_logout_final(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_str_t *next);
static ngx_int_t ngx_http_oidc_logout_state(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_login_t *out);


static ngx_http_oidc_step_pt  ngx_http_oidc_logout_steps[] = {
    ngx_http_oidc_logout_begin,
    ngx_http_oidc_logout_deleted,
    ngx_http_oidc_revoke,
    ngx_http_oidc_logout_leave,
    NULL
};


ngx_int_t
ngx_http_oidc_logout(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->flow == NULL) {

        ctx->flow = ngx_pcalloc(r->pool, sizeof(ngx_http_oidc_logout_t));
        if (ctx->flow == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->step = ngx_http_oidc_logout_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


static ngx_int_t
ngx_http_oidc_logout_begin(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_logout_t *lo = ctx->flow;

    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    if (!p->logout_cross_site && ngx_http_oidc_cross_site(r, ctx)) {
        ctx->rc = OIDC_CROSS_SITE;
        return NGX_DECLINED;
    }

    ctx->rc = ngx_http_oidc_next(r, ctx, &lo->next);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    if (ctx->unavailable) {
        ctx->rc = OIDC_STORE;
        ngx_http_oidc_store_explain(r, ctx);
        return NGX_DECLINED;
    }

    ctx->op.rc = NGX_OK;

    if (!ctx->has_session) {
        return NGX_OK;
    }

    /* while the record is still there */

    if (p->logout_token_hint || p->logout_revoke) {
        (void) ngx_http_oidc_tokens(r, ctx);
    }

    lo->had_session = 1;

    return ngx_http_oidc_end_session(r, ctx, &ctx->session, ctx->keys.name);
}


static ngx_int_t
ngx_http_oidc_logout_deleted(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_str_t  *name;

    if (ctx->op.rc == NGX_ERROR) {
        ctx->rc = OIDC_STORE;
        ngx_http_oidc_store_explain(r, ctx);
        return NGX_DECLINED;
    }

    ctx->authenticated = 0;
    ctx->has_session = 0;

    name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

    return ngx_http_oidc_set_cookie(r, ctx, name, NULL, NULL, 0);
}


static ngx_int_t
ngx_http_oidc_logout_leave(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_logout_t *lo = ctx->flow;

    u_char                     state[OIDC_STATE_LEN];
    ngx_int_t                  rc;
    ngx_str_t                 *back;
    oidc_str_t                 location;
    oidc_logout_t              out;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    metadata = ngx_oidc_idp_metadata(p->idp);

    if (!lo->had_session || metadata == NULL
        || metadata->end_session_endpoint.len == 0
        || (p->logout_token_hint && ctx->tokens.id_token.len == 0))
    {
        return ngx_http_oidc_logout_final(r, ctx, &lo->next);
    }

    ngx_memzero(&out, sizeof(oidc_logout_t));

    out.endpoint = metadata->end_session_endpoint;
    out.client_id = p->client.id;

    if (p->logout_token_hint) {
        out.id_token_hint = ctx->tokens.id_token;
    }

    back = &p->uri[NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI];

    if (back->len == 0) {
        back = &p->post_logout_uri;
    }

    rc = ngx_http_oidc_absolute(r, ctx, back, &out.post_logout_redirect_uri);
    if (rc != NGX_OK) {
        return rc;
    }

    if (back->len) {
        rc = ngx_http_oidc_logout_cookie(r, ctx, &out, state);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    ctx->rc = oidc_logout_url(&ctx->pool, &out, &location);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_oidc_redirect(r, &location);
}


/* a state of its own, and a cookie to know it by where we see the way back */

static ngx_int_t
ngx_http_oidc_logout_cookie(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_logout_t *out, u_char *state)
{
    ngx_http_oidc_logout_t *lo = ctx->flow;

    oidc_str_t                  value;
    oidc_login_t                login;
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    ngx_memzero(&login, sizeof(oidc_login_t));

    ctx->rc = oidc_login_begin(oidc_random, &login, state);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    out->state.len = OIDC_STATE_LEN;
    out->state.data = state;

    if (ctx->provider->uri[NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI].len == 0) {
        return NGX_OK;
    }

    login.created = ngx_time();
    login.provider = ctx->provider->name;
    login.return_to = lo->next;

    ctx->rc = oidc_login_seal(&ctx->pool, omcf->ring, "logout", &out->state,
                              &login, oidc_random, &value);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_oidc_set_cookie(r, ctx,
                        &ctx->provider->logout_cookie[
                                                 ngx_http_oidc_https(r, ctx)],
                        NULL, &value, NGX_HTTP_OIDC_LOGOUT_TIMEOUT);
}


/* where every logout ends */

static ngx_int_t
ngx_http_oidc_logout_final(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_str_t *next)
{
    ngx_int_t   rc;
    ngx_str_t  *uri;
    oidc_str_t  location;

    uri = next->len ? next : &ctx->provider->post_logout_uri;

    if (uri->len == 0) {
        return ngx_http_oidc_logged_out(r, NULL);
    }

    rc = ngx_http_oidc_absolute(r, ctx, uri, &location);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_oidc_redirect(r, &location);
}


/*
 * The provider sends the browser here.  Nothing hangs on the state but where to
 * go next, so that a wrong one is told to the log and to nobody else, unless
 * "strict" is set.
 */

ngx_int_t
ngx_http_oidc_logout_callback(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t      rc;
    oidc_str_t    *name;
    oidc_login_t   out;

    ngx_memzero(&out, sizeof(oidc_login_t));

    rc = ngx_http_oidc_logout_state(r, ctx, &out);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {

        if (ctx->provider->logout_strict) {
            return ngx_http_oidc_refuse(r, ctx, ctx->rc);
        }

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "oidc: logout came back: %s (%s), provider: \"%V\"",
                      oidc_rc_name(ctx->rc), oidc_rc_text(ctx->rc),
                      &ctx->provider->name);

        out.return_to.len = 0;
    }

    name = &ctx->provider->logout_cookie[ngx_http_oidc_https(r, ctx)];

    if (ngx_http_oidc_set_cookie(r, ctx, name, NULL, NULL, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_oidc_logout_final(r, ctx, &out.return_to);

    if (rc == NGX_DECLINED) {
        return ngx_http_oidc_refuse(r, ctx, ctx->rc);
    }

    return (rc == NGX_ERROR) ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
}


static ngx_int_t
ngx_http_oidc_logout_state(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_login_t *out)
{
    ngx_uint_t                  n;
    oidc_str_t                  rest, name, value, state, *cookie;
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    rest = ctx->args;
    n = 0;

    while (oidc_args_next(&rest, &name, &value)) {
        if (oidc_str_eq_cstr(&name, "state")) {
            state = value;
            n++;
        }
    }

    if (n != 1) {
        ctx->rc = n ? OIDC_ARGS : OIDC_STATE_MISSING;
        return NGX_DECLINED;
    }

    cookie = &ctx->provider->logout_cookie[ngx_http_oidc_https(r, ctx)];

    if (!ngx_http_oidc_cookie(r, cookie, &value)) {
        ctx->rc = OIDC_STATE_UNKNOWN;
        return NGX_DECLINED;
    }

    ctx->rc = oidc_login_open(&ctx->pool, omcf->ring, "logout", &state, &value,
                              ngx_time(), NGX_HTTP_OIDC_LOGOUT_TIMEOUT, out);

    if (ctx->rc == OIDC_OK
        && !oidc_str_eq(&out->provider, &ctx->provider->name))
    {
        ctx->rc = OIDC_STATE_UNKNOWN;
    }

    if (ctx->rc == OIDC_NOMEM) {
        return NGX_ERROR;
    }

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}
