#include "core/metrics.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void text(void **state)
{
    vk_buf b;
    VK_UNUSED(state);
    vk_buf_init(&b, 4096);
    vk_metric_one(&b, "valetkey_x", "gauge", "What x is.", -3);
    vk_metric_family(&b, "valetkey_took_seconds", "histogram", "Time.");
    const vk_label labels[] = {{"le", VK_STR("0.5")}, {"odd", VK_STR("a\"b\\c\nd")}, {NULL, VK_STR_NONE}};
    vk_metric(&b, "valetkey_took_seconds", "_bucket", labels, 7);
    vk_metric_milli(&b, "valetkey_took_seconds", "_sum", NULL, 12005);
    vk_metric_milli(&b, "valetkey_took_seconds", "_sum", NULL, -5);
    vk_buf_ch(&b, '\0');
    assert_string_equal(b.p, "# HELP valetkey_x What x is.\n# TYPE valetkey_x gauge\nvaletkey_x -3\n"
                             "# HELP valetkey_took_seconds Time.\n# TYPE valetkey_took_seconds histogram\n"
                             "valetkey_took_seconds_bucket{le=\"0.5\",odd=\"a\\\"b\\\\c\\nd\"} 7\n"
                             "valetkey_took_seconds_sum 12.005\nvaletkey_took_seconds_sum -0.005\n");
    vk_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text)};
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
