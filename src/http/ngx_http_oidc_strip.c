
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Takes our cookies out of a request, and a Cookie line with them where nothing
 * is left of it.  Every other cookie stays as the browser wrote it.
 */


#include "ngx_http_oidc.h"

#include "oidc_cookie.h"


static ngx_array_t *ngx_http_oidc_save_cookies(ngx_http_request_t *r);


/*
 * Our cookies are nobody's business behind us.  What the browser sent is kept
 * in the context, so that an internal redirect still finds the session.
 */

ngx_int_t
ngx_http_oidc_strip_cookies(ngx_http_request_t *r,
    ngx_http_oidc_srv_conf_t *scf)
{
    int                   removed;
    ngx_uint_t            i;
    oidc_str_t            line;
    ngx_array_t          *cookies;
    oidc_pool_t           pool;
    ngx_table_elt_t      *h;
    ngx_http_oidc_ctx_t  *ctx;

    if (ngx_http_oidc_cookie_line(r, 0) == NULL || scf->strip.nelts == 0) {
        return NGX_OK;
    }

    ctx = ngx_http_oidc_get_ctx(r);

    if (ctx != NULL && ctx->cookies != NULL) {
        return NGX_OK;
    }

    pool = ngx_http_oidc_pool(r->pool);
    cookies = NULL;

    for (i = 0; (h = ngx_http_oidc_cookie_line(r, i)) != NULL; i++) {

        if (oidc_cookie_strip(&pool, &h->value,
                              scf->strip.elts, scf->strip.nelts, &line,
                              &removed)
            != OIDC_OK)
        {
            return NGX_ERROR;
        }

        if (!removed) {
            continue;
        }

        if (cookies == NULL) {
            cookies = ngx_http_oidc_save_cookies(r);
            if (cookies == NULL) {
                return NGX_ERROR;
            }
        }

        h->value.len = line.len;
        h->value.data = line.data;

        if (line.len == 0 && ngx_http_oidc_remove_header(r, h) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (cookies != NULL) {

        ctx = ngx_http_oidc_make_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        ctx->cookies = cookies;
    }

    return NGX_OK;
}


static ngx_array_t *
ngx_http_oidc_save_cookies(ngx_http_request_t *r)
{
    ngx_str_t        *saved;
    ngx_uint_t        i;
    ngx_array_t      *cookies;
    ngx_table_elt_t  *h;

    cookies = ngx_array_create(r->pool, 2, sizeof(ngx_str_t));
    if (cookies == NULL) {
        return NULL;
    }

    for (i = 0; (h = ngx_http_oidc_cookie_line(r, i)) != NULL; i++) {

        saved = ngx_array_push(cookies);
        if (saved == NULL) {
            return NULL;
        }

        *saved = h->value;
    }

    return cookies;
}


/*
 * Takes a header out of the list.  The others are pointed at from headers_in
 * and must not move; no part may become empty but the first, as those who walk
 * the list look at the first element of every further part; and no later push
 * may land on what is removed, nor on nothing where all are gone: it takes
 * room for as many as the last part has.
 */

ngx_int_t
ngx_http_oidc_remove_header(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_uint_t        i;
    ngx_list_t       *list;
    ngx_list_part_t  *part, *prev, *rest;
    ngx_table_elt_t  *elts;

    list = &r->headers_in.headers;
    prev = NULL;
    elts = NULL;

    for (part = &list->part; part != NULL; part = part->next) {

        elts = part->elts;

        if (part->nelts && h >= elts && h < elts + part->nelts) {
            break;
        }

        prev = part;
    }

    if (part == NULL) {
        return NGX_OK;
    }

    i = h - elts;

    if (part->nelts == 1 && prev != NULL) {

        prev->next = part->next;

        if (list->last == part) {
            list->last = prev;
            list->nalloc = prev->nelts;
        }

        return (list->nalloc != 0)
               ? NGX_OK : ngx_list_init(list, r->pool, 4, list->size);
    }

    if (i == 0) {
        part->elts = &elts[1];
        part->nelts--;

        if (list->last == part) {
            list->nalloc--;
        }

        return (list->nalloc != 0)
               ? NGX_OK : ngx_list_init(list, r->pool, 4, list->size);
    }

    if (i == part->nelts - 1) {
        part->nelts--;

        if (list->last == part) {
            list->nalloc = part->nelts;
        }

        return NGX_OK;
    }

    rest = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
    if (rest == NULL) {
        return NGX_ERROR;
    }

    rest->elts = &elts[i + 1];
    rest->nelts = part->nelts - i - 1;
    rest->next = part->next;

    part->nelts = i;
    part->next = rest;

    if (list->last == part) {
        list->last = rest;
        list->nalloc -= i + 1;
    }

    return NGX_OK;
}
