
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/* A pool whose memory can be searched for what should not be left in it. */


#ifndef _HEAP_H_INCLUDED_
#define _HEAP_H_INCLUDED_


#include <string.h>

#include "oidc_base.h"


static u_char   heap[65536];
static size_t   heap_used;


static void *
heap_alloc(void *owner, size_t size)
{
    void  *p;

    (void) owner;

    if (size > sizeof(heap) - heap_used) {
        return NULL;
    }

    p = heap + heap_used;
    heap_used += (size + 15) & ~(size_t) 15;

    return p;
}


/* empty again */

static oidc_pool_t *
heap_pool(void)
{
    static oidc_pool_t  pool = { heap_alloc, NULL };

    memset(heap, 0, sizeof(heap));
    heap_used = 0;

    return &pool;
}


static int
heap_count(const void *data, size_t len)
{
    int     n;
    size_t  i;

    for (n = 0, i = 0; i + len <= sizeof(heap); i++) {
        n += memcmp(heap + i, data, len) == 0;
    }

    return n;
}


#endif /* _HEAP_H_INCLUDED_ */
