#include "cli/download.h"

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/out.h"

#include <errno.h>
#include <unistd.h>

struct fetch {
    vk_download *d;
    int64_t total; /* -1: not said */
    int write_errno;
};

static void size_known(void *arg, int64_t total)
{
    struct fetch *f = arg;
    f->total = total;
}

static vk_err take(void *arg, vk_str piece)
{
    struct fetch *f = arg;
    while (piece.n) {
        ssize_t n = write(f->d->fd, piece.p, piece.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            f->write_errno = errno;
            return VK_E_IO;
        }
        piece.p += n;
        piece.n -= (size_t)n;
        f->d->got += n;
    }
    vk_progress("Downloading", f->d->got, f->total);
    return VK_OK;
}

int vk_download_fetch(vk_download *d, const char *data, const char *target)
{
    vk_api api;
    vk_reply r;
    struct fetch f = {.d = d, .total = -1};
    int code = VK_EXIT_FAILED;
    if (vk_api_open(&api, data) != VK_OK)
        return code;
    vk_err e = vk_api_download(&api, target, size_known, take, &f, &r);
    vk_progress_end();
    vk_api_close(&api);
    if (e == VK_OK) {
        (void)vk_reply_ok(&r, &code);
        vk_reply_free(&r);
    } else if (f.write_errno == ENOSPC || f.write_errno == EDQUOT) {
        code = vk_failed("full",
                         "The disk with %s is full after %lld bytes. Make room, or choose another --out.",
                         d->out, (long long)d->got);
    } else if (f.write_errno) {
        code = vk_failed("io", "%s cannot be written (%s).", d->out,
                         f.write_errno == EPIPE ? "nobody reads it" : "input/output error");
    }
    if (code == VK_EXIT_OK && f.total >= 0 && d->got != f.total)
        code = vk_failed("io", "The download broke off: %lld of %lld bytes came. Try again.",
                         (long long)d->got, (long long)f.total);
    return code;
}
