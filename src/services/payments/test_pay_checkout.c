#include "services/payments/checkout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expiries(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        int64_t month, year;
    } good[] = {{"12 / 34", 12, 34}, {"12/34", 12, 34},     {"1234", 12, 34},     {"1 / 34", 1, 34},
                {"134", 1, 34},      {"12/2034", 12, 2034}, {"122034", 12, 2034}, {"01-34", 1, 34}};
    static const char *const bad[] = {"",     "12",     "12/",   "/34",      "12/3",   "12//34",
                                      "a/34", "12/345", "123/4", "12/20345", "1/2/34", "99999999999999"};
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        int64_t month = 0, year = 0;
        assert_int_equal(vk_pay_expiry(vk_str_z(good[i].text), &month, &year), VK_OK);
        assert_int_equal(month, good[i].month);
        assert_int_equal(year, good[i].year);
    }
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        int64_t month, year;
        if (vk_pay_expiry(vk_str_z(bad[i]), &month, &year) != VK_E_INVALID)
            fail_msg("\"%s\" is no expiry", bad[i]);
    }
}

static void addresses(void **state)
{
    VK_UNUSED(state);
    static const char *const good[] = {"http://localhost:3000/ok?s={CHECKOUT_SESSION_ID}",
                                       "https://example.com",
                                       "HTTPS://Example.com/a#b",
                                       "http://127.0.0.1:4504/",
                                       "http://[::1]:3000/x",
                                       "https://example.com/?next=http://a@b/"};
    static const char *const bad[] = {"",
                                      "/ok",
                                      "ok",
                                      "example.com",
                                      "ftp://example.com/",
                                      "javascript:alert(1)",
                                      "http://",
                                      "https:///path",
                                      "http://:3000/",
                                      "http://user@example.com/",
                                      "http://user:pw@example.com/",
                                      "http://example.com\\@evil.example/",
                                      "http://exa mple.com/",
                                      "http://example.com/\r\nSet-Cookie: a=b",
                                      "http://example.com/\x7f",
                                      "http://exa<mple.com/"};
    for (size_t i = 0; i < VK_COUNT(good); i++)
        if (!vk_pay_url_ok(vk_str_z(good[i])))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_pay_url_ok(vk_str_z(bad[i])))
            fail_msg("\"%s\" is let through", bad[i]);
    static char longest[VK_PAY_URL_MAX + 1];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "http://", 7);
    assert_true(vk_pay_url_ok((vk_str){longest, VK_PAY_URL_MAX}));
    assert_false(vk_pay_url_ok((vk_str){longest, VK_PAY_URL_MAX + 1}));
}

static void success_urls(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *url, *to;
    } t[] = {
        {"http://a/?s={CHECKOUT_SESSION_ID}", "http://a/?s=cs_1"},
        {"http://a/{CHECKOUT_SESSION_ID}/{CHECKOUT_SESSION_ID}", "http://a/cs_1/cs_1"},
        {"http://a/{CHECKOUT_SESSION_I}", "http://a/{CHECKOUT_SESSION_I}"},
        {"http://a/", "http://a/"},
    };
    vk_arena *a = vk_arena_new(1 << 16);
    assert_non_null(a);
    vk_pay_call c = {.arena = a};
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        vk_pv *s = vk_pv_obj(a);
        assert_true(vk_pv_put_str(a, s, "id", VK_STR("cs_1")));
        assert_true(vk_pv_put_str(a, s, "success_url", vk_str_z(t[i].url)));
        vk_str to = vk_pay_success_url(&c, s);
        if (!vk_str_eqz(to, t[i].to))
            fail_msg("%s leads to " VK_STR_FMT, t[i].url, VK_STR_ARG(to));
    }
    assert_null(vk_pay_success_url(&c, vk_pv_obj(a)).p);
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiries),
        cmocka_unit_test(addresses),
        cmocka_unit_test(success_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
