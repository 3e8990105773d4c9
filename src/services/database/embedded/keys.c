/* Tools that make tables anew (`prisma db push`, drizzle-kit with plain SQLite) switch foreign keys off, copy
 * the rows, drop the old table, rename the new one, and switch foreign keys on. They were made for a file
 * that one connection has open; through libSQL's client each of these statements is a request of its own,
 * with a connection of its own, so that the switch would be gone when DROP TABLE comes. That would then
 * delete the rows that refer to the table (ON DELETE CASCADE), or be refused.
 *
 * So a PRAGMA foreign_keys=OFF that was in force when its stream ended is kept in mind for the build, until a
 * PRAGMA foreign_keys=ON or for VK_DB_KEYS_OFF_MS after it or the last DROP TABLE, and for DROP TABLE only:
 * where that is not in a transaction, and its own stream has not switched, it runs without foreign keys. All
 * other statements are checked as ever. */
#include "services/database/embedded/db.h"

#include "core/clock.h"

static bool keys_on(vk_dbh *h)
{
    int on = 1;
    return sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on) != SQLITE_OK || on;
}

void vk_keys_remember(vk_dbh *h)
{
    if (!h->set_keys)
        return;
    h->set_keys = false;
    atomic_store(&h->t->keys_off_until_ms, keys_on(h) ? 0 : vk_clock_mono_ms() + VK_DB_KEYS_OFF_MS);
}

void vk_keys_lift(vk_dbh *h, const vk_cached *c)
{
    if (!c->drops || h->set_keys || !sqlite3_get_autocommit(h->db))
        return;
    int64_t now = vk_clock_mono_ms();
    if (now >= atomic_load(&h->t->keys_off_until_ms))
        return;
    /* SQLite prepares what is prepared again, at its first step. */
    h->keys_lifted = sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL) == SQLITE_OK;
    atomic_store(&h->t->keys_off_until_ms, now + VK_DB_KEYS_OFF_MS);
}

void vk_keys_settle(vk_dbh *h)
{
    if (!h->keys_lifted)
        return;
    h->keys_lifted = false;
    if (sqlite3_db_config(h->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL) != SQLITE_OK)
        h->dirty = true;
}
