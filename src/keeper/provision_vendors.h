/* The drivers, for vk_vendor.provisioner (keeper/provision.h). Each is in keeper/provision_<vendor>.c. */
#ifndef VK_KEEPER_PROVISION_VENDORS_H
#define VK_KEEPER_PROVISION_VENDORS_H

#include "keeper/provision.h"

extern const vk_provisioner vk_provision_neon;
extern const vk_provisioner vk_provision_postgres;
extern const vk_provisioner vk_provision_turso;

#endif
