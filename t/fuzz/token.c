
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Token answers: the first byte says status and type, the rest is the body.
 * Tokens that pass may become headers.
 */


#include "arena.h"

#include "oidc_token.h"


static void
printable(const oidc_str_t *s, u_char least)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        fuzz_check(s->data[i] >= least && s->data[i] < 0x7f);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_rc_t      rc;
    oidc_str_t     type, body, error;
    oidc_tokens_t  t;

    static const int  statuses[] = { 200, 400, 401, 500 };

    if (size == 0) {
        return 0;
    }

    body = fuzz_copy(data + 1, size - 1);
    type = (data[0] & 4) ? body : fuzz_str("application/json;charset=UTF-8");

    rc = oidc_token_parse(fuzz_pool(), statuses[data[0] & 3], &type, &body,
                          &t, &error);

    if (rc == OIDC_OK) {
        fuzz_check(t.id_token.len != 0 && t.access_token.len != 0);
        fuzz_check(t.expires_in >= -1);

        printable(&t.id_token, 0x21);
        printable(&t.access_token, 0x21);
        printable(&t.refresh_token, 0x20);

    } else {
        fuzz_check(t.access_token.len == 0);
    }

    fuzz_check(error.len <= 64);
    printable(&error, 0x20);

    fuzz_done();

    return 0;
}
