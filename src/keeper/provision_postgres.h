/* The driver of builds' databases at a PostgreSQL server. */
#ifndef VK_KEEPER_PROVISION_POSTGRES_H
#define VK_KEEPER_PROVISION_POSTGRES_H

#include "http/exchange.h"
#include "keeper/provision.h"

extern const vk_provisioner vk_provision_postgres;

#endif
