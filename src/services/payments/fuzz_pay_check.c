/* Any form for any call in any version: the check does not fall over, and what it accepts has the types that
 * the table says; taking it into a document and showing that works, too. The first bytes choose the call and
 * the version. */
#include "services/payments/call.h"
#include "services/payments/form.h"
#include "services/payments/schema_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static const vk_pay_endpoint *endpoints[256];
static size_t n_endpoints;

static void start(void)
{
    const char *why;
    CHECK(vk_pay_schema_start(&why) == VK_OK);
    for (size_t i = 0; vk_pay_resources[i]; i++)
        for (const vk_pay_endpoint *ep = vk_pay_resources[i]->endpoints; ep && ep->method; ep++) {
            CHECK(n_endpoints < VK_COUNT(endpoints));
            endpoints[n_endpoints++] = ep;
        }
}

static void check_object(const vk_pay_node *n, const vk_pv *v, int version);

static void check_scalar(const vk_pay_type *t, vk_pay_kind kind, const vk_pv *v)
{
    bool word = v->type == VK_PV_STR && t->n_words == 0;
    for (size_t i = 0; i < t->n_words && v->type == VK_PV_STR; i++)
        word = word || vk_str_eq(t->words[i].shown, v->u.s);
    switch (kind) {
    case VK_PAY_K_INT:
        CHECK(v->type == VK_PV_INT || (t->n_words && word));
        break;
    case VK_PAY_K_BOOL:
        CHECK(v->type == VK_PV_BOOL || (t->n_words && word));
        break;
    case VK_PAY_K_ENUM:
        CHECK(word);
        break;
    default:
        CHECK(v->type == VK_PV_STR && v->u.s.n);
    }
}

static void check_value(const vk_pay_node *n, const vk_pv *v, int version)
{
    const vk_pay_type *t = &n->type;
    CHECK(!n->to || (strcmp(n->to, "!") != 0 && strcmp(n->to, "-") != 0));
    if (v->type == VK_PV_NULL) {
        CHECK(t->null || t->kind == VK_PAY_K_MAP);
        return;
    }
    switch (t->kind) {
    case VK_PAY_K_ANY:
        break;
    case VK_PAY_K_MAP:
    case VK_PAY_K_OBJECT:
        CHECK(v->type == VK_PV_OBJ);
        if (t->kind == VK_PAY_K_OBJECT)
            check_object(n, v, version);
        break;
    case VK_PAY_K_RANGE:
        CHECK(v->type == VK_PV_INT || v->type == VK_PV_OBJ);
        VK_PV_EACH(m, v->type == VK_PV_OBJ ? v : NULL)
        CHECK(m->type == VK_PV_INT);
        break;
    case VK_PAY_K_ARRAY:
        CHECK(v->type == VK_PV_ARR);
        VK_PV_EACH(one, v)
        {
            if (t->of == VK_PAY_K_OBJECT) {
                CHECK(one->type == VK_PV_OBJ);
                check_object(n, one, version);
            } else {
                check_scalar(t, t->of, one);
            }
        }
        break;
    default:
        check_scalar(t, t->kind, v);
    }
}

static void check_object(const vk_pay_node *n, const vk_pv *v, int version)
{
    for (const vk_pay_node *row = n->first; row; row = row->next)
        CHECK(!row->required || !vk_pay_row_in(row, version) || vk_pv_get_n(v, row->name));
    VK_PV_EACH(m, v)
    {
        const vk_pay_node *row = n->first;
        while (row && !(vk_str_eq(row->name, m->key) && vk_pay_row_in(row, version)))
            row = row->next;
        CHECK(row);
        check_value(row, m, version);
    }
}

static void show(vk_pay_call *c)
{
    vk_pv *doc = vk_pv_obj(c->arena), *out;
    CHECK(doc && vk_pv_put_str(c->arena, doc, "id", VK_STR("x_1")));
    CHECK(vk_pay_take(c, doc) == VK_OK);
    CHECK(vk_pay_render_for(c, c->ep->resource, doc, c->version, &out) == VK_OK);
    CHECK(vk_str_eqz(vk_pv_text(out, "object"), c->ep->resource->object));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* From 2022-11-15: before, a payment intent shows its charges, which are looked up. */
    static const int versions[] = {20221115, 20240410, VK_PAY_BASIL, 20250930, VK_PAY_NEWEST};
    const char *why;
    vk_str param;
    if (!n_endpoints)
        start();
    vk_arena *a = vk_arena_new(64 << 20);
    if (!a || size < 2) {
        vk_arena_free(a);
        return 0;
    }
    vk_pay_call c = {.arena = a,
                     .ep = endpoints[data[0] % n_endpoints],
                     .version = versions[data[1] % VK_COUNT(versions)]};
    vk_str text = vk_arena_dup(a, (vk_str){(const char *)data + 2, size - 2});
    if (text.p && vk_pay_form(a, text, NULL, &c.params, &why, &param) == VK_OK) {
        vk_err e = vk_pay_check(&c, c.params);
        CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_TOO_LARGE);
        CHECK((e == VK_E_INVALID) == (c.refusal != NULL));
        if (e == VK_OK) {
            CHECK(!vk_pv_get(c.params, "expand"));
            check_object(&vk_pay_route_of(c.ep)->params, c.params, c.version);
            if (c.ep->verb == VK_PAY_CREATE || c.ep->verb == VK_PAY_UPDATE)
                show(&c);
        }
    }
    vk_arena_free(a);
    return 0;
}
