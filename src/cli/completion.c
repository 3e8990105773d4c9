/* completion: what a shell needs to complete our commands. */
#include "cli/api.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "handoff/framework.h"

const char vk_help_completion[] =
    "Usage: valetkey completion bash|zsh|fish\n"
    "\n"
    "Prints a script that lets the shell complete commands, options, files, and the ids of builds (which it\n"
    "asks of the daemon).\n"
    "\n"
    "Examples:\n"
    "  source <(valetkey completion bash)\n"
    "  valetkey completion bash > ~/.local/share/bash-completion/completions/valetkey\n"
    "  valetkey completion zsh > \"${fpath[1]}/_valetkey\"\n"
    "  valetkey completion fish > ~/.config/fish/completions/valetkey.fish\n";

/* What completes the value of an option, or an argument of that name. */
typedef enum filler {
    NOTHING,
    FOLDERS,
    FILES,
    FRAMEWORKS,
    FORMATS,
    LEVELS,
    LOG_FORMATS,
    ON_OFF,
    SERVICES
} filler;

static filler filler_of(const vk_option *o)
{
    static const struct {
        const char *option, *value;
        filler f;
    } table[] = {
        {"--framework", NULL, FRAMEWORKS},
        {"--format", NULL, FORMATS},
        {"--log-level", NULL, LEVELS},
        {"--log-format", NULL, LOG_FORMATS},
        {"--log-requests", NULL, ON_OFF},
        {NULL, "SERVICE", SERVICES},
        {NULL, "DIR", FOLDERS},
        {NULL, "FOLDER", FOLDERS},
        {NULL, "FILE", FILES},
    };
    for (size_t i = 0; i < VK_COUNT(table); i++)
        if ((table[i].option && vk_str_eqz(o->name, table[i].option)) ||
            (table[i].value && vk_str_eqz(o->value, table[i].value)))
            return table[i].f;
    return NOTHING;
}

/* Blank-separated; NULL: no list of words. */
static const char *words_of(filler f)
{
    static char frameworks[512];
    switch (f) {
    case FRAMEWORKS:
        if (!frameworks[0])
            for (size_t i = 0, at = 0; i < vk_n_frameworks && at < sizeof frameworks; i++)
                at += (size_t)snprintf(frameworks + at, sizeof frameworks - at, "%s%s", i ? " " : "",
                                       vk_frameworks[i].name);
        return frameworks;
    case FORMATS:
        return "dotenv shell docker systemd json";
    case LEVELS:
        return "debug info warn error";
    case LOG_FORMATS:
        return "text json";
    case ON_OFF:
        return "on off";
    case SERVICES:
        return "clerk database storage stripe";
    default:
        return NULL;
    }
}

/* Whether the command's first argument is a build, its second a folder. */
static bool takes_id(const vk_command *c)
{
    vk_str usage = vk_help_usage(c->help);
    size_t n = strlen(c->name);
    return usage.n > n + 3 && memcmp(usage.p + n, " ID", 3) == 0;
}

static bool takes_folder(const vk_command *c)
{
    vk_str usage = vk_help_usage(c->help);
    return memmem(usage.p, usage.n, " FOLDER", 7) != NULL;
}

/* ---- bash */

static void bash_options(const vk_command *c)
{
    vk_option o[VK_OPTIONS_MAX];
    size_t n = vk_help_options(c->help, o);
    printf("  '%s')\n    options='", c->name);
    for (size_t i = 0; i < n; i++)
        printf("%s" VK_STR_FMT, i ? " " : "", VK_STR_ARG(o[i].name));
    printf("'\n    case $before in\n");
    for (size_t i = 0; i < n; i++) {
        const char *words = words_of(filler_of(&o[i]));
        if (!o[i].value.n)
            continue;
        printf("    " VK_STR_FMT ") ", VK_STR_ARG(o[i].name));
        if (words)
            printf("COMPREPLY=($(compgen -W '%s' -- \"$word\"))", words);
        else if (filler_of(&o[i]) == FOLDERS)
            printf("COMPREPLY=($(compgen -d -- \"$word\"))");
        else if (filler_of(&o[i]) == FILES)
            printf("COMPREPLY=($(compgen -f -- \"$word\"))");
        printf("%sreturn ;;\n", words || filler_of(&o[i]) != NOTHING ? "; " : "");
    }
    printf("    esac\n");
    if (takes_id(c))
        printf("    [ $arguments = 0 ] && ids=1\n");
    if (takes_folder(c))
        printf("    [ $arguments = 1 ] && folders=1\n");
    printf("    ;;\n");
}

static void bash(const vk_command *all, size_t n)
{
    printf("# bash completion for valetkey\n"
           "_valetkey() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= options= "
           "arguments=0 ids= folders= data= i w\n"
           "  local all='");
    for (size_t i = 0; i < n; i++)
        printf("%s%s", i ? "|" : "", all[i].name);
    printf("'\n"
           "  COMPREPLY=()\n"
           "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "    w=${COMP_WORDS[i]}\n"
           "    [ \"$w\" = -- ] && { compopt -o default 2>/dev/null; return; }\n"
           "    [ \"$w\" = --data ] && data=${COMP_WORDS[i+1]}\n"
           "    if [[ \"|$all|\" != *\"|$command|\"* || -z $command ]]; then\n"
           "      command=\"${command:+$command }$w\"\n"
           "    elif [[ $w != -* && ${COMP_WORDS[i-1]} != --* ]]; then\n"
           "      arguments=$((arguments + 1))\n"
           "    fi\n"
           "  done\n"
           "  case $command in\n");
    for (size_t i = 0; i < n; i++)
        bash_options(&all[i]);
    printf("  *) # a word of a command\n"
           "    local c IFS='|' words=()\n"
           "    for c in $all; do\n"
           "      if [ -z \"$command\" ]; then words+=(\"${c%%%% *}\")\n"
           "      elif [[ $c == \"$command \"* ]]; then c=${c#\"$command \"}; words+=(\"${c%%%% *}\"); fi\n"
           "    done\n"
           "    IFS=$' \\t\\n'\n"
           "    COMPREPLY=($(compgen -W \"${words[*]} $([ -z \"$command\" ] && echo help)\" -- \"$word\" | "
           "sort -u))\n"
           "    return ;;\n"
           "  esac\n"
           "  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
           "  elif [ -n \"$ids\" ]; then COMPREPLY=($(compgen -W \"$(valetkey completion ids ${data:+--data "
           "\"$data\"} "
           "2>/dev/null)\" -- \"$word\"))\n"
           "  elif [ -n \"$folders\" ]; then COMPREPLY=($(compgen -d -- \"$word\"))\n"
           "  fi\n"
           "}\n"
           "complete -F _valetkey valetkey\n");
}

/* ---- zsh */

/* A description in a pair of brackets, inside single quotes. */
static void zsh_text(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'')
            printf("'\\''");
        else if (strchr("[]:\\", s.p[i]))
            printf("\\%c", s.p[i]);
        else
            putchar(s.p[i]);
    }
}

static void zsh_options(const vk_command *c)
{
    vk_option o[VK_OPTIONS_MAX];
    size_t n = vk_help_options(c->help, o);
    printf("  '%s') _arguments -S", c->name);
    for (size_t i = 0; i < n; i++) {
        printf(" '*" VK_STR_FMT "[", VK_STR_ARG(o[i].name));
        zsh_text(o[i].text);
        printf("]");
        if (o[i].value.n) {
            filler f = filler_of(&o[i]);
            printf(":" VK_STR_FMT ":", VK_STR_ARG(o[i].value));
            if (words_of(f))
                printf("(%s)", words_of(f));
            else
                printf("%s", f == FOLDERS ? "_files -/" : f == FILES ? "_files" : " ");
        }
        printf("'");
    }
    if (takes_id(c))
        printf(" '1:build:_valetkey_ids'");
    if (takes_folder(c))
        printf(" '2:folder:_files -/'");
    if (strcmp(c->name, "run") == 0)
        printf(" '*::command:_normal'");
    else
        printf(" '*: : '"); /* further arguments are nobody's to complete */
    printf(" ;;\n");
}

static void zsh(const vk_command *all, size_t n)
{
    printf("#compdef valetkey\n"
           "_valetkey_ids() {\n"
           "  local -a ids data\n"
           "  [[ -n ${opt_args[--data]} ]] && data=(--data ${opt_args[--data]})\n"
           "  ids=(${(f)\"$(valetkey completion ids $data 2>/dev/null)\"})\n"
           "  compadd -a ids\n"
           "}\n"
           "_valetkey() {\n"
           "  local command=$words[2]\n"
           "  local -a all=(");
    for (size_t i = 0; i < n; i++)
        printf(" '%s'", all[i].name);
    printf(")\n"
           "  if (( CURRENT == 2 )); then compadd help ${(u)all%%%% *}; return; fi\n"
           "  while (( ! ${all[(Ie)$command]} )); do\n"
           "    (( CURRENT < 3 )) && return\n"
           "    if (( CURRENT == 3 )); then\n"
           "      local -a next=(${${(M)all:#$command *}#$command })\n"
           "      compadd ${(u)next%%%% *}; return\n"
           "    fi\n"
           "    command=\"$command $words[3]\"\n"
           "    shift words; (( CURRENT-- ))\n"
           "  done\n"
           "  shift words; (( CURRENT-- ))\n"
           "  case $command in\n");
    for (size_t i = 0; i < n; i++)
        zsh_options(&all[i]);
    printf(
        "  esac\n"
        "}\n"
        "if [ \"$funcstack[1]\" = _valetkey ]; then _valetkey \"$@\"; else compdef _valetkey valetkey; fi\n");
}

/* ---- fish */

static void fish_quoted(vk_str s)
{
    putchar('\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'' || s.p[i] == '\\')
            putchar('\\');
        putchar(s.p[i]);
    }
    putchar('\'');
}

static void fish_command(const vk_command *c)
{
    vk_option o[VK_OPTIONS_MAX];
    char when[160];
    size_t n = vk_help_options(c->help, o), first = strcspn(c->name, " ");
    bool alone = !c->name[first];
    printf("complete -c valetkey -n '__fish_use_subcommand' -f -a %.*s", (int)first, c->name);
    if (alone)
        snprintf(when, sizeof when, "__fish_seen_subcommand_from %s", c->name);
    else
        snprintf(when, sizeof when,
                 "string match -q -- \"* %s *\" (commandline -opc | string join \" \")\" \"", c->name);
    int words = 1;
    for (size_t at = first; c->name[at]; words++) {
        size_t next = strcspn(c->name + at + 1, " ");
        printf("\ncomplete -c valetkey -n 'string match -q -- \"* %.*s\" (commandline -opc | string join \" "
               "\"); and "
               "test (count (commandline -opc)) = %d' -f -a %.*s",
               (int)at, c->name, words + 1, (int)next, c->name + at + 1);
        at += next + 1;
    }
    printf(" -d ");
    fish_quoted(vk_str_z(c->summary));
    putchar('\n');
    for (size_t i = 0; i < n; i++) {
        filler f = filler_of(&o[i]);
        printf("complete -c valetkey -n '%s' -l " VK_STR_FMT, when, (int)(o[i].name.n - 2), o[i].name.p + 2);
        if (o[i].value.n)
            printf("%s", f == FOLDERS || f == FILES ? " -r -F" : " -x");
        if (words_of(f))
            printf(" -a '%s'", words_of(f));
        printf(" -d ");
        fish_quoted(o[i].text);
        putchar('\n');
    }
    if (takes_id(c))
        printf("complete -c valetkey -n '%s' -f -a '(valetkey completion ids 2>/dev/null)'\n", when);
}

static void fish(const vk_command *all, size_t n)
{
    printf("# fish completion for valetkey\n"
           "complete -c valetkey -f\n");
    for (size_t i = 0; i < n; i++)
        fish_command(&all[i]);
}

/* ---- ids, for these scripts: no daemon is no error */

static int ids(const char *data)
{
    vk_api api;
    vk_reply r;
    if (vk_api_open_quiet(&api, data) != VK_OK)
        return VK_EXIT_OK;
    if (vk_api_call(&api, "GET", "/api/v1/builds?limit=500", VK_STR_NONE, VK_STR_NONE, &r) == VK_OK) {
        const vk_json *all = vk_json_get(r.json, VK_STR("builds"));
        for (const vk_json *b = vk_reply_items(all); b; b = b->next)
            printf("%s\n", vk_reply_text(&r, b, "id"));
        vk_reply_free(&r);
    }
    vk_api_close(&api);
    return VK_EXIT_OK;
}

int vk_cmd_completion(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(const vk_command *all, size_t n);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    const char *shell, *data = NULL;
    size_t n;
    const vk_command *all = vk_commands(&n);
    const vk_opt opts[] = {VK_OPT_T("data", data), {0}};
    if (vk_args(argc, argv, opts, &shell, 1, 1, "bash, zsh or fish", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    if (strcmp(shell, "ids") == 0)
        return ids(data);
    for (size_t i = 0; i < VK_COUNT(shells); i++)
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].print(all, n);
            return VK_EXIT_OK;
        }
    return vk_usage(argv[0], "There is no completion for \"%.40s\"; there is for bash, zsh and fish.", shell);
}
