
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Where the browser is sent to end the session at the provider (OpenID Connect
 * RP-Initiated Logout 1.0 section 2).  Whether it goes there is not decided
 * here; the session of ours is over by then.
 */


#include "oidc_logout.h"
#include "oidc_url.h"


oidc_rc_t
oidc_logout_url(oidc_pool_t *pool, const oidc_logout_t *logout,
    oidc_str_t *url)
{
    char        sep;
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, logout->endpoint.len + logout->id_token_hint.len
                            + 3 * (logout->client_id.len
                                   + logout->post_logout_redirect_uri.len)
                            + logout->state.len + 96);

    sep = oidc_url_sep(&logout->endpoint);

    oidc_buf_str(&b, &logout->endpoint);

    if (logout->id_token_hint.len != 0) {
        oidc_buf_arg(&b, sep, "id_token_hint", &logout->id_token_hint);

    } else {
        oidc_buf_arg(&b, sep, "client_id", &logout->client_id);
    }

    if (logout->post_logout_redirect_uri.len != 0) {
        oidc_buf_arg(&b, '&', "post_logout_redirect_uri",
                     &logout->post_logout_redirect_uri);

        if (logout->state.len != 0) {
            oidc_buf_arg(&b, '&', "state", &logout->state);
        }
    }

    return oidc_buf_done(&b, url);
}
