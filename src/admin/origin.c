#include "admin/origin.h"

#include "store/store.h"

#include <arpa/inet.h>

enum { LABEL_MAX = 63, HOST_MAX = 253 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of letters, digits, '-' and '_' (container hosts have it), none empty, none beginning or ending with
 * '-'. */
static bool name_ok(vk_str host)
{
    if (host.n == 0 || host.n > HOST_MAX)
        return false;
    size_t label = 0;
    for (size_t i = 0; i <= host.n; i++) {
        if (i == host.n || host.p[i] == '.') {
            if (label == 0 || label > LABEL_MAX || host.p[i - label] == '-' || host.p[i - 1] == '-')
                return false;
            label = 0;
        } else if (host_char(host.p[i])) {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

/* A last label that is a number makes an IPv4 address in full or nothing: "1.2.3" and "0x7f.1" mean something
 * to some resolvers. */
static bool v4_or_name(const char *host)
{
    const char *last = strrchr(host, '.');
    last = last ? last + 1 : host;
    bool hex = last[0] == '0' && last[1] == 'x';
    bool number = strspn(last, "0123456789") == strlen(last) ||
                  (hex && strspn(last + 2, "0123456789abcdef") == strlen(last + 2));
    struct in_addr v4;
    return !number || inet_pton(AF_INET, host, &v4) == 1;
}

static vk_err take_v6(vk_str *rest, char out[64])
{
    const char *end = memchr(rest->p, ']', rest->n);
    size_t n = end ? (size_t)(end - rest->p) - 1 : 0;
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    if (!end || n == 0 || n >= sizeof text)
        return VK_E_INVALID;
    memcpy(text, rest->p + 1, n);
    text[n] = '\0';
    if (inet_pton(AF_INET6, text, &v6) != 1 || !inet_ntop(AF_INET6, &v6, text, sizeof text))
        return VK_E_INVALID;
    snprintf(out, 64, "[%s]", text);
    rest->p += n + 2;
    rest->n -= n + 2;
    return VK_OK;
}

static vk_err take_name(vk_str *rest, char out[HOST_MAX + 1])
{
    const char *colon = rest->n ? memchr(rest->p, ':', rest->n) : NULL;
    size_t n = colon ? (size_t)(colon - rest->p) : rest->n;
    if (n > HOST_MAX)
        return VK_E_INVALID;
    for (size_t i = 0; i < n; i++)
        out[i] = lower(rest->p[i]);
    out[n] = '\0';
    if (!name_ok((vk_str){out, n}) || !v4_or_name(out))
        return VK_E_INVALID;
    rest->p += n;
    rest->n -= n;
    return VK_OK;
}

/* What is wrong in the words of whoever wrote it, before the grammar is looked at. */
static const char *common_mistake(vk_str text, vk_str rest)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x80)
            return "has letters outside ASCII; write the host in its xn-- form";
        if (c <= ' ' || c == 0x7f)
            return "has a blank or a control character";
    }
    if (memchr(text.p, '*', text.n))
        return "has a wildcard; list every origin by itself";
    if (rest.n && memchr(rest.p, '@', rest.n))
        return "has a user name; leave it out";
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] == '/' || rest.p[i] == '?' || rest.p[i] == '#' || rest.p[i] == '\\')
            return "has a path; end it after the host or the port";
    return NULL;
}

static vk_err parse_port(vk_str rest, bool tls, int64_t *port_r)
{
    *port_r = 0;
    if (rest.n == 0)
        return VK_OK;
    rest.p++;
    rest.n--;
    int64_t port;
    if (rest.p[-1] != ':' || rest.n == 0 || rest.n > 5 || rest.p[0] < '0' || rest.p[0] > '9' ||
        vk_str_to_i64(rest, &port) != VK_OK || port < 1 || port > 65535)
        return VK_E_INVALID;
    *port_r = port == (tls ? 443 : 80) ? 0 : port;
    return VK_OK;
}

vk_err vk_origin_parse(vk_arena *a, vk_str text, vk_str *out_r, const char **why_r)
{
    char host[HOST_MAX + 8];
    int64_t port;
    *why_r = "is empty";
    if (text.n == 0)
        return VK_E_INVALID;
    *why_r = "is longer than 269 bytes";
    if (text.n > VK_ORIGIN_MAX)
        return VK_E_INVALID;
    bool tls = text.n >= 8 && vk_str_ieq((vk_str){text.p, 8}, VK_STR("https://"));
    bool plain = text.n >= 7 && vk_str_ieq((vk_str){text.p, 7}, VK_STR("http://"));
    *why_r = "must begin with http:// or https://";
    if (!tls && !plain)
        return VK_E_INVALID;
    vk_str rest = {text.p + (tls ? 8 : 7), text.n - (tls ? 8 : 7)};
    if ((*why_r = common_mistake(text, rest)))
        return VK_E_INVALID;
    *why_r = "has no valid host; examples are http://localhost:3000 and https://app.example.com";
    vk_err e = rest.n && rest.p[0] == '[' ? take_v6(&rest, host) : take_name(&rest, host);
    if (e != VK_OK)
        return e;
    *why_r = "has no valid port; it is a number from 1 to 65535 after a colon";
    e = parse_port(rest, tls, &port);
    if (e != VK_OK)
        return e;
    *why_r = "does not fit into memory";
    *out_r = port ? vk_arena_printf(a, "%s://%s:%d", tls ? "https" : "http", host, (int)port)
                  : vk_arena_printf(a, "%s://%s", tls ? "https" : "http", host);
    return out_r->p ? VK_OK : VK_E_NOMEM;
}
