/* A User-Agent: whatever a client sends, only our own words and some digits of it come out. */
#include "services/auth/agent.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str text = {(const char *)data, size};
    vk_auth_agent a = vk_auth_agent_read(text);
    CHECK(a.version.n <= VK_AUTH_AGENT_VERSION_MAX);
    CHECK(a.browser || !a.version.n);
    CHECK(a.device || !a.mobile);
    for (size_t i = 0; i < a.version.n; i++) {
        CHECK(a.version.p + i >= text.p && a.version.p + i < text.p + text.n);
        CHECK(a.version.p[i] >= '0' && a.version.p[i] <= '9');
    }
    return 0;
}
