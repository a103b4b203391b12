
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides how much of an answer is taken and how long it may be kept.  Never
 * looks into a body: it is whole or an error, which the transport knows.
 * RFC 9111 section 5.2.2.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_oidc_answer.h"


/* all header lines of an answer together; nginx's own proxy takes 4k or 8k */
#define NGX_OIDC_ANSWER_HEADERS_MAX   65536

/* discovery documents have some 5 kB: rarely more than one step to grow */
#define NGX_OIDC_ANSWER_BODY_MIN      8192

/* seconds; more than anybody keeps a document, less than time_t overflows */
#define NGX_OIDC_ANSWER_AGE_MAX       (365 * 24 * 3600)


static void ngx_oidc_answer_cache_control(ngx_oidc_answer_t *a, u_char *p,
    u_char *last);
static ngx_uint_t ngx_oidc_answer_is(u_char *p, u_char *last,
    const char *name);


void
ngx_oidc_answer_init(ngx_oidc_answer_t *a, size_t max)
{
    ngx_memzero(a, sizeof(ngx_oidc_answer_t));

    a->max = max;
    a->max_age = -1;
}


void
ngx_oidc_answer_free(ngx_oidc_answer_t *a)
{
    if (a->body != NULL) {
        ngx_free(a->body);
    }
}


ngx_int_t
ngx_oidc_answer_header(ngx_oidc_answer_t *a, u_char *p, size_t len)
{
    a->header_len += len;

    if (a->header_len > NGX_OIDC_ANSWER_HEADERS_MAX) {
        a->too_large = 1;
        return NGX_ERROR;
    }

    if (ngx_oidc_answer_is(p, p + len, "HTTP/")) {
        a->max_age = -1;
    }

    if (ngx_oidc_answer_is(p, p + len, "Cache-Control:")) {
        ngx_oidc_answer_cache_control(a, p + sizeof("Cache-Control:") - 1,
                                      p + len);
    }

    return NGX_OK;
}


ngx_int_t
ngx_oidc_answer_body(ngx_oidc_answer_t *a, u_char *p, size_t len,
    ngx_log_t *log)
{
    size_t   cap;
    u_char  *body;

    if (len > a->max - a->len) {
        a->too_large = 1;
        return NGX_ERROR;
    }

    if (a->len + len > a->cap) {
        cap = ngx_max(a->cap * 2, NGX_OIDC_ANSWER_BODY_MIN);
        cap = ngx_max(cap, a->len + len);

        body = ngx_alloc(cap, log);
        if (body == NULL) {
            return NGX_ERROR;
        }

        if (a->body != NULL) {
            ngx_memcpy(body, a->body, a->len);
            ngx_free(a->body);
        }

        a->body = body;
        a->cap = cap;
    }

    ngx_memcpy(a->body + a->len, p, len);
    a->len += len;

    return NGX_OK;
}


/* of what bears on us, the strictest counts */

static void
ngx_oidc_answer_cache_control(ngx_oidc_answer_t *a, u_char *p, u_char *last)
{
    u_char  *end;
    time_t   age;

    for ( /* void */ ; p < last; p = end + 1) {

        for (end = p; end < last && *end != ','; end++) { /* void */ }

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if (ngx_oidc_answer_is(p, end, "no-store")
            || ngx_oidc_answer_is(p, end, "no-cache"))
        {
            a->max_age = 0;
            continue;
        }

        if (!ngx_oidc_answer_is(p, end, "max-age=")) {
            continue;
        }

        p += sizeof("max-age=") - 1;

        if (p < end && *p == '"') {
            p++;
        }

        if (p == end || *p < '0' || *p > '9') {
            continue;
        }

        for (age = 0; p < end && *p >= '0' && *p <= '9'; p++) {
            age = ngx_min(age * 10 + (*p - '0'), NGX_OIDC_ANSWER_AGE_MAX);
        }

        if (a->max_age == -1 || age < a->max_age) {
            a->max_age = age;
        }
    }
}


static ngx_uint_t
ngx_oidc_answer_is(u_char *p, u_char *last, const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    return (size_t) (last - p) >= len
           && ngx_strncasecmp(p, (u_char *) name, len) == 0;
}
