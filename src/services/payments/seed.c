/* A catalogue as one JSON text: products with their prices, coupons with their promotion codes. What is made
 * is made by the API's own calls, so it is checked as they check it, and told of as they do. */
#include "services/payments/generic.h"
#include "services/payments/operator.h"

enum { PRICES_MAX = 200, CODES_MAX = 200, ALL_MAX = 500, WHERE = 96 };

/* The members of each kind as they are written; those of a new object that the API takes. */
static const char *const product_fields[] = {"id",
                                             "name",
                                             "active",
                                             "description",
                                             "images",
                                             "marketing_features",
                                             "metadata",
                                             "url",
                                             "unit_label",
                                             "shippable",
                                             "statement_descriptor",
                                             "tax_code",
                                             NULL};
static const char *const price_fields[] = {
    "lookup_key",   "currency",           "unit_amount", "unit_amount_decimal",
    "recurring",    "custom_unit_amount", "nickname",    "active",
    "tax_behavior", "metadata",           NULL};
static const char *const coupon_fields[] = {
    "id",        "name",       "percent_off",        "amount_off",
    "currency",  "duration",   "duration_in_months", "max_redemptions",
    "redeem_by", "applies_to", "metadata",           NULL};
static const char *const code_fields[] = {
    "code", "active", "max_redemptions", "expires_at", "restrictions", "metadata", NULL};

typedef struct seeding {
    vk_pay_asked *x;
    char where[WHERE]; /* for errors: "products[2].prices[0]" */
    int64_t made, changed, same;
} seeding;

/* ---- calls of the API */

/* As a form has it: all leaves are texts. */
static vk_pv *as_form(vk_arena *a, const vk_pv *v)
{
    switch (v->type) {
    case VK_PV_BOOL:
        return vk_pv_str(a, v->u.b ? VK_STR("true") : VK_STR("false"));
    case VK_PV_INT:
        return vk_pv_str(a, vk_arena_printf(a, "%lld", (long long)v->u.i));
    case VK_PV_NULL:
        return vk_pv_str(a, VK_STR(""));
    case VK_PV_STR:
    case VK_PV_NUM:
        return vk_pv_str(a, v->u.s);
    case VK_PV_ARR:
    case VK_PV_OBJ:
        break;
    }
    vk_pv *out = v->type == VK_PV_ARR ? vk_pv_arr(a) : vk_pv_obj(a);
    bool ok = out != NULL;
    VK_PV_EACH(m, v)
    ok = ok && (v->type == VK_PV_ARR ? vk_pv_add(a, out, as_form(a, m))
                                     : vk_pv_set_n(a, out, m->key, as_form(a, m)));
    return ok ? out : NULL;
}

/* A call; its answer's document is in *doc_r. Each stands on its own, as if it had come alone. */
static vk_err call(seeding *s, const char *path, vk_pv *params, vk_pv **doc_r)
{
    vk_pay_call *c = &s->x->c;
    bool there;
    c->version = VK_PAY_NEWEST;
    c->ep = vk_pay_endpoint_find(VK_STR("POST"), vk_str_z(path), c->version, c->id, &there);
    if (!c->ep || !params)
        return params ? VK_E_INTERNAL : VK_E_NOMEM;
    c->docs = NULL;
    c->events = 0;
    c->doc = c->result = c->expand = NULL;
    c->rendered = false;
    vk_err e = vk_pay_check(c, params);
    c->params = params;
    if (e == VK_OK)
        e = vk_pay_run(c);
    if (e == VK_OK && doc_r)
        *doc_r = c->result;
    if (c->refusal) {
        vk_str said = vk_arena_printf(c->arena, "%s: " VK_STR_FMT, s->where, VK_STR_ARG(c->refusal->message));
        if (!said.p)
            return VK_E_NOMEM;
        c->refusal->message = said;
        c->refusal->param = VK_STR_NONE;
        c->refusal->status = 422; /* also of what it names and is not there */
    }
    return e;
}

static vk_err refuse(seeding *s, const char *why)
{
    return vk_pay_refuse(&s->x->c, 422, NULL, NULL, "%s%s%s", s->where, s->where[0] ? ": " : "", why);
}

/* The members of `from` but for some (NULL ends), as parameters. */
static vk_pv *params_of(seeding *s, const vk_pv *from, const char *const *without)
{
    vk_arena *a = s->x->c.arena;
    vk_pv *out = vk_pv_obj(a);
    bool ok = out != NULL;
    VK_PV_EACH(m, from)
    {
        bool left_out = vk_pv_is_null(m);
        for (size_t i = 0; without[i]; i++)
            left_out = left_out || vk_str_eqz(m->key, without[i]);
        ok = ok && (left_out || vk_pv_set_n(a, out, m->key, as_form(a, m)));
    }
    return ok ? out : NULL;
}

/* Changes an object that is there already; counts it. */
static vk_err change(seeding *s, const char *path, vk_str id, vk_pv *params)
{
    vk_pay_call *c = &s->x->c;
    vk_pay_row before, after;
    vk_str to = vk_arena_printf(c->arena, "%s/" VK_STR_FMT, path, VK_STR_ARG(id));
    if (!to.p)
        return VK_E_NOMEM;
    vk_err e = vk_pay_doc_get(c->db, c->arena, id, &before);
    if (e == VK_OK)
        e = call(s, to.p, params, NULL);
    if (e == VK_OK)
        e = vk_pay_doc_get(c->db, c->arena, id, &after);
    if (e == VK_OK)
        *(vk_str_eq(before.body, after.body) ? &s->same : &s->changed) += 1;
    return e;
}

static vk_err count(seeding *s, const char *name)
{
    vk_arena *a = s->x->c.arena;
    vk_pv *o = vk_pv_get(s->x->out, name);
    if (!o && !((o = vk_pv_obj(a)) && vk_pv_put(a, s->x->out, name, o)))
        return VK_E_NOMEM;
    bool ok = vk_pv_put_int(a, o, "made", vk_pv_number(o, "made", 0) + s->made) &&
              vk_pv_put_int(a, o, "changed", vk_pv_number(o, "changed", 0) + s->changed) &&
              vk_pv_put_int(a, o, "same", vk_pv_number(o, "same", 0) + s->same);
    s->made = s->changed = s->same = 0;
    return ok ? VK_OK : VK_E_NOMEM;
}

/* ---- prices */

/* As a form would have it, since the API reads it so: 1200 is "1200". */
static vk_str leaf(seeding *s, const vk_pv *ask, const char *path)
{
    const vk_pv *v = vk_pv_at(ask, path);
    bool one = !vk_pv_is_null(v) && v->type != VK_PV_ARR && v->type != VK_PV_OBJ;
    const vk_pv *text = one ? as_form(s->x->c.arena, v) : NULL;
    return text ? text->u.s : VK_STR_NONE;
}

static bool same_number(seeding *s, const vk_pv *doc, const vk_pv *ask, const char *path, int64_t otherwise)
{
    int64_t n = otherwise;
    vk_str text = leaf(s, ask, path);
    return (!text.n || vk_str_to_i64(text, &n) == VK_OK) && vk_pv_number(doc, path, otherwise) == n;
}

/* Whether a price that is there is what is asked for: what can never change of one. */
static bool same_price(seeding *s, const vk_pv *doc, const vk_pv *ask)
{
    vk_str interval = vk_pv_text(ask, "recurring.interval"), decimal = leaf(s, ask, "unit_amount_decimal");
    return vk_str_ieq(vk_pv_text(doc, "currency"), vk_pv_text(ask, "currency")) &&
           vk_str_eq(vk_pv_text(doc, "recurring.interval"), interval) &&
           (!interval.p || same_number(s, doc, ask, "recurring.interval_count", 1)) &&
           (decimal.p ? vk_str_eq(vk_pv_text(doc, "unit_amount_decimal"), decimal)
                      : same_number(s, doc, ask, "unit_amount", INT64_MIN)) &&
           vk_pv_is_null(vk_pv_get(doc, "custom_unit_amount")) ==
               vk_pv_is_null(vk_pv_get(ask, "custom_unit_amount"));
}

/* By its lookup key, or among the product's by what it is. NULL: none. *old_r: the one that has the key and
 * is another price. */
static vk_err find_price(seeding *s, vk_str product, const vk_pv *ask, vk_pv **found_r, vk_pv **old_r)
{
    vk_pay_call *c = &s->x->c;
    vk_str key = vk_pv_text(ask, "lookup_key");
    vk_pv **docs;
    size_t n;
    *found_r = *old_r = NULL;
    c->docs = NULL;
    vk_err e = key.n ? vk_pay_find(c, &vk_pay_r_price, "lookup_key", key, 1, &docs, &n)
                     : vk_pay_find(c, &vk_pay_r_price, "product", product, PRICES_MAX, &docs, &n);
    for (size_t i = 0; e == VK_OK && i < n && !*found_r; i++) {
        bool same = same_price(s, docs[i], ask) && vk_str_eq(vk_pv_text(docs[i], "product"), product);
        if (same)
            *found_r = docs[i];
        else if (key.n)
            *old_r = docs[i];
    }
    return e;
}

static vk_err set(seeding *s, const char *path, vk_str id, const char *name, vk_str value)
{
    vk_arena *a = s->x->c.arena;
    vk_pv *params = vk_pv_obj(a);
    vk_str to = vk_arena_printf(a, "%s/" VK_STR_FMT, path, VK_STR_ARG(id));
    if (!to.p || !vk_pv_put_str(a, params, name, value))
        return VK_E_NOMEM;
    return call(s, to.p, params, NULL);
}

static vk_err seed_price(seeding *s, vk_str product, const vk_pv *ask)
{
    static const char *const no_create[] = {"default", NULL};
    static const char *const no_update[] = {
        "default", "currency", "unit_amount", "unit_amount_decimal", "recurring", "custom_unit_amount", NULL};
    vk_arena *a = s->x->c.arena;
    vk_pv *found, *old;
    if (!vk_pv_is(ask, VK_PV_OBJ))
        return refuse(s, "a price is an object.");
    vk_err e = find_price(s, product, ask, &found, &old);
    if (e != VK_OK)
        return e;
    vk_str id = found ? vk_pv_text(found, "id") : VK_STR_NONE;
    if (found) {
        e = change(s, "/v1/prices", id, params_of(s, ask, no_update));
    } else {
        vk_pv *params = params_of(s, ask, no_create), *doc = NULL;
        if (!params || !vk_pv_put_str(a, params, "product", product) ||
            (old && !vk_pv_put_str(a, params, "transfer_lookup_key", VK_STR("true"))))
            return VK_E_NOMEM;
        e = call(s, "/v1/prices", params, &doc);
        id = vk_pv_text(doc, "id");
        s->made++;
    }
    if (e == VK_OK && vk_pv_flag(ask, "default"))
        e = set(s, "/v1/products", product, "default_price", id);
    if (e == VK_OK && old) /* prices never change: the new one has its key now */
        e = set(s, "/v1/prices", vk_pv_text(old, "id"), "active", VK_STR("false"));
    return e;
}

/* ---- products */

static vk_err is_there(seeding *s, const vk_pay_resource *r, vk_str id, bool *there_r)
{
    vk_pay_row row;
    *there_r = false;
    if (!id.n || id.n > VK_PAY_ID_MAX)
        return VK_OK;
    vk_err e = vk_pay_doc_get(s->x->c.db, s->x->c.arena, id, &row);
    if (e == VK_OK)
        *there_r = vk_str_eqz(row.kind, r->object) && !row.deleted;
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

static vk_err seed_product(seeding *s, const vk_pv *ask, size_t at)
{
    static const char *const no_create[] = {"prices", NULL};
    static const char *const no_update[] = {"prices", "id", "type", NULL};
    bool there;
    size_t k = 0;
    snprintf(s->where, sizeof s->where, "products[%zu]", at);
    vk_str id = vk_pv_text(ask, "id");
    if (!id.n)
        return refuse(s, "it needs an \"id\", so that it is the same one next time.");
    vk_err e = is_there(s, &vk_pay_r_product, id, &there);
    if (e == VK_OK && there) {
        e = change(s, "/v1/products", id, params_of(s, ask, no_update));
    } else if (e == VK_OK) {
        e = call(s, "/v1/products", params_of(s, ask, no_create), NULL);
        s->made++;
    }
    if (e == VK_OK)
        e = count(s, "products");
    VK_PV_EACH(price, vk_pv_get(ask, "prices"))
    {
        snprintf(s->where, sizeof s->where, "products[%zu].prices[%zu]", at, k++);
        if (e == VK_OK)
            e = seed_price(s, id, price);
    }
    return e == VK_OK ? count(s, "prices") : e;
}

/* ---- coupons */

static vk_err seed_code(seeding *s, vk_str coupon, const vk_pv *ask)
{
    static const char *const no_create[] = {NULL};
    static const char *const no_update[] = {"code", "max_redemptions", "expires_at", "restrictions", NULL};
    vk_pay_call *c = &s->x->c;
    vk_str code = vk_pv_text(ask, "code"), found = VK_STR_NONE;
    vk_pv **docs, *params;
    size_t n;
    if (!code.n)
        return refuse(s, "it needs a \"code\".");
    c->docs = NULL;
    vk_err e = vk_pay_find(c, &vk_pay_r_promotion_code, "promotion.coupon", coupon, CODES_MAX, &docs, &n);
    for (size_t i = 0; e == VK_OK && i < n && !found.p; i++)
        if (vk_str_ieq(vk_pv_text(docs[i], "code"), code))
            found = vk_pv_text(docs[i], "id");
    if (e != VK_OK)
        return e;
    if (found.p)
        return change(s, "/v1/promotion_codes", found, params_of(s, ask, no_update));
    params = params_of(s, ask, no_create);
    if (!params || !vk_pv_put_str(c->arena, params, "promotion.type", VK_STR("coupon")) ||
        !vk_pv_put_str(c->arena, params, "promotion.coupon", coupon))
        return VK_E_NOMEM;
    s->made++;
    return call(s, "/v1/promotion_codes", params, NULL);
}

static vk_err seed_coupon(seeding *s, const vk_pv *ask, size_t at)
{
    static const char *const no_create[] = {"promotion_codes", NULL};
    vk_arena *a = s->x->c.arena;
    bool there;
    size_t k = 0;
    snprintf(s->where, sizeof s->where, "coupons[%zu]", at);
    vk_str id = vk_pv_text(ask, "id");
    if (!id.n)
        return refuse(s, "it needs an \"id\", so that it is the same one next time.");
    vk_err e = is_there(s, &vk_pay_r_coupon, id, &there);
    if (e == VK_OK && there) { /* nothing else of one can change */
        vk_pv *params = vk_pv_obj(a), *name = vk_pv_get(ask, "name"), *metadata = vk_pv_get(ask, "metadata");
        if (!params || (name && !vk_pv_set(a, params, "name", as_form(a, name))) ||
            (metadata && !vk_pv_set(a, params, "metadata", as_form(a, metadata))))
            return VK_E_NOMEM;
        e = change(s, "/v1/coupons", id, params);
    } else if (e == VK_OK) {
        e = call(s, "/v1/coupons", params_of(s, ask, no_create), NULL);
        s->made++;
    }
    if (e == VK_OK)
        e = count(s, "coupons");
    VK_PV_EACH(code, vk_pv_get(ask, "promotion_codes"))
    {
        snprintf(s->where, sizeof s->where, "coupons[%zu].promotion_codes[%zu]", at, k++);
        if (e == VK_OK)
            e = seed_code(s, id, code);
    }
    return e == VK_OK ? count(s, "promotion_codes") : e;
}

vk_err vk_pay_seed(vk_pay_asked *x)
{
    static const char *const kinds[] = {"products", "coupons"};
    seeding s = {.x = x};
    vk_err e = VK_OK;
    VK_PV_EACH(m, x->body)
    {
        if (!(vk_str_eqz(m->key, kinds[0]) || vk_str_eqz(m->key, kinds[1])) || !vk_pv_is(m, VK_PV_ARR))
            return refuse(&s, "A catalogue has \"products\" and \"coupons\", and both are arrays.");
        if (m->count > ALL_MAX)
            return vk_pay_refuse(&x->c, 422, NULL, NULL, "More than %d at once are too many.", ALL_MAX);
    }
    for (size_t i = 0; i < VK_COUNT(kinds) && e == VK_OK; i++) {
        size_t at = 0;
        VK_PV_EACH(one, vk_pv_get(x->body, kinds[i]))
        if (e == VK_OK)
            e = i == 0 ? seed_product(&s, one, at++) : seed_coupon(&s, one, at++);
    }
    return e;
}

/* ---- the same back */

static vk_err fields_of(vk_arena *a, const vk_pv *doc, const char *const *names, vk_pv *into)
{
    for (size_t i = 0; names[i]; i++) {
        const vk_pv *v = vk_pv_get(doc, names[i]);
        bool empty = vk_pv_is_null(v) || ((v->type == VK_PV_ARR || v->type == VK_PV_OBJ) && v->count == 0);
        if (!empty && !vk_pv_set(a, into, names[i], vk_pv_copy(a, v)))
            return VK_E_NOMEM;
    }
    return VK_OK;
}

typedef struct reading {
    vk_arena *a;
    vk_pv *into;
    bool ids; /* those alone */
    vk_err e;
} reading;

static bool one_doc(void *arg, const vk_pay_row *row)
{
    reading *r = arg;
    vk_str text = vk_arena_dup(r->a, r->ids ? row->id : row->body);
    vk_pv *v = r->ids && text.p ? vk_pv_str(r->a, text) : NULL;
    r->e = !text.p ? VK_E_NOMEM : r->ids ? VK_OK : vk_pv_parse(r->a, text, &v);
    if (r->e == VK_OK && !vk_pv_add(r->a, r->into, v))
        r->e = VK_E_NOMEM;
    return r->e == VK_OK;
}

/* All that fit, the oldest first: in that arena. */
static vk_err all_of(vk_pay_asked *x, const vk_pay_ask *ask, vk_arena *a, bool ids, vk_pv **out_r)
{
    reading read = {a, vk_pv_arr(a), ids, VK_OK};
    if (!read.into)
        return VK_E_NOMEM;
    vk_err e = vk_pay_doc_list(x->c.db, ask, one_doc, &read);
    *out_r = read.into;
    return e == VK_OK ? read.e : e;
}

typedef struct exported {
    const char *name;
    const vk_pay_resource *r;
    const char *const *fields;
    const char *inner; /* objects of another kind under it */
    const vk_pay_resource *inner_r;
    const char *inner_key;
    const char *const *inner_fields;
} exported;

static vk_pay_ask under(const exported *k, const vk_pv *doc, const char *made_inline)
{
    vk_pay_ask ask = {.kind = k->inner_r->object, .created_to = INT64_MAX, .oldest_first = true};
    ask.keys[ask.n_keys++] = (vk_pay_key){k->inner_key, vk_pv_text(doc, "id")};
    if (k->inner_r == &vk_pay_r_price)
        ask.keys[ask.n_keys++] = (vk_pay_key){"inline", vk_str_z(made_inline)};
    return ask;
}

/* Its prices, or codes; without those that the app made for one checkout. */
static vk_err inner(vk_pay_asked *x, const exported *k, vk_arena *a, const vk_pv *of, vk_pv *into)
{
    const vk_pay_ask ask = under(k, of, "false");
    vk_pv *docs, *out = vk_pv_arr(a);
    vk_err e = all_of(x, &ask, a, false, &docs);
    if (e != VK_OK || !out)
        return e != VK_OK ? e : VK_E_NOMEM;
    VK_PV_EACH(doc, docs)
    {
        vk_pv *o = vk_pv_obj(a);
        e = o ? fields_of(a, doc, k->inner_fields, o) : VK_E_NOMEM;
        if (e != VK_OK)
            return e;
        if (!vk_pv_is_null(vk_pv_get(o, "unit_amount")))
            vk_pv_del(o, "unit_amount_decimal"); /* the same, once more */
        bool usual = k->inner_r == &vk_pay_r_price &&
                     vk_str_eq(vk_pv_text(of, "default_price"), vk_pv_text(doc, "id"));
        if ((usual && !vk_pv_put_bool(a, o, "default", true)) || !vk_pv_add(a, out, o))
            return VK_E_NOMEM;
    }
    return out->count == 0 || vk_pv_put(a, into, k->inner, out) ? VK_OK : VK_E_NOMEM;
}

static bool one_is_there(void *arg, const vk_pay_row *row)
{
    VK_UNUSED(row);
    *(bool *)arg = true;
    return false;
}

/* Whether it came of one checkout's price_data: there is one such for each, and none is of the catalogue. */
static vk_err of_a_checkout(vk_pay_asked *x, const exported *k, const vk_pv *doc, bool *is_r)
{
    const vk_pay_ask ask = under(k, doc, "true");
    *is_r = false;
    if (k->r != &vk_pay_r_product || vk_pv_flag(doc, "active"))
        return VK_OK;
    return vk_pay_doc_list(x->c.db, &ask, one_is_there, is_r);
}

/* In `scratch`, and from there as text into the answer: there may be many, and of a few much is left out. */
static vk_err export_one(vk_pay_asked *x, const exported *k, vk_str id, vk_arena *scratch, vk_pv *out)
{
    vk_arena *a = x->c.arena;
    vk_pay_row row;
    vk_pv *doc, *o = vk_pv_obj(scratch);
    bool left_out = false;
    vk_buf b;
    vk_err e = o ? vk_pay_doc_get(x->c.db, scratch, id, &row) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_pv_parse(scratch, row.body, &doc);
    if (e == VK_OK)
        e = fields_of(scratch, doc, k->fields, o);
    if (e == VK_OK)
        e = inner(x, k, scratch, doc, o);
    if (e == VK_OK && !vk_pv_get(o, k->inner))
        e = of_a_checkout(x, k, doc, &left_out);
    if (e != VK_OK || left_out)
        return e;
    vk_buf_init(&b, VK_PAY_SCRATCH);
    vk_pv_write(&b, o);
    vk_str text = b.err == VK_OK ? vk_arena_dup(a, vk_buf_view(&b)) : VK_STR_NONE;
    e = b.err != VK_OK ? b.err : !text.p ? VK_E_NOMEM : vk_pv_parse(a, text, &o);
    vk_buf_free(&b);
    return e == VK_OK && !vk_pv_add(a, out, o) ? VK_E_NOMEM : e;
}

vk_err vk_pay_catalogue(vk_pay_asked *x)
{
    static const exported kinds[] = {
        {"products", &vk_pay_r_product, product_fields, "prices", &vk_pay_r_price, "product", price_fields},
        {"coupons", &vk_pay_r_coupon, coupon_fields, "promotion_codes", &vk_pay_r_promotion_code,
         "promotion.coupon", code_fields},
    };
    vk_arena *a = x->c.arena, *scratch = vk_arena_new(VK_PAY_SCRATCH);
    vk_err e = scratch ? VK_OK : VK_E_NOMEM;
    for (size_t i = 0; i < VK_COUNT(kinds) && e == VK_OK; i++) {
        const vk_pay_ask ask = {.kind = kinds[i].r->object, .created_to = INT64_MAX, .oldest_first = true};
        vk_pv *ids = NULL, *out = vk_pv_arr(a);
        e = out ? all_of(x, &ask, a, true, &ids) : VK_E_NOMEM;
        VK_PV_EACH(id, ids)
        {
            if (e == VK_OK)
                e = export_one(x, &kinds[i], id->u.s, scratch, out);
            vk_arena_reset(scratch);
        }
        if (e == VK_OK && !vk_pv_put(a, x->out, kinds[i].name, out))
            e = VK_E_NOMEM;
    }
    vk_arena_free(scratch);
    return e;
}
