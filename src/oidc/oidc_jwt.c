
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Opens and verifies a JWT, nested or not (RFC 7519 section 7.2).  Decides that
 * it is what it must be and says who signed it; what its claims mean here is
 * the caller's.
 */


#include "oidc_jwt.h"


oidc_rc_t
oidc_jwt_verify(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jws_policy_t *jws, const oidc_jwe_policy_t *jwe,
    oidc_jwt_t *jwt)
{
    return OIDC_CRYPTO;
}


void
oidc_jwt_free(oidc_jwt_t *jwt)
{
}
