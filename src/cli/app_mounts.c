/* A folder can be there under several names: bind mounts, a file system that is mounted as a whole beside a
 * part of it (proc(5), /proc/<pid>/mountinfo). What is covered under one name must be under all of them. */
#include "cli/app_fence.h"

#include <stdlib.h>
#include <sys/stat.h>

typedef struct mounted {
    char dev[32], root[PATH_MAX], at[PATH_MAX]; /* `root` of that file system is at `at` */
} mounted;

/* "\040" is a space. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

static bool next(FILE *f, char **line, size_t *room, mounted *m)
{
    while (getline(line, room, f) > 0)
        if (sscanf(*line, "%*s %*s %31s %4095s %4095s", m->dev, m->root, m->at) == 3) {
            unescape(m->root);
            unescape(m->at);
            return true;
        }
    return false;
}

/* What `path` has after `folder`, which it is or lies in; NULL: it does not. */
static const char *after(const char *path, const char *folder)
{
    size_t n = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n : NULL;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Its file system and its path there. */
static bool locate(FILE *f, char **line, size_t *room, const char *path, mounted *m,
                   char inside[2 * PATH_MAX])
{
    mounted one;
    bool found = false;
    rewind(f);
    while (next(f, line, room, &one)) /* of several at one place the last is on top */
        if (after(path, one.at) && (!found || strlen(one.at) >= strlen(m->at))) {
            *m = one;
            found = true;
        }
    if (found)
        snprintf(inside, 2 * PATH_MAX, "%s%s", strcmp(m->root, "/") == 0 ? "" : m->root, after(path, m->at));
    return found;
}

void vk_secrets_add_mounted(vk_secrets *s, size_t n)
{
    static mounted home, one;
    static char inside[2 * PATH_MAX], other[3 * PATH_MAX];
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    for (size_t i = 0; f && i < n; i++) {
        if (!locate(f, &line, &room, s->path[i], &home, inside))
            continue;
        rewind(f);
        while (next(f, &line, &room, &one)) {
            const char *rest = strcmp(one.dev, home.dev) == 0 ? after(inside, one.root) : NULL;
            if (!rest)
                continue;
            snprintf(other, sizeof other, "%s%s", strcmp(one.at, "/") == 0 ? "" : one.at, rest);
            if (other[0] && same_file(other, s->path[i]))
                vk_secrets_add(s, other);
        }
    }
    free(line);
    if (f)
        fclose(f);
}
