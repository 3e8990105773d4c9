#include "http/test_rig.h"

#include "crypto/selfsign.h"
#include "http/upstream.h"
#include "net/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>

/* Calls are made on the loop; the other side is played by hand at the end of a socketpair, or is a server of
 * the rig. What the resolver says is said here. */

/* ---- the resolver */

static _Atomic int resolver_calls, resolver_code;
static const char *_Atomic resolver_says; /* addresses between blanks */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out);
void freeaddrinfo(struct addrinfo *all);

struct found {
    struct addrinfo info; /* first */
    struct sockaddr_in at;
};

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    char text[200], *rest = text, *one;
    struct addrinfo **last = out;
    CHECK(node && !service && hints->ai_socktype == SOCK_STREAM);
    resolver_calls++;
    *out = NULL;
    if (resolver_code)
        return resolver_code;
    snprintf(text, sizeof text, "%s", atomic_load(&resolver_says));
    while ((one = strsep(&rest, " "))) {
        struct found *f = calloc(1, sizeof *f);
        CHECK(f);
        f->at.sin_family = AF_INET;
        CHECK(inet_pton(AF_INET, one, &f->at.sin_addr) == 1);
        f->info = (struct addrinfo){
            .ai_family = AF_INET, .ai_addrlen = sizeof f->at, .ai_addr = (struct sockaddr *)(void *)&f->at};
        *last = &f->info;
        last = &f->info.ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *all)
{
    while (all) {
        struct addrinfo *next = all->ai_next;
        free(all);
        all = next;
    }
}

/* ---- work on the loop */

struct job {
    vk_task task;
    void (*run)(void *arg);
    void *arg;
    _Atomic bool over;
};

static void run_job(vk_task *t)
{
    struct job *j = VK_CONTAINER(t, struct job, task);
    j->run(j->arg);
    j->over = true;
}

static void on_loop(void (*run)(void *arg), void *arg)
{
    struct job j = {.task = {.run = run_job}, .run = run, .arg = arg};
    vk_loop_post(loop, &j.task);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; !j.over && vk_clock_mono_ms() < until;)
        usleep(100);
    assert_true(j.over);
}

struct made {
    vk_upstream_place at;
    vk_upstream *pool;
    vk_err e;
    vk_upstream_counts counts;
};

static void run_new(void *arg)
{
    struct made *m = arg;
    m->e = vk_upstream_new(loop, &m->at, &m->pool);
}

static void run_free(void *arg)
{
    vk_upstream_free(((struct made *)arg)->pool);
}

static void run_count(void *arg)
{
    struct made *m = arg;
    vk_upstream_count(m->pool, &m->counts);
}

static vk_upstream_counts counts(struct made *m)
{
    on_loop(run_count, m);
    return m->counts;
}

/* ---- socketpairs */

static int ends[2]; /* a pipe: our ends of what was opened */
static _Atomic int opens_fail;

static vk_err open_pair(void *arg, int *fd_r)
{
    int pair[2];
    VK_UNUSED(arg);
    if (opens_fail)
        return VK_E_UNAVAILABLE;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 && write(ends[1], &pair[1], sizeof(int)) == sizeof(int));
    *fd_r = pair[0];
    return VK_OK;
}

static struct made pair_pool(void)
{
    struct made m = {.at = {.host = "the other side", .open = open_pair}};
    on_loop(run_new, &m);
    assert_int_equal(m.e, VK_OK);
    return m;
}

static struct client *opened(void)
{
    struct client *c = calloc(1, sizeof *c);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    assert_non_null(c);
    vk_buf_init(&c->in, 64 << 20);
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(read(ends[0], &c->fd, sizeof(int)), sizeof(int));
    return c;
}

static bool none_opened(void)
{
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

static void hear_text(struct client *h, const char *text)
{
    while (!h->in.n || !memmem(h->in.p, h->in.n, text, strlen(text)))
        if (hear_some(h) <= 0)
            fail_msg("the end instead of %s", text);
}

static void hear_end(struct client *h)
{
    while (hear_some(h) > 0)
        ;
}

/* ---- a call */

enum { NEVER, IN_HEAD, IN_BODY, IN_LULL, IN_WANTS };

struct ask {
    vk_upcall call;
    struct made *m;
    char head[300];
    const char *stream; /* a body to be given in pieces */
    size_t given, piece;
    int aborts;
    size_t takes; /* of the body before there is no room; 0: all */
    vk_buf body;
    vk_err begun, e;
    char why[VK_UPSTREAM_WHY];
    _Atomic int status, heads, lulls, dones, full, wanted;
};

static void head_came(vk_upcall *c, const vk_head *h)
{
    struct ask *a = c->arg;
    CHECK(a->dones == 0 && a->heads == 0);
    a->status = h->status;
    a->heads++;
    if (a->aborts == IN_HEAD)
        vk_upcall_abort(c);
}

static size_t body_came(vk_upcall *c, vk_str bytes)
{
    struct ask *a = c->arg;
    CHECK(bytes.n && a->heads == 1 && a->dones == 0);
    if (a->aborts == IN_BODY) {
        vk_upcall_abort(c);
        return 12345;
    }
    if (a->takes && bytes.n > a->takes) {
        vk_buf_add(&a->body, bytes.p, a->takes);
        a->full++;
        return a->takes;
    }
    vk_buf_str(&a->body, bytes);
    return bytes.n;
}

static void lull(vk_upcall *c)
{
    struct ask *a = c->arg;
    a->lulls++;
    if (a->aborts == IN_LULL)
        vk_upcall_abort(c);
}

static void wants(vk_upcall *c)
{
    struct ask *a = c->arg;
    size_t all = strlen(a->stream);
    a->wanted++;
    if (a->aborts == IN_WANTS) {
        vk_upcall_abort(c);
        return;
    }
    while (a->given < all || all == 0) {
        size_t n = all - a->given < a->piece ? all - a->given : a->piece;
        bool end = a->given + n == all && (c->body_n < 0 || c->body_n == (int64_t)all);
        size_t took = vk_upcall_give(c, (vk_str){a->stream + a->given, n}, end);
        a->given += took;
        if (took < n || all == 0)
            return;
    }
}

static void done(vk_upcall *c, vk_err e, const char *why)
{
    struct ask *a = c->arg;
    CHECK(a->dones == 0);
    a->e = e;
    snprintf(a->why, sizeof a->why, "%s", why);
    a->dones++;
}

static void run_begin(void *arg)
{
    struct ask *a = arg;
    a->begun = vk_upcall_begin(a->m->pool, &a->call);
    CHECK(a->dones == 0 && a->heads == 0 && a->wanted == 0); /* nothing inside of the call */
}

static void run_abort(void *arg)
{
    vk_upcall_abort(&((struct ask *)arg)->call);
}

static void run_room(void *arg)
{
    vk_upcall_room(&((struct ask *)arg)->call);
}

static void prepare(struct ask *a, struct made *m, const char *method, const char *lines)
{
    snprintf(a->head, sizeof a->head, "%s /x HTTP/1.1\r\nHost: h\r\n%s\r\n", method, lines);
    a->m = m;
    a->call.head = vk_str_z(a->head);
    a->call.method = vk_str_z(method);
    a->call.head_came = head_came;
    a->call.body_came = body_came;
    a->call.lull = lull;
    a->call.done = done;
    a->call.arg = a;
    a->piece = 1 << 20;
    vk_buf_init(&a->body, 64 << 20);
    if (a->stream)
        a->call.wants = wants;
}

static void begin(struct ask *a)
{
    on_loop(run_begin, a);
    assert_int_equal(a->begun, VK_OK);
}

static void ended_with(struct ask *a, vk_err e, int status, const char *body)
{
    wait_for(&a->dones, 1);
    if (a->e != e || a->status != status || (body && !vk_str_eqz(vk_buf_view(&a->body), body)))
        fail_msg("%s (%s) %d " VK_STR_FMT, vk_err_name(a->e), a->why, a->status,
                 VK_STR_ARG(vk_buf_view(&a->body)));
    assert_int_equal(e == VK_OK, a->why[0] == 0);
    vk_buf_free(&a->body);
}

#define OK3 "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

/* One call on a connection that is kept afterwards. */
static struct client *warm(struct made *m)
{
    struct ask a = {0};
    prepare(&a, m, "GET", "");
    begin(&a);
    struct client *h = opened();
    hear_text(h, "\r\n\r\n");
    h->in.n = 0;
    say(h, OK3);
    ended_with(&a, VK_OK, 200, "abc");
    return h;
}

static void wait_idle(struct made *m, size_t n)
{
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; counts(m).idle != n && vk_clock_mono_ms() < until;)
        usleep(1000);
    assert_int_equal(m->counts.idle, n);
}

/* ---- tests */

static void connections_are_kept(void **state)
{
    struct made m = pair_pool();
    struct client *h = warm(&m);
    VK_UNUSED(state);
    for (int i = 0; i < 3; i++) {
        struct ask a = {0};
        prepare(&a, &m, i ? "GET" : "POST", "");
        begin(&a);
        hear_text(h, "\r\n\r\n");
        h->in.n = 0;
        say(h, OK3);
        ended_with(&a, VK_OK, 200, "abc");
    }
    assert_int_equal(counts(&m).connects, 1);
    assert_int_equal(m.counts.reused, 3);
    assert_int_equal(m.counts.idle, 1);
    leap(VK_UPSTREAM_IDLE_MS + 200);
    wait_idle(&m, 0);
    hear_end(h);
    hang_up(h);
    on_loop(run_free, &m);
}

static void ends_in_the_pool_are_noticed(void **state)
{
    static const char *const says[] = {"", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"};
    struct made m = pair_pool();
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(says); i++) {
        struct client *h = warm(&m);
        wait_idle(&m, 1);
        say(h, says[i]);
        if (i == 0)
            shutdown(h->fd, SHUT_WR);
        wait_idle(&m, 0);
        hear_end(h);
        hang_up(h);
    }
    on_loop(run_free, &m);
}

static void what_is_not_kept(void **state)
{
    static const char *const says[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        OK3 "HTTP/1.1 200 OK\r\n", /* what nobody asked for */
    };
    struct made m = pair_pool();
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(says); i++) {
        struct ask a = {0};
        prepare(&a, &m, "GET", "");
        begin(&a);
        struct client *h = opened();
        hear_text(h, "\r\n\r\n");
        say(h, says[i]);
        ended_with(&a, VK_OK, 200, "abc");
        assert_int_equal(counts(&m).open, 0);
        hear_end(h);
        hang_up(h);
    }
    on_loop(run_free, &m);
}

static void only_what_does_no_harm_is_sent_again(void **state)
{
    struct made m = pair_pool();
    VK_UNUSED(state);
    for (int again = 0; again < 2; again++)
        for (int fails_twice = 0; fails_twice < 2; fails_twice++) {
            struct client *h = warm(&m), *other = NULL;
            struct ask a = {.call = {.again = again, .secret = true, .body = VK_STR("body")}};
            prepare(&a, &m, "POST", "Content-Length: 4\r\nX-Secret: hunter2\r\n");
            begin(&a);
            hear_text(h, "\r\n\r\nbody"); /* it came, and then the other side is gone */
            assert_int_equal(a.head[0], again ? 'P' : 0);
            hang_up(h);
            if (again) {
                other = opened();
                hear_text(other, "hunter2\r\n\r\nbody");
                if (!fails_twice)
                    say(other, OK3);
                else
                    shutdown(other->fd, SHUT_RDWR);
            }
            if (again && !fails_twice)
                ended_with(&a, VK_OK, 200, "abc");
            else
                ended_with(&a, VK_E_UNAVAILABLE, 0, "");
            assert_null(memmem(a.head, sizeof a.head, "hunter2", 7));
            assert_true(none_opened());
            if (other) {
                shutdown(other->fd, SHUT_RDWR);
                wait_idle(&m, 0);
                hang_up(other);
            }
        }
    assert_int_equal(counts(&m).again, 2);
    /* A fresh connection that ends is no such case. */
    struct ask a = {.call = {.again = true}};
    prepare(&a, &m, "GET", "");
    begin(&a);
    struct client *h = opened();
    hear_text(h, "\r\n\r\n");
    hang_up(h);
    ended_with(&a, VK_E_UNAVAILABLE, 0, "");
    assert_true(none_opened());
    on_loop(run_free, &m);
}

/* Not even a call that must not be sent twice meets a connection whose end has come. */
static void run_end_and_begin(void *arg)
{
    struct ask *a = arg;
    shutdown((int)a->given, SHUT_WR); /* on the loop: it cannot have noticed */
    a->given = 0;
    run_begin(a);
}

static void ends_are_looked_for(void **state)
{
    struct made m = pair_pool();
    struct client *h = warm(&m);
    struct ask a = {.given = (size_t)h->fd};
    VK_UNUSED(state);
    prepare(&a, &m, "POST", "");
    on_loop(run_end_and_begin, &a);
    struct client *other = opened();
    say(other, OK3);
    ended_with(&a, VK_OK, 200, "abc");
    hang_up(h);
    shutdown(other->fd, SHUT_RDWR);
    wait_idle(&m, 0);
    hang_up(other);
    on_loop(run_free, &m);
}

static void bodies_stream(void **state)
{
    static char text[200001];
    static const size_t pieces[] = {1 << 20, 50000, 16384, 1000};
    struct made m = pair_pool();
    VK_UNUSED(state);
    memset(text, 'z', sizeof text - 1);
    for (size_t i = 0; i < VK_COUNT(pieces); i++)
        for (int chunked = 0; chunked < 2; chunked++) {
            struct ask a = {.stream = text, .call = {.body_n = chunked ? -1 : (int64_t)sizeof text - 1}};
            prepare(&a, &m, "POST",
                    chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: 200000\r\n");
            a.piece = pieces[i];
            begin(&a);
            struct client *h = opened();
            hear_text(h, "\r\n\r\n");
            char *end = memmem(h->in.p, h->in.n, "\r\n\r\n", 4);
            drop(h, (size_t)(end + 4 - h->in.p));
            vk_head head = {.framing = chunked ? VK_FRAME_CHUNKED : VK_FRAME_LENGTH,
                            .content_length = sizeof text - 1};
            struct answer got = {0};
            vk_buf_init(&got.body, 1 << 20);
            hear_body(h, &head, &got);
            assert_true(vk_str_eqz(vk_buf_view(&got.body), text));
            forget(&got);
            say(h, OK3);
            ended_with(&a, VK_OK, 200, "abc");
            assert_int_equal(a.call.sent, sizeof text - 1);
            assert_int_equal(a.call.received, 3);
            shutdown(h->fd, SHUT_RDWR);
            wait_idle(&m, 0);
            hang_up(h);
        }
    struct ask early = {.stream = "abc", .call = {.body_n = 5}}; /* answered before it was whole */
    prepare(&early, &m, "POST", "Content-Length: 5\r\n");
    begin(&early);
    struct client *e = opened();
    hear_text(e, "\r\n\r\nabc");
    say(e, OK3);
    ended_with(&early, VK_OK, 200, "abc");
    assert_int_equal(counts(&m).open, 0);
    hang_up(e);
    struct ask a = {.stream = "", .call = {.body_n = -1}}; /* none of it */
    prepare(&a, &m, "POST", "Transfer-Encoding: chunked\r\n");
    begin(&a);
    struct client *h = opened();
    hear_text(h, "\r\n\r\n0\r\n\r\n");
    say(h, OK3);
    ended_with(&a, VK_OK, 200, "abc");
    hang_up(h);
    on_loop(run_free, &m);
}

static void room_is_waited_for(void **state)
{
    struct made m = pair_pool();
    struct ask a = {.takes = 2};
    VK_UNUSED(state);
    prepare(&a, &m, "GET", "");
    begin(&a);
    struct client *h = opened();
    say(h, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi");
    for (int i = 1; i <= 4; i++) {
        wait_for(&a.full, i);
        assert_int_equal(a.dones, 0);
        on_loop(run_room, &a);
    }
    ended_with(&a, VK_OK, 200, "abcdefghi");
    hang_up(h);
    on_loop(run_free, &m);
}

static void calls_may_end_at_any_time(void **state)
{
    VK_UNUSED(state);
    for (int where = IN_HEAD; where <= IN_WANTS; where++) {
        struct made m = pair_pool();
        struct ask a = {.aborts = where};
        if (where == IN_WANTS) {
            a.stream = "abc";
            a.call.body_n = 3;
        }
        prepare(&a, &m, "POST", where == IN_WANTS ? "Content-Length: 3\r\n" : "");
        begin(&a);
        struct client *h = opened();
        if (where == IN_LULL)
            say(h, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        else if (where != IN_WANTS)
            say(h, OK3);
        hear_end(h);
        assert_int_equal(a.dones, 0);
        assert_int_equal(counts(&m).open, 0);
        vk_buf_free(&a.body);
        hang_up(h);
        on_loop(run_free, &m);
    }
    struct made m = pair_pool(); /* while it waits, and while it is under way; twice does no harm */
    struct ask a = {0};
    prepare(&a, &m, "GET", "");
    begin(&a);
    struct client *h = opened();
    hear_text(h, "\r\n\r\n");
    on_loop(run_abort, &a);
    on_loop(run_abort, &a);
    hear_end(h);
    hang_up(h);
    assert_int_equal(a.dones, 0);
    on_loop(run_free, &m);
}

static void run_begin_and_abort(void *arg)
{
    run_begin(arg);
    run_abort(arg);
}

static void run_begin_then_free(void *arg)
{
    struct ask *a = arg;
    run_begin(a);
    vk_upstream_free(a->m->pool);
    a->given = vk_upcall_begin(a->m->pool, &(vk_upcall){0}) == VK_E_UNAVAILABLE;
}

static void pools_end(void **state)
{
    struct made m = pair_pool();
    struct ask a = {0}, b = {0}, c = {0};
    VK_UNUSED(state);
    prepare(&a, &m, "GET", "");
    on_loop(run_begin_and_abort, &a);
    assert_true(none_opened());
    prepare(&b, &m, "GET", "");
    begin(&b);
    struct client *h = opened();
    hear_text(h, "\r\n\r\n");
    prepare(&c, &m, "GET", "");
    on_loop(run_begin_then_free, &c);
    ended_with(&b, VK_E_UNAVAILABLE, 0, "");
    ended_with(&c, VK_E_UNAVAILABLE, 0, "");
    assert_true(c.given);
    hear_end(h);
    hang_up(h);
    opens_fail = 1;
    m = pair_pool();
    a = (struct ask){0};
    prepare(&a, &m, "GET", "");
    begin(&a);
    ended_with(&a, VK_E_UNAVAILABLE, 0, "");
    opens_fail = 0;
    on_loop(run_free, &m);
}

enum { ALL = VK_UPSTREAM_CONNS + VK_UPSTREAM_WAITING };

static struct ask many[ALL + 1];

static void run_many(void *arg)
{
    struct made *m = arg;
    for (int i = 0; i < VK_UPSTREAM_CONNS; i++) {
        many[i].begun = vk_upcall_begin(m->pool, &many[i].call);
        CHECK(many[i].begun == VK_OK);
    }
}

static void run_more(void *arg)
{
    struct made *m = arg;
    for (int i = VK_UPSTREAM_CONNS; i <= ALL; i++)
        many[i].begun = vk_upcall_begin(m->pool, &many[i].call);
}

static void too_many_are_refused(void **state)
{
    struct made m = pair_pool();
    static struct client *h[VK_UPSTREAM_CONNS];
    VK_UNUSED(state);
    for (int i = 0; i <= ALL; i++)
        prepare(&many[i], &m, "GET", "");
    on_loop(run_many, &m);
    for (int i = 0; i < VK_UPSTREAM_CONNS; i++)
        h[i] = opened();
    on_loop(run_more, &m);
    for (int i = VK_UPSTREAM_CONNS; i < ALL; i++)
        assert_int_equal(many[i].begun, VK_OK);
    assert_int_equal(many[ALL].begun, VK_E_BUSY);
    assert_true(none_opened());
    assert_int_equal(counts(&m).waiting, VK_UPSTREAM_WAITING);
    say(h[0], OK3); /* the first goes on with its connection, in their order */
    wait_for(&many[0].dones, 1);
    h[0]->in.n = 0;
    hear_text(h[0], "\r\n\r\n");
    say(h[0], OK3);
    wait_for(&many[VK_UPSTREAM_CONNS].dones, 1);
    hang_up(h[1]); /* one that is lost makes room for another */
    h[1] = opened();
    leap(61000);
    for (int i = 1; i < ALL; i++)
        if (i != VK_UPSTREAM_CONNS) {
            wait_for(&many[i].dones, 1);
            assert_int_equal(many[i].e, i == 1 ? VK_E_UNAVAILABLE : VK_E_TIMEOUT);
        }
    for (int i = 0; i < VK_UPSTREAM_CONNS; i++)
        hang_up(h[i]);
    while (!none_opened())
        hang_up(opened());
    for (int i = 0; i <= ALL; i++)
        vk_buf_free(&many[i].body);
    on_loop(run_free, &m);
}

/* ---- by TCP */

static vk_server origin;
static vk_tls_host *origin_host;
static vk_tls_trust *trust;
static vk_lane *lane;
static struct sockaddr_in origin_at;
static _Atomic bool origin_over;

static int listen_on(struct sockaddr_in *at, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof *at;
    CHECK(bind(fd, (struct sockaddr *)at, n) == 0 && listen(fd, backlog) == 0 &&
          getsockname(fd, (struct sockaddr *)at, &n) == 0);
    return fd;
}

static vk_err origin_head(vk_exchange *ex)
{
    ex->body_max = 1000;
    return VK_OK;
}

static void origin_request(vk_exchange *ex)
{
    vk_respond_text(ex, 200, "text/plain", ex->host);
}

static const vk_handler origin_handler = {.head = origin_head, .request = origin_request};

static void begin_origin(void *arg)
{
    static const vk_str any[] = {{"h", 1}, {NULL, 0}};
    VK_UNUSED(arg);
    vk_server_init(&origin, loop, &origin_handler, NULL);
    origin.names = any;
    origin.tls = origin_host;
    CHECK(vk_server_listen(&origin, listen_on(&origin_at, 64)) == VK_OK);
}

static void origin_gone(vk_server *s)
{
    VK_UNUSED(s);
    origin_over = true;
}

static void end_origin(void *arg)
{
    VK_UNUSED(arg);
    vk_server_close(&origin, origin_gone);
}

static struct made place(const char *host, uint16_t port, vk_tls_trust *t)
{
    struct made m = {.at = {.port = port, .trust = t, .lane = t ? lane : NULL}};
    snprintf(m.at.host, sizeof m.at.host, "%s", host);
    on_loop(run_new, &m);
    return m;
}

static void once(struct made *m, vk_err e, const char *why)
{
    struct ask a = {0};
    prepare(&a, m, "GET", "");
    begin(&a);
    ended_with(&a, e, e == VK_OK ? 200 : 0, e == VK_OK ? "h" : "");
    if (why && !strstr(a.why, why))
        fail_msg("%s instead of %s", a.why, why);
}

static void hosts(void **state)
{
    static const struct {
        const char *host;
        bool tls, good;
    } cases[] = {
        {"127.0.0.1", false, true},  {"127.8.9.1", false, true},  {"::1", false, true},
        {"localhost", false, true},  {"localhost", true, true},   {"10.0.0.1", false, false},
        {"10.0.0.1", true, true},    {"::2", false, false},       {"::ffff:127.0.0.1", false, false},
        {"api.test", true, true},    {"api.test", false, false},  {"", true, false},
        {"127.1", true, false},      {"2130706433", true, false}, {"0x7f.1", true, false},
        {"a..test", true, false},    {".test", true, false},      {"api.test.", true, false},
        {"a b.test", true, false},   {"[::1]", true, false},      {"api.test:443", true, false},
        {"api.test/x", true, false}, {"u@api.test", true, false}, {"a_b-c.test", true, true},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct made m = place(cases[i].host, 443, cases[i].tls ? trust : NULL);
        if (m.e != (cases[i].good ? VK_OK : VK_E_INVALID))
            fail_msg("%s %d", cases[i].host, cases[i].tls);
        if (m.e == VK_OK)
            on_loop(run_free, &m);
    }
    assert_int_equal(place("127.0.0.1", 0, NULL).e, VK_E_INVALID);
}

static void addresses_are_tried_in_turn(void **state)
{
    uint16_t port = ntohs(origin_at.sin_port);
    VK_UNUSED(state);
    resolver_calls = 0;
    resolver_says = "127.0.0.2 127.0.0.3 127.0.0.1";
    struct made m = place("many.test", port, trust);
    once(&m, VK_OK, NULL);
    assert_int_equal(resolver_calls, 1);
    leap(VK_UPSTREAM_IDLE_MS + 200);
    wait_idle(&m, 0);
    once(&m, VK_OK, NULL); /* with the session, and the address, of before */
    assert_int_equal(resolver_calls, 1);
    assert_int_equal(counts(&m).connects, 2);
    assert_int_equal(m.counts.resumed, 1);
    leap(VK_UPSTREAM_RESOLVE_MS + 200);
    wait_idle(&m, 0);
    once(&m, VK_OK, NULL);
    assert_int_equal(resolver_calls, 2);
    leap(VK_UPSTREAM_RESOLVE_MS + 200);
    wait_idle(&m, 0);
    resolver_code = EAI_AGAIN; /* what was known is better than nothing */
    once(&m, VK_OK, NULL);
    assert_int_equal(resolver_calls, 3);
    on_loop(run_free, &m);
    m = place("none.test", port, trust);
    once(&m, VK_E_UNAVAILABLE, "none.test cannot be resolved");
    resolver_code = 0;
    once(&m, VK_E_FORBIDDEN, "ostname"); /* it is many.test's certificate */
    resolver_says = "127.0.0.2 127.0.0.3";
    on_loop(run_free, &m);
    m = place("many.test", port, trust);
    once(&m, VK_E_UNAVAILABLE, "cannot be reached: Connection refused");
    resolver_says = "127.0.0.1";
    once(&m, VK_OK, NULL); /* asked again at once, since none was any good */
    on_loop(run_free, &m);
}

static void run_resolve_and_free(void *arg)
{
    run_begin_then_free(arg);
}

static void a_resolver_may_outlive_the_pool(void **state)
{
    VK_UNUSED(state);
    for (int i = 0; i < 20; i++) {
        struct made m = place("many.test", ntohs(origin_at.sin_port), trust);
        struct ask a = {0};
        prepare(&a, &m, "GET", "");
        if (i % 2) {
            begin(&a);
            on_loop(run_free, &m);
            wait_for(&a.dones, 1);
        } else {
            on_loop(run_resolve_and_free, &a);
            ended_with(&a, VK_E_UNAVAILABLE, 0, "");
        }
        vk_buf_free(&a.body);
    }
}

static void who_does_not_answer_is_given_up(void **state)
{
    struct sockaddr_in at;
    int fd = listen_on(&at, 0), fill[8];
    struct made plain = place("127.0.0.1", ntohs(at.sin_port), NULL);
    struct made tls = place("127.0.0.1", ntohs(at.sin_port), trust);
    struct ask a = {0};
    VK_UNUSED(state);
    prepare(&a, &tls, "GET", ""); /* connected, and no handshake comes */
    begin(&a);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS;
         counts(&tls).connects < 1 && vk_clock_mono_ms() < until;)
        usleep(1000);
    leap(VK_UPSTREAM_CONNECT_MS + 200);
    ended_with(&a, VK_E_TIMEOUT, 0, "");
    assert_non_null(strstr(a.why, "handshake"));
    for (size_t i = 0; i < VK_COUNT(fill); i++) { /* until no more are taken */
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(connect(fill[i], (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS);
    }
    a = (struct ask){0};
    prepare(&a, &plain, "GET", "");
    begin(&a);
    for (int i = 0; i < 3; i++) /* it has begun */
        counts(&plain);
    leap(VK_UPSTREAM_CONNECT_MS + 200);
    ended_with(&a, VK_E_TIMEOUT, 0, "");
    for (size_t i = 0; i < VK_COUNT(fill); i++)
        close(fill[i]);
    close(fd);
    once(&plain, VK_E_UNAVAILABLE, "refused");
    on_loop(run_free, &plain);
    on_loop(run_free, &tls);
    struct made m = place("127.0.0.1", ntohs(address.sin_port), trust); /* it speaks plain HTTP */
    once(&m, VK_E_UNAVAILABLE, NULL);
    on_loop(run_free, &m);
}

/* ---- */

static void make_papers(void)
{
    vk_selfsign_names names = {0};
    vk_buf cert, key;
    char why[VK_TLS_WHY_MAX], file[] = "/tmp/vk-test-upstream-XXXXXX";
    vk_buf_init(&cert, 65536);
    vk_buf_init(&key, 65536);
    int fd = mkstemp(file);
    if (vk_selfsign_name(&names, VK_STR("many.test")) != VK_OK || vk_selfsign(&names, &cert, &key) != VK_OK ||
        vk_tls_host_new(&origin_host) != VK_OK ||
        vk_tls_host_load(origin_host, vk_buf_view(&cert), vk_buf_view(&key), "cert", "key", why) != VK_OK ||
        write(fd, cert.p, cert.n) != (ssize_t)cert.n || vk_tls_trust_new(file, &trust, why) != VK_OK)
        abort();
    close(fd);
    unlink(file);
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
}

static int set_up(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    make_papers();
    if (pipe2(ends, O_CLOEXEC) != 0 || vk_lane_new("resolver", 16, &lane) != VK_OK || start(state) != 0)
        return -1;
    on_loop(begin_origin, NULL);
    return 0;
}

static int tear_down(void **state)
{
    on_loop(end_origin, NULL);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; !origin_over && vk_clock_mono_ms() < until;)
        usleep(1000);
    vk_lane_free(lane);
    int r = finish(state);
    vk_tls_trust_free(trust);
    vk_tls_host_free(origin_host);
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(ends_in_the_pool_are_noticed),
        cmocka_unit_test(what_is_not_kept),
        cmocka_unit_test(only_what_does_no_harm_is_sent_again),
        cmocka_unit_test(ends_are_looked_for),
        cmocka_unit_test(bodies_stream),
        cmocka_unit_test(room_is_waited_for),
        cmocka_unit_test(calls_may_end_at_any_time),
        cmocka_unit_test(pools_end),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(hosts),
        cmocka_unit_test(addresses_are_tried_in_turn),
        cmocka_unit_test(a_resolver_may_outlive_the_pool),
        cmocka_unit_test(who_does_not_answer_is_given_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
