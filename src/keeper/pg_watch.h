/* What a build could change by itself at the organisation's PostgreSQL server is looked after: a statement or
 * a transaction that takes too long (a role may set its own statement_timeout to nothing), and the size of
 * its database, for which the server has no limit at all.
 *
 *   larger than postgres_bytes      new transactions only read, unless they say otherwise, so that the app
 * can still delete; sessions are ended a quarter larger than that      no connection at all, until it is
 * smaller or the limit is raised
 *
 * What is so is written down at the server (the role's default_transaction_read_only, its CONNECTION LIMIT),
 * so nothing is forgotten with this process. A role that may not log in (a build that was revoked) stays so.
 * Only while there are such builds; one connection a look, and none in between. Of the looks of an hour one
 * record is in the audit. One loop, and a lane. */
#ifndef VK_KEEPER_PG_WATCH_H
#define VK_KEEPER_PG_WATCH_H

#include "core/json_write.h"
#include "keeper/org.h"
#include "net/lane.h"
#include "net/loop.h"

enum {
    VK_PG_WATCHED = 20000,   /* databases */
    VK_PG_WATCH_TURN = 1000, /* records that are looked through in one turn of the loop */
    VK_PG_WATCH_TURN_MS = 100,
    VK_PG_WATCH_CHUNK = 200, /* databases in one question */
    VK_PG_WATCH_PARTS = 16,  /* one of these is measured at each look, and whoever is connected */
    VK_PG_WATCH_OVER = 32,   /* that are told of */
    VK_PG_WATCH_AUDIT_MS = 60 * 60 * 1000,
};

typedef struct vk_pg_watch vk_pg_watch;

typedef struct vk_pg_watch_with {
    vk_loop *loop;
    vk_orgs *orgs;
    vk_audit *audit; /* NULL: nothing is looked at, as no key may be used */
    vk_lane *lane;
} vk_pg_watch_with;

/* Begins to look. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_pg_watch_new(const vk_pg_watch_with *with, vk_pg_watch **out_r);
/* The loop has stopped, and nothing is on the lane. */
void vk_pg_watch_free(vk_pg_watch *w);
/* A member of an object that is being written:
 *   "postgres":{"databases":2,"looked_at":"…"|null,"why":"a sentence, or empty","ended":3,
 *               "over":[{"database":"vk_…","bytes":1200000000,"closed":false}]} */
void vk_pg_watch_status(const vk_pg_watch *w, vk_jw *out);

#endif
