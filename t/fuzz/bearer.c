
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Authorization headers, wrapped or not, and challenges of whatever is in them:
 * no byte of it may end a quoted string or a header.
 */


#include "arena.h"

#include "oidc_bearer.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             i, quotes;
    oidc_rc_t          rc;
    oidc_str_t         value, out;
    oidc_bearer_t      bearer;
    oidc_challenge_t   c;

    value = fuzz_copy(data, size);

    rc = oidc_bearer_parse(fuzz_pool(), &value,
                           OIDC_BEARER_DPOP|OIDC_BEARER_BASE64, &bearer);

    fuzz_check(rc == OIDC_OK || rc == OIDC_BEARER_MISSING
               || rc == OIDC_BEARER_MALFORMED);
    fuzz_check((rc == OIDC_OK) == (bearer.token.len != 0)
               || rc == OIDC_BEARER_MISSING);

    if (rc == OIDC_OK) {
        fuzz_touch(&bearer.token);
        fuzz_check(bearer.token.len <= OIDC_BEARER_MAX);
    }

    memset(&c, 0, sizeof(c));
    c.realm = value;
    c.scope = value;
    c.acr_values = value;
    c.max_age = -1;

    fuzz_check(oidc_bearer_challenge(fuzz_pool(), OIDC_BEARER_SCOPE, &c, &out)
               == OIDC_OK);

    quotes = 0;

    for (i = 0; i < out.len; i++) {
        fuzz_check(out.data[i] >= 0x20 && out.data[i] < 0x7f);

        if (out.data[i] == '\\') {
            i++;
            continue;
        }

        quotes += out.data[i] == '"';
    }

    fuzz_check(quotes % 2 == 0);

    fuzz_done();

    return 0;
}
