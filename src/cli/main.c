/* Which command the words name, and what is said when they name none. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "core/random.h"
#include "core/map.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const vk_command *commands;
static size_t n_commands;

static void print_overview(FILE *f)
{
    fprintf(f,
            "%svaletkey%s gives every generated app its own sign-in, database, storage and payments.\n\n"
            "Usage: valetkey COMMAND [ARGUMENTS] [--help]\n\n",
            vk_tone_begin(f, VK_BOLD), vk_tone_end(f));
    for (size_t i = 0; i < n_commands; i++)
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
    return i < n_commands ? commands[i].name : NULL;
}

/* How many of the words name the command: 0 when they do not. */
static int matches(const vk_command *c, int argc, char **argv)
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
    for (size_t i = 0; i < n_commands; i++)
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

/* Who starts us may have closed some of the first three descriptors. A file of ours must not get one of these
 * numbers, and messages be written into it. */
static void fill_first_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* the lowest that is free */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    fill_first_descriptors();
    commands = vk_commands(&n_commands);
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
    for (size_t i = 0; i < n_commands; i++) {
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
