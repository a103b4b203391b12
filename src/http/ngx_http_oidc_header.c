
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * auth_oidc_header: what the backend hears about the user.  It becomes a header
 * of the request itself, so that proxy, FastCGI, uwsgi and gRPC pass it on
 * alike.  Whatever the client sent under that name, in any case and with "_"
 * for "-", is taken out before anyone looks, guarded or not.
 */


#include "ngx_http_oidc.h"

#include "oidc_claims.h"


static ngx_uint_t ngx_http_oidc_same_header(ngx_str_t *a, ngx_str_t *b);
static u_char ngx_http_oidc_header_char(u_char c);
static ngx_int_t ngx_http_oidc_own_list(ngx_http_request_t *r);
static ngx_int_t ngx_http_oidc_push_header(ngx_http_request_t *r,
    ngx_http_oidc_header_t *header, ngx_str_t *value);


/*
 * How a message is framed or routed is not a matter of claims; and what we
 * decide by ourselves would be gone before we have read it.
 */

static const char  *ngx_http_oidc_refused_headers[] = {
    "host", "connection", "content-length", "content-type",
    "transfer-encoding", "te", "trailer", "upgrade", "expect", "keep-alive",
    "proxy-connection", "cookie", "range", "x-forwarded-for", "forwarded",
    "x-forwarded-proto", "x-forwarded-host", "dpop", "origin", "accept",
    "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "x-requested-with",
    NULL
};


char *
ngx_http_oidc_header_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    u_char                             c;
    ngx_str_t                         *value, refused;
    ngx_uint_t                         i;
    ngx_http_oidc_header_t            *header;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has an empty name";
    }

    for (i = 0; i < value[1].len; i++) {
        c = value[1].data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_'))
        {
            return "has a character that a header's name should not have";
        }
    }

    for (i = 0; ngx_http_oidc_refused_headers[i] != NULL; i++) {
        refused.data = (u_char *) ngx_http_oidc_refused_headers[i];
        refused.len = ngx_strlen(refused.data);

        if (ngx_http_oidc_same_header(&refused, &value[1])) {
            return "cannot set this header";
        }
    }

    if (lcf->headers == NGX_CONF_UNSET_PTR) {
        lcf->headers = ngx_array_create(cf->pool, 4,
                                        sizeof(ngx_http_oidc_header_t));
        if (lcf->headers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    header = lcf->headers->elts;

    for (i = 0; i < lcf->headers->nelts; i++) {
        if (ngx_http_oidc_same_header(&header[i].name, &value[1])) {
            return "has the name of another one";
        }
    }

    header = ngx_array_push(lcf->headers);
    if (header == NULL) {
        return NGX_CONF_ERROR;
    }

    header->name = value[1];

    header->lowcase = ngx_pnalloc(cf->pool, value[1].len);
    if (header->lowcase == NULL) {
        return NGX_CONF_ERROR;
    }

    header->hash = ngx_hash_strlow(header->lowcase, value[1].data,
                                   value[1].len);

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = &header->value;

    return (ngx_http_compile_complex_value(&ccv) == NGX_OK) ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


/*
 * What a level sets is added to what the levels above it set: a name that must
 * not be spoofed there must not be here either.
 */

ngx_uint_t
ngx_http_oidc_sets_header(ngx_array_t *headers, const char *name)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_http_oidc_header_t  *header;

    text.data = (u_char *) name;
    text.len = ngx_strlen(name);

    header = (headers != NULL) ? headers->elts : NULL;

    for (i = 0; header != NULL && i < headers->nelts; i++) {
        if (ngx_http_oidc_same_header(&header[i].name, &text)) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_oidc_merge_headers(ngx_array_t **conf, ngx_array_t *prev)
{
    ngx_uint_t               i, n, own;
    ngx_http_oidc_header_t  *header, *above, *new;

    if (*conf == NGX_CONF_UNSET_PTR) {
        *conf = prev;
    }

    if (*conf == NGX_CONF_UNSET_PTR) {
        *conf = NULL;
    }

    if (*conf == prev || prev == NULL || prev == NGX_CONF_UNSET_PTR) {
        return NGX_OK;
    }

    above = prev->elts;
    own = (*conf)->nelts;

    for (i = 0; i < prev->nelts; i++) {
        header = (*conf)->elts;

        for (n = 0; n < own; n++) {
            if (ngx_http_oidc_same_header(&header[n].name, &above[i].name)) {
                break;
            }
        }

        if (n < own) {
            continue;
        }

        new = ngx_array_push(*conf);
        if (new == NULL) {
            return NGX_ERROR;
        }

        *new = above[i];
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_oidc_same_header(ngx_str_t *a, ngx_str_t *b)
{
    ngx_uint_t  i;

    if (a->len != b->len) {
        return 0;
    }

    for (i = 0; i < a->len; i++) {
        if (ngx_http_oidc_header_char(a->data[i])
            != ngx_http_oidc_header_char(b->data[i]))
        {
            return 0;
        }
    }

    return 1;
}


/* CGI makes "_" of "-", and PHP of whatever else is no letter or digit */

static u_char
ngx_http_oidc_header_char(u_char c)
{
    c = ngx_tolower(c);

    return ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) ? c : '-';
}


/* preaccess: out with the client's, and with ours of another location */

ngx_int_t
ngx_http_oidc_scrub_headers(ngx_http_request_t *r)
{
    ngx_uint_t                 i, n;
    ngx_list_part_t           *part;
    ngx_table_elt_t           *h, **sent;
    ngx_http_oidc_ctx_t       *ctx;
    ngx_http_oidc_header_t    *header;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);
    ctx = (r == r->main) ? ngx_http_oidc_get_ctx(r) : NULL;

    if (ctx != NULL && ctx->headers != NULL) {

        sent = ctx->headers->elts;

        for (i = 0; i < ctx->headers->nelts; i++) {
            if (ngx_http_oidc_remove_header(r, sent[i]) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        ctx->headers->nelts = 0;
    }

    if (lcf->headers == NULL) {
        return NGX_OK;
    }

    if (r != r->main && ngx_http_oidc_own_list(r) != NGX_OK) {
        return NGX_ERROR;
    }

    header = lcf->headers->elts;

    for (n = 0; n < lcf->headers->nelts; n++) {

again:

        for (part = &r->headers_in.headers.part; part; part = part->next) {

            h = part->elts;

            for (i = 0; i < part->nelts; i++) {

                if (!ngx_http_oidc_same_header(&h[i].key, &header[n].name)) {
                    continue;
                }

                if (r->headers_in.authorization == &h[i]) {
                    r->headers_in.authorization = NULL;
                }

                if (ngx_http_oidc_remove_header(r, &h[i]) != NGX_OK) {
                    return NGX_ERROR;
                }

                goto again;
            }
        }
    }

    return NGX_OK;
}


/*
 * A subrequest shares its parent's list, but for the first part: one of its
 * own, or what it says would be said of the parent.
 */

static ngx_int_t
ngx_http_oidc_own_list(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_t        list;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *copy;

    if (ngx_list_init(&list, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            copy = ngx_list_push(&list);
            if (copy == NULL) {
                return NGX_ERROR;
            }

            *copy = h[i];
        }
    }

    if (list.last == &list.part) {
        list.last = &r->headers_in.headers.part;
    }

    r->headers_in.headers = list;

    return NGX_OK;
}


/* precontent: who it is is known for good */

ngx_int_t
ngx_http_oidc_send_headers(ngx_http_request_t *r)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_http_oidc_header_t    *header;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (lcf->headers == NULL) {
        return NGX_OK;
    }

    header = lcf->headers->elts;

    for (i = 0; i < lcf->headers->nelts; i++) {

        if (ngx_http_complex_value(r, &header[i].value, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0 || !oidc_claims_text_ok(&value)) {
            continue;
        }

        if (ngx_http_oidc_push_header(r, &header[i], &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_push_header(ngx_http_request_t *r,
    ngx_http_oidc_header_t *header, ngx_str_t *value)
{
    ngx_table_elt_t       *h, **sent;
    ngx_http_oidc_ctx_t   *ctx;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = header->hash;
    h->key = header->name;
    h->value = *value;
    h->lowcase_key = header->lowcase;
    ngx_http_oidc_header_end(h);

    if (header->name.len == sizeof("Authorization") - 1
        && ngx_strncmp(header->lowcase, "authorization", header->name.len)
           == 0)
    {
        r->headers_in.authorization = h;
    }

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_oidc_make_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx->headers == NULL) {
        ctx->headers = ngx_array_create(r->pool, 4, sizeof(void *));
        if (ctx->headers == NULL) {
            return NGX_ERROR;
        }
    }

    sent = ngx_array_push(ctx->headers);
    if (sent == NULL) {
        return NGX_ERROR;
    }

    *sent = h;

    return NGX_OK;
}
