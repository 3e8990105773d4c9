#include "services/auth/embedded/schema.h"

const char *const vk_auth_schema[VK_AUTH_SCHEMA] = {
    "CREATE TABLE users (id TEXT PRIMARY KEY, external_id TEXT UNIQUE, first_name TEXT, last_name TEXT, "
    "public_metadata TEXT NOT NULL, private_metadata TEXT NOT NULL, unsafe_metadata TEXT NOT NULL, "
    "digest_kind TEXT, digest TEXT, password_at INTEGER, banned INTEGER NOT NULL, locked INTEGER NOT NULL, "
    "failures INTEGER NOT NULL, failures_since INTEGER NOT NULL, last_sign_in_at INTEGER, last_active_at "
    "INTEGER, "
    "created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, CHECK ((digest IS NULL) = (digest_kind IS "
    "NULL)));"
    "CREATE INDEX users_created ON users (created_at);"

    "CREATE TABLE emails (id TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users ON DELETE CASCADE, "
    "address TEXT NOT NULL, is_primary INTEGER NOT NULL, verified INTEGER NOT NULL, strategy TEXT, "
    "v_state INTEGER NOT NULL, v_tries INTEGER NOT NULL, v_prepares INTEGER NOT NULL, v_expire INTEGER NOT "
    "NULL, v_code BLOB NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);"
    "CREATE INDEX emails_user ON emails (user);"
    /* who only says that an address is theirs keeps nobody from having it */
    "CREATE UNIQUE INDEX emails_address ON emails (address) WHERE verified;"
    "CREATE INDEX emails_claimed ON emails (address) WHERE NOT verified;"

    "CREATE TABLE clients (id TEXT PRIMARY KEY, last_session TEXT, last_strategy TEXT, sign_in TEXT, sign_up "
    "TEXT, "
    "created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, used_at INTEGER NOT NULL);"
    "CREATE INDEX clients_used ON clients (used_at);"
    "CREATE INDEX clients_idle ON clients (used_at) WHERE last_session IS NULL;"

    "CREATE TABLE dev_browsers (hash BLOB PRIMARY KEY, client TEXT REFERENCES clients ON DELETE SET NULL, "
    "created_at "
    "INTEGER NOT NULL, used_at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX dev_browsers_used ON dev_browsers (used_at);"
    "CREATE INDEX dev_browsers_idle ON dev_browsers (used_at) WHERE client IS NULL;"
    "CREATE INDEX dev_browsers_client ON dev_browsers (client);"

    "CREATE TABLE sessions (id TEXT PRIMARY KEY, user TEXT NOT NULL, client TEXT, status INTEGER NOT NULL, "
    "verified_at INTEGER NOT NULL, last_active_at INTEGER NOT NULL, expire_at INTEGER NOT NULL, abandon_at "
    "INTEGER "
    "NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, agent TEXT);"
    "CREATE INDEX sessions_client ON sessions (client, status);"
    "CREATE INDEX sessions_user ON sessions (user, status);"
    "CREATE INDEX sessions_abandon ON sessions (abandon_at);"

    "CREATE TABLE attempts (id TEXT PRIMARY KEY, client TEXT NOT NULL, kind INTEGER NOT NULL, status INTEGER "
    "NOT NULL, "
    "address TEXT, first_name TEXT, last_name TEXT, unsafe_metadata TEXT, digest TEXT, strategy TEXT, "
    "v_state INTEGER "
    "NOT NULL, v_tries INTEGER NOT NULL, v_prepares INTEGER NOT NULL, v_expire INTEGER NOT NULL, v_code BLOB "
    "NOT NULL, "
    "user TEXT, session TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, abandon_at INTEGER "
    "NOT NULL, via TEXT);"
    "CREATE INDEX attempts_client ON attempts (client);"
    "CREATE INDEX attempts_abandon ON attempts (abandon_at);"

    "CREATE TABLE nonces (hash BLOB PRIMARY KEY, payload TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT "
    "ROWID;"
    "CREATE INDEX nonces_until ON nonces (until);"

    "CREATE TABLE outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, what TEXT NOT NULL, "
    "code TEXT NOT "
    "NULL, at INTEGER NOT NULL);"

    "CREATE TABLE tickets (id TEXT PRIMARY KEY, kind INTEGER NOT NULL, status INTEGER NOT NULL, hash BLOB "
    "NOT "
    "NULL UNIQUE, user TEXT, address TEXT, public_metadata TEXT, redirect_url TEXT, created_at INTEGER NOT "
    "NULL, updated_at INTEGER NOT NULL, expire_at INTEGER NOT NULL);"
    "CREATE INDEX tickets_expire ON tickets (expire_at);"
    "CREATE INDEX tickets_address ON tickets (address) WHERE address IS NOT NULL;"

    "CREATE TABLE keys (kid TEXT PRIMARY KEY, sealed BLOB NOT NULL, created_at INTEGER NOT NULL);",
};
