/* Events as they are asked for: as they were made, with how many deliveries are still to come. */
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

static vk_err still_pending(vk_pay_call *c, vk_pv *event)
{
    int64_t n;
    vk_err e = vk_pay_delivery_pending(c->db, vk_pv_text(event, "id"), &n);
    if (e != VK_OK)
        return e;
    return vk_pv_put_int(c->arena, event, "pending_webhooks", n) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_event_retrieve(vk_pay_call *c)
{
    return still_pending(c, c->doc);
}

/* ---- delivery_success: the deliveries say. Without any, an event has been given to all that there are. */

static bool one_delivery(void *arg, const vk_pay_delivery *d)
{
    bool *good = arg;
    *good = *good && d->delivered;
    return *good;
}

static vk_err success_as_asked(vk_pay_call *c, vk_arena *scratch, const vk_pay_row *row, bool *yes_r)
{
    bool good = true;
    VK_UNUSED(scratch);
    vk_err e = vk_pay_delivery_list(c->db, row->id, one_delivery, &good);
    *yes_r = good == vk_pv_flag(c->params, "delivery_success");
    return e;
}

/* ---- lists */

/* "customer.*" is the key "customer." (events.c). */
static void whole_family(vk_pv *type)
{
    if (vk_pv_is(type, VK_PV_STR) && type->u.s.n > 2 && memcmp(type->u.s.p + type->u.s.n - 2, ".*", 2) == 0)
        type->u.s.n--;
}

vk_err vk_pay_event_list(vk_pay_call *c)
{
    const vk_pv *success = vk_pv_get(c->params, "delivery_success");
    vk_pv *type = vk_pv_get(c->params, "type"), *types = vk_pv_get(c->params, "types");
    if (type && types)
        return vk_pay_refuse_both(c, "type", "types");
    whole_family(type);
    VK_PV_EACH(one, types)
    whole_family(one);
    vk_err e = vk_pv_is(success, VK_PV_BOOL) ? vk_pay_list_where(c, NULL, 0, success_as_asked)
                                             : vk_pay_list_of(c, NULL, 0, VK_STR_NONE);
    if (e != VK_OK)
        return e;
    VK_PV_EACH(event, vk_pv_get(c->result, "data"))
    {
        e = still_pending(c, event);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}
