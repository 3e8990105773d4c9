/* What the admin API gives, into a file as it comes: with progress, and with a sentence for what goes wrong.
 */
#ifndef VK_CLI_DOWNLOAD_H
#define VK_CLI_DOWNLOAD_H

#include "core/base.h"

typedef struct vk_download {
    int fd;          /* where to */
    const char *out; /* what people call that */
    int64_t got;     /* bytes */
} vk_download;

/* Fetches `target` of the daemon that `data` names (NULL: the usual one). An exit code; what is not
 * VK_EXIT_OK is told, and some of the bytes may be in the file. */
VK_MUSTCHECK int vk_download_fetch(vk_download *d, const char *data, const char *target);

#endif
