
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


#ifndef _OIDC_LOGOUT_H_INCLUDED_
#define _OIDC_LOGOUT_H_INCLUDED_


#include "oidc_base.h"


/* RP-Initiated Logout 1.0 section 2 */

typedef struct {
    oidc_str_t    endpoint;
    oidc_str_t    id_token_hint;             /* empty: client_id is sent */
    oidc_str_t    client_id;
    oidc_str_t    post_logout_redirect_uri;  /* empty: neither it nor state */
    oidc_str_t    state;
} oidc_logout_t;


oidc_rc_t oidc_logout_url(oidc_pool_t *pool, const oidc_logout_t *logout,
    oidc_str_t *url);


#endif /* _OIDC_LOGOUT_H_INCLUDED_ */
