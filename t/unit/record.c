
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Records in Redis: keys and what stands in front of a value, there and back,
 * and everything that is none of ours.
 */


#include "tap.h"

#include "oidc_record.h"


static oidc_str_t  prefix = oidc_string("oidc:");


static void
test_keys(void)
{
    size_t      i, n;
    u_char      name[OIDC_RECORD_NAME], back[OIDC_RECORD_NAME];
    u_char      buf[OIDC_RECORD_KEY_MAX];
    oidc_str_t  key, other = oidc_string("oidx:");

    memset(name, 0, sizeof(name));
    name[0] = 0xfb;

    key.data = buf;
    key.len = (size_t) (oidc_record_key(buf, &prefix, 's', name) - buf);

    is_str(&key, "oidc:s:{-wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}",
           "S09 a key");
    ok(oidc_record_name(&key, &prefix, 's', back)
       && memcmp(name, back, sizeof(name)) == 0, "S09 ... and back");
    ok(!oidc_record_name(&key, &prefix, 'l', back), "S09 of another kind");
    ok(!oidc_record_name(&key, &other, 's', back), "S09 of another prefix");

    for (n = 0, i = 0; i < key.len; i++) {
        buf[i] ^= 0x80;
        n += oidc_record_name(&key, &prefix, 's', back);
        buf[i] ^= 0x80;
    }

    is_int((long) n, 0, "S09 no key with a bent byte is ours");

    for (n = 0, i = key.len; i-- > 0; /* void */ ) {
        key.len = i;
        n += oidc_record_name(&key, &prefix, 's', back);
    }

    is_int((long) n, 0, "S09 ... nor one that is cut");
}


static void
test_prefixes(void)
{
    size_t      i;
    u_char      text[OIDC_RECORD_PREFIX_MAX + 1];
    oidc_str_t  s, empty = oidc_string("");

    static oidc_str_t  bad[] = {
        oidc_string("a b"), oidc_string("{x}"), oidc_string("a}"),
        oidc_string("\""), oidc_string("a\\"), oidc_string("\x7f"),
        oidc_string("\xc3\xa4"), oidc_string("a\nb"), oidc_string("'")
    };

    ok(oidc_record_prefix_ok(&prefix), "S09 a prefix");
    ok(oidc_record_prefix_ok(&empty), "S09 no prefix");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(!oidc_record_prefix_ok(&bad[i]), "S09 bad prefix %d", (int) i);
    }

    memset(text, 'x', sizeof(text));

    s.data = text;
    s.len = OIDC_RECORD_PREFIX_MAX;
    ok(oidc_record_prefix_ok(&s), "S09 a long prefix");

    s.len++;
    ok(!oidc_record_prefix_ok(&s), "S09 one too long");
}


static void
test_values(void)
{
    size_t      head_len;
    u_char      buf[OIDC_RECORD_HEAD + 16];
    unsigned    i;
    oidc_str_t  stored, value;

    memset(buf, 'v', sizeof(buf));
    oidc_record_begin(buf, 7);

    stored.len = sizeof(buf);
    stored.data = buf;

    ok(oidc_record_read(&stored, 16, &value, &head_len), "S09 a record");
    is_int((long) head_len, 7, "S09 ... its head");
    is_str(&value, "vvvvvvvvvvvvvvvv", "S09 ... its value");
    ok(!oidc_record_read(&stored, 15, &value, &head_len), "S09 RE-5 too long");

    for (i = 0; i < 4; i++) {
        buf[i] ^= 2;
        ok(!oidc_record_read(&stored, 16, &value, &head_len),
           "S09 another version or reserved byte %d", (int) i);
        buf[i] ^= 2;
    }

    oidc_record_begin(buf, 16);
    ok(oidc_record_read(&stored, 16, &value, &head_len), "S09 all head");

    oidc_record_begin(buf, 17);
    ok(!oidc_record_read(&stored, 16, &value, &head_len),
       "S09 a head longer than the value");

    oidc_record_begin(buf, 0xffffffff);
    ok(!oidc_record_read(&stored, 16, &value, &head_len),
       "S09 a head of 4 GB");

    oidc_record_begin(buf, 0);
    stored.len = OIDC_RECORD_HEAD;
    ok(oidc_record_read(&stored, 16, &value, &head_len) && value.len == 0,
       "S09 an empty value");

    stored.len--;
    ok(!oidc_record_read(&stored, 16, &value, &head_len), "S09 cut short");

    stored.len = 0;
    ok(!oidc_record_read(&stored, 16, &value, &head_len), "S09 nothing");
}


int
main(void)
{
    test_keys();
    test_prefixes();
    test_values();

    return done_testing();
}
