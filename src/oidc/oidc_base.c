
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Counted strings, comparison in constant time, the string builder, and the
 * look-ups in the one table of reasons.  Never frees: memory belongs to the
 * owner of the pool.
 */


#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>

#include "oidc_base.h"


#define OIDC_BUF_MIN  64


typedef struct {
    const char  *name;
    const char  *text;
    int          status;
} oidc_reason_t;


static int oidc_buf_reserve(oidc_buf_t *b, size_t len);


static const oidc_reason_t  oidc_reasons[] = {
#define OIDC_REASON_ROW(id, name, status, text)  { name, text, status },
    OIDC_REASONS(OIDC_REASON_ROW)
#undef OIDC_REASON_ROW
};


const char *
oidc_rc_name(oidc_rc_t rc)
{
    return oidc_reasons[rc].name;
}


const char *
oidc_rc_text(oidc_rc_t rc)
{
    return oidc_reasons[rc].text;
}


int
oidc_rc_status(oidc_rc_t rc)
{
    return oidc_reasons[rc].status;
}


int
oidc_eq_ct(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}


int
oidc_str_eq_ct(const oidc_str_t *a, const oidc_str_t *b)
{
    return a->len == b->len && oidc_eq_ct(a->data, b->data, a->len);
}


int
oidc_str_eq(const oidc_str_t *a, const oidc_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


int
oidc_str_eq_cstr(const oidc_str_t *a, const char *b)
{
    size_t  len;

    len = strlen(b);

    return a->len == len && (len == 0 || memcmp(a->data, b, len) == 0);
}


void
oidc_wipe(void *p, size_t len)
{
    OPENSSL_cleanse(p, len);
}


void *
oidc_palloc(oidc_pool_t *pool, size_t size)
{
    return pool->alloc(pool->owner, size);
}


oidc_rc_t
oidc_str_dup(oidc_pool_t *pool, const oidc_str_t *src, oidc_str_t *dst)
{
    u_char  *p;

    p = oidc_palloc(pool, src->len + 1);
    if (p == NULL) {
        return OIDC_NOMEM;
    }

    if (src->len) {
        memcpy(p, src->data, src->len);
    }

    p[src->len] = '\0';

    dst->data = p;
    dst->len = src->len;

    return OIDC_OK;
}


void
oidc_buf_init(oidc_buf_t *b, oidc_pool_t *pool, size_t cap)
{
    b->pool = pool;
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
    b->failed = 0;

    (void) oidc_buf_reserve(b, cap);
}


void
oidc_buf_add(oidc_buf_t *b, const void *data, size_t len)
{
    if (len == 0 || !oidc_buf_reserve(b, len)) {
        return;
    }

    memcpy(b->data + b->len, data, len);
    b->len += len;
}


void
oidc_buf_cstr(oidc_buf_t *b, const char *s)
{
    oidc_buf_add(b, s, strlen(s));
}


void
oidc_buf_str(oidc_buf_t *b, const oidc_str_t *s)
{
    oidc_buf_add(b, s->data, s->len);
}


oidc_rc_t
oidc_buf_done(oidc_buf_t *b, oidc_str_t *out)
{
    if (b->failed) {
        return OIDC_NOMEM;
    }

    b->data[b->len] = '\0';

    out->data = b->data;
    out->len = b->len;

    return OIDC_OK;
}


/* room for "len" more bytes and the NUL behind them; 1 or 0 */

static int
oidc_buf_reserve(oidc_buf_t *b, size_t len)
{
    size_t   cap;
    u_char  *p;

    if (b->failed) {
        return 0;
    }

    if (b->data != NULL && len < b->cap - b->len) {
        return 1;
    }

    if (len > SSIZE_MAX / 2 - b->len - 1) {
        b->failed = 1;
        return 0;
    }

    cap = b->cap ? b->cap * 2 : OIDC_BUF_MIN;

    if (cap < b->len + len + 1) {
        cap = b->len + len + 1;
    }

    p = oidc_palloc(b->pool, cap);
    if (p == NULL) {
        b->failed = 1;
        return 0;
    }

    if (b->len) {
        memcpy(p, b->data, b->len);
    }

    b->data = p;
    b->cap = cap;

    return 1;
}
