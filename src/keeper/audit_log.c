/* What is done with entries, and when. */
#include "keeper/audit_log_in.h"

#include "core/clock.h"
#include "core/log.h"

#include <stdarg.h>

enum { OUT_KEEP = 1 << 20, ENTRY_MAX = 1024 };

/* ---- sealed, and not */

void vk_al_seal(vk_audit_log *l, const char *word, const char *fmt, ...)
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

void vk_al_seal_for(vk_audit_log *l, vk_err e)
{
    if (e == VK_E_FULL)
        vk_al_seal(
            l, "full",
            "The disk is full: no use of a key can be recorded, so none is made. Free some space where the "
            "data is; it goes on by itself.");
    else if (e == VK_E_NOT_FOUND || e == VK_E_FORBIDDEN || e == VK_E_CONFLICT)
        vk_al_seal(
            l, "folder",
            "The folder audit/ is not where it was, or cannot be written to (%s): no use of a key can be "
            "recorded, so none is made. Put it back, or restart valetkey.",
            vk_err_name(e));
    else
        vk_al_seal(
            l, "io",
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
    vk_al_begin_batch(l);
    vk_al_emit_clock(l);
    for (size_t i = 0; i < n; i++) {
        if (l->sealed && is_use(e[i]))
            continue;
        vk_audit_record x = vk_audit_record_of(e[i]);
        vk_al_emit(l, &x);
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
        vk_al_leave(l, "io", e);
        return e;
    }
    vk_al_seal_for(l, VK_E_FULL);
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
        err = l->waiting || (l->sealed && l->f.fd < 0) ? VK_E_UNAVAILABLE : vk_al_ready(l);
        if (err != VK_OK)
            break;
        put = put_entries(l, e, n, &sync);
        err = put ? room_for(l) : VK_OK;
        if (err == VK_AGAIN) {
            i--; /* sealed now: that happens once */
            continue;
        }
        if (err == VK_OK && put)
            err = vk_al_flush(l, sync);
        if (err == VK_OK || err == VK_E_FULL || err == VK_E_NOMEM)
            break;
    }
    if (err != VK_OK && err != VK_E_NOMEM && !l->sealed)
        vk_al_seal_for(l, err);
    if (err == VK_OK && put)
        vk_al_count_records(l, put);
    answer(l, e, n, err);
    if (l->epoch_records >= l->at.epoch_records)
        vk_al_end_epoch(l);
    if (l->out.cap > OUT_KEEP)
        vk_buf_free(&l->out);
}

bool vk_audit_log_is_quick(const vk_audit_log *l, size_t n)
{
    return !l->sealed && !l->waiting && l->f.fd >= 0 && !l->left && !vk_al_file_is_long(l) &&
           l->epoch_records + n < l->at.epoch_records &&
           vk_audit_file_left(&l->f) - l->f.reserve >= (int64_t)n * ENTRY_MAX;
}

/* ---- what is due */

static void look_again(vk_audit_log *l)
{
    uint64_t file = l->f.number;
    vk_err e = vk_al_ready(l);
    if (e == VK_OK)
        e = vk_audit_file_room(&l->f, VK_AL_BATCH_BYTES);
    const char *word = e == VK_OK ? vk_audit_file_check(&l->f) : NULL;
    if (word) {
        vk_al_leave(l, word, VK_OK);
        e = vk_al_ready(l);
    }
    if (e == VK_OK) {
        vk_al_begin_batch(l);
        if (l->f.number == file) /* a new file has said so at its front */
            vk_al_emit_gap(l, l->sealed_by, (vk_audit_cut){0});
        if (!l->started)
            vk_al_emit_start(l);
        e = l->out.n ? vk_al_flush(l, true) : VK_OK;
    }
    if (e != VK_OK) {
        vk_al_seal_for(l, e);
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
        vk_al_sync_late(l);
    if (l->epoch_records && now - l->epoch_began >= l->at.epoch_ms)
        vk_al_end_epoch(l);
    if (!l->key.stored && !l->sealed && now >= l->store_at)
        vk_al_store_key(l);
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
