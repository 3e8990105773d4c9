/* What is different between two database files that nobody writes: tables, indexes, triggers and views by
 * their SQL, rows by their keys. */
#ifndef VK_DB_DIFF_H
#define VK_DB_DIFF_H

#include "core/json_write.h"

enum {
    VK_DIFF_MS = 20000,    /* for the whole comparison */
    VK_DIFF_TEXT = 200,    /* bytes of a value that are shown */
    VK_DIFF_OUT = 4 << 20, /* of the answer; past it no more examples are given */
    VK_DIFF_TABLES = 1000, /* compared by rows */
};

/* Members into an open object: "same", "schema" and "tables" (docs/openapi.yaml, schema Diff). Names are
 * relative to the data folder; `rows` examples for each table and kind of change. VK_E_TIMEOUT, VK_E_CORRUPT,
 * VK_E_NOMEM, VK_E_IO: *why_r is a static text, and what was written is of no use. */
VK_MUSTCHECK vk_err vk_db_diff(const char *from, const char *to, int64_t rows, vk_jw *w, const char **why_r);
/* "file:…?immutable=1" of a file below the data folder: read without locks and without a -wal. */
void vk_db_file_uri(const char *name, char *out, size_t room);

#endif
