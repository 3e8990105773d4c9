/* Delivers events to apps: after the commit, in order, with retries, by courier (which alone speaks to hosts
 * that others named). What is to be delivered is on disk with the change; this only keeps time.
 *
 * hooks.c which builds have something due, the connections to courier · hooks_turn.c a build's strand: what
 * is due, what came of it · wake.c the times. */
#ifndef VK_PAY_HOOKS_H
#define VK_PAY_HOOKS_H

#include "services/payments/call.h"

/* Where the default endpoint is: setting of the build. Not there: VK_PAY_DEFAULT_PATH on its first origin;
 * "/…": another path; "http…": another address; "off": there is none. */
#define VK_PAY_WEBHOOK_SETTING "webhook"

/* Something of the build is due at that time: noted in the call, for vk_pay_hooks_committed. */
static inline void vk_pay_hooks_due(vk_pay_call *c, int64_t at_ms)
{
    if (!c->wake_ms || at_ms < c->wake_ms)
        c->wake_ms = at_ms;
}

/* After the commit of a call: what it made is sent from now on. Any thread; the call must still be there.
 * Costs next to nothing when it made nothing that is due. Not after a call that was undone. */
void vk_pay_hooks_committed(const vk_pay_call *c);

/* After vk_pay_hooks_committed, before a page leads back to the app: whether the app should first have got
 * what the call told it (checkout.session.completed). True: the exchange is given away, and `then` gets it by
 * vk_exchange_post when each receiver has answered once, whatever it said, after 5 s at the latest. False:
 * nothing is waited for. Any thread; the last that is done with the exchange. */
VK_MUSTCHECK bool vk_pay_hooks_wait(vk_pay_call *c, void (*then)(vk_exchange *ex));

/* events.c: the event that a page waits for, and how many deliveries of it there are; false: the call made
 * none. */
bool vk_pay_told(const vk_pay_call *c, vk_str *event_r, int64_t *pending_r);

/* Once in front, after the pools have started; and before they stop. */
VK_MUSTCHECK vk_err vk_pay_hooks_start(vk_runtime *rt, int index);
void vk_pay_hooks_stop(void);

typedef struct vk_pay_hook_counts {
    uint64_t sent, delivered, failed, under_way;
} vk_pay_hook_counts;
void vk_pay_hooks_count(vk_pay_hook_counts *out_r);

#endif
