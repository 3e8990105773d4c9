/* build ping: whether the app's pages answer at the build's origins, asked by the daemon. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"

const char vk_help_build_ping[] =
    "Usage: valetkey build ping ID [--data DIR] [--json]\n"
    "\n"
    "Asks the app of a build for its start page at each of its origins, from the daemon's side, where its\n"
    "webhooks will come from. Any answer counts. Only registered origins are asked; exit code 1 when one is\n"
    "not reached.\n"
    "\n"
    "Examples:\n"
    "  valetkey build ping demo\n"
    "  valetkey build ping demo --json\n";

/* True: all were reached. */
static bool print(const vk_reply *r)
{
    const vk_json *all = vk_json_get(r->json, VK_STR("origins"));
    bool good = true;
    for (const vk_json *o = vk_reply_items(all); o; o = o->next) {
        int64_t status = 0, ms = 0;
        const char *origin = vk_reply_text(r, o, "origin");
        bool reached = vk_json_i64(vk_json_get(o, VK_STR("status")), &status) == VK_OK &&
                       vk_json_i64(vk_json_get(o, VK_STR("ms")), &ms) == VK_OK;
        good &= reached;
        vk_tone tone = reached ? VK_GOOD : VK_BAD;
        printf("%s%s%s %s  ", vk_tone_begin(stdout, tone), reached ? "✓" : "✗", vk_tone_end(stdout), origin);
        if (reached)
            printf("answers with %lld in %lld ms\n", (long long)status, (long long)ms);
        else
            printf("not reached: %s\n", vk_reply_text(r, o, "message"));
    }
    return good;
}

int vk_cmd_build_ping(int argc, char **argv)
{
    const char *data = NULL, *id;
    char target[128];
    bool json = false, ok;
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, &id, 1, 1, "ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_build_target(argv[0], id, "/origins/check", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    const vk_build_ask q = {.data = data, .method = "POST", .target = target, .slow = true};
    int code = vk_build_call(&q, &r, &ok);
    if (!ok)
        return code;
    const vk_json *all = vk_json_get(r.json, VK_STR("origins"));
    if (json) {
        vk_reply_print(&r);
        code = VK_EXIT_OK;
        for (const vk_json *o = vk_reply_items(all); o; o = o->next)
            if (!vk_json_get(o, VK_STR("status")))
                code = VK_EXIT_FAILED;
    } else if (!all || all->count == 0) {
        code = vk_failed("no_origin",
                         "The build \"%s\" has no origin. `valetkey build origins %s http://localhost:3000` "
                         "sets one.",
                         id, id);
    } else {
        code = print(&r) ? VK_EXIT_OK : VK_EXIT_FAILED;
    }
    vk_reply_free(&r);
    return code;
}
