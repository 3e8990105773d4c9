/* The tokens of the data folder: who may use the admin API, who may read the counters. Made at the first
 * start, kept as files for their owner only; the daemon itself keeps their SHA-256. */
#include "daemon/daemon.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/random.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_FILE_MAX = 128 };

typedef struct token_file {
    const char *file, *prefix, *what;
} token_file;

static vk_err make_token(const vk_daemon *d, const token_file *f, char token[VK_VALET_MAX],
                         char why[VK_WHY_MAX])
{
    size_t at = strlen(f->prefix), end = at + VK_VALET_BODY;
    memcpy(token, f->prefix, at);
    while (at < end) {
        uint8_t bytes[64];
        vk_random(bytes, sizeof bytes);
        at += vk_base62_fill(token + at, end - at, bytes, sizeof bytes);
        vk_wipe(bytes, sizeof bytes);
    }
    vk_base62_crc(token + end, vk_crc32(token, end));
    token[end + 6] = '\n';
    vk_err e = vk_disk_replace(d->data_fd, f->file, (vk_str){token, end + 7}, 0600);
    token[end + 6] = '\0';
    if (e == VK_E_FULL)
        return vk_say(why, e,
                      "The disk is full: %s could not be written to %.400s. Free some space and start again; "
                      "nothing was lost.",
                      f->file, d->data_dir);
    if (e != VK_OK)
        return vk_say(why, e, "%s cannot be written to %.400s (%s).", f->file, d->data_dir, vk_err_name(e));
    return VK_OK;
}

/* By a descriptor: the folder may be front's user's, and a name in it could be a link by now. */
static bool close_to_others(const vk_daemon *d, const token_file *f)
{
    int fd = openat(d->data_fd, f->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static vk_err read_token(const vk_daemon *d, const token_file *f, char token[VK_VALET_MAX],
                         char why[VK_WHY_MAX])
{
    struct stat st;
    vk_buf text;
    if (fstatat(d->data_fd, f->file, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return VK_E_NOT_FOUND;
    vk_buf_init(&text, 8192);
    vk_err e = vk_disk_read(d->data_fd, f->file, TOKEN_FILE_MAX, &text);
    vk_str s = vk_buf_view(&text);
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    if (e == VK_OK && !vk_valet_shape_ok(vk_secret_of(s), &(vk_valet_form){.prefix = f->prefix}))
        e = VK_E_CORRUPT;
    if (e == VK_OK) {
        memcpy(token, s.p, s.n);
        token[s.n] = '\0';
        if ((st.st_mode & 077) && close_to_others(d, f))
            vk_log(VK_WARN, "a token was open to others; it is now open to its owner only",
                   VK_F(file, f->file));
    } else {
        vk_say(why, e,
               "%.400s/%s holds no %s. Restore it, or delete the file: the next start makes a new one.",
               d->data_dir, f->file, f->what);
    }
    vk_buf_free_secret(&text);
    return e;
}

/* The SHA-256 of the token in that file. Plain C: the supervisor never sets up OpenSSL, which its children do
 * for themselves. */
static vk_err open_token(const vk_daemon *d, const token_file *f, uint8_t hash_r[VK_SHA256],
                         char why[VK_WHY_MAX])
{
    char token[VK_VALET_MAX];
    vk_err e = read_token(d, f, token, why);
    if (e == VK_E_NOT_FOUND)
        e = make_token(d, f, token, why);
    if (e == VK_OK)
        crypto_hash_sha256(hash_r, (const unsigned char *)token, strlen(token));
    vk_wipe(token, sizeof token);
    return e;
}

vk_err vk_tokens_open(vk_daemon *d, char why[VK_WHY_MAX])
{
    static const token_file admin = {"admin.token", "vk_a_", "admin token"},
                            metrics = {"metrics.token", "vk_m_", "token for /metrics"};
    vk_err e = open_token(d, &admin, d->admin_hash, why);
    return e == VK_OK ? open_token(d, &metrics, d->metrics_hash, why) : e;
}
