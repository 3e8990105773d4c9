/* `keys check postgres`: what the role of the organisation's address may do, and whether the server keeps
 * builds apart. */
#ifndef VK_KEEPER_PG_CHECK_H
#define VK_KEEPER_PG_CHECK_H

#include "keeper/vendors.h"

vk_err vk_pg_look_prepare(const struct vk_org *g, vk_vendor_look *l, const char **why_r);
void vk_pg_look(vk_vendor_look *l);

#endif
