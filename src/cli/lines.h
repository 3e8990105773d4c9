/* Lines typed at a terminal: the usual keys to edit one, the arrows for those typed before. The terminal is
 * as it was whenever no line is being read. */
#ifndef VK_CLI_LINES_H
#define VK_CLI_LINES_H

#include "cli/history.h"

typedef enum vk_typed { VK_TYPED_LINE, VK_TYPED_END, VK_TYPED_DROPPED } vk_typed;

/* Appends a line without its newline. END: Ctrl-D on an empty line, or the terminal is gone. DROPPED: Ctrl-C.
 * `width`: columns of the prompt, which may hold escapes. */
VK_MUSTCHECK vk_typed vk_lines_read(const vk_history *h, const char *prompt, size_t width, vk_buf *out);

#endif
