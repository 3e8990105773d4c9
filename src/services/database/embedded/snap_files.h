/* The files of a build's snapshots: builds/<id>/snapshot.<snapshot id>.<m|a>.<name>. Everything that is known
 * of a snapshot is its file's name, size and content, so that it comes and goes with one rename or unlink.
 * Snapshot ids are times, "20261125-031203-123" (UTC), each once in a build. */
#ifndef VK_DB_SNAP_FILES_H
#define VK_DB_SNAP_FILES_H

#include "valetkey/service.h"

enum {
    VK_SNAP_ID = 19,
    VK_SNAP_MAX = 20,        /* of one build; the oldest automatic ones go for new ones */
    VK_SNAP_MANUAL_MAX = 16, /* of them made by people, who delete them themselves */
    VK_SNAP_PATH = 64 + VK_BUILD_ID_MAX + VK_SNAP_ID + VK_SNAP_NAME_MAX,
};
/* All snapshots of one build. */
#define VK_SNAP_BYTES_MAX ((int64_t)4 << 30)

typedef struct vk_snap {
    char id[VK_SNAP_ID + 1];
    char name[VK_SNAP_NAME_MAX + 1]; /* may be empty */
    bool automatic;
    int64_t created_ms, bytes;
} vk_snap;

/* [A-Za-z0-9][A-Za-z0-9._-]*, at most VK_SNAP_NAME_MAX, and not of an id's form. Pure. */
bool vk_snap_name_ok(vk_str name);
/* Id and time of a moment. Pure. */
void vk_snap_id(int64_t wall_ms, char id[VK_SNAP_ID + 1]);
/* False: no file of a snapshot has this name. *out_r without its size. Pure. */
bool vk_snap_parse(const char *file, vk_snap *out_r);
/* Relative to the data folder. */
void vk_snap_path(const char *build, const vk_snap *s, char out[VK_SNAP_PATH]);

/* Oldest first, at most VK_SNAP_MAX + 1 of them. VK_E_NOT_FOUND: the build has no folder. */
VK_MUSTCHECK vk_err vk_snap_list(int data_fd, const char *build, vk_snap out[VK_SNAP_MAX + 1], size_t *n_r);
/* By id, or by the name of one that people made. NULL: there is none. */
const vk_snap *vk_snap_find(const vk_snap *all, size_t n, vk_str id_or_name);
/* Makes room for one of `bytes`: removes the oldest automatic ones, never `keep` (an id; may be NULL), until
 * number and bytes are in their limits. VK_E_CONFLICT, VK_E_FULL: it cannot be, and nothing was removed. */
VK_MUSTCHECK vk_err vk_snap_make_room(int data_fd, const char *build, bool automatic, int64_t bytes,
                                      const char *keep);
/* An unused id of now, for a new one. */
void vk_snap_new(const vk_snap *all, size_t n, bool automatic, vk_str name, vk_snap *out_r);
/* Both are there and have the same bytes. */
bool vk_snap_same_file(int data_fd, const char *a, const char *b);
/* A restore that was cut short may have given the database's file a snapshot's name as well; then that name
 * goes. Before the file is opened for writing. */
VK_MUSTCHECK vk_err vk_snap_heal(int data_fd, const char *build);

#endif
