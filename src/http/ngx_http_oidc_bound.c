
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Tokens that only their owner can use: bound to a key by a DPoP proof (RFC
 * 9449) or to the certificate of the connection (RFC 8705).  A token that says
 * it is bound is refused without what it is bound to, whatever is configured.
 */


#include "ngx_http_oidc_bearer.h"


static ngx_int_t ngx_http_oidc_bound_proof(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_bound_x5t(ngx_http_request_t *r,
    ngx_http_oidc_bearer_t *b);


ngx_int_t
ngx_http_oidc_bearer_proof(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    int64_t     left;
    ngx_int_t   rc;
    oidc_str_t  jkt;

    if (b->good->access.x5t.len
        && ngx_http_oidc_bound_x5t(r, b) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!b->token.dpop || b->proved) {
        ctx->op.rc = NGX_OK;
        return NGX_OK;
    }

    rc = ngx_http_oidc_bound_proof(r, ctx);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : rc;
    }

    jkt.len = sizeof(b->dpop.jkt);
    jkt.data = b->dpop.jkt;

    /* whoever has only the token leaves no mark: the table has an end */

    if (!oidc_str_eq_ct(&b->good->access.jkt, &jkt)) {
        return ngx_http_oidc_bearer_fail(ctx, OIDC_BEARER_BINDING);
    }

    /* once: marked before the request goes on, by hash of key and jti */

    left = b->dpop.until - (int64_t) ngx_time() + 1;

    ctx->op.ttl = (ngx_msec_t) ngx_max(left, 1) * 1000;

    return ngx_http_oidc_store(r, ctx, ctx->provider->store,
                               ngx_oidc_store_once, NGX_OIDC_STORE_ONCE,
                               b->dpop.id);
}


/* NGX_DECLINED: it has failed */

static ngx_int_t
ngx_http_oidc_bound_proof(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    u_char              *p;
    ngx_uint_t           n;
    oidc_rc_t            rc;
    ngx_str_t            uri, *origin;
    ngx_table_elt_t     *h;
    oidc_dpop_expect_t   expect;

    h = ngx_http_oidc_header(r, "dpop", &n);

    if (n != 1) {
        (void) ngx_http_oidc_bearer_fail(ctx, OIDC_DPOP_PROOF);
        return NGX_DECLINED;
    }

    if (ngx_http_oidc_origin(r, ctx) != NGX_OK) {
        (void) ngx_http_oidc_bearer_fail(ctx, OIDC_HOST);
        return NGX_DECLINED;
    }

    /* htu has neither query nor fragment (RFC 9449 section 4.2) */

    uri = r->unparsed_uri;
    p = ngx_strlchr(uri.data, uri.data + uri.len, '?');

    if (p != NULL) {
        uri.len = p - uri.data;
    }

    origin = &ctx->origin.text;

    ngx_memzero(&expect, sizeof(oidc_dpop_expect_t));

    expect.url.len = origin->len + uri.len;
    expect.url.data = ngx_pnalloc(r->pool, expect.url.len);

    if (expect.url.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(expect.url.data, origin->data, origin->len);
    ngx_memcpy(p, uri.data, uri.len);

    expect.method = r->method_name;
    expect.token = b->token.token;
    expect.algs = NGX_HTTP_OIDC_DPOP_ALGS;
    expect.now = ngx_time();
    expect.skew = ctx->provider->clock_skew;

    rc = oidc_dpop_check(&ctx->pool, &h->value, &expect, &b->dpop);

    if (rc != OIDC_OK) {
        (void) ngx_http_oidc_bearer_fail(ctx, rc);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* where no certificate was shown there is none: has_x5t stays 0 */

static ngx_int_t
ngx_http_oidc_bound_x5t(ngx_http_request_t *r, ngx_http_oidc_bearer_t *b)
{
#if (NGX_HTTP_SSL)

    int         len;
    X509       *cert;
    u_char     *p;
    ngx_str_t   der;

    if (r->connection->ssl == NULL) {
        return NGX_OK;
    }

    cert = SSL_get_peer_certificate(r->connection->ssl->connection);

    if (cert == NULL) {
        return NGX_OK;
    }

    len = i2d_X509(cert, NULL);

    der.len = (size_t) ngx_max(len, 0);
    der.data = ngx_pnalloc(r->pool, ngx_max(der.len, 1));

    if (len <= 0 || der.data == NULL) {
        X509_free(cert);
        return NGX_ERROR;
    }

    p = der.data;
    (void) i2d_X509(cert, &p);

    X509_free(cert);

    if (oidc_cert_thumbprint(&der, b->x5t) != OIDC_OK) {
        return NGX_ERROR;
    }

    b->has_x5t = 1;

#endif

    return NGX_OK;
}


/* after the mark */

ngx_int_t
ngx_http_oidc_bearer_binding(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    oidc_rc_t   rc;
    oidc_str_t  jkt, x5t;

    if (b->token.dpop && !b->proved) {

        if (ctx->op.rc != NGX_OK) {
            rc = (ctx->op.rc == NGX_DECLINED) ? OIDC_DPOP_REPLAY
                 : (ctx->op.rc == NGX_BUSY) ? OIDC_SPENT_FULL : OIDC_STORE;

            if (rc != OIDC_DPOP_REPLAY) {
                ngx_http_oidc_store_explain(r, ctx);
            }

            return ngx_http_oidc_bearer_fail(ctx, rc);
        }

        b->proved = 1;
    }

    jkt.len = b->token.dpop ? sizeof(b->dpop.jkt) : 0;
    jkt.data = b->dpop.jkt;

    x5t.len = b->has_x5t ? sizeof(b->x5t) : 0;
    x5t.data = b->x5t;

    rc = oidc_access_binding(&b->good->access, &jkt, &x5t);

    return (rc == OIDC_OK) ? NGX_OK : ngx_http_oidc_bearer_fail(ctx, rc);
}
