/* Records, the files that they go to, and epochs. */
#include "keeper/audit_log_in.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MS_NS = 1000000, STORE_AGAIN_MS = 60000 };

/* ---- records into `out` */

static int64_t wall_ns(void)
{
    return vk_clock_wall_ms() * MS_NS;
}

void vk_al_emit(vk_audit_log *l, vk_audit_record *x)
{
    x->seq = ++l->assigned;
    x->time_ns = x->time_ns ? x->time_ns : wall_ns();
    x->epoch = l->key.epoch;
    l->next.seq = x->seq;
    vk_buf_clear(&l->record);
    vk_audit_encode(x, &l->record);
    vk_audit_frame_write(vk_buf_view(&l->record), vk_audit_key_mac(&l->key), l->next.h, &l->out);
}

static void emit_with(vk_audit_log *l, vk_audit_record *x, void (*put)(const void *from, vk_buf *out),
                      const void *from)
{
    char room[VK_AR_EXTRA];
    vk_buf extra = {.p = room, .cap = sizeof room, .max = sizeof room};
    put(from, &extra);
    x->extra = vk_buf_view(&extra);
    vk_al_emit(l, x);
    x->extra = VK_STR_NONE;
}

static void put_leap(const void *from, vk_buf *out)
{
    vk_audit_leap_write(*(const int64_t *)from, out);
}

static void put_cut(const void *from, vk_buf *out)
{
    vk_audit_cut_write(*(const vk_audit_cut *)from, out);
}

static void put_keys(const void *from, vk_buf *out)
{
    vk_audit_keys_write(from, out);
}

static void put_signature(const void *from, vk_buf *out)
{
    vk_buf_add(out, from, VK_AR_SIGNATURE);
}

/* Records what the wall clock has done since the last record. Order is by number, never by time. */
void vk_al_emit_clock(vk_audit_log *l)
{
    int64_t wall = wall_ns(), mono = vk_clock_mono_ns();
    int64_t leap = l->wall_ns ? (wall - l->wall_ns - (l->mono_ns ? mono - l->mono_ns : 0)) / MS_NS : 0;
    bool at_start = l->mono_ns == 0; /* how long it was off is not known */
    l->seen_wall_ns = wall;
    l->seen_mono_ns = mono;
    if (leap > -VK_AL_LEAP_MS && (leap < VK_AL_LEAP_MS || at_start))
        return;
    vk_audit_record x = {.kind = VK_AUDIT_CLOCK, .actor = VK_STR("keeper")};
    emit_with(l, &x, put_leap, &leap);
    l->quiet_till = mono / MS_NS + l->at.settle_ms;
    vk_log(VK_WARN, "the clock leapt; the audit log says so", VK_F(ms, (long long)leap));
}

void vk_al_begin_batch(vk_audit_log *l)
{
    vk_buf_clear(&l->out);
    l->next = l->written;
}

static void give_up_batch(vk_audit_log *l)
{
    l->assigned = l->written.seq > l->assigned ? l->written.seq : l->assigned;
    vk_buf_clear(&l->out);
}

/* ---- files */

/* It is left as it is; what was synced of it counts. */
void vk_al_leave(vk_audit_log *l, const char *word, vk_err e)
{
    vk_log(VK_ERROR, "a file of the audit log cannot be continued, another one begins", VK_F(file, l->f.name),
           VK_F(because, word), VK_F(error, e == VK_OK ? NULL : vk_err_name(e)));
    vk_audit_file_leave(&l->f, false);
    l->files++;
    l->left = word;
    l->left_of = l->durable.seq;
    l->cut = (vk_audit_cut){l->f.number, (uint64_t)l->durable.bytes};
    l->written = l->durable;
    l->dirty_since = 0;
}

static vk_err sync_file(vk_audit_log *l)
{
    vk_err e = vk_audit_file_sync(&l->f);
    l->syncs++;
    return e;
}

static void all_is_durable(vk_audit_log *l)
{
    l->durable = l->written;
    l->dirty_since = 0;
}

/* Writes `out`. VK_E_NOMEM: nothing happened; on other errors the file was left. */
vk_err vk_al_flush(vk_audit_log *l, bool sync)
{
    if (l->out.err != VK_OK) {
        l->assigned = l->written.seq;
        return VK_E_NOMEM;
    }
    const char *word = vk_audit_file_look(&l->f);
    if (word) {
        vk_al_leave(l, word, VK_OK);
        return VK_E_IO;
    }
    vk_err e = vk_audit_file_add(&l->f, vk_buf_view(&l->out));
    if (e == VK_OK && sync)
        e = sync_file(l);
    if (e != VK_OK) {
        vk_al_leave(l, e == VK_E_FULL ? "full" : "io", e);
        return e;
    }
    if ((word = vk_audit_file_check(&l->f))) {
        vk_al_leave(l, word, VK_OK);
        return VK_E_IO;
    }
    l->written = l->next;
    l->written.bytes = l->f.size;
    l->wall_ns = l->seen_wall_ns;
    l->mono_ns = l->seen_mono_ns;
    if (sync)
        all_is_durable(l);
    else if (!l->dirty_since)
        l->dirty_since = vk_clock_mono_ms();
    return VK_OK;
}

/* One keeper writes at a time: when valetkey is restarted the old one may have something to end. */
vk_err vk_al_lock_folder(const vk_audit_log *l)
{
    if (flock(l->f.dir_fd, LOCK_EX | LOCK_NB) == 0)
        return VK_OK;
    if (errno == EWOULDBLOCK || errno == EINTR)
        return VK_AGAIN;
    vk_log(VK_WARN, "audit/ cannot be locked here: let no second valetkey use this data folder",
           VK_F(error, vk_errno_text(errno)));
    return VK_OK;
}

/* The folder may have been moved away and back, or made anew. */
static vk_err find_folder(vk_audit_log *l)
{
    struct stat st, there;
    if (l->f.data_fd < 0)
        return VK_OK;
    if (fstat(l->f.dir_fd, &st) == 0 &&
        fstatat(l->f.data_fd, VK_AF_FOLDER, &there, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == there.st_dev &&
        st.st_ino == there.st_ino)
        return VK_OK;
    vk_err e = vk_disk_mkdir(l->f.data_fd, VK_AF_FOLDER, 0700);
    if (e != VK_OK)
        return e;
    int fd = openat(l->f.data_fd, VK_AF_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return vk_disk_err(errno);
    close(l->f.dir_fd);
    l->f.dir_fd = l->key.dir_fd = fd;
    return vk_al_lock_folder(l) == VK_OK ? VK_OK : VK_E_CONFLICT;
}

static void emit_versions(void *arg, vk_str extra)
{
    vk_audit_record x = {.kind = VK_AUDIT_VERSIONS, .actor = VK_STR("keeper"), .extra = extra};
    vk_al_emit(arg, &x);
}

void vk_al_emit_gap(vk_audit_log *l, const char *word, vk_audit_cut cut)
{
    uint64_t refused = l->refused_now;
    vk_audit_record x = {.kind = VK_AUDIT_GAP,
                         .of = cut.file ? l->left_of : l->written.seq,
                         .actor = VK_STR("keeper"),
                         .op = vk_str_z(word),
                         .rec_version = l->left_known,
                         .result = refused > INT32_MAX ? INT32_MAX : (int32_t)refused};
    emit_with(l, &x, put_cut, &cut);
}

void vk_al_emit_start(vk_audit_log *l)
{
    vk_audit_record x = {
        .kind = VK_AUDIT_START, .actor = VK_STR("keeper"), .op = VK_STR("valetkey " VK_VERSION)};
    vk_al_emit(l, &x);
}

static void fill_file(vk_audit_log *l)
{
    vk_audit_header head = {.number = l->f.number, .prev_seq = l->written.seq};
    vk_audit_record x = {
        .kind = VK_AUDIT_FILE, .actor = VK_STR("keeper"), .op = VK_STR("valetkey " VK_VERSION)};
    memcpy(head.prev_h, l->written.h, sizeof head.prev_h);
    vk_al_begin_batch(l);
    vk_audit_header_write(&head, &l->out, l->next.h);
    emit_with(l, &x, put_keys, &l->key.open);
    if (l->left)
        vk_al_emit_gap(l, l->left, l->cut);
    vk_audit_versions_each(&l->versions, emit_versions, l);
}

/* The next file, with what stands at its front, durable. On an error the one before is still there, if there
 * was one. */
vk_err vk_al_begin_file(vk_audit_log *l)
{
    vk_audit_file before = l->f;
    vk_audit_chain at = l->written;
    vk_err e = find_folder(l);
    before.dir_fd = l->f.dir_fd;
    if (e == VK_OK)
        e = vk_audit_file_begin(&l->f);
    if (e != VK_OK) {
        l->f = before;
        return e;
    }
    fill_file(l);
    e = l->out.err;
    if (e == VK_OK)
        e = vk_audit_file_room(&l->f, (int64_t)l->out.n);
    if (e == VK_OK)
        e = vk_audit_file_add(&l->f, vk_buf_view(&l->out));
    if (e == VK_OK)
        e = sync_file(l);
    if (e == VK_OK)
        e = vk_audit_file_named(&l->f);
    if (e == VK_OK && vk_audit_file_check(&l->f))
        e = VK_E_CONFLICT;
    if (e != VK_OK) {
        vk_audit_file_undo(&l->f);
        before.number = l->f.number; /* its name is used up where it could not be removed */
        l->f = before;
        l->written = at;
        give_up_batch(l);
        return e;
    }
    vk_audit_file_leave(&before, true);
    l->written = l->next;
    l->written.bytes = l->preamble = l->f.size;
    all_is_durable(l);
    l->left = NULL;
    l->left_known = 0;
    return VK_OK;
}

void vk_al_sync_late(vk_audit_log *l)
{
    vk_err e = sync_file(l);
    if (e == VK_OK)
        all_is_durable(l);
    else
        vk_al_leave(l, "io", e);
}

bool vk_al_file_is_long(const vk_audit_log *l)
{
    return l->f.size - l->preamble >= l->at.file_bytes;
}

/* A file that can be written to, or why there is none. */
vk_err vk_al_ready(vk_audit_log *l)
{
    if (l->f.fd >= 0 && !vk_al_file_is_long(l))
        return VK_OK;
    if (l->f.fd >= 0)
        vk_al_end_epoch(l);
    if (l->f.fd >= 0 && l->dirty_since)
        vk_al_sync_late(l);
    bool had = l->f.fd >= 0;
    vk_err e = vk_al_begin_file(l);
    if (e != VK_OK && had && l->f.fd >= 0) { /* it goes on in the long one, and tries again later */
        l->preamble = l->f.size - l->at.file_bytes / 2;
        return VK_OK;
    }
    return e;
}

/* ---- the log's own records, and epochs */

vk_err vk_audit_log_note(vk_audit_log *l, vk_audit_record *x)
{
    vk_err e = VK_E_IO;
    for (int i = 0; i < VK_AL_TRIES; i++) {
        e = vk_al_ready(l);
        if (e != VK_OK)
            break;
        vk_al_begin_batch(l);
        vk_al_emit(l, x);
        e = vk_audit_file_room(&l->f, (int64_t)l->out.n);
        if (e == VK_E_FULL && (int64_t)l->out.n <= vk_audit_file_left(&l->f))
            e = VK_OK;
        if (e != VK_OK) {
            l->assigned = l->written.seq;
            break;
        }
        e = vk_al_flush(l, true);
        if (e == VK_OK || e == VK_E_NOMEM)
            break;
    }
    return e;
}

void vk_al_count_records(vk_audit_log *l, uint64_t n)
{
    if (!l->epoch_records)
        l->epoch_began = vk_clock_mono_ms();
    l->epoch_records += n;
    l->records += n;
}

void vk_al_store_key(vk_audit_log *l)
{
    vk_err e = vk_audit_key_store(&l->key, l->durable.seq, l->durable.h);
    l->store_at = vk_clock_mono_ms() + STORE_AGAIN_MS;
    if (e != VK_OK)
        vk_log(VK_WARN, "the epoch key of the audit log could not be stored; it will be tried again",
               VK_F(error, vk_err_name(e)));
}

/* A checkpoint behind the last record, then the next key. */
void vk_al_end_epoch(vk_audit_log *l)
{
    if (!l->epoch_records || l->f.fd < 0)
        return;
    vk_audit_checkpoint c = {.epoch = l->key.epoch, .seq = l->written.seq};
    vk_al_begin_batch(l);
    c.time_ns = wall_ns();
    memcpy(c.h, l->written.h, sizeof c.h);
    vk_audit_key_sign(&l->key, &c);
    vk_audit_record x = {
        .kind = VK_AUDIT_EPOCH, .of = c.seq, .time_ns = c.time_ns, .actor = VK_STR("keeper")};
    vk_buf_clear(&l->record);
    emit_with(l, &x, put_signature, c.signature);
    vk_err e = vk_audit_file_room(&l->f, (int64_t)l->out.n);
    if (e != VK_OK && (int64_t)l->out.n > vk_audit_file_left(&l->f)) {
        l->assigned = l->written.seq;
        return;
    }
    if (vk_al_flush(l, true) != VK_OK)
        return;
    l->epoch_records = 0;
    vk_audit_key_next(&l->key);
    vk_al_store_key(l);
    if (l->checkpoint)
        l->checkpoint(l->arg, &c);
}
