
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the parts of the client of Redis know of each other, top down: redis
 * (commands) has nodes, a node has a link, a link has a conn.
 *
 *   conn    a connection: bytes out, answers in (the only part with hiredis)
 *   link    keeps one: address, TLS, handshake, back-off
 *   node    queues of commands over a link, and their time
 *   redis   routing, sending again, results, logs
 */


#ifndef _NGX_OIDC_REDIS_RUN_H_INCLUDED_
#define _NGX_OIDC_REDIS_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_fetch.h"
#include "ngx_oidc_redis.h"

#include "oidc_redis_url.h"


#define NGX_OIDC_REDIS_SEEDS_MAX   64
#define NGX_OIDC_REDIS_HELLO_MAX   4
#define NGX_OIDC_REDIS_REDIRECTS   5
#define NGX_OIDC_REDIS_SLOT_NONE   0xffff

/* commands and answers of handshakes, with credentials of such sizes */

#define NGX_OIDC_REDIS_SECRET_MAX  1024


typedef struct ngx_oidc_redis_conn_s      ngx_oidc_redis_conn_t;
typedef struct ngx_oidc_redis_link_s      ngx_oidc_redis_link_t;
typedef struct ngx_oidc_redis_call_s      ngx_oidc_redis_call_t;
typedef struct ngx_oidc_redis_cluster_s   ngx_oidc_redis_cluster_t;
typedef struct ngx_oidc_redis_sentinel_s  ngx_oidc_redis_sentinel_t;
typedef struct ngx_oidc_redis_run_s       ngx_oidc_redis_run_t;


/*
 * Where a server is; a host is a name, an address or the path of a socket, with
 * a NUL behind it.
 */

typedef struct {
    u_char                      host[OIDC_REDIS_HOST_MAX + 1];
    size_t                      len;
    in_port_t                   port;
    unsigned                    local:1;
    unsigned                    tls:1;
} ngx_oidc_redis_addr_t;


/*
 * conn.  Neither handler is called inside open, write or close; both may close
 * it.  After closed() it is gone, as after close.
 */

typedef struct {
    void                      (*reply)(void *data, oidc_redis_reply_t *reply);
    void                      (*closed)(void *data, const char *error);
} ngx_oidc_redis_conn_handlers_t;


/*
 * "literal": an address or a path; "name": whom the certificate must name.
 * NULL: error says why.  start() says who is told, before anything can happen.
 */

ngx_oidc_redis_conn_t *ngx_oidc_redis_conn_open(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_addr_t *addr, u_char *literal, ngx_str_t *name,
    const char **error);
void ngx_oidc_redis_conn_start(ngx_oidc_redis_conn_t *conn,
    const ngx_oidc_redis_conn_handlers_t *handlers, void *data);

/* one command of the protocol; NGX_ERROR: it will never be answered */

ngx_int_t ngx_oidc_redis_conn_write(ngx_oidc_redis_conn_t *conn,
    u_char *command, size_t len);

/* from now on answers come without having been asked for */

void ngx_oidc_redis_conn_push(ngx_oidc_redis_conn_t *conn);
void ngx_oidc_redis_conn_close(ngx_oidc_redis_conn_t *conn);


/* tls: contexts and connections are SSL_CTX and SSL of OpenSSL */

void *ngx_oidc_redis_tls_add(ngx_conf_t *cf, ngx_oidc_redis_conf_t *conf);
void *ngx_oidc_redis_tls_connection(void *ctx, ngx_str_t *name,
    ngx_uint_t verify);
void ngx_oidc_redis_tls_free(void *ssl);

/* where a certificate was refused, says so in place of what is there */

void ngx_oidc_redis_tls_error(void *ssl, const char **error);
void ngx_oidc_redis_tls_clear(void);


/* link */

typedef enum {
    NGX_OIDC_REDIS_LINK_IDLE = 0,   /* -> LOCATE, by start */
    NGX_OIDC_REDIS_LINK_WAIT,       /* backing off -> LOCATE */
    NGX_OIDC_REDIS_LINK_LOCATE,     /* a Sentinel is asked -> RESOLVE, WAIT */
    NGX_OIDC_REDIS_LINK_RESOLVE,    /* -> CONNECT, WAIT */
    NGX_OIDC_REDIS_LINK_CONNECT,    /* -> READY, WAIT */
    NGX_OIDC_REDIS_LINK_READY       /* -> WAIT; IDLE by stop */
} ngx_oidc_redis_link_state_e;


typedef struct {
    void                      (*ready)(ngx_oidc_redis_link_t *link);
    void                      (*down)(ngx_oidc_redis_link_t *link);
    void                      (*reply)(ngx_oidc_redis_link_t *link,
                                       oidc_redis_reply_t *reply);
} ngx_oidc_redis_link_handlers_t;


struct ngx_oidc_redis_link_s {
    ngx_oidc_redis_t           *redis;
    void                       *data;
    const ngx_oidc_redis_link_handlers_t
                               *handlers;

    ngx_oidc_redis_addr_t       addr;
    ngx_str_t                   user;
    ngx_str_t                   password;
    ngx_int_t                   db;         /* <= 0: not selected */

    ngx_oidc_redis_link_state_e state;
    ngx_oidc_redis_conn_t      *conn;       /* CONNECT, READY */
    ngx_event_t                 timer;
    ngx_uint_t                  failures;   /* since it was READY */
    ngx_uint_t                  backoff;    /* failures since it has lasted */
    ngx_msec_t                  ready_at;

    ngx_oidc_fetch_t            fetch;      /* RESOLVE */
    u_char                      literal[NGX_SOCKADDR_STRLEN + 1];
    u_char                      url[OIDC_REDIS_HOST_MAX + 32];

    ngx_queue_t                 queue;      /* LOCATE: of the Sentinels */

    ngx_uint_t                  hellos;     /* CONNECT: answers to come */
    ngx_uint_t                  hello;
    u_char                      hello_kind[NGX_OIDC_REDIS_HELLO_MAX];

    unsigned                    sentinel:1; /* to be located first */
    unsigned                    astray:1;   /* addr was no master just now */
    unsigned                    pinned:1;   /* to "literal", wherever it is */
};


void ngx_oidc_redis_link_init(ngx_oidc_redis_link_t *link,
    ngx_oidc_redis_t *redis, const ngx_oidc_redis_link_handlers_t *handlers,
    void *data);
void ngx_oidc_redis_link_start(ngx_oidc_redis_link_t *link);
void ngx_oidc_redis_link_stop(ngx_oidc_redis_link_t *link);

/* lost for a reason that the other side did not give; down() is called */

void ngx_oidc_redis_link_fail(ngx_oidc_redis_link_t *link,
    ngx_oidc_redis_result_e result, const char *why);
void ngx_oidc_redis_link_located(ngx_oidc_redis_link_t *link,
    ngx_str_t *host, in_port_t port);

ngx_int_t ngx_oidc_redis_link_write(ngx_oidc_redis_link_t *link,
    ngx_uint_t argc, ngx_str_t *argv);


/* node, and the commands in its queues */

struct ngx_oidc_redis_call_s {
    ngx_queue_t                 queue;
    ngx_oidc_redis_cmd_t       *cmd;        /* NULL: nobody waits */
    ngx_oidc_redis_node_t      *node;       /* where it must go; or NULL */
    ngx_msec_t                  deadline;
    uint16_t                    slot;       /* or SLOT_NONE */
    uint8_t                     redirects;
    uint8_t                     skip;       /* answers that are not its own */
    uint8_t                     reason;     /* to try again, a result */

    unsigned                    idempotent:1;
    unsigned                    again:1;    /* was sent once more */
    unsigned                    asking:1;
    unsigned                    cancelled:1;

    size_t                      len;
    u_char                      bytes[1];
};


struct ngx_oidc_redis_node_s {
    ngx_oidc_redis_t           *redis;
    ngx_oidc_redis_link_t       link;
    ngx_str_t                   name;
    u_char                      text[OIDC_REDIS_HOST_MAX + sizeof(":65535")];
    uint32_t                    hash;       /* of name and literal address */

    ngx_queue_t                 sent;       /* in the order of the answers */
    ngx_queue_t                 waiting;    /* for the link */
    ngx_uint_t                  calls;
    size_t                      bytes;
    ngx_event_t                 timer;

    ngx_uint_t                  slots;      /* of a Cluster */
    ngx_uint_t                  named;      /* by the map of this number */
    unsigned                    seed:1;
};


ngx_oidc_redis_node_t *ngx_oidc_redis_node_create(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_addr_t *addr);
void ngx_oidc_redis_node_free(ngx_oidc_redis_node_t *node);

/* NGX_ERROR: result says why, and the call is the caller's still */

ngx_int_t ngx_oidc_redis_node_send(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, ngx_oidc_redis_result_e *result);

void ngx_oidc_redis_addr_set(ngx_oidc_redis_addr_t *addr,
    oidc_redis_url_t *url);
ngx_uint_t ngx_oidc_redis_addr_is(ngx_oidc_redis_addr_t *addr,
    ngx_str_t *host, in_port_t port);
void ngx_oidc_redis_addr_text(ngx_oidc_redis_addr_t *addr, u_char *buf,
    ngx_str_t *text);


/* redis */

struct ngx_oidc_redis_run_s {
    ngx_log_t                  *log;
    ngx_queue_t                 watches;
    ngx_queue_t                 subs;
    ngx_queue_t                 delayed;    /* calls to be sent once more */
    ngx_event_t                 timer;

    ngx_oidc_redis_node_t     **nodes;      /* NODES_MAX; [0] always */
    ngx_uint_t                  n;
    ngx_uint_t                  version;

    ngx_oidc_redis_cluster_t   *cluster;    /* NULL: none */
    ngx_oidc_redis_sentinel_t  *sentinel;   /* NULL: none */

    /* what was said of each kind of failure, and when */
    ngx_msec_t                  said_at[NGX_OIDC_REDIS_FAILOVER + 1];
    uint32_t                    said[NGX_OIDC_REDIS_FAILOVER + 1];
    ngx_uint_t                  unsaid[NGX_OIDC_REDIS_FAILOVER + 1];
    unsigned                    refused_said:1;
};


struct ngx_oidc_redis_s {
    ngx_oidc_redis_conf_t       conf;
    oidc_redis_url_t           *urls;
    ngx_uint_t                  n;
    ngx_str_t                   user;
    ngx_str_t                   password;
    ngx_int_t                   db;
    void                       *tls;        /* SSL_CTX; NULL: no TLS */
    ngx_oidc_redis_run_t       *run;        /* of the worker; NULL: none */
};


/* a call that was answered, or (NULL) never will be, by "result" */

void ngx_oidc_redis_answer(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, oidc_redis_reply_t *reply);
void ngx_oidc_redis_finish(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_call_t *call, ngx_oidc_redis_result_e result,
    oidc_redis_reply_t *reply);

/* at exit: nobody is told */

void ngx_oidc_redis_drop(ngx_oidc_redis_call_t *call);

/* sent again somewhat later, wherever it then belongs */

void ngx_oidc_redis_later(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_call_t *call);

/* the handler of run->timer */

void ngx_oidc_redis_again(ngx_event_t *ev);

/* NULL: none that could take it */

ngx_oidc_redis_node_t *ngx_oidc_redis_route(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_call_t *call);

/*
 * A line in the log unless there was one of this result and reason just now;
 * "why" NULL: what the result means
 */

void ngx_oidc_redis_say(ngx_oidc_redis_t *redis,
    ngx_oidc_redis_result_e result, ngx_str_t *node, const char *why);

/* RESP: a command as an array of strings; "buf" has room for _size() bytes */

size_t ngx_oidc_redis_format_size(ngx_uint_t argc, ngx_str_t *argv);
u_char *ngx_oidc_redis_format(u_char *buf, ngx_uint_t argc, ngx_str_t *argv);


/* sentinel */

ngx_int_t ngx_oidc_redis_sentinel_init(ngx_oidc_redis_t *redis);
void ngx_oidc_redis_sentinel_exit(ngx_oidc_redis_t *redis);

/* link_located() or link_fail() will be called, never inside */

void ngx_oidc_redis_sentinel_ask(ngx_oidc_redis_link_t *link);


/* cluster */

ngx_int_t ngx_oidc_redis_cluster_init(ngx_oidc_redis_t *redis);
void ngx_oidc_redis_cluster_exit(ngx_oidc_redis_t *redis);

/* the node for a slot; NULL: not known; route: some node then, if there is */

ngx_oidc_redis_node_t *ngx_oidc_redis_cluster_node(ngx_oidc_redis_t *redis,
    ngx_uint_t slot);

ngx_oidc_redis_node_t *ngx_oidc_redis_cluster_route(ngx_oidc_redis_t *redis,
    ngx_uint_t slot);

/*
 * NGX_OK: the call went where the answer says; still the caller's after
 * NGX_ERROR, that node cannot be reached, and NGX_DECLINED, no more is tried
 */

ngx_int_t ngx_oidc_redis_cluster_redirect(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, oidc_redis_reply_t *reply);

/* the map may be outdated: loaded again soon, at a limited rate */

void ngx_oidc_redis_cluster_reload(ngx_oidc_redis_t *redis);
void ngx_oidc_redis_cluster_down(ngx_oidc_redis_node_t *node);


/* sub */

void ngx_oidc_redis_sub_exit(ngx_oidc_redis_t *redis);


#endif /* _NGX_OIDC_REDIS_RUN_H_INCLUDED_ */
