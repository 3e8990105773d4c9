/* Whose a credential is, as keeper sees it: in the metadata itself, whatever front says. What was looked up
 * is kept for as long as the metadata has not changed at all (store/watch.h), so that a revocation counts
 * from the next order on. One loop. */
#ifndef VK_KEEPER_VIEW_H
#define VK_KEEPER_VIEW_H

#include "store/watch.h"

enum { VK_VIEW_ROWS = 1024 };

typedef struct vk_view vk_view;

typedef struct vk_view_row {
    char build[VK_BUILD_ID_MAX + 1];
    uint64_t generation;
    vk_binding binding; /* of the credential's service */
    bool noted;         /* vk_view_noted, since it was read from the metadata */
} vk_view_row;

typedef struct vk_view_counts {
    uint64_t kept, read; /* questions that were answered from memory, and from the metadata */
} vk_view_counts;

/* The watch becomes the view's. */
VK_MUSTCHECK vk_err vk_view_new(vk_watch *w, vk_view **out_r);
void vk_view_free(vk_view *v);
/* The credential of that lookup hash, for that service and of that kind, at `now` (wall ms). *out_r is good
 * until the next question. VK_E_UNAUTHORIZED: unknown, revoked, or of an earlier build of the name;
 * VK_E_FORBIDDEN: another service's or kind's; VK_E_EXPIRED; VK_E_NOT_FOUND: the build has the service
 * embedded; VK_E_UNAVAILABLE: the metadata cannot be read now; VK_E_NOMEM. *why_r: a static sentence. */
VK_MUSTCHECK vk_err vk_view_find(vk_view *v, const uint8_t hash[VK_HASH], vk_str service, char kind,
                                 int64_t now, const vk_view_row **out_r, const char **why_r);
/* Who asked has done what is to be done once for each reading: of the row that was given last. */
void vk_view_noted(const vk_view_row *row);
/* A build, and how it has a service, as the metadata is now; texts in `a`. `bound` false: it has the service
 * embedded, or there is none of that name. VK_E_NOT_FOUND; VK_E_UNAVAILABLE: the metadata cannot be read now;
 * VK_E_NOMEM. */
typedef struct vk_view_build {
    vk_build build;
    vk_binding binding;
    bool bound;
} vk_view_build;
VK_MUSTCHECK vk_err vk_view_build_of(vk_view *v, vk_arena *a, vk_str id, vk_str service,
                                     vk_view_build *out_r);
void vk_view_count(const vk_view *v, vk_view_counts *out);

#endif
