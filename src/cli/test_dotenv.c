/* Each value as dotenv 17 gives it. */
#include "cli/dotenv.h"

#include "handoff/env.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct got {
    size_t n;
    vk_str name, value; /* the last one of the name that is looked for */
};

static void take(void *arg, vk_str name, vk_str value)
{
    struct got *g = arg;
    g->n++;
    if (vk_str_eqz(name, "A"))
        g->value = value;
}

static void values(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *want; /* NULL: there is no A */
        size_t n;
    } cases[] = {
        {"A=b", "b", 1},
        {"A=b\nB=c\nA=d\n", "d", 3},
        {"  export A = b  # why\r\n", "b", 1},
        {"export A=b", "b", 1},
        {"A=", "", 1},
        {"A=\nB=c", "", 2},
        {"A='b # c' # d", "b # c", 1},
        {"A=\"b\\nc\\r\"", "b\nc\r", 1},
        {"A='b\\nc'", "b\\nc", 1},
        {"A=`it's \"b\"`", "it's \"b\"", 1},
        {"A=\"b\nc\"\nB=d", "b\nc", 2},
        {"A=\"b\\\"c\"", "b\\\"c", 1},
        {"A='b", "'b", 1},
        {"A='b'c", "'b'c", 1},
        {"A=b=c==", "b=c==", 1},
        {"A=b#c", "b", 1},
        {"A=$HOME", "$HOME", 1},
        {"#A=b", NULL, 0},
        {"A b", NULL, 0},
        {"A-B.c=d", NULL, 1},
        {"=b", NULL, 0},
        {"\xef\xbb\xbf"
         "A=b",
         "b", 1},
        {"", NULL, 0},
        {"\n\n\r\n", NULL, 0},
        {"A=b\rB=c", "b", 2},
        {"export=b\nA=c", "c", 2},
    };
    vk_arena *a = vk_arena_new(65536);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct got g = {0};
        assert_int_equal(vk_dotenv_read(a, vk_str_z(cases[i].text), take, &g), VK_OK);
        if (g.n != cases[i].n ||
            (cases[i].want ? !g.value.p || !vk_str_eqz(g.value, cases[i].want) : g.value.p != NULL))
            fail_msg("%zu: %zu variables, A is \"" VK_STR_FMT "\"", i, g.n, VK_STR_ARG(g.value));
    }
    vk_arena_free(a);
}

/* What `valetkey env` writes comes back. */
static void of_env(void **state)
{
    VK_UNUSED(state);
    static const char *const all[] = {"plain/Value+1=", "two words", "a#b", " edges ",
                                      "it's",           "$HOME",     "\\n"};
    vk_arena *a = vk_arena_new(65536);
    vk_buf b;
    vk_buf_init(&b, 4096);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        const vk_env_var v = {.name = "A", .value = vk_str_z(all[i])};
        vk_env_format f;
        const char *why = NULL;
        struct got g = {0};
        vk_buf_clear(&b);
        assert_true(vk_env_format_parse(VK_STR("dotenv"), &f));
        if (vk_env_line(&b, f, &v, &why) != VK_OK)
            continue; /* it says that no dotenv file can carry it */
        assert_int_equal(vk_dotenv_read(a, vk_buf_view(&b), take, &g), VK_OK);
        if (!vk_str_eqz(g.value, all[i]))
            fail_msg("%s came back as " VK_STR_FMT, all[i], VK_STR_ARG(g.value));
    }
    vk_buf_free(&b);
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(of_env)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
