/* DeleteObjects: as single deletions, a few at a time, whose results are told in the order of the request. So
 * the vendor sees no body that names keys, and a credential of a prefix is enough. */
#include "services/storage/upstream/upstream.h"

enum { AT_ONCE = 8, ANSWER_MAX = 16 << 10 };

struct one {
    vk_forward_one ask;
    struct many *all;
    const char *code, *message;
};

/* In the exchange's arena, which lasts until it is answered. Runs on loops[0]. */
struct many {
    vk_s3_req *q;
    vk_task begin;
    vk_s3x_delete asked;
    struct one *one;
    size_t next, under_way;
};

static void finish(vk_exchange *ex)
{
    vk_s3_req *q = vk_s3_req_of(ex);
    struct many *m = q->more;
    vk_s3w_deleted *gone = vk_arena_alloc(ex->arena, sizeof *gone * m->asked.n);
    vk_s3w_not_deleted *kept = vk_arena_alloc(ex->arena, sizeof *kept * m->asked.n);
    vk_s3w_deletes w = {.deleted = gone, .failed = kept};
    if (!gone || !kept) {
        vk_s3_no_memory(q);
        vk_s3_finish(q);
        return;
    }
    for (size_t i = 0; i < m->asked.n; i++) {
        const struct one *o = &m->one[i];
        if (o->code)
            kept[w.n_failed++] =
                (vk_s3w_not_deleted){m->asked.keys[i].key, vk_str_z(o->code), vk_str_z(o->message)};
        else if (!m->asked.quiet)
            gone[w.n_deleted++] = (vk_s3w_deleted){m->asked.keys[i].key};
    }
    vk_s3u_removed(q);
    vk_s3w_delete_result(&ex->out, &w);
    vk_s3_ok_xml(q);
    vk_s3_finish(q);
}

static void go_on(struct many *m);

static void deleted(vk_forward_one *ask, vk_err e, const vk_head *h)
{
    struct one *o = VK_CONTAINER(ask, struct one, ask);
    bool good = e == VK_OK && ask->status >= 200 && ask->status < 300;
    VK_UNUSED(h);
    if (!good && !(e == VK_OK && ask->status == 404)) { /* what is not there is deleted */
        bool slow = e == VK_E_BUSY || ask->status == 429 || ask->status == 503;
        o->code = slow ? "SlowDown" : "InternalError";
        o->message = slow ? "Please reduce your request rate."
                          : "The storage behind valetkey did not delete it; try again.";
    }
    vk_buf_free(&ask->out);
    o->all->under_way--;
    go_on(o->all);
}

/* Callbacks come in later turns of the loop. */
static void go_on(struct many *m)
{
    while (m->next < m->asked.n && m->under_way < AT_ONCE) {
        struct one *o = &m->one[m->next++];
        if (o->code)
            continue;
        m->under_way++;
        vk_forward_send(&o->ask);
    }
    if (m->next == m->asked.n && m->under_way == 0)
        vk_exchange_post(m->q->ex, finish);
}

static void begin(vk_task *t)
{
    go_on(VK_CONTAINER(t, struct many, begin));
}

static bool prepare(vk_s3_req *q, struct many *m, struct one *o, const vk_s3x_key *k)
{
    const vk_tenant *t = q->ex->principal;
    const vk_worker *w = q->ex->server->ctx;
    vk_ob_scoped s;
    vk_buf b;
    o->all = m;
    vk_ob_err e = vk_ob_scope(t->id, k->key, &s);
    if (e == VK_OB_OK && k->etag.n) { /* R2 would pass over the condition, and delete */
        o->code = vk_s3_errors[VK_S3_NOT_IMPLEMENTED].code;
        o->message = vk_s3_errors[VK_S3_NOT_IMPLEMENTED].message;
        return true;
    }
    if (e != VK_OB_OK) {
        o->code = vk_ob_errs[e].code;
        o->message = vk_ob_errs[e].message;
        return true;
    }
    vk_buf_init(&b, 8192);
    vk_s3u_target(q, &b, s.key);
    o->ask = (vk_forward_one){.rt = w->rt,
                              .service = "storage",
                              .method = VK_STR("DELETE"),
                              .target = vk_arena_dup(q->ex->arena, vk_buf_view(&b)),
                              .lines = VK_STR(""),
                              .content_type = VK_STR(""),
                              .body = VK_STR(""),
                              .max = ANSWER_MAX,
                              .done = deleted};
    vk_s3u_credential(q, &o->ask.kind, o->ask.hash);
    bool ok = b.err == VK_OK && o->ask.target.p;
    vk_buf_free(&b);
    return ok;
}

void vk_s3u_delete_many(vk_s3_req *q)
{
    vk_arena *a = q->ex->arena;
    struct many *m = VK_NEW(a, struct many);
    const vk_worker *w = q->ex->server->ctx;
    vk_s3_fail f = m ? vk_s3x_read_delete(a, vk_buf_view(&q->ex->body), &m->asked) : VK_S3_NO_MEMORY;
    if (f != VK_S3_OK) {
        vk_s3_no(q, f);
        return;
    }
    m->q = q;
    m->one = vk_arena_calloc(a, sizeof *m->one * m->asked.n);
    q->more = m;
    for (size_t i = 0; m->one && i < m->asked.n; i++)
        if (!prepare(q, m, &m->one[i], &m->asked.keys[i]))
            m->one = NULL;
    if (!m->one) {
        vk_s3_no_memory(q);
        return;
    }
    m->begin.run = begin;
    vk_loop_post(w->rt->loops[0], &m->begin);
}
