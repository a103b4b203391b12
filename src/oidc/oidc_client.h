
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * How the client says to an endpoint who it is (RFC 6749 section 2.3, RFC 7523
 * section 3, OpenID Connect Core 9, RFC 8705 section 2), and the forms that
 * carry it.  One function adds it to whatever is asked.
 */


#ifndef _OIDC_CLIENT_H_INCLUDED_
#define _OIDC_CLIENT_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_key.h"


/* seconds that an assertion or a request object is good for */

#define OIDC_ASSERTION_TTL  60


/* client_auth_method; AUTO is resolved by oidc_client_auth() */

typedef enum {
    OIDC_CLIENT_AUTO = 0,
    OIDC_CLIENT_NONE,
    OIDC_CLIENT_SECRET_BASIC,
    OIDC_CLIENT_SECRET_POST,
    OIDC_CLIENT_SECRET_JWT,
    OIDC_CLIENT_PRIVATE_KEY_JWT,
    OIDC_CLIENT_TLS                 /* by the certificate of the connection */
} oidc_client_auth_e;


/* bits of the methods that a provider supports */

#define oidc_client_auth_bit(auth)  (1u << (auth))


/*
 * The first four are configuration.  The rest is for assertions and belongs to
 * the caller's copy, set before each form: the audience is the issuer, or the
 * token endpoint where the operator says so; random is oidc_random().
 */

typedef struct {
    oidc_client_auth_e    auth;
    oidc_str_t            id;
    oidc_str_t            secret;   /* empty: none */
    const oidc_key_t     *key;      /* ours that signs, NULL: none */

    oidc_str_t            audience;
    oidc_random_pt        random;
    int64_t               now;      /* seconds since 1970 */
} oidc_client_t;


/* an argument of a form; one with an empty value is left out */

typedef struct {
    const char           *name;     /* NULL at the end */
    oidc_str_t            value;
} oidc_form_arg_t;


/* parts of an HTTP POST with a form body */

typedef struct {
    oidc_str_t            body;
    oidc_str_t            authorization;    /* header value, or empty */
} oidc_form_t;


/*
 * The method to use where "methods" are the bits that the endpoint offers
 * (oidc_metadata_t).  What is configured stands.  Else with a secret BASIC,
 * POST or SECRET_JWT, whichever is offered first, BASIC where none is; without
 * a secret PRIVATE_KEY_JWT where we have a key and the provider offers it and
 * not "none"; else NONE.
 */

oidc_client_auth_e oidc_client_auth(const oidc_client_t *client,
    unsigned methods);

/*
 * A form of "raw" (encoded arguments, may be empty or NULL), the arguments and
 * the client authentication; client_id stands in the body with every method
 * but BASIC.  client->auth must not be AUTO.  Both strings of *form hold
 * secrets, which the caller wipes; no other copy is left.  OIDC_ARGS for AUTO;
 * OIDC_KEY where the secret or the key cannot sign; OIDC_CRYPTO, OIDC_NOMEM.
 * Costs what the signature costs (oidc_sign.h), and nothing else that matters.
 */

oidc_rc_t oidc_form(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *raw, const oidc_form_arg_t *args, oidc_form_t *form);


/*
 * The code exchange (RFC 6749 section 4.1.3; verifier is empty without PKCE)
 * and the refresh (section 6; scope is empty for all that was granted).
 */

oidc_rc_t oidc_token_request(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *code, const oidc_str_t *redirect_uri,
    const oidc_str_t *verifier, oidc_form_t *form);
oidc_rc_t oidc_refresh_request(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *refresh_token, const oidc_str_t *scope,
    oidc_form_t *form);

/*
 * Introspection (RFC 7662 section 2.1) and revocation (RFC 7009 section 2.1)
 * ask alike: hint is "access_token", "refresh_token" or empty.
 */

oidc_rc_t oidc_token_about(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *token, const char *hint, oidc_form_t *form);


#endif /* _OIDC_CLIENT_H_INCLUDED_ */
