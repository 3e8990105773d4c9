#include "courier/postgres.h"

#include "core/clock.h"
#include "courier/match.h"
#include "http/uri.h"

#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

/* Of libpq-fe.h. */
enum { CONNECTION_BAD = 1 };
enum { POLLING_FAILED, POLLING_READING, POLLING_WRITING, POLLING_OK };
enum { RESULT_COMMAND_OK = 1, RESULT_TUPLES_OK = 2 };
enum { DIAG_SQLSTATE = 'C', ERRORS_SQLSTATE = 3 };

enum { HOSTS_MAX = VK_OUTBOUND_ADDRESSES * (VK_HOST_MAX + 1) + 1, ARENA_MAX = 64 * 1024 };

void vk_pq_forget_environment(void)
{
    char **to = environ;
    for (char **from = environ; from && *from; from++)
        if (strncmp(*from, "PG", 2) != 0)
            *to++ = *from;
    if (to)
        *to = NULL;
}

bool vk_pq_load(vk_pq *out_r)
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
        {"PQclear", offsetof(vk_pq, clear)},
        {"PQfinish", offsetof(vk_pq, finish)},
    };
    void *lib = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; lib && i < VK_COUNT(symbols); i++) {
        void *p = dlsym(lib, symbols[i].name);
        if (!p)
            return false;
        memcpy((char *)out_r + symbols[i].at, &p, sizeof p);
    }
    return lib != NULL;
}

/* ---- the conversation */

typedef struct talk {
    const vk_pq *pq;
    void *conn;
    int64_t until_ms;
    vk_outbound_answer *answer;
} talk;

static vk_err lack(talk *t, vk_outbound_lack why, vk_err e)
{
    t->answer->lack = why;
    return e;
}

/* Until the socket is ready for what is wanted, or the time is over. */
static vk_err wait_for(talk *t, short events)
{
    int64_t left = t->until_ms - vk_clock_mono_ms();
    struct pollfd p = {.fd = t->pq->socket(t->conn), .events = events};
    if (p.fd < 0)
        return lack(t, VK_LACK_REACH, VK_E_UNAVAILABLE);
    return left > 0 && poll(&p, 1, (int)left) > 0 ? VK_OK : lack(t, VK_LACK_TIME, VK_E_TIMEOUT);
}

static bool is_sqlstate(const char *p, size_t n)
{
    bool good = n == VK_SQLSTATE;
    for (size_t i = 0; good && i < n; i++)
        good = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'A' && p[i] <= 'Z');
    return good;
}

static vk_err refused(talk *t, const char *sqlstate)
{
    t->answer->status = 400;
    vk_buf_add(&t->answer->body, sqlstate, VK_SQLSTATE);
    return t->answer->body.err;
}

/* What the server said when there was no connection yet is in libpq's text only: "…:  28P01". Whatever else
 * is in it is libpq's own English. */
static vk_err not_connected(talk *t)
{
    const char *message = t->pq->error_message(t->conn);
    vk_str text = vk_str_z(message ? message : "");
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
        text.n--;
    const char *end = text.n > VK_SQLSTATE ? text.p + text.n - VK_SQLSTATE : NULL;
    if (end && end[-1] == ' ' && is_sqlstate(end, VK_SQLSTATE))
        return refused(t, end);
    if (memmem(text.p, text.n, "no password supplied", 20))
        return refused(t, "28P01");
    bool tls = memmem(text.p, text.n, "SSL", 3) || memmem(text.p, text.n, "certificate", 11);
    return lack(t, tls ? VK_LACK_TLS : VK_LACK_REACH, VK_E_UNAVAILABLE);
}

static vk_err connect_to(talk *t)
{
    vk_err e = VK_OK;
    if (t->pq->status(t->conn) == CONNECTION_BAD)
        return not_connected(t);
    t->pq->set_verbosity(t->conn, ERRORS_SQLSTATE);
    for (int state = POLLING_WRITING; e == VK_OK && state != POLLING_OK;) {
        e = wait_for(t, state == POLLING_READING ? POLLIN : POLLOUT);
        if (e == VK_OK)
            state = t->pq->connect_poll(t->conn);
        if (e == VK_OK && state == POLLING_FAILED)
            return not_connected(t);
    }
    if (e == VK_OK && t->pq->set_nonblocking(t->conn, 1) != 0)
        e = lack(t, VK_LACK_REACH, VK_E_UNAVAILABLE);
    return e;
}

/* False: it is no success; what it was is in the answer. */
static bool take_result(talk *t, void *result, vk_err *e)
{
    int status = t->pq->result_status(result);
    bool good = status == RESULT_COMMAND_OK || status == RESULT_TUPLES_OK;
    const char *state = good ? NULL : t->pq->result_field(result, DIAG_SQLSTATE);
    if (!good && !t->answer->status)
        *e = state && is_sqlstate(state, strlen(state)) ? refused(t, state)
                                                        : lack(t, VK_LACK_REACH, VK_E_UNAVAILABLE);
    t->pq->clear(result);
    return good;
}

/* One statement to its end. False: go no further; *e or the answer's status says why. */
static bool run(talk *t, const char *sql, vk_err *e)
{
    bool good = true, more = t->pq->send_query(t->conn, sql) == 1;
    if (!more)
        *e = lack(t, VK_LACK_REACH, VK_E_UNAVAILABLE);
    while (more && *e == VK_OK) {
        int unsent = t->pq->flush(t->conn);
        *e = unsent < 0 ? lack(t, VK_LACK_REACH, VK_E_UNAVAILABLE)
                        : wait_for(t, unsent ? POLLIN | POLLOUT : POLLIN);
        if (*e == VK_OK && t->pq->consume_input(t->conn) != 1)
            *e = lack(t, VK_LACK_REACH, VK_E_UNAVAILABLE);
        while (more && *e == VK_OK && !t->pq->is_busy(t->conn)) {
            void *result = t->pq->get_result(t->conn);
            more = result != NULL;
            good = !more || (take_result(t, result, e) && good);
            if (!good)
                return false;
        }
    }
    return *e == VK_OK;
}

vk_err vk_postgres_probe(const vk_pq *pq, const vk_postgres_at *at, const char *statement,
                         vk_outbound_answer *answer)
{
    /* All that a file could say otherwise; of the environment courier has forgotten what libpq reads. */
    const char *const keywords[] = {"host",
                                    "hostaddr",
                                    "port",
                                    "user",
                                    "password",
                                    "dbname",
                                    "sslmode",
                                    "sslrootcert",
                                    "sslcert",
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
    const char *const values[] = {hosts,
                                  at->addresses,
                                  at->port,
                                  at->user,
                                  at->password,
                                  at->database,
                                  "verify-full",
                                  at->ca_file,
                                  "/nonexistent",
                                  "/nonexistent",
                                  "/nonexistent",
                                  "disable",
                                  "-c statement_timeout=10000",
                                  "UTF8",
                                  "key-check",
                                  "any",
                                  NULL};
    _Static_assert(VK_COUNT(keywords) == VK_COUNT(values), "each keyword has a value");
    talk t = {.pq = pq, .until_ms = at->until_ms, .answer = answer};
    answer->status = 0;
    t.conn = pq->connect_start(keywords, values, 0);
    if (!t.conn)
        return lack(&t, VK_LACK_REACH, VK_E_NOMEM);
    vk_err e = connect_to(&t);
    if (e == VK_OK && !answer->status && run(&t, "BEGIN", &e) && run(&t, statement, &e) &&
        run(&t, "ROLLBACK", &e))
        answer->status = 200;
    pq->finish(t.conn); /* also takes back what is still open */
    return e;
}

/* ---- the address */

static const char *authorities(const vk_outbound *o)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    for (size_t i = 0; !o->ca_file && i < VK_COUNT(files); i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return o->ca_file ? o->ca_file : files[0];
}

/* Decoded, with a NUL behind it; NULL: it cannot be. */
static const char *decoded(vk_arena *a, vk_str s)
{
    vk_str out;
    if (vk_uri_decode(a, s, &out) != VK_OK)
        return NULL;
    return vk_arena_dup(a, out).p;
}

/* As a URL of https, the host has to pass the same reader. */
static bool target_of(vk_arena *a, vk_str host, vk_str port, vk_target *t)
{
    const char *why;
    vk_str url = vk_arena_printf(a, "https://" VK_STR_FMT ":" VK_STR_FMT "/", VK_STR_ARG(host),
                                 VK_STR_ARG(port.n ? port : VK_STR("5432")));
    return url.p && vk_target_parse(url, t, &why) == VK_OK;
}

static bool port_open(const vk_egress *e, uint16_t port)
{
    for (size_t i = 0; i < e->n_ports; i++)
        if (e->ports[i] == port)
            return true;
    return port == VK_POSTGRES_PORT;
}

static vk_err ask_in(vk_arena *a, const vk_outbound *o, const vk_pq *pq, const vk_outbound_ask *ask,
                     vk_outbound_answer *answer)
{
    static const char form[] = "^postgres(ql)?://((([^/?#:]*)(:([^/"
                               "?#]*))?)@)?([A-Za-z0-9._-]+)(:([0-9]{1,5}))?/([^/?#]+)([?][^#]*)?$";
    vk_str g[VK_GROUPS_MAX];
    vk_target t;
    char port[8], addresses[VK_LOOKED_AT_MAX];
    int64_t until = vk_clock_mono_ms() + (o->total_ms ? o->total_ms : VK_OUTBOUND_MS);
    answer->lack = VK_LACK_INVALID;
    if (!vk_pattern_groups(vk_str_z(form), ask->url, g) || !target_of(a, g[7], g[9], &t))
        return VK_E_INVALID;
    const char *user = decoded(a, g[4]), *password = decoded(a, g[6]), *database = decoded(a, g[10]);
    const char *statement = vk_arena_dup(a, ask->body).p;
    if (!user || !password || !database || !statement)
        return VK_E_INVALID;
    answer->lack = VK_LACK_GUARD;
    if (!port_open(&o->egress, t.port))
        return VK_E_FORBIDDEN;
    answer->lack = VK_LACK_NOTHING;
    vk_err e = vk_outbound_look(o, &t, addresses, answer);
    if (e != VK_OK)
        return e;
    snprintf(port, sizeof port, "%u", t.port);
    const vk_postgres_at at = {.host = t.host,
                               .addresses = addresses,
                               .port = port,
                               .user = user,
                               .password = password,
                               .database = database,
                               .ca_file = authorities(o),
                               .until_ms = until};
    return vk_postgres_probe(pq, &at, statement, answer);
}

vk_err vk_postgres_ask(const vk_outbound *o, const vk_pq *pq, const vk_outbound_ask *ask,
                       vk_outbound_answer *answer)
{
    vk_arena *a = vk_arena_new(ARENA_MAX);
    answer->status = 0;
    answer->lack = VK_LACK_REACH;
    if (!a)
        return VK_E_NOMEM;
    vk_err e = ask_in(a, o, pq, ask, answer);
    vk_arena_wipe(a); /* the password was in it */
    vk_arena_free(a);
    return e;
}
