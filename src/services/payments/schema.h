/* The description of Stripe's API that everything comes from: which fields an object has, in which versions;
 * which parameters a call takes and where they go; which calls there are. One file a resource in resources/,
 * nothing but tables. From these come the check of parameters and its errors, what is stored, how it is
 * rendered for a version, expansion, docs/SUPPORTED-CALLS.md and the shape test against the SDK's own types.
 *
 * Versions are dates as numbers: 20250331. `since` 0: always; `until` 0: still. A version v has a row when
 * since <= v < until.
 *
 * Types of fields
 *   string int bool time decimal number map object any      time: unix seconds; decimal: a JSON string;
 * number: a JSON number that need not be whole (stored as a text); map: as it is, any members; any: as it is
 *   =a|b|c          one of these texts; "shown<stored" when the document has another word for it
 *   [string] [int]  an array of…;  []: of objects, whose members are rows "name[].member"
 *   @price          the id of a price, expandable;  @customer,account: one of these. The document has the id,
 *                   or the whole object (then it is not looked up); [@price]: an array of these
 *   {price}         the whole object, rendered by its own description: stored inside of the document as an
 *                   object, or as its id (then it is looked up);  [{tax_rate}]: an array of these
 *   list{line_item} a list object with such elements; stored as {"data":[…]}, or looked up (`from`). `start`
 *                   is its url, ":id" in it the id of the object that it is in. It shows the first
 *                   VK_PAY_INLINE_MAX. list{}: always empty
 *   +x              there only when it is expanded (null until then, when the name has no '?')
 *   x?              x or null
 * Names: dotted path; a '?' at the end: may be absent, and is when the document has no such member. A row
 * without '?' is always there: the document's value, or `start`, or null where the type allows it, or the
 * empty value of the type. An object? that the document does not have is null; an object that is there has
 * all of its members, and so has an object without '?', from the starts of its rows.
 * `from`: where the value is, if not in the member of the same name; seen from the object that the row is a
 * member of. Segments: a member, a number (an element), "only" (the element, when there is one alone).
 * "-": nowhere. "status=paid": whether that is the value there. "?customer": documents whose key `customer`
 * is this object's id, newest first. Rows of the same name stand one after the other, their members behind
 * the last of them. Before VK_PAY_BASIL, rows with a later `since` are shown as well, as Stripe does, unless
 * an older row of the same name is.
 *
 * Types of parameters: as above (no references), and
 *   string:500      at most so many characters; without a number 5000
 *   decimal number  a decimal: becomes a text
 *   country         two upper-case letters
 *   time|=now bool|=x   a choice
 *   =a|b<c          c is taken, too, and becomes b
 *   range           a whole number, or a map of gt, gte, lt, lte
 *   any             whatever it is
 *   x?              the empty text is allowed and unsets (null in the result)
 * Names as on the wire: "line_items[][price_data][currency]*"; a '*' at the end: required within its parent.
 * A map is given whole: "metadata" (limits of metadata apply). */
#ifndef VK_PAY_SCHEMA_H
#define VK_PAY_SCHEMA_H

#include "services/payments/value.h"

enum {
    VK_PAY_NEWEST = 20261028, /* 2026-10-28.endive */
    VK_PAY_BASIL = 20250331,
    VK_PAY_EXPAND_MAX = 4,  /* levels */
    VK_PAY_INLINE_MAX = 10, /* elements of a list inside of an object */
    VK_PAY_KEYS_MAX = 10,
    VK_PAY_ID_MAX = 255,
};
#define VK_PAY_NEWEST_NAME "2026-10-28.endive"

typedef struct vk_pay_field {
    const char *name, *type;
    const char *start; /* JSON: the value when the document has none */
    int since, until;
    const char *from; /* another path of the document that it is taken from (older shapes) */
} vk_pay_field;

typedef struct vk_pay_param {
    const char *name, *type;
    /* Where the generic calls put it: "=": the field of the same name, with all that is in it; a path; NULL:
     * the call's own `run` reads it, or it goes with its parent. "!": accepted without effect (Stripe-Notice
     * says so). "-": Stripe's, but not here, and not to be overlooked: refused (vk_pay_refuse_absent). In
     * lists: the resource's key that it filters by ("id" and "created" are always keys; an array: one of
     * these). */
    const char *to;
    int since, until;
} vk_pay_param;

/* What a call does before its own `run`. */
typedef enum vk_pay_verb {
    VK_PAY_CREATE, /* makes the object from the parameters, `run` completes it, stores it, "<object>.created"
                    */
    VK_PAY_RETRIEVE, /* the object of the path; `run` may refuse */
    VK_PAY_UPDATE,   /* changes it, `run` completes it; "<object>.updated" when something changed */
    VK_PAY_DELETE,   /* `run` may refuse; leaves a stub {id, object, deleted}; "<object>.deleted" */
    VK_PAY_LIST,     /* newest first; limit, starting_after, ending_before, created, and the filters */
    VK_PAY_SEARCH,
    VK_PAY_ACTION, /* `run` does it all */
    VK_PAY_PAGE,   /* for people, below /b/<build>/: `run` writes HTML */
} vk_pay_verb;

struct vk_pay_call;
struct vk_pay_resource;
typedef struct vk_pay_endpoint {
    const char *method,
        *path; /* "/v1/customers/:id"; segments that begin with ':' are ids. Pages: "/c/pay/:id" */
    vk_pay_verb verb;
    const struct vk_pay_resource *resource; /* of the answer; of a list: of its elements */
    const vk_pay_param *params;             /* .name NULL ends; NULL: only expand (and a list's own) */
    vk_err (*run)(struct vk_pay_call *c);   /* may be NULL, unless ACTION or PAGE */
    int since, until;
    bool publishable; /* may be called with pk_… and the object's client_secret */
} vk_pay_endpoint;

typedef struct vk_pay_resource {
    const char *object;                /* "checkout.session" */
    const char *word;                  /* of "No such …: 'id'" */
    const char *prefix;                /* of its ids: "cus_" */
    int random;                        /* characters behind it */
    const char *url;                   /* of its lists: "/v1/customers" */
    const vk_pay_field *fields;        /* .name NULL ends */
    const vk_pay_endpoint *endpoints;  /* .method NULL ends; NULL: it has none of its own */
    const char *keys[VK_PAY_KEYS_MAX]; /* paths by which lists filter and others look it up: "customer",
                                        * "items.data[].price"; NULL ends. Texts and booleans; of an
                                        * object, its id */
    /* Sets what the time decides, whenever a document is shown: `doc` is a copy, and nothing of it is stored.
     * NULL: nothing does. */
    vk_err (*now)(struct vk_pay_call *c, vk_pv *doc);
    bool silent;         /* no created/updated/deleted events */
    bool inner;          /* lives inside of others only: line items */
    const char *mirrors; /* the resource whose documents these are: a plan is a price */
} vk_pay_resource;

/* All of them, NULL at the end (resources/all.c). */
extern const vk_pay_resource *const vk_pay_resources[];
extern const vk_pay_resource vk_pay_r_account, vk_pay_r_balance, vk_pay_r_product, vk_pay_r_price,
    vk_pay_r_plan, vk_pay_r_customer, vk_pay_r_payment_method, vk_pay_r_payment_intent, vk_pay_r_setup_intent,
    vk_pay_r_charge, vk_pay_r_refund, vk_pay_r_coupon, vk_pay_r_promotion_code, vk_pay_r_discount,
    vk_pay_r_session, vk_pay_r_item, vk_pay_r_subscription, vk_pay_r_subscription_item, vk_pay_r_invoice,
    vk_pay_r_invoice_line, vk_pay_r_invoice_payment, vk_pay_r_payment_link, vk_pay_r_tax_rate,
    vk_pay_r_shipping_rate, vk_pay_r_webhook_endpoint, vk_pay_r_event, vk_pay_r_balance_transaction;

/* The hosted pages (resources/pages.c); .method NULL ends. */
extern const vk_pay_endpoint vk_pay_pages[];
/* Calls of Stripe's that are known not to be here (resources/missing.c); .path NULL ends. */
typedef struct vk_pay_missing {
    const char *method; /* NULL: any */
    const char *path;   /* and all below it; ":id": any segment */
    const char *why;    /* for the documentation: what it is about */
} vk_pay_missing;
extern const vk_pay_missing vk_pay_missing_calls[];

/* Compiles all tables, once in `start`; *why_r says which row is wrong. Constant and shared afterwards. */
VK_MUSTCHECK vk_err vk_pay_schema_start(const char **why_r);
const vk_pay_resource *vk_pay_resource_of(vk_str object); /* NULL */
/* By the prefix of an id ("cs_test_a1…"); NULL: none. */
const vk_pay_resource *vk_pay_resource_of_id(vk_str id);
/* The endpoint of a method and path, ids_r as in the path (see vk_pay_ids); NULL: none. *there_r: the path
 * has others. */
const vk_pay_endpoint *vk_pay_endpoint_find(vk_str method, vk_str path, int version, vk_str ids_r[2],
                                            bool *there_r);
/* A path's ids as they are meant: "25%20OFF" (SDKs send them through encodeURIComponent), in the arena.
 * VK_E_INVALID: *why_r as of vk_pay_unescape. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_pay_ids(vk_arena *a, vk_str ids[2], const char **why_r);

/* Stripe has such a call, and valetkey has it not. */
bool vk_pay_absent(vk_str method, vk_str path);

/* "2026-10-28.endive" → 20261028, and the version's name as it is echoed. VK_E_INVALID. Later ones than the
 * newest are the newest. */
VK_MUSTCHECK vk_err vk_pay_version(vk_str text, int *out_r);

/* Checks a request's parameters: names, required ones, types, enumerations, lengths; `form` is changed in
 * place into typed values (int, bool, null for what is unset). Unknown names are refused. What has no effect
 * is taken out and noted with vk_pay_notice. `expand` is taken out into c->expand. Refuses with
 * vk_pay_refuse: the error's param is the name as on the wire. */
VK_MUSTCHECK vk_err vk_pay_check(struct vk_pay_call *c, vk_pv *form);

/* Copies what the parameters' `to` say into the document: metadata is merged (empty value: the key goes;
 * null: all of it), a null unsets, objects are merged member by member, arrays replaced. */
VK_MUSTCHECK vk_err vk_pay_take(struct vk_pay_call *c, vk_pv *doc);

/* A document as an object of c->version, with c->expand (paths begin at `doc`'s own fields; `under`: the
 * path that leads to it, "data" in lists). Looks up what is expanded. Paths that name no expandable field
 * are refused. NULL with c's refusal or without memory: the return says. */
VK_MUSTCHECK vk_err vk_pay_render(struct vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc,
                                  const char *under, vk_pv **out_r);
/* The same without expansion, for another version: events. */
VK_MUSTCHECK vk_err vk_pay_render_for(struct vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc,
                                      int version, vk_pv **out_r);
/* {"object":"list",…} around elements that are rendered already (an array). */
vk_pv *vk_pay_list(vk_arena *a, vk_pv *data, bool more, vk_str url);

#endif
