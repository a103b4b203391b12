
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Access tokens of requests, as a list of steps in preaccess, where a session
 * would be looked for.  What a token says is found out once for all locations
 * (remembered, introspected, or verified), then the rules of the location are
 * asked: audience, caller, scope.  Nothing is refused here, that is the
 * guard's; a token that is not good leaves the request without any identity.
 */


#include "ngx_http_oidc_bearer.h"

#include "oidc_seal.h"


/* how long a request sleeps before it looks again for another's verdict */

#define NGX_HTTP_OIDC_BEARER_POLL   10

/* beyond the provider's timeout: a lease must outlive what is done under it */

#define NGX_HTTP_OIDC_BEARER_LEASE  5000


static ngx_int_t ngx_http_oidc_bearer_read(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_bearer_conf_t *conf);
static ngx_int_t ngx_http_oidc_bearer_known(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_bearer_alone(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_bearer_accept(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static oidc_rc_t ngx_http_oidc_bearer_judge(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_loc_conf_t *lcf);
static ngx_uint_t ngx_http_oidc_bearer_preflight(ngx_http_request_t *r);
static void ngx_http_oidc_bearer_cleanup(void *data);


#define NGX_HTTP_OIDC_STEP_PROOF  5     /* after those that find out */


static ngx_http_oidc_step_pt  ngx_http_oidc_bearer_steps[] = {
    ngx_http_oidc_bearer_known,
    ngx_http_oidc_bearer_ready,
    ngx_http_oidc_bearer_ask,
    ngx_http_oidc_bearer_open,
    ngx_http_oidc_bearer_answer,
    ngx_http_oidc_bearer_proof,
    ngx_http_oidc_bearer_binding,
    ngx_http_oidc_bearer_accept,
    NULL
};


static ngx_http_oidc_step_pt  ngx_http_oidc_bearer_end[] = { NULL };


/*
 * 1 where the request was identified already in the way that this location
 * wants it: an internal redirect may lead to one with other rules.
 */

ngx_uint_t
ngx_http_oidc_bearer_same(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_loc_conf_t     *lcf;
    ngx_http_oidc_bearer_conf_t  *conf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);
    conf = (ctx->own == NULL) ? lcf->bearer : NULL;

    return conf == ctx->bearer_conf
           && (conf == NULL || ctx->bearer_audience == lcf->bearer_audience);
}


/*
 * NGX_OK with the steps of a token in ctx->step, or none where only tokens are
 * taken; NGX_DECLINED: a session may say who it is; NGX_ERROR.
 */

ngx_int_t
ngx_http_oidc_bearer_begin(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t                     rc;
    ngx_http_oidc_loc_conf_t     *lcf;
    ngx_http_oidc_bearer_conf_t  *conf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);
    conf = (ctx->own == NULL) ? lcf->bearer : NULL;

    ctx->bearer_conf = conf;
    ctx->bearer_audience = lcf->bearer_audience;

    rc = (conf != NULL) ? ngx_http_oidc_bearer_read(r, ctx, conf)
                        : NGX_DECLINED;

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx->bearer = NULL;

    if (conf != NULL && conf->only) {
        ctx->step = ngx_http_oidc_bearer_end;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_oidc_bearer_read(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_bearer_conf_t *conf)
{
    oidc_rc_t                rc;
    ngx_uint_t               n;
    oidc_bearer_t            token;
    ngx_table_elt_t         *h;
    ngx_pool_cleanup_t      *cln;
    ngx_http_oidc_bearer_t  *b, *old;

    h = ngx_http_oidc_header(r, "authorization", &n);

    if (n == 0) {
        return NGX_DECLINED;
    }

    ngx_memzero(&token, sizeof(oidc_bearer_t));

    rc = (n > 1) ? OIDC_BEARER_MALFORMED
                 : oidc_bearer_parse(&ctx->pool, &h->value,
                                     OIDC_BEARER_DPOP
                                     |(conf->base64 ? OIDC_BEARER_BASE64 : 0),
                                     &token);

    if (rc == OIDC_BEARER_MISSING) {
        return NGX_DECLINED;
    }

    if (rc == OIDC_NOMEM) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_bearer_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    b = cln->data;
    ngx_memzero(b, sizeof(ngx_http_oidc_bearer_t));

    cln->handler = ngx_http_oidc_bearer_cleanup;

    b->ctx = ctx;
    b->provider = ctx->provider;
    b->token = token;
    b->since = ngx_current_msec;

    old = ctx->bearer;

    if (old != NULL && old->proved) {

        /* a proof is good once, and for this request it was */

        b->dpop = old->dpop;
        b->proved = 1;
    }

    ctx->bearer = b;
    ctx->step = ngx_http_oidc_bearer_steps;

    if (rc != OIDC_OK) {
        (void) ngx_http_oidc_bearer_fail(ctx, rc);
        ctx->step = ngx_http_oidc_bearer_end;
    }

    return NGX_OK;
}


static void
ngx_http_oidc_bearer_cleanup(void *data)
{
    ngx_http_oidc_bearer_t *b = data;

    if (b->fetch.timer.timer_set) {
        ngx_del_timer(&b->fetch.timer);
    }

    ngx_http_oidc_bearer_release(b->ctx, b);

    if (b->good != NULL) {
        ngx_http_oidc_bearer_drop(b->good);
    }

    json_decref(b->opened.jwe.header);

    oidc_wipe(b->form.body.data, b->form.body.len);
    oidc_wipe(b->form.authorization.data, b->form.authorization.len);
    oidc_wipe(b, sizeof(ngx_http_oidc_bearer_t));
}


ngx_int_t
ngx_http_oidc_bearer_fail(ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_http_oidc_bearer_release(ctx, b);

    b->rc = rc;
    ctx->rc = OIDC_OK;
    ctx->step = ngx_http_oidc_bearer_end;

    return NGX_OK;
}


/* remembered, or being asked for by another request, whose verdict is ours */

static ngx_int_t
ngx_http_oidc_bearer_known(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_oidc_bearer_recall(r, ctx);

    if (rc == NGX_AGAIN) {

        if (ctx->bearer_conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL
            || ctx->provider->introspection.good == NULL)
        {
            return NGX_OK;
        }

        rc = ngx_http_oidc_bearer_alone(r, ctx);

        if (rc == NGX_BUSY || rc == NGX_DONE) {
            return (rc == NGX_BUSY) ? NGX_BUSY : NGX_OK;
        }
    }

    if (rc == NGX_OK) {
        ctx->step = &ngx_http_oidc_bearer_steps[NGX_HTTP_OIDC_STEP_PROOF];
        return NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_oidc_bearer_fail(ctx, OIDC_BEARER_INACTIVE);
    }

    return NGX_ERROR;
}


/*
 * NGX_DONE: this request is the one that asks; NGX_BUSY: it sleeps until it
 * looks again; else as recall says.  A store that cannot lock costs a call more
 * and nothing else; a lock that nobody gives back in time is a timeout.
 */

static ngx_int_t
ngx_http_oidc_bearer_alone(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_int_t                  rc;
    ngx_msec_t                 waited;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    /* in shared memory, where nobody waits */

    (void) ngx_http_oidc_lock(r, ctx, p->introspection.good, b->keys.name,
                              p->timeout + NGX_HTTP_OIDC_BEARER_LEASE);

    if (ctx->op.rc == NGX_OK) {

        /* whoever had it may have left a verdict between our two looks */

        rc = ngx_http_oidc_bearer_recall(r, ctx);

        if (rc == NGX_AGAIN) {
            return NGX_DONE;
        }

        ngx_http_oidc_unlock(ctx);

        return rc;
    }

    waited = ngx_current_msec - b->since;

    if (ctx->op.rc != NGX_DECLINED) {
        return NGX_DONE;
    }

    if (waited > p->timeout) {
        (void) ngx_http_oidc_bearer_fail(ctx, OIDC_FETCH_TIMEOUT);
        return NGX_DONE;
    }

    rc = ngx_http_oidc_sleep(r, ctx, NGX_HTTP_OIDC_BEARER_POLL
                                     + ngx_min(waited / 10, 90));

    return (rc == NGX_AGAIN) ? NGX_BUSY : rc;
}


/* the end: claims and token where those of a session would be */

static ngx_int_t
ngx_http_oidc_bearer_accept(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_http_oidc_loc_conf_t  *lcf;

    ngx_memzero(&ctx->session, sizeof(oidc_session_t));
    ngx_memzero(&ctx->tokens, sizeof(oidc_tokens_t));

    ctx->session.provider = ctx->provider->realm;
    ctx->session.expires = b->good->access.exp;
    ctx->session.access_expires = b->good->access.exp;
    ctx->session.claims = b->good->claims;

    ctx->tokens.access_token = b->token.token;
    ctx->has_tokens = 1;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    ctx->authenticated = (ngx_http_oidc_bearer_judge(ctx, lcf) == OIDC_OK);

    return NGX_OK;
}


/* the rules of a location for a token that is good */

static oidc_rc_t
ngx_http_oidc_bearer_judge(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_loc_conf_t *lcf)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    oidc_rc_t                rc;
    oidc_str_t               caller;
    ngx_uint_t               bound;
    oidc_access_t           *access;
    ngx_http_oidc_caller_t  *who;

    b->judged = lcf;
    b->verdict = b->rc;

    if (b->rc != OIDC_OK) {
        return b->rc;
    }

    access = &b->good->access;
    rc = OIDC_OK;

    bound = (b->token.dpop ? NGX_HTTP_OIDC_BOUND_DPOP : 0)
            | (access->x5t.len ? NGX_HTTP_OIDC_BOUND_MTLS : 0);

    if (lcf->bearer->bound && (lcf->bearer->bound & bound) == 0) {
        rc = OIDC_BEARER_BINDING;

    } else if (lcf->bearer->mode == NGX_HTTP_OIDC_BEARER_INTROSPECTION) {

        if (lcf->bearer_audience == NULL) {
            rc = oidc_access_audience(access, &ctx->provider->client.id, 1);

        } else if (lcf->bearer_audience->nelts) {
            rc = oidc_access_audience(access, lcf->bearer_audience->elts,
                                      lcf->bearer_audience->nelts);
        }
    }

    if (rc == OIDC_OK && lcf->bearer_caller != NULL) {
        who = lcf->bearer_caller;
        rc = oidc_access_caller(access, (const char *) who->claim.data,
                                who->values.elts, who->values.nelts, &caller);
    }

    if (rc == OIDC_OK && lcf->scopes != NULL) {
        rc = oidc_access_scope(access, &lcf->scopes->text, lcf->scopes->all);
    }

    b->verdict = rc;

    return rc;
}


/*
 * For the guard: NGX_DECLINED where what it does for sessions is right here
 * too; anything else is the answer.
 */

ngx_int_t
ngx_http_oidc_bearer_guard(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t    *b;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    b = ctx->bearer;

    if (b != NULL) {

        if (b->judged != lcf) {
            ctx->authenticated = (ngx_http_oidc_bearer_judge(ctx, lcf)
                                  == OIDC_OK);
        }

        if (ctx->authenticated) {
            return NGX_DECLINED;
        }

        /* in any mode: nobody passes for nobody for a fault of the provider */

        if (lcf->mode == NGX_HTTP_OIDC_MODE_VERIFY
            && oidc_rc_status(b->verdict) < NGX_HTTP_INTERNAL_SERVER_ERROR)
        {
            ctx->rc = b->verdict;
            return NGX_DECLINED;
        }

        return ctx->refused ? ngx_http_oidc_bearer_refused(r, ctx)
                            : ngx_http_oidc_bearer_refuse(r, ctx);
    }

    if (ctx->authenticated || ctx->refused) {
        return NGX_DECLINED;
    }

    if (lcf->bearer->preflight && ngx_http_oidc_bearer_preflight(r)) {
        return NGX_OK;
    }

    if (lcf->bearer->only && lcf->mode == NGX_HTTP_OIDC_MODE_REQUIRE) {
        return ngx_http_oidc_unauthorized(r, ctx);
    }

    return NGX_DECLINED;
}


/* a browser asks on its own account, without credentials (Fetch 3.3.2) */

static ngx_uint_t
ngx_http_oidc_bearer_preflight(ngx_http_request_t *r)
{
    ngx_uint_t  n, origins;

    if (r->method != NGX_HTTP_OPTIONS) {
        return 0;
    }

    (void) ngx_http_oidc_header(r, "origin", &origins);
    (void) ngx_http_oidc_header(r, "access-control-request-method", &n);

    return n == 1 && origins == 1;
}
