/* The Cookie header (RFC 6265 §4.2.1, read as §5.4 lets servers expect it). Pure. */
#ifndef VK_HTTP_COOKIE_H
#define VK_HTTP_COOKIE_H

#include "core/secret.h"

/* The next cookie of a header's value, off its front. False at the end. Pieces without "=" or without a name
 * are skipped; blanks around names and values do not count, quotes are a part of the value. */
bool vk_cookie_next(vk_str *header, vk_str *name_r, vk_secret *value_r);
/* The first cookie of that name, in its exact case. False when there is none, or when two of them differ: a
 * second one may have been set by a page of a sibling domain. */
bool vk_cookie_get(vk_str header, vk_str name, vk_secret *value_r);

#endif
