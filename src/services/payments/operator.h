/* Between operator.c and what it calls: calls of the admin API, on the build's strand. */
#ifndef VK_PAY_OPERATOR_H
#define VK_PAY_OPERATOR_H

#include "services/payments/inside.h"
#include "services/payments/origins.h"

typedef struct vk_pay_asked {
    vk_pay_call c; /* without an exchange; c.db is NULL where there is none yet */
    vk_pay_job job;
    vk_exchange *ex;
    const struct vk_pay_op *op;
    vk_str id;    /* of the path */
    vk_pv *query; /* an object of texts */
    vk_pv *body;  /* an object */
    vk_build build;
    vk_pay_origins origins;
    vk_pv *out; /* the answer */
    vk_err e;
} vk_pay_asked;

/* seed.c */
vk_err vk_pay_seed(vk_pay_asked *x);
vk_err vk_pay_catalogue(vk_pay_asked *x);

/* events.c: the event goes once more to the endpoint of that id, or to all that want it (VK_STR_NONE). *n_r:
 * so many deliveries. */
VK_MUSTCHECK vk_err vk_pay_event_resend(vk_pay_call *c, const vk_pv *event, vk_str endpoint, int64_t *n_r);

extern const vk_operator vk_pay_operator;

#endif
