/* A build's handle: opened, closed; quota and usage. */
#include "services/storage/embedded/inside.h"

#include "core/disk.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- quota. What is stored and what is reserved together never pass it. */

static bool fits(int64_t have, int64_t more, int64_t most)
{
    return more <= 0 || (have <= most && more <= most - have);
}

vk_ob_err vk_ob_reserve(vk_ob *s, int64_t bytes, int64_t objects)
{
    pthread_mutex_lock(&s->mu);
    bool ok = fits(s->used.bytes + s->used.part_bytes + s->reserved_bytes, bytes, s->quota.bytes) &&
              fits(s->used.objects + s->reserved_objects, objects, s->quota.objects);
    if (ok) {
        s->reserved_bytes += bytes;
        s->reserved_objects += objects;
    }
    pthread_mutex_unlock(&s->mu);
    return ok ? VK_OB_OK : VK_OB_QUOTA;
}

void vk_ob_release(vk_ob *s, int64_t bytes, int64_t objects)
{
    pthread_mutex_lock(&s->mu);
    s->reserved_bytes -= bytes;
    s->reserved_objects -= objects;
    pthread_mutex_unlock(&s->mu);
}

void vk_ob_set_quota(vk_ob *s, const vk_ob_quota *q)
{
    pthread_mutex_lock(&s->mu);
    s->quota = *q;
    pthread_mutex_unlock(&s->mu);
}

void vk_ob_usage_now(vk_ob *s, vk_ob_usage *out_r)
{
    pthread_mutex_lock(&s->mu);
    *out_r = s->used;
    pthread_mutex_unlock(&s->mu);
}

static vk_ob_err four_numbers(vk_ob_conn *c, vk_ob_q q, vk_ob_usage *out_r)
{
    sqlite3_stmt *st = vk_ob_st(c, q);
    int rc = vk_ob_step(st);
    if (rc == SQLITE_ROW)
        *out_r = (vk_ob_usage){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
                               sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3)};
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? VK_OB_CORRUPT : vk_ob_sql_err(rc);
}

vk_ob_err vk_ob_recount(vk_ob *s, vk_ob_usage *out_r)
{
    vk_ob_conn *c;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = four_numbers(c, Q_RECOUNT, out_r);
    vk_ob_conn_put(s, c);
    return e;
}

/* ---- open and close */

static vk_ob_err make_folder(vk_ob *s)
{
    char path[64 + VK_BUILD_ID_MAX];
    vk_err e = vk_disk_mkdir(s->data_fd, "builds", 0700);
    snprintf(path, sizeof path, "builds/%s", s->build);
    return vk_ob_of(e == VK_OK ? vk_disk_mkdir(s->data_fd, path, 0700) : e);
}

static vk_ob_err make_blobs(vk_ob *s)
{
    char path[64 + VK_BUILD_ID_MAX];
    snprintf(path, sizeof path, "builds/%s/blobs", s->build);
    vk_err e = vk_disk_mkdir(s->data_fd, path, 0700);
    if (e != VK_OK)
        return vk_ob_of(e);
    s->blobs_fd = openat(s->data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return s->blobs_fd < 0 ? vk_ob_of(vk_disk_err(errno)) : VK_OB_OK;
}

/* Numbers that can be counted with. */
static bool sane(const vk_ob_usage *u)
{
    const int64_t all[] = {u->bytes, u->objects, u->part_bytes, u->uploads};
    for (size_t i = 0; i < VK_COUNT(all); i++)
        if (all[i] < 0 || all[i] > INT64_MAX / 8)
            return false;
    return true;
}

/* What is stored, or what a count gives when that cannot be: a restored index may say anything. */
static vk_ob_err read_usage(vk_ob *s)
{
    vk_ob_err e = four_numbers(s->writer, Q_USAGE, &s->used);
    if (e == VK_OB_OK && !sane(&s->used))
        e = four_numbers(s->writer, Q_RECOUNT, &s->used);
    return e == VK_OB_OK && !sane(&s->used) ? VK_OB_CORRUPT : e;
}

static vk_ob_err read_state(vk_ob *s, bool *sweep_r)
{
    sqlite3_stmt *st = vk_ob_st(s->writer, Q_LAST_CONTENT);
    int rc = vk_ob_step(st);
    if (rc == SQLITE_ROW)
        s->last_content = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    vk_ob_err e = rc != SQLITE_ROW                                         ? VK_OB_IO
                  : s->last_content < 0 || s->last_content > INT64_MAX / 8 ? VK_OB_CORRUPT
                                                                           : read_usage(s);
    if (e != VK_OB_OK)
        return e;
    st = vk_ob_st(s->writer, Q_SETTING);
    vk_ob_bind(st, 1, VK_STR("sweep"));
    rc = vk_ob_step(st);
    sqlite3_reset(st);
    *sweep_r = s->marked = rc == SQLITE_ROW;
    return vk_ob_sql_err(rc);
}

static void free_handle(vk_ob *s)
{
    for (vk_list *n; (n = vk_list_shift(&s->idle));)
        vk_ob_conn_close(VK_CONTAINER(n, vk_ob_conn, node));
    vk_ob_conn_close(s->writer); /* last: it writes the -wal back */
    if (s->blobs_fd >= 0)
        close(s->blobs_fd);
    vk_buf_free(&s->uncertain);
    vk_ob_hot_free(s);
    vk_buf_free(&s->held);
    pthread_cond_destroy(&s->reader_free);
    pthread_rwlock_destroy(&s->names);
    pthread_mutex_destroy(&s->mu);
    free(s);
}

/* By default glibc lets readers pass a waiting writer: objects that are read all the time would keep every
 * overwrite waiting for seconds. Nobody takes it twice. */
static void init_names(vk_ob *s)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&s->names, &attr);
    pthread_rwlockattr_destroy(&attr);
}

vk_ob_err vk_ob_open(int data_fd, const char *data_dir, const char *build, const vk_ob_quota *q,
                     vk_ob **out_r)
{
    vk_ob *s = calloc(1, sizeof *s);
    if (!s)
        return VK_OB_NOMEM;
    s->data_fd = data_fd;
    s->blobs_fd = -1;
    s->quota = *q;
    snprintf(s->build, sizeof s->build, "%s", build);
    snprintf(s->path, sizeof s->path, "%s/builds/%s/storage.db", data_dir, build);
    pthread_mutex_init(&s->mu, NULL);
    vk_ob_hot_init(s);
    init_names(s);
    pthread_cond_init(&s->reader_free, NULL);
    vk_list_init(&s->queue);
    vk_list_init(&s->idle);
    vk_list_init(&s->live);
    vk_list_init(&s->pins);
    vk_list_init(&s->replacing);
    vk_buf_init(&s->uncertain, SIZE_MAX / 2);
    vk_buf_init(&s->held, SIZE_MAX / 2);
    bool sweep = false;
    int64_t removed = 0;
    vk_ob_err e = make_folder(s);
    if (e == VK_OB_OK)
        e = vk_ob_conn_open(s, true, &s->writer);
    if (e == VK_OB_OK)
        e = make_blobs(s);
    if (e == VK_OB_OK)
        e = read_state(s, &sweep);
    if (e == VK_OB_OK && sweep)
        e = vk_ob_sweep(s, &removed);
    if (e != VK_OB_OK) {
        free_handle(s);
        return e;
    }
    if (removed)
        vk_log(VK_WARN, "files of uploads that were cut short are removed", VK_F(build, build),
               VK_F(count, removed));
    *out_r = s;
    return VK_OB_OK;
}

static vk_ob_err unmark(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    VK_UNUSED(s);
    VK_UNUSED(t);
    sqlite3_stmt *st = vk_ob_st(c, Q_UNSET);
    vk_ob_bind(st, 1, VK_STR("sweep"));
    return vk_ob_run(c, st);
}

/* The next start needs no sweep when nothing is left over, and nothing that was removed can come back. */
static void leave_clean(vk_ob *s)
{
    bool clean =
        s->marked && !s->forgets && s->uncertain.n == 0 && vk_list_empty(&s->live) && vk_list_empty(&s->pins);
    for (unsigned i = 0; clean && i < VK_OB_FOLDERS; i++) {
        const char name[2] = {"0123456789abcdef"[i], '\0'};
        clean = !(s->touched & 1U << i) || vk_disk_sync_dir(s->blobs_fd, name) == VK_OK;
    }
    vk_ob_turn t = {.run = unmark};
    if (clean)
        VK_UNUSED(vk_ob_take_turn(s, &t)); /* failed: the next start sweeps for nothing */
}

void vk_ob_close(vk_ob *s)
{
    if (!s)
        return;
    if (atomic_load(&s->users))
        abort(); /* a put or a reader would use what is freed here */
    leave_clean(s);
    free_handle(s);
}
