#include "services/storage/embedded/scope.h"

#include "core/text.h"
#include "core/vendor.h"

#define RESERVED VK_STR("builds/")

static vk_str scope_of(const char *build, char room[VK_OB_SCOPE_MAX])
{
    size_t n = strnlen(build, VK_OB_SCOPE_MAX - RESERVED.n - 1);
    memcpy(room, RESERVED.p, RESERVED.n);
    memcpy(room + RESERVED.n, build, n);
    room[RESERVED.n + n] = '/';
    return (vk_str){room, RESERVED.n + n + 1};
}

static bool is_text(vk_str s)
{
    size_t bad;
    if (s.n == 0) /* perhaps no pointer at all */
        return true;
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        size_t n = *p ? vk_utf8_seq(p, end, &bad) : 0;
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

/* A segment "." or ".."; the last one counts with `whole` only, for of a prefix it may be a beginning. */
static bool has_dots(vk_str s, bool whole)
{
    vk_str segment;
    if (s.n == 0 || !memchr(s.p, '.', s.n))
        return false;
    while (vk_str_cut(&s, '/', &segment))
        if (vk_str_eqz(segment, ".") || vk_str_eqz(segment, ".."))
            return true;
    return whole && (vk_str_eqz(s, ".") || vk_str_eqz(s, ".."));
}

static int order(vk_str a, vk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

static vk_str behind(vk_str s, size_t n)
{
    return (vk_str){s.p + n, s.n - n};
}

vk_ob_err vk_ob_key_check(vk_str key)
{
    if (key.n > VK_OB_KEY_MAX)
        return VK_OB_KEY_TOO_LONG;
    return key.n == 0 || !is_text(key) || has_dots(key, true) ? VK_OB_BAD_KEY : VK_OB_OK;
}

vk_ob_err vk_ob_scope(const char *build, vk_str key, vk_ob_scoped *out_r)
{
    char room[VK_OB_SCOPE_MAX];
    vk_str scope = scope_of(build, room);
    vk_ob_err e = vk_ob_key_check(key);
    if (e != VK_OB_OK)
        return e;
#ifdef VK_TEST_VENDOR
    if (vk_vendor_role) { /* a vendor's bucket has no prefixes of ours */
        *out_r = (vk_ob_scoped){false, key};
        return VK_OB_OK;
    }
#endif
    bool prefixed = vk_str_starts(key, scope);
    if (!prefixed && vk_str_starts(key, RESERVED))
        return VK_OB_OUTSIDE;
    vk_str rest = prefixed ? behind(key, scope.n) : key;
    if (prefixed && vk_str_starts(rest, scope))
        return VK_OB_OUTSIDE;
    *out_r = (vk_ob_scoped){prefixed, rest};
    return VK_OB_OK;
}

static vk_str find(vk_str s, vk_str what)
{
    const char *p = what.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
    return p ? (vk_str){s.p, (size_t)(p - s.p) + what.n} : VK_STR_NONE;
}

vk_ob_err vk_ob_scope_list(const char *build, vk_str prefix, vk_str delimiter, vk_str after,
                           vk_ob_scoped_list *out_r)
{
    if (prefix.n > VK_OB_KEY_MAX || after.n > VK_OB_KEY_MAX || delimiter.n > VK_OB_KEY_MAX)
        return VK_OB_KEY_TOO_LONG;
    if (!is_text(prefix) || !is_text(after) || has_dots(prefix, false) || has_dots(after, false))
        return VK_OB_BAD_KEY;
    memset(out_r, 0, sizeof *out_r);
    vk_str scope = scope_of(build, out_r->room);
    bool plain = !vk_str_starts(prefix, RESERVED);
#ifdef VK_TEST_VENDOR
    plain = plain || vk_vendor_role;
#endif
    if (plain) {
        out_r->prefix = prefix;
        out_r->after = after;
        out_r->skip_empty = true;
        return VK_OB_OK;
    }
    out_r->prefixed = true;
    if (vk_str_starts(prefix, scope)) {
        out_r->prefix = behind(prefix, scope.n);
    } else {
        if (!vk_str_starts(scope, prefix))
            return VK_OB_OUTSIDE;
        vk_str cut = find(behind(scope, prefix.n), delimiter);
        if (cut.n)
            out_r->folder = (vk_str){out_r->room, prefix.n + cut.n};
    }
    if (out_r->folder.n)
        out_r->nothing = order(out_r->folder, after) <= 0;
    else if (vk_str_starts(after, scope))
        out_r->after = behind(after, scope.n);
    else
        out_r->nothing = order(after, scope) > 0;
    out_r->skip_empty = vk_str_starts(after, scope); /* it is the marker, or before it */
    return VK_OB_OK;
}
