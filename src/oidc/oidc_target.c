
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The redirect validator: the one place that decides where a browser may be
 * sent back to.  Stricter than browsers are lenient: what they might read as
 * another host is refused in every spelling.
 */


#include <string.h>

#include "oidc_url.h"


static int oidc_url_target_ok(const oidc_str_t *in);
static int oidc_url_path_ok(const u_char *p, const u_char *end);
static int oidc_url_slashed(const u_char *p, const u_char *end, int decode);
static int oidc_url_dots(const u_char *p, const u_char *end);


oidc_rc_t
oidc_return_target(const oidc_str_t *in, const oidc_url_t *base,
    oidc_str_t *path)
{
    oidc_str_t  target;
    oidc_url_t  url;

    target = *in;

    if (in->len == 0) {
        return OIDC_TARGET;
    }

    if (in->data[0] != '/') {

        if (base == NULL
            || oidc_url_parse(in, &url) != OIDC_OK
            || !oidc_url_same_origin(&url, base))
        {
            return OIDC_TARGET;
        }

        target.data = url.path.data;
        target.len = in->data + in->len - url.path.data;

        if (target.len == 0) {
            target = (oidc_str_t) oidc_string("/");
        }
    }

    if (!oidc_url_target_ok(&target)) {
        return OIDC_TARGET;
    }

    *path = target;

    return OIDC_OK;
}


void
oidc_return_path(const oidc_str_t *uri, oidc_str_t *path)
{
    u_char      *q;
    oidc_str_t   cut;

    cut = *uri;

    if (cut.len > OIDC_RETURN_MAX) {
        q = memchr(cut.data, '?', cut.len);

        if (q != NULL) {
            cut.len = q - cut.data;
        }
    }

    if (cut.len == 0 || cut.len > OIDC_RETURN_MAX || !oidc_url_target_ok(&cut))
    {
        cut = (oidc_str_t) oidc_string("/");
    }

    *path = cut;
}


/*
 * The query can not change where a browser goes, so there anything printable
 * may stand, encoded line ends and lone "%" included; the path is held to
 * oidc_url_path_ok().
 */

static int
oidc_url_target_ok(const oidc_str_t *in)
{
    const u_char  *p, *end, *query;

    p = in->data;
    end = p + in->len;
    query = NULL;

    for ( /* void */ ; p < end; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '\\' || *p == '#') {
            return 0;
        }

        if (*p == '?' && query == NULL) {
            query = p;
        }
    }

    return oidc_url_path_ok(in->data, query ? query : end);
}


/*
 * "/%2f" inside of a path is left alone, many an application has it there.  At
 * the start it is refused, and so is whatever begins with two slashes once dot
 * segments are removed: not browsers, but what decodes or normalises on the way
 * may make "//host" of it.
 */

static int
oidc_url_path_ok(const u_char *p, const u_char *end)
{
    int            c;
    const u_char  *start;

    if (p == end || *p != '/') {
        return 0;
    }

    for (start = p; p < end; p++) {
        if (*p != '%') {
            continue;
        }

        c = oidc_url_hex(p, end);

        if (c < 0x20 || c == 0x7f || c == '\\') {
            return 0;
        }
    }

    return !oidc_url_slashed(start, end, 0) && !oidc_url_slashed(start, end, 1);
}


/*
 * RFC 3986 section 5.2.4 without its buffers: whether the path begins with an
 * empty segment and another one, before or after dot segments are removed.
 * With "decode" %2f separates too.
 */

static int
oidc_url_slashed(const u_char *p, const u_char *end, int decode)
{
    int            last, dots, empty, first;
    size_t         depth;
    const u_char  *seg;

    depth = 0;
    empty = 0;
    first = 1;

    do {
        /* behind a slash */

        seg = p = (*p == '%') ? p + 3 : p + 1;

        while (p < end && *p != '/'
               && !(decode && *p == '%' && oidc_url_hex(p, end) == '/'))
        {
            p++;
        }

        last = (p == end);

        if (first && !last && p == seg) {
            return 1;
        }

        first = 0;
        dots = oidc_url_dots(seg, p);

        if (dots == 2 && depth > 0) {
            depth--;
        }

        if (dots == 0 || last) {
            if (depth++ == 0) {
                empty = (dots != 0 || p == seg);
            }
        }

    } while (!last);

    return empty && depth > 1;
}


/* 1 for ".", 2 for "..", 0 for others; browsers take "%2e" for a dot here */

static int
oidc_url_dots(const u_char *p, const u_char *end)
{
    int  n;

    for (n = 0; p < end && n < 3; n++) {

        if (*p == '.') {
            p++;

        } else if (*p == '%' && oidc_url_hex(p, end) == '.') {
            p += 3;

        } else {
            return 0;
        }
    }

    return (n < 3) ? n : 0;
}
