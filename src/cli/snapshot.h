/* What commands about snapshots share. */
#ifndef VK_CLI_SNAPSHOT_H
#define VK_CLI_SNAPSHOT_H

#include "cli/api.h"

/* "/api/v1/builds/<id>/services/database/snapshots[/<snapshot>]<after>" or VK_EXIT_USAGE: told. `snapshot`
 * may be NULL. */
int vk_snapshot_target(const char *command, const char *id, const char *snapshot, const char *after,
                       char *out, size_t room);
/* Takes one; `target` without a snapshot, `name` may be NULL. As vk_build_call. */
int vk_snapshot_take(const char *data, const char *target, const char *name, bool automatic, vk_reply *out_r,
                     bool *ok_r);

#endif
