/* `auth.db`: everything that a build's user pool is. One handle a build, used by one thread at a time (the
 * build's lane). Every change stands in a transaction; VK_OK of vk_auth_db_end says that it is on stable
 * storage (synchronous=FULL).
 *
 * Errors of all calls in this folder: VK_E_FULL: the disk. VK_E_NOMEM. VK_E_CORRUPT. VK_E_IO. VK_E_CONFLICT:
 * what must be there once is there already (an address, an external id). After an error inside of a
 * transaction the caller ends it with vk_auth_db_undo. */
#ifndef VK_AUTH_DB_H
#define VK_AUTH_DB_H

#include "core/arena.h"

typedef struct vk_auth_db vk_auth_db;

/* Opens `<dir>/auth.db` and makes or migrates it. `path` of ours, `build` for the log. VK_E_NEWER: a later
 * valetkey wrote it. After vk_sqlite_init. Owner: the caller, until vk_auth_db_close. */
VK_MUSTCHECK vk_err vk_auth_db_open(const char *path, const char *build, vk_auth_db **out_r);
/* NULL is allowed. What is open is undone. */
void vk_auth_db_close(vk_auth_db *db);

VK_MUSTCHECK vk_err vk_auth_db_begin(vk_auth_db *db);
/* Commits. On an error nothing of the transaction is there (or it may come back after a crash: the caller
 * answers with an error and nothing follows from it). */
VK_MUSTCHECK vk_err vk_auth_db_end(vk_auth_db *db);
void vk_auth_db_undo(vk_auth_db *db);

#endif
