/* Between the files of the spine: service.c, front.c, answer.c, docs.c, idempotent.c, and those that make
 * calls of their own (operator.c, wake.c). Handlers need call.h only. */
#ifndef VK_PAY_INSIDE_H
#define VK_PAY_INSIDE_H

#include "services/payments/call.h"

/* ---- front.c */

extern const vk_handler vk_pay_handler;

/* A call that comes from no API request: of the operator, of what is due. The rest is the caller's to set;
 * its version is the newest until vk_pay_begin. `ex` may be NULL. */
void vk_pay_call_init(vk_pay_call *c, vk_exchange *ex, vk_arena *arena, vk_pay_pool *pool);
/* On the strand, first: the database, the time, the build's default version. Errors as vk_pay_pool_db. */
VK_MUSTCHECK vk_err vk_pay_begin(vk_pay_call *c);

/* ---- answer.c: on the loop unless it says otherwise */

/* The body of the refusal or of an error into `out`; on the strand. */
void vk_pay_error_body(vk_pay_call *c, vk_err e, vk_buf *out, int *status_r);
/* Answers with what is in ex->out. */
void vk_pay_answer(vk_exchange *ex, const vk_pay_call *c, int status);
/* A refusal before there is a call. `c` may be NULL. */
typedef enum vk_pay_no {
    VK_PAY_NO_KEY,       /* none was given */
    VK_PAY_BAD_KEY,      /* 401; `text`: the key, of which a few characters are shown */
    VK_PAY_OLD_KEY,      /* expired */
    VK_PAY_PUBLISHABLE,  /* 403 */
    VK_PAY_NO_ROUTE,     /* 404 */
    VK_PAY_ABSENT,       /* 404: an endpoint of Stripe's that is not here */
    VK_PAY_NO_PAGE,      /* 404, HTML */
    VK_PAY_FOREIGN_PAGE, /* 403, HTML: a form that is not ours */
    VK_PAY_BROKEN_PAGE,  /* 500, HTML */
    VK_PAY_TOO_MANY,     /* 429 */
    VK_PAY_BROKEN,       /* 500 */
} vk_pay_no;
void vk_pay_no_answer(vk_exchange *ex, vk_pay_no why, vk_str text);
void vk_pay_refuse_engine(vk_exchange *ex, int status, vk_err e, const char *text);
/* 400 before there is a call, about a parameter (VK_STR_NONE: none) that cannot be read. Of a page: HTML. */
void vk_pay_refuse_param(vk_exchange *ex, vk_str param, const char *text);
/* Of a call that Stripe answers, or should have. */
typedef struct vk_pay_org {
    int status;
    const char *code; /* NULL: none */
    vk_str param, message;
    bool retry; /* its SDK tries again */
} vk_pay_org;
void vk_pay_org_error(vk_exchange *ex, const vk_pay_org *o);
/* With what is in ex->out; Valetkey-Served-By is said. */
void vk_pay_org_answer(vk_exchange *ex, int status);
/* "req_" and 14 characters. */
void vk_pay_request_id(char out[20]);

/* ---- webhook_endpoint.c */

/* On the loop, before the strand: c->origins, where the call needs them. */
VK_MUSTCHECK vk_err vk_pay_origins_load(vk_pay_call *c);
/* On the strand, last: the answer in ex->out gets what is shown but kept nowhere, also when it is an earlier
 * call's: the secret of a webhook endpoint. Nothing for other calls. */
VK_MUSTCHECK vk_err vk_pay_show_secret(vk_pay_call *c);

/* ---- idempotent.c: on the strand */

/* VK_OK: the answer of an earlier call is in ex->out, with *status_r. VK_E_NOT_FOUND: go on. VK_E_INVALID:
 * refused (the key was used for something else). */
VK_MUSTCHECK vk_err vk_pay_replay(vk_pay_call *c, const vk_pv *form, int *status_r);
/* Keeps the answer in ex->out. */
VK_MUSTCHECK vk_err vk_pay_keep_answer(vk_pay_call *c, int status);

typedef struct vk_pay_counts {
    _Atomic uint64_t calls, refused, unsupported, limited, replayed, pages;
} vk_pay_counts;
extern vk_pay_counts vk_pay_count;

#endif
