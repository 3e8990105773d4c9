/* Inside of keeper/org*.c. */
#ifndef VK_KEEPER_ORG_IN_H
#define VK_KEEPER_ORG_IN_H

#include "keeper/entry.h"
#include "keeper/locked.h"
#include "keeper/org.h"
#include "keeper/ring.h"

enum {
    VK_ORG_NAME = 64, /* of a record, with NUL: "build/<id>/<vendor>" */
    VK_ORG_PATH = 80, /* of its file */
    VK_ORG_PLAIN_MAX = 20 * 1024,
    VK_ORG_CHECK_MAX = 399,
    VK_ORG_SETS_MAX = 100 * 1000,
    VK_ORG_DAY_MS = 24 * 60 * 60 * 1000,
    VK_RESEAL_EVERY_MS = 50,         /* one record each, so that orders are not held up */
    VK_RESEAL_AGAIN_MS = 60 * 1000,  /* after one that failed */
    VK_ORG_GONE_MS = 60 * 60 * 1000, /* nothing that is under way has one for so long */
};

/* The audit as it is used here; the real one by keeper/org_audit.c. */
typedef struct vk_org_log {
    void *ctx;
    uint64_t (*version_of)(void *ctx, vk_str record);
    vk_err (*write)(void *ctx, vk_audit_entry *e); /* as vk_audit_write */
    void (*state_of)(void *ctx, vk_audit_state *out);
} vk_org_log;

struct vk_org {
    vk_orgs *orgs;
    const vk_vendor *vendor;
    const vk_vendor_field *fields; /* the vendor's for the organisation, or for builds */
    char build[33];
    vk_org_state state;
    vk_org_from from;
    const char *why; /* of the state */
    uint64_t version;
    uint64_t entered; /* at the start that of the file */
    uint32_t dek;     /* key_id that the file is sealed under; 0: there is no file */
    int64_t set_ms, at_ms, checked_ms;
    int64_t gone_ms; /* monotonic: when it was removed */
    char *check;     /* NULL: none */
    char *plain;     /* the record, in locked memory; NULL: none */
    size_t plain_n;
    vk_secret values[VK_VENDOR_FIELDS_MAX]; /* by the index of the field */
    uint8_t refs[VK_VENDOR_FIELDS_MAX][8];  /* vk_org_ref */
};

struct vk_orgs {
    int fd; /* of vault/; the vault's */
    vk_vault *vault;
    vk_locked *locked;
    vk_org **list; /* by build, then in the order of the vendors */
    size_t n, cap;
    vk_org
        *given[VK_VENDORS_MAX]; /* from outside, in the place of the one in `list`; by the vendors' order */
    vk_org **gone;              /* removed: their memory stays for a while, since an order may be under way */
    size_t n_gone, gone_cap;
    vk_org_log log; /* write NULL: there is none */
    vk_loop *loop;
    vk_timer reseal;
    size_t reseal_at; /* records before it are done */
    bool rolled_back;
    char *room; /* VK_ENTRY_ROOM bytes of locked memory of their own: guard pages, wiped after each use */
    uint8_t box_public[VK_BOX_KEY];
    vk_hmac_key *refs;
};

/* ---- org.c */
void vk_org_name(const vk_org *g, char out[VK_ORG_NAME]);
void vk_org_path(const vk_org *g, char out[VK_ORG_PATH]);
/* The index of a field; -1: there is none. */
int vk_org_index(const vk_org *g, vk_str field);
/* Without values, in no list. NULL: no memory. */
VK_MUSTCHECK vk_org *vk_org_new(vk_orgs *o, const vk_vendor *v, vk_str build);
void vk_org_free(vk_org *g);
VK_MUSTCHECK vk_err vk_org_list(vk_orgs *o, vk_org *g);
void vk_org_unlist(vk_orgs *o, vk_org *g);
/* What the vault has, also when one from outside stands in its place. */
vk_org *vk_org_kept(const vk_orgs *o, const vk_vendor *v, vk_str build);
/* The state from which fields are there. */
void vk_org_settle(vk_org *g);
/* The record: none any more, wiped. */
void vk_org_forget(vk_org *g);

/* vk_orgs_audit with any log. */
void vk_orgs_log(vk_orgs *o, const vk_org_log *log);

/* ---- org_record.c */
/* What a set becomes. */
typedef struct vk_org_draft {
    vk_secret values[VK_VENDOR_FIELDS_MAX]; /* by the index of the field; views */
    int64_t set_ms, at_ms, checked_ms;
    const char *check; /* NULL: none */
} vk_org_draft;
/* The record of `d` in locked memory (*plain_r, of *n_r bytes, vk_locked_put). */
VK_MUSTCHECK vk_err vk_org_encode(vk_orgs *o, const vk_org *g, const vk_org_draft *d, char **plain_r,
                                  size_t *n_r);
/* Reads g->plain. False: it is of another form. */
bool vk_org_decode(vk_org *g);
/* Reads the file of `g`; sets its state. VK_E_NOT_FOUND: there is none. VK_E_IO, VK_E_NOMEM: it could not be
 * read (its state is VK_ORG_DAMAGED). */
VK_MUSTCHECK vk_err vk_org_read(vk_orgs *o, vk_org *g);
/* Seals `plain` and writes the file of `g`, durably. */
VK_MUSTCHECK vk_err vk_org_store(vk_orgs *o, const vk_org *g, vk_str plain, uint64_t version);

/* ---- org_given.c */
VK_MUSTCHECK vk_err vk_org_given(vk_orgs *o, const char *credentials_dir, char why[VK_VAULT_WHY]);

/* ---- org_write.c */
/* A change in the audit that nobody waits for. */
void vk_org_note(vk_orgs *o, const vk_org *g, const char *actor, const char *did, uint64_t version);
/* `at` of an entry: within a day of now, and later than `last`, unless that is a time that has not come. */
const char *vk_org_at_wrong(int64_t at, int64_t last);

/* ---- org_rekey.c */
/* One record more under the active key. *more_r: there is more to do. For tests; vk_orgs_run does it by
 * itself. */
VK_MUSTCHECK vk_err vk_orgs_step(vk_orgs *o, bool *more_r, char why[VK_VAULT_WHY]);

#endif
