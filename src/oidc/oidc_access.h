
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * An access token as a resource server sees it, whoever vouches for it: the
 * introspection endpoint (RFC 7662, RFC 9701) or the provider's signature (RFC
 * 9068); and the rules that decide what it is good for here.
 */


#ifndef _OIDC_ACCESS_H_INCLUDED_
#define _OIDC_ACCESS_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_idtoken.h"


typedef struct {
    json_t       *claims;       /* the caller's to json_decref() */
    int64_t       exp;          /* seconds since 1970, 0: not said */
    oidc_str_t    scope;        /* space separated; these are in the pool */
    oidc_str_t    client_id;    /* or azp; empty: neither */
    oidc_str_t    jkt;          /* cnf (RFC 9449 section 6.1), or empty */
    oidc_str_t    x5t;          /* cnf (RFC 8705 section 3.1), or empty */
    unsigned      bound:1;      /* cnf is there, whatever it says */
} oidc_access_t;


/*
 * What the claims say, for a caller that kept them: takes a reference of its
 * own.  OIDC_CLAIM_TYPE where exp, scope, client_id, azp or cnf is of a wrong
 * type.
 */

oidc_rc_t oidc_access_read(oidc_pool_t *pool, json_t *claims,
    oidc_access_t *access);


/* what is asked of an answer of the introspection endpoint, least first */

typedef enum {
    OIDC_INTROSPECT_JSON = 0,
    OIDC_INTROSPECT_JWT,        /* Keycloak's application/jwt */
    OIDC_INTROSPECT_SIGNED,     /* RFC 9701 */
    OIDC_INTROSPECT_ENCRYPTED
} oidc_introspect_e;


/* the Accept header of the request */

const char *oidc_introspect_accept(oidc_introspect_e mode);

/*
 * The verdict on the answer of any status.  expect: issuer, client_id, secret,
 * jwks, algs, now, skew, and jwe for ENCRYPTED.  OIDC_OK with *access filled;
 * OIDC_BEARER_INACTIVE, OIDC_BEARER_EXPIRED, and OIDC_BEARER_TOKEN where it is
 * another kind of token, as an ID token, (401) for the token's own fault;
 * all else (502 and 500) is not the token's: OIDC_FETCH_STATUS,
 * OIDC_CONTENT_TYPE (a downgrade too), OIDC_JSON, OIDC_INTROSPECTION, the JOSE
 * reasons, of which OIDC_JWS_KID asks for a refresh of the keys and another
 * try, and OIDC_CLAIM_ISS, _AUD, _IAT, _EXP, _NBF, _TYPE.
 */

oidc_rc_t oidc_introspect_check(oidc_pool_t *pool, oidc_introspect_e mode,
    int status, const oidc_str_t *content_type, const oidc_str_t *body,
    const oidc_expect_t *expect, oidc_access_t *access);

/*
 * The verdict on a JWT access token: expect as above, "strict" for RFC 9068
 * (typ at+jwt; sub, client_id, iat, jti), else a plain JWT is taken as well;
 * exp and aud are needed in any case, one of "audience" must be in aud.  ID
 * tokens are refused.  Returns OIDC_OK, OIDC_BEARER_TOKEN (401) with *why the
 * reason for the log (OIDC_JWS_KID asks for a refresh of the keys), or what is
 * our own fault (500, 503), which *why repeats.
 */

oidc_rc_t oidc_access_jwt_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, const oidc_str_t *audience, size_t n,
    int strict, oidc_access_t *access, oidc_rc_t *why);


/*
 * The rules.  Audience: aud (a string or an array) names one of the list, or
 * client_id does where there is no aud at all; an empty list admits nobody:
 * OIDC_BEARER_AUDIENCE.  Scope: "wanted" is
 * space separated, empty: nothing is; OIDC_BEARER_SCOPE.  Caller: the claim is
 * a non-empty string, or an array of exactly one, and on the list unless that
 * is empty; *caller is in jansson's memory; OIDC_BEARER_CALLER.
 */

oidc_rc_t oidc_access_audience(const oidc_access_t *access,
    const oidc_str_t *list, size_t n);
oidc_rc_t oidc_access_scope(const oidc_access_t *access,
    const oidc_str_t *wanted, int all);
oidc_rc_t oidc_access_caller(const oidc_access_t *access, const char *claim,
    const oidc_str_t *list, size_t n, oidc_str_t *caller);

/*
 * A token that is bound must come with all that it is bound to: jkt is that of
 * a checked DPoP proof, x5t that of the client's certificate, each empty where
 * there is none.  A proof for a token that is not bound to a key is refused
 * too, and so is a cnf that says nothing we know.  OIDC_BEARER_BINDING.
 */

oidc_rc_t oidc_access_binding(const oidc_access_t *access,
    const oidc_str_t *jkt, const oidc_str_t *x5t);

/* x5t#S256 of a certificate in DER (RFC 8705 section 3.1) */

oidc_rc_t oidc_cert_thumbprint(const oidc_str_t *der, u_char out[43]);


#endif /* _OIDC_ACCESS_H_INCLUDED_ */
