/* What a command asks the person who gave it. */
#ifndef VK_CLI_ASK_H
#define VK_CLI_ASK_H

#include "core/base.h"

/* The question and " [y/N] ", and whether the answer begins with y. Only a person at a terminal is asked; a
 * script that says so means it: true. */
VK_MUSTCHECK bool vk_ask_yes(const char *fmt, ...) VK_PRINTF(1, 2);
/* A secret from standard input, without the newline at its end: up to the end of the input or, on a terminal,
 * of the line, which is asked for as "`what`: " and not shown. At most room - 2 bytes and no NUL byte.
 * Answers an exit code; when it is not VK_EXIT_OK the sentence was printed. The caller wipes `out` in any
 * case. */
VK_MUSTCHECK int vk_ask_secret(const char *what, char *out, size_t room);
/* One line of a terminal, asked for as "`what`: ", shown or not, without its newline; an empty one is "". At
 * most room - 2 bytes. Answers an exit code; not VK_EXIT_OK: the input ended, or the line is too long, and
 * the sentence was printed. The caller wipes `out` in any case. */
VK_MUSTCHECK int vk_ask_line(const char *what, bool show, char *out, size_t room);

#endif
