/* The tables of payments.db, as steps from one version to the next: `user_version` is the number of steps
 * that were made. A step that was released is never edited. */
#ifndef VK_PAY_DB_SCHEMA_H
#define VK_PAY_DB_SCHEMA_H

#include "core/base.h"

enum { VK_PAY_SCHEMA = 2 };

extern const char *const vk_pay_schema[VK_PAY_SCHEMA];

#endif
