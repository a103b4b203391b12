
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * One connection over hiredis's asynchronous API: which of its wishes are
 * passed to nginx's events, and which answers are taken.  Whatever hiredis
 * would abort the process for (an answer that nobody asked for, an unknown
 * type) or would allocate (an array of a billion elements) is refused while it
 * is being read.  Never decides what an answer means or when to connect.
 *
 * Pushed messages are read without hiredis's own notion of subscriptions, which
 * loses the answer to a PING and differs between its versions.
 *
 * hiredis owns the socket and closes it; ours is the watch on it, which goes
 * first, in the cleanup hook.  It frees its context after the callback that it
 * was told in, so a conn outlives the handler that closes it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/async.h>

#if (NGX_OIDC_REDIS_TLS)
#include <hiredis/hiredis_ssl.h>
#endif

#include "ngx_oidc_redis_run.h"
#include "ngx_oidc_watch.h"


/* arrays in arrays; hiredis 0.14 reads no more, CLUSTER SLOTS has 4 */

#define NGX_OIDC_REDIS_DEPTH  7

#define ngx_oidc_redis_node_size                                              \
    (sizeof(redisReply) + sizeof(void *) + sizeof(oidc_redis_reply_t))


struct ngx_oidc_redis_conn_s {
    redisAsyncContext                     *context;     /* NULL: closed */
    ngx_oidc_watch_t                      *watch;
    const ngx_oidc_redis_conn_handlers_t  *handlers;
    void                                  *data;
    void                                  *ssl;         /* hiredis's; or NULL */

    ngx_uint_t                             expected;    /* answers */
    size_t                                 size;        /* of this one so far */

    unsigned                               want_read:1;
    unsigned                               want_write:1;
    unsigned                               pushing:1;   /* after this event */
    unsigned                               push:1;
    unsigned                               busy:1;      /* in our handler */
    unsigned                               closed:1;    /* by us */
    unsigned                               unexpected:1;

    char                                   error[128];
};


/* int in hiredis 0.14, size_t later */

typedef __typeof__(_Generic(((redisReplyObjectFunctions *) 0)->createArray,
                            void *(*)(const redisReadTask *, int): (int) 0,
                            default: (size_t) 0))  ngx_oidc_redis_elements_t;


static ngx_int_t ngx_oidc_redis_conn_setup(ngx_oidc_redis_conn_t *conn,
    ngx_oidc_redis_t *redis, ngx_oidc_redis_addr_t *addr, ngx_str_t *name);
static void ngx_oidc_redis_conn_reader(ngx_oidc_redis_conn_t *conn);
static void ngx_oidc_redis_conn_handler(ngx_socket_t s, ngx_uint_t write,
    void *data);
static void ngx_oidc_redis_conn_pull(ngx_oidc_redis_conn_t *conn);
static void ngx_oidc_redis_conn_answer(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_oidc_redis_conn_deliver(ngx_oidc_redis_conn_t *conn,
    redisReply *reply);
static ngx_uint_t ngx_oidc_redis_conn_count(redisReply *reply);
static void ngx_oidc_redis_conn_convert(redisReply *from,
    oidc_redis_reply_t *to, oidc_redis_reply_t **next);
static void ngx_oidc_redis_conn_add_read(void *data);
static void ngx_oidc_redis_conn_del_read(void *data);
static void ngx_oidc_redis_conn_add_write(void *data);
static void ngx_oidc_redis_conn_del_write(void *data);
static void ngx_oidc_redis_conn_want(ngx_oidc_redis_conn_t *conn);
static void ngx_oidc_redis_conn_cleanup(void *data);
static void ngx_oidc_redis_conn_reason(ngx_oidc_redis_conn_t *conn);
static ngx_int_t ngx_oidc_redis_conn_take(const redisReadTask *task,
    size_t size);
static void *ngx_oidc_redis_conn_string(const redisReadTask *task, char *s,
    size_t len);
static void *ngx_oidc_redis_conn_array(const redisReadTask *task,
    ngx_oidc_redis_elements_t elements);
static void *ngx_oidc_redis_conn_integer(const redisReadTask *task,
    long long n);
static void *ngx_oidc_redis_conn_nil(const redisReadTask *task);
#if (NGX_OIDC_REDIS_RESP3)
static void *ngx_oidc_redis_conn_double(const redisReadTask *task, double n,
    char *s, size_t len);
static void *ngx_oidc_redis_conn_bool(const redisReadTask *task, int n);
#endif


static redisReplyObjectFunctions  ngx_oidc_redis_hiredis;
static redisReplyObjectFunctions  ngx_oidc_redis_ours;


/* for whoever gets no conn that could keep it */

static char  ngx_oidc_redis_conn_error[128];


ngx_oidc_redis_conn_t *
ngx_oidc_redis_conn_open(ngx_oidc_redis_t *redis, ngx_oidc_redis_addr_t *addr,
    u_char *literal, ngx_str_t *name, const char **error)
{
    redisAsyncContext      *ac;
    ngx_oidc_redis_conn_t  *conn;

    *error = "out of memory";

    conn = ngx_calloc(sizeof(ngx_oidc_redis_conn_t), redis->run->log);
    if (conn == NULL) {
        return NULL;
    }

    ac = addr->local ? redisAsyncConnectUnix((char *) literal)
                     : redisAsyncConnect((char *) literal, addr->port);

    if (ac == NULL) {
        ngx_free(conn);
        return NULL;
    }

    conn->context = ac;

    if (ac->err == 0
        && ngx_oidc_redis_conn_setup(conn, redis, addr, name) == NGX_OK)
    {
        return conn;
    }

    ngx_cpystrn((u_char *) ngx_oidc_redis_conn_error,
                (u_char *) (conn->error[0] ? conn->error
                            : ac->err && ac->errstr[0] ? ac->errstr
                            : "no connection left"),
                sizeof(ngx_oidc_redis_conn_error));

    *error = ngx_oidc_redis_conn_error;

    ngx_oidc_redis_conn_close(conn);

    return NULL;
}


void
ngx_oidc_redis_conn_start(ngx_oidc_redis_conn_t *conn,
    const ngx_oidc_redis_conn_handlers_t *handlers, void *data)
{
    conn->handlers = handlers;
    conn->data = data;
}


ngx_int_t
ngx_oidc_redis_conn_write(ngx_oidc_redis_conn_t *conn, u_char *command,
    size_t len)
{
    int  rc;

    if (conn->context == NULL || conn->closed) {
        return NGX_ERROR;
    }

    if (conn->pushing) {
        rc = redisAppendFormattedCommand(&conn->context->c, (char *) command,
                                         len);
        if (rc == REDIS_OK) {
            ngx_oidc_redis_conn_add_write(conn);
        }

    } else {
        rc = redisAsyncFormattedCommand(conn->context,
                                        ngx_oidc_redis_conn_answer, conn,
                                        (char *) command, len);
        if (rc == REDIS_OK) {
            conn->expected++;
        }
    }

    return rc == REDIS_OK ? NGX_OK : NGX_ERROR;
}


/* hiredis goes on reading its way until it has taken what is there */

void
ngx_oidc_redis_conn_push(ngx_oidc_redis_conn_t *conn)
{
    conn->pushing = 1;
}


void
ngx_oidc_redis_conn_close(ngx_oidc_redis_conn_t *conn)
{
    conn->closed = 1;

    if (conn->context != NULL) {
        redisAsyncFree(conn->context);
        ngx_oidc_redis_tls_clear();
    }

    if (!conn->busy) {
        ngx_free(conn);
    }
}


static ngx_int_t
ngx_oidc_redis_conn_setup(ngx_oidc_redis_conn_t *conn, ngx_oidc_redis_t *redis,
    ngx_oidc_redis_addr_t *addr, ngx_str_t *name)
{
    redisAsyncContext  *ac;

    ac = conn->context;

    if (!addr->local) {
        (void) redisEnableKeepAlive(&ac->c);
    }

#if (NGX_OIDC_REDIS_TLS)

    if (addr->tls) {
        conn->ssl = ngx_oidc_redis_tls_connection(redis->tls, name,
                                                  !redis->conf.tls_no_verify);
        if (conn->ssl == NULL) {
            return NGX_ERROR;
        }

        /* a handshake may fail at once, where the answer is quick */

        if (redisInitiateSSL(&ac->c, conn->ssl) != REDIS_OK) {
            ngx_oidc_redis_conn_reason(conn);
            ngx_oidc_redis_tls_free(conn->ssl);
            conn->ssl = NULL;
            return NGX_ERROR;
        }
    }

#endif

    conn->watch = ngx_oidc_watch_add(&redis->run->watches, ac->c.fd,
                                     ngx_oidc_redis_conn_handler, conn);
    if (conn->watch == NULL) {
        return NGX_ERROR;
    }

    ac->ev.data = conn;
    ac->ev.addRead = ngx_oidc_redis_conn_add_read;
    ac->ev.delRead = ngx_oidc_redis_conn_del_read;
    ac->ev.addWrite = ngx_oidc_redis_conn_add_write;
    ac->ev.delWrite = ngx_oidc_redis_conn_del_write;
    ac->ev.cleanup = ngx_oidc_redis_conn_cleanup;

    ngx_oidc_redis_conn_reader(conn);

    return NGX_OK;
}


static void
ngx_oidc_redis_conn_reader(ngx_oidc_redis_conn_t *conn)
{
    redisReader  *reader;

    reader = conn->context->c.reader;

    ngx_oidc_redis_hiredis = *reader->fn;
    ngx_oidc_redis_ours = *reader->fn;

    ngx_oidc_redis_ours.createString = ngx_oidc_redis_conn_string;
    ngx_oidc_redis_ours.createArray = ngx_oidc_redis_conn_array;
    ngx_oidc_redis_ours.createInteger = ngx_oidc_redis_conn_integer;
    ngx_oidc_redis_ours.createNil = ngx_oidc_redis_conn_nil;

#if (NGX_OIDC_REDIS_RESP3)
    ngx_oidc_redis_ours.createDouble = ngx_oidc_redis_conn_double;
    ngx_oidc_redis_ours.createBool = ngx_oidc_redis_conn_bool;
#endif

    reader->fn = &ngx_oidc_redis_ours;
    reader->privdata = conn;
}


static void
ngx_oidc_redis_conn_handler(ngx_socket_t s, ngx_uint_t write, void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    conn->busy = 1;

    if (write) {
        redisAsyncHandleWrite(conn->context);

    } else if (conn->push) {
        ngx_oidc_redis_conn_pull(conn);

    } else {
        redisAsyncHandleRead(conn->context);
    }

    ngx_oidc_redis_tls_clear();

    /* a string is made when it is there as a whole */

    if (conn->context != NULL
        && conn->context->c.reader->len > NGX_OIDC_REDIS_REPLY_MAX)
    {
        ngx_cpystrn((u_char *) conn->error, (u_char *) "answer too large",
                    sizeof(conn->error));
        redisAsyncFree(conn->context);
    }

    conn->busy = 0;
    conn->push = conn->pushing;

    if (conn->closed) {
        ngx_free(conn);
        return;
    }

    if (conn->context == NULL) {
        conn->handlers->closed(conn->data, conn->error);
        ngx_free(conn);
    }
}


static void
ngx_oidc_redis_conn_pull(ngx_oidc_redis_conn_t *conn)
{
    void               *reply;
    redisAsyncContext  *ac;

    ac = conn->context;

    if (redisBufferRead(&ac->c) == REDIS_ERR) {
        redisAsyncFree(ac);
        return;
    }

    for ( ;; ) {
        reply = NULL;

        if (redisGetReplyFromReader(&ac->c, &reply) == REDIS_ERR) {
            redisAsyncFree(ac);
            return;
        }

        if (reply == NULL) {
            return;
        }

        ngx_oidc_redis_conn_deliver(conn, reply);

        freeReplyObject(reply);

        if (conn->context == NULL) {
            return;
        }
    }
}


/* hiredis tells NULL for each answer that will not come: closed() says it */

static void
ngx_oidc_redis_conn_answer(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    if (reply == NULL || conn->closed) {
        return;
    }

    conn->expected--;

    ngx_oidc_redis_conn_deliver(conn, reply);
}


static void
ngx_oidc_redis_conn_deliver(ngx_oidc_redis_conn_t *conn, redisReply *reply)
{
    ngx_uint_t           n;
    oidc_redis_reply_t   one, *all, *next;

    n = ngx_oidc_redis_conn_count(reply);

    if (n == 1) {
        next = NULL;
        ngx_oidc_redis_conn_convert(reply, &one, &next);
        conn->handlers->reply(conn->data, &one);
        return;
    }

    all = ngx_alloc(n * sizeof(oidc_redis_reply_t), ngx_cycle->log);

    if (all == NULL) {
        ngx_cpystrn((u_char *) conn->error, (u_char *) "out of memory",
                    sizeof(conn->error));
        redisAsyncFree(conn->context);
        return;
    }

    next = all + 1;
    ngx_oidc_redis_conn_convert(reply, all, &next);

    conn->handlers->reply(conn->data, all);

    ngx_free(all);
}


static ngx_uint_t
ngx_oidc_redis_conn_count(redisReply *reply)
{
    size_t      i;
    ngx_uint_t  n;

    n = 1;

    if (reply->type == REDIS_REPLY_ARRAY) {
        for (i = 0; i < reply->elements; i++) {
            n += ngx_oidc_redis_conn_count(reply->element[i]);
        }
    }

    return n;
}


/* the elements of an array follow each other: taken together, then filled */

static void
ngx_oidc_redis_conn_convert(redisReply *from, oidc_redis_reply_t *to,
    oidc_redis_reply_t **next)
{
    size_t  i;

    ngx_memzero(to, sizeof(oidc_redis_reply_t));

    switch (from->type) {

    case REDIS_REPLY_INTEGER:
        to->type = OIDC_REDIS_INTEGER;
        to->integer = from->integer;
        break;

    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        to->type = (from->type == REDIS_REPLY_STRING) ? OIDC_REDIS_STRING
                   : (from->type == REDIS_REPLY_STATUS) ? OIDC_REDIS_STATUS
                   : OIDC_REDIS_ERROR;
        to->str.len = from->len;
        to->str.data = (u_char *) from->str;
        break;

    case REDIS_REPLY_ARRAY:
        to->type = OIDC_REDIS_ARRAY;
        to->elements = from->elements;
        to->element = *next;
        *next += from->elements;

        for (i = 0; i < from->elements; i++) {
            ngx_oidc_redis_conn_convert(from->element[i], &to->element[i],
                                        next);
        }

        break;

    default: /* REDIS_REPLY_NIL */
        to->type = OIDC_REDIS_NIL;
        break;
    }
}


static void
ngx_oidc_redis_conn_add_read(void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    conn->want_read = 1;
    ngx_oidc_redis_conn_want(conn);
}


static void
ngx_oidc_redis_conn_del_read(void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    conn->want_read = 0;
    ngx_oidc_redis_conn_want(conn);
}


static void
ngx_oidc_redis_conn_add_write(void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    conn->want_write = 1;
    ngx_oidc_redis_conn_want(conn);
}


static void
ngx_oidc_redis_conn_del_write(void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    conn->want_write = 0;
    ngx_oidc_redis_conn_want(conn);
}


static void
ngx_oidc_redis_conn_want(ngx_oidc_redis_conn_t *conn)
{
    ngx_oidc_watch_set(conn->watch, conn->want_read, conn->want_write);
}


/* the context is about to be freed, and its socket to be closed */

static void
ngx_oidc_redis_conn_cleanup(void *data)
{
    ngx_oidc_redis_conn_t *conn = data;

    ngx_oidc_redis_conn_reason(conn);

    ngx_oidc_watch_remove(conn->watch);

    conn->watch = NULL;
    conn->context = NULL;
}


static void
ngx_oidc_redis_conn_reason(ngx_oidc_redis_conn_t *conn)
{
    const char  *error;

    if (conn->error[0] != '\0') {
        return;
    }

    error = conn->unexpected ? "unexpected or too large answer"
                             : conn->context->c.errstr;

    if (conn->ssl != NULL) {
        ngx_oidc_redis_tls_error(conn->ssl, &error);
    }

    ngx_cpystrn((u_char *) conn->error, (u_char *) error, sizeof(conn->error));
}


/*
 * What the reader makes: NULL ends the connection.  A whole answer begins with
 * the task that has no parent.
 */

static ngx_int_t
ngx_oidc_redis_conn_take(const redisReadTask *task, size_t size)
{
    ngx_uint_t              depth;
    const redisReadTask    *t;
    ngx_oidc_redis_conn_t  *conn;

    conn = task->privdata;

    if (task->parent == NULL) {
        conn->size = 0;
    }

    for (t = task->parent, depth = 0; t != NULL; t = t->parent) {
        depth++;
    }

    if (size <= NGX_OIDC_REDIS_REPLY_MAX) {
        conn->size += size + ngx_oidc_redis_node_size;
    }

    switch (task->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_ARRAY:
    case REDIS_REPLY_INTEGER:
    case REDIS_REPLY_NIL:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        if (size <= NGX_OIDC_REDIS_REPLY_MAX
            && conn->size <= NGX_OIDC_REDIS_REPLY_MAX
            && depth <= NGX_OIDC_REDIS_DEPTH
            && (conn->push || conn->expected > 0))
        {
            return NGX_OK;
        }
    }

    conn->unexpected = 1;

    return NGX_ERROR;
}


static void *
ngx_oidc_redis_conn_string(const redisReadTask *task, char *s, size_t len)
{
    return ngx_oidc_redis_conn_take(task, len) == NGX_OK
           ? ngx_oidc_redis_hiredis.createString(task, s, len) : NULL;
}


static void *
ngx_oidc_redis_conn_array(const redisReadTask *task,
    ngx_oidc_redis_elements_t elements)
{
    size_t  n;

    n = (size_t) elements;

    if (n > NGX_OIDC_REDIS_REPLY_MAX / ngx_oidc_redis_node_size) {
        n = NGX_OIDC_REDIS_REPLY_MAX;
    }

    /* each element is counted when it comes */

    return ngx_oidc_redis_conn_take(task, n * sizeof(void *)) == NGX_OK
           ? ngx_oidc_redis_hiredis.createArray(task, elements) : NULL;
}


static void *
ngx_oidc_redis_conn_integer(const redisReadTask *task, long long n)
{
    return ngx_oidc_redis_conn_take(task, 0) == NGX_OK
           ? ngx_oidc_redis_hiredis.createInteger(task, n) : NULL;
}


static void *
ngx_oidc_redis_conn_nil(const redisReadTask *task)
{
    return ngx_oidc_redis_conn_take(task, 0) == NGX_OK
           ? ngx_oidc_redis_hiredis.createNil(task) : NULL;
}


#if (NGX_OIDC_REDIS_RESP3)

static void *
ngx_oidc_redis_conn_double(const redisReadTask *task, double n, char *s,
    size_t len)
{
    (void) ngx_oidc_redis_conn_take(task, 0);
    return NULL;
}


static void *
ngx_oidc_redis_conn_bool(const redisReadTask *task, int n)
{
    (void) ngx_oidc_redis_conn_take(task, 0);
    return NULL;
}

#endif
