/* One call of a key check: from its rule to a request, and from what came back to what the rules can say
 * something about. A part of ladder.c. */
#ifndef VK_COURIER_LADDER_ASK_H
#define VK_COURIER_LADDER_ASK_H

#include "courier/ladder.h"

typedef struct vk_ask_setup {
    vk_arena *a;
    vk_vars *vars;
    const vk_ladder *q;
    const vk_json *rule, *call, *codes; /* of the rules; codes of the service */
    bool late; /* there is no time left: nobody is asked, as if none had answered in time */
} vk_ask_setup;

enum { VK_READ_MAX = 256, VK_CODE_MAX = 64 };

/* Sets {host}, asks, and describes what came back; `body` and `head` keep it. *shown_r: the method and the
 * URL without its query, in the arena. VK_OK also when there was no answer. Not for
 * the method "SQL" without q->sql. VK_E_NOMEM; VK_E_INTERNAL: the
 * rule is damaged. */
VK_MUSTCHECK vk_err vk_ladder_ask(const vk_ask_setup *s, vk_buf *body, vk_buf *head, vk_heard *heard_r,
                                  vk_str *shown_r);
/* Sets the variables that the rule reads from it; what is not there, is longer than VK_READ_MAX bytes or has
 * control characters is empty. */
VK_MUSTCHECK vk_err vk_ladder_read(const vk_ask_setup *s, const vk_heard *heard);

#endif
