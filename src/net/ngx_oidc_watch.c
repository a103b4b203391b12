
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides what nginx's event method is told about a library's sockets.  Never
 * closes one.
 *
 * libcurl is to say that it closes a socket before it does, but some versions
 * (7.88 where two addresses race, for one) say so afterwards, or open another
 * one of the same number and say nothing, as they want the same of it.  So
 * sockets are known by their inode, too, and looked at when one is opened.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_oidc_watch.h"


/* "c" is there for its events only */

struct ngx_oidc_watch_s {
    ngx_queue_t         queue;
    ngx_connection_t   *c;
    ino_t               inode;
    ngx_oidc_watch_pt   handler;
    void               *data;
};


static void ngx_oidc_watch_renew(ngx_oidc_watch_t *w);
static void ngx_oidc_watch_event(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t on);
static void ngx_oidc_watch_forget(ngx_event_t *ev, ngx_int_t event);
static ino_t ngx_oidc_watch_inode(ngx_socket_t s);
static void ngx_oidc_watch_handler(ngx_event_t *ev);


ngx_oidc_watch_t *
ngx_oidc_watch_add(ngx_queue_t *all, ngx_socket_t s, ngx_oidc_watch_pt handler,
    void *data)
{
    ngx_connection_t  *c;
    ngx_oidc_watch_t  *w;

    w = ngx_alloc(sizeof(ngx_oidc_watch_t), ngx_cycle->log);
    if (w == NULL) {
        return NULL;
    }

    c = ngx_get_connection(s, ngx_cycle->log);
    if (c == NULL) {
        ngx_free(w);
        return NULL;
    }

    c->data = w;
    c->read->handler = ngx_oidc_watch_handler;
    c->write->handler = ngx_oidc_watch_handler;
    c->read->log = c->log;
    c->write->log = c->log;

    w->c = c;
    w->inode = ngx_oidc_watch_inode(s);
    w->handler = handler;
    w->data = data;

    ngx_queue_insert_tail(all, &w->queue);

    return w;
}


void
ngx_oidc_watch_set(ngx_oidc_watch_t *w, ngx_uint_t read, ngx_uint_t write)
{
    if (w->inode != ngx_oidc_watch_inode(w->c->fd)) {
        ngx_oidc_watch_renew(w);
    }

    ngx_oidc_watch_event(w->c->read, NGX_READ_EVENT, read);
    ngx_oidc_watch_event(w->c->write, NGX_WRITE_EVENT, write);
}


void
ngx_oidc_watch_remove(ngx_oidc_watch_t *w)
{
    ngx_connection_t  *c;

    c = w->c;

    if (w->inode != ngx_oidc_watch_inode(c->fd)) {
        ngx_oidc_watch_forget(c->read, NGX_READ_EVENT);
        ngx_oidc_watch_forget(c->write, NGX_WRITE_EVENT);
    }

    ngx_oidc_watch_event(c->read, NGX_READ_EVENT, 0);
    ngx_oidc_watch_event(c->write, NGX_WRITE_EVENT, 0);

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;

    ngx_queue_remove(&w->queue);
    ngx_free(w);
}


void
ngx_oidc_watch_opened(ngx_queue_t *all, ngx_socket_t s)
{
    ngx_queue_t       *q;
    ngx_oidc_watch_t  *w;

    for (q = ngx_queue_head(all);
         q != ngx_queue_sentinel(all);
         q = ngx_queue_next(q))
    {
        w = ngx_queue_data(q, ngx_oidc_watch_t, queue);

        if (w->c->fd == s) {
            ngx_oidc_watch_renew(w);
            return;
        }
    }
}


/* the number is that of another socket now: watched as the last one was */

static void
ngx_oidc_watch_renew(ngx_oidc_watch_t *w)
{
    ngx_uint_t         read, write;
    ngx_connection_t  *c;

    c = w->c;
    read = c->read->active;
    write = c->write->active;

    ngx_oidc_watch_forget(c->read, NGX_READ_EVENT);
    ngx_oidc_watch_forget(c->write, NGX_WRITE_EVENT);

    ngx_oidc_watch_event(c->read, NGX_READ_EVENT, read);
    ngx_oidc_watch_event(c->write, NGX_WRITE_EVENT, write);

    w->inode = ngx_oidc_watch_inode(c->fd);
}


static void
ngx_oidc_watch_event(ngx_event_t *ev, ngx_int_t event, ngx_uint_t on)
{
    if (on) {
        if (!ev->active) {
            ngx_add_event(ev, event, NGX_LEVEL_EVENT);
        }

        return;
    }

    if (ev->active) {
        ngx_del_event(ev, event, 0);
    }

    if (ev->posted) {
        ngx_delete_posted_event(ev);
    }
}


/* its socket is closed, and so out of the kernel's queue */

static void
ngx_oidc_watch_forget(ngx_event_t *ev, ngx_int_t event)
{
    if (ev->active) {
        ngx_del_event(ev, event, NGX_CLOSE_EVENT);
    }
}


/* 0: closed */

static ino_t
ngx_oidc_watch_inode(ngx_socket_t s)
{
    struct stat  st;

    return fstat(s, &st) == 0 ? st.st_ino : 0;
}


static void
ngx_oidc_watch_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;
    ngx_oidc_watch_t  *w;

    c = ev->data;
    w = c->data;

    w->handler(c->fd, ev->write, w->data);
}
