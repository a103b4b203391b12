
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The body of a POST to one of our own URIs, as a step of a flow: a form of at
 * most 64 KiB, kept in memory.  It is read in a phase handler, which nginx runs
 * again when the body is there; "count" is as it was then.
 */


#include "ngx_http_oidc.h"

#include "oidc_token.h"


#define NGX_HTTP_OIDC_BODY_MAX  (64 * 1024)


static ngx_int_t ngx_http_oidc_body_limits(ngx_http_request_t *r);
static void ngx_http_oidc_body_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_oidc_body_copy(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


ngx_int_t
ngx_http_oidc_read_form(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_table_elt_t  *type;

    type = r->headers_in.content_type;

    if (type == NULL
        || !oidc_content_type_is(&type->value,
                                 "application/x-www-form-urlencoded"))
    {
        ctx->rc = OIDC_BODY_TYPE;
        return NGX_DECLINED;
    }

    if (r->headers_in.content_length_n > NGX_HTTP_OIDC_BODY_MAX) {
        ctx->rc = OIDC_BODY_SIZE;
        return NGX_DECLINED;
    }

    ctx->body_read = 0;
    ctx->loc_conf = r->loc_conf;

    if (ngx_http_oidc_body_limits(r) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_oidc_body_read);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        r->loc_conf = ctx->loc_conf;

        /* a chunked one that is too long, or no chunks at all */

        r->keepalive = 0;
        ctx->rc = (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) ? OIDC_BODY_SIZE
                                                            : OIDC_BODY;

        return (rc == NGX_HTTP_INTERNAL_SERVER_ERROR) ? NGX_ERROR
                                                      : NGX_DECLINED;
    }

    /* the phases hold the request, not the reading */

    ngx_http_finalize_request(r, NGX_DONE);

    return ctx->body_read ? NGX_OK : NGX_AGAIN;
}


/*
 * Limits of the location are those of what is behind it.  A body of unknown
 * length is refused by nginx itself, with 413, once it is too long.  As soon as
 * the body is read the configuration must be the location's own again: nginx
 * looks into it for the keep-alive timeout when our copy is freed already.
 */

static ngx_int_t
ngx_http_oidc_body_limits(ngx_http_request_t *r)
{
    void                      **loc_conf;
    ngx_http_core_loc_conf_t   *clcf;

    loc_conf = ngx_palloc(r->pool, ngx_http_max_module * sizeof(void *));
    clcf = ngx_palloc(r->pool, sizeof(ngx_http_core_loc_conf_t));

    if (loc_conf == NULL || clcf == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(loc_conf, r->loc_conf, ngx_http_max_module * sizeof(void *));

    *clcf = *(ngx_http_core_loc_conf_t *)
                 ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    clcf->client_max_body_size = NGX_HTTP_OIDC_BODY_MAX;
    clcf->client_body_buffer_size = NGX_HTTP_OIDC_BODY_MAX + 1;

    loc_conf[ngx_http_core_module.ctx_index] = clcf;

    r->loc_conf = loc_conf;
    r->request_body_in_file_only = 0;

    return NGX_OK;
}


static void
ngx_http_oidc_body_read(ngx_http_request_t *r)
{
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    ctx->body_read = 1;
    r->loc_conf = ctx->loc_conf;

    if (!ctx->waiting) {

        /* it was all there already */

        return;
    }

    ngx_http_oidc_wake(ctx, OIDC_OK);

    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


ngx_int_t
ngx_http_oidc_form_args(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_oidc_body_copy(r, ctx);

    if (rc == NGX_OK) {
        ctx->args = ctx->body;
    }

    return rc;
}


/*
 * The argument of this name, decoded; OIDC_ARGS where it is missing or there
 * twice.  Others are ignored (Back-Channel Logout 1.0 section 2.5).
 */

ngx_int_t
ngx_http_oidc_form_arg(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const char *arg, oidc_str_t *out)
{
    ngx_uint_t  n;
    oidc_str_t  rest, name, value, found;

    if (ngx_http_oidc_body_copy(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rest = ctx->body;
    n = 0;

    while (oidc_args_next(&rest, &name, &value)) {
        if (oidc_str_eq_cstr(&name, arg)) {
            found = value;
            n++;
        }
    }

    ctx->rc = (n == 1) ? oidc_form_decode(&ctx->pool, &found, out) : OIDC_ARGS;

    return (ctx->rc == OIDC_OK) ? NGX_OK : NGX_DECLINED;
}


/* in one piece; in a file where somebody before us has read it */

static ngx_int_t
ngx_http_oidc_body_copy(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    off_t         len;
    u_char       *p;
    ssize_t       n;
    ngx_chain_t  *cl;

    if (ctx->body.data != NULL) {
        return NGX_OK;
    }

    len = 0;

    for (cl = r->request_body->bufs; cl != NULL; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > NGX_HTTP_OIDC_BODY_MAX) {
        ctx->rc = OIDC_BODY_SIZE;
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->body.data = p;

    for (cl = r->request_body->bufs; cl != NULL; cl = cl->next) {

        if (ngx_buf_in_memory(cl->buf)) {
            p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
            continue;
        }

        if (!cl->buf->in_file) {

            /* no bytes: it says that there are no more */

            continue;
        }

        len = cl->buf->file_last - cl->buf->file_pos;

        n = ngx_read_file(cl->buf->file, p, len, cl->buf->file_pos);

        if (n != len) {
            return NGX_ERROR;
        }

        p += n;
    }

    ctx->body.len = p - ctx->body.data;

    return NGX_OK;
}
