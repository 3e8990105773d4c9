/* restart: tells the supervisor, by the process id in the data folder's lock, and waits for how it went
 * (daemon/restart.c). */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 10,
    WAIT_MS = 90000, /* the daemon bounds each of its steps; together they are shorter */
    STATUS_MAX = 16384,
};

const char vk_help_restart[] =
    "Usage: valetkey restart [--data DIR] [--json]\n"
    "\n"
    "Puts the program that now lies where the running daemon was started from in its place, with the same\n"
    "arguments and the same process id, and waits until it serves: the way to upgrade, and to read a "
    "changed\n"
    "configuration. No request fails for it: connections are handed over, new ones wait some milliseconds. "
    "Open\n"
    "transactions have 9 s to end, WebSockets are closed with code 1012 (docs/DEPLOY.md).\n"
    "\n"
    "When the new program cannot start, says why and exits with 1; the old one goes on serving. Listeners "
    "and\n"
    "the data folder cannot change this way. SIGUSR2 to the daemon does the same.\n"
    "\n"
    "Examples:\n"
    "  valetkey restart\n"
    "  valetkey restart --data /var/lib/valetkey --json\n";

typedef struct status {
    int64_t number; /* 0: there was no restart yet */
    bool running, done;
    char version[64], why[1024];
} status;

/* The folder may be front's user's: what stands there is shown, and must not steer the terminal. */
static void copy(char *out, size_t room, vk_str s)
{
    size_t n = s.n < room ? s.n : room - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        out[i] = c < ' ' || c == 0x7f || c == '\\' ? '?' : c == '"' ? '\'' : s.p[i];
    }
    out[n] = '\0';
}

static void read_status(int data_fd, status *out)
{
    vk_buf text;
    vk_json *j;
    vk_arena *a = vk_arena_new(64 * 1024);
    *out = (status){0};
    vk_buf_init(&text, STATUS_MAX + 4096);
    if (a && vk_disk_read(data_fd, "restart.json", STATUS_MAX, &text) == VK_OK &&
        vk_json_parse(a, vk_buf_view(&text), &j, NULL, NULL) == VK_OK &&
        vk_json_i64(vk_json_get(j, VK_STR("number")), &out->number) == VK_OK) {
        vk_str state = vk_json_str(vk_json_get(j, VK_STR("state")));
        out->running = vk_str_eqz(state, "running");
        out->done = vk_str_eqz(state, "done");
        copy(out->version, sizeof out->version, vk_json_str(vk_json_get(j, VK_STR("version"))));
        copy(out->why, sizeof out->why, vk_json_str(vk_json_get(j, VK_STR("why"))));
    }
    vk_buf_free(&text);
    vk_arena_free(a);
}

/* The supervisor's process id; 0: no daemon has the folder. */
static pid_t daemon_of(int data_fd)
{
    char text[16] = "";
    int64_t pid = 0;
    int fd = openat(data_fd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    bool held = n > 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    if (fd >= 0)
        close(fd);
    if (!held || vk_str_to_i64((vk_str){text, (size_t)n}, &pid) != VK_OK || pid <= 1 || pid > INT32_MAX)
        return pid == 1 && held ? 1 : 0;
    return (pid_t)pid;
}

/* A daemon of before this command would be ended by the signal. It is blocked in one that waits for it. */
static bool knows_the_signal(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *blocked = strstr(text, "\nSigBlk:");
    return blocked && (strtoull(blocked + 8, NULL, 16) >> (SIGUSR2 - 1) & 1);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
}

static int report(bool json, const status *s, int64_t ms)
{
    if (!s->done)
        return vk_failed("restart_failed", "The restart failed, and the daemon goes on as it was. %s",
                         s->why);
    if (json)
        printf("{\"state\":\"done\",\"number\":%lld,\"version\":\"%s\",\"ms\":%lld}\n", (long long)s->number,
               s->version, (long long)ms);
    else
        printf("Restarted in %lld ms: version %s serves.\n", (long long)ms, s->version);
    return VK_EXIT_OK;
}

static int restart(int data_fd, const char *dir, bool json)
{
    status before, now;
    pid_t pid = daemon_of(data_fd);
    int64_t begun = vk_clock_mono_ms();
    if (!pid)
        return vk_failed("no_daemon", "No daemon runs on %s. Start one with `valetkey serve`.", dir);
    read_status(data_fd, &before);
    if (before.running)
        return vk_failed("restarting", "The daemon on %s is restarting already; wait for that to end.", dir);
    if (!knows_the_signal(pid))
        return vk_failed("too_old",
                         "The daemon on %s (process %ld) is just starting, or of a version that cannot be "
                         "restarted this way. Stop it and start it again.",
                         dir, (long)pid);
    if (kill(pid, SIGUSR2) != 0)
        return vk_failed("not_allowed",
                         "The daemon on %s (process %ld) cannot be told: %s. Run this as its user.", dir,
                         (long)pid, vk_errno_text(errno));
    while (vk_clock_mono_ms() - begun < WAIT_MS) {
        nap();
        read_status(data_fd, &now);
        if (now.number > before.number && !now.running)
            return report(json, &now, vk_clock_mono_ms() - begun);
        if (!daemon_of(data_fd))
            return vk_failed("ended", "The daemon on %s ended meanwhile; its log says why.", dir);
    }
    return vk_failed("no_answer",
                     "The daemon on %s did not say how the restart went within %d s; its log says more.", dir,
                     WAIT_MS / 1000);
}

int vk_cmd_restart(int argc, char **argv)
{
    const char *data = NULL;
    bool json = false;
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    const char *dir = vk_data_dir(data);
    int data_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (data_fd < 0)
        return vk_failed("no_data", "The data folder %s cannot be opened: %s. Name it with --data DIR.", dir,
                         vk_errno_text(errno));
    int code = restart(data_fd, dir, json);
    close(data_fd);
    return code;
}
