
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * When the tokens and claims of a session are asked for anew, what an attempt
 * came to, and what a later ID token may not change (RFC 6749 section 6, OpenID
 * Connect Core 12, 5.3).
 */


#ifndef _OIDC_REFRESH_H_INCLUDED_
#define _OIDC_REFRESH_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_session.h"


/* seconds between two tries where the provider could not answer */

#define OIDC_REFRESH_BACKOFF  10


typedef struct {
    int64_t       userinfo_interval;    /* seconds; 0: never again */
    unsigned      refresh:1;            /* where there is a refresh token */
    unsigned      required:1;           /* a live access token */
} oidc_refresh_policy_t;


typedef enum {
    OIDC_DUE_NOTHING = 0,
    OIDC_DUE_USERINFO,
    OIDC_DUE_REFRESH,
    OIDC_DUE_LOGIN          /* there is no other way to a live access token */
} oidc_due_e;


/*
 * Looks at the head alone: every request asks.  A refresh token that was sent
 * without an answer makes a refresh due only when the access token is over; the
 * caller then finds out under the session's lock whether one is under way.
 */

oidc_due_e oidc_refresh_due(const oidc_session_t *session,
    const oidc_refresh_policy_t *policy, int64_t now);

/* 1 where the access token is known to be over */

int oidc_refresh_over(const oidc_session_t *session, int64_t now);

/*
 * Times of an access token that came "now" and lasts so many seconds (-1: not
 * known, never refreshed): leeway seconds before its end, at most half of its
 * life before, and never at once.
 */

void oidc_refresh_times(oidc_session_t *session, int64_t now,
    int64_t expires_in, int64_t leeway, int has_refresh_token);


typedef enum {
    OIDC_ANSWER_GOOD = 0,
    OIDC_ANSWER_REFUSED,    /* what was sent is void, it will not get better */
    OIDC_ANSWER_TRANSIENT,  /* what was sent may be sent again, later */
    OIDC_ANSWER_LOST,       /* it may have been used up: never again */
    OIDC_ANSWER_WRONG       /* it speaks of another login */
} oidc_answer_e;


/*
 * A call came to "fetch", the request having been sent or not; with OIDC_OK
 * there is a status, and what reading the answer came to.
 */

oidc_answer_e oidc_refresh_answer(oidc_rc_t fetch, int sent, int status,
    oidc_rc_t parsed);
oidc_answer_e oidc_userinfo_answer(oidc_rc_t fetch, int status,
    oidc_rc_t parsed);


/*
 * Core 12.2: "claims" of a refreshed ID token, checked in themselves already,
 * beside those of the one before.  What they do not repeat of the login itself
 * (nonce, auth_time, acr, amr, sid) is added to them.  "sent" is when the
 * refresh was.
 */

oidc_rc_t oidc_refresh_claims(const json_t *before, json_t *claims,
    int64_t sent, int64_t skew);


/*
 * Takes from older userinfo what ID tokens speak of, in "before" or now in
 * "claims": a role that the new one lacks is gone.  The "sub" stays.
 */

void oidc_refresh_userinfo(json_t *userinfo, const json_t *before,
    const json_t *claims);


#endif /* _OIDC_REFRESH_H_INCLUDED_ */
