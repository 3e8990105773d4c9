/* What calls have in common (generic.c), for handlers that do a part of it themselves.
 *
 * vk_pay_run does what a verb of schema.h says, and an endpoint's `run` comes in between:
 *   CREATE    c->doc is new and has what the parameters say. After `run` it is stored and "<object>.created"
 *             is told, unless `run` has done both and set c->result (vk_pay_store_new).
 *   RETRIEVE  `run` may refuse. With a publishable key, client_secret must be that of the object.
 *   UPDATE    c->doc has what the parameters say already; vk_pay_before has what was.
 *   DELETE    `run` comes before anything is gone. Of products, customers and coupons a stub stays that can
 * be retrieved; others are not there any more. LIST      `run` may change c->params (a filter that is meant
 * when none is given) or refuse. SEARCH, ACTION, PAGE  as in schema.h. */
#ifndef VK_PAY_GENERIC_H
#define VK_PAY_GENERIC_H

#include "services/payments/call.h"

enum {
    VK_PAY_LIST_LEN = 10, /* elements when there is no `limit` */
    VK_PAY_LIST_MAX = 100,
    /* Of documents in one answer: a list of larger ones ends early and says that there are more, so that what
     * an SDK reads on from is an answer. */
    VK_PAY_LIST_BYTES = 4 << 20,
    VK_PAY_ANY_MAX = 100, /* values of one filter */
    /* Documents that one search looks at: behind that it answers what it has, and where to go on. */
    VK_PAY_SCAN_MAX = 50000,
    VK_PAY_LOOKED_AT_MAX = 20000, /* of a list with a filter of its own */
    VK_PAY_SCRATCH = 8 << 20,     /* memory for reading one of them */
};

/* Stores a new document and tells "<object>.created" of it, unless its resource is silent. */
VK_MUSTCHECK vk_err vk_pay_store_new(vk_pay_call *c, const vk_pay_resource *r, vk_pv *doc);
/* Stores what has changed and tells "<object>.updated" of it; nothing when nothing has. */
VK_MUSTCHECK vk_err vk_pay_store_changed(vk_pay_call *c, const vk_pay_resource *r, vk_pv *doc);

/* The id that `from` wishes a new object to have (its `id`), or VK_STR_NONE. A deleted object of that id
 * makes room. Refuses: it is taken, or would not do in a path. */
VK_MUSTCHECK vk_err vk_pay_wished_id(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *from,
                                     vk_str *id_r);

/* Answers with the list of c->ep->resource's documents that have these keys, besides what the parameters
 * say: for lists below another object. `url` VK_STR_NONE: the resource's. */
VK_MUSTCHECK vk_err vk_pay_list_of(vk_pay_call *c, const vk_pay_key *keys, size_t n, vk_str url);
/* The same with a filter that no key can be, asked for each row: what it makes in `scratch` lasts until it
 * returns. It is within vk_pay_doc_list, so it may read what that allows. Behind VK_PAY_LOOKED_AT_MAX rows
 * the list answers what it has found, and that there is more; refuses when that is nothing. */
typedef vk_err (*vk_pay_wanted)(vk_pay_call *c, vk_arena *scratch, const vk_pay_row *row, bool *yes_r);
VK_MUSTCHECK vk_err vk_pay_list_where(vk_pay_call *c, const vk_pay_key *keys, size_t n, vk_pay_wanted wanted);
/* Answers with a part of an array of documents, in its order: what lives inside of another object. Elements
 * are found by their `id`. */
VK_MUSTCHECK vk_err vk_pay_list_inner(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *docs,
                                      vk_str url);

#endif
