
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * OpenID Connect for nginx: directives, phases and processes wired together.
 * Where to read on: src/http/ngx_http_oidc.h shows the way of a request,
 * ngx_http_oidc_callback.c the flow, src/oidc/ the decisions.
 */


#include "ngx_http_oidc_args.h"
#include "ngx_http_oidc_cache.h"

#include "ngx_oidc_curl.h"
#include "oidc_seal.h"


static ngx_int_t ngx_http_oidc_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_oidc_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_oidc_handlers(ngx_conf_t *cf);
static ngx_int_t ngx_http_oidc_init_process(ngx_cycle_t *cycle);
static ngx_uint_t ngx_http_oidc_first_of_store(ngx_http_oidc_provider_t **p,
    ngx_uint_t i);
static void ngx_http_oidc_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_oidc_modes[] = {
    { ngx_string("off"), NGX_HTTP_OIDC_MODE_OFF },
    { ngx_string("verify"), NGX_HTTP_OIDC_MODE_VERIFY },
    { ngx_string("require"), NGX_HTTP_OIDC_MODE_REQUIRE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_oidc_unauth_actions[] = {
    { ngx_string("auto"), NGX_HTTP_OIDC_UNAUTH_AUTO },
    { ngx_string("redirect"), NGX_HTTP_OIDC_UNAUTH_REDIRECT },
    { ngx_string("401"), NGX_HTTP_OIDC_UNAUTH_401 },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_oidc_commands[] = {

    { ngx_string("oidc_provider"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_oidc_provider_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("oidc_session_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_oidc_store_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("oidc_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_oidc_main_conf_t, keys),
      NULL },

    { ngx_string("oidc_cookie_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_oidc_cookie_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("trusted_proxy"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_trusted_proxy,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_oidc"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_oidc_auth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_oidc_mode"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_oidc_loc_conf_t, mode),
      &ngx_http_oidc_modes },

    { ngx_string("auth_oidc_bearer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_bearer_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_oidc_bearer_audience"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_bearer_audience,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_oidc_bearer_caller"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_bearer_caller,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_oidc_scope"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_require_scope,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unauth_action"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_oidc_loc_conf_t, unauth_action),
      &ngx_http_oidc_unauth_actions },

    NGX_HTTP_OIDC_ARGS_COMMANDS(NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF
                                |NGX_HTTP_LOC_CONF,
                                NGX_HTTP_LOC_CONF_OFFSET,
                                offsetof(ngx_http_oidc_loc_conf_t, args))

    { ngx_string("oidc_base_url"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_oidc_base_url,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("oidc_claim_set"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_oidc_claim_set,
      0,
      0,
      NULL },

    { ngx_string("auth_oidc_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_oidc_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("auth_oidc_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_oidc_header_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("oidc_sessions"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_oidc_sessions_here,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("oidc_jwks"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_oidc_jwks,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_oidc_module_ctx = {
    ngx_http_oidc_preconfiguration,        /* preconfiguration */
    ngx_http_oidc_postconfiguration,       /* postconfiguration */

    ngx_http_oidc_create_main_conf,        /* create main configuration */
    ngx_http_oidc_init_main_conf,          /* init main configuration */

    ngx_http_oidc_create_srv_conf,         /* create server configuration */
    ngx_http_oidc_merge_srv_conf,          /* merge server configuration */

    ngx_http_oidc_create_loc_conf,         /* create location configuration */
    ngx_http_oidc_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_oidc_module = {
    NGX_MODULE_V1,
    &ngx_http_oidc_module_ctx,             /* module context */
    ngx_http_oidc_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_oidc_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_oidc_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* keys are read while the configuration is, so the algorithms come first */

static ngx_int_t
ngx_http_oidc_preconfiguration(ngx_conf_t *cf)
{
    if (oidc_crypto_init() != OIDC_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "OpenSSL lacks an algorithm that the oidc module needs");
        return NGX_ERROR;
    }

    return ngx_http_oidc_add_variables(cf);
}


static ngx_int_t
ngx_http_oidc_postconfiguration(ngx_conf_t *cf)
{
    ngx_str_t                    name;
    ngx_uint_t                   i;
    ngx_hash_key_t              *key;
    ngx_http_oidc_provider_t   **p;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_oidc_main_conf_t   *omcf;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    ngx_str_set(&name, "request_id");

    omcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (omcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* asking for the index of a variable that nobody makes is an error */

    ngx_str_set(&name, "realip_remote_addr");

    omcf->realip = NGX_ERROR;
    key = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        if (key[i].key.len == name.len
            && ngx_strncmp(key[i].key.data, name.data, name.len) == 0)
        {
            omcf->realip = ngx_http_get_variable_index(cf, &name);
            break;
        }
    }

    p = omcf->providers.elts;

    for (i = 0; i < omcf->providers.nelts; i++) {
        if (ngx_http_oidc_back_channel_merge(cf, p[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    omcf->tokens = ngx_http_oidc_token_variables(cf);

    if (ngx_http_oidc_keys_finish(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_oidc_handlers(cf);
}


/*
 * Handlers of a phase run in reverse order.  Pushed, identify comes before
 * limit_req, and the endpoints before try_files; put first, the guard comes
 * after allow, deny and auth_basic, so that "satisfy" means what it says.
 */

static ngx_int_t
ngx_http_oidc_handlers(ngx_conf_t *cf)
{
    ngx_array_t                *a;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_oidc_hide;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_oidc_identify;

    a = &cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers;

    if (ngx_array_push(a) == NULL) {
        return NGX_ERROR;
    }

    h = a->elts;
    ngx_memmove(h + 1, h, (a->nelts - 1) * sizeof(ngx_http_handler_pt));
    *h = ngx_http_oidc_guard;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_oidc_endpoint;

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_http_oidc_provider_t   **p;
    ngx_http_oidc_main_conf_t   *omcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    omcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module);

    if (omcf == NULL || omcf->providers.nelts == 0) {
        return NGX_OK;
    }

    ngx_http_oidc_cache_clear();

    if (ngx_oidc_curl_init_process(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    p = omcf->providers.elts;

    for (i = 0; i < omcf->providers.nelts; i++) {
        if (ngx_oidc_idp_init_process(p[i]->idp, cycle) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_http_oidc_first_of_store(p, i)
            && ngx_oidc_store_init_process(p[i]->store, cycle) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* several providers may share a store */

static ngx_uint_t
ngx_http_oidc_first_of_store(ngx_http_oidc_provider_t **p, ngx_uint_t i)
{
    ngx_uint_t  n;

    for (n = 0; p[n]->store != p[i]->store; n++) {
        /* void */
    }

    return n == i;
}


static void
ngx_http_oidc_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_http_oidc_provider_t   **p;
    ngx_http_oidc_main_conf_t   *omcf;

    omcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_oidc_module);

    if (omcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return;
    }

    p = omcf->providers.elts;

    for (i = 0; i < omcf->providers.nelts; i++) {
        ngx_oidc_idp_exit_process(p[i]->idp);

        if (ngx_http_oidc_first_of_store(p, i)) {
            ngx_oidc_store_exit_process(p[i]->store);
        }
    }

    ngx_oidc_curl_exit_process(cycle);
    ngx_http_oidc_cache_clear();
    ngx_http_oidc_bearer_clear();
    oidc_crypto_free();
}
