#include "keeper/provision_answer.h"

#include "keeper/shape.h"

vk_err vk_prov_refused(vk_prov *p, const char *what, int status, const vk_json *body, const char *member,
                       const char **why_r)
{
    *why_r = vk_prov_said(p, what, status, body, member);
    switch (status) {
    case 401:
    case 403:
        return VK_E_FORBIDDEN;
    case 402:
        return VK_E_FULL;
    case 404:
    case 410:
        return VK_E_NOT_FOUND;
    case 409:
        return VK_E_CONFLICT;
    case 423:
        return VK_AGAIN;
    default:
        return VK_E_INVALID;
    }
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool vk_prov_host_ok(const vk_prov *p, vk_str host)
{
    bool loopback;
    if (!vk_shape_host_ok(host, &loopback))
        return false;
    if (vk_str_starts(vk_prov_org(p, "api_base"), VK_STR("http://")))
        return loopback;
    size_t dot = 0;
    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == ':' || host.p[i] == '[')
            return false;
        dot = host.p[i] == '.' ? i + 1 : dot;
    }
    return !loopback && dot && dot < host.n && letter(host.p[dot]);
}

vk_str vk_prov_text(const vk_json *o, const char *member, size_t most)
{
    vk_str s = vk_json_str(vk_json_get(o, vk_str_z(member)));
    if (s.n > most)
        return VK_STR_NONE;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return VK_STR_NONE;
    return s.n ? s : VK_STR_NONE;
}

int64_t vk_prov_number(const vk_json *o, const char *member)
{
    int64_t n;
    const vk_json *v = vk_json_opt(o, vk_str_z(member));
    return v && vk_json_i64(v, &n) == VK_OK && n >= 0 ? n : -1;
}

int64_t vk_prov_size(vk_str value)
{
    static const struct {
        vk_str unit;
        int shift;
    } units[] = {
        {VK_STR("kb"), 10}, {VK_STR("mb"), 20}, {VK_STR("gb"), 30}, {VK_STR("tb"), 40}, {VK_STR("b"), 0}};
    int64_t n = 0;
    int shift = 0;
    for (size_t i = 0; i < VK_COUNT(units); i++)
        if (value.n > units[i].unit.n &&
            vk_str_eq((vk_str){value.p + value.n - units[i].unit.n, units[i].unit.n}, units[i].unit)) {
            shift = units[i].shift;
            value.n -= units[i].unit.n;
            break;
        }
    if (!value.n || value.n > 15)
        return 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return 0;
        n = n * 10 + (value.p[i] - '0');
    }
    return n <= (INT64_MAX >> 10) >> shift ? n << shift : 0;
}

bool vk_prov_size_ok(vk_str value, const char **why_r)
{
    if (!vk_shape_plain_ok(value, why_r))
        return false;
    if (vk_prov_size(value))
        return true;
    *why_r = "A size is a number with kb, mb, gb or tb behind it, such as 512mb.";
    return false;
}

vk_str vk_prov_org(const vk_prov *p, const char *field)
{
    const vk_vendor_field *f = vk_vendor_field_of(p->vendor->fields, vk_str_z(field));
    return f && !f->secret ? vk_secret_bytes(vk_org_value(p->org, field)) : VK_STR_NONE;
}

vk_err vk_prov_asks(vk_prov_request *r, const char *method, vk_str path, vk_str json)
{
    if (!path.p || (json.n && !json.p))
        return VK_E_NOMEM;
    r->method = method;
    r->path = path;
    r->body = json;
    if (json.n)
        r->content_type = VK_STR("application/json");
    r->again = strcmp(method, "GET") == 0;
    return VK_OK;
}
