
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JSON of others: what is refused, and numbers that are odd but legal.
 */


#include "oidc_json.h"
#include "tap.h"


#define MAX  (64 * 1024)


static void test_refused(void);
static void test_bounds(void);
static void test_strings(void);
static void test_times(void);
static void test_has(void);

static void refused(const char *text, size_t len, const char *name);
static json_t *parse(const char *text);


int
main(void)
{
    test_refused();
    test_bounds();
    test_strings();
    test_times();
    test_has();

    return done_testing();
}


static void
test_refused(void)
{
    size_t       i;
    static const struct {
        const char  *text;
        const char  *name;
    } cases[] = {
        { "",                   "V16 nothing" },
        { " ",                  "V16 white space" },
        { "[1]",                "V16 an array" },
        { "\"a\"",              "V16 a string" },
        { "null",               "V16 null" },
        { "{",                  "V16 an open object" },
        { "{\"a\":1}x",         "V16 something behind the object" },
        { "{\"a\":1}{}",        "V16 two objects" },
        { "{\"a\":1,}",         "V16 a trailing comma" },
        { "{'a':1}",            "V16 single quotes" },
        { "{\"a\":01}",         "V16 a leading zero" },
        { "{\"a\":NaN}",        "V16 NaN" },
        { "{\"a\":1,\"a\":2}",  "V16 KE-2 a member twice" },
        { "{\"a\":1,\"\\u0061\":2}",
                                "V16 KE-2 a member twice, once escaped" },
        { "{\"a\":{\"b\":1,\"b\":1}}",
                                "V16 KE-2 a member twice, further down" },
        { "{\"a\":\"\\u0000\"}", "V16 an escaped NUL" },
        { "{\"a\\u0000\":1}",   "V16 an escaped NUL in a name" },
        { "{\"a\":\"\xff\"}",   "V16 bytes that are no UTF-8" },
        { "{\"a\":\"\xc0\x80\"}", "V16 an overlong NUL" },
        { "{\"a\":\"\\ud800\"}", "V16 half a surrogate pair" },
        { "{\"a\":\"x\ny\"}",   "V16 a raw line break in a string" },
        { "{\"a\":9223372036854775808}",
                                "V16 an integer beyond 64 bits" },
        { "{\"a\":1e999}",      "V16 a real beyond a double" },
        { "\xef\xbb\xbf{\"a\":1}", "V16 a byte order mark" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refused(cases[i].text, strlen(cases[i].text), cases[i].name);
    }

    refused("{\"a\":1}\0", 8, "V16 P9 a NUL behind the object");
    refused("{\"a\":1}\0{}", 10, "V16 P9 an object behind a NUL");
    refused("{\"a\":\"b\0c\"}", 11, "V16 P9 a raw NUL in a string");
    refused("\0{\"a\":1}", 8, "V16 P9 a NUL in front");
    refused("{\"a\":1\0}", 8, "V16 P9 a NUL behind a number");
    refused("{\"a\":1.5\0,\"b\":1}", 16, "V16 P9 a NUL behind a real");
    refused("{\"a\":true\0}", 11, "V16 P9 a NUL behind a word");
}


static void
test_bounds(void)
{
    char         text[4096];
    size_t       i, n;
    json_t      *object;
    oidc_str_t   str;

    str = tap_str("{\"a\":1}");

    is_rc(oidc_json_parse(&str, str.len, &object), OIDC_OK,
          "V16 as long as allowed");
    json_decref(object);
    is_rc(oidc_json_parse(&str, str.len - 1, &object), OIDC_JSON,
          "V16 one byte longer than allowed");

    for (n = OIDC_JSON_DEPTH - 1; n <= OIDC_JSON_DEPTH; n++) {
        snprintf(text, sizeof(text), "{\"a\":%.*s%.*s}",
                 (int) n, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                          "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                 (int) n, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                          "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
        str = tap_str(text);

        if (n == OIDC_JSON_DEPTH) {
            is_rc(oidc_json_parse(&str, MAX, &object), OIDC_JSON,
                  "V16 P9 nested one deeper than allowed");

        } else {
            is_rc(oidc_json_parse(&str, MAX, &object), OIDC_OK,
                  "V16 P9 nested as deep as allowed");
            json_decref(object);
        }
    }

    str.data = tap_alloc(&tap, MAX);
    str.len = MAX;
    memset(str.data, '[', MAX);
    is_rc(oidc_json_parse(&str, MAX, &object), OIDC_JSON,
          "V16 P9 64 KiB of brackets");

    /* brackets in strings are text, behind escaped quotes too */

    n = snprintf(text, sizeof(text), "{\"a\":\"\\\"");

    for (i = 0; i < 200; i++) {
        text[n++] = i % 2 ? '[' : '{';
    }

    snprintf(text + n, sizeof(text) - n, "\\\\\",\"b\":[{}]}");

    object = parse(text);
    ok(object != NULL, "V16 brackets in a string do not nest");
    json_decref(object);

    object = parse("{\"a\":[[],[],[],{},{},{}]}");
    ok(object != NULL, "V16 siblings do not nest");
    json_decref(object);
}


static void
test_strings(void)
{
    json_t      *object;
    oidc_str_t   out;

    object = parse("{\"a\":\"x\\u00e9\",\"e\":\"\",\"n\":1,\"z\":null}");

    is_int(oidc_json_str(object, "a", &out), 1, "a string");
    is_str(&out, "x\xc3\xa9", "with its escapes resolved");
    is_int(oidc_json_str(object, "e", &out), 1, "an empty string");
    is_int(out.len, 0, "is empty");
    is_int(oidc_json_str(object, "b", &out), 0, "no such member");
    is_int(oidc_json_str(object, "n", &out), -1, "a number is no string");
    is_int(oidc_json_str(object, "z", &out), -1, "null is no string");

    json_decref(object);
}


static void
test_times(void)
{
    size_t       i;
    int64_t      t;
    json_t      *object;
    char         text[128];
    static const struct {
        const char  *number;
        int64_t      expected;
        const char  *name;
    } cases[] = {
        { "0",            0,            "V04 zero" },
        { "1700000000",   1700000000,   "V04 an integer" },
        { "4102444800",   4102444800,   "V04 a date after 2038" },
        { "1.7e9",        1700000000,   "V04 a real" },
        { "1700000000.9", 1700000000,   "V04 a fraction is cut" },
        { "-0.5",         -1,           "V04 rounded down, not to zero" },
        { "-5",           -5,           "V04 a negative integer" },
        { "-5.0",         -5,           "V04 a negative real" },
        { "1e300",        1LL << 53,    "V04 1e300 saturates" },
        { "-1e300",       -(1LL << 53), "V04 -1e300 saturates" },
        { "1e-300",       0,            "V04 1e-300 is nothing" },
        { "9223372036854775807", 1LL << 53, "V04 2^63-1 saturates" },
        { "-9223372036854775808", -(1LL << 53), "V04 -2^63 saturates" },
        { "9007199254740992.0", 1LL << 53, "V04 2^53 as a real" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "{\"exp\":%s}", cases[i].number);
        object = parse(text);
        t = 42;

        is_int(oidc_json_time(object, "exp", &t), 1, cases[i].name);
        is_int(t, cases[i].expected, cases[i].name);

        json_decref(object);
    }

    object = parse("{\"s\":\"1700000000\",\"t\":true,\"z\":null,\"a\":[1]}");

    is_int(oidc_json_time(object, "exp", &t), 0, "V04 no such member");
    is_int(oidc_json_time(object, "s", &t), -1, "V04 a string is no time");
    is_int(oidc_json_time(object, "t", &t), -1, "V04 true is no time");
    is_int(oidc_json_time(object, "z", &t), -1, "V04 null is no time");
    is_int(oidc_json_time(object, "a", &t), -1, "V04 an array is no time");

    json_decref(object);
}


static void
test_has(void)
{
    json_t  *object;

    object = parse("{\"aud\":[\"a\",1,\"bc\",null],\"one\":\"a\",\"n\":1}");

    ok(oidc_json_has(object, "aud", "a"), "V02 the first of an array");
    ok(oidc_json_has(object, "aud", "bc"), "V02 behind another type");
    ok(!oidc_json_has(object, "aud", "b"), "V02 not by its beginning");
    ok(!oidc_json_has(object, "aud", "bcd"), "V02 not by more");
    ok(!oidc_json_has(object, "aud", "1"), "V02 not a number");
    ok(oidc_json_has(object, "one", "a"), "V02 a lone string");
    ok(!oidc_json_has(object, "one", "A"), "V02 case matters");
    ok(!oidc_json_has(object, "n", "1"), "V02 a lone number");
    ok(!oidc_json_has(object, "none", "a"), "V02 no such member");

    json_decref(object);
}


static void
refused(const char *text, size_t len, const char *name)
{
    json_t      *object;
    oidc_str_t   str;

    /* of exactly this size, so that a sanitizer sees a look behind it */

    str.data = tap_alloc(&tap, len);
    str.len = len;
    memcpy(str.data, text, len);

    is_rc(oidc_json_parse(&str, MAX, &object), OIDC_JSON, name);
}


static json_t *
parse(const char *text)
{
    json_t      *object;
    oidc_str_t   str;

    str = tap_str(text);

    return oidc_json_parse(&str, MAX, &object) == OIDC_OK ? object : NULL;
}
