/* A service's export_data, where a build's data is one SQLite file on a strand: a copy of it in an unlinked
 * file. The copy is made by a job of its own, so it is of one moment, between two commits. */
#ifndef VK_SERVICES_EXPORT_H
#define VK_SERVICES_EXPORT_H

#include "services/strands.h"

typedef struct vk_strand_file {
    const char *name;              /* "auth.db" */
    const char *label;             /* of the file while it is made, below tmp/: [a-z]+ */
    const char *none, *unreadable; /* sentences for people: it has none yet; it does not open */
    /* On the strand, of a build that is open: all pages into the empty file. VK_E_FULL, others. */
    vk_err (*copy)(vk_strand *s, const char *path);
} vk_strand_file;

/* As vk_service.export_data. */
void vk_strand_export(vk_strands *all, const vk_strand_file *file, const char *build,
                      void (*done)(void *arg, vk_err e, const vk_export *x, const char *why), void *arg);

#endif
