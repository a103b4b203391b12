
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Reads the Authorization header and writes the WWW-Authenticate header of a
 * protected resource (RFC 6750, RFC 9449 section 7.1, RFC 9470, RFC 9728).
 * What a token is good for is not decided here.
 */


#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "oidc_b64.h"
#include "oidc_bearer.h"


typedef struct {
    oidc_rc_t     rc;
    const char   *error;
    const char   *description;
} oidc_bearer_error_t;


typedef struct {
    const char   *name;
    size_t        offset;       /* in oidc_challenge_t */
} oidc_bearer_attr_t;


static int oidc_bearer_scheme(const oidc_str_t *value, const char *name,
    oidc_str_t *token);
static int oidc_bearer_token_ok(const oidc_str_t *token);
static oidc_rc_t oidc_bearer_unwrap(oidc_pool_t *pool, oidc_str_t *token);
static const oidc_bearer_error_t *oidc_bearer_error_row(oidc_rc_t rc);
static void oidc_bearer_realm(oidc_buf_t *b, const oidc_str_t *realm);
static void oidc_bearer_attr(oidc_buf_t *b, const char *name,
    const oidc_str_t *value);


/* each is all that the client learns; the log has the reason */

static const oidc_bearer_error_t  oidc_bearer_errors[] = {

    { OIDC_BEARER_MISSING, NULL, NULL },

    { OIDC_BEARER_MALFORMED, "invalid_request",
      "The Authorization header is malformed" },

    { OIDC_BEARER_SCOPE, "insufficient_scope",
      "The access token lacks a scope" },

    { OIDC_ACR, "insufficient_user_authentication",
      "A stronger or a fresher login is needed" },

    { OIDC_DPOP_NONCE, "use_dpop_nonce",
      "The DPoP proof must carry the nonce of this answer" },

    { OIDC_DPOP_PROOF, "invalid_dpop_proof", "The DPoP proof is not valid" },
    { OIDC_DPOP_SIGNATURE, "invalid_dpop_proof",
      "The DPoP proof is not valid" },
    { OIDC_DPOP_REQUEST, "invalid_dpop_proof", "The DPoP proof is not valid" },
    { OIDC_DPOP_TOKEN, "invalid_dpop_proof", "The DPoP proof is not valid" },
    { OIDC_DPOP_TIME, "invalid_dpop_proof", "The DPoP proof is not valid" },
    { OIDC_DPOP_REPLAY, "invalid_dpop_proof", "The DPoP proof is not valid" },

    { OIDC_REASON_MAX, "invalid_token",
      "The access token is expired, revoked or not for this resource" }
};


/* in this order, behind error and error_description */

static const oidc_bearer_attr_t  oidc_bearer_attrs[] = {
    { "scope", offsetof(oidc_challenge_t, scope) },
    { "resource_metadata", offsetof(oidc_challenge_t, resource_metadata) },
    { "acr_values", offsetof(oidc_challenge_t, acr_values) },
    { NULL, 0 }
};


oidc_rc_t
oidc_bearer_parse(oidc_pool_t *pool, const oidc_str_t *value, unsigned flags,
    oidc_bearer_t *bearer)
{
    memset(bearer, 0, sizeof(oidc_bearer_t));

    if ((flags & OIDC_BEARER_DPOP)
        && oidc_bearer_scheme(value, "DPoP", &bearer->token))
    {
        bearer->dpop = 1;

    } else if (!oidc_bearer_scheme(value, "Bearer", &bearer->token)) {
        return OIDC_BEARER_MISSING;
    }

    if (!oidc_bearer_token_ok(&bearer->token)) {
        memset(bearer, 0, sizeof(oidc_bearer_t));
        return OIDC_BEARER_MALFORMED;
    }

    return (flags & OIDC_BEARER_BASE64)
           ? oidc_bearer_unwrap(pool, &bearer->token) : OIDC_OK;
}


const char *
oidc_bearer_error(oidc_rc_t rc)
{
    return oidc_bearer_error_row(rc)->error;
}


oidc_rc_t
oidc_bearer_challenge(oidc_pool_t *pool, oidc_rc_t rc,
    const oidc_challenge_t *challenge, oidc_str_t *value)
{
    char                        text[24];
    oidc_buf_t                  b;
    oidc_str_t                  str;
    const oidc_bearer_attr_t   *attr;
    const oidc_bearer_error_t  *error;

    error = oidc_bearer_error_row(rc);

    oidc_buf_init(&b, pool, 512);
    oidc_buf_cstr(&b, challenge->dpop ? "DPoP" : "Bearer");
    oidc_bearer_realm(&b, &challenge->realm);

    if (error->error != NULL) {
        oidc_buf_cstr(&b, ", error=\"");
        oidc_buf_cstr(&b, error->error);
        oidc_buf_cstr(&b, "\", error_description=\"");
        oidc_buf_cstr(&b, error->description);
        oidc_buf_cstr(&b, "\"");
    }

    for (attr = oidc_bearer_attrs; attr->name != NULL; attr++) {
        oidc_bearer_attr(&b, attr->name,
                         (const oidc_str_t *) ((const char *) challenge
                                               + attr->offset));
    }

    if (challenge->max_age >= 0) {
        str.data = (u_char *) text;
        str.len = snprintf(text, sizeof(text), "%lld",
                           (long long) challenge->max_age);
        oidc_bearer_attr(&b, "max_age", &str);
    }

    if (challenge->dpop) {
        oidc_bearer_attr(&b, "algs", &challenge->algs);
    }

    return oidc_buf_done(&b, value);
}


/* 1 where it is of the scheme, whatever follows; RFC 9110 section 11.4 */

static int
oidc_bearer_scheme(const oidc_str_t *value, const char *name,
    oidc_str_t *token)
{
    size_t  len;

    len = strlen(name);

    if (value->len < len
        || strncasecmp((char *) value->data, name, len) != 0
        || (value->len > len && value->data[len] != ' '))
    {
        return 0;
    }

    while (len < value->len && value->data[len] == ' ') {
        len++;
    }

    token->data = value->data + len;
    token->len = value->len - len;

    return 1;
}


/* b64token: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */

static int
oidc_bearer_token_ok(const oidc_str_t *token)
{
    u_char  c;
    size_t  i, pad;

    if (token->len == 0 || token->len > OIDC_BEARER_MAX) {
        return 0;
    }

    pad = 0;

    for (i = 0; i < token->len; i++) {
        c = token->data[i];

        if (c == '=' && i != 0) {
            pad = 1;
            continue;
        }

        if (pad
            || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                 || (c >= '0' && c <= '9')
                 || (c != '\0' && strchr("-._~+/", c) != NULL)))
        {
            return 0;
        }
    }

    return 1;
}


/* what is no base64 of a token stays what it is */

static oidc_rc_t
oidc_bearer_unwrap(oidc_pool_t *pool, oidc_str_t *token)
{
    size_t      i;
    oidc_rc_t   rc;
    oidc_str_t  text, plain;

    rc = oidc_str_dup(pool, token, &text);
    if (rc != OIDC_OK) {
        return rc;
    }

    while (text.len != 0 && text.data[text.len - 1] == '=') {
        text.len--;
    }

    if (text.len != token->len
        && (token->len % 4 != 0 || token->len - text.len > 2))
    {
        return OIDC_OK;
    }

    for (i = 0; i < text.len; i++) {
        text.data[i] = text.data[i] == '+' ? '-'
                       : text.data[i] == '/' ? '_' : text.data[i];
    }

    rc = oidc_b64url_decode(pool, &text, &plain);

    if (rc == OIDC_OK && oidc_bearer_token_ok(&plain)) {
        *token = plain;
    }

    return rc == OIDC_NOMEM ? rc : OIDC_OK;
}


/* a refusal by policy alone has no error of its own: RFC 6750 section 3.1 */

static const oidc_bearer_error_t *
oidc_bearer_error_row(oidc_rc_t rc)
{
    const oidc_bearer_error_t  *row;

    for (row = oidc_bearer_errors;
         row->rc != rc && row->rc != OIDC_REASON_MAX;
         row++)
    {
        /* void */
    }

    return (row->rc == rc || oidc_rc_status(rc) == 401) ? row
                                                        : oidc_bearer_errors;
}


static void
oidc_bearer_realm(oidc_buf_t *b, const oidc_str_t *realm)
{
    size_t  i;

    oidc_buf_cstr(b, " realm=\"");

    for (i = 0; i < realm->len; i++) {

        if (realm->data[i] < 0x20 || realm->data[i] >= 0x7f) {
            continue;
        }

        if (realm->data[i] == '"' || realm->data[i] == '\\') {
            oidc_buf_cstr(b, "\\");
        }

        oidc_buf_add(b, &realm->data[i], 1);
    }

    oidc_buf_cstr(b, "\"");
}


/* RFC 6750 section 3: %x20-21 / %x23-5B / %x5D-7E */

static void
oidc_bearer_attr(oidc_buf_t *b, const char *name, const oidc_str_t *value)
{
    u_char  c;
    size_t  i;

    if (value->len == 0) {
        return;
    }

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            return;
        }
    }

    oidc_buf_cstr(b, ", ");
    oidc_buf_cstr(b, name);
    oidc_buf_cstr(b, "=\"");
    oidc_buf_str(b, value);
    oidc_buf_cstr(b, "\"");
}
