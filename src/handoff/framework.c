#include "handoff/framework.h"

#include "core/buf.h"

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

/* In a name '%' stands for the framework's prefix, '@' for the canonical name. The first rule that fits
 * counts; without one the canonical name stays. Sources: the SDK packages. */
static const char clerk_public[] = "CLERK_PUBLISHABLE_KEY CLERK_PROXY_URL CLERK_JS_URL CLERK_UI_URL "
                                   "CLERK_SIGN_IN_URL CLERK_SIGN_UP_URL CLERK_TELEMETRY_DISABLED "
                                   "CLERK_KEYLESS_DISABLED";
static const struct rule {
    const char *canonical, *frameworks; /* blank-separated; frameworks may be "*": all */
    const char *names[VK_ENV_NAMES_MAX];
} rules[] = {
    {"CLERK_JS_URL", "remix", {"CLERK_JS"}},
    {clerk_public, "react-router tanstack-start", {"%@", "@"}}, /* server and browser read one each */
    {clerk_public, "*", {"%@"}},
    {"CLERK_SECRET_KEY CLERK_API_URL CLERK_WEBHOOK_SIGNING_SECRET", "nuxt", {"NUXT_@"}},
    {"CLERK_API_URL", "sveltekit", {"PUBLIC_@", "@"}},
    {"STRIPE_PUBLISHABLE_KEY", "*", {"%@", "@"}},
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
        if (word_in(rules[i].canonical, vk_str_z(canonical)) &&
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
        vk_buf full;
        vk_buf_init(&full, VK_ENV_NAME_MAX);
        for (const char *c = r->names[i]; *c; c++) {
            if (*c == '%')
                vk_buf_z(&full, f->prefix);
            else if (*c == '@')
                vk_buf_z(&full, canonical);
            else
                vk_buf_ch(&full, *c);
        }
        const char *name = full.err ? NULL : vk_arena_dup(a, vk_buf_view(&full)).p;
        vk_buf_free(&full);
        if (!name)
            return VK_E_NOMEM;
        bool had = false; /* without a prefix two rules' names can be the same */
        for (size_t k = 0; k < *n_r; k++)
            had = had || strcmp(out[k], name) == 0;
        if (!had)
            out[(*n_r)++] = name;
    }
    return VK_OK;
}
