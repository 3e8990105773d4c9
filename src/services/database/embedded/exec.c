/* One statement: its text, its arguments, the turn before it, its result. */
#include "services/database/embedded/alter.h"
#include "services/database/embedded/ddl.h"
#include "services/database/embedded/inline.h"

#include "core/clock.h"

vk_outcome vk_exec_fail(vk_run *r, const char *code, vk_str message)
{
    r->err = message.p ? (vk_sqlerr){code, message}
                       : (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
    return VK_O_FAILED;
}

vk_outcome vk_exec_protocol(vk_run *r, vk_str why)
{
    r->why = why.p ? why : VK_STR("Out of memory");
    return VK_O_PROTOCOL;
}

vk_outcome vk_exec_failed(vk_run *r, int rc)
{
    r->err = vk_dbh_error(r->h, r->a, rc);
    return VK_O_FAILED;
}

vk_outcome vk_exec_text(vk_run *r, const vk_hrana_stmt *s, vk_str *sql_r)
{
    *sql_r = s->sql;
    if (s->sql.p)
        return VK_O_DONE;
    const vk_sql_text *t = vk_stream_text(r->j->stream, s->sql_id);
    if (!t)
        return vk_exec_protocol(r, vk_arena_printf(r->a, "SQL text %d not found", s->sql_id));
    *sql_r = t->text;
    return VK_O_DONE;
}

/* ---- arguments */

static int bind_value(sqlite3_stmt *st, int i, const vk_hrana_value *v)
{
    switch (v->type) {
    case VK_H_INTEGER:
        return sqlite3_bind_int64(st, i, v->u.i);
    case VK_H_FLOAT:
        return sqlite3_bind_double(st, i, v->u.d);
    case VK_H_TEXT: /* the arena outlives the run of the statement */
        return sqlite3_bind_text64(st, i, v->u.s.p ? v->u.s.p : "", v->u.s.n, SQLITE_STATIC, SQLITE_UTF8);
    case VK_H_BLOB:
        return sqlite3_bind_blob64(st, i, v->u.s.p ? v->u.s.p : "", v->u.s.n, SQLITE_STATIC);
    case VK_H_NULL:
        break;
    }
    return sqlite3_bind_null(st, i);
}

/* The parameter of that name: as given, or with one of SQLite's prefixes in front. 0 when there is none. */
static int find_param(vk_run *r, sqlite3_stmt *st, vk_str name)
{
    static const char prefixes[] = {'\0', ':', '@', '$'};
    char *z = vk_arena_alloc(r->a, name.n + 2);
    if (!z || (name.n && memchr(name.p, '\0', name.n)))
        return 0;
    if (name.n)
        memcpy(z + 1, name.p, name.n);
    z[name.n + 1] = '\0';
    int at = 0;
    for (size_t i = 0; !at && i < sizeof prefixes; i++) {
        z[0] = prefixes[i];
        at = sqlite3_bind_parameter_index(st, prefixes[i] ? z : z + 1);
    }
    return at;
}

vk_outcome vk_exec_bind(vk_run *r, sqlite3_stmt *st, const vk_hrana_stmt *s)
{
    int rc = SQLITE_OK;
    if (s->n_args && s->n_named)
        return vk_exec_fail(r, "ARGS_BOTH_POSITIONAL_AND_NAMED",
                            VK_STR("Specifying both positional and named arguments is not supported"));
    int expected = s->n_args ? sqlite3_bind_parameter_count(st) : 0;
    if (s->n_args > (uint32_t)expected)
        return vk_exec_fail(
            r, "ARGS_INVALID",
            vk_arena_printf(
                r->a, "Arguments do not match SQL parameters: too many parameters, expected %d found %u",
                expected, s->n_args));
    for (uint32_t i = 0; rc == SQLITE_OK && i < s->n_args; i++)
        rc = bind_value(st, (int)i + 1, &s->args[i]);
    for (uint32_t i = 0; rc == SQLITE_OK && i < s->n_named; i++) {
        int at = find_param(r, st, s->named[i].name);
        if (at)
            rc = bind_value(st, at, &s->named[i]);
    }
    return rc == SQLITE_OK ? VK_O_DONE : vk_exec_failed(r, rc);
}

/* ---- turn */

vk_outcome vk_exec_may_go(vk_run *r)
{
    if (atomic_load_explicit(&r->j->t->closed, memory_order_relaxed) || r->j->aborted)
        return VK_O_OVER;
    return vk_dbh_late(r->h, &r->err) ? VK_O_FAILED : VK_O_DONE;
}

vk_outcome vk_exec_begin(vk_run *r, vk_str sql)
{
    vk_outcome o = vk_exec_may_go(r);
    return o == VK_O_DONE ? vk_takeover_begin(r, sql) : o;
}

vk_outcome vk_exec_turn(vk_run *r, bool writes)
{
    if (atomic_load_explicit(&r->j->t->closed, memory_order_relaxed) || r->j->aborted)
        return VK_O_OVER;
    if (writes && !r->h->has_turn) {
        if (r->j->turn_timeout) {
            r->j->turn_timeout = false;
            return vk_exec_fail(r, "SQLITE_BUSY", VK_STR("SQLite error: database is locked"));
        }
        if (!vk_db_take_turn(r->j, r->h))
            return VK_O_TURN;
    }
    r->j->touched = true;
    r->h->steps_dml = r->h->runs_dml;
    if (r->h->has_turn) /* may wait for the disk: another thread may use the processor */
        vk_db_give_slot(r->h->worker);
    return VK_O_DONE;
}

void vk_exec_end(vk_run *r)
{
    r->h->counted |= r->h->steps_dml;
    r->h->steps_dml = false;
    vk_sync_settle(r->h);
    vk_ddl_settle(r->h);
    if (r->h->has_turn)
        vk_db_settle_turn(r->h);
}

/* ---- changes of the schema */

vk_outcome vk_exec_alter(vk_run *r, const vk_alter *alter)
{
    if (!alter || vk_alter_apply(r->h, r->a, alter, &r->err) == VK_OK)
        return VK_O_DONE;
    return VK_O_FAILED;
}

void vk_exec_note_ddl(vk_run *r, sqlite3_stmt *st, const vk_alter *alter)
{
    vk_ddl_note(r->h, alter ? alter->text : vk_str_z(sqlite3_sql(st)));
}

/* ---- results */

static bool too_large(const vk_run *r)
{
    return r->out->err || r->out->n > VK_HRANA_RESPONSE_MAX;
}

static int put_rows(vk_run *r, vk_cached *c, bool want, uint64_t *n_r)
{
    sqlite3_stmt *st = c->st;
    int rc = sqlite3_step(st), n = sqlite3_column_count(st);
    vk_buf_lit(r->out, "{\"cols\":");
    vk_put_cols(r->out, c); /* after the first step: it may have prepared the statement anew */
    vk_buf_lit(r->out, ",\"rows\":[");
    for (*n_r = 0; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        if (want) {
            if (*n_r)
                vk_buf_ch(r->out, ',');
            vk_buf_ch(r->out, '[');
            for (int i = 0; i < n; i++) {
                if (i)
                    vk_buf_ch(r->out, ',');
                vk_put_value(r->out, st, i);
            }
            vk_buf_ch(r->out, ']');
        }
        ++*n_r;
        if (too_large(r))
            break;
    }
    vk_buf_lit(r->out, "],");
    return rc;
}

void vk_exec_counts(vk_run *r, const vk_cached *c, int64_t total_before, uint64_t rows, int64_t begun_ns)
{
    bool readonly = sqlite3_stmt_readonly(c->st) != 0;
    bool changed = sqlite3_total_changes64(r->h->db) != total_before;
    int64_t changes = !readonly && changed ? sqlite3_changes64(r->h->db) : 0;
    vk_buf_lit(r->out, "\"affected_row_count\":");
    vk_buf_i64(r->out, changes);
    /* sqld gives it for INSERT only, drizzle reads it after UPDATE too, and libsql-client wants none for
     * SELECT.
     */
    vk_buf_lit(r->out, ",\"last_insert_rowid\":");
    if (!readonly && (c->saw_insert || changed)) {
        vk_buf_ch(r->out, '"');
        vk_buf_i64(r->out, sqlite3_last_insert_rowid(r->h->db));
        vk_buf_ch(r->out, '"');
    } else {
        vk_buf_lit(r->out, "null");
    }
    vk_buf_lit(r->out, ",\"replication_index\":null,\"rows_read\":");
    vk_buf_u64(r->out, rows);
    vk_buf_lit(r->out, ",\"rows_written\":");
    vk_buf_i64(r->out, changes);
    uint64_t us = (uint64_t)(vk_clock_mono_ns() - begun_ns) / 1000;
    char ms[4] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10)};
    vk_buf_lit(r->out, ",\"query_duration_ms\":");
    vk_buf_u64(r->out, us / 1000);
    vk_buf_add(r->out, ms, sizeof ms);
}

static vk_outcome execute(vk_run *r, vk_cached *c, const vk_hrana_stmt *s)
{
    size_t start = r->out->n;
    vk_outcome o = vk_exec_bind(r, c->st, s);
    if (o == VK_O_DONE)
        o = vk_exec_turn(r, c->writes);
    if (o == VK_O_DONE)
        o = vk_exec_alter(r, c->alter);
    if (o != VK_O_DONE)
        return o;
    int64_t begun = vk_clock_mono_ns(), total = sqlite3_total_changes64(r->h->db);
    uint64_t rows, schema = atomic_load(&r->j->t->schema_seq);
    sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_VM_STEP, 1); /* the progress handler counts from here */
    int rc = put_rows(r, c, s->want_rows, &rows);
    if (too_large(r))
        o = vk_exec_fail(r, "RESPONSE_TOO_LARGE", VK_STR("Response is too large"));
    else if (rc != SQLITE_DONE)
        o = vk_exec_failed(r, rc);
    else
        vk_exec_counts(r, c, total, rows, begun);
    if (o == VK_O_DONE)
        vk_buf_ch(r->out, '}');
    else
        vk_buf_truncate(r->out, start);
    if (o == VK_O_DONE && c->ddl)
        vk_exec_note_ddl(r, c->st, c->alter);
    if (o == VK_O_DONE && !c->writes && !r->found)
        vk_inline_note(r, c, vk_clock_mono_ns() - begun, schema);
    return o;
}

vk_outcome vk_exec_stmt(vk_run *r, const vk_hrana_stmt *s)
{
    vk_str sql;
    vk_cached *c;
    vk_outcome o = vk_exec_text(r, s, &sql);
    if (o == VK_O_DONE)
        o = vk_exec_begin(r, sql);
    if (o != VK_O_DONE)
        return o;
    if (r->found) {
        c = r->found[r->j->request];
    } else {
        vk_sqlite_notes_begin();
        if (vk_dbh_prepare(r->h, r->a, sql, &c, &r->err) != VK_OK) {
            VK_UNUSED(vk_sqlite_notes_end());
            return VK_O_FAILED;
        }
        if (c->writes || c->past.verdict) /* never runs on a loop, or is known */
            VK_UNUSED(vk_sqlite_notes_end());
    }
    vk_keys_lift(r->h, c);
    o = execute(r, c, s);
    if (!r->found && c->used)
        vk_hot_add(&c->hot, vk_sqlite_notes_end(), VK_SQLITE_NOTES);
    VK_UNUSED(vk_sqlite_notes_end());
    vk_dbh_done(r->h, c);
    vk_exec_end(r);
    return o;
}

bool vk_exec_holds(vk_run *r, const vk_hrana_cond *c)
{
    bool all = true, any = false;
    switch (c->type) {
    case VK_COND_OK:
        return r->j->step_state[c->step] == VK_STEP_OK;
    case VK_COND_ERROR:
        return r->j->step_state[c->step] == VK_STEP_ERROR;
    case VK_COND_AUTOCOMMIT:
        return sqlite3_get_autocommit(r->h->db) != 0;
    case VK_COND_NOT:
        return !vk_exec_holds(r, &c->parts[0]);
    case VK_COND_AND:
        for (uint32_t i = 0; all && i < c->n; i++)
            all = vk_exec_holds(r, &c->parts[i]);
        return all;
    case VK_COND_OR:
        for (uint32_t i = 0; !any && i < c->n; i++)
            any = vk_exec_holds(r, &c->parts[i]);
        return any;
    }
    return false;
}
