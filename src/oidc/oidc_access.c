
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What an access token says and what it is good for here (RFC 6750 section 3,
 * RFC 7662 section 2.2, RFC 7800, RFC 8705, RFC 9449).  Whether it can be
 * believed has been decided before.
 */


#include "oidc_access.h"


oidc_rc_t
oidc_access_read(oidc_pool_t *pool, json_t *claims,
    oidc_access_t *access)
{
    return OIDC_CRYPTO;
}


const char *
oidc_introspect_accept(oidc_introspect_e mode)
{
    return NULL;
}


oidc_rc_t
oidc_introspect_check(oidc_pool_t *pool, oidc_introspect_e mode,
    int status, const oidc_str_t *content_type, const oidc_str_t *body,
    const oidc_expect_t *expect, oidc_access_t *access)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_access_jwt_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, const oidc_str_t *audience, size_t n,
    int strict, oidc_access_t *access, oidc_rc_t *why)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_access_audience(const oidc_access_t *access,
    const oidc_str_t *list, size_t n)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_access_scope(const oidc_access_t *access,
    const oidc_str_t *wanted, int all)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_access_caller(const oidc_access_t *access, const char *claim,
    const oidc_str_t *list, size_t n, oidc_str_t *caller)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_access_binding(const oidc_access_t *access,
    const oidc_str_t *jkt, const oidc_str_t *x5t)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_cert_thumbprint(const oidc_str_t *der, u_char out[43])
{
    return OIDC_CRYPTO;
}
