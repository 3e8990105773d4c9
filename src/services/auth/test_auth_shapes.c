/* Ids, publishable keys, e-mail addresses, directives. Judges: what @clerk/shared 4.41 makes of the keys
 * (tests/data/auth/publishable-keys.json), and directives that Clerk's SDKs accepted. */
#include "services/auth/directives.h"
#include "services/auth/email.h"
#include "services/auth/ids.h"
#include "services/auth/pubkey.h"

#include "core/clock.h"
#include "crypto/digest.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static json_t *data(const char *name)
{
    char path[1024];
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/auth/%s", root ? root : ".", name);
    json_t *v = json_load_file(path, 0, NULL);
    assert_non_null(v);
    return v;
}

static const char *text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void ids(void **state)
{
    VK_UNUSED(state);
    char a[VK_AUTH_ID_MAX + 1], b[VK_AUTH_ID_MAX + 1], nonce[VK_AUTH_NONCE + 1], ins[VK_AUTH_SLUG_MAX + 5];
    for (int k = 0; k < VK_AUTH_KINDS; k++) {
        vk_auth_id_new((vk_auth_kind)k, a);
        vk_auth_id_new((vk_auth_kind)k, b);
        assert_string_not_equal(a, b);
        for (int other = 0; other < VK_AUTH_KINDS; other++) /* an id is of one kind */
            assert_int_equal(vk_auth_id_is((vk_auth_kind)other, vk_str_z(a)), k == other);
        assert_false(vk_auth_id_is((vk_auth_kind)k, (vk_str){a, strlen(a) - 1}));
        a[strlen(a) - 3] = '-';
        assert_false(vk_auth_id_is((vk_auth_kind)k, vk_str_z(a)));
        assert_false(vk_auth_id_is((vk_auth_kind)k, VK_STR("")));
    }
    assert_true(vk_auth_id_is(VK_AUTH_SESSION, VK_STR("sess_mIIRR7QBPqxOQU4Hy2y7n65oliD"))); /* of a sample */
    assert_true(vk_auth_id_is(VK_AUTH_USER, VK_STR("user_rLcdOC6UU78gDiO9ulJNMUVcs1T")));
    assert_false(vk_auth_id_is(VK_AUTH_USER, VK_STR("user_rLcdOC6UU78gDiO9ulJNMUVcs1TT")));
    assert_false(vk_auth_id_is(VK_AUTH_USER, VK_STR("user_rLcdOC6UU78gDiO9ulJNMUVcs1\0")));
    assert_false(vk_auth_id_is(VK_AUTH_USER, VK_STR("USER_rLcdOC6UU78gDiO9ulJNMUVcs1T")));
    uint8_t bytes[32] = {0};
    vk_auth_id_of(VK_AUTH_IDENTIFICATION, bytes, a);
    assert_string_equal(a, "idn_000000000000000000000000000");
    memset(bytes, 0xff, sizeof bytes); /* 2^256 - 1 */
    vk_auth_id_of(VK_AUTH_USER, bytes, a);
    assert_string_equal(a, "user_1pX8wOr5j2ACunjH7GLL8mWZWHm");
    assert_true(vk_auth_id_is(VK_AUTH_USER, vk_str_z(a)));
    vk_auth_nonce_new(nonce);
    assert_true(vk_auth_nonce_is(vk_secret_of(vk_str_z(nonce))));
    assert_false(vk_auth_nonce_is(vk_secret_of((vk_str){nonce, VK_AUTH_NONCE - 1})));
    assert_int_equal(vk_auth_instance_id(VK_STR("b1"), ins), VK_OK);
    assert_string_equal(ins, "ins_b1");
    assert_int_equal(vk_auth_instance_id(VK_STR("B1"), ins), VK_E_INVALID);
    static const struct {
        vk_str text;
        bool is;
    } slugs[] = {
        {VK_STR("a"), true},
        {VK_STR("0"), true},
        {VK_STR("a-b"), true},
        {VK_STR(""), false},
        {VK_STR("-a"), false},
        {VK_STR("a-"), false},
        {VK_STR("a_b"), false},
        {VK_STR("a.b"), false},
        {VK_STR("A"), false},
        {VK_STR("a\0"), false},
        {VK_STR("a b"), false},
        {VK_STR("123456789012345678901234567890123456789012345678901234567890123"), true},
        {VK_STR("1234567890123456789012345678901234567890123456789012345678901234"), false},
    };
    for (size_t i = 0; i < VK_COUNT(slugs); i++)
        assert_int_equal(vk_auth_slug_is(slugs[i].text), slugs[i].is);
}

static void keys_as_the_sdk_has_them(void **state)
{
    VK_UNUSED(state);
    json_t *all = data("publishable-keys.json"), *v;
    size_t i, emitted = 0;
    char host[VK_AUTH_HOST_MAX + 1], pk[VK_AUTH_PK_MAX + 1], suffix[VK_AUTH_SUFFIX + 1];
    bool live;
    json_array_foreach(json_object_get(all, "keys"), i, v)
    {
        const char *key = text(v, "publishable_key");
        bool valid = json_is_true(json_object_get(v, "valid"));
        assert_int_equal(vk_auth_pk_read(vk_str_z(key), host, &live), valid ? VK_OK : VK_E_INVALID);
        if (!valid)
            continue;
        assert_string_equal(host, text(v, "host"));
        assert_int_equal(live, strcmp(text(v, "instance_type"), "production") == 0);
        vk_auth_cookie_suffix(vk_str_z(key), suffix);
        assert_string_equal(suffix, text(v, "cookie_suffix"));
        assert_int_equal(vk_auth_pk_make(vk_str_z(host), pk), VK_OK);
        if (strncmp(key, "pk_test_", 8) == 0 && !strchr(key, '=')) { /* the form that we write */
            assert_string_equal(pk, key);
            emitted++;
        }
    }
    assert_true(emitted >= 8);
    json_array_foreach(json_object_get(all, "rejected"), i, v)
    {
        assert_int_equal(vk_auth_pk_read(vk_str_z(text(v, "publishable_key")), host, &live), VK_E_INVALID);
    }
    json_decref(all);
    for (int c = 0x80; c <= 0xff; c++) { /* one text for a key, whatever a decoder makes of such bytes */
        char other[] = "pk_live_eC4?aCQ=";
        other[11] = (char)c;
        assert_int_equal(vk_auth_pk_read(vk_str_z(other), host, &live), VK_E_INVALID);
    }
}

static void hosts(void **state)
{
    VK_UNUSED(state);
    char host[VK_AUTH_HOST_MAX + 1], pk[VK_AUTH_PK_MAX + 1], name[300];
    bool live;
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_AUTH_DOMAIN_USUAL, host), VK_OK);
    assert_string_equal(host, "b1.vk_accounts.dev");
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_STR("clerk.accounts.dev"), host), VK_OK);
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_STR("example.com"), host), VK_E_INVALID);
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_STR("vk_accounts.dev:4501"), host), VK_E_INVALID);
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_STR("x/accounts.dev"), host), VK_E_INVALID);
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_STR(".accounts.dev"), host), VK_E_INVALID);
    assert_int_equal(vk_auth_host(VK_STR("b1"), VK_STR("a..accounts.dev"), host), VK_E_INVALID);
    assert_int_equal(vk_auth_host(VK_STR("b.1"), VK_AUTH_DOMAIN_USUAL, host), VK_E_INVALID);
    assert_int_equal(vk_auth_host(VK_STR(""), VK_AUTH_DOMAIN_USUAL, host), VK_E_INVALID);
    memset(name, 'a', sizeof name);
    memcpy(name + 238, ".accounts.dev", 13);
    assert_int_equal(vk_auth_host(VK_STR("b"), (vk_str){name, 251}, host), VK_OK);
    assert_int_equal(strlen(host), VK_AUTH_HOST_MAX);
    assert_int_equal(vk_auth_host(VK_STR("bb"), (vk_str){name, 251}, host + 0), VK_E_TOO_LARGE);
    assert_int_equal(vk_auth_pk_make(vk_str_z(host), pk), VK_OK); /* the longest one */
    assert_int_equal(vk_auth_pk_read(vk_str_z(pk), name, &live), VK_OK);
    assert_string_equal(name, host);
    assert_int_equal(vk_auth_pk_make(VK_STR("nodot"), pk), VK_E_INVALID);
    assert_int_equal(vk_auth_pk_make(VK_STR("a.b$"), pk), VK_E_INVALID);
    assert_int_equal(vk_auth_pk_make(VK_STR("a.b c"), pk), VK_E_INVALID);
    assert_int_equal(vk_auth_pk_make(VK_STR(""), pk), VK_E_INVALID);
}

static void emails(void **state)
{
    VK_UNUSED(state);
    static const struct {
        vk_str text;
        const char *kept; /* NULL: none */
    } cases[] = {
        {VK_STR("jane@example.com"), "jane@example.com"},
        {VK_STR(" Jane.Doe+X@Example.COM\t"), "jane.doe+x@example.com"},
        {VK_STR("jane+clerk_test@example.com"), "jane+clerk_test@example.com"},
        {VK_STR("o'neil_{x}@xn--mnchen-3ya.de"), "o'neil_{x}@xn--mnchen-3ya.de"},
        {VK_STR("a@b.c"), "a@b.c"},
        {VK_STR("a@1.b2"), "a@1.b2"},
        {VK_STR(""), NULL},
        {VK_STR("jane"), NULL},
        {VK_STR("jane@"), NULL},
        {VK_STR("@example.com"), NULL},
        {VK_STR("jane@example"), NULL},
        {VK_STR("jane@example."), NULL},
        {VK_STR("jane@.example.com"), NULL},
        {VK_STR("jane@a..b"), NULL},
        {VK_STR("jane@-a.b"), NULL},
        {VK_STR("jane@a-.b"), NULL},
        {VK_STR("jane@127.0.0.1"), NULL},
        {VK_STR("jane@[127.0.0.1]"), NULL},
        {VK_STR("jane@exa_mple.com"), NULL},
        {VK_STR("jane@b@example.com"), NULL},
        {VK_STR("\"jane doe\"@example.com"), NULL},
        {VK_STR("jane doe@example.com"), NULL},
        {VK_STR(".jane@example.com"), NULL},
        {VK_STR("jane.@example.com"), NULL},
        {VK_STR("ja..ne@example.com"), NULL},
        {VK_STR("jane@example.com\0"), NULL},
        {VK_STR("ja\0ne@example.com"), NULL},
        {VK_STR("jane@example.com\r\nBcc: x@y.z"), NULL},
        {VK_STR("jane@example.com, b@c.d"), NULL},
        {VK_STR("<jane@example.com>"), NULL},
        {VK_STR("j\xc3\xa4ne@example.com"), NULL},
        {VK_STR("jane@ex\xc3\xa4mple.com"), NULL},
        {VK_STR("1234567890123456789012345678901234567890123456789012345678901234@b.c"),
         "1234567890123456789012345678901234567890123456789012345678901234@b.c"},
        {VK_STR("12345678901234567890123456789012345678901234567890123456789012345@b.c"), NULL},
    };
    char kept[VK_AUTH_EMAIL_MAX + 1], again[VK_AUTH_EMAIL_MAX + 1];
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_err e = vk_auth_email(cases[i].text, kept);
        if (e != (cases[i].kept ? VK_OK : VK_E_INVALID) ||
            (cases[i].kept && strcmp(kept, cases[i].kept) != 0))
            fail_msg("case %zu: %s", i, e == VK_OK ? kept : "refused");
        if (e == VK_OK) {
            assert_int_equal(vk_auth_email(vk_str_z(kept), again), VK_OK);
            assert_string_equal(again, kept);
        }
    }
    char long_one[300];
    memset(long_one, 'a', sizeof long_one);
    long_one[1] = '@';
    for (size_t i = 10; i < sizeof long_one; i += 10)
        long_one[i] = '.';
    assert_int_equal(vk_auth_email((vk_str){long_one, 254}, kept), VK_OK);
    assert_int_equal(vk_auth_email((vk_str){long_one, 255}, kept), VK_E_INVALID);
    assert_true(vk_auth_email_is_test(VK_STR("jane+clerk_test@example.com")));
    assert_false(vk_auth_email_is_test(VK_STR("jane+clerk_test2@example.com")));
    assert_false(vk_auth_email_is_test(VK_STR("jane@x+clerk_test.com")));
    assert_false(vk_auth_email_is_test(VK_STR("jane+clerk_test")));
}

static void directives_as_the_sample(const char *name, const vk_auth_directives *d)
{
    json_t *sample = data(name);
    vk_buf out;
    vk_buf_init(&out, 16384);
    vk_jw w = vk_jw_on(&out);
    assert_int_equal(vk_auth_directives_write(&w, d), VK_OK);
    json_t *ours = json_loadb(out.p, out.n, 0, NULL);
    assert_int_equal(json_array_size(ours), VK_AUTH_DIRECTIVES);
    assert_true(json_equal(ours, json_object_get(sample, "directives")));
    json_decref(ours);
    json_decref(sample);
    vk_buf_free(&out);
}

static void directives(void **state)
{
    VK_UNUSED(state);
    int64_t now;
    vk_buf out;
    assert_int_equal(vk_clock_parse(VK_STR("2026-11-23T18:48:51.000Z"), &now), VK_OK);
    vk_auth_directives in = {.suffix = VK_STR("7rjNVfzk"),
                             .dev_browser = vk_secret_of(VK_STR("dvb_4qjsA8E03W0L0cv1rxpxKlQJop2")),
                             .session = vk_secret_of(VK_STR("<SESSION-JWT>")),
                             .client_uat_s = 1795459730,
                             .partitioned = true,
                             .now_ms = now};
    directives_as_the_sample("bapi-handshake_payload.json", &in);
    vk_auth_directives signed_out = {
        .suffix = VK_STR("1NdCf3AB"), .dev_browser = vk_secret_of(VK_STR("dvb_X")), .now_ms = now};
    directives_as_the_sample("bapi-handshake_payload-signed_out-lax.json", &signed_out);

    static const vk_str bad[] = {{"a;b", 3},   {"a b", 3}, {"a,b", 3},     {"a\"b", 3},
                                 {"a\r\n", 3}, {"a\\", 2}, {"\xc3\xa4", 2}};
    vk_buf_init(&out, 16384);
    vk_jw w = vk_jw_on(&out);
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        vk_auth_directives d = in;
        d.dev_browser = vk_secret_of(bad[i]);
        assert_int_equal(vk_auth_directives_write(&w, &d), VK_E_INVALID);
        d = in;
        d.session = vk_secret_of(bad[i]);
        assert_int_equal(vk_auth_directives_write(&w, &d), VK_E_INVALID);
        d = in;
        d.suffix = bad[i];
        assert_int_equal(vk_auth_directives_write(&w, &d), VK_E_INVALID);
    }
    vk_auth_directives d = in;
    d.client_uat_s = 0; /* a session that is signed out */
    assert_int_equal(vk_auth_directives_write(&w, &d), VK_E_INVALID);
    d = signed_out;
    d.client_uat_s = 5;
    assert_int_equal(vk_auth_directives_write(&w, &d), VK_E_INVALID);
    d = in;
    d.dev_browser = VK_SECRET_NONE;
    assert_int_equal(vk_auth_directives_write(&w, &d), VK_E_INVALID);
    assert_int_equal(out.n, 0);
    vk_buf_free(&out);
    vk_buf_init(&out, 300);
    w = vk_jw_on(&out);
    assert_int_equal(vk_auth_directives_write(&w, &in), VK_E_TOO_LARGE);
    assert_int_equal(out.n, 0);
    vk_buf_free(&out);
}

/* Beside clerk-js's own of the highest domain that a browser takes there must be no other __client_uat. */
static void directive_domains(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *host, *domains[VK_AUTH_DOMAINS_MAX + 1];
    } cases[] = {
        {"preview.vk.test", {"vk.test", "preview.vk.test"}},
        {"a-1.b.example.co.uk", {"co.uk", "example.co.uk", "b.example.co.uk", "a-1.b.example.co.uk"}},
        {"app.example", {"app.example"}},
        {"x.localhost", {"x.localhost"}},
        {"1.2.3.example", {"3.example", "2.3.example", "1.2.3.example"}},
        {"a.b.c.d.e.f.g.h", {"g.h", "f.g.h", "e.f.g.h", "d.e.f.g.h", "c.d.e.f.g.h", "b.c.d.e.f.g.h"}},
        {"localhost", {0}},
        {"127.0.0.1", {0}},
        {"10.0.0.5", {0}},
        {"[::1]", {0}},
        {"a..b", {0}},
        {".a.b", {0}},
        {"a.b.", {0}},
        {"", {0}},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        for (int in = 0; in < 2; in++) {
            vk_auth_directives d = {.suffix = VK_STR("s"),
                                    .host = vk_str_z(cases[i].host),
                                    .dev_browser = vk_secret_of(VK_STR("dvb_X")),
                                    .session = in ? vk_secret_of(VK_STR("j")) : VK_SECRET_NONE,
                                    .client_uat_s = in ? 7 : 0,
                                    .partitioned = true};
            vk_buf out;
            vk_buf_init(&out, 16384);
            vk_jw w = vk_jw_on(&out);
            assert_int_equal(vk_auth_directives_write(&w, &d), VK_OK);
            json_t *ours = json_loadb(out.p, out.n, 0, NULL);
            size_t n = 0;
            for (; cases[i].domains[n]; n++) {
                char want[256];
                snprintf(
                    want, sizeof want,
                    in ? "__client_uat=7; Path=/; Expires=Fri, 01 Jan 1971 00:00:00 GMT; Domain=%s; "
                         "SameSite=None; Secure; Partitioned"
                       : "__client_uat=; Path=/; Max-Age=0; Domain=%s; SameSite=None; Secure; Partitioned",
                    cases[i].domains[n]);
                assert_string_equal(json_string_value(json_array_get(ours, 1 + n)), want);
            }
            assert_int_equal(json_array_size(ours), 4 + 2 * (n ? n : 1));
            if (n == 0)
                assert_null(strstr(json_string_value(json_array_get(ours, 1)), "Domain"));
            json_decref(ours);
            vk_buf_free(&out);
        }
    vk_auth_directives bad = {
        .suffix = VK_STR("s"), .host = VK_STR("a;b.example"), .dev_browser = vk_secret_of(VK_STR("dvb_X"))};
    vk_buf out;
    vk_buf_init(&out, 16384);
    vk_jw w = vk_jw_on(&out);
    assert_int_equal(vk_auth_directives_write(&w, &bad), VK_E_INVALID);
    vk_buf_free(&out);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),        cmocka_unit_test(keys_as_the_sdk_has_them),
        cmocka_unit_test(hosts),      cmocka_unit_test(emails),
        cmocka_unit_test(directives), cmocka_unit_test(directive_domains),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
