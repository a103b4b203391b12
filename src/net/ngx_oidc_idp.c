
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides which zone a provider's documents live in, and makes each worker's
 * parsed copy of them.  Never fetches: ngx_oidc_idp_refresh.c does.
 *
 * The zone's name has a digest of all that its documents depend on, so old
 * workers never meet documents of a provider that is configured otherwise.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_sha1.h>

#include "ngx_oidc_idp_run.h"


/* of the zone's structs; part of the digest */
#define NGX_OIDC_IDP_LAYOUT  "1"

/*
 * The largest documents twice, as the old one stays until the new one is
 * linked, and as much again against fragments.  Untouched pages cost nothing.
 */
#define NGX_OIDC_IDP_ZONE    (4 * (OIDC_METADATA_MAX + OIDC_JWKS_MAX))

/* of SHA-1, in the zone's name */
#define NGX_OIDC_IDP_DIGEST  8

/* a connection or a document takes well under a second where all is well */
#define NGX_OIDC_IDP_CONNECT_TIMEOUT  5000
#define NGX_OIDC_IDP_TIMEOUT          10000


static ngx_int_t ngx_oidc_idp_zone_name(ngx_conf_t *cf, ngx_oidc_idp_t *idp,
    ngx_str_t *name);
static ngx_int_t ngx_oidc_idp_init_zone(ngx_shm_zone_t *zone, void *data);
static ngx_oidc_idp_copy_t *ngx_oidc_idp_current(ngx_oidc_idp_run_t *run);
static ngx_int_t ngx_oidc_idp_raw(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_copy_t *copy, ngx_str_t *docs);
static ngx_oidc_idp_copy_t *ngx_oidc_idp_parse(ngx_oidc_idp_run_t *run);
static void ngx_oidc_idp_retire(ngx_oidc_idp_run_t *run,
    ngx_oidc_idp_copy_t *copy);
static void ngx_oidc_idp_reaper_handler(ngx_event_t *ev);
static void ngx_oidc_idp_copy_free(ngx_oidc_idp_copy_t *copy);
static void *ngx_oidc_idp_palloc(void *owner, size_t size);


ngx_oidc_idp_t *
ngx_oidc_idp_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_oidc_idp_t  *idp;

    idp = ngx_pcalloc(cf->pool, sizeof(ngx_oidc_idp_t));
    if (idp == NULL) {
        return NULL;
    }

    idp->name = *name;

    return idp;
}


char *
ngx_oidc_idp_configure(ngx_conf_t *cf, ngx_oidc_idp_t *idp, void *tag)
{
    ngx_str_t        name, none;
    oidc_rc_t        rc;
    oidc_pool_t      pool;
    oidc_metadata_t  metadata;

    pool = ngx_oidc_idp_pool(cf->pool);

    if (idp->connect_timeout == 0) {
        idp->connect_timeout = NGX_OIDC_IDP_CONNECT_TIMEOUT;
    }

    if (idp->timeout == 0) {
        idp->timeout = NGX_OIDC_IDP_TIMEOUT;
    }

    idp->fixed_only = idp->config_url.len == 0
                      && idp->fixed.authorization_endpoint.len
                      && idp->fixed.token_endpoint.len
                      && idp->fixed.jwks_uri.len;

    if (idp->fixed_only) {
        ngx_str_set(&none, "");

        rc = oidc_metadata_parse(&pool, &none, &idp->issuer, idp->allow_http,
                                 &idp->fixed, &metadata);
        if (rc != OIDC_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "endpoints of oidc_provider \"%V\": %s",
                               &idp->name, oidc_rc_text(rc));
            return NGX_CONF_ERROR;
        }

    } else if (idp->config_url.len == 0) {

        rc = oidc_metadata_url(&pool, &idp->issuer, &idp->config_url);

        if (rc != OIDC_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_oidc_idp_zone_name(cf, idp, &name) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    idp->zone = ngx_shared_memory_add(cf, &name, NGX_OIDC_IDP_ZONE, tag);
    if (idp->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    idp->zone->init = ngx_oidc_idp_init_zone;
    idp->zone->data = idp;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_oidc_idp_zone_name(ngx_conf_t *cf, ngx_oidc_idp_t *idp, ngx_str_t *name)
{
    u_char      *p, flags[2], digest[20];
    ngx_uint_t   i;
    ngx_sha1_t   sha1;
    ngx_str_t    s[] = {
        idp->issuer, idp->config_url, idp->ca_file, idp->crl_file,
#define NGX_OIDC_IDP_FIXED(name, required)  idp->fixed.name,
        OIDC_ENDPOINTS(NGX_OIDC_IDP_FIXED)
#undef NGX_OIDC_IDP_FIXED
    };

    flags[0] = idp->insecure ? '1' : '0';
    flags[1] = idp->allow_http ? '1' : '0';

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, NGX_OIDC_IDP_LAYOUT,
                    sizeof(NGX_OIDC_IDP_LAYOUT));
    ngx_sha1_update(&sha1, flags, sizeof(flags));

    for (i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
        ngx_sha1_update(&sha1, &s[i].len, sizeof(s[i].len));
        ngx_sha1_update(&sha1, s[i].data, s[i].len);
    }

    ngx_sha1_final(digest, &sha1);

    name->len = sizeof("oidc_idp::") - 1 + idp->name.len
                + 2 * NGX_OIDC_IDP_DIGEST;

    name->data = ngx_pnalloc(cf->pool, name->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name->data, "oidc_idp:%V:", &idp->name);
    ngx_hex_dump(p, digest, NGX_OIDC_IDP_DIGEST);

    return NGX_OK;
}


static ngx_int_t
ngx_oidc_idp_init_zone(ngx_shm_zone_t *zone, void *data)
{
    size_t              len;
    ngx_slab_pool_t    *shpool;
    ngx_oidc_idp_sh_t  *sh;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (data != NULL || zone->shm.exists) {
        return NGX_OK;
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_oidc_idp_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    len = sizeof(" in oidc_provider zone \"\"") + zone->shm.name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in oidc_provider zone \"%V\"%Z",
                &zone->shm.name);

    shpool->log_nomem = 0;
    shpool->data = sh;

    return NGX_OK;
}


ngx_int_t
ngx_oidc_idp_init_process(ngx_oidc_idp_t *idp, ngx_cycle_t *cycle)
{
    ngx_oidc_idp_run_t  *run;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    run = ngx_pcalloc(cycle->pool, sizeof(ngx_oidc_idp_run_t));
    if (run == NULL) {
        return NGX_ERROR;
    }

    run->idp = idp;
    run->log = cycle->log;
    run->shpool = (ngx_slab_pool_t *) idp->zone->shm.addr;
    run->sh = run->shpool->data;

    run->reaper.handler = ngx_oidc_idp_reaper_handler;
    run->reaper.data = run;
    run->reaper.log = cycle->log;

    idp->run = run;

    ngx_oidc_idp_wait_init(run);
    ngx_oidc_idp_refresh_init(run);

    return NGX_OK;
}


void
ngx_oidc_idp_exit_process(ngx_oidc_idp_t *idp)
{
    ngx_oidc_idp_run_t  *run;

    run = idp->run;

    if (run == NULL) {
        return;
    }

    idp->run = NULL;

    ngx_oidc_idp_wait_exit(run);
    ngx_oidc_idp_refresh_exit(run);
    ngx_oidc_idp_addr_exit(run);

    if (run->copy != NULL) {
        ngx_oidc_idp_retire(run, run->copy);
    }

    if (run->reaper.posted) {
        ngx_delete_posted_event(&run->reaper);
    }

    ngx_oidc_idp_reaper_handler(&run->reaper);
}


const oidc_metadata_t *
ngx_oidc_idp_metadata(ngx_oidc_idp_t *idp)
{
    ngx_oidc_idp_doc_t   *doc;
    ngx_oidc_idp_copy_t  *copy;

    if (idp->run == NULL) {
        return NULL;
    }

    copy = ngx_oidc_idp_current(idp->run);

    if (copy == NULL || !copy->has_metadata) {
        return NULL;
    }

    doc = &idp->run->sh->docs[NGX_OIDC_IDP_META];

    if (!idp->fixed_only
        && ngx_oidc_idp_past(doc->trust_until, ngx_current_msec))
    {
        return NULL;
    }

    return &copy->metadata;
}


const oidc_jwks_t *
ngx_oidc_idp_jwks(ngx_oidc_idp_t *idp)
{
    ngx_oidc_idp_doc_t   *doc;
    ngx_oidc_idp_copy_t  *copy;

    if (idp->run == NULL) {
        return NULL;
    }

    copy = ngx_oidc_idp_current(idp->run);

    if (copy == NULL || copy->jwks == NULL) {
        return NULL;
    }

    doc = &idp->run->sh->docs[NGX_OIDC_IDP_JWKS];

    if (ngx_oidc_idp_past(doc->trust_until, ngx_current_msec)) {
        return NULL;
    }

    return copy->jwks;
}


/* the last copy stays in use where there is no memory for the next */

static ngx_oidc_idp_copy_t *
ngx_oidc_idp_current(ngx_oidc_idp_run_t *run)
{
    ngx_oidc_idp_copy_t  *copy;

    if (run->copy != NULL && run->copy->gen == run->sh->gen) {
        return run->copy;
    }

    copy = ngx_oidc_idp_parse(run);

    if (copy != NULL) {
        if (run->copy != NULL) {
            ngx_oidc_idp_retire(run, run->copy);
        }

        run->copy = copy;
    }

    return run->copy;
}


static ngx_oidc_idp_copy_t *
ngx_oidc_idp_parse(ngx_oidc_idp_run_t *run)
{
    ngx_str_t             docs[NGX_OIDC_IDP_DOCS];
    oidc_rc_t             rc;
    ngx_pool_t           *pool;
    oidc_pool_t           opool;
    ngx_oidc_idp_t       *idp;
    ngx_oidc_idp_copy_t  *copy;

    idp = run->idp;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE / 4, run->log);
    if (pool == NULL) {
        return NULL;
    }

    copy = ngx_pcalloc(pool, sizeof(ngx_oidc_idp_copy_t));
    if (copy == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    copy->pool = pool;
    opool = ngx_oidc_idp_pool(pool);

    if (ngx_oidc_idp_raw(run, copy, docs) != NGX_OK) {
        ngx_oidc_idp_copy_free(copy);
        return NULL;
    }

    rc = OIDC_OK;

    if (idp->fixed_only || docs[NGX_OIDC_IDP_META].len) {
        rc = oidc_metadata_parse(&opool, &docs[NGX_OIDC_IDP_META],
                                 &idp->issuer, idp->allow_http, &idp->fixed,
                                 &copy->metadata);
        copy->has_metadata = (rc == OIDC_OK);
    }

    if (rc == OIDC_OK && docs[NGX_OIDC_IDP_JWKS].len) {
        rc = oidc_jwks_parse(&docs[NGX_OIDC_IDP_JWKS], &copy->jwks);
    }

    ngx_pfree(pool, docs[0].data);

    if (rc != OIDC_OK) {
        ngx_log_error(NGX_LOG_ERR, run->log, 0,
                      "oidc: provider \"%V\": documents kept in memory: %s",
                      &idp->name, oidc_rc_text(rc));
        ngx_oidc_idp_copy_free(copy);
        return NULL;
    }

    return copy;
}


/* both documents and their generation, copied out into one piece of memory */

static ngx_int_t
ngx_oidc_idp_raw(ngx_oidc_idp_run_t *run, ngx_oidc_idp_copy_t *copy,
    ngx_str_t *docs)
{
    size_t               len;
    u_char              *p;
    ngx_uint_t           i;
    ngx_oidc_idp_raw_t  *raw;

    ngx_shmtx_lock(&run->shpool->mutex);

    for (i = 0, len = 0; i < NGX_OIDC_IDP_DOCS; i++) {
        raw = run->sh->docs[i].raw;
        docs[i].len = raw != NULL ? raw->len : 0;
        len += docs[i].len;
    }

    p = ngx_pnalloc(copy->pool, len + 1);

    for (i = 0; p != NULL && i < NGX_OIDC_IDP_DOCS; i++) {
        docs[i].data = p;

        if (docs[i].len) {
            p = ngx_cpymem(p, run->sh->docs[i].raw->data, docs[i].len);
        }
    }

    copy->gen = run->sh->gen;

    ngx_shmtx_unlock(&run->shpool->mutex);

    return p != NULL ? NGX_OK : NGX_ERROR;
}


/* callers may look at it until the return to the event loop */

static void
ngx_oidc_idp_retire(ngx_oidc_idp_run_t *run, ngx_oidc_idp_copy_t *copy)
{
    copy->next = run->retired;
    run->retired = copy;
    run->copy = NULL;

    ngx_post_event(&run->reaper, &ngx_posted_next_events);
}


static void
ngx_oidc_idp_reaper_handler(ngx_event_t *ev)
{
    ngx_oidc_idp_run_t   *run;
    ngx_oidc_idp_copy_t  *copy;

    run = ev->data;

    while (run->retired != NULL) {
        copy = run->retired;
        run->retired = copy->next;

        ngx_oidc_idp_copy_free(copy);
    }
}


static void
ngx_oidc_idp_copy_free(ngx_oidc_idp_copy_t *copy)
{
    if (copy->jwks != NULL) {
        oidc_jwks_free(copy->jwks);
    }

    ngx_destroy_pool(copy->pool);
}


oidc_pool_t
ngx_oidc_idp_pool(ngx_pool_t *pool)
{
    oidc_pool_t  p;

    p.alloc = ngx_oidc_idp_palloc;
    p.owner = pool;

    return p;
}


static void *
ngx_oidc_idp_palloc(void *owner, size_t size)
{
    return ngx_palloc(owner, size);
}
