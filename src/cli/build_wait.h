/* Waiting for what is made at vendors for a build, and taking it back. */
#ifndef VK_CLI_BUILD_WAIT_H
#define VK_CLI_BUILD_WAIT_H

#include "cli/build.h"

typedef enum vk_waited {
    VK_WAITED_READY,
    VK_WAITED_FAILED, /* why was printed, or is in `why` */
    VK_WAITED_AWAY,   /* the daemon does not answer, or refuses: told */
    VK_WAITED_LONG,   /* it still is not ready after longer than it may take */
} vk_waited;

/* Until all of it is ready or something has failed. What is going on is shown on standard error: one line
 * that is redrawn on a terminal, otherwise a line for each change; nothing when `quiet`. `first`: an answer
 * that has "resources" already; may be NULL. `why` gets a sentence, with a blank behind it, of what has
 * failed when `quiet`, for the one error that is printed then; otherwise it is empty. */
enum { VK_WAITED_WHY = 1024 };
vk_waited vk_build_wait(vk_api *api, const char *id, const vk_reply *first, bool quiet,
                        char why[VK_WAITED_WHY]);
/* Deletes the build, and prints what is still alive at vendors. The number of these; -1: it could not be
 * deleted, which was told. */
int vk_build_take_back(vk_api *api, const char *id);

/* Of one member of "resources". */
bool vk_resource_is(const vk_json *r, const char *state);
/* "database at turso: making: create the database (1 of 3); why" */
void vk_resource_text(const vk_reply *r, const vk_json *x, char *out, size_t room);

#endif
