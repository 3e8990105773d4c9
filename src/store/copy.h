/* Copies of SQLite files for backups and downloads, and what a copy of the metadata says.
 *
 * A copy is one file, in write-ahead mode as all of ours are, with nothing beside it. It is made of the pages
 * as they are inside one read transaction, so writers go on meanwhile, and copying the same pages twice, or a
 * copy of them, gives the same bytes. */
#ifndef VK_STORE_COPY_H
#define VK_STORE_COPY_H

#include "store/store.h"

struct sqlite3;

/* All pages of `src` into the empty file `to`; of an empty database one that has a head and no table. Not
 * synced. SQLite's code. */
VK_MUSTCHECK int vk_sqlite_copy_pages(struct sqlite3 *src, const char *to);

/* The same of the file `from`, for when no daemon runs on its folder: what a killed one left in its -wal is
 * in the copy, and both stay as they are. `to` exists and is empty. VK_E_NOT_FOUND, VK_E_CORRUPT, VK_E_FULL,
 * VK_E_NOMEM, VK_E_BUSY, VK_E_IO. */
VK_MUSTCHECK vk_err vk_sqlite_copy(const char *from, const char *to);

typedef struct vk_copied_build {
    char id[VK_BUILD_ID_MAX + 1];
    int64_t created_ms; /* with the id: which one it is */
    bool deleting;      /* its data goes, or has gone */
} vk_copied_build;

/* The version and the builds, by id, in a copy of valetkey.db that nobody else has open. *builds_r is the
 * caller's, to free(). VK_E_NEWER, VK_E_CORRUPT, VK_E_NOMEM: *why_r as vk_data_usable has it. */
VK_MUSTCHECK vk_err vk_metadata_read(const char *path, int64_t *version_r, vk_copied_build **builds_r,
                                     size_t *n_r, const char **why_r);
/* Takes builds out of such a copy, with their keys and the idempotency keys that made them. */
VK_MUSTCHECK vk_err vk_metadata_drop(const char *path, const vk_copied_build *const *builds, size_t n);

#endif
