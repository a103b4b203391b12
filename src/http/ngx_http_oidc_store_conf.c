
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * oidc_session_store { } as a table, and what "session_store" of a provider may
 * name: such a block, or Redis by its URL.  What goes together is for
 * ngx_http_oidc_store_check.c to say.  No URL is ever quoted, since a password
 * may stand in it.
 */


#include "ngx_http_oidc_provider.h"


/* of the local copy: less holds no dozen of sessions */

#define NGX_HTTP_OIDC_COPY_MIN  (256 * 1024)


static void ngx_http_oidc_store_unset(ngx_http_oidc_store_block_t *b,
    ngx_str_t *name);
static char *ngx_http_oidc_store_directive(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_oidc_store_type(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_store_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_store_copy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_oidc_store_make(ngx_conf_t *cf,
    ngx_http_oidc_main_conf_t *omcf, ngx_str_t *name,
    ngx_oidc_store_conf_t *sc);


#define ngx_http_oidc_store_offset(field)                                     \
    0, offsetof(ngx_http_oidc_store_block_t, field), NULL


/* one row per directive, in the order of the README; two are of any type */

static ngx_command_t  ngx_http_oidc_store_commands[] = {

    { ngx_string("type"), NGX_CONF_TAKE1, ngx_http_oidc_store_type,
      0, 0, NULL },

    { ngx_string("size"), NGX_CONF_TAKE1, ngx_conf_set_size_slot,
      ngx_http_oidc_store_offset(sc.size) },

    { ngx_string("redis"), NGX_CONF_1MORE, ngx_http_oidc_store_redis,
      0, 0, NULL },

    { ngx_string("hostname"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(hostname) },

    { ngx_string("port"), NGX_CONF_TAKE1, ngx_conf_set_num_slot,
      ngx_http_oidc_store_offset(port) },

    { ngx_string("database"), NGX_CONF_TAKE1, ngx_conf_set_num_slot,
      ngx_http_oidc_store_offset(sc.redis.db) },

    { ngx_string("username"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.user) },

    { ngx_string("password"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.password) },

    { ngx_string("password_file"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(password_file) },

    { ngx_string("prefix"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.prefix) },

    { ngx_string("sentinel"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.sentinel) },

    { ngx_string("cluster"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_store_offset(cluster) },

    { ngx_string("connect_timeout"), NGX_CONF_TAKE1, ngx_conf_set_msec_slot,
      ngx_http_oidc_store_offset(connect_timeout) },

    { ngx_string("command_timeout"), NGX_CONF_TAKE1, ngx_conf_set_msec_slot,
      ngx_http_oidc_store_offset(command_timeout) },

    { ngx_string("local_copy"), NGX_CONF_TAKE1, ngx_http_oidc_store_copy,
      0, 0, NULL },

    { ngx_string("ssl_trusted_certificate"), NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.tls_ca) },

    { ngx_string("ssl_certificate"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.tls_certificate) },

    { ngx_string("ssl_certificate_key"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.tls_key) },

    { ngx_string("ssl_name"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_store_offset(sc.redis.tls_name) },

    { ngx_string("ssl_verify"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_store_offset(ssl_verify) },

      ngx_null_command
};


/* oidc_session_store name { ... } */

char *
ngx_http_oidc_store_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_main_conf_t *omcf = conf;

    char                         *rv;
    ngx_str_t                    *value;
    ngx_conf_t                    save;
    ngx_http_oidc_store_block_t   b;

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "an oidc_session_store needs a name");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_begins(&value[1], "unix:")
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '/')
           != NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the name of an oidc_session_store is no URL");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_find_store(omcf, &value[1]) != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate oidc_session_store \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_http_oidc_store_unset(&b, &value[1]);

    save = *cf;

    cf->handler = ngx_http_oidc_store_directive;
    cf->handler_conf = (void *) &b;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_oidc_store_check(cf, &b);

    return (rv == NGX_CONF_OK)
           ? ngx_http_oidc_store_make(cf, omcf, &b.sc.name, &b.sc) : rv;
}


/*
 * session_store name, whose block may come later, or an URL of Redis.  Who
 * names the same URL shares the store.
 */

char *
ngx_http_oidc_session_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    char                         *rv;
    u_char                       *last;
    ngx_str_t                    *value, name;
    ngx_http_oidc_main_conf_t    *omcf;
    ngx_http_oidc_store_block_t   b;

    value = cf->args->elts;

    if (p->session_store.data != NULL) {
        return "is duplicate";
    }

    p->session_store = value[1];

    last = value[1].data + value[1].len;

    if (!ngx_http_oidc_begins(&value[1], "redis:")
        && !ngx_http_oidc_begins(&value[1], "rediss:")
        && !ngx_http_oidc_begins(&value[1], "unix:"))
    {
        return (ngx_strlchr(value[1].data, last, '/') == NULL
                && ngx_strlchr(value[1].data, last, '@') == NULL)
               ? NGX_CONF_OK
               : "takes a name, redis://, rediss:// or unix:";
    }

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_oidc_module);

    if (ngx_http_oidc_find_store(omcf, &value[1]) != NULL) {
        return NGX_CONF_OK;
    }

    name.data = ngx_pnalloc(cf->pool, sizeof("oidc_default_store_")
                                      + p->name.len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    name.len = ngx_sprintf(name.data, "oidc_default_store_%V%Z", &p->name)
               - name.data - 1;

    ngx_http_oidc_store_unset(&b, &name);

    ngx_str_set(&b.sc.type, "redis");

    rv = ngx_http_oidc_store_redis(cf, cmd, &b);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_oidc_store_check(cf, &b);
    }

    return (rv == NGX_CONF_OK)
           ? ngx_http_oidc_store_make(cf, omcf, &value[1], &b.sc) : rv;
}


ngx_oidc_store_t *
ngx_http_oidc_find_store(ngx_http_oidc_main_conf_t *omcf, ngx_str_t *name)
{
    ngx_uint_t                    i;
    ngx_http_oidc_named_store_t  *store;

    store = omcf->stores.elts;

    for (i = 0; i < omcf->stores.nelts; i++) {
        if (oidc_str_eq(&store[i].name, name)) {
            return store[i].store;
        }
    }

    return NULL;
}


static void
ngx_http_oidc_store_unset(ngx_http_oidc_store_block_t *b, ngx_str_t *name)
{
    ngx_memzero(b, sizeof(ngx_http_oidc_store_block_t));

    b->sc.name = *name;
    b->sc.tag = &ngx_http_oidc_module;
    b->sc.size = NGX_CONF_UNSET_SIZE;
    b->sc.copy = NGX_CONF_UNSET_SIZE;
    b->sc.redis.db = NGX_CONF_UNSET;
    b->port = NGX_CONF_UNSET;
    b->connect_timeout = NGX_CONF_UNSET_MSEC;
    b->command_timeout = NGX_CONF_UNSET_MSEC;
    b->cluster = NGX_CONF_UNSET;
    b->ssl_verify = NGX_CONF_UNSET;
}


static char *
ngx_http_oidc_store_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_oidc_store_block_t *b = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; ngx_http_oidc_store_commands[i].name.len; i++) {
        if (oidc_str_eq(&ngx_http_oidc_store_commands[i].name, &value[0])
            && b->redis_only.len == 0)
        {
            b->redis_only = value[0];
        }
    }

    return ngx_http_oidc_block_directive(cf, dummy, conf,
                                         ngx_http_oidc_store_commands, NULL,
                                         "oidc_session_store");
}


static char *
ngx_http_oidc_store_type(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_store_block_t *b = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (b->sc.type.len) {
        return "is duplicate";
    }

    b->sc.type = value[1];

    return NGX_CONF_OK;
}


/* any number of lines, any number of URLs on each */

static char *
ngx_http_oidc_store_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_store_block_t *b = conf;

    ngx_str_t   *value, *url;
    ngx_uint_t   i;

    if (b->sc.redis.servers == NULL) {
        b->sc.redis.servers = ngx_array_create(cf->pool, 3, sizeof(ngx_str_t));
        if (b->sc.redis.servers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        url = ngx_array_push(b->sc.redis.servers);
        if (url == NULL) {
            return NGX_CONF_ERROR;
        }

        *url = value[i];
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_store_copy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_store_block_t *b = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (b->sc.copy != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        b->sc.copy = 0;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        return "takes a size or \"off\"";
    }

    if (size < NGX_HTTP_OIDC_COPY_MIN) {
        return "must be at least 256k, or \"off\"";
    }

    b->sc.copy = size;

    return NGX_CONF_OK;
}


static char *
ngx_http_oidc_store_make(ngx_conf_t *cf, ngx_http_oidc_main_conf_t *omcf,
    ngx_str_t *name, ngx_oidc_store_conf_t *sc)
{
    ngx_http_oidc_named_store_t  *store;

    store = ngx_array_push(&omcf->stores);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    store->name = *name;
    store->store = ngx_oidc_store_add(cf, sc);

    return (store->store != NULL) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_uint_t
ngx_http_oidc_begins(ngx_str_t *s, const char *with)
{
    size_t  len;

    len = ngx_strlen(with);

    return s->len >= len && ngx_strncmp(s->data, with, len) == 0;
}
