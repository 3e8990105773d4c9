/* Between exchanges and jobs: POST /v2/pipeline, /v3/pipeline and /v3/cursor. */
#include "services/database/embedded/inline.h"

static void refuse(vk_exchange *ex, int status, const char *code, const char *message)
{
    vk_sqlerr e = {code, vk_str_z(message)};
    vk_buf_clear(&ex->out);
    vk_put_error(&ex->out, &e);
    if (status == 429 || status == 503)
        ex->retry_s = 1;
    vk_respond(ex, status, "application/json");
}

static void refuse_kind(vk_exchange *ex, vk_err e, const char *why)
{
    refuse(ex, vk_err_status(e),
           e == VK_E_UNAUTHORIZED ? "AUTH_JWT_INVALID"
           : e == VK_E_BUSY       ? "TRANSACTION_BUSY"
           : e == VK_E_NOMEM      ? "SQLITE_NOMEM"
                                  : "SQLITE_IOERR",
           why);
}

/* ---- what comes in */

struct coming {
    vk_dbt *t;
    size_t n;
};

/* The exchange ends; it still holds the build. */
static void came(void *arg)
{
    struct coming *c = arg;
    vk_db_unreserve(c->t, c->n);
}

/* What the client says it will send; the most that it may when it does not say. */
static size_t announced(const vk_exchange *ex)
{
    int64_t n;
    vk_str length = vk_request_header(ex, VK_STR("Content-Length"));
    if (!length.p)
        return vk_request_header(ex, VK_STR("Transfer-Encoding")).p ? VK_HRANA_BODY_MAX : 0;
    return vk_str_to_i64(length, &n) == VK_OK && n >= 0 && n <= VK_HRANA_BODY_MAX ? (size_t)n : 0;
}

vk_err vk_db_expect(vk_exchange *ex)
{
    size_t n = announced(ex);
    if (n < VK_DB_RECEIVED_LARGE)
        return VK_OK;
    const char *why = "Too much is being sent for this build at once; try again";
    struct coming *c = VK_NEW(ex->arena, struct coming);
    vk_dbt *t = NULL;
    if (c) {
        pthread_mutex_lock(&vk_db.mu);
        t = vk_db_of_tenant(ex->principal);
        pthread_mutex_unlock(&vk_db.mu);
    }
    vk_err e = t ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK && !vk_db_reserve(t, n))
        e = VK_E_BUSY;
    if (e == VK_OK) {
        *c = (struct coming){t, n};
        e = vk_arena_cleanup(ex->arena, came, c);
        if (e != VK_OK)
            came(c);
    }
    if (e != VK_OK)
        refuse_kind(ex, e, e == VK_E_BUSY ? why : "Out of memory");
    return e;
}

/* ---- pipelines */

struct pipeline {
    vk_dbjob job;
    vk_exchange *ex;
    size_t large; /* counted in the build's answers */
};

/* The exchange ends; it still holds the build. */
static void taken(void *arg)
{
    struct pipeline *p = arg;
    atomic_fetch_sub(&p->job.t->answers, p->large);
    atomic_fetch_sub(&vk_db.answers, p->large);
}

/* On the worker's thread: the build's next request must see it, however long the loop takes to hear of this
 * one. */
static void count_answer(struct pipeline *p)
{
    if (p->ex->out.n < VK_DB_ANSWER_LARGE || vk_arena_cleanup(p->ex->arena, taken, p) != VK_OK)
        return;
    p->large = p->ex->out.n;
    atomic_fetch_add(&p->job.t->answers, p->large);
    atomic_fetch_add(&vk_db.answers, p->large);
}

static void respond(vk_exchange *ex)
{
    struct pipeline *p = ex->ctx;
    if (p->job.status == 429)
        ex->retry_s = 1;
    vk_respond(ex, p->job.status, p->job.content_type);
}

static void pipeline_unwanted(vk_exchange *ex)
{
    struct pipeline *p = ex->ctx;
    vk_db_abandon(&p->job);
}

static void pipeline_answered(vk_dbjob *j)
{
    struct pipeline *p = VK_CONTAINER(j, struct pipeline, job);
    count_answer(p);
    vk_exchange_post(p->ex, respond);
}

void vk_db_pipeline(vk_exchange *ex)
{
    const char *why = "Out of memory";
    struct pipeline *p = VK_NEW(ex->arena, struct pipeline);
    ex->ctx = p;
    ex->out.max = VK_HRANA_RESPONSE_MAX + VK_HRANA_RESPONSE_MAX / 5;  /* room for the errors past the limit */
    vk_err e = p && vk_buf_room(&ex->out, 1024) ? VK_OK : VK_E_NOMEM; /* most answers fit into this */
    if (e == VK_OK) {
        p->ex = ex;
        p->job.mode = VK_DB_PIPELINE;
        p->job.a = ex->arena;
        p->job.out = &ex->out;
        p->job.body = vk_buf_view(&ex->body);
        p->job.n_bytes = ex->body.n;
        p->job.ok_open = VK_STR("{\"type\":\"ok\",\"response\":{\"type\":\"");
        p->job.error_open = VK_STR("{\"type\":\"error\",\"error\":");
        p->job.answered = pipeline_answered;
        if (vk_inline_run(ex->principal, &p->job, ex->loop)) {
            respond(ex);
            return;
        }
        ex->gone = pipeline_unwanted;
        e = vk_db_submit(ex->principal, &p->job, &why);
    }
    if (e != VK_OK)
        refuse_kind(ex, e, why);
}

/* ---- cursors */

/* Outlives its exchange when the client goes: then the job is told to end, and takes the cursor with it. */
struct cursor {
    vk_dbjob job;
    vk_source source;
    vk_task lines, over;
    vk_loop *loop;
    vk_exchange *ex; /* NULL: the client has gone */
    vk_arena *arena;
    vk_buf body, out;
    bool started, ready, finished; /* the response; `out` is the loop's; the job has ended */
    bool failed;
};

static void cursor_free(struct cursor *c)
{
    vk_buf_free(&c->body);
    vk_buf_free(&c->out);
    vk_arena_free(c->arena);
    free(c);
}

static vk_err cursor_pull(vk_source *s, vk_buf *out)
{
    struct cursor *c = VK_CONTAINER(s, struct cursor, source);
    if (c->ready && c->out.n) {
        vk_buf_str(out, vk_buf_view(&c->out));
        vk_buf_clear(&c->out);
        return VK_OK;
    }
    if (c->finished)
        return c->failed ? VK_E_IO : VK_E_NOT_FOUND;
    if (c->ready) {
        c->ready = false;
        vk_db_resume(&c->job, false);
    }
    return VK_AGAIN;
}

/* The exchange ends: everything was sent, or nobody is there any more. */
static void cursor_stop(vk_source *s)
{
    struct cursor *c = VK_CONTAINER(s, struct cursor, source);
    c->ex = NULL;
    if (c->finished)
        cursor_free(c);
    else {
        vk_db_resume(&c->job, true);
        vk_db_abandon(&c->job);
    }
}

static void cursor_go(struct cursor *c)
{
    c->ready = true;
    if (c->started) {
        vk_source_ready(c->ex);
    } else {
        c->started = true;
        vk_respond_source(c->ex, 200, "text/plain", &c->source);
    }
}

static void lines_arrived(vk_task *t)
{
    struct cursor *c = VK_CONTAINER(t, struct cursor, lines);
    if (c->ex && !c->finished)
        cursor_go(c);
}

static void job_over(vk_task *t)
{
    struct cursor *c = VK_CONTAINER(t, struct cursor, over);
    vk_exchange *ex = c->ex;
    c->finished = true;
    c->failed = c->job.status != 200;
    if (!ex) {
        cursor_free(c);
    } else if (!c->failed || c->started) {
        cursor_go(c);
    } else { /* an error before the first line is a status */
        vk_buf_clear(&ex->out);
        vk_buf_str(&ex->out, vk_buf_view(&c->out));
        c->ex = NULL;
        if (c->job.status == 429)
            ex->retry_s = 1;
        vk_respond(ex, c->job.status, c->job.content_type);
        cursor_free(c);
    }
}

/* Before the first lines; later the connection's end stops the source. */
static void cursor_unwanted(vk_exchange *ex)
{
    struct cursor *c = ex->ctx;
    if (!c->started && !c->finished)
        vk_db_abandon(&c->job);
}

static void cursor_lines(vk_dbjob *j)
{
    struct cursor *c = VK_CONTAINER(j, struct cursor, job);
    vk_loop_post(c->loop, &c->lines);
}

static void cursor_answered(vk_dbjob *j)
{
    struct cursor *c = VK_CONTAINER(j, struct cursor, job);
    vk_loop_post(c->loop, &c->over);
}

void vk_db_cursor(vk_exchange *ex)
{
    const char *why = "Out of memory";
    struct cursor *c = calloc(1, sizeof *c);
    vk_arena *a = c ? vk_arena_new(VK_EX_ARENA_CAP) : NULL;
    vk_err e = a ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK) {
        c->arena = a;
        c->ex = ex;
        c->loop = ex->loop;
        c->lines.run = lines_arrived;
        c->over.run = job_over;
        c->source = (vk_source){cursor_pull, cursor_stop};
        vk_buf_init(&c->out, VK_EX_OUT_MAX);
        c->body = ex->body; /* the exchange may go first */
        vk_buf_init(&ex->body, 0);
        c->job.mode = VK_DB_CURSOR;
        c->job.a = a;
        c->job.out = &c->out;
        c->job.body = vk_buf_view(&c->body);
        c->job.n_bytes = c->body.n;
        c->job.answered = cursor_answered;
        c->job.lines_ready = cursor_lines;
        ex->ctx = c;
        ex->gone = cursor_unwanted;
        e = vk_db_submit(ex->principal, &c->job, &why);
    }
    if (e == VK_OK)
        return;
    if (a)
        cursor_free(c);
    else
        free(c);
    refuse_kind(ex, e, why);
}
