
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decryption of what a provider has encrypted to us.  An RSA key takes
 * milliseconds (P-384 and P-521 as well), in which a worker would serve nobody:
 * that is done in a thread of nginx's default thread_pool, where nginx has
 * threads.  A job owns its memory and goes to its end whatever happens to the
 * request:
 *
 *   posted --thread--> opened --event--> handed over to the request, or wiped
 *     |                                   when it is gone
 *     +-- request freed: job->ctx = NULL
 *
 * The number of jobs in a worker is bounded; what comes beyond is refused.
 */


#include "ngx_http_oidc.h"


/* some 0.1 s of RSA-2048 on one core */

#define NGX_HTTP_OIDC_JOBS_MAX  64


#if (NGX_THREADS)

struct ngx_http_oidc_job_s {
    ngx_http_oidc_ctx_t    *ctx;        /* NULL: the request is gone */
    oidc_jwe_opened_t      *opened;     /* of the request */
    ngx_pool_t             *memory;
    oidc_pool_t             pool;       /* over memory */
    oidc_str_t              token;
    oidc_jwe_policy_t       policy;
    oidc_jwe_opened_t       result;
};


static ngx_uint_t ngx_http_oidc_slow(const oidc_jwe_policy_t *policy);
static ngx_int_t ngx_http_oidc_job_post(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_job_t *job,
    ngx_thread_task_t *task);
static void ngx_http_oidc_job_run(void *data, ngx_log_t *log);
static void ngx_http_oidc_job_done(ngx_event_t *ev);
static void ngx_http_oidc_job_free(ngx_http_oidc_job_t *job);


static ngx_uint_t  ngx_http_oidc_jobs;

#endif


ngx_int_t
ngx_http_oidc_decrypt_init(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
#if (NGX_THREADS)

    oidc_jwe_policy_t  all;

    ngx_memzero(&all, sizeof(oidc_jwe_policy_t));

    all.keys = p->jwe_keys.elts;
    all.n = p->jwe_keys.nelts;

    if (!ngx_http_oidc_slow(&all)) {
        return NGX_OK;
    }

    p->threads = ngx_thread_pool_add(cf, NULL);

    return (p->threads != NULL) ? NGX_OK : NGX_ERROR;

#else

    return NGX_OK;

#endif
}


ngx_int_t
ngx_http_oidc_decrypt(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_str_t *token, const oidc_jwe_policy_t *policy,
    oidc_jwe_opened_t *opened)
{
#if (NGX_THREADS)

    ngx_pool_t           *memory;
    ngx_thread_task_t    *task;
    ngx_http_oidc_job_t  *job;

    if (ctx->provider->threads != NULL && ngx_http_oidc_slow(policy)) {

        if (ngx_http_oidc_jobs >= NGX_HTTP_OIDC_JOBS_MAX) {
            ctx->rc = OIDC_BUSY;
            return NGX_DECLINED;
        }

        memory = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
        if (memory == NULL) {
            return NGX_ERROR;
        }

        task = ngx_thread_task_alloc(memory, sizeof(ngx_http_oidc_job_t));
        if (task == NULL) {
            ngx_destroy_pool(memory);
            return NGX_ERROR;
        }

        job = task->ctx;
        job->opened = opened;
        job->memory = memory;
        job->pool = ngx_http_oidc_pool(memory);
        job->policy = *policy;

        if (oidc_str_dup(&job->pool, token, &job->token) != OIDC_OK
            || ngx_http_oidc_job_post(r, ctx, job, task) != NGX_OK)
        {
            ngx_destroy_pool(memory);
            return NGX_ERROR;
        }

        return NGX_AGAIN;
    }

#endif

    opened->rc = oidc_jwe_decrypt(&ctx->pool, token, policy, &opened->jwe);

    return NGX_OK;
}


void
ngx_http_oidc_decrypt_cancel(ngx_http_oidc_ctx_t *ctx)
{
#if (NGX_THREADS)

    if (ctx->job != NULL) {
        ctx->job->ctx = NULL;
        ctx->job = NULL;
    }

#endif
}


#if (NGX_THREADS)

static ngx_uint_t
ngx_http_oidc_slow(const oidc_jwe_policy_t *policy)
{
    size_t  i;

    for (i = 0; i < policy->n; i++) {
        if (policy->keys[i].crv != OIDC_CRV_P256
            && policy->keys[i].crv != OIDC_CRV_X25519)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_oidc_job_post(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_job_t *job, ngx_thread_task_t *task)
{
    task->handler = ngx_http_oidc_job_run;
    task->event.handler = ngx_http_oidc_job_done;
    task->event.data = job;
    task->event.log = ngx_cycle->log;

    if (ngx_thread_task_post(ctx->provider->threads, task) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_oidc_jobs++;

    job->ctx = ctx;
    ctx->job = job;

    ngx_http_oidc_wait_foreign(r, ctx);

    return NGX_OK;
}


/* in a thread: nothing but the job, and keys that nobody changes */

static void
ngx_http_oidc_job_run(void *data, ngx_log_t *log)
{
    ngx_http_oidc_job_t *job = data;

    job->result.rc = oidc_jwe_decrypt(&job->pool, &job->token, &job->policy,
                                      &job->result.jwe);
}


static void
ngx_http_oidc_job_done(ngx_event_t *ev)
{
    ngx_http_oidc_job_t *job = ev->data;

    oidc_str_t           *plaintext;
    oidc_jwe_opened_t    *opened;
    ngx_http_oidc_ctx_t  *ctx;

    ngx_http_oidc_jobs--;

    ctx = job->ctx;

    if (ctx == NULL) {
        ngx_http_oidc_job_free(job);
        return;
    }

    ctx->job = NULL;

    opened = job->opened;
    *opened = job->result;

    if (opened->rc == OIDC_OK) {

        json_incref(opened->jwe.header);

        plaintext = &job->result.jwe.plaintext;

        if (oidc_str_dup(&ctx->pool, plaintext, &opened->jwe.plaintext)
            != OIDC_OK)
        {
            json_decref(opened->jwe.header);
            opened->jwe.header = NULL;
            opened->rc = OIDC_NOMEM;
        }
    }

    ngx_http_oidc_job_free(job);

    ngx_http_oidc_wake(ctx, OIDC_OK);
    ngx_http_oidc_resume(ctx);
}


static void
ngx_http_oidc_job_free(ngx_http_oidc_job_t *job)
{
    if (job->result.rc == OIDC_OK) {
        json_decref(job->result.jwe.header);
        oidc_wipe(job->result.jwe.plaintext.data,
                  job->result.jwe.plaintext.len);
    }

    ngx_destroy_pool(job->memory);
}

#endif
