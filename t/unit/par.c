
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Request objects and pushed requests, what is left for the browser to carry,
 * and every answer that the endpoint may give.
 */


#include "jose.h"

#include "oidc_json.h"
#include "oidc_par.h"
#include "oidc_seal.h"


#define NOW     ((int64_t) 1800000000)
#define SECRET  "0123456789abcdef0123456789abcdef"


typedef struct {
    int          status;
    const char  *type;
    const char  *body;
    oidc_rc_t    rc;
} answer_t;


static void test_url(void);
static void test_object(void);
static void test_extra(void);
static void test_form(void);
static void test_answers(void);

static int no_random(u_char *buf, size_t len);
static json_t *object(const char *extra, oidc_rc_t expected);


static oidc_authz_t   authz;
static oidc_client_t  client;


int
main(void)
{
    (void) oidc_crypto_init();

    authz.endpoint = tap_str("https://idp/auth");
    authz.client_id = tap_str("me");
    authz.redirect_uri = tap_str("https://app/cb");
    authz.scope = tap_str("openid x");
    authz.state = tap_str("S");
    authz.nonce = tap_str("N");
    authz.challenge = tap_str("C");
    authz.extra = tap_str("prompt=login");

    client.id = tap_str("me");
    client.secret = tap_str(SECRET);
    client.audience = tap_str("https://idp");
    client.random = oidc_random;
    client.now = NOW;

    test_url();
    test_object();
    test_extra();
    test_form();
    test_answers();

    oidc_crypto_free();

    return done_testing();
}


static void
test_url(void)
{
    oidc_str_t  url;

    authz.request = tap_str("J");
    is_rc(oidc_authz_url(tap_pool(), &authz, &url), OIDC_OK, "AD-2: by value");
    is_str(&url, "https://idp/auth?response_type=code&client_id=me"
           "&scope=openid%20x&request=J",
           "AD-2: what OpenID Connect Core 6.1 asks for, and the object");

    authz.request_uri = tap_str("urn:x:1");
    is_rc(oidc_authz_url(tap_pool(), &authz, &url), OIDC_OK, "AD-1: pushed");
    is_str(&url, "https://idp/auth?client_id=me&request_uri=urn%3Ax%3A1",
           "AD-1: client_id and request_uri, no more");

    authz.request.len = 0;
    authz.request_uri.len = 0;
    is_rc(oidc_authz_url(tap_pool(), &authz, &url), OIDC_OK, "LS-1: plain");
    is_str(&url, "https://idp/auth?response_type=code&client_id=me"
           "&redirect_uri=https%3A%2F%2Fapp%2Fcb&scope=openid%20x&state=S"
           "&nonce=N&code_challenge=C&code_challenge_method=S256"
           "&prompt=login", "LS-1: as before");
}


static void
test_object(void)
{
    json_t   *claims;
    int64_t   t;

    claims = object("prompt=login", OIDC_OK);

    ok(oidc_json_has(claims, "iss", "me")
       && oidc_json_has(claims, "client_id", "me"), "AD-2: iss, client_id");
    ok(json_is_string(json_object_get(claims, "aud"))
       && oidc_json_has(claims, "aud", "https://idp"), "AD-2: aud");
    ok(oidc_json_time(claims, "iat", &t) == 1 && t == NOW, "AD-2: iat");
    ok(oidc_json_time(claims, "exp", &t) == 1 && t == NOW + 60,
       "AD-2: a short exp");
    ok(json_string_length(json_object_get(claims, "jti")) == 22, "AD-2: jti");
    ok(oidc_json_has(claims, "response_type", "code")
       && oidc_json_has(claims, "redirect_uri", "https://app/cb")
       && oidc_json_has(claims, "scope", "openid x")
       && oidc_json_has(claims, "state", "S")
       && oidc_json_has(claims, "nonce", "N")
       && oidc_json_has(claims, "code_challenge", "C")
       && oidc_json_has(claims, "code_challenge_method", "S256")
       && oidc_json_has(claims, "prompt", "login"), "AD-2: the request");
    is_int(json_object_size(claims), 14, "AD-2: and nothing else");

    json_decref(claims);
}


static void
test_extra(void)
{
    json_t  *claims;

    claims = object("max_age=60&claims=%7B%22id_token%22%3Anull%7D"
                    "&resource=a&resource=b&resource=c&ui_locales=fr+en",
                    OIDC_OK);
    ok(json_integer_value(json_object_get(claims, "max_age")) == 60,
       "AD-2: max_age is a number");
    ok(json_is_object(json_object_get(claims, "claims")),
       "AD-2: claims an object");
    ok(json_array_size(json_object_get(claims, "resource")) == 3
       && oidc_json_has(claims, "resource", "c"),
       "LS-15: what is repeated becomes a list");
    ok(oidc_json_has(claims, "ui_locales", "fr en"), "AD-2: decoded");
    json_decref(claims);

    claims = object("iss=evil&aud=evil&exp=9&sub=me&state=evil", OIDC_OK);
    ok(oidc_json_has(claims, "iss", "me")
       && oidc_json_has(claims, "aud", "https://idp")
       && oidc_json_has(claims, "state", "S"), "AD-2: ours win");
    ok(json_object_get(claims, "sub") == NULL, "AD-2: never a sub");
    json_decref(claims);

    (void) object("claims=%7B", OIDC_ARGS);
    (void) object("max_age=x", OIDC_ARGS);
    (void) object("max_age=", OIDC_ARGS);
    (void) object("max_age=12345678901", OIDC_ARGS);
    (void) object("max_age=-1", OIDC_ARGS);
    (void) object("a=%zz", OIDC_ARGS);

    client.random = no_random;
    (void) object("", OIDC_CRYPTO);
    client.random = oidc_random;

    client.secret.len = 31;
    (void) object("", OIDC_KEY);
    client.secret.len = 32;
}


static void
test_form(void)
{
    oidc_form_t  form;

    authz.extra = tap_str("prompt=login");
    client.auth = OIDC_CLIENT_SECRET_POST;
    is_rc(oidc_par_request(tap_pool(), &authz, &client, &form), OIDC_OK,
          "AD-1: all arguments");
    is_str(&form.body, "prompt=login&response_type=code"
           "&redirect_uri=https%3A%2F%2Fapp%2Fcb&scope=openid%20x&state=S"
           "&nonce=N&code_challenge=C&code_challenge_method=S256"
           "&client_id=me&client_secret=" SECRET, "AD-1: client_id once");

    client.auth = OIDC_CLIENT_SECRET_BASIC;
    is_rc(oidc_par_request(tap_pool(), &authz, &client, &form), OIDC_OK,
          "AD-1: basic");
    is_str(&form.body, "prompt=login&response_type=code&client_id=me"
           "&redirect_uri=https%3A%2F%2Fapp%2Fcb&scope=openid%20x&state=S"
           "&nonce=N&code_challenge=C&code_challenge_method=S256",
           "AD-1: client_id with Basic as well");

    authz.request = tap_str("J");
    is_rc(oidc_par_request(tap_pool(), &authz, &client, &form), OIDC_OK,
          "AD-1 AD-2: an object");
    is_str(&form.body, "request=J&client_id=me",
           "AD-1 AD-2: it alone (RFC 9126 section 3)");

    client.auth = OIDC_CLIENT_NONE;
    is_rc(oidc_par_request(tap_pool(), &authz, &client, &form), OIDC_OK,
          "AD-1 AD-2: a public client");
    is_str(&form.body, "request=J&client_id=me", "AD-1 AD-2: once");
    authz.request.len = 0;
}


static void
test_answers(void)
{
    char             text[OIDC_REQUEST_URI_MAX + 64];
    size_t           i;
    int64_t          expires;
    oidc_rc_t        rc;
    oidc_str_t       type, body, uri, error;

    static const char      json[] = "application/json; charset=utf-8";
    static const answer_t  answers[] = {
        { 201, json, "{\"request_uri\":\"urn:x\",\"expires_in\":60}",
          OIDC_OK },
        { 200, json, "{\"request_uri\":\"urn:x\",\"expires_in\":60}",
          OIDC_OK },
        { 201, "text/html", "{\"request_uri\":\"urn:x\",\"expires_in\":60}",
          OIDC_CONTENT_TYPE },
        { 201, json, "{", OIDC_JSON },
        { 201, json, "{\"expires_in\":60}", OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"\",\"expires_in\":60}",
          OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":1,\"expires_in\":60}",
          OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"a b\",\"expires_in\":60}",
          OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"\xc3\xa9\",\"expires_in\":60}",
          OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"urn:x\"}", OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"urn:x\",\"expires_in\":0}",
          OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"urn:x\",\"expires_in\":-1}",
          OIDC_PAR_MEMBER },
        { 201, json, "{\"request_uri\":\"urn:x\",\"expires_in\":\"60\"}",
          OIDC_PAR_MEMBER },
        { 400, json, "{\"error\":\"invalid_request\"}", OIDC_PAR_ERROR },
        { 401, json, "{\"error\":\"invalid_client\"}", OIDC_PAR_ERROR },
        { 400, json, "{\"error\":1}", OIDC_FETCH_STATUS },
        { 400, json, "[]", OIDC_FETCH_STATUS },
        { 404, "text/html", "x", OIDC_FETCH_STATUS },
        { 302, json, "{\"request_uri\":\"urn:x\",\"expires_in\":60}",
          OIDC_FETCH_STATUS },
        { 302, json, "{\"error\":\"invalid_request\"}", OIDC_FETCH_STATUS },
        { 500, json, "{\"error\":\"server_error\"}", OIDC_FETCH_STATUS },
        { 0, json, "", OIDC_FETCH_STATUS }
    };

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        type = tap_str(answers[i].type);
        body = tap_str(answers[i].body);

        rc = oidc_par_parse(tap_pool(), answers[i].status, &type, &body, &uri,
                            &expires, &error);

        ok(rc == answers[i].rc, "AD-1: %d %s: %s", answers[i].status,
           answers[i].body, oidc_rc_name(rc));
        ok((rc == OIDC_OK) == (uri.len == 5 && expires == 60),
           "AD-1: ... and its members");
        ok((rc == OIDC_PAR_ERROR) == (error.len != 0), "AD-1: ... its error");
    }

    for (i = OIDC_REQUEST_URI_MAX; i <= OIDC_REQUEST_URI_MAX + 1; i++) {
        snprintf(text, sizeof(text), "{\"request_uri\":\"%0*d\","
                 "\"expires_in\":60}", (int) i, 0);
        type = tap_str(json);
        body = tap_str(text);
        rc = oidc_par_parse(tap_pool(), 201, &type, &body, &uri, &expires,
                            &error);
        ok(rc == (i == OIDC_REQUEST_URI_MAX ? OIDC_OK : OIDC_PAR_MEMBER),
           "AD-1: a request_uri of %d bytes", (int) i);
    }
}


static int
no_random(u_char *buf, size_t len)
{
    return 0;
}


static json_t *
object(const char *extra, oidc_rc_t expected)
{
    json_t             *claims;
    oidc_rc_t           rc;
    oidc_str_t          token;
    oidc_jws_t          jws;
    oidc_jws_policy_t   policy;

    static const char *const  typs[] = { "oauth-authz-req+jwt", NULL };

    authz.extra = tap_str(extra);
    rc = oidc_authz_object(tap_pool(), &authz, &client, &token);
    ok(rc == expected, "AD-2: \"%s\": %s", extra, oidc_rc_name(rc));

    if (rc != OIDC_OK) {
        return NULL;
    }

    memset(&policy, 0, sizeof(policy));
    policy.algs = OIDC_HS256;
    policy.secret = client.secret;
    policy.typs = typs;
    claims = NULL;

    is_rc(oidc_jws_verify(tap_pool(), &token, &policy, &jws), OIDC_OK,
          "AD-2: its typ and signature");
    ok(json_object_get(jws.header, "typ") != NULL, "AD-2: typ is there");
    json_decref(jws.header);
    (void) oidc_json_parse(&jws.payload, OIDC_JWS_MAX, &claims);

    return claims;
}
