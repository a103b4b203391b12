
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The verdict on an ID token (OpenID Connect Core 3.1.3.7, RFC 8725) and on a
 * userinfo answer (5.3).  Claim checks are one table.
 */


#ifndef _OIDC_IDTOKEN_H_INCLUDED_
#define _OIDC_IDTOKEN_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_jwe.h"
#include "oidc_jws.h"


#define OIDC_SUB_MAX   255
#define OIDC_SKEW_MAX  300


typedef struct {
    oidc_str_t           issuer;
    oidc_str_t           client_id;
    const oidc_str_t    *trusted_audience;
    size_t               trusted_audience_n;
    oidc_str_t           nonce;
    oidc_str_t           access_token;   /* for at_hash; empty: none given */
    oidc_str_t           secret;         /* for HS* */
    const oidc_jwks_t   *jwks;
    unsigned             algs;           /* mask */
    const oidc_jwe_policy_t  *jwe;       /* must be encrypted so; NULL: not */
    int64_t              now;            /* seconds since 1970 */
    int64_t              skew;           /* seconds, at most OIDC_SKEW_MAX */
    unsigned             refreshed:1;    /* an ID token of a refresh: its nonce
                                            is for oidc_refresh_claims() */
} oidc_expect_t;


/* skew within 0 and OIDC_SKEW_MAX */

int64_t oidc_expect_skew(const oidc_expect_t *expect);


/* what a token is; a claim that one must have may be left out of another */

#define OIDC_IS_ID_TOKEN  0x01
#define OIDC_IS_USERINFO  0x02
#define OIDC_IS_LOGOUT    0x04
#define OIDC_IS_REFRESHED 0x08


/*
 * Signature and claims of a token of this kind, whose algorithms are "algs"
 * and whose typ, where it has one, is on the list.  *claims belongs to the
 * caller (json_decref()); set with OIDC_OK only.  OIDC_JWS_KID asks for a
 * refresh of the keys and another try.
 */

typedef struct {
    unsigned             is;
    unsigned             algs;
    const char *const   *typs;
} oidc_token_kind_t;

oidc_rc_t oidc_token_claims(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, const oidc_token_kind_t *kind,
    json_t **claims);

/* *claims and OIDC_JWS_KID as above */

oidc_rc_t oidc_id_token_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, json_t **claims);

/*
 * A userinfo answer of status 200: JSON, or a JWS where content_type is
 * application/jwt.  expect->algs is the mask of userinfo_signed_response_alg,
 * expect->jwe what userinfo must be encrypted with: either makes a plain JSON
 * answer OIDC_CONTENT_TYPE (no downgrade); without the first a JWS is verified
 * against "jwt_algs", those of the ID token.  "sub" must be equal to the ID
 * token's.
 */

oidc_rc_t oidc_userinfo_check(oidc_pool_t *pool,
    const oidc_str_t *content_type, const oidc_str_t *body,
    const oidc_expect_t *expect, unsigned jwt_algs, const oidc_str_t *sub,
    json_t **claims);


#endif /* _OIDC_IDTOKEN_H_INCLUDED_ */
