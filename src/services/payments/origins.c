#include "services/payments/origins.h"

enum { URL_MAX = 2048 };

/* As the auth service has them: an app that may sign in may be told of payments. */
#define AT_HOME(port)                                                                                        \
    VK_STR("http://localhost:" #port), VK_STR("http://127.0.0.1:" #port), VK_STR("http://[::1]:" #port)
static const vk_str at_home[] = {
    AT_HOME(3000), AT_HOME(3001), AT_HOME(3002), AT_HOME(3003), AT_HOME(3004), AT_HOME(3005),
    AT_HOME(4000), AT_HOME(4173), AT_HOME(4200), AT_HOME(4321), AT_HOME(5000), AT_HOME(5173),
    AT_HOME(5174), AT_HOME(5175), AT_HOME(8000), AT_HOME(8080), AT_HOME(8081),
};

vk_pay_origins vk_pay_origins_of(const vk_build *b)
{
    if (b->n_origins)
        return (vk_pay_origins){b->origins, b->n_origins, false};
    return (vk_pay_origins){at_home, VK_COUNT(at_home), true};
}

static bool host_is(vk_str host)
{
    bool v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    const char *others = v6 ? "[]:." : "-_.";
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(others, c)))
            return false;
    }
    return host.n > 0;
}

static bool port_is(vk_str s, int64_t *port_r)
{
    return s.n && s.n <= 5 && s.p[0] >= '1' && s.p[0] <= '9' && vk_str_to_i64(s, port_r) == VK_OK &&
           *port_r <= 65535;
}

vk_err vk_pay_origin_of(vk_str url, char out[VK_PAY_ORIGIN_MAX + 1])
{
    char text[VK_PAY_ORIGIN_MAX + 1];
    size_t scheme = 0, end;
    if (url.n > URL_MAX)
        return VK_E_INVALID;
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~' || strchr("\"<>\\^`{|}", url.p[i]))
            return VK_E_INVALID;
    if (url.n > 7 && vk_str_ieq((vk_str){url.p, 7}, VK_STR("http://")))
        scheme = 7;
    else if (url.n > 8 && vk_str_ieq((vk_str){url.p, 8}, VK_STR("https://")))
        scheme = 8;
    for (end = scheme; end < url.n && !strchr("/?#", url.p[end]);)
        end++;
    if (!scheme || end > VK_PAY_ORIGIN_MAX)
        return VK_E_INVALID;
    for (size_t i = 0; i < end; i++)
        text[i] = url.p[i] >= 'A' && url.p[i] <= 'Z' ? (char)(url.p[i] | 0x20) : url.p[i];
    vk_str host = {text + scheme, end - scheme};
    size_t colon = host.n;
    while (colon > 0 && host.p[colon - 1] != ':' && host.p[colon - 1] != ']')
        colon--;
    if (colon > 0 && host.p[colon - 1] == ':') {
        int64_t port = 0;
        if (!port_is((vk_str){host.p + colon, host.n - colon}, &port))
            return VK_E_INVALID;
        host.n = colon - 1;
        if (port == (scheme == 7 ? 80 : 443))
            end = scheme + host.n;
    }
    if (!host_is(host))
        return VK_E_INVALID;
    memcpy(out, text, end);
    out[end] = '\0';
    return VK_OK;
}

bool vk_pay_origin_allowed(const vk_pay_origins *o, vk_str url)
{
    char origin[VK_PAY_ORIGIN_MAX + 1];
    if (vk_pay_origin_of(url, origin) != VK_OK)
        return false;
    for (size_t i = 0; i < o->n; i++)
        if (vk_str_eqz(o->at[i], origin))
            return true;
    return false;
}
