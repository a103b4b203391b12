
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* where nginx is in sight, a string of the pure layer is one of nginx */


#ifndef _NGX_OIDC_H_INCLUDED_
#define _NGX_OIDC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#define OIDC_STR  ngx_str_t

#include "oidc_base.h"


#endif /* _NGX_OIDC_H_INCLUDED_ */
