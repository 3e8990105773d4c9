#include "core/log.h"
#include "keeper/audit_key.h"
#include "keeper/audit_marks.h"

#include <stdarg.h>

/* What each file says of itself and of those before it, read before the records are. */
typedef struct peek {
    uint64_t number;
    vk_err e; /* of its header */
    vk_audit_header header;
    bool gap;
    vk_audit_cut cut;
    int64_t counts; /* bytes of it; -1: all; 0: it was begun in vain */
} peek;

typedef struct walk {
    vk_audit_check *c;
    peek *files;
    size_t n_files, at;
    vk_audit_marks marks;
    vk_audit_open open;
    /* the log up to here */
    uint64_t seq, epoch, prev_seq;
    uint8_t h[VK_SHA256], prev_h[VK_SHA256];
    bool begun, lost;           /* lost: what comes next cannot follow, and that was said */
    uint64_t removed, began_at; /* files up to here were removed by keeper; the last START */
    bool stop;
    /* the keys of this file, and the epoch key when there is the auditor's */
    vk_audit_keys keys;
    bool has_keys, has_mac;
    uint64_t mac_first, mac_epoch;
    uint8_t mac_key[VK_SHA256];
    vk_hmac256_key mac;
} walk;

/* ---- findings */

static void say(walk *w, vk_audit_level level, uint64_t seq, int64_t offset, const char *fmt, ...)
    VK_PRINTF(5, 6);
static void say(walk *w, vk_audit_level level, uint64_t seq, int64_t offset, const char *fmt, ...)
{
    char text[VK_ARD_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *(level == VK_AUDIT_WRONG ? &w->c->wrong : level == VK_AUDIT_UNDONE ? &w->c->undone : &w->c->noted) += 1;
    const vk_audit_finding f = {.level = level,
                                .file = w->at < w->n_files ? w->files[w->at].number : 0,
                                .seq = seq,
                                .offset = offset,
                                .text = text};
    if (w->c->found)
        w->c->found(w->c->arg, &f);
}

/* ---- before the records */

static void peek_at(const vk_audit_check *c, peek *p)
{
    vk_audit_reader r;
    vk_audit_record x;
    char name[VK_AR_NAME];
    vk_audit_file_name(p->number, name);
    p->counts = -1;
    p->e = vk_audit_reader_open(&r, c->dir_fd, name, -1);
    if (p->e != VK_OK)
        return;
    p->header = r.header;
    if (vk_audit_reader_next(&r, &x, NULL) == VK_OK && vk_audit_reader_next(&r, &x, NULL) == VK_OK &&
        x.kind == VK_AUDIT_GAP && vk_audit_cut_read(x.extra, &p->cut) == VK_OK)
        p->gap = p->cut.file > 0 && p->cut.file < p->number;
    vk_audit_reader_close(&r);
}

static vk_err peek_all(walk *w)
{
    uint64_t *numbers;
    vk_err e = vk_audit_files(w->c->dir_fd, &numbers, &w->n_files);
    if (e != VK_OK)
        return e;
    w->files = calloc(w->n_files ? w->n_files : 1, sizeof *w->files);
    e = w->files ? VK_OK : VK_E_NOMEM;
    for (size_t i = 0; e == VK_OK && i < w->n_files; i++) {
        w->files[i].number = numbers[i];
        peek_at(w->c, &w->files[i]);
        if (w->files[i].e == VK_E_NEWER || w->files[i].e == VK_E_NOMEM || w->files[i].e == VK_E_FORBIDDEN ||
            w->files[i].e == VK_E_IO)
            e = w->files[i].e;
    }
    free(numbers);
    if (e == VK_OK && w->n_files == 0)
        e = VK_E_NOT_FOUND;
    if (e != VK_OK)
        return e;
    for (size_t i = 0; i < w->n_files; i++)
        for (size_t k = i; w->files[i].gap && k-- > 0 && w->files[k].number >= w->files[i].cut.file;)
            w->files[k].counts =
                w->files[k].number == w->files[i].cut.file ? (int64_t)w->files[i].cut.bytes : 0;
    return VK_OK;
}

/* ---- the auditor's side */

static void take_keys(walk *w, uint64_t seq)
{
    vk_audit_check *c = w->c;
    const uint8_t *want = c->sign ? c->sign : c->has_key ? c->signed_by : w->keys.sign;
    if (memcmp(want, w->keys.sign, sizeof w->keys.sign) != 0)
        say(w, VK_AUDIT_WRONG, seq, -1, "from here on checkpoints are signed with another key%s",
            c->sign ? " than the one that was named" : "");
    memcpy(c->signed_by, w->keys.sign, sizeof c->signed_by);
    c->has_key = true;
    if (!c->secret || (w->has_mac && w->mac_first == w->keys.first_epoch))
        return;
    vk_err e = vk_audit_key_escrow(&w->keys, c->secret, w->mac_key);
    w->has_mac = e == VK_OK;
    w->mac_first = w->mac_epoch = w->keys.first_epoch;
    if (e == VK_OK)
        vk_hmac256_key_init(&w->mac, (vk_str){(const char *)w->mac_key, VK_SHA256});
    else if (e == VK_E_NOT_FOUND)
        say(w, VK_AUDIT_KNOW, seq, -1, "the epoch key of this file is not sealed to that auditor's key");
    else
        say(w, VK_AUDIT_WRONG, seq, -1, "the sealed epoch key does not open");
}

static void check_mac(walk *w, const vk_audit_record *x, const vk_audit_frame *f, int64_t offset)
{
    uint8_t m[VK_SHA256];
    if (!w->has_mac)
        return;
    if (x->epoch < w->mac_epoch || x->epoch - w->mac_epoch > VK_AUDIT_STEPS) {
        say(w, VK_AUDIT_WRONG, x->seq, offset, "its epoch %llu cannot be", (unsigned long long)x->epoch);
        return;
    }
    bool other = w->mac_epoch != x->epoch;
    for (; w->mac_epoch < x->epoch; w->mac_epoch++)
        vk_audit_ratchet(w->mac_key);
    if (other)
        vk_hmac256_key_init(&w->mac, (vk_str){(const char *)w->mac_key, VK_SHA256});
    vk_hmac256(&w->mac, (vk_str){(const char *)f->h, VK_SHA256}, m);
    if (memcmp(m, f->m, sizeof m) != 0)
        say(w, VK_AUDIT_WRONG, x->seq, offset,
            "it was not written with the key of its epoch: forged, or its m was changed");
    else
        w->c->macs++;
}

/* ---- one record */

static void check_epoch(walk *w, const vk_audit_record *x, int64_t offset)
{
    vk_audit_checkpoint k = {.epoch = x->epoch, .seq = x->of, .time_ns = x->time_ns};
    memcpy(k.h, w->prev_h, sizeof k.h);
    memcpy(k.sign, w->keys.sign, sizeof k.sign);
    memcpy(k.signature, x->extra.p, sizeof k.signature);
    if (x->of != w->prev_seq || !w->has_keys || !vk_audit_checkpoint_ok(&k))
        say(w, VK_AUDIT_WRONG, x->seq, offset, "the signature of this checkpoint is not good");
    else
        w->c->checkpoints_signed++;
}

static void check_gap(walk *w, const vk_audit_record *x, int64_t offset)
{
    vk_audit_cut cut;
    if (vk_audit_cut_read(x->extra, &cut) != VK_OK)
        return;
    bool wrong = vk_str_eqz(x->op, "damaged") || vk_str_eqz(x->op, "missing");
    if (vk_str_eqz(x->op, "missing"))
        say(w, VK_AUDIT_WRONG, x->seq, offset,
            "keeper found at its start that records %llu to %llu were missing", (unsigned long long)x->of + 1,
            (unsigned long long)x->rec_version);
    else if (cut.file)
        say(w, wrong ? VK_AUDIT_WRONG : VK_AUDIT_KNOW, x->seq, offset,
            "file %llu was left behind its record %llu (" VK_STR_FMT "): %llu of its bytes count",
            (unsigned long long)cut.file, (unsigned long long)x->of, VK_STR_ARG(x->op),
            (unsigned long long)cut.bytes);
    else
        say(w, VK_AUDIT_KNOW, x->seq, offset,
            "nothing could be written (" VK_STR_FMT "): %d uses were refused", VK_STR_ARG(x->op), x->result);
}

static vk_err check_kind(walk *w, const vk_audit_record *x, int64_t offset)
{
    int64_t leap;
    switch (x->kind) {
    case VK_AUDIT_START:
        w->began_at = x->seq;
        break;
    case VK_AUDIT_INTENT:
        return vk_audit_open_add(&w->open, x->seq);
    case VK_AUDIT_OUTCOME:
        if (!vk_audit_open_take(&w->open, x->of) && x->of >= w->c->first_seq && !w->open.full)
            say(w, VK_AUDIT_KNOW, x->seq, offset, "an outcome of record %llu, which is no open intent",
                (unsigned long long)x->of);
        break;
    case VK_AUDIT_CHANGE:
        if (vk_str_starts(x->op, VK_STR("audit.remove ")) && x->of > w->removed)
            w->removed = x->of;
        break;
    case VK_AUDIT_EPOCH:
        check_epoch(w, x, offset);
        break;
    case VK_AUDIT_GAP:
        check_gap(w, x, offset);
        break;
    case VK_AUDIT_CLOCK:
        if (vk_audit_leap_read(x->extra, &leap) == VK_OK)
            say(w, VK_AUDIT_KNOW, x->seq, offset, "the clock leapt by %lld ms", (long long)leap);
        break;
    default:
        break;
    }
    return VK_OK;
}

/* Checkpoints from elsewhere that are due at this record. */
static void check_marks(walk *w, const vk_audit_record *x, const vk_audit_frame *f, int64_t offset)
{
    const vk_audit_checkpoint *k;
    while ((k = vk_audit_marks_next(&w->marks, x->seq))) {
        if (!vk_audit_checkpoint_ok(k))
            say(w, VK_AUDIT_WRONG, k->seq, -1, "a given checkpoint of this record has no good signature");
        else if (!w->has_keys || memcmp(k->sign, w->keys.sign, sizeof k->sign) != 0)
            say(w, VK_AUDIT_WRONG, k->seq, -1,
                "a given checkpoint of this record was signed with another key than the log's");
        else if (k->seq != x->seq && k->seq >= w->c->first_seq)
            say(w, VK_AUDIT_WRONG, k->seq, -1, "the log has no such record, but a given checkpoint knows it");
        else if (k->seq == x->seq && memcmp(k->h, f->h, sizeof k->h) != 0)
            say(w, VK_AUDIT_WRONG, x->seq, offset,
                "the log is another one up to this record than when the given checkpoint was signed");
        else if (k->seq == x->seq)
            w->c->checkpoints_met++;
    }
}

static vk_err take_record(walk *w, const vk_audit_record *x, const vk_audit_frame *f, int64_t offset,
                          bool first)
{
    vk_audit_check *c = w->c;
    const peek *p = &w->files[w->at];
    bool jump_ok = w->lost || (first && (p->gap || !w->begun));
    if (first != (x->kind == VK_AUDIT_FILE))
        say(w, VK_AUDIT_WRONG, x->seq, offset, "a file begins with a record of its keys, and has no other");
    if (x->seq <= w->seq || (x->seq != w->seq + 1 && !jump_ok))
        say(w, VK_AUDIT_WRONG, x->seq, offset, "it follows record %llu, which is not its number",
            (unsigned long long)w->seq);
    if (x->epoch < w->epoch)
        say(w, VK_AUDIT_WRONG, x->seq, offset, "its epoch %llu is before that of the record before it",
            (unsigned long long)x->epoch);
    w->lost = false;
    w->prev_seq = w->seq;
    memcpy(w->prev_h, w->h, sizeof w->h);
    if (c->records++ == 0) {
        c->first_seq = x->seq;
        c->first_ns = x->time_ns;
    }
    if (x->kind == VK_AUDIT_FILE && vk_audit_keys_read(x->extra, &w->keys) == VK_OK) {
        w->has_keys = true;
        take_keys(w, x->seq);
    }
    check_mac(w, x, f, offset);
    vk_err e = check_kind(w, x, offset);
    check_marks(w, x, f, offset);
    w->begun = true;
    w->seq = x->seq;
    w->epoch = x->epoch;
    memcpy(w->h, f->h, sizeof w->h);
    c->last_ns = x->time_ns;
    if (e == VK_OK && c->record && !c->record(c->arg, x, p->number))
        w->stop = true;
    return e;
}

/* ---- one file */

static void check_header(walk *w)
{
    const peek *p = &w->files[w->at];
    if (!w->begun && !w->lost) { /* what was before it: check_front */
        w->seq = p->header.prev_seq;
        return;
    }
    if (!w->lost && (p->header.prev_seq != w->seq || memcmp(p->header.prev_h, w->h, sizeof w->h) != 0))
        say(w, VK_AUDIT_WRONG, p->header.prev_seq, -1,
            "this file follows record %llu, and the files before it end with %llu: records are missing or "
            "were "
            "changed",
            (unsigned long long)p->header.prev_seq, (unsigned long long)w->seq);
    w->lost = w->lost || p->header.prev_seq != w->seq;
    w->seq = p->header.prev_seq > w->seq ? p->header.prev_seq : w->seq;
}

static bool is_last(const walk *w)
{
    return w->at + 1 == w->n_files;
}

/* What ends the reading of a file before its end. True: go on behind it. */
static bool bad_record(walk *w, vk_audit_reader *r, vk_err e)
{
    const peek *p = &w->files[w->at];
    if (e == VK_AGAIN && is_last(w) && p->counts < 0) {
        say(w, VK_AUDIT_KNOW, 0, r->offset,
            "it ends within a record: keeper is writing it, or was ended in the middle (its next start says "
            "so)");
        return false;
    }
    say(w, VK_AUDIT_WRONG, w->seq + 1, r->offset, "the record behind %llu is damaged: %s",
        (unsigned long long)w->seq, e == VK_AGAIN ? "the file ends within it" : r->why);
    if (!vk_audit_reader_skip(r)) {
        w->lost = true;
        return false;
    }
    w->seq++;
    memcpy(w->h, r->h, sizeof w->h);
    return true;
}

static vk_err walk_file(walk *w)
{
    const peek *p = &w->files[w->at];
    vk_audit_reader r;
    vk_audit_record x;
    vk_audit_frame f;
    char name[VK_AR_NAME];
    bool first = true;
    if (p->counts == 0) {
        say(w, VK_AUDIT_KNOW, 0, -1, "was begun in vain: nothing in it counts");
        return VK_OK;
    }
    if (p->e != VK_OK) {
        bool empty = p->e == VK_AGAIN; /* had it held records, the next file would not go on from the last */
        say(w, empty ? VK_AUDIT_KNOW : VK_AUDIT_WRONG, 0, 0, "%s",
            !empty       ? "its header is damaged, or it has another file's name"
            : is_last(w) ? "it is being begun"
                         : "was begun in vain: nothing is in it");
        w->lost = w->lost || !empty;
        return VK_OK;
    }
    vk_audit_file_name(p->number, name);
    vk_err e = vk_audit_reader_open(&r, w->c->dir_fd, name, p->counts);
    if (e != VK_OK) {
        say(w, VK_AUDIT_WRONG, 0, 0, "it was changed while it was read");
        w->lost = true;
        return e == VK_E_NOMEM || e == VK_E_IO ? e : VK_OK;
    }
    check_header(w);
    memcpy(w->h, r.h, sizeof w->h);
    while (e == VK_OK && !w->stop) {
        int64_t offset = r.offset;
        e = vk_audit_reader_next(&r, &x, &f);
        if (e == VK_OK)
            e = take_record(w, &x, &f, offset, first);
        else if ((e == VK_E_CORRUPT || e == VK_AGAIN) && bad_record(w, &r, e))
            e = VK_OK;
        first = false;
    }
    if (e == VK_E_NOT_FOUND && p->counts >= 0 && r.offset < p->counts) {
        say(w, VK_AUDIT_WRONG, w->seq + 1, r.offset,
            "it ends here, and a later file says that %lld bytes of it count", (long long)p->counts);
        w->lost = true;
    }
    vk_audit_reader_close(&r);
    return e == VK_E_NOT_FOUND || e == VK_E_CORRUPT || e == VK_AGAIN ? VK_OK : e;
}

/* ---- the whole */

static void check_front(walk *w)
{
    uint64_t first = w->files[0].number;
    w->at = 0;
    if (first > 1 && w->removed + 1 < first)
        say(w, VK_AUDIT_WRONG, 0, -1,
            "the files before it are missing, and the log does not say who removed them");
    else if (w->files[0].e == VK_OK && first == 1 && w->files[0].header.prev_seq)
        say(w, VK_AUDIT_WRONG, 0, -1, "the first file follows another one");
}

static void check_end(walk *w)
{
    const vk_audit_checkpoint *k;
    while ((k = vk_audit_marks_next(&w->marks, UINT64_MAX)))
        say(w, VK_AUDIT_WRONG, k->seq, -1,
            vk_audit_checkpoint_ok(k)
                ? "the newest records are missing: the log ends with record %llu, and a given checkpoint "
                  "knows "
                  "this one"
                : "a given checkpoint has no good signature (the log ends with record %llu)",
            (unsigned long long)w->seq);
    if (w->marks.unread)
        say(w, VK_AUDIT_WRONG, 0, -1, "%zu lines of the given checkpoints are none", w->marks.unread);
    vk_audit_open_sort(&w->open);
    for (size_t i = 0; i < w->open.n; i++)
        say(w, VK_AUDIT_UNDONE, w->open.slots[i], -1,
            w->open.slots[i] > w->began_at
                ? "this use has no outcome yet: it is under way, or keeper was ended during it"
                : "this use has no outcome: keeper was ended during it. Whether it reached the vendor must "
                  "be "
                  "looked up there");
    if (w->open.full)
        say(w, VK_AUDIT_KNOW, 0, -1, "more than %d uses had no outcome at a time: some were not followed",
            (int)VK_ARD_OPEN);
}

vk_err vk_audit_verify(vk_audit_check *c)
{
    walk w = {.c = c};
    vk_err e = vk_audit_marks_read(c->checkpoints, &w.marks);
    if (e == VK_OK)
        e = peek_all(&w);
    c->files = w.n_files;
    for (w.at = 0; e == VK_OK && !w.stop && w.at < w.n_files; w.at++)
        e = walk_file(&w);
    if (e == VK_OK && !w.stop) {
        check_front(&w);
        w.at = w.n_files;
        check_end(&w);
    }
    c->last_seq = w.seq;
    c->epoch = w.epoch;
    memcpy(c->last_h, w.h, sizeof c->last_h);
    vk_wipe(w.mac_key, sizeof w.mac_key);
    vk_wipe(&w.mac, sizeof w.mac);
    vk_audit_open_free(&w.open);
    vk_audit_marks_free(&w.marks);
    free(w.files);
    return e;
}
