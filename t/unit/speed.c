
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the hot path costs on this machine: printed, not judged, since a shared
 * machine's clock proves nothing.  KE-14's numbers come from here.
 */


#include <time.h>

#include "jose.h"
#include "oidc_seal.h"


#define TEXT  500


static double speed_now(void);
static void speed_report(const char *what, double start, unsigned n);
static void speed_session(void);
static void speed_verify(const char *alg);


int
main(void)
{
    is_rc(oidc_crypto_init(), OIDC_OK, "KE-14 algorithms are fetched");
    jose_setup();

    speed_session();
    speed_verify("RS256");
    speed_verify("ES256");
    speed_verify("EdDSA");
    speed_verify("HS256");

    jose_done();
    oidc_crypto_free();

    return done_testing();
}


static void
speed_session(void)
{
    double              start;
    unsigned            i, opened;
    u_char              handle[OIDC_HANDLE_LEN], back[TEXT];
    u_char              dst[TEXT + OIDC_SEAL_OVERHEAD];
    oidc_str_t          aad, plain, sealed;
    oidc_handle_keys_t  keys;

    memset(handle, 7, sizeof(handle));
    memset(back, 'x', sizeof(back));
    aad = tap_str("session");
    plain.data = back;
    plain.len = sizeof(back);
    sealed.data = dst;
    sealed.len = sizeof(dst);

    (void) oidc_handle_keys(handle, &keys);
    (void) oidc_seal(keys.key, "session", &aad, &plain, oidc_random, dst);

    start = speed_now();

    for (i = 0; i < 20000; i++) {
        (void) oidc_handle_keys(handle, &keys);
    }

    speed_report("handle keys", start, i);

    opened = 0;
    start = speed_now();

    for (i = 0; i < 20000; i++) {
        opened += oidc_open(keys.key, "session", &aad, &sealed, back)
                  == OIDC_OK;
    }

    speed_report("open 500 bytes", start, i);
    is_int(opened, i, "KE-14 each one opened");

    start = speed_now();

    for (i = 0; i < 20000; i++) {
        (void) oidc_seal(keys.key, "session", &aad, &plain, oidc_random, dst);
    }

    speed_report("seal 500 bytes", start, i);
}


static void
speed_verify(const char *alg)
{
    char        header[64];
    double      start;
    unsigned    i, good;
    oidc_str_t  token;

    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
    token = jose_token(alg, jose_key_of(alg), header,
                       "{\"iss\":\"https://idp.example/realms/one\","
                       "\"sub\":\"f1b5b3a0-5a3c-4a8e-9a55-0123456789ab\","
                       "\"aud\":\"client\",\"exp\":1800000300,"
                       "\"iat\":1800000000,\"nonce\":\"0123456789abcdef\"}");

    good = 0;
    start = speed_now();

    for (i = 0; i < 500; i++) {
        good += jose_verify(&token, JOSE_ALL) == OIDC_OK;
    }

    speed_report(alg, start, i);
    is_int(good, i, "KE-14 each one verified");
}


static double
speed_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


static void
speed_report(const char *what, double start, unsigned n)
{
    diag("%-16s %8.2f us", what, (speed_now() - start) / n);
}
