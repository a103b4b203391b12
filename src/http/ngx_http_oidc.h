
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the files of src/http share: the configuration, the context of a
 * request, and the verbs of each file.  The way of a request:
 *
 *   post-read   hide       codes and states from every log, on our own URIs
 *   preaccess   identify   finds the session, before limit_req looks
 *   access      guard      lets pass, sends to log in, or answers 401
 *   precontent  endpoint   answers the module's own URIs
 *
 * Nothing of a request is ever kept in a configuration; "authenticated" is set
 * in one place, identify.
 */


#ifndef _NGX_HTTP_OIDC_H_INCLUDED_
#define _NGX_HTTP_OIDC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_oidc_compat.h"

#include "ngx_oidc.h"
#include "ngx_oidc_idp.h"
#include "ngx_oidc_store.h"

#include "oidc_jwe.h"
#include "oidc_key.h"
#include "oidc_login.h"
#include "oidc_session.h"
#include "oidc_token.h"
#include "oidc_url.h"


/* at most so many logins are pending in one browser; the oldest is dropped */

#define NGX_HTTP_OIDC_LOGINS_MAX   10

/* and their cookies take at most this much of the Cookie header (8k lines) */

#define NGX_HTTP_OIDC_LOGINS_SIZE  6000

/* seconds for which a browser is not asked silently again (prompt=none) */

#define NGX_HTTP_OIDC_SILENT_TIME  60


typedef struct ngx_http_oidc_ctx_s       ngx_http_oidc_ctx_t;
typedef struct ngx_http_oidc_provider_s  ngx_http_oidc_provider_t;
typedef struct ngx_http_oidc_job_s       ngx_http_oidc_job_t;
typedef struct ngx_http_oidc_cached_s    ngx_http_oidc_cached_t;

/* of ngx_http_oidc_bearer.h */

typedef struct ngx_http_oidc_bearer_s       ngx_http_oidc_bearer_t;
typedef struct ngx_http_oidc_bearer_conf_s  ngx_http_oidc_bearer_conf_t;
typedef struct ngx_http_oidc_scopes_s       ngx_http_oidc_scopes_t;
typedef struct ngx_http_oidc_caller_s       ngx_http_oidc_caller_t;

/*
 * A step of a flow.  NGX_OK goes on; NGX_AGAIN waits, with completion, timeout
 * and cancel armed, and the next step follows when ngx_http_oidc_wake() was
 * called, or the same one again after NGX_BUSY; NGX_DONE has answered;
 * NGX_DECLINED fails with ctx->rc.
 */

typedef ngx_int_t (*ngx_http_oidc_step_pt)(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


/* the module's own URIs */

typedef enum {
    NGX_HTTP_OIDC_REDIRECT_URI = 0,
    NGX_HTTP_OIDC_LOGIN_URI,
    NGX_HTTP_OIDC_LOGOUT_URI,
    NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI,
    NGX_HTTP_OIDC_BACKCHANNEL_URI,
    NGX_HTTP_OIDC_FRONTCHANNEL_URI,
    NGX_HTTP_OIDC_URI_MAX
} ngx_http_oidc_uri_e;


/* one "claims" parameter, found again by the digest in a login cookie */

typedef struct {
    ngx_str_t                   text;
    u_char                      digest[OIDC_LOGIN_CLAIMS_LEN];
    json_t                     *json;
} ngx_http_oidc_claims_request_t;


/* what a login asks for, see ngx_http_oidc_args.h; data NULL: not set */

typedef struct {
    ngx_str_t                   acr_values;
    time_t                      max_age;
    ngx_str_t                   prompt;
    ngx_str_t                   ui_locales;
    ngx_str_t                   claims;
    u_char                      claims_digest[OIDC_LOGIN_CLAIMS_LEN];
    ngx_http_complex_value_t   *login_hint;
    ngx_array_t                *from_query;     /* of ngx_str_t */
} ngx_http_oidc_args_t;


/* introspection_response and introspection_cache */

typedef struct {
    ngx_uint_t                  response;   /* oidc_introspect_e */
    unsigned                    jws_algs;   /* masks; 0: the usual */
    unsigned                    jwe_algs;
    unsigned                    jwe_encs;
    time_t                      cache;      /* 0: off */
    time_t                      negative;
    size_t                      size;
    ngx_oidc_store_t           *good;       /* NULL: off, or no bearers */
    ngx_oidc_store_t           *bad;
    u_char                      settings[32];   /* digest of all these */
    ngx_uint_t                  calls;      /* of this worker, in flight */
} ngx_http_oidc_introspection_t;


struct ngx_http_oidc_provider_s {
    ngx_str_t                   name;
    ngx_str_t                   realm;      /* in sessions: whose they are */
    ngx_str_t                   audience;   /* in indexes: issuer and client */
    ngx_oidc_idp_t             *idp;        /* issuer, endpoints, TLS files */
    oidc_client_t               client;
    ngx_str_t                   cookie_name;
    ngx_str_t                   cookie_domain;
    ngx_str_t                   extra_auth_args;
    ngx_http_oidc_args_t        args;
    ngx_uint_t                  form_post;  /* the callback is a POST */
    ngx_str_t                   scope;
    ngx_str_t                   uri[NGX_HTTP_OIDC_URI_MAX];   /* as given */
    ngx_str_t                   path[NGX_HTTP_OIDC_URI_MAX];  /* of it */
    ngx_str_t                   post_logout_uri;
    ngx_array_t                *trusted_audience;   /* of ngx_str_t */
    ngx_str_t                   session_store;
    ngx_oidc_store_t           *store;

    ngx_array_t                 keys;       /* of oidc_key_t, of this block */
    ngx_array_t                 jwe_keys;   /* and of http{}: all use=enc */
    oidc_jwe_policy_t           id_token_jwe;       /* algs 0: none */
    oidc_jwe_policy_t           userinfo_jwe;
#if (NGX_THREADS)
    ngx_thread_pool_t          *threads;    /* NULL: no key needs one */
#endif
    ngx_str_t                   client_assertion_audience;
    ngx_str_t                   client_secret_file;
    ngx_str_t                   ssl_trusted_certificate;
    ngx_str_t                   ssl_crl;

    time_t                      session_timeout;
    time_t                      session_lifetime;
    time_t                      pre_auth_timeout;
    time_t                      clock_skew;
    time_t                      refresh_leeway;
    time_t                      access_token_lifetime;  /* 0: not known */
    time_t                      userinfo_interval;      /* 0: at login only */
    ngx_msec_t                  timeout;    /* of one call to the provider */
    ngx_uint_t                  client_auth_method;
    ngx_uint_t                  refresh;
    ngx_uint_t                  refresh_error;
    ngx_uint_t                  id_token_algs;      /* masks; 0: not set */
    ngx_uint_t                  userinfo_algs;

    ngx_flag_t                  pkce;
    ngx_flag_t                  par;
    ngx_flag_t                  request_object;
    ngx_flag_t                  userinfo;
    ngx_flag_t                  logout_token_hint;
    ngx_flag_t                  logout_cross_site;
    ngx_flag_t                  logout_revoke;
    ngx_flag_t                  pass_cookies;
    ngx_flag_t                  allow_http;
    ngx_flag_t                  logout_strict;
    ngx_flag_t                  frontchannel_any_iss;
    ngx_str_t                   frontchannel_csp;   /* who may frame it */

    /* cookie names: [0] on http, [1] on https */
    oidc_str_t                  session_cookie[2];
    oidc_str_t                  login_cookie[2];    /* with a "." behind */
    oidc_str_t                  logout_cookie[2];

    ngx_http_oidc_introspection_t  introspection;

    ngx_array_t                *nginx_directives;   /* seen in the block */
    ngx_http_conf_ctx_t        *back_channel;

    u_char                     *file;               /* of oidc_provider */
    ngx_uint_t                  line;
};


typedef struct {
    ngx_str_t                   path;
    ngx_http_oidc_uri_e         kind;
    ngx_http_oidc_provider_t   *provider;
} ngx_http_oidc_own_uri_t;


typedef struct {
    ngx_str_t                   name;
    ngx_oidc_store_t           *store;
} ngx_http_oidc_named_store_t;


typedef struct {
    ngx_array_t                 providers;  /* of pointers */
    ngx_array_t                 stores;     /* of named_store_t */
    ngx_array_t                 keys;       /* of oidc_key_t, of http{} */
    ngx_array_t                 all_keys;   /* and of the providers: /jwks */
    ngx_str_t                   jwks;       /* what oidc_jwks answers */
    ngx_str_t                   jwks_etag;
    oidc_ring_t                *ring;       /* of the cycle, or in a zone */
    ngx_array_t                 uses;       /* of auth_oidc, by name */
    ngx_array_t                 claims_requests;
    ngx_int_t                   request_id; /* variable's index */
    ngx_int_t                   realip;     /* likewise, or NGX_ERROR */
    ngx_uint_t                  bearer;     /* tokens are taken somewhere */
    ngx_uint_t                  tokens;     /* some variable is one */
} ngx_http_oidc_main_conf_t;


typedef struct {
    ngx_array_t                 own;        /* of own_uri_t */
    ngx_array_t                 strip;      /* of oidc_str_t, cookie names */
    ngx_array_t                *trusted_proxies;
} ngx_http_oidc_srv_conf_t;


/* one auth_oidc_require: all of its values, and the refusal */

typedef struct {
    ngx_array_t                 values;     /* of ngx_http_complex_value_t */
    oidc_rc_t                   rc;
    u_char                     *file;
    ngx_uint_t                  line;
} ngx_http_oidc_require_t;


typedef struct {
    ngx_str_t                   name;
    u_char                     *lowcase;
    ngx_uint_t                  hash;
    ngx_http_complex_value_t    value;
} ngx_http_oidc_header_t;


typedef struct {
    ngx_http_oidc_provider_t   *provider;   /* NULL: off, or by value */
    ngx_http_complex_value_t   *value;      /* with variables, else NULL */
    ngx_flag_t                  off;
    ngx_uint_t                  mode;
    ngx_uint_t                  unauth_action;
    ngx_str_t                   base_url;
    oidc_url_t                  base;       /* parsed; scheme.len 0: none */
    ngx_uint_t                  sessions;   /* oidc_sessions answers here */
    ngx_uint_t                  jwks;       /* oidc_jwks answers here */
    u_char                     *jwks_file;  /* where it says so */
    ngx_uint_t                  jwks_line;
    time_t                      jwks_max_age;
    ngx_http_oidc_args_t        args;
    ngx_array_t                *require;    /* of require_t; NULL: none */
    ngx_array_t                *headers;    /* of header_t; NULL: none */
    ngx_http_oidc_bearer_conf_t *bearer;    /* NULL: tokens are not taken */
    ngx_array_t                *bearer_audience;    /* of ngx_str_t; NULL:
                                                       client_id */
    ngx_http_oidc_caller_t     *bearer_caller;      /* NULL: any */
    ngx_http_oidc_scopes_t     *scopes;     /* NULL: none is needed */
} ngx_http_oidc_loc_conf_t;


#define NGX_HTTP_OIDC_MODE_OFF          0
#define NGX_HTTP_OIDC_MODE_VERIFY       1
#define NGX_HTTP_OIDC_MODE_REQUIRE      2

#define NGX_HTTP_OIDC_UNAUTH_AUTO       0
#define NGX_HTTP_OIDC_UNAUTH_REDIRECT   1
#define NGX_HTTP_OIDC_UNAUTH_401        2


#define NGX_HTTP_OIDC_REFRESH_OFF       0
#define NGX_HTTP_OIDC_REFRESH_ON        1
#define NGX_HTTP_OIDC_REFRESH_REQUIRED  2

#define NGX_HTTP_OIDC_REFRESH_END       0
#define NGX_HTTP_OIDC_REFRESH_KEEP      1


/* our public address, as the browser sees it */

typedef struct {
    unsigned                    https:1;
    unsigned                    known:1;
    ngx_str_t                   text;       /* "https://host[:port]" */
} ngx_http_oidc_origin_t;


/* one call to the provider, by a subrequest; see ngx_http_oidc_fetch.c */

typedef struct {
    /* the request */
    ngx_str_t                   url;
    ngx_str_t                   method;
    ngx_str_t                   accept;
    ngx_str_t                   authorization;
    ngx_str_t                   content_type;
    ngx_str_t                   body;

    /* the answer: OIDC_OK, or why there is none */
    oidc_rc_t                   rc;
    ngx_uint_t                  status;
    ngx_str_t                   answer_type;
    ngx_str_t                   answer;

    /* ours */
    ngx_http_oidc_provider_t   *provider;
    ngx_http_request_t         *sr;
    ngx_str_t                   target;     /* the URL as proxy_pass wants it */
    ngx_str_t                   host;       /* Host header */
    ngx_str_t                   name;       /* for certificates */
    oidc_url_t                  parsed;
    ngx_event_t                 timer;
    unsigned                    done:1;
    unsigned                    timedout:1;
    unsigned                    sent:1;     /* the provider may have seen it */
    unsigned                    asked:1;    /* for the host's address */
    unsigned                    resolved:1; /* by us: tell when it fails */
} ngx_http_oidc_fetch_t;


/* a lease that this request may have; store NULL: none */

typedef struct {
    ngx_oidc_store_t           *store;
    u_char                      name[NGX_OIDC_STORE_NAME_LEN];
    u_char                      owner[NGX_OIDC_STORE_OWNER_LEN];
} ngx_http_oidc_lock_t;


struct ngx_http_oidc_ctx_s {
    ngx_http_request_t         *request;    /* the main request */
    oidc_pool_t                 pool;       /* over request->pool */
    ngx_http_oidc_provider_t   *provider;
    ngx_http_oidc_own_uri_t    *own;        /* it asks for one of our URIs */
    ngx_http_oidc_own_uri_t    *failed;     /* the one that was refused */

    /* the session: valid where authenticated */
    oidc_session_t              session;
    oidc_handle_keys_t          keys;
    oidc_tokens_t               tokens;
    oidc_str_t                  record;
    oidc_str_t                  handle;     /* the cookie's value */
    ngx_http_oidc_cached_t     *cached;     /* where this worker knows it */
    u_char                      stamp[OIDC_SESSION_STAMP];  /* as last seen */

    /* the access token that was sent, NULL: none; and who wanted it so */
    ngx_http_oidc_bearer_t     *bearer;
    ngx_http_oidc_bearer_conf_t  *bearer_conf;
    ngx_array_t                *bearer_audience;

    ngx_http_oidc_origin_t      origin;
    ngx_array_t                *cookies;    /* the lines, before stripping */
    ngx_array_t                *headers;    /* of auth_oidc_header, sent */
    oidc_rc_t                   rc;         /* why the request was refused */
    ngx_str_t                   detail;     /* of it, fit for log and header */
    ngx_str_t                   args;       /* taken away from r->args */
    ngx_str_t                   body;       /* of a POST to an URI of ours */
    void                      **loc_conf;   /* r's own while that is read */
    const char                 *what;       /* for the log: "login", "logout" */

    /* the flow, and what it waits for */
    ngx_http_oidc_step_pt      *step;
    oidc_rc_t                   wait_rc;
    ngx_oidc_store_op_t         op;
    ngx_oidc_idp_waiter_t      *waiter;     /* NULL: has never waited so */
    ngx_event_t                *timer;      /* likewise */
    ngx_http_oidc_lock_t       *lock;       /* likewise */
    ngx_http_oidc_job_t        *job;
    ngx_http_oidc_fetch_t      *fetch;
    ngx_msec_t                  patience;   /* 0: timeout of the provider */
    void                       *revocation;
    void                       *flow;       /* of callback or logout */
    oidc_login_t               *previous;   /* the one that is tried again */

    unsigned                    waiting:1;
    unsigned                    waits_store:1;
    unsigned                    identifying:1;
    unsigned                    authenticated:1;
    unsigned                    has_session:1;  /* keys name a record */
    unsigned                    has_tokens:1;
    unsigned                    unavailable:1;  /* the store was */
    unsigned                    refused:1;      /* an error was answered */
    unsigned                    stale_cookie:1; /* it opens nothing */
    unsigned                    weak:1;         /* for this location */
    unsigned                    machine:1;      /* JSON, whatever happens */
    unsigned                    body_read:1;
    unsigned                    refreshing:1;
    unsigned                    refreshed:1;    /* as far as it went */
    unsigned                    ended:1;        /* by it, in this request */
    unsigned                    keep:1;     /* going on without the client */
    unsigned                    left:1;         /* which has gone */
};


extern ngx_module_t  ngx_http_oidc_module;

/* behind a login cookie's prefix: a silent login has found nobody */

extern const oidc_str_t  ngx_http_oidc_silent;


/* ngx_http_oidc_conf.c: blocks and directives with a mind of their own */

char *ngx_http_oidc_provider_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_base_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_trusted_proxy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void *ngx_http_oidc_create_main_conf(ngx_conf_t *cf);
void *ngx_http_oidc_create_srv_conf(ngx_conf_t *cf);
char *ngx_http_oidc_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child);
void *ngx_http_oidc_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_oidc_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
char *ngx_http_oidc_init_main_conf(ngx_conf_t *cf, void *conf);
ngx_http_oidc_provider_t *ngx_http_oidc_find_provider(
    ngx_http_oidc_main_conf_t *omcf, ngx_str_t *name);

/* ngx_http_oidc_store_conf.c: oidc_session_store, and session_store */

char *ngx_http_oidc_store_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_session_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_oidc_store_t *ngx_http_oidc_find_store(ngx_http_oidc_main_conf_t *omcf,
    ngx_str_t *name);

/* ngx_http_oidc_keys.c: key files, the cookie key, /jwks */

char *ngx_http_oidc_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_cookie_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_jwks(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_oidc_keys_finish(ngx_conf_t *cf);

/* 1 where no later directive has taken the location from oidc_jwks */

ngx_uint_t ngx_http_oidc_jwks_answers(ngx_conf_t *cf);

/*
 * A file of a secret, from the cycle's pool, without the line's end; wiped with
 * the cycle.  Logs the [emerg].
 */

ngx_int_t ngx_http_oidc_read_secret(ngx_conf_t *cf, ngx_str_t *name,
    size_t max, ngx_str_t *secret);

/*
 * ngx_http_oidc_client.c: a client that authenticates now, to an endpoint that
 * takes "methods" (a member of the metadata), and that endpoint.
 */

void ngx_http_oidc_client(ngx_http_oidc_provider_t *p,
    const oidc_metadata_t *metadata, unsigned methods, oidc_client_t *client);

#define ngx_http_oidc_endpoint_url(p, metadata, name)                         \
    (((p)->client.auth == OIDC_CLIENT_TLS) ? &(metadata)->mtls.name           \
                                           : &(metadata)->name)

/*
 * ngx_http_oidc_decrypt.c: fills *opened for a copy of the policy; NGX_OK,
 * NGX_AGAIN where that takes a thread, NGX_DECLINED with ctx->rc, NGX_ERROR.
 * "opened" lives as long as the request, opened->jwe.header is the caller's.
 */

ngx_int_t ngx_http_oidc_decrypt(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_str_t *token,
    const oidc_jwe_policy_t *policy, oidc_jwe_opened_t *opened);
void ngx_http_oidc_decrypt_cancel(ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_decrypt_init(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);

/* ngx_http_oidc_back_channel.c: the provider's block as a location */

char *ngx_http_oidc_back_channel_create(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);

/* 1: known and set, 0: not one of them, -1: failed (logged) */

ngx_int_t ngx_http_oidc_back_channel_directive(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
char *ngx_http_oidc_back_channel_finish(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
ngx_int_t ngx_http_oidc_back_channel_merge(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);

/* ngx_http_oidc_step.c: the context, the step runner, waiting */

oidc_pool_t ngx_http_oidc_pool(ngx_pool_t *pool);

ngx_http_oidc_ctx_t *ngx_http_oidc_get_ctx(ngx_http_request_t *r);
ngx_http_oidc_ctx_t *ngx_http_oidc_make_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_oidc_run(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx);
void ngx_http_oidc_wake(ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc);

/* what a wait for something foreign ends with, behind wake */

void ngx_http_oidc_resume(ngx_http_oidc_ctx_t *ctx);

/* nothing of this request goes on, whatever location it gets to */

void ngx_http_oidc_give_up(ngx_http_oidc_ctx_t *ctx);

/* the flow that it was in, which may wait: nginx has refused the body, say */

void ngx_http_oidc_abandon(ngx_http_oidc_ctx_t *ctx);

/*
 * Before NGX_AGAIN for what is no subrequest: notices that the client left,
 * which ends the request unless ctx->keep is set.
 */

void ngx_http_oidc_wait_foreign(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* waits for metadata and keys, or fresh keys; or for the address of a host */

ngx_int_t ngx_http_oidc_wait_idp(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_oidc_idp_what_e what);
ngx_int_t ngx_http_oidc_wait_addr(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_str_t *host, in_port_t port);

/*
 * Runs a verb of a store over ctx->op, as the end of a step: NGX_AGAIN waits,
 * NGX_OK goes on.  What has come of it is in ctx->op.rc and .why.
 */

ngx_int_t ngx_http_oidc_store(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_t *store, ngx_int_t (*verb)(ngx_oidc_store_op_t *op),
    ngx_oidc_store_kind_e kind, const u_char *name);

/*
 * One lock at a time for a request, of which only one among all does what many
 * need.  The lease, in milliseconds, is to be longer than what is done under
 * it; it is given back by unlock, and at the latest when the request ends.
 * Results as those of the store above.
 */

ngx_int_t ngx_http_oidc_lock(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_t *store, const u_char *name, ngx_msec_t lease);
void ngx_http_oidc_unlock(ngx_http_oidc_ctx_t *ctx);

/* waits for nothing but time, NGX_AGAIN; NGX_BUSY instead repeats the step */

ngx_int_t ngx_http_oidc_sleep(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_msec_t timeout);

/* what a failed store operation says to the operator, into ctx->detail */
void ngx_http_oidc_store_explain(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/*
 * ngx_http_oidc_body.c: a step that reads a form, which may wait, and then one
 * that takes it for ctx->args, or its arguments, decoded: NGX_DECLINED where
 * one is missing, repeated or malformed.
 */

ngx_int_t ngx_http_oidc_read_form(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_form_args(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_form_arg(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const char *arg, oidc_str_t *out);

/* ngx_http_oidc_end.c: into ctx->op, for create and del of this session */

ngx_int_t ngx_http_oidc_index_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_session_t *session);

/* deletes it and its indexes, session NULL: none; ends as a step does */

ngx_int_t ngx_http_oidc_end_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_session_t *session,
    const u_char *name);

/* ngx_http_oidc_fetch.c: fetch over a subrequest */

ngx_int_t ngx_http_oidc_fetch(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_fetch_t *f);

/* once woken: NGX_OK, or NGX_DECLINED where there is no whole answer */

ngx_int_t ngx_http_oidc_fetched(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_fetch_t *f);
ngx_int_t ngx_http_oidc_fetch_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t offset);

/* ngx_http_oidc_origin.c: who we are for the browser; request headers */

ngx_uint_t ngx_http_oidc_https(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_origin(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* "uri" on our origin, or as it is where it is absolute */

ngx_int_t ngx_http_oidc_absolute(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_str_t *uri, oidc_str_t *out);

/* the one header of this (lower case) name; NULL where none, or several */

ngx_table_elt_t *ngx_http_oidc_header(ngx_http_request_t *r, const char *name,
    ngx_uint_t *n);
ngx_uint_t ngx_http_oidc_cross_site(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* the value of our cookie; 0 where there is none or several differ */

ngx_uint_t ngx_http_oidc_cookie(ngx_http_request_t *r, const oidc_str_t *name,
    oidc_str_t *value);
ngx_uint_t ngx_http_oidc_cookies(ngx_http_request_t *r, ngx_uint_t i,
    oidc_str_t *line);

/* ngx_http_oidc_strip.c: nothing of ours for whoever is behind */

ngx_int_t ngx_http_oidc_strip_cookies(ngx_http_request_t *r,
    ngx_http_oidc_srv_conf_t *scf);
ngx_int_t ngx_http_oidc_remove_header(ngx_http_request_t *r,
    ngx_table_elt_t *h);

/* ngx_http_oidc_header.c: auth_oidc_header, for whoever is behind */

char *ngx_http_oidc_header_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_oidc_merge_headers(ngx_array_t **conf, ngx_array_t *prev);
ngx_uint_t ngx_http_oidc_sets_header(ngx_array_t *headers, const char *name);
ngx_int_t ngx_http_oidc_scrub_headers(ngx_http_request_t *r);
ngx_int_t ngx_http_oidc_send_headers(ngx_http_request_t *r);

/* ngx_http_oidc_authorize.c: claims as conditions */

char *ngx_http_oidc_claim_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
oidc_rc_t ngx_http_oidc_authorize(ngx_http_request_t *r);

/* ngx_http_oidc_reply.c: every answer that we send ourselves */

ngx_int_t ngx_http_oidc_set_cookie(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_str_t *name, const oidc_str_t *suffix,
    const oidc_str_t *value, int64_t max_age);
ngx_int_t ngx_http_oidc_redirect(ngx_http_request_t *r,
    const oidc_str_t *location);
ngx_int_t ngx_http_oidc_unauthorized(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* the refusal itself, where the guard would catch its error_page as well */

ngx_int_t ngx_http_oidc_refused(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* the log line of ctx->rc */

void ngx_http_oidc_log_refusal(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* it, and the page; NGX_DONE, or a status for error_page */

ngx_int_t ngx_http_oidc_refuse(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc);
ngx_int_t ngx_http_oidc_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);

/* csp: NULL, or a Content-Security-Policy by which others may frame it */

ngx_int_t ngx_http_oidc_logged_out(ngx_http_request_t *r, ngx_str_t *csp);

/* 200 with JSON, or with nothing, that nobody may keep */

ngx_int_t ngx_http_oidc_answer(ngx_http_request_t *r, ngx_str_t *json);
ngx_int_t ngx_http_oidc_private(ngx_http_request_t *r);

/* ngx_http_oidc_page.c: what is said of ctx->rc, from the request's pool */

ngx_uint_t ngx_http_oidc_status(ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc);
ngx_int_t ngx_http_oidc_page(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_str_t *id, ngx_str_t *type, ngx_str_t *body);
ngx_str_t ngx_http_oidc_request_id(ngx_http_request_t *r);
ngx_int_t ngx_http_oidc_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/*
 * ngx_http_oidc_pending.c: deletes cookies of logins that are over, and the
 * oldest, so that one of "size" bytes more finds room in the Cookie header.
 */

ngx_int_t ngx_http_oidc_drop_pending(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, size_t size);

/* parts of them */

ngx_int_t ngx_http_oidc_finish(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);
ngx_uint_t ngx_http_oidc_has_error_page(ngx_http_request_t *r,
    ngx_uint_t status);

/* the resource server, see ngx_http_oidc_bearer.h */

char *ngx_http_oidc_bearer_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_bearer_audience(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_bearer_caller(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_require_scope(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_bearer_merge(ngx_conf_t *cf,
    ngx_http_oidc_loc_conf_t *conf);
ngx_int_t ngx_http_oidc_bearer_stores(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
ngx_uint_t ngx_http_oidc_bearer_same(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_begin(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_bearer_guard(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_add_challenge(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc);
void ngx_http_oidc_bearer_clear(void);

/* the phases */

ngx_int_t ngx_http_oidc_hide(ngx_http_request_t *r);
ngx_int_t ngx_http_oidc_identify(ngx_http_request_t *r);
ngx_int_t ngx_http_oidc_guard(ngx_http_request_t *r);
ngx_int_t ngx_http_oidc_endpoint(ngx_http_request_t *r);

/* 1 where a person looks at the answer, and a redirect would lead somewhere */

ngx_uint_t ngx_http_oidc_navigation(ngx_http_request_t *r);

/* opens ctx->tokens, which most requests never need; of sessions only */

ngx_int_t ngx_http_oidc_tokens(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* before a session counts: tokens and claims that are due are asked for */

ngx_int_t ngx_http_oidc_refresh(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* the time to live of a session record from now on, in milliseconds */

ngx_msec_t ngx_http_oidc_ttl(ngx_http_oidc_provider_t *p,
    const oidc_session_t *session);
ngx_msec_t ngx_http_oidc_touch_interval(ngx_http_oidc_provider_t *p);

/* flows */

ngx_int_t ngx_http_oidc_login(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *return_to);
ngx_int_t ngx_http_oidc_login_begin(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const oidc_str_t *return_to);
ngx_int_t ngx_http_oidc_need_metadata(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
oidc_rc_t ngx_http_oidc_next(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_str_t *next);
unsigned ngx_http_oidc_id_token_algs(ngx_http_oidc_provider_t *p);
ngx_int_t ngx_http_oidc_login_uri(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_callback(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_logout(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_revoke(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_logout_callback(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_backchannel(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_frontchannel(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_sessions(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
char *ngx_http_oidc_sessions_here(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_oidc_vars.c */

ngx_int_t ngx_http_oidc_add_variables(ngx_conf_t *cf);

/* 1 where the configuration, read to its end, has a variable of a token */

ngx_uint_t ngx_http_oidc_token_variables(ngx_conf_t *cf);

/* an empty value is none: "not found" lets map and proxy_set_header skip it */

ngx_int_t ngx_http_oidc_var_set(ngx_http_variable_value_t *v,
    const u_char *data, size_t len);


#endif /* _NGX_HTTP_OIDC_H_INCLUDED_ */
