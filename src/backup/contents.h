/* What a backup holds: the names that may be in its archive, and nothing else may.
 *
 *   backup.json             what it is: format, version of the data, program, time. Always the first
 *   data/<path>             files of the data folder, by their path in it
 *   key                     the key file that seals the vault; only with --with-secrets
 *   manifest.json           every file above with its size and SHA-256
 *   manifest.sha256         the SHA-256 of manifest.json, as sha256sum writes it. Always the last
 *
 * Names are in the order of vk_backup_order, so none can be there twice. Pure. */
#ifndef VK_BACKUP_CONTENTS_H
#define VK_BACKUP_CONTENTS_H

#include "valetkey/service.h"

enum {
    VK_BACKUP_FORMAT = 1,
    VK_BACKUP_INFO_MAX = 4096,          /* bytes of backup.json */
    VK_BACKUP_SUM_MAX = 256,            /* of manifest.sha256 */
    VK_BACKUP_MANIFEST_MAX = 256 << 20, /* of manifest.json; some 1.5 million files */
};

#define VK_BACKUP_INFO "backup.json"
#define VK_BACKUP_KEY "key"
#define VK_BACKUP_MANIFEST "manifest.json"
#define VK_BACKUP_SUM "manifest.sha256"

/* A file of the data folder outside builds/, or files: with parts that are "*", any plain names. */
typedef struct vk_backup_file {
    const char *name; /* in the data folder; NULL ends */
    int64_t most;     /* bytes */
    bool needed;      /* without it there is no data */
    bool secret;      /* in the clear: taken with --with-secrets only */
} vk_backup_file;

/* In the archive's order. */
extern const vk_backup_file vk_backup_files[];

/* The row of a service for a file in builds/<id>/, by its path there, and the service. NULL: no service has
 * such a file. */
const vk_data_file *vk_backup_build_file(vk_str name, const vk_service **service_r);

/* The row of files in this folder of builds/<id>/ that are taken by name (VK_DATA_NAMED), and the service. */
const vk_data_file *vk_backup_build_folder(vk_str name, const vk_service **service_r);

/* Whether a member between backup.json and manifest.json may have this name; *most_r is the most bytes. No
 * such name has an empty part, "." or "..", or leads out of its folder. */
bool vk_backup_name_ok(vk_str name, int64_t *most_r);

/* Negative: a comes first; 0: they are the same. By their parts between slashes, bytewise. */
int vk_backup_order(vk_str a, vk_str b);

#endif
