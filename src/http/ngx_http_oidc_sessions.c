
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * oidc_sessions: a location where an administrator counts sessions and ends
 * those of a person (sub), of the provider's session (sid), or one by what
 * $oidc_session_id has put into a log.  Who may is said by allow, deny and
 * their like in that location: this is answered after the access phase.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>

#include "ngx_http_oidc_end.h"


/* what $oidc_session_id has: shorter ones could mean somebody else as well */

#define NGX_HTTP_OIDC_ID_MIN  16


typedef struct {
    oidc_str_t               arg[4];
    ngx_http_oidc_ending_t   ending;
    ngx_array_t              stores;     /* of ngx_oidc_store_t * */
    ngx_uint_t               next;
    json_t                  *list;       /* freed with the pool */
    unsigned                 asked:1;
} ngx_http_oidc_admin_t;


/* the order is that of ngx_http_oidc_admin_t.arg */

static const char  *ngx_http_oidc_admin_args[] = {
    "sub", "sid", "id", "provider", NULL
};

#define NGX_HTTP_OIDC_SUB       0
#define NGX_HTTP_OIDC_SID       1
#define NGX_HTTP_OIDC_ID        2
#define NGX_HTTP_OIDC_PROVIDER  3


static void ngx_http_oidc_admin_free(void *data);
static ngx_int_t ngx_http_oidc_admin_parse(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_admin_stores(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_admin_id(ngx_http_oidc_admin_t *ad);
static ngx_int_t ngx_http_oidc_admin_end(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_admin_ended(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_admin_count(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_admin_counted(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);


static ngx_http_oidc_step_pt  ngx_http_oidc_end_steps[] = {
    ngx_http_oidc_admin_parse,
    ngx_http_oidc_admin_stores,
    ngx_http_oidc_admin_end,
    ngx_http_oidc_admin_ended,
    NULL
};


static ngx_http_oidc_step_pt  ngx_http_oidc_count_steps[] = {
    ngx_http_oidc_admin_parse,
    ngx_http_oidc_admin_stores,
    ngx_http_oidc_admin_count,
    ngx_http_oidc_admin_counted,
    NULL
};


char *
ngx_http_oidc_sessions_here(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_loc_conf_t *lcf = conf;

    if (lcf->sessions) {
        return "is duplicate";
    }

    lcf->sessions = 1;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_oidc_sessions(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    if (ctx->flow == NULL) {

        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_oidc_admin_t));
        if (cln == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(cln->data, sizeof(ngx_http_oidc_admin_t));
        cln->handler = ngx_http_oidc_admin_free;

        ctx->flow = cln->data;
        ctx->step = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
                    ? ngx_http_oidc_count_steps : ngx_http_oidc_end_steps;
    }

    return ngx_http_oidc_run(r, ctx);
}


static void
ngx_http_oidc_admin_free(void *data)
{
    ngx_http_oidc_admin_t *ad = data;

    json_decref(ad->list);
}


/* which of them: exactly one, or none where nothing ends */

static ngx_int_t
ngx_http_oidc_admin_parse(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_admin_t *ad = ctx->flow;

    ngx_uint_t  i, n, wanted;
    oidc_str_t  rest, name, value;

    wanted = !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD));

    /* a page of another site that the administrator looks at */

    if (wanted && ngx_http_oidc_cross_site(r, ctx)) {
        ctx->rc = OIDC_CROSS_SITE;
        return NGX_DECLINED;
    }

    rest = r->args;
    n = 0;

    while (oidc_args_next(&rest, &name, &value)) {

        for (i = 0; ngx_http_oidc_admin_args[i] != NULL; i++) {
            if (oidc_str_eq_cstr(&name, ngx_http_oidc_admin_args[i])) {
                break;
            }
        }

        if (ngx_http_oidc_admin_args[i] == NULL || ad->arg[i].data != NULL
            || value.len == 0)
        {
            ctx->rc = OIDC_ARGS;
            return NGX_DECLINED;
        }

        ctx->rc = oidc_form_decode(&ctx->pool, &value, &ad->arg[i]);

        if (ctx->rc != OIDC_OK) {
            return NGX_DECLINED;
        }

        n += (i != NGX_HTTP_OIDC_PROVIDER);
    }

    if (n != wanted) {
        ctx->rc = OIDC_ARGS;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* each store once, and where in it to look */

static ngx_int_t
ngx_http_oidc_admin_stores(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_admin_t *ad = ctx->flow;

    ngx_uint_t                   i, n, found, kind;
    ngx_oidc_store_t           **store;
    ngx_http_oidc_provider_t   **p;
    ngx_http_oidc_main_conf_t   *omcf;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    if (ngx_array_init(&ad->stores, r->pool, 4, sizeof(ngx_oidc_store_t *))
        != NGX_OK
        || ngx_http_oidc_end_init(r, &ad->ending) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = omcf->providers.elts;
    found = 0;

    for (i = 0; i < omcf->providers.nelts; i++) {

        if (ad->arg[NGX_HTTP_OIDC_PROVIDER].len
            && !oidc_str_eq(&p[i]->name, &ad->arg[NGX_HTTP_OIDC_PROVIDER]))
        {
            continue;
        }

        found = 1;

        for (kind = NGX_HTTP_OIDC_SUB; kind <= NGX_HTTP_OIDC_SID; kind++) {
            if (ad->arg[kind].len
                && ngx_http_oidc_end_indexed(r, &ad->ending, p[i],
                                             ngx_http_oidc_admin_args[kind],
                                             &ad->arg[kind])
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        store = ad->stores.elts;

        for (n = 0; n < ad->stores.nelts && store[n] != p[i]->store; n++) {
            /* void */
        }

        if (n < ad->stores.nelts) {
            continue;
        }

        store = ngx_array_push(&ad->stores);
        if (store == NULL) {
            return NGX_ERROR;
        }

        *store = p[i]->store;
    }

    if (!found && ad->arg[NGX_HTTP_OIDC_PROVIDER].len) {
        ctx->rc = OIDC_ARGS;
        return NGX_DECLINED;
    }

    if (ad->arg[NGX_HTTP_OIDC_ID].len) {
        ctx->rc = OIDC_ARGS;
        return ngx_http_oidc_admin_id(ad);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_admin_id(ngx_http_oidc_admin_t *ad)
{
    size_t               i;
    u_char               name[NGX_OIDC_STORE_NAME_LEN];
    ngx_int_t            byte;
    oidc_str_t          *id;
    ngx_oidc_store_t   **store;

    id = &ad->arg[NGX_HTTP_OIDC_ID];

    if (id->len < NGX_HTTP_OIDC_ID_MIN || id->len % 2
        || id->len > 2 * NGX_OIDC_STORE_NAME_LEN)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < id->len / 2; i++) {

        byte = ngx_hextoi(id->data + 2 * i, 2);

        if (byte == NGX_ERROR) {
            return NGX_DECLINED;
        }

        name[i] = (u_char) byte;
    }

    store = ad->stores.elts;

    for (i = 0; i < ad->stores.nelts; i++) {
        if (ngx_http_oidc_end_named(&ad->ending, store[i], name, id->len / 2)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_admin_end(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_admin_t *ad = ctx->flow;

    return ngx_http_oidc_end_all(r, ctx, &ad->ending);
}


static ngx_int_t
ngx_http_oidc_admin_ended(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_admin_t *ad = ctx->flow;

    u_char     *p;
    ngx_str_t   json;

    if (ad->ending.failed) {
        ctx->rc = OIDC_STORE;
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "oidc: administration ended %uL sessions", ad->ending.count);

    p = ngx_pnalloc(r->pool, sizeof("{\"ended\":}\n") + NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    json.data = p;
    json.len = ngx_sprintf(p, "{\"ended\":%uL}\n", ad->ending.count) - p;

    return ngx_http_oidc_answer(r, &json);
}


static ngx_int_t
ngx_http_oidc_admin_count(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_admin_t *ad = ctx->flow;

    u_char              nothing[NGX_OIDC_STORE_NAME_LEN];
    ngx_str_t          *name;
    ngx_oidc_store_t  **store;

    ngx_memzero(nothing, NGX_OIDC_STORE_NAME_LEN);

    if (ad->list == NULL) {
        ad->list = json_array();
    }

    store = ad->stores.elts;

    while (ad->next < ad->stores.nelts) {

        if (!ad->asked) {
            ad->asked = 1;

            if (ngx_http_oidc_store(r, ctx, store[ad->next],
                                    ngx_oidc_store_count,
                                    NGX_OIDC_STORE_SESSION, nothing)
                == NGX_AGAIN)
            {
                return NGX_BUSY;
            }
        }

        if (ctx->op.rc != NGX_OK) {
            ctx->rc = OIDC_STORE;
            ngx_http_oidc_store_explain(r, ctx);
            return NGX_DECLINED;
        }

        name = ngx_oidc_store_name(store[ad->next]);

        if (json_array_append_new(ad->list,
                                  json_pack("{s:s%, s:I}", "store",
                                            (char *) name->data, name->len,
                                            "sessions",
                                            (json_int_t) ctx->op.count))
            != 0)
        {
            return NGX_ERROR;
        }

        ad->asked = 0;
        ad->next++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_admin_counted(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_admin_t *ad = ctx->flow;

    char       *text;
    u_char     *p;
    size_t      len;
    ngx_str_t   json;

    text = json_dumps(ad->list, JSON_COMPACT);
    if (text == NULL) {
        return NGX_ERROR;
    }

    len = ngx_strlen(text);

    p = ngx_pnalloc(r->pool, len + 1);

    if (p != NULL) {
        json.data = p;
        p = ngx_cpymem(p, text, len);
        *p++ = LF;
        json.len = p - json.data;
    }

    free(text);

    return (p != NULL) ? ngx_http_oidc_answer(r, &json) : NGX_ERROR;
}
