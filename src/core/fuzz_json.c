/* Any bytes as JSON: what is taken is written back, read again and is the same value, and the second writing
 * is the same text. The first byte chooses the arena's cap. */
#include "core/json_read.h"
#include "core/json_write.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static double number(const vk_json *v)
{
    return v->type == VK_JSON_INT ? (double)v->u.i : v->u.d;
}

static void same(const vk_json *a, const vk_json *b)
{
    bool numbers = (a->type == VK_JSON_INT || a->type == VK_JSON_DOUBLE) &&
                   (b->type == VK_JSON_INT || b->type == VK_JSON_DOUBLE);
    CHECK(numbers || a->type == b->type);
    CHECK(a->count == b->count && vk_str_eq(a->key, b->key));
    if (numbers) {
        double x = number(a), y = number(b); /* a whole double is written without a point */
        CHECK(memcmp(&x, &y, sizeof x) == 0);
    } else if (a->type == VK_JSON_STRING) {
        CHECK(vk_str_eq(a->u.s, b->u.s));
    } else if (a->type == VK_JSON_BOOL) {
        CHECK(a->u.b == b->u.b);
    } else if (a->type != VK_JSON_NULL) {
        uint32_t n = 0;
        const vk_json *x = a->u.child, *y = b->u.child;
        for (; x && y; x = x->next, y = y->next, n++)
            same(x, y);
        CHECK(!x && !y && n == a->count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    vk_arena *a = vk_arena_new(data[0] < 32 ? (size_t)4096 + data[0] * 256 : 64 << 20);
    vk_arena *large = vk_arena_new(64 << 20);
    vk_json *first, *second;
    const char *error = NULL;
    size_t at = SIZE_MAX;
    vk_str text = {(const char *)data + 1, size - 1};
    CHECK(a && large);
    vk_err e = vk_json_parse(a, text, &first, &error, &at);
    if (e == VK_OK) {
        vk_buf once, twice;
        vk_buf_init(&once, 64 << 20);
        vk_buf_init(&twice, 64 << 20);
        vk_jw w = vk_jw_on(&once);
        vk_jw_value(&w, first);
        CHECK(once.err == VK_OK);
        CHECK(vk_json_parse(large, vk_buf_view(&once), &second, NULL, NULL) == VK_OK);
        same(first, second);
        w = vk_jw_on(&twice);
        vk_jw_value(&w, second);
        CHECK(vk_str_eq(vk_buf_view(&once), vk_buf_view(&twice)));
        vk_buf_free(&once);
        vk_buf_free(&twice);
    } else {
        CHECK(error && at <= text.n && (e == VK_E_INVALID || e == VK_E_NOMEM));
    }
    vk_buf quoted;
    vk_buf_init(&quoted, 64 << 20);
    vk_json_quote(&quoted, text);
    CHECK(vk_json_parse(large, vk_buf_view(&quoted), &second, NULL, NULL) == VK_OK);
    CHECK(second->type == VK_JSON_STRING);
    vk_buf_free(&quoted);
    vk_arena_free(a);
    vk_arena_free(large);
    return 0;
}
