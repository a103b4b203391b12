
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides who may wait for a provider, for what, and when the wait is over.
 * An unknown kid makes all workers together ask for keys once in a while and
 * no oftener, whatever tokens are thrown at us.  Never calls done() from
 * within a call of ours, and holds a process that shuts down only as long as
 * somebody waits.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_idp_run.h"


/* V07: a rotation is rare, and a made-up kid costs an attacker nothing */
#define NGX_OIDC_IDP_FORCED_EVERY  30000

/* another worker's fetch takes some ten of these; only while someone waits */
#define NGX_OIDC_IDP_POLL          50

/*
 * While a provider is down, a login that needs it may bring the next attempt
 * forward to this long after the last one: a gateway that starts before its
 * provider would else refuse logins up to a minute after both are up.
 */
#define NGX_OIDC_IDP_DEMAND        5000

/* for an attempt to begin; while a provider is down, better answer at once */
#define NGX_OIDC_IDP_PATIENCE      1500


static ngx_int_t ngx_oidc_idp_wait_ready(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_waiter_t *w, ngx_msec_t timeout);
static ngx_int_t ngx_oidc_idp_wait_keys(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_waiter_t *w);
static ngx_int_t ngx_oidc_idp_wait_addr(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_waiter_t *w);
static void ngx_oidc_idp_timeout_handler(ngx_event_t *ev);
static void ngx_oidc_idp_poll_handler(ngx_event_t *ev);
static void ngx_oidc_idp_wake_handler(ngx_event_t *ev);
static ngx_int_t ngx_oidc_idp_over(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_waiter_t *w, oidc_rc_t *rc);


void
ngx_oidc_idp_wait_init(ngx_oidc_idp_run_t *run)
{
    ngx_queue_init(&run->waiters);

    run->wake.handler = ngx_oidc_idp_wake_handler;
    run->wake.data = run;
    run->wake.log = run->log;

    run->poll.handler = ngx_oidc_idp_poll_handler;
    run->poll.data = run;
    run->poll.log = run->log;
    run->poll.cancelable = 1;
}


void
ngx_oidc_idp_wait_exit(ngx_oidc_idp_run_t *run)
{
    ngx_queue_t            *q;
    ngx_oidc_idp_waiter_t  *w;

    while (!ngx_queue_empty(&run->waiters)) {
        q = ngx_queue_head(&run->waiters);
        w = ngx_queue_data(q, ngx_oidc_idp_waiter_t, queue);
        ngx_oidc_idp_cancel(w);
    }

    if (run->wake.posted) {
        ngx_delete_posted_event(&run->wake);
    }

    if (run->poll.timer_set) {
        ngx_del_timer(&run->poll);
    }
}


ngx_int_t
ngx_oidc_idp_wait(ngx_oidc_idp_t *idp, ngx_oidc_idp_waiter_t *w,
    ngx_oidc_idp_what_e what, ngx_msec_t timeout)
{
    ngx_int_t            rc;
    ngx_oidc_idp_run_t  *run;

    run = idp->run;

    w->idp = NULL;
    w->what = what;

    if (run == NULL) {
        return NGX_DECLINED;
    }

    switch (what) {

    case NGX_OIDC_IDP_READY:
        rc = ngx_oidc_idp_wait_ready(run, w, timeout);
        break;

    case NGX_OIDC_IDP_KEYS:
        rc = ngx_oidc_idp_wait_keys(run, w);
        break;

    default: /* NGX_OIDC_IDP_ADDR */
        rc = ngx_oidc_idp_wait_addr(run, w);
        break;
    }

    if (rc != NGX_AGAIN) {
        return rc;
    }

    w->idp = idp;
    ngx_queue_insert_tail(&run->waiters, &w->queue);

    ngx_memzero(&w->timer, sizeof(ngx_event_t));
    w->timer.handler = ngx_oidc_idp_timeout_handler;
    w->timer.data = w;
    w->timer.log = run->log;

    ngx_add_timer(&w->timer, timeout);

    if (what != NGX_OIDC_IDP_ADDR) {

        if (!run->poll.timer_set) {
            ngx_add_timer(&run->poll, NGX_OIDC_IDP_POLL);
        }

        ngx_oidc_idp_refresh(run);
    }

    return NGX_AGAIN;
}


void
ngx_oidc_idp_cancel(ngx_oidc_idp_waiter_t *w)
{
    if (w->idp == NULL) {
        return;
    }

    w->idp = NULL;

    ngx_queue_remove(&w->queue);

    if (w->timer.timer_set) {
        ngx_del_timer(&w->timer);
    }
}


static ngx_int_t
ngx_oidc_idp_wait_ready(ngx_oidc_idp_run_t *run, ngx_oidc_idp_waiter_t *w,
    ngx_msec_t timeout)
{
    ngx_msec_t          patience, now;
    ngx_uint_t          soon;
    ngx_oidc_idp_sh_t  *sh;

    if (ngx_oidc_idp_metadata(run->idp) != NULL
        && ngx_oidc_idp_jwks(run->idp) != NULL)
    {
        return NGX_OK;
    }

    patience = ngx_min(timeout, NGX_OIDC_IDP_PATIENCE);
    now = ngx_current_msec;
    sh = run->sh;

    ngx_shmtx_lock(&run->shpool->mutex);

    w->seq = sh->seq;

    if (!sh->leased
        && ngx_oidc_idp_past(sh->ended_at + NGX_OIDC_IDP_DEMAND, now)
        && ngx_oidc_idp_past(now, sh->next_at))
    {
        sh->next_at = now;
    }

    soon = sh->leased || sh->lease == 0
           || ngx_oidc_idp_past(sh->next_at, now + patience);

    ngx_shmtx_unlock(&run->shpool->mutex);

    return soon ? NGX_AGAIN : NGX_DECLINED;
}


static ngx_int_t
ngx_oidc_idp_wait_keys(ngx_oidc_idp_run_t *run, ngx_oidc_idp_waiter_t *w)
{
    ngx_int_t           rc;
    ngx_msec_t          now;
    ngx_oidc_idp_sh_t  *sh;

    sh = run->sh;
    now = ngx_current_msec;

    /* another worker was quicker */

    if (run->copy != NULL && run->copy->gen != sh->gen) {
        return NGX_OK;
    }

    rc = NGX_AGAIN;

    ngx_shmtx_lock(&run->shpool->mutex);

    w->seq = sh->keys_seq;

    if (!sh->forced) {

        if (sh->forced_once
            && !ngx_oidc_idp_past(sh->forced_at + NGX_OIDC_IDP_FORCED_EVERY,
                                  now))
        {
            rc = NGX_DECLINED;

        } else {
            sh->forced = 1;
            sh->forced_once = 1;
            sh->forced_at = now;
        }
    }

    ngx_shmtx_unlock(&run->shpool->mutex);

    return rc;
}


static ngx_int_t
ngx_oidc_idp_wait_addr(ngx_oidc_idp_run_t *run, ngx_oidc_idp_waiter_t *w)
{
    ngx_str_t             text;
    ngx_oidc_idp_addr_t  *addr;

    if (ngx_oidc_idp_addr(run->idp, &w->host, w->port, &text) == NGX_OK) {
        return NGX_OK;
    }

    addr = ngx_oidc_idp_addr_resolve(run, &w->host, w->port);
    if (addr == NULL) {
        return NGX_ERROR;
    }

    w->seq = addr->seq;

    return NGX_AGAIN;
}


static void
ngx_oidc_idp_timeout_handler(ngx_event_t *ev)
{
    ngx_oidc_idp_waiter_t  *w;

    w = ev->data;

    ngx_oidc_idp_cancel(w);
    w->done(w, w->what == NGX_OIDC_IDP_READY ? OIDC_NOT_READY
                                             : OIDC_FETCH_TIMEOUT);
}


/* also takes over from a worker that died while it had the lease */

static void
ngx_oidc_idp_poll_handler(ngx_event_t *ev)
{
    ngx_oidc_idp_run_t  *run;

    run = ev->data;

    ngx_oidc_idp_refresh(run);
    ngx_oidc_idp_wake(run);
}


void
ngx_oidc_idp_wake(ngx_oidc_idp_run_t *run)
{
    if (!ngx_queue_empty(&run->waiters)) {
        ngx_post_event(&run->wake, &ngx_posted_events);
    }
}


/* done() may cancel any waiter and add new ones, which are not looked at */

static void
ngx_oidc_idp_wake_handler(ngx_event_t *ev)
{
    oidc_rc_t               rc;
    ngx_uint_t              poll;
    ngx_queue_t            *q, waiters;
    ngx_oidc_idp_run_t     *run;
    ngx_oidc_idp_waiter_t  *w;

    run = ev->data;
    poll = 0;

    ngx_queue_init(&waiters);
    ngx_queue_add(&waiters, &run->waiters);
    ngx_queue_init(&run->waiters);

    while (!ngx_queue_empty(&waiters)) {
        q = ngx_queue_head(&waiters);
        w = ngx_queue_data(q, ngx_oidc_idp_waiter_t, queue);

        if (ngx_oidc_idp_over(run, w, &rc)) {
            ngx_oidc_idp_cancel(w);
            w->done(w, rc);
            continue;
        }

        if (w->what != NGX_OIDC_IDP_ADDR) {
            poll = 1;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&run->waiters, q);
    }

    if (poll && !run->poll.timer_set) {
        ngx_add_timer(&run->poll, NGX_OIDC_IDP_POLL);
    }
}


static ngx_int_t
ngx_oidc_idp_over(ngx_oidc_idp_run_t *run, ngx_oidc_idp_waiter_t *w,
    oidc_rc_t *rc)
{
    ngx_uint_t            over;
    ngx_oidc_idp_sh_t    *sh;
    ngx_oidc_idp_addr_t  *addr;

    *rc = OIDC_OK;

    if (w->what == NGX_OIDC_IDP_ADDR) {
        addr = ngx_oidc_idp_addr_find(run, &w->host, w->port);

        if (addr == NULL) {
            *rc = OIDC_FETCH;
            return 1;
        }

        *rc = addr->rc;
        return addr->seq != w->seq;
    }

    if (w->what == NGX_OIDC_IDP_READY
        && ngx_oidc_idp_metadata(run->idp) != NULL
        && ngx_oidc_idp_jwks(run->idp) != NULL)
    {
        return 1;
    }

    sh = run->sh;

    ngx_shmtx_lock(&run->shpool->mutex);

    if (w->what == NGX_OIDC_IDP_KEYS) {
        over = sh->keys_seq != w->seq;
        *rc = sh->keys_rc;

    } else {
        over = sh->seq != w->seq;
        *rc = sh->rc == OIDC_OK ? OIDC_OK : OIDC_NOT_READY;
    }

    ngx_shmtx_unlock(&run->shpool->mutex);

    return over;
}
