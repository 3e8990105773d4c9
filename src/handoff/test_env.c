/* Names, dialects, and the refusal to make a secret public. The dialects are read back here by small parsers
 * written from the documents of their programs, and, where the program is at hand (sh), by the program. */
#include "handoff/env.h"
#include "handoff/preload.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static vk_str S(const char *z)
{
    return vk_str_z(z);
}

static const char *find(const vk_env_var *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].name, name) == 0)
            return v[i].value.p;
    return NULL;
}

static vk_err map_for(vk_arena *a, const char *framework, const vk_env_var *in, size_t n, vk_env_var *out,
                      size_t *n_r, const char **why)
{
    return vk_env_rename(a, vk_framework_find(S(framework)), in, n, out, VK_ENV_MAX, n_r, why);
}

static void framework_names(void **state)
{
    VK_UNUSED(state);
    static const vk_env_var in[] = {
        {"TURSO_DATABASE_URL", {"u", 1}, false},     {"TURSO_AUTH_TOKEN", {"t", 1}, true},
        {"CLERK_PUBLISHABLE_KEY", {"p", 1}, false},  {"CLERK_SECRET_KEY", {"s", 1}, true},
        {"STRIPE_PUBLISHABLE_KEY", {"k", 1}, false},
    };
    static const struct {
        const char *framework, *names[8];
        size_t n;
    } cases[] = {
        {"next",
         {"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",
          "STRIPE_PUBLISHABLE_KEY"},
         6},
        {"vite", {"VITE_CLERK_PUBLISHABLE_KEY", "VITE_STRIPE_PUBLISHABLE_KEY"}, 6},
        {"react-router", {"VITE_CLERK_PUBLISHABLE_KEY", "CLERK_PUBLISHABLE_KEY"}, 7},
        {"remix", {"CLERK_PUBLISHABLE_KEY", "STRIPE_PUBLISHABLE_KEY"}, 5},
        {"nuxt", {"NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "NUXT_CLERK_SECRET_KEY"}, 6},
        {"astro", {"PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY"}, 6},
        {"expo", {"EXPO_PUBLIC_CLERK_PUBLISHABLE_KEY"}, 6},
        {"express", {"CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY"}, 5},
        {"django", {"CLERK_PUBLISHABLE_KEY"}, 5},
    };
    for (size_t c = 0; c < VK_COUNT(cases); c++) {
        vk_arena *a = vk_arena_new(1 << 20);
        vk_env_var out[VK_ENV_MAX];
        size_t n = 0;
        const char *why = NULL;
        assert_int_equal(map_for(a, cases[c].framework, in, VK_COUNT(in), out, &n, &why), VK_OK);
        assert_int_equal(n, cases[c].n);
        assert_non_null(find(out, n, "TURSO_DATABASE_URL"));
        assert_non_null(find(out, n, "TURSO_AUTH_TOKEN"));
        for (size_t i = 0; cases[c].names[i]; i++)
            assert_non_null(find(out, n, cases[c].names[i]));
        for (size_t i = 0; i < n; i++)
            assert_false(out[i].secret && vk_env_name_public(S(out[i].name)));
        vk_arena_free(a);
    }
}

/* What a service with a wrong table would do: every framework must refuse it. */
static void secret_never_public(void **state)
{
    VK_UNUSED(state);
    static const vk_env_var bad[] = {
        {"STRIPE_PUBLISHABLE_KEY", {"sk", 2}, true}, /* a rule gives it a public name */
        {"NEXT_PUBLIC_TOKEN", {"t", 1}, true},
        {"VITE_TOKEN", {"t", 1}, true},
        {"PUBLIC_TOKEN", {"t", 1}, true},
        {"REACT_APP_TOKEN", {"t", 1}, true},
    };
    for (size_t f = 0; f < vk_n_frameworks; f++)
        for (size_t i = 0; i < VK_COUNT(bad); i++) {
            vk_arena *a = vk_arena_new(1 << 20);
            vk_env_var out[VK_ENV_MAX];
            size_t n = 0;
            const char *why = NULL;
            vk_err e = vk_env_rename(a, &vk_frameworks[f], &bad[i], 1, out, VK_ENV_MAX, &n, &why);
            if (i == 0 && !vk_frameworks[f].prefix[0]) {
                assert_int_equal(e, VK_OK);
            } else {
                assert_int_equal(e, VK_E_INVALID);
                assert_non_null(strstr(why, "is a secret"));
                assert_null(strstr(why, "sk\""));
                assert_int_equal(n, 0);
            }
            vk_arena_free(a);
        }
}

static void bad_names(void **state)
{
    VK_UNUSED(state);
    static const char *const bad[] = {"", "1A", "A-B", "A B", "A=B", "\xc3\xa9"};
    vk_arena *a = vk_arena_new(1 << 20);
    vk_env_var out[VK_ENV_MAX];
    size_t n = 0;
    const char *why = NULL;
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        vk_env_var v = {bad[i], {"x", 1}, false};
        assert_int_equal(map_for(a, "next", &v, 1, out, &n, &why), VK_E_INVALID);
    }
    vk_env_var twice[] = {{"A", {"1", 1}, false}, {"A", {"2", 1}, false}};
    assert_int_equal(map_for(a, "next", twice, 2, out, &n, &why), VK_E_INVALID);
    assert_non_null(strstr(why, "two services set A"));
    vk_env_var two[] = {{"A", {"1", 1}, false}, {"B", {"2", 1}, false}};
    assert_int_equal(vk_env_rename(a, vk_framework_find(S("next")), two, 2, out, 1, &n, &why),
                     VK_E_TOO_LARGE);
    vk_arena_free(a);
}

/* ---- dialects, read back */

static const char *const values[] = {
    "http://127.0.0.1:4502",
    "vk_b_0123456789ABCabc",
    "",
    " lead",
    "trail ",
    "a b",
    "#hash",
    "a#b",
    "$HOME",
    "${Q} $$",
    "\"",
    "it's",
    "a\\b",
    "\\",
    "%41",
    "`id`",
    "!x",
    ";&|<>()",
    "a=b",
    "caf\xc3\xa9 \xe2\x98\x83",
    "~",
    "*",
    "\t",
};

/* dotenv: bare, '…' taken as it is, "…" (we never write an escape into it). */
static bool read_dotenv(vk_str raw, vk_buf *out)
{
    if (raw.n >= 2 && (raw.p[0] == '\'' || raw.p[0] == '"')) {
        if (raw.p[raw.n - 1] != raw.p[0] || memchr(raw.p + 1, raw.p[0], raw.n - 2))
            return false;
        if (raw.p[0] == '"' && memchr(raw.p, '\\', raw.n))
            return false;
        vk_buf_add(out, raw.p + 1, raw.n - 2);
        return true;
    }
    for (size_t i = 0; i < raw.n; i++)
        if (strchr(" #'\"`$\\\t", raw.p[i]))
            return false;
    vk_buf_str(out, raw);
    return true;
}

/* systemd.exec(5): in double quotes a backslash takes the next of " \ ` $ as it is. */
static bool read_systemd(vk_str raw, vk_buf *out)
{
    if (raw.n >= 2 && raw.p[0] == '"' && raw.p[raw.n - 1] == '"') {
        for (size_t i = 1; i < raw.n - 1; i++) {
            if (raw.p[i] == '\\' && strchr("\"\\`$", raw.p[i + 1]))
                i++;
            else if (raw.p[i] == '"')
                return false;
            vk_buf_ch(out, raw.p[i]);
        }
        return true;
    }
    for (size_t i = 0; i < raw.n; i++)
        if (strchr(" #'\"`$\\\t;", raw.p[i]))
            return false;
    vk_buf_str(out, raw);
    return true;
}

static bool read_docker(vk_str raw, vk_buf *out)
{
    vk_buf_str(out, raw);
    return true;
}

static void files_round_trip(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_env_format f;
        bool (*read)(vk_str raw, vk_buf *out);
    } dialects[] = {
        {VK_ENV_DOTENV, read_dotenv}, {VK_ENV_SYSTEMD, read_systemd}, {VK_ENV_DOCKER, read_docker}};
    for (size_t d = 0; d < VK_COUNT(dialects); d++)
        for (size_t i = 0; i < VK_COUNT(values); i++) {
            vk_buf out, back;
            vk_buf_init(&out, 4096);
            vk_buf_init(&back, 4096);
            vk_env_var v = {"NAME", S(values[i]), false};
            const char *why;
            assert_int_equal(vk_env_write(&out, dialects[d].f, &v, 1, &why), VK_OK);
            assert_true(vk_str_starts(vk_buf_view(&out), S("NAME=")));
            assert_int_equal(out.p[out.n - 1], '\n');
            assert_true(dialects[d].read((vk_str){out.p + 5, out.n - 6}, &back));
            assert_int_equal(back.n, strlen(values[i]));
            assert_memory_equal(back.n ? back.p : "", values[i], back.n);
            vk_buf_free(&out);
            vk_buf_free(&back);
        }
}

static void shell_round_trip(void **state)
{
    VK_UNUSED(state);
    char path[] = "/tmp/vk-env-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    vk_buf out;
    vk_buf_init(&out, 65536);
    const char *why;
    vk_env_var vars[VK_COUNT(values)];
    char names[VK_COUNT(values)][8];
    for (size_t i = 0; i < VK_COUNT(values); i++) {
        snprintf(names[i], sizeof names[i], "V%zu", i);
        vars[i] = (vk_env_var){names[i], S(values[i]), false};
    }
    assert_int_equal(vk_env_write(&out, VK_ENV_SHELL, vars, VK_COUNT(values), &why), VK_OK);
    for (size_t i = 0; i < VK_COUNT(values); i++)
        vk_buf_printf(&out, "printf '%%s\\0' \"$V%zu\"\n", i);
    assert_int_equal(write(fd, out.p, out.n), (ssize_t)out.n);
    close(fd);
    char cmd[64];
    snprintf(cmd, sizeof cmd, "sh -u %s", path);
    FILE *p = popen(cmd, "r");
    assert_non_null(p);
    char got[4096];
    size_t n = fread(got, 1, sizeof got, p), at = 0;
    assert_int_equal(pclose(p), 0);
    for (size_t i = 0; i < VK_COUNT(values); i++) {
        assert_true(at < n);
        assert_string_equal(got + at, values[i]);
        at += strlen(values[i]) + 1;
    }
    assert_int_equal(at, n);
    unlink(path);
    vk_buf_free(&out);
}

static void refusals(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_env_format f;
        const char *value;
        size_t n;
    } cases[] = {
        {VK_ENV_DOTENV, "a\nb", 3}, {VK_ENV_DOTENV, "a\rb", 3}, {VK_ENV_DOTENV, "a\0b", 3},
        {VK_ENV_SHELL, "a\nb", 3},  {VK_ENV_DOCKER, "a\nb", 3}, {VK_ENV_SYSTEMD, "a\nb", 3},
        {VK_ENV_JSON, "a\0b", 3},   {VK_ENV_DOTENV, "'\"", 2},  {VK_ENV_DOTENV, "'$A", 3},
        {VK_ENV_SHELL, "\0", 1},    {VK_ENV_DOCKER, "\r", 1},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf out;
        vk_buf_init(&out, 4096);
        vk_buf_lit(&out, "kept");
        vk_env_var v[] = {{"GOOD", {"x", 1}, false}, {"SECRET_NAME", {cases[i].value, cases[i].n}, true}};
        const char *why = NULL;
        assert_int_equal(vk_env_write(&out, cases[i].f, v, 2, &why), VK_E_INVALID);
        assert_true(vk_str_eqz(vk_buf_view(&out), "kept"));
        assert_non_null(why);
        vk_buf_free(&out);
    }
    vk_buf small;
    vk_buf_init(&small, 8);
    vk_env_var v = {"A_LONG_NAME", {"x", 1}, false};
    const char *why;
    assert_int_equal(vk_env_write(&small, VK_ENV_DOTENV, &v, 1, &why), VK_E_TOO_LARGE);
    vk_buf_free(&small);
}

static void as_json(void **state)
{
    VK_UNUSED(state);
    vk_buf out;
    vk_buf_init(&out, 65536);
    vk_env_var v[] = {{"A", S("x\"y\\\n"), false}, {"B", S("caf\xc3\xa9"), true}};
    const char *why;
    assert_int_equal(vk_env_write(&out, VK_ENV_JSON, v, 2, &why), VK_OK);
    json_t *j = json_loadb(out.p, out.n, 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_object_size(j), 2);
    assert_string_equal(json_string_value(json_object_get(j, "A")), "x\"y\\\n");
    assert_string_equal(json_string_value(json_object_get(j, "B")), "caf\xc3\xa9");
    json_decref(j);
    vk_buf_free(&out);
}

static void formats(void **state)
{
    VK_UNUSED(state);
    vk_env_format f;
    assert_true(vk_env_format_parse(S("systemd"), &f));
    assert_int_equal(f, VK_ENV_SYSTEMD);
    assert_false(vk_env_format_parse(S("yaml"), &f));
    assert_false(vk_env_format_parse(S(""), &f));
}

/* Every dialect can carry it, and NODE_OPTIONS takes it for one option. */
static void preload_option(void **state)
{
    VK_UNUSED(state);
    vk_str option = vk_str_z(vk_preload_option);
    assert_true(vk_str_starts(option, S("--import=data:text/javascript;base64,")));
    assert_in_range(option.n, 1000, 8192);
    for (size_t i = 0; i < option.n; i++)
        assert_true(option.p[i] > ' ' && option.p[i] < 127 && !strchr("\"'\\$`%", option.p[i]));
    const vk_env_var v = {"NODE_OPTIONS", option, false};
    for (int f = VK_ENV_DOTENV; f <= VK_ENV_JSON; f++) {
        vk_buf out;
        const char *why;
        vk_buf_init(&out, 64 * 1024);
        assert_int_equal(vk_env_write(&out, (vk_env_format)f, &v, 1, &why), VK_OK);
        assert_non_null(memmem(out.p, out.n, option.p, option.n));
        vk_buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framework_names),  cmocka_unit_test(secret_never_public),
        cmocka_unit_test(bad_names),        cmocka_unit_test(files_round_trip),
        cmocka_unit_test(shell_round_trip), cmocka_unit_test(refusals),
        cmocka_unit_test(as_json),          cmocka_unit_test(formats),
        cmocka_unit_test(preload_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
