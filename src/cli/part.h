/* A file that a command writes: under another name beside its place until it is whole, so that whatever ends
 * the command leaves nothing half under its name ("NAME.part-XXXXXX" may stay after a kill -9). */
#ifndef VK_CLI_PART_H
#define VK_CLI_PART_H

#include "core/base.h"

enum { VK_SCRATCH_MAX = 4 };

typedef struct vk_part {
    char path[PATH_MAX]; /* "": nothing to remove */
    const char *out;     /* its place; the caller's */
    int fd;              /* to be written; -1: none */
    bool force;          /* over a file that is there */
} vk_part;

/* Mode 0600. The three answer an exit code; when it is not VK_EXIT_OK the sentence was printed. */
VK_MUSTCHECK int vk_part_open(vk_part *p, const char *out, bool force);
/* On stable storage, under its name. */
VK_MUSTCHECK int vk_part_finish(vk_part *p);
/* Further files, mode 0600, that an interrupted command (SIGINT, SIGTERM, SIGHUP) removes before it ends,
 * with what SQLite has beside them, as it removes what vk_part_open made; at most VK_SCRATCH_MAX in all.
 * `path` ends in XXXXXX, which becomes something else, and stays the caller's until vk_scratch_forget. As
 * mkstemp(3). */
VK_MUSTCHECK int vk_scratch_make(char *path);
void vk_scratch_forget(const char *path);
/* Closes it, and removes it unless it was finished. Also of one that was not opened (fd -1). */
void vk_part_drop(vk_part *p);

#endif
