
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * auth_oidc, and what follows from it: which providers a server uses, and so
 * which URIs and cookies on it are the module's own.  Names become pointers
 * before anything is merged, whatever their order in the file.
 */


#include "ngx_http_oidc_provider.h"

#include "oidc_seal.h"


/* octets of a digest, more than anybody looks for a second one of */

#define NGX_HTTP_OIDC_REALM  16


static ngx_int_t ngx_http_oidc_realm(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p);
static ngx_int_t ngx_http_oidc_digest(ngx_conf_t *cf, u_char *text,
    size_t len, ngx_str_t *out);
static ngx_int_t ngx_http_oidc_resolve_store(ngx_conf_t *cf,
    ngx_http_oidc_main_conf_t *omcf, ngx_http_oidc_provider_t *p);
static ngx_int_t ngx_http_oidc_check_shared(ngx_conf_t *cf,
    ngx_http_oidc_main_conf_t *omcf, ngx_http_oidc_provider_t *p);
static ngx_int_t ngx_http_oidc_resolve_use(ngx_conf_t *cf,
    ngx_http_oidc_main_conf_t *omcf, ngx_http_oidc_use_t *use);
static ngx_int_t ngx_http_oidc_own_uris(ngx_conf_t *cf,
    ngx_http_oidc_srv_conf_t *scf, ngx_http_oidc_provider_t *p,
    ngx_http_oidc_use_t *use);


/* auth_oidc provider | off | value with variables */

char *
ngx_http_oidc_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    ngx_str_t                         *value;
    ngx_http_oidc_use_t               *use;
    ngx_http_oidc_main_conf_t         *omcf;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->off != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->off = 1;
        return NGX_CONF_OK;
    }

    if (value[1].len == 0) {
        return "has an empty value";
    }

    lcf->off = 0;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);

    use = ngx_array_push(&omcf->uses);
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(use, sizeof(ngx_http_oidc_use_t));

    use->lcf = lcf;
    use->file = cf->conf_file->file.name.data;
    use->line = cf->conf_file->line;

    if (cf->cmd_type != NGX_HTTP_MAIN_CONF) {
        use->scf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_oidc_module);
    }

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        use->name = value[1];
        return NGX_CONF_OK;
    }

    lcf->value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (lcf->value == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = lcf->value;

    return (ngx_http_compile_complex_value(&ccv) == NGX_OK) ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


ngx_http_oidc_provider_t *
ngx_http_oidc_find_provider(ngx_http_oidc_main_conf_t *omcf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_oidc_provider_t  **p;

    p = omcf->providers.elts;

    for (i = 0; i < omcf->providers.nelts; i++) {
        if (oidc_str_eq(&p[i]->name, name)) {
            return p[i];
        }
    }

    return NULL;
}


/*
 * In init_main_conf, before anything is merged: names become pointers, whatever
 * the order in the file.
 */

char *
ngx_http_oidc_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_oidc_main_conf_t *omcf = conf;

    ngx_uint_t                  i;
    ngx_http_oidc_use_t        *use;
    ngx_http_oidc_provider_t  **p;

    p = omcf->providers.elts;

    for (i = 0; i < omcf->providers.nelts; i++) {
        if (ngx_http_oidc_realm(cf, p[i]) != NGX_OK
            || ngx_http_oidc_resolve_store(cf, omcf, p[i]) != NGX_OK
            || (omcf->bearer
                && ngx_http_oidc_bearer_stores(cf, p[i]) != NGX_OK))
        {
            return NGX_CONF_ERROR;
        }
    }

    use = omcf->uses.elts;

    for (i = 0; i < omcf->uses.nelts; i++) {
        if (ngx_http_oidc_resolve_use(cf, omcf, &use[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/*
 * Sessions outlive a reload: those of another issuer, or given to another
 * client, are none of a provider that has only the name from before.  Neither
 * name nor issuer has a line end in it.
 */

static ngx_int_t
ngx_http_oidc_realm(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    u_char     *text, *last;
    size_t      ours;
    ngx_str_t  *issuer, *client;

    issuer = &p->idp->issuer;
    client = &p->client.id;
    ours = p->name.len + 1;

    text = ngx_pnalloc(cf->temp_pool, ours + issuer->len + 1 + client->len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    last = ngx_sprintf(text, "%V\n%V\n%V", &p->name, issuer, client);

    if (ngx_http_oidc_digest(cf, text, last - text, &p->realm) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_oidc_digest(cf, text + ours, last - text - ours,
                                &p->audience);
}


static ngx_int_t
ngx_http_oidc_digest(ngx_conf_t *cf, u_char *text, size_t len, ngx_str_t *out)
{
    u_char  hash[32];

    out->len = 2 * NGX_HTTP_OIDC_REALM;
    out->data = ngx_pnalloc(cf->pool, out->len);

    if (out->data == NULL || oidc_sha256(text, len, hash) != OIDC_OK) {
        return NGX_ERROR;
    }

    ngx_hex_dump(out->data, hash, NGX_HTTP_OIDC_REALM);

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_resolve_store(ngx_conf_t *cf, ngx_http_oidc_main_conf_t *omcf,
    ngx_http_oidc_provider_t *p)
{
    ngx_str_t              name;
    ngx_oidc_store_conf_t  sc;

    if (p->session_store.len) {

        p->store = ngx_http_oidc_find_store(omcf, &p->session_store);

        if (p->store != NULL) {
            return ngx_http_oidc_check_shared(cf, omcf, p);
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no oidc_session_store \"%V\" for "
                      "oidc_provider \"%V\" in %s:%ui",
                      &p->session_store, &p->name, p->file, p->line);
        return NGX_ERROR;
    }

    name.len = sizeof("oidc_default_store_") - 1 + p->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len + 1);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(name.data, "oidc_default_store_%V%Z", &p->name);

    ngx_memzero(&sc, sizeof(ngx_oidc_store_conf_t));

    sc.name = name;
    sc.size = NGX_CONF_UNSET_SIZE;
    sc.tag = &ngx_http_oidc_module;

    p->store = ngx_oidc_store_add(cf, &sc);

    return (p->store != NULL) ? NGX_OK : NGX_ERROR;
}


/*
 * Sessions that outlive us, or that others make, are found by names that hang
 * on the cookie key: with one of our own making a logout by the provider would
 * find none of them and say that all is done.
 */

static ngx_int_t
ngx_http_oidc_check_shared(ngx_conf_t *cf, ngx_http_oidc_main_conf_t *omcf,
    ngx_http_oidc_provider_t *p)
{
    if (!ngx_oidc_store_waits(p->store) || omcf->ring != NULL) {
        return NGX_OK;
    }

    if (p->uri[NGX_HTTP_OIDC_BACKCHANNEL_URI].len
        || p->uri[NGX_HTTP_OIDC_FRONTCHANNEL_URI].len)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "oidc_provider \"%V\" keeps sessions in Redis: without "
                      "\"oidc_cookie_key\" a logout by the provider does not "
                      "find them, in %s:%ui",
                      &p->name, p->file, p->line);
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "oidc_provider \"%V\" keeps sessions in Redis: without "
                  "\"oidc_cookie_key\" a login that begins at one gateway "
                  "cannot end at another, nor sessions be ended by \"sub\" or "
                  "\"sid\", in %s:%ui",
                  &p->name, p->file, p->line);

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_resolve_use(ngx_conf_t *cf, ngx_http_oidc_main_conf_t *omcf,
    ngx_http_oidc_use_t *use)
{
    ngx_uint_t                   i, n, first, last;
    ngx_http_core_srv_conf_t   **cscfp;
    ngx_http_oidc_srv_conf_t    *scf;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_oidc_provider_t   **p;

    p = omcf->providers.elts;
    first = 0;
    last = omcf->providers.nelts;

    if (use->name.len) {

        use->lcf->provider = ngx_http_oidc_find_provider(omcf, &use->name);

        if (use->lcf->provider == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "no oidc_provider \"%V\" in %s:%ui",
                          &use->name, use->file, use->line);
            return NGX_ERROR;
        }

        while (p[first] != use->lcf->provider) {
            first++;
        }

        last = first + 1;

    } else if (last == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_oidc\" without any oidc_provider in %s:%ui",
                      use->file, use->line);
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscfp = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {

        scf = cscfp[i]->ctx->srv_conf[ngx_http_oidc_module.ctx_index];

        if (use->scf != NULL && use->scf != scf) {
            continue;
        }

        for (n = first; n < last; n++) {
            if (ngx_http_oidc_own_uris(cf, scf, p[n], use) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_own_uris(ngx_conf_t *cf, ngx_http_oidc_srv_conf_t *scf,
    ngx_http_oidc_provider_t *p, ngx_http_oidc_use_t *use)
{
    oidc_str_t               *name;
    ngx_uint_t                i, kind;
    ngx_http_oidc_own_uri_t  *own;

    own = scf->own.elts;

    for (i = 0; i < scf->own.nelts; i++) {
        if (own[i].provider == p) {
            return NGX_OK;
        }
    }

    for (i = 0; i < scf->own.nelts; i++) {

        if (own[i].kind != NGX_HTTP_OIDC_REDIRECT_URI) {
            continue;
        }

        if (oidc_str_eq(&own[i].provider->session_cookie[1],
                        &p->session_cookie[1]))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "oidc_provider \"%V\" and \"%V\" share a cookie_name "
                          "on one server: a login at one ends the session "
                          "at the other, in %s:%ui",
                          &own[i].provider->name, &p->name, use->file,
                          use->line);
        }

        /* RFC 9700 4.4.2: what tells providers apart is "iss", or this URI */

        if (oidc_str_eq(&own[i].path, &p->path[NGX_HTTP_OIDC_REDIRECT_URI])
            && !oidc_str_eq(&own[i].provider->idp->issuer, &p->idp->issuer))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "oidc_provider \"%V\" and \"%V\" share a "
                          "redirect_uri: where one does not send \"iss\" the "
                          "other could have it answer, in %s:%ui",
                          &own[i].provider->name, &p->name, use->file,
                          use->line);
        }
    }

    for (kind = 0; kind < NGX_HTTP_OIDC_URI_MAX; kind++) {

        if (p->path[kind].len == 0) {
            continue;
        }

        own = scf->own.elts;

        for (i = 0; i < scf->own.nelts; i++) {

            /* no cookie says whose logout by the provider it is */

            if (oidc_str_eq(&own[i].path, &p->path[kind])
                && (own[i].kind != kind
                    || kind == NGX_HTTP_OIDC_BACKCHANNEL_URI
                    || kind == NGX_HTTP_OIDC_FRONTCHANNEL_URI))
            {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "\"%V\" means different things for oidc_provider "
                              "\"%V\" and \"%V\" on one server in %s:%ui",
                              &p->path[kind], &own[i].provider->name,
                              &p->name, use->file, use->line);
                return NGX_ERROR;
            }
        }

        own = ngx_array_push(&scf->own);
        if (own == NULL) {
            return NGX_ERROR;
        }

        own->path = p->path[kind];
        own->kind = kind;
        own->provider = p;
    }

    if (p->pass_cookies) {
        return NGX_OK;
    }

    for (i = 0; i < 2; i++) {

        name = ngx_array_push(&scf->strip);
        if (name == NULL) {
            return NGX_ERROR;
        }

        *name = p->session_cookie[i];
    }

    return NGX_OK;
}
