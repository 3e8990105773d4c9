#include "valet/valet.h"

#include "core/encode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t master_key[VK_MASTER] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                              16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static const vk_valet_form vk_b = {.kind = 'b', .prefix = "vk_b_"}, vk_p = {.kind = 'p', .prefix = "vk_p_"},
                           id_form = {.kind = 'i', .prefix = "", .hex = 32},
                           secret_form = {.kind = 's', .prefix = "", .hex = 64, .unsent = true};

static int set_up(void **state)
{
    vk_master *m;
    if (vk_digest_init() != VK_OK || vk_master_new(3, master_key, &m) != VK_OK)
        return -1;
    *state = m;
    return 0;
}

static int tear_down(void **state)
{
    vk_master_free(*state);
    return 0;
}

/* Computed from the description in valet.h with Python's hmac and zlib. */
static void vectors(void **state)
{
    char key[VK_VALET_MAX];
    vk_valet_derive(*state, &vk_b, VK_STR("demo"), VK_STR("database"), 1, key);
    assert_string_equal(key, "vk_b_"
                             "wIdjX744rsg8SQg5yBBS3ZY3x0umlH37nZFq");
    static const vk_valet_form sk = {.kind = 'p', .prefix = "sk_test_vk0"};
    vk_valet_derive(*state, &sk, VK_STR("a"), VK_STR("payments"), 0x0102030405060708, key);
    assert_string_equal(key, "sk_test_"
                             "vk0I6RkQh2ZzGFcUcuoMi2P2HBt7wdk4m1wJ9YN");
    uint8_t sub[32], hash[VK_SHA256];
    char hex[65];
    vk_master_subkey(*state, VK_STR("valetkey/lookup/v1"), sub);
    vk_hex(hex, sub, 32);
    assert_string_equal(hex, "a6acc6607358ba88369aaf91c4b3c868ef75e328ee178ef5630284432e00ceb2");
    vk_hmac_key *lookup;
    assert_int_equal(vk_valet_lookup_key(*state, &lookup), VK_OK);
    vk_valet_hash(lookup,
                  vk_secret_of(VK_STR("vk_b_"
                                      "wIdjX744rsg8SQg5yBBS3ZY3x0umlH37nZFq")),
                  hash);
    vk_hex(hex, hash, 32);
    assert_string_equal(hex, "fd808c58a3b54d53009ff81666ebd7bfcdfa755446c4132267e4c0bf8049fa03");
    vk_hmac_key_free(lookup);
    assert_int_equal(vk_master_kid(*state), 3);
}

static void every_input_counts(void **state)
{
    static const struct {
        const char *prefix, *build, *service;
        char kind;
        uint64_t generation;
    } inputs[] = {
        {"vk_b_", "demo", "database", 'b', 1},          {"vk_b_", "demo2", "database", 'b', 1},
        {"vk_b_", "demo", "storage", 'b', 1},           {"vk_b_", "demo", "database", 'p', 1},
        {"vk_b_", "demo", "database", 'b', 2},          {"vk_b_", "demod", "atabase", 'b', 1},
        {"vk_b_", "demo", "database", 'b', 1ULL << 56},
    };
    char keys[VK_COUNT(inputs)][VK_VALET_MAX], again[VK_VALET_MAX];
    for (size_t i = 0; i < VK_COUNT(inputs); i++) {
        vk_str build = vk_str_z(inputs[i].build), service = vk_str_z(inputs[i].service);
        vk_valet_form form = {.kind = inputs[i].kind, .prefix = inputs[i].prefix};
        vk_valet_derive(*state, &form, build, service, inputs[i].generation, keys[i]);
        vk_valet_derive(*state, &form, build, service, inputs[i].generation, again);
        assert_string_equal(keys[i], again);
        assert_int_equal(strlen(keys[i]), VK_VALET_CANONICAL);
        assert_true(vk_valet_shape_ok(vk_secret_of(vk_str_z(keys[i])), &form));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(keys[i] + 5, keys[k] + 5, VK_VALET_BODY);
    }
    uint8_t other[VK_MASTER];
    vk_master *m;
    memcpy(other, master_key, sizeof other);
    other[31] ^= 1;
    assert_int_equal(vk_master_new(3, other, &m), VK_OK);
    vk_valet_derive(m, &vk_b, VK_STR("demo"), VK_STR("database"), 1, again);
    assert_memory_not_equal(keys[0] + 5, again + 5, VK_VALET_BODY);
    vk_master_free(m);
}

static void shape(void **state)
{
    char key[VK_VALET_MAX];
    vk_valet_derive(*state, &vk_b, VK_STR("demo"), VK_STR("database"), 1, key);
    vk_str good = {key, VK_VALET_CANONICAL};
    for (size_t i = 0; i < good.n; i++) { /* any other byte anywhere */
        char had = key[i];
        for (int c = 0; c < 256; c++) {
            key[i] = (char)c;
            assert_true(vk_valet_shape_ok(vk_secret_of(good), &vk_b) == (key[i] == had));
        }
        key[i] = had;
    }
    for (size_t n = 0; n < good.n; n++)
        assert_false(vk_valet_shape_ok(vk_secret_of((vk_str){key, n}), &vk_b));
    assert_false(vk_valet_shape_ok(vk_secret_of((vk_str){key, good.n + 1}), &vk_b));
    assert_false(vk_valet_shape_ok(vk_secret_of(VK_STR_NONE), &vk_b));
    assert_false(vk_valet_shape_ok(vk_secret_of(good), &vk_p));
    memcpy(key, "vk_p_", 5); /* a body under another prefix fails its checksum */
    assert_false(vk_valet_shape_ok(vk_secret_of(good), &vk_p));
    assert_true(vk_valet_shape_ok(vk_secret_of(VK_STR("vk_b_"
                                                      "EXAMPLE0000000000000000000000049cxMx")),
                                  &vk_b));
}

static void random_strings(void **state)
{
    VK_UNUSED(state);
    static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char text[VK_VALET_CANONICAL] = "vk_b_", crc[6];
    uint64_t x = 88172645463325252;
    unsigned right = 0;
    for (int i = 0; i < 1000000; i++) {
        for (size_t k = 5; k < sizeof text; k += 6) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            uint64_t bits = x;
            for (size_t j = k; j < k + 6; j++, bits >>= 9)
                text[j] = base62[(bits & 511) % 62];
        }
        vk_base62_crc(crc, vk_crc32(text, sizeof text - 6));
        if (i % 1000 == 0) /* and some that are right */
            memcpy(text + sizeof text - 6, crc, 6);
        bool is_right = memcmp(crc, text + sizeof text - 6, 6) == 0;
        right += is_right;
        if (vk_valet_shape_ok(vk_secret_of((vk_str){text, sizeof text}), &vk_b) != is_right)
            fail_msg("%.41s", text);
    }
    assert_true(right >= 1000 && right < 1010);
}

/* Computed from the description in valet.h with Python's hmac. */
static void hex_vectors(void **state)
{
    char key[VK_VALET_MAX];
    vk_valet_derive(*state, &id_form, VK_STR("demo"), VK_STR("storage"), 7, key);
    assert_string_equal(key, "afab3a9e4d81a3b8b67762b19cb1dbca");
    vk_valet_derive(*state, &id_form, VK_STR("demo"), VK_STR("storage"), 8, key);
    assert_string_equal(key, "3abaacd715ad0c6892b3370055a1cf78");
    vk_valet_derive(*state, &secret_form, VK_STR("demo"), VK_STR("storage"), 7, key);
    assert_string_equal(key, "502288dc82472e6231c1a0b07f7461cc"
                             "a0760e0c69895d70bd097e606e9ea0ca");
}

static void hex_shape(void **state)
{
    char key[VK_VALET_MAX];
    vk_valet_derive(*state, &id_form, VK_STR("demo"), VK_STR("storage"), 7, key);
    vk_str good = {key, 32};
    for (size_t i = 0; i < good.n; i++) {
        char had = key[i];
        for (int c = 0; c < 256; c++) {
            bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            key[i] = (char)c;
            assert_true(vk_valet_shape_ok(vk_secret_of(good), &id_form) == digit);
        }
        key[i] = had;
    }
    for (size_t n = 0; n < good.n; n++)
        assert_false(vk_valet_shape_ok(vk_secret_of((vk_str){key, n}), &id_form));
    assert_false(vk_valet_shape_ok(vk_secret_of(good), &secret_form));
    vk_valet_derive(*state, &secret_form, VK_STR("demo"), VK_STR("storage"), 7, key);
    assert_true(vk_valet_shape_ok(vk_secret_of(vk_str_z(key)), &secret_form));
    assert_false(vk_valet_shape_ok(vk_secret_of(vk_str_z(key)), &id_form));
    vk_valet_derive(*state, &vk_b, VK_STR("demo"), VK_STR("database"), 1, key);
    assert_false(vk_valet_shape_ok(vk_secret_of(vk_str_z(key)), &id_form));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),        cmocka_unit_test(every_input_counts), cmocka_unit_test(shape),
        cmocka_unit_test(random_strings), cmocka_unit_test(hex_vectors),        cmocka_unit_test(hex_shape),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
