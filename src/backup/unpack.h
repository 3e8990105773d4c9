/* Reads a backup's archive from its first byte to its last and believes nothing in it: heads have one form,
 * names are of the list in contents.h and in its order, sizes within their limits, every member's SHA-256 is
 * what the manifest says, the manifest's is what manifest.sha256 says, and nothing is in front of, between or
 * behind them. So one byte that is another one is found, whichever it is. Whoever can write the whole archive
 * anew can of course write what they like into it. */
#ifndef VK_BACKUP_UNPACK_H
#define VK_BACKUP_UNPACK_H

#include "backup/manifest.h"

#include <sys/types.h>

enum { VK_UNPACK_WHY = 640 };

/* Where the bytes come from: as read(2), at most `n` of them; 0 is the end, -1 an error. */
typedef struct vk_unpack_source {
    ssize_t (*read)(void *arg, void *to, size_t n);
    void *arg;
} vk_unpack_source;

/* Where members go while they are read, before anybody knows whether they are whole: use them only when
 * vk_unpack says VK_OK. An error of theirs ends the reading; they say why. NULL members: nothing is done. */
typedef struct vk_unpack_sink {
    vk_err (*begin)(void *arg, const char *name, int64_t size, char why[VK_UNPACK_WHY]);
    vk_err (*bytes)(void *arg, vk_str piece, char why[VK_UNPACK_WHY]);
    vk_err (*end)(void *arg, char why[VK_UNPACK_WHY]);
    void *arg;
} vk_unpack_sink;

typedef struct vk_unpacked {
    vk_backup_info info;
    size_t files, builds; /* builds that have files */
    int64_t bytes;
    bool key;
} vk_unpacked;

/* VK_E_CORRUPT: damaged, cut short, or no backup. VK_E_NEWER: of a later valetkey. VK_E_IO, VK_E_NOMEM,
 * VK_E_TOO_LARGE. `why` is a sentence without its full stop that names the member. */
VK_MUSTCHECK vk_err vk_unpack(const vk_unpack_source *from, const vk_unpack_sink *to, vk_unpacked *out_r,
                              char why[VK_UNPACK_WHY]);

#endif
