
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The verdict on an answer of the introspection endpoint (RFC 7662 section 2.2,
 * RFC 9701 sections 4 and 5, and what Keycloak makes of application/jwt).  It
 * never takes less than what is configured: an answer in another form is none.
 */


#include <string.h>
#include <strings.h>

#include "oidc_access.h"
#include "oidc_json.h"
#include "oidc_jwt.h"
#include "oidc_token.h"


#define OIDC_INTROSPECT_MAX  (256 * 1024)
#define OIDC_INTROSPECT_AGE  60     /* seconds, RFC 9701 section 5: fresh */


typedef struct {
    const char           *accept;
    const char           *content_type;
    const char *const    *typs;
} oidc_introspect_mode_t;


static oidc_rc_t oidc_introspect_jwt(oidc_pool_t *pool,
    const oidc_introspect_mode_t *mode, const oidc_str_t *token,
    const oidc_expect_t *expect, const oidc_jwe_policy_t *jwe, int must,
    json_t **claims);
static oidc_rc_t oidc_introspect_outer(const json_t *outer,
    const oidc_expect_t *expect);
static oidc_rc_t oidc_introspect_active(const json_t *object);
static oidc_rc_t oidc_introspect_keycloak(oidc_pool_t *pool,
    const json_t *answer, const oidc_expect_t *expect, json_t **claims);
static oidc_rc_t oidc_introspect_inner(oidc_pool_t *pool, json_t *claims,
    const oidc_expect_t *expect, oidc_access_t *access);
static int oidc_introspect_foreign(const json_t *claims, const char *name);


static const char *const  oidc_introspect_typs[] = {
    "token-introspection+jwt", NULL
};


static const char *const  oidc_keycloak_typs[] = { "JWT", "at+jwt", NULL };


/* of a user's other tokens, by what Keycloak calls them */

static const char *const  oidc_introspect_others[] = {
    "ID", "Refresh", "Offline", "Logout", NULL
};


static const oidc_introspect_mode_t  oidc_introspect_modes[] = {

    { "application/json", "application/json", NULL },

    /* Keycloak answers with JSON, in it the token as a JWT */

    { "application/jwt", "application/json", oidc_keycloak_typs },

    { "application/token-introspection+jwt",
      "application/token-introspection+jwt", oidc_introspect_typs },

    { "application/token-introspection+jwt",
      "application/token-introspection+jwt", oidc_introspect_typs }
};


const char *
oidc_introspect_accept(oidc_introspect_e mode)
{
    return oidc_introspect_modes[mode].accept;
}


oidc_rc_t
oidc_introspect_check(oidc_pool_t *pool, oidc_introspect_e mode, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    const oidc_expect_t *expect, oidc_access_t *access)
{
    json_t                        *answer, *claims;
    oidc_rc_t                      rc;
    const oidc_introspect_mode_t  *m;

    memset(access, 0, sizeof(oidc_access_t));

    m = &oidc_introspect_modes[mode];
    answer = NULL;
    claims = NULL;

    if (status != 200) {
        return OIDC_FETCH_STATUS;
    }

    if (!oidc_content_type_is(content_type, m->content_type)) {
        return OIDC_CONTENT_TYPE;
    }

    if (mode == OIDC_INTROSPECT_SIGNED || mode == OIDC_INTROSPECT_ENCRYPTED) {

        if (mode == OIDC_INTROSPECT_ENCRYPTED && expect->jwe == NULL) {
            return OIDC_JWE_KEY;
        }

        rc = oidc_introspect_jwt(pool, m, body, expect,
                                 mode == OIDC_INTROSPECT_ENCRYPTED
                                 ? expect->jwe : NULL, 1, &answer);

        if (rc == OIDC_OK) {
            rc = oidc_introspect_outer(answer, expect);
            claims = json_incref(json_object_get(answer,
                                                 "token_introspection"));
        }

    } else {
        rc = oidc_json_parse(body, OIDC_INTROSPECT_MAX, &answer);
        claims = rc == OIDC_OK ? json_incref(answer) : NULL;
    }

    if (rc == OIDC_OK) {
        rc = oidc_introspect_active(claims);
    }

    if (rc == OIDC_OK && mode == OIDC_INTROSPECT_JWT) {
        rc = oidc_introspect_keycloak(pool, answer, expect, &claims);
    }

    if (rc == OIDC_OK) {
        rc = oidc_introspect_inner(pool, claims, expect, access);
    }

    json_decref(claims);
    json_decref(answer);

    return rc;
}


/* "must": the header must have a typ */

static oidc_rc_t
oidc_introspect_jwt(oidc_pool_t *pool, const oidc_introspect_mode_t *mode,
    const oidc_str_t *token, const oidc_expect_t *expect,
    const oidc_jwe_policy_t *jwe, int must, json_t **claims)
{
    oidc_rc_t          rc;
    oidc_jwt_t         jwt;
    oidc_jws_policy_t  policy;

    memset(&policy, 0, sizeof(oidc_jws_policy_t));

    policy.algs = expect->algs;
    policy.jwks = expect->jwks;
    policy.secret = expect->secret;
    policy.typs = mode->typs;

    rc = oidc_jwt_verify(pool, token, &policy, jwe, &jwt);
    if (rc != OIDC_OK) {
        return rc;
    }

    if (must && json_object_get(jwt.header, "typ") == NULL) {
        oidc_jwt_free(&jwt);
        return OIDC_JWS_TYP;
    }

    json_decref(jwt.header);
    *claims = jwt.claims;

    return OIDC_OK;
}


/* RFC 9701 section 5; exp and nbf need not be there, but count if they are */

static oidc_rc_t
oidc_introspect_outer(const json_t *outer, const oidc_expect_t *expect)
{
    int         has;
    int64_t     t, skew;
    oidc_str_t  iss;

    skew = oidc_expect_skew(expect);

    if (oidc_json_str(outer, "iss", &iss) != 1
        || iss.len == 0
        || !oidc_str_eq(&iss, &expect->issuer))
    {
        return OIDC_CLAIM_ISS;
    }

    if (!oidc_json_lists(outer, "aud", &expect->client_id)) {
        return OIDC_CLAIM_AUD;
    }

    if (oidc_json_time(outer, "iat", &t) != 1
        || t > expect->now + skew
        || t < expect->now - OIDC_INTROSPECT_AGE - skew)
    {
        return OIDC_CLAIM_IAT;
    }

    has = oidc_json_time(outer, "exp", &t);

    if (has == -1 || (has == 1 && t + skew <= expect->now)) {
        return OIDC_CLAIM_EXP;
    }

    has = oidc_json_time(outer, "nbf", &t);

    if (has == -1 || (has == 1 && t - skew > expect->now)) {
        return OIDC_CLAIM_NBF;
    }

    return json_is_object(json_object_get(outer, "token_introspection"))
           ? OIDC_OK : OIDC_INTROSPECTION;
}


/* a boolean and nothing like it: RFC 7662 section 2.2 */

static oidc_rc_t
oidc_introspect_active(const json_t *object)
{
    const json_t  *active;

    active = json_object_get(object, "active");

    if (!json_is_boolean(active)) {
        return OIDC_INTROSPECTION;
    }

    return json_is_true(active) ? OIDC_OK : OIDC_BEARER_INACTIVE;
}


/* what stands beside "jwt" is not signed, and not used */

static oidc_rc_t
oidc_introspect_keycloak(oidc_pool_t *pool, const json_t *answer,
    const oidc_expect_t *expect, json_t **claims)
{
    json_t      *inner;
    oidc_rc_t    rc;
    oidc_str_t   token, iss;

    if (oidc_json_str(answer, "jwt", &token) != 1) {
        return OIDC_INTROSPECTION;
    }

    rc = oidc_introspect_jwt(pool, &oidc_introspect_modes[OIDC_INTROSPECT_JWT],
                             &token, expect, NULL, 0, &inner);
    if (rc != OIDC_OK) {
        return rc;
    }

    json_decref(*claims);
    *claims = inner;

    return oidc_json_str(inner, "iss", &iss) == 1 ? OIDC_OK : OIDC_CLAIM_ISS;
}


static oidc_rc_t
oidc_introspect_inner(oidc_pool_t *pool, json_t *claims,
    const oidc_expect_t *expect, oidc_access_t *access)
{
    int         has;
    int64_t     nbf, skew;
    oidc_rc_t   rc;
    oidc_str_t  iss;

    skew = oidc_expect_skew(expect);

    has = oidc_json_str(claims, "iss", &iss);

    if (has == -1 || (has == 1 && !oidc_str_eq(&iss, &expect->issuer))) {
        return OIDC_CLAIM_ISS;
    }

    has = oidc_json_time(claims, "nbf", &nbf);

    if (has == -1) {
        return OIDC_CLAIM_TYPE;
    }

    /* Keycloak calls an ID token active too, which many have seen */

    if (oidc_introspect_foreign(claims, "typ")
        || oidc_introspect_foreign(claims, "token_type"))
    {
        return OIDC_BEARER_TOKEN;
    }

    rc = oidc_access_read(pool, claims, access);
    if (rc != OIDC_OK) {
        return rc;
    }

    if ((json_object_get(claims, "exp") != NULL
         && access->exp + skew <= expect->now)
        || (has == 1 && nbf - skew > expect->now))
    {
        json_decref(access->claims);
        memset(access, 0, sizeof(oidc_access_t));
        return OIDC_BEARER_EXPIRED;
    }

    return OIDC_OK;
}


static int
oidc_introspect_foreign(const json_t *claims, const char *name)
{
    size_t       i;
    oidc_str_t   typ;
    const char  *other;

    if (oidc_json_str(claims, name, &typ) != 1) {
        return 0;
    }

    for (i = 0; oidc_introspect_others[i] != NULL; i++) {
        other = oidc_introspect_others[i];

        if (strlen(other) == typ.len
            && strncasecmp((char *) typ.data, other, typ.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
