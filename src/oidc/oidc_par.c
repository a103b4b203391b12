
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Signed request objects (RFC 9101) and pushed authorization requests (RFC
 * 9126).  Decides what of a request goes where; that it goes there is the
 * caller's.
 */


#include "oidc_par.h"


oidc_rc_t
oidc_authz_object(oidc_pool_t *pool, const oidc_authz_t *authz,
    const oidc_client_t *client, oidc_str_t *object)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_par_request(oidc_pool_t *pool, const oidc_authz_t *authz,
    const oidc_client_t *client, oidc_form_t *form)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_par_parse(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    oidc_str_t *request_uri, int64_t *expires_in, oidc_str_t *error)
{
    return OIDC_CRYPTO;
}
