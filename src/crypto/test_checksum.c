#include "crypto/checksum.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static json_t *all;

static int begin(void **state)
{
    char path[PATH_MAX];
    json_error_t why;
    const char *root = getenv("VK_SOURCE_ROOT");
    VK_UNUSED(state);
    snprintf(path, sizeof path, "%s/tests/data/storage/checksums.json", root ? root : ".");
    all = json_load_file(path, 0, &why);
    if (!all)
        print_message("# %s: %s\n", path, why.text);
    return all ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    json_decref(all);
    return 0;
}

static size_t sum(vk_checksum_kind kind, vk_str data, uint8_t out[VK_CHECKSUM_MAX])
{
    vk_checksum c;
    vk_checksum_begin(&c, kind);
    vk_checksum_add(&c, data);
    return vk_checksum_end(&c, out);
}

static void values_hold(void **state)
{
    VK_UNUSED(state);
    const char *name, *algorithm;
    json_t *values, *value;
    size_t done = 0;
    json_object_foreach(json_object_get(all, "small"), name, values)
    {
        vk_str data = vk_str_z(strcmp(name, "empty") == 0 ? "" : name);
        json_object_foreach(values, algorithm, value)
        {
            vk_checksum_kind kind;
            uint8_t raw[VK_CHECKSUM_MAX], read[VK_CHECKSUM_MAX];
            char text[VK_CHECKSUM_TEXT];
            const char *want = json_string_value(value);
            assert_true(vk_checksum_kind_of(
                vk_str_z(strcmp(algorithm, "content-md5") == 0 ? "MD5" : algorithm), &kind));
            assert_int_equal(sum(kind, data, raw), vk_checksum_size(kind));
            vk_checksum_text(kind, raw, text);
            assert_string_equal(text, want);
            assert_int_equal(vk_checksum_read(kind, vk_str_z(want), read), VK_OK);
            assert_memory_equal(raw, read, vk_checksum_size(kind));
            done++;
        }
    }
    assert_int_equal(done, 24);
}

/* The state of a CRC bit by bit: a third implementation, for any length and alignment. */
static uint64_t slow(uint64_t poly, uint64_t state, vk_str data)
{
    for (size_t i = 0; i < data.n; i++) {
        state ^= (unsigned char)data.p[i];
        for (int bit = 0; bit < 8; bit++)
            state = state & 1 ? state >> 1 ^ poly : state >> 1;
    }
    return state;
}

static void every_way_gives_the_same(void **state)
{
    VK_UNUSED(state);
    static const uint64_t poly[] = {0xEDB88320, 0x82F63B78, UINT64_C(0x9A6C9329AC4BC9B5)};
    static char data[1024];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 167 + (i >> 3));
    for (int k = 0; k < 3; k++)
        for (size_t from = 0; from < 9; from++)
            for (size_t n = 0; n < 300; n += n < 40 ? 1 : 29) {
                vk_str part = {data + from, n};
                uint64_t start = k == 2 ? UINT64_MAX : UINT32_MAX, want = slow(poly[k], start, part);
                assert_true(vk_crc_portable((vk_checksum_kind)k, start, part) == want);
                assert_true(vk_crc_best((vk_checksum_kind)k, start, part) == want);
            }
}

static void pieces_make_the_whole(void **state)
{
    VK_UNUSED(state);
    char data[500];
    memset(data, 'x', sizeof data);
    data[77] = 0;
    for (int k = 0; k < VK_CHECKSUM_KINDS; k++) {
        uint8_t want[VK_CHECKSUM_MAX], got[VK_CHECKSUM_MAX];
        size_t n = sum((vk_checksum_kind)k, (vk_str){data, sizeof data}, want);
        for (size_t piece = 1; piece < sizeof data; piece += 13) {
            vk_checksum c, copy;
            vk_checksum_begin(&c, (vk_checksum_kind)k);
            for (size_t at = 0; at < sizeof data; at += piece) {
                vk_checksum_add(&c, (vk_str){data + at, sizeof data - at < piece ? sizeof data - at : piece});
                vk_checksum_add(&c, VK_STR_NONE);
                copy = c; /* by assignment */
                c = copy;
            }
            assert_int_equal(vk_checksum_end(&c, got), n);
            assert_memory_equal(got, want, n);
        }
    }
}

static void parts_combine(void **state)
{
    VK_UNUSED(state);
    const json_t *m = json_object_get(all, "multipart (5 MiB of a, 5 MiB of b, 1 MiB of c)");
    static const size_t mib[] = {5, 5, 1};
    char *data = malloc((size_t)11 * MIB), *at = data, text[VK_CHECKSUM_TEXT + 8];
    assert_non_null(data);
    for (int k = 0; k < VK_CHECKSUM_KINDS; k++) {
        vk_checksum_kind kind = (vk_checksum_kind)k;
        uint8_t whole[VK_CHECKSUM_MAX], part[VK_CHECKSUM_MAX], full[VK_CHECKSUM_MAX];
        vk_checksum composite;
        size_t bytes = vk_checksum_size(kind);
        vk_checksum_begin(&composite, kind);
        at = data;
        for (int i = 0; i < 3; i++) {
            memset(at, 'a' + i, mib[i] * MIB);
            sum(kind, (vk_str){at, mib[i] * MIB}, part);
            vk_checksum_add(&composite, (vk_str){(char *)part, bytes});
            vk_checksum_text(kind, part, text);
            if (kind == VK_CHECKSUM_CRC32)
                assert_string_equal(
                    text, json_string_value(json_array_get(json_object_get(m, "part crc32"), (size_t)i)));
            if (i == 0)
                memcpy(full, part, bytes);
            else
                assert_int_equal(vk_checksum_combine(kind, full, part, mib[i] * MIB, full),
                                 k < 3 ? VK_OK : VK_E_INVALID);
            at += mib[i] * MIB;
        }
        sum(kind, (vk_str){data, (size_t)(at - data)}, whole);
        if (k < 3)
            assert_memory_equal(full, whole, bytes);
        vk_checksum_text(kind, whole, text);
        if (kind == VK_CHECKSUM_CRC32)
            assert_string_equal(text, json_string_value(json_object_get(m, "crc32 FULL_OBJECT")));
        vk_checksum_end(&composite, part);
        vk_checksum_text(kind, part, text);
        snprintf(text + strlen(text), 4, "-3");
        if (kind == VK_CHECKSUM_CRC32)
            assert_string_equal(text, json_string_value(json_object_get(m, "crc32 COMPOSITE")));
        if (kind == VK_CHECKSUM_SHA256)
            assert_string_equal(text, json_string_value(json_object_get(m, "sha256 COMPOSITE")));
    }
    uint8_t some[VK_CHECKSUM_MAX], none[8] = {0}, same[8];
    sum(VK_CHECKSUM_CRC64NVME, VK_STR("some"), some);
    assert_int_equal(vk_checksum_combine(VK_CHECKSUM_CRC64NVME, some, none, 0, same), VK_OK);
    assert_memory_equal(some, same, sizeof same);
    free(data);
}

static void texts_are_strict(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_checksum_kind kind;
        const char *text;
    } wrong[] = {
        {VK_CHECKSUM_CRC32, ""},
        {VK_CHECKSUM_CRC32, "y/Q5Jg"},
        {VK_CHECKSUM_CRC32, "y/Q5Jg="},
        {VK_CHECKSUM_CRC32, "y/Q5Jh=="},
        {VK_CHECKSUM_CRC32, "y_Q5Jg=="},
        {VK_CHECKSUM_CRC32, "y/Q5Jg==="},
        {VK_CHECKSUM_CRC32, "y/Q5=g=="},
        {VK_CHECKSUM_CRC32, "y/Q5JgA="},
        {VK_CHECKSUM_CRC32, " y/Q5Jg="},
        {VK_CHECKSUM_CRC32, "rosUhgp5mIg="},
        {VK_CHECKSUM_CRC64NVME, "y/Q5Jg=="},
        {VK_CHECKSUM_MD5, "JfnnlDI7RTiF9RgfG2JNC==="},
    };
    uint8_t out[VK_CHECKSUM_MAX];
    vk_checksum_kind kind;
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_checksum_read(wrong[i].kind, vk_str_z(wrong[i].text), out), VK_E_INVALID);
    assert_int_equal(vk_checksum_read(VK_CHECKSUM_CRC32, (vk_str){"y/Q5Jg=\0", 8}, out), VK_E_INVALID);
    assert_int_equal(vk_checksum_read(VK_CHECKSUM_CRC32, VK_STR("y/Q5Jg=="), out), VK_OK);
    assert_true(vk_checksum_kind_of(VK_STR("CRC64NVME"), &kind) && kind == VK_CHECKSUM_CRC64NVME);
    assert_false(vk_checksum_kind_of(VK_STR("crc64"), &kind));
    assert_string_equal(vk_checksum_name(VK_CHECKSUM_CRC32C), "crc32c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_hold),           cmocka_unit_test(every_way_gives_the_same),
        cmocka_unit_test(pieces_make_the_whole), cmocka_unit_test(parts_combine),
        cmocka_unit_test(texts_are_strict),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
