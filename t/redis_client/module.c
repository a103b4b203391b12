
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The client of Redis (src/net/ngx_oidc_redis*.c) inside a real nginx, without
 * sessions: commands and answers over HTTP.  t/redis_client.t builds it.
 *
 *     redis_client server=URL ... user= password= db= name= sentinel= cluster=1
 *         ca= cert= key= tls_name= no_verify=1 connect=ms command=ms;
 *     redis_client_answer;
 *
 *     /cmd?GET&key      what came of it, and its answer; arguments are decoded
 *     /read?...         the same, idempotent
 *     /forget?...       sent, nobody waits
 *     /cancel?...       sent and cancelled at once
 *     /many/N?...       sent N times; how many had which result
 *     /node/N?...       to that node
 *     /sub?prefix       subscribes to all nodes; /unsub
 *     /events           what subscribers were told since the last time
 *     /nodes            names, and the version of the list
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_oidc_curl.h"
#include "ngx_oidc_redis.h"


#define TEST_ARGS    16
#define TEST_SUBS    16
#define TEST_EVENTS  65536


typedef struct {
    ngx_http_request_t     *r;
    ngx_oidc_redis_cmd_t   *cmds;
    ngx_uint_t              n;
    ngx_uint_t              open;
    ngx_uint_t              results[NGX_OIDC_REDIS_FAILOVER + 1];
} test_ctx_t;


static void test_done(ngx_oidc_redis_cmd_t *cmd, oidc_redis_reply_t *reply);


static ngx_oidc_redis_conf_t   test_conf;
static ngx_oidc_redis_t       *test_redis;
static ngx_oidc_redis_sub_t    test_subs[TEST_SUBS];
static u_char                  test_events[TEST_EVENTS];
static u_char                 *test_last = test_events;


extern ngx_module_t  ngx_oidc_redis_test_module;


static u_char *
test_print(u_char *p, u_char *end, oidc_redis_reply_t *reply)
{
    size_t  i;

    if (reply == NULL) {
        return ngx_slprintf(p, end, "-");
    }

    switch (reply->type) {

    case OIDC_REDIS_INTEGER:
        return ngx_slprintf(p, end, "%L", reply->integer);

    case OIDC_REDIS_NIL:
        return ngx_slprintf(p, end, "(nil)");

    case OIDC_REDIS_ARRAY:
        p = ngx_slprintf(p, end, "[");

        for (i = 0; i < reply->elements; i++) {
            p = ngx_slprintf(p, end, i ? "," : "");
            p = test_print(p, end, &reply->element[i]);
        }

        return ngx_slprintf(p, end, "]");

    default:
        return ngx_slprintf(p, end, "%V", &reply->str);
    }
}


static ngx_int_t
test_send(ngx_http_request_t *r, u_char *data, u_char *last)
{
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_chain_t   out;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = last - data;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = data;
    b->last = last;
    b->memory = (last != data);
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* after a command's own line; what is left of its answer is its first MiB */

static void
test_done(ngx_oidc_redis_cmd_t *cmd, oidc_redis_reply_t *reply)
{
    u_char              *buf, *p;
    ngx_uint_t           i;
    test_ctx_t          *ctx;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ctx = cmd->data;
    r = ctx->r;
    c = r->connection;

    ctx->results[cmd->result]++;

    if (--ctx->open) {
        return;
    }

    buf = ngx_palloc(r->pool, 1024 * 1024);
    if (buf == NULL) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    p = buf;

    if (ctx->n == 1) {
        p = ngx_sprintf(p, "%s\n",
                        ngx_oidc_redis_result_text(cmd->result));
        p = test_print(p, buf + 1024 * 1024, reply);

    } else {
        for (i = 0; i <= NGX_OIDC_REDIS_FAILOVER; i++) {
            if (ctx->results[i]) {
                p = ngx_sprintf(p, "%s %ui\n", ngx_oidc_redis_result_text(i),
                                ctx->results[i]);
            }
        }
    }

    ngx_http_finalize_request(r, test_send(r, buf, p));
    ngx_http_run_posted_requests(c);
}


static void
test_cleanup(void *data)
{
    ngx_uint_t   i;
    test_ctx_t  *ctx;

    ctx = data;

    for (i = 0; i < ctx->n; i++) {
        ngx_oidc_redis_cancel(&ctx->cmds[i]);
    }
}


static ngx_uint_t
test_argv(ngx_http_request_t *r, ngx_str_t *argv)
{
    u_char      *p, *end, *amp, *dst, *src;
    ngx_uint_t   n;

    p = r->args.data;
    end = p + r->args.len;

    for (n = 0; n < TEST_ARGS && p < end; n++, p = amp + 1) {
        for (amp = p; amp < end && *amp != '&'; amp++) { /* void */ }

        argv[n].data = dst = ngx_pnalloc(r->pool, amp - p + 1);
        src = p;

        ngx_unescape_uri(&dst, &src, amp - p, 0);

        argv[n].len = dst - argv[n].data;
    }

    return n;
}


static ngx_int_t
test_commands(ngx_http_request_t *r, ngx_uint_t n, ngx_uint_t node)
{
    u_char                *buf, *p;
    ngx_str_t              argv[TEST_ARGS];
    ngx_uint_t             i, argc;
    test_ctx_t            *ctx;
    ngx_pool_cleanup_t    *cln;
    ngx_oidc_redis_cmd_t  *cmd;

    argc = test_argv(r, argv);
    ctx = ngx_pcalloc(r->pool, sizeof(test_ctx_t));
    ctx->cmds = ngx_pcalloc(r->pool, n * sizeof(ngx_oidc_redis_cmd_t));
    ctx->r = r;
    ctx->n = n;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    cln->handler = test_cleanup;
    cln->data = ctx;

    buf = ngx_pnalloc(r->pool, 64);

    for (i = 0; i < n; i++) {
        cmd = &ctx->cmds[i];
        cmd->redis = test_redis;
        cmd->argv = argv;
        cmd->argc = argc;
        cmd->data = ctx;
        cmd->done = test_done;
        cmd->idempotent = (r->uri.data[1] == 'r');

        if (argc > 1) {
            cmd->key = argv[1];
        }

        if (node != (ngx_uint_t) -1) {
            cmd->node = ngx_oidc_redis_node(test_redis, node);
        }

        if (r->uri.data[1] == 'f') {
            cmd->done = NULL;
        }

        if (ngx_oidc_redis_send(cmd) != NGX_OK) {
            ctx->results[cmd->result]++;

            if (n == 1) {
                p = ngx_sprintf(buf, "refused: %s\n",
                                ngx_oidc_redis_result_text(cmd->result));
                return test_send(r, buf, p);
            }

            continue;
        }

        ctx->open++;
    }

    if (r->uri.data[2] == 'a' && r->uri.data[1] == 'c') {
        ngx_oidc_redis_cancel(&ctx->cmds[0]);
        return test_send(r, buf, ngx_sprintf(buf, "cancelled\n"));
    }

    if (r->uri.data[1] == 'f') {
        return test_send(r, buf, ngx_sprintf(buf, "forgotten\n"));
    }

    if (ctx->open == 0) {
        return test_send(r, buf, ngx_sprintf(buf, "refused all\n"));
    }

    r->main->count++;

    return NGX_DONE;
}


static void
test_event(ngx_oidc_redis_sub_t *sub, ngx_oidc_redis_sub_event_e event,
    ngx_str_t *key)
{
    static const char  *names[] = { "up", "down", "key", "all", "pong",
                                    "refused" };

    if (event == NGX_OIDC_REDIS_SUB_PONG && sub->interval < 5000) {
        test_last = ngx_slprintf(test_last, test_events + TEST_EVENTS,
                                 "pong %d\n",
                                 ngx_current_msec - sub->pinged < 1000);
        return;
    }

    test_last = ngx_slprintf(test_last, test_events + TEST_EVENTS, "%s%s%V\n",
                             names[event], key != NULL ? " " : "",
                             key != NULL ? key : &(ngx_str_t) ngx_null_string);

    /* one may be closed by what it says */

    if (key != NULL && ngx_strnstr(key->data, "close", key->len) != NULL) {
        ngx_oidc_redis_sub_close(sub);
    }
}


static ngx_int_t
test_handler(ngx_http_request_t *r)
{
    u_char                 *buf, *p;
    ngx_str_t               argv[TEST_ARGS];
    ngx_uint_t              i, n;
    ngx_oidc_redis_node_t  *node;
    static u_char           prefix[64];

    buf = ngx_pnalloc(r->pool, TEST_EVENTS + 4096);
    p = buf;

    if (ngx_strncmp(r->uri.data, "/many/", 6) == 0) {
        return test_commands(r, ngx_atoi(r->uri.data + 6, r->uri.len - 6), -1);
    }

    if (ngx_strncmp(r->uri.data, "/node/", 6) == 0) {
        return test_commands(r, 1, ngx_atoi(r->uri.data + 6, r->uri.len - 6));
    }

    if (ngx_strncmp(r->uri.data, "/sub", 4) == 0) {
        n = test_argv(r, argv);
        ngx_cpystrn(prefix, argv[0].data, argv[0].len + 1);

        for (i = 0; i < TEST_SUBS; i++) {
            node = ngx_oidc_redis_node(test_redis, i);

            if (node == NULL) {
                break;
            }

            test_subs[i].redis = test_redis;
            test_subs[i].prefix.data = prefix;
            test_subs[i].prefix.len = ngx_strlen(prefix);
            test_subs[i].interval = n > 1 ? ngx_atoi(argv[1].data, argv[1].len)
                                          : 200;
            test_subs[i].handler = test_event;

            if (ngx_oidc_redis_sub_open(&test_subs[i], node) == NGX_OK) {
                p = ngx_sprintf(p, "%V\n", ngx_oidc_redis_node_name(node));
            }
        }

        return test_send(r, buf, p);
    }

    if (ngx_strncmp(r->uri.data, "/unsub", 6) == 0) {
        for (i = 0; i < TEST_SUBS; i++) {
            ngx_oidc_redis_sub_close(&test_subs[i]);
        }

        return test_send(r, buf, ngx_sprintf(buf, "closed\n"));
    }

    if (ngx_strncmp(r->uri.data, "/events", 7) == 0) {
        p = ngx_cpymem(p, test_events, test_last - test_events);
        test_last = test_events;

        return test_send(r, buf, p);
    }

    if (ngx_strncmp(r->uri.data, "/nodes", 6) == 0) {
        for (i = 0; (node = ngx_oidc_redis_node(test_redis, i)); i++) {
            p = ngx_sprintf(p, "%V ", ngx_oidc_redis_node_name(node));
        }

        p = ngx_sprintf(p, "version %ui\n",
                        ngx_oidc_redis_nodes_version(test_redis));

        if (test_argv(r, argv)) {
            node = ngx_oidc_redis_node_of(test_redis, &argv[0]);
            p = ngx_sprintf(p, "%V\n", node ? ngx_oidc_redis_node_name(node)
                                            : &r->uri);
        }

        return test_send(r, buf, p);
    }

    return test_commands(r, 1, -1);
}


static char *
test_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char      *eq;
    ngx_str_t   *v, *server, name, value;
    ngx_uint_t   i, k;

    static const struct {
        const char  *name;
        size_t       offset;
    } strings[] = {
        { "user", offsetof(ngx_oidc_redis_conf_t, user) },
        { "password", offsetof(ngx_oidc_redis_conf_t, password) },
        { "name", offsetof(ngx_oidc_redis_conf_t, client_name) },
        { "sentinel", offsetof(ngx_oidc_redis_conf_t, sentinel) },
        { "ca", offsetof(ngx_oidc_redis_conf_t, tls_ca) },
        { "cert", offsetof(ngx_oidc_redis_conf_t, tls_certificate) },
        { "key", offsetof(ngx_oidc_redis_conf_t, tls_key) },
        { "tls_name", offsetof(ngx_oidc_redis_conf_t, tls_name) }
    };

    ngx_memzero(&test_conf, sizeof(test_conf));
    ngx_str_set(&test_conf.name, "test");
    test_conf.db = -1;
    test_conf.servers = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));

    v = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        eq = ngx_strlchr(v[i].data, v[i].data + v[i].len, '=');

        if (eq == NULL) {
            return NGX_CONF_ERROR;
        }

        name.data = v[i].data;
        name.len = eq - v[i].data;
        value.data = eq + 1;
        value.len = v[i].data + v[i].len - value.data;

        for (k = 0; k < sizeof(strings) / sizeof(strings[0]); k++) {
            if (name.len == ngx_strlen(strings[k].name)
                && ngx_strncmp(name.data, strings[k].name, name.len) == 0)
            {
                *(ngx_str_t *) ((u_char *) &test_conf + strings[k].offset)
                    = value;
            }
        }

        if (name.data[0] == 's' && name.data[2] == 'r') {
            server = ngx_array_push(test_conf.servers);
            *server = value;
        }

        if (ngx_strncmp(name.data, "db=", 3) == 0) {
            test_conf.db = ngx_atoi(value.data, value.len);
        }

        if (ngx_strncmp(name.data, "connect=", 8) == 0) {
            test_conf.connect_timeout = ngx_atoi(value.data, value.len);
        }

        if (ngx_strncmp(name.data, "command=", 8) == 0) {
            test_conf.command_timeout = ngx_atoi(value.data, value.len);
        }

        if (ngx_strncmp(name.data, "cluster=", 8) == 0) {
            test_conf.cluster = 1;
        }

        if (ngx_strncmp(name.data, "no_verify=", 10) == 0) {
            test_conf.tls_no_verify = 1;
        }
    }

    test_redis = ngx_oidc_redis_add(cf, &test_conf);

    return test_redis != NULL ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
test_answer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = test_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
test_init_process(ngx_cycle_t *cycle)
{
    if (test_redis == NULL || ngx_oidc_curl_init_process(cycle) != NGX_OK) {
        return NGX_OK;
    }

    return ngx_oidc_redis_init_process(test_redis, cycle);
}


static void
test_exit_process(ngx_cycle_t *cycle)
{
    if (test_redis != NULL) {
        ngx_oidc_redis_exit_process(test_redis);
        ngx_oidc_curl_exit_process(cycle);
    }
}


static ngx_command_t  test_commands_table[] = {

    { ngx_string("redis_client"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      test_client, 0, 0, NULL },

    { ngx_string("redis_client_answer"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      test_answer, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

      ngx_null_command
};


static ngx_http_module_t  test_module_ctx;


ngx_module_t  ngx_oidc_redis_test_module = {
    NGX_MODULE_V1,
    &test_module_ctx,
    test_commands_table,
    NGX_HTTP_MODULE,
    NULL, NULL,
    test_init_process,
    NULL, NULL,
    test_exit_process,
    NULL,
    NGX_MODULE_V1_PADDING
};


ngx_module_t *ngx_modules[] = { &ngx_oidc_redis_test_module, NULL };
char *ngx_module_names[] = { "ngx_oidc_redis_test_module", NULL };
char *ngx_module_order[] = { NULL };
