/* The organisation's keys, and what builds have of their own at vendors (a database's token): records of the
 * vault, in <data>/vault/. Write-only: nothing here gives a value to anybody outside of keeper, and in keeper
 * values are in locked memory only.
 *
 *   vault/ring    data-encryption keys and what else is random here (keeper/ring.h), sealed under the
 *                 key-encryption key
 *   vault/master  the master (vault.h), sealed under a data-encryption key
 *   vault/org/<vendor>           the values of a vendor's fields, sealed under a data-encryption key
 *   vault/build/<id>/<vendor>    the same of a build's binding
 *
 * Every record has a version that grows with each write and is named in the audit: an older one that was put
 * back is refused (VK_ORG_ROLLED_BACK). In the audit a record's name is "stripe" or "build/shop/turso".
 *
 * A vendor's values may come from outside instead: then none of them is written, and the set stands in the
 * place of the vault's, which stays as it is.
 *   VALETKEY_ORG_<VENDOR>_<FIELD>     "sealed:" and an entry for that field, made by `valetkey keys seal`; an
 *                                     environment is no place for a secret in clear. What is no secret may be
 *                                     in clear
 *   valetkey-org-<vendor>-<field>     a systemd credential, in clear (systemd seals it), '_' of the field as
 * it is
 *
 * One loop; files are written before an answer is given. */
#ifndef VK_KEEPER_ORG_H
#define VK_KEEPER_ORG_H

#include "keeper/audit.h"
#include "keeper/vault.h"
#include "keeper/vendors.h"

enum {
    VK_BOX_KEY = 32,           /* X25519 public key */
    VK_SEALED_MAX = 48 * 1024, /* bytes of an entry in base64 */
    VK_ORG_MARK = 16,
};

typedef enum vk_org_from { VK_ORG_VAULT, VK_ORG_ENVIRONMENT, VK_ORG_CREDENTIAL } vk_org_from;

typedef enum vk_org_state {
    VK_ORG_READY,
    VK_ORG_DAMAGED,     /* does not open: bit flips, another key */
    VK_ORG_ROLLED_BACK, /* older than the audit knows it */
    VK_ORG_INCOMPLETE,  /* a field that must be there is not */
} vk_org_state;

/* A set of values: of a vendor, or of a vendor and a build. */
typedef struct vk_org vk_org;
typedef struct vk_orgs vk_orgs;

typedef struct vk_org_facts {
    const vk_vendor *vendor;
    const char *build; /* "": the organisation's */
    vk_org_state state;
    vk_org_from from;
    uint64_t version;
    uint64_t entered;           /* the version with which the values came: a check makes one of its own */
    int64_t set_ms, checked_ms; /* wall; 0: never */
    char why[200];              /* of a state that is not ready: a sentence; "" */
    char check[400];            /* what `keys check` found last, as its JSON; "" */
} vk_org_facts;

/* Reads all that is there. Wrong records do not keep keeper from starting: they are VK_ORG_DAMAGED, each with
 * one clear state. Before the fence; the environment's values are taken and their variables unset.
 * VK_E_INVALID: one of these, or a credential, cannot be; `why` names it. `v` stays for as long as *out_r. */
VK_MUSTCHECK vk_err vk_orgs_open(const vk_vault_place *at, vk_vault *v, vk_orgs **out_r,
                                 char why[VK_VAULT_WHY]);
void vk_orgs_close(vk_orgs *o);
/* Compares versions with the log; later writes are recorded in it. */
void vk_orgs_audit(vk_orgs *o, vk_audit *a);
/* Goes on with what an earlier process began (vk_orgs_reseal), in turns of the loop. */
void vk_orgs_run(vk_orgs *o, vk_loop *loop);
/* Some of the values are in memory that could not be locked (RLIMIT_MEMLOCK). */
bool vk_orgs_unlocked(const vk_orgs *o);
/* Of vault/ring: grows with each change of it. */
uint64_t vk_orgs_ring_version(const vk_orgs *o);
/* vault/ring is older than the log knows it. */
bool vk_orgs_rolled_back(const vk_orgs *o);
/* 32 bytes each, for vk_audit_place.key and to be shown. */
const uint8_t *vk_orgs_audit_key(const vk_orgs *o);
const uint8_t *vk_orgs_box_key(const vk_orgs *o);

/* `build` "": the organisation's. NULL: there is none. */
const vk_org *vk_org_find(const vk_orgs *o, vk_str vendor, vk_str build);
size_t vk_org_count(const vk_orgs *o);
const vk_org *vk_org_at(const vk_orgs *o, size_t i);
void vk_org_facts_of(const vk_org *g, vk_org_facts *out);
/* Parts of it, for every call that is made. */
vk_org_state vk_org_state_of(const vk_org *g);
uint64_t vk_org_version_of(const vk_org *g);
const char *vk_org_build_of(const vk_org *g); /* "": the organisation's */
/* As vk_org_find, of a vendor that is at hand. */
const vk_org *vk_org_of(const vk_orgs *o, const vk_vendor *v, vk_str build);
/* In locked memory, for as long as nothing is written; VK_SECRET_NONE when the field is empty. A usual value
 * counts as one. */
vk_secret vk_org_value(const vk_org *g, const char *field);
/* The first 8 bytes of HMAC(a key of the vault, value): the audit's key_ref. */
void vk_org_ref(const vk_org *g, const char *field, uint8_t out[8]);

/* An entry as a client sealed it (keeper/entry.h): base64 of the box of
 *   {"vendor":"stripe","build":"","at":1764400000000,"fields":{"secret_key":"sk_test_…"}}
 * `vendor` and `build` must be those of the call, `at` (wall ms) within a day of now and later than that of
 * the record that is there, so that an old entry is not played back. Fields that are not named stay as they
 * are, and those that are keeper's own (vk_vendor_field.kept) always do; an empty value takes one away.
 * VK_E_CONFLICT: what is at the vendor must end before its record goes. VK_E_INVALID with a sentence in
 * `why`, VK_E_FULL, VK_E_IO, VK_E_FORBIDDEN (the environment gives it), VK_E_NOT_FOUND (there is nothing to
 * remove), VK_E_UNAVAILABLE (nothing can be audited). The answer comes by `done` on the loop, perhaps before
 * the call returns, after the record and its audit are on disk. `replace` is of `sealed` only. Of `audit`,
 * `actor` is set by the caller. */
typedef struct vk_org_change {
    vk_str vendor, build; /* stay until `done` */
    vk_str sealed;        /* empty: the record is removed */
    bool replace;         /* fields that are not named are taken away */
    char why[400];
    void (*done)(struct vk_org_change *c, vk_err e);
    void *arg;
    vk_audit_entry audit;
} vk_org_change;
void vk_org_write(vk_orgs *o, vk_org_change *c);

/* keeper's own change of a build's record (keeper/provision.h): fields are laid over what is there, and the
 * record is made if there is none; or all of it goes. On disk before the call returns; `done` as above, with
 * the same errors. Fields are read during the call only. A value that is empty takes one away. `op` is the
 * audit's, in front of the vendor's name: "resource.making". */
typedef struct vk_org_keep {
    const vk_vendor *vendor;
    const char *build;
    struct {
        const char *name;
        vk_secret value;
    } fields[VK_VENDOR_FIELDS_MAX];
    size_t n;
    bool anew;   /* it is another build's from now on: values count as entered now (vk_org_facts.set_ms) */
    bool remove; /* in place of the fields */
    const char *op;
    char why[400];
    void (*done)(struct vk_org_keep *c, vk_err e);
    void *arg;
    vk_audit_entry audit; /* `actor` is set by the caller */
} vk_org_keep;
void vk_org_keeps(vk_orgs *o, vk_org_keep *c);
/* Three of a-z2-7, which are this installation's: they are in the names of what it has at vendors. */
enum { VK_ORG_TAG = 3 };
void vk_orgs_tag(const vk_orgs *o, char out[VK_ORG_TAG + 1]);
/* As the last step of it: values that were sealed and opened are tried before they replace what is there.
 * *out_r is a set of values that is in no file, freed by vk_org_drop. */
VK_MUSTCHECK vk_err vk_org_try(vk_orgs *o, vk_str vendor, vk_str build, vk_str sealed, vk_org **out_r,
                               char why[400]);
void vk_org_drop(vk_org *g);
/* What asking the vendor found; kept when the values are still the ones that were asked with, `entered` of
 * their facts. */
void vk_org_checked(vk_orgs *o, vk_str vendor, vk_str build, uint64_t entered, vk_str json);

/* Another key-encryption key: wraps the data-encryption keys anew, durably, before it returns. `sealed` as of
 * keeper/entry.h, vk_entry_kek; `at` as above. The old key opens nothing any more, except older backups. */
VK_MUSTCHECK vk_err vk_orgs_rekey(vk_orgs *o, vk_str sealed, const char *actor, char why[VK_VAULT_WHY]);
/* Another data-encryption key: records are sealed anew one by one, in turns of the loop; goes on by itself
 * after a restart. */
VK_MUSTCHECK vk_err vk_orgs_reseal(vk_orgs *o, const char *actor, char why[VK_VAULT_WHY]);
size_t vk_orgs_to_reseal(const vk_orgs *o); /* records that wait */
/* Of every secret value of the organisation, for who must refuse it without having it:
 * HMAC-SHA256(salt, value), first VK_ORG_MARK bytes each, appended to `out`. */
VK_MUSTCHECK vk_err vk_orgs_marks(const vk_orgs *o, const uint8_t salt[VK_ORG_MARK], vk_buf *out);

#endif
