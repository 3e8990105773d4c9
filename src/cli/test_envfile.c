#include "cli/envfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define OPEN "# >>> valetkey: written by `valetkey env`, changes between these lines are lost >>>\n"
#define SHUT "# <<< valetkey <<<\n"

static const vk_env_var vars[] = {{"A", {"1", 1}, false}, {"B", {"two words", 9}, true}};

/* NULL: refused, and why tells. */
static char *merge(const char *old, vk_env_format f, bool force, vk_err *e, char why_text[256])
{
    static char text[8192];
    vk_buf out;
    vk_str name = VK_STR_NONE;
    const char *why = "";
    vk_buf_init(&out, sizeof text - 1);
    *e = vk_envfile_merge(vk_str_z(old), f, vars, 2, force, &out, &name, &why);
    snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&out)));
    snprintf(why_text, 256, VK_STR_FMT "%s", VK_STR_ARG(name), *e == VK_E_CONFLICT ? "" : why);
    vk_buf_free(&out);
    return *e == VK_OK ? text : NULL;
}

#define OURS OPEN "A=1\nB='two words'\n" SHUT

static void merges(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *old, *want;
        bool force;
    } cases[] = {
        {"", OURS, false},
        {"X=1\n", "X=1\n\n" OURS, false},
        {"X=1", "X=1\n\n" OURS, false},
        {"X=1\n\n", "X=1\n\n" OURS, false},
        {OURS, OURS, false},
        {"X=1\n" OPEN "OLD=gone\nA=0\n" SHUT "Y=2\n", "X=1\n" OURS "Y=2\n", false},
        {"# A=commented\nX=1\n", "# A=commented\nX=1\n\n" OURS, false},
        {"A=1\nX=2\n", "X=2\n\n" OURS, false}, /* the same value: no reason to stop */
        {"A=own\nX=2\n", "# replaced by valetkey: A=own\nX=2\n\n" OURS, true},
        {"AA=1\nBA=2\n", "AA=1\nBA=2\n\n" OURS, false},
        {OURS "X=1\n" OURS, OURS "X=1\n", false}, /* two blocks become one */
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_err e;
        char why[256];
        char *got = merge(cases[i].old, VK_ENV_DOTENV, cases[i].force, &e, why);
        assert_non_null(got);
        assert_string_equal(got, cases[i].want);
        /* doing it again changes nothing */
        char again[8192];
        snprintf(again, sizeof again, "%s", got);
        got = merge(again, VK_ENV_DOTENV, false, &e, why);
        assert_non_null(got);
        assert_string_equal(got, again);
    }
}

static void refuses(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *old, *why;
        vk_err e;
    } cases[] = {
        {"A=own\n", "A", VK_E_CONFLICT},
        {"export A=own\n", "A", VK_E_CONFLICT},
        {"  B = own\n", "B", VK_E_CONFLICT},
        {"X=1\nB=\n", "B", VK_E_CONFLICT},
        {OURS "A=own\n", "A", VK_E_CONFLICT},
        {"X=1\n" OPEN "A=1\nMINE=precious\n", "its block of valetkey has lost its last line", VK_E_INVALID},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_err e;
        char why[256];
        assert_null(merge(cases[i].old, VK_ENV_DOTENV, false, &e, why));
        assert_int_equal(e, cases[i].e);
        assert_true(vk_str_starts(vk_str_z(why), vk_str_z(cases[i].why)));
    }
}

static void other_dialects(void **state)
{
    VK_UNUSED(state);
    vk_err e;
    char why[256];
    assert_string_equal(merge("export X=1\n", VK_ENV_SHELL, false, &e, why),
                        "export X=1\n\n" OPEN "export A='1'\nexport B='two words'\n" SHUT);
    assert_string_equal(merge("", VK_ENV_SYSTEMD, false, &e, why), OPEN "A=1\nB=\"two words\"\n" SHUT);
    assert_string_equal(merge("", VK_ENV_DOCKER, false, &e, why), OPEN "A=1\nB=two words\n" SHUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(merges), cmocka_unit_test(refuses),
                                       cmocka_unit_test(other_dialects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
