/* The variables of a key check, and the templates of template/src/lib/key-rules.json that are filled with
 * them: the values that were typed, by the names of their environment variables, what code makes of them
 * (key_facts.h), and what answers gave. */
#ifndef VK_COURIER_VARS_H
#define VK_COURIER_VARS_H

#include "core/arena.h"
#include "core/buf.h"

enum {
    VK_VARS_MAX = 64,
    VK_FILL_MAX = 64 * 1024, /* bytes of what a template gives */
    VK_SHORTEST_SECRET = 6,
};

typedef enum vk_var_kind {
    VK_VAR_PLAIN,  /* may be shown */
    VK_VAR_PATH,   /* likewise; its slashes stay slashes in a URL */
    VK_VAR_ORIGIN, /* likewise; in a URL it is a host or an origin, and stands there as it is */
    VK_VAR_SECRET, /* shown as four dots */
} vk_var_kind;

typedef struct vk_var {
    vk_str name, value;
    vk_var_kind kind;
} vk_var;

/* Values are the caller's memory, or the arena's. */
typedef struct vk_vars {
    size_t n;
    vk_var v[VK_VARS_MAX];
} vk_vars;

/* The last one of that name counts. VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_vars_set(vk_vars *vars, vk_str name, vk_str value, vk_var_kind kind);
/* VK_STR_NONE: there is none. */
vk_str vk_vars_get(const vk_vars *vars, vk_str name);

typedef enum vk_fill_how {
    VK_FILL_TEXT,  /* as they are */
    VK_FILL_URL,   /* percent-encoded, but what may be (vk_var_kind) */
    VK_FILL_JSON,  /* the inside of a JSON string */
    VK_FILL_SHOWN, /* for people: secrets stay hidden */
} vk_fill_how;

/* Appends the text with each {name} replaced; an unknown name is replaced by nothing. A brace that opens no
 * name (letters, digits, "_") stands for itself. Errors are the buffer's. */
void vk_fill(const vk_vars *vars, vk_str text, vk_fill_how how, vk_buf *out);
/* The same with VK_FILL_TEXT, in the arena. {NULL,0}: no memory. */
VK_MUSTCHECK vk_str vk_filled(vk_arena *a, const vk_vars *vars, vk_str text);
/* `text` with each secret of at least VK_SHORTEST_SECRET bytes in it replaced by `hidden`, in the arena:
 * answers may repeat what they were asked with. {NULL,0}: no memory. */
VK_MUSTCHECK vk_str vk_scrubbed(vk_arena *a, const vk_vars *vars, vk_str text, vk_str hidden);
/* Percent-encodes all but letters, digits and "-._~"; with `slash`, slashes stay. */
void vk_percent(vk_buf *out, vk_str s, bool slash);

#endif
