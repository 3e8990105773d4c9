/* Which calls may be made: the rules of a vendor against a method and a path. */
#include "core/path_index.h"
#include "keeper/org.h"
#include "keeper/vendors.h"

#include <pthread.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.3. */
static bool unreserved(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* An escape stands for a character that can only be written so, and that no vendor's server takes for a part
 * of the path's structure when it decodes it once or twice. */
static bool escape_ok(vk_str s, size_t i)
{
    int high = i + 1 < s.n ? hex(s.p[i + 1]) : -1, low = i + 2 < s.n ? hex(s.p[i + 2]) : -1,
        c = high * 16 + low;
    return high >= 0 && low >= 0 && c >= 0x20 && c < 0x7f && !unreserved(c) && c != '/' && c != '\\' &&
           c != '%' && c != ';';
}

/* Cuts off the first part of what follows a slash. */
static vk_str part(vk_str *rest)
{
    vk_str head;
    if (!vk_str_cut(rest, '/', &head)) {
        head = *rest;
        *rest = VK_STR_NONE;
        return head;
    }
    return head;
}

static bool parts_ok(vk_str path)
{
    vk_str rest = {path.p + 1, path.n - 1};
    if (rest.n == 0) /* "/" alone has no parts */
        return true;
    if (path.p[path.n - 1] == '/')
        return false;
    while (rest.n) {
        vk_str one = part(&rest);
        if (one.n == 0 || vk_str_eqz(one, ".") || vk_str_eqz(one, ".."))
            return false;
    }
    return true;
}

/* What most of a path consists of. */
static const bool always_ok[256] = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
                                    ['-'] = true,         ['_'] = true,         ['/'] = true};

bool vk_vendor_path_ok(vk_str path, bool raw)
{
    if (path.n == 0 || path.p[0] != '/')
        return false;
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        if (VK_LIKELY(always_ok[(unsigned char)c]))
            continue;
        if (c <= ' ' || c >= 0x7f || c == '?' || c == '#')
            return false;
        if (!raw && (c == '\\' || c == ';' || (c == '%' && !escape_ok(path, i))))
            return false;
    }
    return raw || parts_ok(path);
}

static bool alike(char a, char b, bool deny)
{
    return a == b || (deny && ((a | 0x20) == (b | 0x20)) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
}

/* `path` and `rule` begin with a slash. In step, so that most rules are done with after a few characters;
 * parts that are the same letter by letter are passed over first. */
static bool fits(vk_str path, const char *rule, bool deny)
{
    const char *p = path.p, *end = path.p + path.n;
    size_t same = 0, part_at = 0;
    for (; same < path.n && p[same] == rule[same]; same++)
        if (p[same] == '/')
            part_at = same;
    p += part_at;
    rule += part_at;
    for (;;) { /* both are at the beginning of a part, behind its slash, or at their end */
        bool more = p < end && ++p <= end && (p < end || path.n > 1), wanted = *rule && *++rule;
        if (wanted && rule[0] == '*' && rule[1] == '*')
            return true;
        if (!more || !wanted)
            return more == wanted;
        if (rule[0] == '{' && rule[1] == '}') {
            const char *from = p;
            while (p < end && *p != '/')
                p++;
            if (p == from)
                return false;
            rule += 2;
        } else {
            while (p < end && *p != '/' && alike(*p, *rule, deny)) {
                p++;
                rule++;
            }
        }
        if ((p < end && *p != '/') || (*rule && *rule != '/'))
            return false;
    }
}

static bool decides(const vk_vendor_call *c, vk_str method, vk_str path)
{
    bool deny = c->method[0] == '!';
    const char *m = c->method + deny;
    if (m[0] != method.p[0] && m[0] != '*') /* as most are */
        return false;
    return ((m[0] == '*' && !m[1]) || vk_str_eqz(method, m)) && fits(path, c->path, deny);
}

static const vk_vendor_call *allowed(const vk_vendor_call *c)
{
    return c->method[0] == '!' ? NULL : c;
}

/* ---- those of the vendors that there are, by path_index.h; of any other one all rules are looked at */

static struct index {
    const vk_vendor *vendor;
    bool good;
    vk_path_index x;
} indexes[VK_VENDORS_MAX];

static const char *path_of(const void *table, size_t i)
{
    return ((const vk_vendor_call *)table)[i].path;
}

static void make_indexes(void)
{
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all);
    for (size_t i = 0; i < n; i++) {
        size_t rules = 0;
        while (all[i]->calls && all[i]->calls[rules].method)
            rules++;
        indexes[i].vendor = all[i];
        indexes[i].good = vk_path_index_make(&indexes[i].x, path_of, all[i]->calls, rules) == VK_OK;
    }
}

static const vk_path_index *index_of(const vk_vendor *v)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_indexes);
    for (size_t i = 0; i < VK_VENDORS_MAX; i++)
        if (indexes[i].vendor == v)
            return indexes[i].good ? &indexes[i].x : NULL;
    return NULL;
}

const vk_vendor_call *vk_vendor_call_of(const vk_vendor *v, vk_str method, vk_str path)
{
    if (method.n == 0 || !vk_vendor_path_ok(path, v->raw_path))
        return NULL;
    const vk_path_index *x = index_of(v);
    if (!x) {
        for (const vk_vendor_call *c = v->calls; c && c->method; c++)
            if (decides(c, method, path))
                return allowed(c);
        return NULL;
    }
    unsigned s = vk_path_slot(path);
    for (unsigned i = x->from[s]; i < x->from[s + 1]; i++)
        if (decides(&v->calls[x->rule[i]], method, path))
            return allowed(&v->calls[x->rule[i]]);
    return NULL;
}

/* ---- where to */

vk_err vk_order_bearer_of(vk_order *o, vk_secret key, const char **why_r)
{
    vk_secret base = o->org ? vk_org_value(o->org, "api_base") : VK_SECRET_NONE;
    if (!vk_secret_bytes(key).n || !vk_secret_bytes(base).n) {
        *why_r = "The organisation's key for this was not entered";
        return VK_E_UNAVAILABLE;
    }
    vk_buf_lit(o->lines, "Authorization: Bearer ");
    vk_buf_str(o->lines, vk_secret_bytes(key));
    vk_buf_lit(o->lines, "\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n");
    vk_err e = vk_order_to(o, vk_secret_bytes(base), why_r);
    return e != VK_OK ? e : o->lines->err;
}

vk_err vk_order_bearer(vk_order *o, const char *field, const char **why_r)
{
    return vk_order_bearer_of(o, o->org ? vk_org_value(o->org, field) : VK_SECRET_NONE, why_r);
}

/* Of many calls in a row it is the same one. */
static bool base_ok(vk_str base, const char **why_r)
{
    static _Thread_local char good[256];
    static _Thread_local size_t good_n;
    if (base.n && base.n == good_n && memcmp(base.p, good, good_n) == 0)
        return true;
    if (!vk_vendor_base_ok(base, why_r))
        return false;
    good_n = base.n <= sizeof good ? base.n : 0;
    memcpy(good, base.p, good_n);
    return true;
}

vk_err vk_order_to(vk_order *o, vk_str base, const char **why_r)
{
    if (!base_ok(base, why_r)) /* http is for loopback only */
        return VK_E_UNAVAILABLE;
    size_t skip = vk_str_starts(base, VK_STR("https://")) ? 8 : 7;
    o->plain = skip == 7;
    o->to_host = (vk_str){base.p + skip, base.n - skip};
    return VK_OK;
}
