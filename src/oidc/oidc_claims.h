
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Claims as the hot path wants them: a flat list of name and value, found
 * without parsing JSON.  Strings stand as they are, everything else as compact
 * JSON.  A value with a control character is left out: it must never reach a
 * header, and what is left out can not be mistaken for somebody else.
 */


#ifndef _OIDC_CLAIMS_H_INCLUDED_
#define _OIDC_CLAIMS_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"


/*
 * The ID token's claims joined by userinfo's (NULL: none), which never replace
 * iss, sub, aud, exp, iat, nbf, nonce, auth_time, acr, amr, azp, sid, at_hash.
 * The protocol's own nonce, at_hash, c_hash are not kept.
 */

oidc_rc_t oidc_claims_flatten(oidc_pool_t *pool, const json_t *id_token,
    const json_t *userinfo, oidc_str_t *flat);

/* 1 with *value pointing into "flat", 0 where there is none; never reads on */

int oidc_claims_find(const oidc_str_t *flat, const oidc_str_t *name,
    oidc_str_t *value);

/*
 * A member of a claim that is an object, by a path of n >= 1 names, of which
 * the first is the claim: in the form of oidc_claims_find(), in the pool.  1,
 * or 0 where there is none, it has a control character, or memory is short.
 * Parses the one claim where n > 1.
 */

int oidc_claims_path(oidc_pool_t *pool, const oidc_str_t *flat,
    const oidc_str_t *names, size_t n, oidc_str_t *value);

/*
 * 1 where what is at the path is the string "wanted", or an array that holds
 * it.  A string that merely looks like such an array is none.
 */

int oidc_claims_has(const oidc_str_t *flat, const oidc_str_t *names, size_t n,
    const oidc_str_t *wanted);

/* 1 where the text has no C0, DEL or C1 control and is valid UTF-8 */

int oidc_claims_text_ok(const oidc_str_t *text);


#endif /* _OIDC_CLAIMS_H_INCLUDED_ */
