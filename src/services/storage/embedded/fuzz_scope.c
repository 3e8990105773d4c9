/* Keys, prefixes, delimiters and markers of any bytes, cut at newlines. A key that is let in never leaves its
 * build, whichever form it has, and means one object; a listing's parts are as safe as the keys they select.
 */
#include "services/storage/embedded/scope.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUILD "me"
#define OWN "builds/me/"

static bool segment_dots(vk_str s)
{
    vk_str one;
    for (bool more = true; more;) {
        more = vk_str_cut(&s, '/', &one);
        one = more ? one : s;
        if (vk_str_eqz(one, ".") || vk_str_eqz(one, ".."))
            return true;
    }
    return false;
}

static void key(vk_str k)
{
    vk_ob_scoped s, again;
    vk_ob_err e = vk_ob_scope(BUILD, k, &s);
    vk_ob_err alone = vk_ob_key_check(k);
    CHECK(alone == VK_OB_OK ? e == VK_OB_OK || e == VK_OB_OUTSIDE : e == alone);
    if (e != VK_OB_OK)
        return;
    CHECK(k.n >= 1 && k.n <= VK_OB_KEY_MAX && !memchr(k.p, 0, k.n) && !segment_dots(k));
    CHECK(s.prefixed == vk_str_starts(k, VK_STR(OWN)));
    CHECK(s.prefixed || !vk_str_starts(k, VK_STR("builds/")));
    CHECK(s.key.n == k.n - (s.prefixed ? sizeof OWN - 1 : 0));
    CHECK(s.key.n == 0 || (s.key.p >= k.p && s.key.p + s.key.n == k.p + k.n));
    CHECK(!vk_str_starts(s.key, VK_STR(OWN)));
    /* The other form of the same object, where it has one. */
    char other[VK_OB_KEY_MAX + 16];
    if (!s.prefixed && k.n + sizeof OWN - 1 <= VK_OB_KEY_MAX) {
        memcpy(other, OWN, sizeof OWN - 1);
        memcpy(other + sizeof OWN - 1, k.p, k.n);
        CHECK(vk_ob_scope(BUILD, (vk_str){other, k.n + sizeof OWN - 1}, &again) == VK_OB_OK);
        CHECK(again.prefixed && vk_str_eq(again.key, s.key));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str rest = {(const char *)data, size}, parts[3] = {VK_STR_NONE, VK_STR_NONE, VK_STR_NONE};
    for (size_t i = 0; i < 2; i++)
        if (!vk_str_cut(&rest, '\n', &parts[i]))
            break;
    parts[2] = rest;
    key((vk_str){(const char *)data, size});
    for (size_t i = 0; i < 3; i++)
        key(parts[i]);
    vk_ob_scoped_list l;
    if (vk_ob_scope_list(BUILD, parts[0], parts[1], parts[2], &l) != VK_OB_OK)
        return 0;
    CHECK(l.prefix.n <= VK_OB_KEY_MAX && l.after.n <= VK_OB_KEY_MAX);
    CHECK(l.prefixed == vk_str_starts(parts[0], VK_STR("builds/")));
    if (l.folder.n) /* a beginning of our own prefix, never of a sibling's */
        CHECK(l.prefixed && vk_str_starts(VK_STR(OWN), l.folder) && vk_str_starts(l.folder, parts[0]));
    return 0;
}
