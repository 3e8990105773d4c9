#include "keeper/pg.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"
#include "http/uri.h"
#include "keeper/shape.h"

#include <sodium.h>
#include <stdarg.h>
#include <unistd.h>

static vk_pq pq;
static vk_err loaded = VK_E_NOT_FOUND;
static const vk_limits *limits_of = &vk_limits_usual;
static const char *authorities;
static _Atomic bool ends;

/* Nothing of a build's is looked up by accident, and nobody waits for a lock of a build's for long. */
static const char options[] =
    "-c search_path=pg_catalog,pg_temp -c statement_timeout=45000 -c lock_timeout=1000 "
    "-c client_min_messages=error -c default_transaction_read_only=off -c standard_conforming_strings=on";

void vk_pg_begin(const vk_limits *limits, const char *ca_file)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    limits_of = limits;
    authorities = ca_file;
    for (size_t i = 0; !authorities && i < VK_COUNT(files); i++)
        if (access(files[i], R_OK) == 0)
            authorities = files[i];
    vk_pq_forget_environment();
    loaded = vk_pq_load(&pq);
    if (loaded == VK_E_UNSUPPORTED)
        vk_log(VK_WARN,
               "this libpq is of a make whose memory cannot be overwritten: no build gets a database "
               "at a PostgreSQL server");
}

const vk_limits *vk_pg_limits(void)
{
    return limits_of;
}

void vk_pg_end(void)
{
    atomic_store(&ends, true);
}

/* ---- where it is */

static const char *part(vk_arena *a, vk_str s)
{
    vk_str out;
    return vk_uri_decode(a, s, &out) == VK_OK ? vk_arena_dup(a, out).p : NULL;
}

/* "[::1]:5433" → "::1" and "5433". */
static void split_host(vk_str all, vk_str *host, vk_str *port)
{
    *host = all;
    *port = VK_STR("5432");
    for (size_t i = all.n; i > 0 && all.p[i - 1] != ']'; i--)
        if (all.p[i - 1] == ':') {
            *host = (vk_str){all.p, i - 1};
            *port = (vk_str){all.p + i, all.n - i};
            break;
        }
    if (host->n > 2 && host->p[0] == '[')
        *host = (vk_str){host->p + 1, host->n - 2};
}

/* postgresql://user:password@host:port/database?…, which the field's check let through. */
static vk_err parse(vk_str url, vk_arena *a, vk_pg_server *s)
{
    vk_str rest = url, host, port, user, login, at, database;
    vk_str_cut(&rest, '/', &user);
    rest = (vk_str){rest.p + 1, rest.n ? rest.n - 1 : 0};
    if (vk_str_cut(&rest, '#', &at))
        rest = at;
    if (vk_str_cut(&rest, '?', &at))
        rest = at;
    if (!vk_str_cut(&rest, '/', &at)) {
        at = rest;
        rest = VK_STR_NONE;
    }
    database = rest.n ? rest : VK_STR("postgres");
    if (!vk_str_cut(&at, '@', &login))
        return VK_E_INVALID;
    if (!vk_str_cut(&login, ':', &user)) {
        user = login;
        login = VK_STR("");
    }
    vk_shape_host_ok(at, &s->loopback);
    split_host(at, &host, &port);
    s->host = vk_arena_dup(a, host).p;
    s->port = vk_arena_dup(a, port).p;
    s->user = part(a, user);
    s->password = part(a, login);
    s->database = part(a, database);
    return s->host && s->port && s->user && s->password && s->database ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pg_server_of(const vk_org *org, vk_arena *a, vk_pg_server *out_r, const char **why_r)
{
    vk_secret url = vk_org_value(org, "admin_url");
    vk_str mode = vk_secret_bytes(vk_org_value(org, "sslmode"));
    vk_pg_server s = {0};
    if (loaded != VK_OK) {
        *why_r = "Databases at a PostgreSQL server need libpq, version 12 or newer (Debian: libpq5), when "
                 "valetkey starts";
        return VK_E_UNAVAILABLE;
    }
    if (!url.n) {
        *why_r = "The organisation has no address of a PostgreSQL server: valetkey keys set postgres";
        return VK_E_UNAVAILABLE;
    }
    vk_err e = parse(vk_secret_bytes(url), a, &s);
    if (e != VK_OK) {
        *why_r = e == VK_E_NOMEM ? "There is not enough memory" : "The server's address cannot be read";
        return e;
    }
    s.sslmode = mode.n ? vk_arena_dup(a, mode).p : s.loopback ? "prefer" : "verify-full";
    if (!s.sslmode)
        return VK_E_NOMEM;
    *out_r = s;
    return VK_OK;
}

/* ---- talking */

vk_err vk_pg_open_as(vk_pq_link *l, const vk_pg_server *s, const char *user, const char *password,
                     const char *database, const _Atomic bool *give_up)
{
    const vk_pq_at at = {.host = s->host,
                         .port = s->port,
                         .user = user,
                         .password = password,
                         .database = database,
                         .sslmode = s->sslmode,
                         .ca_file = authorities ? authorities : "/nonexistent",
                         .options = options,
                         .application = "valetkey",
                         .until_ms = vk_clock_mono_ms() + VK_PG_CONNECT_MS,
                         .give_up = give_up ? give_up : &ends};
    vk_err e = vk_pq_open(l, &pq, &at);
    l->until_ms = vk_clock_mono_ms() + VK_PG_MS;
    return e;
}

vk_err vk_pg_open(vk_pq_link *l, const vk_pg_server *s, const char *database, const _Atomic bool *give_up)
{
    return vk_pg_open_as(l, s, s->user, s->password, database ? database : s->database, give_up);
}

void vk_pg_close(vk_pq_link *l)
{
    vk_pq_close(l);
    sodium_stackzero(VK_PG_STACK);
}

static vk_err too_long(vk_pq_link *l)
{
    l->lack = VK_PQ_MEMORY;
    return VK_E_TOO_LARGE;
}

vk_err vk_pg_do(vk_pq_link *l, const char *fmt, ...)
{
    char sql[VK_PG_SQL_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    vk_err e = n < 0 || (size_t)n >= sizeof sql ? too_long(l) : vk_pq_run(l, sql, NULL, NULL);
    vk_wipe(sql, sizeof sql); /* a verifier may be in it */
    return e;
}

vk_err vk_pg_insist(vk_pq_link *l, const char *role, const char *fmt, ...)
{
    char sql[VK_PG_SQL_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    vk_err e = n < 0 || (size_t)n >= sizeof sql ? too_long(l) : vk_pq_run(l, sql, NULL, NULL);
    for (int i = 0; i < VK_PG_INSIST && e != VK_OK && vk_pg_was(l, "55P03 55006 40001 XX000"); i++) {
        e = vk_pg_do(l,
                     "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE "
                     "usename = '%s'",
                     role);
        if (e == VK_OK)
            e = vk_pq_run(l, sql, NULL, NULL);
    }
    vk_wipe(sql, sizeof sql); /* a verifier may be in it */
    return e;
}

typedef struct first {
    char *out;
    size_t room;
    bool has;
} first;

static void take_first(void *arg, const vk_str *columns, size_t n)
{
    first *f = arg;
    if (f->has || n == 0)
        return;
    f->has = true;
    snprintf(f->out, f->room, VK_STR_FMT, VK_STR_ARG(columns[0]));
}

vk_err vk_pg_ask(vk_pq_link *l, char *out, size_t room, const char *fmt, ...)
{
    char sql[VK_PG_SQL_MAX];
    first f = {.out = out, .room = room};
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    out[0] = '\0';
    return n < 0 || (size_t)n >= sizeof sql ? too_long(l) : vk_pq_run(l, sql, take_first, &f);
}

bool vk_pg_was(const vk_pq_link *l, const char *sqlstates)
{
    return l->lack == VK_PQ_SAID && strstr(sqlstates, l->sqlstate);
}

bool vk_pg_asked_password(const vk_pq_link *l)
{
    return pq.password_used(l->conn) != 0;
}

bool vk_pg_in_tls(const vk_pq_link *l)
{
    return pq.in_tls(l->conn) != 0;
}

int vk_pg_version(const vk_pq_link *l)
{
    return pq.server_version(l->conn);
}

/* ---- what it means */

vk_err vk_pg_judge(const vk_pq_link *l, vk_err e, const char *what, char *why, size_t room)
{
    static const struct {
        const char *state; /* or how it begins: PostgreSQL's documentation, appendix A */
        vk_err e;
        const char *why;
    } said[] = {
        {"28P01", VK_E_FORBIDDEN, "the server does not take this user's password"},
        {"28", VK_E_FORBIDDEN, "the server does not let this user in from here (pg_hba.conf)"},
        {"3D000", VK_E_NOT_FOUND, "there is no such database on the server"},
        {"42501", VK_E_FORBIDDEN, "the role of the organisation's address may not do that"},
        {"25006", VK_E_FORBIDDEN, "the server is a copy that can only be read"},
        {"53100", VK_E_FULL, "the server's disk is full"},
        {"53", VK_E_BUSY, "the server has too much to do: connections or memory are used up"},
        {"57", VK_E_BUSY, "the server starts or stops just now, or it took too long"},
        {"55", VK_E_BUSY, "somebody else is at it just now"},
        {"40", VK_E_BUSY, "somebody else was at it at the same time"},
        {"08", VK_E_BUSY, "the connection to the server was lost"},
    };
    static const struct {
        vk_pq_lack lack;
        const char *why;
    } lacks[] = {
        {VK_PQ_REACH, "the PostgreSQL server cannot be reached, or the connection was lost"},
        {VK_PQ_TIME, "the PostgreSQL server did not answer in time"},
        {VK_PQ_TLS, "no trusted TLS connection comes about with the PostgreSQL server (sslmode)"},
        {VK_PQ_MEMORY, "there is not enough memory"},
    };
    why[0] = '\0';
    if (e == VK_OK)
        return VK_OK;
    for (size_t i = 0; l->lack == VK_PQ_SAID && i < VK_COUNT(said); i++)
        if (strncmp(l->sqlstate, said[i].state, strlen(said[i].state)) == 0) {
            snprintf(why, room, "Could not %s: %s%s%s", what, said[i].why, l->text[0] ? ". It says: " : "",
                     l->text);
            return said[i].e;
        }
    for (size_t i = 0; i < VK_COUNT(lacks); i++)
        if (l->lack == lacks[i].lack) {
            snprintf(why, room, "Could not %s: %s", what, lacks[i].why);
            return e == VK_E_TOO_LARGE                   ? VK_E_INTERNAL
                   : l->asked && l->lack != VK_PQ_MEMORY ? VK_E_UNAVAILABLE
                                                         : VK_E_BUSY;
        }
    snprintf(why, room, "Could not %s: the PostgreSQL server refuses it (%s%s%s)", what, l->sqlstate,
             l->text[0] ? ": " : "", l->text);
    return VK_E_INVALID;
}

/* ---- passwords and names */

void vk_pg_new_password(char out[VK_PG_PASSWORD + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < VK_PG_PASSWORD;) {
        uint8_t b;
        vk_random(&b, 1);
        if (b < 4 * (sizeof letters - 1)) /* each as often as another */
            out[i++] = letters[b % (sizeof letters - 1)];
    }
    out[VK_PG_PASSWORD] = '\0';
}

vk_err vk_pg_verifier(vk_pq_link *l, const char *user, const char *password, char *out, size_t room)
{
    char *made = pq.encrypt_password(l->conn, password, user, "scram-sha-256");
    bool good =
        made && strlen(made) < room && strncmp(made, "SCRAM-SHA-256$", 14) == 0 && !strchr(made, '\'');
    if (good)
        snprintf(out, room, "%s", made);
    if (made)
        pq.free_memory(made);
    if (!good)
        l->lack = VK_PQ_MEMORY;
    return good ? VK_OK : VK_E_NOMEM;
}

bool vk_pg_name_ok(vk_str name)
{
    bool good = name.n > 0 && name.n <= VK_PG_NAME_MAX;
    for (size_t i = 0; good && i < name.n; i++)
        good = (name.p[i] >= 'a' && name.p[i] <= 'z') || (name.p[i] >= '0' && name.p[i] <= '9') ||
               name.p[i] == '_';
    return good;
}
