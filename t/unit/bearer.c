
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Authorization headers of every shape, and challenges byte for byte.
 */


#include "tap.h"

#include "oidc_bearer.h"


static void test_parse(void);
static void test_base64(void);
static void test_challenge(void);
static void test_quoting(void);

static oidc_rc_t parse(const char *value, unsigned flags);
static void challenge(oidc_rc_t rc, const oidc_challenge_t *c,
    const char *expected, const char *name);


static oidc_bearer_t  bearer;


int
main(void)
{
    test_parse();
    test_base64();
    test_challenge();
    test_quoting();

    return done_testing();
}


static void
test_parse(void)
{
    int         i;
    size_t      n;
    oidc_str_t  value;

    static char               text[OIDC_BEARER_MAX + 16];
    static const char *const  good[] = {
        "Bearer a", "bearer a", "BEARER a", "Bearer    a", NULL
    };
    static const char *const  missing[] = {
        "", "Basic dTpw", "Bearera", "Bear", "DPoP a", "Bearer\ta",
        "Bearer,a", NULL
    };
    static const char *const  malformed[] = {
        "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =",
        "Bearer a=b", "Bearer \"a\"", "Bearer a\xc3\xa9", "Bearer a ",
        "Bearer a\x7f", "Bearer a%20", "Bearer token=\"a\"", NULL
    };

    for (n = 0; good[n] != NULL; n++) {
        ok(parse(good[n], 0) == OIDC_OK && bearer.token.len == 1,
           "BE-1: \"%s\"", good[n]);
    }

    for (n = 0; missing[n] != NULL; n++) {
        ok(parse(missing[n], 0) == OIDC_BEARER_MISSING, "BE-2: \"%s\"",
           missing[n]);
    }

    for (n = 0; malformed[n] != NULL; n++) {
        ok(parse(malformed[n], 0) == OIDC_BEARER_MALFORMED
           && bearer.token.len == 0, "BE-1 R18: \"%s\"", malformed[n]);
    }

    is_rc(parse("Bearer aZ09-._~+/==", 0), OIDC_OK, "BE-1 R21: all of them");
    is_str(&bearer.token, "aZ09-._~+/==", "BE-1: as it came");

    for (i = 1; i < 256; i++) {
        snprintf(text, sizeof(text), "Bearer a%cb", i);

        if ((parse(text, 0) == OIDC_OK)
            != (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789-._~+/", i) != NULL))
        {
            break;
        }
    }

    is_int(i, 256, "BE-1 R21: and no other octet");

    value.data = (u_char *) "Bearer a\0b";
    value.len = 10;
    is_rc(oidc_bearer_parse(tap_pool(), &value, 0, &bearer),
          OIDC_BEARER_MALFORMED, "R21: a NUL");

    memset(text, 'a', sizeof(text));
    memcpy(text, "Bearer ", 7);
    value.data = (u_char *) text;
    value.len = 7 + OIDC_BEARER_MAX;
    is_rc(oidc_bearer_parse(tap_pool(), &value, 0, &bearer), OIDC_OK,
          "R21: as long as may be");
    value.len++;
    is_rc(oidc_bearer_parse(tap_pool(), &value, 0, &bearer),
          OIDC_BEARER_MALFORMED, "R21: one more");

    is_rc(parse("dpop a", OIDC_BEARER_DPOP), OIDC_OK, "BE-13: DPoP");
    is_int(bearer.dpop, 1, "BE-13: is told");
    is_rc(parse("Bearer a", OIDC_BEARER_DPOP), OIDC_OK, "BE-13: Bearer");
    is_int(bearer.dpop, 0, "BE-13: is told too");
    is_rc(parse("DPoP a b", OIDC_BEARER_DPOP), OIDC_BEARER_MALFORMED,
          "BE-13: DPoP malformed");
}


static void
test_base64(void)
{
    is_rc(parse("Bearer YS5iLmM=", 0), OIDC_OK, "IN-20: without the switch");
    is_str(&bearer.token, "YS5iLmM=", "IN-20: as it came");

    is_rc(parse("Bearer YS5iLmM=", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20 R21: wrapped");
    is_str(&bearer.token, "a.b.c", "IN-20 R21: unwrapped");
    is_rc(parse("Bearer YS5iLmM", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: without padding");
    is_str(&bearer.token, "a.b.c", "IN-20: unwrapped too");
    is_rc(parse("Bearer YX5+fn4/", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: what decodes to no token");
    is_str(&bearer.token, "YX5+fn4/", "IN-20: stays");
    is_rc(parse("Bearer YX5+fi8v", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: with + and /");
    is_str(&bearer.token, "a~~~//", "IN-20: of plain base64");
    is_rc(parse("Bearer eyJh.eyJi.c2ln", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: a JWT");
    is_str(&bearer.token, "eyJh.eyJi.c2ln", "IN-20: stays");
    is_rc(parse("Bearer YS5iLmM==", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: wrong padding");
    is_str(&bearer.token, "YS5iLmM==", "IN-20: stays as well");
    is_rc(parse("Bearer YWJjZ===", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: padding of three");
    is_str(&bearer.token, "YWJjZ===", "IN-20: is none");
    is_rc(parse("Bearer YWJjZA==", OIDC_BEARER_BASE64), OIDC_OK,
          "IN-20: of two");
    is_str(&bearer.token, "abcd", "IN-20: is");

    tap.fail_after = 0;
    is_rc(parse("Bearer YS5iLmM", OIDC_BEARER_BASE64), OIDC_NOMEM,
          "B14: no memory for the copy");
    tap.fail_after = 1;
    is_rc(parse("Bearer YS5iLmM", OIDC_BEARER_BASE64), OIDC_NOMEM,
          "B14: none for the token");
    tap.fail_after = -1;
}


static void
test_challenge(void)
{
    size_t            i;
    oidc_challenge_t  c;

    static const oidc_rc_t  proofs[] = {
        OIDC_DPOP_PROOF, OIDC_DPOP_SIGNATURE, OIDC_DPOP_REQUEST,
        OIDC_DPOP_TOKEN, OIDC_DPOP_TIME, OIDC_DPOP_REPLAY
    };

    memset(&c, 0, sizeof(c));
    c.realm = tap_str("api");
    c.max_age = -1;

    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"api\"",
              "BE-2 R18: no credentials, no error");
    challenge(OIDC_BEARER_TOKEN, &c, "Bearer realm=\"api\", "
              "error=\"invalid_token\", error_description=\"The access token"
              " is expired, revoked or not for this resource\"",
              "IN-3 BE-5 R18: refused");
    challenge(OIDC_BEARER_MALFORMED, &c, "Bearer realm=\"api\", "
              "error=\"invalid_request\", error_description=\"The"
              " Authorization header is malformed\"", "BE-1 R18: malformed");

    is_str(&((oidc_str_t) { strlen(oidc_bearer_error(OIDC_BEARER_INACTIVE)),
             (u_char *) oidc_bearer_error(OIDC_BEARER_INACTIVE) }),
           "invalid_token", "IN-3: inactive");
    ok(strcmp(oidc_bearer_error(OIDC_BEARER_EXPIRED), "invalid_token") == 0
       && strcmp(oidc_bearer_error(OIDC_BEARER_AUDIENCE), "invalid_token")
          == 0
       && strcmp(oidc_bearer_error(OIDC_BEARER_BINDING), "invalid_token")
          == 0,
       "IN-4 IN-5 BE-11 BE-12: expired, elsewhere, not proven");
    ok(oidc_bearer_error(OIDC_BEARER_CALLER) == NULL
       && oidc_bearer_error(OIDC_FETCH) == NULL
       && oidc_bearer_error(OIDC_BEARER_MISSING) == NULL,
       "R17 R19: a refusal by policy, the provider's fault");

    c.scope = tap_str("a b");
    c.resource_metadata = tap_str("https://api/.well-known/x");
    challenge(OIDC_BEARER_SCOPE, &c, "Bearer realm=\"api\", "
              "error=\"insufficient_scope\", error_description=\"The access"
              " token lacks a scope\", scope=\"a b\", "
              "resource_metadata=\"https://api/.well-known/x\"",
              "IN-5 R16 BE-14: a scope is missing");

    memset(&c, 0, sizeof(c));
    c.acr_values = tap_str("high");
    c.max_age = 5;
    challenge(OIDC_BEARER_MISSING, &c,
              "Bearer realm=\"\", acr_values=\"high\", max_age=\"5\"",
              "BE-14: RFC 9470");

    memset(&c, 0, sizeof(c));
    c.max_age = -1;
    c.dpop = 1;
    c.algs = tap_str("ES256 PS256");

    for (i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
        challenge(proofs[i], &c, "DPoP realm=\"\", "
                  "error=\"invalid_dpop_proof\", error_description=\"The DPoP"
                  " proof is not valid\", algs=\"ES256 PS256\"",
                  oidc_rc_name(proofs[i]));
    }

    challenge(OIDC_DPOP_NONCE, &c, "DPoP realm=\"\", "
              "error=\"use_dpop_nonce\", error_description=\"The DPoP proof"
              " must carry the nonce of this answer\", algs=\"ES256 PS256\"",
              "BE-13: no nonce");

    c.dpop = 0;
    c.max_age = 0;
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"\", max_age=\"0\"",
              "BE-13 BE-14: algs are of DPoP alone; a max_age of 0 counts");
    ok(strcmp(oidc_bearer_error(OIDC_DPOP_NONCE), "use_dpop_nonce") == 0,
       "BE-13: a nonce is asked for");
}


static void
test_quoting(void)
{
    oidc_challenge_t  c;

    memset(&c, 0, sizeof(c));
    c.max_age = -1;

    c.realm = tap_str("a\"b\\c\r\nd\xc3\xa9");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"a\\\"b\\\\cd\"",
              "BE-6: a hostile realm");

    c.realm = tap_str("r");
    c.scope = tap_str("a\"");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"r\"",
              "BE-6: a quote in a scope");
    c.scope = tap_str("a\\b");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"r\"",
              "BE-6: a backslash");
    c.scope = tap_str("a\r\nSet-Cookie: x");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"r\"",
              "BE-6: a line break");
    c.scope = tap_str("a\x7f");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"r\"", "BE-6: DEL");
    c.realm = tap_str("r\x7f s");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"r s\"",
              "BE-6: DEL in the realm, but a blank may stand there");
    c.realm = tap_str("r");
    c.scope = tap_str("caf\xc3\xa9");
    challenge(OIDC_BEARER_MISSING, &c, "Bearer realm=\"r\"",
              "BE-6: not ASCII");
}


static oidc_rc_t
parse(const char *value, unsigned flags)
{
    oidc_str_t  text;

    text = tap_str(value);

    return oidc_bearer_parse(tap_pool(), &text, flags, &bearer);
}


static void
challenge(oidc_rc_t rc, const oidc_challenge_t *c, const char *expected,
    const char *name)
{
    oidc_str_t  value;

    if (oidc_bearer_challenge(tap_pool(), rc, c, &value) != OIDC_OK) {
        fail("%s", name);
        return;
    }

    is_str(&value, expected, name);
}
