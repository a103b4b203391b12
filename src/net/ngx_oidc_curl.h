
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The fetch interface over libcurl's multi_socket API: one multi handle per
 * worker, driven by nginx's event loop.
 */


#ifndef _NGX_OIDC_CURL_H_INCLUDED_
#define _NGX_OIDC_CURL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_oidc_fetch.h"


/*
 * From init_process and exit_process of workers and the single process only;
 * other processes get NGX_OK and nothing.  The exit drops what is in flight
 * without calling done.
 */

ngx_int_t ngx_oidc_curl_init_process(ngx_cycle_t *cycle);
void ngx_oidc_curl_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_OIDC_CURL_H_INCLUDED_ */
