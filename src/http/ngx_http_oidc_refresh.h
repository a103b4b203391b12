
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the steps of a refresh share.  ngx_http_oidc_refresh.c has the list of
 * them and those around the store, ngx_http_oidc_renew.c those that talk to the
 * provider.
 */


#ifndef _NGX_HTTP_OIDC_REFRESH_H_INCLUDED_
#define _NGX_HTTP_OIDC_REFRESH_H_INCLUDED_


#include "ngx_http_oidc_callback.h"

#include "oidc_refresh.h"


typedef struct {
    ngx_http_oidc_callback_t    cb;         /* first: for the steps of both */
    oidc_session_t              session;    /* as it is to be stored */
    oidc_tokens_t               tokens;     /* likewise */
    oidc_str_t                  record;
    json_t                     *before;     /* claims so far, freed with r */
    oidc_due_e                  due;
    ngx_msec_t                  give_up;    /* when not to wait any longer */
    ngx_msec_t                  lease;      /* when the lock may be another's */
    ngx_msec_t                  nap;
    unsigned                    locked:1;
    unsigned                    refreshed:1;
    unsigned                    merged:1;
} ngx_http_oidc_refresh_t;


/* where a step that does not go on to the next one goes to */

typedef enum {
    NGX_HTTP_OIDC_REFRESH_LOCK = 1,
    NGX_HTTP_OIDC_REFRESH_MARK = 7,
    NGX_HTTP_OIDC_REFRESH_USERINFO = 13,
    NGX_HTTP_OIDC_REFRESH_STORE = 16,
    NGX_HTTP_OIDC_REFRESH_DELETE = 18,
    NGX_HTTP_OIDC_REFRESH_DONE = 20
} ngx_http_oidc_refresh_step_e;


ngx_int_t ngx_http_oidc_refresh_go(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_refresh_step_e step);

/* milliseconds for which the lock is ours still */

ngx_msec_int_t ngx_http_oidc_refresh_lease(ngx_http_oidc_ctx_t *ctx);

/* the one log line of an attempt: what it came to, and ctx->rc as the reason */

void ngx_http_oidc_refresh_log(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_uint_t level, const char *what);

/* nothing has come of it; the session goes on and asks again later */

ngx_int_t ngx_http_oidc_refresh_later(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

ngx_int_t ngx_http_oidc_refresh_metadata(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_keys(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_ask(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_answered(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_open_id_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_check(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_ask_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_open_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_read_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* ngx_http_oidc_refresh_write.c: steps, */

ngx_int_t ngx_http_oidc_refresh_mark(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_marked(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_store(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_stored(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_delete(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_deleted(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* and two ends: the session is over; the refresh comes to nothing, see there */

ngx_int_t ngx_http_oidc_refresh_gone(ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_refresh_put_off(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* the claims of the session from what is new and what is not */

ngx_int_t ngx_http_oidc_refresh_merge(ngx_http_oidc_ctx_t *ctx);


#endif /* _NGX_HTTP_OIDC_REFRESH_H_INCLUDED_ */
