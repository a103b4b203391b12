
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Verdicts on ID tokens: each test takes a good one, changes one thing and
 * signs it.
 */


#include "tap.h"

#include "sign.h"

#include "oidc_json.h"


#define AT_HASH  "61RCcFlp3I2l36yPlljcaA"    /* of "AT" */


typedef struct {
    const char  *name;
    const char  *value;         /* JSON; NULL: absent */
} claim_t;


static const claim_t  base_claims[] = {
    { "iss", "\"https://idp\"" },
    { "aud", "\"client\"" },
    { "sub", "\"u1\"" },
    { "exp", "1800000300" },
    { "iat", "1800000000" },
    { "nonce", "\"NONCE\"" },
    { NULL, NULL }
};


static const char *const  wrong_types[] = {
    "null", "1", "1.5", "true", "false", "\"\"", "[]", "{}", "[1]",
    "[\"\"]", "{\"a\":1}", NULL
};


static void test_good(void);
static void test_types(void);
static void test_strings(void);
static void test_audiences(void);
static void test_times(void);
static void test_at_hash(void);
static void test_headers(void);
static void test_payloads(void);


static oidc_expect_t   expect;
static json_t         *claims;


int
main(void)
{
    sign_setup(&expect);

    test_good();
    test_types();
    test_strings();
    test_audiences();
    test_times();
    test_at_hash();
    test_headers();
    test_payloads();

    sign_done();

    return done_testing();
}


/* the good claims with one replaced, added or (NULL) taken away */

static const char *
payload(const char *name, const char *value)
{
    size_t           n;
    const claim_t   *c;
    static char      text[4096];

    n = (size_t) sprintf(text, "{");

    for (c = base_claims; c->name != NULL; c++) {
        if (name == NULL || strcmp(c->name, name) != 0) {
            n += (size_t) sprintf(text + n, "\"%s\":%s,", c->name, c->value);
        }
    }

    if (name != NULL && value != NULL) {
        snprintf(text + n, sizeof(text) - n, "\"%s\":%s,\"x\":[{}]}", name,
                 value);

    } else {
        sprintf(text + n, "\"x\":[{}]}");
    }

    return text;
}


static oidc_rc_t
check_token(oidc_str_t token)
{
    oidc_rc_t  rc;

    claims = NULL;
    rc = oidc_id_token_check(tap_pool(), &token, &expect, &claims);

    if (rc == OIDC_OK) {
        json_decref(claims);

    } else if (claims != NULL) {
        fail("ID-20: claims of a refused token");
    }

    tap_pool_reset();

    return rc;
}


static oidc_rc_t
check(const char *name, const char *value)
{
    return check_token(sign(JWT, payload(name, value)));
}


static void
test_good(void)
{
    oidc_str_t  token, sub;

    token = sign("{\"alg\":\"RS256\",\"kid\":\"r\",\"typ\":\"JWT\"}",
                 payload(NULL, NULL));

    is_rc(oidc_id_token_check(tap_pool(), &token, &expect, &claims), OIDC_OK,
          "V01 V06: an ID token, RS256");
    is_int(oidc_json_str(claims, "sub", &sub), 1, "V03: its claims");
    is_str(&sub, "u1", "V03: are its own");
    json_decref(claims);

    is_rc(check(NULL, NULL), OIDC_OK, "V06: ES256");
    is_rc(check("sid", "\"S\""), OIDC_OK, "ID-21: a sid");
    is_rc(check("auth_time", "1.5"), OIDC_OK, "ID-11: an auth_time");
    is_rc(check("acr", "null"), OIDC_OK, "V16: others are not looked at");
    is_rc(check("\\u00e9", "{\"a\":[]}"), OIDC_OK, "V16: unknown claims");
}


/* each claim in each type that it is not */

static void
is_wrong(const char *name, oidc_rc_t reason, const char *except)
{
    int                 n;
    const char *const  *value;

    for (n = 0, value = wrong_types; *value != NULL; value++) {

        if (strstr(except, *value) != NULL) {
            continue;
        }

        if (check(name, *value) != reason) {
            diag("%s: %s", name, *value);
            n++;
        }
    }

    ok(n == 0, "V01 V02 V03 V04 V05 ID-13: %s in every wrong type", name);
}


static void
test_types(void)
{
    is_wrong("iss", OIDC_CLAIM_ISS, "");
    is_wrong("aud", OIDC_CLAIM_AUD, "");
    is_wrong("azp", OIDC_CLAIM_AZP, "");
    is_wrong("sub", OIDC_CLAIM_SUB, "");
    is_wrong("exp", OIDC_CLAIM_EXP, "");
    is_wrong("iat", OIDC_CLAIM_IAT, "1 1.5");
    is_wrong("nbf", OIDC_CLAIM_NBF, "1 1.5");
    is_wrong("nonce", OIDC_CLAIM_NONCE, "");
    is_wrong("at_hash", OIDC_CLAIM_AT_HASH, "");
    is_wrong("events", OIDC_CLAIM_EVENTS, "");
    is_wrong("sid", OIDC_CLAIM_TYPE, "\"\"");
    is_wrong("auth_time", OIDC_CLAIM_TYPE, "1 1.5");

    is_rc(check("iss", NULL), OIDC_CLAIM_ISS, "V01: no iss");
    is_rc(check("aud", NULL), OIDC_CLAIM_AUD, "V02: no aud");
    is_rc(check("sub", NULL), OIDC_CLAIM_SUB, "V03: no sub");
    is_rc(check("exp", NULL), OIDC_CLAIM_EXP, "V04: no exp");
    is_rc(check("iat", NULL), OIDC_CLAIM_IAT, "V04: no iat");
    is_rc(check("nonce", NULL), OIDC_CLAIM_NONCE, "V05: no nonce");
    is_rc(check("events", "{\"http://schemas.openid.net/event/"
                          "backchannel-logout\":{}}"),
          OIDC_CLAIM_EVENTS, "ID-14: a logout token is no ID token");
}


static void
test_strings(void)
{
    char  text[300];

    is_rc(check("iss", "\"https://idp/\""), OIDC_CLAIM_ISS,
          "V01 ID-1: a slash");
    is_rc(check("iss", "\"https://IDP\""), OIDC_CLAIM_ISS, "V01: case");
    is_rc(check("iss", "\"https://id\""), OIDC_CLAIM_ISS, "V01: shorter");

    is_rc(check("nonce", "\"NONCF\""), OIDC_CLAIM_NONCE, "V05: another");
    is_rc(check("nonce", "\"NONCE2\""), OIDC_CLAIM_NONCE, "V05: longer");
    is_rc(check("nonce", "[\"NONCE\"]"), OIDC_CLAIM_NONCE, "V05: an array");

    expect.nonce.len = 0;
    is_rc(check("nonce", "\"\""), OIDC_CLAIM_NONCE,
          "V05: none expected is none accepted");
    expect.nonce = tap_str("NONCE");

    is_rc(check("azp", "\"client\""), OIDC_OK, "V02 ID-3: azp is ours");
    is_rc(check("azp", "\"other\""), OIDC_CLAIM_AZP, "V02: azp is another");
    is_rc(check("azp", "[\"client\"]"), OIDC_CLAIM_AZP, "V02: an array");

    memset(text, 'u', sizeof(text));
    text[0] = '"';
    strcpy(text + 256, "\"");
    is_rc(check("sub", text), OIDC_OK, "V03 ID-13: a sub of 255");

    memset(text, 'u', sizeof(text));
    text[0] = '"';
    strcpy(text + 257, "\"");
    is_rc(check("sub", text), OIDC_CLAIM_SUB, "V03 ID-13: a sub of 256");

    is_rc(check("sub", "\"~ !\""), OIDC_OK, "V03: printable ASCII");
    is_rc(check("sub", "\"a\\u001fb\""), OIDC_CLAIM_SUB, "B03: a control");
    is_rc(check("sub", "\"a\\r\\nX-User: root\""), OIDC_CLAIM_SUB,
          "B03: a line end");
    is_rc(check("sub", "\"a\\u007f\""), OIDC_CLAIM_SUB, "B03: DEL");
    is_rc(check("sub", "\"\\u00e9\""), OIDC_CLAIM_SUB, "ID-13: not ASCII");
    is_rc(check("sub", "\"a\\u0000\""), OIDC_JSON, "ID-19: NUL");
}


static void
test_audiences(void)
{
    static const oidc_str_t  trusted[] = {
        oidc_string("t1"), oidc_string("t2")
    };

    is_rc(check("aud", "[\"client\"]"), OIDC_OK, "V02 ID-2: an array");
    is_rc(check("aud", "[\"client\",\"client\"]"), OIDC_OK, "V02: twice");
    is_rc(check("aud", "\"client2\""), OIDC_CLAIM_AUD, "V02: longer");
    is_rc(check("aud", "\"clien\""), OIDC_CLAIM_AUD, "V02: shorter");
    is_rc(check("aud", "\"Client\""), OIDC_CLAIM_AUD, "V02: case");
    is_rc(check("aud", "\"client other\""), OIDC_CLAIM_AUD, "V02: a list");
    is_rc(check("aud", "[\"other\"]"), OIDC_CLAIM_AUD, "V02: another");
    is_rc(check("aud", "[\"client\",\"t1\"]"), OIDC_CLAIM_AUD,
          "V02 ID-2: one more, not trusted");
    is_rc(check("aud", "[\"t1\",\"client\"]"), OIDC_CLAIM_AUD,
          "V02: in front");
    is_rc(check("aud", "[\"client\",1]"), OIDC_CLAIM_AUD, "V02: a number");
    is_rc(check("aud", "[\"client\",null]"), OIDC_CLAIM_AUD, "V02: a null");
    is_rc(check("aud", "[[\"client\"]]"), OIDC_CLAIM_AUD, "V02: nested");
    is_rc(check("aud", "{\"client\":1}"), OIDC_CLAIM_AUD, "V02: an object");

    expect.trusted_audience = trusted;
    expect.trusted_audience_n = 2;

    is_rc(check("aud", "[\"t2\",\"client\",\"t1\"]"), OIDC_OK,
          "V02: others that are trusted");
    is_rc(check("aud", "[\"client\",\"t3\"]"), OIDC_CLAIM_AUD,
          "V02: one that is not");
    is_rc(check("aud", "[\"t1\",\"t2\"]"), OIDC_CLAIM_AUD,
          "V02: trusted ones without us");
    is_rc(check("aud", "\"t1\""), OIDC_CLAIM_AUD, "V02: a trusted one alone");

    expect.trusted_audience_n = 0;
    expect.client_id.len = 0;
    is_rc(check("aud", "\"\""), OIDC_CLAIM_AUD, "V02: no client_id");
    expect.client_id = tap_str("client");
}


static void
is_time(const char *name, const char *value, oidc_rc_t rc)
{
    ok(check(name, value) == rc, "V04 ID-7 ID-8 ID-15: %s %s is %s", name,
       value, oidc_rc_name(rc));
}


static void
test_times(void)
{
    /* now < exp + 30 */

    is_time("exp", "1799999971", OIDC_OK);
    is_time("exp", "1799999970", OIDC_CLAIM_EXP);
    is_time("exp", "1799999969", OIDC_CLAIM_EXP);
    is_time("exp", "1799999971.5", OIDC_OK);
    is_time("exp", "1799999970.5", OIDC_CLAIM_EXP);
    is_time("exp", "1.8e9", OIDC_OK);
    is_time("exp", "4102444800", OIDC_OK);
    is_time("exp", "9007199254740993", OIDC_OK);
    is_time("exp", "9223372036854775807", OIDC_OK);
    is_time("exp", "9223372036854775808", OIDC_JSON);
    is_time("exp", "1e300", OIDC_OK);
    is_time("exp", "-1e300", OIDC_CLAIM_EXP);
    is_time("exp", "1e400", OIDC_JSON);
    is_time("exp", "-9223372036854775808", OIDC_CLAIM_EXP);
    is_time("exp", "-1", OIDC_CLAIM_EXP);
    is_time("exp", "0", OIDC_CLAIM_EXP);
    is_time("exp", "\"1800000300\"", OIDC_CLAIM_EXP);
    is_time("exp", "[1800000300]", OIDC_CLAIM_EXP);

    /* iat <= now + 30 */

    is_time("iat", "1800000030", OIDC_OK);
    is_time("iat", "1800000031", OIDC_CLAIM_IAT);
    is_time("iat", "1800000030.9", OIDC_OK);
    is_time("iat", "0", OIDC_OK);
    is_time("iat", "-1", OIDC_CLAIM_IAT);
    is_time("iat", "-0.5", OIDC_CLAIM_IAT);
    is_time("iat", "1e300", OIDC_CLAIM_IAT);
    is_time("iat", "-1e300", OIDC_CLAIM_IAT);
    is_time("iat", "4102444800", OIDC_CLAIM_IAT);
    is_time("iat", "9223372036854775807", OIDC_CLAIM_IAT);
    is_time("iat", "\"1800000000\"", OIDC_CLAIM_IAT);

    /* nbf <= now + 30 */

    is_time("nbf", "1800000030", OIDC_OK);
    is_time("nbf", "1800000031", OIDC_CLAIM_NBF);
    is_time("nbf", "-1e300", OIDC_OK);
    is_time("nbf", "1e300", OIDC_CLAIM_NBF);
    is_time("nbf", "9007199254740993", OIDC_CLAIM_NBF);
    is_time("nbf", "\"1\"", OIDC_CLAIM_NBF);

    /* a clock beyond 2038, and beyond 2106 */

    expect.now = 4294967400;
    is_time("exp", "4294967371", OIDC_OK);
    is_time("exp", "4294967370", OIDC_CLAIM_EXP);
    is_time("exp", "104", OIDC_CLAIM_EXP);
    expect.now = NOW;

    expect.skew = 0;
    is_time("exp", "1800000001", OIDC_OK);
    is_time("exp", "1800000000", OIDC_CLAIM_EXP);
    is_time("iat", "1800000001", OIDC_CLAIM_IAT);

    expect.skew = -100;
    is_time("exp", "1800000001", OIDC_OK);
    is_time("exp", "1800000000", OIDC_CLAIM_EXP);

    expect.skew = 1000000;
    is_time("exp", "1799999701", OIDC_OK);
    is_time("exp", "1799999700", OIDC_CLAIM_EXP);
    is_time("iat", "1800000300", OIDC_OK);
    is_time("iat", "1800000301", OIDC_CLAIM_IAT);
    expect.skew = SKEW;
}


static void
test_at_hash(void)
{
    json_t      *kat, *vector;
    oidc_str_t   text;
    const char  *hash;
    char         quoted[64];

    text = tap_file("../shared/vectors/kat/kat.json");

    if (text.data == NULL) {
        skip("V10 ID-12: no published vectors here");

    } else {
        kat = json_loadb((char *) text.data, text.len, 0, NULL);
        vector = json_object_get(kat, "at_hash");
        hash = json_string_value(json_object_get(json_object_get(vector,
                                                 "at_hash"), "RS256"));

        expect.access_token = tap_str(json_string_value(
                                  json_object_get(vector, "access_token")));
        snprintf(quoted, sizeof(quoted), "\"%s\"", hash);
        is_rc(check("at_hash", quoted), OIDC_OK, "V10 ID-12: as published");

        json_decref(kat);
    }

    expect.access_token = tap_str("AT");
    is_rc(check("at_hash", "\"L3ybORo-bWV6elYwP4QDyw\""), OIDC_CLAIM_AT_HASH,
          "V10 ID-12: of another token");
    is_rc(check("at_hash", "\"" AT_HASH "\""), OIDC_OK, "V10: ours");
    is_rc(check("at_hash", "\"" AT_HASH "A\""), OIDC_CLAIM_AT_HASH,
          "V10: longer");
    is_rc(check("at_hash", "[\"" AT_HASH "\"]"), OIDC_CLAIM_AT_HASH,
          "V10: an array");

    expect.access_token.len = 0;
    is_rc(check("at_hash", "\"" AT_HASH "\""), OIDC_OK,
          "V10: no access token to compare it with");
    is_rc(check("at_hash", "1"), OIDC_CLAIM_AT_HASH, "V10: a number even so");
    expect.access_token = tap_str("AT");
}


static oidc_rc_t
check_header(const char *header)
{
    return check_token(sign(header, payload(NULL, NULL)));
}


static void
test_headers(void)
{
    oidc_str_t  token;

    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"jwt\"}"),
          OIDC_OK, "ID-14: typ in any case");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"e\","
                       "\"typ\":\"application/JWT\"}"),
          OIDC_OK, "ID-14: typ in full");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"e\","
                       "\"typ\":\"at+jwt\"}"),
          OIDC_JWS_TYP, "ID-14: an access token");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"e\","
                       "\"typ\":\"logout+jwt\"}"),
          OIDC_JWS_TYP, "ID-14: a logout token");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"e\","
                       "\"typ\":\"token-introspection+jwt\"}"),
          OIDC_JWS_TYP, "ID-14: an introspection answer");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"x\"}"), OIDC_JWS_KID,
          "V07: an unknown kid asks for new keys");
    is_rc(check_header("{\"alg\":\"HS256\"}"), OIDC_JWS_ALG,
          "V06: HS256 where it is not configured");
    is_rc(check_header("{\"alg\":\"none\"}"), OIDC_JWS_ALG, "V06: none");

    expect.algs = OIDC_RS256;
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"e\"}"), OIDC_JWS_ALG,
          "V06 ID-5: not among the configured ones");

    expect.algs = OIDC_HS256;
    is_rc(check_header("{\"alg\":\"HS256\"}"), OIDC_OK,
          "ID-6: HS256 where it is");
    expect.secret = tap_str("another secret of thirty two byt");
    is_rc(check_header("{\"alg\":\"HS256\"}"), OIDC_JWS_SIGNATURE,
          "ID-6: with another secret");
    expect.secret = tap_str(SECRET);
    expect.algs = OIDC_ALG_DEFAULT;

    token = sign(JWT, payload(NULL, NULL));
    token.data[token.len - 20] = (token.data[token.len - 20] == 'A')
                                 ? 'B' : 'A';
    is_rc(check_token(token), OIDC_JWS_SIGNATURE, "ID-4: a bent signature");
}


static void
test_payloads(void)
{
    char  text[1024];

    is_rc(check_token(sign(JWT, "[]")), OIDC_JSON, "V16: an array");
    is_rc(check_token(sign(JWT, "\"x\"")), OIDC_JSON, "V16: a string");
    is_rc(check_token(sign(JWT, "{}")), OIDC_CLAIM_ISS, "V01: nothing");

    snprintf(text, sizeof(text), "[%s]", payload(NULL, NULL));
    is_rc(check_token(sign(JWT, text)), OIDC_JSON, "V16: in an array");

    snprintf(text, sizeof(text), "%s ", payload("sub", "\"a\",\"sub\":\"b\""));
    is_rc(check_token(sign(JWT, text)), OIDC_JSON, "V16: a claim twice");

    snprintf(text, sizeof(text), "%s{}", payload(NULL, NULL));
    is_rc(check_token(sign(JWT, text)), OIDC_JSON, "V16: more behind it");
}
