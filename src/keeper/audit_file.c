#include "keeper/audit_file.h"

#include "core/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void took(vk_audit_file *f, int fd, uint64_t number, int64_t size, const struct stat *st)
{
    f->fd = fd;
    f->number = number;
    vk_audit_file_name(number, f->name);
    f->size = f->room = size;
    f->dev = st->st_dev;
    f->ino = st->st_ino;
    f->allocates = true;
}

vk_err vk_audit_file_begin(vk_audit_file *f)
{
    vk_err e = VK_E_CONFLICT;
    for (uint64_t i = 1; e == VK_E_CONFLICT && i <= VK_AF_NUMBERS_TRIED; i++) {
        struct stat st;
        char name[VK_AR_NAME];
        int fd;
        vk_audit_file_name(f->number + i, name);
        e = vk_disk_begin(f->dir_fd, name, 0600, &fd);
        if (e == VK_OK && fstat(fd, &st) != 0) {
            e = vk_disk_err(errno);
            close(fd);
        }
        if (e == VK_OK)
            took(f, fd, f->number + i, 0, &st);
    }
    return e;
}

vk_err vk_audit_file_named(vk_audit_file *f)
{
    return vk_disk_sync_dir(f->dir_fd, ".");
}

void vk_audit_file_undo(vk_audit_file *f)
{
    close(f->fd);
    f->fd = -1;
    if (vk_disk_unlink(f->dir_fd, f->name) == VK_OK)
        f->number--;
}

vk_err vk_audit_file_continue(vk_audit_file *f, uint64_t number, int64_t size)
{
    char name[VK_AR_NAME];
    struct stat st;
    int fd;
    vk_audit_file_name(number, name);
    vk_err e = vk_disk_continue(f->dir_fd, name, &fd);
    if (e != VK_OK)
        return e;
    if (fstat(fd, &st) != 0)
        e = vk_disk_err(errno);
    else if (!S_ISREG(st.st_mode) || st.st_size != size)
        e = VK_E_CONFLICT;
    if (e == VK_OK)
        took(f, fd, number, size, &st);
    else
        close(fd);
    return e;
}

/* ---- space */

static int64_t free_bytes(vk_audit_file *f)
{
    struct statvfs v;
    if (fstatvfs(f->fd, &v) != 0)
        return INT64_MAX;
    int64_t n = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    f->low = n < VK_AF_LOW;
    return n;
}

static vk_err without_allocating(vk_audit_file *f, int64_t n)
{
    int64_t there = free_bytes(f);
    f->room = f->size; /* nothing is ours before it is written */
    return there >= n + f->reserve ? VK_OK : VK_E_FULL;
}

vk_err vk_audit_file_room(vk_audit_file *f, int64_t n)
{
    if (f->room - f->size >= n + f->reserve)
        return VK_OK;
    if (!f->allocates)
        return without_allocating(f, n);
    int64_t ahead = f->reserve < VK_AF_AHEAD ? f->reserve : VK_AF_AHEAD,
            to = f->size + n + f->reserve + ahead;
    vk_err e = vk_disk_allocate(f->fd, f->room, to - f->room);
    if (e == VK_E_FULL && ahead) {
        to -= ahead;
        e = vk_disk_allocate(f->fd, f->room, to - f->room);
    }
    if (e == VK_E_UNSUPPORTED) {
        f->allocates = false;
        return without_allocating(f, n);
    }
    (void)free_bytes(f);
    f->low = f->low || e == VK_E_FULL;
    if (e == VK_OK)
        f->room = to;
    return e;
}

int64_t vk_audit_file_left(const vk_audit_file *f)
{
    return f->allocates ? f->room - f->size : f->reserve;
}

/* ---- is it still ours */

const char *vk_audit_file_look(const vk_audit_file *f)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0 || st.st_nlink == 0)
        return "gone";
    if (st.st_size != f->size)
        return st.st_size < f->size ? "cut" : "grown";
    return NULL;
}

const char *vk_audit_file_check(const vk_audit_file *f)
{
    struct stat st, dir;
    const char *word = vk_audit_file_look(f);
    if (word)
        return word;
    if (fstatat(f->dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return "gone";
    if (st.st_dev != f->dev || st.st_ino != f->ino || !S_ISREG(st.st_mode))
        return "replaced";
    if (f->data_fd < 0)
        return NULL;
    if (fstat(f->dir_fd, &dir) != 0 || fstatat(f->data_fd, VK_AF_FOLDER, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        st.st_dev != dir.st_dev || st.st_ino != dir.st_ino)
        return "moved";
    return NULL;
}

/* ---- writing */

vk_err vk_audit_file_add(vk_audit_file *f, vk_str bytes)
{
    vk_err e = vk_disk_add(f->fd, bytes);
    if (e == VK_OK)
        f->size += (int64_t)bytes.n;
    return e;
}

vk_err vk_audit_file_sync(vk_audit_file *f)
{
    return vk_disk_sync(f->fd);
}

void vk_audit_file_leave(vk_audit_file *f, bool whole)
{
    if (f->fd < 0)
        return;
    if (whole && f->room > f->size && vk_disk_trim(f->fd, f->size) != VK_OK)
        f->low = true; /* the space stays allocated; nothing is wrong with what is written */
    close(f->fd);
    f->fd = -1;
    f->size = f->room = 0;
}
