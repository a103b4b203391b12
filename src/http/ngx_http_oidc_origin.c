
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Who we are for the browser, and what it sent: our public scheme and host, the
 * Cookie lines, the headers that tell a navigation from a script.  Forwarded
 * and X-Forwarded-* count only from a trusted_proxy.
 */


#include "ngx_http_oidc.h"

#include "oidc_cookie.h"
#include "oidc_forwarded.h"


static ngx_uint_t ngx_http_oidc_trusted(ngx_http_request_t *r);
static ngx_uint_t ngx_http_oidc_told(ngx_http_request_t *r, const char *param,
    const char *header, oidc_str_t *value);
static ngx_int_t ngx_http_oidc_request_host(ngx_http_request_t *r,
    oidc_str_t *host);


ngx_uint_t
ngx_http_oidc_https(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_str_t                 proto;
    ngx_http_oidc_loc_conf_t  *lcf;

    if (ctx->origin.known) {
        return ctx->origin.https;
    }

    ctx->origin.known = 1;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (lcf->base.scheme.len) {
        ctx->origin.https = lcf->base.https;

    } else if (ngx_http_oidc_told(r, "proto", "x-forwarded-proto", &proto)) {
        ctx->origin.https = proto.len == 5
                            && ngx_strncasecmp(proto.data, (u_char *) "https",
                                               5)
                               == 0;

#if (NGX_HTTP_SSL)
    } else if (r->connection->ssl != NULL) {
        ctx->origin.https = 1;
#endif
    }

    return ctx->origin.https;
}


/* fills ctx->origin.text; NGX_DECLINED with ctx->rc where there is no host */

ngx_int_t
ngx_http_oidc_origin(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    u_char                    *p;
    ngx_int_t                  rc;
    oidc_str_t                 host;
    oidc_url_t                 url;
    ngx_http_oidc_loc_conf_t  *lcf;

    if (ctx->origin.text.len) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    (void) ngx_http_oidc_https(r, ctx);

    if (lcf->base.scheme.len) {
        ctx->origin.text = lcf->base_url;
        return NGX_OK;
    }

    if (!ngx_http_oidc_told(r, "host", "x-forwarded-host", &host)) {
        rc = ngx_http_oidc_request_host(r, &host);
        if (rc != NGX_OK) {
            ctx->rc = OIDC_HOST;
            return rc;
        }
    }

    p = ngx_pnalloc(r->pool, sizeof("https://:65535") + host.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->origin.text.data = p;
    p = ngx_sprintf(p, "%s://", ctx->origin.https ? "https" : "http");
    p = ngx_cpymem(p, host.data, host.len);
    ctx->origin.text.len = p - ctx->origin.text.data;

    if (!oidc_host_ok(&host)
        || oidc_url_parse(&ctx->origin.text, &url) != OIDC_OK)
    {
        ctx->origin.text.len = 0;
        ctx->rc = OIDC_HOST;
        return NGX_DECLINED;
    }

    /* hosts are registered in lower case and without the default port */

    ngx_strlow(url.host.data, url.host.data, url.host.len);

    if (url.port == (url.https ? 443U : 80U)) {
        ctx->origin.text.len = url.host.data + url.host.len
                               - ctx->origin.text.data + url.ipv6;
    }

    return NGX_OK;
}


/* the Host that nginx has validated, or what stands in for it in HTTP/1.0 */

static ngx_int_t
ngx_http_oidc_request_host(ngx_http_request_t *r, oidc_str_t *host)
{
    u_char                    *p;
    in_port_t                  port;
    ngx_http_core_srv_conf_t  *cscf;

    if (r->headers_in.host != NULL && r->headers_in.host->value.len) {
        host->len = r->headers_in.host->value.len;
        host->data = r->headers_in.host->value.data;
        return NGX_OK;
    }

    if (r->headers_in.server.len) {

        /* the authority of an absolute request line, or of HTTP/2 */

        host->len = r->headers_in.server.len;
        host->data = r->headers_in.server.data;

    } else {
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

        host->len = cscf->server_name.len;
        host->data = cscf->server_name.data;
    }

    if (host->len == 0) {
        return NGX_DECLINED;
    }

    if (ngx_connection_local_sockaddr(r->connection, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    port = ngx_inet_get_port(r->connection->local_sockaddr);

    p = ngx_pnalloc(r->pool, host->len + sizeof(":65535"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    host->len = ngx_sprintf(p, "%*s:%ui", host->len, host->data,
                            (ngx_uint_t) port)
                - p;
    host->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_absolute(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_str_t *uri, oidc_str_t *out)
{
    u_char     *p;
    ngx_int_t   rc;

    if (uri->len == 0 || uri->data[0] != '/') {
        out->len = uri->len;
        out->data = uri->data;
        return NGX_OK;
    }

    rc = ngx_http_oidc_origin(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    p = ngx_pnalloc(r->pool, ctx->origin.text.len + uri->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;
    p = ngx_cpymem(p, ctx->origin.text.data, ctx->origin.text.len);
    p = ngx_cpymem(p, uri->data, uri->len);
    out->len = p - out->data;

    return NGX_OK;
}


/*
 * What a trusted proxy says of the original request.  The realip module may
 * have put the client's address in place of the proxy's, which then is
 * $realip_remote_addr.
 */

static ngx_uint_t
ngx_http_oidc_told(ngx_http_request_t *r, const char *param,
    const char *header, oidc_str_t *value)
{
    ngx_uint_t        n;
    ngx_table_elt_t  *h;

    if (!ngx_http_oidc_trusted(r)) {
        return 0;
    }

    h = ngx_http_oidc_header(r, header, &n);

    if (n == 1) {
        oidc_list_last(&h->value, value);
        return value->len != 0;
    }

    h = ngx_http_oidc_header(r, "forwarded", &n);

    return n == 1 && oidc_forwarded(&h->value, param, value);
}


static ngx_uint_t
ngx_http_oidc_trusted(ngx_http_request_t *r)
{
    ngx_addr_t                  addr;
    struct sockaddr             local;
    ngx_http_variable_value_t  *v;
    ngx_http_oidc_srv_conf_t   *scf;
    ngx_http_oidc_main_conf_t  *omcf;

    scf = ngx_http_get_module_srv_conf(r, ngx_http_oidc_module);

    if (scf->trusted_proxies == NULL) {
        return 0;
    }

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    if (omcf->realip != NGX_ERROR) {

        v = ngx_http_get_indexed_variable(r, omcf->realip);

        if (v != NULL && !v->not_found && v->len) {

            if (ngx_parse_addr(r->pool, &addr, v->data, v->len) != NGX_OK) {

                /* "unix:" */

                ngx_memzero(&local, sizeof(struct sockaddr));
                local.sa_family = AF_UNIX;
                addr.sockaddr = &local;
            }

            return ngx_cidr_match(addr.sockaddr, scf->trusted_proxies)
                   == NGX_OK;
        }
    }

    return ngx_cidr_match(r->connection->sockaddr, scf->trusted_proxies)
           == NGX_OK;
}


ngx_table_elt_t *
ngx_http_oidc_header(ngx_http_request_t *r, const char *name, ngx_uint_t *n)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    len = ngx_strlen(name);
    found = NULL;
    *n = 0;

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                found = &h[i];
                (*n)++;
            }
        }
    }

    return (*n == 1) ? found : NULL;
}


/*
 * Sec-Fetch-Site is what browsers say of themselves (Fetch Metadata); the older
 * ones say Origin with a POST.
 */

ngx_uint_t
ngx_http_oidc_cross_site(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_uint_t        n;
    ngx_table_elt_t  *h;

    h = ngx_http_oidc_header(r, "sec-fetch-site", &n);

    if (n > 1) {
        return 1;
    }

    if (n == 1) {
        return !(oidc_str_eq_cstr(&h->value, "same-origin")
                 || oidc_str_eq_cstr(&h->value, "same-site")
                 || oidc_str_eq_cstr(&h->value, "none"));
    }

    h = ngx_http_oidc_header(r, "origin", &n);

    if (n == 0) {
        return 0;
    }

    return n > 1
           || ngx_http_oidc_origin(r, ctx) != NGX_OK
           || h->value.len != ctx->origin.text.len
           || ngx_strncasecmp(h->value.data, ctx->origin.text.data,
                              h->value.len)
              != 0;
}


ngx_uint_t
ngx_http_oidc_cookie(ngx_http_request_t *r, const oidc_str_t *name,
    oidc_str_t *value)
{
    ngx_uint_t  i, n, found;
    oidc_str_t  rest, one, text;

    found = 0;
    n = 0;

    for (i = 0; ngx_http_oidc_cookies(r, i, &rest); i++) {

        while (oidc_cookie_next(&rest, &one, &text)) {

            if (++n > OIDC_COOKIE_COUNT_MAX) {
                return 0;
            }

            if (!oidc_str_eq(&one, name)) {
                continue;
            }

            if (found && !oidc_str_eq(&text, value)) {
                return 0;
            }

            *value = text;
            found = 1;
        }
    }

    return found;
}


/* the i-th Cookie line as the browser sent it; 0 at the end */

ngx_uint_t
ngx_http_oidc_cookies(ngx_http_request_t *r, ngx_uint_t i, oidc_str_t *line)
{
    ngx_str_t            *saved;
    ngx_table_elt_t      *h;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx != NULL && ctx->cookies != NULL) {

        if (i >= ctx->cookies->nelts) {
            return 0;
        }

        saved = ctx->cookies->elts;
        line->len = saved[i].len;
        line->data = saved[i].data;

        return 1;
    }

    h = ngx_http_oidc_cookie_line(r, i);

    if (h == NULL) {
        return 0;
    }

    line->len = h->value.len;
    line->data = h->value.data;

    return 1;
}
