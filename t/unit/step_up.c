
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* Strong enough, fresh enough, and with the claims that were asked for. */


#include "tap.h"

#include "oidc_claims.h"
#include "oidc_step_up.h"


#define NOW  1800000000


static void is_strength(const char *acr_values, int64_t max_age,
    const char *token, oidc_rc_t expected, const char *test);
static void is_request(const char *text, oidc_rc_t expected, const char *test);
static void is_essential(const char *request, const char *id_token,
    const char *userinfo, oidc_rc_t expected, const char *test);


int
main(void)
{
    is_strength("", -1, "{}", OIDC_OK, "F19: nothing is asked for");
    is_strength("a", -1, "{}", OIDC_ACR, "F19: no acr");
    is_strength("a", -1, "{\"acr\":\"a\"}", OIDC_OK, "F19: the only one");
    is_strength("a b", -1, "{\"acr\":\"b\"}", OIDC_OK, "F19: the last one");
    is_strength("a b", -1, "{\"acr\":\"c\"}", OIDC_ACR, "F19: another");
    is_strength("a b", -1, "{\"acr\":\"a b\"}", OIDC_ACR, "F19: both in one");
    is_strength("ab", -1, "{\"acr\":\"a\"}", OIDC_ACR, "F19: a part");
    is_strength("a", -1, "{\"acr\":\"A\"}", OIDC_ACR, "F19: case matters");
    is_strength("a", -1, "{\"acr\":[\"a\"]}", OIDC_ACR, "F19: an array");
    is_strength("1", -1, "{\"acr\":\"\"}", OIDC_ACR, "F19: an empty acr");

    is_strength("", 60, "{}", OIDC_AUTH_TIME, "ID-11: no auth_time");
    is_strength("", 60, "{\"auth_time\":1799999940}", OIDC_OK,
                "ID-11: just fresh enough");
    is_strength("", 60, "{\"auth_time\":1799999930}", OIDC_OK,
                "ID-11: with the skew");
    is_strength("", 60, "{\"auth_time\":1799999929}", OIDC_AUTH_TIME,
                "ID-11: a second too old");
    is_strength("", 60, "{\"auth_time\":1799999999.5}", OIDC_OK,
                "ID-11: with a fraction");
    is_strength("", 60, "{\"auth_time\":1e300}", OIDC_AUTH_TIME,
                "ID-11: huge");
    is_strength("", 60, "{\"auth_time\":-5}", OIDC_AUTH_TIME,
                "ID-11: negative");
    is_strength("", 60, "{\"auth_time\":\"\"}", OIDC_AUTH_TIME,
                "ID-11: an empty string");
    is_strength("", 60, "{\"auth_time\":1800000011}", OIDC_AUTH_TIME,
                "ID-11: from the future");
    is_strength("", 0, "{\"auth_time\":1799999990}", OIDC_OK,
                "ID-11: max_age=0 right after a login");
    is_strength("a", 60, "{\"acr\":\"a\",\"auth_time\":1}", OIDC_AUTH_TIME,
                "ID-11: both are wanted");

    is_request("{}", OIDC_OK, "ID-22: an empty request");
    is_request("{\"id_token\":{\"a\":null,\"b\":{\"essential\":true}},"
               "\"userinfo\":{}}", OIDC_OK, "ID-22: a good one");
    is_request("{\"id_token\":null}", OIDC_ARGS, "ID-22: null");
    is_request("{\"idtoken\":{}}", OIDC_ARGS, "ID-22: another member");
    is_request("{\"id_token\":{\"a\":true}}", OIDC_ARGS, "ID-22: a boolean");
    is_request("[]", OIDC_ARGS, "ID-22: an array");
    is_request("{", OIDC_ARGS, "ID-22: no JSON");

    is_essential("{\"id_token\":{\"amr\":{\"essential\":true}}}",
                 "{\"amr\":[\"pwd\"]}", NULL, OIDC_OK, "ID-22: there");
    is_essential("{\"id_token\":{\"amr\":{\"essential\":true}}}", "{}", NULL,
                 OIDC_ESSENTIAL, "ID-22: missing");
    is_essential("{\"id_token\":{\"amr\":{\"essential\":true}}}",
                 "{\"amr\":null}", NULL, OIDC_ESSENTIAL, "ID-22: null");
    is_essential("{\"id_token\":{\"amr\":{\"essential\":false},\"x\":null}}",
                 "{}", NULL, OIDC_OK, "ID-22: voluntary");
    is_essential("{\"id_token\":{\"acr\":{\"essential\":true,\"values\":"
                 "[\"a\",\"b\"]}}}", "{\"acr\":\"b\"}", NULL, OIDC_OK,
                 "PC-7: one of the values");
    is_essential("{\"id_token\":{\"acr\":{\"essential\":true,\"values\":"
                 "[\"a\",\"b\"]}}}", "{\"acr\":\"c\"}", NULL, OIDC_ESSENTIAL,
                 "PC-7: none of the values");
    is_essential("{\"id_token\":{\"sub\":{\"essential\":true,\"value\":"
                 "\"1\"}}}", "{\"sub\":\"1\"}", NULL, OIDC_OK,
                 "ID-22: the value");
    is_essential("{\"id_token\":{\"sub\":{\"essential\":true,\"value\":"
                 "\"1\"}}}", "{\"sub\":1}", NULL, OIDC_ESSENTIAL,
                 "ID-22: another type");
    is_essential("{\"userinfo\":{\"email\":{\"essential\":true}}}",
                 "{\"email\":\"a\"}", NULL, OIDC_ESSENTIAL,
                 "ID-22: asked of userinfo, which was not called");
    is_essential("{\"userinfo\":{\"email\":{\"essential\":true}}}", "{}",
                 "{\"email\":\"a\"}", OIDC_OK, "ID-22: by userinfo");

    return done_testing();
}


static void
is_strength(const char *acr_values, int64_t max_age, const char *token,
    oidc_rc_t expected, const char *test)
{
    json_t           *json;
    oidc_str_t        flat;
    oidc_strength_t   strength;

    memset(&strength, 0, sizeof(strength));
    strength.acr_values = tap_str(acr_values);
    strength.has_max_age = (max_age >= 0);
    strength.max_age = max_age;

    json = json_loads(token, 0, NULL);

    is_rc(oidc_claims_flatten(tap_pool(), json, NULL, &flat), OIDC_OK, test);
    is_rc(oidc_strength_check(&strength, &flat, NOW, 10), expected, test);

    json_decref(json);
}


static void
is_request(const char *text, oidc_rc_t expected, const char *test)
{
    json_t      *request = NULL;
    oidc_str_t   s;

    s = tap_str(text);

    is_rc(oidc_claims_request(&s, &request), expected, test);

    json_decref(request);
}


static void
is_essential(const char *request, const char *id_token, const char *userinfo,
    oidc_rc_t expected, const char *test)
{
    json_t  *wanted, *token, *info;

    wanted = json_loads(request, 0, NULL);
    token = json_loads(id_token, 0, NULL);
    info = userinfo ? json_loads(userinfo, 0, NULL) : NULL;

    is_rc(oidc_essential_check(wanted, token, info), expected, test);

    json_decref(wanted);
    json_decref(token);
    json_decref(info);
}
