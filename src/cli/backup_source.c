#include "cli/backup.h"

#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TRIES = 120, /* of one export, while the daemon is busy or revokes the build */
    TRY_MS = 250,
    RENEW_MS = 20000, /* of a lease, which lasts for minutes */
};

static void nap(void)
{
    struct timespec t = {.tv_nsec = TRY_MS * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- who has the folder */

/* "key file /srv/valetkey.key" or "systemd credential /run/…": the path, as the daemon says it. */
static void key_of_status(vk_from *s, const vk_reply *r)
{
    const char *source = vk_reply_text(r, r->json, "key_source"), *path = strchr(source, '/');
    if (path && !s->key_file[0])
        snprintf(s->key_file, sizeof s->key_file, "%s", path);
}

static int ask_daemon(vk_from *s, const char *data)
{
    vk_reply r;
    int code;
    if (vk_api_open(&s->api, data) != VK_OK)
        return VK_EXIT_FAILED;
    s->running = true;
    if (vk_api_call(&s->api, "GET", "/api/v1/status", VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return VK_EXIT_FAILED;
    if (vk_reply_ok(&r, &code))
        key_of_status(s, &r);
    vk_reply_free(&r);
    return code;
}

/* No daemon: the key is where one would look for it. */
static void key_by_place(vk_from *s)
{
    char real[PATH_MAX], path[PATH_MAX + 8];
    const char *env = getenv("VALETKEY_KEY_FILE");
    if (s->key_file[0])
        return;
    if (env && env[0])
        snprintf(s->key_file, sizeof s->key_file, "%s", env);
    else if (realpath(s->dir, real) && snprintf(path, sizeof path, "%s.key", real) < PATH_MAX &&
             access(path, F_OK) == 0)
        snprintf(s->key_file, sizeof s->key_file, "%.*s", PATH_MAX - 1, path);
}

int vk_from_open(vk_from *s, const char *data, const char *key_file)
{
    struct stat st;
    *s = (vk_from){.dir = vk_data_dir(data), .data_fd = -1, .lock_fd = -1, .api.data_fd = -1};
    if (key_file)
        snprintf(s->key_file, sizeof s->key_file, "%s", key_file);
    s->data_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->data_fd < 0)
        return vk_failed(
            errno == ENOENT ? "not_found" : "io",
            "The data folder %s cannot be opened (%s). Name yours with --data DIR, and run this as "
            "its owner.",
            s->dir, vk_errno_text(errno));
    if (fstatat(s->data_fd, "valetkey.db", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return vk_failed("not_found",
                         "%s has no valetkey.db, so there is nothing to back up. Name the data "
                         "folder with --data DIR.",
                         s->dir);
    s->lock_fd = openat(s->data_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return vk_failed("io", "The lock in %s cannot be opened (%s). Run this as the folder's owner.",
                         s->dir, vk_errno_text(errno));
    if (geteuid() == 0 && fstat(s->data_fd, &st) == 0 && fchown(s->lock_fd, st.st_uid, st.st_gid) != 0)
        return vk_failed("io", "The lock in %s cannot be given to the folder's owner (%s).", s->dir,
                         vk_errno_text(errno));
    if (flock(s->lock_fd, LOCK_SH | LOCK_NB) == 0) {
        if (vk_sqlite_init() != VK_OK)
            return vk_failed("nomem", "There is not enough memory.");
        key_by_place(s);
        return VK_EXIT_OK;
    }
    if (errno != EWOULDBLOCK)
        return vk_failed("io", "The lock in %s cannot be taken (%s).", s->dir, vk_errno_text(errno));
    close(s->lock_fd);
    s->lock_fd = -1;
    if (vk_sqlite_init() != VK_OK)
        return vk_failed("nomem", "There is not enough memory.");
    return ask_daemon(s, data);
}

void vk_from_close(vk_from *s)
{
    if (s->temp[0])
        unlink(s->temp);
    if (s->running)
        vk_api_close(&s->api);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->data_fd >= 0)
        close(s->data_fd);
}

/* ---- metadata */

struct to_file {
    int fd;
    int64_t got, total;
    int err;
};

static void file_size(void *arg, int64_t total)
{
    ((struct to_file *)arg)->total = total;
}

static vk_err file_piece(void *arg, vk_str piece)
{
    struct to_file *f = arg;
    while (piece.n) {
        ssize_t n = write(f->fd, piece.p, piece.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            f->err = errno;
            return VK_E_IO;
        }
        piece.p += n;
        piece.n -= (size_t)n;
        f->got += n;
    }
    return VK_OK;
}

/* What vk_api_download says nothing of, because it may have been us. */
static void tell_broken(vk_err e)
{
    if (e != VK_E_TIMEOUT && e != VK_E_UNAVAILABLE)
        (void)vk_failed("unavailable",
                        "The daemon's answer broke off (%s). Try again; if it stays so, look at the "
                        "log of `valetkey serve`.",
                        vk_err_name(e));
}

/* The body of a 2xx answer into the file; *status_r: what was answered. A 404 and what may be another answer
 * in a moment (429, 503, 409) are told by nobody here. */
static int download_to(vk_from *s, const char *target, const char *to, int *status_r)
{
    struct to_file f = {.fd = open(to, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC), .total = -1};
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (f.fd < 0)
        return vk_failed("io", "%s cannot be written (%s).", to, vk_errno_text(errno));
    vk_err e = vk_api_download(&s->api, target, file_size, file_piece, &f, &r);
    if (close(f.fd) != 0 && !f.err)
        f.err = errno;
    *status_r = e == VK_OK ? r.status : 0;
    if (f.err == ENOSPC || f.err == EDQUOT)
        code = vk_failed(
            "full", "The disk with the backup is full: the metadata or an index cannot be copied. Make room, "
                    "or choose another --out.");
    else if (f.err)
        code = vk_failed("io", "A copy beside the backup cannot be written (%s).", vk_errno_text(f.err));
    else if (e == VK_OK && (r.status == 404 || r.status == 409 || r.status == 429 || r.status == 503))
        code = VK_EXIT_OK;
    else if (e == VK_OK && vk_reply_ok(&r, &code) && f.got != f.total)
        code = vk_failed("io", "The copy of the metadata or an index broke off. Try again.");
    else if (e != VK_OK)
        tell_broken(e);
    if (e == VK_OK)
        vk_reply_free(&r);
    return code;
}

static int download_metadata(vk_from *s, const char *to)
{
    int status, code = VK_EXIT_OK;
    for (int i = 0; i < TRIES; i++) {
        code = download_to(s, "/api/v1/metadata/export", to, &status);
        if (code != VK_EXIT_OK || status / 100 == 2)
            return code;
        if (status == 404)
            return vk_failed(
                "unsupported",
                "The daemon on %s is of an earlier valetkey, which gives no copy of its metadata. Stop it "
                "and run this again, which reads the folder directly, or restart it with this program.",
                s->dir);
        nap();
    }
    return vk_failed("busy", "The daemon on %s gives no copy of its metadata now. Try again.", s->dir);
}

static int copy_failed(vk_err e, const char *what)
{
    return vk_failed(vk_err_name(e),
                     e == VK_E_FULL ? "%s cannot be copied: the disk with the backup is full. Make room, or "
                                      "choose another --out."
                     : e == VK_E_CORRUPT
                         ? "%s is damaged or not a SQLite database. Restore it first (a snapshot, "
                           "or an older backup)."
                         : "%s cannot be copied: input/output error.",
                     what);
}

int vk_from_metadata(vk_from *s, const char *to)
{
    char from[PATH_MAX];
    if (s->running)
        return download_metadata(s, to);
    if (snprintf(from, sizeof from, "%s/valetkey.db", s->dir) >= PATH_MAX)
        return vk_failed("usage", "The path of the data folder is too long.");
    vk_err e = vk_sqlite_copy(from, to);
    return e == VK_OK ? VK_EXIT_OK : copy_failed(e, from);
}

/* ---- builds */

int vk_pack_failed(const vk_pack *p, vk_err e, const char *out)
{
    char size[VK_SIZE_TEXT];
    vk_size_text(p->at, size);
    switch (e) {
    case VK_E_FULL:
        return vk_failed("full", "The disk with %s is full after %s. Make room, or choose another --out.",
                         out, size);
    case VK_E_NOMEM:
        return vk_failed("nomem", "There is not enough memory.");
    case VK_E_TOO_LARGE:
        return vk_failed("too_large", "%s is larger than a backup takes.", p->asked);
    case VK_E_INVALID:
        return vk_failed("io", "%s changed while it was read. Try again.", p->asked);
    default:
        return vk_failed("io", "%s cannot be written, or what goes into it cannot be read (%s).", out,
                         vk_errno_text(p->err));
    }
}

void vk_from_progress(const vk_from *s, const vk_pack *p)
{
    vk_progress("Backing up", p->at, p->at > s->total ? p->at : s->total);
}

struct to_pack {
    const vk_from *from;
    vk_pack *pack;
    const char *member;
    vk_err err;
    bool begun;
};

static void member_size(void *arg, int64_t total)
{
    struct to_pack *t = arg;
    t->begun = true;
    t->err = total >= 0 ? vk_pack_file(t->pack, t->member, total) : VK_E_INVALID;
}

static vk_err member_piece(void *arg, vk_str piece)
{
    struct to_pack *t = arg;
    if (t->err == VK_OK)
        t->err = vk_pack_bytes(t->pack, piece);
    if (t->err == VK_OK)
        vk_from_progress(t->from, t->pack);
    return t->err == VK_OK ? VK_OK : VK_E_TOO_LARGE; /* ends the download without a word from it */
}

int vk_from_same(vk_from *s, const vk_copied_build *b, bool *gone_r)
{
    char target[64 + VK_BUILD_ID_MAX];
    int64_t created = -1;
    int code = VK_EXIT_OK;
    vk_reply r;
    *gone_r = false;
    if (!s->running)
        return code;
    snprintf(target, sizeof target, "/api/v1/builds/%s", b->id);
    if (vk_api_call(&s->api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return VK_EXIT_FAILED;
    if (r.status == 404) {
        *gone_r = true;
    } else if (vk_reply_ok(&r, &code)) {
        *gone_r = vk_clock_parse(vk_str_z(vk_reply_text(&r, r.json, "created")), &created) != VK_OK ||
                  created != b->created_ms ||
                  strcmp(vk_reply_text(&r, r.json, "state"),
                         vk_build_state_name(&(vk_build){.state = VK_BUILD_DELETING}, 0)) == 0;
    }
    vk_reply_free(&r);
    return code;
}

/* One try. *again_r: the daemon says that it may be another one in a moment. */
static int export_once(vk_from *s, const vk_copied_build *b, const char *service, struct to_pack *t,
                       bool *gone_r, bool *again_r, bool last)
{
    char target[160];
    vk_reply r;
    int code = VK_EXIT_FAILED;
    snprintf(target, sizeof target, "/api/v1/builds/%s/services/%s/export?kept=yes", b->id, service);
    vk_err e = vk_api_download(&s->api, target, member_size, member_piece, t, &r);
    if (t->err != VK_OK)
        code = vk_pack_failed(t->pack, t->err, "the backup");
    else if (e != VK_OK)
        tell_broken(e);
    if (e != VK_OK)
        return code;
    if (r.status / 100 == 2) {
        code = t->err == VK_OK && t->begun ? VK_EXIT_OK : code;
    } else {
        code = vk_from_same(s, b, gone_r);
        *again_r = code == VK_EXIT_OK && !*gone_r &&
                   (r.status == 503 || r.status == 429 || r.status == 409) && !last;
        if (code == VK_EXIT_OK && !*gone_r && !*again_r)
            (void)vk_reply_ok(&r, &code);
    }
    vk_reply_free(&r);
    return code;
}

static int export_running(vk_from *s, const vk_copied_build *b, const char *service, vk_pack *p,
                          const char *member, bool *gone_r)
{
    for (int i = 0; i < TRIES; i++) {
        struct to_pack t = {.from = s, .pack = p, .member = member};
        bool again = false;
        int code = export_once(s, b, service, &t, gone_r, &again, i + 1 == TRIES);
        if (code != VK_EXIT_OK || *gone_r)
            return code;
        if (!again) {
            vk_err e = vk_pack_file_end(p);
            return e == VK_OK ? VK_EXIT_OK : vk_pack_failed(p, e, "the backup");
        }
        nap();
    }
    return VK_EXIT_FAILED;
}

/* Of a folder that no daemon has: the service's file is a SQLite database of that name in the data folder. */
static int copy_file(vk_from *s, const char *name)
{
    char from[PATH_MAX];
    snprintf(from, sizeof from, "%.3800s/%.200s", s->dir, name);
    int fd = open(s->temp, O_RDWR | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return vk_failed("io", "%s cannot be opened (%s).", s->temp, vk_errno_text(errno));
    close(fd);
    vk_err e = vk_sqlite_copy(from, s->temp);
    return e == VK_OK ? VK_EXIT_OK : copy_failed(e, from);
}

int vk_from_temp(vk_from *s, vk_pack *p, const char *member)
{
    struct stat st;
    vk_err e = VK_OK;
    int fd = open(s->temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        e = VK_E_IO;
    else
        e = vk_pack_from(p, member, fd, st.st_size);
    if (fd >= 0)
        close(fd);
    vk_from_progress(s, p);
    return e == VK_OK ? VK_EXIT_OK : vk_pack_failed(p, e, "the backup");
}

int vk_from_export(vk_from *s, const vk_copied_build *b, const char *service, vk_pack *p, const char *member,
                   bool *gone_r)
{
    *gone_r = false;
    if (s->running)
        return export_running(s, b, service, p, member, gone_r);
    int code = copy_file(s, member + sizeof "data/" - 1);
    return code == VK_EXIT_OK ? vk_from_temp(s, p, member) : code;
}

/* ---- files that an index names */

/* One call that may be tried again; `r` is the caller's when *ok_r. */
static int call_build(vk_from *s, const vk_copied_build *b, const char *method, const char *target,
                      vk_reply *r, bool *ok_r, bool *gone_r)
{
    for (int i = 0; i < TRIES; i++) {
        int code = VK_EXIT_OK;
        if (vk_api_call(&s->api, method, target, VK_STR_NONE, VK_STR_NONE, r) != VK_OK)
            return VK_EXIT_FAILED;
        *ok_r = r->status / 100 == 2;
        if (*ok_r)
            return VK_EXIT_OK;
        bool again = r->status == 503 || r->status == 429 || r->status == 409;
        code = vk_from_same(s, b, gone_r);
        if (code == VK_EXIT_OK && !*gone_r && (!again || i + 1 == TRIES))
            (void)vk_reply_ok(r, &code);
        vk_reply_free(r);
        if (code != VK_EXIT_OK || *gone_r)
            return code;
        nap();
    }
    return VK_EXIT_FAILED;
}

int vk_from_copy(vk_from *s, const vk_copied_build *b, const char *service, const char *name, vk_lease *lease,
                 bool *gone_r)
{
    char path[VK_BUILD_ID_MAX + 160], target[192];
    vk_reply r;
    bool ok = false;
    *gone_r = false;
    snprintf(path, sizeof path, "builds/%s/%.127s", b->id, name);
    if (!s->running)
        return copy_file(s, path);
    snprintf(target, sizeof target, "/api/v1/builds/%s/services/%.40s/leases", b->id, service);
    int code = call_build(s, b, "POST", target, &r, &ok, gone_r);
    if (!ok || code != VK_EXIT_OK)
        return code;
    snprintf(lease->id, sizeof lease->id, "%s", vk_reply_text(&r, r.json, "lease"));
    snprintf(lease->target, sizeof lease->target, "%.140s/%.39s", target, lease->id);
    lease->renewed_ms = vk_clock_mono_ms();
    vk_reply_free(&r);
    snprintf(target, sizeof target, "/api/v1/builds/%s/services/%.40s/copy", b->id, service);
    for (int i = 0; i < TRIES; i++) {
        int status = 0;
        code = download_to(s, target, s->temp, &status);
        if (code != VK_EXIT_OK || status / 100 == 2)
            return code;
        code = vk_from_same(s, b, gone_r);
        if (code != VK_EXIT_OK || *gone_r)
            return code;
        nap();
    }
    return vk_failed("busy", "The daemon gives no copy of the %s of the build \"%s\". Try again.", service,
                     b->id);
}

int vk_from_renew(vk_from *s, vk_lease *lease)
{
    vk_reply r;
    if (!lease->id[0] || vk_clock_mono_ms() - lease->renewed_ms < RENEW_MS)
        return VK_EXIT_OK;
    lease->renewed_ms = vk_clock_mono_ms();
    if (vk_api_call(&s->api, "POST", lease->target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return VK_EXIT_FAILED;
    vk_reply_free(&r);
    return VK_EXIT_OK;
}

void vk_from_end_lease(vk_from *s, vk_lease *lease)
{
    vk_reply r;
    if (lease->id[0] && vk_api_call(&s->api, "DELETE", lease->target, VK_STR_NONE, VK_STR_NONE, &r) == VK_OK)
        vk_reply_free(&r);
    lease->id[0] = '\0';
}
