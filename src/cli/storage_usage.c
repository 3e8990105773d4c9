/* storage usage: how much a build has stored, and how much it may. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/storage.h"

const char vk_help_storage_usage[] =
    "Usage: valetkey storage usage ID [--recount] [--data DIR] [--json]\n"
    "\n"
    "Shows how much a build has stored, what its unfinished uploads hold, and what its quota allows.\n"
    "\n"
    "  --recount                count every row as well, and compare; exit code 1 when the two differ, "
    "which\n"
    "                           they do for a moment while the app writes\n"
    "\n"
    "Examples:\n"
    "  valetkey storage usage demo\n"
    "  valetkey storage usage demo --recount --json\n";

static void row(const char *name, int64_t has, int64_t may, bool bytes)
{
    char a[VK_SIZE_TEXT], b[VK_SIZE_TEXT], text[64 + 2 * VK_SIZE_TEXT];
    if (bytes) {
        vk_size_text(has, a);
        vk_size_text(may, b);
    } else {
        snprintf(a, sizeof a, "%lld", (long long)has);
        snprintf(b, sizeof b, "%lld", (long long)may);
    }
    snprintf(text, sizeof text, "%s of at most %s", a, b);
    vk_out_fact(name, text);
}

static void print(const vk_reply *r)
{
    char text[64 + VK_SIZE_TEXT], size[VK_SIZE_TEXT];
    const vk_json *u = r->json, *q = vk_json_get(u, VK_STR("quota")), *c = vk_json_get(u, VK_STR("recount"));
    row("bytes", vk_reply_number(u, "bytes", 0) + vk_reply_number(u, "upload_bytes", 0),
        vk_reply_number(q, "bytes", 0), true);
    row("objects", vk_reply_number(u, "objects", 0), vk_reply_number(q, "objects", 0), false);
    row("uploads", vk_reply_number(u, "uploads", 0), vk_reply_number(q, "uploads", 0), false);
    vk_size_text(vk_reply_number(u, "upload_bytes", 0), size);
    snprintf(text, sizeof text, "%s, which count too", size);
    if (vk_reply_number(u, "uploads", 0))
        vk_out_fact("in them", text);
    vk_size_text(vk_reply_number(q, "object_bytes", 0), size);
    vk_out_fact("an object", size);
    if (c) {
        vk_size_text(vk_reply_number(c, "bytes", 0) + vk_reply_number(c, "upload_bytes", 0), size);
        snprintf(text, sizeof text, "%s, %lld objects, %lld uploads", size,
                 (long long)vk_reply_number(c, "objects", 0), (long long)vk_reply_number(c, "uploads", 0));
        vk_out_fact("counted", text);
    }
}

int vk_cmd_storage_usage(int argc, char **argv)
{
    bool json = false, recount = false, ok;
    const char *data = NULL, *pos[1];
    char target[VK_STORAGE_TARGET];
    const vk_opt opts[] = {VK_OPT_F("recount", recount), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    const char *const query[] = {"recount", recount ? "1" : NULL, NULL};
    vk_reply r;
    int code = vk_storage_target(argv[0], pos[0], "usage", query, target);
    if (code != VK_EXIT_OK)
        return code;
    code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target, .slow = recount},
                         &r, &ok);
    if (!ok)
        return code;
    const vk_json *equal = vk_json_get(vk_json_get(r.json, VK_STR("recount")), VK_STR("equal"));
    bool differ = equal && equal->type == VK_JSON_BOOL && !equal->u.b;
    if (json)
        vk_reply_print(&r);
    else
        print(&r);
    vk_reply_free(&r);
    if (differ && !json)
        return vk_failed("conflict",
                         "What is counted is not what is kept: if nothing wrote meanwhile, the index of "
                         "%s is damaged.",
                         pos[0]);
    return differ ? VK_EXIT_FAILED : VK_EXIT_OK;
}
