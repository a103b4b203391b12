
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Verifies a compact JWS (RFC 7515, RFC 7518 section 3, RFC 8037 section 3.1)
 * in the order that RFC 8725 asks for: bounds, header, algorithm, then a key
 * that we choose, then the signature.  Nothing in a token chooses more than
 * one of the caller's algorithms and one of the caller's keys.  What the
 * payload says is not looked at here.
 */


#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "oidc_b64.h"
#include "oidc_json.h"
#include "oidc_jws_int.h"


#define OIDC_ECDSA_DER_MAX   160


typedef struct {
    oidc_str_t       header;
    oidc_str_t       payload;
    oidc_str_t       signature; /* these three still in base64url */
    oidc_str_t       input;     /* what is signed: header "." payload */
} oidc_jws_parts_t;


static oidc_rc_t oidc_jws_split(const oidc_str_t *token,
    oidc_jws_parts_t *parts);
static oidc_rc_t oidc_jws_header(const json_t *header,
    const oidc_jws_policy_t *policy, const oidc_jws_alg_t **alg);
static int oidc_jws_typ_ok(const oidc_str_t *typ, const char *const *typs);
static oidc_rc_t oidc_jws_check(const oidc_jws_alg_t *alg,
    const json_t *header, const oidc_jws_policy_t *policy,
    const oidc_str_t *input, const oidc_str_t *signature);
static int oidc_jws_check_key(const oidc_jws_alg_t *alg, EVP_PKEY *pkey,
    const oidc_str_t *input, const oidc_str_t *signature);
static int oidc_jws_ecdsa_der(const oidc_str_t *raw,
    u_char der[OIDC_ECDSA_DER_MAX], size_t *len);
static oidc_rc_t oidc_jws_check_secret(const oidc_jws_alg_t *alg,
    const oidc_str_t *secret, const oidc_str_t *input,
    const oidc_str_t *signature);


static const oidc_jws_alg_t  oidc_jws_algs[] = {

    { oidc_string("RS256"), OIDC_RS256, OIDC_SIG_RSA,   EVP_sha256, 32, 0 },
    { oidc_string("RS384"), OIDC_RS384, OIDC_SIG_RSA,   EVP_sha384, 48, 0 },
    { oidc_string("RS512"), OIDC_RS512, OIDC_SIG_RSA,   EVP_sha512, 64, 0 },

    { oidc_string("PS256"), OIDC_PS256, OIDC_SIG_PSS,   EVP_sha256, 32, 0 },
    { oidc_string("PS384"), OIDC_PS384, OIDC_SIG_PSS,   EVP_sha384, 48, 0 },
    { oidc_string("PS512"), OIDC_PS512, OIDC_SIG_PSS,   EVP_sha512, 64, 0 },

    { oidc_string("ES256"), OIDC_ES256, OIDC_SIG_ECDSA, EVP_sha256, 32, 64 },
    { oidc_string("ES384"), OIDC_ES384, OIDC_SIG_ECDSA, EVP_sha384, 48, 96 },
    { oidc_string("ES512"), OIDC_ES512, OIDC_SIG_ECDSA, EVP_sha512, 64, 132 },

    /* the hash of Ed25519 itself, which at_hash then uses too */

    { oidc_string("EdDSA"), OIDC_EDDSA, OIDC_SIG_EDDSA, EVP_sha512, 64, 64 },

    { oidc_string("HS256"), OIDC_HS256, OIDC_SIG_HMAC,  EVP_sha256, 32, 32 },
    { oidc_string("HS384"), OIDC_HS384, OIDC_SIG_HMAC,  EVP_sha384, 48, 48 },
    { oidc_string("HS512"), OIDC_HS512, OIDC_SIG_HMAC,  EVP_sha512, 64, 64 },

    { { 0, NULL }, 0, OIDC_SIG_HMAC, NULL, 0, 0 }
};


unsigned
oidc_jws_alg(const oidc_str_t *name)
{
    const oidc_jws_alg_t  *row;

    for (row = oidc_jws_algs; row->alg; row++) {
        if (oidc_str_eq(&row->name, name)) {
            break;
        }
    }

    return row->alg;
}


const char *
oidc_jws_alg_name(unsigned alg)
{
    return (const char *) oidc_jws_row(alg)->name.data;
}


size_t
oidc_jws_secret_min(unsigned alg)
{
    const oidc_jws_alg_t  *row;

    row = oidc_jws_row(alg);

    return row->sig == OIDC_SIG_HMAC ? row->hash : 0;
}


const oidc_jws_alg_t *
oidc_jws_row(unsigned alg)
{
    const oidc_jws_alg_t  *row;

    for (row = oidc_jws_algs; row->alg && row->alg != alg; row++) {
        /* void */
    }

    return row;
}


oidc_rc_t
oidc_jws_verify(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jws_policy_t *policy, oidc_jws_t *jws)
{
    json_t                *header;
    oidc_rc_t              rc;
    oidc_str_t             text, signature, payload;
    oidc_jws_parts_t       parts;
    const oidc_jws_alg_t  *alg;

    rc = oidc_jws_split(token, &parts);
    if (rc != OIDC_OK) {
        return rc;
    }

    memset(&payload, 0, sizeof(oidc_str_t));

    rc = oidc_b64url_decode(pool, &parts.header, &text);

    if (rc == OIDC_OK) {
        rc = oidc_b64url_decode(pool, &parts.signature, &signature);
    }

    if (rc == OIDC_OK) {
        rc = oidc_b64url_decode(pool, &parts.payload, &payload);
    }

    if (rc != OIDC_OK) {
        return rc == OIDC_NOMEM ? rc : OIDC_JWS;
    }

    if (oidc_json_parse(&text, text.len, &header) != OIDC_OK) {
        return OIDC_JWS;
    }

    rc = oidc_jws_header(header, policy, &alg);

    if (rc == OIDC_OK) {
        rc = oidc_jws_check(alg, header, policy, &parts.input, &signature);
    }

    if (rc != OIDC_OK) {
        json_decref(header);
        ERR_clear_error();
        return rc;
    }

    jws->alg = alg->alg;
    jws->payload = payload;
    jws->header = header;

    return OIDC_OK;
}


oidc_rc_t
oidc_jws_half_hash(unsigned alg, const oidc_str_t *data, u_char out[43],
    size_t *len)
{
    u_char                 digest[EVP_MAX_MD_SIZE];
    const oidc_jws_alg_t  *row;

    row = oidc_jws_row(alg);

    if (row->alg == 0) {
        return OIDC_ARGS;
    }

    if (EVP_Digest(data->data, data->len, digest, NULL, row->md(), NULL) != 1)
    {
        ERR_clear_error();
        return OIDC_CRYPTO;
    }

    *len = oidc_b64url_encode_buf(out, digest, row->hash / 2) - out;

    return OIDC_OK;
}


/* three parts, none empty: detached content (RFC 7515 F) is not ours */

static oidc_rc_t
oidc_jws_split(const oidc_str_t *token, oidc_jws_parts_t *parts)
{
    u_char  *p, *last, *dot;

    if (token->len == 0 || token->len > OIDC_JWS_MAX) {
        return OIDC_JWS;
    }

    p = token->data;
    last = p + token->len;

    dot = memchr(p, '.', last - p);
    if (dot == NULL) {
        return OIDC_JWS;
    }

    parts->header.data = p;
    parts->header.len = dot - p;

    p = dot + 1;

    dot = memchr(p, '.', last - p);
    if (dot == NULL) {
        return OIDC_JWS;
    }

    parts->payload.data = p;
    parts->payload.len = dot - p;

    parts->signature.data = dot + 1;
    parts->signature.len = last - parts->signature.data;

    parts->input.data = token->data;
    parts->input.len = dot - token->data;

    if (parts->header.len == 0
        || parts->payload.len == 0
        || parts->signature.len == 0)
    {
        return OIDC_JWS;
    }

    return OIDC_OK;
}


/* RFC 7515 section 4.1, RFC 8725 sections 3.1 and 3.11 */

static oidc_rc_t
oidc_jws_header(const json_t *header, const oidc_jws_policy_t *policy,
    const oidc_jws_alg_t **alg)
{
    int                    has;
    oidc_str_t             name, typ;
    const oidc_jws_alg_t  *row;

    if (oidc_json_str(header, "alg", &name) != 1) {
        return OIDC_JWS_ALG;
    }

    row = oidc_jws_row(oidc_jws_alg(&name));

    if ((row->alg & policy->algs) == 0) {
        return OIDC_JWS_ALG;
    }

    /* no extension is understood, and JWTs may not use b64 (RFC 7797 7) */

    if (json_object_get(header, "crit") != NULL
        || json_object_get(header, "b64") != NULL)
    {
        return OIDC_JWS_CRIT;
    }

    has = oidc_json_str(header, "typ", &typ);

    if (has == -1 || (has == 1 && !oidc_jws_typ_ok(&typ, policy->typs))) {
        return OIDC_JWS_TYP;
    }

    *alg = row;

    return OIDC_OK;
}


/* a media type, RFC 7515 section 4.1.9: any case, "application/" implied */

static int
oidc_jws_typ_ok(const oidc_str_t *typ, const char *const *typs)
{
    size_t                  len;
    u_char                 *p;
    static const oidc_str_t prefix = oidc_string("application/");

    if (typs == NULL) {
        return 1;
    }

    p = typ->data;
    len = typ->len;

    if (len > prefix.len
        && strncasecmp((char *) p, (char *) prefix.data, prefix.len) == 0)
    {
        p += prefix.len;
        len -= prefix.len;
    }

    for (/* void */; *typs != NULL; typs++) {
        if (strlen(*typs) == len && strncasecmp((char *) p, *typs, len) == 0) {
            return 1;
        }
    }

    return 0;
}


/* an HS* takes the secret and nothing else, all others never take it */

static oidc_rc_t
oidc_jws_check(const oidc_jws_alg_t *alg, const json_t *header,
    const oidc_jws_policy_t *policy, const oidc_str_t *input,
    const oidc_str_t *signature)
{
    size_t             i, n;
    oidc_rc_t          rc;
    oidc_str_t         kid = oidc_string("");
    const oidc_key_t  *key[OIDC_JWS_CANDIDATES];

    if (oidc_json_str(header, "kid", &kid) == -1 || kid.len > OIDC_KID_MAX) {
        return OIDC_JWS;
    }

    if (alg->sig == OIDC_SIG_HMAC) {
        return oidc_jws_check_secret(alg, &policy->secret, input, signature);
    }

    if (policy->key != NULL) {

        if (policy->key->use == OIDC_USE_ENC
            || !oidc_key_can(policy->key, &alg->name))
        {
            return OIDC_JWS_KEY;
        }

        key[0] = policy->key;
        n = 1;

    } else if (policy->jwks != NULL) {
        rc = oidc_jwks_select(policy->jwks, &alg->name, &kid, key,
                              OIDC_JWS_CANDIDATES, &n);
        if (rc != OIDC_OK) {
            return rc;
        }

    } else {
        return OIDC_JWS_KEY;
    }

    for (i = 0; i < n; i++) {
        if (oidc_jws_check_key(alg, key[i]->pkey, input, signature)) {
            ERR_clear_error();
            return OIDC_OK;
        }
    }

    return OIDC_JWS_SIGNATURE;
}


static int
oidc_jws_check_key(const oidc_jws_alg_t *alg, EVP_PKEY *pkey,
    const oidc_str_t *input, const oidc_str_t *signature)
{
    int            rc;
    size_t         len;
    u_char        *sig, der[OIDC_ECDSA_DER_MAX];
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;
    const EVP_MD  *md;

    if (alg->len && signature->len != alg->len) {
        return 0;
    }

    sig = signature->data;
    len = signature->len;

    if (alg->sig == OIDC_SIG_ECDSA) {
        if (!oidc_jws_ecdsa_der(signature, der, &len)) {
            return 0;
        }

        sig = der;
    }

    /* Ed25519 hashes by itself and only in one go */

    md = alg->sig == OIDC_SIG_EDDSA ? NULL : alg->md();

    ctx = EVP_MD_CTX_new();

    rc = ctx != NULL
         && EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pkey) == 1
         && (alg->sig != OIDC_SIG_PSS || oidc_jws_pss(pctx, md))
         && EVP_DigestVerify(ctx, sig, len, input->data, input->len) == 1;

    EVP_MD_CTX_free(ctx);

    return rc;
}


int
oidc_jws_pss(EVP_PKEY_CTX *ctx, const EVP_MD *md)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1
           && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1
           && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST)
              == 1;
}


/* r and s of equal length (RFC 7518 section 3.4) into what OpenSSL takes */

static int
oidc_jws_ecdsa_der(const oidc_str_t *raw, u_char der[OIDC_ECDSA_DER_MAX],
    size_t *len)
{
    int         n, half;
    BIGNUM     *r, *s;
    ECDSA_SIG  *sig;

    half = (int) raw->len / 2;
    n = -1;

    r = BN_bin2bn(raw->data, half, NULL);
    s = BN_bin2bn(raw->data + half, half, NULL);
    sig = ECDSA_SIG_new();

    if (sig != NULL && r != NULL && s != NULL
        && ECDSA_SIG_set0(sig, r, s) == 1)
    {
        n = i2d_ECDSA_SIG(sig, &der);

    } else {
        BN_free(s);
        BN_free(r);
    }

    ECDSA_SIG_free(sig);

    *len = n;

    return n > 0;
}


/* RFC 7518 section 3.2 */

static oidc_rc_t
oidc_jws_check_secret(const oidc_jws_alg_t *alg, const oidc_str_t *secret,
    const oidc_str_t *input, const oidc_str_t *signature)
{
    int     same;
    u_char  mac[EVP_MAX_MD_SIZE];

    if (secret->len < alg->hash || secret->len > OIDC_JWS_MAX) {
        return OIDC_JWS_KEY;
    }

    if (HMAC(alg->md(), secret->data, (int) secret->len, input->data,
             input->len, mac, NULL)
        == NULL)
    {
        return OIDC_CRYPTO;
    }

    same = signature->len == alg->len
           && oidc_eq_ct(mac, signature->data, alg->len);

    oidc_wipe(mac, sizeof(mac));

    return same ? OIDC_OK : OIDC_JWS_SIGNATURE;
}
