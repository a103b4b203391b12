
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The provider ends sessions (OpenID Connect Back-Channel Logout 1.0): a POST
 * with a logout token, from whoever can reach us.  Nothing is looked up before
 * the token is proved; then those of its sid end, or of its sub.
 *
 * A token is good once.  Its jti is locked while an attempt is under way, and
 * marked for the token's life when the sessions have ended: who is refused
 * because the store failed, or who left, may come again with the same one.
 */


#include "ngx_http_oidc_callback.h"
#include "ngx_http_oidc_end.h"

#include "oidc_logout.h"


/* an attempt that is not over by then may be joined by another, milliseconds */

#define NGX_HTTP_OIDC_ATTEMPT      2000

/* between two looks whether it is over */

#define NGX_HTTP_OIDC_ATTEMPT_NAP  50


typedef struct {
    oidc_str_t               text;
    oidc_expect_t            expect;
    oidc_jwe_policy_t        jwe;       /* with "opened" */
    oidc_jwe_opened_t        opened;
    oidc_logout_token_t      token;
    u_char                   mark[NGX_OIDC_STORE_NAME_LEN];
    ngx_http_oidc_ending_t   ending;
    ngx_msec_t               give_up;   /* 0: has not waited yet */
    ngx_uint_t               asked_keys;
} ngx_http_oidc_backchannel_t;


static void ngx_http_oidc_backchannel_cleanup(void *data);
static ngx_int_t ngx_http_oidc_read_logout_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_open_logout_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_check_logout_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_lock_jti(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_look_jti(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_wait_jti(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_find_sessions(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_end_sessions(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_mark_jti(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_msec_t ngx_http_oidc_jti_ttl(ngx_http_oidc_backchannel_t *bc);
static ngx_int_t ngx_http_oidc_backchannel_failed(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_backchannel_done(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


static ngx_http_oidc_step_pt  ngx_http_oidc_backchannel_steps[] = {
    ngx_http_oidc_read_form,
    ngx_http_oidc_read_logout_token,
    ngx_http_oidc_need_metadata,
    ngx_http_oidc_need_keys,
    ngx_http_oidc_open_logout_token,
    ngx_http_oidc_check_logout_token,
    ngx_http_oidc_lock_jti,
    ngx_http_oidc_look_jti,
    ngx_http_oidc_find_sessions,
    ngx_http_oidc_end_sessions,
    ngx_http_oidc_mark_jti,
    ngx_http_oidc_backchannel_done,
    NULL
};


ngx_int_t
ngx_http_oidc_backchannel(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    if (ctx->flow == NULL) {

        cln = ngx_pool_cleanup_add(r->pool,
                                   sizeof(ngx_http_oidc_backchannel_t));

        /* also where nginx answers, because the body does not come */

        if (cln == NULL || ngx_http_oidc_private(r) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(cln->data, sizeof(ngx_http_oidc_backchannel_t));
        cln->handler = ngx_http_oidc_backchannel_cleanup;

        ctx->flow = cln->data;
        ctx->step = ngx_http_oidc_backchannel_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


static void
ngx_http_oidc_backchannel_cleanup(void *data)
{
    ngx_http_oidc_backchannel_t *bc = data;

    json_decref(bc->opened.jwe.header);
}


static ngx_int_t
ngx_http_oidc_read_logout_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    return ngx_http_oidc_form_arg(r, ctx, "logout_token", &bc->text);
}


/* anybody can have us try that: in a thread where it takes long */

static ngx_int_t
ngx_http_oidc_open_logout_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    if (ctx->provider->id_token_jwe.algs == 0) {
        return NGX_OK;
    }

    bc->jwe = ctx->provider->id_token_jwe;
    bc->jwe.opened = &bc->opened;

    return ngx_http_oidc_decrypt(r, ctx, &bc->text,
                                 &ctx->provider->id_token_jwe, &bc->opened);
}


static ngx_int_t
ngx_http_oidc_check_logout_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    ngx_int_t                  rc;
    oidc_expect_t             *expect;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    expect = &bc->expect;

    ngx_memzero(expect, sizeof(oidc_expect_t));

    expect->jwks = ngx_oidc_idp_jwks(p->idp);

    if (expect->jwks == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    expect->issuer = p->idp->issuer;
    expect->client_id = p->client.id;
    expect->secret = p->client.secret;
    expect->algs = ngx_http_oidc_id_token_algs(p);
    expect->jwe = bc->jwe.algs ? &bc->jwe : NULL;
    expect->now = ngx_time();
    expect->skew = p->clock_skew;

    if (p->trusted_audience != NULL) {
        expect->trusted_audience = p->trusted_audience->elts;
        expect->trusted_audience_n = p->trusted_audience->nelts;
    }

    ctx->rc = oidc_logout_token_check(&ctx->pool, &bc->text, expect,
                                      &bc->token);

    if (ctx->rc == OIDC_JWS_KID && !bc->asked_keys) {

        /* perhaps the keys were rotated: once more with those of now */

        bc->asked_keys = 1;

        rc = ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_KEYS);

        if (rc == NGX_AGAIN) {
            return NGX_BUSY;
        }

        if (rc == NGX_OK) {
            return ngx_http_oidc_check_logout_token(r, ctx);
        }
    }

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_oidc_lock_jti(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    ctx->rc = oidc_index_name(omcf->ring->key[0], "jti",
                              &ctx->provider->audience, &bc->token.jti,
                              bc->mark);

    if (ctx->rc != OIDC_OK) {
        return NGX_ERROR;
    }

    /* it is a genuine one: whoever sent it may leave, it goes on */

    ctx->keep = 1;

    return ngx_http_oidc_lock(r, ctx, ctx->provider->store, bc->mark,
                              NGX_HTTP_OIDC_ATTEMPT);
}


/* sets the time of a mark that is there, and makes none */

static ngx_int_t
ngx_http_oidc_look_jti(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    if (ctx->op.rc == NGX_DECLINED) {
        return ngx_http_oidc_wait_jti(r, ctx);
    }

    if (ctx->op.rc != NGX_OK) {
        return ngx_http_oidc_backchannel_failed(r, ctx);
    }

    ctx->op.ttl = ngx_http_oidc_jti_ttl(bc);

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_touch, NGX_OIDC_STORE_ONCE,
                               bc->mark);
}


/* the same token is under way: what comes of it is seen when it is over */

static ngx_int_t
ngx_http_oidc_wait_jti(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    if (bc->give_up == 0) {
        bc->give_up = ngx_current_msec + 2 * NGX_HTTP_OIDC_ATTEMPT;
    }

    if ((ngx_msec_int_t) (bc->give_up - ngx_current_msec) <= 0) {
        ngx_str_set(&ctx->detail, "the same logout token is under way");
        ctx->rc = OIDC_STORE;
        return NGX_DECLINED;
    }

    /* the one after this wait is ngx_http_oidc_lock_jti() again */

    ctx->step -= 2;

    return ngx_http_oidc_sleep(r, ctx, NGX_HTTP_OIDC_ATTEMPT_NAP);
}


static ngx_int_t
ngx_http_oidc_find_sessions(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    const char  *kind;
    oidc_str_t  *value;

    if (ctx->op.rc == NGX_OK) {
        ctx->rc = OIDC_LOGOUT_REPLAY;
        return NGX_DECLINED;
    }

    if (ctx->op.rc != NGX_DECLINED) {
        return ngx_http_oidc_backchannel_failed(r, ctx);
    }

    kind = bc->token.sid.len ? "sid" : "sub";
    value = bc->token.sid.len ? &bc->token.sid : &bc->token.sub;

    if (ngx_http_oidc_end_init(r, &bc->ending) != NGX_OK
        || ngx_http_oidc_end_indexed(r, &bc->ending, ctx->provider, kind,
                                     value)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_end_sessions(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    return ngx_http_oidc_end_all(r, ctx, &bc->ending);
}


static ngx_int_t
ngx_http_oidc_mark_jti(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    if (bc->ending.failed) {
        ctx->rc = OIDC_STORE;
        return NGX_DECLINED;
    }

    ctx->op.ttl = ngx_http_oidc_jti_ttl(bc);

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_once, NGX_OIDC_STORE_ONCE,
                               bc->mark);
}


/* for as long as the token could be used again, in milliseconds */

static ngx_msec_t
ngx_http_oidc_jti_ttl(ngx_http_oidc_backchannel_t *bc)
{
    int64_t  left;

    left = bc->token.until - ngx_time() + 1;

    return (ngx_msec_t) ngx_max(left, 1) * 1000;
}


static ngx_int_t
ngx_http_oidc_backchannel_failed(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ctx->rc = (ctx->op.rc == NGX_BUSY) ? OIDC_SPENT_FULL : OIDC_STORE;
    ngx_http_oidc_store_explain(r, ctx);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_oidc_backchannel_done(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_backchannel_t *bc = ctx->flow;

    static ngx_str_t  nothing = ngx_null_string;

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "oidc: back-channel logout by %s ended %uL sessions, "
                  "provider: \"%V\"", bc->token.sid.len ? "sid" : "sub",
                  bc->ending.count, &ctx->provider->name);

    if (ctx->op.rc != NGX_OK && ctx->op.rc != NGX_DECLINED) {

        /* ended, but the token could be used again: it is asked for again */

        return ngx_http_oidc_backchannel_failed(r, ctx);
    }

    ngx_http_oidc_unlock(ctx);

    return ngx_http_oidc_answer(r, &nothing);
}
