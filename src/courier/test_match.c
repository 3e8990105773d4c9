/* The table's notation, beside what the vectors of test_ladder have of it: templates, conditions, answers,
 * and what keys say about themselves. */
#include "courier/match.h"

#include "courier/key_facts.h"
#include "courier/rules.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

static int set_up(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(4 << 20);
    return arena ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    return 0;
}

static vk_json *json(const char *text)
{
    vk_json *o;
    if (vk_json_parse(arena, vk_str_z(text), &o, NULL, NULL) != VK_OK)
        fail_msg("no JSON: %s", text);
    return o;
}

static void put(vk_vars *v, const char *name, const char *value, vk_var_kind kind)
{
    assert_int_equal(vk_vars_set(v, vk_str_z(name), vk_str_z(value), kind), VK_OK);
}

static void templates(void **state)
{
    VK_UNUSED(state);
    static vk_vars v;
    put(&v, "A", "a/b c\"&?#%\r\nX: y", VK_VAR_PLAIN);
    put(&v, "P", "x/.y/0~", VK_VAR_PATH);
    put(&v, "O", "https://h:8/p", VK_VAR_ORIGIN);
    put(&v, "S", "hidden", VK_VAR_SECRET);
    static const struct {
        const char *text;
        vk_fill_how how;
        const char *want;
    } cases[] = {
        {"{O}/{P}?a={A}&s={S}", VK_FILL_URL,
         "https://h:8/p/x/.y/0~?a=a%2Fb%20c%22%26%3F%23%25%0D%0AX%3A%20y&s=hidden"},
        {"{\"a\":\"{A}\"}", VK_FILL_JSON, "{\"a\":\"a/b c\\\"&?#%\\r\\nX: y\"}"},
        {"{S} {P} {O}", VK_FILL_SHOWN, "•••• x/.y/0~ https://h:8/p"},
        {"{S}{None}{", VK_FILL_TEXT, "hidden{"},
        {"{}{a b}{{S}}", VK_FILL_TEXT, "{}{a b}{hidden}"},
        {"", VK_FILL_TEXT, ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf b;
        vk_buf_init(&b, 1000);
        vk_fill(&v, vk_str_z(cases[i].text), cases[i].how, &b);
        if (b.err || !vk_str_eqz(vk_buf_view(&b), cases[i].want))
            fail_msg("%s: " VK_STR_FMT, cases[i].text, VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    }
    put(&v, "S2", "den!12", VK_VAR_SECRET);
    put(&v, "S3", "short", VK_VAR_SECRET);
    vk_str clean = vk_scrubbed(arena, &v, VK_STR("a hidden hiddenden!12 short hidde"), VK_STR("*"));
    assert_true(vk_str_eqz(clean, "a * ** short hidde"));
    static vk_vars full;
    char names[VK_VARS_MAX + 1][4];
    for (size_t i = 0; i <= VK_VARS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        assert_int_equal(vk_vars_set(&full, vk_str_z(names[i]), VK_STR("x"), VK_VAR_PLAIN),
                         i < VK_VARS_MAX ? VK_OK : VK_E_TOO_LARGE);
    }
}

static void conditions(void **state)
{
    VK_UNUSED(state);
    static vk_vars v;
    put(&v, "A", "rk_test_1", VK_VAR_SECRET);
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {"{\"equal\":[\"{A}\",\"rk_test_1\"]}", true},
        {"{\"equal\":[\"{A}\",\"{B}\"]}", false},
        {"{\"equal\":[\"{B}\",\"\"]}", true},
        {"{\"equal\":[\"{A}\"]}", false},
        {"{\"matches\":[\"{A}\",\"^rk_\"]}", true},
        {"{\"matches\":[\"{A}\",\"{A}\"]}", false}, /* a pattern is no template */
        {"{\"matches\":[\"{A}\",\"(\"]}", false},
        {"{\"matches\":[\"{B}\",\".\"]}", false},
        {"{\"not\":{\"matches\":[\"{A}\",\"^sk_\"]}}", true},
        {"{\"not\":{}}", false},
        {"{\"all\":[{\"equal\":[\"a\",\"a\"]},{\"equal\":[\"b\",\"b\"]}]}", true},
        {"{\"all\":[{\"equal\":[\"a\",\"a\"]},{\"equal\":[\"b\",\"c\"]}]}", false},
        {"{\"any\":[{\"equal\":[\"a\",\"b\"]},{\"equal\":[\"b\",\"b\"]}]}", true},
        {"{\"any\":[]}", false},
        {"{\"all\":[]}", true},
        {"{\"surely\":[\"a\",\"a\"]}", false}, /* what is not known holds never */
        {"[]", false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (vk_when(arena, &v, json(cases[i].text)) != cases[i].want)
            fail_msg("%s", cases[i].text);
}

static void answers(void **state)
{
    VK_UNUSED(state);
    static vk_vars v;
    put(&v, "A", "one", VK_VAR_PLAIN);
    const vk_heard good = {.status = 200,
                           .body = VK_STR("the whole body"),
                           .json = json("{\"a\":[{\"k\":\"one\",\"n\":3,\"t\":true},{\"k\":\"two\"}],"
                                        "\"x/y\":{\"~\":1.0},\"big\":9007199254740993}"),
                           .code = VK_STR("A_CODE"),
                           .head = VK_STR("X-One:  one \r\nX-Empty:\r\nX-One: two\r\n")};
    const vk_heard none = {.why = "tls"}, tested = {.tested = true, .ok = true};
    static const struct {
        const char *text;
        int on; /* 0: good, 1: none, 2: tested */
        bool want;
    } cases[] = {
        {"{\"verdict\":\"pass\",\"say\":\"\",\"fix\":\"\"}", 0, true},
        {"{\"verdict\":\"pass\"}", 1, false}, /* of answers only */
        {"{\"status\":200}", 0, true},
        {"{\"status\":\"2xx\"}", 0, true},
        {"{\"status\":[404,\"2xx\"]}", 0, true},
        {"{\"status\":[\"4xx\",\"5xx\"]}", 0, false},
        {"{\"status\":\"none\"}", 0, false},
        {"{\"status\":\"none\"}", 1, true},
        {"{\"status\":\"none\",\"why\":\"tls\"}", 1, true},
        {"{\"status\":\"none\",\"why\":\"dns\"}", 1, false},
        {"{\"status\":[\"2xx\",\"none\"]}", 1, true},
        {"{\"status\":\"none\"}", 2, false},
        {"{\"ok\":true}", 2, true},
        {"{\"ok\":false}", 2, false},
        {"{\"ok\":true}", 0, false},
        {"{\"json\":{\"/a/0/k\":\"{A}\",\"/a/0/n\":\"3\",\"/a/0/t\":\"true\"}}", 0, true},
        {"{\"json\":{\"/a/1/k\":\"{A}\"}}", 0, false},
        {"{\"json\":{\"/a/2/k\":\"\"}}", 0, false},
        {"{\"json\":{\"/a/00/k\":\"one\"}}", 0, false},
        {"{\"json\":{\"/a/+0/k\":\"one\"}}", 0, false},
        {"{\"json\":{\"/x~1y/~0\":\"1\"}}", 0, true},
        {"{\"json\":{\"/big\":\"9007199254740993\"}}", 0, false},
        {"{\"json\":{\"/a\":\"\"}}", 0, false},
        {"{\"json\":{\"a\":\"\"}}", 0, false},
        {"{\"some\":{\"in\":\"/a\",\"where\":{\"/k\":\"two\"}}}", 0, true},
        {"{\"some\":{\"in\":\"/a\",\"where\":{\"/k\":\"two\",\"/n\":\"3\"}}}", 0, false},
        {"{\"some\":{\"in\":\"/b\",\"where\":{}}}", 0, false},
        {"{\"some\":{\"in\":\"/a\",\"where\":{}}}", 0, true},
        {"{\"has\":\"whole\"}", 0, true},
        {"{\"has\":\"half\"}", 0, false},
        {"{\"body\":\"the whole body\"}", 0, true},
        {"{\"body\":\"the whole\"}", 0, false},
        {"{\"code\":\"A_CODE\"}", 0, true},
        {"{\"code\":[\"B\",\"A_CODE\"]}", 0, true},
        {"{\"code\":[\"B\"]}", 0, false},
        {"{\"code\":\"A_CODE\"}", 1, false},
        {"{\"header\":{\"x-one\":\"{A}\"}}", 0, true},
        {"{\"header\":{\"x-one\":[\"two\",\"one\"]}}", 0, true},
        {"{\"header\":{\"x-one\":\"two\"}}", 0, false},
        {"{\"header\":{\"x-empty\":\"\"}}", 0, true},
        {"{\"header\":{\"x-none\":\"\"}}", 0, false},
        {"{\"status\":200,\"surely\":1}", 0, false},
        {"[]", 0, false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (vk_answer_fits(arena, &v, json(cases[i].text),
                           cases[i].on == 0   ? &good
                           : cases[i].on == 1 ? &none
                                              : &tested) != cases[i].want)
            fail_msg("%s on %d", cases[i].text, cases[i].on);
}

/* What the vectors do not have of key_facts. */
static void facts(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *service, *name, *value, *fact, *want;
    } cases[] = {
        {"database", "TURSO_DATABASE_URL", "wss://DB.Example.com:443/a/", "db_http",
         "https://db.example.com/a"},
        {"database", "TURSO_DATABASE_URL", "libsql://h:8080", "db_http", "https://h:8080"},
        {"database", "TURSO_DATABASE_URL", "libsql://h@i", "db_http", NULL},
        {"database", "TURSO_DATABASE_URL", "libsql://h?x", "db_http", NULL},
        {"database", "TURSO_DATABASE_URL", "postgres://u:p@H.example/db?x=y", "pg_host", "h.example"},
        {"database", "TURSO_DATABASE_URL", "postgres://u:p@h.example/db", "pg_login", "u:p"},
        {"database", "TURSO_DATABASE_URL", "postgresql://h.example:5433/db", "pg_port", "5433"},
        {"database", "TURSO_AUTH_TOKEN", "e30.eyJleHAiOjE3NDYyMzA0MDAsInAiOnsiZGRsIjp7fX19.c2ln", "jwt_exp",
         "2025-05-03"},
        {"database", "TURSO_AUTH_TOKEN", "e30.eyJleHAiOjE3NDYyMzA0MDAsInAiOnsiZGRsIjp7fX19.c2ln",
         "jwt_access", "rw"},
        {"database", "TURSO_AUTH_TOKEN", "e30.bm9uZQ.c2ln", "jwt_exp", NULL},
        {"storage", "R2_ENDPOINT", "https://s3.eu-west-1.amazonaws.com", "s3_host_region", "eu-west-1"},
        {"storage", "R2_ENDPOINT", "https://h@evil/", "s3_endpoint", NULL},
        {"storage", "R2_PREFIX", "a/b/", "canary", "a/b/.valetkey-probe/0123"},
        {"clerk", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "pk_test_QS5FWEFNUExFLmNvbSQ", "pk_host",
         "a.example.com"},
        {"clerk", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "pk_test_YS5jb20vQGIuY29tJA==", "pk_host", ""},
        {"clerk", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "pk_test_YS5jb20", "pk_host", ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        static vk_vars v;
        v.n = 0;
        put(&v, cases[i].name, cases[i].value, VK_VAR_PLAIN);
        assert_int_equal(vk_key_facts(arena, vk_str_z(cases[i].service), 0, VK_STR("0123"), &v), VK_OK);
        vk_str got = vk_vars_get(&v, vk_str_z(cases[i].fact));
        if (cases[i].want ? !got.p || !vk_str_eqz(got, cases[i].want) : got.p != NULL)
            fail_msg("%s: %s is " VK_STR_FMT, cases[i].value, cases[i].fact, VK_STR_ARG(got));
    }
}

/* A pattern that stands under that name, or as the second of a "matches". */
static void look_at_patterns(const vk_json *v)
{
    if (v->type != VK_JSON_OBJECT && v->type != VK_JSON_ARRAY)
        return;
    const vk_json *matches = vk_json_get(v, VK_STR("matches"));
    vk_str p = vk_json_str(matches ? matches->u.child->next : vk_json_get(v, VK_STR("pattern")));
    char z[VK_PATTERN_MAX + 1];
    regex_t re;
    if (p.n) {
        assert_true(p.n <= VK_PATTERN_MAX);
        snprintf(z, sizeof z, VK_STR_FMT, VK_STR_ARG(p));
        if (regcomp(&re, z, REG_EXTENDED) != 0)
            fail_msg("%s is no pattern", z);
        regfree(&re);
        /* What is more in POSIX is refused; here it would cost seconds. */
        assert_false(
            vk_pattern_matches(VK_STR("[{,]([3-9][0-9][0-9]|2[6-9][0-9]|25[6-9]|[0-9]{4,})[,}]"), p));
    }
    for (const vk_json *c = v->u.child; c; c = c->next)
        look_at_patterns(c);
}

/* Every pattern of the table compiles here, and its fields are found by all of their names. */
static void table(void **state)
{
    VK_UNUSED(state);
    const vk_json *rules;
    size_t names = 0;
    assert_int_equal(vk_rules_read(arena, &rules), VK_OK);
    for (const vk_json *s = vk_rules_services(rules); s; s = s->next) {
        size_t fields = 0;
        for (const vk_json *f = vk_rules_fields(s); f; f = f->next, fields++) {
            vk_str env = vk_json_str(vk_json_get(f, VK_STR("env")));
            const vk_json *also = vk_json_get(f, VK_STR("also"));
            assert_ptr_equal(vk_rules_field(s, env), f);
            for (const vk_json *o = also->u.child; o; o = o->next)
                assert_ptr_equal(vk_rules_field(s, o->u.s), f);
            names += 1 + also->count;
        }
        assert_true(fields > 0 && vk_json_get(s, VK_STR("ladder"))->count <= 40);
    }
    look_at_patterns(rules);
    assert_true(names <= VK_KEY_NAMES_MAX);
    assert_null(vk_rules_service(rules, VK_STR("payments")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(templates), cmocka_unit_test(conditions),
                                       cmocka_unit_test(answers), cmocka_unit_test(facts),
                                       cmocka_unit_test(table)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
