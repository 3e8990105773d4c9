/* db download: the build's database as one SQLite file. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/download.h"
#include "cli/out.h"
#include "cli/part.h"

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

int vk_cmd_db_download(int argc, char **argv)
{
    bool json = false, force = false;
    const char *data = NULL, *pos[1];
    char target[128];
    const char *out = NULL;
    vk_part part = {.fd = -1};
    vk_download d = {.fd = -1};
    const vk_opt opts[] = {
        VK_OPT_T("out", out), VK_OPT_F("force", force), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!out || !out[0])
        return vk_usage(argv[0], "--out FILE is missing.");
    if (vk_build_target(argv[0], pos[0], "/services/database/export", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    int code = vk_part_open(&part, out, force);
    d.fd = part.fd;
    d.out = part.out;
    if (code == VK_EXIT_OK)
        code = vk_download_fetch(&d, data, target);
    if (code == VK_EXIT_OK)
        code = vk_part_finish(&part);
    vk_part_drop(&part);
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
