
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Preaccess: who asks?  Runs before limit_req, so that a zone may key on
 * $oidc_claim_sub, and never refuses: that is the guard's.  This is the hot
 * path, and the only place that sets "authenticated".
 *
 * With a good session it costs: two scans of the Cookie header, one look-up in
 * the store and a copy of the claims; where this worker has not opened it
 * lately also one SHA-512 and one AES-GCM of about a kilobyte.  Four
 * allocations from the request's pool.  No JSON, no public key, no log line.
 */


#include "ngx_http_oidc_cache.h"

#include "oidc_b64.h"


static ngx_int_t ngx_http_oidc_choose(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_srv_conf_t *scf,
    ngx_http_oidc_own_uri_t **own, ngx_http_oidc_provider_t **provider);
static ngx_uint_t ngx_http_oidc_comes_from(ngx_http_request_t *r,
    ngx_http_oidc_own_uri_t *own);
static ngx_int_t ngx_http_oidc_redact(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static void ngx_http_oidc_redact_variables(ngx_http_request_t *r);
static void ngx_http_oidc_start_over(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_provider_t *p);
static ngx_int_t ngx_http_oidc_find_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_ask_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_open_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static oidc_rc_t ngx_http_oidc_read_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static void ngx_http_oidc_forget(ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_touched(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


static ngx_http_oidc_step_pt  ngx_http_oidc_identify_steps[] = {
    ngx_http_oidc_find_session,
    ngx_http_oidc_open_session,
    ngx_http_oidc_touched,
    NULL
};


/*
 * Post-read, the first phase: what comes to an URI of ours may be refused long
 * before we are asked, by client_max_body_size say, and is logged then.
 */

ngx_int_t
ngx_http_oidc_hide(ngx_http_request_t *r)
{
    ngx_uint_t                 i;
    ngx_http_oidc_ctx_t       *ctx;
    ngx_http_oidc_own_uri_t   *own;
    ngx_http_oidc_srv_conf_t  *scf;

    if (r != r->main || r->args.len == 0) {
        return NGX_DECLINED;
    }

    scf = ngx_http_get_module_srv_conf(r, ngx_http_oidc_module);
    own = scf->own.elts;

    for (i = 0; i < scf->own.nelts; i++) {

        if (!oidc_str_eq(&own[i].path, &r->uri)) {
            continue;
        }

        ctx = ngx_http_oidc_make_ctx(r);

        if (ctx == NULL || ngx_http_oidc_redact(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        break;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_oidc_identify(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_oidc_ctx_t       *ctx;
    ngx_http_oidc_own_uri_t   *own;
    ngx_http_oidc_srv_conf_t  *scf;
    ngx_http_oidc_provider_t  *p;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_oidc_module);

    if (ngx_http_oidc_scrub_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r != r->main || scf->own.nelts == 0) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx != NULL && ctx->identifying) {
        goto run;
    }

    if (ctx != NULL && ctx->own != NULL && (r->err_status || r->error_page)) {

        /* limit_req, deny, its body were against it: a page answers, not we */

        ctx->failed = ctx->own;
        ngx_http_oidc_abandon(ctx);
    }

    rc = ngx_http_oidc_choose(r, ctx, scf, &own, &p);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (p == NULL && rc == NGX_OK) {

        if (ctx != NULL) {
            ctx->own = NULL;
        }

        return (ngx_http_oidc_strip_cookies(r, scf) == NGX_OK)
               ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_oidc_make_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->own = own;

    if (rc == NGX_DECLINED) {
        return ngx_http_oidc_refuse(r, ctx, OIDC_NO_PROVIDER);
    }

    if (own != NULL && ngx_http_oidc_redact(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->provider == p && ngx_http_oidc_bearer_same(r, ctx)) {
        return NGX_DECLINED;
    }

    ngx_http_oidc_start_over(ctx, p);
    ctx->identifying = 1;

    rc = ngx_http_oidc_bearer_begin(r, ctx);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ctx->step = ngx_http_oidc_identify_steps;
    }

run:

    rc = ngx_http_oidc_run(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->identifying = 0;
    ctx->step = NULL;

    return (ngx_http_oidc_strip_cookies(r, scf) == NGX_OK)
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* NGX_DECLINED: the value of auth_oidc names no provider */

static ngx_int_t
ngx_http_oidc_choose(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_srv_conf_t *scf, ngx_http_oidc_own_uri_t **own,
    ngx_http_oidc_provider_t **provider)
{
    ngx_str_t                   name;
    ngx_uint_t                  i;
    ngx_http_oidc_own_uri_t    *uri;
    ngx_http_oidc_loc_conf_t   *lcf;
    ngx_http_oidc_main_conf_t  *omcf;

    *own = NULL;
    *provider = NULL;

    uri = scf->own.elts;

    for (i = 0; i < scf->own.nelts; i++) {
        if (oidc_str_eq(&uri[i].path, &r->uri)
            && (ctx == NULL || ctx->failed == NULL
                || !oidc_str_eq(&uri[i].path, &ctx->failed->path)))
        {
            if (*own != NULL && !ngx_http_oidc_comes_from(r, &uri[i])) {
                continue;
            }

            *own = &uri[i];
            *provider = uri[i].provider;
        }
    }

    if (*own != NULL) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (lcf->off || lcf->mode == NGX_HTTP_OIDC_MODE_OFF || lcf->jwks) {
        return NGX_OK;
    }

    if (lcf->value == NULL) {
        *provider = lcf->provider;
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, lcf->value, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (name.len == 3 && ngx_strncmp(name.data, "off", 3) == 0) {
        return NGX_OK;
    }

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    *provider = ngx_http_oidc_find_provider(omcf, &name);

    return (*provider != NULL) ? NGX_OK : NGX_DECLINED;
}


/*
 * Of several providers that share an URI: the one whose session this browser
 * has, else the first.  A callback finds its own by the cookie of its state.
 */

static ngx_uint_t
ngx_http_oidc_comes_from(ngx_http_request_t *r, ngx_http_oidc_own_uri_t *own)
{
    oidc_str_t            value;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_make_ctx(r);

    return ctx != NULL
           && ngx_http_oidc_cookie(r, &own->provider->session_cookie[
                                                 ngx_http_oidc_https(r, ctx)],
                                   &value);
}


/*
 * The arguments of our URIs hold codes and states, which must not get into a
 * log by $request, $args or the error log's "request:", nor to anyone behind.
 */

static ngx_int_t
ngx_http_oidc_redact(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    u_char  *p;

    if (r->args.len == 0) {
        return NGX_OK;
    }

    ngx_http_oidc_redact_variables(r);

    ctx->args = r->args;
    r->args.len = 0;

    p = ngx_pnalloc(r->pool, r->method_name.len + 1 + r->uri.len + 1
                             + r->http_protocol.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->request_line.data = p;

    p = ngx_cpymem(p, r->method_name.data, r->method_name.len);
    *p++ = ' ';

    r->unparsed_uri.data = p;
    r->unparsed_uri.len = r->uri.len;

    p = ngx_cpymem(p, r->uri.data, r->uri.len);
    *p++ = ' ';
    p = ngx_cpymem(p, r->http_protocol.data, r->http_protocol.len);

    r->request_line.len = p - r->request_line.data;

    return NGX_OK;
}


/*
 * A map or an "if" may have read $request, $request_uri, $args or an argument
 * before us, and nginx keeps such values for the log: they are read again.
 */

static void
ngx_http_oidc_redact_variables(ngx_http_request_t *r)
{
    u_char                     *args, *last;
    ngx_uint_t                  i;
    ngx_http_variable_value_t  *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    v = r->variables;
    args = r->args.data;
    last = args + r->args.len;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        if (v[i].valid
            && (v[i].data == r->request_line.data
                || v[i].data == r->unparsed_uri.data
                || (v[i].data < last && v[i].data + v[i].len > args)))
        {
            v[i].valid = 0;
        }
    }
}


/* also where an internal redirect leads to another provider */

static void
ngx_http_oidc_start_over(ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_provider_t *p)
{
    ctx->provider = p;
    ctx->authenticated = 0;
    ctx->has_session = 0;
    ctx->has_tokens = 0;
    ctx->unavailable = 0;
    ctx->stale_cookie = 0;
    ctx->weak = 0;
    ctx->refreshed = 0;
    ctx->ended = 0;
}


static ngx_int_t
ngx_http_oidc_find_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_str_t  *name, *value;
    u_char       handle[OIDC_HANDLE_LEN];

    value = &ctx->handle;
    name = &ctx->provider->session_cookie[ngx_http_oidc_https(r, ctx)];

    ctx->op.rc = NGX_DECLINED;
    ctx->op.why = NGX_OIDC_STORE_ABSENT;

    if (!ngx_http_oidc_cookie(r, name, value)) {
        return NGX_OK;
    }

    ctx->stale_cookie = 1;

    ctx->cached = ngx_http_oidc_cache_find(value);

    ctx->op.known.len = 0;

    if (ctx->cached != NULL) {
        ctx->keys = *ngx_http_oidc_cache_keys(ctx->cached);

        ngx_http_oidc_cache_stamp(ctx->cached, ctx->stamp);

        ctx->op.known.len = OIDC_SESSION_STAMP;
        ctx->op.known.data = ctx->stamp;

    } else {

        if (!oidc_b64url_decode_buf(handle, OIDC_HANDLE_LEN, value)) {
            return NGX_OK;
        }

        ctx->rc = oidc_handle_keys(handle, &ctx->keys);

        oidc_wipe(handle, OIDC_HANDLE_LEN);

        if (ctx->rc != OIDC_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_oidc_ask_session(r, ctx);
}


/*
 * The head is enough, unless tokens will be read: by a variable, whose reader
 * cannot wait for a store that answers later, or by a logout.
 */

static ngx_int_t
ngx_http_oidc_ask_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_oidc_store_t           *store;
    ngx_http_oidc_main_conf_t  *omcf;

    store = ctx->provider->store;
    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    ctx->op.head = 1;
    ctx->op.fresh = 0;

    if (ngx_oidc_store_waits(store)
        && (omcf->tokens
            || (ctx->own != NULL
                && ctx->own->kind == NGX_HTTP_OIDC_LOGOUT_URI)))
    {
        ctx->op.head = 0;
        ctx->op.known.len = 0;
    }

    return ngx_http_oidc_store(r, ctx, store, ngx_oidc_store_get,
                               NGX_OIDC_STORE_SESSION, ctx->keys.name);
}


static ngx_int_t
ngx_http_oidc_open_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_msec_t            left;
    oidc_rc_t             orc;
    ngx_oidc_store_op_t  *op;

    op = &ctx->op;

    if (op->rc == NGX_OK && op->same
        && !ngx_http_oidc_cache_still(ctx->cached, ctx->stamp))
    {
        /* pushed out while the store was asked: now the record is needed */

        op->known.len = 0;

        if (ngx_http_oidc_ask_session(r, ctx) == NGX_AGAIN) {
            return NGX_BUSY;
        }
    }

    if (op->rc == NGX_ERROR) {
        ctx->unavailable = 1;
        return NGX_OK;
    }

    if (op->rc != NGX_OK) {
        ngx_http_oidc_forget(ctx);
        return NGX_OK;
    }

    ctx->has_session = 1;
    ctx->record.len = op->value.len;
    ctx->record.data = op->value.data;

    orc = ngx_http_oidc_read_session(r, ctx);

    if (orc == OIDC_OK
        && !oidc_str_eq(&ctx->session.provider, &ctx->provider->realm))
    {
        orc = OIDC_SESSION_PROVIDER;
    }

    if (orc != OIDC_OK) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "oidc session: %s", oidc_rc_name(orc));

        ctx->has_session = 0;
        ngx_http_oidc_forget(ctx);
        return (orc == OIDC_NOMEM) ? NGX_ERROR : NGX_OK;
    }

    ctx->stale_cookie = 0;
    ctx->authenticated = 1;

    left = op->ttl;
    op->ttl = ngx_http_oidc_ttl(ctx->provider, &ctx->session);

    if (op->ttl < left + ngx_http_oidc_touch_interval(ctx->provider)) {
        return NGX_OK;
    }

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_touch, NGX_OIDC_STORE_SESSION,
                               ctx->keys.name);
}


/* the record, or what is known of it where it is still the same */

static oidc_rc_t
ngx_http_oidc_read_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_rc_t  rc;

    if (!ctx->op.same) {

        rc = oidc_session_open(&ctx->pool, &ctx->keys, &ctx->record,
                               ngx_time(), &ctx->session);

        if (rc == OIDC_OK) {
            ngx_http_oidc_cache_put(&ctx->handle, &ctx->keys, &ctx->record,
                                    &ctx->session, r->connection->log);
        }

        return rc;
    }

    if (ngx_http_oidc_cache_get(ctx->cached, r->pool, &ctx->session)
        != NGX_OK)
    {
        return OIDC_NOMEM;
    }

    return (ctx->session.expires > ngx_time()) ? OIDC_OK
                                               : OIDC_SESSION_EXPIRED;
}


static void
ngx_http_oidc_forget(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_cached_t  *cached;

    cached = ngx_http_oidc_cache_find(&ctx->handle);

    if (cached != NULL) {
        ngx_http_oidc_cache_drop(cached);
    }
}


/*
 * Nothing is lost where the touch failed, unless a logout has come between:
 * then the session is over.
 */

static ngx_int_t
ngx_http_oidc_touched(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->authenticated && ctx->op.rc == NGX_DECLINED) {
        ctx->authenticated = 0;
        ctx->has_session = 0;
    }

    return NGX_OK;
}
