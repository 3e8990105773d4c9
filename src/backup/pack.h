/* Writes a backup's archive (contents.h) into a plain file, member by member in their order. A member whose
 * source turned out to be gone is taken back with all behind it, so a build is in the archive whole or not at
 * all. The caller syncs the file and gives it its name. */
#ifndef VK_BACKUP_PACK_H
#define VK_BACKUP_PACK_H

#include "backup/manifest.h"
#include "backup/tar.h"

#include <sodium.h>

typedef struct vk_pack {
    int fd; /* the caller's */
    vk_backup_info info;
    vk_buf manifest;
    int64_t at;    /* bytes written */
    size_t files;  /* members between backup.json and manifest.json */
    int64_t bytes; /* and their bytes */
    int err;       /* errno of the call that failed */
    vk_tar_head now;
    char asked[VK_TAR_NAME_MAX + 1]; /* of the last vk_pack_file, for sentences */
    int64_t left;                    /* of the member that is being written */
    crypto_hash_sha256_state sum;
} vk_pack;

typedef struct vk_pack_mark {
    int64_t at, bytes;
    size_t files, manifest;
} vk_pack_mark;

/* All: VK_E_FULL, VK_E_IO (p->err), VK_E_NOMEM, VK_E_TOO_LARGE (more files or bytes than the format takes).
 */
VK_MUSTCHECK vk_err vk_pack_begin(vk_pack *p, int fd, const vk_backup_info *info);
/* Then exactly `size` bytes in pieces. VK_E_INVALID: no member may have this name. */
VK_MUSTCHECK vk_err vk_pack_file(vk_pack *p, const char *name, int64_t size);
VK_MUSTCHECK vk_err vk_pack_bytes(vk_pack *p, vk_str piece);
/* VK_E_INVALID: fewer bytes than said. */
VK_MUSTCHECK vk_err vk_pack_file_end(vk_pack *p);
/* `size` bytes of `fd` from its start as a member. VK_E_INVALID: it has fewer. */
VK_MUSTCHECK vk_err vk_pack_from(vk_pack *p, const char *name, int fd, int64_t size);

vk_pack_mark vk_pack_here(const vk_pack *p);
/* Everything since the mark is taken out of the file. */
VK_MUSTCHECK vk_err vk_pack_back(vk_pack *p, vk_pack_mark to);
/* The manifest and the archive's end. */
VK_MUSTCHECK vk_err vk_pack_end(vk_pack *p);
void vk_pack_free(vk_pack *p);

#endif
