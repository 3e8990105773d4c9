/* payments.db: what is written comes back, also after closing and opening; lists go along an index; parts of
 * a transaction; little memory, a full disk, a sync that fails. */
#include "core/test_alloc.h"

#include "services/payments/embedded/inside.h"
#include "services/payments/embedded/schema.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/test_meanwhile.h"
#include "store/store.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/vk-pay-db-XXXXXX", path[64];
static vk_pay_db *db;
static vk_arena *a;

/* ---- a disk that fails: SQLite's own writes and syncs come by here */

static bool disk_full, no_sync;

static ssize_t full_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (disk_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, p, n, at);
}

int fdatasync(int fd)
{
    if (no_sync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (no_sync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* ---- */

static void outside(const char *text)
{
    sqlite3 *other;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void again(void)
{
    vk_pay_db_close(db);
    db = NULL;
    assert_int_equal(vk_pay_db_open(path, "b1", &db), VK_OK);
}

static void begin(void)
{
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
}

static void end(void)
{
    assert_int_equal(vk_pay_db_end(db), VK_OK);
}

static int64_t number(const char *text)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db->db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static vk_pay_row doc(const char *kind, const char *id, int64_t created, const char *body)
{
    return (vk_pay_row){
        .id = vk_str_z(id), .kind = vk_str_z(kind), .created = created, .body = vk_str_z(body)};
}

static vk_err put(const char *kind, const char *id, int64_t created, const char *body, const char *name,
                  const char *value)
{
    vk_pay_row row = doc(kind, id, created, body);
    vk_pay_key key = {name, vk_str_z(value)};
    return vk_pay_doc_put(db, &row, &key, name ? 1 : 0);
}

static vk_err there(const char *id)
{
    vk_pay_row row;
    return vk_pay_doc_get(db, a, vk_str_z(id), &row);
}

/* ---- documents */

static void documents(void **state)
{
    VK_UNUSED(state);
    vk_pay_row got, row = doc("customer", "cus_1", 100, "{\"id\":\"cus_1\"}");
    assert_int_equal(there("cus_1"), VK_E_NOT_FOUND);
    begin();
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    assert_int_equal(row.seq, 1);
    vk_pay_row other = doc("customer", "cus_2", 100, "");
    assert_int_equal(vk_pay_doc_put(db, &other, NULL, 0), VK_OK);
    assert_int_equal(other.seq, 2);
    end();
    again();
    assert_int_equal(vk_pay_doc_get(db, a, VK_STR("cus_1"), &got), VK_OK);
    assert_true(got.seq == 1 && got.created == 100 && !got.deleted);
    assert_true(vk_str_eqz(got.id, "cus_1") && vk_str_eqz(got.kind, "customer"));
    assert_true(vk_str_eqz(got.body, "{\"id\":\"cus_1\"}"));
    assert_int_equal(vk_pay_doc_get(db, a, VK_STR("cus_2"), &got), VK_OK);
    assert_true(got.body.p && got.body.n == 0);
    /* Again, as new and as known: the same place, the first time. */
    begin();
    row = doc("customer", "cus_1", 777, "{\"a\":1}");
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    assert_int_equal(row.seq, 1);
    row.body = VK_STR("{\"a\":2}");
    row.deleted = true;
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    assert_int_equal(row.seq, 1);
    vk_pay_row wrong = doc("product", "cus_1", 1, "{}");
    assert_int_equal(vk_pay_doc_put(db, &wrong, NULL, 0), VK_E_CONFLICT);
    end();
    assert_int_equal(vk_pay_doc_get(db, a, VK_STR("cus_1"), &got), VK_OK);
    assert_true(got.deleted && got.created == 100 && vk_str_eqz(got.body, "{\"a\":2}"));
    begin();
    assert_int_equal(vk_pay_doc_del(db, VK_STR("cus_1")), VK_OK);
    assert_int_equal(vk_pay_doc_del(db, VK_STR("cus_1")), VK_E_NOT_FOUND);
    assert_int_equal(there("cus_1"), VK_E_NOT_FOUND);
    /* It went since it was read. */
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    end();
    assert_int_equal(there("cus_1"), VK_OK);
}

static void what_is_too_large(void **state)
{
    VK_UNUSED(state);
    static char text[VK_PAY_DOC_MAX + 1];
    memset(text, 'x', sizeof text);
    vk_pay_row row = doc("customer", "cus_1", 1, "{}"), got;
    vk_pay_key keys[VK_PAY_DOC_KEYS_MAX + 1];
    row.body = (vk_str){text, sizeof text};
    begin();
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_E_TOO_LARGE);
    row.body.n--;
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    assert_int_equal(vk_pay_doc_get(db, a, VK_STR("cus_1"), &got), VK_OK);
    assert_true(vk_str_eq(got.body, row.body));
    for (size_t i = 0; i < VK_COUNT(keys); i++)
        keys[i] = (vk_pay_key){"price", vk_arena_printf(a, "price_%zu", i)};
    assert_int_equal(vk_pay_doc_put(db, &row, keys, VK_COUNT(keys)), VK_E_TOO_LARGE);
    assert_int_equal(vk_pay_doc_put(db, &row, keys, VK_COUNT(keys) - 1), VK_OK);
    keys[0].value = (vk_str){text, VK_PAY_KEY_VALUE_MAX + 1};
    assert_int_equal(vk_pay_doc_put(db, &row, keys, 1), VK_E_TOO_LARGE);
    keys[0].value.n--;
    assert_int_equal(vk_pay_doc_put(db, &row, keys, 1), VK_OK);
    vk_pay_idem answer = {.status = 200, .body = {text, VK_PAY_ANSWER_MAX + 1}, .request_id = VK_STR("r")};
    assert_int_equal(vk_pay_idem_put(db, VK_STR("k"), 1, &answer), VK_E_TOO_LARGE);
    vk_pay_delivery d = {.event = VK_STR("e"),
                         .endpoint = VK_STR("w"),
                         .url = VK_STR("u"),
                         .body = {text, VK_PAY_ANSWER_MAX + 1}};
    int64_t id;
    assert_int_equal(vk_pay_delivery_add(db, &d, &id), VK_E_TOO_LARGE);
    end();
}

/* ---- lists */

typedef struct shown {
    char ids[4096];
    int left;
} shown;

static bool show(void *arg, const vk_pay_row *row)
{
    shown *s = arg;
    size_t n = strlen(s->ids);
    vk_pay_row same;
    assert_int_equal(vk_pay_doc_get(db, a, row->id, &same), VK_OK); /* may be read meanwhile */
    assert_true(same.seq == row->seq && vk_str_eq(same.body, row->body) && same.deleted == row->deleted);
    snprintf(s->ids + n, sizeof s->ids - n, "%s" VK_STR_FMT, n ? " " : "", VK_STR_ARG(row->id));
    return --s->left > 0;
}

static void listed(const vk_pay_ask *ask, int most, const char *want)
{
    shown s = {.left = most};
    assert_int_equal(vk_pay_doc_list(db, ask, show, &s), VK_OK);
    assert_string_equal(s.ids, want);
}

static void lists(void **state)
{
    VK_UNUSED(state);
    begin();
    /* seq 1 … 6; three in one second, and one from when the clock was behind */
    static const int64_t at[] = {10, 20, 20, 20, 15, 30};
    for (int i = 0; i < 6; i++) {
        vk_str id = vk_arena_printf(a, "c%d", i + 1);
        vk_pay_row row = doc("customer", id.p, at[i], "{}");
        vk_pay_key keys[] = {{"email", i % 2 ? VK_STR("odd@x") : VK_STR("even@x")},
                             {"tag", i < 3 ? VK_STR("low") : VK_STR("high")},
                             {"tag", i == 2 ? VK_STR("high") : VK_STR_NONE}, /* two of one name */
                             {"tag", i == 2 ? VK_STR("high") : VK_STR_NONE}, /* and one twice */
                             {"only", vk_str_z(id.p)}};
        assert_int_equal(vk_pay_doc_put(db, &row, keys, VK_COUNT(keys)), VK_OK);
    }
    assert_int_equal(put("product", "p1", 20, "{}", "email", "odd@x"), VK_OK); /* of another kind */
    end();
    again();
    vk_pay_ask ask = {.kind = "customer"};
    listed(&ask, 10, "c6 c4 c3 c2 c5 c1");
    listed(&ask, 3, "c6 c4 c3");
    ask.oldest_first = true;
    listed(&ask, 10, "c1 c5 c2 c3 c4 c6");
    listed(&ask, 2, "c1 c5");
    ask = (vk_pay_ask){.kind = "customer", .after = 3};
    listed(&ask, 10, "c2 c5 c1");
    ask = (vk_pay_ask){.kind = "customer", .before = 2};
    listed(&ask, 10, "c6 c4 c3");
    ask.oldest_first = true; /* the page just before */
    listed(&ask, 2, "c3 c4");
    ask = (vk_pay_ask){.kind = "customer", .after = 6, .before = 5};
    listed(&ask, 10, "c4 c3 c2");
    ask = (vk_pay_ask){.kind = "customer", .created_from = 15, .created_to = 20};
    listed(&ask, 10, "c4 c3 c2 c5");
    ask = (vk_pay_ask){.kind = "customer", .created_from = 16, .created_to = 29};
    listed(&ask, 10, "c4 c3 c2");
    ask.after = 4;
    ask.before = 2;
    listed(&ask, 10, "c3");
    ask = (vk_pay_ask){.kind = "customer", .created_to = 9};
    listed(&ask, 10, "");
    ask = (vk_pay_ask){.kind = "customer", .created_from = 31};
    listed(&ask, 10, "");
    ask = (vk_pay_ask){.kind = "coupon"};
    listed(&ask, 10, "");

    ask = (vk_pay_ask){.kind = "customer", .keys = {{"email", VK_STR("odd@x")}}, .n_keys = 1};
    listed(&ask, 10, "c6 c4 c2");
    ask.keys[1] = (vk_pay_key){"tag", VK_STR("high")};
    ask.n_keys = 2;
    listed(&ask, 10, "c6 c4");
    ask.keys[2] = (vk_pay_key){"only", VK_STR("c4")};
    ask.n_keys = 3;
    listed(&ask, 10, "c4");
    ask.keys[2].value = VK_STR("c3");
    listed(&ask, 10, "");
    ask.n_keys = 2;
    ask.created_from = 25;
    listed(&ask, 10, "c6");
    ask.keys[0].value = VK_STR("ODD@x");
    listed(&ask, 10, "");

    const vk_str any[] = {VK_STR("low"), VK_STR("high"), VK_STR("none"), VK_STR("high")};
    ask = (vk_pay_ask){.kind = "customer", .keys = {{.name = "tag"}}, .n_keys = 1, .any = any, .n_any = 4};
    listed(&ask, 10, "c6 c4 c3 c2 c5 c1"); /* c3 has both, and comes once */
    listed(&ask, 4, "c6 c4 c3 c2");
    ask.oldest_first = true;
    listed(&ask, 10, "c1 c5 c2 c3 c4 c6");
    ask.after = 3;
    listed(&ask, 10, "c1 c5 c2");
    ask.after = 0;
    ask.oldest_first = false;
    ask.keys[1] = (vk_pay_key){"email", VK_STR("even@x")};
    ask.n_keys = 2;
    listed(&ask, 10, "c3 c5 c1");
    ask.keys[1] = (vk_pay_key){"only", VK_STR("c3")}; /* goes along this one, and asks for any of those */
    listed(&ask, 10, "c3");
    ask.any = any + 2;
    ask.n_any = 1;
    listed(&ask, 10, "");

    shown s = {.left = 10};
    ask = (vk_pay_ask){.kind = "customer", .after = 99};
    assert_int_equal(vk_pay_doc_list(db, &ask, show, &s), VK_E_NOT_FOUND);
    ask = (vk_pay_ask){.kind = "customer", .before = 99};
    assert_int_equal(vk_pay_doc_list(db, &ask, show, &s), VK_E_NOT_FOUND);
    ask = (vk_pay_ask){.kind = "customer", .n_keys = VK_PAY_ASK_KEYS_MAX + 1};
    assert_int_equal(vk_pay_doc_list(db, &ask, show, &s), VK_E_TOO_LARGE);
    ask = (vk_pay_ask){.kind = "customer", .n_keys = 1, .any = any, .n_any = VK_PAY_ANY_MAX + 1};
    assert_int_equal(vk_pay_doc_list(db, &ask, show, &s), VK_E_TOO_LARGE);
    int64_t n;
    assert_int_equal(vk_pay_doc_count(db, "customer", &n), VK_OK);
    assert_int_equal(n, 6);
    assert_int_equal(vk_pay_doc_count(db, "coupon", &n), VK_OK);
    assert_int_equal(n, 0);
}

/* As many values as there may be: not all of these statements are kept. */
static void any_of_many(void **state)
{
    VK_UNUSED(state);
    vk_str any[VK_PAY_ANY_MAX];
    char want[4096] = "";
    begin();
    for (int i = 0; i < VK_PAY_ANY_MAX; i++) {
        any[i] = vk_arena_printf(a, "v%d", i);
        assert_int_equal(put("price", vk_arena_printf(a, "p%d", i).p, 5, "{}", "lookup_key", any[i].p),
                         VK_OK);
        size_t n = strlen(want);
        snprintf(want + n, sizeof want - n, "%sp%d", n ? " " : "", i);
    }
    end();
    vk_pay_ask ask = {.kind = "price",
                      .keys = {{.name = "lookup_key"}},
                      .n_keys = 1,
                      .any = any,
                      .n_any = VK_PAY_ANY_MAX,
                      .oldest_first = true};
    for (int i = 0; i < 2; i++)
        listed(&ask, VK_PAY_ANY_MAX, want);
    assert_non_null(db->ways[1][VK_PAY_WAYS_KEPT - 1]);
    assert_null(db->ways[1][VK_PAY_WAYS_KEPT]);
}

static int rows_of_keys(void)
{
    return (int)number("SELECT count(*) FROM keys WHERE name <> ''");
}

static void deleted_ones(void **state)
{
    VK_UNUSED(state);
    begin();
    for (int i = 1; i <= 4; i++) {
        vk_pay_row row = doc("product", vk_arena_printf(a, "p%d", i).p, i, "{}");
        vk_pay_key key = {"active", VK_STR("true")};
        assert_int_equal(vk_pay_doc_put(db, &row, &key, 1), VK_OK);
        if (i % 2) {
            row.deleted = true;
            assert_int_equal(vk_pay_doc_put(db, &row, &key, 1), VK_OK);
        }
    }
    end();
    vk_pay_ask ask = {.kind = "product"};
    listed(&ask, 10, "p4 p2");
    ask.deleted = true;
    listed(&ask, 10, "p4 p3 p2 p1");
    ask.oldest_first = true;
    listed(&ask, 3, "p1 p2 p3");
    ask = (vk_pay_ask){.kind = "product", .after = 3};
    listed(&ask, 10, "p2");
    ask = (vk_pay_ask){.kind = "product", .keys = {{"active", VK_STR("true")}}, .n_keys = 1};
    listed(&ask, 10, "p4 p2");
    int64_t n;
    assert_int_equal(vk_pay_doc_count(db, "product", &n), VK_OK);
    assert_int_equal(n, 2);
    assert_int_equal(rows_of_keys(), 2);
}

static void only_keys_that_changed(void **state)
{
    VK_UNUSED(state);
    vk_pay_row row = doc("customer", "cus_1", 7, "{}");
    vk_pay_key one[] = {{"email", VK_STR("a@x")}, {"phone", VK_STR("1")}},
               two[] = {{"phone", VK_STR("1")}, {"email", VK_STR("b@x")}};
    begin();
    assert_int_equal(vk_pay_doc_put(db, &row, one, 2), VK_OK);
    int before = sqlite3_total_changes(db->db);
    assert_int_equal(vk_pay_doc_put(db, &row, one, 2), VK_OK);
    assert_int_equal(sqlite3_total_changes(db->db) - before, 1); /* the row alone */
    before = sqlite3_total_changes(db->db);
    assert_int_equal(vk_pay_doc_put(db, &row, two, 2), VK_OK);
    assert_int_equal(sqlite3_total_changes(db->db) - before, 3);
    end();
    vk_pay_ask ask = {.kind = "customer", .keys = {{"email", VK_STR("a@x")}}, .n_keys = 1};
    listed(&ask, 10, "");
    ask.keys[0].value = VK_STR("b@x");
    listed(&ask, 10, "cus_1");
    assert_int_equal(rows_of_keys(), 2);
    begin();
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    assert_int_equal(rows_of_keys(), 0);
    assert_int_equal(vk_pay_doc_put(db, &row, two, 2), VK_OK);
    assert_int_equal(vk_pay_doc_del(db, VK_STR("cus_1")), VK_OK);
    assert_int_equal(rows_of_keys(), 0);
    end();
}

static bool count_one(void *arg, const vk_pay_row *row)
{
    VK_UNUSED(row);
    return --*(int *)arg > 0;
}

/* A page of many documents is as fast as one of few, wherever it is and whatever it asks for. */
static void a_hundred_thousand(void **state)
{
    VK_UNUSED(state);
    enum { N = 100000 };
    char id[32], email[32];
    for (int i = 0; i < N; i++) {
        if (i % 10000 == 0)
            begin();
        snprintf(id, sizeof id, "cus_%06d", i);
        snprintf(email, sizeof email, "%d@x", i % 20000);
        vk_pay_row row = doc("customer", id, 1000 + i / 100, "{\"id\":\"…\",\"object\":\"customer\"}");
        vk_pay_key keys[] = {{"email", vk_str_z(email)}, {"active", VK_STR("true")}};
        assert_int_equal(vk_pay_doc_put(db, &row, keys, 2), VK_OK);
        if (i % 10000 == 9999)
            end();
    }
    const vk_str any[] = {VK_STR("17@x"), VK_STR("18@x"), VK_STR("nobody@x")};
    const vk_pay_ask asks[] = {
        {.kind = "customer"},
        {.kind = "customer", .after = N / 2},
        {.kind = "customer", .before = N / 2, .oldest_first = true},
        {.kind = "customer", .created_to = 1010},
        {.kind = "customer", .created_from = 1000 + N / 100 - 1},
        {.kind = "customer", .created_from = 1500, .created_to = 1500, .after = 50050},
        {.kind = "customer", .keys = {{"active", VK_STR("true")}}, .n_keys = 1, .created_to = 1010},
        {.kind = "customer",
         .keys = {{"active", VK_STR("true")}},
         .n_keys = 1,
         .created_from = 1000 + N / 100 - 1},
        {.kind = "customer", .keys = {{"active", VK_STR("true")}}, .n_keys = 1, .after = 500},
        {.kind = "customer", .keys = {{"active", VK_STR("true")}, {"email", VK_STR("17@x")}}, .n_keys = 2},
        {.kind = "customer", .keys = {{"active", VK_STR("false")}}, .n_keys = 1},
        {.kind = "customer", .keys = {{"email", VK_STR("17@x")}}, .n_keys = 1, .any = any, .n_any = 3},
    };
    for (size_t i = 0; i < VK_COUNT(asks); i++) {
        int64_t best = INT64_MAX;
        for (int round = 0; round < 20; round++) {
            int left = 10;
            int64_t began = vk_clock_mono_ns();
            assert_int_equal(vk_pay_doc_list(db, &asks[i], count_one, &left), VK_OK);
            int64_t took = vk_clock_mono_ns() - began;
            best = took < best ? took : best;
        }
        if (best > 1000000)
            fail_msg("list %zu takes %lld us", i, (long long)best / 1000);
        print_message("list %zu: %lld us\n", i, (long long)best / 1000);
    }
}

/* No statement looks at all rows or sorts, but the ones named. */
static void every_statement_has_an_index(void **state)
{
    VK_UNUSED(state);
    int looked = 0;
    for (int q = 0; q < VK_PAY_QS + 2; q++) {
        const char *sql = q < VK_PAY_QS ? vk_pay_sql[q] : vk_pay_ways_sql[q - VK_PAY_QS];
        sqlite3_stmt *st;
        assert_non_null(sql);
        if (strncmp(sql, "PRAGMA", 6) == 0)
            continue;
        vk_str text = vk_arena_printf(a, "EXPLAIN QUERY PLAN %s", sql);
        assert_int_equal(sqlite3_prepare_v2(db->db, text.p, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(st, 3);
            looked++;
            if (strstr(plan, "TEMP B-TREE"))
                fail_msg("%s: %s", sql, plan);
            /* In the order of the rows themselves, and bounded by a LIMIT; or asked for by whoever lists */
            if (strstr(plan, "SCAN") && q != VK_PAY_Q_DELIVERIES && q != VK_PAY_Q_TIDY_IDEM &&
                q != VK_PAY_Q_TIDY_BODIES && !strstr(plan, "CONSTANT ROW") && !strstr(plan, "SCAN (subquery"))
                fail_msg("%s: %s", sql, plan);
            /* The bounds are part of the search, with both of their halves. */
            if (q >= VK_PAY_QS && !strstr(plan, "(created,seq)>(?,?) AND (created,seq)<(?,?)"))
                fail_msg("%s: %s", sql, plan);
        }
        sqlite3_finalize(st);
    }
    assert_true(looked > 20);
}

/* ---- idempotent answers, settings */

static void idempotent(void **state)
{
    VK_UNUSED(state);
    vk_pay_idem v = {.hash = {1, 0, 3}, .status = 402, .body = VK_STR("{}"), .request_id = VK_STR("req_1")},
                got;
    begin();
    assert_int_equal(vk_pay_idem_put(db, VK_STR("k"), 1000, &v), VK_OK);
    end();
    again();
    assert_int_equal(vk_pay_idem_get(db, a, VK_STR("k"), 1001, &got), VK_OK);
    assert_memory_equal(got.hash, v.hash, sizeof v.hash);
    assert_int_equal(got.status, 402);
    assert_true(vk_str_eqz(got.body, "{}") && vk_str_eqz(got.request_id, "req_1"));
    assert_int_equal(vk_pay_idem_get(db, a, VK_STR("K"), 1001, &got), VK_E_NOT_FOUND);
    assert_int_equal(vk_pay_idem_get(db, a, VK_STR("k"), 1000 + VK_PAY_IDEMPOTENT_MS - 1, &got), VK_OK);
    assert_int_equal(vk_pay_idem_get(db, a, VK_STR("k"), 1000 + VK_PAY_IDEMPOTENT_MS, &got), VK_E_NOT_FOUND);
    v.status = 200;
    begin();
    assert_int_equal(vk_pay_idem_put(db, VK_STR("k"), 2000 + VK_PAY_IDEMPOTENT_MS, &v), VK_OK);
    end();
    assert_int_equal(vk_pay_idem_get(db, a, VK_STR("k"), 2000 + VK_PAY_IDEMPOTENT_MS, &got), VK_OK);
    assert_int_equal(got.status, 200);
    assert_int_equal(number("SELECT count(*) FROM idempotent"), 1);
}

static void settings(void **state)
{
    VK_UNUSED(state);
    vk_str got;
    assert_int_equal(vk_pay_setting(db, a, "version", &got), VK_E_NOT_FOUND);
    begin();
    assert_int_equal(vk_pay_set(db, "version", VK_STR("2026-10-28.endive")), VK_OK);
    assert_int_equal(vk_pay_set(db, "empty", VK_STR("")), VK_OK);
    end();
    again();
    assert_int_equal(vk_pay_setting(db, a, "version", &got), VK_OK);
    assert_true(vk_str_eqz(got, "2026-10-28.endive"));
    assert_int_equal(vk_pay_setting(db, a, "empty", &got), VK_OK);
    assert_true(got.p && got.n == 0);
}

/* ---- deliveries, what is due */

static vk_pay_delivery delivery(const char *event, int64_t due)
{
    return (vk_pay_delivery){.event = vk_str_z(event),
                             .endpoint = VK_STR("default"),
                             .url = VK_STR("http://127.0.0.1:3000/api/webhooks/stripe"),
                             .body = VK_STR("{\"exact\": \"bytes\"}"),
                             .created_ms = 1000,
                             .due_ms = due};
}

static bool note_delivery(void *arg, const vk_pay_delivery *d)
{
    shown *s = arg;
    size_t n = strlen(s->ids);
    snprintf(s->ids + n, sizeof s->ids - n, "%s%lld:" VK_STR_FMT "%s", n ? " " : "", (long long)d->id,
             VK_STR_ARG(d->event), d->body.p ? "" : "-");
    return --s->left > 0;
}

static bool note_id(void *arg, vk_str id)
{
    shown *s = arg;
    size_t n = strlen(s->ids);
    snprintf(s->ids + n, sizeof s->ids - n, "%s" VK_STR_FMT, n ? " " : "", VK_STR_ARG(id));
    return --s->left > 0;
}

static void deliveries(void **state)
{
    VK_UNUSED(state);
    vk_pay_delivery d = delivery("evt_1", 50), e = delivery("evt_1", 40), f = delivery("evt_2", 60), got;
    int64_t id[3], n;
    begin();
    assert_int_equal(vk_pay_delivery_add(db, &d, &id[0]), VK_OK);
    assert_int_equal(vk_pay_delivery_add(db, &e, &id[1]), VK_OK);
    assert_int_equal(vk_pay_delivery_add(db, &f, &id[2]), VK_OK);
    end();
    again();
    assert_int_equal(vk_pay_delivery_get(db, a, id[0], &got), VK_OK);
    assert_true(vk_str_eq(got.event, d.event) && vk_str_eq(got.endpoint, d.endpoint) &&
                vk_str_eq(got.url, d.url) && vk_str_eq(got.body, d.body) && !got.note.p);
    assert_true(got.id == id[0] && got.created_ms == 1000 && got.due_ms == 50 && got.tries == 0 &&
                got.status == 0 && !got.delivered);
    assert_int_equal(vk_pay_delivery_get(db, a, 99, &got), VK_E_NOT_FOUND);
    shown s = {.left = 10};
    assert_int_equal(vk_pay_delivery_due(db, 50, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "2:evt_1 1:evt_1");
    s = (shown){.left = 1};
    assert_int_equal(vk_pay_delivery_due(db, 60, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "2:evt_1");
    assert_int_equal(vk_pay_delivery_pending(db, VK_STR("evt_1"), &n), VK_OK);
    assert_int_equal(n, 2);
    assert_int_equal(vk_pay_next_due(db, &n), VK_OK);
    assert_int_equal(n, 40);
    begin();
    e.id = id[1];
    e.body = VK_STR_NONE; /* stays */
    e.due_ms = 0;
    e.tries = 3;
    e.status = 200;
    e.note = VK_STR("ok");
    e.delivered = true;
    assert_int_equal(vk_pay_delivery_set(db, &e), VK_OK);
    d.id = 99;
    assert_int_equal(vk_pay_delivery_set(db, &d), VK_E_NOT_FOUND);
    end();
    again();
    assert_int_equal(vk_pay_delivery_get(db, a, id[1], &got), VK_OK);
    assert_true(got.due_ms == 0 && got.tries == 3 && got.status == 200 && got.delivered);
    assert_true(vk_str_eqz(got.note, "ok") && vk_str_eq(got.body, d.body));
    assert_int_equal(vk_pay_delivery_pending(db, VK_STR("evt_1"), &n), VK_OK);
    assert_int_equal(n, 1);
    s = (shown){.left = 10};
    assert_int_equal(vk_pay_delivery_due(db, 1000, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "1:evt_1 3:evt_2");
    s = (shown){.left = 10};
    assert_int_equal(vk_pay_delivery_list(db, VK_STR("evt_1"), note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "1:evt_1 2:evt_1");
    s = (shown){.left = 2};
    assert_int_equal(vk_pay_delivery_list(db, VK_STR_NONE, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "3:evt_2 2:evt_1");
}

static void what_is_due(void **state)
{
    VK_UNUSED(state);
    int64_t at;
    assert_int_equal(vk_pay_next_due(db, &at), VK_OK);
    assert_true(at == INT64_MAX);
    begin();
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_1"), 300), VK_OK);
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_2"), 200), VK_OK);
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_3"), 100), VK_OK);
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_3"), 250), VK_OK); /* another time */
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_4"), 0), VK_OK);
    end();
    again();
    shown s = {.left = 10};
    assert_int_equal(vk_pay_due_list(db, 250, note_id, &s), VK_OK);
    assert_string_equal(s.ids, "cs_2 cs_3");
    s = (shown){.left = 1};
    assert_int_equal(vk_pay_due_list(db, 300, note_id, &s), VK_OK);
    assert_string_equal(s.ids, "cs_2");
    vk_pay_delivery d = delivery("evt_1", 150);
    int64_t id;
    assert_int_equal(vk_pay_next_due(db, &at), VK_OK);
    assert_int_equal(at, 200);
    begin();
    assert_int_equal(vk_pay_delivery_add(db, &d, &id), VK_OK);
    end();
    assert_int_equal(vk_pay_next_due(db, &at), VK_OK);
    assert_int_equal(at, 150);
    begin();
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_2"), 0), VK_OK);
    assert_int_equal(vk_pay_due_put(db, VK_STR("cs_3"), 0), VK_OK);
    d.id = id;
    d.due_ms = 0;
    assert_int_equal(vk_pay_delivery_set(db, &d), VK_OK);
    end();
    assert_int_equal(vk_pay_next_due(db, &at), VK_OK);
    assert_int_equal(at, 300);
}

static void tidies(void **state)
{
    VK_UNUSED(state);
    const int64_t day = 86400000, now = 100 * day;
    const int events = VK_PAY_TIDY_STEP + 50;
    vk_pay_idem v = {.status = 200, .body = VK_STR("{}"), .request_id = VK_STR("req_1")}, got;
    int64_t id;
    bool more = false;
    begin();
    for (int i = 0; i < events; i++) {
        char name[32];
        snprintf(name, sizeof name, "evt_%d", i);
        assert_int_equal(put("event", name, (now - 30 * day) / 1000, "{}", "type", "x.created"), VK_OK);
        vk_pay_delivery d = delivery(name, i % 2);
        d.created_ms = now - 30 * day;
        assert_int_equal(vk_pay_delivery_add(db, &d, &id), VK_OK);
    }
    assert_int_equal(put("event", "evt_kept", (now - 30 * day) / 1000 + 1, "{}", "type", "x.created"), VK_OK);
    assert_int_equal(put("customer", "cus_old", 1, "{}", "email", "a@x"), VK_OK);
    vk_pay_delivery settled = delivery("evt_kept", 0), pending = delivery("evt_kept", 1), fresh = settled;
    settled.created_ms = pending.created_ms = now - VK_PAY_BODIES_DAYS * day;
    fresh.created_ms = now - VK_PAY_BODIES_DAYS * day + 1;
    assert_int_equal(vk_pay_delivery_add(db, &settled, &settled.id), VK_OK);
    assert_int_equal(vk_pay_delivery_add(db, &pending, &pending.id), VK_OK);
    assert_int_equal(vk_pay_delivery_add(db, &fresh, &fresh.id), VK_OK);
    assert_int_equal(vk_pay_idem_put(db, VK_STR("old"), now - VK_PAY_IDEMPOTENT_MS, &v), VK_OK);
    assert_int_equal(vk_pay_idem_put(db, VK_STR("young"), now - VK_PAY_IDEMPOTENT_MS + 1, &v), VK_OK);
    assert_int_equal(vk_pay_idem_put(db, VK_STR("far ahead"), now + VK_PAY_IDEMPOTENT_MS + 1, &v), VK_OK);
    end();
    begin();
    assert_int_equal(vk_pay_tidy(db, now, &more), VK_OK);
    end();
    assert_true(more);
    assert_int_equal(number("SELECT count(*) FROM documents WHERE kind = 'event'"),
                     1 + events - VK_PAY_TIDY_STEP);
    for (int i = 0; more && i < 10; i++) {
        begin();
        assert_int_equal(vk_pay_tidy(db, now, &more), VK_OK);
        end();
    }
    assert_false(more);
    assert_int_equal(number("SELECT count(*) FROM documents WHERE kind = 'event'"), 1);
    assert_int_equal(there("evt_kept"), VK_OK);
    assert_int_equal(there("cus_old"), VK_OK);
    assert_int_equal(rows_of_keys(), 2);
    assert_int_equal(number("SELECT count(*) FROM keys"), 4);
    assert_int_equal(number("SELECT count(*) FROM deliveries"), 3);
    assert_int_equal(number("SELECT count(*) FROM bodies"), 2);
    shown s = {.left = 10};
    assert_int_equal(vk_pay_delivery_list(db, VK_STR("evt_kept"), note_delivery, &s), VK_OK);
    assert_non_null(strstr(s.ids, ":evt_kept- ")); /* the settled one has no body any more */
    assert_int_equal(vk_pay_idem_get(db, a, VK_STR("young"), now, &got), VK_OK);
    assert_int_equal(number("SELECT count(*) FROM idempotent"), 1);
}

/* ---- transactions */

static void parts(void **state)
{
    VK_UNUSED(state);
    vk_str got;
    assert_false(vk_pay_db_open_part(db));
    begin();
    assert_true(vk_pay_db_open_part(db));
    assert_int_equal(vk_pay_db_begin(db), VK_E_INTERNAL);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(vk_pay_db_mark(db), VK_E_INTERNAL);
    assert_int_equal(put("customer", "cus_1", 1, "{}", "email", "a@x"), VK_OK);
    assert_int_equal(vk_pay_set(db, "n", VK_STR("1")), VK_OK);
    assert_int_equal(vk_pay_db_keep(db), VK_OK);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(put("customer", "cus_2", 1, "{}", "email", "b@x"), VK_OK);
    assert_int_equal(put("customer", "cus_1", 1, "{\"changed\":1}", "email", "c@x"), VK_OK);
    assert_int_equal(vk_pay_set(db, "n", VK_STR("2")), VK_OK);
    vk_pay_db_drop(db);
    vk_pay_db_drop(db); /* harmless */
    assert_int_equal(vk_pay_db_keep(db), VK_E_INTERNAL);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(put("customer", "cus_3", 1, "{}", "email", "d@x"), VK_OK);
    assert_int_equal(vk_pay_db_keep(db), VK_OK);
    end();
    assert_false(vk_pay_db_open_part(db));
    again();
    assert_int_equal(there("cus_1"), VK_OK);
    assert_int_equal(there("cus_2"), VK_E_NOT_FOUND);
    assert_int_equal(there("cus_3"), VK_OK);
    assert_int_equal(vk_pay_setting(db, a, "n", &got), VK_OK);
    assert_true(vk_str_eqz(got, "1"));
    vk_pay_ask ask = {.kind = "customer", .keys = {{"email", VK_STR("a@x")}}, .n_keys = 1};
    listed(&ask, 10, "cus_1");
    ask.keys[0].value = VK_STR("c@x");
    listed(&ask, 10, "");
    /* Undone as a whole, and closed in the middle. */
    begin();
    assert_int_equal(put("customer", "cus_4", 1, "{}", NULL, NULL), VK_OK);
    assert_int_equal(there("cus_4"), VK_OK);
    vk_pay_db_undo(db);
    vk_pay_db_undo(db);
    assert_int_equal(there("cus_4"), VK_E_NOT_FOUND);
    begin();
    assert_int_equal(put("customer", "cus_4", 1, "{}", NULL, NULL), VK_OK);
    again();
    assert_int_equal(there("cus_4"), VK_E_NOT_FOUND);
}

/* Nothing changes outside of a transaction. */
static void without_a_transaction(void **state)
{
    VK_UNUSED(state);
    vk_pay_idem v = {.body = VK_STR(""), .request_id = VK_STR("")};
    vk_pay_delivery d = delivery("evt_1", 1);
    int64_t id;
    bool more;
    assert_int_equal(put("customer", "cus_1", 1, "{}", NULL, NULL), VK_E_INTERNAL);
    assert_int_equal(vk_pay_doc_del(db, VK_STR("cus_1")), VK_E_INTERNAL);
    assert_int_equal(vk_pay_idem_put(db, VK_STR("k"), 1, &v), VK_E_INTERNAL);
    assert_int_equal(vk_pay_set(db, "n", VK_STR("")), VK_E_INTERNAL);
    assert_int_equal(vk_pay_delivery_add(db, &d, &id), VK_E_INTERNAL);
    assert_int_equal(vk_pay_delivery_set(db, &d), VK_E_INTERNAL);
    assert_int_equal(vk_pay_due_put(db, VK_STR("x"), 1), VK_E_INTERNAL);
    assert_int_equal(vk_pay_due_put(db, VK_STR("x"), 0), VK_E_INTERNAL);
    assert_int_equal(vk_pay_tidy(db, 1, &more), VK_E_INTERNAL);
    assert_int_equal(vk_pay_db_mark(db), VK_E_INTERNAL);
    assert_int_equal(vk_pay_db_end(db), VK_E_INTERNAL);
}

static void the_quota(void **state)
{
    VK_UNUSED(state);
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    db->quota = 1 << 20;
    int kept = 0;
    vk_err e;
    begin();
    assert_int_equal(put("customer", "first", 1, "{}", NULL, NULL), VK_OK);
    do {
        assert_int_equal(vk_pay_db_mark(db), VK_OK);
        e = put("customer", vk_arena_printf(a, "cus_%d", kept).p, 1, text, NULL, NULL);
        if (e == VK_OK)
            assert_int_equal(vk_pay_db_keep(db), VK_OK);
        else
            vk_pay_db_drop(db);
        kept += e == VK_OK;
    } while (e == VK_OK && kept < 100);
    assert_int_equal(e, VK_E_FULL);
    assert_true(kept >= 6 && kept <= 10);
    end(); /* the others are there */
    again();
    db->quota = 1 << 20;
    assert_int_equal(there("first"), VK_OK);
    assert_int_equal(there("cus_5"), VK_OK);
    assert_int_equal(there(vk_arena_printf(a, "cus_%d", kept).p), VK_E_NOT_FOUND);
    begin();
    assert_int_equal(put("customer", "one_more", 1, text, NULL, NULL), VK_E_FULL);
    assert_int_equal(vk_pay_doc_del(db, VK_STR("cus_0")), VK_OK); /* which makes room */
    assert_int_equal(vk_pay_doc_del(db, VK_STR("cus_1")), VK_OK);
    assert_int_equal(put("customer", "one_more", 1, text, NULL, NULL), VK_OK);
    end();
}

static void pages(int64_t n)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA max_page_count = %lld", (long long)n);
    assert_int_equal(sqlite3_exec(db->db, text, NULL, NULL, NULL), SQLITE_OK);
}

/* What undoes all of a transaction is told by everything up to its end, and nothing is written meanwhile. */
static void a_lost_transaction(void **state)
{
    VK_UNUSED(state);
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    pages(1); /* no more than there are */
    begin();
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(put("customer", "cus_1", 1, "{}", NULL, NULL), VK_OK);
    assert_int_equal(vk_pay_db_keep(db), VK_OK);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(put("customer", "cus_2", 1, text, NULL, NULL), VK_E_FULL);
    if (sqlite3_get_autocommit(db->db)) { /* SQLite undid it all */
        assert_int_equal(put("customer", "cus_3", 1, "{}", NULL, NULL), VK_E_FULL);
        vk_pay_db_drop(db);
        assert_int_equal(vk_pay_db_mark(db), VK_E_FULL);
        assert_int_equal(vk_pay_db_end(db), VK_E_FULL);
        assert_int_equal(there("cus_1"), VK_E_NOT_FOUND);
    } else {
        vk_pay_db_drop(db);
        end();
        assert_int_equal(there("cus_1"), VK_OK);
    }
    assert_int_equal(there("cus_2"), VK_E_NOT_FOUND);
    assert_int_equal(there("cus_3"), VK_E_NOT_FOUND);
    pages(100000);
    begin();
    assert_int_equal(put("customer", "cus_2", 1, text, NULL, NULL), VK_OK);
    end();
    again();
    assert_int_equal(there("cus_2"), VK_OK);
}

static void a_full_disk(void **state)
{
    VK_UNUSED(state);
    begin();
    assert_int_equal(put("customer", "cus_1", 1, "{}", NULL, NULL), VK_OK);
    end();
    begin();
    assert_int_equal(put("customer", "cus_2", 1, "{}", NULL, NULL), VK_OK);
    disk_full = true;
    assert_int_equal(vk_pay_db_end(db), VK_E_FULL);
    assert_false(vk_pay_db_open_part(db));
    assert_int_equal(there("cus_1"), VK_OK); /* reading goes on */
    assert_int_equal(there("cus_2"), VK_E_NOT_FOUND);
    disk_full = false;
    begin();
    assert_int_equal(put("customer", "cus_3", 1, "{}", NULL, NULL), VK_OK);
    end();
    again();
    assert_int_equal(there("cus_1"), VK_OK);
    assert_int_equal(there("cus_2"), VK_E_NOT_FOUND);
    assert_int_equal(there("cus_3"), VK_OK);
}

static void a_sync_that_fails(void **state)
{
    VK_UNUSED(state);
    begin();
    assert_int_equal(put("customer", "cus_1", 1, "{}", NULL, NULL), VK_OK);
    no_sync = true;
    assert_int_equal(vk_pay_db_end(db), VK_E_IO);
    no_sync = false;
    assert_false(vk_pay_db_open_part(db));
    assert_int_equal(there("cus_1"), VK_E_NOT_FOUND);
    begin();
    assert_int_equal(put("customer", "cus_2", 1, "{}", NULL, NULL), VK_OK);
    end();
    again();
    assert_int_equal(there("cus_1"), VK_E_NOT_FOUND);
    assert_int_equal(there("cus_2"), VK_OK);
}

/* ---- opening */

static void versions(void **state)
{
    VK_UNUSED(state);
    vk_pay_db *other;
    char text[64];
    vk_pay_db_close(db);
    db = NULL;
    snprintf(text, sizeof text, "PRAGMA user_version = %d", VK_PAY_SCHEMA + 1);
    outside(text);
    assert_int_equal(vk_pay_db_open(path, "b1", &other), VK_E_NEWER);
    outside("PRAGMA user_version = -1");
    assert_int_equal(vk_pay_db_open(path, "b1", &other), VK_E_CORRUPT);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 500; i++)
        fputs("this is no database ", f);
    fclose(f);
    assert_int_equal(vk_pay_db_open(path, "b1", &other), VK_E_CORRUPT);
    assert_int_not_equal(vk_pay_db_open("/nowhere/payments.db", "b1", &other), VK_OK);
}

/* Nothing beside it but the -wal, and nobody else reads it meanwhile; a copy is one file with everything. */
static void one_process(void **state)
{
    VK_UNUSED(state);
    char name[96];
    sqlite3 *other;
    struct stat st;
    begin();
    assert_int_equal(put("customer", "cus_1", 1, "{}", "email", "a@x"), VK_OK);
    end();
    snprintf(name, sizeof name, "%s-shm", path);
    assert_int_equal(stat(name, &st), -1);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "SELECT count(*) FROM documents", NULL, NULL, NULL), SQLITE_BUSY);
    sqlite3_close(other);
    snprintf(name, sizeof name, "%s.copy", path);
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fclose(f);
    begin();
    assert_int_equal(vk_pay_db_copy(db, name), VK_E_INTERNAL);
    vk_pay_db_undo(db);
    assert_int_equal(vk_pay_db_copy(db, name), VK_OK);
    assert_int_not_equal(vk_pay_db_copy(db, "/nowhere/copy"), VK_OK);
    vk_pay_db_close(db);
    db = NULL;
    assert_int_equal(vk_pay_db_open(name, "b1", &db), VK_OK);
    assert_int_equal(there("cus_1"), VK_OK);
    vk_pay_ask ask = {.kind = "customer", .keys = {{"email", VK_STR("a@x")}}, .n_keys = 1};
    listed(&ask, 10, "cus_1");
}

/* ---- little memory */

static char large[9000];

/* Everything once. Whatever fails, what was there before is there, and what was acknowledged. */
static bool everything(bool may_fail)
{
    vk_pay_db *d = NULL;
    vk_arena *own = vk_arena_new(1 << 20);
    vk_pay_row row = doc("customer", "cus_9", 5, large), got;
    vk_pay_key keys[] = {{"email", VK_STR("a@x")}, {"tag", VK_STR("b")}};
    vk_pay_idem v = {.status = 200, .body = VK_STR("{}"), .request_id = VK_STR("req_1")}, answer;
    vk_pay_delivery x = delivery("evt_1", 1);
    const vk_str any[] = {VK_STR("b"), VK_STR("c")};
    vk_pay_ask ask = {
        .kind = "customer", .keys = {{.name = "tag"}, keys[0]}, .n_keys = 2, .any = any, .n_any = 2};
    vk_str text;
    int64_t n;
    int left = 10;
    bool more, committed = false;
    vk_err e = own ? vk_pay_db_open(path, "b1", &d) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_pay_db_begin(d);
    if (e == VK_OK)
        e = vk_pay_db_mark(d);
    if (e == VK_OK)
        e = vk_pay_doc_put(d, &row, keys, 2);
    if (e == VK_OK)
        e = vk_pay_doc_put(d, &row, keys, 1);
    if (e == VK_OK)
        e = vk_pay_doc_put(d, &row, keys, 2);
    if (e == VK_OK)
        e = vk_pay_idem_put(d, VK_STR("k"), 1, &v);
    if (e == VK_OK)
        e = vk_pay_set(d, "n", VK_STR("1"));
    if (e == VK_OK)
        e = vk_pay_delivery_add(d, &x, &x.id);
    if (e == VK_OK)
        e = vk_pay_delivery_set(d, &x);
    if (e == VK_OK)
        e = vk_pay_due_put(d, VK_STR("cs_1"), 4);
    if (e == VK_OK)
        e = vk_pay_db_keep(d);
    else if (d)
        vk_pay_db_drop(d);
    if (e == VK_OK && (e = vk_pay_db_mark(d)) == VK_OK) {
        e = vk_pay_doc_del(d, VK_STR("cus_0"));
        vk_pay_db_drop(d);
    }
    if (e == VK_OK)
        e = vk_pay_tidy(d, 2, &more);
    if (d && vk_pay_db_open_part(d)) {
        vk_err ended = vk_pay_db_end(d); /* what was kept, whatever failed behind it */
        committed = e == VK_OK && ended == VK_OK;
        e = e == VK_OK ? ended : e;
    }
    if (e == VK_OK)
        e = vk_pay_doc_get(d, own, VK_STR("cus_9"), &got);
    if (e == VK_OK)
        e = vk_pay_doc_list(d, &ask, count_one, &left);
    if (e == VK_OK && left != 9)
        e = VK_E_CORRUPT;
    if (e == VK_OK)
        e = vk_pay_doc_count(d, "customer", &n);
    if (e == VK_OK)
        e = vk_pay_idem_get(d, own, VK_STR("k"), 1, &answer);
    if (e == VK_OK)
        e = vk_pay_setting(d, own, "n", &text);
    if (e == VK_OK)
        e = vk_pay_delivery_get(d, own, x.id, &x);
    if (e == VK_OK)
        e = vk_pay_next_due(d, &n);
    vk_pay_db_close(d);
    vk_arena_free(own);
    bool counted = alloc_counts;
    alloc_counts = false;
    sqlite3 *other;
    sqlite3_stmt *st;
    bool good = e == VK_OK || (may_fail && (e == VK_E_NOMEM || e == VK_E_IO || e == VK_E_FULL));
    if (!good)
        print_error("it answered %s\n", vk_err_name(e));
    /* Documents, their keys and the rest are there together or not at all. */
    if (sqlite3_open(path, &other) != SQLITE_OK ||
        sqlite3_prepare_v2(
            other,
            "SELECT (SELECT count(*) FROM documents WHERE id = 'cus_9'), (SELECT count(*) FROM "
            "keys WHERE seq = (SELECT seq FROM documents WHERE id = 'cus_9')), (SELECT count(*) "
            "FROM idempotent), (SELECT count(*) FROM due), (SELECT count(*) FROM documents "
            "WHERE id = 'cus_0')",
            -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW) {
        good = false;
    } else {
        int docs = sqlite3_column_int(st, 0);
        if (sqlite3_column_int(st, 1) != 3 * docs || sqlite3_column_int(st, 2) != docs ||
            sqlite3_column_int(st, 3) != docs || sqlite3_column_int(st, 4) != 1 || (committed && !docs))
            good = false;
        sqlite3_finalize(st);
    }
    if (sqlite3_exec(other,
                     "DELETE FROM documents WHERE id = 'cus_9'; DELETE FROM keys WHERE kind = 'customer' AND "
                     "seq <> (SELECT seq FROM documents WHERE id = 'cus_0'); DELETE FROM idempotent; DELETE "
                     "FROM due; DELETE FROM "
                     "deliveries; DELETE FROM bodies; DELETE FROM settings",
                     NULL, NULL, NULL) != SQLITE_OK)
        good = false;
    sqlite3_close(other);
    alloc_counts = counted;
    return good;
}

static void little_memory(void **state)
{
    VK_UNUSED(state);
    int runs = 0;
    long leak = 0;
    if (!ALLOC_SEAM)
        skip();
    memset(large, 'x', sizeof large - 1);
    begin();
    assert_int_equal(put("customer", "cus_0", 1, "{}", "first", "1"), VK_OK);
    end();
    vk_pay_db_close(db);
    db = NULL;
    if (!alloc_torture(everything, &runs, &leak))
        fail_msg("allocation %d, %ld not freed", runs, leak);
    assert_true(runs > 50);
}

static void a_tight_arena(void **state)
{
    VK_UNUSED(state);
    vk_pay_row row;
    vk_pay_idem v = {.status = 200, .request_id = VK_STR("r")}, got;
    vk_pay_delivery d = delivery("evt_1", 1), x;
    vk_str text;
    memset(large, 'x', sizeof large - 1);
    v.body = d.body = vk_str_z(large);
    begin();
    assert_int_equal(put("customer", "cus_1", 1, large, NULL, NULL), VK_OK);
    assert_int_equal(vk_pay_idem_put(db, VK_STR("k"), 1, &v), VK_OK);
    assert_int_equal(vk_pay_delivery_add(db, &d, &d.id), VK_OK);
    assert_int_equal(vk_pay_set(db, "n", v.body), VK_OK);
    end();
    vk_arena *tight = vk_arena_new(4096);
    assert_non_null(tight);
    for (int i = 0; i < 2; i++) { /* the statements are free again */
        assert_int_equal(vk_pay_doc_get(db, tight, VK_STR("cus_1"), &row), VK_E_NOMEM);
        assert_int_equal(vk_pay_idem_get(db, tight, VK_STR("k"), 1, &got), VK_E_NOMEM);
        assert_int_equal(vk_pay_delivery_get(db, tight, d.id, &x), VK_E_NOMEM);
        assert_int_equal(vk_pay_setting(db, tight, "n", &text), VK_E_NOMEM);
    }
    vk_arena_free(tight);
    assert_int_equal(there("cus_1"), VK_OK);
}

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
    VK_UNUSED(st);
    VK_UNUSED(flag);
    VK_UNUSED(ftw);
    return remove(name);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/payments.db", dir);
    a = vk_arena_new(64 << 20);
    return a && vk_pay_db_open(path, "b1", &db) == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    disk_full = no_sync = false;
    vk_pay_db_close(db);
    db = NULL;
    vk_arena_free(a);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int init(void **state)
{
    VK_UNUSED(state);
    if (vk_sqlite_init() != VK_OK)
        return -1;
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT); /* what fails here shall fail */
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr mine = (sqlite3_syscall_ptr)full_pwrite;
    (void)vfs->xSetSystemCall(vfs, "pwrite64", mine); /* not every library has this one */
    return vfs->xSetSystemCall(vfs, "pwrite", mine) == SQLITE_OK ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(documents),
        T(what_is_too_large),
        T(lists),
        T(any_of_many),
        T(deleted_ones),
        T(only_keys_that_changed),
        T(every_statement_has_an_index),
        T(idempotent),
        T(settings),
        T(deliveries),
        T(what_is_due),
        T(tidies),
        T(parts),
        T(without_a_transaction),
        T(the_quota),
        T(a_lost_transaction),
        T(a_full_disk),
        T(a_sync_that_fails),
        T(versions),
        T(one_process),
        T(little_memory),
        T(a_tight_arena),
        T(a_hundred_thousand),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
