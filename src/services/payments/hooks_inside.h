/* Between hooks.c, which keeps time on loop 0, and hooks_turn.c, which reads and writes on a build's strand.
 */
#ifndef VK_PAY_HOOKS_INSIDE_H
#define VK_PAY_HOOKS_INSIDE_H

#include "services/payments/embedded/pools.h"
#include "services/payments/origins.h"
#include "services/payments/value.h"
#include "services/payments/hook.h"
#include "services/reach.h"

enum {
    VK_PAY_FLIGHTS = 24,       /* attempts under way, of all builds */
    VK_PAY_FLIGHTS_SLOW = 12,  /* of these, to receivers that were slow the last time */
    VK_PAY_FLIGHTS_BUILD = 4,  /* of these, of one build */
    VK_PAY_SLOW_MS = 2000,     /* so long, and it was slow */
    VK_PAY_NOTE_MAX = 4096,    /* bytes of an answer that are kept */
    VK_PAY_ATTEMPTS_KEPT = 12, /* of one delivery, the latest */
};

struct vk_pay_hooked;

/* One attempt. The texts are behind it. */
typedef struct vk_pay_flight {
    vk_list node;
    vk_reach reach;
    struct vk_pay_hooked *of;
    int64_t id, created_ms;
    uint64_t generation; /* of the build's keys: a later build of that name is another one */
    int tries;           /* before this one */
    bool slow;
    vk_str event, endpoint, url, body, log; /* log: of the attempts before, as JSON */
    char origin[VK_PAY_ORIGIN_MAX + 1], signature[VK_PAY_SIGNATURE_MAX];
    vk_reach_header headers[2];
    /* What came of it: */
    int64_t at_ms, took_ms;
    int status;
    vk_str answer; /* on the heap: the beginning of the body, or why there is none */
} vk_pay_flight;

void vk_pay_flight_free(vk_pay_flight *f);

/* A look at a build's deliveries. */
typedef struct vk_pay_turn {
    vk_pay_job job;
    vk_task task;
    vk_pay_pool *pool;
    struct vk_pay_hooked *of;
    char build[VK_BUILD_ID_MAX + 1];
    char origin[VK_PAY_ORIGIN_MAX + 1]; /* the build's first */
    uint64_t generation;
    bool expire;    /* vk_pay_due, and nothing else */
    bool away;      /* Stripe has the payments: what our own engine has due waits until they are ours again */
    vk_list settle; /* flights that came back */
    struct {
        int64_t id;
        uint64_t endpoint; /* its vk_hash_str */
        bool first;
    } busy[VK_PAY_FLIGHTS_BUILD];                  /* under way */
    size_t n_busy, room, room_slow;                /* how many it may bring */
    void (*told)(struct vk_pay_turn *t, vk_err e); /* on the strand, after the commit */
    vk_err e;

    vk_list flights;
    size_t n, n_slow;
    bool more, more_slow; /* there was no room for more */
    bool expired;         /* something that is no delivery is due */
    int64_t next_ms;      /* when something is due next, INT64_MAX: nothing; the past: what was left here */
} vk_pay_turn;

/* The job of a turn. */
vk_err vk_pay_turn_run(vk_pay_job *j);
void vk_pay_turn_done(vk_pay_job *j, vk_err e);

/* Whether the receiver was slow lately: a note in memory, which may be another's. Any thread. */
bool vk_pay_slow(const char *build, vk_str endpoint);
void vk_pay_slow_set(const char *build, vk_str endpoint, bool slow);

/* The log of a delivery's attempts, an array of {"at","ms","status","answer" or "error"}, with one more: in
 * the arena. Of the older ones a little is kept. VK_STR_NONE: no memory. */
vk_str vk_pay_attempts_add(vk_arena *a, vk_str log, const vk_pay_flight *f);

#endif
