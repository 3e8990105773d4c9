/* One call of either API, from its head to its answer, and what the files of the service share.
 *
 * Map: service.c the service's contract · front.c head, the way to the build's strand and back · answer.c
 * envelopes, errors, CORS · routes.c which endpoint · who.c who asks · ask.c parameters, passwords · client.c
 * the client as JSON, its sessions, the browser that holds it · token.c session tokens · sign_up.c,
 * sign_in.c, attempt.c, ticket.c attempts · handshake.c, session.c, reverify.c, me.c, address.c the rest of
 * the Frontend API · backend_*.c the Backend API · embedded/ the build's user pool on disk (pools.h: which
 * are open, and the strands on which all of it runs).
 *
 * A handler runs on the strand of its build: nothing else of the build runs meanwhile, c->db is open, and
 * unless the route only reads, a transaction is. It answers by writing c->w and returning VK_AUTH_F_OK, or by
 * a reason of errors.h, which undoes everything that it changed (but see c->keep). It never waits: work with
 * passwords is asked for (vk_auth_hash, vk_auth_check), and the handler runs again from its beginning, in a
 * new transaction, when that is done; so it asks before it changes anything. */
#ifndef VK_AUTH_CALL_H
#define VK_AUTH_CALL_H

#include "crypto/password_pool.h"
#include "services/auth/embedded/attempts.h"
#include "services/auth/embedded/clients.h"
#include "services/auth/embedded/kept.h"
#include "services/auth/embedded/pools.h"
#include "services/auth/embedded/tickets.h"
#include "services/auth/embedded/users.h"
#include "services/auth/errors.h"
#include "services/auth/params.h"
#include "services/auth/redirect.h"
#include "services/auth/shapes.h"

enum {
    VK_AUTH_IDS_MAX = 2,           /* ids in one path */
    VK_AUTH_WORKS_MAX = 3,         /* passwords that one call hashes or checks */
    VK_AUTH_BODY_MAX = 256 * 1024, /* three metadata objects, escaped */
    VK_AUTH_PASSWORD_MAX =
        4096, /* bytes of a password that is given; which may be chosen: vk_password_judge */
};

/* Who must be known before the handler runs. */
typedef enum vk_auth_need {
    VK_AUTH_NEEDS_NOBODY,
    VK_AUTH_NEEDS_BROWSER, /* a dev browser (c->browser); its client, if it has one (c->client) */
    VK_AUTH_NEEDS_SESSION, /* and an active session of that client: the path's {sess}, or `_clerk_session_id`,
                            * or the client's last (c->session, c->person). The path's may be any that is the
                            * client's: whether it is active is then for the handler */
    VK_AUTH_NEEDS_BACKEND, /* the build's secret key; a call of the Backend API */
} vk_auth_need;

/* What stands around the resource that the handler writes. */
typedef enum vk_auth_form {
    VK_AUTH_BARE,     /* nothing */
    VK_AUTH_ENVELOPE, /* {"response":…,"client":<the client, or null>} */
    VK_AUTH_ALONE,    /* {"response":…,"client":null} */
} vk_auth_form;

struct vk_auth_call;
typedef struct vk_auth_route {
    const char *method; /* after `_method` */
    /* Below /b/<build>/v1 or /b/<build>/bapi/v1: "/client/sign_ups/{sua}/attempt_verification". A segment in
     * braces is an id of that prefix, which goes to c->id[]; anything else there is 404. */
    const char *path;
    vk_auth_need need;
    vk_auth_form form;
    bool reads; /* no transaction: changes nothing, or what needs none */
    bool dear;  /* makes rows or messages for people who are not known: limited by address and build (front.c)
                 */
    vk_auth_fail (*run)(struct vk_auth_call *c);
    /* A password, code or ticket may come with it: refused once too many wrong ones came from the address, be
     * it right or not */
    bool guesses;
} vk_auth_route;

/* The endpoints: a table in each file that has some, listed in routes.c. Each ends with .method NULL. */
extern const vk_auth_route vk_auth_client_routes[], vk_auth_handshake_routes[], vk_auth_sign_up_routes[],
    vk_auth_sign_in_routes[], vk_auth_session_routes[], vk_auth_reverify_routes[], vk_auth_me_routes[],
    vk_auth_address_routes[], vk_auth_ticket_routes[], vk_auth_backend_user_routes[],
    vk_auth_backend_change_routes[], vk_auth_backend_session_routes[], vk_auth_backend_ticket_routes[],
    vk_auth_backend_address_routes[], vk_auth_backend_instance_routes[];

/* What follows from the build's id and the settings; the same for each call. In the pool's memory. */
typedef struct vk_auth_about {
    char build[VK_BUILD_ID_MAX + 1];
    char instance[VK_AUTH_SLUG_MAX + 5]; /* ins_<build>, the kid of its tokens */
    char host[VK_AUTH_HOST_MAX + 1];     /* <build>.vk_accounts.dev */
    char issuer[VK_AUTH_HOST_MAX + 9];   /* https://<host> */
    char key[VK_AUTH_PK_MAX + 1];        /* the publishable key */
    char suffix[VK_AUTH_SUFFIX + 1];     /* of its cookies */
} vk_auth_about;

typedef struct vk_auth_work {
    vk_password_job job;
    struct vk_auth_call *call;
    vk_password_kind kind;
    vk_secret password, digest; /* as asked for, in the arena */
    bool done;
} vk_auth_work;

typedef struct vk_auth_call {
    vk_exchange *ex;
    const vk_auth_route *route;
    vk_auth_pool *pool;              /* held from when the body is there until the answer is made: a
                                      * revocation waits for those who hold it, and for no slow client */
    const vk_tenant *tenant;         /* whose key or address it came with; NULL: the operator asks */
    void (*resume)(vk_exchange *ex); /* answers, back on the loop */
    const char *empty;               /* the operator's answer when the build has no users yet */
    vk_auth_job job;
    const vk_auth_about *about;
    vk_arena *arena; /* the exchange's */

    /* The request. */
    struct vk_forward *forward; /* the call goes to a vendor (clerk/); then nothing of the rest is used */
    vk_str id[VK_AUTH_IDS_MAX]; /* of the path */
    vk_auth_params form;        /* the body's parameters, of either API */
    vk_auth_params query;       /* the URL's */
    /* the build's, or the usual ones on a developer's own machine. Of the Backend API's calls: only of those
     * that change something */
    const vk_str *origins;
    size_t n_origins;
    bool partitioned; /* vk_auth_is_partitioned of these */
    char origin[VK_AUTH_ORIGIN_MAX +
                1]; /* of the page that asks, one of the build's; "" when it did not say */

    /* On the strand. */
    vk_auth_db *db;
    int64_t now_ms; /* one time for the whole call */
    bool has_browser, has_client;
    uint8_t browser[VK_SHA256]; /* the hash of the dev browser's id */
    vk_auth_client client;      /* of the browser. Changed in place together with its row */
    vk_auth_session session;    /* VK_AUTH_NEEDS_SESSION */
    vk_auth_person person;      /* whose that is */
    vk_auth_work works[VK_AUTH_WORKS_MAX];
    size_t n_works, asked;
    int runs; /* how often it began */

    /* The answer. */
    vk_auth_fail fail; /* the spine's: what it came to */
    vk_jw w;           /* the resource, into ex->out; nothing of it stays when the handler refuses */
    int status;        /* 200 unless it is set */
    vk_str to;         /* a redirect (307, without a body) in place of a resource */
    bool keep;         /* with a refusal: what was changed counts all the same (a try of a code) */
    vk_str param;      /* of a refusal: which parameter, where the table of reasons names none */
    bool guessed; /* of a refusal: a password, code, ticket or nonce was wrong. Counted against the address */
    char new_browser[VK_AUTH_ID_MAX + 1]; /* the browser's new id, for the header Clerk-Db-Jwt; "" */
} vk_auth_call;

static inline vk_auth_call *vk_auth_call_of(const vk_exchange *ex)
{
    return ex->ctx;
}

/* ---- front.c: for handlers, on the strand */

/* What a handler returns when work with a password was asked for: the call runs again later. Never an answer.
 */
#define VK_AUTH_F_AGAIN VK_AUTH_FAILS

/* What a failed call of the store means: VK_AUTH_F_INTERNAL, or that there are too many. Only for what the
 * caller has no better word for. Not with VK_OK. */
vk_auth_fail vk_auth_broke(const vk_auth_call *c, vk_err e);

/* The digest of a password that somebody chose; judged (vk_password_judge) and copied first, so that a short
 * one is refused without any work. *digest_r lives in the arena. VK_AUTH_F_AGAIN: return it. */
VK_MUSTCHECK vk_auth_fail vk_auth_hash(vk_auth_call *c, vk_secret password, vk_secret *digest_r);
/* Whether it is the password of that digest. *better_r (may be NULL): a digest to be stored instead, or
 * VK_SECRET_NONE. VK_AUTH_F_AGAIN: return it. A wrong password is VK_AUTH_F_OK with *right_r false. */
VK_MUSTCHECK vk_auth_fail vk_auth_check(vk_auth_call *c, vk_password_kind kind, vk_secret digest,
                                        vk_secret password, bool *right_r, vk_secret *better_r);
/* The same work for somebody who is not there, or has no password: it takes as long, and is never right. */
VK_MUSTCHECK vk_auth_fail vk_auth_check_nobody(vk_auth_call *c, vk_secret password);

/* A refusal that names its parameter: returns `why`. */
vk_auth_fail vk_auth_bad(vk_auth_call *c, vk_auth_fail why, const char *param);
/* A parameter that must be there: VK_AUTH_F_PARAM_MISSING or _FORMAT with c->param set. Those that may be
 * missing are VK_STR_NONE then. From the body; the Backend API's GETs from the query. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_text(vk_auth_call *c, const char *name, size_t most, vk_str *out_r);
VK_MUSTCHECK vk_auth_fail vk_auth_may_text(vk_auth_call *c, const char *name, size_t most, vk_str *out_r);
VK_MUSTCHECK vk_auth_fail vk_auth_need_secret(vk_auth_call *c, const char *name, size_t most,
                                              vk_secret *out_r);
/* *there_r: it was given; null, or the empty text of a form, is given and VK_STR_NONE. */
VK_MUSTCHECK vk_auth_fail vk_auth_set_text(vk_auth_call *c, const char *name, size_t most, bool *there_r,
                                           vk_str *out_r);
/* A JSON object as text in the arena; VK_STR_NONE when it is missing or null. */
VK_MUSTCHECK vk_auth_fail vk_auth_may_object(vk_auth_call *c, const char *name, vk_str *out_r);

/* HMAC under the build's key for what is looked up by a secret: dev browsers, nonces, tickets. */
void vk_auth_lookup(const vk_auth_call *c, vk_secret text, uint8_t out[VK_SHA256]);
/* The key for codes (verification.h). */
vk_secret vk_auth_code_key(const vk_auth_call *c);
/* Whether 424242 is right for that address here. */
bool vk_auth_fixed(const vk_auth_call *c, vk_str address);
/* Strict: an address that is not known is not told apart from one that is (setting
 * auth_enumeration_protection). */
bool vk_auth_hides_users(const vk_auth_call *c);
/* The address that a browser reaches the build's Frontend API by: "<url_browser>/b/<build>", in the arena.
 * VK_STR_NONE: no memory. */
vk_str vk_auth_gateway(const vk_auth_call *c);
/* For shapes.h. */
vk_auth_view vk_auth_view_of(const vk_auth_call *c);
/* The key of the build's tokens; made at first use. */
VK_MUSTCHECK vk_auth_fail vk_auth_rsa(vk_auth_call *c, const vk_rsa **out_r);

/* ---- who.c: asked before the handler runs, unless its route needs nobody */

/* The browser that the query names, and its client: c->browser, c->client. Notes at most once a day that
 * they are in use. VK_AUTH_F_DEV_BROWSER: it names none, or one that is not known. */
VK_MUSTCHECK vk_auth_fail vk_auth_browser_of(vk_auth_call *c);

/* ---- client.c */

/* A user with addresses, as they are now, in the arena; VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_person_get(vk_auth_call *c, vk_str user, vk_auth_person *out_r);
/* Whose session it is, if it may be used now: it is active, and its user is there and neither banned nor
 * locked by the Backend API (who guesses passwords, which locks a user for sign-ins, signs nobody out).
 * VK_E_NOT_FOUND: it may not. */
VK_MUSTCHECK vk_err vk_auth_session_person(vk_auth_call *c, const vk_auth_session *s, vk_auth_person *out_r);
/* A new dev browser, which becomes the call's; `client` VK_STR_NONE: it leads to none. Its id goes into an
 * answer, and stays nowhere. */
VK_MUSTCHECK vk_auth_fail vk_auth_browser_new(vk_auth_call *c, vk_str client, char id_r[VK_AUTH_ID_MAX + 1]);
/* The browser's client gets a new browser (c->new_browser), and every other leads nowhere: whoever planted
 * the id in a victim's browser sees nothing of what is done on the client from here on. */
VK_MUSTCHECK vk_auth_fail vk_auth_browser_rotate(vk_auth_call *c);
/* vk_auth_need_client for a sign-up or sign-in that begins; with vk_auth_browser_rotate, unless the client
 * has a session: else whoever planted the id could put a password into the attempt whose code the victim is
 * about to type. (With a session it was changed at that sign-in; other tabs still use it.) */
VK_MUSTCHECK vk_auth_fail vk_auth_need_client_anew(vk_auth_call *c);
/* Makes the browser's client when it has none. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_client(vk_auth_call *c);
/* A person has proved who they are: makes a session on the browser's client (which is made, too, when there
 * is none), replaces its other active ones (single session mode), moves client.updated_ms, sets its last
 * session and strategy, ends its attempts, notes the user's sign-in, and gives the browser a new id
 * (c->new_browser): whoever knew the old one, and perhaps put it there, holds nothing. The user must not be
 * banned or locked: that is asked here. The row of the user is written: who changes it too does that before.
 * The client's open attempts are abandoned: one that this completes is put afterwards. VK_AUTH_F_NOT_FOUND:
 * no such user. `strategy`: "password", "email_code", "ticket". */
VK_MUSTCHECK vk_auth_fail vk_auth_sign_in_user(vk_auth_call *c, vk_str user, const char *strategy,
                                               vk_auth_session *out_r);
/* The client as it is now, or null: with its active sessions, a fresh token in each, and the attempts under
 * way. */
VK_MUSTCHECK vk_auth_fail vk_auth_client_now(vk_auth_call *c, vk_jw *w);
/* A session with its person and, while it is active, a fresh token. */
VK_MUSTCHECK vk_auth_fail vk_auth_session_now(vk_auth_call *c, const vk_auth_session *s, vk_jw *w);
/* After one or more sessions of c->client have ended (the Backend API's handlers load it first): its next
 * active one becomes the last, updated_ms moves. */
VK_MUSTCHECK vk_auth_fail vk_auth_sessions_ended(vk_auth_call *c);
/* The handler of both APIs' key set. */
vk_auth_fail vk_auth_jwks(vk_auth_call *c);

/* ---- session.c */

/* Ends the active sessions of a user in all browsers, but for one (or VK_STR_NONE), and settles the clients
 * that had them: their next active session becomes the last, their updated_ms moves. For c->client that is
 * done, too. */
VK_MUSTCHECK vk_auth_fail vk_auth_end_sessions(vk_auth_call *c, vk_str user, vk_str but,
                                               vk_auth_status status);
/* Ends one session (which is stored as active; else nothing happens), in whichever browser, as above. */
VK_MUSTCHECK vk_auth_fail vk_auth_session_stop(vk_auth_call *c, vk_auth_session *s, vk_auth_status status);
/* An active session's person may be asked something: neither banned nor gone. VK_AUTH_F_NOT_SIGNED_IN. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_active(const vk_auth_call *c);

/* ---- reverify.c */

/* How long a proof of who somebody is is good for what must not be done by whoever finds a browser open:
 * Clerk's "strict" level. */
enum { VK_AUTH_FRESH_MS = 10 * 60 * 1000 };
/* VK_AUTH_F_REVERIFY: the session's person has not proved who they are for VK_AUTH_FRESH_MS. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_fresh(const vk_auth_call *c);
/* Whether it is the password of the session's person. A wrong one is counted (lockout, c->keep, c->guessed)
 * and refused as `wrong`; a right one clears the count and stores a better digest. c->person is read again.
 * Also VK_AUTH_F_AGAIN: return it. */
VK_MUSTCHECK vk_auth_fail vk_auth_need_password(vk_auth_call *c, vk_secret password, vk_auth_fail wrong);

/* ---- me.c */

/* Stores the person's user and reads c->person again. updated_ms is the caller's to move. */
VK_MUSTCHECK vk_auth_fail vk_auth_person_put(vk_auth_call *c, const vk_auth_user *u);

/* ---- address.c */

/* The person's address of that id; NULL: none, or another's. */
const vk_auth_email_row *vk_auth_email_of(const vk_auth_call *c, vk_str id);
/* Makes it the person's primary address: one of theirs, verified; asks for vk_auth_need_fresh unless it is
 * that already. c->person is read again. */
VK_MUSTCHECK vk_auth_fail vk_auth_set_primary(vk_auth_call *c, vk_str id);

/* ---- token.c */

/* A session token for `azp` (an origin, or VK_STR_NONE); the same one again for 10 s. The client's
 * updated_ms must have been moved before. *jwt_r lives in the arena. `fresh`: made now (skip_cache).
 * VK_AUTH_F_NOT_SIGNED_IN: vk_auth_session_person finds nobody. */
VK_MUSTCHECK vk_auth_fail vk_auth_token(vk_auth_call *c, const vk_auth_session *s, vk_str azp, bool fresh,
                                        vk_secret *jwt_r);
/* The same where vk_auth_session_person has been asked. */
VK_MUSTCHECK vk_auth_fail vk_auth_token_of(vk_auth_call *c, const vk_auth_session *s, vk_str azp, bool fresh,
                                           vk_secret *jwt_r);
typedef struct vk_auth_tokens vk_auth_tokens; /* the cache, of one pool; used on its strand */
void vk_auth_tokens_free(vk_auth_tokens *t);  /* NULL is allowed */

/* ---- attempt.c */

/* What the JSON of an attempt of the browser's client is made of: `id` as the client has it, "" for none.
 * out_r->attempt is NULL when there is none that is open. Before the sign-in is complete, and where nobody is
 * to be told who has an account, the person in it is the same for everybody. In the arena. */
VK_MUSTCHECK vk_auth_fail vk_auth_attempt_now(vk_auth_call *c, const char *id, vk_auth_try_view *out_r);
/* Sends a code: writes it to the outbox. `what` is for people: "sign_up", "sign_in", "reset_password",
 * "email_address". */
VK_MUSTCHECK vk_auth_fail vk_auth_send_code(vk_auth_call *c, vk_auth_verification *v, vk_str about,
                                            vk_str address, const char *what);
/* Tries one. VK_AUTH_F_OK: right. VK_AUTH_F_TOO_MANY: it is not looked at, since VK_AUTH_LOCKOUT_MAX wrong
 * ones came for that address within VK_AUTH_LOCKOUT_MS, in whichever attempts. Otherwise the refusal; c->keep
 * and c->guessed are set. The caller stores *v in both cases. */
VK_MUSTCHECK vk_auth_fail vk_auth_try_code(vk_auth_call *c, vk_auth_verification *v, vk_str about,
                                           vk_str address, vk_secret code);

#endif
