
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* Which claims a session keeps, whose win, and what never reaches a header. */


#include "tap.h"

#include "oidc_claims.h"


static void test_flatten(void);
static void test_path(void);
static void test_has(void);
static void test_merge(void);
static void test_values(void);
static void test_memory(void);
static void test_find(void);
static void test_text(void);


static json_t *
object(const char *text)
{
    return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}


static oidc_str_t
flatten(const char *id_token, const char *userinfo)
{
    json_t      *a, *b;
    oidc_str_t   flat = { 0, NULL };

    a = object(id_token);
    b = userinfo ? object(userinfo) : NULL;

    is_rc(oidc_claims_flatten(tap_pool(), a, b, &flat), OIDC_OK,
          "S14: flattened");

    json_decref(a);
    json_decref(b);

    return flat;
}


/* NULL: there is none */

static void
is_claim(const oidc_str_t *flat, const char *name, const char *expected,
    const char *test)
{
    int         found;
    oidc_str_t  key, value;

    key = tap_str(name);
    found = oidc_claims_find(flat, &key, &value);

    if (expected == NULL) {
        is_int(found, 0, test);

    } else if (found) {
        is_str(&value, expected, test);

    } else {
        fail("%s: %s is not there", test, name);
    }
}


int
main(void)
{
    test_flatten();
    test_path();
    test_has();
    test_merge();
    test_values();
    test_memory();
    test_find();
    test_text();

    return done_testing();
}


static void
test_flatten(void)
{
    oidc_str_t  flat;

    flat = flatten("{\"sub\":\"u1\",\"n\":-5,\"r\":1.5,\"t\":true,"
                   "\"f\":false,\"z\":null,\"e\":\"\",\"s\":\"null\","
                   "\"a\":[\"x\",\"y z\",{\"b\":1}],\"o\":{\"p\":\"\\\"\"},"
                   "\"nonce\":\"N\",\"at_hash\":\"H\",\"c_hash\":\"C\"}",
                   NULL);

    is_claim(&flat, "sub", "u1", "S14: a string as it is");
    is_claim(&flat, "n", "-5", "S14: a number");
    is_claim(&flat, "r", "1.5", "S14: a real");
    is_claim(&flat, "t", "true", "S14: true");
    is_claim(&flat, "f", "false", "S14: false");
    is_claim(&flat, "e", "", "S14: an empty string");
    is_claim(&flat, "s", "null", "S14: a string that says null");
    is_claim(&flat, "z", NULL, "S14: null is left out");
    is_claim(&flat, "a", "[\"x\",\"y z\",{\"b\":1}]",
             "S14: an array as compact JSON");
    is_claim(&flat, "o", "{\"p\":\"\\\"\"}",
             "S14: an object as compact JSON");
    is_claim(&flat, "nonce", NULL, "S14: the nonce is not kept");
    is_claim(&flat, "at_hash", NULL, "S14: nor at_hash");
    is_claim(&flat, "c_hash", NULL, "S14: nor c_hash");
    is_claim(&flat, "x", NULL, "S14: an unknown claim");
    is_claim(&flat, "", NULL, "S14: no name");
    is_claim(&flat, "su", NULL, "S14: a shorter name");
    is_claim(&flat, "subj", NULL, "S14: a longer name");
    is_claim(&flat, "Sub", NULL, "S14: names have a case");

    flat = flatten("{}", NULL);
    is_int(flat.len, 0, "S14: no claims");
    is_claim(&flat, "sub", NULL, "S14: none to find");
}


static void
test_merge(void)
{
    size_t       i;
    oidc_str_t   flat;

    static const char *const  names[] = {
        "iss", "sub", "aud", "exp", "iat", "nbf", "auth_time", "acr", "amr",
        "azp", "sid"
    };

    flat = flatten("{\"iss\":\"I\",\"sub\":\"I\",\"aud\":\"I\",\"exp\":\"I\","
                   "\"iat\":\"I\",\"nbf\":\"I\",\"auth_time\":\"I\","
                   "\"acr\":\"I\",\"amr\":\"I\",\"azp\":\"I\",\"sid\":\"I\","
                   "\"email\":\"I\",\"name\":\"I\",\"zip\":\"I\"}",
                   "{\"iss\":\"U\",\"sub\":\"U\",\"aud\":\"U\",\"exp\":\"U\","
                   "\"iat\":\"U\",\"nbf\":\"U\",\"auth_time\":\"U\","
                   "\"acr\":\"U\",\"amr\":\"U\",\"azp\":\"U\",\"sid\":\"U\","
                   "\"nonce\":\"U\",\"at_hash\":\"U\",\"c_hash\":\"U\","
                   "\"email\":\"U\",\"phone\":\"U\",\"zip\":null}");

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        is_claim(&flat, names[i], "I", "UI-8: userinfo can not replace it");
    }

    is_claim(&flat, "nonce", NULL, "UI-8: nor bring a nonce");
    is_claim(&flat, "at_hash", NULL, "UI-8: nor an at_hash");
    is_claim(&flat, "c_hash", NULL, "UI-8: nor a c_hash");
    is_claim(&flat, "email", "U", "UI-8: of the user it knows better");
    is_claim(&flat, "phone", "U", "UI-8: and more");
    is_claim(&flat, "name", "I", "UI-8: what it does not say stays");
    is_claim(&flat, "zip", "I", "UI-8: null says nothing");

    flat = flatten("{\"sub\":\"I\"}", "{\"acr\":\"U\",\"amr\":[\"U\"],"
                   "\"sid\":\"U\",\"auth_time\":1}");
    is_claim(&flat, "acr", NULL, "UI-8: what the ID token did not say of the "
             "login, userinfo can not say");
    is_claim(&flat, "amr", NULL, "UI-8: amr");
    is_claim(&flat, "sid", NULL, "UI-8: sid");
    is_claim(&flat, "auth_time", NULL, "UI-8: auth_time");

    flat = flatten("{\"email\":\"victim@x\"}",
                   "{\"email\":\"a\\r\\nX-User: root\"}");
    is_claim(&flat, "email", NULL,
             "B03: a refused value does not uncover the other one");
}


static void
test_values(void)
{
    size_t       i;
    char         text[64], longer[300];
    oidc_str_t   flat;

    static const char *const  bad[] = {
        "a\\rb", "a\\nb", "a\\tb", "\\u0001", "\\u001f", "\\u007f",
        "\\u0080", "\\u0085", "\\u009f", "x\\r\\nSet-Cookie: a=b"
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "{\"x\":\"%s\",\"y\":\"1\"}", bad[i]);

        flat = flatten(text, NULL);
        is_claim(&flat, "x", NULL, "B03 SE-8: a control is left out");
        is_claim(&flat, "y", "1", "B03: the next claim is there");
    }

    flat = flatten("{\"x\":[\"a\\r\\n\"],\"y\":[\"\\u007f\"],"
                   "\"z\":{\"\\u0085\":1}}", NULL);
    is_claim(&flat, "x", "[\"a\\r\\n\"]", "B03: escaped within JSON");
    is_claim(&flat, "y", NULL, "B03: DEL within JSON");
    is_claim(&flat, "z", NULL, "B03: C1 within JSON");

    flat = flatten("{\"n\":\"\\u00c9l\\u00e9onore \\u00a0\\u4e2d\\ud83d\\ude00"
                   "\"}", NULL);
    is_claim(&flat, "n", "\xc3\x89l\xc3\xa9onore \xc2\xa0\xe4\xb8\xad"
             "\xf0\x9f\x98\x80", "SE-8: UTF-8 as it is");

    flat = flatten("{\"a\\nb\":\"1\",\"\":\"1\",\"c\":\"1\"}", NULL);
    is_int(flat.len, 6 + 2, "B03: names that can not be asked for");

    memset(longer, 'n', sizeof(longer));
    memcpy(longer, "{\"", 2);
    strcpy(longer + 2 + 255, "\":\"v\"}");
    flat = flatten(longer, NULL);
    is_int(flat.len, 6 + 255 + 1, "S14: a name of 255");

    memset(longer, 'n', sizeof(longer));
    memcpy(longer, "{\"", 2);
    strcpy(longer + 2 + 256, "\":\"v\"}");
    flat = flatten(longer, NULL);
    is_int(flat.len, 0, "S14: a name of 256");
}


/* a path as the tests write it: names separated by spaces */

static size_t
path(const char *text, oidc_str_t *names)
{
    size_t       n;
    const char  *end;

    for (n = 0; *text != '\0'; n++) {
        end = strchr(text, ' ');
        end = (end != NULL) ? end : text + strlen(text);

        names[n].data = (u_char *) text;
        names[n].len = end - text;

        text = end + (*end == ' ');
    }

    return n;
}


static void
is_at(const oidc_str_t *flat, const char *where, const char *expected,
    const char *test)
{
    int         found;
    size_t      n;
    oidc_str_t  names[8], value;

    n = path(where, names);
    found = oidc_claims_path(tap_pool(), flat, names, n, &value);

    if (expected == NULL) {
        is_int(found, 0, test);

    } else if (found) {
        is_str(&value, expected, test);

    } else {
        fail("%s: nothing at %s", test, where);
    }
}


static void
test_path(void)
{
    oidc_str_t  flat;

    flat = flatten("{\"s\":\"x\",\"fake\":\"{\\\"b\\\":1}\","
                   "\"a\":{\"b\":{\"c\":\"d\",\"n\":null,\"l\":[1,\"2\"],"
                   "\"bad\":\"x\\r\\ny\",\"t\":true},\"\":\"empty\"}}", NULL);

    is_at(&flat, "s", "x", "S14: a path of one name");
    is_at(&flat, "a b c", "d", "S14: a string far inside");
    is_at(&flat, "a b t", "true", "S14: a boolean inside");
    is_at(&flat, "a b l", "[1,\"2\"]", "S14: an array inside");
    is_at(&flat, "a b bad", NULL, "B03: controls inside are left out");
    is_at(&flat, "a b n", NULL, "S14: null is nothing");
    is_at(&flat, "a b x", NULL, "S14: a member that is not there");
    is_at(&flat, "a b c d", NULL, "S14: a string has no members");
    is_at(&flat, "a b l 0", NULL, "S14: nor has an array");
    is_at(&flat, "fake b", NULL, "B02: a string that looks like an object");
    is_at(&flat, "x y", NULL, "S14: no such claim");
}


static void
is_member(const oidc_str_t *flat, const char *where, const char *wanted,
    int expected, const char *test)
{
    size_t      n;
    oidc_str_t  names[8], value;

    n = path(where, names);
    value = tap_str(wanted);

    is_int(oidc_claims_has(flat, names, n, &value), expected, test);
}


static void
test_has(void)
{
    oidc_str_t  flat;

    flat = flatten("{\"one\":\"admin\",\"words\":\"user admin\","
                   "\"fake\":\"[\\\"admin\\\"]\",\"n\":5,\"e\":[],"
                   "\"groups\":[\"staff\",\"admin\",7,[\"deep\"],null],"
                   "\"realm_access\":{\"roles\":[\"a\",\"ops\"]}}", NULL);

    is_member(&flat, "one", "admin", 1, "B02: a lone string");
    is_member(&flat, "groups", "admin", 1, "B02: one of an array");
    is_member(&flat, "groups", "staff", 1, "B02: the first of an array");
    is_member(&flat, "realm_access roles", "ops", 1, "B02: nested");
    is_member(&flat, "groups", "adm", 0, "B02: a part of a name");
    is_member(&flat, "groups", "Admin", 0, "B02: case matters");
    is_member(&flat, "groups", "7", 0, "B02: a number is no string");
    is_member(&flat, "groups", "deep", 0, "B02: an array in the array");
    is_member(&flat, "words", "admin", 0, "B02: a word of a string");
    is_member(&flat, "fake", "admin", 0, "B02: a string like an array");
    is_member(&flat, "n", "5", 0, "B02: a number");
    is_member(&flat, "e", "", 0, "B02: an empty array");
    is_member(&flat, "none", "", 0, "B02: no such claim");
    is_member(&flat, "realm_access", "ops", 0, "B02: an object");
}


static void
test_memory(void)
{
    int          i;
    json_t      *id_token, *userinfo;
    oidc_rc_t    rc;
    oidc_str_t   flat;

    id_token = object("{\"a\":[1]}");
    userinfo = object("{\"b\":[2]}");

    for (i = 0; i < 4; i++) {
        tap.fail_after = i;
        rc = oidc_claims_flatten(tap_pool(), id_token, userinfo, &flat);
        tap.fail_after = -1;

        is_rc(rc, i < 3 ? OIDC_NOMEM : OIDC_OK, "S14: memory");
    }

    json_decref(id_token);
    json_decref(userinfo);
}


static void
test_find(void)
{
    size_t       i, n;
    u_char      *copy;
    oidc_str_t   flat, cut, name, value;

    flat = flatten("{\"a\":\"1234\",\"bb\":\"5\"}", NULL);
    name = tap_str("bb");

    for (n = 0, i = 0; i < flat.len; i++) {
        copy = tap_alloc(&tap, i);
        memcpy(copy, flat.data, i);
        cut.data = copy;
        cut.len = i;
        n += oidc_claims_find(&cut, &name, &value);
    }

    is_int(n, 0, "S14 B05: cut anywhere, nothing is read beyond");

    cut.data = (u_char *) "\0\2\xff\xff\xff\xff" "bb";
    cut.len = 8;
    is_int(oidc_claims_find(&cut, &name, &value), 0,
           "B05: a length of 4 GiB");

    cut.data = (u_char *) "\xff\xff\0\0\0\0" "bb";
    is_int(oidc_claims_find(&cut, &name, &value), 0,
           "B05: a name of 64 KiB");

    cut.data = (u_char *) "\0\2\0\0\0\0" "bb";
    is_int(oidc_claims_find(&cut, &name, &value), 1, "S14: the least");
    is_int(value.len, 0, "S14: an empty value");

    cut.data = (u_char *) "\0\0\0\0\0\1" "x";
    cut.len = 7;
    name = tap_str("");
    is_int(oidc_claims_find(&cut, &name, &value), 0, "S14: no name");

    cut.len = 0;
    cut.data = NULL;
    is_int(oidc_claims_find(&cut, &name, &value), 0, "B05: no claims");
}


static void
is_text(const char *text, size_t len, int good)
{
    char        name[64] = "";
    size_t      i;
    oidc_str_t  s;

    for (i = 0; i < len && i < 16; i++) {
        sprintf(name + 3 * i, "%02x ", (unsigned char) text[i]);
    }

    s.data = tap_alloc(&tap, len);
    s.len = len;

    if (len) {
        memcpy(s.data, text, len);
    }

    ok(oidc_claims_text_ok(&s) == good, "SE-8 B03: text %s", name);
}


#define good_text(s)  is_text(s, sizeof(s) - 1, 1)
#define bad_text(s)   is_text(s, sizeof(s) - 1, 0)


static void
test_text(void)
{
    int   i, n;
    char  c;

    oidc_str_t  s;

    for (n = 0, i = 0; i < 256; i++) {
        c = (char) i;
        s.data = (u_char *) &c;
        s.len = 1;
        n += oidc_claims_text_ok(&s);
    }

    is_int(n, 95, "SE-8: of single bytes, the printable ASCII");

    good_text("");
    good_text("a b~");
    good_text("\xc2\xa0");
    good_text("\xdf\xbf");
    good_text("\xe0\xa0\x80");
    good_text("\xed\x9f\xbf");
    good_text("\xee\x80\x80");
    good_text("\xef\xbf\xbf");
    good_text("\xf0\x90\x80\x80");
    good_text("\xf4\x8f\xbf\xbf");

    bad_text("a\0b");
    bad_text("\xc0\x80");
    bad_text("\xc0\xaf");
    bad_text("\xc1\xbf");
    bad_text("\xc2\x80");
    bad_text("\xc2\x9f");
    bad_text("\xc3(");
    bad_text("\xc3");
    bad_text("\xc3\xc3");
    bad_text("\xe0\x9f\xbf");
    bad_text("\xe0\x80\xaf");
    bad_text("\xe4\xb8");
    bad_text("\xe4\xb8(");
    bad_text("\xed\xa0\x80");
    bad_text("\xed\xbf\xbf");
    bad_text("\xf0\x8f\xbf\xbf");
    bad_text("\xf0\x9f\x98");
    bad_text("\xf4\x90\x80\x80");
    bad_text("\xf5\x80\x80\x80");
    bad_text("\xf8\x88\x80\x80\x80");
    bad_text("\xf8\x90\x80\x80");
    bad_text("\x81\x90\x80\x80");
    bad_text("\x01\x90\x80\x80");
    bad_text("\xff");
    bad_text("ok\x80");
    bad_text("ok\n");
}
