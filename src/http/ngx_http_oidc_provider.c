
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * oidc_provider name { }: its directives as a table.  The whole is checked when
 * the block ends, by ngx_http_oidc_provider_check.c; directives of nginx that
 * shape the calls to the provider are taken by ngx_http_oidc_back_channel.c.
 */


#include "ngx_http_oidc.h"
#include "ngx_http_oidc_args.h"
#include "ngx_http_oidc_provider.h"

#include "oidc_jws.h"


/* in the conf member of a command: the offset is one of ngx_oidc_idp_t */

#define NGX_HTTP_OIDC_IDP  1

#define ngx_http_oidc_offset(field)                                           \
    0, offsetof(ngx_http_oidc_provider_t, field)

#define ngx_http_oidc_idp_offset(field)                                       \
    NGX_HTTP_OIDC_IDP, offsetof(ngx_oidc_idp_t, field)


static void ngx_http_oidc_provider_unset(ngx_http_oidc_provider_t *p);
static char *ngx_http_oidc_provider_directive(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);


static ngx_conf_enum_t  ngx_http_oidc_client_auth_methods[] = {
    { ngx_string("client_secret_basic"), OIDC_CLIENT_SECRET_BASIC },
    { ngx_string("client_secret_post"), OIDC_CLIENT_SECRET_POST },
    { ngx_string("client_secret_jwt"), OIDC_CLIENT_SECRET_JWT },
    { ngx_string("private_key_jwt"), OIDC_CLIENT_PRIVATE_KEY_JWT },
    { ngx_string("tls_client_auth"), OIDC_CLIENT_TLS },
    { ngx_string("none"), OIDC_CLIENT_NONE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_oidc_response_modes[] = {
    { ngx_string("query"), 0 },
    { ngx_string("form_post"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_oidc_refresh_modes[] = {
    { ngx_string("off"), NGX_HTTP_OIDC_REFRESH_OFF },
    { ngx_string("on"), NGX_HTTP_OIDC_REFRESH_ON },
    { ngx_string("required"), NGX_HTTP_OIDC_REFRESH_REQUIRED },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_oidc_refresh_errors[] = {
    { ngx_string("end"), NGX_HTTP_OIDC_REFRESH_END },
    { ngx_string("keep"), NGX_HTTP_OIDC_REFRESH_KEEP },
    { ngx_null_string, 0 }
};


/* one row per directive, in the order of the README */

static ngx_command_t  ngx_http_oidc_provider_commands[] = {

    { ngx_string("issuer"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_idp_offset(issuer), NULL },

    { ngx_string("client_id"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(client.id), NULL },

    { ngx_string("client_secret"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(client.secret), NULL },

    { ngx_string("client_secret_file"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(client_secret_file), NULL },

    { ngx_string("client_auth_method"), NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
      ngx_http_oidc_offset(client_auth_method),
      &ngx_http_oidc_client_auth_methods },

    { ngx_string("client_assertion_audience"), NGX_CONF_TAKE1,
      ngx_conf_set_str_slot, ngx_http_oidc_offset(client_assertion_audience),
      NULL },

    { ngx_string("config_url"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_idp_offset(config_url), NULL },

    { ngx_string("scope"), NGX_CONF_1MORE, ngx_http_oidc_scope,
      ngx_http_oidc_offset(scope), NULL },

    { ngx_string("scopes"), NGX_CONF_1MORE, ngx_http_oidc_scope,
      ngx_http_oidc_offset(scope), NULL },

    { ngx_string("extra_auth_args"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(extra_auth_args), NULL },

    NGX_HTTP_OIDC_ARGS_COMMANDS(0, 0, offsetof(ngx_http_oidc_provider_t, args))

    { ngx_string("response_mode"), NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
      ngx_http_oidc_offset(form_post), &ngx_http_oidc_response_modes },

    { ngx_string("pkce"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(pkce), NULL },

    { ngx_string("par"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(par), NULL },

    { ngx_string("request_object"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(request_object), NULL },

    { ngx_string("userinfo"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(userinfo), NULL },

    { ngx_string("redirect_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_REDIRECT_URI]), NULL },

    { ngx_string("login_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_LOGIN_URI]), NULL },

    { ngx_string("logout_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_LOGOUT_URI]), NULL },

    { ngx_string("post_logout_uri"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(post_logout_uri), NULL },

    { ngx_string("logout_callback_uri"), NGX_CONF_TAKE12,
      ngx_http_oidc_logout_callback_uri,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_LOGOUT_CALLBACK_URI]), NULL },

    { ngx_string("logout_token_hint"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(logout_token_hint), NULL },

    { ngx_string("logout_cross_site"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(logout_cross_site), NULL },

    { ngx_string("logout_revoke"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(logout_revoke), NULL },

    { ngx_string("backchannel_logout_uri"), NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_BACKCHANNEL_URI]), NULL },

    { ngx_string("frontchannel_logout_uri"), NGX_CONF_TAKE12,
      ngx_http_oidc_frontchannel_uri,
      ngx_http_oidc_offset(uri[NGX_HTTP_OIDC_FRONTCHANNEL_URI]), NULL },

    { ngx_string("frontchannel_logout_ancestors"), NGX_CONF_1MORE,
      ngx_http_oidc_ancestors, ngx_http_oidc_offset(frontchannel_csp), NULL },

    { ngx_string("session_store"), NGX_CONF_TAKE1, ngx_http_oidc_session_store,
      ngx_http_oidc_offset(session_store), NULL },

    { ngx_string("session_timeout"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(session_timeout), NULL },

    { ngx_string("session_lifetime"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(session_lifetime), NULL },

    { ngx_string("pre_auth_timeout"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(pre_auth_timeout), NULL },

    { ngx_string("refresh"), NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
      ngx_http_oidc_offset(refresh), &ngx_http_oidc_refresh_modes },

    { ngx_string("refresh_leeway"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(refresh_leeway), NULL },

    { ngx_string("refresh_error"), NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
      ngx_http_oidc_offset(refresh_error), &ngx_http_oidc_refresh_errors },

    { ngx_string("access_token_lifetime"), NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot, ngx_http_oidc_offset(access_token_lifetime),
      NULL },

    { ngx_string("userinfo_interval"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(userinfo_interval), NULL },

    { ngx_string("cookie_name"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(cookie_name), NULL },

    { ngx_string("cookie_domain"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(cookie_domain), NULL },

    { ngx_string("pass_cookies"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(pass_cookies), NULL },

    { ngx_string("id_token_signed_response_alg"), NGX_CONF_1MORE,
      ngx_http_oidc_algs, ngx_http_oidc_offset(id_token_algs), NULL },

    { ngx_string("userinfo_signed_response_alg"), NGX_CONF_1MORE,
      ngx_http_oidc_algs, ngx_http_oidc_offset(userinfo_algs), NULL },

    { ngx_string("id_token_encrypted_response_alg"), NGX_CONF_1MORE,
      ngx_http_oidc_jwe_algs, ngx_http_oidc_offset(id_token_jwe.algs),
      oidc_jwe_alg },

    { ngx_string("id_token_encrypted_response_enc"), NGX_CONF_1MORE,
      ngx_http_oidc_jwe_algs, ngx_http_oidc_offset(id_token_jwe.encs),
      oidc_jwe_enc },

    { ngx_string("userinfo_encrypted_response_alg"), NGX_CONF_1MORE,
      ngx_http_oidc_jwe_algs, ngx_http_oidc_offset(userinfo_jwe.algs),
      oidc_jwe_alg },

    { ngx_string("userinfo_encrypted_response_enc"), NGX_CONF_1MORE,
      ngx_http_oidc_jwe_algs, ngx_http_oidc_offset(userinfo_jwe.encs),
      oidc_jwe_enc },

    { ngx_string("trusted_audience"), NGX_CONF_1MORE, ngx_http_oidc_audience,
      ngx_http_oidc_offset(trusted_audience), NULL },

    { ngx_string("introspection_response"), NGX_CONF_1MORE,
      ngx_http_oidc_introspection_response, 0, 0, NULL },

    { ngx_string("introspection_cache"), NGX_CONF_1MORE,
      ngx_http_oidc_introspection_cache, 0, 0, NULL },

    { ngx_string("clock_skew"), NGX_CONF_TAKE1, ngx_conf_set_sec_slot,
      ngx_http_oidc_offset(clock_skew), NULL },

#define NGX_HTTP_OIDC_ENDPOINT(name, required)                                \
    { ngx_string(#name), NGX_CONF_TAKE1, ngx_conf_set_str_slot,               \
      ngx_http_oidc_idp_offset(fixed.name), NULL },

    OIDC_ENDPOINTS(NGX_HTTP_OIDC_ENDPOINT)

#undef NGX_HTTP_OIDC_ENDPOINT

    { ngx_string("ssl_trusted_certificate"), NGX_CONF_TAKE1,
      ngx_conf_set_str_slot, ngx_http_oidc_offset(ssl_trusted_certificate),
      NULL },

    { ngx_string("ssl_crl"), NGX_CONF_TAKE1, ngx_conf_set_str_slot,
      ngx_http_oidc_offset(ssl_crl), NULL },

    { ngx_string("timeout"), NGX_CONF_TAKE1, ngx_conf_set_msec_slot,
      ngx_http_oidc_offset(timeout), NULL },

    { ngx_string("allow_http"), NGX_CONF_FLAG, ngx_conf_set_flag_slot,
      ngx_http_oidc_offset(allow_http), NULL },

    { ngx_string("oidc_key"), NGX_CONF_1MORE, ngx_http_oidc_key,
      ngx_http_oidc_offset(keys), NULL },

      ngx_null_command
};


char *
ngx_http_oidc_provider_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_oidc_main_conf_t *omcf = conf;

    char                       *rv;
    ngx_str_t                  *value;
    ngx_conf_t                  save;
    ngx_uint_t                  i;
    ngx_http_oidc_provider_t   *p, **pp;

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] <= ' ' || value[1].data[i] >= 0x7f
            || ngx_strchr("\"\\$", value[1].data[i]) != NULL)
        {
            break;
        }
    }

    if (i == 0 || i < value[1].len || ngx_strcmp(value[1].data, "off") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of an oidc_provider: \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_oidc_find_provider(omcf, &value[1]) != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate oidc_provider \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    p = ngx_pcalloc(cf->pool, sizeof(ngx_http_oidc_provider_t));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    p->name = value[1];
    p->file = cf->conf_file->file.name.data;
    p->line = cf->conf_file->line;

    ngx_http_oidc_provider_unset(p);

    p->idp = ngx_oidc_idp_create(cf, &p->name);

    if (p->idp == NULL
        || ngx_array_init(&p->keys, cf->pool, 2, sizeof(oidc_key_t)) != NGX_OK
        || ngx_array_init(&p->jwe_keys, cf->pool, 2, sizeof(oidc_key_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_oidc_back_channel_create(cf, p);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    save = *cf;

    cf->ctx = p->back_channel;
    cf->handler = ngx_http_oidc_provider_directive;
    cf->handler_conf = (void *) p;

    rv = ngx_conf_parse(cf, NULL);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_oidc_provider_check(cf, p);
    }

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    pp = ngx_array_push(&omcf->providers);
    if (pp == NULL) {
        return NGX_CONF_ERROR;
    }

    *pp = p;

    return NGX_CONF_OK;
}


static void
ngx_http_oidc_provider_unset(ngx_http_oidc_provider_t *p)
{
    p->session_timeout = NGX_CONF_UNSET;
    p->session_lifetime = NGX_CONF_UNSET;
    p->pre_auth_timeout = NGX_CONF_UNSET;
    p->clock_skew = NGX_CONF_UNSET;
    ngx_http_oidc_args_unset(&p->args);
    p->form_post = NGX_CONF_UNSET_UINT;
    p->refresh_leeway = NGX_CONF_UNSET;
    p->access_token_lifetime = NGX_CONF_UNSET;
    p->userinfo_interval = NGX_CONF_UNSET;
    p->refresh = NGX_CONF_UNSET_UINT;
    p->refresh_error = NGX_CONF_UNSET_UINT;
    p->timeout = NGX_CONF_UNSET_MSEC;
    p->client_auth_method = NGX_CONF_UNSET_UINT;
    p->pkce = NGX_CONF_UNSET;
    p->par = NGX_CONF_UNSET;
    p->request_object = NGX_CONF_UNSET;
    p->userinfo = NGX_CONF_UNSET;
    p->logout_token_hint = NGX_CONF_UNSET;
    p->logout_cross_site = NGX_CONF_UNSET;
    p->logout_revoke = NGX_CONF_UNSET;
    p->pass_cookies = NGX_CONF_UNSET;
    p->allow_http = NGX_CONF_UNSET;
    ngx_http_oidc_introspection_unset(p);
}


static char *
ngx_http_oidc_provider_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_oidc_provider_t *p = conf;

    ngx_int_t  rc;

    rc = ngx_http_oidc_back_channel_directive(cf, p);

    if (rc != 0) {
        return (rc == 1) ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    return ngx_http_oidc_block_directive(cf, dummy, p,
                                         ngx_http_oidc_provider_commands,
                                         p->idp, "oidc_provider");
}

