
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * A session record to bytes and back.  Both halves are sealed under the key of
 * the handle; the name of the record and its prefix are additional data of the
 * head, the end of the head that of the tokens, so that neither a record under
 * another name nor tokens of another record of the same session open.  What is
 * inside is taken apart with every length checked all the same.
 */


#include <string.h>

#include "oidc_session.h"


#define OIDC_SESSION_TAG       16

#define OIDC_SESSION_HEAD      "session head"
#define OIDC_SESSION_TOKENS    "session tokens"


static oidc_rc_t oidc_session_head(oidc_pool_t *pool,
    const oidc_session_t *session, oidc_str_t *plain);
static oidc_rc_t oidc_session_tail(oidc_pool_t *pool,
    const oidc_tokens_t *tokens, oidc_str_t *plain);
static oidc_rc_t oidc_session_prefix(const oidc_str_t *record,
    oidc_str_t *head);
static void oidc_session_aad(const oidc_handle_keys_t *keys,
    const u_char *last, size_t len, u_char *dst, oidc_str_t *aad);
static void oidc_session_put_time(oidc_buf_t *b, int64_t value);
static oidc_rc_t oidc_session_put_str(oidc_buf_t *b, const oidc_str_t *s);
static int oidc_session_get_time(oidc_str_t *rest, int64_t *value);
static int oidc_session_get_str(oidc_str_t *rest, oidc_str_t *s);


oidc_rc_t
oidc_session_seal(oidc_pool_t *pool, const oidc_handle_keys_t *keys,
    const oidc_session_t *session, const oidc_tokens_t *tokens,
    oidc_random_pt random, oidc_str_t *record, size_t *head_len)
{
    size_t      len;
    u_char     *p, aad_buf[64];
    oidc_rc_t   rc;
    oidc_str_t  aad, head, tail;

    rc = oidc_session_head(pool, session, &head);
    if (rc != OIDC_OK) {
        return rc;
    }

    rc = oidc_session_tail(pool, tokens, &tail);

    if (rc != OIDC_OK) {
        goto done;
    }

    len = head.len + OIDC_SEAL_OVERHEAD;

    record->len = OIDC_SESSION_PREFIX + len + tail.len + OIDC_SEAL_OVERHEAD;
    record->data = oidc_palloc(pool, record->len);

    if (record->data == NULL) {
        rc = OIDC_NOMEM;
        goto failed;
    }

    p = record->data;

    p[0] = OIDC_SESSION_VERSION_2;
    p[1] = p[2] = p[3] = 0;
    (void) oidc_put_u32(p + 4, len);

    oidc_session_aad(keys, p, OIDC_SESSION_PREFIX, aad_buf, &aad);

    p += OIDC_SESSION_PREFIX;

    rc = oidc_seal(keys->key, OIDC_SESSION_HEAD, &aad, &head, random, p);

    if (rc != OIDC_OK) {
        goto failed;
    }

    p += len;

    oidc_session_aad(keys, p - OIDC_SESSION_TAG, OIDC_SESSION_TAG, aad_buf,
                     &aad);

    rc = oidc_seal(keys->key, OIDC_SESSION_TOKENS, &aad, &tail, random, p);

    *head_len = OIDC_SESSION_PREFIX + len;

failed:

    oidc_wipe(tail.data, tail.len);

done:

    oidc_wipe(head.data, head.len);

    return rc;
}


oidc_rc_t
oidc_session_open(oidc_pool_t *pool, const oidc_handle_keys_t *keys,
    const oidc_str_t *record, int64_t now, oidc_session_t *session)
{
    u_char      aad_buf[64];
    oidc_rc_t   rc;
    oidc_str_t  aad, head, plain;

    memset(session, 0, sizeof(oidc_session_t));

    rc = oidc_session_prefix(record, &head);
    if (rc != OIDC_OK) {
        return rc;
    }

    plain.len = head.len - OIDC_SEAL_OVERHEAD;
    plain.data = oidc_palloc(pool, plain.len);

    if (plain.data == NULL) {
        return OIDC_NOMEM;
    }

    oidc_session_aad(keys, record->data, OIDC_SESSION_PREFIX, aad_buf, &aad);

    rc = oidc_open(keys->key, OIDC_SESSION_HEAD, &aad, &head, plain.data);
    if (rc != OIDC_OK) {
        return rc;
    }

    if (!oidc_session_get_time(&plain, &session->created)
        || !oidc_session_get_time(&plain, &session->expires)
        || !oidc_session_get_time(&plain, &session->access_expires)
        || !oidc_session_get_time(&plain, &session->refresh_at)
        || !oidc_session_get_time(&plain, &session->refresh_sent)
        || !oidc_session_get_time(&plain, &session->userinfo_at)
        || !oidc_session_get_str(&plain, &session->provider)
        || !oidc_session_get_str(&plain, &session->sid)
        || !oidc_session_get_str(&plain, &session->claims)
        || plain.len != 0)
    {
        memset(session, 0, sizeof(oidc_session_t));
        return OIDC_SEAL;
    }

    return (session->expires > now) ? OIDC_OK : OIDC_SESSION_EXPIRED;
}


oidc_rc_t
oidc_session_tokens(oidc_pool_t *pool, const oidc_handle_keys_t *keys,
    const oidc_str_t *record, oidc_tokens_t *tokens)
{
    u_char      aad_buf[64];
    oidc_rc_t   rc;
    oidc_str_t  aad, head, tail, plain;

    memset(tokens, 0, sizeof(oidc_tokens_t));
    tokens->expires_in = -1;

    rc = oidc_session_prefix(record, &head);
    if (rc != OIDC_OK) {
        return rc;
    }

    tail.data = head.data + head.len;
    tail.len = record->data + record->len - tail.data;

    if (tail.len < OIDC_SEAL_OVERHEAD) {
        return OIDC_SEAL;
    }

    plain.len = tail.len - OIDC_SEAL_OVERHEAD;
    plain.data = oidc_palloc(pool, plain.len + 1);

    if (plain.data == NULL) {
        return OIDC_NOMEM;
    }

    oidc_session_aad(keys, tail.data - OIDC_SESSION_TAG, OIDC_SESSION_TAG,
                     aad_buf, &aad);

    rc = oidc_open(keys->key, OIDC_SESSION_TOKENS, &aad, &tail, plain.data);
    if (rc != OIDC_OK) {
        return rc;
    }

    if (!oidc_session_get_str(&plain, &tokens->id_token)
        || !oidc_session_get_str(&plain, &tokens->access_token)
        || !oidc_session_get_str(&plain, &tokens->refresh_token)
        || !oidc_session_get_str(&plain, &tokens->userinfo)
        || !oidc_session_get_str(&plain, &tokens->claims)
        || plain.len != 0)
    {
        memset(tokens, 0, sizeof(oidc_tokens_t));
        tokens->expires_in = -1;
        return OIDC_SEAL;
    }

    return OIDC_OK;
}


static oidc_rc_t
oidc_session_head(oidc_pool_t *pool, const oidc_session_t *session,
    oidc_str_t *plain)
{
    oidc_rc_t   rc;
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, 6 * 8 + 3 * 4 + session->provider.len
                            + session->sid.len + session->claims.len);

    oidc_session_put_time(&b, session->created);
    oidc_session_put_time(&b, session->expires);
    oidc_session_put_time(&b, session->access_expires);
    oidc_session_put_time(&b, session->refresh_at);
    oidc_session_put_time(&b, session->refresh_sent);
    oidc_session_put_time(&b, session->userinfo_at);

    rc = oidc_session_put_str(&b, &session->provider);

    if (rc == OIDC_OK) {
        rc = oidc_session_put_str(&b, &session->sid);
    }

    if (rc == OIDC_OK) {
        rc = oidc_session_put_str(&b, &session->claims);
    }

    return (rc == OIDC_OK) ? oidc_buf_done(&b, plain) : rc;
}


static oidc_rc_t
oidc_session_tail(oidc_pool_t *pool, const oidc_tokens_t *tokens,
    oidc_str_t *plain)
{
    oidc_rc_t   rc;
    oidc_buf_t  b;

    oidc_buf_init(&b, pool, 5 * 4 + tokens->id_token.len
                            + tokens->access_token.len
                            + tokens->refresh_token.len
                            + tokens->userinfo.len + tokens->claims.len);

    rc = oidc_session_put_str(&b, &tokens->id_token);

    if (rc == OIDC_OK) {
        rc = oidc_session_put_str(&b, &tokens->access_token);
    }

    if (rc == OIDC_OK) {
        rc = oidc_session_put_str(&b, &tokens->refresh_token);
    }

    if (rc == OIDC_OK) {
        rc = oidc_session_put_str(&b, &tokens->userinfo);
    }

    if (rc == OIDC_OK) {
        rc = oidc_session_put_str(&b, &tokens->claims);
    }

    return (rc == OIDC_OK) ? oidc_buf_done(&b, plain) : rc;
}


/* the sealed head of a record that may be longer */

static oidc_rc_t
oidc_session_prefix(const oidc_str_t *record, oidc_str_t *head)
{
    const u_char  *p;

    p = record->data;

    if (record->len < OIDC_SESSION_PREFIX) {
        return OIDC_SEAL;
    }

    if (p[0] != OIDC_SESSION_VERSION_2) {
        return OIDC_SESSION_VERSION;
    }

    head->data = record->data + OIDC_SESSION_PREFIX;
    head->len = oidc_get_u32(p + 4);

    if (head->len <= OIDC_SEAL_OVERHEAD
        || head->len > record->len - OIDC_SESSION_PREFIX)
    {
        return OIDC_SEAL;
    }

    return OIDC_OK;
}


static void
oidc_session_aad(const oidc_handle_keys_t *keys, const u_char *last,
    size_t len, u_char *dst, oidc_str_t *aad)
{
    memcpy(dst, keys->name, sizeof(keys->name));
    memcpy(dst + sizeof(keys->name), last, len);

    aad->data = dst;
    aad->len = sizeof(keys->name) + len;
}


static void
oidc_session_put_time(oidc_buf_t *b, int64_t value)
{
    int     i;
    u_char  bytes[8];

    for (i = 0; i < 8; i++) {
        bytes[i] = (u_char) ((uint64_t) value >> (56 - 8 * i));
    }

    oidc_buf_add(b, bytes, sizeof(bytes));
}


static oidc_rc_t
oidc_session_put_str(oidc_buf_t *b, const oidc_str_t *s)
{
    u_char  bytes[4];

    if (s->len > OIDC_SESSION_PART_MAX) {
        return OIDC_SESSION_SIZE;
    }

    (void) oidc_put_u32(bytes, s->len);
    oidc_buf_add(b, bytes, sizeof(bytes));
    oidc_buf_str(b, s);

    return OIDC_OK;
}


static int
oidc_session_get_time(oidc_str_t *rest, int64_t *value)
{
    int       i;
    uint64_t  n;

    if (rest->len < 8) {
        return 0;
    }

    for (n = 0, i = 0; i < 8; i++) {
        n = (n << 8) | rest->data[i];
    }

    *value = (int64_t) n;

    rest->data += 8;
    rest->len -= 8;

    return 1;
}


static int
oidc_session_get_str(oidc_str_t *rest, oidc_str_t *s)
{
    size_t  len;

    if (rest->len < 4) {
        return 0;
    }

    len = oidc_get_u32(rest->data);

    rest->data += 4;
    rest->len -= 4;

    if (len > rest->len) {
        return 0;
    }

    s->data = rest->data;
    s->len = len;

    rest->data += len;
    rest->len -= len;

    return 1;
}
