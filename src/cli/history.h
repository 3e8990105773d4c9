/* What was typed at the SQL prompt, kept for the next session: ~/.local/state/valetkey/history (or below
 * XDG_STATE_HOME), 0600, in a folder of 0700. Lines that may hold a secret are not written. */
#ifndef VK_CLI_HISTORY_H
#define VK_CLI_HISTORY_H

#include "core/buf.h"

enum { VK_HISTORY_LINES = 1000, VK_HISTORY_LINE = 4096 };

typedef struct vk_history {
    char path[PATH_MAX]; /* "": nothing is written */
    char *line[VK_HISTORY_LINES];
    size_t n;
} vk_history;

/* False for what begins with a blank, holds something of a key's shape, or a text in quotes beside a word
 * such as password or token. Judge a statement as a whole. Pure. */
bool vk_history_may_keep(vk_str statement);
/* Reads the file; one that is absent or cannot be read is an empty one. `path` NULL: the usual place. */
void vk_history_open(vk_history *h, const char *path);
/* Forgets what is in memory. */
void vk_history_close(vk_history *h);
/* Into memory: a line without its newline. An empty one, or the same again, is left out. */
void vk_history_add(vk_history *h, vk_str line);
/* Into the file: the lines of a statement. Never an error: a prompt without a memory is a prompt. */
void vk_history_keep(vk_history *h, vk_str statement);

#endif
