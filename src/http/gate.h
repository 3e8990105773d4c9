/* Who has connections to one listener: counted in all and by address, over all loops that serve it. Asked
 * when a connection comes and goes, and for each refused key; never on the way of a good request.
 * Thread-safe. */
#ifndef VK_HTTP_GATE_H
#define VK_HTTP_GATE_H

#include "core/limits.h"
#include "core/list.h"
#include "core/map.h"
#include "core/rate.h"

#include <pthread.h>
#include <sys/socket.h>

enum {
    VK_GATE_KEPT = 4096,      /* addresses without a connection whose refused keys are remembered */
    VK_GATE_MANY = 1000,      /* connections whose memory is worth giving back to the system */
    VK_BAD_KEY_WAIT_MS = 1000 /* before the answer to a key too many is sent */
};

/* An address, for as long as it has connections or was refused too much lately. Belongs to the gate. */
typedef struct vk_peer {
    vk_map_node node;
    vk_list kept;  /* in gate->kept while conns is 0, else alone */
    uint64_t addr; /* an IPv4 address, or the first half of an IPv6 one */
    sa_family_t family;
    uint32_t conns;
    vk_bucket bad;
} vk_peer;

/* What several gates have together: who is not there leaves its room to the others, but for what is kept for
 * it. */
typedef struct vk_gate_room {
    const struct vk_gate *gates;
    size_t n_gates;
    size_t all; /* connections */
} vk_gate_room;

typedef struct vk_gate {
    pthread_mutex_t mu;
    vk_map peers;
    vk_list kept; /* oldest first */
    size_t n_kept;
    _Atomic size_t n; /* connections */
    size_t most;      /* of them since the last vk_gate_emptied that said so; under mu */
    size_t max, address_max;
    const vk_gate_room *room; /* NULL: only `max` counts. Set after vk_gate_init, as `kept_for` */
    size_t kept_for;          /* connections that it may have whatever the others have */
    vk_rate bad;
    int64_t bad_rate;
} vk_gate;

VK_MUSTCHECK vk_err vk_gate_init(vk_gate *g, const vk_limits *l, size_t max);
void vk_gate_free(vk_gate *g);
/* A connection from `from`, which is of any family. VK_OK: counted until vk_gate_leave. VK_E_BUSY: its
 * address has as many as one may have. VK_E_NOMEM. Does not look at `max`. */
VK_MUSTCHECK vk_err vk_gate_enter(vk_gate *g, const struct sockaddr_storage *from, vk_peer **out_r);
void vk_gate_leave(vk_gate *g, vk_peer *p);
/* An address that is the same peer to any gate. */
void vk_gate_address(const vk_peer *p, struct sockaddr_storage *out);
/* More connections than there is room for. */
bool vk_gate_full(const vk_gate *g);
/* There were many connections, and most have gone: says so once. */
bool vk_gate_emptied(vk_gate *g);
/* A key of that peer was refused. 0: say so. Else there were too many, for so many milliseconds. */
int64_t vk_gate_bad_key(const vk_gate *g, vk_peer *p);
/* What it would answer to one more. */
int64_t vk_gate_bad_keys(const vk_gate *g, vk_peer *p);

#endif
