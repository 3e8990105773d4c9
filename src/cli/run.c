/* run: a command with a build's environment, fenced off from our data. */
#include "cli/app_fence.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/env.h"
#include "cli/out.h"
#include "handoff/preload.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { ASK_TIMES = 12, ASK_PAUSE_MS = 250, KEY_SOURCE_MAX = PATH_MAX + 64 };

const char vk_help_run[] =
    "Usage: valetkey run ID [--app DIR] [--framework NAME] [--data DIR] [--with-preload]\n"
    "                    [--require-sandbox|--no-sandbox] -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Starts COMMAND with the build's variables over the environment it would have anyway; variables that "
    "begin with VALETKEY_\n"
    "are not passed on. The command takes this process's place, so its exit code and its signals are its "
    "own.\n"
    "\n"
    "It sees neither the data folder nor the key of the vault, nor other processes' memory and environment, "
    "although it\n"
    "runs as the same user; it cannot become another one (sudo), nor talk to the user's service manager or "
    "Docker. Where\n"
    "this machine lets no such fence be made, a warning says so and the command is started without.\n"
    "\n"
    "  --app DIR                start it in DIR, and find the framework and the version of Clerk's SDK out "
    "there\n"
    "  --framework NAME         name the variables for this framework\n"
    "  --with-preload           add to NODE_OPTIONS what makes node (18.18 or newer) send what the app's "
    "code "
    "sends to\n"
    "                           api.stripe.com or *.r2.cloudflarestorage.com with the build's keys to its "
    "own services\n"
    "  --require-sandbox        do not start it where it cannot be fenced off\n"
    "  --no-sandbox             start it without the fence: it can read the data of every build\n"
    "\n"
    "Exit codes: the command's; 127 when there is no such command, 126 when it cannot be started.\n"
    "\n"
    "Examples:\n"
    "  valetkey run demo -- npm run dev\n"
    "  valetkey run demo --app ./my-app -- npx prisma studio\n"
    "  valetkey run demo --with-preload -- node server.js\n";

/* Where our data is and who administers it is none of the app's business. */
static void drop_own(void)
{
    for (char **e = environ; e && *e;) {
        char name[256];
        size_t n = strcspn(*e, "=");
        bool own = strncmp(*e, "VALETKEY_", 9) == 0 && n < sizeof name;
        if (own) {
            memcpy(name, *e, n);
            name[n] = '\0';
        }
        if (own && unsetenv(name) == 0)
            e = environ; /* it was moved */
        else
            e++;
    }
}

/* What the caller gave node stays: options are added to it. */
static vk_str with_own(vk_arena *a, const char *name, vk_str value)
{
    const char *had = strcmp(name, "NODE_OPTIONS") == 0 ? getenv(name) : NULL;
    if (!had || !had[0] || strstr(had, vk_preload_option))
        return had && had[0] ? vk_arena_dup(a, vk_str_z(had)) : vk_arena_dup(a, value);
    return vk_arena_printf(a, "%s " VK_STR_FMT, had, VK_STR_ARG(value));
}

static bool set_all(const vk_reply *r)
{
    vk_env_var vars[VK_ENV_MAX];
    size_t n = vk_env_vars(r, vars);
    for (size_t i = 0; i < n; i++) {
        vk_str value = with_own(r->arena, vars[i].name, vars[i].value);
        if (!value.p || setenv(vars[i].name, value.p, 1) != 0)
            return false;
    }
    return true;
}

/* "key file /a/b". False: the daemon does not say, so that it is not known what to keep from the app. */
static bool ask_key_source_once(const char *data, char out[KEY_SOURCE_MAX])
{
    vk_api api;
    vk_reply r;
    out[0] = '\0';
    if (vk_api_open_quiet(&api, data) != VK_OK)
        return false;
    if (vk_api_call(&api, "GET", "/api/v1/status", VK_STR_NONE, VK_STR_NONE, &r) == VK_OK) {
        if (r.status == 200 && r.json)
            snprintf(out, KEY_SOURCE_MAX, "%s", vk_reply_text(&r, r.json, "key_source"));
        vk_reply_free(&r);
    }
    vk_api_close(&api);
    return out[0] != '\0';
}

/* keeper knows it, which may just be starting again. */
static bool ask_key_source(const char *data, char out[KEY_SOURCE_MAX])
{
    const struct timespec pause = {.tv_nsec = ASK_PAUSE_MS * 1000000L};
    for (int i = 0; i < ASK_TIMES; i++) {
        if (ask_key_source_once(data, out))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* VK_EXIT_OK: go on. */
static int fence_off(const vk_secrets *secrets, bool required)
{
    char here[PATH_MAX], missing[VK_FENCE_WHY];
    if (getcwd(here, sizeof here) && vk_secrets_cover(secrets, here))
        return vk_failed(
            "invalid",
            "The folder %.400s lies inside of valetkey's data folder, which the app must not see. Move "
            "the app, or the data (--data).",
            here);
    vk_err e = vk_app_fence(secrets, missing);
    if (e == VK_OK && !missing[0])
        return VK_EXIT_OK;
    if (required || e == VK_E_INTERNAL)
        return vk_failed("forbidden",
                         "The app cannot be fenced off completely from valetkey's data here (%s), so it was "
                         "not started. Run it "
                         "as another user or in a container, or give --no-sandbox if you trust it.",
                         missing);
    if (e == VK_OK) {
        fprintf(stderr,
                "valetkey: warning: the app's fence has a gap: %s. If you do not trust it, run it as another "
                "user or in a container; --require-sandbox makes this an error.\n",
                missing);
        return VK_EXIT_OK;
    }
    fprintf(stderr,
            "valetkey: warning: the app is not fenced off from valetkey's data (%s). If you do not trust it, "
            "run it "
            "as another user or in a container; --require-sandbox makes this an error.\n",
            missing);
    return VK_EXIT_OK;
}

int vk_cmd_run(int argc, char **argv)
{
    vk_env_ask q = {0};
    const char *pos[1];
    char **command;
    bool json = false, required = false, open = false, ok;
    static vk_secrets secrets;
    static char key_source[KEY_SOURCE_MAX];
    const vk_opt opts[] = {VK_OPT_T("framework", q.framework),
                           VK_OPT_T("app", q.app),
                           VK_OPT_T("data", q.data),
                           VK_OPT_F("with-preload", q.preload),
                           VK_OPT_F("require-sandbox", required),
                           VK_OPT_F("no-sandbox", open),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", &command) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    q.id = pos[0];
    if (!command || !command[0])
        return vk_usage(argv[0], "The command is missing; it stands after \"--\".");
    if (required && open)
        return vk_usage(argv[0], "--require-sandbox and --no-sandbox contradict each other.");
    vk_reply r;
    vk_err found = VK_OK;
    int code = vk_env_fetch(argv[0], &q, &r, &ok);
    if (!ok)
        return code;
    if (!open && !ask_key_source(q.data, key_source)) {
        vk_reply_free(&r);
        return vk_failed(
            "unavailable",
            "The daemon does not say where the key of its vault lies, so that it could be kept from "
            "the app. Try again; `valetkey doctor` may say more.");
    }
    if (!open) {
        found = vk_secrets_list(vk_data_dir(q.data), key_source, &secrets);
        ok = found == VK_OK;
    }
    if (!ok) {
        vk_reply_free(&r);
        return found == VK_E_INVALID
                   ? vk_failed(
                         "not_found",
                         "The daemon says that the key of its vault is the %.400s, and it is not there, so "
                         "that it cannot be kept from the app.",
                         key_source)
                   : vk_failed("not_found", "The data folder %.400s has gone.", vk_data_dir(q.data));
    }
    drop_own();
    ok = set_all(&r);
    vk_reply_free(&r);
    if (!ok)
        return vk_failed("nomem", "Out of memory.");
    if (q.app && chdir(q.app) != 0)
        return vk_failed("not_found", "The folder %s cannot be entered.", q.app);
    if (!open && (code = fence_off(&secrets, required)) != VK_EXIT_OK)
        return code;
    signal(SIGPIPE, SIG_DFL); /* ignored signals would stay ignored in the command */
    execvp(command[0], command);
    bool missing = errno == ENOENT;
    vk_failed(missing ? "not_found" : "forbidden",
              missing ? "There is no command \"%.200s\". Is it installed, and in PATH?"
                      : "\"%.200s\" cannot be started; is it executable?",
              command[0]);
    return missing ? 127 : 126;
}
