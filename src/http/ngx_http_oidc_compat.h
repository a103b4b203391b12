
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What differs between nginx 1.22 and mainline.  The build script probes the
 * headers for it, nothing here asks for a version.
 */


#ifndef _NGX_HTTP_OIDC_COMPAT_H_INCLUDED_
#define _NGX_HTTP_OIDC_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Walks the Cookie lines of a request: "i" starts at 0, NULL ends.  They are
 * an array of pointers up to 1.22 and a linked list since.
 */

static ngx_inline ngx_table_elt_t *
ngx_http_oidc_cookie_line(ngx_http_request_t *r, ngx_uint_t i)
{
#if (NGX_HTTP_OIDC_HEADER_LISTS)
    ngx_table_elt_t  *h;

    for (h = r->headers_in.cookie; h != NULL && i > 0; h = h->next) {
        i--;
    }

    return h;

#else
    ngx_table_elt_t  **h;

    h = r->headers_in.cookies.elts;

    return (i < r->headers_in.cookies.nelts) ? h[i] : NULL;
#endif
}


static ngx_inline void
ngx_http_oidc_header_end(ngx_table_elt_t *h)
{
#if (NGX_HTTP_OIDC_HEADER_LISTS)
    h->next = NULL;
#else
    (void) h;
#endif
}


/* beside the challenges of others, as with "satisfy any" */

static ngx_inline void
ngx_http_oidc_challenge(ngx_http_request_t *r, ngx_table_elt_t *h)
{
#if (NGX_HTTP_OIDC_HEADER_LISTS)
    h->next = r->headers_out.www_authenticate;
#endif

    r->headers_out.www_authenticate = h;
}


#endif /* _NGX_HTTP_OIDC_COMPAT_H_INCLUDED_ */
