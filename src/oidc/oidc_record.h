
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Records as they lie in Redis: how their keys are spelt, and what stands in
 * front of a value there.
 *
 *   0   version (1)
 *   1   reserved, zero
 *   4   how much of the value most requests need, big endian
 *   8   the value
 *
 * Whatever is read from there may have been written by anybody.
 */


#ifndef _OIDC_RECORD_H_INCLUDED_
#define _OIDC_RECORD_H_INCLUDED_


#include "oidc_b64.h"


#define OIDC_RECORD_VERSION_1   1
#define OIDC_RECORD_HEAD        8

#define OIDC_RECORD_NAME        32
#define OIDC_RECORD_TEXT        oidc_b64url_len(OIDC_RECORD_NAME)

/* of what keys begin with, chosen by the operator */

#define OIDC_RECORD_PREFIX_MAX  64

#define OIDC_RECORD_KEY_MAX                                                   \
    (OIDC_RECORD_PREFIX_MAX + sizeof("s:{}") + OIDC_RECORD_TEXT)


/* "<prefix>k:{<name, base64url>}", at most OIDC_RECORD_KEY_MAX; the end */

u_char *oidc_record_key(u_char *dst, const oidc_str_t *prefix, char kind,
    const u_char name[OIDC_RECORD_NAME]);

/* 1 with the name where a key is one of this prefix and kind */

int oidc_record_name(const oidc_str_t *key, const oidc_str_t *prefix,
    char kind, u_char name[OIDC_RECORD_NAME]);

/* printable ASCII without blanks, braces, quotes and backslashes, bounded */

int oidc_record_prefix_ok(const oidc_str_t *prefix);

void oidc_record_begin(u_char head[OIDC_RECORD_HEAD], size_t head_len);

/* 1 with the value, which points into what is stored, else 0 */

int oidc_record_read(const oidc_str_t *stored, size_t max, oidc_str_t *value,
    size_t *head_len);


#endif /* _OIDC_RECORD_H_INCLUDED_ */
