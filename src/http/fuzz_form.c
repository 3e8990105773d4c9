/* Any bytes as a form: what is parsed, encoded again and parsed once more, is the same. */
#include "core/buf.h"
#include "http/form.h"
#include "http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void encode(vk_buf *out, vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == ' ')
            vk_buf_ch(out, '+');
        else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'))
            vk_buf_ch(out, (char)c);
        else
            vk_buf_printf(out, "%%%02X", c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    vk_arena *a = vk_arena_new(1 << 20);
    const vk_pair *p, *again;
    size_t n, n_again;
    vk_buf out;
    CHECK(a);
    vk_buf_init(&out, 1 << 20);
    vk_err e = vk_form_parse(a, (vk_str){(const char *)data, size}, &p, &n);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_TOO_LARGE);
    if (e == VK_OK) {
        for (size_t i = 0; i < n; i++) {
            CHECK(!p[i].name.n || !memchr(p[i].name.p, '\0', p[i].name.n));
            CHECK(!p[i].value.n || !memchr(p[i].value.p, '\0', p[i].value.n));
            vk_buf_ch(&out, '&');
            encode(&out, p[i].name);
            vk_buf_ch(&out, '=');
            encode(&out, p[i].value);
        }
        CHECK(vk_form_parse(a, vk_buf_view(&out), &again, &n_again) == VK_OK && n == n_again);
        for (size_t i = 0; i < n; i++) {
            vk_str found;
            CHECK(vk_str_eq(p[i].name, again[i].name) && vk_str_eq(p[i].value, again[i].value));
            CHECK(vk_query_get(a, vk_buf_view(&out), p[i].name, &found) == VK_OK);
        }
    }
    vk_buf_free(&out);
    vk_arena_free(a);
    return 0;
}
