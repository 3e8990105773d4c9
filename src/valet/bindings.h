/* How a build has its services, in memory: copies of the metadata's bindings, which stay as they are. When
 * one changes a new set takes the place of the old one; who still reads that one does so on. */
#ifndef VK_BINDINGS_H
#define VK_BINDINGS_H

#include "store/store.h"

typedef struct vk_bindings {
    struct vk_bindings *before; /* what it took the place of, while somebody may read it */
    bool embedded;              /* all of them */
    size_t n;
    vk_binding of[VK_BINDINGS_MAX]; /* the resources lie behind it */
} vk_bindings;

/* Reads them. Owner: the caller, until vk_bindings_free. VK_E_NOMEM, or what the store says. */
VK_MUSTCHECK vk_err vk_bindings_read(vk_store *store, vk_str build, vk_bindings **out_r);
/* With all that are before it. NULL is allowed. */
void vk_bindings_free(vk_bindings *b);
bool vk_bindings_same(const vk_bindings *a, const vk_bindings *b);
/* NULL: the build has no such service, or has it embedded. `b` may be NULL. */
const vk_binding *vk_bindings_of(const vk_bindings *b, vk_str service);

#endif
