
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The authorization request as the provider sees it, and callbacks: repeated,
 * escaped, oversized, forged.
 */


#include "tap.h"

#include "oidc_authz.h"


static void test_url(void);
static void test_extra(void);
static void test_callback(void);
static void test_limits(void);
static void test_iss(void);
static void test_errors(void);


int
main(void)
{
    test_url();
    test_extra();
    test_callback();
    test_limits();
    test_iss();
    test_errors();

    return done_testing();
}


static void
test_url(void)
{
    oidc_str_t    url;
    oidc_authz_t  a;

    memset(&a, 0, sizeof(a));

    a.endpoint = tap_str("https://idp/auth");
    a.client_id = tap_str("my client&x");
    a.redirect_uri = tap_str("https://gw/oidc_callback");
    a.scope = tap_str("openid email");
    a.state = tap_str("STATE");
    a.nonce = tap_str("NONCE");
    a.challenge = tap_str("CHALLENGE");

    is_rc(oidc_authz_url(tap_pool(), &a, &url), OIDC_OK, "F01: a request");
    is_str(&url, "https://idp/auth?response_type=code"
           "&client_id=my%20client%26x"
           "&redirect_uri=https%3A%2F%2Fgw%2Foidc_callback"
           "&scope=openid%20email&state=STATE&nonce=NONCE"
           "&code_challenge=CHALLENGE&code_challenge_method=S256",
           "F01 F03 F04 LS-1 LS-8: its eight parameters, and no more");

    a.challenge.len = 0;
    a.endpoint = tap_str("https://idp/auth?x=1");
    a.extra = tap_str("prompt=login&display=page");

    is_rc(oidc_authz_url(tap_pool(), &a, &url), OIDC_OK, "F04: no PKCE");
    is_str(&url, "https://idp/auth?x=1&response_type=code"
           "&client_id=my%20client%26x"
           "&redirect_uri=https%3A%2F%2Fgw%2Foidc_callback"
           "&scope=openid%20email&state=STATE&nonce=NONCE"
           "&prompt=login&display=page",
           "F03 LS-1: the endpoint's query and the configured extras");
}


static oidc_rc_t
extra(const char *s)
{
    oidc_str_t  in;

    in = tap_str(s);

    return oidc_authz_extra_check(tap_pool(), &in);
}


static void
test_extra(void)
{
    int   i;
    char  text[64];

    static const char *const  reserved[] = {
        "response_type", "client_id", "redirect_uri", "scope", "state",
        "nonce", "code_challenge", "code_challenge_method", "request",
        "request_uri", "response_mode"
    };

    is_rc(extra("display=page&prompt=login"), OIDC_OK, "F18: two extras");
    is_rc(extra("resource=a&resource=b&x="), OIDC_OK, "F18: repeated");
    is_rc(extra("x=a%20b+c"), OIDC_OK, "F18: escaped");
    is_rc(extra("states=1&scop=2"), OIDC_OK, "LS-9: like ours, not ours");

    for (i = 0; i < 11; i++) {
        snprintf(text, sizeof(text), "x=1&%s=y", reserved[i]);
        ok(extra(text) == OIDC_ARGS, "LS-9 F03: %s is ours", reserved[i]);
    }

    is_rc(extra("%63lient_id=x"), OIDC_ARGS, "LS-9: escaped, still ours");
    is_rc(extra("state"), OIDC_ARGS, "LS-9: without a value, still ours");
    is_rc(extra(""), OIDC_ARGS, "O02: empty");
    is_rc(extra("&"), OIDC_ARGS, "O02: nothing but &");
    is_rc(extra("=x"), OIDC_ARGS, "O02: no name");
    is_rc(extra("a b=x"), OIDC_ARGS, "O02: a space");
    is_rc(extra("a=\r\nx"), OIDC_ARGS, "O02: a line end");
    is_rc(extra("a=\x7f"), OIDC_ARGS, "O02: DEL");
    is_rc(extra("a=\xc3\xa9"), OIDC_ARGS, "O02: not ASCII");
    is_rc(extra("a=b#c"), OIDC_ARGS, "O02: a fragment");
    is_rc(extra("a=%zz"), OIDC_ARGS, "O02: a bad escape in a value");
    is_rc(extra("%=x"), OIDC_ARGS, "O02: a bad escape in a name");
}


static oidc_rc_t
callback(const char *query, oidc_callback_t *args)
{
    oidc_str_t  in;

    in = tap_str(query);

    return oidc_callback_parse(tap_pool(), &in, args);
}


static void
test_callback(void)
{
    size_t           i;
    oidc_str_t       none = { 0, NULL };
    oidc_callback_t  a;

    static const char *const  bad[] = {
        "code=a&code=a&state=s", "code=a&state=s&state=s",
        "code=a&state=s&iss=i&iss=i", "error=a&error=a&state=s",
        "error=a&error_description=&error_description=&state=s",
        "code=a&%63ode=b&state=s", "code=a&state=s&st%61te=t",
        "code=a&state=s&error=x&error=",
        "code=&state=s", "code&state=s", "code=a&state=", "code=a&state",
        "error=&state=s", "code=a&state=s&iss=",
        "code=%&state=s", "code=a&state=%zz", "code=%00&state=s",
        "code=a%00&state=s", "code=a%0d%0ab&state=s", "code=a&state=s%0a",
        "code=%c3%a9&state=s", "code=a&state=s&iss=%01",
        "error=%0a&state=s", "error=a&state=s&error_description=%zz",
        "error=\x7f&state=s", "code=%1f&state=s", NULL
    };

    is_rc(callback("code=a%2Bb%20c&state=s&iss=https%3A%2F%2Fidp%2F&x=y", &a),
          OIDC_OK, "F11: a callback");
    is_str(&a.code, "a+b c", "F11: code");
    is_str(&a.state, "s", "F11: state");
    is_str(&a.iss, "https://idp/", "CB-4: iss, decoded once");
    is_int(a.error.len, 0, "F11: no error");

    is_rc(callback("code=a&state=s", &a), OIDC_OK, "CB-4: no iss");
    is_int(a.iss.len, 0, "CB-4: there is none");

    is_rc(callback("code=a&state=s&access_token=x&id_token=y&x=1&x=2"
                   "&%zz=1&Code=b&codes=c", &a),
          OIDC_OK, "CB-7: unknown arguments are ignored");
    is_str(&a.code, "a", "CB-7: Code is not code");

    is_rc(callback("error=access_denied&state=s&error_description="
                   "a%0d%0ab%00", &a),
          OIDC_ARGS, "B05: NUL in a description");

    is_rc(callback("error=access_denied&state=s&error_description="
                   "a%0d%0ab%7f+%C3%A9", &a),
          OIDC_OK, "CB-6: an error");
    is_str(&a.error, "access_denied", "CB-6: error");
    is_str(&a.error_description, "a??b? \xc3\xa9",
           "CB-6: controls of the description replaced");

    is_rc(callback("error=x&state=s&error_description=a%C2%85%C3%A9", &a),
          OIDC_OK, "CB-6: C1 controls");
    is_str(&a.error_description, "a????", "CB-6: replaced");

    is_rc(callback("error=x&state=s&error_description=%C3(%80%1f%20", &a),
          OIDC_OK, "CB-6: broken UTF-8");
    is_str(&a.error_description, "?(?? ", "CB-6: replaced");

    is_rc(callback("error=x&state=s&code=c", &a), OIDC_OK,
          "F12: an error and a code");
    is_int(a.code.len, 0, "F12: the code is not used");

    is_rc(callback("code=a", &a), OIDC_STATE_MISSING, "F11: no state");
    is_rc(callback("error=a", &a), OIDC_STATE_MISSING,
          "F12: no state, an error");
    is_rc(callback("state=s", &a), OIDC_CODE_MISSING, "F11: no code");
    is_rc(callback("state=s&error_description=x", &a), OIDC_CODE_MISSING,
          "F11: a description is no error");
    is_rc(callback("", &a), OIDC_STATE_MISSING, "B05: an empty query");
    is_rc(callback("&", &a), OIDC_STATE_MISSING, "B05: a query of &");
    is_rc(oidc_callback_parse(tap_pool(), &none, &a), OIDC_STATE_MISSING,
          "B05: no query");

    for (i = 0; i < 4; i++) {
        tap.fail_after = (long) i;
        is_rc(callback("c%6fde=a&state=s&error_description=x", &a),
              OIDC_NOMEM, "B05: no memory");
        tap.fail_after = -1;
    }

    for (i = 0; bad[i] != NULL; i++) {
        ok(callback(bad[i], &a) == OIDC_ARGS,
           "F11 CB-5: repeated, empty or malformed: row %d", (int) i);
    }
}


/* "<before><n times a><after>" */

static oidc_rc_t
sized(const char *before, size_t n, const char *after)
{
    char             text[3 * OIDC_ARGS_MAX];
    size_t           len;
    oidc_callback_t  a;

    len = strlen(before);
    memcpy(text, before, len);
    memset(text + len, 'a', n);
    strcpy(text + len + n, after);

    return callback(text, &a);
}


static void
test_limits(void)
{
    is_rc(sized("state=s&code=", OIDC_CODE_MAX, ""), OIDC_OK,
          "CB-10: a code of 4096");
    is_rc(sized("state=s&code=", OIDC_CODE_MAX + 1, ""), OIDC_ARGS,
          "CB-10: a code of 4097");
    is_rc(sized("code=c&state=", OIDC_STATE_MAX, ""), OIDC_OK,
          "CB-10: a state of 512");
    is_rc(sized("code=c&state=", OIDC_STATE_MAX + 1, ""), OIDC_ARGS,
          "CB-10: a state of 513");
    is_rc(sized("state=s&error=", 128, ""), OIDC_OK,
          "CB-10: an error of 128");
    is_rc(sized("state=s&error=", 129, ""), OIDC_ARGS,
          "CB-10: an error of 129");
    is_rc(sized("code=c&state=s&x=", OIDC_ARGS_MAX - 17, ""), OIDC_OK,
          "CB-10: a query of 8192");
    is_rc(sized("code=c&state=s&x=", OIDC_ARGS_MAX - 16, ""), OIDC_ARGS,
          "CB-10: a query of 8193");
}


static oidc_rc_t
iss(const char *query, const char *issuer, int announced)
{
    oidc_str_t       in;
    oidc_callback_t  a;

    (void) callback(query, &a);
    in = tap_str(issuer);

    return oidc_callback_iss(&a, &in, announced);
}


static void
test_iss(void)
{
    static const char  good[] = "code=c&state=s&iss=https%3A%2F%2Fidp";
    static const char  none[] = "code=c&state=s";

    is_rc(iss(good, "https://idp", 1), OIDC_OK, "F13 CB-4: equal");
    is_rc(iss(good, "https://idp", 0), OIDC_OK, "F13: not announced");
    is_rc(iss(good, "https://idp/", 0), OIDC_ISS_MISMATCH, "F13: a slash");
    is_rc(iss(good, "https://IDP", 1), OIDC_ISS_MISMATCH, "F13: case");
    is_rc(iss(good, "https://id", 1), OIDC_ISS_MISMATCH, "F13: longer");
    is_rc(iss(none, "https://idp", 1), OIDC_ISS_MISSING,
          "F13 CB-4: announced and absent");
    is_rc(iss(none, "https://idp", 0), OIDC_OK, "F13: neither");
    is_rc(iss("error=x&state=s", "https://idp", 1), OIDC_ISS_MISSING,
          "F13 CB-4: errors too");
    is_rc(iss("error=x&state=s&iss=https://h", "https://idp", 0),
          OIDC_ISS_MISMATCH, "F13 CB-4: errors too");
}


static void
test_errors(void)
{
    size_t           i;
    char             query[96];
    oidc_callback_t  a;

    static const struct {
        const char  *error;
        oidc_rc_t    rc;
    } errors[] = {
        { "access_denied", OIDC_ACCESS_DENIED },
        { "login_required", OIDC_LOGIN_REQUIRED },
        { "interaction_required", OIDC_LOGIN_REQUIRED },
        { "consent_required", OIDC_LOGIN_REQUIRED },
        { "account_selection_required", OIDC_LOGIN_REQUIRED },
        { "temporarily_unavailable", OIDC_PROVIDER_BUSY },
        { "server_error", OIDC_PROVIDER_ERROR },
        { "invalid_scope", OIDC_PROVIDER_ERROR },
        { "Access_denied", OIDC_PROVIDER_ERROR },
        { "access_denied2", OIDC_PROVIDER_ERROR }
    };

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        snprintf(query, sizeof(query), "state=s&error=%s", errors[i].error);
        (void) callback(query, &a);

        ok(oidc_callback_error(&a) == errors[i].rc, "F12 CB-6: %s",
           errors[i].error);
    }

    (void) callback("state=s&code=c", &a);
    is_rc(oidc_callback_error(&a), OIDC_OK, "CB-6: no error");
}
