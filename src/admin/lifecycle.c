#include "admin/lifecycle.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/random.h"

enum { PAGE = 64, REMOVE_TRIES = 5, REMOVE_PAUSE_MS = 5 };

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static vk_list under_way = {&under_way, &under_way};

static void finish(vk_ending *e)
{
    vk_list waiters;
    vk_list_init(&waiters);
    pthread_mutex_lock(&mu);
    vk_list_remove(&e->node);
    vk_list_splice(&waiters, &e->waiters);
    pthread_mutex_unlock(&mu);
    e->done(e);
    for (vk_list *n; (n = vk_list_shift(&waiters));) {
        vk_ending *w = VK_CONTAINER(n, vk_ending, node);
        w->done(w);
    }
}

static void one_closed(void *arg)
{
    vk_ending *e = arg;
    if (atomic_fetch_sub(&e->left, 1) == 1)
        finish(e);
}

void vk_ending_run(vk_ending *e)
{
    vk_list_init(&e->node);
    vk_list_init(&e->waiters);
    atomic_store(&e->left, 1); /* our own, so that it cannot end before all services were asked */
    pthread_mutex_lock(&mu);
    for (vk_list *n = under_way.next; n != &under_way; n = n->next) {
        vk_ending *other = VK_CONTAINER(n, vk_ending, node);
        if (other->rt == e->rt && strcmp(other->build, e->build) == 0) {
            vk_list_push(&other->waiters, &e->node);
            pthread_mutex_unlock(&mu);
            return;
        }
    }
    vk_list_push(&under_way, &e->node);
    pthread_mutex_unlock(&mu);

    const vk_service *services[VK_SERVICES_MAX];
    size_t n_services = vk_services(services);
    vk_registry_forget(&e->rt->registry, vk_str_z(e->build), true, NULL);
    for (size_t i = 0; i < n_services; i++) {
        atomic_fetch_add(&e->left, 1);
        services[i]->close_build(e->build, one_closed, e);
    }
    one_closed(e);
}

/* A download that was waiting may have a file open, and make its -shm, while the folder is being emptied. */
vk_err vk_deletion_remove(int data_fd, const char *folder)
{
    const struct timespec pause = {.tv_nsec = REMOVE_PAUSE_MS * 1000000L};
    vk_err e = vk_disk_remove_dir(data_fd, folder);
    for (int i = 1; e != VK_OK && e != VK_E_FORBIDDEN && i < REMOVE_TRIES; i++) {
        nanosleep(&pause, NULL);
        e = vk_disk_remove_dir(data_fd, folder);
    }
    return e;
}

/* The build's folder gets a name that no start looks for. */
static vk_err take_folder(int data_fd, const char *build, char folder_r[VK_DELETED_FOLDER])
{
    char path[sizeof "builds/" + VK_BUILD_ID_MAX];
    uint8_t random[8];
    char digits[2 * sizeof random + 1];
    bool moved = false;
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    snprintf(path, sizeof path, "builds/%s", build);
    snprintf(folder_r, VK_DELETED_FOLDER, "tmp/deleted-%s", digits);
    vk_err e = vk_disk_mkdir(data_fd, "tmp", 0700);
    if (e == VK_OK)
        e = vk_disk_move(data_fd, path, folder_r, &moved);
    if (!moved)
        folder_r[0] = '\0';
    return e == VK_E_NOT_FOUND && !moved ? VK_OK : e;
}

vk_err vk_deletion_take(vk_store *store, int data_fd, vk_str build, uint64_t generation,
                        char folder_r[VK_DELETED_FOLDER])
{
    vk_build b;
    folder_r[0] = '\0';
    if (!vk_build_id_ok(build)) /* it becomes a path */
        return VK_E_INVALID;
    vk_arena *a = vk_arena_new(64 * 1024);
    vk_err e = a ? store->ops->build_get(store, a, build, &b) : VK_E_NOMEM;
    vk_arena_free(a);
    if (e == VK_E_NOT_FOUND)
        return VK_OK;
    if (e != VK_OK || b.state != VK_BUILD_DELETING || b.generation != generation)
        return e;
    e = take_folder(data_fd, b.id, folder_r);
    return e == VK_OK ? store->ops->build_gone(store, build) : e;
}

vk_err vk_deletion_finish(vk_store *store, int data_fd, vk_str build, uint64_t generation)
{
    char folder[VK_DELETED_FOLDER];
    vk_err e = vk_deletion_take(store, data_fd, build, generation, folder);
    if (e == VK_OK && folder[0])
        e = vk_deletion_remove(data_fd, folder);
    return e;
}

/* One page of builds; *last_r is the id to go on after, empty at the end. */
static vk_err finish_page(vk_store *store, int data_fd, char last_r[VK_BUILD_ID_MAX + 1], size_t *n_r)
{
    size_t n = 0;
    vk_arena *a = vk_arena_new(1024 * 1024);
    vk_build *b = a ? vk_arena_alloc(a, sizeof *b * PAGE) : NULL;
    vk_err e = b ? store->ops->build_list(store, a, vk_str_z(last_r), PAGE, b, &n) : VK_E_NOMEM;
    last_r[0] = '\0';
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        if (i == PAGE - 1)
            memcpy(last_r, b[i].id, sizeof b[i].id);
        if (b[i].state != VK_BUILD_DELETING)
            continue;
        e = vk_deletion_finish(store, data_fd, vk_str_z(b[i].id), b[i].generation);
        *n_r += e == VK_OK;
    }
    vk_arena_free(a);
    return e;
}

vk_err vk_deletions_finish(vk_store *store, int data_fd, size_t *n_r)
{
    char last[VK_BUILD_ID_MAX + 1] = "";
    *n_r = 0;
    vk_err e;
    do
        e = finish_page(store, data_fd, last, n_r);
    while (e == VK_OK && last[0]);
    return e;
}
