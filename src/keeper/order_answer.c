/* The head of a vendor's answer, on its way back. */
#include "keeper/order_in.h"

static void look(vk_proxy *p, char *bytes, size_t n, bool end)
{
    vk_order_run *r = p->arg;
    vk_scrub_look(&r->run, bytes, n, end);
}

/* The vendor's own name of the request, for the audit. */
static void note_id(vk_order_run *r, const vk_head *h)
{
    static const char *const names[] = {"request-id", "x-request-id", "x-amz-request-id", "cf-ray"};
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        vk_str id = vk_head_get(h, vk_str_z(names[i]));
        if (!id.n)
            continue;
        size_t n = id.n < VK_AUDIT_TEXT ? id.n : VK_AUDIT_TEXT - 1;
        memcpy(r->audit.upstream_id, id.p, n);
        r->audit.upstream_id[n] = '\0';
        if (r->set)
            r->found += vk_scrub_text(r->set->forms, r->audit.upstream_id, n);
        return;
    }
}

static vk_err pass_line(vk_order_run *r, const vk_header *h)
{
    vk_arena *a = r->ex->arena;
    vk_str name = vk_arena_dup(a, h->name), value = vk_arena_dup(a, h->value);
    if (!name.p || !value.p)
        return VK_E_NOMEM;
    if (r->set)
        r->found += vk_scrub_text(r->set->forms, (char *)(uintptr_t)value.p, value.n);
    return vk_header_add(r->ex, name.p, value);
}

/* The type is passed on by the proxy as it is: one that echoes the key is no type. */
static bool type_echoes(vk_order_run *r, vk_str type)
{
    vk_str copy = r->set && type.n ? vk_arena_dup(r->ex->arena, type) : VK_STR_NONE;
    return (r->set && type.n && !copy.p) ||
           (copy.n && vk_scrub_text(r->set->forms, (char *)(uintptr_t)copy.p, copy.n) > 0);
}

static bool is_encoded(const vk_head *h)
{
    for (uint32_t i = 0; i < h->n_headers; i++)
        if (vk_str_ieq(h->headers[i].name, VK_STR("Content-Encoding")) && h->headers[i].value.n &&
            !vk_str_ieq(h->headers[i].value, VK_STR("identity")))
            return true;
    return false;
}

vk_err vk_order_answer(vk_proxy *p, const vk_head *h)
{
    vk_order_run *r = p->arg;
    const vk_vendor *v = r->o.vendor;
    note_id(r, h);
    if (r->set && is_encoded(h))
        return vk_fail(r->ex, VK_E_IO, "%s answered in an encoding that was not asked for", v->title);
    if (type_echoes(r, h->content_type))
        return vk_fail(r->ex, VK_E_IO, "%s answered with a Content-Type that is none", v->title);
    for (uint32_t i = 0; i < h->n_headers; i++) {
        const vk_header *x = &h->headers[i];
        if (!vk_order_returns(v, x->name) ||
            (vk_str_ieq(x->name, VK_STR("Location")) && !vk_order_location_ok(x->value)))
            continue;
        vk_err e = pass_line(r, x);
        if (e != VK_OK)
            return vk_fail(r->ex, e, "The header lines of %s's answer are too long", v->title);
    }
    if (r->set) {
        r->run.with = r->set->forms;
        vk_proxy_filter(p, look, vk_scrub_keep(r->set->forms));
    }
    return VK_OK;
}
