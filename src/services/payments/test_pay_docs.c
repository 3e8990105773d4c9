/* The documents of one call: the same one again for the same id, however many there are; the bound in bytes;
 * how many a list looks at. */
#include "services/payments/form.h"
#include "services/payments/generic.h"

#include "core/log.h"
#include "core/test_folder.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 5000, LARGE = 400 * 1024, ALL_ARENA = 48 << 20 };

static char dir[] = "/tmp/vk-pay-docs-XXXXXX", path[64];
static vk_pay_db *db;
static vk_arena *arena;
static vk_pay_call c;

/* Another call of the same build. */
static void next_call(void)
{
    vk_arena_reset(arena);
    c = (vk_pay_call){.arena = arena, .version = VK_PAY_NEWEST, .db = db, .now = 1700000000};
}

static vk_str id_of(int i)
{
    return vk_arena_printf(arena, "cus_%d", i);
}

static void stored(vk_pv *doc)
{
    assert_int_equal(vk_pay_put(&c, doc), VK_OK);
}

static void make(int n, vk_str name)
{
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
    for (int i = 0; i < n; i++) {
        vk_pv *doc;
        if (name.n > 1000)
            next_call();
        assert_int_equal(vk_pay_new(&c, &vk_pay_r_customer, id_of(i), &doc), VK_OK);
        assert_true(vk_pv_put_str(arena, doc, "name", name));
        stored(doc);
    }
    assert_int_equal(vk_pay_db_end(db), VK_OK);
}

static void many(void **state)
{
    static vk_pv *got[MANY];
    vk_pv *again;
    VK_UNUSED(state);
    next_call();
    const vk_pv *before;
    make(MANY, VK_STR("a"));
    next_call();
    for (int i = 0; i < MANY; i++)
        assert_int_equal(vk_pay_get(&c, &vk_pay_r_customer, id_of(i), &got[i]), VK_OK);
    for (int i = 0; i < MANY; i++) {
        assert_true(vk_str_eq(vk_pv_text(got[i], "id"), id_of(i)));
        assert_int_equal(vk_pay_get(&c, &vk_pay_r_customer, id_of(i), &again), VK_OK);
        assert_ptr_equal(again, got[i]);
    }
    /* What it was like is known of each, until an event tells of it. */
    assert_true(vk_pv_put_str(arena, got[7], "name", VK_STR("b")));
    assert_int_equal(vk_pay_before(&c, got[7], &before), VK_OK);
    assert_true(vk_str_eqz(vk_pv_text(before, "name"), "a"));
    assert_int_equal(vk_pay_seen(&c, got[7]), VK_OK);
    assert_int_equal(vk_pay_before(&c, got[7], &before), VK_OK);
    assert_true(vk_str_eqz(vk_pv_text(before, "name"), "b"));
    /* Another resource's id; one that is not there; a copy, which is none of them. */
    assert_int_equal(vk_pay_get(&c, &vk_pay_r_product, id_of(7), &again), VK_E_NOT_FOUND);
    assert_int_equal(vk_pay_get(&c, &vk_pay_r_customer, VK_STR("cus_x"), &again), VK_E_NOT_FOUND);
    assert_int_equal(vk_pay_put(&c, vk_pv_copy(arena, got[7])), VK_E_INTERNAL);
    assert_int_equal(vk_pay_before(&c, vk_pv_copy(arena, got[7]), &before), VK_OK);
    assert_null(before);
}

static void refused(vk_err e)
{
    assert_int_equal(e, VK_E_INVALID);
    assert_non_null(c.refusal);
    assert_int_equal(c.refusal->status, 400);
    assert_string_equal(c.refusal->type, "invalid_request_error");
    assert_non_null(strstr(c.refusal->message.p, "more than can be answered at once"));
    assert_true(vk_arena_used(arena) < VK_PAY_CALL_BYTES + (4 << 20));
}

/* Loaded, and shown many times: both are refused before the arena is full. */
static void too_large(void **state)
{
    static char large[LARGE];
    enum { DOCS = VK_PAY_CALL_BYTES / LARGE + 10 };
    VK_UNUSED(state);
    memset(large, 'x', sizeof large - 1);
    next_call();
    make(DOCS, vk_str_z(large));
    next_call();
    int n = 0;
    vk_pv *doc, *out;
    vk_err e = VK_OK;
    for (; e == VK_OK && n < DOCS; n++)
        e = vk_pay_get(&c, &vk_pay_r_customer, id_of(n), &doc);
    refused(e);
    assert_true(n > DOCS / 2);
    assert_false(c.refusal->param.p);

    next_call();
    vk_pv *expand = vk_pv_arr(arena);
    assert_true(vk_pv_add(arena, expand, vk_pv_str(arena, VK_STR("data.customer"))));
    c.expand = expand;
    assert_int_equal(vk_pay_get(&c, &vk_pay_r_customer, id_of(0), &doc), VK_OK);
    for (n = 0; (e = vk_pay_render(&c, &vk_pay_r_customer, doc, "data", &out)) == VK_OK; n++)
        assert_true(n < 1000000);
    refused(e);
    assert_true(n > 1000);
    assert_true(vk_str_eqz(c.refusal->param, "expand"));
}

static vk_err list_codes(const char *form, size_t *n_r, bool *more_r)
{
    vk_pv *params;
    const char *why;
    vk_str name;
    bool there;
    next_call();
    c.ep = vk_pay_endpoint_find(VK_STR("GET"), VK_STR("/v1/promotion_codes"), c.version, c.id, &there);
    assert_int_equal(vk_pay_form(arena, vk_str_z(form), NULL, &params, &why, &name), VK_OK);
    assert_int_equal(vk_pay_check(&c, params), VK_OK);
    c.params = params;
    vk_err e = vk_pay_run(&c);
    *n_r = e == VK_OK ? vk_pv_get(c.result, "data")->count : 0;
    *more_r = e == VK_OK && vk_pv_flag(c.result, "has_more");
    return e;
}

static void make_code(int i, bool active)
{
    vk_pv *doc;
    next_call();
    assert_int_equal(vk_pay_new(&c, &vk_pay_r_promotion_code, vk_arena_printf(arena, "promo_%d", i), &doc),
                     VK_OK);
    assert_true(vk_pv_put_bool(arena, doc, "active", active) &&
                vk_pv_put_str(arena, doc, "promotion.coupon", VK_STR("half")));
    stored(doc);
}

/* A list that filters by what no key says: it looks at so many, and says what that means. */
static void looks_at(void **state)
{
    size_t n;
    bool more;
    vk_pv *coupon;
    VK_UNUSED(state);
    next_call();
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
    make_code(0, false);
    next_call();
    assert_int_equal(vk_pay_new(&c, &vk_pay_r_coupon, VK_STR("half"), &coupon), VK_OK);
    assert_true(vk_pv_put_str(arena, coupon, "percent_off", VK_STR("50")));
    stored(coupon);
    for (int i = 1; i < VK_PAY_LOOKED_AT_MAX; i++)
        make_code(i, true);
    assert_int_equal(list_codes("active=false", &n, &more), VK_OK);
    assert_true(n == 1 && !more);
    make_code(VK_PAY_LOOKED_AT_MAX, true); /* one more, and the oldest is not seen */
    assert_int_equal(list_codes("active=false", &n, &more), VK_E_INVALID);
    assert_int_equal(c.refusal->status, 400);
    assert_int_equal(list_codes("active=false&starting_after=promo_9", &n, &more), VK_OK);
    assert_true(n == 1 && !more);
    make_code(VK_PAY_LOOKED_AT_MAX + 1, false);
    assert_int_equal(list_codes("active=false", &n, &more), VK_OK);
    assert_true(n == 1 && more);
    assert_int_equal(list_codes("active=true&limit=100", &n, &more), VK_OK);
    assert_true(n == 100 && more);
    /* Without their coupon all of them are off. */
    next_call();
    assert_int_equal(vk_pay_doc_del(db, VK_STR("half")), VK_OK);
    assert_int_equal(list_codes("active=false&limit=100", &n, &more), VK_OK);
    assert_true(n == 100 && more);
    assert_int_equal(list_codes("active=true", &n, &more), VK_OK);
    assert_true(n == 0 && !more);
    make_code(VK_PAY_LOOKED_AT_MAX + 2, true);
    assert_int_equal(list_codes("active=true", &n, &more), VK_E_INVALID);
    assert_int_equal(vk_pay_db_end(db), VK_OK);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    if (!folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/payments.db", dir);
    arena = vk_arena_new(ALL_ARENA);
    return arena && vk_pay_db_open(path, "b1", &db) == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_pay_db_close(db);
    db = NULL;
    vk_arena_free(arena);
    return folder_remove(dir);
}

static int init(void **state)
{
    VK_UNUSED(state);
    const char *why;
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT);
    return vk_sqlite_init() == VK_OK && vk_pay_schema_start(&why) == VK_OK ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(many), T(too_large), T(looks_at)};
    return cmocka_run_group_tests_name("pay_docs", tests, init, NULL);
}
