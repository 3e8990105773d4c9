/* Requests on a Hrana WebSocket: those of one stream run in order, streams run side by side, answers go out
 * as they come. */
#include "services/database/embedded/ws_socket.h"

#include "core/json_write.h"

/* ---- answers */

static void answer_ok(vk_socket *k, int32_t request_id, const char *type)
{
    char text[128];
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"response_ok\",\"request_id\":%d,\"response\":{\"type\":\"%s\"}}",
                     request_id, type);
    vk_ws_send(k->ws, (vk_str){text, (size_t)n});
}

static void answer_error(vk_socket *k, int32_t request_id, const char *code, vk_str message)
{
    vk_buf b;
    vk_sqlerr e = {code, message};
    vk_buf_init(&b, VK_SOCKET_SMALL);
    vk_buf_lit(&b, "{\"type\":\"response_error\",\"request_id\":");
    vk_buf_i64(&b, request_id);
    vk_buf_lit(&b, ",\"error\":");
    vk_put_error(&b, &e);
    vk_buf_ch(&b, '}');
    vk_ws_send_buf(k->ws, &b);
    vk_buf_free(&b);
}

static void protocol_error(vk_socket *k, const char *what, int32_t id, const char *how)
{
    char text[VK_WS_REASON_MAX + 1];
    snprintf(text, sizeof text, "%s %d %s", what, id, how);
    vk_socket_fail(k, VK_WS_POLICY, vk_str_z(text));
}

void vk_socket_account(vk_socket *k)
{
    size_t now = vk_ws_queued(k->ws);
    atomic_fetch_add(&k->t->socket_bytes, now - k->counted); /* wraps around as it should when it is less */
    k->counted = now;
}

/* What a job has written; an answer that nobody takes must not pile up. */
static void answer(vk_socket_message *q)
{
    vk_socket *k = q->k;
    const vk_dbjob *j = &q->job;
    bool protocol = j->status == 400 && vk_str_eqz(VK_STR("text/plain"), j->content_type);
    vk_socket_account(k);
    size_t unread = atomic_load(&k->t->socket_bytes) + q->out.n;
    if (protocol)
        vk_socket_fail(k, VK_WS_POLICY, vk_buf_view(&q->out));
    else if (q->out.err || q->out.n == 0)
        vk_socket_fail(k, VK_WS_INTERNAL, VK_STR("Out of memory"));
    else if (j->p.closes && j->status == 200)
        answer_ok(k, q->m.request_id, "close_stream");
    else if (q->out.n > VK_SOCKET_SMALL && unread > VK_DB_ANSWERS_MAX)
        answer_error(k, q->m.request_id, "RESPONSE_TOO_LARGE",
                     VK_STR("Response is too large: the answers before it were not read yet"));
    else
        vk_ws_send_buf(k->ws, &q->out);
    vk_socket_account(k);
}

/* ---- streams */

static vk_socket_stream *find(vk_socket *k, int32_t id)
{
    for (vk_list *n = k->streams.next; n != &k->streams; n = n->next) {
        vk_socket_stream *st = VK_CONTAINER(n, vk_socket_stream, node);
        if (st->id == id)
            return st;
    }
    return NULL;
}

/* Its queue is empty and no job of it is under way. */
static void end_stream(vk_socket *k, vk_socket_stream *st)
{
    vk_list_remove(&st->node);
    if (st->s)
        vk_db_stream_drop(k->t, st->s);
    free(st);
}

static void forget(vk_socket_message *q)
{
    q->k->waiting--;
    q->k->waiting_bytes -= q->n_bytes;
    vk_db_unreserve(q->k->t, q->n_bytes);
    vk_list_remove(&q->node);
    vk_socket_free_message(q);
}

static void run_next(vk_socket *k, vk_socket_stream *st);

static void job_done(vk_task *task)
{
    vk_socket_message *q = VK_CONTAINER(task, vk_socket_message, task);
    vk_socket *k = q->k;
    vk_socket_stream *st = q->stream;
    bool closes = q->job.p.closes;
    k->working--;
    st->running = false;
    if (!k->over)
        answer(q);
    forget(q);
    if (closes || k->over)
        end_stream(k, st);
    else
        run_next(k, st);
    vk_socket_came_back(k);
}

/* On a worker's thread. */
static void job_answered(vk_dbjob *j)
{
    vk_socket_message *q = VK_CONTAINER(j, vk_socket_message, job);
    vk_loop_post(q->k->loop, &q->task);
}

/* False: it is not under way, and *why_r says why. */
static bool submit(vk_socket_message *q, const char **code_r, const char **why_r)
{
    vk_dbjob *j = &q->job;
    *code_r = "SQLITE_NOMEM";
    *why_r = "Out of memory";
    j->mode = VK_DB_SINGLE;
    j->a = q->a;
    j->out = &q->out;
    j->p.requests = &q->m.request;
    j->p.n = 1;
    j->p.closes = q->m.type == VK_M_CLOSE_STREAM;
    j->parsed = true;
    j->stream = q->stream->s;
    j->n_bytes = q->text.n;
    j->answered = job_answered;
    j->ok_open = vk_arena_printf(
        q->a, "{\"type\":\"response_ok\",\"request_id\":%d,\"response\":{\"type\":\"", q->m.request_id);
    j->error_open =
        vk_arena_printf(q->a, "{\"type\":\"response_error\",\"request_id\":%d,\"error\":", q->m.request_id);
    q->task.run = job_done;
    vk_buf_init(&q->out, VK_HRANA_RESPONSE_MAX + VK_HRANA_RESPONSE_MAX / 5);
    if (!j->ok_open.p || !j->error_open.p || !vk_buf_room(&q->out, 512))
        return false;
    vk_err e = vk_db_submit(q->k->key.tenant, j, why_r);
    *code_r = e == VK_E_UNAUTHORIZED ? "AUTH_JWT_INVALID"
              : e == VK_E_BUSY       ? "TRANSACTION_BUSY"
              : e == VK_E_NOMEM      ? "SQLITE_NOMEM"
                                     : "SQLITE_IOERR";
    return e == VK_OK;
}

/* The stream's requests as far as they can go: until one is under way, or the peer has too much to read. */
static void run_next(vk_socket *k, vk_socket_stream *st)
{
    const char *code, *why;
    while (!st->running && !k->ending && !vk_ws_full(k->ws) && !vk_list_empty(&st->queue)) {
        vk_socket_message *q = VK_CONTAINER(st->queue.next, vk_socket_message, node);
        bool closes = q->m.type == VK_M_CLOSE_STREAM;
        if (closes)
            q->m.request.type = VK_R_CLOSE;
        bool idle = closes && !vk_db_stream_holds(st->s);
        if (!idle && submit(q, &code, &why)) {
            st->running = true;
            k->working++;
            return;
        }
        if (closes) /* a job for it or not: what is open is rolled back */
            answer_ok(k, q->m.request_id, "close_stream");
        else
            answer_error(k, q->m.request_id, code, vk_str_z(why));
        forget(q);
        if (closes) {
            end_stream(k, st);
            return;
        }
    }
}

static void go_on_in(vk_socket *k, vk_list *list)
{
    for (vk_list *n = list->next, *next; n != list; n = next) {
        next = n->next; /* the stream may end; no other one does */
        run_next(k, VK_CONTAINER(n, vk_socket_stream, node));
    }
}

void vk_socket_go_on(vk_socket *k)
{
    go_on_in(k, &k->streams);
    go_on_in(k, &k->leaving);
    vk_socket_came_back(k);
}

static void end_all(vk_socket *k, vk_list *list)
{
    for (vk_list *n = list->next, *next; n != list; n = next) {
        next = n->next;
        vk_socket_stream *st = VK_CONTAINER(n, vk_socket_stream, node);
        vk_list *first = &st->queue;
        if (st->running) { /* the first of its queue is the job's */
            first = st->queue.next;
            vk_db_abandon(&VK_CONTAINER(first, vk_socket_message, node)->job);
        }
        while (first->next != &st->queue)
            forget(VK_CONTAINER(first->next, vk_socket_message, node));
        if (!st->running)
            end_stream(k, st);
    }
}

void vk_socket_end_streams(vk_socket *k)
{
    end_all(k, &k->streams);
    end_all(k, &k->leaving);
}

/* ---- stored texts: of the connection, so they are looked up here, and a request carries what it needs */

static vk_sql_text *find_text(vk_socket *k, int32_t id)
{
    for (uint32_t i = 0; i < k->n_texts; i++)
        if (k->texts[i].id == id)
            return &k->texts[i];
    return NULL;
}

static void free_text(vk_sql_text *t)
{
    free((void *)(uintptr_t)t->text.p);
}

void vk_socket_free_texts(vk_socket *k)
{
    for (uint32_t i = 0; i < k->n_texts; i++)
        free_text(&k->texts[i]);
    free(k->texts);
}

static void store_sql(vk_socket *k, const vk_message *m)
{
    char text[128];
    vk_str sql = m->request.stmt.sql;
    if (find_text(k, m->request.stmt.sql_id)) {
        protocol_error(k, "SQL text", m->request.stmt.sql_id, "already exists");
        return;
    }
    if (k->n_texts == VK_HRANA_SOCKET_STORED_MAX) {
        snprintf(text, sizeof text, "The server already stores %d SQL texts, it cannot store more",
                 VK_HRANA_SOCKET_STORED_MAX);
        answer_error(k, m->request_id, "SQL_STORE_TOO_MANY", vk_str_z(text));
        return;
    }
    if (sql.n > VK_HRANA_STORED_TEXT) {
        snprintf(text, sizeof text, "The SQL text is too large to be stored, the limit is %d bytes",
                 VK_HRANA_STORED_TEXT);
        answer_error(k, m->request_id, "SQL_STORE_TOO_LARGE", vk_str_z(text));
        return;
    }
    if (!k->texts)
        k->texts = calloc(VK_HRANA_SOCKET_STORED_MAX, sizeof *k->texts);
    char *copy = malloc(sql.n + 1);
    if (!k->texts || !copy) {
        free(copy);
        answer_error(k, m->request_id, "SQLITE_NOMEM", VK_STR("Out of memory"));
        return;
    }
    if (sql.n)
        memcpy(copy, sql.p, sql.n);
    copy[sql.n] = '\0';
    k->texts[k->n_texts++] = (vk_sql_text){m->request.stmt.sql_id, {copy, sql.n}};
    answer_ok(k, m->request_id, "store_sql");
}

static void close_sql(vk_socket *k, const vk_message *m)
{
    vk_sql_text *t = find_text(k, m->request.stmt.sql_id);
    if (t) {
        free_text(t);
        *t = k->texts[--k->n_texts];
    }
    answer_ok(k, m->request_id, "close_sql");
}

/* Copies of the texts that a request names, one of each. */
struct named {
    vk_socket *k;
    vk_arena *a;
    vk_str *copies; /* by place in k->texts */
};

static vk_err name_text(struct named *x, vk_hrana_stmt *s)
{
    if (s->sql.p)
        return VK_OK;
    vk_sql_text *t = find_text(x->k, s->sql_id);
    if (!t) {
        protocol_error(x->k, "SQL text", s->sql_id, "not found");
        return VK_E_NOT_FOUND;
    }
    if (!x->copies && !(x->copies = vk_arena_calloc(x->a, sizeof *x->copies * VK_HRANA_SOCKET_STORED_MAX)))
        return VK_E_NOMEM;
    vk_str *copy = &x->copies[t - x->k->texts];
    if (!copy->p)
        *copy = vk_arena_dup(x->a, t->text);
    s->sql = *copy;
    return copy->p ? VK_OK : VK_E_NOMEM;
}

static vk_err name_texts(vk_socket_message *q)
{
    struct named x = {.k = q->k, .a = q->a};
    vk_hrana_request *r = &q->m.request;
    vk_err e = VK_OK;
    if (r->type == VK_R_EXECUTE || r->type == VK_R_SEQUENCE || r->type == VK_R_DESCRIBE)
        e = name_text(&x, &r->stmt);
    for (uint32_t i = 0; e == VK_OK && r->type == VK_R_BATCH && i < r->n_steps; i++)
        e = name_text(&x, &r->steps[i].stmt);
    return e;
}

/* ---- requests */

static void open_stream(vk_socket *k, const vk_message *m)
{
    if (find(k, m->stream_id)) {
        protocol_error(k, "Stream", m->stream_id, "already exists");
        return;
    }
    bool room = k->n_streams < VK_SOCKET_STREAMS_MAX;
    if (!room && k->n_failed == VK_SOCKET_FAILED_MAX) {
        vk_socket_fail(k, VK_WS_POLICY, VK_STR("Too many streams were opened on this connection"));
        return;
    }
    vk_socket_stream *st = calloc(1, sizeof *st);
    vk_stream *s = st && room ? vk_db_stream_new() : NULL;
    if (!st) {
        vk_socket_fail(k, VK_WS_INTERNAL, VK_STR("Out of memory"));
        return;
    }
    st->id = m->stream_id;
    st->s = s;
    vk_list_init(&st->queue);
    vk_list_push(&k->streams, &st->node);
    k->n_streams += s != NULL;
    k->n_failed += s == NULL;
    if (s)
        answer_ok(k, m->request_id, "open_stream");
    else
        answer_error(
            k, m->request_id, "TRANSACTION_BUSY",
            room ? VK_STR("Out of memory")
                 : VK_STR("This connection has 128 streams open, which is the limit; close one first"));
}

/* Behind what its stream still has to do. The message is the queue's; false: it is not, and was answered. */
static bool enqueue(vk_socket_message *q, vk_socket_stream *st)
{
    vk_socket *k = q->k;
    size_t n = q->text.n + vk_arena_used(q->a);
    vk_socket_count_message(q);
    if (q->m.type != VK_M_CLOSE_STREAM && !vk_db_reserve(k->t, n)) {
        answer_error(k, q->m.request_id, "TRANSACTION_BUSY",
                     VK_STR("The requests of this build take too much memory; try again"));
        return false;
    }
    q->n_bytes = q->m.type != VK_M_CLOSE_STREAM ? n : 0;
    q->stream = st;
    vk_list_push(&st->queue, &q->node);
    k->waiting++;
    k->waiting_bytes += q->n_bytes;
    run_next(k, st);
    return true;
}

/* True: the message is a queue's. */
static bool on_stream(vk_socket_message *q)
{
    char text[64];
    vk_socket *k = q->k;
    vk_socket_stream *st = find(k, q->m.stream_id);
    bool closes = q->m.type == VK_M_CLOSE_STREAM;
    if (!st) {
        protocol_error(k, "Stream", q->m.stream_id, "not found");
        return false;
    }
    if (closes) { /* from now on the id may be opened again */
        vk_list_remove(&st->node);
        vk_list_push(&k->leaving, &st->node);
        k->n_streams -= st->s != NULL;
        k->n_failed -= st->s == NULL;
    }
    if (!st->s && closes) {
        answer_ok(k, q->m.request_id, "close_stream");
        end_stream(k, st);
        return false;
    }
    if (!st->s) {
        snprintf(text, sizeof text, "Stream %d has failed to open", st->id);
        answer_error(k, q->m.request_id, "STREAM_NOT_OPEN", vk_str_z(text));
        return false;
    }
    vk_err e = closes ? VK_OK : name_texts(q);
    if (e == VK_E_NOMEM)
        answer_error(k, q->m.request_id, "SQLITE_NOMEM",
                     VK_STR("The request needs more memory than one request may use"));
    if (e != VK_OK)
        return false;
    return enqueue(q, st);
}

void vk_socket_request(vk_socket_message *q)
{
    bool taken = false;
    switch (q->m.type) {
    case VK_M_OPEN_STREAM:
        open_stream(q->k, &q->m);
        break;
    case VK_M_STORE_SQL:
        store_sql(q->k, &q->m);
        break;
    case VK_M_CLOSE_SQL:
        close_sql(q->k, &q->m);
        break;
    default:
        taken = on_stream(q);
    }
    if (!taken)
        vk_socket_free_message(q);
}
