
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The Redis store: each verb as the commands that it is.  All of them wait but
 * a get that the local copy answers.  What comes from Redis is checked for type
 * and length, and what is no record of ours is none at all: its owner logs in
 * again.  Commands that may not be done twice (NX) are never sent twice.
 */


#include "ngx_oidc_store_redis.h"
#include "ngx_oidc_store_shm.h"


static ngx_int_t ngx_oidc_far_add(ngx_conf_t *cf, ngx_oidc_store_t *store,
    ngx_oidc_store_conf_t *conf);
static ngx_int_t ngx_oidc_far_init_process(ngx_oidc_store_t *store,
    ngx_cycle_t *cycle);
static void ngx_oidc_far_exit_process(ngx_oidc_store_t *store);
static ngx_int_t ngx_oidc_far_get(ngx_oidc_store_op_t *op);
static void ngx_oidc_far_got(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);
static ngx_uint_t ngx_oidc_far_known(ngx_oidc_store_op_t *op,
    oidc_str_t *record);
static ngx_int_t ngx_oidc_far_get_next(ngx_oidc_job_t *job);
static ngx_int_t ngx_oidc_far_replace(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_far_touch(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_far_del(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_far_once(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_far_lock(ngx_oidc_store_op_t *op);
static ngx_int_t ngx_oidc_far_locked(ngx_oidc_job_t *job);
static void ngx_oidc_far_unlock(ngx_oidc_store_op_t *op);
static void ngx_oidc_far_stat(ngx_oidc_store_t *store,
    ngx_oidc_store_stat_t *st);

static ngx_int_t ngx_oidc_far_mark(ngx_oidc_store_op_t *op, ngx_str_t *value,
    ngx_oidc_job_next_pt next);


const ngx_oidc_store_type_t  ngx_oidc_store_redis = {
    ngx_string("redis"),
    ngx_oidc_far_add,
    ngx_oidc_far_get,
    ngx_oidc_far_create,
    ngx_oidc_far_replace,
    ngx_oidc_far_touch,
    ngx_oidc_far_del,
    ngx_oidc_far_once,
    ngx_oidc_far_lock,
    ngx_oidc_far_end,
    ngx_oidc_far_count,
    ngx_oidc_far_unlock,
    ngx_oidc_job_cancel,
    ngx_oidc_far_stat,
    ngx_oidc_far_init_process,
    ngx_oidc_far_exit_process
};


/* milliseconds of a lease before its owner has said that he knows of it */

#define NGX_OIDC_FAR_UNTOLD  5000


#define ngx_oidc_far_extend_script  ngx_string(                               \
    "if redis.call('GET',KEYS[1])==ARGV[1] then "                             \
    "return redis.call('PEXPIRE',KEYS[1],ARGV[2]) end "                       \
    "return 0")

#define ngx_oidc_far_unlock_script  ngx_string(                               \
    "if redis.call('GET',KEYS[1])==ARGV[1] then "                             \
    "return redis.call('DEL',KEYS[1]) end "                                   \
    "return 0")


/* where what is sent is put together */

static u_char  ngx_oidc_far_scratch[OIDC_RECORD_HEAD
                                    + NGX_OIDC_STORE_VALUE_MAX];


static ngx_int_t
ngx_oidc_far_add(ngx_conf_t *cf, ngx_oidc_store_t *store,
    ngx_oidc_store_conf_t *conf)
{
    ngx_oidc_far_t  *far;

    far = ngx_pcalloc(cf->pool, sizeof(ngx_oidc_far_t));
    if (far == NULL) {
        return NGX_ERROR;
    }

    far->store = store;
    far->prefix = conf->prefix;

    store->data = far;

    far->redis = ngx_oidc_redis_add(cf, &conf->redis);
    if (far->redis == NULL) {
        return NGX_ERROR;
    }

    return conf->copy ? ngx_oidc_copy_add(cf, far, conf) : NGX_OK;
}


static ngx_int_t
ngx_oidc_far_init_process(ngx_oidc_store_t *store, ngx_cycle_t *cycle)
{
    ngx_oidc_far_t *far = store->data;

    if (ngx_oidc_redis_init_process(far->redis, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_oidc_copy_watch(far, cycle);
}


static void
ngx_oidc_far_exit_process(ngx_oidc_store_t *store)
{
    ngx_oidc_far_t *far = store->data;

    ngx_oidc_copy_unwatch(far);
    ngx_oidc_redis_exit_process(far->redis);
}


/* GET and PTTL in one round trip */

static ngx_int_t
ngx_oidc_far_get(ngx_oidc_store_op_t *op)
{
    uint64_t         ticket;
    ngx_int_t        rc;
    ngx_oidc_job_t  *job;
    ngx_str_t        get[] = { ngx_string("GET"), ngx_null_string };
    ngx_str_t        pttl[] = { ngx_string("PTTL"), ngx_null_string };

    op->same = 0;
    ticket = 0;

    if (!op->fresh) {
        rc = ngx_oidc_copy_get(op->store->data, op, &ticket);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    job = ngx_oidc_job_create(op, 2, ngx_oidc_far_got, ngx_oidc_far_get_next);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->ticket = ticket;
    job->asked = ngx_current_msec;

    op->value.data = NULL;

    ngx_oidc_job_send(job, op->kind, op->name, get, 2);
    ngx_oidc_job_send(job, op->kind, op->name, pttl, 2);

    return ngx_oidc_job_wait(job);
}


/*
 * The record lasts until done() of the answer to GET, so it is copied at once:
 * whole, since the local copy wants it so.
 */

static void
ngx_oidc_far_got(ngx_oidc_job_t *job, ngx_uint_t i, oidc_redis_reply_t *reply)
{
    ngx_str_t  *stored;

    stored = &job->op->value;

    if (i == 1) {
        job->op->ttl = (reply->type == OIDC_REDIS_INTEGER && reply->integer > 0)
                       ? (ngx_msec_t) reply->integer : 0;

        /* by hand somebody has made it last forever: a touch will mend it */

        if (reply->type == OIDC_REDIS_INTEGER && reply->integer == -1) {
            job->op->ttl = 1;
        }

        return;
    }

    job->rc = NGX_DECLINED;

    ngx_oidc_copy_source(job, job->cmds[i].cmd.from);

    if (reply->type != OIDC_REDIS_STRING
        || reply->str.len > OIDC_RECORD_HEAD + NGX_OIDC_STORE_VALUE_MAX)
    {
        return;
    }

    if (job->ticket == 0 && ngx_oidc_far_known(job->op, &reply->str)) {

        /* nobody needs a copy of it */

        job->op->same = 1;
        return;
    }

    stored->data = ngx_palloc(job->op->pool, ngx_max(reply->str.len, 1));

    if (stored->data == NULL) {
        job->rc = NGX_ERROR;
        return;
    }

    stored->len = reply->str.len;
    ngx_memcpy(stored->data, reply->str.data, reply->str.len);
}


/* the record of which the caller knows the beginning, still as it was */

static ngx_uint_t
ngx_oidc_far_known(ngx_oidc_store_op_t *op, oidc_str_t *record)
{
    oidc_str_t  value;

    return op->known.len
           && oidc_record_read(record, NGX_OIDC_STORE_VALUE_MAX, &value,
                               &op->head_len)
           && op->known.len <= value.len
           && ngx_memcmp(value.data, op->known.data, op->known.len) == 0;
}


static ngx_int_t
ngx_oidc_far_get_next(ngx_oidc_job_t *job)
{
    size_t                head_len;
    oidc_str_t            record, value;
    ngx_oidc_store_op_t  *op;

    op = job->op;

    if (op->same && op->ttl != 0) {
        op->value.len = 0;
        return NGX_OK;
    }

    record = op->value;

    if (record.data == NULL || op->ttl == 0
        || !oidc_record_read(&record, NGX_OIDC_STORE_VALUE_MAX, &value,
                             &head_len))
    {
        if (job->ticket) {
            ngx_oidc_copy_drop(job->far, op->name);
        }

        op->why = NGX_OIDC_STORE_ABSENT;
        op->value.len = 0;

        return job->rc;
    }

    ngx_oidc_copy_fill(job, &value, head_len);

    op->head_len = head_len;
    op->value.data = value.data;
    op->value.len = op->head ? head_len : value.len;

    if (ngx_oidc_far_known(op, &record)) {
        op->same = 1;
        op->value.len = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_far_replace(ngx_oidc_store_op_t *op)
{
    ngx_oidc_job_t  *job;

    job = ngx_oidc_job_create(op, 1, ngx_oidc_far_answer, ngx_oidc_far_next);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->drop = 1;
    ngx_oidc_copy_drop(job->far, op->name);

    ngx_oidc_far_set(job, &op->value, "XX");

    return ngx_oidc_job_wait(job);
}


static ngx_int_t
ngx_oidc_far_touch(ngx_oidc_store_op_t *op)
{
    u_char           number[NGX_INT64_LEN];
    ngx_oidc_job_t  *job;
    ngx_str_t        argv[3] = { ngx_string("PEXPIRE"), ngx_null_string };

    job = ngx_oidc_job_create(op, 1, ngx_oidc_far_answer, ngx_oidc_far_next);
    if (job == NULL) {
        return NGX_ERROR;
    }

    ngx_oidc_copy_touch(job->far, op);

    argv[2] = ngx_oidc_job_number(op->ttl, number);

    ngx_oidc_job_send(job, op->kind, op->name, argv, 3);

    return ngx_oidc_job_wait(job);
}


/* the indexes may be left with a name that is none any more */

static ngx_int_t
ngx_oidc_far_del(ngx_oidc_store_op_t *op)
{
    u_char           text[OIDC_RECORD_TEXT];
    ngx_uint_t       i;
    ngx_oidc_job_t  *job;
    ngx_str_t        del[] = { ngx_string("DEL"), ngx_null_string };
    ngx_str_t        zrem[3] = { ngx_string("ZREM") };

    job = ngx_oidc_job_create(op, 1, ngx_oidc_far_answer, ngx_oidc_far_next);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->drop = 1;
    ngx_oidc_copy_drop(job->far, op->name);

    ngx_oidc_job_send(job, op->kind, op->name, del, 2);

    zrem[2] = ngx_oidc_far_name(op->name, text);

    for (i = 0; i < op->indexes; i++) {
        ngx_oidc_job_forget(job->far, NGX_OIDC_STORE_INDEX, op->index[i], zrem,
                            3);
    }

    return ngx_oidc_job_wait(job);
}


static ngx_int_t
ngx_oidc_far_once(ngx_oidc_store_op_t *op)
{
    ngx_str_t  one = ngx_string("1");

    return ngx_oidc_far_mark(op, &one, ngx_oidc_far_next);
}


/*
 * A short lease at first: Redis may execute the command when nobody listens any
 * more, who could not give back what he does not know of.
 */

static ngx_int_t
ngx_oidc_far_lock(ngx_oidc_store_op_t *op)
{
    ngx_int_t   rc;
    ngx_str_t   owner;
    ngx_msec_t  lease;

    owner.len = NGX_OIDC_STORE_OWNER_LEN;
    owner.data = op->owner;

    lease = op->ttl;
    op->ttl = ngx_min(lease, NGX_OIDC_FAR_UNTOLD);

    rc = ngx_oidc_far_mark(op, &owner, ngx_oidc_far_locked);

    op->ttl = lease;

    return rc;
}


static ngx_int_t
ngx_oidc_far_locked(ngx_oidc_job_t *job)
{
    u_char                number[NGX_INT64_LEN];
    ngx_str_t             argv[6] = { ngx_string("EVAL"),
                                      ngx_oidc_far_extend_script,
                                      ngx_string("1") };
    ngx_oidc_store_op_t  *op;

    op = job->op;

    if (job->rc != NGX_OK || op->ttl <= NGX_OIDC_FAR_UNTOLD) {
        return ngx_oidc_far_next(job);
    }

    job->next = ngx_oidc_far_next;

    argv[4].len = NGX_OIDC_STORE_OWNER_LEN;
    argv[4].data = op->owner;
    argv[5] = ngx_oidc_job_number(op->ttl, number);

    ngx_oidc_job_send(job, op->kind, op->name, argv, 6);

    return NGX_AGAIN;
}


/* the first one gets it, and nobody is told twice that he was */

static ngx_int_t
ngx_oidc_far_mark(ngx_oidc_store_op_t *op, ngx_str_t *value,
    ngx_oidc_job_next_pt next)
{
    ngx_oidc_job_t  *job;

    job = ngx_oidc_job_create(op, 1, ngx_oidc_far_answer, next);
    if (job == NULL) {
        return NGX_ERROR;
    }

    job->once = 1;

    ngx_oidc_far_set(job, value, "NX");

    return ngx_oidc_job_wait(job);
}


static void
ngx_oidc_far_unlock(ngx_oidc_store_op_t *op)
{
    ngx_str_t  argv[5] = { ngx_string("EVAL"), ngx_oidc_far_unlock_script,
                           ngx_string("1") };

    argv[4].len = NGX_OIDC_STORE_OWNER_LEN;
    argv[4].data = op->owner;

    ngx_oidc_job_forget(op->store->data, NGX_OIDC_STORE_LOCK, op->name, argv,
                        5);
}


static void
ngx_oidc_far_stat(ngx_oidc_store_t *store, ngx_oidc_store_stat_t *st)
{
    ngx_oidc_copy_stat(store->data, st);
}


/* SET key value PX ttl NX | XX */

void
ngx_oidc_far_set(ngx_oidc_job_t *job, ngx_str_t *value, const char *condition)
{
    u_char                number[NGX_INT64_LEN];
    ngx_str_t             argv[6] = { ngx_string("SET"), ngx_null_string };
    ngx_oidc_store_op_t  *op;

    op = job->op;

    argv[2] = *value;

    if (op->kind == NGX_OIDC_STORE_SESSION) {
        oidc_record_begin(ngx_oidc_far_scratch, op->head_len);

        ngx_memcpy(ngx_oidc_far_scratch + OIDC_RECORD_HEAD, value->data,
                   value->len);

        argv[2].len = OIDC_RECORD_HEAD + value->len;
        argv[2].data = ngx_oidc_far_scratch;
    }

    ngx_str_set(&argv[3], "PX");
    argv[4] = ngx_oidc_job_number(op->ttl, number);
    argv[5].len = 2;
    argv[5].data = (u_char *) condition;

    ngx_oidc_job_send(job, op->kind, op->name, argv, 6);
}


/* of SET: OK or nil; of the others: how many keys there were */

void
ngx_oidc_far_answer(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply)
{
    switch (reply->type) {

    case OIDC_REDIS_STATUS:
        job->rc = NGX_OK;
        break;

    case OIDC_REDIS_INTEGER:
        job->rc = reply->integer ? NGX_OK : NGX_DECLINED;
        break;

    case OIDC_REDIS_NIL:
        job->rc = NGX_DECLINED;
        break;

    default:
        job->rc = NGX_ERROR;
    }
}


/*
 * What was learnt while the change was under way may be from before it.  A
 * touch changes nothing but the time, and was told before.
 */

ngx_int_t
ngx_oidc_far_next(ngx_oidc_job_t *job)
{
    ngx_oidc_store_op_t  *op;

    op = job->op;

    if (op->kind == NGX_OIDC_STORE_SESSION
        && (job->drop || job->rc != NGX_OK))
    {
        ngx_oidc_copy_drop(job->far, op->name);
    }

    if (job->rc == NGX_DECLINED) {
        op->why = job->once ? NGX_OIDC_STORE_PRESENT : NGX_OIDC_STORE_ABSENT;
    }

    return job->rc;
}


ngx_str_t
ngx_oidc_far_name(const u_char *name, u_char *buf)
{
    ngx_str_t  text;

    text.data = buf;
    text.len = OIDC_RECORD_TEXT;

    (void) oidc_b64url_encode_buf(buf, name, OIDC_RECORD_NAME);

    return text;
}
