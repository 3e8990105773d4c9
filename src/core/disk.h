/* Files that must survive a power cut: the only place, beside SQLite, that creates, renames or syncs them.
 * The power-cut test (tests/crash) records every call below a data folder and shows that no sync here can be
 * left out. */
#ifndef VK_DISK_H
#define VK_DISK_H

#include "core/base.h"

/* All paths are relative to `dirfd` and of ours (never built from a request's bytes). `mode` as for open(2).
 */

/* Creates the folder and syncs its parent. An existing one is VK_OK; a file or link of that name is
 * VK_E_CONFLICT. */
VK_MUSTCHECK vk_err vk_disk_mkdir(int dirfd, const char *path, unsigned mode);
/* Writes the whole file under a temporary name, syncs it, renames it over `path` and syncs the folder: after
 * a power cut the old or the new content is there, never a torn one. VK_E_FULL when the disk is. */
VK_MUSTCHECK vk_err vk_disk_replace(int dirfd, const char *path, vk_str content, unsigned mode);
/* A new file, written in pieces: begin, add, end, which syncs and closes it, also when it says why it could
 * not. Its name is not synced (vk_disk_sync_dir). VK_E_CONFLICT: `path` exists. */
VK_MUSTCHECK vk_err vk_disk_begin(int dirfd, const char *path, unsigned mode, int *fd_r);
VK_MUSTCHECK vk_err vk_disk_add(int fd, vk_str piece);
VK_MUSTCHECK vk_err vk_disk_end(int fd);
/* Whole file of at most `max` bytes into `out` (whose own bytes are kept in front). VK_E_NOT_FOUND,
 * VK_E_TOO_LARGE. */
struct vk_buf;
VK_MUSTCHECK vk_err vk_disk_read(int dirfd, const char *path, size_t max, struct vk_buf *out);
/* Syncs the folder `path` itself (its names). */
VK_MUSTCHECK vk_err vk_disk_sync_dir(int dirfd, const char *path);
enum { VK_DISK_DEEP = 3 };
/* Removes what is in a folder, folders at most VK_DISK_DEEP deep too, and keeps it. Absent is VK_OK. */
VK_MUSTCHECK vk_err vk_disk_empty_dir(int dirfd, const char *path);
/* Removes a folder with all that is in it, folders at most VK_DISK_DEEP deep (itself, blobs/, blobs/a/ of a
 * build), then syncs the parent. Absent is VK_OK. What is deeper stays, and is an error. */
VK_MUSTCHECK vk_err vk_disk_remove_dir(int dirfd, const char *path);
/* A copy of the plain file `from`, new and synced; its name is not (vk_disk_move does that). VK_E_CONFLICT:
 * `to` exists. */
VK_MUSTCHECK vk_err vk_disk_copy(int dirfd, const char *from, const char *to, unsigned mode);
/* Syncs a plain file or a folder and gives it the name `to`, over what had that name (a folder: only an empty
 * one), then syncs both folders: after a power cut `to` is the old file or the whole new one. *moved_r: the
 * name has changed (also when the last sync failed). */
VK_MUSTCHECK vk_err vk_disk_move(int dirfd, const char *from, const char *to, bool *moved_r);
/* A second name for a plain file, on stable storage. VK_E_CONFLICT: `to` exists. VK_E_UNSUPPORTED: this file
 * system has no second names. */
VK_MUSTCHECK vk_err vk_disk_link(int dirfd, const char *from, const char *to);
/* Syncs the bytes of a file that vk_disk_begin made, and leaves it open: in place of vk_disk_end, with
 * close(2). A failed sync is never tried again: the kernel may have dropped what it could not write. */
VK_MUSTCHECK vk_err vk_disk_sync(int fd);
/* `n` bytes of `in` from `at` on, to the end of `out`; inside the kernel where the file system can (shared
 * blocks on those that have them). VK_E_CORRUPT: `in` ends before. */
VK_MUSTCHECK vk_err vk_disk_append_from(int out, int in, int64_t at, int64_t n);
/* A file that is there, opened for writing behind its end; as vk_disk_begin. No link is followed. */
VK_MUSTCHECK vk_err vk_disk_continue(int dirfd, const char *path, int *fd_r);
/* Takes `n` bytes of space from `at` on for the file, which stays as long as it is: writes there cannot fail
 * for want of space. VK_E_FULL; VK_E_UNSUPPORTED: this file system cannot. */
VK_MUSTCHECK vk_err vk_disk_allocate(int fd, int64_t at, int64_t n);
/* Gives back what was allocated behind `size`, the file's length. */
VK_MUSTCHECK vk_err vk_disk_trim(int fd, int64_t size);
/* Removes a name only: after a power cut it may be there again. Absent is VK_OK. */
VK_MUSTCHECK vk_err vk_disk_unlink(int dirfd, const char *path);
/* Removes a file's name and syncs its folder. Absent is VK_OK. */
VK_MUSTCHECK vk_err vk_disk_remove(int dirfd, const char *path);
/* errno of a failed call as a kind: ENOSPC and EDQUOT are VK_E_FULL, ENOENT is VK_E_NOT_FOUND. */
vk_err vk_disk_err(int err);

#endif
