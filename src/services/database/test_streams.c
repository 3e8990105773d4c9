/* Streams between requests (light ones, and what their client sees on them), and what becomes of a request
 * whose client has gone. */
#include "core/test_meanwhile.h"
#include "services/database/test_rig.h"

#include <dirent.h>

/* One statement on the stream of `baton`, which is another one then; "" opens a stream. */
static int on_stream(char baton[64], const char *sql)
{
    char json[1024], quoted[80] = "null";
    if (baton[0])
        snprintf(quoted, sizeof quoted, "\"%s\"", baton);
    snprintf(json, sizeof json,
             "{\"baton\":%s,\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"%s\"}}]}", quoted, sql);
    int status = post_with(token_a, json);
    if (status == 200)
        baton_of(baton);
    return status;
}

#define assert_value(text) assert_has("\"rows\":[[{\"type\":\"integer\",\"value\":\"" text "\"}")

static vk_dbt *build_a(void)
{
    for (vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL); n; n = vk_map_walk(&vk_db.tenants, n)) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, node);
        if (strcmp(t->id, "build-a") == 0)
            return t;
    }
    fail_msg("build-a has no database");
    return NULL;
}

static struct counts {
    uint32_t light, placed, handles, running, jobs, lowered;
    size_t light_bytes;
} now(void)
{
    pthread_mutex_lock(&vk_db.mu);
    const vk_dbt *t = build_a();
    struct counts c = {t->n_light, t->n_streams,  t->handles,    t->running,
                       t->n_jobs,  vk_db.lowered, t->light_bytes};
    pthread_mutex_unlock(&vk_db.mu);
    return c;
}

/* ---- light streams */

enum { UNCLOSED = 5 * VK_DB_STREAMS_MAX };

static void unclosed_streams_take_no_place(void **state)
{
    static char batons[UNCLOSED][64];
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE t (id INTEGER PRIMARY KEY, a)"), 200);
    int64_t begun = vk_clock_mono_ms();
    for (int i = 0; i < UNCLOSED; i++)
        assert_int_equal(on_stream(batons[i], "SELECT 1"), 200);
    assert_in_range(vk_clock_mono_ms() - begun, 0, VK_DB_STREAM_WAIT_MS - 1);
    struct counts c = now();
    assert_int_equal(c.placed, 0);
    assert_in_range(c.light, UNCLOSED / 2, UNCLOSED); /* on a slow machine the first ones have expired */
    assert_in_range(c.handles, 0, VK_DB_IDLE_MAX);
    assert_int_equal(on_stream(batons[UNCLOSED - 1], "SELECT 1"), 200);
    /* With a transaction it is one of the 32 again, until that ends. */
    assert_int_equal(on_stream(batons[UNCLOSED - 1], "BEGIN"), 200);
    assert_int_equal(now().placed, 1);
    assert_int_equal(on_stream(batons[UNCLOSED - 1], "COMMIT"), 200);
    assert_int_equal(now().placed, 0);
}

static void the_oldest_light_stream_goes(void **state)
{
    char first[64] = "", text[64];
    VK_UNUSED(state);
    assert_int_equal(on_stream(first, "SELECT 1"), 200);
    for (int i = 0; i < VK_DB_LIGHT_MAX; i++) {
        text[0] = '\0';
        assert_int_equal(on_stream(text, "SELECT 1"), 200);
    }
    assert_in_range(now().light, 1, VK_DB_LIGHT_MAX);
    assert_int_equal(on_stream(first, "SELECT 1"), 400);
    assert_has("\"STREAM_EXPIRED\"");
    assert_int_equal(on_stream(text, "SELECT 1"), 200);
}

static void stored_texts_are_bounded(void **state)
{
    enum { TEXTS = 20, LENGTH = VK_HRANA_STORED_TEXT - 100 };
    static char json[TEXTS * (LENGTH + 200)], first[64], last[64];
    VK_UNUSED(state);
    for (int i = 0; i < 40; i++) {
        size_t n = (size_t)snprintf(json, sizeof json, "{\"requests\":[");
        for (int k = 0; k < TEXTS; k++) {
            n += (size_t)snprintf(json + n, sizeof json - n,
                                  "%s{\"type\":\"store_sql\",\"sql_id\":%d,\"sql\":\"", k ? "," : "", k);
            n += (size_t)snprintf(json + n, sizeof json - n, "SELECT 7%*s", LENGTH, "");
            n += (size_t)snprintf(json + n, sizeof json - n, "\"}");
        }
        snprintf(json + n, sizeof json - n, "]}");
        assert_int_equal(post_with(token_a, json), 200);
        baton_of(i ? last : first);
    }
    assert_in_range(now().light_bytes, TEXTS * LENGTH, VK_DB_LIGHT_BYTES);
    snprintf(json, sizeof json,
             "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql_id\":3}}]}", last);
    assert_int_equal(post_with(token_a, json), 200);
    assert_value("7");
    assert_int_equal(on_stream(first, "SELECT 1"), 400);
    assert_has("\"STREAM_EXPIRED\"");
}

/* What SQLite keeps with a connection is the stream's, whoever else used that connection meanwhile. */
static void counts_stay_with_the_stream(void **state)
{
    char s[64] = "", other[64] = "";
    VK_UNUSED(state);
    assert_int_equal(on_stream(s, "SELECT changes() + total_changes() + last_insert_rowid()"), 200);
    assert_value("0");
    assert_int_equal(on_stream(s, "INSERT INTO t (id, a) VALUES (100, 1), (101, 1), (102, 1)"), 200);
    assert_int_equal(on_stream(other, "INSERT INTO t (id, a) VALUES (200, 2)"), 200);
    assert_int_equal(execute(token_a, "UPDATE t SET a = 3"), 200);
    assert_int_equal(on_stream(s, "SELECT last_insert_rowid(), changes(), total_changes()"), 200);
    assert_has("\"102\"},{\"type\":\"integer\",\"value\":\"3\"},{\"type\":\"integer\",\"value\":\"3\"}");
    assert_int_equal(on_stream(s, "UPDATE t SET a = 4 WHERE id = 100"), 200);
    assert_int_equal(on_stream(s, "CREATE TABLE IF NOT EXISTS log (n)"), 200); /* changes nothing of it */
    assert_int_equal(execute(token_a, "UPDATE t SET a = 5"), 200);
    assert_int_equal(on_stream(s, "INSERT INTO log VALUES (changes())"), 200);
    assert_int_equal(on_stream(s, "SELECT n, total_changes() FROM log"), 200);
    assert_has("\"value\":\"1\"},{\"type\":\"integer\",\"value\":\"5\"}");
    assert_int_equal(execute(token_a, "UPDATE t SET a = 6"), 200);
    assert_int_equal(on_stream(s, "DELETE FROM log WHERE n = 77"), 200);
    assert_int_equal(execute(token_a, "UPDATE t SET a = 7"), 200);
    assert_int_equal(on_stream(s, "SELECT changes()"), 200);
    assert_value("0");
    assert_int_equal(on_stream(other, "SELECT last_insert_rowid(), changes(), total_changes()"), 200);
    assert_has("\"200\"},{\"type\":\"integer\",\"value\":\"1\"},{\"type\":\"integer\",\"value\":\"1\"}");
    /* Inside one statement SQLite's own rules hold: a trigger sees its own statements. */
    assert_int_equal(execute(token_a, "CREATE TABLE told (n)"), 200);
    assert_int_equal(execute(token_a,
                             "CREATE TRIGGER g AFTER INSERT ON log BEGIN UPDATE t SET a = 8 WHERE id IN "
                             "(100, 101); INSERT INTO told VALUES (changes()); END"),
                     200);
    assert_int_equal(on_stream(s, "INSERT INTO log VALUES (1)"), 200);
    assert_int_equal(on_stream(s, "SELECT n, changes() FROM told"), 200);
    assert_has("\"value\":\"2\"},{\"type\":\"integer\",\"value\":\"1\"}");
}

/* What a connection has to remember keeps it with its stream. */
static void a_changed_connection_stays(void **state)
{
    static const char *const keeps[] = {"CREATE TEMP TABLE mine (a)", "PRAGMA foreign_keys = OFF",
                                        "PRAGMA data_version"};
    static const char *const asks[] = {"SELECT count(*) FROM mine", "PRAGMA foreign_keys", NULL};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(keeps); i++) {
        char s[64] = "";
        assert_int_equal(on_stream(s, keeps[i]), 200);
        assert_int_equal(now().placed, i + 1);
        for (int k = 0; asks[i] && k < 5; k++) {
            assert_int_equal(execute(token_a, "PRAGMA foreign_keys"), 200);
            assert_value("1");
            assert_int_equal(on_stream(s, asks[i]), 200);
            assert_value("0");
        }
    }
    char s[64] = "";
    assert_int_equal(on_stream(s, "PRAGMA foreign_keys = ON"), 200); /* as they are: nothing to remember */
    assert_int_equal(now().placed, VK_COUNT(keeps));
}

static void light_streams_expire(void **state)
{
    char s[64] = "";
    VK_UNUSED(state);
    assert_int_equal(on_stream(s, "SELECT 1"), 200);
    int64_t begun = vk_clock_mono_ms();
    while (now().light && vk_clock_mono_ms() - begun < 2 * VK_DB_STREAM_IDLE_MS)
        usleep(20000);
    assert_in_range(vk_clock_mono_ms() - begun, VK_DB_STREAM_IDLE_MS - 200, VK_DB_STREAM_IDLE_MS + 2000);
    assert_int_equal(on_stream(s, "SELECT 1"), 400);
    assert_has("\"STREAM_EXPIRED\"");
}

/* ---- clients that go */

#define ENDLESS "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
#define LINES "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 5000) SELECT x FROM c"
#define EXECUTE(sql) "{\"type\":\"execute\",\"stmt\":{\"sql\":\"" sql "\"}}"
#define STEP(sql) "{\"stmt\":{\"sql\":\"" sql "\"}}"
enum { SOON_MS = 1000 + VK_HANGUP_MS };

/* A request that is sent and not waited for. */
static int ask_with(const char *path, const char *json, bool keep)
{
    char text[2048];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    int n = snprintf(text, sizeof text,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %zu\r\nAuthorization: Bearer "
                     "%s\r\n\r\n%s",
                     path, keep ? "" : "Connection: close\r\n", strlen(json), token_a, json);
    assert_int_equal(send(fd, text, (size_t)n, 0), n);
    return fd;
}

static int ask(const char *path, const char *json)
{
    return ask_with(path, json, true);
}

static uint32_t running(void)
{
    return now().running;
}

/* Requests of the build that run or wait. */
static uint32_t jobs(void)
{
    return now().jobs;
}

static bool becomes(uint32_t (*what)(void), uint32_t n, int64_t ms)
{
    meanwhile m = meanwhile_from_now();
    /* Looked at once each time: what a lowered thread ran is handed to another one, and may count again. */
    while (what() != n) {
        if (!meanwhile_allows(&m, meanwhile_took(&m), ms))
            return false;
        usleep(2000);
    }
    return true;
}

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void hang_up(int fd)
{
    close(fd);
}

static void a_query_ends_with_its_client(void **state)
{
    static const struct {
        const char *path, *json;
        void (*go)(int fd);
    } cases[] = {
        {"/v2/pipeline", "{\"requests\":[" EXECUTE(ENDLESS) "]}", hang_up},
        {"/v2/pipeline", "{\"requests\":[" EXECUTE(ENDLESS) ",{\"type\":\"close\"}]}", reset},
        {"/v2/pipeline", "{\"requests\":[{\"type\":\"sequence\",\"sql\":\"" ENDLESS "\"}]}", hang_up},
        {"/v2/pipeline", "{\"requests\":[{\"type\":\"batch\",\"batch\":{\"steps\":[" STEP(ENDLESS) "]}}]}",
         hang_up},
        {"/v3/cursor", "{\"batch\":{\"steps\":[" STEP(ENDLESS) "]}}", hang_up},
        {"/v3/cursor", "{\"batch\":{\"steps\":[" STEP(ENDLESS) "]}}", reset},
        /* Some lines are out before the long part. */
        {"/v3/cursor", "{\"batch\":{\"steps\":[" STEP(LINES) "," STEP(ENDLESS) "]}}", hang_up},
        {"/v3/cursor", "{\"batch\":{\"steps\":[" STEP(LINES) "," STEP(ENDLESS) "]}}", reset},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int fd = ask(cases[i].path, cases[i].json);
        assert_true(becomes(running, 1, 2000));
        usleep(100000);
        assert_int_equal(running(), 1);
        cases[i].go(fd);
        if (!becomes(running, 0, SOON_MS))
            fail_msg("case %zu still runs after %d ms", i, (int)SOON_MS);
        assert_true(becomes(jobs, 0, 100));
    }
}

/* The request behind it on the same connection is no reason not to see the end. */
static void pipelined_input_hides_no_end(void **state)
{
    static const char more[] = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    VK_UNUSED(state);
    int fd = ask("/v2/pipeline", "{\"requests\":[" EXECUTE(ENDLESS) "]}");
    assert_true(becomes(running, 1, 2000));
    assert_int_equal(send(fd, more, sizeof more - 1, 0), sizeof more - 1);
    usleep(50000);
    close(fd);
    assert_true(becomes(running, 0, SOON_MS));
}

static void hear(int fd)
{
    size_t got = 0;
    for (ssize_t m; got < sizeof answer - 1 && (m = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)m;
    answer[got] = '\0';
    close(fd);
    body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
}

/* A client that has sent all it has to say and ends its half gets its answer, whatever that is. */
static void half_a_connection_is_answered(void **state)
{
    VK_UNUSED(state);
    int fd = ask("/v2/pipeline", "{\"requests\":[" EXECUTE("SELECT 41 + 1") ",{\"type\":\"close\"}]}");
    shutdown(fd, SHUT_WR);
    hear(fd);
    assert_has("\"value\":\"42\"");
    meanwhile m = meanwhile_from_now();
    fd = ask("/v2/pipeline", "{\"requests\":[" EXECUTE(ENDLESS) ",{\"type\":\"close\"}]}");
    shutdown(fd, SHUT_WR);
    hear(fd);
    int64_t took = meanwhile_took(&m);
    assert_true(took >= VK_HANGUP_MS - 50);
    assert_true(meanwhile_allows(&m, took, SOON_MS + VK_HANGUP_MS));
    assert_has("SQLITE_INTERRUPT");
    assert_has("the client ended its connection");
}

static void what_is_committed_stays(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE stays (a)"), 200);
    int fd = ask("/v2/pipeline", "{\"requests\":[" EXECUTE("INSERT INTO stays VALUES (1)") "," EXECUTE(
                                     ENDLESS) "," EXECUTE("INSERT INTO stays VALUES (2)") "]}");
    assert_true(becomes(running, 1, 2000));
    usleep(200000);
    close(fd);
    assert_true(becomes(jobs, 0, SOON_MS));
    assert_int_equal(execute(token_a, "SELECT group_concat(a) FROM stays"), 200);
    assert_has("\"value\":\"1\"");
}

/* The transaction of a client that has gone holds up nobody, and one that waits does not wait on. */
static void a_transaction_ends_with_its_client(void **state)
{
    char holder[64] = "";
    VK_UNUSED(state);
    int fd = ask("/v2/pipeline", "{\"requests\":[" EXECUTE("BEGIN IMMEDIATE") "," EXECUTE(
                                     "INSERT INTO stays VALUES (3)") "," EXECUTE(ENDLESS) "]}");
    assert_true(becomes(running, 1, 2000));
    usleep(200000);
    close(fd);
    meanwhile m = meanwhile_from_now();
    assert_int_equal(execute(token_a, "INSERT INTO stays VALUES (4)"), 200);
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), SOON_MS));
    assert_int_equal(execute(token_a, "SELECT group_concat(a) FROM stays"), 200);
    assert_has("\"value\":\"1,4\"");
    /* A writer that waits for its turn. */
    assert_int_equal(on_stream(holder, "BEGIN IMMEDIATE"), 200);
    fd = ask("/v2/pipeline", "{\"requests\":[" EXECUTE("INSERT INTO stays VALUES (5)") "]}");
    assert_true(becomes(jobs, 1, 2000));
    usleep(100000);
    close(fd);
    assert_true(becomes(jobs, 0, SOON_MS));
    assert_int_equal(on_stream(holder, "COMMIT"), 200);
    assert_int_equal(execute(token_a, "SELECT group_concat(a) FROM stays"), 200);
    assert_has("\"value\":\"1,4\"");
}

/* What a lowered thread has run is finished by another one: with the stream, its transaction and the answer
 * as they were. */
static void long_statements_are_finished(void **state)
{
#define LONG "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 400000)"
    char s[64] = "";
    VK_UNUSED(state);
    assert_int_equal(on_stream(s, "BEGIN IMMEDIATE"), 200);
    assert_int_equal(on_stream(s, LONG " INSERT INTO stays SELECT count(*) FROM c"), 200);
    assert_has("\"affected_row_count\":1,");
    assert_int_equal(on_stream(s, LONG " SELECT count(*), changes() FROM c"), 200);
    assert_has("\"400000\"},{\"type\":\"integer\",\"value\":\"1\"}");
    assert_int_equal(on_stream(s, LONG " SELECT abs(-9223372036854775807 - 1) FROM c WHERE x = 399999"), 200);
    assert_has("integer overflow");
    assert_int_equal(on_stream(s, "COMMIT"), 200);
    assert_int_equal(execute(token_a, "SELECT count(*) FROM stays WHERE a = 400000"), 200);
    assert_value("1");
    int fds[12];
    for (size_t i = 0; i < VK_COUNT(fds); i++)
        fds[i] = ask_with(i % 2 ? "/v3/cursor" : "/v2/pipeline",
                          i % 2 ? "{\"batch\":{\"steps\":[" STEP(LONG " SELECT count(*) FROM c") "," STEP(
                                      "SELECT 'end'") "]}}"
                                : "{\"requests\":[" EXECUTE(LONG " SELECT count(*) FROM c") "," EXECUTE(
                                      "SELECT 'end'") "]}",
                          false);
    for (size_t i = 0; i < VK_COUNT(fds); i++) {
        hear(fds[i]);
        assert_has("\"400000\"");
        assert_has("\"end\"");
    }
    assert_true(becomes(jobs, 0, 10000));
    for (int i = 0; i < 2000 && now().lowered; i++)
        usleep(1000);
    assert_int_equal(now().lowered, 0);
    assert_null(atomic_load(&vk_db.handed));
}

/* Threads of the pool: how many want to run now, and which have used the processor since the last look. */
struct pool {
    int tids[64], n, wanting, moved;
    unsigned long used[64];
};

static void look(struct pool *p)
{
    p->wanting = p->moved = 0;
    for (int i = 0; i < p->n; i++) {
        char name[64], text[512] = "", state = 0;
        unsigned long user = 0, kernel = 0;
        snprintf(name, sizeof name, "/proc/self/task/%d/stat", p->tids[i]);
        FILE *f = fopen(name, "r");
        if (!f)
            continue;
        size_t n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[n] = '\0';
        assert_int_equal(sscanf(strrchr(text, ')') + 1, " %c %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %lu %lu",
                                &state, &user, &kernel),
                         3);
        p->wanting += state == 'R';
        p->moved += user + kernel > p->used[i];
        p->used[i] = user + kernel;
    }
}

static void tid_of(const char *name, int *out)
{
    int64_t n = 0;
    assert_int_equal(vk_str_to_i64(vk_str_z(name), &n), VK_OK);
    *out = (int)n;
}

static void find_pool(struct pool *p)
{
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) && p->n < (int)VK_COUNT(p->tids);) {
        char name[300], text[32] = "";
        snprintf(name, sizeof name, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(name, "r");
        if (f && fgets(text, sizeof text, f) && strcmp(text, "vk-sql\n") == 0)
            tid_of(e->d_name, &p->tids[p->n++]);
        if (f)
            fclose(f);
    }
    closedir(d);
}

static uint32_t lowered(void)
{
    return now().lowered;
}

static void set_slots(uint32_t n)
{
    pthread_mutex_lock(&vk_db.mu);
    vk_db.slots = n;
    pthread_mutex_unlock(&vk_db.mu);
}

/* Of many long statements only a few compute at a time, and each of them does. */
static void long_statements_take_turns(void **state)
{
    static const char json[] = "{\"requests\":[" EXECUTE(ENDLESS) ",{\"type\":\"close\"}]}";
    enum { LOOKS = 200 };
    char own[VK_VALET_MAX];
    struct pool p = {0};
    uint32_t slots = vk_db.slots;
    int fds[4], wanting = 0, moved = 0;
    VK_UNUSED(state);
    set_slots(1);
    snprintf(own, sizeof own, "%s", token_a);
    for (int i = 0; i < 4; i++) {
        snprintf(token_a, sizeof token_a, "%s", i % 2 ? token_b : own);
        fds[i] = ask("/v2/pipeline", json);
    }
    snprintf(token_a, sizeof token_a, "%s", own);
    assert_true(becomes(lowered, 4, 5000));
    find_pool(&p);
    look(&p);
    for (int i = 0; i < LOOKS; i++) {
        usleep(5000);
        struct pool now_ = p;
        look(&now_);
        wanting += now_.wanting;
    }
    meanwhile m = meanwhile_from_now();
    for (moved = 0; moved < 4 && meanwhile_allows(&m, meanwhile_took(&m), 3000); usleep(50000)) {
        struct pool now_ = p;
        look(&now_);
        moved = now_.moved;
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    assert_true(becomes(lowered, 0, 5000));
    set_slots(slots);
    assert_in_range(wanting, 0, LOOKS * 3 / 2);
    assert_int_equal(moved, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unclosed_streams_take_no_place),     cmocka_unit_test(the_oldest_light_stream_goes),
        cmocka_unit_test(stored_texts_are_bounded),           cmocka_unit_test(counts_stay_with_the_stream),
        cmocka_unit_test(a_changed_connection_stays),         cmocka_unit_test(light_streams_expire),
        cmocka_unit_test(a_query_ends_with_its_client),       cmocka_unit_test(pipelined_input_hides_no_end),
        cmocka_unit_test(half_a_connection_is_answered),      cmocka_unit_test(what_is_committed_stays),
        cmocka_unit_test(a_transaction_ends_with_its_client), cmocka_unit_test(long_statements_are_finished),
        cmocka_unit_test(long_statements_take_turns),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
