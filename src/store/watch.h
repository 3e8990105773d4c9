/* The metadata as another process than the one that writes it sees it: keeper, which looks up every
 * credential itself. All that it needs is open once vk_watch_open returns, so that it may give up its user
 * and close its fence: nothing is opened by a path later. Nothing can be written by it but the index that
 * SQLite shares.
 *
 * What was read stays true for as long as the index of the write-ahead log has not changed: its header counts
 * transactions and holds the checksum of the last one (sqlite.org/walformat.html, 2.1, "The WAL-Index
 * Header"). A transaction is in it before the call that made it returns, so who is told of a change finds it
 * here. */
#ifndef VK_STORE_WATCH_H
#define VK_STORE_WATCH_H

#include "store/store.h"

#include <sys/types.h>

typedef struct vk_watch vk_watch;

/* What the metadata was at a moment. */
typedef struct vk_watch_mark {
    uint64_t word[6];
} vk_watch_mark;

/* Opens <dir>/valetkey.db; one that is not there is made, with nothing in it, for that owner (as root only).
 * Whose version it is does not matter yet. VK_E_FULL, VK_E_CORRUPT, VK_E_IO, VK_E_NOMEM; *why_r as for
 * vk_store_sqlite_open. */
VK_MUSTCHECK vk_err vk_watch_open(int dirfd, const char *dir, uid_t uid, gid_t gid, vk_watch **out_r,
                                  const char **why_r);
void vk_watch_close(vk_watch *w);
/* To be read before what it is to stand for, and compared afterwards. */
void vk_watch_look(const vk_watch *w, vk_watch_mark *out_r);
static inline bool vk_watch_same(const vk_watch_mark *a, const vk_watch_mark *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}
/* To be asked, valet_find, build_get and binding_list only. VK_E_UNAVAILABLE: the data has not the version
 * that this program knows, now: before front has made it, or during a restart. */
VK_MUSTCHECK vk_err vk_watch_store(vk_watch *w, vk_store **out_r);

#endif
