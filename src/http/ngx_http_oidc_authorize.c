
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Who may do what: oidc_claim_set makes variables of nested claims, and
 * auth_oidc_require wants variables to be true.  Nothing here is a session, so
 * nothing here can make one: the guard asks after it knows who it is.
 */


#include "ngx_http_oidc.h"

#include "oidc_claims.h"


/* of a path; a claim is rarely deeper than resource_access, client, roles */

#define NGX_HTTP_OIDC_PATH_MAX  8


typedef struct {
    ngx_uint_t    n;
    oidc_str_t    names[NGX_HTTP_OIDC_PATH_MAX];
    oidc_str_t    has;              /* data NULL: the value itself */
} ngx_http_oidc_claim_path_t;


static ngx_int_t ngx_http_oidc_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_http_oidc_is_true(ngx_str_t *value);


/* oidc_claim_set $variable name ... [has=string] */

char *
ngx_http_oidc_claim_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_variable_t         *var;
    ngx_http_oidc_claim_path_t  *path;

    value = cf->args->elts;

    if (value[1].len < 2 || value[1].data[0] != '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid variable name \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    value[1].data++;
    value[1].len--;

    path = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_claim_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (i > 2 && i == cf->args->nelts - 1
            && ngx_strncmp(value[i].data, "has=", 4) == 0)
        {
            path->has.data = value[i].data + 4;
            path->has.len = value[i].len - 4;
            break;
        }

        if (value[i].len == 0) {
            return "has an empty name";
        }

        if (path->n == NGX_HTTP_OIDC_PATH_MAX) {
            return "has too many names";
        }

        path->names[path->n++] = value[i];
    }

    if (path->has.data != NULL && path->has.len == 0) {
        return "has an empty value of \"has\"";
    }

    var = ngx_http_add_variable(cf, &value[1], NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    if (var->get_handler != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the variable \"$%V\" is taken", &value[1]);
        return NGX_CONF_ERROR;
    }

    var->get_handler = ngx_http_oidc_claim_variable;
    var->data = (uintptr_t) path;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_oidc_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_oidc_claim_path_t *path = (ngx_http_oidc_claim_path_t *) data;

    ngx_uint_t            known;
    oidc_str_t            value;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);
    known = (ctx != NULL && ctx->authenticated);

    if (path->has.data != NULL) {

        known = known && oidc_claims_has(&ctx->session.claims, path->names,
                                         path->n, &path->has);

        value.data = (u_char *) (known ? "1" : "0");
        value.len = 1;

        return ngx_http_oidc_var_set(v, value.data, value.len);
    }

    if (!known || !oidc_claims_path(&ctx->pool, &ctx->session.claims,
                                    path->names, path->n, &value))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_oidc_var_set(v, value.data, value.len);
}


/* auth_oidc_require $value ... [error=401 | 403] */

char *
ngx_http_oidc_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i, last;
    ngx_http_oidc_require_t           *require;
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->require == NGX_CONF_UNSET_PTR) {
        lcf->require = ngx_array_create(cf->pool, 2,
                                        sizeof(ngx_http_oidc_require_t));
        if (lcf->require == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    require = ngx_array_push(lcf->require);
    if (require == NULL) {
        return NGX_CONF_ERROR;
    }

    require->rc = OIDC_REQUIRED;
    require->file = cf->conf_file->file.name.data;
    require->line = cf->conf_file->line;

    value = cf->args->elts;
    last = cf->args->nelts - 1;

    if (ngx_strncmp(value[last].data, "error=", 6) == 0) {

        if (ngx_strcmp(value[last].data + 6, "401") == 0) {
            require->rc = OIDC_REQUIRED_401;

        } else if (ngx_strcmp(value[last].data + 6, "403") != 0) {
            return "takes \"error=401\" or \"error=403\"";
        }

        last--;
    }

    if (last == 0) {
        return "has no value";
    }

    if (ngx_array_init(&require->values, cf->pool, last,
                       sizeof(ngx_http_complex_value_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i <= last; i++) {

        if (ngx_http_script_variables_count(&value[i]) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" has no variable", &value[i]);
            return NGX_CONF_ERROR;
        }

        cv = ngx_array_push(&require->values);
        if (cv == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[i];
        ccv.complex_value = cv;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* OIDC_OK where all that is required here is true, else the refusal */

oidc_rc_t
ngx_http_oidc_authorize(ngx_http_request_t *r)
{
    ngx_str_t                  value;
    ngx_uint_t                 i, n;
    ngx_http_oidc_require_t   *require;
    ngx_http_complex_value_t  *cv;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    if (lcf->require == NULL) {
        return OIDC_OK;
    }

    require = lcf->require->elts;

    for (i = 0; i < lcf->require->nelts; i++) {

        cv = require[i].values.elts;

        for (n = 0; n < require[i].values.nelts; n++) {

            if (ngx_http_complex_value(r, &cv[n], &value) != NGX_OK) {
                return OIDC_NOMEM;
            }

            if (!ngx_http_oidc_is_true(&value)) {
                return require[i].rc;
            }
        }
    }

    return OIDC_OK;
}


/*
 * A claim that says false, as a boolean does, or that is empty is not true
 * either; nor are several variables of "has" of which each is 0.
 */

static ngx_uint_t
ngx_http_oidc_is_true(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len && value->data[i] == '0'; i++) { /* void */ }

    return i < value->len
           && !oidc_str_eq_cstr(value, "false")
           && !oidc_str_eq_cstr(value, "[]")
           && !oidc_str_eq_cstr(value, "{}");
}
