/* Who runs when. Requests of a build wait in its queue; builds with something to run stand in one ready list
 * and are served in turn. At most `slots` threads (one per core) compute at once; a thread that waits for the
 * disk or runs long gives its slot away, so that one build's heavy statement does not hold up the others. A
 * request that needs its build's write turn is set aside without a thread and comes back when the turn is its
 * own. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"

struct vk_db vk_db;

/* -------------------------------------------------------------------------------------------------- the pool
 */

static void *worker_main(void *arg);

bool vk_db_pressed(void)
{
    return !vk_list_empty(&vk_db.ready) && vk_db.active >= vk_db.slots;
}

void vk_db_wake(void)
{
    if (vk_list_empty(&vk_db.ready))
        return;
    if (vk_db.active >= vk_db.slots) {
        if (vk_db.dozing)
            pthread_cond_signal(&vk_db.tick);
        vk_db.dozing = false;
        return;
    }
    if (vk_db.idle) {
        pthread_cond_signal(&vk_db.work);
        return;
    }
    if (vk_db.threads == VK_DB_THREADS_MAX)
        return;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, VK_DB_WORKER_STACK);
    if (pthread_create(&vk_db.thread[vk_db.threads], &attr, worker_main, &vk_db.worker[vk_db.threads]) == 0)
        vk_db.threads++;
    pthread_attr_destroy(&attr);
}

/* Under mu. */
static void drop_slot(struct vk_worker_slot *w)
{
    if (w->slot)
        vk_db.active--;
    w->slot = false;
}

void vk_db_give_slot(struct vk_worker_slot *w)
{
    if (!atomic_load_explicit(&w->slot, memory_order_relaxed))
        return;
    pthread_mutex_lock(&vk_db.mu);
    drop_slot(w);
    vk_db_wake();
    pthread_mutex_unlock(&vk_db.mu);
}

void vk_db_take_slots_back(void)
{
    vk_db.beat++;
    if (!vk_db_pressed())
        return;
    for (uint32_t i = 0; i < vk_db.threads; i++)
        if (vk_db.beat - vk_db.worker[i].since > 1)
            drop_slot(&vk_db.worker[i]);
}

static bool runnable(const vk_dbt *t)
{
    return (t->running < VK_DB_RUNNING && !vk_list_empty(&t->queue)) ||
           (t->running <= VK_DB_RUNNING && !vk_list_empty(&t->urgent));
}

void vk_db_schedule(vk_dbt *t)
{
    if (t->in_ready || !runnable(t))
        return;
    t->in_ready = true;
    vk_list_push(&vk_db.ready, &t->ready);
    vk_db_wake();
}

static vk_dbjob *next_job(void)
{
    vk_list *n;
    while ((n = vk_list_shift(&vk_db.ready))) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, ready);
        t->in_ready = false;
        vk_list *jn = t->running <= VK_DB_RUNNING ? vk_list_shift(&t->urgent) : NULL;
        if (!jn && t->running < VK_DB_RUNNING)
            jn = vk_list_shift(&t->queue);
        if (!jn)
            continue;
        t->running++;
        vk_db_schedule(t);
        return VK_CONTAINER(jn, vk_dbjob, node);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- the turn
 */

/* Under mu. The turn is free: whoever waits longest gets it. */
static void pass_turn(vk_dbt *t)
{
    vk_list *n = vk_list_shift(&t->waiting_turn);
    t->turn_taken = n != NULL;
    if (!n)
        return;
    vk_dbjob *j = VK_CONTAINER(n, vk_dbjob, node);
    j->has_turn = true;
    vk_list_unshift(&t->urgent, n);
    vk_db_schedule(t);
}

bool vk_db_take_turn(vk_dbjob *j, vk_dbh *h)
{
    vk_dbt *t = j->t;
    pthread_mutex_lock(&vk_db.mu);
    bool got = j->has_turn || (!t->turn_taken && vk_list_empty(&t->waiting_turn));
    if (got) {
        t->turn_taken = true;
        j->has_turn = false;
        h->has_turn = true;
    }
    pthread_mutex_unlock(&vk_db.mu);
    return got;
}

void vk_db_settle_turn(vk_dbh *h)
{
    if (!h->has_turn || sqlite3_txn_state(h->db, NULL) == SQLITE_TXN_WRITE)
        return;
    pthread_mutex_lock(&vk_db.mu);
    h->has_turn = false;
    pass_turn(h->t);
    pthread_mutex_unlock(&vk_db.mu);
}

/* ------------------------------------------------------------------------------------------- connections */

/* Under mu: an idle connection of some build, taken out, to be closed. */
static vk_dbh *victim(void)
{
    for (vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL); n; n = vk_map_walk(&vk_db.tenants, n)) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, node);
        vk_list *x = vk_list_shift(&t->idle);
        if (x) {
            t->n_idle--;
            vk_dbh *h = VK_CONTAINER(x, vk_dbh, node);
            vk_list_remove(&h->open_node); /* its build still counts it until it is closed */
            return h;
        }
    }
    return NULL;
}

void vk_db_close_handle(vk_dbh *h)
{
    vk_dbt *t = h->t;
    pthread_mutex_lock(&vk_db.mu);
    vk_list_remove(&h->open_node); /* from here on nobody interrupts it */
    pthread_mutex_unlock(&vk_db.mu);
    bool turn = h->has_turn; /* it could not be rolled back: the lock ends with the connection */
    vk_dbh_close(h);
    pthread_mutex_lock(&vk_db.mu);
    if (turn)
        pass_turn(t);
    t->handles--;
    vk_db.handles--;
    pthread_mutex_unlock(&vk_db.mu);
}

static vk_err get_handle(vk_dbt *t, struct vk_worker_slot *w, vk_dbh **out_r, const char **why_r)
{
    vk_dbh *h = NULL, *other = NULL;
    pthread_mutex_lock(&vk_db.mu);
    vk_list *n = t->idle.prev != &t->idle ? t->idle.prev : NULL; /* the one used last is the warmest */
    if (n) {
        vk_list_remove(n);
        t->n_idle--;
        h = VK_CONTAINER(n, vk_dbh, node);
    } else {
        if (vk_db.handles >= vk_db.handles_max)
            other = victim();
        t->handles++;
        vk_db.handles++;
    }
    bool room = h || ((other || vk_db.handles <= vk_db.handles_max) && t->handles <= VK_DB_BUILD_HANDLES);
    pthread_mutex_unlock(&vk_db.mu);
    if (other)
        vk_db_close_handle(other);
    vk_err e = VK_OK;
    if (!h) {
        *why_r = "Too many connections to databases are in use at once; try again";
        e = room ? VK_OK : VK_E_BUSY;
        if (e == VK_OK) {
            vk_db_give_slot(w); /* opening reads the disk */
            e = vk_dbh_open(t, &h, why_r);
        }
        pthread_mutex_lock(&vk_db.mu);
        if (e == VK_OK) {
            vk_list_push(&t->open, &h->open_node);
        } else {
            t->handles--;
            vk_db.handles--;
        }
        pthread_mutex_unlock(&vk_db.mu);
        if (e != VK_OK)
            return e;
    }
    sqlite3_set_last_insert_rowid(h->db, 0);
    *out_r = h;
    return VK_OK;
}

/* Rolls back, gives the turn back, keeps the connection for the next request or closes it. */
static void put_handle(vk_dbh *h)
{
    vk_dbt *t = h->t;
    h->worker = NULL;
    bool again = vk_dbh_reset(h);
    if (h->has_turn)
        vk_db_settle_turn(h);
    pthread_mutex_lock(&vk_db.mu);
    if (again && !t->closed && !vk_db.stopping && t->n_idle < VK_DB_IDLE_MAX) {
        h->idle_since = vk_clock_mono_ms();
        vk_list_push(&t->idle, &h->node);
        t->n_idle++;
        h = NULL;
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (h)
        vk_db_close_handle(h);
}

/* -------------------------------------------------------------------------------------------------- one job
 */

static void respond(vk_exchange *ex)
{
    vk_dbjob *j = ex->ctx;
    if (j->status == 429) {
        vk_err e = vk_header_add(ex, "Retry-After", VK_STR("1"));
        VK_UNUSED(e); /* a hint; the answer is right without it */
    }
    vk_respond(ex, j->status, j->content_type);
}

/* Ends the job with what is in ex->out. The job is gone afterwards. */
static void answer(vk_dbjob *j, int status, const char *content_type)
{
    j->status = status;
    j->content_type = content_type;
    vk_exchange_post(j->ex, respond);
}

static void answer_text(vk_dbjob *j, vk_str text)
{
    vk_buf_clear(&j->ex->out);
    vk_buf_str(&j->ex->out, text);
    answer(j, 400, "text/plain");
}

static void answer_error(vk_dbjob *j, int status, const char *code, const char *message)
{
    vk_sqlerr e = {code, vk_str_z(message)};
    vk_buf_clear(&j->ex->out);
    vk_put_error(&j->ex->out, &e);
    answer(j, status, "application/json");
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

static const char revoked[] = "The build's valet keys were revoked";

void vk_db_end_stream(vk_dbt *t, vk_stream *s)
{
    if (s->kept) {
        pthread_mutex_lock(&vk_db.mu);
        vk_list_remove(&s->node);
        t->n_streams--;
        vk_list *n = vk_list_shift(&t->waiting_stream);
        if (n) {
            vk_list_push(&t->queue, n);
            vk_db_schedule(t);
        }
        pthread_mutex_unlock(&vk_db.mu);
    }
    if (s->h)
        put_handle(s->h);
    vk_stream_free_texts(s);
    if (s->kept)
        free(s);
}

/* The job's stream ends: by `close`, by an error of the protocol, or because its build is revoked. */
static void end_stream(vk_dbjob *j)
{
    if (j->stream)
        vk_db_end_stream(j->t, j->stream);
    j->stream = NULL;
}

/* A turn that was granted to a job which ends without using it. */
static void drop_grant(vk_dbjob *j)
{
    if (!j->has_turn)
        return;
    pthread_mutex_lock(&vk_db.mu);
    j->has_turn = false;
    pass_turn(j->t);
    pthread_mutex_unlock(&vk_db.mu);
}

enum attach { ATTACHED, ASIDE, ANSWERED };

/* Finds or makes the stream of a parsed pipeline. */
static enum attach attach(vk_dbjob *j)
{
    vk_dbt *t = j->t;
    bool expired = false, aside = false, busy = false;
    vk_stream *s = NULL;
    pthread_mutex_lock(&vk_db.mu);
    if (j->p.baton.p) {
        s = vk_stream_by_baton(t, j->p.baton, &expired);
        if (s)
            s->busy = true;
    } else if (j->p.closes) {
        s = &j->local;
    } else if (t->n_streams < VK_DB_STREAMS_MAX) {
        s = calloc(1, sizeof *s);
        if (s) {
            s->id = ++t->last_stream;
            s->kept = s->busy = true;
            vk_list_push(&t->streams, &s->node);
            t->n_streams++;
        }
    } else {
        busy = j->stream_timeout;
        aside = !busy;
        if (aside) {
            j->set_aside_ms = vk_clock_mono_ms();
            vk_list_push(&t->waiting_stream, &j->node);
        }
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (aside) /* somebody else may have the job already */
        return ASIDE;
    if (s) {
        if (!j->p.closes)
            vk_random(s->token, sizeof s->token);
        j->stream = s;
        j->attached = true;
        return ATTACHED;
    }
    if (expired)
        answer_error(j, 400, "STREAM_EXPIRED", "The stream has expired due to inactivity");
    else if (busy)
        answer_error(j, 429, "TRANSACTION_BUSY", "Server cannot handle additional transactions");
    else if (j->p.baton.p)
        answer_text(j, VK_STR("Received an invalid baton"));
    else
        answer_kind(j, VK_E_NOMEM, "Out of memory");
    return ANSWERED;
}

/* Sets a job aside until it has the turn; false when it has it by now. */
static bool wait_for_turn(vk_dbjob *j)
{
    vk_dbt *t = j->t;
    vk_stream *s = j->stream;
    int64_t h_deadline = s->h->deadline_ns;
    /* Nothing has run yet on a connection that would only wait too: it serves others meanwhile. */
    if (!s->kept && !j->touched) {
        put_handle(s->h);
        s->h = NULL;
    } else {
        s->h->worker = NULL;
    }
    j->left_ns = h_deadline - vk_clock_mono_ns();
    pthread_mutex_lock(&vk_db.mu);
    bool wait = (t->turn_taken || !vk_list_empty(&t->waiting_turn)) && !t->closed;
    if (wait) {
        j->set_aside_ms = vk_clock_mono_ms();
        vk_list_push(&t->waiting_turn, &j->node);
    } else {
        t->turn_taken = true;
        j->has_turn = true;
    }
    pthread_mutex_unlock(&vk_db.mu);
    return wait;
}

/* After the last request: the stream stays open for the next pipeline, or ends. */
static void finish(vk_dbjob *j)
{
    vk_stream *s = j->stream;
    drop_grant(j);
    if (j->p.closes) {
        end_stream(j);
        answer(j, 200, "application/json");
        return;
    }
    s->h->worker = NULL;
    pthread_mutex_lock(&vk_db.mu);
    bool over = j->t->closed;
    if (!over) {
        s->busy = false;
        s->used_ms = vk_clock_mono_ms();
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (over) {
        end_stream(j);
        answer_error(j, 401, "AUTH_JWT_INVALID", revoked);
        return;
    }
    answer(j, 200, "application/json");
}

static bool parse(vk_dbjob *j)
{
    vk_str why;
    vk_err e = vk_hrana_parse(j->ex->arena, vk_buf_view(&j->ex->body), &j->p, &why);
    if (e == VK_OK) {
        j->parsed = true;
        return true;
    }
    if (e == VK_E_INVALID)
        answer_text(j, why);
    else
        answer_kind(j, e, "The request needs more memory than one request may use");
    return false;
}

/* Does what can be done now. True: the job is answered and gone. False: it is set aside. */
static bool run_job(vk_dbjob *j, struct vk_worker_slot *w)
{
    const char *why;
    vk_str text = VK_STR_NONE;
    if (!j->parsed && !parse(j))
        return true;
    if (!j->attached) {
        j->left_ns = (int64_t)VK_DB_STATEMENT_MS * 1000000;
        enum attach a = attach(j);
        if (a != ATTACHED)
            return a == ANSWERED;
    }
    for (;;) {
        vk_stream *s = j->stream;
        vk_err e = s->h ? VK_OK : get_handle(j->t, w, &s->h, &why);
        if (e != VK_OK) {
            drop_grant(j);
            end_stream(j);
            answer_kind(j, e, why);
            return true;
        }
        s->h->worker = w;
        s->h->timed_out = false;
        s->h->deadline_ns = vk_clock_mono_ns() + j->left_ns;
        e = vk_db_run(j, &text);
        if (e == VK_AGAIN) {
            if (wait_for_turn(j))
                return false;
            continue;
        }
        if (e == VK_OK) {
            finish(j);
            return true;
        }
        drop_grant(j);
        end_stream(j);
        if (e == VK_E_INVALID)
            answer_text(j, text);
        else
            answer_kind(j, e, "Response is too large");
        return true;
    }
}

static void *worker_main(void *arg)
{
    struct vk_worker_slot *w = arg;
    pthread_setname_np(pthread_self(), "vk-sql");
    if (vk_sqlite_watch_stack(VK_DB_STACK_SPARE) != VK_OK)
        vk_log(VK_ERROR, "the stack of a thread for SQL cannot be watched: deeply nested SQL may end front");
    pthread_mutex_lock(&vk_db.mu);
    for (;;) {
        while (!vk_db.stopping && (vk_list_empty(&vk_db.ready) || vk_db.active >= vk_db.slots)) {
            vk_db.idle++;
            pthread_cond_wait(&vk_db.work, &vk_db.mu);
            vk_db.idle--;
        }
        vk_dbjob *j = next_job();
        if (!j) {
            if (vk_db.stopping)
                break;
            continue;
        }
        vk_dbt *t = j->t;
        bool closed = t->closed, answered = true;
        size_t bytes = j->ex->body.n;
        w->slot = true;
        w->since = vk_db.beat;
        vk_db.active++;
        vk_db_wake();
        pthread_mutex_unlock(&vk_db.mu);
        if (closed) {
            drop_grant(j);
            end_stream(j);
            answer_error(j, 401, "AUTH_JWT_INVALID", revoked);
        } else {
            answered = run_job(j, w);
        }
        pthread_mutex_lock(&vk_db.mu);
        drop_slot(w);
        t->running--;
        t->n_jobs -= answered;
        t->n_bytes -= answered ? bytes : 0;
        t->refs++;
        vk_db_closed_if_done(t);
        vk_db_schedule(t);
        vk_db_unref(t);
    }
    pthread_mutex_unlock(&vk_db.mu);
    return NULL;
}
