/* Between probe.c and probe_look.c only. */
#ifndef VK_KEEPER_PROBE_IN_H
#define VK_KEEPER_PROBE_IN_H

#include "keeper/probe.h"

typedef struct vk_probe_place {
    vk_loop *loop;
    vk_lane *work;
    vk_audit *audit;
} vk_probe_place;

/* As vk_probes_ask, of a vendor that has a `look`. */
void vk_probe_look(const vk_probe_place *at, vk_keeper_probe *p);

#endif
