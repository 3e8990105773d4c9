#include "store/store.h"

bool vk_build_id_ok(vk_str id)
{
    if (id.n < 1 || id.n > VK_BUILD_ID_MAX || id.p[0] == '-' || id.p[id.n - 1] == '-')
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

const char *vk_build_state_name(const vk_build *b, int64_t now)
{
    switch (b->state) {
    case VK_BUILD_REVOKED:
        return "revoked";
    case VK_BUILD_DELETING:
        return "deleting";
    default:
        return b->expires_ms <= now ? "expired" : "active";
    }
}

/* ---- a binding's resource: an object of texts, as vk_jw writes it */

static size_t skip_blanks(vk_str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r' || s.p[i] == '\n'))
        i++;
    return i;
}

/* The text that begins at s.p[i]; where it ends. 0: there is none. *plain_r: nothing in it is escaped. */
static size_t text_at(vk_str s, size_t i, vk_str *out_r, bool *plain_r)
{
    if (i >= s.n || s.p[i] != '"')
        return 0;
    size_t from = ++i;
    const char *end = i < s.n ? memchr(s.p + i, '"', s.n - i) : NULL;
    *plain_r = end && !memchr(s.p + i, '\\', (size_t)(end - s.p) - i);
    if (*plain_r) { /* as nearly all are */
        *out_r = (vk_str){s.p + from, (size_t)(end - s.p) - from};
        return from + out_r->n + 1;
    }
    for (*plain_r = true; i < s.n && s.p[i] != '"'; i++)
        if (s.p[i] == '\\') {
            *plain_r = false;
            i++;
        }
    if (i >= s.n)
        return 0;
    *out_r = (vk_str){s.p + from, i - from};
    return i + 1;
}

vk_str vk_binding_value(const vk_binding *b, const char *name)
{
    vk_str s = b->resource, key, value, found = VK_STR_NONE;
    bool plain, plain_value;
    size_t i = skip_blanks(s, 0);
    if (i >= s.n || s.p[i] != '{')
        return VK_STR_NONE;
    for (i = skip_blanks(s, i + 1); i < s.n && s.p[i] != '}';) {
        i = text_at(s, i, &key, &plain);
        i = i ? skip_blanks(s, i) : 0;
        if (!i || i >= s.n || s.p[i] != ':')
            return VK_STR_NONE;
        i = text_at(s, skip_blanks(s, i + 1), &value, &plain_value);
        i = i ? skip_blanks(s, i) : 0;
        if (!i || i >= s.n || (s.p[i] != ',' && s.p[i] != '}'))
            return VK_STR_NONE;
        if (plain && vk_str_eqz(key, name))
            found = plain_value ? value : VK_STR_NONE;
        if (s.p[i] == ',')
            i = skip_blanks(s, i + 1);
    }
    return i < s.n ? found : VK_STR_NONE;
}
