
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The part of a refresh that talks to the provider, and what becomes of the
 * session (oidc_answer_e):
 *
 *   good        stored, the old refresh token kept where no new one came
 *   refused     the session ends, or goes on without; see refresh_error
 *   transient   the session goes on and asks again after a back-off
 *   lost        it goes on as long as its access token does, and never asks
 *               again: the mark in the record stands
 *
 * An ID token or userinfo that is about anything else than this login ends the
 * session at once.
 */


#include "ngx_http_oidc_refresh.h"

#include "oidc_claims.h"
#include "oidc_json.h"


/* between two looks whether there is room for a decryption, milliseconds */

#define NGX_HTTP_OIDC_BUSY_NAP  50


static ngx_int_t ngx_http_oidc_refresh_refused(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_lost(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_unproved(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_wrong(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_informed(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_uint_t ngx_http_oidc_refresh_userinfo_due(ngx_http_oidc_ctx_t *ctx);
static void ngx_http_oidc_refresh_take(ngx_http_oidc_ctx_t *ctx);
static ngx_uint_t ngx_http_oidc_refresh_may(ngx_http_oidc_ctx_t *ctx);


ngx_int_t
ngx_http_oidc_refresh_metadata(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_oidc_need_metadata(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_oidc_refresh_later(r, ctx) : rc;
}


ngx_int_t
ngx_http_oidc_refresh_keys(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_oidc_need_keys(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_oidc_refresh_later(r, ctx) : rc;
}


ngx_int_t
ngx_http_oidc_refresh_ask(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_int_t                  rc;
    oidc_client_t              client;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_callback_t  *cb;

    static const oidc_str_t  scope = { 0, NULL };

    cb = &rf->cb;
    metadata = ngx_oidc_idp_metadata(ctx->provider->idp);

    if (cb->form.body.len == 0) {

        ngx_http_oidc_client(ctx->provider, metadata, metadata->token_auth,
                             &client);

        ctx->rc = oidc_refresh_request(&ctx->pool, &client,
                                       &rf->tokens.refresh_token, &scope,
                                       &cb->form);

        if (ctx->rc == OIDC_OK) {
            ctx->rc = ngx_http_oidc_post(ctx,
                            ngx_http_oidc_endpoint_url(ctx->provider, metadata,
                                                       token_endpoint),
                            &cb->form, &cb->token);
        }

        if (ctx->rc != OIDC_OK) {
            return ngx_http_oidc_refresh_later(r, ctx);
        }
    }

    rc = ngx_http_oidc_fetch(r, ctx, &cb->token);

    return (rc == NGX_DECLINED) ? ngx_http_oidc_refresh_later(r, ctx) : rc;
}


ngx_int_t
ngx_http_oidc_refresh_answered(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    oidc_str_t                error;
    ngx_http_oidc_fetch_t    *f;

    f = &rf->cb.token;

    ngx_memzero(&error, sizeof(oidc_str_t));

    ctx->rc = f->rc;

    if (f->rc == OIDC_OK) {
        ctx->rc = oidc_refresh_parse(&ctx->pool, f->status, &f->answer_type,
                                     &f->answer, &rf->cb.tokens, &error);
    }

    ctx->detail = error.len ? error : f->url;

    switch (oidc_refresh_answer(f->rc, f->sent, f->status, ctx->rc)) {

    case OIDC_ANSWER_GOOD:
        ctx->detail.len = 0;
        return NGX_OK;

    case OIDC_ANSWER_REFUSED:
        return ngx_http_oidc_refresh_refused(r, ctx);

    case OIDC_ANSWER_TRANSIENT:
        return ngx_http_oidc_refresh_later(r, ctx);

    default:
        return ngx_http_oidc_refresh_lost(r, ctx);
    }
}


static ngx_int_t
ngx_http_oidc_refresh_lost(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_WARN, "answer to refresh lost");

    return ngx_http_oidc_refresh_go(ctx,
                               oidc_refresh_over(&rf->session, ngx_time())
                               ? NGX_HTTP_OIDC_REFRESH_DELETE
                               : NGX_HTTP_OIDC_REFRESH_DONE);
}


ngx_int_t
ngx_http_oidc_refresh_later(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    int64_t  now;

    now = ngx_time();

    if (rf->due == OIDC_DUE_REFRESH && !rf->refreshed) {
        rf->session.refresh_sent = 0;
        rf->session.refresh_at = now + OIDC_REFRESH_BACKOFF;
    }

    if (ngx_http_oidc_refresh_userinfo_due(ctx)) {
        rf->session.userinfo_at = now - ctx->provider->userinfo_interval
                                  + OIDC_REFRESH_BACKOFF;
    }

    ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_WARN, "refresh failed");

    return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_STORE);
}


static ngx_int_t
ngx_http_oidc_refresh_refused(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_INFO, "refresh refused");

    if (ctx->provider->refresh_error == NGX_HTTP_OIDC_REFRESH_END) {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DELETE);
    }

    if (rf->due == OIDC_DUE_REFRESH && !rf->refreshed) {
        rf->session.refresh_at = 0;
        rf->session.refresh_sent = 0;
        rf->tokens.refresh_token.len = 0;

    } else {
        rf->session.userinfo_at = ngx_time();
    }

    return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_STORE);
}


/*
 * An ID token was not accepted.  Where that is because we could not look, for
 * lack of keys or memory, its answer is lost to us and proves nothing.
 */

static ngx_int_t
ngx_http_oidc_refresh_unproved(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    switch (ctx->rc) {

    case OIDC_JWS_KID:
        return rf->cb.no_keys ? ngx_http_oidc_refresh_lost(r, ctx)
                              : ngx_http_oidc_refresh_wrong(r, ctx);

    case OIDC_BUSY:
    case OIDC_NOT_READY:
    case OIDC_CRYPTO:
    case OIDC_NOMEM:
        return ngx_http_oidc_refresh_lost(r, ctx);

    default:
        return ngx_http_oidc_refresh_wrong(r, ctx);
    }
}


static ngx_int_t
ngx_http_oidc_refresh_wrong(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_ERR, "refresh refused");

    return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DELETE);
}


ngx_int_t
ngx_http_oidc_refresh_open_id_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_int_t  rc;

    if (rf->cb.tokens.id_token.len == 0) {
        return NGX_OK;
    }

    rc = ngx_http_oidc_open_id_token(r, ctx);

    if (rc == NGX_DECLINED && ctx->rc == OIDC_BUSY
        && ngx_http_oidc_refresh_lease(ctx)
           > (ngx_msec_int_t) ctx->provider->timeout)
    {
        rc = ngx_http_oidc_sleep(r, ctx, NGX_HTTP_OIDC_BUSY_NAP);

        return (rc == NGX_AGAIN) ? NGX_BUSY : rc;
    }

    return (rc == NGX_DECLINED) ? ngx_http_oidc_refresh_unproved(r, ctx) : rc;
}


ngx_int_t
ngx_http_oidc_refresh_check(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_int_t  rc;

    if (rf->cb.tokens.id_token.len) {

        rf->cb.refreshed = 1;

        rc = ngx_http_oidc_check_id_token(r, ctx);

        if (rc == NGX_DECLINED) {
            return ngx_http_oidc_refresh_unproved(r, ctx);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        ctx->rc = oidc_refresh_claims(rf->before, rf->cb.claims,
                                      rf->session.refresh_sent,
                                      ctx->provider->clock_skew);

        if (ctx->rc != OIDC_OK) {
            return ngx_http_oidc_refresh_wrong(r, ctx);
        }
    }

    ngx_http_oidc_refresh_take(ctx);

    return NGX_OK;
}


static void
ngx_http_oidc_refresh_take(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    oidc_tokens_t  *from, *to;

    from = &rf->cb.tokens;
    to = &rf->tokens;

    to->access_token = from->access_token;
    to->expires_in = from->expires_in;

    if (from->refresh_token.len) {
        to->refresh_token = from->refresh_token;
    }

    if (from->id_token.len) {
        to->id_token = from->id_token;
    }

    ngx_http_oidc_access_times(ctx->provider, &rf->session, to);

    rf->refreshed = 1;
}


ngx_int_t
ngx_http_oidc_refresh_ask_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_int_t  rc;

    if (!ngx_http_oidc_refresh_userinfo_due(ctx)) {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_STORE);
    }

    if (rf->cb.claims == NULL) {
        rf->cb.claims = json_incref(rf->before);
    }

    rf->cb.tokens.access_token = rf->tokens.access_token;

    if (ngx_http_oidc_expect(ctx, &rf->cb) != NGX_OK) {
        return ngx_http_oidc_refresh_later(r, ctx);
    }

    rc = ngx_http_oidc_ask_userinfo(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_oidc_refresh_later(r, ctx) : rc;
}


static ngx_uint_t
ngx_http_oidc_refresh_userinfo_due(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    time_t  interval;

    interval = ctx->provider->userinfo_interval;

    return interval != 0 && rf->session.userinfo_at != 0
           && ngx_time() - rf->session.userinfo_at >= interval;
}


ngx_int_t
ngx_http_oidc_refresh_open_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_oidc_open_userinfo(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_oidc_refresh_informed(r, ctx) : rc;
}


ngx_int_t
ngx_http_oidc_refresh_read_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->rc = OIDC_OK;

    rc = ngx_http_oidc_read_userinfo(r, ctx);

    return (rc == NGX_ERROR) ? rc : ngx_http_oidc_refresh_informed(r, ctx);
}


/* ctx->rc is what reading the answer came to */

static ngx_int_t
ngx_http_oidc_refresh_informed(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_http_oidc_fetch_t  *f;

    f = &rf->cb.userinfo;

    switch (oidc_userinfo_answer(f->rc, f->status, ctx->rc)) {

    case OIDC_ANSWER_GOOD:
        rf->tokens.userinfo = rf->cb.tokens.userinfo;
        rf->session.userinfo_at = ngx_time();
        return NGX_OK;

    case OIDC_ANSWER_REFUSED:

        if (f->status == NGX_HTTP_UNAUTHORIZED
            && ngx_http_oidc_refresh_may(ctx))
        {
            /* once, and then again with the new token */

            rf->due = OIDC_DUE_REFRESH;
            json_decref(rf->cb.claims);
            rf->cb.claims = NULL;
            ngx_memzero(f, sizeof(ngx_http_oidc_fetch_t));
            ctx->detail.len = 0;

            return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_MARK);
        }

        return ngx_http_oidc_refresh_refused(r, ctx);

    case OIDC_ANSWER_WRONG:
        return ngx_http_oidc_refresh_wrong(r, ctx);

    default:
        return ngx_http_oidc_refresh_later(r, ctx);
    }
}


static ngx_uint_t
ngx_http_oidc_refresh_may(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    return ctx->provider->refresh != NGX_HTTP_OIDC_REFRESH_OFF
           && !rf->refreshed
           && rf->session.refresh_sent == 0
           && rf->tokens.refresh_token.len != 0;
}


/*
 * Joined as at login; what was not asked for anew stays, but where a new ID
 * token knows better than the userinfo of before.
 */

ngx_int_t
ngx_http_oidc_refresh_merge(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    json_t     *claims, *userinfo;
    oidc_rc_t   rc;

    if (!rf->refreshed && rf->cb.user_claims == NULL) {
        return NGX_OK;
    }

    claims = rf->cb.claims ? rf->cb.claims : rf->before;
    userinfo = json_incref(rf->cb.user_claims);

    if (userinfo == NULL && rf->tokens.userinfo.len) {
        ctx->rc = oidc_json_parse(&rf->tokens.userinfo, OIDC_SESSION_PART_MAX,
                                  &userinfo);
        if (ctx->rc != OIDC_OK) {
            return NGX_ERROR;
        }

        oidc_refresh_userinfo(userinfo, rf->before, claims);

        rc = ngx_http_oidc_json_text(ctx, userinfo, &rf->tokens.userinfo);

    } else {
        rc = OIDC_OK;
    }

    if (rc == OIDC_OK) {
        rc = oidc_claims_flatten(&ctx->pool, claims, userinfo,
                                 &rf->session.claims);
    }

    json_decref(userinfo);

    if (rc == OIDC_OK) {
        rc = ngx_http_oidc_json_text(ctx, claims, &rf->tokens.claims);
    }

    ctx->rc = rc;

    return (rc == OIDC_OK) ? NGX_OK : NGX_ERROR;
}
