/* storage put: a file as an object. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/storage.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char vk_help_storage_put[] =
    "Usage: valetkey storage put ID FILE [KEY] [--content-type TYPE] [--data DIR] [--json]\n"
    "\n"
    "Stores a file as an object of a build, over the one that has its key. The app's quota counts. FILE "
    "\"-\" is\n"
    "standard input. Without KEY it is called as the file is; a KEY that ends in \"/\" gets the file's name "
    "behind\n"
    "it.\n"
    "\n"
    "  --content-type TYPE      what it is served as; usually told from the end of the key\n"
    "\n"
    "Examples:\n"
    "  valetkey storage put demo cat.png public/\n"
    "  valetkey storage put demo data.bin exports/today --content-type text/csv\n"
    "  pg_dump shop | gzip | valetkey storage put demo - dumps/shop.sql.gz\n";

struct upload {
    int fd, err;
    int64_t total, got;
};

static ssize_t give(void *arg, char *to, size_t room)
{
    struct upload *u = arg;
    ssize_t n;
    do
        n = read(u->fd, to, room);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        u->err = errno;
    u->got += n > 0 ? n : 0;
    vk_progress("Uploading", u->got, u->total);
    return n;
}

static int open_file(struct upload *u, const char *file)
{
    struct stat st;
    u->fd = strcmp(file, "-") == 0 ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (u->fd < 0 || fstat(u->fd, &st) != 0)
        return vk_failed(errno == ENOENT ? "not_found" : "io", "%s cannot be opened (%s).", file,
                         vk_errno_text(errno));
    if (S_ISDIR(st.st_mode))
        return vk_failed("invalid", "%s is a folder; put its files one by one.", file);
    u->total = -1;
    if (S_ISREG(st.st_mode)) {
        off_t at = lseek(u->fd, 0, SEEK_CUR);
        u->total = at < 0 || at > st.st_size ? -1 : st.st_size - at;
    }
    return VK_EXIT_OK;
}

static int send_file(const char *data, const char *target, const char *type, const char *file,
                     struct upload *u, vk_reply *r, bool *ok_r)
{
    vk_api api;
    int code = VK_EXIT_FAILED;
    *ok_r = false;
    if (vk_api_open(&api, data) != VK_OK)
        return code;
    vk_err e = vk_api_upload(&api, target, type, u->total, give, u, r);
    vk_progress_end();
    vk_api_close(&api);
    if (e == VK_OK) {
        *ok_r = vk_reply_ok(r, &code);
        if (!*ok_r)
            vk_reply_free(r);
    } else if (u->err) {
        code = vk_failed("io", "%s cannot be read (%s). Nothing was stored.", file, vk_errno_text(u->err));
    } else if (e == VK_E_INVALID) {
        code = vk_failed("io", "%s became shorter while it was read. Nothing was stored; try again.", file);
    } else if (e != VK_E_TIMEOUT && e != VK_E_UNAVAILABLE) {
        code = vk_failed(vk_err_name(e), "%s cannot be sent (%s).", file, vk_err_name(e));
    }
    return code;
}

int vk_cmd_storage_put(int argc, char **argv)
{
    bool json = false, ok;
    const char *data = NULL, *type = NULL, *pos[3] = {NULL, NULL, NULL};
    char target[VK_STORAGE_TARGET], key[4096], size[VK_SIZE_TEXT];
    const vk_opt opts[] = {
        VK_OPT_T("content-type", type), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 2, 3, "The build's ID and a FILE", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    bool to_folder = !pos[2] || !pos[2][0] || pos[2][strlen(pos[2]) - 1] == '/';
    if (strcmp(pos[1], "-") == 0 && to_folder)
        return vk_usage(argv[0], "What comes from standard input needs a KEY.");
    const char *slash = strrchr(pos[1], '/');
    int n = snprintf(key, sizeof key, "%s%s", pos[2] ? pos[2] : "",
                     !to_folder ? ""
                     : slash    ? slash + 1
                                : pos[1]);
    if (n < 0 || n >= (int)sizeof key)
        return vk_usage(argv[0], "A key has at most 1,024 bytes.");
    for (const char *p = type ? type : ""; *p; p++)
        if (*p < ' ' || *p > '~')
            return vk_usage(argv[0], "--content-type is printable ASCII, as in \"image/png\".");
    const char *const query[] = {"key", key, NULL};
    int code = vk_storage_target(argv[0], pos[0], "object", query, target);
    struct upload u = {.fd = -1};
    if (code == VK_EXIT_OK)
        code = open_file(&u, pos[1]);
    vk_reply r;
    ok = false;
    if (code == VK_EXIT_OK)
        code = send_file(data, target, type ? type : vk_storage_type(key), pos[1], &u, &r, &ok);
    if (u.fd >= 0)
        close(u.fd);
    if (!ok)
        return code;
    vk_size_text(u.got, size);
    if (json)
        vk_reply_print(&r);
    else
        printf("%s✓%s %s of %s is %s (%s).\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), key,
               pos[0], strcmp(pos[1], "-") == 0 ? "stored" : pos[1], size);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
