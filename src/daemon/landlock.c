#include "daemon/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE = 444, ADD_RULE = 445, RESTRICT_SELF = 446, VERSION = 1, PATH_BENEATH = 1 };

struct ruleset_attr {
    uint64_t files, tcp, scope;
};
struct path_attr {
    uint64_t rights;
    int32_t parent_fd;
} __attribute__((packed));

int vk_landlock_abi(void)
{
    long n = syscall(CREATE, NULL, (size_t)0, VERSION);
    return n < 0 ? 0 : (int)n;
}

/* The rights on files that a version knows. */
static uint64_t known_rights(int abi)
{
    static const int bits[] = {0, 13, 14, 15, 15}; /* of version 1, 2, 3, 4 */
    return ((uint64_t)1 << (abi >= 5 ? 16 : bits[abi])) - 1;
}

int vk_landlock_begin(const vk_landlock *l)
{
    int abi = vk_landlock_abi();
    if (abi < 1) {
        errno = EOPNOTSUPP;
        return -1;
    }
    struct ruleset_attr a = {.files = l->files & known_rights(abi),
                             .tcp = abi >= VK_LL_ABI_TCP ? l->tcp : 0,
                             .scope = abi >= VK_LL_ABI_SCOPE ? l->scope : 0};
    size_t size = abi >= VK_LL_ABI_SCOPE ? 24 : abi >= VK_LL_ABI_TCP ? 16 : 8;
    return (int)syscall(CREATE, &a, size, 0);
}

vk_err vk_landlock_allow(int ruleset, int dirfd, const char *path, uint64_t rights, bool nofollow)
{
    struct stat st;
    int abi = vk_landlock_abi();
    int fd = openat(dirfd, path, O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0));
    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR || errno == ELOOP ? VK_E_NOT_FOUND
                                                                                        : VK_E_IO;
    struct path_attr a = {.rights = rights & known_rights(abi < 1 ? 1 : abi), .parent_fd = fd};
    bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (!folder)
        a.rights &= VK_LL_OF_FILE;
    long rc = a.rights ? syscall(ADD_RULE, ruleset, PATH_BENEATH, &a, 0) : 0;
    int err = errno;
    close(fd);
    errno = err;
    /* A socket in memory or a file system of the kernel's own: there is nothing to allow. */
    return rc == 0 ? VK_OK : err == EBADFD || err == EBADF ? VK_E_NOT_FOUND : VK_E_IO;
}

vk_err vk_landlock_enter(int ruleset)
{
    long rc = syscall(RESTRICT_SELF, ruleset, 0);
    int err = errno;
    close(ruleset);
    errno = err;
    return rc == 0 ? VK_OK : VK_E_IO;
}
