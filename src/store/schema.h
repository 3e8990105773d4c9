/* The metadata schema, one script a version. A new version appends a script and raises VK_SCHEMA_VERSION;
 * scripts that were released are never edited. */
#ifndef VK_STORE_SCHEMA_H
#define VK_STORE_SCHEMA_H

static const char *const vk_schema[] = {
    /* 1 */
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE builds (id TEXT PRIMARY KEY, framework TEXT NOT NULL, state INTEGER NOT NULL, generation "
    "INTEGER NOT NULL,"
    " ttl_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, touched_ms INTEGER "
    "NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE origins (build TEXT NOT NULL REFERENCES builds(id) ON DELETE CASCADE, origin TEXT NOT NULL,"
    " PRIMARY KEY (build, origin)) WITHOUT ROWID;"
    "CREATE TABLE bindings (build TEXT NOT NULL REFERENCES builds(id) ON DELETE CASCADE, service TEXT NOT "
    "NULL,"
    " driver TEXT NOT NULL, PRIMARY KEY (build, service)) WITHOUT ROWID;"
    "CREATE TABLE valets (hash BLOB PRIMARY KEY, build TEXT NOT NULL REFERENCES builds(id) ON DELETE CASCADE,"
    " service TEXT NOT NULL, kind TEXT NOT NULL, kid INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE INDEX valets_build ON valets (build);"
    "CREATE TABLE idempotency (name TEXT PRIMARY KEY, digest BLOB NOT NULL, build TEXT NOT NULL, created_ms "
    "INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('generation', 0);",
};

#endif
