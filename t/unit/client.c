
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the client says about itself at an endpoint, byte for byte, in each
 * way that there is, and what is left of it in memory.
 */


#include "jose.h"
#include "heap.h"

#include "oidc_client.h"
#include "oidc_json.h"
#include "oidc_seal.h"
#include "oidc_url.h"


#define NOW     ((int64_t) 1800000000)
#define SECRET  "0123456789abcdef0123456789abcdef"
#define TYPE    "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"     \
                "jwt-bearer"


static void test_forms(void);
static void test_assertion(void);
static void test_unique(void);
static void test_refused(void);
static void test_memory(void);

static int no_random(u_char *buf, size_t len);
static int has(const oidc_str_t *text, const char *part);
static oidc_str_t argument(const oidc_str_t *body, const char *name);
static json_t *claims_of(const oidc_str_t *token, unsigned algs,
    const oidc_key_t *key);


static oidc_key_t     signing;
static oidc_client_t  client;


int
main(void)
{
    oidc_str_t   pem, use, alg, kid;
    const char  *why;

    (void) oidc_crypto_init();

    jose_setup();

    pem = jose_pem(jose_p256.pkey);
    use = tap_str("sig");
    alg = tap_str("ES256");
    kid = tap_str("mine");
    is_rc(oidc_key_from_pem(&pem, &use, &alg, &kid, &signing, &why), OIDC_OK,
          "F21: our key");

    client.id = tap_str("the client");
    client.secret = tap_str(SECRET);
    client.key = &signing;
    client.audience = tap_str("https://idp/");
    client.random = oidc_random;
    client.now = NOW;

    test_forms();
    test_assertion();
    test_unique();
    test_refused();
    test_memory();

    oidc_key_free(&signing);
    jose_done();
    oidc_crypto_free();

    return done_testing();
}


static void
test_forms(void)
{
    oidc_str_t   token, none = { 0, NULL }, scope;
    oidc_form_t  form;

    token = tap_str("to+ken");
    scope = tap_str("openid x");

    client.auth = OIDC_CLIENT_SECRET_POST;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form), OIDC_OK,
          "IN-1: introspection");
    is_str(&form.body, "token=to%2Bken&client_id=the%20client"
           "&client_secret=" SECRET, "IN-1 R12: post");
    is_int(form.authorization.len, 0, "TK-3: and no header");

    client.auth = OIDC_CLIENT_SECRET_BASIC;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "refresh_token",
                           &form),
          OIDC_OK, "TK-16: revocation");
    is_str(&form.body, "token=to%2Bken&token_type_hint=refresh_token",
           "TK-16 R12: basic");
    ok(form.authorization.len > 6
       && memcmp(form.authorization.data, "Basic ", 6) == 0,
       "TK-3: and a header");

    client.auth = OIDC_CLIENT_TLS;
    is_rc(oidc_refresh_request(tap_pool(), &client, &token, &scope, &form),
          OIDC_OK, "TK-13: refresh");
    is_str(&form.body, "grant_type=refresh_token&refresh_token=to%2Bken"
           "&scope=openid%20x&client_id=the%20client",
           "TK-6: with a certificate, client_id and no secret");
    is_int(form.authorization.len, 0, "TK-6: no header either");

    client.auth = OIDC_CLIENT_NONE;
    is_rc(oidc_refresh_request(tap_pool(), &client, &token, &none, &form),
          OIDC_OK, "TK-13: refresh");
    is_str(&form.body, "grant_type=refresh_token&refresh_token=to%2Bken"
           "&client_id=the%20client", "TK-13: a public client");

    client.auth = OIDC_CLIENT_AUTO;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form), OIDC_ARGS,
          "TK-3: not before the method is chosen");
}


static void
test_assertion(void)
{
    size_t       i;
    json_t      *claims;
    int64_t      iat, exp;
    oidc_str_t   token, assertion, jti;
    oidc_form_t  form;

    static const struct {
        oidc_client_auth_e   auth;
        unsigned             alg;
    } methods[] = {
        { OIDC_CLIENT_PRIVATE_KEY_JWT, OIDC_ES256 },
        { OIDC_CLIENT_SECRET_JWT, OIDC_HS256 }
    };

    token = tap_str("t");

    for (i = 0; i < 2; i++) {
        client.auth = methods[i].auth;

        is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form),
              OIDC_OK, "TK-4 TK-5: an assertion");
        is_int(form.authorization.len, 0, "TK-3: no header");
        ok(has(&form.body, "token=t&client_id=the%20client"
                           "&client_assertion_type=" TYPE
                           "&client_assertion="),
           "TK-4 F21: the form");
        ok(!has(&form.body, "client_secret") && !has(&form.body, SECRET),
           "TK-3: no secret in it");

        assertion = argument(&form.body, "client_assertion");
        claims = claims_of(&assertion, methods[i].alg, &signing);

        ok(claims != NULL, "TK-4 TK-5: it verifies");
        is_int(json_object_size(claims), 6, "TK-4: six claims");
        ok(oidc_json_has(claims, "iss", "the client")
           && oidc_json_has(claims, "sub", "the client"),
           "TK-4: iss and sub are the client");
        ok(json_is_string(json_object_get(claims, "aud"))
           && oidc_json_has(claims, "aud", "https://idp/"),
           "TK-4 F21: aud is the issuer, as a string");
        ok(oidc_json_time(claims, "iat", &iat) == 1 && iat == NOW,
           "TK-4: iat is now");
        ok(oidc_json_time(claims, "exp", &exp) == 1 && exp == NOW + 60,
           "TK-4 F21: exp a minute later");
        ok(oidc_json_str(claims, "jti", &jti) == 1 && jti.len >= 22,
           "TK-4: jti of 128 bits");

        json_decref(claims);
    }

    client.audience = tap_str("https://idp/token");
    (void) oidc_token_about(tap_pool(), &client, &token, "", &form);
    assertion = argument(&form.body, "client_assertion");
    claims = claims_of(&assertion, OIDC_HS256, NULL);
    ok(oidc_json_has(claims, "aud", "https://idp/token"),
       "TK-4: the token endpoint, where the operator says so");
    json_decref(claims);
    client.audience = tap_str("https://idp/");
}


static void
test_unique(void)
{
    int           same;
    size_t        i, j;
    json_t       *claims;
    oidc_str_t    token, assertion, jti;
    oidc_form_t   form;

    static u_char  seen[1000][22];

    client.auth = OIDC_CLIENT_SECRET_JWT;
    token = tap_str("t");
    same = 0;

    for (i = 0; i < 1000; i++) {
        (void) oidc_token_about(tap_pool(), &client, &token, "", &form);
        assertion = argument(&form.body, "client_assertion");
        claims = claims_of(&assertion, OIDC_HS256, NULL);
        (void) oidc_json_str(claims, "jti", &jti);
        memcpy(seen[i], jti.data, 22);
        json_decref(claims);

        for (j = 0; j < i; j++) {
            same += memcmp(seen[i], seen[j], 22) == 0;
        }

        if (i % 100 == 0) {
            tap_pool_reset();
        }
    }

    is_int(same, 0, "TK-4: 1000 jti, each another");
}


static void
test_refused(void)
{
    oidc_str_t   token;
    oidc_form_t  form;

    token = tap_str("t");

    client.auth = OIDC_CLIENT_SECRET_JWT;
    client.secret.len = 31;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form), OIDC_KEY,
          "TK-5: too short a secret");
    client.secret.len = 0;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form), OIDC_KEY,
          "TK-5: none");
    client.secret = tap_str(SECRET);

    client.auth = OIDC_CLIENT_PRIVATE_KEY_JWT;
    client.secret.len = 0;
    client.key = NULL;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form), OIDC_KEY,
          "TK-4: no key");
    client.secret = tap_str(SECRET);
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form), OIDC_KEY,
          "TK-4: a secret does not take its place");
    client.key = &signing;

    client.random = no_random;
    is_rc(oidc_token_about(tap_pool(), &client, &token, "", &form),
          OIDC_CRYPTO, "TK-4: no randomness, no assertion");
    client.random = oidc_random;
}


static void
test_memory(void)
{
    int          i, method;
    oidc_rc_t    rc;
    oidc_str_t   token, assertion;
    oidc_form_t  form;

    token = tap_str("a-refresh-token");
    client.auth = OIDC_CLIENT_PRIVATE_KEY_JWT;

    for (i = 0; i < 30; i++) {
        tap.fail_after = i;
        rc = oidc_token_about(tap_pool(), &client, &token, "", &form);

        if (rc != OIDC_NOMEM) {
            break;
        }
    }

    tap.fail_after = -1;
    ok(i > 3 && rc == OIDC_OK, "B14: memory fails at each of %d places", i);

    for (method = OIDC_CLIENT_SECRET_BASIC;
         method <= OIDC_CLIENT_PRIVATE_KEY_JWT;
         method++)
    {
        client.auth = method;
        (void) oidc_token_about(heap_pool(), &client, &token, "", &form);
        assertion = argument(&form.body, "client_assertion");

        ok(heap_count(token.data, token.len) == 1,
           "TK-12: the token stands in one place (%d)", method);
        ok(heap_count(SECRET, 32) == (method == OIDC_CLIENT_SECRET_POST),
           "TK-12: the secret in no other (%d)", method);
        ok(assertion.len == 0
           || heap_count(assertion.data + assertion.len - 43, 43) == 1,
           "TK-12: the assertion neither (%d)", method);

        oidc_wipe(form.body.data, form.body.len);

        if (form.authorization.len) {
            oidc_wipe(form.authorization.data, form.authorization.len);
        }

        ok(heap_count(token.data, token.len) == 0
           && heap_count(SECRET, 32) == 0,
           "TK-12: nor anywhere once it is wiped (%d)", method);
    }
}


static int
no_random(u_char *buf, size_t len)
{
    return 0;
}


static int
has(const oidc_str_t *text, const char *part)
{
    return strstr((char *) text->data, part) != NULL;
}


/* of a form, where it needs no decoding; empty where there is none */

static oidc_str_t
argument(const oidc_str_t *body, const char *name)
{
    oidc_str_t  rest, key, value;

    rest = *body;

    while (oidc_args_next(&rest, &key, &value)) {
        if (oidc_str_eq_cstr(&key, name)) {
            return value;
        }
    }

    return tap_str("");
}


static json_t *
claims_of(const oidc_str_t *token, unsigned algs, const oidc_key_t *key)
{
    json_t             *claims;
    oidc_jws_t          jws;
    oidc_jws_policy_t   policy;

    memset(&policy, 0, sizeof(policy));
    policy.algs = algs;
    policy.key = key;
    policy.secret = tap_str(SECRET);

    if (oidc_jws_verify(tap_pool(), token, &policy, &jws) != OIDC_OK) {
        return NULL;
    }

    if (!oidc_json_has(jws.header, "typ", "JWT")) {
        fail("F21: an assertion is a JWT");
    }

    json_decref(jws.header);
    claims = NULL;
    (void) oidc_json_parse(&jws.payload, OIDC_JWS_MAX, &claims);

    return claims;
}
