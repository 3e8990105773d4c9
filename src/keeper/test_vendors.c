/* The vendors' tables, and what their fields take and refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/encode.h"
#include "keeper/shape.h"
#include "keeper/vendors.h"

static void tables_hold_together(void **state)
{
    const vk_vendor *all[VK_VENDORS_MAX];
    static const char *const order[] = {"clerk", "turso", "neon", "postgres", "r2", "s3", "stripe"};
    size_t n = vk_vendors(all);
    VK_UNUSED(state);
    assert_int_equal(n, VK_COUNT(order));
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(all[i]->name, order[i]);
        assert_ptr_equal(vk_vendor_of(vk_str_z(order[i])), all[i]);
        assert_true(strlen(all[i]->name) <= VK_VENDOR_NAME_MAX && all[i]->title && all[i]->service);
        bool secret = false;
        for (int own = 0; own < 2; own++) {
            const vk_vendor_field *fields = own ? all[i]->own : all[i]->fields;
            size_t count = 0;
            for (const vk_vendor_field *f = fields; f && f->name; f++, count++) {
                const char *why = NULL;
                assert_true(strlen(f->name) <= VK_VENDOR_FIELD_MAX && f->what && f->ok);
                assert_int_equal(strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(f->name));
                assert_true(f->name[0] >= 'a' && f->name[0] <= 'z');
                if (f->usual)
                    assert_true(f->optional && f->ok(vk_str_z(f->usual), &why));
                secret = secret || f->secret;
                assert_ptr_equal(vk_vendor_field_of(fields, vk_str_z(f->name)), f);
            }
            assert_true(count <= VK_VENDOR_FIELDS_MAX);
        }
        assert_true(secret);
    }
    assert_null(vk_vendor_of(VK_STR("stripes")));
    assert_null(vk_vendor_of(VK_STR("")));
    assert_null(vk_vendor_of(VK_STR("embedded")));
    assert_null(vk_vendor_field_of(NULL, VK_STR("a")));
}

/* A value is `head`, then `n` times `fill`, then `tail`; nothing here looks like a key that works. */
typedef struct row {
    const char *vendor, *field, *head;
    char fill;
    size_t n;
    const char *tail;
    const char *why; /* NULL: taken */
} row;

static const row rows[] = {
    {"stripe", "secret_key", "sk_test_51", 'x', 97, "", NULL},
    {"stripe", "secret_key", "sk_test_", 'x', 24, "", NULL},
    {"stripe", "secret_key", "rk_test_51", 'x', 97, "", NULL},
    {"stripe", "secret_key", "sk_test_5", 'x', 41, "", NULL}, /* as long as Clerk's */
    {"stripe", "secret_key", "sk_test_", 'x', 42, "", "keys set clerk"},
    {"stripe", "secret_key", "sk_live_51", 'x', 97, "", "live mode"},
    {"stripe", "secret_key", "rk_live_51", 'x', 97, "", "live mode"},
    {"stripe", "secret_key", "sk_live_", 'x', 3, "", "live mode"},
    {"stripe", "secret_key", "pk_live_51", 'x', 97, "", "live mode"},
    {"stripe", "secret_key", "sk_org_", 'x', 40, "", "whole organization"},
    {"stripe", "secret_key", "rk_org_", 'x', 40, "", "whole organization"},
    {"stripe", "secret_key", "pk_test_51", 'x', 97, "", "belongs into publishable_key"},
    {"stripe", "secret_key", "whsec_", 'x', 32, "", "belongs into webhook_secret"},
    {"stripe", "secret_key", "mk_", 'x', 32, "", "internal key"},
    {"stripe", "secret_key", "acct_", 'x', 16, "", "id of an account"},
    {"stripe", "secret_key", "sk_test_51", 'x', 20, "-", "letters, digits and _"},
    {"stripe", "secret_key", "sk_test_", 'x', 2, "", "begins with sk_test_ or rk_test_"},
    {"stripe", "secret_key", "sk_test_", 'x', 250, "", "begins with sk_test_ or rk_test_"},
    {"stripe", "secret_key", "", 'x', 20, "", "begins with sk_test_ or rk_test_"},
    {"stripe", "secret_key", " sk_test_", 'x', 24, "", "blank"},
    {"stripe", "secret_key", "sk_test_", 'x', 24, "\n", "blank"},
    {"stripe", "secret_key", "sk_test_", 'x', 24, "\r", "blank"},
    {"stripe", "secret_key", "sk_test_x", '\t', 1, "x", "blank"},
    {"stripe", "secret_key", "sk_test_\xe2\x80\xa6", 'x', 24, "", "printable"},
    {"stripe", "secret_key", "\"sk_test_", 'x', 24, "\"", "quotes"},
    {"stripe", "secret_key", "'sk_test_", 'x', 24, "'", "quotes"},
    {"stripe", "secret_key", "STRIPE_SECRET_KEY=sk_test_", 'x', 24, "", "environment file"},
    {"stripe", "secret_key", "sealed:", 'x', 90, "", "sealed already"},
    {"stripe", "secret_key", "", 'x', 0, "", "Nothing"},
    {"stripe", "secret_key", "sk_test_", 'x', 2041, "", "longer"},
    {"stripe", "publishable_key", "pk_test_51", 'x', 97, "", NULL},
    {"stripe", "publishable_key", "sk_test_51", 'x', 97, "", "belongs into secret_key"},
    {"stripe", "publishable_key", "sk_live_51", 'x', 97, "", "live mode"},
    {"stripe", "publishable_key", "pk_live_51", 'x', 97, "", "live mode"},
    {"stripe", "webhook_secret", "whsec_", 'x', 32, "", NULL},
    {"stripe", "webhook_secret", "we_", 'x', 24, "", "id of a webhook"},
    {"stripe", "webhook_secret", "sk_test_51", 'x', 97, "", "key of the API"},
    {"stripe", "account", "acct_", 'x', 16, "", NULL},
    {"stripe", "account", "sk_test_51", 'x', 97, "", "secret key of Stripe"},
    {"stripe", "soft", "yes", 'x', 0, "", NULL},
    {"stripe", "soft", "no", 'x', 0, "", "left out"},
    {"clerk", "secret_key", "sk_test_", 'x', 42, "", NULL},
    {"clerk", "secret_key", "sk_live_", 'x', 42, "", NULL},
    {"clerk", "secret_key", "sk_test_51", 'x', 97, "", "keys set stripe"},
    {"clerk", "secret_key", "rk_test_51", 'x', 97, "", "keys set stripe"},
    {"clerk", "secret_key", "pk_test_", 'x', 42, "", "belongs into publishable_key"},
    {"clerk", "publishable_key", "pk_test_ZnVubnktY2F0LTcuY2xlcmsuYWNjb3VudHMuZGV2JA", 'x', 0, "", NULL},
    {"clerk", "publishable_key", "pk_test_ZnVubnktY2F0LTcuY2xlcmsuYWNjb3VudHMuZGV2JA==", 'x', 0, "", NULL},
    {"clerk", "publishable_key", "pk_test_ZnVubnktY2F0LTcuY2xlcmsuYWNjb3VudHMu", 'x', 0, "", "is missing"},
    {"clerk", "publishable_key", "pk_test_JA", 'x', 0, "", "begins with pk_test_"},
    {"clerk", "publishable_key", "sk_test_", 'x', 42, "", "belongs into secret_key"},
    {"clerk", "publishable_key", "pk_test_51", 'x', 97, "", "of Stripe"},
    {"clerk", "publishable_key", "pk_test_c2hvcC52a19hY2NvdW50cy5kZXYk", 'x', 0, "", "made by valetkey"},
    {"clerk", "platform_token", "plat_", 'x', 40, "", NULL},
    {"clerk", "platform_token", "sk_test_", 'x', 42, "", "belongs into secret_key"},
    {"clerk", "platform_token", "pk_test_", 'x', 42, "", "belongs into publishable_key"},
    {"turso", "token", "eyJ", 'x', 40, ".eyJh.xx", NULL},
    {"turso", "token", "eyJ", 'x', 40, ".eyJh", "three parts"},
    {"turso", "token", "libsql://", 'x', 40, "", "address of a database"},
    {"turso", "token", "sk_test_51", 'x', 97, "", "Stripe"},
    {"turso", "org", "acme-1", 'x', 0, "", NULL},
    {"turso", "org", "ac me", 'x', 0, "", "blank"},
    {"turso", "org", "eyJ", 'x', 40, "", "token"},
    {"turso", "group", "default", 'x', 0, "", NULL},
    {"turso", "api_base", "http://127.0.0.1:4600", 'x', 0, "", NULL},
    {"turso", "hostname", "build-shop-acme.turso.io", 'x', 0, "", NULL},
    {"turso", "hostname", "http://127.0.0.1:4502", 'x', 0, "", NULL},
    {"turso", "hostname", "http://build-shop-acme.turso.io", 'x', 0, "", "in clear"},
    {"turso", "hostname", "libsql://build-shop-acme.turso.io", 'x', 0, "", "host only"},
    {"turso", "hostname", "build-shop-acme.turso.io/x", 'x', 0, "", "no host"},
    {"turso", "hostname", "https://127.0.0.1:4502", 'x', 0, "", NULL},
    {"turso", "hostname", "https://build-shop-acme.turso.io", 'x', 0, "", "host only"},
    {"turso", "hostname", "build-shop-acme.turso.io:443", 'x', 0, "", "443"},
    {"turso", "hostname", "build-shop-acme.turso.io.", 'x', 0, "", "no host"},
    {"turso", "hostname", "Build-shop-acme.turso.io", 'x', 0, "", "small"},
    {"turso", "shared", "yes", 'x', 0, "", NULL},
    {"turso", "shared", "no", 'x', 0, "", "left out"},
    {"turso", "size_limit", "512mb", 'x', 0, "", NULL},
    {"turso", "size_limit", "", '9', 3, "", NULL},
    {"turso", "size_limit", "0mb", 'x', 0, "", "such as 512mb"},
    {"turso", "size_limit", "half a gb", 'x', 0, "", "blank"},
    {"neon", "api_key", "napi_", 'x', 64, "", NULL},
    {"neon", "region", "aws-us-east-1", 'x', 0, "", NULL},
    {"neon", "region", "aws", 'x', 0, "/", "region of Neon"},
    {"neon", "size_limit", "2gb", 'x', 0, "", NULL},
    {"neon", "project_id", "quiet-mud-12345678", 'x', 0, "", NULL},
    {"neon", "project_id", "quiet/mud", 'x', 0, "", "id of a project"},
    {"neon", "connection_uri", "postgresql://app:", 'x', 16,
     "@ep-a-1.us-east-1.aws.neon.tech/app?sslmode=require", NULL},
    {"neon", "connection_uri", "postgres://app:", 'x', 16, "@127.0.0.1:5432/app", NULL},
    {"neon", "connection_uri", "postgresql://app:", 'x', 16, "@ep-a-1.us-east-1.aws.neon.tech/",
     "postgresql://"},
    {"neon", "connection_uri", "postgresql://app@", 'x', 16, "/app", "postgresql://"},
    {"neon", "connection_uri", "postgresql://app:p@a b/", 'x', 1, "", "blank"},
    {"neon", "connection_uri", "libsql://", 'x', 16, "", "postgresql://"},
    {"neon", "api_key", "postgres://u:p@h/", 'x', 10, "", "address of a database"},
    {"neon", "api_key", "eyJ", 'x', 60, "", "token"},
    {"neon", "org_id", "org-cool-sun-12345678", 'x', 0, "", NULL},
    {"neon", "org_id", "napi_", 'x', 40, "", "API key of Neon"},
    {"postgres", "admin_url", "postgresql://admin:pass%40word@db.example.com:5432/postgres", 'x', 0, "",
     NULL},
    {"postgres", "admin_url", "postgres://admin@127.0.0.1/postgres?sslmode=require", 'x', 0, "", NULL},
    {"postgres", "admin_url", "postgres://admin:pw@[::1]:5433/postgres", 'x', 0, "", NULL},
    {"postgres", "admin_url", "postgres://admin:p@w@db.example.com/postgres", 'x', 0, "", "%40"},
    {"postgres", "admin_url", "postgres://db.example.com:5432/postgres", 'x', 0, "", "no user"},
    {"postgres", "admin_url", "postgres://:pw@db.example.com:5432/postgres", 'x', 0, "", "no user"},
    {"postgres", "admin_url", "postgres://admin:pw@a,b/postgres", 'x', 0, "", "looks like"},
    {"postgres", "admin_url", "mysql://admin:pw@db.example.com/x", 'x', 0, "", "MySQL"},
    {"postgres", "admin_url", "libsql://db.turso.io", 'x', 0, "", "turso"},
    {"postgres", "sslmode", "verify-full", 'x', 0, "", NULL},
    {"postgres", "sslmode", "disable", 'x', 0, "", NULL},
    {"postgres", "sslmode", "prefer", 'x', 0, "", "one of"},
    {"postgres", "sslmode", "Require", 'x', 0, "", "one of"},
    {"r2", "account_id", "", 'a', 32, "", NULL},
    {"r2", "account_id", "", 'A', 32, "", "32 hex"},
    {"r2", "account_id", "", 'a', 31, "", "32 hex"},
    {"r2", "access_key_id", "", 'a', 32, "", NULL},
    {"r2", "access_key_id", "", 'a', 64, "", "belongs into secret_access_key"},
    {"r2", "access_key_id", "AKIA", 'X', 16, "", "keys set s3"},
    {"r2", "secret_access_key", "", 'a', 64, "", NULL},
    {"r2", "secret_access_key", "", 'a', 32, "", "belongs into access_key_id"},
    {"r2", "secret_access_key", "", 'z', 40, "", "belongs into api_token"},
    {"r2", "api_token", "", 'z', 40, "", NULL},
    {"r2", "api_token", "", 'a', 64, "", "belongs into secret_access_key"},
    {"r2", "bucket", "builds", 'x', 0, "", NULL},
    {"r2", "bucket", "Builds", 'x', 0, "", "small letters"},
    {"r2", "bucket", "a..b", 'x', 0, "", "small letters"},
    {"r2", "bucket", "ab", 'x', 0, "", "small letters"},
    {"r2", "endpoint", "https://0123.r2.cloudflarestorage.com", 'x', 0, "", NULL},
    {"r2", "endpoint", "https://0123.r2.cloudflarestorage.com/builds", 'x', 0, "", "host and a port only"},
    {"s3", "access_key_id", "AKIA", 'X', 16, "", NULL},
    {"s3", "access_key_id", "S3RVER", 'X', 0, "", NULL},
    {"s3", "access_key_id", "ASIA", 'X', 16, "", "temporary"},
    {"s3", "access_key_id", "", 'x', 40, "", "belongs into secret_access_key"},
    {"s3", "secret_access_key", "", 'x', 40, "", NULL},
    {"s3", "secret_access_key", "S3RVER", 'x', 0, "", NULL},
    {"s3", "secret_access_key", "AKIA", 'X', 16, "", "belongs into access_key_id"},
    {"s3", "region", "eu-central-1", 'x', 0, "", NULL},
    {"s3", "endpoint", "https://s3.eu-central-1.amazonaws.com", 'x', 0, "", NULL},
};

static void fields_take_and_refuse(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const row *r = &rows[i];
        char value[4096];
        const char *why = NULL;
        size_t n = strlen(r->head);
        memcpy(value, r->head, n);
        memset(value + n, r->fill, r->n);
        n += r->n;
        memcpy(value + n, r->tail, strlen(r->tail));
        n += strlen(r->tail);
        const vk_vendor *v = vk_vendor_of(vk_str_z(r->vendor));
        const vk_vendor_field *f = vk_vendor_field_of(v->fields, vk_str_z(r->field));
        if (!f)
            f = vk_vendor_field_of(v->own, vk_str_z(r->field));
        assert_non_null(f);
        bool ok = f->ok((vk_str){value, n}, &why);
        if (ok != !r->why || (why && r->why && !strstr(why, r->why)))
            fail_msg("%s %s %s…: %s", r->vendor, r->field, r->head, why ? why : "taken");
        assert_int_equal(ok, why == NULL);
    }
}

/* Of every service that has tokens, in every field that takes a key. */
static void valet_keys(void **state)
{
    static const char *const prefixes[] = {"sk_test_", "sk_test_51", "pk_test_51", "whsec_", "vk_b_", "st_"};
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all);
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(prefixes); i++) {
        char key[64];
        size_t at =
            (size_t)snprintf(key, sizeof key, "%s%.30s", prefixes[i], "0123456789abcdefghijABCDEFGHIJ");
        vk_base62_crc(key + at, vk_crc32(key, at));
        vk_str value = {key, at + 6};
        assert_true(vk_shape_is_valet(value));
        for (size_t v = 0; v < n; v++)
            for (const vk_vendor_field *f = all[v]->fields; f->name; f++) {
                const char *why = NULL;
                assert_false(f->ok(value, &why));
                assert_non_null(strstr(why, "valet key"));
            }
        key[at - 1] ^= 1; /* no longer one */
        assert_false(vk_shape_is_valet(value));
    }
    assert_false(vk_shape_is_valet(VK_STR("")));
    assert_false(vk_shape_is_valet(VK_STR("0123456789abcdefghijABCDEFGHIJ012345")));
}

static void bases(void **state)
{
    static const struct {
        const char *url, *why;
    } cases[] = {
        {"https://api.stripe.com", NULL},
        {"https://api.stripe.com:8443", NULL},
        {"https://192.0.2.7", NULL},
        {"https://[2001:db8::1]:444", NULL},
        {"http://127.0.0.1:4504", NULL},
        {"http://127.9.9.9", NULL},
        {"http://localhost:3000", NULL},
        {"http://LocalHost", NULL},
        {"http://[::1]:80", NULL},
        {"http://api.stripe.com", "in clear"},
        {"http://192.0.2.7", "in clear"},
        {"http://[2001:db8::1]", "in clear"},
        {"http://[::ffff:127.0.0.1]", "in clear"},
        {"http://localhost.example.com", "in clear"},
        {"http://127.0.0.1.example.com", "in clear"},
        {"http://0.0.0.0", "in clear"},
        {"https://", "no address"},
        {"api.stripe.com", "begins with https"},
        {"HTTPS://api.stripe.com", "begins with https"},
        {"ftp://api.stripe.com", "begins with https"},
        {"https://api.stripe.com/", "slash at the end"},
        {"https://api.stripe.com/v1", "host and a port only"},
        {"https://api.stripe.com/v1/", "host and a port only"},
        {"https://api.stripe.com?x", "host and a port only"},
        {"https://api.stripe.com#x", "host and a port only"},
        {"https://user@api.stripe.com", "user or a password"},
        {"http://127.0.0.1:80@example.com", "user or a password"},
        {"https://api.stripe.com:", "no address"},
        {"https://api.stripe.com:0", "no address"},
        {"https://api.stripe.com:65536", "no address"},
        {"https://api.stripe.com:+80", "no address"},
        {"https://api.stripe.com:80:80", "no address"},
        {"https://a..b", "no address"},
        {"https://.a", "no address"},
        {"https://a.", "no address"},
        {"https://-a", "no address"},
        {"https://a-.b", "no address"},
        {"https://a_b", "no address"},
        {"https://a\\b", "no address"},
        {"http://2130706433", "no address"},
        {"http://127.1", "no address"},
        {"http://0x7f000001", "no address"},
        {"http://0177.0.0.1", "no address"},
        {"http://127.0.0.1 ", "blank"},
        {"https://[::1", "no address"},
        {"https://[::1]x", "no address"},
        {"https://[fe80::1%25eth0]", "no address"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const char *why = NULL;
        bool ok = vk_vendor_base_ok(vk_str_z(cases[i].url), &why);
        if (ok != !cases[i].why || (why && cases[i].why && !strstr(why, cases[i].why)))
            fail_msg("%s: %s", cases[i].url, why ? why : "taken");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_hold_together),
        cmocka_unit_test(fields_take_and_refuse),
        cmocka_unit_test(valet_keys),
        cmocka_unit_test(bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
