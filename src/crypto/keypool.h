/* A few RSA keys made ahead of time, so that a build's first sign-in does not wait for one (60 to 150 ms, at
 * times several of that). One thread makes them, in the kernel's idle class: they cost only time that nobody
 * wants. Such a thread may stand still for long, so it never holds a lock: keys change hands by atomic
 * exchange. It sleeps while the pool is full. Nothing of the pool is ever written down. */
#ifndef VK_CRYPTO_KEYPOOL_H
#define VK_CRYPTO_KEYPOOL_H

#include "crypto/rsa.h"

enum { VK_KEYPOOL_MAX = 32 };

typedef struct vk_keypool vk_keypool;

/* Keeps `target` keys, 1 to VK_KEYPOOL_MAX. `idle`: the thread is of the kernel's idle class; tests, which
 * wait for it on machines that have no time to spare, do without. After the role's fence is closed.
 * VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_keypool_new(size_t target, bool idle, vk_keypool **out_r);
/* Gives up the key that is being made, which may take a second where the machine is busy, and wipes all. No
 * other thread uses it any more. NULL is allowed. */
void vk_keypool_free(vk_keypool *p);
/* A key of the pool, at once, or VK_AGAIN: it is empty. From any thread; the key is the caller's. */
VK_MUSTCHECK vk_err vk_keypool_try(vk_keypool *p, vk_rsa **out_r);
/* The same, but an empty pool means that this thread makes a key itself, at its own priority: so it waits for
 * one key at most, never for those that others wait for. Not on a loop. VK_E_INTERNAL, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_keypool_take(vk_keypool *p, vk_rsa **out_r);
/* For metrics and tests. */
size_t vk_keypool_ready(vk_keypool *p);

#endif
