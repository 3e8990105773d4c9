#include "keeper/pg_check.h"

#include "core/json_write.h"
#include "keeper/pg.h"

#include <stdarg.h>

enum { SAID_MAX = 8, OPEN_MAX = 4, TEXT_MAX = 120 };

typedef struct lines {
    char of[SAID_MAX][TEXT_MAX];
    size_t n;
} lines;

typedef struct look {
    vk_pg_server at;
    vk_pq_link l;
    lines done, missing, wide;
    char say[TEXT_MAX];
    bool is[8]; /* what the role and the server are; see below */
} look;

static void add(lines *l, const char *fmt, ...) VK_PRINTF(2, 3);
static void add(lines *l, const char *fmt, ...)
{
    va_list ap;
    if (l->n == SAID_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(l->of[l->n++], TEXT_MAX, fmt, ap);
    va_end(ap);
}

/* ---- what is asked */

enum { SUPERUSER, ROLES, DATABASES, REPLICATION, RLS, COPY, TEMP };

static void take_role(void *arg, const vk_str *columns, size_t n)
{
    look *x = arg;
    for (size_t i = 0; i < n && i < VK_COUNT(x->is); i++)
        x->is[i] = vk_str_eqz(columns[i], "t");
}

static void take_open(void *arg, const vk_str *columns, size_t n)
{
    look *x = arg;
    if (n)
        add(&x->missing, "keep builds apart: REVOKE CONNECT ON DATABASE " VK_STR_FMT " FROM PUBLIC;",
            VK_STR_ARG(columns[0]));
}

static vk_err ask(look *x)
{
    bool parameters = vk_pg_version(&x->l) >= 150000; /* may be given to others than superusers */
    char sql[VK_PG_SQL_MAX];
    snprintf(
        sql, sizeof sql,
        "SELECT rolsuper, rolsuper OR rolcreaterole, rolsuper OR rolcreatedb, rolreplication, rolbypassrls, "
        "pg_catalog.pg_is_in_recovery(), rolsuper%s FROM pg_catalog.pg_roles WHERE rolname = current_user",
        parameters ? " OR pg_catalog.has_parameter_privilege('temp_file_limit', 'SET')" : "");
    vk_err e = vk_pq_run(&x->l, sql, take_role, x);
    if (e != VK_OK)
        return e;
    if (!x->is[ROLES])
        add(&x->missing, "make roles (CREATEROLE)");
    if (!x->is[DATABASES])
        add(&x->missing, "make databases (CREATEDB)");
    if (vk_pg_version(&x->l) < 120000)
        add(&x->missing, "version 12 or newer");
    if (x->is[COPY])
        add(&x->missing, "a server that can be written to");
    if (!vk_pg_asked_password(&x->l))
        add(&x->missing, "a password that is asked for (pg_hba.conf: scram-sha-256)");
    if (!vk_pg_in_tls(&x->l) && !x->at.loopback)
        add(&x->missing, "TLS");
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.quote_ident(datname) FROM pg_catalog.pg_database WHERE datallowconn AND "
             "pg_catalog.has_database_privilege('public', oid, 'CONNECT') AND pg_catalog.left(datname, 3) <> "
             "'vk_' ORDER BY oid LIMIT %d",
             OPEN_MAX);
    return vk_pq_run(&x->l, sql, take_open, x);
}

static void judge(look *x)
{
    int version = vk_pg_version(&x->l);
    if (x->is[ROLES])
        add(&x->done, "make roles");
    if (x->is[DATABASES])
        add(&x->done, "make databases");
    if (x->is[TEMP])
        add(&x->done, "limit temporary files");
    if (x->is[SUPERUSER])
        add(&x->wide, "be a superuser, of all databases there");
    else if (x->is[RLS])
        add(&x->wide, "read rows past their policies (BYPASSRLS)");
    if (x->is[REPLICATION] && !x->is[SUPERUSER])
        add(&x->wide, "copy the server (REPLICATION)");
    snprintf(x->say, sizeof x->say, "PostgreSQL %d", version / 10000);
}

/* ---- how it is said */

/* As far as there is room. */
static void put(vk_jw *w, const char *name, const lines *l, size_t room)
{
    vk_jw_key(w, vk_str_z(name));
    vk_jw_arr(w);
    for (size_t i = 0; i < l->n; i++)
        if (w->out->n + strlen(l->of[i]) + 8 < room)
            vk_jw_str(w, vk_str_z(l->of[i]));
    vk_jw_arr_end(w);
}

static void write_check(vk_vendor_look *l, const look *x, bool refused)
{
    enum { MOST = sizeof l->check - 1, BEHIND = 100 /* for what is behind the list of what is missing */ };
    char text[2 * sizeof l->check];
    vk_buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_kbool(&w, "ok", !refused && x->missing.n == 0);
    vk_jw_kbool(&w, "refused", refused);
    if (x->say[0])
        vk_jw_kstr(&w, "say", vk_str_z(x->say));
    put(&w, "missing", &x->missing, MOST - BEHIND);
    put(&w, "wide", &x->wide, MOST - 30);
    put(&w, "done", &x->done, MOST);
    vk_jw_obj_end(&w);
    l->result = b.err || b.n > MOST ? VK_E_INTERNAL : VK_OK;
    if (l->result == VK_OK)
        snprintf(l->check, sizeof l->check, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&b)));
}

vk_err vk_pg_look_prepare(const struct vk_org *g, vk_vendor_look *l, const char **why_r)
{
    look *x = VK_NEW(l->arena, look);
    *why_r = "There is not enough memory";
    l->ctx = x;
    return x ? vk_pg_server_of(g, l->arena, &x->at, why_r) : VK_E_NOMEM;
}

void vk_pg_look(vk_vendor_look *l)
{
    look *x = l->ctx;
    vk_err e = vk_pg_open(&x->l, &x->at, NULL, NULL);
    bool refused = e != VK_OK && x->l.lack == VK_PQ_SAID && strncmp(x->l.sqlstate, "28", 2) == 0;
    if (e == VK_OK)
        e = ask(x);
    if (e == VK_OK)
        judge(x);
    char why[sizeof l->why];
    vk_err judged = vk_pg_judge(&x->l, e, "look at the server", why, sizeof why);
    vk_pg_close(&x->l);
    if (refused)
        snprintf(x->say, sizeof x->say, "%s",
                 strcmp(x->l.sqlstate, "28P01") == 0
                     ? "The server does not take this user's password"
                     : "The server does not let this user in from here (pg_hba.conf)");
    if (judged == VK_OK || refused) {
        write_check(l, x, refused);
        return;
    }
    l->result = VK_E_UNAVAILABLE;
    snprintf(l->why, sizeof l->why, "%.390s.", why);
}
