
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Verdicts on answers of the introspection endpoint in each of the four modes:
 * a good one of each, and one bent at each check.
 */


#include "tap.h"

#include "encrypt.h"
#include "sign.h"

#include "oidc_access.h"


#define NESTED_TO  "P-256"
#define TI         "{\"alg\":\"ES256\",\"kid\":\"e\","                        \
                   "\"typ\":\"token-introspection+jwt\"}"
#define OUTER(in)  "{\"iss\":\"https://idp\",\"aud\":\"client\","             \
                   "\"iat\":1800000000,\"token_introspection\":" in "}"
#define INNER      "{\"active\":true,\"sub\":\"u\",\"scope\":\"a b\","        \
                   "\"client_id\":\"app\",\"exp\":1800000100}"
#define AT(more)   "{\"iss\":\"https://idp\",\"azp\":\"app\","                \
                   "\"exp\":1800000100,\"sub\":\"u\"" more "}"


typedef struct {
    const char  *name;
    const char  *text;
    oidc_rc_t    rc;
} answer_t;


static void test_accept(void);
static void test_json(void);
static void test_signed(void);
static void test_encrypted(void);
static void test_keycloak(void);
static void test_transport(void);
static void test_memory(void);

static oidc_rc_t check(oidc_introspect_e mode, oidc_str_t body);
static oidc_rc_t check_type(oidc_introspect_e mode, const char *type,
    oidc_str_t body);
static oidc_str_t encrypted(const char *alg, const char *enc,
    const char *more, const char *plain);
static oidc_str_t with_jwt(const char *active, const char *header,
    const char *payload);


static EVP_PKEY           *to;
static oidc_key_t          own;
static oidc_jwe_policy_t   jwe;
static oidc_expect_t       expect;
static oidc_access_t       access;


int
main(void)
{
    sign_setup(&expect);

    to = jose_new_key(NESTED_TO);
    own.pkey = to;
    own.kty = OIDC_KTY_EC;
    own.crv = OIDC_CRV_P256;
    own.use = OIDC_USE_ENC;

    jwe.algs = OIDC_ECDH_ES;
    jwe.encs = OIDC_A256GCM;
    jwe.keys = &own;
    jwe.n = 1;

    test_accept();
    test_json();
    test_signed();
    test_encrypted();
    test_keycloak();
    test_transport();
    test_memory();

    EVP_PKEY_free(to);
    sign_done();

    return done_testing();
}


static void
test_accept(void)
{
    ok(strcmp(oidc_introspect_accept(OIDC_INTROSPECT_JSON),
              "application/json") == 0, "R12: JSON");
    ok(strcmp(oidc_introspect_accept(OIDC_INTROSPECT_JWT),
              "application/jwt") == 0, "R12: Keycloak's");
    ok(strcmp(oidc_introspect_accept(OIDC_INTROSPECT_SIGNED),
              "application/token-introspection+jwt") == 0,
       "R12 IN-8: exactly the JWT's type");
    ok(strcmp(oidc_introspect_accept(OIDC_INTROSPECT_ENCRYPTED),
              "application/token-introspection+jwt") == 0,
       "R12 IN-8: encrypted or not");
}


static const answer_t  inner[] = {
    { "IN-2 R15: active", "{\"active\":true}", OIDC_OK },
    { "IN-3 R15: inactive", "{\"active\":false}", OIDC_BEARER_INACTIVE },
    { "IN-3: inactive, whatever else", "{\"active\":false,\"exp\":\"x\"}",
      OIDC_BEARER_INACTIVE },
    { "IN-2 R15: \"true\"", "{\"active\":\"true\"}", OIDC_INTROSPECTION },
    { "IN-2 R15: 1", "{\"active\":1}", OIDC_INTROSPECTION },
    { "IN-2 R15: null", "{\"active\":null}", OIDC_INTROSPECTION },
    { "IN-2 R15: missing", "{\"sub\":\"u\"}", OIDC_INTROSPECTION },
    { "IN-2: empty", "{}", OIDC_INTROSPECTION },
    { "BE-9: an ID token", "{\"active\":true,\"typ\":\"ID\"}",
      OIDC_BEARER_TOKEN },
    { "BE-9: and by its token_type",
      "{\"active\":true,\"token_type\":\"id\"}", OIDC_BEARER_TOKEN },
    { "BE-9: a refresh token", "{\"active\":true,\"typ\":\"Refresh\"}",
      OIDC_BEARER_TOKEN },
    { "BE-9: an access token", "{\"active\":true,\"typ\":\"Bearer\","
      "\"token_type\":\"Bearer\"}", OIDC_OK },
    { "R15: our issuer", "{\"active\":true,\"iss\":\"https://idp\"}",
      OIDC_OK },
    { "R15: another issuer", "{\"active\":true,\"iss\":\"https://idp/\"}",
      OIDC_CLAIM_ISS },
    { "R15: an issuer that is none", "{\"active\":true,\"iss\":[]}",
      OIDC_CLAIM_ISS },
    { "IN-4 R15: exp ahead", "{\"active\":true,\"exp\":1800000001}",
      OIDC_OK },
    { "IN-4 R15: exp within the leeway", "{\"active\":true,"
      "\"exp\":1799999971}", OIDC_OK },
    { "IN-4 R15: exp past", "{\"active\":true,\"exp\":1799999970}",
      OIDC_BEARER_EXPIRED },
    { "IN-4: exp of 0", "{\"active\":true,\"exp\":0}", OIDC_BEARER_EXPIRED },
    { "IN-4: exp is text", "{\"active\":true,\"exp\":\"1800000001\"}",
      OIDC_CLAIM_TYPE },
    { "IN-4 R15: nbf past", "{\"active\":true,\"nbf\":1800000030}", OIDC_OK },
    { "IN-4 R15: nbf ahead", "{\"active\":true,\"nbf\":1800000031}",
      OIDC_BEARER_EXPIRED },
    { "IN-4: nbf is text", "{\"active\":true,\"nbf\":\"1\"}",
      OIDC_CLAIM_TYPE },
    { "IN-2: scope is a number", "{\"active\":true,\"scope\":1}",
      OIDC_CLAIM_TYPE },
    { "IN-2: client_id is a number", "{\"active\":true,\"client_id\":1}",
      OIDC_CLAIM_TYPE },
    { "IN-19: cnf is a string", "{\"active\":true,\"cnf\":\"x\"}",
      OIDC_CLAIM_TYPE },
    { "IN-19: jkt is a number", "{\"active\":true,\"cnf\":{\"jkt\":1}}",
      OIDC_CLAIM_TYPE },
    { NULL, NULL, OIDC_OK }
};


static void
test_json(void)
{
    oidc_rc_t        rc;
    const answer_t  *a;

    static const answer_t  bad[] = {
        { "R13: nothing", "", OIDC_JSON },
        { "R13: an array", "[{\"active\":true}]", OIDC_JSON },
        { "R13: a member twice", "{\"active\":false,\"active\":true}",
          OIDC_JSON },
        { "R13: cut off", "{\"active\":true", OIDC_JSON },
        { NULL, NULL, OIDC_OK }
    };

    for (a = inner; a->name != NULL; a++) {
        is_rc(check(OIDC_INTROSPECT_JSON, tap_str(a->text)), a->rc, a->name);
    }

    for (a = bad; a->name != NULL; a++) {
        is_rc(check(OIDC_INTROSPECT_JSON, tap_str(a->text)), a->rc, a->name);
    }

    rc = check(OIDC_INTROSPECT_JSON, tap_str(INNER));
    is_rc(rc, OIDC_OK, "R13: all members");
    is_int(access.exp, 1800000100, "R20: exp");
    is_str(&access.scope, "a b", "R16: scope");
    is_str(&access.client_id, "app", "R17: client_id");
    ok(!access.bound, "IN-19: not bound");

    rc = check(OIDC_INTROSPECT_JSON, sign(TI, OUTER(INNER)));
    is_rc(rc, OIDC_JSON, "R13: a JWT is no JSON");
}


static void
test_signed(void)
{
    char             text[1024];
    size_t           i;
    const answer_t  *a;

    static const char  *const typs[] = {
        "application/token-introspection+jwt", "Token-Introspection+JWT",
        "JWT", "at+jwt", "token-introspection", "", "1", NULL
    };

    static const answer_t  outer[] = {
        { "IN-11 R14: no iss", "{\"aud\":\"client\",\"iat\":1800000000,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_ISS },
        { "IN-11 R14: another iss", "{\"iss\":\"https://idp2\","
          "\"aud\":\"client\",\"iat\":1800000000,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_ISS },
        { "IN-11 R14: no aud", "{\"iss\":\"https://idp\",\"iat\":1800000000,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_AUD },
        { "IN-11 R14: another aud", "{\"iss\":\"https://idp\","
          "\"aud\":\"client2\",\"iat\":1800000000,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_AUD },
        { "IN-11: an empty list", "{\"iss\":\"https://idp\","
          "\"aud\":[],\"iat\":1800000000,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_AUD },
        { "IN-11 R14: a list with us", "{\"iss\":\"https://idp\","
          "\"aud\":[\"x\",\"client\"],\"iat\":1800000000,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11 R14: no iat", "{\"iss\":\"https://idp\",\"aud\":\"client\","
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_IAT },
        { "IN-11: iat is text", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":\"1800000000\","
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_IAT },
        { "IN-11 R14: 90 s old", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1799999910,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11 R14: 91 s old", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1799999909,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_IAT },
        { "IN-11 R14: 30 s ahead", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000030,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11 R14: 31 s ahead", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000031,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_IAT },
        { "IN-11: exp past", "{\"iss\":\"https://idp\",\"aud\":\"client\","
          "\"iat\":1800000000,\"exp\":1799999970,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_EXP },
        { "IN-11: nbf ahead", "{\"iss\":\"https://idp\",\"aud\":\"client\","
          "\"iat\":1800000000,\"nbf\":1800000031,"
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_NBF },
        { "IN-11: exp ahead", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"exp\":1800000001,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11: exp within the leeway", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"exp\":1799999971,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11: exp is text", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"exp\":\"1800000001\","
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_EXP },
        { "IN-11: nbf past", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"nbf\":1799999999,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11: nbf within the leeway", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"nbf\":1800000030,"
          "\"token_introspection\":{\"active\":true}}", OIDC_OK },
        { "IN-11: nbf is text", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"nbf\":\"1\","
          "\"token_introspection\":{\"active\":true}}", OIDC_CLAIM_NBF },
        { "IN-11 R14: no token_introspection", "{\"iss\":\"https://idp\","
          "\"aud\":\"client\",\"iat\":1800000000,\"active\":true}",
          OIDC_INTROSPECTION },
        { "IN-11 R14: it is no object", OUTER("[{\"active\":true}]"),
          OIDC_INTROSPECTION },
        { "IN-11 R14: it is a string", OUTER("\"active\""),
          OIDC_INTROSPECTION },
        { NULL, NULL, OIDC_OK }
    };

    for (a = inner; a->name != NULL; a++) {
        snprintf(text, sizeof(text), OUTER("%s"), a->text);
        is_rc(check(OIDC_INTROSPECT_SIGNED, sign(TI, text)), a->rc, a->name);
    }

    for (a = outer; a->name != NULL; a++) {
        is_rc(check(OIDC_INTROSPECT_SIGNED, sign(TI, a->text)), a->rc,
              a->name);
    }

    is_rc(check(OIDC_INTROSPECT_SIGNED, sign(TI, OUTER(INNER))), OIDC_OK,
          "R13 R14: signed");
    is_str(&access.scope, "a b", "R14: what counts is inside");

    for (i = 0; typs[i] != NULL; i++) {
        snprintf(text, sizeof(text), "{\"alg\":\"ES256\",\"kid\":\"e\","
                 "\"typ\":\"%s\"}", typs[i]);
        ok(check(OIDC_INTROSPECT_SIGNED, sign(text, OUTER(INNER)))
           == (i < 2 ? OIDC_OK : OIDC_JWS_TYP),
           "IN-10 R14: typ \"%s\"", typs[i]);
    }

    is_rc(check(OIDC_INTROSPECT_SIGNED, sign(JWT, OUTER(INNER))),
          OIDC_JWS_TYP, "IN-10 R14: no typ");
    is_rc(check(OIDC_INTROSPECT_SIGNED, tap_str(INNER)), OIDC_JWS,
          "IN-9: JSON that says it is a JWT");
    is_rc(check(OIDC_INTROSPECT_SIGNED,
                encrypted("ECDH-ES", "A256GCM", "{}", TI)),
          OIDC_JWS, "R13: encrypted where it must be signed alone");

    expect.issuer.len = 0;
    is_rc(check(OIDC_INTROSPECT_SIGNED,
                sign(TI, "{\"iss\":\"\",\"aud\":\"client\","
                     "\"iat\":1800000000,"
                     "\"token_introspection\":{\"active\":true}}")),
          OIDC_CLAIM_ISS, "IN-11: an empty iss is nobody's");
    expect.issuer = tap_str("https://idp");

    expect.algs = OIDC_RS256;
    is_rc(check(OIDC_INTROSPECT_SIGNED, sign(TI, OUTER(INNER))),
          OIDC_JWS_ALG, "IN-12: another alg is configured");
    expect.algs = OIDC_ALG_DEFAULT;

    is_rc(check(OIDC_INTROSPECT_SIGNED,
                sign("{\"alg\":\"ES256\",\"kid\":\"z\","
                     "\"typ\":\"token-introspection+jwt\"}", OUTER(INNER))),
          OIDC_JWS_KID, "IN-12: a key that we do not know yet");
}


static void
test_encrypted(void)
{
    char        text[64];
    size_t      i;
    oidc_str_t  jws, copy;

    static const struct {
        const char  *value;
        oidc_rc_t    rc;
    } ctys[] = {
        { "\"jwt\"", OIDC_OK },
        { "\"application/JWT\"", OIDC_OK },
        { "\"JWE\"", OIDC_JWE_NESTED },
        { "\"JW\"", OIDC_JWE_NESTED },
        { "\"JWTs\"", OIDC_JWE_NESTED },
        { "\"application/jws\"", OIDC_JWE_NESTED },
        { "\"application/jwts\"", OIDC_JWE_NESTED },
        { "\"\"", OIDC_JWE_NESTED },
        { "[\"JWT\"]", OIDC_JWE_NESTED },
        { "null", OIDC_JWE_NESTED }
    };

    jws = sign(TI, OUTER(INNER));
    (void) oidc_str_dup(tap_pool(), &jws, &copy);

    expect.jwe = &jwe;

    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{}", (char *) copy.data)),
          OIDC_OK, "IN-13 R13: signed and encrypted");
    is_str(&access.client_id, "app", "IN-13: read");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{\"cty\":\"JWT\","
                          "\"iss\":\"https://idp\",\"aud\":\"client\","
                          "\"typ\":\"JWT\"}", (char *) copy.data)),
          OIDC_OK, "IN-14 R10: as oidc-provider does");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{\"iss\":\"https://idp2\"}",
                          (char *) copy.data)),
          OIDC_JWE_NESTED, "IN-14: another iss in the header");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{\"aud\":\"client2\"}",
                          (char *) copy.data)),
          OIDC_JWE_NESTED, "IN-14: another aud");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{\"sub\":\"u\"}",
                          (char *) copy.data)),
          OIDC_JWE_NESTED, "IN-14: a sub that is not inside");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{\"cty\":\"json\"}",
                          (char *) copy.data)),
          OIDC_JWE_NESTED, "IN-14: cty says it is no JWT");

    for (i = 0; i < sizeof(ctys) / sizeof(ctys[0]); i++) {
        snprintf(text, sizeof(text), "{\"cty\":%s}", ctys[i].value);
        ok(check(OIDC_INTROSPECT_ENCRYPTED,
                 encrypted("ECDH-ES", "A256GCM", text, (char *) copy.data))
           == ctys[i].rc, "IN-14: cty %s", ctys[i].value);
    }

    is_rc(check(OIDC_INTROSPECT_ENCRYPTED, copy), OIDC_JWE_PLAIN,
          "R13: no downgrade to signed");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED, tap_str(INNER)), OIDC_JWE,
          "IN-9 R13: nor to JSON");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{}", OUTER(INNER))),
          OIDC_JWS, "IN-13: plain JSON inside");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A128GCM", "{}", (char *) copy.data)),
          OIDC_JWE_ENC, "IN-13: another enc");
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES+A128KW", "A256GCM", "{}",
                          (char *) copy.data)),
          OIDC_JWE_ALG, "IN-13: another alg");

    jws = sign("{\"alg\":\"HS256\",\"typ\":\"token-introspection+jwt\"}",
               OUTER(INNER));
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{}", (char *) jws.data)),
          OIDC_JWS_ALG, "IN-12 IN-13: the signature inside counts");

    expect.jwe = NULL;
    is_rc(check(OIDC_INTROSPECT_ENCRYPTED,
                encrypted("ECDH-ES", "A256GCM", "{}", "x")),
          OIDC_JWE_KEY, "IN-13: without a policy nothing is opened");
}


static void
test_keycloak(void)
{
    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", JWT, AT(",\"scope\":\"s\""))),
          OIDC_OK, "R13: Keycloak's JSON with jwt");
    is_str(&access.client_id, "app", "R13: what is signed counts");
    is_str(&access.scope, "s", "R13: ... and not what stands beside it");

    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
                         AT(""))),
          OIDC_OK, "R13: typ JWT");
    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
                         AT(""))),
          OIDC_OK, "R13: typ at+jwt");

    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", JWT, AT(",\"typ\":\"ID\""))),
          OIDC_BEARER_TOKEN, "BE-9: an ID token, active for Keycloak");

    is_rc(check(OIDC_INTROSPECT_JWT, tap_str("{\"active\":false}")),
          OIDC_BEARER_INACTIVE, "R13: inactive without jwt");
    is_rc(check(OIDC_INTROSPECT_JWT, tap_str(INNER)), OIDC_INTROSPECTION,
          "R13: no downgrade to JSON");
    is_rc(check(OIDC_INTROSPECT_JWT,
                tap_str("{\"active\":true,\"jwt\":1}")),
          OIDC_INTROSPECTION, "R13: jwt is a number");
    is_rc(check(OIDC_INTROSPECT_JWT,
                tap_str("{\"active\":true,\"jwt\":\"a.b.c\"}")),
          OIDC_JWS, "R13: jwt is none");
    is_rc(check(OIDC_INTROSPECT_JWT, with_jwt("\"true\"", JWT, AT(""))),
          OIDC_INTROSPECTION, "R15: active is a string");
    is_rc(check(OIDC_INTROSPECT_JWT, with_jwt("true", JWT, "{\"exp\":1}")),
          OIDC_CLAIM_ISS, "R15: the JWT without iss");
    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", JWT, "{\"iss\":\"https://idp2\"}")),
          OIDC_CLAIM_ISS, "R15: of another issuer");
    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", JWT, "{\"iss\":\"https://idp\","
                         "\"exp\":1799999970}")),
          OIDC_BEARER_EXPIRED, "R15: expired");
    is_rc(check(OIDC_INTROSPECT_JWT,
                with_jwt("true", "{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}",
                         AT(""))),
          OIDC_JWS_TYP, "R13: another kind of token");
}


static void
test_transport(void)
{
    size_t      i;
    oidc_str_t  type, body;

    static const int  statuses[] = {
        0, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503
    };

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        type = tap_str("application/json");
        body = tap_str("{\"active\":true}");
        is_rc(oidc_introspect_check(tap_pool(), OIDC_INTROSPECT_JSON,
                                    statuses[i], &type, &body, &expect,
                                    &access),
              OIDC_FETCH_STATUS, "IN-7 R19: not 200");
    }

    body = sign(TI, OUTER(INNER));

    is_rc(check_type(OIDC_INTROSPECT_SIGNED,
                     "Application/Token-Introspection+JWT; charset=utf-8",
                     body),
          OIDC_OK, "IN-8 R13: any case, parameters");

    body = sign(TI, OUTER(INNER));
    is_rc(check_type(OIDC_INTROSPECT_SIGNED, "application/jwt", body),
          OIDC_CONTENT_TYPE, "IN-8: another JWT");
    is_rc(check_type(OIDC_INTROSPECT_SIGNED, "application/json",
                     tap_str(INNER)),
          OIDC_CONTENT_TYPE, "IN-9 R13: JSON where a JWT must be");
    is_rc(check_type(OIDC_INTROSPECT_ENCRYPTED, "application/json",
                     tap_str(INNER)),
          OIDC_CONTENT_TYPE, "IN-9 R13: ... encrypted");
    is_rc(check_type(OIDC_INTROSPECT_JSON,
                     "application/token-introspection+jwt", tap_str(INNER)),
          OIDC_CONTENT_TYPE, "R13: a JWT where JSON must be");
    is_rc(check_type(OIDC_INTROSPECT_JSON, "", tap_str(INNER)),
          OIDC_CONTENT_TYPE, "R13: no type at all");
}


static void
test_memory(void)
{
    int          i;
    oidc_rc_t    rc;
    oidc_str_t   body, type;

    type = tap_str("application/json");
    body = tap_str("{\"active\":true,\"scope\":[\"a\",\"b\"],"
                   "\"client_id\":\"c\",\"cnf\":{\"jkt\":\"j\","
                   "\"x5t#S256\":\"x\"}}");

    for (i = 0; i < 30; i++) {
        tap.fail_after = i;
        rc = oidc_introspect_check(tap_pool(), OIDC_INTROSPECT_JSON, 200,
                                   &type, &body, &expect, &access);

        if (rc != OIDC_NOMEM) {
            break;
        }
    }

    tap.fail_after = -1;

    ok(i == 4 && rc == OIDC_OK, "B14: memory fails at each of %d places", i);
    is_str(&access.scope, "a b", "R16: a scope in an array");
    is_str(&access.jkt, "j", "IN-19: jkt");
    is_str(&access.x5t, "x", "IN-19: x5t#S256");
    json_decref(access.claims);
}


static oidc_rc_t
check(oidc_introspect_e mode, oidc_str_t body)
{
    return check_type(mode, mode == OIDC_INTROSPECT_JWT
                            ? "application/json"
                            : oidc_introspect_accept(mode), body);
}


static oidc_rc_t
check_type(oidc_introspect_e mode, const char *type, oidc_str_t body)
{
    oidc_rc_t   rc;
    oidc_str_t  t;

    t = tap_str(type);

    rc = oidc_introspect_check(tap_pool(), mode, 200, &t, &body, &expect,
                               &access);

    if (rc == OIDC_OK) {
        json_decref(access.claims);

    } else if (access.claims != NULL) {
        fail("IN-16: claims of a refused answer");
    }

    if (ERR_peek_error() != 0) {
        fail("P19 OpenSSL's error queue is empty");
        ERR_clear_error();
    }

    return rc;
}


static oidc_str_t
encrypted(const char *alg, const char *enc, const char *more,
    const char *plain)
{
    make_t      m;
    oidc_str_t  part[PARTS];

    memset(&m, 0, sizeof(m));
    m.alg = alg;
    m.enc = enc;
    m.more = more;
    m.plain = plain;
    m.to = to;

    return make(&m, part);
}


static oidc_str_t
with_jwt(const char *active, const char *header, const char *payload)
{
    oidc_buf_t  b;
    oidc_str_t  jwt, out;

    jwt = sign(header, payload);

    oidc_buf_init(&b, tap_pool(), 0);
    oidc_buf_cstr(&b, "{\"active\":");
    oidc_buf_cstr(&b, active);
    oidc_buf_cstr(&b, ",\"client_id\":\"evil\",\"scope\":\"root\",\"jwt\":\"");
    oidc_buf_str(&b, &jwt);
    oidc_buf_cstr(&b, "\"}");
    (void) oidc_buf_done(&b, &out);

    return out;
}
