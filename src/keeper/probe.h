/* What `keys check` asks of vendors: the questions of a vendor's table (vk_vendor_probe), each made by
 * vendor->order as an order of no build, all at once, with one intent and one outcome in the audit. Answers
 * are told apart by their status only; nothing of them goes anywhere. */
#ifndef VK_KEEPER_PROBE_H
#define VK_KEEPER_PROBE_H

#include "keeper/keeper.h"
#include "net/lane.h"

enum {
    VK_PROBES_MAX = 16,      /* questions of one vendor */
    VK_PROBE_WAIT_MS = 8000, /* for a connection; and for an answer's head */
};

typedef struct vk_probes vk_probes;

/* `audit`, the lanes (for names; `work` for vendors with a `look`) and `ca_file` (keeper/orders.h) stay the
 * caller's. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_probes_new(vk_loop *loop, const char *ca_file, vk_lane *lane, vk_lane *work,
                                  vk_audit *audit, vk_probes **out_r);
/* The loop has stopped. */
void vk_probes_free(vk_probes *x);
/* vk_keeper's `probe`; `probe_arg` is a vk_probes. The values are read before it returns. VK_E_UNAVAILABLE: a
 * vendor that must answer did not, or the audit cannot be written; VK_E_UNSUPPORTED: nothing is asked there.
 */
void vk_probes_ask(vk_keeper *k, vk_keeper_probe *p);

#endif
