/* A policy and a form of any bytes: the policy's text, then a line with NUL, then lines name=value. The first
 * byte chooses the arena's cap and whether the text is base64 already. A form that passes does not pass with
 * a field more, or with one twice. */
#include "core/encode.h"
#include "crypto/postpolicy.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vk_sigv4_fail check(vk_arena *a, const vk_post_form *f)
{
    vk_post_terms t;
    vk_sigv4_fail fail = vk_post_policy_check(a, f, &t);
    CHECK(fail >= VK_SIGV4_OK && fail < VK_SIGV4_FAILS);
    CHECK(fail == VK_SIGV4_OK || vk_sigv4_error_of(fail, VK_SIGV4_POST).status >= 400);
    CHECK(t.min >= 0 && t.max >= 0);
    volatile char sum = 0; /* every byte of what was given can be read */
    for (size_t i = 0; fail == VK_SIGV4_OK && i < t.key.n; i++)
        sum = (char)(sum ^ t.key.p[i]);
    for (size_t i = 0; i < t.detail.n; i++)
        sum = (char)(sum ^ t.detail.p[i]);
    return fail;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    vk_arena *a = vk_arena_new(data[0] & 0x80 ? 8192 : 1 << 22);
    CHECK(a);
    vk_str rest = {(const char *)data + 1, size - 1}, policy;
    if (!vk_str_cut(&rest, '\0', &policy))
        policy = rest, rest = VK_STR_NONE;
    vk_buf encoded;
    vk_buf_init(&encoded, 1 << 20);
    if (!(data[0] & 0x40)) {
        vk_base64(&encoded, policy.p, policy.n, true);
        policy = vk_buf_view(&encoded);
    }
    vk_sigv4_pair pairs[VK_POST_FIELDS_MAX + 4];
    vk_post_form f = {.fields = pairs,
                      .bucket = VK_STR("bkt"),
                      .file_name = VK_STR("dir/x.png"),
                      .now_ms = INT64_C(1795457715000)};
    pairs[f.n_fields++] = (vk_sigv4_pair){VK_STR("policy"), policy};
    while (rest.n && f.n_fields < VK_POST_FIELDS_MAX + 2) {
        vk_str value, name;
        if (!vk_str_cut(&rest, '\n', &value))
            value = rest, rest = VK_STR_NONE;
        if (!vk_str_cut(&value, '=', &name))
            name = value, value = VK_STR_NONE;
        pairs[f.n_fields++] = (vk_sigv4_pair){name, value};
    }
    if (check(a, &f) == VK_SIGV4_OK) {
        pairs[f.n_fields++] = (vk_sigv4_pair){VK_STR("Key"), VK_STR("other")};
        vk_sigv4_fail twice = check(a, &f);
        CHECK(twice == VK_SIGV4_FORM_TWICE || twice == VK_SIGV4_TOO_LARGE || twice == VK_SIGV4_NO_MEMORY);
        pairs[f.n_fields - 1] = (vk_sigv4_pair){VK_STR("a-field-that-no-fuzzer-names-7e0c"), VK_STR("")};
        CHECK(check(a, &f) != VK_SIGV4_OK || memmem(data, size, "7e0c", 4) || memmem(data, size, "\\u", 2) ||
              (data[0] & 0x40));
    }
    vk_buf_free(&encoded);
    vk_arena_free(a);
    return 0;
}
