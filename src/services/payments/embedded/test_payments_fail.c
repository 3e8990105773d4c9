/* What payments.db does when the disk is full, its quota is, a sync fails or memory is short. */
#include "core/test_alloc.h"

#include "services/payments/embedded/test_payments_rig.h"

#include <errno.h>
#include <sys/syscall.h>

/* A disk that fails: SQLite's own writes and syncs come by here */

static bool disk_full, no_sync, unsynced; /* the latter: syncs do nothing, where a thousand would take long */

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
    return unsynced ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (no_sync) {
        errno = EIO;
        return -1;
    }
    return unsynced ? 0 : (int)syscall(SYS_fsync, fd);
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
        assert_false(vk_pay_db_open_part(db));
        assert_int_equal(vk_pay_db_end(db), VK_E_FULL);
        assert_int_equal(there("cus_1"), VK_E_NOT_FOUND);
        begin();
        assert_int_equal(put("customer", "cus_2", 1, text, NULL, NULL), VK_E_FULL);
        begin(); /* without an end in between */
        end();
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
    unsynced = true;
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

static int disk_init(void **state)
{
    if (init(state) != 0)
        return -1;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr mine = (sqlite3_syscall_ptr)full_pwrite;
    (void)vfs->xSetSystemCall(vfs, "pwrite64", mine); /* not every library has this one */
    return vfs->xSetSystemCall(vfs, "pwrite", mine) == SQLITE_OK ? 0 : -1;
}

static int disk_is_well(void **state)
{
    disk_full = no_sync = unsynced = false;
    return tear_down(state);
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, disk_is_well)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_quota),         T(a_lost_transaction), T(a_full_disk),
        T(a_sync_that_fails), T(little_memory),      T(a_tight_arena),
    };
    return cmocka_run_group_tests(tests, disk_init, NULL);
}
