/* auth outbox: the messages that a build's app would have sent. */
#include "cli/args.h"
#include "cli/build.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"

const char vk_help_auth_outbox[] =
    "Usage: valetkey auth outbox ID [--address ADDRESS] [--data DIR] [--json]\n"
    "\n"
    "Shows the messages that the users of a build's app would have been sent, newest first: sign-in codes, "
    "codes for a new\n"
    "password, invitations. valetkey sends no mail. The newest 200 are kept.\n"
    "\n"
    "  --address ADDRESS        those to one address\n"
    "\n"
    "Examples:\n"
    "  valetkey auth outbox demo\n"
    "  valetkey auth outbox demo --address ada@example.com --json\n";

static void print(const vk_reply *r, const char *id)
{
    static const char *const heads[] = {"WHEN", "TO", "FOR", "CODE"};
    const vk_json *m = vk_reply_items(vk_json_get(r->json, VK_STR("messages")));
    vk_table *t = vk_table_new(VK_COUNT(heads));
    if (!m) {
        printf("%s has sent no message.\n", id);
        (void)vk_table_print(t, NULL, 0);
        return;
    }
    for (size_t i = 0; t && i < VK_COUNT(heads); i++)
        vk_table_cell(t, vk_str_z(heads[i]), VK_DIM, false);
    for (; t && m; m = m->next) {
        char iso[VK_CLOCK_TEXT], at[32];
        vk_clock_text(vk_reply_number(m, "at_ms", 0), iso);
        vk_time_short(iso, at);
        vk_table_cell(t, vk_str_z(at), VK_PLAIN, false);
        vk_table_cell(t, vk_json_str(vk_json_get(m, VK_STR("address"))), VK_PLAIN, false);
        vk_table_cell(t, vk_json_str(vk_json_get(m, VK_STR("what"))), VK_PLAIN, false);
        vk_table_cell(t, vk_json_str(vk_json_get(m, VK_STR("code"))), VK_BOLD, false);
    }
    if (!t || !vk_table_print(t, stdout, 0))
        (void)vk_failed("nomem", "There is not enough memory.");
}

int vk_cmd_auth_outbox(int argc, char **argv)
{
    bool json = false, ok = false;
    const char *data = NULL, *address = NULL, *pos[1];
    char target[VK_SERVICE_TARGET];
    vk_reply r;
    const vk_opt opts[] = {VK_OPT_T("address", address), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    const char *const q[] = {"address", address, NULL};
    int code = vk_service_target(argv[0], pos[0], "auth", "outbox", q, target);
    if (code == VK_EXIT_OK)
        code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
    if (code != VK_EXIT_OK || !ok)
        return code == VK_EXIT_OK ? VK_EXIT_FAILED : code;
    if (json)
        vk_reply_print(&r);
    else
        print(&r, pos[0]);
    vk_reply_free(&r);
    return VK_EXIT_OK;
}
