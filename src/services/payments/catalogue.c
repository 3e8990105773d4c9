/* Products and prices. https://docs.stripe.com/api/products, …/prices */
#include "services/payments/catalogue.h"

#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum {
    DIGITS_MAX = 8, /* of an amount in the smallest unit, as cards take it */
    AMOUNT_MAX = 99999999,
    DECIMALS_MAX = 12, /* of unit_amount_decimal */
    IMAGES_MAX = 8,
    FEATURES_MAX = 15,
    LOOKUP_KEYS_MAX = 10, /* that a list may ask for */
    TRIAL_DAYS_MAX = 730,
};

/* The name of a parameter in a message: "unit_amount", or "line_items[0][price_data][unit_amount]". `rest` is
 * what comes behind the name: "[interval_count]", or "". */
static const char *named(vk_pay_call *c, const char *at, const char *name, const char *rest)
{
    vk_str full = at ? vk_arena_printf(c->arena, "%s[%s]%s", at, name, rest)
                     : vk_arena_printf(c->arena, "%s%s", name, rest);
    return full.p ? full.p : name; /* without memory there is no answer that could show it */
}

/* ---- prices ---- */

int64_t vk_pay_price_unit(const vk_pv *price)
{
    return vk_pv_number(price, "unit_amount", VK_PAY_NO_UNIT);
}

vk_err vk_pay_currency_param(vk_pay_call *c, vk_pv *doc, const char *path, const char *param)
{
    vk_str given = vk_pv_text(doc, path);
    char lower[4] = {0};
    for (size_t i = 0; i < given.n && given.n == 3; i++)
        lower[i] = (char)(given.p[i] >= 'A' && given.p[i] <= 'Z' ? given.p[i] | 0x20 : given.p[i]);
    vk_str code = vk_arena_dup(c->arena, vk_str_z(lower));
    if (!code.p)
        return VK_E_NOMEM;
    if (!vk_pay_currency(code))
        return vk_pay_refuse(c, 400, NULL, param, "Invalid currency: " VK_STR_FMT, VK_STR_ARG(given));
    return vk_pv_put_str(c->arena, doc, path, code) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_within(vk_pay_call *c, const vk_pv *v, int64_t least, int64_t most, const char *param)
{
    if (!vk_pv_is(v, VK_PV_INT))
        return VK_OK;
    if (v->u.i < least)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", param,
                             "This value must be greater than or equal to %lld.", (long long)least);
    if (v->u.i > most)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", param,
                             "This value must be less than or equal to %lld.", (long long)most);
    return VK_OK;
}

vk_err vk_pay_decimal_plain(vk_arena *a, vk_str text, size_t decimals, vk_str *out_r, bool *whole_r)
{
    vk_str part = text, whole;
    if (!vk_str_cut(&part, '.', &whole)) {
        whole = text;
        part = VK_STR_NONE;
    }
    while (part.n && part.p[part.n - 1] == '0')
        part.n--;
    while (whole.n > 1 && whole.p[0] == '0')
        whole = (vk_str){whole.p + 1, whole.n - 1};
    for (size_t i = 0; i < whole.n + part.n; i++) {
        char ch = i < whole.n ? whole.p[i] : part.p[i - whole.n];
        if (ch < '0' || ch > '9')
            return VK_E_INVALID;
    }
    if (whole.n + part.n == 0 || part.n > decimals || whole.n > 15)
        return VK_E_INVALID;
    if (!whole.n)
        whole = VK_STR("0");
    *whole_r = part.n == 0;
    *out_r = part.n ? vk_arena_printf(a, VK_STR_FMT "." VK_STR_FMT, VK_STR_ARG(whole), VK_STR_ARG(part))
                    : vk_arena_dup(a, whole);
    return out_r->p ? VK_OK : VK_E_NOMEM;
}

/* The customer chooses: {enabled, minimum, maximum, preset}. *is_r: it is so. */
static vk_err custom_amount(vk_pay_call *c, vk_pv *price, const char *at, bool *is_r)
{
    vk_pv *custom = vk_pv_get(price, "custom_unit_amount");
    *is_r = vk_pv_flag(custom, "enabled");
    if (!*is_r)
        return vk_pv_put_null(c->arena, price, "custom_unit_amount") ? VK_OK : VK_E_NOMEM;
    vk_pv_del(custom, "enabled");
    static const char *const others[] = {"unit_amount", "unit_amount_decimal", "recurring"};
    for (size_t i = 0; i < VK_COUNT(others); i++)
        if (!vk_pv_is_null(vk_pv_get(price, others[i])))
            return vk_pay_refuse_both(c, named(c, at, "custom_unit_amount", ""), named(c, at, others[i], ""));
    static const char *const amounts[] = {"minimum", "maximum", "preset"};
    for (size_t i = 0; i < VK_COUNT(amounts); i++) {
        char rest[32];
        snprintf(rest, sizeof rest, "[%s]", amounts[i]);
        vk_err e = vk_pay_within(c, vk_pv_get(custom, amounts[i]), 1, AMOUNT_MAX,
                                 named(c, at, "custom_unit_amount", rest));
        if (e != VK_OK)
            return e;
    }
    int64_t least = vk_pv_number(custom, "minimum", 0), most = vk_pv_number(custom, "maximum", AMOUNT_MAX),
            preset = vk_pv_number(custom, "preset", least > 0 ? least : most);
    if (least > most || preset < least || preset > most)
        return vk_pay_refuse(c, 400, NULL, named(c, at, "custom_unit_amount", ""),
                             "The `preset` of a `custom_unit_amount` must lie between its `minimum` and its "
                             "`maximum`.");
    bool ok = vk_pv_put_null(c->arena, price, "unit_amount") &&
              vk_pv_put_null(c->arena, price, "unit_amount_decimal");
    return ok ? VK_OK : VK_E_NOMEM;
}

/* unit_amount and unit_amount_decimal, of which one is given, come to agree; the first is null when the
 * amount is no whole number of units. */
static vk_err amounts(vk_pay_call *c, vk_pv *price, const char *at)
{
    bool custom, whole;
    vk_err e = custom_amount(c, price, at, &custom);
    if (e != VK_OK || custom)
        return e;
    vk_pv *unit = vk_pv_get(price, "unit_amount");
    vk_str decimal = vk_pv_text(price, "unit_amount_decimal");
    const char *unit_name = named(c, at, "unit_amount", ""),
               *decimal_name = named(c, at, "unit_amount_decimal", "");
    if (!vk_pv_is_null(unit) && decimal.p)
        return vk_pay_refuse_both(c, unit_name, decimal_name);
    if (vk_pv_is(unit, VK_PV_INT)) {
        e = vk_pay_within(c, unit, 0, AMOUNT_MAX, unit_name);
        decimal = vk_arena_printf(c->arena, "%lld", (long long)unit->u.i);
        if (e != VK_OK)
            return e;
        return vk_pv_put_str(c->arena, price, "unit_amount_decimal", decimal) && decimal.p ? VK_OK
                                                                                           : VK_E_NOMEM;
    }
    if (!decimal.p)
        return vk_pay_refuse(c, 400, "parameter_missing", unit_name, "Missing required param: %s.",
                             unit_name);
    vk_str plain;
    int64_t number = 0;
    e = vk_pay_decimal_plain(c->arena, decimal, DECIMALS_MAX, &plain, &whole);
    if (e == VK_OK && whole)
        e = vk_str_to_i64(plain, &number);
    if (e == VK_E_NOMEM)
        return e;
    const char *point = e == VK_OK ? memchr(plain.p, '.', plain.n) : NULL;
    if (e != VK_OK || (point ? (size_t)(point - plain.p) : plain.n) > DIGITS_MAX)
        return vk_pay_refuse(c, 400, "parameter_invalid_decimal", decimal_name,
                             "Invalid decimal: " VK_STR_FMT, VK_STR_ARG(decimal));
    bool ok = vk_pv_put_str(c->arena, price, "unit_amount_decimal", plain) &&
              (whole ? vk_pv_put_int(c->arena, price, "unit_amount", number)
                     : vk_pv_put_null(c->arena, price, "unit_amount"));
    return ok ? VK_OK : VK_E_NOMEM;
}

/* Stripe's longest period is three years. */
static int64_t longest(vk_str interval)
{
    return vk_str_eqz(interval, "day")     ? 1095
           : vk_str_eqz(interval, "week")  ? 156
           : vk_str_eqz(interval, "month") ? 36
                                           : 3;
}

static vk_err recurring(vk_pay_call *c, vk_pv *price, const char *at)
{
    vk_pv *r = vk_pv_get(price, "recurring");
    bool is = vk_pv_is(r, VK_PV_OBJ);
    vk_arena *a = c->arena;
    if (!vk_pv_put_str(a, price, "type", is ? VK_STR("recurring") : VK_STR("one_time")))
        return VK_E_NOMEM;
    if (!is)
        return vk_pv_put_null(a, price, "recurring") ? VK_OK : VK_E_NOMEM;
    vk_str interval = vk_pv_text(r, "interval"), usage = vk_pv_text(r, "usage_type");
    if (!interval.p)
        return vk_pay_refuse_missing(c, named(c, at, "recurring", "[interval]"));
    if (usage.p && !vk_str_eqz(usage, "licensed"))
        return vk_pay_refuse_absent(c, named(c, at, "recurring", "[usage_type]"), "Metered usage");
    vk_err e = vk_pay_within(c, vk_pv_get(r, "interval_count"), 1, longest(interval),
                             named(c, at, "recurring", "[interval_count]"));
    if (e == VK_OK)
        e = vk_pay_within(c, vk_pv_get(r, "trial_period_days"), 1, TRIAL_DAYS_MAX,
                          named(c, at, "recurring", "[trial_period_days]"));
    if (e != VK_OK)
        return e;
    bool ok =
        (vk_pv_is(vk_pv_get(r, "interval_count"), VK_PV_INT) || vk_pv_put_int(a, r, "interval_count", 1)) &&
        vk_pv_put_str(a, r, "usage_type", VK_STR("licensed"));
    return ok ? VK_OK : VK_E_NOMEM;
}

/* What every price has, from what the parameters gave it; `at` as in named(). */
static vk_err complete_price(vk_pay_call *c, vk_pv *price, const char *at, bool made_inline)
{
    vk_arena *a = c->arena;
    if (vk_str_eqz(vk_pv_text(price, "billing_scheme"), "tiered"))
        return vk_pay_refuse_absent(c, named(c, at, "billing_scheme", ""), "Tiered pricing");
    if (!vk_pv_text(price, "currency").p)
        return vk_pay_refuse_missing(c, named(c, at, "currency", ""));
    vk_err e = vk_pay_currency_param(c, price, "currency", named(c, at, "currency", ""));
    if (e == VK_OK)
        e = amounts(c, price, at);
    if (e == VK_OK)
        e = recurring(c, price, at);
    if (e != VK_OK)
        return e;
    bool active = !made_inline && (!vk_pv_get(price, "active") || vk_pv_flag(price, "active"));
    bool ok =
        vk_pv_put_bool(a, price, "active", active) && vk_pv_put_bool(a, price, "inline", made_inline) &&
        vk_pv_put_str(a, price, "billing_scheme", VK_STR("per_unit")) &&
        (vk_pv_text(price, "tax_behavior").p ||
         vk_pv_put_str(a, price, "tax_behavior", VK_STR("unspecified"))) &&
        (vk_pv_is(vk_pv_get(price, "metadata"), VK_PV_OBJ) || vk_pv_put(a, price, "metadata", vk_pv_obj(a)));
    return ok ? VK_OK : VK_E_NOMEM;
}

/* Copies members that are there. */
static bool take(vk_arena *a, vk_pv *to, const vk_pv *from, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const vk_pv *v = vk_pv_get(from, names[i]);
        if (v && !vk_pv_put(a, to, names[i], vk_pv_copy(a, v)))
            return false;
    }
    return true;
}

static const char *const price_data[] = {"currency",     "unit_amount", "unit_amount_decimal",
                                         "metadata",     "recurring",   "custom_unit_amount",
                                         "tax_behavior", "nickname"};

/* A product as every product is, from what the parameters gave it. */
static vk_err complete_product(vk_pay_call *c, vk_pv *product, const char *at, bool active)
{
    vk_arena *a = c->arena;
    static const struct {
        const char *name;
        uint32_t most;
    } arrays[] = {{"images", IMAGES_MAX}, {"marketing_features", FEATURES_MAX}};
    for (size_t i = 0; i < VK_COUNT(arrays); i++) {
        const vk_pv *v = vk_pv_get(product, arrays[i].name);
        if (vk_pv_is(v, VK_PV_ARR) && v->count > arrays[i].most)
            return vk_pay_refuse(c, 400, NULL, named(c, at, arrays[i].name, ""),
                                 "Array %s exceeded maximum %u allowed elements.", arrays[i].name,
                                 arrays[i].most);
    }
    bool ok = vk_pv_put_bool(a, product, "active", active) &&
              (vk_pv_text(product, "type").p || vk_pv_put_str(a, product, "type", VK_STR("service"))) &&
              (vk_pv_is(vk_pv_get(product, "metadata"), VK_PV_OBJ) ||
               vk_pv_put(a, product, "metadata", vk_pv_obj(a))) &&
              vk_pv_put_int(a, product, "updated", c->now);
    return ok ? VK_OK : VK_E_NOMEM;
}

/* A product from `product_data`. An inline one is stored without an event, and not active. */
static vk_err product_of_data(vk_pay_call *c, const vk_pv *data, const char *at, bool made_inline,
                              vk_pv **product_r)
{
    static const char *const names[] = {"name",        "description",          "images",
                                        "metadata",    "statement_descriptor", "tax_code",
                                        "tax_details", "unit_label",           "url"};
    vk_pv *product;
    vk_str id = VK_STR_NONE;
    if (!vk_pv_text(data, "name").n)
        return vk_pay_refuse_missing(c, named(c, at, "name", ""));
    vk_err e = made_inline ? VK_OK : vk_pay_wished_id(c, &vk_pay_r_product, data, &id);
    if (e == VK_OK)
        e = vk_pay_new(c, &vk_pay_r_product, id, &product);
    if (e == VK_OK && !take(c->arena, product, data, names, VK_COUNT(names)))
        e = VK_E_NOMEM;
    const vk_pv *active = vk_pv_get(data, "active");
    if (e == VK_OK)
        e = complete_product(c, product, at, !made_inline && (!active || vk_pv_flag(data, "active")));
    if (e == VK_OK)
        e = made_inline ? vk_pay_put(c, product) : vk_pay_store_new(c, &vk_pay_r_product, product);
    if (e == VK_OK)
        *product_r = product;
    return e;
}

/* The product that a price is of: of `product` or `product_data`. */
static vk_err attach_product(vk_pay_call *c, vk_pv *price, const vk_pv *data, const char *at,
                             bool made_inline)
{
    vk_str id = vk_pv_text(data, "product");
    const vk_pv *made_of = vk_pv_get(data, "product_data");
    vk_pv *product;
    const char *id_name = named(c, at, "product", ""), *data_name = named(c, at, "product_data", "");
    if (id.p && made_of)
        return vk_pay_refuse_both(c, id_name, data_name);
    if (!id.p && !vk_pv_is(made_of, VK_PV_OBJ))
        return vk_pay_refuse_missing(c, id_name);
    vk_err e = id.p ? vk_pay_need(c, &vk_pay_r_product, id, id_name, &product)
                    : product_of_data(c, made_of, data_name, made_inline, &product);
    if (e != VK_OK)
        return e;
    return vk_pv_put_str(c->arena, price, "product", vk_pv_text(product, "id")) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_price_inline(vk_pay_call *c, const vk_pv *data, const char *param, vk_pv **price_r)
{
    vk_pv *price;
    vk_err e = vk_pay_new(c, &vk_pay_r_price, VK_STR_NONE, &price);
    if (e == VK_OK && !take(c->arena, price, data, price_data, VK_COUNT(price_data)))
        e = VK_E_NOMEM;
    if (e == VK_OK)
        e = complete_price(c, price, param, true);
    if (e == VK_OK)
        e = attach_product(c, price, data, param, true);
    if (e == VK_OK)
        e = vk_pay_put(c, price);
    if (e == VK_OK)
        *price_r = price;
    return e;
}

/* A lookup key belongs to one price; it moves when the call says so. */
static vk_err lookup_key(vk_pay_call *c, const vk_pv *price)
{
    vk_str key = vk_pv_text(price, "lookup_key");
    vk_pv **others;
    size_t n;
    if (!key.p)
        return VK_OK;
    vk_err e = vk_pay_find(c, &vk_pay_r_price, "lookup_key", key, 2, &others, &n);
    for (size_t i = 0; i < n && e == VK_OK; i++) {
        vk_str id = vk_pv_text(others[i], "id");
        if (vk_str_eq(id, vk_pv_text(price, "id")))
            continue;
        if (!vk_pv_flag(c->params, "transfer_lookup_key"))
            return vk_pay_refuse(c, 400, NULL, "lookup_key",
                                 "A price (`" VK_STR_FMT "`) already uses that lookup key.", VK_STR_ARG(id));
        if (!vk_pv_put_null(c->arena, others[i], "lookup_key"))
            return VK_E_NOMEM;
        e = vk_pay_store_changed(c, &vk_pay_r_price, others[i]);
    }
    return e;
}

vk_err vk_pay_price_create(vk_pay_call *c)
{
    vk_err e = complete_price(c, c->doc, NULL, false);
    if (e == VK_OK)
        e = lookup_key(c, c->doc);
    return e == VK_OK ? attach_product(c, c->doc, c->params, NULL, false) : e;
}

vk_err vk_pay_tax_behavior_kept(vk_pay_call *c)
{
    const vk_pv *before;
    vk_err e = vk_pay_before(c, c->doc, &before);
    if (e != VK_OK)
        return e;
    vk_str was = vk_pv_text(before, "tax_behavior"), is = vk_pv_text(c->doc, "tax_behavior");
    if (!was.p || vk_str_eqz(was, "unspecified") || vk_str_eq(was, is))
        return VK_OK;
    return vk_pay_refuse(c, 400, NULL, "tax_behavior",
                         "You cannot change the `tax_behavior` of a %s once it is specified.",
                         c->ep->resource->word);
}

vk_err vk_pay_price_update(vk_pay_call *c)
{
    const vk_pv *before = NULL;
    vk_err e = vk_pay_before(c, c->doc, &before);
    if (e == VK_OK)
        e = vk_pay_tax_behavior_kept(c);
    if (e != VK_OK)
        return e;
    if (vk_pv_flag(before, "active") && !vk_pv_flag(c->doc, "active")) {
        vk_pv *product;
        e = vk_pay_get(c, &vk_pay_r_product, vk_pv_text(c->doc, "product"), &product);
        if (e == VK_OK && vk_str_eq(vk_pv_text(product, "default_price"), c->id[0]))
            return vk_pay_refuse(
                c, 400, NULL, NULL,
                "This price cannot be archived because it is the default price of its product.");
        if (e != VK_OK && e != VK_E_NOT_FOUND)
            return e;
    }
    return lookup_key(c, c->doc);
}

/* Those that are active, unless the call asks for the others; never those of price_data. */
vk_err vk_pay_price_list(vk_pay_call *c)
{
    static const vk_pay_key listed = {"inline", {"false", 5}};
    const vk_pv *keys = vk_pv_get(c->params, "lookup_keys");
    if (keys && keys->count > LOOKUP_KEYS_MAX)
        return vk_pay_refuse(c, 400, NULL, "lookup_keys",
                             "Array lookup_keys exceeded maximum %d allowed elements.", LOOKUP_KEYS_MAX);
    if (!vk_pv_get(c->params, "active") && !vk_pv_put_bool(c->arena, c->params, "active", true))
        return VK_E_NOMEM;
    if (vk_pv_text(c->params, "currency").p) {
        vk_err e = vk_pay_currency_param(c, c->params, "currency", "currency");
        if (e != VK_OK)
            return e;
    }
    return vk_pay_list_of(c, &listed, 1, VK_STR_NONE);
}

/* ---- products ---- */

vk_err vk_pay_product_create(vk_pay_call *c)
{
    const vk_pv *data = vk_pv_get(c->params, "default_price_data");
    vk_pv *product = c->doc, *price;
    vk_err e =
        complete_product(c, product, NULL, !vk_pv_get(product, "active") || vk_pv_flag(product, "active"));
    if (e != VK_OK || !data)
        return e;
    /* The product first, with its price in it, and then the price. */
    e = vk_pay_new(c, &vk_pay_r_price, VK_STR_NONE, &price);
    if (e != VK_OK)
        return e;
    if (!take(c->arena, price, data, price_data, VK_COUNT(price_data)) ||
        !vk_pv_put_str(c->arena, price, "product", vk_pv_text(product, "id")) ||
        !vk_pv_put_str(c->arena, product, "default_price", vk_pv_text(price, "id")))
        return VK_E_NOMEM;
    e = complete_price(c, price, "default_price_data", false);
    if (e == VK_OK)
        e = vk_pay_store_new(c, &vk_pay_r_product, product);
    if (e == VK_OK)
        e = vk_pay_store_new(c, &vk_pay_r_price, price);
    c->result = product;
    return e;
}

static vk_err default_price(vk_pay_call *c)
{
    const vk_pv *given = vk_pv_get(c->params, "default_price");
    vk_pv *price;
    if (!given)
        return VK_OK;
    if (!vk_pv_is(given, VK_PV_STR))
        return vk_pv_put_null(c->arena, c->doc, "default_price") ? VK_OK : VK_E_NOMEM;
    vk_err e = vk_pay_need(c, &vk_pay_r_price, given->u.s, "default_price", &price);
    if (e != VK_OK)
        return e;
    if (!vk_str_eq(vk_pv_text(price, "product"), c->id[0]))
        return vk_pay_refuse(c, 400, NULL, "default_price",
                             "The price `" VK_STR_FMT "` does not belong to this product.",
                             VK_STR_ARG(given->u.s));
    if (!vk_pv_flag(price, "active"))
        return vk_pay_refuse(c, 400, NULL, "default_price",
                             "The price specified is inactive. This field only accepts active prices.");
    return vk_pv_put_str(c->arena, c->doc, "default_price", given->u.s) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_product_update(vk_pay_call *c)
{
    vk_err e = default_price(c);
    const vk_pv *before = NULL;
    if (e == VK_OK)
        e = vk_pay_before(c, c->doc, &before);
    if (e != VK_OK || (before && vk_pv_equal(before, c->doc)))
        return e;
    return complete_product(c, c->doc, NULL, vk_pv_flag(c->doc, "active"));
}

vk_err vk_pay_product_list(vk_pay_call *c)
{
    if (vk_pv_get(c->params, "ids") && vk_pv_get(c->params, "starting_after"))
        return vk_pay_refuse_both(c, "ids", "starting_after");
    return VK_OK;
}

static bool there_is_one(void *arg, const vk_pay_row *row)
{
    VK_UNUSED(row);
    *(bool *)arg = true;
    return false;
}

vk_err vk_pay_product_delete(vk_pay_call *c)
{
    vk_pay_ask ask = {.kind = vk_pay_r_price.object,
                      .keys = {{"product", c->id[0]}, {"inline", VK_STR("false")}},
                      .n_keys = 2,
                      .created_to = INT64_MAX};
    bool sold = false;
    vk_err e = vk_pay_doc_list(c->db, &ask, there_is_one, &sold);
    if (e == VK_OK && sold)
        return vk_pay_refuse(
            c, 400, NULL, NULL,
            "This product cannot be deleted because it has one or more user-created prices.");
    return e;
}
