/* Request targets: path and query. */
#ifndef VK_HTTP_URI_H
#define VK_HTTP_URI_H

#include "core/arena.h"

/* Splits an origin-form target at the first '?'. Neither part is decoded. A '#' is VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_uri_split(vk_str target, vk_str *path_r, vk_str *query_r);
/* %XX decoded (never '+'), NUL and bad escapes are VK_E_INVALID. The result may be the input itself. */
VK_MUSTCHECK vk_err vk_uri_decode(vk_arena *a, vk_str text, vk_str *out_r);
/* The same with '+' as a blank: names and values of forms and queries. */
VK_MUSTCHECK vk_err vk_form_decode(vk_arena *a, vk_str text, vk_str *out_r);
/* The value of `name` in an application/x-www-form-urlencoded query, decoded ('+' is a blank). VK_E_NOT_FOUND
 * when it is absent; the first one when it stands twice. */
VK_MUSTCHECK vk_err vk_query_get(vk_arena *a, vk_str query, vk_str name, vk_str *out_r);

#endif
