
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


#ifndef _OIDC_B64_H_INCLUDED_
#define _OIDC_B64_H_INCLUDED_


#include "oidc_base.h"


/*
 * base64url without padding (RFC 4648 section 5, RFC 7515 section 2).  Decoding
 * is strict: the alphabet only, no "=", no length of 1 modulo 4, unused bits
 * zero, so that one value has one encoding.
 */

#define oidc_b64url_len(n)  (((n) * 4 + 2) / 3)

/* writes oidc_b64url_len(len) bytes, no NUL; returns the end */

u_char *oidc_b64url_encode_buf(u_char *dst, const u_char *src, size_t len);
oidc_rc_t oidc_b64url_encode(oidc_pool_t *pool, const oidc_str_t *src,
    oidc_str_t *dst);

/* decodes exactly "len" bytes into dst; 1 or 0 */

int oidc_b64url_decode_buf(u_char *dst, size_t len, const oidc_str_t *src);

/* OIDC_ARGS where the text is not canonical base64url */

oidc_rc_t oidc_b64url_decode(oidc_pool_t *pool, const oidc_str_t *src,
    oidc_str_t *dst);

/* plain base64 with padding, for the Authorization header */

oidc_rc_t oidc_b64_encode(oidc_pool_t *pool, const oidc_str_t *src,
    oidc_str_t *dst);


#endif /* _OIDC_B64_H_INCLUDED_ */
