/* clang-format off */
/* What keeper answers on the control connection, a socketpair to front, and on more of them that front opens
 * for what takes long. It has no other way in, except the orders' (keeper/orders.h). front relays what the admin API and the command line ask; it cannot read a value
 * here, and entries come sealed to the box (crypto/sealed_box.h, docs/SEALING.md).
 *
 * GET /healthz
 *     200 {"status":"ok","role":"keeper"}
 *
 * POST /v1/connect   with one end of a socketpair as a descriptor: orders are taken from it
 * POST /v1/control   likewise: these calls are answered on it too
 *     200 {}. 400 invalid: there is no descriptor, or it is of another kind; 429 busy: there are too many
 *
 * GET /v1/status
 *     200 {"key_source":"key file /srv/valetkey.key",    where the key-encryption key is from
 *          "beside_data":true,       it lies beside the data: to be said loudly
 *          "memory_locked":true,     false: values may be swapped out (RLIMIT_MEMLOCK)
 *          "ring_version":3,         of vault/ring: grows with each rekey
 *          "to_reseal":0,            records that wait for the new data-encryption key
 *          "rolled_back":false,      the ring is older than the audit knows it
 *          "audit":{"sealed":false,"why":"","seq":9,"epoch":1,"low":false}|null,
 *          "postgres":{…}}           keeper/pg_watch.h
 *
 * GET /v1/master
 *     200 application/octet-stream: kid as u32 big-endian, then the 32 bytes of the master. For front, once at
 *     its start; both sides wipe their buffers.
 *
 * GET /v1/box
 *     200 {"key":"<base64 of 32 bytes>","fingerprint":"SHA256:<base64, without padding>"}
 *
 * GET /v1/keys
 *     200 {"keys":[<facts>,…]}: sets of values, those of the organisation first. ?vendor=stripe and ?build=shop
 *     (empty: the organisation's) leave others out; ?after=<cursor>&limit=<1…1000, 500>: "next":"<cursor>" is
 *     there when there are more.
 *     <facts> = {"vendor":"stripe","title":"Stripe","service":"payments","build":"",
 *                "state":"ready"|"damaged"|"rolled_back"|"incomplete","why":"a sentence",
 *                "from":"vault"|"environment"|"credential",
 *                "version":7,"set_at":"2026-11-29T13:00:00.000Z","checked_at":"…"|null,"check":{…}|null,
 *                "fields":[{"name":"secret_key","secret":true,"set":true,"mask":"sk_test_****1234"},
 *                          {"name":"api_base","secret":false,"set":false,"value":"https://api.stripe.com"}]}
 *     "fields" has all that the vendor has; "set": false with a "value" is the usual one. A set that does not
 *     open has "fields":[] and "why".
 *
 * POST /v1/keys/put      {"vendor":"stripe","build":"","sealed":"<base64>","replace":false,"actor":"admin"}
 *     200 <facts>. 400 invalid, 403 forbidden (the environment gives it), 503 unavailable (nothing can be
 *     audited), 507 full
 * POST /v1/keys/remove   {"vendor":"stripe","build":"","actor":"admin"}
 *     200 {"removed":true}; 404
 * POST /v1/keys/check    {"vendor":"stripe","build":"","actor":"admin"}
 *     200 {"check":{…},"key":<facts>}
 * POST /v1/keys/try      as put: the values are asked for at the vendor and kept nowhere
 *     200 {"check":{…}}
 * POST /v1/keys/marks    {"salt":"<32 hex digits>"}
 *     200 {"marks":["<32 hex digits>",…]}, of each secret value of the organisation: HMAC-SHA256(the 16 bytes
 *     of the salt, value), first 16 bytes. For who must refuse these values without having them.
 * POST /v1/rekey         {"sealed":"<base64 of keeper/entry.h, vk_entry_kek>","actor":"admin"}: another
 *     key-encryption key; or {"dek":true,"actor":"admin"}: another data-encryption key, under which records
 *     are sealed anew, one by one (to_reseal)
 *     200 {"ring_version":4,"to_reseal":0}
 *
 * What builds have at vendors (keeper/provision.h).
 *     <resource> = {"build":"shop","generation":7,"service":"database","vendor":"turso","resource":"database",
 *                   "state":"making"|"ready"|"suspended"|"ending"|"failed","name":"build-shop-abc2de3f",
 *                   "step":"create the database","step_n":1,"steps":3,"tries":0,"why":"a sentence, or empty",
 *                   "retry_at":"…"|null,"made_at":"…"|null,"expires_at":"…"|null,
 *                   "values":{"hostname":"…"}}     values of the binding that are no secret
 *
 * GET /v1/resources
 *     200 {"resources":[<resource>,…]}. ?build=shop, ?service=database and ?state=ending leave others out;
 *     ?after and ?limit as of /v1/keys.
 * POST /v1/resources/provision     {"build":"shop","service":"database","actor":"admin"}
 *     202 <resource>, at once; 200 when it is ready. 404 not_found: no such build, or its driver makes nothing;
 *     409 conflict: it is not active, or what it had before is still ending; 429: too much is being made;
 *     503 unavailable: the organisation's keys are missing
 * POST /v1/resources/deprovision   {"build":"shop","service":"","generation":7,"actor":"admin"}
 *     202 {"resources":[…]}, durable: they will end, whatever becomes of the build. "service" "": all of them;
 *     "generation" 0, or left out: of whichever build of that name
 * POST /v1/resources/suspend       as deprovision, after the build was revoked: credentials that were given to
 *     it end. keeper sees that by itself, too, within a few minutes
 * POST /v1/resources/credentials   {"build":"shop","service":"database","actor":"admin"}
 *     for a binding with delivery=direct: 200 {"values":{"hostname":"…","database_token":"…"},
 *     "expires_at":"…"|null}, good for at least half of their life. 403 without such a binding, 503 when it is
 *     not ready
 * POST /v1/resources/usage         {"build":"shop","service":"database","actor":"admin"}
 *     200 {"usage":{"storage_bytes":8192}}
 * POST /v1/resources/sweep         {"vendor":"turso","delete":["name",…],"actor":"admin"}
 *     200 {"orphans":[{"name":"…","id":"…","created_at":"…"}],"lost":[<resource>,…],"deleted":["name",…]}: what
 *     lies there with a name of ours and is in no record; records of builds that are gone. Only what "delete"
 *     names is deleted, and is not among the orphans then. At most 1000 are told as lost, and 100 deleted.
 *
 * "build" and "actor" may be left out: "". An error is {"error":"invalid","message":"a sentence"} with the
 * kind's status (core/base.h). Anything else is 404. */
/* clang-format on */
#ifndef VK_KEEPER_H
#define VK_KEEPER_H

#include "http/server.h"
#include "keeper/org.h"
#include "keeper/vault.h"

enum {
    VK_MASTER_WIRE = 4 + VK_MASTER,
    VK_KEEPER_BODY_MAX = 80 * 1024, /* bytes of a request */
    VK_KEEPER_CONTROLS = 64,        /* control connections */
    VK_KEEPER_KEYS = 500,           /* sets in one answer, unless another limit is asked for */
    VK_KEEPER_KEYS_MAX = 1000,
};

struct vk_keeper;

/* Asks a vendor with a set of values, on the loop; ends in `done`, perhaps before it returns. `check` is then
 * one JSON object, at most 399 bytes, with no value in it; who shows it knows these members, all but the
 * first may be left out:
 *   {"ok":true,            the vendor takes the values, and what must be allowed is
 *    "refused":false,      it knows them not, or no more
 *    "done":["read the account"], "missing":[…],    what probes found, by their `what`
 *    "wide":[…],           what is allowed and not needed
 *    "say":"…"}            a sentence */
typedef struct vk_keeper_probe {
    const vk_org *org;
    void (*done)(struct vk_keeper_probe *p, vk_err e, const char *check, const char *why);
    void *arg;
} vk_keeper_probe;

/* The server's ctx. */
typedef struct vk_keeper {
    vk_vault *vault;
    vk_orgs *orgs;
    vk_audit *audit;          /* NULL: there is none; nothing is forwarded then */
    struct vk_orders *orders; /* keeper/orders.h; NULL: likewise */
    struct vk_pg_watch *pg;   /* keeper/pg_watch.h; NULL: no server is looked after */
    struct vk_provs *provs;   /* keeper/provision.h; NULL: nothing is provisioned */
    /* NULL: vendors cannot be asked; check and try answer 501. */
    void (*probe)(struct vk_keeper *k, vk_keeper_probe *p);
    void *probe_arg;
} vk_keeper;

extern const vk_handler vk_keeper_handler;

#endif
