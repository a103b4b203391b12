
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Our own keys.  oidc_key reads PEM files while the configuration is read, as
 * root, and oidc_jwks answers with the public half (RFC 7517), made once.
 * oidc_cookie_key seals what lies in browsers; without it a key is made once
 * and kept in a zone, so that a reload keeps the logins in flight.
 */


#include "ngx_http_oidc_provider.h"


#define NGX_HTTP_OIDC_PEM_MAX     (32 * 1024)
#define NGX_HTTP_OIDC_SECRET_MIN  32


typedef struct {
    ngx_uint_t     magic;      /* of the layout */
    oidc_ring_t    ring;
} ngx_http_oidc_ring_shm_t;

#define NGX_HTTP_OIDC_RING_MAGIC  0x6f696463


typedef struct {
    oidc_str_t     use;
    oidc_str_t     alg;
    oidc_str_t     kid;
    unsigned       retired:1;
} ngx_http_oidc_key_params_t;


static ngx_int_t ngx_http_oidc_key_params(ngx_conf_t *cf,
    ngx_http_oidc_key_params_t *params);
static ngx_int_t ngx_http_oidc_read_file(ngx_conf_t *cf, ngx_str_t *name,
    size_t max, ngx_str_t *content);
static void ngx_http_oidc_wipe(void *data);
static void ngx_http_oidc_free_key(void *data);
static ngx_int_t ngx_http_oidc_init_ring_zone(ngx_shm_zone_t *zone,
    void *data);
static ngx_int_t ngx_http_oidc_jwks_handler(ngx_http_request_t *r);


/*
 * oidc_key file [use=sig|enc] [alg=name] [kid=text] [retired], of http{} or of
 * a provider; the offset is that of the array of keys.
 */

char *
ngx_http_oidc_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                   rc;
    ngx_str_t                  *value, pem;
    ngx_uint_t                  i;
    oidc_key_t                 *key, *keys, *all;
    ngx_array_t                *array;
    const char                 *why;
    oidc_rc_t                   orc;
    ngx_pool_cleanup_t         *cln;
    ngx_http_oidc_key_params_t  params;
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);

    value = cf->args->elts;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(oidc_key_t));
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    key = cln->data;
    ngx_memzero(key, sizeof(oidc_key_t));

    if (ngx_http_oidc_key_params(cf, &params) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rc = ngx_http_oidc_read_file(cf, &value[1], NGX_HTTP_OIDC_PEM_MAX, &pem);
    if (rc != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    orc = oidc_key_from_pem(&pem, &params.use, &params.alg, &params.kid, key,
                            &why);

    oidc_wipe(pem.data, pem.len);

    if (orc != OIDC_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "cannot use key \"%V\": %s",
                           &value[1], why);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_oidc_free_key;

    key->retired = params.retired;

    all = omcf->all_keys.elts;

    for (i = 0; i < omcf->all_keys.nelts; i++) {
        if (oidc_str_eq(&all[i].kid, &key->kid)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "key \"%V\" has the kid of another: \"%V\"",
                               &value[1], &key->kid);
            return NGX_CONF_ERROR;
        }
    }

    array = (ngx_array_t *) ((u_char *) conf + cmd->offset);

    keys = ngx_array_push(array);
    all = ngx_array_push(&omcf->all_keys);

    if (keys == NULL || all == NULL) {
        return NGX_CONF_ERROR;
    }

    *keys = *key;
    *all = *key;

    return NGX_CONF_OK;
}


/* what follows the file's name; each at most once, and with a value */

static ngx_int_t
ngx_http_oidc_key_params(ngx_conf_t *cf, ngx_http_oidc_key_params_t *params)
{
    ngx_str_t   *value;
    ngx_uint_t   i;
    oidc_str_t  *param;

    ngx_memzero(params, sizeof(ngx_http_oidc_key_params_t));

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "retired") == 0 && !params->retired) {
            params->retired = 1;
            continue;
        }

        param = (ngx_strncmp(value[i].data, "use=", 4) == 0) ? &params->use
                : (ngx_strncmp(value[i].data, "alg=", 4) == 0) ? &params->alg
                : (ngx_strncmp(value[i].data, "kid=", 4) == 0) ? &params->kid
                : NULL;

        if (param == NULL || param->len || value[i].len == 4) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_ERROR;
        }

        param->data = value[i].data + 4;
        param->len = value[i].len - 4;
    }

    return NGX_OK;
}


/* oidc_cookie_key file; the first seals, all open */

char *
ngx_http_oidc_cookie_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_main_conf_t *omcf = conf;

    ngx_str_t           *value, *wipe, secret;
    ngx_pool_cleanup_t  *cln;

    if (omcf->ring == NULL) {

        omcf->ring = ngx_pcalloc(cf->pool, sizeof(oidc_ring_t));
        cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_str_t));

        if (omcf->ring == NULL || cln == NULL) {
            return NGX_CONF_ERROR;
        }

        wipe = cln->data;
        wipe->len = sizeof(oidc_ring_t);
        wipe->data = (u_char *) omcf->ring;
        cln->handler = ngx_http_oidc_wipe;
    }

    value = cf->args->elts;

    if (omcf->ring->n == OIDC_RING_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d \"oidc_cookie_key\"", OIDC_RING_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_read_secret(cf, &value[1], 4096, &secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (secret.len < NGX_HTTP_OIDC_SECRET_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must hold at least %d bytes, as of "
                           "\"openssl rand -hex 32\"", &value[1],
                           NGX_HTTP_OIDC_SECRET_MIN);
        return NGX_CONF_ERROR;
    }

    if (oidc_derive(&secret, "oidc cookie key",
                    omcf->ring->key[omcf->ring->n])
        != OIDC_OK)
    {
        return NGX_CONF_ERROR;
    }

    omcf->ring->n++;

    return NGX_CONF_OK;
}


/* in postconfiguration */

ngx_int_t
ngx_http_oidc_keys_finish(ngx_conf_t *cf)
{
    u_char                      hash[32];
    ngx_str_t                   name;
    ngx_uint_t                  i;
    oidc_pool_t                 pool;
    ngx_shm_zone_t             *zone;
    ngx_http_oidc_provider_t  **p;
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);

    p = omcf->providers.elts;

    for (i = 0; i < omcf->providers.nelts; i++) {
        if (ngx_http_oidc_client_finish(cf, p[i], &omcf->keys) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    pool = ngx_http_oidc_pool(cf->pool);

    if (oidc_jwks_render(&pool, omcf->all_keys.elts, omcf->all_keys.nelts,
                         &omcf->jwks)
        != OIDC_OK
        || oidc_sha256(omcf->jwks.data, omcf->jwks.len, hash) != OIDC_OK)
    {
        return NGX_ERROR;
    }

    omcf->jwks_etag.data = ngx_pnalloc(cf->pool, 34);
    if (omcf->jwks_etag.data == NULL) {
        return NGX_ERROR;
    }

    omcf->jwks_etag.len = 34;
    omcf->jwks_etag.data[0] = '"';
    ngx_hex_dump(omcf->jwks_etag.data + 1, hash, 16);
    omcf->jwks_etag.data[33] = '"';

    if (omcf->ring != NULL || omcf->providers.nelts == 0) {
        return NGX_OK;
    }

    ngx_str_set(&name, "oidc_cookie_key");

    zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                 &ngx_http_oidc_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_oidc_init_ring_zone;
    zone->data = omcf;

    return NGX_OK;
}


/* zone->data is the configuration; what the zone holds is in shpool->data */

static ngx_int_t
ngx_http_oidc_init_ring_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t            *shpool;
    ngx_http_oidc_main_conf_t  *omcf;
    ngx_http_oidc_ring_shm_t   *sh;

    omcf = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;
    sh = shpool->data;

    if ((data != NULL || zone->shm.exists) && sh != NULL
        && sh->magic == NGX_HTTP_OIDC_RING_MAGIC)
    {
        omcf->ring = &sh->ring;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(shpool, sizeof(ngx_http_oidc_ring_shm_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (!oidc_random(sh->ring.key[0], OIDC_KEY_LEN)) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "no random bytes for the cookie key");
        return NGX_ERROR;
    }

    sh->ring.n = 1;
    sh->magic = NGX_HTTP_OIDC_RING_MAGIC;
    shpool->data = sh;

    omcf->ring = &sh->ring;

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_read_secret(ngx_conf_t *cf, ngx_str_t *name, size_t max,
    ngx_str_t *secret)
{
    if (ngx_http_oidc_read_file(cf, name, max, secret) != NGX_OK) {
        return NGX_ERROR;
    }

    while (secret->len
           && (secret->data[secret->len - 1] == LF
               || secret->data[secret->len - 1] == CR))
    {
        secret->len--;
    }

    if (secret->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is empty", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_read_file(ngx_conf_t *cf, ngx_str_t *name, size_t max,
    ngx_str_t *content)
{
    ssize_t              n;
    ngx_err_t            err;
    ngx_str_t           *wipe;
    ngx_file_t           file;
    const char          *failed;
    ngx_pool_cleanup_t  *cln;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *name;
    file.log = cf->log;

    /* a pipe that nobody writes to must not hold up "nginx -t" */

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    err = 0;
    failed = NULL;
    n = 0;

    if (ngx_fd_info(file.fd, &file.info) == NGX_FILE_ERROR) {
        err = ngx_errno;
        failed = ngx_fd_info_n " failed";

    } else if (!ngx_is_file(&file.info)) {
        failed = "is not a regular file";

    } else if (ngx_file_size(&file.info) > (off_t) max) {
        failed = "is too large";

    } else if (ngx_file_access(&file.info) & (S_IROTH|S_IWOTH)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" holds a secret and is open to everyone, "
                           "its mode should be 0600", name);
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_str_t));
    content->data = ngx_pnalloc(cf->pool, max);

    if (cln == NULL || content->data == NULL) {
        failed = "does not fit into memory";
    }

    if (failed == NULL) {

        n = ngx_read_file(&file, content->data, max, 0);

        if (n == NGX_ERROR) {
            err = ngx_errno;
            failed = ngx_read_fd_n " failed";
        }
    }

    (void) ngx_close_file(file.fd);

    if (failed != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err, "\"%V\" %s", name,
                           failed);
        return NGX_ERROR;
    }

    content->len = n;

    wipe = cln->data;
    wipe->data = content->data;
    wipe->len = max;
    cln->handler = ngx_http_oidc_wipe;

    return NGX_OK;
}


static void
ngx_http_oidc_wipe(void *data)
{
    ngx_str_t *secret = data;

    oidc_wipe(secret->data, secret->len);
}


static void
ngx_http_oidc_free_key(void *data)
{
    oidc_key_free(data);
}


/* oidc_jwks [max_age=time] */

char *
ngx_http_oidc_jwks(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    ngx_str_t                 *value, time;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (lcf->jwks) {
        return "is duplicate";
    }

    clcf->handler = ngx_http_oidc_jwks_handler;

    lcf->jwks = 1;
    lcf->jwks_file = cf->conf_file->file.name.data;
    lcf->jwks_line = cf->conf_file->line;
    lcf->jwks_max_age = 600;

    if (cf->args->nelts == 2) {

        value = cf->args->elts;

        if (ngx_strncmp(value[1].data, "max_age=", 8) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }

        time.data = value[1].data + 8;
        time.len = value[1].len - 8;

        lcf->jwks_max_age = ngx_parse_time(&time, 1);

        if (lcf->jwks_max_age == (time_t) NGX_ERROR) {
            return "has an invalid time";
        }
    }

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_oidc_jwks_answers(ngx_conf_t *cf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    return clcf->handler == ngx_http_oidc_jwks_handler;
}


static ngx_int_t
ngx_http_oidc_jwks_handler(ngx_http_request_t *r)
{
    u_char                     *p;
    ngx_int_t                   rc;
    ngx_str_t                   cache;
    ngx_table_elt_t            *h;
    ngx_http_oidc_loc_conf_t   *lcf;
    ngx_http_oidc_main_conf_t  *omcf;

    static ngx_str_t  type = ngx_string("application/jwk-set+json");
    static ngx_str_t  allow = ngx_string("GET, HEAD");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {

        if (ngx_http_oidc_add_header(r, "Allow", &allow) != NGX_OK) {
            return NGX_ERROR;
        }

        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    cache.data = ngx_pnalloc(r->pool,
                             sizeof("public, max-age=") + NGX_TIME_T_LEN);
    if (cache.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(cache.data, "public, max-age=%T", lcf->jwks_max_age);
    cache.len = p - cache.data;

    if (ngx_http_oidc_add_header(r, "Cache-Control", &cache) != NGX_OK) {
        return NGX_ERROR;
    }

    /* with headers_out.etag the not-modified filter answers If-None-Match */

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "ETag");
    h->value = omcf->jwks_etag;
    ngx_http_oidc_header_end(h);
    r->headers_out.etag = h;

    return ngx_http_oidc_send(r, NGX_HTTP_OK, &type, &omcf->jwks);
}
