#include "core/json_read.h"
#include "core/json_write.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed = 88172645463325252;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545F4914F6CDD1D;
}

static unsigned below(unsigned n)
{
    return (unsigned)(random64() >> 33) % n;
}

static int set_up(void **state)
{
    *state = vk_arena_new(8 << 20);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    vk_arena_free(*state);
    return 0;
}

/* From a heap block of exactly that size, so that the sanitizer sees a read past the end. */
static vk_err parse(vk_arena *a, vk_str text, vk_json **out_r, const char **error_r, size_t *at_r)
{
    char *exact = malloc(text.n ? text.n : 1);
    assert_non_null(exact);
    if (text.n)
        memcpy(exact, text.p, text.n);
    assert_int_equal(vk_arena_cleanup(a, free, exact), VK_OK);
    return vk_json_parse(a, (vk_str){exact, text.n}, out_r, error_r, at_r);
}

static void accepted(void **state)
{
    static const char *const cases[] = {
        "0",
        "-0",
        "10",
        "123456789012345678",
        "1234567890123456789012",
        "1.5",
        "-1.5e3",
        "1E+2",
        "1e-2",
        "0.0",
        "1e999",
        "-1e999",
        "0e99999999999",
        "1e-99999999999",
        "\"\"",
        "\"a\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\x7f\"",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
        "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        " \t\r\n1 \t\r\n",
        "[1,2]",
        "[[],{}]",
        "{\"\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\" : [1 , {\"b\" : null}]}",
        "\"\\uFFFF\"",
        "\"\\uabCD\"",
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_json *v;
        const char *why = "";
        if (parse(*state, vk_str_z(cases[i]), &v, &why, NULL) != VK_OK)
            fail_msg("%s: %s", cases[i], why);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"", 0},
        {" ", 1},
        {"01", 0},
        {"-01", 1},
        {"00", 0},
        {"-", 1},
        {"+1", 0},
        {"1.", 2},
        {".5", 0},
        {"1.e5", 2},
        {"1e", 2},
        {"1e+", 3},
        {"0x10", 1},
        {"1_0", 1},
        {"NaN", 0},
        {"Infinity", 0},
        {"-Infinity", 1},
        {"True", 0},
        {"tru", 0},
        {"nul", 0},
        {"truee", 4},
        {"[", 1},
        {"[1", 2},
        {"[1,", 3},
        {"[1,]", 3},
        {"[,1]", 1},
        {"[1 2]", 3},
        {"[1}", 2},
        {"{]", 1},
        {"]", 0},
        {"}", 0},
        {"{", 1},
        {"{1:2}", 1},
        {"{\"a\"}", 4},
        {"{\"a\":}", 5},
        {"{\"a\":1,}", 7},
        {"{\"a\":1 \"b\":2}", 7},
        {"{a:1}", 1},
        {"{\"a\":1,,\"b\":2}", 7},
        {"1 2", 2},
        {"[] []", 3},
        {"{\"a\":1}x", 7},
        {"'a'", 0},
        {"\"a", 2},
        {"\"a\\", 3},
        {"\"\\\"", 3},
        {"\"\n\"", 1},
        {"\"\x1f\"", 1},
        {"\"\t\"", 1},
        {"\"\\x41\"", 1},
        {"\"\\u12\"", 1},
        {"\"\\u12g4\"", 1},
        {"\"\\u\"", 1},
        {"\"\\'\"", 1},
        {"\"a\\ud800\"", 2},
        {"\"\\udc00\"", 1},
        {"\"\\ud800x\"", 1},
        {"\"\\ud800\\n\"", 1},
        {"\"\\ud800\\ud800\"", 1},
        {"\"\\ud800\\u0041\"", 1},
        {"\"\\uD83D\\uDE0\"", 1},
        {"// x\n1", 0},
        {"/**/1", 0},
        {"\xef\xbb\xbf"
         "1",
         0},
        {"\x0b"
         "1",
         0},
        {"\xc2\xa0"
         "1",
         0},
        {"\"\x80\"", 1},
        {"\"\xbf\"", 1},
        {"\"\xc0\x80\"", 1},
        {"\"\xc1\xbf\"", 1},
        {"\"\xc2\"", 1},
        {"\"\xc2\x41\"", 1},
        {"\"\xe0\x80\x80\"", 1},
        {"\"\xe0\x9f\xbf\"", 1},
        {"\"\xe1\x80\"", 1},
        {"\"\xed\xa0\x80\"", 1},
        {"\"\xed\xbf\xbf\"", 1},
        {"\"\xf0\x80\x80\x80\"", 1},
        {"\"\xf0\x8f\xbf\xbf\"", 1},
        {"\"\xf4\x90\x80\x80\"", 1},
        {"\"\xf5\x80\x80\x80\"", 1},
        {"\"\xff\"", 1},
        {"\"\xfe\"", 1},
        {"\"\xf8\x88\x80\x80\x80\"", 1},
        {"\"12345678\x80\"", 9},
        {"\"1234567\xc3\"", 8},
        {"\"\\\x80\"", 1},
        {"\"\\\x01\"", 1},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_json *v = NULL;
        const char *why = NULL;
        size_t at = 9999;
        vk_err e = parse(*state, vk_str_z(cases[i].text), &v, &why, &at);
        if (e != VK_E_INVALID || v || !why || at != cases[i].at)
            fail_msg("case %zu, %s: %s at %zu, %s", i, cases[i].text, vk_err_name(e), at, why ? why : "-");
        assert_int_equal(parse(*state, vk_str_z(cases[i].text), &v, NULL, NULL), VK_E_INVALID);
    }
    vk_json *v;
    assert_int_equal(parse(*state, (vk_str){"1\0", 2}, &v, NULL, NULL), VK_E_INVALID);
    assert_int_equal(parse(*state, (vk_str){"\"\0\"", 3}, &v, NULL, NULL), VK_E_INVALID);
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        vk_json_type type;
        int64_t i;
        double d;
    } cases[] = {
        {"0", VK_JSON_INT, 0, 0},
        {"-1", VK_JSON_INT, -1, 0},
        {"999999999999999999", VK_JSON_INT, 999999999999999999, 0},
        {"-999999999999999999", VK_JSON_INT, -999999999999999999, 0},
        {"1000000000000000000", VK_JSON_DOUBLE, 0, 1e18},
        {"9223372036854775807", VK_JSON_DOUBLE, 0, 9223372036854775807.0},
        {"1.0", VK_JSON_DOUBLE, 0, 1},
        {"1e2", VK_JSON_DOUBLE, 0, 100},
        {"0.1", VK_JSON_DOUBLE, 0, 0.1},
        {"0.000001", VK_JSON_DOUBLE, 0, 0.000001},
        {"9007199254740993.0", VK_JSON_DOUBLE, 0, 9007199254740992.0},
        {"123456789.123456789", VK_JSON_DOUBLE, 0, 123456789.123456789},
        {"1.7976931348623157e308", VK_JSON_DOUBLE, 0, 1.7976931348623157e308},
        {"5e-324", VK_JSON_DOUBLE, 0, 5e-324},
        {"2e-324", VK_JSON_DOUBLE, 0, 0},
        {"1e400", VK_JSON_DOUBLE, 0, INFINITY},
        {"-1e400", VK_JSON_DOUBLE, 0, -INFINITY},
        {"0e400", VK_JSON_DOUBLE, 0, 0},
        {"1e18446744073709551616", VK_JSON_DOUBLE, 0, INFINITY},
        {"1e-18446744073709551616", VK_JSON_DOUBLE, 0, 0},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_json *v;
        assert_int_equal(parse(*state, vk_str_z(cases[i].text), &v, NULL, NULL), VK_OK);
        if (v->type != cases[i].type ||
            (v->type == VK_JSON_INT ? v->u.i != cases[i].i : v->u.d != cases[i].d))
            fail_msg("%s: type %d, %.17g", cases[i].text, (int)v->type, v->u.d);
    }
    vk_json *v;
    assert_int_equal(parse(*state, VK_STR("-0"), &v, NULL, NULL), VK_OK);
    assert_true(v->type == VK_JSON_DOUBLE && v->u.d == 0 && signbit(v->u.d));
    assert_int_equal(parse(*state, VK_STR("-0.0e5"), &v, NULL, NULL), VK_OK);
    assert_true(v->type == VK_JSON_DOUBLE && v->u.d == 0 && signbit(v->u.d));
}

/* The digit that decides a tie may stand anywhere. */
static void long_numbers(void **state)
{
    static char text[200000];
    vk_json *v;
    for (size_t zeros = 0; zeros < 150000; zeros = zeros * 4 + 1) {
        static const char tie[] = "9007199254740993.";
        size_t n = sizeof tie - 1;
        memcpy(text, tie, n);
        memset(text + n, '0', zeros);
        text[n + zeros] = '1';
        if (zeros) {
            assert_int_equal(parse(*state, (vk_str){text, n + zeros}, &v, NULL, NULL), VK_OK);
            assert_true(v->u.d == 9007199254740992.0);
        }
        assert_int_equal(parse(*state, (vk_str){text, n + zeros + 1}, &v, NULL, NULL), VK_OK);
        assert_true(v->u.d == 9007199254740994.0);
        vk_arena_reset(*state);
    }
    memset(text, '9', sizeof text);
    assert_int_equal(parse(*state, (vk_str){text, sizeof text}, &v, NULL, NULL), VK_OK);
    assert_true(v->type == VK_JSON_DOUBLE && isinf(v->u.d));
}

static void depth(void **state)
{
    char text[2 * (VK_JSON_DEPTH_MAX + 1)];
    vk_json *v;
    const char *why;
    size_t at, n = VK_JSON_DEPTH_MAX;
    memset(text, '[', n + 1);
    memset(text + n, ']', n);
    assert_int_equal(parse(*state, (vk_str){text, 2 * n}, &v, NULL, NULL), VK_OK);
    for (size_t i = 0; i < n - 1; i++, v = v->u.child)
        assert_int_equal(v->count, 1);
    assert_true(v->count == 0 && !v->u.child);
    memset(text, '[', n + 1);
    assert_int_equal(parse(*state, (vk_str){text, n + 1}, &v, &why, &at), VK_E_INVALID);
    assert_int_equal(at, n);
    assert_non_null(strstr(why, "deep"));
    /* One after the other is not depth. */
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_buf_ch(&b, '[');
    for (int i = 0; i < 1000; i++)
        vk_buf_z(&b, i ? ",[{}]" : "[{}]");
    vk_buf_ch(&b, ']');
    assert_int_equal(parse(*state, vk_buf_view(&b), &v, NULL, NULL), VK_OK);
    assert_int_equal(v->count, 1000);
    vk_buf_free(&b);
}

static void strings(void **state)
{
    vk_json *v;
    vk_str text = VK_STR("[\"plain\",\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\",\"a\\\\b \\\"quoted\\\" and a "
                         "long tail without any\",\"\\u0000\"]");
    assert_int_equal(vk_json_parse(*state, text, &v, NULL, NULL), VK_OK);
    v = v->u.child;
    assert_true(v->u.s.p == text.p + 2); /* a view */
    assert_true(vk_str_eqz(vk_json_str(v), "plain"));
    v = v->next;
    assert_true(vk_str_eqz(vk_json_str(v), "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
    v = v->next;
    assert_true(vk_str_eqz(vk_json_str(v), "a\\b \"quoted\" and a long tail without any"));
    v = v->next;
    assert_true(vk_str_eq(vk_json_str(v), (vk_str){"\0", 1}));
    assert_null(v->next);
}

static void members(void **state)
{
    vk_json *o;
    int64_t i;
    assert_int_equal(parse(*state,
                           VK_STR("{\"a\":1,\"n\":null,\"a\":\"x\",\"d\":3.0,\"big\":9007199254740994.0,"
                                  "\"f\":1.5,\"max\":-9007199254740992.0,\"inf\":1e999}"),
                           &o, NULL, NULL),
                     VK_OK);
    assert_int_equal(o->count, 8);
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(o, VK_STR("a"))), "x"));
    assert_non_null(vk_json_get(o, VK_STR("n")));
    assert_null(vk_json_opt(o, VK_STR("n")));
    assert_null(vk_json_get(o, VK_STR("")));
    assert_null(vk_json_get(NULL, VK_STR("a")));
    assert_null(vk_json_get(o->u.child, VK_STR("a")));
    assert_null(vk_json_str(NULL).p);
    assert_null(vk_json_str(o).p);
    assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("d")), &i), VK_OK);
    assert_int_equal(i, 3);
    assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("max")), &i), VK_OK);
    assert_int_equal(i, -9007199254740992);
    assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("big")), &i), VK_E_INVALID);
    assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("f")), &i), VK_E_INVALID);
    assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("inf")), &i), VK_E_INVALID);
    assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("a")), &i), VK_E_INVALID);
    assert_int_equal(vk_json_i64(NULL, &i), VK_E_INVALID);
}

static void arena_cap(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(8192);
    vk_buf b;
    vk_json *v;
    vk_buf_init(&b, 1 << 20);
    vk_buf_ch(&b, '[');
    for (int i = 0; i < 1000; i++)
        vk_buf_z(&b, "1,");
    vk_buf_z(&b, "1]");
    assert_int_equal(vk_json_parse(a, vk_buf_view(&b), &v, NULL, NULL), VK_E_NOMEM);
    vk_buf_clear(&b);
    vk_buf_z(&b, "\"\\n");
    for (int i = 0; i < 10000; i++)
        vk_buf_ch(&b, 'x');
    vk_buf_ch(&b, '"');
    vk_arena_reset(a);
    assert_int_equal(vk_json_parse(a, vk_buf_view(&b), &v, NULL, NULL), VK_E_NOMEM);
    vk_buf_free(&b);
    vk_arena_free(a);
}

/* ---- against jansson ---- */

static void gen_space(vk_buf *b)
{
    if (below(6) == 0)
        vk_buf_ch(b, " \t\r\n"[below(4)]);
}

static void gen_string(vk_buf *b)
{
    static const char *const parts[] = {"a",
                                        "plain ",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\u00e4",
                                        "\\ud83d\\ude00",
                                        "\\u0000",
                                        "\xc3\xa4",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "\\/",
                                        "0123456789",
                                        "\x7f"};
    vk_buf_ch(b, '"');
    for (unsigned n = below(8); n; n--)
        vk_buf_z(b, parts[below(VK_COUNT(parts))]);
    vk_buf_ch(b, '"');
}

static void gen_value(vk_buf *b, int room)
{
    gen_space(b);
    switch (below(room > 0 ? 8 : 6)) {
    case 0:
        vk_buf_z(b, below(2) ? "true" : below(2) ? "false" : "null");
        break;
    case 1:
    case 2:
        gen_string(b);
        break;
    case 3:
        vk_buf_i64(b, (int64_t)random64() >> below(64));
        break;
    case 4:
        vk_buf_printf(b, "%.*g", (int)below(18) + 1,
                      ldexp((double)(int64_t)random64(), (int)below(120) - 90));
        break;
    case 5:
        vk_buf_printf(b, "%d.%ue%d", (int)below(1000) - 500, below(100000), (int)below(40) - 20);
        break;
    case 6:
        vk_buf_ch(b, '[');
        for (unsigned n = below(5), i = 0; i < n; i++) {
            if (i)
                vk_buf_ch(b, ',');
            gen_value(b, room - 1);
        }
        gen_space(b);
        vk_buf_ch(b, ']');
        break;
    default:
        vk_buf_ch(b, '{');
        for (unsigned n = below(5), i = 0; i < n; i++) {
            if (i)
                vk_buf_ch(b, ',');
            gen_space(b);
            gen_string(b);
            gen_space(b);
            vk_buf_ch(b, ':');
            gen_value(b, room - 1);
        }
        gen_space(b);
        vk_buf_ch(b, '}');
    }
    gen_space(b);
}

static void mutate(vk_buf *b)
{
    static const char bytes[] = "{}[],:\"\\/u0123456789aeE+-. \n\t\x01\x80\xbf\xc2\xe0\xed\xf0\xf4\xff";
    for (unsigned n = 1 + below(3); n && b->n; n--) {
        size_t at = below((unsigned)b->n);
        switch (below(3)) {
        case 0:
            b->p[at] = bytes[below(sizeof bytes - 1)];
            break;
        case 1:
            memmove(b->p + at, b->p + at + 1, b->n - at - 1);
            b->n--;
            break;
        default:
            vk_buf_truncate(b, at);
        }
    }
}

static bool same(const vk_json *v, const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_NULL:
        return v->type == VK_JSON_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return v->type == VK_JSON_BOOL && v->u.b == json_is_true(j);
    case JSON_INTEGER:
        return v->type == VK_JSON_INT ? v->u.i == json_integer_value(j)
                                      : v->type == VK_JSON_DOUBLE && v->u.d == (double)json_integer_value(j);
    case JSON_REAL:
        return v->type == VK_JSON_DOUBLE && v->u.d == json_real_value(j);
    case JSON_STRING:
        return v->type == VK_JSON_STRING &&
               vk_str_eq(v->u.s, (vk_str){json_string_value(j), json_string_length(j)});
    case JSON_ARRAY: {
        size_t i = 0;
        if (v->type != VK_JSON_ARRAY || v->count != json_array_size(j))
            return false;
        for (const vk_json *x = v->u.child; x; x = x->next)
            if (!same(x, json_array_get(j, i++)))
                return false;
        return i == v->count;
    }
    default:
        if (v->type != VK_JSON_OBJECT)
            return false;
        for (const vk_json *x = v->u.child; x; x = x->next) {
            const json_t *of = json_object_getn(j, x->key.p ? x->key.p : "", x->key.n);
            if (!of || !same(vk_json_get(v, x->key), of))
                return false;
        }
        return true;
    }
}

static void differential(void **state)
{
    unsigned taken = 0, refusals = 0;
    for (int round = 0; round < 40000; round++) {
        vk_buf b;
        vk_json *v;
        json_error_t error;
        vk_buf_init(&b, 1 << 20);
        gen_value(&b, 4);
        if (below(2))
            mutate(&b);
        vk_err e = parse(*state, vk_buf_view(&b), &v, NULL, NULL);
        json_t *j = json_loadb(b.n ? b.p : "", b.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        /* Numbers that jansson cannot hold are still JSON; a key with a NUL it cannot hold either. */
        bool limited = !j && (json_error_code(&error) == json_error_numeric_overflow ||
                              json_error_code(&error) == json_error_null_byte_in_key);
        if (limited ? e == VK_E_NOMEM : (e == VK_OK) != (j != NULL) || (j && !same(v, j)))
            fail_msg("%.*s: we say %s, jansson %s", (int)b.n, b.p, vk_err_name(e),
                     j ? "took it" : error.text);
        taken += e == VK_OK;
        refusals += e != VK_OK;
        json_decref(j);
        vk_buf_free(&b);
        vk_arena_reset(*state);
    }
    assert_true(taken > 10000 && refusals > 5000);
}

/* ---- writer ---- */

static void writer(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, 1000);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "a\"", VK_STR("x"));
    vk_jw_ki64(&w, "n", INT64_MIN);
    vk_jw_kbool(&w, "t", true);
    vk_jw_kstr_or_null(&w, "e", VK_STR(""));
    vk_jw_kstr_or_null(&w, "z", VK_STR_NONE);
    vk_jw_key(&w, VK_STR("list"));
    vk_jw_arr(&w);
    vk_jw_null(&w);
    vk_jw_bool(&w, false);
    vk_jw_double(&w, 0.5);
    vk_jw_arr(&w);
    vk_jw_arr_end(&w);
    vk_jw_obj(&w);
    vk_jw_obj_end(&w);
    vk_jw_raw(&w, VK_STR("{\"raw\":1}"));
    vk_jw_i64(&w, 7);
    vk_jw_str(&w, VK_STR_NONE);
    vk_jw_arr_end(&w);
    vk_jw_key(&w, VK_STR(""));
    vk_jw_null(&w);
    vk_jw_obj_end(&w);
    assert_int_equal(b.err, VK_OK);
    assert_true(vk_str_eqz(vk_buf_view(&b),
                           "{\"a\\\"\":\"x\",\"n\":-9223372036854775808,\"t\":true,\"e\":\"\",\"z\":null,"
                           "\"list\":[null,false,0.5,[],{},"
                           "{\"raw\":1},7,\"\"],\"\":null}"));
    vk_buf_free(&b);
    vk_buf_init(&b, 10);
    w = vk_jw_on(&b);
    vk_jw_str(&w, VK_STR("123456789"));
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    vk_buf_free(&b);
}

static void quoting(void **state)
{
    VK_UNUSED(state);
#define R "\xef\xbf\xbd"
    static const char *const cases[][2] = {
        {"", ""},
        {"plain text of more than sixteen bytes", "plain text of more than sixteen bytes"},
        {"\"\\/\b\f\n\r\t\x01\x1f\x7f", "\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        /* as Python's bytes.decode("utf-8", "replace") */
        {"\x80", R},
        {"a\xc3", "a" R},
        {"\xc3(", R "("},
        {"\xe2\x82", R},
        {"\xe2(\xa1", R "(" R},
        {"\xed\xa0\x80", R R R},
        {"\xf0\x9f\x98", R},
        {"\xf0\x9f\x98z", R "z"},
        {"\xf0\x80\x80\x80", R R R R},
        {"\xc0\xaf", R R},
        {"\xf4\x90\x80\x80", R R R R},
        {"\xff\xfe", R R},
        {"1234567\x80\"", "1234567" R "\\\""},
        {"12345678\x80", "12345678" R},
    };
#undef R
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf b;
        char want[200];
        vk_buf_init(&b, 1000);
        vk_json_quote(&b, vk_str_z(cases[i][0]));
        snprintf(want, sizeof want, "\"%s\"", cases[i][1]);
        if (!vk_str_eqz(vk_buf_view(&b), want))
            fail_msg("case %zu: " VK_STR_FMT, i, VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    }
}

/* Any bytes: the output is JSON that both readers take, and valid text comes back unchanged. */
static void quoting_any_bytes(void **state)
{
    for (int round = 0; round < 20000; round++) {
        char text[40];
        vk_buf b;
        vk_json *v;
        size_t n = below(sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(below(3) ? below(256) : 0x20 + below(0x60));
        vk_buf_init(&b, 1000);
        vk_json_quote(&b, (vk_str){text, n});
        assert_int_equal(parse(*state, vk_buf_view(&b), &v, NULL, NULL), VK_OK);
        json_t *j = json_loadb(b.p, b.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        json_t *valid = json_stringn(text, n);
        if (valid)
            assert_true(vk_str_eq(v->u.s, (vk_str){text, n}));
        json_decref(valid);
        json_decref(j);
        vk_buf_free(&b);
        vk_arena_reset(*state);
    }
}

static void doubles(void **state)
{
    VK_UNUSED(state);
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0.0"},
        {1, "1"},
        {-1, "-1"},
        {0.1, "0.1"},
        {-2.5, "-2.5"},
        {100, "100"},
        {1e15, "1000000000000000"},
        {123456.789, "123456.789"},
        {0.001, "0.001"},
        {1e21, "1e21"},
        {1e300, "1e300"},
        {1e-7, "1e-7"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {9007199254740992, "9007199254740992"},
        {-9007199254740992.0, "-9007199254740992"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {INFINITY, "1e999"},
        {-INFINITY, "-1e999"},
        {NAN, "null"},
        {0.00001, "0.00001"},
        {4.35, "4.35"},
        {1e22, "1e22"},
        {1e23, "1e23"},
        {9.5367431640625e-07, "9.5367431640625e-7"},
        {9007199254740994, "9007199254740994"},
        {0x1p-44, "5.684341886080802e-14"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf b;
        vk_buf_init(&b, 64);
        vk_json_double(&b, cases[i].v);
        if (!vk_str_eqz(vk_buf_view(&b), cases[i].text))
            fail_msg("%s: " VK_STR_FMT, cases[i].text, VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    }
}

static unsigned significant(vk_str s)
{
    unsigned n = 0, zeros = 0;
    for (size_t i = 0; i < s.n && s.p[i] != 'e'; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || (n == 0 && s.p[i] == '0'))
            continue;
        n++;
        zeros = s.p[i] == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

static void round_trip(vk_arena *a, double v)
{
    char text[64], shorter[64];
    vk_buf b;
    vk_json *back;
    vk_buf_init(&b, sizeof text - 1);
    vk_json_double(&b, v);
    assert_int_equal(b.err, VK_OK);
    memcpy(text, b.p, b.n);
    text[b.n] = '\0';
    if (strtod(text, NULL) != v)
        fail_msg("%.17g became %s", v, text);
    assert_int_equal(vk_json_parse(a, vk_buf_view(&b), &back, NULL, NULL), VK_OK);
    double again = back->type == VK_JSON_INT ? (double)back->u.i : back->u.d;
    if (memcmp(&again, &v, sizeof v) != 0)
        fail_msg("%s read back as %.17g", text, again);
    unsigned n = significant(vk_buf_view(&b));
    assert_true(n <= 17);
    if (n > 1) {
        snprintf(shorter, sizeof shorter, "%.*e", (int)n - 2, v);
        if (strtod(shorter, NULL) == v)
            fail_msg("%s would do for %s", shorter, text);
    }
    vk_buf_free(&b);
    vk_arena_reset(a);
}

static void doubles_come_back(void **state)
{
    for (int i = 0; i < 60000; i++) {
        union {
            uint64_t bits;
            double d;
        } x = {random64()};
        if (isfinite(x.d))
            round_trip(*state, x.d);
        round_trip(*state, (double)(int64_t)random64() / (double)(1 + below(1000000)));
        round_trip(*state, (double)((int)below(2000000) - 1000000) / 1000.0);
        x.bits &= 0x800fffffffffffff; /* subnormal */
        if (i % 8 == 0)
            round_trip(*state, x.d);
    }
    for (int e = -1074; e < 1024; e++) {
        round_trip(*state, ldexp(1, e));
        round_trip(*state, nextafter(ldexp(1, e), 0));
        round_trip(*state, nextafter(ldexp(1, e), INFINITY));
    }
}

/* strtod is the judge of the reader's own fast path. */
static void decimals_read_as_strtod_does(void **state)
{
    for (int i = 0; i < 100000; i++) {
        char text[80];
        int n = below(2) ? snprintf(text, sizeof text, "%llu.%0*ue%d",
                                    (unsigned long long)(random64() >> below(64)), (int)below(12) + 1,
                                    below(100000), (int)below(60) - 30)
                         : snprintf(text, sizeof text, "%llue%d",
                                    (unsigned long long)(random64() >> below(64)), (int)below(700) - 350);
        vk_json *v;
        assert_int_equal(vk_json_parse(*state, (vk_str){text, (size_t)n}, &v, NULL, NULL), VK_OK);
        double want = strtod(text, NULL);
        if (v->type != VK_JSON_DOUBLE || memcmp(&v->u.d, &want, sizeof want) != 0)
            fail_msg("%s: %.17g", text, v->u.d);
        vk_arena_reset(*state);
    }
}

#define WITH_ARENA(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(accepted),
        WITH_ARENA(refused),
        WITH_ARENA(numbers),
        WITH_ARENA(long_numbers),
        WITH_ARENA(depth),
        WITH_ARENA(strings),
        WITH_ARENA(members),
        cmocka_unit_test(arena_cap),
        WITH_ARENA(differential),
        cmocka_unit_test(writer),
        cmocka_unit_test(quoting),
        WITH_ARENA(quoting_any_bytes),
        cmocka_unit_test(doubles),
        WITH_ARENA(doubles_come_back),
        WITH_ARENA(decimals_read_as_strtod_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
