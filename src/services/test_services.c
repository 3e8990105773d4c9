/* Which services can be together, and in what order those are that are registered. */
#include "valetkey/service.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_err head(vk_exchange *ex)
{
    VK_UNUSED(ex);
    return VK_OK;
}

static void request(vk_exchange *ex)
{
    VK_UNUSED(ex);
}

static void refuse(vk_exchange *ex, int status, vk_err e, const char *text)
{
    VK_UNUSED(ex);
    VK_UNUSED(status);
    VK_UNUSED(e);
    VK_UNUSED(text);
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    VK_UNUSED(rt);
    VK_UNUSED(index);
    VK_UNUSED(a);
    VK_UNUSED(b);
    VK_UNUSED(keys);
    VK_UNUSED(out);
    VK_UNUSED(room);
    *n_r = 0;
    return VK_OK;
}

static void close_build(const char *build, void (*done)(void *arg), void *arg)
{
    VK_UNUSED(build);
    done(arg);
}

static const vk_handler handler = {.head = head, .request = request, .refuse = refuse};
static const vk_valet_kind kinds_a[] = {{.kind = 'a', .prefix = "vk_a_"}, {0}};
static const vk_valet_kind kinds_b[] = {{.kind = 'b', .prefix = "vk_b_"}, {0}};

static const vk_service model_a = {.name = "alpha",
                                   .vendor = "A",
                                   .driver = "embedded",
                                   .port_offset = 4,
                                   .kinds = kinds_a,
                                   .handler = &handler,
                                   .env = env,
                                   .close_build = close_build};
static const vk_service model_b = {.name = "beta",
                                   .vendor = "B",
                                   .driver = "embedded",
                                   .port_offset = 5,
                                   .kinds = kinds_b,
                                   .handler = &handler,
                                   .env = env,
                                   .close_build = close_build};

static char why[400];

static vk_err both(const vk_service *a, const vk_service *b)
{
    const vk_service *const list[] = {a, b};
    why[0] = '\0';
    return vk_services_check(list, 2, why, sizeof why);
}

#define REFUSED(a, b, ...)                                                                                   \
    do {                                                                                                     \
        const char *const words_[] = {__VA_ARGS__};                                                          \
        assert_int_equal(both(&(a), &(b)), VK_E_CONFLICT);                                                   \
        for (size_t i_ = 0; i_ < VK_COUNT(words_); i_++)                                                     \
            if (!strstr(why, words_[i_]))                                                                    \
                fail_msg("no \"%s\" in: %s", words_[i_], why);                                               \
    } while (0)

static void test_two_that_go_together(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(both(&model_a, &model_b), VK_OK);
    assert_string_equal(why, "");
    assert_int_equal(vk_services_check(NULL, 0, why, sizeof why), VK_OK);
}

static void test_names(void **state)
{
    static const char *const bad[] = {NULL, "",    "console",          "Alpha", "a-b", "a/b", "../x", "1a",
                                      "_a", "a b", "abcdefghijklmnopq"};
    VK_UNUSED(state);
    vk_service a = model_a;
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        a.name = bad[i];
        REFUSED(a, model_b, "is no name for a service");
    }
    a.name = "abcdefghijklmnop"; /* VK_SERVICE_MAX: what a row of the metadata has room for */
    assert_int_equal(strlen(a.name), VK_SERVICE_MAX);
    assert_int_equal(both(&a, &model_b), VK_OK);
    a.name = "beta";
    REFUSED(a, model_b, "Two services", "\"beta\"");
}

static void test_ports(void **state)
{
    VK_UNUSED(state);
    vk_service a = model_a;
    a.port_offset = 5;
    REFUSED(a, model_b, "\"alpha\"", "\"beta\"", "port offset 5");
    a.port_offset = 0; /* the console's */
    REFUSED(a, model_b, "\"alpha\"", "port offset 0");
    a.port_offset = VK_PORT_OFFSET_MAX + 1;
    REFUSED(a, model_b, "\"alpha\"", "port offset 10");
}

static void test_what_must_be_there(void **state)
{
    VK_UNUSED(state);
    vk_handler h = handler;
    vk_service a = model_a;
    a.close_build = NULL;
    REFUSED(a, model_b, "\"alpha\"", "no close_build");
    a = model_a;
    a.env = NULL;
    REFUSED(a, model_b, "no env");
    a = model_a;
    a.handler = NULL;
    REFUSED(a, model_b, "no handler");
    a.handler = &h;
    h.refuse = NULL; /* or the engine's refusals would not be in the vendor's format */
    REFUSED(a, model_b, "no handler->refuse");
    a = model_a;
    a.kinds = NULL;
    REFUSED(a, model_b, "no kinds");
}

static void test_keys_that_look_the_same(void **state)
{
    static const vk_valet_kind same[] = {{.kind = 'z', .prefix = "vk_b_"}, {0}},
                               twice[] = {{.kind = 'a', .prefix = "vk_x_"},
                                          {.kind = 'a', .prefix = "vk_y_"},
                                          {0}},
                               inside[] = {{.kind = 'x', .prefix = "vk_x_"},
                                           {.kind = 'y', .prefix = "vk_x_"},
                                           {0}},
                               hex_32[] = {{.kind = 'i', .prefix = "", .hex = 32}, {0}},
                               signs[] = {{.kind = 'j', .prefix = "", .hex = 40},
                                          {.kind = 's', .prefix = "", .hex = 32, .unsent = true},
                                          {0}},
                               hex_42[] = {{.kind = 'h', .prefix = "", .hex = 42}, {0}},
                               like_hex[] = {{.kind = 'd', .prefix = "abcdef"}, {0}},
                               no_form[] = {{.kind = 'o', .prefix = "", .hex = 31}, {0}},
                               no_prefix[] = {{.kind = 'o', .prefix = ""}, {0}};
    VK_UNUSED(state);
    vk_service a = model_a, b = model_b;
    a.kinds = same;
    REFUSED(a, b, "'z'", "\"alpha\"", "'b'", "\"beta\"", "another prefix");
    a.kinds = twice;
    REFUSED(a, b, "two kinds of keys 'a'");
    a.kinds = inside;
    REFUSED(a, b, "'x'", "'y'");
    a.kinds = b.kinds = hex_32;
    REFUSED(a, b, "'i'");
    b.kinds = signs; /* what nobody shows can be taken for nothing */
    assert_int_equal(both(&a, &b), VK_OK);
    a.kinds = hex_42;
    b.kinds = like_hex; /* abcdef, and 36 characters that may happen to be digits */
    REFUSED(a, b, "'h'", "'d'");
    b.kinds = hex_32;
    assert_int_equal(both(&a, &b), VK_OK);
    b.kinds = no_form;
    REFUSED(a, b, "form that no key has");
    b.kinds = no_prefix;
    REFUSED(a, b, "form that no key has");
}

static void test_how_many(void **state)
{
    VK_UNUSED(state);
    const vk_service *many[VK_SERVICES_MAX + 1];
    for (size_t i = 0; i < VK_COUNT(many); i++)
        many[i] = &model_a;
    assert_int_equal(vk_services_check(many, VK_COUNT(many), why, sizeof why), VK_E_CONFLICT);
    assert_non_null(strstr(why, "VK_SERVICES_MAX"));
}

/* Registered beside those of the program, at ports that none of these can have: the linker's order is not the
 * services'. */
static const vk_service first = {.name = "first",
                                 .vendor = "F",
                                 .driver = "embedded",
                                 .port_offset = 0,
                                 .kinds = kinds_a,
                                 .handler = &handler,
                                 .env = env,
                                 .close_build = close_build};
static const vk_service last = {.name = "last",
                                .vendor = "L",
                                .driver = "embedded",
                                .port_offset = VK_PORT_OFFSET_MAX + 1,
                                .kinds = kinds_a,
                                .handler = &handler,
                                .env = env,
                                .close_build = close_build};
VK_SERVICE_REGISTER(last);
VK_SERVICE_REGISTER(first);

static void test_the_registered_ones(void **state)
{
    VK_UNUSED(state);
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    assert_true(n >= 3);
    assert_ptr_equal(all[0], &first);
    assert_ptr_equal(all[n - 1], &last);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || all[i - 1]->port_offset < all[i]->port_offset);
        assert_int_equal(vk_service_index(vk_str_z(all[i]->name)), (int)i);
    }
    assert_int_equal(vk_service_index(VK_STR("databas")), -1);
    assert_int_equal(vk_service_index(VK_STR("console")), -1);
    assert_int_equal(vk_services_registered(why, sizeof why), VK_E_CONFLICT);
    assert_non_null(strstr(why, "port offset"));
    assert_int_equal(vk_services_check(all + 1, n - 2, why, sizeof why), VK_OK); /* the program's own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_that_go_together),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_what_must_be_there),
        cmocka_unit_test(test_keys_that_look_the_same),
        cmocka_unit_test(test_how_many),
        cmocka_unit_test(test_the_registered_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
