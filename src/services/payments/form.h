/* Forms of Stripe's v1 API: "a[b][]=1&a[c]=2" as a tree. Query strings of GET and DELETE are the same.
 *
 * `+` is a blank, %XX are bytes, the result must be UTF-8 without NUL. A container is an array when its
 * segments are empty (appended) or digits (sorted by number; nothing is allocated by a number), else a map;
 * digits among names are names. Elements keep their digits as `key`, so that who expects a map
 * ("metadata[7]") has its names: only the type of the container is to be changed. The members of
 * "a[][x]=1&a[][y]=2" go into one element, "a[][x]=1&a[][x]=2" makes two. The same name twice: the last one
 * counts. All leaves are VK_PV_STR. Source: what the stripe SDKs of Node, Python, PHP and curl send. */
#ifndef VK_PAY_FORM_H
#define VK_PAY_FORM_H

#include "services/payments/value.h"

enum {
    VK_PAY_FORM_MAX = 1 << 20, /* bytes */
    VK_PAY_FORM_PAIRS = 2000,
    VK_PAY_FORM_DEPTH = 10,  /* brackets in a name */
    VK_PAY_FORM_NAME = 1024, /* bytes of a whole name, decoded */
};

/* VK_E_INVALID: *why_r is a sentence (static) and *param_r the name it is about (VK_STR_NONE: none).
 * VK_E_TOO_LARGE: a limit above, likewise. VK_E_NOMEM. *out_r is an object. `into` may be an object that the
 * pairs are added to (a DELETE may have both query and body); NULL: a new one. */
VK_MUSTCHECK vk_err vk_pay_form(vk_arena *a, vk_str text, vk_pv *into, vk_pv **out_r, const char **why_r,
                                vk_str *param_r);
/* %XX as bytes, in the arena; with `plus` a `+` is a blank. VK_E_INVALID: *why_r is a sentence (static): an
 * escape that is none, bytes that are no UTF-8, a NUL. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_pay_unescape(vk_arena *a, vk_str in, bool plus, vk_str *out_r, const char **why_r);

#endif
