/* What builds have at vendors: made, looked after and taken away by keeper with the organisation's keys.
 *
 * A build whose service is bound to a vendor with a provisioner (vk_vendor.provisioner) and without values of
 * its own gets a resource there: a database, an application, an account. One job a build and vendor, in
 * steps; a step is one request to the vendor's management API (or some work on a thread, for what is no
 * HTTP).
 *
 * The ledger is the build's record in the vault (keeper/org.h, "build/<id>/<vendor>"): the field `made` says
 * how far it is, and which name was chosen. It is on disk before the first request goes out (intent first)
 * and after each step, so whatever a kill leaves is gone on with: a step that was begun and whose end is not
 * known is begun again with vk_prov.tried set, and must then adopt what is there instead of making another
 * one. Names are unique (a part is random), so a resource of our name is ours; no other is ever touched.
 *
 *   (nothing) ─► making ─► ready ─► suspended ─► ending ─► (nothing; the record goes)
 *                   │                               ▲
 *                   └── refused, or out of budget ──┘  (then the reason is kept as "failed" until somebody
 *                                                       provisions again or deprovisions)
 *
 * 429 and 5xx, and what gets no answer, are tried again with growing waits (Retry-After counts), `making` for
 * VK_PROV_BUDGET_MS at most, `ending` for ever. The end of a resource is proven: it is asked for once more,
 * and must not be there. Every request is in the audit, intent and outcome.
 *
 * Who asks is front, which is believed in nothing: keeper looks in its own view of the metadata whether the
 * build is there, is active, and is bound to that vendor. One loop. */
#ifndef VK_KEEPER_PROVISION_H
#define VK_KEEPER_PROVISION_H

#include "core/json_read.h"
#include "core/json_write.h"
#include "http/exchange.h"
#include "keeper/audit.h"
#include "keeper/org.h"
#include "keeper/view.h"
#include "net/lane.h"

enum {
    VK_PROV_NAME_MAX = 63,
    VK_PROV_BODY_MAX = 64 * 1024,              /* bytes of a request's body */
    VK_PROV_ANSWER_MAX = 1024 * 1024,          /* of an answer */
    VK_PROV_VALUES = 12,                       /* notes in the ledger, of one resource */
    VK_PROV_VALUE_MAX = 256,                   /* bytes of one */
    VK_PROV_BUDGET_MS = 10 * 60 * 1000,        /* for making one, from the first request on */
    VK_PROV_WAIT_MS = 500,                     /* before the second try; doubles, with a random part, … */
    VK_PROV_WAIT_MOST_MS = 60 * 1000,          /* … up to this while making, … */
    VK_PROV_END_WAIT_MOST_MS = 60 * 60 * 1000, /* … and up to this while ending */
    VK_PROV_POLL_MS = 1000, /* between two looks at something that is not ready (VK_AGAIN) */
    VK_PROV_JOBS = 10000,   /* not ready ones, at once; then VK_E_BUSY */
    VK_PROV_WHY = 400,
};

typedef struct vk_prov vk_prov;

/* The ledger: a field of each provisioned vendor's `own`, the last one of it. */
#define VK_PROV_MADE_FIELD                                                                                   \
    {                                                                                                        \
        .name = "made", .what = "what valetkey made", .optional = true, .kept = true, .ok = vk_prov_made_ok  \
    }
bool vk_prov_made_ok(vk_str value, const char **why_r);

/* A step's request. All in the job's arena. */
typedef struct vk_prov_request {
    const char *method;
    vk_str path;               /* with the query; begins with "/" */
    vk_str content_type, body; /* empty: none */
    vk_str lines;              /* further header lines, each with CRLF */
    bool again;                /* a second sending does no harm */
    /* Where to and with which credential; NULL: vendor->probe_order, or vendor->order. */
    vk_err (*order)(vk_order *o, const char **why_r);
} vk_prov_request;

/* Work that is no HTTP (libpq), on a thread: `prepare` copies on the loop what is needed into `arena`
 * (wiped), `run` blocks, and touches nothing but this and `arena`; `finish` is on the loop again. What is
 * still open when keeper ends `run` itself closes. Each job has at most one under way. `finish` answers as
 * vk_prov_step.took does; VK_E_UNAVAILABLE and VK_E_TIMEOUT are no answer there, and it is tried again. */
typedef struct vk_prov_work {
    vk_arena *arena;          /* that of the step */
    void *ctx;                /* the vendor's own */
    char host[VK_AUDIT_TEXT]; /* by `prepare`: where to, for the audit */
    vk_err result;            /* of `run`, for `finish` */
    char why[VK_PROV_WHY];
    const _Atomic bool *give_up; /* set: keeper ends */
} vk_prov_work;

typedef struct vk_prov_step {
    const char *what; /* for people, as progress: "create the database"; NULL ends */
    const char *op;   /* in the audit: "databases.create" */
    /* NULL: always. False: nothing is to be done here. Pure. */
    bool (*needed)(const vk_prov *p);
    /* Composes the request. VK_AGAIN: not now, after a while (somebody else of ours is at it). An error is
     * final: `why_r` is a sentence, static or in the arena. */
    vk_err (*ask)(vk_prov *p, vk_prov_request *r, const char **why_r);
    /* Judges the answer; `body` NULL: there is none, or it is no JSON (p->raw has it as it came). Never
     * called for 429, 408 and 5xx but 501, nor when no answer came: these are tried again by themselves, with
     * vk_prov.tried. VK_OK: the next step. VK_AGAIN: this one again after a while (not ready yet; 423), or
     * with p->soon at once (it has more than one request). VK_E_BUSY: as a 429. Anything else is final, with
     * a sentence in *why_r: VK_E_FORBIDDEN (the key may not), VK_E_FULL (a quota or plan of the
     * organisation), VK_E_NOT_FOUND, VK_E_CONFLICT, VK_E_INVALID (an answer that cannot be).
     */
    vk_err (*took)(vk_prov *p, int status, const vk_json *body, const char **why_r);
    /* In place of ask and took. */
    vk_err (*prepare)(vk_prov *p, vk_prov_work *w, const char **why_r);
    void (*run)(vk_prov_work *w); /* on a thread */
    vk_err (*finish)(vk_prov *p, vk_prov_work *w, const char **why_r);
} vk_prov_step;

/* A vendor's driver. */
typedef struct vk_provisioner {
    const char *resource; /* for people: "database" */
    bool opaque;          /* names say nothing of the build: other tenants see them */
    char joint;           /* between the parts of a name: '-' or '_' */
    unsigned at_once;     /* jobs that talk to the vendor at the same time */
    /* NULL: always. False: the organisation's keys, or the binding's values, ask for none (a shared
     * instance). Pure. */
    bool (*wanted)(const vk_org *org, const vk_binding *b);
    const vk_prov_step *make;
    const vk_prov_step *renew;   /* the credential, when the note "expires" says so; NULL: it has none */
    const vk_prov_step *suspend; /* the build was revoked, or has expired: credentials that were given to it
                                  * end; NULL: none was */
    const vk_prov_step *end;     /* the last one proves that it is gone */
    const vk_prov_step *usage;   /* by vk_prov_use; NULL: not known */
    const vk_prov_step *list;    /* all that lie there, by vk_prov_found, for the sweep; NULL: cannot */
    /* What the app itself gets with delivery=direct: a field of `own` or a note, and its name in the answer;
     * NULL ends. NULL, and no `lend`: there is only the gateway. */
    const struct vk_prov_direct {
        const char *name, *from;
        bool secret;
    } * direct;
    /* In place of `direct`, which is NULL then: credentials that are made anew at each question, here,
     * without the vendor, and kept nowhere. Writes "name": "value" into an object that was begun; *expires_r
     * is wall ms, 0: never. Errors as of took. */
    vk_err (*lend)(vk_prov *p, vk_jw *w, int64_t *expires_r, const char **why_r);
} vk_provisioner;

/* One job, as its steps see it. */
struct vk_prov {
    const vk_vendor *vendor;
    const vk_org *org; /* never NULL */
    const vk_org *own; /* the build's record. NULL: of an orphan (`end` by the sweep), which has the note "id"
                        * that vk_prov_found gave it and nothing else */
    char build[VK_BUILD_ID_MAX + 1];
    uint64_t generation;
    /* Of the metadata, now; NULL in `suspend`, `end`, `usage` and `list`, where the build may be gone, or
     * have the service from elsewhere. */
    const vk_binding *binding;
    const vk_str *origins;
    size_t n_origins;
    int64_t build_expires_ms;
    char name[VK_PROV_NAME_MAX + 1]; /* chosen once: "build-shop-abc2de3f", or opaque "vk_abc2de3fgh4i" */
    const char *tag;                 /* what all names of this installation have, for `list` */
    bool tried;                      /* this step was begun before, and what came of it is not known */
    unsigned page;                   /* of `list`: how often it was asked again */
    vk_str raw;                      /* in `took`: the answer's body as it came */
    /* What a step that has more than one request takes from one to the next: empty when it begins (after a
     * restart too), stays through VK_AGAIN and through tries, at most VK_PROV_BODY_MAX. No secret. */
    vk_buf *carry;
    bool soon;       /* set by `took` with VK_AGAIN */
    int64_t now_ms;  /* wall */
    vk_arena *arena; /* wiped; of this step */
};

/* In `took` and `finish`: kept durably before the next step begins. A field of vendor->own, … */
VK_MUSTCHECK vk_err vk_prov_set(vk_prov *p, const char *field, vk_secret value);
/* … or a note that nobody else needs (an id, "expires" in wall ms); no secret. Visible ASCII. */
VK_MUSTCHECK vk_err vk_prov_note(vk_prov *p, const char *name, vk_str value);
/* VK_STR_NONE: there is none. Good until the step ends. */
vk_str vk_prov_noted(const vk_prov *p, const char *name);
/* In `usage`: "storage_bytes", 8192. */
void vk_prov_use(vk_prov *p, const char *name, int64_t n);
/* In `list`: something at the vendor; those whose name has not our tag are passed over. */
VK_MUSTCHECK vk_err vk_prov_found(vk_prov *p, vk_str name, vk_str id, vk_str created_at);
/* A sentence for *why_r with what the vendor says of an error (a text member of the answer, or of a member of
 * it: "error", "errors.0.message"): printable, short, without any of the organisation's values. */
const char *vk_prov_said(vk_prov *p, const char *what, int status, const vk_json *body, const char *member);

/* ---- the engine */

typedef struct vk_provs vk_provs;

typedef struct vk_provs_with {
    vk_loop *loop;
    vk_view *view; /* NULL: nothing is provisioned */
    vk_orgs *orgs;
    vk_audit *audit;              /* NULL: likewise */
    struct vk_order_pools *pools; /* connections to vendors (keeper/order_in.h) */
    vk_lane *lane;                /* for vk_prov_work */
} vk_provs_with;

/* Goes on with what an earlier process began. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_provs_new(const vk_provs_with *with, vk_provs **out_r);
/* The loop has stopped, and does not run again. Waits for what is on the lane, which is told to give up. */
void vk_provs_free(vk_provs *p);

typedef enum vk_prov_state {
    VK_PROV_NONE,
    VK_PROV_MAKING,
    VK_PROV_READY,
    VK_PROV_SUSPENDED,
    VK_PROV_ENDING,
    VK_PROV_FAILED, /* nothing is there; `why` says what kept it from being */
} vk_prov_state;

/* The calls of keeper/keeper.h below /v1/resources; see there. At the head: sets the body's limit. False:
 * there is no such call. `p` NULL: they are refused. */
bool vk_provs_head(vk_exchange *ex);
bool vk_provs_call(vk_provs *p, vk_exchange *ex);
/* A member "resources" of an object that is being written: {"making":1,"ending":0,"retrying":0}. */
void vk_provs_status(const vk_provs *p, vk_jw *w);

#endif
