
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Sealing with AES-256-GCM (NIST SP 800-38D), hashes, HMAC (RFC 2104) and HKDF
 * (RFC 5869).  The only state of the pure layer lives here: algorithms fetched
 * once and contexts used again, since a worker has one thread and the fetch
 * would cost more than the work.  Says of a sealed value that it does not open,
 * never why.
 */


#include <limits.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "oidc_b64.h"
#include "oidc_seal.h"


#define OIDC_SEAL_VERSION  1
#define OIDC_SEAL_NONCE    12
#define OIDC_SEAL_TAG      16
#define OIDC_SECRET_MIN    16


typedef struct {
    EVP_CIPHER      *gcm;
    EVP_MD          *sha256_md;
    EVP_MD          *sha512_md;
    EVP_KDF         *kdf;

    EVP_CIPHER_CTX  *seal;
    EVP_CIPHER_CTX  *open;
    EVP_MD_CTX      *sha256;
    EVP_MD_CTX      *sha512;
} oidc_crypto_t;


static int oidc_crypto_fetch(oidc_crypto_t *c);
static int oidc_crypto_prepare(oidc_crypto_t *c);
static int oidc_digest(EVP_MD_CTX *ctx, const void *data, size_t len,
    u_char *out);
static int oidc_seal_aad(EVP_CIPHER_CTX *ctx, const char *purpose,
    const oidc_str_t *aad);


static oidc_crypto_t  oidc_crypto;


oidc_rc_t
oidc_crypto_init(void)
{
    if (oidc_crypto.gcm != NULL) {
        return OIDC_OK;
    }

    if (!oidc_crypto_fetch(&oidc_crypto) || !oidc_crypto_prepare(&oidc_crypto))
    {
        oidc_crypto_free();
        ERR_clear_error();
        return OIDC_CRYPTO;
    }

    return OIDC_OK;
}


void
oidc_crypto_free(void)
{
    EVP_MD_CTX_free(oidc_crypto.sha512);
    EVP_MD_CTX_free(oidc_crypto.sha256);
    EVP_CIPHER_CTX_free(oidc_crypto.open);
    EVP_CIPHER_CTX_free(oidc_crypto.seal);

    EVP_KDF_free(oidc_crypto.kdf);
    EVP_MD_free(oidc_crypto.sha512_md);
    EVP_MD_free(oidc_crypto.sha256_md);
    EVP_CIPHER_free(oidc_crypto.gcm);

    memset(&oidc_crypto, 0, sizeof(oidc_crypto_t));
}


int
oidc_random(u_char *buf, size_t len)
{
    if (len > INT_MAX || RAND_bytes(buf, (int) len) != 1) {
        ERR_clear_error();
        return 0;
    }

    return 1;
}


oidc_rc_t
oidc_sha256(const void *data, size_t len, u_char out[32])
{
    return oidc_digest(oidc_crypto.sha256, data, len, out)
           ? OIDC_OK : OIDC_CRYPTO;
}


oidc_rc_t
oidc_sha256_b64url(const void *data, size_t len, u_char out[43])
{
    u_char     hash[32];
    oidc_rc_t  rc;

    rc = oidc_sha256(data, len, hash);

    if (rc == OIDC_OK) {
        (void) oidc_b64url_encode_buf(out, hash, sizeof(hash));
    }

    oidc_wipe(hash, sizeof(hash));

    return rc;
}


oidc_rc_t
oidc_derive(const oidc_str_t *secret, const char *label,
    u_char out[OIDC_KEY_LEN])
{
    int           rc;
    EVP_KDF_CTX  *ctx;
    OSSL_PARAM    params[4];

    if (secret->len < OIDC_SECRET_MIN) {
        return OIDC_KEY;
    }

    ctx = EVP_KDF_CTX_new(oidc_crypto.kdf);
    if (ctx == NULL) {
        ERR_clear_error();
        return OIDC_CRYPTO;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                 "SHA256", 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                                  secret->data, secret->len);
    params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
                                                  (void *) label,
                                                  strlen(label));
    params[3] = OSSL_PARAM_construct_end();

    rc = EVP_KDF_derive(ctx, out, OIDC_KEY_LEN, params);

    EVP_KDF_CTX_free(ctx);

    if (rc != 1) {
        ERR_clear_error();
        return OIDC_CRYPTO;
    }

    return OIDC_OK;
}


oidc_rc_t
oidc_index_name(const u_char key[OIDC_KEY_LEN], const char *kind,
    const oidc_str_t *realm, const oidc_str_t *value, u_char out[32])
{
    int         ok;
    u_char      part[3][32], secret[OIDC_KEY_LEN];
    oidc_rc_t   rc;
    oidc_str_t  master;

    master.len = OIDC_KEY_LEN;
    master.data = (u_char *) key;

    rc = oidc_derive(&master, "oidc index", secret);
    if (rc != OIDC_OK) {
        return rc;
    }

    /* each part as its hash: no three of them read as another three */

    ok = oidc_digest(oidc_crypto.sha256, kind, strlen(kind), part[0])
         && oidc_digest(oidc_crypto.sha256, realm->data, realm->len, part[1])
         && oidc_digest(oidc_crypto.sha256, value->data, value->len, part[2])
         && HMAC(oidc_crypto.sha256_md, secret, OIDC_KEY_LEN, part[0],
                 sizeof(part), out, NULL)
            != NULL;

    oidc_wipe(secret, sizeof(secret));
    ERR_clear_error();

    return ok ? OIDC_OK : OIDC_CRYPTO;
}


oidc_rc_t
oidc_handle_keys(const u_char handle[OIDC_HANDLE_LEN],
    oidc_handle_keys_t *keys)
{
    int                  rc;
    u_char               digest[64];
    static const char    label[] = "oidc session handle";
    u_char               text[sizeof(label) + OIDC_HANDLE_LEN];

    memcpy(text, label, sizeof(label));
    memcpy(text + sizeof(label), handle, OIDC_HANDLE_LEN);

    rc = oidc_digest(oidc_crypto.sha512, text, sizeof(text), digest);

    if (rc) {
        memcpy(keys->name, digest, sizeof(keys->name));
        memcpy(keys->key, digest + sizeof(keys->name), sizeof(keys->key));
    }

    oidc_wipe(text, sizeof(text));
    oidc_wipe(digest, sizeof(digest));

    return rc ? OIDC_OK : OIDC_CRYPTO;
}


oidc_rc_t
oidc_seal(const u_char key[OIDC_KEY_LEN], const char *purpose,
    const oidc_str_t *aad, const oidc_str_t *plain, oidc_random_pt random,
    u_char *dst)
{
    int              n;
    u_char          *nonce, *text, *tag;
    EVP_CIPHER_CTX  *ctx;

    if (plain->len > INT_MAX) {
        return OIDC_CRYPTO;
    }

    nonce = dst + 1;
    text = nonce + OIDC_SEAL_NONCE;
    tag = text + plain->len;
    ctx = oidc_crypto.seal;

    *dst = OIDC_SEAL_VERSION;

    if (!random(nonce, OIDC_SEAL_NONCE)) {
        return OIDC_CRYPTO;
    }

    if (EVP_EncryptInit_ex2(ctx, NULL, key, nonce, NULL) != 1
        || !oidc_seal_aad(ctx, purpose, aad)
        || (plain->len
            && EVP_EncryptUpdate(ctx, text, &n, plain->data,
                                 (int) plain->len) != 1)
        || EVP_EncryptFinal_ex(ctx, tag, &n) != 1
        || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, OIDC_SEAL_TAG, tag)
           != 1)
    {
        ERR_clear_error();
        return OIDC_CRYPTO;
    }

    return OIDC_OK;
}


oidc_rc_t
oidc_open(const u_char key[OIDC_KEY_LEN], const char *purpose,
    const oidc_str_t *aad, const oidc_str_t *sealed, u_char *dst)
{
    int              n;
    size_t           len;
    u_char          *nonce, *text, *tag;
    EVP_CIPHER_CTX  *ctx;

    if (sealed->len < OIDC_SEAL_OVERHEAD || sealed->len > INT_MAX) {
        return OIDC_SEAL;
    }

    len = sealed->len - OIDC_SEAL_OVERHEAD;
    nonce = sealed->data + 1;
    text = nonce + OIDC_SEAL_NONCE;
    tag = text + len;
    ctx = oidc_crypto.open;

    if (sealed->data[0] != OIDC_SEAL_VERSION
        || EVP_DecryptInit_ex2(ctx, NULL, key, nonce, NULL) != 1
        || !oidc_seal_aad(ctx, purpose, aad)
        || (len && EVP_DecryptUpdate(ctx, dst, &n, text, (int) len) != 1)
        || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, OIDC_SEAL_TAG, tag)
           != 1
        || EVP_DecryptFinal_ex(ctx, dst + len, &n) != 1)
    {
        oidc_wipe(dst, len);
        ERR_clear_error();
        return OIDC_SEAL;
    }

    return OIDC_OK;
}


oidc_rc_t
oidc_ring_open(const oidc_ring_t *ring, const char *purpose,
    const oidc_str_t *aad, const oidc_str_t *sealed, u_char *dst)
{
    unsigned  i;

    for (i = 0; i < ring->n; i++) {
        if (oidc_open(ring->key[i], purpose, aad, sealed, dst) == OIDC_OK) {
            return OIDC_OK;
        }
    }

    return OIDC_SEAL;
}


static int
oidc_crypto_fetch(oidc_crypto_t *c)
{
    c->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    c->sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    c->sha512_md = EVP_MD_fetch(NULL, "SHA512", NULL);
    c->kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);

    return c->gcm != NULL && c->sha256_md != NULL && c->sha512_md != NULL
           && c->kdf != NULL;
}


/* contexts that know their algorithm and wait for a key or for data */

static int
oidc_crypto_prepare(oidc_crypto_t *c)
{
    c->seal = EVP_CIPHER_CTX_new();
    c->open = EVP_CIPHER_CTX_new();
    c->sha256 = EVP_MD_CTX_new();
    c->sha512 = EVP_MD_CTX_new();

    return c->seal != NULL && c->open != NULL
           && c->sha256 != NULL && c->sha512 != NULL
           && EVP_EncryptInit_ex2(c->seal, c->gcm, NULL, NULL, NULL) == 1
           && EVP_DecryptInit_ex2(c->open, c->gcm, NULL, NULL, NULL) == 1
           && EVP_DigestInit_ex2(c->sha256, c->sha256_md, NULL) == 1
           && EVP_DigestInit_ex2(c->sha512, c->sha512_md, NULL) == 1;
}


static int
oidc_digest(EVP_MD_CTX *ctx, const void *data, size_t len, u_char *out)
{
    if (EVP_DigestInit_ex2(ctx, NULL, NULL) != 1
        || EVP_DigestUpdate(ctx, data, len) != 1
        || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
    {
        ERR_clear_error();
        return 0;
    }

    return 1;
}


/* the purpose with its NUL, then aad: no pair reads as another pair */

static int
oidc_seal_aad(EVP_CIPHER_CTX *ctx, const char *purpose, const oidc_str_t *aad)
{
    int  n;

    if (EVP_CipherUpdate(ctx, NULL, &n, (const u_char *) purpose,
                         (int) strlen(purpose) + 1)
        != 1)
    {
        return 0;
    }

    if (aad == NULL || aad->len == 0) {
        return 1;
    }

    return aad->len <= INT_MAX
           && EVP_CipherUpdate(ctx, NULL, &n, aad->data, (int) aad->len) == 1;
}
