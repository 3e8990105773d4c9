/* What lies in audit/ when keeper starts, and what of it is old. */
#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"
#include "keeper/audit_log.h"
#include "keeper/audit_read.h"

#include <sys/stat.h>

/* ---- at the start */

/* A torn write is no longer than a batch. */
static const char *broken_by(const vk_audit_reader *r)
{
    struct stat st;
    bool torn = fstat(r->fd, &st) == 0 && st.st_size - r->offset <= VK_AL_BATCH_BYTES + VK_AR_FRAME_MAX;
    return torn ? "torn" : "damaged";
}

/* Reads one file to its last good record. VK_E_NOT_FOUND: it has none. */
static vk_err scan_file(int dir_fd, uint64_t number, vk_audit_versions *versions, vk_audit_found *found)
{
    vk_audit_reader r;
    vk_audit_record x;
    vk_audit_found at = *found;
    char name[VK_AR_NAME];
    size_t n = 0;
    vk_audit_file_name(number, name);
    vk_err e = vk_audit_reader_open(&r, dir_fd, name, -1);
    if (e == VK_E_CORRUPT)
        found->broken = "damaged";
    if (e == VK_AGAIN && !found->broken)
        found->broken = "torn"; /* begun, and never used */
    if (e == VK_AGAIN || e == VK_E_CORRUPT)
        return VK_E_NOT_FOUND;
    if (e != VK_OK)
        return e;
    while ((e = vk_audit_reader_next(&r, &x, NULL)) == VK_OK) {
        n++;
        at.number = number;
        at.end = (vk_audit_chain){.seq = x.seq, .bytes = r.offset};
        memcpy(at.end.h, r.h, sizeof at.end.h);
        at.epoch = x.epoch;
        at.time_ns = x.time_ns;
        if (x.kind == VK_AUDIT_FILE && vk_audit_keys_read(x.extra, &at.keys) != VK_OK)
            break;
        if (!vk_audit_versions_take(versions, &x))
            vk_log(VK_WARN, "the audit log names more records of the vault than are followed");
    }
    if (e == VK_AGAIN || e == VK_E_CORRUPT) {
        if (!at.broken || strcmp(at.broken, "damaged") != 0)
            at.broken = broken_by(&r);
        e = VK_E_NOT_FOUND;
    }
    vk_audit_reader_close(&r);
    if (e != VK_E_NOT_FOUND)
        return e;
    if (n == 0 && !found->broken)
        found->broken = at.broken ? at.broken : "torn";
    if (n == 0)
        return VK_E_NOT_FOUND;
    *found = at;
    return VK_OK;
}

vk_err vk_audit_scan(int dir_fd, vk_audit_versions *versions, vk_audit_found *out_r, char why[VK_AUDIT_WHY])
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    *out_r = (vk_audit_found){0};
    vk_err e = vk_audit_files(dir_fd, &numbers, &n);
    if (e == VK_OK && n)
        out_r->highest = numbers[n - 1];
    vk_err one = VK_E_NOT_FOUND;
    for (size_t i = n; e == VK_OK && one == VK_E_NOT_FOUND && i-- > 0;) {
        one = scan_file(dir_fd, numbers[i], versions, out_r);
        if (one != VK_OK && one != VK_E_NOT_FOUND)
            e = one;
    }
    free(numbers);
    if (e == VK_E_NEWER)
        snprintf(
            why, VK_AUDIT_WHY,
            "The audit log was written by a newer valetkey: start that one, or move the folder audit/ away "
            "to begin a new log.");
    else if (e != VK_OK)
        snprintf(why, VK_AUDIT_WHY, "The audit log (audit/ in the data folder) cannot be read: %s.",
                 vk_err_name(e));
    return e;
}

/* ---- what is old */

/* When the file's first record was written, ns; 0: not known. */
static int64_t begin_of(int dir_fd, uint64_t number)
{
    vk_audit_reader r;
    vk_audit_record x;
    char name[VK_AR_NAME];
    vk_audit_file_name(number, name);
    if (vk_audit_reader_open(&r, dir_fd, name, -1) != VK_OK)
        return 0;
    int64_t t = vk_audit_reader_next(&r, &x, NULL) == VK_OK ? x.time_ns : 0;
    vk_audit_reader_close(&r);
    return t;
}

static bool remove_one(vk_audit_log *l, uint64_t number)
{
    char op[VK_AUDIT_TEXT] = "audit.remove ";
    size_t n = strlen(op);
    vk_audit_file_name(number, op + n);
    vk_audit_record x = {
        .kind = VK_AUDIT_CHANGE, .of = number, .actor = VK_STR("keeper"), .op = vk_str_z(op)};
    if (vk_audit_log_note(l, &x) != VK_OK || vk_disk_remove(l->f.dir_fd, op + n) != VK_OK)
        return false;
    vk_log(VK_INFO, "a file of the audit log was older than is kept, and is removed", VK_F(file, op + n));
    return true;
}

void vk_audit_log_remove_old(vk_audit_log *l)
{
    int64_t now = vk_clock_mono_ms(), keep = l->at.keep_ms;
    uint64_t *numbers;
    size_t n;
    if (keep < 0 || l->sealed || now < l->quiet_till || vk_audit_files(l->f.dir_fd, &numbers, &n) != VK_OK)
        return;
    int64_t oldest = vk_clock_wall_ms() - keep;
    /* A file ends when the next one begins. */
    for (size_t i = 0; i + VK_AUDIT_KEEP_FILES < n && i < VK_AL_REMOVED_AT_ONCE; i++) {
        int64_t end = begin_of(l->f.dir_fd, numbers[i + 1]);
        if (end == 0 || end / 1000000 >= oldest || !remove_one(l, numbers[i]))
            break;
    }
    free(numbers);
}
