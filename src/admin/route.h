/* The table of the admin API's calls and how a request finds its row. */
#ifndef VK_ADMIN_ROUTE_H
#define VK_ADMIN_ROUTE_H

#include "core/base.h"

enum { VK_ROUTE_PARAMS = 3 };

/* METRICS: the token for /metrics, or the admin token. */
typedef enum vk_route_auth { VK_AUTH_NONE, VK_AUTH_METRICS, VK_AUTH_TOKEN } vk_route_auth;

struct vk_call;

typedef struct vk_route {
    const char *method, *pattern; /* "{}" stands for one segment, which becomes a parameter */
    size_t body_max;
    vk_route_auth auth;
    void (*run)(struct vk_call *c); /* on the exchange's loop, with the body; answers now or later */
} vk_route;

/* The row for a method and an undecoded path; HEAD counts as GET. VK_E_NOT_FOUND: no row has that path.
 * VK_E_METHOD: some have, *allow_r lists their methods ("GET, POST"; in `allow`, at least 64 bytes). Pure. */
VK_MUSTCHECK vk_err vk_route_find(const vk_route *table, size_t n, vk_str method, vk_str path,
                                  const vk_route **out_r, vk_str params[VK_ROUTE_PARAMS], char allow[64]);

#endif
