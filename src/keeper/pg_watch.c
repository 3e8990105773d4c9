#include "keeper/pg_watch.h"

#include "core/clock.h"
#include "core/log.h"
#include "keeper/pg.h"

enum { ARENA_MAX = 256 * 1024, WHY_MAX = 400, NAME = VK_PG_NAME_MAX + 1, FACTS_MAX = VK_PG_WATCH_CHUNK };

typedef struct over {
    char name[NAME];
    int64_t bytes;
    bool closed;
} over;

/* What is found of one database. */
typedef struct fact {
    char name[NAME];
    int64_t bytes, limit;
    bool read_only;
} fact;

struct vk_pg_watch {
    vk_pg_watch_with with;
    vk_timer timer;
    size_t at;           /* in the records */
    char (*names)[NAME]; /* found so far; of the lane while `looking` */
    size_t n_names, cap;
    bool looking;
    int64_t audited_ms; /* wall; 0: never */
    vk_audit_entry audit;
    vk_job job;
    vk_task back;
    /* of the lane while `looking` */
    vk_arena *arena;
    vk_pg_server server;
    vk_pq_link l;
    unsigned part;
    fact facts[FACTS_MAX];
    size_t n_facts;
    vk_err result;
    char why[WHY_MAX];
    uint64_t ended_now;
    over over_now[VK_PG_WATCH_OVER];
    size_t n_over_now;
    /* the loop's, for the status */
    uint64_t ended;
    int64_t looked_ms;
    char said[WHY_MAX];
    over over[VK_PG_WATCH_OVER];
    size_t n_over, databases;
};

/* ---- on the lane */

static int64_t limit_of(vk_limit_id id)
{
    return vk_pg_limits()->of[id];
}

/* "{a,b,c}": names of letters, digits and '_'. */
static vk_err list_names(const vk_pg_watch *w, size_t from, size_t n, vk_buf *out)
{
    vk_buf_ch(out, '{');
    for (size_t i = from; i < from + n; i++)
        vk_buf_printf(out, "%s%s", i > from ? "," : "", w->names[i]);
    vk_buf_ch(out, '}');
    return out->err;
}

static void take_ended(void *arg, const vk_str *columns, size_t n)
{
    vk_pg_watch *w = arg;
    if (n < 2)
        return;
    w->ended_now++;
    vk_log(VK_WARN, "a session of a build at the PostgreSQL server took too long and is ended",
           VK_F(database, columns[0]), VK_F(why, columns[1]));
}

/* A role may set its timeouts to nothing. Sessions are ended in the list of what is selected, never in a
 * condition: of conditions the server chooses which to try first, on everybody's sessions. */
static vk_err end_long_ones(vk_pg_watch *w, vk_str names, vk_buf *sql)
{
    vk_buf_clear(sql);
    vk_buf_printf(
        sql,
        "SELECT usename, why, pg_catalog.pg_terminate_backend(pid) FROM (SELECT pid, usename, CASE "
        "WHEN state IN ('active', 'fastpath function call') AND now() - query_start > %lld * interval '1 ms' "
        "THEN 'statement' "
        "WHEN state LIKE 'idle in transaction%%' AND now() - state_change > %lld * interval '1 ms' THEN "
        "'idle in "
        "transaction' "
        "WHEN now() - xact_start > %lld * interval '1 ms' THEN 'transaction' END AS why FROM "
        "pg_catalog.pg_stat_activity WHERE usename = ANY ('" VK_STR_FMT
        "'::pg_catalog.name[]) OFFSET 0) AS a WHERE why IS NOT NULL",
        (long long)(2 * limit_of(VK_LIMIT_POSTGRES_STATEMENT)),
        (long long)(2 * limit_of(VK_LIMIT_POSTGRES_IDLE)), (long long)limit_of(VK_LIMIT_POSTGRES_TRANSACTION),
        VK_STR_ARG(names));
    vk_buf_ch(sql, '\0');
    return sql->err ? sql->err : vk_pq_run(&w->l, sql->p, take_ended, w);
}

static void take_fact(void *arg, const vk_str *columns, size_t n)
{
    vk_pg_watch *w = arg;
    fact *f = &w->facts[w->n_facts];
    if (n < 4 || w->n_facts == VK_COUNT(w->facts) || !vk_pg_name_ok(columns[0]) ||
        vk_str_to_i64(columns[1], &f->bytes) != VK_OK || vk_str_to_i64(columns[2], &f->limit) != VK_OK)
        return;
    snprintf(f->name, sizeof f->name, VK_STR_FMT, VK_STR_ARG(columns[0]));
    f->read_only = vk_str_eqz(columns[3], "t");
    w->n_facts++;
}

static vk_err measure(vk_pg_watch *w, vk_str names, vk_buf *sql)
{
    w->n_facts = 0;
    vk_buf_clear(sql);
    vk_buf_printf(sql,
                  "SELECT d.datname, pg_catalog.pg_database_size(d.oid), r.rolconnlimit, "
                  "'default_transaction_read_only=on' = ANY (COALESCE(r.rolconfig, '{}')) FROM "
                  "pg_catalog.pg_database AS d "
                  "JOIN pg_catalog.pg_roles AS r ON r.rolname = d.datname WHERE d.datname = ANY ('" VK_STR_FMT
                  "'::pg_catalog.name[]) AND pg_catalog.pg_get_userbyid(d.datdba) = current_user AND "
                  "(d.oid::bigint %% %d = "
                  "%u OR r.rolconnlimit = 0 OR 'default_transaction_read_only=on' = ANY "
                  "(COALESCE(r.rolconfig, '{}')) OR "
                  "EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.datid = d.oid))",
                  VK_STR_ARG(names), VK_PG_WATCH_PARTS, w->part);
    vk_buf_ch(sql, '\0');
    return sql->err ? sql->err : vk_pq_run(&w->l, sql->p, take_fact, w);
}

static vk_err end_sessions(vk_pg_watch *w, const char *name)
{
    return vk_pg_do(
        &w->l,
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = '%s'",
        name);
}

/* What the server has written down of the role becomes what its size says. */
static vk_err set_right(vk_pg_watch *w, const fact *f)
{
    int64_t most = limit_of(VK_LIMIT_POSTGRES_BYTES);
    bool large = f->bytes > most, closed = f->bytes > most + most / 4, end = false;
    int64_t limit = closed ? 0 : limit_of(VK_LIMIT_POSTGRES_CONNECTIONS);
    vk_err e = VK_OK;
    if (large && w->n_over_now < VK_COUNT(w->over_now)) {
        over *o = &w->over_now[w->n_over_now++];
        *o = (over){.bytes = f->bytes, .closed = closed};
        snprintf(o->name, sizeof o->name, "%s", f->name);
    }
    if (f->limit != limit) {
        e = vk_pg_insist(&w->l, f->name, "ALTER ROLE \"%s\" CONNECTION LIMIT %lld", f->name,
                         (long long)limit);
        end = closed;
    }
    if (e == VK_OK && large != f->read_only) {
        e = vk_pg_insist(&w->l, f->name,
                         large ? "ALTER ROLE \"%s\" SET default_transaction_read_only = 'on'"
                               : "ALTER ROLE \"%s\" RESET default_transaction_read_only",
                         f->name);
        end |= large;
    }
    if (e == VK_OK && (end || large != f->read_only || f->limit != limit))
        vk_log(large ? VK_WARN : VK_INFO, "the size of a build's database at the PostgreSQL server",
               VK_F(database, f->name), VK_F(bytes, f->bytes), VK_F(most, most),
               VK_F(state, closed  ? "closed"
                           : large ? "read only"
                                   : "open"));
    return e == VK_OK && end ? end_sessions(w, f->name) : e;
}

static vk_err look_at(vk_pg_watch *w)
{
    vk_buf names, sql;
    vk_err e = VK_OK;
    vk_buf_init(&names, VK_PG_WATCH_CHUNK * (NAME + 1) + 8);
    vk_buf_init(&sql, VK_PG_WATCH_CHUNK * (NAME + 1) + 4096);
    for (size_t from = 0; e == VK_OK && from < w->n_names; from += VK_PG_WATCH_CHUNK) {
        size_t n = w->n_names - from < VK_PG_WATCH_CHUNK ? w->n_names - from : VK_PG_WATCH_CHUNK;
        vk_buf_clear(&names);
        e = list_names(w, from, n, &names);
        if (e == VK_OK)
            e = end_long_ones(w, vk_buf_view(&names), &sql);
        if (e == VK_OK)
            e = measure(w, vk_buf_view(&names), &sql);
        for (size_t i = 0; e == VK_OK && i < w->n_facts; i++) {
            e = set_right(w, &w->facts[i]);
            if (e == VK_E_FORBIDDEN) { /* the server said no; the others are looked after still */
                vk_log(VK_WARN, "a build's limits at the PostgreSQL server cannot be set",
                       VK_F(database, w->facts[i].name), VK_F(sqlstate, w->l.sqlstate));
                e = VK_OK;
            }
        }
    }
    vk_buf_free(&names);
    vk_buf_free(&sql);
    return e;
}

static void back_on_loop(vk_task *t);

static void on_lane(vk_job *j)
{
    vk_pg_watch *w = VK_CONTAINER(j, vk_pg_watch, job);
    w->ended_now = 0;
    w->n_over_now = 0;
    vk_err e = vk_pg_open(&w->l, &w->server, NULL, NULL);
    if (e == VK_OK)
        e = look_at(w);
    w->result = vk_pg_judge(&w->l, e, "look after the builds' databases", w->why, sizeof w->why);
    vk_pg_close(&w->l);
    w->back.run = back_on_loop;
    vk_loop_post(w->with.loop, &w->back);
}

/* ---- on the loop */

static void turn(vk_timer *t);

static void later(vk_pg_watch *w, int64_t ms)
{
    vk_timer_set(w->with.loop, &w->timer, ms, turn);
}

static void over_with(vk_pg_watch *w)
{
    vk_arena_wipe(w->arena);
    vk_arena_free(w->arena);
    w->arena = NULL;
    w->looking = false;
    w->n_names = 0;
    later(w, limit_of(VK_LIMIT_POSTGRES_LOOK));
}

static void back_on_loop(vk_task *t)
{
    vk_pg_watch *w = VK_CONTAINER(t, vk_pg_watch, back);
    if (strcmp(w->why, w->said) != 0 && w->why[0])
        vk_log(VK_WARN, "the builds' databases at the PostgreSQL server cannot be looked after",
               VK_F(why, w->why));
    snprintf(w->said, sizeof w->said, "%s", w->why);
    w->ended += w->ended_now;
    w->databases = w->n_names;
    if (w->result == VK_OK) {
        bool of_all = w->part + 1 == VK_PG_WATCH_PARTS;
        w->looked_ms = vk_clock_wall_ms();
        w->part = of_all ? 0 : w->part + 1;
        memcpy(w->over, w->over_now, sizeof w->over); /* whoever is over is measured each time */
        w->n_over = w->n_over_now;
    }
    over_with(w);
}

static void start(vk_pg_watch *w)
{
    const char *why = "";
    const vk_org *org = vk_org_find(w->with.orgs, VK_STR("postgres"), VK_STR_NONE);
    w->arena = vk_arena_new(ARENA_MAX);
    w->looking = true;
    w->job.run = on_lane;
    if (w->arena && org && vk_pg_server_of(org, w->arena, &w->server, &why) == VK_OK &&
        vk_lane_add(w->with.lane, &w->job) == VK_OK)
        return;
    snprintf(w->said, sizeof w->said, "%s", why);
    over_with(w);
}

static void durable(vk_audit_entry *e, vk_err err)
{
    vk_pg_watch *w = e->arg;
    w->looking = false;
    if (err != VK_OK) {
        snprintf(w->said, sizeof w->said,
                 "The audit cannot be written, so the organisation's key is not used");
        over_with(w);
        return;
    }
    w->audited_ms = vk_clock_wall_ms();
    e->of = e->seq;
    e->kind = VK_AUDIT_OUTCOME;
    e->durable = NULL;
    if (vk_audit_write(w->with.audit, e) != VK_OK)
        vk_log(VK_ERROR, "the outcome of a look is not in the audit");
    start(w);
}

/* The records are through. */
static void begin(vk_pg_watch *w)
{
    int64_t now = vk_clock_wall_ms();
    const vk_org *org = vk_org_find(w->with.orgs, VK_STR("postgres"), VK_STR_NONE);
    w->at = 0;
    w->databases = w->n_names;
    if (!w->n_names || !org) {
        w->n_over = 0;
        w->n_names = 0;
        later(w, limit_of(VK_LIMIT_POSTGRES_LOOK));
        return;
    }
    if (w->audited_ms && now >= w->audited_ms && now - w->audited_ms < VK_PG_WATCH_AUDIT_MS) {
        start(w);
        return;
    }
    vk_org_facts facts;
    vk_org_facts_of(org, &facts);
    w->audit = (vk_audit_entry){
        .kind = VK_AUDIT_INTENT, .rec_version = facts.version, .result = 200, .durable = durable, .arg = w};
    snprintf(w->audit.service, sizeof w->audit.service, "database");
    snprintf(w->audit.actor, sizeof w->audit.actor, "keeper");
    snprintf(w->audit.op, sizeof w->audit.op, "databases.watch postgres");
    vk_org_ref(org, "admin_url", w->audit.key_ref);
    w->looking = true;
    if (vk_audit_write(w->with.audit, &w->audit) != VK_OK)
        durable(&w->audit, VK_E_UNAVAILABLE);
}

/* False: there is no room for another one. */
static bool add_name(vk_pg_watch *w, vk_str name)
{
    if (w->n_names == VK_PG_WATCHED)
        return false;
    if (w->n_names == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        void *p = realloc(w->names, cap * sizeof *w->names);
        if (!p)
            return false;
        w->names = p;
        w->cap = cap;
    }
    snprintf(w->names[w->n_names++], NAME, VK_STR_FMT, VK_STR_ARG(name));
    return true;
}

static void turn(vk_timer *t)
{
    vk_pg_watch *w = VK_CONTAINER(t, vk_pg_watch, timer);
    size_t n = vk_org_count(w->with.orgs), end = w->at + VK_PG_WATCH_TURN;
    vk_org_facts facts;
    for (; w->at < n && w->at < end; w->at++) {
        const vk_org *g = vk_org_at(w->with.orgs, w->at);
        vk_org_facts_of(g, &facts);
        if (!facts.build[0] || facts.state != VK_ORG_READY || strcmp(facts.vendor->name, "postgres") != 0 ||
            !vk_org_value(g, "made").n)
            continue;
        vk_str name = vk_secret_bytes(vk_org_value(g, "database"));
        if (vk_pg_name_ok(name) && !add_name(w, name))
            w->at = n;
    }
    if (w->at >= n)
        begin(w);
    else
        later(w, VK_PG_WATCH_TURN_MS);
}

vk_err vk_pg_watch_new(const vk_pg_watch_with *with, vk_pg_watch **out_r)
{
    vk_pg_watch *w = calloc(1, sizeof *w);
    if (!w)
        return VK_E_NOMEM;
    w->with = *with;
    if (with->audit)
        later(w, VK_PG_WATCH_TURN_MS);
    *out_r = w;
    return VK_OK;
}

void vk_pg_watch_free(vk_pg_watch *w)
{
    if (!w)
        return;
    vk_timer_clear(w->with.loop, &w->timer);
    if (w->arena) {
        vk_arena_wipe(w->arena);
        vk_arena_free(w->arena);
    }
    free(w->names);
    free(w);
}

void vk_pg_watch_status(const vk_pg_watch *w, vk_jw *out)
{
    char at[VK_CLOCK_TEXT];
    vk_jw_key(out, VK_STR("postgres"));
    vk_jw_obj(out);
    vk_jw_ki64(out, "databases", (int64_t)w->databases);
    if (w->looked_ms) {
        vk_clock_text(w->looked_ms, at);
        vk_jw_kstr(out, "looked_at", vk_str_z(at));
    } else
        vk_jw_kstr_or_null(out, "looked_at", VK_STR_NONE);
    vk_jw_kstr(out, "why", vk_str_z(w->said));
    vk_jw_ki64(out, "ended", (int64_t)w->ended);
    vk_jw_key(out, VK_STR("over"));
    vk_jw_arr(out);
    for (size_t i = 0; i < w->n_over; i++) {
        vk_jw_obj(out);
        vk_jw_kstr(out, "database", vk_str_z(w->over[i].name));
        vk_jw_ki64(out, "bytes", w->over[i].bytes);
        vk_jw_kbool(out, "closed", w->over[i].closed);
        vk_jw_obj_end(out);
    }
    vk_jw_arr_end(out);
    vk_jw_obj_end(out);
}
