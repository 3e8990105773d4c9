#include "services/payments/stripe/reply.h"

enum { DEPTH = 64 };

/* An object belongs to whoever has one of these of it. */
static const char *const owners[] = {"customer",     "subscription",    "invoice", "payment_intent",
                                     "setup_intent", "charge",          "source",  "product",
                                     "coupon",       "checkout_session"};

static vk_str id_of(const vk_pv *v)
{
    return vk_pv_is(v, VK_PV_STR) ? v->u.s : vk_pv_text(v, "id");
}

static bool has(vk_stripe_reply *r, const char *space, vk_str id)
{
    vk_str key = id.n ? vk_stripe_key(r->a, space, id) : VK_STR("");
    if (!key.p)
        r->err = VK_E_NOMEM;
    return key.n && r->has(r->arg, key);
}

static const char *space_of(const vk_pv *object, vk_str id)
{
    return vk_stripe_space(vk_stripe_kind_of_object(vk_pv_text(object, "object")), id);
}

bool vk_stripe_reply_own(vk_stripe_reply *r, const vk_pv *object)
{
    vk_str id = vk_pv_text(object, "id"), tag = vk_pv_text(object, "metadata." VK_STRIPE_TAG_KEY);
    if (tag.n)
        return vk_str_eq(tag, r->tag);
    if (has(r, space_of(object, id), id))
        return true;
    for (size_t i = 0; i < VK_COUNT(owners); i++) {
        vk_str of = id_of(vk_pv_get(object, owners[i]));
        if (of.n && has(r, vk_stripe_space(vk_stripe_kind_of_name(vk_str_z(owners[i])), of), of))
            return true;
    }
    vk_str subscription = vk_pv_text(object, "parent.subscription_details.subscription");
    return subscription.n && has(r, NULL, subscription);
}

static void follow(vk_stripe_reply *r, const char *space, vk_str id)
{
    vk_str key = vk_stripe_key(r->a, space, id);
    if (r->err != VK_OK || (key.p && !key.n))
        return;
    vk_stripe_followed *f = r->n < VK_STRIPE_FOLLOW_MAX ? VK_NEW(r->a, vk_stripe_followed) : NULL;
    if (!f || !key.p) {
        r->err = r->n < VK_STRIPE_FOLLOW_MAX ? VK_E_NOMEM : VK_E_TOO_LARGE;
        return;
    }
    *f = (vk_stripe_followed){r->first, key};
    r->first = f;
    r->n++;
}

static void follow_ref(vk_stripe_reply *r, vk_str name, vk_str id)
{
    if (vk_stripe_is_followed(name, id))
        follow(r, vk_stripe_space(vk_stripe_kind_of_name(name), id), id);
}

/* What an account has in common is followed only as what was made. */
static bool is_common(vk_str object)
{
    static const char *const all[] = {
        "coupon",  "promotion_code", "tax_rate",        "shipping_rate", "billing_portal.configuration",
        "account", "event",          "webhook_endpoint"};
    for (size_t i = 0; i < VK_COUNT(all); i++)
        if (vk_str_eqz(object, all[i]))
            return true;
    return !object.n;
}

/* `follows`: not below what the account has in common, which may lead to another build's. */
static void walk(vk_stripe_reply *r, vk_pv *in, vk_str name, bool made, bool follows, int depth)
{
    if (depth == DEPTH) {
        r->err = VK_E_TOO_LARGE;
        return;
    }
    bool is_object = vk_pv_is(in, VK_PV_OBJ);
    vk_str id = is_object ? vk_pv_text(in, "id") : VK_STR_NONE;
    if (id.n && !made && is_common(vk_pv_text(in, "object")))
        follows = false;
    else if (id.n && follows)
        follow(r, space_of(in, id), id);
    VK_PV_EACH(v, in)
    {
        vk_str called = is_object ? v->key : name;
        if (vk_str_eqz(called, "metadata"))
            vk_pv_del(v, VK_STRIPE_TAG_KEY);
        else if (!vk_pv_is(v, VK_PV_STR))
            walk(r, v, called, false, follows, depth + 1);
        else if (follows)
            follow_ref(r, called, v->u.s);
    }
}

void vk_stripe_reply_take(vk_stripe_reply *r, vk_pv *object, bool made)
{
    walk(r, object, VK_STR(""), made, true, 0);
}

vk_str vk_stripe_reply_tag(const vk_pv *object)
{
    static const char *const at[] = {"metadata", "parent.subscription_details.metadata",
                                     "subscription_details.metadata"};
    vk_str tag = VK_STR_NONE;
    for (size_t i = 0; i < VK_COUNT(at) && !tag.n; i++)
        tag = vk_pv_text(vk_pv_at(object, at[i]), VK_STRIPE_TAG_KEY);
    return tag;
}
