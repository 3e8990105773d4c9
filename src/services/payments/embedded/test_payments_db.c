/* payments.db: what is written comes back, also after closing and opening; parts of a transaction; what goes
 * after its time. */
#include "services/payments/embedded/schema.h"
#include "services/payments/embedded/test_payments_rig.h"

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

static void is_set(const char *name, const char *want)
{
    vk_str got = VK_STR_NONE;
    assert_int_equal(vk_pay_setting(db, a, name, &got), want ? VK_OK : VK_E_NOT_FOUND);
    assert_true(!want || vk_str_eqz(got, want));
}

static void behind_its_back(const char *sql)
{
    assert_int_equal(sqlite3_exec(db->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* What was read is not read again; what is set, or undone, is. */
static void settings_are_kept(void **state)
{
    VK_UNUSED(state);
    is_set("version", NULL);
    behind_its_back("INSERT INTO settings VALUES ('version', 'unseen')");
    is_set("version", NULL);
    begin();
    assert_int_equal(vk_pay_set(db, "version", VK_STR("one")), VK_OK);
    is_set("version", "one");
    end();
    behind_its_back("UPDATE settings SET value = 'unseen'");
    is_set("version", "one");

    begin(); /* a part that is dropped, between two that are kept */
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(vk_pay_set(db, "version", VK_STR("two")), VK_OK);
    assert_int_equal(vk_pay_db_keep(db), VK_OK);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(vk_pay_set(db, "version", VK_STR("three")), VK_OK);
    is_set("version", "three");
    vk_pay_db_drop(db);
    is_set("version", "two");
    end();
    is_set("version", "two");

    begin(); /* all of it is undone */
    assert_int_equal(vk_pay_set(db, "version", VK_STR("four")), VK_OK);
    is_set("version", "four");
    vk_pay_db_undo(db);
    is_set("version", "two");

    begin(); /* SQLite undid it */
    assert_int_equal(vk_pay_set(db, "version", VK_STR("five")), VK_OK);
    is_set("version", "five");
    behind_its_back("ROLLBACK");
    assert_int_not_equal(vk_pay_db_end(db), VK_OK);
    is_set("version", "two");
    again();
    is_set("version", "two");
}

static void many_settings(void **state)
{
    char name[32], value[32];
    static char large[VK_PAY_SETTING_KEPT_MAX + 2];
    VK_UNUSED(state);
    memset(large, 'x', sizeof large - 1);
    begin();
    for (int i = 0; i < 2 * VK_PAY_SETTINGS_KEPT; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(vk_pay_set(db, name, vk_str_z(name)), VK_OK);
    }
    assert_int_equal(vk_pay_set(db, "large", vk_str_z(large)), VK_OK);
    assert_int_equal(vk_pay_set(db, "a name that is longer than most", VK_STR("v")), VK_OK);
    end();
    is_set("large", large);
    is_set("a name that is longer than most", "v");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2 * VK_PAY_SETTINGS_KEPT; i++) {
            snprintf(name, sizeof name, "n%d", i);
            snprintf(value, sizeof value, "%d.%d", round, i);
            is_set(name, round ? value : name);
        }
        begin();
        for (int i = 0; i < 2 * VK_PAY_SETTINGS_KEPT; i++) {
            snprintf(name, sizeof name, "n%d", i);
            snprintf(value, sizeof value, "%d.%d", round + 1, i);
            assert_int_equal(vk_pay_set(db, name, vk_str_z(value)), VK_OK);
        }
        end();
        assert_true(db->n_kept <= VK_PAY_SETTINGS_KEPT);
    }
    is_set("large", large);
}

/* ---- deliveries, what is due */

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
    assert_int_equal(vk_pay_delivery_due(db, d.endpoint, false, 50, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "1:evt_1 2:evt_1"); /* in the order in which they were made */
    s = (shown){.left = 1};
    assert_int_equal(vk_pay_delivery_due(db, d.endpoint, false, 60, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "1:evt_1");
    s = (shown){.left = 10};
    assert_int_equal(vk_pay_delivery_due(db, d.endpoint, true, 60, note_delivery, &s), VK_OK);
    assert_int_equal(vk_pay_delivery_due(db, VK_STR("we_2"), false, 60, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "");
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
    assert_int_equal(vk_pay_delivery_due(db, d.endpoint, false, 1000, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "1:evt_1 3:evt_2");
    /* Tried before: the longest due first. */
    begin();
    for (int i = 0; i < 2; i++) {
        got = (vk_pay_delivery){.id = id[i == 0 ? 0 : 2], .due_ms = i == 0 ? 900 : 800, .tries = 1};
        assert_int_equal(vk_pay_delivery_set(db, &got), VK_OK);
    }
    end();
    s = (shown){.left = 10};
    assert_int_equal(vk_pay_delivery_due(db, d.endpoint, true, 1000, note_delivery, &s), VK_OK);
    assert_int_equal(vk_pay_delivery_due(db, d.endpoint, false, 1000, note_delivery, &s), VK_OK);
    assert_string_equal(s.ids, "3:evt_2 1:evt_1");
    begin();
    assert_int_equal(vk_pay_delivery_end(db, VK_STR("we_2")), VK_OK);
    assert_int_equal(vk_pay_delivery_pending(db, VK_STR("evt_1"), &n), VK_OK);
    assert_int_equal(n, 1);
    assert_int_equal(vk_pay_delivery_end(db, d.endpoint), VK_OK);
    assert_int_equal(vk_pay_delivery_pending(db, VK_STR("evt_1"), &n), VK_OK);
    assert_int_equal(n, 0);
    end();
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
    /* A part that was neither kept nor dropped ends nothing well. */
    begin();
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(put("customer", "cus_5", 1, "{}", NULL, NULL), VK_OK);
    assert_int_equal(vk_pay_db_end(db), VK_E_INTERNAL);
    assert_false(vk_pay_db_open_part(db));
    assert_int_equal(there("cus_5"), VK_E_NOT_FOUND);
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

static bool owned(const char *key)
{
    bool has = false;
    assert_int_equal(vk_pay_owned(db, vk_str_z(key), &has), VK_OK);
    return has;
}

static void the_ledger(void **state)
{
    VK_UNUSED(state);
    assert_false(owned("cus_1"));
    assert_int_equal(vk_pay_owned_put(db, VK_STR("cus_1"), 1), VK_E_INTERNAL); /* no transaction */
    begin();
    assert_int_equal(vk_pay_owned_put(db, VK_STR("cus_1"), 1), VK_OK);
    assert_int_equal(vk_pay_owned_put(db, VK_STR("cus_1"), 2), VK_OK);
    assert_int_equal(vk_pay_owned_put(db, VK_STR("product:a:b'"), 2), VK_OK);
    end();
    again();
    assert_true(owned("cus_1") && owned("product:a:b'"));
    assert_false(owned("product:a:b") || owned("a:b'") || owned("") || owned("CUS_1"));
    assert_int_equal(number("SELECT count(*) FROM owned"), 2);
    begin();
    assert_int_equal(vk_pay_owned_put(db, VK_STR("cus_2"), 1), VK_OK);
    vk_pay_db_undo(db);
    assert_false(owned("cus_2"));
}

/* What a valetkey without a ledger wrote. */
static void a_ledger_comes_later(void **state)
{
    VK_UNUSED(state);
    begin();
    vk_pay_row row = doc("customer", "cus_1", 1, "{}");
    assert_int_equal(vk_pay_doc_put(db, &row, NULL, 0), VK_OK);
    end();
    vk_pay_db_close(db);
    db = NULL;
    outside("DROP TABLE owned; PRAGMA user_version = 1");
    again();
    assert_int_equal(there("cus_1"), VK_OK);
    assert_false(owned("cus_1"));
    assert_int_equal(number("PRAGMA user_version"), VK_PAY_SCHEMA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(documents),
        T(what_is_too_large),
        T(only_keys_that_changed),
        T(idempotent),
        T(settings),
        T(settings_are_kept),
        T(many_settings),
        T(deliveries),
        T(what_is_due),
        T(tidies),
        T(parts),
        T(without_a_transaction),
        T(the_ledger),
        T(a_ledger_comes_later),
        T(versions),
        T(one_process),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
