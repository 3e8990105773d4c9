#include "services/payments/countries.h"
#include "services/payments/html.h"
#include "services/payments/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static vk_arena *arena;
static vk_buf out;

static int set_up(void **state)
{
    VK_UNUSED(state);
    vk_buf_init(&out, 1 << 20);
    return (arena = vk_arena_new(1 << 20)) ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_buf_free(&out);
    vk_arena_free(arena);
    return 0;
}

static void wrote(const char *want)
{
    assert_int_equal(out.err, VK_OK);
    assert_int_equal(out.n, strlen(want));
    assert_memory_equal(out.p, want, out.n);
    vk_buf_clear(&out);
}

static void escapes(void **state)
{
    VK_UNUSED(state);
    vk_html_z(&out, "<b a=\"1\" c='2'>&amp;\n\xc3\xbc\xe2\x80\xae");
    wrote("&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;\n\xc3\xbc\xe2\x80\xae");
    vk_html(&out, VK_STR_NONE);
    vk_html_z(&out, "");
    wrote("");
    vk_html_f(&out, "<i title=\"%s\">%s</i> 100%% %d", "\"><script>", "</i>");
    wrote("<i title=\"&quot;&gt;&lt;script&gt;\">&lt;/i&gt;</i> 100%% %d");
    vk_html_fact(&out, "<a>", "<b>");
    wrote("<div><dt>&lt;a&gt;</dt><dd>&lt;b&gt;</dd></div>\n");
    vk_html_fact(&out, "x", "");
    vk_html_fact(&out, "x", NULL);
    wrote("");
}

static void amounts(void **state)
{
    VK_UNUSED(state);
    static const struct {
        int64_t amount;
        const char *currency, *want;
    } t[] = {{5500, "usd", "$55.00"}, {123450, "usd", "$1,234.50"}, {5400, "jpy", "¥5,400"},
             {999, "eur", "€9.99"},   {300, "chf", "CHF 3.00"},     {0, "usd", "$0.00"},
             {-250, "usd", "-$2.50"}};
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        vk_html_amount(&out, arena, t[i].amount, vk_str_z(t[i].currency));
        wrote(t[i].want);
    }
}

static bool has(const char *what)
{
    return out.n && memmem(out.p, out.n, what, strlen(what));
}

static void notes(void **state)
{
    VK_UNUSED(state);
    vk_html_note(&out, "good", "<t>", "<x>", VK_STR("https://a/?x=\"><b>"), "<l>");
    assert_int_equal(out.err, VK_OK);
    assert_true(has("<title>&lt;t&gt;</title>") && has("<h1>&lt;t&gt;</h1>") && has("<p>&lt;x&gt;</p>"));
    assert_true(has("href=\"https://a/?x=&quot;&gt;&lt;b&gt;\">&lt;l&gt;</a>"));
    assert_true(has("lang=\"en\"") && has("TEST MODE") && has("</html>"));
    vk_buf_clear(&out);
    vk_html_note(&out, "bad", "t", "x", VK_STR_NONE, "l");
    assert_false(has("<a"));
    vk_buf_clear(&out);
    vk_html_who(&out, "<shop>");
    wrote("<p class=\"who\"><span aria-hidden=\"true\">&lt;</span>&lt;shop&gt;</p>\n");
    vk_html_who(&out, "");
    wrote("<p class=\"who\"><span aria-hidden=\"true\"></span></p>\n");
}

static void cards(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena};
    assert_string_equal(vk_pay_card_words(&c, VK_STR("visa"), VK_STR("4242")), "Visa •••• 4242");
    assert_string_equal(vk_pay_card_words(&c, VK_STR("amex"), VK_STR("0005")), "American Express •••• 0005");
    assert_string_equal(vk_pay_card_words(&c, VK_STR("<b>"), VK_STR("1")), "Card •••• 1");
    assert_string_equal(vk_pay_card_words(&c, VK_STR_NONE, VK_STR_NONE), "Card");
}

static void countries(void **state)
{
    VK_UNUSED(state);
    size_t n;
    const vk_pay_country *all = vk_pay_countries(&n);
    assert_true(n > 200);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(strlen(all[i].code), 2);
        assert_string_equal(vk_pay_country_name(vk_str_z(all[i].code)), all[i].name);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(all[i].code, all[j].code);
    }
    assert_null(vk_pay_country_name(VK_STR("us")));
    assert_null(vk_pay_country_name(VK_STR("ZZ")));
    assert_null(vk_pay_country_name(VK_STR("")));
}

static void no_memory(void **state)
{
    VK_UNUSED(state);
    vk_buf small;
    vk_buf_init(&small, 100);
    vk_html_note(&small, "good", "title", "text", VK_STR_NONE, "");
    assert_int_equal(small.err, VK_E_TOO_LARGE);
    assert_true(small.n <= 100);
    vk_buf_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(amounts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(countries, set_up, tear_down),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("pay_html", tests, NULL, NULL);
}
