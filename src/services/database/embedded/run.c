/* The requests of a pipeline, one after the other. Execution can stop before any statement that needs the
 * build's write turn and go on later, on another thread: where it stands is in the job. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/json_write.h"

/* What one request or statement came to. */
typedef enum outcome { DONE, FAILED, WAIT, PROTOCOL } outcome;

struct run {
    vk_dbjob *j;
    vk_dbh *h;
    vk_buf *out;
    vk_arena *a;
    vk_sqlerr err; /* FAILED */
    vk_str why;    /* PROTOCOL */
};

static outcome fail(struct run *r, const char *code, vk_str message)
{
    r->err = message.p ? (vk_sqlerr){code, message}
                       : (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
    return FAILED;
}

static outcome protocol(struct run *r, vk_str why)
{
    r->why = why.p ? why : VK_STR("Out of memory");
    return PROTOCOL;
}

static outcome failed_step(struct run *r, int rc)
{
    r->err = vk_dbh_error(r->h, r->a, rc);
    return FAILED;
}

/* --------------------------------------------------------------------------------------------- stored texts
 */

static vk_sql_text *stored(vk_stream *s, int32_t id)
{
    for (uint32_t i = 0; i < s->n_texts; i++)
        if (s->texts[i].id == id)
            return &s->texts[i];
    return NULL;
}

static outcome text_of(struct run *r, const vk_hrana_stmt *s, vk_str *sql_r)
{
    *sql_r = s->sql;
    if (s->sql.p)
        return DONE;
    const vk_sql_text *t = stored(r->j->stream, s->sql_id);
    if (!t)
        return protocol(r, vk_arena_printf(r->a, "SQL text %d not found", s->sql_id));
    *sql_r = t->text;
    return DONE;
}

static outcome store_sql(struct run *r, const vk_hrana_stmt *s)
{
    vk_stream *st = r->j->stream;
    if (stored(st, s->sql_id))
        return protocol(r, vk_arena_printf(r->a, "SQL text %d already exists", s->sql_id));
    if (st->n_texts == VK_HRANA_STORED_MAX)
        return fail(r, "SQL_STORE_TOO_MANY",
                    vk_arena_printf(r->a, "The server already stores %d SQL texts, it cannot store more",
                                    VK_HRANA_STORED_MAX));
    if (s->sql.n > VK_HRANA_STORED_TEXT)
        return fail(r, "SQL_STORE_TOO_LARGE",
                    vk_arena_printf(r->a, "The SQL text is too large to be stored, the limit is %d bytes",
                                    VK_HRANA_STORED_TEXT));
    if (!st->texts && !(st->texts = calloc(VK_HRANA_STORED_MAX, sizeof *st->texts)))
        return fail(r, "SQLITE_NOMEM", VK_STR_NONE);
    char *copy = malloc(s->sql.n + 1);
    if (!copy)
        return fail(r, "SQLITE_NOMEM", VK_STR_NONE);
    if (s->sql.n)
        memcpy(copy, s->sql.p, s->sql.n);
    copy[s->sql.n] = '\0';
    st->texts[st->n_texts++] = (vk_sql_text){s->sql_id, {copy, s->sql.n}};
    return DONE;
}

static void close_sql(vk_stream *s, int32_t id)
{
    vk_sql_text *t = stored(s, id);
    if (!t)
        return;
    free((void *)(uintptr_t)t->text.p);
    *t = s->texts[--s->n_texts];
}

/* -------------------------------------------------------------------------------------------------- execute
 */

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
static int find_param(struct run *r, sqlite3_stmt *st, vk_str name)
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

static outcome bind_args(struct run *r, sqlite3_stmt *st, const vk_hrana_stmt *s)
{
    int rc = SQLITE_OK;
    if (s->n_args && s->n_named)
        return fail(r, "ARGS_BOTH_POSITIONAL_AND_NAMED",
                    VK_STR("Specifying both positional and named arguments is not supported"));
    int expected = s->n_args ? sqlite3_bind_parameter_count(st) : 0;
    if (s->n_args > (uint32_t)expected)
        return fail(r, "ARGS_INVALID",
                    vk_arena_printf(
                        r->a,
                        "Arguments do not match SQL parameters: too many parameters, expected %d found %u",
                        expected, s->n_args));
    for (uint32_t i = 0; rc == SQLITE_OK && i < s->n_args; i++)
        rc = bind_value(st, (int)i + 1, &s->args[i]);
    for (uint32_t i = 0; rc == SQLITE_OK && i < s->n_named; i++) {
        int at = find_param(r, st, s->named[i].name);
        if (at)
            rc = bind_value(st, at, &s->named[i]);
    }
    return rc == SQLITE_OK ? DONE : failed_step(r, rc);
}

/* Before the first step of a statement that changes something. */
static outcome turn(struct run *r, bool writes)
{
    if (writes && !r->h->has_turn) {
        if (r->j->turn_timeout) {
            r->j->turn_timeout = false;
            return fail(r, "SQLITE_BUSY", VK_STR("SQLite error: database is locked"));
        }
        if (!vk_db_take_turn(r->j, r->h))
            return WAIT;
    }
    r->j->touched = true;
    if (r->h->has_turn) /* waits for the disk at its end: another thread may use the processor */
        vk_db_give_slot(r->h->worker);
    return DONE;
}

static bool too_large(const struct run *r)
{
    return r->out->err || r->out->n > VK_HRANA_RESPONSE_MAX;
}

static int put_rows(struct run *r, sqlite3_stmt *st, bool want, uint64_t *n_r)
{
    int rc = sqlite3_step(st), n = sqlite3_column_count(st);
    vk_buf_lit(r->out, "{\"cols\":");
    vk_put_cols(r->out, st); /* after the first step: it may have prepared the statement anew */
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
    vk_buf_ch(r->out, ']');
    return rc;
}

static void put_counts(struct run *r, const vk_cached *c, bool changed, uint64_t rows, int64_t begun_ns)
{
    bool readonly = sqlite3_stmt_readonly(c->st) != 0;
    int64_t changes = !readonly && changed ? sqlite3_changes64(r->h->db) : 0;
    vk_buf_lit(r->out, ",\"affected_row_count\":");
    vk_buf_i64(r->out, changes);
    /* sqld gives it for INSERT only, drizzle reads it after UPDATE too, and libsql-client wants none for
     * SELECT. */
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
    vk_buf_ch(r->out, '}');
}

static outcome execute_prepared(struct run *r, vk_cached *c, const vk_hrana_stmt *s)
{
    size_t start = r->out->n;
    outcome o = bind_args(r, c->st, s);
    if (o == DONE)
        o = turn(r, c->writes);
    if (o != DONE)
        return o;
    int64_t begun = vk_clock_mono_ns(), total = sqlite3_total_changes64(r->h->db);
    uint64_t rows;
    sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_VM_STEP, 1); /* the progress handler counts from here */
    int rc = put_rows(r, c->st, s->want_rows, &rows);
    if (too_large(r))
        o = fail(r, "RESPONSE_TOO_LARGE", VK_STR("Response is too large"));
    else if (rc != SQLITE_DONE)
        o = failed_step(r, rc);
    else
        put_counts(r, c, sqlite3_total_changes64(r->h->db) != total, rows, begun);
    if (o != DONE)
        vk_buf_truncate(r->out, start);
    return o;
}

/* Appends a StmtResult when DONE, nothing otherwise. */
static outcome execute(struct run *r, const vk_hrana_stmt *s)
{
    vk_str sql;
    vk_cached *c;
    outcome o = text_of(r, s, &sql);
    if (o != DONE)
        return o;
    if (vk_dbh_over(r->h, &r->err) || vk_dbh_prepare(r->h, r->a, sql, &c, &r->err) != VK_OK)
        return FAILED;
    o = execute_prepared(r, c, s);
    vk_dbh_done(r->h, c);
    if (r->h->has_turn)
        vk_db_settle_turn(r->h);
    return o;
}

/* ---------------------------------------------------------------------------------------------------- batch
 */

enum { SKIPPED, STEP_OK, STEP_ERROR };

static bool holds(struct run *r, const vk_hrana_cond *c)
{
    bool all = true, any = false;
    switch (c->type) {
    case VK_COND_OK:
        return r->j->step_state[c->step] == STEP_OK;
    case VK_COND_ERROR:
        return r->j->step_state[c->step] == STEP_ERROR;
    case VK_COND_AUTOCOMMIT:
        return sqlite3_get_autocommit(r->h->db) != 0;
    case VK_COND_NOT:
        return !holds(r, &c->parts[0]);
    case VK_COND_AND:
        for (uint32_t i = 0; all && i < c->n; i++)
            all = holds(r, &c->parts[i]);
        return all;
    case VK_COND_OR:
        for (uint32_t i = 0; !any && i < c->n; i++)
            any = holds(r, &c->parts[i]);
        return any;
    }
    return false;
}

static outcome batch(struct run *r, const vk_hrana_request *q)
{
    vk_dbjob *j = r->j;
    if (!j->step_state) {
        j->step_state = vk_arena_calloc(r->a, q->n_steps ? q->n_steps : 1);
        j->step_errors = vk_arena_calloc(r->a, sizeof *j->step_errors * (q->n_steps ? q->n_steps : 1));
        if (!j->step_state || !j->step_errors)
            return fail(r, "SQLITE_NOMEM", VK_STR_NONE);
        j->step = 0;
        vk_buf_lit(r->out, "{\"step_results\":[");
    }
    for (; j->step < q->n_steps; j->step++) {
        const vk_hrana_step *s = &q->steps[j->step];
        outcome o = FAILED;
        size_t before = r->out->n;
        if (j->step)
            vk_buf_ch(r->out, ',');
        if (!s->cond || holds(r, s->cond)) {
            o = execute(r, &s->stmt);
            if (o == WAIT)
                vk_buf_truncate(r->out, before);
            if (o == WAIT || o == PROTOCOL)
                return o;
            j->step_state[j->step] = o == DONE ? STEP_OK : STEP_ERROR;
            if (o == FAILED)
                j->step_errors[j->step] = r->err;
        }
        if (o != DONE)
            vk_buf_lit(r->out, "null");
    }
    vk_buf_lit(r->out, "],\"step_errors\":[");
    for (uint32_t i = 0; i < q->n_steps; i++) {
        if (i)
            vk_buf_ch(r->out, ',');
        if (j->step_errors[i].code)
            vk_put_error(r->out, &j->step_errors[i]);
        else
            vk_buf_lit(r->out, "null");
    }
    vk_buf_lit(r->out, "]}");
    j->step_state = NULL;
    return DONE;
}

/* ------------------------------------------------------------------------------------- sequence and describe
 */

static outcome sequence_text(struct run *r, const vk_hrana_stmt *s, vk_str *sql_r)
{
    vk_str sql;
    outcome o = text_of(r, s, &sql);
    if (o != DONE)
        return o;
    if (memchr(sql.p, '\0', sql.n))
        return fail(r, "SQL_INPUT_ERROR", VK_STR("SQL input error: the SQL text contains a NUL character"));
    *sql_r = r->j->sequence = vk_arena_dup(r->a, sql);
    return sql_r->p ? DONE : fail(r, "SQLITE_NOMEM", VK_STR_NONE);
}

static outcome sequence(struct run *r, const vk_hrana_stmt *s)
{
    vk_str sql = r->j->sequence, tail;
    outcome o = sql.p ? DONE : sequence_text(r, s, &sql);
    while (o == DONE && r->j->sequence_at < sql.n) {
        sqlite3_stmt *st;
        vk_str rest = {sql.p + r->j->sequence_at, sql.n - r->j->sequence_at};
        if (vk_dbh_over(r->h, &r->err) ||
            vk_dbh_prepare_raw(r->h, r->a, rest, true, 0, &st, &tail, &r->err) != VK_OK)
            return FAILED;
        if (!st)
            break;
        o = turn(r, vk_dbh_writes(st));
        int rc = o == DONE ? SQLITE_ROW : SQLITE_DONE;
        while (rc == SQLITE_ROW)
            rc = sqlite3_step(st);
        if (o == DONE && rc != SQLITE_DONE)
            o = failed_step(r, rc);
        sqlite3_finalize(st);
        if (r->h->has_turn)
            vk_db_settle_turn(r->h);
        if (o == DONE)
            r->j->sequence_at = (size_t)(tail.p ? tail.p - sql.p : (ptrdiff_t)sql.n);
    }
    return o;
}

static outcome describe(struct run *r, const vk_hrana_stmt *s)
{
    vk_str sql;
    vk_cached *c;
    outcome o = text_of(r, s, &sql);
    if (o != DONE)
        return o;
    if (vk_dbh_over(r->h, &r->err) || vk_dbh_prepare(r->h, r->a, sql, &c, &r->err) != VK_OK)
        return FAILED;
    int n = sqlite3_bind_parameter_count(c->st);
    vk_buf_lit(r->out, "{\"params\":[");
    for (int i = 1; i <= n; i++) {
        const char *name = sqlite3_bind_parameter_name(c->st, i);
        if (i > 1)
            vk_buf_ch(r->out, ',');
        vk_buf_lit(r->out, "{\"name\":");
        if (name)
            vk_json_quote(r->out, vk_str_z(name));
        else
            vk_buf_lit(r->out, "null");
        vk_buf_ch(r->out, '}');
    }
    vk_buf_lit(r->out, "],\"cols\":");
    vk_put_cols(r->out, c->st);
    vk_jw w = {r->out, true};
    vk_jw_kbool(&w, "is_explain", sqlite3_stmt_isexplain(c->st) != 0);
    vk_jw_kbool(&w, "is_readonly", sqlite3_stmt_readonly(c->st) != 0);
    vk_buf_ch(r->out, '}');
    vk_dbh_done(r->h, c);
    return DONE;
}

/* ------------------------------------------------------------------------------------------------- requests
 */

/* Appends `,"result":…` where the response has one. */
static outcome one(struct run *r, const vk_hrana_request *q)
{
    switch (q->type) {
    case VK_R_EXECUTE:
        vk_buf_lit(r->out, ",\"result\":");
        return execute(r, &q->stmt);
    case VK_R_BATCH:
        if (!r->j->step_state)
            vk_buf_lit(r->out, ",\"result\":");
        return batch(r, q);
    case VK_R_DESCRIBE:
        vk_buf_lit(r->out, ",\"result\":");
        return describe(r, &q->stmt);
    case VK_R_SEQUENCE:
        return sequence(r, &q->stmt);
    case VK_R_STORE_SQL:
        return store_sql(r, &q->stmt);
    case VK_R_CLOSE_SQL:
        close_sql(r->j->stream, q->stmt.sql_id);
        return DONE;
    case VK_R_GET_AUTOCOMMIT:
        vk_buf_lit(r->out, ",\"is_autocommit\":");
        vk_buf_z(r->out, sqlite3_get_autocommit(r->h->db) ? "true" : "false");
        return DONE;
    case VK_R_CLOSE:
        break;
    }
    return DONE;
}

static void begin_answer(vk_dbjob *j, vk_buf *out)
{
    vk_buf_lit(out, "{\"baton\":");
    if (j->p.closes) {
        vk_buf_lit(out, "null");
    } else {
        char baton[VK_BATON_MAX];
        vk_stream_baton(j->stream, baton);
        vk_buf_ch(out, '"');
        vk_buf_z(out, baton);
        vk_buf_ch(out, '"');
    }
    vk_buf_lit(out, ",\"base_url\":null,\"results\":[");
}

vk_err vk_db_run(vk_dbjob *j, vk_str *why_r)
{
    vk_buf *out = &j->ex->out;
    struct run r = {.j = j, .h = j->stream->h, .out = out, .a = j->ex->arena};
    if (out->n == 0)
        begin_answer(j, out);
    for (; j->request < j->p.n; j->request++) {
        const vk_hrana_request *q = &j->p.requests[j->request];
        bool resumed = q->type == VK_R_BATCH && j->step_state;
        if (!resumed) {
            j->mark = out->n;
            if (j->request)
                vk_buf_ch(out, ',');
            vk_buf_lit(out, "{\"type\":\"ok\",\"response\":{\"type\":\"");
            vk_buf_z(out, vk_hrana_type_name(q->type));
            vk_buf_ch(out, '"');
        }
        switch (one(&r, q)) {
        case DONE:
            vk_buf_lit(out, "}}");
            break;
        case FAILED:
            vk_buf_truncate(out, j->mark);
            if (j->request)
                vk_buf_ch(out, ',');
            vk_buf_lit(out, "{\"type\":\"error\",\"error\":");
            vk_put_error(out, &r.err);
            vk_buf_ch(out, '}');
            break;
        case WAIT: /* a batch goes on where it stopped; anything else begins its result anew */
            if (!j->step_state)
                vk_buf_truncate(out, j->mark);
            return VK_AGAIN;
        case PROTOCOL:
            *why_r = r.why;
            return VK_E_INVALID;
        }
        j->sequence_at = 0;
        j->sequence = VK_STR_NONE;
        j->step_state = NULL;
    }
    vk_buf_lit(out, "]}");
    return out->err ? out->err : VK_OK;
}
