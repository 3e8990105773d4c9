/* Which libraries this program runs on. */
#ifndef VK_CLI_VERSION_H
#define VK_CLI_VERSION_H

#include "core/json_write.h"

enum { VK_N_LIBRARIES = 4 };

typedef struct vk_library {
    const char *name, *version;
} vk_library;

void vk_libraries(vk_library out[VK_N_LIBRARIES]);
/* {"sqlite":"3.40.1", …} */
void vk_libraries_json(vk_jw *w);

#endif
