/* Hrana over WebSocket: the recorded session, the protocol's errors, streams and their transactions, limits,
 * and every way in which a connection can end. */
#include "core/test_meanwhile.h"
#include "services/database/test_socket_rig.h"

#include <jansson.h>

/* ---- the recorded session ---- */

/* What differs from run to run. */
static void mask(json_t *v)
{
    static const char *const names[] = {"rows_read", "rows_written", "query_duration_ms",
                                        "replication_index"};
    size_t i;
    json_t *x;
    const char *key;
    for (i = 0; json_is_object(v) && i < VK_COUNT(names); i++)
        json_object_del(v, names[i]);
    json_array_foreach(v, i, x) mask(x);
    json_object_foreach(v, key, x) mask(x);
}

static void say_json(struct socket *k, const json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    assert_non_null(text);
    say(k, "%s", text);
    free(text);
}

static json_t *transcript(void)
{
    char path[PATH_MAX];
    const char *root_dir = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/ws-hrana2-transcript.json", root_dir ? root_dir : ".");
    json_t *v = json_load_file(path, 0, NULL);
    if (!v)
        fail_msg("%s cannot be read", path);
    return v;
}

/* `at_once`: without waiting for any answer. */
static void replay(const char *token, bool at_once)
{
    json_t *all = transcript(), *session = json_object_get(all, "session"), *item, *line;
    size_t i, n, waiting = 0;
    struct socket *k = dial("hrana2");
    json_array_foreach(session, i, item)
    {
        json_t *client = json_object_get(item, "client"), *response = json_object_get(item, "server");
        json_t *head = json_object_get(item, "server_handshake");
        if (head) {
            const char *got = hear_head(k);
            json_array_foreach(head, n, line)
            {
                char want[200];
                snprintf(want, sizeof want, "%s\r\n", json_string_value(line));
                if (!strcasestr(got, want))
                    fail_msg("no %s in %s", want, got);
            }
        }
        if (client) {
            if (json_object_get(client, "jwt"))
                json_object_set_new(client, "jwt", json_string(token));
            say_json(k, client);
        }
        if (response && !at_once) {
            json_t *got = json_loads(hear(k), 0, NULL);
            mask(got);
            mask(response);
            if (!json_equal(got, response))
                fail_msg("wanted %s\ngot    %s", json_dumps(response, 0), json_dumps(got, 0));
            json_decref(got);
        }
        waiting += response != NULL;
    }
    for (n = 0; at_once && n < waiting; n++) { /* in any order */
        json_t *got = json_loads(hear(k), 0, NULL);
        bool found = false;
        mask(got);
        json_array_foreach(session, i, item)
        {
            mask(json_object_get(item, "server"));
            found |= json_equal(got, json_object_get(item, "server"));
        }
        if (!found)
            fail_msg("not recorded: %s", json_dumps(got, 0));
        json_decref(got);
    }
    hang_up(k);
    json_decref(all);
}

static void the_recorded_session(void **state)
{
    VK_UNUSED(state);
    replay(token_a, false);
    struct socket *k = open_socket(token_a);
    ask_open(k, 1);
    hears_with(k, ok);
    runs_with(k, 1, "DROP TABLE t", ok);
    hang_up(k);
    replay(token_a, true);
    json_t *all = transcript(), *refused = json_object_get(all, "refused");
    k = dial(NULL);
    assert_null(strcasestr(hear_head(k), "Sec-WebSocket-Protocol")); /* hrana1, without saying so */
    say_json(k, json_object_get(json_array_get(refused, 0), "client"));
    json_t *got = json_loads(hear(k), 0, NULL), *want = json_object_get(json_array_get(refused, 1), "server");
    assert_string_equal(json_string_value(json_object_get(got, "type")), "hello_error");
    assert_true(json_equal(json_object_get(json_object_get(got, "error"), "code"),
                           json_object_get(json_object_get(want, "error"), "code")));
    hears(k, "close 1008 This is not a valet key");
    hears(k, "end");
    hang_up(k);
    json_decref(got);
    json_decref(all);
    comes_to_rest(of("build-a"));
}

/* ---- errors ---- */

static void handshakes_choose_a_protocol(void **state)
{
    VK_UNUSED(state);
    struct socket *k = dial("hrana3-protobuf, hrana3, hrana1");
    const char *head = hear_head(k);
    assert_non_null(strstr(head, " 101 "));
    assert_non_null(strstr(head, "Sec-WebSocket-Protocol: hrana1\r\n"));
    hang_up(k);
    k = dial("hrana3-protobuf, graphql-ws");
    head = hear_head(k);
    assert_non_null(strstr(head, " 400 "));
    assert_non_null(strstr(head, "Content-Type: application/json\r\n"));
    hang_up(k);
}

static void protocol_errors_close(void **state)
{
    static const char open0[] =
        "{\"type\":\"request\",\"request_id\":0,\"request\":{\"type\":\"open_stream\",\"stream_id\":0}}";
    static const struct {
        bool hello;
        const char *text, *want;
    } cases[] = {
        {true, "{\"type\":", "close 1007 Cannot deserialize client message from JSON: "},
        {true, "[]", "close 1007 Cannot deserialize client message from JSON: a message must be an object"},
        {true, "{}", "close 1008 ClientMsg type not recognized"},
        {true, "{\"type\":\"request\",\"request\":{}}",
         "close 1007 Cannot deserialize client message from JSON: "
         "`request_id` must be a 32-bit integer"},
        {true, "{\"type\":\"request\",\"request_id\":4294967296,\"request\":{}}", "close 1007 "},
        {true, "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"launch\"}}",
         "close 1008 Request type not recognized"},
        {true,
         "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"open_cursor\",\"stream_id\":0}}",
         "close 1008 open_cursor is only supported in protocol version hrana3 and higher"},
        {true,
         "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"execute\",\"stream_id\":7,\"stmt\":{"
         "\"sql\":\"SELECT 1\"}}}",
         "close 1008 Stream 7 not found"},
        {true,
         "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"close_stream\",\"stream_id\":7}}",
         "close 1008 Stream 7 not found"},
        {true, open0, "close 1008 Stream 0 already exists"},
        {true,
         "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"execute\",\"stream_id\":0,\"stmt\":{"
         "\"sql_id\":3}}}",
         "close 1008 SQL text 3 not found"},
        {true,
         "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"execute\",\"stream_id\":0,\"stmt\":{"
         "}}}",
         "close 1008 Either `sql` or `sql_id` are required"},
        {true,
         "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"batch\",\"stream_id\":0,\"batch\":{"
         "\"steps\":[{\"stmt\":{\"sql\":\"SELECT 1\"}},"
         "{\"stmt\":{\"sql_id\":4}}]}}}",
         "close 1008 SQL text 4 not found"},
        {false, open0, "close 1008 Received a request before hello message"},
        {false, "{\"type\":\"hello\"}",
         "{\"type\":\"hello_error\",\"error\":{\"message\":\"Authentication is required but no JWT"},
        {false, "{\"type\":\"hello\",\"jwt\":null}", "{\"type\":\"hello_error\""},
        {false, "{\"type\":\"hello\",\"jwt\":5}", "close 1007 "},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct socket *k = open_socket(cases[i].hello ? token_a : NULL);
        if (cases[i].hello) {
            say(k, "%s", open0);
            hears_with(k, ok);
        }
        say(k, "%s", cases[i].text);
        say(k, "%s", "{\"type\":\"hello\",\"jwt\":\"nobody looks at this any more\"}");
        hears(k, cases[i].want);
        if (strncmp(cases[i].want, "close", 5) != 0)
            hears(k, "close 1008 ");
        hears(k, "end");
        hang_up(k);
    }
    struct socket *k = open_socket(token_a);
    say_frame(k, 0x82, "{}", 2);
    hears(k, "close 1003 Received a binary WebSocket message, which is not supported in this encoding");
    hang_up(k);
    k = open_socket(NULL); /* larger than anything that a stranger may send */
    push(k, "\x81\xff\0\0\0\0\0\x02\0\0\0\0\0\0", 14);
    hears(k, "close 1009 ");
    hang_up(k);
    k = open_socket(token_a);
    push(k, "\x81\xff\0\0\0\0\x02\0\0\x01\0\0\0\0", 14); /* 32 MiB and one */
    hears(k, "close 1009 ");
    hang_up(k);
    comes_to_rest(of("build-a"));
}

static void hello_again(void **state)
{
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    ask_open(k, 1);
    hears_with(k, ok);
    say(k, "{\"type\":\"hello\",\"jwt\":\"%s\"}", token_a);
    hears(k, "{\"type\":\"hello_ok\"}");
    runs_with(k, 1, "SELECT 1", ok);
    say(k, "{\"type\":\"hello\",\"jwt\":\"%s\"}", token_b);
    ask(k, 1, "CREATE TABLE of_b (x)");
    hears(k, "{\"type\":\"hello_error\",\"error\":{\"message\":\"This connection belongs to another build");
    hears(k, "close 1008 ");
    hears(k, "end");
    hang_up(k);
    assert_int_equal(execute(token_b, "SELECT * FROM of_b"), 200);
    assert_has("no such table");
    assert_int_equal(execute(token_a, "SELECT * FROM of_b"), 200);
    assert_has("no such table");
}

/* ---- streams ---- */

static void one_stream_runs_in_order(void **state)
{
    enum { N = 60 };
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    ask_open(k, 5);
    ask(k, 5, "CREATE TABLE o (id INTEGER PRIMARY KEY, v)");
    for (int i = 0; i < N; i++) {
        char sql[80];
        snprintf(sql, sizeof sql, "INSERT INTO o (v) VALUES (%d)", i);
        ask(k, 5, sql);
    }
    ask(k, 5, "SELECT count(*), sum(v = id - 1) FROM o");
    ask_close(k, 5);
    ask_open(k, 5); /* the id is free again, though the one before has not ended */
    ask(k, 5, "SELECT 'second'");
    bool counted = false, second = false;
    for (int i = 0; i < N + 6; i++) { /* the second opening overtakes what the first stream still has to do */
        const char *m = hear(k);
        if (!strstr(m, ok))
            fail_msg("%s", m);
        counted |= strstr(m, "\"60\"},{\"type\":\"integer\",\"value\":\"60\"}") != NULL;
        second |= strstr(m, "second") != NULL;
    }
    assert_true(counted && second);
    hang_up(k);
    comes_to_rest(of("build-a"));
}

/* A stream that waits for the write turn does not hold up the others. */
static void streams_run_side_by_side(void **state)
{
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    for (int i = 1; i <= 12; i++) {
        ask_open(k, i);
        hears_with(k, ok);
    }
    runs_with(k, 1, "CREATE TABLE IF NOT EXISTS p (v)", ok);
    runs_with(k, 1, "BEGIN IMMEDIATE", ok);
    runs_with(k, 1, "INSERT INTO p VALUES (1)", ok);
    for (int i = 2; i <= 11; i++)
        ask(k, i, "INSERT INTO p VALUES (2)");
    runs_with(k, 12, "SELECT count(*) FROM p", "\"value\":\"0\"");
    ask(k, 1, "COMMIT");
    for (int i = 1; i <= 11; i++)
        hears_with(k, ok);
    runs_with(k, 12, "SELECT count(*) FROM p", "\"value\":\"11\"");
    /* close_stream rolls back. */
    runs_with(k, 1, "BEGIN IMMEDIATE", ok);
    runs_with(k, 1, "DELETE FROM p", ok);
    ask_close(k, 1);
    hears_with(k, "{\"type\":\"close_stream\"}");
    runs_with(k, 12, "INSERT INTO p VALUES (3)", "\"affected_row_count\":1");
    runs_with(k, 12, "SELECT count(*) FROM p", "\"value\":\"12\"");
    /* So does the end of the connection. */
    runs_with(k, 2, "BEGIN IMMEDIATE", ok);
    runs_with(k, 2, "DELETE FROM p", ok);
    hang_up(k);
    meanwhile m = meanwhile_from_now();
    assert_int_equal(execute(token_a, "INSERT INTO p VALUES (4)"), 200);
    assert_has("\"affected_row_count\":1");
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 2000));
    assert_int_equal(execute(token_a, "SELECT count(*) FROM p"), 200);
    assert_has("\"value\":\"13\"");
    comes_to_rest(of("build-a"));
}

static void streams_are_counted(void **state)
{
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    for (int i = 0; i < VK_SOCKET_STREAMS_MAX; i++) {
        ask_open(k, i);
        hears_with(k, ok);
    }
    ask_open(k, 1000);
    hears_with(k, "has 128 streams open");
    runs_with(k, 1000, "SELECT 1",
              "\"message\":\"Stream 1000 has failed to open\",\"code\":\"STREAM_NOT_OPEN\"");
    ask_close(k, 1000);
    hears_with(k, ok);
    ask_close(k, 3);
    hears_with(k, ok);
    ask_open(k, 1000);
    hears_with(k, ok);
    runs_with(k, 1000, "SELECT 1", ok);
    for (int i = 0; i < VK_SOCKET_FAILED_MAX; i++) {
        ask_open(k, 2000 + i);
        hears_with(k, "TRANSACTION_BUSY");
    }
    ask_open(k, 3000);
    hears(k, "close 1008 Too many streams");
    hang_up(k);
    comes_to_rest(of("build-a"));
}

static void texts_are_the_connections(void **state)
{
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    ask_open(k, 1);
    ask_open(k, 2);
    hears_with(k, ok);
    hears_with(k, ok);
    for (int i = 0; i < VK_HRANA_SOCKET_STORED_MAX; i++) {
        say(k,
            "{\"type\":\"request\",\"request_id\":%d,\"request\":{\"type\":\"store_sql\",\"sql_id\":%d,"
            "\"sql\":\"SELECT %d\"}}",
            i, i, 100 + i);
        hears_with(k, "{\"type\":\"store_sql\"}");
    }
    say(k, "%s",
        "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"store_sql\",\"sql_id\":999,\"sql\":"
        "\"SELECT 1\"}}");
    hears_with(k, "\"message\":\"The server already stores 150 SQL texts, it cannot store "
                  "more\",\"code\":\"SQL_STORE_TOO_MANY\"");
    /* On both streams; a text that is closed right behind its use is still used. */
    for (int s = 1; s <= 2; s++) {
        say(k,
            "{\"type\":\"request\",\"request_id\":1,\"request\":{\"type\":\"batch\",\"stream_id\":%d,"
            "\"batch\":{\"steps\":[{\"stmt\":{\"sql_id\":7}},"
            "{\"stmt\":{\"sql_id\":8}},{\"stmt\":{\"sql_id\":7}}]}}}",
            s);
        say(k, "%s",
            "{\"type\":\"request\",\"request_id\":2,\"request\":{\"type\":\"get_autocommit\",\"stream_id\":1}"
            "}");
    }
    say(k, "%s", "{\"type\":\"request\",\"request_id\":3,\"request\":{\"type\":\"close_sql\",\"sql_id\":7}}");
    int seven = 0;
    for (int i = 0; i < 5; i++) {
        const char *m = hear(k);
        if (!strstr(m, ok))
            fail_msg("%s", m);
        seven += strstr(m, "\"107\"") && strstr(m, "\"108\"");
    }
    assert_int_equal(seven, 2);
    char large[VK_HRANA_STORED_TEXT + 2];
    memset(large, ' ', sizeof large);
    large[sizeof large - 1] = '\0';
    say(k,
        "{\"type\":\"request\",\"request_id\":4,\"request\":{\"type\":\"store_sql\",\"sql_id\":7,\"sql\":\"%"
        "s\"}}",
        large);
    hears_with(k, "SQL_STORE_TOO_LARGE");
    say(k, "%s",
        "{\"type\":\"request\",\"request_id\":4,\"request\":{\"type\":\"store_sql\",\"sql_id\":8,\"sql\":"
        "\"\"}}");
    hears(k, "close 1008 SQL text 8 already exists");
    hang_up(k);
    comes_to_rest(of("build-a"));
}

/* ---- transactions that are taken away ---- */

static void the_turn_is_taken(void **state)
{
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    ask_open(k, 1);
    hears_with(k, ok);
    runs_with(k, 1, "CREATE TABLE IF NOT EXISTS q (v)", ok);
    runs_with(k, 1, "BEGIN IMMEDIATE", ok);
    runs_with(k, 1, "INSERT INTO q VALUES ('victim')", ok);
    meanwhile m = meanwhile_from_now();
    assert_int_equal(execute(token_a, "INSERT INTO q VALUES ('waiter')"), 200);
    assert_has("\"affected_row_count\":1");
    int64_t took = meanwhile_took(&m);
    assert_true(took > 4500 && meanwhile_allows(&m, took, 7000));
    ask(k, 1, "INSERT INTO q VALUES ('victim')");
    ask(k, 1, "INSERT INTO q VALUES ('victim')");
    ask(k, 1, "COMMIT");
    for (int i = 0; i < 3; i++)
        hears_with(k, "\"message\":\"Transaction timed out\",\"code\":\"TRANSACTION_TIMEOUT\"");
    runs_with(k, 1, "ROLLBACK", ok);
    runs_with(k, 1, "SELECT group_concat(v) FROM q", "\"value\":\"waiter\"");
    hang_up(k);
    comes_to_rest(of("build-a"));
}

static void idle_transactions_end(void **state)
{
    VK_UNUSED(state);
    struct socket *silent = open_socket(NULL), *k = open_socket(token_a);
    ask_open(k, 1);
    ask_open(k, 2);
    ask_open(k, 3);
    for (int i = 0; i < 3; i++)
        hears_with(k, ok);
    runs_with(k, 1, "CREATE TABLE IF NOT EXISTS r (v)", ok);
    runs_with(k, 2, "CREATE TEMP TABLE mine (v)", ok);
    runs_with(k, 1, "BEGIN IMMEDIATE", ok);
    runs_with(k, 1, "INSERT INTO r VALUES ('gone')", ok);
    runs_with(k, 3, "SELECT 1", ok);
    meanwhile m = meanwhile_from_now();
    hears(silent, "close 1008 No hello message came within 10 seconds");
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 12000));
    hang_up(silent);
    sleep(1);
    ask(k, 1, "INSERT INTO r VALUES ('outside')");
    ask(k, 1, "COMMIT");
    for (int i = 0; i < 2; i++)
        hears_with(k, "\"message\":\"The stream has expired due to inactivity\",\"code\":\"STREAM_EXPIRED\"");
    runs_with(k, 1, "SELECT count(*) FROM r", "\"value\":\"0\"");
    runs_with(k, 2, "SELECT * FROM mine", "\"STREAM_EXPIRED\"");
    runs_with(k, 2, "SELECT * FROM mine", "no such table");
    runs_with(k, 3, "SELECT 1", ok); /* had nothing to lose */
    hang_up(k);
    comes_to_rest(of("build-a"));
}

/* ---- volume ---- */

static void large_messages_keep_their_order(void **state)
{
    enum { N = 600 };
    static char sql[65536];
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    ask_open(k, 1);
    hears_with(k, ok);
    runs_with(k, 1, "CREATE TABLE l (v)", ok);
    size_t n = (size_t)snprintf(sql, sizeof sql, "INSERT INTO l VALUES (0)");
    for (int i = 1; i < N; i++)
        n += (size_t)snprintf(sql + n, sizeof sql - n, ",      (/* to make it large: %d */ %d)", i, i);
    assert_true(n > VK_HRANA_INLINE_BODY);
    ask(k, 1, sql);
    ask(k, 1, "SELECT count(*) FROM l");
    hears_with(k, "\"affected_row_count\":600");
    hears_with(k, "\"value\":\"600\"");
    /* One that is cut off while it is being parsed or run. */
    for (int i = 0; i < 10; i++) {
        struct socket *cut = open_socket(token_a);
        ask_open(cut, 1);
        ask(cut, 1, sql);
        usleep((useconds_t)i * 300);
        hang_up(cut);
    }
    hang_up(k);
    comes_to_rest(of("build-a"));
}

/* More requests than may wait: reading stops, nothing is lost. */
static void many_requests_wait(void **state)
{
    enum { N = 2000, STREAMS = 8 };
    VK_UNUSED(state);
    struct socket *k = open_socket(token_a);
    for (int i = 0; i < STREAMS; i++) {
        ask_open(k, i);
        hears_with(k, ok);
    }
    next_id = 0;
    for (int i = 0; i < N; i++)
        ask(k, i % STREAMS, "SELECT 1");
    static bool seen[N];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < N; i++) {
        const char *m = hear(k), *id = strstr(m, "\"request_id\":");
        if (!strstr(m, ok) || !id)
            fail_msg("%s", m);
        long n = strtol(id + 13, NULL, 10);
        assert_true(n >= 0 && n < N && !seen[n]);
        seen[n] = true;
    }
    hang_up(k);
    comes_to_rest(of("build-a"));
}

/* Answers that nobody reads do not pile up, and are all given in the end. */
static void unread_answers_are_bounded(void **state)
{
    enum { N = 30 };
    VK_UNUSED(state);
    vk_dbt *t = of("build-a");
    struct socket *k = open_socket(token_a);
    for (int i = 0; i < N; i++) {
        ask_open(k, i);
        hears_with(k, ok);
    }
    for (int i = 0; i < N; i++)
        ask(k, i, "SELECT hex(zeroblob(2000000))");
    size_t most = 0;
    usleep(200000);
    for (int i = 0; i < 300; i++) {
        usleep(10000);
        size_t now = atomic_load(&t->socket_bytes);
        most = now > most ? now : most;
        pthread_mutex_lock(&vk_db.mu);
        bool done = t->n_jobs == 0;
        pthread_mutex_unlock(&vk_db.mu);
        if (done)
            break;
    }
    assert_true(most > (4 << 20) && most <= VK_DB_ANSWERS_MAX);
    int whole = 0, refused = 0;
    for (int i = 0; i < N; i++) {
        const char *m = hear(k);
        whole += strstr(m, ok) != NULL;
        refused += strstr(m, "RESPONSE_TOO_LARGE") != NULL;
    }
    assert_int_equal(whole + refused, N);
    assert_true(whole >= 4 && refused > 0);
    /* One stream alone is held up, and loses nothing. */
    for (int i = 0; i < N; i++)
        ask(k, 0, "SELECT hex(zeroblob(2000000))");
    usleep(300000);
    for (int i = 0; i < N; i++)
        hears_with(k, ok);
    hang_up(k);
    comes_to_rest(t);
}

static void sockets_of_a_build_are_counted(void **state)
{
    static struct socket *k[VK_DB_SOCKETS_MAX];
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(k); i++)
        k[i] = open_socket(token_b);
    struct socket *more_than = open_socket(NULL);
    say(more_than, "{\"type\":\"hello\",\"jwt\":\"%s\"}", token_b);
    hears(more_than,
          "{\"type\":\"hello_error\",\"error\":{\"message\":\"This build has 128 WebSocket connections");
    hears(more_than, "close 1008 ");
    hang_up(more_than);
    hang_up(open_socket(token_a)); /* another build has its own */
    for (size_t i = 0; i < VK_COUNT(k); i++)
        hang_up(k[i]);
    comes_to_rest(of("build-b"));
    hang_up(open_socket(token_b));
}

/* ---- the end ---- */

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n LIMIT 1";

static void connections_are_cut_anywhere(void **state)
{
    VK_UNUSED(state);
    /* On a busy machine none of those below may get as far as this. */
    assert_int_equal(execute(token_a, "CREATE TABLE IF NOT EXISTS c (v)"), 200);
    for (int i = 0; i < 30; i++) {
        struct socket *k = open_socket(token_a);
        ask_open(k, 1);
        ask(k, 1, "CREATE TABLE IF NOT EXISTS c (v)");
        ask(k, 1, "BEGIN IMMEDIATE");
        ask(k, 1, "INSERT INTO c VALUES (1)");
        ask(k, 1,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 100000) SELECT sum(i) FROM "
            "n");
        ask(k, 1, "INSERT INTO c VALUES (1)");
        usleep((useconds_t)(i % 10) * 1000);
        if (i % 3 == 0)
            shutdown(k->fd, SHUT_WR);
        hang_up(k);
    }
    comes_to_rest(of("build-a"));
    assert_int_equal(execute(token_a, "SELECT count(*) FROM c"), 200);
    assert_has("\"value\":\"0\"");
}

/* Sockets whose messages come and come, but are never complete. */
static void messages_are_counted_as_they_come(void **state)
{
    enum { PART = 20 << 20, FULL = VK_DB_RECEIVED_MAX / (32 << 20) };
    static const char head[14] = {(char)0x81, (char)0xFF, 0,    0,
                                  0,          0,          0x01, (char)0xFF}; /* 0x01FF0000 bytes */
    static char part[PART];
    VK_UNUSED(state);
    struct socket *k[FULL + 1], *other = open_socket(token_a);
    memset(part, ' ', sizeof part);
    ask_open(other, 1);
    hears_with(other, ok);
    for (size_t i = 0; i < VK_COUNT(k); i++) {
        k[i] = open_socket(token_b);
        push(k[i], head, sizeof head);
        if (i < FULL)
            push(k[i], part, sizeof part);
    }
    vk_dbt *t = of("build-b");
    for (int i = 0; atomic_load(&t->received) < (size_t)FULL * PART && i < 5000; i++)
        usleep(1000);
    assert_in_range(atomic_load(&t->received), (size_t)FULL * PART, VK_DB_RECEIVED_MAX);
    push(k[FULL], part, 1 << 20);
    hears(k[FULL], "close 1013 Too much is being sent for this build at once; try again");
    /* Other builds and small messages are served; what ends gives its share back. */
    runs_with(other, 1, "SELECT 1", ok);
    struct socket *small = open_socket(token_b);
    ask_open(small, 1);
    hears_with(small, ok);
    runs_with(small, 1, "SELECT 1", ok);
    hang_up(k[0]);
    hang_up(k[FULL]);
    for (int i = 0; atomic_load(&t->received) > VK_DB_RECEIVED_MAX - (32 << 20) && i < 5000; i++)
        usleep(1000);
    size_t n = (2 << 20) - 1000;
    say(small,
        "{\"type\":\"request\",\"request_id\":%d,\"request\":{\"type\":\"execute\",\"stream_id\":1,\"stmt\":{"
        "\"sql\":\"SELECT 77 %*s\"}}}",
        next_id++, (int)n, "");
    hears_with(small, "77");
    for (int i = 1; i < FULL; i++)
        hang_up(k[i]);
    hang_up(small);
    hang_up(other);
    comes_to_rest(t);
    assert_int_equal(atomic_load(&t->received), 0);
}

static bool build_rests(vk_dbt *t, int64_t ms)
{
    uint32_t n = 1;
    for (int64_t begun = vk_clock_mono_ms(); n && vk_clock_mono_ms() - begun < ms; usleep(1000)) {
        pthread_mutex_lock(&vk_db.mu);
        n = t->running + t->n_jobs + t->sockets;
        pthread_mutex_unlock(&vk_db.mu);
    }
    return n == 0;
}

/* What runs for a socket that has gone is interrupted, also when so much waits that the socket is not read.
 */
static void statements_end_with_their_socket(void **state)
{
    static const int waiting[] = {1, VK_SOCKET_WAITING_MAX + 20};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(waiting); i++) {
        struct socket *k = open_socket(token_a);
        ask_open(k, 1);
        hears_with(k, ok);
        runs_with(k, 1, "CREATE TABLE IF NOT EXISTS gone (v)", ok);
        runs_with(k, 1, "INSERT INTO gone VALUES (1)", ok);
        ask(k, 1, endless);
        for (int more = 1; more < waiting[i]; more++)
            ask(k, 1, "INSERT INTO gone VALUES (2)");
        usleep(200000);
        vk_dbt *t = of("build-a");
        pthread_mutex_lock(&vk_db.mu);
        uint32_t n = t->running;
        pthread_mutex_unlock(&vk_db.mu);
        assert_int_equal(n, 1);
        hang_up(k);
        assert_true(build_rests(of("build-a"), 1000));
    }
    comes_to_rest(of("build-a"));
    assert_int_equal(execute(token_a, "SELECT group_concat(v) FROM gone"), 200);
    assert_has("\"value\":\"1,1\"");
}

struct flag {
    _Atomic bool up;
};

static void told(void *arg)
{
    atomic_store(&((struct flag *)arg)->up, true);
}

static void revocation_closes_sockets(void **state)
{
    struct flag done = {0};
    VK_UNUSED(state);
    struct socket *idle = open_socket(token_a), *open = open_socket(token_a), *running = open_socket(token_a),
                  *waiting = open_socket(token_a), *other = open_socket(token_b);
    struct socket *const all[] = {open, running, waiting, other};
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        ask_open(all[i], 1);
        hears_with(all[i], ok);
    }
    runs_with(open, 1, "CREATE TABLE IF NOT EXISTS z (v)", ok);
    runs_with(open, 1, "BEGIN IMMEDIATE", ok);
    ask(running, 1, endless);
    ask(waiting, 1, "INSERT INTO z VALUES (1)");
    usleep(200000);
    assert_int_equal(rt.store->ops->build_revoke(rt.store, VK_STR("build-a"), vk_clock_wall_ms()), VK_OK);
    vk_registry_forget(&rt.registry, VK_STR("build-a"), true, NULL);
    meanwhile m = meanwhile_from_now();
    vk_db_close_build("build-a", told, &done);
    hears(idle, "close 1008 ");
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 1000));
    hears(open, "close 1008 ");
    hears(waiting, "{\"type\":\"response_error\"");
    hears(waiting, "close 1008 ");
    hears(running, "{\"type\":\"response_error\"");
    hears(running, "close 1008 ");
    for (int i = 0; i < 3000 && !atomic_load(&done.up); i++)
        usleep(1000);
    assert_true(atomic_load(&done.up));
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 3000));
    hang_up(idle);
    hang_up(open);
    hang_up(waiting);
    hang_up(running);
    runs_with(other, 1, "SELECT 1", ok);
    hang_up(other);
    struct socket *k = open_socket(NULL);
    say(k, "{\"type\":\"hello\",\"jwt\":\"%s\"}", token_a);
    hears(k, "{\"type\":\"hello_error\"");
    hang_up(k);
}

/* The last one: tear_down closes the server, while these have their requests under way. */
static void some_stay_open(void **state)
{
    VK_UNUSED(state);
    struct socket *idle = open_socket(token_b), *open = open_socket(token_b), *running = open_socket(token_b);
    ask_open(open, 1);
    hears_with(open, ok);
    runs_with(open, 1, "BEGIN IMMEDIATE", ok);
    ask_open(running, 1);
    hears_with(running, ok);
    ask(running, 1,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 3000000) SELECT sum(i) FROM n");
    usleep(50000);
    free(idle->in);
    free(idle);
    free(open->in);
    free(open);
    free(running->in);
    free(running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_session),
        cmocka_unit_test(handshakes_choose_a_protocol),
        cmocka_unit_test(protocol_errors_close),
        cmocka_unit_test(hello_again),
        cmocka_unit_test(one_stream_runs_in_order),
        cmocka_unit_test(streams_run_side_by_side),
        cmocka_unit_test(streams_are_counted),
        cmocka_unit_test(texts_are_the_connections),
        cmocka_unit_test(the_turn_is_taken),
        cmocka_unit_test(idle_transactions_end),
        cmocka_unit_test(large_messages_keep_their_order),
        cmocka_unit_test(many_requests_wait),
        cmocka_unit_test(unread_answers_are_bounded),
        cmocka_unit_test(sockets_of_a_build_are_counted),
        cmocka_unit_test(connections_are_cut_anywhere),
        cmocka_unit_test(statements_end_with_their_socket),
        cmocka_unit_test(messages_are_counted_as_they_come),
        cmocka_unit_test(revocation_closes_sockets),
        cmocka_unit_test(some_stay_open),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
