/* Inside of keeper/provision*.c. */
#ifndef VK_KEEPER_PROVISION_IN_H
#define VK_KEEPER_PROVISION_IN_H

#include "core/map.h"
#include "keeper/errand.h"
#include "keeper/provision.h"

enum {
    VK_PROV_ARENA = 24 * 1024 * 1024, /* of one step: an answer as JSON */
    VK_PROV_CALL_MS = 30000,          /* for a connection; for an answer's head; between two of its bytes */
    VK_PROV_WHOLE_MS = 120 * 1000,    /* for all of it: a vendor may drip for ever */
    VK_PROV_NOTE_NAME = 24,
    VK_PROV_LOOK = 500,            /* records that are looked at in one turn of the loop, … */
    VK_PROV_LOOK_MS = 1000,        /* … and the time between two such turns */
    VK_PROV_STEPS = 32,            /* of one list */
    VK_PROV_SOON = 100,            /* requests of one step without a pause */
    VK_PROV_ASK_POLLS = 60,        /* of what is asked once; about three minutes and a half */
    VK_PROV_RENEW_MS = 10 * 1000,  /* no credential is renewed more often, however short its life is */
    VK_PROV_LATE_MS = 30 * 1000,   /* after it, what was never answered is looked for once more */
    VK_PROV_WRITE_AGAIN_MS = 2000, /* after the ledger could not be written */
    VK_PROV_FOUND = 10000,         /* by one sweep */
    VK_PROV_USES = 16,
};

/* ---- provision_ledger.c: what the field `made` says. Pure. */

typedef enum vk_prov_list {
    VK_PROV_NOTHING,
    VK_PROV_MAKE,
    VK_PROV_RENEW,
    VK_PROV_SUSPEND,
    VK_PROV_END,
    VK_PROV_LISTS, /* of the ledger; then those that are only asked */
    VK_PROV_USAGE = VK_PROV_LISTS,
    VK_PROV_LIST,
} vk_prov_list;

typedef struct vk_made_note {
    char name[VK_PROV_NOTE_NAME + 1];
    char value[VK_PROV_VALUE_MAX + 1];
} vk_made_note;

typedef struct vk_made {
    vk_prov_state state;
    vk_prov_list list;      /* what is under way */
    uint32_t step;          /* of it; */
    char op[VK_AUDIT_TEXT]; /* its op: a later program may have other steps. "": the first one */
    bool fails;             /* of ENDING: FAILED comes next, for `why` */
    bool late;              /* a request was never answered: what it asked for may still come to be */
    uint64_t generation;
    int64_t first_ms, ready_ms, noted_ms; /* wall; the last: when "expires" was noted. 0: not yet */
    char name[VK_PROV_NAME_MAX + 1];
    char why[VK_PROV_WHY];
    size_t n;
    vk_made_note notes[VK_PROV_VALUES];
} vk_made;

/* VK_E_INVALID: it is none. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_made_read(vk_str text, vk_made *out_r);
/* `why` is cut until all of it fits. VK_E_TOO_LARGE: the notes do not. */
VK_MUSTCHECK vk_err vk_made_write(const vk_made *m, vk_buf *out);
/* VK_E_TOO_LARGE: there are too many, or it is too long. VK_E_INVALID: no name, or no visible ASCII. An empty
 * value takes it away. */
VK_MUSTCHECK vk_err vk_made_note_set(vk_made *m, vk_str name, vk_str value);
vk_str vk_made_noted(const vk_made *m, const char *name);
/* "expires"; 0: there is none. */
int64_t vk_made_expires(const vk_made *m);
const char *vk_prov_state_name(vk_prov_state s);
/* Whether `name` is one that vk_prov_name_make makes with that tag. */
bool vk_prov_name_ours(const vk_provisioner *how, const char *tag, vk_str name);
void vk_prov_name_make(const vk_provisioner *how, const char *tag, const char *build,
                       char out[VK_PROV_NAME_MAX + 1]);
/* Seconds, or a date of HTTP (RFC 9110 §10.2.3), as milliseconds from now; -1: it is neither. */
int64_t vk_prov_retry_after(vk_str value, int64_t now_ms);

/* ---- a job */

typedef struct vk_prov_job vk_prov_job;

/* What a job has while it talks to the vendor. */
typedef struct vk_prov_run {
    vk_prov p; /* first */
    vk_prov_job *job;
    const vk_prov_step *steps, *step; /* all of the list, and this one; NULL: none so far */
    vk_prov_list list;                /* as the ledger had them when the step began */
    uint32_t index;
    vk_made made;
    vk_view_build seen;
    /* Of the step, until they are kept. */
    struct {
        const char *name;
        vk_secret value; /* in the arena */
    } sets[VK_VENDOR_FIELDS_MAX];
    size_t n_sets;
    struct {
        vk_str name, value;
    } notes[VK_PROV_VALUES];
    size_t n_notes;
    /* The request. */
    vk_errand errand;
    vk_prov_request request;
    vk_audit_entry audit;
    vk_upcall call;
    vk_buf answer;
    int status;
    int64_t retry_ms; /* of Retry-After; -1: none */
    bool calling;
    vk_timer whole; /* while it calls */
    /* In place of it. */
    vk_prov_work work;
    vk_job lane;
    vk_task back;
    /* The ledger. */
    vk_org_keep keep;
    vk_buf text; /* of `made` */
    enum vk_prov_next {
        VK_PROV_GO_ON,  /* to the next step */
        VK_PROV_STAY,   /* the same one after a while */
        VK_PROV_OVER,   /* all steps are done */
        VK_PROV_BREAK,  /* what was made so far is taken back, for `why` */
        VK_PROV_CANCEL, /* the same, because nobody wants it any more */
        VK_PROV_DROP,   /* nothing is to be done any more */
    } next;
    vk_timer again; /* the ledger could not be written */
    bool removed;
    int64_t wait_ms; /* once it is written */
    char why[VK_PROV_WHY];
} vk_prov_run;

struct vk_prov_job {
    vk_map_node node;
    vk_list queue; /* of the vendor's lines, while `queued` */
    vk_timer timer;
    vk_provs *provs;
    struct vk_prov_vendor *at;
    char build[VK_BUILD_ID_MAX + 1];
    char actor[VK_AUDIT_TEXT];
    bool queued;
    bool begun;     /* a request went out in this process */
    bool tried;     /* see vk_prov */
    bool late;      /* see vk_made */
    bool closed;    /* to be freed once nothing has it */
    unsigned tries; /* of this step, without success */
    unsigned polls; /* likewise: it was not ready */
    unsigned soons; /* likewise: it went on at once, since it last waited */
    bool lingers;   /* it ended, and waits for what may come late */
    unsigned page;
    uint32_t step; /* of one that is not in the ledger */
    vk_buf carry;  /* see vk_prov; of the step `carried`, which may change without its end */
    const vk_prov_step *carried;
    int64_t from_ms;       /* loop: the budget's beginning */
    int64_t retry_ms;      /* wall; 0: it does not wait */
    char why[VK_PROV_WHY]; /* of the last try */
    vk_prov_run *run;      /* NULL: it waits */
    /* Of one that is not in the ledger: what it does, and whom it tells. */
    struct vk_prov_ask *ask;
    vk_list asks;    /* then */
    vk_list waiters; /* vk_prov_waiter: until it comes to its end */
};

typedef struct vk_prov_waiter {
    vk_list node;
    void (*over)(struct vk_prov_waiter *w);
} vk_prov_waiter;

typedef struct vk_prov_thing {
    char *name, *id, *created_at;
} vk_prov_thing;

/* Something that is asked once: usage, what lies there, the end of an orphan. Its owner's memory until
 * `done`, on the loop, not within vk_prov_ask_begin. */
typedef struct vk_prov_ask {
    vk_prov_list list;
    const char *name; /* of an orphan */
    const char *id;
    unsigned tries_most; /* then it fails */
    /* ---- found */
    size_t n_uses;
    struct {
        char name[VK_PROV_NOTE_NAME + 1];
        int64_t n;
    } uses[VK_PROV_USES];
    vk_prov_thing *things;
    size_t n_things, cap_things;
    void (*done)(struct vk_prov_ask *a, vk_err e, const char *why);
    void *arg;
} vk_prov_ask;

typedef struct vk_prov_vendor {
    const vk_vendor *vendor;
    const vk_provisioner *how; /* NULL: none */
    vk_provs *provs;
    vk_list begun, fresh, others; /* jobs that are due */
    bool turn;                    /* others are next */
    unsigned active;
    int64_t pause_ms; /* loop: nobody asks before it */
    vk_timer pause;
    vk_task turns;
    bool posted;
} vk_prov_vendor;

struct vk_provs {
    vk_provs_with with;
    vk_map jobs; /* of the ledger */
    size_t n_jobs;
    vk_prov_vendor vendors[VK_VENDORS_MAX];
    size_t n_vendors;
    char tag[VK_ORG_TAG + 1];
    vk_timer look;
    size_t look_at;
    bool looked;  /* all records once */
    vk_list asks; /* jobs that are not in the ledger */
    _Atomic bool give_up;
};

/* ---- provision.c */
vk_prov_vendor *vk_prov_vendor_of(vk_provs *x, const vk_vendor *v);
const vk_prov_step *vk_prov_steps(const vk_provisioner *how, vk_prov_list list);
vk_prov_job *vk_prov_job_of(vk_provs *x, vk_str build, const vk_vendor *v);
/* One that is not there yet, idle. VK_E_BUSY, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_prov_job_new(vk_provs *x, vk_str build, const vk_vendor *v, vk_prov_job **out_r);
void vk_prov_job_free(vk_prov_job *j);
/* It is due: now, without regard to how long it was to wait. Nothing happens to one that runs. */
void vk_prov_wake(vk_prov_job *j);
/* Its turn is over; so much later it has another one. */
void vk_prov_release(vk_prov_job *j, int64_t wait_ms);
/* There is nothing to do for it any more: tells who waits, and frees it. */
void vk_prov_done(vk_prov_job *j, vk_err e, const char *why);
/* Nobody asks this vendor for so long. */
void vk_prov_pause(vk_prov_vendor *at, int64_t ms);
/* VK_E_NOMEM: `done` is not called. */
VK_MUSTCHECK vk_err vk_prov_ask_begin(vk_provs *x, vk_prov_ask *a, const vk_vendor *v, vk_str build,
                                      const char *actor);
/* What `made` of a record says. VK_E_NOT_FOUND: nothing was made. VK_E_CORRUPT: the record cannot be read. */
VK_MUSTCHECK vk_err vk_prov_made_of(const vk_org *g, vk_made *out_r);

/* ---- provision_job.c */
/* Its turn has come: it goes on until it must wait. */
void vk_prov_run_begin(vk_prov_job *j);
/* Of provision_ask.c and provision_work.c: how the step ended. VK_AGAIN and the errors as of vk_prov_step. */
void vk_prov_stepped(vk_prov_run *r, vk_err e, const char *why);
/* The same step again later. */
typedef enum vk_prov_sent {
    VK_PROV_UNSENT,
    VK_PROV_ANSWERED, /* that it was too much, or with an error that may come after the deed */
    VK_PROV_SILENT,   /* no answer came: what was asked for may still come to be */
} vk_prov_sent;
void vk_prov_retry(vk_prov_run *r, int64_t at_least_ms, vk_prov_sent sent, const char *why);
/* Frees what it has. NULL is allowed. */
void vk_prov_run_free(vk_prov_run *r);
/* Tests kill the process here, once: where the file "crash" in the vault's folder says so, with vendor, list,
 * step from 0, and point: "turso:make:1:before", "sent", "answered" or "kept". */
#ifdef VK_TEST_VENDOR
#define VK_PROV_CRASH_FILE "crash"
void vk_prov_crash(const vk_prov_run *r, const char *point);
#else
#define vk_prov_crash(r, point) ((void)0)
#endif

/* ---- provision_tend.c */
/* Another turn for a record: `m` is written, and a job goes on with it. NULL: the record goes. `done` once it
 * is durable, perhaps before it returns; NULL: nobody waits. */
void vk_prov_turn(vk_provs *x, const vk_vendor *v, const char *build, const vk_made *m, const char *actor,
                  void (*done)(void *arg, vk_err e, const char *why), void *arg);
/* One record whose steps are all done: its credential is to be renewed, or its build has ended. */
void vk_prov_tend(vk_provs *x, const vk_org *g, const vk_made *m);
bool vk_prov_renew_due(const vk_made *m, int64_t now_ms);
void vk_prov_renew(vk_made *m);
void vk_prov_suspend(vk_made *m);
void vk_prov_end(vk_made *m, bool late);

/* ---- the calls: provision_calls.c, provision_show.c, provision_give.c, provision_sweep.c */
typedef struct vk_prov_asked {
    vk_provs *provs;
    vk_exchange *ex;
    const vk_json *body;
    vk_str build, service; /* in the arena; "" when they were left out */
    int64_t generation;
    char actor[VK_AUDIT_TEXT];
    const vk_vendor *vendor;
    /* Of several records. */
    const vk_vendor *meant[VK_VENDORS_MAX];
    size_t n_meant, left;
    vk_err err;
    char why[VK_PROV_WHY];
} vk_prov_asked;
void vk_prov_refuse(vk_exchange *ex, vk_err e, const char *why);
/* Of an active build's service. NULL: it was refused. */
vk_prov_vendor *vk_prov_asked_vendor(vk_prov_asked *a, vk_view_build *seen);
void vk_prov_show(vk_provs *x, vk_jw *w, const vk_org *g, const vk_made *m);
void vk_prov_list_all(vk_provs *x, vk_exchange *ex);
void vk_prov_credentials(vk_prov_asked *a);
void vk_prov_usage(vk_prov_asked *a);
void vk_prov_sweep(vk_prov_asked *a);

/* ---- provision_step.c */
void vk_prov_thing_free(vk_prov_thing *t);

/* ---- provision_ask.c, provision_work.c */
void vk_prov_send(vk_prov_run *r);
void vk_prov_work_begin(vk_prov_run *r);

#endif
