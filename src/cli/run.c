/* run: a command with a build's environment. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/env.h"
#include "cli/out.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

extern char **environ;

const char vk_help_run[] =
    "Usage: valetkey run ID [--app DIR] [--framework NAME] [--data DIR] -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Starts COMMAND with the build's variables over the environment it would have anyway; variables that "
    "begin with VALETKEY_\n"
    "are not passed on. The command takes this process's place, so its exit code and its signals are its "
    "own.\n"
    "\n"
    "  --app DIR                start it in DIR, and find the framework out there\n"
    "  --framework NAME         name the variables for this framework\n"
    "\n"
    "Exit codes: the command's; 127 when there is no such command, 126 when it cannot be started.\n"
    "\n"
    "Examples:\n"
    "  valetkey run demo -- npm run dev\n"
    "  valetkey run demo --app ./my-app -- npx prisma studio\n";

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

static bool set_all(const vk_reply *r)
{
    vk_env_var vars[VK_ENV_MAX];
    size_t n = vk_env_vars(r, vars);
    for (size_t i = 0; i < n; i++) {
        vk_str value = vk_arena_dup(r->arena, vars[i].value);
        if (!value.p || setenv(vars[i].name, value.p, 1) != 0)
            return false;
    }
    return true;
}

int vk_cmd_run(int argc, char **argv)
{
    vk_env_ask q = {0};
    const char *pos[1];
    char **command;
    bool json = false, ok;
    const vk_opt opts[] = {VK_OPT_T("framework", q.framework),
                           VK_OPT_T("app", q.app),
                           VK_OPT_T("data", q.data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The build's ID", &command) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    q.id = pos[0];
    if (!command || !command[0])
        return vk_usage(argv[0], "The command is missing; it stands after \"--\".");
    vk_reply r;
    int code = vk_env_fetch(argv[0], &q, &r, &ok);
    if (!ok)
        return code;
    drop_own();
    ok = set_all(&r);
    vk_reply_free(&r);
    if (!ok)
        return vk_failed("nomem", "Out of memory.");
    if (q.app && chdir(q.app) != 0)
        return vk_failed("not_found", "The folder %s cannot be entered.", q.app);
    signal(SIGPIPE, SIG_DFL); /* ignored signals would stay ignored in the command */
    execvp(command[0], command);
    bool missing = errno == ENOENT;
    vk_failed(missing ? "not_found" : "forbidden",
              missing ? "There is no command \"%.200s\". Is it installed, and in PATH?"
                      : "\"%.200s\" cannot be started; is it executable?",
              command[0]);
    return missing ? 127 : 126;
}
