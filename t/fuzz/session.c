
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Session records under a fixed key.  The first byte says what the rest is: a
 * record as a store gives it, the plain text of a head, that of the tokens, or
 * the flat claims with the name to find in front of a zero byte.
 */


#include "arena.h"

#include "oidc_claims.h"
#include "oidc_session.h"


static oidc_handle_keys_t  keys;


static void
open_record(const oidc_str_t *record)
{
    oidc_str_t      name, value;
    oidc_tokens_t   t;
    oidc_session_t  s;

    if (oidc_session_open(fuzz_pool(), &keys, record, 0, &s) == OIDC_OK) {
        fuzz_check(s.expires > 0);

        fuzz_touch(&s.provider);
        fuzz_touch(&s.sid);
        fuzz_touch(&s.claims);

        name = fuzz_str("sub");

        if (oidc_claims_find(&s.claims, &name, &value)) {
            fuzz_touch(&value);
        }
    }

    if (oidc_session_tokens(fuzz_pool(), &keys, record, &t) == OIDC_OK) {
        fuzz_touch(&t.id_token);
        fuzz_touch(&t.access_token);
        fuzz_touch(&t.refresh_token);
        fuzz_touch(&t.userinfo);
        fuzz_touch(&t.claims);
    }
}


/* a record with this head and these tokens */

static oidc_str_t
seal(const oidc_str_t *head, const oidc_str_t *tokens)
{
    u_char      aad_buf[64], *p;
    size_t      len;
    oidc_str_t  record, aad;

    len = head->len + OIDC_SEAL_OVERHEAD;

    record.len = 8 + len + tokens->len + OIDC_SEAL_OVERHEAD;
    record.data = p = fuzz_alloc(NULL, record.len);

    memset(p, 0, 8);
    p[0] = OIDC_SESSION_VERSION_2;
    p[4] = (u_char) (len >> 24);
    p[5] = (u_char) (len >> 16);
    p[6] = (u_char) (len >> 8);
    p[7] = (u_char) len;

    memcpy(aad_buf, keys.name, 32);
    memcpy(aad_buf + 32, p, 8);
    aad.data = aad_buf;
    aad.len = 40;
    fuzz_check(oidc_seal(keys.key, "session head", &aad, head, fuzz_random,
                         p + 8)
               == OIDC_OK);

    memcpy(aad_buf + 32, p + 8 + len - 16, 16);
    aad.len = 48;
    fuzz_check(oidc_seal(keys.key, "session tokens", &aad, tokens,
                         fuzz_random, p + 8 + len)
               == OIDC_OK);

    return record;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oidc_str_t     rest, other, record, name, value;
    const u_char  *zero;
    static u_char  handle[OIDC_HANDLE_LEN];

    if (size == 0) {
        return 0;
    }

    if (oidc_crypto_init() != OIDC_OK
        || oidc_handle_keys(handle, &keys) != OIDC_OK)
    {
        abort();
    }

    rest = fuzz_copy(data + 1, size - 1);
    other = fuzz_str("");

    switch (data[0]) {

    case '0':
        open_record(&rest);
        break;

    case '1':
        record = seal(&rest, &other);
        open_record(&record);
        break;

    case '2':
        other = fuzz_str("x");
        record = seal(&other, &rest);
        open_record(&record);
        break;

    case '3':
        zero = memchr(rest.data, '\0', rest.len);

        if (zero != NULL) {
            name = fuzz_copy(rest.data, (size_t) (zero - rest.data));
            other = fuzz_copy(zero + 1,
                              rest.len - (size_t) (zero + 1 - rest.data));

            if (oidc_claims_find(&other, &name, &value)) {
                fuzz_touch(&value);
            }
        }
    }

    fuzz_done();

    return 0;
}
