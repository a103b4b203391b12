
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The memory store's layout: marks and locks in tables of fixed size, and
 * records in chains of blocks of one size, with a hash table, a queue by use, a
 * tree by expiry and one by index names over them.  All functions are called
 * under the zone's lock; they take the time as a parameter (ms since the
 * epoch), never wait, never log, never allocate.
 */


#ifndef _NGX_OIDC_STORE_SHM_H_INCLUDED_
#define _NGX_OIDC_STORE_SHM_H_INCLUDED_


#include "ngx_oidc_store.h"


/* "oidc", layout version, size of a word: another layout is not ours to read */

#define NGX_OIDC_SHM_MAGIC        (0x6f69646300030000ULL + sizeof(void *))

/*
 * Half a block is lost per record, and a session is 3 to 6 kB; block numbers
 * have 32 bits, and their count is kept well below
 */

#define NGX_OIDC_SHM_BLOCK        512
#define NGX_OIDC_SHM_BLOCKS_MAX   0x40000000

/* marks that share a place, see ngx_oidc_store_mark.c */

#define NGX_OIDC_SHM_MARKS_SET    32

/* locks likewise; a lock is held for as long as a call to the provider takes */

#define NGX_OIDC_SHM_LOCKS_SET    16


#define NGX_OIDC_SHM_EXTRA        256


/* blocks are numbered from 1, so that fresh, zeroed memory says "none" */

typedef struct {
    uint32_t                 next;       /* in its record or the free list */
    uint16_t                 live;       /* a record begins here and counts */
    uint16_t                 reached;    /* during a rebuild */
} ngx_oidc_shm_block_t;


typedef struct {
    ngx_rbtree_node_t        node;       /* keyed by the name's first word */
    u_char                   name[NGX_OIDC_STORE_NAME_LEN];
} ngx_oidc_shm_index_t;


typedef struct {
    ngx_oidc_shm_block_t     block;

    uint32_t                 chain;      /* next one in the bucket */
    uint32_t                 newer;
    uint32_t                 older;
    uint32_t                 last;       /* of the record's blocks */
    uint32_t                 len;
    uint32_t                 head_len;

    uint64_t                 used;       /* by sh->clock, unique */
    uint64_t                 expire;     /* ms since the epoch */
    ngx_rbtree_node_t        node;       /* keyed by expire */

    uint32_t                 kind;
    uint32_t                 indexes;
    u_char                   name[NGX_OIDC_STORE_NAME_LEN];

    ngx_oidc_shm_index_t     index[NGX_OIDC_STORE_INDEXES];
} ngx_oidc_shm_record_t;


typedef struct {
    u_char                   digest[12];
    uint32_t                 expire;     /* seconds since the epoch, 0: free */
} ngx_oidc_shm_mark_t;


typedef struct {
    u_char                   digest[16];
    u_char                   owner[NGX_OIDC_STORE_OWNER_LEN];
    uint64_t                 expire;     /* ms since the epoch, 0: free */
} ngx_oidc_shm_lease_t;


typedef struct {
    volatile uint64_t        magic;
    volatile uint32_t        busy;

    uint32_t                 total;      /* blocks */
    uint32_t                 fresh;      /* the ones up to it were in use */
    uint32_t                 nfree;
    uint32_t                 free;
    uint32_t                 newest;
    uint32_t                 oldest;
    uint32_t                 mask;       /* of buckets, a power of two */
    uint32_t                 sets;       /* of marks */
    uint32_t                 lsets;      /* of locks */
    uint32_t                 sessions;   /* among the records */

    uint64_t                 clock;
    uint64_t                 logged;     /* the last eviction that was */

    ngx_rbtree_t             expiry;
    ngx_rbtree_t             indexes;
    ngx_rbtree_node_t        sentinel;   /* of both */

    uint32_t                *buckets;
    ngx_oidc_shm_mark_t     *marks;
    ngx_oidc_shm_lease_t    *locks;
    u_char                  *blocks;

    ngx_oidc_store_stat_t    stat;

    /* of who keeps other records than sessions of its own in such a zone */
    uint64_t                 extra[NGX_OIDC_SHM_EXTRA];
} ngx_oidc_shm_t;


/* the largest value of a record of n blocks */

#define ngx_oidc_shm_capacity(n)                                              \
    (NGX_OIDC_SHM_FIRST + ((size_t) (n) - 1) * NGX_OIDC_SHM_OTHER)

#define NGX_OIDC_SHM_FIRST                                                    \
    (NGX_OIDC_SHM_BLOCK - sizeof(ngx_oidc_shm_record_t))

#define NGX_OIDC_SHM_OTHER                                                    \
    (NGX_OIDC_SHM_BLOCK - sizeof(ngx_oidc_shm_block_t))


#define ngx_oidc_shm_record(sh, i)                                            \
    ((ngx_oidc_shm_record_t *)                                                \
     ((sh)->blocks + ((size_t) (i) - 1) * NGX_OIDC_SHM_BLOCK))

/* of the block that "p" points into */

#define ngx_oidc_shm_number(sh, p)                                            \
    ((uint32_t) (((u_char *) (p) - (sh)->blocks) / NGX_OIDC_SHM_BLOCK) + 1)


/* one per store and process */

typedef struct {
    ngx_oidc_shm_t          *sh;
    ngx_slab_pool_t         *shpool;
    ngx_oidc_store_t        *store;
    size_t                   limit;      /* of one value */

    unsigned                 rebuilt:1;  /* to be logged after the unlock */
    unsigned                 evicted:1;
} ngx_oidc_shm_zone_t;


/* ngx_oidc_store_zone.c: from the configuration to a zone with this layout */

ngx_int_t ngx_oidc_shm_add(ngx_conf_t *cf, ngx_oidc_store_t *store,
    ngx_oidc_store_conf_t *conf);

/*
 * Takes and gives back the lock; NULL where a newer version of the module has
 * taken the zone over
 */
ngx_oidc_shm_t *ngx_oidc_shm_enter(ngx_oidc_store_t *store);
void ngx_oidc_shm_leave(ngx_oidc_store_t *store);

/* the clock of the times inside sessions: ms since the epoch */
uint64_t ngx_oidc_shm_now(void);

void ngx_oidc_shm_stat(ngx_oidc_store_t *store, ngx_oidc_store_stat_t *st);

/* NULL where there is none, or none any more: an expired one is freed */
ngx_oidc_shm_record_t *ngx_oidc_shm_find(ngx_oidc_shm_t *sh,
    ngx_oidc_store_op_t *op, uint64_t now);

/* the first "len" bytes of the value, at most rec->len */
void ngx_oidc_shm_copy(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec,
    u_char *dst, size_t len);

/*
 * Makes room for a value, at the cost of expired records first, then of those
 * idle longest; returns how many of the latter.  A few expired ones go even
 * where there is room, so that a zone does not only shrink when it is full.
 */
ngx_uint_t ngx_oidc_shm_room(ngx_oidc_shm_t *sh, size_t len, uint64_t now);

/* frees expired records, at most "max"; returns how many */
ngx_uint_t ngx_oidc_shm_sweep(ngx_oidc_shm_t *sh, ngx_uint_t max,
    uint64_t now);

/*
 * The room is there.  Indexes are those of "old", a record of the same name
 * that is the caller's to free, or where there is none, those of the op.
 */
void ngx_oidc_shm_write(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op,
    ngx_oidc_shm_record_t *old, uint64_t now);

void ngx_oidc_shm_free(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);

/* makes it the last one to be evicted */
void ngx_oidc_shm_use(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);

void ngx_oidc_shm_expire_at(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec,
    uint64_t expire);

/* one whose name begins with op->name_len bytes of op->name, or NULL */
ngx_oidc_shm_record_t *ngx_oidc_shm_begins(ngx_oidc_shm_t *sh,
    ngx_oidc_store_op_t *op);

/* makes all but the live records anew from these, see ngx_oidc_store_shm.c */
void ngx_oidc_shm_rebuild(ngx_oidc_shm_t *sh);

/* ngx_oidc_store_index.c: takes a live record into the tree, and out of it */
void ngx_oidc_shm_index(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);
void ngx_oidc_shm_unindex(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);

/* one that is found under this name, or NULL */
ngx_oidc_shm_record_t *ngx_oidc_shm_indexed(ngx_oidc_shm_t *sh, u_char *name);

/* NGX_OK, NGX_DECLINED if the name is marked, NGX_BUSY without room for it */
ngx_int_t ngx_oidc_shm_mark(ngx_oidc_shm_t *sh, u_char *name, uint64_t now,
    uint64_t expire);

/* NGX_OK, NGX_DONE if the name is not marked; an expiry of 0 takes it away */
ngx_int_t ngx_oidc_shm_remark(ngx_oidc_shm_t *sh, u_char *name, uint64_t now,
    uint64_t expire);

/* ngx_oidc_store_lease.c: NGX_OK, NGX_DECLINED if another has it, NGX_BUSY */
ngx_int_t ngx_oidc_shm_lease(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op,
    uint64_t now, uint64_t expire);
void ngx_oidc_shm_release(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op);


#endif /* _NGX_OIDC_STORE_SHM_H_INCLUDED_ */
