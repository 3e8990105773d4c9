#include "core/disk.h"
#include "keeper/audit_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, FILES_AT_FIRST = 64 };

_Static_assert((int)BUFFER > 2 * (int)VK_AR_FRAME_MAX, "a frame fits into the buffer");

/* At least `want` bytes from r->at on, or all that there are. */
static vk_err fill(vk_audit_reader *r, size_t want)
{
    if (r->in.n - r->at >= want)
        return VK_OK;
    memmove(r->in.p, r->in.p + r->at, r->in.n - r->at);
    r->in.n -= r->at;
    r->at = 0;
    while (r->in.n < BUFFER) {
        int64_t from = r->offset + (int64_t)r->in.n;
        size_t n = BUFFER - r->in.n;
        if (r->most >= 0 && (int64_t)n > r->most - from)
            n = r->most > from ? (size_t)(r->most - from) : 0;
        ssize_t got = n ? pread(r->fd, r->in.p + r->in.n, n, (off_t)from) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vk_disk_err(errno);
        if (got == 0)
            break;
        r->in.n += (size_t)got;
    }
    return VK_OK;
}

static vk_str left(const vk_audit_reader *r)
{
    return (vk_str){r->in.p + r->at, r->in.n - r->at};
}

static void pass(vk_audit_reader *r, size_t n)
{
    r->at += n;
    r->offset += (int64_t)n;
}

/* Nothing but zeros: its length was on the disk before what was written, and the power went. */
static bool is_blank(int fd)
{
    char part[4096];
    ssize_t n;
    for (off_t at = 0; (n = pread(fd, part, sizeof part, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++)
            if (part[i])
                return false;
    return n == 0;
}

vk_err vk_audit_reader_open(vk_audit_reader *r, int dir_fd, const char *name, int64_t most)
{
    struct stat st;
    *r = (vk_audit_reader){.most = most, .why = "its header was changed"};
    vk_buf_init(&r->in, BUFFER);
    r->fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (r->fd < 0)
        return errno == ELOOP ? VK_E_CORRUPT : vk_disk_err(errno);
    vk_err e = fstat(r->fd, &st) != 0         ? vk_disk_err(errno)
               : !S_ISREG(st.st_mode)         ? VK_E_CORRUPT
               : !vk_buf_room(&r->in, BUFFER) ? VK_E_NOMEM
                                              : fill(r, VK_AR_HEADER);
    if (e == VK_OK)
        e = vk_audit_header_read(left(r), &r->header, r->h);
    if (e == VK_E_CORRUPT && is_blank(r->fd))
        e = VK_AGAIN;
    if (e == VK_OK && r->header.number != vk_audit_file_number(name)) {
        r->why = "it has another file's name";
        e = VK_E_CORRUPT;
    }
    if (e == VK_OK)
        pass(r, VK_AR_HEADER);
    else
        vk_audit_reader_close(r);
    return e;
}

vk_err vk_audit_reader_next(vk_audit_reader *r, vk_audit_record *out_r, vk_audit_frame *frame_r)
{
    vk_audit_frame f;
    uint8_t h[VK_SHA256];
    vk_err e = fill(r, VK_AR_FRAME_MAX);
    if (e != VK_OK)
        return e;
    if (left(r).n == 0)
        return VK_E_NOT_FOUND;
    memcpy(h, r->h, sizeof h);
    e = vk_audit_frame_read(left(r), h, &f, &r->why);
    if (e != VK_OK)
        return e;
    if (vk_audit_decode(f.record, out_r) != VK_OK) {
        r->why = "its fields cannot be read";
        return VK_E_CORRUPT;
    }
    memcpy(r->h, h, sizeof h);
    pass(r, f.n);
    if (frame_r)
        *frame_r = f;
    return VK_OK;
}

bool vk_audit_reader_skip(vk_audit_reader *r)
{
    vk_str s = left(r);
    size_t n = s.n < 4 ? 0
                       : (size_t)(unsigned char)s.p[0] << 24 | (size_t)(unsigned char)s.p[1] << 16 |
                             (size_t)(unsigned char)s.p[2] << 8 | (size_t)(unsigned char)s.p[3];
    if (n == 0 || n > VK_AR_MAX || s.n < n + VK_AR_AROUND)
        return false;
    memcpy(r->h, s.p + 4 + n, VK_SHA256);
    pass(r, n + VK_AR_AROUND);
    return true;
}

void vk_audit_reader_close(vk_audit_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    vk_buf_free(&r->in);
}

/* ---- which there are */

static int ascending(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

vk_err vk_audit_files(int dir_fd, uint64_t **out_r, size_t *n_r)
{
    uint64_t *all = NULL;
    size_t n = 0, cap = 0;
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    vk_err e = d ? VK_OK : vk_disk_err(errno);
    if (!d && fd >= 0)
        close(fd);
    for (struct dirent *x; e == VK_OK && (x = readdir(d));) {
        uint64_t number = vk_audit_file_number(x->d_name);
        if (!number)
            continue;
        if (n == cap) {
            size_t more = cap ? 2 * cap : FILES_AT_FIRST;
            uint64_t *grown = more <= VK_ARD_FILES ? realloc(all, more * sizeof *all) : NULL;
            if (!grown) {
                e = more <= VK_ARD_FILES ? VK_E_NOMEM : VK_E_TOO_LARGE;
                break;
            }
            all = grown;
            cap = more;
        }
        all[n++] = number;
    }
    if (d)
        closedir(d);
    if (e != VK_OK) {
        free(all);
        return e;
    }
    if (n)
        qsort(all, n, sizeof *all, ascending);
    *out_r = all;
    *n_r = n;
    return VK_OK;
}
