/* db download: the build's database as one SQLite file. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/part.h"

#include <errno.h>
#include <unistd.h>

const char vk_help_db_download[] =
    "Usage: valetkey db download ID --out FILE [--force] [--data DIR] [--json]\n"
    "\n"
    "Saves the build's database as one SQLite file (mode 0600), consistent even while the app writes. Every "
    "SQLite tool reads it, and\n"
    "it can be uploaded to Turso as it is. The file appears under its name only when it is complete.\n"
    "\n"
    "  --out FILE               where to; an existing file is refused\n"
    "  --force                  replace an existing file\n"
    "\n"
    "Examples:\n"
    "  valetkey db download demo --out demo.db\n"
    "  sqlite3 demo.db '.tables'\n";

struct download {
    vk_part part;
    int64_t total, got;
    int write_errno;
};

static void size_known(void *arg, int64_t total)
{
    struct download *d = arg;
    d->total = total;
}

static vk_err take(void *arg, vk_str piece)
{
    struct download *d = arg;
    while (piece.n) {
        ssize_t n = write(d->part.fd, piece.p, piece.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            d->write_errno = errno;
            return errno == ENOSPC || errno == EDQUOT ? VK_E_FULL : VK_E_IO;
        }
        piece.p += n;
        piece.n -= (size_t)n;
        d->got += n;
    }
    vk_progress("Downloading", d->got, d->total);
    return VK_OK;
}

static int fetch(const char *data, const char *target, struct download *d)
{
    vk_api api;
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (vk_api_open(&api, data) != VK_OK)
        return code;
    vk_err e = vk_api_download(&api, target, size_known, take, d, &r);
    vk_progress_end();
    vk_api_close(&api);
    if (e == VK_OK) {
        (void)vk_reply_ok(&r, &code);
        vk_reply_free(&r);
    } else if (e == VK_E_FULL) {
        code = vk_failed("full",
                         "The disk with %s is full after %lld bytes. Make room, or choose another --out.",
                         d->part.out, (long long)d->got);
    } else if (d->write_errno) {
        code = vk_failed("io", "%s cannot be written (input/output error).", d->part.out);
    }
    return code;
}

int vk_cmd_db_download(int argc, char **argv)
{
    bool json = false, force = false;
    const char *data = NULL, *pos[1];
    char target[128];
    const char *out = NULL;
    struct download d = {.part.fd = -1, .total = -1};
    const vk_opt opts[] = {
        VK_OPT_T("out", out), VK_OPT_F("force", force), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!out || !out[0])
        return vk_usage(argv[0], "--out FILE is missing.");
    if (vk_build_target(argv[0], pos[0], "/services/database/export", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    int code = vk_part_open(&d.part, out, force);
    if (code == VK_EXIT_OK)
        code = fetch(data, target, &d);
    if (code == VK_EXIT_OK && d.total >= 0 && d.got != d.total)
        code = vk_failed("io", "The download broke off: %lld of %lld bytes came. Try again.",
                         (long long)d.got, (long long)d.total);
    if (code == VK_EXIT_OK)
        code = vk_part_finish(&d.part);
    vk_part_drop(&d.part);
    if (code != VK_EXIT_OK)
        return code;
    char size[VK_SIZE_TEXT];
    vk_size_text(d.got, size);
    if (json) {
        vk_buf b;
        vk_buf_init(&b, 64 * 1024);
        vk_jw w = vk_jw_on(&b);
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "id", vk_str_z(pos[0]));
        vk_jw_kstr(&w, "file", vk_str_z(out));
        vk_jw_ki64(&w, "bytes", d.got);
        vk_jw_obj_end(&w);
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    } else {
        printf("%s✓%s %s has the database of %s (%s).\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout),
               out, pos[0], size);
    }
    return VK_EXIT_OK;
}
