/* Entries: what is sealed is read again, and what is none is refused. */
#include "keeper/entry.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/encode.h"
#include "crypto/digest.h"

static uint8_t secret[VK_BOX_SECRET], public[VK_BOX_PUBLIC];
static char *room;

static vk_err open_json(const char *json, vk_entry *out, const char **why)
{
    vk_buf box, text;
    vk_buf_init(&box, 256 * 1024);
    vk_buf_init(&text, 256 * 1024);
    assert_int_equal(vk_box_seal(public, vk_str_z(json), &box), VK_OK);
    vk_base64(&text, box.p, box.n, true);
    vk_err e = vk_entry_open(secret, vk_buf_view(&text), room, out, why);
    vk_buf_free(&box);
    vk_buf_free(&text);
    return e;
}

static bool in_room(vk_str s)
{
    return !s.n || (s.p >= room && s.p + s.n <= room + VK_ENTRY_ROOM);
}

static void sealed_and_read(void **state)
{
    vk_entry e;
    vk_buf out;
    const char *why = "";
    const vk_entry_field fields[] = {{"secret_key", vk_secret_of(VK_STR("a-value"))},
                                     {"api_base", VK_SECRET_NONE}};
    VK_UNUSED(state);
    vk_buf_init(&out, VK_ENTRY_BASE64_MAX);
    assert_int_equal(vk_entry_seal(public, VK_STR("stripe"), VK_STR("shop"), 17, fields, 2, &out), VK_OK);
    assert_int_equal(vk_entry_open(secret, vk_buf_view(&out), room, &e, &why), VK_OK);
    assert_true(vk_str_eqz(e.vendor, "stripe") && vk_str_eqz(e.build, "shop") && e.at == 17 && e.n == 2);
    assert_true(vk_str_eqz(e.fields[0].name, "secret_key"));
    assert_true(vk_str_eqz(vk_secret_bytes(e.fields[0].value), "a-value"));
    assert_true(vk_str_eqz(e.fields[1].name, "api_base") && e.fields[1].value.n == 0);
    assert_true(in_room(vk_secret_bytes(e.fields[0].value)) && in_room(e.vendor) && !e.kek.n);
    const vk_entry_field bad = {"secret_key", vk_secret_of(VK_STR("a value"))};
    assert_int_equal(vk_entry_seal(public, VK_STR("stripe"), VK_STR(""), 17, &bad, 1, &out), VK_E_INVALID);
    vk_buf_free(&out);
}

/* A client may write "/" as "\/": the text is not in the JSON then, and still nowhere but in the room. */
static void escapes(void **state)
{
    vk_entry e;
    const char *why = "";
    VK_UNUSED(state);
    assert_int_equal(open_json("{\"vendor\":\"s3\",\"at\":1,\"fields\":{\"endpoint\":\"https:\\/\\/"
                               "a\",\"b\\u0061\":\"\\u0041\"}}",
                               &e, &why),
                     VK_OK);
    assert_true(vk_str_eqz(vk_secret_bytes(e.fields[0].value), "https://a"));
    assert_true(vk_str_eqz(e.fields[1].name, "ba") && vk_str_eqz(vk_secret_bytes(e.fields[1].value), "A"));
    for (size_t i = 0; i < e.n; i++)
        assert_true(in_room(e.fields[i].name) && in_room(vk_secret_bytes(e.fields[i].value)));
}

static void keys_for_the_vault(void **state)
{
    vk_entry e;
    vk_buf out;
    const char *why = "";
    uint8_t kek[VK_ENTRY_KEK];
    const vk_kdf kdf = {.t = 4, .m = 65536, .p = 1, .salt = {9, 8, 7}};
    VK_UNUSED(state);
    memset(kek, 3, sizeof kek);
    vk_buf_init(&out, VK_ENTRY_BASE64_MAX);
    assert_int_equal(vk_entry_kek(public, kek, NULL, 5, &out), VK_OK);
    assert_int_equal(vk_entry_open(secret, vk_buf_view(&out), room, &e, &why), VK_OK);
    assert_int_equal(e.kek.n, sizeof kek);
    assert_memory_equal(vk_secret_bytes(e.kek).p, kek, sizeof kek);
    assert_true(in_room(vk_secret_bytes(e.kek)) && e.at == 5 && e.kdf.t == 0 && e.n == 0);
    vk_buf_clear(&out);
    assert_int_equal(vk_entry_kek(public, kek, &kdf, 5, &out), VK_OK);
    assert_int_equal(vk_entry_open(secret, vk_buf_view(&out), room, &e, &why), VK_OK);
    assert_memory_equal(&e.kdf, &kdf, sizeof kdf);
    vk_buf_free(&out);
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"vendor\":\"a\",\"fields\":{}}",
        "{\"vendor\":\"a\",\"at\":-1,\"fields\":{}}",
        "{\"vendor\":\"a\",\"at\":\"1\",\"fields\":{}}",
        "{\"vendor\":\"a\",\"at\":1.5,\"fields\":{}}",
        "{\"at\":1,\"fields\":{}}",
        "{\"vendor\":7,\"at\":1,\"fields\":{}}",
        "{\"vendor\":\"aaaaaaaaaaaaaaaaa\",\"at\":1,\"fields\":{}}",
        "{\"vendor\":\"a\",\"build\":3,\"at\":1,\"fields\":{}}",
        "{\"vendor\":\"a\",\"at\":1}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":[]}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"a\":1}}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"a\":null}}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"a\":\"1\",\"a\":\"2\"}}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"aaaaaaaaaaaaaaaaaaaaaaaaa\":\"1\"}}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":"
        "\"\",\"7\":\"\","
        "\"8\":\"\",\"9\":\"\"}}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"a\":\"\xff\"}}",
        "{\"vendor\":\"a\",\"at\":1,\"fields\":{}} x",
        "{\"kek\":\"AAAA\",\"at\":1}",
        "{\"kek\":7,\"at\":1}",
        "{\"kek\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"at\":1,\"kdf\":{\"t\":0,\"m\":1,\"p\":1,"
        "\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}}",
        "{\"kek\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"at\":1,\"kdf\":{\"t\":1,\"m\":1,\"p\":1,"
        "\"salt\":\"AAAA\"}}",
    };
    vk_entry e;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        const char *why = NULL;
        memset(room, 'r', VK_ENTRY_ROOM);
        if (open_json(bad[i], &e, &why) != VK_E_INVALID || !why)
            fail_msg("%s", bad[i]);
        for (size_t k = 0; k < VK_ENTRY_ROOM; k++)
            assert_int_equal(room[k], 0);
    }
    const char *why = NULL;
    assert_int_equal(vk_entry_open(secret, VK_STR(""), room, &e, &why), VK_E_INVALID);
    assert_int_equal(vk_entry_open(secret, VK_STR("%%%%"), room, &e, &why), VK_E_INVALID);
    assert_int_equal(vk_entry_open(secret, VK_STR("AAAA"), room, &e, &why), VK_E_INVALID);
    /* longer than any value, and than any entry */
    char *text = malloc(VK_ENTRY_MAX + 200);
    int n = snprintf(text, 64, "{\"vendor\":\"a\",\"at\":1,\"fields\":{\"a\":\"");
    memset(text + n, 'x', VK_ENTRY_MAX);
    snprintf(text + n + VK_VENDOR_VALUE_MAX + 1, 8, "\"}}");
    assert_int_equal(open_json(text, &e, &why), VK_E_INVALID);
    memset(text, ' ', VK_ENTRY_MAX + 1);
    text[VK_ENTRY_MAX + 1] = '\0';
    assert_int_equal(open_json(text, &e, &why), VK_E_INVALID);
    memset(text, '[', VK_ENTRY_MAX); /* the deepest tree */
    text[VK_ENTRY_MAX] = '\0';
    assert_int_equal(open_json(text, &e, &why), VK_E_INVALID);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_and_read),
        cmocka_unit_test(escapes),
        cmocka_unit_test(keys_for_the_vault),
        cmocka_unit_test(refused),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    room = sodium_malloc(VK_ENTRY_ROOM);
    randombytes_buf(secret, sizeof secret);
    vk_box_public(secret, public);
    int failed = room ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    sodium_free(room);
    return failed;
}
