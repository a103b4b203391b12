
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What is sent through the browser to the provider and what may come back
 * (RFC 6749 sections 3.1, 4.1.1, 4.1.2, RFC 9207).  Nothing goes out that is
 * neither required nor configured; what comes back is taken once or not at all.
 * Whether "state" is ours is not decided here.
 */


#include <string.h>

#include "oidc_authz.h"
#include "oidc_claims.h"
#include "oidc_url.h"


#define OIDC_ERROR_MAX  128


typedef struct {
    const char   *name;
    size_t        offset;       /* of the field in oidc_callback_t */
    size_t        max;
    unsigned      text:1;       /* for people: may be empty, hold anything */
} oidc_callback_arg_t;


typedef struct {
    const char   *error;
    oidc_rc_t     rc;
} oidc_callback_error_t;


static const oidc_callback_arg_t *oidc_callback_arg(oidc_pool_t *pool,
    const oidc_str_t *name, oidc_rc_t *rc);
static oidc_rc_t oidc_callback_set(oidc_pool_t *pool,
    const oidc_callback_arg_t *arg, const oidc_str_t *raw, oidc_str_t *field);
static int oidc_authz_printable(const oidc_str_t *s);
static void oidc_authz_clean(oidc_str_t *s);


static const char *const  oidc_authz_reserved[] = {
    "response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
    "code_challenge", "code_challenge_method", "request", "request_uri",
    "response_mode", NULL
};


static const oidc_callback_arg_t  oidc_callback_args[] = {

    { "code", offsetof(oidc_callback_t, code), OIDC_CODE_MAX, 0 },
    { "state", offsetof(oidc_callback_t, state), OIDC_STATE_MAX, 0 },
    { "iss", offsetof(oidc_callback_t, iss), OIDC_ARGS_MAX, 0 },
    { "error", offsetof(oidc_callback_t, error), OIDC_ERROR_MAX, 0 },
    { "error_description", offsetof(oidc_callback_t, error_description),
      OIDC_ARGS_MAX, 1 },
    { NULL, 0, 0, 0 }
};


/* RFC 6749 section 4.1.2.1, OpenID Connect Core 3.1.2.6 */

static const oidc_callback_error_t  oidc_callback_errors[] = {
    { "access_denied", OIDC_ACCESS_DENIED },
    { "login_required", OIDC_LOGIN_REQUIRED },
    { "interaction_required", OIDC_LOGIN_REQUIRED },
    { "consent_required", OIDC_LOGIN_REQUIRED },
    { "account_selection_required", OIDC_LOGIN_REQUIRED },
    { "temporarily_unavailable", OIDC_PROVIDER_BUSY },
    { NULL, OIDC_PROVIDER_ERROR }
};


void
oidc_authz_args(const oidc_authz_t *authz,
    oidc_form_arg_t args[OIDC_AUTHZ_ARGS])
{
    oidc_form_arg_t  all[OIDC_AUTHZ_ARGS] = {
        { "response_type", oidc_string("code") },
        { "client_id", authz->client_id },
        { "redirect_uri", authz->redirect_uri },
        { "scope", authz->scope },
        { "state", authz->state },
        { "nonce", authz->nonce },
        { NULL, { 0, NULL } },
        { NULL, { 0, NULL } },
        { NULL, { 0, NULL } }
    };

    static const oidc_form_arg_t  s256 = {
        "code_challenge_method", oidc_string("S256")
    };

    if (authz->challenge.len != 0) {
        all[6].name = "code_challenge";
        all[6].value = authz->challenge;
        all[7] = s256;
    }

    memcpy(args, all, sizeof(all));
}


oidc_rc_t
oidc_authz_url(oidc_pool_t *pool, const oidc_authz_t *authz, oidc_str_t *url)
{
    char              sep;
    oidc_buf_t        b;
    oidc_form_arg_t   args[OIDC_AUTHZ_ARGS], *arg;

    oidc_authz_args(authz, args);

    if (authz->request_uri.len != 0) {
        args[0] = args[1];
        args[1].name = "request_uri";
        args[1].value = authz->request_uri;
        args[2].name = NULL;

    } else if (authz->request.len != 0) {
        args[2] = args[3];
        args[3].name = "request";
        args[3].value = authz->request;
        args[4].name = NULL;
    }

    oidc_buf_init(&b, pool, authz->endpoint.len + authz->client_id.len
                            + authz->redirect_uri.len + authz->scope.len
                            + authz->extra.len + authz->request.len
                            + authz->request_uri.len + 512);

    sep = oidc_url_sep(&authz->endpoint);

    oidc_buf_str(&b, &authz->endpoint);

    for (arg = args; arg->name != NULL; arg++) {
        oidc_buf_arg(&b, arg == args ? sep : '&', arg->name, &arg->value);
    }

    if (authz->extra.len != 0
        && authz->request.len == 0
        && authz->request_uri.len == 0)
    {
        oidc_buf_cstr(&b, "&");
        oidc_buf_str(&b, &authz->extra);
    }

    return oidc_buf_done(&b, url);
}


oidc_rc_t
oidc_authz_extra_check(oidc_pool_t *pool, const oidc_str_t *extra)
{
    size_t      i, n;
    u_char      c;
    oidc_rc_t   rc;
    oidc_str_t  rest, name, value, text;

    for (i = 0; i < extra->len; i++) {
        c = extra->data[i];

        if (c <= 0x20 || c >= 0x7f || c == '#') {
            return OIDC_ARGS;
        }
    }

    rest = *extra;

    for (n = 0; oidc_args_next(&rest, &name, &value); n++) {

        rc = oidc_form_decode(pool, &value, &text);
        if (rc != OIDC_OK) {
            return rc;
        }

        rc = oidc_form_decode(pool, &name, &text);
        if (rc != OIDC_OK) {
            return rc;
        }

        if (text.len == 0) {
            return OIDC_ARGS;
        }

        for (i = 0; oidc_authz_reserved[i] != NULL; i++) {
            if (oidc_str_eq_cstr(&text, oidc_authz_reserved[i])) {
                return OIDC_ARGS;
            }
        }
    }

    return (n != 0) ? OIDC_OK : OIDC_ARGS;
}


oidc_rc_t
oidc_callback_parse(oidc_pool_t *pool, const oidc_str_t *query,
    oidc_callback_t *args)
{
    oidc_rc_t                   rc;
    unsigned                    seen, bit;
    oidc_str_t                  rest, name, value;
    const oidc_callback_arg_t  *arg;

    memset(args, 0, sizeof(oidc_callback_t));

    if (query->len > OIDC_ARGS_MAX) {
        return OIDC_ARGS;
    }

    rest = *query;
    seen = 0;
    rc = OIDC_OK;

    while (oidc_args_next(&rest, &name, &value)) {

        arg = oidc_callback_arg(pool, &name, &rc);

        if (arg == NULL) {
            if (rc != OIDC_OK) {
                return rc;
            }

            continue;
        }

        bit = 1u << (arg - oidc_callback_args);

        if (seen & bit) {
            return OIDC_ARGS;
        }

        seen |= bit;

        rc = oidc_callback_set(pool, arg, &value,
                               (oidc_str_t *) ((char *) args + arg->offset));
        if (rc != OIDC_OK) {
            return rc;
        }
    }

    if (args->state.len == 0) {
        return OIDC_STATE_MISSING;
    }

    if (args->error.len != 0) {
        /* an answer is one or the other: beside an error no code is used */
        args->code.len = 0;
        return OIDC_OK;
    }

    return (args->code.len != 0) ? OIDC_OK : OIDC_CODE_MISSING;
}


oidc_rc_t
oidc_callback_iss(const oidc_callback_t *args, const oidc_str_t *issuer,
    int announced)
{
    if (args->iss.len == 0) {
        return announced ? OIDC_ISS_MISSING : OIDC_OK;
    }

    return oidc_str_eq(&args->iss, issuer) ? OIDC_OK : OIDC_ISS_MISMATCH;
}


oidc_rc_t
oidc_callback_error(const oidc_callback_t *args)
{
    const oidc_callback_error_t  *e;

    if (args->error.len == 0) {
        return OIDC_OK;
    }

    for (e = oidc_callback_errors; e->error != NULL; e++) {
        if (oidc_str_eq_cstr(&args->error, e->error)) {
            break;
        }
    }

    return e->rc;
}


/*
 * An escaped name is the same name: "%63ode" beside "code" is a repetition.
 * What does not decode is nobody's and ignored as any unknown argument.
 */

static const oidc_callback_arg_t *
oidc_callback_arg(oidc_pool_t *pool, const oidc_str_t *name, oidc_rc_t *rc)
{
    oidc_str_t                  text;
    const oidc_callback_arg_t  *arg;

    text = *name;

    if (memchr(name->data, '%', name->len) != NULL) {
        *rc = oidc_form_decode(pool, name, &text);

        if (*rc != OIDC_OK) {
            if (*rc == OIDC_ARGS) {
                *rc = OIDC_OK;
            }

            return NULL;
        }
    }

    for (arg = oidc_callback_args; arg->name != NULL; arg++) {
        if (oidc_str_eq_cstr(&text, arg->name)) {
            return arg;
        }
    }

    return NULL;
}


static oidc_rc_t
oidc_callback_set(oidc_pool_t *pool, const oidc_callback_arg_t *arg,
    const oidc_str_t *raw, oidc_str_t *field)
{
    oidc_rc_t  rc;

    rc = oidc_form_decode(pool, raw, field);
    if (rc != OIDC_OK) {
        return rc;
    }

    if (arg->text) {
        oidc_authz_clean(field);
        return OIDC_OK;
    }

    if (field->len == 0 || field->len > arg->max
        || !oidc_authz_printable(field))
    {
        return OIDC_ARGS;
    }

    return OIDC_OK;
}


/* VSCHAR of RFC 6749 appendix A */

static int
oidc_authz_printable(const oidc_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] >= 0x7f) {
            return 0;
        }
    }

    return 1;
}


/* fit for one line of a log: UTF-8 stays where all of it is sound */

static void
oidc_authz_clean(oidc_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            s->data[i] = '?';
        }
    }

    if (oidc_claims_text_ok(s)) {
        return;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] >= 0x80) {
            s->data[i] = '?';
        }
    }
}
