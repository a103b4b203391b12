
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A provider's JWK Set: every key that is kept can be named, published and read
 * again, and nothing private is published.
 */


#include <openssl/err.h>

#include "arena.h"

#include "oidc_key.h"


static void fuzz_select(const oidc_jwks_t *jwks, const oidc_key_t *key);
static void fuzz_publish(const oidc_jwks_t *jwks);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t        i;
    u_char        thumbprint[43];
    oidc_str_t    text;
    oidc_jwks_t  *jwks;

    text = fuzz_copy(data, size);

    if (oidc_jwks_parse(&text, &jwks) == OIDC_OK) {
        fuzz_check(oidc_jwks_count(jwks) <= OIDC_JWKS_MAX_KEYS);

        for (i = 0; i < oidc_jwks_count(jwks); i++) {
            fuzz_select(jwks, oidc_jwks_key(jwks, i));
            fuzz_check(oidc_key_thumbprint(oidc_jwks_key(jwks, i), thumbprint)
                       == OIDC_OK);
        }

        fuzz_publish(jwks);
        oidc_jwks_free(jwks);
    }

    fuzz_check(ERR_peek_error() == 0);

    fuzz_done();

    return 0;
}


static void
fuzz_select(const oidc_jwks_t *jwks, const oidc_key_t *key)
{
    size_t                    i, j, n;
    oidc_str_t                alg;
    const oidc_key_t         *found[4];
    static const char *const  algs[] = { "RS256", "PS256", "ES256", "ES512",
                                         "EdDSA", "HS256", "none", "ECDH-ES" };

    for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        alg = fuzz_str(algs[i]);

        if (oidc_jwks_select(jwks, &alg, &key->kid, found, 4, &n) != OIDC_OK) {
            continue;
        }

        fuzz_check(n >= 1 && n <= 4);
        fuzz_check(algs[i][0] != 'H' && algs[i][0] != 'n');

        for (j = 0; j < n; j++) {
            fuzz_check(oidc_key_can(found[j], &alg));
            fuzz_check(found[j]->use != OIDC_USE_ENC && !found[j]->no_verify);
        }
    }
}


static void
fuzz_publish(const oidc_jwks_t *jwks)
{
    size_t        i, n;
    json_t       *set, *jwk;
    oidc_key_t   *keys;
    oidc_str_t    text;
    oidc_jwks_t  *again;

    n = oidc_jwks_count(jwks);
    keys = fuzz_alloc(NULL, n * sizeof(oidc_key_t));

    for (i = 0; i < n; i++) {
        keys[i] = *oidc_jwks_key(jwks, i);
    }

    fuzz_check(oidc_jwks_render(fuzz_pool(), keys, n, &text) == OIDC_OK);

    set = json_loadb((char *) text.data, text.len, 0, NULL);
    fuzz_check(set != NULL);

    json_array_foreach(json_object_get(set, "keys"), i, jwk) {
        fuzz_check(json_object_get(jwk, "d") == NULL);
        fuzz_check(json_object_get(jwk, "p") == NULL);
        fuzz_check(json_object_get(jwk, "k") == NULL);
    }

    json_decref(set);

    fuzz_check(oidc_jwks_parse(&text, &again) == OIDC_OK);
    fuzz_check(oidc_jwks_count(again) == n);

    for (i = 0; i < n; i++) {
        fuzz_check(EVP_PKEY_eq(keys[i].pkey, oidc_jwks_key(again, i)->pkey)
                   == 1);
    }

    oidc_jwks_free(again);
}
