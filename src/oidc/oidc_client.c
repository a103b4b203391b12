
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * How the client says who it is, and the forms that are sent to the provider
 * (RFC 6749 sections 2.3.1, 4.1.3, 6, RFC 7009, RFC 7521, RFC 7523, RFC 7662).
 * Decides what of a form is secret and where it may stand; where the form goes
 * is not its business.
 */


#include <string.h>

#include "oidc_b64.h"
#include "oidc_client.h"
#include "oidc_jws.h"
#include "oidc_sign.h"
#include "oidc_url.h"


#define OIDC_JTI_LEN  16    /* random octets */


static oidc_rc_t oidc_client_basic(oidc_pool_t *pool,
    const oidc_client_t *client, oidc_str_t *value);
static oidc_rc_t oidc_client_assertion(oidc_pool_t *pool,
    const oidc_client_t *client, oidc_str_t *assertion);


/* in the order of preference, with a secret */

static const oidc_client_auth_e  oidc_client_secret_auths[] = {
    OIDC_CLIENT_SECRET_BASIC, OIDC_CLIENT_SECRET_POST, OIDC_CLIENT_SECRET_JWT
};


oidc_client_auth_e
oidc_client_auth(const oidc_client_t *client, unsigned methods)
{
    size_t              i;
    oidc_client_auth_e  auth;

    if (client->auth != OIDC_CLIENT_AUTO) {
        return client->auth;
    }

    if (client->secret.len == 0) {
        return (client->key != NULL
                && (methods & oidc_client_auth_bit(OIDC_CLIENT_PRIVATE_KEY_JWT))
                && !(methods & oidc_client_auth_bit(OIDC_CLIENT_NONE)))
               ? OIDC_CLIENT_PRIVATE_KEY_JWT : OIDC_CLIENT_NONE;
    }

    for (i = 0; i < 3; i++) {
        auth = oidc_client_secret_auths[i];

        if ((methods & oidc_client_auth_bit(auth))
            && (auth != OIDC_CLIENT_SECRET_JWT
                || client->secret.len >= oidc_jws_secret_min(OIDC_HS256)))
        {
            return auth;
        }
    }

    return OIDC_CLIENT_SECRET_BASIC;
}


oidc_rc_t
oidc_form(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *raw, const oidc_form_arg_t *args, oidc_form_t *form)
{
    size_t                  len;
    oidc_rc_t               rc;
    oidc_buf_t              b;
    oidc_str_t              assertion;
    const oidc_form_arg_t  *arg;

    static const oidc_str_t  type = oidc_string("urn:ietf:params:oauth:"
                                     "client-assertion-type:jwt-bearer");

    memset(form, 0, sizeof(oidc_form_t));

    rc = OIDC_OK;
    assertion.len = 0;

    if (client->auth == OIDC_CLIENT_AUTO) {
        return OIDC_ARGS;
    }

    if (client->auth == OIDC_CLIENT_SECRET_BASIC) {
        rc = oidc_client_basic(pool, client, &form->authorization);

    } else if (client->auth == OIDC_CLIENT_SECRET_JWT
               || client->auth == OIDC_CLIENT_PRIVATE_KEY_JWT)
    {
        rc = oidc_client_assertion(pool, client, &assertion);
    }

    if (rc != OIDC_OK) {
        return rc;
    }

    /* room for all, so that no growing leaves a copy of a secret behind */

    len = 256 + 3 * (client->id.len + client->secret.len) + assertion.len
          + (raw != NULL ? raw->len : 0);

    for (arg = args; arg->name != NULL; arg++) {
        len += strlen(arg->name) + 2 + 3 * arg->value.len;
    }

    oidc_buf_init(&b, pool, len);

    if (raw != NULL) {
        oidc_buf_str(&b, raw);
    }

    for (arg = args; arg->name != NULL; arg++) {
        if (arg->value.len != 0) {
            oidc_buf_arg(&b, b.len ? '&' : 0, arg->name, &arg->value);
        }
    }

    if (client->auth != OIDC_CLIENT_SECRET_BASIC) {
        oidc_buf_arg(&b, b.len ? '&' : 0, "client_id", &client->id);
    }

    if (client->auth == OIDC_CLIENT_SECRET_POST) {
        oidc_buf_arg(&b, '&', "client_secret", &client->secret);
    }

    if (assertion.len != 0) {
        oidc_buf_arg(&b, '&', "client_assertion_type", &type);
        oidc_buf_arg(&b, '&', "client_assertion", &assertion);
        oidc_wipe(assertion.data, assertion.len);
    }

    return oidc_buf_done(&b, &form->body);
}


oidc_rc_t
oidc_token_request(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *code, const oidc_str_t *redirect_uri,
    const oidc_str_t *verifier, oidc_form_t *form)
{
    oidc_form_arg_t  args[] = {
        { "grant_type", oidc_string("authorization_code") },
        { "code", *code },
        { "redirect_uri", *redirect_uri },
        { "code_verifier", *verifier },
        { NULL, { 0, NULL } }
    };

    return oidc_form(pool, client, NULL, args, form);
}


oidc_rc_t
oidc_refresh_request(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *refresh_token, const oidc_str_t *scope,
    oidc_form_t *form)
{
    oidc_form_arg_t  args[] = {
        { "grant_type", oidc_string("refresh_token") },
        { "refresh_token", *refresh_token },
        { "scope", *scope },
        { NULL, { 0, NULL } }
    };

    return oidc_form(pool, client, NULL, args, form);
}


oidc_rc_t
oidc_token_about(oidc_pool_t *pool, const oidc_client_t *client,
    const oidc_str_t *token, const char *hint, oidc_form_t *form)
{
    oidc_form_arg_t  args[] = {
        { "token", *token },
        { "token_type_hint", { strlen(hint), (u_char *) hint } },
        { NULL, { 0, NULL } }
    };

    return oidc_form(pool, client, NULL, args, form);
}


/* both are form-encoded before they are joined: RFC 6749 section 2.3.1 */

static oidc_rc_t
oidc_client_basic(oidc_pool_t *pool, const oidc_client_t *client,
    oidc_str_t *value)
{
    oidc_rc_t   rc;
    oidc_str_t  plain, b64;
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, 3 * (client->id.len + client->secret.len) + 2);

    oidc_buf_escape(&b, &client->id);
    oidc_buf_cstr(&b, ":");
    oidc_buf_escape(&b, &client->secret);

    rc = oidc_buf_done(&b, &plain);
    if (rc != OIDC_OK) {
        return rc;
    }

    rc = oidc_b64_encode(pool, &plain, &b64);

    oidc_wipe(plain.data, plain.len);

    if (rc != OIDC_OK) {
        return rc;
    }

    oidc_buf_init(&b, pool, b64.len + sizeof("Basic "));
    oidc_buf_cstr(&b, "Basic ");
    oidc_buf_str(&b, &b64);

    rc = oidc_buf_done(&b, value);

    oidc_wipe(b64.data, b64.len);

    return rc;
}


/* RFC 7523 section 3, OpenID Connect Core 9 */

static oidc_rc_t
oidc_client_assertion(oidc_pool_t *pool, const oidc_client_t *client,
    oidc_str_t *assertion)
{
    json_t         *claims;
    u_char          id[OIDC_JTI_LEN], jti[oidc_b64url_len(OIDC_JTI_LEN)];
    oidc_rc_t       rc;
    oidc_signer_t   signer;

    memset(&signer, 0, sizeof(oidc_signer_t));

    signer.typ = "JWT";

    if (client->auth == OIDC_CLIENT_PRIVATE_KEY_JWT) {
        signer.key = client->key;

    } else {
        signer.secret = client->secret;
    }

    if (!client->random(id, sizeof(id))) {
        return OIDC_CRYPTO;
    }

    (void) oidc_b64url_encode_buf(jti, id, sizeof(id));

    claims = json_pack("{s:s%, s:s%, s:s%, s:s%, s:I, s:I}",
                       "iss", client->id.data, client->id.len,
                       "sub", client->id.data, client->id.len,
                       "aud", client->audience.data, client->audience.len,
                       "jti", jti, sizeof(jti),
                       "iat", (json_int_t) client->now,
                       "exp", (json_int_t) client->now + OIDC_ASSERTION_TTL);

    /* a client_id that is no UTF-8 is no JSON either */

    rc = claims != NULL ? oidc_jws_sign_claims(pool, &signer, claims, assertion)
                        : OIDC_NOMEM;

    json_decref(claims);

    return rc;
}
