#include "services/payments/stripe/broker.h"

#include "services/payments/inside.h"

#define FORM VK_STR("application/x-www-form-urlencoded")

/* ---- answers of ours */

void vk_stripe_refuse(vk_stripe_ask *q, const vk_stripe_refusal *why)
{
    const vk_pay_org o = {
        .status = why->status, .code = why->code, .param = why->param, .message = why->message};
    vk_pay_org_error(q->c->ex, &o);
}

/* What is between the app and Stripe, as its SDK understands it: 5xx is tried again unless
 * Stripe-Should-Retry says no (stripe-node, _shouldRetry). */
static const struct {
    vk_err e;
    int status;
    const char *code;
    enum { NEVER, AS_IS, ALWAYS } retry;
    const char *message;
} failures[] = {
    {VK_E_BUSY, 429, "rate_limit", ALWAYS, "Too many requests wait for Stripe. Try again"},
    {VK_E_TIMEOUT, 503, NULL, AS_IS, "Stripe did not answer in time"},
    {VK_E_UNAVAILABLE, 503, NULL, AS_IS, "Stripe cannot be reached"},
    {VK_E_TOO_LARGE, 500, NULL, NEVER, "Stripe's answer is larger than valetkey takes"},
    {VK_E_INVALID, 502, NULL, AS_IS, "What came in place of an answer of Stripe's is none"},
    {VK_E_IO, 502, NULL, AS_IS, "What came in place of an answer of Stripe's is none"},
    {VK_E_NOMEM, 500, NULL, AS_IS, "An error occurred in valetkey"},
};

static void org_says_no(vk_stripe_ask *q, bool key)
{
    const vk_pay_org o = {
        .status = key ? 500 : 403,
        .message =
            key ? VK_STR("Stripe refused the organisation's key. Whoever runs valetkey can find out why "
                         "(valetkey keys check stripe).")
                : VK_STR("The organisation's key may not do this at Stripe. Whoever runs valetkey can "
                         "find out why (valetkey keys check stripe).")};
    vk_pay_org_error(q->c->ex, &o);
}

void vk_stripe_failed(vk_stripe_ask *q, vk_err e, bool unsent, const char *why)
{
    vk_exchange *ex = q->c->ex;
    size_t i = 0;
    if (q->upstream && (e == VK_E_UNAUTHORIZED || e == VK_E_FORBIDDEN)) {
        org_says_no(q, e == VK_E_UNAUTHORIZED);
        return;
    }
    if (e == VK_E_UNAUTHORIZED || e == VK_E_EXPIRED) { /* keeper saw it end before front did */
        vk_pay_no_answer(ex, VK_PAY_BAD_KEY, VK_STR_NONE);
        return;
    }
    if (e == VK_E_FORBIDDEN || e == VK_E_NOT_FOUND) {
        vk_pay_no_answer(ex, VK_PAY_ABSENT, VK_STR_NONE);
        return;
    }
    while (i < VK_COUNT(failures) - 1 && failures[i].e != e)
        i++;
    vk_pay_org o = {.status = failures[i].status,
                    .code = failures[i].code,
                    .retry =
                        failures[i].retry == ALWAYS || (failures[i].retry == AS_IS && (q->again || unsent))};
    o.message = why && *why ? vk_arena_printf(ex->arena, "%s: %s.", failures[i].message, why)
                            : vk_arena_printf(ex->arena, "%s.", failures[i].message);
    if (!o.message.p)
        o.message = VK_STR("An error occurred in valetkey.");
    vk_pay_org_error(ex, &o);
}

vk_err vk_stripe_head_ok(const vk_head *h)
{
    vk_str encoding = vk_head_get(h, VK_STR("content-encoding")), type = h->content_type, kind;
    if (h->status == 401 || h->status == 403)
        return h->status == 401 ? VK_E_UNAUTHORIZED : VK_E_FORBIDDEN;
    if (h->status < 200 || (h->status >= 300 && h->status < 400))
        return VK_E_INVALID;
    if (encoding.n && !vk_str_ieq(encoding, VK_STR("identity")))
        return VK_E_INVALID;
    if (vk_str_cut(&type, ';', &kind))
        type = kind;
    return vk_str_ieq(vk_str_trim(type), VK_STR("application/json")) ? VK_OK : VK_E_INVALID;
}

/* ---- head */

/* An id that can be part of a path: keeper lets no other through. */
static bool path_part(vk_str id)
{
    bool dots = id.n && id.n <= 2;
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = (unsigned char)id.p[i];
        if (c < ' ' || c > '~' || strchr("/\\%;?#", c))
            return false;
        dots = dots && c == '.';
    }
    return id.n && !dots;
}

bool vk_stripe_admit(vk_pay_call *c, const vk_binding *b, vk_stripe_ask **ask_r)
{
    vk_exchange *ex = c->ex;
    const char *why = NULL;
    vk_stripe_ask *q = VK_NEW(ex->arena, vk_stripe_ask);
    const vk_tenant *t = ex->principal;
    *ask_r = NULL;
    if (!q) {
        vk_pay_no_answer(ex, VK_PAY_BROKEN, VK_STR_NONE);
        return false;
    }
    q->c = c;
    q->soft = vk_str_eqz(vk_binding_value(b, "soft"), "yes");
    if (q->soft && vk_header_add(ex, "Valetkey-Isolation", VK_STR("soft")) != VK_OK) {
        vk_pay_no_answer(ex, VK_PAY_BROKEN, VK_STR_NONE);
        return false;
    }
    if (!vk_stripe_find(ex->method, ex->path, &q->found)) {
        vk_pay_no_answer(ex, vk_pay_absent(ex->method, ex->path) ? VK_PAY_ABSENT : VK_PAY_NO_ROUTE,
                         VK_STR_NONE);
        return false;
    }
    unsigned does = q->found.call->does;
    if ((does & VK_STRIPE_LOCAL) || (q->soft && (does & VK_STRIPE_SHARED)))
        return true;
    if (c->publishable) { /* the app's browser has Stripe's own, and speaks to Stripe */
        vk_pay_no_answer(ex, VK_PAY_PUBLISHABLE, VK_STR_NONE);
        return false;
    }
    vk_err e = vk_pay_ids(ex->arena, q->found.id, &why);
    for (size_t i = 0; e == VK_OK && i < q->found.n; i++)
        if (!path_part(q->found.id[i])) {
            const vk_stripe_need need = {.id = q->found.id[i],
                                         .word = q->found.kind[i] ? q->found.kind[i]->word : "object"};
            vk_stripe_refusal no;
            if (vk_stripe_need_refuse(ex->arena, &need, &no) == VK_E_INVALID)
                vk_stripe_refuse(q, &no);
            else
                vk_pay_no_answer(ex, VK_PAY_BROKEN, VK_STR_NONE);
            return false;
        }
    q->tag = q->soft ? vk_arena_printf(ex->arena, "%s.%llu", t->id, (unsigned long long)t->generation)
                     : VK_STR(""); /* the account is the build's */
    if (e == VK_E_INVALID)
        vk_pay_refuse_param(ex, VK_STR("id"), why);
    else if (e != VK_OK || !q->tag.p)
        vk_pay_no_answer(ex, VK_PAY_BROKEN, VK_STR_NONE);
    if (e != VK_OK || !q->tag.p)
        return false;
    ex->body_max = VK_PAY_BODY_MAX;
    *ask_r = q;
    return true;
}

/* ---- what goes out */

static vk_err text_of(vk_arena *a, vk_buf *b, vk_str *out_r)
{
    vk_err e = b->err;
    if (e == VK_OK) {
        *out_r = vk_arena_dup(a, vk_buf_view(b));
        e = out_r->p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(b);
    return e;
}

static vk_err write_target(vk_stripe_ask *q, vk_arena *a, vk_str query)
{
    vk_buf b;
    size_t id = 0;
    vk_buf_init(&b, VK_STRIPE_QUERY_MAX + 4096);
    for (const char *p = q->found.call->path; *p;) {
        if (*p != ':') {
            vk_buf_ch(&b, *p++);
            continue;
        }
        vk_stripe_path_write(&b, q->found.id[id++]);
        while (*p && *p != '/')
            p++;
    }
    if (query.n) {
        vk_buf_ch(&b, '?');
        vk_buf_str(&b, query);
    }
    return text_of(a, &b, &q->target);
}

vk_err vk_stripe_write(vk_stripe_ask *q, vk_arena *a)
{
    bool post = vk_str_eqz(q->method, "POST");
    vk_str text = VK_STR("");
    vk_buf b;
    vk_buf_init(&b, post ? VK_STRIPE_BODY_MAX : VK_STRIPE_QUERY_MAX);
    vk_stripe_form_write(&b, q->form);
    vk_err e = text_of(a, &b, &text);
    if (e == VK_OK)
        e = write_target(q, a, post ? VK_STR("") : text);
    q->body = post ? text : VK_STR("");
    q->content_type = post ? FORM : VK_STR("");
    return e;
}

static vk_err write_lines(vk_stripe_ask *q, vk_arena *a)
{
    vk_str version = vk_request_header(q->c->ex, VK_STR("stripe-version"));
    vk_str key = q->c->idempotency_key;
    vk_buf b;
    vk_buf_init(&b, 4096);
    if (version.n) {
        vk_buf_lit(&b, "Stripe-Version: ");
        vk_buf_str(&b, version);
        vk_buf_lit(&b, "\r\n");
    }
    if (key.n) {
        vk_buf_lit(&b, "Idempotency-Key: ");
        vk_buf_str(&b, key);
        vk_buf_lit(&b, "\r\n");
    }
    return text_of(a, &b, &q->lines);
}

/* ---- a connected account: the answer streams back */

static vk_err connect_head(vk_forward *f, const vk_head *h)
{
    vk_stripe_ask *q = f->arg;
    q->upstream = h->status;
    vk_err e = vk_stripe_head_ok(h);
    if (e == VK_OK && q->c->idempotency_key.n)
        e = vk_header_add(f->ex, "Idempotency-Key", q->c->idempotency_key);
    if (e == VK_OK)
        vk_header_lines(f->ex, "X-Content-Type-Options: nosniff\r\nCache-Control: no-cache, no-store\r\n");
    return e;
}

static void connect_failed(vk_forward *f, vk_err e, bool retry, const char *why)
{
    VK_UNUSED(retry); /* what Stripe may have done already is known here better */
    vk_stripe_failed(f->arg, e, false, why);
}

static const vk_forward_ways connect_ways = {.head = connect_head, .failed = connect_failed};

static void connect_request(vk_stripe_ask *q)
{
    vk_exchange *ex = q->c->ex;
    vk_forward *f;
    const vk_forward_ask ask = {.kind = 's',
                                .hash = vk_service_hash_of(ex),
                                .method = q->method,
                                .target = q->target,
                                .lines = q->lines,
                                .content_type = q->content_type,
                                .body = q->body,
                                .again = q->again,
                                .ways = &connect_ways,
                                .arg = q};
    vk_err e = vk_forward_begin(ex, &ask, &f);
    if (e != VK_OK)
        vk_stripe_failed(q, e, true, ""); /* nothing was sent */
}

/* ---- the form is there */

void vk_stripe_request(vk_stripe_ask *q, vk_pv *form)
{
    vk_pay_call *c = q->c;
    vk_arena *a = c->ex->arena;
    vk_stripe_refusal why = {0};
    vk_count(&vk_pay_count.calls, 1);
    q->form = form;
    q->method = c->ex->method;
    q->again = vk_str_eqz(q->method, "GET") || c->idempotency_key.n;
    vk_err e = vk_stripe_params_check(a, form, q->soft, &why);
    if (e == VK_E_INVALID) {
        vk_stripe_refuse(q, &why);
        return;
    }
    if (e == VK_OK)
        e = write_lines(q, a);
    if (e == VK_OK && q->soft) {
        vk_stripe_soft_request(q);
        return;
    }
    if (e == VK_OK)
        e = vk_stripe_write(q, a);
    if (e == VK_OK)
        connect_request(q);
    else if (e == VK_E_TOO_LARGE)
        vk_pay_refuse_param(c->ex, VK_STR_NONE, "This request is larger than valetkey sends to Stripe.");
    else
        vk_stripe_failed(q, e, false, "");
}
