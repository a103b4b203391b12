
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What oidc_key.c, oidc_jwk.c, oidc_jwk_private.c and oidc_jwks.c share, and no
 * one else.
 */


#ifndef _OIDC_KEY_INT_H_INCLUDED_
#define _OIDC_KEY_INT_H_INCLUDED_


#include <jansson.h>
#include <openssl/param_build.h>

#include "oidc_key.h"


#define OIDC_RSA_E_MAX  8       /* octets */
#define OIDC_EC_MAX     66


/* one kind of key: what it is called, and what it does unless told otherwise */

typedef struct {
    oidc_kty_e   kty;
    oidc_crv_e   crv;
    const char  *name;      /* of the "crv", NULL for RSA */
    const char  *type;      /* OpenSSL's name of the EC group, or of the type */
    size_t       len;       /* octets of a coordinate, or of an OKP "x" */
    const char  *sig;       /* its "alg", NULL where it cannot */
    const char  *enc;
} oidc_key_kind_t;


/* NULL where there is none */

const oidc_key_kind_t *oidc_key_kind(const oidc_key_t *key);
const oidc_key_kind_t *oidc_key_kind_by_name(oidc_kty_e kty,
    const oidc_str_t *crv);
const oidc_key_kind_t *oidc_key_kind_by_type(oidc_kty_e kty,
    const char *type);

/*
 * What OpenSSL lets pass in an RSA key: a fixed text, or NULL.  Cheap, where
 * EVP_PKEY_public_check() takes milliseconds of a worker's time.
 */

const char *oidc_key_rsa_fault(const EVP_PKEY *pkey);

/*
 * 1 where the public half verifies what the private half signs.  OpenSSL's own
 * check would prove the primes of an RSA key, 0.4 s for 4096 bits.
 */

int oidc_key_whole(const oidc_key_t *key);

/* a member of 1 to "max" octets of base64url; 1 or 0 */

int oidc_key_jwk_octets(const json_t *jwk, const char *name, u_char *buf,
    size_t max, size_t *len);

/*
 * A key of the parameters, EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR of them;
 * NULL where OpenSSL takes none.  "bld" stays the caller's.
 */

EVP_PKEY *oidc_key_build(const char *type, OSSL_PARAM_BLD *bld,
    int selection);

/* malloc()s a copy; nothing for an empty string */

oidc_rc_t oidc_key_copy(const oidc_str_t *src, oidc_str_t *dst);

/* a new object of kty and the public members, NULL where memory is short */

json_t *oidc_key_members(const oidc_key_t *key);


#endif /* _OIDC_KEY_INT_H_INCLUDED_ */
