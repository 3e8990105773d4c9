/* The script that Node loads before an app whose code names the vendors' hosts (preload.mjs). */
#ifndef VK_HANDOFF_PRELOAD_H
#define VK_HANDOFF_PRELOAD_H

/* One option of node's, for NODE_OPTIONS: "--import=data:text/javascript;base64,…". No blanks, quotes or
 * backslashes are in it. It is no secret and the same for all builds: the script reads the environment. */
extern const char vk_preload_option[];

#endif
