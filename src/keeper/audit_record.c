#include "keeper/audit_record.h"

#include "core/encode.h"

#include <endian.h>
#include <sodium.h>

static const char magic[] = "VKAUDIT1", signed_as[] = "valetkey/audit/checkpoint/1",
                  line_begin[] = "valetkey-audit-checkpoint 1 ";
enum { FILE_NUMBER_DIGITS = 10 };

/* ---- integers */

static void put_be(uint8_t *out, uint64_t v, size_t n)
{
    v = htobe64(v << (8 * (8 - n)));
    switch (n) { /* a copy of a known length is one instruction */
    case 8:
        memcpy(out, &v, 8);
        break;
    case 4:
        memcpy(out, &v, 4);
        break;
    case 2:
        memcpy(out, &v, 2);
        break;
    default:
        memcpy(out, &v, n);
    }
}

static uint64_t get_be(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | b[i];
    return v;
}

static void add_be(vk_buf *out, uint64_t v, size_t n)
{
    uint8_t b[8];
    put_be(b, v, n);
    vk_buf_add(out, b, n);
}

static void add_crc(vk_buf *out, size_t from)
{
    if (out->err == VK_OK)
        add_be(out, vk_crc32(out->p + from, out->n - from), 4);
}

static bool crc_ok(const char *p, size_t n)
{
    return get_be(p + n - 4, 4) == vk_crc32(p, n - 4);
}

static bool take(vk_str *s, void *out, size_t n)
{
    if (s->n < n)
        return false;
    memcpy(out, s->p, n);
    *s = (vk_str){s->p + n, s->n - n};
    return true;
}

/* ---- records: one table says the order and the form of all fields */

typedef enum form { NUMBER, TEXT, BYTES } form;

#define AT(m) offsetof(vk_audit_record, m)
static const struct field {
    size_t at;
    form form;
    uint16_t n; /* NUMBER: bytes on disk; TEXT: the most; BYTES: the most */
    uint16_t in_memory;
} fields[] = {
    {AT(seq), NUMBER, 8, 8},
    {AT(time_ns), NUMBER, 8, 8},
    {AT(epoch), NUMBER, 8, 8},
    {AT(kind), NUMBER, 1, sizeof(vk_audit_kind)},
    {AT(of), NUMBER, 8, 8},
    {AT(org), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(build), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(service), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(actor), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(op), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(host), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(key_ref), BYTES, 8, 8},
    {AT(rec_version), NUMBER, 8, 8},
    {AT(result), NUMBER, 4, 4},
    {AT(received), NUMBER, 8, 8},
    {AT(sent), NUMBER, 8, 8},
    {AT(upstream_id), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(trace), TEXT, VK_AUDIT_TEXT - 1, 0},
    {AT(extra), TEXT, VK_AR_EXTRA, 1},
};
#undef AT

static uint64_t number_of(const void *p, size_t n)
{
    uint32_t v4;
    uint64_t v8;
    if (n == 4) {
        memcpy(&v4, p, 4);
        return v4;
    }
    memcpy(&v8, p, 8);
    return v8;
}

static void set_number(void *p, size_t n, uint64_t v)
{
    uint32_t v4 = (uint32_t)v;
    if (n == 4)
        memcpy(p, &v4, 4);
    else
        memcpy(p, &v, 8);
}

static bool plain(char c)
{
    return (unsigned char)c >= ' ' && c != 127;
}

static char *write_be(char *at, uint64_t v, size_t n)
{
    put_be((uint8_t *)at, v, n);
    return at + n;
}

/* Eight bytes at a time; which one it is does not matter. */
static bool all_plain(const char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101U, tops = 0x80 * ones;
    uint64_t w, found = 0;
    for (; n >= sizeof w; p += sizeof w, n -= sizeof w) {
        memcpy(&w, p, sizeof w);
        uint64_t del = w ^ (127 * ones);
        found |= ((w - ' ' * ones) & ~w & tops) | ((del - ones) & ~del & tops);
    }
    for (; n; p++, n--)
        found |= !plain(*p);
    return !found;
}

static vk_str text_of(const vk_audit_record *r, const struct field *f)
{
    vk_str s;
    memcpy(&s, (const char *)r + f->at, sizeof s);
    s.n = s.n < f->n ? s.n : f->n;
    return s;
}

static char *write_text(char *at, vk_str s, bool as_is)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    if (!as_is && !all_plain(at, s.n))
        for (size_t k = 0; k < s.n; k++)
            if (!plain(at[k]))
                at[k] = '?';
    return at + s.n;
}

void vk_audit_encode(const vk_audit_record *r, vk_buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < VK_COUNT(fields); i++)
        n += 2 + (fields[i].form == TEXT ? text_of(r, &fields[i]).n : fields[i].n);
    char *at = vk_buf_room(out, n);
    if (!at)
        return;
    for (size_t i = 0; i < VK_COUNT(fields); i++) {
        const struct field *f = &fields[i];
        const char *p = (const char *)r + f->at;
        vk_str s = f->form == TEXT ? text_of(r, f) : (vk_str){p, f->n};
        at = write_be(at, s.n, 2);
        if (f->form == NUMBER)
            at = write_be(at, number_of(p, f->in_memory), f->n);
        else
            at = write_text(at, s, f->form == BYTES || f->in_memory);
    }
    out->n += n;
}

static bool extra_ok(const vk_audit_record *r)
{
    vk_audit_keys keys;
    vk_audit_cut cut;
    int64_t ms;
    vk_str rest = r->extra, name;
    uint64_t version;
    switch (r->kind) {
    case VK_AUDIT_FILE:
        return vk_audit_keys_read(rest, &keys) == VK_OK;
    case VK_AUDIT_EPOCH:
        return rest.n == VK_AR_SIGNATURE;
    case VK_AUDIT_GAP:
        return vk_audit_cut_read(rest, &cut) == VK_OK;
    case VK_AUDIT_CLOCK:
        return vk_audit_leap_read(rest, &ms) == VK_OK;
    case VK_AUDIT_VERSIONS:
        while (vk_audit_version_next(&rest, &name, &version)) {
        }
        return rest.n == 0;
    default:
        return rest.n == 0;
    }
}

vk_err vk_audit_decode(vk_str bytes, vk_audit_record *out_r)
{
    vk_audit_record r = {0};
    for (size_t i = 0; i < VK_COUNT(fields); i++) {
        const struct field *f = &fields[i];
        char *p = (char *)&r + f->at;
        uint8_t two[2];
        if (!take(&bytes, two, 2))
            return VK_E_CORRUPT;
        size_t n = get_be(two, 2);
        if (n > bytes.n || n > f->n || (f->form != TEXT && n != f->n))
            return VK_E_CORRUPT;
        vk_str s = {bytes.p, n};
        bytes = (vk_str){bytes.p + n, bytes.n - n};
        switch (f->form) {
        case NUMBER:
            set_number(p, f->in_memory, get_be(s.p, n));
            break;
        case BYTES:
            memcpy(p, s.p, n);
            break;
        case TEXT:
            for (size_t k = 0; !f->in_memory && k < n; k++)
                if (!plain(s.p[k]))
                    return VK_E_CORRUPT;
            memcpy(p, &s, sizeof s);
        }
    }
    if (bytes.n || (unsigned)r.kind >= VK_AUDIT_KINDS || !extra_ok(&r))
        return VK_E_CORRUPT;
    *out_r = r;
    return VK_OK;
}

vk_audit_record vk_audit_record_of(const vk_audit_entry *e)
{
    vk_audit_record r = {
        .kind = e->kind,
        .of = e->of,
        .build = {e->build, strnlen(e->build, sizeof e->build)},
        .service = {e->service, strnlen(e->service, sizeof e->service)},
        .actor = {e->actor, strnlen(e->actor, sizeof e->actor)},
        .op = {e->op, strnlen(e->op, sizeof e->op)},
        .host = {e->host, strnlen(e->host, sizeof e->host)},
        .rec_version = e->rec_version,
        .result = e->result,
        .received = e->received,
        .sent = e->sent,
        .upstream_id = {e->upstream_id, strnlen(e->upstream_id, sizeof e->upstream_id)},
        .trace = {e->trace, strnlen(e->trace, sizeof e->trace)},
    };
    memcpy(r.key_ref, e->key_ref, sizeof r.key_ref);
    return r;
}

const char *vk_audit_kind_name(vk_audit_kind kind)
{
    static const char *const names[VK_AUDIT_KINDS] = {"start", "intent", "outcome",  "change", "epoch",
                                                      "gap",   "file",   "versions", "clock"};
    return (unsigned)kind < VK_AUDIT_KINDS ? names[kind] : "";
}

/* ---- headers and frames */

static void chain(uint8_t h[VK_SHA256], vk_str bytes)
{
    vk_sha256_run run;
    vk_sha256_begin(&run);
    vk_sha256_add(&run, (vk_str){(const char *)h, VK_SHA256});
    vk_sha256_add(&run, bytes);
    vk_sha256_end(&run, h);
}

void vk_audit_header_write(const vk_audit_header *x, vk_buf *out, uint8_t h[VK_SHA256])
{
    size_t from = out->n;
    vk_buf_add(out, magic, sizeof magic - 1);
    add_be(out, x->number, 8);
    add_be(out, x->prev_seq, 8);
    vk_buf_add(out, x->prev_h, VK_SHA256);
    add_crc(out, from);
    if (out->err != VK_OK)
        return;
    memmove(h, x->prev_h, VK_SHA256);
    chain(h, (vk_str){out->p + from, VK_AR_HEADER});
}

vk_err vk_audit_header_read(vk_str bytes, vk_audit_header *out_r, uint8_t h[VK_SHA256])
{
    if (bytes.n < VK_AR_HEADER)
        return VK_AGAIN;
    if (memcmp(bytes.p, magic, 7) == 0 && bytes.p[7] > magic[7] && bytes.p[7] <= '9')
        return VK_E_NEWER;
    if (memcmp(bytes.p, magic, 8) != 0 || !crc_ok(bytes.p, VK_AR_HEADER))
        return VK_E_CORRUPT;
    out_r->number = get_be(bytes.p + 8, 8);
    out_r->prev_seq = get_be(bytes.p + 16, 8);
    memcpy(out_r->prev_h, bytes.p + 24, VK_SHA256);
    memcpy(h, out_r->prev_h, VK_SHA256);
    chain(h, (vk_str){bytes.p, VK_AR_HEADER});
    return VK_OK;
}

void vk_audit_frame_write(vk_str record, const vk_hmac256_key *epoch_key, uint8_t h[VK_SHA256], vk_buf *out)
{
    uint8_t m[VK_SHA256];
    size_t from = out->n;
    chain(h, record);
    vk_hmac256(epoch_key, (vk_str){(const char *)h, VK_SHA256}, m);
    add_be(out, record.n, 4);
    vk_buf_str(out, record);
    vk_buf_add(out, h, VK_SHA256);
    vk_buf_add(out, m, VK_SHA256);
    add_crc(out, from);
}

/* How long the record at the front of `s` is by its own fields; 0: not all of it is there, or it is none. */
static size_t measured(vk_str s)
{
    size_t at = 0;
    for (size_t i = 0; i < VK_COUNT(fields); i++) {
        if (s.n - at < 2)
            return 0;
        size_t n = get_be(s.p + at, 2);
        if (n > s.n - at - 2)
            return 0;
        at += 2 + n;
    }
    return at;
}

vk_err vk_audit_frame_read(vk_str bytes, uint8_t h[VK_SHA256], vk_audit_frame *out_r, const char **why_r)
{
    if (bytes.n < 4)
        return VK_AGAIN;
    size_t n = get_be(bytes.p, 4);
    if (n == 0 || n > VK_AR_MAX) {
        *why_r = "its length cannot be";
        return VK_E_CORRUPT;
    }
    if (bytes.n < n + VK_AR_AROUND) {
        size_t own = measured((vk_str){bytes.p + 4, bytes.n - 4});
        if (own == 0 || own == n)
            return VK_AGAIN;
        *why_r = "its length was changed";
        return VK_E_CORRUPT;
    }
    vk_audit_frame f = {.n = n + VK_AR_AROUND, .record = {bytes.p + 4, n}};
    f.h = (const uint8_t *)bytes.p + 4 + n;
    f.m = f.h + VK_SHA256;
    if (!crc_ok(bytes.p, f.n)) {
        *why_r = "its bytes were changed (CRC)";
        return VK_E_CORRUPT;
    }
    uint8_t want[VK_SHA256];
    memcpy(want, h, sizeof want);
    chain(want, f.record);
    if (memcmp(want, f.h, sizeof want) != 0) {
        *why_r = "it does not follow the record before it (hash chain)";
        return VK_E_CORRUPT;
    }
    memcpy(h, want, sizeof want);
    *out_r = f;
    return VK_OK;
}

/* ---- extra */

void vk_audit_keys_write(const vk_audit_keys *k, vk_buf *out)
{
    vk_buf_add(out, k->sign, sizeof k->sign);
    vk_buf_add(out, k->auditor, sizeof k->auditor);
    add_be(out, k->first_epoch, 8);
    if (k->sealed)
        vk_buf_add(out, k->escrow, sizeof k->escrow);
}

vk_err vk_audit_keys_read(vk_str extra, vk_audit_keys *out_r)
{
    uint8_t first[8];
    vk_audit_keys k = {.sealed = false};
    if (!take(&extra, k.sign, sizeof k.sign) || !take(&extra, k.auditor, sizeof k.auditor) ||
        !take(&extra, first, sizeof first))
        return VK_E_CORRUPT;
    k.first_epoch = get_be(first, 8);
    k.sealed = take(&extra, k.escrow, sizeof k.escrow);
    if (extra.n)
        return VK_E_CORRUPT;
    *out_r = k;
    return VK_OK;
}

void vk_audit_cut_write(vk_audit_cut c, vk_buf *out)
{
    add_be(out, c.file, 8);
    add_be(out, c.bytes, 8);
}

vk_err vk_audit_cut_read(vk_str extra, vk_audit_cut *out_r)
{
    if (extra.n != 16)
        return VK_E_CORRUPT;
    *out_r = (vk_audit_cut){get_be(extra.p, 8), get_be(extra.p + 8, 8)};
    return VK_OK;
}

void vk_audit_leap_write(int64_t ms, vk_buf *out)
{
    add_be(out, (uint64_t)ms, 8);
}

vk_err vk_audit_leap_read(vk_str extra, int64_t *ms_r)
{
    if (extra.n != 8)
        return VK_E_CORRUPT;
    *ms_r = (int64_t)get_be(extra.p, 8);
    return VK_OK;
}

void vk_audit_version_add(vk_str name, uint64_t version, vk_buf *out)
{
    add_be(out, name.n, 1);
    vk_buf_str(out, name);
    add_be(out, version, 8);
}

bool vk_audit_version_next(vk_str *extra, vk_str *name_r, uint64_t *version_r)
{
    size_t n = extra->n ? (unsigned char)extra->p[0] : 0;
    if (n == 0 || n >= VK_AR_VERSION_NAME || extra->n < 1 + n + 8)
        return false;
    *name_r = (vk_str){extra->p + 1, n};
    *version_r = get_be(extra->p + 1 + n, 8);
    *extra = (vk_str){extra->p + 1 + n + 8, extra->n - 1 - n - 8};
    return true;
}

bool vk_audit_version_name(const vk_audit_record *r, char out[VK_AR_VERSION_NAME])
{
    vk_str vendor = r->op, first;
    if (r->kind != VK_AUDIT_CHANGE || r->rec_version == 0)
        return false;
    while (vk_str_cut(&vendor, ' ', &first)) {
    }
    if (vendor.n == 0 || vendor.n == r->op.n || vendor.n > 24 || r->build.n > 32)
        return false;
    if (r->build.n)
        snprintf(out, VK_AR_VERSION_NAME, "build/" VK_STR_FMT "/" VK_STR_FMT, VK_STR_ARG(r->build),
                 VK_STR_ARG(vendor));
    else
        snprintf(out, VK_AR_VERSION_NAME, VK_STR_FMT, VK_STR_ARG(vendor));
    return true;
}

/* ---- checkpoints */

enum { SIGNED = sizeof signed_as + 8 + 8 + 8 + VK_SHA256 };

static void message(const vk_audit_checkpoint *c, uint8_t out[SIGNED])
{
    memcpy(out, signed_as, sizeof signed_as); /* with its NUL */
    uint8_t *p = out + sizeof signed_as;
    put_be(p, c->epoch, 8);
    put_be(p + 8, c->seq, 8);
    put_be(p + 16, (uint64_t)c->time_ns, 8);
    memcpy(p + 24, c->h, VK_SHA256);
}

void vk_audit_checkpoint_sign(vk_audit_checkpoint *c, const uint8_t *secret)
{
    uint8_t m[SIGNED];
    message(c, m);
    crypto_sign_detached(c->signature, NULL, m, sizeof m, secret);
}

bool vk_audit_checkpoint_ok(const vk_audit_checkpoint *c)
{
    uint8_t m[SIGNED];
    message(c, m);
    return crypto_sign_verify_detached(c->signature, m, sizeof m, c->sign) == 0;
}

void vk_audit_checkpoint_line(const vk_audit_checkpoint *c, char out[VK_AR_LINE])
{
    char h[2 * sizeof c->h + 1], sign[2 * sizeof c->sign + 1], signature[2 * sizeof c->signature + 1];
    vk_hex(h, c->h, sizeof c->h);
    vk_hex(sign, c->sign, sizeof c->sign);
    vk_hex(signature, c->signature, sizeof c->signature);
    snprintf(out, VK_AR_LINE, "%s%llu %llu %lld %s %s %s", line_begin, (unsigned long long)c->epoch,
             (unsigned long long)c->seq, (long long)c->time_ns, h, sign, signature);
}

static bool number(vk_str *rest, uint64_t *out)
{
    vk_str one;
    int64_t v;
    if (!vk_str_cut(rest, ' ', &one) || vk_str_to_i64(one, &v) != VK_OK || v < 0)
        return false;
    *out = (uint64_t)v;
    return true;
}

static bool bytes_of(vk_str *rest, bool last, uint8_t *out, size_t n)
{
    vk_str one = *rest;
    if (!last && !vk_str_cut(rest, ' ', &one))
        return false;
    return one.n == 2 * n && vk_hex_decode(one, out, n) == VK_OK;
}

vk_err vk_audit_checkpoint_parse(vk_str line, vk_audit_checkpoint *out_r)
{
    vk_audit_checkpoint c = {0};
    uint64_t time_ns;
    if (!vk_str_starts(line, VK_STR("valetkey-audit-checkpoint 1 ")))
        return VK_E_INVALID;
    vk_str rest = {line.p + sizeof line_begin - 1, line.n - (sizeof line_begin - 1)};
    if (!number(&rest, &c.epoch) || !number(&rest, &c.seq) || !number(&rest, &time_ns) ||
        !bytes_of(&rest, false, c.h, sizeof c.h) || !bytes_of(&rest, false, c.sign, sizeof c.sign) ||
        !bytes_of(&rest, true, c.signature, sizeof c.signature))
        return VK_E_INVALID;
    c.time_ns = (int64_t)time_ns;
    *out_r = c;
    return VK_OK;
}

/* ---- files and keys */

void vk_audit_file_name(uint64_t number_of_it, char out[VK_AR_NAME])
{
    snprintf(out, VK_AR_NAME, "%010u.log", (unsigned)number_of_it);
}

uint64_t vk_audit_file_number(const char *name)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < FILE_NUMBER_DIGITS && name[i] >= '0' && name[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(name[i] - '0');
    return i == FILE_NUMBER_DIGITS && strcmp(name + i, ".log") == 0 && v <= UINT32_MAX ? v : 0;
}

void vk_audit_ratchet(uint8_t key[VK_SHA256])
{
    uint8_t next[VK_SHA256];
    vk_hmac((vk_str){(const char *)key, VK_SHA256}, VK_STR("valetkey/audit/ratchet"), next);
    memcpy(key, next, sizeof next);
    vk_wipe(next, sizeof next);
}
