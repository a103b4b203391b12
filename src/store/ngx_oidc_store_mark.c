
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Marks of the memory store: what was used once, for as long as it could be
 * used again.  A mark within its time is never moved, reused or pushed out; a
 * table without room says so, and its caller refuses.
 */


#include "ngx_oidc_store_shm.h"


static ngx_oidc_shm_mark_t *ngx_oidc_shm_mark_set(ngx_oidc_shm_t *sh,
    u_char *word);


/*
 * Two words of the name select two sets of marks, and a new mark goes to the
 * emptier one: with this choice sets overflow only when the table is more than
 * 90 percent full.  The digest is written before the expiry, which makes it
 * count.
 */

ngx_int_t
ngx_oidc_shm_mark(ngx_oidc_shm_t *sh, u_char *name, uint64_t now,
    uint64_t expire)
{
    uint32_t              sec;
    ngx_uint_t            i, n, spare, most;
    ngx_oidc_shm_mark_t  *mark, *last, *room;

    sec = (uint32_t) (now / 1000);
    room = NULL;
    most = 0;

    for (n = 0; n < 2; n++) {
        mark = ngx_oidc_shm_mark_set(sh, name + sizeof(mark->digest)
                                         + n * sizeof(uint32_t));
        last = NULL;
        spare = 0;

        for (i = 0; i < NGX_OIDC_SHM_MARKS_SET; i++) {

            if (mark[i].expire <= sec) {
                last = &mark[i];
                spare++;
                continue;
            }

            if (ngx_memcmp(mark[i].digest, name, sizeof(mark->digest)) == 0) {
                return NGX_DECLINED;
            }
        }

        if (spare > most) {
            most = spare;
            room = last;
        }
    }

    if (room == NULL) {
        sh->stat.marks_full++;
        return NGX_BUSY;
    }

    room->expire = 0;
    ngx_memory_barrier();

    ngx_memcpy(room->digest, name, sizeof(room->digest));
    ngx_memory_barrier();

    /* rounded up: a mark may not end before what it guards */

    room->expire = (uint32_t) ((expire + 999) / 1000);

    return NGX_OK;
}


ngx_int_t
ngx_oidc_shm_remark(ngx_oidc_shm_t *sh, u_char *name, uint64_t now,
    uint64_t expire)
{
    uint32_t              sec;
    ngx_uint_t            i, n;
    ngx_oidc_shm_mark_t  *mark;

    sec = (uint32_t) (now / 1000);

    for (n = 0; n < 2; n++) {
        mark = ngx_oidc_shm_mark_set(sh, name + sizeof(mark->digest)
                                         + n * sizeof(uint32_t));

        for (i = 0; i < NGX_OIDC_SHM_MARKS_SET; i++) {

            if (mark[i].expire > sec
                && ngx_memcmp(mark[i].digest, name, sizeof(mark->digest)) == 0)
            {
                mark[i].expire = (uint32_t) ((expire + 999) / 1000);

                return NGX_OK;
            }
        }
    }

    return NGX_DONE;
}


static ngx_oidc_shm_mark_t *
ngx_oidc_shm_mark_set(ngx_oidc_shm_t *sh, u_char *word)
{
    uint32_t  n;

    ngx_memcpy(&n, word, sizeof(uint32_t));

    return sh->marks + (size_t) (n % sh->sets) * NGX_OIDC_SHM_MARKS_SET;
}
