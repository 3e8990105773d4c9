/* The end of a build: its work is ended after the metadata says so, its data goes last. Metadata first, data
 * second, row third: a crash in between leaves a build in state DELETING, which the next start finishes. The
 * data goes by getting a name in tmp/, which is one step however much it is; what lies there then is removed
 * beside everything else, or by the next start. */
#ifndef VK_ADMIN_LIFECYCLE_H
#define VK_ADMIN_LIFECYCLE_H

#include "valetkey/service.h"

/* Ends everything that a build has under way. The caller's memory, until `done`. */
typedef struct vk_ending {
    vk_list node;
    vk_list waiters;
    vk_runtime *rt;
    char build[VK_BUILD_ID_MAX + 1];
    _Atomic int left;
    void (*done)(struct vk_ending *e); /* from any thread, perhaps inside the call */
} vk_ending;

/* The state that refuses new work must be committed. Fill rt, build and done. When the same build is being
 * ended already, this waits for that. */
void vk_ending_run(vk_ending *e);

enum { VK_DELETED_FOLDER = 64 };
/* On the metadata lane, or before it starts. Takes data and row of a build in state DELETING away, if it
 * still is the one with that generation; otherwise nothing is to do, which is VK_OK. *folder_r: where the
 * data is in the data folder now, for vk_deletion_remove; empty: it has none. */
VK_MUSTCHECK vk_err vk_deletion_take(vk_store *store, int data_fd, vk_str build, uint64_t generation,
                                     char folder_r[VK_DELETED_FOLDER]);
/* Removes it; takes as long as there are files. Any thread but a loop's or the metadata lane's. */
VK_MUSTCHECK vk_err vk_deletion_remove(int data_fd, const char *folder);
/* Both. */
VK_MUSTCHECK vk_err vk_deletion_finish(vk_store *store, int data_fd, vk_str build, uint64_t generation);
/* All builds that an earlier run was deleting; *n_r of them. At start, before the listeners open. The first
 * error ends it. */
VK_MUSTCHECK vk_err vk_deletions_finish(vk_store *store, int data_fd, size_t *n_r);

#endif
