
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What Redis says: the first byte tells whether the rest is a value, which then
 * begins as written, or a key, which then is spelt as it came.
 */


#include "arena.h"

#include "oidc_record.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      head_len;
    u_char      name[OIDC_RECORD_NAME], head[OIDC_RECORD_HEAD];
    u_char      key[OIDC_RECORD_KEY_MAX];
    oidc_str_t  in, value, prefix = oidc_string("p:");

    if (size == 0) {
        return 0;
    }

    in = fuzz_copy(data + 1, size - 1);

    if (data[0] == '0') {

        if (oidc_record_read(&in, 64, &value, &head_len)) {
            fuzz_check(value.len <= 64 && head_len <= value.len);
            fuzz_touch(&value);

            oidc_record_begin(head, head_len);
            fuzz_check(memcmp(head, in.data, sizeof(head)) == 0);
        }

    } else if (oidc_record_name(&in, &prefix, (char) data[0], name)) {

        fuzz_check(oidc_record_key(key, &prefix, (char) data[0], name)
                   == key + in.len);
        fuzz_check(memcmp(key, in.data, in.len) == 0);
    }

    fuzz_done();

    return 0;
}
