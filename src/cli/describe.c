/* What a help text says, taken apart. Help texts are written for people and are the one place where an option
 * is described; tests/completion gives every one of them to its command. */
#include "cli/commands.h"

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static vk_str line_end(const char *p)
{
    return (vk_str){p, strcspn(p, "\n")};
}

/* The text behind two or more blanks of an option's own line. */
static vk_str own_text(const char *p)
{
    vk_str rest = line_end(p);
    for (size_t i = 0; i + 1 < rest.n; i++)
        if (rest.p[i] == ' ' && rest.p[i + 1] == ' ') {
            while (i < rest.n && rest.p[i] == ' ')
                i++;
            return (vk_str){rest.p + i, rest.n - i};
        }
    return VK_STR_NONE;
}

static vk_str value_of(const char *p)
{
    size_t n = 0;
    if (*p != ' ' && *p != '=')
        return VK_STR_NONE;
    p++;
    while ((p[n] >= 'A' && p[n] <= 'Z') || (n && (p[n] == '=' || p[n] == '|' || p[n] == ',')) ||
           (p[n] >= 'a' && p[n] <= 'z' && strncmp(p, "on|off", 6) == 0))
        n++;
    return n > 0 && (n > 1 || p[0] == 'N' || p[0] == 'S') ? (vk_str){p, n} : VK_STR_NONE;
}

size_t vk_help_options(const char *help, vk_option out[VK_OPTIONS_MAX])
{
    size_t n = 0;
    const char *end = strstr(help, "Examples:");
    vk_str usage = vk_help_usage(help);
    for (const char *p = help; (p = strstr(p, "--")) && (!end || p < end);) {
        size_t length = 2;
        while (word_char(p[length]))
            length++;
        vk_option o = {.name = {p, length}, .value = value_of(p + length)};
        /* Of the usage, or of a line that lists options; a text may name those of other programs. */
        const char *line = p;
        while (line > help && line[-1] != '\n')
            line--;
        bool listed = p < usage.p + usage.n || strncmp(line, "  --", 4) == 0;
        bool begins = listed && p > help && (p[-1] == ' ' || p[-1] == '[') && length > 2;
        bool first = p >= help + 3 && memcmp(p - 3, "\n  ", 3) == 0;
        p += length;
        if (!begins)
            continue;
        if (first)
            o.text = own_text(p);
        size_t at = 0;
        while (at < n && !vk_str_eq(out[at].name, o.name))
            at++;
        if (at == n && n + 1 < VK_OPTIONS_MAX)
            out[n++] = o;
        else if (at < n && !out[at].text.n && o.text.n)
            out[at] = o; /* the list says more than the usage line */
    }
    out[n++] = (vk_option){.name = VK_STR("--help"), .text = VK_STR("what it does, with examples")};
    return n;
}

vk_str vk_help_usage(const char *help)
{
    static const char front[] = "Usage: valetkey ";
    const char *p = strncmp(help, front, sizeof front - 1) == 0 ? help + sizeof front - 1 : help;
    const char *end = strstr(p, "\n\n");
    return (vk_str){p, end ? (size_t)(end - p) : strlen(p)};
}
