
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JWS: shape and bounds of a token, and every way in which its signature may
 * be wrong.
 */


#include "jose.h"


static void test_shape(void);
static void test_bounds(void);
static void test_signatures(void);
static void test_secret(void);
static void test_nomem(void);


int
main(void)
{
    jose_setup();

    test_shape();
    test_bounds();
    test_signatures();
    test_secret();
    test_nomem();

    jose_done();

    return done_testing();
}


static void
test_shape(void)
{
    size_t       i;
    oidc_str_t   token, copy;
    static const char *const  bad[] = {
        "", ".", "..", "...", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d",
        "e30.e30.e30.e30.e30", "eyJhbGciOiJFUzI1NiJ9.e30.", "{}.{}.{}",
        "eyJhbGciOiJFUzI1NiJ9..AAAA", "W10.e30.AAAA", "bnVsbA.e30.AAAA",
        "e30=.e30.AAAA", "e31.e30.AAAA"
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        token = tap_str(bad[i]);

        if (jose_verify(&token, JOSE_ALL) != OIDC_JWS) {
            fail("V16 malformed: %s", bad[i]);
        }
    }

    pass("V16 malformed tokens");

    token = jose_token("ES256", &jose_p256, "{\"alg\":\"ES256\"}",
                       JOSE_PAYLOAD);
    copy.data = tap_alloc(&tap, token.len + 2);

    for (i = 0; i <= token.len; i++) {
        memcpy(copy.data, token.data, i);
        copy.data[i] = '\n';
        memcpy(copy.data + i + 1, token.data + i, token.len - i);
        copy.len = token.len + 1;

        if (jose_verify(&copy, JOSE_ALL) != OIDC_JWS) {
            fail("P8 P23 a line break at %zu", i);
        }
    }

    pass("P8 P23 a line break anywhere makes it no token");

    memcpy(copy.data, token.data, token.len);
    copy.data[token.len] = '=';
    copy.len = token.len + 1;
    is_rc(jose_verify(&copy, JOSE_ALL), OIDC_JWS,
          "P8 P23 padding of the signature");

    /* the last character of 64 octets has 4 unused bits */

    copy.data[token.len - 1]++;
    copy.len = token.len;
    is_rc(jose_verify(&copy, JOSE_ALL), OIDC_JWS,
          "P8 P23 the same signature written otherwise");

    is_rc(jose_verify_header("ES256", "{\"alg\":\"ES256\",\"alg\":\"ES256\"}"),
          OIDC_JWS, "KE-2 alg twice");
    is_rc(jose_verify_header("ES256", "{\"alg\":\"none\","
                             "\"\\u0061lg\":\"ES256\"}"),
          OIDC_JWS, "KE-2 alg twice, once escaped");
    is_rc(jose_verify_header("ES256", "[{\"alg\":\"ES256\"}]"), OIDC_JWS,
          "V16 the header is an array");
    is_rc(jose_verify_header("ES256", "{\"alg\":\"ES256\"} "), OIDC_OK,
          "V16 white space behind the header is JSON");
}


static void
test_bounds(void)
{
    u_char     *p;
    oidc_str_t  token;

    /* 64 octets of signature are 86 characters, the header 20 */

    p = tap_alloc(&tap, OIDC_JWS_MAX);
    memset(p, 'x', OIDC_JWS_MAX);
    p[(OIDC_JWS_MAX - 20 - 86 - 2) / 4 * 3] = '\0';

    token = jose_token("ES256", &jose_p256, "{\"alg\":\"ES256\"}", (char *) p);
    ok(token.len <= OIDC_JWS_MAX && token.len > OIDC_JWS_MAX - 4,
       "a token as long as allowed");
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_OK, "V16 is verified");

    memset(p, 'x', OIDC_JWS_MAX);
    p[(OIDC_JWS_MAX - 20 - 86 - 2) / 4 * 3 + 4] = '\0';

    token = jose_token("ES256", &jose_p256, "{\"alg\":\"ES256\"}", (char *) p);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS, "V16 a longer one is not");

    token.len = 9 * 1024 * 1024;
    token.data = tap_alloc(&tap, token.len);
    memset(token.data, 'A', token.len);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS, "V16 9 MB are refused");
}


static void
test_signatures(void)
{
    size_t       i, j, len;
    u_char       sig[1024], zero[132];
    oidc_str_t   input, token;
    EVP_MD_CTX  *ctx;
    char         header[64];

    memset(zero, 0, sizeof(zero));

    for (i = 0; i < JOSE_NALGS; i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", jose_algs[i]);
        input = jose_input(header, JOSE_PAYLOAD);

        len = jose_sign(jose_algs[i], jose_key_of(jose_algs[i]),
                        RSA_PSS_SALTLEN_DIGEST, &input, sig, sizeof(sig));

        for (j = 0; j < len; j += len > 64 ? 17 : 5) {
            sig[j] ^= 0x40;
            token = jose_attach(&input, sig, len);

            if (jose_verify(&token, JOSE_ALL) != OIDC_JWS_SIGNATURE) {
                fail("V06 %s: octet %zu matters", jose_algs[i], j);
            }

            sig[j] ^= 0x40;
        }

        token = jose_attach(&input, sig, len - 1);
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
              "V06 cut by an octet");

        memmove(sig + 1, sig, len);
        sig[0] = 0;
        token = jose_attach(&input, sig, len + 1);
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
              "V06 longer by a zero");

        token = jose_attach(&input, sig + 1, len);
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_OK,
              "V06 unchanged it verifies");

        token = jose_attach(&input, zero, len < sizeof(zero) ? len : 64);
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
              "V06 P10 all zeros");

        tap_pool_reset();
    }

    /* DER is what OpenSSL makes, and not what JWS wants */

    input = jose_input("{\"alg\":\"ES256\"}", JOSE_PAYLOAD);
    ctx = EVP_MD_CTX_new();
    len = sizeof(sig);
    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, jose_p256.pkey);
    EVP_DigestSign(ctx, sig, &len, input.data, input.len);
    EVP_MD_CTX_free(ctx);
    token = jose_attach(&input, sig, len);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "KE-6 P10 ES256 in DER");

    input = jose_input("{\"alg\":\"PS256\"}", JOSE_PAYLOAD);

    len = jose_sign("PS256", &jose_rsa, 20, &input, sig, sizeof(sig));
    token = jose_attach(&input, sig, len);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "P11 PS256, salt of 20");

    len = jose_sign("PS256", &jose_rsa, RSA_PSS_SALTLEN_MAX_SIGN, &input, sig,
                    sizeof(sig));
    token = jose_attach(&input, sig, len);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE,
          "P11 the longest salt");

    len = jose_sign("PS256", &jose_rsa, 0, &input, sig, sizeof(sig));
    token = jose_attach(&input, sig, len);
    is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_SIGNATURE, "P11 no salt");
}


static void
test_secret(void)
{
    size_t       i, len;
    char         header[64];
    jose_key_t   key;
    oidc_str_t   token;

    for (i = 0; i < 3; i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", jose_algs[10 + i]);
        len = oidc_jws_secret_min(OIDC_HS256 << i);
        is_int(len, 32 + 16 * i, "V06 P3 the least secret");

        key.secret.data = jose_hs.secret.data;
        key.secret.len = len;
        token = jose_token(jose_algs[10 + i], &key, header, JOSE_PAYLOAD);
        jose_policy.secret = key.secret;
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_OK, "V06 P3 is enough");

        key.secret.len = len - 1;
        token = jose_token(jose_algs[10 + i], &key, header, JOSE_PAYLOAD);
        jose_policy.secret = key.secret;
        is_rc(jose_verify(&token, JOSE_ALL), OIDC_JWS_KEY,
              "V06 P3 one less is not");
    }

    jose_policy.secret = jose_hs.secret;
    is_int(oidc_jws_secret_min(OIDC_RS256), 0, "V06 RS256 takes no secret");
}


static void
test_nomem(void)
{
    int         n;
    oidc_jws_t  jws;
    oidc_rc_t   rc;
    oidc_str_t  token;

    token = jose_token("ES256", &jose_p256, "{\"alg\":\"ES256\"}",
                       JOSE_PAYLOAD);
    jose_policy.algs = JOSE_ALL;

    for (n = 0; n < 10; n++) {
        tap.fail_after = n;
        rc = oidc_jws_verify(tap_pool(), &token, &jose_policy, &jws);
        tap.fail_after = -1;

        if (rc == OIDC_OK) {
            json_decref(jws.header);
            break;
        }

        is_rc(rc, OIDC_NOMEM, "no memory is said to be that");
    }

    ok(n > 0 && n < 10, "until there is enough");
}
