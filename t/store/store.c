
/*
 * Copyright (C) the authors of ngx_http_oidc_module
 */


/*
 * The memory store through its interface, without nginx around it: the clock
 * is ours, and workers are children that can be killed in the middle.
 */


#include <signal.h>
#include <sys/wait.h>

#include "nginx.h"
#include "tap.h"
#include "ngx_oidc_store.h"
#include "ngx_oidc_store_shm.h"
#include "ngx_oidc_store_type.h"


#define ROUNDS  300
#define SLOTS   48


/* what a child says it did; "next" is under way while it differs from "now" */

typedef struct {
    volatile uint32_t     now;
    volatile uint32_t     next;
} test_slot_t;


/* the other type has a test of its own, with a real server */

const ngx_oidc_store_type_t  ngx_oidc_store_redis = {
    .name = ngx_string("redis")
};


static ngx_oidc_store_t    *store;
static ngx_oidc_store_op_t  op;
static ngx_msec_t           ttl = 60000;
static u_char               bytes[NGX_OIDC_STORE_VALUE_MAX + 1];
static u_char               text[512];
static u_char               names[NGX_OIDC_STORE_INDEXES]
                                 [NGX_OIDC_STORE_NAME_LEN];


static ngx_int_t test_zone(const char *name, size_t size);
static ngx_int_t test_write(uint32_t id, uint32_t version, size_t len,
    ngx_int_t (*verb)(ngx_oidc_store_op_t *op));
static ngx_int_t test_run(uint32_t id,
    ngx_int_t (*verb)(ngx_oidc_store_op_t *op));
static ngx_int_t test_once(uint32_t id);
static ngx_int_t test_mark(uint32_t id,
    ngx_int_t (*verb)(ngx_oidc_store_op_t *op));
static ngx_int_t test_lock(uint32_t id, u_char owner);
static void test_unlock(uint32_t id, u_char owner);
static ngx_int_t test_create(uint32_t id, uint32_t version, uint32_t sid,
    uint32_t sub);
static int test_end(uint32_t index);
static int test_count(void);
static void test_op(ngx_oidc_store_kind_e kind, uint32_t id);
static u_char *test_value(uint32_t id, uint32_t version);
static size_t test_len(uint32_t id, uint32_t version);
static int test_holds(uint32_t id, uint32_t version);
static void test_pass(ngx_uint_t ms);
static ngx_oidc_store_stat_t test_stat(void);
static int test_logged(const char *s);
static int test_explains(const char *s);

static void test_verbs(void);
static void test_expiry(void);
static void test_size(void);
static void test_eviction(void);
static void test_marks(void);
static void test_locks(void);
static void test_indexes(void);
static void test_many(void);
static void test_reload(void);
static void test_rebuild(void);
static void test_twins(uint32_t id);
static void test_kill(void);
static void test_child(test_slot_t *slots, uint32_t seed);
static int test_survived(test_slot_t *slots);


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u_char) (i * 167 + (i >> 8) * 13);
    }

    test_verbs();
    test_expiry();
    test_size();
    test_eviction();
    test_marks();
    test_locks();
    test_indexes();
    test_many();
    test_reload();
    test_rebuild();
    test_kill();

    return done_testing();
}


static void
test_verbs(void)
{
    size_t     len;
    ngx_int_t  wrong;

    is_int(test_zone("verbs", 1024 * 1024), NGX_OK, "a store is made");

    is_int(test_run(1, ngx_oidc_store_get), NGX_DECLINED, "get: not there");
    is_int(op.why, NGX_OIDC_STORE_ABSENT, "... and why");
    is_int(op.rc, NGX_DECLINED, "... and in the op");

    is_int(test_write(1, 1, 3000, ngx_oidc_store_replace), NGX_DECLINED,
           "replace: not there, nothing is written");
    is_int(test_run(1, ngx_oidc_store_touch), NGX_DECLINED,
           "touch: not there");
    is_int(test_run(1, ngx_oidc_store_del), NGX_DECLINED, "del: not there");

    is_int(test_write(1, 1, 3000, ngx_oidc_store_create), NGX_OK, "create");
    is_int(test_write(1, 2, 3000, ngx_oidc_store_create), NGX_DECLINED,
           "create: the name is taken");
    is_int(op.why, NGX_OIDC_STORE_PRESENT, "... and why");

    test_op(NGX_OIDC_STORE_SESSION, 1);
    op.head = 1;
    is_int(ngx_oidc_store_get(&op), NGX_OK, "get of a head");
    is_mem(op.value.data, op.value.len, test_value(1, 1), 1000,
           "... has the head only");
    is_int(op.head_len, 1000, "... and its length");
    is_int(op.ttl, 60000, "... and the time left");

    test_op(NGX_OIDC_STORE_ONCE, 1);
    is_int(ngx_oidc_store_get(&op), NGX_DECLINED, "kinds are apart");

    is_int(test_write(1, 3, 5000, ngx_oidc_store_replace), NGX_OK, "replace");
    is_int(test_run(1, ngx_oidc_store_get), NGX_OK, "get of it all");
    is_mem(op.value.data, op.value.len, test_value(1, 3), 5000,
           "... as replaced");

    is_int(test_run(1, ngx_oidc_store_del), NGX_OK, "del");
    is_int(test_run(1, ngx_oidc_store_get), NGX_DECLINED, "... is gone");
    is_int(test_write(1, 4, 100, ngx_oidc_store_replace), NGX_DECLINED,
           "S04 replace after a logout finds nothing");

    /* each length around the first blocks' ends */

    wrong = 0;

    for (len = 0; len < 2000; len++) {
        if (test_write(2, 5, len, ngx_oidc_store_create) != NGX_OK
            || test_run(2, ngx_oidc_store_get) != NGX_OK
            || op.value.len != len
            || ngx_memcmp(op.value.data, test_value(2, 5), len) != 0
            || test_run(2, ngx_oidc_store_del) != NGX_OK)
        {
            wrong++;
        }
    }

    is_int(wrong, 0, "values of any length come back whole");

    is_int(test_stat().records, 0, "nothing is left");
    is_int(test_stat().free, test_stat().size, "... and no room is lost");
}


static void
test_expiry(void)
{
    uint32_t  id;

    test_zone("expiry", 256 * 1024);

    test_write(1, 1, 3000, ngx_oidc_store_create);

    test_pass(59999);
    is_int(test_run(1, ngx_oidc_store_get), NGX_OK, "S05 within its time");
    is_int(op.ttl, 1, "... with 1 ms to go");

    test_op(NGX_OIDC_STORE_SESSION, 1);
    op.ttl = 5000;
    is_int(ngx_oidc_store_touch(&op), NGX_OK, "S05 touch");

    test_pass(4999);
    is_int(test_run(1, ngx_oidc_store_get), NGX_OK, "... sets the end");

    test_pass(1);
    is_int(test_run(1, ngx_oidc_store_touch), NGX_DECLINED,
           "S05 an expired record is no record to touch");
    is_int(test_write(1, 2, 10, ngx_oidc_store_replace), NGX_DECLINED,
           "... nor to replace");
    is_int(test_write(1, 2, 10, ngx_oidc_store_create), NGX_OK,
           "... and its name is free");

    for (id = 2; id < 10; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
    }

    test_pass(60000);

    test_write(20, 1, 10, ngx_oidc_store_create);
    ok(test_stat().records < 9, "S06 a create clears expired records away");

    test_write(21, 1, 10, ngx_oidc_store_create);
    test_write(22, 1, 10, ngx_oidc_store_create);
    is_int(test_stat().records, 3, "... a few at a time until none is left");
    is_int(test_stat().evicted, 0, "... which is no eviction");
}


static void
test_size(void)
{
    is_int(test_zone("tiny", 65535), NGX_ERROR, "RE-7 a zone can be too small");
    ok(test_logged("\"tiny\" is too small, \"size\" must be at least 64k"),
       "... and the error names the directive");

    is_int(test_zone("tiny", 65536), NGX_OK, "RE-7 the smallest zone");

    is_int(test_write(1, 1, 40000, ngx_oidc_store_create), NGX_DECLINED,
           "S06 RE-7 a session too big for the zone");
    is_int(op.why, NGX_OIDC_STORE_TOO_BIG, "... and why");
    ok(op.limit > 8000 && op.limit < 16384, "... and what would fit");
    ok(test_explains("session of 40000 bytes is larger than the ")
       && test_explains("oidc_session_store \"tiny\" takes, "
                        "raise its \"size\""),
       "... said in the operator's words");

    is_int(test_write(1, 1, op.limit, ngx_oidc_store_create), NGX_OK,
           "RE-7 the biggest session fits");
    is_int(test_write(1, 2, op.limit, ngx_oidc_store_replace), NGX_OK,
           "... and can be replaced");
    is_int(test_stat().too_big, 1, "S06 counted");

    test_zone("large", 8 * 1024 * 1024);

    is_int(test_write(1, 1, NGX_OIDC_STORE_VALUE_MAX, ngx_oidc_store_create),
           NGX_OK, "the largest value of all");
    is_int(test_write(2, 1, NGX_OIDC_STORE_VALUE_MAX + 1,
                      ngx_oidc_store_create),
           NGX_DECLINED, "no store takes more");
    ok(test_explains("larger than the 262144 bytes of any session"),
       "... and says that this is not for \"size\" to change");
}


static void
test_eviction(void)
{
    uint32_t    id, last;
    ngx_uint_t  lines;

    test_zone("full", 256 * 1024);

    lines = ngx_test_log.lines;
    ttl = 120000;

    for (id = 1; test_stat().evicted == 0; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
        test_pass(1);

        /* the very first one stays in use */

        if (test_run(1, ngx_oidc_store_get) != NGX_OK) {
            break;
        }
    }

    is_int(test_run(1, ngx_oidc_store_get), NGX_OK,
           "S06 RE-7 a session in use stays");
    is_int(test_run(2, ngx_oidc_store_get), NGX_DECLINED,
           "S06 RE-7 the one idle longest goes");
    is_int(test_run(3, ngx_oidc_store_get), NGX_OK, "... and only that one");

    is_int(ngx_test_log.lines - lines, 1, "S06 RE-7 one line in the log");
    ok(test_logged("oidc_session_store \"full\" is full")
       && test_logged("1 so far, raise its \"size\""),
       "... names the directive and the count");

    for (last = id + 100; id < last; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
    }

    is_int(ngx_test_log.lines - lines, 1, "S06 RE-7 at a limited rate");
    ok(test_stat().evicted >= 101, "S06 RE-7 each eviction is counted");

    test_pass(59000);
    test_write(id++, 1, 3000, ngx_oidc_store_create);
    test_pass(1000);
    test_write(id++, 1, 3000, ngx_oidc_store_create);
    is_int(ngx_test_log.lines - lines, 2, "S06 RE-7 once in a minute");

    /* the one idle longest has not expired, the others have */

    test_zone("order", 256 * 1024);

    ttl = 600000;
    test_write(1, 1, 3000, ngx_oidc_store_create);

    ttl = 1000;

    for (id = 2; test_stat().free > 4096; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
    }

    test_pass(1000);
    ttl = 60000;

    for (last = id + 20; id < last; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
    }

    is_int(test_stat().evicted, 0, "S06 RE-7 expired sessions go first");
    is_int(test_run(1, ngx_oidc_store_get), NGX_OK, "... before the idle one");

    /* a replace never pushes out what it replaces, even as the oldest */

    for (last = id + 100; id < last; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
    }

    for (last = id - 1; test_run(last, ngx_oidc_store_touch) == NGX_OK;
         last--)
    {
        /* void */
    }

    id--;

    is_int(test_write(id, 2, 30000, ngx_oidc_store_replace), NGX_OK,
           "S06 a replace of the one idle longest in a full zone");
    is_int(test_run(id, ngx_oidc_store_get), NGX_OK, "... stays");
    is_mem(op.value.data, op.value.len, test_value(id, 2), 30000,
           "... and is not torn");
}


static void
test_marks(void)
{
    uint32_t    id, n;
    ngx_uint_t  records, lost;

    test_zone("marks", 65536);

    test_write(1, 1, 3000, ngx_oidc_store_create);
    records = test_stat().free;

    is_int(test_once(1), NGX_OK, "RE-6 the first time");
    is_int(test_once(1), NGX_DECLINED, "RE-6 the second time");
    is_int(op.why, NGX_OIDC_STORE_PRESENT, "... and why");

    test_pass(59999);
    is_int(test_once(1), NGX_DECLINED, "RE-7 a mark lasts its time");
    test_pass(1001);
    is_int(test_once(1), NGX_OK, "... and not for ever");

    for (n = 2; test_once(n) == NGX_OK; n++) { /* void */ }

    ok(n > 900 && n <= 1024, "RE-7 the table is used well before it is full");
    is_int(op.rc, NGX_BUSY, "RE-7 a full table says so");
    is_int(op.why, NGX_OIDC_STORE_FULL, "... and why");
    is_int(test_stat().marks_full, 1, "... and counts");
    ok(test_explains("oidc_session_store \"marks\" has no room for another "
                     "spent state, raise its \"size\""),
       "... and names the directive");

    for (lost = 0, id = 1; id < n; id++) {
        lost += test_once(id) != NGX_DECLINED;
    }

    is_int(lost, 0, "RE-7 no mark is lost to another");
    is_int(test_stat().free, records, "S06 RE-7 marks take no sessions' room");
    is_int(test_stat().evicted, 0, "S06 ... and push none out");

    test_pass(61000);
    is_int(test_once(n), NGX_OK, "RE-7 expired marks make room");

    for (id = 100; test_stat().evicted < 100; id++) {
        test_write(id, 1, 3000, ngx_oidc_store_create);
    }

    is_int(test_once(n), NGX_DECLINED,
           "RE-7 evictions of sessions leave marks alone");

    test_zone("undo", 65536);

    is_int(test_mark(1, ngx_oidc_store_touch), NGX_DECLINED,
           "L09 touch: not marked");
    is_int(op.why, NGX_OIDC_STORE_ABSENT, "... and why");
    is_int(test_mark(1, ngx_oidc_store_del), NGX_DECLINED,
           "L09 del: not marked");

    test_once(1);
    test_once(2);

    is_int(test_mark(1, ngx_oidc_store_del), NGX_OK, "L09 del undoes a mark");
    is_int(test_once(1), NGX_OK, "... which can be set again");
    is_int(test_once(2), NGX_DECLINED, "... and no other one");

    ttl = 120000;
    is_int(test_mark(1, ngx_oidc_store_touch), NGX_OK, "L09 touch of a mark");
    ttl = 60000;

    test_pass(100000);
    is_int(test_once(1), NGX_DECLINED, "... makes it last longer");
    is_int(test_once(2), NGX_OK, "... and no other one");

    test_pass(21000);
    is_int(test_once(1), NGX_OK, "... and not for ever");
}


static void
test_locks(void)
{
    uint32_t    id, n;
    ngx_uint_t  room;

    test_zone("locks", 65536);

    room = test_stat().free;

    is_int(test_lock(1, 'a'), NGX_OK, "S11 lock");
    is_int(test_lock(1, 'b'), NGX_DECLINED, "S11 another one has it");
    is_int(op.why, NGX_OIDC_STORE_PRESENT, "... and why");
    is_int(test_lock(2, 'b'), NGX_OK, "... but no other name's");

    test_unlock(1, 'b');
    is_int(test_lock(1, 'b'), NGX_DECLINED,
           "S11 unlock by another than the owner does nothing");

    test_unlock(1, 'a');
    is_int(test_lock(1, 'b'), NGX_OK, "S11 unlock by the owner");

    test_pass(59999);
    is_int(test_lock(1, 'a'), NGX_DECLINED, "S11 a lease lasts its time");
    test_pass(1);
    is_int(test_lock(1, 'a'), NGX_OK, "S11 and is then taken over");
    test_unlock(1, 'b');
    is_int(test_lock(1, 'c'), NGX_DECLINED,
           "... after which the one before has no say");

    test_pass(30000);
    is_int(test_lock(1, 'a'), NGX_OK, "S11 the owner makes it last longer");
    test_pass(59000);
    is_int(test_lock(1, 'c'), NGX_DECLINED, "... from then on");

    test_pass(60000);
    for (n = 1; test_lock(n, 'a') == NGX_OK; n++) { /* void */ }

    ok(n > 90 && n <= 128, "S11 the table is used well before it is full");
    is_int(op.rc, NGX_BUSY, "S11 a full table says so");
    is_int(op.why, NGX_OIDC_STORE_FULL, "... and why");
    ok(test_explains("oidc_session_store \"locks\" has no room for another "
                     "lock, raise its \"size\""), "... in words");

    for (id = 1; id < n; id++) {
        if (test_lock(id, 'b') != NGX_DECLINED) {
            break;
        }

        test_unlock(id, 'a');
    }

    is_int(id, n, "S11 no lock is lost to another");
    is_int(test_lock(n, 'a'), NGX_OK, "S11 room comes back");
    is_int(test_stat().free, room, "S11 locks take no sessions' room");

    test_write(1, 1, 100, ngx_oidc_store_create);
    test_lock(1, 'a');
    is_int(test_run(1, ngx_oidc_store_del), NGX_OK,
           "S11 a logout asks nobody for the lock");
}


static void
test_indexes(void)
{
    uint32_t  id, i;

    test_zone("indexes", 512 * 1024);

    is_int(test_end(1000), 0, "L10 end: none is found");
    is_int(test_count(), 0, "count: there is none");

    /* sid 100 + n, sub 1000 or 1001 by turns */

    for (id = 1; id <= 20; id++) {
        test_create(id, 1, 100 + id, 1000 + id % 2);
    }

    is_int(test_count(), 20, "count: all that were created");
    is_int(test_end(103), 1, "L10 a sid ends its session");
    is_int(test_run(3, ngx_oidc_store_get), NGX_DECLINED, "... is gone");
    is_int(test_run(4, ngx_oidc_store_get), NGX_OK, "... and no other one");
    is_int(test_end(103), 0, "L10 already gone");

    test_write(5, 2, 5000, ngx_oidc_store_replace);
    is_int(test_end(105), 1, "S13 a replace keeps the indexes");
    is_int(test_run(5, ngx_oidc_store_get), NGX_DECLINED, "... of the new one");

    test_run(7, ngx_oidc_store_del);
    is_int(test_end(107), 0, "S13 a session that is deleted leaves them");

    is_int(test_end(1001), 7, "L10 a sub ends all of its sessions");
    is_int(test_end(1001), 0, "... at once");

    for (i = 0, id = 1; id <= 20; id++) {
        i += test_run(id, ngx_oidc_store_get) == NGX_OK;
    }

    is_int(i, 10, "L10 and nobody else's");
    is_int(test_count(), 10, "count: those that are left");

    test_write(30, 1, 100, ngx_oidc_store_create);
    test_op(NGX_OIDC_STORE_SESSION, 30);
    op.name_len = 8;
    op.name[8] ^= 1;
    is_int(ngx_oidc_store_end(&op), NGX_OK, "end by the beginning of a name");
    is_int(op.count, 1, "... ends that session");
    is_int(test_count(), 10, "... and no other one");
    is_int(test_end(30), 0, "... which had no index");

    test_op(NGX_OIDC_STORE_SESSION, 2);
    op.name_len = 32;
    op.name[31] ^= 1;
    ngx_oidc_store_end(&op);
    is_int(op.count, 0, "end of a name that only begins like one");

    /* ended and counted is what is not over */

    test_pass(30000);
    test_run(2, ngx_oidc_store_touch);
    test_run(4, ngx_oidc_store_touch);
    test_pass(30000);

    is_int(test_end(104), 1, "L10 end of a session in use");
    is_int(test_end(106), 0, "L10 end of one that has expired");
    is_int(test_count(), 1, "count: without those that have expired");
    is_int(test_end(1000), 1, "S13 an expired session leaves its indexes");
    is_int(test_stat().free, test_stat().size, "... and no room is lost");

    for (id = 1; test_stat().evicted == 0; id++) {
        test_create(id, 1, 100000 + id, 1000);
    }

    is_int(test_end(100001), 0, "S13 an evicted session leaves its indexes");
    is_int(test_end(1000), id - 1 - test_stat().evicted, "... and no other");

    test_create(1, 1, 2000, 2000);
    is_int(test_end(2000), 1, "S13 one index twice is one");
    is_int(test_stat().free, test_stat().size, "... and no room is lost");
}


/* "end" and "count" let go of the zone now and then */

static void
test_many(void)
{
    uint32_t  id;

    test_zone("many", 16 * 1024 * 1024);

    for (id = 1; id <= 1000; id++) {
        test_create(id, 1, 100000 + id, 1000 + id % 10);
        test_create(1000 + id, 1, 200000 + id, 2000);
    }

    is_int(test_stat().evicted, 0, "L10 2000 sessions fit");
    is_int(test_end(2000), 1000, "L10 half of them end");
    is_int(test_end(1003), 100, "L10 and a tenth of the others");
    is_int(test_count(), 900, "... which leaves the rest");

    test_pass(60000);
    is_int(test_count(), 0, "count: nothing but expired ones");
    is_int(test_stat().free, test_stat().size, "... and no room is lost");
}


static void
test_reload(void)
{
    void      *old;
    uint64_t  *magic;

    test_zone("reload", 256 * 1024);
    test_write(1, 1, 3000, ngx_oidc_store_create);
    test_once(1);

    old = ngx_test_zone.data;
    ngx_test_zone.data = NULL;

    is_int(test_zone("reload", 0), NGX_OK, "S12 RE-8 reload");
    is_int(ngx_test_zone.init(&ngx_test_zone, old), NGX_OK,
           "... with the zone of before");
    is_int(test_run(1, ngx_oidc_store_get), NGX_OK,
           "S12 RE-8 the session is still there");
    is_int(test_once(1), NGX_DECLINED, "S12 RE-8 and so is the mark");

    /* another layout: workers of before must not touch it, new ones start */

    magic = ((ngx_slab_pool_t *) ngx_test_zone.shm.addr)->data;
    (*magic)++;

    is_int(test_run(1, ngx_oidc_store_get), NGX_ERROR,
           "RE-8 another layout is not read");
    is_int(op.why, NGX_OIDC_STORE_UNAVAILABLE, "... and why");

    is_int(ngx_test_zone.init(&ngx_test_zone, old), NGX_OK,
           "RE-8 a zone of another layout");
    ok(test_logged("of another version of the module"), "... is logged");
    is_int(test_run(1, ngx_oidc_store_get), NGX_DECLINED, "... is empty");
    is_int(test_once(1), NGX_OK, "... and without marks");
    is_int(test_write(1, 1, 3000, ngx_oidc_store_create), NGX_OK,
           "... and works");
}


/* what a death inside leaves behind, where its place decides the outcome */

static void
test_rebuild(void)
{
    uint32_t         id;
    ngx_oidc_shm_t  *sh;

    test_zone("rebuild", 256 * 1024);
    sh = ((ngx_slab_pool_t *) ngx_test_zone.shm.addr)->data;

    for (id = 1; test_stat().free > 8192; id++) {
        test_create(id, 1, 1000 + id, 100);
        test_write(id, 1, 3000, ngx_oidc_store_replace);
    }

    test_run(3, ngx_oidc_store_get);
    test_run(1, ngx_oidc_store_touch);

    sh->busy = 1;
    sh->newest = 77777;
    sh->oldest = 77777;
    sh->free = 77777;
    sh->expiry.root = NULL;
    sh->indexes.root = NULL;
    sh->sessions = 77777;
    ngx_memset(sh->buckets, 0xff, (sh->mask + 1) * sizeof(uint32_t));

    while (test_stat().evicted < 2) {
        test_write(id++, 1, 3000, ngx_oidc_store_create);
    }

    is_int(test_run(2, ngx_oidc_store_get), NGX_DECLINED,
           "S12 RE-7 the order of use outlives a worker's death");
    is_int(test_run(4, ngx_oidc_store_get), NGX_DECLINED,
           "... of every session");
    ok(test_run(1, ngx_oidc_store_get) == NGX_OK
       && test_run(3, ngx_oidc_store_get) == NGX_OK
       && test_run(5, ngx_oidc_store_get) == NGX_OK, "... used later");
    is_int(test_end(1002), 0, "S13 an evicted one's index is gone then");
    is_int(test_end(1005), 1, "S13 an index outlives a worker's death");
    test_create(5, 1, 1005, 100);

    test_pass(60000);
    test_write(id++, 1, 100, ngx_oidc_store_create);
    ok(test_stat().expired == 4, "S12 ... and so does the order of expiry");

    /* a replace cut short, with the new blocks behind the old and before */

    test_zone("twins", 256 * 1024);

    test_write(1, 1, test_len(1, 1), ngx_oidc_store_create);
    test_write(2, 1, test_len(2, 1), ngx_oidc_store_create);
    test_twins(2);
    ok(test_holds(2, 2), "S12 a replace that was done but for the clearing");

    test_write(3, 1, test_len(3, 1), ngx_oidc_store_create);
    test_run(1, ngx_oidc_store_del);
    test_twins(3);
    ok(test_holds(3, 2), "... whichever of the two lies first");

    test_run(2, ngx_oidc_store_del);
    test_run(3, ngx_oidc_store_del);
    is_int(test_stat().free, test_stat().size, "... and no room is lost");
}


static void
test_twins(uint32_t id)
{
    ngx_oidc_shm_t  *sh;

    sh = ((ngx_slab_pool_t *) ngx_test_zone.shm.addr)->data;

    test_op(NGX_OIDC_STORE_SESSION, id);
    op.value.data = test_value(id, 2);
    op.value.len = test_len(id, 2);

    ngx_oidc_shm_write(sh, &op, NULL, (uint64_t) ngx_test_time.sec * 1000);

    sh->busy = 1;
}


/*
 * Children work on the same records and are killed at any instruction, also
 * while they put in order what the one before has left.  What they had done
 * must be there, what they were doing must be done or not done.
 */

static void
test_kill(void)
{
    int           status, left;
    pid_t         pid;
    ngx_uint_t    round;
    test_slot_t  *slots;

    test_zone("kill", 1024 * 1024);

    slots = mmap(NULL, (SLOTS + 1) * sizeof(test_slot_t), PROT_READ|PROT_WRITE,
                 MAP_ANON|MAP_SHARED, -1, 0);

    for (round = 1; round <= ROUNDS; round++) {
        pid = fork();

        if (pid == 0) {
            test_child(slots, round);
        }

        usleep(300 + (round * 7919) % 1500);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);

        ngx_shmtx_force_unlock(
                 &((ngx_slab_pool_t *) ngx_test_zone.shm.addr)->mutex, pid);

        if (round % 10 == 0 && !test_survived(slots)) {
            slots[SLOTS].now++;
        }
    }

    is_int(slots[SLOTS].now, 0,
           "S12 kill -9 of a worker loses and tears no session");

    diag("%u deaths, %u of them inside", ROUNDS,
         (unsigned) test_stat().rebuilt);

    ok(test_stat().rebuilt >= ROUNDS / 20, "... though many died inside");
    ok(test_logged("a worker died inside"), "... which is logged");

    left = test_count();

    for (round = 0; round < SLOTS; round += 16) {
        left -= test_end(1000 + round);
    }

    for (round = 0; round < 8; round++) {
        left -= test_end(2000 + round);
    }

    is_int(left, 0, "S13 and each is found by its indexes");
    is_int(test_stat().records, 0, "S12 the store is whole: nothing is left");
    is_int(test_stat().free, test_stat().size, "... and no room was lost");
    is_int(test_stat().evicted, 0, "... and none was evicted");
}


/* a version of 0 means that there is no record */

static void
test_child(test_slot_t *slots, uint32_t seed)
{
    uint32_t      i, version;
    test_slot_t  *slot;

    if (!test_survived(slots)) {
        slots[SLOTS].now++;
    }

    for (i = 0; /* void */ ; i++) {
        seed = seed * 1664525 + 1013904223;
        slot = &slots[(seed >> 8) % SLOTS];
        version = (seed >> 16) % 1000 + 1;

        if (slot->now == 0) {
            slot->next = version;
            test_create(slot - slots, version, 1000 + (slot - slots),
                        2000 + (slot - slots) % 8);

        } else if (version % 8 == 0) {
            slot->next = 0;

            if (test_end(1000 + (slot - slots)) != 1) {
                slots[SLOTS].now++;
            }

        } else if (version % 4 == 0) {
            slot->next = 0;
            test_run(slot - slots, ngx_oidc_store_del);

        } else if (version % 4 == 1) {
            test_run(slot - slots, ngx_oidc_store_touch);

        } else {
            slot->next = version;
            test_write(slot - slots, version, test_len(slot - slots, version),
                       ngx_oidc_store_replace);
        }

        slot->now = slot->next;
    }
}


static int
test_survived(test_slot_t *slots)
{
    int          good;
    uint32_t     id, records;
    test_slot_t  *slot;

    good = 1;
    records = 0;

    for (id = 0; id < SLOTS; id++) {
        slot = &slots[id];

        if (test_holds(id, slot->next)) {
            slot->now = slot->next;

        } else if (test_holds(id, slot->now)) {
            slot->next = slot->now;

        } else {
            diag("slot %u was %u, was to be %u, is neither", (unsigned) id,
                 (unsigned) slot->now, (unsigned) slot->next);
            good = 0;
        }

        records += slot->now != 0;
    }

    if (records != test_stat().records) {
        diag("%u records, and counted are %u", (unsigned) records,
             (unsigned) test_stat().records);
        good = 0;
    }

    return good;
}


/* size 0: the memory is there already */

static ngx_int_t
test_zone(const char *name, size_t size)
{
    ngx_conf_t              cf;
    ngx_oidc_store_conf_t   conf;

    ngx_memzero(&cf, sizeof(cf));
    ngx_memzero(&conf, sizeof(conf));

    conf.name.data = (u_char *) name;
    conf.name.len = strlen(name);
    conf.size = size ? size : ngx_test_zone.shm.size;

    ngx_test_zone.data = NULL;

    store = ngx_oidc_store_add(&cf, &conf);
    if (store == NULL) {
        return NGX_ERROR;
    }

    if (size == 0) {
        return NGX_OK;
    }

    ngx_test_map();

    return ngx_test_zone.init(&ngx_test_zone, NULL);
}


static ngx_int_t
test_write(uint32_t id, uint32_t version, size_t len,
    ngx_int_t (*verb)(ngx_oidc_store_op_t *op))
{
    test_op(NGX_OIDC_STORE_SESSION, id);

    op.value.data = (len > NGX_OIDC_STORE_VALUE_MAX / 2)
                    ? bytes : test_value(id, version);
    op.value.len = len;
    op.head_len = ngx_min(len, 1000);

    return verb(&op);
}


static ngx_int_t
test_run(uint32_t id, ngx_int_t (*verb)(ngx_oidc_store_op_t *op))
{
    test_op(NGX_OIDC_STORE_SESSION, id);

    return verb(&op);
}


static ngx_int_t
test_once(uint32_t id)
{
    test_op(NGX_OIDC_STORE_ONCE, id);

    return ngx_oidc_store_once(&op);
}


static ngx_int_t
test_mark(uint32_t id, ngx_int_t (*verb)(ngx_oidc_store_op_t *op))
{
    test_op(NGX_OIDC_STORE_ONCE, id);

    return verb(&op);
}


static ngx_int_t
test_lock(uint32_t id, u_char owner)
{
    test_op(NGX_OIDC_STORE_LOCK, id);
    op.owner[NGX_OIDC_STORE_OWNER_LEN - 1] = owner;

    return ngx_oidc_store_lock(&op);
}


static void
test_unlock(uint32_t id, u_char owner)
{
    test_op(NGX_OIDC_STORE_LOCK, id);
    op.owner[NGX_OIDC_STORE_OWNER_LEN - 1] = owner;

    ngx_oidc_store_unlock(&op);
}


static ngx_int_t
test_create(uint32_t id, uint32_t version, uint32_t sid, uint32_t sub)
{
    test_op(NGX_OIDC_STORE_INDEX, sid);
    ngx_memcpy(names[0], op.name, NGX_OIDC_STORE_NAME_LEN);

    test_op(NGX_OIDC_STORE_INDEX, sub);
    ngx_memcpy(names[1], op.name, NGX_OIDC_STORE_NAME_LEN);

    test_op(NGX_OIDC_STORE_SESSION, id);

    op.value.data = test_value(id, version);
    op.value.len = test_len(id, version);
    op.index = names;
    op.indexes = 2;

    return ngx_oidc_store_create(&op);
}


static int
test_end(uint32_t index)
{
    test_op(NGX_OIDC_STORE_INDEX, index);

    return ngx_oidc_store_end(&op) == NGX_OK ? (int) op.count : -1;
}


static int
test_count(void)
{
    test_op(NGX_OIDC_STORE_SESSION, 0);

    return ngx_oidc_store_count(&op) == NGX_OK ? (int) op.count : -1;
}


/* names as uniform as the real ones */

static void
test_op(ngx_oidc_store_kind_e kind, uint32_t id)
{
    uint64_t    x;
    ngx_uint_t  i;

    ngx_memzero(&op, sizeof(op));

    op.store = store;
    op.kind = kind;
    op.ttl = ttl;

    for (i = 0; i < 4; i++) {
        x = ((uint64_t) id * 4 + i + 1) * 0x9e3779b97f4a7c15ULL;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
        x ^= x >> 31;

        ngx_memcpy(op.name + i * 8, &x, 8);
    }
}


static u_char *
test_value(uint32_t id, uint32_t version)
{
    return bytes + (id * 7919 + version * 104729) % 100000;
}


static size_t
test_len(uint32_t id, uint32_t version)
{
    return (id * 31 + version * 577) % 6000;
}


static int
test_holds(uint32_t id, uint32_t version)
{
    size_t     len;
    ngx_int_t  rc;

    rc = test_run(id, ngx_oidc_store_get);

    if (version == 0) {
        return rc == NGX_DECLINED;
    }

    len = test_len(id, version);

    return rc == NGX_OK
           && op.value.len == len
           && ngx_memcmp(op.value.data, test_value(id, version), len) == 0;
}


static void
test_pass(ngx_uint_t ms)
{
    ms += ngx_test_time.msec;

    ngx_test_time.sec += ms / 1000;
    ngx_test_time.msec = ms % 1000;
}


static ngx_oidc_store_stat_t
test_stat(void)
{
    ngx_oidc_store_stat_t  st;

    ngx_oidc_store_stat(store, &st);

    return st;
}


static int
test_logged(const char *s)
{
    return strstr((char *) ngx_test_log.text, s) != NULL;
}


static int
test_explains(const char *s)
{
    *ngx_oidc_store_explain(&op, text, text + sizeof(text) - 1) = '\0';

    return strstr((char *) text, s) != NULL;
}
