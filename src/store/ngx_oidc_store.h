
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Records by name, kept for a time: the sessions, and the marks of what may be
 * used only once.  A store sees names and sealed bytes; the handle in the
 * user's cookie yields both the name and the sealing key (oidc_handle_keys()),
 * and neither it nor a key ever comes here.
 *
 * A verb takes an op that its caller has filled and keeps until it is over.
 * Unless it returns NGX_AGAIN the op is over and op->done was not called; after
 * NGX_AGAIN done is called exactly once with op->rc set, never inside the verb
 * and never after ngx_oidc_store_cancel().
 */


#ifndef _NGX_OIDC_STORE_H_INCLUDED_
#define _NGX_OIDC_STORE_H_INCLUDED_


#include "ngx_oidc_redis.h"

#include "oidc_record.h"


#define NGX_OIDC_STORE_NAME_LEN   OIDC_RECORD_NAME

/* of one value, in any store; a session with four fat tokens takes 40 kB */

#define NGX_OIDC_STORE_VALUE_MAX  (256 * 1024)

#define NGX_OIDC_STORE_SIZE       (8 * 1024 * 1024)

#define NGX_OIDC_STORE_KNOWN_MAX  32

/* who holds a lock: so many random bytes */

#define NGX_OIDC_STORE_OWNER_LEN  16

/* a session is found by so many names at most: its sid, its iss and sub */

#define NGX_OIDC_STORE_INDEXES    2

/* a session that is to end can be named by so many bytes at least */

#define NGX_OIDC_STORE_PREFIX_MIN 4


typedef struct ngx_oidc_store_s     ngx_oidc_store_t;
typedef struct ngx_oidc_store_op_s  ngx_oidc_store_op_t;


/* each kind is a key space of its own; verbs say which kinds they take */

typedef enum {
    NGX_OIDC_STORE_SESSION = 0,
    NGX_OIDC_STORE_ONCE,        /* marks of what was used */
    NGX_OIDC_STORE_LOCK,        /* a session's lock has the session's name */
    NGX_OIDC_STORE_INDEX,       /* names under which sessions are found */
    NGX_OIDC_STORE_TOKEN        /* what is known of tokens: to lose it costs
                                   a call, so an eviction is not logged */
} ngx_oidc_store_kind_e;


/* what lies behind a result other than NGX_OK; the caller maps and logs it */

typedef enum {
    NGX_OIDC_STORE_FINE = 0,
    NGX_OIDC_STORE_ABSENT,      /* NGX_DECLINED: no such name, or expired */
    NGX_OIDC_STORE_PRESENT,     /* NGX_DECLINED: taken, spent or locked */
    NGX_OIDC_STORE_ENDED,       /* NGX_DECLINED: by "end", while it was made */
    NGX_OIDC_STORE_TOO_BIG,     /* NGX_DECLINED: value longer than op->limit */
    NGX_OIDC_STORE_FULL,        /* NGX_BUSY: no room for a mark or a lock */
    NGX_OIDC_STORE_UNAVAILABLE  /* NGX_ERROR: the store's fault, or no memory */
} ngx_oidc_store_why_e;


struct ngx_oidc_store_op_s {
    ngx_oidc_store_t           *store;
    ngx_oidc_store_kind_e       kind;
    u_char                      name[NGX_OIDC_STORE_NAME_LEN];

    /* in: what to write, not kept; out of get: a copy in op->pool */
    ngx_str_t                   value;

    /*
     * The first head_len bytes of a value are what most requests need.
     * in: at create and replace, at most value.len; out of get: as stored
     */
    size_t                      head_len;

    /*
     * get: how the value began when the caller saw it last, at most
     * NGX_OIDC_STORE_KNOWN_MAX bytes; where it still does, "same" is set and
     * the value, with a fresh nonce in every seal, need not be copied again
     */
    ngx_str_t                   known;

    /* in: time to live from now, not 0; out of get: what is left of it */
    ngx_msec_t                  ttl;

    /*
     * create and del of a session: the names under which "end" finds it, and
     * for create how long they can be needed: the session's whole lifetime
     */
    u_char                    (*index)[NGX_OIDC_STORE_NAME_LEN];
    ngx_uint_t                  indexes;    /* at most NGX_OIDC_STORE_INDEXES */
    ngx_msec_t                  index_ttl;

    /* lock and unlock: who; end of sessions: how much of "name" counts */
    u_char                      owner[NGX_OIDC_STORE_OWNER_LEN];
    size_t                      name_len;

    /* out of end and count */
    uint64_t                    count;

    ngx_pool_t                 *pool;
    ngx_log_t                  *log;

    void                      (*done)(ngx_oidc_store_op_t *op);
    void                       *data;

    ngx_int_t                   rc;
    ngx_oidc_store_why_e        why;
    const char                 *fault;   /* out with UNAVAILABLE; or NULL */
    size_t                      limit;   /* out with TOO_BIG: bytes */

    void                       *ctx;     /* the store's own while NGX_AGAIN */

    unsigned                    head:1;  /* get: the head is enough */
    unsigned                    fresh:1; /* get: not what was true just now */
    unsigned                    same:1;  /* out of get, see "known" */
};


/* what "oidc_session_store name { }" says, or the automatic store's makings */

typedef struct {
    ngx_str_t                   name;    /* also names the shared zone */
    ngx_str_t                   type;    /* empty: memory */
    size_t                      size;    /* NGX_CONF_UNSET_SIZE: 8m */
    void                       *tag;     /* address of the http module */

    /* of type redis */
    ngx_oidc_redis_conf_t       redis;
    ngx_str_t                   prefix;  /* of keys */
    size_t                      copy;    /* size of the local one; 0: none */
} ngx_oidc_store_conf_t;


typedef struct {
    uint64_t                    records;    /* now, expired ones included */
    uint64_t                    evicted;    /* since the zone was made */
    uint64_t                    expired;
    uint64_t                    too_big;
    uint64_t                    marks_full;
    uint64_t                    rebuilt;    /* after the death of a worker */

    /* of the local copy of a Redis store, as all the rest is then */
    uint64_t                    hits;
    uint64_t                    misses;     /* and Redis was asked */
    ngx_uint_t                  trusted;    /* nodes that tell changes now */

    size_t                      size;       /* bytes for records */
    size_t                      free;
} ngx_oidc_store_stat_t;


/*
 * Makes a store at configuration time.  NULL after an [emerg] with file and
 * line: unknown type, size too small, zone name taken by something else.
 */

ngx_oidc_store_t *ngx_oidc_store_add(ngx_conf_t *cf,
    ngx_oidc_store_conf_t *conf);

/* the store's name as given, for logs; lives as long as the cycle */

ngx_str_t *ngx_oidc_store_name(ngx_oidc_store_t *store);

/* 1 where its verbs may return NGX_AGAIN, and other hosts share it */

ngx_uint_t ngx_oidc_store_waits(ngx_oidc_store_t *store);

/* in a worker, once for each store; after and before ngx_oidc_curl's */

ngx_int_t ngx_oidc_store_init_process(ngx_oidc_store_t *store,
    ngx_cycle_t *cycle);
void ngx_oidc_store_exit_process(ngx_oidc_store_t *store);


/* NGX_OK, ABSENT; counts as use of the record, which is then not idle */
ngx_int_t ngx_oidc_store_get(ngx_oidc_store_op_t *op);

/* NGX_OK, PRESENT, TOO_BIG; makes room by itself */
ngx_int_t ngx_oidc_store_create(ngx_oidc_store_op_t *op);

/* NGX_OK, ABSENT, TOO_BIG; writes only what still exists, value and ttl */
ngx_int_t ngx_oidc_store_replace(ngx_oidc_store_op_t *op);

/* NGX_OK, ABSENT; sets the ttl of what still exists, a mark as well */
ngx_int_t ngx_oidc_store_touch(ngx_oidc_store_op_t *op);

/* NGX_OK, ABSENT; a session is taken out of its indexes, a mark is undone */
ngx_int_t ngx_oidc_store_del(ngx_oidc_store_op_t *op);

/*
 * NGX_OK the first time a name is seen within its ttl, then PRESENT, and
 * NGX_BUSY with FULL, in which case nobody may be let through.
 */
ngx_int_t ngx_oidc_store_once(ngx_oidc_store_op_t *op);

/*
 * A lease on "name" for op->owner, over all workers and, where they share the
 * store, all hosts: NGX_OK, PRESENT while another owner has it, NGX_BUSY with
 * FULL.  It ends with its ttl if not before.
 */
ngx_int_t ngx_oidc_store_lock(ngx_oidc_store_op_t *op);

/*
 * Gives the lease back, if it is still op->owner's.  There is nothing to wait
 * for and done is not called: this may be the last act of a dying request.
 */
void ngx_oidc_store_unlock(ngx_oidc_store_op_t *op);

/*
 * Ends sessions, by kind: INDEX, all that were created under the index "name",
 * in time that depends on their number alone; SESSION, those whose name begins
 * with the first name_len bytes of "name", at least NGX_OIDC_STORE_PREFIX_MIN,
 * for the administrator and slow.  NGX_OK with op->count, which may be 0.
 */
ngx_int_t ngx_oidc_store_end(ngx_oidc_store_op_t *op);

/* NGX_OK with op->count: sessions that are not over; slow, for people */
ngx_int_t ngx_oidc_store_count(ngx_oidc_store_op_t *op);

/* only after NGX_AGAIN and before done; the op is the caller's again */
void ngx_oidc_store_cancel(ngx_oidc_store_op_t *op);


/*
 * One sentence for the log about an op that failed, with what the operator can
 * change: 'session of 70000 bytes does not fit ..., raise its "size"'.  At most
 * "last - buf" bytes; returns the end.
 */
u_char *ngx_oidc_store_explain(ngx_oidc_store_op_t *op, u_char *buf,
    u_char *last);

/* NGX_DECLINED where the store does not count */
ngx_int_t ngx_oidc_store_stat(ngx_oidc_store_t *store,
    ngx_oidc_store_stat_t *st);


#endif /* _NGX_OIDC_STORE_H_INCLUDED_ */
