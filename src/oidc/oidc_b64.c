
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * base64url without padding, RFC 4648 section 5 as RFC 7515 section 2 uses it,
 * and the padded base64 that the Authorization header needs.  One value has
 * one encoding: whatever another encoder would not have written is refused, so
 * that equal values are equal strings (replay marks and caches rely on it).
 */


#include "oidc_b64.h"


#define OIDC_B64_BAD  0xff


static u_char *oidc_b64_encode_buf(u_char *dst, const u_char *src, size_t len,
    const u_char *alphabet);
static u_char oidc_b64url_value(u_char ch);


static const u_char  oidc_b64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const u_char  oidc_b64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


u_char *
oidc_b64url_encode_buf(u_char *dst, const u_char *src, size_t len)
{
    return oidc_b64_encode_buf(dst, src, len, oidc_b64url_alphabet);
}


oidc_rc_t
oidc_b64url_encode(oidc_pool_t *pool, const oidc_str_t *src, oidc_str_t *dst)
{
    u_char  *p;

    p = oidc_palloc(pool, oidc_b64url_len(src->len) + 1);
    if (p == NULL) {
        return OIDC_NOMEM;
    }

    dst->data = p;
    p = oidc_b64url_encode_buf(p, src->data, src->len);
    dst->len = p - dst->data;
    *p = '\0';

    return OIDC_OK;
}


oidc_rc_t
oidc_b64_encode(oidc_pool_t *pool, const oidc_str_t *src, oidc_str_t *dst)
{
    u_char  *p;

    p = oidc_palloc(pool, (src->len + 2) / 3 * 4 + 1);
    if (p == NULL) {
        return OIDC_NOMEM;
    }

    dst->data = p;
    p = oidc_b64_encode_buf(p, src->data, src->len, oidc_b64_alphabet);

    while ((p - dst->data) % 4) {
        *p++ = '=';
    }

    dst->len = p - dst->data;
    *p = '\0';

    return OIDC_OK;
}


int
oidc_b64url_decode_buf(u_char *dst, size_t len, const oidc_str_t *src)
{
    u_char    value;
    size_t    i;
    uint32_t  bits;
    unsigned  n;

    if (src->len % 4 == 1 || src->len != oidc_b64url_len(len)) {
        return 0;
    }

    bits = 0;
    n = 0;

    for (i = 0; i < src->len; i++) {
        value = oidc_b64url_value(src->data[i]);
        if (value == OIDC_B64_BAD) {
            return 0;
        }

        bits = bits << 6 | value;
        n += 6;

        if (n >= 8) {
            n -= 8;
            *dst++ = (u_char) (bits >> n);
        }
    }

    /* RFC 4648 section 3.5: the bits that stand for nothing are zero */

    return (bits & ((1U << n) - 1)) == 0;
}


oidc_rc_t
oidc_b64url_decode(oidc_pool_t *pool, const oidc_str_t *src, oidc_str_t *dst)
{
    size_t   len;
    u_char  *p;

    if (src->len % 4 == 1) {
        return OIDC_ARGS;
    }

    len = src->len / 4 * 3 + src->len % 4 * 3 / 4;

    p = oidc_palloc(pool, len + 1);
    if (p == NULL) {
        return OIDC_NOMEM;
    }

    if (!oidc_b64url_decode_buf(p, len, src)) {
        return OIDC_ARGS;
    }

    p[len] = '\0';

    dst->data = p;
    dst->len = len;

    return OIDC_OK;
}


/* without padding */

static u_char *
oidc_b64_encode_buf(u_char *dst, const u_char *src, size_t len,
    const u_char *alphabet)
{
    while (len > 2) {
        *dst++ = alphabet[src[0] >> 2];
        *dst++ = alphabet[(src[0] & 3) << 4 | src[1] >> 4];
        *dst++ = alphabet[(src[1] & 0x0f) << 2 | src[2] >> 6];
        *dst++ = alphabet[src[2] & 0x3f];

        src += 3;
        len -= 3;
    }

    if (len == 0) {
        return dst;
    }

    *dst++ = alphabet[src[0] >> 2];

    if (len == 1) {
        *dst++ = alphabet[(src[0] & 3) << 4];
        return dst;
    }

    *dst++ = alphabet[(src[0] & 3) << 4 | src[1] >> 4];
    *dst++ = alphabet[(src[1] & 0x0f) << 2];

    return dst;
}


static u_char
oidc_b64url_value(u_char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    if (ch == '-') {
        return 62;
    }

    if (ch == '_') {
        return 63;
    }

    return OIDC_B64_BAD;
}
