
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The way back from the provider (RFC 6749 sections 4.1.2 to 4.1.4, OpenID
 * Connect Core 3.1.2.5 to 3.1.3.7, RFC 9207), as a list of steps.  Until the
 * last but one nothing is kept: whatever fails leaves no session behind, and an
 * existing one untouched.
 */


#include "ngx_http_oidc.h"

#include "oidc_authz.h"
#include "oidc_b64.h"
#include "oidc_claims.h"
#include "oidc_idtoken.h"
#include "oidc_json.h"
#include "oidc_seal.h"


typedef struct {
    oidc_callback_t         args;
    oidc_login_t            login;
    oidc_str_t              redirect_uri;
    oidc_form_t             form;
    ngx_http_oidc_fetch_t   token;
    ngx_http_oidc_fetch_t   userinfo;
    oidc_tokens_t           tokens;
    oidc_expect_t           expect;
    unsigned                algs;
    json_t                 *claims;         /* freed with the pool */
    json_t                 *user_claims;    /* likewise */
    u_char                  handle[OIDC_HANDLE_LEN];
    oidc_handle_keys_t      keys;
    ngx_uint_t              asked_keys;
} ngx_http_oidc_callback_t;


static ngx_int_t ngx_http_oidc_read_args(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_open_login_state(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_check_issuer(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_spend_state(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_spent(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_ask_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_read_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_need_keys(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_check_id_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_ask_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_read_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_new_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_drop_old_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_go_back(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_fetched(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_fetch_t *f);
static void ngx_http_oidc_callback_cleanup(void *data);


static ngx_http_oidc_step_pt  ngx_http_oidc_callback_steps[] = {
    ngx_http_oidc_read_args,
    ngx_http_oidc_open_login_state,
    ngx_http_oidc_need_metadata,
    ngx_http_oidc_check_issuer,
    ngx_http_oidc_spend_state,
    ngx_http_oidc_spent,
    ngx_http_oidc_ask_token,
    ngx_http_oidc_read_token,
    ngx_http_oidc_need_keys,
    ngx_http_oidc_check_id_token,
    ngx_http_oidc_ask_userinfo,
    ngx_http_oidc_read_userinfo,
    ngx_http_oidc_new_session,
    ngx_http_oidc_drop_old_session,
    ngx_http_oidc_go_back,
    NULL
};


ngx_int_t
ngx_http_oidc_callback(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    if (ctx->flow == NULL) {

        if (r->method != NGX_HTTP_GET) {
            return ngx_http_oidc_refuse(r, ctx, OIDC_METHOD);
        }

        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_callback_t));
        if (cln == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(cln->data, sizeof(ngx_http_oidc_callback_t));
        cln->handler = ngx_http_oidc_callback_cleanup;

        ctx->flow = cln->data;
        ctx->step = ngx_http_oidc_callback_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


static void
ngx_http_oidc_callback_cleanup(void *data)
{
    ngx_http_oidc_callback_t *cb = data;

    json_decref(cb->claims);
    json_decref(cb->user_claims);

    oidc_wipe(cb->form.body.data, cb->form.body.len);
    oidc_wipe(cb->form.authorization.data, cb->form.authorization.len);
    oidc_wipe(cb->token.answer.data, cb->token.answer.len);
    oidc_wipe(cb, sizeof(ngx_http_oidc_callback_t));
}


static ngx_int_t
ngx_http_oidc_read_args(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    ctx->rc = oidc_callback_parse(&ctx->pool, &ctx->args,
                                  &cb->args);

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


/*
 * The cookie of this state says which login this is, and of which provider:
 * several may share a redirect_uri.
 */

static ngx_int_t
ngx_http_oidc_open_login_state(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char                      data[OIDC_LOGIN_SUFFIX_LEN];
    ngx_uint_t                  i;
    oidc_str_t                  name, suffix, value, *prefix;
    oidc_rc_t                   rc;
    ngx_http_oidc_own_uri_t    *own;
    ngx_http_oidc_srv_conf_t   *scf;
    ngx_http_oidc_main_conf_t  *omcf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_oidc_module);
    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    ctx->rc = oidc_login_suffix(&cb->args.state, data);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    suffix.len = OIDC_LOGIN_SUFFIX_LEN;
    suffix.data = data;

    ctx->rc = OIDC_STATE_UNKNOWN;

    own = scf->own.elts;

    for (i = 0; i < scf->own.nelts; i++) {

        if (own[i].kind != NGX_HTTP_OIDC_REDIRECT_URI
            || !oidc_str_eq(&own[i].path,
                            &ctx->own->path))
        {
            continue;
        }

        prefix = &own[i].provider->login_cookie[ngx_http_oidc_https(r, ctx)];

        name.len = prefix->len + suffix.len;
        name.data = ngx_pnalloc(r->pool, name.len);
        if (name.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(name.data, prefix->data, prefix->len);
        ngx_memcpy(name.data + prefix->len, suffix.data, suffix.len);

        if (!ngx_http_oidc_cookie(r, &name, &value)) {
            continue;
        }

        rc = oidc_login_open(&ctx->pool, omcf->ring, "login", &cb->args.state,
                             &value, ngx_time(),
                             own[i].provider->pre_auth_timeout, &cb->login);

        if (rc == OIDC_OK
            && !oidc_str_eq(&cb->login.provider,
                            &own[i].provider->name))
        {
            continue;
        }

        ctx->rc = rc;

        if (rc == OIDC_OK || rc == OIDC_STATE_EXPIRED) {

            /* used up, however this ends */

            ctx->provider = own[i].provider;

            if (ngx_http_oidc_set_cookie(r, ctx, prefix, &suffix, NULL, 0)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            break;
        }
    }

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_oidc_check_issuer(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    const oidc_metadata_t  *metadata;

    metadata = ngx_oidc_idp_metadata(ctx->provider->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    ctx->rc = oidc_callback_iss(&cb->args,
                                &ctx->provider->idp->issuer,
                                metadata->iss_parameter);

    if (ctx->rc == OIDC_OK && cb->args.error.len) {
        ctx->rc = oidc_callback_error(&cb->args);
        ctx->detail = cb->args.error_description.len
                      ? cb->args.error_description : cb->args.error;
    }

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


/* marked before the code is used, so that it is used once */

static ngx_int_t
ngx_http_oidc_spend_state(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    int64_t    left;
    u_char     name[32];
    ngx_int_t  rc;

    ctx->rc = oidc_sha256(cb->args.state.data, cb->args.state.len, name);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    /* a cookie opens for pre_auth_timeout; a second more against rounding */

    left = cb->login.created + ctx->provider->pre_auth_timeout - ngx_time() + 1;

    ctx->op.ttl = (ngx_msec_t) ngx_max(left, 1) * 1000;

    rc = ngx_http_oidc_store(r, ctx, ngx_oidc_store_once, NGX_OIDC_STORE_ONCE,
                             name);

    return (rc == NGX_AGAIN) ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_http_oidc_spent(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    switch (ctx->op.rc) {

    case NGX_OK:
        return NGX_OK;

    case NGX_DECLINED:
        ctx->rc = OIDC_STATE_SPENT;
        break;

    case NGX_BUSY:
        ctx->rc = OIDC_SPENT_FULL;
        break;

    default:
        ctx->rc = OIDC_STORE;
    }

    return NGX_DECLINED;
}


static ngx_int_t
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

        client = p->client;
        client.auth = oidc_client_auth(&p->client, metadata);

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

        ngx_str_set(&cb->token.method, "POST");
        ngx_str_set(&cb->token.accept, "application/json");
        ngx_str_set(&cb->token.content_type,
                    "application/x-www-form-urlencoded");
        cb->token.body = cb->form.body;
        cb->token.authorization = cb->form.authorization;

        ctx->rc = oidc_str_dup(&ctx->pool, &metadata->token_endpoint,
                               &cb->token.url);

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }
    }

    return ngx_http_oidc_fetch(r, ctx, &cb->token);
}


static ngx_int_t
ngx_http_oidc_fetched(ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_fetch_t *f)
{
    ctx->rc = f->rc;

    if (f->rc != OIDC_OK) {
        ctx->detail = f->url;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
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


static ngx_int_t
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


static ngx_int_t
ngx_http_oidc_check_id_token(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char                     nonce[43];
    ngx_int_t                  rc;
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

    ctx->rc = oidc_login_nonce(&cb->login, nonce);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    expect->issuer = p->idp->issuer;
    expect->client_id = p->client.id;
    expect->secret = p->client.secret;
    expect->nonce.len = sizeof(nonce);
    expect->nonce.data = nonce;
    expect->access_token = cb->tokens.access_token;
    expect->now = ngx_time();
    expect->skew = p->clock_skew;
    expect->algs = ngx_http_oidc_id_token_algs(p);
    cb->algs = expect->algs;

    if (p->trusted_audience != NULL) {
        expect->trusted_audience = p->trusted_audience->elts;
        expect->trusted_audience_n = p->trusted_audience->nelts;
    }

    ctx->rc = oidc_id_token_check(&ctx->pool, &cb->tokens.id_token, expect,
                                  &cb->claims);

    if (ctx->rc == OIDC_OK) {
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

        ctx->rc = OIDC_JWS_KID;
    }

    return NGX_DECLINED;
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


static ngx_int_t
ngx_http_oidc_ask_userinfo(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char                 *p;
    size_t                  len;
    const oidc_metadata_t  *metadata;

    if (!ctx->provider->userinfo) {
        return NGX_OK;
    }

    metadata = ngx_oidc_idp_metadata(ctx->provider->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    if (metadata->userinfo_endpoint.len == 0) {
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

        if (ctx->provider->userinfo_algs) {
            ngx_str_set(&cb->userinfo.accept, "application/jwt");

        } else {
            ngx_str_set(&cb->userinfo.accept,
                        "application/json, application/jwt");
        }

        ctx->rc = oidc_str_dup(&ctx->pool, &metadata->userinfo_endpoint,
                               &cb->userinfo.url);

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }
    }

    return ngx_http_oidc_fetch(r, ctx, &cb->userinfo);
}


static ngx_int_t
ngx_http_oidc_read_userinfo(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    char        *text;
    oidc_str_t   sub;

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

    cb->expect.jwks = ngx_oidc_idp_jwks(ctx->provider->idp);
    cb->expect.algs = ctx->provider->userinfo_algs;
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

    /* $oidc_userinfo is JSON, whatever it came as; escaped, so no controls */

    text = json_dumps(cb->user_claims, JSON_COMPACT|JSON_ENSURE_ASCII);

    if (text == NULL) {
        return NGX_ERROR;
    }

    sub.data = (u_char *) text;
    sub.len = ngx_strlen(text);

    ctx->rc = oidc_str_dup(&ctx->pool, &sub, &cb->tokens.userinfo);

    free(text);

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_oidc_new_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    ngx_int_t        rc;
    oidc_str_t       record;
    oidc_session_t  *session;

    session = &ctx->session;

    ngx_memzero(session, sizeof(oidc_session_t));

    session->created = ngx_time();
    session->expires = session->created + ctx->provider->session_lifetime;
    session->provider = ctx->provider->name;

    if (cb->tokens.expires_in >= 0) {
        session->access_expires = session->created + cb->tokens.expires_in;
    }

    (void) oidc_json_str(cb->claims, "sid", &session->sid);

    ctx->rc = oidc_claims_flatten(&ctx->pool, cb->claims, cb->user_claims,
                                  &session->claims);

    if (ctx->rc == OIDC_OK && !oidc_random(cb->handle, OIDC_HANDLE_LEN)) {
        ctx->rc = OIDC_CRYPTO;
    }

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_handle_keys(cb->handle, &cb->keys);
    }

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_session_seal(&ctx->pool, &cb->keys, session,
                                    &cb->tokens, oidc_random, &record,
                                    &ctx->op.head_len);
    }

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    ctx->op.value = record;
    ctx->op.ttl = ngx_http_oidc_ttl(ctx->provider, session);

    rc = ngx_http_oidc_store(r, ctx, ngx_oidc_store_create,
                             NGX_OIDC_STORE_SESSION, cb->keys.name);

    return (rc == NGX_AGAIN) ? NGX_AGAIN : NGX_OK;
}


/* the session that this browser had before, whoever had it */

static ngx_int_t
ngx_http_oidc_drop_old_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    u_char              handle[OIDC_HANDLE_LEN], *p;
    ngx_int_t           rc;
    oidc_str_t         *name, value;
    oidc_handle_keys_t  keys;

    if (ctx->op.rc != NGX_OK) {

        ctx->rc = (ctx->op.why == NGX_OIDC_STORE_TOO_BIG) ? OIDC_SESSION_SIZE
                                                         : OIDC_STORE;

        ctx->detail.data = ngx_pnalloc(r->pool, NGX_MAX_ERROR_STR / 2);
        if (ctx->detail.data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_oidc_store_explain(&ctx->op, ctx->detail.data,
                                   ctx->detail.data + NGX_MAX_ERROR_STR / 2);
        ctx->detail.len = p - ctx->detail.data;

        return NGX_DECLINED;
    }

    name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

    if (!ngx_http_oidc_cookie(r, name, &value)
        || !oidc_b64url_decode_buf(handle, OIDC_HANDLE_LEN, &value)
        || oidc_handle_keys(handle, &keys) != OIDC_OK)
    {
        return NGX_OK;
    }

    rc = ngx_http_oidc_store(r, ctx, ngx_oidc_store_del,
                             NGX_OIDC_STORE_SESSION, keys.name);

    oidc_wipe(&keys, sizeof(oidc_handle_keys_t));
    oidc_wipe(handle, OIDC_HANDLE_LEN);

    return (rc == NGX_AGAIN) ? NGX_AGAIN : NGX_OK;
}


static ngx_int_t
ngx_http_oidc_go_back(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    u_char       text[oidc_b64url_len(OIDC_HANDLE_LEN)];
    ngx_int_t    rc;
    oidc_str_t  *name, value, location;

    name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

    (void) oidc_b64url_encode_buf(text, cb->handle, OIDC_HANDLE_LEN);

    value.len = sizeof(text);
    value.data = text;

    rc = ngx_http_oidc_set_cookie(r, ctx, name, NULL, &value, -1);

    oidc_wipe(text, sizeof(text));

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_oidc_absolute(r, ctx, &cb->login.return_to,
                                &location);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_oidc_redirect(r, &location);
}
