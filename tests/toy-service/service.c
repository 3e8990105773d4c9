/* "notes", the toy service: one line is put, all lines are got. It is the worked example of
 * docs/ADDING-A-SERVICE.md and keeps its promise true: this folder and one line in tests/meson.build are all
 * of it. Only the test program valetkey-toy has it.
 *
 *   GET /notes    200 text/plain, the lines
 *   POST /notes   200 {"lines": n} when the line, the body, is on stable storage
 *
 * One file a build, builds/<id>/notes.txt, which grows at its end. Its file work is done by one thread, one
 * request at a time. */
#include "core/disk.h"
#include "core/json_write.h"
#include "core/metrics.h"
#include "valetkey/service.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef NOTES_PORT_OFFSET
#define NOTES_PORT_OFFSET 9
#endif

enum {
    LINE_MAX_BYTES = 4096,
    FILE_MAX_BYTES = 1 << 20, /* of a build; then 507 */
    WAITING_MAX = 256,        /* requests of all builds that wait; then 429 */
    PATH_ROOM = sizeof "builds//notes.txt" + VK_BUILD_ID_MAX,
};

static const vk_valet_kind kinds[] = {{.kind = 'n', .prefix = "vk_n_"}, {0}};

static struct notes {
    vk_runtime *rt;
    vk_lane *lane;
    /* Held while a file is written or looked at: whoever has had it once knows that nothing from before runs.
     */
    pthread_mutex_t files;
    bool broken; /* a sync failed: what is on the disk is not known. Under `files` */
    _Atomic uint64_t lines;
    bool shared, shared_later; /* the share folder could be opened: in prepare; in start */
} notes = {.files = PTHREAD_MUTEX_INITIALIZER};

/* ---- answers */

static void answer_error(vk_exchange *ex, int status, const char *kind, vk_str message)
{
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "problem", vk_str_z(kind));
    vk_jw_kstr(&w, "detail", message);
    vk_jw_obj_end(&w);
    vk_respond(ex, status, "application/problem+json");
}

static vk_err refuse_as(vk_exchange *ex, vk_err e, const char *text)
{
    answer_error(ex, vk_err_status(e), vk_err_name(e), vk_str_z(text));
    return e;
}

/* ---- the file of a build; on the lane, with `files` held */

static void path_of(const char *build, char out[PATH_ROOM])
{
    snprintf(out, PATH_ROOM, "builds/%s/notes.txt", build);
}

/* Whole lines only: what a power cut has left of one was never answered. */
static vk_err read_lines(const char *build, vk_buf *out)
{
    char path[PATH_ROOM];
    path_of(build, path);
    vk_err e = vk_disk_read(notes.rt->data_fd, path, FILE_MAX_BYTES, out);
    while (e == VK_OK && out->n && out->p[out->n - 1] != '\n')
        out->n--;
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

/* The folder and the file come with the first line, and their names are synced with it. */
static vk_err open_file(const char *build, int *fd_r)
{
    char path[PATH_ROOM], folder[PATH_ROOM];
    int data = notes.rt->data_fd;
    path_of(build, path);
    *fd_r = openat(data, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (*fd_r >= 0 || errno != ENOENT)
        return *fd_r >= 0 ? VK_OK : vk_disk_err(errno);
    snprintf(folder, sizeof folder, "builds/%s", build);
    vk_err e = vk_disk_mkdir(data, folder, 0700);
    return e == VK_OK ? vk_disk_begin(data, path, 0600, fd_r) : e;
}

/* Of whoever made it, perhaps a process that was killed before it could sync it. */
static vk_err sync_name(const char *build)
{
    char folder[PATH_ROOM];
    snprintf(folder, sizeof folder, "builds/%s", build);
    return vk_disk_sync_dir(notes.rt->data_fd, folder);
}

/* VK_OK: the line is on stable storage. *lines_r is how many there are. */
static vk_err append(const char *build, vk_str line, int64_t *lines_r)
{
    vk_buf before;
    int fd;
    vk_buf_init(&before, FILE_MAX_BYTES);
    vk_err e = notes.broken ? VK_E_IO : read_lines(build, &before);
    if (e == VK_OK && before.n + line.n + 1 > FILE_MAX_BYTES)
        e = VK_E_FULL;
    if (e == VK_OK)
        e = open_file(build, &fd);
    if (e != VK_OK)
        goto out;
    int64_t lines = 1;
    for (size_t i = 0; i < before.n; i++)
        lines += before.p[i] == '\n';
    /* Half a line of before goes first. */
    if (ftruncate(fd, (off_t)before.n) != 0)
        e = vk_disk_err(errno);
    if (e == VK_OK)
        e = vk_disk_add(fd, line);
    if (e == VK_OK)
        e = vk_disk_add(fd, VK_STR("\n"));
    vk_err ended = vk_disk_end(fd); /* syncs, and closes in any case */
    if (ended == VK_OK && before.n == 0)
        ended = sync_name(build);
    notes.broken = ended != VK_OK; /* until the next start: a failed sync is not tried again */
    if (e == VK_OK)
        e = ended;
    if (e == VK_OK) {
        *lines_r = lines;
        atomic_fetch_add_explicit(&notes.lines, 1, memory_order_relaxed);
    }
out:
    vk_buf_free(&before);
    return e;
}

/* ---- requests */

struct work {
    vk_job job; /* first */
    vk_exchange *ex;
    vk_err err;
};

/* Back on the exchange's loop. */
static void finish(vk_exchange *ex)
{
    const struct work *w = ex->ctx;
    if (w->err != VK_OK)
        (void)refuse_as(ex, w->err,
                        w->err == VK_E_UNAUTHORIZED ? "This valet key was revoked"
                        : w->err == VK_E_FULL       ? "There is no room for another line"
                                                    : "The notes of this build cannot be read or written");
    else
        vk_respond(ex, 200, vk_str_eqz(ex->method, "POST") ? "application/json" : "text/plain");
}

/* The build may have been revoked since its key was looked at. This is asked under the mutex that close_build
 * takes, so nothing is written behind its back. */
static void run(vk_job *j)
{
    struct work *w = VK_CONTAINER(j, struct work, job);
    const vk_tenant *t = w->ex->principal;
    int64_t lines = 0;
    pthread_mutex_lock(&notes.files);
    if (atomic_load(&t->closed))
        w->err = VK_E_UNAUTHORIZED;
    else if (vk_str_eqz(w->ex->method, "POST"))
        w->err = append(t->id, vk_buf_view(&w->ex->body), &lines);
    else
        w->err = read_lines(t->id, &w->ex->out);
    pthread_mutex_unlock(&notes.files);
    if (lines) {
        vk_jw out = vk_jw_on(&w->ex->out);
        vk_jw_obj(&out);
        vk_jw_ki64(&out, "lines", lines);
        vk_jw_obj_end(&out);
    }
    vk_exchange_post(w->ex, finish);
}

static bool is_line(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ')
            return false;
    return s.n > 0;
}

static void request(vk_exchange *ex)
{
    if (vk_str_eqz(ex->path, "/health")) {
        vk_respond_text(ex, 200, "text/plain", VK_STR("ok"));
        return;
    }
    if (vk_str_eqz(ex->method, "POST") && !is_line(vk_buf_view(&ex->body))) {
        (void)refuse_as(ex, VK_E_INVALID, "A note is one line of text, without its end");
        return;
    }
    struct work *w = VK_NEW(ex->arena, struct work);
    if (!w) {
        (void)refuse_as(ex, VK_E_NOMEM, "Out of memory");
        return;
    }
    *w = (struct work){.job.run = run, .ex = ex};
    ex->ctx = w;
    if (vk_lane_add(notes.lane, &w->job) != VK_OK) {
        ex->retry_s = 1;
        (void)refuse_as(ex, VK_E_BUSY, "Too many requests are waiting; try again");
    }
}

/* ---- who asks */

static vk_err authenticate(vk_exchange *ex)
{
    vk_str scheme, token = vk_secret_bytes(ex->authorization);
    vk_err e = VK_E_UNAUTHORIZED;
    if (token.p && vk_str_cut(&token, ' ', &scheme) && vk_str_ieq(scheme, VK_STR("Bearer")))
        e = vk_service_verify(ex, vk_secret_of(token), 'n');
    else if (vk_exchange_bad_key(ex) != VK_OK)
        e = VK_E_BUSY;
    else
        e = vk_fail(ex, e, "Send the build's NOTES_TOKEN as `Authorization: Bearer …`");
    if (e != VK_OK)
        answer_error(ex, vk_err_status(e), vk_err_name(e), ex->err_text);
    else
        vk_header_lines(ex, "Valetkey-Served-By: embedded\r\n");
    return e;
}

static vk_err head(vk_exchange *ex)
{
    bool post = vk_str_eqz(ex->method, "POST");
    bool get = vk_str_eqz(ex->method, "GET") || vk_str_eqz(ex->method, "HEAD");
    bool health = vk_str_eqz(ex->path, "/health");
    if (!health && !vk_str_eqz(ex->path, "/notes"))
        return refuse_as(ex, VK_E_NOT_FOUND, "There is nothing at this path; notes are at /notes");
    if (!get && (health || !post))
        return refuse_as(ex, VK_E_METHOD, "This path does not take this method");
    ex->body_max = post ? LINE_MAX_BYTES : 0;
    return health ? VK_OK : authenticate(ex);
}

static void refuse(vk_exchange *ex, int status, vk_err e, const char *text)
{
    answer_error(ex, status, vk_err_name(e), vk_str_z(text));
}

static const vk_handler handler = {.head = head, .request = request, .refuse = refuse};

/* ---- the contract */

static bool opens(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A real one would keep what it opens: it is out of reach when the fence has closed. */
static vk_err prepare(const vk_runtime *rt)
{
    notes.shared = opens(rt->share_dir);
    return VK_OK;
}

static vk_err start(vk_runtime *rt, int index)
{
    VK_UNUSED(index);
    notes.rt = rt;
    notes.shared_later = opens(rt->share_dir);
    return vk_lane_new("vk-notes", WAITING_MAX, &notes.lane);
}

static void stop(void)
{
    vk_lane_free(notes.lane);
    notes.lane = NULL;
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    VK_UNUSED(b);
    vk_str url = vk_arena_dup(a, vk_str_z(rt->url_sandbox[index]));
    vk_str token = vk_arena_dup(a, vk_secret_bytes(keys[0]));
    if (!url.p || !token.p || room < 2)
        return VK_E_NOMEM;
    out[0] = (vk_env_var){"NOTES_URL", url, false};
    out[1] = (vk_env_var){"NOTES_TOKEN", token, true};
    *n_r = 2;
    return VK_OK;
}

/* ---- another driver, of which there is the binding and the environment only: what a vendor does is keeper's
 */

static const char *paper_isolation(const vk_binding *b)
{
    return vk_binding_value(b, "lock").n ? "a drawer of its own" : "shared drawer";
}

static const char *paper_refused(const vk_binding *b)
{
    return vk_binding_value(b, "drawer").n ? NULL : "Name the drawer: drawer=…";
}

static vk_err paper_env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b,
                        const vk_binding *binding, const vk_secret *keys,
                        vk_str (*org)(void *arg, const char *field), void *arg, vk_env_var *out, size_t room,
                        size_t *n_r)
{
    vk_err e = env(rt, index, a, b, keys, out, room, n_r);
    vk_str drawer = vk_arena_dup(a, vk_binding_value(binding, "drawer"));
    if (e != VK_OK)
        return e;
    if (*n_r == room || !drawer.p)
        return VK_E_NOMEM;
    if (org(arg, "owner").p) /* it is none of keeper's vendors, so there never is one */
        return VK_E_INTERNAL;
    out[(*n_r)++] = (vk_env_var){"NOTES_DRAWER", drawer, false};
    return VK_OK;
}

static const vk_driver paper = {
    .name = "paper", .isolation = paper_isolation, .refused = paper_refused, .env = paper_env};
static const vk_driver *const drivers[] = {&paper, NULL};

/* All tenants of the build are closed by now, so a request that comes to the lane later writes nothing. */
static void close_build(const char *build, void (*done)(void *arg), void *arg)
{
    VK_UNUSED(build);
    pthread_mutex_lock(&notes.files); /* at most as long as one line takes to be written */
    pthread_mutex_unlock(&notes.files);
    done(arg);
}

/* The file itself, as far as it goes now: it only grows, so that much of it never changes. */
static void export_data(const char *build,
                        void (*done)(void *arg, vk_err e, const vk_export *x, const char *why), void *arg)
{
    char path[PATH_ROOM];
    vk_buf lines;
    vk_buf_init(&lines, FILE_MAX_BYTES);
    path_of(build, path);
    pthread_mutex_lock(&notes.files);
    vk_err e = read_lines(build, &lines);
    int fd = openat(notes.rt->data_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (e == VK_OK && fd < 0)
        e = vk_disk_err(errno);
    pthread_mutex_unlock(&notes.files);
    const vk_export x = {fd, (int64_t)lines.n, "text/plain", "notes.txt"};
    vk_buf_free(&lines);
    if (e != VK_OK && fd >= 0)
        close(fd);
    done(arg, e, e == VK_OK ? &x : NULL, e == VK_OK ? NULL : "The notes cannot be read");
}

static void metrics(vk_buf *out)
{
    vk_metric_one(out, "valetkey_notes_lines_total", "counter", "Lines that were written.",
                  (int64_t)atomic_load_explicit(&notes.lines, memory_order_relaxed));
    vk_metric_one(out, "valetkey_notes_shared", "gauge",
                  "Whether the share folder was there before the fence.", notes.shared);
    vk_metric_one(out, "valetkey_notes_shared_later", "gauge", "And behind it.", notes.shared_later);
}

static const vk_data_file files[] = {{"notes.txt", VK_DATA_APPENDED, FILE_MAX_BYTES}, {0}};

static const vk_service notes_service = {
    .name = "notes",
    .vendor = "a toy",
    .driver = "embedded",
    .port_offset = NOTES_PORT_OFFSET,
    .kinds = kinds,
    .prepare = prepare,
    .start = start,
    .stop = stop,
    .handler = &handler,
    .env = env,
    .close_build = close_build,
    .export_data = export_data,
    .files = files,
    .metrics = metrics,
    .drivers = drivers,
};
VK_SERVICE_REGISTER(notes_service);
