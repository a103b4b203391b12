
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * What is made of Redis's answers and of its URLs.  The input is read as an
 * answer of the protocol (RESP2, loosely: what is missing is nil) into a tree
 * as the client hands it out, each string and array in a block of its own size.
 */


#include "arena.h"

#include "oidc_redis_url.h"


#define FUZZ_DEPTH  7


static oidc_redis_reply_t fuzz_reply(const uint8_t **p, const uint8_t *end,
    int depth);
static void fuzz_answers(const oidc_redis_reply_t *reply);
static void fuzz_host(const oidc_str_t *host);
static void fuzz_url(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t       *p;
    oidc_redis_reply_t   reply;

    p = data;

    reply = fuzz_reply(&p, data + size, 0);
    fuzz_answers(&reply);

    fuzz_check(oidc_redis_slot(data, size) < OIDC_REDIS_SLOTS);

    fuzz_url(data, size);

    fuzz_done();

    return 0;
}


/* the first byte of a line says what it is; a string is the rest of one */

static oidc_redis_reply_t
fuzz_reply(const uint8_t **p, const uint8_t *end, int depth)
{
    size_t               i, n;
    char                 number[24];
    const uint8_t       *line, *eol;
    oidc_redis_reply_t   reply;

    memset(&reply, 0, sizeof(reply));

    if (*p == end) {
        return reply;
    }

    line = *p;
    eol = memchr(line, '\n', end - line);
    eol = (eol != NULL) ? eol : end;
    *p = (eol == end) ? end : eol + 1;

    n = eol - line - (eol != line);
    i = n < sizeof(number) - 1 ? n : sizeof(number) - 1;
    memcpy(number, line + (eol != line), i);
    number[i] = '\0';

    switch (*line) {

    case ':':
        reply.type = OIDC_REDIS_INTEGER;
        reply.integer = strtoll(number, NULL, 10);
        break;

    case '+':
    case '-':
    case '$':
        reply.type = (*line == '+') ? OIDC_REDIS_STATUS
                     : (*line == '-') ? OIDC_REDIS_ERROR : OIDC_REDIS_STRING;
        reply.str = fuzz_copy(line + 1, n);
        break;

    case '*':
        n = strtoull(number, NULL, 10) % 64;
        reply.type = OIDC_REDIS_ARRAY;

        if (depth < FUZZ_DEPTH) {
            reply.elements = n;
            reply.element = fuzz_alloc(NULL, n * sizeof(oidc_redis_reply_t));

            for (i = 0; i < n; i++) {
                reply.element[i] = fuzz_reply(p, end, depth + 1);
            }
        }

        break;
    }

    return reply;
}


static void
fuzz_answers(const oidc_redis_reply_t *reply)
{
    size_t                  i;
    unsigned                port;
    oidc_str_t              host;
    oidc_redis_error_e      error;
    oidc_redis_range_t      range;
    oidc_redis_redirect_t   to;

    error = oidc_redis_error(reply);

    if (error == OIDC_REDIS_MOVED || error == OIDC_REDIS_ASK) {
        if (oidc_redis_redirect(reply, &to) == OIDC_OK) {
            fuzz_check(to.slot < OIDC_REDIS_SLOTS);
            fuzz_check(to.port >= 1 && to.port <= 65535);
            fuzz_host(&to.host);
        }
    }

    fuzz_check(error == OIDC_REDIS_FINE || reply->type == OIDC_REDIS_ERROR);

    for (i = 0; oidc_redis_range(reply, i, &range) == OIDC_OK; i++) {
        fuzz_check(range.first <= range.last);
        fuzz_check(range.last < OIDC_REDIS_SLOTS);
        fuzz_check(range.port >= 1 && range.port <= 65535);
        fuzz_host(&range.host);
    }

    fuzz_check(i <= reply->elements);

    if (oidc_redis_master(reply, &host, &port) == OIDC_OK) {
        fuzz_check(host.len != 0 && port >= 1 && port <= 65535);
        fuzz_host(&host);
    }

    if (oidc_redis_is_master(reply)) {
        fuzz_check(reply->elements != 0);
    }

    for (i = 0; i < reply->elements; i++) {
        fuzz_answers(&reply->element[i]);
    }
}


/* goes into a URL, a certificate's check and the log */

static void
fuzz_host(const oidc_str_t *host)
{
    size_t  i;

    fuzz_check(host->len <= OIDC_REDIS_HOST_MAX);

    for (i = 0; i < host->len; i++) {
        fuzz_check(host->data[i] > ' ' && host->data[i] < 0x7f);
        fuzz_check(strchr("/@?#[]%\"\\", host->data[i]) == NULL);
    }
}


static void
fuzz_url(const uint8_t *data, size_t size)
{
    oidc_str_t         text;
    const char        *error;
    oidc_redis_url_t   url;

    text = fuzz_copy(data, size);
    error = oidc_redis_url_parse(fuzz_pool(), &text, &url);

    if (error != NULL) {
        return;
    }

    fuzz_touch(&url.host);
    fuzz_touch(&url.user);
    fuzz_touch(&url.password);

    fuzz_check(url.host.len != 0 && url.host.len <= OIDC_REDIS_HOST_MAX);
    fuzz_check(url.db >= -1 && url.db <= OIDC_REDIS_DB_MAX);
    fuzz_check(url.user.len == 0 || url.password.len != 0);
    fuzz_check(memchr(url.password.data ? url.password.data
                                        : (u_char *) "x", '\0',
                      url.password.len) == NULL);

    if (url.local) {
        fuzz_check(url.host.data[0] == '/');
        fuzz_check(url.host.len <= OIDC_REDIS_PATH_MAX);

    } else {
        fuzz_check(url.port >= 1 && url.port <= 65535);
        fuzz_host(&url.host);
    }
}
