
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Records of the memory store.  The order of stores is what makes a death at
 * any instruction harmless: "live" is set after everything that a rebuild will
 * rely on (names, length, chain) and cleared before any of it changes.  The
 * buckets, the queue, the trees, the free list and the counters may be left in
 * any state, a rebuild does not look at them.
 */


#include "ngx_oidc_store_shm.h"


/* expired records that a create clears away while there is room anyway */

#define NGX_OIDC_SHM_SWEEP        4


#define ngx_oidc_shm_block(sh, i)                                             \
    ((ngx_oidc_shm_block_t *)                                                 \
     ((sh)->blocks + ((size_t) (i) - 1) * NGX_OIDC_SHM_BLOCK))


static uint32_t *ngx_oidc_shm_bucket(ngx_oidc_shm_t *sh, u_char *name);
static ngx_oidc_shm_record_t *ngx_oidc_shm_lookup(ngx_oidc_shm_t *sh,
    uint32_t kind, u_char *name);
static void ngx_oidc_shm_link(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);
static void ngx_oidc_shm_unlink(ngx_oidc_shm_t *sh,
    ngx_oidc_shm_record_t *rec);
static uint32_t ngx_oidc_shm_nblocks(size_t len);
static uint32_t ngx_oidc_shm_take(ngx_oidc_shm_t *sh);
static void ngx_oidc_shm_push(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);
static void ngx_oidc_shm_pull(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec);
static ngx_oidc_shm_record_t *ngx_oidc_shm_expired(ngx_oidc_shm_t *sh,
    uint64_t now);
static void ngx_oidc_shm_adopt(ngx_oidc_shm_t *sh);
static void ngx_oidc_shm_collect(ngx_oidc_shm_t *sh);
static void ngx_oidc_shm_reorder(ngx_oidc_shm_t *sh);


ngx_oidc_shm_record_t *
ngx_oidc_shm_find(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op, uint64_t now)
{
    ngx_oidc_shm_record_t  *rec;

    rec = ngx_oidc_shm_lookup(sh, op->kind, op->name);

    if (rec != NULL && rec->expire <= now) {
        ngx_oidc_shm_free(sh, rec);
        sh->stat.expired++;

        return NULL;
    }

    return rec;
}


void
ngx_oidc_shm_copy(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec, u_char *dst,
    size_t len)
{
    size_t                 n;
    uint32_t               next;
    ngx_oidc_shm_block_t  *block;

    n = ngx_min(len, NGX_OIDC_SHM_FIRST);

    dst = ngx_cpymem(dst, rec + 1, n);
    len -= n;

    for (next = rec->block.next; len > 0; next = block->next) {
        block = ngx_oidc_shm_block(sh, next);
        n = ngx_min(len, NGX_OIDC_SHM_OTHER);

        dst = ngx_cpymem(dst, block + 1, n);
        len -= n;
    }
}


ngx_uint_t
ngx_oidc_shm_room(ngx_oidc_shm_t *sh, size_t len, uint64_t now)
{
    uint32_t    n;
    ngx_uint_t  evicted;

    n = ngx_oidc_shm_nblocks(len);

    ngx_oidc_shm_sweep(sh, NGX_OIDC_SHM_SWEEP, now);

    while (sh->nfree < n && ngx_oidc_shm_sweep(sh, 1, now)) { /* void */ }

    for (evicted = 0; sh->nfree < n; evicted++) {
        ngx_oidc_shm_free(sh, ngx_oidc_shm_record(sh, sh->oldest));
        sh->stat.evicted++;
    }

    return evicted;
}


ngx_uint_t
ngx_oidc_shm_sweep(ngx_oidc_shm_t *sh, ngx_uint_t max, uint64_t now)
{
    ngx_uint_t              n;
    ngx_oidc_shm_record_t  *rec;

    for (n = 0; n < max; n++) {
        rec = ngx_oidc_shm_expired(sh, now);

        if (rec == NULL) {
            break;
        }

        ngx_oidc_shm_free(sh, rec);
        sh->stat.expired++;
    }

    return n;
}


void
ngx_oidc_shm_write(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op,
    ngx_oidc_shm_record_t *old, uint64_t now)
{
    size_t                  n, len;
    u_char                 *p;
    uint32_t                number, i;
    ngx_oidc_shm_block_t   *block;
    ngx_oidc_shm_record_t  *rec;

    number = ngx_oidc_shm_take(sh);
    rec = ngx_oidc_shm_record(sh, number);

    p = op->value.data;
    len = op->value.len;

    rec->len = (uint32_t) len;
    rec->head_len = (uint32_t) op->head_len;
    rec->kind = op->kind;
    ngx_memcpy(rec->name, op->name, NGX_OIDC_STORE_NAME_LEN);

    rec->indexes = (old != NULL) ? old->indexes : (uint32_t) op->indexes;

    for (i = 0; i < rec->indexes; i++) {
        ngx_memcpy(rec->index[i].name,
                   (old != NULL) ? old->index[i].name : op->index[i],
                   NGX_OIDC_STORE_NAME_LEN);
    }

    n = ngx_min(len, NGX_OIDC_SHM_FIRST);
    ngx_memcpy(rec + 1, p, n);

    block = &rec->block;

    for ( ;; ) {
        p += n;
        len -= n;

        if (len == 0) {
            break;
        }

        number = ngx_oidc_shm_take(sh);
        block->next = number;
        block = ngx_oidc_shm_block(sh, number);

        n = ngx_min(len, NGX_OIDC_SHM_OTHER);
        ngx_memcpy(block + 1, p, n);
    }

    rec->last = number;
    rec->used = ++sh->clock;
    rec->expire = now + op->ttl;

    ngx_memory_barrier();
    rec->block.live = 1;
    ngx_memory_barrier();

    ngx_oidc_shm_link(sh, rec);
    ngx_oidc_shm_push(sh, rec);
    ngx_oidc_shm_index(sh, rec);

    rec->node.key = (ngx_rbtree_key_t) rec->expire;
    ngx_rbtree_insert(&sh->expiry, &rec->node);
}


void
ngx_oidc_shm_free(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    rec->block.live = 0;
    ngx_memory_barrier();

    ngx_oidc_shm_unlink(sh, rec);
    ngx_oidc_shm_pull(sh, rec);
    ngx_oidc_shm_unindex(sh, rec);
    ngx_rbtree_delete(&sh->expiry, &rec->node);

    ngx_oidc_shm_block(sh, rec->last)->next = sh->free;
    sh->free = ngx_oidc_shm_number(sh, rec);
    sh->nfree += ngx_oidc_shm_nblocks(rec->len);
}


void
ngx_oidc_shm_use(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    if (rec->newer == 0) {
        return;
    }

    rec->used = ++sh->clock;

    ngx_oidc_shm_pull(sh, rec);
    ngx_oidc_shm_push(sh, rec);
}


void
ngx_oidc_shm_expire_at(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec,
    uint64_t expire)
{
    ngx_rbtree_delete(&sh->expiry, &rec->node);

    rec->expire = expire;
    rec->node.key = (ngx_rbtree_key_t) expire;

    ngx_rbtree_insert(&sh->expiry, &rec->node);
}


/* NGX_OIDC_STORE_PREFIX_MIN: a prefix has the bytes that choose a bucket */

ngx_oidc_shm_record_t *
ngx_oidc_shm_begins(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op)
{
    uint32_t                number;
    ngx_oidc_shm_record_t  *rec;

    for (number = *ngx_oidc_shm_bucket(sh, op->name);
         number != 0;
         number = rec->chain)
    {
        rec = ngx_oidc_shm_record(sh, number);

        if (rec->kind == op->kind
            && ngx_memcmp(rec->name, op->name, op->name_len) == 0)
        {
            return rec;
        }
    }

    return NULL;
}


/* a rebuild that is itself cut short is simply done again by the next one */

void
ngx_oidc_shm_rebuild(ngx_oidc_shm_t *sh)
{
    ngx_memzero(sh->buckets, ((size_t) sh->mask + 1) * sizeof(uint32_t));

    ngx_oidc_shm_adopt(sh);
    ngx_oidc_shm_collect(sh);
    ngx_oidc_shm_reorder(sh);

    sh->stat.rebuilt++;
}


static uint32_t *
ngx_oidc_shm_bucket(ngx_oidc_shm_t *sh, u_char *name)
{
    uint32_t  word;

    /* names are uniform: a half of a SHA-512 or the like */

    ngx_memcpy(&word, name, sizeof(uint32_t));

    return &sh->buckets[word & sh->mask];
}


static ngx_oidc_shm_record_t *
ngx_oidc_shm_lookup(ngx_oidc_shm_t *sh, uint32_t kind, u_char *name)
{
    uint32_t                number;
    ngx_oidc_shm_record_t  *rec;

    for (number = *ngx_oidc_shm_bucket(sh, name);
         number != 0;
         number = rec->chain)
    {
        rec = ngx_oidc_shm_record(sh, number);

        if (rec->kind == kind
            && ngx_memcmp(rec->name, name, NGX_OIDC_STORE_NAME_LEN) == 0)
        {
            return rec;
        }
    }

    return NULL;
}


static void
ngx_oidc_shm_link(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    uint32_t  *bucket;

    bucket = ngx_oidc_shm_bucket(sh, rec->name);
    rec->chain = *bucket;
    *bucket = ngx_oidc_shm_number(sh, rec);

    sh->stat.records++;
    sh->sessions += (rec->kind == NGX_OIDC_STORE_SESSION);
}


static void
ngx_oidc_shm_unlink(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    uint32_t  number, *link;

    number = ngx_oidc_shm_number(sh, rec);

    for (link = ngx_oidc_shm_bucket(sh, rec->name);
         *link != number;
         link = &ngx_oidc_shm_record(sh, *link)->chain)
    {
        /* void */
    }

    *link = rec->chain;

    sh->stat.records--;
    sh->sessions -= (rec->kind == NGX_OIDC_STORE_SESSION);
}


static uint32_t
ngx_oidc_shm_nblocks(size_t len)
{
    if (len <= NGX_OIDC_SHM_FIRST) {
        return 1;
    }

    len -= NGX_OIDC_SHM_FIRST;

    return 1 + (len + NGX_OIDC_SHM_OTHER - 1) / NGX_OIDC_SHM_OTHER;
}


/* used blocks first: memory that was never needed stays with the system */

static uint32_t
ngx_oidc_shm_take(ngx_oidc_shm_t *sh)
{
    uint32_t               number;
    ngx_oidc_shm_block_t  *block;

    number = sh->free;

    if (number != 0) {
        block = ngx_oidc_shm_block(sh, number);
        sh->free = block->next;

    } else {
        number = sh->fresh + 1;
        block = ngx_oidc_shm_block(sh, number);
        block->live = 0;

        ngx_memory_barrier();
        sh->fresh = number;
    }

    sh->nfree--;

    return number;
}


static void
ngx_oidc_shm_push(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    uint32_t  number;

    number = ngx_oidc_shm_number(sh, rec);

    rec->newer = 0;
    rec->older = sh->newest;

    if (sh->newest != 0) {
        ngx_oidc_shm_record(sh, sh->newest)->newer = number;

    } else {
        sh->oldest = number;
    }

    sh->newest = number;
}


static void
ngx_oidc_shm_pull(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    if (rec->newer != 0) {
        ngx_oidc_shm_record(sh, rec->newer)->older = rec->older;

    } else {
        sh->newest = rec->older;
    }

    if (rec->older != 0) {
        ngx_oidc_shm_record(sh, rec->older)->newer = rec->newer;

    } else {
        sh->oldest = rec->newer;
    }
}


static ngx_oidc_shm_record_t *
ngx_oidc_shm_expired(ngx_oidc_shm_t *sh, uint64_t now)
{
    ngx_rbtree_node_t      *node;
    ngx_oidc_shm_record_t  *rec;

    if (sh->expiry.root == &sh->sentinel) {
        return NULL;
    }

    node = ngx_rbtree_min(sh->expiry.root, &sh->sentinel);
    rec = ngx_rbtree_data(node, ngx_oidc_shm_record_t, node);

    return (rec->expire <= now) ? rec : NULL;
}


/*
 * A death inside a replace may leave two live records of one name.  The newer
 * one is complete, as it is live.
 */

static void
ngx_oidc_shm_adopt(ngx_oidc_shm_t *sh)
{
    uint32_t                number;
    ngx_oidc_shm_record_t  *rec, *twin;

    sh->stat.records = 0;
    sh->sessions = 0;

    for (number = 1; number <= sh->fresh; number++) {
        rec = ngx_oidc_shm_record(sh, number);
        rec->block.reached = 0;

        if (!rec->block.live) {
            continue;
        }

        twin = ngx_oidc_shm_lookup(sh, rec->kind, rec->name);

        if (twin != NULL && twin->used > rec->used) {
            rec->block.live = 0;
            continue;
        }

        if (twin != NULL) {
            twin->block.live = 0;
            ngx_oidc_shm_unlink(sh, twin);
        }

        ngx_oidc_shm_link(sh, rec);

        sh->clock = ngx_max(sh->clock, rec->used);
    }
}


/* what no live record reaches is free */

static void
ngx_oidc_shm_collect(ngx_oidc_shm_t *sh)
{
    uint32_t                number, next, n;
    ngx_oidc_shm_block_t   *block;
    ngx_oidc_shm_record_t  *rec;

    for (number = 1; number <= sh->fresh; number++) {
        rec = ngx_oidc_shm_record(sh, number);

        if (!rec->block.live) {
            continue;
        }

        next = number;

        for (n = ngx_oidc_shm_nblocks(rec->len); n > 0; n--) {
            block = ngx_oidc_shm_block(sh, next);
            block->reached = 1;
            next = block->next;
        }
    }

    sh->free = 0;
    sh->nfree = sh->total - sh->fresh;

    for (number = sh->fresh; number > 0; number--) {
        block = ngx_oidc_shm_block(sh, number);

        if (!block->reached) {
            block->next = sh->free;
            sh->free = number;
            sh->nfree++;
        }
    }
}


/* sorts by use in the tree, which is then the one by expiry again */

static void
ngx_oidc_shm_reorder(ngx_oidc_shm_t *sh)
{
    uint32_t                number;
    ngx_rbtree_node_t      *node;
    ngx_oidc_shm_record_t  *rec;

    ngx_rbtree_init(&sh->expiry, &sh->sentinel, ngx_rbtree_insert_timer_value);

    for (number = 1; number <= sh->fresh; number++) {
        rec = ngx_oidc_shm_record(sh, number);

        if (rec->block.live) {
            rec->node.key = (ngx_rbtree_key_t) rec->used;
            ngx_rbtree_insert(&sh->expiry, &rec->node);
        }
    }

    sh->newest = 0;
    sh->oldest = 0;

    if (sh->expiry.root != &sh->sentinel) {
        node = ngx_rbtree_min(sh->expiry.root, &sh->sentinel);

        for ( /* void */ ; node != NULL; node = ngx_rbtree_next(&sh->expiry,
                                                               node))
        {
            rec = ngx_rbtree_data(node, ngx_oidc_shm_record_t, node);
            ngx_oidc_shm_push(sh, rec);
        }
    }

    ngx_rbtree_init(&sh->expiry, &sh->sentinel, ngx_rbtree_insert_timer_value);
    ngx_rbtree_init(&sh->indexes, &sh->sentinel, ngx_rbtree_insert_value);

    for (number = sh->oldest; number != 0; number = rec->newer) {
        rec = ngx_oidc_shm_record(sh, number);

        rec->node.key = (ngx_rbtree_key_t) rec->expire;
        ngx_rbtree_insert(&sh->expiry, &rec->node);

        ngx_oidc_shm_index(sh, rec);
    }
}
