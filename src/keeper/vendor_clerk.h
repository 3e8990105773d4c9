/* Between the files of the vendor Clerk: vendor_clerk.c has its fields and calls, provision_clerk.c makes
 * applications. */
#ifndef VK_KEEPER_VENDOR_CLERK_H
#define VK_KEEPER_VENDOR_CLERK_H

#include "keeper/provision.h"

extern const vk_provisioner vk_provision_clerk;

/* Whether both are of one development instance, as Clerk makes them: pk_test_… whose host is below
 * accounts.dev (or lcl.dev, of older ones), and sk_test_…. Browsers load the sign-in from that host, and are
 * sent nowhere else. Pure. */
bool vk_clerk_development(vk_str publishable_key, vk_str secret_key);

#endif
