
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Keeps one connection: decides when to connect (at once after a loss, then
 * with exponential back-off and jitter), to which address (a Sentinel's, or
 * what a name resolves to at that moment), and when a server is ready: it has
 * taken the password, the data base and, of a Sentinel, the role of a master.
 *
 * Names are resolved by libcurl's resolver, as those of providers are: by a
 * plain connection to the same port, of which only the address is kept.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_redis_run.h"


/*
 * of the wait before a connection, which doubles each time it fails; a test of
 * a thousand connections has no time for it
 */

#ifndef NGX_OIDC_REDIS_WAIT_MAX
#define NGX_OIDC_REDIS_WAIT_MIN   100
#define NGX_OIDC_REDIS_WAIT_MAX   2000
#endif

/* a connection that was lost sooner counts as one that failed */

#define NGX_OIDC_REDIS_LASTED     1000


typedef enum {
    NGX_OIDC_REDIS_HELLO_AUTH = 0,
    NGX_OIDC_REDIS_HELLO_SELECT,
    NGX_OIDC_REDIS_HELLO_NAME,
    NGX_OIDC_REDIS_HELLO_ROLE
} ngx_oidc_redis_hello_e;


static void ngx_oidc_redis_link_begin(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_link_resolve(ngx_oidc_redis_link_t *link);
static ngx_uint_t ngx_oidc_redis_link_is_literal(u_char *host);
static void ngx_oidc_redis_link_resolved(ngx_oidc_fetch_t *f, oidc_rc_t rc);
static void ngx_oidc_redis_link_connect(ngx_oidc_redis_link_t *link);
static ngx_int_t ngx_oidc_redis_link_greet(ngx_oidc_redis_link_t *link);
static ngx_int_t ngx_oidc_redis_link_hello(ngx_oidc_redis_link_t *link,
    ngx_oidc_redis_hello_e kind, ngx_uint_t argc, ngx_str_t *argv);
static void ngx_oidc_redis_link_greeted(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply);
static const char *ngx_oidc_redis_link_verdict(ngx_oidc_redis_hello_e kind,
    oidc_redis_reply_t *reply, ngx_oidc_redis_result_e *result);
static void ngx_oidc_redis_link_ready(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_link_reply(void *data, oidc_redis_reply_t *reply);
static void ngx_oidc_redis_link_closed(void *data, const char *error);
static void ngx_oidc_redis_link_close(ngx_oidc_redis_link_t *link);
static void ngx_oidc_redis_link_timer(ngx_oidc_redis_link_t *link,
    ngx_msec_t ms);
static void ngx_oidc_redis_link_timeout(ngx_event_t *ev);


static const ngx_oidc_redis_conn_handlers_t  ngx_oidc_redis_link_conn = {
    ngx_oidc_redis_link_reply,
    ngx_oidc_redis_link_closed
};


void
ngx_oidc_redis_link_init(ngx_oidc_redis_link_t *link, ngx_oidc_redis_t *redis,
    const ngx_oidc_redis_link_handlers_t *handlers, void *data)
{
    ngx_memzero(link, sizeof(ngx_oidc_redis_link_t));

    link->redis = redis;
    link->handlers = handlers;
    link->data = data;

    link->user = redis->user;
    link->password = redis->password;
    link->db = redis->db;

    link->timer.handler = ngx_oidc_redis_link_timeout;
    link->timer.data = link;
    link->timer.log = redis->run->log;

    /* whoever waits for a connection has a timer of his own */
    link->timer.cancelable = 1;
}


/* what fails does so later, by the timer */

void
ngx_oidc_redis_link_start(ngx_oidc_redis_link_t *link)
{
    if (link->state != NGX_OIDC_REDIS_LINK_IDLE) {
        return;
    }

    link->state = NGX_OIDC_REDIS_LINK_WAIT;
    ngx_oidc_redis_link_timer(link, 0);
}


void
ngx_oidc_redis_link_stop(ngx_oidc_redis_link_t *link)
{
    ngx_oidc_redis_link_close(link);

    link->state = NGX_OIDC_REDIS_LINK_IDLE;
    link->failures = 0;
    link->backoff = 0;
}


void
ngx_oidc_redis_link_fail(ngx_oidc_redis_link_t *link,
    ngx_oidc_redis_result_e result, const char *why)
{
    u_char      buf[sizeof(((ngx_oidc_redis_node_t *) NULL)->text)];
    ngx_str_t   name;
    ngx_msec_t  wait;

    if (link->state == NGX_OIDC_REDIS_LINK_IDLE) {
        return;
    }

    ngx_oidc_redis_addr_text(&link->addr, buf, &name);
    ngx_oidc_redis_say(link->redis, result, &name, why);

    link->astray = (link->state == NGX_OIDC_REDIS_LINK_RESOLVE
                    || link->state == NGX_OIDC_REDIS_LINK_CONNECT);

    if (link->state == NGX_OIDC_REDIS_LINK_READY
        && ngx_current_msec - link->ready_at >= NGX_OIDC_REDIS_LASTED)
    {
        link->failures = 0;
        link->backoff = 0;
        wait = NGX_OIDC_REDIS_WAIT_MIN;

    } else {
        wait = NGX_OIDC_REDIS_WAIT_MIN << ngx_min(link->backoff, 5);
        wait = ngx_min(wait, NGX_OIDC_REDIS_WAIT_MAX);
        link->failures++;
        link->backoff++;
    }

    ngx_oidc_redis_link_close(link);

    /* not all workers at once */

    link->state = NGX_OIDC_REDIS_LINK_WAIT;
    ngx_oidc_redis_link_timer(link, wait / 2 + ngx_random() % (wait / 2));

    link->handlers->down(link);
}


void
ngx_oidc_redis_link_located(ngx_oidc_redis_link_t *link, ngx_str_t *host,
    in_port_t port)
{
    if (host->len > OIDC_REDIS_HOST_MAX) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "name of the master is too long");
        return;
    }

    ngx_memcpy(link->addr.host, host->data, host->len);
    link->addr.host[host->len] = '\0';
    link->addr.len = host->len;
    link->addr.port = port;

    ngx_oidc_redis_link_resolve(link);
}


ngx_int_t
ngx_oidc_redis_link_write(ngx_oidc_redis_link_t *link, ngx_uint_t argc,
    ngx_str_t *argv)
{
    size_t     size;
    u_char    *buf, *p;
    ngx_int_t  rc;

    if (link->conn == NULL) {
        return NGX_ERROR;
    }

    size = ngx_oidc_redis_format_size(argc, argv);

    buf = ngx_alloc(size, link->redis->run->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    p = ngx_oidc_redis_format(buf, argc, argv);

    rc = ngx_oidc_redis_conn_write(link->conn, buf, p - buf);

    /* it may have been a password */

    oidc_wipe(buf, size);
    ngx_free(buf);

    return rc;
}


static void
ngx_oidc_redis_link_begin(ngx_oidc_redis_link_t *link)
{
    if (link->pinned) {
        ngx_oidc_redis_link_connect(link);
        return;
    }

    if (link->sentinel) {
        link->state = NGX_OIDC_REDIS_LINK_LOCATE;
        ngx_oidc_redis_link_timer(link, link->redis->conf.connect_timeout);
        ngx_oidc_redis_sentinel_ask(link);
        return;
    }

    ngx_oidc_redis_link_resolve(link);
}


static void
ngx_oidc_redis_link_resolve(ngx_oidc_redis_link_t *link)
{
    ngx_oidc_fetch_t       *f;
    ngx_oidc_redis_addr_t  *addr;

    addr = &link->addr;

    if (addr->local || ngx_oidc_redis_link_is_literal(addr->host)) {
        /* a path is taken from addr: it does not fit here */

        if (!addr->local) {
            ngx_cpystrn(link->literal, addr->host, sizeof(link->literal));
        }

        ngx_oidc_redis_link_connect(link);
        return;
    }

    link->state = NGX_OIDC_REDIS_LINK_RESOLVE;
    ngx_oidc_redis_link_timer(link, link->redis->conf.connect_timeout);

    f = &link->fetch;
    ngx_memzero(f, sizeof(ngx_oidc_fetch_t));

    f->url.data = link->url;
    f->url.len = ngx_sprintf(link->url, "http://%*s:%ui/", addr->len,
                             addr->host, (ngx_uint_t) addr->port)
                 - link->url;
    f->connect_timeout = link->redis->conf.connect_timeout;
    f->timeout = f->connect_timeout;
    f->log = link->redis->run->log;
    f->allow_http = 1;
    f->connect_only = 1;
    f->done = ngx_oidc_redis_link_resolved;
    f->data = link;

    if (ngx_oidc_fetch_start(f) != NGX_OK) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "its name cannot be resolved");
    }
}


/* as getaddrinfo() sees it, which asks a name server for anything else */

static ngx_uint_t
ngx_oidc_redis_link_is_literal(u_char *host)
{
    u_char  addr[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, (char *) host, addr) == 1
           || inet_pton(AF_INET6, (char *) host, addr) == 1;
}


static void
ngx_oidc_redis_link_resolved(ngx_oidc_fetch_t *f, oidc_rc_t rc)
{
    ngx_oidc_redis_link_t *link = f->data;

    if (rc != OIDC_OK || f->addr.len >= sizeof(link->literal)) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE, f->error);
        return;
    }

    ngx_memcpy(link->literal, f->addr.data, f->addr.len);
    link->literal[f->addr.len] = '\0';

    ngx_oidc_redis_link_connect(link);
}


static void
ngx_oidc_redis_link_connect(ngx_oidc_redis_link_t *link)
{
    ngx_str_t               name;
    const char             *error;
    ngx_oidc_redis_conf_t  *conf;

    conf = &link->redis->conf;

    link->state = NGX_OIDC_REDIS_LINK_CONNECT;
    ngx_oidc_redis_link_timer(link, conf->connect_timeout);

    name.data = link->addr.host;
    name.len = link->addr.len;

    link->conn = ngx_oidc_redis_conn_open(link->redis, &link->addr,
                                          link->addr.local ? link->addr.host
                                                           : link->literal,
                                          conf->tls_name.len ? &conf->tls_name
                                                             : &name,
                                          &error);
    if (link->conn == NULL) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE, error);
        return;
    }

    ngx_oidc_redis_conn_start(link->conn, &ngx_oidc_redis_link_conn, link);

    if (ngx_oidc_redis_link_greet(link) != NGX_OK) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE,
                                 "out of memory");
    }
}


/* all at once; the name is asked for in any case, as proof of life */

static ngx_int_t
ngx_oidc_redis_link_greet(ngx_oidc_redis_link_t *link)
{
    u_char     buf[NGX_INT_T_LEN];
    ngx_int_t  rc;
    ngx_str_t  argv[3];

    link->hellos = 0;
    link->hello = 0;
    rc = NGX_OK;

    if (link->password.len) {
        ngx_str_set(&argv[0], "AUTH");
        argv[1] = link->user.len ? link->user : link->password;
        argv[2] = link->password;

        rc |= ngx_oidc_redis_link_hello(link, NGX_OIDC_REDIS_HELLO_AUTH,
                                        link->user.len ? 3 : 2, argv);
    }

    if (link->db > 0) {
        ngx_str_set(&argv[0], "SELECT");
        argv[1].data = buf;
        argv[1].len = ngx_sprintf(buf, "%i", link->db) - buf;

        rc |= ngx_oidc_redis_link_hello(link, NGX_OIDC_REDIS_HELLO_SELECT, 2,
                                        argv);
    }

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "SETNAME");
    argv[2] = link->redis->conf.client_name;

    rc |= ngx_oidc_redis_link_hello(link, NGX_OIDC_REDIS_HELLO_NAME, 3, argv);

    if (link->sentinel) {
        ngx_str_set(&argv[0], "ROLE");

        rc |= ngx_oidc_redis_link_hello(link, NGX_OIDC_REDIS_HELLO_ROLE, 1,
                                        argv);
    }

    return rc;
}


static ngx_int_t
ngx_oidc_redis_link_hello(ngx_oidc_redis_link_t *link,
    ngx_oidc_redis_hello_e kind, ngx_uint_t argc, ngx_str_t *argv)
{
    link->hello_kind[link->hellos++] = kind;

    return ngx_oidc_redis_link_write(link, argc, argv);
}


static void
ngx_oidc_redis_link_greeted(ngx_oidc_redis_link_t *link,
    oidc_redis_reply_t *reply)
{
    const char               *why;
    ngx_oidc_redis_result_e   result;

    why = ngx_oidc_redis_link_verdict(link->hello_kind[link->hello++], reply,
                                      &result);
    if (why != NULL) {
        ngx_oidc_redis_link_fail(link, result, why);
        return;
    }

    if (link->hello == link->hellos) {
        ngx_oidc_redis_link_ready(link);
    }
}


/* what a server says may hold what it was sent: it is never quoted */

static const char *
ngx_oidc_redis_link_verdict(ngx_oidc_redis_hello_e kind,
    oidc_redis_reply_t *reply, ngx_oidc_redis_result_e *result)
{
    oidc_redis_error_e  error;

    static const u_char  clients[] = "ERR max number of clients";

    error = oidc_redis_error(reply);

    *result = NGX_OIDC_REDIS_UNAVAILABLE;

    if (error == OIDC_REDIS_OTHER
        && reply->str.len >= sizeof(clients) - 1
        && ngx_memcmp(reply->str.data, clients, sizeof(clients) - 1) == 0)
    {
        return "it has too many clients";
    }

    switch (kind) {

    case NGX_OIDC_REDIS_HELLO_AUTH:
        if (error == OIDC_REDIS_FINE) {
            return NULL;
        }

        *result = NGX_OIDC_REDIS_AUTH;
        return "it refuses user or password";

    case NGX_OIDC_REDIS_HELLO_SELECT:
        if (error == OIDC_REDIS_FINE) {
            return NULL;
        }

        *result = NGX_OIDC_REDIS_AUTH;
        return "it refuses the number of the data base";

    case NGX_OIDC_REDIS_HELLO_NAME:

        /* a name is not worth a right that a narrow ACL does not give */

        if (error == OIDC_REDIS_AUTH
            && ngx_strncmp(reply->str.data, "NOAUTH", 6) == 0)
        {
            *result = NGX_OIDC_REDIS_AUTH;
            return "it wants a password";
        }

        return NULL;

    default: /* NGX_OIDC_REDIS_HELLO_ROLE */
        if (error == OIDC_REDIS_AUTH) {
            *result = NGX_OIDC_REDIS_AUTH;
            return "the user may not ask for its ROLE";
        }

        if (oidc_redis_is_master(reply)) {
            return NULL;
        }

        *result = NGX_OIDC_REDIS_FAILOVER;
        return "Sentinel names it but it is not the master";
    }
}


static void
ngx_oidc_redis_link_ready(ngx_oidc_redis_link_t *link)
{
    u_char     buf[sizeof(((ngx_oidc_redis_node_t *) NULL)->text)];
    ngx_str_t  name;

    link->state = NGX_OIDC_REDIS_LINK_READY;
    link->ready_at = ngx_current_msec;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (link->failures) {
        ngx_oidc_redis_addr_text(&link->addr, buf, &name);
        ngx_log_error(NGX_LOG_NOTICE, link->redis->run->log, 0,
                      "oidc: redis \"%V\": connected to %V",
                      &link->redis->conf.name, &name);
    }

    link->handlers->ready(link);
}


static void
ngx_oidc_redis_link_reply(void *data, oidc_redis_reply_t *reply)
{
    ngx_oidc_redis_link_t *link = data;

    if (link->state == NGX_OIDC_REDIS_LINK_CONNECT) {
        ngx_oidc_redis_link_greeted(link, reply);
        return;
    }

    link->handlers->reply(link, reply);
}


static void
ngx_oidc_redis_link_closed(void *data, const char *error)
{
    ngx_oidc_redis_link_t *link = data;

    link->conn = NULL;

    ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE, error);
}


static void
ngx_oidc_redis_link_close(ngx_oidc_redis_link_t *link)
{
    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (link->state == NGX_OIDC_REDIS_LINK_LOCATE) {
        ngx_queue_remove(&link->queue);
    }

    ngx_oidc_fetch_cancel(&link->fetch);

    if (link->conn != NULL) {
        ngx_oidc_redis_conn_close(link->conn);
        link->conn = NULL;
    }
}


/* ngx_add_timer() takes a change of less than 300 ms for none */

static void
ngx_oidc_redis_link_timer(ngx_oidc_redis_link_t *link, ngx_msec_t ms)
{
    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_add_timer(&link->timer, ms);
}


static void
ngx_oidc_redis_link_timeout(ngx_event_t *ev)
{
    ngx_oidc_redis_link_t *link = ev->data;

    if (link->state == NGX_OIDC_REDIS_LINK_WAIT) {
        ngx_oidc_redis_link_begin(link);
        return;
    }

    if (link->state == NGX_OIDC_REDIS_LINK_LOCATE) {
        ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_FAILOVER,
                                 "no Sentinel knows the master");
        return;
    }

    ngx_oidc_redis_link_fail(link, NGX_OIDC_REDIS_UNAVAILABLE,
                             "connecting timed out");
}
