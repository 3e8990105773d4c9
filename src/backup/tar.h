/* Heads of a tar archive, as POSIX.1-1988 "ustar" has them: plain files only, one form of each head. Pure. */
#ifndef VK_BACKUP_TAR_H
#define VK_BACKUP_TAR_H

#include "core/base.h"

enum { VK_TAR_BLOCK = 512, VK_TAR_NAME_MAX = 200 };
#define VK_TAR_SIZE_MAX (((int64_t)1 << 33) - 1) /* eleven octal digits */

typedef struct vk_tar_head {
    char name[VK_TAR_NAME_MAX + 1];
    int64_t size, mtime; /* bytes; seconds */
} vk_tar_head;

/* Mode 0600, owner 0. VK_E_TOO_LARGE: the name does not fit (100 bytes behind some '/', 155 in front of it),
 * or the size or time does not. */
VK_MUSTCHECK vk_err vk_tar_write(const vk_tar_head *h, uint8_t out[VK_TAR_BLOCK]);
/* VK_E_INVALID: not byte for byte what vk_tar_write makes: links, folders, devices, long names, sizes in
 * other notations, a wrong checksum. VK_E_NOT_FOUND: a block of zeros, with which an archive ends. */
VK_MUSTCHECK vk_err vk_tar_read(const uint8_t in[VK_TAR_BLOCK], vk_tar_head *out_r);

#endif
