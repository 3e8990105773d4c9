/* Who may call the admin API. */
#ifndef VK_ADMIN_ACCESS_H
#define VK_ADMIN_ACCESS_H

#include "valetkey/service.h"

/* The token of "Bearer <token>" (scheme in any case). VK_SECRET_NONE: there is none. Pure. */
vk_secret vk_bearer(vk_secret authorization);
/* VK_OK, or the kind; *why_r is a sentence. `metrics`: the token for /metrics will do, too. Unix sockets
 * (server->names NULL) need the right uid too. */
VK_MUSTCHECK vk_err vk_admin_check(const vk_exchange *ex, const vk_runtime *rt, bool metrics,
                                   const char **why_r);
/* Refuses what a browser sends for a page of someone else. A page needs the token anyway, and nothing here is
 * ambient; this is the second bolt. */
VK_MUSTCHECK vk_err vk_admin_check_site(const vk_exchange *ex, const char **why_r);

#endif
