
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The Authorization header of a request to a resource and the WWW-Authenticate
 * header of the refusal (RFC 6750, RFC 9449 section 7.1, RFC 9470, RFC 9728).
 */


#ifndef _OIDC_BEARER_H_INCLUDED_
#define _OIDC_BEARER_H_INCLUDED_


#include "oidc_base.h"


#define OIDC_BEARER_MAX     (16 * 1024)     /* bytes of a token */

#define OIDC_BEARER_DPOP    0x1     /* the DPoP scheme is known too */
#define OIDC_BEARER_BASE64  0x2     /* a token may be wrapped in base64 */


typedef struct {
    oidc_str_t    token;
    unsigned      dpop:1;           /* came by the DPoP scheme */
} oidc_bearer_t;


/*
 * The value of the one Authorization header, or an empty one (two headers are
 * the caller's to refuse).  OIDC_BEARER_MISSING where it is empty or of a
 * scheme that is not ours, OIDC_BEARER_MALFORMED where the token is no
 * b64token or over OIDC_BEARER_MAX.  The token points into the value, or into
 * the pool where it was unwrapped: what decodes from base64 to a b64token is.
 */

oidc_rc_t oidc_bearer_parse(oidc_pool_t *pool, const oidc_str_t *value,
    unsigned flags, oidc_bearer_t *bearer);


/* what a challenge may say; strings empty where it does not */

typedef struct {
    oidc_str_t    realm;
    oidc_str_t    scope;                /* what is needed here */
    oidc_str_t    resource_metadata;    /* URL, RFC 9728 section 5.1 */
    oidc_str_t    acr_values;           /* RFC 9470 section 3 */
    int64_t       max_age;              /* seconds, -1: none */
    oidc_str_t    algs;                 /* of DPoP proofs, space separated */
    unsigned      dpop:1;               /* the scheme to speak of */
} oidc_challenge_t;


/*
 * The value of a WWW-Authenticate header for a refusal: scheme, realm, and
 * unless "rc" is OIDC_BEARER_MISSING the error that it stands for with a fixed
 * description.  An attribute with a byte that RFC 6750 section 3 does not allow
 * is left out; in the realm such bytes are, but for quotes and backslashes,
 * which are escaped.
 */

oidc_rc_t oidc_bearer_challenge(oidc_pool_t *pool, oidc_rc_t rc,
    const oidc_challenge_t *challenge, oidc_str_t *value);

/* "invalid_token", "insufficient_scope" and so on; NULL: none for this rc */

const char *oidc_bearer_error(oidc_rc_t rc);


#endif /* _OIDC_BEARER_H_INCLUDED_ */
