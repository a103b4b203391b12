
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A login in flight: bound to its state, its purpose and its time, small, and
 * good for one lifetime; the derived nonce and verifier; RFC 7636 appendix B.
 */


#include "tap.h"

#include "heap.h"

#include "oidc_b64.h"
#include "oidc_login.h"


#define NOW   ((int64_t) 1800000000)
#define LIFE  300


static void test_begin(void);
static void test_round_trip(void);
static void test_asked(void);
static void test_binding(void);
static void test_time(void);
static void test_values(void);
static void test_size(void);
static void test_derived(void);
static void test_inside(void);
static void test_limits(void);


static oidc_ring_t  ring;
static oidc_str_t   state = oidc_string("STATE");


int
main(void)
{
    (void) oidc_crypto_init();

    ring.n = 1;
    memset(ring.key[0], 7, OIDC_KEY_LEN);

    test_begin();
    test_round_trip();
    test_asked();
    test_binding();
    test_time();
    test_values();
    test_size();
    test_derived();
    test_inside();
    test_limits();

    oidc_crypto_free();

    return done_testing();
}


static int
no_random(u_char *buf, size_t len)
{
    (void) buf;
    (void) len;

    return 0;
}


static int
base64url(const u_char *p, size_t len)
{
    size_t  i;

    static const char  set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789-_";

    for (i = 0; i < len; i++) {
        if (memchr(set, p[i], sizeof(set) - 1) == NULL) {
            return 0;
        }
    }

    return 1;
}


static int
cmp_state(const void *a, const void *b)
{
    return memcmp(a, b, OIDC_STATE_LEN);
}


static void
test_begin(void)
{
    size_t           i, repeats;
    oidc_login_t     login;
    static u_char    states[10000][OIDC_STATE_LEN];
    static u_char    before[32];

    repeats = 0;

    for (i = 0; i < 10000; i++) {
        (void) oidc_login_begin(oidc_random, &login, states[i]);
        repeats += memcmp(before, login.seed, 32) == 0;
        memcpy(before, login.seed, 32);
    }

    qsort(states, 10000, OIDC_STATE_LEN, cmp_state);

    for (i = 1; i < 10000; i++) {
        repeats += cmp_state(states[i - 1], states[i]) == 0;
    }

    is_int(repeats, 0, "F02 LS-2: 10000 states and seeds without a repeat");
    ok(base64url(states[5], OIDC_STATE_LEN),
       "F02 LS-2: 43 characters of base64url");

    is_rc(oidc_login_begin(no_random, &login, states[0]), OIDC_CRYPTO,
          "F02: no state without randomness");
}


static void
fill(oidc_login_t *login)
{
    memset(login, 0, sizeof(oidc_login_t));
    memset(login->seed, 9, 32);

    login->created = NOW;
    login->provider = tap_str("idp");
    login->return_to = tap_str("/x?y=%41");
}


static oidc_str_t
seal(void)
{
    oidc_str_t    value = { 0, NULL };
    oidc_login_t  login;

    fill(&login);

    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_OK, "S04: sealed");

    return value;
}


static oidc_rc_t
open_at(const oidc_str_t *value, int64_t now)
{
    oidc_login_t  got;

    return oidc_login_open(tap_pool(), &ring, "login", &state, value, now,
                           LIFE, &got);
}


static void
test_round_trip(void)
{
    oidc_str_t    value, again;
    oidc_login_t  got;

    value = seal();

    is_rc(oidc_login_open(tap_pool(), &ring, "login", &state, &value, NOW,
                          LIFE, &got),
          OIDC_OK, "F08: opened");
    is_int(got.created, NOW, "F09: created");
    is_str(&got.provider, "idp", "F22: provider");
    is_str(&got.return_to, "/x?y=%41", "F07: return target");
    ok(got.seed[0] == 9 && got.seed[31] == 9, "LS-3: seed");

    again = seal();
    ok(again.len == value.len && memcmp(again.data, value.data, value.len),
       "S04: fresh nonces");
    ok(memcmp(again.data, "6b49d200.", 9) == 0, "F08: the time in front");
    is_int(oidc_login_created(&value), NOW, "F08: readable without a key");
}


static void
test_asked(void)
{
    oidc_str_t    value, plain;
    oidc_login_t  login, got;
    u_char        text[400];

    fill(&login);
    login.strength.acr_values = tap_str("eidas2 eidas3");
    login.strength.has_max_age = 1;
    login.strength.max_age = 86400;
    login.has_claims = login.has_old = login.silent = login.again = 1;
    memset(login.claims, 3, sizeof(login.claims));
    memset(login.old, 4, sizeof(login.old));

    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_OK, "F18: sealed with all that was asked for");
    is_rc(oidc_login_open(tap_pool(), &ring, "login", &state, &value, NOW,
                          LIFE, &got),
          OIDC_OK, "F18: and opened");
    is_str(&got.strength.acr_values, "eidas2 eidas3", "F19: acr_values");
    is_int(got.strength.max_age, 86400, "ID-11: max_age");
    is_int(got.strength.has_max_age, 1, "ID-11: there is one");
    ok(got.has_claims && memcmp(got.claims, login.claims, 8) == 0,
       "ID-22: which claims");
    ok(got.has_old && memcmp(got.old, login.old, 32) == 0,
       "S01: which session before");
    ok(got.silent && got.again, "LS-13: the marks");
    is_str(&got.provider, "idp", "F22: provider");
    is_str(&got.return_to, "/x?y=%41", "F07: return target");

    login.strength.max_age = -5;
    (void) oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                           oidc_random, &value);
    (void) oidc_login_open(tap_pool(), &ring, "login", &state, &value, NOW,
                           LIFE, &got);
    is_int(got.strength.max_age, 0, "ID-11: a negative max_age is none");

    login.strength.max_age = INT64_MAX;
    (void) oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                           oidc_random, &value);
    (void) oidc_login_open(tap_pool(), &ring, "login", &state, &value, NOW,
                           LIFE, &got);
    is_int(got.strength.max_age, INT32_MAX, "ID-11: a huge one saturates");

    memset(text, 'a', sizeof(text));
    login.strength.acr_values.data = text;
    login.strength.acr_values.len = 256;
    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &plain),
          OIDC_ARGS, "F19: acr_values too long");
}


static void
test_binding(void)
{
    oidc_str_t    value, other;
    oidc_ring_t   two;
    oidc_login_t  got;

    value = seal();

    other = tap_str("STATF");
    is_rc(oidc_login_open(tap_pool(), &ring, "login", &other, &value, NOW,
                          LIFE, &got),
          OIDC_STATE_UNKNOWN, "F10 LS-2: another state");

    other.len = 4;
    memset(&got, 1, sizeof(got));
    is_rc(oidc_login_open(tap_pool(), &ring, "login", &other, &value, NOW,
                          LIFE, &got),
          OIDC_STATE_UNKNOWN, "F10: a shorter state");
    ok(got.return_to.len == 0 && got.created == 0 && got.seed[0] == 0,
       "F10: and nothing to go on with");

    is_rc(oidc_login_open(tap_pool(), &ring, "logout", &state, &value, NOW,
                          LIFE, &got),
          OIDC_STATE_UNKNOWN, "S04: another purpose");

    memset(&two, 0, sizeof(two));
    two.n = 1;
    memset(two.key[0], 8, OIDC_KEY_LEN);
    is_rc(oidc_login_open(tap_pool(), &two, "login", &state, &value, NOW,
                          LIFE, &got),
          OIDC_STATE_UNKNOWN, "S04: another key");

    two.n = 2;
    memcpy(two.key[1], ring.key[0], OIDC_KEY_LEN);
    is_rc(oidc_login_open(tap_pool(), &two, "login", &state, &value, NOW,
                          LIFE, &got),
          OIDC_OK, "S04: the previous key opens");

    two.n = 0;
    is_rc(oidc_login_open(tap_pool(), &two, "login", &state, &value, NOW,
                          LIFE, &got),
          OIDC_STATE_UNKNOWN, "S04: no key");
    fill(&got);
    is_rc(oidc_login_seal(tap_pool(), &two, "login", &state, &got,
                          oidc_random, &other),
          OIDC_ARGS, "S04: none to seal with");
}


static void
test_time(void)
{
    size_t      i;
    oidc_str_t  value, late;

    value = seal();

    is_rc(open_at(&value, NOW + LIFE - 1), OIDC_OK, "F09: the last second");
    is_rc(open_at(&value, NOW + LIFE), OIDC_STATE_EXPIRED, "F09: too late");
    is_rc(open_at(&value, NOW + LIFE + 1), OIDC_STATE_EXPIRED, "F09: later");
    is_rc(open_at(&value, NOW - 30), OIDC_OK,
          "F09: another host's clock is ahead");
    is_rc(open_at(&value, NOW - 31), OIDC_STATE_EXPIRED,
          "F09: from the future");
    is_rc(open_at(&value, 0), OIDC_STATE_EXPIRED, "F09: far from it");

    (void) oidc_str_dup(tap_pool(), &value, &late);

    for (i = 0; i < 8; i++) {
        late.data[i] ^= 1;
        ok(open_at(&late, NOW) == OIDC_STATE_UNKNOWN,
           "F09: the readable time is bound: digit %d", (int) i);
        late.data[i] ^= 1;
    }
}


static int64_t
created(const char *text)
{
    oidc_str_t  s;

    s = tap_str(text);

    return oidc_login_created(&s);
}


static void
test_values(void)
{
    size_t       i, n;
    u_char      *copy;
    oidc_str_t   value, cut;

    static const char *const  bad[] = {
        "", ".", "6b49d200", "6b49d200.", "6b49d20.AAAA", "6B49D200.AAAA",
        "6b49d200.AAAA", "6b49d20x.AAAA", "-6b49d20.AAAA", " 6b49d20.AAAA",
        "0x6b49d2.AAAA", "6b49d200.A", "6b49d200.AA==", "6b49d200.A.A",
        "00000000000000006b49d200.AAAA", "6b49d200.\xc3\xa9", NULL
    };

    for (i = 0; bad[i] != NULL; i++) {
        value = tap_str(bad[i]);
        ok(open_at(&value, NOW) == OIDC_STATE_UNKNOWN,
           "F10 SE-6: no login: row %d", (int) i);
    }

    value = seal();

    for (n = 0, i = 0; i < value.len; i++) {
        copy = tap_alloc(&tap, i);
        memcpy(copy, value.data, i);
        cut.data = copy;
        cut.len = i;
        n += open_at(&cut, NOW) != OIDC_STATE_UNKNOWN;
    }

    is_int(n, 0, "SE-6: cut anywhere");

    for (n = 0, i = 9; i < value.len; i++) {
        value.data[i] = (value.data[i] == 'A') ? 'B' : 'A';
        n += open_at(&value, NOW) == OIDC_OK;
        value.data[i] = 'A';
    }

    is_int(n, 0, "SE-6: bent anywhere");

    is_int(created("6b49d200.x"), NOW, "F08: a time");
    is_int(created("0000000a.x"), 10, "F08: the digit a");
    is_int(created("16b49d200.x"), NOW + ((int64_t) 1 << 32),
           "V04 F08: a time beyond 2106");
    is_int(created("fffffffffffffff.x"), ((int64_t) 1 << 60) - 1,
           "F08: the last time");
    is_int(created("1000000000000000.x"), 0, "F08: beyond the last time");
    is_int(created("6b49d200"), 0, "F08: no dot");
    is_int(created("6b49d20.x"), 0, "F08: too short");
    is_int(created("6b49d20g.x"), 0, "F08: no hex");
    is_int(created(""), 0, "F08: nothing");

    value.len = 0;
    value.data = NULL;
    is_int(oidc_login_created(&value), 0, "B05: no value");
    is_rc(open_at(&value, NOW), OIDC_STATE_UNKNOWN, "B05: no value");
}


static void
test_size(void)
{
    char          uri[400];
    u_char        suffix[OIDC_LOGIN_SUFFIX_LEN];
    size_t        total;
    oidc_str_t    value;
    oidc_login_t  login;

    memset(uri, 'a', sizeof(uri));
    uri[0] = '/';

    fill(&login);
    login.return_to.data = (u_char *) uri;
    login.return_to.len = 340;

    (void) oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                           oidc_random, &value);

    total = sizeof("__Host-NGX_OIDC_LOGIN_") - 1 + sizeof(suffix) + 1
            + value.len;

    ok(total < 600, "F08 LS-6: %d bytes with a return target of 340",
       (int) total);
}


static void
test_derived(void)
{
    u_char        a[43], b[43], c[43], d[43], one[16], two[16];
    oidc_str_t    s;
    oidc_login_t  login, other;

    fill(&login);
    fill(&other);
    other.seed[31] ^= 1;

    is_rc(oidc_login_nonce(&login, a), OIDC_OK, "F02 LS-3: nonce");
    is_rc(oidc_login_verifier(&login, b), OIDC_OK, "F04 LS-4: verifier");
    (void) oidc_login_nonce(&other, c);
    (void) oidc_login_verifier(&other, d);

    ok(memcmp(a, b, 43) != 0, "LS-3: the nonce is not the verifier");
    ok(memcmp(a, c, 43) != 0, "LS-3: another seed, another nonce");
    ok(memcmp(b, d, 43) != 0, "LS-4: another seed, another verifier");

    (void) oidc_login_nonce(&login, c);
    ok(memcmp(a, c, 43) == 0, "LS-3: the same at the callback");

    (void) oidc_b64url_encode_buf(d, login.seed, 32);
    ok(memcmp(a, d, 43) != 0 && memcmp(b, d, 43) != 0,
       "LS-3: neither is the seed");

    s.data = b;
    s.len = 43;
    ok(oidc_b64url_decode_buf(c, 32, &s) == 1,
       "F04 LS-4: 43 unreserved characters");

    s = tap_str("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    is_rc(oidc_pkce_challenge(&s, a), OIDC_OK, "LS-4: S256");
    is_mem(a, 43, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", 43,
           "F04 LS-4: RFC 7636 appendix B");

    is_rc(oidc_login_suffix(&state, one), OIDC_OK, "F08: suffix");
    s = tap_str("STATF");
    (void) oidc_login_suffix(&s, two);
    ok(memcmp(one, two, 16) != 0, "F08: another state, another cookie");
    ok(base64url(one, sizeof(one)), "F08: fit for a cookie's name");
}


/* a value around any plain text */

static oidc_rc_t
forge(const char *text, size_t len)
{
    u_char      sealed[160];
    oidc_str_t  aad, plain, s, b64, value;

    aad = tap_str("6b49d200.STATE");
    plain.data = (u_char *) text;
    plain.len = len;
    (void) oidc_seal(ring.key[0], "login", &aad, &plain, oidc_random, sealed);

    s.data = sealed;
    s.len = len + OIDC_SEAL_OVERHEAD;
    (void) oidc_b64url_encode(tap_pool(), &s, &b64);

    value.len = 9 + b64.len;
    value.data = tap_alloc(&tap, value.len);
    memcpy(value.data, "6b49d200.", 9);
    memcpy(value.data + 9, b64.data, b64.len);

    return open_at(&value, NOW);
}


static void
test_inside(void)
{
    static const char  text[] = "\0\3\0" "01234567890123456789012345678901"
                                "idp/";
    static const char  all[] = "\37\3\1" "01234567890123456789012345678901"
                               "\0\0\0\5" "01234567"
                               "01234567890123456789012345678901" "idpa/";

    is_rc(forge(text, 39), OIDC_OK, "F10: as we seal it");
    is_rc(forge(text, 38), OIDC_OK, "F10: without a return target");
    is_rc(forge("\0\0\0" "01234567890123456789012345678901", 35), OIDC_OK,
          "F10: without a provider");
    is_rc(forge(text, 37), OIDC_STATE_UNKNOWN, "B05: half a provider");
    is_rc(forge(text, 35), OIDC_STATE_UNKNOWN, "B05: no provider");
    is_rc(forge(text, 34), OIDC_STATE_UNKNOWN, "B05: half a seed");
    is_rc(forge(all, 84), OIDC_OK, "F18: with everything");
    is_rc(forge(all, 82), OIDC_STATE_UNKNOWN, "B05: no acr_values");
    is_rc(forge(all, 70), OIDC_STATE_UNKNOWN, "B05: half an old session");
    is_rc(forge(text, 1), OIDC_STATE_UNKNOWN, "B05: no seed");
    is_rc(forge(text, 0), OIDC_STATE_UNKNOWN, "B05: nothing");
}


static void
test_limits(void)
{
    int           i;
    char          name[255];
    oidc_rc_t     rc;
    oidc_str_t    value;
    oidc_login_t  login;

    fill(&login);

    login.created = -1;
    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_ARGS, "F08: before 1970");

    login.created = (int64_t) 1 << 60;
    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_ARGS, "F08: a time that can not be said");

    login.created = 0;
    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_OK, "F08: in 1970");

    fill(&login);
    memset(name, 'p', sizeof(name));
    login.provider.data = (u_char *) name;
    login.provider.len = 255;
    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_OK, "F22: a provider's name of 255");
    is_rc(oidc_login_open(tap_pool(), &ring, "login", &state, &value, NOW,
                          LIFE, &login),
          OIDC_OK, "F22: opened");
    is_mem(login.provider.data, login.provider.len, name, 255,
           "F22: all of it");

    (void) oidc_login_seal(heap_pool(), &ring, "login", &state, &login,
                           oidc_random, &value);
    is_int(heap_count(login.seed, 32), 0, "O03: no seed is left in memory");

    fill(&login);
    login.provider.len = 256;
    is_rc(oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                          oidc_random, &value),
          OIDC_ARGS, "F22: a provider's name of 256");

    fill(&login);
    ok(oidc_login_seal(tap_pool(), &ring, "login", &state, &login, no_random,
                       &value)
       != OIDC_OK, "S04: never sealed without randomness");

    for (i = 0; i < 4; i++) {
        tap.fail_after = i;
        rc = oidc_login_seal(tap_pool(), &ring, "login", &state, &login,
                             oidc_random, &value);
        tap.fail_after = -1;
        is_rc(rc, OIDC_NOMEM, "F08: no memory");
    }

    value = seal();

    for (i = 0; i < 3; i++) {
        tap.fail_after = i;
        rc = open_at(&value, NOW);
        tap.fail_after = -1;
        is_rc(rc, OIDC_NOMEM, "F08: no memory");
    }
}
