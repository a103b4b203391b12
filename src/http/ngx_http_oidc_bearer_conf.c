
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Directives of the resource server in locations: auth_oidc_bearer, and the
 * rules for what a token says.
 */


#include "ngx_http_oidc_bearer.h"
#include "ngx_http_oidc_provider.h"

#include "oidc_jwe.h"
#include "oidc_jws.h"


static char *ngx_http_oidc_bearer_param(ngx_conf_t *cf,
    ngx_http_oidc_bearer_conf_t *b, ngx_str_t *param);
static char *ngx_http_oidc_bearer_url(ngx_conf_t *cf, ngx_str_t *value);
static ngx_uint_t ngx_http_oidc_quotable(ngx_str_t *text);
static char *ngx_http_oidc_values(ngx_conf_t *cf, ngx_array_t *values,
    ngx_uint_t first);


/* auth_oidc_bearer off | introspection | local [parameter ...] */

char *
ngx_http_oidc_bearer_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    char                         *rv;
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_oidc_bearer_conf_t  *b;
    ngx_http_oidc_main_conf_t    *omcf;

    if (lcf->bearer != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->bearer = NULL;
        return (cf->args->nelts == 2) ? NGX_CONF_OK
                                      : "takes nothing after \"off\"";
    }

    b = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_bearer_conf_t));
    if (b == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(value[1].data, "introspection") == 0) {
        b->mode = NGX_HTTP_OIDC_BEARER_INTROSPECTION;

    } else if (ngx_strcmp(value[1].data, "local") == 0) {
        b->mode = NGX_HTTP_OIDC_BEARER_LOCAL;

    } else {
        return "is \"introspection\", \"local\" or \"off\"";
    }

    for (i = 2; i < cf->args->nelts; i++) {

        rv = ngx_http_oidc_bearer_param(cf, b, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    b->file = cf->conf_file->file.name.data;
    b->line = cf->conf_file->line;

    if (b->jwe_algs == 0 && b->jwe_encs) {
        return "has \"enc\" without \"alg\"";
    }

    if (b->jwe_encs == 0) {
        b->jwe_encs = OIDC_A256GCM;
    }

    lcf->bearer = b;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);
    omcf->bearer = 1;

    return NGX_CONF_OK;
}


/* flags once, values once and not empty */

static char *
ngx_http_oidc_bearer_param(ngx_conf_t *cf, ngx_http_oidc_bearer_conf_t *b,
    ngx_str_t *param)
{
    ngx_str_t   rest;
    ngx_uint_t  local;

    local = (b->mode == NGX_HTTP_OIDC_BEARER_LOCAL);

    if (ngx_strcmp(param->data, "only") == 0) {
        b->only = 1;

    } else if (ngx_strcmp(param->data, "base64") == 0) {
        b->base64 = 1;

    } else if (ngx_strcmp(param->data, "preflight") == 0) {
        b->preflight = 1;

    } else if (ngx_strcmp(param->data, "error=400") == 0) {
        b->error_400 = 1;

    } else if (local && ngx_strcmp(param->data, "typ=any") == 0) {
        b->any_typ = 1;

    } else if (local && ngx_http_oidc_param(param, "sign=", &rest)
               && b->jws_algs == 0)
    {
        b->jws_algs = ngx_http_oidc_sign_algs(&rest) & ~OIDC_HS_ALL;
        return b->jws_algs ? NGX_CONF_OK
                           : ngx_http_oidc_bad_param(cf, param);

    } else if (local && ngx_http_oidc_param(param, "alg=", &rest)
               && b->jwe_algs == 0)
    {
        b->jwe_algs = oidc_jwe_alg(&rest);
        return b->jwe_algs ? NGX_CONF_OK
                           : ngx_http_oidc_bad_param(cf, param);

    } else if (local && ngx_http_oidc_param(param, "enc=", &rest)
               && b->jwe_encs == 0)
    {
        b->jwe_encs = oidc_jwe_enc(&rest);
        return b->jwe_encs ? NGX_CONF_OK
                           : ngx_http_oidc_bad_param(cf, param);

    } else if (ngx_http_oidc_param(param, "realm=", &rest)
               && b->realm.len == 0 && ngx_http_oidc_quotable(&rest))
    {
        b->realm = rest;

    } else if (ngx_http_oidc_param(param, "resource_metadata=", &rest)
               && b->resource_metadata.len == 0)
    {
        b->resource_metadata = rest;
        return ngx_http_oidc_bearer_url(cf, &rest);

    } else if (ngx_http_oidc_param(param, "bound=", &rest) && b->bound == 0) {
        b->bound = oidc_str_eq_cstr(&rest, "dpop") ? NGX_HTTP_OIDC_BOUND_DPOP
                   : oidc_str_eq_cstr(&rest, "mtls") ? NGX_HTTP_OIDC_BOUND_MTLS
                   : oidc_str_eq_cstr(&rest, "any") ? NGX_HTTP_OIDC_BOUND_ANY
                   : 0;

        return b->bound ? NGX_CONF_OK : ngx_http_oidc_bad_param(cf, param);

    } else {
        return ngx_http_oidc_bad_param(cf, param);
    }

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_oidc_param(ngx_str_t *param, const char *name, ngx_str_t *rest)
{
    size_t  len;

    len = ngx_strlen(name);

    if (param->len <= len || ngx_strncmp(param->data, name, len) != 0) {
        return 0;
    }

    rest->len = param->len - len;
    rest->data = param->data + len;

    return 1;
}


char *
ngx_http_oidc_bad_param(ngx_conf_t *cf, ngx_str_t *param)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                       param);
    return NGX_CONF_ERROR;
}


unsigned
ngx_http_oidc_sign_algs(ngx_str_t *names)
{
    u_char     *p, *end, *comma;
    unsigned    bit, algs;
    ngx_str_t   name;

    algs = 0;
    end = names->data + names->len;

    for (p = names->data; p <= end; p = name.data + name.len + 1) {

        comma = ngx_strlchr(p, end, ',');

        name.data = p;
        name.len = (comma != NULL ? comma : end) - p;

        bit = oidc_jws_alg(&name);

        if (bit == 0) {
            return 0;
        }

        algs |= bit;
    }

    return algs;
}


static char *
ngx_http_oidc_bearer_url(ngx_conf_t *cf, ngx_str_t *value)
{
    oidc_url_t  url;

    if (oidc_url_parse(value, &url) != OIDC_OK
        || !ngx_http_oidc_quotable(value))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"resource_metadata\" is no http or https URL: "
                           "\"%V\"", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* what a quoted string of a header holds as it is (RFC 6750 section 3) */

static ngx_uint_t
ngx_http_oidc_quotable(ngx_str_t *text)
{
    ngx_uint_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < ' ' || text->data[i] >= 0x7f
            || text->data[i] == '"' || text->data[i] == '\\')
        {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_http_oidc_values(ngx_conf_t *cf, ngx_array_t *values, ngx_uint_t first)
{
    ngx_str_t   *value, *v;
    ngx_uint_t   i;

    value = cf->args->elts;

    if (ngx_array_init(values, cf->pool, cf->args->nelts, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = first; i < cf->args->nelts; i++) {

        if (value[i].len == 0) {
            return "has an empty value";
        }

        v = ngx_array_push(values);
        if (v == NULL) {
            return NGX_CONF_ERROR;
        }

        *v = value[i];
    }

    return NGX_CONF_OK;
}


/* auth_oidc_bearer_audience value ... | none */

char *
ngx_http_oidc_bearer_audience(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->bearer_audience != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    lcf->bearer_audience = ngx_pcalloc(cf->pool, sizeof(ngx_array_t));
    if (lcf->bearer_audience == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "none") == 0) {
        return NGX_CONF_OK;
    }

    return ngx_http_oidc_values(cf, lcf->bearer_audience, 1);
}


/* auth_oidc_bearer_caller client_id | azp | aud [value ...] | off */

char *
ngx_http_oidc_bearer_caller(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    ngx_str_t               *value;
    ngx_http_oidc_caller_t  *caller;

    if (lcf->bearer_caller != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->bearer_caller = NULL;
        return (cf->args->nelts == 2) ? NGX_CONF_OK
                                      : "takes nothing after \"off\"";
    }

    if (ngx_strcmp(value[1].data, "client_id") != 0
        && ngx_strcmp(value[1].data, "azp") != 0
        && ngx_strcmp(value[1].data, "aud") != 0)
    {
        return "names a claim: \"client_id\", \"azp\" or \"aud\"";
    }

    caller = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_caller_t));
    if (caller == NULL) {
        return NGX_CONF_ERROR;
    }

    caller->claim = value[1];
    lcf->bearer_caller = caller;

    return ngx_http_oidc_values(cf, &caller->values, 2);
}


/* auth_oidc_scope any | all scope ... */

char *
ngx_http_oidc_require_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    size_t                   len;
    u_char                  *p;
    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_http_oidc_scopes_t  *s;

    if (lcf->scopes != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->scopes = NULL;
        return (cf->args->nelts == 2) ? NGX_CONF_OK
                                      : "takes nothing after \"off\"";
    }

    s = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_scopes_t));
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    s->all = (ngx_strcmp(value[1].data, "all") == 0);

    if ((!s->all && ngx_strcmp(value[1].data, "any") != 0)
        || cf->args->nelts == 2)
    {
        return "takes \"any\" or \"all\", and scopes";
    }

    for (len = 0, i = 2; i < cf->args->nelts; i++) {

        if (value[i].len == 0 || !ngx_http_oidc_quotable(&value[i])
            || ngx_strchr(value[i].data, ' ') != NULL)
        {
            return "has a character that a scope cannot have";
        }

        len += value[i].len + 1;
    }

    s->text.data = ngx_pnalloc(cf->pool, len);
    if (s->text.data == NULL) {
        return NGX_CONF_ERROR;
    }

    for (p = s->text.data, i = 2; i < cf->args->nelts; i++) {
        p = ngx_sprintf(p, "%V ", &value[i]);
    }

    s->text.len = len - 1;
    lcf->scopes = s;

    return NGX_CONF_OK;
}


/* in init_main_conf and merge_loc_conf, when all keys are known */

ngx_uint_t
ngx_http_oidc_can_decrypt(ngx_conf_t *cf, ngx_http_oidc_provider_t *p,
    unsigned algs)
{
    ngx_uint_t                  i, n;
    oidc_key_t                 *key;
    ngx_array_t                *keys[2];
    ngx_http_oidc_main_conf_t  *omcf;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);

    keys[0] = &p->keys;
    keys[1] = &omcf->keys;

    for (n = 0; n < 2; n++) {

        key = keys[n]->elts;

        for (i = 0; i < keys[n]->nelts; i++) {
            if (key[i].use != OIDC_USE_SIG
                && (oidc_jwe_alg(&key[i].alg) & algs))
            {
                return 1;
            }
        }
    }

    return 0;
}


/* what the rules of a location are when all levels have had their say */

char *
ngx_http_oidc_bearer_merge(ngx_conf_t *cf, ngx_http_oidc_loc_conf_t *conf)
{
    if (conf->bearer == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_http_oidc_sets_header(conf->headers, "authorization")) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_oidc_header Authorization\" takes the token away "
                      "that \"auth_oidc_bearer\" is to see in %s:%ui",
                      conf->bearer->file, conf->bearer->line);
        return NGX_CONF_ERROR;
    }

    if (conf->bearer->mode != NGX_HTTP_OIDC_BEARER_LOCAL) {
        return NGX_CONF_OK;
    }

    if (conf->bearer_audience != NULL && conf->bearer_audience->nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"auth_oidc_bearer local\" needs an audience, "
                      "\"auth_oidc_bearer_audience\" says none in %s:%ui",
                      conf->bearer->file, conf->bearer->line);
        return NGX_CONF_ERROR;
    }

    if (conf->bearer->jwe_algs && conf->provider != NULL
        && !ngx_http_oidc_can_decrypt(cf, conf->provider,
                                      conf->bearer->jwe_algs))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"oidc_key\" can decrypt what \"auth_oidc_bearer\" "
                      "asks for in %s:%ui", conf->bearer->file,
                      conf->bearer->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
