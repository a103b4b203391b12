
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Reads the Authorization header and writes the WWW-Authenticate header of a
 * protected resource (RFC 6750, RFC 9449 section 7.1, RFC 9470, RFC 9728).
 * What a token is good for is not decided here.
 */


#include "oidc_bearer.h"


oidc_rc_t
oidc_bearer_parse(oidc_pool_t *pool, const oidc_str_t *value,
    unsigned flags, oidc_bearer_t *bearer)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_bearer_challenge(oidc_pool_t *pool, oidc_rc_t rc,
    const oidc_challenge_t *challenge, oidc_str_t *value)
{
    return OIDC_CRYPTO;
}


const char *
oidc_bearer_error(oidc_rc_t rc)
{
    return NULL;
}
