/* storage get: one object as a file, or all of them as a tar file. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/download.h"
#include "cli/out.h"
#include "cli/part.h"
#include "cli/storage.h"

#include <unistd.h>

const char vk_help_storage_get[] =
    "Usage: valetkey storage get ID KEY [--out FILE] [--force] [--data DIR] [--json]\n"
    "       valetkey storage get ID --all --out FILE [--force] [--data DIR] [--json]\n"
    "\n"
    "Saves an object of a build as a file (mode 0600), which appears under its name only when it is "
    "complete.\n"
    "Also of a revoked build. With --all every object, as one tar file; names that could lead out of a "
    "folder,\n"
    "or that no file can have, have these bytes written as %XX.\n"
    "\n"
    "  --out FILE               where to; \"-\" is standard output. Without it: the part of the key behind "
    "its\n"
    "                           last slash, in this folder\n"
    "  --all                    all objects\n"
    "  --force                  replace an existing file\n"
    "\n"
    "Examples:\n"
    "  valetkey storage get demo uploads/cat.png\n"
    "  valetkey storage get demo notes.txt --out -\n"
    "  valetkey storage get demo --all --out demo.tar\n";

/* The file that a key becomes when none is named. NULL: its name is none for a file. */
static const char *file_of(const char *key)
{
    const char *slash = strrchr(key, '/'), *name = slash ? slash + 1 : key;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
            return NULL;
    return !name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > 255 ? NULL : name;
}

static void tell(const vk_download *d, const char *id, const char *key, bool json)
{
    char size[VK_SIZE_TEXT];
    vk_size_text(d->got, size);
    if (json) {
        vk_buf b;
        vk_buf_init(&b, 64 * 1024);
        vk_jw w = vk_jw_on(&b);
        vk_jw_obj(&w);
        vk_jw_kstr(&w, "id", vk_str_z(id));
        if (key)
            vk_jw_kstr(&w, "key", vk_str_z(key));
        vk_jw_kstr(&w, "file", vk_str_z(d->out));
        vk_jw_ki64(&w, "bytes", d->got);
        vk_jw_obj_end(&w);
        printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    } else {
        printf("%s✓%s %s has %s of %s (%s).\n", vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), d->out,
               key ? "the object" : "all objects", id, size);
    }
}

int vk_cmd_storage_get(int argc, char **argv)
{
    bool json = false, force = false, all = false;
    const char *data = NULL, *pos[2] = {NULL, NULL}, *out = NULL;
    char target[VK_STORAGE_TARGET];
    const vk_opt opts[] = {VK_OPT_T("out", out),   VK_OPT_F("all", all),   VK_OPT_F("force", force),
                           VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 2, "The build's ID and a KEY", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (all == (pos[1] != NULL))
        return vk_usage(argv[0],
                        all ? "--all takes no KEY." : "The KEY is missing; --all takes every object.");
    if (!out && !all && !(out = file_of(pos[1])))
        return vk_usage(argv[0], "No file can be named as this key is: say where to with --out FILE.");
    if (!out || !out[0])
        return vk_usage(argv[0], "--out FILE is missing.");
    bool to_stdout = strcmp(out, "-") == 0;
    if (to_stdout && json)
        return vk_usage(argv[0], "--json and --out - both write to standard output; use one.");
    const char *const query[] = {"key", pos[1], NULL};
    int code = vk_storage_target(argv[0], pos[0], all ? "export" : "object", query, target);
    vk_part part = {.fd = -1};
    vk_download d = {.fd = STDOUT_FILENO, .out = to_stdout ? "standard output" : out};
    if (code == VK_EXIT_OK && !to_stdout) {
        code = vk_part_open(&part, out, force);
        d.fd = part.fd;
    }
    if (code == VK_EXIT_OK)
        code = vk_download_fetch(&d, data, target);
    if (code == VK_EXIT_OK && !to_stdout)
        code = vk_part_finish(&part);
    vk_part_drop(&part);
    if (code == VK_EXIT_OK && !to_stdout)
        tell(&d, pos[0], pos[1], json);
    return code;
}
