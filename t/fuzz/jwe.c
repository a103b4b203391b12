
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Compact JWE.  With a zero byte in it the input is a header and a plaintext,
 * which are encrypted here with the key that ECDH-ES makes of that header, so
 * that what lies behind the tag is reached too; else it is a token, for keys
 * of which the RFCs' examples are.
 */


#include <openssl/err.h>
#include <openssl/evp.h>

#include "arena.h"

#include "oidc_b64.h"
#include "oidc_json.h"
#include "oidc_jwe.h"
#include "oidc_jwe_int.h"


#define FUZZ_KEYS  2


static oidc_str_t fuzz_token(const uint8_t *data, const uint8_t *zero,
    size_t size);
static void fuzz_seal(const u_char *cek, const oidc_str_t *aad,
    const uint8_t *plain, size_t len, u_char *out);


/* RFC 7518 C, and of RFC 7748 section 6.1 Bob's */

static const char *const  fuzz_jwk[FUZZ_KEYS] = {
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\","
    "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
    "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\","
    "\"d\":\"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw\"}",
    "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"kid\":\"Bob\","
    "\"x\":\"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08\","
    "\"d\":\"XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os\"}"
};

static oidc_key_t         fuzz_key[FUZZ_KEYS];
static oidc_jwe_policy_t  fuzz_policy;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          i;
    json_t         *jwk;
    oidc_str_t      text;
    oidc_jwe_t      jwe;
    const uint8_t  *zero;

    if (fuzz_policy.n == 0) {
        for (i = 0; i < FUZZ_KEYS; i++) {
            text = fuzz_str(fuzz_jwk[i]);
            fuzz_check(oidc_json_parse(&text, text.len, &jwk) == OIDC_OK);
            fuzz_check(oidc_key_from_private_jwk(jwk, &fuzz_key[i])
                       == OIDC_OK);
            json_decref(jwk);
        }

        fuzz_policy.algs = OIDC_ECDH_ES|OIDC_ECDH_ES_A128KW;
        fuzz_policy.encs = OIDC_A128GCM|OIDC_A128CBC_HS256;
        fuzz_policy.keys = fuzz_key;
        fuzz_policy.n = FUZZ_KEYS;
    }

    zero = size ? memchr(data, '\0', size) : NULL;

    text = zero ? fuzz_token(data, zero, size) : fuzz_copy(data, size);

    if (oidc_jwe_decrypt(fuzz_pool(), &text, &fuzz_policy, &jwe) == OIDC_OK) {
        fuzz_touch(&jwe.plaintext);
        fuzz_check((jwe.alg & fuzz_policy.algs) == jwe.alg);
        fuzz_check((jwe.enc & fuzz_policy.encs) == jwe.enc);
        fuzz_check(json_object_get(jwe.header, "crit") == NULL);
        fuzz_check(json_object_get(jwe.header, "zip") == NULL);

        if (zero != NULL) {
            fuzz_check(jwe.plaintext.len == (size_t) (data + size - zero - 1));
            fuzz_check(jwe.plaintext.len == 0
                       || memcmp(jwe.plaintext.data, zero + 1,
                                 jwe.plaintext.len)
                          == 0);
        }

        json_decref(jwe.header);
    }

    fuzz_check(ERR_peek_error() == 0);

    fuzz_done();

    return 0;
}


static oidc_str_t
fuzz_token(const uint8_t *data, const uint8_t *zero, size_t size)
{
    size_t       i, len;
    u_char      *p, *sealed, cek[16] = { 0 };
    json_t      *header;
    oidc_str_t   out, text, aad;
    oidc_str_t   id = oidc_string("A128GCM");

    text = fuzz_copy(data, zero - data);

    if (oidc_json_parse(&text, text.len, &header) == OIDC_OK) {
        for (i = 0; i < FUZZ_KEYS; i++) {
            if (oidc_jwe_agree(&fuzz_key[i], header, &id, cek, 16)) {
                break;
            }
        }

        json_decref(header);
        ERR_clear_error();
    }

    len = data + size - zero - 1;

    out.len = oidc_b64url_len(text.len) + 2 + 16 + 1 + oidc_b64url_len(len)
              + 1 + 22;
    out.data = fuzz_alloc(NULL, out.len);

    p = oidc_b64url_encode_buf(out.data, text.data, text.len);
    aad.data = out.data;
    aad.len = p - out.data;

    sealed = fuzz_alloc(NULL, len + 16);
    fuzz_seal(cek, &aad, zero + 1, len, sealed);

    memcpy(p, "..AAAAAAAAAAAAAAAA.", 19);
    p = oidc_b64url_encode_buf(p + 19, sealed, len);
    *p++ = '.';
    (void) oidc_b64url_encode_buf(p, sealed + len, 16);

    return out;
}


/* with an iv of zeros; the tag behind the text */

static void
fuzz_seal(const u_char *cek, const oidc_str_t *aad, const uint8_t *plain,
    size_t len, u_char *out)
{
    int              n;
    EVP_CIPHER_CTX  *ctx;
    const u_char     iv[12] = { 0 };

    ctx = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, cek, iv);

    if (aad->len) {
        EVP_EncryptUpdate(ctx, NULL, &n, aad->data, (int) aad->len);
    }

    if (len) {
        EVP_EncryptUpdate(ctx, out, &n, plain, (int) len);
    }

    EVP_EncryptFinal_ex(ctx, out + len, &n);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + len);
    EVP_CIPHER_CTX_free(ctx);
}
