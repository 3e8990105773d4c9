#include "services/auth/redirect.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Visible ASCII without a backslash, which browsers read as a slash. */
static bool plain(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '\\')
            return false;
    return true;
}

/* Decimal, 1 to 65535, no zero in front. */
static bool port_is(vk_str s, int *port_r)
{
    int v = 0;
    if (s.n == 0 || s.n > 5 || s.p[0] == '0')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *port_r = v;
    return v <= 65535;
}

vk_err vk_auth_origin_of(vk_str url, char out[VK_AUTH_ORIGIN_MAX + 1])
{
    char text[VK_AUTH_ORIGIN_MAX + 1];
    size_t scheme, n = 0, host, end;
    if (url.n > VK_AUTH_URL_MAX)
        return VK_E_TOO_LARGE;
    if (!plain(url))
        return VK_E_INVALID;
    if (url.n > 7 && vk_str_ieq((vk_str){url.p, 7}, VK_STR("http://")))
        scheme = 7;
    else if (url.n > 8 && vk_str_ieq((vk_str){url.p, 8}, VK_STR("https://")))
        scheme = 8;
    else
        return VK_E_INVALID;
    for (end = scheme; end < url.n && url.p[end] != '/' && url.p[end] != '?' && url.p[end] != '#';)
        end++;
    if (end == scheme || end > VK_AUTH_ORIGIN_MAX)
        return VK_E_INVALID;
    for (; n < end; n++)
        text[n] = lower(url.p[n]);
    host = scheme;
    if (text[host] == '[') { /* whether it is an IPv6 address decides the list */
        for (host++; host < n && text[host] != ']'; host++)
            if (!strchr("0123456789abcdef:.", text[host]))
                return VK_E_INVALID;
        if (host++ == n)
            return VK_E_INVALID;
    } else {
        while (host < n && host_char(text[host]))
            host++;
    }
    if (host == scheme)
        return VK_E_INVALID;
    if (host < n) {
        int port;
        if (text[host] != ':' || !port_is((vk_str){text + host + 1, n - host - 1}, &port))
            return VK_E_INVALID;
        if (port == (scheme == 7 ? 80 : 443))
            n = host;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return VK_OK;
}

bool vk_auth_origin_allowed(vk_str url, const vk_str *origins, size_t n)
{
    char origin[VK_AUTH_ORIGIN_MAX + 1];
    if (vk_auth_origin_of(url, origin) != VK_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (vk_str_eqz(origins[i], origin))
            return true;
    return false;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* Whether a parameter's name, percent-encoded or not, is that one: as URLSearchParams reads it. */
static bool is_named(vk_str raw, vk_str name)
{
    size_t i = 0, k = 0;
    for (; i < raw.n && k < name.n; k++) {
        char c = raw.p[i];
        size_t step = 1;
        if (c == '%' && i + 2 < raw.n && hex(raw.p[i + 1]) >= 0 && hex(raw.p[i + 2]) >= 0) {
            c = (char)(hex(raw.p[i + 1]) * 16 + hex(raw.p[i + 2]));
            step = 3;
        } else if (c == '+') {
            c = ' ';
        }
        if (c != name.p[k])
            return false;
        i += step;
    }
    return i == raw.n && k == name.n;
}

static bool token_is(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = lower(s.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return false;
    }
    return s.n > 0;
}

vk_err vk_auth_redirect_add(vk_str url, vk_str name, vk_str value, vk_buf *out)
{
    char origin[VK_AUTH_ORIGIN_MAX + 1];
    vk_err e = vk_auth_origin_of(url, origin);
    if (e != VK_OK)
        return e;
    if (!token_is(name) || !token_is(value))
        return VK_E_INVALID;
    const char *hash = memchr(url.p, '#', url.n);
    vk_str before = {url.p, hash ? (size_t)(hash - url.p) : url.n};
    vk_str fragment = {url.p + before.n, url.n - before.n};
    vk_str query = before, path;
    if (!vk_str_cut(&query, '?', &path)) {
        path = before;
        query = VK_STR_NONE;
    }
    size_t begin = out->n;
    vk_buf_str(out, path);
    vk_buf_ch(out, '?');
    while (query.n) {
        vk_str pair, rest, key;
        if (!vk_str_cut(&query, '&', &pair)) {
            pair = query;
            query = VK_STR_NONE;
        }
        rest = pair;
        if (!vk_str_cut(&rest, '=', &key))
            key = pair;
        if (pair.n == 0 || is_named(key, name) || is_named(key, VK_STR("__clerk_handshake")) ||
            is_named(key, VK_STR("__clerk_handshake_nonce")))
            continue;
        vk_buf_str(out, pair);
        vk_buf_ch(out, '&');
    }
    vk_buf_str(out, name);
    vk_buf_ch(out, '=');
    vk_buf_str(out, value);
    vk_buf_str(out, fragment);
    if (out->err != VK_OK)
        out->n = begin; /* nothing half-made */
    return out->err;
}

static bool keeps_secure_cookies(vk_str origin)
{
    if (vk_str_starts(origin, VK_STR("https://")))
        return true;
    vk_str host = {origin.p + 7, origin.n < 7 ? 0 : origin.n - 7}, head, local = VK_STR(".localhost");
    if (!vk_str_starts(origin, VK_STR("http://")))
        return false;
    if (host.n && host.p[0] == '[')
        return vk_str_starts(host, VK_STR("[::1]")) && (host.n == 5 || host.p[5] == ':');
    if (!vk_str_cut(&host, ':', &head))
        head = host;
    return vk_str_eqz(head, "localhost") || vk_str_eqz(head, "127.0.0.1") ||
           (head.n > local.n && vk_str_eq((vk_str){head.p + head.n - local.n, local.n}, local));
}

bool vk_auth_is_partitioned(const vk_str *origins, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!keeps_secure_cookies(origins[i]))
            return false;
    return n > 0;
}
