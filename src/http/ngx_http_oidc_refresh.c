
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Tokens and claims of a session anew, before a request is let through (RFC
 * 6749 section 6, OpenID Connect Core 5.3 and 12).  Of all requests of the
 * session, in all workers and wherever the store is shared, one asks, under the
 * session's lock; the others go on with the token they have, or wait for it.
 *
 * A refresh token is sent once.  The record says that it is on its way before
 * it is, so that neither a lost answer nor a dead worker makes anybody send it
 * again; and from then on the request goes to its end though its client may
 * have left, or the new tokens were lost.  A logout meanwhile wins: the record
 * is replaced, never made again.
 */


#include "ngx_http_oidc_refresh.h"

#include "oidc_json.h"


/* between two looks at what another request has come to, milliseconds */

#define NGX_HTTP_OIDC_NAP_MIN  10
#define NGX_HTTP_OIDC_NAP_MAX  250

/* calls under one lock: two addresses, two answers; and some time to write */

#define NGX_HTTP_OIDC_LEASE_CALLS   4
#define NGX_HTTP_OIDC_LEASE_MARGIN  5000


static oidc_due_e ngx_http_oidc_refresh_due(ngx_http_oidc_provider_t *p,
    const oidc_session_t *session);
static ngx_int_t ngx_http_oidc_refresh_start(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static void ngx_http_oidc_refresh_cleanup(void *data);
static ngx_int_t ngx_http_oidc_refresh_end(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_begin(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_lock(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_locked(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_uint_t ngx_http_oidc_refresh_overdue(ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_read(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_look(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_refresh_open(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


/* a step too many is in the next one's place, which does not compile */

static ngx_http_oidc_step_pt  ngx_http_oidc_refresh_steps[] = {
    ngx_http_oidc_refresh_begin,
    [NGX_HTTP_OIDC_REFRESH_LOCK] = ngx_http_oidc_refresh_lock,
    ngx_http_oidc_refresh_locked,
    ngx_http_oidc_refresh_read,
    ngx_http_oidc_refresh_look,
    ngx_http_oidc_refresh_metadata,
    ngx_http_oidc_refresh_keys,
    [NGX_HTTP_OIDC_REFRESH_MARK] = ngx_http_oidc_refresh_mark,
    ngx_http_oidc_refresh_marked,
    ngx_http_oidc_refresh_ask,
    ngx_http_oidc_refresh_answered,
    ngx_http_oidc_refresh_open_id_token,
    ngx_http_oidc_refresh_check,
    [NGX_HTTP_OIDC_REFRESH_USERINFO] = ngx_http_oidc_refresh_ask_userinfo,
    ngx_http_oidc_refresh_open_userinfo,
    ngx_http_oidc_refresh_read_userinfo,
    [NGX_HTTP_OIDC_REFRESH_STORE] = ngx_http_oidc_refresh_store,
    ngx_http_oidc_refresh_stored,
    [NGX_HTTP_OIDC_REFRESH_DELETE] = ngx_http_oidc_refresh_delete,
    ngx_http_oidc_refresh_deleted,
    [NGX_HTTP_OIDC_REFRESH_DONE] = NULL
};


/*
 * NGX_OK: as fresh as it gets, or not authenticated any more.  Costs a few
 * comparisons where nothing is due, and is done once in a request.
 */

ngx_int_t
ngx_http_oidc_refresh(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t   rc;
    oidc_due_e  due;

    if (!ctx->refreshing) {

        due = ngx_http_oidc_refresh_due(ctx->provider, &ctx->session);

        if (due == OIDC_DUE_NOTHING) {
            return NGX_OK;
        }

        if (due == OIDC_DUE_LOGIN || ctx->refreshed) {
            return ngx_http_oidc_refresh_end(r, ctx);
        }

        if (ngx_http_oidc_refresh_start(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    rc = ngx_http_oidc_run(r, ctx);

    /* after anything else but NGX_AGAIN the request may be gone */

    return (rc == NGX_OK) ? ngx_http_oidc_refresh_end(r, ctx) : rc;
}


static oidc_due_e
ngx_http_oidc_refresh_due(ngx_http_oidc_provider_t *p,
    const oidc_session_t *session)
{
    oidc_refresh_policy_t  policy;

    policy.userinfo_interval = p->userinfo_interval;
    policy.refresh = (p->refresh != NGX_HTTP_OIDC_REFRESH_OFF);
    policy.required = (p->refresh == NGX_HTTP_OIDC_REFRESH_REQUIRED);

    return oidc_refresh_due(session, &policy, ngx_time());
}


static ngx_int_t
ngx_http_oidc_refresh_start(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_refresh_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(cln->data, sizeof(ngx_http_oidc_refresh_t));
    cln->handler = ngx_http_oidc_refresh_cleanup;

    ctx->flow = cln->data;
    ctx->step = ngx_http_oidc_refresh_steps;
    ctx->what = "refresh";
    ctx->refreshing = 1;

    return NGX_OK;
}


static void
ngx_http_oidc_refresh_cleanup(void *data)
{
    ngx_http_oidc_refresh_t *rf = data;

    json_decref(rf->before);

    ngx_http_oidc_callback_cleanup(&rf->cb);
}


static ngx_int_t
ngx_http_oidc_refresh_end(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_unlock(ctx);

    ctx->flow = NULL;
    ctx->step = NULL;
    ctx->what = NULL;
    ctx->refreshing = 0;
    ctx->refreshed = 1;

    /* the one reason that a request may be refused for in the end */

    if (ctx->rc != OIDC_REFRESH_LOST) {
        ctx->rc = OIDC_OK;
    }

    if (ctx->provider->refresh == NGX_HTTP_OIDC_REFRESH_REQUIRED
        && oidc_refresh_over(&ctx->session, ngx_time()))
    {
        ctx->authenticated = 0;
        ctx->ended = 1;
    }

    if (ctx->keep) {
        ctx->keep = 0;

        if (ctx->left || r->connection->error) {
            r->connection->error = 1;
            return NGX_HTTP_CLIENT_CLOSED_REQUEST;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_refresh_go(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_refresh_step_e step)
{
    ctx->step = ngx_http_oidc_refresh_steps + step;

    return NGX_OK;
}


void
ngx_http_oidc_refresh_log(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_uint_t level, const char *what)
{
    ngx_log_error(level, r->connection->log, 0,
                  "oidc: %s: %s (%s)%s%V, provider: \"%V\"", what,
                  oidc_rc_name(ctx->rc), oidc_rc_text(ctx->rc),
                  ctx->detail.len ? ": " : "", &ctx->detail,
                  &ctx->provider->name);

    ctx->detail.len = 0;
}


static ngx_int_t
ngx_http_oidc_refresh_begin(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    rf->nap = NGX_HTTP_OIDC_NAP_MIN;
    rf->give_up = ngx_current_msec + 2 * ctx->provider->timeout;

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_refresh_lock(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_msec_t  lease;

    lease = NGX_HTTP_OIDC_LEASE_CALLS * ctx->provider->timeout
            + NGX_HTTP_OIDC_LEASE_MARGIN;

    rf->lease = ngx_current_msec + lease;

    return ngx_http_oidc_lock(r, ctx, ctx->provider->store, ctx->keys.name,
                              lease);
}


/* another request has the lock: its work is ours as well */

static ngx_int_t
ngx_http_oidc_refresh_locked(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    ngx_msec_t  nap;

    switch (ctx->op.rc) {

    case NGX_OK:
        rf->locked = 1;
        return NGX_OK;

    case NGX_DECLINED:
        break;

    default: /* NGX_BUSY, NGX_ERROR */
        return ngx_http_oidc_refresh_put_off(r, ctx);
    }

    if (!oidc_refresh_over(&ctx->session, ngx_time())
        || (ngx_msec_int_t) (rf->give_up - ngx_current_msec) <= 0
        || ngx_http_oidc_refresh_overdue(ctx))
    {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
    }

    nap = rf->nap;
    rf->nap = ngx_min(nap * 2, NGX_HTTP_OIDC_NAP_MAX);

    return ngx_http_oidc_sleep(r, ctx, nap);
}


/* whoever has the lock has sent the refresh token, and must be dead by now */

static ngx_uint_t
ngx_http_oidc_refresh_overdue(ngx_http_oidc_ctx_t *ctx)
{
    return ctx->session.refresh_sent != 0
           && ngx_time() - ctx->session.refresh_sent
              > (int64_t) (2 * ctx->provider->timeout / 1000);
}


static ngx_int_t
ngx_http_oidc_refresh_read(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    /*
     * Whole where it will be written, or tokens may be read in vain later; and
     * not from a copy that was not told yet of what another host has done.
     * Whoever waits looks often, and needs no second copy of the same record.
     */

    ctx->op.head = !rf->locked && !ngx_oidc_store_waits(ctx->provider->store);
    ctx->op.known.len = (rf->locked || rf->record.len == 0)
                        ? 0 : OIDC_SESSION_STAMP;
    ctx->op.known.data = rf->record.data;
    ctx->op.fresh = rf->locked;

    return ngx_http_oidc_store(r, ctx, ctx->provider->store, ngx_oidc_store_get,
                               NGX_OIDC_STORE_SESSION, ctx->keys.name);
}


/* somebody may have refreshed the session since we looked, or ended it */

static ngx_int_t
ngx_http_oidc_refresh_look(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    oidc_session_t  session;

    if (ctx->op.rc == NGX_ERROR) {
        return ngx_http_oidc_refresh_put_off(r, ctx);
    }

    if (ctx->op.rc != NGX_OK) {
        return ngx_http_oidc_refresh_gone(ctx);
    }

    if (ctx->op.same) {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_LOCK);
    }

    rf->record.len = ctx->op.value.len;
    rf->record.data = ctx->op.value.data;

    if (oidc_session_open(&ctx->pool, &ctx->keys, &rf->record, ngx_time(),
                          &session)
        != OIDC_OK)
    {
        return ngx_http_oidc_refresh_gone(ctx);
    }

    ctx->session = session;
    ctx->record = rf->record;
    ctx->has_tokens = 0;

    rf->due = ngx_http_oidc_refresh_due(ctx->provider, &session);

    if (rf->due == OIDC_DUE_NOTHING || rf->due == OIDC_DUE_LOGIN) {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DONE);
    }

    if (!rf->locked) {
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_LOCK);
    }

    return ngx_http_oidc_refresh_open(r, ctx);
}


static ngx_int_t
ngx_http_oidc_refresh_open(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    rf->session = ctx->session;

    if (rf->due == OIDC_DUE_REFRESH && rf->session.refresh_sent) {

        /* nobody is at it, and the access token is over */

        ctx->rc = OIDC_REFRESH_LOST;
        ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_INFO, "session ended");

        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DELETE);
    }

    ctx->rc = oidc_session_tokens(&ctx->pool, &ctx->keys, &rf->record,
                                  &rf->tokens);

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_json_parse(&rf->tokens.claims,
                                  OIDC_SESSION_PART_MAX, &rf->before);
    }

    if (ctx->rc != OIDC_OK) {
        ngx_http_oidc_refresh_log(r, ctx, NGX_LOG_ERR, "session ended");
        return ngx_http_oidc_refresh_go(ctx, NGX_HTTP_OIDC_REFRESH_DELETE);
    }

    return NGX_OK;
}


ngx_msec_int_t
ngx_http_oidc_refresh_lease(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_refresh_t *rf = ctx->flow;

    return (ngx_msec_int_t) (rf->lease - ngx_current_msec);
}
