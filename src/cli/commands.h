/* The command table, for those who describe it: help, shell completion, the man page. */
#ifndef VK_CLI_COMMANDS_H
#define VK_CLI_COMMANDS_H

#include "core/base.h"

typedef struct vk_command {
    const char *name; /* one word or two */
    int (*run)(int argc, char **argv);
    const char *help, *summary;
} vk_command;

/* All of them, in the order of the overview. */
const vk_command *vk_commands(size_t *n_r);

enum { VK_OPTIONS_MAX = 32 };

/* An option as the help text has it. Views into the text. */
typedef struct vk_option {
    vk_str name;  /* "--out" */
    vk_str value; /* "FILE"; empty: it takes none */
    vk_str text;  /* what it does, its first line; may be empty */
} vk_option;

/* The options in a help text, each once, in their order; how many. "--help" is the last. */
size_t vk_help_options(const char *help, vk_option out[VK_OPTIONS_MAX]);
/* The usage line behind "Usage: valetkey "; what is before the first blank line of it. */
vk_str vk_help_usage(const char *help);

#endif
