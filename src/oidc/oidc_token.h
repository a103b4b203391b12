
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The answer of the token endpoint (RFC 6749 section 5).
 */


#ifndef _OIDC_TOKEN_H_INCLUDED_
#define _OIDC_TOKEN_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"
#include "oidc_client.h"


typedef struct {
    oidc_str_t    id_token;
    oidc_str_t    access_token;
    oidc_str_t    refresh_token;    /* empty: none */
    oidc_str_t    userinfo;         /* JSON text, filled by the caller */
    oidc_str_t    claims;           /* likewise, of the ID token */
    int64_t       expires_in;       /* seconds, saturated; -1: not said */
} oidc_tokens_t;


/*
 * The answer of status 200 (strings are copied into the pool), or why not:
 * OIDC_FETCH_STATUS, OIDC_CONTENT_TYPE, OIDC_JSON, OIDC_TOKEN_ERROR with
 * *error the provider's "error" (printable ASCII, at most 64 bytes), and so on.
 */

oidc_rc_t oidc_token_parse(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    oidc_tokens_t *tokens, oidc_str_t *error);

/* the member "error" of an error answer as above; OIDC_OK or OIDC_NOMEM */

oidc_rc_t oidc_token_error(oidc_pool_t *pool, const json_t *answer,
    oidc_str_t *error);

/* of a refresh, which need not bring an ID token (Core 12.2) */

oidc_rc_t oidc_refresh_parse(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    oidc_tokens_t *tokens, oidc_str_t *error);

/* 1 where a Content-Type is "type" (lower case), whatever its parameters */

int oidc_content_type_is(const oidc_str_t *value, const char *type);


#endif /* _OIDC_TOKEN_H_INCLUDED_ */
