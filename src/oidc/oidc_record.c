
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Spelling and reading of records in Redis.  It decides what counts as a record
 * of ours; whether it opens is for oidc_session_open() to say.
 */


#include <string.h>

#include "oidc_record.h"


u_char *
oidc_record_key(u_char *dst, const oidc_str_t *prefix, char kind,
    const u_char name[OIDC_RECORD_NAME])
{
    memcpy(dst, prefix->data, prefix->len);
    dst += prefix->len;

    *dst++ = (u_char) kind;
    *dst++ = ':';
    *dst++ = '{';

    dst = oidc_b64url_encode_buf(dst, name, OIDC_RECORD_NAME);

    *dst++ = '}';

    return dst;
}


int
oidc_record_name(const oidc_str_t *key, const oidc_str_t *prefix, char kind,
    u_char name[OIDC_RECORD_NAME])
{
    u_char      *p;
    oidc_str_t   text;

    if (key->len != prefix->len + sizeof("k:{}") - 1 + OIDC_RECORD_TEXT
        || memcmp(key->data, prefix->data, prefix->len) != 0)
    {
        return 0;
    }

    p = key->data + prefix->len;

    if (p[0] != (u_char) kind || p[1] != ':' || p[2] != '{'
        || p[3 + OIDC_RECORD_TEXT] != '}')
    {
        return 0;
    }

    text.len = OIDC_RECORD_TEXT;
    text.data = p + 3;

    return oidc_b64url_decode_buf(name, OIDC_RECORD_NAME, &text);
}


/* braces would move the hash tag, by which a session and its lock are one */

int
oidc_record_prefix_ok(const oidc_str_t *prefix)
{
    size_t  i;

    for (i = 0; i < prefix->len; i++) {
        if (prefix->data[i] <= ' ' || prefix->data[i] >= 0x7f
            || strchr("{}\"'\\", prefix->data[i]) != NULL)
        {
            return 0;
        }
    }

    return prefix->len <= OIDC_RECORD_PREFIX_MAX;
}


void
oidc_record_begin(u_char head[OIDC_RECORD_HEAD], size_t head_len)
{
    head[0] = OIDC_RECORD_VERSION_1;
    head[1] = 0;
    head[2] = 0;
    head[3] = 0;

    (void) oidc_put_u32(head + 4, head_len);
}


int
oidc_record_read(const oidc_str_t *stored, size_t max, oidc_str_t *value,
    size_t *head_len)
{
    u_char  *p;

    if (stored->len < OIDC_RECORD_HEAD
        || stored->len - OIDC_RECORD_HEAD > max)
    {
        return 0;
    }

    p = stored->data;

    if (p[0] != OIDC_RECORD_VERSION_1 || p[1] || p[2] || p[3]) {
        return 0;
    }

    value->len = stored->len - OIDC_RECORD_HEAD;
    value->data = p + OIDC_RECORD_HEAD;

    *head_len = oidc_get_u32(p + 4);

    return *head_len <= value->len;
}
