/* Any bytes as a vendor's answer, cut anywhere: the pieces do not matter; what is JSON afterwards has no text
 * as a `base_url` at its top; and what had none is as it was. */
#include "core/json_read.h"
#include "services/database/turso/turso.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

enum { ARENA = 8 << 20, MOST = 64 * 1024 };

/* An object with a text as a member of that name, whichever of several. */
static bool leads_away(vk_arena *a, vk_str text, bool *json_r)
{
    vk_json *root;
    *json_r = vk_json_parse(a, text, &root, NULL, NULL) == VK_OK;
    if (!*json_r || root->type != VK_JSON_OBJECT)
        return false;
    for (const vk_json *m = root->u.child; m; m = m->next)
        if (vk_str_eqz(m->key, "base_url") && m->type == VK_JSON_STRING)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > MOST)
        return 0;
    size_t cut = data[0] % size, n = size - 1;
    vk_arena *a = vk_arena_new(ARENA);
    char *whole = malloc(n), *cuts = malloc(n);
    CHECK(a && whole && cuts);
    memcpy(whole, data + 1, n);
    memcpy(cuts, data + 1, n);
    cut = cut > n ? n : cut;
    vk_db_answer s = {0}, t = {0};
    vk_db_answer_pass(&s, whole, n);
    vk_db_answer_pass(&t, cuts, cut);
    vk_db_answer_pass(&t, cuts + cut, n - cut);
    CHECK(memcmp(whole, cuts, n) == 0);
    bool before, after;
    bool away = leads_away(a, (vk_str){(const char *)data + 1, n}, &before);
    CHECK(!leads_away(a, (vk_str){whole, n}, &after));
    /* A name that has an escape counts as any name. */
    if (before && !away && !memchr(data + 1, '\\', n))
        CHECK(memcmp(whole, data + 1, n) == 0);
    vk_arena_free(a);
    free(whole);
    free(cuts);
    return 0;
}
