
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * TLS to Redis: whom a worker trusts and what it shows.  The certificate and
 * the name in it are verified (hiredis by itself does not look at the name),
 * TLS 1.2 is the least; the context is made once, at configuration time.
 * Never asks for a pass phrase.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "ngx_oidc_redis_run.h"


static ngx_int_t ngx_oidc_redis_tls_files(ngx_conf_t *cf, SSL_CTX *ctx,
    ngx_oidc_redis_conf_t *conf);
static ngx_int_t ngx_oidc_redis_tls_name(SSL *ssl, ngx_str_t *name);
static int ngx_oidc_redis_tls_no_password(char *buf, int size, int rwflag,
    void *data);
static void ngx_oidc_redis_tls_cleanup(void *data);


void *
ngx_oidc_redis_tls_add(ngx_conf_t *cf, ngx_oidc_redis_conf_t *conf)
{
    SSL_CTX             *ctx;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        return NULL;
    }

    cln->handler = ngx_oidc_redis_tls_cleanup;
    cln->data = ctx;

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_default_passwd_cb(ctx, ngx_oidc_redis_tls_no_password);

    if (ngx_oidc_redis_tls_files(cf, ctx, conf) != NGX_OK) {
        ERR_clear_error();
        return NULL;
    }

    return ctx;
}


void *
ngx_oidc_redis_tls_connection(void *ctx, ngx_str_t *name, ngx_uint_t verify)
{
    SSL  *ssl;

    ssl = SSL_new(ctx);
    if (ssl == NULL) {
        return NULL;
    }

    SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);

    if (ngx_oidc_redis_tls_name(ssl, name) != NGX_OK) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }

    return ssl;
}


void
ngx_oidc_redis_tls_free(void *ssl)
{
    SSL_free(ssl);
}


void
ngx_oidc_redis_tls_error(void *ssl, const char **error)
{
    long  rc;

    rc = SSL_get_verify_result(ssl);

    if (rc != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
        *error = X509_verify_cert_error_string(rc);
    }
}


/* what is left in the queue would be taken for another connection's error */

void
ngx_oidc_redis_tls_clear(void)
{
    ERR_clear_error();
}


static ngx_int_t
ngx_oidc_redis_tls_files(ngx_conf_t *cf, SSL_CTX *ctx,
    ngx_oidc_redis_conf_t *conf)
{
    if (conf->tls_ca.len == 0) {
        if (!SSL_CTX_set_default_verify_paths(ctx)) {
            return NGX_ERROR;
        }

    } else if (!SSL_CTX_load_verify_locations(ctx, (char *) conf->tls_ca.data,
                                              NULL))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "store \"%V\": no CA certificates in \"%V\"",
                           &conf->name, &conf->tls_ca);
        return NGX_ERROR;
    }

    if (conf->tls_certificate.len == 0 && conf->tls_key.len == 0) {
        return NGX_OK;
    }

    if (conf->tls_certificate.len == 0 || conf->tls_key.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "store \"%V\": a certificate and its key for TLS "
                           "go together", &conf->name);
        return NGX_ERROR;
    }

    if (!SSL_CTX_use_certificate_chain_file(ctx,
                                        (char *) conf->tls_certificate.data))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "store \"%V\": no certificate in \"%V\"",
                           &conf->name, &conf->tls_certificate);
        return NGX_ERROR;
    }

    if (!SSL_CTX_use_PrivateKey_file(ctx, (char *) conf->tls_key.data,
                                     SSL_FILETYPE_PEM)
        || !SSL_CTX_check_private_key(ctx))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "store \"%V\": no key without pass phrase that "
                           "belongs to the certificate in \"%V\"",
                           &conf->name, &conf->tls_key);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* an address is not sent as server name (RFC 6066 section 3) */

static ngx_int_t
ngx_oidc_redis_tls_name(SSL *ssl, ngx_str_t *name)
{
    u_char  text[OIDC_REDIS_HOST_MAX + 1];

    ngx_cpystrn(text, name->data, ngx_min(name->len + 1, sizeof(text)));

    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), (char *) text)) {
        return NGX_OK;
    }

    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    if (!SSL_set1_host(ssl, (char *) text)
        || !SSL_set_tlsext_host_name(ssl, (char *) text))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static int
ngx_oidc_redis_tls_no_password(char *buf, int size, int rwflag, void *data)
{
    return 0;
}


static void
ngx_oidc_redis_tls_cleanup(void *data)
{
    SSL_CTX_free(data);
}
