/* backup.json and manifest.json of a backup: their text is a function of what they say, so a reader makes the
 * manifest anew out of what it has read and compares the texts. */
#ifndef VK_BACKUP_MANIFEST_H
#define VK_BACKUP_MANIFEST_H

#include "core/buf.h"
#include "crypto/digest.h"
#include "store/migrate.h"

typedef struct vk_backup_info {
    int64_t format;               /* of the archive */
    int64_t data_version;         /* migrate.h */
    char program[VK_PROGRAM_MAX]; /* the version of valetkey that made it */
    int64_t created_ms;           /* the metadata is as it was then */
    bool secrets;                 /* made with --with-secrets */
} vk_backup_info;

/* One line with its newline. */
void vk_backup_info_write(vk_buf *out, const vk_backup_info *i);
/* Only what vk_backup_info_write makes. VK_E_INVALID, VK_E_NOMEM. VK_E_NEWER: of a format that this program
 * does not know; format, and what else could be read, is in *out_r. */
VK_MUSTCHECK vk_err vk_backup_info_read(vk_str text, vk_backup_info *out_r);

/* manifest.json in pieces: begin, a file each, end. */
void vk_manifest_begin(vk_buf *out, const vk_backup_info *i);
void vk_manifest_file(vk_buf *out, vk_str name, int64_t bytes, const uint8_t sha256[VK_SHA256]);
void vk_manifest_end(vk_buf *out);
/* The first line in which the texts differ, without its end; it is of `is`, or of `was` where `is` has no
 * more. VK_STR_NONE: they are the same. */
vk_str vk_manifest_differ(vk_str was, vk_str is);
/* The file of such a line; VK_STR_NONE: it is about none. A view into it. */
vk_str vk_manifest_name(vk_str line);

#endif
