
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* blocks whose directives are a table; for the files that parse them */


#ifndef _NGX_HTTP_OIDC_PROVIDER_H_INCLUDED_
#define _NGX_HTTP_OIDC_PROVIDER_H_INCLUDED_


#include "ngx_http_oidc.h"


char *ngx_http_oidc_block_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf, ngx_command_t *commands, void *other, const char *block);


#endif /* _NGX_HTTP_OIDC_PROVIDER_H_INCLUDED_ */
