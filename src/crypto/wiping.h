/* OpenSSL's memory in a process that has others' keys: what it frees is overwritten first, so that buffers of
 * TLS and copies of what went through them do not stay behind. */
#ifndef VK_CRYPTO_WIPING_H
#define VK_CRYPTO_WIPING_H

#include "core/base.h"

/* Before anything of OpenSSL is used in this process. VK_E_CONFLICT: it was used already. */
VK_MUSTCHECK vk_err vk_wiping_begin(void);
/* Pieces that were overwritten since; for tests. */
uint64_t vk_wiping_count(void);

#endif
