
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a type of store implements; for the files of src/store only.  Verbs set
 * op->why, never op->rc, and log nothing that the op's caller can log; see
 * ngx_oidc_store.h for what they return.
 */


#ifndef _NGX_OIDC_STORE_TYPE_H_INCLUDED_
#define _NGX_OIDC_STORE_TYPE_H_INCLUDED_


#include "ngx_oidc_store.h"


typedef ngx_int_t (*ngx_oidc_store_verb_pt)(ngx_oidc_store_op_t *op);


typedef struct {
    ngx_str_t                     name;     /* as "type" names it */

    /* sets store->data; NGX_ERROR after its own [emerg] */
    ngx_int_t                   (*add)(ngx_conf_t *cf, ngx_oidc_store_t *store,
                                       ngx_oidc_store_conf_t *conf);

    ngx_oidc_store_verb_pt        get;
    ngx_oidc_store_verb_pt        create;
    ngx_oidc_store_verb_pt        replace;
    ngx_oidc_store_verb_pt        touch;
    ngx_oidc_store_verb_pt        del;
    ngx_oidc_store_verb_pt        once;
    ngx_oidc_store_verb_pt        lock;
    ngx_oidc_store_verb_pt        end;
    ngx_oidc_store_verb_pt        count;
    void                        (*unlock)(ngx_oidc_store_op_t *op);

    /* NULL where no verb ever returns NGX_AGAIN */
    void                        (*cancel)(ngx_oidc_store_op_t *op);

    /* NULL where nothing is counted */
    void                        (*stat)(ngx_oidc_store_t *store,
                                        ngx_oidc_store_stat_t *st);

    /* NULL where a worker has nothing to begin or end */
    ngx_int_t                   (*init_process)(ngx_oidc_store_t *store,
                                                ngx_cycle_t *cycle);
    void                        (*exit_process)(ngx_oidc_store_t *store);
} ngx_oidc_store_type_t;


struct ngx_oidc_store_s {
    const ngx_oidc_store_type_t  *type;
    ngx_str_t                     name;
    size_t                        size;
    void                         *data;     /* of the type, in cf->pool */
};


extern const ngx_oidc_store_type_t  ngx_oidc_store_shm;
extern const ngx_oidc_store_type_t  ngx_oidc_store_redis;


#endif /* _NGX_OIDC_STORE_TYPE_H_INCLUDED_ */
