
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Sessions that this worker has opened lately.  It saves the SHA-512 and the
 * AES-GCM of a request, never the look-up: the store is asked each time whether
 * the record is still there and still the one that was opened.
 */


#ifndef _NGX_HTTP_OIDC_CACHE_H_INCLUDED_
#define _NGX_HTTP_OIDC_CACHE_H_INCLUDED_


#include "ngx_http_oidc.h"


/* what is cached for this cookie value, or NULL; valid until the next put */

ngx_http_oidc_cached_t *ngx_http_oidc_cache_find(const oidc_str_t *cookie);

/* whether a put has left it alone since it had this stamp */

ngx_uint_t ngx_http_oidc_cache_still(const ngx_http_oidc_cached_t *cached,
    const u_char *stamp);

const oidc_handle_keys_t *ngx_http_oidc_cache_keys(
    const ngx_http_oidc_cached_t *cached);

/* OIDC_SESSION_STAMP bytes: how the record began */

void ngx_http_oidc_cache_stamp(const ngx_http_oidc_cached_t *cached,
    u_char *stamp);

/* a copy of the session in the pool */

ngx_int_t ngx_http_oidc_cache_get(const ngx_http_oidc_cached_t *cached,
    ngx_pool_t *pool, oidc_session_t *session);

/* of a session that has just opened; large ones are not kept */

void ngx_http_oidc_cache_put(const oidc_str_t *cookie,
    const oidc_handle_keys_t *keys, const oidc_str_t *record,
    const oidc_session_t *session, ngx_log_t *log);

void ngx_http_oidc_cache_drop(ngx_http_oidc_cached_t *cached);

/* when the process starts and ends: everything is wiped */

void ngx_http_oidc_cache_clear(void);


#endif /* _NGX_HTTP_OIDC_CACHE_H_INCLUDED_ */
