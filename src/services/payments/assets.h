/* What hosted pages load besides themselves: styles. In the binary; nothing comes from another host. */
#ifndef VK_PAY_ASSETS_H
#define VK_PAY_ASSETS_H

#include "valetkey/service.h"

/* In head(): true: the path was one of ours below /assets/, and is answered. */
bool vk_pay_asset(vk_exchange *ex);

#endif
