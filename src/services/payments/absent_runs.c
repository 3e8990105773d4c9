/* Stands in for what endpoints do (resources/runs.h) until it is written: weak, so whoever writes one has
 * nothing to change here, and takes its line out when convenient. */
#include "services/payments/resources/runs.h"

#define RUN(name)                                                                                            \
    __attribute__((weak)) vk_err name(vk_pay_call *c)                                                        \
    {                                                                                                        \
        return vk_pay_refuse_absent(c, NULL, "This call");                                                   \
    }
/* clang-format off */
RUN(vk_pay_session_create)
RUN(vk_pay_session_list)
RUN(vk_pay_session_retrieve)
RUN(vk_pay_session_update)
RUN(vk_pay_session_expire)
RUN(vk_pay_session_line_items)
RUN(vk_pay_subscription_create)
RUN(vk_pay_subscription_list)
RUN(vk_pay_subscription_retrieve)
RUN(vk_pay_subscription_update)
RUN(vk_pay_subscription_cancel)
RUN(vk_pay_subscription_item_list)
RUN(vk_pay_subscription_item_retrieve)
RUN(vk_pay_invoice_list)
RUN(vk_pay_invoice_lines)
RUN(vk_pay_payment_link_create)
RUN(vk_pay_payment_link_update)
RUN(vk_pay_payment_link_line_items)
RUN(vk_pay_shipping_rate_update)
/* clang-format on */
