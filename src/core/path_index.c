#include "core/path_index.h"

static bool stands_for_others(const char *part)
{
    return *part == '{' || *part == ':' || *part == '*';
}

static bool in_all(const char *path)
{
    const char *second = *path ? strchr(path + 1, '/') : NULL;
    return (*path && path[1] == '*') || (second && stands_for_others(second + 1));
}

vk_err vk_path_index_make(vk_path_index *x, const char *(*path)(const void *table, size_t i),
                          const void *table, size_t n)
{
    size_t used = 0;
    if (n > UINT16_MAX)
        return VK_E_TOO_LARGE;
    for (unsigned s = 0; s < VK_PATH_SLOTS; s++) {
        x->from[s] = (uint16_t)used;
        for (size_t i = 0; i < n; i++) {
            const char *p = path(table, i);
            if (!in_all(p) && vk_path_slot(vk_str_z(p)) != s)
                continue;
            if (used == VK_PATH_RULES_MAX)
                return VK_E_TOO_LARGE;
            x->rule[used++] = (uint16_t)i;
        }
    }
    x->from[VK_PATH_SLOTS] = (uint16_t)used;
    return VK_OK;
}
