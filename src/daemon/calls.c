#include "daemon/calls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

/* Whose lists a call is on. */
enum { FRONT = 1 << VK_FRONT, KEEPER = 1 << VK_KEEPER, COURIER = 1 << VK_COURIER };
enum { ALL = FRONT | KEEPER | COURIER };

enum { PROGRAM_MAX = 512, PR_SET_VMA_NUMBER = 0x53564d41 };
#define OWN_PID (UINT32_MAX - 1) /* stands for the id of this process */

/* ---- the table: calls that are allowed whatever their arguments */

static const struct allowed {
    int call;
    int who;
} allowed[] = {
    /* bytes and descriptors that are open */
    {SYS_read, ALL},
    {SYS_write, ALL},
    {SYS_readv, ALL},
    {SYS_writev, ALL},
    {SYS_recvmsg, ALL},
    {SYS_sendmsg, ALL},
    {SYS_recvfrom, ALL},
    {SYS_sendto, ALL},
    {SYS_close, ALL},
    {SYS_shutdown, ALL},
    {SYS_fcntl, ALL},
    {SYS_fstat, ALL},
    {SYS_dup, ALL},
    {SYS_dup3, ALL},
    {SYS_pipe2, ALL},
    {SYS_eventfd2, ALL},
    {SYS_getsockopt, ALL},
    {SYS_setsockopt, ALL},
    {SYS_getsockname, ALL},
    {SYS_getpeername, ALL},
    /* waiting */
    {SYS_epoll_ctl, ALL},
    {SYS_epoll_pwait, ALL},
    {SYS_epoll_create1, ALL},
    {SYS_ppoll, ALL},
    {SYS_pselect6, COURIER}, /* what select() is on aarch64, and on x86_64 in newer glibc */
    {SYS_futex, ALL},
    {SYS_nanosleep, ALL},
    {SYS_clock_nanosleep, ALL},
    {SYS_clock_gettime, ALL},
    {SYS_clock_getres, ALL},
    {SYS_gettimeofday, ALL},
    {SYS_restart_syscall, ALL},
    {SYS_sched_yield, ALL},
    /* memory */
    {SYS_munmap, ALL},
    {SYS_mremap, ALL},
    {SYS_madvise, ALL},
    {SYS_brk, ALL},
    {SYS_mlock, ALL},
    {SYS_munlock, ALL},
    /* threads, signals, the process itself */
    {SYS_set_robust_list, ALL},
    {SYS_rseq, ALL},
    {SYS_rt_sigprocmask, ALL},
    {SYS_rt_sigaction, ALL},
    {SYS_rt_sigreturn, ALL},
    {SYS_sigaltstack, ALL},
    {SYS_exit, ALL},
    {SYS_exit_group, ALL},
    {SYS_getpid, ALL},
    {SYS_getppid, ALL},
    {SYS_gettid, ALL},
    {SYS_getuid, ALL},
    {SYS_geteuid, ALL},
    {SYS_getgid, ALL},
    {SYS_getegid, ALL},
    {SYS_getrandom, ALL},
    {SYS_getrusage, ALL},
    {SYS_sysinfo, ALL},
    {SYS_uname, ALL},
    {SYS_sched_getaffinity, ALL},
    {SYS_getcpu, ALL},
    {SYS_sched_getscheduler, FRONT},
    /* front: clients, and files of the builds */
    {SYS_accept4, FRONT},
    {SYS_accept, FRONT},
    {SYS_socketpair, FRONT},
    {SYS_sendfile, FRONT},
    {SYS_pread64, FRONT | KEEPER},
    {SYS_pwrite64, FRONT | KEEPER},
    {SYS_preadv, FRONT},
    {SYS_pwritev, FRONT},
    {SYS_openat, ALL},
    {SYS_newfstatat, ALL},
    {SYS_statx, ALL},
    {SYS_faccessat, ALL},
#ifdef SYS_faccessat2
    {SYS_faccessat2, ALL},
#endif
    {SYS_readlinkat, ALL},
    {SYS_getdents64, ALL},
    {SYS_getcwd, FRONT | COURIER},
    {SYS_lseek, ALL},
    {SYS_fstatfs, FRONT | KEEPER},
    {SYS_statfs, ALL},
    {SYS_fsync, FRONT | KEEPER},
    {SYS_fdatasync, FRONT | KEEPER},
    {SYS_sync_file_range, FRONT},
    {SYS_ftruncate, FRONT | KEEPER},
    {SYS_fallocate, FRONT | KEEPER},
    {SYS_fadvise64, FRONT},
    {SYS_copy_file_range, FRONT},
    {SYS_flock, FRONT | KEEPER},
    {SYS_fchmod, FRONT | KEEPER},
    {SYS_fchown, FRONT}, /* SQLite gives its files the owner of the database */
    {SYS_mkdirat, FRONT | KEEPER},
    {SYS_unlinkat, FRONT | KEEPER},
    {SYS_linkat, FRONT},
    {SYS_utimensat, FRONT},
    {SYS_renameat2, FRONT | KEEPER},
    {SYS_renameat, FRONT | KEEPER},
    /* who connects to others: resolver, libcurl */
    {SYS_connect, KEEPER | COURIER},
    {SYS_bind, KEEPER | COURIER}, /* the resolver's netlink socket; TCP is Landlock's to refuse */
    {SYS_sendmmsg, KEEPER | COURIER},
    {SYS_recvmmsg, KEEPER | COURIER},
    {SYS_pread64, COURIER}, /* loading libcurl and the resolver's modules */
#ifdef __x86_64__           /* aarch64 has these in their newer shape only */
    {SYS_epoll_wait, ALL},
    {SYS_poll, ALL},
    {SYS_dup2, ALL},
    {SYS_time, ALL},
    {SYS_select, COURIER},
    {SYS_open, ALL},
    {SYS_stat, ALL},
    {SYS_lstat, ALL},
    {SYS_access, ALL},
    {SYS_readlink, ALL},
    {SYS_mkdir, FRONT | KEEPER},
    {SYS_rmdir, FRONT | KEEPER},
    {SYS_unlink, FRONT | KEEPER},
    {SYS_link, FRONT},
    {SYS_rename, FRONT | KEEPER},
#endif
};

/* ---- calls that are allowed with some arguments only */

typedef enum test {
    HAS_NONE, /* of the bits in `value` */
    HAS_ALL,
    IS,
} test;

static const struct conditional {
    int call;
    int who;
    int arg; /* which; its low 32 bits are looked at */
    test test;
    uint32_t value;
} conditional[] = {
    /* Nothing becomes a program that was data; courier loads its libraries when it first needs them. */
    {SYS_mmap, FRONT | KEEPER, 2, HAS_NONE, PROT_EXEC},
    {SYS_mprotect, FRONT | KEEPER, 2, HAS_NONE, PROT_EXEC},
    {SYS_mmap, COURIER, 2, HAS_NONE, 0},
    {SYS_mprotect, COURIER, 2, HAS_NONE, 0},
    /* Upon itself only. */
    {SYS_tgkill, ALL, 0, IS, OWN_PID}, /* abort() */
    {SYS_prlimit64, ALL, 0, IS, 0},
    {SYS_sched_setscheduler, FRONT, 0, IS, 0}, /* long statements go behind the others, */
    {SYS_setpriority, FRONT, 1, IS, 0},        /* each its own thread */
    {SYS_clone, ALL, 0, HAS_ALL, CLONE_VM | CLONE_THREAD},
    {SYS_prctl, ALL, 0, IS, PR_SET_NAME},
    {SYS_prctl, ALL, 0, IS, PR_SET_VMA_NUMBER}, /* names of mappings */
    {SYS_ioctl, ALL, 1, IS, FIONBIO},
    {SYS_ioctl, ALL, 1, IS, FIOCLEX},
    {SYS_ioctl, ALL, 1, IS, FIONREAD},
    {SYS_ioctl, ALL, 1, IS, TCGETS},
    {SYS_ioctl, FRONT, 1, IS, TIOCOUTQ}, /* how much of an answer was not taken yet */
    {SYS_socket, KEEPER | COURIER, 0, IS, AF_INET},
    {SYS_socket, KEEPER | COURIER, 0, IS, AF_INET6},
    /* Not AF_UNIX: the user's service manager and Docker listen there, and Landlock does not hold back who
     * connects. A resolver that is a service of its own (nscd, nss-resolve) is passed over. */
    {SYS_socket, KEEPER | COURIER, 0, IS, AF_NETLINK}, /* which addresses this machine has */
    {SYS_socketpair, COURIER, 0, IS, AF_UNIX},         /* libcurl wakes itself */
    {SYS_socket, FRONT, 0, IS, UINT32_MAX},            /* refused, but known */
};

/* ---- calls that end the process */

static const int deadly[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_bpf,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
    SYS_perf_event_open,
    SYS_userfaultfd,
#ifdef __x86_64__
    SYS_fork,
    SYS_vfork,
#endif
};

/* ---- the program */

typedef struct program {
    struct sock_filter f[PROGRAM_MAX];
    size_t n;
} program;

static void add(program *p, struct sock_filter f)
{
    if (p->n == PROGRAM_MAX)
        abort();
    p->f[p->n++] = f;
}

#define DATA(field) ((uint32_t)offsetof(struct seccomp_data, field))
#define LOAD(at) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at)))
#define JUMP(op, k, t, e) ((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (k), (t), (e)))
#define ANSWER(what) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (what)))

static bool tells_apart(const struct conditional *c)
{
    return c->test != HAS_NONE || c->value != 0;
}

/* With the call's number loaded: all conditions of that call, from the i-th on; then EPERM. */
static void add_conditions(program *p, size_t i, int role)
{
    size_t begin = p->n;
    int call = conditional[i].call;
    add(p, JUMP(BPF_JEQ, (uint32_t)call, 0, 0)); /* the way past it is known below */
    for (; i < VK_COUNT(conditional); i++) {
        const struct conditional *c = &conditional[i];
        if (c->call != call || !(c->who & role))
            continue;
        if (tells_apart(c)) {
            add(p, LOAD(DATA(args) + (uint32_t)(8 * c->arg)));
            if (c->test == HAS_NONE) {
                add(p, JUMP(BPF_JSET, c->value, 1, 0));
            } else {
                if (c->test == HAS_ALL)
                    add(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, c->value));
                add(p, JUMP(BPF_JEQ, c->value == OWN_PID ? (uint32_t)getpid() : c->value, 0, 1));
            }
        }
        add(p, ANSWER(SECCOMP_RET_ALLOW));
    }
    add(p, ANSWER(SECCOMP_RET_ERRNO | EPERM));
    p->f[begin].jf = (uint8_t)(p->n - begin - 1);
}

static bool first_of_its_call(size_t i, int role)
{
    if (!(conditional[i].who & role))
        return false;
    for (size_t k = 0; k < i; k++)
        if (conditional[k].call == conditional[i].call && (conditional[k].who & role))
            return false;
    return true;
}

static void make(program *p, vk_role role)
{
    int who = 1 << role;
    add(p, LOAD(DATA(arch)));
    add(p, JUMP(BPF_JEQ, ARCH, 1, 0));
    add(p, ANSWER(SECCOMP_RET_KILL_PROCESS));
    add(p, LOAD(DATA(nr)));
#ifdef __x86_64__
    add(p, JUMP(BPF_JGE, 0x40000000U, 0, 1)); /* the calls of x32 */
    add(p, ANSWER(SECCOMP_RET_KILL_PROCESS));
#endif
    for (size_t i = 0; i < VK_COUNT(conditional); i++)
        if (first_of_its_call(i, who))
            add_conditions(p, i, who);
    /* One after the other: since Linux 5.11 the kernel remembers which calls are always allowed. */
    for (size_t i = 0; i < VK_COUNT(allowed); i++)
        if (allowed[i].who & who) {
            add(p, JUMP(BPF_JEQ, (uint32_t)allowed[i].call, 0, 1));
            add(p, ANSWER(SECCOMP_RET_ALLOW));
        }
    for (size_t i = 0; i < VK_COUNT(deadly); i++) {
        add(p, JUMP(BPF_JEQ, (uint32_t)deadly[i], 0, 1));
        add(p, ANSWER(SECCOMP_RET_KILL_PROCESS));
    }
    add(p, ANSWER(SECCOMP_RET_ERRNO | ENOSYS));
}

bool vk_calls_sanitizer(void)
{
#ifdef SANITIZED
    return true;
#else
    return false;
#endif
}

const char *vk_calls_missing(void)
{
#ifdef SANITIZED
    return "this build has a sanitizer, which makes calls of its own";
#else
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    if (ARCH == 0)
        return "there is no list of calls for this processor";
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
        return "the kernel has no filters of system calls, or something around us keeps them from us";
    return NULL;
#endif
}

static vk_err close_filter(program *p)
{
    struct sock_fprog prog = {.len = (unsigned short)p->n, .filter = p->f};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) == 0 ? VK_OK
                                                                                                : VK_E_IO;
}

vk_err vk_calls_enter(vk_role role)
{
    static program p;
    p.n = 0;
    make(&p, role);
    return close_filter(&p);
}

vk_err vk_calls_no_ring(void)
{
    enum { IO_URING_SETUP = 425 }; /* the same everywhere */
    static program p;
    p.n = 0;
    add(&p, LOAD(DATA(nr)));
    add(&p, JUMP(BPF_JEQ, IO_URING_SETUP, 0, 1));
    add(&p, ANSWER(SECCOMP_RET_ERRNO | ENOSYS));
    add(&p, ANSWER(SECCOMP_RET_ALLOW));
    return close_filter(&p);
}
