
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides when a session asks its provider again, and sorts what comes back
 * (RFC 6749 sections 5.2 and 6, RFC 9700 section 4.14.2, OpenID Connect Core
 * 12).  A refresh token may be good for one use: once it may have been used, it
 * counts as used, since sending it twice ends every token of the login.
 */


#include <string.h>

#include "oidc_json.h"
#include "oidc_refresh.h"


static int oidc_refresh_str(const json_t *before, const json_t *claims,
    const char *name);
static int oidc_refresh_json(const json_t *before, const json_t *claims,
    const char *name);
static int oidc_refresh_aud(const json_t *before, const json_t *claims,
    const char *name);
static int oidc_refresh_in(const json_t *list, const json_t *value);
static int oidc_refresh_if_both(const json_t *before, const json_t *claims,
    const char *name);
static int oidc_refresh_nonce(const json_t *before, const json_t *claims,
    const char *name);


static const struct {
    const char   *name;
    int         (*same)(const json_t *before, const json_t *claims,
                        const char *name);
    oidc_rc_t     reason;
} oidc_refresh_same[] = {
    { "iss",       oidc_refresh_str,      OIDC_CLAIM_ISS },
    { "sub",       oidc_refresh_str,      OIDC_CLAIM_SUB },
    { "aud",       oidc_refresh_aud,      OIDC_CLAIM_AUD },
    { "azp",       oidc_refresh_json,     OIDC_CLAIM_AZP },
    { "auth_time", oidc_refresh_if_both,  OIDC_CLAIM_AUTH_TIME },
    { "sid",       oidc_refresh_if_both,  OIDC_CLAIM_SID },
    { "nonce",     oidc_refresh_nonce,    OIDC_CLAIM_NONCE },
    { NULL,        NULL,                  OIDC_OK }
};


/* of the login, whichever token speaks of it */

static const char *const  oidc_refresh_login[] = {
    "nonce", "auth_time", "acr", "amr", "sid", NULL
};


oidc_due_e
oidc_refresh_due(const oidc_session_t *session,
    const oidc_refresh_policy_t *policy, int64_t now)
{
    int  over;

    over = oidc_refresh_over(session, now);

    if (policy->refresh && session->refresh_at != 0
        && now >= session->refresh_at
        && (over || session->refresh_sent == 0))
    {
        return OIDC_DUE_REFRESH;
    }

    if (over) {
        return policy->required ? OIDC_DUE_LOGIN : OIDC_DUE_NOTHING;
    }

    if (policy->userinfo_interval != 0 && session->userinfo_at != 0
        && now - session->userinfo_at >= policy->userinfo_interval)
    {
        return OIDC_DUE_USERINFO;
    }

    return OIDC_DUE_NOTHING;
}


int
oidc_refresh_over(const oidc_session_t *session, int64_t now)
{
    return session->access_expires != 0 && now >= session->access_expires;
}


void
oidc_refresh_times(oidc_session_t *session, int64_t now, int64_t expires_in,
    int64_t leeway, int has_refresh_token)
{
    session->access_expires = 0;
    session->refresh_at = 0;
    session->refresh_sent = 0;

    if (expires_in < 0) {
        return;
    }

    session->access_expires = now + expires_in;

    if (!has_refresh_token) {
        return;
    }

    if (leeway > expires_in / 2) {
        leeway = expires_in / 2;
    }

    session->refresh_at = session->access_expires - leeway;

    if (session->refresh_at <= now) {
        session->refresh_at = now + 1;
    }
}


oidc_answer_e
oidc_refresh_answer(oidc_rc_t fetch, int sent, int status, oidc_rc_t parsed)
{
    if (fetch != OIDC_OK) {
        return sent ? OIDC_ANSWER_LOST : OIDC_ANSWER_TRANSIENT;
    }

    if (parsed == OIDC_OK) {
        return OIDC_ANSWER_GOOD;
    }

    if (parsed == OIDC_TOKEN_ERROR) {
        return OIDC_ANSWER_REFUSED;
    }

    /* it was done, though unreadably; or whoever was to say so did not */

    if ((status >= 200 && status < 300) || status == 504) {
        return OIDC_ANSWER_LOST;
    }

    return OIDC_ANSWER_TRANSIENT;
}


/* asking twice does no harm here, so that nothing is ever lost */

oidc_answer_e
oidc_userinfo_answer(oidc_rc_t fetch, int status, oidc_rc_t parsed)
{
    if (fetch != OIDC_OK) {
        return OIDC_ANSWER_TRANSIENT;
    }

    if (status == 401 || status == 403) {
        return OIDC_ANSWER_REFUSED;
    }

    if (status != 200) {
        return OIDC_ANSWER_TRANSIENT;
    }

    if (parsed >= OIDC_CLAIM_ISS && parsed <= OIDC_CLAIM_TYPE) {
        return OIDC_ANSWER_WRONG;
    }

    return (parsed == OIDC_OK) ? OIDC_ANSWER_GOOD : OIDC_ANSWER_TRANSIENT;
}


oidc_rc_t
oidc_refresh_claims(const json_t *before, json_t *claims, int64_t sent,
    int64_t skew)
{
    size_t       i;
    int64_t      iat;
    json_t      *value;
    const char  *name;

    for (i = 0; oidc_refresh_same[i].name != NULL; i++) {
        name = oidc_refresh_same[i].name;

        if (!oidc_refresh_same[i].same(before, claims, name)) {
            return oidc_refresh_same[i].reason;
        }
    }

    /* a token of this answer, not one of the past */

    if (oidc_json_time(claims, "iat", &iat) != 1 || iat < sent - skew) {
        return OIDC_CLAIM_IAT;
    }

    for (i = 0; oidc_refresh_login[i] != NULL; i++) {
        name = oidc_refresh_login[i];
        value = json_object_get(before, name);

        if (value != NULL && json_object_get(claims, name) == NULL
            && json_object_set(claims, name, value) != 0)
        {
            return OIDC_NOMEM;
        }
    }

    return OIDC_OK;
}


void
oidc_refresh_userinfo(json_t *userinfo, const json_t *before,
    const json_t *claims)
{
    void        *i, *next;
    const char  *name;

    if (before == claims) {
        return;
    }

    for (i = json_object_iter(userinfo); i != NULL; i = next) {
        next = json_object_iter_next(userinfo, i);
        name = json_object_iter_key(i);

        if (strcmp(name, "sub") != 0
            && (json_object_get(before, name) != NULL
                || json_object_get(claims, name) != NULL))
        {
            (void) json_object_del(userinfo, name);
        }
    }
}


static int
oidc_refresh_str(const json_t *before, const json_t *claims, const char *name)
{
    oidc_str_t  a, b;

    return oidc_json_str(before, name, &a) == 1
           && oidc_json_str(claims, name, &b) == 1
           && oidc_str_eq(&a, &b);
}


/* both the same, or in neither */

static int
oidc_refresh_json(const json_t *before, const json_t *claims, const char *name)
{
    json_t  *a, *b;

    a = json_object_get(before, name);
    b = json_object_get(claims, name);

    return (a == NULL) ? b == NULL : json_equal(a, b);
}


/* the same set, said as a string or as an array */

static int
oidc_refresh_aud(const json_t *before, const json_t *claims, const char *name)
{
    size_t         i;
    const json_t  *a, *b;

    a = json_object_get(before, name);
    b = json_object_get(claims, name);

    if (!json_is_array(a) && !json_is_array(b)) {
        return oidc_refresh_str(before, claims, name);
    }

    if (!json_is_array(a)) {
        return json_array_size(b) == 1 && oidc_refresh_in(b, a);
    }

    if (!json_is_array(b)) {
        return json_array_size(a) == 1 && oidc_refresh_in(a, b);
    }

    for (i = 0; i < json_array_size(a); i++) {
        if (!oidc_refresh_in(b, json_array_get(a, i))) {
            return 0;
        }
    }

    for (i = 0; i < json_array_size(b); i++) {
        if (!oidc_refresh_in(a, json_array_get(b, i))) {
            return 0;
        }
    }

    return json_array_size(a) != 0;
}


static int
oidc_refresh_in(const json_t *list, const json_t *value)
{
    size_t  i;

    for (i = 0; i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), (json_t *) value)) {
            return 1;
        }
    }

    return 0;
}


static int
oidc_refresh_if_both(const json_t *before, const json_t *claims,
    const char *name)
{
    json_t  *a, *b;

    a = json_object_get(before, name);
    b = json_object_get(claims, name);

    return a == NULL || b == NULL || json_equal(a, b);
}


/* should not be there again; one that was not there before is another's */

static int
oidc_refresh_nonce(const json_t *before, const json_t *claims,
    const char *name)
{
    return json_object_get(claims, name) == NULL
           || oidc_refresh_str(before, claims, name);
}
