
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


#ifndef _OIDC_COOKIE_H_INCLUDED_
#define _OIDC_COOKIE_H_INCLUDED_


#include "oidc_base.h"


/* at most this many cookies of one header are looked at */

#define OIDC_COOKIE_COUNT_MAX  1000


/*
 * Walks the pairs of a Cookie header: 1 with the next name and value (spaces
 * around them and a pair of quotes removed), 0 at the end.  A piece without
 * "=" is skipped.
 */

int oidc_cookie_next(oidc_str_t *rest, oidc_str_t *name, oidc_str_t *value);

/*
 * The header without every cookie whose name is one of the n prefixes, or goes
 * on with a "." behind one; the others stay byte for byte, joined by "; ".
 * Returns OIDC_OK with *removed = 0 (and *out untouched) where there is nothing
 * to remove.
 */

oidc_rc_t oidc_cookie_strip(oidc_pool_t *pool, const oidc_str_t *header,
    const oidc_str_t *prefixes, size_t n, oidc_str_t *out, int *removed);

/* RFC 6265 section 4.1.1: a token; a value of cookie-octets */

int oidc_cookie_name_ok(const oidc_str_t *name);
int oidc_cookie_domain_ok(const oidc_str_t *domain);


typedef struct {
    oidc_str_t    name;
    oidc_str_t    value;
    oidc_str_t    domain;       /* empty: none */
    int64_t       max_age;      /* seconds; 0 deletes; < 0: session cookie */
    unsigned      secure:1;
    unsigned      cross_site:1; /* SameSite=None instead of Lax */
} oidc_set_cookie_t;


/*
 * "name=value; Path=/; [Domain=...; ][Max-Age=n; ][Secure; ]HttpOnly;
 * SameSite=Lax".  With Max-Age=0 also an Expires in the past.
 */

oidc_rc_t oidc_set_cookie(oidc_pool_t *pool, const oidc_set_cookie_t *cookie,
    oidc_str_t *out);


#endif /* _OIDC_COOKIE_H_INCLUDED_ */
