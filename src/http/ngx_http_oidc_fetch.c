
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A call to the provider on behalf of a request: an in-memory subrequest of the
 * main request that enters the back channel of the provider, as a named
 * location is entered, and reads everything it sends through variables of its
 * own context.  The answer is whole or an error.
 *
 * The host of the URL becomes an address before, as the system resolves it,
 * unless the operator has set a resolver or an upstream{} of that name.
 */


#include "ngx_http_oidc.h"


#define NGX_HTTP_OIDC_FETCH_AGAIN  1000


static ngx_int_t ngx_http_oidc_fetch_target(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_fetch_t *f);
static ngx_int_t ngx_http_oidc_fetch_url(ngx_http_request_t *r,
    ngx_http_oidc_fetch_t *f, ngx_str_t *addr);
static ngx_uint_t ngx_http_oidc_fetch_by_name(ngx_http_request_t *r,
    ngx_http_oidc_fetch_t *f);
static ngx_int_t ngx_http_oidc_fetch_start(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_fetch_t *f);
static void ngx_http_oidc_fetch_enter(ngx_http_request_t *sr);
static void ngx_http_oidc_fetch_timeout(ngx_event_t *ev);
static ngx_int_t ngx_http_oidc_fetch_done(ngx_http_request_t *sr, void *data,
    ngx_int_t rc);
static oidc_rc_t ngx_http_oidc_fetch_verdict(ngx_http_request_t *sr,
    ngx_http_oidc_fetch_t *f, ngx_int_t rc);


/*
 * NGX_AGAIN: the answer will be in *f when the request is woken.  NGX_BUSY: the
 * address of the host is awaited, call again when woken.  NGX_DECLINED with
 * ctx->rc, NGX_ERROR.  "f" stays the caller's and must live as long as the
 * request.
 */

ngx_int_t
ngx_http_oidc_fetch(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_fetch_t *f)
{
    ngx_int_t  rc;

    f->provider = ctx->provider;

    if (oidc_url_parse(&f->url, &f->parsed) != OIDC_OK
        || (!f->parsed.https && !f->provider->idp->allow_http)
        || (f->parsed.https && f->provider->idp->ca_file.len == 0
            && !f->provider->idp->insecure))
    {
        ctx->rc = OIDC_META_MEMBER;
        return NGX_DECLINED;
    }

    rc = ngx_http_oidc_fetch_target(r, ctx, f);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_oidc_fetch_start(r, ctx, f);
}


static ngx_int_t
ngx_http_oidc_fetch_target(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_fetch_t *f)
{
    ngx_int_t    rc;
    ngx_str_t    host, addr;
    oidc_url_t  *url;

    url = &f->parsed;

    f->host.len = url->authority.len;
    f->host.data = url->authority.data;
    f->name.len = url->host.len;
    f->name.data = url->host.data;

    if (url->ip || ngx_http_oidc_fetch_by_name(r, f)) {
        return ngx_http_oidc_fetch_url(r, f, NULL);
    }

    host = f->name;

    rc = ngx_oidc_idp_addr(ctx->provider->idp, &host, url->port, &addr);

    if (rc == NGX_AGAIN && f->asked) {

        /* woken without an answer that is one */

        ctx->rc = (ctx->wait_rc != OIDC_OK) ? ctx->wait_rc : OIDC_FETCH;
        ctx->detail = f->url;
        return NGX_DECLINED;
    }

    if (rc == NGX_AGAIN) {

        f->asked = 1;

        rc = ngx_http_oidc_wait_addr(r, ctx, &host, url->port);

        if (rc == NGX_AGAIN) {
            return NGX_BUSY;
        }

        if (rc == NGX_OK) {
            rc = ngx_oidc_idp_addr(ctx->provider->idp, &host, url->port,
                                   &addr);
        }
    }

    if (rc != NGX_OK) {
        ctx->rc = OIDC_FETCH;
        return NGX_DECLINED;
    }

    f->resolved = 1;

    return ngx_http_oidc_fetch_url(r, f, &addr);
}


/*
 * The URL as proxy_pass takes it, with an address in place of the host where
 * there is one.  Without a path it would be called by the subrequest's own.
 */

static ngx_int_t
ngx_http_oidc_fetch_url(ngx_http_request_t *r, ngx_http_oidc_fetch_t *f,
    ngx_str_t *addr)
{
    u_char      *p;
    oidc_url_t  *url;

    url = &f->parsed;

    p = ngx_pnalloc(r->pool, f->url.len + (addr != NULL ? addr->len : 0)
                             + sizeof("https://:65535/?") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    f->target.data = p;

    p = ngx_sprintf(p, "%s://", url->https ? "https" : "http");
    p = (addr != NULL) ? ngx_sprintf(p, "%V:%ui", addr, (ngx_uint_t) url->port)
                       : ngx_cpymem(p, url->authority.data,
                                    url->authority.len);

    if (url->path.len == 0) {
        *p++ = '/';
    }

    p = ngx_cpymem(p, url->path.data, url->path.len);

    if (url->has_query) {
        *p++ = '?';
        p = ngx_cpymem(p, url->query.data, url->query.len);
    }

    f->target.len = p - f->target.data;

    return NGX_OK;
}


/*
 * nginx resolves by itself: a resolver is set, or an upstream{} has the name,
 * which it does not look for where the URL has a port.
 */

static ngx_uint_t
ngx_http_oidc_fetch_by_name(ngx_http_request_t *r, ngx_http_oidc_fetch_t *f)
{
    ngx_uint_t                       i;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_upstream_srv_conf_t   **us;
    ngx_http_upstream_main_conf_t   *umcf;

    clcf = f->provider->back_channel->loc_conf[ngx_http_core_module.ctx_index];

    if (clcf->resolver != NULL && clcf->resolver->connections.nelts) {
        return 1;
    }

    if (f->host.len != f->name.len) {
        return 0;
    }

    umcf = ngx_http_get_module_main_conf(r, ngx_http_upstream_module);
    us = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {
        if ((us[i]->flags & NGX_HTTP_UPSTREAM_CREATE)
            && us[i]->host.len == f->name.len
            && ngx_strncasecmp(us[i]->host.data, f->name.data, f->name.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_oidc_fetch_start(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_fetch_t *f)
{
    ngx_str_t                    uri;
    ngx_http_request_t          *sr;
    ngx_http_post_subrequest_t  *ps;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "oidc fetch: %V %V", &f->method, &f->url);

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_oidc_fetch_done;
    ps->data = f;

    /* the subrequest's name in the error log, nothing is found by it */

    ngx_str_set(&uri, "/oidc_provider");

    if (ngx_http_subrequest(r, &uri, NULL, &sr, ps,
                            NGX_HTTP_SUBREQUEST_WAITED
                            |NGX_HTTP_SUBREQUEST_IN_MEMORY)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* an empty body, so that nobody looks for the browser's */

    sr->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (sr->request_body == NULL) {
        return NGX_ERROR;
    }

    ngx_http_set_ctx(sr, f, ngx_http_oidc_module);

    sr->write_event_handler = ngx_http_oidc_fetch_enter;

    f->sr = sr;
    f->timer.handler = ngx_http_oidc_fetch_timeout;
    f->timer.data = f;
    f->timer.log = r->connection->log;

    /* proxy_read_timeout is between two reads; this is for the whole */

    ngx_add_timer(&f->timer, ctx->patience ? ctx->patience
                                           : f->provider->timeout);

    ctx->fetch = f;

    return NGX_AGAIN;
}


static void
ngx_http_oidc_fetch_enter(ngx_http_request_t *sr)
{
    ngx_uint_t                  keep;
    ngx_http_oidc_ctx_t        *ctx;
    ngx_http_oidc_fetch_t      *f;
    ngx_http_core_main_conf_t  *cmcf;

    f = ngx_http_get_module_ctx(sr, ngx_http_oidc_module);
    ctx = ngx_http_oidc_get_ctx(sr);
    keep = (ctx != NULL && ctx->keep);

    sr->loc_conf = f->provider->back_channel->loc_conf;

    ngx_http_update_location_config(sr);

    cmcf = ngx_http_get_module_main_conf(sr, ngx_http_core_module);

    sr->phase_handler = cmcf->phase_engine.location_rewrite_index;
    sr->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(sr);

    if (keep && !f->done) {

        /* in place of upstream's, which end all when the client has left */

        sr->read_event_handler = ngx_http_request_empty_handler;
        sr->write_event_handler = ngx_http_request_empty_handler;
    }
}


/* lets the upstream module time out by itself, which also closes the peer */

static void
ngx_http_oidc_fetch_timeout(ngx_event_t *ev)
{
    ngx_event_t            *rev;
    ngx_http_upstream_t    *u;
    ngx_http_oidc_fetch_t  *f;

    f = ev->data;
    u = f->sr->upstream;

    f->timedout = 1;

    if (u == NULL || u->peer.connection == NULL) {

        /* still resolving, which has a limit of its own: look again after it */

        ngx_add_timer(ev, NGX_HTTP_OIDC_FETCH_AGAIN);
        return;
    }

    rev = u->peer.connection->read;

    rev->timedout = 1;
    u->peer.connection->write->timedout = 1;

    ngx_post_event(rev, &ngx_posted_events);
}


static ngx_int_t
ngx_http_oidc_fetch_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_oidc_fetch_t *f = data;

    ngx_str_t             host;
    ngx_buf_t            *b;
    ngx_http_oidc_ctx_t  *ctx;

    if (f->done) {

        /* finalized a second time: the first verdict stands */

        return NGX_OK;
    }

    f->done = 1;

    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    f->rc = ngx_http_oidc_fetch_verdict(sr, f, rc);
    f->sent = (sr->upstream != NULL && sr->upstream->request_sent);

    if (f->rc == OIDC_OK) {

        f->status = sr->headers_out.status;
        f->answer_type = sr->headers_out.content_type;

        if (sr->out != NULL && sr->out->buf != NULL) {
            b = sr->out->buf;
            f->answer.data = b->pos;
            f->answer.len = b->last - b->pos;
        }

    } else if (f->resolved) {
        host = f->name;
        ngx_oidc_idp_addr_failed(f->provider->idp, &host, f->parsed.port);
    }

    if (f->rc == OIDC_FETCH_SIZE) {

        /* set by the output filter, though nothing is wrong with the client */

        sr->connection->error = 0;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "oidc fetch: %i, status %ui, %uz bytes", rc, f->status,
                   f->answer.len);

    ctx = ngx_http_oidc_get_ctx(sr);

    if (ctx != NULL) {

        if (ctx->keep && sr->connection->error) {

            /* a stream of HTTP/2 was reset: the caller ends the request */

            ctx->left = 1;
            sr->connection->error = 0;
        }

        ngx_http_oidc_wake(ctx, f->rc);
    }

    if (rc == NGX_HTTP_CLIENT_CLOSED_REQUEST) {
        return rc;
    }

    return NGX_OK;
}


static oidc_rc_t
ngx_http_oidc_fetch_verdict(ngx_http_request_t *sr, ngx_http_oidc_fetch_t *f,
    ngx_int_t rc)
{
    ngx_http_upstream_t       *u;
    ngx_http_core_loc_conf_t  *clcf;

    u = sr->upstream;

    if (f->timedout || rc == NGX_HTTP_GATEWAY_TIME_OUT) {
        return OIDC_FETCH_TIMEOUT;
    }

    if (rc == NGX_OK && u != NULL && u->header_sent
        && (u->length == 0 || u->length == -1))
    {
        return OIDC_OK;
    }

    /* a flush instead of the end says NGX_OK, but "length" is not used up */

    if (rc == NGX_ERROR && u != NULL && u->header_sent && u->state != NULL) {

        clcf = ngx_http_get_module_loc_conf(sr, ngx_http_core_module);

        if (sr->headers_out.content_length_n
            > (off_t) clcf->subrequest_output_buffer_size
            || u->state->response_length
               > (off_t) clcf->subrequest_output_buffer_size)
        {
            return OIDC_FETCH_SIZE;
        }
    }

    return OIDC_FETCH;
}


ngx_int_t
ngx_http_oidc_fetched(ngx_http_oidc_ctx_t *ctx, ngx_http_oidc_fetch_t *f)
{
    ctx->rc = f->rc;

    if (f->rc != OIDC_OK) {
        ctx->detail = f->url;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the variables of the fixed configuration; nothing outside of a call */

ngx_int_t
ngx_http_oidc_fetch_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t offset)
{
    ngx_str_t              *value;
    ngx_http_oidc_fetch_t  *f;

    f = (r != r->main) ? ngx_http_get_module_ctx(r, ngx_http_oidc_module)
                       : NULL;

    if (f == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((u_char *) f + offset);

    v->len = value->len;
    v->data = value->data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}
