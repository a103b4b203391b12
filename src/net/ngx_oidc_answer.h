
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What a transport keeps of an answer while it arrives: a bounded body, and
 * how long a cache may keep it.
 */


#ifndef _NGX_OIDC_ANSWER_H_INCLUDED_
#define _NGX_OIDC_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    u_char      *body;
    size_t       len;
    size_t       cap;
    size_t       max;           /* bytes of body that are taken */
    size_t       header_len;
    time_t       max_age;       /* seconds; -1: not said */
    unsigned     too_large:1;
} ngx_oidc_answer_t;


void ngx_oidc_answer_init(ngx_oidc_answer_t *a, size_t max);
void ngx_oidc_answer_free(ngx_oidc_answer_t *a);

/*
 * One header line, or the status line that begins a new answer (an interim
 * one may come first); a piece of body.  NGX_ERROR: too_large, or no memory.
 */

ngx_int_t ngx_oidc_answer_header(ngx_oidc_answer_t *a, u_char *p, size_t len);
ngx_int_t ngx_oidc_answer_body(ngx_oidc_answer_t *a, u_char *p, size_t len,
    ngx_log_t *log);


#endif /* _NGX_OIDC_ANSWER_H_INCLUDED_ */
