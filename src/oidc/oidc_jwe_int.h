
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What oidc_jwe.c and oidc_jwe_key.c share, with each other and a unit test.
 */


#ifndef _OIDC_JWE_INT_H_INCLUDED_
#define _OIDC_JWE_INT_H_INCLUDED_


#include <openssl/evp.h>

#include "oidc_jwe.h"


#define OIDC_CEK_MAX  64


typedef enum {
    OIDC_WRAP_OAEP,
    OIDC_WRAP_ECDH,             /* the agreed key is the CEK */
    OIDC_WRAP_ECDH_KW           /* the agreed key unwraps the CEK */
} oidc_wrap_e;


typedef struct {
    oidc_str_t           name;
    unsigned             alg;
    oidc_wrap_e          wrap;
    const EVP_MD      *(*md)(void);         /* of OAEP and its MGF1 */
    const EVP_CIPHER  *(*cipher)(void);     /* of the key wrap */
    size_t               kek;               /* octets of its key */
} oidc_jwe_alg_t;


typedef struct {
    oidc_str_t           name;
    unsigned             enc;
    const EVP_CIPHER  *(*cipher)(void);
    const EVP_MD      *(*md)(void);         /* of the HMAC, NULL for GCM */
    size_t               cek;               /* octets, as all that follows */
    size_t               iv;
    size_t               tag;
} oidc_jwe_enc_t;


/* apu or apv, of no octets where absent; 1, or 0 where it cannot be taken */

int oidc_jwe_party(const json_t *header, const char *name,
    u_char buf[OIDC_JWE_PARTY_MAX], size_t *len);

/*
 * The content key of enc->cek octets.  A random one where the encrypted key
 * yields none, which the caller cannot tell from a right one.  OIDC_CRYPTO
 * where there is no randomness.
 */

oidc_rc_t oidc_jwe_cek(const oidc_jwe_alg_t *alg, const oidc_jwe_enc_t *enc,
    const oidc_key_t *key, const json_t *header, const oidc_str_t *encrypted,
    u_char cek[OIDC_CEK_MAX]);

/*
 * ECDH-ES with the header's epk, apu and apv, and Concat KDF (RFC 7518 section
 * 4.6.2) to "len" octets for AlgorithmID "id"; 1 or 0.
 */

int oidc_jwe_agree(const oidc_key_t *key, const json_t *header,
    const oidc_str_t *id, u_char *out, size_t len);


#endif /* _OIDC_JWE_INT_H_INCLUDED_ */
