#include "cli/ask.h"

#include "cli/cli.h"
#include "cli/out.h"

#include <signal.h>
#include <stdarg.h>
#include <termios.h>
#include <unistd.h>

bool vk_ask_yes(const char *fmt, ...)
{
    char line[16];
    va_list ap;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return true;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, " [y/N] ");
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static struct termios shown; /* the terminal as it was */

/* Only calls that a handler may make: whoever interrupts the command can see again what they type. */
static void on_end(int sig)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &shown);
    raise(sig); /* its own action is in force again (SA_RESETHAND) */
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void hide(struct sigaction before[VK_COUNT(ends)])
{
    struct sigaction a = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    for (size_t i = 0; i < VK_COUNT(ends); i++)
        sigaction(ends[i], &a, &before[i]);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
}

static void show(const struct sigaction before[VK_COUNT(ends)])
{
    tcsetattr(STDIN_FILENO, TCSANOW, &shown);
    for (size_t i = 0; i < VK_COUNT(ends); i++)
        sigaction(ends[i], &before[i], NULL);
    fprintf(stderr, "\n");
}

int vk_ask_line(const char *what, bool visible, char *out, size_t room)
{
    struct sigaction before[VK_COUNT(ends)];
    size_t n = 0;
    ssize_t got = 1;
    bool hides = !visible && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (hides)
        hide(before); /* before it is asked: nothing that is typed or pasted at once is shown, or lost */
    fprintf(stderr, "%s: ", what);
    while (got > 0 && n < room - 1 && !(n && out[n - 1] == '\n')) {
        got = read(STDIN_FILENO, out + n, room - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (hides)
        show(before);
    bool line = n && out[n - 1] == '\n';
    out[line ? n - 1 : n] = '\0';
    if (line && memchr(out, '\0', n - 1) == NULL)
        return VK_EXIT_OK;
    return got <= 0 ? vk_failed("invalid", "The input ended, so nothing was done.")
                    : vk_failed("invalid",
                                "A line of the input is longer than %zu bytes, or has a NUL byte; "
                                "nothing was done.",
                                room - 2);
}

int vk_ask_secret(const char *what, char *out, size_t room)
{
    bool asks = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    struct sigaction before[VK_COUNT(ends)];
    size_t n = 0;
    ssize_t got = 1;
    if (asks) {
        hide(before);
        fprintf(stderr, "%s: ", what);
    }
    while (got > 0 && n < room - 1 && !(asks && n && out[n - 1] == '\n')) {
        got = read(STDIN_FILENO, out + n, room - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (asks)
        show(before);
    bool whole = n < room - 1 && memchr(out, '\0', n) == NULL;
    if (n && out[n - 1] == '\n')
        n--;
    if (n && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
    if (!n)
        return vk_failed("invalid", "Nothing came from standard input, so nothing was done.");
    if (!whole)
        return vk_failed("invalid",
                         "The text from standard input is longer than %zu bytes, or has a NUL byte; "
                         "nothing was done.",
                         room - 2);
    return VK_EXIT_OK;
}
