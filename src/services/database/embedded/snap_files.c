#include "services/database/embedded/snap_files.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char prefix[] = "snapshot.";
enum { FOLDER = 16 + VK_BUILD_ID_MAX, PREFIX = sizeof prefix - 1 };

/* ---- names */

static bool is_id(vk_str s)
{
    if (s.n != VK_SNAP_ID)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (i == 8 || i == 15 ? s.p[i] != '-' : s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

static bool letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool vk_snap_name_ok(vk_str name)
{
    if (name.n == 0 || name.n > VK_SNAP_NAME_MAX || !letter_or_digit(name.p[0]) || is_id(name))
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!letter_or_digit(name.p[i]) && name.p[i] != '.' && name.p[i] != '_' && name.p[i] != '-')
            return false;
    return true;
}

void vk_snap_id(int64_t wall_ms, char id[VK_SNAP_ID + 1])
{
    char text[VK_CLOCK_TEXT]; /* 2026-11-25T03:12:03.123Z */
    vk_clock_text(wall_ms, text);
    snprintf(id, VK_SNAP_ID + 1, "%.4s%.2s%.2s-%.2s%.2s%.2s-%.3s", text, text + 5, text + 8, text + 11,
             text + 14, text + 17, text + 20);
}

/* The moment of an id. */
static int64_t time_of(const char *id)
{
    struct tm tm = {0};
    int ms = 0;
    if (sscanf(id, "%4d%2d%2d-%2d%2d%2d-%3d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &ms) != 7)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000 + ms;
}

bool vk_snap_parse(const char *file, vk_snap *out_r)
{
    if (strncmp(file, prefix, PREFIX) != 0)
        return false;
    vk_str rest = vk_str_z(file + PREFIX), id, kind;
    if (!vk_str_cut(&rest, '.', &id) || !vk_str_cut(&rest, '.', &kind) || !is_id(id) ||
        !(vk_str_eqz(kind, "a") || vk_str_eqz(kind, "m")) || (rest.n && !vk_snap_name_ok(rest)))
        return false;
    *out_r = (vk_snap){.automatic = kind.p[0] == 'a'};
    memcpy(out_r->id, id.p, id.n);
    memcpy(out_r->name, rest.p, rest.n);
    out_r->created_ms = time_of(out_r->id);
    return true;
}

void vk_snap_path(const char *build, const vk_snap *s, char out[VK_SNAP_PATH])
{
    snprintf(out, VK_SNAP_PATH, "builds/%s/%s%s.%c.%s", build, prefix, s->id, s->automatic ? 'a' : 'm',
             s->name);
}

/* ---- the folder */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const vk_snap *)a)->id, ((const vk_snap *)b)->id);
}

static DIR *open_folder(int data_fd, const char *build, vk_err *e_r)
{
    char path[FOLDER];
    snprintf(path, sizeof path, "builds/%s", build);
    int fd = openat(data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *e_r = fd < 0 ? vk_disk_err(errno) : VK_OK;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !d) {
        close(fd);
        *e_r = VK_E_NOMEM;
    }
    return d;
}

vk_err vk_snap_list(int data_fd, const char *build, vk_snap out[VK_SNAP_MAX + 1], size_t *n_r)
{
    vk_err e;
    struct stat st;
    size_t n = 0;
    DIR *d = open_folder(data_fd, build, &e);
    if (!d)
        return e;
    for (struct dirent *x; n <= VK_SNAP_MAX && (x = readdir(d));)
        if (vk_snap_parse(x->d_name, &out[n]) &&
            fstatat(dirfd(d), x->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            out[n++].bytes = st.st_size;
    closedir(d);
    qsort(out, n, sizeof *out, by_id);
    *n_r = n;
    return VK_OK;
}

const vk_snap *vk_snap_find(const vk_snap *all, size_t n, vk_str id_or_name)
{
    for (size_t i = 0; id_or_name.n && i < n; i++)
        if (vk_str_eqz(id_or_name, all[i].id) || (!all[i].automatic && vk_str_eqz(id_or_name, all[i].name)))
            return &all[i];
    return NULL;
}

void vk_snap_new(const vk_snap *all, size_t n, bool automatic, vk_str name, vk_snap *out_r)
{
    int64_t now = vk_clock_wall_ms();
    *out_r = (vk_snap){.automatic = automatic};
    memcpy(out_r->name, name.p ? name.p : "", name.n);
    /* After all others, also when the clock was set back: the order of ids is the order of snapshots. */
    if (n && all[n - 1].created_ms >= now)
        now = all[n - 1].created_ms + 1;
    out_r->created_ms = now;
    vk_snap_id(now, out_r->id);
}

/* ---- limits */

vk_err vk_snap_make_room(int data_fd, const char *build, bool automatic, int64_t bytes, const char *keep)
{
    vk_snap all[VK_SNAP_MAX + 1];
    bool go[VK_SNAP_MAX + 1] = {false};
    size_t n, manual = 0, left;
    int64_t total = bytes;
    vk_err e = vk_snap_list(data_fd, build, all, &n);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    left = n;
    for (size_t i = 0; i < n; i++) {
        total += all[i].bytes;
        manual += !all[i].automatic;
    }
    if (!automatic && manual >= VK_SNAP_MANUAL_MAX)
        return VK_E_CONFLICT;
    for (size_t i = 0; i < n && (left >= VK_SNAP_MAX || total > VK_SNAP_BYTES_MAX); i++) {
        if (!all[i].automatic || (keep && strcmp(keep, all[i].id) == 0))
            continue;
        go[i] = true;
        left--;
        total -= all[i].bytes;
    }
    if (left >= VK_SNAP_MAX || total > VK_SNAP_BYTES_MAX)
        return total > VK_SNAP_BYTES_MAX ? VK_E_FULL : VK_E_CONFLICT;
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        char path[VK_SNAP_PATH];
        if (!go[i])
            continue;
        vk_snap_path(build, &all[i], path);
        e = vk_disk_remove(data_fd, path);
        vk_log(VK_INFO, "an automatic snapshot made room for a newer one", VK_F(build, build),
               VK_F(snapshot, all[i].id));
    }
    return e;
}

/* ---- comparing */

static bool same_bytes(int a, int b)
{
    enum { PIECE = 32 << 10 };
    char x[PIECE], y[PIECE];
    struct stat sa, sb;
    if (fstat(a, &sa) != 0 || fstat(b, &sb) != 0 || sa.st_size != sb.st_size)
        return false;
    for (off_t at = 0; at < sa.st_size;) {
        size_t n = sa.st_size - at < PIECE ? (size_t)(sa.st_size - at) : PIECE;
        if (pread(a, x, n, at) != (ssize_t)n || pread(b, y, n, at) != (ssize_t)n || memcmp(x, y, n) != 0)
            return false;
        at += (off_t)n;
    }
    return true;
}

bool vk_snap_same_file(int data_fd, const char *a, const char *b)
{
    int fd_a = openat(data_fd, a, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int fd_b = openat(data_fd, b, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool same = fd_a >= 0 && fd_b >= 0 && same_bytes(fd_a, fd_b);
    if (fd_a >= 0)
        close(fd_a);
    if (fd_b >= 0)
        close(fd_b);
    return same;
}

/* ---- after a restore that was cut short */

vk_err vk_snap_heal(int data_fd, const char *build)
{
    struct stat db, st;
    char path[VK_SNAP_PATH];
    vk_err e;
    snprintf(path, sizeof path, "builds/%s/database.db", build);
    if (fstatat(data_fd, path, &db, AT_SYMLINK_NOFOLLOW) != 0 || db.st_nlink < 2)
        return VK_OK;
    DIR *d = open_folder(data_fd, build, &e);
    if (!d)
        return e;
    vk_snap s;
    for (struct dirent *x; e == VK_OK && (x = readdir(d));) {
        if (!vk_snap_parse(x->d_name, &s) || fstatat(dirfd(d), x->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            st.st_ino != db.st_ino || st.st_dev != db.st_dev)
            continue;
        vk_snap_path(build, &s, path);
        e = vk_disk_remove(data_fd, path);
        vk_log(VK_WARN, "a restore was cut short; the database is the one from before", VK_F(build, build));
    }
    closedir(d);
    return e;
}
