
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Every answer that the module sends itself.  Texts are fixed: nothing that
 * came from outside is shown, but the id of the request, by which the operator
 * finds the reason in the log.  An error_page for the status goes before.
 */


#include "ngx_http_oidc_args.h"

#include "oidc_cookie.h"


static ngx_int_t ngx_http_oidc_page_headers(ngx_http_request_t *r,
    ngx_str_t *csp);


static ngx_str_t  ngx_http_oidc_json = ngx_string("application/json");
static ngx_str_t  ngx_http_oidc_html = ngx_string("text/html; charset=utf-8");


ngx_int_t
ngx_http_oidc_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;
    ngx_http_oidc_header_end(h);

    return NGX_OK;
}


/* max_age as in oidc_set_cookie_t */

ngx_int_t
ngx_http_oidc_set_cookie(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *name, const oidc_str_t *suffix, const oidc_str_t *value,
    int64_t max_age)
{
    u_char             *p;
    ngx_str_t           header;
    oidc_set_cookie_t   cookie;

    ngx_memzero(&cookie, sizeof(oidc_set_cookie_t));

    cookie.name = *name;
    cookie.max_age = max_age;
    cookie.secure = ngx_http_oidc_https(r, ctx);
    cookie.cross_site = cookie.secure && suffix != NULL
                        && ctx->provider->form_post;
    cookie.domain.len = ctx->provider->cookie_domain.len;
    cookie.domain.data = ctx->provider->cookie_domain.data;

    if (value != NULL) {
        cookie.value = *value;
    }

    if (suffix != NULL) {

        p = ngx_pnalloc(r->pool, name->len + suffix->len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        cookie.name.data = p;
        p = ngx_cpymem(p, name->data, name->len);
        p = ngx_cpymem(p, suffix->data, suffix->len);
        cookie.name.len = p - cookie.name.data;
    }

    if (oidc_set_cookie(&ctx->pool, &cookie, &header)
        != OIDC_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_oidc_add_header(r, "Set-Cookie", &header);
}


/*
 * Sends a whole answer of ours; what it returns goes to
 * ngx_http_finalize_request(), or back from a content handler.
 */

ngx_int_t
ngx_http_oidc_send(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *type,
    ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    /* behind an error_page that is guarded itself, our status counts */

    r->err_status = 0;

    r->headers_out.status = status;
    r->headers_out.content_length_n = body->len;

    if (type != NULL) {
        r->headers_out.content_type = *type;
        r->headers_out.content_type_len = type->len;
        r->headers_out.content_type_lowcase = NULL;
    }

    if (body->len == 0) {
        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* from a phase handler: the request is over, whatever phases follow */

ngx_int_t
ngx_http_oidc_finish(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    ngx_int_t  rc;

    /* no "100 Continue" for a body that nobody wants */

    r->expect_tested = 1;

    rc = ngx_http_discard_request_body(r);

    if (rc == NGX_OK) {
        rc = ngx_http_oidc_send(r, status, type, body);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


ngx_int_t
ngx_http_oidc_redirect(ngx_http_request_t *r, const oidc_str_t *location)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  empty = ngx_null_string;

    if (ngx_http_oidc_private(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_clear_location(r);

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "Location");
    h->value.len = location->len;
    h->value.data = location->data;
    ngx_http_oidc_header_end(h);

    r->headers_out.location = h;

    return ngx_http_oidc_finish(r, (r->method == NGX_HTTP_POST)
                                   ? NGX_HTTP_SEE_OTHER
                                   : NGX_HTTP_MOVED_TEMPORARILY,
                                NULL, &empty);
}


/* for whoever is no navigation: a challenge (RFC 9110 section 11.6.1) */

ngx_int_t
ngx_http_oidc_unauthorized(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_rc_t  rc;

    ngx_http_oidc_give_up(ctx);

    /* who is known, but not well enough for this location: RFC 9470 */

    rc = ctx->weak ? OIDC_ACR : OIDC_BEARER_MISSING;

    if (ngx_http_oidc_private(r) != NGX_OK
        || ngx_http_oidc_add_challenge(r, ctx, rc) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_oidc_has_error_page(r, NGX_HTTP_UNAUTHORIZED)) {
        return NGX_HTTP_UNAUTHORIZED;
    }

    return ngx_http_oidc_refused(r, ctx);
}


ngx_int_t
ngx_http_oidc_refused(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_str_t   id, type, body;
    ngx_uint_t  status;

    static ngx_str_t  login = ngx_string("{\"error\":\"login_required\"}\n");

    if (ctx->rc == OIDC_OK) {
        return ngx_http_oidc_finish(r, NGX_HTTP_UNAUTHORIZED,
                                    &ngx_http_oidc_json, &login);
    }

    status = ngx_http_oidc_status(ctx, ctx->rc);
    id = ngx_http_oidc_request_id(r);

    if (ngx_http_oidc_page(r, ctx, &id, &type, &body) != NGX_OK
        || ngx_http_oidc_page_headers(r, NULL) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_oidc_finish(r, status, &type, &body);
}


ngx_int_t
ngx_http_oidc_refuse(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_rc_t rc)
{
    ngx_uint_t  again, status;

    static ngx_str_t  retry = ngx_string("5");

    again = ctx->refused;

    ngx_http_oidc_give_up(ctx);

    ctx->rc = rc;
    ngx_http_oidc_log_refusal(r, ctx);

    status = ngx_http_oidc_status(ctx, rc);

    if (ngx_http_oidc_private(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_oidc_add_header(r, "Retry-After", &retry) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!again && !ctx->machine && ngx_http_oidc_has_error_page(r, status)) {
        return status;
    }

    return ngx_http_oidc_refused(r, ctx);
}


void
ngx_http_oidc_log_refusal(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_str_t  id, name;

    static ngx_str_t  unknown = ngx_string("-");

    id = ngx_http_oidc_request_id(r);
    name = (ctx->provider != NULL) ? ctx->provider->name : unknown;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "oidc: %s refused: %s (%s)%s%V, provider: \"%V\", id: %V",
                  ctx->what ? ctx->what : "request", oidc_rc_name(ctx->rc),
                  oidc_rc_text(ctx->rc), ctx->detail.len ? ": " : "",
                  &ctx->detail, &name, &id);
}


static ngx_int_t
ngx_http_oidc_page_headers(ngx_http_request_t *r, ngx_str_t *csp)
{
    static ngx_str_t  nosniff = ngx_string("nosniff");
    static ngx_str_t  alone = ngx_string("default-src 'none'; "
                                         "frame-ancestors 'none'");

    if (ngx_http_oidc_add_header(r, "X-Content-Type-Options", &nosniff)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_oidc_add_header(r, "Content-Security-Policy",
                                    csp ? csp : &alone);
}


/* the end of a logout where nothing else is configured, or where framed */

ngx_int_t
ngx_http_oidc_logged_out(ngx_http_request_t *r, ngx_str_t *csp)
{
    static ngx_str_t  body = ngx_string(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<title>Logged out</title></head>\n<body><h1>Logged out</h1>"
        "<p>You are logged out.</p></body></html>\n");

    if (ngx_http_oidc_private(r) != NGX_OK
        || ngx_http_oidc_page_headers(r, csp) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_oidc_finish(r, NGX_HTTP_OK, &ngx_http_oidc_html, &body);
}


ngx_int_t
ngx_http_oidc_answer(ngx_http_request_t *r, ngx_str_t *json)
{
    if (ngx_http_oidc_private(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_oidc_finish(r, NGX_HTTP_OK,
                                json->len ? &ngx_http_oidc_json : NULL, json);
}


/*
 * Not to be stored; nor told, with the code in our URL, to the server of an
 * icon or an image that the page has.  Once, also where an error_page leads to
 * another answer of ours.
 */

ngx_int_t
ngx_http_oidc_private(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  no_referrer = ngx_string("no-referrer");

    for (part = &r->headers_out.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].value.data == no_store.data) {
                return NGX_OK;
            }
        }
    }

    if (ngx_http_oidc_add_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_oidc_add_header(r, "Referrer-Policy", &no_referrer);
}


ngx_uint_t
ngx_http_oidc_has_error_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* as ngx_http_special_response_handler() decides it */

    if (clcf->error_pages == NULL || r->uri_changes == 0 || r->error_page) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}
