
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Variables.  None is cacheable: what is read before the session is known, in
 * the rewrite phase say, is empty then and right later.  They are those of the
 * main request, also in its subrequests.
 */


#include "ngx_http_oidc.h"

#include "oidc_claims.h"


static ngx_int_t ngx_http_oidc_var_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_authenticated(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_error(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_error_description(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_sid(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_session_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_oidc_var_provider(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#define ngx_http_oidc_token(name)                                             \
    ngx_http_oidc_var_token, offsetof(oidc_tokens_t, name)

#define ngx_http_oidc_call(name)                                              \
    ngx_http_oidc_fetch_variable, offsetof(ngx_http_oidc_fetch_t, name)


static ngx_http_variable_t  ngx_http_oidc_vars[] = {

    { ngx_string("oidc_claim_"), NULL, ngx_http_oidc_var_claim, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

    { ngx_string("oidc_id_token"), NULL, ngx_http_oidc_token(id_token),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_access_token"), NULL, ngx_http_oidc_token(access_token),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_userinfo"), NULL, ngx_http_oidc_token(userinfo),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_authenticated"), NULL, ngx_http_oidc_var_authenticated,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_provider"), NULL, ngx_http_oidc_var_provider, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_sid"), NULL, ngx_http_oidc_var_sid, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_session_id"), NULL, ngx_http_oidc_var_session_id, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_error"), NULL, ngx_http_oidc_var_error, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_error_description"), NULL,
      ngx_http_oidc_var_error_description, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    /* of the back channel, see ngx_http_oidc_back_channel.c */

    { ngx_string("oidc_call_url"), NULL, ngx_http_oidc_call(target),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_method"), NULL, ngx_http_oidc_call(method),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_body"), NULL, ngx_http_oidc_call(body),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_host"), NULL, ngx_http_oidc_call(host),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_name"), NULL, ngx_http_oidc_call(name),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_accept"), NULL, ngx_http_oidc_call(accept),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_authorization"), NULL,
      ngx_http_oidc_call(authorization), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("oidc_call_content_type"), NULL,
      ngx_http_oidc_call(content_type), NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_oidc_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_oidc_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_oidc_token_variables(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *v, *used;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    used = cmcf->variables.elts;

    for (v = ngx_http_oidc_vars; v->name.len; v++) {

        if (v->get_handler != ngx_http_oidc_var_token) {
            continue;
        }

        for (i = 0; i < cmcf->variables.nelts; i++) {
            if (oidc_str_eq(&used[i].name, &v->name)) {
                return 1;
            }
        }
    }

    return 0;
}


ngx_int_t
ngx_http_oidc_var_set(ngx_http_variable_value_t *v, const u_char *data,
    size_t len)
{
    if (len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = len;
    v->data = (u_char *) data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_var_claim(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t *var = (ngx_str_t *) data;

    oidc_str_t            name, value;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    name.len = var->len - (sizeof("oidc_claim_") - 1);
    name.data = var->data + sizeof("oidc_claim_") - 1;

    if (ctx == NULL || !ctx->authenticated
        || !oidc_claims_find(&ctx->session.claims, &name, &value))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_oidc_var_set(v, value.data, value.len);
}


static ngx_int_t
ngx_http_oidc_var_token(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    oidc_str_t           *value;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx == NULL || ngx_http_oidc_tokens(r, ctx) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (oidc_str_t *) ((u_char *) &ctx->tokens + data);

    return ngx_http_oidc_var_set(v, value->data, value->len);
}


static ngx_int_t
ngx_http_oidc_var_authenticated(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    return ngx_http_oidc_var_set(v, (u_char *) (ctx != NULL
                                                && ctx->authenticated
                                                ? "1" : "0"), 1);
}


static ngx_int_t
ngx_http_oidc_var_error(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    const char           *name;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx == NULL || ctx->rc == OIDC_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    name = oidc_rc_name(ctx->rc);

    return ngx_http_oidc_var_set(v, (const u_char *) name, ngx_strlen(name));
}


static ngx_int_t
ngx_http_oidc_var_error_description(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char           *text;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx == NULL || ctx->rc == OIDC_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ctx->detail.len) {
        return ngx_http_oidc_var_set(v, ctx->detail.data, ctx->detail.len);
    }

    text = oidc_rc_text(ctx->rc);

    return ngx_http_oidc_var_set(v, (const u_char *) text, ngx_strlen(text));
}


static ngx_int_t
ngx_http_oidc_var_sid(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx == NULL || !ctx->authenticated
        || !oidc_claims_text_ok(&ctx->session.sid))
    {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_oidc_var_set(v, ctx->session.sid.data,
                                 ctx->session.sid.len);
}


/* eight bytes of the name in the store, from which no cookie can be made */

static ngx_int_t
ngx_http_oidc_var_session_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx == NULL || !ctx->authenticated || !ctx->has_session) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, 16);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(p, ctx->keys.name, 8);

    return ngx_http_oidc_var_set(v, p, 16);
}


static ngx_int_t
ngx_http_oidc_var_provider(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_oidc_ctx_t  *ctx;

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx == NULL || ctx->provider == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_oidc_var_set(v, ctx->provider->name.data,
                                 ctx->provider->name.len);
}
