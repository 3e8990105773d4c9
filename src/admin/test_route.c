#include "admin/access.h"
#include "admin/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static const vk_route table[] = {
    {"GET", "/api/v1/builds", 0, VK_AUTH_TOKEN, NULL},
    {"POST", "/api/v1/builds", 0, VK_AUTH_TOKEN, NULL},
    {"GET", "/api/v1/builds/{}", 0, VK_AUTH_TOKEN, NULL},
    {"DELETE", "/api/v1/builds/{}", 0, VK_AUTH_TOKEN, NULL},
    {"GET", "/api/v1/builds/{}/services/{}/export", 0, VK_AUTH_TOKEN, NULL},
    {"GET", "/api/v1/builds/{}/services/{}/snapshots/{}/diff", 0, VK_AUTH_TOKEN, NULL},
};

static void finds(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *method, *path;
        int row; /* -1: no such path; -2: not with this method */
        const char *a, *b, *allow, *c;
    } cases[] = {
        {"GET", "/api/v1/builds", 0, NULL, NULL, NULL, NULL},
        {"HEAD", "/api/v1/builds", 0, NULL, NULL, NULL, NULL},
        {"POST", "/api/v1/builds", 1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1/builds/demo", 2, "demo", NULL, NULL, NULL},
        {"DELETE", "/api/v1/builds/demo", 3, "demo", NULL, NULL, NULL},
        {"GET", "/api/v1/builds/a/services/database/export", 4, "a", "database", NULL, NULL},
        {"GET", "/api/v1/builds/a/services/database/snapshots/x.y/diff", 5, "a", "database", NULL, "x.y"},
        {"GET", "/api/v1/builds/a/services/database/snapshots//diff", -1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1/builds/%2e%2e", 2, "%2e%2e", NULL, NULL, NULL},
        {"GET", "/api/v1/builds/", -1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1/builds//", -1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1/builds/demo/", -1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1/builds/a/services//export", -1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1/builds/a/b", -1, NULL, NULL, NULL, NULL},
        {"GET", "/api/v1", -1, NULL, NULL, NULL, NULL},
        {"GET", "/", -1, NULL, NULL, NULL, NULL},
        {"GET", "", -1, NULL, NULL, NULL, NULL},
        {"GET", "/API/v1/builds", -1, NULL, NULL, NULL, NULL},
        {"GET", "api/v1/builds", -1, NULL, NULL, NULL, NULL},
        {"PUT", "/api/v1/builds", -2, NULL, NULL, "GET, POST", NULL},
        {"get", "/api/v1/builds", -2, NULL, NULL, "GET, POST", NULL},
        {"POST", "/api/v1/builds/x", -2, NULL, NULL, "GET, DELETE", NULL},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const vk_route *r = NULL;
        vk_str p[VK_ROUTE_PARAMS] = {VK_STR_NONE};
        char allow[64];
        vk_err e = vk_route_find(table, VK_COUNT(table), vk_str_z(cases[i].method), vk_str_z(cases[i].path),
                                 &r, p, allow);
        if (cases[i].row == -1) {
            assert_int_equal(e, VK_E_NOT_FOUND);
        } else if (cases[i].row == -2) {
            assert_int_equal(e, VK_E_METHOD);
            assert_string_equal(allow, cases[i].allow);
        } else {
            assert_int_equal(e, VK_OK);
            assert_ptr_equal(r, &table[cases[i].row]);
            assert_true(!cases[i].a || vk_str_eqz(p[0], cases[i].a));
            assert_true(!cases[i].b || vk_str_eqz(p[1], cases[i].b));
            assert_true(!cases[i].c || vk_str_eqz(p[2], cases[i].c));
        }
    }
}

static void bearer(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *header, *token;
    } cases[] = {
        {"Bearer abc", "abc"}, {"bearer abc", "abc"}, {"BEARER   abc", "abc"}, {"Bearer", ""},
        {"Bearer ", ""},       {"Basic abc", ""},     {"Bearerabc", ""},       {"", ""},
        {"abc", ""},           {"Bearer a b", "a b"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_true(
            vk_str_eqz(vk_secret_bytes(vk_bearer(vk_secret_of(vk_str_z(cases[i].header)))), cases[i].token));
}

/* Over a socket of files the uid decides too; over TCP only the token. */
static void check(void **state)
{
    VK_UNUSED(state);
    static const vk_str names[] = {{"localhost", 9}, {NULL, 0}};
    static vk_runtime rt;
    vk_sha256(VK_STR("vk_a_right"), rt.admin_hash);
    vk_sha256(VK_STR("vk_m_right"), rt.metrics_hash);
    static const struct {
        bool local;
        int uid; /* 0: root, 1: ours, 2: another's */
        const char *auth;
        vk_err want;
    } cases[] = {
        {false, 2, "Bearer vk_m_right", VK_E_UNAUTHORIZED},
        {false, 2, "Bearer vk_a_right", VK_OK},
        {false, 2, "Bearer vk_a_wrong", VK_E_UNAUTHORIZED},
        {false, 2, "Bearer vk_a_righ", VK_E_UNAUTHORIZED},
        {false, 2, "Bearer vk_a_rightx", VK_E_UNAUTHORIZED},
        {false, 2, "", VK_E_UNAUTHORIZED},
        {true, 1, "Bearer vk_a_right", VK_OK},
        {true, 0, "Bearer vk_a_right", VK_OK},
        {true, 2, "Bearer vk_a_right", VK_E_FORBIDDEN},
        {true, 1, "", VK_E_UNAUTHORIZED},
        {true, 0, "Bearer x", VK_E_UNAUTHORIZED},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_server s = {.names = cases[i].local ? NULL : names};
        vk_exchange ex = {.server = &s, .authorization = vk_secret_of(vk_str_z(cases[i].auth))};
        ex.peer_uid = cases[i].uid == 0 ? 0 : cases[i].uid == 1 ? geteuid() : (uid_t)-1;
        const char *why = NULL;
        assert_int_equal(vk_admin_check(&ex, &rt, false, &why), cases[i].want);
        assert_non_null(why);
        bool metrics = strcmp(cases[i].auth, "Bearer vk_m_right") == 0;
        assert_int_equal(vk_admin_check(&ex, &rt, true, &why), metrics ? VK_OK : cases[i].want);
    }
}

static void sites(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *site, *origin, *host;
        vk_err want;
    } cases[] = {
        {NULL, NULL, "localhost:4500", VK_OK},
        {"same-origin", NULL, "localhost:4500", VK_OK},
        {"none", NULL, "localhost:4500", VK_OK},
        {"cross-site", NULL, "localhost:4500", VK_E_FORBIDDEN},
        {"same-site", NULL, "localhost:4500", VK_E_FORBIDDEN}, /* another port of localhost: an app */
        {"", NULL, "localhost:4500", VK_E_FORBIDDEN},
        {NULL, "http://localhost:4500", "localhost:4500", VK_OK},
        {NULL, "https://localhost:4500", "LOCALHOST:4500", VK_OK},
        {NULL, "http://localhost:3000", "localhost:4500", VK_E_FORBIDDEN},
        {NULL, "http://evil.example", "localhost:4500", VK_E_FORBIDDEN},
        {NULL, "null", "localhost:4500", VK_E_FORBIDDEN},
        {NULL, "", "localhost:4500", VK_E_FORBIDDEN},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_header h[2];
        vk_exchange ex = {.host = vk_str_z(cases[i].host), .headers = h};
        if (cases[i].site)
            h[ex.n_headers++] = (vk_header){VK_STR("sec-fetch-site"), vk_str_z(cases[i].site)};
        if (cases[i].origin)
            h[ex.n_headers++] = (vk_header){VK_STR("ORIGIN"), vk_str_z(cases[i].origin)};
        const char *why;
        assert_int_equal(vk_admin_check_site(&ex, &why), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(bearer),
                                       cmocka_unit_test(check), cmocka_unit_test(sites)};
    if (vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
