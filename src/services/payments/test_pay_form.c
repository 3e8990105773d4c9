/* Forms of Stripe's v1 API. */
#include "services/payments/form.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

/* What became of it, as JSON; or the sentence of the refusal, with its parameter. */
static const char *shown(vk_str text)
{
    static char out_text[1 << 16];
    vk_pv *v = NULL;
    const char *why = NULL;
    vk_str param = VK_STR_NONE;
    vk_err e = vk_pay_form(arena, text, NULL, &v, &why, &param);
    if (e != VK_OK) {
        assert_non_null(why);
        snprintf(out_text, sizeof out_text, "%s: %s (" VK_STR_FMT ")", vk_err_name(e), why,
                 VK_STR_ARG(param));
        return out_text;
    }
    vk_buf out;
    vk_buf_init(&out, sizeof out_text - 1);
    vk_pv_write(&out, v);
    assert_int_equal(out.err, VK_OK);
    snprintf(out_text, sizeof out_text, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&out)));
    vk_buf_free(&out);
    return out_text;
}

static void trees(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *form, *want;
    } cases[] = {
        {"", "{}"},
        {"&&", "{}"},
        {"a=1", "{\"a\":\"1\"}"},
        {"x=&y", "{\"x\":\"\",\"y\":\"\"}"},
        {"a=b=c", "{\"a\":\"b=c\"}"},
        {"a=1&a=2", "{\"a\":\"2\"}"},
        {"a[b][]=1&a[b][]=2", "{\"a\":{\"b\":[\"1\",\"2\"]}}"},
        {"items[0][id]=x&items[1][id]=y", "{\"items\":[{\"id\":\"x\"},{\"id\":\"y\"}]}"},
        {"items[1][id]=y&items[0][id]=x&items[0][q]=2",
         "{\"items\":[{\"id\":\"x\",\"q\":\"2\"},{\"id\":\"y\"}]}"},
        {"a%5B0%5D=1", "{\"a\":[\"1\"]}"},
        {"a[0]=1", "{\"a\":[\"1\"]}"},
        {"metadata[a.b]=1", "{\"metadata\":{\"a.b\":\"1\"}}"},
        {"metadata=", "{\"metadata\":\"\"}"},
        {"created[gte]=1&created[lt]=9", "{\"created\":{\"gte\":\"1\",\"lt\":\"9\"}}"},
        {"name=T-shirt%20%3Cb%3E+x&metadata[sku]=ts-1",
         "{\"name\":\"T-shirt <b> x\",\"metadata\":{\"sku\":\"ts-1\"}}"},
        {"line_items[0][price_data][product_data][name]=P",
         "{\"line_items\":[{\"price_data\":{\"product_data\":{\"name\":\"P\"}}}]}"},
        {"expand[]=a&expand[]=b.c", "{\"expand\":[\"a\",\"b.c\"]}"},
        {"expand[0]=a&expand[1]=b", "{\"expand\":[\"a\",\"b\"]}"},
        /* By number, not by text; nothing is allocated by it. */
        {"a[10]=x&a[9]=y&a[4000000000]=z&a[99999999999999999999999]=w", "{\"a\":[\"y\",\"x\",\"z\",\"w\"]}"},
        {"a[1]=x&a[01]=y", "{\"a\":[\"y\"]}"},
        {"a[]=z&a[5]=x&a[2]=y", "{\"a\":[\"y\",\"x\",\"z\"]}"},
        /* One element until a member comes again. */
        {"i[][p]=1&i[][q]=2&i[][p]=3&i[][q]=4",
         "{\"i\":[{\"p\":\"1\",\"q\":\"2\"},{\"p\":\"3\",\"q\":\"4\"}]}"},
        {"i[][d][c]=usd&i[][d][u]=5&i[][q]=2&i[][d][c]=eur",
         "{\"i\":[{\"d\":{\"c\":\"usd\",\"u\":\"5\"},\"q\":\"2\"},{\"d\":{\"c\":\"eur\"}}]}"},
        {"i[][t][]=1&i[][t][]=2", "{\"i\":[{\"t\":[\"1\",\"2\"]}]}"},
        /* Digits among names are names. */
        {"m[1]=a&m[b]=c&m[2]=d", "{\"m\":{\"1\":\"a\",\"b\":\"c\",\"2\":\"d\"}}"},
        {"m[b]=c&m[7]=d", "{\"m\":{\"b\":\"c\",\"7\":\"d\"}}"},
        {"a=%c3%a9%26%3D", "{\"a\":\"\xc3\xa9&=\"}"},
        {"a[b[=1", "invalid: Invalid parameter name (a[b[)"},
        {"a[b=1", "invalid: Invalid parameter name (a[b)"},
        {"a]=1", "invalid: Invalid parameter name (a])"},
        {"a[b]c=1", "invalid: Invalid parameter name (a[b]c)"},
        {"[a]=1", "invalid: Invalid parameter name ([a])"},
        {"=1", "invalid: Invalid parameter name ()"},
        {"a=1&a[b]=2", "invalid: Invalid object (a[b])"},
        {"a=1&a[]=2", "invalid: Invalid array (a[])"},
        {"a[b]=1&a=2", "invalid: Invalid object (a)"},
        {"a[]=1&a=2", "invalid: Invalid array (a)"},
        {"a[]=1&a[b]=2", "invalid: Invalid array (a[b])"},
        {"a[b]=1&a[]=2", "invalid: Invalid object (a[])"},
        {"a[0]=1&a[0][b]=2", "invalid: Invalid object (a[0][b])"},
        {"a=%", "invalid: Invalid percent-encoding (a)"},
        {"a=%4", "invalid: Invalid percent-encoding (a)"},
        {"a=%4g", "invalid: Invalid percent-encoding (a)"},
        {"%zz=1", "invalid: Invalid percent-encoding ()"},
        {"a=%ff", "invalid: Invalid UTF-8 encoding (a)"},
        {"a=%c3", "invalid: Invalid UTF-8 encoding (a)"},
        {"a=%ed%a0%80", "invalid: Invalid UTF-8 encoding (a)"},
        {"a=%00", "invalid: Invalid UTF-8 encoding (a)"},
        {"a[1][2][3][4][5][6][7][8][9][10]=1", "{\"a\":[[[[[[[[[[\"1\"]]]]]]]]]]}"},
        {"a[1][2][3][4][5][6][7][8][9][10][11]=1",
         "too_large: Parameter is nested too deeply (a[1][2][3][4][5][6][7][8][9][10][11])"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_string_equal(shown(vk_str_z(cases[i].form)), cases[i].want);
}

static void digits_are_kept(void **state)
{
    VK_UNUSED(state);
    vk_pv *v = NULL;
    const char *why;
    vk_str param;
    assert_int_equal(vk_pay_form(arena, VK_STR("m[7]=a&m[3]=b"), NULL, &v, &why, &param), VK_OK);
    vk_pv *m = vk_pv_get(v, "m");
    assert_true(vk_pv_is(m, VK_PV_ARR));
    m->type = VK_PV_OBJ;
    assert_true(vk_str_eqz(vk_pv_text(m, "7"), "a"));
    assert_true(vk_str_eqz(vk_pv_text(m, "3"), "b"));
}

static void into_another(void **state)
{
    VK_UNUSED(state);
    vk_pv *v = NULL, *same = NULL;
    const char *why;
    vk_str param;
    assert_int_equal(vk_pay_form(arena, VK_STR("a=1&b[c]=2"), NULL, &v, &why, &param), VK_OK);
    assert_int_equal(vk_pay_form(arena, VK_STR("b[d]=3&a=4"), v, &same, &why, &param), VK_OK);
    assert_ptr_equal(v, same);
    assert_true(vk_str_eqz(vk_pv_text(v, "b.c"), "2"));
    assert_true(vk_str_eqz(vk_pv_text(v, "b.d"), "3"));
    assert_true(vk_str_eqz(vk_pv_text(v, "a"), "4"));
}

static void limits(void **state)
{
    VK_UNUSED(state);
    static char text[VK_PAY_FORM_MAX + 2];
    size_t n = 0;
    for (int i = 0; i < VK_PAY_FORM_PAIRS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "a[%d]=1&", VK_PAY_FORM_PAIRS - i);
    assert_true(shown((vk_str){text, n})[0] == '{');
    n += (size_t)snprintf(text + n, sizeof text - n, "b=1");
    assert_string_equal(shown((vk_str){text, n}), "too_large: Too many parameters ()");

    memset(text, 'x', sizeof text);
    text[VK_PAY_FORM_NAME] = '=';
    assert_true(shown((vk_str){text, VK_PAY_FORM_NAME + 2})[0] == '{');
    text[VK_PAY_FORM_NAME] = 'x';
    text[VK_PAY_FORM_NAME + 1] = '=';
    assert_string_equal(shown((vk_str){text, VK_PAY_FORM_NAME + 3}),
                        "too_large: Parameter name is too long ()");
    assert_string_equal(shown((vk_str){text, VK_PAY_FORM_MAX + 1}), "too_large: The request is too large ()");
}

static void short_of_memory(void **state)
{
    VK_UNUSED(state);
    bool fits = false;
    for (size_t cap = 64; cap < 1 << 15 && !fits; cap += 48) {
        vk_arena *small = vk_arena_new(cap);
        vk_pv *v = NULL;
        const char *why = NULL;
        vk_str param;
        if (!small)
            continue;
        vk_err e = vk_pay_form(small, VK_STR("a[0][b]=1&a[1][c]=2&m[x]=%20"), NULL, &v, &why, &param);
        assert_true(e == VK_OK || (e == VK_E_NOMEM && !why));
        fits = e == VK_OK && vk_str_eqz(vk_pv_text(v, "a.1.c"), "2");
        vk_arena_free(small);
    }
    assert_true(fits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees),  cmocka_unit_test(digits_are_kept), cmocka_unit_test(into_another),
        cmocka_unit_test(limits), cmocka_unit_test(short_of_memory),
    };
    arena = vk_arena_new(1 << 24);
    int rc = arena ? cmocka_run_group_tests_name("pay_form", tests, NULL, NULL) : 1;
    vk_arena_free(arena);
    return rc;
}
