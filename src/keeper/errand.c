#include "keeper/errand.h"

#include "core/log.h"

static vk_err compose(vk_errand *x, const char **why_r)
{
    vk_order *o = &x->o;
    const vk_vendor *v = o->vendor;
    vk_err e = (x->order ? x->order : v->probe_order ? v->probe_order : v->order)(o, why_r);
    if (e != VK_OK)
        return e;
    vk_buf_str(o->lines, x->lines);
    e = vk_order_compose(o, &x->head);
    if (e != VK_OK) {
        *why_r = "What was made for the vendor is no request";
        return e;
    }
    x->host = vk_arena_dup(o->arena, o->to_host);
    x->plain = o->plain;
    return x->host.p ? VK_OK : VK_E_NOMEM;
}

vk_err vk_errand_compose(vk_errand *x, vk_str target, const char **why_r)
{
    const vk_vendor_call call = {x->o.method.p, "/", x->op};
    vk_buf lines;
    vk_str path, query = target;
    if (!vk_str_cut(&query, '?', &path)) {
        path = target;
        query = VK_STR_NONE;
    }
    vk_buf_init(&lines, VK_ORDER_LINES_MAX);
    lines.secret = true;
    vk_buf_init(&x->head, VK_HEAD_MAX + 2 * VK_ORDER_LINES_MAX);
    x->head.secret = true;
    x->o.call = &call;
    x->o.path = x->o.to_path = path;
    x->o.query = x->o.to_query = query;
    x->o.lines = &lines;
    vk_err e = compose(x, why_r);
    x->o.call = NULL;
    x->o.lines = NULL;
    vk_buf_free_secret(&lines);
    return e;
}

void vk_errand_free(vk_errand *x)
{
    vk_buf_free_secret(&x->head);
}

static const char *first_secret(const vk_vendor *v, const vk_org *g)
{
    for (const vk_vendor_field *f = v->fields; f && f->name; f++)
        if (f->secret && vk_org_value(g, f->name).n)
            return f->name;
    return NULL;
}

void vk_errand_intent(const vk_errand *x, vk_audit_entry *e)
{
    vk_org_facts facts;
    const char *secret = first_secret(x->o.vendor, x->o.org);
    vk_org_facts_of(x->o.org, &facts);
    e->kind = VK_AUDIT_INTENT;
    e->rec_version = facts.version;
    snprintf(e->build, sizeof e->build, "%s", x->o.build);
    snprintf(e->service, sizeof e->service, "%.16s", x->o.vendor->service);
    snprintf(e->op, sizeof e->op, "%s %s", x->op, x->o.vendor->name);
    snprintf(e->host, sizeof e->host, "%.60s", x->host.p);
    if (secret)
        vk_org_ref(x->o.org, secret, e->key_ref);
}

void vk_errand_outcome(vk_audit *audit, vk_audit_entry *e, int status)
{
    e->of = e->seq;
    e->kind = VK_AUDIT_OUTCOME;
    e->durable = NULL;
    e->result = status;
    if (vk_audit_write(audit, e) != VK_OK)
        vk_log(VK_ERROR, "the outcome of a request to a vendor is not in the audit",
               VK_F(service, e->service), VK_F(op, e->op));
}
