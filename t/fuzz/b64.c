
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * base64url: what decodes encodes to the same text, and any bytes survive the
 * way there and back.
 */


#include "arena.h"

#include "oidc_b64.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_str_t  in, out, again;

    in = fuzz_copy(data, size);

    if (oidc_b64url_decode(fuzz_pool(), &in, &out) == OIDC_OK) {
        fuzz_check(oidc_b64url_encode(fuzz_pool(), &out, &again) == OIDC_OK);
        fuzz_check(oidc_str_eq(&in, &again));
    }

    fuzz_check(oidc_b64url_encode(fuzz_pool(), &in, &out) == OIDC_OK);
    fuzz_check(out.len == oidc_b64url_len(in.len));
    fuzz_check(oidc_b64url_decode(fuzz_pool(), &out, &again) == OIDC_OK);
    fuzz_check(oidc_str_eq(&in, &again));

    fuzz_check(oidc_b64_encode(fuzz_pool(), &in, &out) == OIDC_OK);
    fuzz_check(out.len % 4 == 0);

    fuzz_done();

    return 0;
}
