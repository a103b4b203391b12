
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A provider for unit tests: two keys made at the start, published as a JWK
 * Set, and signatures over whatever header and payload a test thinks of.
 */


#ifndef _SIGN_H_INCLUDED_
#define _SIGN_H_INCLUDED_


#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "oidc_b64.h"
#include "oidc_idtoken.h"
#include "oidc_seal.h"


#define NOW     ((int64_t) 1800000000)
#define SKEW    30
#define SECRET  "0123456789abcdef0123456789abcdef"
#define JWT     "{\"alg\":\"ES256\",\"kid\":\"e\"}"


static EVP_PKEY     *sign_rsa, *sign_ec;
static oidc_jwks_t  *sign_jwks;


/* the keys "r" (RS256) and "e" (ES256), and what a relying party expects */

static void
sign_setup(oidc_expect_t *expect)
{
    oidc_key_t  keys[2];
    oidc_str_t  text;

    (void) oidc_crypto_init();

    sign_rsa = EVP_RSA_gen(2048);
    sign_ec = EVP_EC_gen("P-256");

    memset(keys, 0, sizeof(keys));

    keys[0].pkey = sign_rsa;
    keys[0].kty = OIDC_KTY_RSA;
    keys[0].use = OIDC_USE_SIG;
    keys[0].alg = tap_str("RS256");
    keys[0].kid = tap_str("r");

    keys[1].pkey = sign_ec;
    keys[1].kty = OIDC_KTY_EC;
    keys[1].crv = OIDC_CRV_P256;
    keys[1].use = OIDC_USE_SIG;
    keys[1].alg = tap_str("ES256");
    keys[1].kid = tap_str("e");

    is_rc(oidc_jwks_render(tap_pool(), keys, 2, &text), OIDC_OK, "V06: keys");
    is_rc(oidc_jwks_parse(&text, &sign_jwks), OIDC_OK, "V06: as a provider's");

    memset(expect, 0, sizeof(oidc_expect_t));

    expect->issuer = tap_str("https://idp");
    expect->client_id = tap_str("client");
    expect->nonce = tap_str("NONCE");
    expect->access_token = tap_str("AT");
    expect->secret = tap_str(SECRET);
    expect->jwks = sign_jwks;
    expect->algs = OIDC_ALG_DEFAULT;
    expect->now = NOW;
    expect->skew = SKEW;
}


static void
sign_done(void)
{
    oidc_jwks_free(sign_jwks);
    EVP_PKEY_free(sign_rsa);
    EVP_PKEY_free(sign_ec);
    oidc_crypto_free();
}


/* header and payload as given, signed as the header's alg says */

static oidc_str_t
sign(const char *header, const char *payload)
{
    int               n;
    u_char            sig[512];
    size_t            len;
    unsigned          hlen;
    oidc_str_t        h, p, s, text;
    oidc_buf_t        b;
    ECDSA_SIG        *es;
    EVP_PKEY         *key;
    EVP_MD_CTX       *ctx;
    const u_char     *der;

    text = tap_str(header);
    (void) oidc_b64url_encode(tap_pool(), &text, &h);
    text = tap_str(payload);
    (void) oidc_b64url_encode(tap_pool(), &text, &p);

    oidc_buf_init(&b, tap_pool(), 512);
    oidc_buf_str(&b, &h);
    oidc_buf_cstr(&b, ".");
    oidc_buf_str(&b, &p);

    len = sizeof(sig);

    if (strstr(header, "HS256") != NULL) {
        HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, b.data, b.len, sig,
             &hlen);
        len = hlen;

    } else {
        key = strstr(header, "ES256") ? sign_ec : sign_rsa;

        ctx = EVP_MD_CTX_new();
        (void) EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key);
        (void) EVP_DigestSign(ctx, sig, &len, b.data, b.len);
        EVP_MD_CTX_free(ctx);

        if (key == sign_ec) {
            der = sig;
            es = d2i_ECDSA_SIG(NULL, &der, (long) len);
            n = BN_bn2binpad(ECDSA_SIG_get0_r(es), sig, 32);
            n += BN_bn2binpad(ECDSA_SIG_get0_s(es), sig + 32, 32);
            ECDSA_SIG_free(es);
            len = (size_t) n;
        }
    }

    s.data = sig;
    s.len = len;
    (void) oidc_b64url_encode(tap_pool(), &s, &text);

    oidc_buf_cstr(&b, ".");
    oidc_buf_str(&b, &text);
    (void) oidc_buf_done(&b, &text);

    return text;
}


#endif /* _SIGN_H_INCLUDED_ */
