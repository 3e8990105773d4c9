#include "services/auth/params.h"

#include "core/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static vk_arena *a;

static vk_auth_params form(vk_str body)
{
    vk_auth_params p;
    assert_int_equal(vk_auth_params_form(a, body, &p), VK_OK);
    return p;
}

static vk_auth_params json(vk_str body)
{
    vk_auth_params p;
    assert_int_equal(vk_auth_params_json(a, body, &p), VK_OK);
    return p;
}

static vk_err refused(vk_err (*read)(vk_arena *a, vk_str body, vk_auth_params *out_r), vk_str body)
{
    vk_auth_params p;
    return read(a, body, &p);
}

static void texts(void **state)
{
    VK_UNUSED(state);
    vk_auth_params two[] = {
        form(VK_STR(
            "email_address=jane%2Bx%40example.com&first_name=J+D&last_name=&password=a%26b&twice=1&twice=1")),
        json(VK_STR("{\"email_address\":\"jane+x@example.com\",\"first_name\":\"J "
                    "D\",\"last_name\":null,\"password\":"
                    "\"a&b\"}")),
    };
    for (size_t i = 0; i < 2; i++) {
        vk_str s;
        vk_secret secret;
        assert_int_equal(vk_auth_param_text(&two[i], VK_STR("email_address"), 100, &s), VK_OK);
        assert_true(vk_str_eqz(s, "jane+x@example.com"));
        assert_int_equal(vk_auth_param_text(&two[i], VK_STR("email_address"), 18, &s), VK_OK);
        assert_int_equal(vk_auth_param_text(&two[i], VK_STR("email_address"), 17, &s), VK_E_TOO_LARGE);
        assert_int_equal(vk_auth_param_text(&two[i], VK_STR("first_name"), 100, &s), VK_OK);
        assert_true(vk_str_eqz(s, "J D"));
        assert_int_equal(vk_auth_param_text(&two[i], VK_STR("last_name"), 100, &s), VK_E_NOT_FOUND);
        assert_true(vk_auth_param_there(&two[i], VK_STR("last_name")));
        assert_true(vk_auth_param_is_null(&two[i], VK_STR("last_name")));
        assert_false(vk_auth_param_is_null(&two[i], VK_STR("first_name")));
        assert_int_equal(vk_auth_param_text(&two[i], VK_STR("username"), 100, &s), VK_E_NOT_FOUND);
        assert_false(vk_auth_param_there(&two[i], VK_STR("username")));
        assert_false(vk_auth_param_is_null(&two[i], VK_STR("username")));
        assert_int_equal(vk_auth_param_secret(&two[i], VK_STR("password"), 100, &secret), VK_OK);
        assert_true(vk_secret_eq(secret, vk_secret_of(VK_STR("a&b"))));
    }
    vk_str s;
    assert_int_equal(vk_auth_param_text(&two[0], VK_STR("twice"), 100, &s), VK_E_INVALID);
    assert_true(vk_auth_param_there(&two[0], VK_STR("twice")));
    vk_auth_params p = json(VK_STR("{\"a\":1,\"b\":\"x\\u0000y\",\"c\":[\"x\"]}"));
    assert_int_equal(vk_auth_param_text(&p, VK_STR("a"), 100, &s), VK_E_INVALID);
    assert_int_equal(vk_auth_param_text(&p, VK_STR("b"), 100, &s), VK_E_INVALID);
    assert_int_equal(vk_auth_param_text(&p, VK_STR("c"), 100, &s), VK_E_INVALID);
}

static void bodies(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(json(VK_STR("")).n, 0); /* the SDK sends no body with the type of JSON */
    assert_int_equal(json(VK_STR("  ")).n, 0);
    assert_int_equal(json(VK_STR("{}")).n, 0);
    assert_int_equal(form(VK_STR("")).n, 0);
    assert_int_equal(refused(vk_auth_params_json, VK_STR("[]")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_json, VK_STR("{")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_json, VK_STR("{\"a\":1,\"a\":2}")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_json, VK_STR("{\"a\":1,\"\\u0061\":2}")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_form, VK_STR("a=%zz")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_form, VK_STR("a=%00")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_form, VK_STR("a=%ff")), VK_E_INVALID);
    assert_int_equal(refused(vk_auth_params_form, VK_STR("%c3=a")), VK_E_INVALID);
    vk_buf many;
    vk_buf_init(&many, 10000);
    for (int i = 0; i < VK_AUTH_PARAMS_MAX; i++)
        vk_buf_printf(&many, "&a%d", i);
    assert_int_equal(form(vk_buf_view(&many)).n, VK_AUTH_PARAMS_MAX);
    vk_buf_lit(&many, "&b");
    assert_int_equal(refused(vk_auth_params_form, vk_buf_view(&many)), VK_E_TOO_LARGE);
    vk_buf_clear(&many);
    for (int i = 0; i <= VK_AUTH_PARAMS_MAX; i++)
        vk_buf_printf(&many, "%c\"a%d\":1", i ? ',' : '{', i);
    vk_buf_ch(&many, '}');
    assert_int_equal(refused(vk_auth_params_json, vk_buf_view(&many)), VK_E_TOO_LARGE);
    vk_buf_free(&many);
}

static void numbers_and_bools(void **state)
{
    VK_UNUSED(state);
    vk_auth_params two[] = {form(VK_STR("t=true&f=0&n=12&bad=yes&neg=-3")),
                            json(VK_STR("{\"t\":true,\"f\":false,\"n\":12,\"bad\":\"true\",\"neg\":-3}"))};
    for (size_t i = 0; i < 2; i++) {
        bool b = false;
        int64_t n = 0;
        assert_int_equal(vk_auth_param_bool(&two[i], VK_STR("t"), &b), VK_OK);
        assert_true(b);
        assert_int_equal(vk_auth_param_bool(&two[i], VK_STR("f"), &b), VK_OK);
        assert_false(b);
        assert_int_equal(vk_auth_param_bool(&two[i], VK_STR("bad"), &b), VK_E_INVALID);
        assert_int_equal(vk_auth_param_bool(&two[i], VK_STR("no"), &b), VK_E_NOT_FOUND);
        assert_int_equal(vk_auth_param_int(&two[i], VK_STR("n"), 0, 12, &n), VK_OK);
        assert_int_equal(n, 12);
        assert_int_equal(vk_auth_param_int(&two[i], VK_STR("n"), 0, 11, &n), VK_E_INVALID);
        assert_int_equal(vk_auth_param_int(&two[i], VK_STR("n"), 13, 20, &n), VK_E_INVALID);
        assert_int_equal(vk_auth_param_int(&two[i], VK_STR("neg"), -5, 5, &n), VK_OK);
        assert_int_equal(n, -3);
        assert_int_equal(vk_auth_param_int(&two[i], VK_STR("t"), 0, 5, &n), VK_E_INVALID);
    }
}

static void lists(void **state)
{
    VK_UNUSED(state);
    vk_auth_params three[] = {form(VK_STR("e=a&x=1&e=b")), form(VK_STR("e[]=a&e%5B%5D=b&e[0]=c")),
                              json(VK_STR("{\"e\":[\"a\",\"b\"]}"))};
    const vk_str *list;
    size_t n;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(vk_auth_param_list(a, &three[i], VK_STR("e"), 10, &list, &n), VK_OK);
        assert_int_equal(n, 2);
        assert_true(vk_str_eqz(list[0], "a") && vk_str_eqz(list[1], "b"));
        assert_int_equal(vk_auth_param_list(a, &three[i], VK_STR("none"), 10, &list, &n), VK_E_NOT_FOUND);
        assert_int_equal(vk_auth_param_list(a, &three[i], VK_STR("e"), 0, &list, &n), VK_E_TOO_LARGE);
    }
    vk_auth_params p = json(VK_STR("{\"one\":\"a\",\"none\":[],\"null\":null,\"mixed\":[\"a\",1]}"));
    assert_int_equal(vk_auth_param_list(a, &p, VK_STR("one"), 10, &list, &n), VK_OK);
    assert_int_equal(n, 1);
    assert_int_equal(vk_auth_param_list(a, &p, VK_STR("none"), 10, &list, &n), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_param_list(a, &p, VK_STR("null"), 10, &list, &n), VK_E_NOT_FOUND);
    assert_int_equal(vk_auth_param_list(a, &p, VK_STR("mixed"), 10, &list, &n), VK_E_INVALID);
    vk_buf many;
    vk_buf_init(&many, 10000);
    for (int i = 0; i <= VK_AUTH_LIST_MAX; i++)
        vk_buf_lit(&many, "&e=a");
    p = form(vk_buf_view(&many));
    assert_int_equal(vk_auth_param_list(a, &p, VK_STR("e"), 10, &list, &n), VK_E_TOO_LARGE);
    vk_buf_free(&many);
}

static void objects(void **state)
{
    VK_UNUSED(state);
    vk_auth_params two[] = {form(VK_STR("m=%7B%22a%22%3A1%7D&bad=1&broken=%7B&none=")),
                            json(VK_STR("{\"m\":{\"a\":1},\"bad\":\"{}\",\"broken\":[],\"none\":null}"))};
    for (size_t i = 0; i < 2; i++) {
        const vk_json *o;
        int64_t v;
        assert_int_equal(vk_auth_param_object(a, &two[i], VK_STR("m"), &o), VK_OK);
        assert_int_equal(vk_json_i64(vk_json_get(o, VK_STR("a")), &v), VK_OK);
        assert_int_equal(v, 1);
        assert_int_equal(vk_auth_param_object(a, &two[i], VK_STR("bad"), &o), VK_E_INVALID);
        assert_int_equal(vk_auth_param_object(a, &two[i], VK_STR("broken"), &o), VK_E_INVALID);
        assert_int_equal(vk_auth_param_object(a, &two[i], VK_STR("none"), &o), VK_E_NOT_FOUND);
        assert_int_equal(vk_auth_param_object(a, &two[i], VK_STR("other"), &o), VK_E_NOT_FOUND);
    }
}

static int init(void **state)
{
    VK_UNUSED(state);
    a = vk_arena_new(8 << 20);
    return a ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts), cmocka_unit_test(bodies),  cmocka_unit_test(numbers_and_bools),
        cmocka_unit_test(lists), cmocka_unit_test(objects),
    };
    return cmocka_run_group_tests(tests, init, end);
}
