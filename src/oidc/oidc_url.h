
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * URLs: parsing of what a provider or an operator gives, percent coding,
 * query arguments, and the one validator for every "go back to" target.
 */


#ifndef _OIDC_URL_H_INCLUDED_
#define _OIDC_URL_H_INCLUDED_


#include "oidc_base.h"


/* longer return targets are cut to their path, longer paths to "/" */

#define OIDC_RETURN_MAX  1024


/* parts point into the parsed string */

typedef struct {
    oidc_str_t    scheme;       /* "http" or "https" */
    oidc_str_t    host;         /* without brackets */
    oidc_str_t    authority;    /* host[:port] as written */
    oidc_str_t    path;         /* from the first "/", without the query */
    oidc_str_t    query;        /* without "?" */
    unsigned      port;         /* the scheme's default where absent */
    unsigned      https:1;
    unsigned      ipv6:1;
    unsigned      ip:1;         /* the host is an address literal */
    unsigned      has_query:1;
} oidc_url_t;


/*
 * An absolute http or https URL: printable ASCII only, no user-info, no
 * fragment, no backslash, host non-empty, port 1-65535.  OIDC_ARGS otherwise.
 */

oidc_rc_t oidc_url_parse(const oidc_str_t *text, oidc_url_t *url);

/* localhost, *.localhost, 127.0.0.0/8, ::1 */

int oidc_url_is_loopback(const oidc_url_t *url);

/* 1 where scheme, host (any case) and port are equal */

int oidc_url_same_origin(const oidc_url_t *a, const oidc_url_t *b);

/* application/x-www-form-urlencoded: all but unreserved characters as %XX */

void oidc_buf_escape(oidc_buf_t *b, const oidc_str_t *s);

/* "&name=value" ("?" or "&" or nothing is the caller's), the value escaped */

void oidc_buf_arg(oidc_buf_t *b, char sep, const char *name,
    const oidc_str_t *value);

/* "?" or "&", whichever joins an argument to this URL; 0 after a bare "?" */

char oidc_url_sep(const oidc_str_t *url);

/*
 * Walks a query: 1 with the next raw name and value, 0 at the end.  Empty
 * pieces ("&&") are skipped.
 */

int oidc_args_next(oidc_str_t *rest, oidc_str_t *name, oidc_str_t *value);

/* the octet of the escape "%XX" at p, or -1 */

int oidc_url_hex(const u_char *p, const u_char *end);

/* "+" and %XX; OIDC_ARGS on a bad escape or on a decoded NUL */

oidc_rc_t oidc_form_decode(oidc_pool_t *pool, const oidc_str_t *in,
    oidc_str_t *out);

/*
 * The redirect validator.  Accepts a path of this site ("/x?y"), or an
 * absolute URL of the same origin as "base" (NULL: none), and gives the path
 * with its query, percent-encoding unchanged.  OIDC_TARGET for all else:
 * "//h", "/\h", encoded or raw controls, tabs, backslashes, user-info,
 * look-alike schemes, relative paths, fragments, non-ASCII.
 */

oidc_rc_t oidc_return_target(const oidc_str_t *in, const oidc_url_t *base,
    oidc_str_t *path);

/*
 * The same for the request's own URI, which is not an error but replaced:
 * over OIDC_RETURN_MAX cut to its path, "/" where it does not pass.
 */

void oidc_return_path(const oidc_str_t *uri, oidc_str_t *path);

/* "host[:port]" of a Host header: 1 where it is a plain host and port */

int oidc_host_ok(const oidc_str_t *host);


#endif /* _OIDC_URL_H_INCLUDED_ */
