
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Strings, comparison in constant time, the builder, the table of reasons.
 */


#include "tap.h"


static void test_reasons(void);
static void test_compare(void);
static void test_dup(void);
static void test_buf(void);
static void test_buf_nomem(void);


int
main(void)
{
    test_reasons();
    test_compare();
    test_dup();
    test_buf();
    test_buf_nomem();

    return done_testing();
}


static void
test_reasons(void)
{
    int  i, j, status, distinct, sane;

    is_int(oidc_rc_status(OIDC_OK), 200, "O04 ok is 200");
    is_int(oidc_rc_status(OIDC_STATE_MISSING), 400,
           "O04 a missing state is the client's fault");
    is_int(oidc_rc_status(OIDC_JWS_SIGNATURE), 502,
           "O04 a bad signature is the provider's");
    is_int(oidc_rc_status(OIDC_NOMEM), 500, "O04 the last row is in place");
    ok(strcmp(oidc_rc_name(OIDC_JWS_KID), "jws_kid") == 0,
       "O04 a reason has its name");

    distinct = 1;
    sane = 1;

    for (i = 0; i < OIDC_REASON_MAX; i++) {
        status = oidc_rc_status(i);

        sane = sane && strlen(oidc_rc_name(i)) && strlen(oidc_rc_text(i))
               && (i == OIDC_OK || (status >= 400 && status <= 504));

        for (j = 0; j < i; j++) {
            distinct = distinct
                       && strcmp(oidc_rc_name(i), oidc_rc_name(j)) != 0;
        }
    }

    ok(sane, "O04 each reason has a name, a text and an error status");
    ok(distinct, "O04 no two reasons share a name");
}


static void
test_compare(void)
{
    oidc_str_t  a, b, empty;

    a = tap_str("abc");
    b = tap_str("abd");
    empty.len = 0;
    empty.data = NULL;

    ok(oidc_eq_ct("abc", "abc", 3), "B12 equal bytes");
    ok(!oidc_eq_ct("abc", "abd", 3), "B12 the last byte differs");
    ok(!oidc_eq_ct("xbc", "abc", 3), "B12 the first byte differs");
    ok(oidc_eq_ct("abc", "abd", 2), "B12 no byte beyond the length counts");
    ok(oidc_eq_ct(NULL, NULL, 0), "B12 nothing equals nothing");

    ok(oidc_str_eq_ct(&a, &a), "B12 equal strings");
    ok(!oidc_str_eq_ct(&a, &b), "B12 different strings");
    ok(!oidc_str_eq_ct(&a, &empty), "B12 different lengths");
    ok(oidc_str_eq_ct(&empty, &empty), "B12 empty strings");

    ok(oidc_str_eq(&a, &a) && !oidc_str_eq(&a, &b) && !oidc_str_eq(&a, &empty)
       && oidc_str_eq(&empty, &empty), "oidc_str_eq() agrees");

    ok(oidc_str_eq_cstr(&a, "abc"), "a C string of the same bytes");
    ok(!oidc_str_eq_cstr(&a, "abcd") && !oidc_str_eq_cstr(&a, "ab")
       && !oidc_str_eq_cstr(&a, "abd"), "a longer, shorter, other C string");
    ok(oidc_str_eq_cstr(&empty, "") && !oidc_str_eq_cstr(&empty, "a"),
       "an empty string");
}


static void
test_dup(void)
{
    oidc_str_t  src, dst;

    src = tap_str("abc");

    is_rc(oidc_str_dup(tap_pool(), &src, &dst), OIDC_OK, "a copy");
    is_str(&dst, "abc", "of the same bytes");
    ok(dst.data != src.data && dst.data[3] == '\0', "of its own, ends in NUL");

    src.len = 0;
    src.data = NULL;

    is_rc(oidc_str_dup(tap_pool(), &src, &dst), OIDC_OK, "a copy of nothing");
    ok(dst.len == 0 && dst.data[0] == '\0', "ends in NUL too");

    tap.fail_after = 0;
    is_rc(oidc_str_dup(tap_pool(), &src, &dst), OIDC_NOMEM, "no memory");
    tap.fail_after = -1;
}


static void
test_buf(void)
{
    int         i;
    oidc_buf_t  b;
    oidc_str_t  out, s;

    s = tap_str("two");

    oidc_buf_init(&b, tap_pool(), 0);
    is_rc(oidc_buf_done(&b, &out), OIDC_OK, "an empty builder");
    ok(out.len == 0 && out.data[0] == '\0', "is an empty string");

    oidc_buf_init(&b, tap_pool(), 3);
    oidc_buf_cstr(&b, "one");
    oidc_buf_add(&b, NULL, 0);
    oidc_buf_str(&b, &s);
    oidc_buf_add(&b, "\0x", 2);
    is_rc(oidc_buf_done(&b, &out), OIDC_OK, "a builder that had to grow");
    is_mem(out.data, out.len, "onetwo\0x", 8, "has all its parts");
    ok(out.data[8] == '\0', "and a NUL behind them");

    /* exact sizes: each append that just fits or just does not */

    oidc_buf_init(&b, tap_pool(), 1);

    for (i = 0; i < 5000; i++) {
        oidc_buf_add(&b, &"0123456789"[i % 10], 1);
    }

    is_rc(oidc_buf_done(&b, &out), OIDC_OK, "5000 bytes one by one");
    ok(out.len == 5000 && memcmp(out.data + 4990, "0123456789", 10) == 0,
       "are all there");
}


static void
test_buf_nomem(void)
{
    char        text[200] = "";
    oidc_buf_t  b;
    oidc_str_t  out;

    tap.fail_after = 0;
    oidc_buf_init(&b, tap_pool(), 10);
    oidc_buf_cstr(&b, "x");
    tap.fail_after = -1;
    oidc_buf_cstr(&b, "y");
    is_rc(oidc_buf_done(&b, &out), OIDC_NOMEM,
          "a builder without memory says so at the end");

    oidc_buf_init(&b, tap_pool(), 100);
    tap.fail_after = 0;
    oidc_buf_add(&b, text, sizeof(text));
    tap.fail_after = -1;
    oidc_buf_cstr(&b, "y");
    is_rc(oidc_buf_done(&b, &out), OIDC_NOMEM,
          "and takes nothing more after a failure");

    oidc_buf_init(&b, tap_pool(), 10);
    oidc_buf_add(&b, "x", SIZE_MAX - 4);
    is_rc(oidc_buf_done(&b, &out), OIDC_NOMEM, "a length that would wrap");
}
