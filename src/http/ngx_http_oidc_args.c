
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Step-up and other wishes of a login.  A location's win over the provider's,
 * both over extra_auth_args, and what a client may say in the query by
 * auth_args_from_query comes last and replaces nothing: no argument is ever
 * sent twice.  acr_values, max_age and claims are checked when the user is
 * back, wherever they came from.
 */


#include "ngx_http_oidc_args.h"

#include "oidc_claims.h"


/* arguments of a login, and octets of one that comes from the query */

#define NGX_HTTP_OIDC_ARGS_MAX      24
#define NGX_HTTP_OIDC_ARG_LEN_MAX   512


typedef struct {
    oidc_buf_t      text;
    ngx_uint_t      n;
    oidc_str_t      names[NGX_HTTP_OIDC_ARGS_MAX];
} ngx_http_oidc_args_list_t;


static void ngx_http_oidc_args_effective(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_args_t *args);
static void ngx_http_oidc_args_again(ngx_http_request_t *r,
    const oidc_login_t *previous, ngx_http_oidc_args_t *args);
static void ngx_http_oidc_args_add(ngx_http_oidc_args_list_t *list,
    const char *name, const oidc_str_t *value);
static ngx_uint_t ngx_http_oidc_args_has(ngx_http_oidc_args_list_t *list,
    const oidc_str_t *name);
static ngx_uint_t ngx_http_oidc_args_silent(ngx_http_request_t *r,
    ngx_http_oidc_args_t *args);
static ngx_uint_t ngx_http_oidc_arg(const oidc_str_t *args,
    const oidc_str_t *name, oidc_str_t *raw);
static ngx_int_t ngx_http_oidc_args_query(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_args_t *args, oidc_login_t *login,
    ngx_http_oidc_args_list_t *list);
static ngx_int_t ngx_http_oidc_args_wish(oidc_login_t *login,
    const oidc_str_t *name, const oidc_str_t *value);
static void ngx_http_oidc_args_extra(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_args_list_t *list);


const oidc_str_t  ngx_http_oidc_silent = oidc_string("silent");


void
ngx_http_oidc_args_unset(ngx_http_oidc_args_t *args)
{
    args->max_age = NGX_CONF_UNSET;
}


void
ngx_http_oidc_args_merge(ngx_http_oidc_args_t *conf,
    const ngx_http_oidc_args_t *prev)
{
    if (conf->acr_values.data == NULL) {
        conf->acr_values = prev->acr_values;
    }

    if (conf->max_age == NGX_CONF_UNSET) {
        conf->max_age = prev->max_age;
    }

    if (conf->prompt.data == NULL) {
        conf->prompt = prev->prompt;
    }

    if (conf->ui_locales.data == NULL) {
        conf->ui_locales = prev->ui_locales;
    }

    if (conf->login_hint == NULL) {
        conf->login_hint = prev->login_hint;
    }

    if (conf->claims.data == NULL) {
        conf->claims = prev->claims;
        ngx_memcpy(conf->claims_digest, prev->claims_digest,
                   OIDC_LOGIN_CLAIMS_LEN);
    }

    if (conf->from_query == NULL) {
        conf->from_query = prev->from_query;
    }
}


static void
ngx_http_oidc_args_effective(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_args_t *args)
{
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    *args = lcf->args;

    ngx_http_oidc_args_merge(args, &ctx->provider->args);
}


/* what the login asked for that the provider did not grant, once more */

static void
ngx_http_oidc_args_again(ngx_http_request_t *r, const oidc_login_t *previous,
    ngx_http_oidc_args_t *args)
{
    const ngx_http_oidc_claims_request_t  *claims;

    args->acr_values = previous->strength.acr_values;
    args->max_age = previous->strength.has_max_age
                    ? (time_t) previous->strength.max_age : NGX_CONF_UNSET;
    args->from_query = NULL;

    ngx_str_set(&args->prompt, "login");
    ngx_str_null(&args->claims);

    claims = previous->has_claims
             ? ngx_http_oidc_claims_of(r, previous->claims) : NULL;

    if (claims != NULL) {
        args->claims = claims->text;
        ngx_memcpy(args->claims_digest, claims->digest, OIDC_LOGIN_CLAIMS_LEN);
    }
}


ngx_int_t
ngx_http_oidc_args_build(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_login_t *login, oidc_str_t *extra)
{
    u_char                      number[NGX_TIME_T_LEN];
    ngx_str_t                   hint;
    oidc_str_t                  text;
    ngx_http_oidc_args_t        args;
    ngx_http_oidc_args_list_t   list;

    ngx_http_oidc_args_effective(r, ctx, &args);

    if (ctx->previous != NULL) {
        login->again = 1;
        ngx_http_oidc_args_again(r, ctx->previous, &args);
    }

    list.n = 0;
    oidc_buf_init(&list.text, &ctx->pool, 256);

    if (ctx->provider->form_post) {
        text.data = (u_char *) "form_post";
        text.len = sizeof("form_post") - 1;
        ngx_http_oidc_args_add(&list, "response_mode", &text);
    }

    if (args.acr_values.len) {
        login->strength.acr_values = args.acr_values;
        ngx_http_oidc_args_add(&list, "acr_values", &args.acr_values);
    }

    if (args.max_age != NGX_CONF_UNSET) {
        login->strength.has_max_age = 1;
        login->strength.max_age = args.max_age;

        text.data = number;
        text.len = ngx_sprintf(number, "%T", args.max_age) - number;
        ngx_http_oidc_args_add(&list, "max_age", &text);
    }

    if (args.prompt.len) {
        login->silent = oidc_str_eq_cstr(&args.prompt, "none");
        ngx_http_oidc_args_add(&list, "prompt", &args.prompt);
    }

    if (args.ui_locales.len) {
        ngx_http_oidc_args_add(&list, "ui_locales", &args.ui_locales);
    }

    if (args.login_hint != NULL) {

        if (ngx_http_complex_value(r, args.login_hint, &hint) != NGX_OK) {
            return NGX_ERROR;
        }

        if (hint.len && hint.len <= NGX_HTTP_OIDC_ARG_LEN_MAX
            && oidc_claims_text_ok(&hint))
        {
            ngx_http_oidc_args_add(&list, "login_hint", &hint);
        }
    }

    if (args.claims.len) {
        login->has_claims = 1;
        ngx_memcpy(login->claims, args.claims_digest, OIDC_LOGIN_CLAIMS_LEN);
        ngx_http_oidc_args_add(&list, "claims", &args.claims);
    }

    ngx_http_oidc_args_extra(ctx, &list);

    if (args.from_query != NULL
        && ngx_http_oidc_args_query(r, ctx, &args, login, &list) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (oidc_buf_done(&list.text, extra) == OIDC_OK) ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_oidc_args_add(ngx_http_oidc_args_list_t *list, const char *name,
    const oidc_str_t *value)
{
    if (list->text.len != 0) {
        oidc_buf_add(&list->text, "&", 1);
    }

    oidc_buf_cstr(&list->text, name);
    oidc_buf_add(&list->text, "=", 1);
    oidc_buf_escape(&list->text, value);

    list->names[list->n].data = (u_char *) name;
    list->names[list->n].len = ngx_strlen(name);
    list->n++;
}


static ngx_uint_t
ngx_http_oidc_args_has(ngx_http_oidc_args_list_t *list, const oidc_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < list->n; i++) {
        if (oidc_str_eq(&list->names[i], name)) {
            return 1;
        }
    }

    return 0;
}


/* how often there is a "name", and its last value as it stands */

static ngx_uint_t
ngx_http_oidc_arg(const oidc_str_t *args, const oidc_str_t *name,
    oidc_str_t *raw)
{
    oidc_str_t  rest, key, value;
    ngx_uint_t  n;

    rest = *args;
    n = 0;

    while (oidc_args_next(&rest, &key, &value)) {
        if (oidc_str_eq(&key, name)) {
            *raw = value;
            n++;
        }
    }

    return n;
}


/* extra_auth_args as the operator wrote them, but for what a directive says */

static void
ngx_http_oidc_args_extra(ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_args_list_t *list)
{
    u_char      *end;
    oidc_str_t   rest, name, value;

    rest = ctx->provider->extra_auth_args;

    while (oidc_args_next(&rest, &name, &value)) {

        if (ngx_http_oidc_args_has(list, &name)) {
            continue;
        }

        if (list->text.len != 0) {
            oidc_buf_add(&list->text, "&", 1);
        }

        end = value.data + value.len;

        oidc_buf_add(&list->text, name.data, end - name.data);
    }
}


static ngx_int_t
ngx_http_oidc_args_query(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_args_t *args, oidc_login_t *login,
    ngx_http_oidc_args_list_t *list)
{
    u_char      *cname;
    ngx_str_t   *allowed, *query;
    oidc_str_t   raw, text;
    ngx_uint_t   i;

    query = (ctx->args.len != 0) ? &ctx->args : &r->args;
    allowed = args->from_query->elts;

    for (i = 0; i < args->from_query->nelts; i++) {

        if (list->n == NGX_HTTP_OIDC_ARGS_MAX
            || ngx_http_oidc_args_has(list, &allowed[i])
            || ngx_http_oidc_arg(&ctx->provider->extra_auth_args, &allowed[i],
                                 &raw)
               != 0)
        {
            continue;
        }

        /* repeated, it could mean either: then it means nothing */

        if (ngx_http_oidc_arg(query, &allowed[i], &raw) != 1
            || raw.len == 0 || raw.len > 3 * NGX_HTTP_OIDC_ARG_LEN_MAX
            || oidc_form_decode(&ctx->pool, &raw, &text) != OIDC_OK
            || text.len > NGX_HTTP_OIDC_ARG_LEN_MAX
            || !oidc_claims_text_ok(&text)
            || ngx_http_oidc_args_wish(login, &allowed[i], &text) != NGX_OK)
        {
            continue;
        }

        cname = ngx_pnalloc(r->pool, allowed[i].len + 1);
        if (cname == NULL) {
            return NGX_ERROR;
        }

        ngx_cpystrn(cname, allowed[i].data, allowed[i].len + 1);

        ngx_http_oidc_args_add(list, (char *) cname, &text);
    }

    return NGX_OK;
}


/* what is asked for is checked, whoever asks; NGX_DECLINED: it is no wish */

static ngx_int_t
ngx_http_oidc_args_wish(oidc_login_t *login, const oidc_str_t *name,
    const oidc_str_t *value)
{
    time_t  max_age;

    if (oidc_str_eq_cstr(name, "acr_values")) {

        if (value->len > OIDC_LOGIN_ACR_MAX) {
            return NGX_DECLINED;
        }

        login->strength.acr_values = *value;
    }

    if (oidc_str_eq_cstr(name, "max_age")) {

        max_age = ngx_atotm(value->data, value->len);
        if (max_age == (time_t) NGX_ERROR) {
            return NGX_DECLINED;
        }

        login->strength.has_max_age = 1;
        login->strength.max_age = max_age;
    }

    if (oidc_str_eq_cstr(name, "prompt")) {
        login->silent = oidc_str_eq_cstr(value, "none");
    }

    return NGX_OK;
}


oidc_rc_t
ngx_http_oidc_strong(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_strength_t  strength;

    ngx_http_oidc_strength(r, ctx, &strength);

    return oidc_strength_check(&strength, &ctx->session.claims, ngx_time(),
                               ctx->provider->clock_skew);
}


void
ngx_http_oidc_strength(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    oidc_strength_t *strength)
{
    ngx_http_oidc_args_t      *args, *prev;
    ngx_http_oidc_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_oidc_module);

    /* as of args_effective(), whose other members no request needs */

    args = &lcf->args;
    prev = &ctx->provider->args;

    strength->acr_values = (args->acr_values.data != NULL) ? args->acr_values
                                                           : prev->acr_values;
    strength->max_age = (args->max_age != NGX_CONF_UNSET) ? args->max_age
                                                          : prev->max_age;
    strength->has_max_age = (strength->max_age != NGX_CONF_UNSET);
}


ngx_uint_t
ngx_http_oidc_nobody(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    oidc_str_t             name, value, *prefix;
    ngx_http_oidc_args_t   args;

    ngx_http_oidc_args_effective(r, ctx, &args);

    if (!ngx_http_oidc_args_silent(r, &args)) {
        return 0;
    }

    prefix = &ctx->provider->login_cookie[ngx_http_oidc_https(r, ctx)];

    name.len = prefix->len + ngx_http_oidc_silent.len;
    name.data = ngx_pnalloc(r->pool, name.len);

    if (name.data == NULL) {
        return 1;
    }

    ngx_memcpy(ngx_cpymem(name.data, prefix->data, prefix->len),
               ngx_http_oidc_silent.data, ngx_http_oidc_silent.len);

    return ngx_http_oidc_cookie(r, &name, &value);
}


/* by configuration, or in the query, which is the same after the way back */

static ngx_uint_t
ngx_http_oidc_args_silent(ngx_http_request_t *r, ngx_http_oidc_args_t *args)
{
    ngx_str_t    *allowed;
    oidc_str_t    raw, value;
    ngx_uint_t    i;
    oidc_pool_t   pool;

    if (args->prompt.len || args->from_query == NULL) {
        return oidc_str_eq_cstr(&args->prompt, "none");
    }

    allowed = args->from_query->elts;

    pool = ngx_http_oidc_pool(r->pool);

    for (i = 0; i < args->from_query->nelts; i++) {
        if (oidc_str_eq_cstr(&allowed[i], "prompt")) {
            return ngx_http_oidc_arg(&r->args, &allowed[i], &raw) == 1
                   && raw.len <= 3 * (sizeof("none") - 1)
                   && oidc_form_decode(&pool, &raw, &value) == OIDC_OK
                   && oidc_str_eq_cstr(&value, "none");
        }
    }

    return 0;
}


const ngx_http_oidc_claims_request_t *
ngx_http_oidc_claims_of(ngx_http_request_t *r,
    const u_char digest[OIDC_LOGIN_CLAIMS_LEN])
{
    ngx_uint_t                       i;
    ngx_http_oidc_main_conf_t       *omcf;
    ngx_http_oidc_claims_request_t  *request;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    request = omcf->claims_requests.elts;

    for (i = 0; i < omcf->claims_requests.nelts; i++) {
        if (ngx_memcmp(request[i].digest, digest, OIDC_LOGIN_CLAIMS_LEN)
            == 0)
        {
            return &request[i];
        }
    }

    return NULL;
}
