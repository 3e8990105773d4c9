/* Policies of POST forms: what a form may contain under them. Signatures over them are test_sigv4*.c's. */
#include "crypto/postpolicy.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/encode.h"

static const int64_t now = INT64_C(1795457715000); /* 2026-11-23T18:15:15Z */

static vk_arena *arena;
static vk_post_terms terms;

typedef struct form {
    const char *fields[8][2];
    const char *file;
} form;

static vk_sigv4_fail check(const char *policy, const form *f)
{
    static char encoded[1 << 16];
    vk_sigv4_pair pairs[10];
    vk_buf b;
    size_t n = 0;
    vk_arena_reset(arena);
    vk_buf_init(&b, sizeof encoded - 1);
    vk_base64(&b, policy, strlen(policy), true);
    assert_int_equal(b.err, VK_OK);
    if (b.n)
        memcpy(encoded, b.p, b.n);
    for (size_t i = 0; i < 8 && f->fields[i][0]; i++)
        pairs[n++] = (vk_sigv4_pair){vk_str_z(f->fields[i][0]), vk_str_z(f->fields[i][1])};
    pairs[n++] = (vk_sigv4_pair){VK_STR("Policy"), {encoded, b.n}};
    vk_buf_free(&b);
    pairs[n++] = (vk_sigv4_pair){VK_STR("X-Amz-Signature"), VK_STR("00")};
    const vk_post_form form_of = {.fields = pairs,
                                  .n_fields = n,
                                  .bucket = VK_STR("bkt"),
                                  .file_name = vk_str_z(f->file ? f->file : "x.png"),
                                  .now_ms = now};
    return vk_post_policy_check(arena, &form_of, &terms);
}

/* A policy that ends in time, of these conditions. */
static vk_sigv4_fail under(const char *conditions, const form *f)
{
    char policy[4096];
    snprintf(policy, sizeof policy, "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":%s}",
             conditions);
    return check(policy, f);
}

static int begin(void **state)
{
    VK_UNUSED(state);
    arena = vk_arena_new(1 << 20);
    return arena ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    return 0;
}

static void the_vector_holds(void **state)
{
    VK_UNUSED(state);
    char path[PATH_MAX];
    const char *root = getenv("VK_SOURCE_ROOT");
    json_error_t why;
    snprintf(path, sizeof path, "%s/tests/data/storage/sigv4-vectors.json", root ? root : ".");
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, &why), *v, *field;
    size_t i, k, done = 0;
    assert_non_null(all);
    json_array_foreach(json_object_get(all, "vectors"), i, v)
    {
        if (strcmp(json_string_value(json_object_get(v, "form")), "post") != 0)
            continue;
        vk_sigv4_pair pairs[16];
        size_t n = 0;
        json_array_foreach(json_object_get(v, "fields"), k, field)
        {
            const char *name = json_string_value(json_array_get(field, 0));
            if (strncmp(name, "file", 4) != 0)
                pairs[n++] =
                    (vk_sigv4_pair){vk_str_z(name), vk_str_z(json_string_value(json_array_get(field, 1)))};
        }
        const vk_post_form f = {pairs, n, VK_STR("bkt"), VK_STR("x.png"), now};
        assert_int_equal(vk_post_policy_check(arena, &f, &terms), VK_SIGV4_OK);
        assert_true(vk_str_eqz(terms.key, json_string_value(json_object_get(v, "final_key"))));
        assert_true(terms.min == 0 && terms.max == 1048576);
        assert_int_equal(vk_post_policy_size(&terms, 1048576), VK_SIGV4_OK);
        assert_int_equal(vk_post_policy_size(&terms, 1048577), VK_SIGV4_TOO_LARGE);
        done++;
    }
    assert_int_equal(done, 1);
    json_decref(all);
}

static void conditions_are_kept(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *conditions;
        form form;
        vk_sigv4_fail want;
    } cases[] = {
        {"[{\"key\":\"a\"}]", {.fields = {{"key", "a"}}}, VK_SIGV4_OK},
        {"[{\"KEY\":\"a\"}]", {.fields = {{"Key", "a"}}}, VK_SIGV4_OK},
        {"[[\"eq\",\"$key\",\"a\"]]", {.fields = {{"key", "a"}}}, VK_SIGV4_OK},
        {"[[\"EQ\",\"$Key\",\"a\"]]", {.fields = {{"key", "a"}}}, VK_SIGV4_OK},
        {"[[\"eq\",\"$key\",\"a\"]]", {.fields = {{"key", "ab"}}}, VK_SIGV4_POLICY_CONDITION},
        {"[[\"eq\",\"$key\",\"ab\"]]", {.fields = {{"key", "a"}}}, VK_SIGV4_POLICY_CONDITION},
        {"[[\"eq\",\"$key\",\"A\"]]", {.fields = {{"key", "a"}}}, VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"u/\"]]", {.fields = {{"key", "u/a"}}}, VK_SIGV4_OK},
        {"[[\"Starts-With\",\"$key\",\"\"]]", {.fields = {{"key", "u/a"}}}, VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"u/\"]]", {.fields = {{"key", "U/a"}}}, VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"u/\"]]", {.fields = {{"key", "u"}}}, VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"u/\"],[\"eq\",\"$key\",\"u/b\"]]",
         {.fields = {{"key", "u/a"}}},
         VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"\"],{\"bucket\":\"bkt\"}]", {.fields = {{"key", "a"}}}, VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"\"],{\"bucket\":\"bkt\"}]",
         {.fields = {{"key", "a"}, {"bucket", "bkt"}}},
         VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"\"],{\"bucket\":\"other\"}]",
         {.fields = {{"key", "a"}}},
         VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"\"],{\"bucket\":\"other\"}]",
         {.fields = {{"key", "a"}, {"bucket", "other"}}},
         VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"\"],{\"bucket\":\"bkt\"}]",
         {.fields = {{"key", "a"}, {"bucket", "other"}}},
         VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"\"],[\"starts-with\",\"$Content-Type\",\"image/\"]]",
         {.fields = {{"key", "a"}, {"content-type", "image/png"}}},
         VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"\"],[\"starts-with\",\"$Content-Type\",\"image/\"]]",
         {.fields = {{"key", "a"}, {"content-type", "image/png, image/gif"}}},
         VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"\"],[\"starts-with\",\"$Content-Type\",\"image/\"]]",
         {.fields = {{"key", "a"}, {"content-type", "image/png,text/html"}}},
         VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"\"],[\"starts-with\",\"$Content-Type\",\"image/\"]]",
         {.fields = {{"key", "a"}}},
         VK_SIGV4_POLICY_CONDITION},
        {"[[\"starts-with\",\"$key\",\"\"],[\"starts-with\",\"$Content-Type\",\"\"]]",
         {.fields = {{"key", "a"}}},
         VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"\"]]",
         {.fields = {{"key", "a"}, {"acl", "public-read"}}},
         VK_SIGV4_POLICY_EXTRA},
        {"[[\"starts-with\",\"$key\",\"\"]]",
         {.fields = {{"key", "a"}, {"x-amz-meta-a", "1"}}},
         VK_SIGV4_POLICY_EXTRA},
        {"[[\"starts-with\",\"$key\",\"\"]]", {.fields = {{"key", "a"}, {"x-ignore-a", "1"}}}, VK_SIGV4_OK},
        {"[[\"starts-with\",\"$key\",\"\"]]",
         {.fields = {{"key", "a"}, {"x-ignore", "1"}}},
         VK_SIGV4_POLICY_EXTRA},
        {"[]", {.fields = {{"key", "a"}}}, VK_SIGV4_POLICY_EXTRA},
        {"[[\"starts-with\",\"$key\",\"\"]]", {.fields = {{"key", "a"}, {"KEY", "b"}}}, VK_SIGV4_FORM_TWICE},
        {"[[\"starts-with\",\"$key\",\"\"]]",
         {.fields = {{"key", "a"}, {"policy", "e30="}}},
         VK_SIGV4_FORM_TWICE},
        {"[[\"starts-with\",\"$key\",\"\"]]", {.fields = {{"key", ""}}}, VK_SIGV4_FORM_KEY},
        {"[[\"starts-with\",\"$key\",\"\"]]", {.fields = {{"x-ignore-key", "a"}}}, VK_SIGV4_FORM_KEY},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_sigv4_fail got = under(cases[i].conditions, &cases[i].form);
        if (got != cases[i].want)
            fail_msg("case %zu, %s: %d instead of %d", i, cases[i].conditions, got, cases[i].want);
    }
}

static void a_refusal_says_what(void **state)
{
    VK_UNUSED(state);
    form f = {.fields = {{"key", "b"}, {"acl", "public-read"}}};
    assert_int_equal(under("[[\"eq\",\"$key\",\"a\\\"\"]]", &f), VK_SIGV4_POLICY_CONDITION);
    assert_true(vk_str_eqz(terms.detail, "[\"eq\",\"$key\",\"a\\\"\"]"));
    assert_int_equal(under("[[\"eq\",\"$key\",\"b\"]]", &f), VK_SIGV4_POLICY_EXTRA);
    assert_true(vk_str_eqz(terms.detail, "acl"));
}

static void the_file_name_goes_into_the_key_first(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *key, *file, *want;
    } cases[] = {
        {"u/${filename}", "a.png", "u/a.png"},
        {"${filename}-${filename}", "a", "a-a"},
        {"u/${filename}", "C:\\dir\\a.png", "u/a.png"},
        {"u/${filename}", "../../x/a.png", "u/a.png"},
        {"u/${filename}", "", "u/"},
        {"u/${Filename}", "a", "u/${Filename}"},
        {"u/${filename}", "${filename}", "u/${filename}"},
        {"u/${filename", "a", "u/${filename"},
        {"u/${filename}x", "..", "u/..x"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        form f = {.fields = {{"key", cases[i].key}}, .file = cases[i].file};
        assert_int_equal(under("[[\"starts-with\",\"$key\",\"\"]]", &f), VK_SIGV4_OK);
        assert_true(vk_str_eqz(terms.key, cases[i].want));
    }
    form f = {.fields = {{"key", "${filename}"}}, .file = "other"}; /* the condition sees what is stored */
    assert_int_equal(under("[[\"starts-with\",\"$key\",\"$\"]]", &f), VK_SIGV4_POLICY_CONDITION);
    assert_int_equal(under("[[\"eq\",\"$key\",\"other\"]]", &f), VK_SIGV4_OK);
}

static void sizes_are_the_narrowest(void **state)
{
    VK_UNUSED(state);
    form f = {.fields = {{"key", "a"}}};
    assert_int_equal(under("[{\"key\":\"a\"}]", &f), VK_SIGV4_OK);
    assert_true(terms.min == 0 && terms.max == INT64_MAX);
    assert_int_equal(
        under("[{\"key\":\"a\"},[\"Content-Length-Range\",2,5],[\"content-length-range\",1,4]]", &f),
        VK_SIGV4_OK);
    assert_true(terms.min == 2 && terms.max == 4);
    assert_int_equal(vk_post_policy_size(&terms, 1), VK_SIGV4_TOO_SMALL);
    assert_int_equal(vk_post_policy_size(&terms, 2), VK_SIGV4_OK);
    assert_int_equal(vk_post_policy_size(&terms, 4), VK_SIGV4_OK);
    assert_int_equal(vk_post_policy_size(&terms, 5), VK_SIGV4_TOO_LARGE);
    static const char *const wrong[] = {"\"1\",\"2\"", "1,\"2\"", "2,1",    "-1,2",   "1.5,2",
                                        "1",           "1,2,3",   "null,2", "1e2,200"};
    for (size_t i = 0; i < VK_COUNT(wrong); i++) {
        char conditions[128];
        snprintf(conditions, sizeof conditions, "[{\"key\":\"a\"},[\"content-length-range\",%s]]", wrong[i]);
        assert_int_equal(under(conditions, &f), VK_SIGV4_POLICY_DOCUMENT);
    }
}

static void the_document_is_strict(void **state)
{
    VK_UNUSED(state);
    static const char *const wrong[] = {
        "",
        "x",
        "[]",
        "{}",
        "null",
        "{\"expiration\":\"2026-11-23T18:25:15Z\"}",
        "{\"conditions\":[{\"key\":\"a\"}]}",
        "{\"Expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"Conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":{\"key\":\"a\"}}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[{\"key\":\"a\"}],\"x\":1}",
        ("{\"expiration\":\"2026-11-23T18:25:15Z\",\"expiration\":\"2027-11-23T18:25:15Z\",\"conditions\":[{"
         "\"key\":\"a\"}]}"),
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[{\"key\":\"a\"}]} x",
        "{\"expiration\":1795457715,\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"tomorrow\",\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-11-23T18:25:15\",\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-11-23T18:25:15+00:00\",\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-11-23T18:25:15.Z\",\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-13-23T18:25:15Z\",\"conditions\":[{\"key\":\"a\"}]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[{\"key\":1}]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[{}]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[\"key\"]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[\"eq\",\"$key\"]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[\"eq\",\"key\",\"a\"]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[\"eq\",\"$\",\"a\"]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[\"eq\",\"$key\",1]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[\"eq\",\"$key\",\"a\",\"a\"]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[\"in\",\"$key\",\"a\"]]}",
        "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[[1,\"$key\",\"a\"]]}",
    };
    form f = {.fields = {{"key", "a"}}};
    for (size_t i = 0; i < VK_COUNT(wrong); i++) {
        vk_sigv4_fail got = check(wrong[i], &f);
        if (got != VK_SIGV4_POLICY_DOCUMENT)
            fail_msg("%s: %d", wrong[i], got);
    }
    const vk_sigv4_pair pairs[] = {{VK_STR("key"), VK_STR("a")}, {VK_STR("policy"), VK_STR("not base64!")}};
    const vk_post_form direct = {pairs, 2, VK_STR("bkt"), VK_STR(""), now},
                       without = {pairs, 1, VK_STR("bkt"), VK_STR(""), now};
    assert_int_equal(vk_post_policy_check(arena, &direct, &terms), VK_SIGV4_POLICY_DOCUMENT);
    assert_int_equal(vk_post_policy_check(arena, &without, &terms), VK_SIGV4_FORM_PART);
}

static void a_policy_ends(void **state)
{
    VK_UNUSED(state);
    form f = {.fields = {{"key", "a"}}};
    static const struct {
        const char *when;
        vk_sigv4_fail want;
    } cases[] = {{"2026-11-23T18:15:16Z", VK_SIGV4_OK},
                 {"2026-11-23T18:15:15.001Z", VK_SIGV4_OK},
                 {"2026-11-23T18:15:15.1Z", VK_SIGV4_OK},
                 {"2026-11-23T18:15:15Z", VK_SIGV4_POLICY_EXPIRED},
                 {"2026-11-23T18:15:15.000Z", VK_SIGV4_POLICY_EXPIRED},
                 {"2025-11-24T18:15:15.999Z", VK_SIGV4_POLICY_EXPIRED}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char policy[256];
        snprintf(policy, sizeof policy, "{\"conditions\":[{\"key\":\"a\"}],\"expiration\":\"%s\"}",
                 cases[i].when);
        assert_int_equal(check(policy, &f), cases[i].want);
    }
}

static void forms_are_bounded(void **state)
{
    VK_UNUSED(state);
    static char large[VK_POST_FIELD_MAX + 1], names[VK_POST_FIELDS_MAX + 1][16];
    vk_sigv4_pair pairs[VK_POST_FIELDS_MAX + 1];
    memset(large, 'a', sizeof large);
    for (size_t i = 0; i < VK_COUNT(pairs); i++) {
        snprintf(names[i], sizeof names[i], "x-ignore-%zu", i);
        pairs[i] = (vk_sigv4_pair){vk_str_z(names[i]), VK_STR("")};
    }
    vk_post_form f = {pairs, VK_COUNT(pairs), VK_STR("bkt"), VK_STR(""), now};
    assert_int_equal(vk_post_policy_check(arena, &f, &terms), VK_SIGV4_TOO_LARGE);
    f.n_fields--;
    assert_int_equal(vk_post_policy_check(arena, &f, &terms), VK_SIGV4_FORM_PART);
    pairs[0].value = (vk_str){large, sizeof large};
    assert_int_equal(vk_post_policy_check(arena, &f, &terms), VK_SIGV4_TOO_LARGE);
    for (size_t i = 0; i < 4; i++)
        pairs[i].value = (vk_str){large, VK_POST_FIELD_MAX};
    assert_int_equal(vk_post_policy_check(arena, &f, &terms), VK_SIGV4_TOO_LARGE);
}

static void memory_may_run_out(void **state)
{
    VK_UNUSED(state);
    vk_arena *whole = arena;
    form f = {.fields = {{"key", "${filename}"}}};
    bool ran_out = false;
    for (size_t cap = 4096; cap < 65536; cap += 512) {
        char policy[8192];
        size_t n = (size_t)snprintf(policy, sizeof policy,
                                    "{\"expiration\":\"2026-11-23T18:25:15Z\",\"conditions\":[");
        for (int i = 0; i < 150; i++)
            n += (size_t)snprintf(policy + n, sizeof policy - n, "[\"eq\",\"$key\",\"x.png\"],");
        snprintf(policy + n, sizeof policy - n, "{\"key\":\"x.png\"}]}");
        arena = vk_arena_new(cap);
        vk_sigv4_fail got = arena ? check(policy, &f) : VK_SIGV4_NO_MEMORY;
        vk_arena_free(arena);
        assert_true(got == VK_SIGV4_OK || got == VK_SIGV4_NO_MEMORY);
        ran_out |= got == VK_SIGV4_NO_MEMORY;
    }
    arena = whole;
    assert_true(ran_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_holds),        cmocka_unit_test(conditions_are_kept),
        cmocka_unit_test(a_refusal_says_what),     cmocka_unit_test(the_file_name_goes_into_the_key_first),
        cmocka_unit_test(sizes_are_the_narrowest), cmocka_unit_test(the_document_is_strict),
        cmocka_unit_test(a_policy_ends),           cmocka_unit_test(forms_are_bounded),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
