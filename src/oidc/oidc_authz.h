
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core
 * 3.1.2.1, RFC 7636) and what comes back to the redirect URI (4.1.2, RFC 9207).
 */


#ifndef _OIDC_AUTHZ_H_INCLUDED_
#define _OIDC_AUTHZ_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_client.h"


#define OIDC_CODE_MAX   4096
#define OIDC_STATE_MAX  512
#define OIDC_ARGS_MAX   8192


typedef struct {
    oidc_str_t    endpoint;
    oidc_str_t    client_id;
    oidc_str_t    redirect_uri;
    oidc_str_t    scope;         /* space separated, with "openid" */
    oidc_str_t    state;
    oidc_str_t    nonce;
    oidc_str_t    challenge;     /* PKCE S256; empty: none is sent */
    oidc_str_t    extra;         /* "name=value&..." as configured, or empty */
    oidc_str_t    request;       /* of oidc_authz_object(), or empty */
    oidc_str_t    request_uri;   /* of oidc_par_parse(), or empty */
} oidc_authz_t;


/* the request's arguments but "extra", in their order; NULL at the end */

#define OIDC_AUTHZ_ARGS  9

void oidc_authz_args(const oidc_authz_t *authz,
    oidc_form_arg_t args[OIDC_AUTHZ_ARGS]);

/*
 * The endpoint's own query is kept.  With a request_uri nothing but it and
 * client_id is sent (RFC 9126 section 4); with a request object it, client_id,
 * response_type and scope (OpenID Connect Core 6.1).
 */

oidc_rc_t oidc_authz_url(oidc_pool_t *pool, const oidc_authz_t *authz,
    oidc_str_t *url);

/*
 * For extra_auth_args at configuration time: OIDC_ARGS where it is malformed
 * or names a parameter that the module sends itself (response_type, client_id,
 * redirect_uri, scope, state, nonce, code_challenge, ..._method, request,
 * request_uri, response_mode).
 */

oidc_rc_t oidc_authz_extra_check(oidc_pool_t *pool, const oidc_str_t *extra);


typedef struct {
    oidc_str_t    code;
    oidc_str_t    state;
    oidc_str_t    iss;
    oidc_str_t    error;
    oidc_str_t    error_description;  /* controls replaced by "?" */
} oidc_callback_t;


/*
 * Decodes the callback's query (NULL-free).  OIDC_ARGS where an argument of
 * ours is repeated, empty where it must not be, too long or badly escaped;
 * OIDC_STATE_MISSING; OIDC_CODE_MISSING where there is neither code nor error.
 */

oidc_rc_t oidc_callback_parse(oidc_pool_t *pool, const oidc_str_t *query,
    oidc_callback_t *args);

/* RFC 9207 section 2.4, for good and for error answers alike */

oidc_rc_t oidc_callback_iss(const oidc_callback_t *args,
    const oidc_str_t *issuer, int announced);

/* what args->error means: OIDC_ACCESS_DENIED, OIDC_LOGIN_REQUIRED, ... */

oidc_rc_t oidc_callback_error(const oidc_callback_t *args);


#endif /* _OIDC_AUTHZ_H_INCLUDED_ */
