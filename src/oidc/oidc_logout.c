
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Where the browser is sent to end the session at the provider (OpenID Connect
 * RP-Initiated Logout 1.0 section 2).  Whether it goes there is not decided
 * here; the session of ours is over by then.
 *
 * What the provider says when it ends a session itself (Back-Channel Logout
 * 1.0): checked as an ID token is, and so that neither can pass for the other.
 */


#include <string.h>

#include "oidc_json.h"
#include "oidc_logout.h"
#include "oidc_url.h"


static oidc_rc_t oidc_logout_claims(oidc_pool_t *pool, const json_t *claims,
    const oidc_expect_t *expect, oidc_logout_token_t *out);
static int oidc_logout_event(const json_t *claims);


/* Back-Channel Logout 1.0 section 2.4, and 4 (RFC 8725 section 3.11) */

static const char *const  oidc_logout_typs[] = { "logout+jwt", "JWT", NULL };


oidc_rc_t
oidc_logout_url(oidc_pool_t *pool, const oidc_logout_t *logout,
    oidc_str_t *url)
{
    char        sep;
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, logout->endpoint.len + logout->id_token_hint.len
                            + 3 * (logout->client_id.len
                                   + logout->post_logout_redirect_uri.len)
                            + logout->state.len + 96);

    sep = oidc_url_sep(&logout->endpoint);

    oidc_buf_str(&b, &logout->endpoint);

    if (logout->id_token_hint.len != 0) {
        oidc_buf_arg(&b, sep, "id_token_hint", &logout->id_token_hint);

    } else {
        oidc_buf_arg(&b, sep, "client_id", &logout->client_id);
    }

    if (logout->post_logout_redirect_uri.len != 0) {
        oidc_buf_arg(&b, '&', "post_logout_redirect_uri",
                     &logout->post_logout_redirect_uri);

        if (logout->state.len != 0) {
            oidc_buf_arg(&b, '&', "state", &logout->state);
        }
    }

    return oidc_buf_done(&b, url);
}


oidc_rc_t
oidc_logout_token_check(oidc_pool_t *pool, const oidc_str_t *token,
    const oidc_expect_t *expect, oidc_logout_token_t *out)
{
    json_t             *claims;
    oidc_rc_t           rc;
    oidc_token_kind_t   kind;

    kind.is = OIDC_IS_LOGOUT;
    kind.algs = expect->algs;
    kind.typs = oidc_logout_typs;

    rc = oidc_token_claims(pool, token, expect, &kind, &claims);

    if (rc == OIDC_OK) {
        rc = oidc_logout_claims(pool, claims, expect, out);
        json_decref(claims);
    }

    return rc;
}


/* what only a logout token has; sub, where it is there, was checked before */

static oidc_rc_t
oidc_logout_claims(oidc_pool_t *pool, const json_t *claims,
    const oidc_expect_t *expect, oidc_logout_token_t *out)
{
    int         has_sid, has_sub;
    int64_t     iat, exp;
    oidc_rc_t   rc;
    oidc_str_t  sid, sub, jti;

    memset(out, 0, sizeof(oidc_logout_token_t));

    if (!oidc_logout_event(claims)) {
        return OIDC_CLAIM_EVENTS;
    }

    if (oidc_json_str(claims, "jti", &jti) != 1
        || jti.len == 0 || jti.len > OIDC_JTI_MAX)
    {
        return OIDC_CLAIM_JTI;
    }

    has_sid = oidc_json_str(claims, "sid", &sid);
    has_sub = oidc_json_str(claims, "sub", &sub);

    if (has_sid == 1 ? sid.len == 0 : has_sub != 1) {
        return OIDC_CLAIM_SUBJECT;
    }

    (void) oidc_json_time(claims, "iat", &iat);

    if (oidc_json_time(claims, "exp", &exp) == 1) {
        out->until = iat + OIDC_LOGOUT_LIFE;
        out->until = (exp < out->until) ? exp : out->until;

    } else {
        out->until = iat + OIDC_LOGOUT_AGE;
    }

    out->until += expect->skew;

    if (out->until <= expect->now) {
        return OIDC_CLAIM_IAT;
    }

    rc = oidc_str_dup(pool, &jti, &out->jti);

    if (rc == OIDC_OK && has_sid == 1) {
        rc = oidc_str_dup(pool, &sid, &out->sid);
    }

    if (rc == OIDC_OK && has_sub == 1) {
        rc = oidc_str_dup(pool, &sub, &out->sub);
    }

    return rc;
}


static int
oidc_logout_event(const json_t *claims)
{
    const json_t  *events;

    events = json_object_get(claims, "events");

    return json_is_object(json_object_get(events,
                       "http://schemas.openid.net/event/backchannel-logout"));
}
