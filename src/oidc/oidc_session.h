
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A session as it lies in a store: a versioned head that every request opens,
 * and the tokens, sealed apart and opened only when asked for.
 *
 *   0   version (2)
 *   1   reserved, zero
 *   4   length of the sealed head, big endian
 *   8   sealed head: the times and strings of oidc_session_t, in its order
 *   ... sealed tokens: the strings of oidc_tokens_t, in its order
 */


#ifndef _OIDC_SESSION_H_INCLUDED_
#define _OIDC_SESSION_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_seal.h"
#include "oidc_token.h"


#define OIDC_SESSION_VERSION_2  2
#define OIDC_SESSION_PREFIX     8

/* no string of a session is longer */

#define OIDC_SESSION_PART_MAX   (1 << 24)

/* how a record begins differs with each sealing: prefix, seal version, nonce */

#define OIDC_SESSION_STAMP      (OIDC_SESSION_PREFIX + 1 + 12)


typedef struct {
    int64_t       created;          /* seconds since 1970, as all here */
    int64_t       expires;          /* absolute */
    int64_t       access_expires;   /* of the access token; 0: not known */
    int64_t       refresh_at;       /* when it is to be refreshed; 0: never */
    int64_t       refresh_sent;     /* no answer has come since; 0: none due */
    int64_t       userinfo_at;      /* of the last answer; 0: never asked */
    oidc_str_t    provider;         /* whose session it is */
    oidc_str_t    sid;              /* the provider's, or empty */
    oidc_str_t    claims;           /* of oidc_claims_flatten() */
} oidc_session_t;


/* *head_len is how much of the record oidc_session_open() needs */

oidc_rc_t oidc_session_seal(oidc_pool_t *pool,
    const oidc_handle_keys_t *keys, const oidc_session_t *session,
    const oidc_tokens_t *tokens, oidc_random_pt random, oidc_str_t *record,
    size_t *head_len);

/*
 * Opens the head of a record (more may follow), strings point into memory of
 * the pool.  OIDC_SESSION_VERSION, OIDC_SEAL, OIDC_SESSION_EXPIRED.
 */

oidc_rc_t oidc_session_open(oidc_pool_t *pool,
    const oidc_handle_keys_t *keys, const oidc_str_t *record, int64_t now,
    oidc_session_t *session);

/* opens the tokens of a whole record */

oidc_rc_t oidc_session_tokens(oidc_pool_t *pool,
    const oidc_handle_keys_t *keys, const oidc_str_t *record,
    oidc_tokens_t *tokens);


#endif /* _OIDC_SESSION_H_INCLUDED_ */
