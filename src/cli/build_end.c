/* build revoke, build delete. */
#include "cli/args.h"
#include "cli/ask.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"

#include <unistd.h>

const char vk_help_build_revoke[] = "Usage: valetkey build revoke ID [--data DIR] [--json]\n"
                                    "\n"
                                    "Ends a build's keys for good: from the next request on they open "
                                    "nothing, and open transactions are rolled back. Its data is\n"
                                    "kept and can still be downloaded.\n"
                                    "\n"
                                    "Examples:\n"
                                    "  valetkey build revoke demo\n";

const char vk_help_build_delete[] =
    "Usage: valetkey build delete ID [--yes] [--data DIR] [--json]\n"
    "\n"
    "Revokes a build and removes its data. There is no way back; `valetkey db download` and `valetkey "
    "storage "
    "get --all` save it before.\n"
    "On a terminal it asks first, unless --yes is given.\n"
    "\n"
    "Examples:\n"
    "  valetkey db download demo --out demo.db && valetkey build delete demo\n"
    "  valetkey build delete demo --yes\n";

static void print_revoked(const vk_reply *r, const char *id)
{
    VK_UNUSED(r);
    printf(
        "%s✓%s The keys of %s open nothing any more. Its data is kept: valetkey db download %s --out FILE\n",
        vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), id, id);
}

int vk_cmd_build_revoke(int argc, char **argv)
{
    return vk_build_command(argc, argv, "POST", "/revoke", print_revoked);
}

int vk_cmd_build_delete(int argc, char **argv)
{
    bool json = false, yes = false, ok;
    const char *data = NULL, *pos[1];
    char target[96];
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), VK_OPT_F("yes", yes), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_build_target(argv[0], pos[0], "", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    /* The API's DELETE is silent about what was not there; a person who mistyped wants to know. */
    vk_reply r;
    int code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
    if (!ok)
        return code;
    vk_reply_free(&r);
    if (!yes && !vk_ask_yes("Delete the build %s and all its data? There is no way back.", pos[0])) {
        fprintf(stderr, "Nothing was deleted.\n");
        return VK_EXIT_FAILED;
    }
    code = vk_build_call(&(vk_build_ask){.data = data, .method = "DELETE", .target = target}, &r, &ok);
    if (!ok)
        return code;
    if (json)
        printf("{\"id\":\"%s\",\"state\":\"deleted\"}\n", pos[0]);
    else
        printf("%s✓%s The build %s and its data are gone.\n", vk_tone_begin(stdout, VK_GOOD),
               vk_tone_end(stdout), pos[0]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
