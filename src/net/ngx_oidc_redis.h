
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A client of Redis (or Valkey) for workers: one server, the master that
 * Sentinels name, or a Cluster.  Commands are pipelined over one connection
 * per worker and node, in the order in which they are sent.
 *
 * What is asked for stands in ngx_oidc_redis_conf_t at configuration time;
 * nothing connects before ngx_oidc_redis_init_process().
 */


#ifndef _NGX_OIDC_REDIS_H_INCLUDED_
#define _NGX_OIDC_REDIS_H_INCLUDED_


#include "ngx_oidc.h"

#include "oidc_redis.h"


/* per node and worker; what is beyond is refused at once */

#define NGX_OIDC_REDIS_CALLS_MAX  4096
#define NGX_OIDC_REDIS_BYTES_MAX  (16 * 1024 * 1024)

/* of one answer; a longer one closes the connection */

#define NGX_OIDC_REDIS_REPLY_MAX  (4 * 1024 * 1024)

#define NGX_OIDC_REDIS_ARGS_MAX   64
#define NGX_OIDC_REDIS_NODES_MAX  256

#define NGX_OIDC_REDIS_CONNECT_TIMEOUT  1000
#define NGX_OIDC_REDIS_COMMAND_TIMEOUT  1000


typedef struct ngx_oidc_redis_s       ngx_oidc_redis_t;
typedef struct ngx_oidc_redis_node_s  ngx_oidc_redis_node_t;
typedef struct ngx_oidc_redis_cmd_s   ngx_oidc_redis_cmd_t;
typedef struct ngx_oidc_redis_sub_s   ngx_oidc_redis_sub_t;


/*
 * To be zeroed first.  Strings must live as long as the cycle; none is ever
 * logged but URLs without user and password, the name and the client name.
 */

typedef struct {
    ngx_str_t               name;       /* of the store, for logs */
    ngx_log_t              *log;        /* NULL: the cycle's */

    /*
     * URLs as ngx_str_t, at least one: redis://[[user]:password@]host[:port]
     * [/db], rediss:// likewise, unix:/path[?db=N].  Several are Sentinels
     * with "sentinel" set, or seeds with "cluster".
     */
    ngx_array_t            *servers;

    ngx_str_t               user;       /* empty: that of the URL */
    ngx_str_t               password;
    ngx_int_t               db;         /* < 0: that of the URL, or 0 */
    ngx_str_t               client_name;    /* empty: "nginx-oidc" */

    /* name of the master; the URLs' user and password are then of Sentinels */
    ngx_str_t               sentinel;

    /* files with full names; TLS is used where a URL is rediss:// */
    ngx_str_t               tls_ca;     /* empty: the system's */
    ngx_str_t               tls_certificate;
    ngx_str_t               tls_key;
    ngx_str_t               tls_name;   /* in certificates; empty: the host */

    ngx_msec_t              connect_timeout;    /* 0: the defaults above */
    ngx_msec_t              command_timeout;

    unsigned                cluster:1;
    unsigned                tls_no_verify:1;
} ngx_oidc_redis_conf_t;


/* how a command ended; each has its line in the log, at a limited rate */

typedef enum {
    NGX_OIDC_REDIS_OK = 0,      /* there is a reply, and it is no error */
    NGX_OIDC_REDIS_ERROR,       /* reply is an error of this command itself */
    NGX_OIDC_REDIS_UNAVAILABLE, /* no connection, or lost, or no answer yet */
    NGX_OIDC_REDIS_BUSY,        /* too many commands wait */
    NGX_OIDC_REDIS_LOADING,
    NGX_OIDC_REDIS_READONLY,    /* a replica, or one that may not write */
    NGX_OIDC_REDIS_AUTH,        /* wrong password, or not permitted */
    NGX_OIDC_REDIS_FULL,        /* over its maxmemory */
    NGX_OIDC_REDIS_FAILOVER     /* of a Cluster or a Sentinel, in progress */
} ngx_oidc_redis_result_e;


/*
 * "reply" lives until done() returns; NULL where none came.  Called exactly
 * once for what send took, never inside send, never after cancel.  The command
 * is the caller's again, who may send or cancel any from here.
 */

typedef void (*ngx_oidc_redis_done_pt)(ngx_oidc_redis_cmd_t *cmd,
    oidc_redis_reply_t *reply);


/* To be zeroed first.  With "done" it stays where it is until then or cancel */

struct ngx_oidc_redis_cmd_s {
    ngx_oidc_redis_t       *redis;

    /* copied by send: any bytes */
    ngx_str_t              *argv;
    ngx_uint_t              argc;

    /* what a Cluster routes by; empty: any node */
    ngx_str_t               key;

    /* this node and no other, see below; NULL: as "key" says */
    ngx_oidc_redis_node_t  *node;

    ngx_msec_t              timeout;    /* 0: command_timeout */
    ngx_oidc_redis_done_pt  done;       /* NULL: the answer does not matter */
    void                   *data;

    ngx_oidc_redis_result_e result;     /* before done, or as send fails */
    ngx_oidc_redis_node_t  *from;       /* whose reply it is, until done ends */

    void                   *call;       /* the client's own; NULL: idle */

    /*
     * Sent once more where the connection was lost before the answer came.
     * Whatever the flag says, a command that was answered by LOADING,
     * READONLY, TRYAGAIN, CLUSTERDOWN or MASTERDOWN, and so was not executed,
     * is sent once more within its time.
     */
    unsigned                idempotent:1;
};


/*
 * At configuration time; NULL after an [emerg] with file and line.  Names are
 * not resolved here but by the workers as they connect, without blocking.
 */

ngx_oidc_redis_t *ngx_oidc_redis_add(ngx_conf_t *cf,
    ngx_oidc_redis_conf_t *conf);

/*
 * In a worker; after ngx_oidc_curl_init_process(), since names resolve over
 * it, and exit before its exit.  Connects at once, not waiting for it.
 * Exit calls no done(): who waits is gone by then.
 */

ngx_int_t ngx_oidc_redis_init_process(ngx_oidc_redis_t *redis,
    ngx_cycle_t *cycle);
void ngx_oidc_redis_exit_process(ngx_oidc_redis_t *redis);

/*
 * NGX_OK: done will be called; NGX_ERROR: it will not, cmd->result says why.
 * While a first connection is made a command waits, within its time; where
 * connecting has failed it is refused until there is a connection.
 */

ngx_int_t ngx_oidc_redis_send(ngx_oidc_redis_cmd_t *cmd);

/* harmless where nothing is in flight; Redis may execute it nevertheless */

void ngx_oidc_redis_cancel(ngx_oidc_redis_cmd_t *cmd);

/* "unavailable", "read-only", ...: for logs */

const char *ngx_oidc_redis_result_text(ngx_oidc_redis_result_e result);


/*
 * The nodes that hold keys now: 0, 1, ... until NULL, and NULL at once where a
 * Cluster is not known yet.  Not to be kept over a return to the event loop;
 * a name ("10.0.0.1:6379") lasts as long as its node.
 */

ngx_oidc_redis_node_t *ngx_oidc_redis_node(ngx_oidc_redis_t *redis,
    ngx_uint_t i);

/*
 * The one that holds a key now, or with key NULL every key; NULL: not known, or
 * with key NULL a Cluster.
 */

ngx_oidc_redis_node_t *ngx_oidc_redis_node_of(ngx_oidc_redis_t *redis,
    ngx_str_t *key);

ngx_str_t *ngx_oidc_redis_node_name(ngx_oidc_redis_node_t *node);

/* tells servers apart, also those that a name has led to one after the other */

uint32_t ngx_oidc_redis_node_hash(ngx_oidc_redis_node_t *node);

/*
 * Counts up whenever the list of nodes changes, or where one is another server
 * now (a failover): time to look at the list again.
 */

ngx_uint_t ngx_oidc_redis_nodes_version(ngx_oidc_redis_t *redis);


/*
 * Invalidation messages of one node (client-side caching): a connection of its
 * own that tracks all keys with a prefix.  It comes back by itself when lost,
 * until closed.
 */

typedef enum {
    /* from now on each change is told; what was learnt before is doubtful */
    NGX_OIDC_REDIS_SUB_UP = 0,

    /* it is not any more */
    NGX_OIDC_REDIS_SUB_DOWN,

    /* "key" was changed, has expired or was evicted */
    NGX_OIDC_REDIS_SUB_KEY,

    /* any key may have changed: the data base was emptied */
    NGX_OIDC_REDIS_SUB_ALL,

    /* a PING sent at sub->pinged (ngx_current_msec) was answered */
    NGX_OIDC_REDIS_SUB_PONG,

    /* the node does not track (said in the log once); tried again later */
    NGX_OIDC_REDIS_SUB_REFUSED
} ngx_oidc_redis_sub_event_e;


/* "key" only with SUB_KEY; the handler may close the subscription */

typedef void (*ngx_oidc_redis_sub_pt)(ngx_oidc_redis_sub_t *sub,
    ngx_oidc_redis_sub_event_e event, ngx_str_t *key);


/* to be zeroed first; stays where it is while open */

struct ngx_oidc_redis_sub_s {
    ngx_oidc_redis_t       *redis;
    ngx_str_t               prefix;     /* lives as long as it is open */
    ngx_msec_t              interval;   /* between PINGs, which also time out */
    ngx_oidc_redis_sub_pt   handler;
    void                   *data;

    ngx_msec_t              pinged;     /* when that PING was sent */

    void                   *run;        /* the client's own; NULL: closed */
};


/*
 * To the very server that commands go to, and to no other until closed.  The
 * handler is never called inside open; NGX_ERROR: no memory, exiting, or the
 * node is not connected yet.
 */

ngx_int_t ngx_oidc_redis_sub_open(ngx_oidc_redis_sub_t *sub,
    ngx_oidc_redis_node_t *node);

/* harmless where it is not open; tells no SUB_DOWN */

void ngx_oidc_redis_sub_close(ngx_oidc_redis_sub_t *sub);


#endif /* _NGX_OIDC_REDIS_H_INCLUDED_ */
