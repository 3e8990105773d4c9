#include "services/payments/stripe/inbound.h"

#include "core/clock.h"
#include "core/json_read.h"
#include "core/log.h"
#include "services/ask_keeper.h"
#include "services/payments/hooks.h"
#include "services/payments/inside.h"
#include "services/payments/stripe/broker.h"
#include "services/payments/stripe/reply.h"

enum { HEADER_MAX = 4096, KEEPER_MS = 10000, BATCH = 64 };

/* One event, in its exchange's arena. */
typedef struct vk_stripe_inbound_event {
    vk_exchange *ex;
    vk_keeper_ask keeper;
    vk_job lane;
    vk_pay_job job;
    vk_pay_pool *pool;
    vk_str signature;
    vk_err e;
    bool counted;

    vk_pv *event, *object;
    vk_str account, tag; /* VK_STR_NONE */
    /* Builds that it may be of; `sure`: the only one is. */
    char (*ids)[VK_BUILD_ID_MAX + 1];
    size_t n, at;
    bool sure, found, soft;
    vk_pay_call call;
} inbound;

static _Atomic uint64_t n_routed, n_unrouted, n_refused;
static _Atomic int under_way;

void vk_stripe_inbound_count(vk_stripe_inbound_counts *out_r)
{
    *out_r =
        (vk_stripe_inbound_counts){atomic_load(&n_routed), atomic_load(&n_unrouted), atomic_load(&n_refused)};
}

static inbound *of(const vk_exchange *ex)
{
    return vk_pay_call_of(ex)->inbound;
}

static void again_later(vk_exchange *ex)
{
    vk_pay_refuse_engine(ex, 503, VK_E_UNAVAILABLE, "This cannot be taken now.");
}

/* ---- the answer, on the exchange's loop */

static void answer(vk_exchange *ex)
{
    inbound *in = of(ex);
    if (in->counted)
        atomic_fetch_sub(&under_way, 1);
    in->counted = false;
    if (in->e == VK_OK) {
        vk_buf_clear(&ex->out);
        vk_buf_lit(&ex->out, "{\"received\": true}\n");
        vk_pay_org_answer(ex, 200);
    } else if (in->e == VK_E_UNAUTHORIZED) {
        vk_count(&n_refused, 1);
        if (vk_exchange_bad_key(ex) == VK_OK)
            vk_pay_refuse_engine(ex, 400, in->e, "The signature of this event is not good.");
        else
            vk_pay_no_answer(ex, VK_PAY_TOO_MANY, VK_STR_NONE);
    } else if (in->e == VK_E_INVALID || in->e == VK_E_TOO_LARGE) {
        vk_pay_refuse_engine(ex, 400, in->e, "This is no event.");
    } else {
        vk_log(VK_WARN, "an event of Stripe's could not be taken", VK_F(error, vk_err_name(in->e)));
        again_later(ex);
    }
}

static void end(inbound *in, vk_err e)
{
    in->e = e;
    vk_exchange_post(in->ex, answer);
}

/* ---- on the strand of a build */

static void leave(inbound *in)
{
    if (in->pool)
        vk_pay_pool_let_go(in->pool);
    in->pool = NULL;
}

typedef struct asking {
    vk_pay_db *db;
    vk_err e;
} asking;

static bool has(void *arg, vk_str key)
{
    asking *q = arg;
    bool yes = false;
    if (q->e == VK_OK)
        q->e = vk_pay_owned(q->db, key, &yes);
    return yes && q->e == VK_OK;
}

static void next(inbound *in);
static void submit(inbound *in, vk_err (*run)(vk_pay_job *j), void (*done)(vk_pay_job *j, vk_err e),
                   bool reads);

/* What an event says of the account is the organisation's business; the app sees what it would see of an
 * account of its own. */
static vk_err give(vk_pay_job *j)
{
    inbound *in = VK_CONTAINER(j, inbound, job);
    vk_pay_call *c = &in->call;
    bool fresh;
    vk_pay_call_init(c, NULL, in->ex->arena, in->pool);
    vk_err e = vk_pay_begin(c);
    asking q = {.db = c->db};
    vk_stripe_reply r = {.a = c->arena, .tag = VK_STR(""), .has = has, .arg = &q};
    vk_pv_del(in->event, "account");
    vk_pv_del(in->event, "context");
    vk_stripe_reply_take(&r, in->object, false);
    if (e == VK_OK && in->soft)
        e = r.err;
    for (const vk_stripe_followed *f = r.first; f && in->soft && e == VK_OK; f = f->next)
        e = vk_pay_owned_put(c->db, f->key, c->now_ms);
    return e == VK_OK ? vk_pay_event_given(c, in->event, &fresh) : e;
}

static void given(vk_pay_job *j, vk_err e)
{
    inbound *in = VK_CONTAINER(j, inbound, job);
    if (e == VK_OK) {
        vk_pay_hooks_committed(&in->call);
        vk_count(&n_routed, 1);
    }
    leave(in);
    end(in, e);
}

/* Whether the build's ledger knows what the event is about. */
static vk_err ask(vk_pay_job *j)
{
    inbound *in = VK_CONTAINER(j, inbound, job);
    asking q = {0};
    vk_err e = vk_pay_pool_db(in->pool, &q.db);
    vk_stripe_reply r = {.a = in->ex->arena, .tag = VK_STR("-"), .has = has, .arg = &q};
    in->found = e == VK_OK && vk_stripe_reply_own(&r, in->object);
    return e == VK_E_NOT_FOUND ? VK_OK : e != VK_OK ? e : r.err != VK_OK ? r.err : q.e;
}

static void asked(vk_pay_job *j, vk_err e)
{
    inbound *in = VK_CONTAINER(j, inbound, job);
    leave(in);
    if (e != VK_OK) {
        end(in, e);
        return;
    }
    if (in->found)
        in->sure = true;
    else
        in->at++;
    next(in);
}

static void submit(inbound *in, vk_err (*run)(vk_pay_job *j), void (*done)(vk_pay_job *j, vk_err e),
                   bool reads)
{
    in->pool = vk_pay_pool_hold_id(in->ids[in->at]);
    if (!in->pool) {
        end(in, VK_E_UNAVAILABLE);
        return;
    }
    in->job = (vk_pay_job){.run = run, .done = done, .reads = reads, .make = !reads};
    if (vk_pay_pool_submit(in->pool, &in->job, false) == VK_OK)
        return;
    leave(in);
    end(in, VK_E_BUSY);
}

static void next(inbound *in)
{
    if (in->at == in->n) {
        vk_count(&n_unrouted, 1);
        end(in, VK_OK);
    } else if (in->sure) {
        submit(in, give, given, false);
    } else {
        submit(in, ask, asked, true);
    }
}

/* ---- on the metadata lane: which builds it may be of */

static vk_err of_account(inbound *in, vk_store *s)
{
    in->sure = true;
    return s->ops->bound_list(s, "payments", "stripe", "account", in->account, VK_STR(""), 1, in->ids,
                              &in->n);
}

/* "<build>.<generation>": the build as it is now, or a former one of its name. */
static vk_err of_tag(inbound *in, vk_store *s)
{
    vk_str generation = in->tag, id;
    vk_binding *all = vk_arena_calloc(in->ex->arena, VK_BINDINGS_MAX * sizeof *all), *b = NULL;
    int64_t want;
    size_t n = 0;
    vk_build build;
    if (!all)
        return VK_E_NOMEM;
    if (!vk_str_cut(&generation, '.', &id) || !vk_build_id_ok(id) ||
        vk_str_to_i64(generation, &want) != VK_OK)
        return VK_OK;
    vk_err e = s->ops->build_get(s, NULL, id, &build);
    if (e == VK_E_NOT_FOUND ||
        (e == VK_OK && (build.generation != (uint64_t)want || build.state != VK_BUILD_ACTIVE)))
        return VK_OK;
    if (e == VK_OK)
        e = s->ops->binding_list(s, in->ex->arena, id, all, VK_BINDINGS_MAX, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        if (strcmp(all[i].service, "payments") == 0 && strcmp(all[i].driver, "stripe") == 0)
            b = &all[i];
    if (e != VK_OK || !b || !vk_str_eqz(vk_binding_value(b, "soft"), "yes"))
        return e;
    snprintf(in->ids[0], sizeof in->ids[0], "%s", build.id);
    in->n = 1;
    in->sure = true;
    return VK_OK;
}

static vk_err of_ledgers(inbound *in, vk_store *s)
{
    size_t more = BATCH;
    vk_err e = VK_OK;
    while (e == VK_OK && more == BATCH && in->n + BATCH <= VK_STRIPE_INBOUND_LEDGERS) {
        vk_str after = in->n ? vk_str_z(in->ids[in->n - 1]) : VK_STR("");
        e = s->ops->bound_list(s, "payments", "stripe", "soft", VK_STR("yes"), after, BATCH, in->ids + in->n,
                               &more);
        in->n += e == VK_OK ? more : 0;
    }
    return e;
}

static void find(vk_job *j)
{
    inbound *in = VK_CONTAINER(j, inbound, lane);
    vk_store *s = vk_pay_runtime()->store;
    in->soft = !in->account.n;
    vk_err e = in->account.n ? of_account(in, s) : in->tag.n ? of_tag(in, s) : of_ledgers(in, s);
    if (e == VK_OK)
        next(in);
    else
        end(in, e);
}

/* ---- on the exchange's loop: keeper said yes */

static vk_err read_event(inbound *in)
{
    vk_arena *a = in->ex->arena;
    vk_err e = vk_pv_parse(a, vk_buf_view(&in->ex->body), &in->event);
    if (e != VK_OK)
        return e;
    in->object = vk_pv_at(in->event, "data.object");
    if (!vk_str_eqz(vk_pv_text(in->event, "object"), "event") || !vk_pv_is(in->object, VK_PV_OBJ) ||
        vk_pv_flag(in->event, "livemode"))
        return VK_E_INVALID;
    in->account = vk_pv_text(in->event, "account");
    in->tag = vk_stripe_reply_tag(in->object);
    in->ids = vk_arena_calloc(a, VK_STRIPE_INBOUND_LEDGERS * sizeof *in->ids);
    return in->ids ? VK_OK : VK_E_NOMEM;
}

static void good(vk_exchange *ex)
{
    inbound *in = of(ex);
    vk_err e = read_event(in);
    if (e == VK_OK) {
        in->lane.run = find;
        e = vk_lane_add(vk_pay_runtime()->meta, &in->lane);
        if (e == VK_OK)
            return; /* the event is the lane's, and perhaps done with */
    }
    in->e = e;
    answer(ex);
}

/* ---- to keeper and back, on loops[0] */

static void keeper_said(vk_keeper_ask *q, vk_err e, const vk_response *r)
{
    inbound *in = VK_CONTAINER(q, inbound, keeper);
    vk_arena *a = vk_arena_new(64 * 1024);
    vk_json *o = NULL;
    if (e == VK_OK && (!a || r->status != 200 || vk_json_parse(a, r->body, &o, NULL, NULL) != VK_OK))
        e = VK_E_UNAVAILABLE;
    const vk_json *ok = vk_json_get(o, VK_STR("ok"));
    if (e == VK_OK && (!ok || ok->type != VK_JSON_BOOL || !ok->u.b)) {
        vk_str why = vk_json_str(vk_json_get(o, VK_STR("why")));
        vk_log(VK_WARN, "an event that came for Stripe's webhook was refused", VK_F(why, why));
        e = VK_E_UNAUTHORIZED;
    }
    vk_arena_free(a);
    in->e = e;
    vk_exchange_post(in->ex, e == VK_OK ? good : answer);
}

static void ask_keeper(inbound *in)
{
    in->keeper =
        (vk_keeper_ask){.rt = vk_pay_runtime(),
                        .target = VK_STR("/v1/webhooks/stripe"),
                        .lines = vk_arena_printf(in->ex->arena, "Stripe-Signature: " VK_STR_FMT "\r\n",
                                                 VK_STR_ARG(in->signature)),
                        .content_type = VK_STR("application/json"),
                        .body = vk_buf_view(&in->ex->body),
                        .answer_max = 4096,
                        .timeout_ms = KEEPER_MS,
                        .done = keeper_said};
    in->e = VK_E_NOMEM;
    if (in->keeper.lines.p)
        vk_keeper_ask_send(&in->keeper);
    else
        answer(in->ex);
}

/* ---- from front.c */

bool vk_stripe_inbound_admit(vk_exchange *ex)
{
    if (!vk_str_eqz(ex->method, "POST")) {
        vk_pay_no_answer(ex, VK_PAY_NO_ROUTE, VK_STR_NONE);
        return false;
    }
    if (vk_exchange_may_guess(ex) != VK_OK) {
        vk_pay_no_answer(ex, VK_PAY_TOO_MANY, VK_STR_NONE);
        return false;
    }
    ex->body_max = VK_STRIPE_INBOUND_MAX;
    return true;
}

void vk_stripe_inbound(vk_exchange *ex)
{
    inbound *in = VK_NEW(ex->arena, inbound);
    if (!in) {
        again_later(ex);
        return;
    }
    vk_pay_call_of(ex)->inbound = in;
    in->ex = ex;
    in->signature = vk_request_header(ex, VK_STR("stripe-signature"));
    if (!in->signature.n || in->signature.n > HEADER_MAX || !ex->body.n) {
        in->e = VK_E_UNAUTHORIZED;
        answer(ex);
        return;
    }
    in->counted = true;
    if (atomic_fetch_add(&under_way, 1) >= VK_STRIPE_INBOUND_AT_ONCE) {
        in->e = VK_E_BUSY;
        answer(ex);
        return;
    }
    ask_keeper(in);
}
