
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * One JWK (RFC 7517, RFC 7518 section 6, RFC 8037) into an EVP_PKEY and back,
 * and its thumbprint (RFC 7638).  Reads and writes public members only: a
 * private one in a provider's set is not looked at, one of ours never leaves.
 */


#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "oidc_b64.h"
#include "oidc_json.h"
#include "oidc_key.h"
#include "oidc_key_int.h"


/* one octet more: some providers write the sign octet of ASN.1 into "n" */

#define OIDC_RSA_N_MAX  (OIDC_RSA_MAX_BITS / 8 + 1)


static oidc_rc_t oidc_key_jwk_labels(const json_t *jwk, oidc_key_t *key);
static oidc_rc_t oidc_key_jwk_rsa(const json_t *jwk, oidc_key_t *key);
static oidc_rc_t oidc_key_jwk_ec(const json_t *jwk, oidc_key_t *key);
static oidc_rc_t oidc_key_jwk_okp(const json_t *jwk, oidc_key_t *key);
static const oidc_key_kind_t *oidc_key_jwk_kind(const json_t *jwk,
    oidc_kty_e kty);
static json_t *oidc_key_bn_json(const EVP_PKEY *pkey, const char *param,
    size_t len);
static json_t *oidc_key_b64_json(const u_char *data, size_t len);


oidc_rc_t
oidc_key_from_jwk(const json_t *jwk, oidc_key_t *key)
{
    oidc_rc_t   rc;
    oidc_str_t  kty;

    memset(key, 0, sizeof(oidc_key_t));

    if (oidc_json_str(jwk, "kty", &kty) != 1) {
        return OIDC_KEY;
    }

    if (oidc_str_eq_cstr(&kty, "RSA")) {
        rc = oidc_key_jwk_rsa(jwk, key);

    } else if (oidc_str_eq_cstr(&kty, "EC")) {
        rc = oidc_key_jwk_ec(jwk, key);

    } else if (oidc_str_eq_cstr(&kty, "OKP")) {
        rc = oidc_key_jwk_okp(jwk, key);

    } else {
        rc = OIDC_KEY;
    }

    if (rc == OIDC_OK) {
        rc = oidc_key_jwk_labels(jwk, key);
    }

    if (rc != OIDC_OK) {
        oidc_key_free(key);
        ERR_clear_error();
    }

    return rc;
}


oidc_rc_t
oidc_key_thumbprint(const oidc_key_t *key, u_char out[43])
{
    char       *text;
    json_t     *members;
    u_char      digest[32];
    oidc_rc_t   rc;

    rc = OIDC_NOMEM;
    text = NULL;

    members = oidc_key_members(key);
    if (members == NULL) {
        goto done;
    }

    /* RFC 7638 section 3.3: by name, without white space */

    text = json_dumps(members, JSON_SORT_KEYS|JSON_COMPACT);
    if (text == NULL) {
        goto done;
    }

    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
    {
        ERR_clear_error();
        rc = OIDC_CRYPTO;
        goto done;
    }

    (void) oidc_b64url_encode_buf(out, digest, sizeof(digest));
    rc = OIDC_OK;

done:

    free(text);
    json_decref(members);

    return rc;
}


json_t *
oidc_key_members(const oidc_key_t *key)
{
    size_t                  len;
    u_char                  x[OIDC_EC_MAX];
    const EVP_PKEY         *pkey;
    const oidc_key_kind_t  *kind;

    kind = oidc_key_kind(key);
    pkey = key->pkey;
    len = kind->len;

    switch (kind->kty) {

    case OIDC_KTY_RSA:
        return json_pack("{s:s, s:o, s:o}", "kty", "RSA",
                         "n", oidc_key_bn_json(pkey, OSSL_PKEY_PARAM_RSA_N, 0),
                         "e", oidc_key_bn_json(pkey, OSSL_PKEY_PARAM_RSA_E, 0));

    case OIDC_KTY_EC:
        return json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC",
                         "crv", kind->name,
                         "x", oidc_key_bn_json(pkey, OSSL_PKEY_PARAM_EC_PUB_X,
                                               len),
                         "y", oidc_key_bn_json(pkey, OSSL_PKEY_PARAM_EC_PUB_Y,
                                               len));

    default: /* OIDC_KTY_OKP */
        if (EVP_PKEY_get_raw_public_key(pkey, x, &len) != 1) {
            ERR_clear_error();
            return NULL;
        }

        return json_pack("{s:s, s:s, s:o}", "kty", "OKP",
                         "crv", kind->name, "x", oidc_key_b64_json(x, len));
    }
}


int
oidc_key_jwk_octets(const json_t *jwk, const char *name, u_char *buf,
    size_t max, size_t *len)
{
    oidc_str_t  text;

    if (oidc_json_str(jwk, name, &text) != 1
        || text.len == 0
        || text.len > oidc_b64url_len(max))
    {
        return 0;
    }

    *len = text.len / 4 * 3 + text.len % 4 * 3 / 4;

    return oidc_b64url_decode_buf(buf, *len, &text);
}


/* use, key_ops, alg and kid, RFC 7517 sections 4.2 to 4.5 */

static oidc_rc_t
oidc_key_jwk_labels(const json_t *jwk, oidc_key_t *key)
{
    int         has;
    json_t     *ops;
    oidc_rc_t   rc;
    oidc_str_t  use, alg, kid;

    has = oidc_json_str(jwk, "use", &use);

    if (has == 1 && oidc_str_eq_cstr(&use, "sig")) {
        key->use = OIDC_USE_SIG;

    } else if (has == 1 && oidc_str_eq_cstr(&use, "enc")) {
        key->use = OIDC_USE_ENC;

    } else if (has != 0) {
        return OIDC_KEY;
    }

    ops = json_object_get(jwk, "key_ops");

    if (ops != NULL) {
        if (!json_is_array(ops)) {
            return OIDC_KEY;
        }

        key->no_verify = !oidc_json_has(jwk, "key_ops", "verify");
    }

    has = oidc_json_str(jwk, "alg", &alg);

    if (has == -1) {
        return OIDC_KEY;
    }

    if (has == 1) {
        rc = oidc_key_copy(&alg, &key->alg);
        if (rc != OIDC_OK) {
            return rc;
        }
    }

    has = oidc_json_str(jwk, "kid", &kid);

    if (has == -1 || (has == 1 && kid.len > OIDC_KID_MAX)) {
        return OIDC_KEY;
    }

    return has == 1 ? oidc_key_copy(&kid, &key->kid) : OIDC_OK;
}


/* RFC 7518 section 6.3.1 */

static oidc_rc_t
oidc_key_jwk_rsa(const json_t *jwk, oidc_key_t *key)
{
    size_t           n_len, e_len;
    BIGNUM          *n, *e;
    u_char           n_buf[OIDC_RSA_N_MAX], e_buf[OIDC_RSA_E_MAX];
    OSSL_PARAM_BLD  *bld;

    if (!oidc_key_jwk_octets(jwk, "n", n_buf, sizeof(n_buf), &n_len)
        || !oidc_key_jwk_octets(jwk, "e", e_buf, sizeof(e_buf), &e_len))
    {
        return OIDC_KEY;
    }

    n = BN_bin2bn(n_buf, (int) n_len, NULL);
    e = BN_bin2bn(e_buf, (int) e_len, NULL);
    bld = OSSL_PARAM_BLD_new();

    if (n != NULL && e != NULL && bld != NULL
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    {
        key->pkey = oidc_key_build("RSA", bld, EVP_PKEY_PUBLIC_KEY);
    }

    OSSL_PARAM_BLD_free(bld);
    BN_free(e);
    BN_free(n);

    key->kty = OIDC_KTY_RSA;

    if (key->pkey == NULL || oidc_key_rsa_fault(key->pkey) != NULL) {
        return OIDC_KEY;
    }

    return OIDC_OK;
}


/* RFC 7518 section 6.2.1: the coordinates have the full length of the field */

static oidc_rc_t
oidc_key_jwk_ec(const json_t *jwk, oidc_key_t *key)
{
    size_t                  x_len, y_len;
    u_char                  point[1 + 2 * OIDC_EC_MAX];
    OSSL_PARAM_BLD         *bld;
    const oidc_key_kind_t  *kind;

    kind = oidc_key_jwk_kind(jwk, OIDC_KTY_EC);

    if (kind == NULL
        || !oidc_key_jwk_octets(jwk, "x", point + 1, kind->len, &x_len)
        || x_len != kind->len
        || !oidc_key_jwk_octets(jwk, "y", point + 1 + x_len, kind->len, &y_len)
        || y_len != kind->len)
    {
        return OIDC_KEY;
    }

    point[0] = 4;    /* uncompressed, SEC 1 section 2.3.3 */

    bld = OSSL_PARAM_BLD_new();

    if (bld != NULL
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           kind->type, 0)
           == 1
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, 1 + x_len + y_len)
           == 1)
    {
        key->pkey = oidc_key_build("EC", bld, EVP_PKEY_PUBLIC_KEY);
    }

    OSSL_PARAM_BLD_free(bld);

    key->kty = OIDC_KTY_EC;
    key->crv = kind->crv;

    return key->pkey != NULL ? OIDC_OK : OIDC_KEY;
}


/* RFC 8037 section 2 */

static oidc_rc_t
oidc_key_jwk_okp(const json_t *jwk, oidc_key_t *key)
{
    size_t                  len;
    u_char                  x[OIDC_EC_MAX];
    const oidc_key_kind_t  *kind;

    kind = oidc_key_jwk_kind(jwk, OIDC_KTY_OKP);

    if (kind == NULL
        || !oidc_key_jwk_octets(jwk, "x", x, kind->len, &len)
        || len != kind->len)
    {
        return OIDC_KEY;
    }

    key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, kind->type, NULL, x, len);
    key->kty = OIDC_KTY_OKP;
    key->crv = kind->crv;

    return key->pkey != NULL ? OIDC_OK : OIDC_KEY;
}


static const oidc_key_kind_t *
oidc_key_jwk_kind(const json_t *jwk, oidc_kty_e kty)
{
    oidc_str_t  crv;

    if (oidc_json_str(jwk, "crv", &crv) != 1) {
        return NULL;
    }

    return oidc_key_kind_by_name(kty, &crv);
}


EVP_PKEY *
oidc_key_build(const char *type, OSSL_PARAM_BLD *bld, int selection)
{
    EVP_PKEY      *pkey;
    OSSL_PARAM    *params;
    EVP_PKEY_CTX  *ctx;

    pkey = NULL;
    params = OSSL_PARAM_BLD_to_param(bld);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (params == NULL
        || ctx == NULL
        || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, selection, params) != 1)
    {
        pkey = NULL;
    }

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);

    return pkey;
}


/* big-endian in base64url: of "len" octets, or as short as it goes where 0 */

static json_t *
oidc_key_bn_json(const EVP_PKEY *pkey, const char *param, size_t len)
{
    int      n;
    BIGNUM  *bn;
    u_char   buf[OIDC_RSA_N_MAX];

    bn = NULL;
    n = -1;

    if (EVP_PKEY_get_bn_param(pkey, param, &bn) == 1) {
        n = BN_bn2binpad(bn, buf, len ? (int) len : BN_num_bytes(bn));
    }

    BN_free(bn);

    if (n < 0) {
        ERR_clear_error();
        return NULL;
    }

    return oidc_key_b64_json(buf, n);
}


static json_t *
oidc_key_b64_json(const u_char *data, size_t len)
{
    u_char   text[oidc_b64url_len(OIDC_RSA_N_MAX)];
    u_char  *end;

    end = oidc_b64url_encode_buf(text, data, len);

    return json_stringn((char *) text, end - text);
}
