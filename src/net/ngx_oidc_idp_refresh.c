
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


/* seconds; less asks a provider too often, more misses a rotation too long */
#define NGX_OIDC_IDP_TTL_MIN      60
#define NGX_OIDC_IDP_TTL_MAX      (24 * 3600)

/* seconds, without a max-age; keys are announced longer ahead than that */
#define NGX_OIDC_IDP_TTL_DEFAULT  3600

/*
 * How long documents are trusted beyond their expiry while the provider does
 * not answer: long enough for a bad day of theirs, since no login works
 * without their token endpoint anyway, and short enough that a key which they
 * have withdrawn does not live on here.
 */
#define NGX_OIDC_IDP_STALE        (24 * 3600 * 1000)

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
static ngx_int_t ngx_oidc_idp_fetch(ngx_oidc_idp_run_t *run);
static ngx_int_t ngx_oidc_idp_keep_url(ngx_oidc_idp_run_t *run,
    const ngx_str_t *url);
static void ngx_oidc_idp_fetch_done(ngx_oidc_fetch_t *f, oidc_rc_t rc);
static oidc_rc_t ngx_oidc_idp_check(ngx_oidc_idp_run_t *run, ngx_str_t *body);
static oidc_rc_t ngx_oidc_idp_keep(ngx_oidc_idp_run_t *run,
    ngx_oidc_fetch_t *f);
static oidc_rc_t ngx_oidc_idp_link(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_doc_t *doc, ngx_str_t *body);
static void ngx_oidc_idp_end(ngx_oidc_idp_run_t *run);
static ngx_msec_t ngx_oidc_idp_backoff(ngx_uint_t failures);
static void ngx_oidc_idp_complain(ngx_oidc_idp_run_t *run,
    ngx_oidc_fetch_t *f, oidc_rc_t rc);


static ngx_str_t  ngx_oidc_idp_accept[] = {
    ngx_string("application/json"),
    ngx_string("application/jwk-set+json, application/json")
};

static size_t  ngx_oidc_idp_max[] = { OIDC_METADATA_MAX, OIDC_JWKS_MAX };


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


void
ngx_oidc_idp_fetch_init(ngx_oidc_idp_run_t *run, ngx_oidc_fetch_t *f)
{
    ngx_oidc_idp_t  *idp;

    idp = run->idp;

    ngx_memzero(f, sizeof(ngx_oidc_fetch_t));

    f->ca_file = idp->ca_file;
    f->crl_file = idp->crl_file;
    f->connect_timeout = idp->connect_timeout;
    f->timeout = idp->timeout;
    f->log = run->log;
    f->insecure = idp->insecure;
    f->allow_http = idp->allow_http;
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

        if (due && ngx_oidc_idp_fetch(run) == NGX_OK) {
            return;
        }
    }

    ngx_oidc_idp_end(run);
}


static ngx_int_t
ngx_oidc_idp_fetch(ngx_oidc_idp_run_t *run)
{
    ngx_oidc_fetch_t       *f;
    const oidc_metadata_t  *metadata;

    f = &run->fetch;

    ngx_oidc_idp_fetch_init(run, f);

    f->accept = ngx_oidc_idp_accept[run->step];
    f->max = ngx_oidc_idp_max[run->step];
    f->done = ngx_oidc_idp_fetch_done;
    f->data = run;

    if (run->step == NGX_OIDC_IDP_META) {
        f->url = run->idp->config_url;

    } else {
        metadata = ngx_oidc_idp_metadata(run->idp);

        if (metadata == NULL) {
            if (run->rc == OIDC_OK) {
                run->rc = OIDC_NOT_READY;
            }

            return NGX_DECLINED;
        }

        run->keys_tried = 1;
        run->keys_rc = OIDC_FETCH;

        if (ngx_oidc_idp_keep_url(run, &metadata->jwks_uri) != NGX_OK) {
            run->rc = OIDC_NOMEM;
            return NGX_ERROR;
        }
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, run->log, 0,
                   "oidc idp \"%V\": fetch %V", &run->idp->name, &f->url);

    if (ngx_oidc_fetch_start(f) != NGX_OK) {
        run->rc = OIDC_FETCH;
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the metadata may be replaced while the keys are fetched */

static ngx_int_t
ngx_oidc_idp_keep_url(ngx_oidc_idp_run_t *run, const ngx_str_t *url)
{
    if (run->url != NULL) {
        ngx_free(run->url);
    }

    run->url = ngx_alloc(url->len, run->log);
    if (run->url == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(run->url, url->data, url->len);

    run->fetch.url.len = url->len;
    run->fetch.url.data = run->url;

    return NGX_OK;
}


static void
ngx_oidc_idp_fetch_done(ngx_oidc_fetch_t *f, oidc_rc_t rc)
{
    ngx_oidc_idp_run_t  *run;

    run = f->data;

    if (rc == OIDC_OK) {
        ngx_oidc_idp_addr_learn(run, f);

        rc = ngx_oidc_idp_check(run, &f->body);
    }

    if (rc == OIDC_OK) {
        rc = ngx_oidc_idp_keep(run, f);
    }

    if (rc != OIDC_OK) {
        ngx_oidc_idp_complain(run, f, rc);
        run->rc = rc;
    }

    if (run->step == NGX_OIDC_IDP_JWKS) {
        run->keys_rc = rc;
    }

    run->step++;
    ngx_oidc_idp_go_on(run);
}


/* only what every worker can use goes into the zone */

static oidc_rc_t
ngx_oidc_idp_check(ngx_oidc_idp_run_t *run, ngx_str_t *body)
{
    oidc_rc_t         rc;
    ngx_pool_t       *pool;
    oidc_jwks_t      *jwks;
    oidc_pool_t       opool;
    oidc_metadata_t   metadata;

    /* to the parser, no text at all means that all is set by hand */

    if (body->len == 0) {
        return OIDC_JSON;
    }

    if (run->step == NGX_OIDC_IDP_JWKS) {
        rc = oidc_jwks_parse(body, &jwks);

        if (rc == OIDC_OK) {
            oidc_jwks_free(jwks);
        }

        return rc;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE / 4, run->log);
    if (pool == NULL) {
        return OIDC_NOMEM;
    }

    opool = ngx_oidc_idp_pool(pool);

    rc = oidc_metadata_parse(&opool, body, &run->idp->issuer,
                             run->idp->allow_http, &run->idp->fixed,
                             &metadata);

    ngx_destroy_pool(pool);

    return rc;
}


/* from now on the other workers see it; refreshed at some 90% of its time */

static oidc_rc_t
ngx_oidc_idp_keep(ngx_oidc_idp_run_t *run, ngx_oidc_fetch_t *f)
{
    oidc_rc_t            rc;
    ngx_msec_t           ttl;
    ngx_oidc_idp_sh_t   *sh;
    ngx_oidc_idp_doc_t  *doc;

    ttl = NGX_OIDC_IDP_TTL_DEFAULT;

    if (f->max_age >= 0) {
        ttl = (ngx_msec_t) ngx_min(f->max_age, NGX_OIDC_IDP_TTL_MAX);
        ttl = ngx_max(ttl, NGX_OIDC_IDP_TTL_MIN);
    }

    ttl *= 1000;

    sh = run->sh;
    doc = &sh->docs[run->step];
    rc = OIDC_OK;

    ngx_shmtx_lock(&run->shpool->mutex);

    if (sh->lease == run->lease) {
        rc = ngx_oidc_idp_link(run, doc, &f->body);
    }

    if (rc == OIDC_OK && sh->lease == run->lease) {
        doc->refresh_at = ngx_current_msec + ttl / 10 * 9
                          - (ngx_msec_t) ngx_random() % (ttl / 20);
        doc->trust_until = ngx_current_msec + ttl + NGX_OIDC_IDP_STALE;
    }

    ngx_shmtx_unlock(&run->shpool->mutex);

    if (rc == OIDC_OK) {
        ngx_log_error(NGX_LOG_INFO, run->log, 0,
                      "oidc: provider \"%V\": %s fetched, good for %M s",
                      &run->idp->name,
                      run->step == NGX_OIDC_IDP_META ? "metadata" : "keys",
                      ttl / 1000);
    }

    return rc;
}


/*
 * Under the mutex.  A worker that is killed in here leaves the old document or
 * the new one, and some lost memory at worst.
 */

static oidc_rc_t
ngx_oidc_idp_link(ngx_oidc_idp_run_t *run, ngx_oidc_idp_doc_t *doc,
    ngx_str_t *body)
{
    ngx_oidc_idp_raw_t  *raw, *old;

    old = doc->raw;

    if (old != NULL
        && old->len == body->len
        && ngx_memcmp(old->data, body->data, body->len) == 0)
    {
        return OIDC_OK;
    }

    raw = ngx_slab_alloc_locked(run->shpool,
                                offsetof(ngx_oidc_idp_raw_t, data)
                                + body->len);
    if (raw == NULL) {
        return OIDC_NOMEM;
    }

    raw->len = body->len;
    ngx_memcpy(raw->data, body->data, body->len);

    ngx_memory_barrier();

    doc->raw = raw;
    run->sh->gen++;

    if (old != NULL) {
        ngx_slab_free_locked(run->shpool, old);
    }

    /* other metadata may name other keys */

    if (run->step == NGX_OIDC_IDP_META) {
        run->sh->docs[NGX_OIDC_IDP_JWKS].refresh_at = ngx_current_msec;
    }

    return OIDC_OK;
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


static void
ngx_oidc_idp_complain(ngx_oidc_idp_run_t *run, ngx_oidc_fetch_t *f,
    oidc_rc_t rc)
{
    u_char      *query;
    ngx_str_t    url;
    ngx_uint_t   known, level;
    const char  *why;

    url = f->url;

    query = ngx_strlchr(url.data, url.data + url.len, '?');
    if (query != NULL) {
        url.len = query - url.data;
    }

    why = f->error[0] ? f->error : oidc_rc_text(rc);

    known = ngx_oidc_idp_metadata(run->idp) != NULL
            && ngx_oidc_idp_jwks(run->idp) != NULL;

    level = (known && rc != OIDC_META_ISSUER) ? NGX_LOG_WARN : NGX_LOG_ERR;

    ngx_log_error(level, run->log, 0,
                  "oidc: provider \"%V\": fetch of %V failed: %s: %s "
                  "(HTTP status %ui)%s",
                  &run->idp->name, &url, oidc_rc_name(rc), why, f->status,
                  known ? ", the last good documents stay in use" : "");
}
