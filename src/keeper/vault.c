#include "keeper/vault.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"
#include "crypto/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASTER_FILE_MAX = VK_MASTER + VK_SEAL_OVERHEAD };

static vk_err say(char why[VK_VAULT_WHY], vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
static vk_err say(char why[VK_VAULT_WHY], vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, VK_VAULT_WHY, fmt, ap);
    va_end(ap);
    return e;
}

static vk_err say_write(char why[VK_VAULT_WHY], vk_err e, const char *what)
{
    if (e == VK_E_FULL)
        return say(why, e,
                   "The disk is full: %.400s could not be written. Free some space and start again; nothing "
                   "was lost.",
                   what);
    return say(why, e, "%.400s could not be written (%s). Check that the folder is ours to write to.", what,
               vk_err_name(e));
}

/* ---- key files */

/* The one line of a key file that is no comment. */
static vk_str key_line(vk_str text)
{
    vk_str found = VK_STR_NONE;
    while (text.n) {
        vk_str line;
        if (!vk_str_cut(&text, '\n', &line)) {
            line = text;
            text.n = 0;
        }
        while (line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (found.n)
            return VK_STR_NONE;
        found = line;
    }
    return found;
}

static bool key_parse(vk_str text, uint8_t kek[VK_SEAL_KEY])
{
    vk_str raw = VK_STR_NONE, line = key_line(text);
    vk_arena *a = vk_arena_new(4096);
    bool ok = a && line.n && line.n <= 64 && vk_base64_decode(a, line, &raw) == VK_OK && raw.n == VK_SEAL_KEY;
    if (ok)
        memcpy(kek, raw.p, VK_SEAL_KEY);
    if (raw.n)
        vk_wipe((char *)(uintptr_t)raw.p, raw.n);
    vk_arena_free(a);
    return ok;
}

static vk_err key_check(const char *path, char why[VK_VAULT_WHY])
{
    struct stat st;
    if (stat(path, &st) != 0)
        return say(why, vk_disk_err(errno), "The key file %.400s cannot be read: %s.", path,
                   vk_errno_text(errno));
    if (!S_ISREG(st.st_mode))
        return say(why, VK_E_INVALID, "The key file %.400s is not a plain file.", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return say(
            why, VK_E_FORBIDDEN,
            "The key file %.400s belongs to another user. It must belong to the one that runs valetkey.",
            path);
    if (st.st_mode & 077)
        return say(why, VK_E_FORBIDDEN,
                   "The key file %.400s can be read by others. Close it with: chmod 600 %.400s", path, path);
    return VK_OK;
}

/* VK_E_NOT_FOUND without a sentence when there is no such file. */
static vk_err key_read(const char *path, uint8_t kek[VK_SEAL_KEY], char why[VK_VAULT_WHY])
{
    char real[PATH_MAX];
    vk_buf text;
    if (!realpath(path, real)) { /* secret mounts are chains of links */
        if (errno == ENOENT)
            return VK_E_NOT_FOUND;
        return say(why, VK_E_FORBIDDEN, "The key file %.400s cannot be read: %s.", path,
                   vk_errno_text(errno));
    }
    vk_err e = key_check(real, why);
    if (e != VK_OK)
        return e;
    vk_buf_init(&text, VK_KEY_FILE_MAX + 8192);
    e = vk_disk_read(AT_FDCWD, real, VK_KEY_FILE_MAX, &text);
    if (e != VK_OK)
        say(why, e, "The key file %.400s cannot be read (%s).", path, vk_err_name(e));
    else if (!key_parse(vk_buf_view(&text), kek))
        e = say(why, VK_E_CORRUPT,
                "%.400s is not a key file: it wants one line with the base64 of 32 bytes (besides lines that "
                "begin with #). "
                "Restore it from its backup.",
                path);
    vk_buf_free_secret(&text);
    return e;
}

static vk_err key_make(const char *path, uint8_t kek[VK_SEAL_KEY], char why[VK_VAULT_WHY])
{
    char dir[PATH_MAX];
    vk_buf text;
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash)
        return say(why, VK_E_INTERNAL, "The place of the key file, %.400s, is not an absolute path.", path);
    *slash = '\0';
    const char *name = path + (slash - dir) + 1;
    int fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return say(
            why, vk_disk_err(errno),
            "The folder %.400s for the key file cannot be opened: %s. Name another place with --key-file.",
            dir, vk_errno_text(errno));
    vk_buf_init(&text, 1024);
    vk_random(kek, VK_SEAL_KEY);
    vk_buf_lit(&text, "# valetkey: the key that seals the vault of the data folder beside this file.\n"
                      "# Without it that data opens nothing. Keep a copy, apart from copies of the data.\n");
    vk_base64(&text, kek, VK_SEAL_KEY, true);
    vk_buf_ch(&text, '\n');
    vk_err e = text.err ? text.err : vk_disk_replace(fd, name, vk_buf_view(&text), 0600);
    vk_buf_free_secret(&text);
    close(fd);
    if (e == VK_E_FORBIDDEN)
        return say(why, e,
                   "The key file %.400s cannot be made: its folder is not ours to write to. Name another "
                   "place with --key-file.",
                   path);
    if (e != VK_OK)
        return say_write(why, e, path);
    vk_log(VK_WARN,
           "made the key that seals the vault. Without this file the data opens nothing: keep a copy of it, "
           "apart from copies of the data",
           VK_F(file, path));
    return VK_OK;
}

/* ---- the source */

static vk_err kek_named(const char *path, const char *kind, vk_vault *v, uint8_t kek[VK_SEAL_KEY],
                        char why[VK_VAULT_WHY])
{
    snprintf(v->source, sizeof v->source, "%s %.4000s", kind, path);
    vk_err e = key_read(path, kek, why);
    if (e == VK_E_NOT_FOUND)
        return say(why, e,
                   "The %s %.400s does not exist. Put it back; or, for a new data folder, make one with: "
                   "(umask 077; head -c 32 /dev/urandom | base64 > %.300s)",
                   kind, path, path);
    return e;
}

/* `may_make`: there is no master yet, so a key may be made at the default place. */
static vk_err kek_get(const vk_vault_place *at, bool may_make, vk_vault *v, uint8_t kek[VK_SEAL_KEY],
                      char why[VK_VAULT_WHY])
{
    char path[PATH_MAX];
    if (at->credentials_dir && *at->credentials_dir) {
        snprintf(path, sizeof path, "%.4000s/" VK_KEK_CREDENTIAL, at->credentials_dir);
        if (access(path, F_OK) == 0)
            return kek_named(path, "systemd credential", v, kek, why);
    }
    if (at->key_file && *at->key_file)
        return kek_named(at->key_file, "key file", v, kek, why);
    snprintf(path, sizeof path, "%.4000s.key", at->data_dir);
    snprintf(v->source, sizeof v->source, "key file %.4000s", path);
    v->beside = true;
    vk_err e = key_read(path, kek, why);
    if (e != VK_E_NOT_FOUND)
        return e;
    if (!may_make)
        return say(why, e,
                   "The key file %.400s is missing, and the vault in %.400s was sealed with it or with one "
                   "named by --key-file. Put it "
                   "back or name its place; nothing was changed.",
                   path, at->data_dir);
    return key_make(path, kek, why);
}

/* ---- the master */

static vk_seal_place master_place(void)
{
    return (vk_seal_place){
        .table = VK_STR("master"), .record = VK_STR("master"), .version = 1, .key_id = VK_KID};
}

static vk_err master_open(const vk_vault_place *at, vk_vault *v, vk_str sealed,
                          const uint8_t kek[VK_SEAL_KEY], char why[VK_VAULT_WHY])
{
    const vk_seal_place place = master_place();
    const char *reason = "";
    vk_buf plain;
    vk_buf_init(&plain, 256);
    vk_err e = VK_E_CORRUPT;
    if (sealed.n == MASTER_FILE_MAX)
        e = vk_seal_open(kek, &place, sealed, &plain, &reason);
    else
        reason = "of another length";
    if (e == VK_OK)
        memcpy(v->master, plain.p, VK_MASTER);
    else
        say(why, e,
            "The vault in %.400s does not open with the %.400s: its master record is %s. Use the key that "
            "belongs to this data, or "
            "restore vault/ from a backup; nothing was changed.",
            at->data_dir, v->source, reason);
    vk_buf_free_secret(&plain);
    return e;
}

static vk_err master_make(const vk_vault_place *at, vk_vault *v, const uint8_t kek[VK_SEAL_KEY],
                          char why[VK_VAULT_WHY])
{
    const vk_seal_place place = master_place();
    vk_buf sealed;
    vk_buf_init(&sealed, 512);
    vk_random(v->master, VK_MASTER);
    vk_err e = vk_seal(kek, &place, (vk_str){(char *)v->master, VK_MASTER}, &sealed);
    if (e == VK_OK)
        e = vk_disk_replace(at->data_fd, "vault/master", vk_buf_view(&sealed), 0600);
    vk_buf_free(&sealed);
    v->fresh = e == VK_OK;
    return e == VK_OK ? VK_OK : say_write(why, e, "vault/master");
}

static bool exists(int dirfd, const char *path)
{
    struct stat st;
    return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static vk_err open_with(const vk_vault_place *at, vk_vault *v, char why[VK_VAULT_WHY])
{
    uint8_t kek[VK_SEAL_KEY];
    vk_buf sealed;
    vk_buf_init(&sealed, 16384);
    vk_err e = vk_disk_read(at->data_fd, "vault/master", MASTER_FILE_MAX, &sealed);
    bool absent = e == VK_E_NOT_FOUND;
    if (absent && exists(at->data_fd, "valetkey.db"))
        e = say(why, VK_E_NOT_FOUND,
                "%.400s holds builds, but its vault/master is missing; a new one would end every valet key. "
                "Restore vault/ from a backup "
                "of the same folder; nothing was changed.",
                at->data_dir);
    else if (absent)
        e = VK_OK;
    else if (e == VK_E_TOO_LARGE)
        e = VK_OK; /* opening says that it is no record of ours */
    else if (e != VK_OK)
        say(why, e, "%.400s/vault/master cannot be read (%s).", at->data_dir, vk_err_name(e));
    if (e == VK_OK)
        e = kek_get(at, absent, v, kek, why);
    if (e == VK_OK)
        e = absent ? master_make(at, v, kek, why) : master_open(at, v, vk_buf_view(&sealed), kek, why);
    vk_wipe(kek, sizeof kek);
    vk_buf_free(&sealed);
    return e;
}

vk_err vk_vault_open(const vk_vault_place *at, vk_vault *out_r, char why[VK_VAULT_WHY])
{
    *out_r = (vk_vault){.kid = VK_KID};
    why[0] = '\0';
    out_r->master = sodium_malloc(VK_MASTER);
    if (!out_r->master)
        return say(why, VK_E_NOMEM, "There is not enough memory that can be kept out of swap.");
    vk_err e = vk_disk_mkdir(at->data_fd, "vault", 0700);
    if (e != VK_OK)
        say_write(why, e, "vault/");
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
    v->master = NULL;
}
