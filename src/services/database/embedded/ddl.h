/* What was done to a build's schema, for its handoff report: every statement that creates, drops or alters
 * something, in the order in which they took effect, in builds/<id>/ddl.log. SQL cannot reach that file.
 *
 * A statement is noted when it succeeded and written when its transaction is committed; what is rolled back
 * leaves the notes, except for what only a ROLLBACK TO a savepoint undid. The file is appended to without a
 * sync of its own: after a power cut its last lines may be missing or torn, or tell of a commit that was lost
 * before it was answered. A disk that does not take the record does not fail the statement; it is logged. */
#ifndef VK_DB_DDL_H
#define VK_DB_DDL_H

#include "services/database/embedded/db.h"

enum {
    VK_DDL_TEXT_MAX = 16 << 10,   /* bytes of a statement that are kept */
    VK_DDL_PENDING_MAX = 1 << 20, /* of the notes of one transaction; what does not fit is counted only */
    VK_DDL_FILE_MAX = 1 << 20,    /* then ddl.log becomes ddl.log.1, and the older ddl.log.1 goes */
};

/* The statement succeeded. */
void vk_ddl_note(vk_dbh *h, vk_str sql);
void vk_ddl_write(vk_dbh *h);
/* After every statement: writes the notes once they are committed. */
static inline void vk_ddl_settle(vk_dbh *h)
{
    if (h->ddl.n && sqlite3_get_autocommit(h->db))
        vk_ddl_write(h);
}
/* SQLite's rollback hook; `h` is a vk_dbh. */
void vk_ddl_forget(void *h);

/* The build's database was exchanged for its snapshot `id`, which people call `name` (may be empty): a
 * comment among the statements, marked with "restored", so that they go on explaining the schema. */
void vk_ddl_restored(const char *build, const char *id, const char *name);

/* {"count":N,"statements":[{"at":"2026-11-24T16:00:00.000Z","sql":"CREATE
 * …","cut":true?,"restored":"ID"?},…]}, oldest first, into `out` (at most 2 × VK_DDL_FILE_MAX and a little).
 * N counts those too that are not kept any more. A build without any has 0. VK_E_IO, VK_E_NOMEM,
 * VK_E_TOO_LARGE (out). Any thread. */
VK_MUSTCHECK vk_err vk_db_ddl(const char *build, vk_buf *out);

#endif
