
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides whether an ID token speaks of this login and whether a userinfo
 * answer belongs to it (OpenID Connect Core 2, 3.1.3.7, 3.1.3.8, 5.3.2, RFC
 * 8725 sections 3.11 and 3.12).  Each rule is a row of one table.  Nothing is
 * looked at before the signature has been verified, and a token is never good
 * because TLS was: there is no way around a row.
 */


#include <string.h>

#include "oidc_idtoken.h"
#include "oidc_json.h"
#include "oidc_jwt.h"
#include "oidc_token.h"


#define OIDC_USERINFO_MAX  (256 * 1024)


typedef struct {
    const oidc_expect_t    *expect;
    const json_t           *claims;
    unsigned                alg;
} oidc_claim_ctx_t;


typedef struct {
    const char             *name;
    int                   (*ok)(const oidc_claim_ctx_t *ctx, const char *name);
    oidc_rc_t               reason;
    unsigned                always;     /* in what, absent or not */
    unsigned                present;    /* in what, where it is there */
} oidc_claim_check_t;


static oidc_rc_t oidc_claims_check(const oidc_claim_ctx_t *ctx, unsigned is);
static int oidc_claim_iss(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_aud(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_trusted(const oidc_expect_t *expect,
    const oidc_str_t *aud);
static int oidc_claim_azp(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_sub(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_exp(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_iat(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_nbf(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_nonce(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_at_hash(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_absent(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_string(const oidc_claim_ctx_t *ctx, const char *name);
static int oidc_claim_time(const oidc_claim_ctx_t *ctx, const char *name);


#define ID    (OIDC_IS_ID_TOKEN|OIDC_IS_REFRESHED)
#define NEW   OIDC_IS_ID_TOKEN
#define INFO  OIDC_IS_USERINFO
#define OUT   OIDC_IS_LOGOUT

static const oidc_claim_check_t  oidc_claim_checks[] = {
    { "iss",       oidc_claim_iss,     OIDC_CLAIM_ISS,     ID|OUT, INFO },
    { "aud",       oidc_claim_aud,     OIDC_CLAIM_AUD,     ID|OUT, INFO },
    { "azp",       oidc_claim_azp,     OIDC_CLAIM_AZP,     ID,     OUT },
    { "events",    oidc_claim_absent,  OIDC_CLAIM_EVENTS,  ID,     INFO },
    { "sub",       oidc_claim_sub,     OIDC_CLAIM_SUB,     ID,     INFO|OUT },
    { "exp",       oidc_claim_exp,     OIDC_CLAIM_EXP,     ID,     INFO|OUT },
    { "iat",       oidc_claim_iat,     OIDC_CLAIM_IAT,     ID|OUT, 0 },
    { "nbf",       oidc_claim_nbf,     OIDC_CLAIM_NBF,     ID,     INFO|OUT },
    { "nonce",     oidc_claim_nonce,   OIDC_CLAIM_NONCE,   NEW,    0 },
    { "nonce",     oidc_claim_absent,  OIDC_CLAIM_NONCE,   OUT,    0 },
    { "at_hash",   oidc_claim_at_hash, OIDC_CLAIM_AT_HASH, ID,     0 },
    { "sid",       oidc_claim_string,  OIDC_CLAIM_TYPE,    ID|OUT, 0 },
    { "auth_time", oidc_claim_time,    OIDC_CLAIM_TYPE,    ID,     0 },
    { NULL,        NULL,               OIDC_OK,            0,      0 }
};

#undef ID
#undef NEW
#undef INFO
#undef OUT


static const char *const  oidc_idtoken_typs[] = { "JWT", NULL };


oidc_rc_t
oidc_id_token_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, json_t **claims)
{
    oidc_token_kind_t  kind;

    kind.is = expect->refreshed ? OIDC_IS_REFRESHED : OIDC_IS_ID_TOKEN;
    kind.algs = expect->algs;
    kind.typs = oidc_idtoken_typs;

    return oidc_token_claims(pool, token, expect, &kind, claims);
}


oidc_rc_t
oidc_userinfo_check(oidc_pool_t *pool, const oidc_str_t *content_type,
    const oidc_str_t *body, const oidc_expect_t *expect, unsigned jwt_algs,
    const oidc_str_t *sub, json_t **claims)
{
    json_t             *answer;
    oidc_rc_t           rc;
    oidc_str_t          value;
    oidc_token_kind_t   kind;

    answer = NULL;

    if (oidc_content_type_is(content_type, "application/jwt")) {
        kind.is = OIDC_IS_USERINFO;
        kind.algs = expect->algs ? expect->algs : jwt_algs;
        kind.typs = oidc_idtoken_typs;

        rc = oidc_token_claims(pool, body, expect, &kind, &answer);

    } else if (oidc_content_type_is(content_type, "application/json")
               && expect->algs == 0
               && expect->jwe == NULL)
    {
        rc = oidc_json_parse(body, OIDC_USERINFO_MAX, &answer);

    } else {
        rc = OIDC_CONTENT_TYPE;
    }

    if (rc != OIDC_OK) {
        return rc;
    }

    if (sub->len == 0
        || oidc_json_str(answer, "sub", &value) != 1
        || !oidc_str_eq(&value, sub))
    {
        json_decref(answer);
        return OIDC_CLAIM_SUB;
    }

    *claims = answer;

    return OIDC_OK;
}


oidc_rc_t
oidc_token_claims(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, const oidc_token_kind_t *kind,
    json_t **claims)
{
    oidc_rc_t           rc;
    oidc_jwt_t          jwt;
    oidc_claim_ctx_t    ctx;
    oidc_jws_policy_t   policy;

    memset(&policy, 0, sizeof(oidc_jws_policy_t));

    policy.algs = kind->algs;
    policy.jwks = expect->jwks;
    policy.secret = expect->secret;
    policy.typs = kind->typs;

    rc = oidc_jwt_verify(pool, token, &policy, expect->jwe, &jwt);
    if (rc != OIDC_OK) {
        return rc;
    }

    ctx.expect = expect;
    ctx.claims = jwt.claims;
    ctx.alg = jwt.alg;

    rc = oidc_claims_check(&ctx, kind->is);

    if (rc == OIDC_OK) {
        *claims = json_incref(jwt.claims);
    }

    oidc_jwt_free(&jwt);

    return rc;
}


int64_t
oidc_expect_skew(const oidc_expect_t *expect)
{
    if (expect->skew < 0) {
        return 0;
    }

    return (expect->skew > OIDC_SKEW_MAX) ? OIDC_SKEW_MAX : expect->skew;
}


/* userinfo need not say who it is from and for, but may not say it wrongly */

static oidc_rc_t
oidc_claims_check(const oidc_claim_ctx_t *ctx, unsigned is)
{
    const oidc_claim_check_t  *check;

    for (check = oidc_claim_checks; check->name != NULL; check++) {

        if (!(check->always & is)
            && (!(check->present & is)
                || json_object_get(ctx->claims, check->name) == NULL))
        {
            continue;
        }

        if (!check->ok(ctx, check->name)) {
            return check->reason;
        }
    }

    return OIDC_OK;
}


static int
oidc_claim_iss(const oidc_claim_ctx_t *ctx, const char *name)
{
    oidc_str_t  iss;

    return oidc_json_str(ctx->claims, name, &iss) == 1
           && iss.len != 0
           && oidc_str_eq(&iss, &ctx->expect->issuer);
}


static int
oidc_claim_aud(const oidc_claim_ctx_t *ctx, const char *name)
{
    int            ours;
    size_t         i, n;
    oidc_str_t     aud;
    const json_t  *list, *value;

    list = json_object_get(ctx->claims, name);

    n = json_is_string(list) ? 1 : json_array_size(list);
    ours = 0;

    for (i = 0; i < n; i++) {
        value = json_is_string(list) ? list : json_array_get(list, i);

        if (!json_is_string(value)) {
            return 0;
        }

        aud.data = (u_char *) json_string_value(value);
        aud.len = json_string_length(value);

        if (aud.len != 0 && oidc_str_eq(&aud, &ctx->expect->client_id)) {
            ours = 1;

        } else if (!oidc_claim_trusted(ctx->expect, &aud)) {
            return 0;
        }
    }

    return ours;
}


static int
oidc_claim_trusted(const oidc_expect_t *expect, const oidc_str_t *aud)
{
    size_t  i;

    for (i = 0; i < expect->trusted_audience_n; i++) {
        if (oidc_str_eq(aud, &expect->trusted_audience[i])) {
            return 1;
        }
    }

    return 0;
}


/*
 * Several audiences without an azp pass: each of them was named by the
 * operator, or oidc_claim_aud() had refused it.
 */

static int
oidc_claim_azp(const oidc_claim_ctx_t *ctx, const char *name)
{
    int         found;
    oidc_str_t  azp;

    found = oidc_json_str(ctx->claims, name, &azp);

    return found == 0
           || (found == 1 && oidc_str_eq(&azp, &ctx->expect->client_id));
}


/* Core section 2: at most 255 ASCII characters */

static int
oidc_claim_sub(const oidc_claim_ctx_t *ctx, const char *name)
{
    size_t      i;
    oidc_str_t  sub;

    if (oidc_json_str(ctx->claims, name, &sub) != 1
        || sub.len == 0 || sub.len > OIDC_SUB_MAX)
    {
        return 0;
    }

    for (i = 0; i < sub.len; i++) {
        if (sub.data[i] < 0x20 || sub.data[i] >= 0x7f) {
            return 0;
        }
    }

    return 1;
}


static int
oidc_claim_exp(const oidc_claim_ctx_t *ctx, const char *name)
{
    int64_t  exp;

    return oidc_json_time(ctx->claims, name, &exp) == 1
           && ctx->expect->now < exp + oidc_expect_skew(ctx->expect);
}


static int
oidc_claim_iat(const oidc_claim_ctx_t *ctx, const char *name)
{
    int64_t  iat;

    return oidc_json_time(ctx->claims, name, &iat) == 1
           && iat >= 0
           && iat <= ctx->expect->now + oidc_expect_skew(ctx->expect);
}


static int
oidc_claim_nbf(const oidc_claim_ctx_t *ctx, const char *name)
{
    int      found;
    int64_t  nbf;

    found = oidc_json_time(ctx->claims, name, &nbf);

    return found == 0
           || (found == 1
               && nbf <= ctx->expect->now + oidc_expect_skew(ctx->expect));
}


static int
oidc_claim_nonce(const oidc_claim_ctx_t *ctx, const char *name)
{
    oidc_str_t  nonce;

    return oidc_json_str(ctx->claims, name, &nonce) == 1
           && ctx->expect->nonce.len != 0
           && oidc_str_eq_ct(&nonce, &ctx->expect->nonce);
}


/* optional in this flow: Core 3.1.3.6 */

static int
oidc_claim_at_hash(const oidc_claim_ctx_t *ctx, const char *name)
{
    int         found;
    u_char      half[43];
    size_t      len;
    oidc_str_t  given, expected;

    found = oidc_json_str(ctx->claims, name, &given);

    if (found != 1) {
        return found == 0;
    }

    if (ctx->expect->access_token.len == 0) {
        return 1;
    }

    if (oidc_jws_half_hash(ctx->alg, &ctx->expect->access_token, half, &len)
        != OIDC_OK)
    {
        return 0;
    }

    expected.data = half;
    expected.len = len;

    return oidc_str_eq_ct(&given, &expected);
}


static int
oidc_claim_absent(const oidc_claim_ctx_t *ctx, const char *name)
{
    return json_object_get(ctx->claims, name) == NULL;
}


/* what logout and step-up will rely on must be what they take it for */

static int
oidc_claim_string(const oidc_claim_ctx_t *ctx, const char *name)
{
    oidc_str_t  value;

    return oidc_json_str(ctx->claims, name, &value) >= 0;
}


static int
oidc_claim_time(const oidc_claim_ctx_t *ctx, const char *name)
{
    int64_t  value;

    return oidc_json_time(ctx->claims, name, &value) >= 0;
}
