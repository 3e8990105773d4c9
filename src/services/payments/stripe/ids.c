#include "services/payments/stripe/ids.h"

enum { TAIL_MIN = 10, TOKEN_MAX = 24 };

/* clang-format off */
static const struct {
    const char *name;
    vk_stripe_name is;
    const char *object; /* of REF; NULL: the id says */
    bool followed;      /* in replies */
} names[] = {
    {"customer", VK_STRIPE_REF, "customer", true},
    {"price", VK_STRIPE_REF, "price", true},
    {"prices", VK_STRIPE_REF, "price", false},
    {"default_price", VK_STRIPE_REF, "price", true},
    {"plan", VK_STRIPE_REF, "plan", true},
    {"product", VK_STRIPE_REF, "product", true},
    {"products", VK_STRIPE_REF, "product", false},
    {"coupon", VK_STRIPE_REF, "coupon", false},
    {"coupons", VK_STRIPE_REF, "coupon", false},
    {"promotion_code", VK_STRIPE_REF, "promotion_code", false},
    {"discount", VK_STRIPE_REF, NULL, true},
    {"payment_method", VK_STRIPE_REF, "payment_method", true},
    {"default_payment_method", VK_STRIPE_REF, "payment_method", true},
    {"payment_intent", VK_STRIPE_REF, "payment_intent", true},
    {"setup_intent", VK_STRIPE_REF, "setup_intent", true},
    {"pending_setup_intent", VK_STRIPE_REF, "setup_intent", true},
    {"charge", VK_STRIPE_REF, "charge", true},
    {"latest_charge", VK_STRIPE_REF, "charge", true},
    {"refund", VK_STRIPE_REF, "refund", true},
    {"subscription", VK_STRIPE_REF, "subscription", true},
    {"subscription_item", VK_STRIPE_REF, "subscription_item", true},
    {"invoice", VK_STRIPE_REF, "invoice", true},
    {"latest_invoice", VK_STRIPE_REF, "invoice", true},
    {"invoice_item", VK_STRIPE_REF, "invoiceitem", true},
    {"invoice_payment", VK_STRIPE_REF, "invoice_payment", true},
    {"checkout_session", VK_STRIPE_REF, "checkout.session", true},
    {"payment_link", VK_STRIPE_REF, "payment_link", true},
    {"configuration", VK_STRIPE_REF, "billing_portal.configuration", false},
    {"tax_rate", VK_STRIPE_REF, "tax_rate", false},
    {"tax_rates", VK_STRIPE_REF, "tax_rate", false},
    {"default_tax_rates", VK_STRIPE_REF, "tax_rate", false},
    {"shipping_rate", VK_STRIPE_REF, "shipping_rate", false},
    {"test_clock", VK_STRIPE_REF, "test_helpers.test_clock", true},
    {"balance_transaction", VK_STRIPE_REF, "balance_transaction", true},
    {"source", VK_STRIPE_REF, NULL, true},
    {"default_source", VK_STRIPE_REF, NULL, true},
    {"mandate", VK_STRIPE_REF, NULL, true},
    {"token", VK_STRIPE_REF, NULL, false},
    {"card", VK_STRIPE_REF, NULL, false},
    {"id", VK_STRIPE_REF, NULL, false}, /* in replies an object's own, with its kind beside it */

    {"description", VK_STRIPE_TEXT, NULL, false},
    {"name", VK_STRIPE_TEXT, NULL, false},
    {"nickname", VK_STRIPE_TEXT, NULL, false},
    {"email", VK_STRIPE_TEXT, NULL, false},
    {"receipt_email", VK_STRIPE_TEXT, NULL, false},
    {"customer_email", VK_STRIPE_TEXT, NULL, false},
    {"phone", VK_STRIPE_TEXT, NULL, false},
    {"statement_descriptor", VK_STRIPE_TEXT, NULL, false},
    {"statement_descriptor_suffix", VK_STRIPE_TEXT, NULL, false},
    {"unit_label", VK_STRIPE_TEXT, NULL, false},
    {"lookup_key", VK_STRIPE_TEXT, NULL, false},
    {"lookup_keys", VK_STRIPE_TEXT, NULL, false},
    {"client_reference_id", VK_STRIPE_TEXT, NULL, false},
    {"transfer_group", VK_STRIPE_TEXT, NULL, false},
    {"code", VK_STRIPE_TEXT, NULL, false},
    {"message", VK_STRIPE_TEXT, NULL, false},
    {"comment", VK_STRIPE_TEXT, NULL, false},
    {"footer", VK_STRIPE_TEXT, NULL, false},
    {"headline", VK_STRIPE_TEXT, NULL, false},
    {"memo", VK_STRIPE_TEXT, NULL, false},
    {"label", VK_STRIPE_TEXT, NULL, false},
    {"value", VK_STRIPE_TEXT, NULL, false},
    {"key", VK_STRIPE_TEXT, NULL, false},
    {"line1", VK_STRIPE_TEXT, NULL, false},
    {"line2", VK_STRIPE_TEXT, NULL, false},
    {"city", VK_STRIPE_TEXT, NULL, false},
    {"state", VK_STRIPE_TEXT, NULL, false},
    {"postal_code", VK_STRIPE_TEXT, NULL, false},
    {"carrier", VK_STRIPE_TEXT, NULL, false},
    {"tracking_number", VK_STRIPE_TEXT, NULL, false},
    {"query", VK_STRIPE_TEXT, NULL, false},
    {"text", VK_STRIPE_TEXT, NULL, false},

    {"on_behalf_of", VK_STRIPE_CROSS, NULL, false},
    {"transfer", VK_STRIPE_CROSS, NULL, false},
    {"transfer_data", VK_STRIPE_CROSS, NULL, false},
    {"source_transfer", VK_STRIPE_CROSS, NULL, false},
    {"destination", VK_STRIPE_CROSS, NULL, false},
    {"application", VK_STRIPE_CROSS, NULL, false},
    {"application_fee", VK_STRIPE_CROSS, NULL, false},
    {"application_fee_amount", VK_STRIPE_CROSS, NULL, false},
    {"application_fee_percent", VK_STRIPE_CROSS, NULL, false},
    {"account", VK_STRIPE_CROSS, NULL, false},
    {"customer_account", VK_STRIPE_CROSS, NULL, false},
    {"stripe_account", VK_STRIPE_CROSS, NULL, false},
};

/* Of all objects that a parameter can name. */
static const char *const prefixes[] = {
    "acct_", "ba_", "bpc_", "bps_", "card_", "ch_", "clock_", "cs_", "cus_", "di_", "dp_", "evt_", "fee_",
    "file_", "ii_", "il_", "in_", "inpay_", "li_", "mandate_", "pi_", "plan_", "plink_", "pm_", "pmc_", "po_",
    "price_", "prod_", "promo_", "py_", "pyr_", "qt_", "re_", "seti_", "setatt_", "shr_", "si_", "sli_",
    "src_", "sub_", "tok_", "tr_", "txi_", "txn_", "txr_", "we_",
};
/* Of what an account has in common, or what leads out of it. */
static const char *const common[] = {"acct_", "bpc_", "evt_", "file_", "fee_", "pmc_", "po_", "promo_", "shr_",
                                     "tr_", "txr_", "we_"};
/* clang-format on */

vk_stripe_name vk_stripe_name_of(vk_str name)
{
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_str_eqz(name, names[i].name))
            return names[i].is;
    return VK_STRIPE_PLAIN;
}

const vk_stripe_kind *vk_stripe_kind_of_name(vk_str name)
{
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (names[i].object && vk_str_eqz(name, names[i].name))
            return vk_stripe_kind_of_object(vk_str_z(names[i].object));
    return NULL;
}

static bool begins(vk_str id, const char *prefix)
{
    return vk_str_starts(id, vk_str_z(prefix));
}

const char *vk_stripe_space(const vk_stripe_kind *k, vk_str id)
{
    if (k)
        return k->space;
    return begins(id, "prod_") ? "product" : begins(id, "price_") || begins(id, "plan_") ? "price" : NULL;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool vk_stripe_is_id(vk_str text)
{
    for (size_t i = 0; i < VK_COUNT(prefixes); i++) {
        size_t n = strlen(prefixes[i]);
        if (!begins(text, prefixes[i]) || text.n < n + TAIL_MIN)
            continue;
        for (; n < text.n && (letter(text.p[n]) || (text.p[n] >= '0' && text.p[n] <= '9')); n++)
            ;
        return n == text.n;
    }
    return false;
}

/* Ids that Stripe makes have no second underscore, and a token's first character is a digit. */
bool vk_stripe_is_test_card(vk_str text)
{
    if (begins(text, "pm_"))
        return memchr(text.p + 3, '_', text.n - 3) != NULL;
    if (!begins(text, "tok_") || text.n > TOKEN_MAX)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!letter(text.p[i]))
            return false;
    return true;
}

bool vk_stripe_is_followed(vk_str name, vk_str id)
{
    bool yes = false;
    for (size_t i = 0; i < VK_COUNT(names) && !yes; i++)
        yes = names[i].followed && vk_str_eqz(name, names[i].name);
    for (size_t i = 0; i < VK_COUNT(common) && yes; i++)
        yes = !begins(id, common[i]);
    return yes && id.n;
}

vk_str vk_stripe_key(vk_arena *a, const char *space, vk_str id)
{
    if (!id.n || id.n > VK_STRIPE_ID_MAX)
        return VK_STR("");
    return space ? vk_arena_printf(a, "%s:" VK_STR_FMT, space, VK_STR_ARG(id)) : id;
}
