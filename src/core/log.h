/* The log: one line a record on standard error, "<time> <level> <role> <text>". Never pass a secret: what a
 * line may hold are ids, counts, states and short error texts of ours. */
#ifndef VK_LOG_H
#define VK_LOG_H

#include "core/base.h"

typedef enum vk_level { VK_DEBUG, VK_INFO, VK_WARN, VK_ERROR } vk_level;

/* `role` is a literal ("front"). Call once, before threads start. */
void vk_log_init(const char *role, vk_level least);
/* Control characters in the text are shown as '?', the line is cut at 1,024 bytes. Thread-safe. */
void vk_log(vk_level level, const char *fmt, ...) VK_PRINTF(2, 3);
/* errno as a text, thread-safe, valid until the thread's next call. */
const char *vk_errno_text(int err);

#endif
