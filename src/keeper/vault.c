#include "keeper/vault.h"

#include "core/disk.h"
#include "core/log.h"
#include "core/random.h"
#include "crypto/seal.h"
#include "keeper/kek.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASTER_FILE_MAX = VK_MASTER + VK_SEAL_OVERHEAD };

/* ---- the master */

static vk_seal_place master_place(uint32_t key_id)
{
    return (vk_seal_place){
        .table = VK_STR("master"), .record = VK_STR("master"), .version = 1, .key_id = key_id};
}

/* Under a data-encryption key; under the key-encryption key as data of before version 3 has it. */
static vk_err master_open(const vk_vault_place *at, vk_vault *v, vk_str sealed, bool *old_r,
                          char why[VK_VAULT_WHY])
{
    const char *reason = "of another length";
    uint32_t key_id = 0;
    uint64_t version;
    vk_buf plain;
    vk_buf_init(&plain, 256);
    plain.secret = true;
    vk_err e = VK_E_CORRUPT;
    if (sealed.n == MASTER_FILE_MAX && vk_seal_peek(sealed, &key_id, &version) == VK_OK) {
        const vk_dek *dek = vk_ring_dek(v->ring, key_id);
        const vk_seal_place place = master_place(key_id);
        *old_r = key_id == VK_KID;
        reason = "sealed under a key that vault/ring has not";
        if (*old_r || dek)
            e = vk_seal_open(*old_r ? v->ring->kek : dek->key, &place, sealed, &plain, &reason);
    } else if (sealed.n == MASTER_FILE_MAX)
        reason = "not a sealed record";
    v->master_dek = key_id;
    if (e == VK_OK)
        memcpy(v->master, plain.p, VK_MASTER);
    else
        vk_vault_say(
            why, e,
            "The vault in %.400s does not open with the %.400s: its master record is %s. Use the key that "
            "belongs to this data, or "
            "restore vault/ from a backup; nothing was changed.",
            at->data_dir, v->source, reason);
    vk_buf_free_secret(&plain);
    return e;
}

vk_err vk_vault_seal_master(const vk_vault *v)
{
    const vk_dek *dek = vk_ring_active(v->ring);
    const vk_seal_place place = master_place(dek->id);
    vk_buf sealed;
    vk_buf_init(&sealed, 512);
    vk_err e = vk_seal(dek->key, &place, (vk_str){(char *)v->master, VK_MASTER}, &sealed);
    if (e == VK_OK)
        e = vk_disk_replace(v->fd, "master", vk_buf_view(&sealed), 0600);
    vk_buf_free(&sealed);
    return e;
}

static vk_err master_write(vk_vault *v, char why[VK_VAULT_WHY])
{
    vk_err e = vk_vault_seal_master(v);
    v->master_dek = vk_ring_active(v->ring)->id;
    return e == VK_OK ? VK_OK : vk_vault_say_write(why, e, "vault/master");
}

/* ---- all of it */

/* What is in vault/ at a start. */
typedef struct found {
    vk_buf ring, master;
    bool has_ring, has_master;
} found;

static bool exists(int dirfd, const char *path)
{
    struct stat st;
    return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static vk_err read_one(const vk_vault_place *at, const char *name, size_t most, vk_buf *out, bool *has_r,
                       char why[VK_VAULT_WHY])
{
    vk_err e = vk_disk_read(at->data_fd, name, most, out);
    *has_r = e != VK_E_NOT_FOUND;
    if (e == VK_OK || e == VK_E_NOT_FOUND || e == VK_E_TOO_LARGE) /* opening says that it is none of ours */
        return VK_OK;
    return vk_vault_say(why, e, "%.400s/%s cannot be read (%s).", at->data_dir, name, vk_err_name(e));
}

static vk_err read_both(const vk_vault_place *at, found *f, char why[VK_VAULT_WHY])
{
    vk_err e = read_one(at, "vault/ring", VK_RING_FILE_MAX, &f->ring, &f->has_ring, why);
    if (e == VK_OK)
        e = read_one(at, "vault/master", MASTER_FILE_MAX, &f->master, &f->has_master, why);
    if (e != VK_OK)
        return e;
    if (!f->has_master && exists(at->data_fd, "valetkey.db"))
        return vk_vault_say(
            why, VK_E_NOT_FOUND,
            "%.400s holds builds, but its vault/master is missing; a new one would end every valet key. "
            "Restore vault/ from a backup "
            "of the same folder; nothing was changed.",
            at->data_dir);
    uint32_t key_id = VK_KID;
    uint64_t version;
    if (f->has_master && !f->has_ring && vk_seal_peek(vk_buf_view(&f->master), &key_id, &version) == VK_OK &&
        key_id != VK_KID)
        return vk_vault_say(
            why, VK_E_NOT_FOUND,
            "The vault in %.400s has no vault/ring, and nothing in it opens without. Restore vault/ "
            "from a backup of the same folder; nothing was changed.",
            at->data_dir);
    return VK_OK;
}

/* The ring opens with FILE.next: a change of the key was cut off before its last step. */
static vk_err finish_rekey(const vk_vault_place *at, vk_vault *v, vk_kek_found *k, vk_str ring, bool *done_r,
                           char why[VK_VAULT_WHY])
{
    char next[PATH_MAX], kept[PATH_MAX], none[VK_VAULT_WHY];
    const char *reason;
    *done_r = false;
    if (!k->path[0])
        return VK_OK;
    snprintf(next, sizeof next, "%.4000s" VK_KEY_NEXT, k->path);
    if (vk_kek_file(next, k->key, none) != VK_OK || vk_ring_open(v->ring, ring, k->key, &reason) != VK_OK)
        return VK_OK;
    VK_UNUSED(at);
    vk_err e = vk_key_file_switch(k->path, kept, why);
    if (e == VK_OK)
        vk_log(VK_WARN,
               "a change of the vault's key was not finished, and is now; the old key is kept for backups "
               "of before",
               VK_F(key_source, v->source), VK_F(kept, kept));
    *done_r = e == VK_OK;
    return e;
}

static vk_err ring_open(const vk_vault_place *at, vk_vault *v, vk_kek_found *k, vk_str file,
                        char why[VK_VAULT_WHY])
{
    const char *reason = "";
    bool done;
    vk_err e = vk_ring_open(v->ring, file, k->key, &reason);
    if (e != VK_E_CORRUPT)
        return e == VK_OK ? e : vk_vault_say(why, e, "There is not enough memory to open the vault.");
    vk_err finished = finish_rekey(at, v, k, file, &done, why);
    if (done || finished != VK_OK)
        return finished;
    return vk_vault_say(why, e,
                        "The vault in %.400s does not open with the %.400s: its ring is %s. Use the key that "
                        "belongs to this data (valetkey keys rekey may have changed it), or "
                        "restore vault/ from a backup; nothing was changed.",
                        at->data_dir, v->source, reason);
}

static vk_err open_found(const vk_vault_place *at, vk_vault *v, found *f, vk_kek_found *k,
                         char why[VK_VAULT_WHY])
{
    bool old = false;
    if (f->has_ring && vk_ring_kdf(vk_buf_view(&f->ring), &k->kdf) != VK_OK)
        k->kdf = (vk_kdf){.t = 0}; /* opening says that it is damaged */
    vk_err e = vk_kek_get(at, !f->has_ring && !f->has_master, k, why);
    memcpy(v->source, k->source, sizeof v->source);
    memcpy(v->key_path, k->path, sizeof v->key_path);
    v->beside = k->beside;
    if (e != VK_OK)
        return e;
    if (f->has_ring)
        e = ring_open(at, v, k, vk_buf_view(&f->ring), why);
    else
        vk_ring_make(v->ring, k->key, &k->kdf);
    /* An old master must open with this key before a ring is sealed under it. */
    if (e == VK_OK && f->has_master)
        e = master_open(at, v, vk_buf_view(&f->master), &old, why);
    if (e == VK_OK && !f->has_ring) {
        e = vk_ring_write(v->ring, v->fd);
        if (e != VK_OK)
            vk_vault_say_write(why, e, "vault/ring");
    }
    if (e == VK_OK && !f->has_master)
        vk_random(v->master, VK_MASTER);
    if (e == VK_OK && (old || !f->has_master))
        e = master_write(v, why);
    v->fresh = e == VK_OK && !f->has_master;
    return e;
}

static vk_err open_with(const vk_vault_place *at, vk_vault *v, char why[VK_VAULT_WHY])
{
    vk_kek_found *k = calloc(1, sizeof *k);
    found f = {.has_ring = false};
    vk_err e = VK_E_NOMEM;
    vk_buf_init(&f.ring, 16384);
    vk_buf_init(&f.master, 16384);
    if (k)
        k->key = sodium_malloc(VK_ENTRY_KEK);
    if (k && k->key)
        e = read_both(at, &f, why);
    else
        vk_vault_say(why, e, "There is not enough memory that can be kept out of swap.");
    if (e == VK_OK)
        e = open_found(at, v, &f, k, why);
    vk_buf_free(&f.ring);
    vk_buf_free(&f.master);
    if (k)
        sodium_free(k->key);
    free(k);
    return e;
}

vk_err vk_vault_open(const vk_vault_place *at, vk_vault *out_r, char why[VK_VAULT_WHY])
{
    *out_r = (vk_vault){.kid = VK_KID, .fd = -1};
    why[0] = '\0';
    out_r->master = sodium_malloc(VK_MASTER);
    out_r->ring = vk_ring_new();
    if (!out_r->master || !out_r->ring) {
        vk_vault_close(out_r);
        return vk_vault_say(why, VK_E_NOMEM, "There is not enough memory that can be kept out of swap.");
    }
    vk_err e = vk_disk_mkdir(at->data_fd, "vault", 0700);
    if (e == VK_OK) {
        out_r->fd = openat(at->data_fd, "vault", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        e = out_r->fd < 0 ? vk_disk_err(errno) : VK_OK;
    }
    if (e != VK_OK)
        vk_vault_say_write(why, e, "vault/");
    else
        e = open_with(at, out_r, why);
    if (e != VK_OK)
        vk_vault_close(out_r);
    else
        sodium_mprotect_readonly(out_r->master);
    return e;
}

void vk_vault_close(vk_vault *v)
{
    sodium_free(v->master);
    vk_ring_free(v->ring);
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    v->master = NULL;
    v->ring = NULL;
}
