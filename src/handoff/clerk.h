/* Which of Clerk's browser scripts an app loads: a matter of its SDK's major version, which only the app's
 * folder tells. The daemon gives every build the addresses for the newest; who knows the folder (`env --app`,
 * `run --app`) fits them to the app. What each SDK takes: the packages themselves, by the major of
 * @clerk/shared in their dependencies (3: clerk-js 5; 4: clerk-js 6 with @clerk/ui 1). Pure; the files are
 * read by cli/env.c. */
#ifndef VK_HANDOFF_CLERK_H
#define VK_HANDOFF_CLERK_H

#include "core/arena.h"
#include "valetkey/service.h"

enum { VK_CLERK_JS_OLD = 5, VK_CLERK_JS_NEWEST = 6, VK_CLERK_MAJOR_ANY = -1 };

typedef struct vk_clerk_sdk {
    const char *package; /* "@clerk/nextjs"; NULL: the app names none that is known */
    int major;           /* of it; VK_CLERK_MAJOR_ANY: the newest, or nothing says */
    int js;              /* the major of clerk-js that goes with it */
    bool runtime; /* the app takes the addresses at run time, under names of ours ("valetkey": {"clerk":
                   * "runtime"} in its package.json): SDKs cannot drop those that were built in */
} vk_clerk_sdk;

/* From the text of the app's package.json: its first known SDK and the range that stands there. VK_E_INVALID:
 * no JSON object. Anything else in it that is not as it should be counts as not there. */
VK_MUSTCHECK vk_err vk_clerk_sdk_wanted(vk_arena *a, vk_str package_json, vk_clerk_sdk *out_r);
/* From the text of node_modules/<sdk->package>/package.json: what is really installed. VK_E_INVALID: it says
 * no version; *sdk is as before. */
VK_MUSTCHECK vk_err vk_clerk_sdk_installed(vk_arena *a, vk_str package_json, vk_clerk_sdk *sdk);

/* The highest major that a range of npm's lets in: "^6.1.0" is 6, ">=6 <8" is 7, "6 || 7" is 7.
 * VK_CLERK_MAJOR_ANY: no end to it ("*", ">=6", "latest"), or it is none (an address, "catalog:", garbage).
 */
int vk_clerk_range_major(vk_str range);

/* Fits the variables of an app, as its framework names them: addresses of clerk-js get the app's major, one
 * of
 * @clerk/ui goes where the scripts have the UI inside, names become ours where the app wants that. Returns
 * how many there are then; they stay in order. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_clerk_fit(vk_arena *a, const vk_clerk_sdk *sdk, vk_env_var *vars, size_t n,
                                 size_t *n_r);

#endif
