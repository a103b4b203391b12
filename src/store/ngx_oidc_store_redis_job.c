
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * An op whose commands are under way.  A job sends some commands at once, waits
 * for all their answers, and then sends more or is over; where one fails it
 * waits for the others and says so.  It lives in the op's pool.
 */


#include "ngx_oidc_store_redis.h"


static ngx_int_t ngx_oidc_job_put(ngx_oidc_far_t *far, ngx_oidc_job_cmd_t *c,
    ngx_oidc_store_kind_e kind, const u_char *name, ngx_str_t *argv,
    ngx_uint_t argc);
static void ngx_oidc_job_done(ngx_oidc_redis_cmd_t *cmd,
    oidc_redis_reply_t *reply);
static ngx_int_t ngx_oidc_job_failed(ngx_oidc_job_t *job);


/* by ngx_oidc_store_kind_e */

static const char  ngx_oidc_job_kinds[] = "soli";


/* by ngx_oidc_redis_result_e: what the operator reads */

static const char  *ngx_oidc_job_faults[] = {
    NULL,
    "Redis answered with an error",
    "Redis cannot be reached or does not answer in time",
    "too many commands wait for Redis",
    "Redis is loading its data",
    "Redis is read-only, it is a replica or cannot save",
    "Redis refuses the user or the password, or its ACL refuses the command",
    "Redis is full, raise its maxmemory",
    "Redis is failing over"
};


ngx_oidc_job_t *
ngx_oidc_job_create(ngx_oidc_store_op_t *op, ngx_uint_t max,
    ngx_oidc_job_answer_pt answer, ngx_oidc_job_next_pt next)
{
    ngx_oidc_job_t  *job;

    job = ngx_pcalloc(op->pool, sizeof(ngx_oidc_job_t)
                                + max * sizeof(ngx_oidc_job_cmd_t));
    if (job == NULL) {
        return NULL;
    }

    job->op = op;
    job->far = op->store->data;
    job->cmds = (ngx_oidc_job_cmd_t *) (job + 1);
    job->max = max;
    job->answer = answer;
    job->next = next;
    job->rc = NGX_ERROR;

    return job;
}


void
ngx_oidc_job_send(ngx_oidc_job_t *job, ngx_oidc_store_kind_e kind,
    const u_char *name, ngx_str_t *argv, ngx_uint_t argc)
{
    ngx_oidc_job_cmd_t  *c;

    c = &job->cmds[job->sent++];

    ngx_memzero(&c->cmd, sizeof(ngx_oidc_redis_cmd_t));

    c->cmd.node = (name == NULL) ? job->node : NULL;
    c->cmd.done = ngx_oidc_job_done;
    c->cmd.data = job;
    c->cmd.idempotent = !job->once;

    if (ngx_oidc_job_put(job->far, c, kind, name, argv, argc) == NGX_OK) {
        job->waits++;
        return;
    }

    if (job->failed == NGX_OIDC_REDIS_OK) {
        job->failed = c->cmd.result;
    }
}


ngx_int_t
ngx_oidc_job_wait(ngx_oidc_job_t *job)
{
    if (job->waits == 0) {
        return ngx_oidc_job_failed(job);
    }

    job->op->ctx = job;

    return NGX_AGAIN;
}


void
ngx_oidc_job_cancel(ngx_oidc_store_op_t *op)
{
    ngx_oidc_job_t *job = op->ctx;

    ngx_uint_t  i;

    for (i = 0; i < job->sent; i++) {
        ngx_oidc_redis_cancel(&job->cmds[i].cmd);
    }

    if (job->ticket) {
        ngx_oidc_copy_drop(job->far, op->name);
    }

    op->ctx = NULL;
}


ngx_str_t
ngx_oidc_job_key(ngx_oidc_far_t *far, ngx_oidc_store_kind_e kind,
    const u_char *name, u_char *buf)
{
    ngx_str_t  key;

    key.data = buf;
    key.len = oidc_record_key(buf, &far->prefix, ngx_oidc_job_kinds[kind],
                              name)
              - buf;

    return key;
}


ngx_str_t
ngx_oidc_job_number(uint64_t n, u_char *buf)
{
    ngx_str_t  text;

    text.data = buf;
    text.len = ngx_sprintf(buf, "%uL", n) - buf;

    return text;
}


void
ngx_oidc_job_forget(ngx_oidc_far_t *far, ngx_oidc_store_kind_e kind,
    const u_char *name, ngx_str_t *argv, ngx_uint_t argc)
{
    ngx_oidc_job_cmd_t  c;

    ngx_memzero(&c.cmd, sizeof(ngx_oidc_redis_cmd_t));

    (void) ngx_oidc_job_put(far, &c, kind, name, argv, argc);
}


/* arguments are copied as they are sent, the caller's are as before then */

static ngx_int_t
ngx_oidc_job_put(ngx_oidc_far_t *far, ngx_oidc_job_cmd_t *c,
    ngx_oidc_store_kind_e kind, const u_char *name, ngx_str_t *argv,
    ngx_uint_t argc)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    c->cmd.redis = far->redis;
    c->cmd.argv = argv;
    c->cmd.argc = argc;

    if (name == NULL) {
        return ngx_oidc_redis_send(&c->cmd);
    }

    c->cmd.key = ngx_oidc_job_key(far, kind, name, c->key);

    for (i = 0; argv[i].data != NULL; i++) {
        /* void */
    }

    argv[i] = c->cmd.key;

    rc = ngx_oidc_redis_send(&c->cmd);

    ngx_str_null(&argv[i]);

    return rc;
}


/* after op->done() the op and the job may be gone */

static void
ngx_oidc_job_done(ngx_oidc_redis_cmd_t *cmd, oidc_redis_reply_t *reply)
{
    ngx_oidc_job_t *job = cmd->data;

    ngx_int_t             rc;
    ngx_oidc_store_op_t  *op;

    job->waits--;

    if (cmd->result == NGX_OIDC_REDIS_OK && reply != NULL) {
        job->answer(job, (ngx_oidc_job_cmd_t *) cmd - job->cmds, reply);

    } else if (job->failed == NGX_OIDC_REDIS_OK) {
        job->failed = (cmd->result != NGX_OIDC_REDIS_OK)
                      ? cmd->result : NGX_OIDC_REDIS_UNAVAILABLE;
    }

    if (job->waits) {
        return;
    }

    rc = NGX_ERROR;

    if (job->failed == NGX_OIDC_REDIS_OK) {
        job->sent = 0;
        rc = job->next(job);

        if (job->waits) {
            return;
        }
    }

    op = job->op;
    op->ctx = NULL;
    op->rc = (job->failed != NGX_OIDC_REDIS_OK) ? ngx_oidc_job_failed(job) : rc;

    if (op->rc == NGX_ERROR) {
        op->why = NGX_OIDC_STORE_UNAVAILABLE;
    }

    op->done(op);
}


static ngx_int_t
ngx_oidc_job_failed(ngx_oidc_job_t *job)
{
    if (job->ticket) {
        ngx_oidc_copy_drop(job->far, job->op->name);
    }

    job->op->fault = ngx_oidc_job_faults[job->failed];

    return NGX_ERROR;
}
