#include "services/auth/redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const vk_str origins[] = {
    {"http://localhost:3000", 21}, {"https://app.example", 19},        {"https://app.example:8443", 24},
    {"http://[::1]:3000", 17},     {"https://b1.preview.example", 26},
};

static void what_is_allowed(void **state)
{
    VK_UNUSED(state);
    static const vk_str good[] = {
        VK_STR("http://localhost:3000"),
        VK_STR("http://localhost:3000/"),
        VK_STR("http://localhost:3000/dashboard?x=1&y=@b#z\"<>"),
        VK_STR("http://localhost:3000?x"),
        VK_STR("http://localhost:3000#x"),
        VK_STR("HTTP://LocalHost:3000/A"),
        VK_STR("https://app.example/"),
        VK_STR("https://app.example:443/"),
        VK_STR("https://APP.example:8443/x"),
        VK_STR("http://[::1]:3000/"),
        VK_STR("https://app.example//evil.example/"), /* a path of that origin */
        VK_STR("https://app.example/@evil.example"),
        VK_STR("https://app.example/?u=https://evil.example"),
    };
    for (size_t i = 0; i < VK_COUNT(good); i++)
        if (!vk_auth_origin_allowed(good[i], origins, VK_COUNT(origins)))
            fail_msg("refused: " VK_STR_FMT, VK_STR_ARG(good[i]));
    assert_false(vk_auth_origin_allowed(good[0], NULL, 0)); /* a build without origins has none */
}

static void what_is_refused(void **state)
{
    VK_UNUSED(state);
    static const vk_str bad[] = {
        VK_STR(""),
        VK_STR("/"),
        VK_STR("/dashboard"),
        VK_STR("//app.example/"),
        VK_STR("null"),
        VK_STR("https:"),
        VK_STR("https://"),
        VK_STR("https:///app.example"),
        VK_STR("https:/app.example"),
        VK_STR("https:app.example"),
        VK_STR("https:\\\\app.example"),
        VK_STR("app.example"),
        VK_STR("https://evil.example/"),
        VK_STR("https://evil.example/https://app.example"),
        VK_STR("https://evil.example?https://app.example/"),
        VK_STR("https://evil.example#https://app.example/"),
        VK_STR("http://app.example/"), /* another scheme */
        VK_STR("https://localhost:3000/"),
        VK_STR("https://app.example:80/"), /* another port */
        VK_STR("https://app.example:8444/"),
        VK_STR("http://localhost/"),
        VK_STR("http://localhost:30000/"),
        VK_STR("http://localhost:03000/"),
        VK_STR("http://localhost:3000:80/"),
        VK_STR("http://localhost:/"),
        VK_STR("https://app.example:/"),
        VK_STR("https://app.example:443443/"),
        VK_STR("https://app.example:0443/"),
        VK_STR("https://app.example:+443/"),
        VK_STR("https://app.example.evil.example/"), /* a longer name */
        VK_STR("https://app.examplex/"),
        VK_STR("https://xapp.example/"),
        VK_STR("https://x.app.example/"),
        VK_STR("https://app.example./"),
        VK_STR("https://.app.example/"),
        VK_STR("https://preview.example/"),
        VK_STR("https://app.example@evil.example/"), /* user information */
        VK_STR("https://app.example:443@evil.example/"),
        VK_STR("https://user@app.example/"),
        VK_STR("https://:@app.example/"),
        VK_STR("https://@app.example/"),
        VK_STR("http://localhost:3000@evil.example/"),
        VK_STR("https://app.example%40evil.example/"),
        VK_STR("https://app.example%2f@evil.example/"),
        VK_STR("https://app.example\\@evil.example/"), /* a backslash is a slash to browsers */
        VK_STR("https://evil.example\\.app.example/"),
        VK_STR("https://app.example/\\evil"),
        VK_STR("https://app.example\t/"), /* browsers leave these out */
        VK_STR("https://app\n.example/"),
        VK_STR("https://app.example/\r\nSet-Cookie: a=b"),
        VK_STR("https://app.example/\0"),
        VK_STR(" https://app.example/"),
        VK_STR("https://app.example/ "),
        VK_STR("\xe2\x80\x8bhttps://app.example/"),
        VK_STR("https://\xd0\xb0pp.example/"), /* another alphabet's a */
        VK_STR("https://app\xe3\x80\x82"
               "example/"), /* a full stop that IDNA maps to a dot */
        VK_STR("https://app.example\xef\xbc\x8f.evil.example/"),
        VK_STR("https://app.example/\xc3\xa4"),
        VK_STR("https://app%2eexample/"),
        VK_STR("https://%61pp.example/"),
        VK_STR("javascript:alert(1)//https://app.example/"),
        VK_STR("javascript://app.example/%0aalert(1)"),
        VK_STR("data:text/html,https://app.example/"),
        VK_STR("ftp://app.example/"),
        VK_STR("file:///etc/passwd"),
        VK_STR("blob:https://app.example/x"),
        VK_STR("ws://localhost:3000/"),
        VK_STR("httpss://app.example/"),
        VK_STR("https//app.example/"),
        VK_STR("http://[::1]/"),
        VK_STR("http://[::1]x:3000/"),
        VK_STR("http://[::1"),
        VK_STR("http://[]:3000/"),
        VK_STR("http://[::2]:3000/"),
        VK_STR("http://[::1%25lo]:3000/"),
        VK_STR("http://[::1]@evil.example/"),
        VK_STR("http://127.0.0.1:3000/"), /* what localhost may mean is not asked */
        VK_STR("http://0x7f.1:3000/"),
        VK_STR("https://*/"),
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_auth_origin_allowed(bad[i], origins, VK_COUNT(origins)))
            fail_msg("allowed: " VK_STR_FMT, VK_STR_ARG(bad[i]));
    char large[VK_AUTH_URL_MAX + 1], origin[VK_AUTH_ORIGIN_MAX + 1];
    memset(large, 'a', sizeof large);
    memcpy(large, "https://app.example/", 20);
    assert_true(vk_auth_origin_allowed((vk_str){large, VK_AUTH_URL_MAX}, origins, VK_COUNT(origins)));
    assert_int_equal(vk_auth_origin_of((vk_str){large, VK_AUTH_URL_MAX + 1}, origin), VK_E_TOO_LARGE);
    memset(large, 'a', sizeof large);
    memcpy(large, "https://", 8);
    assert_int_equal(vk_auth_origin_of((vk_str){large, VK_AUTH_ORIGIN_MAX}, origin), VK_OK);
    assert_int_equal(vk_auth_origin_of((vk_str){large, VK_AUTH_ORIGIN_MAX + 1}, origin), VK_E_INVALID);
}

static void origins_are_written_as_builds_keep_them(void **state)
{
    VK_UNUSED(state);
    static const char *const cases[][2] = {
        {"http://a.example:80/x", "http://a.example"},
        {"https://A.Example:443", "https://a.example"},
        {"http://a.example:443/", "http://a.example:443"},
        {"https://a.example:80?", "https://a.example:80"},
        {"http://[2001:DB8::1]:80/", "http://[2001:db8::1]"},
        {"http://localhost:3000/dash?x#y", "http://localhost:3000"},
        {"https://a_b.example/", "https://a_b.example"},
    };
    char origin[VK_AUTH_ORIGIN_MAX + 1];
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(vk_auth_origin_of(vk_str_z(cases[i][0]), origin), VK_OK);
        assert_string_equal(origin, cases[i][1]);
    }
}

static void a_parameter_is_added(void **state)
{
    VK_UNUSED(state);
    static const char *const cases[][2] = {
        {"http://localhost:3000", "http://localhost:3000?__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/", "http://localhost:3000/?__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/a?", "http://localhost:3000/a?__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/a?x=1&y", "http://localhost:3000/a?x=1&y&__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/a?x=1#f?g=2", "http://localhost:3000/a?x=1&__clerk_handshake_nonce=N1#f?g=2"},
        {"http://localhost:3000/a#f", "http://localhost:3000/a?__clerk_handshake_nonce=N1#f"},
        {"http://localhost:3000/a?x=a?b", "http://localhost:3000/a?x=a?b&__clerk_handshake_nonce=N1"},
        /* What somebody put there before is not what the SDK reads. */
        {"http://localhost:3000/?__clerk_handshake_nonce=evil&x=1",
         "http://localhost:3000/?x=1&__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?x=1&__clerk_handshake=evil",
         "http://localhost:3000/?x=1&__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?%5f_clerk_handshak%65_nonce=evil",
         "http://localhost:3000/?__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?%5F%5Fclerk_handshake", "http://localhost:3000/?__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?__clerk_status=verified",
         "http://localhost:3000/?__clerk_status=verified&__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?__clerk_handshake_nonce2=a",
         "http://localhost:3000/?__clerk_handshake_nonce2=a&__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?&&a&", "http://localhost:3000/?a&__clerk_handshake_nonce=N1"},
        {"http://localhost:3000/?%5", "http://localhost:3000/?%5&__clerk_handshake_nonce=N1"},
    };
    vk_str name = VK_STR("__clerk_handshake_nonce");
    vk_buf out;
    vk_buf_init(&out, 1000);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_buf_clear(&out);
        assert_int_equal(vk_auth_redirect_add(vk_str_z(cases[i][0]), name, VK_STR("N1"), &out), VK_OK);
        if (!vk_str_eqz(vk_buf_view(&out), cases[i][1]))
            fail_msg("%s: " VK_STR_FMT, cases[i][0], VK_STR_ARG(vk_buf_view(&out)));
    }
    vk_buf_clear(&out);
    assert_int_equal(vk_auth_redirect_add(VK_STR("javascript:x"), name, VK_STR("N1"), &out), VK_E_INVALID);
    assert_int_equal(vk_auth_redirect_add(VK_STR("http://a/\r\n"), name, VK_STR("N1"), &out), VK_E_INVALID);
    assert_int_equal(vk_auth_redirect_add(VK_STR("http://a/"), name, VK_STR("N&1"), &out), VK_E_INVALID);
    assert_int_equal(vk_auth_redirect_add(VK_STR("http://a/"), name, VK_STR(""), &out), VK_E_INVALID);
    assert_int_equal(vk_auth_redirect_add(VK_STR("http://a/"), VK_STR("a=b"), VK_STR("N1"), &out),
                     VK_E_INVALID);
    assert_int_equal(out.n, 0);
    vk_buf_free(&out);
    vk_buf_init(&out, 20);
    assert_int_equal(vk_auth_redirect_add(VK_STR("http://a.example/x"), name, VK_STR("N1"), &out),
                     VK_E_TOO_LARGE);
    assert_int_equal(out.n, 0);
    vk_buf_free(&out);
}

static void partitioned(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_str origins[2];
        size_t n;
        bool is;
    } cases[] = {
        {{{NULL, 0}}, 0, false},
        {{VK_STR("https://a.example")}, 1, true},
        {{VK_STR("http://localhost:3000"), VK_STR("https://a.example")}, 2, true},
        {{VK_STR("http://localhost")}, 1, true},
        {{VK_STR("http://b1.localhost:3000"), VK_STR("http://127.0.0.1:3000")}, 2, true},
        {{VK_STR("http://[::1]:3000"), VK_STR("http://[::1]")}, 2, true},
        {{VK_STR("http://a.example")}, 1, false},
        {{VK_STR("https://a.example"), VK_STR("http://a.example")}, 2, false},
        {{VK_STR("http://192.168.0.7:3000")}, 1, false},
        {{VK_STR("http://127.0.0.1.example")}, 1, false},
        {{VK_STR("http://localhost.example")}, 1, false},
        {{VK_STR("http://notlocalhost")}, 1, false},
        {{VK_STR("http://[::11]")}, 1, false},
        {{VK_STR("http://.localhost")}, 1, false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (vk_auth_is_partitioned(cases[i].origins, cases[i].n) != cases[i].is)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(origins_are_written_as_builds_keep_them),
        cmocka_unit_test(a_parameter_is_added),
        cmocka_unit_test(partitioned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
