/* Any two objects, up to the first newline and behind it: what comes out can be read again, holds what the
 * change says, and merging the same change once more changes nothing. */
#include "services/auth/metadata.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether `is` is what the object `change` leaves of `was` (NULL: nothing was there). */
static void check(const vk_json *was, const vk_json *change, const vk_json *is)
{
    CHECK(is && is->type == VK_JSON_OBJECT);
    for (const vk_json *m = change->u.child; m; m = m->next) {
        const vk_json *last = vk_json_get(change, m->key), *got = vk_json_get(is, m->key);
        if (last->type == VK_JSON_NULL)
            CHECK(!got);
        else if (last->type == VK_JSON_OBJECT)
            check(vk_json_get(was, m->key), last, got);
        else
            CHECK(got && got->type == last->type && got->count == last->count);
    }
    size_t kept = 0, seen = 0;
    for (const vk_json *m = is->u.child; m; m = m->next, seen++) {
        CHECK(vk_json_get(is, m->key) == m); /* each name once */
        kept += !vk_json_get(change, m->key);
        CHECK(vk_json_get(change, m->key) || vk_json_get(was, m->key));
    }
    CHECK(seen == is->count);
    if (was && was->type == VK_JSON_OBJECT)
        for (const vk_json *m = was->u.child; m; m = m->next)
            if (vk_json_get(was, m->key) == m && !vk_json_get(change, m->key))
                kept--;
    CHECK(kept == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str rest = {(const char *)data, size}, first, out, again;
    vk_json *base, *change, *got;
    vk_arena *a;
    if (size > 4096 || !vk_str_cut(&rest, '\n', &first))
        return 0;
    a = vk_arena_new(16 << 20);
    CHECK(a);
    if (vk_json_parse(a, rest, &change, NULL, NULL) == VK_OK && change->type == VK_JSON_OBJECT) {
        vk_err e = vk_auth_metadata_merge(a, first, change, &out);
        if (e == VK_OK) {
            CHECK(vk_json_parse(a, first, &base, NULL, NULL) == VK_OK);
            CHECK(vk_json_parse(a, out, &got, NULL, NULL) == VK_OK);
            check(base, change, got);
            CHECK(vk_auth_metadata_merge(a, out, change, &again) == VK_OK && vk_str_eq(out, again));
        } else {
            CHECK(e == VK_E_CORRUPT);
        }
    }
    vk_arena_free(a);
    return 0;
}
