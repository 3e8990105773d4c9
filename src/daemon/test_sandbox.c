/* The fences from inside: each case is a process of its own, which enters a role's fence and then tries. */
#include "daemon/calls.h"
#include "daemon/landlock.h"
#include "daemon/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct world {
    char dir[64];
    int fd;
    vk_sandbox sandbox;
} world;

static void put(const world *w, const char *name)
{
    int fd = openat(w->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, "old", 3) == 3);
    close(fd);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    vk_owners owners;
    char why[VK_WHY_MAX];
    assert_non_null(w);
    snprintf(w->dir, sizeof w->dir, "/tmp/vk-test-sandbox-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(w->fd >= 0 && mkdirat(w->fd, "vault", 0700) == 0);
    put(w, "vault/master");
    put(w, "admin.token");
    put(w, "valetkey.db");
    assert_int_equal(vk_owners_find("", &owners, why), VK_OK);
    assert_int_equal(vk_sandbox_probe(VK_FENCE_BEST, &owners, &w->sandbox, why), VK_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const left[] = {"vault/master", "admin.token",      "valetkey.db",
                                       "tmp/new",      "builds/one/moved", "builds/one/file"};
    world *w = *state;
    for (size_t i = 0; i < VK_COUNT(left); i++)
        unlinkat(w->fd, left[i], 0);
    static const char *const folders[] = {"builds/one", "builds", "tmp", "vault", "audit"};
    for (size_t i = 0; i < VK_COUNT(folders); i++)
        unlinkat(w->fd, folders[i], AT_REMOVEDIR);
    close(w->fd);
    rmdir(w->dir);
    free(w);
    return 0;
}

/* The number of the line that failed, as the exit code; 0: none did. */
#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #cond, errno);                             \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

/* How the process ended: its exit code, or minus the signal. */
static int behind(world *w, vk_role role, void (*fn)(const world *w))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char why[VK_WHY_MAX];
        const vk_sandbox_place at = {.data_fd = w->fd, .data_dir = w->dir};
        prctl(PR_SET_DUMPABLE, 0); /* no core file of what is killed */
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        MUST(vk_sandbox_enter(&w->sandbox, role, &at, why) == VK_OK);
        fn(w);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool opens(const world *w, const char *path, int flags)
{
    int fd = openat(w->fd, path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool denied(bool did)
{
    return !did && (errno == EACCES || errno == EPERM || errno == ENOSYS || errno == EXDEV);
}

/* ---- files */

static void front_files(const world *w)
{
    MUST(opens(w, "valetkey.db", O_RDWR));
    MUST(mkdirat(w->fd, "builds/one", 0700) == 0);
    MUST(opens(w, "builds/one/file", O_RDWR | O_CREAT | O_EXCL));
    MUST(opens(w, "tmp/new", O_RDWR | O_CREAT));
    if (w->sandbox.landlock >= VK_LL_ABI_REFER)
        MUST(renameat(w->fd, "tmp/new", w->fd, "builds/one/moved") == 0);
    MUST(opens(w, ".", O_RDONLY | O_DIRECTORY));
    MUST(denied(opens(w, "vault/master", O_RDONLY)));
    MUST(denied(opens(w, "vault/master", O_WRONLY)));
    MUST(denied(opens(w, "vault/new", O_WRONLY | O_CREAT)));
    MUST(denied(unlinkat(w->fd, "vault/master", 0) == 0));
    MUST(denied(unlinkat(w->fd, "valetkey.db", 0) == 0));
    MUST(denied(renameat(w->fd, "vault", w->fd, "builds/vault") == 0));
    MUST(denied(opens(w, "admin.token", O_RDONLY)));
    MUST(denied(opens(w, "new", O_WRONLY | O_CREAT)));
    MUST(denied(opens(w, "/etc/passwd", O_RDONLY)));
    MUST(denied(opens(w, "/proc/self/maps", O_RDONLY)) || vk_calls_sanitizer());
    MUST(denied(symlinkat("/etc", w->fd, "builds/one/link") == 0));
}

static void keeper_files(const world *w)
{
    MUST(opens(w, "vault/master", O_RDWR));
    MUST(mkdirat(w->fd, "vault/org", 0700) == 0);
    MUST(opens(w, "vault/org/x.new", O_RDWR | O_CREAT | O_EXCL));
    MUST(renameat(w->fd, "vault/org/x.new", w->fd, "vault/org/x") == 0);
    MUST(unlinkat(w->fd, "vault/org/x", 0) == 0);
    MUST(unlinkat(w->fd, "vault/org", AT_REMOVEDIR) == 0);
    MUST(denied(opens(w, "admin.token", O_RDONLY)));
    MUST(denied(opens(w, "builds", O_RDONLY | O_DIRECTORY)));
    MUST(denied(opens(w, "new", O_WRONLY | O_CREAT)));
    MUST(denied(renameat(w->fd, "vault", w->fd, "new") == 0));
    MUST(opens(w, "audit/1.log", O_RDWR | O_CREAT | O_EXCL));
    MUST(unlinkat(w->fd, "audit/1.log", 0) == 0);
    MUST(denied(opens(w, "valetkey.db", O_RDONLY))); /* what it sees of it was open before */
    MUST(opens(w, "/etc/hosts", O_RDONLY) || errno == ENOENT);
    MUST(opens(w, "/etc/ssl/certs", O_RDONLY | O_DIRECTORY) || errno == ENOENT);
    if (geteuid() == 0)
        MUST(denied(opens(w, "/etc/passwd", O_RDONLY)));
}

static void courier_files(const world *w)
{
    MUST(opens(w, "/etc/nsswitch.conf", O_RDONLY) || errno == ENOENT);
    MUST(opens(w, "/etc/ssl/certs", O_RDONLY | O_DIRECTORY) || errno == ENOENT);
    MUST(denied(opens(w, "vault/master", O_RDONLY)));
    MUST(denied(opens(w, "valetkey.db", O_RDONLY)));
    MUST(denied(opens(w, "new", O_WRONLY | O_CREAT)));
    if (geteuid() == 0)
        MUST(denied(opens(w, "/etc/shadow", O_RDONLY)) || errno == ENOENT);
}

static void test_files(void **state)
{
    world *w = *state;
    if (w->sandbox.landlock == 0)
        fail_msg("this kernel has no Landlock, or it is not among its lsm= at boot");
    assert_int_equal(behind(w, VK_FRONT, front_files), 0);
    assert_int_equal(behind(w, VK_KEEPER, keeper_files), 0);
    assert_int_equal(behind(w, VK_COURIER, courier_files), 0);
}

/* ---- calls */

static void *in_a_thread(void *arg)
{
    *(int *)arg = 42;
    return NULL;
}

static void usual_calls(const world *w)
{
    pthread_t t;
    int n = 0;
    struct timespec soon = {.tv_nsec = 1000};
    VK_UNUSED(w);
    MUST(pthread_create(&t, NULL, in_a_thread, &n) == 0 && pthread_join(t, NULL) == 0 && n == 42);
    MUST(prctl(PR_SET_NAME, "x") == 0);
    MUST(nanosleep(&soon, NULL) == 0);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(p != MAP_FAILED && munmap(p, 4096) == 0);
    MUST(prctl(PR_SET_DUMPABLE, 1) != 0 && errno == EPERM);
    MUST(syscall(SYS_getpriority, 0, 0) < 0 && errno == ENOSYS); /* on no list */
}

static void no_code(const world *w)
{
    VK_UNUSED(w);
    MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
         errno == EPERM);
    MUST(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
}

static void no_way_out(const world *w)
{
    VK_UNUSED(w);
    MUST(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    MUST(socket(AF_INET6, SOCK_STREAM, 0) < 0 && errno == EPERM);
}

static void outgoing(const world *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    VK_UNUSED(w);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    MUST(fd >= 0);
    if (w->sandbox.landlock >= VK_LL_ABI_TCP)
        MUST(bind(fd, (struct sockaddr *)&at, sizeof at) != 0 && errno == EACCES);
    MUST(syscall(SYS_listen, fd, 1) != 0 && errno == ENOSYS);
    MUST(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
    MUST(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    struct addrinfo *found = NULL; /* without a service for it */
    MUST(getaddrinfo("localhost", "443", NULL, &found) == 0 && found);
    freeaddrinfo(found);
}

static void loads_libcurl(const world *w)
{
    VK_UNUSED(w);
    MUST(select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 1}) == 0);
    MUST(dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL) != NULL);
}

/* A listener that is there before the fence is nobody's behind it: keeper serves what front hands it. */
static void accepts_nobody(const world *w)
{
    VK_UNUSED(w);
    MUST(syscall(SYS_accept4, 0, NULL, NULL, 0) < 0 && errno == ENOSYS);
    MUST(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL) < 0 && errno == ENOSYS);
}

static void starts_a_program(const world *w)
{
    static char *const nothing[] = {NULL};
    VK_UNUSED(w);
    execve("/bin/true", nothing, nothing);
}

static void starts_a_process(const world *w)
{
    VK_UNUSED(w);
    MUST(fork() < 0 && errno == EPERM);
}

static void traces(const world *w)
{
    VK_UNUSED(w);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void mounts(const world *w)
{
    VK_UNUSED(w);
    syscall(SYS_unshare, 0x10000000);
}

static void reads_others(const world *w)
{
    VK_UNUSED(w);
    syscall(SYS_process_vm_readv, getppid(), NULL, 0UL, NULL, 0UL, 0UL);
}

/* What a library makes before the fence: with a ring made here and refused behind the fence it would end the
 * process. */
static void test_no_ring(void **state)
{
    enum { IO_URING_SETUP = 425 };
    int status = -1;
    world *w = *state;
    if (!w->sandbox.seccomp) { /* as below */
        assert_true(vk_calls_sanitizer());
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t params[15] = {0};
        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && vk_calls_no_ring() == VK_OK);
        MUST(syscall(IO_URING_SETUP, 4, params) < 0 && errno == ENOSYS);
        MUST(socket(AF_INET, SOCK_STREAM, 0) >= 0 && getpid() > 0); /* all others are as before */
        _exit(0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

static void test_calls(void **state)
{
    world *w = *state;
    static void (*const deadly[])(const world *) = {starts_a_program, traces, mounts, reads_others};
    if (!w->sandbox.seccomp) { /* there is none in a build with a sanitizer, and only there */
        print_message("# %s\n", vk_calls_missing());
        assert_true(vk_calls_sanitizer());
        return;
    }
    for (int r = 0; r < VK_ROLES; r++) {
        assert_int_equal(behind(w, (vk_role)r, usual_calls), 0);
        assert_int_equal(behind(w, (vk_role)r, starts_a_process), 0);
        for (size_t i = 0; i < VK_COUNT(deadly); i++)
            assert_int_equal(behind(w, (vk_role)r, deadly[i]), -SIGSYS);
    }
    assert_int_equal(behind(w, VK_FRONT, no_code), 0);
    assert_int_equal(behind(w, VK_FRONT, no_way_out), 0);
    assert_int_equal(behind(w, VK_KEEPER, no_code), 0);
    assert_int_equal(behind(w, VK_KEEPER, outgoing), 0);
    assert_int_equal(behind(w, VK_KEEPER, accepts_nobody), 0);
    assert_int_equal(behind(w, VK_COURIER, outgoing), 0);
    assert_int_equal(behind(w, VK_COURIER, loads_libcurl), 0);
}

/* ---- what surrounds them */

static void signals_out(const world *w)
{
    MUST(w->sandbox.landlock < VK_LL_ABI_SCOPE ||
         (syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 && errno == EPERM));
}

static void test_signals(void **state)
{
    world *w = *state;
    for (int r = 0; r < VK_ROLES; r++)
        assert_int_equal(behind(w, (vk_role)r, signals_out), 0);
}

static void *waits(void *arg)
{
    pause();
    return arg;
}

/* Landlock would not be around a thread that was there before: refused. */
static void test_too_late(void **state)
{
    world *w = *state;
    int status;
    if (vk_calls_sanitizer()) /* has threads of its own */
        return;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t t;
        char why[VK_WHY_MAX] = "";
        const vk_sandbox_place at = {.data_fd = w->fd, .data_dir = w->dir};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        MUST(pthread_create(&t, NULL, waits, NULL) == 0);
        MUST(vk_sandbox_enter(&w->sandbox, VK_FRONT, &at, why) != VK_OK && strstr(why, "too late"));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_probe(void **state)
{
    vk_owners o = {0};
    vk_sandbox s;
    char why[VK_WHY_MAX];
    VK_UNUSED(state);
    assert_int_equal(vk_sandbox_probe(VK_FENCE_OFF, &o, &s, why), VK_OK);
    assert_false(s.seccomp);
    assert_int_equal(s.landlock, 0);
    assert_non_null(strstr(s.missing, "Landlock (switched off"));
    o.root = true; /* and no user for the roles */
    assert_int_equal(vk_sandbox_probe(VK_FENCE_REQUIRED, &o, &s, why), VK_E_FORBIDDEN);
    assert_non_null(strstr(why, "own user"));
    assert_int_equal(vk_sandbox_probe(VK_FENCE_BEST, &o, &s, why), VK_OK);
    for (int r = 0; r < VK_ROLES; r++)
        o.of[r] = (vk_owner){.other = true, .uid = (uid_t)(100 + r), .name = "valetkey"};
    assert_int_equal(vk_sandbox_probe(VK_FENCE_BEST, &o, &s, why), VK_OK);
    assert_non_null(strstr(s.active, "users valetkey, valetkey, valetkey"));
    assert_null(strstr(s.missing, "own user"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_ring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_late, set_up, tear_down),
        cmocka_unit_test(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
