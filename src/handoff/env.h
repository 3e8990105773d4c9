/* The environment of a build's app: canonical variables of all services, the names and prefixes of a
 * framework, the dialect of a file. Never puts a secret under a public prefix. */
#ifndef VK_HANDOFF_ENV_H
#define VK_HANDOFF_ENV_H

#include "valetkey/service.h"

enum { VK_ENV_MAX = 96 };

/* All variables for `b` as its framework names them, in out[]; *n_r of them. Derives the valet keys. Strings
 * live in `a`. Any thread. VK_E_INVALID: unknown framework, *why_r says which are known. */
VK_MUSTCHECK vk_err vk_env_build(const vk_runtime *rt, vk_arena *a, const vk_build *b, vk_str framework,
                                 vk_env_var out[VK_ENV_MAX], size_t *n_r, const char **why_r);

typedef enum vk_env_format {
    VK_ENV_DOTENV,
    VK_ENV_SHELL,
    VK_ENV_DOCKER,
    VK_ENV_SYSTEMD,
    VK_ENV_JSON
} vk_env_format;
/* "dotenv", "shell", "docker", "systemd", "json". False when it is none of them. */
bool vk_env_format_parse(vk_str name, vk_env_format *out_r);
/* One dialect. VK_E_INVALID: a value that the dialect cannot hold (a newline in docker's); *why_r. Pure. */
VK_MUSTCHECK vk_err vk_env_write(vk_buf *out, vk_env_format f, const vk_env_var *vars, size_t n,
                                 const char **why_r);

#endif
