
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Ending sessions that somebody else is in: the provider by its own names of
 * them (Back-Channel and Front-Channel Logout 1.0), an administrator.  First it
 * is noted where to look, then a step goes through the list, one verb of a
 * store after the other.  And a single one, whose name is known.
 */


#include "ngx_http_oidc_end.h"

#include "oidc_claims.h"


static ngx_int_t ngx_http_oidc_end_add(ngx_http_oidc_ending_t *e,
    ngx_oidc_store_t *store, ngx_oidc_store_kind_e kind, u_char *name,
    size_t len);


ngx_int_t
ngx_http_oidc_end_init(ngx_http_request_t *r, ngx_http_oidc_ending_t *e)
{
    e->next = 0;
    e->count = 0;
    e->asked = 0;
    e->failed = 0;

    return ngx_array_init(&e->list, r->pool, 4, sizeof(ngx_http_oidc_end_t));
}


/*
 * A provider knows a client, not our names of it: all blocks with this issuer
 * and client are meant, each of which may have a store of its own.  Sessions
 * that were made before the cookie key changed have their indexes under the
 * older one.
 */

ngx_int_t
ngx_http_oidc_end_indexed(ngx_http_request_t *r, ngx_http_oidc_ending_t *e,
    ngx_http_oidc_provider_t *p, const char *kind, const oidc_str_t *value)
{
    u_char                       name[NGX_OIDC_STORE_NAME_LEN];
    ngx_uint_t                   i, n;
    ngx_http_oidc_provider_t   **other;
    ngx_http_oidc_main_conf_t   *omcf;

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    other = omcf->providers.elts;

    for (i = 0; i < omcf->ring->n; i++) {

        if (oidc_index_name(omcf->ring->key[i], kind, &p->audience, value,
                            name)
            != OIDC_OK)
        {
            return NGX_ERROR;
        }

        for (n = 0; n < omcf->providers.nelts; n++) {

            if (oidc_str_eq(&other[n]->audience, &p->audience)
                && ngx_http_oidc_end_add(e, other[n]->store,
                                         NGX_OIDC_STORE_INDEX, name,
                                         NGX_OIDC_STORE_NAME_LEN)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_end_named(ngx_http_oidc_ending_t *e, ngx_oidc_store_t *store,
    u_char *name, size_t len)
{
    u_char  padded[NGX_OIDC_STORE_NAME_LEN];

    ngx_memzero(padded, NGX_OIDC_STORE_NAME_LEN);
    ngx_memcpy(padded, name, len);

    return ngx_http_oidc_end_add(e, store, NGX_OIDC_STORE_SESSION, padded,
                                 len);
}


static ngx_int_t
ngx_http_oidc_end_add(ngx_http_oidc_ending_t *e, ngx_oidc_store_t *store,
    ngx_oidc_store_kind_e kind, u_char *name, size_t len)
{
    ngx_uint_t            i;
    ngx_http_oidc_end_t  *end;

    end = e->list.elts;

    for (i = 0; i < e->list.nelts; i++) {
        if (end[i].store == store && end[i].kind == kind && end[i].len == len
            && ngx_memcmp(end[i].name, name, NGX_OIDC_STORE_NAME_LEN) == 0)
        {
            return NGX_OK;
        }
    }

    end = ngx_array_push(&e->list);
    if (end == NULL) {
        return NGX_ERROR;
    }

    end->store = store;
    end->kind = kind;
    end->len = len;
    ngx_memcpy(end->name, name, NGX_OIDC_STORE_NAME_LEN);

    return NGX_OK;
}


/* NGX_BUSY waits, and the step that has called this is to be called again */

ngx_int_t
ngx_http_oidc_end_all(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_http_oidc_ending_t *e)
{
    ngx_http_oidc_end_t  *end;

    end = e->list.elts;

    while (e->next < e->list.nelts) {

        if (!e->asked) {
            e->asked = 1;
            ctx->op.name_len = end[e->next].len;

            if (ngx_http_oidc_store(r, ctx, end[e->next].store,
                                    ngx_oidc_store_end, end[e->next].kind,
                                    end[e->next].name)
                == NGX_AGAIN)
            {
                return NGX_BUSY;
            }
        }

        if (ctx->op.rc != NGX_OK) {

            /* those in other stores end all the same */

            ngx_http_oidc_store_explain(r, ctx);
            ctx->rc = OIDC_STORE;
            e->failed = 1;

        } else {
            e->count += ctx->op.count;
        }

        e->asked = 0;
        e->next++;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_index_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_session_t *session)
{
    time_t                      left;
    oidc_str_t                  sub;
    ngx_http_oidc_main_conf_t  *omcf;

    static oidc_str_t  sub_name = oidc_string("sub");

    omcf = ngx_http_get_module_main_conf(r, ngx_http_oidc_module);

    left = session->expires - ngx_time();

    ctx->op.index = ngx_palloc(r->pool, NGX_OIDC_STORE_INDEXES
                                        * NGX_OIDC_STORE_NAME_LEN);
    if (ctx->op.index == NULL) {
        return NGX_ERROR;
    }

    ctx->op.indexes = 0;
    ctx->op.index_ttl = (ngx_msec_t) ngx_max(left, 1) * 1000;

    if (session->sid.len) {

        if (oidc_index_name(omcf->ring->key[0], "sid",
                            &ctx->provider->audience, &session->sid,
                            ctx->op.index[ctx->op.indexes++])
            != OIDC_OK)
        {
            return NGX_ERROR;
        }
    }

    if (oidc_claims_find(&session->claims, &sub_name, &sub)) {

        if (oidc_index_name(omcf->ring->key[0], "sub",
                            &ctx->provider->audience, &sub,
                            ctx->op.index[ctx->op.indexes++])
            != OIDC_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_oidc_end_session(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const oidc_session_t *session, const u_char *name)
{
    /* what nobody could read has no indexes, or keeps them until they end */

    ctx->op.indexes = 0;

    if (session != NULL
        && ngx_http_oidc_index_session(r, ctx, session) != NGX_OK)
    {
        ctx->rc = OIDC_CRYPTO;
        return NGX_ERROR;
    }

    return ngx_http_oidc_store(r, ctx, ctx->provider->store, ngx_oidc_store_del,
                               NGX_OIDC_STORE_SESSION, name);
}
