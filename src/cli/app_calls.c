/* Calls that an app under `valetkey run` may not make, whatever else it does: all others are as before. */
#include "cli/app_fence.h"

#include "core/log.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

enum { LINUX_CONSOLE = 0x541C }; /* TIOCLINUX, which pastes what it has selected itself */
#define NO_CALL 0x3fffffffU

/* Typing into the terminal: the shell that started us would run it once the app has ended. Linux closes that
 * from 6.2 on where it is told to (legacy_tiocsti). A 32-bit program would make the call under another
 * number: there are none. */
vk_err vk_app_calls(bool no_truncate, char missing[VK_FENCE_WHY])
{
    const struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
#ifdef __x86_64__
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 0, 1), /* x32 */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, no_truncate ? SYS_truncate : NO_CALL, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args) + 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LINUX_CONSOLE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = {.len = VK_COUNT(f), .filter = (struct sock_filter *)(uintptr_t)f};
    if (ARCH != 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == 0)
        return VK_OK;
    snprintf(missing, VK_FENCE_WHY,
             "it can type into the terminal that it was started from, since there are no filters of system "
             "calls: %s",
             ARCH == 0 ? "this processor has no list" : vk_errno_text(errno));
    return VK_E_UNSUPPORTED;
}
