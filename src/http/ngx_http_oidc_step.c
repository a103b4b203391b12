
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The context of a request, and the runner of flows.  A flow is a list of
 * steps; the phase handler calls ngx_http_oidc_run() each time the request is
 * woken.  Who owns the request while it waits:
 *
 *   running --NGX_AGAIN--> waiting --ngx_http_oidc_wake()--> running, next step
 *                             |
 *                             +-- client left: cleanup cancels, r is freed
 *
 * A subrequest wakes its parent by itself.  Anything else (the store, keys of a
 * provider) posts the request again, as njs and upstream do; "count" is touched
 * by neither.
 */


#include "ngx_http_oidc.h"

#include "oidc_seal.h"


static void *ngx_http_oidc_alloc(void *owner, size_t size);
static void ngx_http_oidc_cleanup(void *data);
static ngx_oidc_idp_waiter_t *ngx_http_oidc_waiter(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static void ngx_http_oidc_idp_done(ngx_oidc_idp_waiter_t *w, oidc_rc_t rc);
static void ngx_http_oidc_store_done(ngx_oidc_store_op_t *op);
static void ngx_http_oidc_awake(ngx_event_t *ev);


oidc_pool_t
ngx_http_oidc_pool(ngx_pool_t *pool)
{
    oidc_pool_t  p;

    p.alloc = ngx_http_oidc_alloc;
    p.owner = pool;

    return p;
}


static void *
ngx_http_oidc_alloc(void *owner, size_t size)
{
    return ngx_palloc(owner, size);
}


/*
 * The context of the main request.  An internal redirect clears r->ctx, but not
 * the cleanup list, where it is found again: a session is looked up once, and a
 * verdict stays.
 */

ngx_http_oidc_ctx_t *
ngx_http_oidc_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_oidc_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_oidc_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        for (cln = r->pool->cleanup; cln != NULL; cln = cln->next) {
            if (cln->handler == ngx_http_oidc_cleanup) {
                ctx = cln->data;
                ngx_http_set_ctx(r, ctx, ngx_http_oidc_module);
                break;
            }
        }
    }

    return ctx;
}


ngx_http_oidc_ctx_t *
ngx_http_oidc_make_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);
    if (ctx != NULL) {
        return ctx;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_oidc_ctx_t));

    ctx->request = r;
    ctx->pool = ngx_http_oidc_pool(r->pool);

    cln->handler = ngx_http_oidc_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_oidc_module);

    return ctx;
}


static void
ngx_http_oidc_cleanup(void *data)
{
    ngx_http_oidc_ctx_t *ctx = data;

    if (ctx->waiter != NULL && ctx->waiter->idp != NULL) {
        ngx_oidc_idp_cancel(ctx->waiter);
    }

    if (ctx->waits_store) {
        ngx_oidc_store_cancel(&ctx->op);
    }

    if (ctx->timer != NULL && ctx->timer->timer_set) {
        ngx_del_timer(ctx->timer);
    }

    ngx_http_oidc_decrypt_cancel(ctx);

    ngx_http_oidc_unlock(ctx);

    oidc_wipe(&ctx->keys, sizeof(oidc_handle_keys_t));
}


ngx_int_t
ngx_http_oidc_run(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_http_oidc_step_pt  *step;

    if (ctx->waiting) {

        /* somebody else has woken the request */

        return NGX_AGAIN;
    }

    while (*ctx->step != NULL) {

        step = ctx->step;
        rc = (*step)(r, ctx);

        if (rc == NGX_OK) {

            /* a step may have begun another flow */

            ctx->step += (ctx->step == step);
            continue;
        }

        if (rc == NGX_AGAIN || rc == NGX_BUSY) {
            ctx->step += (rc == NGX_AGAIN);
            ctx->waiting = 1;
            return NGX_AGAIN;
        }

        if (rc == NGX_DECLINED) {
            return ngx_http_oidc_refuse(r, ctx, ctx->rc);
        }

        if (rc == NGX_ERROR) {
            if (ctx->rc == OIDC_OK) {
                ctx->rc = OIDC_NOMEM;
            }

            ngx_http_oidc_give_up(ctx);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return rc;
    }

    return NGX_OK;
}


/*
 * An error_page is a redirect within the request, and a named location keeps
 * its URI: no step may run again there, nor the endpoint of that URI.  A lock
 * is not kept for a client that is slow to read the answer.
 */

void
ngx_http_oidc_give_up(ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_unlock(ctx);
    ngx_http_oidc_abandon(ctx);

    ctx->refused = 1;
    ctx->failed = ctx->own;
}


void
ngx_http_oidc_abandon(ngx_http_oidc_ctx_t *ctx)
{
    ctx->waiting = 0;
    ctx->identifying = 0;
    ctx->refreshing = 0;
    ctx->keep = 0;
    ctx->flow = NULL;
    ctx->step = NULL;
}


void
ngx_http_oidc_wake(ngx_http_oidc_ctx_t *ctx, oidc_rc_t rc)
{
    ctx->waiting = 0;
    ctx->wait_rc = rc;
}


void
ngx_http_oidc_wait_foreign(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    r->write_event_handler = ngx_http_request_empty_handler;

    if (ctx->keep) {
        r->read_event_handler = ngx_http_block_reading;
        return;
    }

    r->read_event_handler = ngx_http_test_reading;

    /* an abort that is known already must not wait for another event */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }
}


void
ngx_http_oidc_resume(ngx_http_oidc_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_post_request(r, NULL);

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_oidc_wait_addr(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_str_t *host, in_port_t port)
{
    ngx_oidc_idp_waiter_t  *waiter;

    waiter = ngx_http_oidc_waiter(r, ctx);
    if (waiter == NULL) {
        return NGX_ERROR;
    }

    waiter->host = *host;
    waiter->port = port;

    return ngx_http_oidc_wait_idp(r, ctx, NGX_OIDC_IDP_ADDR);
}


ngx_int_t
ngx_http_oidc_wait_idp(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_idp_what_e what)
{
    ngx_int_t  rc;

    if (ngx_http_oidc_waiter(r, ctx) == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_oidc_idp_wait(ctx->provider->idp, ctx->waiter, what,
                           ctx->patience ? ctx->patience
                                         : ctx->provider->timeout);

    if (rc == NGX_AGAIN) {
        ngx_http_oidc_wait_foreign(r, ctx);
    }

    return rc;
}


static ngx_oidc_idp_waiter_t *
ngx_http_oidc_waiter(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    if (ctx->waiter == NULL) {

        ctx->waiter = ngx_pcalloc(r->pool, sizeof(ngx_oidc_idp_waiter_t));
        if (ctx->waiter == NULL) {
            return NULL;
        }

        ctx->waiter->done = ngx_http_oidc_idp_done;
        ctx->waiter->data = ctx;
    }

    return ctx->waiter;
}


static void
ngx_http_oidc_idp_done(ngx_oidc_idp_waiter_t *w, oidc_rc_t rc)
{
    ngx_http_oidc_ctx_t *ctx = w->data;

    ngx_http_oidc_wake(ctx, rc);
    ngx_http_oidc_resume(ctx);
}


ngx_int_t
ngx_http_oidc_store(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_t *store, ngx_int_t (*verb)(ngx_oidc_store_op_t *op),
    ngx_oidc_store_kind_e kind, const u_char *name)
{
    ngx_int_t             rc;
    ngx_oidc_store_op_t  *op;

    op = &ctx->op;

    op->store = store;
    op->kind = kind;
    op->pool = r->pool;
    op->log = r->connection->log;
    op->done = ngx_http_oidc_store_done;
    op->data = ctx;

    ngx_memcpy(op->name, name, NGX_OIDC_STORE_NAME_LEN);

    rc = verb(op);

    if (rc == NGX_AGAIN) {
        ctx->waits_store = 1;
        ngx_http_oidc_wait_foreign(r, ctx);
        return NGX_AGAIN;
    }

    op->rc = rc;

    return NGX_OK;
}


void
ngx_http_oidc_store_explain(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    u_char  *p;
    size_t   size;

    size = NGX_MAX_ERROR_STR / 2;

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return;
    }

    ctx->detail.data = p;
    ctx->detail.len = ngx_oidc_store_explain(&ctx->op, p, p + size) - p;
}


static void
ngx_http_oidc_store_done(ngx_oidc_store_op_t *op)
{
    ngx_http_oidc_ctx_t *ctx = op->data;

    ctx->waits_store = 0;

    ngx_http_oidc_wake(ctx, OIDC_OK);
    ngx_http_oidc_resume(ctx);
}


ngx_int_t
ngx_http_oidc_lock(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_t *store, const u_char *name, ngx_msec_t lease)
{
    ngx_int_t              rc;
    ngx_http_oidc_lock_t  *lock;

    ctx->op.rc = NGX_ERROR;

    if (ctx->lock == NULL) {

        ctx->lock = ngx_pcalloc(r->pool, sizeof(ngx_http_oidc_lock_t));
        if (ctx->lock == NULL) {
            return NGX_OK;
        }
    }

    lock = ctx->lock;

    if (!oidc_random(lock->owner, NGX_OIDC_STORE_OWNER_LEN)) {
        ctx->rc = OIDC_CRYPTO;
        return NGX_OK;
    }

    /* from now on: a lease that nobody was told of has to be given back too */

    lock->store = store;
    ngx_memcpy(lock->name, name, NGX_OIDC_STORE_NAME_LEN);

    ngx_memcpy(ctx->op.owner, lock->owner, NGX_OIDC_STORE_OWNER_LEN);
    ctx->op.ttl = lease;

    rc = ngx_http_oidc_store(r, ctx, store, ngx_oidc_store_lock,
                             NGX_OIDC_STORE_LOCK, name);

    if (ctx->op.rc == NGX_DECLINED) {

        /* it is somebody else's */

        lock->store = NULL;
    }

    return rc;
}


void
ngx_http_oidc_unlock(ngx_http_oidc_ctx_t *ctx)
{
    ngx_oidc_store_op_t    op;
    ngx_http_oidc_lock_t  *lock;

    lock = ctx->lock;

    if (lock == NULL || lock->store == NULL) {
        return;
    }

    ngx_memzero(&op, sizeof(ngx_oidc_store_op_t));

    op.store = lock->store;
    op.kind = NGX_OIDC_STORE_LOCK;
    op.log = ctx->request->connection->log;

    ngx_memcpy(op.name, lock->name, NGX_OIDC_STORE_NAME_LEN);
    ngx_memcpy(op.owner, lock->owner, NGX_OIDC_STORE_OWNER_LEN);

    ngx_oidc_store_unlock(&op);

    lock->store = NULL;
}


ngx_int_t
ngx_http_oidc_sleep(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_msec_t timeout)
{
    if (ctx->timer == NULL) {

        ctx->timer = ngx_pcalloc(r->pool, sizeof(ngx_event_t));
        if (ctx->timer == NULL) {
            return NGX_ERROR;
        }

        ctx->timer->handler = ngx_http_oidc_awake;
        ctx->timer->data = ctx;
        ctx->timer->log = r->connection->log;
    }

    ngx_add_timer(ctx->timer, timeout);

    ngx_http_oidc_wait_foreign(r, ctx);

    return NGX_AGAIN;
}


static void
ngx_http_oidc_awake(ngx_event_t *ev)
{
    ngx_http_oidc_ctx_t *ctx = ev->data;

    ngx_http_oidc_wake(ctx, OIDC_OK);
    ngx_http_oidc_resume(ctx);
}
