
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* Discovery documents: good, incomplete, of somebody else, in the clear. */


#include "tap.h"

#include "oidc_metadata.h"


#define NONE   oidc_client_auth_bit(OIDC_CLIENT_NONE)
#define BASIC  oidc_client_auth_bit(OIDC_CLIENT_SECRET_BASIC)
#define POST   oidc_client_auth_bit(OIDC_CLIENT_SECRET_POST)


#define ISS   "\"issuer\":\"https://idp/r\","
#define AUTH  "\"authorization_endpoint\":\"https://idp/auth?x=1\","
#define TOK   "\"token_endpoint\":\"https://idp/token\","
#define JWKS  "\"jwks_uri\":\"https://idp/jwks\""
#define DOC   ISS AUTH TOK JWKS


static void test_documents(void);
static void test_members(void);
static void test_fixed(void);
static void test_features(void);
static void test_url(void);


int
main(void)
{
    test_documents();
    test_members();
    test_fixed();
    test_features();
    test_url();

    return done_testing();
}


static oidc_rc_t
parse_as(const char *issuer, int http, const oidc_metadata_t *fixed,
    const char *text, oidc_metadata_t *m)
{
    oidc_str_t  doc, iss;

    doc = tap_str(text);
    iss = tap_str(issuer);

    return oidc_metadata_parse(tap_pool(), &doc, &iss, http, fixed, m);
}


static oidc_rc_t
parse(const char *text, oidc_metadata_t *m)
{
    return parse_as("https://idp/r", 0, NULL, text, m);
}


static void
test_documents(void)
{
    char             *big;
    oidc_str_t        doc, iss;
    oidc_metadata_t   m;

    is_rc(parse("{" DOC ",\"userinfo_endpoint\":\"https://u/\","
                "\"end_session_endpoint\":\"https://e/\","
                "\"introspection_endpoint\":\"https://i/\","
                "\"revocation_endpoint\":\"https://r/\","
                "\"pushed_authorization_request_endpoint\":\"https://p/\","
                "\"more\":{\"x\":[1,2]}}", &m),
          OIDC_OK, "F15 DI-3: a document");
    is_str(&m.authorization_endpoint, "https://idp/auth?x=1",
           "F15: authorization endpoint with its query");
    is_str(&m.token_endpoint, "https://idp/token", "F15: token endpoint");
    is_str(&m.jwks_uri, "https://idp/jwks", "F15: jwks_uri");
    is_str(&m.userinfo_endpoint, "https://u/", "F15: userinfo");
    is_str(&m.end_session_endpoint, "https://e/", "F15: end session");
    is_str(&m.introspection_endpoint, "https://i/", "F15: introspection");
    is_str(&m.revocation_endpoint, "https://r/", "F15: revocation");
    is_str(&m.pushed_authorization_request_endpoint, "https://p/",
           "F15: pushed requests");

    is_rc(parse("{" DOC "}", &m), OIDC_OK, "DI-3: the least");
    is_int(m.userinfo_endpoint.len, 0, "DI-3: no userinfo");

    is_rc(parse("{" AUTH TOK JWKS "}", &m), OIDC_META_ISSUER,
          "V11 DI-1: no issuer");
    is_rc(parse("{\"issuer\":\"https://idp/r/\"," AUTH TOK JWKS "}", &m),
          OIDC_META_ISSUER, "V11: a slash more");
    is_rc(parse("{\"issuer\":\"https://idp/R\"," AUTH TOK JWKS "}", &m),
          OIDC_META_ISSUER, "V11: another case");
    is_rc(parse("{\"issuer\":[\"https://idp/r\"]," AUTH TOK JWKS "}", &m),
          OIDC_META_ISSUER, "V11: an array");
    is_int(m.token_endpoint.len, 0, "V11: nothing is taken");
    is_rc(parse_as("", 0, NULL, "{\"issuer\":\"\"," AUTH TOK JWKS "}", &m),
          OIDC_META_ISSUER, "V11: empty");

    is_rc(parse("[{" DOC "}]", &m), OIDC_JSON, "V16: an array");
    is_rc(parse("{" DOC, &m), OIDC_JSON, "B06: truncated");
    is_rc(parse("{" DOC "}{}", &m), OIDC_JSON, "V16: something behind it");
    is_rc(parse("{" DOC "," ISS "\"a\":1}", &m), OIDC_JSON,
          "V16 KE-2: a duplicate member");
    is_rc(parse("<html>", &m), OIDC_JSON, "B06: HTML");

    big = malloc(OIDC_METADATA_MAX + 1);
    memset(big, ' ', OIDC_METADATA_MAX + 1);
    memcpy(big, "{" DOC "}", sizeof("{" DOC "}") - 1);
    iss = tap_str("https://idp/r");
    doc.data = (u_char *) big;

    doc.len = OIDC_METADATA_MAX;
    is_rc(oidc_metadata_parse(tap_pool(), &doc, &iss, 0, NULL, &m), OIDC_OK,
          "V16 DI-3: 256 KiB");

    doc.len = OIDC_METADATA_MAX + 1;
    is_rc(oidc_metadata_parse(tap_pool(), &doc, &iss, 0, NULL, &m), OIDC_JSON,
          "V16 DI-3: a byte more");

    free(big);
}


static void
test_members(void)
{
    size_t           i;
    char             text[512];
    oidc_metadata_t  m;

    static const char *const  bad[] = {
        "1", "[]", "{}", "true", "[\"https://h/\"]", "\"\"", "\"/auth\"",
        "\"http://idp/x\"", "\"ftp://idp/x\"", "\"https://us@idp/x\"",
        "\"https://idp/x#y\"", "\"https://idp/ x\"", "\"https://idp/\\n\"",
        "\"https://idp:0/\"", "\"javascript:alert(1)\"",
        "\"https://idp\\\\@h/\"", "\"https://idp/\\u00e9\"", NULL
    };

    is_rc(parse("{" ISS TOK JWKS "}", &m), OIDC_META_MEMBER,
          "DI-3: no authorization endpoint");
    is_rc(parse("{" ISS AUTH JWKS "}", &m), OIDC_META_MEMBER,
          "DI-3: no token endpoint");
    is_rc(parse("{" ISS AUTH TOK "\"x\":1}", &m), OIDC_META_MEMBER,
          "DI-3: no jwks_uri");
    is_rc(parse("{" ISS AUTH TOK "\"jwks_uri\":null}", &m), OIDC_META_MEMBER,
          "DI-3: a null is none");
    is_rc(parse("{" DOC ",\"userinfo_endpoint\":null}", &m), OIDC_OK,
          "DI-3: nor where none is needed");

    is_rc(parse("{" DOC ",\"introspection_endpoint\":\"https://idp/i\","
                "\"revocation_endpoint\":\"https://idp/v\","
                "\"token_endpoint_auth_methods_supported\":"
                "[\"private_key_jwt\",\"client_secret_jwt\"],"
                "\"introspection_endpoint_auth_methods_supported\":"
                "[\"tls_client_auth\"],"
                "\"require_pushed_authorization_requests\":true,"
                "\"require_signed_request_object\":true,"
                "\"mtls_endpoint_aliases\":"
                "{\"token_endpoint\":\"https://m/t\"}}",
                &m),
          OIDC_OK, "TK-6 AD-1: more is said");
    is_int(m.token_auth, oidc_client_auth_bit(OIDC_CLIENT_PRIVATE_KEY_JWT)
                         | oidc_client_auth_bit(OIDC_CLIENT_SECRET_JWT),
           "TK-4 TK-5: assertions");
    is_int(m.introspection_auth, oidc_client_auth_bit(OIDC_CLIENT_TLS),
           "TK-6: another method at another endpoint");
    is_int(m.revocation_auth, m.token_auth, "TK-16: or the same");
    ok(m.par_required && m.object_required, "AD-1 AD-2: both are required");
    is_str(&m.mtls.token_endpoint, "https://m/t", "TK-6: an alias");
    is_str(&m.mtls.introspection_endpoint, "https://idp/i",
           "TK-6: or the endpoint itself");
    is_int(m.mtls.userinfo_endpoint.len, 0, "TK-6: or none");

    for (i = 0; bad[i] != NULL; i++) {
        snprintf(text, sizeof(text), "{" ISS AUTH TOK "\"jwks_uri\":%s}",
                 bad[i]);
        ok(parse(text, &m) == OIDC_META_MEMBER, "DI-3: jwks_uri %s", bad[i]);

        snprintf(text, sizeof(text), "{" DOC ",\"end_session_endpoint\":%s}",
                 bad[i]);
        ok(parse(text, &m) == OIDC_META_MEMBER && m.token_endpoint.len == 0,
           "DI-3: end_session_endpoint %s", bad[i]);
    }

    is_rc(parse_as("https://idp/r", 1, NULL,
                   "{" ISS AUTH TOK "\"jwks_uri\":\"http://idp/x\"}", &m),
          OIDC_OK, "O06: http where it is allowed");
}


static void
test_fixed(void)
{
    oidc_metadata_t  m, f;

    memset(&f, 0, sizeof(f));

    f.token_endpoint = tap_str("https://mine/token");
    is_rc(parse_as("https://idp/r", 0, &f, "{" DOC "}", &m), OIDC_OK,
          "F15: an endpoint by hand");
    is_str(&m.token_endpoint, "https://mine/token", "F15: it wins");
    is_str(&m.jwks_uri, "https://idp/jwks", "F15: the others stay");

    is_rc(parse_as("https://idp/r", 0, &f,
                   "{" ISS AUTH JWKS ",\"token_endpoint\":1}", &m),
          OIDC_OK, "F15: the document's is not looked at");

    is_rc(parse_as("https://idp/r", 0, &f, "", &m), OIDC_META_MEMBER,
          "DI-9: without a document, all that is needed");

    f.authorization_endpoint = tap_str("https://mine/auth");
    f.jwks_uri = tap_str("https://mine/jwks");
    is_rc(parse_as("https://idp/r", 0, &f, "", &m), OIDC_OK,
          "DI-9 F15: all by hand");
    is_int(m.token_auth, BASIC, "DI-9 DI-4: the default client authentication");

    f.jwks_uri = tap_str("http://mine/jwks");
    is_rc(parse_as("https://idp/r", 0, &f, "", &m), OIDC_META_MEMBER,
          "O06: http by hand");
}


static void
test_features(void)
{
    size_t           i;
    char             text[512];
    oidc_metadata_t  m;

    static const char *const  bad[] = {
        "\"id_token_signing_alg_values_supported\":\"RS256\"",
        "\"id_token_signing_alg_values_supported\":{}",
        "\"token_endpoint_auth_methods_supported\":\"none\"",
        "\"authorization_response_iss_parameter_supported\":\"true\"",
        "\"authorization_response_iss_parameter_supported\":1",
        "\"require_pushed_authorization_requests\":1",
        "\"require_signed_request_object\":\"true\"",
        "\"introspection_endpoint_auth_methods_supported\":1",
        "\"revocation_endpoint_auth_methods_supported\":{}",
        "\"mtls_endpoint_aliases\":[]",
        "\"mtls_endpoint_aliases\":{\"token_endpoint\":1}",
        "\"mtls_endpoint_aliases\":{\"token_endpoint\":\"\"}",
        "\"mtls_endpoint_aliases\":{\"token_endpoint\":\"http://m/t\"}",
        NULL
    };

    is_rc(parse("{" DOC "}", &m), OIDC_OK, "DI-4: nothing said");
    is_int(m.id_token_algs, 0, "DI-4: no algorithms");
    is_int(m.token_auth, BASIC, "DI-4: basic");
    ok(!m.iss_parameter, "DI-4: no iss");

    is_rc(parse("{" DOC ",\"id_token_signing_alg_values_supported\":"
                "[\"none\",\"RS256\",\"ES256\",\"XX\",1,\"rs512\"],"
                "\"token_endpoint_auth_methods_supported\":"
                "[\"client_secret_post\",\"none\"],"
                "\"authorization_response_iss_parameter_supported\":true}",
                &m),
          OIDC_OK, "DI-4: all said");
    is_int(m.id_token_algs, OIDC_RS256|OIDC_ES256,
           "V06 ID-5: the algorithms that we know");
    is_int(m.token_auth, POST|NONE, "DI-4: post and none");
    ok(m.iss_parameter, "DI-4 F13: iss");

    is_rc(parse("{" DOC ",\"token_endpoint_auth_methods_supported\":[],"
                "\"authorization_response_iss_parameter_supported\":false}",
                &m),
          OIDC_OK, "DI-4: said to be without");
    ok(!m.iss_parameter && m.token_auth == 0, "DI-4: neither iss nor basic");

    for (i = 0; bad[i] != NULL; i++) {
        snprintf(text, sizeof(text), "{" DOC ",%s}", bad[i]);
        ok(parse(text, &m) == OIDC_META_MEMBER, "DI-4: %s", bad[i]);
    }
}


static void
is_url(const char *issuer, const char *expected)
{
    oidc_str_t  in, out;

    in = tap_str(issuer);
    (void) oidc_metadata_url(tap_pool(), &in, &out);
    is_str(&out, expected, "DI-1: the document's address");
}


static void
test_url(void)
{
    is_url("https://idp", "https://idp/.well-known/openid-configuration");
    is_url("https://idp/", "https://idp/.well-known/openid-configuration");
    is_url("https://idp/r", "https://idp/r/.well-known/openid-configuration");
    is_url("https://idp/r//",
           "https://idp/r//.well-known/openid-configuration");
}
