/* Trees of values: what is there, changes, JSON in and out. */
#include "services/payments/value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

static vk_pv *parsed(const char *json)
{
    vk_pv *v = NULL;
    assert_int_equal(vk_pv_parse(arena, vk_str_z(json), &v), VK_OK);
    return v;
}

static void assert_json(const vk_pv *v, const char *want)
{
    vk_buf out;
    vk_buf_init(&out, 1 << 16);
    vk_pv_write(&out, v);
    vk_buf_ch(&out, '\0');
    assert_int_equal(out.err, VK_OK);
    assert_string_equal(out.p, want);
    vk_buf_free(&out);
}

static void reads_and_writes(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *json, *want; /* NULL: the same */
    } cases[] = {
        {"{}", NULL},
        {"[]", NULL},
        {"null", NULL},
        {"[true,false,null,0,-1,999999999999999999,\"\"]", NULL},
        {"{\"b\":{\"z\":[{}]},\"a\":\"x\\\"\\n\xc3\xa9\"}", NULL},
        {" { \"a\" : [ 1 , 2 ] } ", "{\"a\":[1,2]}"},
        {"[1.5,-0.25,1e2,9999999999999999999]", "[1.5,-0.25,100,1e19]"},
        {"{\"a\":\"\\u00e9\"}", "{\"a\":\"\xc3\xa9\"}"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_json(parsed(cases[i].json), cases[i].want ? cases[i].want : cases[i].json);
    vk_pv *v;
    assert_int_equal(vk_pv_parse(arena, VK_STR("{\"a\":1,}"), &v), VK_E_INVALID);
    assert_int_equal(vk_pv_parse(arena, VK_STR(""), &v), VK_E_INVALID);
}

static void pretty(void **state)
{
    VK_UNUSED(state);
    static const char want[] = "{\n"
                               "  \"id\": \"prod_1\",\n"
                               "  \"images\": [],\n"
                               "  \"metadata\": {},\n"
                               "  \"types\": [\n"
                               "    \"card\",\n"
                               "    \"link\"\n"
                               "  ],\n"
                               "  \"recurring\": {\n"
                               "    \"interval\": \"month\",\n"
                               "    \"meter\": null\n"
                               "  },\n"
                               "  \"livemode\": false\n"
                               "}";
    vk_buf out;
    vk_buf_init(&out, 1 << 16);
    vk_pv_write_pretty(
        &out, parsed("{\"id\":\"prod_1\",\"images\":[],\"metadata\":{},\"types\":[\"card\",\"link\"],"
                     "\"recurring\":{\"interval\":\"month\",\"meter\":null},\"livemode\":false}"));
    vk_buf_ch(&out, '\0');
    assert_string_equal(out.p, want);
    /* Deeper than the blanks that are at hand. */
    vk_pv *inner = vk_pv_arr(arena);
    for (int i = 0; i < 40; i++) {
        vk_pv *outer = vk_pv_arr(arena);
        assert_true(vk_pv_add(arena, outer, inner));
        inner = outer;
    }
    vk_buf_clear(&out);
    vk_pv_write_pretty(&out, inner);
    vk_buf_ch(&out, '\0');
    char line[100];
    snprintf(line, sizeof line, "\n%80s[]\n", "");
    assert_non_null(strstr(out.p, line));
    vk_buf_free(&out);
}

static void what_cannot_be_written(void **state)
{
    VK_UNUSED(state);
    vk_buf out;
    vk_buf_init(&out, 1 << 16);
    vk_pv_write(&out, NULL);
    assert_int_equal(out.err, VK_E_NOMEM);
    vk_pv *deep = vk_pv_arr(arena);
    for (int i = 0; i < 200; i++) {
        vk_pv *outer = vk_pv_arr(arena);
        assert_true(vk_pv_add(arena, outer, deep));
        deep = outer;
    }
    vk_buf_clear(&out);
    vk_pv_write(&out, deep);
    assert_int_equal(out.err, VK_E_TOO_LARGE);
    vk_buf_free(&out);
}

static void finds(void **state)
{
    VK_UNUSED(state);
    vk_pv *v = parsed("{\"a\":{\"b\":[{\"c\":\"x\"},{\"c\":\"y\",\"n\":7}]},\"t\":true,\"z\":null}");
    assert_true(vk_str_eqz(vk_pv_text(v, "a.b.1.c"), "y"));
    assert_int_equal(vk_pv_number(v, "a.b.1.n", -1), 7);
    assert_int_equal(vk_pv_number(v, "a.b.1.c", -1), -1);
    assert_true(vk_pv_flag(v, "t"));
    assert_false(vk_pv_flag(v, "z"));
    assert_true(vk_pv_is_null(vk_pv_at(v, "z")));
    assert_true(vk_pv_is_null(vk_pv_at(v, "a.c")));
    static const char *const nowhere[] = {
        "a.b.2", "a.b.-1", "a.b.+1", "a.b.", "a.b.x", "a.b.0.c.d", "a.b.99999999999999999999",
        "",      ".a",     "a..b",   "t.x"};
    for (size_t i = 0; i < VK_COUNT(nowhere); i++)
        assert_null(vk_pv_at(v, nowhere[i]));
    assert_null(vk_pv_text(v, "a").p);
    assert_null(vk_pv_get(NULL, "a"));
    assert_null(vk_pv_at(NULL, "a.b"));
    assert_null(vk_pv_first(NULL));
    assert_null(vk_pv_first(vk_pv_at(v, "t")));
    size_t n = 0;
    VK_PV_EACH(e, vk_pv_at(v, "a.b"))
    n += e->type == VK_PV_OBJ;
    assert_int_equal(n, 2);
}

static void changes(void **state)
{
    VK_UNUSED(state);
    vk_pv *v = vk_pv_obj(arena);
    assert_true(vk_pv_put_str(arena, v, "a.b.c", VK_STR("x")));
    assert_true(vk_pv_put_int(arena, v, "a.n", 1));
    assert_true(vk_pv_put_null(arena, v, "z"));
    assert_true(vk_pv_put_bool(arena, v, "z.y", true));
    assert_true(vk_pv_put_str(arena, v, "s", VK_STR_NONE));
    assert_json(v, "{\"a\":{\"b\":{\"c\":\"x\"},\"n\":1},\"z\":{\"y\":true},\"s\":null}");
    /* In place: first, middle, last. */
    assert_true(vk_pv_put_int(arena, v, "a", 1));
    assert_true(vk_pv_put_int(arena, v, "z", 2));
    assert_true(vk_pv_put_int(arena, v, "s", 3));
    assert_true(vk_pv_put_int(arena, v, "e", 4));
    assert_json(v, "{\"a\":1,\"z\":2,\"s\":3,\"e\":4}");
    assert_true(vk_pv_set(arena, v, "z", vk_pv_get(v, "z")));
    assert_json(v, "{\"a\":1,\"z\":2,\"s\":3,\"e\":4}");
    /* Not through a number. */
    assert_false(vk_pv_put_int(arena, v, "a.b", 1));
    assert_int_equal(v->count, 4);
    vk_pv_del(v, "z");
    vk_pv_del(v, "e");
    vk_pv_del(v, "none");
    vk_pv_del(v, "a");
    assert_json(v, "{\"s\":3}");
    assert_true(vk_pv_put_int(arena, v, "t", 1));
    vk_pv_del(v, "t");
    vk_pv_del(v, "s");
    assert_int_equal(v->count, 0);
    assert_true(vk_pv_put_int(arena, v, "again", 1));
    assert_json(v, "{\"again\":1}");

    vk_pv *arr = parsed("{\"l\":[1,2,3]}");
    assert_true(vk_pv_put_int(arena, arr, "l.0", 7));
    assert_true(vk_pv_put_int(arena, arr, "l.2", 9));
    assert_false(vk_pv_put_int(arena, arr, "l.3", 9));
    assert_false(vk_pv_put_int(arena, arr, "l.x", 9));
    assert_true(vk_pv_add(arena, vk_pv_get(arr, "l"), vk_pv_int(arena, 10)));
    assert_json(arr, "{\"l\":[7,2,9,10]}");
    assert_false(vk_pv_add(arena, arr, vk_pv_int(arena, 1)));
    assert_false(vk_pv_add(arena, vk_pv_get(arr, "l"), NULL));
    assert_false(vk_pv_set(arena, arr, "x", NULL));
    assert_false(vk_pv_set(arena, NULL, "x", vk_pv_null(arena)));
    assert_false(vk_pv_put(arena, NULL, "x.y", vk_pv_null(arena)));
}

static void copies(void **state)
{
    VK_UNUSED(state);
    vk_pv *v = parsed("{\"a\":[{\"b\":1},null,\"x\",true],\"c\":{}}"), *copy = vk_pv_copy(arena, v);
    assert_true(vk_pv_equal(v, copy));
    assert_true(vk_pv_put_int(arena, copy, "a.0.b", 2));
    assert_false(vk_pv_equal(v, copy));
    assert_json(v, "{\"a\":[{\"b\":1},null,\"x\",true],\"c\":{}}");
    assert_null(vk_pv_copy(arena, NULL));
}

static void equality(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1}", "{\"a\":\"1\"}", false},
        {"[1,2]", "[2,1]", false},
        {"[1,2]", "[1,2]", true},
        {"[1,2]", "[1,2,3]", false},
        {"[]", "{}", false},
        {"null", "null", true},
        {"true", "false", false},
        {"\"x\"", "\"x\"", true},
        {"\"x\"", "\"y\"", false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(vk_pv_equal(parsed(cases[i].a), parsed(cases[i].b)), cases[i].equal);
        assert_int_equal(vk_pv_equal(parsed(cases[i].b), parsed(cases[i].a)), cases[i].equal);
    }
    assert_true(vk_pv_equal(NULL, NULL));
    assert_false(vk_pv_equal(parsed("1"), NULL));
}

static void short_of_memory(void **state)
{
    VK_UNUSED(state);
    static const char json[] = "{\"a\":[1,2,{\"b\":\"x\"}],\"c\":{\"d\":null}}";
    /* Whatever is the last that fits, the answer is NOMEM or all of it, never a part. */
    bool fits = false;
    for (size_t cap = 64; cap < 1 << 15 && !fits; cap += 48) {
        vk_arena *small = vk_arena_new(cap);
        vk_pv *v = NULL;
        if (!small)
            continue;
        vk_err e = vk_pv_parse(small, vk_str_z(json), &v);
        assert_true(e == VK_E_NOMEM || e == VK_OK);
        if (e == VK_OK) {
            assert_json(v, json);
            vk_pv *copy = vk_pv_copy(small, v);
            if (copy) {
                assert_true(vk_pv_equal(copy, v));
                fits = true;
            }
        }
        vk_arena_free(small);
    }
    assert_true(fits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(pretty),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(finds),
        cmocka_unit_test(changes),
        cmocka_unit_test(copies),
        cmocka_unit_test(equality),
        cmocka_unit_test(short_of_memory),
    };
    arena = vk_arena_new(1 << 22);
    int rc = arena ? cmocka_run_group_tests_name("value", tests, NULL, NULL) : 1;
    vk_arena_free(arena);
    return rc;
}
