
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The provider's logout page loads us in a frame (OpenID Connect Front-Channel
 * Logout 1.0), mostly without our cookie, which browsers keep from frames of
 * another site.  Then the session is known by iss and sid.  Nobody proves who
 * asks, so nothing but the session ends: no token is revoked.
 */


#include "ngx_http_oidc_end.h"


typedef struct {
    oidc_str_t               iss;
    oidc_str_t               sid;
    ngx_http_oidc_ending_t   ending;
} ngx_http_oidc_frontchannel_t;


static ngx_int_t ngx_http_oidc_frontchannel_args(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static oidc_rc_t ngx_http_oidc_frontchannel_parse(ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_frontchannel_end(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_frontchannel_done(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


static ngx_http_oidc_step_pt  ngx_http_oidc_frontchannel_steps[] = {
    ngx_http_oidc_frontchannel_args,
    ngx_http_oidc_frontchannel_end,
    ngx_http_oidc_frontchannel_done,
    NULL
};


ngx_int_t
ngx_http_oidc_frontchannel(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->flow == NULL) {

        ctx->flow = ngx_pcalloc(r->pool, sizeof(ngx_http_oidc_frontchannel_t));
        if (ctx->flow == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->step = ngx_http_oidc_frontchannel_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


/*
 * With a sid it is that session, whoever's cookie came along; without, the one
 * of the cookie.
 */

static ngx_int_t
ngx_http_oidc_frontchannel_args(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_frontchannel_t *fc = ctx->flow;

    ngx_uint_t        n;
    ngx_table_elt_t  *h;

    ctx->rc = ngx_http_oidc_frontchannel_parse(ctx);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    if (fc->sid.len) {
        return (ngx_http_oidc_end_init(r, &fc->ending) == NGX_OK
                && ngx_http_oidc_end_indexed(r, &fc->ending, ctx->provider,
                                             "sid", &fc->sid)
                   == NGX_OK)
               ? NGX_OK : NGX_ERROR;
    }

    /* a page of another site may frame it, but not lead people to it */

    h = ngx_http_oidc_header(r, "sec-fetch-dest", &n);

    if (h != NULL && oidc_str_eq_cstr(&h->value, "document")
        && !ctx->provider->logout_cross_site
        && ngx_http_oidc_cross_site(r, ctx))
    {
        ctx->rc = OIDC_CROSS_SITE;
        return NGX_DECLINED;
    }

    if (ctx->unavailable) {
        ctx->rc = OIDC_STORE;
        ngx_http_oidc_store_explain(r, ctx);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* both or none (section 2), each once */

static oidc_rc_t
ngx_http_oidc_frontchannel_parse(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_frontchannel_t *fc = ctx->flow;

    oidc_rc_t                  rc;
    oidc_str_t                 rest, name, value, *out;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    rest = ctx->args;

    while (oidc_args_next(&rest, &name, &value)) {

        out = oidc_str_eq_cstr(&name, "iss") ? &fc->iss
              : oidc_str_eq_cstr(&name, "sid") ? &fc->sid
              : NULL;

        if (out == NULL) {
            continue;
        }

        if (out->data != NULL || value.len == 0) {
            return OIDC_ARGS;
        }

        rc = oidc_form_decode(&ctx->pool, &value, out);

        if (rc != OIDC_OK) {
            return rc;
        }
    }

    if (fc->iss.len && !oidc_str_eq(&fc->iss, &p->idp->issuer)) {
        return OIDC_ISS_MISMATCH;
    }

    if (fc->iss.len && fc->sid.len == 0) {
        return OIDC_ARGS;
    }

    if (fc->sid.len && fc->iss.len == 0 && !p->frontchannel_any_iss) {
        return OIDC_ISS_MISSING;
    }

    return OIDC_OK;
}


static ngx_int_t
ngx_http_oidc_frontchannel_end(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_frontchannel_t *fc = ctx->flow;

    if (fc->sid.len) {
        return ngx_http_oidc_end_all(r, ctx, &fc->ending);
    }

    ctx->op.rc = NGX_OK;

    if (!ctx->has_session) {
        return NGX_OK;
    }

    return ngx_http_oidc_end_session(r, ctx, &ctx->session, ctx->keys.name);
}


static ngx_int_t
ngx_http_oidc_frontchannel_done(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_frontchannel_t *fc = ctx->flow;

    oidc_str_t  *name;

    if (ctx->op.rc == NGX_ERROR || fc->ending.failed) {
        ctx->rc = OIDC_STORE;
        ngx_http_oidc_store_explain(r, ctx);
        return NGX_DECLINED;
    }

    if (fc->sid.len) {
        ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                      "oidc: front-channel logout by sid ended %uL sessions, "
                      "provider: \"%V\"", fc->ending.count,
                      &ctx->provider->name);
    }

    /* the cookie of a session that is over, and of no other one */

    if (ctx->has_session
        && (fc->sid.len == 0 || oidc_str_eq(&fc->sid, &ctx->session.sid)))
    {
        ctx->authenticated = 0;
        ctx->has_session = 0;

        name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

        if (ngx_http_oidc_set_cookie(r, ctx, name, NULL, NULL, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_oidc_logged_out(r, &ctx->provider->frontchannel_csp);
}
