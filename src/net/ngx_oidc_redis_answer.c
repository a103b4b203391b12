
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides whether an error is a reason to send a command once more, what an
 * answer means to the caller, and what the log is told and how often.  Never
 * looks into what was asked or answered beyond the first word of an error, and
 * never logs any of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


/* between two tries of a command that a server could not execute just now */

#define NGX_OIDC_REDIS_AGAIN  100

/* between two lines of the log about one kind of failure: the same, another */

#define NGX_OIDC_REDIS_QUIET  (10 * 1000)
#define NGX_OIDC_REDIS_NEWS   500


static void ngx_oidc_redis_error(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, oidc_redis_reply_t *reply,
    oidc_redis_error_e error);
static void ngx_oidc_redis_lost_master(ngx_oidc_redis_node_t *node);


/* what it is called, and what the log says of a server that answers so */

static const struct {
    const char  *text;
    const char  *why;
} ngx_oidc_redis_results[] = {
    { "ok", "" },
    { "error", "it refuses a command" },
    { "unavailable", "unavailable" },
    { "busy", "too many commands wait for it" },
    { "loading", "it is loading its data" },
    { "read-only", "it cannot be written to: a replica, or it cannot save or "
                   "replicate" },
    { "not permitted", "the user has no right to a command, or must log in" },
    { "full", "out of memory (maxmemory)" },
    { "failing over", "the cluster or its master is not available for a key" }
};


const char *
ngx_oidc_redis_result_text(ngx_oidc_redis_result_e result)
{
    return ngx_oidc_redis_results[result].text;
}


void
ngx_oidc_redis_answer(ngx_oidc_redis_node_t *node,
    ngx_oidc_redis_call_t *call, oidc_redis_reply_t *reply)
{
    oidc_redis_error_e  error;

    error = oidc_redis_error(reply);

    if (call->cmd != NULL) {
        call->cmd->from = node;
    }

    if (error == OIDC_REDIS_FINE) {
        ngx_oidc_redis_finish(node->redis, call, NGX_OIDC_REDIS_OK, reply);
        return;
    }

    ngx_oidc_redis_error(node, call, reply, error);
}


static void
ngx_oidc_redis_error(ngx_oidc_redis_node_t *node, ngx_oidc_redis_call_t *call,
    oidc_redis_reply_t *reply, oidc_redis_error_e error)
{
    ngx_int_t                 rc;
    ngx_uint_t                again;
    const char               *why;
    ngx_oidc_redis_t         *redis;
    ngx_oidc_redis_result_e   result;

    redis = node->redis;
    again = 0;
    why = NULL;

    switch (error) {

    case OIDC_REDIS_MOVED:
    case OIDC_REDIS_ASK:
        result = NGX_OIDC_REDIS_FAILOVER;

        if (redis->run->cluster == NULL) {
            why = "it belongs to a Cluster, which the configuration does not "
                  "say";
            break;
        }

        rc = call->node != NULL
             ? NGX_DECLINED
             : ngx_oidc_redis_cluster_redirect(node, call, reply);

        if (rc == NGX_OK) {
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_oidc_redis_finish(redis, call, NGX_OIDC_REDIS_UNAVAILABLE,
                                  NULL);
            return;
        }

        why = "its answers lead from node to node";
        break;

    case OIDC_REDIS_LOADING:
        result = NGX_OIDC_REDIS_LOADING;
        again = 1;
        break;

    case OIDC_REDIS_READONLY:
        result = NGX_OIDC_REDIS_READONLY;
        again = 1;
        break;

    case OIDC_REDIS_MISCONF:
        result = NGX_OIDC_REDIS_READONLY;
        break;

    case OIDC_REDIS_AUTH:
        result = NGX_OIDC_REDIS_AUTH;
        break;

    case OIDC_REDIS_FULL:
        result = NGX_OIDC_REDIS_FULL;
        break;

    case OIDC_REDIS_FAILOVER:
        result = NGX_OIDC_REDIS_FAILOVER;
        again = 1;
        break;

    default: /* OIDC_REDIS_OTHER */
        ngx_oidc_redis_finish(redis, call, NGX_OIDC_REDIS_ERROR, reply);
        return;
    }

    ngx_oidc_redis_say(redis, result, &node->name, why);

    /* a node that it is bound to may be gone by then */

    again = again && !call->again && !call->cancelled
            && (call->node == NULL || redis->run->cluster == NULL);

    if (again) {
        call->again = 1;
        call->reason = result;
        ngx_oidc_redis_later(redis, call);

    } else {
        ngx_oidc_redis_finish(redis, call, result, reply);
    }

    if (error == OIDC_REDIS_READONLY) {
        ngx_oidc_redis_lost_master(node);

    } else if (error == OIDC_REDIS_FAILOVER && redis->run->cluster != NULL) {
        ngx_oidc_redis_cluster_reload(redis);
    }
}


/*
 * A replica answers where the master was: another one is asked for, of the
 * Sentinels, of the map, or of the name's addresses
 */

static void
ngx_oidc_redis_lost_master(ngx_oidc_redis_node_t *node)
{
    ngx_oidc_redis_link_t  *link;

    if (node->redis->run->cluster != NULL) {
        ngx_oidc_redis_cluster_reload(node->redis);
        return;
    }

    link = &node->link;

    if (link->state == NGX_OIDC_REDIS_LINK_READY) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_READONLY,
                                 "a replica: looking for the master again");
    }
}


void
ngx_oidc_redis_finish(ngx_oidc_redis_t *redis, ngx_oidc_redis_call_t *call,
    ngx_oidc_redis_result_e result, oidc_redis_reply_t *reply)
{
    ngx_oidc_redis_cmd_t  *cmd;

    cmd = call->cmd;

    ngx_free(call);

    if (cmd == NULL) {
        return;
    }

    cmd->call = NULL;
    cmd->result = result;

    cmd->done(cmd, reply);
}


void
ngx_oidc_redis_drop(ngx_oidc_redis_call_t *call)
{
    if (call->cmd != NULL) {
        call->cmd->call = NULL;
    }

    ngx_free(call);
}


void
ngx_oidc_redis_later(ngx_oidc_redis_t *redis, ngx_oidc_redis_call_t *call)
{
    ngx_oidc_redis_run_t  *run;

    run = redis->run;

    ngx_queue_insert_tail(&run->delayed, &call->queue);

    if (!run->timer.timer_set) {
        ngx_add_timer(&run->timer, NGX_OIDC_REDIS_AGAIN);
    }
}


void
ngx_oidc_redis_again(ngx_event_t *ev)
{
    ngx_queue_t               *q, all;
    ngx_oidc_redis_t          *redis;
    ngx_oidc_redis_call_t     *call;
    ngx_oidc_redis_node_t     *node;
    ngx_oidc_redis_result_e    result;

    redis = ev->data;

    ngx_queue_init(&all);

    if (!ngx_queue_empty(&redis->run->delayed)) {
        ngx_queue_add(&all, &redis->run->delayed);
        ngx_queue_init(&redis->run->delayed);
    }

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);
        call = ngx_queue_data(q, ngx_oidc_redis_call_t, queue);

        node = ngx_oidc_redis_route(redis, call);

        if (call->cancelled
            || (ngx_msec_int_t) (call->deadline - ngx_current_msec) <= 0
            || node == NULL
            || ngx_oidc_redis_node_send(node, call, &result) != NGX_OK)
        {
            ngx_oidc_redis_finish(redis, call, call->reason, NULL);
        }
    }
}


void
ngx_oidc_redis_say(ngx_oidc_redis_t *redis, ngx_oidc_redis_result_e result,
    ngx_str_t *node, const char *why)
{
    uint32_t              said;
    ngx_msec_t            now, quiet;
    ngx_uint_t            unsaid;
    ngx_oidc_redis_run_t  *run;

    run = redis->run;
    now = ngx_current_msec;

    if (why == NULL) {
        why = ngx_oidc_redis_results[result].why;
    }

    said = ngx_murmur_hash2((u_char *) why, ngx_strlen(why));

    quiet = (said == run->said[result]) ? NGX_OIDC_REDIS_QUIET
                                        : NGX_OIDC_REDIS_NEWS;

    if (run->said_at[result] && now - run->said_at[result] < quiet) {
        run->unsaid[result]++;
        return;
    }

    unsaid = run->unsaid[result];

    run->said_at[result] = now ? now : 1;
    run->said[result] = said;
    run->unsaid[result] = 0;

    if (unsaid) {
        ngx_log_error(NGX_LOG_ERR, run->log, 0,
                      "oidc: redis \"%V\": %V: %s (%ui more of this kind since "
                      "the last line)", &redis->conf.name, node, why, unsaid);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, run->log, 0, "oidc: redis \"%V\": %V: %s",
                  &redis->conf.name, node, why);
}
