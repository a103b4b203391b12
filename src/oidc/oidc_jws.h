
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Compact JWS (RFC 7515, RFC 8725).  A table names the algorithms; what is not
 * in the caller's mask is refused before any key is looked at, "none" is not
 * in the table.  Keys named in a header (jwk, jku, x5u, x5c) are never used.
 */


#ifndef _OIDC_JWS_H_INCLUDED_
#define _OIDC_JWS_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_key.h"


#define OIDC_JWS_MAX         (64 * 1024)
#define OIDC_JWS_CANDIDATES  4


#define OIDC_RS256  0x0001
#define OIDC_RS384  0x0002
#define OIDC_RS512  0x0004
#define OIDC_PS256  0x0008
#define OIDC_PS384  0x0010
#define OIDC_PS512  0x0020
#define OIDC_ES256  0x0040
#define OIDC_ES384  0x0080
#define OIDC_ES512  0x0100
#define OIDC_EDDSA  0x0200
#define OIDC_HS256  0x0400
#define OIDC_HS384  0x0800
#define OIDC_HS512  0x1000

#define OIDC_HS_ALL   (OIDC_HS256|OIDC_HS384|OIDC_HS512)
#define OIDC_ALG_DEFAULT  (OIDC_RS256|OIDC_PS256|OIDC_ES256|OIDC_EDDSA)


typedef struct {
    unsigned             algs;      /* mask of what is accepted */
    const oidc_jwks_t   *jwks;      /* for the asymmetric ones, may be NULL */
    const oidc_key_t    *key;       /* instead of jwks, whatever kid says */
    oidc_str_t           secret;    /* for HS*, at least as long as the hash */
    const char *const   *typs;      /* accepted "typ" besides an absent one,
                                       without "application/", any case, NULL
                                       at the end; NULL: any */
} oidc_jws_policy_t;


typedef struct {
    unsigned      alg;              /* one bit */
    oidc_str_t    payload;          /* in the pool */
    json_t       *header;           /* the caller's to json_decref() */
} oidc_jws_t;


/* the mask's bit of an alg name, 0 where there is none; case matters */

unsigned oidc_jws_alg(const oidc_str_t *name);
const char *oidc_jws_alg_name(unsigned alg);

/* the least secret length in bytes for HS*, 0 for others (RFC 7518 3.2) */

size_t oidc_jws_secret_min(unsigned alg);

/*
 * Verifies a compact JWS of at most OIDC_JWS_MAX bytes.  Returns OIDC_OK with
 * *jws filled, or OIDC_JWS, _ALG, _CRIT, _TYP, _KID (worth a refresh of the
 * keys), _KEY, _SIGNATURE; OpenSSL's error queue is empty afterwards.
 */

oidc_rc_t oidc_jws_verify(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jws_policy_t *policy, oidc_jws_t *jws);

/*
 * The left half of the hash that belongs to alg, base64url (at_hash, OpenID
 * Connect Core 3.1.3.6); SHA-512 for Ed25519.  At most 43 characters.
 */

oidc_rc_t oidc_jws_half_hash(unsigned alg, const oidc_str_t *data,
    u_char out[43], size_t *len);


#endif /* _OIDC_JWS_H_INCLUDED_ */
