
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Signed request objects (RFC 9101) and pushed authorization requests (RFC
 * 9126).  Decides what of a request goes where; that it goes there is the
 * caller's.
 */


#include <string.h>

#include "oidc_b64.h"
#include "oidc_json.h"
#include "oidc_par.h"
#include "oidc_sign.h"
#include "oidc_token.h"
#include "oidc_url.h"


#define OIDC_PAR_ANSWER_MAX  (64 * 1024)
#define OIDC_PAR_JTI_LEN     16


static oidc_rc_t oidc_par_claims(const oidc_authz_t *authz,
    const oidc_client_t *client, json_t *claims);
static oidc_rc_t oidc_par_extra(oidc_pool_t *pool, const oidc_str_t *extra,
    json_t *claims);
static json_t *oidc_par_value(const oidc_str_t *name,
    const oidc_str_t *text);
static oidc_rc_t oidc_par_read(oidc_pool_t *pool, const json_t *answer,
    oidc_str_t *request_uri, int64_t *expires_in);


oidc_rc_t
oidc_authz_object(oidc_pool_t *pool, const oidc_authz_t *authz,
    const oidc_client_t *client, oidc_str_t *object)
{
    json_t         *claims;
    oidc_rc_t       rc;
    oidc_signer_t   signer;

    memset(&signer, 0, sizeof(oidc_signer_t));

    signer.key = client->key;
    signer.typ = "oauth-authz-req+jwt";

    if (client->key == NULL) {
        signer.secret = client->secret;
    }

    claims = json_object();

    /* ours come last: no configured argument replaces one of them */

    rc = oidc_par_extra(pool, &authz->extra, claims);

    if (rc == OIDC_OK) {
        rc = oidc_par_claims(authz, client, claims);
    }

    if (rc == OIDC_OK) {
        rc = oidc_jws_sign_claims(pool, &signer, claims, object);
    }

    json_decref(claims);

    return rc;
}


oidc_rc_t
oidc_par_request(oidc_pool_t *pool, const oidc_authz_t *authz,
    const oidc_client_t *client, oidc_form_t *form)
{
    oidc_form_arg_t  args[OIDC_AUTHZ_ARGS];

    oidc_authz_args(authz, args);

    /* client_id comes with the authentication, but for one method */

    if (client->auth != OIDC_CLIENT_SECRET_BASIC) {
        args[1].value.len = 0;
    }

    if (authz->request.len == 0) {
        return oidc_form(pool, client, &authz->extra, args, form);
    }

    args[0].name = "request";
    args[0].value = authz->request;
    args[2].name = NULL;

    return oidc_form(pool, client, NULL, args, form);
}


oidc_rc_t
oidc_par_parse(oidc_pool_t *pool, int status, const oidc_str_t *content_type,
    const oidc_str_t *body, oidc_str_t *request_uri, int64_t *expires_in,
    oidc_str_t *error)
{
    int         good;
    json_t     *answer;
    oidc_rc_t   rc;

    memset(request_uri, 0, sizeof(oidc_str_t));
    memset(error, 0, sizeof(oidc_str_t));
    *expires_in = 0;

    good = (status == 201 || status == 200);

    if (!good && (status < 400 || status > 499)) {
        return OIDC_FETCH_STATUS;
    }

    if (!oidc_content_type_is(content_type, "application/json")) {
        return good ? OIDC_CONTENT_TYPE : OIDC_FETCH_STATUS;
    }

    rc = oidc_json_parse(body, OIDC_PAR_ANSWER_MAX, &answer);
    if (rc != OIDC_OK) {
        return good ? rc : OIDC_FETCH_STATUS;
    }

    if (good) {
        rc = oidc_par_read(pool, answer, request_uri, expires_in);

    } else {
        rc = oidc_token_error(pool, answer, error);

        if (rc == OIDC_OK) {
            rc = error->len != 0 ? OIDC_PAR_ERROR : OIDC_FETCH_STATUS;
        }
    }

    json_decref(answer);

    return rc;
}


static oidc_rc_t
oidc_par_claims(const oidc_authz_t *authz, const oidc_client_t *client,
    json_t *claims)
{
    u_char            id[OIDC_PAR_JTI_LEN];
    u_char            jti[oidc_b64url_len(OIDC_PAR_JTI_LEN)];
    json_t           *fixed;
    oidc_form_arg_t   args[OIDC_AUTHZ_ARGS], *arg;

    if (!client->random(id, sizeof(id))) {
        return OIDC_CRYPTO;
    }

    (void) oidc_b64url_encode_buf(jti, id, sizeof(id));

    oidc_authz_args(authz, args);

    for (arg = args; arg->name != NULL; arg++) {

        /* what is no UTF-8 is no JSON */

        if (json_object_set_new(claims, arg->name,
                                json_stringn((char *) arg->value.data,
                                             arg->value.len))
            != 0)
        {
            return OIDC_NOMEM;
        }
    }

    /* no sub, lest it be taken for an assertion: RFC 9101 section 10.8 */

    (void) json_object_del(claims, "sub");

    fixed = json_pack("{s:s%, s:s%, s:s%, s:I, s:I}",
                      "iss", client->id.data, client->id.len,
                      "aud", client->audience.data, client->audience.len,
                      "jti", jti, sizeof(jti),
                      "iat", (json_int_t) client->now,
                      "exp", (json_int_t) client->now + OIDC_ASSERTION_TTL);

    if (fixed == NULL || json_object_update(claims, fixed) != 0) {
        json_decref(fixed);
        return OIDC_NOMEM;
    }

    json_decref(fixed);

    return OIDC_OK;
}


/* an argument that is there twice becomes an array (RFC 8707 section 2) */

static oidc_rc_t
oidc_par_extra(oidc_pool_t *pool, const oidc_str_t *extra, json_t *claims)
{
    json_t      *value, *old, *list;
    oidc_rc_t    rc;
    oidc_str_t   rest, raw_name, raw_value, name, text;

    rest = *extra;

    while (oidc_args_next(&rest, &raw_name, &raw_value)) {

        rc = oidc_form_decode(pool, &raw_name, &name);

        if (rc == OIDC_OK) {
            rc = oidc_form_decode(pool, &raw_value, &text);
        }

        if (rc != OIDC_OK) {
            return rc;
        }

        value = oidc_par_value(&name, &text);
        if (value == NULL) {
            return OIDC_ARGS;
        }

        old = json_object_getn(claims, (char *) name.data, name.len);

        if (old != NULL) {
            list = json_is_array(old) ? json_incref(old)
                                      : json_pack("[O]", old);
            if (json_array_append_new(list, value) != 0) {
                json_decref(list);
                return OIDC_NOMEM;
            }

            value = list;
        }

        if (json_object_setn_new(claims, (char *) name.data, name.len, value)
            != 0)
        {
            return OIDC_NOMEM;
        }
    }

    return OIDC_OK;
}


/* what is not a string in a request object: OpenID Connect Core 6.1 */

static json_t *
oidc_par_value(const oidc_str_t *name, const oidc_str_t *text)
{
    size_t       i;
    json_t      *value;
    json_int_t   n;

    if (oidc_str_eq_cstr(name, "claims")) {
        return oidc_json_parse(text, text->len, &value) == OIDC_OK ? value
                                                                   : NULL;
    }

    if (!oidc_str_eq_cstr(name, "max_age")) {
        return json_stringn((char *) text->data, text->len);
    }

    n = 0;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < '0' || text->data[i] > '9' || i > 9) {
            return NULL;
        }

        n = n * 10 + (text->data[i] - '0');
    }

    return i != 0 ? json_integer(n) : NULL;
}


static oidc_rc_t
oidc_par_read(oidc_pool_t *pool, const json_t *answer,
    oidc_str_t *request_uri, int64_t *expires_in)
{
    size_t      i;
    int64_t     seconds;
    oidc_rc_t   rc;
    oidc_str_t  uri;

    if (oidc_json_str(answer, "request_uri", &uri) != 1
        || uri.len == 0 || uri.len > OIDC_REQUEST_URI_MAX
        || oidc_json_time(answer, "expires_in", &seconds) != 1
        || seconds < 1)
    {
        return OIDC_PAR_MEMBER;
    }

    for (i = 0; i < uri.len; i++) {
        if (uri.data[i] <= 0x20 || uri.data[i] >= 0x7f) {
            return OIDC_PAR_MEMBER;
        }
    }

    rc = oidc_str_dup(pool, &uri, request_uri);

    if (rc == OIDC_OK) {
        *expires_in = seconds;
    }

    return rc;
}
