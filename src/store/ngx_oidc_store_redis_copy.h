
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the local copy and who keeps it true share: the state of the nodes, in
 * the zone's own part of the memory.  All of it is used under the zone's lock.
 */


#ifndef _NGX_OIDC_STORE_REDIS_COPY_H_INCLUDED_
#define _NGX_OIDC_STORE_REDIS_COPY_H_INCLUDED_


#include <ngx_event.h>

#include "ngx_oidc_store_redis.h"
#include "ngx_oidc_store_shm.h"


/* masters of a Cluster that are listened to; keys of others are asked for */

#define NGX_OIDC_COPY_NODES     64

/* of one PING, and how long its answer is good for */

#define NGX_OIDC_COPY_INTERVAL  1000
#define NGX_OIDC_COPY_LEASE     2000


typedef struct {
    uint64_t                 id;            /* 0: free */
    uint64_t                 generation;    /* 0: nobody listens */
    uint64_t                 until;         /* ngx_current_msec */
} ngx_oidc_copy_node_t;


typedef struct {
    uint64_t                 counter;       /* tickets, generations, tokens */
    uint64_t                 owner;         /* its token; 0: nobody */
    uint64_t                 owner_until;
    uint64_t                 hits;
    uint64_t                 misses;
    ngx_oidc_copy_node_t     node[NGX_OIDC_COPY_NODES];
} ngx_oidc_copy_shared_t;


/* it fits: three words a node, of 256 */

#define ngx_oidc_copy_shared(sh)  ((ngx_oidc_copy_shared_t *) (sh)->extra)


typedef struct {
    ngx_oidc_redis_sub_t     sub;
    uint64_t                 id;            /* of its node */
} ngx_oidc_copy_sub_t;


struct ngx_oidc_copy_s {
    ngx_oidc_far_t          *far;
    ngx_oidc_store_t         zone;          /* not of a type: name and memory */
    uint32_t                 origin;        /* which Redis this is */

    /* of this process */
    ngx_event_t              timer;
    ngx_connection_t         dummy;         /* debug logs look for one */
    uint64_t                 token;         /* 0: not the one who listens */
    ngx_uint_t               version;       /* of the list of nodes */
    ngx_oidc_copy_sub_t      sub[NGX_OIDC_COPY_NODES];
    u_char                   prefix[OIDC_RECORD_PREFIX_MAX + 2];
};


uint64_t ngx_oidc_copy_id(ngx_oidc_copy_t *copy, ngx_oidc_redis_node_t *node);
ngx_oidc_copy_node_t *ngx_oidc_copy_node(ngx_oidc_copy_shared_t *shared,
    uint64_t id);


#endif /* _NGX_OIDC_STORE_REDIS_COPY_H_INCLUDED_ */
