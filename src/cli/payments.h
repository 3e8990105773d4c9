/* What the commands about payments share. */
#ifndef VK_CLI_PAYMENTS_H
#define VK_CLI_PAYMENTS_H

#include "core/base.h"

/* "events/<event><after>". VK_E_INVALID: it is no id of an event, which was told, and becomes a part of no
 * path. */
VK_MUSTCHECK vk_err vk_event_call(const char *command, const char *event, const char *after, char *out,
                                  size_t room);

#endif
