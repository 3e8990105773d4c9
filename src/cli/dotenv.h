/* Reading environment files as the package dotenv does (its version 17), which is also how an app reads the
 * ones that `valetkey env` writes: NAME=value, "export" in front, comments, values in '…', "…" and `…` that
 * may have several lines, and \n and \r in "…". Variables are not expanded. */
#ifndef VK_CLI_DOTENV_H
#define VK_CLI_DOTENV_H

#include "core/arena.h"

enum { VK_DOTENV_MAX = 1024 * 1024 }; /* bytes of a file */

/* Calls `one` for each variable, in the order of the file; a name may come twice, and the last one counts.
 * Values are views of `text`, or in the arena. VK_E_NOMEM. Lines that are no variable are passed over. Pure.
 */
VK_MUSTCHECK vk_err vk_dotenv_read(vk_arena *a, vk_str text,
                                   void (*one)(void *arg, vk_str name, vk_str value), void *arg);

#endif
