/* The log's beginning and its end. */
#include "keeper/audit_log_in.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static vk_err open_folder(vk_audit_log *l, char why[VK_AUDIT_WHY])
{
    struct stat st;
    vk_err e = VK_OK;
    l->f = (vk_audit_file){.data_fd = l->at.data_fd, .dir_fd = -1, .fd = -1, .reserve = l->at.reserve_bytes};
    if (l->at.dir_fd >= 0) {
        l->f.dir_fd = fcntl(l->at.dir_fd, F_DUPFD_CLOEXEC, 3);
        e = l->f.dir_fd < 0 ? vk_disk_err(errno) : VK_OK;
        /* As another user than the data folder's keeper may use its own folder, and not look around. */
        if (l->f.data_fd >= 0 && fstatat(l->f.data_fd, VK_AF_FOLDER, &st, AT_SYMLINK_NOFOLLOW) != 0)
            l->f.data_fd = -1;
    } else {
        e = vk_disk_mkdir(l->at.data_fd, VK_AF_FOLDER, 0700);
        if (e == VK_OK)
            l->f.dir_fd =
                openat(l->at.data_fd, VK_AF_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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
    return vk_al_begin_file(l);
}

static vk_err begin_log(vk_audit_log *l, const vk_audit_found *found)
{
    vk_err e = go_on(l, found);
    for (int i = 0; i < VK_AL_TRIES; i++) {
        if (e == VK_OK)
            e = vk_audit_file_room(&l->f, VK_AR_FRAME_MAX);
        if (e != VK_OK)
            return e;
        vk_al_begin_batch(l);
        vk_al_emit_clock(l);
        vk_al_emit_start(l);
        e = vk_al_flush(l, true);
        if (e == VK_OK)
            break;
        e = vk_al_ready(l); /* once more, in another file */
    }
    if (e != VK_OK)
        return e;
    l->started = true;
    vk_al_count_records(l, 1);
    vk_al_store_key(l);
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
        vk_al_seal_for(l, e);
    l->waiting = false;
    return VK_OK;
}

vk_err vk_audit_log_open(vk_audit_log *l, const vk_audit_place *at, char why[VK_AUDIT_WHY])
{
    vk_audit_found found;
    l->at = *at;
    usual(&l->at);
    vk_buf_init(&l->out, VK_AL_OUT_MAX);
    vk_buf_init(&l->record, VK_AR_MAX);
    vk_audit_versions_init(&l->versions);
    vk_err e = open_folder(l, why);
    if (e == VK_OK)
        e = vk_al_lock_folder(l);
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
    if (vk_al_lock_folder(l) != VK_OK)
        return;
    if (begin(l, why) != VK_OK)
        vk_al_seal(l, "folder", "%s", why);
}

void vk_audit_log_no_turn(vk_audit_log *l)
{
    vk_al_seal(
        l, "folder",
        "Another process holds audit/ and does not let go: is a second valetkey running on this data folder? "
        "It goes on by itself when that one has ended.");
}

void vk_audit_log_close(vk_audit_log *l)
{
    if (l->f.fd >= 0)
        vk_al_end_epoch(l);
    if (l->left && !l->waiting && !l->sealed &&
        vk_al_ready(l) == VK_OK) /* says so, rather than the next start */
        vk_al_end_epoch(l);
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
