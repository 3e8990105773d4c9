#include "backup/unpack.h"

#include "backup/contents.h"
#include "backup/tar.h"

#include "core/encode.h"

#include <sodium.h>
#include <stdarg.h>

enum { PIECE = 64 << 10 };

struct unpack {
    const vk_unpack_source *from;
    const vk_unpack_sink *to;
    vk_unpacked *out;
    char *why;
    vk_buf manifest; /* of what was read */
    vk_tar_head now;
    char piece[PIECE];
    char build[VK_BUILD_ID_MAX + 1];
    bool has_metadata, has_vault;
};

static vk_err VK_PRINTF(3, 4) say(struct unpack *u, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(u->why, VK_UNPACK_WHY, fmt, ap);
    va_end(ap);
    return e;
}

/* Exactly n bytes. VK_E_CORRUPT without a sentence: the archive ends before. */
static vk_err take(struct unpack *u, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = u->from->read(u->from->arg, (char *)to + at, n - at);
        if (r < 0)
            return say(u, VK_E_IO, "it cannot be read: input/output error");
        if (r == 0)
            return VK_E_CORRUPT;
        at += (size_t)r;
    }
    return VK_OK;
}

static vk_err cut_short(struct unpack *u, vk_err e)
{
    if (e != VK_E_CORRUPT)
        return e;
    if (!u->now.name[0])
        return say(u, e, "it is no backup of valetkey");
    return say(u, e, "it is cut short: it ends in or after %s", u->now.name);
}

/* The head of the next member into u->now. */
static vk_err next_head(struct unpack *u)
{
    uint8_t block[VK_TAR_BLOCK];
    vk_tar_head h;
    vk_err e = cut_short(u, take(u, block, sizeof block));
    if (e != VK_OK)
        return e;
    e = vk_tar_read(block, &h);
    if (e != VK_OK && !u->now.name[0])
        return say(u, VK_E_CORRUPT, "it is no backup of valetkey");
    if (e == VK_E_NOT_FOUND)
        return say(u, VK_E_CORRUPT, "it is cut short: it has no more members after %s", u->now.name);
    if (e != VK_OK)
        return say(u, VK_E_CORRUPT,
                   "the head of the member after %s is damaged, or of a kind that no backup has",
                   u->now.name);
    if (u->now.name[0] && vk_backup_order(vk_str_z(u->now.name), vk_str_z(h.name)) >= 0)
        return say(u, VK_E_CORRUPT,
                   "its members are not in order, or one is there twice: after %s comes %.150s", u->now.name,
                   h.name);
    if (u->out->info.format && h.mtime != u->out->info.created_ms / 1000)
        return say(u, VK_E_CORRUPT, "the head of %.150s is damaged: its time is another one", h.name);
    u->now = h;
    return VK_OK;
}

static vk_err give(struct unpack *u, vk_str piece)
{
    return u->to->bytes ? u->to->bytes(u->to->arg, piece, u->why) : VK_OK;
}

/* The member's bytes, and the zeros that fill its last block. */
static vk_err body(struct unpack *u, vk_buf *into, uint8_t sha256[VK_SHA256])
{
    crypto_hash_sha256_state sum;
    crypto_hash_sha256_init(&sum);
    for (int64_t left = u->now.size; left > 0;) {
        size_t n = left < PIECE ? (size_t)left : PIECE;
        vk_err e = cut_short(u, take(u, u->piece, n));
        if (e != VK_OK)
            return e;
        crypto_hash_sha256_update(&sum, (const uint8_t *)u->piece, n);
        if (into) {
            vk_buf_add(into, u->piece, n);
            e = into->err ? say(u, into->err, "%s is larger than this program takes", u->now.name) : VK_OK;
        } else {
            e = give(u, (vk_str){u->piece, n});
        }
        if (e != VK_OK)
            return e;
        left -= (int64_t)n;
    }
    crypto_hash_sha256_final(&sum, sha256);
    size_t fill = (size_t)(-u->now.size & (VK_TAR_BLOCK - 1));
    vk_err e = cut_short(u, take(u, u->piece, fill));
    for (size_t i = 0; e == VK_OK && i < fill; i++)
        if (u->piece[i])
            e = say(u, VK_E_CORRUPT, "it is damaged behind %s", u->now.name);
    return e;
}

/* A member that is read as a whole. */
static vk_err small(struct unpack *u, const char *name, int64_t most, vk_buf *into, uint8_t sha256[VK_SHA256])
{
    if (strcmp(u->now.name, name) != 0)
        return say(u, VK_E_CORRUPT, "it has no %s where it has %.150s", name, u->now.name);
    if (u->now.size > most)
        return say(u, VK_E_TOO_LARGE, "%s is larger than this program takes", name);
    return body(u, into, sha256);
}

static vk_err read_info(struct unpack *u)
{
    uint8_t sha256[VK_SHA256];
    vk_buf text;
    vk_backup_info *i = &u->out->info;
    vk_err e = next_head(u);
    vk_buf_init(&text, VK_BACKUP_INFO_MAX);
    if (e != VK_OK)
        return e;
    if (strcmp(u->now.name, VK_BACKUP_INFO) != 0)
        return say(u, VK_E_CORRUPT, "it is no backup of valetkey");
    e = small(u, VK_BACKUP_INFO, VK_BACKUP_INFO_MAX, &text, sha256);
    if (e == VK_OK) {
        e = vk_backup_info_read(vk_buf_view(&text), i);
        if (e == VK_E_NEWER)
            say(u, e,
                "it has the format %lld of a newer valetkey (%s), and this program (" VK_VERSION
                ") reads format %d. Restore it with the newer program",
                (long long)i->format, i->program[0] ? i->program : "version not known",
                (int)VK_BACKUP_FORMAT);
        else if (e != VK_OK)
            e = say(u, VK_E_CORRUPT, VK_BACKUP_INFO " is damaged");
    }
    if (e == VK_OK && i->data_version > VK_SCHEMA_VERSION)
        e = say(u, VK_E_NEWER,
                "its data was written by a newer valetkey (%s): it has version %lld, and this program "
                "(" VK_VERSION ") knows versions up to %d. Restore it with the newer program",
                i->program, (long long)i->data_version, (int)VK_SCHEMA_VERSION);
    if (e == VK_OK && u->now.mtime != i->created_ms / 1000)
        e = say(u, VK_E_CORRUPT, "the head of " VK_BACKUP_INFO " is damaged");
    if (e == VK_OK) {
        vk_manifest_begin(&u->manifest, i);
        vk_manifest_file(&u->manifest, VK_STR(VK_BACKUP_INFO), u->now.size, sha256);
    }
    vk_buf_free(&text);
    return e;
}

/* What is told of it at the end. */
static void count(struct unpack *u)
{
    vk_str rest = vk_str_z(u->now.name), id;
    static const char front[] = "data/builds/";
    u->out->files++;
    u->out->bytes += u->now.size;
    u->out->key = u->out->key || strcmp(u->now.name, VK_BACKUP_KEY) == 0;
    u->has_metadata = u->has_metadata || strcmp(u->now.name, "data/valetkey.db") == 0;
    u->has_vault = u->has_vault || strcmp(u->now.name, "data/vault/master") == 0;
    if (strncmp(rest.p, front, sizeof front - 1) != 0)
        return;
    rest.p += sizeof front - 1;
    rest.n -= sizeof front - 1;
    if (vk_str_cut(&rest, '/', &id) && !vk_str_eqz(id, u->build)) {
        snprintf(u->build, sizeof u->build, VK_STR_FMT, VK_STR_ARG(id));
        u->out->builds++;
    }
}

static vk_err read_member(struct unpack *u)
{
    uint8_t sha256[VK_SHA256];
    int64_t most;
    if (!vk_backup_name_ok(vk_str_z(u->now.name), &most))
        return say(u, VK_E_CORRUPT, "it has a member that no backup of this valetkey has: %.150s",
                   u->now.name);
    if (u->now.size > most)
        return say(u, VK_E_TOO_LARGE, "%s is larger than such a file can be", u->now.name);
    vk_err e = u->to->begin ? u->to->begin(u->to->arg, u->now.name, u->now.size, u->why) : VK_OK;
    if (e == VK_OK)
        e = body(u, NULL, sha256);
    if (e == VK_OK && u->to->end)
        e = u->to->end(u->to->arg, u->why);
    if (e != VK_OK)
        return e;
    count(u);
    vk_manifest_file(&u->manifest, vk_str_z(u->now.name), u->now.size, sha256);
    return u->manifest.err ? say(u, u->manifest.err, "it has more files than fit into memory") : VK_OK;
}

/* What was read against what was written down. */
static vk_err compare(struct unpack *u, vk_str manifest)
{
    vk_str line = vk_manifest_differ(manifest, vk_buf_view(&u->manifest)), name = vk_manifest_name(line);
    if (!line.p)
        return VK_OK;
    if (name.n)
        return say(u, VK_E_CORRUPT, "%.*s is damaged: it is not what " VK_BACKUP_MANIFEST " says of it",
                   (int)(name.n > 200 ? 200 : name.n), name.p);
    return say(u, VK_E_CORRUPT, VK_BACKUP_MANIFEST " is damaged");
}

static vk_err read_end(struct unpack *u)
{
    uint8_t sha256[VK_SHA256], of_sum[VK_SHA256], block[2 * VK_TAR_BLOCK], more;
    char digits[2 * VK_SHA256 + 1], want[VK_BACKUP_SUM_MAX];
    vk_buf manifest, sum;
    vk_buf_init(&sum, VK_BACKUP_SUM_MAX);
    vk_manifest_end(&u->manifest);
    vk_err e = u->manifest.err ? say(u, u->manifest.err, "it has more files than fit into memory") : VK_OK;
    vk_buf_init(&manifest, VK_BACKUP_MANIFEST_MAX);
    if (e == VK_OK)
        e = small(u, VK_BACKUP_MANIFEST, VK_BACKUP_MANIFEST_MAX, &manifest, sha256);
    if (e == VK_OK)
        e = next_head(u);
    if (e == VK_OK)
        e = small(u, VK_BACKUP_SUM, VK_BACKUP_SUM_MAX, &sum, of_sum);
    if (e == VK_OK) {
        vk_hex(digits, sha256, VK_SHA256);
        snprintf(want, sizeof want, "%s  " VK_BACKUP_MANIFEST "\n", digits);
        if (!vk_str_eqz(vk_buf_view(&sum), want))
            e = say(u, VK_E_CORRUPT, VK_BACKUP_MANIFEST " or " VK_BACKUP_SUM " is damaged");
    }
    if (e == VK_OK)
        e = compare(u, vk_buf_view(&manifest));
    vk_buf_free(&manifest);
    vk_buf_free(&sum);
    if (e == VK_OK)
        e = cut_short(u, take(u, block, sizeof block));
    for (size_t i = 0; e == VK_OK && i < sizeof block; i++)
        if (block[i])
            e = say(u, VK_E_CORRUPT, "there is something behind its end");
    if (e == VK_OK && u->from->read(u->from->arg, &more, 1) != 0)
        e = say(u, VK_E_CORRUPT, "there is something behind its end");
    return e;
}

static vk_err whole(struct unpack *u)
{
    vk_err e = read_info(u);
    for (;;) {
        if (e == VK_OK)
            e = next_head(u);
        if (e != VK_OK || strcmp(u->now.name, VK_BACKUP_MANIFEST) == 0)
            break;
        e = read_member(u);
    }
    if (e == VK_OK)
        e = read_end(u);
    if (e == VK_OK && !(u->has_metadata && u->has_vault))
        e = say(u, VK_E_CORRUPT, "it lacks data/%s", u->has_metadata ? "vault/master" : "valetkey.db");
    return e;
}

vk_err vk_unpack(const vk_unpack_source *from, const vk_unpack_sink *to, vk_unpacked *out_r,
                 char why[VK_UNPACK_WHY])
{
    struct unpack *u = calloc(1, sizeof *u);
    *out_r = (vk_unpacked){.files = 0};
    snprintf(why, VK_UNPACK_WHY, "there is not enough memory");
    if (!u)
        return VK_E_NOMEM;
    u->from = from;
    u->to = to;
    u->out = out_r;
    u->why = why;
    vk_buf_init(&u->manifest, VK_BACKUP_MANIFEST_MAX);
    vk_err e = whole(u);
    vk_buf_free(&u->manifest);
    vk_wipe(u->piece, sizeof u->piece);
    free(u);
    return e;
}
