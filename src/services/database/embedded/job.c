/* One request on its way: its stream, what it runs, how it is answered. Everything here runs on a worker's
 * thread. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/random.h"

static const char revoked[] = "The build's valet keys were revoked";

/* ---- answers */

/* Under mu. A stream has become free or has gone: those who wait for one look again. */
static void wake_waiting(vk_dbt *t)
{
    if (vk_list_empty(&t->waiting_stream))
        return;
    vk_list_splice(&t->queue, &t->waiting_stream);
    vk_db_schedule(t);
}

void vk_db_stream_idle(vk_dbt *t, vk_stream *s)
{
    s->busy = false;
    if (s->socket && s->h && vk_list_empty(&s->node))
        vk_list_push(&t->streams, &s->node);
    else if (s->socket && !s->h)
        vk_list_remove(&s->node);
    else if (s->kept && !s->h)
        vk_stream_rest(t, s);
    wake_waiting(t);
}

void vk_db_answer(vk_dbjob *j, int status, const char *content_type)
{
    vk_stream *s = j->stream;
    if (s && s != &j->local) {
        pthread_mutex_lock(&vk_db.mu);
        s->used_ms = vk_clock_mono_ms();
        vk_db_stream_idle(j->t, s);
        pthread_mutex_unlock(&vk_db.mu);
    }
    j->status = status;
    j->content_type = content_type;
    vk_db_unreserve(j->t, j->tree);
    j->answered(j);
}

/* The job's stream ends: by `close`, by an error of the protocol, or because its build is revoked. A
 * WebSocket's is its own. */
static void end_stream(vk_dbjob *j)
{
    vk_stream *s = j->stream;
    if (!s)
        return;
    if (!s->socket) {
        vk_db_end_stream(j->t, s);
        j->stream = NULL;
    } else if (s->h) {
        vk_db_put_handle(s->h);
        s->h = NULL;
    }
}

/* A cursor whose first lines are out can only be cut off; `out` is the receiver's by now. */
static bool cut_off(vk_dbjob *j, int status)
{
    bool begun = j->begun;
    if (begun)
        vk_db_answer(j, status, NULL); /* and the job is gone */
    return begun;
}

static void answer_text(vk_dbjob *j, vk_str text)
{
    end_stream(j);
    if (cut_off(j, 400))
        return;
    vk_buf_clear(j->out);
    vk_buf_str(j->out, text);
    vk_db_answer(j, 400, "text/plain");
}

static void answer_error(vk_dbjob *j, int status, const char *code, const char *message)
{
    vk_sqlerr e = {code, vk_str_z(message)};
    end_stream(j);
    if (cut_off(j, status))
        return;
    vk_buf_clear(j->out);
    if (j->mode == VK_DB_SINGLE)
        vk_buf_str(j->out, j->error_open);
    vk_put_error(j->out, &e);
    if (j->mode == VK_DB_SINGLE)
        vk_buf_ch(j->out, '}');
    vk_db_answer(j, status, "application/json");
}

static void answer_kind(vk_dbjob *j, vk_err e, const char *why)
{
    static const struct {
        vk_err kind;
        const char *code;
    } codes[] = {{VK_E_FULL, "SQLITE_FULL"},
                 {VK_E_BUSY, "TRANSACTION_BUSY"},
                 {VK_E_NOMEM, "SQLITE_NOMEM"},
                 {VK_E_CORRUPT, "SQLITE_CORRUPT"},
                 {VK_E_TOO_LARGE, "RESPONSE_TOO_LARGE"}};
    const char *code = "SQLITE_IOERR";
    for (size_t i = 0; i < VK_COUNT(codes); i++)
        if (codes[i].kind == e)
            code = codes[i].code;
    answer_error(j, vk_err_status(e), code, why);
}

/* ---- streams */

void vk_db_end_stream(vk_dbt *t, vk_stream *s)
{
    if (s->kept) {
        pthread_mutex_lock(&vk_db.mu);
        vk_stream_out(t, s);
        wake_waiting(t);
        pthread_mutex_unlock(&vk_db.mu);
    }
    if (s->h)
        vk_db_put_handle(s->h);
    s->h = NULL;
    vk_stream_free_texts(s);
    if (s->kept)
        free(s);
}

/* A turn that was granted to a job which ends without using it. */
static void drop_grant(vk_dbjob *j)
{
    if (!j->has_turn)
        return;
    pthread_mutex_lock(&vk_db.mu);
    j->has_turn = false;
    vk_db_pass_turn(j->t);
    pthread_mutex_unlock(&vk_db.mu);
}

enum attach { ATTACHED, ASIDE, ANSWERED };

/* Finds or makes the stream of a parsed request. */
static enum attach attach(vk_dbjob *j)
{
    vk_dbt *t = j->t;
    bool aside = false, busy = false;
    const char *over = NULL;
    vk_stream *s = NULL;
    uint8_t token[VK_DB_TOKEN];
    if (!j->p.closes)
        vk_random(token, sizeof token);
    pthread_mutex_lock(&vk_db.mu);
    if (j->p.baton.p) {
        s = vk_stream_by_baton(t, j->p.baton, &over);
        if (s && s->busy) { /* its cursor is not at its end yet */
            busy = j->stream_timeout;
            aside = !busy;
            s = NULL;
        } else if (s && s->light && !j->p.closes && t->n_streams >= VK_DB_STREAMS_MAX) {
            busy = j->stream_timeout;
            aside = j->wants_place = !busy;
            s = NULL;
        } else if (s) {
            s->busy = true;
            if (s->light)
                vk_stream_place(t, s);
        }
    } else if (j->p.closes) {
        s = &j->local;
    } else if (t->n_streams < VK_DB_STREAMS_MAX) {
        s = vk_stream_open(t);
    } else {
        busy = j->stream_timeout;
        aside = j->wants_place = !busy;
    }
    if (aside && j->aborted) {
        aside = false;
        busy = true;
    }
    if (aside) {
        j->stream_since = j->stream_since ? j->stream_since : vk_clock_mono_ms();
        j->set_aside_ms = j->stream_since;
        vk_list_push(&t->waiting_stream, &j->node);
    }
    if (s && !j->p.closes) /* under mu: another request with the old baton may be comparing it */
        memcpy(s->token, token, sizeof s->token);
    pthread_mutex_unlock(&vk_db.mu);
    if (aside) /* somebody else may have the job already */
        return ASIDE;
    if (s) {
        j->stream = s;
        j->attached = true;
        return ATTACHED;
    }
    if (over)
        answer_error(j, 400, "STREAM_EXPIRED", over);
    else if (busy)
        answer_error(j, 429, "TRANSACTION_BUSY", "Server cannot handle additional transactions");
    else if (j->p.baton.p)
        answer_text(j, VK_STR("Received an invalid baton"));
    else
        answer_kind(j, VK_E_NOMEM, "Out of memory");
    return ANSWERED;
}

/* A WebSocket's stream, which the housekeeper may be about to roll back. */
static void attach_socket(vk_dbjob *j)
{
    vk_stream *s = j->stream;
    struct timespec pause = {.tv_nsec = 200000};
    for (bool taken = false; !taken;) {
        pthread_mutex_lock(&vk_db.mu);
        taken = !s->busy;
        s->busy = true;
        pthread_mutex_unlock(&vk_db.mu);
        if (!taken)
            nanosleep(&pause, NULL);
    }
    j->attached = true;
}

/* ---- setting aside */

/* Until the job has the turn; false when it has it by now, or its build is closed, or its client has gone. */
static bool wait_for_turn(vk_dbjob *j)
{
    vk_dbt *t = j->t;
    vk_stream *s = j->stream;
    j->left_ns = s->h->deadline_ns - vk_clock_mono_ns();
    /* Nothing is open on a connection that would only wait too: it serves others meanwhile. */
    bool open = !sqlite3_get_autocommit(s->h->db) || s->h->dirty;
    if (!open && !j->touched) {
        vk_db_put_handle(s->h);
        s->h = NULL;
    } else {
        s->h->worker = NULL;
    }
    pthread_mutex_lock(&vk_db.mu);
    bool over = t->closed || j->aborted;
    bool wait = !over && (t->turn_taken || !vk_list_empty(&t->waiting_turn));
    if (wait) {
        j->set_aside_ms = vk_clock_mono_ms();
        vk_list_push(&t->waiting_turn, &j->node);
    } else if (!over) {
        t->turn_taken = true;
        j->has_turn = true;
    }
    pthread_mutex_unlock(&vk_db.mu);
    return wait;
}

/* Until the lines are taken. False: its build is closed, or nobody takes them any more. */
static bool wait_for_drain(vk_dbjob *j)
{
    vk_dbt *t = j->t;
    j->left_ns = j->stream->h->deadline_ns - vk_clock_mono_ns();
    j->stream->h->worker = NULL;
    pthread_mutex_lock(&vk_db.mu);
    bool wait = !t->closed && !j->aborted;
    j->resumed = !wait;
    if (wait) {
        vk_list_push(&t->waiting_drain, &j->node);
        j->lines_ready(j); /* only posts; and nobody can resume the job before it has */
    }
    pthread_mutex_unlock(&vk_db.mu);
    return wait;
}

/* ---- the end */

/* The stream is closed by its own pipeline: only the connection is left of it, until the answer may leave. */
static void close_stream(vk_dbjob *j)
{
    vk_stream *s = j->stream;
    vk_dbh *h = s->h;
    s->h = NULL;
    vk_db_end_stream(j->t, s);
    j->local.h = h;
    j->stream = &j->local;
}

/* After the last request. True: answered. False: the answer waits for a sync. */
static bool finish(vk_dbjob *j)
{
    drop_grant(j);
    /* Whoever has gone before the answer cannot go on with its stream. */
    bool over = j->p.closes || j->aborted;
    if (over && j->stream->kept)
        close_stream(j);
    vk_stream *s = j->stream;
    j->status = 200;
    j->content_type = j->mode == VK_DB_CURSOR ? "text/plain" : "application/json";
    /* In between transactions a stream needs no connection of its own. */
    bool keep = !over && (!sqlite3_get_autocommit(s->h->db) || s->h->dirty);
    if (!keep)
        vk_db_keep_counts(s);
    if (s == &j->local)
        vk_stream_free_texts(s);
    if (keep)
        vk_db_keep_handle(s->h);
    else /* before the answer: the client's next request counts on it */
        vk_keys_remember(s->h);
    return vk_sync_finish(j, s->h, !keep);
}

static bool parse(vk_dbjob *j)
{
    vk_str why;
    size_t before = vk_arena_used(j->a);
    vk_err e = j->mode == VK_DB_CURSOR ? vk_hrana_parse_cursor(j->a, j->body, &j->p, &why)
                                       : vk_hrana_parse(j->a, j->body, &j->p, &why);
    size_t tree = vk_arena_used(j->a) - before;
    if (e == VK_OK && !vk_db_reserve(j->t, tree)) {
        answer_kind(j, VK_E_BUSY, "The requests of this build take too much memory; try again");
        return false;
    }
    if (e == VK_OK) {
        j->tree = tree;
        j->parsed = true;
        return true;
    }
    if (e == VK_E_INVALID)
        answer_text(j, why);
    else
        answer_kind(j, e, "The request needs more memory than one request may use");
    return false;
}

void vk_db_refuse_job(vk_dbjob *j)
{
    if (j->stream && !j->attached)
        attach_socket(j);
    drop_grant(j);
    if (j->active) {
        vk_dbh_done(j->stream->h, j->active);
        j->active = NULL;
    }
    if (atomic_load(&j->t->closed))
        answer_error(j, 401, "AUTH_JWT_INVALID", revoked);
    else
        answer_error(j, 400, "SQLITE_INTERRUPT", "The client ended its connection before it had the answer");
}

/* What an outcome other than DONE comes to. True: the job is gone. */
static bool settle(vk_dbjob *j, vk_run *r, vk_outcome o, bool *again_r)
{
    switch (o) {
    case VK_O_TURN:
        if (wait_for_turn(j))
            return false;
        *again_r = true;
        return false;
    case VK_O_DRAIN:
        if (!vk_sync_now(j->t, r->h))
            break;
        j->begun = true;
        if (!wait_for_drain(j)) {
            vk_db_refuse_job(j);
            return true;
        }
        return false;
    case VK_O_OVER:
        vk_db_refuse_job(j);
        return true;
    default:
        break;
    }
    drop_grant(j);
    if (r->h && j->touched && !vk_sync_now(j->t, r->h))
        answer_kind(j, VK_E_IO, "The disk refused to store what was written");
    else if (o == VK_O_PROTOCOL)
        answer_text(j, r->why);
    else
        answer_kind(j, o == VK_O_DRAIN ? VK_E_IO : VK_E_TOO_LARGE,
                    o == VK_O_DRAIN ? "The disk refused to store what was written" : "Response is too large");
    return true;
}

/* What the request may take: its connection's share, its build's, everybody's, whichever is least; but its
 * stream has VK_DB_HEAP_LEAST in all. */
int64_t vk_db_heap_left(const vk_dbh *h)
{
    int64_t left = VK_DB_HEAP_CONNECTION - h->heap, build = VK_DB_HEAP_BUILD - atomic_load(&h->t->heap),
            all = VK_DB_HEAP_ALL - atomic_load(&vk_db.heap);
    left = build < left ? build : left;
    left = all < left ? all : left;
    int64_t least = VK_DB_HEAP_LEAST - (h->heap - h->heap_was);
    left = least > left ? least : left;
    return left > 0 ? left : 0;
}

void vk_db_heap_taken(vk_dbh *h, int64_t taken)
{
    if (taken == 0)
        return;
    h->heap += taken;
    atomic_fetch_add(&h->t->heap, taken);
    atomic_fetch_add(&vk_db.heap, taken);
}

/* The request leaves a transaction open, as far as can be seen before it runs. */
static bool opens(const vk_dbjob *j)
{
    bool begins = false;
    for (size_t i = 0; i < j->p.n && !begins && !j->p.closes; i++) {
        const vk_hrana_request *q = &j->p.requests[i];
        begins = vk_takeover_begins(q->stmt.sql);
        for (uint32_t k = 0; k < q->n_steps && !begins; k++)
            begins = vk_takeover_begins(q->steps[k].stmt.sql);
    }
    return begins;
}

static vk_err connection(vk_dbjob *j, struct vk_worker_slot *w, const char **why_r)
{
    *why_r = "Too many transactions are open in all databases; try again";
    if (vk_db_keeps_enough() && opens(j))
        return VK_E_BUSY;
    return vk_db_get_handle(j->t, w, &j->stream->h, why_r);
}

static vk_outcome run(vk_run *r)
{
    vk_dbh *h = r->h;
    vk_sqlite_memory_begin(vk_db_heap_left(h), &h->worker->give_up);
    vk_outcome o = r->j->mode == VK_DB_CURSOR ? vk_run_cursor(r) : vk_run_requests(r);
    vk_db_heap_taken(h, vk_sqlite_memory_end());
    return o;
}

bool vk_db_run_job(vk_dbjob *j, struct vk_worker_slot *w)
{
    const char *why;
    if (!j->attached)
        j->left_ns = (int64_t)VK_DB_STATEMENT_MS * 1000000;
    if (j->aborted && !j->ran) {
        vk_db_refuse_job(j);
        return true;
    }
    /* Others of the build may have made large answers while it waited in the queue. */
    if (!j->stream && !j->attached && vk_db_answers_wait(j->t, &why)) {
        answer_kind(j, VK_E_BUSY, why);
        return true;
    }
    if (!j->parsed && !parse(j))
        return true;
    if (j->stream && !j->attached)
        attach_socket(j);
    if (!j->attached) {
        enum attach a = attach(j);
        if (a != ATTACHED)
            return a == ANSWERED;
    }
    for (bool again = true; again;) {
        vk_stream *s = j->stream;
        vk_err e = VK_OK;
        bool fresh = !s->h;
        again = false;
        if (fresh)
            e = connection(j, w, &why);
        if (fresh && e == VK_OK)
            vk_db_bring_counts(s);
        if (e != VK_OK && atomic_load(&j->t->closed)) {
            vk_db_refuse_job(j);
            return true;
        }
        if (e != VK_OK) {
            drop_grant(j);
            answer_kind(j, e, why);
            return true;
        }
        s->h->worker = w;
        s->h->aborted = &j->aborted;
        vk_run r = {.j = j, .h = s->h, .out = j->out, .a = j->a, .err = j->err, .why = j->why};
        vk_outcome o = j->outcome;
        if (!j->ran) {
            s->h->timed_out = s->h->crowded = false;
            s->h->deadline_ns = vk_clock_mono_ns() + j->left_ns;
            w->deadline_ns = s->h->deadline_ns;
            o = run(&r);
        }
        if (w->lowered) {
            j->ran = w->handed = true;
            j->outcome = o;
            j->err = r.err;
            j->why = r.why;
            return false;
        }
        j->ran = false;
        if (o == VK_O_DONE)
            return finish(j);
        if (settle(j, &r, o, &again))
            return true;
        if (again && (j->aborted || atomic_load(&j->t->closed))) {
            vk_db_refuse_job(j);
            return true;
        }
    }
    return false;
}
