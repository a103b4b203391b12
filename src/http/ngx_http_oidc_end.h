
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* sessions that end without their users, see ngx_http_oidc_end.c */


#ifndef _NGX_HTTP_OIDC_END_H_INCLUDED_
#define _NGX_HTTP_OIDC_END_H_INCLUDED_


#include "ngx_http_oidc.h"


typedef struct {
    ngx_oidc_store_t       *store;
    ngx_oidc_store_kind_e   kind;
    u_char                  name[NGX_OIDC_STORE_NAME_LEN];
    size_t                  len;        /* of the name, as "end" wants it */
} ngx_http_oidc_end_t;


typedef struct {
    ngx_array_t             list;       /* of ngx_http_oidc_end_t */
    ngx_uint_t              next;
    uint64_t                count;      /* sessions that were ended */
    unsigned                asked:1;
    unsigned                failed:1;   /* with ctx->rc and ctx->detail */
} ngx_http_oidc_ending_t;


ngx_int_t ngx_http_oidc_end_init(ngx_http_request_t *r,
    ngx_http_oidc_ending_t *e);

/* the sessions of a "sid" or a "sub" of this provider's client */

ngx_int_t ngx_http_oidc_end_indexed(ngx_http_request_t *r,
    ngx_http_oidc_ending_t *e, ngx_http_oidc_provider_t *p, const char *kind,
    const oidc_str_t *value);

/* those whose names begin with these bytes, at most NGX_OIDC_STORE_NAME_LEN */

ngx_int_t ngx_http_oidc_end_named(ngx_http_oidc_ending_t *e,
    ngx_oidc_store_t *store, u_char *name, size_t len);

/* NGX_OK when the list is done or has failed; NGX_BUSY as of a step */

ngx_int_t ngx_http_oidc_end_all(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_ending_t *e);


#endif /* _NGX_HTTP_OIDC_END_H_INCLUDED_ */
