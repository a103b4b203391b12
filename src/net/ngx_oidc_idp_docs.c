
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides how each of a provider's documents is asked for, whether an answer
 * is one, and how long it is good; puts it into the zone.  Never decides when:
 * ngx_oidc_idp_refresh.c does.
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


static ngx_int_t ngx_oidc_idp_keep_url(ngx_oidc_idp_run_t *run,
    const ngx_str_t *url);
static void ngx_oidc_idp_fetch_done(ngx_oidc_fetch_t *f, oidc_rc_t rc);
static oidc_rc_t ngx_oidc_idp_check(ngx_oidc_idp_run_t *run, ngx_str_t *body);
static oidc_rc_t ngx_oidc_idp_keep(ngx_oidc_idp_run_t *run,
    ngx_oidc_fetch_t *f);
static oidc_rc_t ngx_oidc_idp_link(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_doc_t *doc, ngx_str_t *body);
static void ngx_oidc_idp_complain(ngx_oidc_idp_run_t *run,
    ngx_oidc_fetch_t *f, oidc_rc_t rc);


static ngx_str_t  ngx_oidc_idp_accept[] = {
    ngx_string("application/json"),
    ngx_string("application/jwk-set+json, application/json")
};

static size_t  ngx_oidc_idp_max[] = { OIDC_METADATA_MAX, OIDC_JWKS_MAX };


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


oidc_rc_t
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
            return OIDC_NOT_READY;
        }

        if (ngx_oidc_idp_keep_url(run, &metadata->jwks_uri) != NGX_OK) {
            return OIDC_NOMEM;
        }
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, run->log, 0,
                   "oidc idp \"%V\": fetch %V", &run->idp->name, &f->url);

    return ngx_oidc_fetch_start(f) == NGX_OK ? OIDC_OK : OIDC_FETCH;
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
    }

    ngx_oidc_idp_fetched(run, rc);
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
