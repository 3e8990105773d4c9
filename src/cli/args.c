#include "cli/args.h"

#include "cli/cli.h"
#include "cli/out.h"

enum { WORD_MAX = 40 };

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's distance; words longer than WORD_MAX are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j];
            row[j] = least_of(row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = up;
        }
    }
    return row[m];
}

const char *vk_closest(const char *typed, const char *(*next)(const void *arg, size_t i), const void *arg)
{
    const char *best = NULL, *name;
    size_t least = strlen(typed) / 3 + 2;
    for (size_t i = 0; (name = next(arg, i)); i++) {
        size_t d = distance(typed, name);
        if (d < least) {
            least = d;
            best = name;
        }
    }
    return best;
}

static const char *next_option(const void *arg, size_t i)
{
    const vk_opt *opts = arg;
    return opts[i].name;
}

static vk_err unknown(const char *command, const char *name, const vk_opt *opts)
{
    const char *near = vk_closest(name, next_option, opts);
    if (near)
        vk_usage(command, "There is no option --%.60s. Did you mean --%s?", name, near);
    else
        vk_usage(command, "There is no option --%.60s.", name);
    return VK_E_INVALID;
}

static const vk_opt *find(const vk_opt *opts, vk_str name)
{
    for (; opts->name; opts++)
        if (vk_str_eqz(name, opts->name))
            return opts;
    return NULL;
}

static vk_err take(const char *command, const vk_opt *o, const char *value)
{
    if (o->kind == VK_OPT_TEXT && *o->to.text) {
        vk_usage(command, "--%s stands twice.", o->name);
        return VK_E_INVALID;
    }
    if (o->kind == VK_OPT_TEXT)
        *o->to.text = value;
    if (o->kind == VK_OPT_MANY) {
        if (o->to.many->n == VK_MANY_MAX) {
            vk_usage(command, "--%s stands more than %d times.", o->name, (int)VK_MANY_MAX);
            return VK_E_INVALID;
        }
        o->to.many->v[o->to.many->n++] = value;
    }
    return VK_OK;
}

/* argv[*i] begins with "--". */
static vk_err take_option(int argc, char **argv, int *i, const vk_opt *opts)
{
    vk_str rest = vk_str_z(argv[*i] + 2), name;
    bool inline_value = vk_str_cut(&rest, '=', &name);
    if (!inline_value)
        name = rest;
    const vk_opt *o = find(opts, name);
    if (!o) {
        char text[64];
        snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(name));
        return unknown(argv[0], text, opts);
    }
    if (o->kind == VK_OPT_FLAG) {
        if (inline_value) {
            vk_usage(argv[0], "--%s takes no value.", o->name);
            return VK_E_INVALID;
        }
        *o->to.flag = true;
        return VK_OK;
    }
    if (inline_value)
        return take(argv[0], o, rest.p);
    if (*i + 1 >= argc || strcmp(argv[*i + 1], "--") == 0) {
        vk_usage(argv[0], "--%s needs a value.", o->name);
        return VK_E_INVALID;
    }
    return take(argv[0], o, argv[++*i]);
}

vk_err vk_args(int argc, char **argv, const vk_opt *opts, const char **pos, size_t least, size_t most,
               const char *wants, char ***rest_r)
{
    size_t n = 0;
    bool only_words = false;
    if (rest_r)
        *rest_r = NULL;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!only_words && strcmp(a, "--") == 0) {
            if (rest_r) {
                *rest_r = argv + i + 1;
                break;
            }
            only_words = true;
        } else if (!only_words && a[0] == '-' && a[1] == '-') {
            vk_err e = take_option(argc, argv, &i, opts);
            if (e != VK_OK)
                return e;
        } else if (!only_words && a[0] == '-' && a[1]) {
            vk_usage(argv[0], "There is no option %.60s; options are long here, such as --json.", a);
            return VK_E_INVALID;
        } else if (n == most) {
            vk_usage(argv[0], "\"%.60s\" is one argument too many.", a);
            return VK_E_INVALID;
        } else {
            pos[n++] = a;
        }
    }
    if (n < least) {
        vk_usage(argv[0], "%s is missing.", wants);
        return VK_E_INVALID;
    }
    while (n < most)
        pos[n++] = NULL;
    return VK_OK;
}
