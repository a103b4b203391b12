
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The answer of the token endpoint (RFC 6749 sections 5.1, 5.2).  Decides
 * whether it is one; tokens are checked for being fit to be handled only, never
 * for what they mean.
 */


#include <string.h>
#include <strings.h>

#include "oidc_json.h"
#include "oidc_token.h"


#define OIDC_TOKEN_ANSWER_MAX  (1024 * 1024)
#define OIDC_TOKEN_ERROR_MAX   64

/* where JSON numbers stop being exact, as in oidc_json_time() */

#define OIDC_TOKEN_TIME_MAX    ((int64_t) 1 << 53)


static oidc_rc_t oidc_token_answer(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body, int refreshed,
    oidc_tokens_t *tokens, oidc_str_t *error);
static oidc_rc_t oidc_token_read(oidc_pool_t *pool, const json_t *answer,
    int refreshed, oidc_tokens_t *tokens);
static oidc_rc_t oidc_token_member(oidc_pool_t *pool, const json_t *answer,
    const char *name, u_char least, int required, oidc_str_t *out);
static oidc_rc_t oidc_token_expires(const json_t *answer, int64_t *seconds);


oidc_rc_t
oidc_token_parse(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    oidc_tokens_t *tokens, oidc_str_t *error)
{
    return oidc_token_answer(pool, status, content_type, body, 0, tokens,
                             error);
}


oidc_rc_t
oidc_refresh_parse(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body,
    oidc_tokens_t *tokens, oidc_str_t *error)
{
    return oidc_token_answer(pool, status, content_type, body, 1, tokens,
                             error);
}


static oidc_rc_t
oidc_token_answer(oidc_pool_t *pool, int status,
    const oidc_str_t *content_type, const oidc_str_t *body, int refreshed,
    oidc_tokens_t *tokens, oidc_str_t *error)
{
    json_t     *answer;
    oidc_rc_t   rc;

    memset(tokens, 0, sizeof(oidc_tokens_t));
    tokens->expires_in = -1;

    error->data = NULL;
    error->len = 0;

    if (status != 200 && status != 400 && status != 401) {
        return OIDC_FETCH_STATUS;
    }

    if (!oidc_content_type_is(content_type, "application/json")) {
        return (status == 200) ? OIDC_CONTENT_TYPE : OIDC_FETCH_STATUS;
    }

    rc = oidc_json_parse(body, OIDC_TOKEN_ANSWER_MAX, &answer);
    if (rc != OIDC_OK) {
        return (status == 200) ? rc : OIDC_FETCH_STATUS;
    }

    /* some providers answer an error with 200 */

    if (status == 200 && json_object_get(answer, "error") == NULL) {
        rc = oidc_token_read(pool, answer, refreshed, tokens);

        if (rc != OIDC_OK) {
            memset(tokens, 0, sizeof(oidc_tokens_t));
            tokens->expires_in = -1;
        }

    } else if (json_is_string(json_object_get(answer, "error"))) {
        rc = oidc_token_error(pool, answer, error);
        rc = (rc == OIDC_OK) ? OIDC_TOKEN_ERROR : rc;

    } else {
        rc = (status == 200) ? OIDC_TOKEN_MEMBER : OIDC_FETCH_STATUS;
    }

    json_decref(answer);

    return rc;
}


oidc_rc_t
oidc_token_error(oidc_pool_t *pool, const json_t *answer, oidc_str_t *error)
{
    size_t      i;
    oidc_rc_t   rc;
    oidc_str_t  text;

    if (oidc_json_str(answer, "error", &text) != 1) {
        error->len = 0;
        return OIDC_OK;
    }

    if (text.len > OIDC_TOKEN_ERROR_MAX) {
        text.len = OIDC_TOKEN_ERROR_MAX;
    }

    rc = oidc_str_dup(pool, &text, error);
    if (rc != OIDC_OK) {
        return rc;
    }

    for (i = 0; i < error->len; i++) {
        if (error->data[i] < 0x20 || error->data[i] >= 0x7f) {
            error->data[i] = '?';
        }
    }

    return OIDC_OK;
}


int
oidc_content_type_is(const oidc_str_t *value, const char *type)
{
    size_t  i, len;

    len = strlen(type);

    for (i = 0; i < value->len && value->data[i] == ' '; i++) {
        /* void */
    }

    if (value->len - i < len
        || strncasecmp((char *) value->data + i, type, len) != 0)
    {
        return 0;
    }

    for (i += len; i < value->len; i++) {

        if (value->data[i] == ';') {
            return 1;
        }

        if (value->data[i] != ' ' && value->data[i] != '\t') {
            return 0;
        }
    }

    return 1;
}


static oidc_rc_t
oidc_token_read(oidc_pool_t *pool, const json_t *answer, int refreshed,
    oidc_tokens_t *tokens)
{
    oidc_rc_t   rc;
    oidc_str_t  type;

    if (oidc_json_str(answer, "token_type", &type) != 1) {
        return OIDC_TOKEN_MEMBER;
    }

    if (type.len != 6 || strncasecmp((char *) type.data, "Bearer", 6) != 0) {
        return OIDC_TOKEN_TYPE;
    }

    /* the first two may become headers, where a space would end them */

    rc = oidc_token_member(pool, answer, "id_token", 0x21, !refreshed,
                           &tokens->id_token);

    if (rc == OIDC_OK) {
        rc = oidc_token_member(pool, answer, "access_token", 0x21, 1,
                               &tokens->access_token);
    }

    if (rc == OIDC_OK) {
        rc = oidc_token_member(pool, answer, "refresh_token", 0x20, 0,
                               &tokens->refresh_token);
    }

    if (rc == OIDC_OK) {
        rc = oidc_token_expires(answer, &tokens->expires_in);
    }

    return rc;
}


static oidc_rc_t
oidc_token_member(oidc_pool_t *pool, const json_t *answer, const char *name,
    u_char least, int required, oidc_str_t *out)
{
    size_t      i;
    oidc_str_t  text;

    if (!required && (json_object_get(answer, name) == NULL
                      || json_is_null(json_object_get(answer, name))))
    {
        return OIDC_OK;
    }

    if (oidc_json_str(answer, name, &text) != 1
        || (required && text.len == 0))
    {
        return OIDC_TOKEN_MEMBER;
    }

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < least || text.data[i] >= 0x7f) {
            return OIDC_TOKEN_MEMBER;
        }
    }

    return oidc_str_dup(pool, &text, out);
}


/* a number, or a string of one (seen in the wild); below zero is now */

static oidc_rc_t
oidc_token_expires(const json_t *answer, int64_t *seconds)
{
    size_t      i;
    int64_t     n;
    oidc_str_t  text;

    static const char  name[] = "expires_in";

    if (json_object_get(answer, name) == NULL
        || json_is_null(json_object_get(answer, name)))
    {
        return OIDC_OK;
    }

    if (oidc_json_time(answer, name, &n) == 1) {
        *seconds = (n < 0) ? 0 : n;
        return OIDC_OK;
    }

    if (oidc_json_str(answer, name, &text) != 1 || text.len == 0) {
        return OIDC_TOKEN_MEMBER;
    }

    i = (text.data[0] == '-' && text.len > 1) ? 1 : 0;

    for (n = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return OIDC_TOKEN_MEMBER;
        }

        n = n * 10 + (text.data[i] - '0');

        if (n > OIDC_TOKEN_TIME_MAX) {
            n = OIDC_TOKEN_TIME_MAX;
        }
    }

    *seconds = (text.data[0] == '-') ? 0 : n;

    return OIDC_OK;
}
