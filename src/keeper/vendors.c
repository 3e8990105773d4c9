#include "keeper/vendors.h"

#include "keeper/shape.h"

extern const vk_vendor vk_vendor_clerk, vk_vendor_turso, vk_vendor_neon, vk_vendor_postgres, vk_vendor_r2,
    vk_vendor_s3, vk_vendor_stripe;

static const vk_vendor *const vendors[] = {
    &vk_vendor_clerk, &vk_vendor_turso, &vk_vendor_neon,   &vk_vendor_postgres,
    &vk_vendor_r2,    &vk_vendor_s3,    &vk_vendor_stripe,
};
_Static_assert(VK_COUNT(vendors) <= VK_VENDORS_MAX, "raise VK_VENDORS_MAX");

size_t vk_vendors(const vk_vendor *out[VK_VENDORS_MAX])
{
    memcpy(out, vendors, sizeof vendors);
    return VK_COUNT(vendors);
}

const vk_vendor *vk_vendor_of(vk_str name)
{
    for (size_t i = 0; i < VK_COUNT(vendors); i++)
        if (vk_str_eqz(name, vendors[i]->name))
            return vendors[i];
    return NULL;
}

const vk_vendor_field *vk_vendor_field_of(const vk_vendor_field *fields, vk_str name)
{
    for (const vk_vendor_field *f = fields; f && f->name; f++)
        if (vk_str_eqz(name, f->name))
            return f;
    return NULL;
}

bool vk_vendor_yes_ok(vk_str value, const char **why_r)
{
    if (vk_str_eqz(value, "yes"))
        return true;
    *why_r = "It is yes, or is left out.";
    return false;
}

bool vk_vendor_base_ok(vk_str url, const char **why_r)
{
    bool tls = vk_str_starts(url, VK_STR("https://")), loopback = false;
    if (!vk_shape_plain_ok(url, why_r))
        return false;
    if (!tls && !vk_str_starts(url, VK_STR("http://"))) {
        *why_r = "An address begins with https://.";
        return false;
    }
    vk_str host = {url.p + (tls ? 8 : 7), url.n - (tls ? 8 : 7)};
    if (host.n && memchr(host.p, '@', host.n)) {
        *why_r = "There is a user or a password in the address. Leave them out.";
        return false;
    }
    if (host.n && host.p[host.n - 1] == '/' && memchr(host.p, '/', host.n) == host.p + host.n - 1) {
        *why_r = "Leave out the slash at the end of the address.";
        return false;
    }
    if (host.n &&
        (memchr(host.p, '/', host.n) || memchr(host.p, '?', host.n) || memchr(host.p, '#', host.n))) {
        *why_r = "The address may have a host and a port only: leave out what stands behind them.";
        return false;
    }
    if (!vk_shape_host_ok(host, &loopback)) {
        *why_r =
            "That is no address of a host: it looks like https://api.example.com, with a port if it has one.";
        return false;
    }
    if (!tls && !loopback) {
        *why_r = "The address must begin with https://: the key would travel in clear over http.";
        return false;
    }
    return true;
}
