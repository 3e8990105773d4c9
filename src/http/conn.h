/* Between exchange.c and conn.c only. */
#ifndef VK_HTTP_CONN_H
#define VK_HTTP_CONN_H

#include "http/server.h"

/* A copy of the head (its `head_bytes` bytes start at h->method.p) in a fresh exchange; NULL when out of
 * memory. With head_bytes 0 an empty exchange, for refusals. */
VK_MUSTCHECK vk_exchange *vk_exchange_new(struct vk_conn *c, const vk_server *server, const vk_head *h,
                                          size_t head_bytes);
void vk_exchange_end(vk_exchange *ex);

/* The connection cannot go on after this answer (client's wish, unread body, server closing). */
bool vk_conn_must_close(const struct vk_conn *c);
/* The answer is ready, or its source has more. */
void vk_conn_answered(struct vk_conn *c);

#endif
