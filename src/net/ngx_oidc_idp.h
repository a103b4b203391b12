
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * One provider at run time: its discovery document and keys, fetched ahead of
 * need by one worker for all and kept in shared memory, a parsed copy in each
 * worker, and the addresses of its hosts.  Nothing here blocks, and nothing
 * runs in the master.  OpenID Connect Discovery 1.0, RFC 8414, RFC 7517.
 */


#ifndef _NGX_OIDC_IDP_H_INCLUDED_
#define _NGX_OIDC_IDP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc.h"
#include "oidc_key.h"
#include "oidc_metadata.h"


typedef struct ngx_oidc_idp_s         ngx_oidc_idp_t;
typedef struct ngx_oidc_idp_run_s     ngx_oidc_idp_run_t;
typedef struct ngx_oidc_idp_waiter_s  ngx_oidc_idp_waiter_t;


/* settings, by whoever parses the configuration; the last three are ours */

struct ngx_oidc_idp_s {
    ngx_str_t            name;
    ngx_str_t            issuer;
    ngx_str_t            config_url;    /* empty: derived from issuer */
    oidc_metadata_t      fixed;         /* endpoints set by hand */
    ngx_str_t            ca_file;       /* full path, NUL; empty: system */
    ngx_str_t            crl_file;      /* likewise; empty: none */
    ngx_msec_t           connect_timeout;   /* 0: 5 s */
    ngx_msec_t           timeout;           /* of one fetch; 0: 10 s */
    unsigned             insecure:1;    /* certificates go unverified */
    unsigned             allow_http:1;  /* loopback, or the named switch */

    unsigned             fixed_only:1;  /* no discovery */
    ngx_shm_zone_t      *zone;
    ngx_oidc_idp_run_t  *run;           /* of this worker; NULL elsewhere */
};


typedef enum {
    NGX_OIDC_IDP_READY = 0,             /* metadata and keys are there */
    NGX_OIDC_IDP_KEYS,                  /* keys again: a kid is unknown */
    NGX_OIDC_IDP_ADDR                   /* address of w->host, w->port */
} ngx_oidc_idp_what_e;


/* the caller's memory; "host" must stay until done or cancel */

struct ngx_oidc_idp_waiter_s {
    void               (*done)(ngx_oidc_idp_waiter_t *w, oidc_rc_t rc);
    void                *data;
    ngx_str_t            host;
    in_port_t            port;          /* host byte order */

    ngx_oidc_idp_t      *idp;           /* NULL: waits for nothing */
    ngx_queue_t          queue;
    ngx_event_t          timer;
    ngx_oidc_idp_what_e  what;
    ngx_uint_t           seq;           /* attempts ended when it came */
};


/* zeroed settings with a name, from cf->pool; NULL: out of memory */

ngx_oidc_idp_t *ngx_oidc_idp_create(ngx_conf_t *cf, ngx_str_t *name);

/*
 * When the settings are complete, still while the configuration is read:
 * derives what is empty and adds the zone "oidc_idp:<name>:<digest>".  The
 * digest covers all that the documents depend on: a reload that changes none
 * of it goes on with what is known, any other starts with an empty zone, and
 * old workers keep theirs.  NGX_CONF_OK or NGX_CONF_ERROR (logged).
 */

char *ngx_oidc_idp_configure(ngx_conf_t *cf, ngx_oidc_idp_t *idp, void *tag);

/* after ngx_oidc_curl_init_process(); starts to fetch at once */

ngx_int_t ngx_oidc_idp_init_process(ngx_oidc_idp_t *idp, ngx_cycle_t *cycle);

/* before ngx_oidc_curl_exit_process() */

void ngx_oidc_idp_exit_process(ngx_oidc_idp_t *idp);

/*
 * What is known now, or NULL: nothing yet, or too old to be trusted.  Valid
 * until the return to the event loop.  Costs one read of shared memory while
 * nothing has changed.
 */

const oidc_metadata_t *ngx_oidc_idp_metadata(ngx_oidc_idp_t *idp);
const oidc_jwks_t *ngx_oidc_idp_jwks(ngx_oidc_idp_t *idp);

/*
 * Waits at most "timeout".  NGX_OK: there already, done is not called.
 * NGX_AGAIN: done will be, exactly once, not inside, not after cancel, with
 * OIDC_OK: look again; OIDC_NOT_READY: the attempt failed, as the log says, or
 * the time is over (NGX_OIDC_IDP_READY); else OIDC_FETCH_TIMEOUT or how the
 * attempt failed.  NGX_DECLINED: refused at once, as keys were asked for too
 * recently (NGX_OIDC_IDP_KEYS), or as the provider failed and the next attempt
 * is not near (NGX_OIDC_IDP_READY).  NGX_ERROR: no memory.
 */

ngx_int_t ngx_oidc_idp_wait(ngx_oidc_idp_t *idp, ngx_oidc_idp_waiter_t *w,
    ngx_oidc_idp_what_e what, ngx_msec_t timeout);
void ngx_oidc_idp_cancel(ngx_oidc_idp_waiter_t *w);

/*
 * "host", an IPv6 literal with or without brackets, resolved as the system
 * does it, into *text as in a URL: "127.0.0.1" or "[::1]"; valid until the
 * next call.  NGX_OK; NGX_AGAIN: wait for NGX_OIDC_IDP_ADDR.  A literal is its
 * own address.
 */

ngx_int_t ngx_oidc_idp_addr(ngx_oidc_idp_t *idp, ngx_str_t *host,
    in_port_t port, ngx_str_t *text);

/* a connection to it failed: the next use resolves again */

void ngx_oidc_idp_addr_failed(ngx_oidc_idp_t *idp, ngx_str_t *host,
    in_port_t port);


#endif /* _NGX_OIDC_IDP_H_INCLUDED_ */
