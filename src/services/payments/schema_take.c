/* From a request's parameters, as vk_pay_check has left them, into a document: what the rows' `to` say. */
#include "services/payments/call.h"
#include "services/payments/schema_tree.h"

/* Merges one value over another, member by member. Where there is nothing, what unsets is left out in maps;
 * in objects a null stays, so that the document says that nothing is there. */
static bool merge(vk_arena *a, vk_pv *into, const vk_pv *from, bool map)
{
    VK_PV_EACH(m, from)
    {
        vk_pv *there = vk_pv_get_n(into, m->key);
        bool gone = m->type == VK_PV_NULL || (m->type == VK_PV_STR && m->u.s.n == 0);
        if (map && gone) {
            vk_pv_del_n(into, m->key);
            continue;
        }
        if (!map && m->type == VK_PV_OBJ && vk_pv_is(there, VK_PV_OBJ)) {
            if (!merge(a, there, m, vk_str_eqz(m->key, "metadata")))
                return false;
            continue;
        }
        if (!vk_pv_set_n(a, into, m->key, vk_pv_copy(a, m)))
            return false;
    }
    return true;
}

static bool put(vk_arena *a, vk_pv *doc, const vk_pay_node *n, const vk_pv *v)
{
    bool map = n->type.kind == VK_PAY_K_MAP;
    vk_pv *there = vk_pv_at(doc, n->to);
    if (v->type == VK_PV_NULL)
        return vk_pv_put(a, doc, n->to, map ? vk_pv_obj(a) : vk_pv_null(a));
    if (v->type != VK_PV_OBJ)
        return vk_pv_put(a, doc, n->to, vk_pv_copy(a, v));
    if (!vk_pv_is(there, VK_PV_OBJ)) {
        there = vk_pv_obj(a);
        if (!there || !vk_pv_put(a, doc, n->to, there))
            return false;
    }
    return merge(a, there, v, map);
}

static bool take(vk_arena *a, vk_pv *doc, const vk_pay_node *n, const vk_pv *params, int version)
{
    for (const vk_pay_node *row = n->first; row; row = row->next) {
        const vk_pv *v = vk_pv_get_n(params, row->name);
        if (!v || !vk_pay_row_in(row, version))
            continue;
        if (row->to ? !put(a, doc, row, v)
                    : row->type.kind == VK_PAY_K_OBJECT && !take(a, doc, row, v, version))
            return false;
    }
    return true;
}

vk_err vk_pay_take(vk_pay_call *c, vk_pv *doc)
{
    const vk_pay_route *r = vk_pay_route_of(c->ep);
    if (!r)
        return VK_E_INTERNAL;
    return take(c->arena, doc, &r->params, c->params, c->version) ? VK_OK : VK_E_NOMEM;
}
