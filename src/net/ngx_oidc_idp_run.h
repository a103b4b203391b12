
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the files of a provider at run time share: the zone, the worker's own
 * state, and what one part asks of another.  For ngx_oidc_idp*.c only.
 */


#ifndef _NGX_OIDC_IDP_RUN_H_INCLUDED_
#define _NGX_OIDC_IDP_RUN_H_INCLUDED_


#include "ngx_oidc_fetch.h"
#include "ngx_oidc_idp.h"


/* a provider has some three hosts; one slot for each endpoint at most */
#define NGX_OIDC_IDP_ADDRS     8

/* RFC 1035 section 2.3.4 */
#define NGX_OIDC_IDP_HOST_MAX  255


typedef enum {
    NGX_OIDC_IDP_META = 0,
    NGX_OIDC_IDP_JWKS,
    NGX_OIDC_IDP_DOCS
} ngx_oidc_idp_doc_e;


/* a raw document as it came; replaced as a whole, by one pointer */

typedef struct {
    size_t                  len;
    u_char                  data[1];
} ngx_oidc_idp_raw_t;


/* times are of ngx_current_msec, which all processes of a machine share */

typedef struct {
    ngx_oidc_idp_raw_t     *raw;         /* NULL: never fetched */
    ngx_msec_t              refresh_at;
    ngx_msec_t              trust_until;
} ngx_oidc_idp_doc_t;


/*
 * The zone.  All under its slab pool's mutex, except that "gen" and
 * "trust_until" are read without: aligned words, written whole.
 */

typedef struct {
    ngx_oidc_idp_doc_t      docs[NGX_OIDC_IDP_DOCS];
    ngx_atomic_t            gen;         /* counts changed documents */

    ngx_atomic_t            seq;         /* counts ended attempts */
    ngx_msec_t              ended_at;    /* when, and */
    oidc_rc_t               rc;          /* how the last one did */
    ngx_atomic_t            keys_seq;    /* the same where it was for keys */
    oidc_rc_t               keys_rc;

    ngx_msec_t              next_at;     /* no attempt earlier, but forced */
    ngx_uint_t              failures;    /* in a row */

    ngx_uint_t              lease;       /* number of the last one, 0: none */
    ngx_pid_t               lease_pid;
    ngx_msec_t              lease_until;
    ngx_uint_t              leased;      /* an attempt is under way */

    ngx_uint_t              forced;      /* keys are asked for, not yet come */
    ngx_uint_t              forced_once; /* forced_at means something */
    ngx_msec_t              forced_at;
} ngx_oidc_idp_sh_t;


/* both documents parsed; replaced as a whole */

typedef struct ngx_oidc_idp_copy_s  ngx_oidc_idp_copy_t;

struct ngx_oidc_idp_copy_s {
    ngx_oidc_idp_copy_t    *next;
    ngx_pool_t             *pool;        /* this struct and all in metadata */
    ngx_atomic_uint_t       gen;
    oidc_metadata_t         metadata;
    oidc_jwks_t            *jwks;        /* NULL: none yet */
    unsigned                has_metadata:1;
};


typedef struct {
    ngx_oidc_idp_run_t     *run;
    ngx_oidc_fetch_t        fetch;
    size_t                  host_len;
    size_t                  text_len;
    ngx_msec_t              resolved_at;
    ngx_msec_t              used_at;
    ngx_uint_t              seq;         /* counts ended attempts */
    oidc_rc_t               rc;          /* of the last one */
    in_port_t               port;
    unsigned                known:1;
    u_char                  host[NGX_OIDC_IDP_HOST_MAX];
    u_char                  text[NGX_SOCKADDR_STRLEN];
    u_char                  url[sizeof("http://:65535/")
                                + NGX_OIDC_IDP_HOST_MAX];
} ngx_oidc_idp_addr_t;


struct ngx_oidc_idp_run_s {
    ngx_oidc_idp_t         *idp;
    ngx_log_t              *log;
    ngx_slab_pool_t        *shpool;
    ngx_oidc_idp_sh_t      *sh;

    ngx_oidc_idp_copy_t    *copy;
    ngx_oidc_idp_copy_t    *retired;     /* freed by "reaper" */
    ngx_event_t             reaper;      /* posted */

    /* the attempt under way in this worker */
    ngx_uint_t              lease;       /* its number; 0: none of ours */
    ngx_uint_t              step;        /* document that is looked at */
    oidc_rc_t               rc;          /* so far */
    oidc_rc_t               keys_rc;
    ngx_uint_t              keys_tried;
    u_char                 *url;         /* of the keys; ngx_alloc() */
    ngx_oidc_fetch_t        fetch;
    ngx_event_t             timer;       /* cancelable: the next attempt */

    ngx_queue_t             waiters;
    ngx_event_t             wake;        /* posted: look at the waiters */
    ngx_event_t             poll;        /* cancelable: other workers' ends */

    ngx_oidc_idp_addr_t     addrs[NGX_OIDC_IDP_ADDRS];
    u_char                  literal[NGX_SOCKADDR_STRLEN];
};


#define ngx_oidc_idp_past(t, now)  ((ngx_msec_int_t) ((t) - (now)) <= 0)


/* ngx_oidc_idp.c: a pool as the pure layer wants it */

oidc_pool_t ngx_oidc_idp_pool(ngx_pool_t *pool);

/*
 * ngx_oidc_idp_refresh.c: one attempt to fetch what is due, if it is time and
 * no worker is at it; then the timer for the next one.
 */

void ngx_oidc_idp_refresh_init(ngx_oidc_idp_run_t *run);
void ngx_oidc_idp_refresh_exit(ngx_oidc_idp_run_t *run);
void ngx_oidc_idp_refresh(ngx_oidc_idp_run_t *run);

/*
 * ngx_oidc_idp_docs.c: fetches the document of run->step under our lease.
 * OIDC_OK: ngx_oidc_idp_fetched() will be called, not inside; then it is kept,
 * or the log says why not.
 */

oidc_rc_t ngx_oidc_idp_fetch(ngx_oidc_idp_run_t *run);
void ngx_oidc_idp_fetched(ngx_oidc_idp_run_t *run, oidc_rc_t rc);

/* common bounds of all our fetches */

void ngx_oidc_idp_fetch_init(ngx_oidc_idp_run_t *run, ngx_oidc_fetch_t *f);

/* ngx_oidc_idp_wait.c: soon, but not now, look at who waits */

void ngx_oidc_idp_wait_init(ngx_oidc_idp_run_t *run);
void ngx_oidc_idp_wait_exit(ngx_oidc_idp_run_t *run);
void ngx_oidc_idp_wake(ngx_oidc_idp_run_t *run);

/*
 * ngx_oidc_idp_addr.c: the entry of a host whose resolution is under way;
 * NULL: nothing could be started.  learn() takes the address of a URL that
 * was just fetched.
 */

void ngx_oidc_idp_addr_exit(ngx_oidc_idp_run_t *run);
ngx_oidc_idp_addr_t *ngx_oidc_idp_addr_resolve(ngx_oidc_idp_run_t *run,
    ngx_str_t *host, in_port_t port);
ngx_oidc_idp_addr_t *ngx_oidc_idp_addr_find(ngx_oidc_idp_run_t *run,
    ngx_str_t *host, in_port_t port);
void ngx_oidc_idp_addr_learn(ngx_oidc_idp_run_t *run, ngx_oidc_fetch_t *f);


#endif /* _NGX_OIDC_IDP_RUN_H_INCLUDED_ */
