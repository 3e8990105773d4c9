/* That no password stays in memory once libpq has let go of it: the whole of this process is searched. */
#include "net/pq.h"

#include "core/clock.h"
#include "net/pq_memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MARK = 40, STATEMENTS = 2 };

static vk_pq pq;

/* ---- a server that asks for the password as it is */

typedef struct place {
    int fd, port;
    pthread_t thread;
    bool came;            /* with the password */
    char *mark;           /* guarded */
    const char *sqlstate; /* of what it says to statements; NULL: well done */
    const char *login_error;
    bool silent;
} place;

static bool get(int c, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = recv(c, (char *)to + at, n - at, 0);
        if (r <= 0)
            return false;
        at += (size_t)r;
    }
    return true;
}

static void put(int c, const void *p, size_t n)
{
    if (send(c, p, n, MSG_NOSIGNAL) < 0)
        return; /* libpq has gone, which the test sees */
}

static void put_error(int c, const char *state)
{
    char m[64] = "E";
    int n = snprintf(m + 5, sizeof m - 5, "SERROR%cC%s%cMmade up%c", 0, state, 0, 0) + 1;
    m[4] = (char)(n + 4);
    put(c, m, (size_t)n + 5);
}

static void talk(place *p, int c)
{
    static const char ask[] = {'R', 0, 0, 0, 8, 0, 0, 0, 3}, ok[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0},
                      row[] = {'T', 0, 0, 0, 26, 0,  1, 'a', 0, 0, 0, 0, 0, 0,
                               0,   0, 0, 0, 0,  25, 0, 4,   0, 0, 0, 0, 0},
                      data[] = {'D', 0, 0, 0, 15, 0, 1, 0, 0, 0, 5, 't', 'h', 'e', 'r', 'e'},
                      done[] = {'C', 0, 0, 0, 6, 'O', 0}, ready[] = {'Z', 0, 0, 0, 5, 'I'};
    unsigned char head[5], body[1024];
    if (!get(c, head, 4) || !get(c, body, (size_t)head[2] * 256 + head[3] - 4))
        return;
    put(c, ask, sizeof ask);
    if (!get(c, head, 5) || head[0] != 'p' || !get(c, body, head[4] - 4U))
        return;
    p->came = memcmp(body, p->mark, MARK) == 0 && body[MARK] == 0;
    sodium_memzero(body, sizeof body);
    if (p->login_error) {
        put_error(c, p->login_error);
        return;
    }
    put(c, ok, sizeof ok);
    put(c, ready, sizeof ready);
    while (get(c, head, 5) && head[0] == 'Q' && get(c, body, (size_t)head[3] * 256 + head[4] - 4)) {
        sodium_memzero(body, sizeof body);
        if (p->silent)
            continue;
        if (p->sqlstate)
            put_error(c, p->sqlstate);
        else {
            put(c, row, sizeof row);
            put(c, data, sizeof data);
            put(c, done, sizeof done);
        }
        put(c, ready, sizeof ready);
    }
}

static void *serve(void *arg)
{
    place *p = arg;
    int c = accept(p->fd, NULL, NULL);
    if (c >= 0) {
        talk(p, c);
        close(c);
    }
    sodium_stackzero(64 * 1024);
    return NULL;
}

static void start(place *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    p->mark = sodium_malloc(MARK + 1);
    assert_non_null(p->mark);
    for (size_t i = 0; i < MARK; i++)
        p->mark[i] = (char)('a' + randombytes_uniform(26));
    p->mark[MARK] = '\0';
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(p->fd, 1), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&at, &n), 0);
    p->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void end(place *p)
{
    pthread_join(p->thread, NULL);
    close(p->fd);
    sodium_free(p->mark);
}

/* ---- the search */

/* Places where the mark lies, other than its own. */
static int hits(const place *p)
{
    int found = 0, mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    size_t room = 1 << 20;
    char line[512], *part = sodium_malloc(room);
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    assert_non_null(part);
    assert_true(mem >= 0);
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char rights[8];
        /* What is larger is a sanitizer's own, and has no end. */
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[0] != 'r' || strstr(line, "[v") ||
            to - from > (unsigned long)1 << 30 || ((uintptr_t)part >= from && (uintptr_t)part < to) ||
            ((uintptr_t)p->mark >= from && (uintptr_t)p->mark < to))
            continue;
        for (unsigned long at = from; at < to; at += room - MARK) {
            size_t n = to - at < room ? to - at : room;
            ssize_t got = pread(mem, part, n, (off_t)at);
            for (char *q = part; got > MARK && (q = memmem(q, (size_t)(part + got - q), p->mark, MARK / 2));
                 q++)
                found++;
        }
    }
    fclose(maps);
    close(mem);
    sodium_free(part);
    return found;
}

static vk_err open_to(vk_pq_link *l, const place *p, int64_t ms)
{
    char port[8];
    snprintf(port, sizeof port, "%d", p->port);
    const vk_pq_at at = {.host = "127.0.0.1",
                         .port = port,
                         .user = "made-up",
                         .password = p->mark,
                         .database = "app",
                         .sslmode = "disable",
                         .ca_file = "/nonexistent",
                         .options = "",
                         .application = "test",
                         .until_ms = vk_clock_mono_ms() + ms};
    return vk_pq_open(l, &pq, &at);
}

static void take(void *arg, const vk_str *columns, size_t n)
{
    if (n == 1 && vk_str_eqz(columns[0], "there"))
        ++*(int *)arg;
}

static void nothing_stays(void **state)
{
    VK_UNUSED(state);
    place p = {0};
    vk_pq_link l;
    int rows = 0;
    uint64_t before = vk_pq_wiped();
    char sql[128];
    start(&p);
    assert_int_equal(open_to(&l, &p, 30000), VK_OK);
    assert_true(p.came);
    for (int i = 0; i < STATEMENTS; i++) { /* what is sent is kept in libpq's buffers too */
        snprintf(sql, sizeof sql, "ALTER ROLE a PASSWORD '%s'", p.mark);
        assert_int_equal(vk_pq_run(&l, sql, take, &rows), VK_OK);
        sodium_memzero(sql, sizeof sql);
    }
    assert_int_equal(rows, STATEMENTS);
    assert_true(hits(&p) > 0); /* while it is open, the search finds it */
    vk_pq_close(&l);
    sodium_stackzero(64 * 1024);
    pthread_join(p.thread, NULL);
    assert_true(vk_pq_wiped() > before + 20);
    assert_int_equal(hits(&p), 0);
    close(p.fd);
    sodium_free(p.mark);
}

/* ---- what goes wrong */

static void refused(void **state)
{
    VK_UNUSED(state);
    place login = {.login_error = "28P01"}, statement = {.sqlstate = "42501"}, silent = {.silent = true},
          gone = {0};
    vk_pq_link l;
    start(&login);
    assert_int_equal(open_to(&l, &login, 30000), VK_E_FORBIDDEN);
    assert_int_equal(l.lack, VK_PQ_SAID);
    assert_string_equal(l.sqlstate, "28P01");
    vk_pq_close(&l);
    end(&login);

    start(&statement);
    assert_int_equal(open_to(&l, &statement, 30000), VK_OK);
    for (int i = 0; i < STATEMENTS; i++) { /* the link is still good after the first one */
        assert_int_equal(vk_pq_run(&l, "SELECT 1", NULL, NULL), VK_E_FORBIDDEN);
        assert_string_equal(l.sqlstate, "42501");
        assert_string_equal(l.text, "made up");
    }
    vk_pq_close(&l);
    end(&statement);

    start(&silent);
    assert_int_equal(open_to(&l, &silent, 1000), VK_OK);
    assert_int_equal(vk_pq_run(&l, "SELECT 1", NULL, NULL), VK_E_TIMEOUT);
    assert_int_equal(l.lack, VK_PQ_TIME);
    vk_pq_close(&l);
    end(&silent);

    start(&gone);
    _Atomic bool give_up = false;
    assert_int_equal(open_to(&l, &gone, 30000), VK_OK);
    l.give_up = &give_up;
    give_up = true;
    assert_int_equal(vk_pq_run(&l, "SELECT 1", NULL, NULL), VK_E_TIMEOUT);
    vk_pq_close(&l);
    end(&gone);

    place nobody = {.mark = (char[]){"made-up"}, .port = gone.port}; /* its listener is closed */
    assert_int_equal(open_to(&l, &nobody, 30000), VK_E_UNAVAILABLE);
    assert_int_equal(l.lack, VK_PQ_REACH);
    vk_pq_close(&l);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    return sodium_init() < 0 || vk_pq_load(&pq) != VK_OK ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_stays), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
