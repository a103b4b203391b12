
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Who we are for a provider: how the client authenticates to it (RFC 6749
 * section 2.3, OpenID Connect Core 9, RFC 8705), with which key it signs, and
 * which keys it has tokens encrypted to.  A key in the block of a provider is
 * for this one alone, one of http{} for all of them.  What contradicts itself
 * is found here before the first request; nothing here is of a request.
 */


#include "ngx_http_oidc_provider.h"

#include "oidc_jws.h"
#include "oidc_seal.h"
#include "oidc_url.h"


typedef struct {
    const char                 *name;
    size_t                      offset;     /* of an oidc_jwe_policy_t */
} ngx_http_oidc_encrypted_t;


static ngx_int_t ngx_http_oidc_client_error(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, const char *what, const char *why);
static ngx_int_t ngx_http_oidc_client_keys(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, ngx_array_t *keys);
static ngx_int_t ngx_http_oidc_client_encrypted(ngx_conf_t *cf,
    ngx_http_oidc_provider_t *p, const ngx_http_oidc_encrypted_t *row);
static ngx_uint_t ngx_http_oidc_key_decrypts(ngx_array_t *keys, unsigned alg);


static const ngx_http_oidc_encrypted_t  ngx_http_oidc_encrypted[] = {
    { "id_token_encrypted_response",
      offsetof(ngx_http_oidc_provider_t, id_token_jwe) },
    { "userinfo_encrypted_response",
      offsetof(ngx_http_oidc_provider_t, userinfo_jwe) },
    { NULL, 0 }
};


/* ..._encrypted_response_alg alg ...; the offset is that of the mask */

char *
ngx_http_oidc_jwe_algs(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    unsigned     bit, *mask;
    ngx_str_t   *value;
    ngx_uint_t   i;

    unsigned   (*find)(const oidc_str_t *name) = cmd->post;

    mask = (unsigned *) (p + cmd->offset);

    if (*mask) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        bit = find(&value[i]);

        if (bit == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is no encryption algorithm for \"%V\"",
                               &value[i], &value[0]);
            return NGX_CONF_ERROR;
        }

        *mask |= bit;
    }

    return NGX_CONF_OK;
}


/* at the end of the block: all that needs no key */

ngx_int_t
ngx_http_oidc_client_check(ngx_conf_t *cf, ngx_http_oidc_provider_t *p)
{
    size_t       min;
    unsigned     alg, algs;
    ngx_str_t   *secret, *audience;
    oidc_url_t   url;

    secret = &p->client.secret;

    if (p->client_secret_file.len) {

        if (secret->len) {
            return ngx_http_oidc_client_error(cf, p, "client_auth_method",
                                              "has both \"client_secret\" "
                                              "and \"client_secret_file\"");
        }

        if (ngx_http_oidc_read_secret(cf, &p->client_secret_file, 4096, secret)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    p->client.auth = p->client_auth_method;
    p->client.random = oidc_random;

    if (secret->len == 0
        && (p->client.auth == OIDC_CLIENT_SECRET_BASIC
            || p->client.auth == OIDC_CLIENT_SECRET_POST))
    {
        return ngx_http_oidc_client_error(cf, p, "client_auth_method",
                                          "needs a \"client_secret\"");
    }

    if (p->client.auth == OIDC_CLIENT_SECRET_JWT
        && secret->len < oidc_jws_secret_min(OIDC_HS256))
    {
        return ngx_http_oidc_client_error(cf, p, "client_secret_jwt", "needs "
                                          "a client_secret of 32 bytes");
    }

    /* the certificate is the whole of it: never a call without TLS */

    if (p->client.auth == OIDC_CLIENT_TLS
        && (p->idp->allow_http || p->idp->insecure
            || !ngx_http_oidc_back_channel_seen(p, "proxy_ssl_certificate")))
    {
        return ngx_http_oidc_client_error(cf, p, "tls_client_auth",
                                          "needs an https issuer, verified, "
                                          "and \"proxy_ssl_certificate\"");
    }

    audience = &p->client_assertion_audience;

    if (audience->len == 0 || oidc_str_eq_cstr(audience, "issuer")) {
        p->client.audience = p->idp->issuer;

    } else if (!oidc_str_eq_cstr(audience, "token_endpoint")) {

        if (oidc_url_parse(audience, &url) != OIDC_OK) {
            return ngx_http_oidc_client_error(cf, p,
                                              "client_assertion_audience",
                                              "is neither issuer, "
                                              "token_endpoint nor a URL");
        }

        p->client.audience = *audience;
    }

    algs = p->id_token_algs | p->userinfo_algs;

    for (alg = OIDC_HS256; alg <= OIDC_HS512; alg <<= 1) {

        min = oidc_jws_secret_min(alg);

        if ((algs & alg) && secret->len < min) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s of oidc_provider \"%V\" needs a "
                               "client_secret of at least %uz bytes",
                               oidc_jws_alg_name(alg), &p->name, min);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* in postconfiguration: keys of http{} may stand behind the block */

ngx_int_t
ngx_http_oidc_client_finish(ngx_conf_t *cf, ngx_http_oidc_provider_t *p,
    ngx_array_t *keys)
{
    const ngx_http_oidc_encrypted_t  *row;

    if (ngx_http_oidc_client_keys(cf, p, &p->keys) != NGX_OK
        || ngx_http_oidc_client_keys(cf, p, keys) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (p->client.auth == OIDC_CLIENT_PRIVATE_KEY_JWT && p->client.key == NULL)
    {
        return ngx_http_oidc_client_error(cf, p, "private_key_jwt",
                                          "needs an \"oidc_key\" with "
                                          "use=sig that is not retired");
    }

    if (p->request_object && p->client.key == NULL
        && p->client.secret.len < oidc_jws_secret_min(OIDC_HS256))
    {
        return ngx_http_oidc_client_error(cf, p, "request_object",
                                          "needs an \"oidc_key\" with "
                                          "use=sig that is not retired, or a "
                                          "client_secret of 32 bytes");
    }

    for (row = ngx_http_oidc_encrypted; row->name != NULL; row++) {
        if (ngx_http_oidc_client_encrypted(cf, p, row) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_oidc_decrypt_init(cf, p);
}


/* the first that signs is the one; all that decrypt do */

static ngx_int_t
ngx_http_oidc_client_keys(ngx_conf_t *cf, ngx_http_oidc_provider_t *p,
    ngx_array_t *keys)
{
    ngx_uint_t   i;
    oidc_key_t  *key, *k;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {

        if (key[i].use == OIDC_USE_SIG) {
            if (p->client.key == NULL && !key[i].retired) {
                p->client.key = &key[i];
            }

            continue;
        }

        k = ngx_array_push(&p->jwe_keys);
        if (k == NULL) {
            return NGX_ERROR;
        }

        *k = key[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_oidc_client_encrypted(ngx_conf_t *cf, ngx_http_oidc_provider_t *p,
    const ngx_http_oidc_encrypted_t *row)
{
    unsigned            alg;
    oidc_jwe_policy_t  *jwe;

    jwe = (oidc_jwe_policy_t *) ((u_char *) p + row->offset);

    if (jwe->algs == 0) {
        return jwe->encs ? ngx_http_oidc_client_error(cf, p, row->name,
                                                      "has an _enc, no _alg")
                         : NGX_OK;
    }

    if (jwe->encs == 0) {

        /* OpenID Connect Dynamic Client Registration 2 */

        jwe->encs = OIDC_A128CBC_HS256;
    }

    jwe->keys = p->jwe_keys.elts;
    jwe->n = p->jwe_keys.nelts;

    for (alg = 1; alg != 0 && alg <= jwe->algs; alg <<= 1) {

        if ((jwe->algs & alg)
            && !ngx_http_oidc_key_decrypts(&p->jwe_keys, alg))
        {
            return ngx_http_oidc_client_error(cf, p, row->name,
                                              "_alg names one that no "
                                              "\"oidc_key\" has as its alg");
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_oidc_key_decrypts(ngx_array_t *keys, unsigned alg)
{
    ngx_uint_t   i;
    oidc_key_t  *key;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {
        if (oidc_jwe_alg(&key[i].alg) == alg) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_oidc_client_error(ngx_conf_t *cf, ngx_http_oidc_provider_t *p,
    const char *what, const char *why)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%s\" of oidc_provider \"%V\" %s in %s:%ui",
                  what, &p->name, why, p->file, p->line);

    return NGX_ERROR;
}


void
ngx_http_oidc_client(ngx_http_oidc_provider_t *p,
    const oidc_metadata_t *metadata, unsigned methods, oidc_client_t *client)
{
    *client = p->client;

    client->auth = oidc_client_auth(&p->client, methods);
    client->now = ngx_time();

    if (client->audience.len == 0) {
        client->audience = metadata->token_endpoint;
    }
}
