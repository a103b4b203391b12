
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Logins that one browser has pending, each in a cookie of its own.  Which of
 * them are dropped for a new one; a server keeps none of them, so this is all
 * that bounds their number.
 */


#include "ngx_http_oidc.h"

#include "oidc_cookie.h"


/* cookies deleted with one answer; the rest goes with the next */

#define NGX_HTTP_OIDC_DROP_MAX  20


typedef struct {
    oidc_str_t    suffix;
    int64_t       created;
    ngx_uint_t    order;        /* in the Cookie header: the oldest first */
    size_t        size;
} ngx_http_oidc_pending_t;


static ngx_uint_t ngx_http_oidc_find_pending(ngx_http_request_t *r,
    const oidc_str_t *prefix, ngx_http_oidc_pending_t *pending,
    ngx_uint_t max);
static int ngx_libc_cdecl ngx_http_oidc_pending_cmp(const void *one,
    const void *two);


/*
 * Makes room for one more pending login of "size" bytes: drops those that are
 * over, then the oldest, until at most NGX_HTTP_OIDC_LOGINS_MAX of them take
 * at most NGX_HTTP_OIDC_LOGINS_SIZE of the Cookie header.
 */

ngx_int_t
ngx_http_oidc_drop_pending(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    size_t size)
{
    time_t                    oldest;
    ngx_uint_t                i, n, kept, dropped;
    oidc_str_t               *prefix;
    ngx_http_oidc_pending_t   pending[OIDC_COOKIE_COUNT_MAX / 10];

    prefix = &ctx->provider->login_cookie[ngx_http_oidc_https(r, ctx)];

    n = ngx_http_oidc_find_pending(r, prefix, pending,
                                   OIDC_COOKIE_COUNT_MAX / 10);

    if (n == 0) {
        return NGX_OK;
    }

    /* the youngest first */

    ngx_qsort(pending, n, sizeof(ngx_http_oidc_pending_t),
              ngx_http_oidc_pending_cmp);

    oldest = ngx_time() - ctx->provider->pre_auth_timeout;
    kept = 1;
    dropped = 0;

    for (i = 0; i < n; i++) {

        size += pending[i].size;

        if (pending[i].created >= oldest
            && kept < NGX_HTTP_OIDC_LOGINS_MAX
            && size <= NGX_HTTP_OIDC_LOGINS_SIZE)
        {
            kept++;
            continue;
        }

        if (dropped++ == NGX_HTTP_OIDC_DROP_MAX) {
            break;
        }

        if (ngx_http_oidc_set_cookie(r, ctx, prefix, &pending[i].suffix, NULL,
                                     0)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_oidc_find_pending(ngx_http_request_t *r, const oidc_str_t *prefix,
    ngx_http_oidc_pending_t *pending, ngx_uint_t max)
{
    ngx_uint_t  i, n;
    oidc_str_t  line, name, value;

    n = 0;

    for (i = 0; ngx_http_oidc_cookies(r, i, &line); i++) {

        while (n < max && oidc_cookie_next(&line, &name, &value)) {

            /* one that we would not write cannot be deleted by us, either */

            if (name.len != prefix->len + OIDC_LOGIN_SUFFIX_LEN
                || ngx_memcmp(name.data, prefix->data, prefix->len) != 0
                || !oidc_cookie_name_ok(&name))
            {
                continue;
            }

            pending[n].suffix.len = OIDC_LOGIN_SUFFIX_LEN;
            pending[n].suffix.data = name.data + prefix->len;
            pending[n].created = oidc_login_created(&value);
            pending[n].order = n;
            pending[n].size = name.len + value.len + 3;
            n++;
        }
    }

    return n;
}


static int ngx_libc_cdecl
ngx_http_oidc_pending_cmp(const void *one, const void *two)
{
    const ngx_http_oidc_pending_t  *a = one;
    const ngx_http_oidc_pending_t  *b = two;

    if (a->created != b->created) {
        return (a->created < b->created) ? 1 : -1;
    }

    /* begun within a second: browsers send them in order (RFC 6265, 5.4) */

    return (a->order < b->order) ? 1 : -1;
}
