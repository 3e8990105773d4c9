/* build provision, build resources. */
#include "cli/args.h"
#include "cli/build_wait.h"
#include "cli/cli.h"
#include "cli/out.h"

const char vk_help_build_provision[] =
    "Usage: valetkey build provision ID [SERVICE] [--no-wait] [--data DIR] [--json]\n"
    "\n"
    "Makes what a build lacks at vendors, or tries again after it could not be made: the database, the "
    "application,\n"
    "the account of each service that has a driver which makes one. What is there already stays as it is.\n"
    "\n"
    "  --no-wait                begin only; `valetkey build resources ID` shows how far it is\n"
    "  --data DIR, --json\n"
    "\n"
    "Exit code 1 when something could not be made.\n"
    "\n"
    "Examples:\n"
    "  valetkey build provision shop\n"
    "  valetkey build provision shop database --no-wait\n";

const char vk_help_build_resources[] =
    "Usage: valetkey build resources ID | --ending [--data DIR] [--json]\n"
    "\n"
    "Lists what a build has at vendors that valetkey made there, and how far it is. With --ending, of all "
    "builds,\n"
    "what is still alive at vendors and is being ended: deleted builds among them.\n"
    "\n"
    "Examples:\n"
    "  valetkey build resources shop\n"
    "  valetkey build resources --ending\n"
    "  valetkey build resources shop --json\n";

static vk_tone state_tone(const char *state)
{
    return strcmp(state, "ready") == 0 ? VK_GOOD : strcmp(state, "failed") == 0 ? VK_BAD : VK_NOTICE;
}

static void row(vk_table *t, const vk_reply *r, const vk_json *x)
{
    static const char *const plain[] = {"build", "service", "vendor"};
    const char *state = vk_reply_text(r, x, "state");
    char made[32], expires[32], step[160] = "";
    for (size_t i = 0; i < VK_COUNT(plain); i++)
        vk_table_cell(t, vk_str_z(vk_reply_text(r, x, plain[i])), VK_PLAIN, false);
    if (strcmp(state, "making") == 0 || strcmp(state, "ending") == 0)
        snprintf(step, sizeof step, "%.120s (%lld of %lld)", vk_reply_text(r, x, "step"),
                 (long long)vk_reply_number(x, "step_n", 0), (long long)vk_reply_number(x, "steps", 0));
    vk_time_short(vk_reply_text(r, x, "made_at"), made);
    vk_time_short(vk_reply_text(r, x, "expires_at"), expires);
    vk_table_cell(t, vk_str_z(state), state_tone(state), false);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, x, "name")), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(step), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(made), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(expires), VK_PLAIN, false);
    vk_table_cell(t, vk_str_z(vk_reply_text(r, x, "why")), VK_DIM, false);
}

static int print_list(const vk_reply *r, const char *none)
{
    static const char *const titles[] = {"BUILD", "SERVICE", "VENDOR",     "STATE", "NAME",
                                         "STEP",  "MADE",    "CREDENTIAL", "WHY"};
    const vk_json *list = vk_json_get(r->json, VK_STR("resources"));
    if (!vk_reply_items(list)) {
        printf("%s\n", none);
        return VK_EXIT_OK;
    }
    vk_table *t = vk_table_new(VK_COUNT(titles));
    if (!t)
        return vk_failed("nomem", "Out of memory.");
    for (size_t i = 0; i < VK_COUNT(titles); i++)
        vk_table_cell(t, vk_str_z(titles[i]), VK_BOLD, false);
    for (const vk_json *x = vk_reply_items(list); x; x = x->next)
        row(t, r, x);
    return vk_table_print(t, stdout, 0) ? VK_EXIT_OK : vk_failed("nomem", "Out of memory.");
}

int vk_cmd_build_resources(int argc, char **argv)
{
    const char *pos[1] = {NULL}, *data = NULL;
    char target[96] = "/api/v1/resources?state=ending&limit=1000";
    bool json = false, ending = false, ok;
    const vk_opt opts[] = {VK_OPT_F("ending", ending), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 0, 1, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!pos[0] == !ending)
        return vk_usage(argv[0], "Name a build, or say --ending.");
    if (pos[0] && vk_build_target(argv[0], pos[0], "/resources", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    vk_reply r;
    int code = vk_build_call(&(vk_build_ask){.data = data, .method = "GET", .target = target}, &r, &ok);
    if (!ok)
        return code;
    if (json)
        vk_reply_print(&r);
    else
        code = print_list(&r, ending ? "Nothing at vendors is waiting for its end."
                                     : "valetkey made nothing at vendors for this build.");
    vk_reply_free(&r);
    return code;
}

/* ---- provision */

/* As it is now. */
static int print_now(vk_api *api, const char *id, bool json)
{
    char target[96];
    vk_reply r;
    int code = VK_EXIT_FAILED;
    snprintf(target, sizeof target, "/api/v1/builds/%s/resources", id);
    if (vk_api_call(api, "GET", target, VK_STR_NONE, VK_STR_NONE, &r) != VK_OK)
        return code;
    if (vk_reply_ok(&r, &code)) {
        code = VK_EXIT_OK;
        if (json)
            vk_reply_print(&r);
        else
            code = print_list(&r, "valetkey made nothing at vendors for this build.");
    }
    vk_reply_free(&r);
    return code;
}

static int provision(vk_api *api, const char *id, const char *target, vk_str body, bool wait, bool json)
{
    vk_reply r;
    int code = VK_EXIT_FAILED;
    if (vk_api_call(api, "POST", target, VK_STR_NONE, body, &r) != VK_OK)
        return code;
    bool ok = vk_reply_ok(&r, &code);
    char why[VK_WAITED_WHY];
    vk_waited w = VK_WAITED_READY;
    if (ok)
        w = wait ? vk_build_wait(api, id, &r, json, why) : VK_WAITED_READY;
    vk_reply_free(&r);
    if (!ok)
        return code;
    if (w == VK_WAITED_LONG)
        return vk_failed("timeout",
                         "It is still not ready; `valetkey build resources %s` shows how far it is.", id);
    if (w == VK_WAITED_AWAY)
        return VK_EXIT_FAILED;
    code = print_now(api, id, json);
    return w == VK_WAITED_FAILED ? VK_EXIT_FAILED : code;
}

int vk_cmd_build_provision(int argc, char **argv)
{
    const char *pos[2] = {NULL}, *data = NULL;
    char target[96], body[64] = "{}";
    bool json = false, no_wait = false;
    vk_api api;
    const vk_opt opts[] = {VK_OPT_F("no-wait", no_wait), VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 2, "The build's ID", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (vk_build_target(argv[0], pos[0], "/resources", target, sizeof target) != VK_OK)
        return VK_EXIT_USAGE;
    if (pos[1] && (strlen(pos[1]) > VK_SERVICE_MAX ||
                   strspn(pos[1], "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(pos[1])))
        return vk_usage(argv[0], "A SERVICE is auth, database, storage or payments.");
    if (pos[1])
        snprintf(body, sizeof body, "{\"service\":\"%s\"}", pos[1]);
    if (vk_api_open(&api, data) != VK_OK)
        return VK_EXIT_FAILED;
    int code = provision(&api, pos[0], target, vk_str_z(body), !no_wait, json);
    vk_api_close(&api);
    return code;
}
