/* Bodies of objects and parts on their way to the vendor: taken out of their framing, held against what is
 * said of them, and sent as one plain body of known length, which is what R2 takes. The last byte is kept
 * back until all is proven, so a body that is not what its signature or its checksum says never arrives as a
 * whole, and the vendor stores nothing. Hashing is done on the loop, some 16 KiB at a time.
 *
 * A small body is sent when it is complete; of larger ones what the vendor does not take stays in the
 * client's socket. */
#include "services/storage/upstream/upstream.h"

enum {
    GATHER_MAX = 64 << 10,
    TAKE_MAX = 64 << 10,  /* what one call may add beyond it */
    FORM_SMALL = 1 << 20, /* a form's file is sent when it is complete, if it has no more */
};

struct up {
    vk_s3_req *q;
    vk_sink sink;
    vk_s3_plan plan;
    vk_s3_intake in;
    void (*answer)(vk_s3_req *q, const vk_ob_object *made);
    vk_buf out; /* decoded; [at, out.n) is not sent yet */
    size_t at;
    bool small, form;
    bool proven; /* all has come, and is what it should be */
    vk_ob_sum sum;
    /* of a body that streams */
    vk_upcall call;
    bool calling;
    vk_err refusal; /* keeper's own */
    bool retry;
    int status;
    vk_buf said; /* the vendor's answer */
    char etag[VK_OB_ETAG + 1];
    bool has_etag;
};

static struct up *up_of(const vk_s3_req *q)
{
    return q->vendor;
}

/* ---- the end */

static void over(vk_exchange *ex)
{
    struct up *u = up_of(vk_s3_req_of(ex));
    if (u->calling)
        vk_upcall_abort(&u->call);
    u->calling = false;
    vk_buf_free(&u->out);
    vk_buf_free(&u->said);
    vk_s3_intake_wipe(&u->in);
}

/* The error is the answer; nothing may touch `u` afterwards. */
static void refuse(struct up *u)
{
    if (u->calling)
        vk_upcall_abort(&u->call);
    u->calling = false;
    vk_s3_finish(u->q);
}

static void wrong(struct up *u)
{
    vk_s3_no_wrong(u->q, &u->in.wrong);
    refuse(u);
}

/* ---- the vendor's answer */

static void read_etag(struct up *u, const vk_head *h)
{
    vk_str e = vk_head_get(h, VK_STR("ETag"));
    if (e.n >= 2 && e.p[0] == '"' && e.p[e.n - 1] == '"')
        e = (vk_str){e.p + 1, e.n - 2};
    u->has_etag = e.n > 0 && e.n <= VK_OB_ETAG;
    if (u->has_etag) {
        memcpy(u->etag, e.p, e.n);
        u->etag[e.n] = '\0';
    }
}

/* The vendor has it. */
static void stored(struct up *u)
{
    vk_s3_req *q = u->q;
    vk_ob_object made = {.size = u->in.n, .sum = u->sum};
    if (!u->has_etag) {
        vk_s3u_nonsense(q, "an object without an ETag");
        return;
    }
    memcpy(made.etag, u->etag, sizeof made.etag);
    vk_s3u_stored(q, u->in.n, u->plan.part ? 0 : 1);
    u->answer(q, &made);
}

static void look(vk_s3_req *q, const vk_head *h)
{
    read_etag(up_of(q), h);
}

static void small_stored(vk_s3_req *q, int status, vk_str body)
{
    VK_UNUSED(status);
    VK_UNUSED(body);
    stored(up_of(q));
}

static void head_came(vk_upcall *c, const vk_head *h)
{
    struct up *u = c->arg;
    u->status = h->status;
    u->refusal = vk_forward_refusal(h, &u->retry);
    read_etag(u, h);
}

static size_t body_came(vk_upcall *c, vk_str bytes)
{
    struct up *u = c->arg;
    if (bytes.n <= u->said.max - u->said.n)
        vk_buf_str(&u->said, bytes);
    return bytes.n; /* more of it says nothing that matters */
}

static void done(vk_upcall *c, vk_err e, const char *why)
{
    struct up *u = c->arg;
    vk_s3_req *q = u->q;
    u->calling = false;
    if (q->ex->answered)
        return;
    if (e != VK_OK && !u->status)
        vk_s3u_failed(q, e, true, why);
    else if (u->refusal != VK_OK)
        vk_s3u_failed(q, u->refusal, u->retry, "The storage behind valetkey cannot be used now.");
    else if (u->status >= 200 && u->status < 300 && u->proven && e == VK_OK)
        stored(u);
    else if (u->status >= 200 && u->status < 300)
        vk_s3u_nonsense(q, "success before the whole body was there");
    else
        vk_s3u_no_body(q, u->status, vk_buf_view(&u->said));
    vk_s3_finish(q);
}

/* ---- sending */

static void number_param(const vk_s3_req *q, vk_buf *b, const char *name, int n)
{
    char text[16];
    snprintf(text, sizeof text, "%d", n);
    vk_s3u_param(q, b, name, vk_str_z(text), false);
}

/* Where to, and the lines that go along. */
static void describe(struct up *u, vk_s3u_ask *a)
{
    static const char *const conditions[] = {"If-Match", "If-None-Match", NULL};
    const vk_s3_plan *p = &u->plan;
    vk_s3u_ask_begin(a, "PUT");
    vk_s3u_target(u->q, &a->target, p->key);
    if (p->part) {
        number_param(u->q, &a->target, "partNumber", p->number);
        vk_s3u_param(u->q, &a->target, "uploadId", p->upload_id, false);
    } else {
        a->type = vk_s3u_stored_lines(&a->lines, p->headers);
        if (!u->form)
            vk_s3u_lines(u->q, &a->lines, conditions);
    }
    a->again = !p->if_match.n && !p->if_none_match_any;
}

/* A checksum that is known before the first byte goes, so that the vendor can keep it. With parts R2 answers
 * 501 to some, and what a presigned URL says of no bytes says nothing. */
static void sum_line(const struct up *u, vk_buf *lines, uint8_t algo, const uint8_t *value)
{
    char name[40], text[VK_CHECKSUM_TEXT];
    vk_checksum_kind kind = (vk_checksum_kind)(algo - 1);
    if (!algo || u->plan.part || u->plan.claims.unless_empty)
        return;
    snprintf(name, sizeof name, "x-amz-checksum-%s", vk_checksum_name(kind));
    vk_checksum_text(kind, value, text);
    vk_s3u_line(lines, name, vk_str_z(text));
}

static void send_whole(struct up *u)
{
    vk_s3u_ask a;
    describe(u, &a);
    sum_line(u, &a.lines, u->sum.algo, u->sum.value);
    a.body = vk_buf_view(&u->out);
    if (!a.body.p)
        a.body = VK_STR("");
    a.look = look;
    a.read = small_stored;
    vk_s3u_send(u->q, &a);
    if (u->q->code.n)
        vk_s3_finish(u->q);
}

static void compact(struct up *u)
{
    size_t left = u->out.n - u->at;
    if (u->at && left)
        memmove(u->out.p, u->out.p + u->at, left);
    vk_buf_truncate(&u->out, left);
    u->at = 0;
}

static void pump(struct up *u)
{
    size_t back = u->proven ? 0 : 1;
    if (!u->calling || u->out.n - u->at < back)
        return;
    vk_str some = {u->out.p + u->at, u->out.n - u->at - back};
    if (some.n || u->proven)
        u->at += vk_upcall_give(&u->call, some, u->proven);
    if (u->at == u->out.n)
        compact(u);
}

static bool full(const struct up *u)
{
    return !u->small && u->out.n - u->at >= GATHER_MAX;
}

static void wants(vk_upcall *c)
{
    struct up *u = c->arg;
    vk_exchange *ex = u->q->ex;
    pump(u);
    if (!full(u) && ex->held)
        vk_sink_ready(ex); /* everything may be gone afterwards */
}

static bool begin_stream(struct up *u)
{
    vk_s3_req *q = u->q;
    vk_s3u_ask a;
    describe(u, &a);
    a.again = false; /* what was sent of it is not kept */
    if (u->plan.claims.stated)
        sum_line(u, &a.lines, u->plan.claims.algo, u->plan.claims.sum);
    u->call = (vk_upcall){.body_n = u->plan.size,
                          .head_came = head_came,
                          .body_came = body_came,
                          .wants = wants,
                          .done = done,
                          .arg = u};
    u->calling = vk_s3u_begin_call(q, &a, &u->call);
    return u->calling;
}

/* ---- coming in */

static void keep(void *arg, vk_str piece)
{
    struct up *u = arg;
    if (piece.n > u->out.max - u->out.n)
        compact(u);
    vk_buf_str(&u->out, piece);
    if (u->out.err != VK_OK)
        vk_s3_wrong_ob(&u->in.wrong, VK_OB_NOMEM);
    else if (u->form && !u->small && u->in.n > u->plan.size)
        vk_s3_wrong_say(
            &u->in.wrong, 400, "MalformedPOSTRequest",
            "Of a form of more than 1 MiB, the file must be the last part, and the closing boundary "
            "must end with CRLF.");
}

/* False: answered, and everything may be gone. */
static bool add(struct up *u, vk_str bytes)
{
    vk_s3_intake_add(&u->in, bytes, keep, u);
    if (u->in.wrong.is) {
        wrong(u);
        return false;
    }
    pump(u);
    return true;
}

static void end(struct up *u)
{
    uint8_t md5[16];
    if (u->form && !u->small && u->in.n != u->plan.size)
        vk_s3_wrong_say(
            &u->in.wrong, 400, "MalformedPOSTRequest",
            "Of a form of more than 1 MiB, the file must be the last part, and the closing boundary "
            "must end with CRLF.");
    if (vk_s3_intake_end(&u->in, md5, &u->sum))
        atomic_fetch_add_explicit(&vk_s3_numbers_now.empty_sums, 1, memory_order_relaxed);
    if (u->in.wrong.is) {
        wrong(u);
        return;
    }
    u->proven = true;
    if (u->small)
        send_whole(u);
    else
        pump(u);
}

static struct up *make(vk_s3_req *q, const vk_s3_plan *plan, bool small, bool form)
{
    vk_arena *a = q->ex->arena;
    struct up *u = VK_NEW(a, struct up);
    const vk_s3_intake_facts facts = {.claims = &plan->claims,
                                      .grant = &q->grant,
                                      .framed = plan->framed,
                                      .trailer = plan->trailer,
                                      .size = form && !small ? -1 : plan->size,
                                      .least = plan->least,
                                      .most = plan->most};
    if (!u) {
        vk_s3_no_memory(q);
        return NULL;
    }
    u->q = q;
    u->plan = *plan;
    u->small = small;
    u->form = form;
    vk_buf_init(&u->out, form && small ? FORM_SMALL : GATHER_MAX + TAKE_MAX);
    vk_buf_init(&u->said, VK_S3U_ERROR_MAX);
    q->vendor = u;
    q->ex->done = over;
    vk_sigv4_fail f = vk_s3_intake_begin(&u->in, &facts);
    if (f != VK_SIGV4_OK) {
        vk_s3_no_sigv4(q, f);
        return NULL;
    }
    return u;
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
    struct up *u = VK_CONTAINER(s, struct up, sink);
    if (ex->answered)
        return bytes.n;
    if (full(u))
        return 0;
    (void)add(u, bytes);
    return bytes.n;
}

bool vk_s3u_put_head(vk_s3_req *q, const vk_s3_plan *given, int64_t sent)
{
    vk_exchange *ex = q->ex;
    vk_s3_plan plan = *given;
    if (plan.part) {
        plan.upload_id = vk_s3u_upload_id(q);
        if (!plan.upload_id.p)
            return false;
    }
    if (plan.size < 0) {
        vk_str decoded = vk_request_header(ex, VK_STR("x-amz-decoded-content-length"));
        if (!decoded.p || vk_str_to_i64(decoded, &plan.size) != VK_OK || plan.size < 0) {
            vk_s3_say(q, 411, VK_STR("MissingContentLength"),
                      "You must provide the Content-Length HTTP header, or x-amz-decoded-content-length.");
            return false;
        }
    }
    if (!vk_s3u_room(q, plan.size, plan.part ? 0 : 1))
        return false;
    struct up *u = make(q, &plan, plan.size <= VK_S3_COLLECT_MAX, false);
    if (!u)
        return false;
    u->answer = answer;
    ex->body_max = (size_t)INT64_MAX; /* the plan's size is what decides */
    if (sent >= 0 && sent <= VK_S3_COLLECT_MAX)
        return true;
    u->sink.take = take;
    ex->sink = &u->sink;
    return u->small || begin_stream(u);
}

void vk_s3u_put_request(vk_s3_req *q)
{
    struct up *u = up_of(q);
    if (!q->ex->sink && !add(u, vk_buf_view(&q->ex->body)))
        return;
    end(u);
}

/* ---- forms */

bool vk_s3u_form_begin(vk_s3_req *q, const vk_s3_plan *given, int64_t left, size_t tail,
                       void (*answered)(vk_s3_req *q, const vk_ob_object *made))
{
    vk_s3_plan plan = *given;
    bool small = left >= 0 && left <= FORM_SMALL;
    if (left < 0) {
        vk_s3_say(q, 411, VK_STR("MissingContentLength"), "You must provide the Content-Length HTTP header.");
        return false;
    }
    int64_t most = left > (int64_t)tail ? left - (int64_t)tail : 0;
    plan.size = small ? -1 : most;
    if (!vk_s3u_room(q, most, 1))
        return false;
    struct up *u = make(q, &plan, small, true);
    if (!u)
        return false;
    u->answer = answered;
    return small || begin_stream(u);
}

bool vk_s3u_put_full(const vk_s3_req *q)
{
    return full(up_of(q));
}

bool vk_s3u_put_bytes(vk_s3_req *q, vk_str bytes)
{
    return add(up_of(q), bytes);
}

void vk_s3u_put_end(vk_s3_req *q)
{
    end(up_of(q));
}
