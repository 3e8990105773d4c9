/* `ALTER TABLE t ALTER COLUMN c TO <column-def>` on SQLite, which does not have it: the stored CREATE TABLE
 * text is edited, as SQLite's documentation of ALTER TABLE describes for changes that do not touch what is on
 * disk.
 *
 * As in libSQL, the new definition counts for rows that are written from then on; rows that are there are not
 * validated, and they keep their values (also those that only the old default gave them). Refused, because
 * they would need another layout or another index: any change of PRIMARY KEY, UNIQUE, GENERATED or
 * AUTOINCREMENT, a generated column, a column of the key of a WITHOUT ROWID table; and tables that are none
 * of the build's own: views, virtual tables and their shadows, temporary and SQLite's own tables. The name
 * must stay. */
#ifndef VK_DB_ALTER_H
#define VK_DB_ALTER_H

#include "services/database/embedded/alter_parse.h"
#include "services/database/embedded/db.h"

/* For vk_dbh_prepare_raw: when `sql` begins with such a statement, prepares in its place one that does
 * nothing, has no columns and no parameters and counts as one that writes; h->alter is then what must be
 * applied before its first step (in the arena, a view of `sql`). VK_AGAIN: it is none. VK_E_INVALID: *err_r.
 */
VK_MUSTCHECK vk_err vk_alter_prepare(vk_dbh *h, vk_arena *a, vk_str sql, sqlite3_stmt **st_r, vk_str *tail_r,
                                     vk_sqlerr *err_r);
/* The connection has the write turn, and no statement of it is under way. Works inside a transaction and
 * outside. VK_E_INVALID: *err_r, nothing has changed and the transaction is what it was (unless SQLite itself
 * ended it, as it may when the disk fails). Statements that the connection keeps prepared stay good. */
VK_MUSTCHECK vk_err vk_alter_apply(vk_dbh *h, vk_arena *a, const vk_alter *what, vk_sqlerr *err_r);

/* ---- alter_prove.c */
/* What a new definition does to its column besides being new. */
typedef struct vk_alter_effect {
    bool affinity, collation, notnull; /* changed */
    bool fill;                         /* rows that have no value of their own would get another one */
} vk_alter_effect;

/* Tries both CREATE TABLE texts in databases of their own, in memory, under the limits and the policy of `h`:
 * the new one must be accepted and differ in nothing but the column's type, NOT NULL, DEFAULT, CHECK, COLLATE
 * and REFERENCES. `span` is where the definition stands in `new_sql`; errors in it are told with the place in
 * the statement. */
VK_MUSTCHECK vk_err vk_alter_prove(vk_dbh *h, vk_arena *a, const vk_alter *what, const char *table,
                                   const char *column, vk_str old_sql, vk_str new_sql, size_t span,
                                   vk_alter_effect *effect_r, vk_sqlerr *err_r);
/* SQLITE_UNKNOWN with that text, as libSQL tells what it will not do. Answers VK_E_INVALID. */
vk_err vk_alter_refuse(vk_arena *a, vk_sqlerr *err_r, const char *fmt, ...) VK_PRINTF(3, 4);
/* The same about what needs another layout of the table. */
vk_err vk_alter_refuse_layout(vk_arena *a, vk_sqlerr *err_r, const char *column);

#endif
