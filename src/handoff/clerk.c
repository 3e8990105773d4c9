#include "handoff/clerk.h"

#include "core/json_read.h"

enum { RANGE_MAX = 256, MAJOR_MAX = 9999, NEVER = MAJOR_MAX + 1 };

/* In the order in which they are looked for: an app may well have two of them. */
static const struct sdk {
    const char *package;
    int newest_from; /* the first major that takes clerk-js 6 */
} sdks[] = {
    {"@clerk/nextjs", 7},          {"@clerk/react-router", 3}, {"@clerk/tanstack-react-start", 1},
    {"@clerk/astro", 3},           {"@clerk/nuxt", 2},         {"@clerk/remix", NEVER},
    {"svelte-clerk", 1},           {"@clerk/vue", 2},          {"@clerk/react", 0},
    {"@clerk/clerk-react", NEVER},
};

static int js_of(const struct sdk *s, int major)
{
    if (s->newest_from == NEVER)
        return VK_CLERK_JS_OLD;
    return major == VK_CLERK_MAJOR_ANY || major >= s->newest_from ? VK_CLERK_JS_NEWEST : VK_CLERK_JS_OLD;
}

/* ---- ranges */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "7", "v7.1.2-beta.1", "7.x": its major. False: it begins with no number. *whole_r: nothing but zeros
 * follows. */
static bool version_major(vk_str s, int *major_r, bool *whole_r)
{
    int major = 0;
    size_t i = s.n && (s.p[0] == 'v' || s.p[0] == 'V'), digits = 0;
    for (; i < s.n && is_digit(s.p[i]); i++, digits++) {
        major = major * 10 + (s.p[i] - '0');
        if (major > MAJOR_MAX)
            return false;
    }
    if (digits == 0 || (i < s.n && s.p[i] != '.' && s.p[i] != '-' && s.p[i] != '+'))
        return false;
    *whole_r = true;
    for (; i < s.n && s.p[i] != '-' && s.p[i] != '+'; i++)
        *whole_r =
            *whole_r && (s.p[i] == '.' || s.p[i] == '0' || s.p[i] == 'x' || s.p[i] == 'X' || s.p[i] == '*');
    *major_r = major;
    return true;
}

static void skip(vk_str *s, const char *set, vk_str *taken_r)
{
    size_t n = 0;
    while (n < s->n && s->p[n] && strchr(set, s->p[n]))
        n++;
    *taken_r = (vk_str){s->p, n};
    *s = (vk_str){s->p + n, s->n - n};
}

/* Comparators that all must hold, with blanks between them; or "6.1 - 7". The lowest upper bound. */
static int set_major(vk_str set)
{
    int most = VK_CLERK_MAJOR_ANY;
    bool hyphen = false;
    vk_str blanks, op;
    for (skip(&set, " \t", &blanks); set.n; skip(&set, " \t", &blanks)) {
        skip(&set, "<>=^~", &op);
        skip(&set, " \t", &blanks);
        size_t n = 0;
        int major;
        bool whole;
        while (n < set.n && set.p[n] != ' ' && set.p[n] != '\t' && !strchr("<>=^~", set.p[n]))
            n++;
        vk_str version = {set.p, n};
        set = (vk_str){set.p + n, set.n - n};
        if (vk_str_eqz(version, "-") && op.n == 0) {
            hyphen = true;
            most = VK_CLERK_MAJOR_ANY; /* what was before it is the lower end */
            continue;
        }
        if (!version_major(version, &major, &whole))
            return VK_CLERK_MAJOR_ANY;
        bool below = vk_str_eqz(op, "<"), open = op.n && op.p[0] == '>';
        if (below && whole)
            major--;
        if (!open && (most == VK_CLERK_MAJOR_ANY || major < most || hyphen))
            most = major;
    }
    return most < 0 ? VK_CLERK_MAJOR_ANY : most;
}

/* The range behind "workspace:" and in "npm:<package>@<range>". */
static vk_str bare(vk_str s)
{
    static const vk_str workspace = {"workspace:", 10}, alias = {"npm:", 4};
    s = vk_str_trim(s);
    if (vk_str_starts(s, workspace))
        return (vk_str){s.p + workspace.n, s.n - workspace.n};
    if (!vk_str_starts(s, alias))
        return s;
    for (size_t i = s.n; i > alias.n + 1; i--) /* the one in front of a scope is no separator */
        if (s.p[i - 1] == '@')
            return (vk_str){s.p + i, s.n - i};
    return VK_STR_NONE;
}

int vk_clerk_range_major(vk_str range)
{
    int most = 0;
    range = bare(range);
    if (range.n == 0 || range.n > RANGE_MAX || memchr(range.p, ':', range.n) || memchr(range.p, '/', range.n))
        return VK_CLERK_MAJOR_ANY;
    for (bool more = true; more;) {
        const char *at = memmem(range.p, range.n, "||", 2);
        vk_str one = {range.p, at ? (size_t)(at - range.p) : range.n};
        more = at != NULL;
        if (more)
            range = (vk_str){at + 2, range.n - one.n - 2};
        int major = set_major(one);
        if (major == VK_CLERK_MAJOR_ANY)
            return VK_CLERK_MAJOR_ANY;
        most = major > most ? major : most;
    }
    return most;
}

/* ---- package.json */

static vk_err parse(vk_arena *a, vk_str text, vk_json **root_r)
{
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) { /* npm takes a byte order mark */
        text.p += 3;
        text.n -= 3;
    }
    vk_err e = vk_json_parse(a, text, root_r, NULL, NULL);
    return e == VK_OK && (*root_r)->type != VK_JSON_OBJECT ? VK_E_INVALID : e;
}

vk_err vk_clerk_sdk_wanted(vk_arena *a, vk_str package_json, vk_clerk_sdk *out_r)
{
    static const char *const sections[] = {"dependencies", "devDependencies", "peerDependencies"};
    vk_json *root;
    vk_err e = parse(a, package_json, &root);
    if (e != VK_OK)
        return e;
    *out_r = (vk_clerk_sdk){.major = VK_CLERK_MAJOR_ANY, .js = VK_CLERK_JS_NEWEST};
    vk_str how = vk_json_str(vk_json_get(vk_json_get(root, VK_STR("valetkey")), VK_STR("clerk")));
    out_r->runtime = vk_str_eqz(how, "runtime");
    for (size_t i = 0; i < VK_COUNT(sdks); i++)
        for (size_t s = 0; s < VK_COUNT(sections); s++) {
            const vk_json *range =
                vk_json_get(vk_json_get(root, vk_str_z(sections[s])), vk_str_z(sdks[i].package));
            if (!range)
                continue;
            out_r->package = sdks[i].package;
            out_r->major = vk_clerk_range_major(vk_json_str(range));
            out_r->js = js_of(&sdks[i], out_r->major);
            return VK_OK;
        }
    return VK_OK;
}

vk_err vk_clerk_sdk_installed(vk_arena *a, vk_str package_json, vk_clerk_sdk *sdk)
{
    vk_json *root;
    int major;
    bool whole;
    vk_err e = parse(a, package_json, &root);
    if (e != VK_OK)
        return e;
    if (!version_major(vk_json_str(vk_json_get(root, VK_STR("version"))), &major, &whole))
        return VK_E_INVALID;
    for (size_t i = 0; i < VK_COUNT(sdks); i++)
        if (sdk->package && strcmp(sdks[i].package, sdk->package) == 0) {
            sdk->major = major;
            sdk->js = js_of(&sdks[i], major);
        }
    return VK_OK;
}

/* ---- variables */

static const struct address {
    const char *ends, *also, *runtime; /* the end of its name; a whole name; what it is called at run time */
    bool js, ui;
} addresses[] = {
    {"CLERK_JS_URL", "CLERK_JS", "VALETKEY_CLERK_JS_URL", true, false},
    {"CLERK_UI_URL", "", "VALETKEY_CLERK_UI_URL", false, true},
    {"CLERK_PROXY_URL", "", "VALETKEY_CLERK_PROXY_URL", false, false},
};

static const struct address *address_of(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < VK_COUNT(addresses); i++) {
        size_t end = strlen(addresses[i].ends);
        if ((n >= end && strcmp(name + n - end, addresses[i].ends) == 0) ||
            strcmp(name, addresses[i].also) == 0)
            return &addresses[i];
    }
    return NULL;
}

/* "…/@clerk/clerk-js@6/…" with another major. */
static vk_err with_major(vk_arena *a, int js, vk_str *url)
{
    static const char mark[] = "/@clerk/clerk-js@";
    const char *at = memmem(url->p ? url->p : "", url->n, mark, sizeof mark - 1);
    if (!at)
        return VK_OK;
    size_t front = (size_t)(at - url->p) + sizeof mark - 1, n = front;
    while (n < url->n && is_digit(url->p[n]))
        n++;
    vk_str out =
        vk_arena_printf(a, VK_STR_FMT "%d" VK_STR_FMT, (int)front, url->p, js, (int)(url->n - n), url->p + n);
    if (!out.p)
        return VK_E_NOMEM;
    *url = out;
    return VK_OK;
}

vk_err vk_clerk_fit(vk_arena *a, const vk_clerk_sdk *sdk, vk_env_var *vars, size_t n, size_t *n_r)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        vk_env_var v = vars[i];
        const struct address *at = address_of(v.name);
        if (at && at->ui && sdk->js < VK_CLERK_JS_NEWEST)
            continue;
        if (at && at->js && with_major(a, sdk->js, &v.value) != VK_OK)
            return VK_E_NOMEM;
        if (at && sdk->runtime)
            v.name = at->runtime;
        bool had = false; /* a framework's two names of one become one */
        for (size_t k = 0; k < kept && at && sdk->runtime; k++)
            had = had || strcmp(vars[k].name, v.name) == 0;
        if (!had)
            vars[kept++] = v;
    }
    *n_r = kept;
    return VK_OK;
}
