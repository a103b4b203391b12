
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Return targets, hosts, URLs and forms.  What the validator lets through is
 * read again as a browser does (WHATWG URL: white space dropped, "\" is "/",
 * "%2e" is a dot) and must stay on our origin.
 */


#include "arena.h"

#include "oidc_url.h"


static int
dots(const char *seg, size_t len)
{
    int     n;
    size_t  i;

    for (n = 0, i = 0; i < len; n++) {

        if (seg[i] == '.') {
            i++;

        } else if (len - i >= 3 && seg[i] == '%' && seg[i + 1] == '2'
                   && (seg[i + 2] | 0x20) == 'e')
        {
            i += 3;

        } else {
            return 0;
        }
    }

    return (n <= 2) ? n : 0;
}


static void
stays(const oidc_str_t *path)
{
    char    *text, *out, *p, *seg;
    size_t   i, n, len;

    text = fuzz_alloc(NULL, path->len + 1);
    out = fuzz_alloc(NULL, 2 * path->len + 2);

    for (n = 0, i = 0; i < path->len; i++) {
        if (path->data[i] == '\t' || path->data[i] == '\r'
            || path->data[i] == '\n')
        {
            continue;
        }

        if (path->data[i] == '?' || path->data[i] == '#') {
            break;
        }

        text[n++] = (path->data[i] == '\\') ? '/' : (char) path->data[i];
    }

    text[n] = '\0';

    fuzz_check(text[0] == '/');
    fuzz_check(text[1] != '/');

    /* segment by segment into "out", ".." takes the last one back */

    len = 0;

    for (p = text; *p == '/'; /* void */) {
        seg = ++p;

        while (*p != '/' && *p != '\0') {
            p++;
        }

        i = (size_t) (p - seg);

        switch (dots(seg, i)) {

        case 2:
            while (len > 0 && out[--len] != '/') {
                /* void */
            }

            /* fall through */

        case 1:
            if (*p == '\0') {
                out[len++] = '/';
            }

            break;

        default:
            out[len++] = '/';
            memcpy(out + len, seg, i);
            len += i;
        }
    }

    fuzz_check(len >= 1 && out[0] == '/');
    fuzz_check(len == 1 || out[1] != '/');
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_buf_t  b;
    oidc_str_t  in, path, escaped, decoded;
    oidc_url_t  base, url;

    path = fuzz_str("https://gw.example:8443/x");
    fuzz_check(oidc_url_parse(&path, &base) == OIDC_OK);

    in = fuzz_copy(data, size);

    if (oidc_return_target(&in, &base, &path) == OIDC_OK) {
        stays(&path);

        fuzz_check(oidc_return_target(&path, NULL, &decoded) == OIDC_OK);
        fuzz_check(oidc_str_eq(&path, &decoded));
    }

    oidc_return_path(&in, &path);
    fuzz_check(path.len >= 1 && path.len <= OIDC_RETURN_MAX);
    stays(&path);

    if (oidc_url_parse(&in, &url) == OIDC_OK) {
        fuzz_touch(&url.authority);
        fuzz_touch(&url.path);
        fuzz_touch(&url.query);

        fuzz_check(url.host.len != 0 && url.port >= 1 && url.port <= 65535);
        fuzz_check(memchr(url.authority.data, '@', url.authority.len) == NULL);
        fuzz_check(oidc_host_ok(&url.authority));
        fuzz_check(oidc_url_same_origin(&url, &url));

        (void) oidc_url_is_loopback(&url);
    }

    (void) oidc_host_ok(&in);
    (void) oidc_url_sep(&in);

    if (oidc_form_decode(fuzz_pool(), &in, &decoded) == OIDC_OK) {
        fuzz_check(memchr(decoded.data, '\0', decoded.len) == NULL);

        oidc_buf_init(&b, fuzz_pool(), 0);
        oidc_buf_escape(&b, &decoded);
        fuzz_check(oidc_buf_done(&b, &escaped) == OIDC_OK);
        fuzz_check(oidc_form_decode(fuzz_pool(), &escaped, &path) == OIDC_OK);
        fuzz_check(oidc_str_eq(&path, &decoded));
    }

    fuzz_done();

    return 0;
}
