/* The organisation's server, as it was entered; and what comes of what a server says. Real servers:
 * tests/provisionpg. */
#include "keeper/pg.h"

#include "crypto/digest.h"
#include "keeper/test_orgs.h"

static void enter(place *p, const char *url, const char *sslmode)
{
    vk_buf sealed;
    const pair pairs[] = {{"admin_url", url}, {"sslmode", sslmode}, {NULL, NULL}};
    sealed_for(vk_orgs_box_key(p->orgs), "postgres", "", next_at(), pairs, &sealed);
    vk_err e = write_sealed(p, "postgres", "", vk_buf_view(&sealed), true);
    if (e != VK_OK)
        fail_msg("%s: %s", url, said);
    vk_buf_free(&sealed);
}

static void addresses(void **state)
{
    place *p = *state;
    static const struct {
        const char *url, *sslmode;
        const char *host, *port, *user, *password, *database, *how;
    } cases[] = {
        {"postgresql://admin:secret@db.example.com:5433/main", "", "db.example.com", "5433", "admin",
         "secret", "main", "verify-full"},
        {"postgres://a%40b:p%40%2Fw@db.example.com/x%20y?sslmode=disable", "", "db.example.com", "5432",
         "a@b", "p@/w", "x y", "verify-full"},
        {"postgresql://admin:@db.example.com", "require", "db.example.com", "5432", "admin", "", "postgres",
         "require"},
        {"postgresql://admin@127.0.0.1/", "", "127.0.0.1", "5432", "admin", "", "postgres", "prefer"},
        {"postgresql://admin:x@[::1]:6000/y", "", "::1", "6000", "admin", "x", "y", "prefer"},
        {"postgresql://admin:x@[2001:db8::1]/y", "verify-ca", "2001:db8::1", "5432", "admin", "x", "y",
         "verify-ca"},
        {"postgresql://admin:x@localhost:6000/y", "verify-full", "localhost", "6000", "admin", "x", "y",
         "verify-full"},
    };
    vk_pg_begin(&vk_limits_usual, "/nonexistent");
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(65536);
        vk_pg_server s;
        const char *why = "";
        enter(p, cases[i].url, cases[i].sslmode);
        vk_err e = vk_pg_server_of(vk_org_find(p->orgs, VK_STR("postgres"), VK_STR_NONE), a, &s, &why);
        if (e != VK_OK)
            fail_msg("%s: %s", cases[i].url, why);
        assert_string_equal(s.host, cases[i].host);
        assert_string_equal(s.port, cases[i].port);
        assert_string_equal(s.user, cases[i].user);
        assert_string_equal(s.password, cases[i].password);
        assert_string_equal(s.database, cases[i].database);
        assert_string_equal(s.sslmode, cases[i].how);
        vk_arena_free(a);
    }
}

static void judged(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_pq_lack lack;
        const char *sqlstate;
        vk_err e, want;
        const char *says;
        bool asked;
    } cases[] = {
        {VK_PQ_NOTHING, "", VK_OK, VK_OK, "", false},
        {VK_PQ_SAID, "28P01", VK_E_FORBIDDEN, VK_E_FORBIDDEN, "password", false},
        {VK_PQ_SAID, "28000", VK_E_FORBIDDEN, VK_E_FORBIDDEN, "pg_hba.conf", false},
        {VK_PQ_SAID, "42501", VK_E_FORBIDDEN, VK_E_FORBIDDEN, "may not", false},
        {VK_PQ_SAID, "3D000", VK_E_FORBIDDEN, VK_E_NOT_FOUND, "no such database", false},
        {VK_PQ_SAID, "53100", VK_E_FORBIDDEN, VK_E_FULL, "disk", false},
        {VK_PQ_SAID, "53300", VK_E_FORBIDDEN, VK_E_BUSY, "connections", false},
        {VK_PQ_SAID, "57P03", VK_E_FORBIDDEN, VK_E_BUSY, "starts", false},
        {VK_PQ_SAID, "55P03", VK_E_FORBIDDEN, VK_E_BUSY, "somebody else", false},
        {VK_PQ_SAID, "42601", VK_E_FORBIDDEN, VK_E_INVALID, "42601", false},
        {VK_PQ_REACH, "", VK_E_UNAVAILABLE, VK_E_BUSY, "reached", false},
        {VK_PQ_TIME, "", VK_E_TIMEOUT, VK_E_BUSY, "in time", false},
        {VK_PQ_REACH, "", VK_E_UNAVAILABLE, VK_E_UNAVAILABLE, "reached", true},
        {VK_PQ_TIME, "", VK_E_TIMEOUT, VK_E_UNAVAILABLE, "in time", true},
        {VK_PQ_SAID, "57014", VK_E_FORBIDDEN, VK_E_BUSY, "took too long", true},
        {VK_PQ_TLS, "", VK_E_UNAVAILABLE, VK_E_BUSY, "TLS", false},
        {VK_PQ_MEMORY, "", VK_E_NOMEM, VK_E_BUSY, "memory", false},
        {VK_PQ_MEMORY, "", VK_E_TOO_LARGE, VK_E_INTERNAL, "", false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char why[400];
        vk_pq_link l = {.lack = cases[i].lack, .asked = cases[i].asked};
        snprintf(l.sqlstate, sizeof l.sqlstate, "%s", cases[i].sqlstate);
        vk_err e = vk_pg_judge(&l, cases[i].e, "do it", why, sizeof why);
        if (e != cases[i].want || !strstr(why, cases[i].says) || (e != VK_OK) != (why[0] != '\0'))
            fail_msg("%zu: %s, '%s'", i, vk_err_name(e), why);
    }
}

static void names_and_passwords(void **state)
{
    VK_UNUSED(state);
    char one[VK_PG_PASSWORD + 1], other[VK_PG_PASSWORD + 1];
    vk_pg_new_password(one);
    vk_pg_new_password(other);
    assert_int_equal(strlen(one), VK_PG_PASSWORD);
    assert_string_not_equal(one, other);
    assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
                     VK_PG_PASSWORD);
    assert_true(vk_pg_name_ok(VK_STR("vk_abc234")));
    static const char *const none[] = {"", "vk_A", "a\"b", "a'b", "a b", "a;", "\xc3\xa9", "a-b"};
    for (size_t i = 0; i < VK_COUNT(none); i++)
        assert_false(vk_pg_name_ok(vk_str_z(none[i])));
    assert_false(vk_pg_name_ok(VK_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(addresses, set_up, tear_down),
                                       cmocka_unit_test(judged), cmocka_unit_test(names_and_passwords)};
    if (sodium_init() < 0 || vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
