
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The verdict on a JWT access token by the provider's own keys (RFC 9068
 * section 4, RFC 8725 sections 3.8 to 3.12).  Decides that it is one: an ID
 * token, signed with the same key for the same client, is the neighbour that
 * must not pass.
 */


#include <string.h>
#include <strings.h>

#include "oidc_access.h"
#include "oidc_json.h"
#include "oidc_jwt.h"


static oidc_rc_t oidc_access_jwt_claims(const oidc_jwt_t *jwt,
    const oidc_expect_t *expect, const oidc_str_t *audience, size_t n);
static oidc_rc_t oidc_access_jwt_strict(const oidc_jwt_t *jwt);
static oidc_rc_t oidc_access_jwt_kind(const oidc_jwt_t *jwt);
static int oidc_access_jwt_at(const json_t *header);


static const char *const  oidc_access_typs[] = { "at+jwt", "JWT", NULL };


/* what an ID token or a logout token has and an access token has not */

static const char *const  oidc_access_foreign[] = {
    "nonce", "at_hash", "c_hash", "s_hash", "events", NULL
};


/* RFC 9068 section 2.2 */

static const char *const  oidc_access_required[] = {
    "sub", "client_id", "jti", NULL
};


/* what only an access token says of itself without the typ of RFC 9068 */

static const char *const  oidc_access_marks[] = {
    "scope", "scp", "client_id", NULL
};


/* the claim "typ" of Keycloak's access tokens; its ID tokens say "ID" */

static const char *const  oidc_access_claim_typs[] = {
    "Bearer", "DPoP", "at+jwt", NULL
};


oidc_rc_t
oidc_access_jwt_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, const oidc_str_t *audience, size_t n,
    int strict, oidc_access_t *access, oidc_rc_t *why)
{
    oidc_rc_t          rc;
    oidc_jwt_t         jwt;
    oidc_jws_policy_t  policy;

    memset(access, 0, sizeof(oidc_access_t));
    memset(&policy, 0, sizeof(oidc_jws_policy_t));

    if (expect->jwks == NULL) {
        *why = OIDC_NOT_READY;
        return OIDC_NOT_READY;
    }

    policy.algs = expect->algs & ~(unsigned) OIDC_HS_ALL;
    policy.jwks = expect->jwks;
    policy.typs = oidc_access_typs;

    rc = oidc_jwt_verify(pool, token, &policy, expect->jwe, &jwt);

    if (rc == OIDC_OK) {
        rc = strict ? oidc_access_jwt_strict(&jwt) : oidc_access_jwt_kind(&jwt);

        if (rc == OIDC_OK) {
            rc = oidc_access_jwt_claims(&jwt, expect, audience, n);
        }

        if (rc == OIDC_OK) {
            rc = oidc_access_read(pool, jwt.claims, access);
        }

        oidc_jwt_free(&jwt);
    }

    *why = rc;

    return (rc == OIDC_OK || oidc_rc_status(rc) == 500) ? rc
                                                         : OIDC_BEARER_TOKEN;
}


static oidc_rc_t
oidc_access_jwt_claims(const oidc_jwt_t *jwt, const oidc_expect_t *expect,
    const oidc_str_t *audience, size_t n)
{
    int         has;
    size_t      i;
    int64_t     t, skew;
    oidc_str_t  text;

    skew = oidc_expect_skew(expect);

    if (oidc_json_str(jwt->claims, "iss", &text) != 1
        || text.len == 0
        || !oidc_str_eq(&text, &expect->issuer))
    {
        return OIDC_CLAIM_ISS;
    }

    for (i = 0; i < n; i++) {
        if (oidc_json_lists(jwt->claims, "aud", &audience[i])) {
            break;
        }
    }

    if (i == n) {
        return OIDC_CLAIM_AUD;
    }

    if (oidc_json_time(jwt->claims, "exp", &t) != 1 || t + skew <= expect->now)
    {
        return OIDC_CLAIM_EXP;
    }

    has = oidc_json_time(jwt->claims, "iat", &t);

    if (has == -1 || (has == 1 && t - skew > expect->now)) {
        return OIDC_CLAIM_IAT;
    }

    has = oidc_json_time(jwt->claims, "nbf", &t);

    if (has == -1 || (has == 1 && t - skew > expect->now)) {
        return OIDC_CLAIM_NBF;
    }

    for (i = 0; oidc_access_foreign[i] != NULL; i++) {
        if (json_object_get(jwt->claims, oidc_access_foreign[i]) != NULL) {
            return OIDC_JWS_TYP;
        }
    }

    return OIDC_OK;
}


static oidc_rc_t
oidc_access_jwt_strict(const oidc_jwt_t *jwt)
{
    size_t      i;
    oidc_str_t  text;

    if (!oidc_access_jwt_at(jwt->header)) {
        return OIDC_JWS_TYP;
    }

    for (i = 0; oidc_access_required[i] != NULL; i++) {
        if (oidc_json_str(jwt->claims, oidc_access_required[i], &text) != 1
            || text.len == 0)
        {
            return i == 0 ? OIDC_CLAIM_SUB : OIDC_CLAIM_TYPE;
        }
    }

    return json_object_get(jwt->claims, "iat") != NULL ? OIDC_OK
                                                       : OIDC_CLAIM_IAT;
}


/* what says nothing else of itself must at least say that it is one */

static oidc_rc_t
oidc_access_jwt_kind(const oidc_jwt_t *jwt)
{
    size_t         i;
    oidc_str_t     typ;
    const json_t  *use;

    use = json_object_get(jwt->claims, "token_use");

    if (use != NULL && !oidc_json_has(jwt->claims, "token_use", "access")) {
        return OIDC_JWS_TYP;
    }

    if (json_object_get(jwt->claims, "typ") != NULL) {

        if (oidc_json_str(jwt->claims, "typ", &typ) != 1) {
            return OIDC_JWS_TYP;
        }

        for (i = 0; oidc_access_claim_typs[i] != NULL; i++) {
            if (strlen(oidc_access_claim_typs[i]) == typ.len
                && strncasecmp((char *) typ.data, oidc_access_claim_typs[i],
                               typ.len)
                   == 0)
            {
                return OIDC_OK;
            }
        }

        return OIDC_JWS_TYP;
    }

    if (use != NULL || oidc_access_jwt_at(jwt->header)) {
        return OIDC_OK;
    }

    for (i = 0; oidc_access_marks[i] != NULL; i++) {
        if (json_object_get(jwt->claims, oidc_access_marks[i]) != NULL) {
            return OIDC_OK;
        }
    }

    return OIDC_JWS_TYP;
}


/* of the two that may stand there */

static int
oidc_access_jwt_at(const json_t *header)
{
    oidc_str_t  typ;

    return oidc_json_str(header, "typ", &typ) == 1
           && typ.len >= sizeof("at+jwt") - 1
           && strncasecmp((char *) typ.data + typ.len - (sizeof("at+jwt") - 1),
                          "at+jwt", sizeof("at+jwt") - 1)
              == 0;
}
