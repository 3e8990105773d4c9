/* Events as they are asked for: as they were made, with how many deliveries are still to come. */
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum { BATCH = 100, LOOKED_AT_MAX = 5000 };

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

/* ---- delivery_success: the deliveries say, one event after the other */

/* Of those that are looked at few are read. */
typedef struct batch {
    vk_arena *a;
    struct {
        vk_str id;
        size_t bytes;
        int64_t seq;
    } at[BATCH];
    size_t n;
    vk_err e;
} batch;

static bool one_event(void *arg, const vk_pay_row *row)
{
    batch *b = arg;
    b->at[b->n].id = vk_arena_dup(b->a, row->id);
    b->at[b->n].bytes = row->body.n;
    b->at[b->n].seq = row->seq;
    b->e = b->at[b->n].id.p ? VK_OK : VK_E_NOMEM;
    return b->e == VK_OK && ++b->n < BATCH;
}

static bool one_delivery(void *arg, const vk_pay_delivery *d)
{
    bool *good = arg;
    *good = *good && d->delivered;
    return *good;
}

static vk_err add_event(vk_pay_call *c, vk_str id, vk_pv *data)
{
    vk_pv *event;
    vk_err e = vk_pay_get(c, &vk_pay_r_event, id, &event);
    if (e == VK_OK)
        e = still_pending(c, event);
    return e == VK_OK && !vk_pv_add(c->arena, data, event) ? VK_E_NOMEM : e;
}

/* The newest of them, at most `limit`; there is no paging through these. */
static vk_err by_success(vk_pay_call *c, bool wanted)
{
    int64_t limit = vk_pv_number(c->params, "limit", VK_PAY_LIST_LEN);
    vk_pv *data = vk_pv_arr(c->arena);
    batch *b = VK_NEW(c->arena, batch);
    vk_pay_ask ask = {.kind = vk_pay_r_event.object, .created_to = INT64_MAX};
    vk_str type = vk_pv_text(c->params, "type");
    vk_err e = data && b ? VK_OK : VK_E_NOMEM;
    bool more = false;
    size_t bytes = 0;
    if (limit < 1 || limit > VK_PAY_LIST_MAX)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", "limit",
                             "This value must be greater than or equal to 1, and less than or equal to %d.",
                             VK_PAY_LIST_MAX);
    if (vk_pv_get(c->params, "created") || vk_pv_get(c->params, "types") ||
        vk_pv_get(c->params, "starting_after") || vk_pv_get(c->params, "ending_before"))
        return vk_pay_refuse_absent(c, "delivery_success", "delivery_success beside other filters than type");
    if (type.p)
        ask.keys[ask.n_keys++] = (vk_pay_key){"type", type};
    for (size_t looked = 0; e == VK_OK && !more && looked < LOOKED_AT_MAX; looked += b->n) {
        *b = (batch){.a = c->arena};
        e = vk_pay_doc_list(c->db, &ask, one_event, b);
        if (e == VK_OK)
            e = b->e;
        for (size_t i = 0; i < b->n && e == VK_OK && !more; i++) {
            bool good = true;
            e = vk_pay_delivery_list(c->db, b->at[i].id, one_delivery, &good);
            if (e != VK_OK || good != wanted)
                continue;
            bytes += b->at[i].bytes;
            more = data->count == (uint64_t)limit || (data->count && bytes > VK_PAY_LIST_BYTES);
            if (!more)
                e = add_event(c, b->at[i].id, data);
        }
        if (b->n < BATCH)
            break;
        ask.after = b->at[b->n - 1].seq;
    }
    if (e != VK_OK)
        return e;
    c->result = vk_pay_list(c->arena, data, more, vk_str_z(vk_pay_r_event.url));
    c->rendered = true;
    return c->result ? VK_OK : VK_E_NOMEM;
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
    if (vk_pv_is(success, VK_PV_BOOL))
        return by_success(c, success->u.b);
    vk_err e = vk_pay_list_of(c, NULL, 0, VK_STR_NONE);
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
