
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JSON objects of others (RFC 8259) by jansson, made strict: one meaning per
 * text, bounded size and nesting.  jansson is never asked to read a C string,
 * which would hide what stands behind a NUL.  An integer beyond 64 bits or a
 * real beyond a double fails the whole text.
 */


#include <string.h>

#include "oidc_json.h"


/* the integers that a double holds exactly, RFC 8259 section 6 */

#define OIDC_JSON_INT_MAX  ((int64_t) 1 << 53)


static int oidc_json_write(const char *data, size_t len, void *ctx);
static int oidc_json_shallow(const oidc_str_t *text);
static int oidc_json_is(const json_t *value, const oidc_str_t *s);


oidc_rc_t
oidc_json_parse(const oidc_str_t *text, size_t max, json_t **out)
{
    json_t  *object;

    if (text->len == 0 || text->len > max || !oidc_json_shallow(text)) {
        return OIDC_JSON;
    }

    /* jansson 2.14 passes over a NUL that follows a number */

    if (memchr(text->data, '\0', text->len) != NULL) {
        return OIDC_JSON;
    }

    object = json_loadb((const char *) text->data, text->len,
                        JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return OIDC_JSON;
    }

    *out = object;

    return OIDC_OK;
}


int
oidc_json_str(const json_t *object, const char *name, oidc_str_t *out)
{
    json_t  *value;

    value = json_object_get(object, name);

    if (value == NULL) {
        return 0;
    }

    if (!json_is_string(value)) {
        return -1;
    }

    out->data = (u_char *) json_string_value(value);
    out->len = json_string_length(value);

    return 1;
}


int
oidc_json_time(const json_t *object, const char *name, int64_t *out)
{
    double    real;
    json_t   *value;
    int64_t   n;

    value = json_object_get(object, name);

    if (value == NULL) {
        return 0;
    }

    if (!json_is_number(value)) {
        return -1;
    }

    if (json_is_integer(value)) {
        n = json_integer_value(value);

    } else {
        real = json_real_value(value);

        /* compared as doubles: the cast of 1e300 would be undefined */

        if (real >= (double) OIDC_JSON_INT_MAX) {
            n = OIDC_JSON_INT_MAX;

        } else if (real <= -(double) OIDC_JSON_INT_MAX) {
            n = -OIDC_JSON_INT_MAX;

        } else {
            n = (int64_t) real;
            n -= (double) n > real;
        }
    }

    if (n > OIDC_JSON_INT_MAX) {
        n = OIDC_JSON_INT_MAX;
    }

    if (n < -OIDC_JSON_INT_MAX) {
        n = -OIDC_JSON_INT_MAX;
    }

    *out = n;

    return 1;
}


oidc_rc_t
oidc_json_text(oidc_pool_t *pool, const json_t *value, oidc_str_t *text)
{
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, 256);

    if (json_dump_callback(value, oidc_json_write, &b,
                           JSON_COMPACT|JSON_ENCODE_ANY)
        != 0)
    {
        return OIDC_NOMEM;
    }

    return oidc_buf_done(&b, text);
}


int
oidc_json_has(const json_t *object, const char *name, const char *value)
{
    oidc_str_t  text;

    text.data = (u_char *) value;
    text.len = strlen(value);

    return oidc_json_lists(object, name, &text);
}


int
oidc_json_lists(const json_t *object, const char *name,
    const oidc_str_t *value)
{
    size_t   i;
    json_t  *array, *item;

    array = json_object_get(object, name);

    if (!json_is_array(array)) {
        return oidc_json_is(array, value);
    }

    json_array_foreach(array, i, item) {
        if (oidc_json_is(item, value)) {
            return 1;
        }
    }

    return 0;
}


/* no nesting beyond OIDC_JSON_DEPTH; before the parser, which recurses */

static int
oidc_json_shallow(const oidc_str_t *text)
{
    size_t    i;
    unsigned  depth, quoted;

    depth = 0;
    quoted = 0;

    for (i = 0; i < text->len; i++) {

        switch (text->data[i]) {

        case '"':
            quoted = !quoted;
            break;

        case '\\':
            i++;
            break;

        case '{':
        case '[':
            if (!quoted && ++depth > OIDC_JSON_DEPTH) {
                return 0;
            }

            break;

        case '}':
        case ']':
            if (!quoted && depth > 0) {
                depth--;
            }

            break;
        }
    }

    return 1;
}


static int
oidc_json_is(const json_t *value, const oidc_str_t *s)
{
    return json_is_string(value)
           && s->len != 0
           && json_string_length(value) == s->len
           && memcmp(json_string_value(value), s->data, s->len) == 0;
}


static int
oidc_json_write(const char *data, size_t len, void *ctx)
{
    oidc_buf_add(ctx, data, len);

    return 0;
}
