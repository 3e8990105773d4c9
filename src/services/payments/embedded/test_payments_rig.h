/* A payments.db in a folder of its own for each test, for the tests of this folder. */
#ifndef VK_TEST_PAYMENTS_RIG_H
#define VK_TEST_PAYMENTS_RIG_H

#include "services/payments/embedded/inside.h"

#include "core/log.h"
#include "core/test_folder.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/vk-pay-db-XXXXXX", path[64];
static vk_pay_db *db;
static vk_arena *a;

static inline void outside(const char *text)
{
    sqlite3 *other;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static inline void again(void)
{
    vk_pay_db_close(db);
    db = NULL;
    assert_int_equal(vk_pay_db_open(path, "b1", &db), VK_OK);
}

static inline void begin(void)
{
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
}

static inline void end(void)
{
    assert_int_equal(vk_pay_db_end(db), VK_OK);
}

static inline int64_t number(const char *text)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db->db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static inline vk_pay_row doc(const char *kind, const char *id, int64_t created, const char *body)
{
    return (vk_pay_row){
        .id = vk_str_z(id), .kind = vk_str_z(kind), .created = created, .body = vk_str_z(body)};
}

static inline vk_err put(const char *kind, const char *id, int64_t created, const char *body,
                         const char *name, const char *value)
{
    vk_pay_row row = doc(kind, id, created, body);
    vk_pay_key key = {name, vk_str_z(value)};
    return vk_pay_doc_put(db, &row, &key, name ? 1 : 0);
}

static inline vk_err there(const char *id)
{
    vk_pay_row row;
    return vk_pay_doc_get(db, a, vk_str_z(id), &row);
}

static inline bool no_delivery(void *arg, const vk_pay_delivery *d)
{
    VK_UNUSED(arg);
    VK_UNUSED(d);
    return false;
}

typedef struct shown {
    char ids[4096];
    int left;
} shown;

static inline bool show(void *arg, const vk_pay_row *row)
{
    shown *s = arg;
    size_t n = strlen(s->ids);
    vk_pay_row same;
    assert_int_equal(vk_pay_doc_get(db, a, row->id, &same), VK_OK);                /* may be read meanwhile */
    assert_int_equal(vk_pay_delivery_list(db, row->id, no_delivery, NULL), VK_OK); /* likewise */
    assert_true(same.seq == row->seq && vk_str_eq(same.body, row->body) && same.deleted == row->deleted);
    snprintf(s->ids + n, sizeof s->ids - n, "%s" VK_STR_FMT, n ? " " : "", VK_STR_ARG(row->id));
    return --s->left > 0;
}

static inline void listed(const vk_pay_ask *ask, int most, const char *want)
{
    shown s = {.left = most};
    assert_int_equal(vk_pay_doc_list(db, ask, show, &s), VK_OK);
    /* Nothing is read any more: what is would keep the -wal from being written back. */
    for (sqlite3_stmt *st = sqlite3_next_stmt(db->db, NULL); st; st = sqlite3_next_stmt(db->db, st))
        assert_false(sqlite3_stmt_busy(st));
    assert_string_equal(s.ids, want);
}

static inline int rows_of_keys(void)
{
    return (int)number("SELECT count(*) FROM keys WHERE name <> ''");
}

static inline bool count_one(void *arg, const vk_pay_row *row)
{
    VK_UNUSED(row);
    return --*(int *)arg > 0;
}

static inline vk_pay_delivery delivery(const char *event, int64_t due)
{
    return (vk_pay_delivery){.event = vk_str_z(event),
                             .endpoint = VK_STR("default"),
                             .url = VK_STR("http://127.0.0.1:3000/api/webhooks/stripe"),
                             .body = VK_STR("{\"exact\": \"bytes\"}"),
                             .created_ms = 1000,
                             .due_ms = due};
}

static inline int set_up(void **state)
{
    VK_UNUSED(state);
    if (!folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/payments.db", dir);
    a = vk_arena_new(64 << 20);
    return a && vk_pay_db_open(path, "b1", &db) == VK_OK ? 0 : -1;
}

static inline int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_pay_db_close(db);
    db = NULL;
    vk_arena_free(a);
    return folder_remove(dir);
}

static inline int init(void **state)
{
    VK_UNUSED(state);
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT); /* what fails here shall fail */
    return vk_sqlite_init() == VK_OK ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
