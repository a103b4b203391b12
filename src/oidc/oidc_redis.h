
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a Redis server's answers mean: kinds of errors, redirections and slots
 * of a cluster, what a Sentinel says, invalidation messages.  The answers come
 * as trees of another's making (hiredis reads the protocol); no type, length or
 * count in them is trusted.
 */


#ifndef _OIDC_REDIS_H_INCLUDED_
#define _OIDC_REDIS_H_INCLUDED_


#include "oidc_base.h"


#define OIDC_REDIS_SLOTS      16384

/* names of hosts as DNS has them, or a path of a socket (sun_path) */

#define OIDC_REDIS_HOST_MAX   255


typedef enum {
    OIDC_REDIS_NIL = 0,
    OIDC_REDIS_STRING,
    OIDC_REDIS_STATUS,
    OIDC_REDIS_ERROR,
    OIDC_REDIS_INTEGER,
    OIDC_REDIS_ARRAY
} oidc_redis_type_e;


typedef struct oidc_redis_reply_s  oidc_redis_reply_t;

struct oidc_redis_reply_s {
    oidc_redis_type_e     type;
    oidc_str_t            str;        /* STRING, STATUS, ERROR: any byte */
    int64_t               integer;
    size_t                elements;
    oidc_redis_reply_t   *element;    /* ARRAY: so many, one after another */
};


/* kinds of error answers; none of these commands was executed */

typedef enum {
    OIDC_REDIS_FINE = 0,    /* no error */
    OIDC_REDIS_OTHER,       /* an error of the command itself */
    OIDC_REDIS_LOADING,     /* LOADING: a server that has just started */
    OIDC_REDIS_READONLY,    /* READONLY: a replica */
    OIDC_REDIS_MISCONF,     /* MISCONF, NOREPLICAS: a master that may not */
    OIDC_REDIS_AUTH,        /* NOAUTH, WRONGPASS, NOPERM */
    OIDC_REDIS_FULL,        /* OOM: over its maxmemory */
    OIDC_REDIS_FAILOVER,    /* CLUSTERDOWN, MASTERDOWN, TRYAGAIN, BUSY */
    OIDC_REDIS_MOVED,       /* MOVED, ASK: see oidc_redis_redirect() */
    OIDC_REDIS_ASK
} oidc_redis_error_e;


typedef struct {
    unsigned              slot;
    oidc_str_t            host;       /* empty: the one that was asked */
    unsigned              port;
} oidc_redis_redirect_t;


/* first and last slot, and the master that has them; host as above */

typedef struct {
    unsigned              first;
    unsigned              last;
    oidc_str_t            host;
    unsigned              port;
} oidc_redis_range_t;


oidc_redis_error_e oidc_redis_error(const oidc_redis_reply_t *reply);

/* of an error of kind MOVED or ASK; OIDC_ARGS where it is malformed */

oidc_rc_t oidc_redis_redirect(const oidc_redis_reply_t *reply,
    oidc_redis_redirect_t *redirect);

/* of a key, or of its first non-empty {tag} */

unsigned oidc_redis_slot(const u_char *key, size_t len);

/*
 * Range number "i" of an answer to CLUSTER SLOTS: OIDC_OK; OIDC_ARGS where it
 * is none, or malformed
 */

oidc_rc_t oidc_redis_range(const oidc_redis_reply_t *reply, size_t i,
    oidc_redis_range_t *range);

/* an answer to SENTINEL get-master-addr-by-name; OIDC_ARGS: not known */

oidc_rc_t oidc_redis_master(const oidc_redis_reply_t *reply,
    oidc_str_t *host, unsigned *port);

/* an answer to ROLE: 1 where it is a master's */

int oidc_redis_is_master(const oidc_redis_reply_t *reply);

/* STRING or STATUS of just this text, any case */

int oidc_redis_is(const oidc_redis_reply_t *reply, const char *text);


#endif /* _OIDC_REDIS_H_INCLUDED_ */
