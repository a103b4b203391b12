
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A login on its way, from and to a cookie:
 *
 *     value  = time "." base64url(sealed)        time in 8 to 15 hex digits
 *     sealed = flags (1)  provider length (1)  acr length (1)  seed (32)
 *              [max_age (4)]  [claims (8)]  [old session (32)]
 *              provider  acr_values  return target
 *
 * with time "." state as additional data.  Decides whether a cookie belongs to
 * a state and is fresh; that a state was used before is a store's to know.
 * state, nonce and verifier are RFC 6749 section 10.12, OpenID Connect Core
 * 15.5.2 and RFC 7636 section 4.1: 256 random bits each, none of which tells
 * anything of the others.
 */


#include <stdio.h>
#include <string.h>

#include "oidc_b64.h"
#include "oidc_login.h"


#define OIDC_LOGIN_TIME_MIN  8
#define OIDC_LOGIN_TIME_MAX  15

/* hosts that share a cookie key do not share a clock */

#define OIDC_LOGIN_AHEAD     30

#define OIDC_LOGIN_SEED      32
#define OIDC_LOGIN_PREFIX    (3 + OIDC_LOGIN_SEED)

#define OIDC_LOGIN_MAX_AGE   0x01
#define OIDC_LOGIN_CLAIMS    0x02
#define OIDC_LOGIN_OLD       0x04
#define OIDC_LOGIN_SILENT    0x08
#define OIDC_LOGIN_AGAIN     0x10


static oidc_rc_t oidc_login_write(oidc_pool_t *pool,
    const oidc_login_t *login, oidc_str_t *plain);
static oidc_rc_t oidc_login_read(const oidc_str_t *plain, oidc_login_t *login);
static int oidc_login_split(const oidc_str_t *value, oidc_str_t *time,
    int64_t *created);
static oidc_rc_t oidc_login_aad(oidc_pool_t *pool, const oidc_str_t *time,
    const oidc_str_t *state, oidc_str_t *aad);
static oidc_rc_t oidc_login_secret(const oidc_login_t *login,
    const char *label, u_char out[43]);


oidc_rc_t
oidc_login_begin(oidc_random_pt random, oidc_login_t *login,
    u_char state[OIDC_STATE_LEN])
{
    u_char  bytes[32 + sizeof(login->seed)];

    /* asked once: each call costs OpenSSL a round of its generator */

    if (!random(bytes, sizeof(bytes))) {
        return OIDC_CRYPTO;
    }

    (void) oidc_b64url_encode_buf(state, bytes, 32);

    memcpy(login->seed, bytes + 32, sizeof(login->seed));
    oidc_wipe(bytes, sizeof(bytes));

    return OIDC_OK;
}


oidc_rc_t
oidc_login_seal(oidc_pool_t *pool, const oidc_ring_t *ring,
    const char *purpose, const oidc_str_t *state, const oidc_login_t *login,
    oidc_random_pt random, oidc_str_t *value)
{
    char        digits[32];
    oidc_rc_t   rc;
    oidc_str_t  time, aad, plain, sealed;

    if (ring->n == 0 || login->provider.len > 255
        || login->strength.acr_values.len > OIDC_LOGIN_ACR_MAX
        || login->created < 0
        || login->created >> (4 * OIDC_LOGIN_TIME_MAX) != 0)
    {
        return OIDC_ARGS;
    }

    time.data = (u_char *) digits;
    time.len = snprintf(digits, sizeof(digits), "%08llx",
                        (unsigned long long) login->created);

    rc = oidc_login_aad(pool, &time, state, &aad);
    if (rc != OIDC_OK) {
        return rc;
    }

    rc = oidc_login_write(pool, login, &plain);
    if (rc != OIDC_OK) {
        return rc;
    }

    sealed.len = plain.len + OIDC_SEAL_OVERHEAD;
    sealed.data = oidc_palloc(pool, sealed.len);
    value->data = oidc_palloc(pool,
                              time.len + 1 + oidc_b64url_len(sealed.len));

    if (sealed.data == NULL || value->data == NULL) {
        rc = OIDC_NOMEM;

    } else {
        rc = oidc_seal(ring->key[0], purpose, &aad, &plain, random,
                       sealed.data);
    }

    oidc_wipe(plain.data, plain.len);

    if (rc != OIDC_OK) {
        return rc;
    }

    memcpy(value->data, time.data, time.len);
    value->data[time.len] = '.';

    value->len = oidc_b64url_encode_buf(value->data + time.len + 1,
                                        sealed.data, sealed.len)
                 - value->data;

    return OIDC_OK;
}


oidc_rc_t
oidc_login_open(oidc_pool_t *pool, const oidc_ring_t *ring,
    const char *purpose, const oidc_str_t *state, const oidc_str_t *value,
    int64_t now, int64_t lifetime, oidc_login_t *login)
{
    int64_t     created;
    oidc_rc_t   rc;
    oidc_str_t  time, text, aad, sealed, plain;

    memset(login, 0, sizeof(oidc_login_t));

    if (!oidc_login_split(value, &time, &created)) {
        return OIDC_STATE_UNKNOWN;
    }

    text.data = value->data + time.len + 1;
    text.len = value->len - time.len - 1;

    rc = oidc_b64url_decode(pool, &text, &sealed);

    if (rc != OIDC_OK) {
        return (rc == OIDC_NOMEM) ? rc : OIDC_STATE_UNKNOWN;
    }

    if (sealed.len < OIDC_LOGIN_PREFIX + OIDC_SEAL_OVERHEAD) {
        return OIDC_STATE_UNKNOWN;
    }

    rc = oidc_login_aad(pool, &time, state, &aad);
    if (rc != OIDC_OK) {
        return rc;
    }

    plain.len = sealed.len - OIDC_SEAL_OVERHEAD;
    plain.data = oidc_palloc(pool, plain.len);

    if (plain.data == NULL) {
        return OIDC_NOMEM;
    }

    rc = oidc_ring_open(ring, purpose, &aad, &sealed, plain.data);

    if (rc != OIDC_OK) {
        return (rc == OIDC_SEAL) ? OIDC_STATE_UNKNOWN : rc;
    }

    /*
     * "lifetime" itself is too late: a state is remembered as spent for the
     * rest of it, and there must be a rest.
     */

    if (created > now + OIDC_LOGIN_AHEAD || now - created >= lifetime) {
        return OIDC_STATE_EXPIRED;
    }

    rc = oidc_login_read(&plain, login);

    if (rc == OIDC_OK) {
        login->created = created;
    }

    return rc;
}


static oidc_rc_t
oidc_login_write(oidc_pool_t *pool, const oidc_login_t *login,
    oidc_str_t *plain)
{
    u_char                  head[3], age[4];
    uint32_t                max_age;
    oidc_buf_t              b;
    const oidc_strength_t  *strength;

    strength = &login->strength;

    head[0] = (strength->has_max_age ? OIDC_LOGIN_MAX_AGE : 0)
              | (login->has_claims ? OIDC_LOGIN_CLAIMS : 0)
              | (login->has_old ? OIDC_LOGIN_OLD : 0)
              | (login->silent ? OIDC_LOGIN_SILENT : 0)
              | (login->again ? OIDC_LOGIN_AGAIN : 0);
    head[1] = (u_char) login->provider.len;
    head[2] = (u_char) strength->acr_values.len;

    oidc_buf_init(&b, pool, OIDC_LOGIN_PREFIX + login->provider.len
                            + login->return_to.len + 64);

    oidc_buf_add(&b, head, sizeof(head));
    oidc_buf_add(&b, login->seed, OIDC_LOGIN_SEED);

    if (strength->has_max_age) {
        max_age = (strength->max_age < 0) ? 0
                  : (strength->max_age > INT32_MAX) ? INT32_MAX
                  : (uint32_t) strength->max_age;

        (void) oidc_put_u32(age, max_age);
        oidc_buf_add(&b, age, sizeof(age));
    }

    if (login->has_claims) {
        oidc_buf_add(&b, login->claims, sizeof(login->claims));
    }

    if (login->has_old) {
        oidc_buf_add(&b, login->old, sizeof(login->old));
    }

    oidc_buf_str(&b, &login->provider);
    oidc_buf_str(&b, &strength->acr_values);
    oidc_buf_str(&b, &login->return_to);

    return oidc_buf_done(&b, plain);
}


static oidc_rc_t
oidc_login_read(const oidc_str_t *plain, oidc_login_t *login)
{
    size_t    need;
    u_char   *p, flags;

    p = plain->data;
    flags = p[0];

    need = OIDC_LOGIN_PREFIX
           + ((flags & OIDC_LOGIN_MAX_AGE) ? 4 : 0)
           + ((flags & OIDC_LOGIN_CLAIMS) ? sizeof(login->claims) : 0)
           + ((flags & OIDC_LOGIN_OLD) ? sizeof(login->old) : 0)
           + p[1] + p[2];

    if (plain->len < need) {
        return OIDC_STATE_UNKNOWN;
    }

    login->provider.len = p[1];
    login->strength.acr_values.len = p[2];
    login->silent = (flags & OIDC_LOGIN_SILENT) != 0;
    login->again = (flags & OIDC_LOGIN_AGAIN) != 0;

    memcpy(login->seed, p + 3, OIDC_LOGIN_SEED);
    p += OIDC_LOGIN_PREFIX;

    if (flags & OIDC_LOGIN_MAX_AGE) {
        login->strength.has_max_age = 1;
        login->strength.max_age = oidc_get_u32(p);
        p += 4;
    }

    if (flags & OIDC_LOGIN_CLAIMS) {
        login->has_claims = 1;
        memcpy(login->claims, p, sizeof(login->claims));
        p += sizeof(login->claims);
    }

    if (flags & OIDC_LOGIN_OLD) {
        login->has_old = 1;
        memcpy(login->old, p, sizeof(login->old));
        p += sizeof(login->old);
    }

    login->provider.data = p;
    p += login->provider.len;

    login->strength.acr_values.data = p;
    p += login->strength.acr_values.len;

    login->return_to.data = p;
    login->return_to.len = plain->len - need;

    return OIDC_OK;
}


int64_t
oidc_login_created(const oidc_str_t *value)
{
    int64_t     created;
    oidc_str_t  time;

    return oidc_login_split(value, &time, &created) ? created : 0;
}


oidc_rc_t
oidc_login_suffix(const oidc_str_t *state, u_char out[OIDC_LOGIN_SUFFIX_LEN])
{
    u_char     hash[32];
    oidc_rc_t  rc;

    rc = oidc_sha256(state->data, state->len, hash);

    if (rc == OIDC_OK) {
        (void) oidc_b64url_encode_buf(out, hash,
                                      OIDC_LOGIN_SUFFIX_LEN * 3 / 4);
    }

    return rc;
}


oidc_rc_t
oidc_login_nonce(const oidc_login_t *login, u_char out[43])
{
    return oidc_login_secret(login, "oidc login nonce", out);
}


oidc_rc_t
oidc_login_verifier(const oidc_login_t *login, u_char out[43])
{
    return oidc_login_secret(login, "oidc login verifier", out);
}


oidc_rc_t
oidc_pkce_challenge(const oidc_str_t *verifier, u_char out[43])
{
    return oidc_sha256_b64url(verifier->data, verifier->len, out);
}


static int
oidc_login_split(const oidc_str_t *value, oidc_str_t *time, int64_t *created)
{
    size_t   i;
    u_char   c;
    int64_t  n;

    for (n = 0, i = 0; i < value->len && value->data[i] != '.'; i++) {
        c = value->data[i];

        if (i == OIDC_LOGIN_TIME_MAX) {
            return 0;
        }

        if (c >= '0' && c <= '9') {
            n = n * 16 + (c - '0');

        } else if (c >= 'a' && c <= 'f') {
            n = n * 16 + (c - 'a' + 10);

        } else {
            return 0;
        }
    }

    if (i < OIDC_LOGIN_TIME_MIN || i == value->len) {
        return 0;
    }

    time->data = value->data;
    time->len = i;

    *created = n;

    return 1;
}


static oidc_rc_t
oidc_login_aad(oidc_pool_t *pool, const oidc_str_t *time,
    const oidc_str_t *state, oidc_str_t *aad)
{
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, time->len + 1 + state->len);
    oidc_buf_str(&b, time);
    oidc_buf_cstr(&b, ".");
    oidc_buf_str(&b, state);

    return oidc_buf_done(&b, aad);
}


static oidc_rc_t
oidc_login_secret(const oidc_login_t *login, const char *label, u_char out[43])
{
    u_char     text[sizeof(login->seed) + 32];
    size_t     len;
    oidc_rc_t  rc;

    /* the seed is of one length and random: a plain hash of both will do */

    len = strlen(label);

    memcpy(text, login->seed, sizeof(login->seed));
    memcpy(text + sizeof(login->seed), label, len);

    rc = oidc_sha256_b64url(text, sizeof(login->seed) + len, out);

    oidc_wipe(text, sizeof(text));

    return rc;
}
