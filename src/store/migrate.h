/* The version of a data folder and how one of an earlier version is brought forward.
 *
 * The version is the number in `PRAGMA user_version` of valetkey.db. It stands for the whole folder: tables
 * of the metadata, what lies in builds/ and how it is named, the records of vault/. The databases of builds
 * have none: all in them, their user_version too, belongs to the app.
 *
 * Steps go forward only, one version each, in the order of the table in migrate.c. A step and its number are
 * one transaction, so a kill or a power cut leaves the folder at a version that has a name. A step that was
 * released is never edited; tests/data/schema-v<N>.sql holds what a program of version N wrote, and
 * test_migrate brings each of them to the newest. */
#ifndef VK_STORE_MIGRATE_H
#define VK_STORE_MIGRATE_H

#include "store/store.h"

struct sqlite3;

typedef struct vk_migration {
    int version;      /* the folder's after this step; the table's are 1, 2, 3 … */
    const char *what; /* for the log */
    const char *sql;  /* may be several statements; NULL: none */
    /* After `sql`, in its transaction; NULL: nothing. Returns SQLite's code. */
    int (*run)(struct sqlite3 *db);
} vk_migration;

/* All of them; *n_r is VK_SCHEMA_VERSION. */
const vk_migration *vk_migrations(size_t *n_r);

enum { VK_PROGRAM_MAX = 32 };

/* Of what is in that database. `program`: the version of valetkey that made the last step, empty when it is
 * not recorded (version 1, or no metadata at all). SQLite's code. */
VK_MUSTCHECK int vk_data_version(struct sqlite3 *db, int64_t *version_r, char program[VK_PROGRAM_MAX]);

/* Whether this program can use data of that version. VK_E_NEWER, and *why_r is a sentence without its full
 * stop that says what was found, what this program knows and what to do; it is valid until this thread's next
 * call. */
VK_MUSTCHECK vk_err vk_data_usable(int64_t version, const char *program, const char **why_r);

/* Brings an open database (synchronous=FULL) to VK_SCHEMA_VERSION. Without `write` it only looks:
 * VK_E_UNAVAILABLE when steps are missing. VK_E_NEWER: nothing was changed. VK_E_CORRUPT, VK_E_FULL, VK_E_IO,
 * VK_E_NOMEM, VK_E_BUSY: steps that were made stay, the one that failed left nothing. *why_r as above. */
VK_MUSTCHECK vk_err vk_migrate(struct sqlite3 *db, bool write, const char **why_r);

/* SQLite's result as a kind. */
vk_err vk_store_kind(int rc);
/* The same; logs what SQLite says of it when it is an error that nobody expects. */
vk_err vk_store_err(struct sqlite3 *db, int rc);

/* The version of the data folder `dir`, which a daemon may be using; changes nothing in it. VK_E_NOT_FOUND:
 * it has no metadata. VK_E_CORRUPT, VK_E_BUSY, VK_E_IO, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_data_version_of(const char *dir, int64_t *version_r, char program[VK_PROGRAM_MAX]);

#endif
