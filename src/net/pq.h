/* libpq, for who talks to a PostgreSQL server: loaded when it is there, asked without waiting in it, each
 * conversation with a time of its own. Blocking: for a lane. What libpq frees is overwritten first, so that
 * no password stays behind in memory once its connection has ended. */
#ifndef VK_NET_PQ_H
#define VK_NET_PQ_H

#include "core/base.h"

#include <stdatomic.h>

enum { VK_SQLSTATE = 5, VK_PQ_TEXT = 200, VK_PQ_COLUMNS = 16, VK_PQ_PASSWORD_MAX = 256 };

/* What of libpq is used; its version 12 and later have it all. */
typedef struct vk_pq {
    void *(*connect_start)(const char *const *keywords, const char *const *values, int expand_dbname);
    int (*connect_poll)(void *conn);
    int (*status)(const void *conn);
    int (*socket)(const void *conn);
    int (*set_verbosity)(void *conn, int verbosity);
    char *(*error_message)(const void *conn);
    int (*set_nonblocking)(void *conn, int on);
    int (*send_query)(void *conn, const char *sql);
    int (*flush)(void *conn);
    int (*consume_input)(void *conn);
    int (*is_busy)(void *conn);
    void *(*get_result)(void *conn);
    int (*result_status)(const void *result);
    char *(*result_field)(const void *result, int field);
    int (*rows)(const void *result);
    int (*columns)(const void *result);
    char *(*value)(const void *result, int row, int column);
    int (*length)(const void *result, int row, int column);
    void (*clear)(void *result);
    void (*finish)(void *conn);
    int (*server_version)(const void *conn);
    int (*password_used)(const void *conn);
    int (*in_tls)(const void *conn);
    char *(*encrypt_password)(void *conn, const char *password, const char *user, const char *algorithm);
    void (*free_memory)(void *p);
} vk_pq;

/* Takes the names that begin with "PG" out of this process's environment: libpq reads them for what it is
 * told nothing of, or an empty text (PGPASSWORD), and a file with PGSERVICE. Before any thread is made. */
void vk_pq_forget_environment(void);

/* Not by two threads at once; behind a fence that lets nothing be mapped as a program it must have been
 * loaded before. VK_E_NOT_FOUND: it is not installed (Debian: libpq5); VK_E_UNSUPPORTED: it is of an
 * unusual make, and its memory would not be overwritten. */
VK_MUSTCHECK vk_err vk_pq_load(vk_pq *out_r);

/* Where, and as whom. Texts with a NUL behind them. */
typedef struct vk_pq_at {
    const char *host;      /* to be resolved, and for the certificate */
    const char *addresses; /* to be dialled instead, each already looked at, joined by commas; NULL: none */
    const char *port, *user, *password, *database;
    const char *sslmode; /* "verify-full" */
    const char *ca_file; /* the authorities */
    const char *options; /* as PGOPTIONS; may be empty */
    const char *application;
    int64_t until_ms;            /* monotonic: for the connection and all that is asked on it */
    const _Atomic bool *give_up; /* set: no more; may be NULL */
} vk_pq_at;

/* Why it came to nothing. */
typedef enum vk_pq_lack {
    VK_PQ_NOTHING,
    VK_PQ_SAID, /* the server said no: link.sqlstate */
    VK_PQ_REACH,
    VK_PQ_TIME,
    VK_PQ_TLS,
    VK_PQ_MEMORY,
} vk_pq_lack;

/* A connection. One thread. */
typedef struct vk_pq_link {
    const vk_pq *pq;
    void *conn;
    int64_t until_ms;
    const _Atomic bool *give_up;
    bool asked; /* a statement was sent: if no answer came, it may still be done */
    vk_pq_lack lack;
    char sqlstate[VK_SQLSTATE + 1]; /* of VK_PQ_SAID */
    char text[VK_PQ_TEXT];          /* what the server said to a statement, its own first line; or "" */
} vk_pq_link;

/* Columns of a row; what is NULL there is empty. Good until it returns. */
typedef void (*vk_pq_row)(void *arg, const vk_str *columns, size_t n);

/* Not VK_OK: link->lack says why. VK_E_FORBIDDEN (SAID), VK_E_UNAVAILABLE, VK_E_TIMEOUT, VK_E_NOMEM. In any
 * case vk_pq_close is next or later. */
VK_MUSTCHECK vk_err vk_pq_open(vk_pq_link *l, const vk_pq *pq, const vk_pq_at *at);
/* One text of SQL to its end; `row` may be NULL. Errors as above; after one of SAID the link is still good.
 */
VK_MUSTCHECK vk_err vk_pq_run(vk_pq_link *l, const char *sql, vk_pq_row row, void *arg);
void vk_pq_close(vk_pq_link *l);

#endif
