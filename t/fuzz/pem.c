
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Our own keys in PEM: refused with a reason, or a private key that can be
 * published.  Never a prompt.
 */


#include <openssl/err.h>

#include "arena.h"

#include "oidc_key.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t        i;
    oidc_rc_t     rc;
    oidc_str_t    pem, use, none, text;
    oidc_key_t    key;
    const char   *why;
    const char   *const  uses[] = { "", "sig", "enc" };

    pem = fuzz_copy(data, size);
    none = fuzz_str("");

    for (i = 0; i < 3; i++) {
        use = fuzz_str(uses[i]);
        why = NULL;

        rc = oidc_key_from_pem(&pem, &use, &none, &none, &key, &why);

        fuzz_check(ERR_peek_error() == 0);

        if (rc != OIDC_OK) {
            fuzz_check(why != NULL && key.pkey == NULL);

            if (i == 0) {
                break;
            }

            continue;
        }

        fuzz_check(key.kid.len == 43);
        fuzz_check(oidc_key_can(&key, &key.alg));
        fuzz_check(oidc_jwks_render(fuzz_pool(), &key, 1, &text) == OIDC_OK);
        fuzz_check(strstr((char *) text.data, "\"d\"") == NULL);

        oidc_key_free(&key);
    }

    fuzz_done();

    return 0;
}
