
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


#ifndef _OIDC_LOGOUT_H_INCLUDED_
#define _OIDC_LOGOUT_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_idtoken.h"


/* a logout token without exp is good for so many seconds */

#define OIDC_LOGOUT_AGE   120

/* and any for no longer than this, so that its jti can be remembered */

#define OIDC_LOGOUT_LIFE  (24 * 60 * 60)

#define OIDC_JTI_MAX      1024


/* RP-Initiated Logout 1.0 section 2 */

typedef struct {
    oidc_str_t    endpoint;
    oidc_str_t    id_token_hint;             /* empty: client_id is sent */
    oidc_str_t    client_id;
    oidc_str_t    post_logout_redirect_uri;  /* empty: neither it nor state */
    oidc_str_t    state;
} oidc_logout_t;


oidc_rc_t oidc_logout_url(oidc_pool_t *pool, const oidc_logout_t *logout,
    oidc_str_t *url);


/* Back-Channel Logout 1.0 section 2.4; strings are in the pool */

typedef struct {
    oidc_str_t    sid;        /* empty: all sessions of sub */
    oidc_str_t    sub;        /* may be empty where sid is not */
    oidc_str_t    jti;
    int64_t       until;      /* the token is refused from then on */
} oidc_logout_token_t;


/*
 * The verdict on a logout token (2.6).  Of expect, nonce and access_token mean
 * nothing.  Reasons are those of an ID token, and OIDC_CLAIM_JTI,
 * OIDC_CLAIM_SUBJECT; whether the jti was seen before is the caller's to know.
 */

oidc_rc_t oidc_logout_token_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, oidc_logout_token_t *out);


#endif /* _OIDC_LOGOUT_H_INCLUDED_ */
