
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Sealed values: what nobody sealed does not open, what we seal does, and not
 * after one bit of it has changed.  The seeds were sealed with the key here.
 */


#include <openssl/err.h>

#include "arena.h"

#include "oidc_seal.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char       *p;
    size_t        bit;
    oidc_str_t    in, sealed, aad;
    oidc_ring_t   ring;

    fuzz_check(oidc_crypto_init() == OIDC_OK);

    memset(&ring, 0, sizeof(ring));
    memset(ring.key[0], 'n', OIDC_KEY_LEN);
    memset(ring.key[1], 'o', OIDC_KEY_LEN);
    ring.n = 2;

    in = fuzz_copy(data, size);
    aad = fuzz_str("aad");

    p = fuzz_alloc(NULL, size < OIDC_SEAL_OVERHEAD ? 0
                                                   : size - OIDC_SEAL_OVERHEAD);

    if (oidc_ring_open(&ring, "fuzz", &aad, &in, p) == OIDC_OK) {
        fuzz_check(size >= OIDC_SEAL_OVERHEAD && data[0] == 1);
    }

    sealed.len = size + OIDC_SEAL_OVERHEAD;
    sealed.data = fuzz_alloc(NULL, sealed.len);
    p = fuzz_alloc(NULL, size);

    fuzz_check(oidc_seal(ring.key[1], "fuzz", &in, &in, fuzz_random,
                         sealed.data)
               == OIDC_OK);
    fuzz_check(oidc_ring_open(&ring, "fuzz", &in, &sealed, p) == OIDC_OK);
    fuzz_check(memcmp(p, in.data, size) == 0);

    bit = (size ? data[0] : 0) % (sealed.len * 8);
    sealed.data[bit / 8] ^= 1 << bit % 8;

    fuzz_check(oidc_ring_open(&ring, "fuzz", &in, &sealed, p) == OIDC_SEAL);
    fuzz_check(ERR_peek_error() == 0);

    fuzz_done();

    return 0;
}
