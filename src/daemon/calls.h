/* seccomp: which system calls a role may make. Made by hand as classic BPF: the list is short, and a library
 * for it would be loaded by every command. Works on x86_64 and aarch64.
 *
 * A call that is on no list answers ENOSYS, as an older kernel would, so that libraries take the way they
 * have for that. One that is refused because of its arguments answers EPERM. What no role has any use for and
 * an attacker has (starting a program or a process, tracing, mounting) ends the process at once: its death is
 * in the log. */
#ifndef VK_DAEMON_CALLS_H
#define VK_DAEMON_CALLS_H

#include "daemon/note.h"

/* A build with a sanitizer: it makes calls of its own, and reads /proc. */
bool vk_calls_sanitizer(void);
/* NULL: filters can be had. Otherwise why not. */
const char *vk_calls_missing(void);
/* A process that makes event loops before its fence: no io_uring from here on. A ring that is made before
 * would be past the filter, and libuv (from 1.45 on) ends the process when one that it has is refused later.
 * Wants no_new_privs. VK_E_IO with errno. */
VK_MUSTCHECK vk_err vk_calls_no_ring(void);
/* For all threads of the process. Wants no_new_privs. VK_E_IO with errno. */
VK_MUSTCHECK vk_err vk_calls_enter(vk_role role);

#endif
