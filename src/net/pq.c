#include "net/pq.h"

#include "core/clock.h"
#include "net/pq_memory.h"

#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

/* Of libpq-fe.h. */
enum { CONNECTION_BAD = 1 };
enum { POLLING_FAILED, POLLING_READING, POLLING_WRITING, POLLING_OK };
enum { RESULT_COMMAND_OK = 1, RESULT_TUPLES_OK = 2 };
enum { DIAG_SQLSTATE = 'C', DIAG_MESSAGE = 'M', ERRORS_SQLSTATE = 3 };

enum { HOSTS_MAX = 32 * 256 + 1, SLICE_MS = 200 /* until it is looked whether to give up */ };

void vk_pq_forget_environment(void)
{
    char **to = environ;
    for (char **from = environ; from && *from; from++)
        if (strncmp(*from, "PG", 2) != 0)
            *to++ = *from;
    if (to)
        *to = NULL;
}

vk_err vk_pq_load(vk_pq *out_r)
{
    const struct {
        const char *name;
        size_t at;
    } symbols[] = {
        {"PQconnectStartParams", offsetof(vk_pq, connect_start)},
        {"PQconnectPoll", offsetof(vk_pq, connect_poll)},
        {"PQstatus", offsetof(vk_pq, status)},
        {"PQsocket", offsetof(vk_pq, socket)},
        {"PQsetErrorVerbosity", offsetof(vk_pq, set_verbosity)},
        {"PQerrorMessage", offsetof(vk_pq, error_message)},
        {"PQsetnonblocking", offsetof(vk_pq, set_nonblocking)},
        {"PQsendQuery", offsetof(vk_pq, send_query)},
        {"PQflush", offsetof(vk_pq, flush)},
        {"PQconsumeInput", offsetof(vk_pq, consume_input)},
        {"PQisBusy", offsetof(vk_pq, is_busy)},
        {"PQgetResult", offsetof(vk_pq, get_result)},
        {"PQresultStatus", offsetof(vk_pq, result_status)},
        {"PQresultErrorField", offsetof(vk_pq, result_field)},
        {"PQntuples", offsetof(vk_pq, rows)},
        {"PQnfields", offsetof(vk_pq, columns)},
        {"PQgetvalue", offsetof(vk_pq, value)},
        {"PQgetlength", offsetof(vk_pq, length)},
        {"PQclear", offsetof(vk_pq, clear)},
        {"PQfinish", offsetof(vk_pq, finish)},
        {"PQserverVersion", offsetof(vk_pq, server_version)},
        {"PQconnectionUsedPassword", offsetof(vk_pq, password_used)},
        {"PQsslInUse", offsetof(vk_pq, in_tls)},
        {"PQencryptPasswordConn", offsetof(vk_pq, encrypt_password)},
        {"PQfreemem", offsetof(vk_pq, free_memory)},
    };
    void *lib = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; lib && i < VK_COUNT(symbols); i++) {
        void *p = dlsym(lib, symbols[i].name);
        if (!p)
            return VK_E_NOT_FOUND;
        memcpy((char *)out_r + symbols[i].at, &p, sizeof p);
    }
    return lib ? vk_pq_wipe_what_it_frees(lib) : VK_E_NOT_FOUND;
}

/* ---- what went wrong */

static vk_err lack(vk_pq_link *l, vk_pq_lack why, vk_err e)
{
    l->lack = why;
    return e;
}

static vk_err lost(vk_pq_link *l)
{
    return lack(l, VK_PQ_REACH, VK_E_UNAVAILABLE);
}

static vk_err said(vk_pq_link *l, const char *sqlstate, const char *text)
{
    memcpy(l->sqlstate, sqlstate, VK_SQLSTATE);
    size_t n = 0;
    for (; text && text[n] && text[n] != '\n' && n + 1 < sizeof l->text; n++)
        l->text[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '?';
    l->text[n] = '\0';
    return lack(l, VK_PQ_SAID, VK_E_FORBIDDEN);
}

static bool is_sqlstate(const char *p, size_t n)
{
    bool good = n == VK_SQLSTATE;
    for (size_t i = 0; good && i < n; i++)
        good = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z');
    return good;
}

/* Until the socket is ready for what is wanted, or the time is over. */
static vk_err wait_for(vk_pq_link *l, short events)
{
    struct pollfd p = {.fd = l->pq->socket(l->conn), .events = events};
    if (p.fd < 0)
        return lost(l);
    for (;;) {
        int64_t left = l->until_ms - vk_clock_mono_ms();
        if (left <= 0 || (l->give_up && atomic_load_explicit(l->give_up, memory_order_relaxed)))
            return lack(l, VK_PQ_TIME, VK_E_TIMEOUT);
        if (poll(&p, 1, (int)(left < SLICE_MS ? left : SLICE_MS)) > 0)
            return VK_OK;
    }
}

/* What the server said when there was no connection yet is in libpq's text only: "…:  28P01". Whatever else
 * is in it is libpq's own English. */
static vk_err not_connected(vk_pq_link *l)
{
    const char *message = l->pq->error_message(l->conn);
    vk_str text = vk_str_z(message ? message : "");
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
        text.n--;
    const char *end = text.n > VK_SQLSTATE ? text.p + text.n - VK_SQLSTATE : NULL;
    if (end && end[-1] == ' ' && is_sqlstate(end, VK_SQLSTATE))
        return said(l, end, NULL);
    if (memmem(text.p, text.n, "no password supplied", 20))
        return said(l, "28P01", NULL);
    bool tls = memmem(text.p, text.n, "SSL", 3) || memmem(text.p, text.n, "certificate", 11);
    return lack(l, tls ? VK_PQ_TLS : VK_PQ_REACH, VK_E_UNAVAILABLE);
}

/* ---- the conversation */

static vk_err finish_connecting(vk_pq_link *l)
{
    vk_err e = VK_OK;
    if (l->pq->status(l->conn) == CONNECTION_BAD)
        return not_connected(l);
    l->pq->set_verbosity(l->conn, ERRORS_SQLSTATE);
    for (int state = POLLING_WRITING; e == VK_OK && state != POLLING_OK;) {
        e = wait_for(l, state == POLLING_READING ? POLLIN : POLLOUT);
        if (e == VK_OK)
            state = l->pq->connect_poll(l->conn);
        if (e == VK_OK && state == POLLING_FAILED)
            return not_connected(l);
    }
    if (e == VK_OK && l->pq->set_nonblocking(l->conn, 1) != 0)
        e = lost(l);
    return e;
}

vk_err vk_pq_open(vk_pq_link *l, const vk_pq *pq, const vk_pq_at *at)
{
    /* All that a file could say otherwise; of the environment the process has forgotten what libpq reads. */
    static const char *const keywords[] = {"host",
                                           "hostaddr",
                                           "port",
                                           "user",
                                           "password",
                                           "dbname",
                                           "sslmode",
                                           "sslrootcert",
                                           "sslcert",
                                           "sslkey",
                                           "sslcrl",
                                           "passfile",
                                           "gssencmode",
                                           "options",
                                           "client_encoding",
                                           "application_name",
                                           "target_session_attrs",
                                           NULL};
    char hosts[HOSTS_MAX];
    size_t n = 0;
    for (const char *p = at->addresses; p && n + strlen(at->host) + 2 < sizeof hosts; p = strchr(p + 1, ','))
        n += (size_t)snprintf(hosts + n, sizeof hosts - n, "%s%s", n ? "," : "", at->host);
    const char *const values[] = {at->addresses ? hosts : at->host,
                                  at->addresses,
                                  at->port,
                                  at->user,
                                  at->password,
                                  at->database,
                                  at->sslmode,
                                  at->ca_file,
                                  "/nonexistent",
                                  "/nonexistent",
                                  "/nonexistent",
                                  "/nonexistent",
                                  "disable",
                                  at->options,
                                  "UTF8",
                                  at->application,
                                  "any",
                                  NULL};
    _Static_assert(VK_COUNT(keywords) == VK_COUNT(values), "each keyword has a value");
    *l = (vk_pq_link){.pq = pq, .until_ms = at->until_ms, .give_up = at->give_up};
    l->conn = pq->connect_start(keywords, values, 0);
    return l->conn ? finish_connecting(l) : lack(l, VK_PQ_MEMORY, VK_E_NOMEM);
}

static void give_rows(const vk_pq *pq, const void *result, vk_pq_row row, void *arg)
{
    vk_str columns[VK_PQ_COLUMNS];
    int rows = pq->rows(result), n = pq->columns(result);
    for (int r = 0; r < rows && n <= VK_PQ_COLUMNS; r++) {
        for (int c = 0; c < n; c++)
            columns[c] = (vk_str){pq->value(result, r, c), (size_t)pq->length(result, r, c)};
        row(arg, columns, (size_t)n);
    }
}

static vk_err take_result(vk_pq_link *l, void *result, vk_pq_row row, void *arg)
{
    vk_err e = VK_OK;
    int status = l->pq->result_status(result);
    if (status == RESULT_TUPLES_OK && row)
        give_rows(l->pq, result, row, arg);
    if (status != RESULT_COMMAND_OK && status != RESULT_TUPLES_OK) {
        const char *state = l->pq->result_field(result, DIAG_SQLSTATE);
        e = state && is_sqlstate(state, strlen(state))
                ? said(l, state, l->pq->result_field(result, DIAG_MESSAGE))
                : lost(l);
    }
    l->pq->clear(result);
    return e;
}

vk_err vk_pq_run(vk_pq_link *l, const char *sql, vk_pq_row row, void *arg)
{
    vk_err e = VK_OK, first = VK_OK;
    l->lack = VK_PQ_NOTHING;
    l->asked = true;
    if (l->pq->send_query(l->conn, sql) != 1)
        return lost(l);
    for (bool more = true; more;) {
        int unsent = l->pq->flush(l->conn);
        e = unsent < 0 ? lost(l) : wait_for(l, unsent ? POLLIN | POLLOUT : POLLIN);
        if (e == VK_OK && l->pq->consume_input(l->conn) != 1)
            e = lost(l);
        while (more && e == VK_OK && !l->pq->is_busy(l->conn)) {
            void *result = l->pq->get_result(l->conn);
            more = result != NULL;
            if (more)
                e = take_result(l, result, first == VK_OK ? row : NULL, arg);
            if (e == VK_E_FORBIDDEN) { /* the end of it is read still */
                first = e;
                e = VK_OK;
            }
        }
        if (e != VK_OK)
            return e;
    }
    return first;
}

void vk_pq_close(vk_pq_link *l)
{
    if (l->conn)
        l->pq->finish(l->conn); /* also takes back what is still open */
    l->conn = NULL;
}
