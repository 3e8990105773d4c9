/* Webhook endpoints that the app makes with the API, beside the default one (hooks.h). */
#include "services/payments/generic.h"
#include "services/payments/hook.h"
#include "services/payments/inside.h"
#include "services/payments/origins.h"
#include "services/payments/resources/runs.h"

vk_err vk_pay_origins_load(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_worker *w = c->ex->server->ctx;
    if (r != &vk_pay_r_webhook_endpoint || vk_str_eqz(c->ex->method, "GET"))
        return VK_OK;
    vk_build *b = VK_NEW(c->arena, vk_build);
    vk_pay_origins *o = VK_NEW(c->arena, vk_pay_origins);
    if (!b || !o)
        return VK_E_NOMEM;
    vk_err e = w->reader->ops->build_get(w->reader, c->arena, vk_str_z(c->about->build), b);
    *o = vk_pay_origins_of(b);
    c->origins = o;
    return e;
}

vk_err vk_pay_show_secret(vk_pay_call *c)
{
    char secret[VK_VALET_MAX];
    vk_buf *out = &c->ex->out;
    vk_pv *answer;
    if (c->ep->run != vk_pay_webhook_endpoint_create)
        return VK_OK;
    vk_str text = vk_arena_dup(c->arena, vk_buf_view(out));
    vk_err e = text.p ? vk_pv_parse(c->arena, text, &answer) : VK_E_NOMEM;
    vk_str id = e == VK_OK ? vk_pv_text(answer, "id") : VK_STR_NONE;
    if (e != VK_OK || !id.p)
        return e; /* a refusal has none */
    vk_pay_endpoint_secret(vk_pay_runtime()->master, c->about->build, id, secret);
    vk_str shown = vk_arena_dup(c->arena, vk_str_z(secret));
    vk_wipe(secret, sizeof secret);
    if (!shown.p || !vk_pv_put_str(c->arena, answer, "secret", shown))
        return VK_E_NOMEM;
    vk_buf_clear(out);
    vk_pv_write_pretty(out, answer);
    vk_buf_ch(out, '\n');
    return out->err;
}

static vk_err check_url(vk_pay_call *c)
{
    char origin[VK_PAY_ORIGIN_MAX + 1];
    vk_str url = vk_pv_text(c->doc, "url");
    if (vk_pay_origin_of(url, origin) != VK_OK || memchr(url.p, '#', url.n))
        return vk_pay_refuse(
            c, 400, "url_invalid", "url",
            "Invalid URL: an http or https address is needed, without a fragment, and what is special "
            "in it percent-encoded");
    if (c->origins && vk_pay_origin_allowed(c->origins, url))
        return VK_OK;
    return vk_pay_refuse(
        c, 400, "url_invalid", "url",
        "Invalid URL: events are sent to the build's own origins only, and %s is none of them. "
        "Whoever runs valetkey can register it (valetkey build origins).",
        origin);
}

static vk_err check_events(vk_pay_call *c)
{
    const vk_pv *all = vk_pv_get(c->doc, "enabled_events");
    if (!vk_pv_is(all, VK_PV_ARR) || all->count == 0)
        return vk_pay_refuse_missing(c, "enabled_events");
    VK_PV_EACH(v, all)
    {
        vk_str s = vk_pv_is(v, VK_PV_STR) ? v->u.s : VK_STR("");
        bool good = vk_str_eqz(s, "*") || (s.n > 0 && s.n <= 100);
        for (size_t i = 0; i < s.n && !vk_str_eqz(s, "*"); i++)
            good = good && ((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
                            s.p[i] == '_' || s.p[i] == '.');
        if (!good)
            return vk_pay_refuse(c, 400, NULL, "enabled_events",
                                 "Invalid enabled_events: \"*\" or types of events");
    }
    return VK_OK;
}

vk_err vk_pay_webhook_endpoint_create(vk_pay_call *c)
{
    const vk_pay_resource *r = c->ep->resource;
    vk_str version = vk_pv_text(c->params, "api_version");
    vk_pv **others;
    size_t n;
    int known;
    vk_err e = check_url(c);
    if (e == VK_OK)
        e = check_events(c);
    if (e == VK_OK && version.p && vk_pay_version(version, &known) != VK_OK)
        e = vk_pay_refuse(c, 400, NULL, "api_version", "Invalid Stripe API version: " VK_STR_FMT,
                          VK_STR_ARG(version));
    if (e == VK_OK)
        e = vk_pay_find(c, r, NULL, VK_STR_NONE, VK_PAY_ENDPOINTS_MAX, &others, &n);
    if (e != VK_OK)
        return e;
    if (n == VK_PAY_ENDPOINTS_MAX)
        return vk_pay_refuse(c, 400, NULL, NULL, "You have reached the maximum of %d test webhook endpoints.",
                             VK_PAY_ENDPOINTS_MAX);
    return vk_pv_put_str(c->arena, c->doc, "api_version", version) &&
                   vk_pv_put_str(c->arena, c->doc, "status", VK_STR("enabled"))
               ? VK_OK
               : VK_E_NOMEM;
}

vk_err vk_pay_webhook_endpoint_update(vk_pay_call *c)
{
    const vk_pv *disabled = vk_pv_get(c->params, "disabled");
    vk_err e = vk_pv_get(c->params, "url") ? check_url(c) : VK_OK;
    if (e == VK_OK && vk_pv_get(c->params, "enabled_events"))
        e = check_events(c);
    if (e != VK_OK || !vk_pv_is(disabled, VK_PV_BOOL))
        return e;
    vk_str status = disabled->u.b ? VK_STR("disabled") : VK_STR("enabled");
    if (disabled->u.b && (e = vk_pay_delivery_end(c->db, vk_pv_text(c->doc, "id"))) != VK_OK)
        return e;
    return vk_pv_put_str(c->arena, c->doc, "status", status) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_webhook_endpoint_delete(vk_pay_call *c)
{
    return vk_pay_delivery_end(c->db, vk_pv_text(c->doc, "id"));
}
