
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What we sign, with each kind of key that we can have: verified by ourselves
 * here, by others in t/jose.t.  And what must not sign.
 */


#include "jose.h"
#include "heap.h"

#include "oidc_json.h"
#include "oidc_seal.h"
#include "oidc_sign.h"


static void test_algs(void);
static void test_header(void);
static void test_sizes(void);
static void test_refused(void);
static void test_memory(void);

static void own_key(EVP_PKEY *pkey, const char *alg, oidc_key_t *key);
static oidc_rc_t signed_with(const oidc_signer_t *signer, const char *text,
    oidc_str_t *token);
static json_t *header_of(const oidc_str_t *token);


int
main(void)
{
    (void) oidc_crypto_init();

    jose_setup();

    test_algs();
    test_header();
    test_sizes();
    test_refused();
    test_memory();

    jose_done();
    oidc_crypto_free();

    return done_testing();
}


static void
test_algs(void)
{
    size_t          i;
    u_char         *p;
    oidc_key_t      key;
    oidc_str_t      token, alg;
    oidc_signer_t   signer;

    for (i = 0; i < JOSE_NALGS; i++) {

        if (jose_algs[i][0] == 'H') {
            continue;
        }

        own_key(jose_key_of(jose_algs[i])->pkey, jose_algs[i], &key);

        memset(&signer, 0, sizeof(signer));
        signer.key = &key;
        signer.typ = "JWT";

        is_rc(signed_with(&signer, JOSE_PAYLOAD, &token), OIDC_OK,
              jose_algs[i]);

        alg = tap_str(jose_algs[i]);

        /* the provider of jose.h has these keys under kids of its own */

        jose_policy.key = &key;
        ok(jose_verify(&token, oidc_jws_alg(&alg)) == OIDC_OK,
           "F21 %s: it verifies", jose_algs[i]);

        p = token.data + token.len - 10;
        *p = *p == 'A' ? 'B' : 'A';
        ok(jose_verify(&token, oidc_jws_alg(&alg)) == OIDC_JWS_SIGNATURE,
           "F21 %s: not when bent", jose_algs[i]);
        jose_policy.key = NULL;

        oidc_key_free(&key);
    }

    memset(&signer, 0, sizeof(signer));
    signer.secret = jose_hs.secret;

    is_rc(signed_with(&signer, JOSE_PAYLOAD, &token), OIDC_OK,
          "TK-5: a secret");
    is_rc(jose_verify(&token, OIDC_HS256), OIDC_OK, "TK-5: HS256");
}


static void
test_header(void)
{
    json_t         *header;
    oidc_key_t      key;
    oidc_str_t      token;
    oidc_signer_t   signer;

    own_key(jose_p256.pkey, "ES256", &key);

    memset(&signer, 0, sizeof(signer));
    signer.key = &key;
    signer.typ = "oauth-authz-req+jwt";

    is_rc(signed_with(&signer, "{}", &token), OIDC_OK, "TK-4: a key");
    header = header_of(&token);
    ok(json_object_size(header) == 3
       && strcmp(json_string_value(json_object_get(header, "alg")), "ES256")
          == 0
       && strcmp(json_string_value(json_object_get(header, "typ")),
                 "oauth-authz-req+jwt")
          == 0
       && json_string_length(json_object_get(header, "kid")) == 43,
       "TK-4: alg, typ and kid, no more");
    json_decref(header);

    signer.key = NULL;
    signer.typ = NULL;
    signer.secret = jose_hs.secret;

    is_rc(signed_with(&signer, "{}", &token), OIDC_OK, "TK-5: a secret");
    header = header_of(&token);
    ok(json_object_size(header) == 1, "TK-5: alg alone");
    json_decref(header);

    oidc_key_free(&key);
}


/* the payload is encoded piece by piece */

static void
test_sizes(void)
{
    size_t          i;
    char            text[1600];
    oidc_str_t      payload, token;
    oidc_jws_t      jws;
    oidc_signer_t   signer;

    memset(&signer, 0, sizeof(signer));
    memset(text, 'x', sizeof(text));

    signer.secret = jose_hs.secret;
    payload.data = (u_char *) text;
    jose_policy.algs = OIDC_HS256;

    for (i = 1; i < sizeof(text); i += (i > 380 && i < 390) ? 1 : 47) {
        payload.len = i;

        if (oidc_jws_sign(tap_pool(), &signer, &payload, &token) != OIDC_OK
            || oidc_jws_verify(tap_pool(), &token, &jose_policy, &jws)
               != OIDC_OK)
        {
            break;
        }

        json_decref(jws.header);

        if (jws.payload.len != i || memcmp(jws.payload.data, text, i) != 0) {
            break;
        }
    }

    ok(i >= sizeof(text), "F21: payloads of every size");
}


static void
test_refused(void)
{
    json_t         *jwk;
    oidc_key_t      key;
    oidc_str_t      token;
    oidc_signer_t   signer;

    memset(&signer, 0, sizeof(signer));

    is_rc(signed_with(&signer, "{}", &token), OIDC_KEY, "F21: nothing at all");

    signer.secret = tap_str("0123456789abcdef0123456789abcde");
    is_rc(signed_with(&signer, "{}", &token), OIDC_KEY,
          "TK-5: a secret of 31 octets");

    signer.secret = tap_str("0123456789abcdef0123456789abcdef");
    is_rc(signed_with(&signer, "{}", &token), OIDC_OK,
          "TK-5: one of 32 octets");

    own_key(jose_p256.pkey, "ES256", &key);
    signer.key = &key;

    key.use = OIDC_USE_ENC;
    is_rc(signed_with(&signer, "{}", &token), OIDC_KEY, "KE-5: use=enc");
    key.use = OIDC_USE_SIG;

    memcpy(key.alg.data, "ES384", 5);
    is_rc(signed_with(&signer, "{}", &token), OIDC_KEY,
          "KE-3: an alg of another curve");
    memcpy(key.alg.data, "HS256", 5);
    is_rc(signed_with(&signer, "{}", &token), OIDC_KEY,
          "KE-3: a key that would be a secret");
    memcpy(key.alg.data, "nones", 5);
    is_rc(signed_with(&signer, "{}", &token), OIDC_KEY, "KE-3: no alg");
    oidc_key_free(&key);

    jwk = jose_jwk(jose_p256.pkey, "{\"alg\":\"ES256\"}");
    is_rc(oidc_key_from_jwk(jwk, &key), OIDC_OK, "F21: a public key");
    is_rc(signed_with(&signer, "{}", &token), OIDC_CRYPTO,
          "F21: ... signs nothing");
    oidc_key_free(&key);
    json_decref(jwk);
}


static void
test_memory(void)
{
    int             i;
    oidc_rc_t       rc;
    oidc_str_t      text, token;
    oidc_signer_t   signer;

    memset(&signer, 0, sizeof(signer));
    signer.secret = jose_hs.secret;
    text = tap_str("{}");

    for (i = 0; i < 20; i++) {
        tap.fail_after = i;
        rc = oidc_jws_sign(tap_pool(), &signer, &text, &token);

        if (rc != OIDC_NOMEM) {
            break;
        }
    }

    tap.fail_after = -1;

    ok(i > 1 && rc == OIDC_OK, "B14: memory fails at each of %d places", i);

    text = tap_str("{\"a\":1}");
    is_rc(oidc_jws_sign(heap_pool(), &signer, &text, &token), OIDC_OK,
          "TK-12: signed");
    is_int(heap_count(token.data + token.len - 43, 43), 1,
           "TK-12: the signature stands in one place");
    is_int(heap_count(jose_hs.secret.data, 32), 0, "TK-12: the secret nowhere");
}


static void
own_key(EVP_PKEY *pkey, const char *alg, oidc_key_t *key)
{
    oidc_str_t   pem, use, name, none = { 0, NULL };
    const char  *why;

    pem = jose_pem(pkey);
    use = tap_str("sig");
    name = tap_str(alg);

    if (oidc_key_from_pem(&pem, &use, &name, &none, key, &why) != OIDC_OK) {
        fprintf(stderr, "%s: %s\n", alg, why);
        abort();
    }
}


static oidc_rc_t
signed_with(const oidc_signer_t *signer, const char *text, oidc_str_t *token)
{
    oidc_rc_t   rc;
    oidc_str_t  payload;

    payload = tap_str(text);
    rc = oidc_jws_sign(tap_pool(), signer, &payload, token);

    if (ERR_peek_error() != 0) {
        fail("P19 OpenSSL's error queue is empty");
        ERR_clear_error();
    }

    return rc;
}


static json_t *
header_of(const oidc_str_t *token)
{
    json_t      *header;
    oidc_str_t   part, text;

    part = *token;
    part.len = (u_char *) memchr(token->data, '.', token->len) - token->data;

    (void) oidc_b64url_decode(tap_pool(), &part, &text);
    header = NULL;
    (void) oidc_json_parse(&text, text.len, &header);

    return header;
}
