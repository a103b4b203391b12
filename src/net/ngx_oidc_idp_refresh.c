
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides when a provider's documents are fetched and by whom, checks them and
 * puts them into the zone.  One worker holds the lease, the others see the
 * outcome there.  Never throws away what is known because a fetch failed.
 *
 *     due, no lease -> leased -> [metadata] -> [keys] -> end -> timer
 *
 * Each step in brackets happens where its document is due.  The lease of a
 * worker that died is free; one that was stopped for longer than its lease
 * finds another number in it and lets go.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_idp_run.h"


/* after a failure, doubled each time: gentle, but soon back after a blip */
#define NGX_OIDC_IDP_BACKOFF_MIN  1000
#define NGX_OIDC_IDP_BACKOFF_MAX  (60 * 1000)

/* what a busy worker may be late by, beyond the fetch's own timeout */
#define NGX_OIDC_IDP_LEASE_SLACK  2000


static void ngx_oidc_idp_timer_handler(ngx_event_t *ev);
static void ngx_oidc_idp_schedule(ngx_oidc_idp_run_t *run);
static ngx_uint_t ngx_oidc_idp_lease(ngx_oidc_idp_run_t *run);
static ngx_uint_t ngx_oidc_idp_leased(ngx_oidc_idp_sh_t *sh, ngx_msec_t now);
static ngx_uint_t ngx_oidc_idp_due(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_doc_e doc, ngx_msec_t now);
static ngx_msec_t ngx_oidc_idp_next(ngx_oidc_idp_run_t *run);
static void ngx_oidc_idp_go_on(ngx_oidc_idp_run_t *run);
static void ngx_oidc_idp_end(ngx_oidc_idp_run_t *run);
static ngx_msec_t ngx_oidc_idp_backoff(ngx_uint_t failures);


void
ngx_oidc_idp_refresh_init(ngx_oidc_idp_run_t *run)
{
    run->timer.handler = ngx_oidc_idp_timer_handler;
    run->timer.data = run;
    run->timer.log = run->log;
    run->timer.cancelable = 1;

    /* at once, but from the event loop */

    ngx_add_timer(&run->timer, 1);
}


/* a successor need not wait until the lease runs out */

void
ngx_oidc_idp_refresh_exit(ngx_oidc_idp_run_t *run)
{
    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    if (run->url != NULL) {
        ngx_free(run->url);
        run->url = NULL;
    }

    if (run->lease == 0) {
        return;
    }

    ngx_oidc_fetch_cancel(&run->fetch);

    ngx_shmtx_lock(&run->shpool->mutex);

    if (run->sh->lease == run->lease) {
        run->sh->leased = 0;
    }

    ngx_shmtx_unlock(&run->shpool->mutex);

    run->lease = 0;
}


/* workers of a configuration that is gone fetch only what a login needs */

static void
ngx_oidc_idp_timer_handler(ngx_event_t *ev)
{
    if (ngx_exiting) {
        return;
    }

    ngx_oidc_idp_refresh(ev->data);
}


void
ngx_oidc_idp_refresh(ngx_oidc_idp_run_t *run)
{
    if (run->lease) {
        return;
    }

    if (ngx_oidc_idp_lease(run)) {
        run->rc = OIDC_OK;
        run->keys_tried = 0;
        ngx_oidc_idp_go_on(run);
        return;
    }

    ngx_oidc_idp_schedule(run);
}


static void
ngx_oidc_idp_schedule(ngx_oidc_idp_run_t *run)
{
    ngx_msec_t          at;
    ngx_msec_int_t      ms;
    ngx_oidc_idp_sh_t  *sh;

    if (ngx_exiting) {
        return;
    }

    sh = run->sh;

    ngx_shmtx_lock(&run->shpool->mutex);
    at = sh->leased ? sh->lease_until : sh->next_at;
    ngx_shmtx_unlock(&run->shpool->mutex);

    /* ngx_add_timer() takes a change of less than 300 ms for none */

    if (run->timer.timer_set) {
        ngx_del_timer(&run->timer);
    }

    ms = (ngx_msec_int_t) (at - ngx_current_msec);

    ngx_add_timer(&run->timer, (ngx_msec_t) ngx_max(ms, 1));
}


/* 1: ours until we end or it runs out */

static ngx_uint_t
ngx_oidc_idp_lease(ngx_oidc_idp_run_t *run)
{
    ngx_msec_t          now;
    ngx_uint_t          due;
    ngx_oidc_idp_sh_t  *sh;

    sh = run->sh;
    now = ngx_current_msec;

    ngx_shmtx_lock(&run->shpool->mutex);

    due = !ngx_oidc_idp_leased(sh, now)
          && (sh->forced || sh->lease == 0
              || ngx_oidc_idp_past(sh->next_at, now));

    if (due) {

        if (ngx_oidc_idp_due(run, NGX_OIDC_IDP_META, now)
            || ngx_oidc_idp_due(run, NGX_OIDC_IDP_JWKS, now))
        {
            run->lease = ++sh->lease;
            sh->leased = 1;
            sh->lease_pid = ngx_pid;
            sh->lease_until = now + run->idp->timeout
                              + NGX_OIDC_IDP_LEASE_SLACK;

            /* who waits for a key does not wait for metadata, too */

            run->step = sh->forced && sh->docs[NGX_OIDC_IDP_META].raw != NULL
                        ? NGX_OIDC_IDP_JWKS : NGX_OIDC_IDP_META;

        } else {
            sh->next_at = ngx_oidc_idp_next(run);
            due = 0;
        }
    }

    ngx_shmtx_unlock(&run->shpool->mutex);

    return due;
}


/* under the mutex; the successor of a killed worker need not wait, either */

static ngx_uint_t
ngx_oidc_idp_leased(ngx_oidc_idp_sh_t *sh, ngx_msec_t now)
{
    if (!sh->leased || ngx_oidc_idp_past(sh->lease_until, now)) {
        return 0;
    }

    return kill(sh->lease_pid, 0) == 0 || ngx_errno != ESRCH;
}


/* under the mutex */

static ngx_uint_t
ngx_oidc_idp_due(ngx_oidc_idp_run_t *run, ngx_oidc_idp_doc_e doc,
    ngx_msec_t now)
{
    ngx_oidc_idp_doc_t  *d;

    d = &run->sh->docs[doc];

    if (doc == NGX_OIDC_IDP_META && run->idp->fixed_only) {
        return 0;
    }

    if (doc == NGX_OIDC_IDP_JWKS && run->sh->forced) {
        return 1;
    }

    return d->raw == NULL || ngx_oidc_idp_past(d->refresh_at, now);
}


/* under the mutex, when both are known */

static ngx_msec_t
ngx_oidc_idp_next(ngx_oidc_idp_run_t *run)
{
    ngx_msec_t  meta, jwks;

    meta = run->sh->docs[NGX_OIDC_IDP_META].refresh_at;
    jwks = run->sh->docs[NGX_OIDC_IDP_JWKS].refresh_at;

    if (run->idp->fixed_only || ngx_oidc_idp_past(jwks, meta)) {
        return jwks;
    }

    return meta;
}


/*
 * Starts the next fetch that is due.  Known metadata do for the keys where
 * newer ones could not be had.
 */

static void
ngx_oidc_idp_go_on(ngx_oidc_idp_run_t *run)
{
    oidc_rc_t   rc;
    ngx_uint_t  due;

    for ( /* void */ ; run->step < NGX_OIDC_IDP_DOCS; run->step++) {

        ngx_shmtx_lock(&run->shpool->mutex);

        due = run->sh->lease == run->lease
              && ngx_oidc_idp_due(run, run->step, ngx_current_msec);

        if (due) {
            run->sh->lease_until = ngx_current_msec + run->idp->timeout
                                   + NGX_OIDC_IDP_LEASE_SLACK;
        }

        ngx_shmtx_unlock(&run->shpool->mutex);

        if (!due) {
            continue;
        }

        rc = ngx_oidc_idp_fetch(run);

        if (rc == OIDC_OK) {
            return;
        }

        if (run->rc == OIDC_OK) {
            run->rc = rc;
        }
    }

    ngx_oidc_idp_end(run);
}


void
ngx_oidc_idp_fetched(ngx_oidc_idp_run_t *run, oidc_rc_t rc)
{
    if (rc != OIDC_OK) {
        run->rc = rc;
    }

    if (run->step == NGX_OIDC_IDP_JWKS) {
        run->keys_rc = rc;
        run->keys_tried = 1;
    }

    run->step++;
    ngx_oidc_idp_go_on(run);
}


static void
ngx_oidc_idp_end(ngx_oidc_idp_run_t *run)
{
    ngx_msec_t          now;
    ngx_uint_t          recovered;
    ngx_oidc_idp_sh_t  *sh;

    sh = run->sh;
    now = ngx_current_msec;
    recovered = 0;

    ngx_shmtx_lock(&run->shpool->mutex);

    if (sh->lease == run->lease) {
        sh->leased = 0;

        sh->rc = run->rc;
        sh->ended_at = now;
        sh->seq++;

        if (run->keys_tried || (sh->forced && run->rc != OIDC_OK)) {
            sh->forced = 0;
            sh->keys_rc = run->keys_tried ? run->keys_rc : run->rc;
            sh->keys_seq++;
        }

        if (run->rc == OIDC_OK) {
            recovered = sh->failures;
            sh->failures = 0;
        }

        if (run->rc != OIDC_OK
            && (ngx_oidc_idp_due(run, NGX_OIDC_IDP_META, now)
                || ngx_oidc_idp_due(run, NGX_OIDC_IDP_JWKS, now)))
        {
            sh->next_at = now + ngx_oidc_idp_backoff(sh->failures);
            sh->failures++;

        } else {
            sh->next_at = ngx_oidc_idp_next(run);
        }
    }

    ngx_shmtx_unlock(&run->shpool->mutex);

    run->lease = 0;

    if (recovered) {
        ngx_log_error(NGX_LOG_NOTICE, run->log, 0,
                      "oidc: provider \"%V\" answers again", &run->idp->name);
    }

    ngx_oidc_idp_schedule(run);
    ngx_oidc_idp_wake(run);
}


/* with up to a fifth more, so that not all nodes come back at once */

static ngx_msec_t
ngx_oidc_idp_backoff(ngx_uint_t failures)
{
    ngx_msec_t  ms;

    ms = NGX_OIDC_IDP_BACKOFF_MIN << ngx_min(failures, 6);
    ms = ngx_min(ms, NGX_OIDC_IDP_BACKOFF_MAX);

    return ms + (ngx_msec_t) ngx_random() % (ms / 5);
}
