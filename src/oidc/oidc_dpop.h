
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Proofs of possession (RFC 9449 sections 4.2, 4.3, 7.1, 9).  The only place
 * where a key that a token brings along is used: it proves that the sender has
 * it, and oidc_access_binding() that the access token belongs to it.
 */


#ifndef _OIDC_DPOP_H_INCLUDED_
#define _OIDC_DPOP_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_jws.h"


#define OIDC_DPOP_MAX      (8 * 1024)   /* bytes of a proof */
#define OIDC_DPOP_JTI_MAX  256
#define OIDC_DPOP_WINDOW   60           /* seconds that a proof is good for */


typedef struct {
    oidc_str_t    method;       /* of the request */
    oidc_str_t    url;          /* its absolute URL as the client knows it */
    oidc_str_t    token;        /* the access token */
    oidc_str_t    nonce;        /* that it must carry; empty: none */
    unsigned      algs;         /* mask, asymmetric ones only */
    int64_t       now;          /* seconds since 1970 */
    int64_t       skew;         /* seconds */
} oidc_dpop_expect_t;


typedef struct {
    u_char        jkt[43];      /* thumbprint of its key, base64url */
    u_char        id[32];       /* of this proof: hash of jkt and jti */
    int64_t       until;        /* when it may be forgotten */
} oidc_dpop_t;


/*
 * OIDC_OK, after which the caller marks dpop->id as spent until dpop->until
 * and refuses with OIDC_DPOP_REPLAY where it was already.  OIDC_DPOP_PROOF (no
 * such JWS, typ, alg, jwk, jti), _SIGNATURE, _REQUEST (htm, htu), _TOKEN
 * (ath), _TIME, _NONCE; OIDC_CRYPTO, OIDC_NOMEM.  An empty proof is
 * OIDC_DPOP_PROOF; two DPoP headers are the caller's to refuse as one.
 */

oidc_rc_t oidc_dpop_check(oidc_pool_t *pool, const oidc_str_t *proof,
    const oidc_dpop_expect_t *expect, oidc_dpop_t *dpop);


#endif /* _OIDC_DPOP_H_INCLUDED_ */
