/* Where the listeners are, and what of TLS goes with them. */
#include "daemon/config.h"

#include <arpa/inet.h>

/* The name of a listener, for sentences: a service's, or "console". */
const char *vk_listen_name(size_t i)
{
    const vk_service *all[VK_SERVICES_MAX];
    return i == VK_CONSOLE || i >= vk_services(all) ? "console" : all[i]->name;
}

/* "1.2.3.4", "1.2.3.4:80", "[::]", "[::1]:80", "localhost", "localhost:80". */
static bool take_address(vk_str s, vk_listen_at *at)
{
    unsigned char bytes[16];
    vk_str host, port = VK_STR_NONE;
    int64_t n = 0;
    bool v6 = s.n && s.p[0] == '[';
    if (v6) {
        s = (vk_str){s.p + 1, s.n - 1};
        if (!vk_str_cut(&s, ']', &host) || (s.n && s.p[0] != ':'))
            return false;
        port = s.n ? (vk_str){s.p + 1, s.n - 1} : VK_STR_NONE;
        if (s.n && !port.n)
            return false;
    } else {
        host = s;
        vk_str rest = s, front;
        if (vk_str_cut(&rest, ':', &front)) {
            host = front;
            port = rest;
            if (!port.n)
                return false;
        }
    }
    if (vk_str_eqz(host, "localhost"))
        host = VK_STR("127.0.0.1");
    if (host.n == 0 || host.n >= sizeof at->host || memchr(host.p, '\0', host.n))
        return false;
    memcpy(at->host, host.p, host.n);
    at->host[host.n] = '\0';
    if (inet_pton(v6 ? AF_INET6 : AF_INET, at->host, bytes) != 1)
        return false;
    if (port.n && (vk_str_to_i64(port, &n) != VK_OK || n < 1 || n > 65535))
        return false;
    at->port = (int)n;
    return true;
}

vk_err vk_config_listen(vk_config *c, vk_str listener, vk_str value, const char *from, char why[VK_WHY_MAX])
{
    int index = listener.n == 0                   ? -1
                : vk_str_eqz(listener, "console") ? VK_CONSOLE
                                                  : vk_service_index(listener);
    if (listener.n && index < 0)
        return vk_say(why, VK_E_INVALID,
                      "%s names the listener \"" VK_STR_FMT
                      "\", which this version does not have. It has console and one for each service.",
                      from, VK_STR_ARG(listener));
    vk_listen_at at = {.port = 0};
    vk_str rest = value, word;
    bool good = vk_config_word(&rest, &word) && take_address(word, &at);
    if (good && vk_config_word(&rest, &word)) {
        at.tls = vk_str_eqz(word, "tls");
        good = (at.tls || vk_str_eqz(word, "plain")) && !vk_config_word(&rest, &word);
    }
    if (!good)
        return vk_say(why, VK_E_INVALID,
                      "%s wants an address like 0.0.0.0:4502 or [::1], and perhaps \"tls\" after it, not "
                      "\"" VK_STR_FMT "\".",
                      from, VK_STR_ARG(value));
    if (index < 0 && at.port)
        return vk_say(why, VK_E_INVALID,
                      "%s: one port cannot be that of every listener. Leave it out, or name the listener, as "
                      "in database=%s:%d.",
                      from, at.host, at.port);
    *(index < 0 ? &c->listen_all : &c->listen[index]) = at;
    return VK_OK;
}

bool vk_listen_loopback(const vk_listen_at *at)
{
    return strncmp(at->host, "127.", 4) == 0 || strcmp(at->host, "::1") == 0;
}

static bool every_address(const vk_listen_at *at)
{
    return strcmp(at->host, "0.0.0.0") == 0 || strcmp(at->host, "::") == 0;
}

void vk_listen_text(const vk_listen_at *at, char out[VK_LISTEN_TEXT])
{
    bool v6 = strchr(at->host, ':') != NULL;
    snprintf(out, VK_LISTEN_TEXT, "%s%s%s:%d", v6 ? "[" : "", at->host, v6 ? "]" : "", at->port);
}

void vk_listen_url(const vk_listen_at *at, char out[VK_LISTEN_TEXT])
{
    char text[VK_LISTEN_TEXT];
    vk_listen_at near = *at;
    if (every_address(at))
        snprintf(near.host, sizeof near.host, "%s", strchr(at->host, ':') ? "::1" : "127.0.0.1");
    vk_listen_text(&near, text);
    snprintf(out, VK_LISTEN_TEXT, "http%s://%.*s", at->tls ? "s" : "", VK_LISTEN_TEXT - 10, text);
}

static vk_err check_tls(const vk_config *c, size_t n_tls, char why[VK_WHY_MAX])
{
    if (c->tls_self_signed && (c->tls_cert[0] || c->tls_key[0]))
        return vk_say(
            why, VK_E_INVALID,
            "tls_self_signed makes a certificate of its own; leave it or tls_cert and tls_key out.");
    if (!c->tls_cert[0] != !c->tls_key[0])
        return vk_say(why, VK_E_INVALID, "%s is set without %s: name the files of both.",
                      c->tls_cert[0] ? "tls_cert" : "tls_key", c->tls_cert[0] ? "tls_key" : "tls_cert");
    if (n_tls && !c->tls_cert[0] && !c->tls_self_signed)
        return vk_say(why, VK_E_INVALID,
                      "A listener has tls, but there is no certificate: name its files with --tls-cert and "
                      "--tls-key, or let --tls-self-signed make one for development.");
    if (!n_tls && (c->tls_cert[0] || c->tls_self_signed))
        return vk_say(
            why, VK_E_INVALID,
            "There is a certificate, but no listener has tls: --listen 'database=127.0.0.1 tls', or "
            "--listen '127.0.0.1 tls' for all.");
    return VK_OK;
}

vk_err vk_config_settle(vk_config *c, char why[VK_WHY_MAX])
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all), n_tls = 0;
    for (size_t i = 0; i <= VK_CONSOLE; i++) {
        vk_listen_at *at = &c->listen[i];
        if (i >= n && i != VK_CONSOLE)
            continue;
        if (!at->host[0])
            *at = c->listen_all;
        if (!at->host[0])
            snprintf(at->host, sizeof at->host, "127.0.0.1");
        if (!at->port)
            at->port = c->port_base + (i == VK_CONSOLE ? 0 : all[i]->port_offset);
        n_tls += at->tls;
        if (!at->tls && !vk_listen_loopback(at) && !c->allow_plain_network)
            return vk_say(why, VK_E_INVALID,
                          "The listener of %s would be on %s without TLS: whoever is on that network could "
                          "read keys and data on their way. Write \"tls\" after the address, stay on "
                          "127.0.0.1, or say --allow-plain-network if something else encrypts.",
                          vk_listen_name(i), at->host);
        if (i == VK_CONSOLE)
            break;
        char url[VK_LISTEN_TEXT];
        vk_listen_url(at, url);
        if (!c->url_sandbox[i][0])
            memcpy(c->url_sandbox[i], url, sizeof url);
        if (!c->url_browser[i][0])
            memcpy(c->url_browser[i], url, sizeof url);
    }
    c->tls = n_tls > 0;
    return check_tls(c, n_tls, why);
}
