#include "courier/rules.h"

vk_err vk_rules_read(vk_arena *a, const vk_json **out_r)
{
    vk_json *o;
    vk_err e = vk_json_parse(a, vk_rules_text, &o, NULL, NULL);
    if (e != VK_OK)
        return e == VK_E_NOMEM ? e : VK_E_INTERNAL;
    *out_r = o;
    return vk_rules_services(o) ? VK_OK : VK_E_INTERNAL;
}

static const vk_json *first(const vk_json *v, vk_json_type type)
{
    return v && v->type == type ? v->u.child : NULL;
}

const vk_json *vk_rules_services(const vk_json *rules)
{
    return first(vk_json_get(rules, VK_STR("services")), VK_JSON_OBJECT);
}

const vk_json *vk_rules_service(const vk_json *rules, vk_str id)
{
    return vk_json_get(vk_json_get(rules, VK_STR("services")), id);
}

const vk_json *vk_rules_fields(const vk_json *service)
{
    return first(vk_json_get(service, VK_STR("fields")), VK_JSON_ARRAY);
}

const vk_json *vk_rules_field(const vk_json *service, vk_str name)
{
    for (const vk_json *f = vk_rules_fields(service); f; f = f->next) {
        if (vk_str_eq(vk_json_str(vk_json_get(f, VK_STR("env"))), name))
            return f;
        for (const vk_json *o = first(vk_json_get(f, VK_STR("also")), VK_JSON_ARRAY); o; o = o->next)
            if (vk_str_eq(vk_json_str(o), name))
                return f;
    }
    return NULL;
}
