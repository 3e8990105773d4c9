/* What an app is written in. Packages are looked for from the most to the least telling: a Next.js app may
 * well have express among its dependencies, and nearly everything has vite. */
#include "core/json_read.h"
#include "handoff/framework.h"

static const struct mark {
    const char *package, *framework;
} marks[] = {
    {"next", "next"},
    {"nuxt", "nuxt"},
    {"@sveltejs/kit", "sveltekit"},
    {"astro", "astro"},
    {"@tanstack/react-start", "tanstack-start"},
    {"@tanstack/solid-start", "tanstack-start"},
    {"@react-router/dev", "react-router"},
    {"@react-router/node", "react-router"},
    {"@remix-run/react", "remix"},
    {"@remix-run/node", "remix"},
    {"@remix-run/dev", "remix"},
    {"expo", "expo"},
    {"vite", "vite"},
    {"hono", "hono"},
    {"fastify", "fastify"},
    {"express", "express"},
};

vk_err vk_detect_package_json(vk_arena *a, vk_str text, const vk_framework **out_r)
{
    static const char *const sections[] = {"dependencies", "devDependencies", "peerDependencies"};
    vk_json *root;
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) { /* npm takes a byte order mark */
        text.p += 3;
        text.n -= 3;
    }
    vk_err e = vk_json_parse(a, text, &root, NULL, NULL);
    if (e != VK_OK)
        return e;
    if (root->type != VK_JSON_OBJECT)
        return VK_E_INVALID;
    for (size_t i = 0; i < VK_COUNT(marks); i++)
        for (size_t s = 0; s < VK_COUNT(sections); s++) {
            const vk_json *deps = vk_json_get(root, vk_str_z(sections[s]));
            if (deps && vk_json_get(deps, vk_str_z(marks[i].package))) {
                *out_r = vk_framework_find(vk_str_z(marks[i].framework));
                return VK_OK;
            }
        }
    *out_r = vk_framework_find(VK_STR("node"));
    return VK_OK;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* True when a line names exactly that package, bare or in quotes: `django>=5`, `"Django>=5",`, `django =
 * "^5"`, `dependencies = ["fastapi[standard]"]`. */
static bool names_package(vk_str text, vk_str package)
{
    bool comment = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\n')
            comment = false;
        if (c == '#')
            comment = true;
        if (comment || (i && name_char(text.p[i - 1])) || text.n - i < package.n)
            continue;
        if (vk_str_ieq((vk_str){text.p + i, package.n}, package) &&
            (i + package.n == text.n || !name_char(text.p[i + package.n])))
            return true;
    }
    return false;
}

vk_err vk_detect_python(vk_str text, const vk_framework **out_r)
{
    static const char *const known[] = {"fastapi", "django"};
    for (size_t i = 0; i < VK_COUNT(known); i++)
        if (names_package(text, vk_str_z(known[i]))) {
            *out_r = vk_framework_find(vk_str_z(known[i]));
            return VK_OK;
        }
    return VK_E_NOT_FOUND;
}
