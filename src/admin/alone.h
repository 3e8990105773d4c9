/* What one build has alone at a vendor: an account, a database. Two builds with the same one would read and
 * write each other's data, since the vendor cannot tell them apart, so the second is refused, unless both say
 * shared=yes. */
#ifndef VK_ADMIN_ALONE_H
#define VK_ADMIN_ALONE_H

#include "admin/call.h"

/* Whether build `id` may be bound like that; otherwise it was answered. On the lane, where nobody else binds
 * between this and the write. Only active builds count: a revoked one reaches the vendor no more. */
VK_MUSTCHECK bool vk_binding_alone(vk_call *c, vk_str id, const vk_binding *b);

#endif
