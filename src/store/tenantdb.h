/* What every service does with a SQLite file per build: its version, and what a killed process left of it. */
#ifndef VK_STORE_TENANTDB_H
#define VK_STORE_TENANTDB_H

#include "core/base.h"

struct sqlite3;

/* The kind of an SQLite code: VK_E_CONFLICT (a unique value that is there), VK_E_INTERNAL (another
 * constraint), VK_E_FULL, VK_E_NOMEM, VK_E_BUSY, VK_E_CORRUPT, VK_E_IO (anything else). */
vk_err vk_tenantdb_err(int rc);
/* Brings the file to version `n`: steps[v] is the SQL that leads from v to v + 1. Each is one transaction
 * with its number (user_version), so there is no state between two versions. VK_E_NEWER: a newer program
 * wrote it. Errors as above. */
VK_MUSTCHECK vk_err vk_tenantdb_migrate(struct sqlite3 *db, const char *const *steps, int n);
/* What a killed process left in the -wal is visible as soon as it is read, synced or not; no answer may
 * follow from it before it is. After the file was opened. */
VK_MUSTCHECK vk_err vk_tenantdb_sync_wal(struct sqlite3 *db);

#endif
