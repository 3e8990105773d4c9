#include "cli/dotenv.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static bool line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static void skip(vk_str *s, size_t n)
{
    s->p += n;
    s->n -= n;
}

static void skip_blanks(vk_str *s)
{
    while (s->n && blank(s->p[0]))
        skip(s, 1);
}

static void skip_line(vk_str *s)
{
    while (s->n && !line_end(s->p[0]))
        skip(s, 1);
}

static vk_str take_name(vk_str *s)
{
    vk_str name = {s->p, 0};
    while (s->n && name_char(s->p[0])) {
        skip(s, 1);
        name.n++;
    }
    return name;
}

/* "NAME =", with "export" in front or without. VK_STR_NONE: the line is none. */
static vk_str take_front(vk_str *s)
{
    skip_blanks(s);
    vk_str name = take_name(s);
    if (vk_str_eqz(name, "export") && s->n && blank(s->p[0])) {
        skip_blanks(s);
        name = s->n && s->p[0] == '=' ? name : take_name(s);
    }
    skip_blanks(s);
    if (!name.n || !s->n || s->p[0] != '=')
        return VK_STR_NONE;
    skip(s, 1);
    return name;
}

/* What is between two quotes behind which the line has nothing but a comment. False: it is not so, and the
 * quote is a character like others. */
static bool take_quoted(vk_str *s, vk_str *out_r)
{
    vk_str left = *s;
    skip_blanks(&left);
    char quote = left.n ? left.p[0] : '\0';
    if (quote != '\'' && quote != '"' && quote != '`')
        return false;
    size_t end = 1;
    while (end < left.n && left.p[end] != quote)
        end += left.p[end] == '\\' && end + 1 < left.n && left.p[end + 1] == quote ? 2 : 1;
    if (end >= left.n)
        return false;
    vk_str inside = {left.p + 1, end - 1};
    skip(&left, end + 1);
    skip_blanks(&left);
    if (left.n && left.p[0] == '#')
        skip_line(&left);
    if (left.n && !line_end(left.p[0]))
        return false;
    *out_r = inside;
    *s = left;
    return true;
}

static vk_str take_plain(vk_str *s)
{
    vk_str value = {s->p, 0};
    while (value.n < s->n && !line_end(s->p[value.n]) && s->p[value.n] != '#')
        value.n++;
    skip(s, value.n);
    skip_blanks(&value);
    while (value.n && blank(value.p[value.n - 1]))
        value.n--;
    return value;
}

/* \n and \r of a value in double quotes. {NULL,0}: no memory. */
static vk_str expand(vk_arena *a, vk_str s)
{
    if (!s.n || !memchr(s.p, '\\', s.n))
        return s;
    char *out = vk_arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; out && i < s.n; i++) {
        char next = s.p[i] == '\\' && i + 1 < s.n ? s.p[i + 1] : '\0';
        bool escape = next == 'n' || next == 'r';
        out[n++] = (char)(escape ? (next == 'n' ? '\n' : '\r') : s.p[i]);
        i += escape;
    }
    return (vk_str){out, n};
}

vk_err vk_dotenv_read(vk_arena *a, vk_str text, void (*one)(void *arg, vk_str name, vk_str value), void *arg)
{
    if (vk_str_starts(text, VK_STR("\xef\xbb\xbf")))
        skip(&text, 3);
    while (text.n) {
        vk_str line = text, value = VK_STR_NONE;
        vk_str name = take_front(&line);
        if (name.p) {
            if (!take_quoted(&line, &value))
                value = take_plain(&line);
            else if (value.p[-1] == '"')
                value = expand(a, value);
            if (!value.p)
                return VK_E_NOMEM;
            one(arg, name, value);
            text = line;
        }
        skip_line(&text);
        while (text.n && line_end(text.p[0]))
            skip(&text, 1);
    }
    return VK_OK;
}
