/* The requests of a pipeline, one after the other. Execution can stop before any statement that needs the
 * build's write turn and go on later, on another thread: where it stands is in the job. */
#include "services/database/embedded/db.h"

#include "core/json_write.h"

/* ---- stored texts */

static vk_outcome store_sql(vk_run *r, const vk_hrana_stmt *s)
{
    vk_stream *st = r->j->stream;
    if (vk_stream_text(st, s->sql_id))
        return vk_exec_protocol(r, vk_arena_printf(r->a, "SQL text %d already exists", s->sql_id));
    if (st->n_texts == VK_HRANA_STORED_MAX)
        return vk_exec_fail(r, "SQL_STORE_TOO_MANY",
                            vk_arena_printf(r->a,
                                            "The server already stores %d SQL texts, it cannot store more",
                                            VK_HRANA_STORED_MAX));
    if (s->sql.n > VK_HRANA_STORED_TEXT)
        return vk_exec_fail(r, "SQL_STORE_TOO_LARGE",
                            vk_arena_printf(r->a,
                                            "The SQL text is too large to be stored, the limit is %d bytes",
                                            VK_HRANA_STORED_TEXT));
    if (!st->texts && !(st->texts = calloc(VK_HRANA_STORED_MAX, sizeof *st->texts)))
        return vk_exec_fail(r, "SQLITE_NOMEM", VK_STR_NONE);
    char *copy = malloc(s->sql.n + 1);
    if (!copy)
        return vk_exec_fail(r, "SQLITE_NOMEM", VK_STR_NONE);
    if (s->sql.n)
        memcpy(copy, s->sql.p, s->sql.n);
    copy[s->sql.n] = '\0';
    st->texts[st->n_texts++] = (vk_sql_text){s->sql_id, {copy, s->sql.n}};
    return VK_O_DONE;
}

static void close_sql(vk_stream *s, int32_t id)
{
    vk_sql_text *t = vk_stream_text(s, id);
    if (!t)
        return;
    free((void *)(uintptr_t)t->text.p);
    *t = s->texts[--s->n_texts];
}

/* ---- batch, sequence, describe */

static vk_outcome batch(vk_run *r, const vk_hrana_request *q)
{
    vk_dbjob *j = r->j;
    if (!j->step_state) {
        j->step_state = vk_arena_calloc(r->a, q->n_steps ? q->n_steps : 1);
        j->step_errors = vk_arena_calloc(r->a, sizeof *j->step_errors * (q->n_steps ? q->n_steps : 1));
        if (!j->step_state || !j->step_errors) {
            j->step_state = NULL;
            return vk_exec_fail(r, "SQLITE_NOMEM", VK_STR_NONE);
        }
        j->step = 0;
        vk_buf_lit(r->out, "{\"step_results\":[");
    }
    for (; j->step < q->n_steps; j->step++) {
        const vk_hrana_step *s = &q->steps[j->step];
        vk_outcome o = VK_O_FAILED;
        size_t before = r->out->n;
        if (j->step)
            vk_buf_ch(r->out, ',');
        if (!s->cond || vk_exec_holds(r, s->cond)) {
            o = vk_exec_stmt(r, &s->stmt);
            if (o != VK_O_DONE && o != VK_O_FAILED) {
                vk_buf_truncate(r->out, before);
                return o;
            }
            j->step_state[j->step] = o == VK_O_DONE ? VK_STEP_OK : VK_STEP_ERROR;
            if (o == VK_O_FAILED)
                j->step_errors[j->step] = r->err;
        }
        if (o != VK_O_DONE)
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
    return VK_O_DONE;
}

/* One statement of a sequence: `rest` begins with it, *used_r bytes of it are done. */
static vk_outcome sequence_one(vk_run *r, vk_str rest, size_t *used_r)
{
    sqlite3_stmt *st;
    vk_str tail;
    vk_outcome o = vk_exec_begin(r, rest);
    if (o != VK_O_DONE)
        return o;
    if (vk_dbh_prepare_raw(r->h, r->a, rest, true, 0, &st, &tail, &r->err) != VK_OK)
        return VK_O_FAILED;
    *used_r = st && tail.p ? (size_t)(tail.p - rest.p) : rest.n;
    if (!st)
        return VK_O_DONE;
    const struct vk_alter *alter = r->h->alter;
    bool ddl = r->h->saw_ddl == VK_DDL_YES && !sqlite3_stmt_isexplain(st);
    r->h->runs_dml = r->h->saw_dml && !sqlite3_stmt_isexplain(st);
    o = vk_exec_turn(r, vk_dbh_writes(st));
    if (o == VK_O_DONE)
        o = vk_exec_alter(r, alter);
    int rc = o == VK_O_DONE ? SQLITE_ROW : SQLITE_DONE;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(st);
    if (o == VK_O_DONE && rc != SQLITE_DONE)
        o = vk_exec_failed(r, rc);
    else if (o == VK_O_DONE && ddl)
        vk_exec_note_ddl(r, st, alter);
    sqlite3_finalize(st);
    vk_exec_end(r);
    return o;
}

static vk_outcome sequence_text(vk_run *r, const vk_hrana_stmt *s, vk_str *sql_r)
{
    vk_str sql;
    vk_outcome o = vk_exec_text(r, s, &sql);
    if (o != VK_O_DONE)
        return o;
    if (memchr(sql.p, '\0', sql.n))
        return vk_exec_fail(r, "SQL_INPUT_ERROR",
                            VK_STR("SQL input error: the SQL text contains a NUL character"));
    *sql_r = r->j->sequence = vk_arena_dup(r->a, sql);
    return sql_r->p ? VK_O_DONE : vk_exec_fail(r, "SQLITE_NOMEM", VK_STR_NONE);
}

static vk_outcome sequence(vk_run *r, const vk_hrana_stmt *s)
{
    vk_str sql = r->j->sequence;
    vk_outcome o = sql.p ? VK_O_DONE : sequence_text(r, s, &sql);
    while (o == VK_O_DONE && r->j->sequence_at < sql.n) {
        size_t used = 0;
        o = sequence_one(r, (vk_str){sql.p + r->j->sequence_at, sql.n - r->j->sequence_at}, &used);
        if (o == VK_O_DONE)
            r->j->sequence_at += used;
    }
    return o;
}

static vk_outcome describe(vk_run *r, const vk_hrana_stmt *s)
{
    vk_str sql;
    vk_cached *c;
    vk_outcome o = vk_exec_may_go(r);
    if (o == VK_O_DONE)
        o = vk_exec_text(r, s, &sql);
    if (o != VK_O_DONE)
        return o;
    if (vk_dbh_prepare(r->h, r->a, sql, &c, &r->err) != VK_OK)
        return VK_O_FAILED;
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
    vk_put_cols(r->out, c);
    vk_jw w = {r->out, true};
    vk_jw_kbool(&w, "is_explain", sqlite3_stmt_isexplain(c->st) != 0);
    vk_jw_kbool(&w, "is_readonly", sqlite3_stmt_readonly(c->st) != 0);
    vk_buf_ch(r->out, '}');
    vk_dbh_done(r->h, c);
    return VK_O_DONE;
}

/* ---- requests */

/* Appends `,"result":…` where the response has one. */
static vk_outcome one(vk_run *r, const vk_hrana_request *q)
{
    switch (q->type) {
    case VK_R_EXECUTE:
        vk_buf_lit(r->out, ",\"result\":");
        return vk_exec_stmt(r, &q->stmt);
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
        return VK_O_DONE;
    case VK_R_GET_AUTOCOMMIT:
        vk_buf_lit(r->out, ",\"is_autocommit\":");
        vk_buf_z(r->out, sqlite3_get_autocommit(r->h->db) ? "true" : "false");
        return VK_O_DONE;
    case VK_R_CLOSE:
        break;
    }
    return VK_O_DONE;
}

static void begin_answer(vk_dbjob *j)
{
    vk_buf_lit(j->out, "{\"baton\":");
    if (j->p.closes) {
        vk_buf_lit(j->out, "null");
    } else {
        char baton[VK_BATON_MAX];
        vk_stream_baton(j->stream, baton);
        vk_buf_ch(j->out, '"');
        vk_buf_z(j->out, baton);
        vk_buf_ch(j->out, '"');
    }
    vk_buf_lit(j->out, ",\"base_url\":null,\"results\":[");
}

vk_outcome vk_run_requests(vk_run *r)
{
    vk_dbjob *j = r->j;
    bool pipeline = j->mode == VK_DB_PIPELINE;
    if (pipeline && r->out->n == 0)
        begin_answer(j);
    for (; j->request < j->p.n; j->request++) {
        const vk_hrana_request *q = &j->p.requests[j->request];
        if (!j->step_state) { /* a batch that is under way goes on where it stopped */
            j->mark = r->out->n;
            if (j->request)
                vk_buf_ch(r->out, ',');
            vk_buf_str(r->out, j->ok_open);
            vk_buf_z(r->out, vk_hrana_type_name(q->type));
            vk_buf_ch(r->out, '"');
        }
        vk_outcome o = one(r, q);
        if (o == VK_O_DONE) {
            vk_buf_lit(r->out, "}}");
        } else if (o == VK_O_FAILED) {
            vk_buf_truncate(r->out, j->mark);
            if (j->request)
                vk_buf_ch(r->out, ',');
            vk_buf_str(r->out, j->error_open);
            vk_put_error(r->out, &r->err);
            vk_buf_ch(r->out, '}');
        } else {
            if (!j->step_state)
                vk_buf_truncate(r->out, j->mark);
            return o;
        }
        j->sequence_at = 0;
        j->sequence = VK_STR_NONE;
        j->step_state = NULL;
    }
    if (pipeline)
        vk_buf_lit(r->out, "]}");
    return r->out->err ? vk_exec_fail(r, "RESPONSE_TOO_LARGE", VK_STR("Response is too large")) : VK_O_DONE;
}
