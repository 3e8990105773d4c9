#include "courier/curl.h"

#include <dlfcn.h>

bool vk_curl_load(vk_curl *out_r)
{
    const struct {
        const char *name;
        size_t at;
    } symbols[] = {
        {"curl_global_init", offsetof(vk_curl, global_init)},
        {"curl_easy_init", offsetof(vk_curl, easy_init)},
        {"curl_easy_setopt", offsetof(vk_curl, easy_setopt)},
        {"curl_easy_perform", offsetof(vk_curl, easy_perform)},
        {"curl_easy_getinfo", offsetof(vk_curl, easy_getinfo)},
        {"curl_easy_cleanup", offsetof(vk_curl, easy_cleanup)},
        {"curl_easy_strerror", offsetof(vk_curl, easy_strerror)},
        {"curl_slist_append", offsetof(vk_curl, slist_append)},
        {"curl_slist_free_all", offsetof(vk_curl, slist_free_all)},
    };
    void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return false;
    for (size_t i = 0; i < VK_COUNT(symbols); i++) {
        void *p = dlsym(lib, symbols[i].name);
        if (!p)
            return false;
        memcpy((char *)out_r + symbols[i].at, &p, sizeof p);
    }
    return out_r->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}
