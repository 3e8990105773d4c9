/* What an app with a settings page gets: which app asks for it, and that each of the three values is the
 * build's alone, stays what it is, and means what the page takes it for. */
#include "handoff/settings.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static vk_master *master, *other_master;

static int before(void **state)
{
    VK_UNUSED(state);
    uint8_t key[VK_MASTER];
    memset(key, 7, sizeof key);
    if (vk_digest_init() != VK_OK || vk_master_new(1, key, &master) != VK_OK)
        return -1;
    key[31] = 8;
    return vk_master_new(1, key, &other_master) == VK_OK ? 0 : -1;
}

static int after(void **state)
{
    VK_UNUSED(state);
    vk_master_free(master);
    vk_master_free(other_master);
    return 0;
}

static void wanted(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        vk_err e;
        bool wanted;
    } cases[] = {
        {"{\"valetkey\":{\"settings\":true}}", VK_OK, true},
        {"\xef\xbb\xbf{\"name\":\"a\",\"valetkey\":{\"clerk\":\"runtime\",\"settings\":true}}", VK_OK, true},
        {"{\"valetkey\":{\"settings\":false}}", VK_OK, false},
        {"{\"valetkey\":{\"settings\":\"true\"}}", VK_OK, false},
        {"{\"valetkey\":{\"settings\":1}}", VK_OK, false},
        {"{\"valetkey\":{\"settings\":{}}}", VK_OK, false},
        {"{\"valetkey\":true}", VK_OK, false},
        {"{\"settings\":true}", VK_OK, false},
        {"{}", VK_OK, false},
        {"[]", VK_E_INVALID, false},
        {"", VK_E_INVALID, false},
        {"{\"valetkey\":", VK_E_INVALID, false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(1 << 16);
        bool got = false;
        assert_int_equal(vk_settings_wanted(a, vk_str_z(cases[i].text), &got), cases[i].e);
        if (got != cases[i].wanted)
            fail_msg("%s", cases[i].text);
        vk_arena_free(a);
    }
}

struct made {
    vk_arena *a;
    vk_env_var vars[VK_ENV_MAX];
    size_t n;
};

static const vk_env_var given[] = {
    {"TURSO_AUTH_TOKEN", {"vk_b_secret-of-test", 19}, true},
    {"DATABASE_URL", {"http://127.0.0.1:4502", 21}, false},
    {"CLERK_PUBLISHABLE_KEY", {"pk_of_test", 10}, false},
    {"NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", {"pk_two", 6}, false},
    {"STRIPE_PUBLISHABLE_KEY", {"pk_two", 6}, false},
    {"R2_ACCESS_KEY_ID", {"id-of-test", 10}, true},
    {"AWS_ACCESS_KEY_ID", {"id-of-test", 10}, true},
    {"EMPTY", {"", 0}, true},
};
enum { DIFFERENT = 4 };

static struct made make(vk_master *m, const char *id, uint64_t generation)
{
    struct made out = {.a = vk_arena_new(1 << 16), .n = VK_COUNT(given)};
    vk_runtime rt = {.master = m};
    vk_build b = {.generation = generation};
    const char *why = NULL;
    snprintf(b.id, sizeof b.id, "%s", id);
    memcpy(out.vars, given, sizeof given);
    assert_non_null(out.a);
    assert_int_equal(vk_settings_add(&rt, out.a, &b, out.vars, &out.n, NULL, 0, &why), VK_OK);
    assert_int_equal(out.n, VK_COUNT(given) + 3);
    return out;
}

static vk_str value(const struct made *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->vars[i].name, name) == 0)
            return m->vars[i].value;
    fail_msg("no %s", name);
    return VK_STR_NONE;
}

static void per_build(void **state)
{
    VK_UNUSED(state);
    static const char *const names[] = {"SETTINGS_TOKEN", "SETTINGS_ENCRYPTION_KEY", "VALETKEY_REFUSED_KEYS"};
    struct made one = make(master, "one", 1);
    struct made others[] = {make(master, "two", 1), make(master, "one", 2), make(other_master, "one", 1)};
    struct made again = make(master, "one", 1);
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        assert_true(vk_str_eq(value(&one, names[i]), value(&again, names[i])));
        for (size_t k = 0; k < VK_COUNT(others); k++)
            assert_false(vk_str_eq(value(&one, names[i]), value(&others[k], names[i])));
    }
    const vk_valet_form token = {.kind = 't', .prefix = "st_"};
    assert_true(vk_valet_shape_ok(vk_secret_of(value(&one, "SETTINGS_TOKEN")), &token));
    vk_str key = value(&one, "SETTINGS_ENCRYPTION_KEY");
    assert_int_equal(key.n, 64);
    for (size_t i = 0; i < key.n; i++)
        assert_non_null(strchr("0123456789abcdef", key.p[i]));
    for (size_t i = VK_COUNT(given); i < one.n; i++)
        assert_int_equal(one.vars[i].secret, i < VK_COUNT(given) + 2);
    /* what was there stays */
    for (size_t i = 0; i < VK_COUNT(given); i++)
        assert_string_equal(one.vars[i].name, given[i].name);
    vk_arena_free(one.a);
    vk_arena_free(again.a);
    for (size_t k = 0; k < VK_COUNT(others); k++)
        vk_arena_free(others[k].a);
}

static void unhex(const char *hex, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned int b;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &b), 1);
        out[i] = (uint8_t)b;
    }
}

/* Each key and nothing else, as somebody else's HMAC has it. */
static void marks(void **state)
{
    VK_UNUSED(state);
    struct made m = make(master, "one", 1);
    vk_str list = value(&m, "VALETKEY_REFUSED_KEYS");
    uint8_t salt[16];
    assert_int_equal(list.n, 32 + DIFFERENT * 33);
    assert_int_equal(list.p[32], ':');
    unhex(list.p, salt, sizeof salt);
    for (size_t i = 0; i < VK_COUNT(given); i++) {
        uint8_t full[EVP_MAX_MD_SIZE];
        char hex[33];
        unsigned int n;
        assert_non_null(HMAC(EVP_sha256(), salt, sizeof salt, (const uint8_t *)given[i].value.p,
                             given[i].value.n, full, &n));
        for (size_t k = 0; k < 16; k++)
            snprintf(hex + 2 * k, 3, "%02x", full[k]);
        bool key = given[i].value.n && (given[i].secret || strstr(given[i].name, "PUBLISHABLE_KEY"));
        if ((memmem(list.p, list.n, hex, 32) != NULL) != key)
            fail_msg("%s", given[i].name);
    }
    for (size_t i = 1; i < DIFFERENT; i++)
        assert_int_equal(list.p[32 + i * 33], ',');
    vk_arena_free(m.a);
}

/* Those of keeper stand behind the build's own, as they are. */
static void marks_of_the_organisation(void **state)
{
    VK_UNUSED(state);
    static vk_str many[VK_SETTINGS_MARKS_MAX + 1];
    vk_runtime rt = {.master = master};
    vk_build b = {.id = "one", .generation = 1};
    struct made m = {.a = vk_arena_new(1 << 18), .n = VK_COUNT(given)};
    const char *why = NULL;
    uint8_t salt[VK_SETTINGS_SALT];
    char hex[33];
    for (size_t i = 0; i < VK_COUNT(many); i++)
        many[i] = vk_arena_printf(m.a, "%032zx", i);
    memcpy(m.vars, given, sizeof given);
    assert_int_equal(vk_settings_add(&rt, m.a, &b, m.vars, &m.n, many, VK_SETTINGS_MARKS_MAX, &why), VK_OK);
    vk_str list = value(&m, "VALETKEY_REFUSED_KEYS");
    assert_int_equal(list.n, 32 + (DIFFERENT + VK_SETTINGS_MARKS_MAX) * 33);
    assert_memory_equal(list.p + list.n - 33, ",000000000000000000000000000000ff", 33);
    assert_int_equal(vk_settings_salt(&rt, m.a, &b, salt), VK_OK); /* what keeper must make them with */
    for (size_t k = 0; k < sizeof salt; k++)
        snprintf(hex + 2 * k, 3, "%02x", salt[k]);
    assert_memory_equal(list.p, hex, 32);
    m.n = VK_COUNT(given);
    assert_int_not_equal(vk_settings_add(&rt, m.a, &b, m.vars, &m.n, many, VK_COUNT(many), &why), VK_OK);
    vk_arena_free(m.a);
}

static void limits(void **state)
{
    VK_UNUSED(state);
    vk_runtime rt = {.master = master};
    vk_build b = {.id = "one", .generation = 1};
    vk_env_var vars[VK_ENV_MAX];
    const char *why = NULL;
    vk_arena *a = vk_arena_new(1 << 16);
    for (size_t i = 0; i < VK_ENV_MAX; i++)
        vars[i] = given[0];
    size_t n = VK_ENV_MAX - 2;
    assert_int_equal(vk_settings_add(&rt, a, &b, vars, &n, NULL, 0, &why), VK_E_TOO_LARGE);
    assert_int_equal(n, VK_ENV_MAX - 2);
    assert_non_null(why);
    n = VK_ENV_MAX - 3;
    assert_int_equal(vk_settings_add(&rt, a, &b, vars, &n, NULL, 0, &why), VK_OK);
    assert_int_equal(n, VK_ENV_MAX);
    vk_arena_free(a);
    a = vk_arena_new(1 << 12);
    for (size_t size = 1 << 12; size; size /= 2) /* nothing is left of it */
        while (vk_arena_alloc(a, size))
            continue;
    n = VK_COUNT(given);
    memcpy(vars, given, sizeof given);
    assert_int_equal(vk_settings_add(&rt, a, &b, vars, &n, NULL, 0, &why), VK_E_NOMEM);
    assert_int_equal(n, VK_COUNT(given));
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted), cmocka_unit_test(per_build),
        cmocka_unit_test(marks),  cmocka_unit_test(marks_of_the_organisation),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, before, after);
}
