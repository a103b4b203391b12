
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Sessions: made at the end of a callback under a new handle, kept alive while
 * they are used, opened further where a token is asked for.
 */


#include "ngx_http_oidc_callback.h"

#include "oidc_b64.h"
#include "oidc_json.h"
#include "oidc_refresh.h"
#include "oidc_seal.h"


/* a session in use is touched once in a 16th of its idle time, or a minute */

#define NGX_HTTP_OIDC_TOUCH_SHARE  16
#define NGX_HTTP_OIDC_TOUCH_MAX    60000


ngx_int_t
ngx_http_oidc_new_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    oidc_str_t      record;
    oidc_session_t  session;

    ngx_memzero(&record, sizeof(oidc_str_t));
    ngx_memzero(&session, sizeof(oidc_session_t));

    session.created = ngx_time();
    session.expires = session.created + ctx->provider->session_lifetime;
    session.provider = ctx->provider->realm;

    if (ctx->provider->userinfo) {
        session.userinfo_at = session.created;
    }

    ngx_http_oidc_access_times(ctx->provider, &session, &cb->tokens);

    (void) oidc_json_str(cb->claims, "sid", &session.sid);

    session.claims = cb->flat;

    ctx->rc = ngx_http_oidc_json_text(ctx, cb->claims, &cb->tokens.claims);

    if (ctx->rc == OIDC_OK && !oidc_random(cb->handle, OIDC_HANDLE_LEN)) {
        ctx->rc = OIDC_CRYPTO;
    }

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_handle_keys(cb->handle, &cb->keys);
    }

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_session_seal(&ctx->pool, &cb->keys, &session,
                                    &cb->tokens, oidc_random, &record,
                                    &ctx->op.head_len);
    }

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_oidc_index_session(r, ctx, &session) != NGX_OK) {
        ctx->rc = OIDC_CRYPTO;
        return NGX_ERROR;
    }

    ctx->op.value = record;
    ctx->op.ttl = ngx_http_oidc_ttl(ctx->provider, &session);

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_create, NGX_OIDC_STORE_SESSION,
                               cb->keys.name);
}


/* the session that this browser had before, whoever had it */

ngx_int_t
ngx_http_oidc_drop_old_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char              handle[OIDC_HANDLE_LEN];
    ngx_int_t           rc;
    oidc_str_t         *name, value;
    oidc_handle_keys_t  keys;

    if (ctx->op.rc != NGX_OK) {

        ctx->rc = (ctx->op.why == NGX_OIDC_STORE_TOO_BIG) ? OIDC_SESSION_SIZE
                                                         : OIDC_STORE;

        ngx_http_oidc_store_explain(r, ctx);

        return NGX_DECLINED;
    }

    if (cb->login.has_old) {
        return ngx_http_oidc_end_session(r, ctx, NULL, cb->login.old);
    }

    rc = NGX_OK;
    name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

    if (ngx_http_oidc_cookie(r, name, &value)
        && oidc_b64url_decode_buf(handle, OIDC_HANDLE_LEN, &value)
        && oidc_handle_keys(handle, &keys) == OIDC_OK)
    {
        rc = ngx_http_oidc_end_session(r, ctx, ctx->authenticated
                                               ? &ctx->session : NULL,
                                       keys.name);
    }

    oidc_wipe(&keys, sizeof(oidc_handle_keys_t));
    oidc_wipe(handle, OIDC_HANDLE_LEN);

    return rc;
}


ngx_int_t
ngx_http_oidc_go_back(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char       text[oidc_b64url_len(OIDC_HANDLE_LEN)];
    ngx_int_t    rc;
    oidc_str_t  *name, value, location;

    rc = ngx_http_oidc_absolute(r, ctx, &cb->login.return_to, &location);
    if (rc != NGX_OK) {
        return rc;
    }

    name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

    (void) oidc_b64url_encode_buf(text, cb->handle, OIDC_HANDLE_LEN);

    value.len = sizeof(text);
    value.data = text;

    rc = ngx_http_oidc_set_cookie(r, ctx, name, NULL, &value, -1);

    oidc_wipe(text, sizeof(text));

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_oidc_redirect(r, &location);
}


void
ngx_http_oidc_access_times(ngx_http_oidc_provider_t *p,
    oidc_session_t *session, const oidc_tokens_t *tokens)
{
    int64_t  expires_in;

    expires_in = tokens->expires_in;

    if (expires_in < 0 && p->access_token_lifetime) {
        expires_in = p->access_token_lifetime;
    }

    oidc_refresh_times(session, ngx_time(), expires_in, p->refresh_leeway,
                       tokens->refresh_token.len != 0);
}


ngx_msec_t
ngx_http_oidc_ttl(ngx_http_oidc_provider_t *p, const oidc_session_t *session)
{
    int64_t  left, idle;

    left = (session->expires - (int64_t) ngx_time()) * 1000;
    idle = (int64_t) p->session_timeout * 1000
           + (int64_t) ngx_http_oidc_touch_interval(p);

    left = ngx_min(left, idle);

    return (ngx_msec_t) ngx_max(left, 1);
}


ngx_msec_t
ngx_http_oidc_touch_interval(ngx_http_oidc_provider_t *p)
{
    ngx_msec_t  interval;

    interval = (ngx_msec_t) p->session_timeout * 1000
               / NGX_HTTP_OIDC_TOUCH_SHARE;

    return ngx_min(interval, NGX_HTTP_OIDC_TOUCH_MAX);
}


ngx_int_t
ngx_http_oidc_tokens(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t            rc;
    oidc_str_t           record;
    ngx_oidc_store_op_t  op;

    if (!ctx->authenticated) {
        return NGX_DECLINED;
    }

    if (ctx->has_tokens) {
        return NGX_OK;
    }

    if (oidc_session_tokens(&ctx->pool, &ctx->keys, &ctx->record, &ctx->tokens)
        == OIDC_OK)
    {
        ctx->has_tokens = 1;
        return NGX_OK;
    }

    /* only the head was read: of a store that answers at once, see identify */

    ngx_memzero(&op, sizeof(ngx_oidc_store_op_t));

    op.store = ctx->provider->store;
    op.kind = NGX_OIDC_STORE_SESSION;
    op.pool = r->pool;
    op.log = r->connection->log;

    ngx_memcpy(op.name, ctx->keys.name, NGX_OIDC_STORE_NAME_LEN);

    rc = ngx_oidc_store_get(&op);

    if (rc == NGX_AGAIN) {
        ngx_oidc_store_cancel(&op);
    }

    if (rc != NGX_OK) {
        return NGX_DECLINED;
    }

    record.len = op.value.len;
    record.data = op.value.data;

    if (oidc_session_tokens(&ctx->pool, &ctx->keys, &record, &ctx->tokens)
        != OIDC_OK)
    {
        return NGX_DECLINED;
    }

    ctx->has_tokens = 1;

    return NGX_OK;
}
