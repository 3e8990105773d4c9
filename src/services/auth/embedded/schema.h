/* The tables of auth.db, as steps from one version to the next: `user_version` is the number of steps that
 * were made. A step that was released is never edited. */
#ifndef VK_AUTH_SCHEMA_H
#define VK_AUTH_SCHEMA_H

#include "core/base.h"

enum { VK_AUTH_SCHEMA = 1 };

extern const char *const vk_auth_schema[VK_AUTH_SCHEMA];

#endif
