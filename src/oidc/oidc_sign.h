
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Signing of what we send: client assertions and request objects (RFC 7515,
 * RFC 7518 section 3, RFC 8037).  What we sign with is configured; nothing
 * that a provider or a browser says has a part in it.
 */


#ifndef _OIDC_SIGN_H_INCLUDED_
#define _OIDC_SIGN_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_key.h"


typedef struct {
    const oidc_key_t   *key;      /* ours, private, with its alg and kid */
    oidc_str_t          secret;   /* for HS256, where key is NULL */
    const char         *typ;      /* of the header, NULL: none */
} oidc_signer_t;


/*
 * A compact JWS over "payload", or over the claims as compact JSON, in the
 * pool.  OIDC_KEY where the key is public only or cannot do its alg, or the
 * secret is shorter than 32 octets; OIDC_CRYPTO, OIDC_NOMEM.  OpenSSL's error
 * queue is empty afterwards.  A signature costs a worker 0.06 ms with ES256,
 * 0.1 ms with EdDSA, 1.5 ms with RS256 or PS256 and 2048 bits, 7.5 with 4096.
 */

oidc_rc_t oidc_jws_sign(oidc_pool_t *pool, const oidc_signer_t *signer,
    const oidc_str_t *payload, oidc_str_t *token);
oidc_rc_t oidc_jws_sign_claims(oidc_pool_t *pool, const oidc_signer_t *signer,
    const json_t *claims, oidc_str_t *token);


#endif /* _OIDC_SIGN_H_INCLUDED_ */
