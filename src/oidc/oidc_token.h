
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The token request and its answer (RFC 6749 sections 2.3.1, 4.1.3, 5).
 */


#ifndef _OIDC_TOKEN_H_INCLUDED_
#define _OIDC_TOKEN_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_metadata.h"


/* client_auth_method; AUTO is resolved by oidc_client_auth() */

typedef enum {
    OIDC_CLIENT_AUTO = 0,
    OIDC_CLIENT_NONE,
    OIDC_CLIENT_SECRET_BASIC,
    OIDC_CLIENT_SECRET_POST
} oidc_client_auth_e;


typedef struct {
    oidc_client_auth_e    auth;
    oidc_str_t            id;
    oidc_str_t            secret;   /* empty: a public client */
} oidc_client_t;


/* parts of an HTTP POST with a form body */

typedef struct {
    oidc_str_t    body;
    oidc_str_t    authorization;    /* header value, or empty */
} oidc_form_t;


/*
 * Without a secret NONE; with one BASIC, or POST where the metadata offers
 * that alone (a provider that says nothing means BASIC).
 */

oidc_client_auth_e oidc_client_auth(const oidc_client_t *client,
    const oidc_metadata_t *metadata);

/*
 * The form of a code exchange.  client->auth must not be AUTO.  verifier is
 * empty without PKCE.  Both strings of *form hold secrets: the caller wipes.
 */

oidc_rc_t oidc_token_request(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *code, const oidc_str_t *redirect_uri,
    const oidc_str_t *verifier, oidc_form_t *form);


typedef struct {
    oidc_str_t    id_token;
    oidc_str_t    access_token;
    oidc_str_t    refresh_token;    /* empty: none */
    oidc_str_t    userinfo;         /* JSON text, filled by the caller */
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

/* 1 where a Content-Type is "type" (lower case), whatever its parameters */

int oidc_content_type_is(const oidc_str_t *value, const char *type);


#endif /* _OIDC_TOKEN_H_INCLUDED_ */
