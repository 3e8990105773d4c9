/* What courier answers on the socketpair. It has no other way in, no vault and no build data.
 *   GET /healthz    200, JSON {"status":"ok","role":"courier"}
 * Anything else is 404; a body is refused. */
#ifndef VK_COURIER_H
#define VK_COURIER_H

#include "http/server.h"

extern const vk_handler vk_courier_handler;

#endif
