#include "crypto/seal.h"

#include "core/random.h"
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t key[VK_SEAL_KEY] = {1, 2, 3}, other_key[VK_SEAL_KEY] = {1, 2, 4};
static const char *const not_sealed = "not a sealed record",
                         *const other_version = "another key or version than expected",
                         *const other_place = "sealed under another key or for another place",
                         *const changed = "changed after it was sealed, or another organisation's or build's";

static vk_seal_place place(void)
{
    return (vk_seal_place){.table = VK_STR("keys"),
                           .record = VK_STR("master"),
                           .org = VK_STR("org"),
                           .build = VK_STR("b1"),
                           .version = 0x0102030405060708,
                           .key_id = 9};
}

/* The sealed text as a fresh copy. */
static vk_buf sealed(vk_str plain)
{
    vk_buf b;
    vk_seal_place at = place();
    vk_buf_init(&b, 100000);
    assert_int_equal(vk_seal(key, &at, plain, &b), VK_OK);
    assert_int_equal(b.n, plain.n + VK_SEAL_OVERHEAD);
    return b;
}

static void expect_refused(const uint8_t *with, const vk_seal_place *at, vk_str text, const char *want)
{
    vk_buf out;
    const char *why = "";
    vk_buf_init(&out, 100000);
    vk_buf_z(&out, "before");
    vk_err e = vk_seal_open(with, at, text, &out, &why);
    if (e != VK_E_CORRUPT || strcmp(why, want) != 0)
        fail_msg("%s, %s instead of %s", vk_err_name(e), why, want);
    assert_true(vk_str_eqz(vk_buf_view(&out), "before"));
    assert_int_equal(vk_seal_open(with, at, text, &out, NULL), VK_E_CORRUPT);
    vk_buf_free(&out);
}

static void round_trip(void **state)
{
    VK_UNUSED(state);
    static char text[5000];
    vk_random(text, sizeof text);
    for (size_t n = 0; n <= sizeof text; n = n * 3 + 1) {
        vk_seal_place at = place();
        vk_buf b = sealed((vk_str){text, n}), out;
        uint32_t key_id;
        uint64_t version;
        vk_buf_init(&out, 100000);
        vk_buf_z(&out, "x");
        assert_int_equal(vk_seal_peek(vk_buf_view(&b), &key_id, &version), VK_OK);
        assert_true(key_id == at.key_id && version == at.version);
        assert_int_equal(vk_seal_open(key, &at, vk_buf_view(&b), &out, NULL), VK_OK);
        assert_int_equal(out.n, n + 1);
        assert_memory_equal(out.p + 1, text, n);
        vk_buf_free(&b);
        vk_buf_free_secret(&out);
    }
}

static void layout(void **state)
{
    VK_UNUSED(state);
    vk_buf a = sealed(VK_STR("same")), b = sealed(VK_STR("same"));
    assert_memory_equal(a.p, "VKS1\x01\x00\x00\x00\x00\x09\x01\x02\x03\x04\x05\x06\x07\x08", 18);
    assert_memory_not_equal(a.p + 18, b.p + 18, 24); /* the nonce is never the same */
    assert_memory_equal(a.p + 42, b.p + 42, 32);     /* the commitment depends on key and place */
    assert_memory_not_equal(a.p + 74, b.p + 74, 4);
    vk_buf_free(&a);
    vk_buf_free(&b);
}

static void every_byte_counts(void **state)
{
    VK_UNUSED(state);
    vk_seal_place at = place();
    vk_buf b = sealed(VK_STR("a secret of some length"));
    for (size_t i = 0; i < b.n; i++) {
        const char *want = i < 6    ? not_sealed
                           : i < 18 ? other_version
                           : i < 42 ? changed
                           : i < 74 ? other_place
                                    : changed;
        for (int bit = 0; bit < 8; bit += 7) {
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
            expect_refused(key, &at, vk_buf_view(&b), want);
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
        }
    }
    for (size_t n = 0; n < b.n; n++)
        expect_refused(key, &at, (vk_str){b.p, n}, n < VK_SEAL_OVERHEAD ? not_sealed : changed);
    vk_buf_ch(&b, 'x');
    expect_refused(key, &at, vk_buf_view(&b), changed);
    expect_refused(key, &at, VK_STR_NONE, not_sealed);
    vk_buf_free(&b);
}

static void every_field_of_the_place_counts(void **state)
{
    VK_UNUSED(state);
    vk_buf b = sealed(VK_STR("secret"));
    vk_str text = vk_buf_view(&b);
    vk_seal_place at = place();
    expect_refused(other_key, &at, text, other_place);
    at.table = VK_STR("key");
    expect_refused(key, &at, text, other_place);
    at = place();
    at.record = VK_STR("master2");
    expect_refused(key, &at, text, other_place);
    at.table = VK_STR("keysm"); /* the same bytes, cut elsewhere */
    at.record = VK_STR("aster");
    expect_refused(key, &at, text, other_place);
    at = place();
    at.org = VK_STR("org2");
    expect_refused(key, &at, text, changed);
    at.org = VK_STR("orgb");
    at.build = VK_STR("1");
    expect_refused(key, &at, text, changed);
    at = place();
    at.build = VK_STR_NONE;
    expect_refused(key, &at, text, changed);
    at = place();
    at.version++;
    expect_refused(key, &at, text, other_version);
    at = place();
    at.key_id++;
    expect_refused(key, &at, text, other_version);
    vk_buf_free(&b);
}

static void limits(void **state)
{
    VK_UNUSED(state);
    static char name[600];
    memset(name, 'n', sizeof name);
    vk_seal_place at = place();
    vk_buf out;
    vk_buf_init(&out, 100000);
    at.record = (vk_str){name, 512 - 4 - 3 - 2};
    assert_int_equal(vk_seal(key, &at, VK_STR("x"), &out), VK_OK);
    size_t n = out.n;
    at.record.n++;
    assert_int_equal(vk_seal(key, &at, VK_STR("x"), &out), VK_E_TOO_LARGE);
    assert_int_equal(out.n, n);
    vk_buf_free(&out);
    for (size_t max = 0; max < VK_SEAL_OVERHEAD + 1; max++) {
        at = place();
        vk_buf_init(&out, max);
        assert_int_equal(vk_seal(key, &at, VK_STR("x"), &out), VK_E_TOO_LARGE);
        assert_int_equal(out.n, 0); /* nothing half-made */
        vk_buf_free(&out);
    }
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(layout),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(every_field_of_the_place_counts),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
