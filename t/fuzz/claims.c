
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Claims from JSON to the flat list: an ID token's, and behind a zero byte
 * userinfo's.  Whatever is kept may become a header.
 */


#include "arena.h"

#include "oidc_claims.h"
#include "oidc_json.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t         *id_token, *userinfo;
    oidc_str_t      text, flat, name, value;
    const uint8_t  *zero, *p;

    zero = (size != 0) ? memchr(data, '\0', size) : NULL;

    text = fuzz_copy(data, zero ? (size_t) (zero - data) : size);
    (void) oidc_claims_text_ok(&text);

    if (oidc_json_parse(&text, 65536, &id_token) != OIDC_OK) {
        fuzz_done();
        return 0;
    }

    userinfo = NULL;

    if (zero != NULL) {
        text = fuzz_copy(zero + 1, size - (size_t) (zero + 1 - data));

        if (oidc_json_parse(&text, 65536, &userinfo) != OIDC_OK) {
            userinfo = NULL;
        }
    }

    fuzz_check(oidc_claims_flatten(fuzz_pool(), id_token, userinfo, &flat)
               == OIDC_OK);

    for (p = flat.data; p < flat.data + flat.len; /* void */) {
        name.len = ((size_t) (p[0] & 0x7f) << 8) | p[1];
        name.data = (u_char *) p + 6;

        fuzz_check(oidc_claims_find(&flat, &name, &value));
        fuzz_check(value.data == name.data + name.len);
        fuzz_check(oidc_claims_text_ok(&name) && oidc_claims_text_ok(&value));

        /* a string is what it is, and nothing but a string */

        fuzz_check(oidc_claims_has(&flat, &name, 1, &value)
                   == ((p[0] & 0x80) == 0));

        p = value.data + value.len;
    }

    fuzz_check(p == flat.data + flat.len);

    json_decref(id_token);
    json_decref(userinfo);

    fuzz_done();

    return 0;
}
