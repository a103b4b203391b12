
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides whether what a provider says of an authentication is what was asked
 * for.  acr values are compared byte for byte and have no order: which of them
 * are enough is for the configuration to list.  What a provider does not say
 * is not so.
 */


#include <string.h>

#include "oidc_claims.h"
#include "oidc_json.h"
#include "oidc_step_up.h"


#define OIDC_CLAIMS_REQUEST_MAX  4096


static int oidc_word_in(const oidc_str_t *words, const oidc_str_t *word);
static int oidc_claims_time(const oidc_str_t *claims, const char *name,
    int64_t *out);
static int oidc_essential_met(const json_t *wanted, const json_t *value);


oidc_rc_t
oidc_strength_check(const oidc_strength_t *strength, const oidc_str_t *claims,
    int64_t now, int64_t skew)
{
    int64_t     at;
    oidc_str_t  acr;

    static const oidc_str_t  name = oidc_string("acr");

    if (strength->acr_values.len != 0
        && (!oidc_claims_find(claims, &name, &acr)
            || !oidc_word_in(&strength->acr_values, &acr)))
    {
        return OIDC_ACR;
    }

    if (strength->has_max_age
        && (!oidc_claims_time(claims, "auth_time", &at)
            || at > now + skew || now - at > strength->max_age + skew))
    {
        return OIDC_AUTH_TIME;
    }

    return OIDC_OK;
}


oidc_rc_t
oidc_claims_request(const oidc_str_t *text, json_t **request)
{
    void        *top, *member;
    json_t      *root, *claims, *claim;
    const char  *name;

    if (oidc_json_parse(text, OIDC_CLAIMS_REQUEST_MAX, &root) != OIDC_OK) {
        return OIDC_ARGS;
    }

    for (top = json_object_iter(root); top != NULL;
         top = json_object_iter_next(root, top))
    {
        name = json_object_iter_key(top);
        claims = json_object_iter_value(top);

        if ((strcmp(name, "id_token") != 0 && strcmp(name, "userinfo") != 0)
            || !json_is_object(claims))
        {
            goto bad;
        }

        for (member = json_object_iter(claims); member != NULL;
             member = json_object_iter_next(claims, member))
        {
            claim = json_object_iter_value(member);

            if (!json_is_null(claim) && !json_is_object(claim)) {
                goto bad;
            }
        }
    }

    *request = root;

    return OIDC_OK;

bad:

    json_decref(root);

    return OIDC_ARGS;
}


oidc_rc_t
oidc_essential_check(const json_t *request, const json_t *id_token,
    const json_t *userinfo)
{
    size_t        i;
    void         *member;
    json_t       *claims, *wanted;
    const char   *name;

    const json_t *const       given[] = { id_token, userinfo };
    static const char *const  where[] = { "id_token", "userinfo" };

    for (i = 0; i < 2; i++) {
        claims = json_object_get(request, where[i]);

        for (member = json_object_iter(claims); member != NULL;
             member = json_object_iter_next(claims, member))
        {
            name = json_object_iter_key(member);
            wanted = json_object_iter_value(member);

            if (json_is_true(json_object_get(wanted, "essential"))
                && !oidc_essential_met(wanted,
                                       json_object_get(given[i], name)))
            {
                return OIDC_ESSENTIAL;
            }
        }
    }

    return OIDC_OK;
}


static int
oidc_essential_met(const json_t *wanted, const json_t *value)
{
    size_t         i;
    const json_t  *one, *values;

    one = json_object_get(wanted, "value");
    values = json_object_get(wanted, "values");

    if (value == NULL || json_is_null(value)
        || (one != NULL && !json_equal(one, value)))
    {
        return 0;
    }

    if (values == NULL) {
        return 1;
    }

    for (i = 0; i < json_array_size(values); i++) {
        if (json_equal(json_array_get(values, i), value)) {
            return 1;
        }
    }

    return 0;
}


static int
oidc_word_in(const oidc_str_t *words, const oidc_str_t *word)
{
    size_t        len;
    const u_char  *p, *end, *space;

    p = words->data;
    end = p + words->len;

    while (p < end) {
        space = memchr(p, ' ', end - p);
        len = (space != NULL ? space : end) - p;

        if (len != 0 && len == word->len && memcmp(p, word->data, len) == 0) {
            return 1;
        }

        p += len + 1;
    }

    return 0;
}


/* a NumericDate that stands as JSON; its fraction is of no interest */

static int
oidc_claims_time(const oidc_str_t *claims, const char *name, int64_t *out)
{
    size_t      i;
    int64_t     n;
    oidc_str_t  key, text;

    key.data = (u_char *) name;
    key.len = strlen(name);

    if (!oidc_claims_find(claims, &key, &text)) {
        return 0;
    }

    for (n = 0, i = 0; i < text.len && text.data[i] != '.'; i++) {

        if (text.data[i] < '0' || text.data[i] > '9' || i == 15) {
            return 0;
        }

        n = n * 10 + (text.data[i] - '0');
    }

    *out = n;

    return i != 0;
}
