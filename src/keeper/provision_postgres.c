/* A role and a database for each build on the organisation's PostgreSQL server, both of one opaque name. The
 * database belongs to the organisation's role, so that the build can give nobody a way in; in it the schema
 * "public" is the build's. All of it is said again when a step is done again: what is there by this name is
 * ours. Until the last step of making it, the role may not log in. */
#include "keeper/pg.h"
#include "keeper/provision_vendors.h"

#include "core/clock.h"

#include <stdarg.h>

enum { ENDS_MAX = 40, END_WAIT_MS = 100, ELSEWHERE_MAX = 16, FOUND_MAX = 20000 };

/* One a step, in its arena. */
typedef struct work {
    vk_pg_server at;
    vk_arena *arena;
    char name[VK_PG_NAME_MAX + 1], tag[VK_PG_NAME_MAX + 1];
    char password[VK_PG_PASSWORD + 1]; /* made here, or of the vault */
    vk_pq_link l;
    /* found: */
    char text[VK_PG_SQL_MAX];
    int64_t bytes, connections;
    bool read_only, closed;
    bool there; /* the role was, when it was shut out */
    vk_str names[ELSEWHERE_MAX];
    size_t n_names;
    struct found {
        vk_str name, id;
        struct found *next;
    } * found;
    size_t n_found;
} work;

static vk_err prepare(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    work *x = VK_NEW(w->arena, work);
    if (!x) {
        *why_r = "There is not enough memory";
        return VK_E_NOMEM;
    }
    if (p->name[0] && !vk_pg_name_ok(vk_str_z(p->name))) {
        *why_r = "The name that was chosen is none";
        return VK_E_INTERNAL;
    }
    x->arena = w->arena;
    snprintf(x->name, sizeof x->name, "%s", p->name);
    snprintf(x->tag, sizeof x->tag, "%s", p->tag ? p->tag : "");
    w->ctx = x;
    return vk_pg_server_of(p->org, w->arena, &x->at, why_r);
}

static vk_err prepare_with_password(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    vk_err e = prepare(p, w, why_r);
    vk_str password = p->own ? vk_secret_bytes(vk_org_value(p->own, "password")) : VK_STR_NONE;
    if (e == VK_OK)
        snprintf(((work *)w->ctx)->password, sizeof((work *)w->ctx)->password, VK_STR_FMT,
                 VK_STR_ARG(password));
    return e;
}

static vk_err finish(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    VK_UNUSED(p);
    *why_r = w->why;
    return w->result;
}

/* One conversation as the administrator. */
static void converse(vk_prov_work *w, const char *database, const char *what,
                     vk_err (*talk)(work *x, vk_prov_work *w))
{
    work *x = w->ctx;
    vk_err e = vk_pg_open(&x->l, &x->at, database, w->give_up);
    if (e == VK_OK)
        e = talk(x, w);
    if (!w->why[0])
        e = vk_pg_judge(&x->l, e, what, w->why, sizeof w->why);
    w->result = e;
    vk_pg_close(&x->l);
}

static vk_err refuse(vk_prov_work *w, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
static vk_err refuse(vk_prov_work *w, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
    return e;
}

/* ---- the role */

/* What a role that everybody's is (PUBLIC) may connect to, all builds may. */
static vk_err closed_to_builds(work *x, vk_prov_work *w)
{
    vk_err e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                         "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(datname), ', ') FROM (SELECT "
                         "datname FROM pg_catalog.pg_database WHERE datallowconn AND "
                         "pg_catalog.has_database_privilege('public', oid, 'CONNECT') AND "
                         "pg_catalog.left(datname, 3) <> 'vk_' ORDER BY oid LIMIT 4) AS open");
    if (e == VK_OK && x->text[0])
        return refuse(w, VK_E_FORBIDDEN,
                      "Builds could connect to other databases of the server. Once, as its administrator: "
                      "REVOKE CONNECT ON DATABASE %.200s FROM PUBLIC;",
                      x->text);
    return e;
}

/* Of servers that let no role but a superuser set it, or have it not. */
static vk_err limit(work *x, const char *setting, int64_t value, const char *unit)
{
    vk_err e =
        vk_pg_do(&x->l, "ALTER ROLE \"%s\" SET %s = '%lld%s'", x->name, setting, (long long)value, unit);
    return e != VK_OK && vk_pg_was(&x->l, "42501 42704 0A000") ? VK_OK : e;
}

static vk_err set_limits(work *x)
{
    const int64_t *of = vk_pg_limits()->of;
    vk_err e = limit(x, "statement_timeout", of[VK_LIMIT_POSTGRES_STATEMENT], "ms");
    if (e == VK_OK)
        e = limit(x, "idle_in_transaction_session_timeout", of[VK_LIMIT_POSTGRES_IDLE], "ms");
    if (e == VK_OK)
        e = limit(x, "temp_file_limit", of[VK_LIMIT_POSTGRES_TEMP] / 1024, "kB");
    return e;
}

/* With the verifier of x->password, which replaces any other. */
static vk_err set_password(work *x, const char *how)
{
    char verifier[VK_PQ_PASSWORD_MAX];
    vk_err e = vk_pg_verifier(&x->l, x->name, x->password, verifier, sizeof verifier);
    if (e == VK_OK)
        e = vk_pg_insist(&x->l, x->name, "%s \"%s\" %s CONNECTION LIMIT %lld PASSWORD '%s'",
                         how[0] == 'C' ? "CREATE ROLE" : "ALTER ROLE", x->name, how + 1,
                         (long long)vk_pg_limits()->of[VK_LIMIT_POSTGRES_CONNECTIONS], verifier);
    vk_wipe(verifier, sizeof verifier);
    return e;
}

/* NOINHERIT: before PostgreSQL 15 a role may give itself to others, who must not get into its database by
 * that. */
static vk_err make_role(work *x, vk_prov_work *w)
{
    vk_err e = closed_to_builds(x, w);
    if (e == VK_OK)
        e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                      "SELECT rolsuper OR rolreplication OR rolbypassrls FROM pg_catalog.pg_roles WHERE "
                      "rolname = '%s'",
                      x->name);
    if (e == VK_OK && x->text[0] == 't')
        return refuse(w, VK_E_CONFLICT, "There is a role %s on the server already that is not ours", x->name);
    if (e == VK_OK && !x->text[0])
        e = set_password(x,
                         "CNOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS");
    else if (e == VK_OK)
        e = set_password(x, "ANOLOGIN");
    if (e == VK_OK)
        e = set_limits(x);
    if (e == VK_OK)
        e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                      "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user");
    /* Who is no superuser must belong to the role to give it a schema and to end its sessions. */
    if (e == VK_OK && x->text[0] != 't')
        e = vk_pg_do(&x->l, "GRANT \"%s\" TO CURRENT_USER", x->name);
    return e;
}

static void run_role(vk_prov_work *w)
{
    vk_pg_new_password(((work *)w->ctx)->password);
    converse(w, NULL, "make the role", make_role);
}

/* "host:port", or what there is room for. */
static vk_str server_of(const work *x, vk_prov_work *w)
{
    vk_str s = vk_arena_printf(w->arena, "%s:%s", x->at.host, x->at.port);
    s.n = s.n < VK_PROV_VALUE_MAX ? s.n : VK_PROV_VALUE_MAX;
    return s;
}

static vk_err keep_password(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    work *x = w->ctx;
    *why_r = w->why;
    vk_err e = w->result;
    if (e == VK_OK)
        e = vk_prov_note(p, "server", server_of(x, w));
    return e != VK_OK ? e : vk_prov_set(p, "password", vk_secret_of(vk_str_z(x->password)));
}

/* ---- the database */

static vk_err make_database(work *x, vk_prov_work *w)
{
    vk_err e =
        vk_pg_ask(&x->l, x->text, sizeof x->text,
                  "SELECT pg_catalog.pg_get_userbyid(datdba) = current_user FROM pg_catalog.pg_database "
                  "WHERE datname = '%s'",
                  x->name);
    if (e == VK_OK && x->text[0] == 'f')
        return refuse(w, VK_E_CONFLICT, "There is a database %s on the server already that is not ours",
                      x->name);
    /* Of template0, which nobody can have changed; closed until nobody else may connect. */
    if (e == VK_OK && !x->text[0]) {
        e = vk_pg_do(&x->l, "CREATE DATABASE \"%s\" TEMPLATE template0 ALLOW_CONNECTIONS false", x->name);
        if (e != VK_OK && vk_pg_was(&x->l, "42P04"))
            e = VK_OK;
    }
    if (e == VK_OK)
        e = vk_pg_do(&x->l, "REVOKE ALL ON DATABASE \"%s\" FROM PUBLIC", x->name);
    if (e == VK_OK)
        e = vk_pg_do(&x->l, "GRANT CONNECT, TEMPORARY, CREATE ON DATABASE \"%s\" TO \"%s\"", x->name,
                     x->name);
    if (e == VK_OK)
        e = vk_pg_do(&x->l, "ALTER DATABASE \"%s\" ALLOW_CONNECTIONS true", x->name);
    return e;
}

static void run_database(vk_prov_work *w)
{
    converse(w, NULL, "make the database", make_database);
}

/* The only time that anything is done inside of it while the build may live. */
static vk_err give_schema(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    return vk_pg_do(&x->l, "ALTER SCHEMA public OWNER TO \"%s\"", x->name);
}

static void run_schema(vk_prov_work *w)
{
    converse(w, ((work *)w->ctx)->name, "hand over the schema", give_schema);
}

/* ---- as the build */

static vk_err let_in(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    return vk_pg_do(&x->l, "ALTER ROLE \"%s\" LOGIN", x->name);
}

static vk_err shut_out(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    vk_err e = vk_pg_insist(&x->l, x->name, "ALTER ROLE \"%s\" NOLOGIN", x->name);
    x->there = e == VK_OK;
    return e != VK_OK && vk_pg_was(&x->l, "42704") ? VK_OK : e;
}

static vk_err look_around(work *x, vk_prov_work *w)
{
    vk_err e = vk_pg_open_as(&x->l, &x->at, x->name, x->password, x->name, w->give_up);
    bool asked = e == VK_OK && vk_pg_asked_password(&x->l);
    if (asked)
        e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                      "SELECT current_user = '%s' AND current_database() = '%s' AND "
                      "pg_catalog.has_schema_privilege('public', 'CREATE') AND NOT EXISTS (SELECT FROM "
                      "pg_catalog.pg_database WHERE datallowconn AND datname <> current_database() AND "
                      "pg_catalog.has_database_privilege(oid, 'CONNECT'))",
                      x->name, x->name);
    e = vk_pg_judge(&x->l, e, "log in as the build", w->why, sizeof w->why);
    vk_pg_close(&x->l);
    /* Such a server keeps no build apart from another. */
    if (e == VK_OK && !asked)
        return refuse(w, VK_E_FORBIDDEN,
                      "The server lets roles in without their password: in its pg_hba.conf, \"trust\" must "
                      "become \"scram-sha-256\"");
    if (e == VK_OK && x->text[0] != 't')
        return refuse(
            w, VK_E_FORBIDDEN,
            "The new role can reach another database than its own, or cannot make tables in its own: "
            "valetkey keys check postgres says more");
    return e;
}

static void run_login(vk_prov_work *w)
{
    work *x = w->ctx;
    char why[VK_PROV_WHY];
    converse(w, NULL, "let the role in", let_in);
    if (w->result == VK_OK)
        w->result = look_around(x, w);
    if (w->result == VK_OK || w->result == VK_E_BUSY || w->result == VK_E_UNAVAILABLE)
        return;
    vk_err e = w->result;
    snprintf(why, sizeof why, "%s", w->why);
    w->why[0] = '\0';
    converse(w, NULL, "shut the role out", shut_out);
    w->result = e;
    snprintf(w->why, sizeof w->why, "%s", why);
}

static vk_err keep_address(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    const work *x = w->ctx;
    const char *sslmode = strncmp(x->at.sslmode, "verify", 6) == 0 ? "require" : x->at.sslmode;
    const struct {
        const char *field, *value;
    } all[] = {{"host", x->at.host},
               {"port", x->at.port},
               {"database", x->name},
               {"user", x->name},
               {"sslmode", sslmode}};
    *why_r = w->why;
    vk_err e = w->result;
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(all); i++)
        e = vk_prov_set(p, all[i].field, vk_secret_of(vk_str_z(all[i].value)));
    return e;
}

static const vk_prov_step make[] = {
    {.what = "make the role",
     .op = "role.create",
     .prepare = prepare,
     .run = run_role,
     .finish = keep_password},
    {.what = "make the database",
     .op = "database.create",
     .prepare = prepare,
     .run = run_database,
     .finish = finish},
    {.what = "hand over its schema",
     .op = "schema.grant",
     .prepare = prepare,
     .run = run_schema,
     .finish = finish},
    {.what = "log in as the build",
     .op = "role.login",
     .prepare = prepare_with_password,
     .run = run_login,
     .finish = keep_address},
    {.what = NULL},
};

/* ---- its sessions */

/* Until there is none: one that has just shown its password is in no list yet. */
static vk_err end_sessions(work *x)
{
    vk_err e = VK_OK;
    for (int i = 0, quiet = 0; e == VK_OK && i < ENDS_MAX && quiet < 2; i++) {
        e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                      "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM "
                      "pg_catalog.pg_stat_activity WHERE usename = '%s'",
                      x->name);
        quiet = e == VK_OK && strcmp(x->text, "0") == 0 ? quiet + 1 : 0;
        nanosleep(&(struct timespec){.tv_nsec = END_WAIT_MS * 1000 * 1000}, NULL);
    }
    return e;
}

static vk_err close_role(work *x, vk_prov_work *w)
{
    vk_err e = shut_out(x, w);
    return e == VK_OK ? end_sessions(x) : e;
}

static void run_close(vk_prov_work *w)
{
    converse(w, NULL, "end the role's sessions", close_role);
}

static const vk_prov_step suspend[] = {
    {.what = "end its sessions",
     .op = "role.suspend",
     .prepare = prepare,
     .run = run_close,
     .finish = finish},
    {.what = NULL},
};

/* A build that was suspended lives again: with the password that its environment has, whatever the build may
 * have made of it meanwhile. */
static vk_err let_in_again(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    return set_password(x, "ALOGIN");
}

static void run_renew(vk_prov_work *w)
{
    work *x = w->ctx;
    if (!x->password[0])
        vk_pg_new_password(x->password);
    converse(w, NULL, "let the role in again", let_in_again);
}

static const vk_prov_step renew[] = {
    {.what = "let it in again",
     .op = "role.renew",
     .prepare = prepare_with_password,
     .run = run_renew,
     .finish = keep_password},
    {.what = NULL},
};

/* ---- the end */

/* Where the role is not, and the server goes by another name than the one it was made on, nothing is proven:
 * it may be another one. One that was seen under the new name is the same. */
static vk_err finish_close(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    const work *x = w->ctx;
    vk_str server = vk_prov_noted(p, "server");
    *why_r = w->why;
    if (w->result != VK_OK || !p->own)
        return w->result;
    if (x->there)
        return vk_prov_note(p, "seen", VK_STR("1"));
    if (!server.n || vk_str_eq(server, server_of(x, w)) || vk_prov_noted(p, "seen").n)
        return VK_OK;
    vk_str s = vk_arena_printf(p->arena,
                               "It was made on the server " VK_STR_FMT
                               ", and the keys are of another one by now, on which it is not.",
                               VK_STR_ARG(server));
    *why_r = s.p ? s.p : "It was made on another server than the one whose keys are entered now.";
    return VK_E_CONFLICT;
}

static void take_name(void *arg, const vk_str *columns, size_t n)
{
    work *x = arg;
    if (n == 0 || x->n_names == VK_COUNT(x->names))
        return;
    vk_str s = vk_arena_dup(x->arena, columns[0]);
    if (s.p)
        x->names[x->n_names++] = s;
}

/* A transaction that was prepared outlives its session and keeps a database from being dropped. */
static vk_err roll_back(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    vk_err e = VK_OK;
    for (size_t i = 0; e == VK_OK && i < x->n_names; i++) {
        e = vk_pq_run(&x->l, x->names[i].p, NULL, NULL);
        if (e != VK_OK && vk_pg_was(&x->l, "42704 55000"))
            e = VK_OK;
    }
    return e;
}

static vk_err find_prepared(work *x, vk_prov_work *w)
{
    char sql[VK_PG_SQL_MAX];
    VK_UNUSED(w);
    x->n_names = 0;
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.format('ROLLBACK PREPARED %%L', gid) FROM pg_catalog.pg_prepared_xacts WHERE "
             "database = '%s' LIMIT %d",
             x->name, ELSEWHERE_MAX);
    return vk_pq_run(&x->l, sql, take_name, x);
}

static vk_err drop_database(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    vk_err e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                         "SELECT pg_catalog.pg_get_userbyid(datdba) = current_user FROM "
                         "pg_catalog.pg_database WHERE datname = '%s'",
                         x->name);
    if (e != VK_OK || !x->text[0])
        return e;
    if (x->text[0] == 'f')
        return refuse(w, VK_E_CONFLICT,
                      "The database %s is no longer the organisation's role's, so it is left alone", x->name);
    e = vk_pg_insist(&x->l, x->name, "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", x->name);
    if (e != VK_OK && vk_pg_was(&x->l, "42601")) /* before PostgreSQL 13 */
        e = vk_pg_insist(&x->l, x->name, "DROP DATABASE IF EXISTS \"%s\"", x->name);
    return e;
}

static void run_drop_database(vk_prov_work *w)
{
    work *x = w->ctx;
    for (;;) {
        converse(w, NULL, "look for prepared transactions", find_prepared);
        if (w->result != VK_OK || x->n_names == 0)
            break;
        converse(w, x->name, "take prepared transactions back", roll_back);
        if (w->result != VK_OK)
            break;
    }
    if (w->result == VK_OK)
        converse(w, NULL, "drop the database", drop_database);
}

static vk_err drop_role(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    return vk_pg_insist(&x->l, x->name, "DROP ROLE IF EXISTS \"%s\"", x->name);
}

/* Where something of the role's, or a right of it, is still. */
static vk_err find_elsewhere(work *x, vk_prov_work *w)
{
    char sql[VK_PG_SQL_MAX];
    VK_UNUSED(w);
    x->n_names = 0;
    snprintf(sql, sizeof sql,
             "SELECT DISTINCT d.datname FROM pg_catalog.pg_shdepend AS s JOIN pg_catalog.pg_database AS d ON "
             "d.oid = s.dbid WHERE d.datallowconn AND s.refclassid = 1260 AND s.refobjid = (SELECT oid FROM "
             "pg_catalog.pg_roles WHERE rolname = '%s') LIMIT %d",
             x->name, ELSEWHERE_MAX);
    return vk_pq_run(&x->l, sql, take_name, x);
}

static vk_err drop_owned(work *x, vk_prov_work *w)
{
    VK_UNUSED(w);
    return vk_pg_do(&x->l, "DROP OWNED BY \"%s\" CASCADE", x->name);
}

static void run_drop_role(vk_prov_work *w)
{
    work *x = w->ctx;
    converse(w, NULL, "drop the role", drop_role);
    if (w->result == VK_OK || !vk_pg_was(&x->l, "2BP01"))
        return;
    w->why[0] = '\0';
    converse(w, NULL, "look for what the role has elsewhere", find_elsewhere);
    size_t n = x->n_names;
    if (w->result == VK_OK && n == 0)
        converse(w, NULL, "take the role's rights away", drop_owned); /* rights on databases */
    for (size_t i = 0; w->result == VK_OK && i < n; i++)
        converse(w, x->names[i].p, "take away what the role has elsewhere", drop_owned);
    if (w->result == VK_OK)
        converse(w, NULL, "drop the role", drop_role);
}

static vk_err look_gone(work *x, vk_prov_work *w)
{
    vk_err e = vk_pg_ask(&x->l, x->text, sizeof x->text,
                         "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_database WHERE datname = "
                         "'%s') + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles WHERE rolname = '%s')",
                         x->name, x->name);
    if (e == VK_OK && strcmp(x->text, "0") != 0)
        return refuse(w, VK_AGAIN, "The database or the role %s is still there", x->name);
    return e;
}

static void run_gone(vk_prov_work *w)
{
    converse(w, NULL, "see that it is gone", look_gone);
}

static const vk_prov_step end[] = {
    {.what = "end its sessions",
     .op = "role.suspend",
     .prepare = prepare,
     .run = run_close,
     .finish = finish_close},
    {.what = "drop the database",
     .op = "database.drop",
     .prepare = prepare,
     .run = run_drop_database,
     .finish = finish},
    {.what = "drop the role", .op = "role.drop", .prepare = prepare, .run = run_drop_role, .finish = finish},
    {.what = "see that it is gone",
     .op = "database.find",
     .prepare = prepare,
     .run = run_gone,
     .finish = finish},
    {.what = NULL},
};

/* ---- looks */

static void take_usage(void *arg, const vk_str *columns, size_t n)
{
    work *x = arg;
    if (n < 4 || vk_str_to_i64(columns[0], &x->bytes) != VK_OK ||
        vk_str_to_i64(columns[1], &x->connections) != VK_OK)
        return;
    x->read_only = vk_str_eqz(columns[2], "t");
    x->closed = vk_str_eqz(columns[3], "t");
    x->n_found = 1;
}

static vk_err ask_usage(work *x, vk_prov_work *w)
{
    char sql[VK_PG_SQL_MAX];
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.pg_database_size(d.oid), (SELECT pg_catalog.count(*) FROM "
             "pg_catalog.pg_stat_activity WHERE datid = d.oid), 'default_transaction_read_only=on' = ANY "
             "(COALESCE(r.rolconfig, '{}')), r.rolconnlimit = 0 FROM pg_catalog.pg_database AS d JOIN "
             "pg_catalog.pg_roles AS r ON r.rolname = d.datname WHERE d.datname = '%s'",
             x->name);
    vk_err e = vk_pq_run(&x->l, sql, take_usage, x);
    if (e == VK_OK && !x->n_found)
        return refuse(w, VK_E_NOT_FOUND, "The database %s is not there", x->name);
    return e;
}

static void run_usage(vk_prov_work *w)
{
    converse(w, NULL, "ask for the size", ask_usage);
}

static vk_err keep_usage(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    const work *x = w->ctx;
    *why_r = w->why;
    if (w->result != VK_OK)
        return w->result;
    vk_prov_use(p, "storage_bytes", x->bytes);
    vk_prov_use(p, "storage_bytes_most", vk_pg_limits()->of[VK_LIMIT_POSTGRES_BYTES]);
    vk_prov_use(p, "connections", x->connections);
    vk_prov_use(p, "read_only", x->read_only);
    vk_prov_use(p, "closed", x->closed);
    return VK_OK;
}

static const vk_prov_step usage[] = {
    {.what = "ask for the size",
     .op = "database.size",
     .prepare = prepare,
     .run = run_usage,
     .finish = keep_usage},
    {.what = NULL},
};

static void take_found(void *arg, const vk_str *columns, size_t n)
{
    work *x = arg;
    struct found *f = n == 2 && x->n_found < FOUND_MAX ? VK_NEW(x->arena, struct found) : NULL;
    if (!f)
        return;
    f->name = vk_arena_dup(x->arena, columns[0]);
    f->id = vk_arena_dup(x->arena, columns[1]);
    if (!f->name.p || !f->id.p)
        return;
    f->next = x->found;
    x->found = f;
    x->n_found++;
}

static vk_err ask_found(work *x, vk_prov_work *w)
{
    char sql[VK_PG_SQL_MAX];
    VK_UNUSED(w);
    snprintf(sql, sizeof sql,
             "SELECT n, pg_catalog.min(i) FROM (SELECT datname AS n, 'database ' || oid AS i FROM "
             "pg_catalog.pg_database UNION ALL SELECT rolname, 'role ' || oid FROM pg_catalog.pg_roles) AS a "
             "WHERE pg_catalog.left(n, %d) = '%s' GROUP BY n ORDER BY n LIMIT %d",
             (int)strlen(x->tag), x->tag, FOUND_MAX);
    return vk_pq_run(&x->l, sql, take_found, x);
}

static void run_list(vk_prov_work *w)
{
    converse(w, NULL, "list databases", ask_found);
}

static vk_err keep_found(vk_prov *p, vk_prov_work *w, const char **why_r)
{
    const work *x = w->ctx;
    *why_r = w->why;
    vk_err e = w->result;
    for (const struct found *f = x->found; e == VK_OK && f; f = f->next)
        e = vk_prov_found(p, f->name, f->id, VK_STR_NONE);
    return e;
}

static const vk_prov_step list[] = {
    {.what = "list databases",
     .op = "databases.list",
     .prepare = prepare,
     .run = run_list,
     .finish = keep_found},
    {.what = NULL},
};

static const struct vk_prov_direct direct[] = {
    {"host", "host", false}, {"port", "port", false},       {"database", "database", false},
    {"user", "user", false}, {"sslmode", "sslmode", false}, {"password", "password", true},
    {NULL, NULL, false},
};

const vk_provisioner vk_provision_postgres = {
    .resource = "database",
    .opaque = true, /* names of roles and databases are seen by all of them */
    .joint = '_',
    .at_once = 1,
    .make = make,
    .renew = renew,
    .suspend = suspend,
    .end = end,
    .usage = usage,
    .list = list,
    .direct = direct,
};
