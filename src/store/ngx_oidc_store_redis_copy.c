
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The local copy of a Redis store: whole records as Redis gave them, in a zone
 * of the memory store's making.  It decides when one may be believed without
 * asking, which is while
 *
 *   - the node that has the key tells changes to a worker of ours (generation),
 *     and has answered that worker's PING lately (until),
 *   - the record came under this very generation, less than a minute ago.
 *
 * The answer to a GET and the news that its key has changed come over different
 * connections in any order.  So a place is kept before the GET is sent; news,
 * and changes of our own, take it away, and an answer only gets in where its
 * own place, known by a ticket, still stands.
 */


#include "ngx_oidc_store_redis_copy.h"


/* how long a record is believed, whatever is told or not told of it */

#define NGX_OIDC_COPY_AGE    60000

/* a place whose GET has not come back: its worker is gone, or Redis is */

#define NGX_OIDC_COPY_PLACE  2000


/* in front of each value */

typedef struct {
    uint64_t       ticket;      /* of the GET that may fill it; 0: is filled */
    uint64_t       generation;
    uint64_t       asked;       /* ngx_current_msec */
} ngx_oidc_copy_head_t;


typedef struct {
    ngx_oidc_copy_head_t   head;
    u_char                 value[NGX_OIDC_STORE_VALUE_MAX];
} ngx_oidc_copy_entry_t;


static ngx_oidc_shm_record_t *ngx_oidc_copy_find(ngx_oidc_shm_t *sh,
    const u_char *name, ngx_oidc_copy_head_t *head);
static uint64_t ngx_oidc_copy_node_of(ngx_oidc_far_t *far,
    const u_char *name);
static ngx_int_t ngx_oidc_copy_serve(ngx_oidc_far_t *far,
    ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec, ngx_oidc_store_op_t *op);
static void ngx_oidc_copy_write(ngx_oidc_shm_t *sh, const u_char *name,
    size_t len, size_t head_len, ngx_msec_t ttl);


static ngx_oidc_copy_entry_t  ngx_oidc_copy_entry;


ngx_int_t
ngx_oidc_copy_add(ngx_conf_t *cf, ngx_oidc_far_t *far,
    ngx_oidc_store_conf_t *conf)
{
    u_char           *p;
    ngx_str_t        *url, *name;
    ngx_uint_t        i;
    ngx_oidc_copy_t  *copy;

    copy = ngx_pcalloc(cf->pool, sizeof(ngx_oidc_copy_t));
    if (copy == NULL) {
        return NGX_ERROR;
    }

    copy->far = far;
    copy->zone.size = conf->copy;

    name = &copy->zone.name;

    name->len = sizeof("oidc_local_copy_") - 1 + conf->name.len;
    name->data = ngx_pnalloc(cf->pool, name->len + 1);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name->data, "oidc_local_copy_",
                   sizeof("oidc_local_copy_") - 1);
    p = ngx_cpymem(p, conf->name.data, conf->name.len);
    *p = '\0';

    /* the zone outlives a reload: another Redis is then none of our nodes */

    url = conf->redis.servers->elts;

    for (i = 0; i < conf->redis.servers->nelts; i++) {
        copy->origin = ngx_murmur_hash2(url[i].data, url[i].len)
                       + 31 * copy->origin;
    }

    copy->origin = ngx_murmur_hash2(conf->prefix.data, conf->prefix.len)
                   + 31 * (copy->origin + (uint32_t) conf->redis.db);

    far->copy = copy;

    return ngx_oidc_shm_add(cf, &copy->zone, conf);
}


ngx_int_t
ngx_oidc_copy_get(ngx_oidc_far_t *far, ngx_oidc_store_op_t *op,
    uint64_t *ticket)
{
    int64_t                  age;
    uint64_t                 id, now;
    ngx_oidc_shm_t          *sh;
    ngx_oidc_copy_head_t     head;
    ngx_oidc_copy_node_t    *node;
    ngx_oidc_copy_shared_t  *shared;
    ngx_oidc_shm_record_t   *rec;

    *ticket = 0;

    if (far->copy == NULL || op->kind != NGX_OIDC_STORE_SESSION) {
        return NGX_DECLINED;
    }

    id = ngx_oidc_copy_node_of(far, op->name);
    now = ngx_current_msec;

    sh = ngx_oidc_shm_enter(&far->copy->zone);
    if (sh == NULL) {
        return NGX_DECLINED;
    }

    shared = ngx_oidc_copy_shared(sh);
    node = ngx_oidc_copy_node(shared, id);

    if (node == NULL || node->generation == 0) {
        goto ask;
    }

    rec = ngx_oidc_copy_find(sh, op->name, &head);

    if (rec != NULL && head.generation == node->generation) {

        /* another worker's clock may be some milliseconds ahead of ours */

        age = (int64_t) (now - head.asked);

        if (head.ticket == 0 && now < node->until && age < NGX_OIDC_COPY_AGE)
        {
            shared->hits++;
            return ngx_oidc_copy_serve(far, sh, rec, op);
        }

        if (head.ticket && age < NGX_OIDC_COPY_PLACE) {

            /* asked for already; else the first answer would never get in */

            goto ask;
        }
    }

    if (rec != NULL) {
        ngx_oidc_shm_free(sh, rec);
    }

    *ticket = ++shared->counter;

    ngx_oidc_copy_entry.head.ticket = *ticket;
    ngx_oidc_copy_entry.head.generation = node->generation;
    ngx_oidc_copy_entry.head.asked = now;

    ngx_oidc_copy_write(sh, op->name, 0, 0, NGX_OIDC_COPY_PLACE);

ask:

    shared->misses++;

    ngx_oidc_shm_leave(&far->copy->zone);

    return NGX_DECLINED;
}


/* under the lock, which is given back */

static ngx_int_t
ngx_oidc_copy_serve(ngx_oidc_far_t *far, ngx_oidc_shm_t *sh,
    ngx_oidc_shm_record_t *rec, ngx_oidc_store_op_t *op)
{
    size_t   len;
    u_char  *entry;

    entry = (u_char *) &ngx_oidc_copy_entry;

    op->head_len = rec->head_len;
    op->ttl = (ngx_msec_t) (rec->expire - ngx_oidc_shm_now());

    len = rec->len - sizeof(ngx_oidc_copy_head_t);

    if (op->known.len && op->known.len <= len) {
        ngx_oidc_shm_copy(sh, rec, entry, sizeof(ngx_oidc_copy_head_t)
                                          + op->known.len);

        op->same = (ngx_memcmp(ngx_oidc_copy_entry.value, op->known.data,
                               op->known.len)
                    == 0);
    }

    len = op->same ? 0 : op->head ? rec->head_len : len;

    if (len) {
        ngx_oidc_shm_copy(sh, rec, entry, sizeof(ngx_oidc_copy_head_t) + len);
    }

    ngx_oidc_shm_use(sh, rec);

    ngx_oidc_shm_leave(&far->copy->zone);

    op->value.len = len;

    if (op->same) {
        return NGX_OK;
    }

    op->value.data = ngx_palloc(op->pool, ngx_max(len, 1));

    if (op->value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(op->value.data, ngx_oidc_copy_entry.value, len);

    return NGX_OK;
}


void
ngx_oidc_copy_source(ngx_oidc_job_t *job, ngx_oidc_redis_node_t *node)
{
    if (job->ticket) {
        job->source = ngx_oidc_copy_id(job->far->copy, node);
    }
}


void
ngx_oidc_copy_fill(ngx_oidc_job_t *job, oidc_str_t *value, size_t head_len)
{
    ngx_oidc_shm_t         *sh;
    ngx_oidc_copy_t        *copy;
    ngx_oidc_shm_zone_t    *zone;
    ngx_oidc_copy_head_t    head;
    ngx_oidc_copy_node_t   *node;
    ngx_oidc_shm_record_t  *rec;

    if (job->ticket == 0) {
        return;
    }

    copy = job->far->copy;
    zone = copy->zone.data;

    sh = ngx_oidc_shm_enter(&copy->zone);
    if (sh == NULL) {
        return;
    }

    rec = ngx_oidc_copy_find(sh, job->op->name, &head);

    if (rec != NULL && head.ticket == job->ticket) {

        ngx_oidc_shm_free(sh, rec);

        node = ngx_oidc_copy_node(ngx_oidc_copy_shared(sh), job->source);

        if (node != NULL && node->generation == head.generation
            && sizeof(ngx_oidc_copy_head_t) + value->len <= zone->limit)
        {
            ngx_oidc_copy_entry.head.ticket = 0;
            ngx_oidc_copy_entry.head.generation = head.generation;
            ngx_oidc_copy_entry.head.asked = job->asked;

            ngx_memcpy(ngx_oidc_copy_entry.value, value->data, value->len);

            ngx_oidc_copy_write(sh, job->op->name, value->len, head_len,
                                job->op->ttl);
        }
    }

    ngx_oidc_shm_leave(&copy->zone);
}


void
ngx_oidc_copy_drop(ngx_oidc_far_t *far, const u_char *name)
{
    ngx_oidc_shm_t         *sh;
    ngx_oidc_copy_head_t    head;
    ngx_oidc_shm_record_t  *rec;

    if (far->copy == NULL) {
        return;
    }

    sh = ngx_oidc_shm_enter(&far->copy->zone);
    if (sh == NULL) {
        return;
    }

    rec = ngx_oidc_copy_find(sh, name, &head);

    if (rec != NULL) {
        ngx_oidc_shm_free(sh, rec);
    }

    ngx_oidc_shm_leave(&far->copy->zone);
}


/* other workers need not touch it too while Redis has not told of this one */

void
ngx_oidc_copy_touch(ngx_oidc_far_t *far, ngx_oidc_store_op_t *op)
{
    ngx_oidc_shm_t         *sh;
    ngx_oidc_copy_head_t    head;
    ngx_oidc_shm_record_t  *rec;

    if (far->copy == NULL || op->kind != NGX_OIDC_STORE_SESSION) {
        return;
    }

    sh = ngx_oidc_shm_enter(&far->copy->zone);
    if (sh == NULL) {
        return;
    }

    rec = ngx_oidc_copy_find(sh, op->name, &head);

    if (rec != NULL && head.ticket == 0) {
        ngx_oidc_shm_expire_at(sh, rec, ngx_oidc_shm_now() + op->ttl);
    }

    ngx_oidc_shm_leave(&far->copy->zone);
}


void
ngx_oidc_copy_stat(ngx_oidc_far_t *far, ngx_oidc_store_stat_t *st)
{
    ngx_uint_t               i;
    ngx_oidc_shm_t          *sh;
    ngx_oidc_copy_shared_t  *shared;

    if (far->copy == NULL) {
        return;
    }

    ngx_oidc_shm_stat(&far->copy->zone, st);

    sh = ngx_oidc_shm_enter(&far->copy->zone);
    if (sh == NULL) {
        return;
    }

    shared = ngx_oidc_copy_shared(sh);

    st->hits = shared->hits;
    st->misses = shared->misses;

    for (i = 0; i < NGX_OIDC_COPY_NODES; i++) {
        if (shared->node[i].generation
            && ngx_current_msec < shared->node[i].until)
        {
            st->trusted++;
        }
    }

    ngx_oidc_shm_leave(&far->copy->zone);
}


uint64_t
ngx_oidc_copy_id(ngx_oidc_copy_t *copy, ngx_oidc_redis_node_t *node)
{
    return (uint64_t) ngx_oidc_redis_node_hash(node) << 32
           | (copy->origin | 1);
}


ngx_oidc_copy_node_t *
ngx_oidc_copy_node(ngx_oidc_copy_shared_t *shared, uint64_t id)
{
    ngx_uint_t  i;

    for (i = 0; id != 0 && i < NGX_OIDC_COPY_NODES; i++) {
        if (shared->node[i].id == id) {
            return &shared->node[i];
        }
    }

    return NULL;
}


/* the node that has this session now; 0: not known */

static uint64_t
ngx_oidc_copy_node_of(ngx_oidc_far_t *far, const u_char *name)
{
    u_char                  buf[OIDC_RECORD_KEY_MAX];
    ngx_str_t               key;
    ngx_oidc_redis_node_t  *node;

    node = ngx_oidc_redis_node_of(far->redis, NULL);

    if (node == NULL) {
        key = ngx_oidc_job_key(far, NGX_OIDC_STORE_SESSION, name, buf);
        node = ngx_oidc_redis_node_of(far->redis, &key);
    }

    return (node != NULL) ? ngx_oidc_copy_id(far->copy, node) : 0;
}


static ngx_oidc_shm_record_t *
ngx_oidc_copy_find(ngx_oidc_shm_t *sh, const u_char *name,
    ngx_oidc_copy_head_t *head)
{
    ngx_oidc_store_op_t     op;
    ngx_oidc_shm_record_t  *rec;

    op.kind = NGX_OIDC_STORE_SESSION;
    ngx_memcpy(op.name, name, NGX_OIDC_STORE_NAME_LEN);

    rec = ngx_oidc_shm_find(sh, &op, ngx_oidc_shm_now());

    if (rec != NULL) {
        ngx_oidc_shm_copy(sh, rec, (u_char *) head,
                          sizeof(ngx_oidc_copy_head_t));
    }

    return rec;
}


/* the entry above, with "len" bytes of value; there is none of this name */

static void
ngx_oidc_copy_write(ngx_oidc_shm_t *sh, const u_char *name, size_t len,
    size_t head_len, ngx_msec_t ttl)
{
    uint64_t             now;
    ngx_oidc_store_op_t  op;

    ngx_memzero(&op, sizeof(ngx_oidc_store_op_t));

    op.kind = NGX_OIDC_STORE_SESSION;
    op.value.len = sizeof(ngx_oidc_copy_head_t) + len;
    op.value.data = (u_char *) &ngx_oidc_copy_entry;
    op.head_len = head_len;
    op.ttl = ttl;

    ngx_memcpy(op.name, name, NGX_OIDC_STORE_NAME_LEN);

    now = ngx_oidc_shm_now();

    (void) ngx_oidc_shm_room(sh, op.value.len, now);
    ngx_oidc_shm_write(sh, &op, NULL, now);
}
