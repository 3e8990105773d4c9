/* What keeper has of a build that is being deleted: resources at vendors, which are going to end whatever
 * becomes of the build, and values that people have entered for it, which go at once. Durable before the
 * build's row goes, so that nothing at a vendor is left without anybody who knows of it. */
#ifndef VK_ADMIN_PARTING_H
#define VK_ADMIN_PARTING_H

#include "core/json_read.h"
#include "services/ask_keeper.h"

/* The asker's memory until `done`. Fill rt, arena, build, generation, done. */
typedef struct vk_parting {
    vk_keeper_ask ask;
    const vk_runtime *rt;
    vk_arena *arena;
    char build[VK_BUILD_ID_MAX + 1];
    uint64_t generation;
    /* On loops[0], once. VK_OK: keeper has nothing more of the build, or ends it. Otherwise it does not
     * answer, or something there went wrong, which was logged. All of it may be done again. */
    void (*done)(struct vk_parting *p, vk_err e);
    /* its own */
    const vk_json *ending, *own;
    char body[200], target[80];
} vk_parting;

/* From any thread. */
void vk_parting_run(vk_parting *p);

#endif
