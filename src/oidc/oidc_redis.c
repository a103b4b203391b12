
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * Decides what kind an error answer is, where a redirection points, which slot
 * a key has, and what an answer of CLUSTER SLOTS, SENTINEL or ROLE says.  An
 * answer of another shape is malformed, never guessed at.
 */


#include <string.h>
#include <strings.h>

#include "oidc_redis.h"


typedef struct {
    const char           *prefix;
    oidc_redis_error_e    kind;
} oidc_redis_prefix_t;


static oidc_redis_error_e oidc_redis_word(const oidc_str_t *text);
static int oidc_redis_number(const u_char *p, const u_char *end, unsigned max,
    unsigned *n);
static int oidc_redis_host_ok(const oidc_str_t *host);
static int oidc_redis_integer(const oidc_redis_reply_t *reply, int64_t min,
    int64_t max, unsigned *n);


static const oidc_redis_prefix_t  oidc_redis_prefixes[] = {
    { "LOADING", OIDC_REDIS_LOADING },
    { "READONLY", OIDC_REDIS_READONLY },
    { "MISCONF", OIDC_REDIS_MISCONF },
    { "NOREPLICAS", OIDC_REDIS_MISCONF },
    { "NOAUTH", OIDC_REDIS_AUTH },
    { "WRONGPASS", OIDC_REDIS_AUTH },
    { "NOPERM", OIDC_REDIS_AUTH },
    { "OOM", OIDC_REDIS_FULL },
    { "CLUSTERDOWN", OIDC_REDIS_FAILOVER },
    { "MASTERDOWN", OIDC_REDIS_FAILOVER },
    { "TRYAGAIN", OIDC_REDIS_FAILOVER },
    { "BUSY", OIDC_REDIS_FAILOVER },
    { "MOVED", OIDC_REDIS_MOVED },
    { "ASK", OIDC_REDIS_ASK }
};


/*
 * Before Redis 7 the error of a script has that of its command inside: "ERR
 * Error running script (call to f_...): @user_script:1: -OOM command ..."
 */

oidc_redis_error_e
oidc_redis_error(const oidc_redis_reply_t *reply)
{
    oidc_str_t     text;
    const u_char  *p, *end;

    static const char  script[] = "ERR Error running script";

    if (reply->type != OIDC_REDIS_ERROR) {
        return OIDC_REDIS_FINE;
    }

    text = reply->str;

    if (text.len > sizeof(script) - 1
        && memcmp(text.data, script, sizeof(script) - 1) == 0)
    {
        end = text.data + text.len;

        for (p = text.data; end - p > 3; p++) {
            if (memcmp(p, ": -", 3) == 0) {
                text.data = (u_char *) p + 3;
                text.len = end - text.data;
                break;
            }
        }
    }

    return oidc_redis_word(&text);
}


static oidc_redis_error_e
oidc_redis_word(const oidc_str_t *text)
{
    size_t  i, n, len;

    n = sizeof(oidc_redis_prefixes) / sizeof(oidc_redis_prefixes[0]);

    for (i = 0; i < n; i++) {
        len = strlen(oidc_redis_prefixes[i].prefix);

        if (text->len >= len
            && memcmp(text->data, oidc_redis_prefixes[i].prefix, len) == 0
            && (text->len == len || text->data[len] == ' '))
        {
            return oidc_redis_prefixes[i].kind;
        }
    }

    return OIDC_REDIS_OTHER;
}


/* "MOVED 3999 127.0.0.1:6381"; an IPv6 address has no brackets */

oidc_rc_t
oidc_redis_redirect(const oidc_redis_reply_t *reply,
    oidc_redis_redirect_t *redirect)
{
    const u_char  *p, *end, *slot, *colon;

    end = reply->str.data + reply->str.len;

    slot = memchr(reply->str.data, ' ', reply->str.len);
    if (slot == NULL) {
        return OIDC_ARGS;
    }

    slot++;

    p = memchr(slot, ' ', end - slot);
    if (p == NULL
        || !oidc_redis_number(slot, p, OIDC_REDIS_SLOTS - 1, &redirect->slot))
    {
        return OIDC_ARGS;
    }

    p++;

    for (colon = end; colon > p && colon[-1] != ':'; colon--) { /* void */ }

    if (colon == p
        || !oidc_redis_number(colon, end, 65535, &redirect->port)
        || redirect->port == 0)
    {
        return OIDC_ARGS;
    }

    redirect->host.data = (u_char *) p;
    redirect->host.len = colon - 1 - p;

    return redirect->host.len == 0 || oidc_redis_host_ok(&redirect->host)
           ? OIDC_OK : OIDC_ARGS;
}


/* CRC16 of XMODEM, as the specification of Redis Cluster has it */

unsigned
oidc_redis_slot(const u_char *key, size_t len)
{
    int            bit;
    unsigned       crc;
    const u_char  *p, *end, *open, *close;

    p = key;
    end = key + len;

    open = len ? memchr(key, '{', len) : NULL;

    if (open != NULL) {
        open++;
        close = memchr(open, '}', end - open);

        if (close != NULL && close != open) {
            p = open;
            end = close;
        }
    }

    for (crc = 0; p < end; p++) {
        crc ^= (unsigned) *p << 8;

        for (bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1;
        }
    }

    return (crc & 0xffff) % OIDC_REDIS_SLOTS;
}


/* a range is [first, last, [host, port, id, ...], replicas ...] */

oidc_rc_t
oidc_redis_range(const oidc_redis_reply_t *reply, size_t i,
    oidc_redis_range_t *range)
{
    const oidc_redis_reply_t  *r, *master;

    if (reply->type != OIDC_REDIS_ARRAY || i >= reply->elements) {
        return OIDC_ARGS;
    }

    r = &reply->element[i];

    if (r->type != OIDC_REDIS_ARRAY
        || r->elements < 3
        || !oidc_redis_integer(&r->element[0], 0, OIDC_REDIS_SLOTS - 1,
                               &range->first)
        || !oidc_redis_integer(&r->element[1], range->first,
                               OIDC_REDIS_SLOTS - 1, &range->last))
    {
        return OIDC_ARGS;
    }

    master = &r->element[2];

    if (master->type != OIDC_REDIS_ARRAY
        || master->elements < 2
        || !oidc_redis_integer(&master->element[1], 1, 65535, &range->port))
    {
        return OIDC_ARGS;
    }

    master = &master->element[0];

    /* not known to the one that was asked: NULL, nothing, or "?" */

    range->host.len = 0;
    range->host.data = NULL;

    if (master->type == OIDC_REDIS_NIL) {
        return OIDC_OK;
    }

    if (master->type != OIDC_REDIS_STRING) {
        return OIDC_ARGS;
    }

    if (master->str.len == 0 || oidc_redis_is(master, "?")) {
        return OIDC_OK;
    }

    range->host = master->str;

    return oidc_redis_host_ok(&range->host) ? OIDC_OK : OIDC_ARGS;
}


oidc_rc_t
oidc_redis_master(const oidc_redis_reply_t *reply, oidc_str_t *host,
    unsigned *port)
{
    const oidc_redis_reply_t  *r;

    r = reply->element;

    if (reply->type != OIDC_REDIS_ARRAY
        || reply->elements != 2
        || r[0].type != OIDC_REDIS_STRING
        || r[1].type != OIDC_REDIS_STRING
        || !oidc_redis_host_ok(&r[0].str)
        || !oidc_redis_number(r[1].str.data, r[1].str.data + r[1].str.len,
                              65535, port)
        || *port == 0)
    {
        return OIDC_ARGS;
    }

    *host = r[0].str;

    return OIDC_OK;
}


int
oidc_redis_is_master(const oidc_redis_reply_t *reply)
{
    return reply->type == OIDC_REDIS_ARRAY
           && reply->elements > 0
           && oidc_redis_is(&reply->element[0], "master");
}


int
oidc_redis_is(const oidc_redis_reply_t *reply, const char *text)
{
    size_t  len;

    len = strlen(text);

    return (reply->type == OIDC_REDIS_STRING
            || reply->type == OIDC_REDIS_STATUS)
           && reply->str.len == len
           && strncasecmp((char *) reply->str.data, text, len) == 0;
}


static int
oidc_redis_number(const u_char *p, const u_char *end, unsigned max,
    unsigned *n)
{
    if (p == end) {
        return 0;
    }

    for (*n = 0; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        *n = *n * 10 + (*p - '0');

        if (*n > max) {
            return 0;
        }
    }

    return 1;
}


/* goes to a resolver and into logs */

static int
oidc_redis_host_ok(const oidc_str_t *host)
{
    size_t  i;
    u_char  c;

    if (host->len == 0 || host->len > OIDC_REDIS_HOST_MAX) {
        return 0;
    }

    for (i = 0; i < host->len; i++) {
        c = host->data[i];

        if (!(c >= '0' && c <= '9')
            && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
            && c != '.' && c != '-' && c != '_' && c != ':')
        {
            return 0;
        }
    }

    return 1;
}


static int
oidc_redis_integer(const oidc_redis_reply_t *reply, int64_t min, int64_t max,
    unsigned *n)
{
    if (reply->type != OIDC_REDIS_INTEGER
        || reply->integer < min
        || reply->integer > max)
    {
        return 0;
    }

    *n = (unsigned) reply->integer;

    return 1;
}
