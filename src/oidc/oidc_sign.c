
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Signs what we send (RFC 7515 section 5.1, RFC 7518 section 3, RFC 8037
 * section 3.1) with one of our keys, by the alg that the key says, or with the
 * client's secret.  What is signed is not looked at.
 */


#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "oidc_b64.h"
#include "oidc_json.h"
#include "oidc_jws_int.h"
#include "oidc_sign.h"


#define OIDC_SIGNATURE_MAX  (OIDC_RSA_MAX_BITS / 8)


static const oidc_jws_alg_t *oidc_sign_alg(const oidc_signer_t *signer);
static oidc_rc_t oidc_sign_header(oidc_pool_t *pool,
    const oidc_signer_t *signer, const oidc_jws_alg_t *alg, oidc_str_t *text);
static size_t oidc_sign_key(const oidc_jws_alg_t *alg, EVP_PKEY *pkey,
    const oidc_buf_t *input, u_char out[OIDC_SIGNATURE_MAX]);
static size_t oidc_sign_raw(size_t half, size_t der_len,
    u_char sig[OIDC_SIGNATURE_MAX]);
static size_t oidc_sign_secret(const oidc_jws_alg_t *alg,
    const oidc_str_t *secret, const oidc_buf_t *input,
    u_char out[OIDC_SIGNATURE_MAX]);
static void oidc_sign_add(oidc_buf_t *b, const u_char *data, size_t len);


oidc_rc_t
oidc_jws_sign(oidc_pool_t *pool, const oidc_signer_t *signer,
    const oidc_str_t *payload, oidc_str_t *token)
{
    size_t                 len;
    u_char                 sig[OIDC_SIGNATURE_MAX];
    oidc_rc_t              rc;
    oidc_buf_t             b;
    oidc_str_t             header;
    const oidc_jws_alg_t  *alg;

    alg = oidc_sign_alg(signer);
    if (alg == NULL) {
        return OIDC_KEY;
    }

    rc = oidc_sign_header(pool, signer, alg, &header);
    if (rc != OIDC_OK) {
        return rc;
    }

    /* room for all, so that no half of a credential is left behind */

    oidc_buf_init(&b, pool, oidc_b64url_len(header.len)
                            + oidc_b64url_len(payload->len)
                            + oidc_b64url_len(OIDC_SIGNATURE_MAX) + 3);

    oidc_sign_add(&b, header.data, header.len);
    oidc_buf_cstr(&b, ".");
    oidc_sign_add(&b, payload->data, payload->len);

    if (b.failed) {
        return OIDC_NOMEM;
    }

    len = alg->sig == OIDC_SIG_HMAC
          ? oidc_sign_secret(alg, &signer->secret, &b, sig)
          : oidc_sign_key(alg, signer->key->pkey, &b, sig);

    if (len == 0) {
        ERR_clear_error();
        return OIDC_CRYPTO;
    }

    oidc_buf_cstr(&b, ".");
    oidc_sign_add(&b, sig, len);

    return oidc_buf_done(&b, token);
}


oidc_rc_t
oidc_jws_sign_claims(oidc_pool_t *pool, const oidc_signer_t *signer,
    const json_t *claims, oidc_str_t *token)
{
    oidc_rc_t   rc;
    oidc_str_t  text;

    rc = oidc_json_text(pool, claims, &text);

    return rc == OIDC_OK ? oidc_jws_sign(pool, signer, &text, token) : rc;
}


/* NULL where what there is cannot sign */

static const oidc_jws_alg_t *
oidc_sign_alg(const oidc_signer_t *signer)
{
    const oidc_key_t      *key;
    const oidc_jws_alg_t  *alg;

    key = signer->key;

    if (key == NULL) {
        alg = oidc_jws_row(OIDC_HS256);

        return (signer->secret.len >= alg->hash
                && signer->secret.len <= OIDC_JWS_MAX) ? alg : NULL;
    }

    alg = oidc_jws_row(oidc_jws_alg(&key->alg));

    if (alg->alg == 0
        || alg->sig == OIDC_SIG_HMAC
        || key->use == OIDC_USE_ENC
        || !oidc_key_can(key, &key->alg))
    {
        return NULL;
    }

    return alg;
}


static oidc_rc_t
oidc_sign_header(oidc_pool_t *pool, const oidc_signer_t *signer,
    const oidc_jws_alg_t *alg, oidc_str_t *text)
{
    json_t            *header;
    oidc_rc_t          rc;
    const oidc_str_t  *kid;

    header = json_pack("{s:s%, s:s*}",
                       "alg", alg->name.data, alg->name.len,
                       "typ", signer->typ);

    kid = signer->key != NULL ? &signer->key->kid : NULL;

    if (kid != NULL
        && kid->len != 0
        && json_object_set_new(header, "kid",
                               json_stringn((char *) kid->data, kid->len))
           != 0)
    {
        json_decref(header);
        return OIDC_NOMEM;
    }

    rc = header != NULL ? oidc_json_text(pool, header, text) : OIDC_NOMEM;

    json_decref(header);

    return rc;
}


/* octets of the signature, 0 where there is none; a public key makes none */

static size_t
oidc_sign_key(const oidc_jws_alg_t *alg, EVP_PKEY *pkey,
    const oidc_buf_t *input, u_char out[OIDC_SIGNATURE_MAX])
{
    int            rc;
    size_t         len;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;
    const EVP_MD  *md;

    len = OIDC_SIGNATURE_MAX;
    md = alg->sig == OIDC_SIG_EDDSA ? NULL : alg->md();

    ctx = EVP_MD_CTX_new();

    rc = ctx != NULL
         && EVP_DigestSignInit(ctx, &pctx, md, NULL, pkey) == 1
         && (alg->sig != OIDC_SIG_PSS || oidc_jws_pss(pctx, md))
         && EVP_DigestSign(ctx, out, &len, input->data, input->len) == 1;

    EVP_MD_CTX_free(ctx);

    if (!rc) {
        return 0;
    }

    return alg->sig == OIDC_SIG_ECDSA ? oidc_sign_raw(alg->len / 2, len, out)
                                      : len;
}


/* OpenSSL's DER into r and s of equal length (RFC 7518 section 3.4) */

static size_t
oidc_sign_raw(size_t half, size_t der_len, u_char sig[OIDC_SIGNATURE_MAX])
{
    int            rc;
    ECDSA_SIG     *es;
    const u_char  *p;

    p = sig;

    es = d2i_ECDSA_SIG(NULL, &p, (long) der_len);

    rc = es != NULL
         && BN_bn2binpad(ECDSA_SIG_get0_r(es), sig, (int) half) > 0
         && BN_bn2binpad(ECDSA_SIG_get0_s(es), sig + half, (int) half) > 0;

    ECDSA_SIG_free(es);

    return rc ? 2 * half : 0;
}


static size_t
oidc_sign_secret(const oidc_jws_alg_t *alg, const oidc_str_t *secret,
    const oidc_buf_t *input, u_char out[OIDC_SIGNATURE_MAX])
{
    unsigned  len;

    return HMAC(alg->md(), secret->data, (int) secret->len, input->data,
                input->len, out, &len)
           != NULL ? len : 0;
}


static void
oidc_sign_add(oidc_buf_t *b, const u_char *data, size_t len)
{
    size_t  n, part;
    u_char  text[oidc_b64url_len(384)];

    for (n = 0; n < len; n += part) {
        part = len - n < 384 ? len - n : 384;

        oidc_buf_add(b, text,
                     oidc_b64url_encode_buf(text, data + n, part) - text);
    }
}
