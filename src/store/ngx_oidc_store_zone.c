
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The zone of a memory store: made, found again after a reload, laid out.  See
 * ngx_oidc_store_shm.c for what lies in it.
 */


#include "ngx_oidc_store.h"
#include "ngx_oidc_store_type.h"
#include "ngx_oidc_store_shm.h"


#define NGX_OIDC_SHM_UNMADE       1

/* room for the tables below, a dozen sessions of 3 kB, the slab's own page */

#define NGX_OIDC_SHM_MIN_SIZE     (64 * 1024)

/* no single session may take more than this part of a zone */

#define NGX_OIDC_SHM_PART         4

/* the part of a zone that is for marks */

#define NGX_OIDC_SHM_MARKS_PART   8
#define NGX_OIDC_SHM_MARKS_MIN    1024

/* and for locks */

#define NGX_OIDC_SHM_LOCKS_PART   64
#define NGX_OIDC_SHM_LOCKS_MIN    128


static ngx_int_t ngx_oidc_shm_init(ngx_shm_zone_t *shm_zone, void *data);
static void ngx_oidc_shm_format(ngx_oidc_shm_t *sh, size_t size);


ngx_int_t
ngx_oidc_shm_add(ngx_conf_t *cf, ngx_oidc_store_t *store,
    ngx_oidc_store_conf_t *conf)
{
    ngx_shm_zone_t       *shm_zone;
    ngx_oidc_shm_zone_t  *zone;

    if (store->size < NGX_OIDC_SHM_MIN_SIZE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "oidc_session_store \"%V\" is too small, "
                           "\"size\" must be at least %uzk",
                           &store->name, (size_t) NGX_OIDC_SHM_MIN_SIZE / 1024);
        return NGX_ERROR;
    }

    shm_zone = ngx_shared_memory_add(cf, &store->name, store->size,
                                     conf->tag);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    if (shm_zone->data != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "shared zone \"%V\" is in use already",
                           &store->name);
        return NGX_ERROR;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_oidc_shm_zone_t));
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->store = store;
    store->data = zone;

    shm_zone->init = ngx_oidc_shm_init;
    shm_zone->data = zone;

    return NGX_OK;
}


/*
 * With memory from before a reload (data), or from another process where nginx
 * can attach to it (exists), workers may be using it right now.
 */

static ngx_int_t
ngx_oidc_shm_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t      *shpool;
    ngx_oidc_shm_zone_t  *zone;

    zone = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    zone->shpool = shpool;
    zone->sh = (data != NULL || shm_zone->shm.exists) ? shpool->data : NULL;

    if (zone->sh == NULL) {
        shpool->log_nomem = 0;

        zone->sh = ngx_slab_alloc(shpool, shpool->pfree * ngx_pagesize);
        if (zone->sh == NULL) {
            return NGX_ERROR;
        }

        shpool->data = zone->sh;
    }

    if (zone->sh->magic != NGX_OIDC_SHM_MAGIC) {

        if (zone->sh->magic != 0) {
            ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                          "oidc_session_store \"%V\" was of another version of "
                          "the module and starts empty", &zone->store->name);
        }

        ngx_shmtx_lock(&shpool->mutex);
        ngx_oidc_shm_format(zone->sh, shpool->end - (u_char *) zone->sh);
        ngx_shmtx_unlock(&shpool->mutex);
    }

    zone->limit = ngx_oidc_shm_capacity(zone->sh->total / NGX_OIDC_SHM_PART);
    zone->limit = ngx_min(zone->limit, NGX_OIDC_STORE_VALUE_MAX);

    return NGX_OK;
}


/* new memory is zeroed: blocks are not written to before they are needed */

static void
ngx_oidc_shm_format(ngx_oidc_shm_t *sh, size_t size)
{
    u_char    *p, *marks, *locks, *buckets, *blocks, *end;
    size_t     nmarks, nlocks, nbuckets;
    uint64_t   magic;

    nmarks = size / NGX_OIDC_SHM_MARKS_PART / sizeof(ngx_oidc_shm_mark_t);
    nmarks = ngx_max(nmarks, NGX_OIDC_SHM_MARKS_MIN);
    nmarks -= nmarks % NGX_OIDC_SHM_MARKS_SET;

    nlocks = size / NGX_OIDC_SHM_LOCKS_PART / sizeof(ngx_oidc_shm_lease_t);
    nlocks = ngx_max(nlocks, NGX_OIDC_SHM_LOCKS_MIN);
    nlocks -= nlocks % NGX_OIDC_SHM_LOCKS_SET;

    /* one bucket for two blocks: even records of one block chain by two */

    for (nbuckets = 64;
         nbuckets < size / NGX_OIDC_SHM_BLOCK / 2
         && nbuckets < NGX_OIDC_SHM_BLOCKS_MAX;
         nbuckets *= 2)
    {
        /* void */
    }

    end = (u_char *) sh + size;

    marks = ngx_align_ptr((u_char *) sh + sizeof(ngx_oidc_shm_t),
                          NGX_OIDC_SHM_BLOCK);
    locks = marks + nmarks * sizeof(ngx_oidc_shm_mark_t);
    buckets = locks + nlocks * sizeof(ngx_oidc_shm_lease_t);
    blocks = ngx_align_ptr(buckets + nbuckets * sizeof(uint32_t),
                           NGX_OIDC_SHM_BLOCK);

    magic = sh->magic;
    sh->magic = NGX_OIDC_SHM_UNMADE;

    if (magic != 0) {
        p = (u_char *) sh + sizeof(sh->magic);
        ngx_memzero(p, blocks - p);
    }

    sh->marks = (ngx_oidc_shm_mark_t *) marks;
    sh->sets = nmarks / NGX_OIDC_SHM_MARKS_SET;

    sh->locks = (ngx_oidc_shm_lease_t *) locks;
    sh->lsets = nlocks / NGX_OIDC_SHM_LOCKS_SET;

    sh->buckets = (uint32_t *) buckets;
    sh->mask = nbuckets - 1;

    sh->blocks = blocks;
    sh->total = ngx_min((size_t) (end - blocks) / NGX_OIDC_SHM_BLOCK,
                        NGX_OIDC_SHM_BLOCKS_MAX);
    sh->nfree = sh->total;

    ngx_rbtree_init(&sh->expiry, &sh->sentinel, ngx_rbtree_insert_timer_value);
    ngx_rbtree_init(&sh->indexes, &sh->sentinel, ngx_rbtree_insert_value);

    ngx_memory_barrier();

    sh->magic = NGX_OIDC_SHM_MAGIC;
}
