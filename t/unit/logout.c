
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* The way to the provider's end-session endpoint. */


#include "tap.h"

#include "oidc_logout.h"


int
main(void)
{
    oidc_str_t     url;
    oidc_logout_t  l;

    memset(&l, 0, sizeof(l));

    l.endpoint = tap_str("https://idp/logout");
    l.client_id = tap_str("c d");
    is_rc(oidc_logout_url(tap_pool(), &l, &url), OIDC_OK, "L03: a logout");
    is_str(&url, "https://idp/logout?client_id=c%20d",
           "L03: client_id without a hint");

    l.state = tap_str("S");
    (void) oidc_logout_url(tap_pool(), &l, &url);
    is_str(&url, "https://idp/logout?client_id=c%20d",
           "L03: no state without a way back");

    l.post_logout_redirect_uri = tap_str("https://gw/bye?x=1&y=2");
    l.id_token_hint = tap_str("a.b-_.c");
    (void) oidc_logout_url(tap_pool(), &l, &url);
    is_str(&url, "https://idp/logout?id_token_hint=a.b-_.c"
           "&post_logout_redirect_uri=https%3A%2F%2Fgw%2Fbye%3Fx%3D1%26y%3D2"
           "&state=S", "L03 LO-1: the hint instead, and the way back");

    l.state.len = 0;
    l.endpoint = tap_str("https://idp/logout?p=b2c");
    (void) oidc_logout_url(tap_pool(), &l, &url);
    is_str(&url, "https://idp/logout?p=b2c&id_token_hint=a.b-_.c"
           "&post_logout_redirect_uri=https%3A%2F%2Fgw%2Fbye%3Fx%3D1%26y%3D2",
           "L03: joined by &");

    l.endpoint = tap_str("https://idp/logout?");
    l.post_logout_redirect_uri.len = 0;
    (void) oidc_logout_url(tap_pool(), &l, &url);
    is_str(&url, "https://idp/logout?id_token_hint=a.b-_.c",
           "L03: joined by nothing");

    tap.fail_after = 0;
    is_rc(oidc_logout_url(tap_pool(), &l, &url), OIDC_NOMEM,
          "L03: no memory");

    return done_testing();
}
