
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* The callback's query, and extra_auth_args. */


#include "arena.h"

#include "oidc_authz.h"
#include "oidc_claims.h"


static void
printable(const oidc_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        fuzz_check(s->data[i] >= 0x20 && s->data[i] < 0x7f);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_rc_t        rc;
    oidc_str_t       in, issuer, url;
    oidc_authz_t     authz;
    oidc_callback_t  args;

    in = fuzz_copy(data, size);
    issuer = fuzz_str("https://idp");

    rc = oidc_callback_parse(fuzz_pool(), &in, &args);

    if (rc == OIDC_OK) {
        fuzz_check(args.state.len >= 1 && args.state.len <= OIDC_STATE_MAX);
        fuzz_check(args.code.len <= OIDC_CODE_MAX);
        fuzz_check((args.code.len != 0) != (args.error.len != 0));
        fuzz_check(oidc_claims_text_ok(&args.error_description));

        printable(&args.code);
        printable(&args.state);
        printable(&args.iss);
        printable(&args.error);

        (void) oidc_callback_iss(&args, &issuer, 1);
        (void) oidc_callback_iss(&args, &issuer, 0);

        fuzz_check((oidc_callback_error(&args) == OIDC_OK)
                   == (args.error.len == 0));
    }

    if (oidc_authz_extra_check(fuzz_pool(), &in) == OIDC_OK) {
        memset(&authz, 0, sizeof(authz));
        authz.endpoint = issuer;
        authz.extra = in;

        fuzz_check(oidc_authz_url(fuzz_pool(), &authz, &url) == OIDC_OK);
        printable(&url);
    }

    fuzz_done();

    return 0;
}
