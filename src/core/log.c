#include "core/log.h"

#include "core/clock.h"

#include <stdarg.h>
#include <unistd.h>

static const char *role_name = "valetkey";
static vk_level least_level = VK_INFO;

void vk_log_init(const char *role, vk_level least)
{
    role_name = role;
    least_level = least;
}

void vk_log(vk_level level, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char line[1024], when[VK_CLOCK_TEXT];
    if (level < least_level)
        return;
    vk_clock_text(vk_clock_wall_ms(), when);
    size_t n = (size_t)snprintf(line, sizeof line, "%s %s %s ", when, names[level], role_name), text = n;
    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(line + n, sizeof line - n, fmt, ap);
    va_end(ap);
    if (more > 0)
        n += (size_t)more;
    if (n > sizeof line - 1)
        n = sizeof line - 1;
    for (size_t i = text; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';
    ssize_t done = write(STDERR_FILENO, line, n);
    VK_UNUSED(done); /* a log that cannot be written has nowhere to say so */
}

const char *vk_errno_text(int err)
{
    static _Thread_local char text[128];
    return strerror_r(err, text, sizeof text);
}
