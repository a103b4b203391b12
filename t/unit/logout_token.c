
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Verdicts on logout tokens (Back-Channel Logout 1.0 section 2.6): each test
 * takes a good one, changes one thing and signs it.
 */


#include "tap.h"

#include "sign.h"

#include "oidc_json.h"
#include "oidc_logout.h"


#define EVENT  "http://schemas.openid.net/event/backchannel-logout"
#define TYPED  "{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"logout+jwt\"}"


typedef struct {
    const char  *name;
    const char  *value;         /* JSON; NULL: absent */
} claim_t;


static const claim_t  base_claims[] = {
    { "iss", "\"https://idp\"" },
    { "aud", "\"client\"" },
    { "iat", "1800000000" },
    { "exp", "1800000120" },
    { "jti", "\"J\"" },
    { "events", "{\"" EVENT "\":{}}" },
    { "sub", "\"u1\"" },
    { "sid", "\"S\"" },
    { NULL, NULL }
};


static const char *const  wrong_types[] = {
    "null", "1", "1.5", "true", "false", "\"\"", "[]", "{}", "[1]",
    "[\"\"]", "{\"a\":1}", NULL
};


static void test_good(void);
static void test_types(void);
static void test_events(void);
static void test_subject(void);
static void test_times(void);
static void test_headers(void);
static void test_memory(void);


static oidc_expect_t        expect;
static oidc_logout_token_t  out;


int
main(void)
{
    sign_setup(&expect);

    /* of the login, and nothing here */

    expect.nonce.len = 0;
    expect.access_token.len = 0;

    test_good();
    test_types();
    test_events();
    test_subject();
    test_times();
    test_headers();
    test_memory();

    sign_done();

    return done_testing();
}


/* the good claims with one replaced, added or (NULL) taken away, "but" too */

static const char *
payload(const char *name, const char *value, const char *but)
{
    size_t           n;
    const claim_t   *c;
    static char      text[4096];

    n = (size_t) sprintf(text, "{");

    for (c = base_claims; c->name != NULL; c++) {
        if ((name == NULL || strcmp(c->name, name) != 0)
            && (but == NULL || strcmp(c->name, but) != 0))
        {
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
    return oidc_logout_token_check(tap_pool(), &token, &expect, &out);
}


static oidc_rc_t
check(const char *name, const char *value)
{
    return check_token(sign(JWT, payload(name, value, NULL)));
}


static oidc_rc_t
check_but(const char *but, const char *name, const char *value)
{
    return check_token(sign(JWT, payload(name, value, but)));
}


static void
test_good(void)
{
    is_rc(check_token(sign("{\"alg\":\"RS256\",\"kid\":\"r\","
                           "\"typ\":\"logout+jwt\"}",
                           payload(NULL, NULL, NULL))),
          OIDC_OK, "L08 LO-6: a logout token");
    is_str(&out.sid, "S", "L08: its sid");
    is_str(&out.sub, "u1", "L08: its sub");
    is_str(&out.jti, "J", "L09: its jti");
    is_int(out.until, 1800000150, "L09: its end, and the skew");

    is_rc(check("trace", "\"x\""), OIDC_OK, "V16: unknown claims");
    is_rc(check("azp", "\"client\""), OIDC_OK, "L08: our azp");
    is_rc(check("aud", "[\"client\"]"), OIDC_OK, "L08: a list of us");
}


/* each claim in each type that it is not, and absent */

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
            diag("%s: %s is %s", name, *value,
                 oidc_rc_name(check(name, *value)));
            n++;
        }
    }

    ok(n == 0, "L08 LO-6: %s in every wrong type", name);
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
    is_wrong("jti", OIDC_CLAIM_JTI, "");
    is_wrong("events", OIDC_CLAIM_EVENTS, "");
    is_wrong("sid", OIDC_CLAIM_TYPE, "\"\"");

    is_rc(check("iss", NULL), OIDC_CLAIM_ISS, "L08: no iss");
    is_rc(check("aud", NULL), OIDC_CLAIM_AUD, "L08: no aud");
    is_rc(check("iat", NULL), OIDC_CLAIM_IAT, "L08: no iat");
    is_rc(check("jti", NULL), OIDC_CLAIM_JTI, "L08: no jti");
    is_rc(check("events", NULL), OIDC_CLAIM_EVENTS, "L08: no events");

    is_rc(check("iss", "\"https://idp2\""), OIDC_CLAIM_ISS, "L08: wrong iss");
    is_rc(check("aud", "\"other\""), OIDC_CLAIM_AUD, "L08: wrong aud");
    is_rc(check("aud", "[\"client\",\"other\"]"), OIDC_CLAIM_AUD,
          "L08: one more aud, not trusted");
    is_rc(check("nonce", "\"NONCE\""), OIDC_CLAIM_NONCE,
          "L08: a nonce: an ID token");
}


static void
test_events(void)
{
    is_rc(check("events", "{\"" EVENT "\":{\"x\":1},\"other\":{}}"), OIDC_OK,
          "L08: other events too, and members inside");
    is_rc(check("events", "{\"" EVENT "2\":{}}"), OIDC_CLAIM_EVENTS,
          "L08: another event");
    is_rc(check("events", "{\"" EVENT "\":null}"), OIDC_CLAIM_EVENTS,
          "L08: the event is null");
    is_rc(check("events", "{\"" EVENT "\":true}"), OIDC_CLAIM_EVENTS,
          "L08: the event is true");
    is_rc(check("events", "{\"" EVENT "\":\"{}\"}"), OIDC_CLAIM_EVENTS,
          "L08: the event is a string");
    is_rc(check("events", "{\"" EVENT "\":[]}"), OIDC_CLAIM_EVENTS,
          "L08: the event is an array");
    is_rc(check("events", "[\"" EVENT "\"]"), OIDC_CLAIM_EVENTS,
          "L08: events is an array");
    is_rc(check("events", "\"" EVENT "\""), OIDC_CLAIM_EVENTS,
          "L08: events is a string");
}


static void
test_subject(void)
{
    char  text[1100];

    is_rc(check("sid", NULL), OIDC_OK, "L10: sub alone");
    is_int(out.sid.len, 0, "L10: no sid then");
    is_str(&out.sub, "u1", "L10: but the sub");

    is_rc(check("sub", NULL), OIDC_OK, "L10: sid alone");
    is_int(out.sub.len, 0, "L10: no sub then");
    is_str(&out.sid, "S", "L10: but the sid");

    is_rc(check_but("sub", "sid", NULL), OIDC_CLAIM_SUBJECT,
          "L08: neither sub nor sid");
    is_rc(check_but("sub", "sid", "\"\""), OIDC_CLAIM_SUBJECT,
          "L08: an empty sid");
    is_rc(check("sid", "\"\""), OIDC_CLAIM_SUBJECT,
          "L08: an empty sid does not mean all of sub");
    is_rc(check_but("sid", "sub", "\"\""), OIDC_CLAIM_SUB,
          "L08: an empty sub");
    is_rc(check("sub", "\"\""), OIDC_CLAIM_SUB, "L08: an empty sub and a sid");

    is_rc(check("sid", "\" ~/+=?&\\\"\\\\\\u00e9\\u20ac\""), OIDC_OK,
          "L10: any character in a sid");
    is_str(&out.sid, " ~/+=?&\"\\\xc3\xa9\xe2\x82\xac", "L10: as it is");
    is_rc(check("sid", "\"a\\u0000\""), OIDC_JSON, "L10: but NUL");

    memset(text, 'j', sizeof(text));
    text[0] = '"';
    strcpy(text + OIDC_JTI_MAX + 1, "\"");
    is_rc(check("jti", text), OIDC_OK, "L09: a long jti");
    text[OIDC_JTI_MAX + 1] = 'j';
    strcpy(text + OIDC_JTI_MAX + 2, "\"");
    is_rc(check("jti", text), OIDC_CLAIM_JTI, "L09: a jti too long");
}


static void
test_times(void)
{
    is_rc(check("exp", "1799999971"), OIDC_OK, "L08: exp within the skew");
    is_int(out.until, 1800000001, "L09: until then");
    is_rc(check("exp", "1799999970"), OIDC_CLAIM_EXP, "L08: exp is past");
    is_rc(check("nbf", "1800000031"), OIDC_CLAIM_NBF, "L08: not yet");
    is_rc(check("iat", "1800000030"), OIDC_OK, "L08: iat within the skew");
    is_rc(check("iat", "1800000031"), OIDC_CLAIM_IAT, "L08: of the future");
    is_rc(check("iat", "-1"), OIDC_CLAIM_IAT, "L08: before 1970");
    is_rc(check("iat", "1799999000"), OIDC_OK, "LO-7: old, with exp");

    is_rc(check("exp", NULL), OIDC_OK, "LO-7: no exp");
    is_int(out.until, 1800000150, "LO-7: 120 s from iat, and the skew");
    is_rc(check_but("exp", "iat", "1799999851"), OIDC_OK,
          "LO-7: no exp, 149 s old");
    is_rc(check_but("exp", "iat", "1799999850"), OIDC_CLAIM_IAT,
          "LO-7: no exp, too old");

    is_rc(check("exp", "1900000000"), OIDC_OK, "L09: exp far away");
    is_int(out.until, 1800086430, "L09: nobody need remember it so long");
    is_rc(check("exp", "1e300"), OIDC_OK, "L09: or for ever");
    is_int(out.until, 1800086430, "L09: ... likewise");

    expect.now += OIDC_LOGOUT_LIFE + SKEW - 1;
    is_rc(check("exp", "1900000000"), OIDC_OK, "L09: for a day");
    expect.now += 1;
    is_rc(check("exp", "1900000000"), OIDC_CLAIM_IAT, "L09: and no longer");
    expect.now = NOW;
}


static oidc_rc_t
check_header(const char *header)
{
    return check_token(sign(header, payload(NULL, NULL, NULL)));
}


static oidc_rc_t
check_typ(const char *typ)
{
    char  text[100];

    snprintf(text, sizeof(text), "{\"alg\":\"ES256\",\"kid\":\"e\","
             "\"typ\":%s}", typ);

    return check_header(text);
}


static void
test_headers(void)
{
    u_char      *bent;
    oidc_str_t   token;

    is_rc(check_header(JWT), OIDC_OK, "LO-7: no typ");
    is_rc(check_typ("\"JWT\""), OIDC_OK, "LO-7: JWT");
    is_rc(check_typ("\"jwt\""), OIDC_OK, "LO-7: jwt");
    is_rc(check_typ("\"application/jwt\""), OIDC_OK, "LO-7: application/jwt");
    is_rc(check_typ("\"Logout+JWT\""), OIDC_OK, "LO-7: Logout+JWT");
    is_rc(check_typ("\"application/logout+jwt\""), OIDC_OK,
          "LO-7: application/logout+jwt");

    is_rc(check_typ("\"at+jwt\""), OIDC_JWS_TYP, "L08: an access token");
    is_rc(check_typ("\"token-introspection+jwt\""), OIDC_JWS_TYP,
          "L08: an introspection answer");
    is_rc(check_typ("\"secevent+jwt\""), OIDC_JWS_TYP, "L08: secevent+jwt");
    is_rc(check_typ("\"logout+jw\""), OIDC_JWS_TYP, "L08: logout+jw");
    is_rc(check_typ("\"\""), OIDC_JWS_TYP, "L08: empty");
    is_rc(check_typ("null"), OIDC_JWS_TYP, "L08: null");
    is_rc(check_typ("1"), OIDC_JWS_TYP, "L08: a number");

    is_rc(check_header("{\"alg\":\"none\"}"), OIDC_JWS_ALG, "L08: alg none");
    is_rc(check_header("{\"alg\":\"HS256\"}"), OIDC_JWS_ALG,
          "L08: an alg that is not configured");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"f\"}"), OIDC_JWS_KID,
          "L08: an unknown kid");
    is_rc(check_header("{\"alg\":\"ES256\",\"kid\":\"r\"}"), OIDC_JWS_KEY,
          "L08: another key's kid");

    token = sign(TYPED, payload(NULL, NULL, NULL));
    bent = &token.data[token.len - 10];
    *bent = (*bent == 'A') ? 'B' : 'A';
    is_rc(check_token(token), OIDC_JWS_SIGNATURE, "L08: a bent signature");

    is_rc(check_token(sign(TYPED, "[]")), OIDC_JSON, "L08: an array");
    is_rc(check_token(sign(TYPED, "{}")), OIDC_CLAIM_ISS, "L08: nothing");
    is_rc(check_token(tap_str("")), OIDC_JWS, "L08: no token");
    is_rc(check_token(tap_str("a.b.c.d.e")), OIDC_JWS, "L08: a JWE");

    expect.algs = OIDC_HS256;
    is_rc(check_header("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}"), OIDC_OK,
          "L08: HS256 where it is configured");
    expect.algs = OIDC_ALG_DEFAULT;
}


static void
test_memory(void)
{
    int         n;
    oidc_rc_t   rc;
    oidc_str_t  token;

    token = sign(TYPED, payload(NULL, NULL, NULL));

    for (n = 0; n < 100; n++) {
        tap.fail_after = n;
        rc = check_token(token);

        if (rc != OIDC_NOMEM) {
            break;
        }
    }

    tap.fail_after = -1;

    is_rc(rc, OIDC_OK, "L08: no memory is no memory, until there is enough");
    ok(n > 2, "L08: ... at each place");
    tap_pool_reset();
}
