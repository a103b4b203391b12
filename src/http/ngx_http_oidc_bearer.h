
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The resource server: requests that bring an access token (RFC 6750, RFC 9068,
 * RFC 7662, RFC 9701, RFC 9449, RFC 8705).  Where a location has
 * auth_oidc_bearer a token decides alone: the session's cookie is not looked at
 * and nobody is sent to log in.
 *
 *   ngx_http_oidc_bearer.c         the steps, and the rules of the location
 *   ngx_http_oidc_introspect.c     what the provider says of a token
 *   ngx_http_oidc_bearer_cache.c   what it said before
 *   ngx_http_oidc_bound.c          whose token it is: DPoP, certificates
 *   ngx_http_oidc_challenge.c      answers to whoever may not pass
 *   ngx_http_oidc_bearer_conf.c    the directives
 */


#ifndef _NGX_HTTP_OIDC_BEARER_H_INCLUDED_
#define _NGX_HTTP_OIDC_BEARER_H_INCLUDED_


#include "ngx_http_oidc.h"

#include "oidc_access.h"
#include "oidc_bearer.h"
#include "oidc_client.h"
#include "oidc_dpop.h"


#define NGX_HTTP_OIDC_BEARER_OFF            0
#define NGX_HTTP_OIDC_BEARER_INTROSPECTION  1
#define NGX_HTTP_OIDC_BEARER_LOCAL          2

/* shared memory for bad tokens: some 900 of them */

#define NGX_HTTP_OIDC_BAD_SIZE  (512 * 1024)

/* what a token must be bound to, by "bound=" */

#define NGX_HTTP_OIDC_BOUND_DPOP  1
#define NGX_HTTP_OIDC_BOUND_MTLS  2
#define NGX_HTTP_OIDC_BOUND_ANY   3


/* one auth_oidc_bearer */

struct ngx_http_oidc_bearer_conf_s {
    ngx_uint_t      mode;
    ngx_str_t       realm;              /* empty: the provider's name */
    ngx_str_t       resource_metadata;  /* empty: none */
    ngx_uint_t      bound;              /* mask; 0: not required */
    unsigned        jws_algs;           /* of local tokens; 0: the usual */
    unsigned        jwe_algs;           /* 0: they are not encrypted */
    unsigned        jwe_encs;
    u_char         *file;               /* where it stands */
    ngx_uint_t      line;
    unsigned        only:1;             /* no sessions here */
    unsigned        base64:1;           /* tokens may be wrapped */
    unsigned        any_typ:1;          /* of local tokens */
    unsigned        error_400:1;        /* for every refused token */
    unsigned        preflight:1;        /* CORS preflights pass */
};


/* one auth_oidc_scope */

struct ngx_http_oidc_scopes_s {
    ngx_uint_t      all;
    ngx_str_t       text;               /* with blanks between */
};


/* one auth_oidc_bearer_caller */

struct ngx_http_oidc_caller_s {
    ngx_str_t       claim;              /* with a NUL behind */
    ngx_array_t     values;             /* of ngx_str_t; none: any */
};


/*
 * A token that was found good, shared by the requests that use it and by the
 * cache of the worker; freed with the last of them.
 */

typedef struct {
    ngx_pool_t     *pool;
    ngx_uint_t      refs;
    time_t          until;              /* how long it is in the cache */
    oidc_access_t   access;
    oidc_str_t      claims;             /* of oidc_claims_flatten() */
} ngx_http_oidc_good_t;


/* the token of a request; lives in the request's pool */

struct ngx_http_oidc_bearer_s {
    ngx_http_oidc_ctx_t       *ctx;
    ngx_http_oidc_provider_t  *provider;
    oidc_bearer_t              token;
    oidc_rc_t                  rc;      /* of the token itself */
    oidc_rc_t                  why;     /* more of it, for the log */
    oidc_rc_t                  verdict; /* with the rules of "judged" */
    ngx_http_oidc_loc_conf_t  *judged;
    ngx_http_oidc_good_t      *good;    /* set with OIDC_OK */

    u_char                     id[32];  /* of token and settings */
    oidc_handle_keys_t         keys;    /* from it: name and seal */
    ngx_msec_t                 since;   /* when it began to wait */

    oidc_form_t                form;
    ngx_http_oidc_fetch_t      fetch;
    oidc_jwe_policy_t          jwe;     /* with "opened" */
    oidc_jwe_opened_t          opened;
    oidc_dpop_t                dpop;
    u_char                     x5t[43];

    unsigned                   named:1; /* id is made */
    unsigned                   keyed:1; /* and keys from it */
    unsigned                   counted:1;   /* among the calls in flight */
    unsigned                   waited:1;    /* for metadata and keys */
    unsigned                   asked_keys:1;
    unsigned                   proved:1;    /* dpop is good, and spent */
    unsigned                   has_x5t:1;
};


/* ngx_http_oidc_bearer.c */

/* ends the steps: the guard will refuse, unless nobody asks it to */

ngx_int_t ngx_http_oidc_bearer_fail(ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc);

/* ngx_http_oidc_introspect.c: steps that end with "good", or fail */

ngx_int_t ngx_http_oidc_bearer_ready(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_ask(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_open(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_answer(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* gives the place among the calls in flight back, and the lock */

void ngx_http_oidc_bearer_release(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_bearer_t *b);

/* ngx_http_oidc_bound.c: steps */

ngx_int_t ngx_http_oidc_bearer_proof(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_binding(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

#define NGX_HTTP_OIDC_DPOP_ALGS  (OIDC_ES256|OIDC_EDDSA|OIDC_RS256|OIDC_PS256)

/*
 * ngx_http_oidc_bearer_cache.c: NGX_OK with b->good, NGX_DECLINED: known to be
 * bad, NGX_AGAIN: not known, NGX_ERROR.
 */

ngx_int_t ngx_http_oidc_bearer_recall(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* takes over "claims"; b->good is set, and kept as the settings say */

oidc_rc_t ngx_http_oidc_bearer_remember(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, json_t *claims);
void ngx_http_oidc_bearer_remember_bad(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
void ngx_http_oidc_bearer_drop(ngx_http_oidc_good_t *good);

/*
 * ngx_http_oidc_bearer_conf.c: 1 where an oidc_key of the provider, or of
 * http{}, does one of these; 1 with what stands behind "name", which is not
 * empty; a mask of "RS256,ES256", 0 where there is another word
 */

ngx_uint_t ngx_http_oidc_can_decrypt(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, unsigned algs);
ngx_uint_t ngx_http_oidc_param(ngx_str_t *param, const char *name,
    ngx_str_t *rest);
unsigned ngx_http_oidc_sign_algs(ngx_str_t *names);
char *ngx_http_oidc_bad_param(ngx_conf_t *cf, ngx_str_t *param);

/* ngx_http_oidc_challenge.c */

ngx_int_t ngx_http_oidc_bearer_refuse(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_refused(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


#endif /* _NGX_HTTP_OIDC_BEARER_H_INCLUDED_ */
