
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Configurations of the module, and the parser of blocks whose directives are a
 * table: oidc_provider { } in ngx_http_oidc_provider.c, oidc_session_store { }
 * in ngx_http_oidc_store_conf.c.  What ties servers to providers is in
 * ngx_http_oidc_use.c.
 */


#include "ngx_http_oidc.h"
#include "ngx_http_oidc_args.h"
#include "ngx_http_oidc_provider.h"


void *
ngx_http_oidc_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_main_conf_t));
    if (omcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&omcf->providers, cf->pool, 4, sizeof(void *)) != NGX_OK
        || ngx_array_init(&omcf->stores, cf->pool, 4,
                          sizeof(ngx_http_oidc_named_store_t))
           != NGX_OK
        || ngx_array_init(&omcf->keys, cf->pool, 4, sizeof(oidc_key_t))
           != NGX_OK
        || ngx_array_init(&omcf->all_keys, cf->pool, 4, sizeof(oidc_key_t))
           != NGX_OK
        || ngx_array_init(&omcf->claims_requests, cf->pool, 2,
                          sizeof(ngx_http_oidc_claims_request_t))
           != NGX_OK
        || ngx_array_init(&omcf->uses, cf->pool, 8,
                          sizeof(ngx_http_oidc_use_t))
           != NGX_OK)
    {
        return NULL;
    }

    return omcf;
}


void *
ngx_http_oidc_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_oidc_srv_conf_t  *scf;

    scf = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_srv_conf_t));
    if (scf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&scf->own, cf->pool, 4, sizeof(ngx_http_oidc_own_uri_t))
        != NGX_OK
        || ngx_array_init(&scf->strip, cf->pool, 2, sizeof(oidc_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    scf->trusted_proxies = NGX_CONF_UNSET_PTR;

    return scf;
}


char *
ngx_http_oidc_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_oidc_srv_conf_t  *prev = parent;
    ngx_http_oidc_srv_conf_t  *conf = child;

    ngx_conf_merge_ptr_value(conf->trusted_proxies, prev->trusted_proxies,
                             NULL);

    return NGX_CONF_OK;
}


void *
ngx_http_oidc_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->off = NGX_CONF_UNSET;
    lcf->mode = NGX_CONF_UNSET_UINT;
    lcf->unauth_action = NGX_CONF_UNSET_UINT;
    lcf->require = NGX_CONF_UNSET_PTR;
    ngx_http_oidc_args_unset(&lcf->args);
    lcf->headers = NGX_CONF_UNSET_PTR;
    lcf->bearer = NGX_CONF_UNSET_PTR;
    lcf->bearer_audience = NGX_CONF_UNSET_PTR;
    lcf->bearer_caller = NGX_CONF_UNSET_PTR;
    lcf->scopes = NGX_CONF_UNSET_PTR;

    return lcf;
}


char *
ngx_http_oidc_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_oidc_loc_conf_t  *prev = parent;
    ngx_http_oidc_loc_conf_t  *conf = child;

    ngx_uint_t                 open;
    ngx_http_oidc_require_t   *require;
    ngx_http_core_loc_conf_t  *clcf;

    open = 0;

    if (conf->off == NGX_CONF_UNSET) {
        open = (prev->off != 0 && conf->require != NGX_CONF_UNSET_PTR);
        conf->off = (prev->off == NGX_CONF_UNSET) ? 1 : prev->off;
        conf->provider = prev->provider;
        conf->value = prev->value;
    }

    ngx_conf_merge_uint_value(conf->mode, prev->mode,
                              NGX_HTTP_OIDC_MODE_REQUIRE);
    ngx_conf_merge_uint_value(conf->unauth_action, prev->unauth_action,
                              NGX_HTTP_OIDC_UNAUTH_AUTO);
    ngx_conf_merge_ptr_value(conf->require, prev->require, NULL);
    ngx_http_oidc_args_merge(&conf->args, &prev->args);
    ngx_conf_merge_ptr_value(conf->bearer, prev->bearer, NULL);
    ngx_conf_merge_ptr_value(conf->bearer_audience, prev->bearer_audience,
                             NULL);
    ngx_conf_merge_ptr_value(conf->bearer_caller, prev->bearer_caller, NULL);
    ngx_conf_merge_ptr_value(conf->scopes, prev->scopes, NULL);

    /* of a server it may be meant for the locations inside */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (open && clcf->name.len) {
        require = conf->require->elts;

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_oidc_require\" without \"auth_oidc\" in %s:%ui",
                      require->file, require->line);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_merge_headers(&conf->headers, prev->headers)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->base_url.data == NULL) {
        conf->base_url = prev->base_url;
        conf->base = prev->base;
    }

    if (ngx_http_oidc_bearer_merge(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    /* such a location is not guarded, so nothing else may answer in it */

    if (conf->jwks && !ngx_http_oidc_jwks_answers(cf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"oidc_jwks\" beside another handler of the location "
                      "in %s:%ui", conf->jwks_file, conf->jwks_line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * One directive of a block whose commands are a table: checks the number of
 * arguments, of which none may be empty, and sets the slot.  "other" is the
 * base of commands that say so in their "conf" member.
 */

char *
ngx_http_oidc_block_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf, ngx_command_t *commands, void *other, const char *block)
{
    char           *rv;
    ngx_str_t      *value;
    ngx_uint_t      i;
    ngx_command_t  *cmd;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {

        if (cf->args->nelts != 2) {
            goto invalid;
        }

        return ngx_conf_include(cf, dummy, conf);
    }

    for (cmd = commands; cmd->name.len; cmd++) {

        if (value[0].len != cmd->name.len
            || ngx_strcmp(value[0].data, cmd->name.data) != 0)
        {
            continue;
        }

        if (!ngx_http_oidc_args_ok(cf, cmd)) {
            goto invalid;
        }

        for (i = 1; i < cf->args->nelts; i++) {
            if (value[i].len == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V\" directive has an empty value",
                                   &value[0]);
                return NGX_CONF_ERROR;
            }
        }

        rv = cmd->set(cf, cmd, cmd->conf ? other : conf);

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                               &value[0], rv);
            return NGX_CONF_ERROR;
        }

        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "directive \"%V\" is not allowed in %s",
                       &value[0], block);
    return NGX_CONF_ERROR;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid number of arguments in \"%V\" directive",
                       &value[0]);
    return NGX_CONF_ERROR;
}


/* the number of arguments, as nginx itself checks it */

ngx_uint_t
ngx_http_oidc_args_ok(ngx_conf_t *cf, ngx_command_t *cmd)
{
    ngx_uint_t  n;

    n = cf->args->nelts - 1;

    if (cmd->type & NGX_CONF_FLAG) {
        return n == 1;
    }

    if (cmd->type & NGX_CONF_1MORE) {
        return n >= 1;
    }

    if (cmd->type & NGX_CONF_2MORE) {
        return n >= 2;
    }

    /* NGX_CONF_NOARGS, TAKE1, TAKE2 ... are one bit each */

    return n < NGX_CONF_MAX_ARGS && (cmd->type & (NGX_CONF_NOARGS << n)) != 0;
}


char *
ngx_http_oidc_base_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->base_url.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    lcf->base_url = value[1];

    if (lcf->base_url.len
        && lcf->base_url.data[lcf->base_url.len - 1] == '/')
    {
        lcf->base_url.len--;
    }

    if (oidc_url_parse(&lcf->base_url, &lcf->base) != OIDC_OK
        || lcf->base.path.len || lcf->base.has_query)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"oidc_base_url\" must be a scheme and a host "
                           "with an optional port: \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_oidc_trusted_proxy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_srv_conf_t *scf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_cidr_t  *cidr;
    ngx_uint_t   i;

    if (scf->trusted_proxies == NGX_CONF_UNSET_PTR) {
        scf->trusted_proxies = ngx_array_create(cf->pool, 2,
                                                sizeof(ngx_cidr_t));
        if (scf->trusted_proxies == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        cidr = ngx_array_push(scf->trusted_proxies);
        if (cidr == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(cidr, sizeof(ngx_cidr_t));

#if (NGX_HAVE_UNIX_DOMAIN)
        if (ngx_strcmp(value[i].data, "unix:") == 0) {
            cidr->family = AF_UNIX;
            continue;
        }
#endif

        rc = ngx_ptocidr(&value[i], cidr);

        if (rc == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid address \"%V\" in \"trusted_proxy\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of %V are meaningless",
                               &value[i]);
        }
    }

    return NGX_CONF_OK;
}
