
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides what an URL, a query argument and a return target may look like.
 * One grammar of hosts serves configuration, metadata, Host headers and return
 * targets (RFC 3986 section 3.2, narrowed to what needs no decoding), and one
 * validator every redirect (RFC 9700 section 4.11).  It never repairs what it
 * is given: a text passes as it is or not at all.
 */


#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "oidc_url.h"


#define OIDC_HOST_MAX   253
#define OIDC_LABEL_MAX  63


static int oidc_url_authority(const oidc_str_t *text, oidc_url_t *url);
static int oidc_url_host(oidc_url_t *url);
static int oidc_url_name(const oidc_str_t *host);
static int oidc_url_numeric(const u_char *p, const u_char *end);
static int oidc_url_ipv6(const oidc_str_t *host, struct in6_addr *addr);
static int oidc_url_port(const u_char *p, const u_char *end, unsigned *port);


static const u_char  oidc_url_digits[] = "0123456789ABCDEF";


oidc_rc_t
oidc_url_parse(const oidc_str_t *text, oidc_url_t *url)
{
    u_char      *p, *end;
    oidc_str_t   rest;

    memset(url, 0, sizeof(oidc_url_t));

    if (text->len == 0) {
        return OIDC_ARGS;
    }

    p = text->data;
    end = p + text->len;

    if (text->len > 8 && strncasecmp((char *) p, "https://", 8) == 0) {
        url->scheme = (oidc_str_t) oidc_string("https");
        url->https = 1;
        url->port = 443;
        rest.data = p + 8;

    } else if (text->len > 7 && strncasecmp((char *) p, "http://", 7) == 0) {
        url->scheme = (oidc_str_t) oidc_string("http");
        url->port = 80;
        rest.data = p + 7;

    } else {
        return OIDC_ARGS;
    }

    for (p = rest.data; p < end; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == '\\' || *p == '#') {
            return OIDC_ARGS;
        }
    }

    for (p = rest.data; p < end && *p != '/' && *p != '?'; p++) {
        /* void */
    }

    rest.len = p - rest.data;

    if (!oidc_url_authority(&rest, url)) {
        return OIDC_ARGS;
    }

    url->path.data = p;

    while (p < end && *p != '?') {
        p++;
    }

    url->path.len = p - url->path.data;

    if (p < end) {
        url->has_query = 1;
        url->query.data = p + 1;
        url->query.len = end - p - 1;
    }

    return OIDC_OK;
}


int
oidc_url_is_loopback(const oidc_url_t *url)
{
    const u_char     *p;
    struct in6_addr   addr;

    static const char  name[] = ".localhost";

    if (url->ipv6) {
        return oidc_url_ipv6(&url->host, &addr)
               && IN6_IS_ADDR_LOOPBACK(&addr);
    }

    p = url->host.data;

    if (url->ip) {
        return url->host.len > 4 && memcmp(p, "127.", 4) == 0;
    }

    if (url->host.len == sizeof(name) - 2) {
        return strncasecmp((char *) p, name + 1, sizeof(name) - 2) == 0;
    }

    return url->host.len > sizeof(name) - 1
           && strncasecmp((char *) p + url->host.len - (sizeof(name) - 1),
                          name, sizeof(name) - 1)
              == 0;
}


int
oidc_url_same_origin(const oidc_url_t *a, const oidc_url_t *b)
{
    return a->https == b->https
           && a->port == b->port
           && a->host.len == b->host.len
           && strncasecmp((char *) a->host.data, (char *) b->host.data,
                          a->host.len)
              == 0;
}


void
oidc_buf_escape(oidc_buf_t *b, const oidc_str_t *s)
{
    u_char   c, esc[3];
    size_t   i, plain;

    if (s->len == 0) {
        return;
    }

    esc[0] = '%';
    plain = 0;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9')
            || c == '-' || c == '.' || c == '_' || c == '~')
        {
            continue;
        }

        esc[1] = oidc_url_digits[c >> 4];
        esc[2] = oidc_url_digits[c & 0xf];

        oidc_buf_add(b, s->data + plain, i - plain);
        oidc_buf_add(b, esc, 3);

        plain = i + 1;
    }

    oidc_buf_add(b, s->data + plain, s->len - plain);
}


void
oidc_buf_arg(oidc_buf_t *b, char sep, const char *name,
    const oidc_str_t *value)
{
    if (sep != 0) {
        oidc_buf_add(b, &sep, 1);
    }

    oidc_buf_cstr(b, name);
    oidc_buf_add(b, "=", 1);
    oidc_buf_escape(b, value);
}


char
oidc_url_sep(const oidc_str_t *url)
{
    u_char  last;

    if (url->len == 0 || memchr(url->data, '?', url->len) == NULL) {
        return '?';
    }

    last = url->data[url->len - 1];

    return (last == '?' || last == '&') ? 0 : '&';
}


int
oidc_args_next(oidc_str_t *rest, oidc_str_t *name, oidc_str_t *value)
{
    u_char  *p, *end, *last, *eq;

    if (rest->len == 0) {
        return 0;
    }

    p = rest->data;
    end = p + rest->len;

    while (p < end && *p == '&') {
        p++;
    }

    if (p == end) {
        rest->data = end;
        rest->len = 0;
        return 0;
    }

    last = memchr(p, '&', end - p);

    if (last == NULL) {
        last = end;
    }

    eq = memchr(p, '=', last - p);

    name->data = p;

    if (eq == NULL) {
        name->len = last - p;
        value->data = last;
        value->len = 0;

    } else {
        name->len = eq - p;
        value->data = eq + 1;
        value->len = last - eq - 1;
    }

    rest->data = last;
    rest->len = end - last;

    return 1;
}


oidc_rc_t
oidc_form_decode(oidc_pool_t *pool, const oidc_str_t *in, oidc_str_t *out)
{
    int            c;
    u_char        *dst;
    const u_char  *p, *end;

    dst = oidc_palloc(pool, in->len + 1);
    if (dst == NULL) {
        return OIDC_NOMEM;
    }

    out->data = dst;

    p = in->data;
    end = (in->len != 0) ? p + in->len : p;

    while (p < end) {

        if (*p == '%') {
            c = oidc_url_hex(p, end);
            p += 3;

        } else {
            c = (*p == '+') ? ' ' : *p;
            p++;
        }

        if (c <= 0) {
            return OIDC_ARGS;
        }

        *dst++ = (u_char) c;
    }

    *dst = '\0';
    out->len = dst - out->data;

    return OIDC_OK;
}


int
oidc_host_ok(const oidc_str_t *host)
{
    oidc_url_t  url;

    memset(&url, 0, sizeof(oidc_url_t));

    return host->len != 0 && oidc_url_authority(host, &url);
}


/* host[:port]; "@" is in no host, so user-info does not pass */

static int
oidc_url_authority(const oidc_str_t *text, oidc_url_t *url)
{
    u_char  *p, *end;

    p = text->data;
    end = p + text->len;

    url->authority = *text;

    if (p < end && *p == '[') {
        url->host.data = ++p;
        url->ipv6 = 1;

        while (p < end && *p != ']') {
            p++;
        }

        if (p == end) {
            return 0;
        }

        url->host.len = p++ - url->host.data;

    } else {
        url->host.data = p;

        while (p < end && *p != ':') {
            p++;
        }

        url->host.len = p - url->host.data;
    }

    if (p < end && (*p != ':' || !oidc_url_port(p + 1, end, &url->port))) {
        return 0;
    }

    return oidc_url_host(url);
}


static int
oidc_url_host(oidc_url_t *url)
{
    u_char           *p, *label, *end;
    char              ip[sizeof("255.255.255.255")];
    struct in_addr    in4;
    struct in6_addr   in6;

    if (url->ipv6) {
        url->ip = 1;
        return oidc_url_ipv6(&url->host, &in6);
    }

    if (!oidc_url_name(&url->host)) {
        return 0;
    }

    end = url->host.data + url->host.len;

    for (label = p = url->host.data; p < end; p++) {
        if (*p == '.') {
            label = p + 1;
        }
    }

    if (!oidc_url_numeric(label, end)) {
        return 1;
    }

    /*
     * Browsers take "127.1", "0x7f000001" and "2130706433" for addresses;
     * here only the one canonical form is an address, the others are nothing.
     */

    if (url->host.len >= sizeof(ip)) {
        return 0;
    }

    memcpy(ip, url->host.data, url->host.len);
    ip[url->host.len] = '\0';

    url->ip = 1;

    return inet_pton(AF_INET, ip, &in4) == 1;
}


static int
oidc_url_name(const oidc_str_t *host)
{
    u_char  c;
    size_t  i, label;

    if (host->len == 0 || host->len > OIDC_HOST_MAX) {
        return 0;
    }

    for (label = 0, i = 0; i < host->len; i++) {
        c = host->data[i];

        if (c == '.') {
            if (label == 0) {
                return 0;
            }

            label = 0;
            continue;
        }

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_')
            || ++label > OIDC_LABEL_MAX)
        {
            return 0;
        }
    }

    return label != 0;
}


static int
oidc_url_numeric(const u_char *p, const u_char *end)
{
    if (end - p >= 2 && p[0] == '0' && (p[1] | 0x20) == 'x') {
        return 1;
    }

    while (p < end) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        p++;
    }

    return 1;
}


static int
oidc_url_ipv6(const oidc_str_t *host, struct in6_addr *addr)
{
    char  ip[INET6_ADDRSTRLEN];

    if (host->len >= sizeof(ip)) {
        return 0;
    }

    memcpy(ip, host->data, host->len);
    ip[host->len] = '\0';

    return inet_pton(AF_INET6, ip, addr) == 1;
}


static int
oidc_url_port(const u_char *p, const u_char *end, unsigned *port)
{
    unsigned  n;

    if (p == end || end - p > 5 || *p == '0') {
        return 0;
    }

    for (n = 0; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        n = n * 10 + (*p - '0');
    }

    *port = n;

    return n <= 65535;
}


int
oidc_url_hex(const u_char *p, const u_char *end)
{
    int     i, n;
    u_char  c;

    if (end - p < 3) {
        return -1;
    }

    for (n = 0, i = 1; i <= 2; i++) {
        c = p[i];

        if (c >= '0' && c <= '9') {
            n = n * 16 + (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return -1;
        }

        n = n * 16 + (c - 'a' + 10);
    }

    return n;
}
