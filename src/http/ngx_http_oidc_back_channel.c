
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The back channel is plain nginx configuration: the block of a provider has a
 * location configuration of its own, in which proxy_pass and its like are set,
 * and which no URI leads to.  It is merged over pristine defaults instead of
 * http{}: an inherited proxy_cache would hand one user's token answer to the
 * next one, an inherited error_page would hide what the provider says.  Only
 * resolver, temporary paths and the log come from http{}.
 *
 * One table says which directives of nginx an operator may set in the block and
 * what holds where he has not.
 */


#include "ngx_http_oidc.h"
#include "ngx_http_oidc_provider.h"


typedef struct {
    const char      *name;
    const char      *text;      /* what is set otherwise; NULL: nothing */
    ngx_uint_t       allowed;   /* to the operator */
} ngx_http_oidc_back_channel_t;


static char *ngx_http_oidc_back_channel_set(ngx_conf_t *cf);
static ngx_int_t ngx_http_oidc_back_channel_init(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx);
static void ngx_http_oidc_back_channel_inherit(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *from, void **loc_conf);


static const ngx_http_oidc_back_channel_t  ngx_http_oidc_back_channel[] = {

    /* what a call is: the variables read the fetch of this subrequest */
    { "proxy_pass", "$oidc_call_url", 0 },
    { "proxy_method", "$oidc_call_method", 0 },
    { "proxy_set_body", "$oidc_call_body", 0 },
    { "proxy_set_header", "Host $oidc_call_host", 0 },
    { "proxy_set_header", "Accept $oidc_call_accept", 0 },
    { "proxy_set_header", "Authorization $oidc_call_authorization", 0 },
    { "proxy_set_header", "Content-Type $oidc_call_content_type", 0 },
    { "proxy_set_header", "User-Agent ngx_http_oidc_module", 0 },
    { "proxy_set_header", "Connection \"\"", 0 },

    /* nothing of the browser's request goes to the provider */
    { "proxy_pass_request_headers", "off", 0 },
    { "proxy_pass_request_body", "off", 0 },
    { "client_max_body_size", "0", 0 },

    /* and nothing of an answer works on nginx itself */
    { "proxy_ignore_headers", "X-Accel-Redirect X-Accel-Expires "
      "X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset Expires "
      "Cache-Control Set-Cookie Vary", 0 },
    { "proxy_next_upstream", "off", 0 },
    { "proxy_intercept_errors", "off", 0 },
    { "proxy_buffering", "off", 0 },
    { "access_log", "off", 0 },

    { "proxy_http_version", "1.1", 1 },
    { "proxy_connect_timeout", "5s", 1 },
    { "proxy_send_timeout", "10s", 1 },
    { "proxy_read_timeout", "10s", 1 },
    { "proxy_bind", NULL, 1 },
    { "proxy_socket_keepalive", NULL, 1 },
    { "proxy_buffer_size", "16k", 1 },
    { "proxy_buffers", "8 16k", 1 },
    { "subrequest_output_buffer_size", "64k", 1 },
    { "resolver", NULL, 1 },
    { "resolver_timeout", NULL, 1 },

    { "proxy_ssl_server_name", "on", 1 },
    { "proxy_ssl_name", "$oidc_call_name", 1 },
    { "proxy_ssl_verify", "on", 1 },
    { "proxy_ssl_verify_depth", "5", 1 },
    { "proxy_ssl_protocols", "TLSv1.2 TLSv1.3", 1 },
    { "proxy_ssl_ciphers", NULL, 1 },
    { "proxy_ssl_session_reuse", NULL, 1 },
    { "proxy_ssl_conf_command", NULL, 1 },
    { "proxy_ssl_certificate", NULL, 1 },
    { "proxy_ssl_certificate_key", NULL, 1 },
    { "proxy_ssl_password_file", NULL, 1 },

    { NULL, NULL, 0 }
};


/* upstream modules whose temporary path would else be made anew */

static const char  *ngx_http_oidc_temp_paths[] = {
    "ngx_http_proxy_module",
    "ngx_http_fastcgi_module",
    "ngx_http_uwsgi_module",
    "ngx_http_scgi_module",
    NULL
};


char *
ngx_http_oidc_back_channel_create(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    *ctx = *(ngx_http_conf_ctx_t *) cf->ctx;

    if (ngx_http_oidc_back_channel_init(cf, ctx) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];
    clcf->loc_conf = ctx->loc_conf;
    clcf->name = p->name;

    p->back_channel = ctx;

    p->nginx_directives = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (p->nginx_directives == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_oidc_back_channel_directive(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p)
{
    char                                *rv;
    ngx_str_t                           *value, *seen;
    const ngx_http_oidc_back_channel_t  *bc;

    value = cf->args->elts;

    for (bc = ngx_http_oidc_back_channel; bc->name != NULL; bc++) {
        if (bc->allowed && ngx_strcmp(value[0].data, bc->name) == 0) {
            break;
        }
    }

    if (bc->name == NULL) {
        return 0;
    }

    /* libcurl, which fetches ahead of need, must not be stricter or laxer */

    if (ngx_strcmp(bc->name, "proxy_ssl_verify") == 0
        && cf->args->nelts == 2
        && ngx_strcasecmp(value[1].data, (u_char *) "off") == 0)
    {
        p->idp->insecure = 1;

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "certificates of oidc_provider \"%V\" "
                           "are not verified", &p->name);
    }

    seen = ngx_array_push(p->nginx_directives);
    if (seen == NULL) {
        return -1;
    }

    *seen = value[0];

    rv = ngx_http_oidc_back_channel_set(cf);

    if (rv == NGX_CONF_OK) {
        return 1;
    }

    if (rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                           &value[0], rv);
    }

    return -1;
}


/* hands cf->args to the module that owns the directive, as nginx does */

static char *
ngx_http_oidc_back_channel_set(ngx_conf_t *cf)
{
    void           *conf, **confp;
    ngx_str_t      *value;
    ngx_uint_t      i;
    ngx_command_t  *cmd;

    value = cf->args->elts;

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE
            || cf->cycle->modules[i]->commands == NULL)
        {
            continue;
        }

        for (cmd = cf->cycle->modules[i]->commands; cmd->name.len; cmd++) {

            if (!(cmd->type & NGX_HTTP_LOC_CONF)
                || value[0].len != cmd->name.len
                || ngx_strcmp(value[0].data, cmd->name.data) != 0)
            {
                continue;
            }

            if (!ngx_http_oidc_args_ok(cf, cmd)) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid number of arguments in \"%V\" "
                                   "directive", &value[0]);
                return NGX_CONF_ERROR;
            }

            confp = *(void **) ((char *) cf->ctx + cmd->conf);
            conf = confp[cf->cycle->modules[i]->ctx_index];

            return cmd->set(cf, cmd, conf);
        }
    }

    return "is of a module that this nginx does not have";
}


/*
 * At the block's end: parses what the operator has left open from memory, with
 * the block's own configuration as context.
 */

char *
ngx_http_oidc_back_channel_finish(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    char                                *rv;
    size_t                               len;
    u_char                              *text, *last;
    ngx_buf_t                            b;
    ngx_conf_t                           save;
    ngx_conf_file_t                      file;
    const ngx_http_oidc_back_channel_t  *bc;

    len = sizeof("proxy_ssl_trusted_certificate \"\";proxy_ssl_crl \"\";")
          + p->idp->ca_file.len + p->idp->crl_file.len;

    for (bc = ngx_http_oidc_back_channel; bc->name != NULL; bc++) {
        if (bc->text != NULL) {
            len += ngx_strlen(bc->name) + ngx_strlen(bc->text) + 3;
        }
    }

    text = ngx_pnalloc(cf->temp_pool, len);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    last = text;

    for (bc = ngx_http_oidc_back_channel; bc->name != NULL; bc++) {

        if (bc->text == NULL || ngx_http_oidc_back_channel_seen(p, bc->name)) {
            continue;
        }

        /* without certificates to trust https is refused by the fetch */

        if (p->idp->ca_file.len == 0
            && ngx_strcmp(bc->name, "proxy_ssl_verify") == 0)
        {
            continue;
        }

        last = ngx_sprintf(last, "%s %s;\n", bc->name, bc->text);
    }

    if (p->idp->ca_file.len) {
        last = ngx_sprintf(last, "proxy_ssl_trusted_certificate \"%V\";",
                           &p->idp->ca_file);
    }

    if (p->idp->crl_file.len) {
        last = ngx_sprintf(last, "proxy_ssl_crl \"%V\";", &p->idp->crl_file);
    }

    ngx_memzero(&b, sizeof(ngx_buf_t));

    b.start = text;
    b.pos = text;
    b.last = last;
    b.end = last;
    b.temporary = 1;

    /* as ngx_conf_param() does */

    ngx_memzero(&file, sizeof(ngx_conf_file_t));

    file.file.fd = NGX_INVALID_FILE;
    file.buffer = &b;

    save = *cf;

    cf->ctx = p->back_channel;
    cf->conf_file = &file;
    cf->handler = NULL;
    cf->handler_conf = NULL;
    cf->module_type = NGX_HTTP_MODULE;
    cf->cmd_type = NGX_HTTP_LOC_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "this nginx cannot call oidc_provider \"%V\"",
                           &p->name);
    }

    return rv;
}


/* in postconfiguration, when http{} itself is merged */

ngx_int_t
ngx_http_oidc_back_channel_merge(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    void                       *saved;
    ngx_int_t                   rc;
    ngx_uint_t                  i, mi;
    ngx_http_module_t          *module;
    ngx_http_conf_ctx_t         pristine;

    pristine = *(ngx_http_conf_ctx_t *) cf->ctx;

    if (ngx_http_oidc_back_channel_init(cf, &pristine) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_oidc_back_channel_inherit(cf, cf->ctx, pristine.loc_conf);

    saved = cf->ctx;
    cf->ctx = p->back_channel;
    rc = NGX_OK;

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE) {
            continue;
        }

        module = cf->cycle->modules[i]->ctx;
        mi = cf->cycle->modules[i]->ctx_index;

        if (module->merge_loc_conf == NULL) {
            continue;
        }

        if (module->merge_loc_conf(cf, pristine.loc_conf[mi],
                                   p->back_channel->loc_conf[mi])
            != NGX_CONF_OK)
        {
            /* what is said about certificates and ciphers names no line */

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "oidc_provider \"%V\" cannot be called as "
                          "configured in %s:%ui", &p->name, p->file, p->line);
            rc = NGX_ERROR;
            break;
        }
    }

    cf->ctx = saved;

    return rc;
}


static ngx_int_t
ngx_http_oidc_back_channel_init(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx)
{
    void               *conf;
    ngx_uint_t          i;
    ngx_http_module_t  *module;

    ctx->loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE) {
            continue;
        }

        module = cf->cycle->modules[i]->ctx;

        if (module->create_loc_conf == NULL) {
            continue;
        }

        conf = module->create_loc_conf(cf);
        if (conf == NULL) {
            return NGX_ERROR;
        }

        ctx->loc_conf[cf->cycle->modules[i]->ctx_index] = conf;
    }

    return NGX_OK;
}


static void
ngx_http_oidc_back_channel_inherit(ngx_conf_t *cf, ngx_http_conf_ctx_t *from,
    void **loc_conf)
{
    ngx_uint_t                  i, n, mi;
    ngx_http_core_loc_conf_t   *clcf, *prev;
    ngx_http_upstream_conf_t  *src, *dst;

    clcf = loc_conf[ngx_http_core_module.ctx_index];
    prev = from->loc_conf[ngx_http_core_module.ctx_index];

    clcf->resolver = prev->resolver;
    clcf->resolver_timeout = prev->resolver_timeout;
    clcf->client_body_temp_path = prev->client_body_temp_path;
    clcf->error_log = prev->error_log;

    for (i = 0; cf->cycle->modules[i]; i++) {

        for (n = 0; ngx_http_oidc_temp_paths[n] != NULL; n++) {

            if (ngx_strcmp(cf->cycle->modules[i]->name,
                           ngx_http_oidc_temp_paths[n])
                != 0)
            {
                continue;
            }

            /* their location configurations all begin with the upstream's */

            mi = cf->cycle->modules[i]->ctx_index;
            src = from->loc_conf[mi];
            dst = loc_conf[mi];

            dst->temp_path = src->temp_path;
        }
    }
}


ngx_uint_t
ngx_http_oidc_back_channel_seen(ngx_http_oidc_provider_t *p, const char *name)
{
    ngx_str_t   *seen;
    ngx_uint_t   i;

    seen = p->nginx_directives->elts;

    for (i = 0; i < p->nginx_directives->nelts; i++) {
        if (ngx_strcmp(seen[i].data, name) == 0) {
            return 1;
        }
    }

    return 0;
}
