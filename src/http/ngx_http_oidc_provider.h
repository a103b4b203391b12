
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* blocks whose directives are a table; for the files that parse them */


#ifndef _NGX_HTTP_OIDC_PROVIDER_H_INCLUDED_
#define _NGX_HTTP_OIDC_PROVIDER_H_INCLUDED_


#include "ngx_http_oidc.h"


/* of what the provider's logout page frames; its origins follow */

#define NGX_HTTP_OIDC_CSP  "default-src 'none'; frame-ancestors"


/* one auth_oidc, until its name is a pointer */

typedef struct {
    ngx_http_oidc_loc_conf_t  *lcf;
    ngx_http_oidc_srv_conf_t  *scf;     /* NULL: set in http{} */
    ngx_str_t                  name;    /* empty: by value, any provider */
    u_char                    *file;
    ngx_uint_t                 line;
} ngx_http_oidc_use_t;


/* an oidc_session_store { } while it is read */

typedef struct {
    ngx_oidc_store_conf_t   sc;
    ngx_str_t               hostname;
    ngx_str_t               password_file;
    ngx_int_t               port;
    ngx_msec_t              connect_timeout;
    ngx_msec_t              command_timeout;
    ngx_flag_t              cluster;
    ngx_flag_t              ssl_verify;
    ngx_str_t               redis_only;     /* the first such directive */
} ngx_http_oidc_store_block_t;


char *ngx_http_oidc_block_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf, ngx_command_t *commands, void *other, const char *block);
ngx_uint_t ngx_http_oidc_args_ok(ngx_conf_t *cf, ngx_command_t *cmd);
char *ngx_http_oidc_provider_check(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);

/* ngx_http_oidc_back_channel.c: 1 where the block has this directive */

ngx_uint_t ngx_http_oidc_back_channel_seen(ngx_http_oidc_provider_t *p,
    const char *name);

/* ngx_http_oidc_client.c: who we are for the provider; they log the [emerg] */

char *ngx_http_oidc_jwe_algs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_oidc_client_check(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
ngx_int_t ngx_http_oidc_client_finish(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, ngx_array_t *keys);

char *ngx_http_oidc_store_check(ngx_conf_t *cf,
    ngx_http_oidc_store_block_t *b);
ngx_uint_t ngx_http_oidc_begins(ngx_str_t *s, const char *with);

/* ngx_http_oidc_provider_set.c: handlers of its directives */

char *ngx_http_oidc_scope(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_algs(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_audience(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_frontchannel_uri(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_ancestors(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_oidc_introspection_unset(ngx_http_oidc_provider_t *p);
char *ngx_http_oidc_introspection_response(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_oidc_introspection_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_oidc_introspection_check(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
char *ngx_http_oidc_logout_callback_uri(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


#endif /* _NGX_HTTP_OIDC_PROVIDER_H_INCLUDED_ */
