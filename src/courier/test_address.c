#include "courier/address.h"

#include "core/buf.h"
#include "core/disk.h"
#include "core/json_read.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Accepted, and what it is read as. */
static void good_urls(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *url, *host;
        int port;
        bool tls, literal;
        const char *path;
    } cases[] = {
        {"https://example.org", "example.org", 443, true, false, ""},
        {"HTTPS://EXAMPLE.ORG/", "example.org", 443, true, false, "/"},
        {"https://example.org./a?b=c", "example.org", 443, true, false, "/a?b=c"},
        {"https://example.org?b", "example.org", 443, true, false, "?b"},
        {"https://xn--bcher-kva.example/%2e%2e/@x", "xn--bcher-kva.example", 443, true, false, "/%2e%2e/@x"},
        {"https://a_b.example:8443/", "a_b.example", 8443, true, false, "/"},
        {"http://localhost:3000", "localhost", 3000, false, false, ""},
        {"http://127.0.0.1", "127.0.0.1", 80, false, true, ""},
        {"https://1.1.1.1:443/", "1.1.1.1", 443, true, true, "/"},
        {"https://[2606:4700::1111]/", "2606:4700::1111", 443, true, true, "/"},
        {"https://[2606:4700:0:0:0:0:0:AbCd]/", "2606:4700::abcd", 443, true, true, "/"},
        {"https://[::ffff:127.0.0.1]:1/", "::ffff:127.0.0.1", 1, true, true, "/"},
        {"https://1a.example/", "1a.example", 443, true, false, "/"},
        {"https://0x.example/", "0x.example", 443, true, false, "/"},
        {"https://127.0.0.1.example/", "127.0.0.1.example", 443, true, false, "/"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_target t;
        const char *why = "";
        if (vk_target_parse(vk_str_z(cases[i].url), &t, &why) != VK_OK)
            fail_msg("%s: %s", cases[i].url, why);
        assert_string_equal(t.host, cases[i].host);
        assert_int_equal(t.port, cases[i].port);
        assert_int_equal(t.tls, cases[i].tls);
        assert_int_equal(t.literal, cases[i].literal);
        assert_true(vk_str_eqz(t.path, cases[i].path));
    }
}

/* Spellings that some parser somewhere reads as another host. */
static void bad_urls(void **state)
{
    VK_UNUSED(state);
    static const char *const cases[] = {
        "",
        "example.org",
        "//example.org/",
        "https:/example.org/",
        "https:example.org",
        "https:///path",
        "https://",
        "https://?x",
        "https://:443/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "javascript:alert(1)",
        "https ://example.org/",
        " https://example.org/",
        "https://example.org/ ",
        "https://example.org/a b",
        "https://exam\tple.org/",
        "https://exam\nple.org/",
        "https://example.org\r\nHost: evil/",
        "https://exam\\ple.org/",
        "https://good.example\\@evil.example/",
        "https://good.example@evil.example/",
        "https://user:password@evil.example/",
        "https://@example.org/",
        "https://good.example%40evil.example/",
        "https://good.example%2eevil.example/",
        "https://127%2e0.0.1/",
        "https://example.org#@evil.example/",
        "https://example.org/#fragment",
        "https://example.org:443:80/",
        "https://example.org:0/",
        "https://example.org:65536/",
        "https://example.org:-1/",
        "https://example.org:+443/",
        "https://example.org:4 43/",
        "https://example.org:0x1bb/",
        "https://example.org:/",
        "https://example.org:999999999999/",
        "https://.example.org/",
        "https://example..org/",
        "https://example.org../",
        "https://-example.org/",
        "https://example-.org/",
        "https://exa$mple.org/",
        "https://ex\xc3\xa4mple.org/",
        "https://\xe2\x91\xa0.example/",                       /* ① */
        "https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", /* full-width digits */
        "https://127.0.0.1\xe3\x80\x82/",                      /* ideographic full stop */
        "https://127.1/",
        "https://127.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://0177.1/",
        "https://017700000001/",
        "https://127.0.0.01/",
        "https://127.0.0.0x1/",
        "https://127.0.0.256/",
        "https://127.0.0.1.1/",
        "https://0/",
        "https://4294967296/",
        "https://1.2.3.4.5/",
        "https://example.0x10/",
        "https://example.1/",
        "https://[::1/",
        "https://::1/",
        "https://[]/",
        "https://[127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::1]x/",
        "https://[::1].example/",
        "https://[v1.x]/",
        "https://[0:0:0:0:0:0:0:0:1]/",
        "https://{example}.org/",
        "https://example.org/<script>",
        "https://\"example.org\"/",
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_target t;
        const char *why = NULL;
        if (vk_target_parse(vk_str_z(cases[i]), &t, &why) == VK_OK)
            fail_msg("%s is read as %s", cases[i], t.host);
        assert_non_null(why);
    }
    assert_true(VK_COUNT(cases) >= 60);
    char big[VK_TARGET_MAX + 64];
    vk_target t;
    const char *why;
    memset(big, 'a', sizeof big);
    memcpy(big, "https://example.org/", 20);
    assert_int_equal(vk_target_parse((vk_str){big, VK_TARGET_MAX}, &t, &why), VK_OK);
    assert_int_equal(vk_target_parse((vk_str){big, VK_TARGET_MAX + 1}, &t, &why), VK_E_INVALID);
    memset(big, 'a', sizeof big);
    memcpy(big, "https://", 8);
    assert_int_equal(vk_target_parse((vk_str){big, 8 + 63}, &t, &why), VK_OK); /* a label of 63, then of 64 */
    assert_int_equal(vk_target_parse((vk_str){big, 8 + 64}, &t, &why), VK_E_INVALID);
    for (size_t i = 8; i < 8 + 400; i++)
        big[i] = i % 2 ? '.' : 'a';
    assert_int_equal(vk_target_parse((vk_str){big, 8 + 253}, &t, &why), VK_OK);
    assert_int_equal(vk_target_parse((vk_str){big, 8 + 255}, &t, &why), VK_E_INVALID);
}

static const char *judge(const vk_egress *e, const char *text, uint16_t port, bool local, bool registered)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return vk_egress_address(e, (const struct sockaddr *)(const void *)&v4, local, registered);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return vk_egress_address(e, (const struct sockaddr *)(const void *)&v6, local, registered);
}

static void addresses(void **state)
{
    VK_UNUSED(state);
    static const char *const bad[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "100.100.100.200",
        "169.254.170.2",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:192.168.1.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "3fff::1",
        "100::1",
        "5f00::1",
        "fc00::1",
        "fdff:ffff::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    };
    static const char *const good[] = {
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "168.63.129.17",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "2001:200::1",
        "::ffff:1.1.1.1",
        "2003::1",
        "fbff::1",
    };
    const vk_egress none = {.own_port = 4500, .own_ports = 5};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (!judge(&none, bad[i], 443, false, false))
            fail_msg("%s is allowed", bad[i]);
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        const char *why = judge(&none, good[i], 443, false, false);
        if (why)
            fail_msg("%s: %s", good[i], why);
    }
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_non_null(vk_egress_address(&none, &other, false, true));
    /* Our listeners on any address of this machine. */
    assert_null(judge(&none, "1.1.1.1", 4502, false, false));
    assert_non_null(judge(&none, "1.1.1.1", 4502, true, false));
    assert_non_null(judge(&none, "1.1.1.1", 4504, true, false));
    assert_null(judge(&none, "1.1.1.1", 4505, true, false));
    assert_null(judge(&none, "1.1.1.1", 4499, true, false));
    /* A registered origin may be on loopback, but is no other exception. */
    assert_null(judge(&none, "127.0.0.1", 3000, false, true));
    assert_null(judge(&none, "::1", 3000, false, true));
    assert_non_null(judge(&none, "127.0.0.1", 4500, false, true));
    assert_non_null(judge(&none, "::1", 4504, false, true));
    const vk_egress moved = {.own_port = 4500, .own_ports = 5, .own = {443, 9999}, .n_own = 2};
    assert_non_null(judge(&moved, "127.0.0.1", 9999, false, true));
    assert_non_null(judge(&moved, "1.1.1.1", 443, true, false));
    assert_non_null(judge(&moved, "127.0.0.1", 4502, false, true));
    assert_null(judge(&moved, "1.1.1.1", 443, false, false));
    assert_null(judge(&moved, "127.0.0.1", 9998, false, true));
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        bool loopback = strncmp(bad[i], "127.", 4) == 0 || strcmp(bad[i], "::1") == 0 ||
                        strcmp(bad[i], "::ffff:127.0.0.1") == 0;
        if (!loopback && !judge(&none, bad[i], 443, false, true))
            fail_msg("%s is allowed for a registered origin", bad[i]);
    }
}

static void opened_by_the_operator(void **state)
{
    VK_UNUSED(state);
    vk_egress e = {.own_port = 4500, .own_ports = 5};
    static const char *const nets[] = {"10.1.0.0/16", "fd00::/8", "0.0.0.0/0", "::/0"};
    assert_int_equal(vk_network_parse(VK_STR("10.1.0.0/16"), &e.allow[e.n_allow++]), VK_OK);
    assert_int_equal(vk_network_parse(VK_STR("fd00::/8"), &e.allow[e.n_allow++]), VK_OK);
    assert_null(judge(&e, "10.1.2.3", 443, false, false));
    assert_null(judge(&e, "::ffff:10.1.2.3", 443, false, false));
    assert_non_null(judge(&e, "10.2.0.1", 443, false, false));
    assert_null(judge(&e, "fd12::1", 443, false, false));
    assert_non_null(judge(&e, "fd00:ec2::254", 443, false, false));
    e.n_allow = 0;
    for (size_t i = 0; i < VK_COUNT(nets); i++)
        assert_int_equal(vk_network_parse(vk_str_z(nets[i]), &e.allow[e.n_allow++]), VK_OK);
    /* Opening everything opens private networks, and nothing that is never dialled. */
    assert_null(judge(&e, "192.168.1.1", 443, false, false));
    static const char *const never[] = {
        "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "127.0.0.1", "::1",
        "0.0.0.0",         "224.0.0.1",     "64:ff9b::1",    "2002::1",   "fe80::1"};
    for (size_t i = 0; i < VK_COUNT(never); i++)
        if (!judge(&e, never[i], 443, false, false))
            fail_msg("%s is allowed", never[i]);
    static const char *const bad[] = {"",          "10",          "10.0.0.0/33", "10.0.0.0/-1",
                                      "10.0.0.0/", "10.0.0.0/8x", "fd00::/129",  "example.org",
                                      "10.0.0/8",  "/8",          "10.0.0.0/+8"};
    vk_network net;
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_network_parse(vk_str_z(bad[i]), &net) == VK_OK)
            fail_msg("%s is a network", bad[i]);
}

static void ports_and_origins(void **state)
{
    VK_UNUSED(state);
    vk_egress e = {.ports = {8443}, .n_ports = 1};
    static const struct {
        const char *url;
        bool registered, good;
    } cases[] = {
        {"https://a.example/", false, true},     {"https://a.example:8443/", false, true},
        {"https://a.example:22/", false, false}, {"http://a.example/", false, false},
        {"http://a.example:443/", false, false}, {"http://localhost:3000/", true, true},
        {"https://a.example:9999/", true, true},
    };
    vk_target t;
    const char *why;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(vk_target_parse(vk_str_z(cases[i].url), &t, &why), VK_OK);
        assert_int_equal(vk_egress_port(&e, &t, cases[i].registered) == NULL, cases[i].good);
    }
    assert_int_equal(vk_target_parse(VK_STR("http://LOCALHOST:3000/hook?x"), &t, &why), VK_OK);
    assert_true(vk_target_has_origin(&t, VK_STR("http://localhost:3000")));
    assert_true(vk_target_has_origin(&t, VK_STR("http://localhost:3000/")));
    assert_false(vk_target_has_origin(&t, VK_STR("https://localhost:3000")));
    assert_false(vk_target_has_origin(&t, VK_STR("http://localhost:3001")));
    assert_false(vk_target_has_origin(&t, VK_STR("http://localhost")));
    assert_false(vk_target_has_origin(&t, VK_STR("http://127.0.0.1:3000")));
    assert_false(vk_target_has_origin(&t, VK_STR("http://localhost:3000/path")));
    assert_false(vk_target_has_origin(&t, VK_STR("")));
    assert_int_equal(vk_target_parse(VK_STR("http://[FD00:0::1A]:3000/hook"), &t, &why), VK_OK);
    assert_true(vk_target_has_origin(&t, VK_STR("http://[fd00::1a]:3000")));
}

static struct sockaddr_storage socket_address(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(443);
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(443);
    } else {
        fail_msg("%s is no address", text);
    }
    return out;
}

/* The table of the settings page's own guard (tests/validation): both let the same through. */
static void same_as_the_settings_page(void **state)
{
    VK_UNUSED(state);
    enum { FILE_MAX = 256 * 1024 };
    char path[PATH_MAX];
    const char *root = getenv("VK_SOURCE_ROOT"), *why;
    vk_arena *a = vk_arena_new(8 * FILE_MAX);
    vk_buf bytes;
    vk_json *file;
    const vk_egress closed = {0};
    int n = 0;
    assert_non_null(a);
    vk_buf_init(&bytes, FILE_MAX);
    snprintf(path, sizeof path, "%s/tests/data/validation/guard.json", root ? root : ".");
    assert_int_equal(vk_disk_read(AT_FDCWD, path, FILE_MAX, &bytes), VK_OK);
    assert_int_equal(vk_json_parse(a, vk_buf_view(&bytes), &file, NULL, NULL), VK_OK);
    for (const vk_json *u = vk_json_get(file, VK_STR("urls"))->u.child; u; u = u->next, n++) {
        vk_target t;
        vk_str url = vk_json_str(vk_json_get(u, VK_STR("url")));
        bool good = vk_target_parse(url, &t, &why) == VK_OK && t.tls;
        if (good != vk_json_get(u, VK_STR("ok"))->u.b)
            fail_msg(VK_STR_FMT " is %s", VK_STR_ARG(url), good ? "taken" : "refused");
    }
    for (const vk_json *i = vk_json_get(file, VK_STR("addresses"))->u.child; i; i = i->next, n++) {
        vk_str text = vk_arena_dup(a, vk_json_str(vk_json_get(i, VK_STR("address"))));
        struct sockaddr_storage address = socket_address(text.p);
        why = vk_egress_address(&closed, (struct sockaddr *)&address, false, false);
        if ((why != NULL) != vk_json_get(i, VK_STR("refused"))->u.b)
            fail_msg("%s: %s", text.p, why ? why : "is called");
    }
    assert_true(n > 150);
    vk_buf_free(&bytes);
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls),         cmocka_unit_test(bad_urls),
        cmocka_unit_test(addresses),         cmocka_unit_test(opened_by_the_operator),
        cmocka_unit_test(ports_and_origins), cmocka_unit_test(same_as_the_settings_page),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
