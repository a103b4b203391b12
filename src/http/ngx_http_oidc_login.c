
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The start of a login: a sealed cookie of its own for this state, and a
 * redirect to the authorization endpoint (OpenID Connect Core 3.1.2.1).  The
 * gateway keeps nothing.
 */


#include "ngx_http_oidc.h"

#include "oidc_authz.h"
#include "oidc_cookie.h"


/* cookies deleted with one answer; the rest goes with the next */

#define NGX_HTTP_OIDC_DROP_MAX  20


typedef struct {
    oidc_str_t    suffix;
    int64_t       created;
    ngx_uint_t    order;        /* in the Cookie header: the oldest first */
    size_t        size;
} ngx_http_oidc_pending_t;


static ngx_int_t ngx_http_oidc_login_redirect(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_login_cookie(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_login_t *login, const oidc_str_t *state);
static ngx_int_t ngx_http_oidc_drop_pending(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, size_t size);
static ngx_uint_t ngx_http_oidc_find_pending(ngx_http_request_t *r,
    const oidc_str_t *prefix, ngx_http_oidc_pending_t *pending,
    ngx_uint_t max);
static int ngx_libc_cdecl ngx_http_oidc_pending_cmp(const void *one,
    const void *two);


static ngx_http_oidc_step_pt  ngx_http_oidc_login_steps[] = {
    ngx_http_oidc_need_metadata,
    ngx_http_oidc_login_redirect,
    NULL
};


/* return_to is NULL when the request goes on after a wait */

ngx_int_t
ngx_http_oidc_login(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *return_to)
{
    oidc_str_t  *target;

    if (return_to != NULL) {

        target = ngx_palloc(r->pool, sizeof(oidc_str_t));
        if (target == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        *target = *return_to;

        ctx->what = "login";
        ctx->flow = target;
        ctx->step = ngx_http_oidc_login_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


/* login_uri?next=/path */

ngx_int_t
ngx_http_oidc_login_uri(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_rc_t   rc;
    oidc_str_t  next;

    if (ctx->flow != NULL) {
        return ngx_http_oidc_login(r, ctx, NULL);
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_oidc_refuse(r, ctx, OIDC_METHOD);
    }

    rc = ngx_http_oidc_next(r, ctx, &next);

    if (rc != OIDC_OK) {
        return ngx_http_oidc_refuse(r, ctx, rc);
    }

    if (next.len == 0) {
        next.len = 1;
        next.data = (u_char *) "/";
    }

    return ngx_http_oidc_login(r, ctx, &next);
}


/*
 * The argument "next" of login_uri and logout_uri, which must pass the
 * validator; *next is empty without one.
 */

oidc_rc_t
ngx_http_oidc_next(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_str_t *next)
{
    oidc_rc_t    rc;
    oidc_url_t   base;
    oidc_str_t   rest, name, value, raw, decoded;
    ngx_uint_t   n;

    ngx_memzero(next, sizeof(oidc_str_t));

    rest.len = ctx->args.len;
    rest.data = ctx->args.data;
    n = 0;

    while (oidc_args_next(&rest, &name, &value)) {
        if (oidc_str_eq_cstr(&name, "next")) {
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

    rc = oidc_form_decode(&ctx->pool, &raw, &decoded);

    if (rc != OIDC_OK) {
        return rc;
    }

    if (ngx_http_oidc_origin(r, ctx) != NGX_OK
        || oidc_url_parse(&ctx->origin.text, &base) != OIDC_OK)
    {
        return OIDC_HOST;
    }

    return oidc_return_target(&decoded, &base, next);
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
ngx_http_oidc_login_redirect(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    u_char                     state[OIDC_STATE_LEN], nonce[43], secret[43],
                               challenge[43];
    ngx_int_t                  rc;
    oidc_str_t                 location, verifier, *return_to;
    oidc_login_t               login;
    oidc_authz_t               authz;
    const oidc_metadata_t     *metadata;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;
    return_to = ctx->flow;

    metadata = ngx_oidc_idp_metadata(p->idp);

    if (metadata == NULL) {
        ctx->rc = OIDC_NOT_READY;
        return NGX_DECLINED;
    }

    ngx_memzero(&authz, sizeof(oidc_authz_t));
    ngx_memzero(&login, sizeof(oidc_login_t));

    rc = ngx_http_oidc_absolute(r, ctx, &p->uri[NGX_HTTP_OIDC_REDIRECT_URI],
                                &authz.redirect_uri);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->rc = oidc_login_begin(oidc_random, &login, state);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    login.created = ngx_time();
    login.provider.len = p->name.len;
    login.provider.data = p->name.data;
    login.return_to = *return_to;

    authz.endpoint = metadata->authorization_endpoint;
    authz.client_id = p->client.id;
    authz.scope.len = p->scope.len;
    authz.scope.data = p->scope.data;
    authz.extra.len = p->extra_auth_args.len;
    authz.extra.data = p->extra_auth_args.data;
    authz.state.len = OIDC_STATE_LEN;
    authz.state.data = state;
    authz.nonce.len = sizeof(nonce);
    authz.nonce.data = nonce;

    ctx->rc = oidc_login_nonce(&login, nonce);

    if (ctx->rc == OIDC_OK && p->pkce) {

        verifier.len = sizeof(secret);
        verifier.data = secret;
        authz.challenge.len = sizeof(challenge);
        authz.challenge.data = challenge;

        ctx->rc = oidc_login_verifier(&login, secret);

        if (ctx->rc == OIDC_OK) {
            ctx->rc = oidc_pkce_challenge(&verifier, challenge);
        }

        oidc_wipe(secret, sizeof(secret));
    }

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_authz_url(&ctx->pool, &authz, &location);
    }

    if (ctx->rc == OIDC_OK
        && ngx_http_oidc_login_cookie(r, ctx, &login, &authz.state) != NGX_OK)
    {
        ctx->rc = OIDC_NOMEM;
    }

    oidc_wipe(&login, sizeof(oidc_login_t));

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


/*
 * Makes room for one more pending login of "size" bytes: drops those that are
 * over, then the oldest, until at most NGX_HTTP_OIDC_LOGINS_MAX of them take
 * at most NGX_HTTP_OIDC_LOGINS_SIZE of the Cookie header.
 */

static ngx_int_t
ngx_http_oidc_drop_pending(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    size_t size)
{
    time_t                    oldest;
    ngx_uint_t                i, n, kept, dropped;
    oidc_str_t               *prefix;
    ngx_http_oidc_pending_t   pending[OIDC_COOKIE_COUNT_MAX / 10];

    prefix = &ctx->provider->login_cookie[ngx_http_oidc_https(r, ctx)];

    n = ngx_http_oidc_find_pending(r, prefix, pending,
                                   OIDC_COOKIE_COUNT_MAX / 10);

    if (n == 0) {
        return NGX_OK;
    }

    /* the youngest first */

    ngx_qsort(pending, n, sizeof(ngx_http_oidc_pending_t),
              ngx_http_oidc_pending_cmp);

    oldest = ngx_time() - ctx->provider->pre_auth_timeout;
    kept = 1;
    dropped = 0;

    for (i = 0; i < n; i++) {

        size += pending[i].size;

        if (pending[i].created >= oldest
            && kept < NGX_HTTP_OIDC_LOGINS_MAX
            && size <= NGX_HTTP_OIDC_LOGINS_SIZE)
        {
            kept++;
            continue;
        }

        if (dropped++ == NGX_HTTP_OIDC_DROP_MAX) {
            break;
        }

        if (ngx_http_oidc_set_cookie(r, ctx, prefix, &pending[i].suffix, NULL,
                                     0)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_oidc_find_pending(ngx_http_request_t *r, const oidc_str_t *prefix,
    ngx_http_oidc_pending_t *pending, ngx_uint_t max)
{
    ngx_uint_t  i, n;
    oidc_str_t  line, name, value;

    n = 0;

    for (i = 0; ngx_http_oidc_cookies(r, i, &line); i++) {

        while (n < max && oidc_cookie_next(&line, &name, &value)) {

            /* one that we would not write cannot be deleted by us, either */

            if (name.len != prefix->len + OIDC_LOGIN_SUFFIX_LEN
                || ngx_memcmp(name.data, prefix->data, prefix->len) != 0
                || !oidc_cookie_name_ok(&name))
            {
                continue;
            }

            pending[n].suffix.len = OIDC_LOGIN_SUFFIX_LEN;
            pending[n].suffix.data = name.data + prefix->len;
            pending[n].created = oidc_login_created(&value);
            pending[n].order = n;
            pending[n].size = name.len + value.len + 3;
            n++;
        }
    }

    return n;
}


static int ngx_libc_cdecl
ngx_http_oidc_pending_cmp(const void *one, const void *two)
{
    const ngx_http_oidc_pending_t  *a = one;
    const ngx_http_oidc_pending_t  *b = two;

    if (a->created != b->created) {
        return (a->created < b->created) ? 1 : -1;
    }

    /* begun within a second: browsers send them in order (RFC 6265, 5.4) */

    return (a->order < b->order) ? 1 : -1;
}
