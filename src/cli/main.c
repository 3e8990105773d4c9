/* The command table: what there is, and which words call it. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/random.h"
#include "core/map.h"

#include <signal.h>

static const struct command {
    const char *name; /* one word or two */
    int (*run)(int argc, char **argv);
    const char *help, *summary;
} commands[] = {
    {"serve", vk_cmd_serve, vk_help_serve, "run the daemon"},
    {"build create", vk_cmd_build_create, vk_help_build_create,
     "make a build, or show the one that is there"},
    {"build list", vk_cmd_build_list, vk_help_build_list, "list the builds"},
    {"build show", vk_cmd_build_show, vk_help_build_show, "show one build"},
    {"build origins", vk_cmd_build_origins, vk_help_build_origins, "set the web origins of a build"},
    {"build ping", vk_cmd_build_ping, vk_help_build_ping, "ask whether the app of a build answers"},
    {"build revoke", vk_cmd_build_revoke, vk_help_build_revoke, "end a build's keys for good, keep its data"},
    {"build delete", vk_cmd_build_delete, vk_help_build_delete, "end a build and remove its data"},
    {"env", vk_cmd_env, vk_help_env, "print or write a build's environment"},
    {"run", vk_cmd_run, vk_help_run, "start a command with a build's environment"},
    {"db shell", vk_cmd_db_shell, vk_help_db_shell, "SQL prompt on a build's database"},
    {"db apply", vk_cmd_db_apply, vk_help_db_apply, "run a folder of Prisma or Drizzle migrations"},
    {"db snapshot", vk_cmd_db_snapshot, vk_help_db_snapshot, "keep a build's database as it is now"},
    {"db snapshots", vk_cmd_db_snapshots, vk_help_db_snapshots, "list or remove what was kept"},
    {"db restore", vk_cmd_db_restore, vk_help_db_restore, "bring a snapshot back"},
    {"db diff", vk_cmd_db_diff, vk_help_db_diff, "show what has changed since a snapshot"},
    {"db ddl", vk_cmd_db_ddl, vk_help_db_ddl, "list what was done to a build's schema"},
    {"db download", vk_cmd_db_download, vk_help_db_download, "take a build's database as one SQLite file"},
    {"doctor", vk_cmd_doctor, vk_help_doctor, "check this installation"},
    {"version", vk_cmd_version, vk_help_version, "print versions"},
};

static void print_overview(FILE *f)
{
    fprintf(f,
            "%svaletkey%s gives every generated app its own sign-in, database, storage and payments.\n\n"
            "Usage: valetkey COMMAND [ARGUMENTS] [--help]\n\n",
            vk_tone_begin(f, VK_BOLD), vk_tone_end(f));
    for (size_t i = 0; i < VK_COUNT(commands); i++)
        fprintf(f, "  %s%-14s%s %s\n", vk_tone_begin(f, VK_BOLD), commands[i].name, vk_tone_end(f),
                commands[i].summary);
    fprintf(f, "\nEvery command takes --data DIR (default: VALETKEY_DATA, else ./.valetkey) and --json.\n"
               "Exit codes: 0 done, 1 refused or failed, 2 not understood.\n\n"
               "Examples:\n"
               "  valetkey serve\n"
               "  valetkey build create demo\n"
               "  valetkey run demo -- npm run dev\n");
}

static const char *next_name(const void *arg, size_t i)
{
    VK_UNUSED(arg);
    return i < VK_COUNT(commands) ? commands[i].name : NULL;
}

/* How many of the words name the command: 0 when they do not. */
static int matches(const struct command *c, int argc, char **argv)
{
    const char *blank = strchr(c->name, ' ');
    if (!blank)
        return strcmp(argv[0], c->name) == 0;
    size_t first = (size_t)(blank - c->name);
    return strlen(argv[0]) == first && memcmp(argv[0], c->name, first) == 0 && argc > 1 &&
                   strcmp(argv[1], blank + 1) == 0
               ? 2
               : 0;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

/* "build" alone, or "build --help": the commands that begin so. False: there are none. */
static bool print_group(const char *word, FILE *f)
{
    size_t n = strlen(word), found = 0;
    for (size_t i = 0; i < VK_COUNT(commands); i++)
        if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ') {
            if (!found++)
                fprintf(f, "Usage: valetkey %s COMMAND [--help]\n\n", word);
            fprintf(f, "  %-16s %s\n", commands[i].name, commands[i].summary);
        }
    if (found)
        fprintf(f, "\nExamples: `valetkey %s COMMAND --help`\n", word);
    return found > 0;
}

static int unknown(int argc, char **argv)
{
    char typed[81];
    if (argc == 1 || is_help(argv[1])) {
        bool wanted = argc > 1;
        if (print_group(argv[0], wanted ? stdout : stderr))
            return wanted ? VK_EXIT_OK : VK_EXIT_USAGE;
    }
    snprintf(typed, sizeof typed, "%.40s", argv[0]);
    const char *near = NULL;
    if (argc > 1 && argv[1][0] != '-') { /* perhaps a command of two words, with an error in either */
        char both[81];
        snprintf(both, sizeof both, "%.30s %.40s", argv[0], argv[1]);
        near = vk_closest(both, next_name, NULL);
        if (near && strchr(near, ' '))
            memcpy(typed, both, sizeof typed);
        else
            near = NULL;
    }
    if (!near)
        near = vk_closest(typed, next_name, NULL);
    if (near)
        return vk_usage("", "There is no command \"%s\". Did you mean \"%s\"?", typed, near);
    return vk_usage("", "There is no command \"%s\".", typed);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    uint8_t seed[16];
    vk_random(seed, sizeof seed);
    vk_hash_seed(seed);
    if (argc < 2) {
        print_overview(stderr);
        return VK_EXIT_USAGE;
    }
    if (is_help(argv[1]) || (strcmp(argv[1], "help") == 0 && argc == 2)) {
        print_overview(stdout);
        return VK_EXIT_OK;
    }
    bool help = strcmp(argv[1], "help") == 0;
    static char version[] = "version";
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    int words = 0, left = argc - 1 - help;
    char **from = argv + 1 + help;
    for (size_t i = 0; i < VK_COUNT(commands); i++) {
        words = matches(&commands[i], left, from);
        if (words == 0)
            continue;
        if (help || asks_help(left - words + 1, from + words - 1)) {
            fputs(commands[i].help, stdout);
            return VK_EXIT_OK;
        }
        char name[32];
        snprintf(name, sizeof name, "%s", commands[i].name);
        from[words - 1] = name;
        return commands[i].run(left - words + 1, from + words - 1);
    }
    if (help && print_group(from[0], stdout))
        return VK_EXIT_OK;
    return unknown(left, from);
}
