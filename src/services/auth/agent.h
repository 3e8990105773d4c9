/* What a User-Agent says of somebody's device, in the few words by which they know it again in the list of
 * their sessions: "Chrome 141", "iPhone". A guess from what every browser claims (RFC 9110 §10.1.5); nothing
 * is decided by it. */
#ifndef VK_AUTH_AGENT_H
#define VK_AUTH_AGENT_H

#include "core/base.h"

enum { VK_AUTH_AGENT_VERSION_MAX = 12 };

typedef struct vk_auth_agent {
    const char *browser, *device; /* static texts, or NULL: not known */
    vk_str version;               /* the major one, digits: a view of the text; empty: not known */
    bool mobile;
} vk_auth_agent;

vk_auth_agent vk_auth_agent_read(vk_str user_agent);

#endif
