/* The files of the TLS certificate. The supervisor checks them, has the kernel copy them into files in memory
 * that nobody can change, without a byte of them in its own memory, and hands these to front, which alone
 * reads them: so front needs no right to their folder, and a front that is started again gets the pair that
 * was good, whatever lies there by then. */
#include "daemon/daemon.h"

#include "core/buf.h"
#include "core/disk.h"
#include "crypto/selfsign.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A sealed copy in memory; -1 with errno. */
static int keep_copy(int fd, int64_t size)
{
    int copy = memfd_create("vk-certificate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    off_t at = 0;
    ssize_t n = 0;
    while (copy >= 0 && at < size && (n = sendfile(copy, fd, &at, (size_t)(size - at))) > 0)
        continue;
    if (copy >= 0 &&
        (n < 0 || fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))) {
        int err = errno;
        close(copy);
        errno = err;
        copy = -1;
    }
    return copy;
}

/* `dir` AT_FDCWD: a path of the operator's, who may use links. Otherwise a name in our own folder, where none
 * is followed. `path` is how it is spoken of. */
static vk_err open_file(int dir, const char *path, const char *what, const char *name, bool secret, int *fd_r,
                        char why[VK_WHY_MAX])
{
    struct stat st;
    bool own = dir != AT_FDCWD;
    int fd = openat(dir, own ? strrchr(path, '/') + 1 : path,
                    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (own ? O_NOFOLLOW : 0));
    vk_err e = VK_OK;
    if (fd < 0)
        return vk_say(why, VK_E_IO, "%s, the file of %s, cannot be read: %s (%.300s).", name, what,
                      vk_errno_text(errno), path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        e = vk_say(why, VK_E_INVALID, "%s names %.300s, which is no plain file.", name, path);
    else if (st.st_size > VK_TLS_PEM_MAX)
        e = vk_say(why, VK_E_TOO_LARGE, "%s names %.300s, which is larger than %d bytes.", name, path,
                   VK_TLS_PEM_MAX);
    else if (secret && st.st_uid != geteuid() && st.st_uid != 0)
        e = vk_say(why, VK_E_FORBIDDEN,
                   "The key of the certificate in %.300s belongs to the user with id %u: whoever owns it can "
                   "read it. chown it to id %u.",
                   path, (unsigned)st.st_uid, (unsigned)geteuid());
    else if (secret && (st.st_mode & 077))
        e = vk_say(why, VK_E_FORBIDDEN,
                   "The key of the certificate in %.300s can be read by others (mode %03o): chmod 600 it.",
                   path, (unsigned)st.st_mode & 0777);
    if (e == VK_OK && (*fd_r = keep_copy(fd, st.st_size)) < 0)
        e = vk_say(why, VK_E_IO, "%s, the file of %s, cannot be copied into memory: %s.", name, what,
                   vk_errno_text(errno));
    close(fd);
    return e;
}

/* ---- our own */

/* The names that clients will use: of every listener and address. */
static vk_err collect_names(const vk_config *c, vk_selfsign_names *names)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    *names = (vk_selfsign_names){0};
    vk_err e = vk_selfsign_name(names, VK_STR("localhost"));
    vk_str rest = vk_str_z(c->hosts), host;
    while (e == VK_OK && vk_config_word(&rest, &host))
        e = vk_selfsign_name(names, host);
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        e = vk_selfsign_name(names, vk_config_url_host(c->url_sandbox[i]));
        if (e == VK_OK)
            e = vk_selfsign_name(names, vk_config_url_host(c->url_browser[i]));
    }
    for (size_t i = 0; e == VK_OK && i <= VK_CONSOLE; i++)
        if (c->listen[i].host[0] && strcmp(c->listen[i].host, "0.0.0.0") != 0 &&
            strcmp(c->listen[i].host, "::") != 0)
            e = vk_selfsign_name(names, vk_str_z(c->listen[i].host));
    if (e == VK_OK)
        e = vk_selfsign_name(names, VK_STR("127.0.0.1"));
    return e == VK_OK ? vk_selfsign_name(names, VK_STR("::1")) : e;
}

/* <data>/tls, made where it is missing. The data folder may be front's user's, while the supervisor is root:
 * so a front that was taken over could put a link or a folder of its own there, and have us read, for it,
 * what only root may. Only a folder of our own is used, and only by its descriptor. -1: `why`. */
static int open_own(const vk_daemon *d, char why[VK_WHY_MAX])
{
    struct stat st;
    vk_err e = vk_disk_mkdir(d->data_fd, "tls", 0700);
    int fd = e == VK_OK || e == VK_E_CONFLICT
                 ? openat(d->data_fd, "tls", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                 : -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022))
        return fd;
    if (fd < 0 && e != VK_OK && e != VK_E_CONFLICT)
        vk_say(why, e, "The folder %.400s/tls cannot be made (%s).", d->data_dir, vk_err_name(e));
    else
        vk_say(
            why, VK_E_FORBIDDEN,
            "%.400s/tls is not a folder that belongs to the user with id %u alone. Remove it: the next start "
            "makes a new certificate.",
            d->data_dir, (unsigned)geteuid());
    if (fd >= 0)
        close(fd);
    return -1;
}

/* In a process of its own. */
static vk_err make(const vk_daemon *d, int dir)
{
    vk_selfsign_names names;
    vk_buf cert, key;
    vk_buf_init(&cert, VK_TLS_PEM_MAX);
    vk_buf_init(&key, VK_TLS_PEM_MAX);
    key.secret = true;
    vk_err e = collect_names(d->config, &names);
    bool there = e == VK_OK && vk_disk_read(dir, "cert.pem", VK_TLS_PEM_MAX, &cert) == VK_OK &&
                 faccessat(dir, "key.pem", R_OK, 0) == 0 &&
                 vk_selfsign_still_good(vk_buf_view(&cert), &names);
    if (e == VK_OK && !there) {
        vk_buf_clear(&cert);
        e = vk_selfsign(&names, &cert, &key);
        /* A certificate without its key after a power cut is made anew: the key goes first. */
        if (e == VK_OK)
            e = vk_disk_remove(dir, "cert.pem");
        if (e == VK_OK)
            e = vk_disk_replace(dir, "key.pem", vk_buf_view(&key), 0600);
        if (e == VK_OK)
            e = vk_disk_replace(dir, "cert.pem", vk_buf_view(&cert), 0644);
    }
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
    return e;
}

/* The supervisor never touches OpenSSL: a child of its own does, and ends. */
static vk_err make_apart(const vk_daemon *d, int dir, char why[VK_WHY_MAX])
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit((int)make(d, dir));
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    vk_err e = pid < 0 ? VK_E_NOMEM : WIFEXITED(status) ? (vk_err)WEXITSTATUS(status) : VK_E_INTERNAL;
    if (e != VK_OK)
        return vk_say(why, e, "The self-signed certificate in %.300s/tls could not be made (%s).",
                      d->data_dir, vk_err_name(e));
    return VK_OK;
}

vk_err vk_certificate_open(const vk_daemon *d, int fds[2], char why[VK_WHY_MAX])
{
    const vk_config *c = d->config;
    char cert[PATH_MAX + 16], key[PATH_MAX + 16];
    snprintf(cert, sizeof cert, "%s", c->tls_cert);
    snprintf(key, sizeof key, "%s", c->tls_key);
    int dir = AT_FDCWD;
    vk_err e = VK_OK;
    fds[0] = fds[1] = -1;
    if (!c->tls)
        return VK_OK;
    if (c->tls_self_signed) {
        if ((dir = open_own(d, why)) < 0)
            return VK_E_FORBIDDEN;
        e = make_apart(d, dir, why);
        snprintf(cert, sizeof cert, "%s/tls/cert.pem", d->data_dir);
        snprintf(key, sizeof key, "%s/tls/key.pem", d->data_dir);
    }
    if (e == VK_OK)
        e = open_file(dir, cert, "the certificate", "tls_cert", false, &fds[0], why);
    if (e == VK_OK)
        e = open_file(dir, key, "its key", "tls_key", true, &fds[1], why);
    if (dir >= 0)
        close(dir);
    if (e != VK_OK && fds[0] >= 0) {
        close(fds[0]);
        fds[0] = -1;
    }
    return e;
}
