/* Where the files lie that come with the program and are only read: Clerk's scripts for browsers. */
#ifndef VK_SHARE_H
#define VK_SHARE_H

#include "core/base.h"

#include <limits.h>

/* The first of these that is there: share/valetkey beside the folder of the program, as `meson install` lays
 * them out (also when all of it was moved); .tools/share there, of a checkout whose program is in build/;
 * share/valetkey of the prefix that the program was built for. The last one when none is. An absolute path,
 * with NUL. Looks at the file system. */
void vk_share_find(char out[PATH_MAX]);

#endif
