/* What courier answers on the socketpair. It has no other way in, no vault and no build data.
 *   GET  /healthz   200, JSON {"status":"ok","role":"courier"}
 *   POST /v1/connect  with one end of a socketpair as a descriptor: courier serves it too. 200
 *   POST /v1/call   {"method","url","origin","content_type","headers","body","body_max","cut"}, all but the
 *                   first two may be absent: one request to a host that somebody typed (courier/outbound.h).
 *                   "headers" is an object of names and values (vk_outbound_header_ok). 200 with
 *                   {"status","ms","body"} when the host answered, whatever it said; otherwise an error whose
 *                   code and sentence say why not. 429 when too many wait.
 *   POST /v1/validate  {"keys": {service: {name: value, …}, …}, "ours": [name, …]}: keys of others' services
 *                   that somebody typed, and which of the values are valet keys (courier/ladder.h). Each
 *                   service has a lane. 200 with {service: report, …}; 429 when too many wait; 501 without
 *                   libcurl.
 * Anything else is 404. */
#ifndef VK_COURIER_H
#define VK_COURIER_H

#include "courier/outbound.h"
#include "http/server.h"

enum {
    VK_COURIER_LANES = 32, /* calls at once; a lane is made when all that there are have something to do */
    VK_COURIER_QUEUE = 8,  /* that wait, a lane */
    VK_COURIER_ASK_MAX = 4 * 1024 * 1024,
};

struct vk_courier;

/* libcurl is loaded at the first call; where it is missing, /v1/call says so. `ca_file`: the authorities that
 * are trusted (PEM) instead of the system's, NULL for these; stays the caller's. Before any other thread is
 * made: what of the environment is meant for libpq is taken out of it. Owner: the caller; lives as long as
 * the process. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_courier_new(const vk_egress *egress, const char *ca_file, struct vk_courier **out_r);

/* Its server's ctx is a vk_courier, and it takes descriptors. */
extern const vk_handler vk_courier_handler;

#endif
