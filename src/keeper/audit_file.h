/* The file of the audit log that is being written. What can happen to it while keeper runs, and what is done:
 *
 *   removed, renamed, replaced (also by a link), cut, written to by others     vk_audit_file_look sees links
 *       and length before each write, vk_audit_file_check the name too after it, before anything of it
 * counts: the file is left as it is, another one begins EIO, a failed sync       the same; nothing is ever
 * written to it, or synced, again the disk is nearly full  room is allocated ahead, and behind it a reserve
 * that was allocated while there was space: uses of keys are refused as soon as the reserve would have to be
 * touched, what belongs to those under way goes into it a file system that cannot allocate    free space is
 * asked for instead
 *
 * One thread. */
#ifndef VK_KEEPER_AUDIT_FILE_H
#define VK_KEEPER_AUDIT_FILE_H

#include "keeper/audit_record.h"

#include <sys/types.h>

#define VK_AF_FOLDER "audit" /* in the data folder */

enum {
    VK_AF_AHEAD = 1 << 20,    /* allocated at once */
    VK_AF_RESERVE = 2 << 20,  /* kept for what belongs to uses under way: 4,096 outcomes */
    VK_AF_LOW = 64 << 20,     /* free bytes of the file system below which `low` is said */
    VK_AF_NUMBERS_TRIED = 64, /* names that are taken already when a file is begun */
};

typedef struct vk_audit_file {
    int data_fd, dir_fd; /* data_fd -1: what the folder is called is not looked at */
    int fd;              /* -1: none */
    uint64_t number;     /* of the last one that was begun */
    char name[VK_AR_NAME];
    int64_t size; /* bytes that were written; more or fewer in the file are not ours */
    int64_t room; /* offset up to which there is space for us */
    int64_t reserve;
    dev_t dev;
    ino_t ino;
    bool allocates; /* this file system can */
    bool low;
} vk_audit_file;

/* A new file behind `number`, empty. VK_E_FULL, VK_E_IO, VK_E_FORBIDDEN, VK_E_NOT_FOUND (the folder is gone).
 */
VK_MUSTCHECK vk_err vk_audit_file_begin(vk_audit_file *f);
/* Its name is on stable storage (vk_audit_file_sync is for its bytes). */
VK_MUSTCHECK vk_err vk_audit_file_named(vk_audit_file *f);
/* Removes it again: what could not be begun. */
void vk_audit_file_undo(vk_audit_file *f);
/* Goes on with file `number`, which is `size` bytes long. VK_E_CONFLICT: it is not what was read. */
VK_MUSTCHECK vk_err vk_audit_file_continue(vk_audit_file *f, uint64_t number, int64_t size);
/* VK_OK: `n` bytes can be written without the reserve. VK_E_FULL: only with it, or not even so
 * (vk_audit_file_left). Other errors of the file. */
VK_MUSTCHECK vk_err vk_audit_file_room(vk_audit_file *f, int64_t n);
/* Bytes that can be written now, the reserve among them. */
int64_t vk_audit_file_left(const vk_audit_file *f);
/* NULL: descriptor and name are still this file, as long as it should be. Otherwise a word for GAP: "gone",
 * "replaced", "cut", "grown", "moved" (its folder). */
const char *vk_audit_file_check(const vk_audit_file *f);
/* The part of it that needs one system call: the descriptor. */
const char *vk_audit_file_look(const vk_audit_file *f);
VK_MUSTCHECK vk_err vk_audit_file_add(vk_audit_file *f, vk_str bytes);
VK_MUSTCHECK vk_err vk_audit_file_sync(vk_audit_file *f);
/* Closes it; `whole`: gives back what was allocated behind its end. */
void vk_audit_file_leave(vk_audit_file *f, bool whole);

#endif
