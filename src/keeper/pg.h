/* The organisation's PostgreSQL server, as keeper talks to it: on a lane, one conversation at a time, each
 * with a connection of its own that ends with it.
 *
 * The host must show a certificate of a trusted authority for its name, unless it is this machine or the
 * organisation says otherwise by the field `sslmode`. All names of objects in what is asked are from
 * pg_catalog, so that nothing that lies in a build's database is run as the administrator. */
#ifndef VK_KEEPER_PG_H
#define VK_KEEPER_PG_H

#include "core/limits.h"
#include "keeper/org.h"
#include "net/pq.h"

enum {
    VK_PG_CONNECT_MS = 10 * 1000,
    VK_PG_MS = 60 * 1000, /* for one conversation, from then on */
    VK_PG_SQL_MAX = 1024,
    VK_PG_NAME_MAX = 63,
    VK_PG_PASSWORD = 32, /* letters and digits of one that is made here */
    VK_PG_STACK = 64 * 1024,
    VK_PG_INSIST = 20, /* times */
};

/* Once, before keeper's fence and before any thread: loads libpq. Both stay the caller's; `ca_file` NULL: the
 * system's. */
void vk_pg_begin(const vk_limits *limits, const char *ca_file);
const vk_limits *vk_pg_limits(void);
/* keeper ends: conversations without a `give_up` of their own come to their end soon. */
void vk_pg_end(void);

/* Texts with a NUL behind them, in the arena. */
typedef struct vk_pg_server {
    const char *host, *port, *user, *password, *database;
    const char *sslmode;
    bool loopback;
} vk_pg_server;

/* On the loop, before the lane. VK_E_UNAVAILABLE with a sentence: nothing was entered, or there is no libpq;
 * VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_pg_server_of(const vk_org *org, vk_arena *a, vk_pg_server *out_r, const char **why_r);

/* As the administrator; `database` NULL: the one of the address. `give_up` may be NULL. As vk_pq_open. */
VK_MUSTCHECK vk_err vk_pg_open(vk_pq_link *l, const vk_pg_server *s, const char *database,
                               const _Atomic bool *give_up);
/* As somebody else, for a look at whether that can be. */
VK_MUSTCHECK vk_err vk_pg_open_as(vk_pq_link *l, const vk_pg_server *s, const char *user,
                                  const char *password, const char *database, const _Atomic bool *give_up);
/* Ends it, and overwrites what the conversation left on the stack of this thread. */
void vk_pg_close(vk_pq_link *l);

/* One statement, or none when it does not fit. What goes into it are names and numbers of our own. */
VK_MUSTCHECK vk_err vk_pg_do(vk_pq_link *l, const char *fmt, ...) VK_PRINTF(2, 3);
/* A change of one of our roles or databases. A session of the role may hold what is to be changed in an open
 * transaction of its own, over and over: then the role's sessions are ended and it is tried again, so that a
 * build can neither put off nor outwait it. */
VK_MUSTCHECK vk_err vk_pg_insist(vk_pq_link *l, const char *role, const char *fmt, ...) VK_PRINTF(3, 4);
/* The same of a query: the first column of the first row, cut to `room`; "" when there is none. */
VK_MUSTCHECK vk_err vk_pg_ask(vk_pq_link *l, char *out, size_t room, const char *fmt, ...) VK_PRINTF(4, 5);
/* Whether that statement was refused for one of these SQLSTATEs, joined by blanks. */
bool vk_pg_was(const vk_pq_link *l, const char *sqlstates);

/* Of a connection: whether its password was asked for, whether there is TLS, and the server's version, as
 * 150018. */
bool vk_pg_asked_password(const vk_pq_link *l);
bool vk_pg_in_tls(const vk_pq_link *l);
int vk_pg_version(const vk_pq_link *l);

/* A result as a step's `took` returns it (keeper/provision.h), with a sentence for people; `what` is what was
 * to be done. What passes (no connection, a server that starts or is full of connections) is VK_E_BUSY.
 * VK_E_UNAVAILABLE: no answer came, so that what was asked may still be done. */
vk_err vk_pg_judge(const vk_pq_link *l, vk_err e, const char *what, char *why, size_t room);

/* Letters and digits, with a NUL. */
void vk_pg_new_password(char out[VK_PG_PASSWORD + 1]);
/* The verifier that is given to the server in its place, so that the password is in none of its logs
 * (RFC 5803). */
VK_MUSTCHECK vk_err vk_pg_verifier(vk_pq_link *l, const char *user, const char *password, char *out,
                                   size_t room);
/* Of names of ours: [a-z0-9_], not empty. What is none is never put into a statement. */
bool vk_pg_name_ok(vk_str name);

#endif
