/* A cursor: a batch whose rows leave while they are read. When `out` holds enough, the statement stays as it
 * is, the job is set aside, and goes on when the lines were taken. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/json_write.h"

enum { LINES_ENOUGH = 64 * 1024 };

static void first_line(vk_dbjob *j)
{
    char baton[VK_BATON_MAX];
    vk_stream_baton(j->stream, baton);
    vk_buf_lit(j->out, "{\"baton\":\"");
    vk_buf_z(j->out, baton);
    vk_buf_lit(j->out, "\",\"base_url\":null}\n");
}

static void error_line(vk_run *r)
{
    vk_buf_lit(r->out, "{\"type\":\"step_error\",\"step\":");
    vk_buf_u64(r->out, r->j->step);
    vk_buf_lit(r->out, ",\"error\":");
    vk_put_error(r->out, &r->err);
    vk_buf_lit(r->out, "}\n");
}

static void begin_line(vk_run *r, vk_cached *c)
{
    vk_buf_lit(r->out, "{\"type\":\"step_begin\",\"step\":");
    vk_buf_u64(r->out, r->j->step);
    vk_buf_lit(r->out, ",\"cols\":");
    vk_put_cols(r->out, c);
    vk_buf_lit(r->out, "}\n");
}

static void row_line(vk_run *r, sqlite3_stmt *st)
{
    int n = sqlite3_column_count(st);
    vk_buf_lit(r->out, "{\"type\":\"row\",\"row\":[");
    for (int i = 0; i < n; i++) {
        if (i)
            vk_buf_ch(r->out, ',');
        vk_put_value(r->out, st, i);
    }
    vk_buf_lit(r->out, "]}\n");
}

static void end_line(vk_run *r, const vk_cached *c)
{
    vk_dbjob *j = r->j;
    vk_buf_lit(r->out, "{\"type\":\"step_end\",");
    vk_exec_counts(r, c, j->active_total, j->active_rows, j->active_begun);
    vk_buf_lit(r->out, "}\n");
}

/* Prepares the step and takes the turn; j->active is then the statement, before its first row. */
static vk_outcome open_step(vk_run *r, const vk_hrana_stmt *s)
{
    vk_str sql;
    vk_cached *c;
    vk_outcome o = vk_exec_text(r, s, &sql);
    if (o == VK_O_DONE)
        o = vk_exec_begin(r, sql);
    if (o != VK_O_DONE)
        return o;
    if (vk_dbh_prepare(r->h, r->a, sql, &c, &r->err) != VK_OK)
        return VK_O_FAILED;
    vk_keys_lift(r->h, c);
    o = vk_exec_bind(r, c->st, s);
    if (o == VK_O_DONE)
        o = vk_exec_turn(r, c->writes);
    if (o == VK_O_DONE)
        o = vk_exec_alter(r, c->alter);
    if (o != VK_O_DONE) {
        vk_dbh_done(r->h, c);
        if (o == VK_O_FAILED)
            vk_exec_end(r);
        return o;
    }
    r->j->active = c;
    r->j->active_rows = 0;
    r->j->active_begun = vk_clock_mono_ns();
    r->j->active_total = sqlite3_total_changes64(r->h->db);
    sqlite3_stmt_status(c->st, SQLITE_STMTSTATUS_VM_STEP, 1);
    return VK_O_DONE;
}

/* The active statement's rows, as many as fit. */
static vk_outcome go_on(vk_run *r, const vk_hrana_stmt *s)
{
    vk_dbjob *j = r->j;
    vk_cached *c = j->active;
    bool first = !sqlite3_stmt_busy(c->st) && j->active_rows == 0;
    vk_outcome o = VK_O_DONE;
    int rc;
    for (;;) {
        if (j->aborted || atomic_load_explicit(&j->t->closed, memory_order_relaxed)) {
            o = VK_O_OVER;
            break;
        }
        rc = sqlite3_step(c->st);
        if (first && (rc == SQLITE_ROW || rc == SQLITE_DONE))
            begin_line(r, c);
        first = false;
        if (rc != SQLITE_ROW) {
            if (rc == SQLITE_DONE)
                end_line(r, c);
            else
                o = vk_exec_failed(r, rc);
            break;
        }
        if (s->want_rows)
            row_line(r, c->st);
        j->active_rows++;
        if (r->out->err) {
            vk_buf_truncate(r->out, 0);
            o = vk_exec_fail(r, "RESPONSE_TOO_LARGE", VK_STR("Response is too large"));
            break;
        }
        if (r->out->n >= LINES_ENOUGH)
            return VK_O_DRAIN;
    }
    if (o == VK_O_DONE && c->ddl)
        vk_exec_note_ddl(r, c->st, c->alter);
    j->active = NULL;
    vk_dbh_done(r->h, c);
    vk_exec_end(r);
    return o;
}

vk_outcome vk_run_cursor(vk_run *r)
{
    vk_dbjob *j = r->j;
    const vk_hrana_request *q = &j->p.requests[0];
    if (!j->step_state) {
        j->step_state = vk_arena_calloc(r->a, q->n_steps ? q->n_steps : 1);
        if (!j->step_state)
            return vk_exec_fail(r, "SQLITE_NOMEM", VK_STR_NONE);
        first_line(j);
    }
    for (; j->step < q->n_steps; j->step++) {
        const vk_hrana_step *s = &q->steps[j->step];
        vk_outcome o = VK_O_DONE;
        if (!j->active) {
            if (s->cond && !vk_exec_holds(r, s->cond))
                continue; /* a skipped step says nothing */
            o = open_step(r, &s->stmt);
        }
        if (o == VK_O_DONE)
            o = go_on(r, &s->stmt);
        if (o != VK_O_DONE && o != VK_O_FAILED)
            return o;
        j->step_state[j->step] = o == VK_O_DONE ? VK_STEP_OK : VK_STEP_ERROR;
        if (o == VK_O_FAILED)
            error_line(r);
        if (r->out->n >= LINES_ENOUGH) {
            j->step++;
            return VK_O_DRAIN;
        }
    }
    return VK_O_DONE;
}
