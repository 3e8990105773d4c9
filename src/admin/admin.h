/* The console port and admin.sock: admin API /api/v1, GET /healthz, the status page. */
#ifndef VK_ADMIN_H
#define VK_ADMIN_H

#include "valetkey/service.h"

/* Its server's ctx is a vk_worker with service NULL and index -1. Over admin.sock (server->names NULL) the
 * peer's uid must be ours or root's *and* the bearer token right; over TCP the bearer token alone decides. */
extern const vk_handler vk_admin_handler;

/* At start, before anybody else uses rt->store: builds that were made before a service was there get valet
 * keys for it. *n_r: how many keys. */
VK_MUSTCHECK vk_err vk_admin_join_services(const vk_runtime *rt, size_t *n_r);

#endif
