
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Sockets of a library on nginx's event loop: level-triggered, since the
 * library does not say whether it saw EAGAIN; opened and closed by it, maybe
 * without a word.
 */


#ifndef _NGX_OIDC_WATCH_H_INCLUDED_
#define _NGX_OIDC_WATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_oidc_watch_s  ngx_oidc_watch_t;

/* the watch may be gone when the library returns: nobody touches it after */

typedef void (*ngx_oidc_watch_pt)(ngx_socket_t s, ngx_uint_t write,
    void *data);


/* NULL: no memory or no connection left; "all" is the library's list */

ngx_oidc_watch_t *ngx_oidc_watch_add(ngx_queue_t *all, ngx_socket_t s,
    ngx_oidc_watch_pt handler, void *data);
void ngx_oidc_watch_set(ngx_oidc_watch_t *w, ngx_uint_t read,
    ngx_uint_t write);

/* before or after the library has closed the socket */

void ngx_oidc_watch_remove(ngx_oidc_watch_t *w);

/* the library has opened a socket: maybe with the number of one it closed */

void ngx_oidc_watch_opened(ngx_queue_t *all, ngx_socket_t s);


#endif /* _NGX_OIDC_WATCH_H_INCLUDED_ */
