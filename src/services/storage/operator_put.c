/* The body of the operator's upload: what the loop has taken is written by a thread, and nothing more is
 * taken meanwhile. What is under way outlives the exchange by as long as its thread needs. */
#include "core/json_write.h"
#include "services/storage/operator.h"

enum { ARENA = 16 << 10, GATHER_MAX = 256 << 10 };

struct vk_s3_op_put {
    vk_list node; /* in all_puts */
    vk_sink sink;
    vk_s3_job job;
    vk_task landed;
    vk_loop *loop;
    vk_s3_build *build; /* held */
    vk_arena *arena;
    vk_str key, headers;
    int64_t size;

    /* The loop's. */
    vk_exchange *ex; /* NULL: it is over */
    bool working, ended;
    bool closing; /* its build is, and nothing more is taken */

    /* The thread's while `working`. */
    vk_buf in;
    bool last, committed, failed;
    vk_ob_put *put;
    vk_checksum md5;
    vk_ob_object made;
    vk_ob_err err;
};

static pthread_mutex_t puts_mu = PTHREAD_MUTEX_INITIALIZER;
static vk_list all_puts = {&all_puts, &all_puts};

/* ---- on a thread */

static vk_ob_err begin(vk_s3_op_put *p)
{
    vk_ob *s;
    vk_ob_err e = vk_s3b_store(p->build, true, &s);
    if (e == VK_OB_OK)
        e = vk_ob_put_begin(s, p->key, p->size, &p->put);
    vk_checksum_begin(&p->md5, VK_CHECKSUM_MD5);
    return e;
}

static vk_ob_err commit(vk_s3_op_put *p)
{
    uint8_t md5[VK_CHECKSUM_MAX];
    vk_ob_commit c = {.headers = p->headers, .if_match = VK_STR("")};
    vk_checksum_end(&p->md5, md5);
    memcpy(c.md5, md5, sizeof c.md5);
    vk_ob_err e = vk_ob_put_commit(p->put, &c, &p->made);
    p->put = NULL;
    p->committed = e == VK_OB_OK;
    return e;
}

static void run(vk_s3_job *j)
{
    vk_s3_op_put *p = VK_CONTAINER(j, vk_s3_op_put, job);
    vk_ob_err e = vk_s3b_closing(p->build) ? VK_OB_BUSY : p->put ? VK_OB_OK : begin(p);
    if (e == VK_OB_OK && p->in.n) {
        vk_checksum_add(&p->md5, vk_buf_view(&p->in));
        e = vk_ob_put_write(p->put, vk_buf_view(&p->in));
    }
    if (e == VK_OB_OK && p->last)
        e = commit(p);
    if (e != VK_OB_OK && p->put) {
        vk_ob_put_abort(p->put);
        p->put = NULL;
    }
    p->err = e;
    p->failed = e != VK_OB_OK;
    vk_loop_post(p->loop, &p->landed);
}

/* ---- on the loop */

static void forget(vk_s3_op_put *p)
{
    pthread_mutex_lock(&puts_mu);
    vk_list_remove(&p->node);
    pthread_mutex_unlock(&puts_mu);
    vk_buf_free(&p->in);
    vk_s3b_let_go(p->build);
    vk_arena_free(p->arena);
}

static void drop(vk_s3_job *j)
{
    vk_s3_op_put *p = VK_CONTAINER(j, vk_s3_op_put, job);
    vk_ob_put_abort(p->put);
    forget(p);
}

/* The exchange is over, and no thread has it. */
static void discard(vk_s3_op_put *p)
{
    if (!p->put) {
        forget(p);
        return;
    }
    p->job.run = drop;
    if (vk_s3b_submit(p->build, &p->job) != VK_OK)
        drop(&p->job); /* removes a file: rather here than not at all */
}

void vk_s3_op_puts_stop(void)
{
    for (vk_list *n = all_puts.next; n != &all_puts; n = all_puts.next) {
        vk_s3_op_put *p = VK_CONTAINER(n, vk_s3_op_put, node);
        if (p->put)
            vk_ob_put_abort(p->put);
        forget(p);
    }
}

static void exchange_over(vk_exchange *ex)
{
    vk_s3_op_put *p = VK_CONTAINER(ex->sink, vk_s3_op_put, sink);
    p->ex = NULL;
    if (!p->working)
        discard(p);
}

static void tell(vk_s3_op_put *p)
{
    const char *why;
    vk_exchange *ex = p->ex;
    if (ex->answered)
        return;
    if (p->closing) {
        (void)vk_service_refuse(ex, VK_E_CONFLICT, "The build \"%s\" is being revoked or deleted.",
                                vk_s3b_id(p->build));
        return;
    }
    if (p->failed) {
        vk_err e = vk_s3_op_err(p->err, &why);
        (void)vk_service_refuse(ex, e, "%s.", why);
        return;
    }
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "key", p->key);
    vk_jw_ki64(&w, "bytes", p->made.size);
    vk_jw_kstr(&w, "etag", vk_str_z(p->made.etag));
    vk_jw_obj_end(&w);
    vk_respond(ex, 201, "application/json");
}

static void send_on(vk_s3_op_put *p)
{
    p->working = true;
    p->last = p->ended;
    if (vk_s3b_submit(p->build, &p->job) == VK_OK)
        return;
    p->working = false;
    p->failed = true;
    p->err = VK_OB_BUSY;
    tell(p);
}

static void landed(vk_task *t)
{
    vk_s3_op_put *p = VK_CONTAINER(t, vk_s3_op_put, landed);
    p->working = false;
    vk_buf_clear(&p->in);
    if (p->ex && !p->committed && vk_s3b_closing(p->build))
        p->closing = true;
    if (!p->ex)
        discard(p);
    else if (p->failed || p->committed || p->closing)
        tell(p);
    else if (p->ended)
        send_on(p);
    else
        vk_sink_ready(p->ex);
}

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    vk_s3_op_put *p = VK_CONTAINER(s, vk_s3_op_put, sink);
    VK_UNUSED(ex);
    if (p->working || p->failed || p->closing)
        return 0;
    if (bytes.n > GATHER_MAX)
        bytes.n = GATHER_MAX;
    vk_buf_str(&p->in, bytes);
    if (p->in.err != VK_OK) {
        p->failed = true;
        p->err = VK_OB_NOMEM;
        tell(p);
    } else {
        send_on(p);
    }
    return bytes.n;
}

bool vk_s3_op_put_begin(vk_exchange *ex, vk_s3_build *b, vk_str key, int64_t size, vk_str type)
{
    vk_buf packed;
    vk_arena *a = vk_arena_new(ARENA);
    vk_s3_op_put *p = a ? VK_NEW(a, vk_s3_op_put) : NULL;
    vk_buf_init(&packed, VK_OB_HEADERS_MAX);
    if (type.n)
        vk_ob_header_add(&packed, VK_STR("Content-Type"), type);
    if (p) {
        p->key = vk_arena_dup(a, key);
        p->headers = vk_arena_dup(a, packed.n ? vk_buf_view(&packed) : VK_STR(""));
        p->build = packed.err == VK_OK && p->key.p && p->headers.p ? vk_s3b_hold_id(vk_s3b_id(b)) : NULL;
    }
    vk_buf_free(&packed);
    if (!p || !p->build) {
        vk_arena_free(a);
        return false;
    }
    p->arena = a;
    p->loop = ex->loop;
    p->ex = ex;
    p->size = size;
    p->job.run = run;
    p->landed.run = landed;
    p->sink.take = take;
    vk_buf_init(&p->in, GATHER_MAX);
    ex->sink = &p->sink;
    ex->done = exchange_over;
    pthread_mutex_lock(&puts_mu);
    vk_list_push(&all_puts, &p->node);
    pthread_mutex_unlock(&puts_mu);
    return true;
}

void vk_s3_op_put_end(vk_exchange *ex)
{
    vk_s3_op_put *p = VK_CONTAINER(ex->sink, vk_s3_op_put, sink);
    p->ended = true;
    if (!p->working && !p->failed && !p->closing)
        send_on(p);
}

void vk_s3_op_put_end_early(vk_exchange *ex)
{
    vk_s3_op_put *p = VK_CONTAINER(ex->sink, vk_s3_op_put, sink);
    if (p->working || p->failed || p->committed || p->closing)
        return; /* `landed` sees it, or it is told */
    p->closing = true;
    tell(p);
}
