/* Tax rates, shipping rates and the account. https://docs.stripe.com/api/tax_rates, …/shipping_rates */
#include "services/payments/catalogue.h"
#include "services/payments/resources/runs.h"

enum {
    AMOUNT_MAX = 99999999,
    ESTIMATE_MAX = 1000,
};

static bool active_at_first(vk_pay_call *c)
{
    return vk_pv_get(c->doc, "active") || vk_pv_put_bool(c->arena, c->doc, "active", true);
}

vk_err vk_pay_tax_rate_create(vk_pay_call *c)
{
    vk_str plain = VK_STR_NONE;
    bool whole;
    int64_t of_all = -1;
    vk_str given = vk_pv_text(c->doc, "percentage");
    vk_err e = vk_pay_decimal_plain(c->arena, given, 4, &plain, &whole);
    if (e == VK_E_NOMEM)
        return e;
    if (e != VK_OK || vk_pay_percent_of(1000000, plain, &of_all) != VK_OK || of_all > 1000000)
        return vk_pay_refuse(c, 400, NULL, "percentage",
                             "Invalid percentage: must be between 0 and 100, with at most four decimals.");
    bool ok = vk_pv_put_str(c->arena, c->doc, "percentage", plain) && active_at_first(c);
    return ok ? VK_OK : VK_E_NOMEM;
}

static vk_err estimate(vk_pay_call *c)
{
    static const char *const ends[][2] = {
        {"delivery_estimate.minimum.value", "delivery_estimate[minimum][value]"},
        {"delivery_estimate.maximum.value", "delivery_estimate[maximum][value]"},
    };
    for (size_t i = 0; i < VK_COUNT(ends); i++) {
        vk_err e = vk_pay_within(c, vk_pv_at(c->doc, ends[i][0]), 1, ESTIMATE_MAX, ends[i][1]);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

vk_err vk_pay_shipping_rate_create(vk_pay_call *c)
{
    if (!vk_pv_is(vk_pv_get(c->doc, "fixed_amount"), VK_PV_OBJ))
        return vk_pay_refuse_missing(c, "fixed_amount");
    vk_err e = vk_pay_currency_param(c, c->doc, "fixed_amount.currency", "fixed_amount[currency]");
    if (e == VK_OK)
        e = vk_pay_within(c, vk_pv_at(c->doc, "fixed_amount.amount"), 0, AMOUNT_MAX, "fixed_amount[amount]");
    if (e == VK_OK)
        e = estimate(c);
    if (e != VK_OK)
        return e;
    bool ok = active_at_first(c) &&
              (vk_pv_text(c->doc, "tax_behavior").p ||
               vk_pv_put_str(c->arena, c->doc, "tax_behavior", VK_STR("unspecified"))) &&
              vk_pv_put_str(c->arena, c->doc, "type", VK_STR("fixed_amount"));
    return ok ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_shipping_rate_update(vk_pay_call *c)
{
    return vk_pay_tax_behavior_kept(c);
}

/* One a build: it is not stored. */
vk_err vk_pay_account_retrieve(vk_pay_call *c)
{
    vk_arena *a = c->arena;
    vk_pv *account = vk_pv_obj(a);
    bool ok = vk_pv_put_str(a, account, "id", vk_str_z(c->about->account)) &&
              vk_pv_put_str(a, account, "object", VK_STR("account")) &&
              vk_pv_put_str(a, account, "business_profile.name", vk_str_z(c->about->business)) &&
              vk_pv_put_str(a, account, "capabilities.card_payments", VK_STR("active")) &&
              vk_pv_put_str(a, account, "capabilities.transfers", VK_STR("active")) &&
              vk_pv_put_str(a, account, "country", VK_STR("US"));
    c->result = account;
    return ok ? VK_OK : VK_E_NOMEM;
}
