
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a refusal looks like: a page for people, JSON for all others, with the
 * status and the id of the request, by which the log has the reason.
 */


#include "ngx_http_oidc.h"


static const struct {
    ngx_uint_t   status;
    const char  *title;
    const char  *text;
    const char  *code;
} ngx_http_oidc_pages[] = {
    { 400, "Login not completed", "This login has ended or was begun elsewhere."
      " Please open the page again.", "bad_request" },
    { 401, "Login required", "This needs a login that may do it.",
      "unauthorized" },
    { 403, "Access denied", "You may not do this.", "forbidden" },
    { 405, "Method not allowed", "This address does not take such a request.",
      "method_not_allowed" },
    { 413, "Too much data", "This address takes less at once.",
      "content_too_large" },
    { 415, "Not a form", "This address takes a form.",
      "unsupported_media_type" },
    { 502, "Login failed", "The login service gave an answer that cannot be "
      "accepted. Please try again later.", "bad_gateway" },
    { 503, "Temporarily unavailable", "Please try again in a moment.",
      "unavailable" },
    { 504, "Login timed out", "The login service did not answer in time. "
      "Please try again later.", "gateway_timeout" },
    { 500, "Internal error", "Something went wrong.", "internal_error" },
    { 0, NULL, NULL, NULL }
};


/*
 * A token that somebody brings is his fault, not that of the one who is behind
 * it: Back-Channel Logout 1.0 section 2.8 knows 400 alone.
 */

ngx_uint_t
ngx_http_oidc_status(ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc)
{
    ngx_uint_t  status;

    status = oidc_rc_status(rc);

    if (!ctx->machine) {
        return status;
    }

    switch (status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
    case NGX_HTTP_UNSUPPORTED_MEDIA_TYPE:
    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        return NGX_HTTP_BAD_REQUEST;

    default:
        return status;
    }
}


ngx_int_t
ngx_http_oidc_page(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_str_t *id, ngx_str_t *type, ngx_str_t *body)
{
    size_t       len;
    u_char      *p;
    ngx_uint_t   i, status;

    status = ngx_http_oidc_status(ctx, ctx->rc);

    for (i = 0; ngx_http_oidc_pages[i].status != status
                && ngx_http_oidc_pages[i + 1].status != 0; i++)
    {
        /* void */
    }

    len = 256 + ngx_strlen(ngx_http_oidc_pages[i].title) * 2
          + ngx_strlen(ngx_http_oidc_pages[i].text) + id->len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    if (!ctx->machine && ngx_http_oidc_navigation(r)) {
        ngx_str_set(type, "text/html; charset=utf-8");

        p = ngx_snprintf(p, len, "<!DOCTYPE html>\n<html lang=\"en\">"
                         "<head><meta charset=\"utf-8\"><title>%s</title>"
                         "</head>\n<body><h1>%s</h1><p>%s</p>"
                         "<p>Request %V</p></body></html>\n",
                         ngx_http_oidc_pages[i].title,
                         ngx_http_oidc_pages[i].title,
                         ngx_http_oidc_pages[i].text, id);

    } else {
        ngx_str_set(type, "application/json");

        p = ngx_snprintf(p, len, "{\"error\":\"%s\",\"request_id\":\"%V\"}\n",
                         ngx_http_oidc_pages[i].code, id);
    }

    body->len = p - body->data;

    return NGX_OK;
}


ngx_str_t
ngx_http_oidc_request_id(ngx_http_request_t *r)
{
    ngx_str_t                   id;
    ngx_http_variable_value_t  *v;
    ngx_http_oidc_main_conf_t  *omcf;

    ngx_str_set(&id, "-");

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    v = ngx_http_get_indexed_variable(r, omcf->request_id);

    if (v != NULL && !v->not_found) {
        id.len = v->len;
        id.data = v->data;
    }

    return id;
}
