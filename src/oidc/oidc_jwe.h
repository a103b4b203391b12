
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decryption of compact JWE (RFC 7516, RFC 7518 sections 4 and 5, RFC 8037).
 * Tables name the algorithms; what is not in the caller's masks is refused
 * before any key is looked at.  RSA1_5, dir, PBES2, A*KW, A*GCMKW and zip are
 * in no table.
 */


#ifndef _OIDC_JWE_H_INCLUDED_
#define _OIDC_JWE_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_key.h"


#define OIDC_JWE_MAX         (64 * 1024)
#define OIDC_JWE_CANDIDATES  4
#define OIDC_JWE_PARTY_MAX   512        /* octets of apu, of apv */


#define OIDC_RSA_OAEP        0x001
#define OIDC_RSA_OAEP_256    0x002
#define OIDC_RSA_OAEP_384    0x004
#define OIDC_RSA_OAEP_512    0x008
#define OIDC_ECDH_ES         0x010
#define OIDC_ECDH_ES_A128KW  0x020
#define OIDC_ECDH_ES_A192KW  0x040
#define OIDC_ECDH_ES_A256KW  0x080

#define OIDC_A128GCM         0x01
#define OIDC_A192GCM         0x02
#define OIDC_A256GCM         0x04
#define OIDC_A128CBC_HS256   0x08
#define OIDC_A192CBC_HS384   0x10
#define OIDC_A256CBC_HS512   0x20


typedef struct {
    unsigned      alg;              /* one bit each */
    unsigned      enc;
    oidc_str_t    plaintext;        /* in the pool */
    json_t       *header;           /* the caller's to json_decref() */
} oidc_jwe_t;


/* what oidc_jwe_decrypt() has said already, in a thread perhaps */

typedef struct {
    oidc_rc_t     rc;
    oidc_jwe_t    jwe;              /* where rc is OIDC_OK */
} oidc_jwe_opened_t;


/*
 * With "opened" nothing is decrypted: it is the result, for the one token that
 * this copy of the policy is used for.
 */

typedef struct {
    unsigned                    algs;   /* masks of what is accepted */
    unsigned                    encs;
    const oidc_key_t           *keys;   /* ours, private; retired decrypt too */
    size_t                      n;
    const oidc_jwe_opened_t    *opened; /* NULL: not yet */
} oidc_jwe_policy_t;


/* the mask's bit of a name, 0 where there is none; case matters */

unsigned oidc_jwe_alg(const oidc_str_t *name);
unsigned oidc_jwe_enc(const oidc_str_t *name);

/*
 * Decrypts a compact JWE of at most OIDC_JWE_MAX bytes.  Returns OIDC_OK with
 * *jwe filled; OIDC_JWE, _ALG, _ENC or _KEY for what the token's own text and
 * our configuration say; OIDC_JWE_DECRYPT for whatever depends on a private
 * key, be it the encrypted key, the tag or the padding (RFC 7516 section
 * 11.5); OIDC_CRYPTO and OIDC_NOMEM for ourselves.  Without a kid at most
 * OIDC_JWE_CANDIDATES keys are tried.  A nested token is the plaintext, "cty"
 * is for the caller to look at.  OpenSSL's error queue is empty afterwards.
 */

oidc_rc_t oidc_jwe_decrypt(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jwe_policy_t *policy, oidc_jwe_t *jwe);


#endif /* _OIDC_JWE_H_INCLUDED_ */
