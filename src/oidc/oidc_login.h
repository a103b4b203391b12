
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A login in flight lives in the browser: one sealed cookie per state.  Its
 * value is the time of creation, readable so that the oldest can be dropped
 * without opening any, and the sealed rest; time and state are bound as AAD, so
 * that the cookie opens for its own state only.  nonce and PKCE verifier derive
 * from a random seed inside.  The same shape serves the logout on its way.
 */


#ifndef _OIDC_LOGIN_H_INCLUDED_
#define _OIDC_LOGIN_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_seal.h"
#include "oidc_step_up.h"


#define OIDC_STATE_LEN         43    /* base64url of 32 random bytes */
#define OIDC_LOGIN_SUFFIX_LEN  16
#define OIDC_LOGIN_CLAIMS_LEN  8
#define OIDC_LOGIN_ACR_MAX     255


typedef struct {
    u_char           seed[32];
    int64_t          created;       /* seconds since 1970 */
    oidc_str_t       provider;
    oidc_str_t       return_to;     /* a path that passed the validator */

    /* what was asked for and is to be checked; acr_values of 255 at most */
    oidc_strength_t  strength;
    u_char           claims[OIDC_LOGIN_CLAIMS_LEN];  /* of a hash of it */
    u_char           old[32];       /* name of the session to be replaced */

    unsigned         has_claims:1;
    unsigned         has_old:1;
    unsigned         silent:1;      /* prompt=none */
    unsigned         again:1;       /* the second attempt: not a third */
} oidc_login_t;


/* fresh state and seed */

oidc_rc_t oidc_login_begin(oidc_random_pt random, oidc_login_t *login,
    u_char state[OIDC_STATE_LEN]);

/* purpose: "login" or "logout", bound as AAD */

oidc_rc_t oidc_login_seal(oidc_pool_t *pool, const oidc_ring_t *ring,
    const char *purpose, const oidc_str_t *state, const oidc_login_t *login,
    oidc_random_pt random, oidc_str_t *value);

/*
 * OIDC_STATE_UNKNOWN where the cookie does not open for this state,
 * OIDC_STATE_EXPIRED where it is older than "lifetime" seconds or from the
 * future.
 */

oidc_rc_t oidc_login_open(oidc_pool_t *pool, const oidc_ring_t *ring,
    const char *purpose, const oidc_str_t *state, const oidc_str_t *value,
    int64_t now, int64_t lifetime, oidc_login_t *login);

/* the readable time in front of a cookie value; 0 where there is none */

int64_t oidc_login_created(const oidc_str_t *value);

/* what tells the cookies of several logins apart, from a hash of the state */

oidc_rc_t oidc_login_suffix(const oidc_str_t *state,
    u_char out[OIDC_LOGIN_SUFFIX_LEN]);

oidc_rc_t oidc_login_nonce(const oidc_login_t *login, u_char out[43]);
oidc_rc_t oidc_login_verifier(const oidc_login_t *login, u_char out[43]);

/* RFC 7636 section 4.2, S256 */

oidc_rc_t oidc_pkce_challenge(const oidc_str_t *verifier, u_char out[43]);


#endif /* _OIDC_LOGIN_H_INCLUDED_ */
