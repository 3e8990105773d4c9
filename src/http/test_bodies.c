/* Bodies that a sink takes as they come, and answers that lie in pieces. */
#include "http/test_rig.h"

#include <signal.h>

enum { LARGE = 100 << 20, GROWS_MAX = 4 << 20, SMALL_TAKE = 5000 };

/* ---- the handler: what a sink does stands in the path, a number in the query */

struct taker {
    vk_sink sink;
    vk_exchange *ex;
    uint64_t n, limit;
    uint32_t sum;
    bool rests; /* it has said that it has no room, and is not ready yet */
};

static vk_exchange *_Atomic kept; /* the exchange that a test answers, or makes ready */
static _Atomic int rests, gones, waits;

static void add(struct taker *t, vk_str bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        t->sum = (t->sum ^ (uint8_t)bytes.p[i]) * 16777619U;
    t->n += bytes.n;
}

static void ready(vk_exchange *ex)
{
    VK_CONTAINER(ex->sink, struct taker, sink)->rests = false;
    vk_sink_ready(ex);
}

static void *ready_thread(void *arg)
{
    usleep(500);
    vk_exchange_post(arg, ready);
    return NULL;
}

static void be_ready_soon(struct taker *t)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ready_thread, t->ex) == 0);
    pthread_detach(thread);
}

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    struct taker *t = VK_CONTAINER(s, struct taker, sink);
    size_t n = bytes.n;
    CHECK(t->ex == ex && n > 0 && !t->rests && !ex->held);
    if (path_is(ex, "/one") && n > 1) {
        n = 1;
        vk_exchange_post(ex, ready);
    } else if (path_is(ex, "/pause") && n > SMALL_TAKE) {
        n = SMALL_TAKE;
        be_ready_soon(t);
    } else if ((path_is(ex, "/rest") || path_is(ex, "/at")) && t->n < t->limit && n > t->limit - t->n) {
        n = (size_t)(t->limit - t->n);
        kept = path_is(ex, "/rest") ? ex : NULL;
    }
    add(t, (vk_str){bytes.p, n});
    if (path_is(ex, "/at") && t->n >= t->limit) {
        vk_respond_text(ex, 507, "text/plain", VK_STR("full"));
        return SIZE_MAX; /* nobody looks at it */
    }
    t->rests = n < bytes.n;
    rests += t->rests && path_is(ex, "/rest");
    return n;
}

static void on_gone(vk_exchange *ex)
{
    VK_UNUSED(ex);
    gones++;
}

static vk_err head_of_sink(vk_exchange *ex)
{
    int64_t limit = 0;
    struct taker *t = VK_NEW(ex->arena, struct taker);
    CHECK(t && (ex->query.n == 0 || vk_str_to_i64(ex->query, &limit) == VK_OK));
    *t = (struct taker){.sink = {take}, .ex = ex, .limit = (uint64_t)limit, .sum = 2166136261U};
    made++;
    ex->done = on_done;
    ex->body_max = path_is(ex, "/max") ? BODY_MAX : (size_t)8 << 30;
    if (path_is(ex, "/plain") || ex->path.n == 1)
        return VK_OK;
    ex->sink = &t->sink;
    ex->held = path_is(ex, "/held") || path_is(ex, "/short");
    if (limit != 1) /* else it does not want to know */
        ex->gone = on_gone;
    if (path_is(ex, "/held") || path_is(ex, "/long"))
        kept = ex;
    if (path_is(ex, "/short")) /* it is ready before head() has returned */
        vk_sink_ready(ex);
    waits++;
    return VK_OK;
}

/* ---- answers in pieces: memory, file, file, memory */

enum { P_MEMORY = 1000, P_FILE = 1 << 20 };
enum { P_ALL = 2 * (P_MEMORY + P_FILE) };

struct parts {
    vk_pieces pieces;
    int64_t all;
    int calls, fails_at, tiny;
    char last[2];
};

static char memory[P_MEMORY];

static char piece_byte(int64_t at)
{
    if (at < P_MEMORY)
        return memory[at];
    at -= P_MEMORY;
    if (at < P_FILE)
        return (char)((at + 5000) * 31 >> 3);
    at -= P_FILE;
    return at < P_FILE ? (char)((at + 77) * 31 >> 3) : memory[at - P_FILE];
}

static vk_err next(vk_pieces *pieces, int64_t at, vk_piece *out_r)
{
    struct parts *p = VK_CONTAINER(pieces, struct parts, pieces);
    CHECK(at < p->all);
    memset(p->last, '!', sizeof p->last); /* the last one is not looked at any more */
    if (++p->calls == p->fails_at)
        return VK_E_IO;
    if (p->tiny) {
        memset(p->last, 'a' + (int)(at / 2 % 26), 2);
        *out_r = (vk_piece){.fd = -1, .n = 2, .bytes = p->last};
        return VK_OK;
    }
    if (at == 0)
        *out_r = (vk_piece){.fd = -1, .n = P_MEMORY, .bytes = memory};
    else if (at == P_MEMORY)
        *out_r = (vk_piece){.fd = file_fd, .at = 5000, .n = P_FILE};
    else if (at == P_MEMORY + P_FILE)
        *out_r = (vk_piece){.fd = file_fd, .at = 77, .n = P_FILE};
    else if (at == P_MEMORY + 2 * P_FILE)
        *out_r = (vk_piece){.fd = -1, .n = INT64_MAX, .bytes = memory}; /* more than is wanted of it */
    else
        CHECK(false);
    return VK_OK;
}

static void stop_parts(vk_pieces *pieces)
{
    VK_UNUSED(pieces);
    stopped++;
}

static void respond_parts(vk_exchange *ex)
{
    struct parts *p = VK_NEW(ex->arena, struct parts);
    int64_t n = 0;
    CHECK(p && (ex->query.n == 0 || vk_str_to_i64(ex->query, &n) == VK_OK));
    *p = (struct parts){.pieces = {next, stop_parts}, .all = P_ALL, .fails_at = (int)n};
    if (path_is(ex, "/parts/cut"))
        kept = ex;
    if (path_is(ex, "/parts/tiny") || path_is(ex, "/parts/cut")) {
        p->tiny = 1;
        p->all = n;
        p->fails_at = 0;
    } else if (path_is(ex, "/parts/none")) {
        p->all = 0;
    }
    if (vk_str_eqz(ex->method, "HEAD"))
        vk_respond_pieces(ex, 206, NULL, p->all, NULL);
    else
        vk_respond_pieces(ex, 200, "text/plain", p->all, &p->pieces);
}

/* ---- */

static void request_of_sink(vk_exchange *ex)
{
    served++;
    if (vk_str_starts(ex->path, VK_STR("/parts"))) {
        respond_parts(ex);
        return;
    }
    if (path_is(ex, "/headers")) { /* as many as an object may have, and one too many */
        static char value[2048];
        memset(value, 'v', sizeof value);
        for (int i = 0; i < 11; i++)
            CHECK(vk_header_add(ex, "x-amz-meta-a", (vk_str){value, sizeof value}) == VK_OK);
        CHECK(vk_header_add(ex, "x-amz-meta-b", VK_STR("h\xc3\xbcte")) == VK_OK);
        CHECK(vk_header_add(ex, "x-amz-meta-c", (vk_str){value, sizeof value}) == VK_E_TOO_LARGE);
        vk_respond(ex, 200, NULL);
        return;
    }
    CHECK(!ex->held);
    if (ex->sink) {
        struct taker *t = VK_CONTAINER(ex->sink, struct taker, sink);
        CHECK(!path_is(ex, "/at") && ex->body.n == 0);
        vk_buf_printf(&ex->out, "%llu %u", (unsigned long long)t->n, t->sum);
    } else {
        vk_buf_u64(&ex->out, ex->body.n);
    }
    vk_respond(ex, 200, "text/plain");
}

static const vk_handler sinks = {.head = head_of_sink, .request = request_of_sink};

static int start_sinks(void **state)
{
    served_by = &sinks;
    signal(SIGPIPE, SIG_IGN); /* sendfile cannot be told to raise none */
    for (size_t i = 0; i < sizeof memory; i++)
        memory[i] = (char)('A' + i % 57);
    return start(state);
}

/* ---- on the loop */

static _Atomic int steps;

static void on_loop(void (*run)(vk_task *t))
{
    static vk_task task;
    int before = steps;
    task.run = run;
    vk_loop_post(loop, &task);
    wait_for(&steps, before + 1);
}

static void make_ready(vk_task *t)
{
    VK_UNUSED(t);
    ready(kept);
    steps++;
}

static void make_ready_twice(vk_task *t)
{
    VK_UNUSED(t);
    ready(kept);
    vk_sink_ready(kept); /* nobody waits for it */
    steps++;
}

static void answer_kept(vk_task *t)
{
    VK_UNUSED(t);
    vk_respond_text(kept, 403, "text/plain", VK_STR("no"));
    steps++;
}

static void cut_kept(vk_task *t)
{
    VK_UNUSED(t);
    vk_exchange_cut(kept);
    steps++;
}

static size_t under_way, conns;

static void look(vk_task *t)
{
    VK_UNUSED(t);
    under_way = server.n_ex;
    conns = server.n_conns;
    steps++;
}

static void park(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_park(&server);
    steps++;
}

static void hasten(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_hasten(&server);
    steps++;
}

static void unpark(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_unpark(&server);
    steps++;
}

/* ---- the client */

static char bytes[BODY_MAX * 2];

static const char *told(size_t n)
{
    static char text[40];
    struct taker t = {.sum = 2166136261U};
    add(&t, (vk_str){bytes, n});
    snprintf(text, sizeof text, "%zu %u", n, t.sum);
    return text;
}

static void say_head(struct client *c, const char *target, size_t length, const char *more)
{
    char text[300];
    snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n%s\r\n", target, length,
             more);
    say(c, text);
}

static void put(struct client *c, const char *target, size_t n)
{
    say_head(c, target, n, "");
    say_n(c, bytes, n);
}

/* In chunks whose lengths are all different. */
static void put_chunked(struct client *c, const char *target, size_t n)
{
    char text[200];
    snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", target);
    say(c, text);
    size_t size = 1;
    for (size_t at = 0; at < n; at += size, size = size * 5 / 3 + 1) {
        size = size < n - at ? size : n - at;
        snprintf(text, sizeof text, "%zx;ext\r\n", size);
        say(c, text);
        say_n(c, bytes + at, size);
        say(c, "\r\n");
    }
    say(c, "0\r\nTrailer: x\r\n\r\n");
}

static bool silent(struct client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return c->in.n == 0 && poll(&p, 1, 60) == 0;
}

static void still_works(struct client *c)
{
    say(c, "POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    expect(c, 200, "2");
}

static void reset(struct client *c)
{
    struct linger l = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    hang_up(c);
}

/* ---- tests */

static void takes_all_there_is(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *target;
        size_t n;
    } cases[] = {{"/all", 0},      {"/all", 1},        {"/all", 5},        {"/all", sizeof bytes},
                 {"/one", 0},      {"/one", 3000},     {"/one", 20000},    {"/pause", 4999},
                 {"/pause", 5001}, {"/pause", 300000}, {"/short", 100000}, {"/max", BODY_MAX}};
    struct client *c = dial();
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        for (int chunked = 0; chunked < 2; chunked++) {
            (chunked ? put_chunked : put)(c, cases[i].target, cases[i].n);
            expect(c, 200, told(cases[i].n));
        }
    say(c, "PUT /all HTTP/1.1\r\nHost: a\r\n\r\nGET /one HTTP/1.1\r\nHost: a\r\n\r\n"); /* no body at all */
    expect(c, 200, told(0));
    expect(c, 200, told(0));
    /* Pipelined: several in one packet. */
    for (int i = 0; i < 20; i++)
        put(c, i % 2 ? "/one" : "/pause", (size_t)i * 7);
    for (int i = 0; i < 20; i++)
        expect(c, 200, told((size_t)i * 7));
    hang_up(c);
    c = dial(); /* the end of the client's half behind the body, which the sink has not taken yet */
    put(c, "/pause", 50000);
    shutdown(c->fd, SHUT_WR);
    expect(c, 200, told(50000));
    expect_end(c);
    hang_up(c);
}

static size_t memory_in_use(void)
{
    size_t all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu %zu", &all, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void memory_stays_flat(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    put(c, "/all", sizeof bytes);
    expect(c, 200, told(sizeof bytes));
    size_t before = memory_in_use();
    char want[20];
    snprintf(want, sizeof want, "%d ", LARGE);
    say_head(c, "/all", LARGE, "");
    for (size_t at = 0; at < LARGE; at += sizeof bytes)
        say_n(c, bytes, sizeof bytes);
    struct answer a = hear(c);
    assert_true(a.status == 200 && vk_str_starts(vk_buf_view(&a.body), vk_str_z(want)));
    forget(&a);
#ifndef __SANITIZE_ADDRESS__ /* it keeps for a while what was freed, and TLS frees a lot */
    assert_true(memory_in_use() < before + GROWS_MAX);
#else
    VK_UNUSED(before);
#endif
    hang_up(c);
}

static void held_back(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    int before = waits;
    say_head(c, "/held", 5000, "Expect: 100-continue\r\n");
    wait_for(&waits, ++before);
    assert_true(silent(c));
    on_loop(make_ready_twice);
    expect(c, 100, "");
    assert_true(silent(c)); /* once */
    say_n(c, bytes, 5000);
    expect(c, 200, told(5000));
    put(c, "/held", 5000); /* the body is there already */
    wait_for(&waits, ++before);
    assert_true(silent(c));
    on_loop(make_ready);
    expect(c, 200, told(5000));
    say_head(c, "/held", 5000, "Expect: 100-continue\r\n"); /* so it is here, and the client does not wait */
    say_n(c, bytes, 5000);
    wait_for(&waits, ++before);
    assert_true(silent(c));
    on_loop(make_ready);
    struct answer a = hear(c);
    bool invited = a.status == 100;
    forget(&a);
    if (invited) /* what lay in the socket was not known */
        expect(c, 200, told(5000));
    say_head(c, "/held", 0, "Expect: 100-continue\r\n"); /* a file of nothing */
    wait_for(&waits, ++before);
    assert_true(silent(c));
    on_loop(make_ready);
    expect(c, 100, "");
    expect(c, 200, told(0));
    say(c, "PUT /held HTTP/1.1\r\nHost: a\r\n\r\n" GET("/plain")); /* with a next request behind it */
    wait_for(&waits, ++before);
    assert_true(silent(c));
    on_loop(make_ready);
    expect(c, 200, told(0));
    expect(c, 200, "0");
    put_chunked(c, "/held", 9000);
    wait_for(&waits, ++before);
    on_loop(make_ready);
    expect(c, 200, told(9000));
    say_head(c, "/pause", 20000, "Expect: 100-continue\r\n"); /* pauses do not invite again */
    expect(c, 100, "");
    say_n(c, bytes, 20000);
    expect(c, 200, told(20000));
    /* What is declared is checked first. */
    say(c, "PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: 8589934593\r\n\r\n");
    expect(c, 413, NULL);
    expect_end(c);
    hang_up(c);
    c = dial();
    say(c, "PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: 8589934592\r\nExpect: 100-continue\r\n\r\n");
    wait_for(&waits, before + 3);
    on_loop(make_ready);
    expect(c, 100, "");
    hang_up(c);
    wait_for(&ended, made);
}

/* Answered in front of the body, and while it waits. */
static void answered_while_held(void **state)
{
    VK_UNUSED(state);
    int before = waits, had = served;
    struct client *c = dial();
    for (int chunked = 0; chunked < 2; chunked++)
        for (int part = 0; part < 3; part++) { /* none of a small body is there, some, all */
            if (chunked) {                     /* what is left of it cannot be known */
                hang_up(c);
                c = dial();
                say(c, "PUT /held HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                say(c, part ? "5\r\nGET /" : "");
            } else {
                say_head(c, "/held", 40000, "");
                say_n(c, bytes, part == 0 ? 0 : part == 1 ? 30000 : 40000);
            }
            wait_for(&waits, ++before);
            assert_true(silent(c));
            on_loop(answer_kept);
            if (!chunked)
                say_n(c, bytes, part == 0 ? 40000 : part == 1 ? 10000 : 0);
            struct answer a = hear(c);
            assert_true(a.status == 403 && a.close == (chunked == 1));
            forget(&a);
            if (chunked)
                expect_end(c);
            else
                still_works(c);
        }
    hang_up(c);
    static const size_t lengths[] = {1 << 20, 100};
    for (size_t i = 0; i < VK_COUNT(lengths); i++) { /* large; small, but nobody said that it may come */
        c = dial();
        say_head(c, "/held", lengths[i], i ? "Expect: 100-continue\r\n" : "");
        wait_for(&waits, ++before);
        on_loop(answer_kept);
        if (i == 0)
            say_n(c, bytes, 200000);
        struct answer a = hear(c);
        assert_true(a.status == 403 && a.close);
        forget(&a);
        expect_end(c);
        hang_up(c);
    }
    assert_int_equal(served, had + 3); /* those of still_works */
    wait_for(&ended, made);
}

static void answered_while_it_comes(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    int before = waits;
    for (int i = 0; i < 5; i++) { /* by the sink, with little left */
        put(c, "/at?1000", 40000);
        expect(c, 507, "full");
        put(c, "/at?40000", 40000); /* with its last byte */
        expect(c, 507, "full");
        still_works(c);
    }
    put(c, "/at?1000000", 1000000 + 50000); /* little is left of much */
    expect(c, 507, "full");
    say_head(c, "/at?1000", 20000, "Expect: 100-continue\r\n");
    expect(c, 100, "");
    say_n(c, bytes, 20000);
    expect(c, 507, "full");
    still_works(c);
    put(c, "/at?1000", 1000000);
    struct answer a = hear(c);
    assert_true(a.status == 507 && a.close);
    forget(&a);
    expect_end(c);
    hang_up(c);
    c = dial();
    put_chunked(c, "/at?1000", 5000);
    expect(c, 507, "full");
    expect_end(c);
    hang_up(c);
    /* By somebody else, while nothing comes. */
    before = waits;
    c = dial();
    say_head(c, "/long", 30000, "");
    say_n(c, bytes, 20000);
    wait_for(&waits, ++before);
    assert_true(silent(c));
    on_loop(answer_kept);
    say_n(c, bytes, 10000);
    expect(c, 403, "no");
    still_works(c);
    say_head(c, "/long", 1000000, "");
    say_n(c, bytes, 20000);
    wait_for(&waits, before + 1);
    assert_true(silent(c));
    on_loop(answer_kept);
    expect(c, 403, "no"); /* nothing more has to come for that */
    expect_end(c);
    hang_up(c);
    /* While the sink rests, with bytes before it that it has not taken. */
    for (int large = 0; large < 2; large++) {
        c = dial();
        before = rests;
        say_head(c, "/rest?1000", large ? 200000 : 50000, "");
        say_n(c, bytes, 40000);
        wait_for(&rests, before + 1);
        on_loop(answer_kept);
        say_n(c, bytes, 10000);
        expect(c, 403, "no");
        if (large)
            expect_end(c);
        else
            still_works(c);
        hang_up(c);
    }
    wait_for(&ended, made);
}

#ifdef VK_TEST_TLS /* the tunnel ends TLS only, which is input as long as nobody reads it */
enum { ENDS_ARE_SEEN = false };
#else
enum { ENDS_ARE_SEEN = true };
#endif

static void clients_that_go(void **state)
{
    VK_UNUSED(state);
    int had = served, before = ended;
    /* While it comes: the exchange ends at once. */
    for (int i = 0; i < 4; i++) {
        struct client *c = dial();
        int seen = waits;
        say_head(c, "/all", 50000, "");
        say_n(c, bytes, i < 2 ? 0 : 20000);
        wait_for(&waits, seen + 1);
        (i % 2 ? reset : hang_up)(c);
        wait_for(&ended, ++before);
    }
    /* While it waits: the handler is told, and gives it back. */
    for (int i = 0; i < 16; i++) {
        bool asks = i & 1, resets = i & 2, rest = i & 4, answer = i & 8;
        struct client *c = dial();
        int seen = waits, rested = rests, gone_before = gones;
        say_head(c, rest ? asks ? "/rest?1000" : "/rest?1" : asks ? "/held" : "/held?1", 50000, "");
        if (rest)
            say_n(c, bytes, 20000);
        wait_for(&waits, seen + 1);
        if (rest)
            wait_for(&rests, rested + 1);
        (resets ? reset : hang_up)(c);
        if (asks && (resets || ENDS_ARE_SEEN))
            wait_for(&gones, gone_before + 1);
        else
            usleep(20000);
        assert_int_equal(ended, before);
        on_loop(answer ? answer_kept : make_ready);
        wait_for(&ended, ++before);
    }
    assert_int_equal(served, had);
    do
        on_loop(look);
    while (conns && usleep(1000) == 0);
    /* A half-close in the middle: the same end, orderly. */
    struct client *c = dial();
    say_head(c, "/all", 50000, "");
    say_n(c, bytes, 20000);
    shutdown(c->fd, SHUT_WR);
    expect_end(c);
    hang_up(c);
    wait_for(&ended, ++before);
    /* Behind the whole body, which is held: it is served. */
    c = dial();
    int seen = waits, gone_before = gones;
    put(c, "/held", 50000);
    shutdown(c->fd, SHUT_WR);
    wait_for(&waits, seen + 1);
    if (ENDS_ARE_SEEN)
        wait_for(&gones, gone_before + 1);
    on_loop(make_ready);
    expect(c, 200, told(50000));
    expect_end(c);
    hang_up(c);
    wait_for(&ended, made);
}

static void time_counts_for_clients_only(void **state)
{
    VK_UNUSED(state);
    struct client *held = dial(), *rest = dial();
    int before = waits, rested = rests;
    say_head(held, "/held", 1000, "");
    say_n(held, bytes, 300);
    wait_for(&waits, before + 1);
    vk_exchange *of_held = kept;
    say_head(rest, "/rest?1000", 50000, "");
    say_n(rest, bytes, 20000);
    wait_for(&rests, rested + 1);
    vk_exchange *of_rest = kept;
    for (int i = 0; i < 3; i++)
        leap(10 * USUAL(SLOW_TIME));
    assert_true(is_open(held) && is_open(rest));
    kept = of_held;
    on_loop(make_ready);
    kept = of_rest;
    on_loop(make_ready);
    leap(USUAL(SLOW_TIME) - 1000); /* begins anew */
    assert_true(is_open(held) && is_open(rest));
    say_n(rest, bytes + 20000, 30000);
    expect(rest, 200, told(50000));
    leap(2000);
    expect(held, 408, NULL);
    expect_end(held);
    hang_up(held);
    hang_up(rest);
    wait_for(&ended, made);
}

static void refused_in_the_middle(void **state)
{
    VK_UNUSED(state);
    int had = served;
    struct client *c = dial();
    put_chunked(c, "/max", BODY_MAX + 1);
    expect(c, 413, NULL);
    expect_end(c);
    hang_up(c);
    c = dial();
    put(c, "/max", BODY_MAX + 1);
    expect(c, 413, NULL);
    expect_end(c);
    hang_up(c);
    static const char *const paths[] = {"/all", "/one", "/pause", "/max"};
    for (size_t i = 0; i < VK_COUNT(paths); i++) {
        char text[100];
        c = dial();
        snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                 paths[i]);
        say(c, text);
        say(c, "5\r\nhello\r\n5\r\nhello?\r\n0\r\n\r\n");
        expect(c, 400, NULL);
        expect_end(c);
        hang_up(c);
    }
    assert_int_equal(served, had);
    wait_for(&ended, made);
}

/* A restart ends bodies that are still coming, and waits for what a handler has. */
static void hastened(void **state)
{
    VK_UNUSED(state);
    struct client *coming = dial(), *held = dial(), *rest = dial();
    int before = waits, rested = rests, done = ended, told_before = gones;
    say_head(coming, "/all", 5000, "");
    say_n(coming, bytes, 300);
    say_head(rest, "/rest?1000", 50000, "");
    say_n(rest, bytes, 20000);
    wait_for(&rests, rested + 1);
    vk_exchange *of_rest = kept;
    wait_for(&waits, before + 2);
    say_head(held, "/held", 5000, "");
    wait_for(&waits, before + 3);
    on_loop(park);
    on_loop(look);
    assert_int_equal(under_way, 3);
    on_loop(hasten);
    on_loop(look);
    assert_int_equal(under_way, 2);
    assert_int_equal(gones, told_before + 2);
    on_loop(make_ready);
    kept = of_rest;
    on_loop(answer_kept);
    on_loop(look);
    assert_int_equal(under_way, 0);
    assert_int_equal(ended, done + 3);
    on_loop(unpark);
    expect_end(coming);
    hang_up(coming);
    hang_up(held);
    hang_up(rest);
}

/* One that never waits does not keep the others waiting. */
static void *upload(void *arg)
{
    struct client *c = arg;
    for (size_t at = 0; at < LARGE; at += sizeof bytes)
        for (size_t n = 0; n < sizeof bytes;) {
            ssize_t w = send(c->fd, bytes + n, sizeof bytes - n, MSG_NOSIGNAL);
            if (w <= 0)
                return NULL;
            n += (size_t)w;
        }
    return NULL;
}

static void takes_turns(void **state)
{
    VK_UNUSED(state);
    pthread_t thread;
    struct client *large = dial(), *small = dial();
    int before = waits;
    say_head(large, "/all", LARGE, "");
    wait_for(&waits, before + 1);
    assert_int_equal(pthread_create(&thread, NULL, upload, large), 0);
    int served_before = served, answers = 0;
    while (served - answers == served_before) { /* until the large one is served */
        answers++;
        still_works(small);
    }
    pthread_join(thread, NULL);
    expect(large, 200, NULL);
    assert_true(answers > 3);
    hang_up(large);
    hang_up(small);
}

static void pieces(void **state)
{
    VK_UNUSED(state);
    int before = stopped;
    struct client *c = dial();
    for (int i = 0; i < 3; i++) {
        say(c, GET("/parts"));
        if (i == 1)
            usleep(100000); /* the socket is full meanwhile */
        struct answer a = hear(c);
        assert_true(a.status == 200 && !a.chunked && !a.close && a.body.n == P_ALL);
        for (size_t k = 0; k < a.body.n; k++)
            if (a.body.p[k] != piece_byte((int64_t)k))
                fail_msg("byte %zu", k);
        forget(&a);
    }
    say(c, "HEAD /parts HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = hear_to(c, "HEAD");
    assert_true(a.status == 206 && a.body.n == 0 && head_has(&a, " Partial Content\r\n") &&
                head_has(&a, "Content-Length: 2099152\r\n") && !head_has(&a, "Content-Type"));
    forget(&a);
    say(c, GET("/parts/none") GET("/parts/tiny?5001")); /* nothing; very many */
    expect(c, 200, "");
    a = hear(c);
    assert_true(a.status == 200 && a.body.n == 5001);
    for (size_t k = 0; k < a.body.n; k++)
        assert_int_equal(a.body.p[k], 'a' + k / 2 % 26);
    forget(&a);
    wait_for(&stopped, before + 5);
    hang_up(c);
    static const size_t whole[] = {0, P_MEMORY, P_MEMORY + P_FILE, P_MEMORY + 2 * P_FILE};
    for (int i = 1; i <= 4; i++) { /* one cannot be had: what came before it is there, and no end */
        char text[100];
        c = dial();
        snprintf(text, sizeof text, "GET /parts?%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        say(c, text);
        a = hear(c);
        assert_true(i == 1 ? a.over : a.status == 200 && a.cut && a.body.n == whole[i - 1]);
        forget(&a);
        hang_up(c);
    }
    wait_for(&stopped, before + 9);
    for (int i = 0; i < 5; i++) { /* a client that goes in the middle */
        c = dial();
        say(c, GET("/parts"));
        while (c->in.n < 100000)
            assert_true(hear_some(c) > 0);
        (i % 2 ? reset : hang_up)(c);
    }
    wait_for(&stopped, before + 14);
    wait_for(&ended, made);
}

static void cut_off(void **state)
{
    VK_UNUSED(state);
    int before = stopped;
    struct client *c = dial(), *other = dial();
    say(c, GET("/parts/cut?1000000000"));
    while (c->in.n < 1000)
        assert_true(hear_some(c) > 0);
    on_loop(cut_kept);
    wait_for(&stopped, before + 1);
    struct answer a = hear(c);
    assert_true(a.status == 200 && a.cut && a.body.n < 1000000000);
    forget(&a);
    hang_up(c);
    /* One that is not answered goes on. */
    before = waits;
    put(other, "/held", 5000);
    wait_for(&waits, before + 1);
    on_loop(cut_kept);
    assert_true(silent(other));
    on_loop(make_ready);
    expect(other, 200, told(5000));
    hang_up(other);
    wait_for(&ended, made);
}

static void many_headers(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, GET("/headers"));
    do /* larger than what is read of a client elsewhere */
        assert_true(hear_some(c) > 0);
    while (!memmem(c->in.p, c->in.n, "\r\n\r\n", 4));
    size_t n = 0;
    static const char line[] = "\r\nx-amz-meta-a: vvv";
    for (char *p = c->in.p; (p = memmem(p, c->in.n - (size_t)(p - c->in.p), line, sizeof line - 1)); p++)
        n++;
    assert_int_equal(n, 11);
    assert_non_null(memmem(c->in.p, c->in.n, "\r\nx-amz-meta-b: h\xc3\xbcte\r\n", 23));
    assert_null(memmem(c->in.p, c->in.n, "x-amz-meta-c", 12));
    hang_up(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_there_is),
        cmocka_unit_test(memory_stays_flat),
        cmocka_unit_test(held_back),
        cmocka_unit_test(answered_while_held),
        cmocka_unit_test(answered_while_it_comes),
        cmocka_unit_test(clients_that_go),
        cmocka_unit_test(time_counts_for_clients_only),
        cmocka_unit_test(refused_in_the_middle),
        cmocka_unit_test(hastened),
        cmocka_unit_test(takes_turns),
        cmocka_unit_test(pieces),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(many_headers),
    };
    return cmocka_run_group_tests(tests, start_sinks, finish);
}
