
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What was found out about tokens.  Two stores in shared memory for what a
 * provider has said: one for good tokens, a small one for bad ones, so that
 * neither sessions nor good tokens are pushed out by whoever makes tokens up.
 * What lies there is sealed with a key that only the token yields.  And a table
 * in each worker of the tokens that it met lately, opened, which is all there
 * is for tokens that are verified here.
 *
 * An entry is known by the SHA-256 of the token and of every setting that its
 * verdict depends on; it never outlives the token's exp.  The rules of a
 * location are not part of it.  What is not the token's fault is not kept.
 */


#include "ngx_http_oidc_bearer.h"

#include "oidc_claims.h"
#include "oidc_json.h"
#include "oidc_seal.h"


#define NGX_HTTP_OIDC_GOOD_SLOTS  1024

/* bytes of claims; what has more is opened each time */

#define NGX_HTTP_OIDC_GOOD_TEXT   8192

#define NGX_HTTP_OIDC_GOOD_PURPOSE  "oidc access token"


typedef struct {
    u_char                  id[32];
    ngx_http_oidc_good_t   *good;       /* NULL: the slot is empty */
} ngx_http_oidc_good_slot_t;


static ngx_int_t ngx_http_oidc_bearer_name(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx);
static ngx_int_t ngx_http_oidc_bearer_get(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_oidc_store_t *store,
    ngx_oidc_store_op_t *op);
static void ngx_http_oidc_bearer_put(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_oidc_store_t *store, ngx_str_t *value,
    time_t ttl);
static oidc_rc_t ngx_http_oidc_bearer_unseal(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, ngx_oidc_store_op_t *op);
static void ngx_http_oidc_bearer_seal(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx, const json_t *claims, time_t ttl);
static oidc_rc_t ngx_http_oidc_bearer_good(ngx_http_oidc_ctx_t *ctx,
    json_t *claims);
static ngx_uint_t ngx_http_oidc_bearer_lasts(ngx_http_oidc_good_t *good);
static void ngx_http_oidc_bearer_keep(ngx_http_oidc_bearer_t *b, time_t ttl);


static ngx_http_oidc_good_slot_t
    ngx_http_oidc_good_slots[NGX_HTTP_OIDC_GOOD_SLOTS];


#define ngx_http_oidc_good_slot(id)                                           \
    &ngx_http_oidc_good_slots[((id)[0] | (ngx_uint_t) (id)[1] << 8)           \
                              % NGX_HTTP_OIDC_GOOD_SLOTS]


ngx_int_t
ngx_http_oidc_bearer_recall(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    oidc_rc_t                   rc;
    ngx_oidc_store_op_t         op;
    ngx_http_oidc_provider_t   *p;
    ngx_http_oidc_good_slot_t  *slot;

    p = ctx->provider;

    if (p->introspection.cache == 0) {
        return NGX_AGAIN;
    }

    if (!b->named && ngx_http_oidc_bearer_name(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    slot = ngx_http_oidc_good_slot(b->id);

    if (slot->good != NULL && oidc_eq_ct(slot->id, b->id, sizeof(b->id))) {

        if (slot->good->until > ngx_time()
            && ngx_http_oidc_bearer_lasts(slot->good))
        {
            b->good = slot->good;
            b->good->refs++;
            return NGX_OK;
        }

        ngx_http_oidc_bearer_drop(slot->good);
        slot->good = NULL;
    }

    if (ctx->bearer_conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL) {
        return NGX_AGAIN;
    }

    if (!b->keyed) {

        if (oidc_handle_keys(b->id, &b->keys) != OIDC_OK) {
            return NGX_ERROR;
        }

        b->keyed = 1;
    }

    if (ngx_http_oidc_bearer_get(r, ctx, p->introspection.good, &op)
        == NGX_OK)
    {
        rc = ngx_http_oidc_bearer_unseal(r, ctx, &op);

        if (rc == OIDC_OK) {
            ngx_http_oidc_bearer_keep(b, op.ttl / 1000);
            return NGX_OK;
        }

        if (rc == OIDC_NOMEM) {
            return NGX_ERROR;
        }
    }

    return (ngx_http_oidc_bearer_get(r, ctx, p->introspection.bad, &op)
            == NGX_OK) ? NGX_DECLINED : NGX_AGAIN;
}


/* of a token that is good; what cannot be kept is asked for again */

oidc_rc_t
ngx_http_oidc_bearer_remember(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    json_t *claims)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    time_t                     ttl;
    int64_t                    left;
    oidc_rc_t                  rc;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    rc = ngx_http_oidc_bearer_good(ctx, claims);

    if (rc == OIDC_OK) {

        ttl = p->introspection.cache;

        if (b->good->access.exp) {
            left = b->good->access.exp - (int64_t) ngx_time();
            ttl = (time_t) ngx_min((int64_t) ttl, left);
        }

        if (ttl > 0 && b->named) {

            if (ctx->bearer_conf->mode == NGX_HTTP_OIDC_BEARER_INTROSPECTION) {
                ngx_http_oidc_bearer_seal(r, ctx, claims, ttl);
            }

            ngx_http_oidc_bearer_keep(b, ttl);
        }
    }

    json_decref(claims);

    return rc;
}


void
ngx_http_oidc_bearer_remember_bad(ngx_http_request_t *r,
    ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_str_t                  value;
    ngx_http_oidc_provider_t  *p;

    p = ctx->provider;

    if (!b->named || p->introspection.negative == 0
        || ctx->bearer_conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL)
    {
        return;
    }

    ngx_str_set(&value, "bad");

    ngx_http_oidc_bearer_put(r, ctx, p->introspection.bad, &value,
                             p->introspection.negative);
}


/* "settings" are a digest of fixed length, so nothing can be shifted */

static ngx_int_t
ngx_http_oidc_bearer_name(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    size_t                        len;
    u_char                       *text, *p;
    ngx_str_t                    *token, *audience;
    oidc_rc_t                     rc;
    ngx_uint_t                    i;
    ngx_http_oidc_bearer_conf_t  *conf;

    conf = ctx->bearer_conf;
    token = &b->token.token;

    len = 32 + 4 * sizeof(uint32_t) + token->len;

    audience = NULL;

    if (conf->mode == NGX_HTTP_OIDC_BEARER_LOCAL
        && ctx->bearer_audience != NULL)
    {
        audience = ctx->bearer_audience->elts;

        for (i = 0; i < ctx->bearer_audience->nelts; i++) {
            len += audience[i].len + 1;
        }
    }

    text = ngx_pnalloc(r->pool, len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text, ctx->provider->introspection.settings, 32);

    *p++ = (u_char) conf->mode;
    *p++ = (u_char) conf->any_typ;
    p = ngx_cpymem(p, &conf->jws_algs, sizeof(uint32_t));
    p = ngx_cpymem(p, &conf->jwe_algs, sizeof(uint32_t));
    p = ngx_cpymem(p, &conf->jwe_encs, sizeof(uint32_t));

    if (audience != NULL) {
        for (i = 0; i < ctx->bearer_audience->nelts; i++) {
            p = ngx_cpymem(p, audience[i].data, audience[i].len);
            *p++ = '\0';
        }
    }

    /* a token has no NUL in it */

    *p++ = '\0';
    p = ngx_cpymem(p, token->data, token->len);

    rc = oidc_sha256(text, p - text, b->id);

    oidc_wipe(text, p - text);

    b->named = 1;

    return (rc == OIDC_OK) ? NGX_OK : NGX_ERROR;
}


/* the stores are in memory: nothing is waited for */

static ngx_int_t
ngx_http_oidc_bearer_get(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_t *store, ngx_oidc_store_op_t *op)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_memzero(op, sizeof(ngx_oidc_store_op_t));

    op->store = store;
    op->kind = NGX_OIDC_STORE_TOKEN;
    op->pool = r->pool;
    op->log = r->connection->log;

    ngx_memcpy(op->name, b->keys.name, NGX_OIDC_STORE_NAME_LEN);

    return ngx_oidc_store_get(op);
}


static void
ngx_http_oidc_bearer_put(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_t *store, ngx_str_t *value, time_t ttl)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    ngx_oidc_store_op_t  op;

    ngx_memzero(&op, sizeof(ngx_oidc_store_op_t));

    op.store = store;
    op.kind = NGX_OIDC_STORE_TOKEN;
    op.pool = r->pool;
    op.log = r->connection->log;
    op.value = *value;
    op.head_len = value->len;
    op.ttl = (ngx_msec_t) ttl * 1000;

    ngx_memcpy(op.name, b->keys.name, NGX_OIDC_STORE_NAME_LEN);

    (void) ngx_oidc_store_create(&op);
}


static oidc_rc_t
ngx_http_oidc_bearer_unseal(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    ngx_oidc_store_op_t *op)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    json_t      *claims;
    oidc_rc_t    rc;
    oidc_str_t   text;

    if (op->value.len < OIDC_SEAL_OVERHEAD) {
        return OIDC_SEAL;
    }

    text.len = op->value.len - OIDC_SEAL_OVERHEAD;
    text.data = ngx_pnalloc(r->pool, ngx_max(text.len, 1));

    if (text.data == NULL) {
        return OIDC_NOMEM;
    }

    claims = NULL;

    rc = oidc_open(b->keys.key, NGX_HTTP_OIDC_GOOD_PURPOSE, NULL, &op->value,
                   text.data);

    if (rc == OIDC_OK) {
        rc = oidc_json_parse(&text, text.len, &claims);
    }

    if (rc == OIDC_OK) {
        rc = ngx_http_oidc_bearer_good(ctx, claims);
        json_decref(claims);
    }

    if (rc == OIDC_OK && !ngx_http_oidc_bearer_lasts(b->good)) {
        ngx_http_oidc_bearer_drop(b->good);
        b->good = NULL;
        rc = OIDC_BEARER_EXPIRED;
    }

    return rc;
}


static void
ngx_http_oidc_bearer_seal(ngx_http_request_t *r, ngx_http_oidc_ctx_t *ctx,
    const json_t *claims, time_t ttl)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    char       *text;
    ngx_str_t   plain, sealed;

    text = json_dumps(claims, JSON_COMPACT);

    if (text == NULL) {
        return;
    }

    plain.data = (u_char *) text;
    plain.len = ngx_strlen(text);

    sealed.len = plain.len + OIDC_SEAL_OVERHEAD;
    sealed.data = ngx_pnalloc(r->pool, sealed.len);

    if (sealed.data != NULL
        && oidc_seal(b->keys.key, NGX_HTTP_OIDC_GOOD_PURPOSE, NULL, &plain,
                     oidc_random, sealed.data)
           == OIDC_OK)
    {
        ngx_http_oidc_bearer_put(r, ctx, ctx->provider->introspection.good,
                                 &sealed, ttl);
    }

    free(text);
}


/* b->good from claims, of which it takes a reference of its own */

static oidc_rc_t
ngx_http_oidc_bearer_good(ngx_http_oidc_ctx_t *ctx, json_t *claims)
{
    ngx_http_oidc_bearer_t *b = ctx->bearer;

    oidc_rc_t              rc;
    ngx_pool_t            *pool;
    oidc_pool_t            opool;
    ngx_http_oidc_good_t  *good;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return OIDC_NOMEM;
    }

    good = ngx_pcalloc(pool, sizeof(ngx_http_oidc_good_t));
    if (good == NULL) {
        ngx_destroy_pool(pool);
        return OIDC_NOMEM;
    }

    good->pool = pool;
    good->refs = 1;

    opool = ngx_http_oidc_pool(pool);

    rc = oidc_claims_flatten(&opool, claims, NULL, &good->claims);

    if (rc == OIDC_OK) {
        rc = oidc_access_read(&opool, claims, &good->access);
    }

    if (rc != OIDC_OK) {
        ngx_http_oidc_bearer_drop(good);
        return rc;
    }

    b->good = good;

    return OIDC_OK;
}


/* stores count time by the clock that was right when they were told */

static ngx_uint_t
ngx_http_oidc_bearer_lasts(ngx_http_oidc_good_t *good)
{
    return good->access.exp == 0 || good->access.exp > (int64_t) ngx_time();
}


/* the newer one wins a slot */

static void
ngx_http_oidc_bearer_keep(ngx_http_oidc_bearer_t *b, time_t ttl)
{
    ngx_http_oidc_good_slot_t  *slot;

    if (ttl <= 0 || b->good->claims.len > NGX_HTTP_OIDC_GOOD_TEXT) {
        return;
    }

    slot = ngx_http_oidc_good_slot(b->id);

    if (slot->good != NULL) {
        ngx_http_oidc_bearer_drop(slot->good);
    }

    ngx_memcpy(slot->id, b->id, sizeof(b->id));

    slot->good = b->good;
    slot->good->refs++;
    slot->good->until = ngx_time() + ttl;
}


void
ngx_http_oidc_bearer_drop(ngx_http_oidc_good_t *good)
{
    if (--good->refs) {
        return;
    }

    json_decref(good->access.claims);
    oidc_wipe(good->claims.data, good->claims.len);

    ngx_destroy_pool(good->pool);
}


void
ngx_http_oidc_bearer_clear(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_OIDC_GOOD_SLOTS; i++) {

        if (ngx_http_oidc_good_slots[i].good != NULL) {
            ngx_http_oidc_bearer_drop(ngx_http_oidc_good_slots[i].good);
            ngx_http_oidc_good_slots[i].good = NULL;
        }
    }
}


/*
 * In init_main_conf: the stores of a provider, and a digest of the settings
 * that a verdict depends on, so that none outlives a reload that changes them.
 */

ngx_int_t
ngx_http_oidc_bearer_stores(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    u_char                         *text, *last;
    ngx_uint_t                      i;
    ngx_oidc_store_conf_t           sc;
    ngx_http_oidc_introspection_t  *in;

    static const char  *names[] = { "oidc_tokens", "oidc_bad_tokens" };

    in = &p->introspection;

    text = ngx_pnalloc(cf->temp_pool,
                       p->name.len + p->idp->issuer.len + p->client.id.len
                       + p->idp->fixed.introspection_endpoint.len
                       + p->idp->config_url.len
                       + 5 + 5 * NGX_INT64_LEN + sizeof("     "));
    if (text == NULL) {
        return NGX_ERROR;
    }

    last = ngx_sprintf(text, "%V\n%V\n%V\n%V\n%V\n%ui %ui %ui %ui %T",
                       &p->name, &p->idp->issuer, &p->client.id,
                       &p->idp->fixed.introspection_endpoint,
                       &p->idp->config_url, (ngx_uint_t) in->response,
                       (ngx_uint_t) in->jws_algs, (ngx_uint_t) in->jwe_algs,
                       (ngx_uint_t) in->jwe_encs, p->clock_skew);

    if (oidc_sha256(text, last - text, in->settings) != OIDC_OK) {
        return NGX_ERROR;
    }

    if (in->response == OIDC_INTROSPECT_ENCRYPTED
        && !ngx_http_oidc_can_decrypt(cf, p, in->jwe_algs))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"oidc_key\" can decrypt the "
                      "\"introspection_response\" of oidc_provider \"%V\" "
                      "in %s:%ui", &p->name, p->file, p->line);
        return NGX_ERROR;
    }

    if (in->cache == 0) {
        return NGX_OK;
    }

    for (i = 0; i < 2; i++) {

        ngx_memzero(&sc, sizeof(ngx_oidc_store_conf_t));

        sc.name.data = ngx_pnalloc(cf->pool, ngx_strlen(names[i]) + 2
                                             + p->name.len);
        if (sc.name.data == NULL) {
            return NGX_ERROR;
        }

        sc.name.len = ngx_sprintf(sc.name.data, "%s_%V%Z", names[i], &p->name)
                      - sc.name.data - 1;
        sc.size = (i == 0) ? in->size : NGX_HTTP_OIDC_BAD_SIZE;
        sc.tag = &ngx_http_oidc_module;

        if (i == 0) {
            in->good = ngx_oidc_store_add(cf, &sc);

        } else {
            in->bad = ngx_oidc_store_add(cf, &sc);
        }
    }

    return (in->good != NULL && in->bad != NULL) ? NGX_OK : NGX_ERROR;
}
