/* When which build has something to do: a heap with one entry a build, whose earliest time counts. Of one
 * thread. */
#ifndef VK_PAY_WAKE_H
#define VK_PAY_WAKE_H

#include "core/map.h"
#include "store/store.h"

enum { VK_PAY_WAKES_MAX = 1 << 20 };

typedef struct vk_pay_wakes {
    struct vk_pay_wake **heap;
    size_t n, room;
    vk_map builds;
} vk_pay_wakes;

void vk_pay_wakes_init(vk_pay_wakes *w);
void vk_pay_wakes_free(vk_pay_wakes *w);
/* The build has something to do at that time, or earlier when that was set before. VK_E_TOO_LARGE:
 * VK_PAY_WAKES_MAX builds have. */
VK_MUSTCHECK vk_err vk_pay_wakes_set(vk_pay_wakes *w, const char *build, int64_t at_ms);
/* Takes out the first whose time has come; false: there is none. */
bool vk_pay_wakes_take(vk_pay_wakes *w, int64_t now_ms, char build_r[VK_BUILD_ID_MAX + 1]);
/* The first time; INT64_MAX: nothing is set. */
int64_t vk_pay_wakes_first(const vk_pay_wakes *w);

#endif
