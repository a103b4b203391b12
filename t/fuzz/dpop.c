
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * DPoP proofs: with a zero byte in it the input is what stands in the header
 * and a payload, else a proof.  The signature cannot be made to fit, so claims
 * behind it are reached by the example of RFC 9449 alone.
 */


#include <openssl/err.h>

#include "arena.h"

#include "oidc_b64.h"
#include "oidc_dpop.h"
#include "oidc_seal.h"


static oidc_dpop_expect_t  fuzz_expect;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char         *p;
    size_t          len;
    oidc_rc_t       rc;
    oidc_str_t      proof;
    oidc_dpop_t     dpop;
    const uint8_t  *zero;

    if (fuzz_expect.now == 0) {
        fuzz_check(oidc_crypto_init() == OIDC_OK);

        fuzz_expect.method = fuzz_str("GET");
        fuzz_expect.url = fuzz_str("https://resource.example.org"
                                   "/protectedresource");
        fuzz_expect.token = fuzz_str("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO"
                                     ".gxU");
        fuzz_expect.algs = OIDC_ALG_DEFAULT;
        fuzz_expect.now = 1562262618;
        fuzz_expect.skew = 5;
    }

    zero = size ? memchr(data, '\0', size) : NULL;

    if (zero != NULL) {
        len = zero - data;
        size -= len + 1;
        proof.data = fuzz_alloc(NULL, oidc_b64url_len(len)
                                      + oidc_b64url_len(size) + 2 + 86);
        p = oidc_b64url_encode_buf(proof.data, data, len);
        *p++ = '.';
        p = oidc_b64url_encode_buf(p, zero + 1, size);
        *p++ = '.';
        memset(p, 'A', 86);
        proof.len = p + 86 - proof.data;

    } else {
        proof = fuzz_copy(data, size);
    }

    rc = oidc_dpop_check(fuzz_pool(), &proof, &fuzz_expect, &dpop);

    fuzz_check((rc == OIDC_OK) == (dpop.until != 0));
    fuzz_check(ERR_peek_error() == 0);

    fuzz_done();

    return 0;
}
