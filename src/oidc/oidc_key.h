
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Keys: JWK (RFC 7517, 7518 section 6, RFC 8037) and PEM <-> EVP_PKEY, with
 * the size floors and the table that says which key can do which "alg".
 */


#ifndef _OIDC_KEY_H_INCLUDED_
#define _OIDC_KEY_H_INCLUDED_


#include <jansson.h>
#include <openssl/evp.h>

#include "oidc_base.h"


#define OIDC_RSA_MIN_BITS   2048
#define OIDC_RSA_MAX_BITS   8192
#define OIDC_KID_MAX        512
#define OIDC_JWKS_MAX_KEYS  100
#define OIDC_JWKS_MAX       (256 * 1024)


typedef enum {
    OIDC_KTY_NONE = 0,
    OIDC_KTY_RSA,
    OIDC_KTY_EC,
    OIDC_KTY_OKP,
    OIDC_KTY_OCT
} oidc_kty_e;


typedef enum {
    OIDC_CRV_NONE = 0,
    OIDC_CRV_P256,
    OIDC_CRV_P384,
    OIDC_CRV_P521,
    OIDC_CRV_ED25519,
    OIDC_CRV_X25519
} oidc_crv_e;


typedef enum {
    OIDC_USE_ANY = 0,
    OIDC_USE_SIG,
    OIDC_USE_ENC
} oidc_use_e;


typedef struct {
    EVP_PKEY     *pkey;
    oidc_kty_e    kty;
    oidc_crv_e    crv;
    oidc_use_e    use;
    oidc_str_t    alg;       /* as in the JWK; empty: any that fits */
    oidc_str_t    kid;       /* empty: none */
    unsigned      no_verify:1;  /* key_ops excludes "verify" */
    unsigned      retired:1; /* ours: decrypts, is not published */
} oidc_key_t;


typedef struct oidc_jwks_s  oidc_jwks_t;


/*
 * A provider's JWK Set.  Keys that we cannot use (unknown kty or crv, oct,
 * too small, malformed) are left out, one bad key does not spoil the set;
 * private members are ignored.  OIDC_JWKS where it is no set, or has more than
 * OIDC_JWKS_MAX_KEYS.  The caller frees it with oidc_jwks_free().
 */

oidc_rc_t oidc_jwks_parse(const oidc_str_t *text, oidc_jwks_t **out);
void oidc_jwks_free(oidc_jwks_t *jwks);
size_t oidc_jwks_count(const oidc_jwks_t *jwks);
const oidc_key_t *oidc_jwks_key(const oidc_jwks_t *jwks, size_t i);

/*
 * The keys that may verify "alg": with a kid, those that carry it; without,
 * those that fit by kty, crv, alg, use and key_ops, at most "max" of them.
 * Returns OIDC_OK with *n >= 1; OIDC_JWS_KID where a kid is asked for and no
 * key has it; OIDC_JWS_KEY where none fits, or more than max do.
 */

oidc_rc_t oidc_jwks_select(const oidc_jwks_t *jwks, const oidc_str_t *alg,
    const oidc_str_t *kid, const oidc_key_t **found, size_t max, size_t *n);

/* one JWK, public members only, into *key; OIDC_KEY where it is unusable */

oidc_rc_t oidc_key_from_jwk(const json_t *jwk, oidc_key_t *key);

/*
 * One of our own private keys from a JWK: d, and for RSA all of p, q, dp, dq
 * and qi or none (RFC 7518 section 6.3.2).  OIDC_KEY where it is unusable, its
 * halves do not belong together, or key_ops (RFC 7517 section 4.3) names
 * neither a decryption nor "sign".  Free with oidc_key_free().
 */

oidc_rc_t oidc_key_from_private_jwk(const json_t *jwk, oidc_key_t *key);

/*
 * One of our own private keys from an unencrypted PEM.  use, alg and kid may
 * be empty: use then follows alg, or the kind of key (X25519 enc; Ed25519 sig;
 * RSA and EC enc), alg stays RSA-OAEP, ECDH-ES, EdDSA, or for use=sig RS256,
 * ES256/384/512 by curve; kid becomes the RFC 7638 thumbprint.  *why is a
 * fixed text for the configuration error: public only, locked by a passphrase,
 * too small, cannot do this alg ...  Never prompts.  Free with oidc_key_free().
 */

oidc_rc_t oidc_key_from_pem(const oidc_str_t *pem, const oidc_str_t *use,
    const oidc_str_t *alg, const oidc_str_t *kid, oidc_key_t *key,
    const char **why);

/* frees what the key holds, not the struct; kid and alg are malloc()ed */

void oidc_key_free(oidc_key_t *key);

/* RFC 7638 with SHA-256, 43 characters of base64url */

oidc_rc_t oidc_key_thumbprint(const oidc_key_t *key, u_char out[43]);

/* 1 where a key of this kind and curve can do this JWS or JWE "alg" */

int oidc_key_can(const oidc_key_t *key, const oidc_str_t *alg);

/*
 * {"keys":[...]} of the keys that are not retired, in their order: kty, use,
 * alg, kid and the public members, nothing else.
 */

oidc_rc_t oidc_jwks_render(oidc_pool_t *pool, const oidc_key_t *keys,
    size_t n, oidc_str_t *out);


#endif /* _OIDC_KEY_H_INCLUDED_ */
