/* What becomes of a proxied exchange whose answer is 101: bytes both ways until either side ends. Between
 * proxy.c and proxy_tunnel.c. */
#ifndef VK_HTTP_PROXY_TUNNEL_H
#define VK_HTTP_PROXY_TUNNEL_H

#include "http/exchange.h"
#include "http/upstream.h"

/* In head_came of `c`, with the header lines that go on in *ex: the exchange ends, the call is the tunnel's.
 * On an error nothing has happened: VK_E_UNAVAILABLE, the client or the server goes; VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_proxy_tunnel(vk_exchange *ex, vk_upcall *c, const vk_head *h);

#endif
