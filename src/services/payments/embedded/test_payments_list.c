/* Lists of documents: their order, bounds and keys, and that each goes along an index. */
#include "services/payments/embedded/test_payments_rig.h"

#include "core/test_meanwhile.h"

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
    ask = (vk_pay_ask){.kind = "customer", .n_keys = 1, .any = any, .n_any = VK_PAY_VALUES_MAX + 1};
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
    vk_str any[VK_PAY_VALUES_MAX];
    char want[4096] = "";
    begin();
    for (int i = 0; i < VK_PAY_VALUES_MAX; i++) {
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
                      .n_any = VK_PAY_VALUES_MAX,
                      .oldest_first = true};
    for (int i = 0; i < 2; i++)
        listed(&ask, VK_PAY_VALUES_MAX, want);
    assert_non_null(db->ways[1][VK_PAY_WAYS_KEPT - 1]);
    assert_null(db->ways[1][VK_PAY_WAYS_KEPT]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(lists), T(any_of_many), T(deleted_ones), T(every_statement_has_an_index), T(a_hundred_thousand),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
