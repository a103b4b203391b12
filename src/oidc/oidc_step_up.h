
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Whether an authentication is strong and fresh enough: acr and auth_time
 * against acr_values and max_age (OpenID Connect Core 3.1.2.1, 3.1.3.7; RFC
 * 9470), and essential claims against the "claims" parameter (Core 5.5).
 */


#ifndef _OIDC_STEP_UP_H_INCLUDED_
#define _OIDC_STEP_UP_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"


typedef struct {
    oidc_str_t    acr_values;   /* space separated, any will do; empty: all */
    int64_t       max_age;      /* seconds since the user authenticated */
    unsigned      has_max_age:1;
} oidc_strength_t;


/*
 * "claims" as of oidc_claims_flatten().  OIDC_ACR where acr is none of those
 * wanted, OIDC_AUTH_TIME where auth_time is missing or too long ago, each more
 * than "skew" seconds; now is seconds since 1970.
 */

oidc_rc_t oidc_strength_check(const oidc_strength_t *strength,
    const oidc_str_t *claims, int64_t now, int64_t skew);

/*
 * A "claims" parameter: an object of "id_token" and "userinfo", whose members
 * are null or objects.  OIDC_ARGS otherwise.  The caller owns *request.
 */

oidc_rc_t oidc_claims_request(const oidc_str_t *text, json_t **request);

/*
 * OIDC_ESSENTIAL where a claim that was asked for as essential is missing, or
 * is not the "value" or one of the "values" asked for.  userinfo: NULL: none.
 */

oidc_rc_t oidc_essential_check(const json_t *request, const json_t *id_token,
    const json_t *userinfo);


#endif /* _OIDC_STEP_UP_H_INCLUDED_ */
