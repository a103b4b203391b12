
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The start of a login: a sealed cookie of its own for this state, and a
 * redirect to the authorization endpoint (OpenID Connect Core 3.1.2.1).  The
 * request may be signed (RFC 9101), and pushed to the provider ahead of the
 * browser (RFC 9126).  The gateway keeps nothing.
 */


#include "ngx_http_oidc_args.h"

#include "oidc_authz.h"
#include "oidc_cookie.h"
#include "oidc_par.h"


typedef struct {
    oidc_str_t               return_to;
    oidc_login_t             login;
    oidc_authz_t             authz;
    u_char                   state[OIDC_STATE_LEN];
    u_char                   nonce[43];
    u_char                   challenge[43];
    oidc_form_t              form;
    ngx_http_oidc_fetch_t    par;
} ngx_http_oidc_login_flow_t;


static void ngx_http_oidc_login_cleanup(void *data);
static ngx_int_t ngx_http_oidc_login_request(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_login_object(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_login_push(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_login_pushed(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_login_target(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static oidc_rc_t ngx_http_oidc_initiated(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_str_t *next);
static oidc_rc_t ngx_http_oidc_decoded_arg(ngx_http_oidc_ctx_t *ctx,
    const char *arg, oidc_str_t *decoded);
static oidc_rc_t ngx_http_oidc_target(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_str_t *target, oidc_str_t *next);
static ngx_int_t ngx_http_oidc_login_redirect(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_login_cookie(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_login_t *login, const oidc_str_t *state);


static ngx_http_oidc_step_pt  ngx_http_oidc_login_uri_steps[] = {
    ngx_http_oidc_read_form,            /* of a POST alone */
    ngx_http_oidc_form_args,
    ngx_http_oidc_login_target,
    NULL
};


static ngx_http_oidc_step_pt  ngx_http_oidc_login_steps[] = {
    ngx_http_oidc_need_metadata,
    ngx_http_oidc_login_request,
    ngx_http_oidc_login_object,
    ngx_http_oidc_login_push,
    ngx_http_oidc_login_pushed,
    ngx_http_oidc_login_redirect,
    NULL
};


/* return_to is NULL when the request goes on after a wait */

ngx_int_t
ngx_http_oidc_login(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *return_to)
{
    if (return_to != NULL
        && ngx_http_oidc_login_begin(r, ctx, return_to) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_oidc_run(r, ctx);
}


static void
ngx_http_oidc_login_cleanup(void *data)
{
    ngx_http_oidc_login_flow_t *flow = data;

    if (flow->par.timer.timer_set) {
        ngx_del_timer(&flow->par.timer);
    }

    oidc_wipe(flow->form.body.data, flow->form.body.len);
    oidc_wipe(flow->form.authorization.data, flow->form.authorization.len);
    oidc_wipe(&flow->login, sizeof(oidc_login_t));
}


/* also the last step of a flow that ends with a login */

ngx_int_t
ngx_http_oidc_login_begin(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *return_to)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_oidc_login_flow_t  *flow;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_login_flow_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    flow = cln->data;
    ngx_memzero(flow, sizeof(ngx_http_oidc_login_flow_t));
    cln->handler = ngx_http_oidc_login_cleanup;

    /* what a link brings is no longer than what was asked for */

    oidc_return_path(return_to, &flow->return_to);

    ctx->what = "login";
    ctx->flow = flow;
    ctx->step = ngx_http_oidc_login_steps;

    return NGX_OK;
}


/* login_uri?next=/path, or begun by somebody else */

ngx_int_t
ngx_http_oidc_login_uri(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->step != NULL) {
        return ngx_http_oidc_run(r, ctx);
    }

    ctx->step = (r->method == NGX_HTTP_POST)
                ? ngx_http_oidc_login_uri_steps
                : &ngx_http_oidc_login_uri_steps[2];

    return ngx_http_oidc_run(r, ctx);
}


static ngx_int_t
ngx_http_oidc_login_target(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_str_t  next;

    ctx->rc = ngx_http_oidc_next(r, ctx, &next);

    if (ctx->rc == OIDC_OK) {
        ctx->rc = ngx_http_oidc_initiated(r, ctx, &next);
    }

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    if (next.len == 0) {
        next.len = 1;
        next.data = (u_char *) "/";
    }

    return ngx_http_oidc_login_begin(r, ctx, &next);
}


/*
 * A login that somebody else has begun (OpenID Connect Core section 4): iss is
 * ours, target_link_uri passes the validator, login_hint is taken where
 * auth_args_from_query says so, and nothing else.
 */

static oidc_rc_t
ngx_http_oidc_initiated(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_str_t *next)
{
    oidc_rc_t   rc;
    oidc_str_t  iss, target;

    rc = ngx_http_oidc_decoded_arg(ctx, "iss", &iss);

    if (rc != OIDC_OK || iss.len == 0) {
        return rc;
    }

    if (!oidc_str_eq(&iss, &ctx->provider->idp->issuer)) {
        return OIDC_ISS_MISMATCH;
    }

    rc = ngx_http_oidc_decoded_arg(ctx, "target_link_uri", &target);

    if (rc != OIDC_OK || target.len == 0) {
        return rc;
    }

    return (next->len == 0) ? ngx_http_oidc_target(r, ctx, &target, next)
                            : OIDC_ARGS;
}


/*
 * The argument "next" of login_uri and logout_uri, which must pass the
 * validator; *next is empty without one.
 */

oidc_rc_t
ngx_http_oidc_next(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_str_t *next)
{
    oidc_rc_t   rc;
    oidc_str_t  target;

    ngx_memzero(next, sizeof(oidc_str_t));

    rc = ngx_http_oidc_decoded_arg(ctx, "next", &target);

    if (rc != OIDC_OK || target.data == NULL) {
        return rc;
    }

    return ngx_http_oidc_target(r, ctx, &target, next);
}


/* data NULL: there is none */

static oidc_rc_t
ngx_http_oidc_decoded_arg(ngx_http_oidc_ctx_t *ctx, const char *arg,
    oidc_str_t *decoded)
{
    oidc_str_t  rest, name, value, raw;
    ngx_uint_t  n;

    ngx_memzero(decoded, sizeof(oidc_str_t));

    rest = ctx->args;
    n = 0;

    while (oidc_args_next(&rest, &name, &value)) {
        if (oidc_str_eq_cstr(&name, arg)) {
            raw = value;
            n++;
        }
    }

    if (n == 0) {
        return OIDC_OK;
    }

    if (n > 1 || raw.len > 3 * OIDC_RETURN_MAX) {
        return OIDC_ARGS;
    }

    return oidc_form_decode(&ctx->pool, &raw, decoded);
}


static oidc_rc_t
ngx_http_oidc_target(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *target, oidc_str_t *next)
{
    oidc_url_t  base;

    if (ngx_http_oidc_origin(r, ctx) != NGX_OK
        || oidc_url_parse(&ctx->origin.text, &base) != OIDC_OK)
    {
        return OIDC_HOST;
    }

    return oidc_return_target(target, &base, next);
}


/* a step of several flows: waits for the provider's metadata, once */

ngx_int_t
ngx_http_oidc_need_metadata(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ngx_oidc_idp_metadata(ctx->provider->idp) != NULL) {
        return NGX_OK;
    }

    rc = ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_READY);

    if (rc == NGX_DECLINED) {
        ctx->rc = OIDC_NOT_READY;
    }

    return rc;
}


static ngx_int_t
ngx_http_oidc_login_request(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_login_flow_t *flow = ctx->flow;

    u_char                     secret[43];
    ngx_int_t                  rc;
    oidc_str_t                 verifier;
    oidc_authz_t              *authz;
    oidc_login_t              *login;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    authz = &flow->authz;
    login = &flow->login;

    rc = ngx_http_oidc_absolute(r, ctx, &p->uri[NGX_HTTP_OIDC_REDIRECT_URI],
                                &authz->redirect_uri);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->rc = oidc_login_begin(oidc_random, login, flow->state);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    login->created = ngx_time();
    login->provider = p->name;
    login->return_to = flow->return_to;

    if (p->form_post && ctx->has_session) {

        /* its cookie, SameSite=Lax, will not come with the provider's POST */

        login->has_old = 1;
        ngx_memcpy(login->old, ctx->keys.name, sizeof(login->old));

    } else if (ctx->previous != NULL && ctx->previous->has_old) {
        login->has_old = 1;
        ngx_memcpy(login->old, ctx->previous->old, sizeof(login->old));
    }

    authz->client_id = p->client.id;
    authz->scope = p->scope;
    authz->state.len = OIDC_STATE_LEN;
    authz->state.data = flow->state;
    authz->nonce.len = sizeof(flow->nonce);
    authz->nonce.data = flow->nonce;

    if (ngx_http_oidc_args_build(r, ctx, login, &authz->extra) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->rc = oidc_login_nonce(login, flow->nonce);

    if (ctx->rc == OIDC_OK && p->pkce) {

        verifier.len = sizeof(secret);
        verifier.data = secret;
        authz->challenge.len = sizeof(flow->challenge);
        authz->challenge.data = flow->challenge;

        ctx->rc = oidc_login_verifier(login, secret);

        if (ctx->rc == OIDC_OK) {
            ctx->rc = oidc_pkce_challenge(&verifier, flow->challenge);
        }

        oidc_wipe(secret, sizeof(secret));
    }

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


/* RFC 9101; its audience is the issuer, whatever assertions say */

static ngx_int_t
ngx_http_oidc_login_object(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_login_flow_t *flow = ctx->flow;

    oidc_client_t              client;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    metadata = ngx_oidc_idp_metadata(p->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    if (!p->request_object && !metadata->object_required) {
        return NGX_OK;
    }

    ngx_http_oidc_client(p, metadata, metadata->token_auth, &client);
    client.audience = p->idp->issuer;

    ctx->rc = oidc_authz_object(&ctx->pool, &flow->authz, &client,
                                &flow->authz.request);

    if (ctx->rc != OIDC_OK) {
        ngx_str_set(&ctx->detail, "request object");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* RFC 9126 */

static ngx_int_t
ngx_http_oidc_login_push(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_login_flow_t *flow = ctx->flow;

    oidc_client_t              client;
    const oidc_str_t          *url;
    ngx_http_oidc_fetch_t     *f;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    f = &flow->par;

    metadata = ngx_oidc_idp_metadata(p->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    if (!p->par && !metadata->par_required) {
        return NGX_OK;
    }

    if (flow->form.body.len == 0) {

        url = ngx_http_oidc_endpoint_url(p, metadata,
                                       pushed_authorization_request_endpoint);

        if (url->len == 0) {
            ngx_str_set(&ctx->detail, "pushed_authorization_request_endpoint");
            ctx->rc = OIDC_META_MEMBER;
            return NGX_DECLINED;
        }

        ngx_http_oidc_client(p, metadata, metadata->token_auth, &client);

        ctx->rc = oidc_par_request(&ctx->pool, &flow->authz, &client,
                                   &flow->form);

        if (ctx->rc == OIDC_OK) {
            ctx->rc = oidc_str_dup(&ctx->pool, url, &f->url);
        }

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }

        ngx_str_set(&f->method, "POST");
        ngx_str_set(&f->accept, "application/json");
        ngx_str_set(&f->content_type, "application/x-www-form-urlencoded");
        f->body = flow->form.body;
        f->authorization = flow->form.authorization;
    }

    return ngx_http_oidc_fetch(r, ctx, f);
}


static ngx_int_t
ngx_http_oidc_login_pushed(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_login_flow_t *flow = ctx->flow;

    int64_t                 expires_in;
    oidc_str_t              error;
    ngx_http_oidc_fetch_t  *f;

    f = &flow->par;

    if (f->url.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_oidc_fetched(ctx, f) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(&error, sizeof(oidc_str_t));

    ctx->rc = oidc_par_parse(&ctx->pool, f->status, &f->answer_type,
                             &f->answer, &flow->authz.request_uri,
                             &expires_in, &error);

    if (ctx->rc != OIDC_OK) {
        ctx->detail = error;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_login_redirect(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_login_flow_t *flow = ctx->flow;

    oidc_str_t                 location;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    metadata = ngx_oidc_idp_metadata(p->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    flow->authz.endpoint = metadata->authorization_endpoint;

    ctx->rc = oidc_authz_url(&ctx->pool, &flow->authz, &location);

    if (ctx->rc == OIDC_OK
        && ngx_http_oidc_login_cookie(r, ctx, &flow->login,
                                      &flow->authz.state)
           != NGX_OK)
    {
        ctx->rc = OIDC_NOMEM;
    }

    oidc_wipe(&flow->login, sizeof(oidc_login_t));

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    /* a cookie that opens nothing would only be sent again and again */

    if (ctx->stale_cookie
        && ngx_http_oidc_set_cookie(r, ctx, &p->session_cookie[
                                               ngx_http_oidc_https(r, ctx)],
                                    NULL, NULL, 0)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_oidc_redirect(r, &location);
}


static ngx_int_t
ngx_http_oidc_login_cookie(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_login_t *login, const oidc_str_t *state)
{
    u_char                      data[OIDC_LOGIN_SUFFIX_LEN];
    oidc_str_t                 *name, suffix, value;
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    name = &ctx->provider->login_cookie[ngx_http_oidc_https(r, ctx)];
    suffix.len = OIDC_LOGIN_SUFFIX_LEN;
    suffix.data = data;

    if (oidc_login_suffix(state, data) != OIDC_OK
        || oidc_login_seal(&ctx->pool, omcf->ring, "login", state, login,
                           oidc_random, &value)
           != OIDC_OK
        || ngx_http_oidc_drop_pending(r, ctx, name->len + suffix.len
                                              + value.len + 3)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_oidc_set_cookie(r, ctx, name, &suffix, &value,
                                    ctx->provider->pre_auth_timeout);
}
