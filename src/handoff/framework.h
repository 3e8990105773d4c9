/* The frameworks that apps are written in: which prefix puts a variable into the browser's bundle, and which
 * names their vendors' SDKs read. Sources: the SDK packages themselves. */
#ifndef VK_HANDOFF_FRAMEWORK_H
#define VK_HANDOFF_FRAMEWORK_H

#include "core/arena.h"

typedef struct vk_framework {
    const char *name;   /* "next" */
    const char *label;  /* "Next.js", for people */
    const char *prefix; /* of variables that the browser sees; "" when the framework has none */
    const char *also;   /* other names for it, blank-separated; may be "" */
} vk_framework;

extern const vk_framework vk_frameworks[];
extern const size_t vk_n_frameworks;

/* By name or other name, ASCII case-insensitive. NULL: unknown. */
const vk_framework *vk_framework_find(vk_str name);
/* "next, vite, …" for error texts. Static. */
const char *vk_framework_names(void);
/* True when some bundler puts a variable of that name into what browsers get. */
bool vk_env_name_public(vk_str name);
/* The names that `f` gives to the canonical name: at most VK_ENV_NAMES_MAX, into out[] (strings in `a`); *n_r
 * of them. */
enum { VK_ENV_NAMES_MAX = 3, VK_ENV_NAME_MAX = 256 };
VK_MUSTCHECK vk_err vk_framework_map(vk_arena *a, const vk_framework *f, const char *canonical,
                                     const char *out[VK_ENV_NAMES_MAX], size_t *n_r);

/* What an app is written in, from the text of its package.json. VK_E_INVALID: no JSON object. "node" when
 * nothing more special is among its dependencies. Pure. */
VK_MUSTCHECK vk_err vk_detect_package_json(vk_arena *a, vk_str text, const vk_framework **out_r);
/* From requirements.txt or pyproject.toml. VK_E_NOT_FOUND: neither Django nor FastAPI is named. Pure. */
VK_MUSTCHECK vk_err vk_detect_python(vk_str text, const vk_framework **out_r);

#endif
