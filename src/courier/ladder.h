/* Runs the checks of one service in template/src/lib/key-rules.json over what somebody typed, and writes the
 * report that the settings page of an app writes too (template/src/lib/key-ladder.ts): to the letter, but
 * for the milliseconds. Everything that it does to the world goes through `send`. */
#ifndef VK_COURIER_LADDER_H
#define VK_COURIER_LADDER_H

#include "core/json_write.h"
#include "courier/match.h"
#include "courier/outbound.h"
#include "courier/rules.h"

enum {
    VK_LADDER_CHECKS_MAX = 64, /* in a report */
    VK_LADDER_REPORT_MAX = 128 * 1024,
    VK_LADDER_ARENA = 16 * 1024 * 1024, /* the table, and what each answer is parsed into */
    /* After that nobody is asked any more, but for what takes away what was written. The call that is under
     * way then, and these, come on top. */
    VK_LADDER_MS = 45 * 1000,
};

typedef struct vk_ladder {
    const vk_json *rules;
    vk_str service;        /* one that the rules have */
    const vk_json *values; /* object: environment name → text; a name that is left out is empty */
    const vk_json *ours;   /* array of the names whose values are valet keys of this installation; NULL */
    int64_t now_ms;        /* wall time */
    const char *probe;     /* VK_PROBE_HEX random hex digits */
    /* Asks, as vk_outbound_call. Blocking. */
    vk_err (*send)(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer);
    /* The same for the method "SQL": the URL is that of a PostgreSQL database, with its login, and the body a
     * statement that is to be taken back; the status is 200, or 400 with the SQLSTATE as the answer's body.
     * NULL: it cannot be asked, and such a check says so. */
    vk_err (*sql)(void *arg, const vk_outbound_ask *ask, vk_outbound_answer *answer);
    void *arg;
    int64_t (*clock_ms)(void *arg); /* how the time goes by; NULL: vk_clock_mono_ms */
} vk_ladder;

/* Appends the report, one JSON object, to `out`. What it used of `a` may hold keys: the caller wipes it.
 * VK_E_NOMEM; VK_E_TOO_LARGE: `out`; VK_E_INTERNAL: the rules are damaged. */
VK_MUSTCHECK vk_err vk_ladder_run(vk_arena *a, const vk_ladder *q, vk_buf *out);

#endif
