/* Web origins (RFC 6454 §6.1) that operators write down: "scheme://host[:port]". */
#ifndef VK_ADMIN_ORIGIN_H
#define VK_ADMIN_ORIGIN_H

#include "core/arena.h"

/* Checks and normalises: http or https; host in lower case, a name, an IPv4 or a bracketed IPv6 address; the
 * scheme's own port is left out, as browsers do. No path, query, user or wildcard. VK_E_INVALID: *why_r is a
 * static text that goes on from "the origin …". Pure. */
VK_MUSTCHECK vk_err vk_origin_parse(vk_arena *a, vk_str text, vk_str *out_r, const char **why_r);

#endif
