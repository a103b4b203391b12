
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The way back from the provider (RFC 6749 sections 4.1.2 to 4.1.4, OpenID
 * Connect Core 3.1.2.5 to 3.1.3.7, RFC 9207), as a list of steps.  Until the
 * last but one nothing is kept: whatever fails leaves no session behind, and an
 * existing one untouched.
 */


#include "ngx_http_oidc_args.h"
#include "ngx_http_oidc_callback.h"

#include "oidc_claims.h"
#include "oidc_seal.h"


static ngx_int_t ngx_http_oidc_form_posted(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_read_args(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_open_login_state(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_check_issuer(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_go_back_as_nobody(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_check_wishes(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_spend_state(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_spent(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


/* OAuth 2.0 Form Post Response Mode */

static ngx_http_oidc_step_pt  ngx_http_oidc_form_post_steps[] = {
    ngx_http_oidc_read_form,
    ngx_http_oidc_form_args,
    ngx_http_oidc_form_posted,
    NULL
};


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
    ngx_http_oidc_open_id_token,
    ngx_http_oidc_check_id_token,
    ngx_http_oidc_ask_userinfo,
    ngx_http_oidc_open_userinfo,
    ngx_http_oidc_read_userinfo,
    ngx_http_oidc_check_wishes,
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

        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_callback_t));
        if (cln == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(cln->data, sizeof(ngx_http_oidc_callback_t));
        cln->handler = ngx_http_oidc_callback_cleanup;

        ctx->flow = cln->data;
        ctx->step = (r->method == NGX_HTTP_POST)
                    ? ngx_http_oidc_form_post_steps
                    : ngx_http_oidc_callback_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


static ngx_int_t
ngx_http_oidc_form_posted(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ctx->step = ngx_http_oidc_callback_steps;

    return NGX_OK;
}


void
ngx_http_oidc_callback_cleanup(void *data)
{
    ngx_http_oidc_callback_t *cb = data;

    json_decref(cb->opened.jwe.header);
    json_decref(cb->claims);
    json_decref(cb->user_claims);

    /* before they are wiped: a closing worker ends what waits for a provider */

    if (cb->token.timer.timer_set) {
        ngx_del_timer(&cb->token.timer);
    }

    if (cb->userinfo.timer.timer_set) {
        ngx_del_timer(&cb->userinfo.timer);
    }

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

            if (ctx->provider != own[i].provider) {

                /* a session of the other provider is none of this one */

                ctx->provider = own[i].provider;
                ctx->authenticated = 0;
                ctx->has_session = 0;
                ctx->has_tokens = 0;
            }

            /* used up, however this ends */

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

        if (ctx->rc == OIDC_LOGIN_REQUIRED && cb->login.silent) {
            return ngx_http_oidc_go_back_as_nobody(r, ctx);
        }

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

    int64_t  left;
    u_char   name[32];

    ctx->rc = oidc_sha256(cb->args.state.data, cb->args.state.len, name);

    if (ctx->rc != OIDC_OK) {
        return NGX_DECLINED;
    }

    /* a cookie opens for pre_auth_timeout; a second more against rounding */

    left = cb->login.created + ctx->provider->pre_auth_timeout - ngx_time() + 1;

    ctx->op.ttl = (ngx_msec_t) ngx_max(left, 1) * 1000;

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_once, NGX_OIDC_STORE_ONCE,
                               name);
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
        ngx_http_oidc_store_explain(r, ctx);
        break;

    default:
        ctx->rc = OIDC_STORE;
        ngx_http_oidc_store_explain(r, ctx);
    }

    return NGX_DECLINED;
}


/*
 * prompt=none and nobody is logged in at the provider: back to the page, and a
 * mark, so that it is not asked again at once.
 */

static ngx_int_t
ngx_http_oidc_go_back_as_nobody(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    ngx_int_t   rc;
    oidc_str_t  location;

    static const oidc_str_t  mark = ngx_string("1");

    rc = ngx_http_oidc_absolute(r, ctx, &cb->login.return_to, &location);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_oidc_set_cookie(r, ctx, &ctx->provider->login_cookie[
                                            ngx_http_oidc_https(r, ctx)],
                                 &ngx_http_oidc_silent, &mark,
                                 NGX_HTTP_OIDC_SILENT_TIME)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_oidc_redirect(r, &location);
}


/*
 * What the login asked for must have come (Core 3.1.3.7).  A login that is too
 * old is tried once more with prompt=login; whatever else is missing would be
 * missing again.
 */

static ngx_int_t
ngx_http_oidc_check_wishes(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_callback_t *cb = ctx->flow;

    const ngx_http_oidc_claims_request_t  *claims;

    ctx->rc = oidc_claims_flatten(&ctx->pool, cb->claims, cb->user_claims,
                                  &cb->flat);

    if (ctx->rc == OIDC_OK && cb->login.has_claims) {
        claims = ngx_http_oidc_claims_of(r, cb->login.claims);

        /* not configured any more: nobody knows what was asked for */

        ctx->rc = (claims == NULL) ? OIDC_STATE_UNKNOWN
                  : oidc_essential_check(claims->json, cb->claims,
                                         cb->user_claims);
    }

    if (ctx->rc == OIDC_OK) {
        ctx->rc = oidc_strength_check(&cb->login.strength, &cb->flat,
                                      ngx_time(), ctx->provider->clock_skew);
    }

    if (ctx->rc != OIDC_AUTH_TIME || cb->login.again || cb->login.silent) {
        return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
    }

    ctx->rc = OIDC_OK;
    ctx->previous = &cb->login;

    return ngx_http_oidc_login_begin(r, ctx, &cb->login.return_to);
}
