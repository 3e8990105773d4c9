/* Any bytes as each of the four bodies; the first byte chooses the arena. What is accepted keeps its limits.
 */
#include "services/storage/s3xml_write.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header_safe(vk_s3x_list l)
{
    CHECK(l.n <= VK_S3X_RULE_LIST_MAX);
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; k < l.at[i].n; k++)
            CHECK(l.at[i].p[k] > ' ' && l.at[i].p[k] < 0x7f);
}

static void there_and_back(vk_arena *a, const vk_s3x_cors *r)
{
    vk_buf first, second;
    vk_s3x_cors back;
    vk_buf_init(&first, 1 << 20);
    vk_buf_init(&second, 1 << 20);
    vk_s3w_cors(&first, r);
    CHECK(first.err == VK_OK);
    vk_s3_fail f = vk_s3x_read_cors(a, vk_buf_view(&first), &back);
    CHECK(f == VK_S3_OK || f == VK_S3_NO_MEMORY);
    if (f == VK_S3_OK) {
        vk_s3w_cors(&second, &back);
        CHECK(vk_str_eq(vk_buf_view(&first), vk_buf_view(&second)));
    }
    vk_buf_free(&first);
    vk_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    vk_arena *a = vk_arena_new(data[0] & 0x80 ? 9000 : 1 << 22);
    CHECK(a);
    const vk_str body = {(const char *)data + 1, size - 1};
    vk_s3x_delete d;
    vk_s3x_complete c;
    vk_s3x_cors r;
    vk_str region;
    bool doctype = memmem(body.p, body.n, "<!DOCTYPE", 9) && !memmem(body.p, body.n, "<!--", 4) &&
                   !memmem(body.p, body.n, "<![CDATA[", 9) && !memmem(body.p, body.n, "<?", 2) &&
                   !memchr(body.p, '=', body.n); /* where nothing but a declaration can hold it */
    if (vk_s3x_read_delete(a, body, &d) == VK_S3_OK) {
        CHECK(d.n >= 1 && d.n <= VK_S3X_KEYS_MAX && !doctype);
        for (size_t i = 0; i < d.n; i++)
            CHECK(d.keys[i].key.n >= 1 && d.keys[i].key.n <= VK_S3X_TEXT_MAX &&
                  !memchr(d.keys[i].key.p, 0, d.keys[i].key.n));
    }
    if (vk_s3x_read_complete(a, body, &c) == VK_S3_OK) {
        CHECK(c.n >= 1 && c.n <= VK_S3X_PARTS_MAX && !doctype);
        for (size_t i = 0; i < c.n; i++)
            CHECK(c.parts[i].number >= 1 && c.parts[i].number <= VK_S3X_PARTS_MAX && c.parts[i].etag.n);
    }
    if (vk_s3x_read_cors(a, body, &r) == VK_S3_OK) {
        CHECK(r.n >= 1 && r.n <= VK_S3X_RULES_MAX && !doctype);
        for (size_t i = 0; i < r.n; i++) {
            CHECK(r.rules[i].origins.n && r.rules[i].methods.n && r.rules[i].max_age_s >= -1);
            header_safe(r.rules[i].origins);
            header_safe(r.rules[i].headers);
            header_safe(r.rules[i].expose);
        }
        there_and_back(a, &r);
    }
    if (vk_s3x_read_create_bucket(a, body, &region) == VK_S3_OK)
        CHECK(region.n <= VK_S3X_TEXT_MAX);
    vk_arena_free(a);
    return 0;
}
