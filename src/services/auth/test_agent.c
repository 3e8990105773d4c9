/* Browsers and devices by what browsers say of themselves. */
#include "services/auth/agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void browsers(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *agent, *browser, *version, *device;
        bool mobile;
    } cases[] = {
        {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
         "Safari/537.36",
         "Chrome", "141", "Linux", false},
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
         "Safari/537.36 Edg/141.0.0.0",
         "Edge", "141", "Windows", false},
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
         "Safari/537.36 OPR/124.0.0.0",
         "Opera", "124", "Windows", false},
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox",
         "145", "Macintosh", false},
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/26.0 Safari/605.1.15",
         "Safari", "26", "Macintosh", false},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/26.0 Mobile/15E148 Safari/604.1",
         "Safari", "26", "iPhone", true},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1",
         "Chrome", "141", "iPhone", true},
        {"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 "
         "Chrome/130.0.0.0 Mobile Safari/537.36",
         "Samsung Internet", "28", "Android", true},
        {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 "
         "Safari/537.36",
         "Chrome", "141", "Linux", false},
        {"curl/8.5.0", NULL, "", NULL, false},
        {"Version/1", NULL, "", NULL, false},
        {"Chrome/", "Chrome", "", NULL, false},
        {"Chrome/1234567890123", "Chrome", "", NULL, false}, /* no version that is one */
        {"", NULL, "", NULL, false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_auth_agent a = vk_auth_agent_read(vk_str_z(cases[i].agent));
        if (cases[i].browser)
            assert_string_equal(a.browser, cases[i].browser);
        else
            assert_null(a.browser);
        if (cases[i].device)
            assert_string_equal(a.device, cases[i].device);
        else
            assert_null(a.device);
        assert_true(vk_str_eqz(a.version, cases[i].version));
        assert_int_equal(a.mobile, cases[i].mobile);
    }
    assert_null(vk_auth_agent_read(VK_STR_NONE).browser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(browsers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
