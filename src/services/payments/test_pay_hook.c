/* Webhooks: signatures, what has changed, when it is tried again, whose turn it is. */
#include "services/payments/hook.h"

#include "services/payments/hooks_inside.h"
#include "services/payments/wake.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *a;

static int set_up(void **state)
{
    VK_UNUSED(state);
    static const uint8_t seed[16] = {1, 2, 3};
    vk_hash_seed(seed);
    a = vk_arena_new(8 << 20);
    return a && vk_digest_init() == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(a);
    return 0;
}

static vk_pv *tree(const char *json)
{
    vk_pv *v;
    assert_int_equal(vk_pv_parse(a, vk_str_z(json), &v), VK_OK);
    return v;
}

static void is(const vk_pv *v, const char *json)
{
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_pv_write(&b, v);
    vk_buf_ch(&b, '\0');
    assert_int_equal(b.err, VK_OK);
    assert_string_equal(b.p, json);
    vk_buf_free(&b);
}

/* The same as stripe.webhooks.generateTestHeaderString gives. */
static void signature(void **state)
{
    VK_UNUSED(state);
    char out[VK_PAY_SIGNATURE_MAX];
    vk_pay_hook_sign(vk_secret_of(VK_STR("whsec_test_secret")), 1492774577, VK_STR("{\"id\":\"evt_1\"}"),
                     out);
    assert_string_equal(out,
                        "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f");
    vk_pay_hook_sign(vk_secret_of(VK_STR("whsec_test_secret")), 1492774577, VK_STR("{\"id\":\"evt_2\"}"),
                     out);
    assert_null(strstr(out, "799c4ba7"));
}

static void secrets(void **state)
{
    VK_UNUSED(state);
    static const uint8_t key[VK_MASTER] = {7}, other[VK_MASTER] = {8};
    vk_master *m, *n;
    char one[VK_VALET_MAX], two[VK_VALET_MAX];
    assert_int_equal(vk_master_new(1, key, &m), VK_OK);
    assert_int_equal(vk_master_new(1, other, &n), VK_OK);
    vk_pay_endpoint_secret(m, "shop", VK_STR("we_1"), one);
    assert_int_equal(strlen(one), 70);
    assert_memory_equal(one, "whsec_", 6);
    vk_pay_endpoint_secret(m, "shop", VK_STR("we_1"), two);
    assert_string_equal(one, two);
    vk_pay_endpoint_secret(m, "shop", VK_STR("we_2"), two);
    assert_string_not_equal(one, two);
    vk_pay_endpoint_secret(m, "desk", VK_STR("we_1"), two);
    assert_string_not_equal(one, two);
    vk_pay_endpoint_secret(n, "shop", VK_STR("we_1"), two);
    assert_string_not_equal(one, two);
    vk_master_free(m);
    vk_master_free(n);
}

static void previous(void **state)
{
    VK_UNUSED(state);
    const vk_pv *was =
        tree("{\"a\":1,\"b\":{\"x\":1,\"y\":{\"z\":null}},\"c\":[1,2],\"d\":\"same\",\"m\":{\"k\":\"v\"},"
             "\"gone\":true}");
    const vk_pv *now = tree("{\"d\":\"same\",\"a\":2,\"b\":{\"x\":1,\"y\":{\"z\":3}},\"c\":[2,1],"
                            "\"m\":{\"k\":\"v\",\"n\":\"new\"},\"fresh\":4}");
    is(vk_pay_hook_previous(a, was, now),
       "{\"a\":1,\"b\":{\"y\":{\"z\":null}},\"c\":[1,2],\"m\":{\"n\":null},\"gone\":true,\"fresh\":null}");
    is(vk_pay_hook_previous(a, was, was), "{}");
    is(vk_pay_hook_previous(a, tree("{\"a\":{\"b\":1}}"), tree("{\"a\":null}")), "{\"a\":{\"b\":1}}");
    is(vk_pay_hook_previous(a, tree("{\"a\":null}"), tree("{\"a\":{\"b\":1}}")), "{\"a\":null}");
    /* What it was made of stays as it was. */
    assert_int_equal(vk_pv_number(was, "a", 0), 1);
    assert_int_equal(was->count, 6);
}

static void wants(void **state)
{
    VK_UNUSED(state);
    const vk_pv *all = tree("[\"*\"]"), *two = tree("[\"charge.succeeded\",\"price.created\"]"),
                *none = tree("[]");
    assert_true(vk_pay_hook_wants(NULL, VK_STR("price.created")));
    assert_true(vk_pay_hook_wants(all, VK_STR("price.created")));
    assert_true(vk_pay_hook_wants(two, VK_STR("price.created")));
    assert_false(vk_pay_hook_wants(two, VK_STR("price.updated")));
    assert_false(vk_pay_hook_wants(two, VK_STR("price")));
    assert_false(vk_pay_hook_wants(none, VK_STR("price.created")));
}

static void again(void **state)
{
    VK_UNUSED(state);
    static const int64_t waits[] = {1, 5, 30, 120, 600, 3600, 3600};
    const int64_t made = 1764384000000;
    int64_t now = made;
    for (int i = 0; i < (int)VK_COUNT(waits); i++) {
        int64_t next = vk_pay_hook_again(i + 1, made, now);
        assert_int_equal(next - now, waits[i] * 1000);
        now = next;
    }
    int tries = (int)VK_COUNT(waits) + 1;
    for (int64_t next; (next = vk_pay_hook_again(tries, made, now)) != 0; tries++)
        now = next;
    assert_int_equal(tries, 29);
    assert_true(now - made > 23 * 3600 * 1000 && now - made <= 24 * 3600 * 1000);
    assert_int_equal(vk_pay_hook_again(3, made, made + 25LL * 3600 * 1000), 0); /* sent again by hand */
}

static void paths(void **state)
{
    VK_UNUSED(state);
    assert_true(vk_pay_hook_path_ok(VK_STR("/api/webhooks/stripe")));
    assert_true(vk_pay_hook_path_ok(VK_STR("/hook?a=b")));
    static const char *const bad[] = {"",      "api",       "//evil.example/x",
                                      "/a b",  "/a#b",      "/a\\b",
                                      "/a\nb", "/\xc3\xa9", "/{id}",
                                      "/a|b",  "/a^b",      "/a`b",
                                      "/a\"b"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_pay_hook_path_ok(vk_str_z(bad[i])));
}

static void origins(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *url, *origin; /* NULL: none */
    } all[] = {
        {"http://localhost:3000/api/webhooks/stripe", "http://localhost:3000"},
        {"HTTPS://Shop.Example/x?y#z", "https://shop.example"},
        {"https://shop.example:443", "https://shop.example"},
        {"http://shop.example:80?x", "http://shop.example"},
        {"http://shop.example:443/", "http://shop.example:443"},
        {"http://[::1]:3000/", "http://[::1]:3000"},
        {"http://[::1]", "http://[::1]"},
        {"http://me@localhost:3000/", NULL},
        {"http://localhost:3000@evil.example/", NULL},
        {"http://localhost:3000\\@evil.example/", NULL},
        {"http://localhost:0/", NULL},
        {"http://localhost:70000/", NULL},
        {"http://localhost:/", NULL},
        {"http://", NULL},
        {"http:///x", NULL},
        {"ftp://localhost/", NULL},
        {"/api", NULL},
        {"http://local host/", NULL},
        {"http://localhost:3000/{id}", NULL},
        {"http://localhost:3000/a|b", NULL},
        {"http://localhost:3000/?a=^`", NULL},
        {"http://caf\xc3\xa9/", NULL},
    };
    char out[VK_PAY_ORIGIN_MAX + 1];
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_err e = vk_pay_origin_of(vk_str_z(all[i].url), out);
        if ((e == VK_OK) != (all[i].origin != NULL) || (e == VK_OK && strcmp(out, all[i].origin) != 0))
            fail_msg("%s: %s", all[i].url, e == VK_OK ? out : "none");
    }
    vk_build b = {.n_origins = 0};
    vk_pay_origins o = vk_pay_origins_of(&b);
    assert_true(vk_str_eqz(o.at[0], "http://localhost:3000"));
    assert_true(vk_pay_origin_allowed(&o, VK_STR("http://localhost:5173/hook")));
    assert_false(vk_pay_origin_allowed(&o, VK_STR("http://localhost:22/hook")));
    assert_false(vk_pay_origin_allowed(&o, VK_STR("https://evil.example/")));
    b.origins[b.n_origins++] = VK_STR("https://shop.example");
    o = vk_pay_origins_of(&b);
    assert_true(vk_pay_origin_allowed(&o, VK_STR("https://shop.example/hook")));
    assert_false(vk_pay_origin_allowed(&o, VK_STR("https://shop.example.evil/hook")));
    assert_false(vk_pay_origin_allowed(&o, VK_STR("http://shop.example/hook")));
    assert_false(vk_pay_origin_allowed(&o, VK_STR("http://localhost:3000/hook")));
}

static void attempts(void **state)
{
    VK_UNUSED(state);
    vk_pay_flight f = {.at_ms = 1000, .took_ms = 20, .status = 500, .answer = VK_STR("no \"good\"")};
    vk_str log = vk_pay_attempts_add(a, VK_STR_NONE, &f);
    is(tree(log.p), "[{\"at\":1000,\"ms\":20,\"status\":500,\"answer\":\"no \\\"good\\\"\"}]");
    char longest[1000];
    memset(longest, 'x', sizeof longest);
    f = (vk_pay_flight){.at_ms = 2000, .status = 200, .answer = {longest, sizeof longest}};
    log = vk_pay_attempts_add(a, log, &f);
    assert_int_equal(vk_pv_text(tree(log.p), "1.answer").n, sizeof longest);
    f = (vk_pay_flight){.at_ms = 3000, .answer = VK_STR("not reached")};
    log = vk_pay_attempts_add(a, log, &f);
    assert_int_equal(vk_pv_text(tree(log.p), "1.answer").n, 200); /* an older one's */
    assert_true(vk_str_eqz(vk_pv_text(tree(log.p), "2.error"), "not reached"));
    for (int i = 0; i < 3 * VK_PAY_ATTEMPTS_KEPT; i++) {
        f.at_ms = 4000 + i;
        log = vk_pay_attempts_add(a, log, &f);
    }
    const vk_pv *all = tree(log.p);
    assert_int_equal(all->count, VK_PAY_ATTEMPTS_KEPT);
    assert_int_equal(vk_pv_number(all, "0.at", 0), 4000 + 2 * VK_PAY_ATTEMPTS_KEPT);
    log = vk_pay_attempts_add(a, VK_STR("junk"), &f);
    assert_int_equal(tree(log.p)->count, 1);
}

static void slow_ones(void **state)
{
    VK_UNUSED(state);
    assert_false(vk_pay_slow("shop", VK_STR("default")));
    vk_pay_slow_set("shop", VK_STR("default"), true);
    assert_true(vk_pay_slow("shop", VK_STR("default")));
    assert_false(vk_pay_slow("shop", VK_STR("we_1")));
    assert_false(vk_pay_slow("desk", VK_STR("default")));
    vk_pay_slow_set("shop", VK_STR("default"), false);
    assert_false(vk_pay_slow("shop", VK_STR("default")));
}

/* Against a plain list. */
static void wakes(void **state)
{
    VK_UNUSED(state);
    enum { BUILDS = 200, STEPS = 20000 };
    int64_t want[BUILDS];
    vk_pay_wakes w;
    uint64_t random = 12345;
    vk_pay_wakes_init(&w);
    assert_int_equal(vk_pay_wakes_first(&w), INT64_MAX);
    for (int i = 0; i < BUILDS; i++)
        want[i] = INT64_MAX;
    int64_t now = 0;
    for (int step = 0; step < STEPS; step++) {
        char name[VK_BUILD_ID_MAX + 1];
        random = random * 6364136223846793005u + 1442695040888963407u;
        int i = (int)((random >> 33) % BUILDS);
        int64_t at = now + (int64_t)((random >> 20) % 1000);
        snprintf(name, sizeof name, "b%d", i);
        assert_int_equal(vk_pay_wakes_set(&w, name, at), VK_OK);
        want[i] = at < want[i] ? at : want[i];
        now += (int64_t)((random >> 50) % 5);
        int64_t before = INT64_MIN;
        while (vk_pay_wakes_take(&w, now, name)) {
            int64_t k;
            assert_int_equal(vk_str_to_i64(vk_str_z(name + 1), &k), VK_OK);
            assert_true(want[k] <= now && want[k] >= before);
            before = want[k];
            want[k] = INT64_MAX;
        }
        int64_t first = INT64_MAX;
        for (int k = 0; k < BUILDS; k++)
            first = want[k] < first ? want[k] : first;
        assert_true(first > now);
        assert_int_equal(vk_pay_wakes_first(&w), first);
    }
    vk_pay_wakes_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signature), cmocka_unit_test(secrets),  cmocka_unit_test(previous),
        cmocka_unit_test(wants),     cmocka_unit_test(again),    cmocka_unit_test(paths),
        cmocka_unit_test(origins),   cmocka_unit_test(attempts), cmocka_unit_test(slow_ones),
        cmocka_unit_test(wakes),
    };
    return cmocka_run_group_tests_name("pay_hook", tests, set_up, tear_down);
}
