/* What the SQL of a build may do: SQLite's authorizer instead of a parser of our own. Everything that names a
 * file, loads code, changes how the file is kept, or tells where it lies is refused; the rest is the build's
 * own business. */
#include "services/database/embedded/db.h"

/* Sorted by name; looked up by bisection. */
enum {
    READ = 1,
    WRITE = 2,
    DIRTY = 4, /* a value changes the connection, which is its stream's then and not used again */
    OWN = 8,   /* so is it when its value is read: that means something on this connection only */
};

static const struct pragma {
    const char *name;
    int may;
} pragmas[] = {
    {"application_id", READ},
    {"auto_vacuum", READ},
    {"busy_timeout", READ},
    {"cache_size", READ},
    {"case_sensitive_like", READ | WRITE | DIRTY},
    {"collation_list", READ | WRITE},
    {"compile_options", READ | WRITE},
    {"data_version", READ | WRITE | OWN},
    {"defer_foreign_keys", READ | WRITE | DIRTY},
    {"encoding", READ},
    {"foreign_key_check", READ | WRITE},
    {"foreign_key_list", READ | WRITE},
    {"foreign_keys", READ | WRITE | DIRTY},
    {"freelist_count", READ | WRITE},
    {"function_list", READ | WRITE},
    {"index_info", READ | WRITE},
    {"index_list", READ | WRITE},
    {"index_xinfo", READ | WRITE},
    {"integrity_check", READ | WRITE},
    {"journal_mode", READ},
    {"legacy_alter_table", READ | WRITE | DIRTY},
    {"locking_mode", READ},
    {"max_page_count", READ},
    {"module_list", READ | WRITE},
    {"optimize", READ | WRITE},
    {"page_count", READ | WRITE},
    {"page_size", READ},
    {"pragma_list", READ | WRITE},
    {"query_only", READ},
    {"quick_check", READ | WRITE},
    {"recursive_triggers", READ | WRITE | DIRTY},
    {"schema_version", READ},
    {"secure_delete", READ},
    {"synchronous", READ},
    {"table_info", READ | WRITE},
    {"table_list", READ | WRITE},
    {"table_xinfo", READ | WRITE},
    {"temp_store", READ},
    {"user_version", READ | WRITE},
    {"wal_autocheckpoint", READ},
};

static int compare(const void *name, const void *entry)
{
    return sqlite3_stricmp(name, ((const struct pragma *)entry)->name);
}

/* Foreign keys are on already, and many programs begin with saying so. */
static bool is_on(const char *value)
{
    static const char *const words[] = {"on", "1", "yes", "true"};
    for (size_t i = 0; i < VK_COUNT(words); i++)
        if (!sqlite3_stricmp(value, words[i]))
            return true;
    return false;
}

static int pragma(vk_dbh *h, const char *name, const char *value)
{
    const struct pragma *p =
        name ? bsearch(name, pragmas, VK_COUNT(pragmas), sizeof *pragmas, compare) : NULL;
    bool noop = p && value && !sqlite3_stricmp(p->name, "journal_mode") && !sqlite3_stricmp(value, "wal");
    if (!p || !(noop || (p->may & (value ? WRITE : READ)))) {
        h->denied = "this PRAGMA is not allowed on this database";
        return SQLITE_DENY;
    }
    bool as_it_is = value && !sqlite3_stricmp(p->name, "foreign_keys") && is_on(value);
    if (p->may & (value ? DIRTY | OWN : OWN) && !as_it_is)
        h->dirty = true;
    if (value && !sqlite3_stricmp(p->name, "foreign_keys"))
        h->set_keys = true;
    return SQLITE_OK;
}

static int function(const char *name)
{
    static const char *const denied[] = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"};
    for (size_t i = 0; name && i < VK_COUNT(denied); i++)
        if (!sqlite3_stricmp(name, denied[i]))
            return SQLITE_DENY;
    return SQLITE_OK;
}

/* A table that is not SQLite's. */
static bool is_own(const char *table)
{
    return table && sqlite3_strnicmp(table, "sqlite_", 7) != 0;
}

/* Also what ALTER COLUMN does by itself, and VACUUM, which attaches a file. */
static bool touches_schema(int action, const char *name)
{
    switch (action) {
    case SQLITE_READ:
    case SQLITE_SELECT:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_PRAGMA: /* none that is allowed does it */
        return false;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return name && !sqlite3_strnicmp(name, "sqlite_", 7);
    default:
        return true;
    }
}

int vk_db_authorize(void *arg, int action, const char *a1, const char *a2, const char *db,
                    const char *trigger)
{
    vk_dbh *h = arg;
    VK_UNUSED(db);
    if (h->on_loop) /* nothing is prepared there; the schema has changed, and a worker reads it */
        return SQLITE_DENY;
    h->schema_touched |= touches_schema(action, a1);
    if (h->opening)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_ATTACH:
        /* VACUUM attaches '' inside; a NULL name is a parameter or an expression, which could be anything. */
        if (!a1 || a1[0] != '\0') {
            h->denied = "ATTACH is not allowed on this database";
            return SQLITE_DENY;
        }
        h->dirty = true;
        return SQLITE_OK;
    case SQLITE_PRAGMA:
        return pragma(h, a1, a2);
    case SQLITE_FUNCTION:
        return function(a2);
    case SQLITE_INSERT:
        if (!trigger && is_own(a1))
            h->saw_insert = h->saw_dml = true;
        return SQLITE_OK;
    case SQLITE_DELETE:
        h->saw_dml |= !trigger && is_own(a1);
        return SQLITE_OK;
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE: /* asked before IF NOT EXISTS is looked at */
        if (is_own(a1))        /* ANALYZE makes tables of its own */
            h->saw_ddl = VK_DDL_PERHAPS;
        return SQLITE_OK;
    case SQLITE_UPDATE:
        h->saw_dml |= !trigger && is_own(a1);
        if (h->saw_ddl == VK_DDL_PERHAPS && a1 && !sqlite3_stricmp(a1, "sqlite_master"))
            h->saw_ddl = VK_DDL_YES;
        return SQLITE_OK;
    case SQLITE_DROP_TABLE:
        h->saw_drop = true;
        h->saw_ddl = VK_DDL_YES;
        return SQLITE_OK;
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_ALTER_TABLE:
        h->saw_ddl = VK_DDL_YES;
        return SQLITE_OK;
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
        h->dirty = true;
        return SQLITE_OK;
    default:
        return SQLITE_OK;
    }
}
