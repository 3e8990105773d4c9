/* Payments as a whole, without the network: random sequences of calls beside a model of what they should come
 * to. What must hold whatever happens: nothing is refunded that was not captured; the balance is the sum of
 * its transactions; what the events say of each object, one after the other, ends with what the object is; a
 * call that is refused has changed nothing. */
#include "services/payments/charge.h"
#include "services/payments/form.h"
#include "services/payments/generic.h"

#include "core/log.h"
#include "core/test_folder.h"
#include "crypto/digest.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum {
    NOW = 1795000000,
    ID = 64,
    INTENTS = 24,
    STEPS = 250,
    CALL_ARENA = 16 << 20,
    ALL_ARENA = 256 << 20,
};

static char dir[] = "/tmp/vk-pay-all-XXXXXX", path[64];
static vk_pay_db *db;
static int64_t now = NOW;
static const vk_pay_about about = {.build = "b1", .account = "acct_1", .business = "b1"};

/* ---- one call, as front.c does it */

typedef struct answer {
    vk_arena *arena;
    vk_err e;
    int status;   /* 200, or the refusal's */
    vk_pv *shown; /* rendered */
    const vk_pay_refusal *refusal;
    bool kept;
} answer;

static void begin_call(vk_pay_call *c, vk_arena *arena)
{
    *c = (vk_pay_call){.arena = arena,
                       .about = &about,
                       .version = VK_PAY_NEWEST,
                       .browser_base = VK_STR("http://127.0.0.1:4504"),
                       .sandbox_base = VK_STR("http://127.0.0.1:4504"),
                       .db = db,
                       .now_ms = now * 1000,
                       .now = now};
    snprintf(c->version_name, sizeof c->version_name, "%s", VK_PAY_NEWEST_NAME);
}

static vk_err do_call(vk_pay_call *c, const char *method, const char *at, const char *form, vk_pv **shown_r)
{
    vk_pv *params;
    const char *why;
    vk_str name;
    bool there;
    c->ep = vk_pay_endpoint_find(vk_str_z(method), vk_str_z(at), c->version, c->id, &there);
    if (!c->ep)
        return VK_E_NOT_FOUND;
    vk_err e = vk_pay_form(c->arena, vk_str_z(form), NULL, &params, &why, &name);
    if (e == VK_OK)
        e = vk_pay_check(c, params);
    c->params = params;
    if (e == VK_OK)
        e = vk_pay_run(c);
    if (e != VK_OK)
        return e;
    *shown_r = c->result;
    return c->rendered ? VK_OK : vk_pay_render(c, c->ep->resource, c->result, "", shown_r);
}

static answer call(const char *method, const char *at, const char *form)
{
    answer r = {.arena = vk_arena_new(CALL_ARENA)};
    vk_pay_call c;
    assert_non_null(r.arena);
    begin_call(&c, r.arena);
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    r.e = do_call(&c, method, at, form, &r.shown);
    r.refusal = c.refusal;
    r.kept = r.e == VK_OK || (c.refusal && c.keep);
    r.status = r.e == VK_OK ? 200 : c.refusal ? c.refusal->status : 500;
    if (r.kept)
        assert_int_equal(vk_pay_db_keep(db), VK_OK);
    else
        vk_pay_db_drop(db);
    assert_int_equal(vk_pay_db_end(db), VK_OK);
    if (r.status == 500)
        fail_msg("%s %s %s: %s", method, at, form, vk_err_name(r.e));
    return r;
}

static void keep_id(char out[ID], vk_str id)
{
    assert_true(id.p && id.n < ID);
    memcpy(out, id.p, id.n);
    out[id.n] = '\0';
}

/* ---- the model */

typedef enum standing {
    NEEDS_METHOD,
    NEEDS_CONFIRM,
    NEEDS_ACTION,
    NEEDS_CAPTURE,
    SUCCEEDED,
    CANCELED
} standing;
static const char *const state_names[] = {"requires_payment_method",
                                          "requires_confirmation",
                                          "requires_action",
                                          "requires_capture",
                                          "succeeded",
                                          "canceled"};

typedef struct model {
    char id[ID];
    standing state;
    int64_t amount, capturable, received, refunded, until; /* until: it can be captured */
    bool manual;
    int currency;
} model;

static model intents[INTENTS];
static int n_intents;
static int64_t earned[2];
static const char *const currencies[] = {"usd", "jpy"};

typedef enum ends { PAYS, DECLINES, ASKS, ASKS_THEN_DECLINES } ends;
static const struct {
    const char *token;
    ends ends;
} tokens[] = {
    {"pm_card_visa", PAYS},
    {"pm_card_amex", PAYS},
    {"pm_card_bypassPending", PAYS},
    {"pm_card_chargeDeclined", DECLINES},
    {"pm_card_chargeCustomerFail", DECLINES},
    {"pm_card_cvcCheckFail", DECLINES},
    {"pm_card_authenticationRequired", ASKS},
    {"pm_card_threeDSecureRequiredChargeDeclined", ASKS_THEN_DECLINES},
};

static uint32_t seed;
static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % n;
}

static void pays(model *m)
{
    m->state = m->manual ? NEEDS_CAPTURE : SUCCEEDED;
    *(m->manual ? &m->capturable : &m->received) = m->amount;
    m->until = now + VK_PAY_CAPTURE_S;
    if (!m->manual)
        earned[m->currency] += m->amount;
}

/* Nobody has captured it in time, whether or not anything has looked at it since. */
static bool is_late(const model *m)
{
    return m->state == NEEDS_CAPTURE && m->until <= now;
}

static void expired(model *m)
{
    m->state = CANCELED;
    m->capturable = 0;
}

static bool is_open(const model *m)
{
    return m->state <= NEEDS_ACTION;
}

/* What the answer says of the intent is what the model says. */
static void same(const model *m, const vk_pv *shown)
{
    assert_true(vk_str_eqz(vk_pv_text(shown, "status"), state_names[m->state]));
    assert_int_equal(vk_pv_number(shown, "amount", -1), m->amount);
    assert_int_equal(vk_pv_number(shown, "amount_capturable", -1), m->capturable);
    assert_int_equal(vk_pv_number(shown, "amount_received", -1), m->received);
    if (m->state == NEEDS_METHOD)
        assert_true(vk_pv_is_null(vk_pv_get(shown, "payment_method")));
}

static void confirmed(model *m, ends how)
{
    if (how == PAYS)
        pays(m);
    else
        m->state = how == DECLINES ? NEEDS_METHOD : NEEDS_ACTION;
}

/* ---- steps; each is tried in every state */

static void step_create(void)
{
    char form[256];
    if (n_intents == INTENTS)
        return;
    model *m = &intents[n_intents], new = {.currency = (int)below(2), .manual = below(3) == 0};
    size_t t = below(VK_COUNT(tokens));
    bool confirm = below(2);
    new.amount = 50 + below(5000);
    snprintf(form, sizeof form, "amount=%lld&currency=%s&capture_method=%s%s%s%s", (long long)new.amount,
             currencies[new.currency], new.manual ? "manual" : "automatic",
             confirm ? "&confirm=true&payment_method=" : "", confirm ? tokens[t].token : "",
             confirm && below(2) ? "&return_url=http://127.0.0.1/x" : "");
    answer r = call("POST", "/v1/payment_intents", form);
    *m = new;
    if (confirm)
        confirmed(m, tokens[t].ends);
    bool declined = confirm && tokens[t].ends == DECLINES;
    assert_int_equal(r.status, declined ? 402 : 200);
    const vk_pv *doc = declined ? r.refusal->object : r.shown;
    same(m, doc);
    keep_id(m->id, vk_pv_text(doc, "id"));
    n_intents++;
    vk_arena_free(r.arena);
}

static void step_confirm(model *m)
{
    char at[128], form[128];
    size_t t = below(VK_COUNT(tokens));
    snprintf(at, sizeof at, "/v1/payment_intents/%s/confirm", m->id);
    snprintf(form, sizeof form, "payment_method=%s&return_url=http://127.0.0.1/x", tokens[t].token);
    answer r = call("POST", at, form);
    if (!is_open(m)) {
        assert_int_equal(r.status, 400);
        assert_false(r.kept);
    } else {
        confirmed(m, tokens[t].ends);
        assert_int_equal(r.status, tokens[t].ends == DECLINES ? 402 : 200);
        same(m, r.status == 200 ? r.shown : r.refusal->object);
    }
    vk_arena_free(r.arena);
}

static void step_capture(model *m)
{
    char at[128], form[64];
    int64_t amount = 1 + below((uint32_t)(m->amount + m->amount / 4));
    bool whole = below(2);
    snprintf(at, sizeof at, "/v1/payment_intents/%s/capture", m->id);
    snprintf(form, sizeof form, "amount_to_capture=%lld", (long long)amount);
    answer r = call("POST", at, whole ? "" : form);
    if (whole)
        amount = m->amount;
    if (is_late(m)) {
        assert_int_equal(r.status, 400);
        assert_true(r.kept);
        expired(m);
        same(m, r.refusal->object);
    } else if (m->state == NEEDS_CAPTURE && amount <= m->capturable) {
        assert_int_equal(r.status, 200);
        m->state = SUCCEEDED;
        m->received = amount;
        m->capturable = 0;
        earned[m->currency] += amount;
        same(m, r.shown);
    } else {
        assert_int_equal(r.status, 400);
        assert_false(r.kept);
    }
    vk_arena_free(r.arena);
}

static void step_cancel(model *m)
{
    char at[128];
    snprintf(at, sizeof at, "/v1/payment_intents/%s/cancel", m->id);
    answer r = call("POST", at, "cancellation_reason=abandoned");
    if (is_late(m)) {
        assert_int_equal(r.status, 400);
        assert_true(r.kept);
        expired(m);
    } else if (is_open(m) || m->state == NEEDS_CAPTURE) {
        assert_int_equal(r.status, 200);
        expired(m);
        same(m, r.shown);
    } else {
        assert_int_equal(r.status, 400);
    }
    vk_arena_free(r.arena);
}

static void step_refund(model *m)
{
    char form[160];
    int64_t rest = m->received - m->refunded, amount = 1 + below((uint32_t)m->amount);
    bool whole = below(3) == 0;
    int n = snprintf(form, sizeof form, "payment_intent=%s", m->id);
    if (!whole)
        snprintf(form + n, sizeof form - (size_t)n, "&amount=%lld", (long long)amount);
    answer r = call("POST", "/v1/refunds", form);
    if (whole)
        amount = rest;
    if (m->state == SUCCEEDED && amount > 0 && amount <= rest) {
        assert_int_equal(r.status, 200);
        assert_int_equal(vk_pv_number(r.shown, "amount", -1), amount);
        m->refunded += amount;
        earned[m->currency] -= amount;
    } else {
        assert_int_equal(r.status, 400);
        assert_false(r.kept);
    }
    vk_arena_free(r.arena);
}

/* The page of 3-D Secure. Which card it is the model does not know any more: the answer says. */
static void step_authenticate(model *m)
{
    vk_arena *arena = vk_arena_new(CALL_ARENA);
    vk_pay_call c;
    vk_pv *intent;
    bool yes = below(3) != 0;
    assert_non_null(arena);
    begin_call(&c, arena);
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    assert_int_equal(vk_pay_get(&c, &vk_pay_r_payment_intent, vk_str_z(m->id), &intent), VK_OK);
    vk_str secret = vk_pv_text(intent, "_auth.secret");
    if (secret.p) {
        vk_pay_authentication x;
        vk_str token = vk_arena_printf(arena, "%s_" VK_STR_FMT, m->id, VK_STR_ARG(secret));
        assert_int_equal(vk_pay_authentication_load(&c, token, &x), VK_OK);
        assert_int_equal(x.waits, m->state == NEEDS_ACTION);
        assert_int_equal(vk_pay_authentication_answer(&c, &x, yes), VK_OK);
        assert_false(x.waits);
        if (m->state == NEEDS_ACTION) {
            bool paid = !vk_str_eqz(vk_pv_text(intent, "status"), "requires_payment_method");
            if (!yes)
                assert_false(paid);
            if (paid)
                pays(m);
            else
                m->state = NEEDS_METHOD;
        }
        same(m, intent);
    } else {
        assert_true(m->state != NEEDS_ACTION);
    }
    assert_int_equal(vk_pay_db_keep(db), VK_OK);
    assert_int_equal(vk_pay_db_end(db), VK_OK);
    vk_arena_free(arena);
}

/* ---- what must hold */

typedef struct rows {
    vk_arena *arena;
    vk_pv *docs; /* array, the oldest first */
} rows;

static bool one_row(void *arg, const vk_pay_row *row)
{
    rows *r = arg;
    vk_pv *doc;
    vk_str body = vk_arena_dup(r->arena, row->body);
    assert_int_equal(vk_pv_parse(r->arena, body, &doc), VK_OK);
    assert_true(vk_pv_add(r->arena, r->docs, doc));
    return true;
}

static vk_pv *all_of(vk_arena *arena, const char *kind)
{
    rows r = {arena, vk_pv_arr(arena)};
    const vk_pay_ask ask = {.kind = kind, .created_to = INT64_MAX, .oldest_first = true};
    assert_int_equal(vk_pay_doc_list(db, &ask, one_row, &r), VK_OK);
    return r.docs;
}

static void balance_holds(vk_arena *arena)
{
    vk_pay_call c;
    vk_pv *available, *pending;
    int64_t sums[2] = {0}, shown[2] = {0};
    VK_PV_EACH(t, all_of(arena, "balance_transaction"))
    for (size_t i = 0; i < VK_COUNT(currencies); i++)
        if (vk_str_eqz(vk_pv_text(t, "currency"), currencies[i]))
            sums[i] += vk_pv_number(t, "net", 0);
    begin_call(&c, arena);
    assert_int_equal(vk_pay_balance_now(&c, &available, &pending), VK_OK);
    for (int k = 0; k < 2; k++)
        VK_PV_EACH(b, k ? pending : available)
    for (size_t i = 0; i < VK_COUNT(currencies); i++)
        if (vk_str_eqz(vk_pv_text(b, "currency"), currencies[i]))
            shown[i] += vk_pv_number(b, "amount", 0);
    for (size_t i = 0; i < VK_COUNT(currencies); i++) {
        assert_int_equal(sums[i], earned[i]);
        assert_int_equal(shown[i], earned[i]);
    }
    now += 4 * 24 * 3600; /* later all of it is available */
    begin_call(&c, arena);
    now -= 4 * 24 * 3600;
    assert_int_equal(vk_pay_balance_now(&c, &available, &pending), VK_OK);
    VK_PV_EACH(b, pending)
    assert_int_equal(vk_pv_number(b, "amount", -1), 0);
}

/* Whoever looks at the transactions sees as available what is. */
static void transactions_hold(vk_arena *arena)
{
    VK_UNUSED(arena);
    answer r = call("GET", "/v1/balance_transactions", "limit=100");
    VK_PV_EACH(t, vk_pv_get(r.shown, "data"))
    assert_string_equal(vk_pv_text(t, "status").p,
                        vk_pv_number(t, "available_on", 0) <= now ? "available" : "pending");
    vk_arena_free(r.arena);
    r = call("GET", "/v1/charges", "limit=100&expand[]=data.balance_transaction");
    VK_PV_EACH(ch, vk_pv_get(r.shown, "data"))
    {
        const vk_pv *t = vk_pv_get(ch, "balance_transaction");
        if (!vk_pv_is(t, VK_PV_OBJ))
            continue; /* not captured */
        assert_string_equal(vk_pv_text(t, "status").p,
                            vk_pv_number(t, "available_on", 0) <= now ? "available" : "pending");
    }
    vk_arena_free(r.arena);
}

static void charges_hold(vk_arena *arena)
{
    vk_pv *refunds = all_of(arena, "refund");
    VK_PV_EACH(ch, all_of(arena, "charge"))
    {
        bool let_go = !vk_pv_flag(ch, "captured") && vk_pv_flag(ch, "refunded");
        int64_t back = 0, amount = vk_pv_number(ch, "amount", -1),
                captured = vk_pv_number(ch, "amount_captured", -1);
        VK_PV_EACH(r, refunds)
        if (vk_str_eq(vk_pv_text(r, "charge"), vk_pv_text(ch, "id")))
            back += vk_pv_number(r, "amount", 0);
        assert_true(back <= captured && captured <= amount);
        if (vk_pv_flag(ch, "captured"))
            assert_int_equal(vk_pv_number(ch, "amount_refunded", -1), amount - captured + back);
        if (let_go)
            assert_int_equal(vk_pv_number(ch, "amount_refunded", -1), amount);
    }
}

/* Replays the events: the last word about each object is what it is. */
static void events_hold(vk_arena *arena)
{
    static const vk_pay_resource *const kinds[] = {&vk_pay_r_payment_intent, &vk_pay_r_charge,
                                                   &vk_pay_r_refund};
    vk_pv *last = vk_pv_obj(arena);
    vk_pay_call c;
    begin_call(&c, arena);
    VK_PV_EACH(ev, all_of(arena, "event"))
    {
        vk_pv *object = vk_pv_at(ev, "data.object"), *before = vk_pv_at(ev, "data.previous_attributes");
        vk_str id = vk_pv_text(object, "id");
        VK_PV_EACH(was, before)
        {
            /* what an event says has changed was so before */
            const vk_pv *then = vk_pv_get_n(vk_pv_get_n(last, id), was->key);
            assert_true(vk_pv_is(was, VK_PV_OBJ) || vk_pv_equal(was, then));
        }
        assert_true(vk_pv_set_n(arena, last, id, vk_pv_copy(arena, object)));
    }
    for (size_t i = 0; i < VK_COUNT(kinds); i++)
        VK_PV_EACH(doc, all_of(arena, kinds[i]->object))
        {
            vk_pv *shown;
            assert_int_equal(vk_pay_render_for(&c, kinds[i], doc, VK_PAY_NEWEST, &shown), VK_OK);
            if (!vk_pv_equal(shown, vk_pv_get_n(last, vk_pv_text(doc, "id"))))
                fail_msg("the events of " VK_STR_FMT " do not end with what it is",
                         VK_STR_ARG(vk_pv_text(doc, "id")));
        }
}

static void no_number(vk_arena *arena)
{
    static const char *const all[] = {"payment_method", "charge", "payment_intent", "event"};
    for (size_t i = 0; i < VK_COUNT(all); i++)
        VK_PV_EACH(doc, all_of(arena, all[i]))
        {
            vk_buf b;
            vk_buf_init(&b, VK_PAY_DOC_MAX);
            vk_pv_write(&b, doc);
            assert_int_equal(b.err, VK_OK);
            for (size_t k = 0; k < vk_pay_n_cards; k++)
                assert_null(memmem(b.p, b.n, vk_pay_cards[k].number, strlen(vk_pay_cards[k].number)));
            vk_buf_free(&b);
        }
}

/* What the build is woken for. */
static void turn(void)
{
    vk_arena *arena = vk_arena_new(CALL_ARENA);
    vk_pay_call c;
    assert_non_null(arena);
    begin_call(&c, arena);
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
    assert_int_equal(vk_pay_due(&c), VK_OK);
    assert_int_equal(vk_pay_db_end(db), VK_OK);
    vk_arena_free(arena);
    for (int i = 0; i < n_intents; i++)
        if (is_late(&intents[i]))
            expired(&intents[i]);
}

static void holds(void)
{
    turn();
    vk_arena *arena = vk_arena_new(ALL_ARENA);
    assert_non_null(arena);
    balance_holds(arena);
    transactions_hold(arena);
    charges_hold(arena);
    events_hold(arena);
    no_number(arena);
    for (int i = 0; i < n_intents; i++) {
        vk_pay_row row;
        vk_pv *doc;
        assert_int_equal(vk_pay_doc_get(db, arena, vk_str_z(intents[i].id), &row), VK_OK);
        assert_int_equal(vk_pv_parse(arena, row.body, &doc), VK_OK);
        same(&intents[i], doc);
    }
    vk_arena_free(arena);
}

/* ---- tests */

static void random_calls(void **state)
{
    VK_UNUSED(state);
    static void (*const steps[])(model * m) = {step_confirm, step_confirm, step_capture,     step_cancel,
                                               step_refund,  step_refund,  step_authenticate};
    for (int i = 0; i < STEPS; i++) {
        now += below(3) ? 0 : below(20 * 3600);
        if (n_intents == 0 || below(5) == 0)
            step_create();
        else
            steps[below(VK_COUNT(steps))](&intents[below((uint32_t)n_intents)]);
        if (i % 50 == 0)
            holds();
    }
    holds();
}

static void a_card(void **state)
{
    VK_UNUSED(state);
    char number[] = "4242 4242 4242 4242";
    vk_arena *arena = vk_arena_new(CALL_ARENA);
    vk_pay_call c;
    vk_pv *card, *method;
    assert_non_null(arena);
    begin_call(&c, arena);
    card = vk_pv_obj(arena);
    assert_true(vk_pv_put_str(arena, card, "number", vk_str_z(number)) &&
                vk_pv_put_str(arena, card, "exp_month", VK_STR("12")) && /* as a page has it */
                vk_pv_put_str(arena, card, "exp_year", VK_STR("34")));
    assert_int_equal(vk_pay_db_begin(db), VK_OK);
    assert_int_equal(vk_pay_method_of_card(&c, card, NULL, &method), VK_OK);
    assert_int_equal(vk_pay_db_end(db), VK_OK);
    assert_true(vk_str_eqz(vk_pv_text(method, "card.last4"), "4242"));
    assert_int_equal(vk_pv_number(method, "card.exp_year", 0), 2034);
    for (size_t i = 0; i < sizeof number - 1; i++)
        assert_int_equal(number[i], 0); /* nothing of it is left in the request */
    vk_arena_free(arena);
}

static uint32_t seeds = 20261128;

static int set_up(void **state)
{
    VK_UNUSED(state);
    if (!folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/payments.db", dir);
    n_intents = 0;
    earned[0] = earned[1] = 0;
    now = NOW;
    seed = seeds++;
    return vk_pay_db_open(path, "b1", &db) == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_pay_db_close(db);
    db = NULL;
    return folder_remove(dir);
}

static int init(void **state)
{
    VK_UNUSED(state);
    const char *why;
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT);
    return vk_digest_init() == VK_OK && vk_sqlite_init() == VK_OK && vk_pay_schema_start(&why) == VK_OK ? 0
                                                                                                        : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(a_card),       T(random_calls), T(random_calls), T(random_calls),
                                       T(random_calls), T(random_calls), T(random_calls)};
    return cmocka_run_group_tests(tests, init, NULL);
}
