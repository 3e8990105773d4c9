/* The conditions of template/src/lib/key-rules.json: on variables (`when`, `test`), and on what a vendor
 * answered (the members of an entry of `answers`). An entry holds when all of its members do; a member that
 * is not known holds never, so that a rule that this program does not understand passes nothing. */
#ifndef VK_COURIER_MATCH_H
#define VK_COURIER_MATCH_H

#include "core/json_read.h"
#include "courier/vars.h"

enum { VK_PATTERN_MAX = 512, VK_PATTERN_TEXT_MAX = 8192, VK_POINTER_DEPTH = 12, VK_GROUPS_MAX = 12 };

/* What came back. */
typedef struct vk_heard {
    int status;      /* 0: there was no answer */
    const char *why; /* then: "timeout", "dns", "tls", "unreachable", "too_large", "guard" or "invalid" */
    vk_str body;
    const vk_json *json; /* of the body; NULL: it is none */
    vk_str code;         /* the vendor's word for what is wrong; may be empty */
    vk_str head;         /* header lines, each with CRLF */
    bool tested, ok;     /* of a test, which nobody was asked for: how it came out */
} vk_heard;

/* A text, a whole number or a truth value as JavaScript's String() writes it, in the arena; VK_STR_NONE:
 * another value, or none, or no memory. */
vk_str vk_json_text(vk_arena *a, const vk_json *v);

/* The value of the first header of that name, without blanks around it; VK_STR_NONE: there is none. */
vk_str vk_heard_header(const vk_heard *heard, vk_str name);

/* The value at an RFC 6901 pointer; NULL: there is none. */
const vk_json *vk_json_at(const vk_json *o, vk_str pointer);

/* Whether `text` matches the extended regular expression. False also when that cannot be compiled, when the
 * text is longer than VK_PATTERN_TEXT_MAX bytes (what is typed is refused far earlier), and without memory.
 */
bool vk_pattern_matches(vk_str pattern, vk_str text);
/* The same; out[i] is what group i took, out[0] the whole match. A group that took nothing is empty. */
bool vk_pattern_groups(vk_str pattern, vk_str text, vk_str out[VK_GROUPS_MAX]);

/* {"equal": [template, template]}; {"matches": [template, pattern]}; {"not": condition};
 * {"all": [condition, …]}; {"any": [condition, …]}. `a` holds what is filled in. */
bool vk_when(vk_arena *a, const vk_vars *vars, const vk_json *condition);

/* Whether that entry of `answers` describes what was heard. One without `status` is of answers only. */
bool vk_answer_fits(vk_arena *a, const vk_vars *vars, const vk_json *entry, const vk_heard *heard);

#endif
