#include "store/store.h"

bool vk_build_id_ok(vk_str id)
{
    if (id.n < 1 || id.n > VK_BUILD_ID_MAX || id.p[0] == '-' || id.p[id.n - 1] == '-')
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

const char *vk_build_state_name(const vk_build *b, int64_t now)
{
    switch (b->state) {
    case VK_BUILD_REVOKED:
        return "revoked";
    case VK_BUILD_DELETING:
        return "deleting";
    default:
        return b->expires_ms <= now ? "expired" : "active";
    }
}
