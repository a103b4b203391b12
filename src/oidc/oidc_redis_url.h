
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * URLs of Redis: redis://[[user]:password@]host[:port][/db], rediss:// for TLS,
 * and unix:/path[?db=N].
 */


#ifndef _OIDC_REDIS_URL_H_INCLUDED_
#define _OIDC_REDIS_URL_H_INCLUDED_


#include "oidc_redis.h"


#define OIDC_REDIS_PORT       6379
#define OIDC_REDIS_DB_MAX     65535

/* sun_path, with its NUL */

#define OIDC_REDIS_PATH_MAX   107


typedef struct {
    oidc_str_t    host;         /* without brackets; of unix: the path */
    oidc_str_t    user;         /* decoded; empty: none */
    oidc_str_t    password;     /* likewise */
    unsigned      port;
    int           db;           /* -1: not said */
    unsigned      tls:1;
    unsigned      local:1;      /* unix: */
    unsigned      ip:1;         /* the host is an address */
} oidc_redis_url_t;


/*
 * NULL, or what is wrong with it: a constant that quotes nothing of the text,
 * in which a password may stand anywhere
 */

const char *oidc_redis_url_parse(oidc_pool_t *pool, const oidc_str_t *text,
    oidc_redis_url_t *url);


#endif /* _OIDC_REDIS_URL_H_INCLUDED_ */
