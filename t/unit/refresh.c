
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * When a session asks again, what an answer comes to, and what a refreshed ID
 * token may not change.
 */


#include "tap.h"

#include "oidc_refresh.h"


static void test_due(void);
static void test_times(void);
static void test_answers(void);
static void test_claims(void);
static void test_userinfo(void);


int
main(void)
{
    test_due();
    test_times();
    test_answers();
    test_claims();
    test_userinfo();

    return done_testing();
}


/* columns as in the structs; the time is 1000 */

static const struct {
    int64_t      access_expires;
    int64_t      refresh_at;
    int64_t      refresh_sent;
    int64_t      userinfo_at;
    int64_t      interval;
    unsigned     refresh;
    unsigned     required;
    oidc_due_e   due;
    const char  *what;
} dues[] = {
    { 0, 0, 0, 0, 0, 1, 1, OIDC_DUE_NOTHING, "no end is known" },
    { 1300, 1270, 0, 0, 0, 1, 1, OIDC_DUE_NOTHING, "fresh" },
    { 1030, 1001, 0, 0, 0, 1, 1, OIDC_DUE_NOTHING, "a second before leeway" },
    { 1030, 1000, 0, 0, 0, 1, 0, OIDC_DUE_REFRESH, "leeway" },
    { 1000, 970, 0, 0, 0, 1, 0, OIDC_DUE_REFRESH, "over" },
    { 1030, 1000, 0, 0, 0, 0, 0, OIDC_DUE_NOTHING, "leeway, off" },
    { 1000, 970, 0, 0, 0, 0, 0, OIDC_DUE_NOTHING, "over, off" },
    { 1000, 0, 0, 0, 0, 1, 0, OIDC_DUE_NOTHING, "over, no refresh token" },
    { 1000, 0, 0, 0, 0, 1, 1, OIDC_DUE_LOGIN, "over, none, required" },
    { 1001, 0, 0, 0, 0, 1, 1, OIDC_DUE_NOTHING, "not yet over, required" },
    { 1030, 1000, 999, 0, 0, 1, 0, OIDC_DUE_NOTHING, "sent, not over" },
    { 1000, 970, 999, 0, 0, 1, 0, OIDC_DUE_REFRESH, "sent, over" },
    { 990, 1005, 0, 0, 0, 1, 0, OIDC_DUE_NOTHING, "over, back-off" },
    { 990, 1005, 0, 0, 0, 1, 1, OIDC_DUE_LOGIN, "over, back-off, required" },
    { 1300, 1270, 0, 940, 60, 1, 0, OIDC_DUE_USERINFO, "userinfo" },
    { 1300, 1270, 0, 941, 60, 1, 0, OIDC_DUE_NOTHING, "userinfo, not yet" },
    { 1300, 1270, 0, 0, 60, 1, 0, OIDC_DUE_NOTHING, "userinfo, never asked" },
    { 1300, 1270, 0, 1, 0, 1, 0, OIDC_DUE_NOTHING, "userinfo, no interval" },
    { 0, 0, 0, 940, 60, 1, 0, OIDC_DUE_USERINFO, "userinfo, no end known" },
    { 1030, 1000, 0, 940, 60, 1, 0, OIDC_DUE_REFRESH, "both" },
    { 1030, 1000, 999, 940, 60, 1, 0, OIDC_DUE_USERINFO, "userinfo, sent" },
    { 1000, 0, 0, 940, 60, 1, 0, OIDC_DUE_NOTHING, "userinfo, over" },
    { 0, 0, 0, 0, 0, 0, 0, OIDC_DUE_NOTHING, NULL }
};


static void
test_due(void)
{
    int                     i;
    char                    name[64];
    oidc_session_t          s;
    oidc_refresh_policy_t   policy;

    for (i = 0; dues[i].what != NULL; i++) {
        memset(&s, 0, sizeof(s));

        s.access_expires = dues[i].access_expires;
        s.refresh_at = dues[i].refresh_at;
        s.refresh_sent = dues[i].refresh_sent;
        s.userinfo_at = dues[i].userinfo_at;
        policy.userinfo_interval = dues[i].interval;
        policy.refresh = dues[i].refresh;
        policy.required = dues[i].required;

        (void) snprintf(name, sizeof(name), "S10 UI-10: %s", dues[i].what);
        is_int(oidc_refresh_due(&s, &policy, 1000), dues[i].due, name);
    }
}


static void
is_at(int64_t expires_in, int64_t leeway, int has, int64_t over, int64_t at,
    const char *what)
{
    oidc_session_t  s;

    s.refresh_sent = 5;

    oidc_refresh_times(&s, 1000, expires_in, leeway, has);

    ok(s.access_expires == over && s.refresh_at == at && s.refresh_sent == 0,
       what);
}


static void
test_times(void)
{
    is_at(300, 30, 1, 1300, 1270, "S10: leeway");
    is_at(300, 0, 1, 1300, 1300, "S10: no leeway");
    is_at(300, 30, 0, 1300, 0, "S10: nothing to refresh with");
    is_at(-1, 30, 1, 0, 0, "S10: the end is not known");
    is_at(40, 30, 1, 1040, 1020, "S10: at most half of its life");
    is_at(60, 3000, 1, 1060, 1030, "S10: a leeway longer than its life");
    is_at(1, 30, 1, 1001, 1001, "S10: a second");
    is_at(0, 30, 1, 1000, 1001, "S10: none: never at once");
    is_at((int64_t) 1 << 53, 30, 1, ((int64_t) 1 << 53) + 1000,
          ((int64_t) 1 << 53) + 970, "S10: for ever");
}


static void
test_answers(void)
{
    int   i;
    char  name[64];

    static const struct {
        oidc_rc_t       fetch;
        int             sent;
        int             status;
        oidc_rc_t       parsed;
        oidc_answer_e   answer;
        const char     *what;
    } rows[] = {
        { OIDC_OK, 1, 200, OIDC_OK, OIDC_ANSWER_GOOD, "good" },
        { OIDC_OK, 1, 400, OIDC_TOKEN_ERROR, OIDC_ANSWER_REFUSED,
          "an error as 400" },
        { OIDC_OK, 1, 401, OIDC_TOKEN_ERROR, OIDC_ANSWER_REFUSED,
          "an error as 401" },
        { OIDC_OK, 1, 200, OIDC_TOKEN_ERROR, OIDC_ANSWER_REFUSED,
          "an error as 200" },
        { OIDC_OK, 1, 400, OIDC_FETCH_STATUS, OIDC_ANSWER_TRANSIENT,
          "400 of no token endpoint" },
        { OIDC_OK, 1, 500, OIDC_FETCH_STATUS, OIDC_ANSWER_TRANSIENT,
          "status 500" },
        { OIDC_OK, 1, 503, OIDC_FETCH_STATUS, OIDC_ANSWER_TRANSIENT,
          "status 503" },
        { OIDC_OK, 1, 429, OIDC_FETCH_STATUS, OIDC_ANSWER_TRANSIENT,
          "status 429" },
        { OIDC_OK, 1, 302, OIDC_FETCH_STATUS, OIDC_ANSWER_TRANSIENT,
          "status 302" },
        { OIDC_OK, 1, 504, OIDC_FETCH_STATUS, OIDC_ANSWER_LOST,
          "status 504" },
        { OIDC_OK, 1, 200, OIDC_JSON, OIDC_ANSWER_LOST, "200, garbage" },
        { OIDC_OK, 1, 200, OIDC_TOKEN_MEMBER, OIDC_ANSWER_LOST,
          "200, incomplete" },
        { OIDC_OK, 1, 204, OIDC_FETCH_STATUS, OIDC_ANSWER_LOST,
          "status 204" },
        { OIDC_FETCH, 0, 0, OIDC_OK, OIDC_ANSWER_TRANSIENT, "not connected" },
        { OIDC_FETCH_TIMEOUT, 0, 0, OIDC_OK, OIDC_ANSWER_TRANSIENT,
          "not connected in time" },
        { OIDC_FETCH, 1, 0, OIDC_OK, OIDC_ANSWER_LOST, "cut" },
        { OIDC_FETCH_TIMEOUT, 1, 0, OIDC_OK, OIDC_ANSWER_LOST, "too late" },
        { OIDC_FETCH_SIZE, 1, 0, OIDC_OK, OIDC_ANSWER_LOST, "too long" },
        { OIDC_OK, 0, 0, OIDC_OK, OIDC_ANSWER_GOOD, NULL }
    };

    static const struct {
        oidc_rc_t       fetch;
        int             status;
        oidc_rc_t       parsed;
        oidc_answer_e   answer;
    } userinfo[] = {
        { OIDC_OK, 200, OIDC_OK, OIDC_ANSWER_GOOD },
        { OIDC_OK, 401, OIDC_OK, OIDC_ANSWER_REFUSED },
        { OIDC_OK, 403, OIDC_OK, OIDC_ANSWER_REFUSED },
        { OIDC_OK, 404, OIDC_OK, OIDC_ANSWER_TRANSIENT },
        { OIDC_OK, 500, OIDC_OK, OIDC_ANSWER_TRANSIENT },
        { OIDC_OK, 200, OIDC_JSON, OIDC_ANSWER_TRANSIENT },
        { OIDC_OK, 200, OIDC_CLAIM_SUB, OIDC_ANSWER_WRONG },
        { OIDC_OK, 200, OIDC_JWS_SIGNATURE, OIDC_ANSWER_TRANSIENT },
        { OIDC_FETCH, 0, OIDC_OK, OIDC_ANSWER_TRANSIENT },
        { OIDC_FETCH_TIMEOUT, 0, OIDC_OK, OIDC_ANSWER_TRANSIENT }
    };

    for (i = 0; rows[i].what != NULL; i++) {
        (void) snprintf(name, sizeof(name), "TK-15: %s", rows[i].what);
        is_int(oidc_refresh_answer(rows[i].fetch, rows[i].sent,
                                   rows[i].status, rows[i].parsed),
               rows[i].answer, name);
    }

    for (i = 0; i < 10; i++) {
        is_int(oidc_userinfo_answer(userinfo[i].fetch, userinfo[i].status,
                                    userinfo[i].parsed),
               userinfo[i].answer, "UI-10: userinfo");
    }
}


#define BEFORE  "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\","     \
                "\"iat\":1000,\"nonce\":\"N\",\"auth_time\":990,"             \
                "\"acr\":\"2\",\"sid\":\"S\""
#define LEAST   "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\","     \
                "\"iat\":2000"


static oidc_rc_t
check(const char *before, const char *after, const char *member,
    const char **value)
{
    json_t      *a, *b;
    oidc_rc_t    rc;

    static char  text[64];

    a = json_loads(before, 0, NULL);
    b = json_loads(after, 0, NULL);

    rc = oidc_refresh_claims(a, b, 2000, 30);

    *value = json_string_value(json_object_get(b, member));

    if (*value != NULL) {
        (void) snprintf(text, sizeof(text), "%s", *value);
        *value = text;
    }

    json_decref(a);
    json_decref(b);

    return rc;
}


static void
test_claims(void)
{
    int          i;
    const char  *value;

    static const struct {
        const char  *before;
        const char  *after;
        oidc_rc_t    rc;
        const char  *what;
    } rows[] = {
        { BEFORE, LEAST, OIDC_OK, "the least" },
        { BEFORE, LEAST ",\"sid\":\"S\"", OIDC_OK, "the same sid" },
        { BEFORE, LEAST ",\"sid\":\"T\"", OIDC_CLAIM_SID, "another sid" },
        { BEFORE, LEAST ",\"nonce\":\"N\",\"auth_time\":990", OIDC_OK,
          "all of it" },
        { BEFORE, "\"iss\":\"j\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\","
          "\"iat\":2000", OIDC_CLAIM_ISS, "iss" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"t\",\"aud\":\"c\",\"azp\":\"c\","
          "\"iat\":2000", OIDC_CLAIM_SUB, "sub" },
        { BEFORE, "\"iss\":\"i\",\"aud\":\"c\",\"azp\":\"c\",\"iat\":2000",
          OIDC_CLAIM_SUB, "no sub" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"d\",\"azp\":\"c\","
          "\"iat\":2000", OIDC_CLAIM_AUD, "aud" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\"],"
          "\"azp\":\"c\",\"iat\":2000", OIDC_OK, "aud as an array" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\",\"d\"],"
          "\"azp\":\"c\",\"iat\":2000", OIDC_CLAIM_AUD, "one more aud" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\",\"d\"]",
          "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"d\",\"c\"],\"iat\":2000",
          OIDC_OK, "aud in another order" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\",\"d\"]",
          "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"iat\":2000",
          OIDC_CLAIM_AUD, "one aud less" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\"]",
          "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"iat\":2000",
          OIDC_OK, "aud as a string" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\",\"d\"]",
          "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[\"c\",\"c\"],\"iat\":2000",
          OIDC_CLAIM_AUD, "the same aud twice" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[]",
          "\"iss\":\"i\",\"sub\":\"s\",\"aud\":[],\"iat\":2000",
          OIDC_CLAIM_AUD, "no aud" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"iat\":2000",
          OIDC_CLAIM_AZP, "azp gone" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\"", LEAST, OIDC_CLAIM_AZP,
          "azp that was not there" },
        { BEFORE, LEAST ",\"auth_time\":991", OIDC_CLAIM_AUTH_TIME,
          "auth_time" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\"",
          LEAST ",\"auth_time\":991", OIDC_OK, "auth_time for the first time" },
        { BEFORE, LEAST ",\"nonce\":\"M\"", OIDC_CLAIM_NONCE, "nonce" },
        { BEFORE, LEAST ",\"nonce\":1", OIDC_CLAIM_NONCE, "nonce, a number" },
        { "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\"",
          LEAST ",\"nonce\":\"N\"", OIDC_CLAIM_NONCE,
          "a nonce that was not there" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\","
          "\"iat\":1970", OIDC_OK, "iat within clock_skew" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\","
          "\"iat\":1969", OIDC_CLAIM_IAT, "iat of before" },
        { BEFORE, "\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"c\",\"azp\":\"c\"",
          OIDC_CLAIM_IAT, "no iat" },
        { NULL, NULL, OIDC_OK, NULL }
    };

    for (i = 0; rows[i].what != NULL; i++) {
        char  before[512], after[512], name[64];

        (void) snprintf(before, sizeof(before), "{%s}", rows[i].before);
        (void) snprintf(after, sizeof(after), "{%s}", rows[i].after);
        (void) snprintf(name, sizeof(name), "V15 TK-14: %s", rows[i].what);

        is_rc(check(before, after, "x", &value), rows[i].rc, name);
    }

    (void) check("{" BEFORE "}", "{" LEAST "}", "nonce", &value);
    ok(value != NULL && strcmp(value, "N") == 0, "V15: the nonce is kept");
    (void) check("{" BEFORE "}", "{" LEAST "}", "acr", &value);
    ok(value != NULL && strcmp(value, "2") == 0, "V15: as is acr");
    (void) check("{" BEFORE "}", "{" LEAST ",\"acr\":\"1\"}", "acr", &value);
    ok(value != NULL && strcmp(value, "1") == 0, "V15: a new one counts");
    (void) check("{" BEFORE ",\"role\":\"r\"}", "{" LEAST "}", "role", &value);
    ok(value == NULL, "V15: but no role is kept");
}


static void
test_userinfo(void)
{
    json_t  *userinfo, *before, *claims, *left;

    before = json_loads("{\"sub\":\"s\",\"a\":1,\"b\":1}", 0, NULL);
    claims = json_loads("{\"sub\":\"s\",\"b\":2,\"c\":2}", 0, NULL);
    userinfo = json_loads("{\"sub\":\"s\",\"a\":0,\"b\":0,\"c\":0,"
                          "\"d\":0}", 0, NULL);
    left = json_deep_copy(userinfo);

    oidc_refresh_userinfo(left, before, before);
    ok(json_equal(left, userinfo), "V15: no new ID token, userinfo stays");

    oidc_refresh_userinfo(left, before, claims);
    is_int(json_object_size(left), 2, "V15: else what an ID token speaks of");
    ok(json_object_get(left, "sub") != NULL, "... but for sub");
    ok(json_object_get(left, "d") != NULL, "... and the rest");

    json_decref(left);
    json_decref(userinfo);
    json_decref(claims);
    json_decref(before);
}
