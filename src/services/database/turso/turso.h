/* The driver `turso`: a database of the build's own at Turso, or at any server that speaks Hrana over HTTP.
 * What the app asks goes there as it is, with the database's token in the place of the build's key. */
#ifndef VK_DB_TURSO_H
#define VK_DB_TURSO_H

#include "services/forward.h"

extern const vk_driver vk_db_turso;

/* A pipeline or a cursor whose key was verified; on the loop. Begins to forward it (vk_forward_request is
 * what comes next), or answers and returns the error. */
VK_MUSTCHECK vk_err vk_db_turso_begin(vk_exchange *ex);

/* What makes an answer of Hrana safe to pass on: a `base_url`, at the top of the object, would lead the app
 * around us with a key that opens nothing there, so its value becomes null. Zero it to start. */
typedef struct vk_db_answer {
    uint32_t depth;
    uint8_t state, kept; /* of the value: how much of "null" was written */
    uint8_t at;          /* of the member's name: bytes that fit */
    bool string, escape, odd, value, key;
} vk_db_answer;
/* The next bytes of the answer, changed where they lie. Text that is no JSON comes out as some text that is
 * none. */
void vk_db_answer_pass(vk_db_answer *s, char *bytes, size_t n);

#endif
