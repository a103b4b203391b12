
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * URLs of Redis as operators write them, and what answers of a server, a
 * Cluster and a Sentinel mean.
 */


#include "tap.h"

#include "oidc_redis_url.h"


static void test_urls(void);
static void test_bad_urls(void);
static void test_errors(void);
static void test_redirects(void);
static void test_slots(void);
static void test_ranges(void);
static void test_sentinel(void);


int
main(void)
{
    test_urls();
    test_bad_urls();
    test_errors();
    test_redirects();
    test_slots();
    test_ranges();
    test_sentinel();

    return done_testing();
}


/* in a block of its own size, so that reading on is noticed */

static oidc_str_t
exact(const char *s)
{
    oidc_str_t  str;

    str.len = strlen(s);
    str.data = tap_alloc(&tap, str.len);
    memcpy(str.data, s, str.len);

    return str;
}


static oidc_redis_reply_t
text(oidc_redis_type_e type, const char *s)
{
    oidc_redis_reply_t  reply = { 0 };

    reply.type = type;
    reply.str = exact(s);

    return reply;
}


static oidc_redis_reply_t
number(int64_t n)
{
    oidc_redis_reply_t  reply = { 0 };

    reply.type = OIDC_REDIS_INTEGER;
    reply.integer = n;

    return reply;
}


static oidc_redis_reply_t
array(oidc_redis_reply_t *element, size_t n)
{
    oidc_redis_reply_t  reply = { 0 };

    reply.type = OIDC_REDIS_ARRAY;
    reply.element = element;
    reply.elements = n;

    return reply;
}


static void
test_urls(void)
{
    size_t            i;
    char              shown[256];
    oidc_str_t        in;
    oidc_redis_url_t  url;

    /* host, port, user, password, data base, flags */

    static const struct {
        const char  *url;
        const char  *want;
    } good[] = {
        { "redis://h", "h 6379 [] [] -1 0 0" },
        { "redis://h/", "h 6379 [] [] -1 0 0" },
        { "REDIS://h:6380/15", "h 6380 [] [] 15 0 0" },
        { "rediss://redis.example/0", "redis.example 6379 [] [] 0 1 0" },
        { "redis://:p@h", "h 6379 [] [p] -1 0 0" },
        { "redis://u:p@h:1/2", "h 1 [u] [p] 2 0 0" },
        { "redis://u%3a%40:p%2F%25%20+@h", "h 6379 [u:@] [p/% +] -1 0 0" },
        { "redis://u:p:q@h", "h 6379 [u] [p:q] -1 0 0" },
        { "redis://u:p@q/r@h", "h 6379 [u] [p@q/r] -1 0 0" },
        { "redis://:@h", "h 6379 [] [] -1 0 0" },
        { "redis://:p\xc3\xa9@h", "h 6379 [] [p\xc3\xa9] -1 0 0" },
        { "redis://[::1]", "::1 6379 [] [] -1 0 0" },
        { "redis://:p@[2001:db8::1]:7/1", "2001:db8::1 7 [] [p] 1 0 0" },
        { "redis://127.0.0.1:80", "127.0.0.1 80 [] [] -1 0 0" },
        { "unix:/run/redis.sock", "/run/redis.sock 0 [] [] -1 0 1" },
        { "unix:///run/redis.sock?db=3", "/run/redis.sock 0 [] [] 3 0 1" }
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        in = exact(good[i].url);

        ok(oidc_redis_url_parse(tap_pool(), &in, &url) == NULL,
           "S07 URL number %d", (int) i);

        snprintf(shown, sizeof(shown), "%.*s %u [%.*s] [%.*s] %d %d %d",
                 (int) url.host.len, url.host.data, url.port,
                 (int) url.user.len, url.user.data, (int) url.password.len,
                 url.password.data, url.db, url.tls, url.local);

        ok(strcmp(shown, good[i].want) == 0, "S07 ... %s", shown);
    }
}


static void
test_bad_urls(void)
{
    size_t             i;
    oidc_str_t         in;
    const char        *error;
    oidc_redis_url_t   url;

    static const char *const  bad[] = {
        "", "h", "h:6379", "http://h", "redis:h", "redis:/h", "redis://",
        "redis:///1", "redis://h:0", "redis://h:65536", "redis://h:x",
        "redis://h:", "redis://h/x", "redis://h/-1", "redis://h/65536",
        "redis://h/99999999999999999999", "redis://h?db=1", "redis://h/1?a=b",
        "redis://hunter2@h", "redis://user:@h", "redis://u:hunter2",
        "redis://u:hunter2@", "redis://u:hunter2@h:x", "redis://u:hunter2%@h",
        "redis://u:hunter2%4@h", "redis://u:hunter2%zz@h",
        "redis://u:hunter2%00@h", "redis://u:hunter2/h", "redis://u:p w@h",
        "redis://h\n", "redis://h#f", "redis://[::1", "redis://[x]",
        "redis://[1.2.3.4]", "unix:", "unix:run", "unix://run", "unix:?db=1",
        "unix:/x?db=", "unix:/x?db=a", "unix:/x?x=1", "unix:/x?",
        "unix:/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        in = exact(bad[i]);
        error = oidc_redis_url_parse(tap_pool(), &in, &url);

        ok(error != NULL && strstr(error, "hunter2") == NULL,
           "S07 RE-4 refused: %s", error != NULL ? error : bad[i]);
    }
}


static void
test_errors(void)
{
    size_t              i;
    oidc_redis_reply_t  reply;

    static const struct {
        const char          *text;
        oidc_redis_error_e   kind;
    } errors[] = {
        { "ERR unknown command", OIDC_REDIS_OTHER },
        { "", OIDC_REDIS_OTHER },
        { "LOADING Redis is loading", OIDC_REDIS_LOADING },
        { "LOADINGS", OIDC_REDIS_OTHER },
        { "READONLY You can't", OIDC_REDIS_READONLY },
        { "MISCONF Redis is", OIDC_REDIS_MISCONF },
        { "NOREPLICAS Not enough", OIDC_REDIS_MISCONF },
        { "NOAUTH Authentication", OIDC_REDIS_AUTH },
        { "NOPERM this", OIDC_REDIS_AUTH },
        { "WRONGPASS invalid", OIDC_REDIS_AUTH },
        { "OOM command", OIDC_REDIS_FULL },
        { "CLUSTERDOWN The", OIDC_REDIS_FAILOVER },
        { "MASTERDOWN", OIDC_REDIS_FAILOVER },
        { "TRYAGAIN Multiple", OIDC_REDIS_FAILOVER },
        { "MOVED 1 h:1", OIDC_REDIS_MOVED },
        { "ASK 1 h:1", OIDC_REDIS_ASK },
        { "ASKED", OIDC_REDIS_OTHER },
        { "AS", OIDC_REDIS_OTHER },
        { "ERR Error running script (call to f_1): @user_script:1: -OOM "
          "command not allowed", OIDC_REDIS_FULL },
        { "ERR Error running script (call to f_1): @user_script:1: -READONLY "
          "You can't", OIDC_REDIS_READONLY },
        { "ERR Error running script (call to f_1): @user_script:1: -",
          OIDC_REDIS_OTHER },
        { "ERR Error running script (call to f_1): @user_script:1: -ERR a: "
          "-OOM", OIDC_REDIS_OTHER },
        { "ERR x: -OOM command not allowed", OIDC_REDIS_OTHER }
    };

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        reply = text(OIDC_REDIS_ERROR, errors[i].text);
        is_int(oidc_redis_error(&reply), errors[i].kind, errors[i].text);
    }

    reply = text(OIDC_REDIS_STRING, "LOADING x");
    is_int(oidc_redis_error(&reply), OIDC_REDIS_FINE, "RE-9 a string");

    ok(oidc_redis_is(&reply, "loading x"), "... is itself");
    ok(!oidc_redis_is(&reply, "loading"), "... and no other");
}


static void
test_redirects(void)
{
    size_t                  i;
    oidc_redis_reply_t      reply;
    oidc_redis_redirect_t   to;

    static const char *const  bad[] = {
        "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 1 h", "MOVED 1 h:",
        "MOVED x h:1", "MOVED 16384 h:1", "MOVED -1 h:1", "MOVED 1 h:0",
        "MOVED 1 h:65536", "MOVED 1 h:1x", "MOVED  1 h:1", "MOVED 1 h h:1",
        "MOVED 1 h/x:1", "MOVED 1 h\n:1", "MOVED 99999999999 h:1"
    };

    reply = text(OIDC_REDIS_ERROR, "MOVED 3999 127.0.0.1:6381");
    is_rc(oidc_redis_redirect(&reply, &to), OIDC_OK, "RE-9 MOVED");
    is_int(to.slot, 3999, "... slot");
    is_str(&to.host, "127.0.0.1", "... host");
    is_int(to.port, 6381, "... port");

    reply = text(OIDC_REDIS_ERROR, "ASK 16383 ::1:6381");
    is_rc(oidc_redis_redirect(&reply, &to), OIDC_OK, "RE-9 ASK");
    is_str(&to.host, "::1", "... to an IPv6 address");

    reply = text(OIDC_REDIS_ERROR, "MOVED 0 :6381");
    is_rc(oidc_redis_redirect(&reply, &to), OIDC_OK, "RE-9 MOVED");
    is_int(to.host.len, 0, "... to the host that was asked");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reply = text(OIDC_REDIS_ERROR, bad[i]);
        is_rc(oidc_redis_redirect(&reply, &to), OIDC_ARGS, bad[i]);
    }
}


/* of the specification, and as redis-cli says */

static void
test_slots(void)
{
    size_t  i;

    static const struct {
        const char  *key;
        unsigned     slot;
    } keys[] = {
        { "123456789", 0x31c3 },
        { "foo", 12182 },
        { "", 0 },
        { "{user1000}.following", 3443 },
        { "{user1000}.followers", 3443 },
        { "user1000", 3443 },
        { "foo{}{bar}", 8363 },
        { "foo{{bar}}zap", 4015 },
        { "foo{bar}{zap}", 5061 },
        { "bar", 5061 }
    };

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        is_int(oidc_redis_slot((u_char *) keys[i].key, strlen(keys[i].key)),
               keys[i].slot, keys[i].key);
    }
}


static void
test_ranges(void)
{
    oidc_redis_range_t   range;
    oidc_redis_reply_t   host[3], one[3], all;

    host[0] = text(OIDC_REDIS_STRING, "10.0.0.1");
    host[1] = number(7000);
    host[2] = text(OIDC_REDIS_STRING, "id");
    one[0] = number(5461);
    one[1] = number(10922);
    one[2] = array(host, 3);
    all = array(one, 3);
    all = array(&all, 1);
    all.element = tap_alloc(&tap, sizeof(all));
    all.element[0] = array(one, 3);

    is_rc(oidc_redis_range(&all, 0, &range), OIDC_OK, "RE-9 a range of slots");
    is_int(range.first, 5461, "... from");
    is_int(range.last, 10922, "... to");
    is_str(&range.host, "10.0.0.1", "... at");
    is_int(range.port, 7000, "... port");
    is_rc(oidc_redis_range(&all, 1, &range), OIDC_ARGS, "... is the last");

    host[0] = text(OIDC_REDIS_STRING, "?");
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_OK, "RE-9 of a node");
    is_int(range.host.len, 0, "... that is the one asked");

    host[0].type = OIDC_REDIS_NIL;
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_OK, "... or NULL");

    host[0] = text(OIDC_REDIS_STRING, "a b");
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "no host");
    host[0] = number(1);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "a number");
    host[0] = text(OIDC_REDIS_STRING, "h");

    host[1] = number(0);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "port 0");
    host[1] = number(65536);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "port 65536");
    host[1] = number(7000);

    one[1] = number(5460);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "ends too early");
    one[1] = number(16384);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "slot 16384");
    one[1] = number(10922);
    one[0] = number(-1);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "slot -1");
    one[0] = number(0);

    all.element[0].elements = 2;
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "no node");
    all.element[0] = number(1);
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "no range");

    all = text(OIDC_REDIS_STATUS, "OK");
    is_rc(oidc_redis_range(&all, 0, &range), OIDC_ARGS, "no ranges");
}


static void
test_sentinel(void)
{
    unsigned            port;
    oidc_str_t          host;
    oidc_redis_reply_t  e[2], reply;

    e[0] = text(OIDC_REDIS_STRING, "10.0.0.1");
    e[1] = text(OIDC_REDIS_STRING, "6380");
    reply = array(e, 2);

    is_rc(oidc_redis_master(&reply, &host, &port), OIDC_OK, "S07 a master");
    is_str(&host, "10.0.0.1", "... its host");
    is_int(port, 6380, "... its port");

    e[1] = text(OIDC_REDIS_STRING, "0");
    is_rc(oidc_redis_master(&reply, &host, &port), OIDC_ARGS, "port 0");
    e[1] = number(6380);
    is_rc(oidc_redis_master(&reply, &host, &port), OIDC_ARGS, "no string");
    reply.elements = 1;
    is_rc(oidc_redis_master(&reply, &host, &port), OIDC_ARGS, "no port");
    reply = array(NULL, 0);
    is_rc(oidc_redis_master(&reply, &host, &port), OIDC_ARGS, "nothing");
    ok(!oidc_redis_is_master(&reply), "nothing is no master");

    e[0] = text(OIDC_REDIS_STRING, "master");
    reply = array(e, 1);
    ok(oidc_redis_is_master(&reply), "S07 the role of a master");
    e[0] = text(OIDC_REDIS_STRING, "slave");
    ok(!oidc_redis_is_master(&reply), "S07 and of a replica");
    reply = text(OIDC_REDIS_STRING, "master");
    ok(!oidc_redis_is_master(&reply), "a string has no role");
}
