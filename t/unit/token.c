
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The token request byte for byte, and every answer that a provider, or what
 * stands in front of it, may give.
 */


#include "tap.h"

#include "heap.h"

#include "oidc_token.h"


#define SECRET32  "0123456789abcdef0123456789abcdef"

#define NONE   oidc_client_auth_bit(OIDC_CLIENT_NONE)
#define BASIC  oidc_client_auth_bit(OIDC_CLIENT_SECRET_BASIC)
#define POST   oidc_client_auth_bit(OIDC_CLIENT_SECRET_POST)
#define JWT    oidc_client_auth_bit(OIDC_CLIENT_SECRET_JWT)
#define KEY    oidc_client_auth_bit(OIDC_CLIENT_PRIVATE_KEY_JWT)


#define GOOD  "\"token_type\":\"Bearer\",\"access_token\":\"at\","             \
              "\"id_token\":\"a.b.c\""


typedef struct {
    const char  *body;
    oidc_rc_t    rc;
} answer_t;


static void test_auth(void);
static void test_request(void);
static void test_answers(void);
static void test_memory(void);
static void test_expires(void);
static void test_errors(void);
static void test_types(void);


int
main(void)
{
    test_auth();
    test_request();
    test_answers();
    test_memory();
    test_expires();
    test_errors();
    test_types();

    return done_testing();
}


static void
test_auth(void)
{
    size_t         i;
    oidc_key_t     key;
    oidc_client_t  c;

    static const struct {
        const char          *name;
        const char          *secret;
        int                  key;
        unsigned             methods;
        oidc_client_auth_e   auth;
    } cases[] = {
        { "no secret", "", 0, 0, OIDC_CLIENT_NONE },
        { "no secret, whatever is offered", "", 0, POST, OIDC_CLIENT_NONE },
        { "post alone (PC-3)", "s", 0, POST, OIDC_CLIENT_SECRET_POST },
        { "both", "s", 0, POST|BASIC, OIDC_CLIENT_SECRET_BASIC },
        { "basic", "s", 0, BASIC, OIDC_CLIENT_SECRET_BASIC },
        { "nothing is said (DI-4)", "s", 0, 0, OIDC_CLIENT_SECRET_BASIC },
        { "an assertion alone", SECRET32, 0, JWT, OIDC_CLIENT_SECRET_JWT },
        { "... with too short a secret", "s", 0, JWT,
          OIDC_CLIENT_SECRET_BASIC },
        { "a key, and it is offered", "", 1, KEY|BASIC,
          OIDC_CLIENT_PRIVATE_KEY_JWT },
        { "a key, and none is offered too", "", 1, KEY|NONE,
          OIDC_CLIENT_NONE },
        { "a key, and it is not offered", "", 1, POST, OIDC_CLIENT_NONE },
        { "no key, and it is offered", "", 0, KEY, OIDC_CLIENT_NONE },
        { "a secret goes before a key", "s", 1, KEY|POST,
          OIDC_CLIENT_SECRET_POST }
    };

    memset(&c, 0, sizeof(c));
    memset(&key, 0, sizeof(key));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c.secret = tap_str(cases[i].secret);
        c.key = cases[i].key ? &key : NULL;

        ok(oidc_client_auth(&c, cases[i].methods) == cases[i].auth,
           "F14 F21: %s", cases[i].name);
    }

    c.auth = OIDC_CLIENT_SECRET_POST;
    is_int(oidc_client_auth(&c, BASIC), OIDC_CLIENT_SECRET_POST,
           "F14: a directive wins");
}


static void
test_request(void)
{
    int            i;
    oidc_rc_t      rc;
    oidc_str_t     code, uri, verifier;
    oidc_form_t    form;
    oidc_client_t  c;

    code = tap_str("c+d e");
    uri = tap_str("https://gw/cb");
    verifier = tap_str("VER~");

    c.auth = OIDC_CLIENT_SECRET_BASIC;
    c.id = tap_str("my:id");
    c.secret = tap_str("a:b%c+d \xc3\xa9");

    is_rc(oidc_token_request(tap_pool(), &c, &code, &uri, &verifier, &form),
          OIDC_OK, "TK-1: a request");
    is_str(&form.body, "grant_type=authorization_code&code=c%2Bd%20e"
           "&redirect_uri=https%3A%2F%2Fgw%2Fcb&code_verifier=VER~",
           "TK-1 TK-3 F14: its body, without client authentication");
    is_str(&form.authorization,
           "Basic bXklM0FpZDphJTNBYiUyNWMlMkJkJTIwJUMzJUE5",
           "TK-2 F14: id and secret form-encoded before base64");

    c.auth = OIDC_CLIENT_SECRET_POST;
    verifier.len = 0;
    (void) oidc_token_request(tap_pool(), &c, &code, &uri, &verifier, &form);
    is_str(&form.body, "grant_type=authorization_code&code=c%2Bd%20e"
           "&redirect_uri=https%3A%2F%2Fgw%2Fcb"
           "&client_id=my%3Aid&client_secret=a%3Ab%25c%2Bd%20%C3%A9",
           "TK-3 F14: post");
    is_int(form.authorization.len, 0, "TK-3: no header beside it");

    c.auth = OIDC_CLIENT_NONE;
    (void) oidc_token_request(tap_pool(), &c, &code, &uri, &verifier, &form);
    is_str(&form.body, "grant_type=authorization_code&code=c%2Bd%20e"
           "&redirect_uri=https%3A%2F%2Fgw%2Fcb&client_id=my%3Aid",
           "F14: a public client sends no secret");
    is_int(form.authorization.len, 0, "F14: and no header");

    c.auth = OIDC_CLIENT_AUTO;
    is_rc(oidc_token_request(tap_pool(), &c, &code, &uri, &verifier, &form),
          OIDC_ARGS, "TK-3: a method must have been chosen");

    c.auth = OIDC_CLIENT_SECRET_BASIC;
    tap.allocations = 0;
    (void) oidc_token_request(tap_pool(), &c, &code, &uri, &verifier, &form);
    is_int(tap.allocations, 4,
           "TK-12: no buffer with a secret is left by growing");

    (void) oidc_token_request(heap_pool(), &c, &code, &uri, &verifier, &form);
    is_int(heap_count("a%3Ab%25c", 9), 0, "O03: no secret is left in memory");
    is_int(heap_count("bXklM0FpZDph", 12), 1, "O03: but in the header");

    for (i = 0; i < 4; i++) {
        tap.fail_after = i;
        rc = oidc_token_request(tap_pool(), &c, &code, &uri, &verifier, &form);
        tap.fail_after = -1;
        is_rc(rc, OIDC_NOMEM, "TK-1: no memory");
    }
}


static oidc_rc_t
answer(int status, const char *type, const char *body, oidc_tokens_t *tokens,
    oidc_str_t *error)
{
    oidc_str_t  t, b;

    t = tap_str(type);
    b = tap_str(body);

    return oidc_token_parse(tap_pool(), status, &t, &b, tokens, error);
}


static void
test_answers(void)
{
    size_t         i;
    oidc_rc_t      rc;
    oidc_str_t     error;
    oidc_tokens_t  t;

    static const answer_t  answers[] = {
        { "", OIDC_JSON },
        { "[]", OIDC_JSON },
        { "[{" GOOD "}]", OIDC_JSON },
        { "{" GOOD "}x", OIDC_JSON },
        { "{" GOOD ",\"access_token\":\"b\"}", OIDC_JSON },
        { "{" GOOD, OIDC_JSON },
        { "<html>", OIDC_JSON },
        { "{}", OIDC_TOKEN_MEMBER },
        { "{\"access_token\":\"a\",\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":1,\"access_token\":\"a\",\"id_token\":\"b\"}",
          OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"DPoP\",\"access_token\":\"a\",\"id_token\":\"b\"}",
          OIDC_TOKEN_TYPE },
        { "{\"token_type\":\"\",\"access_token\":\"a\",\"id_token\":\"b\"}",
          OIDC_TOKEN_TYPE },
        { "{\"token_type\":\"Bearer2\",\"access_token\":\"a\","
          "\"id_token\":\"b\"}", OIDC_TOKEN_TYPE },
        { "{\"token_type\":\"Bearer\",\"id_token\":\"b\"}",
          OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\"}",
          OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"\","
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\","
          "\"id_token\":\"\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":null,"
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":[\"a\"],"
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\","
          "\"id_token\":{}}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\\r\\nX: y\","
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a b\","
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\\u007f\","
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"\\u00e9\","
          "\"id_token\":\"b\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\","
          "\"id_token\":\"b\\n\"}", OIDC_TOKEN_MEMBER },
        { "{\"token_type\":\"Bearer\",\"access_token\":\"a\\u0000\","
          "\"id_token\":\"b\"}", OIDC_JSON },
        { "{" GOOD ",\"refresh_token\":1}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"refresh_token\":\"\\u0007\"}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"refresh_token\":\"\\u001f\"}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"expires_in\":\"x\"}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"expires_in\":\"\"}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"expires_in\":\"-\"}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"expires_in\":\"1 \"}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"expires_in\":true}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"expires_in\":[60]}", OIDC_TOKEN_MEMBER },
        { "{" GOOD ",\"error\":1}", OIDC_TOKEN_MEMBER },
        { NULL, OIDC_OK }
    };

    is_rc(answer(200, "application/json",
                 "{" GOOD ",\"refresh_token\":\"r t\",\"expires_in\":60,"
                 "\"scope\":[1],\"x\":{\"y\":null}}", &t, &error),
          OIDC_OK, "TK-9: an answer");
    is_str(&t.id_token, "a.b.c", "TK-9: ID token");
    is_str(&t.access_token, "at", "TK-9: access token");
    is_str(&t.refresh_token, "r t", "TK-9: refresh token");
    is_int(t.expires_in, 60, "TK-11: lifetime");
    is_int(t.userinfo.len, 0, "TK-9: no userinfo yet");

    is_rc(answer(200, "Application/JSON ;charset=UTF-8",
                 "{\"token_type\":\"bEARER\",\"access_token\":\"a\","
                 "\"id_token\":\"b\",\"refresh_token\":null}", &t, &error),
          OIDC_OK, "TK-9: Bearer in any case");
    is_int(t.refresh_token.len, 0, "TK-9: a refresh token of null is none");
    is_int(t.expires_in, -1, "TK-11: lifetime not said");

    for (i = 0; answers[i].body != NULL; i++) {
        rc = answer(200, "application/json", answers[i].body, &t, &error);

        ok(rc == answers[i].rc && t.access_token.len == 0
           && t.id_token.len == 0 && t.expires_in == -1,
           "TK-9 B05: refused as %s: row %d", oidc_rc_name(answers[i].rc),
           (int) i);
    }
}


static void
test_memory(void)
{
    int            i;
    oidc_rc_t      rc;
    oidc_str_t     error;
    oidc_tokens_t  t;

    for (i = 0; i < 3; i++) {
        tap.fail_after = i;
        rc = answer(200, "application/json",
                    "{" GOOD ",\"refresh_token\":\"r\"}", &t, &error);
        tap.fail_after = -1;

        is_rc(rc, OIDC_NOMEM, "TK-9: no memory");
        is_int(t.id_token.len, 0, "TK-9: and no half of an answer");
    }

    tap.fail_after = 0;
    rc = answer(400, "application/json", "{\"error\":\"x\"}", &t, &error);
    tap.fail_after = -1;
    is_rc(rc, OIDC_NOMEM, "TK-10: no memory");
}


static void
is_expires(const char *json, int64_t seconds)
{
    char           body[256];
    oidc_str_t     error;
    oidc_tokens_t  t;

    snprintf(body, sizeof(body), "{" GOOD ",\"expires_in\":%s}", json);

    ok(answer(200, "application/json", body, &t, &error) == OIDC_OK
       && t.expires_in == seconds,
       "TK-11: expires_in %s", json);
}


static void
test_expires(void)
{
    is_expires("0", 0);
    is_expires("3600", 3600);
    is_expires("3600.9", 3600);
    is_expires("-1", 0);
    is_expires("-1e300", 0);
    is_expires("1e300", (int64_t) 1 << 53);
    is_expires("9223372036854775807", (int64_t) 1 << 53);
    is_expires("4294967296", (int64_t) 1 << 32);
    is_expires("\"3600\"", 3600);
    is_expires("\"-5\"", 0);
    is_expires("\"99999999999999999999999999999999\"", (int64_t) 1 << 53);
    is_expires("null", -1);
}


static void
test_errors(void)
{
    oidc_str_t     error;
    oidc_tokens_t  t;

    static const char  invalid[] = "{\"error\":\"invalid_grant\","
                                   "\"error_description\":\"x\"}";

    is_rc(answer(400, "application/json", invalid, &t, &error),
          OIDC_TOKEN_ERROR, "TK-10: 400 with an error");
    is_str(&error, "invalid_grant", "TK-10: the error's name");

    is_rc(answer(401, "application/json;charset=utf-8", invalid, &t, &error),
          OIDC_TOKEN_ERROR, "TK-10: 401 with an error");
    is_rc(answer(200, "application/json", invalid, &t, &error),
          OIDC_TOKEN_ERROR, "TK-10: 200 with an error");
    is_rc(answer(200, "application/json",
                 "{" GOOD ",\"error\":\"x\"}", &t, &error),
          OIDC_TOKEN_ERROR, "TK-10: an error beside tokens");
    is_int(t.access_token.len, 0, "TK-10: they are not taken");

    is_rc(answer(400, "application/json", "{" GOOD "}", &t, &error),
          OIDC_FETCH_STATUS, "TK-10: 400 with tokens");
    is_int(error.len, 0, "TK-10: no error's name");
    is_rc(answer(400, "text/html", invalid, &t, &error),
          OIDC_FETCH_STATUS, "TK-10: 400 that is not JSON by type");
    is_rc(answer(400, "application/json", "<html>", &t, &error),
          OIDC_FETCH_STATUS, "TK-10: 400 that is not JSON");
    is_rc(answer(400, "application/json", "{\"error\":{}}", &t, &error),
          OIDC_FETCH_STATUS, "TK-10: 400 whose error is no string");

    is_rc(answer(201, "application/json", "{" GOOD "}", &t, &error),
          OIDC_FETCH_STATUS, "B06: 201");
    is_rc(answer(302, "application/json", "{" GOOD "}", &t, &error),
          OIDC_FETCH_STATUS, "TK-7: 302");
    is_rc(answer(500, "application/json", invalid, &t, &error),
          OIDC_FETCH_STATUS, "B06: 500");
    is_rc(answer(0, "", "", &t, &error), OIDC_FETCH_STATUS, "B06: nothing");
    is_rc(answer(200, "text/html", "{" GOOD "}", &t, &error),
          OIDC_CONTENT_TYPE, "TK-9: HTML");
    is_rc(answer(200, "", "{" GOOD "}", &t, &error),
          OIDC_CONTENT_TYPE, "B05: no Content-Type");

    is_rc(answer(400, "application/json",
                 "{\"error\":\"a\\r\\nb\\u00e9\\u001f ~\\u007f\"}", &t, &error),
          OIDC_TOKEN_ERROR, "TK-10: an error with a line end");
    is_str(&error, "a??b??? ~?", "TK-10: fit for a log");

    is_rc(answer(400, "application/json",
                 "{\"error\":\"0123456789012345678901234567890123456789"
                 "0123456789012345678901234567890123456789\"}", &t, &error),
          OIDC_TOKEN_ERROR, "TK-10: a long error");
    is_int(error.len, 64, "TK-10: cut");
}


static void
is_type(const char *value, int good)
{
    oidc_str_t  s;

    s = tap_str(value);
    ok(oidc_content_type_is(&s, "application/jwt") == good,
       "UI-3: Content-Type \"%s\"", value);
}


static void
test_types(void)
{
    oidc_str_t  none = { 0, NULL };

    is_type("application/jwt", 1);
    is_type("Application/JWT", 1);
    is_type(" application/jwt ", 1);
    is_type("application/jwt;charset=utf-8", 1);
    is_type("application/jwt ; x", 1);
    is_type("application/jwt+x", 0);
    is_type("application/jwtx", 0);
    is_type("application/jw", 0);
    is_type("application/jwt, text/html", 0);
    is_type("text/html; application/jwt", 0);
    is_type("", 0);
    is_type("    ", 0);

    is_int(oidc_content_type_is(&none, "application/jwt"), 0,
           "B05: no Content-Type");
}
