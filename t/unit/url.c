
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * URLs as operators and providers give them, hosts, origins, arguments and
 * percent coding.
 */


#include "tap.h"

#include "oidc_url.h"


static void test_parse(void);
static void test_origin(void);
static void test_loopback(void);
static void test_host(void);
static void test_args(void);
static void test_forms(void);


int
main(void)
{
    test_parse();
    test_origin();
    test_loopback();
    test_host();
    test_args();
    test_forms();

    return done_testing();
}


/* in a block of its own size, so that reading on is noticed */

static oidc_str_t
exact(const char *s)
{
    oidc_str_t  str;

    str.len = strlen(s);
    str.data = tap_alloc(&tap, str.len);
    memcpy(str.data, s, str.len);

    return str;
}


static void
test_parse(void)
{
    size_t        i, n;
    char          host[512];
    oidc_str_t    in;
    oidc_url_t    url;

    static const char *const  bad[] = {
        "", "http://", "https://", "/x", "ftp://h/", "https:/h", "https:h",
        "https://:443/", "https://h:0/", "https://h:65536/", "https://h:/",
        "https://h:443a/", "https://h:-1/", "https://h:99999999999/",
        "https://us@h/", "https://us:pw@h/", "https://h/#f", "https://h#f",
        "https://h\\x", "https://h/\\", "https://h/a b", " https://h/",
        "https://h/\n", "https://h/\xc3\xa9", "https://h\xc3\xa9/",
        "https://h/\x7f", "https://a..b/", "https://.h/", "https://h./",
        "https://[::1", "https://[]/", "https://[::g]/", "https://[::1]x/",
        "https://[::1]:/", "https://[fe80::1%25eth0]/", "https://%68/",
        "https://h*/", "https://1.2.3/", "https://1.2.3.4.5/",
        "https://127.1/", "https://0x7f000001/", "https://2130706433/",
        "https://01.2.3.4/", "https://256.1.1.1/", "https://h.1/",
        "https://1111.2222.3333.4444/", "https://h.0X1/",
        "https://?x", "https:///x", "https://[1.2.3.4]/", "httpsx://h/",
        "https://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]/",
        "https://[::1\xff]/", "https://h.0x/", "https://255.255.255.2555/",
        "https://[0000:0000:0000:0000:0000:ffff:255.255.255.2555]/", NULL
    };

    in = exact("https://id.example/realms/x?a=b&c");
    is_rc(oidc_url_parse(&in, &url), OIDC_OK, "F15: an URL");
    is_str(&url.scheme, "https", "F15: scheme");
    is_str(&url.host, "id.example", "F15: host");
    is_str(&url.authority, "id.example", "F15: authority");
    is_str(&url.path, "/realms/x", "F15: path");
    is_str(&url.query, "a=b&c", "F15: query");
    is_int(url.port, 443, "F15: default port");
    ok(url.https && url.has_query && !url.ip && !url.ipv6, "F15: flags");

    in = exact("HTTP://[2001:db8::1]:8080?");
    is_rc(oidc_url_parse(&in, &url), OIDC_OK, "F15: an IPv6 URL");
    is_str(&url.scheme, "http", "F15: scheme in lower case");
    is_str(&url.host, "2001:db8::1", "F15: host without brackets");
    is_str(&url.authority, "[2001:db8::1]:8080", "F15: authority with them");
    is_int(url.port, 8080, "F15: port");
    is_int(url.path.len, 0, "F15: no path");
    ok(!url.https && url.has_query && url.ip && url.ipv6, "F15: flags");

    in = exact("http://10.0.0.255/");
    is_rc(oidc_url_parse(&in, &url), OIDC_OK, "F15: an IPv4 URL");
    ok(url.ip && !url.ipv6 && url.port == 80, "F15: flags");

    in = exact("https://key_cloak-1:65535");
    is_rc(oidc_url_parse(&in, &url), OIDC_OK, "F15: a container's name");

    for (i = 0; bad[i] != NULL; i++) {
        in = exact(bad[i]);
        ok(oidc_url_parse(&in, &url) == OIDC_ARGS,
           "F15 B01: no URL: row %d", (int) i);
    }

    n = (size_t) sprintf(host, "https://");
    memset(host + n, 'a', 64);
    in.data = (u_char *) host;

    in.len = n + 63;
    is_rc(oidc_url_parse(&in, &url), OIDC_OK, "F15: a label of 63");

    in.len = n + 64;
    is_rc(oidc_url_parse(&in, &url), OIDC_ARGS, "F15: a label of 64");

    for (i = 0; i < 260; i++) {
        host[n + i] = (i % 50 == 49) ? '.' : 'a';
    }

    in.len = n + 253;
    is_rc(oidc_url_parse(&in, &url), OIDC_OK, "F15: a host of 253");

    in.len = n + 254;
    is_rc(oidc_url_parse(&in, &url), OIDC_ARGS, "F15: a host of 254");
}


static int
same(const char *a, const char *b)
{
    oidc_str_t  s;
    oidc_url_t  ua, ub;

    s = exact(a);
    if (oidc_url_parse(&s, &ua) != OIDC_OK) {
        return -1;
    }

    s = exact(b);
    if (oidc_url_parse(&s, &ub) != OIDC_OK) {
        return -1;
    }

    return oidc_url_same_origin(&ua, &ub);
}


static void
test_origin(void)
{
    is_int(same("https://h/x", "https://H:443/y?z"), 1,
           "B01: default port and case");
    is_int(same("http://h:80", "http://h/"), 1, "B01: default port of http");
    is_int(same("https://h:80", "http://h:80"), 0, "B01: another scheme");
    is_int(same("https://h:444", "https://h"), 0, "B01: another port");
    is_int(same("https://h.a", "https://h.b"), 0, "B01: another host");
    is_int(same("https://h.ab", "https://h.a"), 0, "B01: a longer host");
    is_int(same("https://[::1]", "https://[::1]:443/"), 1, "B01: IPv6");
}


static int
loopback(const char *url)
{
    oidc_str_t  s;
    oidc_url_t  u;

    s = exact(url);

    return oidc_url_parse(&s, &u) == OIDC_OK ? oidc_url_is_loopback(&u) : -1;
}


static void
test_loopback(void)
{
    is_int(loopback("http://localhost:8080/"), 1, "O06: localhost");
    is_int(loopback("http://LocalHost"), 1, "O06: any case");
    is_int(loopback("http://idp.localhost"), 1, "O06: below localhost");
    is_int(loopback("http://127.0.0.1"), 1, "O06: 127.0.0.1");
    is_int(loopback("http://127.255.0.9"), 1, "O06: 127/8");
    is_int(loopback("http://[::1]:1"), 1, "O06: ::1");
    is_int(loopback("http://[0:0:0:0:0:0:0:1]"), 1, "O06: ::1 in full");
    is_int(loopback("http://[::2]"), 0, "O06: not ::2");
    is_int(loopback("http://[::ffff:127.0.0.1]"), 0, "O06: not mapped");
    is_int(loopback("http://128.0.0.1"), 0, "O06: not 128/8");
    is_int(loopback("http://12.7.0.1"), 0, "O06: not 12.7.0.1");
    is_int(loopback("http://127.0.0.1.example"), 0, "O06: not a suffix");
    is_int(loopback("http://notlocalhost"), 0, "O06: not a prefix");
    is_int(loopback("http://localhost.example"), 0, "O06: not a label");
    is_int(loopback("http://x.localhosx"), 0, "O06: not a look-alike");
    is_int(loopback("http://localhos"), 0, "O06: not a shorter one");
}


static void
test_host(void)
{
    u_char      c;
    size_t      i, n;
    oidc_str_t  s;

    static const char *const  hosts[] = {
        "h", "h:80", "gw.example", "gw.example:8443", "10.0.0.1", "[::1]",
        "[::1]:8443", "h:9", "h:65535", NULL
    };

    static const char *const  bad[] = {
        "", ":80", "h:", "h:0", "h:x", "h/", "h/x", "h?x", "h#x", "us@h",
        "h h", "h\r\nx", "h,i", "h\\x", "[::1", "::1", "h:80:80", "\xc3\xa9",
        "h%2f", "\"h\"", "127.1", NULL
    };

    for (i = 0; hosts[i] != NULL; i++) {
        s = exact(hosts[i]);
        ok(oidc_host_ok(&s) == 1, "F16: host %s", hosts[i]);
    }

    for (i = 0; bad[i] != NULL; i++) {
        s = exact(bad[i]);
        ok(oidc_host_ok(&s) == 0, "F16 B05: no host: row %d", (int) i);
    }

    s.data = &c;
    s.len = 1;

    for (n = 0, i = 0; i < 256; i++) {
        c = (u_char) i;
        n += oidc_host_ok(&s);
    }

    is_int(n, 26 + 26 + 2, "F16: a host of one character");

    s.len = 0;
    s.data = NULL;
    is_int(oidc_host_ok(&s), 0, "B05: no Host at all");
}


static void
test_args(void)
{
    oidc_str_t  rest, name, value;

    rest = exact("&&a=1&bb&=c&d==&e=f&g");

    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: first");
    is_str(&name, "a", "CB-5: name");
    is_str(&value, "1", "CB-5: value");

    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: without \"=\"");
    is_str(&name, "bb", "CB-5: name");
    is_int(value.len, 0, "CB-5: no value");

    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: without a name");
    is_int(name.len, 0, "CB-5: no name");
    is_str(&value, "c", "CB-5: value");

    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: two \"=\"");
    is_str(&name, "d", "CB-5: name");
    is_str(&value, "=", "CB-5: value");

    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: and another");
    is_str(&value, "f", "CB-5: value");

    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: last");
    is_str(&name, "g", "CB-5: name");

    is_int(oidc_args_next(&rest, &name, &value), 0, "CB-5: end");
    is_int(oidc_args_next(&rest, &name, &value), 0, "CB-5: still the end");

    rest = exact("g=h");
    is_int(oidc_args_next(&rest, &name, &value), 1, "CB-5: one alone");
    is_str(&value, "h", "CB-5: value");

    rest = exact("&");
    is_int(oidc_args_next(&rest, &name, &value), 0, "B05: a query of &");

    rest.len = 0;
    rest.data = NULL;
    is_int(oidc_args_next(&rest, &name, &value), 0, "B05: no query");
}


static void
test_forms(void)
{
    size_t      i;
    u_char      all[256];
    oidc_buf_t  b;
    oidc_str_t  in, out, back;

    static const char *const  bad[] = {
        "%", "a%", "%4", "%4g", "%g4", "%%41", "%00", "a%00b", "% 41", NULL
    };

    for (i = 1; i < 256; i++) {
        all[i - 1] = (u_char) i;
    }

    in.data = all;
    in.len = 255;

    oidc_buf_init(&b, tap_pool(), 1);
    oidc_buf_escape(&b, &in);
    is_rc(oidc_buf_done(&b, &out), OIDC_OK, "LS-1: every byte escaped");
    is_int(out.len, 66 + 3 * (255 - 66), "LS-1: all but the unreserved");
    is_rc(oidc_form_decode(tap_pool(), &out, &back), OIDC_OK, "LS-1: back");
    is_mem(back.data, back.len, in.data, in.len, "LS-1: the same");

    in.len = 0;
    in.data = NULL;
    oidc_buf_init(&b, tap_pool(), 0);
    oidc_buf_arg(&b, 0, "n", &in);
    (void) oidc_buf_done(&b, &out);
    is_str(&out, "n=", "B05: an empty argument");

    in = tap_str("a b+c/~._-\xc3\xa9&=%");
    oidc_buf_init(&b, tap_pool(), 0);
    oidc_buf_arg(&b, '&', "n", &in);
    (void) oidc_buf_done(&b, &out);
    is_str(&out, "&n=a%20b%2Bc%2F~._-%C3%A9%26%3D%25", "LS-1: an argument");

    in = exact("a b-c");
    oidc_buf_init(&b, tap_pool(), 0);
    oidc_buf_escape(&b, &in);
    (void) oidc_buf_done(&b, &out);
    is_str(&out, "a%20b-c", "LS-1: what follows an escape");

    in = tap_str("a+b%20c%2B%c3%A9");
    is_rc(oidc_form_decode(tap_pool(), &in, &out), OIDC_OK, "CB-4: decode");
    is_str(&out, "a b c+\xc3\xa9", "CB-4: decoded once");

    for (i = 0; bad[i] != NULL; i++) {
        in = exact(bad[i]);
        ok(oidc_form_decode(tap_pool(), &in, &out) == OIDC_ARGS,
           "B05: bad escape: row %d", (int) i);
    }

    in.len = 0;
    in.data = NULL;
    is_rc(oidc_form_decode(tap_pool(), &in, &out), OIDC_OK, "B05: nothing");
    is_int(out.len, 0, "B05: to nothing");

    tap.fail_after = 0;
    is_rc(oidc_form_decode(tap_pool(), &in, &out), OIDC_NOMEM,
          "B05: no memory");
    tap.fail_after = -1;

    in = exact("https://h/");
    is_int(oidc_url_sep(&in), '?', "LS-1: no query");
    in = exact("https://h/?x=1");
    is_int(oidc_url_sep(&in), '&', "LS-1: a query");
    in = exact("https://h/?");
    is_int(oidc_url_sep(&in), 0, "LS-1: a bare ?");
    in = exact("https://h/?x&");
    is_int(oidc_url_sep(&in), 0, "LS-1: a trailing &");
}
