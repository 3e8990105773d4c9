/* The handshake of RFC 6455 §4.2. */
#include "http/ws.h"

#include "core/encode.h"

/* Calls `is` for every element of a comma-separated header, over all its lines. */
static bool any_element(const vk_exchange *ex, vk_str name, bool (*is)(vk_str element, vk_str wanted),
                        vk_str wanted)
{
    for (uint32_t i = 0; i < ex->n_headers; i++) {
        if (!vk_str_ieq(ex->headers[i].name, name))
            continue;
        vk_str rest = ex->headers[i].value, element;
        for (bool more = true; more;) {
            more = vk_str_cut(&rest, ',', &element);
            if (!more)
                element = rest;
            while (element.n && (*element.p == ' ' || *element.p == '\t')) {
                element.p++;
                element.n--;
            }
            while (element.n && (element.p[element.n - 1] == ' ' || element.p[element.n - 1] == '\t'))
                element.n--;
            if (element.n && is(element, wanted))
                return true;
        }
    }
    return false;
}

static bool any(vk_str element, vk_str wanted)
{
    VK_UNUSED(element);
    VK_UNUSED(wanted);
    return true;
}

static uint32_t count(const vk_exchange *ex, vk_str name)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ex->n_headers; i++)
        n += vk_str_ieq(ex->headers[i].name, name);
    return n;
}

bool vk_ws_asked(const vk_exchange *ex)
{
    return any_element(ex, VK_STR("Upgrade"), vk_str_ieq, VK_STR("websocket")) ||
           vk_request_header(ex, VK_STR("Sec-WebSocket-Key")).p;
}

bool vk_ws_offers_any(const vk_exchange *ex)
{
    return any_element(ex, VK_STR("Sec-WebSocket-Protocol"), any, VK_STR_NONE);
}

bool vk_ws_offers(const vk_exchange *ex, vk_str protocol)
{
    return any_element(ex, VK_STR("Sec-WebSocket-Protocol"), vk_str_eq, protocol);
}

/* 16 bytes in the standard alphabet, padded. */
static bool key_ok(const vk_exchange *ex)
{
    vk_str key = vk_request_header(ex, VK_STR("Sec-WebSocket-Key")), bytes;
    if (key.n != VK_WS_KEY || memchr(key.p, '-', key.n) || memchr(key.p, '_', key.n) ||
        key.p[VK_WS_KEY - 1] != '=')
        return false;
    return vk_base64_decode(ex->arena, key, &bytes) == VK_OK && bytes.n == 16;
}

int vk_ws_refusal(vk_exchange *ex, const char **why_r)
{
    static const char key[] = "Sec-WebSocket-Key", version[] = "Sec-WebSocket-Version";
    *why_r = NULL;
    if (!vk_str_eqz(ex->method, "GET") || ex->minor != 1)
        *why_r = "A WebSocket handshake is a GET request of HTTP/1.1";
    else if (!any_element(ex, VK_STR("Upgrade"), vk_str_ieq, VK_STR("websocket")) ||
             !any_element(ex, VK_STR("Connection"), vk_str_ieq, VK_STR("upgrade")))
        *why_r = "A WebSocket handshake needs `Upgrade: websocket` and `Connection: Upgrade`";
    else if (count(ex, vk_str_z(key)) != 1 || !key_ok(ex))
        *why_r = "A WebSocket handshake needs one Sec-WebSocket-Key of 16 bytes in base64";
    else if (count(ex, vk_str_z(version)) > 1)
        *why_r = "A WebSocket handshake has one Sec-WebSocket-Version";
    if (*why_r)
        return 400;
    if (vk_str_eqz(vk_request_header(ex, vk_str_z(version)), "13"))
        return 0;
    *why_r = "Only version 13 of WebSocket is served here";
    vk_err e = vk_header_add(ex, version, VK_STR("13"));
    VK_UNUSED(e); /* the text says it too */
    return 426;
}
