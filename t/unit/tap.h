
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a unit test of the pure layer needs: assertions that speak TAP with the
 * plan at the end, and an arena as oidc_pool_t.  Each allocation of the arena
 * is one malloc() of exactly the size asked for, so that AddressSanitizer and
 * valgrind see an access past it; done_testing() frees them all, what is then
 * left is a leak of the code under test.
 *
 *     int
 *     main(void)
 *     {
 *         oidc_str_t  out;
 *
 *         is_rc(oidc_thing(tap_pool(), &in, &out), OIDC_OK, "B01 a thing");
 *         is_str(&out, "expected", "B01 ... and its text");
 *
 *         return done_testing();
 *     }
 */


#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oidc_base.h"


#define TAP_UNUSED  __attribute__((unused))


typedef struct tap_block_s  tap_block_t;

struct tap_block_s {
    tap_block_t  *next;
    void         *data;
};


typedef struct {
    int           run;
    int           failed;
    long          allocations;   /* so far */
    long          fail_after;    /* -1: never; n: n more succeed, then none */
    tap_block_t  *blocks;
} tap_t;


static tap_t  tap = { 0, 0, 0, -1, NULL };


static TAP_UNUSED void
diag(const char *fmt, ...)
{
    va_list  args;

    printf("# ");

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
    fflush(stdout);
}


static TAP_UNUSED int
tap_result(int good, const char *file, int line, const char *fmt, va_list args)
{
    tap.run++;

    printf("%s %d - ", good ? "ok" : "not ok", tap.run);
    vprintf(fmt, args);
    printf("\n");

    if (!good) {
        tap.failed++;
        diag("failed at %s line %d", file, line);
    }

    fflush(stdout);

    return good;
}


static TAP_UNUSED int
tap_ok(const char *file, int line, int good, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));


static TAP_UNUSED int
tap_ok(const char *file, int line, int good, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    good = tap_result(good, file, line, fmt, args);
    va_end(args);

    return good;
}


#define ok(cond, ...)  tap_ok(__FILE__, __LINE__, (cond) ? 1 : 0, __VA_ARGS__)
#define pass(...)      tap_ok(__FILE__, __LINE__, 1, __VA_ARGS__)
#define fail(...)      tap_ok(__FILE__, __LINE__, 0, __VA_ARGS__)


static TAP_UNUSED int
tap_is_int(const char *file, int line, long long got, long long expected,
    const char *name)
{
    if (!tap_ok(file, line, got == expected, "%s", name)) {
        diag("     got: %lld", got);
        diag("expected: %lld", expected);
        return 0;
    }

    return 1;
}


#define is_int(got, expected, name)                                           \
    tap_is_int(__FILE__, __LINE__, (got), (expected), (name))


static TAP_UNUSED int
tap_is_rc(const char *file, int line, oidc_rc_t got, oidc_rc_t expected,
    const char *name)
{
    if (!tap_ok(file, line, got == expected, "%s", name)) {
        diag("     got: %s", oidc_rc_name(got));
        diag("expected: %s", oidc_rc_name(expected));
        return 0;
    }

    return 1;
}


#define is_rc(got, expected, name)                                            \
    tap_is_rc(__FILE__, __LINE__, (got), (expected), (name))


static TAP_UNUSED int
tap_is_mem(const char *file, int line, const void *got, size_t len,
    const void *expected, size_t expected_len, const char *name)
{
    int  good;

    good = len == expected_len
           && (len == 0 || (got != NULL && memcmp(got, expected, len) == 0));

    if (!tap_ok(file, line, good, "%s", name)) {
        diag("     got: [%zu] %.*s", len, got ? (int) len : 0,
             got ? (const char *) got : "");
        diag("expected: [%zu] %.*s", expected_len, (int) expected_len,
             (const char *) expected);
    }

    return good;
}


/* an oidc_str_t * against a C string, or a counted run of bytes */

#define is_str(got, expected, name)                                           \
    tap_is_mem(__FILE__, __LINE__, (got)->data, (got)->len,                   \
               (expected), strlen(expected), (name))

#define is_mem(got, len, expected, expected_len, name)                        \
    tap_is_mem(__FILE__, __LINE__, (got), (len), (expected), (expected_len),  \
               (name))


static TAP_UNUSED void
skip(const char *why)
{
    printf("ok %d # skip %s\n", ++tap.run, why);
    fflush(stdout);
}


static TAP_UNUSED void *
tap_alloc(void *owner, size_t size)
{
    tap_t        *t = owner;
    tap_block_t  *block;

    if (t->fail_after == 0) {
        return NULL;
    }

    if (t->fail_after > 0) {
        t->fail_after--;
    }

    block = malloc(sizeof(tap_block_t));
    if (block == NULL) {
        abort();
    }

    block->data = malloc(size ? size : 1);
    if (block->data == NULL) {
        abort();
    }

    block->next = t->blocks;
    t->blocks = block;
    t->allocations++;

    return block->data;
}


static TAP_UNUSED oidc_pool_t *
tap_pool(void)
{
    static oidc_pool_t  pool = { tap_alloc, &tap };

    return &pool;
}


/* frees what the arena gave out so far, for tests in a long loop */

static TAP_UNUSED void
tap_pool_reset(void)
{
    tap_block_t  *block;

    while (tap.blocks != NULL) {
        block = tap.blocks;
        tap.blocks = block->next;
        free(block->data);
        free(block);
    }
}


static TAP_UNUSED oidc_str_t
tap_str(const char *s)
{
    oidc_str_t  str;

    str.len = strlen(s);
    str.data = (u_char *) s;

    return str;
}


/* the whole file in the arena, with a NUL behind it; data is NULL without it */

static TAP_UNUSED oidc_str_t
tap_file(const char *path)
{
    long        size;
    FILE       *f;
    oidc_str_t  str = { 0, NULL };

    f = fopen(path, "rb");
    if (f == NULL) {
        return str;
    }

    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0
        && fseek(f, 0, SEEK_SET) == 0)
    {
        str.data = tap_alloc(&tap, (size_t) size + 1);
        str.len = fread(str.data, 1, (size_t) size, f);
        str.data[str.len] = '\0';
    }

    fclose(f);

    return str;
}


/* prints the plan; the exit status of main() */

static TAP_UNUSED int
done_testing(void)
{
    tap_pool_reset();

    printf("1..%d\n", tap.run);

    if (tap.failed) {
        diag("%d of %d failed", tap.failed, tap.run);
    }

    fflush(stdout);

    return tap.failed ? 1 : 0;
}


#endif /* _TAP_H_INCLUDED_ */
