/* Static files that the console port serves without a token. The table is filled by the console
 * (src/console), whose files are embedded in the program; the admin handler only needs to know where they
 * are. */
#ifndef VK_ADMIN_PAGE_H
#define VK_ADMIN_PAGE_H

#include "core/base.h"

typedef struct vk_page {
    const char *path; /* "/console.css"; NULL ends */
    const char *content_type;
    vk_str body; /* static */
} vk_page;

extern const vk_page vk_console_pages[];

#endif
