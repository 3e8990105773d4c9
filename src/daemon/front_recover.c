#include "daemon/front.h"

#include "admin/making.h"
#include "core/disk.h"

enum { PAGE = 64, PAGE_ARENA = 1024 * 1024 };

/* Deletes what a build that is DELETING still has: its folder, then its rows. In this order, so that a kill
 * in between only repeats the work. */
static vk_err finish_deletion(vk_runtime *rt, const vk_build *b)
{
    char path[VK_BUILD_ID_MAX + 16];
    snprintf(path, sizeof path, "builds/%s", b->id);
    vk_err e = vk_disk_remove_dir(rt->data_fd, path);
    if (e == VK_OK)
        e = rt->store->ops->build_gone(rt->store, vk_str_z(b->id));
    if (e == VK_OK)
        vk_log(VK_INFO, "finished deleting a build", VK_F(build, b->id));
    else
        vk_log(VK_ERROR, "a build is half deleted and could not be finished; the next start tries again",
               VK_F(build, b->id), VK_F(error, vk_err_name(e)));
    return e;
}

/* One page of builds after `last`; false at the end. */
static bool recover_page(vk_runtime *rt, char last[VK_BUILD_ID_MAX + 1], vk_build *page)
{
    vk_arena *a = vk_arena_new(PAGE_ARENA);
    size_t n = 0;
    vk_err e = a ? rt->store->ops->build_list(rt->store, a, vk_str_z(last), PAGE, page, &n) : VK_E_NOMEM;
    if (e != VK_OK)
        vk_log(VK_ERROR, "the builds could not be looked through for unfinished deletions",
               VK_F(error, vk_err_name(e)));
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        if (!vk_making_resume(rt, &page[i]) && page[i].state == VK_BUILD_DELETING) {
            vk_err gone = finish_deletion(rt, &page[i]);
            VK_UNUSED(gone); /* logged; the others are still tried */
        }
        memcpy(last, page[i].id, VK_BUILD_ID_MAX + 1);
    }
    vk_arena_free(a);
    return e == VK_OK && n == PAGE;
}

typedef struct recovery {
    vk_job job;
    vk_runtime *rt;
} recovery;

static void recover(vk_job *j)
{
    recovery *r = VK_CONTAINER(j, recovery, job);
    char last[VK_BUILD_ID_MAX + 1] = "";
    vk_build *page = calloc(PAGE, sizeof *page);
    while (page && recover_page(r->rt, last, page))
        continue;
    free(page);
}

void vk_front_recover(vk_front *f)
{
    static recovery r;
    r = (recovery){.job = {.run = recover}, .rt = &f->rt};
    if (vk_lane_add(f->rt.meta, &r.job) != VK_OK)
        vk_log(VK_WARN,
               "the queue for metadata is full at start; unfinished deletions wait for the next one");
}
