#include "admin/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void origins(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *want; /* NULL: refused */
        const char *why;
    } cases[] = {
        {"http://localhost:3000", "http://localhost:3000", NULL},
        {"HTTP://LocalHost:3000", "http://localhost:3000", NULL},
        {"https://App.Example.COM", "https://app.example.com", NULL},
        {"https://app.example.com:443", "https://app.example.com", NULL},
        {"http://app.example.com:80", "http://app.example.com", NULL},
        {"http://app.example.com:443", "http://app.example.com:443", NULL},
        {"https://app.example.com:00443", "https://app.example.com", NULL},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", NULL},
        {"http://[::1]:3000", "http://[::1]:3000", NULL},
        {"http://[0:0:0:0:0:0:0:1]", "http://[::1]", NULL},
        {"http://my_app:3000", "http://my_app:3000", NULL},
        {"https://xn--bcher-kva.example", "https://xn--bcher-kva.example", NULL},
        {"http://a", "http://a", NULL},
        {"", NULL, "is empty"},
        {"localhost:3000", NULL, "must begin with"},
        {"ftp://localhost", NULL, "must begin with"},
        {"javascript://x", NULL, "must begin with"},
        {"null", NULL, "must begin with"},
        {"*", NULL, "must begin with"},
        {"http:/x", NULL, "must begin with"},
        {"http://", NULL, "no valid host"},
        {"http://:3000", NULL, "no valid host"},
        {"http://localhost/", NULL, "has a path"},
        {"http://localhost/app", NULL, "has a path"},
        {"http://localhost?x", NULL, "has a path"},
        {"http://localhost#x", NULL, "has a path"},
        {"http://localhost\\x", NULL, "has a path"},
        {"http://user@localhost", NULL, "has a user name"},
        {"http://user:pw@localhost", NULL, "has a user name"},
        {"http://*.example.com", NULL, "wildcard"},
        {"http://a b", NULL, "blank"},
        {"http://a\tb", NULL, "blank"},
        {"http://a\r\nX: y", NULL, "blank"},
        {"http://b\xc3\xbc"
         "cher.example",
         NULL, "xn--"},
        {"http://a..b", NULL, "no valid host"},
        {"http://.a", NULL, "no valid host"},
        {"http://a.", NULL, "no valid host"},
        {"http://-a", NULL, "no valid host"},
        {"http://a-.b", NULL, "no valid host"},
        {"http://1.2.3", NULL, "no valid host"},
        {"http://2130706433", NULL, "no valid host"},
        {"http://0x7f.1", NULL, "no valid host"},
        {"http://a.0x7f", NULL, "no valid host"},
        {"http://256.1.1.1", NULL, "no valid host"},
        {"http://[::1", NULL, "no valid host"},
        {"http://[]", NULL, "no valid host"},
        {"http://[fe80::1%25eth0]", NULL, "no valid host"},
        {"http://[::1]x", NULL, "no valid port"},
        {"http://a:", NULL, "no valid port"},
        {"http://a:0", NULL, "no valid port"},
        {"http://a:65536", NULL, "no valid port"},
        {"http://a:-1", NULL, "no valid port"},
        {"http://a:+1", NULL, "no valid port"},
        {"http://a:80x", NULL, "no valid port"},
        {"http://a:80:80", NULL, "no valid port"},
        {"http://a,http://b", NULL, "has a path"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(4096);
        vk_str out = VK_STR_NONE;
        const char *why = NULL;
        vk_err e = vk_origin_parse(a, vk_str_z(cases[i].text), &out, &why);
        if (cases[i].want) {
            assert_int_equal(e, VK_OK);
            assert_true(vk_str_eqz(out, cases[i].want));
        } else {
            assert_int_equal(e, VK_E_INVALID);
            if (!strstr(why, cases[i].why))
                fail_msg("%s: %s", cases[i].text, why);
        }
        vk_arena_free(a);
    }
}

static void lengths(void **state)
{
    VK_UNUSED(state);
    char text[512];
    vk_arena *a = vk_arena_new(65536);
    vk_str out;
    const char *why;
    /* labels of 63 bytes are the longest, 253 the longest host */
    memset(text, 'a', sizeof text);
    memcpy(text, "http://", 7);
    assert_int_equal(vk_origin_parse(a, (vk_str){text, 7 + 63}, &out, &why), VK_OK);
    assert_int_equal(vk_origin_parse(a, (vk_str){text, 7 + 64}, &out, &why), VK_E_INVALID);
    for (size_t i = 7 + 63; i < sizeof text; i += 64)
        text[i] = '.';
    assert_int_equal(vk_origin_parse(a, (vk_str){text, 7 + 253}, &out, &why), VK_OK);
    assert_int_equal(vk_origin_parse(a, (vk_str){text, 7 + 254}, &out, &why), VK_E_INVALID);
    assert_int_equal(vk_origin_parse(a, (vk_str){text, 400}, &out, &why), VK_E_INVALID);
    assert_non_null(strstr(why, "longer"));
    assert_int_equal(vk_origin_parse(a, (vk_str){"http://a\0b", 10}, &out, &why), VK_E_INVALID);
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(origins), cmocka_unit_test(lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
