#include "core/share.h"

#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void vk_share_find(char out[PATH_MAX])
{
    static const char *const beside[] = {"share/valetkey", ".tools/share"};
    char program[PATH_MAX], *slash = NULL;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 2 && (slash = strrchr(program, '/')); up++)
        *slash = '\0';
    for (size_t i = 0; slash && i < VK_COUNT(beside); i++) {
        int wrote = snprintf(out, PATH_MAX, "%s/%s", program, beside[i]);
        if (wrote > 0 && wrote < PATH_MAX && is_folder(out))
            return;
    }
    snprintf(out, PATH_MAX, "%s", VK_SHARE_DIR);
}
