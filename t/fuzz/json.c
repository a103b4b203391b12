
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * JSON: what is taken is an object, means the same when it is written and read
 * again, and its members are read in bounds.
 */


#include "arena.h"

#include "oidc_json.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *dump;
    json_t      *object, *again;
    int64_t      time;
    oidc_str_t   text, value;
    const char  *name;

    text = fuzz_copy(data, size);

    if (oidc_json_parse(&text, 65536, &object) != OIDC_OK) {
        fuzz_done();
        return 0;
    }

    fuzz_check(json_is_object(object));
    fuzz_check(memchr(data, '\0', size) == NULL);

    for (name = json_object_iter_key(json_object_iter(object));
         name != NULL;
         name = json_object_iter_key(json_object_iter_next(object,
                                      json_object_iter_at(object, name))))
    {
        if (oidc_json_str(object, name, &value) == 1) {
            fuzz_touch(&value);
            fuzz_check(memchr(value.data, '\0', value.len) == NULL);
            fuzz_check(oidc_json_has(object, name, (char *) value.data));
        }

        if (oidc_json_time(object, name, &time) == 1) {
            fuzz_check(time >= -(1LL << 53) && time <= 1LL << 53);
        }

        (void) oidc_json_has(object, name, "a");
    }

    dump = json_dumps(object, JSON_COMPACT);
    fuzz_check(dump != NULL);
    text = fuzz_str(dump);
    fuzz_check(oidc_json_parse(&text, SIZE_MAX, &again) == OIDC_OK);
    fuzz_check(json_equal(object, again));

    free(dump);
    json_decref(again);
    json_decref(object);

    fuzz_done();

    return 0;
}
