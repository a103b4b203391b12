
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * One of our own keys from a private JWK (RFC 7518 section 6, RFC 8037 section
 * 2).  The public half and the labels are read as a provider's are, so that
 * the same floors hold.
 */


#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "oidc_json.h"
#include "oidc_key.h"
#include "oidc_key_int.h"


#define OIDC_RSA_PRIVATE_MAX  (OIDC_RSA_MAX_BITS / 8 + 1)
#define OIDC_RSA_PRIVATE_N    6


typedef struct {
    const char  *member;
    const char  *param;
} oidc_rsa_member_t;


static int oidc_private_ops(const json_t *jwk);
static EVP_PKEY *oidc_private_rsa(const json_t *jwk, const oidc_key_t *key);
static int oidc_private_rsa_push(const json_t *jwk, OSSL_PARAM_BLD *bld,
    BIGNUM *bn[OIDC_RSA_PRIVATE_N]);
static EVP_PKEY *oidc_private_ec(const json_t *jwk, const oidc_key_t *key);
static EVP_PKEY *oidc_private_okp(const json_t *jwk, const oidc_key_t *key);


/* d first, the others all or none */

static const oidc_rsa_member_t  oidc_rsa_members[OIDC_RSA_PRIVATE_N] = {
    { "d",  OSSL_PKEY_PARAM_RSA_D },
    { "p",  OSSL_PKEY_PARAM_RSA_FACTOR1 },
    { "q",  OSSL_PKEY_PARAM_RSA_FACTOR2 },
    { "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1 },
    { "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2 },
    { "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1 }
};


oidc_rc_t
oidc_key_from_private_jwk(const json_t *jwk, oidc_key_t *key)
{
    EVP_PKEY   *pkey;
    oidc_rc_t   rc;

    rc = oidc_key_from_jwk(jwk, key);
    if (rc != OIDC_OK) {
        return rc;
    }

    switch (key->kty) {

    case OIDC_KTY_RSA:
        pkey = oidc_private_rsa(jwk, key);
        break;

    case OIDC_KTY_EC:
        pkey = oidc_private_ec(jwk, key);
        break;

    default: /* OIDC_KTY_OKP */
        pkey = oidc_private_okp(jwk, key);
    }

    /* x of an OKP is not given to OpenSSL, which computes its own */

    if (pkey != NULL && EVP_PKEY_eq(pkey, key->pkey) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    EVP_PKEY_free(key->pkey);
    key->pkey = pkey;

    if (pkey == NULL || !oidc_private_ops(jwk) || !oidc_key_whole(key)) {
        oidc_key_free(key);
        rc = OIDC_KEY;
    }

    ERR_clear_error();

    return rc;
}


static int
oidc_private_ops(const json_t *jwk)
{
    size_t                    i;
    static const char *const  ops[] = {
        "decrypt", "unwrapKey", "deriveKey", "deriveBits", "sign"
    };

    if (json_object_get(jwk, "key_ops") == NULL) {
        return 1;
    }

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (oidc_json_has(jwk, "key_ops", ops[i])) {
            return 1;
        }
    }

    return 0;
}


static EVP_PKEY *
oidc_private_rsa(const json_t *jwk, const oidc_key_t *key)
{
    size_t           i;
    BIGNUM          *n, *e, *bn[OIDC_RSA_PRIVATE_N];
    EVP_PKEY        *pkey;
    OSSL_PARAM_BLD  *bld;

    n = NULL;
    e = NULL;
    pkey = NULL;
    memset(bn, 0, sizeof(bn));

    bld = OSSL_PARAM_BLD_new();

    if (bld != NULL
        && EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1
        && EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1
        && oidc_private_rsa_push(jwk, bld, bn))
    {
        pkey = oidc_key_build("RSA", bld, EVP_PKEY_KEYPAIR);
    }

    OSSL_PARAM_BLD_free(bld);

    for (i = 0; i < OIDC_RSA_PRIVATE_N; i++) {
        BN_clear_free(bn[i]);
    }

    BN_free(e);
    BN_free(n);

    return pkey;
}


static int
oidc_private_rsa_push(const json_t *jwk, OSSL_PARAM_BLD *bld,
    BIGNUM *bn[OIDC_RSA_PRIVATE_N])
{
    size_t   i, last, len;
    u_char   buf[OIDC_RSA_PRIVATE_MAX];

    /* more than two primes (RFC 7518 section 6.3.2.7) are not supported */

    if (json_object_get(jwk, "oth") != NULL) {
        return 0;
    }

    last = json_object_get(jwk, "p") != NULL ? OIDC_RSA_PRIVATE_N : 1;

    for (i = 0; i < last; i++) {
        if (oidc_key_jwk_octets(jwk, oidc_rsa_members[i].member, buf,
                                sizeof(buf), &len))
        {
            bn[i] = BN_bin2bn(buf, (int) len, NULL);
        }

        if (bn[i] == NULL
            || OSSL_PARAM_BLD_push_BN(bld, oidc_rsa_members[i].param, bn[i])
               != 1)
        {
            break;
        }
    }

    oidc_wipe(buf, sizeof(buf));

    return i == last;
}


static EVP_PKEY *
oidc_private_ec(const json_t *jwk, const oidc_key_t *key)
{
    size_t                  len, point_len;
    u_char                  d[OIDC_EC_MAX], point[1 + 2 * OIDC_EC_MAX];
    BIGNUM                 *bn;
    EVP_PKEY               *pkey;
    OSSL_PARAM_BLD         *bld;
    const oidc_key_kind_t  *kind;

    bn = NULL;
    pkey = NULL;
    kind = oidc_key_kind(key);
    bld = OSSL_PARAM_BLD_new();

    /* as long as the order, RFC 7518 section 6.2.2.1 */

    if (oidc_key_jwk_octets(jwk, "d", d, kind->len, &len) && len == kind->len)
    {
        bn = BN_bin2bn(d, (int) len, NULL);
    }

    if (bn != NULL && bld != NULL
        && EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY,
                                           point, sizeof(point), &point_len)
           == 1
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           kind->type, 0)
           == 1
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, point_len)
           == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, bn) == 1)
    {
        pkey = oidc_key_build("EC", bld, EVP_PKEY_KEYPAIR);
    }

    OSSL_PARAM_BLD_free(bld);
    BN_clear_free(bn);
    oidc_wipe(d, sizeof(d));

    return pkey;
}


static EVP_PKEY *
oidc_private_okp(const json_t *jwk, const oidc_key_t *key)
{
    size_t                  len;
    u_char                  d[OIDC_EC_MAX];
    EVP_PKEY               *pkey;
    const oidc_key_kind_t  *kind;

    pkey = NULL;
    kind = oidc_key_kind(key);

    if (oidc_key_jwk_octets(jwk, "d", d, kind->len, &len) && len == kind->len)
    {
        pkey = EVP_PKEY_new_raw_private_key_ex(NULL, kind->type, NULL, d, len);
    }

    oidc_wipe(d, sizeof(d));

    return pkey;
}
