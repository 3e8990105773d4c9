/* What clerk-js asks for first: the settings of a build's Clerk instance. About 4 KiB that are the same for
 * every build but for a few values; so it is a text with places in it. What is off here is what valetkey does
 * not have. */
#ifndef VK_AUTH_ENVIRONMENT_H
#define VK_AUTH_ENVIRONMENT_H

#include "core/buf.h"

typedef struct vk_auth_environment {
    vk_str instance;                           /* ins_<build> */
    vk_str application_name;                   /* for people; any text */
    vk_str clerk_js_version;                   /* the major that the app's SDK loads: "5", "6" */
    vk_str home_url, sign_in_url, sign_up_url; /* may be empty */
    bool hides_users;                          /* vk_auth_hides_users */
    bool partitioned;                          /* vk_auth_is_partitioned: the same answer as in handshakes */
} vk_auth_environment;

/* Appends it; out->err says when there is no room (8 KiB are enough for short texts). */
void vk_auth_environment_write(vk_buf *out, const vk_auth_environment *e);

#endif
