
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the steps of a callback share.  ngx_http_oidc_callback.c has the list of
 * them and those that look at the browser, ngx_http_oidc_exchange.c those that
 * talk to the provider, ngx_http_oidc_session.c those that make the session.
 */


#ifndef _NGX_HTTP_OIDC_CALLBACK_H_INCLUDED_
#define _NGX_HTTP_OIDC_CALLBACK_H_INCLUDED_


#include "ngx_http_oidc.h"

#include "oidc_authz.h"
#include "oidc_idtoken.h"


typedef struct {
    oidc_callback_t         args;
    oidc_login_t            login;
    oidc_str_t              redirect_uri;
    oidc_form_t             form;
    ngx_http_oidc_fetch_t   token;
    ngx_http_oidc_fetch_t   userinfo;
    oidc_tokens_t           tokens;
    oidc_expect_t           expect;
    unsigned                algs;
    oidc_jwe_opened_t       opened;         /* the ID token, then userinfo */
    oidc_jwe_policy_t       jwe;            /* with that */
    json_t                 *claims;         /* freed with the pool */
    json_t                 *user_claims;    /* likewise */
    oidc_str_t              flat;           /* of both */
    u_char                  handle[OIDC_HANDLE_LEN];
    oidc_handle_keys_t      keys;
    unsigned                asked_keys:1;
    unsigned                no_keys:1;      /* those of now cannot be had */
    unsigned                refreshed:1;    /* the ID token is of a refresh */
} ngx_http_oidc_callback_t;


ngx_int_t ngx_http_oidc_ask_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_read_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_need_keys(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_open_id_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_check_id_token(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_ask_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_open_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_read_userinfo(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
void ngx_http_oidc_callback_cleanup(void *data);

/* the call that takes a form to the provider */

oidc_rc_t ngx_http_oidc_post(ngx_http_oidc_ctx_t *ctx, const oidc_str_t *url,
    const oidc_form_t *form, ngx_http_oidc_fetch_t *f);

/* what an ID token or userinfo must be; NGX_DECLINED with ctx->rc */

ngx_int_t ngx_http_oidc_expect(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_callback_t *cb);

oidc_rc_t ngx_http_oidc_json_text(ngx_http_oidc_ctx_t *ctx,
    const json_t *json, oidc_str_t *text);
void ngx_http_oidc_access_times(ngx_http_oidc_provider_t *p,
    oidc_session_t *session, const oidc_tokens_t *tokens);
ngx_int_t ngx_http_oidc_new_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_drop_old_session(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
ngx_int_t ngx_http_oidc_go_back(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


#endif /* _NGX_HTTP_OIDC_CALLBACK_H_INCLUDED_ */
