
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Cookies (RFC 6265): walks and filters what browsers send, writes what we set.
 * A Cookie header is never refused, what does not parse is passed over; a
 * Set-Cookie that a browser would drop or misread is never written.
 */


#include <stdio.h>
#include <string.h>

#include "oidc_cookie.h"


/* RFC 6265bis sections 5.6 and 5.5 */

#define OIDC_COOKIE_MAX      4096
#define OIDC_COOKIE_AGE_MAX  (400 * 86400)

#define OIDC_COOKIE_EXPIRED  "Expires=Thu, 01 Jan 1970 00:00:00 GMT; "


static void oidc_cookie_join(oidc_buf_t *b, const oidc_str_t *piece);
static int oidc_cookie_piece(oidc_str_t *rest, oidc_str_t *piece);
static void oidc_cookie_trim(oidc_str_t *s);
static int oidc_cookie_ours(const oidc_str_t *piece,
    const oidc_str_t *prefixes, size_t n);
static int oidc_cookie_value_ok(const oidc_str_t *value);
static int oidc_cookie_prefix_ok(const oidc_set_cookie_t *cookie);
static int oidc_cookie_starts(const oidc_str_t *s, const char *prefix,
    size_t len);


int
oidc_cookie_next(oidc_str_t *rest, oidc_str_t *name, oidc_str_t *value)
{
    u_char      *eq;
    oidc_str_t   piece;

    while (oidc_cookie_piece(rest, &piece)) {

        eq = memchr(piece.data, '=', piece.len);

        if (eq == NULL) {
            continue;
        }

        name->data = piece.data;
        name->len = eq - piece.data;

        value->data = eq + 1;
        value->len = piece.data + piece.len - value->data;

        oidc_cookie_trim(name);
        oidc_cookie_trim(value);

        if (value->len >= 2
            && value->data[0] == '"' && value->data[value->len - 1] == '"')
        {
            value->data++;
            value->len -= 2;
        }

        return 1;
    }

    return 0;
}


oidc_rc_t
oidc_cookie_strip(oidc_pool_t *pool, const oidc_str_t *header,
    const oidc_str_t *prefixes, size_t n, oidc_str_t *out, int *removed)
{
    oidc_str_t  rest, before, piece;
    oidc_buf_t  b;

    *removed = 0;
    rest = *header;

    while (oidc_cookie_piece(&rest, &piece)) {
        if (oidc_cookie_ours(&piece, prefixes, n)) {
            *removed = 1;
            break;
        }
    }

    if (!*removed) {
        return OIDC_OK;
    }

    before.data = header->data;
    before.len = piece.data - header->data;

    if (before.len == 0 && rest.len == 0) {

        /* as most often: the session's is the only one */

        out->data = (u_char *) "";
        out->len = 0;
        return OIDC_OK;
    }

    /* with the removed ones gone, "; " for ";" fits in the same length */

    oidc_buf_init(&b, pool, header->len + 1);

    while (oidc_cookie_piece(&before, &piece)) {
        oidc_cookie_join(&b, &piece);
    }

    while (oidc_cookie_piece(&rest, &piece)) {
        if (!oidc_cookie_ours(&piece, prefixes, n)) {
            oidc_cookie_join(&b, &piece);
        }
    }

    return oidc_buf_done(&b, out);
}


static void
oidc_cookie_join(oidc_buf_t *b, const oidc_str_t *piece)
{
    if (b->len != 0) {
        oidc_buf_cstr(b, "; ");
    }

    oidc_buf_str(b, piece);
}


int
oidc_cookie_name_ok(const oidc_str_t *name)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (c <= 0x20 || c >= 0x7f
            || memchr("()<>@,;:\\\"/[]?={}", c, 17) != NULL)
        {
            return 0;
        }
    }

    return name->len != 0;
}


int
oidc_cookie_domain_ok(const oidc_str_t *domain)
{
    size_t  i, label;
    u_char  c, prev;

    if (domain->len > 253) {
        return 0;
    }

    prev = '.';

    for (label = 0, i = 0; i < domain->len; i++) {
        c = domain->data[i];

        if (c == '.') {
            if ((label == 0 && i != 0) || prev == '-') {
                return 0;
            }

            label = 0;

        } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                   || (c >= '0' && c <= '9') || (c == '-' && prev != '.'))
        {
            if (++label > 63) {
                return 0;
            }

        } else {
            return 0;
        }

        prev = c;
    }

    return label != 0 && prev != '-';
}


oidc_rc_t
oidc_set_cookie(oidc_pool_t *pool, const oidc_set_cookie_t *cookie,
    oidc_str_t *out)
{
    char        num[32];
    int64_t     age;
    oidc_buf_t  b;

    if (!oidc_cookie_name_ok(&cookie->name)
        || !oidc_cookie_value_ok(&cookie->value)
        || cookie->name.len + cookie->value.len > OIDC_COOKIE_MAX
        || (cookie->domain.len != 0
            && !oidc_cookie_domain_ok(&cookie->domain))
        || !oidc_cookie_prefix_ok(cookie))
    {
        return OIDC_ARGS;
    }

    oidc_buf_init(&b, pool, cookie->name.len + cookie->value.len
                            + cookie->domain.len + 160);

    oidc_buf_str(&b, &cookie->name);
    oidc_buf_cstr(&b, "=");
    oidc_buf_str(&b, &cookie->value);
    oidc_buf_cstr(&b, "; Path=/; ");

    if (cookie->domain.len != 0) {
        oidc_buf_cstr(&b, "Domain=");
        oidc_buf_str(&b, &cookie->domain);
        oidc_buf_cstr(&b, "; ");
    }

    age = cookie->max_age;

    if (age >= 0) {
        if (age > OIDC_COOKIE_AGE_MAX) {
            age = OIDC_COOKIE_AGE_MAX;
        }

        snprintf(num, sizeof(num), "Max-Age=%lld; ", (long long) age);
        oidc_buf_cstr(&b, num);

        if (age == 0) {
            oidc_buf_cstr(&b, OIDC_COOKIE_EXPIRED);
        }
    }

    if (cookie->secure) {
        oidc_buf_cstr(&b, "Secure; ");
    }

    oidc_buf_cstr(&b, cookie->cross_site ? "HttpOnly; SameSite=None"
                                         : "HttpOnly; SameSite=Lax");

    return oidc_buf_done(&b, out);
}


/* the next non-empty piece between semicolons, spaces around it removed */

static int
oidc_cookie_piece(oidc_str_t *rest, oidc_str_t *piece)
{
    u_char  *end, *semi;

    while (rest->len != 0) {
        end = rest->data + rest->len;

        semi = memchr(rest->data, ';', rest->len);

        if (semi == NULL) {
            semi = end;
        }

        piece->data = rest->data;
        piece->len = semi - rest->data;

        rest->data = (semi == end) ? end : semi + 1;
        rest->len = end - rest->data;

        oidc_cookie_trim(piece);

        if (piece->len != 0) {
            return 1;
        }
    }

    return 0;
}


static void
oidc_cookie_trim(oidc_str_t *s)
{
    while (s->len != 0 && (s->data[0] == ' ' || s->data[0] == '\t')) {
        s->data++;
        s->len--;
    }

    while (s->len != 0
           && (s->data[s->len - 1] == ' ' || s->data[s->len - 1] == '\t'))
    {
        s->len--;
    }
}


/*
 * A piece without "=" counts too: some backends take it for a name.  What only
 * begins alike ("sid" and "sidebar") is somebody else's.
 */

static int
oidc_cookie_ours(const oidc_str_t *piece, const oidc_str_t *prefixes, size_t n)
{
    size_t       i;
    u_char      *eq;
    oidc_str_t   name;

    name = *piece;
    eq = memchr(name.data, '=', name.len);

    if (eq != NULL) {
        name.len = eq - name.data;
        oidc_cookie_trim(&name);
    }

    for (i = 0; i < n; i++) {
        if (oidc_cookie_starts(&name, (char *) prefixes[i].data,
                               prefixes[i].len)
            && (name.len == prefixes[i].len
                || name.data[prefixes[i].len] == '.'))
        {
            return 1;
        }
    }

    return 0;
}


/* cookie-octet */

static int
oidc_cookie_value_ok(const oidc_str_t *value)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';'
            || c == '\\')
        {
            return 0;
        }
    }

    return 1;
}


/* RFC 6265bis section 4.1.3: browsers drop what breaks its prefix's promise */

static int
oidc_cookie_prefix_ok(const oidc_set_cookie_t *cookie)
{
    if (oidc_cookie_starts(&cookie->name, "__Host-", 7)) {
        return cookie->secure && cookie->domain.len == 0;
    }

    if (oidc_cookie_starts(&cookie->name, "__Secure-", 9)) {
        return cookie->secure;
    }

    return 1;
}


static int
oidc_cookie_starts(const oidc_str_t *s, const char *prefix, size_t len)
{
    return s->len >= len && memcmp(s->data, prefix, len) == 0;
}
