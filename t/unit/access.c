
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JWT access tokens, each check bent, and the rules that say what a token is
 * good for here.
 */


#include "tap.h"

#include "encrypt.h"
#include "sign.h"

#include "oidc_access.h"


#define AT_TYP    "{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"at+jwt\"}"
#define KC        "{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"JWT\"}"
#define BASE      "\"iss\":\"https://idp\",\"aud\":[\"x\",\"api\"],"          \
                  "\"exp\":1800000100"
#define FULL      BASE ",\"sub\":\"u\",\"client_id\":\"app\",\"jti\":\"j\"," \
                  "\"iat\":1800000000"


typedef struct {
    const char  *name;
    const char  *header;
    const char  *payload;
    int          strict;
    oidc_rc_t    why;
} token_t;


static void test_jwt(void);
static void test_nested(void);
static void test_audience(void);
static void test_scope(void);
static void test_caller(void);
static void test_binding(void);

static oidc_rc_t check(oidc_str_t token, int strict);
static oidc_rc_t rule(const char *claims, const char *kind, const char *arg,
    int all);


static oidc_expect_t   expect;
static oidc_rc_t       why;
static oidc_str_t      caller;


static const token_t  tokens[] = {
    { "BE-7 R23: RFC 9068", AT_TYP, "{" FULL "}", 1, OIDC_OK },
    { "BE-7: application/at+jwt", "{\"alg\":\"ES256\",\"typ\":"
      "\"application/AT+JWT\"}", "{" FULL "}", 1, OIDC_OK },
    { "BE-7 R23: typ JWT", KC, "{" FULL "}", 1, OIDC_JWS_TYP },
    { "BE-7: no typ", JWT, "{" FULL "}", 1, OIDC_JWS_TYP },
    { "BE-7: another typ", "{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}",
      "{" FULL "}", 1, OIDC_JWS_TYP },
    { "BE-7: none", "{\"alg\":\"none\",\"typ\":\"at+jwt\"}", "{" FULL "}", 1,
      OIDC_JWS_ALG },
    { "BE-7: a secret", "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
      "{" FULL "}", 1, OIDC_JWS_ALG },
    { "BE-5: a key that nobody knows", "{\"alg\":\"ES256\",\"kid\":\"z\","
      "\"typ\":\"at+jwt\"}", "{" FULL "}", 1, OIDC_JWS_KID },
    { "BE-7: no sub", AT_TYP, "{" BASE ",\"client_id\":\"app\",\"jti\":\"j\","
      "\"iat\":1800000000}", 1, OIDC_CLAIM_SUB },
    { "BE-7: no client_id", AT_TYP, "{" BASE ",\"sub\":\"u\",\"jti\":\"j\","
      "\"iat\":1800000000}", 1, OIDC_CLAIM_TYPE },
    { "BE-7: an empty jti", AT_TYP, "{" BASE ",\"sub\":\"u\",\"jti\":\"\","
      "\"client_id\":\"app\",\"iat\":1800000000}", 1, OIDC_CLAIM_TYPE },
    { "BE-7: no iat", AT_TYP, "{" BASE ",\"sub\":\"u\",\"jti\":\"j\","
      "\"client_id\":\"app\"}", 1, OIDC_CLAIM_IAT },

    { "BE-8 R23: Keycloak's", KC, "{" BASE ",\"typ\":\"Bearer\"}", 0,
      OIDC_OK },
    { "BE-8: Keycloak's with DPoP", KC, "{" BASE ",\"typ\":\"DPoP\"}", 0,
      OIDC_OK },
    { "BE-9 R23: Keycloak's ID token", KC, "{" BASE ",\"typ\":\"ID\","
      "\"scope\":\"openid\"}", 0, OIDC_JWS_TYP },
    { "BE-9: its refresh token", KC, "{" BASE ",\"typ\":\"Refresh\","
      "\"scope\":\"openid\"}", 0, OIDC_JWS_TYP },
    { "BE-9: typ is a number", KC, "{" BASE ",\"typ\":1}", 0, OIDC_JWS_TYP },
    { "BE-8: it has a scope", KC, "{" BASE ",\"scope\":\"a\"}", 0, OIDC_OK },
    { "BE-8: RFC 9068 passes too", AT_TYP, "{" BASE "}", 0, OIDC_OK },
    { "BE-9: nothing says that it is one", KC, "{" BASE ",\"azp\":\"api\"}",
      0, OIDC_JWS_TYP },
    { "BE-9: token_use id", KC, "{" BASE ",\"token_use\":\"id\","
      "\"scope\":\"a\"}", 0, OIDC_JWS_TYP },
    { "BE-8: token_use access", KC, "{" BASE ",\"token_use\":\"access\"}", 0,
      OIDC_OK },
    { "BE-9 R23: nonce", KC, "{" BASE ",\"scope\":\"a\",\"nonce\":\"n\"}", 0,
      OIDC_JWS_TYP },
    { "BE-9: at_hash", AT_TYP, "{" FULL ",\"at_hash\":\"n\"}", 1,
      OIDC_JWS_TYP },
    { "BE-9: c_hash", KC, "{" FULL ",\"c_hash\":\"n\"}", 0, OIDC_JWS_TYP },
    { "BE-9: events", KC, "{" FULL ",\"events\":{}}", 0, OIDC_JWS_TYP },

    { "BE-7: typ application/jwt", "{\"alg\":\"ES256\",\"typ\":"
      "\"application/jwt\"}", "{" FULL "}", 1, OIDC_JWS_TYP },
    { "BE-8: Keycloak's as RFC 9068 says it", KC, "{" BASE ","
      "\"typ\":\"at+jwt\"}", 0, OIDC_OK },
    { "BE-9: a claim typ that begins like one", KC, "{" BASE ","
      "\"typ\":\"Bear\"}", 0, OIDC_JWS_TYP },
    { "BE-9: one as long", KC, "{" BASE ",\"typ\":\"Logout\"}", 0,
      OIDC_JWS_TYP },
    { "BE-8: it has a scp", KC, "{" BASE ",\"scp\":[\"a\"]}", 0, OIDC_OK },
    { "BE-8: it has a client_id", KC, "{" BASE ",\"client_id\":\"a\"}", 0,
      OIDC_OK },
    { "BE-9: s_hash", KC, "{" FULL ",\"s_hash\":\"n\"}", 0, OIDC_JWS_TYP },

    { "BE-7: no iss", AT_TYP, "{\"aud\":\"api\",\"exp\":1800000100}", 0,
      OIDC_CLAIM_ISS },
    { "BE-5 BE-7: another iss", AT_TYP, "{\"iss\":\"https://idp/\","
      "\"aud\":\"api\",\"exp\":1800000100}", 0, OIDC_CLAIM_ISS },
    { "BE-8 R23: no aud", AT_TYP, "{\"iss\":\"https://idp\","
      "\"client_id\":\"api\",\"exp\":1800000100}", 0, OIDC_CLAIM_AUD },
    { "BE-5 R23: another aud", AT_TYP, "{\"iss\":\"https://idp\","
      "\"aud\":\"apis\",\"exp\":1800000100}", 0, OIDC_CLAIM_AUD },
    { "R23: the second of ours", AT_TYP, "{\"iss\":\"https://idp\","
      "\"aud\":\"api2\",\"exp\":1800000100}", 0, OIDC_OK },
    { "BE-9 R23: no exp", AT_TYP, "{\"iss\":\"https://idp\","
      "\"aud\":\"api\"}", 0, OIDC_CLAIM_EXP },
    { "BE-9: exp is text", AT_TYP, "{\"iss\":\"https://idp\","
      "\"aud\":\"api\",\"exp\":\"1800000100\"}", 0, OIDC_CLAIM_EXP },
    { "BE-5: exp past", AT_TYP, "{\"iss\":\"https://idp\",\"aud\":\"api\","
      "\"exp\":1799999970}", 0, OIDC_CLAIM_EXP },
    { "BE-5: exp within the leeway", AT_TYP, "{\"iss\":\"https://idp\","
      "\"aud\":\"api\",\"exp\":1799999971}", 0, OIDC_OK },
    { "BE-5: nbf ahead", AT_TYP, "{" BASE ",\"nbf\":1800000031}", 0,
      OIDC_CLAIM_NBF },
    { "BE-5: nbf within the leeway", AT_TYP, "{" BASE ",\"nbf\":1800000030}",
      0, OIDC_OK },
    { "BE-5: nbf is text", AT_TYP, "{" BASE ",\"nbf\":\"1\"}", 0,
      OIDC_CLAIM_NBF },
    { "BE-5: iat within the leeway", AT_TYP, "{" BASE ","
      "\"iat\":1800000030}", 0, OIDC_OK },
    { "BE-5: iat is text", AT_TYP, "{" BASE ",\"iat\":\"1\"}", 0,
      OIDC_CLAIM_IAT },
    { "BE-7: a scope that is a number", AT_TYP, "{" BASE ","
      "\"scope\":[\"a\",1]}", 0, OIDC_CLAIM_TYPE },
    { "BE-5: iat ahead", AT_TYP, "{" BASE ",\"iat\":1800000031}", 0,
      OIDC_CLAIM_IAT },
    { "BE-7: scope is a number", AT_TYP, "{" BASE ",\"scope\":1}", 0,
      OIDC_CLAIM_TYPE },
    { "BE-11: cnf is a string", AT_TYP, "{" BASE ",\"cnf\":\"x\"}", 0,
      OIDC_CLAIM_TYPE },
    { NULL, NULL, NULL, 0, OIDC_OK }
};


int
main(void)
{
    sign_setup(&expect);

    test_jwt();
    test_nested();
    test_audience();
    test_scope();
    test_caller();
    test_binding();

    sign_done();

    return done_testing();
}


static void
test_jwt(void)
{
    oidc_rc_t       rc;
    oidc_str_t      token;
    const token_t  *t;

    for (t = tokens; t->name != NULL; t++) {
        rc = check(sign(t->header, t->payload), t->strict);

        ok(rc == (t->why == OIDC_OK ? OIDC_OK : OIDC_BEARER_TOKEN),
           "%s: 401 or nothing", t->name);
        is_rc(why, t->why, t->name);
    }

    token = sign(AT_TYP, "{" FULL "}");
    token.data[token.len - 10] = token.data[token.len - 10] == 'A' ? 'B' : 'A';
    is_rc(check(token, 1), OIDC_BEARER_TOKEN, "BE-5 V06: bent");
    is_rc(why, OIDC_JWS_SIGNATURE, "BE-5 V06: by its signature");

    is_rc(check(sign("{\"alg\":\"ES256\",\"kid\":\"e\","
                     "\"typ\":\"token-introspection+jwt\"}", "{" FULL "}"),
                0),
          OIDC_BEARER_TOKEN, "IN-15: an introspection answer is none");

    expect.issuer.len = 0;
    is_rc(check(sign(AT_TYP, "{\"iss\":\"\",\"aud\":\"api\","
                     "\"exp\":1800000100}"), 0),
          OIDC_BEARER_TOKEN, "BE-7: an empty iss");
    is_rc(why, OIDC_CLAIM_ISS, "BE-7: ... is nobody's");
    expect.issuer = tap_str("https://idp");

    token = sign(AT_TYP, "{" FULL "}");
    tap.fail_after = 0;
    is_rc(check(token, 1), OIDC_NOMEM, "R19: no memory is not its fault");
    tap.fail_after = -1;

    expect.jwks = NULL;
    is_rc(check(sign(AT_TYP, "{" FULL "}"), 1), OIDC_NOT_READY,
          "R19: without keys it is not the token's fault");
    expect.jwks = sign_jwks;
}


static void
test_nested(void)
{
    make_t              m;
    EVP_PKEY           *to;
    oidc_key_t          own;
    oidc_str_t          jws, part[PARTS];
    oidc_jwe_policy_t   jwe;

    to = jose_new_key("X25519");

    memset(&own, 0, sizeof(own));
    own.pkey = to;
    own.kty = OIDC_KTY_OKP;
    own.crv = OIDC_CRV_X25519;

    memset(&jwe, 0, sizeof(jwe));
    jwe.algs = OIDC_ECDH_ES_A256KW;
    jwe.encs = OIDC_A256GCM;
    jwe.keys = &own;
    jwe.n = 1;

    jws = sign(AT_TYP, "{" FULL "}");

    memset(&m, 0, sizeof(m));
    m.alg = "ECDH-ES+A256KW";
    m.enc = "A256GCM";
    m.plain = (char *) jws.data;
    m.to = to;

    is_rc(check(make(&m, part), 1), OIDC_BEARER_TOKEN,
          "R23: encrypted where nothing is configured");
    is_rc(why, OIDC_JWS, "R23: ... which is no JWS");

    expect.jwe = &jwe;
    jws = sign(AT_TYP, "{" FULL "}");
    m.plain = (char *) jws.data;
    is_rc(check(make(&m, part), 1), OIDC_OK, "R23: a nested token");
    is_rc(check(sign(AT_TYP, "{" FULL "}"), 1), OIDC_BEARER_TOKEN,
          "R23: plain where it must be encrypted");
    is_rc(why, OIDC_JWE_PLAIN, "R23: ... is no less");
    expect.jwe = NULL;

    EVP_PKEY_free(to);
}


static void
test_audience(void)
{
    is_rc(rule("{\"aud\":\"api\"}", "audience", "api", 0), OIDC_OK,
          "IN-5: aud");
    is_rc(rule("{\"aud\":[\"x\",\"api\"]}", "audience", "api", 0), OIDC_OK,
          "IN-5: one of several");
    is_rc(rule("{\"aud\":[\"x\",\"apis\"]}", "audience", "api", 0),
          OIDC_BEARER_AUDIENCE, "IN-5: none of several");
    is_rc(rule("{\"aud\":[]}", "audience", "api", 0), OIDC_BEARER_AUDIENCE,
          "IN-5: an empty list");
    is_rc(rule("{\"aud\":7}", "audience", "api", 0), OIDC_BEARER_AUDIENCE,
          "IN-5: a number");
    is_rc(rule("{\"client_id\":\"api\"}", "audience", "api", 0), OIDC_OK,
          "IN-5: client_id where there is no aud");
    is_rc(rule("{\"aud\":\"x\",\"client_id\":\"api\"}", "audience", "api", 0),
          OIDC_BEARER_AUDIENCE, "IN-5: ... and not where there is");
    is_rc(rule("{}", "audience", "api", 0), OIDC_BEARER_AUDIENCE,
          "IN-5: neither");
    is_rc(rule("{}", "audience", "", 0), OIDC_BEARER_AUDIENCE,
          "IN-5: neither is an empty name");
    is_rc(rule("{\"client_id\":\"x\"}", "audience", "api", 0),
          OIDC_BEARER_AUDIENCE, "IN-5: another client_id");
    is_rc(rule("{\"client_id\":\"api\",\"azp\":\"x\"}", "audience", "api",
               0),
          OIDC_OK, "R17: client_id goes before azp");
    is_rc(rule("{\"azp\":\"api\"}", "audience", "api", 0), OIDC_OK,
          "R17: azp where there is none");
    is_rc(rule("{\"aud\":\"api\"}", "audience", NULL, 0), OIDC_BEARER_AUDIENCE,
          "IN-5: nobody is admitted");
    is_rc(rule("{\"aud\":\"\"}", "audience", "", 0), OIDC_BEARER_AUDIENCE,
          "IN-5: an empty name is none");
}


static void
test_scope(void)
{
    is_rc(rule("{\"scope\":\"a b c\"}", "scope", "a c", 1), OIDC_OK,
          "R16: all of them");
    is_rc(rule("{\"scope\":\"a b c\"}", "scope", "a d", 1), OIDC_BEARER_SCOPE,
          "R16: not all");
    is_rc(rule("{\"scope\":\"a b c\"}", "scope", "d c", 0), OIDC_OK,
          "R16: any of them");
    is_rc(rule("{\"scope\":\"a b c\"}", "scope", "d e", 0), OIDC_BEARER_SCOPE,
          "R16: not any");
    is_rc(rule("{\"scope\":\"abc\"}", "scope", "ab", 0), OIDC_BEARER_SCOPE,
          "R16: the whole word");
    is_rc(rule("{}", "scope", "a", 0), OIDC_BEARER_SCOPE, "R16: none given");
    is_rc(rule("{}", "scope", "a", 1), OIDC_BEARER_SCOPE,
          "R16: none given, all asked");
    is_rc(rule("{}", "scope", "", 0), OIDC_OK, "R16: none asked");
    is_rc(rule("{}", "scope", " ", 1), OIDC_OK, "R16: a blank is none");
    is_rc(rule("{\"scope\":[\"a\",\"b\"]}", "scope", "b", 1), OIDC_OK,
          "R16: an array");
    is_rc(rule("{\"scp\":\"a b\"}", "scope", "b", 1), OIDC_OK, "R16: scp");
    is_rc(rule("{\"scope\":\"a\",\"scp\":\"b\"}", "scope", "b", 1),
          OIDC_BEARER_SCOPE, "R16: scope goes before scp");
}


static void
test_caller(void)
{
    is_rc(rule("{\"client_id\":\"app\"}", "client_id", NULL, 0), OIDC_OK,
          "R17: a caller");
    is_str(&caller, "app", "R17: is told");
    is_rc(rule("{\"client_id\":\"app\"}", "client_id", "app", 0), OIDC_OK,
          "R17: on the list");
    is_rc(rule("{\"client_id\":\"app\"}", "client_id", "apps", 0),
          OIDC_BEARER_CALLER, "R17: not on the list");
    is_rc(rule("{\"client_id\":\"\"}", "client_id", NULL, 0),
          OIDC_BEARER_CALLER, "R17: empty");
    is_rc(rule("{\"sub\":\"x\"}", "client_id", NULL, 0), OIDC_BEARER_CALLER,
          "R17: missing");
    is_rc(rule("{\"who\":7}", "who", NULL, 0), OIDC_BEARER_CALLER,
          "R17: a number");
    is_rc(rule("{\"aud\":[\"app\"]}", "aud", "app", 0), OIDC_OK,
          "R17: a list of one");
    is_rc(rule("{\"aud\":[\"app\",\"b\"]}", "aud", NULL, 0),
          OIDC_BEARER_CALLER, "R17: of two, which?");
}


static void
test_binding(void)
{
    u_char      out[43];
    oidc_str_t  der;

    is_rc(rule("{}", "cnf", " ", 0), OIDC_OK, "IN-19: not bound");
    is_rc(rule("{}", "cnf", " X", 0), OIDC_OK,
          "IN-19: not bound, by whatever certificate");
    is_rc(rule("{}", "cnf", "J ", 0), OIDC_BEARER_BINDING,
          "BE-13: a proof for a token that is not bound");
    is_rc(rule("{\"cnf\":{}}", "cnf", "J X", 0), OIDC_BEARER_BINDING,
          "IN-19: bound to nothing we know");
    is_rc(rule("{\"cnf\":{\"kid\":\"a\"}}", "cnf", " ", 0),
          OIDC_BEARER_BINDING, "IN-19: ... to a kid");
    is_rc(rule("{\"cnf\":{\"jkt\":\"J\"}}", "cnf", "J ", 0), OIDC_OK,
          "BE-13: proven");
    is_rc(rule("{\"cnf\":{\"jkt\":\"J\"}}", "cnf", " X", 0),
          OIDC_BEARER_BINDING, "BE-11: sent as Bearer");
    is_rc(rule("{\"cnf\":{\"jkt\":\"J\"}}", "cnf", "K ", 0),
          OIDC_BEARER_BINDING, "BE-13: with another key");
    is_rc(rule("{\"cnf\":{\"x5t#S256\":\"X\"}}", "cnf", " X", 0), OIDC_OK,
          "BE-12: the certificate");
    is_rc(rule("{\"cnf\":{\"x5t#S256\":\"X\"}}", "cnf", " Y", 0),
          OIDC_BEARER_BINDING, "BE-12: another");
    is_rc(rule("{\"cnf\":{\"x5t#S256\":\"X\"}}", "cnf", " ", 0),
          OIDC_BEARER_BINDING, "BE-12: none");
    is_rc(rule("{\"cnf\":{\"x5t#S256\":\"X\"}}", "cnf", "J X", 0),
          OIDC_BEARER_BINDING, "BE-12: a proof that nobody asked for");
    is_rc(rule("{\"cnf\":{\"jkt\":\"J\",\"x5t#S256\":\"X\"}}", "cnf", "J X",
               0),
          OIDC_OK, "BE-12: both");
    is_rc(rule("{\"cnf\":{\"jkt\":\"J\",\"x5t#S256\":\"X\"}}", "cnf", "J ",
               0),
          OIDC_BEARER_BINDING, "BE-12: one of both");

    der = tap_str("abc");
    is_rc(oidc_cert_thumbprint(&der, out), OIDC_OK, "BE-12: a thumbprint");
    is_mem(out, 43, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", 43,
           "BE-12: is SHA-256 in base64url");
}


static oidc_rc_t
check(oidc_str_t token, int strict)
{
    oidc_rc_t      rc;
    oidc_str_t     audience[2];
    oidc_access_t  access;

    audience[0] = tap_str("api");
    audience[1] = tap_str("api2");

    rc = oidc_access_jwt_check(tap_pool(), &token, &expect, audience, 2,
                               strict, &access, &why);

    if (rc == OIDC_OK) {
        json_decref(access.claims);

    } else if (access.claims != NULL) {
        fail("R23: claims of a refused token");
    }

    return rc;
}


/* "audience", "scope", "cnf" ("jkt x5t"), or a caller claim by its name */

static oidc_rc_t
rule(const char *claims, const char *kind, const char *arg, int all)
{
    json_t         *object;
    oidc_rc_t       rc;
    oidc_str_t      list, x5t;
    oidc_access_t   access;

    static char  text[32];

    object = json_loads(claims, 0, NULL);

    if (oidc_access_read(tap_pool(), object, &access) != OIDC_OK) {
        json_decref(object);
        return OIDC_CLAIM_TYPE;
    }

    list = tap_str(arg != NULL ? arg : "");

    if (strcmp(kind, "audience") == 0) {
        rc = oidc_access_audience(&access, &list, arg != NULL);

    } else if (strcmp(kind, "scope") == 0) {
        rc = oidc_access_scope(&access, &list, all);

    } else if (strcmp(kind, "cnf") == 0) {
        x5t = tap_str(strchr(arg, ' ') + 1);
        list.len = strchr(arg, ' ') - arg;
        rc = oidc_access_binding(&access, &list, &x5t);

    } else {
        rc = oidc_access_caller(&access, kind, &list, arg != NULL, &caller);
        snprintf(text, sizeof(text), "%.*s", (int) caller.len, caller.data);
        caller = tap_str(text);
    }

    json_decref(access.claims);
    json_decref(object);

    return rc;
}
