#include "keeper/kek.h"

#include "core/disk.h"
#include "core/log.h"
#include "core/random.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <unistd.h>

/* Argon2id as libsodium has it: one lane. More passes than the reference point of RFC 9106 with 64 MiB, in
 * place of its lanes. */
enum { KDF_T = 4, KDF_M = 64 * 1024, KDF_P = 1, KDF_T_MAX = 64, KDF_M_MAX = 4 * 1024 * 1024 };
_Static_assert(VK_KDF_SALT == crypto_pwhash_argon2id_SALTBYTES, "as libsodium wants it");

vk_err vk_vault_say(char why[VK_VAULT_WHY], vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, VK_VAULT_WHY, fmt, ap);
    va_end(ap);
    return e;
}

vk_err vk_vault_say_write(char why[VK_VAULT_WHY], vk_err e, const char *what)
{
    if (e == VK_E_FULL)
        return vk_vault_say(
            why, e,
            "The disk is full: %.400s could not be written. Free some space and start again; nothing "
            "was lost.",
            what);
    return vk_vault_say(why, e,
                        "%.400s could not be written (%s). Check that the folder is ours to write to.", what,
                        vk_err_name(e));
}

/* ---- passphrases */

vk_err vk_kek_passphrase(vk_secret passphrase, const vk_kdf *kdf, uint8_t kek[VK_ENTRY_KEK],
                         char why[VK_VAULT_WHY])
{
    vk_str text = vk_secret_bytes(passphrase);
    if (text.n < VK_PASSPHRASE_MIN || text.n > VK_PASSPHRASE_MAX)
        return vk_vault_say(why, VK_E_INVALID, "A passphrase of the vault has %d to %d bytes.",
                            VK_PASSPHRASE_MIN, VK_PASSPHRASE_MAX);
    if (kdf->t < 1 || kdf->t > KDF_T_MAX || kdf->m < 8 || kdf->m > KDF_M_MAX || kdf->p != 1)
        return vk_vault_say(
            why, VK_E_CORRUPT,
            "The parameters of the passphrase in vault/ring cannot be (t %u, m %u KiB, p %u). "
            "Restore vault/ from a backup.",
            kdf->t, kdf->m, kdf->p);
    if (crypto_pwhash(kek, VK_ENTRY_KEK, text.p, text.n, kdf->salt, kdf->t, (size_t)kdf->m * 1024,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return vk_vault_say(
            why, VK_E_NOMEM,
            "There is not enough memory to make the vault's key of its passphrase: it takes %u MiB "
            "for a moment.",
            kdf->m / 1024);
    return VK_OK;
}

void vk_kdf_new(vk_kdf *out)
{
    *out = (vk_kdf){.t = KDF_T, .m = KDF_M, .p = KDF_P};
    vk_random(out->salt, sizeof out->salt);
}

/* The first line; a final line break is none of it. */
static vk_secret first_line(vk_str text)
{
    vk_str line;
    if (!vk_str_cut(&text, '\n', &line))
        line = text;
    while (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return vk_secret_of(line);
}

static vk_err from_passphrase(const char *path, bool may_make, vk_kek_found *f, char why[VK_VAULT_WHY])
{
    vk_buf text;
    snprintf(f->source, sizeof f->source, "passphrase in %.4000s", path);
    if (!f->kdf.t && !may_make)
        return vk_vault_say(
            why, VK_E_INVALID,
            "The vault was not sealed with a passphrase. Start with the key that it was sealed with, "
            "then change it with: valetkey keys rekey");
    vk_err e = vk_kek_file_check(path, why);
    if (e != VK_OK)
        return e;
    vk_buf_init(&text, VK_KEY_FILE_MAX + 8192);
    text.secret = true;
    e = vk_disk_read(AT_FDCWD, path, VK_KEY_FILE_MAX, &text);
    if (e != VK_OK)
        vk_vault_say(why, e, "The passphrase file %.400s cannot be read (%s).", path, vk_err_name(e));
    if (e == VK_OK && !f->kdf.t)
        vk_kdf_new(&f->kdf);
    if (e == VK_OK)
        e = vk_kek_passphrase(first_line(vk_buf_view(&text)), &f->kdf, f->key, why);
    vk_buf_free_secret(&text);
    return e;
}

/* ---- the sources, in their order */

static vk_err from_file(const char *path, const char *kind, vk_kek_found *f, char why[VK_VAULT_WHY])
{
    snprintf(f->source, sizeof f->source, "%s %.4000s", kind, path);
    vk_err e = vk_kek_file(path, f->key, why);
    if (e == VK_E_NOT_FOUND)
        return vk_vault_say(
            why, e,
            "The %s %.400s does not exist. Put it back; or, for a new data folder, make one with: "
            "(umask 077; head -c 32 /dev/urandom | base64 > %.300s)",
            kind, path, path);
    return e;
}

static vk_err from_beside(const vk_vault_place *at, bool may_make, vk_kek_found *f, char why[VK_VAULT_WHY])
{
    snprintf(f->path, sizeof f->path, "%.4000s.key", at->data_dir);
    snprintf(f->source, sizeof f->source, "key file %.4000s", f->path);
    f->beside = true;
    vk_err e = vk_kek_file(f->path, f->key, why);
    if (e != VK_E_NOT_FOUND)
        return e;
    if (!may_make)
        return vk_vault_say(
            why, e,
            "The key file %.400s is missing, and the vault in %.400s was sealed with it or with one "
            "named by --key-file. Put it "
            "back or name its place; nothing was changed.",
            f->path, at->data_dir);
    e = vk_key_file_make(f->path, f->key, why);
    if (e == VK_OK)
        vk_log(
            VK_WARN,
            "made the key that seals the vault. Without this file the data opens nothing: keep a copy of it, "
            "apart from copies of the data",
            VK_F(file, f->path));
    return e;
}

vk_err vk_kek_get(const vk_vault_place *at, bool may_make, vk_kek_found *f, char why[VK_VAULT_WHY])
{
    const vk_kdf stored = f->kdf;
    vk_err e;
    f->beside = false;
    f->path[0] = '\0';
    if (at->credentials_dir && *at->credentials_dir) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%.4000s/" VK_KEK_CREDENTIAL, at->credentials_dir);
        if (access(path, F_OK) == 0) {
            f->kdf = (vk_kdf){.t = 0};
            return from_file(path, "systemd credential", f, why);
        }
    }
    if (at->passphrase_file && *at->passphrase_file && !(at->key_command && *at->key_command) &&
        !(at->key_file && *at->key_file))
        return from_passphrase(at->passphrase_file, may_make, f, why);
    f->kdf = (vk_kdf){.t = 0};
    if (at->key_command && *at->key_command) {
        snprintf(f->source, sizeof f->source, "key command %.4000s", at->key_command);
        e = vk_kek_command(at->key_command, f->key, why);
    } else if (at->key_file && *at->key_file) {
        snprintf(f->path, sizeof f->path, "%s", at->key_file);
        e = from_file(at->key_file, "key file", f, why);
    } else
        e = from_beside(at, may_make, f, why);
    if (e == VK_OK && stored.t)
        return vk_vault_say(
            why, VK_E_CORRUPT,
            "The vault in %.400s does not open with the %.400s: it was sealed with a passphrase. Name "
            "its file with --key-passphrase-file; nothing was changed.",
            at->data_dir, f->source);
    return e;
}
