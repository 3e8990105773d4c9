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
        fprintf(f, "  %s%-18s%s %s\n", vk_tone_begin(f, VK_BOLD), commands[i].name, vk_tone_end(f),
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
    const char *rest = c->name;
    for (int i = 0; i < argc; i++) {
        size_t n = strcspn(rest, " ");
        if (strlen(argv[i]) != n || memcmp(argv[i], rest, n) != 0)
            return 0;
        if (!rest[n])
            return i + 1;
        rest += n + 1;
    }
    return 0;
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

/* "build" alone, or "build --help", "auth users": the commands that begin so. False: there are none. */
static bool print_group(const char *word, FILE *f)
{
    size_t n = strlen(word), found = 0;
    for (size_t i = 0; i < n_commands; i++)
        if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ') {
            if (!found++)
                fprintf(f, "Usage: valetkey %s COMMAND [--help]\n\n", word);
            fprintf(f, "  %-18s %s\n", commands[i].name, commands[i].summary);
        }
    if (found)
        fprintf(f, "\nExamples: `valetkey %s COMMAND --help`\n", word);
    return found > 0;
}

/* The first `words` words as one text; of those that are options or not there, none. */
static void joined(char *const *argv, int argc, int words, char out[81])
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < words && i < argc && argv[i][0] != '-' && n < 60; i++)
        n += (size_t)snprintf(out + n, 81 - n, "%s%.26s", i ? " " : "", argv[i]);
}

static int words_in(const char *name)
{
    int n = 1;
    for (const char *p = name; *p; p++)
        n += *p == ' ';
    return n;
}

static int unknown(int argc, char **argv)
{
    char typed[81];
    bool wanted = argc > 1 && is_help(argv[argc - 1]);
    joined(argv, argc - wanted, 2, typed);
    if (argc - wanted <= 2 && print_group(typed, wanted ? stdout : stderr))
        return wanted ? VK_EXIT_OK : VK_EXIT_USAGE;
    /* Perhaps a command of several words, with an error in one of them. */
    const char *near = NULL;
    for (int words = 3; words > 1 && !near; words--) {
        joined(argv, argc, words, typed);
        near = words_in(typed) == words ? vk_closest(typed, next_name, NULL) : NULL;
        if (near && words_in(near) != words)
            near = NULL;
    }
    if (!near) {
        joined(argv, 1, 1, typed);
        if (!typed[0])
            snprintf(typed, sizeof typed, "%.40s", argv[0]);
        near = vk_closest(typed, next_name, NULL);
    }
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
    char group[81];
    joined(from, left, 2, group);
    if (help && print_group(group, stdout))
        return VK_EXIT_OK;
    return unknown(left, from);
}
