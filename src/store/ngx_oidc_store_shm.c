
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The memory store: one shared zone, taken from its slab as a whole and kept
 * as records in chains of blocks of one size.  Nothing is allocated after the
 * start, so a full zone costs no search for a run of pages and cannot be
 * fragmented, and a worker that dies cannot leave the slab half done.
 *
 * The blocks are the truth, everything else is an index over them.  A record
 * counts from the store of "live", after its chain is complete, until the
 * store that clears it, before its chain is touched.  Whoever finds "busy" set
 * takes the lock over from a worker that died inside, and makes buckets,
 * queue, expiry tree and free list anew from the live records: kill -9 at any
 * instruction loses none and tears none.  The lock is the slab pool's own,
 * since the master releases no other one.
 *
 * Marks of what was used once, and locks, have tables of fixed size of their
 * own: they never push out a record, and a record never pushes out them.
 */


#include "ngx_oidc_store.h"
#include "ngx_oidc_store_type.h"
#include "ngx_oidc_store_shm.h"


#define NGX_OIDC_SHM_LOG_PERIOD   60000

/* records that go at a time: so long does everybody else wait for the lock */

#define NGX_OIDC_SHM_BATCH        64


static ngx_int_t ngx_oidc_shm_get(ngx_oidc_store_op_t *op);
static ngx_uint_t ngx_oidc_shm_same(ngx_oidc_shm_t *sh,
    ngx_oidc_shm_record_t *rec, ngx_str_t *known);
static ngx_int_t ngx_oidc_shm_create(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_replace(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_touch(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_del(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_once(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_lock(ngx_oidc_store_op_t *op);
static void ngx_oidc_shm_unlock(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_end(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_count(ngx_oidc_store_op_t *op);

static ngx_int_t ngx_oidc_shm_marked(ngx_oidc_store_op_t *op, ngx_int_t rc);
static ngx_int_t ngx_oidc_shm_absent(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_shm_too_big(ngx_oidc_store_op_t *op);
static void ngx_oidc_shm_make_room(ngx_oidc_store_op_t *op, uint64_t now);


const ngx_oidc_store_type_t  ngx_oidc_store_shm = {
    ngx_string("memory"),
    ngx_oidc_shm_add,
    ngx_oidc_shm_get,
    ngx_oidc_shm_create,
    ngx_oidc_shm_replace,
    ngx_oidc_shm_touch,
    ngx_oidc_shm_del,
    ngx_oidc_shm_once,
    ngx_oidc_shm_lock,
    ngx_oidc_shm_end,
    ngx_oidc_shm_count,
    ngx_oidc_shm_unlock,
    NULL,
    ngx_oidc_shm_stat,
    NULL,
    NULL
};


/*
 * Values are copied out here under the lock and into the caller's pool after
 * it: the pool may have to ask the system, the lock may not wait for that.
 */

static u_char  ngx_oidc_shm_scratch[NGX_OIDC_STORE_VALUE_MAX];


static ngx_int_t
ngx_oidc_shm_get(ngx_oidc_store_op_t *op)
{
    size_t                  len;
    uint64_t                now;
    ngx_oidc_shm_t         *sh;
    ngx_oidc_shm_record_t  *rec;

    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    rec = ngx_oidc_shm_find(sh, op, now);

    if (rec == NULL) {
        return ngx_oidc_shm_absent(op);
    }

    op->head_len = rec->head_len;
    op->ttl = (ngx_msec_t) (rec->expire - now);
    op->same = ngx_oidc_shm_same(sh, rec, &op->known);

    len = op->same ? 0 : op->head ? rec->head_len : rec->len;

    ngx_oidc_shm_copy(sh, rec, ngx_oidc_shm_scratch, len);
    ngx_oidc_shm_use(sh, rec);

    ngx_oidc_shm_leave(op->store);

    op->value.len = len;

    if (op->same) {
        return NGX_OK;
    }

    op->value.data = ngx_palloc(op->pool, ngx_max(len, 1));

    if (op->value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(op->value.data, ngx_oidc_shm_scratch, len);

    return NGX_OK;
}


static ngx_uint_t
ngx_oidc_shm_same(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec,
    ngx_str_t *known)
{
    u_char  begin[NGX_OIDC_STORE_KNOWN_MAX];

    if (known->len == 0 || known->len > rec->len
        || known->len > NGX_OIDC_STORE_KNOWN_MAX)
    {
        return 0;
    }

    ngx_oidc_shm_copy(sh, rec, begin, known->len);

    return ngx_memcmp(begin, known->data, known->len) == 0;
}


static ngx_int_t
ngx_oidc_shm_create(ngx_oidc_store_op_t *op)
{
    uint64_t              now;
    ngx_oidc_shm_t       *sh;
    ngx_oidc_shm_zone_t  *zone;

    zone = op->store->data;
    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (op->value.len > zone->limit) {
        return ngx_oidc_shm_too_big(op);
    }

    if (ngx_oidc_shm_find(sh, op, now) != NULL) {
        ngx_oidc_shm_leave(op->store);
        op->why = NGX_OIDC_STORE_PRESENT;
        return NGX_DECLINED;
    }

    ngx_oidc_shm_make_room(op, now);
    ngx_oidc_shm_write(sh, op, NULL, now);

    ngx_oidc_shm_leave(op->store);

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_shm_replace(ngx_oidc_store_op_t *op)
{
    uint64_t                now;
    ngx_oidc_shm_t         *sh;
    ngx_oidc_shm_zone_t    *zone;
    ngx_oidc_shm_record_t  *rec;

    zone = op->store->data;
    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (op->value.len > zone->limit) {
        return ngx_oidc_shm_too_big(op);
    }

    rec = ngx_oidc_shm_find(sh, op, now);

    if (rec == NULL) {
        return ngx_oidc_shm_absent(op);
    }

    /*
     * As the one used last, the old record is the last one to be evicted for
     * the new one, and NGX_OIDC_SHM_PART leaves room for both of them.
     */

    ngx_oidc_shm_use(sh, rec);
    ngx_oidc_shm_make_room(op, now);
    ngx_oidc_shm_write(sh, op, rec, now);
    ngx_oidc_shm_free(sh, rec);

    ngx_oidc_shm_leave(op->store);

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_shm_touch(ngx_oidc_store_op_t *op)
{
    uint64_t                now;
    ngx_oidc_shm_t         *sh;
    ngx_oidc_shm_record_t  *rec;

    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (op->kind == NGX_OIDC_STORE_ONCE) {
        return ngx_oidc_shm_marked(op, ngx_oidc_shm_remark(sh, op->name, now,
                                                           now + op->ttl));
    }

    rec = ngx_oidc_shm_find(sh, op, now);

    if (rec == NULL) {
        return ngx_oidc_shm_absent(op);
    }

    ngx_oidc_shm_expire_at(sh, rec, now + op->ttl);
    ngx_oidc_shm_use(sh, rec);

    ngx_oidc_shm_leave(op->store);

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_shm_del(ngx_oidc_store_op_t *op)
{
    uint64_t                now;
    ngx_oidc_shm_t         *sh;
    ngx_oidc_shm_record_t  *rec;

    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (op->kind == NGX_OIDC_STORE_ONCE) {
        return ngx_oidc_shm_marked(op, ngx_oidc_shm_remark(sh, op->name, now,
                                                           0));
    }

    rec = ngx_oidc_shm_find(sh, op, now);

    if (rec == NULL) {
        return ngx_oidc_shm_absent(op);
    }

    ngx_oidc_shm_free(sh, rec);

    ngx_oidc_shm_leave(op->store);

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_shm_once(ngx_oidc_store_op_t *op)
{
    uint64_t         now;
    ngx_oidc_shm_t  *sh;

    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    return ngx_oidc_shm_marked(op, ngx_oidc_shm_mark(sh, op->name, now,
                                                     now + op->ttl));
}


static ngx_int_t
ngx_oidc_shm_lock(ngx_oidc_store_op_t *op)
{
    uint64_t         now;
    ngx_oidc_shm_t  *sh;

    now = ngx_oidc_shm_now();

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return NGX_ERROR;
    }

    return ngx_oidc_shm_marked(op, ngx_oidc_shm_lease(sh, op, now,
                                                      now + op->ttl));
}


static void
ngx_oidc_shm_unlock(ngx_oidc_store_op_t *op)
{
    ngx_oidc_shm_t  *sh;

    sh = ngx_oidc_shm_enter(op->store);
    if (sh == NULL) {
        return;
    }

    ngx_oidc_shm_release(sh, op);

    ngx_oidc_shm_leave(op->store);
}


static ngx_int_t
ngx_oidc_shm_end(ngx_oidc_store_op_t *op)
{
    uint64_t                now;
    ngx_uint_t              n;
    ngx_oidc_shm_t         *sh;
    ngx_oidc_shm_record_t  *rec;

    now = ngx_oidc_shm_now();

    do {
        sh = ngx_oidc_shm_enter(op->store);
        if (sh == NULL) {
            return NGX_ERROR;
        }

        for (n = 0; n < NGX_OIDC_SHM_BATCH; n++) {

            rec = (op->kind == NGX_OIDC_STORE_INDEX)
                  ? ngx_oidc_shm_indexed(sh, op->name)
                  : ngx_oidc_shm_begins(sh, op);

            if (rec == NULL) {
                break;
            }

            if (rec->expire > now) {
                op->count++;
            }

            ngx_oidc_shm_free(sh, rec);
        }

        ngx_oidc_shm_leave(op->store);

    } while (n == NGX_OIDC_SHM_BATCH);

    return NGX_OK;
}


/* what has expired goes, and the rest has been counted already */

static ngx_int_t
ngx_oidc_shm_count(ngx_oidc_store_op_t *op)
{
    uint64_t         now;
    ngx_uint_t       n;
    ngx_oidc_shm_t  *sh;

    now = ngx_oidc_shm_now();

    do {
        sh = ngx_oidc_shm_enter(op->store);
        if (sh == NULL) {
            return NGX_ERROR;
        }

        n = ngx_oidc_shm_sweep(sh, NGX_OIDC_SHM_BATCH, now);
        op->count = sh->sessions;

        ngx_oidc_shm_leave(op->store);

    } while (n == NGX_OIDC_SHM_BATCH);

    return NGX_OK;
}


void
ngx_oidc_shm_stat(ngx_oidc_store_t *store, ngx_oidc_store_stat_t *st)
{
    ngx_oidc_shm_t  *sh;

    sh = ngx_oidc_shm_enter(store);
    if (sh == NULL) {
        return;
    }

    *st = sh->stat;

    st->size = (size_t) sh->total * NGX_OIDC_SHM_BLOCK;
    st->free = (size_t) sh->nfree * NGX_OIDC_SHM_BLOCK;

    ngx_oidc_shm_leave(store);
}


ngx_oidc_shm_t *
ngx_oidc_shm_enter(ngx_oidc_store_t *store)
{
    ngx_oidc_shm_t       *sh;
    ngx_oidc_shm_zone_t  *zone;

    zone = store->data;
    sh = zone->sh;

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (sh->magic != NGX_OIDC_SHM_MAGIC) {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return NULL;
    }

    if (sh->busy) {
        ngx_oidc_shm_rebuild(sh);
        zone->rebuilt = 1;
    }

    sh->busy = 1;
    ngx_memory_barrier();

    return sh;
}


/* what happened under the lock is logged after it */

void
ngx_oidc_shm_leave(ngx_oidc_store_t *store)
{
    uint64_t              evicted, records;
    ngx_oidc_shm_t       *sh;
    ngx_oidc_shm_zone_t  *zone;

    zone = store->data;
    sh = zone->sh;

    evicted = sh->stat.evicted;
    records = sh->stat.records;

    ngx_memory_barrier();
    sh->busy = 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (zone->rebuilt) {
        zone->rebuilt = 0;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "oidc_session_store \"%V\": a worker died inside, "
                      "%uL records kept", &store->name, records);
    }

    if (zone->evicted) {
        zone->evicted = 0;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "oidc_session_store \"%V\" is full: sessions idle "
                      "longest are ended, %uL so far, raise its \"size\"",
                      &store->name, evicted);
    }
}


/* what the tables of marks and locks answer */

static ngx_int_t
ngx_oidc_shm_marked(ngx_oidc_store_op_t *op, ngx_int_t rc)
{
    ngx_oidc_shm_leave(op->store);

    if (rc == NGX_DECLINED) {
        op->why = NGX_OIDC_STORE_PRESENT;

    } else if (rc == NGX_BUSY) {
        op->why = NGX_OIDC_STORE_FULL;

    } else if (rc == NGX_DONE) {
        op->why = NGX_OIDC_STORE_ABSENT;
        rc = NGX_DECLINED;
    }

    return rc;
}


static ngx_int_t
ngx_oidc_shm_absent(ngx_oidc_store_op_t *op)
{
    ngx_oidc_shm_leave(op->store);

    op->why = NGX_OIDC_STORE_ABSENT;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_oidc_shm_too_big(ngx_oidc_store_op_t *op)
{
    ngx_oidc_shm_zone_t  *zone;

    zone = op->store->data;
    zone->sh->stat.too_big++;

    ngx_oidc_shm_leave(op->store);

    op->why = NGX_OIDC_STORE_TOO_BIG;
    op->limit = zone->limit;

    return NGX_DECLINED;
}


static void
ngx_oidc_shm_make_room(ngx_oidc_store_op_t *op, uint64_t now)
{
    ngx_oidc_shm_t       *sh;
    ngx_oidc_shm_zone_t  *zone;

    zone = op->store->data;
    sh = zone->sh;

    if (ngx_oidc_shm_room(sh, op->value.len, now) == 0
        || op->kind == NGX_OIDC_STORE_TOKEN)
    {
        return;
    }

    /* now < logged: the clock was set back */

    if (now < sh->logged || now - sh->logged >= NGX_OIDC_SHM_LOG_PERIOD) {
        sh->logged = now;
        zone->evicted = 1;
    }
}


/*
 * The clock of the times inside sessions and login cookies, so that a record
 * and what it says of itself, or a mark and the state it guards, end together
 * even when the clock is set.  Workers agree on it.
 */

uint64_t
ngx_oidc_shm_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}
