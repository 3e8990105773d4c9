/* Stripe's search query language: `email:"a@b.c" AND -metadata["plan"]:"free"`.
 *
 * Clauses are a field, an operator and a value; all joined by AND (or a blank), or all by OR, at most ten,
 * without brackets; '-' before one negates it. Operators: ':' equal, '~' contains (three characters at
 * least), '>' '<' '>=' '<=' of numbers. Values stand in quotes of either kind, with \ before a quote that is
 * meant; numbers and `null` (the field has no value) may stand without. Texts are compared without regard to
 * case (ASCII). Which fields a resource is searched by, and what each may be asked, is a table.
 * Source: https://docs.stripe.com/search */
#ifndef VK_PAY_SEARCH_H
#define VK_PAY_SEARCH_H

#include "services/payments/value.h"

enum {
    VK_PAY_QUERY_MAX = 5000, /* bytes */
    VK_PAY_CLAUSES_MAX = 10,
    VK_PAY_CONTAINS_MIN = 3, /* characters */
};

typedef struct vk_pay_query vk_pay_query;

/* `object` is the resource's name ("payment_intent"). Everything is in the arena, `text` is not needed
 * afterwards. VK_E_INVALID: *why_r is Stripe's sentence, for the parameter "query". VK_E_UNSUPPORTED: such
 * objects are not searched. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_pay_search_parse(vk_arena *a, vk_str object, vk_str text, const vk_pay_query **out_r,
                                        const char **why_r);
/* Whether a stored document is what was asked for. */
bool vk_pay_search_match(const vk_pay_query *q, const vk_pv *doc);
/* The same of its JSON as it is stored, without reading it: false says that it is not. For many documents,
 * most of which are not meant. */
bool vk_pay_search_may(const vk_pay_query *q, vk_str json);

#endif
