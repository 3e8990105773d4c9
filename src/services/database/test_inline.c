/* Short reads on the loop: that they give what the pool gives, what never runs there, what is sent back, and
 * that no rule of the pool is weaker there. */
#include "services/database/embedded/inline.h"
#include "services/database/test_rig.h"

enum { TRIES = 400 }; /* a disturbed machine makes runs slow, which sends them to the pool for a while */

static uint64_t answered_count(void)
{
    uint64_t answered, tripped;
    vk_inline_counts(&answered, &tripped);
    return answered;
}

static uint64_t tripped_count(void)
{
    uint64_t answered, tripped;
    vk_inline_counts(&answered, &tripped);
    return tripped;
}

static int ask(const char *token, const char *sql, const char *args)
{
    static char json[64 << 10];
    snprintf(json, sizeof json,
             "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"%s\",\"args\":[%s]}},"
             "{\"type\":\"close\"}]}",
             sql, args);
    return post_with(token, json);
}

static vk_dbt *database(const char *build)
{
    vk_dbt *t = vk_db_hold(build);
    assert_non_null(t);
    vk_db_let_go(t); /* the tests' tenants keep it */
    return t;
}

/* A worker counts its request a moment longer than the client waits for the answer. */
static void settled(const char *build)
{
    vk_dbt *t = database(build);
    for (int i = 0; i < 2000 && atomic_load(&t->n_jobs); i++)
        usleep(1000);
    assert_int_equal(atomic_load(&t->n_jobs), 0);
}

/* Asks until a loop has answered; the last answer is in `body`. */
static bool reaches_the_loop(const char *build, const char *token, const char *sql, const char *args)
{
    for (int i = 0; i < TRIES; i++) {
        settled(build);
        uint64_t before = answered_count();
        assert_int_equal(ask(token, sql, args), 200);
        if (answered_count() > before)
            return true;
        if (i > 20) /* it may be barred for a moment */
            usleep(5000);
    }
    return false;
}

/* The answer without the time that it took. */
static void copy_answer(char *out, size_t n)
{
    snprintf(out, n, "%s", body);
    char *p = strstr(out, "\"query_duration_ms\":");
    assert_non_null(p);
    for (p += strlen("\"query_duration_ms\":"); *p && *p != '}'; p++)
        *p = '#';
}

/* Differences in the number of digits of the time included. */
static void squeeze(char *text)
{
    char *to = text;
    for (char *p = text; *p; p++)
        if (*p != '#' || p == text || p[-1] != '#')
            *to++ = *p;
    *to = '\0';
}

static void set_up_rows(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE n (id INTEGER PRIMARY KEY, v TEXT, x REAL, b BLOB)"),
                     200);
    assert_int_equal(execute(token_a, "CREATE INDEX n_v ON n (v)"), 200);
    assert_int_equal(
        execute(token_a,
                "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 20000) "
                "INSERT INTO n SELECT i, 'row ' || i, i / 4.0, CASE WHEN i % 3 THEN x'00ff' END FROM c"),
        200);
    assert_int_equal(
        execute(token_a, "INSERT INTO n VALUES (0, 'quo\\\"te \\u00e4 \\u0001 ' || char(10), NULL, x'')"),
        200);
    assert_int_equal(execute(token_a, "CREATE VIEW heads AS SELECT id, upper(v) AS head FROM n WHERE id < 5"),
                     200);
}

static void a_loop_answers_what_the_pool_answers(void **state)
{
    static const char *const texts[][2] = {
        {"SELECT id, v, x, b FROM n WHERE id = ?", "{\"type\":\"integer\",\"value\":\"7\"}"},
        {"SELECT * FROM n WHERE id = ?", "{\"type\":\"integer\",\"value\":\"0\"}"},
        {"SELECT * FROM n WHERE id = ?", "{\"type\":\"integer\",\"value\":\"-1\"}"},
        {"SELECT id FROM n WHERE v = ?", "{\"type\":\"text\",\"value\":\"row 77\"}"},
        {"SELECT id, v FROM n WHERE b = ? AND id < 9", "{\"type\":\"blob\",\"base64\":\"AP8\"}"},
        {"SELECT ?, ?, ?",
         "{\"type\":\"float\",\"value\":1.5},{\"type\":\"null\"},{\"type\":\"integer\",\"value\":\"1\"}"},
        {"SELECT id, v FROM n WHERE id < 12 ORDER BY x DESC LIMIT 3 OFFSET 1", ""},
        {"SELECT DISTINCT b FROM n WHERE id < 9", ""},
        {"SELECT length(v) AS l, count(*), sum(x), avg(x), min(v), max(v) FROM n WHERE id < 20 GROUP BY 1",
         ""},
        {"SELECT a.id, b.v FROM n a JOIN n b ON b.id = a.id + 1 WHERE a.id IN (1, 2, 5)", ""},
        {"SELECT a.id, b.v FROM n a LEFT JOIN n b ON b.id = -a.id WHERE a.id < 3", ""},
        {"SELECT id, row_number() OVER (ORDER BY x DESC) FROM n WHERE id < 4", ""},
        {"SELECT id FROM n WHERE id < 3 UNION SELECT 40 EXCEPT SELECT 1", ""},
        {"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 5) SELECT i, i * 2, i || '!' "
         "FROM c",
         ""},
        {"SELECT * FROM heads WHERE id > 1", ""},
        {"SELECT coalesce(x, 1), CASE WHEN id THEN 'a' ELSE 'b' END, abs(-3), round(2.567, 1) FROM n WHERE "
         "id < 2",
         ""},
    };
    static char pool[64 << 10], loop[64 << 10];
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(texts); i++) {
        settled("build-a");
        assert_int_equal(ask(token_a, texts[i][0], texts[i][1]), 200);
        copy_answer(pool, sizeof pool);
        squeeze(pool);
        assert_non_null(strstr(pool, "\"type\":\"ok\""));
        if (!reaches_the_loop("build-a", token_a, texts[i][0], texts[i][1]))
            fail_msg("never on a loop: %s", texts[i][0]);
        copy_answer(loop, sizeof loop);
        squeeze(loop);
        assert_string_equal(loop, pool);
    }
}

static void several_statements_in_one_request(void **state)
{
    static const char json[] =
        "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT v FROM n WHERE id = 1\"}},"
        "{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT v FROM n WHERE id = "
        ":i\",\"named_args\":[{\"name\":\"i\","
        "\"value\":{\"type\":\"integer\",\"value\":\"2\"}}]}},{\"type\":\"close\"}]}";
    VK_UNUSED(state);
    uint64_t before = answered_count();
    for (int i = 0; i < TRIES && answered_count() == before; i++) {
        settled("build-a");
        assert_int_equal(post_with(token_a, json), 200);
        usleep(1000);
    }
    assert_true(answered_count() > before);
    assert_has("\"value\":\"row 1\"");
    assert_has("\"value\":\"row 2\"");
    assert_has("{\"type\":\"ok\",\"response\":{\"type\":\"close\"}}]}");
}

static void what_may_take_long_in_one_step_stays_in_the_pool(void **state)
{
    static const char *const texts[] = {
        "SELECT count(*) FROM n", /* one instruction for the whole table */
        "SELECT 'abc' LIKE 'a%c'",
        "SELECT v FROM n WHERE id = 1 AND v GLOB 'row*'",
        "SELECT printf('%d', 3)",
        "SELECT length(zeroblob(9))",
        "SELECT hex(b) FROM n WHERE id = 1",
        "SELECT length(randomblob(9))",
        "SELECT json_extract('[1,2]', '$[1]')",
        "SELECT value FROM json_each('[1,2]')",
        "SELECT name FROM pragma_table_info('n')",
        "SELECT group_concat(v) FROM n WHERE id < 3",
        "SELECT replace(v, 'a', 'b') FROM n WHERE id = 1",
        "SELECT instr(v, 'w') FROM n WHERE id = 1",
        "SELECT * FROM f WHERE f MATCH 'word'",
        "SELECT a FROM g WHERE id = 1", /* a generated column that calls hex() */
        "SELECT a FROM hidden",         /* a view that does */
        "SELECT strftime('%Y', 'now')",
        "SELECT last_insert_rowid()",
        "INSERT INTO g (id) VALUES (NULL) RETURNING id",
        "SELECT 1 WHERE (SELECT count(*) FROM n) > 3",
    };
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE VIRTUAL TABLE f USING fts5(t)"), 200);
    assert_int_equal(execute(token_a, "INSERT INTO f VALUES ('a word')"), 200);
    assert_int_equal(execute(token_a, "CREATE TABLE g (id INTEGER PRIMARY KEY, a TEXT AS (hex(id)))"), 200);
    assert_int_equal(execute(token_a, "INSERT INTO g (id) VALUES (1)"), 200);
    assert_int_equal(execute(token_a, "CREATE VIEW hidden AS SELECT hex(v) AS a FROM n WHERE id = 1"), 200);
    for (size_t i = 0; i < VK_COUNT(texts); i++) {
        uint64_t answered = answered_count(), tripped = tripped_count();
        for (int k = 0; k < 12; k++) {
            settled("build-a");
            assert_int_equal(ask(token_a, texts[i], ""), 200);
            assert_has("\"type\":\"ok\"");
        }
        if (answered_count() != answered || tripped_count() != tripped)
            fail_msg("ran on a loop: %s", texts[i]);
    }
}

/* Quick for a small argument, long for a large one. */
static void long_runs_are_sent_to_the_pool(void **state)
{
    static const struct {
        const char *sql, *small, *large, *expect;
    } cases[] = {
        {"SELECT sum(id) FROM n WHERE id <= ?", "10", "20000", "\"value\":\"200010000\""},
        {"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT ?) SELECT max(i) FROM c", "5",
         "30000", "\"value\":\"30000\""},
        {"SELECT id, v, v, v, v, v FROM n WHERE id < ?", "3", "150",
         "\"value\":\"row 149\""}, /* too much to say */
        {"SELECT length(lower(w)) FROM wide WHERE id = ?", "1", "2",
         "\"value\":\"40000\""}, /* too long a value */
    };
    char small[80], large[80];
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE wide (id INTEGER PRIMARY KEY, w TEXT, k)"), 200);
    assert_int_equal(execute(token_a, "INSERT INTO wide VALUES (1, 'w', 1), (2, hex(zeroblob(20000)), 2)"),
                     200);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        snprintf(small, sizeof small, "{\"type\":\"integer\",\"value\":\"%s\"}", cases[i].small);
        snprintf(large, sizeof large, "{\"type\":\"integer\",\"value\":\"%s\"}", cases[i].large);
        assert_true(reaches_the_loop("build-a", token_a, cases[i].sql, small));
        settled("build-a");
        uint64_t answered = answered_count(), tripped = tripped_count();
        assert_int_equal(ask(token_a, cases[i].sql, large), 200);
        assert_has(cases[i].expect);
        assert_int_equal(answered_count(), answered);
        assert_int_equal(tripped_count(), tripped + 1);
        for (int k = 0; k < 3; k++) { /* remembered */
            settled("build-a");
            assert_int_equal(ask(token_a, cases[i].sql, large), 200);
            assert_has(cases[i].expect);
        }
        assert_int_equal(answered_count(), answered);
        assert_int_equal(tripped_count(), tripped + 1);
        assert_true(reaches_the_loop("build-a", token_a, cases[i].sql, small)); /* but not for ever */
    }
}

/* An error is the pool's to tell. */
static void errors_come_from_the_pool(void **state)
{
    VK_UNUSED(state);
    assert_true(
        reaches_the_loop("build-a", token_a, "SELECT abs(?)", "{\"type\":\"integer\",\"value\":\"-2\"}"));
    uint64_t tripped = tripped_count();
    settled("build-a");
    assert_int_equal(
        ask(token_a, "SELECT abs(?)", "{\"type\":\"integer\",\"value\":\"-9223372036854775808\"}"), 200);
    assert_has("integer overflow");
    assert_int_equal(tripped_count(), tripped + 1);
    settled("build-a");
    assert_int_equal(ask(token_a, "SELECT abs(?)", "{\"type\":\"null\"},{\"type\":\"null\"}"), 200);
    assert_has("too many parameters");
}

static void writes_and_schema_changes_are_seen(void **state)
{
    static const char star[] = "SELECT * FROM s";
    VK_UNUSED(state);
    assert_int_equal(execute(token_a, "CREATE TABLE s (a)"), 200);
    assert_int_equal(execute(token_a, "INSERT INTO s VALUES ('before')"), 200);
    assert_true(reaches_the_loop("build-a", token_a, star, ""));
    assert_int_equal(execute(token_a, "UPDATE s SET a = 'after'"), 200);
    settled("build-a");
    uint64_t answered = answered_count(), tripped = tripped_count();
    assert_int_equal(ask(token_a, star, ""), 200);
    assert_has("\"value\":\"after\"");
    assert_true(answered_count() > answered); /* it was read on the loop */
    assert_int_equal(execute(token_a, "ALTER TABLE s ADD COLUMN b DEFAULT 'added'"), 200);
    for (int i = 0; i < 2; i++) {
        settled("build-a");
        assert_int_equal(ask(token_a, star, ""), 200);
        assert_has("\"value\":\"added\"");
    }
    assert_int_equal(tripped_count(), tripped); /* a loop has not even tried */
    assert_true(reaches_the_loop("build-a", token_a, star, ""));
    assert_has("\"value\":\"added\"");
    assert_int_equal(execute(token_a, "DROP TABLE s"), 200);
    settled("build-a");
    assert_int_equal(ask(token_a, star, ""), 200);
    assert_has("no such table: s");
}

/* A transaction that is rolled back may have changed the schema that a statement was judged by. */
static void a_schema_that_was_rolled_back_is_forgotten(void **state)
{
    char json[1024], baton[64];
    VK_UNUSED(state);
    assert_int_equal(post_with(token_a,
                               "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"BEGIN IMMEDIATE\"}},"
                               "{\"type\":\"execute\",\"stmt\":{\"sql\":\"CREATE TABLE never (a)\"}}]}"),
                     200);
    for (int i = 0; i < 6; i++) {
        baton_of(baton);
        snprintf(json, sizeof json,
                 "{\"baton\":\"%s\",\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT * FROM "
                 "never\"}}%s]}",
                 baton, i == 5 ? ",{\"type\":\"close\"}" : "");
        assert_int_equal(post_with(token_a, json), 200);
        assert_has("\"rows\":[]");
    }
    for (int i = 0; i < 6; i++) {
        settled("build-a");
        assert_int_equal(ask(token_a, "SELECT * FROM never", ""), 200);
        assert_has("no such table: never");
    }
}

static void *end_commit(void *arg)
{
    vk_dbt *t = arg;
    usleep(300000);
    pthread_mutex_lock(&vk_db.mu);
    atomic_fetch_add(&t->commit_seq, 1);
    atomic_store(&t->committing, 0);
    pthread_mutex_unlock(&vk_db.mu);
    return NULL;
}

/* What a loop has read may be a commit that a power cut would take back: then nobody is told before it is on
 * stable storage. */
static void answers_wait_for_what_they_saw(void **state)
{
    static const char one[] = "SELECT v FROM n WHERE id = 1";
    vk_dbt *t = database("build-a");
    pthread_t thread;
    VK_UNUSED(state);
    assert_true(reaches_the_loop("build-a", token_a, one, ""));
    settled("build-a");
    atomic_store(&t->committing, 1); /* its commit hook has been called */
    uint64_t tripped = tripped_count();
    int64_t begun = vk_clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, end_commit, t), 0);
    assert_int_equal(ask(token_a, one, ""), 200);
    assert_true(vk_clock_mono_ms() - begun >= 280);
    assert_int_equal(tripped_count(), tripped + 1);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&t->synced_seq), atomic_load(&t->commit_seq));

    assert_true(reaches_the_loop("build-a", token_a, one, ""));
    settled("build-a");
    atomic_fetch_add(&t->commit_seq, 1); /* the commit is visible, its sync has not begun */
    uint64_t answered = answered_count();
    assert_int_equal(ask(token_a, one, ""), 200);
    assert_int_equal(answered_count(), answered);
    assert_int_equal(atomic_load(&t->synced_seq), atomic_load(&t->commit_seq));
    assert_true(reaches_the_loop("build-a", token_a, one, ""));
}

static void nobody_is_overtaken(void **state)
{
    static const char one[] = "SELECT v FROM n WHERE id = 1";
    vk_dbt *t = database("build-a");
    VK_UNUSED(state);
    assert_true(reaches_the_loop("build-a", token_a, one, ""));
    settled("build-a");
    uint64_t answered = answered_count(), tripped = tripped_count();
    atomic_fetch_add(&t->n_jobs, 1); /* as if one were waiting */
    assert_int_equal(ask(token_a, one, ""), 200);
    for (int i = 0; i < 2000 && atomic_load(&t->n_jobs) > 1; i++)
        usleep(1000);
    atomic_fetch_sub(&t->n_jobs, 1);
    assert_int_equal(answered_count(), answered);
    assert_int_equal(tripped_count(), tripped);
}

/* A build that has taken too much of loops goes to the pool for a while; others do not. */
static void who_takes_too_much_is_barred(void **state)
{
    static const char one[] = "SELECT v FROM n WHERE id = 1", other[] = "SELECT 2 AS two";
    vk_dbt *t = database("build-a");
    VK_UNUSED(state);
    assert_true(reaches_the_loop("build-a", token_a, one, ""));
    atomic_store(&t->paid_until_ms, vk_clock_mono_ms() + 60000);
    uint64_t answered = answered_count(), tripped = tripped_count();
    for (int i = 0; i < 5; i++) {
        settled("build-a");
        assert_int_equal(ask(token_a, one, ""), 200);
    }
    assert_int_equal(answered_count(), answered);
    assert_int_equal(tripped_count(), tripped);
    assert_true(reaches_the_loop("build-b", token_b, other, ""));
    atomic_store(&t->paid_until_ms, 0);
    assert_true(reaches_the_loop("build-a", token_a, one, ""));
}

struct slow_one {
    pthread_t thread;
    _Atomic bool over;
    int64_t took;
};

/* One call of LIKE that goes through pattern × text steps, with nothing asked in between. */
static void *ask_slow(void *arg)
{
    struct slow_one *s = arg;
    static const char json[] = "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT "
                               "hex(zeroblob(?)) LIKE '%' || hex(zeroblob(120)) || '1'\",\"args\":["
                               "{\"type\":\"integer\",\"value\":\"1000000\"}]}},{\"type\":\"close\"}]}";
    char text[2048];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int64_t begun = vk_clock_mono_ms();
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
        int n = snprintf(
            text, sizeof text,
            "POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %zu\r\n"
            "Authorization: Bearer %s\r\n\r\n%s",
            strlen(json), token_a, json);
        if (send(fd, text, (size_t)n, 0) == n)
            while (recv(fd, text, sizeof text, 0) > 0)
                ;
    }
    close(fd);
    s->took = vk_clock_mono_ms() - begun;
    atomic_store(&s->over, true);
    return NULL;
}

/* While one build computes in a single long call, another one's reads go on being answered on the loop. */
static void the_loop_goes_on_beside_a_long_call(void **state)
{
    static const char one[] = "SELECT 1 AS one";
    struct slow_one slow = {0};
    int64_t worst = 0;
    int asked = 0;
    VK_UNUSED(state);
    assert_true(reaches_the_loop("build-b", token_b, one, ""));
    assert_int_equal(pthread_create(&slow.thread, NULL, ask_slow, &slow), 0);
    while (!atomic_load(&slow.over)) {
        int64_t begun = vk_clock_mono_ms();
        assert_int_equal(ask(token_b, one, ""), 200);
        int64_t took = vk_clock_mono_ms() - begun;
        worst = took > worst ? took : worst;
        asked++;
        usleep(5000);
    }
    pthread_join(slow.thread, NULL);
    print_message("# %lld ms, worst %lld of %d\n", (long long)slow.took, (long long)worst, asked);
    assert_true(slow.took >= 300); /* else this shows nothing */
    if (worst * 2 > slow.took || asked < 10)
        fail_msg("a read took %lld ms beside a call of %lld ms", (long long)worst, (long long)slow.took);
}

/* The connections used longest ago are closed first, and those that have written last. */
static void the_least_recently_used_connection_goes(void **state)
{
    static const char names[4][8] = {"lru-a", "lru-b", "lru-c", "lru-d"};
    static const char read[] = "SELECT name FROM sqlite_schema WHERE rootpage = 7";
    char tokens[4][VK_VALET_MAX];
    vk_dbt *t[4];
    vk_list others;
    VK_UNUSED(state);
    for (int i = 0; i < 4; i++)
        create(names[i], tokens[i]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(tokens[i], read, ""), 200);
        t[i] = database(names[i]);
        settled(names[i]);
        assert_int_equal(t[i]->handles, 1);
    }
    /* Room for no more than there are; those of other tests are left out of it. */
    pthread_mutex_lock(&vk_db.mu);
    uint32_t most = vk_db.handles_max;
    vk_db.handles_max = vk_db.handles;
    vk_list_init(&others);
    for (size_t k = 0; k < 2; k++)
        for (vk_list *n = vk_db.lru[k].next, *next; n != &vk_db.lru[k]; n = next) {
            const vk_dbt *of = VK_CONTAINER(n, vk_dbh, lru)->t;
            next = n->next;
            if (of != t[0] && of != t[1] && of != t[2]) {
                vk_list_remove(n);
                vk_list_push(&others, n);
            }
        }
    pthread_mutex_unlock(&vk_db.mu);
    usleep(60000);
    assert_true(reaches_the_loop(names[0], tokens[0], read, "")); /* also when a loop has used it last */
    usleep(60000);
    assert_true(reaches_the_loop(names[0], tokens[0], read, ""));
    assert_int_equal(ask(tokens[3], read, ""), 200);
    t[3] = database(names[3]);
    settled(names[3]);
    assert_int_equal(t[0]->handles, 1);
    assert_int_equal(t[1]->handles, 0);
    assert_int_equal(t[2]->handles, 1);
    /* c has written; a and d are used after it, a before d: a goes. */
    assert_int_equal(ask(tokens[2], "CREATE TABLE w (a)", ""), 200);
    settled(names[2]);
    usleep(60000);
    assert_int_equal(ask(tokens[0], read, ""), 200);
    settled(names[0]);
    usleep(60000);
    assert_int_equal(ask(tokens[3], read, ""), 200);
    settled(names[3]);
    assert_int_equal(ask(tokens[1], read, ""), 200);
    settled(names[1]);
    assert_int_equal(t[0]->handles, 0);
    assert_int_equal(t[1]->handles, 1);
    assert_int_equal(t[2]->handles, 1);
    assert_int_equal(t[3]->handles, 1);
    pthread_mutex_lock(&vk_db.mu);
    vk_db.handles_max = most;
    vk_list_splice(&vk_db.lru[0], &others);
    pthread_mutex_unlock(&vk_db.mu);
}

static void a_database_that_was_exchanged_is_seen(void **state)
{
    static const char read[] = "SELECT max(a) FROM p";
    char copy[VK_DB_TMP_NAME], from[128], to[128];
    const char *why = "";
    vk_dbt *t = database("build-b");
    VK_UNUSED(state);
    assert_int_equal(execute(token_b, "CREATE TABLE p (a)"), 200);
    assert_int_equal(execute(token_b, "INSERT INTO p VALUES (1)"), 200);
    assert_true(reaches_the_loop("build-b", token_b, read, ""));
    assert_int_equal(vk_db_tmp_name("old", copy), VK_OK);
    assert_int_equal(vk_db_copy("build-b", copy, &why), VK_OK);
    assert_int_equal(execute(token_b, "INSERT INTO p VALUES (2)"), 200);
    assert_true(reaches_the_loop("build-b", token_b, read, ""));
    assert_has("\"value\":\"2\"");
    assert_int_equal(vk_db_pause(t, &why), VK_OK);
    assert_int_equal(t->handles, 0);
    assert_null(atomic_load(&t->warm));
    snprintf(from, sizeof from, "%s/%s", root, copy);
    snprintf(to, sizeof to, "%s/builds/build-b/database.db", root);
    assert_int_equal(rename(from, to), 0);
    vk_db_unpause(t);
    assert_int_equal(ask(token_b, read, ""), 200);
    assert_has("\"value\":\"1\"");
    assert_true(reaches_the_loop("build-b", token_b, read, ""));
    assert_has("\"value\":\"1\"");
}

/* Pauses and reads at once: each request is answered, and the pause comes to its end each time. */
static void *read_on(void *arg)
{
    _Atomic bool *stop = arg;
    static const char json[] =
        "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"SELECT max(a) FROM p\"}},"
        "{\"type\":\"close\"}]}";
    char text[2048];
    uintptr_t bad = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    bad = connect(fd, (struct sockaddr *)&at, sizeof at) != 0;
    while (!bad && !atomic_load(stop)) {
        int n = snprintf(text, sizeof text,
                         "POST /v2/pipeline HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n"
                         "Authorization: Bearer %s\r\n\r\n%s",
                         strlen(json), token_b, json);
        ssize_t m = send(fd, text, (size_t)n, 0) == n ? recv(fd, text, sizeof text - 1, 0) : -1;
        text[m > 0 ? m : 0] = '\0';
        bad = !strstr(text, " 200 ") || !strstr(text, "\"type\":\"ok\"");
    }
    close(fd);
    return (void *)bad;
}

static void pauses_meet_reads(void **state)
{
    _Atomic bool stop = false;
    pthread_t thread[3];
    vk_dbt *t = database("build-b");
    void *bad;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_on, &stop), 0);
    uint64_t before = answered_count();
    for (int i = 0; i < 20; i++) {
        const char *why;
        usleep(30000);
        assert_int_equal(vk_db_pause(t, &why), VK_OK);
        assert_null(atomic_load(&t->warm));
        vk_db_unpause(t);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < VK_COUNT(thread); i++) {
        pthread_join(thread[i], &bad);
        assert_null(bad);
    }
    assert_true(answered_count() > before); /* the two have met */
}

static void told(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
}

/* The registry does not know yet: the driver itself refuses. */
static void a_closed_build_is_not_read(void **state)
{
    static const char one[] = "SELECT v FROM n WHERE id = 1";
    _Atomic bool done = false;
    VK_UNUSED(state);
    assert_true(reaches_the_loop("build-a", token_a, one, ""));
    uint64_t answered = answered_count();
    int64_t begun = vk_clock_mono_ms();
    vk_db_close_build("build-a", told, &done);
    assert_int_equal(ask(token_a, one, ""), 401);
    while (!atomic_load(&done) && vk_clock_mono_ms() - begun < 3000)
        usleep(1000);
    assert_true(atomic_load(&done));
    assert_int_equal(ask(token_a, one, ""), 401);
    assert_int_equal(answered_count(), answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_up_rows),
        cmocka_unit_test(a_loop_answers_what_the_pool_answers),
        cmocka_unit_test(several_statements_in_one_request),
        cmocka_unit_test(what_may_take_long_in_one_step_stays_in_the_pool),
        cmocka_unit_test(long_runs_are_sent_to_the_pool),
        cmocka_unit_test(errors_come_from_the_pool),
        cmocka_unit_test(writes_and_schema_changes_are_seen),
        cmocka_unit_test(a_schema_that_was_rolled_back_is_forgotten),
        cmocka_unit_test(answers_wait_for_what_they_saw),
        cmocka_unit_test(nobody_is_overtaken),
        cmocka_unit_test(who_takes_too_much_is_barred),
        cmocka_unit_test(the_loop_goes_on_beside_a_long_call),
        cmocka_unit_test(the_least_recently_used_connection_goes),
        cmocka_unit_test(a_database_that_was_exchanged_is_seen),
        cmocka_unit_test(pauses_meet_reads),
        cmocka_unit_test(a_closed_build_is_not_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
