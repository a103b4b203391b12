
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a refresh writes: the mark before the refresh token is sent, the session
 * with what came back, or its end.  Before anything was sent a store that fails
 * puts the refresh off; what was received is not given up for a store that is
 * away for a moment.
 */


#include "ngx_http_oidc_refresh.h"

#include "oidc_seal.h"


/* between two tries to store the only tokens there are, milliseconds */

#define NGX_HTTP_OIDC_STORE_NAP  250


static ngx_int_t ngx_http_oidc_refresh_replace(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_replaced(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_unavailable(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


ngx_int_t
ngx_http_oidc_refresh_mark(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    if (ngx_oidc_idp_metadata(ctx->provider->idp) == NULL
        || ngx_oidc_idp_jwks(ctx->provider->idp) == NULL)
    {
        ctx->rc = OIDC_NOT_READY;
        return ngx_http_oidc_refresh_later(r, ctx);
    }

    if (rf->due == OIDC_DUE_USERINFO) {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_USERINFO);
    }

    /* what was waited for must leave time for the answer */

    if (ngx_http_oidc_refresh_lease(ctx)
        < (ngx_msec_int_t) (2 * ctx->provider->timeout))
    {
        ctx->rc = OIDC_FETCH_TIMEOUT;
        ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_WARN, "refresh put off");
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
    }

    rf->session.refresh_sent = ngx_time();

    ctx->keep = 1;

    return ngx_http_oidc_refresh_replace(r, ctx);
}


/* nothing was sent yet where the mark cannot be made */

ngx_int_t
ngx_http_oidc_refresh_marked(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->op.rc == NGX_ERROR) {
        return ngx_http_oidc_refresh_put_off(r, ctx);
    }

    return ngx_http_oidc_refresh_replaced(r, ctx);
}


ngx_int_t
ngx_http_oidc_refresh_store(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    if (!rf->refreshed && ngx_http_oidc_refresh_lease(ctx) <= 0) {

        /* by now another one may have stored tokens, newer than these */

        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
    }

    if (!rf->merged && ngx_http_oidc_refresh_merge(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rf->merged = 1;

    return ngx_http_oidc_refresh_replace(r, ctx);
}


ngx_int_t
ngx_http_oidc_refresh_stored(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    if (ctx->op.rc == NGX_ERROR && rf->refreshed
        && ngx_http_oidc_refresh_lease(ctx)
           > (ngx_msec_int_t) ctx->provider->timeout)
    {
        /* the only ones there are: not lost for a moment without a store */

        (void) ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_STORE - 1);

        return ngx_http_oidc_sleep(r, ctx, NGX_HTTP_OIDC_STORE_NAP);
    }

    if (ctx->op.rc != NGX_OK) {
        return ngx_http_oidc_refresh_replaced(r, ctx);
    }

    ctx->record = rf->record;
    ctx->session = rf->session;
    ctx->tokens = rf->tokens;
    ctx->has_tokens = 1;

    return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
}


/* the absolute end of a session stays what it was */

static ngx_int_t
ngx_http_oidc_refresh_replace(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ctx->rc = oidc_session_seal(&ctx->pool, &ctx->keys, &rf->session,
                                &rf->tokens, oidc_random, &rf->record,
                                &ctx->op.head_len);

    if (ctx->rc != OIDC_OK) {
        return NGX_ERROR;
    }

    ctx->op.value = rf->record;
    ctx->op.ttl = ngx_http_oidc_ttl(ctx->provider, &rf->session);

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_replace, NGX_OIDC_STORE_SESSION,
                               ctx->keys.name);
}


static ngx_int_t
ngx_http_oidc_refresh_replaced(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    if (ctx->op.rc == NGX_OK) {
        ctx->record = rf->record;
        ctx->has_tokens = 0;
        return NGX_OK;
    }

    if (ctx->op.rc == NGX_DECLINED && ctx->op.why == NGX_OIDC_STORE_TOO_BIG) {

        /* what is stored is of no use any more: it has been used up */

        ctx->rc = OIDC_SESSION_SIZE;
        ngx_http_oidc_store_explain(r, ctx);
        ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_ERR, "session ended");

        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DELETE);
    }

    return (ctx->op.rc == NGX_DECLINED)
           ? ngx_http_oidc_refresh_gone(ctx)
           : ngx_http_oidc_refresh_unavailable(r, ctx);
}


ngx_int_t
ngx_http_oidc_refresh_delete(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    return ngx_http_oidc_end_session(r, ctx, &ctx->session, ctx->keys.name);
}


ngx_int_t
ngx_http_oidc_refresh_deleted(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->op.rc == NGX_ERROR) {
        return ngx_http_oidc_refresh_unavailable(r, ctx);
    }

    return ngx_http_oidc_refresh_gone(ctx);
}


/* the session is over, whoever has ended it */

ngx_int_t
ngx_http_oidc_refresh_gone(ngx_http_oidc_ctx_t *ctx)
{
    ctx->authenticated = 0;
    ctx->has_session = 0;
    ctx->has_tokens = 0;
    ctx->stale_cookie = 1;
    ctx->ended = 1;

    return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
}


/*
 * The store cannot be written to, a full one say, and nothing was sent yet: the
 * session goes on as it is.  But one that was to end with its access token, as
 * it is required or as the refresh token was used up without an answer, cannot;
 * nor is it over, so that nobody is sent to log in.
 */

ngx_int_t
ngx_http_oidc_refresh_put_off(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (oidc_refresh_over(&ctx->session, ngx_time())
        && (ctx->session.refresh_sent
            || ctx->provider->refresh == NGX_HTTP_OIDC_REFRESH_REQUIRED))
    {
        return ngx_http_oidc_refresh_unavailable(r, ctx);
    }

    ctx->rc = OIDC_STORE;
    ngx_http_oidc_store_explain(r, ctx);
    ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_WARN, "refresh put off");

    return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
}


static ngx_int_t
ngx_http_oidc_refresh_unavailable(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ctx->authenticated = 0;
    ctx->rc = OIDC_STORE;
    ngx_http_oidc_store_explain(r, ctx);

    return NGX_DECLINED;
}
