#include "services/payments/embedded/schema.h"

const char *const vk_pay_schema[VK_PAY_SCHEMA] = {
    /* `keys`: what the document's rows in keys are made of (documents.c), so that a change of it finds them
     * without an index from there to here. Short columns first: those of a large row are read without the
     * pages that its body goes on in. */
    "CREATE TABLE documents (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, deleted "
    "INTEGER NOT NULL, created INTEGER NOT NULL, keys BLOB NOT NULL, body TEXT NOT NULL);"
    "CREATE TABLE keys (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, created INTEGER NOT "
    "NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, name, value, created, seq)) WITHOUT ROWID;"

    "CREATE TABLE idempotent (n INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, hash "
    "BLOB NOT NULL, status INTEGER NOT NULL, request_id TEXT NOT NULL, body TEXT NOT NULL);"

    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE deliveries (id INTEGER PRIMARY KEY, event TEXT NOT NULL, endpoint TEXT NOT NULL, url TEXT "
    "NOT NULL, created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, tries INTEGER NOT NULL, status INTEGER "
    "NOT NULL, delivered INTEGER NOT NULL, note TEXT);"
    "CREATE INDEX deliveries_event ON deliveries (event);"
    "CREATE INDEX deliveries_due ON deliveries (due_ms) WHERE due_ms > 0;"
    /* each endpoint's, so that one which takes nothing hides nobody else's */
    "CREATE INDEX deliveries_first ON deliveries (endpoint, id) WHERE due_ms > 0 AND tries = 0;"
    "CREATE INDEX deliveries_again ON deliveries (endpoint, due_ms) WHERE due_ms > 0 AND tries > 0;"
    /* apart: a try changes the row, and the bytes go before it does */
    "CREATE TABLE bodies (delivery INTEGER PRIMARY KEY, body BLOB NOT NULL);"

    "CREATE TABLE due (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX due_at ON due (at_ms);",

    /* 2: what of an account that builds share at Stripe is this build's (stripe/ids.h) */
    "CREATE TABLE owned (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;",
};
