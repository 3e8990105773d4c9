/* Bringing a build's variables into a file that may have others. Ours stand between two marker lines, so that
 * the next run finds and replaces them; every other line stays as it is. */
#ifndef VK_CLI_ENVFILE_H
#define VK_CLI_ENVFILE_H

#include "core/buf.h"
#include "handoff/env.h"

enum { VK_ENVFILE_MAX = 1024 * 1024 };

/* The new text into `out`. A variable of ours that stands outside the markers with another value is someone's
 * own: VK_E_CONFLICT, *name_r is its name (a view into `old`), nothing is written. With `force` such lines
 * become comments. VK_E_INVALID: a value that the dialect cannot carry, *why_r. JSON is not for this. Pure.
 */
VK_MUSTCHECK vk_err vk_envfile_merge(vk_str old, vk_env_format f, const vk_env_var *vars, size_t n,
                                     bool force, vk_buf *out, vk_str *name_r, const char **why_r);

#endif
