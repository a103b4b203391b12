
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The registry of store types and the way from a verb to the type's function.
 * It holds the rules that are the same for every type: what an op must look
 * like, how long a value may be, what a failure is called in the log.
 */


#include "ngx_oidc_store.h"
#include "ngx_oidc_store_type.h"


static const ngx_oidc_store_type_t *ngx_oidc_store_type(ngx_str_t *name);
static ngx_int_t ngx_oidc_store_run(ngx_oidc_store_op_t *op,
    ngx_oidc_store_verb_pt verb);
static ngx_int_t ngx_oidc_store_write(ngx_oidc_store_op_t *op,
    ngx_oidc_store_verb_pt verb);


/* the first one is the default */

static const ngx_oidc_store_type_t  *ngx_oidc_store_types[] = {
    &ngx_oidc_store_shm,
    &ngx_oidc_store_redis,
    NULL
};


ngx_oidc_store_t *
ngx_oidc_store_add(ngx_conf_t *cf, ngx_oidc_store_conf_t *conf)
{
    ngx_oidc_store_t             *store;
    const ngx_oidc_store_type_t  *type;

    type = ngx_oidc_store_type(&conf->type);

    if (type == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown type \"%V\" of oidc_session_store \"%V\"",
                           &conf->type, &conf->name);
        return NULL;
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_oidc_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->type = type;
    store->name = conf->name;
    store->size = (conf->size == NGX_CONF_UNSET_SIZE) ? NGX_OIDC_STORE_SIZE
                                                      : conf->size;

    if (type->add(cf, store, conf) != NGX_OK) {
        return NULL;
    }

    return store;
}


ngx_str_t *
ngx_oidc_store_name(ngx_oidc_store_t *store)
{
    return &store->name;
}


ngx_uint_t
ngx_oidc_store_waits(ngx_oidc_store_t *store)
{
    return store->type->cancel != NULL;
}


ngx_int_t
ngx_oidc_store_init_process(ngx_oidc_store_t *store, ngx_cycle_t *cycle)
{
    return (store->type->init_process != NULL)
           ? store->type->init_process(store, cycle) : NGX_OK;
}


void
ngx_oidc_store_exit_process(ngx_oidc_store_t *store)
{
    if (store->type->exit_process != NULL) {
        store->type->exit_process(store);
    }
}


ngx_int_t
ngx_oidc_store_get(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_run(op, op->store->type->get);
}


ngx_int_t
ngx_oidc_store_create(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_write(op, op->store->type->create);
}


ngx_int_t
ngx_oidc_store_replace(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_write(op, op->store->type->replace);
}


ngx_int_t
ngx_oidc_store_touch(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_run(op, op->store->type->touch);
}


ngx_int_t
ngx_oidc_store_del(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_run(op, op->store->type->del);
}


ngx_int_t
ngx_oidc_store_once(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_run(op, op->store->type->once);
}


ngx_int_t
ngx_oidc_store_lock(ngx_oidc_store_op_t *op)
{
    return ngx_oidc_store_run(op, op->store->type->lock);
}


void
ngx_oidc_store_unlock(ngx_oidc_store_op_t *op)
{
    op->store->type->unlock(op);
}


ngx_int_t
ngx_oidc_store_end(ngx_oidc_store_op_t *op)
{
    op->count = 0;

    return ngx_oidc_store_run(op, op->store->type->end);
}


ngx_int_t
ngx_oidc_store_count(ngx_oidc_store_op_t *op)
{
    op->count = 0;

    return ngx_oidc_store_run(op, op->store->type->count);
}


void
ngx_oidc_store_cancel(ngx_oidc_store_op_t *op)
{
    if (op->store->type->cancel != NULL) {
        op->store->type->cancel(op);
    }
}


u_char *
ngx_oidc_store_explain(ngx_oidc_store_op_t *op, u_char *buf, u_char *last)
{
    ngx_str_t  *name;

    name = &op->store->name;

    switch (op->why) {

    case NGX_OIDC_STORE_FINE:
        return ngx_slprintf(buf, last, "ok");

    case NGX_OIDC_STORE_ABSENT:
        return ngx_slprintf(buf, last,
                            "oidc_session_store \"%V\" has no such record",
                            name);

    case NGX_OIDC_STORE_PRESENT:
        return ngx_slprintf(buf, last,
                            "oidc_session_store \"%V\" has this record already",
                            name);

    case NGX_OIDC_STORE_ENDED:
        return ngx_slprintf(buf, last, "the provider has ended this session "
                            "before oidc_session_store \"%V\" had it", name);

    case NGX_OIDC_STORE_TOO_BIG:
        if (op->limit >= NGX_OIDC_STORE_VALUE_MAX) {
            return ngx_slprintf(buf, last, "session of %uz bytes is larger "
                                "than the %uz bytes of any session",
                                op->value.len, op->limit);
        }

        return ngx_slprintf(buf, last, "session of %uz bytes is larger than "
                            "the %uz bytes that oidc_session_store \"%V\" "
                            "takes, raise its \"size\"",
                            op->value.len, op->limit, name);

    case NGX_OIDC_STORE_FULL:
        if (op->kind == NGX_OIDC_STORE_LOCK) {
            return ngx_slprintf(buf, last, "oidc_session_store \"%V\" has no "
                                "room for another lock, raise its \"size\"",
                                name);
        }

        return ngx_slprintf(buf, last, "oidc_session_store \"%V\" has no room "
                            "for another spent state, raise its \"size\"",
                            name);

    default: /* NGX_OIDC_STORE_UNAVAILABLE */
        buf = ngx_slprintf(buf, last,
                           "oidc_session_store \"%V\" is unavailable", name);

        return (op->fault != NULL) ? ngx_slprintf(buf, last, ": %s", op->fault)
                                   : buf;
    }
}


ngx_int_t
ngx_oidc_store_stat(ngx_oidc_store_t *store, ngx_oidc_store_stat_t *st)
{
    if (store->type->stat == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(st, sizeof(ngx_oidc_store_stat_t));

    store->type->stat(store, st);

    return NGX_OK;
}


static const ngx_oidc_store_type_t *
ngx_oidc_store_type(ngx_str_t *name)
{
    ngx_uint_t                    i;
    const ngx_oidc_store_type_t  *type;

    if (name->len == 0) {
        return ngx_oidc_store_types[0];
    }

    for (i = 0; ngx_oidc_store_types[i] != NULL; i++) {
        type = ngx_oidc_store_types[i];

        if (type->name.len == name->len
            && ngx_strncmp(type->name.data, name->data, name->len) == 0)
        {
            return type;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_oidc_store_run(ngx_oidc_store_op_t *op, ngx_oidc_store_verb_pt verb)
{
    ngx_int_t  rc;

    op->why = NGX_OIDC_STORE_FINE;
    op->fault = NULL;
    op->limit = 0;

    rc = verb(op);

    if (rc == NGX_ERROR) {
        op->why = NGX_OIDC_STORE_UNAVAILABLE;
    }

    if (rc != NGX_AGAIN) {
        op->rc = rc;
    }

    return rc;
}


static ngx_int_t
ngx_oidc_store_write(ngx_oidc_store_op_t *op, ngx_oidc_store_verb_pt verb)
{
    if (op->value.len > NGX_OIDC_STORE_VALUE_MAX) {
        op->why = NGX_OIDC_STORE_TOO_BIG;
        op->limit = NGX_OIDC_STORE_VALUE_MAX;
        op->rc = NGX_DECLINED;

        return NGX_DECLINED;
    }

    return ngx_oidc_store_run(op, verb);
}
