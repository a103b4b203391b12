
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The discovery document (OpenID Connect Discovery 1.0 section 3, RFC 8414).
 */


#ifndef _OIDC_METADATA_H_INCLUDED_
#define _OIDC_METADATA_H_INCLUDED_


#include "oidc_base.h"
#include "oidc_client.h"
#include "oidc_jws.h"


#define OIDC_METADATA_MAX  (256 * 1024)


/* the endpoints, by member name, field and whether a login needs it */

#define OIDC_ENDPOINTS(X)                                                     \
    X(authorization_endpoint, 1)                                              \
    X(token_endpoint, 1)                                                      \
    X(jwks_uri, 1)                                                            \
    X(userinfo_endpoint, 0)                                                   \
    X(end_session_endpoint, 0)                                                \
    X(introspection_endpoint, 0)                                              \
    X(revocation_endpoint, 0)                                                 \
    X(pushed_authorization_request_endpoint, 0)


typedef struct {
#define OIDC_ENDPOINT_FIELD(name, required)  oidc_str_t name;
    OIDC_ENDPOINTS(OIDC_ENDPOINT_FIELD)
    struct {                       /* for calls with a client certificate: */
        OIDC_ENDPOINTS(OIDC_ENDPOINT_FIELD)    /* RFC 8705 section 5, or as */
    } mtls;                                    /* above where it has none */
#undef OIDC_ENDPOINT_FIELD
    unsigned      id_token_algs;   /* mask of OIDC_RS256..., 0: not said */
    unsigned      token_auth;      /* bits of oidc_client_auth_bit() */
    unsigned      introspection_auth;
    unsigned      revocation_auth;
    unsigned      iss_parameter:1; /* RFC 9207 section 3 */
    unsigned      par_required:1;  /* RFC 9126 section 5 */
    unsigned      object_required:1;   /* RFC 9101 section 10.5 */
} oidc_metadata_t;


/*
 * Parses a document of at most OIDC_METADATA_MAX bytes; "issuer" must be equal
 * to its issuer byte for byte.  Endpoints must be https, or http where
 * allow_http.  "fixed" are endpoints set by hand, which win and need not be in
 * the document (fields may be empty); NULL for none; a document of len 0 means
 * that all is in "fixed".  Strings are copied into the pool.  Returns
 * OIDC_JSON, OIDC_META_ISSUER, OIDC_META_MEMBER.
 */

oidc_rc_t oidc_metadata_parse(oidc_pool_t *pool, const oidc_str_t *document,
    const oidc_str_t *issuer, int allow_http, const oidc_metadata_t *fixed,
    oidc_metadata_t *metadata);

/* <issuer without one trailing "/">/.well-known/openid-configuration */

oidc_rc_t oidc_metadata_url(oidc_pool_t *pool, const oidc_str_t *issuer,
    oidc_str_t *url);


#endif /* _OIDC_METADATA_H_INCLUDED_ */
