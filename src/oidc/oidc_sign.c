
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Signs what we send (RFC 7515 section 5.1, RFC 7518 section 3, RFC 8037
 * section 3.1) with one of our keys, by the alg that the key says, or with the
 * client's secret.  What is signed is not looked at.
 */


#include "oidc_sign.h"


oidc_rc_t
oidc_jws_sign(oidc_pool_t *pool, const oidc_signer_t *signer,
    const oidc_str_t *payload, oidc_str_t *token)
{
    return OIDC_CRYPTO;
}


oidc_rc_t
oidc_jws_sign_claims(oidc_pool_t *pool, const oidc_signer_t *signer,
    const json_t *claims, oidc_str_t *token)
{
    return OIDC_CRYPTO;
}
