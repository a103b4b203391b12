
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Authorization requests that do not travel through the browser in the open:
 * the signed request object (RFC 9101, OpenID Connect Core 6.1) and the pushed
 * one (RFC 9126).  oidc_authz_url() sends what is left of them.
 */


#ifndef _OIDC_PAR_H_INCLUDED_
#define _OIDC_PAR_H_INCLUDED_


#include "oidc_authz.h"
#include "oidc_client.h"


#define OIDC_REQUEST_URI_MAX  1024


/*
 * The request as a JWS of typ oauth-authz-req+jwt, signed with client->key, or
 * HS256 with its secret where there is none: iss and client_id are client->id,
 * aud client->audience, exp OIDC_ASSERTION_TTL from client->now; each argument
 * of authz->extra is a claim, "claims" a JSON object, "max_age" a number.
 */

oidc_rc_t oidc_authz_object(oidc_pool_t *pool, const oidc_authz_t *authz,
    const oidc_client_t *client, oidc_str_t *object);

/*
 * The form to push: authz->request alone where it is set, all arguments where
 * it is not, client authentication, and client_id in any case.
 */

oidc_rc_t oidc_par_request(oidc_pool_t *pool, const oidc_authz_t *authz,
    const oidc_client_t *client, oidc_form_t *form);

/*
 * The answer: OIDC_OK for 201 (200 is taken too) with a request_uri of 1 to
 * OIDC_REQUEST_URI_MAX printable bytes, copied, and expires_in in seconds, at
 * least 1; OIDC_PAR_ERROR with the provider's "error"; OIDC_FETCH_STATUS,
 * OIDC_CONTENT_TYPE, OIDC_JSON, OIDC_PAR_MEMBER.
 */

oidc_rc_t oidc_par_parse(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    oidc_str_t *request_uri, int64_t *expires_in, oidc_str_t *error);


#endif /* _OIDC_PAR_H_INCLUDED_ */
