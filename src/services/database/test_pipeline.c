/* The database service behind a real listener on one loop: pipelines, streams, turns, isolation, revocation.
 * The client here is a blocking socket. */
#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"
#include "services/database/embedded/db.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static vk_runtime rt;
static vk_worker worker;
static vk_server server;
static pthread_t loop_thread;
static int port;
static char root[64];
static char token_a[VK_VALET_MAX], token_b[VK_VALET_MAX];

static void tenant_free(vk_tenant *t)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    for (size_t i = 0; i < n; i++)
        all[i]->free_tenant(t);
}

struct maker {
    vk_hmac_key *lookup;
    char *token;
};

static vk_err make_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    struct maker *m = arg;
    vk_valet_derive(rt.master, VK_STR("vk_b_"), vk_str_z(b->id), VK_STR("database"), 'b', b->generation,
                    m->token);
    rows[0] = (vk_valet_row){.kind = 'b', .kid = 1, .generation = b->generation};
    memcpy(rows[0].build, b->id, sizeof rows[0].build);
    memcpy(rows[0].service, "database", sizeof "database");
    vk_valet_hash(m->lookup, vk_str_z(m->token), rows[0].hash);
    *n_r = 1;
    return VK_OK;
}

static void create(const char *id, char token[VK_VALET_MAX])
{
    vk_arena *a = vk_arena_new(1 << 20);
    vk_build b = {.ttl_ms = 3600000, .created_ms = vk_clock_wall_ms()};
    uint8_t digest[VK_HASH] = {0};
    b.expires_ms = b.created_ms + b.ttl_ms;
    snprintf(b.id, sizeof b.id, "%s", id);
    snprintf(b.framework, sizeof b.framework, "next");
    struct maker m = {.token = token};
    assert_int_equal(vk_valet_lookup_key(rt.master, &m.lookup), VK_OK);
    assert_int_equal(rt.store->ops->build_create(rt.store, a, &b, VK_STR_NONE, digest, make_rows, &m), VK_OK);
    vk_hmac_key_free(m.lookup);
    vk_arena_free(a);
}

static void *loop_main(void *arg)
{
    vk_loop_run(arg);
    return NULL;
}

static int set_up(void **state)
{
    static const uint8_t key[VK_MASTER] = {1, 2, 3}, seed[16] = {4};
    const char *why;
    VK_UNUSED(state);
    snprintf(root, sizeof root, "/tmp/vk-pipeline-XXXXXX");
    assert_non_null(mkdtemp(root));
    vk_hash_seed(seed);
    assert_int_equal(vk_digest_init(), VK_OK);
    assert_int_equal(vk_sqlite_init(), VK_OK);
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", root);
    rt.data_fd = open(root, O_RDONLY | O_DIRECTORY);
    assert_int_equal(vk_master_new(1, key, &rt.master), VK_OK);
    assert_int_equal(vk_store_sqlite_open(rt.data_fd, root, true, &rt.store, &why), VK_OK);
    assert_int_equal(vk_registry_init(&rt.registry, tenant_free), VK_OK);
    assert_int_equal(vk_lane_new("meta", 100, &rt.meta), VK_OK);
    assert_int_equal(vk_loop_new(&rt.loops[0]), VK_OK);
    rt.n_loops = 1;
    int index = vk_service_index(VK_STR("database"));
    const vk_service *all[VK_SERVICES_MAX];
    vk_services(all);
    worker = (vk_worker){.rt = &rt, .service = all[index], .index = index, .loop = rt.loops[0]};
    assert_int_equal(vk_store_sqlite_open(rt.data_fd, root, false, &worker.reader, &why), VK_OK);
    assert_int_equal(vk_valet_lookup_key(rt.master, &worker.lookup), VK_OK);
    assert_int_equal(all[index]->start(&rt, index), VK_OK);
    static const vk_str names[] = {VK_STR("127.0.0.1"), VK_STR_NONE};
    vk_server_init(&server, rt.loops[0], all[index]->handler, &worker);
    server.names = names;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    port = ntohs(at.sin_port);
    assert_int_equal(vk_server_listen(&server, fd), VK_OK);
    assert_int_equal(pthread_create(&loop_thread, NULL, loop_main, rt.loops[0]), 0);
    create("build-a", token_a);
    create("build-b", token_b);
    return 0;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_loop_stop(rt.loops[0]);
    pthread_join(loop_thread, NULL);
    vk_db_stop();
    vk_lane_free(rt.meta);
    vk_registry_free(&rt.registry);
    worker.reader->ops->close(worker.reader);
    rt.store->ops->close(rt.store);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

/* ------------------------------------------------------------------------------------------------- the
 * client */

static char answer[4 << 20];
static char *body;

static int post_with(const char *token, const char *json)
{
    char head[512];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    int n = snprintf(head, sizeof head,
                     "POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: "
                     "%zu\r\n%s%s%s\r\n",
                     strlen(json), token ? "Authorization: Bearer " : "", token ? token : "",
                     token ? "\r\n" : "");
    assert_int_equal(send(fd, head, (size_t)n, 0), n);
    for (size_t sent = 0; sent < strlen(json);) {
        ssize_t m = send(fd, json + sent, strlen(json) - sent, MSG_NOSIGNAL);
        if (m <= 0)
            break;
        sent += (size_t)m;
    }
    size_t got = 0;
    for (ssize_t m; got < sizeof answer - 1 && (m = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)m;
    answer[got] = '\0';
    close(fd);
    body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    body += 4;
    return (int)strtol(answer + 9, NULL, 10);
}

static int execute(const char *token, const char *sql)
{
    static char json[1 << 20];
    snprintf(json, sizeof json,
             "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"%s\"}},{\"type\":\"close\"}]}", sql);
    return post_with(token, json);
}

#define assert_has(text)                                                                                     \
    do {                                                                                                     \
        if (!strstr(body, text))                                                                             \
            fail_msg("not there: %s\nin: %.600s", text, body);                                               \
    } while (0)

static void baton_of(char out[64])
{
    const char *p = strstr(body, "\"baton\":\"");
    assert_non_null(p);
    snprintf(out, 64, "%.48s", p + 9);
}

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

static void a_writer_waits_five_seconds_at_most(void **state)
{
    char json[512], baton[64];
    VK_UNUSED(state);
    assert_int_equal(
        post_with(token_a, "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN IMMEDIATE\"}}]}"),
        200);
    baton_of(baton);
    int64_t begun = vk_clock_mono_ms();
    assert_int_equal(execute(token_a, "INSERT INTO w VALUES (3)"), 200);
    assert_has("SQLite error: database is locked");
    int64_t took = vk_clock_mono_ms() - begun;
    assert_true(took > 4500 && took < 7000);
    snprintf(json, sizeof json, "{\"baton\":\"%s\",\"requests\":[{\"type\":\"close\"}]}", baton);
    assert_int_equal(post_with(token_a, json), 200);
    assert_int_equal(execute(token_a, "INSERT INTO w VALUES (3)"), 200);
    assert_has("\"affected_row_count\":1");
}

static void streams_are_bounded(void **state)
{
    char batons[VK_DB_STREAMS_MAX][64], json[2400];
    VK_UNUSED(state);
    for (int i = 0; i < VK_DB_STREAMS_MAX; i++) {
        assert_int_equal(post_with(token_b, "{\"requests\":[{\"type\":\"get_autocommit\"}]}"), 200);
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
    int fds[8], status = 200;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(fds); i++)
        fds[i] = ask_and_not_read(token_b, json);
    for (int i = 0; i < 100 && status == 200; i++) {
        usleep(50000);
        status = execute(token_b, "SELECT 1");
    }
    assert_int_equal(status, 429);
    assert_has("TRANSACTION_BUSY");
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
        cmocka_unit_test(transactions_by_baton),
        cmocka_unit_test(writers_wait_for_the_transaction),
        cmocka_unit_test(a_writer_waits_five_seconds_at_most),
        cmocka_unit_test(streams_are_bounded),
        cmocka_unit_test(large_answers_are_cut),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(untaken_answers_are_bounded),
        cmocka_unit_test(exports_a_database),
        cmocka_unit_test(revocation_ends_everything),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
