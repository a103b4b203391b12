
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The few functions of nginx's core that the memory store calls, for a test
 * program that is built against nginx's headers alone.  The clock stands until
 * it is set, a zone is an anonymous mapping that children share, the tree is
 * not balanced, and what is logged is kept.  Included once, by the test.
 */


#include <stdio.h>
#include <sys/mman.h>

#include <ngx_config.h>
#include <ngx_core.h>


static struct {
    ngx_uint_t   lines;
    u_char       text[1024];      /* of the last line */
    size_t       len;
} ngx_test_log;


static ngx_time_t      ngx_test_time = { 1700000000, 0, 0 };
static ngx_shm_zone_t  ngx_test_zone;
static ngx_log_t       ngx_test_cycle_log = { .log_level = NGX_LOG_WARN };
static ngx_cycle_t     ngx_test_cycle = { .log = &ngx_test_cycle_log };

volatile ngx_time_t   *ngx_cached_time = &ngx_test_time;
volatile ngx_cycle_t  *ngx_cycle = &ngx_test_cycle;
ngx_uint_t             ngx_pagesize = 4096;


/* only what the store's messages use: %V %uz %uL */

u_char *
ngx_vslprintf(u_char *buf, u_char *last, const char *fmt, va_list args)
{
    char        number[32];
    ngx_str_t   str, *v;

    for ( /* void */ ; *fmt != '\0'; fmt++) {

        if (*fmt != '%') {
            str.data = (u_char *) fmt;
            str.len = 1;

        } else if (fmt[1] == 'V') {
            v = va_arg(args, ngx_str_t *);
            str = *v;
            fmt++;

        } else {
            snprintf(number, sizeof(number), "%llu",
                     fmt[2] == 'z' ? (unsigned long long) va_arg(args, size_t)
                                   : va_arg(args, unsigned long long));
            str.data = (u_char *) number;
            str.len = strlen(number);
            fmt += 2;
        }

        str.len = ngx_min(str.len, (size_t) (last - buf));
        buf = ngx_cpymem(buf, str.data, str.len);
    }

    return buf;
}


u_char *
ngx_slprintf(u_char *buf, u_char *last, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    buf = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    return buf;
}


static void
ngx_test_vlog(const char *fmt, va_list args)
{
    u_char  *text, *last;

    text = ngx_test_log.text;
    last = text + sizeof(ngx_test_log.text) - 1;

    ngx_test_log.len = ngx_vslprintf(text, last, fmt, args) - text;
    text[ngx_test_log.len] = '\0';
    ngx_test_log.lines++;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_test_vlog(fmt, args);
    va_end(args);
}


void ngx_cdecl
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_test_vlog(fmt, args);
    va_end(args);
}


/* pools are not freed: the address sanitizer sees each allocation's end */

void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    return malloc(size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    return calloc(1, size);
}


/* a lock is the pid that holds it, as in nginx, so that it can be broken */

void
ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    while (!__sync_bool_compare_and_swap(mtx->lock, 0, (ngx_atomic_t) getpid()))
    {
        usleep(100);
    }
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    (void) __sync_bool_compare_and_swap(mtx->lock, (ngx_atomic_t) getpid(), 0);
}


ngx_uint_t
ngx_shmtx_force_unlock(ngx_shmtx_t *mtx, ngx_pid_t pid)
{
    return __sync_bool_compare_and_swap(mtx->lock, (ngx_atomic_t) pid, 0);
}


ngx_shm_zone_t *
ngx_shared_memory_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_test_zone.shm.size = size;
    ngx_test_zone.shm.name = *name;
    ngx_test_zone.shm.log = &ngx_test_cycle_log;
    ngx_test_zone.tag = tag;

    return &ngx_test_zone;
}


/* a slab that gives all of its pages at once, with nothing in front of them */

static void
ngx_test_map(void)
{
    ngx_slab_pool_t  *shpool;

    shpool = mmap(NULL, ngx_test_zone.shm.size, PROT_READ|PROT_WRITE,
                  MAP_ANON|MAP_SHARED, -1, 0);

    shpool->start = (u_char *) shpool + ngx_pagesize;
    shpool->end = (u_char *) shpool + ngx_test_zone.shm.size;
    shpool->pfree = (shpool->end - shpool->start) / ngx_pagesize;
    shpool->mutex.lock = &shpool->lock.lock;

    ngx_test_zone.shm.addr = (u_char *) shpool;
}


void *
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    if (size > pool->pfree * ngx_pagesize) {
        return NULL;
    }

    pool->pfree = 0;

    return pool->start;
}


void
ngx_rbtree_insert_timer_value(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t  **p;

    for ( ;; ) {
        p = ((ngx_rbtree_key_int_t) (node->key - temp->key) < 0)
            ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
}


void
ngx_rbtree_insert_value(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t  **p;

    for ( ;; ) {
        p = (node->key < temp->key) ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
}


void
ngx_rbtree_insert(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    node->parent = NULL;
    node->left = tree->sentinel;
    node->right = tree->sentinel;

    if (tree->root == tree->sentinel) {
        tree->root = node;

    } else {
        tree->insert(tree->root, node, tree->sentinel);
    }
}


static void
ngx_test_transplant(ngx_rbtree_t *tree, ngx_rbtree_node_t *old,
    ngx_rbtree_node_t *node)
{
    if (old->parent == NULL) {
        tree->root = node;

    } else if (old == old->parent->left) {
        old->parent->left = node;

    } else {
        old->parent->right = node;
    }

    if (node != tree->sentinel) {
        node->parent = old->parent;
    }
}


void
ngx_rbtree_delete(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_rbtree_node_t  *next;

    if (node->left == tree->sentinel) {
        ngx_test_transplant(tree, node, node->right);
        return;
    }

    if (node->right == tree->sentinel) {
        ngx_test_transplant(tree, node, node->left);
        return;
    }

    next = ngx_rbtree_min(node->right, tree->sentinel);

    if (next->parent != node) {
        ngx_test_transplant(tree, next, next->right);
        next->right = node->right;
        next->right->parent = next;
    }

    ngx_test_transplant(tree, node, next);
    next->left = node->left;
    next->left->parent = next;
}


ngx_rbtree_node_t *
ngx_rbtree_next(ngx_rbtree_t *tree, ngx_rbtree_node_t *node)
{
    ngx_rbtree_node_t  *parent;

    if (node->right != tree->sentinel) {
        return ngx_rbtree_min(node->right, tree->sentinel);
    }

    for (parent = node->parent;
         parent != NULL && node == parent->right;
         parent = node->parent)
    {
        node = parent;
    }

    return parent;
}
