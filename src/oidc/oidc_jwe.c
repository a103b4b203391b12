
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decrypts a compact JWE (RFC 7516 section 5.2, RFC 7518 section 5): bounds,
 * header, algorithms, then keys that we choose, then the tag, and the text
 * only after it.  What depends on a private key ends in one and the same
 * refusal (RFC 7516 section 11.5).  What the plaintext says is not looked at.
 */


#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "oidc_b64.h"
#include "oidc_jwe.h"
#include "oidc_jwe_int.h"
#include "oidc_json.h"


#define OIDC_JWE_PARTS  5
#define OIDC_CBC_BLOCK  16


typedef struct {
    oidc_str_t    aad;          /* the header as it came, in base64url */
    oidc_str_t    header;
    oidc_str_t    encrypted;    /* key; empty where it is agreed on */
    oidc_str_t    iv;
    oidc_str_t    ciphertext;
    oidc_str_t    tag;
} oidc_jwe_parts_t;


static oidc_rc_t oidc_jwe_split(oidc_pool_t *pool, const oidc_str_t *token,
    oidc_jwe_parts_t *parts);
static oidc_rc_t oidc_jwe_header(const json_t *header,
    const oidc_jwe_policy_t *policy, const oidc_jwe_alg_t **alg,
    const oidc_jwe_enc_t **enc);
static oidc_rc_t oidc_jwe_try(oidc_pool_t *pool, const json_t *header,
    const oidc_jwe_parts_t *parts, const oidc_jwe_policy_t *policy,
    oidc_jwe_t *jwe);
static oidc_rc_t oidc_jwe_select(const oidc_jwe_policy_t *policy,
    const json_t *header, const oidc_str_t *alg,
    const oidc_key_t *found[OIDC_JWE_CANDIDATES], size_t *n);
static int oidc_jwe_fits(const oidc_key_t *key, const oidc_str_t *alg,
    const oidc_str_t *kid);
static int oidc_jwe_sizes(const oidc_jwe_enc_t *enc,
    const oidc_jwe_parts_t *parts);
static int oidc_jwe_gcm(const oidc_jwe_enc_t *enc, const u_char *cek,
    const oidc_jwe_parts_t *parts, oidc_str_t *out);
static int oidc_jwe_cbc(const oidc_jwe_enc_t *enc, const u_char *cek,
    const oidc_jwe_parts_t *parts, oidc_str_t *out);
static int oidc_jwe_mac(const oidc_jwe_enc_t *enc, const u_char *key,
    const oidc_jwe_parts_t *parts, u_char mac[EVP_MAX_MD_SIZE]);
static const oidc_jwe_alg_t *oidc_jwe_alg_row(const oidc_str_t *name);
static const oidc_jwe_enc_t *oidc_jwe_enc_row(const oidc_str_t *name);


static const oidc_jwe_alg_t  oidc_jwe_algs[] = {

    { oidc_string("RSA-OAEP"),       OIDC_RSA_OAEP,
      OIDC_WRAP_OAEP,    EVP_sha1,   NULL, 0 },

    { oidc_string("RSA-OAEP-256"),   OIDC_RSA_OAEP_256,
      OIDC_WRAP_OAEP,    EVP_sha256, NULL, 0 },

    { oidc_string("RSA-OAEP-384"),   OIDC_RSA_OAEP_384,
      OIDC_WRAP_OAEP,    EVP_sha384, NULL, 0 },

    { oidc_string("RSA-OAEP-512"),   OIDC_RSA_OAEP_512,
      OIDC_WRAP_OAEP,    EVP_sha512, NULL, 0 },

    { oidc_string("ECDH-ES"),        OIDC_ECDH_ES,
      OIDC_WRAP_ECDH,    NULL,       NULL, 0 },

    { oidc_string("ECDH-ES+A128KW"), OIDC_ECDH_ES_A128KW,
      OIDC_WRAP_ECDH_KW, NULL,       EVP_aes_128_wrap, 16 },

    { oidc_string("ECDH-ES+A192KW"), OIDC_ECDH_ES_A192KW,
      OIDC_WRAP_ECDH_KW, NULL,       EVP_aes_192_wrap, 24 },

    { oidc_string("ECDH-ES+A256KW"), OIDC_ECDH_ES_A256KW,
      OIDC_WRAP_ECDH_KW, NULL,       EVP_aes_256_wrap, 32 },

    { { 0, NULL }, 0, OIDC_WRAP_OAEP, NULL, NULL, 0 }
};


static const oidc_jwe_enc_t  oidc_jwe_encs[] = {

    { oidc_string("A128GCM"),       OIDC_A128GCM,
      EVP_aes_128_gcm, NULL,       16, 12, 16 },

    { oidc_string("A192GCM"),       OIDC_A192GCM,
      EVP_aes_192_gcm, NULL,       24, 12, 16 },

    { oidc_string("A256GCM"),       OIDC_A256GCM,
      EVP_aes_256_gcm, NULL,       32, 12, 16 },

    { oidc_string("A128CBC-HS256"), OIDC_A128CBC_HS256,
      EVP_aes_128_cbc, EVP_sha256, 32, 16, 16 },

    { oidc_string("A192CBC-HS384"), OIDC_A192CBC_HS384,
      EVP_aes_192_cbc, EVP_sha384, 48, 16, 24 },

    { oidc_string("A256CBC-HS512"), OIDC_A256CBC_HS512,
      EVP_aes_256_cbc, EVP_sha512, 64, 16, 32 },

    { { 0, NULL }, 0, NULL, NULL, 0, 0, 0 }
};


unsigned
oidc_jwe_alg(const oidc_str_t *name)
{
    return oidc_jwe_alg_row(name)->alg;
}


unsigned
oidc_jwe_enc(const oidc_str_t *name)
{
    return oidc_jwe_enc_row(name)->enc;
}


oidc_rc_t
oidc_jwe_decrypt(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jwe_policy_t *policy, oidc_jwe_t *jwe)
{
    json_t            *header;
    oidc_rc_t          rc;
    oidc_jwe_parts_t   parts;

    if (policy->opened != NULL) {

        if (policy->opened->rc == OIDC_OK) {
            *jwe = policy->opened->jwe;
            json_incref(jwe->header);
        }

        return policy->opened->rc;
    }

    rc = oidc_jwe_split(pool, token, &parts);
    if (rc != OIDC_OK) {
        return rc;
    }

    if (oidc_json_parse(&parts.header, parts.header.len, &header) != OIDC_OK)
    {
        return OIDC_JWE;
    }

    rc = oidc_jwe_try(pool, header, &parts, policy, jwe);

    ERR_clear_error();

    if (rc != OIDC_OK) {
        json_decref(header);
        return rc;
    }

    jwe->header = header;

    return OIDC_OK;
}


/* five parts, decoded; which of them may be empty is for later */

static oidc_rc_t
oidc_jwe_split(oidc_pool_t *pool, const oidc_str_t *token,
    oidc_jwe_parts_t *parts)
{
    size_t       i;
    u_char      *p, *last, *dot;
    oidc_rc_t    rc;
    oidc_str_t   text, *part[OIDC_JWE_PARTS];

    if (token->len == 0 || token->len > OIDC_JWE_MAX) {
        return OIDC_JWE;
    }

    part[0] = &parts->header;
    part[1] = &parts->encrypted;
    part[2] = &parts->iv;
    part[3] = &parts->ciphertext;
    part[4] = &parts->tag;

    p = token->data;
    last = p + token->len;

    for (i = 0; i < OIDC_JWE_PARTS; i++) {

        dot = memchr(p, '.', last - p);

        if ((dot == NULL) != (i == OIDC_JWE_PARTS - 1)) {
            return OIDC_JWE;
        }

        text.data = p;
        text.len = (dot != NULL ? dot : last) - p;

        if (i == 0) {
            parts->aad = text;
        }

        rc = oidc_b64url_decode(pool, &text, part[i]);
        if (rc != OIDC_OK) {
            return rc == OIDC_NOMEM ? rc : OIDC_JWE;
        }

        p += text.len + 1;
    }

    return OIDC_OK;
}


/* RFC 7516 section 4.1; members that we do not know are none of our business */

static oidc_rc_t
oidc_jwe_header(const json_t *header, const oidc_jwe_policy_t *policy,
    const oidc_jwe_alg_t **alg, const oidc_jwe_enc_t **enc)
{
    size_t      len;
    u_char      buf[OIDC_JWE_PARTY_MAX];
    oidc_str_t  name;

    if (oidc_json_str(header, "alg", &name) != 1) {
        return OIDC_JWE_ALG;
    }

    *alg = oidc_jwe_alg_row(&name);

    if (((*alg)->alg & policy->algs) == 0) {
        return OIDC_JWE_ALG;
    }

    if (oidc_json_str(header, "enc", &name) != 1) {
        return OIDC_JWE_ENC;
    }

    *enc = oidc_jwe_enc_row(&name);

    if (((*enc)->enc & policy->encs) == 0) {
        return OIDC_JWE_ENC;
    }

    /* no extension is understood, nothing is inflated */

    if (json_object_get(header, "crit") != NULL
        || json_object_get(header, "zip") != NULL)
    {
        return OIDC_JWE;
    }

    if ((*alg)->wrap != OIDC_WRAP_OAEP
        && (!oidc_jwe_party(header, "apu", buf, &len)
            || !oidc_jwe_party(header, "apv", buf, &len)))
    {
        return OIDC_JWE;
    }

    return OIDC_OK;
}


static oidc_rc_t
oidc_jwe_try(oidc_pool_t *pool, const json_t *header,
    const oidc_jwe_parts_t *parts, const oidc_jwe_policy_t *policy,
    oidc_jwe_t *jwe)
{
    int                    good;
    size_t                 i, n;
    u_char                 cek[OIDC_CEK_MAX];
    oidc_rc_t              rc;
    oidc_str_t             out;
    const oidc_key_t      *key[OIDC_JWE_CANDIDATES];
    const oidc_jwe_alg_t  *alg;
    const oidc_jwe_enc_t  *enc;

    rc = oidc_jwe_header(header, policy, &alg, &enc);

    if (rc == OIDC_OK && !oidc_jwe_sizes(enc, parts)) {
        rc = OIDC_JWE;
    }

    n = 0;

    if (rc == OIDC_OK) {
        rc = oidc_jwe_select(policy, header, &alg->name, key, &n);
    }

    if (rc != OIDC_OK) {
        return rc;
    }

    /* OpenSSL may use a block more than it yields */

    out.data = oidc_palloc(pool, parts->ciphertext.len + EVP_MAX_BLOCK_LENGTH);
    if (out.data == NULL) {
        return OIDC_NOMEM;
    }

    good = 0;

    for (i = 0; i < n && !good; i++) {

        rc = oidc_jwe_cek(alg, enc, key[i], header, &parts->encrypted, cek);
        if (rc != OIDC_OK) {
            break;
        }

        good = enc->md != NULL ? oidc_jwe_cbc(enc, cek, parts, &out)
                               : oidc_jwe_gcm(enc, cek, parts, &out);
    }

    oidc_wipe(cek, sizeof(cek));

    if (rc != OIDC_OK) {
        return rc;
    }

    if (!good) {
        oidc_wipe(out.data, parts->ciphertext.len + EVP_MAX_BLOCK_LENGTH);
        return OIDC_JWE_DECRYPT;
    }

    jwe->alg = alg->alg;
    jwe->enc = enc->enc;
    jwe->plaintext = out;

    return OIDC_OK;
}


/* by kid where the header has one; alg, use and kind of key in any case */

static oidc_rc_t
oidc_jwe_select(const oidc_jwe_policy_t *policy, const json_t *header,
    const oidc_str_t *alg, const oidc_key_t *found[OIDC_JWE_CANDIDATES],
    size_t *n)
{
    size_t      i;
    oidc_str_t  kid = oidc_string("");

    if (oidc_json_str(header, "kid", &kid) == -1 || kid.len > OIDC_KID_MAX) {
        return OIDC_JWE;
    }

    *n = 0;

    for (i = 0; i < policy->n; i++) {

        if (!oidc_jwe_fits(&policy->keys[i], alg, &kid)) {
            continue;
        }

        if (*n == OIDC_JWE_CANDIDATES) {
            return OIDC_JWE_KEY;
        }

        found[(*n)++] = &policy->keys[i];
    }

    return *n ? OIDC_OK : OIDC_JWE_KEY;
}


static int
oidc_jwe_fits(const oidc_key_t *key, const oidc_str_t *alg,
    const oidc_str_t *kid)
{
    return (kid->len == 0 || oidc_str_eq(kid, &key->kid))
           && oidc_key_can(key, alg)
           && key->use != OIDC_USE_SIG
           && (key->alg.len == 0 || oidc_str_eq(&key->alg, alg));
}


/* a shortened tag would be easier to guess */

static int
oidc_jwe_sizes(const oidc_jwe_enc_t *enc, const oidc_jwe_parts_t *parts)
{
    if (parts->iv.len != enc->iv || parts->tag.len != enc->tag) {
        return 0;
    }

    return enc->md == NULL
           || (parts->ciphertext.len != 0
               && parts->ciphertext.len % OIDC_CBC_BLOCK == 0);
}


/* RFC 7518 section 5.3 */

static int
oidc_jwe_gcm(const oidc_jwe_enc_t *enc, const u_char *cek,
    const oidc_jwe_parts_t *parts, oidc_str_t *out)
{
    int              n, last, rc;
    EVP_CIPHER_CTX  *ctx;

    n = 0;
    ctx = EVP_CIPHER_CTX_new();

    rc = ctx != NULL
         && EVP_DecryptInit_ex(ctx, enc->cipher(), NULL, cek, parts->iv.data)
            == 1
         && EVP_DecryptUpdate(ctx, NULL, &n, parts->aad.data,
                              (int) parts->aad.len)
            == 1
         && (parts->ciphertext.len == 0
             || EVP_DecryptUpdate(ctx, out->data, &n, parts->ciphertext.data,
                                  (int) parts->ciphertext.len)
                == 1)
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG,
                                (int) parts->tag.len, parts->tag.data)
            == 1
         && EVP_DecryptFinal_ex(ctx, out->data + parts->ciphertext.len, &last)
            == 1;

    EVP_CIPHER_CTX_free(ctx);

    out->len = parts->ciphertext.len;

    return rc;
}


/* RFC 7518 section 5.2.2.2: MAC key in front, and nothing before the MAC */

static int
oidc_jwe_cbc(const oidc_jwe_enc_t *enc, const u_char *cek,
    const oidc_jwe_parts_t *parts, oidc_str_t *out)
{
    int              n, last, rc;
    u_char           mac[EVP_MAX_MD_SIZE];
    EVP_CIPHER_CTX  *ctx;

    if (!oidc_jwe_mac(enc, cek, parts, mac)
        || !oidc_eq_ct(mac, parts->tag.data, enc->tag))
    {
        return 0;
    }

    n = 0;
    last = 0;
    ctx = EVP_CIPHER_CTX_new();

    rc = ctx != NULL
         && EVP_DecryptInit_ex(ctx, enc->cipher(), NULL, cek + enc->cek / 2,
                               parts->iv.data)
            == 1
         && EVP_DecryptUpdate(ctx, out->data, &n, parts->ciphertext.data,
                              (int) parts->ciphertext.len)
            == 1
         && EVP_DecryptFinal_ex(ctx, out->data + n, &last) == 1;

    EVP_CIPHER_CTX_free(ctx);

    out->len = n + last;

    return rc;
}


/* over AAD, IV, ciphertext, and the AAD's length in bits as 64 of them */

static int
oidc_jwe_mac(const oidc_jwe_enc_t *enc, const u_char *key,
    const oidc_jwe_parts_t *parts, u_char mac[EVP_MAX_MD_SIZE])
{
    int           i, rc;
    size_t        len, bits;
    u_char        al[8];
    EVP_MAC      *hmac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *ctx;

    bits = parts->aad.len * 8;

    for (i = 7; i >= 0; i--) {
        al[i] = (u_char) bits;
        bits >>= 8;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                        (char *) EVP_MD_get0_name(enc->md()),
                                                 0);
    params[1] = OSSL_PARAM_construct_end();

    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    ctx = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;

    rc = ctx != NULL
         && EVP_MAC_init(ctx, key, enc->cek / 2, params) == 1
         && EVP_MAC_update(ctx, parts->aad.data, parts->aad.len) == 1
         && EVP_MAC_update(ctx, parts->iv.data, parts->iv.len) == 1
         && EVP_MAC_update(ctx, parts->ciphertext.data, parts->ciphertext.len)
            == 1
         && EVP_MAC_update(ctx, al, sizeof(al)) == 1
         && EVP_MAC_final(ctx, mac, &len, EVP_MAX_MD_SIZE) == 1;

    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(hmac);

    return rc;
}


/* the last row, whose bit is 0, where there is none */

static const oidc_jwe_alg_t *
oidc_jwe_alg_row(const oidc_str_t *name)
{
    const oidc_jwe_alg_t  *row;

    for (row = oidc_jwe_algs; row->alg; row++) {
        if (oidc_str_eq(&row->name, name)) {
            break;
        }
    }

    return row;
}


static const oidc_jwe_enc_t *
oidc_jwe_enc_row(const oidc_str_t *name)
{
    const oidc_jwe_enc_t  *row;

    for (row = oidc_jwe_encs; row->enc; row++) {
        if (oidc_str_eq(&row->name, name)) {
            break;
        }
    }

    return row;
}
