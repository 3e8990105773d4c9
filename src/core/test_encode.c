#include "core/encode.h"

#include "core/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = vk_arena_new(1 << 20);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    vk_arena_free(*state);
    return 0;
}

/* RFC 4648 §10 */
static void base64_vectors(void **state)
{
    static const char *const cases[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf b;
        vk_str plain = vk_str_z(cases[i][0]), out;
        vk_buf_init(&b, 100);
        vk_base64(&b, plain.p, plain.n, true);
        assert_true(vk_str_eqz(vk_buf_view(&b), cases[i][1]));
        vk_buf_clear(&b);
        vk_base64(&b, plain.p, plain.n, false);
        assert_true(vk_str_eqz(vk_buf_view(&b), cases[i][2]));
        assert_int_equal(b.err, VK_OK);
        vk_buf_free(&b);
        for (int k = 1; k <= 2; k++) {
            assert_int_equal(vk_base64_decode(*state, vk_str_z(cases[i][k]), &out), VK_OK);
            assert_true(out.p && vk_str_eq(out, plain));
        }
    }
}

static void base64_alphabets(void **state)
{
    vk_buf b;
    vk_str out;
    vk_buf_init(&b, 100);
    vk_base64(&b, "\xfb\xff\xbf\x00", 4, true);
    vk_buf_ch(&b, ' ');
    vk_base64url(&b, "\xfb\xff\xbf\x00", 4);
    assert_true(vk_str_eqz(vk_buf_view(&b), "+/+/AA== -_-_AA"));
    vk_buf_free(&b);
    assert_int_equal(vk_base64_decode(*state, VK_STR("+_-/AA=="), &out), VK_OK);
    assert_true(vk_str_eq(out, (vk_str){"\xfb\xff\xbf\x00", 4}));
}

static void base64_refusals(void **state)
{
    static const char *const bad[] = {
        "A",
        "AAAAA",
        "=",
        "==",
        "====",
        "A===",
        "AA=",
        "AAA==",
        "AAAA=",
        "AAAA====",
        "AA==AA",
        "AB",
        "AAB",
        "AB==",
        "AAB=",
        "AA A",
        "AAA\n",
        "AA.A",
        "\xc3\xa4"
        "AA",
        "=AAA",
        "A=AA",
        "AAAA AA==",
        "AA==\n",
        "AAA*",
        "Zh",
        "Zm9vYh==",
    };
    vk_str out = VK_STR("kept");
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_base64_decode(*state, vk_str_z(bad[i]), &out) != VK_E_INVALID)
            fail_msg("%s was taken", bad[i]);
    assert_true(vk_str_eqz(out, "kept"));
    vk_arena *small = vk_arena_new(4096);
    static char large[9000];
    memset(large, 'A', sizeof large);
    assert_int_equal(vk_base64_decode(small, (vk_str){large, 9000}, &out), VK_E_NOMEM);
    vk_arena_free(small);
}

static void base64_every_length(void **state)
{
    uint8_t bytes[300];
    for (int round = 0; round < 20; round++) {
        for (size_t n = 0; n < sizeof bytes; n += 1 + n / 20) {
            vk_random(bytes, sizeof bytes);
            for (int form = 0; form < 3; form++) {
                vk_buf b;
                vk_str out;
                /* exactly the room that is needed */
                vk_buf_init(&b, form == 0 ? (n + 2) / 3 * 4 : (n * 8 + 5) / 6);
                if (form < 2)
                    vk_base64(&b, bytes, n, form == 0);
                else
                    vk_base64url(&b, bytes, n);
                assert_int_equal(b.err, VK_OK);
                assert_int_equal(b.n, b.max);
                assert_int_equal(vk_base64_decode(*state, vk_buf_view(&b), &out), VK_OK);
                assert_true(vk_str_eq(out, (vk_str){(char *)bytes, n}));
                vk_buf_free(&b);
            }
            vk_arena_reset(*state);
        }
    }
    vk_buf b;
    vk_buf_init(&b, 7);
    vk_base64(&b, bytes, 4, true);
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    vk_buf_free(&b);
}

static void hex(void **state)
{
    VK_UNUSED(state);
    char text[2 * 5 + 1];
    uint8_t out[5] = {0};
    vk_hex(text, "\x00\x01\x9a\xbc\xff", 5);
    assert_string_equal(text, "00019abcff");
    assert_int_equal(vk_hex_decode(VK_STR("00019aBCfF"), out, 5), VK_OK);
    assert_memory_equal(out, "\x00\x01\x9a\xbc\xff", 5);
    vk_hex(text, NULL, 0);
    assert_string_equal(text, "");
    assert_int_equal(vk_hex_decode(VK_STR(""), out, 0), VK_OK);
    static const char *const bad[] = {"00019abcf",  "00019abcfff", "00019abc",     "00019abcfg",
                                      "00019abc f", "0x019abcff",  "00019abcF\xc3"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_int_equal(vk_hex_decode(vk_str_z(bad[i]), out, 5), VK_E_INVALID);
    for (int c = 0; c < 256; c++) {
        char two[2] = {'0', (char)c};
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        assert_int_equal(vk_hex_decode((vk_str){two, 2}, out, 1), digit ? VK_OK : VK_E_INVALID);
    }
}

static void crc(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(vk_crc32("123456789", 9), 0xcbf43926); /* the check value of CRC-32/ISO-HDLC */
    assert_int_equal(vk_crc32("", 0), 0);
    /* docs/SECURITY.md, key shapes: body = EXAMPLE + 23 × 0 */
    static const struct {
        const char *prefix;
        uint32_t crc;
        const char *text;
    } cases[] = {
        {"vk_b_", 0xe2e7345b, "49cxMx"},       {"vk_p_", 0xc77b57a7, "3eUcOF"},
        {"vk_c_", 0x133d31f1, "0LqLC5"},       {"vk_a_", 0x2bf83ce4, "0nvGYW"},
        {"vk_s_", 0x0e645f18, "0GL8VU"},       {"sk_test_vk0", 0x1416dc0b, "0MoC8R"},
        {"pk_test_vk0", 0xf75f6ba9, "4WrvKL"}, {"whsec_vk0", 0xd491e1a0, "3tLxQ0"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char text[64], out[6];
        int n = snprintf(text, sizeof text, "%sEXAMPLE%023d", cases[i].prefix, 0);
        assert_int_equal(vk_crc32(text, (size_t)n), cases[i].crc);
        vk_base62_crc(out, cases[i].crc);
        assert_memory_equal(out, cases[i].text, 6);
    }
    char out[6];
    vk_base62_crc(out, 0);
    assert_memory_equal(out, "000000", 6);
    vk_base62_crc(out, UINT32_MAX);
    assert_memory_equal(out, "4gfFC3", 6);
}

/* By the definition, bit by bit. */
static uint32_t crc_by_bits(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void crc_of_all_lengths(void **state)
{
    VK_UNUSED(state);
    uint8_t bytes[600];
    vk_random(bytes, sizeof bytes);
    for (size_t from = 0; from < 20; from++)
        for (size_t n = 0; from + n <= sizeof bytes; n++)
            assert_int_equal(vk_crc32(bytes + from, n), crc_by_bits(bytes + from, n));
}

static void base62_fill(void **state)
{
    VK_UNUSED(state);
    uint8_t all[256];
    char out[256];
    size_t seen[256] = {0};
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    assert_int_equal(vk_base62_fill(out, 256, all, 256), 248); /* 248 = 4 × 62: every character four times */
    for (int i = 0; i < 248; i++)
        seen[(unsigned char)out[i]]++;
    for (const char *c = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; *c; c++)
        assert_int_equal(seen[(unsigned char)*c], 4);
    assert_int_equal(vk_base62_fill(out, 3, all, 256), 3);
    assert_memory_equal(out, "012", 3);
    assert_int_equal(vk_base62_fill(out, 3, all + 248, 8), 0);
    assert_int_equal(vk_base62_fill(out, 0, all, 256), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(base64_vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64_alphabets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64_every_length, set_up, tear_down),
        cmocka_unit_test(hex),
        cmocka_unit_test(crc),
        cmocka_unit_test(crc_of_all_lengths),
        cmocka_unit_test(base62_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
