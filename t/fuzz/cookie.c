
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Cookie headers: once stripped, none of ours is left and every other pair is
 * what it was, in its order.
 */


#include "arena.h"

#include "oidc_cookie.h"


static const oidc_str_t  prefixes[] = {
    oidc_string("NGX_OIDC"), oidc_string("__Host-NGX_OIDC")
};


static int
ours(const oidc_str_t *name)
{
    size_t  i;

    for (i = 0; i < 2; i++) {
        if (name->len >= prefixes[i].len
            && memcmp(name->data, prefixes[i].data, prefixes[i].len) == 0
            && (name->len == prefixes[i].len
                || name->data[prefixes[i].len] == '.'))
        {
            return 1;
        }
    }

    return 0;
}


static int
next(oidc_str_t *rest, oidc_str_t *name, oidc_str_t *value)
{
    while (oidc_cookie_next(rest, name, value)) {
        if (!ours(name)) {
            return 1;
        }
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                more, removed;
    oidc_str_t         in, out, rest, left, n1, n2, v1, v2, set;
    oidc_set_cookie_t  cookie;

    in = fuzz_copy(data, size);
    out = in;

    fuzz_check(oidc_cookie_strip(fuzz_pool(), &in, prefixes, 2, &out, &removed)
               == OIDC_OK);
    fuzz_check(removed || out.data == in.data);

    left = out;

    while (oidc_cookie_next(&left, &n2, &v2)) {
        fuzz_check(!ours(&n2));
    }

    rest = in;
    left = out;

    do {
        more = next(&rest, &n1, &v1);
        fuzz_check(more == oidc_cookie_next(&left, &n2, &v2));

        if (more) {
            fuzz_check(oidc_str_eq(&n1, &n2) && oidc_str_eq(&v1, &v2));

            memset(&cookie, 0, sizeof(cookie));
            cookie.name = n1;
            cookie.value = v1;

            if (oidc_set_cookie(fuzz_pool(), &cookie, &set) == OIDC_OK) {
                fuzz_check(memchr(set.data, '\n', set.len) == NULL);
            }
        }
    } while (more);

    (void) oidc_cookie_domain_ok(&in);

    fuzz_done();

    return 0;
}
