/* What an app needs whose owner replaces the build's keys on a page of the app itself ("valetkey":
 * {"settings": true} in its package.json). Nothing of it is stored: all is derived from the master, so that
 * `env` prints it again, and a build that is made anew under the same id gets others. */
#ifndef VK_HANDOFF_SETTINGS_H
#define VK_HANDOFF_SETTINGS_H

#include "handoff/env.h"

/* `wanted_r`: what the text of a package.json says; false for anything that is no `true`. VK_E_INVALID: no
 * JSON object. */
VK_MUSTCHECK vk_err vk_settings_wanted(vk_arena *a, vk_str package_json, bool *wanted_r);

/* Appends to the *n variables of the build `b` (strings in `a`, at most VK_ENV_MAX in all):
 *
 *   SETTINGS_TOKEN           opens the page: "st_", 30 base62 characters and their checksum
 *   SETTINGS_ENCRYPTION_KEY  seals what the page keeps: 64 hex digits
 *   VALETKEY_REFUSED_KEYS    by what the page knows that a key is the build's own: "<salt>:<mark>,…", both 32
 * hex digits; a mark is the first half of HMAC-SHA256(the salt's 16 bytes, value), of each secret and each
 * publishable key among `vars`, each once, and the `marks` of the organisation's keys, which keeper makes
 * with the same salt (vk_settings_salt)
 *
 * The first two are secret. VK_E_TOO_LARGE: more variables than the limit; VK_E_NOMEM; *why_r says which. Any
 * thread. */
VK_MUSTCHECK vk_err vk_settings_add(const vk_runtime *rt, vk_arena *a, const vk_build *b, vk_env_var *vars,
                                    size_t *n, const vk_str *marks, size_t n_marks, const char **why_r);

enum { VK_SETTINGS_SALT = 16, VK_SETTINGS_MARK = 16, VK_SETTINGS_MARKS_MAX = 256 };
/* Of the build's marks. */
VK_MUSTCHECK vk_err vk_settings_salt(const vk_runtime *rt, vk_arena *a, const vk_build *b,
                                     uint8_t out[VK_SETTINGS_SALT]);

#endif
