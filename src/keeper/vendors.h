/* What keeper knows of each vendor: which keys an organisation has there, what a build has of its own, which
 * calls may be made with them, and how they are put on a request. One const struct a vendor, in a file of its
 * own (keeper/vendor_<name>.c); vk_vendors lists them. Everything in it is decided here: front can neither
 * add a call nor a header, nor choose a host. */
#ifndef VK_KEEPER_VENDORS_H
#define VK_KEEPER_VENDORS_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/secret.h"
#include "http/head.h"
#include "store/store.h"

enum {
    VK_VENDORS_MAX = 8,
    VK_VENDOR_NAME_MAX = 16,
    VK_VENDOR_FIELDS_MAX = 8,
    VK_VENDOR_FIELD_MAX = 24,   /* bytes of a field's name: [a-z][a-z0-9_]* */
    VK_VENDOR_VALUE_MAX = 2048, /* bytes of a value; printable ASCII without blanks */
    VK_VENDOR_PATTERN_MAX = 16, /* parts of a path in a rule */
};

/* A value that somebody enters. */
typedef struct vk_vendor_field {
    const char *name; /* "secret_key"; NULL ends */
    const char *what; /* for people: "the secret key of a sandbox, sk_test_… or rk_test_…" */
    bool secret;      /* in the vault only, never shown again; others are told to whoever may list keys */
    bool optional;
    const char *usual; /* of an optional one that is left out; NULL: none */
    bool alone; /* of a build's own: what it names is one build's, so no second build is given the same value
                 * unless both say VK_VENDOR_SHARED (admin/alone.h) */
    bool kept;  /* keeper's own, of a provisioned resource: no entry may name it, and nobody is shown it */
    /* Whether it can be one. `why_r`: a static sentence that holds nothing of the value. */
    bool (*ok)(vk_str value, const char **why_r);
} vk_vendor_field;

/* Of a build's own where there is an `alone` one. */
#define VK_VENDOR_SHARED "shared"
bool vk_vendor_yes_ok(vk_str value, const char **why_r);

/* A call that may be made. `path`: parts between slashes, "{}" stands for one part that is not empty, "**" at
 * the end for any number of them, none included. The method may be "*" for any. "!" in front of it: refused,
 * though a later rule would allow it (such a path is compared without regard to case). The first that fits
 * decides; none: refused. */
typedef struct vk_vendor_call {
    const char *method;
    const char *path;
    const char *op; /* in the audit: "customers.create" */
} vk_vendor_call;

struct vk_org;
struct vk_vendor;

/* A request that was let through, on its way out. */
typedef struct vk_order {
    const struct vk_vendor *vendor;
    const struct vk_org *org;  /* values by vk_org_value (keeper/org.h); NULL: nothing was ever entered */
    const struct vk_org *own;  /* likewise, the build's; NULL: none */
    const vk_binding *binding; /* vk_binding_value; "{}" for a probe. Written by front: nothing in it may
                                * choose where a secret goes, unless what the vault holds agrees */
    const char *build;
    uint64_t generation;
    /* As front gave them. The path begins with "/", is not decoded, and has no "..", "//" or escapes of these
     * where the vendor's `raw_path` is false. */
    vk_str method, path, query;
    bool path_seen;           /* `path` is vk_vendor_path_ok: the rules have seen it */
    const vk_header *headers; /* those of vendor->travel only */
    size_t n_headers;
    vk_str content_type;
    int64_t body_n; /* -1: chunked */
    const vk_vendor_call *call;
    int64_t now_ms; /* wall */
    /* `place`s are filled in by vendor->order */
    vk_arena *arena; /* wiped */
    vk_str to_host;  /* host[:port] of the Host line and of the pool; from the vault, never from front */
    bool plain;      /* without TLS: a stand-in on loopback (vk_order_to) */
    vk_str to_path, to_query; /* default: path and query */
    vk_buf *lines; /* header lines to send, each with CRLF: the credential and the vendor's own. One of these
                    * stands in place of one of `headers` with that name, which go on otherwise */
    bool again;    /* may be sent twice (http/upstream.h) */
} vk_order;

/* One question of `keys check` and what is known from its answer. */
typedef struct vk_vendor_probe {
    /* method NULL ends. "{field}" in the path stands for a value of the organisation's that is no secret; one
     * that is empty takes its parameter of the query along. */
    const char *method, *path;
    const char *what; /* "read the account" */
    bool must;        /* a refusal means that the key does not do; otherwise that something is missing */
    bool wide;        /* a success means that the key may do more than is needed */
    const char *with, *unless; /* asked only when this field of the organisation's was entered, or was not */
} vk_vendor_probe;

/* One look of `keys check` where that is no HTTP: `look_prepare` copies on the loop what is needed into the
 * arena (wiped), `look` blocks, on a thread. */
typedef struct vk_vendor_look {
    vk_arena *arena;
    void *ctx;       /* the vendor's own */
    vk_err result;   /* of `look`; VK_E_UNAVAILABLE: the vendor did not answer */
    char check[400]; /* as vk_keeper_probe's (keeper/keeper.h) */
    char why[400];   /* of an error: a sentence */
} vk_vendor_look;

typedef struct vk_vendor {
    const char *name, *title;      /* "stripe", "Stripe" */
    const char *service;           /* "payments": the driver of that service has the vendor's name */
    const vk_vendor_field *fields; /* of the organisation */
    const char *whole;             /* sets of fields of which one must be complete, "a+b c": where fields are
                                    * optional because there are two ways; NULL: none */
    const vk_vendor_field *own;    /* of a build's binding; secret ones are in the vault, the others in the
                                    * metadata (store.h, vk_binding.resource), and in the same record of the
                                    * vault where they say where a secret goes. NULL: none */
    const vk_vendor_call *calls;   /* method NULL ends; NULL: nothing is forwarded to it */
    const char *const *travel;     /* request headers that go on, lower case, a '*' at the end stands for
                                    * anything;     NULL ends. Content-Type and the     framing always do */
    const char *const
        *returns;  /* header lines of answers that go back; a '*' at the end stands for anything */
    bool scrub;    /* the credential is sent as it is, so answers are searched for it */
    bool raw_path; /* the path is data (S3 keys) */
    /* Makes the rest of *o. VK_E_FORBIDDEN: this call may not be made so; VK_E_UNAVAILABLE: a key or a part
     * of the binding is missing. `why_r` as in vk_vendor_field. */
    vk_err (*order)(vk_order *o, const char **why_r);
    /* As `order`, for probes, where these go elsewhere or with another key. NULL: it is `order`. */
    vk_err (*probe_order)(vk_order *o, const char **why_r);
    const vk_vendor_probe
        *probes; /* asked as an order of no build; NULL: it has a `look`, or nothing is asked */
    vk_err (*look_prepare)(const struct vk_org *g, vk_vendor_look *l, const char **why_r);
    void (*look)(vk_vendor_look *l);
    /* keeper/provision.h; NULL: what builds have there is made by people and entered. */
    const struct vk_provisioner *provisioner;
} vk_vendor;

/* In the order of this list everywhere: clerk turso neon postgres r2 s3 stripe. */
size_t vk_vendors(const vk_vendor *out[VK_VENDORS_MAX]);
/* NULL: none of that name. */
const vk_vendor *vk_vendor_of(vk_str name);
/* NULL: there is none of that name. `fields` may be NULL. */
const vk_vendor_field *vk_vendor_field_of(const vk_vendor_field *fields, vk_str name);
/* Whether the path can be sent to a vendor as it is, so that what the rules see is what the vendor sees:
 * begins with "/", holds visible ASCII only, no "?" and no "#"; and unless `raw`: no empty part, no "." and
 * no ".." as one, no backslash, no ";", no escape that is none, and none of what needs no escape (RFC 3986
 * §2.3, so "%2e" too), of "/", a backslash, "%", ";", a control character or a byte above 0x7e. */
bool vk_vendor_path_ok(vk_str path, bool raw);
/* NULL: refused, or the path is not vk_vendor_path_ok. Pure. */
const vk_vendor_call *vk_vendor_call_of(const vk_vendor *v, vk_str method, vk_str path);
/* "https://host[:port]", or "http://" with a loopback host; without path, user, query: for field->ok of an
 * API's base. */
bool vk_vendor_base_ok(vk_str url, const char **why_r);
/* For vendor->order: the line "Authorization: Bearer …" with that field of the organisation's, and its
 * `api_base` as where to. VK_E_UNAVAILABLE: it was not entered. */
VK_MUSTCHECK vk_err vk_order_bearer(vk_order *o, const char *field, const char **why_r);
/* The same with `key`. */
VK_MUSTCHECK vk_err vk_order_bearer_of(vk_order *o, vk_secret key, const char **why_r);
/* For vendor->order: sets to_host and plain from such a base. VK_E_UNAVAILABLE: it is none. */
VK_MUSTCHECK vk_err vk_order_to(vk_order *o, vk_str base, const char **why_r);

#endif
