
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * KEYSET of the jose command: a JWK Set, one JWK, or a private key in PEM.  An
 * "oct" key is taken as the shared secret, which only HS* named by --alg makes
 * use of.
 */


#define _GNU_SOURCE    /* memmem() */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oidc_b64.h"
#include "oidc_json.h"

#include "jose.h"


static oidc_rc_t jose_read_jwks(const oidc_str_t *text, jose_keys_t *keys);
static oidc_rc_t jose_read_secret(const json_t *set, oidc_str_t *secret);
static oidc_rc_t jose_read_private(const json_t *set, jose_keys_t *keys);


int
jose_read_keys(const char *path, jose_options_t *options, jose_keys_t *keys)
{
    FILE        *f;
    oidc_rc_t    rc;
    oidc_str_t   text, alg;
    const char  *why;

    f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return JOSE_USAGE;
    }

    if (!jose_read_all(f, &text)) {
        fclose(f);
        return jose_usage("KEYSET is too large");
    }

    fclose(f);

    if (memmem(text.data, text.len, "-----BEGIN", 10) == NULL) {
        rc = jose_read_jwks(&text, keys);
        return rc == OIDC_OK ? 0 : jose_refused(rc);
    }

    alg = options->alg;

    if (!options->own_alg) {
        alg.len = 0;
    }

    rc = oidc_key_from_pem(&text, &options->use, &alg, &options->kid,
                           &keys->own, &why);
    if (rc != OIDC_OK) {
        fprintf(stderr, "%s: %s\n", oidc_rc_name(rc), why);
        return JOSE_REFUSED;
    }

    return 0;
}


/* our own key verifies whatever it can, for tokens that name no key */

oidc_rc_t
jose_own_jwks(jose_keys_t *keys)
{
    oidc_rc_t   rc;
    oidc_key_t  key;
    oidc_str_t  text;

    if (keys->jwks != NULL) {
        return OIDC_OK;
    }

    memset(&key, 0, sizeof(oidc_key_t));
    key.pkey = keys->own.pkey;
    key.kty = keys->own.kty;
    key.crv = keys->own.crv;

    rc = oidc_jwks_render(&jose_pool, &key, 1, &text);

    return rc == OIDC_OK ? oidc_jwks_parse(&text, &keys->jwks) : rc;
}


/* a lone JWK is a set of one */

static oidc_rc_t
jose_read_jwks(const oidc_str_t *text, jose_keys_t *keys)
{
    char        *dump;
    json_t      *object, *set;
    oidc_rc_t    rc;
    oidc_str_t   str;

    rc = oidc_json_parse(text, OIDC_JWKS_MAX, &object);
    if (rc != OIDC_OK) {
        return rc;
    }

    set = json_object_get(object, "kty") != NULL
          ? json_pack("{s:[O]}", "keys", object) : json_incref(object);

    rc = jose_read_secret(set, &keys->secret);

    if (rc == OIDC_OK) {
        rc = jose_read_private(set, keys);
    }

    dump = json_dumps(set, JSON_COMPACT);

    if (rc == OIDC_OK && dump != NULL) {
        str.data = (u_char *) dump;
        str.len = strlen(dump);

        rc = oidc_jwks_parse(&str, &keys->jwks);
    }

    free(dump);
    json_decref(set);
    json_decref(object);

    return rc;
}


/* of the first oct key */

static oidc_rc_t
jose_read_secret(const json_t *set, oidc_str_t *secret)
{
    size_t       i;
    json_t      *jwk;
    oidc_str_t   kty, k;

    json_array_foreach(json_object_get(set, "keys"), i, jwk) {
        if (oidc_json_str(jwk, "kty", &kty) == 1
            && oidc_str_eq_cstr(&kty, "oct")
            && oidc_json_str(jwk, "k", &k) == 1)
        {
            return oidc_b64url_decode(&jose_pool, &k, secret);
        }
    }

    return OIDC_OK;
}


/* what is public only, or unusable, is left out */

static oidc_rc_t
jose_read_private(const json_t *set, jose_keys_t *keys)
{
    size_t      i, n;
    json_t     *jwk, *array;
    oidc_rc_t   rc;

    array = json_object_get(set, "keys");
    n = json_array_size(array);

    keys->private = oidc_palloc(&jose_pool, n * sizeof(oidc_key_t) + 1);
    if (keys->private == NULL) {
        return OIDC_NOMEM;
    }

    json_array_foreach(array, i, jwk) {
        if (json_object_get(jwk, "d") == NULL) {
            continue;
        }

        rc = oidc_key_from_private_jwk(jwk, &keys->private[keys->private_n]);

        if (rc == OIDC_OK) {
            keys->private_n++;

        } else if (rc != OIDC_KEY) {
            return rc;
        }
    }

    return OIDC_OK;
}
