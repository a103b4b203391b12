
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides what an URL of Redis may look like (RFC 3986, with the host as
 * oidc_url.h takes it).  Never quotes what it was given.
 */


#include <string.h>
#include <strings.h>

#include "oidc_redis_url.h"
#include "oidc_url.h"


static const char *oidc_redis_url_host(oidc_pool_t *pool,
    const oidc_str_t *text, oidc_redis_url_t *url);
static const char *oidc_redis_url_user(oidc_pool_t *pool,
    const oidc_str_t *text, oidc_redis_url_t *url);
static const char *oidc_redis_url_local(oidc_pool_t *pool,
    const oidc_str_t *text, oidc_redis_url_t *url);
static const char *oidc_redis_url_db(const u_char *p, const u_char *end,
    oidc_redis_url_t *url);
static const char *oidc_redis_url_decode(oidc_pool_t *pool, const u_char *p,
    const u_char *end, oidc_str_t *out);


static const char  oidc_redis_no_memory[] = "out of memory";


const char *
oidc_redis_url_parse(oidc_pool_t *pool, const oidc_str_t *text,
    oidc_redis_url_t *url)
{
    size_t       i;
    oidc_str_t   rest, host;
    const char  *err;
    u_char      *p, *end, *at;

    memset(url, 0, sizeof(oidc_redis_url_t));
    url->db = -1;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] <= 0x20 || text->data[i] == 0x7f) {
            return "blank or control character in URL";
        }
    }

    if (text->len > 5 && strncasecmp((char *) text->data, "unix:", 5) == 0) {
        rest.data = text->data + 5;
        rest.len = text->len - 5;
        return oidc_redis_url_local(pool, &rest, url);
    }

    if (text->len >= 9 && strncasecmp((char *) text->data, "rediss://", 9) == 0)
    {
        url->tls = 1;
        p = text->data + 9;

    } else if (text->len >= 8
               && strncasecmp((char *) text->data, "redis://", 8) == 0)
    {
        p = text->data + 8;

    } else {
        return "URL begins with none of \"redis://\", \"rediss://\", "
               "\"unix:\"";
    }

    end = text->data + text->len;

    /* a password with "/" in it, not encoded, is still no host */

    for (at = end; at > p && at[-1] != '@'; at--) { /* void */ }

    if (at > p) {
        rest.data = p;
        rest.len = at - 1 - p;
        err = oidc_redis_url_user(pool, &rest, url);

        if (err != NULL) {
            return err;
        }

        p = at;
    }

    host.data = p;

    while (p < end && *p != '/' && *p != '?') {
        p++;
    }

    host.len = p - host.data;

    err = oidc_redis_url_host(pool, &host, url);

    if (err != NULL || p == end) {
        return err;
    }

    if (*p == '?') {
        return "arguments in URL are not supported";
    }

    return (p + 1 == end) ? NULL : oidc_redis_url_db(p + 1, end, url);
}


/* as that of an http URL, which may not have port 0 either */

static const char *
oidc_redis_url_host(oidc_pool_t *pool, const oidc_str_t *text,
    oidc_redis_url_t *url)
{
    oidc_str_t  whole;
    oidc_url_t  http;

    if (text->len > OIDC_REDIS_HOST_MAX + sizeof("[]:65535")) {
        return "host in URL is too long";
    }

    whole.len = sizeof("http://") - 1 + text->len;
    whole.data = oidc_palloc(pool, whole.len);

    if (whole.data == NULL) {
        return oidc_redis_no_memory;
    }

    memcpy(whole.data, "http://", sizeof("http://") - 1);
    memcpy(whole.data + sizeof("http://") - 1, text->data, text->len);

    if (oidc_url_parse(&whole, &http) != OIDC_OK) {
        return "bad host or port in URL";
    }

    url->host = http.host;
    url->ip = http.ip;
    url->port = http.authority.len == http.host.len + 2 * http.ipv6
                ? OIDC_REDIS_PORT : http.port;

    return NULL;
}


/* "user:password", ":password", or "user" alone, which makes no sense */

static const char *
oidc_redis_url_user(oidc_pool_t *pool, const oidc_str_t *text,
    oidc_redis_url_t *url)
{
    u_char      *p, *end, *colon;
    const char  *err;

    p = text->data;
    end = p + text->len;

    for (colon = p; colon < end && *colon != ':'; colon++) { /* void */ }

    if (colon == end) {
        return "user without password in URL";
    }

    err = oidc_redis_url_decode(pool, p, colon, &url->user);

    if (err == NULL) {
        err = oidc_redis_url_decode(pool, colon + 1, end, &url->password);
    }

    if (err == NULL && url->user.len && url->password.len == 0) {
        return "user without password in URL";
    }

    return err;
}


static const char *
oidc_redis_url_local(oidc_pool_t *pool, const oidc_str_t *text,
    oidc_redis_url_t *url)
{
    u_char      *end, *query;
    oidc_str_t   path;

    end = text->data + text->len;

    for (query = text->data; query < end && *query != '?'; query++) {
        /* void */
    }

    path.data = text->data;
    path.len = query - text->data;

    url->local = 1;

    /* "unix:///path" has an empty authority */

    if (path.len > 2 && memcmp(path.data, "//", 2) == 0) {
        path.data += 2;
        path.len -= 2;
    }

    if (path.len == 0 || path.data[0] != '/') {
        return "path in \"unix:\" URL is not absolute";
    }

    if (path.len > OIDC_REDIS_PATH_MAX) {
        return "path in \"unix:\" URL is too long";
    }

    if (oidc_str_dup(pool, &path, &url->host) != OIDC_OK) {
        return oidc_redis_no_memory;
    }

    if (query == end) {
        return NULL;
    }

    if (end - query < 5 || memcmp(query, "?db=", 4) != 0) {
        return "unknown argument in \"unix:\" URL";
    }

    return oidc_redis_url_db(query + 4, end, url);
}


static const char *
oidc_redis_url_db(const u_char *p, const u_char *end, oidc_redis_url_t *url)
{
    int  n;

    for (n = 0; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return "bad number of data base in URL";
        }

        n = n * 10 + (*p - '0');

        if (n > OIDC_REDIS_DB_MAX) {
            return "bad number of data base in URL";
        }
    }

    url->db = n;

    return NULL;
}


/* percent coding alone: "+" is a plus */

static const char *
oidc_redis_url_decode(oidc_pool_t *pool, const u_char *p, const u_char *end,
    oidc_str_t *out)
{
    int      c;
    u_char  *dst;

    dst = oidc_palloc(pool, end - p + 1);
    if (dst == NULL) {
        return oidc_redis_no_memory;
    }

    out->data = dst;

    while (p < end) {
        c = *p;

        if (c == '%') {
            c = oidc_url_hex(p, end);

            if (c <= 0) {
                return "bad percent coding in URL";
            }

            p += 2;
        }

        *dst++ = (u_char) c;
        p++;
    }

    out->len = dst - out->data;

    return NULL;
}
