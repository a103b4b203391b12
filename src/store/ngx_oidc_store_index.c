
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The names under which records of the memory store are found beside their own.
 * They lie in the record and nowhere else, so that they live and die with it; a
 * tree over all of them is keyed by the first word of a name, which is uniform,
 * and many records may have the same.
 */


#include "ngx_oidc_store_shm.h"


static ngx_rbtree_key_t ngx_oidc_shm_index_key(u_char *name);


void
ngx_oidc_shm_index(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    uint32_t  i;

    for (i = 0; i < rec->indexes; i++) {
        rec->index[i].node.key = ngx_oidc_shm_index_key(rec->index[i].name);
        ngx_rbtree_insert(&sh->indexes, &rec->index[i].node);
    }
}


void
ngx_oidc_shm_unindex(ngx_oidc_shm_t *sh, ngx_oidc_shm_record_t *rec)
{
    uint32_t  i;

    for (i = 0; i < rec->indexes; i++) {
        ngx_rbtree_delete(&sh->indexes, &rec->index[i].node);
    }
}


ngx_oidc_shm_record_t *
ngx_oidc_shm_indexed(ngx_oidc_shm_t *sh, u_char *name)
{
    ngx_rbtree_key_t       key;
    ngx_rbtree_node_t     *node, *first;
    ngx_oidc_shm_index_t  *index;

    key = ngx_oidc_shm_index_key(name);

    /* equal keys may lie on both sides of a node that was rotated */

    first = NULL;
    node = sh->indexes.root;

    while (node != &sh->sentinel) {

        if (node->key < key) {
            node = node->right;

        } else {
            first = node;
            node = node->left;
        }
    }

    for (node = first;
         node != NULL && node->key == key;
         node = ngx_rbtree_next(&sh->indexes, node))
    {
        index = ngx_rbtree_data(node, ngx_oidc_shm_index_t, node);

        if (ngx_memcmp(index->name, name, NGX_OIDC_STORE_NAME_LEN) == 0) {
            return ngx_oidc_shm_record(sh, ngx_oidc_shm_number(sh, index));
        }
    }

    return NULL;
}


static ngx_rbtree_key_t
ngx_oidc_shm_index_key(u_char *name)
{
    ngx_rbtree_key_t  key;

    ngx_memcpy(&key, name, sizeof(ngx_rbtree_key_t));

    return key;
}
