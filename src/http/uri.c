#include "http/uri.h"

#include "http/scan.h"

vk_err vk_uri_split(vk_str target, vk_str *path_r, vk_str *query_r)
{
    if (target.n && memchr(target.p, '#', target.n))
        return VK_E_INVALID;
    vk_str path, rest = target;
    bool has_query = vk_str_cut(&rest, '?', &path);
    *path_r = has_query ? path : target;
    *query_r = has_query ? rest : VK_STR_NONE;
    return VK_OK;
}

/* One decoded byte off the front of *s, or -1 for a NUL or a bad escape. *s must not be empty. */
static inline int take(vk_str *s, bool plus)
{
    char c = *s->p;
    size_t n = 1;
    if (c == '%') {
        int hi = s->n >= 3 ? vk_scan_hex(s->p[1]) : -1;
        int lo = s->n >= 3 ? vk_scan_hex(s->p[2]) : -1;
        if (hi < 0 || lo < 0)
            return -1;
        c = (char)(hi * 16 + lo);
        n = 3;
    } else if (plus && c == '+') {
        c = ' ';
    }
    s->p += n;
    s->n -= n;
    return c == '\0' ? -1 : (unsigned char)c;
}

static vk_err decode(vk_arena *a, vk_str text, bool plus, vk_str *out_r)
{
    if (text.n == 0 || (!memchr(text.p, '%', text.n) && !(plus && memchr(text.p, '+', text.n)))) {
        if (text.n && memchr(text.p, '\0', text.n))
            return VK_E_INVALID;
        *out_r = text;
        return VK_OK;
    }
    char *to = vk_arena_alloc(a, text.n);
    if (!to)
        return VK_E_NOMEM;
    size_t n = 0;
    while (text.n) {
        int c = take(&text, plus);
        if (c < 0)
            return VK_E_INVALID;
        to[n++] = (char)c;
    }
    *out_r = (vk_str){to, n};
    return VK_OK;
}

vk_err vk_uri_decode(vk_arena *a, vk_str text, vk_str *out_r)
{
    return decode(a, text, false, out_r);
}

vk_err vk_form_decode(vk_arena *a, vk_str text, vk_str *out_r)
{
    return decode(a, text, true, out_r);
}

/* Is `text`, decoded, the name? A text that cannot be decoded is no name. */
static bool is_name(vk_str text, vk_str name)
{
    size_t i = 0;
    for (; text.n && i < name.n; i++)
        if (take(&text, true) != (unsigned char)name.p[i])
            return false;
    return text.n == 0 && i == name.n;
}

/* As the URL standard §5.1 parses: pairs are parted by '&', empty ones do not count, a pair without '=' has
 * the empty value. Pairs of other names are not looked at, whatever they hold. */
vk_err vk_query_get(vk_arena *a, vk_str query, vk_str name, vk_str *out_r)
{
    while (query.n) {
        vk_str pair, key;
        if (!vk_str_cut(&query, '&', &pair)) {
            pair = query;
            query.n = 0;
        }
        if (pair.n == 0)
            continue;
        if (!vk_str_cut(&pair, '=', &key)) {
            key = pair;
            pair = (vk_str){pair.p + pair.n, 0};
        }
        if (is_name(key, name))
            return decode(a, pair, true, out_r);
    }
    return VK_E_NOT_FOUND;
}
