/* Handles of valetkey.db, between open.c, watch.c and store_sqlite.c only. */
#ifndef VK_STORE_OPEN_H
#define VK_STORE_OPEN_H

#include "store/migrate.h"

/* The metadata on an open handle, which becomes the store's; on an error it stays the caller's. `writes`:
 * what it has written is put into the database itself when it is closed. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_store_on(struct sqlite3 *db, bool writes, vk_store **out_r);
/* Makes valetkey.db, empty and ours only, when it is not there. *fresh_r: it is empty. VK_E_FULL, VK_E_IO,
 * with a reason in *why_r, if it is known. */
VK_MUSTCHECK vk_err vk_store_make_file(int dirfd, bool *fresh_r, const char **why_r);
/* For a fresh one: a log that several processes share. SQLite's code. */
VK_MUSTCHECK int vk_store_set_log(struct sqlite3 *db);

#endif
