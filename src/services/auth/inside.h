/* Between the files of the spine: front.c, answer.c, routes.c, who.c, ask.c, origins.c. Handlers need call.h
 * only. */
#ifndef VK_AUTH_INSIDE_CALL_H
#define VK_AUTH_INSIDE_CALL_H

#include "services/auth/bundles.h"
#include "services/auth/call.h"
#include "services/auth/clerk/clerk.h"

/* What the service has besides its pools; constant after start. */
typedef struct vk_auth_service {
    vk_password_pool *passwords;
    char nobody[VK_PASSWORD_DIGEST_MAX + 1]; /* the digest of a password that nobody has */
    char gateway[VK_AUTH_ORIGIN_MAX + 1];    /* the origin of our own pages, as browsers see it */
    bool alone;                              /* on loopback, without a public address */
    bool fixed_code, hides_users;            /* settings */
    vk_auth_bundles *bundles;                /* Clerk's scripts; NULL: not installed */
} vk_auth_service;
extern vk_auth_service vk_auth;

/* ---- routes.c */

/* What a path is. */
typedef struct vk_auth_at {
    vk_str build; /* of the form of an id */
    bool backend;
    bool portal, sign_up; /* the hosted page; no call */
    vk_str rest;          /* below /v1, with its slash */
} vk_auth_at;
/* "/b/<build>/…": the build, of the form of an id, and the rest with its slash. False: it is no such path,
 * and *rest_r as before. */
bool vk_auth_path_build(vk_str path, vk_str *build_r, vk_str *rest_r);
/* False: none of the two APIs, nor the portal. */
bool vk_auth_path(vk_str path, vk_auth_at *out_r);
/* The endpoint; NULL: none of ours (VK_AUTH_F_UNSUPPORTED), or an id that is none (VK_AUTH_F_NOT_FOUND). */
const vk_auth_route *vk_auth_route_find(vk_str method, const vk_auth_at *at, vk_str ids_r[VK_AUTH_IDS_MAX],
                                        vk_auth_fail *why_r);

/* ---- service.c */

/* What clerkMiddleware seals keys with that an app gives it at run time (CLERK_ENCRYPTION_KEY): the same for
 * a build at all times. VK_STR_NONE: no memory. */
vk_str vk_auth_encryption_key(const vk_runtime *rt, vk_arena *a, const vk_build *b);

/* ---- pages.c */

/* The service's `prepare`. */
VK_MUSTCHECK vk_err vk_auth_pages_prepare(const vk_runtime *rt);
/* Scripts and pictures, which need no look-up. True: it was one, and is answered. */
bool vk_auth_pages_file(vk_exchange *ex);
/* Answers with the portal; after vk_auth_origins. */
void vk_auth_pages_portal(vk_auth_call *c, bool sign_up);

/* ---- front.c */

/* A call in the exchange's arena; the rest is the caller's to set. It runs when c->job is submitted to its
 * pool; then `resume`. NULL: no memory. */
vk_auth_call *vk_auth_call_new(vk_exchange *ex, void (*resume)(vk_exchange *ex));

/* ---- who.c */

/* Who asks, as the route needs it; on the strand. */
VK_MUSTCHECK vk_auth_fail vk_auth_who(vk_auth_call *c);

/* ---- ask.c */

/* Gives the work that was asked for to the password pool; false: too much waits there already. Afterwards
 * `done` may have run. */
VK_MUSTCHECK bool vk_auth_work_begin(vk_auth_call *c, void (*done)(vk_password_job *j));

/* ---- origins.c */

/* The build's origins, or the usual ones of a developer's own machine when it was given none: c->origins,
 * c->partitioned; from the header Origin c->origin. On the loop. VK_AUTH_F_ORIGIN: a page that has no
 * business with this build. */
VK_MUSTCHECK vk_auth_fail vk_auth_origins(vk_auth_call *c);
/* The first half of it, for a call that comes from no page. */
VK_MUSTCHECK vk_auth_fail vk_auth_origins_load(vk_auth_call *c);

/* ---- answer.c */

/* On the loop. Answers with what c says. */
void vk_auth_answer(vk_auth_call *c);
/* The same with c->fail, whose body is in ex->out already. */
void vk_auth_refused(vk_auth_call *c);
/* The same before there is a call. `c` may be NULL. */
void vk_auth_refuse(vk_exchange *ex, vk_auth_call *c, vk_auth_fail why);
/* A preflight. */
void vk_auth_preflight(vk_auth_call *c);
/* A refusal of the engine itself. */
void vk_auth_refuse_engine(vk_exchange *ex, int status, vk_err e, const char *text);
/* A refusal that the table does not know, of a build whose sign-in is at a vendor. */
void vk_auth_refuse_as(vk_exchange *ex, int status, const char *code, vk_str text);
/* The body of a refusal into ex->out. On the strand or the loop. */
void vk_auth_refusal(vk_exchange *ex, vk_auth_fail why, vk_str param, vk_str client);

extern const vk_handler vk_auth_handler;
extern const vk_operator vk_auth_operator;

typedef struct vk_auth_counts {
    _Atomic uint64_t calls, refused, unsupported, limited, guesses;
} vk_auth_counts;
extern vk_auth_counts vk_auth_count;

#endif
