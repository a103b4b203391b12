
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Session records: there and back, cut, bent, swapped and of another version;
 * with a key of our own also records that open and are nonsense inside.
 */


#include "tap.h"

#include "heap.h"

#include "oidc_session.h"


static void test_round_trip(void);
static void test_expiry(void);
static void test_bent(void);
static void test_swapped(void);
static void test_inside(void);
static void test_memory(void);
static void test_limits(void);


static oidc_handle_keys_t  keys, others;


int
main(void)
{
    u_char  handle[OIDC_HANDLE_LEN];

    (void) oidc_crypto_init();

    memset(handle, 1, sizeof(handle));
    (void) oidc_handle_keys(handle, &keys);

    memset(handle, 2, sizeof(handle));
    (void) oidc_handle_keys(handle, &others);

    test_round_trip();
    test_expiry();
    test_bent();
    test_swapped();
    test_inside();
    test_memory();
    test_limits();

    oidc_crypto_free();

    return done_testing();
}


static oidc_rc_t
seal(oidc_session_t *s, oidc_tokens_t *t, oidc_str_t *record, size_t *head_len)
{
    memset(s, 0, sizeof(oidc_session_t));
    memset(t, 0, sizeof(oidc_tokens_t));

    s->created = 1000;
    s->expires = ((int64_t) 1 << 40) + 5;
    s->access_expires = -7;
    s->refresh_at = 8;
    s->refresh_sent = 9;
    s->userinfo_at = 10;
    s->provider = tap_str("idp");
    s->sid = tap_str("SID");
    s->claims = tap_str("CLAIMS");

    t->id_token = tap_str("a.b.c");
    t->access_token = tap_str("at");
    t->userinfo = tap_str("{}");
    t->claims = tap_str("{\"sub\":1}");

    return oidc_session_seal(tap_pool(), &keys, s, t, oidc_random, record,
                             head_len);
}


static void
test_round_trip(void)
{
    size_t           head_len;
    oidc_str_t       record, again, head;
    oidc_session_t   s, got;
    oidc_tokens_t    t, tokens;

    is_rc(seal(&s, &t, &record, &head_len), OIDC_OK, "S04: sealed");
    is_mem(record.data, 6, "\2\0\0\0\0\0", 6, "O09: the version in front");

    is_rc(oidc_session_open(tap_pool(), &keys, &record, 1000, &got), OIDC_OK,
          "S04: opened");
    is_int(got.created, 1000, "S05: created");
    is_int(got.expires, s.expires, "S05 V04: expires, beyond 2038");
    is_int(got.access_expires, -7, "S10: of the access token");
    is_int(got.refresh_at, 8, "S10: when to refresh");
    is_int(got.refresh_sent, 9, "S10: that it was asked");
    is_int(got.userinfo_at, 10, "UI-10: when userinfo was");
    is_str(&got.provider, "idp", "F22: provider");
    is_str(&got.sid, "SID", "ID-21: sid");
    is_str(&got.claims, "CLAIMS", "S14: claims");

    is_rc(oidc_session_tokens(tap_pool(), &keys, &record, &tokens), OIDC_OK,
          "S04: the tokens");
    is_str(&tokens.id_token, "a.b.c", "S04: ID token");
    is_str(&tokens.access_token, "at", "S04: access token");
    is_int(tokens.refresh_token.len, 0, "S04: no refresh token");
    is_str(&tokens.userinfo, "{}", "S04: userinfo");
    is_str(&tokens.claims, "{\"sub\":1}", "V15: the ID token's claims");
    is_int(tokens.expires_in, -1, "S04: how long it was is not kept");

    head = record;
    head.len = head_len;
    is_rc(oidc_session_open(tap_pool(), &keys, &head, 0, &got), OIDC_OK,
          "S04: the head alone");
    is_rc(oidc_session_tokens(tap_pool(), &keys, &head, &tokens), OIDC_SEAL,
          "S04: has no tokens");

    head.len = head_len - 1;
    is_rc(oidc_session_open(tap_pool(), &keys, &head, 0, &got), OIDC_SEAL,
          "S04: and no byte less");

    (void) seal(&s, &t, &again, &head_len);
    ok(again.len == record.len
       && memcmp(again.data, record.data, record.len) != 0,
       "S04 SE-12: sealed with fresh nonces");

    (void) oidc_session_seal(heap_pool(), &keys, &s, &t, oidc_random, &again,
                             &head_len);
    is_int(heap_count("CLAIMS", 6) + heap_count("a.b.c", 5), 0,
           "SE-12 O03: nothing is readable, nor left in memory");
}


static void
test_expiry(void)
{
    size_t           head_len;
    oidc_str_t       record;
    oidc_session_t   s, got;
    oidc_tokens_t    t;

    (void) seal(&s, &t, &record, &head_len);

    is_rc(oidc_session_open(tap_pool(), &keys, &record, s.expires - 1, &got),
          OIDC_OK, "S05: the last second");
    is_rc(oidc_session_open(tap_pool(), &keys, &record, s.expires, &got),
          OIDC_SESSION_EXPIRED, "S05 SE-4: over");
    is_rc(oidc_session_open(tap_pool(), &keys, &record, s.expires + 1, &got),
          OIDC_SESSION_EXPIRED, "S05 SE-4: long over");
}


static void
test_bent(void)
{
    size_t           i, head_len, head, tokens, n;
    u_char          *copy;
    oidc_str_t       record, bent;
    oidc_session_t   s, got;
    oidc_tokens_t    t, gott;

    (void) seal(&s, &t, &record, &head_len);

    for (head = 0, tokens = 0, i = 0; i < record.len; i++) {
        record.data[i] ^= 1;
        head += oidc_session_open(tap_pool(), &keys, &record, 0, &got)
                != OIDC_OK;
        tokens += oidc_session_tokens(tap_pool(), &keys, &record, &gott)
                  != OIDC_OK;
        record.data[i] ^= 1;
    }

    is_int(head, head_len, "S04: each bit of prefix and head counts");
    ok(tokens >= record.len - head_len + 16,
       "S04: each bit of the tokens, and the tag of the head");

    for (n = 0, i = 0; i < record.len; i++) {
        copy = tap_alloc(&tap, i);
        memcpy(copy, record.data, i);
        bent.data = copy;
        bent.len = i;

        n += oidc_session_tokens(tap_pool(), &keys, &bent, &gott) == OIDC_OK;

        if (i < head_len) {
            n += oidc_session_open(tap_pool(), &keys, &bent, 0, &got)
                 == OIDC_OK;
        }
    }

    is_int(n, 0, "O09 B05: cut anywhere");

    record.data[0] = 1;
    is_rc(oidc_session_open(tap_pool(), &keys, &record, 0, &got),
          OIDC_SESSION_VERSION, "O09: the version before");
    is_rc(oidc_session_tokens(tap_pool(), &keys, &record, &gott),
          OIDC_SESSION_VERSION, "O09: for the tokens too");
    record.data[0] = 2;

    record.data[2] = 1;
    is_rc(oidc_session_open(tap_pool(), &keys, &record, 0, &got), OIDC_SEAL,
          "O09: the reserved bytes are bound");
    record.data[2] = 0;

    memset(record.data + 4, 0xff, 4);
    is_rc(oidc_session_open(tap_pool(), &keys, &record, 0, &got), OIDC_SEAL,
          "B05: a head of 4 GiB");
    is_rc(oidc_session_tokens(tap_pool(), &keys, &record, &gott), OIDC_SEAL,
          "B05: for the tokens too");

    memset(record.data + 4, 0, 4);
    is_rc(oidc_session_open(tap_pool(), &keys, &record, 0, &got), OIDC_SEAL,
          "B05: a head of nothing");

    record.len = 0;
    record.data = NULL;
    is_rc(oidc_session_open(tap_pool(), &keys, &record, 0, &got), OIDC_SEAL,
          "B05: no record");
}


static void
test_swapped(void)
{
    size_t               head_len;
    oidc_str_t           a, b;
    oidc_session_t       s, got;
    oidc_tokens_t        t, tokens;
    oidc_handle_keys_t   mixed;

    (void) seal(&s, &t, &a, &head_len);
    (void) seal(&s, &t, &b, &head_len);

    memset(&got, 1, sizeof(got));
    is_rc(oidc_session_open(tap_pool(), &others, &a, 0, &got), OIDC_SEAL,
          "SE-12: another handle");
    is_int(got.claims.len, 0, "SE-12: and no claims");

    memset(&tokens, 1, sizeof(tokens));
    is_rc(oidc_session_tokens(tap_pool(), &others, &a, &tokens), OIDC_SEAL,
          "SE-12: no tokens either");
    is_int(tokens.access_token.len, 0, "SE-12: none");

    mixed = keys;
    memcpy(mixed.name, others.name, sizeof(mixed.name));
    is_rc(oidc_session_open(tap_pool(), &mixed, &a, 0, &got), OIDC_SEAL,
          "SE-12: the record lies under another name");

    memcpy(a.data + head_len, b.data + head_len, a.len - head_len);
    is_rc(oidc_session_open(tap_pool(), &keys, &a, 0, &got), OIDC_OK,
          "SE-12: the head of one record");
    is_rc(oidc_session_tokens(tap_pool(), &keys, &a, &tokens), OIDC_SEAL,
          "SE-12: with tokens of another");
}


/* a record around any head and tokens */

static oidc_str_t
forge(const char *head, size_t head_len, const char *tail, size_t tail_len)
{
    u_char      aad_buf[64], *p;
    size_t      len;
    oidc_str_t  record, aad, plain;

    len = head_len + OIDC_SEAL_OVERHEAD;
    record.len = 8 + len + tail_len + OIDC_SEAL_OVERHEAD;
    record.data = p = tap_alloc(&tap, record.len);

    memset(p, 0, 8);
    p[0] = 2;
    p[6] = (u_char) (len >> 8);
    p[7] = (u_char) len;

    memcpy(aad_buf, keys.name, 32);
    memcpy(aad_buf + 32, p, 8);
    aad.data = aad_buf;
    aad.len = 40;
    plain.data = (u_char *) head;
    plain.len = head_len;
    (void) oidc_seal(keys.key, "session head", &aad, &plain, oidc_random,
                     p + 8);

    memcpy(aad_buf + 32, p + 8 + len - 16, 16);
    aad.len = 48;
    plain.data = (u_char *) tail;
    plain.len = tail_len;
    (void) oidc_seal(keys.key, "session tokens", &aad, &plain, oidc_random,
                     p + 8 + len);

    return record;
}


#define TIME     "\0\0\0\0\0\0\0\2"
#define TIMES    TIME TIME TIME TIME TIME TIME
#define NOTHING  "\0\0\0\0"


static oidc_rc_t
open_head(const char *head, size_t len)
{
    oidc_rc_t       rc;
    oidc_str_t      record;
    oidc_session_t  s;

    record = forge(head, len, "", 0);

    rc = oidc_session_open(tap_pool(), &keys, &record, 0, &s);

    if (rc != OIDC_OK && (s.provider.data != NULL || s.expires != 0)) {
        fail("O09: half a session");
    }

    return rc;
}


static oidc_rc_t
open_tail(const char *tail, size_t len)
{
    oidc_rc_t      rc;
    oidc_str_t     record;
    oidc_tokens_t  t;

    record = forge(TIMES, 48, tail, len);

    rc = oidc_session_tokens(tap_pool(), &keys, &record, &t);

    if (rc != OIDC_OK && (t.id_token.data != NULL || t.expires_in != -1)) {
        fail("O09: half of the tokens");
    }

    return rc;
}


#define head(s)  open_head(s, sizeof(s) - 1)
#define tail(s)  open_tail(s, sizeof(s) - 1)


static void
test_inside(void)
{
    is_rc(head(TIMES NOTHING NOTHING NOTHING), OIDC_OK, "O09: the least");
    is_rc(head(TIMES NOTHING NOTHING NOTHING "x"), OIDC_SEAL,
          "O09: something behind it");
    is_rc(head(TIMES NOTHING NOTHING), OIDC_SEAL, "O09: a string missing");
    is_rc(head(TIMES NOTHING NOTHING "\0\0\0"), OIDC_SEAL,
          "O09: half a length");
    is_rc(head(TIMES NOTHING NOTHING "\0\0\0\1"), OIDC_SEAL,
          "O09: a byte missing");
    is_rc(head(TIMES "\xff\xff\xff\xff" NOTHING NOTHING), OIDC_SEAL,
          "O09: a provider of 4 GiB");
    is_rc(head("\0\0\0\0"), OIDC_SEAL, "O09: half a time");
    is_rc(head(TIMES), OIDC_SEAL, "O09: times alone");

    is_rc(tail(NOTHING NOTHING NOTHING NOTHING NOTHING), OIDC_OK,
          "O09: no tokens at all");
    is_rc(tail(NOTHING NOTHING NOTHING NOTHING NOTHING "x"), OIDC_SEAL,
          "O09: something behind them");
    is_rc(tail(NOTHING NOTHING NOTHING NOTHING), OIDC_SEAL, "O09: one missing");
    is_rc(tail(NOTHING NOTHING NOTHING NOTHING "\x7f\xff\xff\xff"), OIDC_SEAL,
          "O09: claims of 2 GiB");
    is_rc(tail(""), OIDC_SEAL, "O09: nothing sealed");
}


static int
no_random(u_char *buf, size_t len)
{
    (void) buf;
    (void) len;

    return 0;
}


static void
test_memory(void)
{
    size_t           head_len;
    oidc_str_t       record;
    oidc_session_t   s, got;
    oidc_tokens_t    t, tokens;

    (void) seal(&s, &t, &record, &head_len);

    tap.fail_after = 0;
    is_rc(oidc_session_open(tap_pool(), &keys, &record, 0, &got), OIDC_NOMEM,
          "S04: no memory");
    is_rc(oidc_session_tokens(tap_pool(), &keys, &record, &tokens),
          OIDC_NOMEM, "S04: for the tokens either");
    tap.fail_after = -1;
}


static void
test_limits(void)
{
    int              i;
    size_t           head_len;
    oidc_rc_t        rc;
    oidc_str_t       record;
    oidc_session_t   s;
    oidc_tokens_t    t;

    (void) seal(&s, &t, &record, &head_len);

    ok(oidc_session_seal(tap_pool(), &keys, &s, &t, no_random, &record,
                         &head_len)
       != OIDC_OK, "S04: never sealed without randomness");

    t.userinfo.len = (1 << 24) + 1;
    is_rc(oidc_session_seal(tap_pool(), &keys, &s, &t, oidc_random, &record,
                            &head_len),
          OIDC_SESSION_SIZE, "S06: userinfo of more than 16 MiB");

    t.userinfo.len = 0;
    s.sid.len = (1 << 24) + 1;
    is_rc(oidc_session_seal(tap_pool(), &keys, &s, &t, oidc_random, &record,
                            &head_len),
          OIDC_SESSION_SIZE, "S06: a sid of more than 16 MiB");

    for (i = 0; i < 3; i++) {
        s.claims.len = s.sid.len = 0;
        tap.fail_after = i;
        rc = oidc_session_seal(tap_pool(), &keys, &s, &t, oidc_random,
                               &record, &head_len);
        tap.fail_after = -1;
        is_rc(rc, OIDC_NOMEM, "S06: no memory");
    }
}
