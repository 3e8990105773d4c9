/* An account at Stripe for each build (Connect), in test mode, with what Stripe's tests take for the data of
 * a person, so that it may take payments at once. The organisation's key acts in it by Stripe-Account
 * (vendor_stripe_order.c). Shapes: docs.stripe.com/api/accounts, docs.stripe.com/connect/testing.
 *
 * Our name is in the account's metadata. It is in the idempotency key too, but those last 24 hours, and a key
 * that once got an error of Stripe's own gets it for as long; so it is another one after a while, and after a
 * create of which nothing is known accounts are looked at. */
#include "core/clock.h"
#include "keeper/provision_named.h"
#include "keeper/vendor_stripe.h"

enum { KEY_MS = 2 * 60 * 1000 }; /* how long a create has the same idempotency key, and the same body */

static vk_str name_of(const vk_json *one)
{
    return vk_json_str(vk_json_get(vk_json_get(one, VK_STR("metadata")), VK_STR("valetkey")));
}

static vk_str created(vk_prov *p, const vk_json *one)
{
    int64_t at = vk_prov_number(one, "created");
    char text[VK_CLOCK_TEXT];
    if (at < 0)
        return VK_STR_NONE;
    vk_clock_text(at * 1000, text);
    return vk_arena_dup(p->arena, vk_str_z(text));
}

/* The parts that are the same for all: an account that is the platform's affair wholly (what Stripe calls
 * custom), with the test values of a person that is verified at once. None of them is anybody's. */
#define SAME                                                                                                 \
    "country=US&controller[losses][payments]=application&controller[fees][payer]=application"                \
    "&controller[stripe_dashboard][type]=none&controller[requirement_collection]=application"                \
    "&capabilities[card_payments][requested]=true&capabilities[transfers][requested]=true"                   \
    "&business_type=individual&business_profile[mcc]=5734"                                                   \
    "&business_profile[url]=https%3A%2F%2Faccessible.stripe.com"                                             \
    "&individual[first_name]=Test&individual[last_name]=Build"                                               \
    "&individual[email]=build%40example.com&individual[phone]=0000000000"                                    \
    "&individual[dob][day]=1&individual[dob][month]=1&individual[dob][year]=1902"                            \
    "&individual[address][line1]=address_full_match&individual[address][city]=San%20Francisco"               \
    "&individual[address][state]=CA&individual[address][postal_code]=94103"                                  \
    "&individual[address][country]=US&individual[id_number]=222222222"                                       \
    "&external_account[object]=bank_account&external_account[country]=US"                                    \
    "&external_account[currency]=usd&external_account[routing_number]=110000000"                             \
    "&external_account[account_number]=000123456789&tos_acceptance[ip]=127.0.0.1"

static vk_err create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    long long at = (long long)(p->now_ms / KEY_MS * (KEY_MS / 1000)); /* seconds; its body is the key's */
    VK_UNUSED(why_r);
    vk_str more = vk_arena_printf(p->arena, "&tos_acceptance[date]=%lld&metadata[valetkey]=%s", at, p->name);
    vk_str body = vk_arena_printf(p->arena, "%s" VK_STR_FMT, SAME, VK_STR_ARG(more));
    r->lines = vk_arena_printf(p->arena, "Idempotency-Key: %s-%lld\r\n", p->name, at);
    if (!more.p || !body.p || !r->lines.p)
        return VK_E_NOMEM;
    vk_err e = vk_prov_asks(r, "POST", VK_STR("/v1/accounts"), body);
    r->content_type = VK_STR("application/x-www-form-urlencoded");
    return e;
}

static vk_str error_of(const vk_json *body, const char *member)
{
    return vk_json_str(vk_json_get(vk_json_get(body, VK_STR("error")), vk_str_z(member)));
}

static bool says(const vk_json *body, const char *part)
{
    vk_str s = error_of(body, "message");
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= s.n; i++)
        if (memcmp(s.p + i, part, n) == 0)
            return true;
    return false;
}

static vk_err refused(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 409) /* the same key is under way */
        return VK_E_BUSY;
    if (says(body, "signed up for Connect")) {
        *why_r = "Connect is not enabled in the organisation's sandbox at Stripe: enable it in its dashboard "
                 "under "
                 "Settings, Connect. Or let builds share the account, with soft=yes.";
        return VK_E_FORBIDDEN;
    }
    if (says(body, "managing losses") || says(body, "platform profile") || says(body, "platform-profile")) {
        *why_r =
            "Stripe wants the platform profile of Connect to be completed first: in the sandbox's dashboard "
            "under Settings, Connect. Or let builds share the account, with soft=yes.";
        return VK_E_FORBIDDEN;
    }
    return vk_prov_refused(p, "Creating the account", status, body, "error.message", why_r);
}

/* Stripe answers so of an account that was deleted, and of one that never was. Not of a key that may not ask,
 * whose error is another. */
static bool gone(int status, const vk_json *body)
{
    return (status == 403 && vk_str_eqz(error_of(body, "code"), "account_invalid")) ||
           (status == 404 && vk_str_eqz(error_of(body, "code"), "resource_missing"));
}

static const vk_prov_kind kind = {
    .one = "the account",
    .many = "the accounts",
    .path = "/v1/accounts",
    .query = "",
    .id = "id",
    .head = "acct_",
    .error = "error.message",
    .pages = true,
    .name = name_of,
    .created = created,
    .create = create,
    .refused = refused,
    .gone = gone,
};

static vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_create(&kind, p, r, why_r);
}
static vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_create(&kind, p, status, body, why_r);
}
static vk_err ask_others(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_others(&kind, p, r, why_r);
}
static vk_err took_twins(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_others(&kind, p, status, body, true, why_r);
}

/* ---- whether it may take payments */

static vk_err ask_ready(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_one(&kind, p, r, why_r);
}

/* What was given is all that can be: what is still wanted then, while nothing is being looked at, will be
 * wanted for ever. */
static vk_err not_ready(vk_prov *p, const vk_json *body, const char **why_r)
{
    const vk_json *all = vk_json_get(body, VK_STR("requirements"));
    const vk_json *due = vk_json_opt(all, VK_STR("currently_due")),
                  *pending = vk_json_opt(all, VK_STR("pending_verification"));
    vk_str reason = vk_prov_text(all, "disabled_reason", VK_PROV_VALUE_MAX);
    bool wants = due && due->type == VK_JSON_ARRAY && due->count;
    bool looked = pending && pending->type == VK_JSON_ARRAY && pending->count;
    if (!vk_str_starts(reason, VK_STR("rejected.")) && (!wants || looked))
        return VK_AGAIN;
    vk_str what = wants ? vk_json_str(due->u.child) : reason;
    for (size_t i = 0; i < what.n; i++)
        if (what.p[i] <= ' ' || what.p[i] >= 0x7f)
            what = VK_STR("something");
    if (!what.n || what.n > 80)
        what = VK_STR("something");
    vk_str s =
        vk_arena_printf(p->arena, "The account may not take payments at Stripe, which %s " VK_STR_FMT ".",
                        wants ? "still wants" : "says", VK_STR_ARG(what));
    *why_r = s.p ? s.p : "The account may not take payments at Stripe.";
    return VK_E_FORBIDDEN;
}

static vk_err took_ready(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const vk_json *enabled;
    const char *why;
    vk_err e = vk_named_took_one(&kind, p, status, body, why_r);
    if (e != VK_OK)
        return e;
    vk_str id = vk_prov_noted(p, "id");
    enabled = vk_json_get(body, VK_STR("charges_enabled"));
    if (!enabled || enabled->type != VK_JSON_BOOL ||
        !vk_vendor_field_of(p->vendor->own, VK_STR("account"))->ok(id, &why)) {
        *why_r = "Stripe answers with something that is no account.";
        return VK_E_INVALID;
    }
    return enabled->u.b ? vk_prov_set(p, "account", vk_secret_of(id)) : not_ready(p, body, why_r);
}

/* ---- its end */

static vk_err ask_delete(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_delete(&kind, p, r, why_r);
}
static vk_err took_delete(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_delete(&kind, p, status, body, why_r);
}
static vk_err took_all(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_others(&kind, p, status, body, false, why_r);
}
static vk_err took_gone(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_gone(&kind, p, status, body, why_r);
}
static vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_list(&kind, p, r, why_r);
}
static vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_list(&kind, p, status, body, why_r);
}

/* ---- */

static bool wanted(const vk_org *org, const vk_binding *b)
{
    VK_UNUSED(org);
    return !vk_binding_value(b, "account").n && !vk_binding_value(b, "soft").n;
}

static const vk_prov_step make[] = {
    {.what = "create the account", .op = "accounts.create", .ask = ask_create, .took = took_create},
    {.what = "see that there is only one",
     .op = "accounts.twins",
     .needed = vk_named_unsure,
     .ask = ask_others,
     .took = took_twins},
    {.what = "wait until it may take payments",
     .op = "accounts.retrieve",
     .ask = ask_ready,
     .took = took_ready},
    {.what = NULL},
};
static const vk_prov_step end[] = {
    {.what = "delete the account",
     .op = "accounts.delete",
     .needed = vk_named_known,
     .ask = ask_delete,
     .took = took_delete},
    {.what = "see that none of its name is left", .op = "accounts.list", .ask = ask_others, .took = took_all},
    {.what = "see that it is gone",
     .op = "accounts.retrieve",
     .needed = vk_named_known,
     .ask = ask_ready,
     .took = took_gone},
    {.what = NULL},
};
static const vk_prov_step list[] = {
    {.what = "list the accounts", .op = "accounts.list", .ask = ask_list, .took = took_list},
    {.what = NULL},
};

const vk_provisioner vk_provision_stripe = {
    .resource = "account",
    .joint = '-',
    .at_once = 4,
    .wanted = wanted,
    .make = make,
    .end = end,
    .list = list,
};
