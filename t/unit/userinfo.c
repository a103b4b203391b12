
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* Verdicts on userinfo answers, plain and signed. */


#include "tap.h"

#include "encrypt.h"
#include "sign.h"


static void test_userinfo(void);
static void test_userinfo_jwt(void);
static void test_encrypted(void);

static oidc_str_t encrypted(EVP_PKEY *to, oidc_str_t plain);


static oidc_expect_t   expect;
static json_t         *claims;


int
main(void)
{
    sign_setup(&expect);

    test_userinfo();
    test_userinfo_jwt();
    test_encrypted();

    sign_done();

    return done_testing();
}


static oidc_rc_t
userinfo(const char *type, oidc_str_t body, const char *sub)
{
    oidc_rc_t   rc;
    oidc_str_t  t, s;

    t = tap_str(type);
    s = tap_str(sub);

    claims = NULL;
    rc = oidc_userinfo_check(tap_pool(), &t, &body, &expect,
                             OIDC_ALG_DEFAULT, &s, &claims);

    if (rc == OIDC_OK) {
        json_decref(claims);

    } else if (claims != NULL) {
        fail("V13: claims of a refused answer");
    }

    tap_pool_reset();

    return rc;
}


static void
test_userinfo(void)
{
    oidc_str_t  s;

    static const char  json[] = "application/json";

    expect.algs = 0;

    s = tap_str("{\"sub\":\"u1\",\"iss\":1,\"aud\":\"x\",\"exp\":0}");
    is_rc(userinfo(json, s, "u1"), OIDC_OK,
          "V13 V14: JSON speaks for nobody else");
    is_rc(userinfo("Application/JSON; charset=utf-8", s, "u1"), OIDC_OK,
          "UI-3: any case, parameters");
    is_rc(userinfo("text/html", s, "u1"), OIDC_CONTENT_TYPE, "UI-3: HTML");
    is_rc(userinfo("", s, "u1"), OIDC_CONTENT_TYPE, "UI-3: no type");
    is_rc(userinfo("application/jsonx", s, "u1"), OIDC_CONTENT_TYPE,
          "UI-3: another type");
    is_rc(userinfo("application/jwt", s, "u1"), OIDC_JWS,
          "UI-3: JSON that says it is a JWT");
    is_rc(userinfo(json, s, "u2"), OIDC_CLAIM_SUB, "V13 UI-1: another sub");
    is_rc(userinfo(json, s, "u"), OIDC_CLAIM_SUB, "V13 UI-1: a shorter sub");

    expect.algs = OIDC_ES256;
    is_rc(userinfo(json, s, "u1"), OIDC_CONTENT_TYPE,
          "UI-5: no downgrade to plain JSON");
    expect.algs = 0;

    is_rc(userinfo(json, tap_str("{}"), "u1"), OIDC_CLAIM_SUB,
          "V13: no sub");
    is_rc(userinfo(json, tap_str("{\"sub\":1}"), "u1"), OIDC_CLAIM_SUB,
          "V13: a number");
    is_rc(userinfo(json, tap_str("{\"sub\":\"\"}"), ""), OIDC_CLAIM_SUB,
          "V13: empty");
    is_rc(userinfo(json, tap_str("[{\"sub\":\"u1\"}]"), "u1"), OIDC_JSON,
          "V14: an array");
    is_rc(userinfo(json, tap_str("{\"sub\":\"u1\",\"sub\":\"u1\"}"), "u1"),
          OIDC_JSON, "V16: a member twice");
}


static oidc_rc_t
userinfo_jwt(const char *header, const char *text, const char *sub)
{
    return userinfo("application/jwt", sign(header, text), sub);
}


static void
test_userinfo_jwt(void)
{
    expect.algs = 0;

    is_rc(userinfo_jwt(JWT, "{\"sub\":\"u1\"}", "u1"), OIDC_OK,
          "V14: signed, neither iss nor aud nor exp");
    is_rc(userinfo_jwt(JWT, "{\"sub\":\"u2\"}", "u1"), OIDC_CLAIM_SUB,
          "V13 UI-1: another sub");
    is_rc(userinfo_jwt(JWT, "{\"iss\":\"https://idp\",\"aud\":[\"client\"],"
                       "\"sub\":\"u1\"}", "u1"),
          OIDC_OK, "V14 UI-4: from him and for us");
    is_rc(userinfo_jwt(JWT, "{\"azp\":\"x\",\"iat\":\"x\",\"nonce\":1,"
                       "\"at_hash\":1,\"sid\":1,\"auth_time\":\"x\","
                       "\"sub\":\"u1\"}", "u1"),
          OIDC_OK, "UI-4: what it says of a login is not looked at");
    is_rc(userinfo_jwt(JWT, "{\"iss\":\"https://idp2\",\"sub\":\"u1\"}",
                       "u1"),
          OIDC_CLAIM_ISS, "V14 UI-4: from another");
    is_rc(userinfo_jwt(JWT, "{\"iss\":null,\"sub\":\"u1\"}", "u1"),
          OIDC_CLAIM_ISS, "V14 UI-4: from nobody");
    is_rc(userinfo_jwt(JWT, "{\"aud\":\"other\",\"sub\":\"u1\"}", "u1"),
          OIDC_CLAIM_AUD, "V14 UI-4: for another");
    is_rc(userinfo_jwt(JWT, "{\"exp\":1799999970,\"sub\":\"u1\"}", "u1"),
          OIDC_CLAIM_EXP, "UI-4: a past exp");
    is_rc(userinfo_jwt(JWT, "{\"nbf\":1800000031,\"sub\":\"u1\"}", "u1"),
          OIDC_CLAIM_NBF, "UI-4: not yet");
    is_rc(userinfo_jwt(JWT, "{\"events\":{},\"sub\":\"u1\"}", "u1"),
          OIDC_CLAIM_EVENTS, "ID-14: a logout token is no userinfo");
    is_rc(userinfo_jwt("{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}",
                       "{\"sub\":\"u1\"}", "u1"),
          OIDC_JWS_TYP, "ID-14: nor by its typ");
    is_rc(userinfo_jwt(JWT, "[]", "u1"), OIDC_JSON, "V14: an array");
    is_rc(userinfo_jwt("{\"alg\":\"HS256\"}", "{\"sub\":\"u1\"}", "u1"),
          OIDC_JWS_ALG, "V06: HS256 where it is not configured");

    expect.algs = OIDC_RS256;
    is_rc(userinfo_jwt("{\"alg\":\"RS256\"}", "{\"sub\":\"u1\"}", "u1"),
          OIDC_OK, "UI-4: as configured");
    is_rc(userinfo_jwt(JWT, "{\"sub\":\"u1\"}", "u1"), OIDC_JWS_ALG,
          "UI-4 V14: the configured alg only");

    expect.algs = OIDC_HS256;
    is_rc(userinfo_jwt("{\"alg\":\"HS256\"}", "{\"sub\":\"u1\"}", "u1"),
          OIDC_OK, "UI-4: HS256 as configured");
}


/* the same policy for what a login gets: nested or nothing, V17 */

static void
test_encrypted(void)
{
    EVP_PKEY           *to;
    oidc_key_t          own;
    oidc_str_t          jws, token;
    oidc_jwe_policy_t   jwe;

    static const char  id[] = "{\"iss\":\"https://idp\",\"aud\":\"client\","
        "\"sub\":\"u1\",\"exp\":1800000100,\"iat\":1800000000,"
        "\"nonce\":\"NONCE\"}";

    to = jose_new_key("RSA");

    memset(&own, 0, sizeof(own));
    own.pkey = to;
    own.kty = OIDC_KTY_RSA;

    memset(&jwe, 0, sizeof(jwe));
    jwe.algs = OIDC_RSA_OAEP;
    jwe.encs = OIDC_A256GCM;
    jwe.keys = &own;
    jwe.n = 1;

    expect.algs = OIDC_ALG_DEFAULT;
    claims = NULL;

    token = encrypted(to, sign(JWT, id));
    is_rc(oidc_id_token_check(tap_pool(), &token, &expect, &claims), OIDC_JWS,
          "V17 ID-18: encrypted where nothing is configured");

    expect.jwe = &jwe;

    is_rc(oidc_id_token_check(tap_pool(), &token, &expect, &claims), OIDC_OK,
          "V17 ID-18: encrypted as configured");
    ok(claims != NULL, "V17: its claims");
    json_decref(claims);
    claims = NULL;

    jws = sign(JWT, id);
    is_rc(oidc_id_token_check(tap_pool(), &jws, &expect, &claims),
          OIDC_JWE_PLAIN, "V17 ID-18: plain where it must be encrypted");

    token = encrypted(to, sign(JWT, "{\"iss\":\"https://idp2\"}"));
    is_rc(oidc_id_token_check(tap_pool(), &token, &expect, &claims),
          OIDC_CLAIM_ISS, "V17: the claims inside count");

    jws = sign(JWT, id);
    jws.data[jws.len - 10] = jws.data[jws.len - 10] == 'A' ? 'B' : 'A';
    token = encrypted(to, jws);
    is_rc(oidc_id_token_check(tap_pool(), &token, &expect, &claims),
          OIDC_JWS_SIGNATURE, "V17: so does the signature");

    token = encrypted(to, tap_str(id));
    is_rc(oidc_id_token_check(tap_pool(), &token, &expect, &claims), OIDC_JWS,
          "V17: without one there is nothing");
    ok(claims == NULL, "V17: no claims of a refused token");

    expect.algs = 0;

    is_rc(userinfo("application/jwt",
                   encrypted(to, sign(JWT, "{\"sub\":\"u1\"}")), "u1"),
          OIDC_OK, "V17 UI-6: userinfo");
    is_rc(userinfo("application/json", tap_str("{\"sub\":\"u1\"}"), "u1"),
          OIDC_CONTENT_TYPE, "UI-6: no downgrade to JSON");
    is_rc(userinfo_jwt(JWT, "{\"sub\":\"u1\"}", "u1"), OIDC_JWE_PLAIN,
          "UI-6: nor to a signature alone");
    is_rc(userinfo("application/jwt", encrypted(to,
                   tap_str("{\"sub\":\"u1\"}")), "u1"),
          OIDC_JWS, "UI-6: nor to encryption alone");

    expect.jwe = NULL;
    EVP_PKEY_free(to);
}


static oidc_str_t
encrypted(EVP_PKEY *to, oidc_str_t plain)
{
    make_t      m;
    oidc_str_t  part[PARTS];

    memset(&m, 0, sizeof(m));
    m.alg = "RSA-OAEP";
    m.enc = "A256GCM";
    m.plain = (char *) plain.data;
    m.to = to;

    return make(&m, part);
}
