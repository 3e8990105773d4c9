/* Any bytes as a URL: what is accepted has one reading. Its parts, put together again, are accepted and the
 * same; a second parser (curl's) finds the same host and port. */
#include "courier/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    vk_target t, again;
    vk_network net;
    const char *why = NULL;
    vk_err bad = vk_network_parse((vk_str){(const char *)data, n}, &net);
    VK_UNUSED(bad);
    if (vk_target_parse((vk_str){(const char *)data, n}, &t, &why) != VK_OK) {
        CHECK(why);
        return 0;
    }
    char url[VK_TARGET_MAX + 64];
    bool v6 = strchr(t.host, ':') != NULL;
    int w = snprintf(url, sizeof url, "%s://%s%s%s:%u" VK_STR_FMT, t.tls ? "https" : "http", v6 ? "[" : "",
                     t.host, v6 ? "]" : "", t.port, VK_STR_ARG(t.path));
    CHECK(w > 0 && (size_t)w < sizeof url);
    if (strlen(url) > VK_TARGET_MAX)
        return 0;
    CHECK(vk_target_parse(vk_str_z(url), &again, &why) == VK_OK);
    CHECK(again.tls == t.tls && again.port == t.port && again.literal == t.literal);
    CHECK(strcmp(again.host, t.host) == 0 && vk_str_eq(again.path, t.path));
    CHECK(!strpbrk(t.host, "@/\\#?%"));
    return 0;
}
