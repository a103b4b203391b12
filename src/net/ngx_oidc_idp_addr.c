
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides to which address a provider's host is connected, and when that is
 * asked again.  The answer is the system's own (files, DNS, whatever is set
 * up there), learnt from connections that libcurl made: its resolver does not
 * block.  Never decides for hosts other than those it is asked about, which
 * are those of the provider's endpoints.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_idp_run.h"

#include "oidc_url.h"


/* used at once, but asked again meanwhile: a usual time to live of names */
#define NGX_OIDC_IDP_ADDR_FRESH  (60 * 1000)

/* not used any more: who waits an answer longer has no connection anyway */
#define NGX_OIDC_IDP_ADDR_STALE  (10 * 60 * 1000)


static ngx_oidc_idp_addr_t *ngx_oidc_idp_addr_entry(ngx_oidc_idp_run_t *run,
    ngx_str_t *host, in_port_t port);
static void ngx_oidc_idp_addr_done(ngx_oidc_fetch_t *f, oidc_rc_t rc);
static void ngx_oidc_idp_addr_set(ngx_oidc_idp_addr_t *addr,
    ngx_str_t *text);
static ngx_int_t ngx_oidc_idp_addr_text(ngx_str_t *literal, u_char *buf,
    size_t *len);
static ngx_int_t ngx_oidc_idp_addr_literal(ngx_oidc_idp_run_t *run,
    ngx_str_t *host, ngx_str_t *text);


ngx_int_t
ngx_oidc_idp_addr(ngx_oidc_idp_t *idp, ngx_str_t *host, in_port_t port,
    ngx_str_t *text)
{
    ngx_msec_t            age;
    ngx_oidc_idp_addr_t  *addr;

    if (idp->run == NULL) {
        return NGX_AGAIN;
    }

    if (ngx_oidc_idp_addr_literal(idp->run, host, text) == NGX_OK) {
        return NGX_OK;
    }

    addr = ngx_oidc_idp_addr_find(idp->run, host, port);

    if (addr == NULL || !addr->known) {
        return NGX_AGAIN;
    }

    age = ngx_current_msec - addr->resolved_at;

    if (age > NGX_OIDC_IDP_ADDR_STALE) {
        return NGX_AGAIN;
    }

    if (age > NGX_OIDC_IDP_ADDR_FRESH) {
        (void) ngx_oidc_idp_addr_resolve(idp->run, host, port);
    }

    addr->used_at = ngx_current_msec;

    text->len = addr->text_len;
    text->data = addr->text;

    return NGX_OK;
}


void
ngx_oidc_idp_addr_failed(ngx_oidc_idp_t *idp, ngx_str_t *host, in_port_t port)
{
    ngx_oidc_idp_addr_t  *addr;

    if (idp->run == NULL) {
        return;
    }

    addr = ngx_oidc_idp_addr_find(idp->run, host, port);

    if (addr != NULL) {
        addr->known = 0;
    }
}


void
ngx_oidc_idp_addr_exit(ngx_oidc_idp_run_t *run)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_OIDC_IDP_ADDRS; i++) {
        ngx_oidc_fetch_cancel(&run->addrs[i].fetch);
    }
}


ngx_oidc_idp_addr_t *
ngx_oidc_idp_addr_resolve(ngx_oidc_idp_run_t *run, ngx_str_t *host,
    in_port_t port)
{
    ngx_oidc_fetch_t     *f;
    ngx_oidc_idp_addr_t  *addr;

    addr = ngx_oidc_idp_addr_entry(run, host, port);

    if (addr == NULL || addr->fetch.transfer != NULL) {
        return addr;
    }

    f = &addr->fetch;

    ngx_oidc_idp_fetch_init(run, f);

    f->url.data = addr->url;
    f->url.len = ngx_sprintf(addr->url, "http://%V:%ui/", host,
                             (ngx_uint_t) port)
                 - addr->url;
    f->timeout = f->connect_timeout;
    f->allow_http = 1;
    f->connect_only = 1;
    f->done = ngx_oidc_idp_addr_done;
    f->data = addr;

    return ngx_oidc_fetch_start(f) == NGX_OK ? addr : NULL;
}


ngx_oidc_idp_addr_t *
ngx_oidc_idp_addr_find(ngx_oidc_idp_run_t *run, ngx_str_t *host,
    in_port_t port)
{
    ngx_uint_t            i;
    ngx_oidc_idp_addr_t  *addr;

    for (i = 0; i < NGX_OIDC_IDP_ADDRS; i++) {
        addr = &run->addrs[i];

        if (addr->host_len != 0
            && addr->port == port
            && addr->host_len == host->len
            && ngx_strncasecmp(addr->host, host->data, host->len) == 0)
        {
            return addr;
        }
    }

    return NULL;
}


/* an entry for the host, if need be in place of the one used longest ago */

static ngx_oidc_idp_addr_t *
ngx_oidc_idp_addr_entry(ngx_oidc_idp_run_t *run, ngx_str_t *host,
    in_port_t port)
{
    ngx_uint_t            i;
    ngx_oidc_idp_addr_t  *addr, *best;

    addr = ngx_oidc_idp_addr_find(run, host, port);

    if (addr != NULL) {
        return addr;
    }

    if (host->len == 0 || host->len > NGX_OIDC_IDP_HOST_MAX) {
        return NULL;
    }

    best = NULL;

    for (i = 0; i < NGX_OIDC_IDP_ADDRS; i++) {
        addr = &run->addrs[i];

        if (addr->fetch.transfer != NULL) {
            continue;
        }

        if (addr->host_len == 0) {
            best = addr;
            break;
        }

        if (best == NULL
            || (ngx_msec_int_t) (addr->used_at - best->used_at) < 0)
        {
            best = addr;
        }
    }

    if (best == NULL) {
        return NULL;
    }

    ngx_memzero(best, sizeof(ngx_oidc_idp_addr_t));

    best->run = run;
    best->host_len = host->len;
    ngx_memcpy(best->host, host->data, host->len);
    best->port = port;
    best->used_at = ngx_current_msec;

    return best;
}


static void
ngx_oidc_idp_addr_done(ngx_oidc_fetch_t *f, oidc_rc_t rc)
{
    ngx_str_t             host;
    ngx_oidc_idp_addr_t  *addr;

    addr = f->data;

    addr->seq++;
    addr->rc = rc;

    if (rc == OIDC_OK) {
        ngx_oidc_idp_addr_set(addr, &f->addr);

    } else {
        host.len = addr->host_len;
        host.data = addr->host;

        ngx_log_error(NGX_LOG_ERR, f->log, 0,
                      "oidc: provider \"%V\": no connection to %V:%ui: %s",
                      &addr->run->idp->name, &host, (ngx_uint_t) addr->port,
                      f->error);
    }

    ngx_oidc_idp_wake(addr->run);
}


void
ngx_oidc_idp_addr_learn(ngx_oidc_idp_run_t *run, ngx_oidc_fetch_t *f)
{
    ngx_str_t             text;
    oidc_url_t            url;
    ngx_oidc_idp_addr_t  *addr;

    if (oidc_url_parse(&f->url, &url) != OIDC_OK) {
        return;
    }

    if (ngx_oidc_idp_addr_literal(run, &url.host, &text) == NGX_OK) {
        return;
    }

    addr = ngx_oidc_idp_addr_entry(run, &url.host, (in_port_t) url.port);

    if (addr != NULL && f->addr.len) {
        ngx_oidc_idp_addr_set(addr, &f->addr);
    }
}


static void
ngx_oidc_idp_addr_set(ngx_oidc_idp_addr_t *addr, ngx_str_t *text)
{
    if (ngx_oidc_idp_addr_text(text, addr->text, &addr->text_len) != NGX_OK) {
        return;
    }

    addr->resolved_at = ngx_current_msec;
    addr->known = 1;
}


/* as in a URL, into a buffer of NGX_SOCKADDR_STRLEN */

static ngx_int_t
ngx_oidc_idp_addr_text(ngx_str_t *literal, u_char *buf, size_t *len)
{
    u_char  *p;

    if (literal->len + 2 > NGX_SOCKADDR_STRLEN) {
        return NGX_ERROR;
    }

    if (ngx_strlchr(literal->data, literal->data + literal->len, ':') == NULL
        || literal->data[0] == '[')
    {
        p = ngx_sprintf(buf, "%V", literal);

    } else {
        p = ngx_sprintf(buf, "[%V]", literal);
    }

    *len = p - buf;

    return NGX_OK;
}


/* "[::1]", "::1" and "127.0.0.1" are addresses already */

static ngx_int_t
ngx_oidc_idp_addr_literal(ngx_oidc_idp_run_t *run, ngx_str_t *host,
    ngx_str_t *text)
{
    if (ngx_strlchr(host->data, host->data + host->len, ':') == NULL
        && ngx_inet_addr(host->data, host->len) == INADDR_NONE)
    {
        return NGX_DECLINED;
    }

    text->data = run->literal;

    return ngx_oidc_idp_addr_text(host, run->literal, &text->len);
}
