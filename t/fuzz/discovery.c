
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* Discovery documents: one that passes has its endpoints, all of them https. */


#include <strings.h>

#include "arena.h"

#include "oidc_metadata.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_str_t       document, issuer, url;
    oidc_metadata_t  m;

    document = fuzz_copy(data, size);
    issuer = fuzz_str("https://idp");

    if (oidc_metadata_parse(fuzz_pool(), &document, &issuer, 0, NULL, &m)
        == OIDC_OK)
    {
        fuzz_check(m.authorization_endpoint.len != 0);
        fuzz_check(m.token_endpoint.len != 0);
        fuzz_check(m.jwks_uri.len != 0);

#define CHECK(name, required)                                                 \
        fuzz_check(m.name.len == 0                                            \
                   || strncasecmp((char *) m.name.data, "https://", 8) == 0);

        OIDC_ENDPOINTS(CHECK)
    }

    (void) oidc_metadata_parse(fuzz_pool(), &document, &issuer, 1, NULL, &m);

    fuzz_check(oidc_metadata_url(fuzz_pool(), &document, &url) == OIDC_OK);

    fuzz_done();

    return 0;
}
