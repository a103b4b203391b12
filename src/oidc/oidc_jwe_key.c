
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Key management of JWE (RFC 7518 sections 4.3, 4.6, 4.4 for what it wraps,
 * RFC 8037 section 3.2).  Whatever goes wrong here ends in a random content
 * key, chosen without a branch, so that the tag of the content is what refuses
 * the token (RFC 7516 section 11.5).  Says of a failure nothing at all.
 */


#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "oidc_b64.h"
#include "oidc_jwe_int.h"
#include "oidc_json.h"
#include "oidc_key_int.h"
#include "oidc_seal.h"


#define OIDC_WRAP_EXTRA  8          /* RFC 3394: the integrity block */
#define OIDC_ID_MAX      32         /* octets of an AlgorithmID */

/* each of the three with its length, then keydatalen */

#define OIDC_KDF_INFO_MAX  (4 + OIDC_ID_MAX + 2 * (4 + OIDC_JWE_PARTY_MAX) + 4)


static size_t oidc_jwe_oaep(const oidc_jwe_alg_t *alg, const oidc_key_t *key,
    const oidc_str_t *encrypted, u_char *out);
static size_t oidc_jwe_ecdh(const oidc_jwe_alg_t *alg,
    const oidc_jwe_enc_t *enc, const oidc_key_t *key, const json_t *header,
    const oidc_str_t *encrypted, u_char *out);
static size_t oidc_jwe_unwrap(const oidc_jwe_alg_t *alg, const u_char *kek,
    const oidc_str_t *encrypted, u_char *out);
static size_t oidc_jwe_secret(const oidc_key_t *key, const json_t *epk,
    u_char z[OIDC_EC_MAX]);
static int oidc_jwe_kdf_info(const json_t *header, const oidc_str_t *id,
    size_t len, u_char *info, size_t *info_len);


int
oidc_jwe_party(const json_t *header, const char *name,
    u_char buf[OIDC_JWE_PARTY_MAX], size_t *len)
{
    int         has;
    oidc_str_t  text;

    *len = 0;
    has = oidc_json_str(header, name, &text);

    return has == 0
           || (has == 1 && text.len == 0)
           || oidc_key_jwk_octets(header, name, buf, OIDC_JWE_PARTY_MAX, len);
}


oidc_rc_t
oidc_jwe_cek(const oidc_jwe_alg_t *alg, const oidc_jwe_enc_t *enc,
    const oidc_key_t *key, const json_t *header, const oidc_str_t *encrypted,
    u_char cek[OIDC_CEK_MAX])
{
    size_t  i, len;
    u_char  mask, out[OIDC_RSA_MAX_BITS / 8];

    if (!oidc_random(cek, enc->cek)) {
        return OIDC_CRYPTO;
    }

    memset(out, 0, OIDC_CEK_MAX);

    if (alg->wrap == OIDC_WRAP_OAEP) {
        len = oidc_jwe_oaep(alg, key, encrypted, out);

    } else {
        len = oidc_jwe_ecdh(alg, enc, key, header, encrypted, out);
    }

    /* all ones where the length is right */

    mask = (u_char) (((len ^ enc->cek) - 1) >> (sizeof(size_t) * 8 - 1));
    mask = (u_char) -mask;

    for (i = 0; i < enc->cek; i++) {
        cek[i] = (u_char) ((cek[i] & ~mask) | (out[i] & mask));
    }

    oidc_wipe(out, sizeof(out));
    ERR_clear_error();

    return OIDC_OK;
}


int
oidc_jwe_agree(const oidc_key_t *key, const json_t *header,
    const oidc_str_t *id, u_char *out, size_t len)
{
    int           rc;
    size_t        z_len, info_len;
    u_char        z[OIDC_EC_MAX], info[OIDC_KDF_INFO_MAX];
    EVP_KDF      *kdf;
    OSSL_PARAM    params[4];
    EVP_KDF_CTX  *ctx;

    if (!oidc_jwe_kdf_info(header, id, len, info, &info_len)) {
        return 0;
    }

    z_len = oidc_jwe_secret(key, json_object_get(header, "epk"), z);
    if (z_len == 0) {
        return 0;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                 "SHA256", 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, z,
                                                  z_len);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info,
                                                  info_len);
    params[3] = OSSL_PARAM_construct_end();

    /* NIST SP 800-56A's single step, which Concat KDF is */

    kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
    ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;

    rc = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    oidc_wipe(z, sizeof(z));

    return rc;
}


/* octets written, 0 where it fails */

static size_t
oidc_jwe_oaep(const oidc_jwe_alg_t *alg, const oidc_key_t *key,
    const oidc_str_t *encrypted, u_char *out)
{
    int            rc;
    size_t         len;
    EVP_PKEY_CTX  *ctx;

    len = (size_t) EVP_PKEY_get_size(key->pkey);

    if (encrypted->len != len || len > OIDC_RSA_MAX_BITS / 8) {
        return 0;
    }

    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

    rc = ctx != NULL
         && EVP_PKEY_decrypt_init(ctx) == 1
         && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1
         && EVP_PKEY_CTX_set_rsa_oaep_md(ctx, alg->md()) == 1
         && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, alg->md()) == 1
         && EVP_PKEY_decrypt(ctx, out, &len, encrypted->data, encrypted->len)
            == 1;

    EVP_PKEY_CTX_free(ctx);

    return rc ? len : 0;
}


static size_t
oidc_jwe_ecdh(const oidc_jwe_alg_t *alg, const oidc_jwe_enc_t *enc,
    const oidc_key_t *key, const json_t *header, const oidc_str_t *encrypted,
    u_char *out)
{
    size_t  len;
    u_char  kek[OIDC_CEK_MAX];

    if (alg->wrap == OIDC_WRAP_ECDH) {

        if (encrypted->len != 0
            || !oidc_jwe_agree(key, header, &enc->name, out, enc->cek))
        {
            return 0;
        }

        return enc->cek;
    }

    if (encrypted->len != enc->cek + OIDC_WRAP_EXTRA
        || !oidc_jwe_agree(key, header, &alg->name, kek, alg->kek))
    {
        return 0;
    }

    len = oidc_jwe_unwrap(alg, kek, encrypted, out);

    oidc_wipe(kek, sizeof(kek));

    return len;
}


/* AES Key Wrap, RFC 3394 */

static size_t
oidc_jwe_unwrap(const oidc_jwe_alg_t *alg, const u_char *kek,
    const oidc_str_t *encrypted, u_char *out)
{
    int              n, rc;
    EVP_CIPHER_CTX  *ctx;

    n = 0;
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return 0;
    }

    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);

    rc = EVP_DecryptInit_ex(ctx, alg->cipher(), NULL, kek, NULL) == 1
         && EVP_DecryptUpdate(ctx, out, &n, encrypted->data,
                              (int) encrypted->len)
            == 1;

    EVP_CIPHER_CTX_free(ctx);

    return rc && n > 0 ? (size_t) n : 0;
}


/* Z, as long as the field; 0 where epk is no public key on our own curve */

static size_t
oidc_jwe_secret(const oidc_key_t *key, const json_t *epk,
    u_char z[OIDC_EC_MAX])
{
    int            rc;
    size_t         len;
    oidc_key_t     peer;
    EVP_PKEY_CTX  *ctx;

    if (!json_is_object(epk)
        || json_object_get(epk, "d") != NULL
        || oidc_key_from_jwk(epk, &peer) != OIDC_OK)
    {
        return 0;
    }

    ctx = NULL;
    len = OIDC_EC_MAX;
    rc = 0;

    if (peer.kty == key->kty && peer.crv == key->crv) {
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

        /* looks at the point once more; X25519 refuses an all-zero secret */

        rc = ctx != NULL
             && EVP_PKEY_derive_init(ctx) == 1
             && EVP_PKEY_derive_set_peer_ex(ctx, peer.pkey, 1) == 1
             && EVP_PKEY_derive(ctx, z, &len) == 1;
    }

    EVP_PKEY_CTX_free(ctx);
    oidc_key_free(&peer);

    return rc ? len : 0;
}


/* OtherInfo: AlgorithmID, PartyUInfo, PartyVInfo, SuppPubInfo in bits */

static int
oidc_jwe_kdf_info(const json_t *header, const oidc_str_t *id, size_t len,
    u_char *info, size_t *info_len)
{
    size_t   i, n;
    u_char  *p;
    static const char *const  party[] = { "apu", "apv" };

    if (id->len > OIDC_ID_MAX) {
        return 0;
    }

    p = oidc_put_u32(info, id->len);
    memcpy(p, id->data, id->len);
    p += id->len;

    for (i = 0; i < 2; i++) {
        if (!oidc_jwe_party(header, party[i], p + 4, &n)) {
            return 0;
        }

        p = oidc_put_u32(p, n) + n;
    }

    p = oidc_put_u32(p, len * 8);

    *info_len = p - info;

    return 1;
}
