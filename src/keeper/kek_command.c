#include "keeper/kek.h"

#include "core/clock.h"
#include "core/json_read.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { TEXT_MAX = 4096, ENV_MAX = 1024, NAP_NS = 2 * 1000 * 1000 };

/* ---- what is to be run */

/* Words with blanks between them, or a JSON array of texts for words with blanks in them. No shell, so no
 * quotes, no variables. Into `argv`, whose texts are in `a`. */
static bool words_of(vk_arena *a, vk_str text, char *argv[VK_KEK_ARGS + 1])
{
    size_t n = 0;
    vk_json *list = NULL;
    text = vk_str_trim(text);
    if (text.n && *text.p == '[' && vk_json_parse(a, text, &list, NULL, NULL) != VK_OK)
        return false;
    const vk_json *item = list ? list->u.child : NULL;
    for (;;) {
        vk_str word = VK_STR_NONE;
        if (list) {
            if (!item)
                break;
            word = vk_json_str(item);
            item = item->next;
        } else {
            if (!vk_str_cut(&text, ' ', &word)) {
                word = text;
                text.n = 0;
            }
            if (!word.n && !text.n)
                break;
            if (!word.n)
                continue;
        }
        word =
            word.p && !memchr(word.p, '\0', word.n) && n < VK_KEK_ARGS ? vk_arena_dup(a, word) : VK_STR_NONE;
        if (!word.p)
            return false;
        argv[n++] = (char *)(uintptr_t)word.p;
    }
    argv[n] = NULL;
    return n > 0 && argv[0][0] == '/';
}

/* The environment without what is meant for us. */
static void environment_of(char *out[ENV_MAX + 1])
{
    size_t n = 0;
    for (char **e = environ; e && *e && n < ENV_MAX; e++)
        if (strncmp(*e, "VALETKEY_", 9) != 0)
            out[n++] = *e;
    out[n] = NULL;
}

static void child(char *const argv[], char *const env[], int out)
{
    static const int usual[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD};
    int null = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    for (size_t i = 0; i < VK_COUNT(usual); i++)
        signal(usual[i], SIG_DFL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    execve(argv[0], argv, env);
    _exit(127);
}

/* ---- what it says */

static int left_ms(int64_t end)
{
    int64_t left = end - vk_clock_mono_ms();
    return left > 0 ? (int)left : 0;
}

/* Until its end or the deadline. False: too long, or too much. */
static bool read_all(int fd, char *text, size_t *n_r, int64_t end)
{
    *n_r = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, left_ms(end)) <= 0) {
            if (errno == EINTR && left_ms(end) > 0)
                continue;
            return false;
        }
        ssize_t got = read(fd, text + *n_r, TEXT_MAX - *n_r);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *n_r += got > 0 ? (size_t)got : 0;
        if (*n_r == TEXT_MAX)
            return false;
    }
}

/* Its exit status; -1: it had to be ended. */
static int wait_for(pid_t pid, int64_t end)
{
    int status = 0;
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            break;
        if (left_ms(end) == 0) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL); /* it may not have its group yet */
            waitpid(pid, &status, 0);
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static vk_err run(char *const argv[], uint8_t kek[VK_ENTRY_KEK], char *text, char why[VK_VAULT_WHY])
{
    int ends[2];
    size_t n = 0;
    char *env[ENV_MAX + 1];
    int64_t end = vk_clock_mono_ms() + VK_KEK_COMMAND_MS;
    environment_of(env);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return vk_vault_say(why, VK_E_IO, "The key command cannot be run: %s.", vk_errno_text(errno));
    pid_t pid = fork();
    if (pid == 0)
        child(argv, env, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return vk_vault_say(why, VK_E_IO, "The key command cannot be run: %s.", vk_errno_text(errno));
    }
    bool whole = read_all(ends[0], text, &n, end);
    close(ends[0]);
    bool late = !whole && n < TEXT_MAX;
    int status = wait_for(pid, whole ? end : 0);
    if (late || (status == -1 && whole))
        return vk_vault_say(why, VK_E_TIMEOUT, "The key command %.300s did not end within %d seconds.",
                            argv[0], VK_KEK_COMMAND_MS / 1000);
    if (status == 127 || status == 126)
        return vk_vault_say(why, VK_E_NOT_FOUND,
                            "The key command %.300s cannot be run: it is not there, or it is no program.",
                            argv[0]);
    if (status != 0 && whole)
        return vk_vault_say(
            why, VK_E_UNAVAILABLE,
            "The key command %.300s failed (%d); what it said is in the lines before. Nothing else is "
            "tried.",
            argv[0], status);
    if (!whole || !vk_kek_parse((vk_str){text, n}, kek))
        return vk_vault_say(
            why, VK_E_CORRUPT,
            "The key command %.300s did not print a key: it must be one line with the base64 of 32 "
            "bytes (besides lines that begin with #).",
            argv[0]);
    return VK_OK;
}

vk_err vk_kek_command(const char *command, uint8_t kek[VK_ENTRY_KEK], char why[VK_VAULT_WHY])
{
    char *argv[VK_KEK_ARGS + 1], *text = sodium_malloc(TEXT_MAX);
    vk_arena *a = vk_arena_new(64 * 1024);
    vk_err e = VK_E_NOMEM;
    if (!text || !a)
        vk_vault_say(why, e, "There is not enough memory to run the key command.");
    else if (!words_of(a, vk_str_z(command), argv))
        e = vk_vault_say(
            why, VK_E_INVALID,
            "The key command must begin with the absolute path of a program, with blanks between its "
            "words, or be a JSON array of texts.");
    else
        e = run(argv, kek, text, why);
    vk_arena_free(a);
    sodium_free(text); /* wiped */
    return e;
}
