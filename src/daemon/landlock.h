/* Landlock by raw system calls: the headers of Debian 12 know its first versions only. A ruleset says which
 * rights are taken away everywhere; an allowance gives some back below one folder, or for one file. Entering
 * it is for the calling thread and what it starts, and cannot be undone. Landlock does not restrain stat,
 * chmod and chdir, nor files that are open already. Source:
 * https://docs.kernel.org/userspace-api/landlock.html; the numbers are of include/uapi/linux/landlock.h. */
#ifndef VK_DAEMON_LANDLOCK_H
#define VK_DAEMON_LANDLOCK_H

#include "core/base.h"

/* Rights on files and folders. */
enum {
    VK_LL_EXECUTE = 1 << 0,
    VK_LL_WRITE_FILE = 1 << 1,
    VK_LL_READ_FILE = 1 << 2,
    VK_LL_READ_DIR = 1 << 3,
    VK_LL_REMOVE_DIR = 1 << 4,
    VK_LL_REMOVE_FILE = 1 << 5,
    VK_LL_MAKE_DIR = 1 << 7,
    VK_LL_MAKE_REG = 1 << 8,
    VK_LL_REFER = 1 << 13,    /* rename and link between folders; of version 2 */
    VK_LL_TRUNCATE = 1 << 14, /* of version 3 */
    VK_LL_ALL = (1 << 16) - 1,
    VK_LL_OF_FILE = VK_LL_EXECUTE | VK_LL_WRITE_FILE | VK_LL_READ_FILE | VK_LL_TRUNCATE | 1 << 15,
};
/* Of version 4: TCP. Of version 6: abstract sockets and signals between this and what is outside. */
enum { VK_LL_BIND = 1 << 0, VK_LL_CONNECT = 1 << 1 };
enum { VK_LL_ABSTRACT = 1 << 0, VK_LL_SIGNAL = 1 << 1 };
enum { VK_LL_ABI_REFER = 2, VK_LL_ABI_TRUNCATE = 3, VK_LL_ABI_TCP = 4, VK_LL_ABI_SCOPE = 6 };

typedef struct vk_landlock {
    uint64_t files, tcp, scope; /* what is taken away; what the kernel does not know is left out */
} vk_landlock;

/* The kernel's version, 0: there is none (or it is switched off). */
int vk_landlock_abi(void);
/* The ruleset's descriptor; -1 with errno. */
int vk_landlock_begin(const vk_landlock *l);
/* Gives `rights` back below `path` (links are followed unless `nofollow`). VK_E_NOT_FOUND: it is not there.
 */
VK_MUSTCHECK vk_err vk_landlock_allow(int ruleset, int dirfd, const char *path, uint64_t rights,
                                      bool nofollow);
/* Closes the ruleset. Wants no_new_privs. VK_E_IO with errno. */
VK_MUSTCHECK vk_err vk_landlock_enter(int ruleset);

#endif
