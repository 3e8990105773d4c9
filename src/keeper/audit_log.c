#include "keeper/audit_log.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_MAX = 24 << 20, OUT_KEEP = 1 << 20, MS_NS = 1000000, STORE_AGAIN_MS = 60000, ENTRY_MAX = 1024 };

static const char folder[] = "audit";

/* ---- sealed, and not */

static void seal(vk_audit_log *l, const char *word, const char *fmt, ...) VK_PRINTF(3, 4);
static void seal(vk_audit_log *l, const char *word, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->why, sizeof l->why, fmt, ap);
    va_end(ap);
    if (!l->sealed)
        vk_log(VK_ERROR, "the audit log is sealed: no key of the organisation is used", VK_F(why, l->why));
    l->sealed = true;
    l->sealed_by = word;
}

static void seal_for(vk_audit_log *l, vk_err e)
{
    if (e == VK_E_FULL)
        seal(l, "full",
             "The disk is full: no use of a key can be recorded, so none is made. Free some space where the "
             "data is; it goes on by itself.");
    else if (e == VK_E_NOT_FOUND || e == VK_E_FORBIDDEN || e == VK_E_CONFLICT)
        seal(l, "folder",
             "The folder audit/ is not where it was, or cannot be written to (%s): no use of a key can be "
             "recorded, so none is made. Put it back, or restart valetkey.",
             vk_err_name(e));
    else
        seal(l, "io",
             "No file in audit/ can be written (%s): no use of a key can be recorded, so none is made. Look "
             "at "
             "the disk; it goes on by itself when a new file can be begun.",
             vk_err_name(e));
}

static void unseal(vk_audit_log *l)
{
    if (l->sealed)
        vk_log(VK_INFO, "the audit log goes on", VK_F(refused, l->refused_now));
    l->sealed = false;
    l->refused_now = 0;
    if (!l->damaged)
        l->why[0] = '\0';
}

/* ---- records into `out` */

static int64_t wall_ns(void)
{
    return vk_clock_wall_ms() * MS_NS;
}

static void emit(vk_audit_log *l, vk_audit_record *x)
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
    emit(l, x);
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
static void emit_clock(vk_audit_log *l)
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

static void begin_batch(vk_audit_log *l)
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
static void leave(vk_audit_log *l, const char *word, vk_err e)
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
static vk_err flush(vk_audit_log *l, bool sync)
{
    if (l->out.err != VK_OK) {
        l->assigned = l->written.seq;
        return VK_E_NOMEM;
    }
    const char *word = vk_audit_file_look(&l->f);
    if (word) {
        leave(l, word, VK_OK);
        return VK_E_IO;
    }
    vk_err e = vk_audit_file_add(&l->f, vk_buf_view(&l->out));
    if (e == VK_OK && sync)
        e = sync_file(l);
    if (e != VK_OK) {
        leave(l, e == VK_E_FULL ? "full" : "io", e);
        return e;
    }
    if ((word = vk_audit_file_check(&l->f))) {
        leave(l, word, VK_OK);
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
static vk_err lock_folder(const vk_audit_log *l)
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
    if (fstat(l->f.dir_fd, &st) == 0 && fstatat(l->f.data_fd, folder, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_dev == there.st_dev && st.st_ino == there.st_ino)
        return VK_OK;
    vk_err e = vk_disk_mkdir(l->f.data_fd, folder, 0700);
    if (e != VK_OK)
        return e;
    int fd = openat(l->f.data_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return vk_disk_err(errno);
    close(l->f.dir_fd);
    l->f.dir_fd = l->key.dir_fd = fd;
    return lock_folder(l) == VK_OK ? VK_OK : VK_E_CONFLICT;
}

static void emit_versions(void *arg, vk_str extra)
{
    vk_audit_record x = {.kind = VK_AUDIT_VERSIONS, .actor = VK_STR("keeper"), .extra = extra};
    emit(arg, &x);
}

static void emit_gap(vk_audit_log *l, const char *word, vk_audit_cut cut)
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

static void fill_file(vk_audit_log *l)
{
    vk_audit_header head = {.number = l->f.number, .prev_seq = l->written.seq};
    vk_audit_record x = {
        .kind = VK_AUDIT_FILE, .actor = VK_STR("keeper"), .op = VK_STR("valetkey " VK_VERSION)};
    memcpy(head.prev_h, l->written.h, sizeof head.prev_h);
    begin_batch(l);
    vk_audit_header_write(&head, &l->out, l->next.h);
    emit_with(l, &x, put_keys, &l->key.open);
    if (l->left)
        emit_gap(l, l->left, l->cut);
    vk_audit_versions_each(&l->versions, emit_versions, l);
}

/* The next file, with what stands at its front, durable. On an error the one before is still there, if there
 * was one. */
static vk_err begin_file(vk_audit_log *l)
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

static void sync_late(vk_audit_log *l)
{
    vk_err e = sync_file(l);
    if (e == VK_OK)
        all_is_durable(l);
    else
        leave(l, "io", e);
}

static bool file_is_long(const vk_audit_log *l)
{
    return l->f.size - l->preamble >= l->at.file_bytes;
}

static void end_epoch(vk_audit_log *l);

/* A file that can be written to, or why there is none. */
static vk_err ready(vk_audit_log *l)
{
    if (l->f.fd >= 0 && !file_is_long(l))
        return VK_OK;
    if (l->f.fd >= 0)
        end_epoch(l);
    if (l->f.fd >= 0 && l->dirty_since)
        sync_late(l);
    bool had = l->f.fd >= 0;
    vk_err e = begin_file(l);
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
        e = ready(l);
        if (e != VK_OK)
            break;
        begin_batch(l);
        emit(l, x);
        e = vk_audit_file_room(&l->f, (int64_t)l->out.n);
        if (e == VK_E_FULL && (int64_t)l->out.n <= vk_audit_file_left(&l->f))
            e = VK_OK;
        if (e != VK_OK) {
            l->assigned = l->written.seq;
            break;
        }
        e = flush(l, true);
        if (e == VK_OK || e == VK_E_NOMEM)
            break;
    }
    return e;
}

static void count_records(vk_audit_log *l, uint64_t n)
{
    if (!l->epoch_records)
        l->epoch_began = vk_clock_mono_ms();
    l->epoch_records += n;
    l->records += n;
}

static void store_key(vk_audit_log *l)
{
    vk_err e = vk_audit_key_store(&l->key, l->durable.seq, l->durable.h);
    l->store_at = vk_clock_mono_ms() + STORE_AGAIN_MS;
    if (e != VK_OK)
        vk_log(VK_WARN, "the epoch key of the audit log could not be stored; it will be tried again",
               VK_F(error, vk_err_name(e)));
}

/* A checkpoint behind the last record, then the next key. */
static void end_epoch(vk_audit_log *l)
{
    if (!l->epoch_records || l->f.fd < 0)
        return;
    vk_audit_checkpoint c = {.epoch = l->key.epoch, .seq = l->written.seq};
    begin_batch(l);
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
    if (flush(l, true) != VK_OK)
        return;
    l->epoch_records = 0;
    vk_audit_key_next(&l->key);
    store_key(l);
    if (l->checkpoint)
        l->checkpoint(l->arg, &c);
}

/* ---- entries */

static bool wants_sync(const vk_audit_log *l, const vk_audit_entry *e)
{
    return e->durable && (l->at.sync || e->kind != VK_AUDIT_INTENT);
}

static bool is_use(const vk_audit_entry *e)
{
    return e->kind == VK_AUDIT_INTENT;
}

/* Into `out`, without uses when `sealed`. Returns how many. */
static size_t put_entries(vk_audit_log *l, vk_audit_entry *const *e, size_t n, bool *sync_r)
{
    size_t put = 0;
    *sync_r = false;
    begin_batch(l);
    emit_clock(l);
    for (size_t i = 0; i < n; i++) {
        if (l->sealed && is_use(e[i]))
            continue;
        vk_audit_record x = vk_audit_record_of(e[i]);
        emit(l, &x);
        e[i]->seq = x.seq;
        *sync_r |= wants_sync(l, e[i]);
        put++;
    }
    return put;
}

/* VK_OK: there is room for `out`; VK_AGAIN: it has to be made anew, without uses. */
static vk_err room_for(vk_audit_log *l)
{
    vk_err e = vk_audit_file_room(&l->f, (int64_t)l->out.n);
    if (e == VK_OK)
        return VK_OK;
    bool was = l->sealed;
    if (e != VK_E_FULL) {
        leave(l, "io", e);
        return e;
    }
    seal_for(l, VK_E_FULL);
    if (was && (int64_t)l->out.n <= vk_audit_file_left(&l->f))
        return VK_OK;
    l->assigned = l->written.seq; /* nothing was written */
    return was ? VK_E_FULL : VK_AGAIN;
}

static void answer(vk_audit_log *l, vk_audit_entry *const *e, size_t n, vk_err err)
{
    for (size_t i = 0; i < n; i++) {
        bool refused = err != VK_OK || (l->sealed && is_use(e[i]));
        e[i]->err = refused ? VK_E_UNAVAILABLE : VK_OK;
        if (refused && is_use(e[i])) {
            l->refused++;
            l->refused_now++;
        } else if (!refused && e[i]->kind == VK_AUDIT_CHANGE) {
            const vk_audit_record x = vk_audit_record_of(e[i]);
            (void)vk_audit_versions_take(&l->versions, &x);
        }
    }
}

void vk_audit_log_write(vk_audit_log *l, vk_audit_entry *const *e, size_t n)
{
    vk_err err = VK_E_IO;
    size_t put = 0;
    for (int i = 0; i < VK_AL_TRIES; i++) {
        bool sync;
        err = l->waiting || (l->sealed && l->f.fd < 0) ? VK_E_UNAVAILABLE : ready(l);
        if (err != VK_OK)
            break;
        put = put_entries(l, e, n, &sync);
        err = put ? room_for(l) : VK_OK;
        if (err == VK_AGAIN) {
            i--; /* sealed now: that happens once */
            continue;
        }
        if (err == VK_OK && put)
            err = flush(l, sync);
        if (err == VK_OK || err == VK_E_FULL || err == VK_E_NOMEM)
            break;
    }
    if (err != VK_OK && err != VK_E_NOMEM && !l->sealed)
        seal_for(l, err);
    if (err == VK_OK && put)
        count_records(l, put);
    answer(l, e, n, err);
    if (l->epoch_records >= l->at.epoch_records)
        end_epoch(l);
    if (l->out.cap > OUT_KEEP)
        vk_buf_free(&l->out);
}

bool vk_audit_log_is_quick(const vk_audit_log *l, size_t n)
{
    return !l->sealed && !l->waiting && l->f.fd >= 0 && !l->left && !file_is_long(l) &&
           l->epoch_records + n < l->at.epoch_records &&
           vk_audit_file_left(&l->f) - l->f.reserve >= (int64_t)n * ENTRY_MAX;
}

/* ---- what is due */

static void emit_start(vk_audit_log *l)
{
    vk_audit_record x = {
        .kind = VK_AUDIT_START, .actor = VK_STR("keeper"), .op = VK_STR("valetkey " VK_VERSION)};
    emit(l, &x);
}

static void look_again(vk_audit_log *l)
{
    uint64_t file = l->f.number;
    vk_err e = ready(l);
    if (e == VK_OK)
        e = vk_audit_file_room(&l->f, VK_AL_BATCH_BYTES);
    const char *word = e == VK_OK ? vk_audit_file_check(&l->f) : NULL;
    if (word) {
        leave(l, word, VK_OK);
        e = ready(l);
    }
    if (e == VK_OK) {
        begin_batch(l);
        if (l->f.number == file) /* a new file has said so at its front */
            emit_gap(l, l->sealed_by, (vk_audit_cut){0});
        if (!l->started)
            emit_start(l);
        e = l->out.n ? flush(l, true) : VK_OK;
    }
    if (e != VK_OK) {
        seal_for(l, e);
        return;
    }
    l->started = true;
    unseal(l);
}

void vk_audit_log_tick(vk_audit_log *l)
{
    int64_t now = vk_clock_mono_ms();
    if (l->sealed && now >= l->look_at) {
        l->look_at = now + l->at.retry_ms;
        look_again(l);
    }
    if (l->dirty_since && now - l->dirty_since >= VK_AL_SYNC_MS)
        sync_late(l);
    if (l->epoch_records && now - l->epoch_began >= l->at.epoch_ms)
        end_epoch(l);
    if (!l->key.stored && !l->sealed && now >= l->store_at)
        store_key(l);
    if (now >= l->remove_at) {
        l->remove_at = now < l->quiet_till ? l->quiet_till : now + VK_AL_REMOVE_MS;
        vk_audit_log_remove_old(l);
    }
}

static void sooner(int64_t *at, bool applies, int64_t that)
{
    if (applies && that < *at)
        *at = that;
}

int64_t vk_audit_log_due(const vk_audit_log *l)
{
    int64_t at = l->remove_at;
    sooner(&at, l->sealed, l->look_at);
    sooner(&at, l->dirty_since != 0, l->dirty_since + VK_AL_SYNC_MS);
    sooner(&at, l->epoch_records != 0, l->epoch_began + l->at.epoch_ms);
    sooner(&at, !l->key.stored && !l->sealed, l->store_at);
    return at;
}

/* ---- open and close */

static vk_err open_folder(vk_audit_log *l, char why[VK_AUDIT_WHY])
{
    struct stat st;
    vk_err e = VK_OK;
    l->f = (vk_audit_file){.data_fd = l->at.data_fd, .dir_fd = -1, .fd = -1, .reserve = l->at.reserve_bytes};
    if (l->at.dir_fd >= 0) {
        l->f.dir_fd = fcntl(l->at.dir_fd, F_DUPFD_CLOEXEC, 3);
        e = l->f.dir_fd < 0 ? vk_disk_err(errno) : VK_OK;
        /* As another user than the data folder's keeper may use its own folder, and not look around. */
        if (l->f.data_fd >= 0 && fstatat(l->f.data_fd, folder, &st, AT_SYMLINK_NOFOLLOW) != 0)
            l->f.data_fd = -1;
    } else {
        e = vk_disk_mkdir(l->at.data_fd, folder, 0700);
        if (e == VK_OK)
            l->f.dir_fd = openat(l->at.data_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (e == VK_OK && l->f.dir_fd < 0)
            e = vk_disk_err(errno);
    }
    if (e != VK_OK)
        snprintf(why, VK_AUDIT_WHY,
                 e == VK_E_FULL
                     ? "The disk is full: the folder audit/ cannot be made (%s). Free some space and "
                       "start again."
                     : "The folder audit/ in the data folder cannot be opened (%s).",
                 vk_err_name(e));
    return e;
}

static void usual(vk_audit_place *p)
{
    p->epoch_ms = p->epoch_ms ? p->epoch_ms : VK_AUDIT_EPOCH_MS;
    p->epoch_records = p->epoch_records ? p->epoch_records : VK_AUDIT_EPOCH_RECORDS;
    p->file_bytes = p->file_bytes ? p->file_bytes : VK_AUDIT_FILE_BYTES;
    p->retry_ms = p->retry_ms ? p->retry_ms : VK_AL_RETRY_MS;
    p->reserve_bytes = p->reserve_bytes ? p->reserve_bytes : VK_AF_RESERVE;
    p->settle_ms = p->settle_ms ? p->settle_ms : VK_AL_SETTLE_MS;
    p->keep_ms = p->keep_ms ? p->keep_ms : (int64_t)VK_AUDIT_KEEP_DAYS * 86400 * 1000;
}

/* What the stored key knows of the log, held against the log. */
static void compare(vk_audit_log *l, vk_audit_found *found)
{
    const vk_audit_key *k = &l->key;
    if (k->known_seq <= found->end.seq)
        return;
    l->assigned = k->known_seq;
    if (found->broken && strcmp(found->broken, "damaged") == 0)
        return; /* that is why */
    found->broken = "missing";
    l->left_known = k->known_seq;
}

static void take_found(vk_audit_log *l, const vk_audit_found *found)
{
    l->f.number = found->highest;
    l->written = l->durable = found->end;
    if (l->assigned < found->end.seq)
        l->assigned = found->end.seq;
    l->wall_ns = found->time_ns;
    l->left = found->broken;
    l->left_of = found->end.seq;
    l->cut = (vk_audit_cut){found->number, (uint64_t)found->end.bytes};
    l->damaged = found->broken && strcmp(found->broken, "torn") != 0;
    if (!found->broken)
        return;
    if (l->damaged)
        snprintf(
            l->why, sizeof l->why,
            "The audit log did not hold together when keeper started (%s behind record %llu): it was damaged "
            "or changed. It goes on in a new file; `valetkey audit verify` says what is wrong.",
            found->broken, (unsigned long long)found->end.seq);
    vk_log(l->damaged ? VK_ERROR : VK_WARN, "the audit log goes on behind an end that does not count",
           VK_F(because, found->broken), VK_F(record, found->end.seq));
}

static bool same_keys(const vk_audit_keys *a, const vk_audit_keys *b)
{
    return a->first_epoch == b->first_epoch && a->sealed == b->sealed &&
           memcmp(a->sign, b->sign, sizeof a->sign) == 0 &&
           memcmp(a->auditor, b->auditor, sizeof a->auditor) == 0 &&
           (!a->sealed || memcmp(a->escrow, b->escrow, sizeof a->escrow) == 0);
}

/* The last file goes on when it is whole and its keys are still ours. */
static vk_err go_on(vk_audit_log *l, const vk_audit_found *found)
{
    bool same = found->number && found->number == found->highest && !found->broken && !l->key.fresh &&
                same_keys(&found->keys, &l->key.open);
    if (same && vk_audit_file_continue(&l->f, found->number, found->end.bytes) == VK_OK) {
        l->preamble = 0;
        return VK_OK;
    }
    return begin_file(l);
}

static vk_err begin_log(vk_audit_log *l, const vk_audit_found *found)
{
    vk_err e = go_on(l, found);
    for (int i = 0; i < VK_AL_TRIES; i++) {
        if (e == VK_OK)
            e = vk_audit_file_room(&l->f, VK_AR_FRAME_MAX);
        if (e != VK_OK)
            return e;
        begin_batch(l);
        emit_clock(l);
        emit_start(l);
        e = flush(l, true);
        if (e == VK_OK)
            break;
        e = ready(l); /* once more, in another file */
    }
    if (e != VK_OK)
        return e;
    l->started = true;
    count_records(l, 1);
    store_key(l);
    return VK_OK;
}

static vk_err begin(vk_audit_log *l, char why[VK_AUDIT_WHY])
{
    vk_audit_found found;
    const char *because;
    vk_err e = vk_audit_scan(l->f.dir_fd, &l->versions, &found, why);
    if (e != VK_OK)
        return e;
    e = vk_audit_key_open(&l->key, l->f.dir_fd, l->at.key, l->at.auditor, found.epoch, &because);
    if (e != VK_OK) {
        snprintf(why, VK_AUDIT_WHY, "The keys of the audit log cannot be had: %s.", vk_err_name(e));
        return e;
    }
    if (because)
        vk_log(VK_WARN, "a new row of epoch keys begins in the audit log", VK_F(because, because));
    compare(l, &found);
    take_found(l, &found);
    l->remove_at = l->quiet_till = vk_clock_mono_ms() + l->at.settle_ms;
    e = begin_log(l, &found);
    if (e != VK_OK)
        seal_for(l, e);
    l->waiting = false;
    return VK_OK;
}

vk_err vk_audit_log_open(vk_audit_log *l, const vk_audit_place *at, char why[VK_AUDIT_WHY])
{
    vk_audit_found found;
    l->at = *at;
    usual(&l->at);
    vk_buf_init(&l->out, OUT_MAX);
    vk_buf_init(&l->record, VK_AR_MAX);
    vk_audit_versions_init(&l->versions);
    vk_err e = open_folder(l, why);
    if (e == VK_OK)
        e = lock_folder(l);
    l->waiting = e == VK_AGAIN;
    if (e == VK_OK)
        e = begin(l, why);
    else if (l->waiting) /* its versions are known already; what the other one still adds comes with its turn
                          */
        e = vk_audit_scan(l->f.dir_fd, &l->versions, &found, why);
    if (e != VK_OK)
        vk_audit_log_close(l);
    return e;
}

void vk_audit_log_turn(vk_audit_log *l)
{
    char why[VK_AUDIT_WHY];
    if (lock_folder(l) != VK_OK)
        return;
    if (begin(l, why) != VK_OK)
        seal(l, "folder", "%s", why);
}

void vk_audit_log_no_turn(vk_audit_log *l)
{
    seal(
        l, "folder",
        "Another process holds audit/ and does not let go: is a second valetkey running on this data folder? "
        "It goes on by itself when that one has ended.");
}

void vk_audit_log_close(vk_audit_log *l)
{
    if (l->f.fd >= 0)
        end_epoch(l);
    if (l->left && !l->waiting && !l->sealed && ready(l) == VK_OK) /* says so, rather than the next start */
        end_epoch(l);
    vk_audit_file_leave(&l->f, true);
    if (l->f.dir_fd >= 0 && !l->waiting &&
        flock(l->f.dir_fd, LOCK_UN) != 0) /* the caller may have it open, too */
        vk_log(VK_WARN, "audit/ stays locked until keeper has ended", VK_F(error, vk_errno_text(errno)));
    if (l->f.dir_fd >= 0)
        close(l->f.dir_fd);
    l->f.dir_fd = -1;
    vk_audit_key_close(&l->key);
    vk_audit_versions_free(&l->versions);
    vk_buf_free(&l->out);
    vk_buf_free(&l->record);
}

void vk_audit_log_state(const vk_audit_log *l, vk_audit_state *out)
{
    *out = (vk_audit_state){
        .sealed = l->sealed,
        .damaged = l->damaged,
        .seq = l->durable.seq,
        .epoch = l->key.epoch,
        .syncs = l->syncs,
        .records = l->records,
        .refused = l->refused,
        .files = l->files,
        .file_bytes = l->f.size,
        .reserve_bytes = l->f.fd >= 0 ? vk_audit_file_left(&l->f) : 0,
        .low = l->f.low,
        .auditor = l->key.open.sealed,
    };
    memcpy(out->why, l->why, sizeof out->why);
    memcpy(out->public_key, l->key.open.sign, sizeof out->public_key); /* zeros: not its turn yet */
}
