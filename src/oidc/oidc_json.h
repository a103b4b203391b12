
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


#ifndef _OIDC_JSON_H_INCLUDED_
#define _OIDC_JSON_H_INCLUDED_


#include <jansson.h>

#include "oidc_base.h"


/* deeper nesting is refused; jansson's own limit of 2048 is far too generous */

#define OIDC_JSON_DEPTH  64


/*
 * Parses one JSON object of at most "max" bytes: no duplicate members, no
 * U+0000, nothing behind it, nesting of at most OIDC_JSON_DEPTH.  OIDC_JSON
 * otherwise.  The caller owns *out (json_decref()).
 */

oidc_rc_t oidc_json_parse(const oidc_str_t *text, size_t max, json_t **out);

/*
 * The member as a string in jansson's memory, which lives as long as "object".
 * Returns 1; 0 where it is absent; -1 where it is something else.
 */

int oidc_json_str(const json_t *object, const char *name, oidc_str_t *out);

/*
 * A NumericDate (RFC 7519 section 2) in whole seconds, rounded down; reals and
 * integers alike, saturated to +-2^53.  Returns as oidc_json_str().
 */

int oidc_json_time(const json_t *object, const char *name, int64_t *out);

/* any value as compact JSON, in the pool */

oidc_rc_t oidc_json_text(oidc_pool_t *pool, const json_t *value,
    oidc_str_t *text);

/* 1 where array "name" (or a lone string) holds the string */

int oidc_json_has(const json_t *object, const char *name, const char *value);

/* the same with counted bytes; 0 for an empty one */

int oidc_json_lists(const json_t *object, const char *name,
    const oidc_str_t *value);


#endif /* _OIDC_JSON_H_INCLUDED_ */
