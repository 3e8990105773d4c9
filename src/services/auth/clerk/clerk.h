/* The driver `clerk`: sign-in at the organisation's own Clerk. Browsers talk to Clerk themselves, by its real
 * publishable key; only the app's server asks here, by the Backend API, where keeper puts the instance's
 * secret key in the place of the build's. All builds of the instance have one pool of users. */
#ifndef VK_AUTH_CLERK_H
#define VK_AUTH_CLERK_H

#include "services/auth/call.h"
#include "services/forward.h"

extern const vk_driver vk_auth_clerk;

/* A call of the Backend API whose key was verified; `rest` is its path below /v1, with its slash. Begins to
 * forward it (c->forward is set then, and vk_forward_request is what comes next), or answers. On the loop. */
void vk_auth_clerk_begin(vk_auth_call *c, vk_str rest);
/* Any other path of such a build: answers. */
void vk_auth_clerk_elsewhere(vk_exchange *ex);

#endif
