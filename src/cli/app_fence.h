/* The fence of `valetkey run`: the app may be hostile and runs as the same user as valetkey, so modes of
 * files hold nothing back. What it must not see is named here once; how it is kept from it:
 *
 * 1. The app gets a view of the files of its own (user and mount namespace) in which the data folder is empty
 * and the other secrets are not there. The covers are laid in an outer namespace, so that nobody inside can
 * lift them. Everything else is as before. Being in a namespace of its own, the app cannot trace, nor read
 * the memory and the environment of, any process outside.
 * 2. Where that cannot be had (most containers), Landlock: rights on everything but the secrets. New files
 * directly in a folder above the data folder cannot be made then, and such folders cannot be listed.
 *    Sockets that lie in the files are not held back by it: where a way to have somebody outside start a
 * program has one, that is said, and --require-sandbox refuses.
 * 3. app_calls.c: nothing typed into the terminal that it was started from.
 * 4. Landlock's scopes, in both cases: no signals to processes outside, no abstract sockets of theirs.
 *
 * It does not hold back who gets somebody outside to act for him: start-up files of the user, an editor's or
 * a terminal's server. docs/SECURITY.md says so too. */
#ifndef VK_CLI_APP_FENCE_H
#define VK_CLI_APP_FENCE_H

#include "core/base.h"

enum { VK_SECRETS_MAX = 64, VK_FENCE_WHY = 512, VK_SHOWN_MAX = 64 * 1024 };

/* What the app must not see: absolute, without links. The first is the data folder. */
typedef struct vk_secrets {
    char path[VK_SECRETS_MAX][PATH_MAX];
    size_t n, doors; /* the first of those that lead to somebody outside who starts programs */
} vk_secrets;

/* `key_source` as the daemon names it ("key file /a/b"); "" when it is not known. VK_E_NOT_FOUND: there is no
 * data folder. VK_E_INVALID: what it names is not there. */
VK_MUSTCHECK vk_err vk_secrets_list(const char *data, const char *key_source, vk_secrets *out_r);
/* One more, if it is there. */
void vk_secrets_add(vk_secrets *s, const char *path);
/* app_mounts.c: the other names of the first n. */
void vk_secrets_add_mounted(vk_secrets *s, size_t n);
/* Whether `path` lies in one of them. */
bool vk_secrets_cover(const vk_secrets *s, const char *path);

/* Fences off this process and what it starts. `missing` empty: all of it could be had. VK_OK with a text: the
 * data is fenced off, but the app can do what it says. Not VK_OK: it says what could not be had. Whether the
 * command is started then is the caller's to decide. */
VK_MUSTCHECK vk_err vk_app_fence(const vk_secrets *s, char missing[VK_FENCE_WHY]);

/* What vk_app_fence would come to here, tried in processes of its own; `missing`: why it is not the best. */
typedef enum vk_app_fenced { VK_APP_OPEN, VK_APP_LANDLOCK, VK_APP_NAMESPACES } vk_app_fenced;
vk_app_fenced vk_app_fence_kind(const vk_secrets *s, char missing[VK_FENCE_WHY]);

/* app_calls.c: the system calls; `no_truncate`: truncate(2) too. VK_E_UNSUPPORTED: there are no filters.
 * Wants no_new_privs. */
VK_MUSTCHECK vk_err vk_app_calls(bool no_truncate, char missing[VK_FENCE_WHY]);
/* What Landlock alone does not hold back here, as a sentence's end; "": nothing. */
void vk_secrets_open_doors(const vk_secrets *s, char out[VK_FENCE_WHY]);

/* app_hide.c: the part with namespaces. VK_E_UNSUPPORTED: cannot be had here, nothing was changed.
 * VK_E_INTERNAL: it was begun and failed; the process must not go on. */
VK_MUSTCHECK vk_err vk_app_hide(const vk_secrets *s, char missing[VK_FENCE_WHY]);

#endif
