/* A build's environment, asked of the daemon. */
#ifndef VK_CLI_ENV_H
#define VK_CLI_ENV_H

#include "cli/api.h"
#include "handoff/env.h"

typedef struct vk_env_ask {
    const char *id, *framework, *app, *data; /* all but id may be NULL */
    const char *service; /* of this one alone: what others lack does not matter; NULL: of all */
    bool preload;        /* with NODE_OPTIONS (handoff/preload.h) */
} vk_env_ask;

/* *ok_r: the reply is the caller's, and its json an object. Otherwise everything was told; returns the exit
 * code. */
int vk_env_fetch(const char *command, const vk_env_ask *q, vk_reply *out_r, bool *ok_r);
/* Its variables; all count as secret. They live as long as the reply. */
size_t vk_env_vars(const vk_reply *r, vk_env_var out[VK_ENV_MAX]);
/* What the app in that folder is written in. VK_EXIT_OK, or the exit code after the sentence was printed. */
int vk_detect_app(const char *command, const char *dir, const vk_framework **out_r);

#endif
