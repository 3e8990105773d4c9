/* What comes of a `base_url` in a vendor's answer, in one piece and cut anywhere. */
#include "services/database/turso/turso.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *in, *out;
} cases[] = {
    {"{\"baton\":\"b\",\"base_url\":null,\"results\":[]}",
     "{\"baton\":\"b\",\"base_url\":null,\"results\":[]}"},
    {"{\"base_url\":\"https://e\",\"baton\":1}", "{\"base_url\":null       ,\"baton\":1}"},
    {"{\"baton\":null, \"base_url\" : \"abcd\" }", "{\"baton\":null, \"base_url\" : null   }"},
    /* not at the top: the app's own data */
    {"{\"results\":[{\"base_url\":\"https://e\"}]}", "{\"results\":[{\"base_url\":\"https://e\"}]}"},
    {"{\"results\":[\"base_url\",\"x:y\"],\"a\":\"base_url\",\"b\":\"c\"}",
     "{\"results\":[\"base_url\",\"x:y\"],\"a\":\"base_url\",\"b\":\"c\"}"},
    /* a name that is written otherwise, and a value that ends later than it seems */
    {"{\"base\\u005furl\":\"https://e\"}", "{\"base\\u005furl\":null       }"},
    {"{\"base_url\":\"a\\\"b,c\\\\\",\"d\":\"e\"}", "{\"base_url\":null      ,\"d\":\"e\"}"},
    {"{\"base_urls\":\"https://e\",\"ase_url\":\"x\"}", "{\"base_urls\":\"https://e\",\"ase_url\":\"x\"}"},
    /* twice: of two members clients take the last */
    {"{\"base_url\":null,\"base_url\":\"https://e\"}", "{\"base_url\":null,\"base_url\":null       }"},
    {"{\"base_url\":{\"base_url\":\"aaaa\"},\"base_url\":\"aaaa\"}",
     "{\"base_url\":{\"base_url\":\"aaaa\"},\"base_url\":null  }"},
    /* a cursor's lines */
    {"{\"baton\":\"b\",\"base_url\":\"https://"
     "e\"}\n{\"type\":\"row\",\"row\":[\"base_url\"]}\n{\"base_url\":\"abcd\"}",
     "{\"baton\":\"b\",\"base_url\":null       "
     "}\n{\"type\":\"row\",\"row\":[\"base_url\"]}\n{\"base_url\":null  }"},
    /* too short to become null: no JSON any more */
    {"{\"base_url\":\"\"}", "{\"base_url\":nu}"},
};

static void taken_out(void **state)
{
    char text[256];
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        size_t n = strlen(cases[i].in);
        for (size_t cut = 0; cut <= n; cut++) {
            vk_db_answer s = {0};
            memcpy(text, cases[i].in, n + 1);
            vk_db_answer_pass(&s, text, cut);
            vk_db_answer_pass(&s, text + cut, n - cut);
            assert_string_equal(text, cases[i].out);
        }
    }
}

static void byte_by_byte(void **state)
{
    char text[256];
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_db_answer s = {0};
        memcpy(text, cases[i].in, strlen(cases[i].in) + 1);
        for (char *p = text; *p; p++)
            vk_db_answer_pass(&s, p, 1);
        assert_string_equal(text, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_out),
        cmocka_unit_test(byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
