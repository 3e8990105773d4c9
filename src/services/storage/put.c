/* Bodies of objects and parts. Bytes are gathered on the loop and worked on by a thread: taken out of their
 * framing, hashed, written. While a thread has some, the next ones gather; what the disk and the hashes do
 * not keep up with stays in the client's socket. A small body is gathered whole and is one job. Nothing is an
 * object before all of it is there and is what its signature and its checksums say. */
#include "services/storage/front.h"

#include "services/storage/s3cond.h"
#include "services/storage/upstream/upstream.h"

enum {
    GATHER_MAX = 64 << 10,
    ARENA = 64 << 10, /* headers, condition, key */
    BUFFERS = 2,
};

struct vk_s3_put {
    vk_list node; /* in all_puts */
    vk_s3_job job;
    vk_task landed; /* the thread is done with what it had */
    vk_loop *loop;
    vk_s3_req *q; /* NULL: the exchange is over; the loop's */
    vk_s3_build *build;
    vk_arena *arena;
    vk_s3_plan plan;
    void (*answer)(vk_s3_req *q, const vk_ob_object *made);

    /* The loop's. */
    vk_buf in[BUFFERS];
    int filling;  /* the thread has the other one */
    bool working; /* a job is under way */
    bool ended;   /* all bytes are there */
    bool over;    /* nobody wants it any more */

    /* The thread's while `working`. */
    vk_str bytes;
    bool last;
    vk_s3_intake body;
    vk_ob_put *put;
    vk_ob_object made;
    bool committed;
};

/* ---- on a thread */

/* A part of an upload with checksums gets one too, also when its client states none. */
static vk_ob_err part_algorithm(vk_s3_put *p, vk_ob *s)
{
    vk_ob_upload u;
    vk_ob_err e = vk_ob_upload_get(s, p->arena, p->plan.key, p->plan.upload, &u);
    if (e != VK_OB_OK)
        return e;
    if (p->body.algo && u.sum_algo && p->body.algo != u.sum_algo)
        vk_s3_wrong_say(
            &p->body.wrong, 400, "InvalidRequest",
            "Checksum Type mismatch occurred: the part's checksum is of another algorithm than the upload's");
    else if (!p->body.algo)
        p->body.algo = u.sum_algo;
    return VK_OB_OK;
}

static void begin(vk_s3_put *p)
{
    vk_ob *s;
    vk_ob_err e = vk_s3b_store(p->build, true, &s);
    if (e == VK_OB_OK && p->plan.part)
        e = part_algorithm(p, s);
    if (e == VK_OB_OK && !p->body.wrong.is)
        e = p->plan.part
                ? vk_ob_part_begin(s, p->plan.key, p->plan.upload, p->plan.number, p->plan.size, &p->put)
                : vk_ob_put_begin(s, p->plan.key, p->plan.size, &p->put);
    vk_s3_wrong_ob(&p->body.wrong, e);
}

static void write_piece(void *arg, vk_str piece)
{
    vk_s3_put *p = arg;
    vk_s3_wrong_ob(&p->body.wrong, vk_ob_put_write(p->put, piece));
}

static void commit(vk_s3_put *p)
{
    vk_ob_commit c = {.headers = p->plan.headers,
                      .if_match = p->plan.if_match,
                      .if_none_match_any = p->plan.if_none_match_any};
    if (vk_s3_intake_end(&p->body, c.md5, &c.sum))
        atomic_fetch_add_explicit(&vk_s3_numbers_now.empty_sums, 1, memory_order_relaxed);
    if (p->body.wrong.is)
        return;
    vk_ob_err e = vk_ob_put_commit(p->put, &c, &p->made);
    p->put = NULL;
    p->made.sum = c.sum;
    p->committed = e == VK_OB_OK;
    vk_s3_wrong_ob(&p->body.wrong, e);
}

static void run(vk_s3_job *j)
{
    vk_s3_put *p = VK_CONTAINER(j, vk_s3_put, job);
    if (vk_s3b_closing(p->build))
        vk_s3_wrong_sigv4(&p->body.wrong, VK_SIGV4_KEY_REVOKED);
    if (!p->body.wrong.is && !p->put)
        begin(p);
    if (!p->body.wrong.is)
        vk_s3_intake_add(&p->body, p->bytes, write_piece, p);
    if (p->last && !p->body.wrong.is)
        commit(p);
    if (p->body.wrong.is && p->put) {
        vk_ob_put_abort(p->put);
        p->put = NULL;
    }
    vk_loop_post(p->loop, &p->landed);
}

/* ---- on the loop */

/* All there are, so that none is left open when the stores are closed. */
static pthread_mutex_t puts_mu = PTHREAD_MUTEX_INITIALIZER;
static vk_list all_puts = {&all_puts, &all_puts};

static void forget(vk_s3_put *p)
{
    pthread_mutex_lock(&puts_mu);
    vk_list_remove(&p->node);
    pthread_mutex_unlock(&puts_mu);
    for (int i = 0; i < BUFFERS; i++)
        vk_buf_free(&p->in[i]);
    vk_s3_intake_wipe(&p->body);
    vk_s3b_let_go(p->build);
    vk_arena_free(p->arena);
}

static void drop(vk_s3_job *j)
{
    vk_s3_put *p = VK_CONTAINER(j, vk_s3_put, job);
    vk_ob_put_abort(p->put);
    forget(p);
}

/* Nobody waits for it any more, and no thread has it. */
static void discard(vk_s3_put *p)
{
    if (!p->put) {
        forget(p);
        return;
    }
    p->job.run = drop;
    if (vk_s3b_submit(p->build, &p->job) != VK_OK)
        drop(&p->job); /* removes a file: rather here than not at all */
}

void vk_s3_puts_stop(void)
{
    for (vk_list *n = all_puts.next; n != &all_puts; n = all_puts.next) {
        vk_s3_put *p = VK_CONTAINER(n, vk_s3_put, node);
        if (p->put)
            vk_ob_put_abort(p->put);
        forget(p);
    }
}

void vk_s3_put_leave(vk_s3_req *q)
{
    vk_s3_put *p = q->put;
    if (!p)
        return;
    q->put = NULL;
    p->q = NULL;
    p->over = true;
    if (!p->working)
        discard(p);
}

static void exchange_over(vk_exchange *ex)
{
    vk_s3_put_leave(vk_s3_req_of(ex));
}

/* `p` is gone afterwards. */
static void tell(vk_s3_put *p)
{
    vk_s3_req *q = p->q;
    if (q->ex->answered)
        return;
    if (p->body.wrong.is)
        vk_s3_no_wrong(q, &p->body.wrong);
    else
        p->answer(q, &p->made);
    vk_s3_finish(q);
}

/* Gives the thread what there is. False: answered, and perhaps gone. */
static bool send_on(vk_s3_put *p)
{
    vk_buf *b = &p->in[p->filling];
    if (b->err != VK_OK) { /* not all of what came is in it */
        vk_s3_wrong_ob(&p->body.wrong, VK_OB_NOMEM);
        tell(p);
        return false;
    }
    p->working = true;
    p->bytes = vk_buf_view(b);
    p->last = p->ended;
    p->filling ^= 1;
    if (vk_s3b_submit(p->build, &p->job) == VK_OK)
        return true;
    p->working = false;
    vk_s3_wrong_say(&p->body.wrong, 503, "SlowDown",
                    "Too many requests of this build are waiting; try again.");
    tell(p);
    return false;
}

static void landed(vk_task *t)
{
    vk_s3_put *p = VK_CONTAINER(t, vk_s3_put, landed);
    p->working = false;
    vk_buf *b = &p->in[p->filling ^ 1];
    size_t max = b->max;
    vk_buf_free(b); /* a client that sends little does not keep what one that sends much needs */
    vk_buf_init(b, max);
    if (!p->over && !p->committed && vk_s3b_closing(p->build))
        vk_s3_wrong_sigv4(&p->body.wrong, VK_SIGV4_KEY_REVOKED);
    if (p->over) {
        discard(p);
    } else if (p->body.wrong.is || p->committed) {
        tell(p);
    } else {
        bool more = p->in[p->filling].n || p->in[p->filling].err || p->ended;
        if ((!more || send_on(p)) && !p->ended)
            vk_sink_ready(p->q->ex);
    }
}

bool vk_s3_put_full(const vk_s3_put *p)
{
    return p->in[p->filling].n >= GATHER_MAX;
}

void vk_s3_put_bytes(vk_s3_put *p, vk_str bytes)
{
    if (!p->working && p->body.wrong.is) /* while a thread works, what failed is the thread's */
        return;
    vk_buf_str(&p->in[p->filling], bytes);
    if (!p->working)
        (void)send_on(p);
}

void vk_s3_put_end_early(vk_s3_put *p)
{
    if (p->working || p->body.wrong.is || p->committed)
        return; /* `landed` sees it, or it is told */
    vk_s3_wrong_sigv4(&p->body.wrong, VK_SIGV4_KEY_REVOKED);
    tell(p);
}

void vk_s3_put_end(vk_s3_put *p)
{
    p->ended = true;
    if (!p->working && !p->body.wrong.is)
        (void)send_on(p);
}

static vk_s3_put *make(vk_s3_req *q, const vk_s3_plan *plan)
{
    vk_arena *a = vk_arena_new(ARENA);
    vk_s3_put *p = a ? VK_NEW(a, vk_s3_put) : NULL;
    if (!p) {
        vk_arena_free(a);
        return NULL;
    }
    p->arena = a;
    p->loop = q->ex->loop;
    p->q = q;
    p->job.run = run;
    p->landed.run = landed;
    p->plan = *plan;
    p->plan.key = vk_arena_dup(a, plan->key);
    p->plan.headers = vk_arena_dup(a, plan->headers);
    p->plan.if_match = vk_arena_dup(a, plan->if_match);
    for (int i = 0; i < BUFFERS; i++)
        vk_buf_init(&p->in[i], 2 * GATHER_MAX);
    if (!p->plan.key.p || !p->plan.headers.p || !p->plan.if_match.p) {
        vk_arena_free(a);
        return NULL;
    }
    return p;
}

vk_s3_put *vk_s3_put_begin(vk_s3_req *q, const vk_s3_plan *plan,
                           void (*answer)(vk_s3_req *q, const vk_ob_object *made))
{
    vk_s3_put *p = make(q, plan);
    if (!p) {
        vk_s3_no_memory(q);
        return NULL;
    }
    const vk_s3_intake_facts facts = {.claims = &plan->claims,
                                      .grant = &q->grant,
                                      .framed = plan->framed,
                                      .trailer = plan->trailer,
                                      .size = plan->size,
                                      .least = plan->least,
                                      .most = plan->most,
                                      .want_md5 = true};
    vk_sigv4_fail f = vk_s3_intake_begin(&p->body, &facts);
    p->build = f == VK_SIGV4_OK ? vk_s3b_hold(q->ex->principal) : NULL;
    if (!p->build) {
        vk_s3_no_sigv4(q, f == VK_SIGV4_OK ? VK_SIGV4_KEY_REVOKED : f);
        vk_s3_intake_wipe(&p->body);
        vk_arena_free(p->arena);
        return NULL;
    }
    p->answer = answer;
    q->put = p;
    q->ex->done = exchange_over;
    pthread_mutex_lock(&puts_mu);
    vk_list_push(&all_puts, &p->node);
    pthread_mutex_unlock(&puts_mu);
    return p;
}

/* ---- PutObject, UploadPart */

static void answer(vk_s3_req *q, const vk_ob_object *made)
{
    vk_s3_etag(q, made->etag);
    vk_s3_sum_headers(q, &made->sum, 0);
    vk_s3_ok(q, 200);
}

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    VK_UNUSED(s);
    vk_s3_put *p = vk_s3_req_of(ex)->put;
    if (vk_s3_put_full(p))
        return 0;
    vk_s3_put_bytes(p, bytes);
    return bytes.n;
}

static bool announced(vk_s3_req *q, vk_s3_plan *plan, int64_t *sent_r)
{
    vk_str length = vk_request_header(q->ex, VK_STR("Content-Length"));
    bool chunked = vk_request_header(q->ex, VK_STR("Transfer-Encoding")).p != NULL;
    *sent_r = chunked ? -1 : 0;
    if (length.p && vk_str_to_i64(length, sent_r) != VK_OK) {
        vk_s3_no(q, VK_S3_BAD_ARGUMENT); /* more digits than a length can have */
        return false;
    }
    plan->size = *sent_r;
    plan->framed = q->grant.payload >= VK_SIGV4_STREAM_UNSIGNED_TRAILER;
    if (!plan->framed)
        return true;
    vk_str decoded = vk_request_header(q->ex, VK_STR("x-amz-decoded-content-length"));
    if (decoded.p && vk_str_to_i64(decoded, &plan->size) == VK_OK && plan->size >= 0)
        return true;
    vk_s3_no_sigv4(q, VK_SIGV4_NO_DECODED_LENGTH);
    return false;
}

bool vk_s3_put_head(vk_s3_req *q)
{
    static vk_sink sink = {take};
    vk_exchange *ex = q->ex;
    vk_s3_plan plan = {
        .key = q->key, .least = 0, .most = INT64_MAX, .headers = VK_STR(""), .if_match = VK_STR("")};
    int64_t sent, number;
    plan.part = q->route.op == VK_S3_UPLOAD_PART;
    plan.trailer = vk_request_header(ex, VK_STR("x-amz-trailer"));
    if (!announced(q, &plan, &sent) || !vk_s3_claims_of(q, &plan.claims))
        return false;
    if (plan.claims.trailing && !plan.framed) { /* a trailer of HTTP's own, which nobody signs */
        vk_s3_no_sigv4(q, VK_SIGV4_TRAILER);
        return false;
    }
    if (plan.part) {
        if ((!q->driver && !vk_s3_upload_id(q, plan.upload)) ||
            vk_s3_param_int(&q->route, "partNumber", 1, VK_OB_PARTS_MAX, 1, &number) != VK_S3_OK)
            return false;
        plan.number = (int)number;
    } else {
        vk_s3_conditions c = {.if_match = vk_request_header(ex, VK_STR("If-Match")),
                              .if_none_match = vk_request_header(ex, VK_STR("If-None-Match"))};
        vk_s3_fail f = vk_s3_write_conditions(&c, &plan.if_none_match_any);
        if (f != VK_S3_OK) {
            vk_s3_no(q, f);
            return false;
        }
        if (c.if_match.n)
            plan.if_match = c.if_match;
        if (!vk_s3_headers_to_store(q, &plan.headers))
            return false;
    }
    if (q->driver)
        return vk_s3u_put_head(q, &plan, sent);
    vk_s3_put *p = vk_s3_put_begin(q, &plan, answer);
    if (!p)
        return false;
    ex->body_max = (size_t)INT64_MAX; /* the store knows what an object may have */
    if (sent >= 0 && sent <= VK_S3_COLLECT_MAX)
        return true;
    ex->sink = &sink;
    ex->held = true;
    return send_on(p); /* opens the store and takes room */
}

void vk_s3_put_request(vk_s3_req *q)
{
    vk_s3_put *p = q->put;
    if (q->ex->sink == NULL) {
        p->ended = p->working = p->last = true;
        p->bytes = vk_buf_view(&q->ex->body); /* which lasts until it is answered */
        if (vk_s3b_submit(p->build, &p->job) == VK_OK)
            return;
        p->working = false;
        vk_s3_wrong_say(&p->body.wrong, 503, "SlowDown",
                        "Too many requests of this build are waiting; try again.");
        tell(p);
        return;
    }
    vk_s3_put_end(p);
}
