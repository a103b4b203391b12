
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The part of a callback that talks to the provider: the code for tokens, the
 * verdict on the ID token, userinfo (OpenID Connect Core 3.1.3, 5.3).
 */


#include "ngx_http_oidc_callback.h"

#include "oidc_json.h"


ngx_int_t
ngx_http_oidc_ask_token(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char                     data[43];
    ngx_int_t                  rc;
    oidc_str_t                 verifier;
    oidc_client_t              client;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    metadata = ngx_oidc_idp_metadata(p->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    if (cb->form.body.len == 0) {

        rc = ngx_http_oidc_absolute(r, ctx, &p->uri[NGX_HTTP_OIDC_REDIRECT_URI],
                                    &cb->redirect_uri);
        if (rc != NGX_OK) {
            return rc;
        }

        ngx_http_oidc_client(p, metadata, metadata->token_auth, &client);

        verifier.len = p->pkce ? sizeof(data) : 0;
        verifier.data = data;

        ctx->rc = oidc_login_verifier(&cb->login, data);

        if (ctx->rc == OIDC_OK) {
            ctx->rc = oidc_token_request(&ctx->pool, &client, &cb->args.code,
                                         &cb->redirect_uri, &verifier,
                                         &cb->form);
        }

        oidc_wipe(data, sizeof(data));

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }

        ctx->rc = ngx_http_oidc_post(ctx,
                                     ngx_http_oidc_endpoint_url(p, metadata,
                                                            token_endpoint),
                                     &cb->form, &cb->token);

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }
    }

    return ngx_http_oidc_fetch(r, ctx, &cb->token);
}


oidc_rc_t
ngx_http_oidc_post(ngx_http_oidc_ctx_t *ctx, const oidc_str_t *url,
    const oidc_form_t *form, ngx_http_oidc_fetch_t *f)
{
    ngx_str_set(&f->method, "POST");
    ngx_str_set(&f->accept, "application/json");
    ngx_str_set(&f->content_type, "application/x-www-form-urlencoded");

    f->body = form->body;
    f->authorization = form->authorization;

    return oidc_str_dup(&ctx->pool, url, &f->url);
}


ngx_int_t
ngx_http_oidc_read_token(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    oidc_str_t  error;

    if (ngx_http_oidc_fetched(ctx, &cb->token) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(&error, sizeof(oidc_str_t));

    ctx->rc = oidc_token_parse(&ctx->pool, cb->token.status,
                               &cb->token.answer_type,
                               &cb->token.answer, &cb->tokens,
                               &error);

    if (ctx->rc != OIDC_OK) {
        ctx->detail = error;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_need_keys(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ngx_oidc_idp_jwks(ctx->provider->idp) != NULL) {
        return NGX_OK;
    }

    rc = ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_READY);

    if (rc == NGX_DECLINED) {
        ctx->rc = OIDC_NOT_READY;
    }

    return rc;
}


/* what is not encrypted is opened all the same: the verdict says so */

static ngx_int_t
ngx_http_oidc_open(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *token, const oidc_jwe_policy_t *policy)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    if (policy->algs == 0) {
        return NGX_OK;
    }

    json_decref(cb->opened.jwe.header);
    ngx_memzero(&cb->opened, sizeof(oidc_jwe_opened_t));

    cb->jwe = *policy;
    cb->jwe.opened = &cb->opened;

    return ngx_http_oidc_decrypt(r, ctx, token, policy, &cb->opened);
}


ngx_int_t
ngx_http_oidc_open_id_token(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    return ngx_http_oidc_open(r, ctx, &cb->tokens.id_token,
                              &ctx->provider->id_token_jwe);
}


ngx_int_t
ngx_http_oidc_check_id_token(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char      nonce[43];
    ngx_int_t   rc;

    if (ngx_http_oidc_expect(ctx, cb) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (!cb->refreshed) {

        ctx->rc = oidc_login_nonce(&cb->login, nonce);

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }

        cb->expect.nonce.len = sizeof(nonce);
        cb->expect.nonce.data = nonce;
    }

    ctx->rc = oidc_id_token_check(&ctx->pool, &cb->tokens.id_token,
                                  &cb->expect, &cb->claims);

    if (ctx->rc == OIDC_OK) {

        /* from now on what can be read: as a hint, and by the backend */

        if (cb->expect.jwe != NULL) {
            cb->tokens.id_token = cb->opened.jwe.plaintext;
        }

        return NGX_OK;
    }

    if (ctx->rc == OIDC_JWS_KID && !cb->asked_keys) {

        /* perhaps the keys were rotated: once more with those of now */

        cb->asked_keys = 1;

        rc = ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_KEYS);

        if (rc == NGX_AGAIN) {
            return NGX_BUSY;
        }

        if (rc == NGX_OK) {
            return ngx_http_oidc_check_id_token(r, ctx);
        }

        cb->no_keys = 1;
        ctx->rc = OIDC_JWS_KID;

    } else if (cb->asked_keys && ctx->wait_rc != OIDC_OK) {
        cb->no_keys = 1;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_oidc_expect(ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_callback_t *cb)
{
    oidc_expect_t             *expect;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    expect = &cb->expect;

    ngx_memzero(expect, sizeof(oidc_expect_t));

    expect->jwks = ngx_oidc_idp_jwks(p->idp);

    if (expect->jwks == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    expect->issuer = p->idp->issuer;
    expect->client_id = p->client.id;
    expect->secret = p->client.secret;
    expect->access_token = cb->tokens.access_token;
    expect->now = ngx_time();
    expect->skew = p->clock_skew;
    expect->algs = ngx_http_oidc_id_token_algs(p);
    expect->refreshed = cb->refreshed;
    expect->jwe = p->id_token_jwe.algs ? &cb->jwe : NULL;
    cb->algs = expect->algs;

    if (p->trusted_audience != NULL) {
        expect->trusted_audience = p->trusted_audience->elts;
        expect->trusted_audience_n = p->trusted_audience->nelts;
    }

    return NGX_OK;
}


/*
 * What is configured, else the default as far as the metadata goes along.  HS*
 * is never in the default.
 */

unsigned
ngx_http_oidc_id_token_algs(ngx_http_oidc_provider_t *p)
{
    unsigned                algs;
    const oidc_metadata_t  *metadata;

    if (p->id_token_algs) {
        return p->id_token_algs;
    }

    metadata = ngx_oidc_idp_metadata(p->idp);
    algs = OIDC_ALG_DEFAULT;

    if (metadata != NULL && metadata->id_token_algs) {
        algs &= metadata->id_token_algs;
    }

    return algs;
}


ngx_int_t
ngx_http_oidc_ask_userinfo(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char                 *p;
    size_t                  len;
    const oidc_str_t          *url;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *provider;

    provider = ctx->provider;

    if (!provider->userinfo) {
        return NGX_OK;
    }

    metadata = ngx_oidc_idp_metadata(provider->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    url = ngx_http_oidc_endpoint_url(provider, metadata, userinfo_endpoint);

    if (url->len == 0) {
        ngx_str_set(&ctx->detail, "userinfo_endpoint");
        ctx->rc = OIDC_META_MEMBER;
        return NGX_DECLINED;
    }

    if (cb->userinfo.authorization.len == 0) {

        len = sizeof("Bearer ") - 1 + cb->tokens.access_token.len;

        p = ngx_pnalloc(r->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        cb->userinfo.authorization.data = p;
        cb->userinfo.authorization.len = len;

        p = ngx_cpymem(p, "Bearer ", sizeof("Bearer ") - 1);
        ngx_memcpy(p, cb->tokens.access_token.data,
                   cb->tokens.access_token.len);

        ngx_str_set(&cb->userinfo.method, "GET");

        if (provider->userinfo_algs || provider->userinfo_jwe.algs) {
            ngx_str_set(&cb->userinfo.accept, "application/jwt");

        } else {
            ngx_str_set(&cb->userinfo.accept,
                        "application/json, application/jwt");
        }

        ctx->rc = oidc_str_dup(&ctx->pool, url, &cb->userinfo.url);

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }
    }

    return ngx_http_oidc_fetch(r, ctx, &cb->userinfo);
}


ngx_int_t
ngx_http_oidc_open_userinfo(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    if (!ctx->provider->userinfo) {
        return NGX_OK;
    }

    if (ngx_http_oidc_fetched(ctx, &cb->userinfo) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (cb->userinfo.status != NGX_HTTP_OK) {
        ngx_str_set(&ctx->detail, "userinfo_endpoint");
        ctx->rc = OIDC_FETCH_STATUS;
        return NGX_DECLINED;
    }

    return ngx_http_oidc_open(r, ctx, &cb->userinfo.answer,
                              &ctx->provider->userinfo_jwe);
}


ngx_int_t
ngx_http_oidc_read_userinfo(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    oidc_str_t  sub;

    if (!ctx->provider->userinfo) {
        return NGX_OK;
    }

    cb->expect.jwks = ngx_oidc_idp_jwks(ctx->provider->idp);
    cb->expect.algs = ctx->provider->userinfo_algs;
    cb->expect.jwe = ctx->provider->userinfo_jwe.algs ? &cb->jwe : NULL;
    cb->expect.now = ngx_time();

    if (oidc_json_str(cb->claims, "sub", &sub) != 1) {
        ctx->rc = OIDC_CLAIM_SUB;
        return NGX_DECLINED;
    }

    ctx->rc = oidc_userinfo_check(&ctx->pool,
                                  &cb->userinfo.answer_type,
                                  &cb->userinfo.answer,
                                  &cb->expect, cb->algs, &sub,
                                  &cb->user_claims);

    if (ctx->rc != OIDC_OK) {
        ngx_str_set(&ctx->detail, "userinfo");
        return NGX_DECLINED;
    }

    /* $oidc_userinfo is JSON, whatever it came as */

    ctx->rc = ngx_http_oidc_json_text(ctx, cb->user_claims,
                                      &cb->tokens.userinfo);

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


/* escaped, so that there are no controls in it */

oidc_rc_t
ngx_http_oidc_json_text(ngx_http_oidc_ctx_t *ctx, const json_t *json,
    oidc_str_t *text)
{
    char       *p;
    oidc_rc_t   rc;
    oidc_str_t  dump;

    p = json_dumps(json, JSON_COMPACT|JSON_ENSURE_ASCII);

    if (p == NULL) {
        return OIDC_NOMEM;
    }

    dump.data = (u_char *) p;
    dump.len = ngx_strlen(p);

    rc = oidc_str_dup(&ctx->pool, &dump, text);

    free(p);

    return rc;
}
