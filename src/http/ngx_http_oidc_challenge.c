
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Answers to a request with an access token that may not pass (RFC 6750
 * section 3, RFC 9449 section 7.1, RFC 9728 section 5.1), and the challenge for
 * one without.  The client learns the class of what is wrong, the log the rest.
 */


#include "ngx_http_oidc_args.h"
#include "ngx_http_oidc_bearer.h"


static ngx_int_t ngx_http_oidc_bearer_status(ngx_http_oidc_loc_conf_t *lcf,
    oidc_rc_t rc);


/* "rc" OIDC_BEARER_MISSING: no token, and no error then; OIDC_ACR: too weak */

ngx_int_t
ngx_http_oidc_add_challenge(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_rc_t rc)
{
    oidc_str_t                 value;
    ngx_table_elt_t           *h;
    oidc_strength_t            strength;
    oidc_challenge_t           challenge;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    ngx_memzero(&challenge, sizeof(oidc_challenge_t));

    challenge.realm = ctx->provider->name;
    challenge.max_age = -1;

    if (lcf->bearer != NULL) {

        if (lcf->bearer->realm.len) {
            challenge.realm = lcf->bearer->realm;
        }

        challenge.resource_metadata = lcf->bearer->resource_metadata;

        if (lcf->scopes != NULL) {
            challenge.scope = lcf->scopes->text;
        }

        challenge.dpop = (lcf->bearer->bound == NGX_HTTP_OIDC_BOUND_DPOP);
    }

    if (rc == OIDC_ACR) {
        ngx_memzero(&strength, sizeof(oidc_strength_t));
        ngx_http_oidc_strength(r, ctx, &strength);

        challenge.acr_values = strength.acr_values;
        challenge.max_age = strength.has_max_age ? strength.max_age : -1;
    }

    if (ctx->bearer != NULL && ctx->bearer->token.dpop) {
        challenge.dpop = 1;
    }

    if (challenge.dpop) {
        ngx_str_set(&challenge.algs, "ES256 EdDSA RS256 PS256");
    }

    if (oidc_bearer_challenge(&ctx->pool, rc, &challenge, &value) != OIDC_OK) {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "WWW-Authenticate");
    h->value = value;

    ngx_http_oidc_challenge(r, h);

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_bearer_refuse(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_str_t                  id;
    oidc_rc_t                  rc;
    ngx_int_t                  status;
    ngx_http_oidc_loc_conf_t  *lcf;

    static ngx_str_t  retry = ngx_string("5");

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    rc = b->verdict;
    id = ngx_http_oidc_request_id(r);

    ngx_http_oidc_give_up(ctx);

    ctx->rc = rc;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "oidc: token refused: %s (%s)%s%s%s%V, provider: \"%V\", "
                  "id: %V", oidc_rc_name(rc), oidc_rc_text(rc),
                  b->why != OIDC_OK ? ": " : "",
                  b->why != OIDC_OK ? oidc_rc_name(b->why) : "",
                  ctx->detail.len ? ": " : "", &ctx->detail,
                  &ctx->provider->name, &id);

    if (ngx_http_oidc_private(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = ngx_http_oidc_bearer_status(lcf, rc);

    if (status < NGX_HTTP_INTERNAL_SERVER_ERROR) {

        if (ngx_http_oidc_add_challenge(r, ctx, rc) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (status == NGX_HTTP_SERVICE_UNAVAILABLE
               && ngx_http_oidc_add_header(r, "Retry-After", &retry) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_oidc_has_error_page(r, status)) {
        return status;
    }

    return ngx_http_oidc_bearer_refused(r, ctx);
}


/* the body is for programs, whoever asks */

ngx_int_t
ngx_http_oidc_bearer_refused(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    size_t                     len;
    u_char                    *p;
    ngx_str_t                  id, body;
    oidc_rc_t                  rc;
    const char                *error;
    ngx_http_oidc_loc_conf_t  *lcf;

    static ngx_str_t  json = ngx_string("application/json");

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    rc = ctx->bearer->verdict;
    error = oidc_bearer_error(rc);

    if (error == NULL) {
        error = "temporarily_unavailable";
    }

    id = ngx_http_oidc_request_id(r);

    len = sizeof("{\"error\":\"\",\"request_id\":\"\"}\n")
          + ngx_strlen(error) + id.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    body.len = ngx_snprintf(p, len,
                            "{\"error\":\"%s\",\"request_id\":\"%V\"}\n",
                            error, &id)
               - p;

    return ngx_http_oidc_finish(r, ngx_http_oidc_bearer_status(lcf, rc), &json,
                                &body);
}


static ngx_int_t
ngx_http_oidc_bearer_status(ngx_http_oidc_loc_conf_t *lcf, oidc_rc_t rc)
{
    ngx_int_t  status;

    status = oidc_rc_status(rc);

    if (lcf->bearer != NULL && lcf->bearer->error_400
        && (status == NGX_HTTP_UNAUTHORIZED || status == NGX_HTTP_FORBIDDEN))
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    return status;
}
