/* Options of a subcommand: --name VALUE, --name=VALUE, --flag. Everything else is a positional argument; "--"
 * ends the options. */
#ifndef VK_CLI_ARGS_H
#define VK_CLI_ARGS_H

#include "core/base.h"

enum { VK_MANY_MAX = 64 };

typedef struct vk_many {
    const char *v[VK_MANY_MAX];
    size_t n;
} vk_many;

typedef struct vk_opt {
    const char *name; /* without the dashes; NULL ends */
    enum { VK_OPT_FLAG, VK_OPT_TEXT, VK_OPT_MANY } kind;
    union {
        bool *flag;
        const char **text; /* given twice: an error */
        vk_many *many;
    } to;
} vk_opt;

#define VK_OPT_F(n, var)                                                                                     \
    {                                                                                                        \
        (n), VK_OPT_FLAG,                                                                                    \
        {                                                                                                    \
            .flag = &(var)                                                                                   \
        }                                                                                                    \
    }
#define VK_OPT_T(n, var)                                                                                     \
    {                                                                                                        \
        (n), VK_OPT_TEXT,                                                                                    \
        {                                                                                                    \
            .text = &(var)                                                                                   \
        }                                                                                                    \
    }
#define VK_OPT_M(n, var)                                                                                     \
    {                                                                                                        \
        (n), VK_OPT_MANY,                                                                                    \
        {                                                                                                    \
            .many = &(var)                                                                                   \
        }                                                                                                    \
    }

/* Positional arguments go to pos[], at least `least` and at most `most` of them; `wants` names them for the
 * error ("ID"). `rest_r` (may be NULL): what follows "--", NULL-terminated; then pos[] never takes from
 * there. VK_E_INVALID: the sentence was printed; exit with 2. */
VK_MUSTCHECK vk_err vk_args(int argc, char **argv, const vk_opt *opts, const char **pos, size_t least,
                            size_t most, const char *wants, char ***rest_r);
/* The closest of the names, or NULL when none is near. `next(arg, i)` gives the i-th, NULL at the end. */
const char *vk_closest(const char *typed, const char *(*next)(const void *arg, size_t i), const void *arg);

#endif
