
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A JWT as every verdict wants it: signed, and encrypted around that where it
 * must be (RFC 7519 sections 5.2, 5.3, 7.2, RFC 8725 sections 3.3 to 3.5).
 */


#ifndef _OIDC_JWT_H_INCLUDED_
#define _OIDC_JWT_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_jwe.h"
#include "oidc_jws.h"


typedef struct {
    unsigned      alg;        /* of the signature, one bit */
    json_t       *header;     /* of the JWS; the caller's to json_decref() */
    json_t       *claims;     /* the caller's as well */
} oidc_jwt_t;


/*
 * With "jwe" the token must be a JWE of that policy whose plaintext is a JWS:
 * a token that is not encrypted is OIDC_JWE_PLAIN.  Without it a JWE is no JWS
 * (OIDC_JWS).  OIDC_JWE_NESTED where "cty" is there and not JWT, or where iss,
 * aud or sub stand in the JWE's header and are not those inside.  Otherwise as
 * oidc_jwe_decrypt(), oidc_jws_verify() and oidc_json_parse() say.  *jwt is
 * set with OIDC_OK only; oidc_jwt_free() drops both objects.
 */

oidc_rc_t oidc_jwt_verify(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jws_policy_t *jws, const oidc_jwe_policy_t *jwe,
    oidc_jwt_t *jwt);
void oidc_jwt_free(oidc_jwt_t *jwt);


#endif /* _OIDC_JWT_H_INCLUDED_ */
