/* man: the manual page, made of the help texts. */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/commands.h"

const char vk_help_man[] = "Usage: valetkey man\n"
                           "\n"
                           "Prints the manual page in troff, made of what every command says about itself.\n"
                           "\n"
                           "Examples:\n"
                           "  valetkey man | man -l -\n"
                           "  valetkey man > /usr/local/share/man/man1/valetkey.1\n";

/* troff takes some characters for its own: a backslash anywhere, a dot or a quote at the beginning. A "-" is
 * to be a minus, so that it can be copied. */
static void put(vk_str s)
{
    if (s.n && (s.p[0] == '.' || s.p[0] == '\''))
        printf("\\&");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            printf("\\e");
        else if (s.p[i] == '-')
            printf("\\-");
        else if ((unsigned char)s.p[i] < 0x80)
            putchar(s.p[i]);
        else { /* UTF-8 as \[uXXXX], which every troff of today knows */
            unsigned char c = (unsigned char)s.p[i];
            unsigned code = c & (c >= 0xf0 ? 0x07u : c >= 0xe0 ? 0x0fu : 0x1fu);
            while (i + 1 < s.n && ((unsigned char)s.p[i + 1] & 0xc0) == 0x80)
                code = code << 6 | ((unsigned char)s.p[++i] & 0x3fu);
            printf("\\[u%04X]", code);
        }
    }
}

static bool indented(vk_str line)
{
    return vk_str_starts(line, VK_STR("  "));
}

/* Lines that begin with blanks are laid out already; the others are text. */
static void put_text(const char *p)
{
    bool literal = false;
    while (*p) {
        vk_str line = {p, strcspn(p, "\n")};
        p += line.n + (p[line.n] != '\0');
        if (indented(line) != literal && line.n) {
            printf("%s\n", literal ? ".fi\n.RE" : ".RS 2\n.nf");
            literal = !literal;
        }
        if (line.n == 0) {
            printf("%s\n", literal ? "" : ".PP");
            continue;
        }
        put(line);
        putchar('\n');
    }
    if (literal)
        printf(".fi\n.RE\n");
}

static void put_command(const vk_command *c)
{
    vk_str usage = vk_help_usage(c->help);
    const char *rest = usage.p + usage.n;
    printf(".SS \"valetkey %s\"\n.PP\n.B ", c->name);
    put((vk_str){"valetkey ", 9});
    for (size_t at = 0; at < usage.n;) {
        vk_str line = {usage.p + at, strcspn(usage.p + at, "\n")};
        if (line.n > usage.n - at)
            line.n = usage.n - at;
        put(line);
        at += line.n + 1;
        if (at < usage.n)
            putchar(' ');
    }
    printf("\n.PP\n");
    put_text(rest + strspn(rest, "\n"));
}

int vk_cmd_man(int argc, char **argv)
{
    size_t n;
    const vk_command *all = vk_commands(&n);
    const vk_opt opts[] = {{0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    printf(
        ".TH VALETKEY 1 \"\" \"valetkey " VK_VERSION "\" \"User Commands\"\n"
        ".SH NAME\nvaletkey \\- sign\\-in, database, storage and payments for generated apps\n"
        ".SH SYNOPSIS\n.B valetkey\n.I COMMAND\n[\\fIARGUMENTS\\fR] [\\fB\\-\\-help\\fR]\n"
        ".SH DESCRIPTION\n"
        "valetkey gives every generated app (\\(lqbuild\\(rq) keys of its own, with which the unmodified\n"
        "SDKs of the vendors work at once. \\fBvaletkey serve\\fR is the daemon; every other command is a\n"
        "client of it, over the socket in the data folder.\n"
        ".PP\n"
        "Every command takes \\fB\\-\\-data\\fR \\fIDIR\\fR (default: \\fBVALETKEY_DATA\\fR, else "
        "./.valetkey) "
        "and\n"
        "\\fB\\-\\-json\\fR.\n"
        ".SH COMMANDS\n");
    for (size_t i = 0; i < n; i++)
        put_command(&all[i]);
    printf(".SH EXIT STATUS\n0 done, 1 refused or failed, 2 not understood.\n"
           ".SH ENVIRONMENT\n.TP\n.B VALETKEY_DATA\nThe data folder.\n"
           ".TP\n.B VALETKEY_KEY_FILE\nThe file with the key that seals the vault (\\fBvaletkey serve\\fR).\n"
           ".TP\n.B VALETKEY_SHARE\nThe folder with the files that come with valetkey (\\fBvaletkey "
           "serve\\fR).\n"
           ".TP\n.B NO_COLOR\nNo colours, also on a terminal.\n"
           ".SH FILES\n.TP\n.I valetkey.db\nMetadata, in the data folder.\n"
           ".TP\n.I builds/ID/\nEverything of one build.\n"
           ".TP\n.I admin.token, metrics.token\nOpen the admin API, and /metrics.\n"
           ".TP\n.I admin.sock\nWhere the commands reach the daemon.\n"
           ".TP\n.I restart.json\nHow the last \\fBvaletkey restart\\fR went.\n");
    return VK_EXIT_OK;
}
