
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Ending and counting many sessions of a Redis store.  An index is read in
 * pieces, each session deleted where it lies, then taken out of the index, so
 * that what was cut short is simply done again; and deleted once more, since a
 * login may have made it between the two, and looks at the index after that.
 * Counting, and ending by how a name begins, walk over all keys of all nodes:
 * for people, not for requests.
 */


#include "ngx_oidc_store_redis.h"


/* sessions at a time; ZREM and its key fit the same command */

#define NGX_OIDC_FAR_BATCH   60

/* keys that Redis looks at for one SCAN */

#define NGX_OIDC_FAR_SCAN    "500"

/* walks begun anew; each node that is connected to for the first time is one */

#define NGX_OIDC_FAR_AGAIN   64


typedef struct {
    /* found and to be deleted; more than a page, so that it can be freed */
    u_char       (*names)[OIDC_RECORD_NAME];
    ngx_uint_t     n;
    ngx_uint_t     next;                /* the first not deleted yet */

    ngx_uint_t     listed;              /* INDEX: by the last ZRANGE */
    ngx_uint_t     skip;                /* that are none of our names */

    ngx_uint_t     node;                /* SCAN: its number */
    ngx_uint_t     version;             /* of the list of nodes */
    ngx_uint_t     again;
    size_t         name_len;
    ngx_str_t      cursor;
    u_char         cursor_buf[NGX_INT64_LEN];
    unsigned       count:1;             /* and leave them */
} ngx_oidc_far_walk_t;


static ngx_oidc_job_t *ngx_oidc_far_walk(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_far_room(ngx_oidc_job_t *job, ngx_uint_t n);
static ngx_int_t ngx_oidc_far_list(ngx_oidc_job_t *job);
static void ngx_oidc_far_listed(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);
static ngx_int_t ngx_oidc_far_scan(ngx_oidc_job_t *job);
static void ngx_oidc_far_rewind(ngx_oidc_job_t *job);
static ngx_str_t ngx_oidc_far_pattern(ngx_oidc_job_t *job, u_char *buf);
static void ngx_oidc_far_scanned(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);
static ngx_int_t ngx_oidc_far_delete(ngx_oidc_job_t *job);
static void ngx_oidc_far_deleted(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);
static ngx_int_t ngx_oidc_far_delete_next(ngx_oidc_job_t *job);
static ngx_int_t ngx_oidc_far_unlist(ngx_oidc_job_t *job);
static ngx_int_t ngx_oidc_far_delete_again(ngx_oidc_job_t *job);
static ngx_int_t ngx_oidc_far_unlisted(ngx_oidc_job_t *job);
static void ngx_oidc_far_ignore(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);


ngx_int_t
ngx_oidc_far_end(ngx_oidc_store_op_t *op)
{
    ngx_oidc_job_t       *job;
    ngx_oidc_far_walk_t  *walk;

    job = ngx_oidc_far_walk(op);
    if (job == NULL) {
        return NGX_ERROR;
    }

    if (op->kind == NGX_OIDC_STORE_INDEX) {
        (void) ngx_oidc_far_list(job);

    } else {
        walk = job->walk;
        walk->name_len = ngx_min(op->name_len, OIDC_RECORD_NAME);

        (void) ngx_oidc_far_scan(job);
    }

    return ngx_oidc_job_wait(job);
}


ngx_int_t
ngx_oidc_far_count(ngx_oidc_store_op_t *op)
{
    ngx_oidc_job_t       *job;
    ngx_oidc_far_walk_t  *walk;

    job = ngx_oidc_far_walk(op);
    if (job == NULL) {
        return NGX_ERROR;
    }

    walk = job->walk;
    walk->count = 1;

    (void) ngx_oidc_far_scan(job);

    return ngx_oidc_job_wait(job);
}


static ngx_oidc_job_t *
ngx_oidc_far_walk(ngx_oidc_store_op_t *op)
{
    ngx_oidc_job_t       *job;
    ngx_oidc_far_walk_t  *walk;

    job = ngx_oidc_job_create(op, NGX_OIDC_FAR_BATCH, NULL, NULL);
    walk = ngx_pcalloc(op->pool, sizeof(ngx_oidc_far_walk_t));

    if (job == NULL || walk == NULL) {
        return NULL;
    }

    job->walk = walk;

    ngx_oidc_far_rewind(job);

    return job;
}


static ngx_int_t
ngx_oidc_far_room(ngx_oidc_job_t *job, ngx_uint_t n)
{
    size_t                size;
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;
    size = ngx_max(n * OIDC_RECORD_NAME, ngx_pagesize);

    if (walk->names != NULL) {
        ngx_pfree(job->op->pool, walk->names);
    }

    walk->names = ngx_palloc(job->op->pool, size);
    walk->n = 0;
    walk->next = 0;

    return (walk->names != NULL) ? NGX_OK : NGX_ERROR;
}


/* ZRANGE index skip skip+batch-1 */

static ngx_int_t
ngx_oidc_far_list(ngx_oidc_job_t *job)
{
    u_char                first[NGX_INT64_LEN], last[NGX_INT64_LEN];
    ngx_str_t             argv[4] = { ngx_string("ZRANGE"), ngx_null_string };
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;
    walk->listed = 0;

    job->answer = ngx_oidc_far_listed;
    job->next = ngx_oidc_far_delete;

    argv[2] = ngx_oidc_job_number(walk->skip, first);
    argv[3] = ngx_oidc_job_number(walk->skip + NGX_OIDC_FAR_BATCH - 1, last);

    ngx_oidc_job_send(job, NGX_OIDC_STORE_INDEX, job->op->name, argv, 4);

    return NGX_AGAIN;
}


static void
ngx_oidc_far_listed(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply)
{
    size_t                n;
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;

    if (reply->type != OIDC_REDIS_ARRAY
        || reply->elements > NGX_OIDC_FAR_BATCH
        || ngx_oidc_far_room(job, reply->elements) != NGX_OK)
    {
        job->failed = NGX_OIDC_REDIS_ERROR;
        return;
    }

    walk->listed = reply->elements;

    for (n = 0; n < reply->elements; n++) {

        if (reply->element[n].type == OIDC_REDIS_STRING
            && oidc_b64url_decode_buf(walk->names[walk->n], OIDC_RECORD_NAME,
                                      &reply->element[n].str))
        {
            walk->n++;

        } else {
            walk->skip++;
        }
    }
}


/* SCAN cursor MATCH pattern COUNT n, at one node after the other */

static ngx_int_t
ngx_oidc_far_scan(ngx_oidc_job_t *job)
{
    u_char                pattern[2 * OIDC_RECORD_KEY_MAX];
    ngx_str_t             argv[6] = { ngx_string("SCAN") };
    ngx_uint_t            version;
    ngx_oidc_redis_t     *redis;
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;
    redis = job->far->redis;

    version = ngx_oidc_redis_nodes_version(redis);

    if (walk->version != version && walk->again++ < NGX_OIDC_FAR_AGAIN) {
        ngx_oidc_far_rewind(job);
    }

    job->node = ngx_oidc_redis_node(redis, walk->node);

    if (walk->version != version || (job->node == NULL && walk->node == 0)) {
        job->failed = NGX_OIDC_REDIS_FAILOVER;
        return NGX_ERROR;
    }

    if (job->node == NULL) {
        return NGX_OK;
    }

    job->answer = ngx_oidc_far_scanned;
    job->next = ngx_oidc_far_delete;

    argv[1] = walk->cursor;
    ngx_str_set(&argv[2], "MATCH");
    argv[3] = ngx_oidc_far_pattern(job, pattern);
    ngx_str_set(&argv[4], "COUNT");
    ngx_str_set(&argv[5], NGX_OIDC_FAR_SCAN);

    ngx_oidc_job_send(job, NGX_OIDC_STORE_SESSION, NULL, argv, 6);

    return NGX_AGAIN;
}


/* from the first node on: a cursor is good for the server alone that gave it */

static void
ngx_oidc_far_rewind(ngx_oidc_job_t *job)
{
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;

    walk->version = ngx_oidc_redis_nodes_version(job->far->redis);
    walk->node = 0;
    ngx_str_set(&walk->cursor, "0");

    if (walk->count) {
        job->op->count = 0;
    }
}


/* as many characters as the bytes of the name decide */

static ngx_str_t
ngx_oidc_far_pattern(ngx_oidc_job_t *job, u_char *buf)
{
    u_char                *p, text[OIDC_RECORD_TEXT];
    size_t                 i;
    ngx_str_t              pattern, *prefix;
    ngx_oidc_far_walk_t   *walk;

    walk = job->walk;
    prefix = &job->far->prefix;
    p = buf;

    for (i = 0; i < prefix->len; i++) {
        if (ngx_strchr("*?[]", prefix->data[i]) != NULL) {
            *p++ = '\\';
        }

        *p++ = prefix->data[i];
    }

    (void) oidc_b64url_encode_buf(text, job->op->name, OIDC_RECORD_NAME);

    p = ngx_cpymem(p, "s:{", 3);
    p = ngx_cpymem(p, text, walk->name_len * 8 / 6);
    p = ngx_cpymem(p, "*}", 2);

    pattern.data = buf;
    pattern.len = p - buf;

    return pattern;
}


static void
ngx_oidc_far_scanned(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply)
{
    size_t                n;
    u_char                name[OIDC_RECORD_NAME];
    oidc_redis_reply_t   *cursor, *keys;
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;
    job->failed = NGX_OIDC_REDIS_ERROR;

    if (reply->type != OIDC_REDIS_ARRAY || reply->elements != 2) {
        return;
    }

    cursor = &reply->element[0];
    keys = &reply->element[1];

    if (cursor->type != OIDC_REDIS_STRING || cursor->str.len == 0
        || cursor->str.len > NGX_INT64_LEN || keys->type != OIDC_REDIS_ARRAY
        || ngx_oidc_far_room(job, keys->elements) != NGX_OK)
    {
        return;
    }

    job->failed = NGX_OIDC_REDIS_OK;

    walk->cursor.len = cursor->str.len;
    walk->cursor.data = walk->cursor_buf;
    ngx_memcpy(walk->cursor_buf, cursor->str.data, cursor->str.len);

    if (oidc_str_eq_cstr(&walk->cursor, "0")) {
        walk->node++;
    }

    for (n = 0; n < keys->elements; n++) {

        if (keys->element[n].type != OIDC_REDIS_STRING
            || !oidc_record_name(&keys->element[n].str, &job->far->prefix, 's',
                                 name)
            || ngx_memcmp(name, job->op->name, walk->name_len) != 0)
        {
            continue;
        }

        if (walk->count) {
            job->op->count++;

        } else {
            ngx_memcpy(walk->names[walk->n++], name, OIDC_RECORD_NAME);
        }
    }
}


static ngx_int_t
ngx_oidc_far_delete(ngx_oidc_job_t *job)
{
    ngx_uint_t            n, first;
    ngx_str_t             argv[] = { ngx_string("DEL"), ngx_null_string };
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;
    first = walk->next;

    if (first == walk->n) {
        return ngx_oidc_far_delete_next(job);
    }

    job->answer = ngx_oidc_far_deleted;
    job->next = ngx_oidc_far_delete_next;

    for (n = first; n < walk->n && n - first < NGX_OIDC_FAR_BATCH; n++) {

        ngx_oidc_copy_drop(job->far, walk->names[n]);
        ngx_oidc_job_send(job, NGX_OIDC_STORE_SESSION, walk->names[n], argv,
                          2);
    }

    return NGX_AGAIN;
}


static void
ngx_oidc_far_deleted(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply)
{
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;

    ngx_oidc_copy_drop(job->far, walk->names[walk->next + i]);

    if (reply->type == OIDC_REDIS_INTEGER && reply->integer > 0) {
        job->op->count++;
    }
}


static ngx_int_t
ngx_oidc_far_delete_next(ngx_oidc_job_t *job)
{
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;

    if (job->op->kind == NGX_OIDC_STORE_INDEX && !walk->count) {
        return ngx_oidc_far_unlist(job);
    }

    walk->next = ngx_min(walk->next + NGX_OIDC_FAR_BATCH, walk->n);

    return (walk->next < walk->n) ? ngx_oidc_far_delete(job)
                                  : ngx_oidc_far_scan(job);
}


/* what was deleted here, whether or not it was there still */

static ngx_int_t
ngx_oidc_far_unlist(ngx_oidc_job_t *job)
{
    u_char                text[NGX_OIDC_FAR_BATCH][OIDC_RECORD_TEXT];
    ngx_str_t             argv[2 + NGX_OIDC_FAR_BATCH];
    ngx_uint_t            n;
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;

    if (walk->n == 0) {
        return ngx_oidc_far_unlisted(job);
    }

    job->answer = ngx_oidc_far_ignore;
    job->next = ngx_oidc_far_delete_again;

    ngx_str_set(&argv[0], "ZREM");
    ngx_str_null(&argv[1]);

    for (n = 0; n < walk->n; n++) {
        (void) oidc_b64url_encode_buf(text[n], walk->names[n],
                                      OIDC_RECORD_NAME);
        argv[2 + n].len = OIDC_RECORD_TEXT;
        argv[2 + n].data = text[n];
    }

    ngx_oidc_job_send(job, NGX_OIDC_STORE_INDEX, job->op->name, argv,
                      2 + walk->n);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_oidc_far_delete_again(ngx_oidc_job_t *job)
{
    ngx_int_t  rc;

    rc = ngx_oidc_far_delete(job);

    job->next = ngx_oidc_far_unlisted;

    return rc;
}


static ngx_int_t
ngx_oidc_far_unlisted(ngx_oidc_job_t *job)
{
    ngx_oidc_far_walk_t  *walk;

    walk = job->walk;

    return (walk->listed == NGX_OIDC_FAR_BATCH) ? ngx_oidc_far_list(job)
                                                : NGX_OK;
}


static void
ngx_oidc_far_ignore(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply)
{
    /* void */
}
