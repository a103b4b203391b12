
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Locks of the memory store: who does now what only one may do.  A lock is a
 * lease that ends by itself, so that its owner may die; until then only the
 * owner can give it back, and nothing pushes it out.
 */


#include "ngx_oidc_store_shm.h"


static ngx_oidc_shm_lease_t *ngx_oidc_shm_lease_set(ngx_oidc_shm_t *sh,
    u_char *word);
static ngx_uint_t ngx_oidc_shm_lease_of(ngx_oidc_shm_lease_t *lease,
    u_char *name);


/*
 * As with marks, the emptier one of two sets takes a new lock; and what makes
 * it count is written last.
 */

ngx_int_t
ngx_oidc_shm_lease(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op, uint64_t now,
    uint64_t expire)
{
    ngx_uint_t             i, n, spare, most;
    ngx_oidc_shm_lease_t  *lease, *last, *room;

    room = NULL;
    most = 0;

    for (n = 0; n < 2; n++) {
        lease = ngx_oidc_shm_lease_set(sh, op->name + n * sizeof(uint32_t));
        last = NULL;
        spare = 0;

        for (i = 0; i < NGX_OIDC_SHM_LOCKS_SET; i++) {

            if (lease[i].expire <= now) {
                last = &lease[i];
                spare++;
                continue;
            }

            if (!ngx_oidc_shm_lease_of(&lease[i], op->name)) {
                continue;
            }

            if (ngx_memcmp(lease[i].owner, op->owner, NGX_OIDC_STORE_OWNER_LEN)
                != 0)
            {
                return NGX_DECLINED;
            }

            lease[i].expire = expire;

            return NGX_OK;
        }

        if (spare > most) {
            most = spare;
            room = last;
        }
    }

    if (room == NULL) {
        return NGX_BUSY;
    }

    room->expire = 0;
    ngx_memory_barrier();

    ngx_memcpy(room->digest, op->name, sizeof(room->digest));
    ngx_memcpy(room->owner, op->owner, NGX_OIDC_STORE_OWNER_LEN);
    ngx_memory_barrier();

    room->expire = expire;

    return NGX_OK;
}


void
ngx_oidc_shm_release(ngx_oidc_shm_t *sh, ngx_oidc_store_op_t *op)
{
    ngx_uint_t             i, n;
    ngx_oidc_shm_lease_t  *lease;

    for (n = 0; n < 2; n++) {
        lease = ngx_oidc_shm_lease_set(sh, op->name + n * sizeof(uint32_t));

        for (i = 0; i < NGX_OIDC_SHM_LOCKS_SET; i++) {

            if (ngx_oidc_shm_lease_of(&lease[i], op->name)
                && ngx_memcmp(lease[i].owner, op->owner,
                              NGX_OIDC_STORE_OWNER_LEN) == 0)
            {
                lease[i].expire = 0;
            }
        }
    }
}


static ngx_oidc_shm_lease_t *
ngx_oidc_shm_lease_set(ngx_oidc_shm_t *sh, u_char *word)
{
    uint32_t  n;

    ngx_memcpy(&n, word, sizeof(uint32_t));

    return sh->locks + (size_t) (n % sh->lsets) * NGX_OIDC_SHM_LOCKS_SET;
}


static ngx_uint_t
ngx_oidc_shm_lease_of(ngx_oidc_shm_lease_t *lease, u_char *name)
{
    return ngx_memcmp(lease->digest, name, sizeof(lease->digest)) == 0;
}
