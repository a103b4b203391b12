
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JWK Sets (RFC 7517 section 5): a provider's, of which only what we can use
 * is kept, and ours, of which only public members are written.  Decides which
 * keys may verify a token: "kid" is compared and nothing else, "alg", "use" and
 * "key_ops" of a key are respected where it has them.
 */


#include <stdlib.h>
#include <string.h>

#include "oidc_json.h"
#include "oidc_key.h"
#include "oidc_key_int.h"


struct oidc_jwks_s {
    size_t      n;
    oidc_key_t  key[];
};


static oidc_rc_t oidc_jwks_read(const json_t *set, oidc_jwks_t **out);
static int oidc_jwks_fits(const oidc_key_t *key, const oidc_str_t *alg);
static json_t *oidc_jwks_publish(const oidc_key_t *key);
static int oidc_jwks_label(json_t *jwk, const char *name,
    const oidc_str_t *value);


oidc_rc_t
oidc_jwks_parse(const oidc_str_t *text, oidc_jwks_t **out)
{
    json_t     *set;
    oidc_rc_t   rc;

    if (oidc_json_parse(text, OIDC_JWKS_MAX, &set) != OIDC_OK) {
        return OIDC_JWKS;
    }

    rc = oidc_jwks_read(set, out);

    json_decref(set);

    return rc;
}


void
oidc_jwks_free(oidc_jwks_t *jwks)
{
    size_t  i;

    if (jwks == NULL) {
        return;
    }

    for (i = 0; i < jwks->n; i++) {
        oidc_key_free(&jwks->key[i]);
    }

    free(jwks);
}


size_t
oidc_jwks_count(const oidc_jwks_t *jwks)
{
    return jwks->n;
}


const oidc_key_t *
oidc_jwks_key(const oidc_jwks_t *jwks, size_t i)
{
    return &jwks->key[i];
}


oidc_rc_t
oidc_jwks_select(const oidc_jwks_t *jwks, const oidc_str_t *alg,
    const oidc_str_t *kid, const oidc_key_t **found, size_t max, size_t *n)
{
    size_t             i;
    unsigned           named;
    const oidc_key_t  *key;

    *n = 0;
    named = kid->len == 0;

    for (i = 0; i < jwks->n; i++) {
        key = &jwks->key[i];

        if (kid->len && !oidc_str_eq(kid, &key->kid)) {
            continue;
        }

        named = 1;

        if (!oidc_jwks_fits(key, alg)) {
            continue;
        }

        if (*n == max) {
            return OIDC_JWS_KEY;
        }

        found[(*n)++] = key;
    }

    if (!named) {
        return OIDC_JWS_KID;
    }

    return *n ? OIDC_OK : OIDC_JWS_KEY;
}


oidc_rc_t
oidc_jwks_render(oidc_pool_t *pool, const oidc_key_t *keys, size_t n,
    oidc_str_t *out)
{
    char        *text;
    size_t       i;
    json_t      *array, *set;
    oidc_rc_t    rc;
    oidc_str_t   str;

    rc = OIDC_NOMEM;
    text = NULL;
    array = json_array();
    set = json_pack("{s:O}", "keys", array);

    for (i = 0; i < n; i++) {
        if (!keys[i].retired
            && json_array_append_new(array, oidc_jwks_publish(&keys[i])) != 0)
        {
            goto done;
        }
    }

    text = json_dumps(set, JSON_COMPACT);

    if (text != NULL) {
        str.data = (u_char *) text;
        str.len = strlen(text);

        rc = oidc_str_dup(pool, &str, out);
    }

done:

    free(text);
    json_decref(set);
    json_decref(array);

    return rc;
}


static oidc_rc_t
oidc_jwks_read(const json_t *set, oidc_jwks_t **out)
{
    size_t        i;
    json_t       *array, *jwk;
    oidc_rc_t     rc;
    oidc_jwks_t  *jwks;

    array = json_object_get(set, "keys");

    if (!json_is_array(array) || json_array_size(array) > OIDC_JWKS_MAX_KEYS) {
        return OIDC_JWKS;
    }

    jwks = malloc(sizeof(oidc_jwks_t)
                  + json_array_size(array) * sizeof(oidc_key_t));
    if (jwks == NULL) {
        return OIDC_NOMEM;
    }

    jwks->n = 0;

    json_array_foreach(array, i, jwk) {
        rc = oidc_key_from_jwk(jwk, &jwks->key[jwks->n]);

        if (rc == OIDC_OK) {
            jwks->n++;

        } else if (rc != OIDC_KEY) {
            oidc_jwks_free(jwks);
            return rc;
        }
    }

    *out = jwks;

    return OIDC_OK;
}


static int
oidc_jwks_fits(const oidc_key_t *key, const oidc_str_t *alg)
{
    return oidc_key_can(key, alg)
           && key->use != OIDC_USE_ENC
           && !key->no_verify
           && (key->alg.len == 0 || oidc_str_eq(&key->alg, alg));
}


/* one of our keys as the world may see it, NULL where memory is short */

static json_t *
oidc_jwks_publish(const oidc_key_t *key)
{
    json_t      *jwk, *members;
    oidc_str_t   use;

    use.data = (u_char *) (key->use == OIDC_USE_SIG ? "sig" : "enc");
    use.len = key->use == OIDC_USE_ANY ? 0 : 3;

    members = oidc_key_members(key);
    jwk = json_object();

    /* the order is for readers: kty in front, numbers at the end */

    if (members == NULL
        || json_object_set(jwk, "kty", json_object_get(members, "kty")) != 0
        || oidc_jwks_label(jwk, "use", &use) != 0
        || oidc_jwks_label(jwk, "alg", &key->alg) != 0
        || oidc_jwks_label(jwk, "kid", &key->kid) != 0
        || json_object_update(jwk, members) != 0)
    {
        json_decref(jwk);
        jwk = NULL;
    }

    json_decref(members);

    return jwk;
}


static int
oidc_jwks_label(json_t *jwk, const char *name, const oidc_str_t *value)
{
    if (value->len == 0) {
        return 0;
    }

    return json_object_set_new(jwk, name,
                               json_stringn((char *) value->data, value->len));
}
