/* Soft mode: builds share an account at Stripe, and the ledger in each build's payments.db says which ids are
 * its own. Every id that an app names is looked up before anything is sent; of what comes back it sees what
 * is its own, and the ids in that are its own from then on, on disk before the app has the answer.
 *
 * A call goes: the build's strand (are these ids its own?) → keeper and Stripe → the strand again (what of
 * the answer is?) → perhaps the next page → back to its loop. Nothing of the build is held while Stripe is
 * waited for. A list is gone through until there are as many of the build's as were asked for, or until
 * objects are older than the build, or VK_STRIPE_PAGES are read. */
#include "services/payments/stripe/reply.h"

#include "core/clock.h"
#include "services/payments/inside.h"
#include "services/payments/stripe/broker.h"

enum {
    VK_STRIPE_PAGES = 20, /* of one list */
    PAGE = 100,           /* objects of one, beyond the first */
    LIST_MOST = 100,
    LIST_USUAL = 10,
    SKEW_S = 3600, /* of Stripe's clock and ours */
    PAGE_TOKEN_MAX = 2048,
};

struct vk_stripe_soft {
    vk_stripe_ask *q;
    vk_pay_job job;
    vk_forward_one one;
    vk_stripe_need *needs;
    uint8_t hash[VK_HASH]; /* of the key */

    /* Of a list, or of a search: what is shown so far, each as text. */
    bool pages, back; /* back: with ending_before, so the newest come last */
    struct shown {
        vk_str text, id;
    } shown[LIST_MOST + 1];
    size_t n, limit, n_pages, skip;
    vk_str cursor; /* of the next page */
    int64_t born;  /* unix seconds: the build has nothing older */
    vk_str url, object, next_page;
    bool more;

    /* The answer. */
    int status;
    vk_header lines[VK_STRIPE_LINES];
    size_t n_lines;
    vk_err e;
    const char *why;
    vk_stripe_refusal no;
    bool refused, gone; /* gone: the key has ended meanwhile */
};

static void answer(vk_exchange *ex);
static void send_on(vk_stripe_soft *s);

static void back_to_loop(vk_stripe_soft *s, vk_err e, const char *why)
{
    s->e = e;
    s->why = why;
    vk_exchange_post(s->q->c->ex, answer);
}

/* ---- the strand */

static void let_go(vk_pay_call *c)
{
    if (c->pool)
        vk_pay_pool_let_go(c->pool);
    c->pool = NULL;
}

static void submit(vk_stripe_soft *s, vk_err (*run)(vk_pay_job *j), void (*done)(vk_pay_job *j, vk_err e),
                   bool reads)
{
    vk_pay_call *c = s->q->c;
    c->pool = vk_pay_pool_hold(c->ex->principal);
    if (!c->pool) {
        s->gone = true;
        back_to_loop(s, VK_E_UNAUTHORIZED, "");
        return;
    }
    s->job = (vk_pay_job){.run = run, .done = done, .reads = reads, .make = true};
    if (vk_pay_pool_submit(c->pool, &s->job, !reads) != VK_OK) {
        let_go(c);
        back_to_loop(s, VK_E_BUSY, "");
    }
}

static vk_err db_of(vk_stripe_soft *s)
{
    vk_pay_call *c = s->q->c;
    const vk_tenant *t = c->ex->principal;
    if (atomic_load(&t->closed))
        return VK_E_UNAUTHORIZED;
    return vk_pay_pool_db(c->pool, &c->db);
}

static vk_err check(vk_pay_job *j)
{
    vk_stripe_soft *s = VK_CONTAINER(j, vk_stripe_soft, job);
    vk_err e = db_of(s);
    for (const vk_stripe_need *n = s->needs; n && e == VK_OK; n = n->next) {
        bool has = false;
        e = n->key.n ? vk_pay_owned(s->q->c->db, n->key, &has) : VK_OK;
        if (e == VK_OK && !has) {
            e = vk_stripe_need_refuse(s->q->c->arena, n, &s->no);
            s->refused = e == VK_E_INVALID;
        }
    }
    return e;
}

static void checked(vk_pay_job *j, vk_err e)
{
    vk_stripe_soft *s = VK_CONTAINER(j, vk_stripe_soft, job);
    let_go(s->q->c);
    s->gone = e == VK_E_UNAUTHORIZED;
    if (e == VK_OK)
        send_on(s);
    else
        back_to_loop(s, e, "");
}

/* ---- what came back */

typedef struct looking {
    vk_stripe_soft *s;
    vk_stripe_reply reply;
    vk_err e; /* of the database */
} looking;

static bool has(void *arg, vk_str key)
{
    looking *l = arg;
    bool yes = false;
    if (l->e == VK_OK)
        l->e = vk_pay_owned(l->s->q->c->db, key, &yes);
    return yes && l->e == VK_OK;
}

static vk_err text_of(vk_arena *a, const vk_pv *v, vk_str *out_r)
{
    vk_buf b;
    vk_buf_init(&b, VK_STRIPE_ANSWER_MAX);
    vk_pv_write(&b, v);
    vk_err e = b.err;
    if (e == VK_OK) {
        *out_r = vk_arena_dup(a, vk_buf_view(&b));
        e = out_r->p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(&b);
    return e;
}

static vk_err show(looking *l, vk_pv *object)
{
    vk_stripe_soft *s = l->s;
    vk_arena *a = s->q->c->arena;
    struct shown *x = &s->shown[s->n];
    vk_stripe_reply_take(&l->reply, object, true);
    vk_err e = text_of(a, object, &x->text);
    if (e != VK_OK)
        return e;
    x->id = vk_arena_dup(a, vk_pv_text(object, "id"));
    s->n += x->id.p != NULL;
    return x->id.p ? VK_OK : VK_E_NOMEM;
}

/* One page of a list, from the side that its cursor is at. */
static vk_err take_list(looking *l, const vk_pv *page)
{
    vk_stripe_soft *s = l->s;
    vk_pv *data = vk_pv_get(page, "data"), *edge = NULL;
    bool old = false;
    vk_err e = VK_OK;
    size_t n = 0;
    vk_pv **at = vk_arena_alloc(l->reply.a, ((data ? data->count : 0) + 1) * sizeof *at);
    if (!at)
        return VK_E_NOMEM;
    VK_PV_EACH(v, data)
    at[n++] = v;
    for (size_t i = 0; i < n && e == VK_OK && l->e == VK_OK && s->n <= s->limit; i++) {
        edge = at[s->back ? n - 1 - i : i];
        old = !s->back && s->born && vk_pv_number(edge, "created", INT64_MAX) < s->born;
        if (vk_stripe_reply_own(&l->reply, edge))
            e = show(l, edge);
    }
    s->more = vk_pv_flag(page, "has_more") && edge && !old && s->n <= s->limit;
    if (e == VK_OK && s->more) {
        s->cursor = vk_arena_dup(s->q->c->arena, vk_pv_text(edge, "id"));
        e = !s->cursor.p ? VK_E_NOMEM : s->cursor.n ? VK_OK : VK_E_INVALID;
    }
    return e;
}

/* One page of a search. Its pages have names instead of a place, so ours are "<how many of it are
 * done>_<name>".
 */
static vk_err take_search(looking *l, const vk_pv *page)
{
    vk_stripe_soft *s = l->s;
    vk_arena *a = s->q->c->arena;
    vk_str next = vk_pv_text(page, "next_page");
    size_t i = 0;
    vk_err e = VK_OK;
    VK_PV_EACH(v, vk_pv_get(page, "data"))
    {
        if (i++ < s->skip || e != VK_OK || l->e != VK_OK)
            continue;
        if (s->n == s->limit) {
            s->next_page = vk_arena_printf(a, "%zu_" VK_STR_FMT, i - 1, VK_STR_ARG(s->cursor));
            s->more = false;
            return s->next_page.p ? VK_OK : VK_E_NOMEM;
        }
        if (vk_stripe_reply_own(&l->reply, v))
            e = show(l, v);
    }
    s->skip = 0;
    s->more = vk_pv_flag(page, "has_more") && next.n > 0;
    if (e != VK_OK || !s->more)
        return e;
    s->cursor = vk_arena_dup(a, next);
    if (!s->cursor.p)
        return VK_E_NOMEM;
    if (s->n == s->limit || s->n_pages == VK_STRIPE_PAGES) {
        s->next_page = vk_arena_printf(a, "0_" VK_STR_FMT, VK_STR_ARG(s->cursor));
        s->more = false;
    }
    return s->next_page.p || s->more ? VK_OK : VK_E_NOMEM;
}

static vk_err take_object(looking *l, vk_pv *o)
{
    vk_stripe_soft *s = l->s;
    bool good = s->status < 300;
    vk_pv *error = vk_pv_get(o, "error");
    vk_stripe_reply_take(&l->reply, o, good && (s->q->found.call->does & VK_STRIPE_MAKE));
    if (error)
        vk_pv_del(error, "request_log_url"); /* of the organisation's dashboard */
    vk_pv_write_pretty(&s->q->c->ex->out, o);
    vk_buf_ch(&s->q->c->ex->out, '\n');
    return s->q->c->ex->out.err;
}

static vk_err remember(looking *l)
{
    vk_err e = l->e != VK_OK ? l->e : l->reply.err;
    int64_t now_ms = vk_clock_wall_ms();
    for (const vk_stripe_followed *f = l->reply.first; f && e == VK_OK; f = f->next)
        e = vk_pay_owned_put(l->s->q->c->db, f->key, now_ms);
    return e;
}

static vk_err look(vk_pay_job *j)
{
    vk_stripe_soft *s = VK_CONTAINER(j, vk_stripe_soft, job);
    vk_arena *a = vk_arena_new(VK_EX_ARENA_CAP); /* of this page: a list may have many */
    looking l = {.s = s, .reply = {.a = a, .tag = s->q->tag, .has = has}};
    vk_pv *o = NULL;
    l.reply.arg = &l;
    vk_err e = a ? db_of(s) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_pv_parse(a, vk_buf_view(&s->one.out), &o);
    if (e == VK_OK && !vk_pv_is(o, VK_PV_OBJ))
        e = VK_E_INVALID;
    bool list = e == VK_OK && s->pages && s->status < 300;
    if (list && !s->url.p) {
        s->url = vk_arena_dup(s->q->c->arena, vk_pv_text(o, "url"));
        s->object = vk_arena_dup(s->q->c->arena, vk_pv_text(o, "object"));
        e = s->url.p && s->object.p ? VK_OK : VK_E_NOMEM;
    }
    if (list && e == VK_OK)
        e = (s->q->found.call->does & VK_STRIPE_SEARCH) ? take_search(&l, o) : take_list(&l, o);
    else if (e == VK_OK)
        e = take_object(&l, o);
    if (e == VK_OK)
        e = remember(&l);
    vk_arena_free(a);
    return e;
}

/* What was followed is on disk. */
static void looked(vk_pay_job *j, vk_err e)
{
    vk_stripe_soft *s = VK_CONTAINER(j, vk_stripe_soft, job);
    vk_buf_free(&s->one.out);
    let_go(s->q->c);
    s->gone = e == VK_E_UNAUTHORIZED;
    if (e == VK_OK && s->more && s->n_pages < VK_STRIPE_PAGES)
        send_on(s);
    else
        back_to_loop(s, e, "");
}

/* ---- to Stripe and back: on loops[0] */

static vk_err keep_lines(vk_stripe_soft *s, const vk_head *h)
{
    static const char *const kept[] = {"request-id",          "stripe-version",   "stripe-should-retry",
                                       "idempotent-replayed", "original-request", "stripe-notice",
                                       "retry-after"};
    _Static_assert(VK_COUNT(kept) <= VK_STRIPE_LINES, "raise VK_STRIPE_LINES");
    s->n_lines = 0;
    for (size_t i = 0; i < VK_COUNT(kept); i++) {
        vk_str value = vk_head_get(h, vk_str_z(kept[i]));
        if (!value.n)
            continue;
        value = vk_arena_dup(s->q->c->arena, value);
        if (!value.p)
            return VK_E_NOMEM;
        s->lines[s->n_lines++] = (vk_header){vk_str_z(kept[i]), value};
    }
    return VK_OK;
}

static void came(vk_forward_one *o, vk_err e, const vk_head *h)
{
    vk_stripe_soft *s = VK_CONTAINER(o, vk_stripe_soft, one);
    const char *why = o->why;
    if (e == VK_OK) {
        s->q->upstream = s->status = o->status;
        why = "";
        e = vk_stripe_head_ok(h);
    }
    if (e == VK_OK)
        e = keep_lines(s, h);
    if (e == VK_OK) {
        submit(s, look, looked, false);
        return;
    }
    vk_buf_free(&o->out);
    back_to_loop(s, e, why);
}

static vk_err put_text(vk_arena *a, vk_pv *o, const char *name, vk_str value)
{
    return vk_pv_put_str(a, o, name, value) ? VK_OK : VK_E_NOMEM;
}

/* The parameters of the next page. */
static vk_err turn_page(vk_stripe_soft *s, vk_arena *a)
{
    vk_pv *form = s->q->form;
    bool search = s->q->found.call->does & VK_STRIPE_SEARCH;
    size_t limit = search ? s->limit : s->n_pages || s->limit == LIST_MOST ? PAGE : s->limit + 1;
    vk_str text = vk_arena_printf(a, "%zu", limit);
    vk_err e = text.p ? put_text(a, form, "limit", text) : VK_E_NOMEM;
    s->n_pages++;
    if (e == VK_OK && s->cursor.n)
        e = put_text(a, form, search ? "page" : s->back ? "ending_before" : "starting_after", s->cursor);
    else if (search)
        vk_pv_del(form, "page");
    return e;
}

static void send_on(vk_stripe_soft *s)
{
    vk_stripe_ask *q = s->q;
    vk_arena *a = q->c->arena;
    vk_err e = s->pages ? turn_page(s, a) : VK_OK;
    if (e == VK_OK)
        e = vk_stripe_write(q, a);
    if (e != VK_OK) {
        back_to_loop(s, e, "");
        return;
    }
    s->one = (vk_forward_one){.rt = vk_pay_runtime(),
                              .service = "payments",
                              .kind = 's',
                              .method = q->method,
                              .target = q->target,
                              .lines = q->lines,
                              .content_type = q->content_type,
                              .body = q->body,
                              .max = VK_STRIPE_ANSWER_MAX,
                              .done = came};
    memcpy(s->one.hash, s->hash, VK_HASH);
    vk_forward_send(&s->one);
}

/* ---- back on the loop */

static void write_list(vk_stripe_soft *s, vk_buf *out)
{
    bool search = s->q->found.call->does & VK_STRIPE_SEARCH;
    size_t n = s->n < s->limit ? s->n : s->limit;
    bool more = search ? s->next_page.p != NULL : s->n > s->limit || s->more;
    vk_buf_clear(out);
    vk_jw w = vk_jw_on(out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "object", s->object);
    vk_jw_key(&w, VK_STR("data"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < n; i++)
        vk_jw_raw(&w, s->shown[s->back ? n - 1 - i : i].text);
    vk_jw_arr_end(&w);
    vk_jw_kbool(&w, "has_more", more);
    if (search)
        vk_jw_kstr_or_null(&w, "next_page", s->next_page);
    vk_jw_kstr(&w, "url", s->url);
    vk_jw_obj_end(&w);
    vk_buf_ch(out, '\n');
}

static vk_err answer_lines(vk_stripe_soft *s)
{
    vk_exchange *ex = s->q->c->ex;
    vk_err e = VK_OK;
    for (size_t i = 0; i < s->n_lines && e == VK_OK; i++)
        e = vk_header_add(ex, s->lines[i].name.p, s->lines[i].value);
    if (e == VK_OK && s->q->c->idempotency_key.n)
        e = vk_header_add(ex, "Idempotency-Key", s->q->c->idempotency_key);
    if (e == VK_OK)
        e = vk_header_add(ex, "Valetkey-Served-By", VK_STR("org"));
    return e;
}

static void answer(vk_exchange *ex)
{
    vk_stripe_ask *q = vk_pay_call_of(ex)->broker;
    vk_stripe_soft *s = q->way;
    if (s->refused) {
        vk_stripe_refuse(q, &s->no);
        return;
    }
    if (s->gone) {
        vk_pay_no_answer(ex, VK_PAY_BAD_KEY, VK_STR_NONE);
        return;
    }
    bool list = s->e == VK_OK && s->pages && s->status < 300;
    if (list && s->more && !s->n) {
        s->no = (vk_stripe_refusal){
            .status = 400,
            .message = VK_STR("The account that builds share here has too many objects to find this build's "
                              "among them. Ask for less of it (created, customer).")};
        vk_stripe_refuse(q, &s->no);
        return;
    }
    if (list)
        write_list(s, &ex->out);
    if (s->e == VK_OK)
        s->e = ex->out.err == VK_OK ? answer_lines(s) : ex->out.err;
    if (s->e == VK_OK)
        vk_pay_org_answer(ex, s->status);
    else
        vk_stripe_failed(q, s->e, false, s->why);
}

/* ---- from the loop */

/* What a list is asked for. VK_E_INVALID: refused. */
static vk_err begin_list(vk_stripe_soft *s)
{
    vk_stripe_ask *q = s->q;
    vk_str text = vk_pv_text(q->form, "limit"), page = vk_pv_text(q->form, "page"), done;
    int64_t limit = LIST_USUAL, skip = 0;
    if (text.p && vk_str_to_i64(text, &limit) != VK_OK)
        s->no = (vk_stripe_refusal){
            400, "parameter_invalid_integer", VK_STR("limit"),
            vk_arena_printf(q->c->arena, "Invalid integer: " VK_STR_FMT, VK_STR_ARG(text))};
    else if (limit < 1 || limit > LIST_MOST)
        s->no = (vk_stripe_refusal){400, NULL, VK_STR("limit"),
                                    VK_STR("Invalid limit: must be between 1 and 100")};
    s->limit = (size_t)limit;
    s->back = vk_pv_text(q->form, "ending_before").n > 0;
    if (page.p && (page.n > PAGE_TOKEN_MAX || !vk_str_cut(&page, '_', &done) ||
                   vk_str_to_i64(done, &skip) != VK_OK || skip < 0 || skip > LIST_MOST))
        s->no = (vk_stripe_refusal){400, NULL, VK_STR("page"), VK_STR("Invalid page")};
    s->skip = (size_t)skip;
    s->cursor = page;
    return s->no.status ? VK_E_INVALID : VK_OK;
}

static int64_t born(const vk_stripe_ask *q)
{
    vk_worker *w = q->c->ex->server->ctx;
    const vk_tenant *t = q->c->ex->principal;
    vk_build b;
    if (w->reader->ops->build_get(w->reader, NULL, vk_str_z(t->id), &b) != VK_OK)
        return 0;
    return b.created_ms / 1000 - SKEW_S;
}

void vk_stripe_soft_request(vk_stripe_ask *q)
{
    vk_arena *a = q->c->arena;
    vk_stripe_soft *s = VK_NEW(a, vk_stripe_soft);
    vk_err e = s ? vk_stripe_params_needs(a, &q->found, q->form, &s->needs) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_stripe_params_tag(a, &q->found, q->form, q->tag);
    if (e != VK_OK) {
        vk_stripe_failed(q, e, true, "");
        return;
    }
    s->q = q;
    q->way = s;
    memcpy(s->hash, vk_service_hash_of(q->c->ex), sizeof s->hash);
    s->pages = q->found.call->does & (VK_STRIPE_LIST | VK_STRIPE_SEARCH);
    if (s->pages && begin_list(s) != VK_OK) {
        vk_stripe_refuse(q, &s->no);
        return;
    }
    s->born = s->pages ? born(q) : 0;
    if (s->needs)
        submit(s, check, checked, true);
    else
        send_on(s);
}
