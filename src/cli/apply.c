#include "cli/apply.h"

#include "cli/out.h"
#include "cli/sqltext.h"
#include "core/clock.h"

#include <stdarg.h>

enum {
    BODY_MAX = 3 * VK_MIGRATION_BYTES, /* a file's text as JSON, with what is around it */
    CHUNK_STATEMENTS = 200,
    CHUNK_BYTES = 1024 * 1024,
    PATIENCE_MS = 15000, /* with a database that is busy, and between tries: */
    PAUSE_MS = 200,
};

static const char make_ledger[] =
    "CREATE TABLE IF NOT EXISTS _valetkey_migrations (name TEXT PRIMARY KEY, checksum "
    "TEXT NOT NULL, applied_at TEXT NOT NULL)";

static vk_err VK_PRINTF(4, 5) fail(vk_apply *a, vk_err e, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->said, sizeof a->said, fmt, ap);
    va_end(ap);
    snprintf(a->code, sizeof a->code, "%s", code);
    return e;
}

/* ---- one request */

struct call {
    vk_buf body;
    vk_jw w;
};

static void begin(vk_apply *a, struct call *c)
{
    vk_buf_init(&c->body, BODY_MAX);
    c->w = vk_pipeline_begin(&a->at, &c->body);
}

static vk_err ask(vk_apply *a, struct call *c, vk_reply *r)
{
    vk_err e = vk_pipeline_send(&a->at, &c->w, r, a->code, a->said, sizeof a->said);
    vk_buf_free(&c->body);
    return e;
}

static bool is_busy(const char *code)
{
    return strcmp(code, "SQLITE_BUSY") == 0 || strcmp(code, "TRANSACTION_BUSY") == 0 ||
           strcmp(code, "SQLITE_LOCKED") == 0 || strcmp(code, "STREAM_EXPIRED") == 0;
}

/* The i-th result's rows; an error in its place is told. */
static vk_err rows_of(vk_apply *a, const vk_reply *r, size_t i, const vk_json **rows_r)
{
    const vk_json *error, *response = vk_pipeline_result(r, i, &error);
    const vk_json *rows = vk_json_get(vk_json_get(response, VK_STR("result")), VK_STR("rows"));
    *rows_r = vk_reply_items(rows);
    if (response)
        return VK_OK;
    const char *code = vk_reply_text(r, error, "code");
    return fail(a, is_busy(code) ? VK_E_BUSY : VK_E_INVALID, code[0] ? code : "http", "%s",
                vk_reply_text(r, error, "message"));
}

/* A row's i-th value as text; VK_STR_NONE for NULL. Hrana writes integers as texts too. */
static vk_str cell(const vk_json *row, size_t i)
{
    const vk_json *v = vk_reply_items(row);
    for (; v && i; i--)
        v = v->next;
    return vk_json_str(vk_json_get(v, VK_STR("value")));
}

static void pause_a_moment(void)
{
    const struct timespec t = {.tv_nsec = PAUSE_MS * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- ledgers */

static const struct ledger {
    const char *table, *sql;
    vk_applied means;
} ledgers[] = {
    {"_valetkey_migrations", "SELECT name, checksum FROM _valetkey_migrations", VK_APPLIED},
    {"_app_migrations", "SELECT name FROM _app_migrations", VK_ADOPTED},
    {"_prisma_migrations",
     "SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL",
     VK_ADOPTED},
    {"__drizzle_migrations", "SELECT hash FROM __drizzle_migrations", VK_ADOPTED},
};

/* drizzle-orm knows its files by their content, the others by their name. */
static bool is_row_of(const struct ledger *l, const vk_json *row, const vk_migration *x)
{
    return strcmp(l->table, "__drizzle_migrations") == 0 ? vk_str_eqz(cell(row, 0), x->sum)
                                                         : vk_str_eq(cell(row, 0), x->name);
}

static void take_rows(const struct ledger *l, const vk_json *rows, const vk_migrations *m, vk_applied *state)
{
    for (const vk_json *row = rows; row; row = row->next)
        for (size_t i = 0; i < m->n; i++) {
            if (state[i] != VK_PENDING || !is_row_of(l, row, &m->all[i]))
                continue;
            state[i] = l->means;
            if (l->means == VK_APPLIED && !vk_str_eqz(cell(row, 1), m->all[i].sum))
                state[i] = VK_CHANGED;
        }
}

static vk_err query(vk_apply *a, const char *sql, vk_reply *r, const vk_json **rows_r)
{
    int64_t until = vk_clock_mono_ms() + PATIENCE_MS;
    for (;;) {
        struct call c;
        begin(a, &c);
        vk_pipeline_execute(&c.w, vk_str_z(sql), true);
        vk_pipeline_close(&c.w);
        vk_err e = ask(a, &c, r);
        if (e == VK_OK) {
            e = rows_of(a, r, 0, rows_r);
            if (e != VK_OK)
                vk_reply_free(r);
        }
        if (e != VK_E_BUSY || vk_clock_mono_ms() > until)
            return e;
        pause_a_moment();
    }
}

vk_err vk_apply_look(vk_apply *a, const vk_migrations *m, vk_applied *state)
{
    vk_reply there, r;
    const vk_json *tables, *rows;
    for (size_t i = 0; i < m->n; i++)
        state[i] = VK_PENDING;
    vk_err e = query(
        a, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%\\_migrations' ESCAPE '\\'",
        &there, &tables);
    if (e != VK_OK)
        return e;
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(ledgers); i++) {
        bool has = false;
        for (const vk_json *t = tables; t; t = t->next)
            has |= vk_str_eqz(cell(t, 0), ledgers[i].table);
        if (!has)
            continue;
        e = query(a, ledgers[i].sql, &r, &rows);
        if (e == VK_OK) {
            take_rows(&ledgers[i], rows, m, state);
            vk_reply_free(&r);
        } else if (ledgers[i].means == VK_ADOPTED && e == VK_E_INVALID) {
            e = VK_OK; /* a table of that name with other columns is the app's own business */
        }
    }
    vk_reply_free(&there);
    return e;
}

/* ---- a batch: each step only when the one before it was done */

struct batch {
    vk_jw *w;
    size_t n;
};

static struct batch batch_begin(vk_jw *w)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "type", VK_STR("batch"));
    vk_jw_key(w, VK_STR("batch"));
    vk_jw_obj(w);
    vk_jw_key(w, VK_STR("steps"));
    vk_jw_arr(w);
    return (struct batch){.w = w};
}

static void batch_text_arg(vk_jw *w, vk_str text)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "type", VK_STR("text"));
    vk_jw_kstr(w, "value", text);
    vk_jw_obj_end(w);
}

/* `args`: texts. */
static void batch_step(struct batch *b, vk_str sql, const vk_str *args, size_t n_args, bool want_rows)
{
    vk_jw_obj(b->w);
    if (b->n) {
        vk_jw_key(b->w, VK_STR("condition"));
        vk_jw_obj(b->w);
        vk_jw_kstr(b->w, "type", VK_STR("ok"));
        vk_jw_ki64(b->w, "step", (int64_t)b->n - 1);
        vk_jw_obj_end(b->w);
    }
    vk_jw_key(b->w, VK_STR("stmt"));
    vk_jw_obj(b->w);
    vk_jw_kstr(b->w, "sql", sql);
    vk_jw_key(b->w, VK_STR("args"));
    vk_jw_arr(b->w);
    for (size_t i = 0; i < n_args; i++)
        batch_text_arg(b->w, args[i]);
    vk_jw_arr_end(b->w);
    vk_jw_kbool(b->w, "want_rows", want_rows);
    vk_jw_obj_end(b->w);
    vk_jw_obj_end(b->w);
    b->n++;
}

static void batch_end(struct batch *b)
{
    vk_jw_arr_end(b->w);
    vk_jw_obj_end(b->w);
    vk_jw_obj_end(b->w);
}

/* VK_OK: all steps were done; *result_r then. Else *step_r is the one that failed, and it was told. */
static vk_err batch_result(vk_apply *a, const vk_reply *r, const struct batch *b, const vk_json **result_r,
                           size_t *step_r)
{
    const vk_json *error, *response = vk_pipeline_result(r, 0, &error);
    const vk_json *result = vk_json_get(response, VK_STR("result"));
    const vk_json *errors = vk_json_get(result, VK_STR("step_errors")),
                  *done = vk_json_get(result, VK_STR("step_results"));
    *step_r = 0;
    if (errors && errors->type == VK_JSON_ARRAY)
        for (const vk_json *x = errors->u.child; x; x = x->next, ++*step_r)
            if (x->type != VK_JSON_NULL) {
                error = x;
                break;
            }
    if (error) {
        const char *code = vk_reply_text(r, error, "code");
        return fail(a, is_busy(code) ? VK_E_BUSY : VK_E_INVALID, code[0] ? code : "http", "%s",
                    vk_reply_text(r, error, "message"));
    }
    if (!done || done->type != VK_JSON_ARRAY || done->count != b->n)
        return fail(a, VK_E_INTERNAL, "http", "The database endpoint's answer is incomplete.");
    *result_r = done;
    return VK_OK;
}

/* The first value of the i-th step's first row. */
static vk_str batch_cell(const vk_json *done, size_t step)
{
    const vk_json *x = done->u.child;
    for (; x && step; step--)
        x = x->next;
    const vk_json *rows = vk_json_get(x, VK_STR("rows"));
    return cell(vk_reply_items(rows), 0);
}

/* ---- a file's statements */

struct file {
    const vk_migration *x;
    size_t n, done;
    bool foreign_keys_off; /* while it runs */
    struct part {
        vk_str sql;
        int line;
    } * parts;
};

static bool is_foreign_keys(vk_str sql)
{
    return vk_str_ieq(vk_sql_word(sql), VK_STR("PRAGMA")) &&
           vk_str_ieq(vk_sql_word_at(sql, 1), VK_STR("foreign_keys"));
}

static bool has_word(vk_str sql, vk_str word)
{
    for (size_t i = 0; i + word.n <= sql.n; i++)
        if (vk_str_ieq((vk_str){sql.p + i, word.n}, word))
            return true;
    return false;
}

static bool is_transaction(vk_str word)
{
    static const char *const words[] = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"};
    for (size_t i = 0; i < VK_COUNT(words); i++)
        if (vk_str_ieq(word, vk_str_z(words[i])))
            return true;
    return false;
}

static int lines_in(vk_str s)
{
    int n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

/* One statement of the file. SQLite ignores PRAGMA foreign_keys inside a transaction, so it is no part of it.
 */
static vk_err take_part(vk_apply *a, struct file *f, vk_str sql, int line)
{
    if (is_foreign_keys(sql)) {
        f->foreign_keys_off |=
            has_word(sql, VK_STR("off")) || has_word(sql, VK_STR("=0")) || has_word(sql, VK_STR("= 0"));
        return VK_OK;
    }
    if (is_transaction(vk_sql_word(sql))) {
        a->line = line;
        return fail(a, VK_E_INVALID, "transaction",
                    "A migration runs in one transaction as a whole, so it may not have " VK_STR_FMT
                    " of its own. Take it out",
                    VK_STR_ARG(vk_sql_word(sql)));
    }
    if (f->n % 1024 == 0) {
        struct part *more = realloc(f->parts, (f->n + 1024) * sizeof *more);
        if (!more)
            return fail(a, VK_E_NOMEM, "nomem", "Out of memory.");
        f->parts = more;
    }
    f->parts[f->n++] = (struct part){sql, line};
    return VK_OK;
}

static vk_err split(vk_apply *a, vk_migration_kind kind, struct file *f)
{
    vk_str left = f->x->text;
    int line = 1;
    vk_err e = VK_OK;
    f->foreign_keys_off = kind == VK_MIG_DRIZZLE; /* as drizzle-orm's own migrator has it */
    while (e == VK_OK && left.n && !vk_sql_blank(left)) {
        size_t n = vk_sql_next(left);
        a->line = line + lines_in((vk_str){left.p, vk_sql_lead(left)});
        if (n == 0)
            return fail(a, VK_E_INVALID, "syntax",
                        "A quote or a comment that begins in this statement is not closed.");
        vk_str sql = {left.p, n};
        if (!vk_sql_blank(sql)) {
            size_t lead = vk_sql_lead(sql);
            e = take_part(a, f, (vk_str){sql.p + lead, n - lead}, a->line);
        }
        line += lines_in(sql);
        left.p += n;
        left.n -= n;
    }
    if (e == VK_OK)
        a->line = 0;
    return e;
}

/* ---- running it */

static const char violations[] = "SELECT count(*) || '' FROM pragma_foreign_key_check";

/* Opens the transaction. *ran_r: our ledger has the file by now; *bad_r: rows that break a foreign key. */
static vk_err open_transaction(vk_apply *a, const struct file *f, bool *ran_r, int64_t *bad_r)
{
    struct call c;
    vk_reply r;
    const vk_json *done;
    size_t step;
    begin(a, &c);
    struct batch b = batch_begin(&c.w);
    batch_step(&b,
               f->foreign_keys_off ? VK_STR("PRAGMA foreign_keys = OFF") : VK_STR("PRAGMA foreign_keys = ON"),
               NULL, 0, false);
    batch_step(&b, VK_STR("BEGIN IMMEDIATE"), NULL, 0, false);
    batch_step(&b, vk_str_z(make_ledger), NULL, 0, false);
    batch_step(&b, VK_STR("SELECT count(*) || '' FROM _valetkey_migrations WHERE name = ?"), &f->x->name, 1,
               true);
    batch_step(&b, vk_str_z(violations), NULL, 0, true);
    batch_end(&b);
    vk_err e = ask(a, &c, &r);
    if (e != VK_OK)
        return e;
    e = batch_result(a, &r, &b, &done, &step);
    if (e == VK_OK) {
        *ran_r = !vk_str_eqz(batch_cell(done, 3), "0");
        e = vk_str_to_i64(batch_cell(done, 4), bad_r);
    }
    vk_reply_free(&r);
    return e;
}

/* The next statements, as many as go into one request. */
static vk_err run_chunk(vk_apply *a, struct file *f)
{
    struct call c;
    vk_reply r;
    const vk_json *done;
    size_t from = f->done, step;
    begin(a, &c);
    struct batch b = batch_begin(&c.w);
    for (size_t i = from;
         i < f->n && i - from < CHUNK_STATEMENTS && (i == from || c.body.n + f->parts[i].sql.n < CHUNK_BYTES);
         i++)
        batch_step(&b, f->parts[i].sql, NULL, 0, false);
    batch_end(&b);
    vk_err e = ask(a, &c, &r);
    if (e != VK_OK)
        return e;
    e = batch_result(a, &r, &b, &done, &step);
    vk_reply_free(&r);
    if (e != VK_OK)
        a->line = f->parts[from + step < f->n ? from + step : f->n - 1].line;
    f->done += b.n;
    return e;
}

static vk_err note_and_check(vk_apply *a, const struct file *f, int64_t bad_before)
{
    struct call c;
    vk_reply r;
    const vk_json *done;
    size_t step;
    int64_t bad = 0;
    char now[VK_CLOCK_TEXT];
    vk_clock_text(vk_clock_wall_ms(), now);
    const vk_str args[] = {f->x->name, vk_str_z(f->x->sum), vk_str_z(now)};
    begin(a, &c);
    struct batch b = batch_begin(&c.w);
    batch_step(&b, VK_STR("INSERT INTO _valetkey_migrations (name, checksum, applied_at) VALUES (?, ?, ?)"),
               args, VK_COUNT(args), false);
    batch_step(&b, vk_str_z(violations), NULL, 0, true);
    batch_end(&b);
    vk_err e = ask(a, &c, &r);
    if (e != VK_OK)
        return e;
    e = batch_result(a, &r, &b, &done, &step);
    if (e == VK_OK)
        e = vk_str_to_i64(batch_cell(done, 1), &bad);
    vk_reply_free(&r);
    if (e == VK_OK && bad > bad_before)
        return fail(
            a, VK_E_CONFLICT, "SQLITE_CONSTRAINT",
            "After it %lld more rows would break a foreign key. `PRAGMA foreign_key_check` names such rows.",
            (long long)(bad - bad_before));
    return e;
}

/* COMMIT or ROLLBACK, and the end of the stream. */
static vk_err end_transaction(vk_apply *a, const char *how)
{
    struct call c;
    vk_reply r;
    const vk_json *rows;
    begin(a, &c);
    vk_pipeline_execute(&c.w, vk_str_z(how), false);
    vk_pipeline_close(&c.w);
    vk_err e = ask(a, &c, &r);
    if (e != VK_OK)
        return e;
    e = rows_of(a, &r, 0, &rows);
    vk_reply_free(&r);
    return e;
}

static void roll_back(vk_apply *a)
{
    char code[VK_APPLY_SAID], said[VK_APPLY_SAID];
    memcpy(code, a->code, sizeof code);
    memcpy(said, a->said, sizeof said);
    if (a->at.baton.n && end_transaction(a, "ROLLBACK") != VK_OK)
        vk_buf_clear(&a->at.baton); /* the daemon does it when the stream is not used any more */
    memcpy(a->code, code, sizeof code);
    memcpy(a->said, said, sizeof said);
}

static vk_err try_once(vk_apply *a, struct file *f)
{
    bool ran = false;
    int64_t bad = 0;
    f->done = 0;
    a->line = 0;
    vk_err e = open_transaction(a, f, &ran, &bad);
    if (e == VK_OK && ran) {
        roll_back(a);
        return VK_E_CONFLICT;
    }
    while (e == VK_OK && f->done < f->n) {
        e = run_chunk(a, f);
        if (f->n > CHUNK_STATEMENTS)
            vk_progress("Applying", f->parts[f->done < f->n ? f->done : f->n - 1].sql.p - f->x->text.p,
                        (int64_t)f->x->text.n);
    }
    if (e == VK_OK && (e = note_and_check(a, f, bad)) == VK_E_CONFLICT)
        e = VK_E_INVALID;
    if (e != VK_OK) {
        roll_back(a);
        return e;
    }
    return end_transaction(a, "COMMIT");
}

vk_err vk_apply_run(vk_apply *a, vk_migration_kind kind, const vk_migration *x, size_t *n_r)
{
    struct file f = {.x = x};
    int64_t until = vk_clock_mono_ms() + PATIENCE_MS;
    vk_err e = split(a, kind, &f);
    if (e == VK_OK)
        while ((e = try_once(a, &f)) == VK_E_BUSY && vk_clock_mono_ms() < until)
            pause_a_moment();
    vk_progress_end();
    *n_r = f.n;
    free(f.parts);
    return e;
}

vk_err vk_apply_note(vk_apply *a, const vk_migration *x)
{
    struct file f = {.x = x}; /* without its statements */
    int64_t until = vk_clock_mono_ms() + PATIENCE_MS;
    vk_err e;
    while ((e = try_once(a, &f)) == VK_E_BUSY && vk_clock_mono_ms() < until)
        pause_a_moment();
    return e == VK_E_CONFLICT ? VK_OK : e;
}
