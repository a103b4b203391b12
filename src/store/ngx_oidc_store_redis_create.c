
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A new session in Redis.  Its indexes come first: a session that no logout of
 * its provider finds must not be, whatever happens in between.  A logout that
 * came in between has taken the name out of an index, so they are looked at
 * again once the session is there, and one that is over already goes.
 */


#include "ngx_oidc_store_redis.h"
#include "ngx_oidc_store_shm.h"


static ngx_int_t ngx_oidc_far_create_next(ngx_oidc_job_t *job);
static ngx_int_t ngx_oidc_far_create_look(ngx_oidc_job_t *job);
static void ngx_oidc_far_create_seen(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);
static ngx_int_t ngx_oidc_far_create_done(ngx_oidc_job_t *job);
static ngx_int_t ngx_oidc_far_create_ended(ngx_oidc_job_t *job);


/* what is over goes, the session comes, the index lasts as long as any of it */

#define ngx_oidc_far_index_script  ngx_string(                                \
    "redis.call('ZREMRANGEBYSCORE',KEYS[1],'-inf',ARGV[1]) "                  \
    "redis.call('ZADD',KEYS[1],ARGV[2],ARGV[3]) "                             \
    "if redis.call('PTTL',KEYS[1])<tonumber(ARGV[4]) then "                   \
    "redis.call('PEXPIRE',KEYS[1],ARGV[4]) end "                              \
    "return 1")


ngx_int_t
ngx_oidc_far_create(ngx_oidc_store_op_t *op)
{
    u_char           text[OIDC_RECORD_TEXT], number[3][NGX_INT64_LEN];
    uint64_t         now, ttl;
    ngx_uint_t       i;
    ngx_oidc_job_t  *job;
    ngx_str_t        argv[8] = { ngx_string("EVAL"), ngx_oidc_far_index_script,
                                 ngx_string("1") };

    job = ngx_oidc_job_create(op, 1 + NGX_OIDC_STORE_INDEXES,
                              ngx_oidc_far_answer, ngx_oidc_far_create_next);
    if (job == NULL) {
        return NGX_ERROR;
    }

    if (op->indexes == 0) {
        (void) ngx_oidc_far_create_next(job);
        return ngx_oidc_job_wait(job);
    }

    now = ngx_oidc_shm_now();
    ttl = ngx_max(op->index_ttl, op->ttl);

    argv[4] = ngx_oidc_job_number(now, number[0]);
    argv[5] = ngx_oidc_job_number(now + ttl, number[1]);
    argv[6] = ngx_oidc_far_name(op->name, text);
    argv[7] = ngx_oidc_job_number(ttl, number[2]);

    for (i = 0; i < op->indexes && i < NGX_OIDC_STORE_INDEXES; i++) {
        ngx_oidc_job_send(job, NGX_OIDC_STORE_INDEX, op->index[i], argv, 8);
    }

    return ngx_oidc_job_wait(job);
}


static ngx_int_t
ngx_oidc_far_create_next(ngx_oidc_job_t *job)
{
    job->next = job->op->indexes ? ngx_oidc_far_create_look
                                 : ngx_oidc_far_next;
    job->once = 1;

    ngx_oidc_far_set(job, &job->op->value, "NX");

    return NGX_AGAIN;
}


static ngx_int_t
ngx_oidc_far_create_look(ngx_oidc_job_t *job)
{
    u_char                text[OIDC_RECORD_TEXT];
    ngx_uint_t            i;
    ngx_str_t             argv[3] = { ngx_string("ZSCORE"), ngx_null_string };
    ngx_oidc_store_op_t  *op;

    op = job->op;

    if (job->rc != NGX_OK) {
        return ngx_oidc_far_next(job);
    }

    job->answer = ngx_oidc_far_create_seen;
    job->next = ngx_oidc_far_create_done;
    job->once = 0;

    argv[2] = ngx_oidc_far_name(op->name, text);

    for (i = 0; i < op->indexes && i < NGX_OIDC_STORE_INDEXES; i++) {
        ngx_oidc_job_send(job, NGX_OIDC_STORE_INDEX, op->index[i], argv, 3);
    }

    return NGX_AGAIN;
}


static void
ngx_oidc_far_create_seen(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply)
{
    if (reply->type != OIDC_REDIS_STRING) {
        job->rc = NGX_DECLINED;
    }
}


static ngx_int_t
ngx_oidc_far_create_done(ngx_oidc_job_t *job)
{
    ngx_str_t  del[] = { ngx_string("DEL"), ngx_null_string };

    if (job->rc == NGX_OK) {
        return NGX_OK;
    }

    job->answer = ngx_oidc_far_answer;
    job->next = ngx_oidc_far_create_ended;

    ngx_oidc_job_send(job, job->op->kind, job->op->name, del, 2);

    return NGX_AGAIN;
}


static ngx_int_t
ngx_oidc_far_create_ended(ngx_oidc_job_t *job)
{
    job->op->why = NGX_OIDC_STORE_ENDED;

    return NGX_DECLINED;
}
