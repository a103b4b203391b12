
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A table of fixed size, one slot for an index made of the cookie, the newer
 * one wins: 1,024 slots of at most 4 kB in each worker.  Only a session that
 * opened gets in, so that nobody can push others out with cookies of his own
 * making.  It is the one place where claims lie unsealed longer than a request
 * lasts, in the worker that showed them last; what leaves it is wiped.
 */


#include "ngx_http_oidc_cache.h"

#include "oidc_b64.h"


#define NGX_HTTP_OIDC_CACHE_SLOTS  1024
#define NGX_HTTP_OIDC_CACHE_TEXT   4096

#define NGX_HTTP_OIDC_COOKIE_LEN   oidc_b64url_len(OIDC_HANDLE_LEN)


struct ngx_http_oidc_cached_s {
    u_char                cookie[NGX_HTTP_OIDC_COOKIE_LEN];
    u_char                stamp[OIDC_SESSION_STAMP];
    oidc_handle_keys_t    keys;
    oidc_session_t        session;      /* strings point into text */
    u_char               *text;         /* NULL: the slot is empty */
    size_t                len;
};


static ngx_http_oidc_cached_t *ngx_http_oidc_cache_slot(
    const oidc_str_t *cookie);
static u_char *ngx_http_oidc_cache_copy(oidc_str_t *dst, const oidc_str_t *src,
    u_char *p);


static ngx_http_oidc_cached_t
    ngx_http_oidc_cache[NGX_HTTP_OIDC_CACHE_SLOTS];


ngx_http_oidc_cached_t *
ngx_http_oidc_cache_find(const oidc_str_t *cookie)
{
    ngx_http_oidc_cached_t  *slot;

    if (cookie->len != NGX_HTTP_OIDC_COOKIE_LEN) {
        return NULL;
    }

    slot = ngx_http_oidc_cache_slot(cookie);

    if (slot->text == NULL
        || !oidc_eq_ct(slot->cookie, cookie->data, NGX_HTTP_OIDC_COOKIE_LEN))
    {
        return NULL;
    }

    return slot;
}


/* no two records begin alike: a nonce stands there */

ngx_uint_t
ngx_http_oidc_cache_still(const ngx_http_oidc_cached_t *cached,
    const u_char *stamp)
{
    return cached->text != NULL
           && ngx_memcmp(cached->stamp, stamp, OIDC_SESSION_STAMP) == 0;
}


const oidc_handle_keys_t *
ngx_http_oidc_cache_keys(const ngx_http_oidc_cached_t *cached)
{
    return &cached->keys;
}


void
ngx_http_oidc_cache_stamp(const ngx_http_oidc_cached_t *cached, u_char *stamp)
{
    ngx_memcpy(stamp, cached->stamp, OIDC_SESSION_STAMP);
}


ngx_int_t
ngx_http_oidc_cache_get(const ngx_http_oidc_cached_t *cached,
    ngx_pool_t *pool, oidc_session_t *session)
{
    u_char  *p;

    p = ngx_pnalloc(pool, cached->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *session = cached->session;

    p = ngx_http_oidc_cache_copy(&session->provider, &cached->session.provider,
                                 p);
    p = ngx_http_oidc_cache_copy(&session->sid, &cached->session.sid, p);
    (void) ngx_http_oidc_cache_copy(&session->claims, &cached->session.claims,
                                    p);

    return NGX_OK;
}


void
ngx_http_oidc_cache_put(const oidc_str_t *cookie,
    const oidc_handle_keys_t *keys, const oidc_str_t *record,
    const oidc_session_t *session, ngx_log_t *log)
{
    size_t                   len;
    u_char                  *p;
    ngx_http_oidc_cached_t  *slot;

    len = session->provider.len + session->sid.len + session->claims.len;

    if (cookie->len != NGX_HTTP_OIDC_COOKIE_LEN
        || record->len < OIDC_SESSION_STAMP
        || len > NGX_HTTP_OIDC_CACHE_TEXT)
    {
        return;
    }

    slot = ngx_http_oidc_cache_slot(cookie);

    ngx_http_oidc_cache_drop(slot);

    p = ngx_alloc(len, log);
    if (p == NULL) {
        return;
    }

    ngx_memcpy(slot->cookie, cookie->data, NGX_HTTP_OIDC_COOKIE_LEN);
    ngx_memcpy(slot->stamp, record->data, OIDC_SESSION_STAMP);

    slot->keys = *keys;
    slot->session = *session;
    slot->text = p;
    slot->len = len;

    p = ngx_http_oidc_cache_copy(&slot->session.provider, &session->provider,
                                 p);
    p = ngx_http_oidc_cache_copy(&slot->session.sid, &session->sid, p);
    (void) ngx_http_oidc_cache_copy(&slot->session.claims, &session->claims, p);
}


void
ngx_http_oidc_cache_drop(ngx_http_oidc_cached_t *cached)
{
    if (cached->text != NULL) {
        oidc_wipe(cached->text, cached->len);
        ngx_free(cached->text);
        oidc_wipe(cached, sizeof(ngx_http_oidc_cached_t));
    }
}


void
ngx_http_oidc_cache_clear(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_OIDC_CACHE_SLOTS; i++) {
        ngx_http_oidc_cache_drop(&ngx_http_oidc_cache[i]);
    }
}


/* a genuine cookie is random text: a few characters of it are a good hash */

static ngx_http_oidc_cached_t *
ngx_http_oidc_cache_slot(const oidc_str_t *cookie)
{
    uint32_t  hash;

    ngx_memcpy(&hash, cookie->data, sizeof(uint32_t));

    return &ngx_http_oidc_cache[(hash * 2654435761U) >> 22];
}


static u_char *
ngx_http_oidc_cache_copy(oidc_str_t *dst, const oidc_str_t *src, u_char *p)
{
    dst->len = src->len;
    dst->data = p;

    return ngx_cpymem(p, src->data, src->len);
}
