
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


#ifndef _OIDC_FORWARDED_H_INCLUDED_
#define _OIDC_FORWARDED_H_INCLUDED_


#include "oidc_base.h"


/*
 * What the nearest proxy says, which is what stands last: the last element of a
 * comma separated list ("X-Forwarded-Host: a, b"), without spaces around it.
 */

void oidc_list_last(const oidc_str_t *header, oidc_str_t *element);

/*
 * A parameter of the last element of Forwarded (RFC 7239 section 4), quotes
 * removed, names in any case.  1, or 0 where it is absent, doubled or
 * malformed.
 */

int oidc_forwarded(const oidc_str_t *header, const char *name,
    oidc_str_t *value);


#endif /* _OIDC_FORWARDED_H_INCLUDED_ */
