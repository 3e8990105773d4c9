/* The database service behind a real listener on one loop: pipelines, streams, turns, isolation, revocation.
 * The client here is a blocking socket. */
#include "core/test_meanwhile.h"
#include "services/database/test_rig.h"

/* -------------------------------------------------------------------------------------------------- the
 * tests */

static void rows_come_back(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE)"), 200);
    assert_has("\"affected_row_count\":0,\"last_insert_rowid\":null");
    assert_int_equal(execute(token_a, "INSERT INTO t (a) VALUES ('x')"), 200);
    assert_has("\"affected_row_count\":1,\"last_insert_rowid\":\"1\"");
    assert_int_equal(execute(token_a, "SELECT id, a, 1.5, NULL, x'010203' FROM t"), 200);
    assert_has("[[{\"type\":\"integer\",\"value\":\"1\"},{\"type\":\"text\",\"value\":\"x\"},{\"type\":"
               "\"float\",\"value\":1.5},"
               "{\"type\":\"null\"},{\"type\":\"blob\",\"base64\":\"AQID\"}]]");
    assert_int_equal(execute(token_a, "INSERT INTO t (a) VALUES ('x')"), 200);
    assert_has("\"SQLITE_CONSTRAINT\"");
}

static void batch_stops_and_rolls_back(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(post_with(token_a,
                               "{\"requests\":[{\"type\":\"batch\",\"batch\":{\"steps\":["
                               "{\"stmt\":{\"sql\":\"BEGIN IMMEDIATE\"}},"
                               "{\"condition\":{\"type\":\"ok\",\"step\":0},\"stmt\":{\"sql\":\"INSERT INTO "
                               "t(a) VALUES ('y')\"}},"
                               "{\"condition\":{\"type\":\"ok\",\"step\":1},\"stmt\":{\"sql\":\"INSERT INTO "
                               "t(a) VALUES ('x')\"}},"
                               "{\"condition\":{\"type\":\"ok\",\"step\":2},\"stmt\":{\"sql\":\"COMMIT\"}},"
                               "{\"condition\":{\"type\":\"not\",\"cond\":{\"type\":\"ok\",\"step\":3}},"
                               "\"stmt\":{\"sql\":\"ROLLBACK\"}}"
                               "]}},{\"type\":\"close\"}]}"),
                     200);
    assert_has("\"step_errors\":[null,null,{\"message\":\"SQLite error: UNIQUE constraint failed: t.a\"");
    assert_int_equal(execute(token_a, "SELECT count(*) FROM t WHERE a = 'y'"), 200);
    assert_has("\"value\":\"0\"");
}

static void others_do_not_see_it(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(execute(token_b, "SELECT * FROM t"), 200);
    assert_has("no such table: t");
    assert_int_equal(execute(NULL, "SELECT 1"), 401);
    assert_has("AUTH_JWT_MISSING");
    char bad[VK_VALET_MAX];
    memcpy(bad, token_a, sizeof bad);
    bad[10] = bad[10] == 'x' ? 'y' : 'x';
    assert_int_equal(execute(bad, "SELECT 1"), 401);
    assert_has("AUTH_JWT_INVALID");
}

static uint32_t connections_allowed(uint32_t n)
{
    pthread_mutex_lock(&vk_db.mu);
    uint32_t was = vk_db.handles_max;
    vk_db.handles_max = n;
    pthread_mutex_unlock(&vk_db.mu);
    return was;
}

/* A quarter of the connections is not for transactions, nor for builds that have many. */
static void some_connections_are_spared(void **state)
{
    static const char begin[] = "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"%s\"}}]}";
    char json[512], batons[6][64], token_c[VK_VALET_MAX];
    VK_UNUSED(state);
    create("build-c", token_c);
    uint32_t was = connections_allowed(8);
    snprintf(json, sizeof json, begin, "/* first */ BEGIN");
    for (size_t i = 0; i < VK_COUNT(batons); i++) {
        assert_int_equal(post_with(i < 3 ? token_a : token_b, json), 200);
        baton_of(batons[i]);
    }
    static const char *const more[] = {"BEGIN IMMEDIATE", "SAVEPOINT s"};
    for (size_t i = 0; i < VK_COUNT(more); i++) {
        snprintf(json, sizeof json, begin, more[i]);
        assert_int_equal(post_with(token_c, json), 429);
        assert_has("\"TRANSACTION_BUSY\"");
        assert_has("Too many transactions are open");
    }
    assert_int_equal(execute(token_a, "SELECT 1"), 429); /* it has three */
    assert_has("Too many connections");
    assert_int_equal(execute(token_c, "SELECT 1"), 200);
    for (size_t i = 0; i < VK_COUNT(batons); i++) {
        snprintf(json, sizeof json,
                 "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"ROLLBACK\"}},{"
                 "\"type\":"
                 "\"close\"}]}",
                 batons[i]);
        assert_int_equal(post_with(i < 3 ? token_a : token_b, json), 200);
        assert_has("\"type\":\"ok\"");
    }
    snprintf(json, sizeof json, begin, "BEGIN");
    assert_int_equal(post_with(token_c, json), 200);
    baton_of(batons[0]);
    assert_int_equal(execute(token_a, "SELECT 1"), 200);
    snprintf(json, sizeof json, "{\"baton\":\"%s\",\"requests\":[{\"type\":\"close\"}]}", batons[0]);
    assert_int_equal(post_with(token_c, json), 200);
    connections_allowed(was);
}

static void transactions_by_baton(void **state)
{
    char json[512], baton[64], old[64];
    VK_UNUSED(state);
    assert_int_equal(
        post_with(token_a, "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN IMMEDIATE\"}}]}"),
        200);
    baton_of(old);
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"INSERT INTO t(a) "
             "VALUES('z')\"}}]}",
             old);
    assert_int_equal(post_with(token_b, json), 400);
    assert_string_equal(body, "Received an invalid baton");
    assert_int_equal(post_with(token_a, json), 200);
    baton_of(baton);
    assert_string_not_equal(baton, old);
    assert_int_equal(post_with(token_a, json), 400);
    assert_string_equal(body, "Received an invalid baton");
    assert_int_equal(execute(token_a, "SELECT count(*) FROM t WHERE a='z'"), 200);
    assert_has("\"value\":\"0\"");
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"COMMIT\"}},{\"type\":"
             "\"close\"}]}",
             baton);
    assert_int_equal(post_with(token_a, json), 200);
    assert_has("\"baton\":null");
    assert_int_equal(execute(token_a, "SELECT count(*) FROM t WHERE a='z'"), 200);
    assert_has("\"value\":\"1\"");
}

struct writer {
    pthread_t thread;
    int status;
    bool locked;
};

static void *write_one(void *arg)
{
    struct writer *w = arg;
    char text[2048];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    static const char json[] = "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"INSERT INTO w "
                               "VALUES (1)\"}},{\"type\":\"close\"}]}";
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
        int n = snprintf(
            text, sizeof text,
            "POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %zu\r\n"
            "Authorization: Bearer %s\r\n\r\n%s",
            strlen(json), token_a, json);
        if (send(fd, text, (size_t)n, 0) == n) {
            size_t got = 0;
            for (ssize_t m;
                 got < sizeof text - 1 && (m = recv(fd, text + got, sizeof text - 1 - got, 0)) > 0;)
                got += (size_t)m;
            text[got] = '\0';
            w->status = (int)strtol(text + 9, NULL, 10);
            w->locked = strstr(text, "\"type\":\"error\"") != NULL;
        }
    }
    close(fd);
    return NULL;
}

static void *write_later(void *arg)
{
    usleep(500000);
    return write_one(arg);
}

/* Writers that wait for the transaction hold no thread and no place, so the transaction itself goes on and
 * ends. */
static void writers_wait_for_the_transaction(void **state)
{
    enum { N = 40 };
    char json[512], baton[64];
    struct writer w[N] = {0};
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE w (x)"), 200);
    assert_int_equal(
        post_with(token_a, "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN IMMEDIATE\"}}]}"),
        200);
    baton_of(baton);
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_one, &w[i]), 0);
    usleep(300000);
    assert_int_equal(execute(token_a, "SELECT count(*) FROM w"), 200); /* readers go on */
    assert_has("\"value\":\"0\"");
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"INSERT INTO w "
             "VALUES(2)\"}}]}",
             baton);
    assert_int_equal(post_with(token_a, json), 200);
    baton_of(baton);
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"COMMIT\"}},{\"type\":"
             "\"close\"}]}",
             baton);
    assert_int_equal(post_with(token_a, json), 200);
    for (int i = 0; i < N; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].status, 200);
        assert_false(w[i].locked);
    }
    assert_int_equal(execute(token_a, "SELECT count(*) FROM w"), 200);
    assert_has("\"value\":\"41\"");
}

/* A transaction that does nothing for five seconds while another writer waits loses its turn to it. */
static void an_idle_transaction_loses_the_turn(void **state)
{
    char json[512], baton[64];
    VK_UNUSED(state);
    assert_int_equal(post_with(token_a,
                               "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN "
                               "IMMEDIATE\"}},{\"type\":\"execute\",\"stmt\":{\"sql\":\"INSERT INTO w "
                               "VALUES(77)\"}}]}"),
                     200);
    baton_of(baton);
    meanwhile m = meanwhile_from_now();
    assert_int_equal(execute(token_a, "INSERT INTO w VALUES (3)"), 200);
    assert_has("\"affected_row_count\":1");
    int64_t took = meanwhile_took(&m);
    assert_true(took > 4500 && meanwhile_allows(&m, took, 7000));
    /* Nothing of it runs outside of a transaction now: not its statements, not its COMMIT. */
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"INSERT INTO w "
             "VALUES(78)\"}},{\"type\":\"sequence\",\"sql\":\"INSERT INTO w VALUES (79)\"}]}",
             baton);
    assert_int_equal(post_with(token_a, json), 200);
    assert_has("[{\"type\":\"error\",\"error\":{\"message\":\"Transaction timed "
               "out\",\"code\":\"TRANSACTION_TIMEOUT\"}},"
               "{\"type\":\"error\"");
    baton_of(baton);
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"/* c */ commit\"}},"
             "{\"type\":\"execute\",\"stmt\":{\"sql\":\"ROLLBACK\"}},"
             "{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT count(*) FROM w WHERE x > "
             "70\"}},{\"type\":\"close\"}]}",
             baton);
    assert_int_equal(post_with(token_a, json), 200);
    assert_has("[{\"type\":\"error\",\"error\":{\"message\":\"Transaction timed out\"");
    assert_has("{\"type\":\"ok\",\"response\":{\"type\":\"execute\",\"result\":{\"cols\":[],\"rows\":[]");
    assert_has("\"value\":\"0\"");
}

static const char slow[] =
    "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) "
    "SELECT 1 FROM n LIMIT %d)";

/* A transaction of `n` slow statements, committed if `last` goes well. */
static void slow_transaction(char *json, size_t room, int first, int rows, int n, const char *last)
{
    size_t at = (size_t)snprintf(
        json, room,
        "{\"requests\":[{\"type\":\"batch\",\"batch\":{\"steps\":[{\"stmt\":{\"sql\":\"BEGIN "
        "IMMEDIATE\"}},{\"stmt\":{\"sql\":\"INSERT INTO w VALUES (%d)\"}}",
        first);
    for (int i = 0; i < n; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, slow, rows);
        at += (size_t)snprintf(json + at, room - at, ",{\"stmt\":{\"sql\":\"%s\"}}", sql);
    }
    snprintf(json + at, room - at,
             ",{\"stmt\":{\"sql\":\"%s\"}},{\"condition\":{\"type\":\"ok\",\"step\":%d},\"stmt\":{\"sql\":\"%"
             "s\"}},"
             "{\"condition\":{\"type\":\"not\",\"cond\":{\"type\":\"ok\",\"step\":%d}},\"stmt\":{\"sql\":"
             "\"ROLLBACK\"}}"
             "]}},{\"type\":\"close\"}]}",
             last, n + 2, last[0] == 'C' ? "SELECT 5" : "COMMIT", n + 2);
}

/* A busy one loses it before its next statement; a statement that ends the transaction is let through. */
static void a_busy_transaction_loses_the_turn(void **state)
{
    static char json[64 * 1024];
    char sql[256];
    struct writer w = {0};
    VK_UNUSED(state);
    /* How many rows take about a third of a second here when nothing disturbs. */
    int64_t best = INT64_MAX;
    snprintf(sql, sizeof sql, slow, 1000000);
    for (int i = 0; i < 4; i++) {
        int64_t begun = vk_clock_mono_ms();
        assert_int_equal(execute(token_a, sql), 200);
        int64_t took = vk_clock_mono_ms() - begun;
        best = took < best ? took : best;
    }
    int64_t rows = INT64_C(1000000) * 330 / (best ? best : 1);
    slow_transaction(json, sizeof json, 90, (int)rows, 100, "INSERT INTO w VALUES (99)");
    assert_int_equal(pthread_create(&w.thread, NULL, write_later, &w), 0);
    assert_int_equal(post_with(token_a, json), 200);
    assert_has("{\"message\":\"Transaction timed out\",\"code\":\"TRANSACTION_TIMEOUT\"},null,null]");
    pthread_join(w.thread, NULL);
    assert_int_equal(w.status, 200);
    assert_false(w.locked);

    /* Longer than the five seconds that a transaction has, shorter than the thirty of a statement, also on a
     * machine that is four times as slow now. */
    slow_transaction(json, sizeof json, 91, (int)rows * 20, 1, "COMMIT");
    assert_int_equal(pthread_create(&w.thread, NULL, write_later, &w), 0);
    assert_int_equal(post_with(token_a, json), 200);
    assert_has("\"step_errors\":[null,null,null,null,null,null]");
    pthread_join(w.thread, NULL);
    assert_int_equal(w.status, 200);
    assert_false(w.locked);
    assert_int_equal(execute(token_a, "SELECT group_concat(x) FROM w WHERE x BETWEEN 90 AND 99"), 200);
    assert_has("\"value\":\"91\"");
}

static void streams_are_bounded(void **state)
{
    char batons[VK_DB_STREAMS_MAX][64], json[2400];
    VK_UNUSED(state);
    for (int i = 0; i < VK_DB_STREAMS_MAX; i++) {
        assert_int_equal(
            post_with(token_b, "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN\"}}]}"), 200);
        baton_of(batons[i]);
    }
    assert_int_equal(execute(token_b, "SELECT 1"), 200); /* closes its own stream: not counted */
    assert_int_equal(post_with(token_b, "{\"requests\":[]}"), 429);
    assert_has("TRANSACTION_BUSY");
    for (int i = 0; i < VK_DB_STREAMS_MAX; i++) {
        snprintf(json, sizeof json, "{\"baton\":\"%s\",\"requests\":[{\"type\":\"close\"}]}", batons[i]);
        int status = post_with(token_b, json);
        assert_true(status == 200 || status == 400); /* the oldest ones may have expired meanwhile */
    }
    assert_int_equal(post_with(token_b, "{\"requests\":[{\"type\":\"close\"}]}"), 200);
}

static void large_answers_are_cut(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(
        execute(token_b, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 1000000) SELECT "
                         "i, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' FROM n"),
        200);
    assert_has("\"RESPONSE_TOO_LARGE\"");
    assert_int_equal(execute(token_b, "SELECT zeroblob(900000000)"), 200);
    assert_has("\"SQLITE_TOOBIG\"");
}

struct flag {
    _Atomic bool *up;
};

/* Temporary tables and sorting live in memory: a request that wants too much of it fails, and others go on.
 */
static void memory_is_bounded(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(
        execute(token_b,
                "CREATE TEMP TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n "
                "LIMIT 1000000) SELECT i, hex(randomblob(100)) AS x FROM n"),
        200);
    assert_has("\"SQLITE_NOMEM\"");
    assert_has("is used up");
    assert_int_equal(
        execute(token_b,
                "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT "
                "1000) SELECT hex(randomblob(100)) AS x FROM n ORDER BY x)"),
        200);
    assert_has("\"value\":\"1000\"");
}

static int ask_and_not_read(const char *token, const char *json)
{
    char text[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    int n = snprintf(text, sizeof text,
                     "POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\nAuthorization: "
                     "Bearer %s\r\n\r\n%s",
                     strlen(json), token, json);
    assert_int_equal(send(fd, text, (size_t)n, 0), n);
    return fd;
}

/* Answers that nobody takes are memory too. */
static void untaken_answers_are_bounded(void **state)
{
    static const char json[] =
        "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT hex(zeroblob(4500000))\"}},"
        "{\"type\":\"close\"}]}";
    int fds[24], status = 200;
    size_t most = 0;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(fds); i++)
        fds[i] = ask_and_not_read(token_b, json);
    for (int i = 0; i < 100 && status == 200; i++) {
        usleep(50000);
        status = execute(token_b, "SELECT 1");
    }
    assert_int_equal(status, 429);
    assert_has("TRANSACTION_BUSY");
    /* Those that were in the queue before there was too much are refused too. */
    for (int i = 0; i < 40; i++) {
        size_t now = atomic_load(&vk_db.answers);
        most = now > most ? now : most;
        usleep(25000);
    }
    assert_true(most > VK_DB_ANSWERS_MAX);
    assert_true(most <= VK_DB_ANSWERS_MAX + (size_t)(VK_DB_RUNNING + 1) * VK_HRANA_RESPONSE_MAX);
    for (size_t i = 0; i < VK_COUNT(fds); i++)
        close(fds[i]);
    for (int i = 0; i < 100 && status != 200; i++) {
        usleep(50000);
        status = execute(token_b, "SELECT 1");
    }
    assert_int_equal(status, 200);
}

static void told(void *arg)
{
    struct flag *f = arg;
    atomic_store(f->up, true);
}

static void got_export(void *arg, vk_err e, const vk_export *x, const char *why)
{
    VK_UNUSED(why);
    atomic_store((_Atomic int *)arg, e == VK_OK ? x->fd : -2);
}

static void exports_a_database(void **state)
{
    _Atomic int fd = -1;
    VK_UNUSED(state);
    vk_db_export("build-a", got_export, &fd);
    for (int i = 0; i < 500 && atomic_load(&fd) == -1; i++)
        usleep(10000);
    assert_true(atomic_load(&fd) >= 0);
    char path[64];
    uint8_t head[100];
    assert_int_equal(pread(atomic_load(&fd), head, sizeof head, 0), sizeof head);
    assert_memory_equal(head, "SQLite format 3", 16);
    assert_int_equal(head[16] * 256 + head[17], 4096);
    assert_int_equal(head[18], 2); /* WAL, reading and writing */
    assert_int_equal(head[19], 2);
    assert_int_equal(head[55], 0); /* no auto_vacuum */
    assert_int_equal(head[59], 1); /* UTF-8 */
    snprintf(path, sizeof path, "/proc/self/fd/%d", atomic_load(&fd));
    close(atomic_load(&fd));
}

static void revocation_ends_everything(void **state)
{
    _Atomic bool done = false;
    VK_UNUSED(state);
    assert_int_equal(
        post_with(token_a, "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN IMMEDIATE\"}}]}"),
        200);
    assert_int_equal(rt.store->ops->build_revoke(rt.store, VK_STR("build-a"), vk_clock_wall_ms()), VK_OK);
    vk_registry_forget(&rt.registry, VK_STR("build-a"), true, NULL);
    int64_t begun = vk_clock_mono_ms();
    vk_db_close_build("build-a", told, &(struct flag){&done});
    while (!atomic_load(&done) && vk_clock_mono_ms() - begun < 3000)
        usleep(1000);
    assert_true(atomic_load(&done));
    assert_int_equal(execute(token_a, "SELECT 1"), 401);
    assert_int_equal(execute(token_b, "SELECT 1"), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back),
        cmocka_unit_test(batch_stops_and_rolls_back),
        cmocka_unit_test(others_do_not_see_it),
        cmocka_unit_test(some_connections_are_spared),
        cmocka_unit_test(transactions_by_baton),
        cmocka_unit_test(writers_wait_for_the_transaction),
        cmocka_unit_test(an_idle_transaction_loses_the_turn),
        cmocka_unit_test(a_busy_transaction_loses_the_turn),
        cmocka_unit_test(streams_are_bounded),
        cmocka_unit_test(large_answers_are_cut),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(untaken_answers_are_bounded),
        cmocka_unit_test(exports_a_database),
        cmocka_unit_test(revocation_ends_everything),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
