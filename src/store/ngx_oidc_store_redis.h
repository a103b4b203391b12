
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What the files of the Redis store share: the store itself, jobs, which are
 * ops with commands under way, and the local copy.  Keys, all with a time to
 * live, names in base64url:
 *
 *   <prefix>s:{name}   a session, the record as in oidc_record.h
 *   <prefix>l:{name}   its lock, in the same slot: who has it
 *   <prefix>o:{name}   the mark of what was used once
 *   <prefix>i:{name}   an index: names of sessions, scored by when they end
 */


#ifndef _NGX_OIDC_STORE_REDIS_H_INCLUDED_
#define _NGX_OIDC_STORE_REDIS_H_INCLUDED_


#include "ngx_oidc_store.h"
#include "ngx_oidc_store_type.h"


typedef struct ngx_oidc_copy_s  ngx_oidc_copy_t;
typedef struct ngx_oidc_job_s   ngx_oidc_job_t;


/* one per store and process */

typedef struct {
    ngx_oidc_store_t          *store;
    ngx_oidc_redis_t          *redis;
    ngx_str_t                  prefix;
    ngx_oidc_copy_t           *copy;        /* NULL: none */
} ngx_oidc_far_t;


/* one answer, to command "i"; sets what the op will say */

typedef void (*ngx_oidc_job_answer_pt)(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);

/* all were answered: NGX_AGAIN where it has sent more, else the op's result */

typedef ngx_int_t (*ngx_oidc_job_next_pt)(ngx_oidc_job_t *job);


typedef struct {
    ngx_oidc_redis_cmd_t       cmd;
    u_char                     key[OIDC_RECORD_KEY_MAX];
} ngx_oidc_job_cmd_t;


struct ngx_oidc_job_s {
    ngx_oidc_store_op_t       *op;
    ngx_oidc_far_t            *far;

    ngx_oidc_job_cmd_t        *cmds;        /* "max" of them, "sent" are used */
    ngx_uint_t                 max;
    ngx_uint_t                 sent;
    ngx_uint_t                 waits;       /* for so many answers */
    ngx_oidc_redis_result_e    failed;      /* the first that did */

    ngx_oidc_job_answer_pt     answer;
    ngx_oidc_job_next_pt       next;

    ngx_int_t                  rc;          /* of the op, as far as known */
    uint64_t                   ticket;      /* of the local copy; 0: none */
    uint64_t                   asked;       /* when, ngx_current_msec */
    uint64_t                   source;      /* id of the node that answered */

    /* of "end" and "count" */
    ngx_oidc_redis_node_t     *node;
    void                      *walk;
    unsigned                   once:1;      /* never sent a second time */
    unsigned                   drop:1;      /* the record is another then */
};


/* ngx_oidc_store_redis_job.c */

/* room for "max" commands at a time; NULL: no memory */

ngx_oidc_job_t *ngx_oidc_job_create(ngx_oidc_store_op_t *op, ngx_uint_t max,
    ngx_oidc_job_answer_pt answer, ngx_oidc_job_next_pt next);

/*
 * One command about the record "name" of a kind, whose key takes the place of
 * the argument without data; or where name is NULL, one to job->node.
 */

void ngx_oidc_job_send(ngx_oidc_job_t *job, ngx_oidc_store_kind_e kind,
    const u_char *name, ngx_str_t *argv, ngx_uint_t argc);

/* for a verb: NGX_AGAIN, or NGX_ERROR where nothing was sent */

ngx_int_t ngx_oidc_job_wait(ngx_oidc_job_t *job);
void ngx_oidc_job_cancel(ngx_oidc_store_op_t *op);

ngx_str_t ngx_oidc_job_key(ngx_oidc_far_t *far, ngx_oidc_store_kind_e kind,
    const u_char *name, u_char *buf);

/* a number as an argument, in NGX_INT64_LEN bytes of buf */

ngx_str_t ngx_oidc_job_number(uint64_t n, u_char *buf);

/* nobody waits for it, and nobody can tell whether it was done */

void ngx_oidc_job_forget(ngx_oidc_far_t *far, ngx_oidc_store_kind_e kind,
    const u_char *name, ngx_str_t *argv, ngx_uint_t argc);


/* ngx_oidc_store_redis.c: SET key value PX ttl, then "NX" or "XX" */

void ngx_oidc_far_set(ngx_oidc_job_t *job, ngx_str_t *value,
    const char *condition);

/* what most verbs do with their answers, and when all are there */

void ngx_oidc_far_answer(ngx_oidc_job_t *job, ngx_uint_t i,
    oidc_redis_reply_t *reply);
ngx_int_t ngx_oidc_far_next(ngx_oidc_job_t *job);

/* a session's name as an index holds it, in OIDC_RECORD_TEXT bytes of buf */

ngx_str_t ngx_oidc_far_name(const u_char *name, u_char *buf);


/* ngx_oidc_store_redis_create.c */

ngx_int_t ngx_oidc_far_create(ngx_oidc_store_op_t *op);


/* ngx_oidc_store_redis_end.c */

ngx_int_t ngx_oidc_far_end(ngx_oidc_store_op_t *op);
ngx_int_t ngx_oidc_far_count(ngx_oidc_store_op_t *op);


/*
 * ngx_oidc_store_redis_copy.c: records as Redis last gave them, in memory that
 * workers share.  All of it is harmless with "copy" NULL.
 */

ngx_int_t ngx_oidc_copy_add(ngx_conf_t *cf, ngx_oidc_far_t *far,
    ngx_oidc_store_conf_t *conf);

/*
 * NGX_OK as get; NGX_DECLINED: ask, and bring the answer with the ticket, where
 * one was given (not 0)
 */

ngx_int_t ngx_oidc_copy_get(ngx_oidc_far_t *far, ngx_oidc_store_op_t *op,
    uint64_t *ticket);

/*
 * What was given meanwhile counts only where its ticket still stands, and where
 * it came from the node that was asked for then: of a key that has moved since,
 * another one tells the changes.
 */

void ngx_oidc_copy_source(ngx_oidc_job_t *job, ngx_oidc_redis_node_t *node);
void ngx_oidc_copy_fill(ngx_oidc_job_t *job, oidc_str_t *value,
    size_t head_len);

/* before a change is sent, and again when it was done */

void ngx_oidc_copy_drop(ngx_oidc_far_t *far, const u_char *name);
void ngx_oidc_copy_touch(ngx_oidc_far_t *far, ngx_oidc_store_op_t *op);

void ngx_oidc_copy_stat(ngx_oidc_far_t *far, ngx_oidc_store_stat_t *st);


/* ngx_oidc_store_redis_watch.c: who keeps it true */

ngx_int_t ngx_oidc_copy_watch(ngx_oidc_far_t *far, ngx_cycle_t *cycle);
void ngx_oidc_copy_unwatch(ngx_oidc_far_t *far);


#endif /* _NGX_OIDC_STORE_REDIS_H_INCLUDED_ */
