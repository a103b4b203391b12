
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The HTTP transport of what belongs to no request: documents that are
 * fetched ahead of need.  A GET with bounds, or only a connection that tells
 * to which address a host resolves.  Never follows a redirect, never reads an
 * environment variable or a netrc file, never sends or keeps a cookie.
 */


#ifndef _NGX_OIDC_FETCH_H_INCLUDED_
#define _NGX_OIDC_FETCH_H_INCLUDED_


#include "ngx_oidc.h"


typedef struct ngx_oidc_fetch_s  ngx_oidc_fetch_t;

/*
 * Called exactly once for a started fetch, never inside start, never after
 * cancel.  The answer's strings live until done() returns; the fetch itself is
 * the caller's again, who may start or cancel any fetch from here.
 */

typedef void (*ngx_oidc_fetch_done_pt)(ngx_oidc_fetch_t *f, oidc_rc_t rc);


struct ngx_oidc_fetch_s {
    /* the request; what the pointers show must stay until done or cancel */
    ngx_str_t                url;
    ngx_str_t                accept;         /* empty: any */
    ngx_str_t                ca_file;        /* with NUL; empty: system's */
    ngx_str_t                crl_file;       /* with NUL; empty: none */
    ngx_msec_t               connect_timeout;
    ngx_msec_t               timeout;        /* of it all */
    size_t                   max;            /* bytes of body */
    ngx_log_t               *log;
    ngx_oidc_fetch_done_pt   done;
    void                    *data;
    unsigned                 insecure:1;     /* certificates go unverified */
    unsigned                 allow_http:1;
    unsigned                 connect_only:1; /* ends when connected */

    /*
     * The answer.  OIDC_OK: the body is whole and the status 200, or, for
     * connect_only, "addr" is set.  Otherwise OIDC_FETCH, OIDC_FETCH_TIMEOUT,
     * OIDC_FETCH_SIZE or OIDC_FETCH_STATUS, and "error" says more.
     */
    ngx_uint_t               status;         /* 0: none was received */
    ngx_str_t                content_type;
    ngx_str_t                body;
    ngx_str_t                addr;           /* literal, IPv6 without [] */
    time_t                   max_age;        /* seconds; -1: not said */
    const char              *error;

    void                    *transfer;       /* the transport's; NULL: idle */
};


/* NGX_OK: done will be called; NGX_ERROR: logged, it will not */

ngx_int_t ngx_oidc_fetch_start(ngx_oidc_fetch_t *f);

/* harmless where nothing is in flight */

void ngx_oidc_fetch_cancel(ngx_oidc_fetch_t *f);


#endif /* _NGX_OIDC_FETCH_H_INCLUDED_ */
