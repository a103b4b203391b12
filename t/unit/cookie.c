
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Cookie headers of every kind of browser and attacker, and the exact text of
 * the Set-Cookie headers that we send.
 */


#include "tap.h"

#include "oidc_cookie.h"


static void test_next(void);
static void test_strip(void);
static void test_names(void);
static void test_set(void);


int
main(void)
{
    test_next();
    test_strip();
    test_names();
    test_set();

    return done_testing();
}


/* "name=value|..." of a header */

static const char *
walk(const char *header)
{
    size_t        n;
    oidc_str_t    rest, name, value;
    static char   out[512];

    rest = tap_str(header);
    n = 0;
    out[0] = '\0';

    while (oidc_cookie_next(&rest, &name, &value)) {
        n += (size_t) snprintf(out + n, sizeof(out) - n, "%.*s=%.*s|",
                               (int) name.len, name.data,
                               (int) value.len, value.data);
    }

    return out;
}


static void
is_walk(const char *header, const char *expected, const char *name)
{
    oidc_str_t  got;

    got = tap_str(walk(header));
    is_str(&got, expected, name);
}


static void
test_next(void)
{
    size_t       i, n;
    char        *big;
    oidc_str_t   rest, name, value;

    is_walk("a=1; b=2", "a=1|b=2|", "SE-6: two cookies");
    is_walk("a=1;b=2;", "a=1|b=2|", "SE-6: without spaces");
    is_walk("  a = 1 ;\t b\t=\t2 ", "a=1|b=2|", "SE-6: spaces around");
    is_walk("a=\"1 2\"; b=\"", "a=1 2|b=\"|", "SE-6: quotes in pairs only");
    is_walk("a=\"\"", "a=|", "SE-6: empty quotes");
    is_walk("a", "", "B05: a cookie without =");
    is_walk("a; b=2", "b=2|", "B05: the next one is found");
    is_walk("=1; a=", "=1|a=|", "B05: no name, no value");
    is_walk("a==;b=c=d", "a==|b=c=d|", "SE-6: = in values");
    is_walk("; ;; ;a=1;;", "a=1|", "SE-6: empty pieces");
    is_walk("", "", "B05: an empty header");
    is_walk("a=1, b=2", "a=1, b=2|", "SE-6: a comma separates nothing");
    is_walk("a=1;a=2", "a=1|a=2|", "SE-6: doubled");

    rest.len = 0;
    rest.data = NULL;
    is_int(oidc_cookie_next(&rest, &name, &value), 0, "B05: no header");

    big = malloc(4 * 1000);

    for (i = 0; i < 1000; i++) {
        memcpy(big + 4 * i, "x=y;", 4);
    }

    rest.data = (u_char *) big;
    rest.len = 4 * 1000;

    for (n = 0; oidc_cookie_next(&rest, &name, &value); n++) {
        /* void */
    }

    is_int(n, 1000, "B05: 1000 cookies");

    free(big);
}


static void
is_strip(const char *header, const char *expected, const char *test)
{
    int                      removed;
    oidc_rc_t                rc;
    oidc_str_t               in, out;
    static const oidc_str_t  prefixes[] = {
        oidc_string("NGX_OIDC"), oidc_string("__Host-NGX_OIDC")
    };

    in = tap_str(header);
    out.data = NULL;
    out.len = 99;

    rc = oidc_cookie_strip(tap_pool(), &in, prefixes, 2, &out, &removed);

    if (expected == NULL) {
        ok(rc == OIDC_OK && removed == 0 && out.data == NULL && out.len == 99,
           "%s", test);
        return;
    }

    ok(rc == OIDC_OK && removed == 1, "%s: removed", test);
    is_str(&out, expected, test);
}


static void
test_strip(void)
{
    is_strip("a=1; b=2", NULL, "S16 SE-9: nothing of ours");
    is_strip("", NULL, "S16: an empty header");
    is_strip("xNGX_OIDC=1; a=NGX_OIDC", NULL, "S16: prefixes of names only");
    is_strip("ngx_oidc=1", NULL, "S16: names have a case");
    is_strip("NGX_OIDC\t d = e; NGX_OIDC x", NULL,
             "S16: a space does not end a name");
    is_strip("NGX_OIDC\t=e; NGX_OIDC.x = y; NGX_OIDC.z", "",
             "S16: but before \"=\" it is not part of it");
    is_strip("NGX_OID", NULL, "S16: less than the prefix");
    is_strip("NGX_OIDCs=1; NGX_OIDC_S=1; NGX_OIDC-x; NGX_OIDC/=1", NULL,
             "SE-9: names that only begin alike");
    is_strip("NGX_OIDC=1", "", "S16: the only one");
    is_strip("NGX_OIDC.out=1; a=1", "a=1", "S16: the first");
    is_strip("a=1;NGX_OIDC.x=1", "a=1", "S16: the last");
    is_strip("a=1; __Host-NGX_OIDC=1; b=2", "a=1; b=2",
             "S16: in the middle");
    is_strip("a=\"1  2\" ;c;NGX_OIDC=1; b = =2;;", "a=\"1  2\"; c; b = =2",
             "SE-9: the others byte for byte");
    is_strip("a;b;c;d;NGX_OIDC", "a; b; c; d",
             "SE-9: longer than it was, and ours without =");
    is_strip(" \tNGX_OIDC =1; a=1", "a=1", "S16: spaces around the name");
    is_strip("NGX_OIDC=1; NGX_OIDC=2; a=1; NGX_OIDC=3", "a=1",
             "S16: doubled");
    is_strip("a=\"x; NGX_OIDC=1; y\"", "a=\"x; y\"",
             "S16: quotes hide nothing");
}


static void
is_name(const char *name, int good)
{
    oidc_str_t  s;

    s = tap_str(name);
    ok(oidc_cookie_name_ok(&s) == good, "SE-5: cookie name \"%s\"", name);
}


static void
is_domain(const char *domain, int good)
{
    oidc_str_t  s;

    s = tap_str(domain);
    ok(oidc_cookie_domain_ok(&s) == good, "SE-5: domain \"%s\"", domain);
}


static void
test_names(void)
{
    char         c[2], label[66], domain[256];
    size_t       i, n;
    oidc_str_t   s;

    is_name("__Host-NGX_OIDC_SESSION", 1);
    is_name("a!#$%&'*+-.^_`|~9", 1);
    is_name("", 0);
    is_name("a b", 0);
    is_name("a=b", 0);
    is_name("a;b", 0);

    for (n = 0, i = 1; i < 256; i++) {
        c[0] = (char) i;
        s.data = (u_char *) c;
        s.len = 1;
        n += oidc_cookie_name_ok(&s);
    }

    is_int(n, 26 + 26 + 10 + 15, "SE-5: the characters of a token");

    for (n = 0, i = 1; i < 256; i++) {
        c[0] = (char) i;
        n += oidc_cookie_domain_ok(&s);
    }

    is_int(n, 26 + 26 + 10, "SE-5: a domain of one character");

    is_domain("example.com", 1);
    is_domain(".example.com", 1);
    is_domain("localhost", 1);
    is_domain("a-b.example", 1);
    is_domain("", 0);
    is_domain(".", 0);
    is_domain("..a", 0);
    is_domain("a..b", 0);
    is_domain("a.", 0);
    is_domain("-a.b", 0);
    is_domain("a-.b", 0);
    is_domain("a.b-", 0);
    is_domain("a_b", 0);
    is_domain("a b", 0);
    is_domain("a;b", 0);
    is_domain("a\r\nb", 0);
    is_domain("a:80", 0);
    is_domain("\xc3\xa9.fr", 0);

    memset(label, 'a', 65);
    label[65] = '\0';
    label[63] = '\0';
    is_domain(label, 1);
    label[63] = 'a';
    label[64] = '\0';
    is_domain(label, 0);

    for (i = 0; i < 254; i++) {
        domain[i] = (i % 50 == 49) ? '.' : 'a';
    }

    domain[254] = '\0';
    is_domain(domain, 0);
    domain[253] = '\0';
    is_domain(domain, 1);
}


static void
is_set(oidc_set_cookie_t *c, const char *expected, const char *name)
{
    oidc_rc_t   rc;
    oidc_str_t  out = { 0, NULL };

    rc = oidc_set_cookie(tap_pool(), c, &out);

    if (expected == NULL) {
        is_rc(rc, OIDC_ARGS, name);
        return;
    }

    is_str(&out, rc == OIDC_OK ? expected : "an error", name);
}


static void
test_set(void)
{
    int                i;
    char               big[4096];
    oidc_str_t         out;
    oidc_set_cookie_t  c;

    static const char *const  values[] = {
        "a b", "a;b", "a,b", "a\"b", "a\\b", "a\r\nb", "a\x7f", "\xc3\xa9"
    };

    memset(&c, 0, sizeof(c));

    c.name = tap_str("__Host-S");
    c.value = tap_str("v");
    c.max_age = -1;
    c.secure = 1;
    is_set(&c, "__Host-S=v; Path=/; Secure; HttpOnly; SameSite=Lax",
           "SE-1 S02: a session cookie");

    c.max_age = 300;
    is_set(&c, "__Host-S=v; Path=/; Max-Age=300; Secure; HttpOnly; "
           "SameSite=Lax", "LS-5: a login cookie");

    c.max_age = 0;
    c.value.len = 0;
    is_set(&c, "__Host-S=; Path=/; Max-Age=0; "
           "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; "
           "SameSite=Lax", "CB-8: a cookie that goes away");

    c.max_age = (int64_t) 1 << 40;
    c.cross_site = 1;
    is_set(&c, "__Host-S=; Path=/; Max-Age=34560000; Secure; HttpOnly; "
           "SameSite=None", "SE-5 F17: at most 400 days, cross-site");

    c.secure = 0;
    is_set(&c, NULL, "S02: __Host- is Secure");

    c.secure = 1;
    c.domain = tap_str("example.com");
    is_set(&c, NULL, "S02: __Host- has no Domain");

    c.name = tap_str("__Secure-S");
    c.max_age = -1;
    c.cross_site = 0;
    is_set(&c, "__Secure-S=; Path=/; Domain=example.com; Secure; HttpOnly; "
           "SameSite=Lax", "SE-1: with a Domain");

    c.secure = 0;
    is_set(&c, NULL, "S02: __Secure- is Secure");

    c.name = tap_str("S");
    is_set(&c, "S=; Path=/; Domain=example.com; HttpOnly; SameSite=Lax",
           "SE-1: plain http");

    c.domain = tap_str("example.com; Path=/x");
    is_set(&c, NULL, "SE-5: attributes can not be injected by a domain");

    c.domain.len = 0;
    c.name = tap_str("S;");
    is_set(&c, NULL, "SE-5: nor by a name");

    c.name = tap_str("S");

    for (i = 0; i < 8; i++) {
        c.value = tap_str(values[i]);
        ok(oidc_set_cookie(tap_pool(), &c, &out) == OIDC_ARGS,
           "SE-5: nor by a value: row %d", i);
    }

    memset(big, 'a', sizeof(big));
    c.value.data = (u_char *) big;
    c.value.len = 4095;
    is_rc(oidc_set_cookie(tap_pool(), &c, &out), OIDC_OK,
          "SE-5: 4096 bytes");

    c.value.len = 4096;
    is_rc(oidc_set_cookie(tap_pool(), &c, &out), OIDC_ARGS,
          "SE-5: 4097 bytes");

    c.value.len = 1;
    tap.fail_after = 0;
    is_rc(oidc_set_cookie(tap_pool(), &c, &out), OIDC_NOMEM,
          "SE-5: no memory");
    tap.fail_after = -1;
}
