/* The environment of a build's app: canonical variables of all services, the names and prefixes of a
 * framework, the dialect of a file. Never puts a secret under a public prefix. */
#ifndef VK_HANDOFF_ENV_H
#define VK_HANDOFF_ENV_H

#include "handoff/framework.h"
#include "valetkey/service.h"

enum { VK_ENV_MAX = 96 };

/* How a build has its services where they are not embedded, and what is known of the organisation there. */
typedef struct vk_env_brokered {
    const vk_binding *bindings;
    size_t n;
    /* A value of the organisation's that is no secret, in `a` of vk_env_build or longer; VK_STR_NONE. */
    vk_str (*org)(void *arg, const char *vendor, const char *field);
    /* Of a service with delivery=direct: what keeper delivers, likewise; VK_SECRET_NONE. */
    vk_secret (*given)(void *arg, const char *service, const char *name);
    void *arg;
    vk_str only; /* that service's variables alone, so that nothing else need be there; VK_STR_NONE: all */
} vk_env_brokered;

/* All variables for `b` as its framework names them, in out[]; *n_r of them. Derives the valet keys. Strings
 * live in `a`. Any thread. `brokered` NULL: all services are embedded. VK_E_INVALID: unknown framework,
 * *why_r says which are known; VK_E_UNAVAILABLE: a driver lacks something, or this program does not have it.
 */
VK_MUSTCHECK vk_err vk_env_build(const vk_runtime *rt, vk_arena *a, const vk_build *b, vk_str framework,
                                 const vk_env_brokered *brokered, vk_env_var out[VK_ENV_MAX], size_t *n_r,
                                 const char **why_r);
/* The part of the above that knows names only: canonical variables in, the framework's out. VK_E_INVALID: a
 * secret would get a name that the framework's bundler puts into the browser, a name twice, or no name for a
 * variable; *why_r (in `a`) names it. VK_E_TOO_LARGE: more than `room`. */
VK_MUSTCHECK vk_err vk_env_rename(vk_arena *a, const vk_framework *f, const vk_env_var *in, size_t n,
                                  vk_env_var *out, size_t room, size_t *n_r, const char **why_r);

typedef enum vk_env_format {
    VK_ENV_DOTENV,
    VK_ENV_SHELL,
    VK_ENV_DOCKER,
    VK_ENV_SYSTEMD,
    VK_ENV_JSON
} vk_env_format;
/* "dotenv", "shell", "docker", "systemd", "json". False when it is none of them. */
bool vk_env_format_parse(vk_str name, vk_env_format *out_r);
/* One dialect. VK_E_INVALID: a value that the dialect cannot hold (a newline in docker's); *why_r, valid
 * until this thread's next call, names the variable. Nothing is written then. Pure. */
VK_MUSTCHECK vk_err vk_env_write(vk_buf *out, vk_env_format f, const vk_env_var *vars, size_t n,
                                 const char **why_r);
/* One "NAME=value" line of a dialect that has lines (all but JSON), with its LF. */
VK_MUSTCHECK vk_err vk_env_line(vk_buf *out, vk_env_format f, const vk_env_var *v, const char **why_r);

#endif
