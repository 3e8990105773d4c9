#include "cli/history.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = VK_HISTORY_LINES * 512 };

/* ---- what may be written */

static bool holds(vk_str s, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.n; i++)
        if (vk_str_ieq((vk_str){s.p + i, n}, (vk_str){word, n}))
            return true;
    return false;
}

/* The valet keys' own shape, vk_<letter>_<letters and digits>. */
static bool holds_valet_key(vk_str s)
{
    for (size_t i = 0; i + 8 < s.n; i++)
        if (s.p[i] == 'v' && s.p[i + 1] == 'k' && s.p[i + 2] == '_' && s.p[i + 4] == '_' &&
            isalnum((unsigned char)s.p[i + 5]))
            return true;
    return false;
}

bool vk_history_may_keep(vk_str statement)
{
    static const char *const shapes[] = {"sk_live_", "sk_test_", "rk_live_",   "rk_test_",
                                         "whsec_",   "eyJ",      "AKIA",       "ASIA",
                                         "ghp_",     "xoxb-",    "-----BEGIN", "authToken="};
    static const char *const words[] = {"password",   "passwd",      "passphrase", "secret",
                                        "token",      "api_key",     "apikey",     "api-key",
                                        "credential", "private_key", "access_key"};
    if (statement.n && (statement.p[0] == ' ' || statement.p[0] == '\t'))
        return false;
    if (holds_valet_key(statement))
        return false;
    for (size_t i = 0; i < VK_COUNT(shapes); i++)
        if (holds(statement, shapes[i]))
            return false;
    bool quoted =
        statement.n && (memchr(statement.p, '\'', statement.n) || memchr(statement.p, '"', statement.n));
    for (size_t i = 0; quoted && i < VK_COUNT(words); i++)
        if (holds(statement, words[i]))
            return false;
    return true;
}

/* ---- in memory */

void vk_history_add(vk_history *h, vk_str line)
{
    if (line.n == 0 || line.n > VK_HISTORY_LINE || (h->n && vk_str_eqz(line, h->line[h->n - 1])))
        return;
    char *z = strndup(line.p, line.n);
    if (!z)
        return;
    if (h->n == VK_HISTORY_LINES) {
        free(h->line[0]);
        memmove(h->line, h->line + 1, (VK_HISTORY_LINES - 1) * sizeof *h->line);
        h->n--;
    }
    h->line[h->n++] = z;
}

void vk_history_close(vk_history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        vk_wipe(h->line[i], strlen(h->line[i]));
        free(h->line[i]);
    }
    h->n = 0;
}

/* ---- the file */

/* Makes the folders in front of the last slash; false when one cannot be. */
static bool make_folders(const char *path)
{
    char part[PATH_MAX];
    for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static bool usual_path(char out[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (state && state[0] == '/')
        n = snprintf(out, PATH_MAX, "%s/valetkey/history", state);
    else if (home && home[0] == '/')
        n = snprintf(out, PATH_MAX, "%s/.local/state/valetkey/history", home);
    return n > 0 && n < PATH_MAX;
}

/* Ours, a plain file, for nobody else: whatever it was before. -1: it cannot be. */
static int open_file(const char *path, int flags)
{
    struct stat st;
    int fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || fchmod(fd, 0600) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void write_file(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return;
        p += w;
        n -= (size_t)w;
    }
}

/* A file that has grown too long is written anew with what is remembered of it. */
static void shorten(vk_history *h)
{
    char tmp[PATH_MAX + 8];
    snprintf(tmp, sizeof tmp, "%s.new", h->path);
    unlink(tmp);
    int fd = open_file(tmp, O_WRONLY | O_EXCL);
    if (fd < 0)
        return;
    for (size_t i = 0; i < h->n; i++) {
        write_file(fd, h->line[i], strlen(h->line[i]));
        write_file(fd, "\n", 1);
    }
    close(fd);
    if (rename(tmp, h->path) != 0)
        unlink(tmp);
}

static void read_file(vk_history *h, int fd)
{
    struct stat st;
    char *text = malloc(FILE_MAX);
    if (!text || fstat(fd, &st) != 0) {
        free(text);
        return;
    }
    bool cut = st.st_size > FILE_MAX;
    ssize_t n = pread(fd, text, FILE_MAX, cut ? st.st_size - FILE_MAX : 0);
    vk_str all = {text, n > 0 ? (size_t)n : 0}, line;
    if (cut && !vk_str_cut(&all, '\n', &line)) /* the first one has lost its beginning */
        all.n = 0;
    size_t seen = 0;
    for (; vk_str_cut(&all, '\n', &line); seen++)
        vk_history_add(h, line);
    free(text);
    if (cut || seen > 2 * VK_HISTORY_LINES)
        shorten(h);
}

void vk_history_open(vk_history *h, const char *path)
{
    *h = (vk_history){0};
    if (path)
        snprintf(h->path, sizeof h->path, "%s", path);
    else if (!usual_path(h->path))
        h->path[0] = '\0';
    int fd = h->path[0] && make_folders(h->path) ? open_file(h->path, O_RDWR) : -1;
    if (fd < 0) {
        h->path[0] = '\0';
        return;
    }
    read_file(h, fd);
    close(fd);
}

void vk_history_keep(vk_history *h, vk_str statement)
{
    while (statement.n && (statement.p[statement.n - 1] == '\n' || statement.p[statement.n - 1] == '\r'))
        statement.n--;
    if (!h->path[0] || statement.n == 0 || statement.n > VK_HISTORY_LINE || !vk_history_may_keep(statement))
        return;
    int fd = open_file(h->path, O_WRONLY | O_APPEND);
    if (fd < 0)
        return;
    vk_buf b;
    vk_buf_init(&b, VK_HISTORY_LINE + 1);
    vk_buf_str(&b, statement);
    vk_buf_ch(&b, '\n');
    write_file(fd, b.p, b.n);
    close(fd);
    vk_buf_free(&b);
}
