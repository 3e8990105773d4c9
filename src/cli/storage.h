/* What the storage commands share. */
#ifndef VK_CLI_STORAGE_H
#define VK_CLI_STORAGE_H

#include "cli/build.h"

enum { VK_STORAGE_TARGET = VK_SERVICE_TARGET };

/* vk_service_target for this service. */
VK_MUSTCHECK int vk_storage_target(const char *command, const char *id, const char *call,
                                   const char *const query[], char out[VK_STORAGE_TARGET]);

/* The content type that a file's name suggests, or NULL. */
const char *vk_storage_type(const char *name);

#endif
