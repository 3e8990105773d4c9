/* libpq's own memory. It keeps copies of a password (of the connection's options, of what it sends) and frees
 * most of them as they are. */
#ifndef VK_NET_PQ_MEMORY_H
#define VK_NET_PQ_MEMORY_H

#include "core/base.h"

/* `lib` is a handle of dlopen(). From now on that library calls a free() and a realloc() that overwrite what
 * is given back; nothing else in the process does. Before it is used. VK_E_UNSUPPORTED: it was not found
 * where the ELF specification has it, or may not be changed. */
VK_MUSTCHECK vk_err vk_pq_wipe_what_it_frees(void *lib);
/* Pieces that were overwritten since; for tests. */
uint64_t vk_pq_wiped(void);

#endif
