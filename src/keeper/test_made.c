/* The ledger: what is written reads as the same, and is a value of the vault; names; Retry-After. */
#include "keeper/provision_in.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_made full(void)
{
    vk_made m = {.state = VK_PROV_ENDING,
                 .list = VK_PROV_END,
                 .step = 3,
                 .op = "things.delete",
                 .fails = true,
                 .late = true,
                 .generation = 77,
                 .first_ms = 1764400000000,
                 .ready_ms = 1764400000001,
                 .noted_ms = 1764400000002,
                 .name = "build-shop-abc2de3f",
                 .why = "The plan \"free\" has no more\\ of it \x01\xc3\xa9."};
    assert_int_equal(vk_made_note_set(&m, VK_STR("id"), VK_STR("t\"1\\")), VK_OK);
    assert_int_equal(vk_made_note_set(&m, VK_STR("expires"), VK_STR("1764400009999")), VK_OK);
    return m;
}

static void round_trip(void **state)
{
    vk_made m = full(), back;
    vk_buf b;
    const char *why = "";
    VK_UNUSED(state);
    vk_buf_init(&b, 8192);
    assert_int_equal(vk_made_write(&m, &b), VK_OK);
    for (size_t i = 0; i < b.n; i++)
        assert_true(b.p[i] > ' ' && b.p[i] < 0x7f);
    assert_true(vk_prov_made_ok(vk_buf_view(&b), &why));
    assert_int_equal(vk_made_read(vk_buf_view(&b), &back), VK_OK);
    assert_string_equal(back.why, "The plan \"free\" has no more\\ of it ???.");
    assert_int_equal(vk_made_expires(&back), 1764400009999);
    assert_true(vk_str_eqz(vk_made_noted(&back, "id"), "t\"1\\"));
    memcpy(m.why, back.why, sizeof m.why);
    m.why[strlen(back.why)] = '\0';
    assert_memory_equal(m.op, back.op, sizeof m.op);
    assert_true(back.state == m.state && back.list == m.list && back.step == 3 && back.fails && back.late &&
                back.generation == 77 && back.first_ms == m.first_ms && back.ready_ms == m.ready_ms &&
                back.noted_ms == m.noted_ms && strcmp(back.name, m.name) == 0);
    vk_buf_free(&b);
}

/* The sentence gives way; notes do not. */
static void too_long(void **state)
{
    vk_made m = full(), back;
    char value[VK_PROV_VALUE_MAX + 2];
    vk_buf b;
    VK_UNUSED(state);
    vk_buf_init(&b, 8192);
    memset(m.why, ' ', sizeof m.why - 1);
    memset(value, 'v', sizeof value);
    assert_int_equal(vk_made_note_set(&m, VK_STR("long"), (vk_str){value, VK_PROV_VALUE_MAX}), VK_OK);
    assert_int_equal(vk_made_write(&m, &b), VK_OK);
    assert_true(b.n <= VK_VENDOR_VALUE_MAX);
    assert_int_equal(vk_made_read(vk_buf_view(&b), &back), VK_OK);
    assert_true(strlen(back.why) < sizeof m.why - 1);
    assert_int_equal(vk_made_note_set(&m, VK_STR("long"), (vk_str){value, sizeof value - 1}), VK_E_TOO_LARGE);
    assert_int_equal(vk_made_note_set(&m, VK_STR("blank"), VK_STR("a b")), VK_E_INVALID);
    for (char name[2] = "a"; name[0] < 'h'; name[0]++)
        assert_int_equal(vk_made_note_set(&m, vk_str_z(name), (vk_str){value, VK_PROV_VALUE_MAX}), VK_OK);
    assert_int_equal(vk_made_write(&m, &b), VK_E_TOO_LARGE);
    for (char name[2] = "a"; name[0] < 'h'; name[0]++)
        assert_int_equal(vk_made_note_set(&m, vk_str_z(name), VK_STR("")), VK_OK);
    assert_int_equal(m.n, 3);
    assert_int_equal(vk_made_write(&m, &b), VK_OK);
    vk_buf_free(&b);
}

static void no_ledger(void **state)
{
    static const char *const wrong[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"state\":\"ready\"}",
        "{\"state\":\"\",\"list\":\"\",\"step\":0,\"generation\":1,\"first\":0,\"ready\":0,\"noted\":0,"
        "\"fails\":false,\"late\":false,\"op\":\"\",\"name\":\"n\",\"why\":\"\",\"notes\":{}}",
        "{\"state\":\"ready\",\"list\":\"\",\"step\":99,\"generation\":1,\"first\":0,\"ready\":0,\"noted\":0,"
        "\"fails\":false,\"late\":false,\"op\":\"\",\"name\":\"n\",\"why\":\"\",\"notes\":{}}",
        "{\"state\":\"ready\",\"list\":\"\",\"step\":0,\"generation\":1,\"first\":0,\"ready\":0,\"noted\":0,"
        "\"fails\":false,\"late\":false,\"op\":\"\",\"name\":\"\",\"why\":\"\",\"notes\":{}}",
        "{\"state\":\"ready\",\"list\":\"\",\"step\":0,\"generation\":1,\"first\":0,\"ready\":0,\"noted\":0,"
        "\"fails\":false,\"late\":false,\"op\":\"\",\"name\":\"n\",\"why\":\"\",\"notes\":{\"a\":1}}"};
    vk_made m;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_made_read(vk_str_z(wrong[i]), &m), VK_E_INVALID);
    assert_int_equal(
        vk_made_read(VK_STR("{\"state\":\"ready\",\"list\":\"\",\"step\":0,\"generation\":1,\"first\":0,"
                            "\"ready\":0,\"noted\":0,\"fails\":false,\"late\":false,\"op\":\"\","
                            "\"name\":\"n\",\"why\":\"\",\"notes\":{}}"),
                     &m),
        VK_OK);
}

static void names(void **state)
{
    static const vk_provisioner plain = {.joint = '-'}, lines = {.joint = '_'},
                                opaque = {.joint = '_', .opaque = true};
    static const vk_provisioner *const all[] = {&plain, &lines, &opaque};
    char name[VK_PROV_NAME_MAX + 1], again[VK_PROV_NAME_MAX + 1];
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_prov_name_make(all[i], "abc", "a-build-with-a-name-of-32-bytes-", name);
        vk_prov_name_make(all[i], "abc", "a-build-with-a-name-of-32-bytes-", again);
        assert_string_not_equal(name, again);
        assert_true(vk_prov_name_ours(all[i], "abc", vk_str_z(name)));
        assert_false(vk_prov_name_ours(all[i], "abd", vk_str_z(name)));
        assert_false(vk_prov_name_ours(all[(i + 1) % 3], "abc", vk_str_z(name)));
        assert_false(vk_prov_name_ours(all[i], "abc", (vk_str){name, strlen(name) - 1}));
        assert_true(strlen(name) <= VK_PROV_NAME_MAX && (i == 0 || !strchr(name, '-')));
    }
    assert_int_equal(strlen(name), 2 + 1 + 3 + 9);
    assert_null(strstr(name, "build"));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("build-abc22222")));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("build--abc22222")));
    assert_true(vk_prov_name_ours(&plain, "abc", VK_STR("build-x-abc22222")));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("build-x-abc22221")));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("build-../x-abc22222")));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("build-x?y-abc22222")));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("build-X-abc22222")));
    assert_false(vk_prov_name_ours(&plain, "abc", VK_STR("")));
}

static void retry_after(void **state)
{
    const int64_t now = 784111777000; /* RFC 9110's example */
    VK_UNUSED(state);
    assert_int_equal(vk_prov_retry_after(VK_STR(" 3 "), now), 3000);
    assert_int_equal(vk_prov_retry_after(VK_STR("0"), now), 0);
    assert_int_equal(vk_prov_retry_after(VK_STR("-1"), now), -1);
    assert_int_equal(vk_prov_retry_after(VK_STR("soon"), now), -1);
    assert_int_equal(vk_prov_retry_after(VK_STR(""), now), -1);
    assert_int_equal(vk_prov_retry_after(VK_STR("999999999"), now), VK_PROV_END_WAIT_MOST_MS);
    assert_int_equal(vk_prov_retry_after(VK_STR("Sun, 06 Nov 1994 08:49:47 GMT"), now), 10000);
    assert_int_equal(vk_prov_retry_after(VK_STR("Sun, 06 Nov 1994 08:49:27 GMT"), now), 0);
    assert_int_equal(vk_prov_retry_after(VK_STR("Sun, 06 Nov 2094 08:49:27 GMT"), now),
                     VK_PROV_END_WAIT_MOST_MS);
    assert_int_equal(vk_prov_retry_after(VK_STR("Sun, 06 Nov 1994 08:49:47"), now), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(too_long),    cmocka_unit_test(no_ledger),
        cmocka_unit_test(names),      cmocka_unit_test(retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
