#include "keeper/r2_mint.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "crypto/digest.h"

static json_t *all;
static char parent_secret[65];

static int begin(void **state)
{
    char path[PATH_MAX];
    json_error_t why;
    const char *root = getenv("VK_SOURCE_ROOT");
    VK_UNUSED(state);
    snprintf(path, sizeof path, "%s/tests/data/storage/r2-temp-credentials.json", root ? root : ".");
    all = json_load_file(path, 0, &why);
    if (!all || vk_digest_init() != VK_OK)
        return -1;
    const char *eighth = json_string_value(json_object_get(json_object_get(all, "parent"), "secret_eighth"));
    for (int i = 0; i < 8; i++)
        memcpy(parent_secret + 8 * i, eighth, 8);
    return 0;
}

static int end(void **state)
{
    VK_UNUSED(state);
    json_decref(all);
    vk_r2_forget();
    return 0;
}

static vk_str text(json_t *of, const char *name)
{
    return vk_str_z(json_string_value(json_object_get(of, name)));
}

static vk_r2_ask ask_of(json_t *vector)
{
    json_t *parent = json_object_get(all, "parent");
    return (vk_r2_ask){.account = text(parent, "account_id"),
                       .id = text(parent, "id"),
                       .bucket = VK_STR("org-bucket"),
                       .host = text(vector, "aud"),
                       .secret = vk_secret_of(vk_str_z(parent_secret)),
                       .prefix = VK_STR("builds/b_01ABC/"),
                       .scope = json_string_value(json_object_get(vector, "scope")),
                       .object = text(vector, "object"),
                       .now_s = json_integer_value(json_object_get(vector, "iat")),
                       .ttl_s = json_integer_value(json_object_get(vector, "ttl"))};
}

static void vectors_hold(void **state)
{
    size_t i;
    json_t *v;
    VK_UNUSED(state);
    assert_int_equal(json_array_size(json_object_get(all, "vectors")), 2);
    json_array_foreach(json_object_get(all, "vectors"), i, v)
    {
        vk_r2_temporary t;
        const char *actions[8] = {NULL};
        char token[VK_R2_TOKEN_MAX] = "";
        size_t k;
        json_t *x;
        vk_r2_ask a = ask_of(v);
        json_array_foreach(json_object_get(v, "actions"), k, x) actions[k] = json_string_value(x);
        json_array_foreach(json_object_get(v, "token"), k, x)
            snprintf(token + strlen(token), sizeof token - strlen(token), "%s", json_string_value(x));
        a.actions = actions[0] ? actions : NULL;
        assert_int_equal(vk_r2_mint(&a, &t), VK_OK);
        assert_string_equal(t.secret, json_string_value(json_object_get(v, "secret")));
        assert_int_equal(t.token_n, strlen(token));
        assert_memory_equal(t.token, token, t.token_n);
    }
}

static void too_much(void **state)
{
    char name[VK_R2_TOKEN_MAX];
    vk_r2_temporary t;
    vk_r2_ask a = ask_of(json_array_get(json_object_get(all, "vectors"), 0));
    VK_UNUSED(state);
    memset(name, 'x', sizeof name);
    a.bucket = (vk_str){name, sizeof name};
    assert_int_equal(vk_r2_mint(&a, &t), VK_E_TOO_LARGE);
    a.bucket.n = 900; /* the payload fits, the token does not */
    assert_int_equal(vk_r2_mint(&a, &t), VK_E_TOO_LARGE);
    assert_null(vk_r2_credential(&a, "big", 1));
}

/* One a build, until 80 % of its time is over or the parent is another. */
static void kept_while_fresh(void **state)
{
    vk_r2_ask a = ask_of(json_array_get(json_object_get(all, "vectors"), 0));
    char first[VK_R2_SECRET + 1];
    VK_UNUSED(state);
    a.ttl_s = VK_R2_TTL_S;
    const vk_r2_temporary *t = vk_r2_credential(&a, "shop", 1);
    assert_non_null(t);
    memcpy(first, t->secret, sizeof first);
    int64_t born = a.now_s;
    for (int64_t later = 0; later < VK_R2_TTL_S * VK_R2_FRESH / 100; later += 7) {
        a.now_s = born + later;
        assert_string_equal(vk_r2_credential(&a, "shop", 1)->secret, first);
    }
    a.now_s = born + VK_R2_TTL_S * VK_R2_FRESH / 100;
    assert_string_not_equal(vk_r2_credential(&a, "shop", 1)->secret, first);
    memcpy(first, vk_r2_credential(&a, "shop", 1)->secret, sizeof first);
    assert_string_equal(vk_r2_credential(&a, "shop", 1)->secret, first);
    a.prefix = VK_STR("builds/desk/");
    assert_string_not_equal(vk_r2_credential(&a, "desk", 1)->secret, first);
    a.prefix = VK_STR("builds/b_01ABC/");
    assert_string_equal(vk_r2_credential(&a, "shop", 1)->secret, first);
    a.now_s++; /* or it would be the same arithmetic */
    assert_string_not_equal(vk_r2_credential(&a, "shop", 2)->secret, first);
    memcpy(first, vk_r2_credential(&a, "shop", 2)->secret, sizeof first);
    a.now_s -= 100; /* the clock went back: what was made later is not trusted to end in time */
    assert_string_not_equal(vk_r2_credential(&a, "shop", 2)->secret, first);
}

static void the_oldest_goes(void **state)
{
    vk_r2_ask a = ask_of(json_array_get(json_object_get(all, "vectors"), 0));
    char name[16], kept[VK_R2_SECRET + 1];
    VK_UNUSED(state);
    vk_r2_forget();
    a.ttl_s = VK_R2_TTL_S;
    memcpy(kept, vk_r2_credential(&a, "kept", 1)->secret, sizeof kept);
    a.now_s++; /* another arithmetic from here on */
    for (int i = 0; i < 3 * VK_R2_CACHED; i++) {
        snprintf(name, sizeof name, "b%d", i);
        assert_non_null(vk_r2_credential(&a, name, 1));
        if (i < 2 * VK_R2_CACHED)
            assert_string_equal(vk_r2_credential(&a, "kept", 1)->secret, kept);
    }
    assert_string_not_equal(vk_r2_credential(&a, "kept", 1)->secret, kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold),
        cmocka_unit_test(too_much),
        cmocka_unit_test(kept_while_fresh),
        cmocka_unit_test(the_oldest_goes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
