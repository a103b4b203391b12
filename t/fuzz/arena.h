
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * An arena for fuzz targets: each allocation is one malloc() of its size, freed
 * by fuzz_done(), so that AddressSanitizer sees what is read or written beyond
 * it.  fuzz_check() is how a target states a property.
 */


#ifndef _FUZZ_ARENA_H_INCLUDED_
#define _FUZZ_ARENA_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oidc_base.h"


#define FUZZ_UNUSED  __attribute__((unused))

#define fuzz_check(cond)                                                      \
    do {                                                                      \
        if (!(cond)) {                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);        \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


typedef struct fuzz_block_s  fuzz_block_t;

struct fuzz_block_s {
    fuzz_block_t  *next;
    void          *data;
};


static fuzz_block_t  *fuzz_blocks;


static FUZZ_UNUSED void *
fuzz_alloc(void *owner, size_t size)
{
    fuzz_block_t  *block;

    (void) owner;

    block = malloc(sizeof(fuzz_block_t));
    if (block == NULL) {
        abort();
    }

    block->data = malloc(size ? size : 1);
    if (block->data == NULL) {
        abort();
    }

    block->next = fuzz_blocks;
    fuzz_blocks = block;

    return block->data;
}


static FUZZ_UNUSED oidc_pool_t *
fuzz_pool(void)
{
    static oidc_pool_t  pool = { fuzz_alloc, NULL };

    return &pool;
}


static FUZZ_UNUSED void
fuzz_done(void)
{
    fuzz_block_t  *block;

    while (fuzz_blocks != NULL) {
        block = fuzz_blocks;
        fuzz_blocks = block->next;
        free(block->data);
        free(block);
    }
}


static FUZZ_UNUSED oidc_str_t
fuzz_str(const char *s)
{
    oidc_str_t  str;

    str.len = strlen(s);
    str.data = (u_char *) s;

    return str;
}


/* the same bytes in a block of their own */

static FUZZ_UNUSED oidc_str_t
fuzz_copy(const uint8_t *data, size_t size)
{
    oidc_str_t  str;

    str.len = size;
    str.data = fuzz_alloc(NULL, size);

    if (size != 0) {
        memcpy(str.data, data, size);
    }

    return str;
}


/* the same bytes each time: a target must not depend on chance */

static FUZZ_UNUSED int
fuzz_random(u_char *buf, size_t len)
{
    memset(buf, 0x5a, len);

    return 1;
}


/* reads every byte */

static FUZZ_UNUSED void
fuzz_touch(const oidc_str_t *s)
{
    size_t           i;
    volatile u_char  sum;

    for (sum = 0, i = 0; i < s->len; i++) {
        sum = (u_char) (sum + s->data[i]);
    }
}


#endif /* _FUZZ_ARENA_H_INCLUDED_ */
