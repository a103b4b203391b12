
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What an access token says and what it is good for here (RFC 6750 section 3,
 * RFC 7662 section 2.2, RFC 7800, RFC 8705, RFC 9449).  Whether it can be
 * believed has been decided before.
 */


#include <string.h>

#include "oidc_access.h"
#include "oidc_json.h"
#include "oidc_seal.h"


static oidc_rc_t oidc_access_scopes(oidc_pool_t *pool, const json_t *claims,
    oidc_str_t *scope);
static oidc_rc_t oidc_access_cnf(oidc_pool_t *pool, const json_t *claims,
    oidc_access_t *access);
static oidc_rc_t oidc_access_str(oidc_pool_t *pool, const json_t *object,
    const char *name, oidc_str_t *out);
static int oidc_access_listed(const oidc_str_t *value, const oidc_str_t *list,
    size_t n);
static int oidc_access_word(oidc_str_t *rest, oidc_str_t *word);
static oidc_str_t oidc_access_text(const json_t *value);


oidc_rc_t
oidc_access_read(oidc_pool_t *pool, json_t *claims, oidc_access_t *access)
{
    oidc_rc_t  rc;

    memset(access, 0, sizeof(oidc_access_t));

    rc = oidc_json_time(claims, "exp", &access->exp) == -1 ? OIDC_CLAIM_TYPE
                                                           : OIDC_OK;
    if (rc == OIDC_OK) {
        rc = oidc_access_scopes(pool, claims, &access->scope);
    }

    if (rc == OIDC_OK) {
        rc = oidc_access_str(pool, claims, "client_id", &access->client_id);
    }

    if (rc == OIDC_OK && access->client_id.len == 0) {
        rc = oidc_access_str(pool, claims, "azp", &access->client_id);
    }

    if (rc == OIDC_OK) {
        rc = oidc_access_cnf(pool, claims, access);
    }

    if (rc != OIDC_OK) {
        memset(access, 0, sizeof(oidc_access_t));
        return rc;
    }

    access->claims = json_incref(claims);

    return OIDC_OK;
}


oidc_rc_t
oidc_access_audience(const oidc_access_t *access, const oidc_str_t *list,
    size_t n)
{
    size_t         i, count;
    oidc_str_t     name;
    const json_t  *aud;

    aud = json_object_get(access->claims, "aud");

    if (aud == NULL) {
        return (access->client_id.len != 0
                && oidc_access_listed(&access->client_id, list, n))
               ? OIDC_OK : OIDC_BEARER_AUDIENCE;
    }

    count = json_is_array(aud) ? json_array_size(aud) : 1;

    for (i = 0; i < count; i++) {
        name = oidc_access_text(json_is_array(aud) ? json_array_get(aud, i)
                                                   : aud);

        if (name.len != 0 && oidc_access_listed(&name, list, n)) {
            return OIDC_OK;
        }
    }

    return OIDC_BEARER_AUDIENCE;
}


oidc_rc_t
oidc_access_scope(const oidc_access_t *access, const oidc_str_t *wanted,
    int all)
{
    int         found, some;
    oidc_str_t  rest, word, have, scope;

    rest = *wanted;
    some = 0;

    while (oidc_access_word(&rest, &word)) {
        have = access->scope;
        some = 1;
        found = 0;

        while (!found && oidc_access_word(&have, &scope)) {
            found = oidc_str_eq(&word, &scope);
        }

        if (found != all) {
            return all ? OIDC_BEARER_SCOPE : OIDC_OK;
        }
    }

    return (all || !some) ? OIDC_OK : OIDC_BEARER_SCOPE;
}


oidc_rc_t
oidc_access_caller(const oidc_access_t *access, const char *claim,
    const oidc_str_t *list, size_t n, oidc_str_t *caller)
{
    const json_t  *value;

    value = json_object_get(access->claims, claim);

    if (json_is_array(value) && json_array_size(value) == 1) {
        value = json_array_get(value, 0);
    }

    *caller = oidc_access_text(value);

    return (caller->len != 0
            && (n == 0 || oidc_access_listed(caller, list, n)))
           ? OIDC_OK : OIDC_BEARER_CALLER;
}


oidc_rc_t
oidc_access_binding(const oidc_access_t *access, const oidc_str_t *jkt,
    const oidc_str_t *x5t)
{
    if (access->bound && access->jkt.len == 0 && access->x5t.len == 0) {
        return OIDC_BEARER_BINDING;
    }

    if ((access->jkt.len != 0 || jkt->len != 0)
        && !oidc_str_eq_ct(&access->jkt, jkt))
    {
        return OIDC_BEARER_BINDING;
    }

    if (access->x5t.len != 0 && !oidc_str_eq_ct(&access->x5t, x5t)) {
        return OIDC_BEARER_BINDING;
    }

    return OIDC_OK;
}


oidc_rc_t
oidc_cert_thumbprint(const oidc_str_t *der, u_char out[43])
{
    return oidc_sha256_b64url(der->data, der->len, out);
}


/* a string (RFC 6749 section 3.3), or an array as some write "scp" */

static oidc_rc_t
oidc_access_scopes(oidc_pool_t *pool, const json_t *claims, oidc_str_t *scope)
{
    size_t         i;
    oidc_buf_t     b;
    oidc_str_t     word;
    const char    *name;
    const json_t  *list;

    name = json_object_get(claims, "scope") != NULL ? "scope" : "scp";
    list = json_object_get(claims, name);

    if (!json_is_array(list)) {
        return oidc_access_str(pool, claims, name, scope);
    }

    oidc_buf_init(&b, pool, 256);

    for (i = 0; i < json_array_size(list); i++) {
        word = oidc_access_text(json_array_get(list, i));

        if (word.data == NULL) {
            return OIDC_CLAIM_TYPE;
        }

        oidc_buf_cstr(&b, i ? " " : "");
        oidc_buf_str(&b, &word);
    }

    return oidc_buf_done(&b, scope);
}


static oidc_rc_t
oidc_access_cnf(oidc_pool_t *pool, const json_t *claims,
    oidc_access_t *access)
{
    oidc_rc_t      rc;
    const json_t  *cnf;

    cnf = json_object_get(claims, "cnf");

    if (cnf == NULL) {
        return OIDC_OK;
    }

    if (!json_is_object(cnf)) {
        return OIDC_CLAIM_TYPE;
    }

    access->bound = 1;

    rc = oidc_access_str(pool, cnf, "jkt", &access->jkt);

    return rc == OIDC_OK ? oidc_access_str(pool, cnf, "x5t#S256", &access->x5t)
                         : rc;
}


/* a copy, empty where it is absent */

static oidc_rc_t
oidc_access_str(oidc_pool_t *pool, const json_t *object, const char *name,
    oidc_str_t *out)
{
    int         has;
    oidc_str_t  text;

    has = oidc_json_str(object, name, &text);

    if (has == 1) {
        return oidc_str_dup(pool, &text, out);
    }

    return has == 0 ? OIDC_OK : OIDC_CLAIM_TYPE;
}


static int
oidc_access_listed(const oidc_str_t *value, const oidc_str_t *list, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (oidc_str_eq(value, &list[i])) {
            return 1;
        }
    }

    return 0;
}


static int
oidc_access_word(oidc_str_t *rest, oidc_str_t *word)
{
    u_char  *p, *last;

    p = rest->data;
    last = p + rest->len;

    while (p < last && *p == ' ') {
        p++;
    }

    word->data = p;

    while (p < last && *p != ' ') {
        p++;
    }

    word->len = p - word->data;
    rest->data = p;
    rest->len = last - p;

    return word->len != 0;
}


/* in jansson's memory; data is NULL where it is no string */

static oidc_str_t
oidc_access_text(const json_t *value)
{
    oidc_str_t  text;

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    return text;
}
