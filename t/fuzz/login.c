
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Login cookies under a fixed key: after a "0" the value as a browser sends it,
 * after a "1" the plain text inside of one that opens.
 */


#include "arena.h"

#include "oidc_b64.h"
#include "oidc_login.h"


#define NOW  ((int64_t) 1800000000)


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_str_t          rest, value, state, aad, sealed, b64;
    oidc_buf_t          b;
    oidc_login_t        login;
    static oidc_ring_t  ring;

    if (size == 0) {
        return 0;
    }

    if (oidc_crypto_init() != OIDC_OK) {
        abort();
    }

    ring.n = 1;
    state = fuzz_str("STATE");
    rest = fuzz_copy(data + 1, size - 1);
    value = rest;

    if (data[0] == '1') {
        aad = fuzz_str("6b49d200.STATE");

        sealed.len = rest.len + OIDC_SEAL_OVERHEAD;
        sealed.data = fuzz_alloc(NULL, sealed.len);

        fuzz_check(oidc_seal(ring.key[0], "login", &aad, &rest, fuzz_random,
                             sealed.data)
                   == OIDC_OK);
        fuzz_check(oidc_b64url_encode(fuzz_pool(), &sealed, &b64) == OIDC_OK);

        oidc_buf_init(&b, fuzz_pool(), 0);
        oidc_buf_cstr(&b, "6b49d200.");
        oidc_buf_str(&b, &b64);
        fuzz_check(oidc_buf_done(&b, &value) == OIDC_OK);
    }

    fuzz_check(oidc_login_created(&value) >= 0);

    if (oidc_login_open(fuzz_pool(), &ring, "login", &state, &value, NOW, 300,
                        &login)
        == OIDC_OK)
    {
        fuzz_check(login.created == oidc_login_created(&value));
        fuzz_touch(&login.provider);
        fuzz_touch(&login.return_to);
        fuzz_touch(&login.strength.acr_values);

        state = fuzz_str("ANOTHER");
        fuzz_check(oidc_login_open(fuzz_pool(), &ring, "login", &state, &value,
                                   NOW, 300, &login)
                   == OIDC_STATE_UNKNOWN);
    }

    fuzz_done();

    return 0;
}
