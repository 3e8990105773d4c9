/* auth users export: all users of a build's app in one file, in the form in which Clerk's Backend API takes
 * them. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/part.h"
#include "core/disk.h"

const char vk_help_auth_users_export[] =
    "Usage: valetkey auth users export ID --out FILE [--force] [--data DIR] [--json]\n"
    "\n"
    "Saves all users of a build's app as a JSON array (mode 0600), each as the parameters of Clerk's `POST "
    "/v1/users`: addresses,\n"
    "names, metadata, the digest of the password and its kind (argon2id), so that they keep their passwords "
    "where they go. The\n"
    "id goes along as external_id. Also of a revoked build. The file appears under its name only when it is "
    "complete.\n"
    "\n"
    "  --out FILE               where to; an existing file is refused\n"
    "  --force                  replace an existing file\n"
    "\n"
    "Examples:\n"
    "  valetkey auth users export demo --out users.json\n"
    "  jq length users.json\n";

enum { USER_MAX = 4 << 20 };

/* One page into the file; *next_r: where the next begins, or -1. */
static int put_page(const vk_part *part, const vk_reply *r, int64_t *n, int64_t *next_r)
{
    const vk_json *users = vk_json_get(r->json, VK_STR("users"));
    vk_buf b;
    vk_err e = VK_OK;
    vk_buf_init(&b, USER_MAX);
    for (const vk_json *u = vk_reply_items(users); u && e == VK_OK; u = u->next) {
        vk_buf_clear(&b);
        vk_buf_z(&b, (*n)++ ? ",\n" : "\n");
        vk_jw w = vk_jw_on(&b);
        vk_jw_value(&w, u);
        e = b.err ? b.err : vk_disk_add(part->fd, vk_buf_view(&b));
    }
    vk_buf_free_secret(&b);
    if (vk_json_i64(vk_json_get(r->json, VK_STR("next")), next_r) != VK_OK)
        *next_r = -1;
    return e == VK_OK ? VK_EXIT_OK
                      : vk_failed(vk_err_name(e), "%s cannot be written: %s.", part->out,
                                  e == VK_E_FULL ? "the disk is full" : "the disk refused");
}

static int put_all(const vk_part *part, const char *command, const char *data, const char *id, int64_t *n)
{
    int64_t at = 0;
    int code = VK_EXIT_OK;
    while (code == VK_EXIT_OK && at >= 0) {
        char target[VK_SERVICE_TARGET], offset[24];
        const char *const q[] = {"offset", offset, NULL};
        vk_reply r;
        bool ok = false;
        snprintf(offset, sizeof offset, "%lld", (long long)at);
        code = vk_service_target(command, id, "auth", "users/export", q, target);
        if (code == VK_EXIT_OK)
            code = vk_build_call(
                &(vk_build_ask){.data = data, .method = "GET", .target = target, .slow = true}, &r, &ok);
        if (code != VK_EXIT_OK || !ok)
            return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
        code = put_page(part, &r, n, &at);
        vk_reply_free(&r);
        vk_progress("users", *n, -1);
    }
    vk_progress_end();
    return code;
}

int vk_cmd_auth_users_export(int argc, char **argv)
{
    bool json = false, force = false;
    const char *data = NULL, *out = NULL, *pos[1];
    vk_part part = {.fd = -1};
    int64_t n = 0;
    const vk_opt opts[] = {
        VK_OPT_T("out", out), VK_OPT_F("force", force), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!out || !out[0])
        return vk_usage(argv[0], "--out FILE is missing.");
    int code = vk_part_open(&part, out, force);
    if (code == VK_EXIT_OK && vk_disk_add(part.fd, VK_STR("[")) != VK_OK)
        code = vk_failed("io", "%s cannot be written.", out);
    if (code == VK_EXIT_OK)
        code = put_all(&part, argv[0], data, pos[0], &n);
    if (code == VK_EXIT_OK && vk_disk_add(part.fd, n ? VK_STR("\n]\n") : VK_STR("]\n")) != VK_OK)
        code = vk_failed("io", "%s cannot be written.", out);
    if (code == VK_EXIT_OK)
        code = vk_part_finish(&part);
    vk_part_drop(&part);
    if (code != VK_EXIT_OK)
        return code;
    if (json) {
        vk_buf b;
        vk_buf_init(&b, 64 << 10);
        vk_jw w = vk_jw_on(&b);
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "id", vk_str_z(pos[0]));
        vk_jw_kstr(&w, "file", vk_str_z(out));
        vk_jw_ki64(&w, "users", n);
        vk_jw_obj_end(&w);
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    } else {
        printf("%s✓%s %s has the %lld users of %s, with the digests of their passwords: keep it private.\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), out, (long long)n, pos[0]);
    }
    return VK_EXIT_OK;
}
