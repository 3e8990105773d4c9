/* Stands in for what endpoints do (resources/runs.h) until it is written: weak, so whoever writes one has
 * nothing to change here, and takes its line out when convenient. */
#include "services/payments/resources/runs.h"

#define RUN(name)                                                                                            \
    __attribute__((weak)) vk_err name(vk_pay_call *c)                                                        \
    {                                                                                                        \
        return vk_pay_refuse_absent(c, NULL, "This call");                                                   \
    }
/* clang-format off */
RUN(vk_pay_shipping_rate_update)
/* clang-format on */
