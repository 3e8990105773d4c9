#include "handoff/framework.h"

#include <pthread.h>

const vk_framework vk_frameworks[] = {
    {"next", "Next.js", "NEXT_PUBLIC_", "nextjs next.js"},
    {"vite", "Vite", "VITE_", "vite-react react"},
    {"remix", "Remix", "", ""},
    {"react-router", "React Router", "VITE_", ""},
    {"tanstack-start", "TanStack Start", "VITE_", "tanstack"},
    {"astro", "Astro", "PUBLIC_", ""},
    {"sveltekit", "SvelteKit", "PUBLIC_", "svelte"},
    {"nuxt", "Nuxt", "NUXT_PUBLIC_", "nuxtjs"},
    {"expo", "Expo", "EXPO_PUBLIC_", ""},
    {"express", "Express", "", ""},
    {"hono", "Hono", "", ""},
    {"fastify", "Fastify", "", ""},
    {"node", "Node.js", "", "nodejs node.js"},
    {"fastapi", "FastAPI", "", ""},
    {"django", "Django", "", ""},
};
const size_t vk_n_frameworks = VK_COUNT(vk_frameworks);

/* Every prefix that a common bundler inlines, also those of frameworks that are not in the table: a secret
 * must not get any of them. */
static const char *const public_prefixes[] = {
    "NEXT_PUBLIC_", "VITE_",   "PUBLIC_",  "NUXT_PUBLIC_", "EXPO_PUBLIC_",
    "REACT_APP_",   "GATSBY_", "VUE_APP_", "NG_APP_",
};

/* '%' stands for the framework's prefix. The first rule that fits counts; without one the canonical name
 * stays. */
static const struct rule {
    const char *canonical, *frameworks; /* blank-separated; "*": all */
    const char *names[VK_ENV_NAMES_MAX];
} rules[] = {
    {"CLERK_PUBLISHABLE_KEY",
     "react-router tanstack-start",
     {"%CLERK_PUBLISHABLE_KEY", "CLERK_PUBLISHABLE_KEY"}},
    {"CLERK_PUBLISHABLE_KEY", "*", {"%CLERK_PUBLISHABLE_KEY"}},
    {"CLERK_PROXY_URL", "*", {"%CLERK_PROXY_URL"}},
    {"CLERK_JS_URL", "*", {"%CLERK_JS_URL"}},
    {"CLERK_UI_URL", "*", {"%CLERK_UI_URL"}},
    {"CLERK_SECRET_KEY", "nuxt", {"NUXT_CLERK_SECRET_KEY"}},
    {"CLERK_API_URL", "nuxt", {"NUXT_CLERK_API_URL"}},
    {"CLERK_API_URL", "sveltekit", {"PUBLIC_CLERK_API_URL", "CLERK_API_URL"}},
    {"STRIPE_PUBLISHABLE_KEY", "*", {"%STRIPE_PUBLISHABLE_KEY", "STRIPE_PUBLISHABLE_KEY"}},
};

static bool word_in(const char *words, vk_str w)
{
    vk_str left = vk_str_z(words), one;
    while (left.n) {
        if (!vk_str_cut(&left, ' ', &one)) {
            one = left;
            left = VK_STR_NONE;
        }
        if (vk_str_ieq(one, w))
            return true;
    }
    return false;
}

const vk_framework *vk_framework_find(vk_str name)
{
    for (size_t i = 0; name.n && i < vk_n_frameworks; i++)
        if (vk_str_ieq(vk_str_z(vk_frameworks[i].name), name) || word_in(vk_frameworks[i].also, name))
            return &vk_frameworks[i];
    return NULL;
}

static char all_names[256];

static void make_names(void)
{
    size_t at = 0;
    for (size_t i = 0; i < vk_n_frameworks; i++) {
        int n = snprintf(all_names + at, sizeof all_names - at, "%s%s", i ? ", " : "", vk_frameworks[i].name);
        if (n < 0 || (size_t)n >= sizeof all_names - at)
            break;
        at += (size_t)n;
    }
}

const char *vk_framework_names(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_names);
    return all_names;
}

bool vk_env_name_public(vk_str name)
{
    for (size_t i = 0; i < VK_COUNT(public_prefixes); i++)
        if (vk_str_starts(name, vk_str_z(public_prefixes[i])))
            return true;
    return false;
}

static const struct rule *rule_for(const vk_framework *f, const char *canonical)
{
    for (size_t i = 0; i < VK_COUNT(rules); i++)
        if (strcmp(rules[i].canonical, canonical) == 0 &&
            (strcmp(rules[i].frameworks, "*") == 0 || word_in(rules[i].frameworks, vk_str_z(f->name))))
            return &rules[i];
    return NULL;
}

vk_err vk_framework_map(vk_arena *a, const vk_framework *f, const char *canonical,
                        const char *out[VK_ENV_NAMES_MAX], size_t *n_r)
{
    const struct rule *r = rule_for(f, canonical);
    *n_r = 0;
    if (!r) {
        out[(*n_r)++] = canonical;
        return VK_OK;
    }
    for (size_t i = 0; i < VK_ENV_NAMES_MAX && r->names[i]; i++) {
        const char *name = r->names[i];
        if (name[0] == '%') {
            vk_str full = vk_arena_printf(a, "%s%s", f->prefix, name + 1);
            if (!full.p)
                return VK_E_NOMEM;
            name = full.p;
        }
        bool had = false; /* without a prefix two rules' names can be the same */
        for (size_t k = 0; k < *n_r; k++)
            had = had || strcmp(out[k], name) == 0;
        if (!had)
            out[(*n_r)++] = name;
    }
    return VK_OK;
}
