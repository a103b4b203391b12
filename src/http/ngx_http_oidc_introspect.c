
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the provider says of a token: its introspection endpoint (RFC 7662, RFC
 * 9701), called with nothing of the client's but the token, or its signature
 * (RFC 9068).  Only the provider's word that a token is not active, or a
 * signed token's own fault, is held against the client.
 */


#include "ngx_http_oidc_bearer.h"


/*
 * Calls of one worker to one provider at a time, and so private-key operations
 * that somebody can have us do: beyond it whoever asks is to come again.
 */

#define NGX_HTTP_OIDC_CALLS_MAX  256


static ngx_int_t ngx_http_oidc_bearer_call(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_metadata_t *metadata);
static oidc_rc_t ngx_http_oidc_bearer_check(ngx_http_oidc_ctx_t *ctx,
    oidc_access_t *access);
static void ngx_http_oidc_bearer_expect(ngx_http_oidc_ctx_t *ctx,
    oidc_expect_t *expect);


ngx_int_t
ngx_http_oidc_bearer_ready(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_int_t  rc;

    for ( ;; ) {

        if (ngx_oidc_idp_metadata(ctx->provider->idp) != NULL
            && ngx_oidc_idp_jwks(ctx->provider->idp) != NULL)
        {
            return NGX_OK;
        }

        if (b->waited) {
            return ngx_http_oidc_bearer_fail(ctx, OIDC_NOT_READY);
        }

        b->waited = 1;

        rc = ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_READY);

        if (rc == NGX_AGAIN) {
            return NGX_BUSY;
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }
}


ngx_int_t
ngx_http_oidc_bearer_ask(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_int_t                  rc;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    if (ctx->bearer_conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL) {
        return NGX_OK;
    }

    if (!b->counted) {

        if (p->introspection.calls >= NGX_HTTP_OIDC_CALLS_MAX) {
            return ngx_http_oidc_bearer_fail(ctx, OIDC_BEARER_BUSY);
        }

        p->introspection.calls++;
        b->counted = 1;
    }

    if (b->fetch.url.len == 0) {

        metadata = ngx_oidc_idp_metadata(p->idp);

        if (metadata == NULL) {
            return ngx_http_oidc_bearer_fail(ctx, OIDC_NOT_READY);
        }

        rc = ngx_http_oidc_bearer_call(r, ctx, metadata);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : rc;
        }
    }

    rc = ngx_http_oidc_fetch(r, ctx, &b->fetch);

    if (rc == NGX_DECLINED) {
        return ngx_http_oidc_bearer_fail(ctx, ctx->rc);
    }

    return rc;
}


/* NGX_DONE: it has failed */

static ngx_int_t
ngx_http_oidc_bearer_call(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_metadata_t *metadata)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    oidc_rc_t                  rc;
    const char                *accept;
    oidc_client_t              client;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    if (metadata->introspection_endpoint.len == 0) {
        ngx_str_set(&ctx->detail, "introspection_endpoint");
        (void) ngx_http_oidc_bearer_fail(ctx, OIDC_META_MEMBER);
        return NGX_DONE;
    }

    ngx_http_oidc_client(p, metadata, metadata->introspection_auth, &client);

    rc = oidc_token_about(&ctx->pool, &client, &b->token.token, "access_token",
                          &b->form);

    if (rc == OIDC_OK) {
        rc = oidc_str_dup(&ctx->pool,
                          ngx_http_oidc_endpoint_url(p, metadata,
                                                     introspection_endpoint),
                          &b->fetch.url);
    }

    if (rc != OIDC_OK) {
        (void) ngx_http_oidc_bearer_fail(ctx, rc);
        return NGX_DONE;
    }

    accept = oidc_introspect_accept(p->introspection.response);

    ngx_str_set(&b->fetch.method, "POST");
    ngx_str_set(&b->fetch.content_type, "application/x-www-form-urlencoded");
    b->fetch.accept.data = (u_char *) accept;
    b->fetch.accept.len = ngx_strlen(accept);
    b->fetch.body = b->form.body;
    b->fetch.authorization = b->form.authorization;

    return NGX_OK;
}


/* what is encrypted to us, in a thread where that takes long */

ngx_int_t
ngx_http_oidc_bearer_open(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_int_t                     rc;
    ngx_str_t                    *token;
    oidc_jwe_policy_t            *jwe;
    ngx_http_oidc_provider_t     *p;
    ngx_http_oidc_bearer_conf_t  *conf;

    p = ctx->provider;
    conf = ctx->bearer_conf;
    jwe = &b->jwe;

    if (conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL) {

        if (conf->jwe_algs == 0) {
            return NGX_OK;
        }

        jwe->algs = conf->jwe_algs;
        jwe->encs = conf->jwe_encs;
        token = &b->token.token;

    } else {

        if (p->introspection.response != OIDC_INTROSPECT_ENCRYPTED
            || b->fetch.rc != OIDC_OK || b->fetch.status != NGX_HTTP_OK)
        {
            return NGX_OK;
        }

        jwe->algs = p->introspection.jwe_algs;
        jwe->encs = p->introspection.jwe_encs;
        token = &b->fetch.answer;
    }

    jwe->keys = p->jwe_keys.elts;
    jwe->n = p->jwe_keys.nelts;

    rc = ngx_http_oidc_decrypt(r, ctx, token, jwe, &b->opened);

    jwe->opened = &b->opened;

    return (rc == NGX_DECLINED) ? ngx_http_oidc_bearer_fail(ctx, ctx->rc) : rc;
}


ngx_int_t
ngx_http_oidc_bearer_answer(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_int_t      rc;
    oidc_rc_t      orc;
    oidc_access_t  access;

    ngx_memzero(&access, sizeof(oidc_access_t));

    orc = ngx_http_oidc_bearer_check(ctx, &access);

    if ((orc == OIDC_JWS_KID || b->why == OIDC_JWS_KID) && !b->asked_keys) {

        /* perhaps the keys were rotated: once more with those of now */

        b->asked_keys = 1;

        rc = ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_KEYS);

        if (rc == NGX_AGAIN) {
            return NGX_BUSY;
        }

        if (rc == NGX_OK) {
            orc = ngx_http_oidc_bearer_check(ctx, &access);
        }
    }

    if (orc == OIDC_OK) {
        orc = ngx_http_oidc_bearer_remember(r, ctx, access.claims);

    } else if (orc == OIDC_BEARER_INACTIVE || orc == OIDC_BEARER_EXPIRED
               || orc == OIDC_BEARER_TOKEN)
    {
        ngx_http_oidc_bearer_remember_bad(r, ctx);
    }

    if (orc != OIDC_OK) {
        return ngx_http_oidc_bearer_fail(ctx, orc);
    }

    ngx_http_oidc_bearer_release(ctx, b);

    return NGX_OK;
}


static oidc_rc_t
ngx_http_oidc_bearer_check(ngx_http_oidc_ctx_t *ctx, oidc_access_t *access)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    size_t                        n;
    oidc_expect_t                 expect;
    const oidc_str_t             *audience;
    ngx_http_oidc_fetch_t        *f;
    ngx_http_oidc_bearer_conf_t  *conf;

    conf = ctx->bearer_conf;
    f = &b->fetch;

    ngx_http_oidc_bearer_expect(ctx, &expect);

    b->why = OIDC_OK;

    if (conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL) {

        audience = &ctx->provider->client.id;
        n = 1;

        if (ctx->bearer_audience != NULL) {
            audience = ctx->bearer_audience->elts;
            n = ctx->bearer_audience->nelts;
        }

        return oidc_access_jwt_check(&ctx->pool, &b->token.token, &expect,
                                     audience, n, !conf->any_typ, access,
                                     &b->why);
    }

    if (f->rc != OIDC_OK) {
        ctx->detail = f->url;
        return f->rc;
    }

    return oidc_introspect_check(&ctx->pool,
                                 ctx->provider->introspection.response,
                                 f->status, &f->answer_type, &f->answer,
                                 &expect, access);
}


static void
ngx_http_oidc_bearer_expect(ngx_http_oidc_ctx_t *ctx, oidc_expect_t *expect)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    unsigned                   algs;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    ngx_memzero(expect, sizeof(oidc_expect_t));

    expect->issuer = p->idp->issuer;
    expect->client_id = p->client.id;
    expect->jwks = ngx_oidc_idp_jwks(p->idp);
    expect->jwe = b->jwe.algs ? &b->jwe : NULL;
    expect->now = ngx_time();
    expect->skew = p->clock_skew;

    if (ctx->bearer_conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL) {
        algs = ctx->bearer_conf->jws_algs;

    } else {
        expect->secret = p->client.secret;
        algs = p->introspection.jws_algs;
    }

    expect->algs = algs ? algs : OIDC_ALG_DEFAULT;
}


void
ngx_http_oidc_bearer_release(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_bearer_t *b)
{
    if (b->counted) {
        b->counted = 0;
        b->provider->introspection.calls--;
    }

    ngx_http_oidc_unlock(ctx);
}
