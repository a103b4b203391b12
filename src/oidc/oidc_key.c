
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The table that says which kind of key can do which "alg" (nothing else in
 * the pure layer decides that), the floors below which a key is no key, and
 * our own private keys from PEM (RFC 7468).  Never asks for a passphrase.
 */


#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "oidc_key.h"
#include "oidc_key_int.h"


typedef struct {
    const char  *name;
    oidc_kty_e   kty;
    oidc_crv_e   crv;       /* OIDC_CRV_NONE: any of this kty */
    oidc_use_e   use;
} oidc_key_alg_t;


static EVP_PKEY *oidc_pem_read(const oidc_str_t *pem, const char **why);
static const char *oidc_pem_unread(BIO *bio);
static int oidc_pem_passphrase(char *buf, int size, int rw, void *asked);
static oidc_rc_t oidc_pem_kind(oidc_key_t *key, const char **why);
static const oidc_key_kind_t *oidc_pem_ec_kind(const EVP_PKEY *pkey,
    const char **why);
static oidc_rc_t oidc_pem_purpose(const oidc_str_t *use, const oidc_str_t *alg,
    oidc_key_t *key, const char **why);
static oidc_rc_t oidc_pem_kid(const oidc_str_t *kid, oidc_key_t *key,
    const char **why);
static const oidc_key_alg_t *oidc_key_alg(const oidc_key_t *key,
    const oidc_str_t *alg);


static const oidc_key_kind_t  oidc_key_kinds[] = {

    { OIDC_KTY_RSA, OIDC_CRV_NONE,    NULL,      "RSA",        0,
      "RS256", "RSA-OAEP" },

    { OIDC_KTY_EC,  OIDC_CRV_P256,    "P-256",   "prime256v1", 32,
      "ES256", "ECDH-ES" },

    { OIDC_KTY_EC,  OIDC_CRV_P384,    "P-384",   "secp384r1",  48,
      "ES384", "ECDH-ES" },

    { OIDC_KTY_EC,  OIDC_CRV_P521,    "P-521",   "secp521r1",  66,
      "ES512", "ECDH-ES" },

    { OIDC_KTY_OKP, OIDC_CRV_ED25519, "Ed25519", "ED25519",    32,
      "EdDSA", NULL },

    { OIDC_KTY_OKP, OIDC_CRV_X25519,  "X25519",  "X25519",     32,
      NULL,    "ECDH-ES" },

    { OIDC_KTY_NONE, OIDC_CRV_NONE, NULL, NULL, 0, NULL, NULL }
};


static const oidc_key_alg_t  oidc_key_algs[] = {
    { "RS256",          OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "RS384",          OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "RS512",          OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "PS256",          OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "PS384",          OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "PS512",          OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "ES256",          OIDC_KTY_EC,  OIDC_CRV_P256,    OIDC_USE_SIG },
    { "ES384",          OIDC_KTY_EC,  OIDC_CRV_P384,    OIDC_USE_SIG },
    { "ES512",          OIDC_KTY_EC,  OIDC_CRV_P521,    OIDC_USE_SIG },
    { "EdDSA",          OIDC_KTY_OKP, OIDC_CRV_ED25519, OIDC_USE_SIG },
    { "HS256",          OIDC_KTY_OCT, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "HS384",          OIDC_KTY_OCT, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "HS512",          OIDC_KTY_OCT, OIDC_CRV_NONE,    OIDC_USE_SIG },
    { "RSA-OAEP",       OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "RSA-OAEP-256",   OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "RSA-OAEP-384",   OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "RSA-OAEP-512",   OIDC_KTY_RSA, OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "ECDH-ES",        OIDC_KTY_EC,  OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "ECDH-ES",        OIDC_KTY_OKP, OIDC_CRV_X25519,  OIDC_USE_ENC },
    { "ECDH-ES+A128KW", OIDC_KTY_EC,  OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "ECDH-ES+A128KW", OIDC_KTY_OKP, OIDC_CRV_X25519,  OIDC_USE_ENC },
    { "ECDH-ES+A192KW", OIDC_KTY_EC,  OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "ECDH-ES+A192KW", OIDC_KTY_OKP, OIDC_CRV_X25519,  OIDC_USE_ENC },
    { "ECDH-ES+A256KW", OIDC_KTY_EC,  OIDC_CRV_NONE,    OIDC_USE_ENC },
    { "ECDH-ES+A256KW", OIDC_KTY_OKP, OIDC_CRV_X25519,  OIDC_USE_ENC },
    { NULL, OIDC_KTY_NONE, OIDC_CRV_NONE, OIDC_USE_ANY }
};


oidc_rc_t
oidc_key_from_pem(const oidc_str_t *pem, const oidc_str_t *use,
    const oidc_str_t *alg, const oidc_str_t *kid, oidc_key_t *key,
    const char **why)
{
    oidc_rc_t  rc;

    memset(key, 0, sizeof(oidc_key_t));
    rc = OIDC_KEY;

    key->pkey = oidc_pem_read(pem, why);

    if (key->pkey != NULL) {
        rc = oidc_pem_kind(key, why);
    }

    if (rc == OIDC_OK) {
        rc = oidc_pem_purpose(use, alg, key, why);
    }

    if (rc == OIDC_OK) {
        rc = oidc_pem_kid(kid, key, why);
    }

    if (rc != OIDC_OK) {
        oidc_key_free(key);
    }

    if (rc == OIDC_NOMEM) {
        *why = "out of memory";
    }

    ERR_clear_error();

    return rc;
}


void
oidc_key_free(oidc_key_t *key)
{
    EVP_PKEY_free(key->pkey);
    free(key->alg.data);
    free(key->kid.data);

    memset(key, 0, sizeof(oidc_key_t));
}


int
oidc_key_can(const oidc_key_t *key, const oidc_str_t *alg)
{
    return oidc_key_alg(key, alg) != NULL;
}


const oidc_key_kind_t *
oidc_key_kind(const oidc_key_t *key)
{
    const oidc_key_kind_t  *kind;

    for (kind = oidc_key_kinds; kind->kty != OIDC_KTY_NONE; kind++) {
        if (kind->kty == key->kty && kind->crv == key->crv) {
            return kind;
        }
    }

    return NULL;
}


const oidc_key_kind_t *
oidc_key_kind_by_name(oidc_kty_e kty, const oidc_str_t *crv)
{
    const oidc_key_kind_t  *kind;

    for (kind = oidc_key_kinds; kind->kty != OIDC_KTY_NONE; kind++) {
        if (kind->kty == kty
            && kind->name != NULL
            && oidc_str_eq_cstr(crv, kind->name))
        {
            return kind;
        }
    }

    return NULL;
}


const oidc_key_kind_t *
oidc_key_kind_by_type(oidc_kty_e kty, const char *type)
{
    const oidc_key_kind_t  *kind;

    for (kind = oidc_key_kinds; kind->kty != OIDC_KTY_NONE; kind++) {
        if (kind->kty == kty && strcmp(kind->type, type) == 0) {
            return kind;
        }
    }

    return NULL;
}


const char *
oidc_key_rsa_fault(const EVP_PKEY *pkey)
{
    int          bits;
    BIGNUM      *n, *e;
    const char  *fault;

    n = NULL;
    e = NULL;
    fault = "its numbers are unusable";

    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1
        || EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
    {
        goto done;
    }

    bits = BN_num_bits(n);

    if (bits < OIDC_RSA_MIN_BITS) {
        fault = "RSA keys need at least 2048 bits";

    } else if (bits > OIDC_RSA_MAX_BITS) {
        fault = "RSA keys may have at most 8192 bits";

    } else if (BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e)
               && BN_num_bits(e) <= OIDC_RSA_E_MAX * 8)
    {
        fault = NULL;
    }

done:

    BN_free(e);
    BN_free(n);

    return fault;
}


oidc_rc_t
oidc_key_copy(const oidc_str_t *src, oidc_str_t *dst)
{
    if (src->len == 0) {
        return OIDC_OK;
    }

    dst->data = malloc(src->len);
    if (dst->data == NULL) {
        return OIDC_NOMEM;
    }

    memcpy(dst->data, src->data, src->len);
    dst->len = src->len;

    return OIDC_OK;
}


int
oidc_key_whole(const oidc_key_t *key)
{
    int            rc;
    size_t         len;
    u_char         sig[OIDC_RSA_MAX_BITS / 8];
    EVP_MD_CTX    *md;
    EVP_PKEY_CTX  *ctx;

    if (key->kty != OIDC_KTY_RSA) {
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
        rc = ctx != NULL && EVP_PKEY_pairwise_check(ctx) == 1;

        EVP_PKEY_CTX_free(ctx);

        return rc;
    }

    len = sizeof(sig);
    md = EVP_MD_CTX_new();

    rc = md != NULL
         && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key->pkey) == 1
         && EVP_DigestSign(md, sig, &len, sig, 0) == 1
         && EVP_MD_CTX_reset(md) == 1
         && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key->pkey) == 1
         && EVP_DigestVerify(md, sig, len, sig, 0) == 1;

    EVP_MD_CTX_free(md);

    return rc;
}


static EVP_PKEY *
oidc_pem_read(const oidc_str_t *pem, const char **why)
{
    BIO       *bio;
    int        asked;
    EVP_PKEY  *pkey;

    *why = "not a private key in PEM";

    if (pem->len == 0 || pem->len > INT_MAX) {
        return NULL;
    }

    bio = BIO_new_mem_buf(pem->data, (int) pem->len);
    if (bio == NULL) {
        *why = "out of memory";
        return NULL;
    }

    asked = 0;
    pkey = PEM_read_bio_PrivateKey(bio, NULL, oidc_pem_passphrase, &asked);

    if (asked) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
        *why = "locked by a passphrase";

    } else if (pkey == NULL) {
        *why = oidc_pem_unread(bio);
    }

    BIO_free(bio);

    return pkey;
}


/* why PEM_read_bio_PrivateKey() found nothing */

static const char *
oidc_pem_unread(BIO *bio)
{
    EVP_PKEY  *pkey;

    if (BIO_reset(bio) != 1) {
        return "not a private key in PEM";
    }

    pkey = PEM_read_bio_PUBKEY(bio, NULL, oidc_pem_passphrase, NULL);

    if (pkey == NULL) {
        return "not a private key in PEM";
    }

    EVP_PKEY_free(pkey);

    return "a public key only, the private one is needed";
}


/* without it OpenSSL would ask on the terminal that nginx was started from */

static int
oidc_pem_passphrase(char *buf, int size, int rw, void *asked)
{
    (void) buf;
    (void) size;
    (void) rw;

    if (asked != NULL) {
        *(int *) asked = 1;
    }

    return -1;
}


static oidc_rc_t
oidc_pem_kind(oidc_key_t *key, const char **why)
{
    const oidc_key_kind_t  *kind;

    *why = "neither RSA, EC, Ed25519 nor X25519";

    switch (EVP_PKEY_get_base_id(key->pkey)) {

    case EVP_PKEY_RSA:
        *why = oidc_key_rsa_fault(key->pkey);
        kind = *why == NULL ? oidc_key_kind_by_type(OIDC_KTY_RSA, "RSA") : NULL;
        break;

    case EVP_PKEY_EC:
        kind = oidc_pem_ec_kind(key->pkey, why);
        break;

    case EVP_PKEY_ED25519:
        kind = oidc_key_kind_by_type(OIDC_KTY_OKP, "ED25519");
        break;

    case EVP_PKEY_X25519:
        kind = oidc_key_kind_by_type(OIDC_KTY_OKP, "X25519");
        break;

    default:
        kind = NULL;
    }

    if (kind == NULL) {
        return OIDC_KEY;
    }

    key->kty = kind->kty;
    key->crv = kind->crv;

    if (!oidc_key_whole(key)) {
        *why = "its private and public halves do not belong together";
        return OIDC_KEY;
    }

    return OIDC_OK;
}


/* by the curve's name; spelled out parameters are refused, RFC 5480 2.1.1 */

static const oidc_key_kind_t *
oidc_pem_ec_kind(const EVP_PKEY *pkey, const char **why)
{
    int   spelled;
    char  group[32];

    *why = "its curve is none of P-256, P-384 and P-521";
    spelled = 0;

    if (EVP_PKEY_get_int_param(pkey,
                               OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &spelled)
        != 1
        || spelled
        || EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME,
                                          group, sizeof(group), NULL)
           != 1)
    {
        return NULL;
    }

    return oidc_key_kind_by_type(OIDC_KTY_EC, group);
}


static oidc_rc_t
oidc_pem_purpose(const oidc_str_t *use, const oidc_str_t *alg, oidc_key_t *key,
    const char **why)
{
    oidc_str_t              name;
    const oidc_key_alg_t   *row;
    const oidc_key_kind_t  *kind;

    if (oidc_str_eq_cstr(use, "sig")) {
        key->use = OIDC_USE_SIG;

    } else if (oidc_str_eq_cstr(use, "enc")) {
        key->use = OIDC_USE_ENC;

    } else if (use->len) {
        *why = "use is neither sig nor enc";
        return OIDC_KEY;
    }

    name = *alg;

    if (name.len == 0) {
        kind = oidc_key_kind(key);

        if (key->use == OIDC_USE_ANY) {
            key->use = kind->enc != NULL ? OIDC_USE_ENC : OIDC_USE_SIG;
        }

        name.data = (u_char *) (key->use == OIDC_USE_SIG ? kind->sig
                                                         : kind->enc);
        if (name.data == NULL) {
            *why = "this kind of key cannot be used so";
            return OIDC_KEY;
        }

        name.len = strlen((char *) name.data);
    }

    row = oidc_key_alg(key, &name);

    if (row == NULL || (key->use != OIDC_USE_ANY && key->use != row->use)) {
        *why = "this key cannot do this alg";
        return OIDC_KEY;
    }

    key->use = row->use;

    return oidc_key_copy(&name, &key->alg);
}


static oidc_rc_t
oidc_pem_kid(const oidc_str_t *kid, oidc_key_t *key, const char **why)
{
    json_t      *text;
    u_char       thumbprint[43];
    oidc_rc_t    rc;
    oidc_str_t   name;

    if (kid->len == 0) {
        rc = oidc_key_thumbprint(key, thumbprint);
        if (rc != OIDC_OK) {
            *why = "its thumbprint cannot be computed";
            return rc;
        }

        name.data = thumbprint;
        name.len = sizeof(thumbprint);

        return oidc_key_copy(&name, &key->kid);
    }

    text = json_stringn((char *) kid->data, kid->len);

    if (text == NULL || kid->len > OIDC_KID_MAX) {
        json_decref(text);
        *why = "kid is too long or not UTF-8";
        return OIDC_KEY;
    }

    json_decref(text);

    return oidc_key_copy(kid, &key->kid);
}


static const oidc_key_alg_t *
oidc_key_alg(const oidc_key_t *key, const oidc_str_t *alg)
{
    const oidc_key_alg_t  *row;

    for (row = oidc_key_algs; row->name != NULL; row++) {
        if (row->kty == key->kty
            && (row->crv == OIDC_CRV_NONE || row->crv == key->crv)
            && oidc_str_eq_cstr(alg, row->name))
        {
            return row;
        }
    }

    return NULL;
}
