
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides which claims a session keeps and in what form.  An entry is
 *
 *     name length (2, big endian)  value length (4)  name  value
 *
 * so that a look-up compares lengths and skips.  The highest bit of the name
 * length says that the value is JSON: a person who may choose a string must not
 * pass for a member of the group '["admin"]'.  Whose claim wins is OpenID
 * Connect Core 5.3.2 and 5.6.2: userinfo may add to an ID token, it may not
 * speak of the login itself, and nothing that it points to is ever fetched.
 */


#include <string.h>

#include "oidc_claims.h"
#include "oidc_json.h"


#define OIDC_CLAIMS_ENTRY     6
#define OIDC_CLAIMS_NAME_MAX  255
#define OIDC_CLAIMS_JSON      0x8000


static int oidc_claims_in(const char *const *names, const char *name);
static int oidc_claims_entry(const oidc_str_t *flat, const oidc_str_t *name,
    oidc_str_t *value, int *json);
static json_t *oidc_claims_walk(const oidc_str_t *flat,
    const oidc_str_t *names, size_t n, const json_t **found);
static oidc_rc_t oidc_claims_text(oidc_pool_t *pool, const json_t *value,
    oidc_str_t *text);
static oidc_rc_t oidc_claims_add(oidc_pool_t *pool, oidc_buf_t *b,
    const char *name, const json_t *value);
static size_t oidc_claims_char(const u_char *p, const u_char *end);


static const char *const  oidc_claims_id_token_only[] = {
    "iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "auth_time", "acr",
    "amr", "azp", "sid", "at_hash", "c_hash", NULL
};


/* of no use once the token has been checked */

static const char *const  oidc_claims_spent[] = {
    "nonce", "at_hash", "c_hash", NULL
};


oidc_rc_t
oidc_claims_flatten(oidc_pool_t *pool, const json_t *id_token,
    const json_t *userinfo, oidc_str_t *flat)
{
    void          *iter;
    oidc_rc_t      rc;
    oidc_buf_t     b;
    const char    *name;
    const json_t  *other;

    oidc_buf_init(&b, pool, 1024);

    for (iter = json_object_iter((json_t *) id_token);
         iter != NULL;
         iter = json_object_iter_next((json_t *) id_token, iter))
    {
        name = json_object_iter_key(iter);

        if (oidc_claims_in(oidc_claims_spent, name)) {
            continue;
        }

        if (!oidc_claims_in(oidc_claims_id_token_only, name)) {
            other = json_object_get(userinfo, name);

            if (other != NULL && !json_is_null(other)) {
                continue;
            }
        }

        rc = oidc_claims_add(pool, &b, name, json_object_iter_value(iter));
        if (rc != OIDC_OK) {
            return rc;
        }
    }

    for (iter = json_object_iter((json_t *) userinfo);
         iter != NULL;
         iter = json_object_iter_next((json_t *) userinfo, iter))
    {
        name = json_object_iter_key(iter);

        if (oidc_claims_in(oidc_claims_id_token_only, name)) {
            continue;
        }

        rc = oidc_claims_add(pool, &b, name, json_object_iter_value(iter));
        if (rc != OIDC_OK) {
            return rc;
        }
    }

    return oidc_buf_done(&b, flat);
}


int
oidc_claims_find(const oidc_str_t *flat, const oidc_str_t *name,
    oidc_str_t *value)
{
    int  json;

    return oidc_claims_entry(flat, name, value, &json);
}


int
oidc_claims_path(oidc_pool_t *pool, const oidc_str_t *flat,
    const oidc_str_t *names, size_t n, oidc_str_t *value)
{
    int            ok;
    json_t        *root;
    oidc_str_t     text;
    const json_t  *found;

    if (n == 1) {
        return oidc_claims_find(flat, names, value);
    }

    root = oidc_claims_walk(flat, names, n, &found);

    ok = found != NULL && !json_is_null(found)
         && oidc_claims_text(pool, found, &text) == OIDC_OK
         && oidc_claims_text_ok(&text)
         && oidc_str_dup(pool, &text, value) == OIDC_OK;

    json_decref(root);

    return ok;
}


int
oidc_claims_has(const oidc_str_t *flat, const oidc_str_t *names, size_t n,
    const oidc_str_t *wanted)
{
    int            has;
    size_t         i;
    json_t        *root;
    oidc_str_t     text;
    const json_t  *found, *item;

    root = oidc_claims_walk(flat, names, n, &found);

    has = 0;
    i = 0;
    item = json_is_array(found) ? json_array_get(found, i) : found;

    while (item != NULL && !has) {

        if (json_is_string(item)) {
            text.data = (u_char *) json_string_value(item);
            text.len = json_string_length(item);
            has = oidc_str_eq(&text, wanted);
        }

        item = json_is_array(found) ? json_array_get(found, ++i) : NULL;
    }

    json_decref(root);

    return has;
}


/* what is at the path, in memory of the returned value; NULL: nothing */

static json_t *
oidc_claims_walk(const oidc_str_t *flat, const oidc_str_t *names, size_t n,
    const json_t **found)
{
    int          json;
    size_t       i;
    json_t      *root;
    oidc_str_t   value;

    *found = NULL;

    if (!oidc_claims_entry(flat, &names[0], &value, &json)) {
        return NULL;
    }

    root = json ? json_loadb((char *) value.data, value.len,
                             JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, NULL)
                : json_stringn((char *) value.data, value.len);

    *found = root;

    for (i = 1; i < n; i++) {
        *found = json_object_getn(*found, (char *) names[i].data,
                                  names[i].len);
    }

    return root;
}


static int
oidc_claims_entry(const oidc_str_t *flat, const oidc_str_t *name,
    oidc_str_t *value, int *json)
{
    size_t         nlen, vlen;
    const u_char  *p, *end;

    if (flat->len == 0 || name->len == 0) {
        return 0;
    }

    p = flat->data;
    end = p + flat->len;

    while (end - p >= OIDC_CLAIMS_ENTRY) {
        nlen = ((size_t) p[0] << 8) | p[1];
        *json = (nlen & OIDC_CLAIMS_JSON) != 0;
        nlen &= ~(size_t) OIDC_CLAIMS_JSON;
        vlen = oidc_get_u32(p + 2);
        p += OIDC_CLAIMS_ENTRY;

        if (nlen > (size_t) (end - p) || vlen > (size_t) (end - p) - nlen) {
            return 0;
        }

        if (nlen == name->len && memcmp(p, name->data, nlen) == 0) {
            value->data = (u_char *) p + nlen;
            value->len = vlen;
            return 1;
        }

        p += nlen + vlen;
    }

    return 0;
}


int
oidc_claims_text_ok(const oidc_str_t *text)
{
    size_t         n;
    const u_char  *p, *end;

    p = text->data;
    end = (text->len != 0) ? p + text->len : p;

    while (p < end) {

        if (*p >= 0x20 && *p < 0x7f) {
            p++;
            continue;
        }

        n = oidc_claims_char(p, end);

        if (n == 0) {
            return 0;
        }

        p += n;
    }

    return 1;
}


static int
oidc_claims_in(const char *const *names, const char *name)
{
    while (*names != NULL) {
        if (strcmp(*names++, name) == 0) {
            return 1;
        }
    }

    return 0;
}


/* null says nothing (Core 5.3.2), and "null" may be somebody's name */

static oidc_rc_t
oidc_claims_add(oidc_pool_t *pool, oidc_buf_t *b, const char *name,
    const json_t *value)
{
    u_char      head[OIDC_CLAIMS_ENTRY];
    size_t      len;
    oidc_rc_t   rc;
    oidc_str_t  key, text;

    key.data = (u_char *) name;
    key.len = strlen(name);

    if (json_is_null(value) || key.len == 0
        || key.len > OIDC_CLAIMS_NAME_MAX || !oidc_claims_text_ok(&key))
    {
        return OIDC_OK;
    }

    rc = oidc_claims_text(pool, value, &text);
    if (rc != OIDC_OK) {
        return rc;
    }

    if (!oidc_claims_text_ok(&text) || text.len > UINT32_MAX) {
        return OIDC_OK;
    }

    len = key.len | (json_is_string(value) ? 0 : OIDC_CLAIMS_JSON);

    head[0] = (u_char) (len >> 8);
    head[1] = (u_char) len;
    (void) oidc_put_u32(head + 2, text.len);

    oidc_buf_add(b, head, sizeof(head));
    oidc_buf_str(b, &key);
    oidc_buf_str(b, &text);

    return OIDC_OK;
}


/* a string as it is, in jansson's memory; anything else as compact JSON */

static oidc_rc_t
oidc_claims_text(oidc_pool_t *pool, const json_t *value, oidc_str_t *text)
{
    if (json_is_string(value)) {
        text->data = (u_char *) json_string_value(value);
        text->len = json_string_length(value);
        return OIDC_OK;
    }

    return oidc_json_text(pool, value, text);
}


/*
 * The length of one well-formed UTF-8 sequence (RFC 3629) of two to four
 * bytes, 0 where it is none or U+0080 to U+009F.
 */

static size_t
oidc_claims_char(const u_char *p, const u_char *end)
{
    size_t    i, n;
    uint32_t  c, least;

    if (*p >= 0xc2 && *p <= 0xdf) {
        n = 2;
        c = *p & 0x1f;
        least = 0xa0;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        n = 3;
        c = *p & 0x0f;
        least = 0x800;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        n = 4;
        c = *p & 0x07;
        least = 0x10000;

    } else {
        return 0;
    }

    if ((size_t) (end - p) < n) {
        return 0;
    }

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = (c << 6) | (p[i] & 0x3f);
    }

    if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return 0;
    }

    return n;
}
