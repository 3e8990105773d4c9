/* A folder of SQL migrations as Prisma, Drizzle or a person keeps it, read whole before anything is done:
 *   Prisma   <name>/migration.sql, in the order of the names
 *   Drizzle  meta/_journal.json with the order, <tag>.sql
 *   plain    *.sql, in the order of the names
 * The folder itself may be given, or one that has it as migrations/, prisma/migrations/ or drizzle/. */
#ifndef VK_CLI_MIGRATIONS_H
#define VK_CLI_MIGRATIONS_H

#include "core/arena.h"

enum {
    VK_MIGRATIONS_MAX = 5000,
    VK_MIGRATION_BYTES = 32 * 1024 * 1024, /* of one file */
    VK_MIGRATIONS_BYTES = 256 * 1024 * 1024,
    VK_MIGRATION_SUM = 64, /* hex digits of a file's SHA-256 */
};

typedef enum vk_migration_kind { VK_MIG_PRISMA, VK_MIG_DRIZZLE, VK_MIG_PLAIN } vk_migration_kind;

typedef struct vk_migration {
    vk_str name; /* the folder's, the tag, or the file's without ".sql" */
    vk_str text;
    char sum[VK_MIGRATION_SUM + 1];
} vk_migration;

typedef struct vk_migrations {
    vk_migration_kind kind;
    char folder[PATH_MAX];
    vk_migration *all;
    size_t n;
    vk_str ignored; /* names of .sql files that do not count, ", " between; may be empty */
    vk_arena *arena;
} vk_migrations;

/* VK_E_INVALID, VK_E_NOT_FOUND, VK_E_TOO_LARGE, VK_E_IO, VK_E_NOMEM: a sentence is in `why`. Else
 * vk_migrations_free. */
VK_MUSTCHECK vk_err vk_migrations_read(const char *folder, vk_migrations *out_r, char *why, size_t room);
void vk_migrations_free(vk_migrations *m);
const char *vk_migration_kind_name(vk_migration_kind k);

#endif
