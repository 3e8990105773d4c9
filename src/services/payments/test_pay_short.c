/* Calls and pages with too little memory, wherever it ends: one that fails has changed nothing and says so;
 * one that is done is done as with all the memory there is, so that no document lacks what there was no
 * memory for. */
#include "services/payments/charge.h"
#include "services/payments/form.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

#include "core/log.h"
#include "core/test_alloc.h"
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
    ID = 128,
    CHUNK = 4096, /* of an arena */
    ENOUGH = 16 << 20,
    SHAPE = 8 << 20,
    PADS = 4,
};

static char dir[] = "/tmp/vk-pay-short-XXXXXX", path[64];
static vk_pay_db *db;
static int64_t now;
static const vk_pay_about about = {.build = "b1", .account = "acct_1", .business = "b1"};

typedef struct what {
    const char *method, *at, *form;
    vk_err (*page)(vk_pay_call *c); /* NULL: a call */
} what;

static vk_err do_it(vk_pay_call *c, const what *w, vk_pv **shown_r)
{
    vk_pv *params;
    const char *why;
    vk_str name;
    bool there;
    vk_err e = vk_pay_form(c->arena, vk_str_z(w->form), NULL, &params, &why, &name);
    c->params = params;
    *shown_r = NULL;
    if (e != VK_OK)
        return e;
    if (w->page) {
        c->id[0] = vk_str_z(w->at);
        e = w->page(c);
        return e == VK_OK ? c->ex->out.err : e;
    }
    if (strcmp(w->method, "due") == 0)
        return vk_pay_due(c);
    c->ep = vk_pay_endpoint_find(vk_str_z(w->method), vk_str_z(w->at), c->version, c->id, &there);
    if (!c->ep)
        fail_msg("%s %s is no call", w->method, w->at);
    e = vk_pay_check(c, params);
    if (e == VK_OK)
        e = vk_pay_run(c);
    if (e != VK_OK)
        return e;
    *shown_r = c->result;
    return c->rendered ? VK_OK : vk_pay_render(c, c->ep->resource, c->result, "", shown_r);
}

/* ---- what it looks like, but for ids and other texts that are made anew each time */

static void shape(vk_buf *b, const vk_pv *v)
{
    switch (v ? v->type : VK_PV_NULL) {
    case VK_PV_OBJ:
    case VK_PV_ARR:
        vk_buf_ch(b, v->type == VK_PV_OBJ ? '{' : '[');
        VK_PV_EACH(m, v)
        {
            vk_buf_str(b, m->key);
            vk_buf_ch(b, ':');
            shape(b, m);
            vk_buf_ch(b, ' ');
        }
        vk_buf_ch(b, '}');
        return;
    case VK_PV_STR:
        vk_buf_z(b, v->u.s.n ? "text" : "empty");
        return;
    case VK_PV_NULL:
        vk_buf_z(b, "null");
        return;
    default:
        vk_pv_write(b, v);
    }
}

typedef struct rows {
    vk_buf *b;
    vk_arena *arena;
} rows;

static bool one_row(void *arg, const vk_pay_row *row)
{
    rows *r = arg;
    vk_pv *doc;
    vk_str body = vk_arena_dup(r->arena, row->body);
    assert_int_equal(vk_pv_parse(r->arena, body, &doc), VK_OK);
    shape(r->b, doc);
    vk_buf_ch(r->b, '\n');
    return true;
}

/* Of all that is stored. */
static void look(vk_buf *b)
{
    vk_arena *arena = vk_arena_new(256 << 20);
    assert_non_null(arena);
    for (size_t i = 0; vk_pay_resources[i]; i++) {
        rows r = {b, arena};
        const vk_pay_ask ask = {
            .kind = vk_pay_resources[i]->object, .created_to = INT64_MAX, .oldest_first = true};
        assert_int_equal(vk_pay_doc_list(db, &ask, one_row, &r), VK_OK);
    }
    assert_int_equal(b->err, VK_OK);
    vk_arena_free(arena);
}

static void differs(const what *w, const char *which, const vk_buf *is, const vk_buf *was)
{
    size_t i = 0, from;
    while (i < is->n && i < was->n && is->p[i] == was->p[i])
        i++;
    from = i > 200 ? i - 200 : 0;
    fail_msg("%s %s, %s: …%.*s\n  and not …%.*s", w->method, w->at, which,
             (int)(is->n - from < 300 ? is->n - from : 300), is->p + from,
             (int)(was->n - from < 300 ? was->n - from : 300), was->p + from);
}

/* ---- once, with so much memory */

typedef struct short_of {
    long chunk;      /* of the arena, that is refused, and none after it; -1: none is */
    size_t cap, pad; /* bytes of the arena; of which so many are gone before it begins */
} short_of;

/* Whether it was done; what is stored then in *after. `keep`: for good. */
static bool once(const what *w, const short_of *s, bool keep, vk_buf *after, char id[ID])
{
    vk_arena *arena = vk_arena_new(s->cap);
    vk_exchange ex = {.arena = arena, .method = VK_STR("POST")};
    vk_pv *shown = NULL;
    assert_non_null(arena);
    vk_buf_init(&ex.out, 1 << 20);
    vk_pay_call c = {.arena = arena,
                     .ex = &ex,
                     .about = &about,
                     .version = VK_PAY_NEWEST,
                     .browser_base = VK_STR("http://127.0.0.1:4504"),
                     .db = db,
                     .now_ms = now * 1000,
                     .now = now};
    snprintf(c.version_name, sizeof c.version_name, "%s", VK_PAY_NEWEST_NAME);
    assert_int_equal(vk_pay_db_mark(db), VK_OK);
    void *gone = vk_arena_alloc(arena, s->pad);
    alloc_left = s->chunk;
    alloc_only = CHUNK;
    alloc_once = alloc_counts = true;
    alloc_failures = 0;
    vk_err e = gone || !s->pad ? do_it(&c, w, &shown) : VK_E_NOMEM;
    alloc_counts = false;
    bool done = e == VK_OK || (c.refusal && c.keep);
    if (!done && e != VK_E_NOMEM && !(e == VK_E_INVALID && !c.refusal))
        fail_msg("%s %s: %s " VK_STR_FMT, w->method, w->at, vk_err_name(e),
                 VK_STR_ARG(c.refusal ? c.refusal->message : VK_STR("")));
    if (done) {
        look(after);
        shape(after, shown);
        vk_buf_printf(after, " %d %d", c.status, c.to.p != NULL);
    }
    if (done && id && shown)
        snprintf(id, ID, VK_STR_FMT, VK_STR_ARG(vk_pv_text(shown, "id")));
    if (done && keep)
        assert_int_equal(vk_pay_db_keep(db), VK_OK);
    else
        vk_pay_db_drop(db);
    vk_buf_free(&ex.out);
    vk_arena_free(arena);
    return done;
}

/* A try with little memory: it fails, or it is as it should be. Either way it is undone. */
static bool try_it(const what *w, const short_of *s, const vk_buf *should, const vk_buf *before)
{
    vk_buf is;
    vk_buf_init(&is, SHAPE);
    bool done = once(w, s, false, &is, NULL);
    if (done && (is.n != should->n || memcmp(is.p, should->p, is.n) != 0))
        differs(w, "done", &is, should);
    vk_buf_clear(&is);
    look(&is);
    if (is.n != before->n || (is.n && memcmp(is.p, before->p, is.n) != 0))
        differs(w, "undone", &is, before);
    vk_buf_free(&is);
    return done;
}

static void step(const char *method, const char *at, const char *form, vk_err (*page)(vk_pay_call *),
                 char id[ID])
{
    const what w = {method, at, form, page};
    vk_buf should, before, after;
    vk_buf_init(&should, SHAPE);
    vk_buf_init(&before, SHAPE);
    vk_buf_init(&after, SHAPE);
    assert_int_equal(vk_pay_db_begin(db), VK_OK); /* one for all tries: a sync takes its time */
    look(&before);
    const short_of all = {.chunk = -1, .cap = ENOUGH};
    if (!once(&w, &all, false, &should, NULL))
        fail_msg("%s %s %s is refused", method, at, form);
    /* Each time at other places of its chunks: a block that is large ends there, and small ones behind it do
     * not. */
    short_of s = {.chunk = -1, .cap = CHUNK};
    for (int good = 0; good < PADS; s.cap += CHUNK) {
        good = 0;
        for (s.pad = 0; s.pad < CHUNK / 2; s.pad += CHUNK / 2 / PADS)
            good += try_it(&w, &s, &should, &before);
    }
#if ALLOC_SEAM
    /* One chunk is refused, and all after it are there. */
    for (s = (short_of){.cap = ENOUGH, .pad = 1}; s.pad < CHUNK / 2; s.pad += CHUNK / 2 / PADS) {
        s.chunk = 0;
        do
            try_it(&w, &s, &should, &before);
        while (alloc_failures && ++s.chunk);
    }
#endif
    assert_true(once(&w, &all, true, &after, id));
    assert_int_equal(vk_pay_db_end(db), VK_OK);
    vk_buf_free(&should);
    vk_buf_free(&before);
    vk_buf_free(&after);
}

#define CALL(id, form, ...)                                                                                  \
    do {                                                                                                     \
        char at_[2 * ID];                                                                                    \
        snprintf(at_, sizeof at_, __VA_ARGS__);                                                              \
        step("POST", at_, form, NULL, id);                                                                   \
    } while (0)

/* ---- tests */

#define CARD "&cardExpiry=12/34&cardCvc=123&billingName=Ann&billingCountry=US&email=ann@example.com"
#define PAYS "cardNumber=4242424242424242" CARD
#define DECLINES "cardNumber=4000000000000002" CARD
#define ASKS "cardNumber=4000002760003184" CARD
#define ITEM(n)                                                                                              \
    "line_items[" n "][price_data][currency]=usd&line_items[" n                                              \
    "][price_data][unit_amount]=1234&line_items[" n "][price_data][product_data][name]=Mug&line_items[" n    \
    "][quantity]=3"

static void intents(void **state)
{
    VK_UNUSED(state);
    char customer[ID], held[ID], paid[ID], late[ID];
    CALL(customer,
         "email=a@example.com&payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_"
         "visa",
         "/v1/customers");
    CALL(held, "amount=2000&currency=usd&capture_method=manual&payment_method=pm_card_visa&confirm=true",
         "/v1/payment_intents");
    CALL(NULL, "amount_to_capture=1500", "/v1/payment_intents/%s/capture", held);
    CALL(paid, "amount=2000&currency=usd&payment_method=pm_card_visa&setup_future_usage=off_session",
         "/v1/payment_intents");
    CALL(NULL, "", "/v1/payment_intents/%s/confirm", paid);
    char form[2 * ID];
    snprintf(form, sizeof form, "payment_intent=%s&amount=700", paid);
    CALL(NULL, form, "/v1/refunds");
    CALL(NULL, "amount=2000&currency=usd&payment_method=pm_card_chargeDeclined&confirm=true",
         "/v1/payment_intents");
    CALL(NULL, "payment_method=pm_card_visa&confirm=true", "/v1/setup_intents");
    CALL(late, "amount=2000&currency=usd&capture_method=manual&payment_method=pm_card_visa&confirm=true",
         "/v1/payment_intents");
    now += VK_PAY_CAPTURE_S;
    step("due", "", "", NULL, NULL);
}

static void checkout(void **state)
{
    VK_UNUSED(state);
    char coupon[ID], session[ID], monthly[ID], open[ID];
    CALL(coupon, "percent_off=15&duration=once&id=OFF", "/v1/coupons");
    CALL(session,
         "mode=payment&success_url=http://localhost/&discounts[0][coupon]=OFF&invoice_creation[enabled]=true"
         "&customer_creation=always&shipping_options[0][shipping_rate_data][display_name]=Post"
         "&shipping_options[0][shipping_rate_data][fixed_amount][amount]=500"
         "&shipping_options[0][shipping_rate_data][fixed_amount][currency]=usd&" ITEM("0") "&" ITEM("1"),
         "/v1/checkout/sessions");
    step("page", session, DECLINES, vk_pay_page_checkout_pay, NULL);
    step("page", session, PAYS, vk_pay_page_checkout_pay, NULL);
    CALL(monthly,
         "mode=subscription&success_url=http://localhost/&" ITEM(
             "0") "&line_items[0][price_data][recurring][interval]=month",
         "/v1/checkout/sessions");
    step("page", monthly, ASKS, vk_pay_page_checkout_pay, NULL);
    step("page", monthly, "result=complete", vk_pay_page_authenticate_done, NULL);
    CALL(open,
         "mode=subscription&success_url=http://localhost/&" ITEM(
             "0") "&line_items[0][price_data][recurring][interval]=month",
         "/v1/checkout/sessions");
    step("page", open, DECLINES, vk_pay_page_checkout_pay, NULL);
    CALL(NULL, "", "/v1/checkout/sessions/%s/expire", open);
}

static void invoices(void **state)
{
    VK_UNUSED(state);
    char customer[ID], price[ID], form[4 * ID], sub[ID];
    CALL(customer,
         "email=a@example.com&payment_method=pm_card_visa&invoice_settings[default_payment_method]=pm_card_"
         "visa",
         "/v1/customers");
    CALL(price, "currency=usd&unit_amount=1200&recurring[interval]=month&product_data[name]=Pro",
         "/v1/prices");
    for (int i = 0; i < 3; i++) {
        vk_pay_row row;
        vk_pv *doc;
        char invoice[ID];
        vk_arena *arena = vk_arena_new(ENOUGH);
        snprintf(form, sizeof form, "customer=%s&items[0][price]=%s%s", customer, price,
                 i == 2 ? "&collection_method=send_invoice&days_until_due=3"
                        : "&payment_behavior=default_incomplete");
        CALL(sub, form, "/v1/subscriptions");
        assert_int_equal(vk_pay_doc_get(db, arena, vk_str_z(sub), &row), VK_OK);
        assert_int_equal(vk_pv_parse(arena, row.body, &doc), VK_OK);
        snprintf(invoice, sizeof invoice, VK_STR_FMT, VK_STR_ARG(vk_pv_text(doc, "latest_invoice")));
        if (i == 0)
            CALL(NULL, "", "/v1/invoices/%s/pay", invoice);
        else if (i == 1)
            CALL(NULL, "", "/v1/invoices/%s/void", invoice);
        else {
            assert_int_equal(vk_pay_doc_get(db, arena, vk_str_z(invoice), &row), VK_OK);
            assert_int_equal(vk_pv_parse(arena, row.body, &doc), VK_OK);
            vk_str token = vk_arena_dup(arena, vk_pv_text(doc, "hosted_token"));
            step("page", token.p, PAYS, vk_pay_page_invoice_pay, NULL);
        }
        vk_arena_free(arena);
    }
    CALL(NULL, "cancel_at_period_end=true", "/v1/subscriptions/%s", sub);
    char at[2 * ID];
    snprintf(at, sizeof at, "/v1/customers/%s", customer);
    step("DELETE", at, "", NULL, NULL);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    if (!folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/payments.db", dir);
    now = NOW;
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
    VK_UNUSED(alloc_torture); /* here it is steps that are repeated */
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT);
    return vk_digest_init() == VK_OK && vk_sqlite_init() == VK_OK && vk_pay_schema_start(&why) == VK_OK ? 0
                                                                                                        : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {T(intents), T(checkout), T(invoices)};
    return cmocka_run_group_tests(tests, init, NULL);
}
