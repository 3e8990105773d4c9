/* The check of a PostgreSQL database that somebody typed: a login over TLS, and a statement that is taken
 * back. libpq does the talking; it is loaded as libcurl is (curl.h), and behind the same guard: the host is
 * resolved once, every address is looked at, and only what was looked at is dialled. Blocking: for a lane. */
#ifndef VK_COURIER_POSTGRES_H
#define VK_COURIER_POSTGRES_H

#include "courier/outbound.h"
#include "net/pq.h"

enum { VK_POSTGRES_PORT = 5432 };

/* Where, and as whom. Texts with a NUL behind them. */
typedef struct vk_postgres_at {
    const char *host;      /* for the certificate */
    const char *addresses; /* to be dialled, each already looked at, joined by commas */
    const char *port, *user, *password, *database;
    const char *ca_file; /* the authorities */
    int64_t until_ms;    /* monotonic */
} vk_postgres_at;

/* BEGIN, the statement, ROLLBACK. VK_OK: status 200, or 400 with the SQLSTATE as the body of the answer.
 * Otherwise answer->lack says why there was none. */
VK_MUSTCHECK vk_err vk_postgres_probe(const vk_pq *pq, const vk_postgres_at *at, const char *statement,
                                      vk_outbound_answer *answer);

/* The same for ask->url ("postgres://user:password@host:port/database?…", of which what follows the "?" is
 * not looked at) and ask->body. Port 5432 only, or one that the operator opened. */
VK_MUSTCHECK vk_err vk_postgres_ask(const vk_outbound *o, const vk_pq *pq, const vk_outbound_ask *ask,
                                    vk_outbound_answer *answer);

#endif
