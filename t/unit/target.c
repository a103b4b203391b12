
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The return-target validator: a table of hostile targets, and the ordinary
 * ones that must come back byte for byte.
 */


#include "tap.h"

#include "oidc_url.h"


#define ABS  "https://gw.example:8443"


typedef struct {
    const char  *in;
    const char  *out;       /* NULL: refused */
} target_t;


/* with the base https://gw.example:8443 */

static const target_t  hostile[] = {

    /* another authority in disguise */
    { "", NULL },
    { "//h", NULL },
    { "//h/x", NULL },
    { "///h", NULL },
    { "////h", NULL },
    { "//", NULL },
    { "//gw.example:8443/x", NULL },
    { "/\\h", NULL },
    { "\\/h", NULL },
    { "\\\\h", NULL },
    { "\\\\\\\\h", NULL },
    { "/x\\..\\\\h", NULL },
    { "/\\/h", NULL },
    { "//\\h", NULL },
    { "/x?y=\\", NULL },
    { "/%5ch", NULL },
    { "/%5C%5Ch", NULL },
    { "/x/%5c/h", NULL },
    { "/%2fh", NULL },
    { "/%2Fh", NULL },
    { "/%2f%2fh", NULL },
    { "%2f%2fh", NULL },
    { "/%2f/h", NULL },

    /* dot segments that leave "//h" behind */
    { "/.//h", NULL },
    { "/..//h", NULL },
    { "/././/h", NULL },
    { "/../..//h", NULL },
    { "/x/..//h", NULL },
    { "/x/../..//h", NULL },
    { "/x/y/../..//h", NULL },
    { "/x/.././/h", NULL },
    { "/%2e//h", NULL },
    { "/%2e%2e//h", NULL },
    { "/.%2e//h", NULL },
    { "/%2E.//h", NULL },
    { "/x/%2e%2e//h", NULL },
    { "/x/%2e%2e%2fh/..%2f%2fh", NULL },
    { "/x%2f..//h", NULL },
    { "/x/..%2f/h", NULL },
    { "/x/..%2f%2fh", NULL },
    { "/a%2fb/..//h", NULL },
    { "/.//", NULL },
    { "/..//", NULL },
    { "/x/..//..//h", NULL },

    /* controls, raw and encoded, and what browsers drop */
    { "/\th", NULL },
    { "/\t/h", NULL },
    { "\t//h", NULL },
    { "/\n/h", NULL },
    { "/\r/h", NULL },
    { "/\r\nSet-Cookie: a=b", NULL },
    { " /x", NULL },
    { " //h", NULL },
    { "/x y", NULL },
    { "/x ", NULL },
    { "/\x01/h", NULL },
    { "/\x1f", NULL },
    { "/\x7f", NULL },
    { "/x?\x7f", NULL },
    { "/x?a\nb", NULL },
    { "/%09/h", NULL },
    { "/%00/h", NULL },
    { "/x%00", NULL },
    { "/%0d%0aSet-Cookie:a=b", NULL },
    { "/%0A/h", NULL },
    { "/%1f", NULL },
    { "/%7f", NULL },
    { "/%7F", NULL },

    /* malformed escapes in a path */
    { "/%", NULL },
    { "/%4", NULL },
    { "/%4?x", NULL },
    { "/%zz", NULL },
    { "/%4g", NULL },
    { "/%g4", NULL },
    { "/%%34", NULL },

    /* bytes beyond ASCII: look-alikes of "/" and ".", and any other */
    { "/\xe2\x81\x84h", NULL },
    { "/\xef\xbc\x8fh", NULL },
    { "/\xe3\x80\x82h", NULL },
    { "\xef\xbc\x8f\xef\xbc\x8fh", NULL },
    { "/\xc0\xaf", NULL },
    { "/caf\xc3\xa9", NULL },
    { "/\x80", NULL },
    { "/x?q=\xc3\xa9", NULL },

    /* schemes */
    { "http:h", NULL },
    { "https:h", NULL },
    { "https:/h", NULL },
    { "http:/h", NULL },
    { "https:///h", NULL },
    { "https:", NULL },
    { "https://", NULL },
    { "https:/gw.example:8443/x", NULL },
    { "https:gw.example:8443/x", NULL },
    { "https:\\\\gw.example:8443/x", NULL },
    { "https:/\\gw.example:8443/x", NULL },
    { "javascript:alert(1)", NULL },
    { "JaVaScript:alert(1)", NULL },
    { "javascript://gw.example:8443/%0aalert(1)", NULL },
    { "data:text/html,x", NULL },
    { "vbscript:x", NULL },
    { "file:///etc/passwd", NULL },
    { "ftp://gw.example:8443/x", NULL },
    { "httpss://gw.example:8443/x", NULL },
    { "https ://gw.example:8443/x", NULL },
    { "hxxps://gw.example:8443/x", NULL },
    { ":", NULL },
    { "://gw.example:8443/x", NULL },

    /* relative */
    { "x", NULL },
    { "x/y", NULL },
    { "./x", NULL },
    { "../x", NULL },
    { "?x", NULL },
    { "#x", NULL },
    { "gw.example:8443/x", NULL },
    { ".gw.example", NULL },
    { "@h", NULL },

    /* fragments */
    { "/x#y", NULL },
    { "/x?y#z", NULL },
    { ABS "/x#y", NULL },

    /* user-info, suffixes, other hosts and ports of an absolute URL */
    { "https://h/x", NULL },
    { "https://us@gw.example:8443/x", NULL },
    { "https://gw.example:8443@h/x", NULL },
    { "https://gw.example:8443@h", NULL },
    { "https://gw.example:8443:pw@h/x", NULL },
    { "https://gw.example:8443%40h/x", NULL },
    { "https://gw.example:8443.h/x", NULL },
    { "https://gw.example.h:8443/x", NULL },
    { "https://h.gw.example:8443/x", NULL },
    { "https://hgw.example:8443/x", NULL },
    { "https://gw.exampleh:8443/x", NULL },
    { "https://gw.example.:8443/x", NULL },
    { "https://gw.example/x", NULL },
    { "https://gw.example:443/x", NULL },
    { "https://gw.example:84430/x", NULL },
    { "https://gw.example:08443/x", NULL },
    { "https://gw.example:+8443/x", NULL },
    { "https://gw.example:/x", NULL },
    { "https://gw.example:65537/x", NULL },
    { "https://gw.example:4294975739/x", NULL },
    { "http://gw.example:8443/x", NULL },
    { ABS "\\@h/x", NULL },
    { ABS "\\.h/x", NULL },
    { ABS "?x", NULL },
    { ABS "?@h/", NULL },
    { ABS "#@h/", NULL },
    { ABS "//h", NULL },
    { ABS "/\\h", NULL },
    { ABS "/.//h", NULL },
    { ABS "/%2fh", NULL },
    { ABS "/%0a", NULL },
    { "https://gw\xe3\x80\x82" "example:8443/x", NULL },
    { "https://gw.example%00.h:8443/x", NULL },
    { "https://[::1]:8443/x", NULL },
    { NULL, NULL }
};


static const target_t  good[] = {
    { "/", "/" },
    { "/x", "/x" },
    { "/x?", "/x?" },
    { "/?", "/?" },
    { "/x?y=1&z=%2F%2Fh", "/x?y=1&z=%2F%2Fh" },
    { "/x?//h", "/x?//h" },
    { "/x?u=https://h/", "/x?u=https://h/" },
    { "/x?/.//h", "/x?/.//h" },
    { "/a/../b", "/a/../b" },
    { "/..", "/.." },
    { "/.", "/." },
    { "/./", "/./" },
    { "/../", "/../" },
    { "/../x", "/../x" },
    { "/a//b", "/a//b" },
    { "/a/", "/a/" },
    { "/a//", "/a//" },
    { "/a/./b//c", "/a/./b//c" },
    { "/...//h", "/...//h" },
    { "/.x//h", "/.x//h" },
    { "/%41//h", "/%41//h" },
    { "/x/%41%2e//h", "/x/%41%2e//h" },
    { "/..x//h", "/..x//h" },
    { "/%2e%2e%2e//h", "/%2e%2e%2e//h" },
    { "/.//../h", "/.//../h" },
    { "/api/v4/projects/group%2Fname", "/api/v4/projects/group%2Fname" },
    { "/a%20b/%C3%A9?q=%C3%A9+x", "/a%20b/%C3%A9?q=%C3%A9+x" },
    { "/%7euser/%7Euser/~user", "/%7euser/%7Euser/~user" },
    { "/x?note=a%0D%0Ab", "/x?note=a%0D%0Ab" },
    { "/x?half=100%", "/x?half=100%" },
    { "/@h", "/@h" },
    { "/:80", "/:80" },
    { "/x;p=1,2!$'()*", "/x;p=1,2!$'()*" },
    { "/%e2%81%84h", "/%e2%81%84h" },
    { ABS "/x?y=%41", "/x?y=%41" },
    { ABS, "/" },
    { ABS "/", "/" },
    { "HTTPS://GW.Example:8443/X", "/X" },
    { NULL, NULL }
};


static void test_targets(void);
static void test_paths(void);


int
main(void)
{
    test_targets();
    test_paths();

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
test_targets(void)
{
    oidc_rc_t        rc;
    oidc_str_t       in, out;
    oidc_url_t       base;
    const target_t  *t;

    in = tap_str(ABS);
    is_rc(oidc_url_parse(&in, &base), OIDC_OK, "B01: base");

    for (t = hostile; t->in != NULL; t++) {
        in = exact(t->in);
        out = tap_str("untouched");

        rc = oidc_return_target(&in, &base, &out);

        ok(rc == OIDC_TARGET && out.len == 9,
           "B01 LS-7: refused: hostile row %d", (int) (t - hostile));
    }

    for (t = good; t->in != NULL; t++) {
        in = exact(t->in);

        rc = oidc_return_target(&in, &base, &out);

        if (rc != OIDC_OK) {
            fail("B01: good row %d refused: %s", (int) (t - good), t->in);
            continue;
        }

        is_str(&out, t->out, "B01: accepted, byte for byte");
    }

    in = tap_str(ABS "/x");
    is_rc(oidc_return_target(&in, NULL, &out), OIDC_TARGET,
          "B01: no absolute URL without a base");

    in = tap_str("/x");
    is_rc(oidc_return_target(&in, NULL, &out), OIDC_OK,
          "B01: a path without a base");

    in.data = (u_char *) "/x\0y";
    in.len = 4;
    is_rc(oidc_return_target(&in, &base, &out), OIDC_TARGET,
          "B01: a raw NUL");

    in.len = 0;
    in.data = NULL;
    is_rc(oidc_return_target(&in, &base, &out), OIDC_TARGET,
          "B01: nothing at all");
}


static void
test_paths(void)
{
    size_t           n;
    char             big[2 * OIDC_RETURN_MAX];
    oidc_str_t       in, out;
    const target_t  *t;

    for (t = good; t->in != NULL; t++) {

        if (t->in[0] != '/') {
            continue;
        }

        in = exact(t->in);
        oidc_return_path(&in, &out);

        is_str(&out, t->out, "F07: an URI as it was");
    }

    for (n = 0, t = hostile; t->in != NULL; t++) {
        in = exact(t->in);
        oidc_return_path(&in, &out);

        n += (out.len != 1 || out.data[0] != '/');
    }

    is_int(n, 0, "B01 F07: what does not pass becomes \"/\"");

    memset(big, 'a', sizeof(big));
    big[0] = '/';
    in.data = (u_char *) big;

    in.len = OIDC_RETURN_MAX;
    oidc_return_path(&in, &out);
    is_int(out.len, OIDC_RETURN_MAX, "F08: 1024 bytes stay");

    in.len = OIDC_RETURN_MAX + 1;
    oidc_return_path(&in, &out);
    is_str(&out, "/", "F08: a longer path becomes \"/\"");

    big[4] = '?';
    oidc_return_path(&in, &out);
    is_str(&out, "/aaa", "F08: a longer query is cut off");

    in.len = OIDC_RETURN_MAX;
    oidc_return_path(&in, &out);
    is_int(out.len, OIDC_RETURN_MAX, "F08: 1024 bytes with a query stay");

    in.len = 0;
    in.data = NULL;
    oidc_return_path(&in, &out);
    is_str(&out, "/", "B05: an empty URI");
}
