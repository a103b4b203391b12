
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Opens and verifies a JWT, nested or not (RFC 7519 section 7.2).  Decides that
 * it is what it must be and says who signed it; what its claims mean here is
 * the caller's.
 */


#include <string.h>
#include <strings.h>

#include "oidc_json.h"
#include "oidc_jwt.h"


static oidc_rc_t oidc_jwt_open(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jwe_policy_t *policy, oidc_jwe_t *jwe);
static int oidc_jwt_same(const json_t *header, const json_t *claims);


oidc_rc_t
oidc_jwt_verify(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jws_policy_t *jws, const oidc_jwe_policy_t *jwe,
    oidc_jwt_t *jwt)
{
    json_t      *claims;
    oidc_rc_t    rc;
    oidc_jwe_t   outer;
    oidc_jws_t   inner;

    memset(&outer, 0, sizeof(oidc_jwe_t));

    outer.plaintext = *token;

    if (jwe != NULL) {
        rc = oidc_jwt_open(pool, token, jwe, &outer);
        if (rc != OIDC_OK) {
            return rc;
        }
    }

    rc = oidc_jws_verify(pool, &outer.plaintext, jws, &inner);

    if (rc != OIDC_OK) {
        json_decref(outer.header);
        return rc;
    }

    rc = oidc_json_parse(&inner.payload, OIDC_JWS_MAX, &claims);

    if (rc == OIDC_OK && !oidc_jwt_same(outer.header, claims)) {
        json_decref(claims);
        rc = OIDC_JWE_NESTED;
    }

    json_decref(outer.header);

    if (rc != OIDC_OK) {
        json_decref(inner.header);
        return rc;
    }

    jwt->alg = inner.alg;
    jwt->header = inner.header;
    jwt->claims = claims;

    return OIDC_OK;
}


void
oidc_jwt_free(oidc_jwt_t *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
}


static oidc_rc_t
oidc_jwt_open(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_jwe_policy_t *policy, oidc_jwe_t *jwe)
{
    int         has;
    size_t      i, dots;
    oidc_rc_t   rc;
    oidc_str_t  cty;

    dots = 0;

    for (i = 0; i < token->len; i++) {
        dots += token->data[i] == '.';
    }

    if (dots == 2) {
        return OIDC_JWE_PLAIN;
    }

    rc = oidc_jwe_decrypt(pool, token, policy, jwe);
    if (rc != OIDC_OK) {
        return rc;
    }

    /* RFC 7519 section 5.2 wants it, providers forget it */

    has = oidc_json_str(jwe->header, "cty", &cty);

    if (has == 0
        || (has == 1 && cty.len == 3
            && strncasecmp((char *) cty.data, "JWT", 3) == 0)
        || (has == 1 && cty.len == 15
            && strncasecmp((char *) cty.data, "application/jwt", 15) == 0))
    {
        return OIDC_OK;
    }

    json_decref(jwe->header);
    jwe->header = NULL;

    return OIDC_JWE_NESTED;
}


/* claims that the JWE's header repeats: RFC 7519 section 5.3 */

static int
oidc_jwt_same(const json_t *header, const json_t *claims)
{
    size_t         i;
    const json_t  *value, *claim;

    static const char *const  names[] = { "iss", "sub", "aud", NULL };

    for (i = 0; names[i] != NULL; i++) {
        value = json_object_get(header, names[i]);
        claim = json_object_get(claims, names[i]);

        if (value != NULL && !json_equal(value, claim)) {
            return 0;
        }
    }

    return 1;
}
