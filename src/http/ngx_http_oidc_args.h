
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a login asks of the provider beyond a login, by provider or location:
 * acr_values, max_age, prompt and so on (OpenID Connect Core 3.1.2.1).
 */


#ifndef _NGX_HTTP_OIDC_ARGS_H_INCLUDED_
#define _NGX_HTTP_OIDC_ARGS_H_INCLUDED_


#include "ngx_http_oidc.h"


char *ngx_http_oidc_acr_values(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_prompt(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_ui_locales(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_login_hint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_claims(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_args_from_query(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* the rows of both tables of directives, which differ in contexts and where */

#define NGX_HTTP_OIDC_ARGS_COMMANDS(contexts, where, base)                    \
                                                                              \
    { ngx_string("acr_values"), (contexts)|NGX_CONF_1MORE,                    \
      ngx_http_oidc_acr_values, where, base, NULL },                          \
                                                                              \
    { ngx_string("max_age"), (contexts)|NGX_CONF_TAKE1,                       \
      ngx_conf_set_sec_slot, where,                                           \
      (base) + offsetof(ngx_http_oidc_args_t, max_age), NULL },               \
                                                                              \
    { ngx_string("prompt"), (contexts)|NGX_CONF_1MORE,                        \
      ngx_http_oidc_prompt, where, base, NULL },                              \
                                                                              \
    { ngx_string("ui_locales"), (contexts)|NGX_CONF_1MORE,                    \
      ngx_http_oidc_ui_locales, where, base, NULL },                          \
                                                                              \
    { ngx_string("login_hint"), (contexts)|NGX_CONF_TAKE1,                    \
      ngx_http_oidc_login_hint, where, base, NULL },                          \
                                                                              \
    { ngx_string("claims"), (contexts)|NGX_CONF_TAKE1,                        \
      ngx_http_oidc_claims, where, base, NULL },                              \
                                                                              \
    { ngx_string("auth_args_from_query"), (contexts)|NGX_CONF_1MORE,          \
      ngx_http_oidc_args_from_query, where, base, NULL },


void ngx_http_oidc_args_unset(ngx_http_oidc_args_t *args);
void ngx_http_oidc_args_merge(ngx_http_oidc_args_t *conf,
    const ngx_http_oidc_args_t *prev);

/*
 * The arguments of a login beyond those of any login, "name=value&...", and
 * what of them the login has to remember.
 */

ngx_int_t ngx_http_oidc_args_build(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, oidc_login_t *login, oidc_str_t *extra);

/* whether the session is as strong and fresh as the location wants it */

oidc_rc_t ngx_http_oidc_strong(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* 1 where a login would be silent, and one has found nobody lately */

ngx_uint_t ngx_http_oidc_nobody(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);

/* acr_values and max_age for who is too weak here (RFC 9470 section 3) */

void ngx_http_oidc_strength(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_strength_t *strength);

/* the "claims" parameter of this digest, or NULL: not configured any more */

const ngx_http_oidc_claims_request_t *ngx_http_oidc_claims_of(
    ngx_http_request_t *r, const u_char digest[OIDC_LOGIN_CLAIMS_LEN]);


#endif /* _NGX_HTTP_OIDC_ARGS_H_INCLUDED_ */
