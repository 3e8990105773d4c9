#include "keeper/kek.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

bool vk_kek_parse(vk_str text, uint8_t kek[VK_ENTRY_KEK])
{
    vk_str raw = VK_STR_NONE, line = key_line(text);
    vk_arena *a = vk_arena_new(4096);
    bool ok =
        a && line.n && line.n <= 64 && vk_base64_decode(a, line, &raw) == VK_OK && raw.n == VK_ENTRY_KEK;
    if (ok)
        memcpy(kek, raw.p, VK_ENTRY_KEK);
    if (raw.n)
        vk_wipe((char *)(uintptr_t)raw.p, raw.n);
    vk_arena_free(a);
    return ok;
}

vk_err vk_kek_file_check(const char *path, char why[VK_VAULT_WHY])
{
    struct stat st;
    if (stat(path, &st) != 0)
        return vk_vault_say(why, vk_disk_err(errno), "The key file %.400s cannot be read: %s.", path,
                            vk_errno_text(errno));
    if (!S_ISREG(st.st_mode))
        return vk_vault_say(why, VK_E_INVALID, "The key file %.400s is not a plain file.", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return vk_vault_say(
            why, VK_E_FORBIDDEN,
            "The key file %.400s belongs to another user. It must belong to the one that runs valetkey.",
            path);
    if (st.st_mode & 077)
        return vk_vault_say(why, VK_E_FORBIDDEN,
                            "The key file %.400s can be read by others. Close it with: chmod 600 %.400s",
                            path, path);
    return VK_OK;
}

vk_err vk_kek_file(const char *path, uint8_t kek[VK_ENTRY_KEK], char why[VK_VAULT_WHY])
{
    char real[PATH_MAX];
    vk_buf text;
    if (!realpath(path, real)) { /* secret mounts are chains of links */
        if (errno == ENOENT)
            return VK_E_NOT_FOUND;
        return vk_vault_say(why, VK_E_FORBIDDEN, "The key file %.400s cannot be read: %s.", path,
                            vk_errno_text(errno));
    }
    vk_err e = vk_kek_file_check(real, why);
    if (e != VK_OK)
        return e;
    vk_buf_init(&text, VK_KEY_FILE_MAX + 8192);
    e = vk_disk_read(AT_FDCWD, real, VK_KEY_FILE_MAX, &text);
    if (e != VK_OK)
        vk_vault_say(why, e, "The key file %.400s cannot be read (%s).", path, vk_err_name(e));
    else if (!vk_kek_parse(vk_buf_view(&text), kek))
        e = vk_vault_say(
            why, VK_E_CORRUPT,
            "%.400s is not a key file: it wants one line with the base64 of 32 bytes (besides lines that "
            "begin with #). "
            "Restore it from its backup.",
            path);
    vk_buf_free_secret(&text);
    return e;
}

/* Opens the folder that `path` is in; *name_r is its last part. */
static int folder_of(const char *path, const char **name_r, char why[VK_VAULT_WHY])
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash) {
        vk_vault_say(why, VK_E_INTERNAL, "The place of the key file, %.400s, is not an absolute path.", path);
        return -1;
    }
    *slash = '\0';
    *name_r = path + (slash - dir) + 1;
    int fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        vk_vault_say(
            why, vk_disk_err(errno),
            "The folder %.400s for the key file cannot be opened: %s. Name another place with --key-file.",
            dir, vk_errno_text(errno));
    return fd;
}

vk_err vk_key_file_make(const char *path, uint8_t kek[VK_ENTRY_KEK], char why[VK_VAULT_WHY])
{
    vk_buf text;
    const char *name;
    int fd = folder_of(path, &name, why);
    if (fd < 0)
        return VK_E_IO;
    vk_buf_init(&text, 1024);
    vk_random(kek, VK_ENTRY_KEK);
    vk_buf_lit(&text, "# valetkey: the key that seals the vault of the data folder beside this file.\n"
                      "# Without it that data opens nothing. Keep a copy, apart from copies of the data.\n");
    vk_base64(&text, kek, VK_ENTRY_KEK, true);
    vk_buf_ch(&text, '\n');
    vk_err e = text.err ? text.err : vk_disk_replace(fd, name, vk_buf_view(&text), 0600);
    vk_buf_free_secret(&text);
    close(fd);
    if (e == VK_E_FORBIDDEN)
        return vk_vault_say(
            why, e,
            "The key file %.400s cannot be made: its folder is not ours to write to. Name another "
            "place with --key-file.",
            path);
    if (e != VK_OK)
        return vk_vault_say_write(why, e, path);
    return VK_OK;
}

vk_err vk_key_file_switch(const char *path, char kept[PATH_MAX], char why[VK_VAULT_WHY])
{
    char next[PATH_MAX], old[PATH_MAX];
    const char *name;
    bool moved;
    int fd = folder_of(path, &name, why);
    if (fd < 0)
        return VK_E_IO;
    snprintf(next, sizeof next, "%.4000s" VK_KEY_NEXT, name);
    snprintf(old, sizeof old, "%.4000s.until-%lld", name, (long long)(vk_clock_wall_ms() / 1000));
    vk_err e = vk_disk_link(fd, name, old);
    if (e == VK_E_UNSUPPORTED)
        e = vk_disk_copy(fd, name, old, 0600);
    if (e == VK_E_CONFLICT || e == VK_E_NOT_FOUND)
        e = VK_OK; /* tried a moment ago; or the operator has taken the old one away */
    if (e == VK_OK)
        e = vk_disk_move(fd, next, name, &moved);
    close(fd);
    if (e != VK_OK)
        return vk_vault_say(why, e,
                            "The key file %.400s" VK_KEY_NEXT
                            " opens the vault and could not be put in the place "
                            "of %.400s (%s). Do it by hand, and keep the old one for older backups.",
                            path, path, vk_err_name(e));
    snprintf(kept, PATH_MAX, "%.4000s.until-%lld", path, (long long)(vk_clock_wall_ms() / 1000));
    return VK_OK;
}
