/* What a build's time has come for: sessions that expire, subscriptions that end, money that was not
 * captured. */
#include "services/payments/billing.h"
#include "services/payments/charge.h"

enum {
    /* What is done at once, at least one; the others come with the next turn. One may be as large as a
     * document, and what a call can hold and tell of is bounded. */
    DUE_AT_ONCE = 50,
    DUE_BYTES = 4 << 20, /* of the arena */
    DUE_EVENTS = 8,      /* that one makes at most */
};

typedef struct waiting {
    vk_pay_call *c;
    vk_str ids[DUE_AT_ONCE];
    size_t n;
    vk_err e;
} waiting;

static bool one(void *arg, vk_str id)
{
    waiting *w = arg;
    vk_str copy = vk_arena_dup(w->c->arena, id);
    if (!copy.p) {
        w->e = VK_E_NOMEM;
        return false;
    }
    w->ids[w->n++] = copy;
    return w->n < DUE_AT_ONCE;
}

static vk_err due(vk_pay_call *c, vk_str id)
{
    static const struct {
        const vk_pay_resource *resource;
        vk_err (*run)(vk_pay_call *c, vk_pv *doc);
    } kinds[] = {
        {&vk_pay_r_session, vk_pay_checkout_due},
        {&vk_pay_r_subscription, vk_pay_subscription_due},
        {&vk_pay_r_payment_intent, vk_pay_hold_due},
    };
    /* First, so that nothing is due for ever; what it waits for next it puts itself. */
    vk_err e = vk_pay_due_put(c->db, id, 0);
    for (size_t i = 0; i < VK_COUNT(kinds) && e == VK_OK; i++) {
        vk_pv *doc;
        e = vk_pay_get(c, kinds[i].resource, id, &doc);
        if (e == VK_OK)
            return kinds[i].run(c, doc);
        if (e == VK_E_NOT_FOUND)
            e = VK_OK;
    }
    return e;
}

vk_err vk_pay_due(vk_pay_call *c)
{
    waiting w = {.c = c};
    size_t before = vk_arena_used(c->arena);
    vk_err e = vk_pay_due_list(c->db, c->now_ms, one, &w);
    if (e == VK_OK)
        e = w.e;
    for (size_t i = 0; i < w.n && e == VK_OK; i++) {
        bool full =
            vk_arena_used(c->arena) - before > DUE_BYTES || c->events + DUE_EVENTS > VK_PAY_EVENTS_MAX;
        if (i && full)
            return vk_pay_wake_at(c, c->now_ms);
        e = due(c, w.ids[i]);
    }
    return e == VK_OK && w.n == DUE_AT_ONCE ? vk_pay_wake_at(c, c->now_ms) : e;
}
