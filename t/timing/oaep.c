
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Whether the time of a refused RSA-OAEP token tells why it was refused: good
 * padding under a bad tag, bad padding, another key's ciphertext.  Interleaved
 * in random order, Welch's t between each two groups, outliers above the 99th
 * percentile cropped alike.  |t| under 4.5 is no separation (the threshold of
 * dudect).  Not part of the suite: "make timing" and a quiet machine.
 */


#include <math.h>
#include <time.h>

#include "encrypt.h"

#include "oidc_jwe.h"
#include "oidc_seal.h"


#define SAMPLES  100000     /* of all groups together */
#define GROUPS   3
#define TOKENS   8          /* of each group, so that no one token counts */


typedef struct {
    double    time;
    int       group;
} sample_t;


static void *timing_alloc(void *owner, size_t size);
static double timing_now(void);
static int timing_order(const void *a, const void *b);
static double timing_welch(const sample_t *s, size_t n, double crop, int a,
    int b);


static const char *const  groups[GROUPS] = {
    "bad tag", "bad padding", "another key"
};

static sample_t     samples[SAMPLES];
static double       sorted[SAMPLES];
static u_char       arena[65536];
static size_t       arena_used;
static oidc_pool_t  pool = { timing_alloc, NULL };


int
main(void)
{
    int                 i, j, g;
    double              start, t, worst;
    make_t              m;
    EVP_PKEY           *ours, *other;
    unsigned            bits;
    oidc_jwe_t          jwe;
    oidc_str_t          token[GROUPS][TOKENS], part[PARTS];
    oidc_key_t          own;
    oidc_jwe_policy_t   policy;

    (void) oidc_crypto_init();

    ours = jose_new_key("RSA");
    other = jose_new_key("RSA");

    memset(&own, 0, sizeof(own));
    own.pkey = ours;
    own.kty = OIDC_KTY_RSA;

    memset(&policy, 0, sizeof(policy));
    policy.algs = OIDC_RSA_OAEP;
    policy.encs = OIDC_A256GCM;
    policy.keys = &own;
    policy.n = 1;

    memset(&m, 0, sizeof(m));
    m.alg = "RSA-OAEP";
    m.enc = "A256GCM";

    for (j = 0; j < TOKENS; j++) {
        for (g = 0; g < GROUPS; g++) {
            m.to = g == 2 ? other : ours;
            (void) make(&m, part);

            if (g == 0) {
                part[TAG].data[0] ^= 1;

            } else if (g == 1) {
                part[KEY].data[part[KEY].len - 1] ^= 1;

            } else {
                /* below our modulus, or it would be refused for that */
                part[KEY].data[0] = 0;
            }

            token[g][j] = join(part);
        }
    }

    for (i = 0; i < SAMPLES; i++) {

        (void) oidc_random((u_char *) &bits, sizeof(bits));
        g = bits % GROUPS;
        j = (bits >> 8) % TOKENS;
        arena_used = 0;

        start = timing_now();
        (void) oidc_jwe_decrypt(&pool, &token[g][j], &policy, &jwe);
        samples[i].time = timing_now() - start;
        samples[i].group = g;
        sorted[i] = samples[i].time;
    }

    qsort(sorted, SAMPLES, sizeof(double), timing_order);

    worst = 0;

    for (i = 0; i < GROUPS; i++) {
        for (j = i + 1; j < GROUPS; j++) {
            t = timing_welch(samples, SAMPLES, sorted[SAMPLES / 100 * 99], i,
                             j);
            worst = fabs(t) > worst ? fabs(t) : worst;
            diag("%s and %s: t = %.2f", groups[i], groups[j], t);
        }
    }

    diag("median %.3f ms of %d samples", sorted[SAMPLES / 2], SAMPLES);
    ok(worst < 4.5, "P12 KE-7: failures of RSA-OAEP do not separate");

    EVP_PKEY_free(ours);
    EVP_PKEY_free(other);
    oidc_crypto_free();

    return done_testing();
}


static void *
timing_alloc(void *owner, size_t size)
{
    void  *p;

    p = arena + arena_used;
    arena_used += (size + 15) & ~(size_t) 15;

    return arena_used <= sizeof(arena) ? p : NULL;
}


/* milliseconds */

static double
timing_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1000 + (double) ts.tv_nsec / 1000000;
}


static int
timing_order(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}


static double
timing_welch(const sample_t *s, size_t n, double crop, int a, int b)
{
    int     k;
    double  count[2] = { 0 }, mean[2] = { 0 }, sum[2] = { 0 }, delta;
    size_t  i;

    for (i = 0; i < n; i++) {
        if (s[i].time > crop || (s[i].group != a && s[i].group != b)) {
            continue;
        }

        k = s[i].group == b;
        count[k]++;
        delta = s[i].time - mean[k];
        mean[k] += delta / count[k];
        sum[k] += delta * (s[i].time - mean[k]);
    }

    return (mean[0] - mean[1])
           / sqrt(sum[0] / (count[0] - 1) / count[0]
                  + sum[1] / (count[1] - 1) / count[1]);
}
