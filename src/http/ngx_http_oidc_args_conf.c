
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Directives that say what a login asks for, the same in oidc_provider { } and
 * in a location.  What could not be checked on return is refused here.
 */


#include "ngx_http_oidc_args.h"

#include "oidc_authz.h"
#include "oidc_seal.h"


static ngx_http_oidc_args_t *ngx_http_oidc_args_slot(void *conf,
    ngx_command_t *cmd);
static char *ngx_http_oidc_words(ngx_conf_t *cf, ngx_str_t *words);
static void ngx_http_oidc_claims_cleanup(void *data);


static ngx_http_oidc_args_t *
ngx_http_oidc_args_slot(void *conf, ngx_command_t *cmd)
{
    return (ngx_http_oidc_args_t *) ((u_char *) conf + cmd->offset);
}


/* the directive's arguments joined by spaces */

static char *
ngx_http_oidc_words(ngx_conf_t *cf, ngx_str_t *words)
{
    u_char      *p, c;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i, n;

    if (words->data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        for (n = 0; n < value[i].len; n++) {
            c = value[i].data[n];

            if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') {
                return "has a character that its values cannot have";
            }
        }

        if (n == 0) {
            return "has an empty value";
        }

        len += n + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    words->data = p;
    words->len = len - 1;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    return NGX_CONF_OK;
}


char *
ngx_http_oidc_acr_values(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                  *rv;
    ngx_http_oidc_args_t  *args;

    args = ngx_http_oidc_args_slot(conf, cmd);

    rv = ngx_http_oidc_words(cf, &args->acr_values);

    if (rv == NGX_CONF_OK && args->acr_values.len > OIDC_LOGIN_ACR_MAX) {
        return "is too long";
    }

    return rv;
}


/* Core 3.1.2.1: "none" excludes all else */

char *
ngx_http_oidc_prompt(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                  *rv;
    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_http_oidc_args_t  *args;

    args = ngx_http_oidc_args_slot(conf, cmd);

    rv = ngx_http_oidc_words(cf, &args->prompt);

    value = cf->args->elts;

    for (i = 1; rv == NGX_CONF_OK && i < cf->args->nelts; i++) {
        if (cf->args->nelts > 2 && ngx_strcmp(value[i].data, "none") == 0) {
            return "has \"none\" beside another value";
        }
    }

    return rv;
}


char *
ngx_http_oidc_ui_locales(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_args_t  *args;

    args = ngx_http_oidc_args_slot(conf, cmd);

    return ngx_http_oidc_words(cf, &args->ui_locales);
}


char *
ngx_http_oidc_login_hint(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                         *value;
    ngx_http_oidc_args_t              *args;
    ngx_http_compile_complex_value_t   ccv;

    args = ngx_http_oidc_args_slot(conf, cmd);

    if (args->login_hint != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    args->login_hint = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (args->login_hint == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = args->login_hint;

    return (ngx_http_compile_complex_value(&ccv) == NGX_OK) ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


static void
ngx_http_oidc_claims_cleanup(void *data)
{
    json_decref(data);
}


char *
ngx_http_oidc_claims(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char                           hash[32];
    ngx_str_t                       *value;
    ngx_pool_cleanup_t              *cln;
    ngx_http_oidc_args_t            *args;
    ngx_http_oidc_main_conf_t       *omcf;
    ngx_http_oidc_claims_request_t  *request;

    args = ngx_http_oidc_args_slot(conf, cmd);

    if (args->claims.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    args->claims = value[1];

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);

    request = ngx_array_push(&omcf->claims_requests);
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (request == NULL || cln == NULL
        || oidc_sha256(value[1].data, value[1].len, hash) != OIDC_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (oidc_claims_request(&value[1], &request->json) != OIDC_OK) {
        omcf->claims_requests.nelts--;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"claims\" is no claims parameter in JSON "
                           "(OpenID Connect Core 5.5): '%V'", &value[1]);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_oidc_claims_cleanup;
    cln->data = request->json;

    request->text = value[1];
    ngx_memcpy(request->digest, hash, OIDC_LOGIN_CLAIMS_LEN);
    ngx_memcpy(args->claims_digest, hash, OIDC_LOGIN_CLAIMS_LEN);

    return NGX_CONF_OK;
}


/* names that a client may fill, none of which is ours to say */

char *
ngx_http_oidc_args_from_query(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t             *value, *name;
    ngx_uint_t             i;
    oidc_pool_t            pool;
    ngx_http_oidc_args_t  *args;

    args = ngx_http_oidc_args_slot(conf, cmd);

    if (args->from_query != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    args->from_query = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                        sizeof(ngx_str_t));
    if (args->from_query == NULL) {
        return NGX_CONF_ERROR;
    }

    pool = ngx_http_oidc_pool(cf->pool);

    for (i = 1; i < cf->args->nelts; i++) {

        if (oidc_authz_extra_check(&pool, &value[i]) != OIDC_OK
            || ngx_strcmp(value[i].data, "claims") == 0
            || strpbrk((char *) value[i].data, "=&%+") != NULL)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" cannot be taken from the query",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(args->from_query);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}
