
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The tokens of a session that the user has just ended are revoked (RFC 7009):
 * the refresh token, which should take the rest along, then the access token.
 * The session is gone already: whatever the provider says, or does not say in
 * two seconds, goes to the log, and the logout goes on.
 */


#include "ngx_http_oidc_callback.h"


#define NGX_HTTP_OIDC_REVOKE_TIMEOUT  2000

#define NGX_HTTP_OIDC_REVOKED_MAX     2


typedef struct {
    ngx_uint_t               n;         /* of the token that is asked about */
    ngx_uint_t               asked;     /* its answer is there, or is none */
    oidc_form_t              form[NGX_HTTP_OIDC_REVOKED_MAX];
    ngx_http_oidc_fetch_t    fetch[NGX_HTTP_OIDC_REVOKED_MAX];
} ngx_http_oidc_revocation_t;


static ngx_int_t ngx_http_oidc_revoke_start(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static void ngx_http_oidc_revoke_cleanup(void *data);
static ngx_int_t ngx_http_oidc_revoke_next(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_uint_t ngx_http_oidc_revoked(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


/* a step of the logout, behind the end of the session; it is repeated */

ngx_int_t
ngx_http_oidc_revoke(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_oidc_revocation_t  *rv;

    if (!ctx->provider->logout_revoke) {
        return NGX_OK;
    }

    if (ctx->revocation == NULL
        && ngx_http_oidc_revoke_start(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rv = ctx->revocation;
    rc = NGX_OK;

    if (rv->asked) {

        rv->asked = 0;
        rc = NGX_DECLINED;

        if (ngx_http_oidc_revoked(r, ctx)) {
            rv->n++;
            rc = NGX_OK;
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_oidc_revoke_next(r, ctx);
    }

    if (rc == NGX_BUSY || rc == NGX_ERROR) {
        return rc;
    }

    ctx->patience = 0;
    ctx->rc = OIDC_OK;
    ctx->detail.len = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_revoke_start(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_revocation_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(cln->data, sizeof(ngx_http_oidc_revocation_t));
    cln->handler = ngx_http_oidc_revoke_cleanup;

    ctx->revocation = cln->data;
    ctx->patience = ngx_min(NGX_HTTP_OIDC_REVOKE_TIMEOUT,
                            ctx->provider->timeout);

    return NGX_OK;
}


static void
ngx_http_oidc_revoke_cleanup(void *data)
{
    ngx_http_oidc_revocation_t *rv = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_OIDC_REVOKED_MAX; i++) {

        if (rv->fetch[i].timer.timer_set) {
            ngx_del_timer(&rv->fetch[i].timer);
        }

        oidc_wipe(rv->form[i].body.data, rv->form[i].body.len);
        oidc_wipe(rv->form[i].authorization.data,
                  rv->form[i].authorization.len);
    }
}


/* NGX_BUSY: asked; NGX_OK: nothing is left; NGX_DECLINED: no more of it */

static ngx_int_t
ngx_http_oidc_revoke_next(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_revocation_t *rv = ctx->revocation;

    ngx_int_t               rc;
    oidc_str_t             *token;
    oidc_client_t           client;
    const oidc_str_t       *url;
    const oidc_metadata_t  *metadata;

    metadata = ngx_oidc_idp_metadata(ctx->provider->idp);

    if (metadata == NULL) {
        return NGX_DECLINED;
    }

    url = ngx_http_oidc_endpoint_url(ctx->provider, metadata,
                                     revocation_endpoint);

    if (url->len == 0) {
        return NGX_DECLINED;
    }

    for ( /* void */ ; rv->n < NGX_HTTP_OIDC_REVOKED_MAX; rv->n++) {

        token = rv->n ? &ctx->tokens.access_token : &ctx->tokens.refresh_token;

        if (token->len == 0) {
            continue;
        }

        if (rv->form[rv->n].body.len == 0) {

            ngx_http_oidc_client(ctx->provider, metadata,
                                 metadata->revocation_auth, &client);

            ctx->rc = oidc_token_about(&ctx->pool, &client, token,
                                       rv->n ? "access_token"
                                             : "refresh_token",
                                       &rv->form[rv->n]);

            if (ctx->rc == OIDC_OK) {
                ctx->rc = ngx_http_oidc_post(ctx, url, &rv->form[rv->n],
                                             &rv->fetch[rv->n]);
            }

            if (ctx->rc != OIDC_OK) {
                return NGX_ERROR;
            }
        }

        rc = ngx_http_oidc_fetch(r, ctx, &rv->fetch[rv->n]);

        if (rc == NGX_DECLINED) {
            rv->fetch[rv->n].rc = ctx->rc;
            (void) ngx_http_oidc_revoked(r, ctx);
        }

        rv->asked = (rc == NGX_AGAIN);

        return (rc == NGX_AGAIN) ? NGX_BUSY : rc;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_oidc_revoked(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_revocation_t *rv = ctx->revocation;

    oidc_rc_t               rc;
    ngx_uint_t              level;
    ngx_http_oidc_fetch_t  *f;

    f = &rv->fetch[rv->n];

    if (f->rc == OIDC_OK && f->status == NGX_HTTP_OK) {
        return 1;
    }

    rc = (f->rc == OIDC_OK) ? OIDC_FETCH_STATUS : f->rc;

    /* 400: it may be a kind of token that cannot be revoked */

    level = (f->status == NGX_HTTP_BAD_REQUEST) ? NGX_LOG_INFO : NGX_LOG_WARN;

    ngx_log_error(level, r->connection->log, 0,
                  "oidc: %s token not revoked: %s (%s), status %ui, "
                  "provider: \"%V\"", rv->n ? "access" : "refresh",
                  oidc_rc_name(rc), oidc_rc_text(rc), f->status,
                  &ctx->provider->name);

    return 0;
}
