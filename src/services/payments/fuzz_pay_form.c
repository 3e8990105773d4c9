/* Any bytes as a form: counts are right, texts are good, and what was read, written as a form in the SDK's
 * way, is read the same. */
#include "core/text.h"
#include "services/payments/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void encode(vk_buf *out, vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        vk_buf_printf(out, "%%%02x", (unsigned char)s.p[i]);
}

static void check_text(vk_str s)
{
    for (size_t i = 0, bad, n; i < s.n; i += n) {
        n = vk_utf8_seq(s.p + i, s.p + s.n, &bad);
        CHECK(n && s.p[i]);
    }
}

/* `name` is what leads to it. */
static void walk(vk_buf *out, const vk_pv *v, vk_str name, int depth)
{
    CHECK(depth <= VK_PAY_FORM_DEPTH + 1);
    if (v->type == VK_PV_STR) {
        check_text(v->u.s);
        encode(out, name);
        vk_buf_ch(out, '=');
        encode(out, v->u.s);
        vk_buf_ch(out, '&');
        return;
    }
    CHECK(v->type == VK_PV_ARR || v->type == VK_PV_OBJ);
    uint32_t n = 0;
    const vk_pv *last = NULL;
    VK_PV_EACH(e, v)
    {
        vk_buf inner;
        vk_buf_init(&inner, 8192);
        vk_buf_str(&inner, name);
        if (depth)
            vk_buf_ch(&inner, '[');
        if (v->type == VK_PV_OBJ) {
            check_text(e->key);
            vk_buf_str(&inner, e->key);
        } else {
            vk_buf_printf(&inner, "%u", n);
        }
        if (depth)
            vk_buf_ch(&inner, ']');
        CHECK(inner.err == VK_OK);
        walk(out, e, vk_buf_view(&inner), depth + 1);
        vk_buf_free(&inner);
        n++;
        last = e;
    }
    CHECK(n == v->count && last == v->u.c.last && (depth == 0 || n > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    vk_arena *a = vk_arena_new(16 << 20);
    vk_pv *v, *again;
    const char *why = NULL;
    vk_str param = VK_STR_NONE;
    vk_buf out;
    CHECK(a);
    vk_buf_init(&out, 8 << 20);
    vk_err e = vk_pay_form(a, (vk_str){(const char *)data, size}, NULL, &v, &why, &param);
    CHECK(e == VK_OK || ((e == VK_E_INVALID || e == VK_E_TOO_LARGE) && why));
    if (e == VK_OK) {
        walk(&out, v, VK_STR_NONE, 0);
        /* A number may be longer than what it stands for, so that a name does not fit any more. */
        if (out.err == VK_OK && out.n <= VK_PAY_FORM_MAX) {
            e = vk_pay_form(a, vk_buf_view(&out), NULL, &again, &why, &param);
            CHECK(e == VK_OK || e == VK_E_TOO_LARGE);
            CHECK(e != VK_OK || vk_pv_equal(v, again));
        }
    }
    vk_buf_free(&out);
    vk_arena_free(a);
    return 0;
}
