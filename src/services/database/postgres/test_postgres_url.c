/* What the app gets of a database that it reaches by itself. */
#include "services/database/postgres/postgres.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct given {
    const char *name, *value;
} given;

static vk_secret give(void *arg, const char *name)
{
    for (const given *g = arg; g->name; g++)
        if (strcmp(g->name, name) == 0)
            return vk_secret_of(vk_str_z(g->value));
    return VK_SECRET_NONE;
}

static void addresses(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *user, *password, *host, *port, *database, *sslmode, *want;
    } cases[] = {
        {"vk_a", "Secret9", "db.example.com", "5432", "vk_a", "require",
         "postgresql://vk_a:Secret9@db.example.com:5432/vk_a?sslmode=require"},
        {"vk_a", "s", "127.0.0.1", "5433", "vk_a", "prefer", "postgresql://vk_a:s@127.0.0.1:5433/vk_a"},
        {"vk_a", "s", "::1", "", "vk_a", "disable", "postgresql://vk_a:s@[::1]/vk_a?sslmode=disable"},
        {"a b", "p@:/?#%'", "h", "", "d/e", "", "postgresql://a%20b:p%40%3A%2F%3F%23%25%27@h/d%2Fe"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(65536);
        vk_str url =
            vk_db_pg_url(a, vk_secret_of(vk_str_z(cases[i].user)), vk_secret_of(vk_str_z(cases[i].password)),
                         vk_str_z(cases[i].host), vk_str_z(cases[i].port), vk_str_z(cases[i].database),
                         vk_str_z(cases[i].sslmode));
        if (!vk_str_eqz(url, cases[i].want))
            fail_msg(VK_STR_FMT, VK_STR_ARG(url));
        vk_arena_free(a);
    }
    char large[VK_DB_PG_URL_MAX];
    memset(large, '@', sizeof large);
    vk_arena *a = vk_arena_new(65536);
    assert_null(vk_db_pg_url(a, vk_secret_of(VK_STR("a")), vk_secret_of((vk_str){large, sizeof large}),
                             VK_STR("h"), VK_STR_NONE, VK_STR("d"), VK_STR_NONE)
                    .p);
    vk_arena_free(a);
}

static void drivers(void **state)
{
    VK_UNUSED(state);
    given postgres[] = {{"host", "h"}, {"port", "5432"},  {"database", "d"},
                        {"user", "u"}, {"password", "p"}, {NULL, NULL}},
          lacking[] = {{"host", "h"}, {"port", "5432"}, {"database", "d"}, {"user", "u"}, {NULL, NULL}},
          neon[] = {{"connection_uri", "postgresql://u:p@h/d?sslmode=require"}, {NULL, NULL}};
    const struct {
        const vk_driver *d;
        given *g;
        vk_err e;
        const char *want;
    } cases[] = {
        {&vk_db_postgres, postgres, VK_OK, "postgresql://u:p@h:5432/d"},
        {&vk_db_postgres, lacking, VK_E_UNAVAILABLE, NULL},
        {&vk_db_neon, neon, VK_OK, "postgresql://u:p@h/d?sslmode=require"},
        {&vk_db_neon, lacking, VK_E_UNAVAILABLE, NULL},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_env_var out[2];
        size_t n = 0;
        vk_arena *a = vk_arena_new(65536);
        const vk_driver *d = cases[i].d;
        assert_true(d->only_direct);
        assert_int_equal(d->direct(NULL, 0, a, NULL, NULL, NULL, give, cases[i].g, out, 2, &n), cases[i].e);
        if (cases[i].want) {
            assert_int_equal(n, 1);
            assert_string_equal(out[0].name, "DATABASE_URL");
            assert_true(out[0].secret && vk_str_eqz(out[0].value, cases[i].want));
            assert_int_equal(d->direct(NULL, 0, a, NULL, NULL, NULL, give, cases[i].g, out, 0, &n),
                             VK_E_NOMEM);
        }
        vk_arena_free(a);
    }
    assert_non_null(vk_db_postgres.refused(&(vk_binding){.resource = VK_STR("{}")}));
    assert_null(vk_db_postgres.refused(&(vk_binding){.resource = VK_STR("{\"host\":\"h\"}")}));
    assert_non_null(vk_db_neon.refused(&(vk_binding){.resource = VK_STR("{}")}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(drivers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
